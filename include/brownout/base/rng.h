/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/base/rng.h — seeded random numbers, the same on every machine.
 * xoshiro256++ seeded by SplitMix64 (Blackman & Vigna, "Scrambled linear pseudorandom number
 * generators", 2019).  Not for secrets.
 * Owns: nothing.  Threads: one generator per thread.  Privilege: none. */
#pragma once
#include <stdint.h>

struct bo_rng {
	uint64_t s[4];
};

/** bo_rng_init() - independent streams of one @seed: give each user (load, wire direction …) its own @stream */
void bo_rng_init(struct bo_rng *rng, uint64_t seed, uint64_t stream);
uint64_t bo_rng_u64(struct bo_rng *rng);
/** bo_rng_unit() - uniform in [0, 1), 53 bits */
double bo_rng_unit(struct bo_rng *rng);
/** bo_rng_exp() - exponential with mean 1 (gaps of a Poisson process); always finite and >= 0 */
double bo_rng_exp(struct bo_rng *rng);
/** bo_mix64() - SplitMix64 finaliser: a stateless hash, for fates that depend only on (seed, flow, n) */
uint64_t bo_mix64(uint64_t x);
