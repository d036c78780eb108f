/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/synth_test.h — a cmocka fixture around one synthetic run, and the one assertion
 * most tests need.
 * Owns: the run of the test that is running.  Threads: none.  Privilege: none. */
#pragma once
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "brownout/slo/budget.h"
#include "synth_run.h"

static inline int synth_setup(void **state)
{
	static struct synth s;

	synth_init(&s, 1);
	*state = &s;
	return 0;
}

static inline int synth_teardown(void **state)
{
	synth_done(*state);
	return 0;
}

/** expect() - judge the run with @text as its only budget; NULL: this part does not matter */
static inline void expect(struct synth *s, const char *text, enum bo_outcome outcome,
			  const char *measured, const char *reason)
{
	const struct bo_budget_result *r = synth_judge(s, text);

	if (r->outcome != outcome || (measured && !strstr(r->measured, measured)) ||
	    (reason && !strstr(r->reason, reason)))
		fail_msg("'%s': %s, %s %s %s [%s]", text, bo_outcome_name(r->outcome), r->measured,
			 r->limit, r->excess, r->reason);
}

/** expect_plan() - the plan refuses @text with this @message; NULL: takes it */
static inline void expect_plan(struct synth *s, const char *text, const char *message)
{
	struct bo_budget *b = NULL;
	struct bo_err err = { 0 };
	int r;

	assert_int_equal(bo_budget_parse(&b, text, &err), 0);
	r = bo_budget_check(b, s->plan, &err);
	bo_budget_free(b);
	if (r != (message ? -EINVAL : 0) || (message && !strstr(err.msg, message)))
		fail_msg("'%s'\n  says     %s\n  expected %s", text, err.msg,
			 message ? message : "nothing");
}

/** expect_lint() - @text is warned of with this @message; NULL: with none */
static inline void expect_lint(struct synth *s, const char *text, const char *message)
{
	struct bo_budget *b = NULL;
	char buf[400] = "";
	bool warned;

	assert_int_equal(bo_budget_parse(&b, text, NULL), 0);
	warned = bo_budget_lint(b, s->plan, buf, sizeof(buf));
	bo_budget_free(b);
	if (warned != (message != NULL) || (message && !strstr(buf, message)))
		fail_msg("'%s'\n  warns    %s\n  expected %s", text, buf,
			 message ? message : "nothing");
}

#define SYNTH_TEST(name) cmocka_unit_test_setup_teardown(name, synth_setup, synth_teardown)
