/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_slo_guard.c — guards: what they take, what they refuse, when they fire, in which
 * words. */
#include "brownout/slo/guard.h"
#include "slo/live.h"
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
	{ "latency.p99.9>2*timeout", "halt when latency.p99.9 > 2 * timeout" },
	{ "errors.ratio{class=5xx} > 5%", "halt when errors.ratio{class=\"5xx\"} > 5%" },
	{ "goroutines.delta > 5000 for 2s", "halt when goroutines.delta > 5000 for 2s" },
};

static const struct {
	const char *text;
	const char *message;
} refused[] = {
	{ "", "column 1: expected a metric (such as latency.p99), found the end" },
	{ "halt latency.p99 > 5s", "column 6: expected 'when' after 'halt', found 'latency.p99'" },
	{ "latency.p100 > 5s", "column 1: unknown percentile 'latency.p100'" },
	{ "memory.usge > 1GB",
	  "column 1: unknown metric 'memory.usge'; did you mean 'memory.usage'" },
	{ "infligt > 1", "did you mean 'inflight'" },
	{ "recovery > 5s",
	  "column 1: no guard can watch 'recovery': it is told looking back on a run" },
	{ "latency.shift.p9 > 5%", "no guard can watch 'latency.shift.p9'" },
	{ "heap.live.peak > 1GB", "no guard can watch 'heap.live.peak'" },
	{ "goroutines.growth > 300%", "no guard can watch 'goroutines.growth'" },
	{ "goroutines.leaked > 5", "no guard can watch 'goroutines.leaked'" },
	{ "gc.pause.p99 > 5ms", "no guard can watch 'gc.pause.p99'" },
	{ "burn(1h) > 2", "no guard can watch 'burn'" },
	{ "latency.p99{route=pay} > 5s", "column 12: no guard tells routes apart" },
	{ "availability{class=5xx} < 5%", "column 13: availability has no {class=…}" },
	{ "errors.ratio{class=6xx} > 5%", "unknown class '6xx'" },
	{ "errors.count == 5", "column 14: '==' makes no sense for a guard" },
	{ "sched.runq == 5", "column 12: '==' makes no sense for a guard" },
	{ "goroutines.delta > base + 5", "goroutines.delta cannot be compared with base" },
	{ "errors.ratio > timeout", "errors.ratio is no time" },
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
	{ "goroutines{site=\"main.f\"} > 5",
	  "column 11: no guard tells goroutines apart: it has no {site=…}" },
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
	check(s, "latency.max > 2 * timeout", "declares no timeout");
	s->plan->timeout_ns = SYNTH_S;
	check(s, "latency.max > 2 * timeout", NULL);
	check(s, "goroutines.delta > 500", NULL);
	s->plan->nodes.items[SYNTH_ORDERS].probe.off = true;
	check(s, "goroutines > 5000", "its probe is off");
	s->plan->phase_ns[BO_PHASE_BASE] = 2 * SYNTH_S;
	check(s, "latency.p99 > 2 * base",
	      "expected a phase 'base' of at least 3.00s, found 2.00s");
	check(s, "rss > 2 * base", NULL);
	s->plan->phase_ns[BO_PHASE_BASE] = 0;
	check(s, "rss > 2 * base", "expected a phase 'base' of at least 1.00s, found 0s");
	check(s, "goroutines.delta{node=db} > 500",
	      "column 1: goroutines.delta is compared with base: expected a phase 'base'");
	s->plan->loads.len = 0;
	check(s, "errors.ratio > 50%", "needs a load");
}

/* struct world - the live state that a guard is shown;  @sampled: of any other series of orders */
struct world {
	struct bo_load_live load;
	double memory, limit, goroutines;
	const char *series;
	double sample;
};

/* 200 requests ended in the last second, that many of them failed; one of fifty took as long as @p99_ns. */
static void ended(struct world *w, double errors, int64_t p50_ns, int64_t p99_ns)
{
	memset(w->load.latencies, 0, sizeof(w->load.latencies));
	w->load.latencies[bo_live_bucket(p50_ns)] += 196;
	w->load.latencies[bo_live_bucket(p99_ns)] += 4;
	w->load.latency_sum_ns = 196.0 * (double)p50_ns + 4.0 * (double)p99_ns;
	w->load.ended_per_s[BO_REQ_OK] = 200 - errors;
	w->load.ended_per_s[BO_REQ_HTTP_5XX] = errors;
}

static void nothing_ended(struct world *w)
{
	memset(w->load.latencies, 0, sizeof(w->load.latencies));
	memset(w->load.ended_per_s, 0, sizeof(w->load.ended_per_s));
}

static double sampled(void *arg, const char *series, int node)
{
	const struct world *w = arg;

	if (node != SYNTH_ORDERS)
		return NAN;
	return strcmp(series, BO_SERIES_MEMORY) == 0         ? w->memory
	       : strcmp(series, BO_SERIES_MEMORY_LIMIT) == 0 ? w->limit
	       : strcmp(series, BO_SERIES_GOROUTINES) == 0   ? w->goroutines
	       : w->series && strcmp(series, w->series) == 0 ? w->sample
							     : NAN;
}

static struct world healthy(void)
{
	struct world w = {
		.load = { .offered_per_s = 200 }, .memory = 100e6, .limit = NAN, .goroutines = 50
	};

	ended(&w, 0, 20 * SYNTH_MS, 40 * SYNTH_MS);
	return w;
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

	ended(&slow, 0, 20 * SYNTH_MS, 6 * SYNTH_S);
	nothing_ended(&dumb);
	assert_true(play(s, g, 0, SECONDS(7), ok, buf, sizeof(buf)) == INT64_MIN);
	/* 2.8 s are not 3 s, and one good state ends the stretch. */
	assert_true(play(s, g, SECONDS(7), SECONDS(10), slow, buf, sizeof(buf)) == INT64_MIN);
	assert_true(play(s, g, SECONDS(10), SECONDS(10.2), ok, buf, sizeof(buf)) == INT64_MIN);
	assert_true(play(s, g, SECONDS(10.2), SECONDS(12), slow, buf, sizeof(buf)) == INT64_MIN);
	/* A second without an answer says nothing either way. */
	assert_true(play(s, g, SECONDS(12), SECONDS(13), dumb, buf, sizeof(buf)) == INT64_MIN);
	ended(&slow, 0, 20 * SYNTH_MS, 9 * SYNTH_S);
	assert_true(play(s, g, SECONDS(13), SECONDS(16), slow, buf, sizeof(buf)) == SECONDS(13.2));
	assert_string_equal(buf, "halt when latency.p99 > 5s for 3s: 6.04s to 9.13s from 10.2s to "
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

	ended(&slow, 0, 20 * SYNTH_MS, 6 * SYNTH_S);
	nothing_ended(&dumb);
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

	nothing_ended(&idle);
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

	ended(&spike, 0, 20 * SYNTH_MS, SYNTH_S);
	ended(&slow, 0, 20 * SYNTH_MS, 47 * SYNTH_MS);
	/* base is from 1 to 6 s; warm-up and its own first two seconds do not count, spikes hardly */
	assert_true(play(s, g, 0, SECONDS(3), spike, buf, sizeof(buf)) == INT64_MIN);
	assert_true(play(s, g, SECONDS(3), SECONDS(4.4), ok, buf, sizeof(buf)) == INT64_MIN);
	assert_true(play(s, g, SECONDS(4.4), SECONDS(4.8), spike, buf, sizeof(buf)) == INT64_MIN);
	assert_true(play(s, g, SECONDS(6), SECONDS(8), ok, buf, sizeof(buf)) == INT64_MIN);
	assert_true(play(s, g, SECONDS(8), SECONDS(12), slow, buf, sizeof(buf)) == SECONDS(9));
	assert_string_equal(buf, "halt when latency.p99 > 1.15 * base for 1s: 47.2ms (limit 47ms) "
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

/* When does @text fire in an unchanging world, from the end of base on? */
static int64_t fires(struct synth *s, const char *text, struct world before, struct world after)
{
	struct bo_guard *g = guard(s, text);
	char buf[256] = "";
	int64_t at;

	if (play(s, g, 0, SECONDS(6), before, buf, sizeof(buf)) != INT64_MIN)
		fail_msg("%s", buf);
	at = play(s, g, SECONDS(6), SECONDS(10), after, buf, sizeof(buf));
	bo_guard_free(g);
	return at;
}

static bool holds(struct synth *s, const char *text, struct world after)
{
	return fires(s, text, healthy(), after) == SECONDS(6);
}

static void test_errors(void **state)
{
	struct synth *s = *state;
	struct world w = healthy();

	ended(&w, 100, 20 * SYNTH_MS, 40 * SYNTH_MS);
	assert_false(holds(s, "errors.ratio > 50%", w));
	ended(&w, 101, 20 * SYNTH_MS, 40 * SYNTH_MS);
	assert_true(holds(s, "errors.ratio > 50%", w));
	assert_true(holds(s, "availability < 50%", w));
	assert_true(holds(s, "errors.rate > 100/s", w) && !holds(s, "errors.rate > 101/s", w));
	assert_true(holds(s, "throughput < 100/s", w) && !holds(s, "throughput < 99/s", w));
	/* of one class */
	w.load.ended_per_s[BO_REQ_HTTP_5XX] = 100;
	w.load.ended_per_s[BO_REQ_REFUSED] = 1;
	assert_false(holds(s, "errors.ratio{class=5xx} > 50%", w));
	assert_true(holds(s, "errors.ratio{class=refused} > 0.4%", w));
	/* what was shed failed; what the client gave up did neither that nor succeed */
	w.load.ended_per_s[BO_REQ_REFUSED] = 0;
	w.load.ended_per_s[BO_REQ_SHED] = 1;
	/* 101 of 200 */
	assert_true(holds(s, "errors.ratio > 50.4%", w) && !holds(s, "errors.ratio > 50.6%", w));
	w.load.ended_per_s[BO_REQ_SHED] = 0;
	w.load.ended_per_s[BO_REQ_ABANDONED] = 50;
	assert_true(holds(s, "errors.ratio > 39%", w) && !holds(s, "errors.ratio > 41%", w));
	assert_true(holds(s, "throughput <= 99/s", w) && !holds(s, "throughput < 99/s", w));
	/* three of four are no pattern, and nothing is none at all */
	nothing_ended(&w);
	assert_false(holds(s, "errors.ratio > 50%", w));
	w.load.ended_per_s[BO_REQ_OK] = 1;
	w.load.ended_per_s[BO_REQ_HTTP_4XX] = 3;
	assert_false(holds(s, "errors.ratio > 50%", w));
	assert_false(holds(s, "availability < 50%", w));
	/* since the start, whatever the last second was */
	w = healthy();
	w.load.ended_all[BO_REQ_HTTP_5XX] = 70;
	w.load.ended_all[BO_REQ_RESET] = 31;
	w.load.ended_all[BO_REQ_OK] = 9999;
	assert_true(holds(s, "errors.count > 100", w) && !holds(s, "errors.count > 101", w));
	assert_true(holds(s, "errors.count{class=reset} > 30", w));
}

/* latency: 3 % at most above the truth, never below it */
static void test_percentiles(void **state)
{
	struct synth *s = *state;
	struct world w = healthy();

	ended(&w, 0, 100 * SYNTH_MS, 900 * SYNTH_MS);
	assert_true(holds(s, "latency.p98 >= 100ms", w) && !holds(s, "latency.p98 > 104ms", w));
	assert_true(holds(s, "latency.p98.5 >= 900ms", w) && !holds(s, "latency.p99.9 > 928ms", w));
	assert_true(holds(s, "latency.max >= 900ms", w) && !holds(s, "latency.max > 928ms", w));
	w.load.latencies[bo_live_bucket(900 * SYNTH_MS)]--;
	w.load.latencies[bo_live_bucket(2 * SYNTH_S)]++;
	assert_true(holds(s, "latency.max >= 2s", w) && !holds(s, "latency.p99.5 >= 928ms", w));
	/* (196 × 100 + 4 × 900) / 200 */
	assert_true(holds(s, "latency.mean >= 116ms", w) && !holds(s, "latency.mean > 116ms", w));
	nothing_ended(&w);
	assert_true(fires(s, "latency.mean >= 0ms", w, w) == INT64_MIN);
	assert_true(fires(s, "latency.p50 >= 0ms", w, w) == INT64_MIN);
	/* told by the timeout */
	s->plan->timeout_ns = SYNTH_S / 2;
	ended(&w, 0, 100 * SYNTH_MS, 990 * SYNTH_MS);
	assert_false(holds(s, "latency.p90 > timeout", w));
	assert_true(holds(s, "latency.p99 > 1.9 * timeout", w));
	assert_false(holds(s, "latency.p99 > 2.1 * timeout", w));
}

/* Two loads: the slowest of them, their sum, or the one that is named. */
static void test_which_load(void **state)
{
	static const struct {
		const char *text;
		bool fires;
	} cases[] = {
		{ "latency.p50 >= 500ms", true },
		{ "latency.p50{load=checkout} >= 30ms", false },
		{ "latency.mean{load=browse} >= 500ms", true },
		{ "throughput >= 400/s", true },
		{ "throughput{load=browse} >= 201/s", false },
		{ "inflight >= 9", true },
		{ "inflight{load=checkout} >= 5", false },
		{ "connections{load=browse} >= 6", true },
		{ "connections{load=checkout} >= 6", false },
	};
	struct synth *s = *state;
	struct bo_load_spec browse = s->plan->loads.items[0];
	struct world fast = healthy(), slow = healthy();
	struct bo_load_live loads[2];
	char buf[256] = "";

	browse.name = "browse";
	assert_true(bo_vec_push(&s->plan->loads, browse));
	ended(&slow, 0, 500 * SYNTH_MS, 500 * SYNTH_MS);
	fast.load.inflight = 4;
	slow.load.inflight = slow.load.connections = 6;
	loads[0] = fast.load;
	loads[1] = slow.load;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bo_guard *g = guard(s, cases[i].text);
		bool fired = false;

		for (int64_t t = 0; t < 4 * SYNTH_S && !fired; t += SYNTH_S / 2) {
			struct bo_live_state now = {
				.t_ns = t, .phase = BO_PHASE_FAULT, .loads = loads, .nloads = 2
			};

			fired = bo_guard_feed(g, s->plan, &now, buf, sizeof(buf));
		}
		if (fired != cases[i].fires)
			fail_msg("%s: %s", cases[i].text, buf);
		bo_guard_free(g);
	}
}

static void test_samples(void **state)
{
	static const char *const gauges[][2] = {
		{ "rss >= 5B", BO_SERIES_RSS },
		{ "heap.live >= 5B", BO_SERIES_HEAP_LIVE },
		{ "heap.goal >= 5B", BO_SERIES_HEAP_GOAL },
		{ "cpu >= 5", BO_SERIES_CPU },
		{ "sched.runq >= 5", BO_SERIES_SCHED_RUNQ },
		{ "sched.latency.p99 >= 5ns", BO_SERIES_SCHED_LATENCY_P99 },
		{ "sched.stw_pending >= 5ns", BO_SERIES_SCHED_STW },
		{ "gc.pause.max >= 5ns", BO_SERIES_GC_PAUSE },
	};
	/* what had been counted before anybody looked is nobody's rise, but for those that begin at 0 with the cgroup */
	static const struct {
		const char *text;
		const char *series;
		bool from_zero;
	} counters[] = {
		{ "oom.kills >= 5", BO_SERIES_OOM_KILLS, true },
		{ "memory.failcnt >= 5", BO_SERIES_MEMORY_FAILCNT, true },
		{ "gc.cycles >= 5", BO_SERIES_GC_CYCLES, false },
		{ "gc.pause.total >= 5ns", BO_SERIES_GC_PAUSE_TOTAL, false },
	};
	struct synth *s = *state;
	struct world before = healthy(), after = healthy();

	for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++) {
		before.series = after.series = gauges[i][1];
		before.sample = 4;
		after.sample = 4.9;
		assert_true(fires(s, gauges[i][0], before, after) == INT64_MIN);
		after.sample = 5;
		assert_true(fires(s, gauges[i][0], before, after) == SECONDS(6));
	}
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		before.series = after.series = counters[i].series;
		before.sample = 3;
		after.sample = 5;
		assert_true(fires(s, counters[i].text, before, after) ==
			    (counters[i].from_zero ? SECONDS(6) : INT64_MIN));
		after.sample = 8;
		assert_true(fires(s, counters[i].text, before, after) == SECONDS(6));
		/* started again: it counts from 0 again, and 3 + 2 are 5 */
		after.sample = 2;
		assert_true(fires(s, counters[i].text, before, after) ==
			    (counters[i].from_zero ? SECONDS(6) : INT64_MIN));
	}
}

static void test_delta(void **state)
{
	struct synth *s = *state;
	struct world w = healthy();
	struct bo_guard *g = guard(s, "goroutines.delta >= 100");
	char buf[256] = "";

	assert_true(play(s, g, 0, SECONDS(6), w, buf, sizeof(buf)) == INT64_MIN);
	w.goroutines = 149;
	assert_true(play(s, g, SECONDS(6), SECONDS(7), w, buf, sizeof(buf)) == INT64_MIN);
	w.goroutines = 150;
	assert_true(play(s, g, SECONDS(7), SECONDS(8), w, buf, sizeof(buf)) == SECONDS(7));
	assert_string_equal(buf, "halt when goroutines.delta >= 100: orders 100 at 7.00s");
	bo_guard_free(g);
}

/* One registry: whatever a guard may watch, it can. */
static void test_every_name_is_taken(void **state)
{
	static const char *const limits[] = { "> 1ms", "> 1%", "> 1", "> 1MB", "> 1/s" };
	size_t n = 0;

	(void)state;
	for (const char *const *name = slo_guard_metric_names(); *name; name++, n++) {
		struct bo_guard *g = NULL;
		char text[80];

		for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]) && !g; i++) {
			snprintf(text, sizeof(text), "%s %s", *name, limits[i]);
			(void)!bo_guard_parse(&g, text, NULL);
		}
		if (!g)
			fail_msg("%s", *name);
		bo_guard_free(g);
	}
	assert_in_range(n, 25, 62);
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
	g = guard(s, "connections > 64");
	w.load.inflight = 0;
	w.load.connections = 65;
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
		SYNTH_TEST(test_percentiles),
		SYNTH_TEST(test_which_load),
		SYNTH_TEST(test_samples),
		SYNTH_TEST(test_delta),
		cmocka_unit_test(test_every_name_is_taken),
		SYNTH_TEST(test_wall_and_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
