/* SPDX-License-Identifier: Apache-2.0 */
/* model/linkfile.c — measured delays and traces, from text to what the drivers take.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include "brownout/model/linkfile.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/base/units.h"

#define LINE_MAX_BYTES 64
#define DELAY_MAX_NS (3600 * BO_NSEC_PER_SEC)
#define TRACE_MAX_MS 86400000u

/** struct lines - walks over a text line by line */
struct lines {
	const char *at;
	const char *end;
	const char *name;
	int number;
	char line[LINE_MAX_BYTES]; /* without white space at its ends; cut; controls are '?' */
};

static bool next_line(struct lines *l)
{
	const char *end, *from, *to;
	size_t len;

	if (l->at >= l->end)
		return false;
	end = memchr(l->at, '\n', (size_t)(l->end - l->at));
	end = end ? end : l->end;
	for (from = l->at; from < end && strchr(" \t\r", *from) && *from; from++)
		;
	for (to = end; to > from && strchr(" \t\r", to[-1]) && to[-1]; to--)
		;
	len = (size_t)(to - from) < sizeof(l->line) ? (size_t)(to - from) : sizeof(l->line) - 1;
	for (size_t i = 0; i < len; i++)
		l->line[i] = (unsigned char)from[i] < ' ' || from[i] == 0x7f ? '?' : from[i];
	l->line[len] = '\0';
	l->at = end + 1;
	l->number++;
	return true;
}

static int bad_line(const struct lines *l, const char *expected, struct bo_err *err)
{
	return bo_err_set(err, EINVAL, BO_SUBSYS_PLAN, "%s:%d: expected %s, found \"%s\"", l->name,
			  l->number, expected, l->line);
}

static size_t count_lines(const char *text, size_t len)
{
	size_t n = 1;

	for (size_t i = 0; i < len; i++)
		n += text[i] == '\n';
	return n;
}

/* --- samples ---------------------------------------------------------------------------------- */

static int compare64(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int read_delay(const struct lines *l, int64_t *ret, struct bo_err *err)
{
	static const char expected[] = "a delay from 0 to 1h such as \"12.3ms\"";

	if (bo_parse_duration(l->line, ret, NULL) < 0 || *ret < 0 || *ret > DELAY_MAX_NS)
		return bad_line(l, expected, err);
	return 0;
}

/** describe() - mean, deviation and quantiles of @n sorted delays */
static void describe(const int64_t *sorted, size_t n, struct bo_samples *ret)
{
	double sum = 0, squares = 0, mean, deviation;

	for (size_t i = 0; i < n; i++)
		sum += (double)sorted[i];
	mean = sum / (double)n;
	for (size_t i = 0; i < n; i++)
		squares += ((double)sorted[i] - mean) * ((double)sorted[i] - mean);
	deviation = sqrt(squares / (double)n);
	ret->count = (uint32_t)n;
	ret->mean_ns = (int64_t)llrint(mean);
	ret->deviation_ns = (int64_t)llrint(deviation);
	for (size_t i = 0; deviation > 0 && i < BO_DIST_TABLE_LEN; i++) {
		/* Linear between order statistics (Hyndman and Fan, 1996, type 5). */
		double at = ((double)i + 0.5) / BO_DIST_TABLE_LEN * (double)n - 0.5;
		double low = fmax(floor(at), 0), high = fmin(low + 1, (double)(n - 1));
		double share = at < 0 ? 0 : at - low;
		double value = (double)sorted[(size_t)low] * (1 - share) +
			       (double)sorted[(size_t)high] * share;
		double scaled = (value - mean) / deviation * BO_DIST_SCALE;

		ret->table.at[i] = (int16_t)fmin(fmax(rint(scaled), INT16_MIN), INT16_MAX);
	}
}

int bo_samples_parse(const char *text, size_t len, const char *name, struct bo_arena *arena,
		     const struct bo_samples **ret, struct bo_err *err)
{
	struct lines l = { .at = text, .end = text + len, .name = name };
	bo_auto_free int64_t *delays = calloc(count_lines(text, len), sizeof(*delays));
	struct bo_samples *samples;
	size_t n = 0;

	if (!delays)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_PLAN, "%s: out of memory", name);
	while (next_line(&l)) {
		int r = l.line[0] && l.line[0] != '#' ? read_delay(&l, &delays[n], err) : 1;

		if (r < 0)
			return r;
		n += r == 0;
	}
	if (n < BO_SAMPLES_MIN)
		return bo_err_set(err, ERANGE, BO_SUBSYS_PLAN,
				  "%s: expected at least %d delays, found %zu", name,
				  BO_SAMPLES_MIN, n);
	qsort(delays, n, sizeof(*delays), compare64);
	if (delays[0] == delays[n - 1])
		return bo_err_set(
			err, ERANGE, BO_SUBSYS_PLAN,
			"%s: all %zu delays are the same; that is a delay, no distribution", name,
			n);
	samples = bo_arena_alloc(arena, sizeof(*samples));
	if (!samples || !(samples->name = bo_arena_strdup(arena, name)))
		return bo_err_set(err, ENOMEM, BO_SUBSYS_PLAN, "%s: out of memory", name);
	describe(delays, n, samples);
	*ret = samples;
	return 0;
}

/* --- traces ----------------------------------------------------------------------------------- */

static int read_ms(const struct lines *l, uint32_t least, uint32_t *ret, struct bo_err *err)
{
	size_t digits = strspn(l->line, "0123456789");
	unsigned long value;

	if (!digits || l->line[digits] || digits > 10)
		return bad_line(l, "a whole number of milliseconds", err);
	value = strtoul(l->line, NULL, 10);
	if (value > TRACE_MAX_MS)
		return bad_line(l, "at most 86400000 ms (24 h)", err);
	if (value < least)
		return bo_err_set(err, EINVAL, BO_SUBSYS_PLAN,
				  "%s:%d: expected times that ascend, found %lu after %u", l->name,
				  l->number, value, least);
	*ret = (uint32_t)value;
	return 0;
}

int bo_trace_parse(const char *text, size_t len, const char *name, struct bo_arena *arena,
		   const struct bo_trace **ret, struct bo_err *err)
{
	struct lines l = { .at = text, .end = text + len, .name = name };
	bo_auto_free uint32_t *at_ms = calloc(count_lines(text, len), sizeof(*at_ms));
	struct bo_trace *trace = bo_arena_alloc(arena, sizeof(*trace));
	uint32_t *copy;
	uint32_t n = 0;

	if (!at_ms || !trace)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_PLAN, "%s: out of memory", name);
	while (next_line(&l)) {
		int r = read_ms(&l, n ? at_ms[n - 1] : 0, &at_ms[n], err);

		if (r < 0)
			return r;
		n++;
	}
	if (!n)
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_PLAN,
			"%s: expected times in milliseconds, one per line, found an empty file",
			name);
	if (!at_ms[n - 1])
		return bo_err_set(err, EINVAL, BO_SUBSYS_PLAN,
				  "%s:%d: expected a trace that lasts, found 0 as its last time",
				  name, l.number);
	copy = bo_arena_alloc(arena, n * sizeof(*copy));
	trace->name = bo_arena_strdup(arena, name);
	if (!copy || !trace->name)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_PLAN, "%s: out of memory", name);
	memcpy(copy, at_ms, n * sizeof(*copy));
	trace->at_ms = copy;
	trace->count = n;
	*ret = trace;
	return 0;
}

int64_t bo_trace_mean_bps(const struct bo_trace *trace)
{
	return (int64_t)((double)trace->count * BO_TRACE_MTU * 8 * 1000 /
			 (double)trace->at_ms[trace->count - 1]);
}

/** chances_until() - how many there are up to and including @ms since the trace began */
static int64_t chances_until(const struct bo_trace *trace, double ms)
{
	double length = trace->at_ms[trace->count - 1];
	double rounds = floor(ms / length), rest = ms - rounds * length;
	uint32_t low = 0, high = trace->count;

	if (ms < 0)
		return 0;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if ((double)trace->at_ms[middle] <= rest)
			low = middle + 1;
		else
			high = middle;
	}
	return (int64_t)rounds * trace->count + low;
}

int64_t bo_trace_chances(const struct bo_trace *trace, double from_ms, double to_ms)
{
	return to_ms > from_ms ? chances_until(trace, to_ms) - chances_until(trace, from_ms) : 0;
}
