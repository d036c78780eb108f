/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_census_permission.c — who may look at whom: an ordinary user at his own process, and at nobody else's.
 * Needs root to become two ordinary users; otherwise only the first half can be seen, and it says so.
 * Owns: child processes.  Threads: one.  Privilege: CAP_SETUID, given up in the children. */
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
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/census.h"
#include "zookit.h"

#define ZOO ZOO_DIR "/zoo"
#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NOBODY 65534
#define OTHER 65533

/* Run @check as user @uid in a child; what it returns is its exit code. */
static int as_user(uid_t uid, int (*check)(pid_t target), pid_t target)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (setgid(uid) || setuid(uid))
			_exit(100);
		/* Changing the uid made us undumpable, and our children with us. */
		prctl(PR_SET_DUMPABLE, 1);
		_exit(check(target));
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 101;
}

static int own_process(pid_t unused)
{
	struct bo_census *census = NULL;
	struct bo_err err = { 0 };
	struct zoo zoo;
	int64_t count = 0;
	int r = 0;

	(void)unused;
	if (!zoo_start(&zoo, ZOO, ARGS("-kinds", "3")))
		return 1;
	if (bo_census_attach(&census, zoo.pid, 0, &err) || bo_census_count(census, &count, &err)) {
		fprintf(stderr, "%s\n", err.msg);
		r = 2;
	} else if (count != zoo_count(&zoo)) {
		r = 3;
	}
	bo_census_free(census);
	zoo_stop(&zoo);
	return r;
}

static int refused_with(pid_t target, const char *text)
{
	struct bo_census *census = NULL;
	struct bo_err err = { 0 };
	int r = bo_census_attach(&census, target, 0, &err);

	if (r != -EACCES && r != -EPERM) {
		fprintf(stderr, "%d, %s\n", r, err.msg);
		return 1;
	}
	if (!strstr(err.msg, text)) {
		fprintf(stderr, "\"%s\" lacks \"%s\"\n", err.msg, text);
		return 2;
	}
	return 0;
}

static int other_user_refused(pid_t target)
{
	return refused_with(target, "become that user, or get CAP_SYS_PTRACE");
}

/* A process that does not want to be looked at, of the very same user. */
static int not_dumpable_refused(pid_t unused)
{
	int ready[2], r;
	char c;
	pid_t pid;

	(void)unused;
	if (pipe(ready))
		return 1;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_DUMPABLE, 0);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	if (read(ready[0], &c, 1) != 1)
		return 1;
	r = refused_with(pid, "not dumpable");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return r;
}

/* Can that user reach the zoo's file at all?  A build folder may be closed to him. */
static int can_run(pid_t unused)
{
	(void)unused;
	return access(ZOO, X_OK) ? 1 : 0;
}

static void test_own(void **state)
{
	(void)state;
	if (geteuid()) {
		assert_int_equal(own_process(0), 0);
		return;
	}
	if (as_user(NOBODY, can_run, 0))
		skip();
	assert_int_equal(as_user(NOBODY, own_process, 0), 0);
}

static void test_others(void **state)
{
	struct zoo zoo;

	(void)state;
	if (geteuid()) {
		assert_int_equal(not_dumpable_refused(0), 0);
		return;
	}
	assert_true(zoo_start(&zoo, ZOO, ARGS("-kinds", "3")));
	assert_int_equal(as_user(OTHER, other_user_refused, zoo.pid), 0);
	zoo_stop(&zoo);
	assert_int_equal(as_user(NOBODY, not_dumpable_refused, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
