/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_slo_guard.c — guards: what they take, what they refuse, when they fire, in which
 * words. */
#include "brownout/slo/guard.h"
#include "synth_test.h"

static const struct {
	const char *text;
	const char *canonical;
} accepted[] = {
	{ "latency.p99 > 5s for 3s", "halt when latency.p99 > 5s for 3s" },
	{ "halt when latency.p99 > 1.15 * base for 2m",
	  "halt when latency.p99 > 1.15 * base for 2m" },
	{ "halt when memory.usage > 90% of limit", "halt when memory.usage > 90% of limit" },
	{ "errors.ratio>50% for 5s", "halt when errors.ratio > 50% for 5s" },
	{ "wall > 10m", "halt when wall > 10m" },
	{ "throughput{load=checkout} < 10/s for 10s",
	  "halt when throughput{load=\"checkout\"} < 10/s for 10s" },
	{ "goroutines{node=orders} >= base + 5000",
	  "halt when goroutines{node=\"orders\"} >= base + 5000" },
	{ "oom.kills > 0", "halt when oom.kills > 0" },
	{ "latency.p50 > 150% of base", "halt when latency.p50 > 1.5 * base" },
	{ "inflight > 900", "halt when inflight > 900" },
};

static const struct {
	const char *text;
	const char *message;
} refused[] = {
	{ "", "column 1: expected a metric (such as latency.p99), found the end" },
	{ "halt latency.p99 > 5s", "column 6: expected 'when' after 'halt', found 'latency.p99'" },
	{ "latency.p95 > 5s",
	  "column 1: no guard can watch 'latency.p95'; did you mean 'latency.p99'? (it may "
	  "watch latency.p50" },
	{ "memory.usge > 1GB", "did you mean 'memory.usage'" },
	{ "recovery > 5s", "it may watch latency.p50, latency.p99, errors.ratio" },
	{ "latency.p99 > 5", "column 15: " },
	{ "latency.p99 == 5s", "column 13: '==' makes no sense for latency.p99" },
	{ "latency.p99 > 5s in fault",
	  "column 18: expected 'for DURATION' or the end, found 'in'" },
	{ "latency.p99 > 5s for", "column 21: expected a duration after 'for', found the end" },
	{ "latency.p99 > 5s for 1ms", "expected a duration after 'for' from 10ms to 24h" },
	{ "latency.p99 > 5s for 3s for 4s", "column 25: expected the end, found 'for'" },
	{ "latency.p99 > 5s and wall > 1m", "expected 'for DURATION' or the end, found 'and'" },
	{ "wall > 2 * base", "column 8: wall cannot be compared with base" },
	{ "cpu > 90% of limit", "column 7: 'of limit' is for" },
	{ "latency.p99{node=db} > 5s", "column 12: latency.p99 has no {node=…}" },
	{ "rss{load=checkout} > 5MB", "column 4: rss has no {load=…}" },
	{ "errors.ratio{class=5xx} > 5%", "column 13: errors.ratio has no {class=…}" },
	{ "goroutines{site=\"main.f\"} > 5", "column 11: goroutines has no {site=…}" },
	{ "errors.ratio > 150%", "is between 0% and 100%" },
};

static void test_parse(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
		struct bo_strbuf out = { 0 };
		struct bo_guard *g = NULL;
		struct bo_err err = { 0 };

		if (bo_guard_parse(&g, accepted[i].text, &err) < 0)
			fail_msg("'%s': %s", accepted[i].text, err.msg);
		bo_guard_print(g, &out);
		assert_string_equal(bo_strbuf_str(&out), accepted[i].canonical);
		bo_strbuf_done(&out);
		bo_guard_free(g);
	}
	bo_guard_free(NULL);
}

static void test_refuse(void **state)
{
	char longest[1100];

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct bo_guard *g = NULL;
		struct bo_err err = { 0 };

		assert_int_equal(bo_guard_parse(&g, refused[i].text, &err), -EINVAL);
		assert_null(g);
		if (!strstr(err.msg, refused[i].message))
			fail_msg("'%s': %s", refused[i].text, err.msg);
	}
	memset(longest, ' ', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	{
		struct bo_guard *g = NULL;
		struct bo_err err = { 0 };

		assert_int_equal(bo_guard_parse(&g, longest, &err), -EINVAL);
		assert_string_equal(err.msg, "a guard is at most 1024 bytes long");
	}
}

static void check(struct synth *s, const char *text, const char *message)
{
	struct bo_guard *g = NULL;
	struct bo_err err = { 0 };
	int r;

	assert_int_equal(bo_guard_parse(&g, text, NULL), 0);
	r = bo_guard_check(g, s->plan, &err);
	bo_guard_free(g);
	if (r != (message ? -EINVAL : 0) || (message && !strstr(err.msg, message)))
		fail_msg("'%s': %d %s", text, r, err.msg);
}

static void test_check(void **state)
{
	struct synth *s = *state;

	check(s, "latency.p99 > 5s", NULL);
	check(s, "latency.p99 > 2 * base", NULL);
	check(s, "latency.p99{load=checkut} > 5s", "unknown load 'checkut'");
	check(s, "memory.usage > 90% of limit", NULL);
	check(s, "memory.usage{node=db} > 90% of limit", "'db' has no memory limit");
	check(s, "memory.usage{node=dbx} > 1GB", "unknown node 'dbx'");
	check(s, "wall > 1m", NULL);
	s->plan->nodes.items[SYNTH_ORDERS].probe.off = true;
	check(s, "goroutines > 5000", "its probe is off");
	s->plan->phase_ns[BO_PHASE_BASE] = 2 * SYNTH_S;
	check(s, "latency.p99 > 2 * base",
	      "expected a phase 'base' of at least 3.00s, found 2.00s");
	check(s, "rss > 2 * base", NULL);
	s->plan->phase_ns[BO_PHASE_BASE] = 0;
	check(s, "rss > 2 * base", "expected a phase 'base' of at least 1.00s, found 0s");
	s->plan->loads.len = 0;
	check(s, "errors.ratio > 50%", "needs a load");
}

/* struct world - the live state that a guard is shown */
struct world {
	struct bo_live_load load;
	double memory, limit, goroutines;
};

static double sampled(void *arg, const char *series, int node)
{
	const struct world *w = arg;

	if (node != SYNTH_ORDERS)
		return NAN;
	return strcmp(series, BO_SERIES_MEMORY) == 0         ? w->memory
	       : strcmp(series, BO_SERIES_MEMORY_LIMIT) == 0 ? w->limit
	       : strcmp(series, BO_SERIES_GOROUTINES) == 0   ? w->goroutines
							     : NAN;
}

static struct world healthy(void)
{
	return (struct world){ .load = { .offered_per_s = 200,
					 .done_per_s = 200,
					 .p50_ns = 20 * SYNTH_MS,
					 .p99_ns = 40 * SYNTH_MS },
			       .memory = 100e6,
			       .limit = NAN,
			       .goroutines = 50 };
}

static bool show(struct synth *s, struct bo_guard *g, enum bo_phase phase, int64_t t_ns,
		 struct world *w, char *buf, size_t size)
{
	struct bo_live_state now = { .t_ns = t_ns,
				     .phase = phase,
				     .loads = &w->load,
				     .nloads = 1,
				     .value = sampled,
				     .arg = w };

	return bo_guard_feed(g, s->plan, &now, buf, size);
}

/* Every 200 ms of [@from, @to) in its phase; when it fires, or INT64_MIN. */
static int64_t play(struct synth *s, struct bo_guard *g, int64_t from, int64_t to, struct world w,
		    char *buf, size_t size)
{
	for (int64_t t = from; t < to; t += 200 * SYNTH_MS) {
		enum bo_phase phase = BO_PHASE_WARMUP;

		while (phase < BO_PHASE_SETTLE && t >= synth_end(s, phase))
			phase++;
		if (show(s, g, phase, t, &w, buf, size))
			return t;
	}
	return INT64_MIN;
}

static struct bo_guard *guard(struct synth *s, const char *text)
{
	struct bo_guard *g = NULL;
	struct bo_err err = { 0 };

	if (bo_guard_parse(&g, text, &err) < 0 || bo_guard_check(g, s->plan, &err) < 0)
		fail_msg("'%s': %s", text, err.msg);
	return g;
}

#define SECONDS(x) ((int64_t)((x)*1e9))

static void test_stretch(void **state)
{
	struct synth *s = *state;
	struct bo_guard *g = guard(s, "latency.p99 > 5s for 3s");
	struct world ok = healthy(), slow = healthy(), dumb = healthy();
	char buf[256] = "";

	slow.load.p99_ns = 6 * SYNTH_S;
	dumb.load.done_per_s = 0;
	assert_true(play(s, g, 0, SECONDS(7), ok, buf, sizeof(buf)) == INT64_MIN);
	/* 2.8 s are not 3 s, and one good state ends the stretch. */
	assert_true(play(s, g, SECONDS(7), SECONDS(10), slow, buf, sizeof(buf)) == INT64_MIN);
	assert_true(play(s, g, SECONDS(10), SECONDS(10.2), ok, buf, sizeof(buf)) == INT64_MIN);
	assert_true(play(s, g, SECONDS(10.2), SECONDS(12), slow, buf, sizeof(buf)) == INT64_MIN);
	/* A second without an answer says nothing either way. */
	assert_true(play(s, g, SECONDS(12), SECONDS(13), dumb, buf, sizeof(buf)) == INT64_MIN);
	slow.load.p99_ns = 9 * SYNTH_S;
	assert_true(play(s, g, SECONDS(13), SECONDS(16), slow, buf, sizeof(buf)) == SECONDS(13.2));
	assert_string_equal(buf, "halt when latency.p99 > 5s for 3s: 6.00s to 9.00s from 10.2s to "
				 "13.2s");
	/* It stays fired. */
	assert_true(show(s, g, BO_PHASE_FAULT, SECONDS(14), &ok, buf, sizeof(buf)));
	bo_guard_free(g);
}

static void test_silence_ends_the_stretch(void **state)
{
	struct synth *s = *state;
	struct bo_guard *g = guard(s, "latency.p99 > 5s for 3s");
	struct world slow = healthy(), dumb = healthy();
	char buf[256] = "";

	slow.load.p99_ns = 6 * SYNTH_S;
	dumb.load.done_per_s = 0;
	assert_true(play(s, g, SECONDS(0), SECONDS(4.6), slow, buf, sizeof(buf)) == INT64_MIN);
	assert_true(play(s, g, SECONDS(4.6), SECONDS(7), dumb, buf, sizeof(buf)) == INT64_MIN);
	assert_true(play(s, g, SECONDS(7), SECONDS(9.8), slow, buf, sizeof(buf)) == INT64_MIN);
	assert_true(play(s, g, SECONDS(9.8), SECONDS(12), slow, buf, sizeof(buf)) == SECONDS(10));
	bo_guard_free(g);
}

/* The last full second may be one before load began; and where no load runs there is none to judge. */
static void test_only_under_load(void **state)
{
	struct synth *s = *state;
	struct bo_guard *g = guard(s, "throughput < 10/s");
	struct world idle = healthy(), ok = healthy();
	char buf[256] = "";

	idle.load.done_per_s = 0;
	assert_true(play(s, g, 0, SECONDS(2), idle, buf, sizeof(buf)) == INT64_MIN);
	assert_true(play(s, g, SECONDS(2), SECONDS(16), ok, buf, sizeof(buf)) == INT64_MIN);
	/* hold is from 16 to 20 s, heal from 20 to 25 s, settle after it */
	assert_true(play(s, g, SECONDS(16), SECONDS(22), idle, buf, sizeof(buf)) == INT64_MIN);
	assert_true(play(s, g, SECONDS(22), SECONDS(24), idle, buf, sizeof(buf)) == SECONDS(22));
	assert_string_equal(buf, "halt when throughput < 10/s: 0.0/s at 22.0s");
	bo_guard_free(g);
}

static void test_against_base(void **state)
{
	struct synth *s = *state;
	struct bo_guard *g = guard(s, "latency.p99 > 1.15 * base for 1s");
	struct world ok = healthy(), spike = healthy(), slow = healthy();
	char buf[256] = "";

	spike.load.p99_ns = SYNTH_S;
	slow.load.p99_ns = 47 * SYNTH_MS;
	/* base is from 1 to 6 s; warm-up and its own first two seconds do not count, spikes hardly */
	assert_true(play(s, g, 0, SECONDS(3), spike, buf, sizeof(buf)) == INT64_MIN);
	assert_true(play(s, g, SECONDS(3), SECONDS(4.4), ok, buf, sizeof(buf)) == INT64_MIN);
	assert_true(play(s, g, SECONDS(4.4), SECONDS(4.8), spike, buf, sizeof(buf)) == INT64_MIN);
	assert_true(play(s, g, SECONDS(6), SECONDS(8), ok, buf, sizeof(buf)) == INT64_MIN);
	assert_true(play(s, g, SECONDS(8), SECONDS(12), slow, buf, sizeof(buf)) == SECONDS(9));
	assert_string_equal(buf, "halt when latency.p99 > 1.15 * base for 1s: 47ms (limit 46ms) "
				 "from 8.00s to 9.00s");
	bo_guard_free(g);
}

static void test_memory(void **state)
{
	struct synth *s = *state;
	struct bo_guard *g = guard(s, "memory.usage > 90% of limit");
	struct world w = healthy();
	char buf[256] = "";

	/* 256 MiB by the plan, until the limit itself is sampled */
	w.memory = 0.89 * 256 * 1048576;
	assert_true(play(s, g, 0, SECONDS(1), w, buf, sizeof(buf)) == INT64_MIN);
	w.limit = 0.95 * 256 * 1048576;
	assert_true(play(s, g, SECONDS(1), SECONDS(2), w, buf, sizeof(buf)) == SECONDS(1));
	assert_string_equal(buf, "halt when memory.usage > 90% of limit: orders 93.7% at 1.00s");
	bo_guard_free(g);
	g = guard(s, "memory.usage > 90% of limit");
	w.memory = 0.91 * 256 * 1048576;
	w.limit = NAN;
	assert_true(play(s, g, 0, SECONDS(1), w, buf, sizeof(buf)) == 0);
	bo_guard_free(g);
	g = guard(s, "memory.usage{node=db} > 1MB");
	assert_true(play(s, g, 0, SECONDS(9), w, buf, sizeof(buf)) == INT64_MIN);
	bo_guard_free(g);
}

static void test_errors(void **state)
{
	struct synth *s = *state;
	struct bo_guard *g = guard(s, "errors.ratio > 50%");
	struct world w = healthy();
	char buf[256] = "";

	w.load.errors_per_s = 100;
	assert_true(play(s, g, 0, SECONDS(4), w, buf, sizeof(buf)) == INT64_MIN);
	/* three of four are no pattern */
	w.load.errors_per_s = 3;
	w.load.done_per_s = 4;
	assert_true(play(s, g, SECONDS(4), SECONDS(5), w, buf, sizeof(buf)) == INT64_MIN);
	w.load.done_per_s = 200;
	w.load.errors_per_s = 101;
	assert_true(play(s, g, SECONDS(5), SECONDS(6), w, buf, sizeof(buf)) == SECONDS(5));
	bo_guard_free(g);
}

static void test_wall_and_rest(void **state)
{
	struct synth *s = *state;
	struct bo_guard *g = guard(s, "wall > 20s");
	struct world w = healthy();
	char buf[256] = "";

	assert_true(play(s, g, 0, SECONDS(30), w, buf, sizeof(buf)) == SECONDS(20.2));
	assert_string_equal(buf, "halt when wall > 20s: 20.2s at 20.2s");
	bo_guard_free(g);
	g = guard(s, "goroutines >= base + 100");
	assert_true(play(s, g, 0, SECONDS(6.2), w, buf, sizeof(buf)) == INT64_MIN);
	w.goroutines = 149;
	assert_true(play(s, g, SECONDS(6.2), SECONDS(7), w, buf, sizeof(buf)) == INT64_MIN);
	w.goroutines = 150;
	assert_true(play(s, g, SECONDS(7), SECONDS(8), w, buf, sizeof(buf)) == SECONDS(7));
	assert_string_equal(buf,
			    "halt when goroutines >= base + 100: orders 150 (limit 150) at 7.00s");
	bo_guard_free(g);
	g = guard(s, "inflight > 900");
	w.load.inflight = 901;
	assert_true(play(s, g, 0, SECONDS(8), w, buf, sizeof(buf)) == SECONDS(2));
	bo_guard_free(g);
	/* Nothing is sampled at all. */
	g = guard(s, "rss > 1MB");
	assert_false(bo_guard_feed(g, s->plan, &(struct bo_live_state){ .phase = BO_PHASE_FAULT },
				   buf, sizeof(buf)));
	bo_guard_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_refuse),
		SYNTH_TEST(test_check),
		SYNTH_TEST(test_stretch),
		SYNTH_TEST(test_silence_ends_the_stretch),
		SYNTH_TEST(test_only_under_load),
		SYNTH_TEST(test_against_base),
		SYNTH_TEST(test_memory),
		SYNTH_TEST(test_errors),
		SYNTH_TEST(test_wall_and_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
