/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_fault_confirm.c — every impairment confirmed from what probes meet on a real wire's line
 * (lab/wire_fate.c), a thousand seeds each: a wire that does as it was asked is confirmed in at least 99 % of
 * them, and one with a single field wrong is not.  A run that has all of them at once is confirmed as a whole in at
 * least 99.5 %, and each wrong field is still found in it.  Prints a table.
 *
 *   test_fault_confirm [SEEDS]     1000 by default (20 under a sanitizer); a wire that is broken gets a fifth of them
 * Privilege: none. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "brownout/base/rng.h"
#include "fault-internal.h"
#include "wire-internal.h"

#define MS BO_NSEC_PER_MSEC
#define SEC BO_NSEC_PER_SEC
#define PROBE_GAP (5 * MS)
#define PROBE_LEN 76
#define TRAIN_LEN 1228
#define TRAIN_PACKETS 16
#define TRAIN_EVERY 200 /* probes */
#define BASE_NS 40000
#define BUSY_NS 60000 /* mean of what a machine adds */
#define PROBES_MAX 20000

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(SANITIZED) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static int seeds = 20;
#else
static int seeds = 1000;
#endif

/* --- a wire that is probed -------------------------------------------------------------------- */

/** struct probed - @unseen: share of flipped bits that nobody looks at, as in netem's Ethernet header */
struct probed {
	struct bo_wire_line line;
	struct bo_rng rng;
	double unseen;
	struct bo_link_samples samples;
	bool *spoiled; /* per seed: the run with all rows */
};

static int64_t noise(struct probed *p)
{
	return BASE_NS + (int64_t)(-log1p(-bo_rng_unit(&p->rng)) * BUSY_NS);
}

static void arrive(struct probed *p, struct bo_link_sample *probe,
		   const struct bo_wire_outcome *out)
{
	int64_t delay_ns = out->due_ns - probe->sent_ns + noise(p);

	if (out->fate != BO_WIRE_PASS)
		return;
	/* One bit in thirteen is of a header: tests/unit/test_lab_linkprobe.c has real ones. */
	if (out->corrupted && bo_rng_unit(&p->rng) < 1 / 13.0)
		return;
	probe->damaged += out->corrupted && bo_rng_unit(&p->rng) >= p->unseen;
	if (!probe->arrivals++ || delay_ns < probe->delay_ns)
		probe->delay_ns = delay_ns;
}

static void send_probe(struct probed *p, int64_t now_ns)
{
	const struct bo_wire_packet packet = { .len = PROBE_LEN };
	struct bo_link_sample *probe = &p->samples.probes[p->samples.nprobes++];
	struct bo_wire_outcome out;

	*probe = (struct bo_link_sample){ .sent_ns = now_ns, .delay_ns = -1 };
	bo_wire_line_next(&p->line, now_ns, &packet, 1, 0, &out);
	if (out.copied)
		arrive(p, probe, &p->line.copy);
	arrive(p, probe, &out);
}

static void send_train(struct probed *p, int64_t now_ns)
{
	const struct bo_wire_packet packet = { .len = TRAIN_LEN };
	struct bo_link_train *train = &p->samples.trains[p->samples.ntrains++];

	*train = (struct bo_link_train){ .sent_ns = now_ns };
	for (int i = 0; i < TRAIN_PACKETS; i++) {
		struct bo_wire_outcome out;

		bo_wire_line_next(&p->line, now_ns, &packet, 1, 0, &out);
		train->sent++;
		if (out.fate != BO_WIRE_PASS)
			continue;
		if (!train->received++)
			train->first_ns = out.due_ns + noise(p);
		else
			train->bits += TRAIN_LEN * 8;
		train->last_ns = out.due_ns + noise(p);
	}
}

static int by_arrival(const void *a, const void *b)
{
	const struct bo_link_sample *x = *(struct bo_link_sample *const *)a;
	const struct bo_link_sample *y = *(struct bo_link_sample *const *)b;
	int64_t at = x->sent_ns + x->delay_ns, other = y->sent_ns + y->delay_ns;

	return (at > other) - (at < other);
}

static void set_order(struct bo_link_samples *s)
{
	static struct bo_link_sample *order[PROBES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < s->nprobes; i++)
		if (s->probes[i].delay_ns >= 0)
			order[n++] = &s->probes[i];
	qsort(order, n, sizeof(order[0]), by_arrival);
	for (size_t i = 0; i < n; i++)
		order[i]->order = (uint32_t)i + 1;
}

/** probe_wire() - for so long; what was told to it is @told */
static void probe_wire(struct probed *p, const struct bo_impair *told, uint64_t seed,
		       int64_t lasts_ns)
{
	struct bo_wire_queue queue = { .max_bytes = BO_WIRE_QUEUE_BYTES };

	bo_wire_line_init(&p->line, seed, 1, BO_DIR_A_TO_B);
	(void)bo_wire_line_change(&p->line, told, 0, &queue);
	bo_wire_queue_done(&queue);
	bo_rng_init(&p->rng, seed, 99);
	p->samples.nprobes = p->samples.ntrains = 0;
	for (int64_t now_ns = SEC; now_ns < SEC + lasts_ns; now_ns += PROBE_GAP) {
		send_probe(p, now_ns);
		if (p->samples.nprobes % TRAIN_EVERY == 1)
			send_train(p, now_ns + MS);
	}
	set_order(&p->samples);
}

/* --- the table -------------------------------------------------------------------------------- */

/** struct row - @seconds: of the fault;  @broken: what the wire does instead, and @reason: part of what is then said */
struct row {
	const char *name;
	int seconds;
	struct bo_impair asked;
	struct {
		const char *name;
		struct bo_impair im;
		const char *reason;
	} broken[3];
};

#define JITTER(d, j, how, c)                                                                  \
	{                                                                                     \
		.delay_ns = (d)*MS, .jitter_ns = (j)*MS, .dist = (how), .delay_corr_ppm = (c) \
	}
#define LOSS(p, c)                         \
	{                                  \
		.loss.random = {(p), (c) } \
	}
#define GE(p, r)                                   \
	{                                          \
		.loss = {                          \
			.model = BO_LOSS_GE,       \
			.p_ppm = (p),              \
			.r_ppm = (r),              \
			.bad_loss_ppm = BO_PPM_ALL \
		}                                  \
	}
#define AHEAD(p, c, gap)                                                           \
	{                                                                          \
		.delay_ns = 60 * MS, .reorder = { (p), (c) }, .reorder_gap = (gap) \
	}

/* clang-format off */
static const struct row rows[] = {
	{ "delay 50ms", 10, { .delay_ns = 50 * MS },
	  { { "none", { 0 }, "expected at least" }, { "53ms", { .delay_ns = 53 * MS + MS / 2 }, "expected at most" } } },
	{ "jitter, uniform", 10, JITTER(50, 20, BO_DIST_UNIFORM, 0),
	  { { "half of it", JITTER(50, 10, BO_DIST_UNIFORM, 0), "not spread" } } },
	{ "jitter, normal", 10, JITTER(50, 10, BO_DIST_NORMAL, 0),
	  { { "pareto", JITTER(50, 10, BO_DIST_PARETO, 0), "not spread" } } },
	{ "jitter, 25%", 20, JITTER(50, 20, BO_DIST_UNIFORM, 250000),
	  { { "uncorrelated", JITTER(50, 20, BO_DIST_UNIFORM, 0), "delays correlate by" },
	    { "75%", JITTER(50, 20, BO_DIST_UNIFORM, 750000), "not spread" } } },
	{ "jitter, pareto, 50%", 10, JITTER(50, 10, BO_DIST_PARETO, 500000),
	  { { "uncorrelated", JITTER(50, 10, BO_DIST_PARETO, 0), "delays correlate by" } } },
	{ "jitter, normal, 90%", 10, JITTER(50, 12, BO_DIST_NORMAL, 900000),
	  { { "50%", JITTER(50, 12, BO_DIST_NORMAL, 500000), "delays correlate by" } } },
	{ "jitter, 99%", 10, JITTER(50, 40, BO_DIST_UNIFORM, 990000),
	  { { "uncorrelated", JITTER(50, 40, BO_DIST_UNIFORM, 0), "correlate" } } },
	{ "jitter, normal, 50%, loss 20%, duplicate 10%", 20,
	  { .delay_ns = 50 * MS, .jitter_ns = 12 * MS, .dist = BO_DIST_NORMAL, .delay_corr_ppm = 500000,
	    .loss.random.ppm = 200000, .duplicate.ppm = 100000 },
	  { { "uncorrelated", { .delay_ns = 50 * MS, .jitter_ns = 12 * MS, .dist = BO_DIST_NORMAL,
	      .loss.random.ppm = 200000, .duplicate.ppm = 100000 }, "delays correlate by" } } },
	{ "jitter, 50%, duplicate 60%", 20,
	  { .delay_ns = 50 * MS, .jitter_ns = 40 * MS, .delay_corr_ppm = 500000, .duplicate.ppm = 600000 },
	  { { "uncorrelated", { .delay_ns = 50 * MS, .jitter_ns = 40 * MS, .duplicate.ppm = 600000 }, "correlate" } } },
	{ "jitter, 75%, reorder 30%", 20,
	  { .delay_ns = 50 * MS, .jitter_ns = 20 * MS, .delay_corr_ppm = 750000, .reorder.ppm = 300000 },
	  { { "uncorrelated", { .delay_ns = 50 * MS, .jitter_ns = 20 * MS, .reorder.ppm = 300000 }, "correlate" } } },
	{ "all of them", 30,
	  { .delay_ns = 80 * MS, .jitter_ns = 10 * MS, .dist = BO_DIST_NORMAL, .delay_corr_ppm = 500000,
	    .loss.random = { 300000, 500000 }, .duplicate = { 300000, 500000 }, .corrupt = { 300000, 500000 },
	    .reorder = { 300000, 500000 } },
	  { { "no loss", { .delay_ns = 80 * MS, .jitter_ns = 10 * MS, .dist = BO_DIST_NORMAL, .delay_corr_ppm = 500000,
	      .duplicate = { 300000, 500000 }, .corrupt = { 300000, 500000 }, .reorder = { 300000, 500000 } }, "" },
	    { "no reorder", { .delay_ns = 80 * MS, .jitter_ns = 10 * MS, .dist = BO_DIST_NORMAL, .delay_corr_ppm = 500000,
	      .loss.random = { 300000, 500000 }, .duplicate = { 300000, 500000 }, .corrupt = { 300000, 500000 } }, "" } } },
	{ "loss 10%", 10, LOSS(100000, 0), { { "5%", LOSS(50000, 0), "were lost" }, { "none", { 0 }, "0 of" } } },
	{ "loss 30%, 50%", 20, LOSS(300000, 500000),
	  { { "the same share, uncorrelated", LOSS(130300, 0), "too, outside the 99.9%" },
	    { "the same share in bursts", GE(37000, 250000), "too, outside the 99.9%" } } },
	{ "loss 40%, 25%", 40, LOSS(400000, 250000),
	  { { "the same share, uncorrelated", LOSS(356000, 0), "too, outside the 99.9%" } } },
	{ "loss gemodel 3%, 20%", 20, GE(30000, 200000),
	  { { "the same share, uncorrelated", LOSS(130400, 0), "in runs of" },
	    { "bursts thrice as long", GE(10000, 66667), "" } } },
	{ "duplicate 10%", 10, { .duplicate.ppm = 100000 }, { { "20%", { .duplicate.ppm = 200000 }, "arrived twice" } } },
	{ "duplicate 40%, 60%", 20, { .duplicate = { 400000, 600000 } },
	  { { "the same share, uncorrelated", { .duplicate.ppm = 260000 }, "too, outside the 99.9%" } } },
	{ "corrupt 10%", 10, { .corrupt.ppm = 100000 }, { { "none", { 0 }, "damaged" } } },
	{ "corrupt 40%, 60%", 20, { .corrupt = { 400000, 600000 } },
	  { { "the same share, uncorrelated", { .corrupt.ppm = 260000 }, "too, outside the 99.9%" } } },
	{ "corrupt 40%, 60%, loss 10%", 40, { .corrupt = { 400000, 600000 }, .loss.random.ppm = 100000 },
	  { { "uncorrelated", { .corrupt.ppm = 260000, .loss.random.ppm = 100000 }, "too, outside the 99.9%" } } },
	{ "reorder 25%", 10, AHEAD(250000, 0, 0), { { "40%", AHEAD(400000, 0, 0), "sent ahead" } } },
	{ "reorder 40%, 60%", 20, AHEAD(400000, 600000, 0),
	  { { "the same share, uncorrelated", AHEAD(260000, 0, 0), "too, outside the 99.9%" } } },
	{ "rate 10Mbit/s", 10, { .rate_bps = 10000000 },
	  { { "8Mbit/s", { .rate_bps = 8000000 }, "the rate is" }, { "none", { 0 }, "the rate is" } } },
	{ "rate 10Mbit/s, overhead 200", 10, { .rate_bps = 10000000, .rate_overhead = 200 },
	  { { "no overhead", { .rate_bps = 10000000 }, "the rate is 10.0Mbit/s" } } },
	{ "rate 10Mbit/s, cell 48+5", 10, { .rate_bps = 10000000, .rate_cell_bytes = 48, .rate_cell_overhead = 5 },
	  { { "no cells", { .rate_bps = 10000000 }, "not charged" } } },
	{ "slot 50ms", 10, { .slot = { 50 * MS, 50 * MS, 0, 0 } },
	  { { "none", { 0 }, "bursts" }, { "100ms", { .slot = { 100 * MS, 100 * MS, 0, 0 } }, "bursts" } } },
	{ "slot 20ms-100ms", 20, { .slot = { 20 * MS, 100 * MS, 0, 0 } },
	  { { "60ms", { .slot = { 60 * MS, 60 * MS, 0, 0 } }, "not spread over 20ms to 100ms" } } },
	{ "slot 40ms, 12 packets, delay 60ms", 10, { .delay_ns = 60 * MS, .slot = { 40 * MS, 40 * MS, 12, 0 } },
	  { { "60ms, 40 packets", { .delay_ns = 60 * MS, .slot = { 60 * MS, 60 * MS, 40, 0 } }, "" } } },
	{ "slot 100ms, 1000 bytes", 10, { .slot = { 100 * MS, 100 * MS, 0, 1000 } },
	  { { "no bound", { .slot = { 100 * MS, 100 * MS, 0, 0 } }, "probes of 76 bytes" } } },
	{ "reorder 25%, gap 5", 20, AHEAD(250000, 0, 5),
	  { { "the same share, no gap", AHEAD(125000, 0, 0), "too, outside the 99.9%" } } },
};
/* clang-format on */

#define ALL_ROWS ((unsigned)(sizeof(rows) / sizeof(rows[0])))

/** confirmed() - by the probes of this seed, as one of @alike in a run;  @ret: what was said */
static bool confirmed(struct probed *p, const struct row *row, unsigned alike,
		      struct bo_fault_record *ret)
{
	const struct bo_impair *asked = &row->asked;
	struct bo_link_measure m;
	struct bo_text achieved = bo_text_of(ret->achieved, sizeof(ret->achieved));
	struct bo_trial t = { .record = ret,
			      .achieved = &achieved,
			      .name = "a → b",
			      .own = asked,
			      .im = asked,
			      .m = &m,
			      .samples = &p->samples,
			      .total_ns = row->seconds * SEC,
			      .base_ns = BASE_NS + BUSY_NS,
			      .alike = alike,
			      .first = true };

	*ret = (struct bo_fault_record){ .driver = "wire" };
	assert_int_equal(bo_link_summarise(&p->samples, &m), 0);
	bo_fault_judge(&t);
	return ret->confirm == BO_CONFIRM_OK;
}

/** right_wire() - Return: false when too many were not confirmed */
static bool right_wire(struct probed *p, const struct row *row)
{
	struct bo_fault_record record, wrong = { 0 }, among;
	int refused = 0;

	for (int seed = 1; seed <= seeds; seed++) {
		probe_wire(p, &row->asked, (uint64_t)seed, row->seconds * SEC);
		/* One of many has the wider interval. */
		if (confirmed(p, row, 1, &record))
			continue;
		p->spoiled[seed - 1] |= !confirmed(p, row, ALL_ROWS, &among);
		wrong = record;
		refused++;
	}
	printf("%-46s %-30s %5d %6.1f%%  %s\n", row->name, "as asked", seeds,
	       100.0 * refused / seeds, refused ? wrong.reason : record.achieved);
	return refused <= (seeds + 99) / 100;
}

static bool broken_wire(struct probed *p, const struct row *row, int which)
{
	const char *reason = row->broken[which].reason;
	struct bo_fault_record record, among;
	int refused = 0, named = 0, found = 0, tried = (seeds + 4) / 5;

	for (int seed = 1; seed <= tried; seed++) {
		bool ok;

		probe_wire(p, &row->broken[which].im, (uint64_t)seed, row->seconds * SEC);
		ok = confirmed(p, row, 1, &record);
		found += !ok && !confirmed(p, row, ALL_ROWS, &among);
		refused += !ok;
		named += !ok && strstr(record.reason, reason);
	}
	printf("%-46s %-30s %5d %6.1f%%  %s\n", "", row->broken[which].name, tried,
	       100.0 * refused / tried, record.reason);
	return refused * 100 >= 99 * tried && named * 100 >= 90 * tried &&
	       found * 100 >= 99 * tried;
}

static void a_wire_is_confirmed_when_it_is_right(void **state)
{
	struct probed *p = *state;
	int wrong = 0, spoiled = 0;

	printf("%-46s %-30s %5s %7s\n", "asked", "the wire does", "seeds", "refused");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!right_wire(p, &rows[i])) {
			print_error("%s: refused too often\n", rows[i].name);
			wrong++;
		}
		for (int b = 0; b < 3 && rows[i].broken[b].name; b++)
			if (!broken_wire(p, &rows[i], b)) {
				print_error("%s: not refused, or for another reason: %s\n",
					    rows[i].name, rows[i].broken[b].name);
				wrong++;
			}
	}
	assert_int_equal(wrong, 0);
	for (int seed = 0; seed < seeds; seed++)
		spoiled += p->spoiled[seed];
	printf("%-46s %-30s %5d %6.1f%%\n", "all of these in one run", "as asked", seeds,
	       100.0 * spoiled / seeds);
	assert_in_range(spoiled, 0, (unsigned)seeds / 200);
}

static void damage_that_nobody_sees_is_allowed_for(void **state)
{
	static const struct row row = { "corrupt 40%, 75%, an eighth of it unseen",
					30,
					{ .corrupt = { 400000, 750000 } },
					{ { "the same share, uncorrelated",
					    { .corrupt.ppm = 195000 },
					    "too, outside the 99.9%" } } };
	struct probed *p = *state;

	p->unseen = 0.125;
	assert_true(right_wire(p, &row));
	assert_true(broken_wire(p, &row, 0));
}

static int up(void **state)
{
	struct probed *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->samples.probes = calloc(PROBES_MAX, sizeof(*p->samples.probes));
	p->samples.trains = calloc(PROBES_MAX, sizeof(*p->samples.trains));
	p->spoiled = calloc((size_t)seeds, sizeof(*p->spoiled));
	assert_true(p->samples.probes && p->samples.trains && p->spoiled);
	*state = p;
	return 0;
}

static int down(void **state)
{
	struct probed *p = *state;

	bo_link_samples_done(&p->samples);
	free(p->spoiled);
	free(p);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_wire_is_confirmed_when_it_is_right, up, down),
		cmocka_unit_test_setup_teardown(damage_that_nobody_sees_is_allowed_for, up, down),
	};

	if (argc > 1)
		seeds = (int)strtol(argv[1], NULL, 10);
	if (seeds < 1) {
		fprintf(stderr, "usage: test_fault_confirm [SEEDS]\n");
		return 2;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
