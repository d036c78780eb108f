/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_slo_seq.c — the test that may be asked at any time, and the budgets it settles early.
 * How often it errs is measured in test_slo_simulation.c. */
#include "brownout/slo/sequential.h"
#include "slo/stats.h"
#include "synth_test.h"

/* Batches of @n with @k bad ones until there is an answer; how many it took, 0 for none in 200. */
static int until(double limit, double n, double k, enum bo_seq_answer want)
{
	struct bo_seq seq;

	bo_seq_init(&seq, limit, 0.01);
	for (int i = 1; i <= 200; i++) {
		enum bo_seq_answer a = bo_seq_feed(&seq, n, k);

		if (a != BO_SEQ_OPEN) {
			assert_int_equal(a, want);
			/* It stays, whatever comes. */
			assert_int_equal(bo_seq_feed(&seq, 1e6, want == BO_SEQ_WITHIN ? 1e6 : 0),
					 want);
			return i;
		}
	}
	return 0;
}

/* scipy 1.17: betaln + log(betaincc), betaln + log(betainc) */
static void test_side(void **state)
{
	(void)state;
	assert_float_equal(slo_beta_side(0.5, 49.5, 0.01, true), -2.516317, 1e-5);
	assert_float_equal(slo_beta_side(0.5, 49.5, 0.01, false), -1.761389, 1e-5);
	assert_float_equal(slo_beta_side(20.5, 1029.5, 0.01, true), -101.570208, 1e-4);
	assert_float_equal(slo_beta_side(20.5, 1029.5, 0.01, false), -107.135475, 1e-4);
}

static void test_answers(void **state)
{
	(void)state;
	/* Five batches at least; none bad of 3,000 or so is enough, were they to come five at a time. */
	assert_int_equal(until(0.01, 200, 20, BO_SEQ_BEYOND), 5);
	assert_in_range(until(0.01, 200, 0, BO_SEQ_WITHIN), 13, 16);
	assert_int_equal(until(0.01, 200, 2, BO_SEQ_WITHIN), 0);
	assert_in_range(until(0.01, 200, 4, BO_SEQ_BEYOND), 5, 20);
	assert_int_equal(until(0.5, 10, 10, BO_SEQ_BEYOND), 5);
}

static void test_bursts_say_less(void **state)
{
	struct bo_seq even, burst;
	int i;

	(void)state;
	bo_seq_init(&even, 0.01, 0.01);
	bo_seq_init(&burst, 0.01, 0.01);
	for (i = 0; i < 20; i++) {
		(void)bo_seq_feed(&even, 200, 4);
		(void)bo_seq_feed(&burst, 200, i % 10 == 5 ? 40 : 0);
	}
	assert_int_equal(even.answer, BO_SEQ_BEYOND);
	assert_int_equal(burst.answer, BO_SEQ_OPEN);
	/* Nothing is nothing. */
	assert_int_equal(bo_seq_feed(&burst, 0, 0), BO_SEQ_OPEN);
	assert_true(burst.n == 4000);
}

/* ---- budgets ---- */

static struct bo_stop *stop_for(struct synth *s, const char *one, const char *two)
{
	struct bo_stop *stop = NULL;
	struct bo_err err = { 0 };

	s->plan->budgets.len = 0;
	synth_budget(s, one);
	if (two)
		synth_budget(s, two);
	if (bo_stop_new(&stop, s->plan, &err) < 0)
		fail_msg("%s", err.msg);
	return stop;
}

/* One second of fault: 200 requests, of which @bad end so. */
static enum bo_seq_answer second(struct bo_stop *stop, int bad, int64_t latency_ns,
				 enum bo_req_class cls, size_t inflight, char *buf, size_t size)
{
	for (int i = 0; i < 200; i++) {
		struct bo_req req = { .end_ns = i < bad ? latency_ns : 20 * SYNTH_MS,
				      .cls = (uint8_t)(i < bad ? cls : BO_REQ_OK) };

		bo_stop_add(stop, &req, BO_PHASE_FAULT);
	}
	return bo_stop_ask(stop, BO_PHASE_FAULT, inflight, buf, size);
}

/* Seconds until the answer, at most 60; 0: none. */
static int seconds(struct synth *s, const char *one, const char *two, int bad, int64_t latency_ns,
		   enum bo_req_class cls, size_t inflight, enum bo_seq_answer want)
{
	struct bo_stop *stop = stop_for(s, one, two);
	char buf[256] = "";
	int took = 0;

	for (int t = 1; t <= 60 && !took; t++) {
		enum bo_seq_answer a = second(stop, bad, latency_ns, cls, inflight, buf,
					      sizeof(buf));

		if (a != BO_SEQ_OPEN) {
			assert_int_equal(a, want);
			assert_true(*buf);
			took = t;
		}
	}
	bo_stop_free(stop);
	return took;
}

#define LATENCY "latency.p99 <= 200ms in fault"

static void test_beyond(void **state)
{
	struct synth *s = *state;
	struct bo_stop *stop;
	char buf[256] = "";

	assert_in_range(seconds(s, LATENCY, NULL, 10, SYNTH_S, BO_REQ_OK, 0, BO_SEQ_BEYOND), 5, 9);
	/* a timeout is slow; one refused at once is nobody knows what */
	assert_in_range(seconds(s, LATENCY, NULL, 10, SYNTH_S, BO_REQ_TIMEOUT_BODY, 0,
				BO_SEQ_BEYOND),
			5, 9);
	assert_int_equal(seconds(s, LATENCY, NULL, 10, SYNTH_MS, BO_REQ_REFUSED, 0, BO_SEQ_BEYOND),
			 0);
	assert_in_range(seconds(s, "errors.ratio <= 1% in fault", "rss < 1GB", 10, SYNTH_MS,
				BO_REQ_REFUSED, 0, BO_SEQ_BEYOND),
			5, 9);
	assert_in_range(seconds(s, "availability >= 99% in fault", NULL, 10, SYNTH_MS,
				BO_REQ_HTTP_5XX, 0, BO_SEQ_BEYOND),
			5, 9);
	assert_in_range(seconds(s, "cpu < 3 and " LATENCY, NULL, 10, SYNTH_S, BO_REQ_OK, 0,
				BO_SEQ_BEYOND),
			5, 9);
	/* facts need no confidence */
	assert_int_equal(seconds(s, "latency.max <= 200ms in fault", NULL, 1, SYNTH_S, BO_REQ_OK, 0,
				 BO_SEQ_BEYOND),
			 1);
	assert_int_equal(seconds(s, "errors.count <= 5 in fault", NULL, 1, SYNTH_MS, BO_REQ_RESET,
				 0, BO_SEQ_BEYOND),
			 6);
	/* who only warns ends nothing, and its outcome is waited for */
	assert_int_equal(
		seconds(s, "warn " LATENCY, NULL, 10, SYNTH_S, BO_REQ_OK, 0, BO_SEQ_BEYOND), 0);
	assert_in_range(seconds(s, "warn latency.p99 <= 5ms in fault", LATENCY, 10, SYNTH_S,
				BO_REQ_OK, 0, BO_SEQ_BEYOND),
			5, 9);
	/* the other arm may still hold; a floor, a mean, windows and other phases are not for this */
	assert_int_equal(seconds(s, "cpu < 3 or " LATENCY, NULL, 10, SYNTH_S, BO_REQ_OK, 0,
				 BO_SEQ_BEYOND),
			 0);
	assert_int_equal(seconds(s, "latency.p50 >= 100ms in fault", NULL, 10, SYNTH_S, BO_REQ_OK,
				 0, BO_SEQ_BEYOND),
			 0);
	assert_int_equal(seconds(s, "latency.mean <= 1ms in fault", NULL, 10, SYNTH_S, BO_REQ_OK, 0,
				 BO_SEQ_BEYOND),
			 0);
	assert_int_equal(seconds(s, LATENCY " for 90% of 1s windows", NULL, 10, SYNTH_S, BO_REQ_OK,
				 0, BO_SEQ_BEYOND),
			 0);
	assert_int_equal(seconds(s, "latency.p99 <= 2 * base in fault", NULL, 10, SYNTH_S,
				 BO_REQ_OK, 0, BO_SEQ_BEYOND),
			 0);
	assert_int_equal(seconds(s, "latency.p99 <= 200ms in heal", NULL, 10, SYNTH_S, BO_REQ_OK, 0,
				 BO_SEQ_BEYOND),
			 0);
	stop = stop_for(s, LATENCY, "latency.max <= 1s in fault");
	assert_int_equal(second(stop, 1, 2 * SYNTH_S, BO_REQ_OK, 0, buf, sizeof(buf)),
			 BO_SEQ_BEYOND);
	assert_string_equal(
		buf, "'latency.max <= 1s in fault' is broken: 1 of 200 requests are out of bounds");
	bo_stop_free(stop);
	bo_stop_free(NULL);
}

static void test_within(void **state)
{
	struct synth *s = *state;

	assert_in_range(seconds(s, LATENCY, NULL, 0, 0, BO_REQ_OK, 0, BO_SEQ_WITHIN), 10, 20);
	assert_in_range(seconds(s, LATENCY, "errors.ratio <= 1% in fault", 0, 0, BO_REQ_OK, 0,
				BO_SEQ_WITHIN),
			10, 20);
	/* as many in flight as latency makes of them, as in any run */
	assert_in_range(seconds(s, LATENCY, NULL, 0, 0, BO_REQ_OK, 20, BO_SEQ_WITHIN), 15, 50);
	assert_in_range(seconds(s, LATENCY, NULL, 10, SYNTH_S, BO_REQ_OK, 20, BO_SEQ_BEYOND), 5, 9);
	assert_in_range(seconds(s, LATENCY, NULL, 200, SYNTH_S, BO_REQ_OK, 200, BO_SEQ_BEYOND), 5,
			9);
	/* nor is anything broken that those in flight may yet keep */
	assert_int_equal(seconds(s, LATENCY, NULL, 10, SYNTH_S, BO_REQ_OK, 100000, BO_SEQ_BEYOND),
			 0);
	/* what is in flight may be the slow ones */
	assert_int_equal(seconds(s, LATENCY, NULL, 0, 0, BO_REQ_OK, 400, BO_SEQ_WITHIN), 0);
	/* heal is still to come, or another budget needs the whole run */
	assert_int_equal(seconds(s, "latency.p99 <= 200ms in fault..heal", NULL, 0, 0, BO_REQ_OK, 0,
				 BO_SEQ_WITHIN),
			 0);
	assert_int_equal(seconds(s, LATENCY, "goroutines.delta <= 5 at hold", 0, 0, BO_REQ_OK, 0,
				 BO_SEQ_WITHIN),
			 0);
	assert_int_equal(seconds(s, LATENCY, "latency.max <= 200ms in fault", 0, 0, BO_REQ_OK, 0,
				 BO_SEQ_WITHIN),
			 0);
	assert_int_equal(seconds(s, LATENCY, NULL, 3, SYNTH_MS, BO_REQ_ABANDONED, 0, BO_SEQ_WITHIN),
			 0);
	s->plan->phase_ns[BO_PHASE_HEAL] = 0;
	assert_in_range(seconds(s, "latency.p99 <= 200ms", NULL, 0, 0, BO_REQ_OK, 0, BO_SEQ_WITHIN),
			10, 20);
	s->plan->budgets.len = 0;
	{
		struct bo_stop *stop = NULL;
		char buf[64];

		assert_int_equal(bo_stop_new(&stop, s->plan, NULL), 0);
		assert_int_equal(bo_stop_ask(stop, BO_PHASE_FAULT, 0, buf, sizeof(buf)),
				 BO_SEQ_OPEN);
		bo_stop_free(stop);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_side),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_bursts_say_less),
		SYNTH_TEST(test_beyond),
		SYNTH_TEST(test_within),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
