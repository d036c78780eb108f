/* SPDX-License-Identifier: Apache-2.0 */
/* base/rng.c — xoshiro256++ and SplitMix64, written from the authors' public-domain description. */
#include "brownout/base/rng.h"

#include <math.h>

uint64_t bo_mix64(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static uint64_t rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

void bo_rng_init(struct bo_rng *rng, uint64_t seed, uint64_t stream)
{
	uint64_t x = bo_mix64(seed) ^ bo_mix64(~stream);

	for (int i = 0; i < 4; i++) {
		rng->s[i] = bo_mix64(x);
		x += UINT64_C(0x9e3779b97f4a7c15);
	}
	/* the all-zero state is the one fixed point */
	if (!(rng->s[0] | rng->s[1] | rng->s[2] | rng->s[3]))
		rng->s[0] = 1;
}

uint64_t bo_rng_u64(struct bo_rng *rng)
{
	uint64_t *s = rng->s;
	uint64_t out = rotl(s[0] + s[3], 23) + s[0];
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return out;
}

double bo_rng_unit(struct bo_rng *rng)
{
	return (double)(bo_rng_u64(rng) >> 11) * 0x1p-53;
}

double bo_rng_exp(struct bo_rng *rng)
{
	return -log1p(-bo_rng_unit(rng));
}
