/* SPDX-License-Identifier: Apache-2.0 */
/* report/hlog.c — latency.hlog: the latencies as an HdrHistogram log, for the tools that everybody has for those.
 *
 * One histogram per second, load and phase, tagged LOAD/PHASE; a request is in the second and the phase in which it was
 * due, as everywhere in the reports, and its latency counts from that moment.  Values are whole microseconds from 1 to
 * 3,600,000,000 (1 h; longer ones are clamped) to 3 significant digits.
 *
 * Format: log version 1.3 with histograms of encoding V2 (HdrHistogram, AbstractHistogram.encodeIntoByteBuffer and
 * HistogramLogWriter): an outer header, then the zlib stream of an inner header and the counts as ZigZag LEB128, where
 * -n stands for n empty buckets.  Readers find the buckets' bounds from digits and lowest value alone.
 *
 * The requests are not in run.json, so this is the one report that only the run itself can write.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/base/strbuf.h"
#include "brownout/model/hist.h"
#include "brownout/report/text.h"
#include "build.h"
#include "kinds.h"

#define COOKIE_V2 0x1c849313u
#define COOKIE_V2_DEFLATED 0x1c849314u
#define DIGITS 3
#define LOWEST_US 1
#define HIGHEST_US (INT64_C(3600) * 1000 * 1000)

/** struct entry - one latency; sorted by all members in this order;  @phase: BO_PHASE_COUNT for between phases */
struct entry {
	int64_t second;
	int load;
	int phase;
	int64_t us;
};

static int64_t to_us(int64_t ns)
{
	int64_t us = (ns + 500) / 1000;

	return us < LOWEST_US ? LOWEST_US : us > HIGHEST_US ? HIGHEST_US : us;
}

static int phase_of(const struct bo_run *run, int64_t t_ns)
{
	for (int p = 0; p < BO_PHASE_COUNT; p++) {
		const struct bo_phase_span *span = &run->phases[p];
		int64_t end = span->end_ns != INT64_MIN ? span->end_ns : run->ended_ns;

		if (span->start_ns != INT64_MIN && t_ns >= span->start_ns && t_ns < end)
			return p;
	}
	return BO_PHASE_COUNT;
}

static int compare(const void *pa, const void *pb)
{
	const struct entry *a = pa, *b = pb;

	if (a->second != b->second)
		return a->second < b->second ? -1 : 1;
	if (a->load != b->load)
		return a->load < b->load ? -1 : 1;
	if (a->phase != b->phase)
		return a->phase < b->phase ? -1 : 1;
	return (a->us > b->us) - (a->us < b->us);
}

static size_t collect(const struct bo_run *run, struct entry *entries)
{
	size_t n = 0;

	bo_vec_foreach(req, &run->requests) {
		if (!bo_latency_has(req) || req->intended_ns < 0)
			continue;
		entries[n++] = (struct entry){ .second = req->intended_ns / BO_NSEC_PER_SEC,
					       .load = req->load,
					       .phase = phase_of(run, req->intended_ns),
					       .us = to_us(req->end_ns - req->intended_ns) };
	}
	qsort(entries, n, sizeof(*entries), compare);
	return n;
}

/* ---- encoding; all numbers of the headers are big-endian ---- */

static void put_be(struct bo_strbuf *sb, uint64_t v, int bytes)
{
	while (bytes-- > 0) {
		char byte = (char)(v >> (8 * bytes));

		bo_strbuf_add(sb, &byte, 1);
	}
}

/* ZigZag LEB128 of at most 9 bytes, of which the last has all its 8 bits for the value */
static void put_zigzag(struct bo_strbuf *sb, int64_t v)
{
	uint64_t z = (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
	char byte;

	for (int i = 0; i < 8 && z >= 0x80; i++) {
		byte = (char)(z | 0x80);
		bo_strbuf_add(sb, &byte, 1);
		z >>= 7;
	}
	byte = (char)z;
	bo_strbuf_add(sb, &byte, 1);
}

/* The counts of @n entries in order of their values, up to the last bucket that holds one. */
static void put_counts(struct bo_strbuf *sb, const struct entry *e, size_t n)
{
	size_t next = 0; /* bucket */

	for (size_t i = 0, from; i < n;) {
		size_t bucket = bo_hist_index(e[i].us);

		for (from = i; i < n && bo_hist_index(e[i].us) == bucket; i++)
			;
		if (bucket > next)
			put_zigzag(sb, -(int64_t)(bucket - next));
		put_zigzag(sb, (int64_t)(i - from));
		next = bucket + 1;
	}
}

static void put_base64(struct bo_strbuf *sb, const unsigned char *bytes, size_t n)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)bytes[i] << 16 |
			     (i + 1 < n ? (uint32_t)bytes[i + 1] << 8 : 0) |
			     (i + 2 < n ? (uint32_t)bytes[i + 2] : 0);
		char out[4] = { digits[v >> 18], digits[v >> 12 & 63],
				i + 1 < n ? digits[v >> 6 & 63] : '=',
				i + 2 < n ? digits[v & 63] : '=' };

		bo_strbuf_add(sb, out, sizeof(out));
	}
}

static void put_histogram(struct bo_strbuf *sb, const struct entry *e, size_t n)
{
	struct bo_strbuf counts = { 0 }, inner = { 0 }, outer = { 0 };
	uint64_t one;
	double ratio = 1.0;
	bo_auto_free unsigned char *deflated = NULL;
	uLongf len = 0;

	memcpy(&one, &ratio, sizeof(one));
	put_counts(&counts, e, n);
	put_be(&inner, COOKIE_V2, 4);
	put_be(&inner, counts.len, 4);
	put_be(&inner, 0, 4); /* normalizing index offset */
	put_be(&inner, DIGITS, 4);
	put_be(&inner, LOWEST_US, 8);
	put_be(&inner, HIGHEST_US, 8);
	put_be(&inner, one, 8); /* integer to double conversion ratio */
	bo_strbuf_add(&inner, counts.buf, counts.len);
	if (bo_strbuf_ok(&inner) && bo_strbuf_ok(&counts)) {
		len = compressBound(inner.len);
		deflated = malloc(len);
	}
	if (!deflated || compress(deflated, &len, (const Bytef *)inner.buf, inner.len) != Z_OK) {
		sb->failed = true;
	} else {
		put_be(&outer, COOKIE_V2_DEFLATED, 4);
		put_be(&outer, len, 4);
		bo_strbuf_add(&outer, (const char *)deflated, len);
		put_base64(sb, (const unsigned char *)outer.buf, outer.len);
		sb->failed |= outer.failed;
	}
	bo_strbuf_done(&outer);
	bo_strbuf_done(&inner);
	bo_strbuf_done(&counts);
}

/* ---- the log ---- */

static void put_header(struct bo_strbuf *sb, const struct bo_run *run)
{
	double started = (double)run->started_unix_ns / 1e9;
	time_t seconds = (time_t)(run->started_unix_ns / BO_NSEC_PER_SEC);
	char stamp[48] = "";
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
	bo_strbuf_puts(sb, "#[");
	bo_text_plain(sb, run->id);
	bo_strbuf_puts(sb, ": latency from the intended time in microseconds, Interval_Max in "
			   "milliseconds, Tag=LOAD/PHASE]\n");
	bo_strbuf_puts(sb, "#[Histogram log format version 1.3]\n");
	bo_strbuf_printf(sb, "#[StartTime: %.3f (seconds since epoch), %s]\n", started, stamp);
	bo_strbuf_printf(sb, "#[BaseTime: %.3f (seconds since epoch)]\n", started);
	bo_strbuf_puts(sb, "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
			   "\"Interval_Compressed_Histogram\"\n");
}

/* @e: the entries of one second, load and phase */
static void put_row(struct bo_strbuf *sb, const struct bo_run *run, const struct entry *e, size_t n)
{
	int64_t start = e->second * BO_NSEC_PER_SEC, left = run->ended_ns - start;
	int64_t length = left > 0 && left < BO_NSEC_PER_SEC ? left : BO_NSEC_PER_SEC;

	bo_strbuf_puts(sb, "Tag=");
	/* a tag is any text without comma, blank and line break; this has none of them */
	bo_text_filename(sb, (size_t)e->load < run->plan->loads.len
				     ? run->plan->loads.items[e->load].name
				     : "");
	if (e->phase < BO_PHASE_COUNT)
		bo_strbuf_printf(sb, "/%s", bo_phase_name((enum bo_phase)e->phase));
	bo_strbuf_printf(sb, ",%.3f,%.3f,%.3f,", (double)start / 1e9, (double)length / 1e9,
			 (double)e[n - 1].us / 1e3);
	put_histogram(sb, e, n);
	bo_strbuf_puts(sb, "\n");
}

static int write_hlog(const struct bo_run *run, FILE *out, struct bo_err *err)
{
	bo_auto_free struct entry *entries = calloc(run->requests.len + 1, sizeof(*entries));
	struct bo_strbuf sb = { 0 };
	size_t n = entries ? collect(run, entries) : 0;
	int rc = 0;

	put_header(&sb, run);
	for (size_t from = 0, to; from < n; from = to) {
		const struct entry *e = &entries[from];

		for (to = from; to < n && entries[to].second == e->second &&
				entries[to].load == e->load && entries[to].phase == e->phase;
		     to++)
			;
		put_row(&sb, run, e, to - from);
	}
	if (entries && bo_strbuf_ok(&sb))
		fputs(bo_strbuf_str(&sb), out);
	else
		rc = bo_err_set(err, ENOMEM, BO_SUBSYS_REPORT,
				"cannot render latency.hlog: out of memory");
	bo_strbuf_done(&sb);
	return rc;
}

const struct bo_report_kind bo_report_hlog = {
	.name = "hlog",
	.file = "latency.hlog",
	.write_run = write_hlog,
};
