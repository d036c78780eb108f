/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/synth_test.h — a cmocka fixture around one synthetic run, and the one assertion
 * most tests need.
 * Owns: the run of the test that is running.  Threads: none.  Privilege: none. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "slo/internal.h"
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

#define SYNTH_TEST(name) cmocka_unit_test_setup_teardown(name, synth_setup, synth_teardown)
