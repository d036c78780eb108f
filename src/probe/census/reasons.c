/* SPDX-License-Identifier: Apache-2.0 */
/* census/reasons.c — the runtime's own texts for why a goroutine waits.
 * The numbers change with every other release, so they are never built in: runtime.waitReasonStrings is read.
 * Owns: nothing.  Threads: one at a time.  Privilege: none. */
#include <string.h>

#include "census-internal.h"

void bo_goreasons_load(struct bo_census *census)
{
	struct {
		uint64_t ptr, len;
	} strings[BO_CENSUS_REASONS_MAX];

	census->nreasons = 0;
	if (!census->at.reasons)
		return;
	memset(strings, 0, sizeof(strings));
	/* How long the array is, is not known; what lies behind it is no string of printable text for long. */
	for (size_t i = 0; i < BO_CENSUS_REASONS_MAX; i++) {
		char *text = census->reasons[i];

		if (bo_gomem_read(&census->memory, census->at.reasons + i * 16, &strings[i], 16) ||
		    strings[i].len >= BO_CENSUS_REASON_LEN || (i && !strings[i].len))
			return;
		if (strings[i].len &&
		    bo_gomem_read(&census->memory, strings[i].ptr, text, strings[i].len))
			return;
		text[strings[i].len] = 0;
		for (size_t k = 0; k < strings[i].len; k++)
			if (text[k] < ' ' || text[k] > 126)
				return;
		census->nreasons = i + 1;
	}
}
