/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_parity.c — the same impairment by netem and by the wire: the same traffic through both, in one
 * kernel, row by row of the model.  Each row says what was asked, what each driver did, and whether they agree.
 *
 * A figure is right when it is within the stated tolerance of what arithmetic says (where it says something), and of
 * the other driver's.  Tolerances of shares are at least four standard errors of one sample.  Times may be later by
 * what the machine adds: a bystander, who has nothing to do with the link, wants to wake up every two milliseconds
 * meanwhile, and is late by so much (95 % of the times).  A row that is not right is measured again, three times at
 * most: a machine that was busy elsewhere only ever makes it worse, and a driver that is wrong stays wrong.  What
 * correlated chances come to was found by iterating draw = new × (1 - corr) + last × corr.
 *
 *   test_lab_parity            both drivers, or the wire alone where the kernel has no netem
 *   test_lab_parity --both     no netem is a failure
 * Privilege: root or user namespaces; exits 77 without. */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "brownout/base/clock.h"
#include "brownout/sys/netem.h"
#include "impair_rig.h"

#define MS BO_NSEC_PER_MSEC
#define BYTES 1028 /* 1000 of payload */
#define ATTEMPTS 3
#define FIGURES_MAX 3
#define PROBE_GAP_US 1000
#define BYSTANDER_NS (2 * MS)
#define BYSTANDER_MAX 65536 /* two minutes */
#define BYSTANDER_SHARE 0.95
#define GAP_NS (12 * MS) /* what lies further apart is two bursts */

/* --- figures ---------------------------------------------------------------------------------- */

typedef double figure_fn(const struct traffic *t, double arg);

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/** delay_ms() - quantile @arg of the delays */
static double delay_ms(const struct traffic *t, double arg)
{
	static double sorted[TRAFFIC_MAX];
	size_t n = 0;

	for (uint32_t i = 0; i < t->probes; i++)
		if (t->probe[i].arrivals)
			sorted[n++] = (double)t->probe[i].delay_ns / MS;
	if (!n)
		return NAN;
	qsort(sorted, n, sizeof(sorted[0]), ascending);
	return sorted[(size_t)(arg * (double)(n - 1))];
}

static double lost(const struct traffic *t, double arg)
{
	uint32_t n = 0;

	(void)arg;
	for (uint32_t i = 0; i < t->probes; i++)
		n += !t->probe[i].arrivals;
	return (double)n / t->probes;
}

/** lost_again() - share of losses among those behind a loss */
static double lost_again(const struct traffic *t, double arg)
{
	uint32_t n = 0, again = 0;

	(void)arg;
	for (uint32_t i = 1; i < t->probes; i++) {
		if (t->probe[i - 1].arrivals)
			continue;
		n++;
		again += !t->probe[i].arrivals;
	}
	return n ? (double)again / n : NAN;
}

static double twice(const struct traffic *t, double arg)
{
	uint32_t n = 0;

	(void)arg;
	for (uint32_t i = 0; i < t->probes; i++)
		n += t->probe[i].arrivals == 2;
	return (double)n / t->probes;
}

static double twice_again(const struct traffic *t, double arg)
{
	uint32_t n = 0, again = 0;

	(void)arg;
	for (uint32_t i = 1; i < t->probes; i++) {
		if (t->probe[i - 1].arrivals != 2)
			continue;
		n++;
		again += t->probe[i].arrivals == 2;
	}
	return n ? (double)again / n : NAN;
}

static double came(const struct traffic *t, double arg)
{
	(void)arg;
	return (double)t->narrivals / t->probes;
}

static double count(const struct traffic *t, double arg)
{
	(void)arg;
	return t->narrivals;
}

/** flipped() - share with exactly @arg bits of the payload flipped */
static double flipped(const struct traffic *t, double arg)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->narrivals; i++)
		n += t->arrival[i].flipped_bits == (uint32_t)arg;
	return (double)n / t->probes;
}

/** flipped_more() - share with more than @arg bits of the payload flipped */
static double flipped_more(const struct traffic *t, double arg)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->narrivals; i++)
		n += t->arrival[i].flipped_bits > (uint32_t)arg;
	return (double)n / t->probes;
}

/** ahead() - share that took less than @arg ms */
static double ahead(const struct traffic *t, double arg)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->probes; i++)
		n += t->probe[i].arrivals && t->probe[i].delay_ns < (int64_t)(arg * MS);
	return (double)n / t->probes;
}

static double ahead_again(const struct traffic *t, double arg)
{
	uint32_t n = 0, again = 0;

	for (uint32_t i = 1; i < t->probes; i++) {
		if (t->probe[i - 1].delay_ns >= (int64_t)(arg * MS))
			continue;
		n++;
		again += t->probe[i].delay_ns < (int64_t)(arg * MS);
	}
	return n ? (double)again / n : NAN;
}

/** overtaken() - share that came behind one that was sent later */
static double overtaken(const struct traffic *t, double arg)
{
	uint32_t n = 0, last = 0;

	(void)arg;
	for (uint32_t i = 0; i < t->narrivals; i++) {
		n += t->arrival[i].seq < last;
		last = t->arrival[i].seq > last ? t->arrival[i].seq : last;
	}
	return (double)n / t->probes;
}

/** correlation() - of the delay of a packet with that of the one before */
static double correlation(const struct traffic *t, double arg)
{
	double mean = 0, var = 0, co = 0;

	(void)arg;
	for (uint32_t i = 0; i < t->probes; i++)
		mean += (double)t->probe[i].delay_ns / t->probes;
	for (uint32_t i = 0; i < t->probes; i++) {
		double d = (double)t->probe[i].delay_ns - mean;

		var += d * d;
		if (i)
			co += d * ((double)t->probe[i - 1].delay_ns - mean);
	}
	return co / var;
}

/** charged() - what a packet was charged at @arg bytes per ms, from the time between first and last */
static double charged(const struct traffic *t, double arg)
{
	if (t->narrivals < 2)
		return NAN;
	return (double)(t->arrival[t->narrivals - 1].at_ns - t->arrival[0].at_ns) / MS * arg /
	       (t->narrivals - 1);
}

static uint32_t bursts(const struct traffic *t)
{
	uint32_t n = t->narrivals > 0;

	for (uint32_t i = 1; i < t->narrivals; i++)
		n += t->arrival[i].at_ns - t->arrival[i - 1].at_ns > GAP_NS;
	return n;
}

static double per_burst(const struct traffic *t, double arg)
{
	(void)arg;
	return (double)t->narrivals / bursts(t);
}

/** burst_ms() - mean time from one burst to the next */
static double burst_ms(const struct traffic *t, double arg)
{
	uint32_t n = bursts(t);

	(void)arg;
	return n < 2 ? NAN
		     : (double)(t->arrival[t->narrivals - 1].at_ns - t->arrival[0].at_ns) / MS /
			       (n - 1);
}

/* --- what the machine adds -------------------------------------------------------------------- */

/** struct bystander - a thread that is due every BYSTANDER_NS, and how late it was each time; what it missed while it
 * did not run counts as well, so a stop counts for as long as it took */
struct bystander {
	pthread_t thread;
	atomic_bool stop;
	double late_ms[BYSTANDER_MAX];
	size_t n;
};

static void *bystand(void *arg)
{
	struct bystander *b = arg;
	int64_t due_ns = bo_now_ns();

	while (!atomic_load(&b->stop) && b->n < BYSTANDER_MAX) {
		struct timespec due;

		due_ns += BYSTANDER_NS;
		due = bo_ns_to_timespec(due_ns);
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
			;
		b->late_ms[b->n++] = (double)(bo_now_ns() - due_ns) / MS;
	}
	return NULL;
}

static void bystander_begin(struct bystander *b)
{
	b->n = 0;
	atomic_store(&b->stop, false);
	assert_int_equal(pthread_create(&b->thread, NULL, bystand, b), 0);
}

/** bystander_end() - Return: by how many ms it was late at most in BYSTANDER_SHARE of the times */
static double bystander_end(struct bystander *b)
{
	atomic_store(&b->stop, true);
	assert_int_equal(pthread_join(b->thread, NULL), 0);
	if (!b->n)
		return 0;
	qsort(b->late_ms, b->n, sizeof(b->late_ms[0]), ascending);
	return b->late_ms[(size_t)(BYSTANDER_SHARE * (double)(b->n - 1))];
}

/* --- rows ------------------------------------------------------------------------------------- */

/** struct figure - @asked: NAN where arithmetic has no answer;  @within: absolute */
struct figure {
	const char *name;
	figure_fn *fn;
	double arg;
	double asked;
	double within;
};

struct row {
	const char *name;
	struct bo_impair im;
	uint32_t probes;
	uint32_t gap_us;
	uint32_t bytes; /* BYTES when 0 */
	bool no_checksum;
	int quiet_ms; /* 150 when 0 */
	struct figure figures[FIGURES_MAX];
};

/* Two delays and nothing between them, which no formula makes. */
static struct bo_dist_table two_delays;

static const uint32_t each_8ms_at[] = { 8 };
static const struct bo_trace each_8ms = { .name = "8ms", .at_ms = each_8ms_at, .count = 1 };

#define LOSS_GE                                                                               \
	{                                                                                     \
		.model = BO_LOSS_GE, .p_ppm = 40000, .r_ppm = 250000, .bad_loss_ppm = 900000, \
		.good_loss_ppm = 10000                                                        \
	}
#define LOSS_STATE                                                                              \
	{                                                                                       \
		.model = BO_LOSS_STATE, .p13_ppm = 40000, .p31_ppm = 200000, .p32_ppm = 200000, \
		.p23_ppm = 500000, .p14_ppm = 20000                                             \
	}
#define DELAYS(d, j, distribution)                                                                \
	.im = { .delay_ns = (d)*MS, .jitter_ns = (j)*MS, .dist = (distribution) }, .probes = 500, \
	.gap_us = PROBE_GAP_US
#define RATE 1000000
#define RATE_BYTES_PER_MS 125.0

static const struct row rows[] = {
	{ "none",
	  { 0 },
	  500,
	  PROBE_GAP_US,
	  .figures = { { "p50 ms", delay_ms, .5, 0, 5 }, { "lost", lost, 0, 0, 0 } } },
	{ "delay 40ms", DELAYS(40, 0, BO_DIST_UNIFORM),
	  .figures = { { "p01 ms", delay_ms, .01, 40, 6 }, { "p50 ms", delay_ms, .5, 40, 6 } } },
	{ "delay 60ms ±40ms", DELAYS(60, 40, BO_DIST_UNIFORM),
	  .figures = { { "p10 ms", delay_ms, .1, 28, 7 },
		       { "p50 ms", delay_ms, .5, 60, 8 },
		       { "p90 ms", delay_ms, .9, 92, 7 } } },
	{ "  … who overtakes whom", DELAYS(60, 40, BO_DIST_UNIFORM),
	  .figures = { { "overtaken", overtaken, 0, NAN, .08 } } },
	{ "delay 60ms ±40ms, in order",
	  { .delay_ns = 60 * MS, .jitter_ns = 40 * MS, .in_order = true },
	  500,
	  PROBE_GAP_US,
	  .figures = { { "overtaken", overtaken, 0, 0, 0 }, { "p90 ms", delay_ms, .9, NAN, 0 } } },
	{ "normal 80ms 20ms", DELAYS(80, 20, BO_DIST_NORMAL),
	  .figures = { { "p10 ms", delay_ms, .1, 80 - 1.2816 * 20, 7 },
		       { "p50 ms", delay_ms, .5, 80, 6 },
		       { "p90 ms", delay_ms, .9, 80 + 1.2816 * 20, 7 } } },
	{ "pareto 60ms 20ms", DELAYS(60, 20, BO_DIST_PARETO),
	  .figures = { { "p10 ms", delay_ms, .1, 60 - .5365 * 20, 6 },
		       { "p50 ms", delay_ms, .5, 60 - .2775 * 20, 6 },
		       { "p90 ms", delay_ms, .9, 60 + .7557 * 20, 10 } } },
	{ "paretonormal 60ms 20ms", DELAYS(60, 20, BO_DIST_PARETONORMAL),
	  .figures = { { "p10 ms", delay_ms, .1, 60 - .7228 * 20, 6 },
		       { "p50 ms", delay_ms, .5, 60 - .2081 * 20, 6 },
		       { "p90 ms", delay_ms, .9, 60 + .8872 * 20, 10 } } },
	{ "table: 30ms or 90ms",
	  .im = { .delay_ns = 60 * MS,
		  .jitter_ns = 30 * MS,
		  .dist = BO_DIST_TABLE,
		  .table = &two_delays },
	  .probes = 500, .gap_us = PROBE_GAP_US,
	  .figures = { { "p25 ms", delay_ms, .25, 30, 6 },
		       { "p75 ms", delay_ms, .75, 90, 6 },
		       { "below 60 ms", ahead, 60, .5, .1 } } },
	{ "delay 60ms ±40ms, 90%",
	  .im = { .delay_ns = 60 * MS, .jitter_ns = 40 * MS, .delay_corr_ppm = 900000 },
	  .probes = 500, .gap_us = PROBE_GAP_US,
	  .figures = { { "correlation", correlation, 0, .9, .15 } } },
	{ "loss 10%",
	  { .loss.random.ppm = 100000 },
	  4000,
	  .figures = { { "lost", lost, 0, .1, .02 },
		       { "behind a loss", lost_again, 0, .1, .065 } } },
	{ "loss 30%, 50%",
	  { .loss.random = { 300000, 500000 } },
	  4000,
	  .figures = { { "lost", lost, 0, .130, .03 },
		       { "behind a loss", lost_again, 0, .364, .1 } } },
	{ "loss gemodel",
	  { .loss = LOSS_GE },
	  8000,
	  .figures = { { "lost", lost, 0, (.04 * .9 + .25 * .01) / .29, .035 },
		       { "behind a loss", lost_again, 0, .636, .08 } } },
	{ "loss state",
	  { .loss = LOSS_STATE },
	  8000,
	  .figures = { { "lost", lost, 0, 1.1 / 6.5, .045 },
		       { "behind a loss", lost_again, 0, .6 / 1.1, .08 } } },
	{ "loss 100%",
	  { .loss.random.ppm = BO_PPM_ALL },
	  500,
	  .figures = { { "lost", lost, 0, 1, 0 } } },
	{ "blackhole, all else besides",
	  { .blackhole = true, .loss = LOSS_GE, .duplicate.ppm = BO_PPM_ALL, .corrupt.ppm = 10 },
	  500,
	  .figures = { { "lost", lost, 0, 1, 0 } } },
	{ "duplicate 20%",
	  { .duplicate.ppm = 200000 },
	  3000,
	  .figures = { { "twice", twice, 0, .2, .03 }, { "lost", lost, 0, 0, 0 } } },
	{ "duplicate 40%, 60%",
	  { .duplicate = { 400000, 600000 } },
	  3000,
	  .figures = { { "twice", twice, 0, .260, .05 },
		       { "behind a copy", twice_again, 0, .520, .1 } } },
	{ "duplicate 30% and loss 20%",
	  { .duplicate.ppm = 300000, .loss.random.ppm = 200000 },
	  4000,
	  .figures = { { "came", came, 0, 1.052, .04 },
		       { "twice", twice, 0, .3 * .8 * .8, .03 },
		       { "lost", lost, 0, .7 * .2, .03 } } },
	{ "corrupt 20%",
	  { .corrupt.ppm = 200000 },
	  3000,
	  .figures = { { "lost", lost, 0, .2, .035 },
		       { "damaged yet taken", flipped_more, 0, 0, 0 } } },
	{ "corrupt 20%, no checksum",
	  { .corrupt.ppm = 200000 },
	  3000,
	  .no_checksum = true,
	  .figures = { { "one bit", flipped, 1, .2, .035 },
		       { "more bits", flipped_more, 1, 0, 0 } } },
	{ "corrupt 40%, 60%",
	  { .corrupt = { 400000, 600000 } },
	  3000,
	  .figures = { { "lost", lost, 0, .260, .05 },
		       { "behind a loss", lost_again, 0, .520, .1 } } },
	{ "reorder 25%, delay 120ms",
	  { .delay_ns = 120 * MS, .reorder.ppm = 250000 },
	  1500,
	  .figures = { { "ahead", ahead, 70, .25, .05 } } },
	{ "reorder 25%, gap 5",
	  { .delay_ns = 120 * MS, .reorder.ppm = 250000, .reorder_gap = 5 },
	  1500,
	  .figures = { { "ahead", ahead, 70, .125, .03 },
		       { "behind one", ahead_again, 70, 0, .02 } } },
	{ "reorder 100%, gap 4",
	  { .delay_ns = 120 * MS, .reorder.ppm = BO_PPM_ALL, .reorder_gap = 4 },
	  1200,
	  .figures = { { "ahead", ahead, 70, .25, .02 } } },
	{ "reorder 40%, 60%",
	  { .delay_ns = 120 * MS, .reorder = { 400000, 600000 } },
	  4000,
	  .figures = { { "ahead", ahead, 70, .260, .07 },
		       { "behind one", ahead_again, 70, .520, .13 } } },
	{ "rate 1mbit",
	  { .rate_bps = RATE },
	  60,
	  .figures = { { "bytes", charged, RATE_BYTES_PER_MS, BYTES, 25 },
		       { "p50 ms", delay_ms, .5, 30 * BYTES / RATE_BYTES_PER_MS, 20 } } },
	{ "rate 1mbit, delay 80ms",
	  { .rate_bps = RATE, .delay_ns = 80 * MS },
	  40,
	  .figures = { { "bytes", charged, RATE_BYTES_PER_MS, BYTES, 30 },
		       { "first ms", delay_ms, 0, 80 + BYTES / RATE_BYTES_PER_MS, 8 } } },
	{ "rate 1mbit, delay 60ms ±40ms",
	  { .rate_bps = RATE, .delay_ns = 60 * MS, .jitter_ns = 40 * MS },
	  60,
	  .figures = { { "overtaken", overtaken, 0, 0, 0 }, { "last ms", delay_ms, 1, NAN, 50 } } },
	{ "rate 1mbit, overhead 200",
	  { .rate_bps = RATE, .rate_overhead = 200 },
	  40,
	  .figures = { { "bytes", charged, RATE_BYTES_PER_MS, BYTES + 200, 30 } } },
	{ "rate 1mbit, overhead -20",
	  { .rate_bps = RATE, .rate_overhead = -20 },
	  40,
	  .bytes = 128,
	  .figures = { { "bytes", charged, RATE_BYTES_PER_MS, 108, 12 } } },
	{ "rate 1mbit, cell 48+5",
	  { .rate_bps = RATE, .rate_cell_bytes = 48, .rate_cell_overhead = 5 },
	  40,
	  .figures = { { "bytes", charged, RATE_BYTES_PER_MS, 22 * 53, 30 } } },
	{ "trace, 1504 bytes each 8ms",
	  { .trace = &each_8ms },
	  60,
	  .figures = { { "bytes", charged, 1504 / 8.0, BYTES, 40 } } },
	{ "slot 40ms, 5 packets",
	  { .slot = { 40 * MS, 40 * MS, 5, 0 } },
	  40,
	  .figures = { { "per burst", per_burst, 0, 5, .7 },
		       { "burst ms", burst_ms, 0, 40, 6 },
		       { "first ms", delay_ms, 0, 40, 8 } } },
	{ "slot 40ms, 3000 bytes",
	  { .slot = { 40 * MS, 40 * MS, 0, 3000 } },
	  30,
	  .figures = { { "per burst", per_burst, 0, 3, .5 }, { "burst ms", burst_ms, 0, 40, 6 } } },
	{ "slot 20ms–60ms, 2 packets",
	  { .slot = { 20 * MS, 60 * MS, 2, 0 } },
	  60,
	  .figures = { { "per burst", per_burst, 0, 2, .3 },
		       { "burst ms", burst_ms, 0, 40, 13 } } },
	{ "slot 40ms, delay 60ms",
	  { .delay_ns = 60 * MS, .slot = { 40 * MS, 40 * MS, 5, 0 } },
	  20,
	  .figures = { { "per burst", per_burst, 0, NAN, .7 },
		       { "first ms", delay_ms, 0, NAN, 10 } } },
	{ "slot 40ms, delay 65ms ±60ms",
	  { .delay_ns = 65 * MS, .jitter_ns = 60 * MS, .slot = { 40 * MS, 40 * MS, 0, 0 } },
	  500,
	  .figures = { { "p50 ms", delay_ms, .5, 80, 15 }, { "burst ms", burst_ms, 0, 40, 12 } } },
	{ "limit 25, delay 300ms",
	  { .delay_ns = 300 * MS, .limit_packets = 25 },
	  100,
	  .quiet_ms = 800,
	  .figures = { { "came", count, 0, 25, 0 } } },
	/* netem cannot forget a table. */
	{ "delay 60ms ±40ms again", DELAYS(60, 40, BO_DIST_UNIFORM),
	  .figures = { { "p10 ms", delay_ms, .1, 28, 7 }, { "p90 ms", delay_ms, .9, 92, 7 } } },
	{ "none again",
	  { 0 },
	  500,
	  PROBE_GAP_US,
	  .figures = { { "p50 ms", delay_ms, .5, 0, 5 },
		       { "twice", twice, 0, 0, 0 },
		       { "lost", lost, 0, 0, 0 } } },
};

/* --- the table -------------------------------------------------------------------------------- */

struct parity {
	struct impair_rig rig[RIG_DRIVERS];
	bool has[RIG_DRIVERS];
	struct traffic *traffic;
	struct bystander *bystander;
	bool must; /* no netem is a failure */
};

/** struct found - @late_ms: what the machine added meanwhile */
struct found {
	double figure[FIGURES_MAX];
	double late_ms;
};

static bool near(double a, double b, double within)
{
	/* A figure that could not be had (no loss at all, no two bursts) is far from any. */
	return fabs(a - b) <= within + 1e-9;
}

/** late_of() - by how much the figure may differ because the machine was late by so much: a delay only upwards */
static double late_of(const struct row *row, const struct figure *f, double ms)
{
	if (f->fn == delay_ms || f->fn == burst_ms)
		return ms;
	return f->fn == charged ? ms * f->arg / (row->probes - 1) : 0;
}

static bool is_right(const struct row *row, int i, const struct found found[RIG_DRIVERS],
		     const bool has[RIG_DRIVERS])
{
	const struct figure *f = &row->figures[i];
	double most = 0;

	for (int d = 0; d < RIG_DRIVERS; d++) {
		double figure = found[d].figure[i], late = late_of(row, f, found[d].late_ms);
		/* In the middle of what it may be. */
		double shift = f->fn == delay_ms ? late / 2 : 0;

		if (!has[d])
			continue;
		most = fmax(most, late);
		if (isnan(figure) ||
		    (!isnan(f->asked) && !near(figure, f->asked + shift, f->within + late - shift)))
			return false;
	}
	return !has[RIG_NETEM] || !has[RIG_WIRE] ||
	       near(found[RIG_NETEM].figure[i], found[RIG_WIRE].figure[i], f->within + most);
}

static void measure(struct parity *p, enum rig_driver driver, const struct row *row,
		    struct found *found)
{
	struct traffic *t = p->traffic;
	struct impair_rig *rig = &p->rig[driver];

	t->probes = row->probes;
	t->gap_us = row->gap_us;
	t->bytes = row->bytes ? row->bytes : BYTES;
	t->no_checksum = row->no_checksum;
	assert_int_equal(rig_impair(rig, &row->im), 0);
	bystander_begin(p->bystander);
	rig_send(rig, t, row->quiet_ms ? row->quiet_ms : 150);
	found->late_ms = bystander_end(p->bystander);
	assert_int_equal(rig_impair(rig, &(struct bo_impair){ 0 }), 0);
	for (int i = 0; i < FIGURES_MAX && row->figures[i].name; i++)
		found->figure[i] = row->figures[i].fn(t, row->figures[i].arg);
}

static void print_cell(bool has, double value)
{
	char text[32] = "-";

	if (has)
		snprintf(text, sizeof(text), "%.3f", value);
	printf("%9s", text);
}

static void print_row(const struct row *row, int i, const struct found found[RIG_DRIVERS],
		      const bool has[RIG_DRIVERS], const char *why_not, bool right)
{
	const struct figure *f = &row->figures[i];

	printf("%-29s %-17s", i ? "" : row->name, f->name);
	print_cell(!isnan(f->asked), f->asked);
	print_cell(has[RIG_NETEM], found[RIG_NETEM].figure[i]);
	print_cell(has[RIG_WIRE], found[RIG_WIRE].figure[i]);
	printf("  ±%-7g%s%s%s\n", f->within, right ? "yes" : "NO", why_not ? ": " : "",
	       why_not ? why_not : "");
	if (!right)
		printf("%-47s the machine was late by %.1f ms, and %.1f ms with the wire\n", "",
		       found[RIG_NETEM].late_ms, found[RIG_WIRE].late_ms);
}

/** judge() - Return: figures of the row that are not right; printed at the @last attempt, or when all are */
static int judge(const struct parity *p, const struct row *row,
		 const struct found found[RIG_DRIVERS], bool last)
{
	const char *why_not = p->has[RIG_NETEM] ? bo_netem_cannot(&row->im) : NULL;
	const bool has[RIG_DRIVERS] = { p->has[RIG_NETEM] && !why_not, p->has[RIG_WIRE] };
	bool right[FIGURES_MAX];
	int wrong = 0;

	for (int pass = 0; pass < 2; pass++) {
		if (pass && wrong && !last)
			break;
		for (int i = 0; i < FIGURES_MAX && row->figures[i].name; i++) {
			if (pass) {
				print_row(row, i, found, has, i ? NULL : why_not, right[i]);
				continue;
			}
			right[i] = is_right(row, i, found, has);
			wrong += !right[i];
		}
	}
	return wrong;
}

static int one_row(struct parity *p, const struct row *row)
{
	struct found found[RIG_DRIVERS] = { 0 };
	int wrong = 1;

	for (int attempt = 1; wrong && attempt <= ATTEMPTS; attempt++) {
		for (int d = 0; d < RIG_DRIVERS; d++)
			if (p->has[d] && (d == RIG_WIRE || !bo_netem_cannot(&row->im)))
				measure(p, (enum rig_driver)d, row, &found[d]);
		wrong = judge(p, row, found, attempt == ATTEMPTS);
	}
	return wrong;
}

static void drivers_agree(void **state)
{
	struct parity *p = *state;
	int wrong = 0;

	for (int i = 0; i < BO_DIST_TABLE_LEN; i++)
		two_delays.at[i] = i < BO_DIST_TABLE_LEN / 2 ? -BO_DIST_SCALE : BO_DIST_SCALE;
	printf("%-29s %-17s%9s%9s%9s  within  agree\n", "impairment", "figure", "asked", "netem",
	       "wire");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		wrong += one_row(p, &rows[i]) > 0;
	if (wrong)
		fail_msg("%d rows disagree", wrong);
}

static struct parity parity;

static int up(void **state)
{
	char why[160] = "";

	parity.traffic = calloc(1, sizeof(*parity.traffic));
	parity.bystander = calloc(1, sizeof(*parity.bystander));
	assert_non_null(parity.traffic);
	assert_non_null(parity.bystander);
	for (int d = 0; d < RIG_DRIVERS; d++) {
		parity.has[d] = rig_can((enum rig_driver)d, why, sizeof(why));
		if (parity.has[d])
			rig_up(&parity.rig[d], (enum rig_driver)d);
	}
	if (!parity.has[RIG_NETEM] && parity.must)
		fail_msg("no netem here: %s", why);
	*state = &parity;
	return 0;
}

static int down(void **state)
{
	(void)state;
	for (int d = 0; d < RIG_DRIVERS; d++)
		if (parity.has[d])
			rig_down(&parity.rig[d]);
	free(parity.traffic);
	free(parity.bystander);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(drivers_agree, up, down),
	};

	parity.must = argc > 1 && strcmp(argv[1], "--both") == 0;
	wire_netns_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
