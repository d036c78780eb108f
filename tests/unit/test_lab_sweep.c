/* SPDX-License-Identifier: Apache-2.0 */
/* unit/test_lab_sweep.c — what the dead left is removed; the living, strangers and look-alikes are not touched.
 * Owns: groups of its own.  Threads: none.  Privilege: none for names; root with cgroups for the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/lab/sweep.h"
#include "brownout/sys/cgroup.h"

static void names(void **state)
{
	static const char *const foreign[] = {
		"brownout-",       "brownout-1-2",
		"brownout-1-2-3x", "brownout-1-2-3-4",
		"brownout-01-2-3", "brownout-1--2-3",
		"brownout-1-0-3",  "brownout- 1-2-3",
		"xbrownout-1-2-3", "brownout-a-b-c",
		"brownout-+1-2-3", "brownout-1-2-3/x",
		"Brownout-1-2-3",  "brownout-1-99999999999-3",
	};
	struct bo_process_id id = { .pidns = 4026531836,
				    .pid = 4711,
				    .start_ticks = 123456789012345 },
			     back;
	char name[96];

	(void)state;
	bo_sweep_name(&id, name, sizeof(name));
	assert_string_equal(name, "brownout-4026531836-4711-123456789012345");
	assert_true(bo_sweep_parse(name, &back));
	assert_true(back.pidns == id.pidns && back.pid == id.pid &&
		    back.start_ticks == id.start_ticks);
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		if (bo_sweep_parse(foreign[i], &back))
			fail_msg("%s", foreign[i]);
}

static bool reported(const struct bo_sweep_report *r, const char *path)
{
	bo_vec_foreach(s, &r->found)
		if (strcmp(s->path, path) == 0)
			return true;
	return false;
}

static void removes_only_the_dead(void **state)
{
	struct bo_process_id self, dead, far;
	struct bo_cgroup living, gone, stranger;
	struct bo_sweep_report report = { 0 };
	struct bo_cgroup_join join;
	struct bo_cgroups cgs;
	struct bo_err err = { 0 };
	char name[96];
	int first = -1, ready[2];
	pid_t pid;
	char c;

	(void)state;
	assert_int_equal(bo_cgroups_find(&cgs, 0, &err), 0);
	for (int i = 0; i < BO_CG_COUNT && first < 0; i++)
		first = cgs.hier[i].version ? i : -1;
	if (first < 0)
		skip();
	assert_int_equal(bo_process_id_self(&self, &err), 0);
	dead = far = self;
	dead.start_ticks--; /* who had this pid before */
	far.start_ticks--;
	far.pidns ^= 1;
	bo_sweep_name(&self, name, sizeof(name));
	assert_int_equal(bo_cgroup_at(&living, &cgs, NULL, name, &err), 0);
	bo_sweep_name(&dead, name, sizeof(name));
	assert_int_equal(bo_cgroup_at(&gone, &cgs, NULL, name, &err), 0);
	bo_sweep_name(&far, name, sizeof(name));
	assert_int_equal(bo_cgroup_at(&stranger, &cgs, NULL, name, &err), 0);
	if (bo_cgroup_make(&living, false, &err) < 0 || bo_cgroup_make(&gone, false, &err) < 0 ||
	    bo_cgroup_make(&stranger, false, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(bo_cgroup_join_open(&gone, &join, &err), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		if (bo_cgroup_join(&join, NULL) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	bo_cgroup_join_close(&join);
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);

	assert_int_equal(bo_sweep(true, &report, &err), 0);
	assert_true(reported(&report, gone.path[first]));
	assert_false(reported(&report, living.path[first]));
	assert_false(reported(&report, stranger.path[first]));
	assert_int_equal(access(gone.path[first], F_OK), 0); /* a dry run removes nothing */
	bo_sweep_report_done(&report);

	assert_int_equal(bo_sweep(false, &report, &err), 0);
	assert_true(reported(&report, gone.path[first]));
	bo_sweep_report_done(&report);
	assert_int_equal(access(gone.path[first], F_OK), -1);
	assert_int_equal(waitpid(pid, NULL, 0), pid); /* what was inside was killed */
	assert_int_equal(access(living.path[first], F_OK), 0);
	assert_int_equal(access(stranger.path[first], F_OK), 0);
	assert_int_equal(bo_cgroup_remove(&living, &err), 0);
	assert_int_equal(bo_cgroup_remove(&stranger, &err), 0);
	close(ready[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(removes_only_the_dead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
