/* SPDX-License-Identifier: Apache-2.0 */
/* run.json and plan.json: the numbers in them, what is null, what becomes of hostile text, and the
 * golden examples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/report/report.h"
#include "brownout/report/view.h"
#include "report_run.h"

#define MSEC BO_NSEC_PER_MSEC

static json_t *make(const struct bo_run *run)
{
	struct bo_err err = { 0 };
	json_t *doc = NULL;

	assert_int_equal(bo_report_json(&doc, run, &err), 0);
	return doc;
}

/* A run of two phases (base 1 s, hold 0.5 s) with no requests yet. */
static struct bo_run *small_run(struct bo_plan **ret_plan)
{
	struct bo_plan *plan = bo_plan_new();
	struct bo_run *run;

	assert_non_null(plan);
	plan->name = plan->scenario_path = "small";
	plan->phase_ns[BO_PHASE_BASE] = 1000 * MSEC;
	plan->phase_ns[BO_PHASE_HOLD] = 500 * MSEC;
	assert_true(bo_vec_push(&plan->loads, (struct bo_load_spec){ .name = "one" }));
	assert_true(bo_vec_push(&plan->loads, (struct bo_load_spec){ .name = "two" }));
	run = bo_run_new(plan);
	assert_non_null(run);
	run->phases[BO_PHASE_BASE] = (struct bo_phase_span){ 0, 1000 * MSEC };
	run->phases[BO_PHASE_HOLD] = (struct bo_phase_span){ 1000 * MSEC, 1500 * MSEC };
	run->ended_ns = 1500 * MSEC;
	*ret_plan = plan;
	return run;
}

static void request(struct bo_run *run, int64_t due_ms, int64_t latency_ms, enum bo_req_class cls,
		    uint8_t load)
{
	assert_true(
		bo_vec_push(&run->requests, (struct bo_req){ .intended_ns = due_ms * MSEC,
							     .end_ns = (due_ms + latency_ms) * MSEC,
							     .cls = (uint8_t)cls,
							     .load = load }));
}

static double column(const json_t *windows, const char *name, size_t w)
{
	return bo_view_at(bo_view_get(windows, name), w);
}

static void test_latency_by_due_time(void **state)
{
	struct bo_plan *plan;
	struct bo_run *run = small_run(&plan);

	(void)state;
	for (int i = 1; i <= 100; i++)
		request(run, 100, i, BO_REQ_OK, 0);
	request(run, 900, 400, BO_REQ_OK, 1);       /* due in base, answered in hold */
	request(run, 950, 0, BO_REQ_SHED, 1);       /* no latency */
	request(run, 990, 510, BO_REQ_INFLIGHT, 1); /* counts with the time it has waited */
	request(run, 400, 30, BO_REQ_ABANDONED, 0); /* no error */
	request(run, 500, 0, BO_REQ_REFUSED, 0);    /* failed at once: an error without latency */

	json_t *doc = make(run);
	const json_t *phases = bo_view_get(doc, "phases"),
		     *all = bo_view_get(bo_view_find(phases, "name", "base"), "all");

	assert_int_equal((int)bo_view_num(all, "requests"), 105);
	assert_int_equal((int)bo_view_num(all, "errors"), 2);
	assert_float_equal(bo_view_num(all, "error_ratio"), 2.0 / 104, 1e-12);
	assert_float_equal(bo_view_num(all, "rate_per_s"), 100, 1e-9);
	/* 103 latencies: 1 … 100, 30, 400, 510 ms; ceil(0.5·103) = 52nd is 51, ceil(0.99·103) =
	 * 102nd is 400 */
	assert_float_equal(bo_view_num(all, "p50_ms"), 51, 1e-9);
	assert_float_equal(bo_view_num(all, "p99_ms"), 400, 1e-9);
	assert_float_equal(bo_view_num(all, "max_ms"), 510, 1e-9);
	assert_int_equal((int)bo_view_num(bo_view_get(all, "classes"), "shed"), 1);

	const json_t *hold = bo_view_get(bo_view_find(phases, "name", "hold"), "all");

	assert_int_equal((int)bo_view_num(hold, "requests"), 0);
	assert_float_equal(bo_view_num(hold, "rate_per_s"), 2, 1e-9);
	assert_true(isnan(bo_view_num(hold, "p50_ms")) && isnan(bo_view_num(hold, "error_ratio")));
	assert_true(json_is_null(bo_view_get(bo_view_find(phases, "name", "fault"), "all")));
	json_decref(doc);
	bo_run_free(run);
	bo_plan_free(plan);
}

static void test_windows(void **state)
{
	struct bo_plan *plan;
	struct bo_run *run = small_run(&plan);

	(void)state;
	run->ended_ns = 1350 * MSEC; /* the last window is 100 ms long */
	request(run, 0, 10, BO_REQ_OK, 0);
	request(run, 249, 300, BO_REQ_OK, 0);
	request(run, 250, 20, BO_REQ_RESET, 1);
	request(run, 1300, 10, BO_REQ_HTTP_4XX, 0);

	json_t *doc = make(run);
	const json_t *latency = bo_view_get(doc, "latency"), *all = bo_view_get(latency, "all");
	const json_t *two = bo_view_find(bo_view_get(latency, "loads"), "load", "two");

	assert_float_equal(bo_view_num(latency, "window_s"), 0.25, 1e-12);
	assert_int_equal(json_array_size(bo_view_get(all, "t_s")), 6);
	assert_float_equal(column(all, "t_s", 5), 1.25, 1e-12);
	assert_int_equal((int)column(all, "count", 0), 2);
	assert_int_equal((int)column(all, "count", 1), 1);
	assert_float_equal(column(all, "p50_ms", 0), 10, 1e-9);
	assert_float_equal(column(all, "max_ms", 0), 300, 1e-9);
	assert_true(isnan(column(all, "p99_ms", 3)));
	/* counted where it ended: 249 + 300 ms is in the third window; 1 in a window of 100 ms is
	 * 10 per second */
	assert_float_equal(column(all, "rate_per_s", 0), 4, 1e-9);
	assert_float_equal(column(all, "rate_per_s", 2), 4, 1e-9);
	assert_float_equal(column(all, "rate_per_s", 5), 10, 1e-9);
	assert_int_equal((int)bo_view_at(bo_view_get(bo_view_get(all, "classes"), "reset"), 1), 1);
	assert_int_equal((int)column(two, "count", 0), 0);
	assert_int_equal((int)column(two, "count", 1), 1);
	assert_null(bo_view_get(bo_view_get(two, "classes"), "ok"));
	json_decref(doc);

	run->ended_ns = 120 * BO_NSEC_PER_SEC;
	doc = make(run);
	assert_float_equal(bo_view_num(bo_view_get(doc, "latency"), "window_s"), 1, 1e-12);
	json_decref(doc);
	bo_run_free(run);
	bo_plan_free(plan);
}

static void test_missing_is_null(void **state)
{
	struct report_run rr = report_run_new(SAMPLE_ABORTED, false);
	struct bo_series *series = rr.run->series.items[0];

	(void)state;
	series->samples.items[0].value = NAN;
	json_t *doc = make(rr.run);
	const json_t *budgets = bo_view_get(doc, "budgets"),
		     *kill = json_array_get(bo_view_get(doc, "faults"), 2);

	/* Never judged, but listed with where it stands in the scenario. */
	assert_int_equal(json_array_size(budgets), rr.plan->budgets.len);
	assert_string_equal(bo_view_str(json_array_get(budgets, 0), "outcome"), "INCONCLUSIVE");
	assert_int_equal(
		(int)bo_view_num(bo_view_get(json_array_get(budgets, 0), "source"), "line"), 28);
	assert_true(json_is_null(bo_view_get(json_array_get(budgets, 0), "measured_value")));
	assert_true(json_is_null(bo_view_get(kill, "applied_s")));
	assert_true(json_is_null(bo_view_get(kill, "apply_cost_ms")));
	assert_string_equal(bo_view_str(kill, "confirm"), "pending");
	assert_true(json_is_null(json_array_get(
		bo_view_get(json_array_get(bo_view_get(doc, "series"), 0), "value"), 0)));
	assert_true(json_is_null(bo_view_get(
		bo_view_find(bo_view_get(doc, "phases"), "name", "settle"), "start_s")));
	assert_string_equal(bo_view_str(bo_view_get(doc, "outcome"), "headline"),
			    "Aborted at 11.30s: interrupted by SIGINT.");
	json_decref(doc);
	report_run_free(&rr);
}

static void test_headlines(void **state)
{
	static const struct {
		enum report_sample sample;
		const char *headline;
	} cases[] = {
		{ SAMPLE_FAIL,
		  "3 of 6 budgets broken. First, at 7.25s: latency.p99 <= 1.2s in fault, measured 3.75s, "
		  "missed by 2.55s (213%)." },
		{ SAMPLE_PASS, "All 6 budgets held under 3 confirmed faults." },
		{ SAMPLE_INCONCLUSIVE,
		  "No verdict: fault \"delay orders-db\" was not confirmed: asked for 1.50s, "
		  "measured 0.2ms. (1 more)" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct report_run rr = report_run_new(cases[i].sample, false);
		json_t *doc = make(rr.run);

		assert_string_equal(bo_view_str(bo_view_get(doc, "outcome"), "headline"),
				    cases[i].headline);
		json_decref(doc);
		report_run_free(&rr);
	}

	struct report_run rr = report_run_new(SAMPLE_FAIL, false);

	/* The one that broke first in time, not in the scenario. */
	rr.run->verdict.budgets.items[0].first_breach_ns = 18 * BO_NSEC_PER_SEC;
	rr.run->failure = "orders ended by itself: exit status 2";
	json_t *doc = make(rr.run);

	assert_string_equal(bo_view_str(bo_view_get(doc, "outcome"), "failure"), rr.run->failure);
	assert_non_null(strstr(bo_view_str(bo_view_get(doc, "outcome"), "headline"),
			       "orders ended by itself: exit status 2. 3 of 6 budgets broken. "
			       "First, at 17.00s: goroutines.delta <= 5 at hold, "));
	json_decref(doc);
	report_run_free(&rr);
}

static void test_hostile_text_survives(void **state)
{
	struct report_run rr = report_run_new(SAMPLE_INCONCLUSIVE, true);
	json_t *doc = make(rr.run), *again;
	char *text = json_dumps(doc, JSON_COMPACT);

	(void)state;
	assert_non_null(text);
	again = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(again);
	/* Everything but the broken bytes is as it was. */
	const char *name = bo_view_str(bo_view_get(again, "scenario"), "name");

	assert_non_null(strstr(
		name,
		"a\"b'<i>&\\|`*_${x}\x1b[31m\r\n\xEF\xBF\xBD\xEF\xBF\xBD(\xe2\x80\xae</script>"));
	assert_string_equal(bo_view_str(bo_view_get(again, "scenario"), "seed"),
			    "9007199254740993");
	json_decref(again);
	json_decref(doc);
	free(text);
	report_run_free(&rr);
}

static void test_rerun_quotes(void **state)
{
	static const struct bo_param params[] = { { "build", "a b" }, { "x", "$(id)" } };
	static const struct bo_param overrides[] = { { "phase", "fault=10s" },
						     { "budget", "latency.p99 <= 1s" } };
	struct report_run rr = report_run_new(SAMPLE_PASS, false);

	(void)state;
	rr.plan->params = params;
	rr.plan->nparams = 2;
	rr.plan->overrides = overrides;
	rr.plan->noverrides = 2;
	rr.plan->scenario_path = "my scenario.lua";
	json_t *doc = make(rr.run);

	assert_string_equal(
		bo_view_str(doc, "rerun"),
		"brownout run --set 'build=a b' --set 'x=$(id)' --tag branch=main --phase fault=10s "
		"--budget 'latency.p99 <= 1s' --seed 9007199254740993 --driver wire 'my scenario.lua'");
	assert_string_equal(bo_view_str(bo_view_get(doc, "tags"), "branch"), "main");
	assert_string_equal(bo_view_str(json_array_get(bo_view_get(doc, "overrides"), 1), "option"),
			    "budget");
	json_decref(doc);
	report_run_free(&rr);
}

static void test_plan_json(void **state)
{
	struct report_run rr = report_run_new(SAMPLE_PASS, true);
	struct bo_err err = { 0 };
	json_t *doc = NULL;

	(void)state;
	assert_true(bo_vec_push(&rr.plan->guards,
				(struct bo_guard_spec){ "wall > 10m", { "orders.lua", 9 } }));
	assert_int_equal(bo_report_plan_json(&doc, rr.plan, &err), 0);

	const json_t *orders = json_array_get(bo_view_get(doc, "nodes"), 1), *kill;

	kill = json_array_get(bo_view_get(doc, "faults"), 2);
	assert_string_equal(bo_view_str(doc, "seed"), "9007199254740993");
	assert_int_equal(json_array_size(bo_view_get(doc, "nodes")), 3);
	assert_int_equal((int)bo_view_num(orders, "memory_bytes"), 256 << 20);
	assert_string_equal(bo_view_str(bo_view_get(orders, "ready"), "http"),
			    "http://orders:8080/healthz");
	assert_float_equal(bo_view_num(kill, "planned_start_s"), 13, 1e-9);
	assert_float_equal(bo_view_num(kill, "planned_end_s"), 15, 1e-9);
	assert_string_equal(bo_view_str(json_array_get(bo_view_get(doc, "guards"), 0), "text"),
			    "wall > 10m");
	assert_string_equal(
		bo_view_str(bo_view_get(json_array_get(bo_view_get(doc, "faults"), 0), "args"),
			    "loss"),
		"2%");
	json_decref(doc);
	report_run_free(&rr);
}

/*
 * The golden examples are what the reports look like; a change shows in review.
 * BROWNOUT_UPDATE_GOLDEN=1 writes them anew.
 */
static void check_golden(const char *sample, const char *name, int dir)
{
	char path[512], *text = NULL, *wanted = NULL;
	size_t len = 0, cap = 0;
	ssize_t got;
	bo_auto_fd int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	FILE *in = fd >= 0 ? fdopen(dup(fd), "r") : NULL, *golden;

	assert_non_null(in);
	got = getdelim(&text, &len, '\0', in);
	fclose(in);
	assert_true(got > 0);
	snprintf(path, sizeof(path), "%s/%s/%s", REPORT_EXAMPLES, sample, name);
	if (getenv("BROWNOUT_UPDATE_GOLDEN")) {
		golden = fopen(path, "w");
		assert_non_null(golden);
		fputs(text, golden);
		fclose(golden);
	}
	golden = fopen(path, "r");
	if (!golden)
		fail_msg("no golden example %s", path);
	assert_true(getdelim(&wanted, &cap, '\0', golden) > 0);
	fclose(golden);
	if (strcmp(text, wanted) != 0)
		fail_msg(
			"%s differs from what is written now; look at it, then BROWNOUT_UPDATE_GOLDEN=1",
			path);
	free(text);
	free(wanted);
}

static char golden_dir[] = "/tmp/brownout-golden-XXXXXX";

static int golden_setup(void **state)
{
	(void)state;
	return mkdtemp(golden_dir) ? 0 : -1;
}

/* Also after a failed assertion, which leaves the test by longjmp(). */
static int golden_teardown(void **state)
{
	char cmd[64];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -rf %s", golden_dir);
	return system(cmd);
}

static void test_golden(void **state)
{
	static const char *const files[] = { "run.json", "plan.json", "faults.json", "junit.xml",
					     "summary.md" };
	static const char *const names[] = { "fail", "pass", "inconclusive", "aborted" };

	(void)state;
	for (int s = SAMPLE_FAIL; s <= SAMPLE_ABORTED; s++) {
		struct report_run rr = report_run_new((enum report_sample)s, false);
		struct bo_err err = { 0 };
		bo_auto_fd int dir = open(golden_dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);

		assert_int_equal(bo_report_write_all(rr.run, dir, &err), 0);
		for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
			check_golden(names[s], files[i], dir);
		report_run_free(&rr);
	}
}

/* Of several loads it says whose errors those are; of one there is nothing to say. */
static void test_whose_errors(void **state)
{
	static const char one[] =
		"{\"loads\": [{\"name\": \"pay\"}], \"phases\": ["
		"{\"all\": {\"requests\": 10, \"classes\": {\"reset\": 4}},"
		" \"loads\": [{\"load\": \"pay\", \"classes\": {\"reset\": 4}}]}]}";
	static const char two[] =
		"{\"loads\": [{\"name\": \"pay\"}, {\"name\": \"audit\"}], \"phases\": ["
		"{\"all\": {\"requests\": 10, \"classes\": {\"reset\": 4, \"refused\": 1}}, \"loads\": ["
		" {\"load\": \"pay\", \"classes\": {\"reset\": 3}},"
		" {\"load\": \"audit\", \"classes\": {\"reset\": 1, \"refused\": 1}}]},"
		"{\"all\": {\"requests\": 10, \"classes\": {\"reset\": 5}}, \"loads\": ["
		" {\"load\": \"audit\", \"classes\": {\"reset\": 5}}]}]}";
	static const struct {
		const char *run, *says;
	} cases[] = {
		{ one, "4 of 10 requests (40%): most reset (4)" },
		{ two, "10 of 20 requests (50%): most reset (9, of load audit 6)" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct bo_strbuf sb = { 0 };
		json_t *run = json_loads(cases[i].run, JSON_REJECT_DUPLICATES, NULL);

		assert_non_null(run);
		assert_true(bo_view_errors(&sb, run));
		assert_string_equal(bo_strbuf_str(&sb), cases[i].says);
		bo_strbuf_done(&sb);
		json_decref(run);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_latency_by_due_time),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_missing_is_null),
		cmocka_unit_test(test_headlines),
		cmocka_unit_test(test_hostile_text_survives),
		cmocka_unit_test(test_rerun_quotes),
		cmocka_unit_test(test_plan_json),
		cmocka_unit_test(test_whose_errors),
		cmocka_unit_test_setup_teardown(test_golden, golden_setup, golden_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
