/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_fault_judge.c — the arithmetic of confirmation: when is a measurement what was
 * asked for, when is it not, and when can nobody tell?  Privilege: none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "brownout/base/rng.h"
#include "fault-internal.h"

#define MS BO_NSEC_PER_MSEC
#define SEC BO_NSEC_PER_SEC

static void binomial_interval_is_exact(void **state)
{
	(void)state;
	/* P(X <= 4) = 0.00030, P(X <= 5) = 0.00107; P(X >= 31) = 0.00063, P(X >= 32) = 0.00030. */
	assert_false(bo_fault_binomial_fits(0, 812, 0.02, 1));
	assert_false(bo_fault_binomial_fits(4, 812, 0.02, 1));
	assert_true(bo_fault_binomial_fits(5, 812, 0.02, 1));
	assert_true(bo_fault_binomial_fits(31, 812, 0.02, 1));
	assert_false(bo_fault_binomial_fits(32, 812, 0.02, 1));
	assert_true(bo_fault_binomial_fits(100, 100, 1, 1));
	assert_false(bo_fault_binomial_fits(99, 100, 1, 1));
	assert_true(bo_fault_binomial_fits(0, 100, 0, 1));
	assert_false(bo_fault_binomial_fits(1, 100, 0, 1));
	assert_false(bo_fault_binomial_fits(5, 4, 0.5, 1));
	/* No underflow where the numbers are large. */
	assert_true(bo_fault_binomial_fits(65536, 131072, 0.5, 1));
	assert_false(bo_fault_binomial_fits(64000, 131072, 0.5, 1));
}

/* One of many takes its share of what a run may err: the interval grows, but never takes in none at all. */
static void a_run_shares_the_interval(void **state)
{
	(void)state;
	assert_true(bo_fault_binomial_fits(4, 812, 0.02, 2)); /* 0.00030 against 0.00025 */
	assert_true(bo_fault_binomial_fits(32, 812, 0.02, 2));
	assert_false(bo_fault_binomial_fits(3, 812, 0.02, 2)); /* 0.00007 */
	assert_true(bo_fault_binomial_fits(3, 812, 0.02, 10));
	assert_false(bo_fault_binomial_fits(0, 812, 0.02, 100));
	assert_float_equal(bo_fault_interval(0), 99.9, 1e-9);
	assert_float_equal(bo_fault_interval(1), 99.9, 1e-9);
	assert_float_equal(bo_fault_interval(10), 99.99, 1e-9);
}

/* What is asked for must fit 999 times of 1000: not much less, or runs would be INCONCLUSIVE for
 * nothing. */
static void binomial_interval_covers(void **state)
{
	struct bo_rng rng;
	int misses = 0;

	(void)state;
	bo_rng_init(&rng, 5, 5);
	for (int trial = 0; trial < 2000; trial++) {
		uint64_t k = 0;

		for (int i = 0; i < 1000; i++)
			k += bo_rng_unit(&rng) < 0.02;
		misses += !bo_fault_binomial_fits(k, 1000, 0.02, 1);
	}
	assert_in_range(misses, 0, 9);
}

/** struct judged - one measurement and the verdict that it must get */
struct judged {
	const char *what;
	struct bo_impair own;
	struct bo_impair also; /* what other faults add; only rate and jitter matter */
	struct bo_link_measure m;
	int64_t base_ns;
	enum bo_confirm confirm;
	const char *reason; /* part of it */
};

#define DELAYS(lo, mid, hi) \
	.delay_min_ns = (lo), .delay_p50_ns = (mid), .delay_p99_ns = (hi), .delay_max_ns = (hi)

static const struct judged cases[] = {
	{ "delay as asked",
	  { .delay_ns = 50 * MS },
	  { 0 },
	  { 400, 400, DELAYS(50 * MS, 50 * MS + 50000, 51 * MS) },
	  40000,
	  BO_CONFIRM_OK,
	  "" },
	{ "delay not there",
	  { .delay_ns = 50 * MS },
	  { 0 },
	  { 400, 400, DELAYS(20000, 40000, 1 * MS) },
	  40000,
	  BO_CONFIRM_OFF,
	  "delay p50 is 40us, expected at least 50ms" },
	{ "delay just below",
	  { .delay_ns = 50 * MS },
	  { 0 },
	  { 400, 400, DELAYS(49 * MS, 49900000, 50 * MS) },
	  40000,
	  BO_CONFIRM_OFF,
	  "expected at least" },
	{ "delay 5 % above",
	  { .delay_ns = 100 * MS },
	  { 0 },
	  { 400, 400, DELAYS(100 * MS, 105 * MS, 106 * MS) },
	  40000,
	  BO_CONFIRM_OK,
	  "" },
	{ "delay 6 % above",
	  { .delay_ns = 100 * MS },
	  { 0 },
	  { 400, 400, DELAYS(100 * MS, 106 * MS, 107 * MS) },
	  40000,
	  BO_CONFIRM_OFF,
	  "expected at most" },
	{ "slow path counts apart",
	  { .delay_ns = 100 * MS },
	  { 0 },
	  { 400, 400, DELAYS(103 * MS, 107 * MS, 109 * MS) },
	  5 * MS,
	  BO_CONFIRM_OK,
	  "" },
	{ "a standing queue is no fault of the delay",
	  { .delay_ns = 50 * MS },
	  { .rate_bps = 1000000 },
	  { 400, 390, DELAYS(50 * MS, 400 * MS, 900 * MS) },
	  40000,
	  BO_CONFIRM_OK,
	  "" },
	{ "but the delay must be there",
	  { .delay_ns = 50 * MS },
	  { .rate_bps = 1000000 },
	  { 400, 390, DELAYS(1 * MS, 30 * MS, 900 * MS) },
	  40000,
	  BO_CONFIRM_OFF,
	  "expected at least" },
	{ "all lost",
	  { .delay_ns = 50 * MS },
	  { 0 },
	  { 400, 5, DELAYS(50 * MS, 50 * MS, 50 * MS) },
	  40000,
	  BO_CONFIRM_UNKNOWN,
	  "only 5 of 400 probes arrived" },
	{ "jitter as asked",
	  { .delay_ns = 50 * MS, .jitter_ns = 20 * MS },
	  { 0 },
	  { 400, 400, DELAYS(31 * MS, 51 * MS, 69 * MS) },
	  40000,
	  BO_CONFIRM_OK,
	  "" },
	{ "jitter missing",
	  { .delay_ns = 50 * MS, .jitter_ns = 20 * MS },
	  { 0 },
	  { 400, 400, DELAYS(50 * MS, 50 * MS, 51 * MS) },
	  40000,
	  BO_CONFIRM_OFF,
	  "no jitter" },
	{ "dense traffic on a wire that keeps order",
	  { .delay_ns = 50 * MS, .jitter_ns = 20 * MS },
	  { 0 },
	  { 400, 400, DELAYS(68 * MS, 69 * MS, 70 * MS) },
	  40000,
	  BO_CONFIRM_OK,
	  "" },
	{ "loss as asked",
	  { .loss.random.ppm = 20000 },
	  { 0 },
	  { 1000, 981, DELAYS(1, 1, 1) },
	  0,
	  BO_CONFIRM_OK,
	  "" },
	{ "loss not there",
	  { .loss.random.ppm = 20000 },
	  { 0 },
	  { 1000, 1000, DELAYS(1, 1, 1) },
	  0,
	  BO_CONFIRM_OFF,
	  "0 of 1000 probes were lost" },
	{ "none, of just enough to tell",
	  { .loss.random.ppm = 100000 },
	  { 0 },
	  { 66, 66, DELAYS(1, 1, 1) },
	  0,
	  BO_CONFIRM_OFF,
	  "0 of 66 probes were lost" },
	{ "loss too high",
	  { .loss.random.ppm = 20000 },
	  { 0 },
	  { 1000, 950, DELAYS(1, 1, 1) },
	  0,
	  BO_CONFIRM_OFF,
	  "50 of 1000" },
	{ "a full queue loses more",
	  { .loss.random.ppm = 20000 },
	  { .rate_bps = 1000000 },
	  { 1000, 700, DELAYS(1, 1, 1) },
	  0,
	  BO_CONFIRM_OK,
	  "" },
	{ "too few to tell",
	  { .loss.random.ppm = 1000 },
	  { 0 },
	  { 1000, 999, DELAYS(1, 1, 1) },
	  0,
	  BO_CONFIRM_UNKNOWN,
	  "1000 probes cannot tell a loss of 0.1% from none: that takes 6905, about 34.5s" },
	{ "all of them",
	  { .loss.random.ppm = BO_PPM_ALL },
	  { 0 },
	  { 1000, 0, .goodput_bps = 0 },
	  0,
	  BO_CONFIRM_OK,
	  "" },
	{ "not quite all",
	  { .loss.random.ppm = BO_PPM_ALL },
	  { 0 },
	  { 1000, 1, DELAYS(1, 1, 1) },
	  0,
	  BO_CONFIRM_OFF,
	  "999 of" },
	{ "rate as asked",
	  { .rate_bps = 10000000 },
	  { 0 },
	  { 1000, 1000, .goodput_bps = 9000000 },
	  0,
	  BO_CONFIRM_OK,
	  "" },
	{ "rate not there",
	  { .rate_bps = 10000000 },
	  { 0 },
	  { 1000, 1000, .goodput_bps = 3000000000 },
	  0,
	  BO_CONFIRM_OFF,
	  "the rate is 3Gbit/s, expected 10Mbit/s" },
	{ "rate too low",
	  { .rate_bps = 10000000 },
	  { 0 },
	  { 1000, 1000, .goodput_bps = 8000000 },
	  0,
	  BO_CONFIRM_OFF,
	  "the rate is 8Mbit/s" },
	{ "no train",
	  { .rate_bps = 10000000 },
	  { 0 },
	  { 1000, 1000, .goodput_bps = 0 },
	  0,
	  BO_CONFIRM_UNKNOWN,
	  "no packet train" },
	{ "jitter hides the rate",
	  { .rate_bps = 10000000 },
	  { .jitter_ns = 20 * MS },
	  { 1000, 1000, .goodput_bps = 10000000 },
	  0,
	  BO_CONFIRM_UNKNOWN,
	  "jitter" },
	{ "a rate without its overhead",
	  { .rate_bps = 10000000, .rate_overhead = 120 },
	  { 0 },
	  { 1000, 1000, .goodput_bps = 9700000 },
	  0,
	  BO_CONFIRM_OFF,
	  "not charged" },
	{ "and with it",
	  { .rate_bps = 10000000, .rate_overhead = 120 },
	  { 0 },
	  { 1000, 1000, .goodput_bps = 9100000 },
	  0,
	  BO_CONFIRM_OK,
	  "" },
	{ "an overhead too small to tell",
	  { .rate_bps = 10000000, .rate_overhead = 4 },
	  { 0 },
	  { 1000, 1000, .goodput_bps = 10000000 },
	  0,
	  BO_CONFIRM_OK,
	  "" },
	{ "a queue of 20 packets", /* 24 ms, and what there is to spare: 127.6 ms */
	  { .rate_bps = 10000000, .limit_packets = 20 },
	  { 0 },
	  { 1000, 900, .goodput_bps = 10000000, DELAYS(1 * MS, 12 * MS, 24 * MS) },
	  0,
	  BO_CONFIRM_OK,
	  "" },
	{ "a longer one",
	  { .rate_bps = 10000000, .limit_packets = 20 },
	  { 0 },
	  { 1000, 900, .goodput_bps = 10000000, DELAYS(1 * MS, 12 * MS, 129 * MS) },
	  0,
	  BO_CONFIRM_OFF,
	  "with a limit of 20 packets at most" },
	{ "blackhole",
	  { .blackhole = true },
	  { 0 },
	  { 40, 0, .goodput_bps = 0 },
	  0,
	  BO_CONFIRM_OK,
	  "" },
	{ "leaky blackhole",
	  { .blackhole = true },
	  { 0 },
	  { 40, 1, DELAYS(1, 1, 1) },
	  0,
	  BO_CONFIRM_OFF,
	  "1 of 40 probes came through" },
	{ "too few for a blackhole",
	  { .blackhole = true },
	  { 0 },
	  { 19, 0, .goodput_bps = 0 },
	  0,
	  BO_CONFIRM_UNKNOWN,
	  "only 19 probes" },
	{ "nothing sent",
	  { .delay_ns = 5 * MS },
	  { 0 },
	  { 0, 0, .goodput_bps = 0 },
	  0,
	  BO_CONFIRM_UNKNOWN,
	  "only 0 probes" },
	{ "the worst part counts",
	  { .delay_ns = 50 * MS, .loss.random.ppm = 20000 },
	  { 0 },
	  { 1000, 1000, DELAYS(50 * MS, 50 * MS, 51 * MS) },
	  0,
	  BO_CONFIRM_OFF,
	  "were lost" },
};

static void measurements_get_their_verdicts(void **state)
{
	int wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct judged *c = &cases[i];
		struct bo_fault_record record = { .driver = "wire" };
		struct bo_text achieved = bo_text_of(record.achieved, sizeof(record.achieved));
		struct bo_impair im = c->own;
		struct bo_trial t = { .record = &record,
				      .achieved = &achieved,
				      .name = "a → b",
				      .own = &c->own,
				      .im = &im,
				      .m = &c->m,
				      .total_ns = 5 * SEC,
				      .base_ns = c->base_ns,
				      .first = true };

		if (c->also.rate_bps)
			im.rate_bps = c->also.rate_bps;
		if (c->also.jitter_ns)
			im.jitter_ns = c->also.jitter_ns;
		bo_fault_judge(&t);
		if (record.confirm != c->confirm || !strstr(record.reason, c->reason)) {
			print_error("%s: expected %d \"%s\", found %d \"%s\" (%s)\n", c->what,
				    c->confirm, c->reason, record.confirm, record.reason,
				    record.achieved);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

static void an_empty_window_says_how_long_it_takes(void **state)
{
	const struct bo_impair own = { .delay_ns = 1500 * MS };
	struct bo_link_measure none = { 0 };
	struct bo_fault_record record = { 0 };
	struct bo_text achieved = bo_text_of(record.achieved, sizeof(record.achieved));
	struct bo_trial t = { .record = &record,
			      .achieved = &achieved,
			      .name = "a → b",
			      .own = &own,
			      .im = &own,
			      .m = &none,
			      .first = true };

	(void)state;
	bo_fault_judge(&t);
	assert_int_equal(record.confirm, BO_CONFIRM_UNKNOWN);
	assert_non_null(strstr(record.reason, "that takes 1.70s"));
	assert_string_equal(record.achieved, " not measured");
}

static void a_verdict_never_improves(void **state)
{
	struct bo_fault_record record = { 0 };

	(void)state;
	bo_fault_verdict_ok(&record);
	assert_int_equal(record.confirm, BO_CONFIRM_OK);
	bo_fault_verdict(&record, BO_CONFIRM_UNKNOWN, "first");
	bo_fault_verdict_ok(&record);
	assert_int_equal(record.confirm, BO_CONFIRM_UNKNOWN);
	bo_fault_verdict(&record, BO_CONFIRM_OFF, "second");
	bo_fault_verdict(&record, BO_CONFIRM_UNKNOWN, "third");
	assert_int_equal(record.confirm, BO_CONFIRM_OFF);
	assert_string_equal(record.reason, "second");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(binomial_interval_is_exact),
		cmocka_unit_test(binomial_interval_covers),
		cmocka_unit_test(a_run_shares_the_interval),
		cmocka_unit_test(measurements_get_their_verdicts),
		cmocka_unit_test(an_empty_window_says_how_long_it_takes),
		cmocka_unit_test(a_verdict_never_improves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
