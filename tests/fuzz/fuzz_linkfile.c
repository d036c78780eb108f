/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_linkfile.c — files of measured delays and of delivery traces.  The first byte chooses.
 * Besides memory errors it looks for what must not come out of a file: a table or a trace that is not ascending, numbers
 * out of range, a refusal without its line.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <stdlib.h>
#include <string.h>

#include "brownout/model/linkfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(what)            \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

static void check_samples(const struct bo_samples *s)
{
	REQUIRE(s->count >= BO_SAMPLES_MIN && s->mean_ns >= 0 && s->deviation_ns >= 0);
	for (int i = 1; i < BO_DIST_TABLE_LEN; i++)
		REQUIRE(s->table.at[i - 1] <= s->table.at[i]);
}

static void check_trace(const struct bo_trace *t)
{
	REQUIRE(t->count && t->at_ms && t->at_ms[t->count - 1]);
	for (uint32_t i = 1; i < t->count; i++)
		REQUIRE(t->at_ms[i - 1] <= t->at_ms[i]);
	REQUIRE(bo_trace_mean_bps(t) >= 0); /* a chance per day is less than 1 bit/s */
	REQUIRE(bo_trace_chances(t, 0, t->at_ms[t->count - 1]) <= (int64_t)t->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct bo_samples *samples = NULL;
	const struct bo_trace *trace = NULL;
	struct bo_arena arena = { 0 };
	struct bo_err err = { 0 };
	char *text;
	int r;

	if (!size)
		return 0;
	/* of exact size, without a NUL byte, so that a read beyond it is seen */
	text = malloc(size - 1 ? size - 1 : 1);
	REQUIRE(text);
	memcpy(text, data + 1, size - 1);
	if (data[0] & 1)
		r = bo_samples_parse(text, size - 1, "delays.txt", &arena, &samples, &err);
	else
		r = bo_trace_parse(text, size - 1, "trace.txt", &arena, &trace, &err);
	if (r == 0 && samples)
		check_samples(samples);
	else if (r == 0)
		check_trace(trace);
	else
		REQUIRE(r < 0 && !samples && !trace &&
			!strncmp(err.msg, data[0] & 1 ? "delays.txt" : "trace.txt", 9));
	free(text);
	bo_arena_done(&arena);
	return 0;
}
