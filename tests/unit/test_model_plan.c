/* SPDX-License-Identifier: Apache-2.0 */
/* Plan arithmetic and the run record.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "brownout/model/plan.h"
#include "brownout/model/run.h"

static void phases_and_windows(void **state)
{
	struct bo_plan *plan = bo_plan_new();
	struct bo_fault_spec f = { .from = BO_PHASE_FAULT, .to = BO_PHASE_HOLD };
	int64_t start, end;

	(void)state;
	assert_non_null(plan);
	plan->phase_ns[BO_PHASE_BASE] = 5;
	plan->phase_ns[BO_PHASE_FAULT] = 10;
	plan->phase_ns[BO_PHASE_HOLD] = 4;
	assert_int_equal(bo_plan_total(plan), 19);
	assert_int_equal(bo_plan_phase_start(plan, BO_PHASE_HOLD), 15);
	bo_plan_fault_window(plan, &f, &start, &end);
	assert_int_equal(start, 5);
	assert_int_equal(end, 19);
	f.after_ns = 3;
	f.lasts_ns = 2;
	bo_plan_fault_window(plan, &f, &start, &end);
	assert_int_equal(start, 8);
	assert_int_equal(end, 10);
	f.lasts_ns = 1000;
	bo_plan_fault_window(plan, &f, &start, &end);
	assert_int_equal(end, 19);
	for (int p = 0; p < BO_PHASE_COUNT; p++)
		assert_int_equal(bo_phase_from_name(bo_phase_name(p)), p);
	assert_int_equal(bo_phase_from_name("faults"), BO_PHASE_COUNT);
	assert_false(bo_phase_has_load(BO_PHASE_HOLD));
	assert_true(bo_phase_has_load(BO_PHASE_HEAL));
	bo_plan_free(plan);
}

static void nodes_and_links(void **state)
{
	struct bo_plan *plan = bo_plan_new();
	struct bo_src src = { "x.lua", 3 };

	(void)state;
	assert_int_equal(bo_plan_node(plan, "client"), BO_NODE_CLIENT);
	assert_true(bo_vec_push(&plan->nodes, (struct bo_node_spec){ .name = "db" }));
	assert_true(bo_vec_push(&plan->nodes, (struct bo_node_spec){ .name = "orders" }));
	assert_int_equal(bo_plan_node(plan, "orders"), 2);
	assert_int_equal(bo_plan_node(plan, "order"), -1);
	assert_int_equal(bo_plan_link(plan, 1, 2), -1);
	assert_int_equal(bo_plan_link_add(plan, 2, 1, src), 0);
	assert_int_equal(bo_plan_link_add(plan, 1, 2, src), 0);
	assert_int_equal(bo_plan_link_add(plan, 0, 2, src), 1);
	assert_int_equal(bo_plan_link(plan, 1, 2), 0);
	assert_true(plan->links.items[0].a < plan->links.items[0].b);
	bo_plan_free(plan);
}

static void run_record(void **state)
{
	struct bo_plan *plan = bo_plan_new();
	struct bo_run *run;
	struct bo_series *s;

	(void)state;
	assert_true(bo_vec_push(&plan->faults, (struct bo_fault_spec){ .id = "f" }));
	run = bo_run_new(plan);
	assert_non_null(run);
	assert_int_equal(run->faults.len, 1);
	assert_int_equal(run->faults.items[0].applied_ns, INT64_MIN);
	assert_int_equal(run->faults.items[0].confirm, BO_CONFIRM_PENDING);
	assert_int_equal(run->verdict.outcome, BO_INCONCLUSIVE);
	s = bo_run_series_add(run, BO_SERIES_RSS, "bytes", "/proc", 1);
	assert_true(bo_vec_push(&s->samples, (struct bo_sample){ 1, 2.0 }));
	assert_ptr_equal(bo_run_series(run, BO_SERIES_RSS, 1), s);
	assert_null(bo_run_series(run, BO_SERIES_RSS, 2));
	bo_run_event(run, 5, BO_EVENT_NOTE, -1, "hello %d", 7);
	assert_string_equal(run->events.items[0].text, "hello 7");
	assert_int_equal(bo_outcome_exit(BO_PASS), 0);
	assert_int_equal(bo_outcome_exit(BO_FAIL), 1);
	assert_int_equal(bo_outcome_exit(BO_INCONCLUSIVE), 3);
	assert_int_equal(bo_outcome_exit(BO_ABORTED), 4);
	assert_false(bo_req_class_is_error(BO_REQ_INFLIGHT));
	assert_false(bo_req_class_is_error(BO_REQ_OK));
	assert_string_equal(bo_req_class_name(BO_REQ_OTHER), "other");
	bo_run_free(run);
	bo_plan_free(plan);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(phases_and_windows),
						   cmocka_unit_test(nodes_and_links),
						   cmocka_unit_test(run_record) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
