/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_slo_long.c — long phases, in which the census looks less and less often: that alone is no hole, and what
 * is one among frequent looks still is. */
#include "synth_groups.h"
#include "synth_test.h"

/* A stretch of the fault in which nobody looks. */
struct hole {
	int64_t from_ns, to_ns;
};

static enum bo_phase phase_at(const struct synth *s, int64_t t_ns)
{
	int p = BO_PHASE_SETTLE;

	while (p > 0 && synth_start(s, (enum bo_phase)p) > t_ns)
		p--;
	return (enum bo_phase)p;
}

static void look(struct synth *s, int64_t t_ns, bool groups)
{
	bool leaking = t_ns >= synth_end(s, BO_PHASE_FAULT);
	struct bo_group_snapshot *snap;

	if (!groups) {
		synth_sample(s, BO_SERIES_GOROUTINES, SYNTH_ORDERS, t_ns, 3);
		return;
	}
	snap = synth_snapshot(s, SYNTH_ORDERS, t_ns);
	synth_group(s, snap, "main.main|IO wait|net/http.(*Server).Serve", 3, 1, 0);
	if (leaking)
		synth_group(s, snap, "main.query|chan send|main.query", 900, 900, 60);
}

/* As the census looks: @first_ns apart when a phase begins, twice as far after every @dense looks. */
static void watch(struct synth *s, int64_t first_ns, int64_t dense, struct hole hole, bool groups)
{
	int64_t from = synth_start(s, BO_PHASE_FAULT), next;

	for (int64_t t = synth_start(s, BO_PHASE_BASE); t < synth_end(s, BO_PHASE_SETTLE);
	     t = next) {
		enum bo_phase phase = phase_at(s, t);
		int64_t start = synth_start(s, phase);

		if (t < from + hole.from_ns || t >= from + hole.to_ns)
			look(s, t, groups);
		next = t + bo_thinned_ns(first_ns, dense, t - start);
		if (phase != BO_PHASE_SETTLE && next > synth_end(s, phase))
			next = synth_end(s, phase);
	}
}

static void test_thinning(void **state)
{
	const int64_t ms = BO_NSEC_PER_MSEC, s = BO_NSEC_PER_SEC;

	(void)state;
	assert_int_equal(bo_thinned_ns(10 * ms, 60000, -5 * s), 10 * ms);
	assert_int_equal(bo_thinned_ns(10 * ms, 60000, 0), 10 * ms);
	assert_int_equal(bo_thinned_ns(10 * ms, 60000, 600 * s - 1), 10 * ms);
	assert_int_equal(bo_thinned_ns(10 * ms, 60000, 600 * s), 20 * ms);
	assert_int_equal(bo_thinned_ns(10 * ms, 60000, 1800 * s - 1), 20 * ms);
	assert_int_equal(bo_thinned_ns(10 * ms, 60000, 1800 * s), 40 * ms);
	assert_int_equal(bo_thinned_ns(s, 600, 4200 * s), 8 * s);
	/* A day is 4 300 snapshots. */
	assert_int_equal(bo_thinned_ns(s, 600, 86400 * s), 128 * s);
	assert_int_equal(bo_thinned_ns(INT64_MAX / 2, 600, INT64_MAX), INT64_MAX / 2);
}

static void test_rare_snapshots_are_no_hole(void **state)
{
	struct synth *s = *state;

	synth_phase(s, BO_PHASE_FAULT, 5000 * SYNTH_S);
	watch(s, SYNTH_S, BO_DENSE_SNAPSHOTS, (struct hole){ 0, 0 }, true);
	expect(s, "goroutines{site=\"main.main\"} <= 5 in fault", BO_PASS, NULL, NULL);
	expect(s, "goroutines{site=\"main.main\"} <= 5 in base..settle", BO_PASS, NULL, NULL);
	/* Settle is looked at as often as if the fault had been short. */
	expect(s, "goroutines.leaked == 0 at settle", BO_FAIL, "leaked 900", NULL);
}

static void test_a_hole_is_one_by_the_distance_there(void **state)
{
	struct synth *s = *state;

	synth_phase(s, BO_PHASE_FAULT, 5000 * SYNTH_S);
	/* 8 s apart by then: 20 s may pass. */
	watch(s, SYNTH_S, BO_DENSE_SNAPSHOTS, (struct hole){ 4500 * SYNTH_S, 4512 * SYNTH_S },
	      true);
	expect(s, "goroutines{site=\"main.main\"} <= 5 in fault", BO_PASS, NULL, NULL);
}

static void test_a_hole_late_in_a_phase(void **state)
{
	struct synth *s = *state;

	synth_phase(s, BO_PHASE_FAULT, 5000 * SYNTH_S);
	watch(s, SYNTH_S, BO_DENSE_SNAPSHOTS, (struct hole){ 4500 * SYNTH_S, 4530 * SYNTH_S },
	      true);
	expect(s, "goroutines{site=\"main.main\"} <= 5 in fault", BO_INCONCLUSIVE, NULL,
	       "no samples");
}

static void test_a_hole_early_in_a_long_phase(void **state)
{
	struct synth *s = *state;

	synth_phase(s, BO_PHASE_FAULT, 5000 * SYNTH_S);
	watch(s, SYNTH_S, BO_DENSE_SNAPSHOTS, (struct hole){ 100 * SYNTH_S, 105 * SYNTH_S }, true);
	expect(s, "goroutines{site=\"main.main\"} <= 5 in fault", BO_INCONCLUSIVE, NULL,
	       "no samples");
}

static void count_long(struct synth *s, const char *source, struct hole hole)
{
	s->plan->nodes.items[SYNTH_ORDERS].probe.interval_ns = 10 * SYNTH_MS;
	synth_phase(s, BO_PHASE_FAULT, 4300 * SYNTH_S);
	watch(s, 10 * SYNTH_MS, BO_DENSE_SAMPLES, hole, false);
	for (size_t i = 0; i < s->run->series.len; i++)
		if (strcmp(s->run->series.items[i]->name, BO_SERIES_GOROUTINES) == 0)
			s->run->series.items[i]->source = source;
}

static void test_rare_counts_are_no_hole(void **state)
{
	count_long(*state, "census symtab+dwarf, go1.26", (struct hole){ 0, 0 });
	expect(*state, "goroutines <= 5 in fault", BO_PASS, NULL, NULL);
}

static void test_who_does_not_thin_has_a_hole(void **state)
{
	count_long(*state, "pprof debug=1", (struct hole){ 0, 0 });
	expect(*state, "goroutines <= 5 in fault", BO_INCONCLUSIVE, NULL, "no samples");
}

static void test_a_hole_among_rare_counts(void **state)
{
	count_long(*state, "census symtab+dwarf, go1.26",
		   (struct hole){ 4250 * SYNTH_S, 4250 * SYNTH_S + 500 * SYNTH_MS });
	expect(*state, "goroutines <= 5 in fault", BO_INCONCLUSIVE, NULL, "no samples");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_thinning),
		SYNTH_TEST(test_rare_snapshots_are_no_hole),
		SYNTH_TEST(test_a_hole_is_one_by_the_distance_there),
		SYNTH_TEST(test_a_hole_late_in_a_phase),
		SYNTH_TEST(test_a_hole_early_in_a_long_phase),
		SYNTH_TEST(test_rare_counts_are_no_hole),
		SYNTH_TEST(test_who_does_not_thin_has_a_hole),
		SYNTH_TEST(test_a_hole_among_rare_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
