/* SPDX-License-Identifier: Apache-2.0 */
/* unit/test_sys_cgroup.c — groups are made, joined, limited, frozen and removed, on whichever version is here.
 * Owns: groups named after this process.  Threads: none.  Privilege: root with writable cgroups, else 77. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/sys/cgroup.h"

struct fixture {
	struct bo_cgroups cgs;
	struct bo_cgroup outer, inner;
};

static void make(struct fixture *f, unsigned int flags)
{
	struct bo_err err = { 0 };
	char name[64];

	snprintf(name, sizeof(name), "bo-test-cgroup-%d", getpid());
	assert_int_equal(bo_cgroups_find(&f->cgs, flags, &err), 0);
	assert_int_equal(bo_cgroup_at(&f->outer, &f->cgs, NULL, name, &err), 0);
	assert_int_equal(bo_cgroup_at(&f->inner, &f->cgs, &f->outer, "node", &err), 0);
	if (bo_cgroup_make(&f->outer, true, &err) < 0 || bo_cgroup_make(&f->inner, false, &err) < 0)
		fail_msg("%s", err.msg);
}

static void take_away(struct fixture *f)
{
	struct bo_err err = { 0 };

	if (bo_cgroup_remove(&f->outer, &err) < 0)
		fail_msg("%s", err.msg);
	for (int i = 0; i < BO_CG_COUNT; i++)
		if (f->outer.version[i])
			assert_int_equal(access(f->outer.path[i], F_OK), -1);
	assert_int_equal(bo_cgroup_remove(&f->outer, &err), 0); /* gone already is fine */
}

/* A child inside the group that spins, and says when it is there. */
static pid_t spinner(const struct bo_cgroup *cg)
{
	struct bo_cgroup_join join;
	int ready[2];
	char c;
	pid_t pid;

	assert_int_equal(bo_cgroup_join_open(cg, &join, NULL), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		if (bo_cgroup_join(&join, NULL) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			;
	}
	bo_cgroup_join_close(&join);
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static unsigned long long ticks(pid_t pid)
{
	unsigned long long u = 0, s = 0;
	char path[64], buf[1024] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_non_null(fgets(buf, sizeof(buf), f));
	fclose(f);
	sscanf(strrchr(buf, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &u,
	       &s);
	return u + s;
}

static int sleep_a_bit(void)
{
	return usleep(2000);
}

static void freezes_with(unsigned int flags, int version)
{
	struct fixture f;
	unsigned long long at;
	pid_t pid;

	make(&f, flags);
	if (f.cgs.hier[BO_CG_FREEZER].version != version) {
		take_away(&f);
		skip();
	}
	pid = spinner(&f.inner);
	assert_int_equal(bo_cgroup_freeze(&f.inner, true, NULL), 0);
	at = ticks(pid);
	for (int i = 0; i < 100; i++) /* 0.2 s of chances to run */
		sleep_a_bit();
	assert_int_equal(ticks(pid), at);
	assert_int_equal(bo_cgroup_freeze(&f.inner, false, NULL), 0);
	while (ticks(pid) <= at + 1)
		sleep_a_bit();
	/* removal kills, even what is frozen */
	assert_int_equal(bo_cgroup_freeze(&f.inner, true, NULL), 0);
	take_away(&f);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void freezes_v1(void **state)
{
	(void)state;
	freezes_with(BO_CGROUPS_NO_V2, 1);
}

static void freezes_v2(void **state)
{
	(void)state;
	freezes_with(0, 2);
}

static long long number(const struct bo_cgroup *cg, const char *v1, const char *v2)
{
	char path[BO_CGROUP_PATH + 64], buf[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", cg->path[BO_CG_MEMORY],
		 cg->version[BO_CG_MEMORY] == 1 ? v1 : v2);
	f = fopen(path, "re");
	if (!f)
		return -1;
	assert_non_null(fgets(buf, sizeof(buf), f));
	fclose(f);
	return strncmp(buf, "max", 3) == 0 ? INT64_MAX : strtoll(buf, NULL, 10);
}

static void limits_memory(void **state)
{
	static const int64_t steps[] = { 64 << 20, 256 << 20, 32 << 20, INT64_MAX, 128 << 20 };
	struct bo_err err = { 0 };
	struct fixture f;
	long long swap;

	(void)state;
	make(&f, 0);
	if (!f.inner.version[BO_CG_MEMORY]) {
		assert_true(f.cgs.hier[BO_CG_MEMORY].why_not[0] != '\0');
		assert_int_equal(bo_cgroup_memory_max(&f.inner, 1 << 20, &err), -ENOTSUP);
		take_away(&f);
		skip();
	}
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		long long now;

		if (bo_cgroup_memory_max(&f.inner, steps[i], &err) < 0)
			fail_msg("%s", err.msg);
		now = number(&f.inner, "memory.limit_in_bytes", "memory.max");
		assert_true(steps[i] == INT64_MAX ? now > (1LL << 60) : now == steps[i]);
		swap = number(&f.inner, "memory.memsw.limit_in_bytes", "memory.swap.max");
		/* v1 counts memory and swap together, v2 swap alone */
		if (swap >= 0 && steps[i] != INT64_MAX)
			assert_int_equal(swap, f.inner.version[BO_CG_MEMORY] == 1 ? steps[i] : 0);
	}
	assert_int_equal(bo_cgroup_memory_max(&f.inner, 0, &err), -EINVAL);
	assert_int_equal(bo_cgroup_memory_max(&f.inner, -5, &err), -EINVAL);
	assert_int_equal(bo_cgroup_memory_high(&f.inner, 64 << 20, &err),
			 f.inner.version[BO_CG_MEMORY] == 2 ? 0 : -ENOTSUP);
	take_away(&f);
}

static void removal_waits_for_the_dying(void **state)
{
	struct fixture f;
	pid_t pid[4];
	size_t killed = 0;

	(void)state;
	make(&f, 0);
	for (int i = 0; i < 4; i++)
		pid[i] = spinner(&f.inner);
	for (int i = 0; i < BO_CG_COUNT; i++)
		if (f.outer.version[i]) {
			assert_int_equal(bo_cgroup_rmtree(f.outer.path[i], &killed, NULL), 0);
			break;
		}
	assert_int_equal(killed, 4);
	for (int i = 0; i < 4; i++) {
		int status;

		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
	take_away(&f);
}

static void names_too_long_are_refused(void **state)
{
	struct bo_cgroups cgs = { .hier = { { .version = 1, .base = "/x" } } };
	struct bo_cgroup cg;
	char name[BO_CGROUP_PATH + 8];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(bo_cgroup_at(&cg, &cgs, NULL, name, NULL), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(freezes_v1),
		cmocka_unit_test(freezes_v2),
		cmocka_unit_test(limits_memory),
		cmocka_unit_test(removal_waits_for_the_dying),
		cmocka_unit_test(names_too_long_are_refused),
	};
	struct bo_cgroups cgs;
	bool any = false;

	if (bo_cgroups_find(&cgs, 0, NULL) == 0)
		for (int i = 0; i < BO_CG_COUNT; i++)
			any |= cgs.hier[i].version != 0;
	if (!any) {
		fprintf(stderr, "cannot run here: %s\n", cgs.hier[BO_CG_MEMORY].why_not);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
