/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_slo_groups.c — goroutines{…}: which groups a selector means, how many members, and
 * every aggregate over them. */
#include "synth_groups.h"
#include "slo/select.h"
#include "synth_test.h"

/* clang-format off */
static const struct {
	const char *pattern;
	const char *name;
	bool match;
} names[] = {
	{ "main.query", "main.query", true },
	{ "query", "main.query", true },
	{ "(*Server).query", "example.com/shop/orders.(*Server).query", true },
	{ "orders.(*Server).query", "example.com/shop/orders.(*Server).query", true },
	{ "shop/orders.(*Server).query", "example.com/shop/orders.(*Server).query", true },
	{ "example.com/shop/orders.(*Server).query", "example.com/shop/orders.(*Server).query", true },
	{ "main.query", "domain.query", false },
	{ "uery", "main.query", false },
	{ "main.query", "main.query.func1", false },
	{ "main.query*", "main.query.func1", true },
	{ "main.*", "main.query.func1", true },
	{ "orders.(*Server).*", "example.com/shop/orders.(*Server).query", true },
	/* The star of a receiver is one. */
	{ "orders.(*Server).query", "orders.(Xerver).query", false },
	{ "orders.(*Server).query", "orders.(*XServer).query", false },
	{ "orders.*.query", "orders.(*Server).query", true },
	{ "main.Map[...]", "main.Map[...]", true },
	{ "main.Map[...]", "main.Map.", false },
	{ "main.q?ery", "main.query", true },
	{ "*", "", true },
	{ "a", "", false },
	{ "*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
	{ "orders.go:93", "/src/orders.go:93", true },
	{ "orders.go:93", "/src/orders.go:931", false },
};

static const struct {
	const char *label;
	const char *labels;
	bool match;
} labels[] = {
	{ "route=/pay", "\"route\":\"/pay\"", true },
	{ "route=/pay", "\"tenant\":\"7\", \"route\":\"/pay\"", true },
	{ "route=/pay", "\"route\":\"/pay/now\"", false },
	{ "route=/pay*", "\"route\":\"/pay/now\"", true },
	{ "route", "\"route\":\"/pay\"", true },
	{ "rout", "\"route\":\"/pay\"", false },
	{ "/pay", "\"route\":\"/pay\"", false },
	{ "ruote=/pay", "\"route\":\"/pay\"", false },
	{ "route=", "\"route\":\"\"", true },
	{ "route=", "\"route\":\"/pay\"", false },
	{ "q=a\\b", "\"q\":\"a\\\\b\"", true },
	{ "b=1", "\"a\":\"x\\\", \\\"b\\\":\\\"1\", \"c\":\"2\"", false },
	{ "c=2", "\"a\":\"x\\\", \\\"b\\\":\\\"1\", \"c\":\"2\"", true },
	{ "route=/pay", "", false },
	{ "route=/pay", "\"route\":\"/pay", false },
	{ "route=/pay", "\"route\" \"/pay\"", false },
};
/* clang-format on */

static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (slo_name_matches(names[i].pattern, names[i].name) != names[i].match)
			fail_msg("%s / %s", names[i].pattern, names[i].name);
	}
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		const struct slo_select sel = { .label = labels[i].label };
		const struct bo_group g = { .labels = labels[i].labels };

		if (slo_select_group(&sel, &g) != labels[i].match)
			fail_msg("%s / %s", labels[i].label, labels[i].labels);
	}
}

static void members(int64_t older_s, const char *stuck, uint64_t lo, uint64_t hi)
{
	const struct bo_group g = { .count = 100,
				    .stuck = 60,
				    .older = { 90, 80, 70, 60, 50, 40, 30, 20, 10, 5 } };
	const struct slo_select sel = { .older_ns = older_s * SYNTH_S,
					.stuck_text = stuck,
					.stuck = stuck && *stuck == 't' };
	uint64_t few, many;

	slo_select_members(&sel, &g, &few, &many);
	assert_int_equal(few, lo);
	assert_int_equal(many, hi);
}

static void test_members(void **state)
{
	(void)state;
	members(0, NULL, 100, 100);
	members(1, NULL, 90, 90);
	members(30, NULL, 30, 30);
	members(300, NULL, 5, 5);
	/* Between two of the known ages, and beyond them. */
	members(7, NULL, 60, 70);
	members(600, NULL, 0, 5);
	members(0, "true", 60, 60);
	members(0, "false", 40, 40);
	/* 90 old and 60 stuck of 100: 50 at least are both, 60 at most. */
	members(1, "true", 50, 60);
	members(30, "true", 0, 30);
}

#define QUERY "example.com/shop/orders.(*Server).query"

/* Ten of site QUERY in base, 40 in fault, then 25, of which none ever ends. */
static void fill(struct synth *s, struct bo_group_snapshot *snap, void *arg)
{
	int64_t t = snap->t_ns;
	uint64_t n = t < synth_start(s, BO_PHASE_FAULT)  ? 10
		     : t < synth_start(s, BO_PHASE_HOLD) ? 40
							 : 25;
	struct bo_group *g = synth_group(s, snap, QUERY "|chan receive|main.wait", n, n / 5,
					 (int)(t / SYNTH_S));

	(void)arg;
	g->labels = "\"route\":\"/pay\"";
	synth_group(s, snap, "main.pool|select|main.worker", 4, 0, (int)(t / SYNTH_S));
}

static void test_aggregates(void **state)
{
	struct synth *s = *state;

	synth_watch(s, 0, synth_end(s, BO_PHASE_SETTLE), fill, NULL);
	expect(s, "goroutines{site=\"orders.(*Server).query\"} <= 40", BO_PASS, "goroutines 40",
	       NULL);
	expect(s, "goroutines{site=\"orders.(*Server).query\"} < 40", BO_FAIL, NULL,
	       "first 40 in orders.(*Server).query [chan receive] at orders.go:93");
	assert_int_equal(s->run->verdict.budgets.items[0].first_breach_ns,
			 synth_start(s, BO_PHASE_FAULT));
	expect(s, "goroutines.count{site=query} == 25 at settle", BO_PASS, NULL, NULL);
	expect(s, "goroutines.count{site=query} == 0 at settle", BO_FAIL, NULL, NULL);
	/* The function that they run, not only the one that started them. */
	expect(s, "goroutines{site=\"(*Server).query.func1\"} == 25 at settle", BO_PASS, NULL,
	       NULL);
	expect(s, "goroutines.peak{site=query} <= 4 * base", BO_PASS, "peak 40", NULL);
	expect(s, "goroutines.peak{site=query} < 4 * base", BO_FAIL, NULL, NULL);
	expect(s, "goroutines.delta{site=query} <= 15 at hold", BO_PASS, "delta 15 (25, base 10)",
	       NULL);
	expect(s, "goroutines.delta{site=query} <= 14 at hold", BO_FAIL, NULL, NULL);
	expect(s, "goroutines.growth{site=query} < 300% over 5s", BO_FAIL, "growth 300%", NULL);
	expect(s, "goroutines.growth{site=query} <= 300% over 5s", BO_PASS, NULL, NULL);
	expect(s, "goroutines.slope{site=query} <= 0.1/s in hold..settle", BO_PASS, "slope 0.0/s",
	       NULL);
	expect(s, "goroutines.share{site=query} <= 80% in hold", BO_PASS, "share 78.1%", NULL);
	expect(s, "goroutines.share{site=query} < 78% in hold", BO_FAIL, NULL, NULL);
	expect(s, "goroutines.share{site=gone} == 0", BO_PASS, "share 0%", NULL);
	expect(s, "goroutines{state=\"chan receive\", stuck=true} <= 8", BO_PASS, "goroutines 8",
	       NULL);
	expect(s, "goroutines{stuck=true} <= 9 in fault", BO_PASS, "goroutines 9", NULL);
	expect(s, "goroutines{stuck=false, site=query} <= 31", BO_FAIL, "goroutines 32", NULL);
	expect(s, "goroutines{blocked_at=\"main.wait\"} == 25 in settle", BO_PASS, NULL, NULL);
	expect(s, "goroutines{blocked_at=\"orders.go:93\", site=pool} == 4", BO_PASS, NULL, NULL);
	expect(s, "goroutines{label=\"route=/pay\"} == 25 in settle", BO_PASS, NULL, NULL);
	expect(s, "goroutines{label=\"route=/pay\", state=select} == 0", BO_PASS, NULL,
	       "no goroutine ever matched all of that at once");
	expect(s, "goroutines{site=query} <= 30 for 50% of 2s windows", BO_PASS, "11 of 16", NULL);
	expect(s, "goroutines{site=query} <= 40 and goroutines{site=pool} == 4", BO_PASS, NULL,
	       NULL);
	/* The count of a probe that does not know groups is another thing. */
	expect(s, "goroutines.count < 5", BO_INCONCLUSIVE, NULL,
	       "no samples of goroutines of orders");
}

static void test_older(void **state)
{
	struct synth *s = *state;

	synth_watch(s, 0, synth_end(s, BO_PHASE_SETTLE), fill, NULL);
	expect(s, "goroutines{site=query, older=\"20s\"} == 25 at settle", BO_PASS, NULL, NULL);
	expect(s, "goroutines{site=query, older=20s} == 0 at settle", BO_FAIL, NULL, NULL);
	expect(s, "goroutines{site=query, older=20s} == 0 in base", BO_INCONCLUSIVE, NULL,
	       "had been watched for only 5.00s by then");
	expect(s, "goroutines{site=query, older=20s} == 0 at fault", BO_INCONCLUSIVE, NULL,
	       "nobody can be known to be older than 20s");
	expect(s, "goroutines{older=5m} <= 100", BO_INCONCLUSIVE, NULL, "watched for only");
	/* 17 s is between 15 s and 20 s: at the end of hold nobody knows; the limit decides. */
	expect(s, "goroutines{site=query, older=\"17s\"} <= 24 at hold", BO_INCONCLUSIVE, NULL,
	       "ages are known at 1, 2, 5, 10");
	expect(s, "goroutines{site=query, older=\"17s\"} <= 25 at hold", BO_PASS, NULL, NULL);
	expect(s, "goroutines{site=query, older=\"17s\"} <= 24 at settle", BO_FAIL, NULL, NULL);
	expect(s, "goroutines.delta{site=query, older=\"17s\"} <= 20 at hold", BO_INCONCLUSIVE,
	       NULL, NULL);
	expect(s, "goroutines.delta{site=query, older=\"17s\"} <= 25 at hold", BO_PASS, NULL, NULL);
	expect(s, "goroutines.slope{site=query, older=\"17s\"} <= 20/s", BO_INCONCLUSIVE, NULL,
	       NULL);
}

/* Members older than 7 s: 0 to 10 in base, 20 to 25 from fault on. */
static void between(struct synth *s, struct bo_group_snapshot *snap, void *arg)
{
	(void)arg;
	if (snap->t_ns < synth_start(s, BO_PHASE_FAULT)) {
		synth_group(s, snap, QUERY "|select|main.wait", 10, 0, 6);
		return;
	}
	synth_group(s, snap, QUERY "|select|main.wait", 20, 0, 30);
	synth_group(s, snap, QUERY "|select|main.stay", 5, 0, 6);
}

/* The truth is between 10 (20, base 10) and 25 (25, base 0). */
static void test_both_sides_uncertain(void **state)
{
	struct synth *s = *state;

	synth_watch(s, 0, synth_end(s, BO_PHASE_SETTLE), between, NULL);
	expect(s, "goroutines.delta{site=query, older=7s} <= 22 at hold", BO_INCONCLUSIVE, NULL,
	       NULL);
	expect(s, "goroutines.delta{site=query, older=7s} >= 12 at hold", BO_INCONCLUSIVE, NULL,
	       NULL);
	expect(s, "goroutines.delta{site=query, older=7s} <= 30 at hold", BO_PASS, NULL, NULL);
	expect(s, "goroutines.slope{site=query, older=7s} >= -1000/s", BO_INCONCLUSIVE, NULL, NULL);
}

/* A share of nothing is none, and hides nothing: the look before it counts. */
static void test_a_share_of_nothing(void **state)
{
	struct synth *s = *state;
	int64_t t;

	for (t = 0; t < synth_end(s, BO_PHASE_FAULT) - SYNTH_S; t += SYNTH_S)
		synth_group(s, synth_snapshot(s, SYNTH_ORDERS, t), "main.a|select|main.a", 5, 0, 0);
	synth_snapshot(s, SYNTH_ORDERS, t);
	expect(s, "goroutines.share{site=main.a} >= 90% at fault", BO_PASS, "share 100%", NULL);
}

/* A few in no group came and went while the others were read. */
static void test_a_few_in_no_group(void **state)
{
	struct synth *s = *state;

	for (int64_t t = 0; t < synth_end(s, BO_PHASE_SETTLE); t += SYNTH_S) {
		struct bo_group_snapshot *snap = synth_snapshot(s, SYNTH_ORDERS, t);

		synth_group(s, snap, "main.a|select|main.a", 500, 0, 0);
		snap->total += 5;
	}
	expect(s, "goroutines{site=main.a} == 500", BO_PASS, NULL, NULL);
	bo_vec_foreach(snap, &s->run->snapshots)
		snap->total++;
	expect(s, "goroutines{site=main.a} == 500", BO_INCONCLUSIVE, NULL, "kept apart");
}

static void test_nothing_matched(void **state)
{
	struct synth *s = *state;

	expect(s, "goroutines{site=query} == 0", BO_INCONCLUSIVE, "not measured",
	       "no snapshot of the goroutines of orders was taken");
	synth_watch(s, 0, synth_end(s, BO_PHASE_FAULT), fill, NULL);
	expect(s, "goroutines{site=\"orders.(*Server).qeury\"} == 0 in fault", BO_PASS,
	       "goroutines 0",
	       "no goroutine of that site was ever seen; nearest site seen: orders.(*Server).query");
	expect(s, "goroutines{site=\"orders.(*Server).qeury\"} >= 1 in fault", BO_FAIL, NULL,
	       "nearest site seen");
	expect(s, "goroutines{state=\"chan recieve\"} == 0 in fault", BO_PASS, NULL,
	       "no goroutine of that state was ever seen; nearest seen: chan receive");
	expect(s, "goroutines{blocked_at=\"main.workr\"} == 0 in fault", BO_PASS, NULL,
	       "nearest seen: main.worker");
	expect(s, "goroutines{label=\"route=/get\"} == 0 in fault", BO_PASS, NULL,
	       "no goroutine with that label");
	/* No snapshot where one is wanted, and a stretch without any. */
	expect(s, "goroutines{site=query} <= 99 at settle", BO_INCONCLUSIVE, NULL,
	       "no samples of goroutine groups");
	expect(s, "goroutines{site=query} <= 99", BO_INCONCLUSIVE, NULL,
	       "no samples of goroutine groups");
	expect(s, "goroutines{site=query} <= 39", BO_FAIL, NULL, NULL);
	/* Goroutines beyond the bound on groups might be of any site. */
	s->run->snapshots.items[8].total += 50;
	expect(s, "goroutines{site=gone} == 0 in fault", BO_INCONCLUSIVE, NULL,
	       "no goroutine of that site was ever seen");
	expect(s, "goroutines{site=gone} <= 50 in fault", BO_PASS, NULL, NULL);
	expect(s, "goroutines{site=query} <= 40 in fault", BO_INCONCLUSIVE, NULL,
	       "more kinds of goroutines than are kept apart");
	synth_group(s, &s->run->snapshots.items[8], BO_GROUPS_OTHER "||", 50, 50, 0);
	s->run->snapshots.items[8].total -= 50;
	expect(s, "goroutines{site=query} <= 40 in fault", BO_INCONCLUSIVE, NULL, "kept apart");
	expect(s, "goroutines{site=\"(other)\"} == 0 in base", BO_PASS, NULL, NULL);
	expect(s, "goroutines{stuck=true} <= 58 in fault", BO_FAIL, "goroutines 59", NULL);
	expect(s, "goroutines{stuck=true} <= 59 in fault", BO_PASS, NULL, NULL);
}

/* A dump knows sites and states, but no ages and nobody stuck. */
static void test_dumps(void **state)
{
	struct synth *s = *state;

	synth_watch(s, 0, synth_end(s, BO_PHASE_SETTLE), fill, NULL);
	bo_vec_foreach(snap, &s->run->snapshots)
		snap->source = "pprof debug=2";
	expect(s, "goroutines{site=query} == 25 at settle", BO_PASS, NULL, NULL);
	expect(s, "goroutines{site=query, stuck=true} <= 24 at settle", BO_INCONCLUSIVE, NULL,
	       "a dump does not tell");
	expect(s, "goroutines{site=query, older=10s} == 0 at settle", BO_INCONCLUSIVE, NULL,
	       "a dump does not tell");
	expect(s, "goroutines{site=query, older=10s} <= 25 at settle", BO_PASS, NULL, NULL);
}

/* Another node's goroutines are another matter. */
static void test_nodes(void **state)
{
	struct synth *s = *state;

	for (int64_t t = 0; t < synth_end(s, BO_PHASE_SETTLE); t += SYNTH_S) {
		synth_group(s, synth_snapshot(s, SYNTH_ORDERS, t), "main.a|select|main.a", 5, 0, 0);
		synth_group(s, synth_snapshot(s, SYNTH_DB, t), "main.a|select|main.a", 7, 0, 0);
	}
	expect(s, "goroutines{site=main.a} == 5", BO_PASS, NULL, NULL);
	expect(s, "goroutines{node=db, site=main.a} == 7", BO_PASS, "db goroutines 7", NULL);
	expect(s, "goroutines{node=db, site=main.a} == 5 or goroutines{site=main.a} == 7", BO_FAIL,
	       NULL, NULL);
}

/* Three dumps, as they are taken: at the ends of base, hold and settle. */
static void test_dumps_at_the_ends(void **state)
{
	static const enum bo_phase ends[] = { BO_PHASE_BASE, BO_PHASE_HOLD, BO_PHASE_SETTLE };
	struct synth *s = *state;

	for (int i = 0; i < 3; i++) {
		struct bo_group_snapshot *snap =
			synth_snapshot(s, SYNTH_ORDERS, synth_end(s, ends[i]) - 300 * SYNTH_MS);

		synth_group(s, snap, "main.a|chan send|main.a", i ? 40 : 2, 0, 0);
		snap->source = "pprof debug=2";
	}
	expect(s, "goroutines{site=\"main.a\"} <= 39 at hold", BO_FAIL, "40", NULL);
	expect(s, "goroutines{site=\"main.a\"} <= 40 at hold", BO_PASS, "40", NULL);
	expect(s, "goroutines{site=\"main.b\"} == 0 at settle", BO_PASS, "0", NULL);
	/* What was between two of them nobody saw. */
	expect(s, "goroutines{site=\"main.a\"} <= 40 in base..settle", BO_INCONCLUSIVE, NULL,
	       "dumps are taken at the ends of base, hold and settle only");
	expect(s, "goroutines{site=\"main.a\"} <= 39 in base..settle", BO_FAIL, "40", NULL);
	expect(s, "goroutines{site=\"main.a\"} <= 50 in fault", BO_INCONCLUSIVE, NULL, NULL);
	expect(s, "goroutines.delta{site=\"main.a\"} <= 50 at hold", BO_INCONCLUSIVE, NULL, NULL);
	/* Of one that was cut somebody is missing, however few. */
	bo_vec_foreach(snap, &s->run->snapshots)
		snap->truncated = true;
	expect(s, "goroutines{site=\"main.a\"} <= 40 at hold", BO_INCONCLUSIVE, NULL,
	       "a dump was cut at 64MiB");
	expect(s, "goroutines{site=\"main.a\"} <= 39 at hold", BO_FAIL, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_members),
		SYNTH_TEST(test_aggregates),
		SYNTH_TEST(test_older),
		SYNTH_TEST(test_nothing_matched),
		SYNTH_TEST(test_dumps),
		SYNTH_TEST(test_nodes),
		SYNTH_TEST(test_both_sides_uncertain),
		SYNTH_TEST(test_a_share_of_nothing),
		SYNTH_TEST(test_a_few_in_no_group),
		SYNTH_TEST(test_dumps_at_the_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
