/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/normal.h — standard normal numbers from the seeded generator (Box and Muller 1958).
 * Owns: nothing.  Threads: none.  Privilege: none. */
#pragma once
#include <math.h>

#include "brownout/base/rng.h"

static inline double rng_normal(struct bo_rng *rng)
{
	double radius = sqrt(2 * bo_rng_exp(rng));

	return radius * cos(2 * 3.14159265358979323846 * bo_rng_unit(rng));
}
