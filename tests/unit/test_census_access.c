/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_census_access.c — each thing that can stand in the way of reading a process has its own sentence.
 * Owns: nothing.  Threads: one.  Privilege: none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "brownout/census.h"

static const struct bo_census_access fine = {
	.pid = 42, .own_uid = 1000, .target_uid = 1000, .dumpable = true, .yama_scope = -1
};

static void says(struct bo_census_access access, const char *a, const char *b)
{
	char buf[256];

	bo_census_access_advice(&access, buf, sizeof(buf));
	if (!strstr(buf, a) || !strstr(buf, b))
		fail_msg("\"%s\" lacks \"%s\" or \"%s\"", buf, a, b);
}

static void test_sentences(void **state)
{
	struct bo_census_access a;

	(void)state;
	a = fine;
	a.target_uid = 0;
	says(a, "user 0", "CAP_SYS_PTRACE");
	a = fine;
	a.dumpable = false;
	says(a, "not dumpable", "sudo brownout census 42");
	a = fine;
	a.yama_scope = 1;
	says(a, "kernel.yama.ptrace_scope is 1", "sysctl kernel.yama.ptrace_scope=0");
	a.yama_scope = 2;
	says(a, "kernel.yama.ptrace_scope is 2", "CAP_SYS_PTRACE");
	a.yama_scope = 3;
	says(a, "kernel.yama.ptrace_scope is 3", "next boot");
	a = fine;
	a.have_cap = true;
	a.other_userns = true;
	says(a, "CAP_SYS_PTRACE is there", "run the census there, or in a parent of it");
	a.other_userns = false;
	says(a, "CAP_SYS_PTRACE is there", "outside of this container");
	a.yama_scope = 3;
	says(a, "CAP_SYS_PTRACE is there", "next boot");
	says(fine, "security module", "sudo");
}

static void test_own_facts(void **state)
{
	struct bo_census_access a;

	(void)state;
	bo_census_access_probe(getpid(), &a);
	assert_int_equal(a.own_uid, geteuid());
	assert_int_equal(a.target_uid, geteuid());
	assert_true(a.dumpable);
	assert_false(a.other_userns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sentences),
		cmocka_unit_test(test_own_facts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
