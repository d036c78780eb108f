/* SPDX-License-Identifier: Apache-2.0 */
/* base/nearest.c — edit distance over short words; three rolling rows, no allocation. */
#include "brownout/base/nearest.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define MAX_WORD 63

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

size_t bo_nearest_distance(const char *a, const char *b)
{
	size_t rows[3][MAX_WORD + 1], *before = rows[0], *last = rows[1], *now = rows[2], *spare;
	size_t na = strlen(a), nb = strlen(b);

	if (na > MAX_WORD || nb > MAX_WORD)
		return SIZE_MAX;
	memset(rows, 0, sizeof(rows));
	for (size_t j = 0; j <= nb; j++)
		last[j] = j;
	for (size_t i = 1; i <= na; i++) {
		now[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			now[j] = min3(last[j] + 1, now[j - 1] + 1,
				      last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < now[j])
				now[j] = before[j - 2] + 1;
		}
		spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[nb];
}

const char *bo_nearest(const char *word, const char *const *words)
{
	size_t len = strlen(word), best = len <= 3 ? 1 : len <= 6 ? 2 : 3;
	const char *found = NULL;

	for (; words && *words; words++) {
		size_t d = bo_nearest_distance(word, *words);

		if (d > best || (found && d == best))
			continue;
		best = d;
		found = *words;
	}
	return found;
}

const char *bo_nearest_hint(const char *word, const char *const *words, char *buf, size_t size)
{
	const char *near = bo_nearest(word, words);

	buf[0] = '\0';
	if (near)
		snprintf(buf, size, "; did you mean '%s'?", near);
	return buf;
}
