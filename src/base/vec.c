/* SPDX-License-Identifier: Apache-2.0 */
/* base/vec.c — growth by half, overflow-checked. */
#include "brownout/base/vec.h"

bool bo_vec_grow_(void **items, size_t *cap, size_t want, size_t item_size)
{
	size_t bytes, next = *cap + *cap / 2;
	void *p;

	if (next < want)
		next = want;
	if (next < 8)
		next = 8;
	if (__builtin_mul_overflow(next, item_size, &bytes))
		return false;
	p = realloc(*items, bytes);
	if (!p)
		return false;
	*items = p;
	*cap = next;
	return true;
}
