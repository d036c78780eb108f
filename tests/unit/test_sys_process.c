/* SPDX-License-Identifier: Apache-2.0 */
/* unit/test_sys_process.c — a process is told from its successor, its zombie and its absence.
 * Owns: forked children.  Threads: none.  Privilege: none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/clock.h"
#include "brownout/sys/process.h"

static void knows_itself_and_strangers(void **state)
{
	struct bo_process_id id, other;

	(void)state;
	assert_int_equal(bo_process_id_self(&id, NULL), 0);
	assert_int_equal(id.pid, getpid());
	assert_true(bo_process_id_alive(&id));
	other = id;
	other.start_ticks++; /* the same pid, but a later process */
	assert_false(bo_process_id_alive(&other));
	other = id;
	other.pidns++; /* another pid namespace: nothing can be known, so leave it alone */
	other.start_ticks++;
	assert_true(bo_process_id_alive(&other));
}

static void a_name_full_of_parentheses(void **state)
{
	struct bo_process_id before, after;

	(void)state;
	assert_int_equal(bo_process_id_self(&before, NULL), 0);
	prctl(PR_SET_NAME, ") S 1 (2) 3");
	assert_int_equal(bo_process_id_self(&after, NULL), 0);
	assert_true(before.start_ticks == after.start_ticks);
}

static void a_zombie_is_dead(void **state)
{
	struct bo_process_id id;
	int to_parent[2], pidfd = -1, status = 0;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(to_parent), 0);
	pid = bo_process_clone(0, &pidfd, NULL);
	if (pid == 0) {
		struct bo_process_id self;

		if (bo_process_id_self(&self, NULL) < 0 ||
		    write(to_parent[1], &self, sizeof(self)) != sizeof(self))
			_exit(1);
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	assert_int_equal(read(to_parent[0], &id, sizeof(id)), sizeof(id));
	assert_int_equal(id.pid, pid);
	assert_true(bo_process_id_alive(&id));
	assert_int_equal(bo_pidfd_wait_exit(pidfd, BO_NSEC_PER_MSEC, NULL), -ETIMEDOUT);
	assert_int_equal(bo_pidfd_kill(pidfd, SIGTERM, NULL), 0);
	assert_int_equal(bo_pidfd_wait_exit(pidfd, 10 * BO_NSEC_PER_SEC, NULL), 0);
	assert_int_equal(kill(pid, 0), 0); /* the zombie is still there */
	assert_false(bo_process_id_alive(&id));
	assert_int_equal(bo_pidfd_reap(pidfd, &status, NULL), 0);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	assert_false(bo_process_id_alive(&id));
	assert_int_equal(bo_pidfd_kill(pidfd, SIGTERM, NULL), 0); /* gone already is fine */
	assert_int_equal(bo_pidfd_open(pid, &pidfd, NULL), -ESRCH);
	close(to_parent[0]);
	close(to_parent[1]);
}

/* A sweep by an ordinary user must not take somebody else's run for dead because /proc does not show it. */
static void one_that_proc_hides_is_alive(void **state)
{
	struct bo_process_id id;
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(bo_process_id_self(&id, NULL), 0);
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("proc", "/proc", "proc", 0, "hidepid=2") < 0 || setgroups(0, NULL) < 0 ||
		    setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
			_exit(77);
		if (access("/proc/1/stat", F_OK) == 0)
			_exit(77);
		_exit(bo_process_id_alive(&id) ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

static void exit_codes_come_as_waitpid_gives_them(void **state)
{
	int pidfd = -1, status = 0;
	pid_t pid = bo_process_clone(0, &pidfd, NULL);

	(void)state;
	if (pid == 0)
		_exit(42);
	assert_int_equal(bo_pidfd_reap(pidfd, &status, NULL), 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 42);
	close(pidfd);
}

static void a_clean_slate(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		sigset_t all, now;
		struct sigaction sa;
		int high = fcntl(0, F_DUPFD, 100);

		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, NULL);
		signal(SIGPIPE, SIG_IGN);
		bo_signals_default();
		sigprocmask(SIG_SETMASK, NULL, &now);
		sigaction(SIGPIPE, NULL, &sa);
		bo_fds_close_from(50);
		_exit(sigismember(&now, SIGTERM) || sa.sa_handler != SIG_DFL ||
		      fcntl(high, F_GETFD) >= 0 || fcntl(1, F_GETFD) < 0);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

/** slice_ns() - of this thread, as sched_getattr(2) says it; 0 before Linux 6.12 */
static uint64_t slice_ns(void)
{
	uint64_t attr[6] = { 0 }; /* struct sched_attr: the fourth is sched_runtime */

	assert_int_equal(syscall(SYS_sched_getattr, 0, attr, sizeof(attr), 0), 0);
	return attr[3];
}

static void a_short_slice(void **state)
{
	const struct sched_param none = { 0 };
	uint64_t before = slice_ns();
	int status;
	pid_t pid;

	(void)state;
	if (!before)
		skip();
	pid = fork();
	if (pid == 0) {
		bool ok;

		bo_thread_slice(123000);
		ok = slice_ns() == 123000 && sched_getscheduler(0) == SCHED_OTHER;
		/* It outlives a change of policy. */
		ok = ok && sched_setscheduler(0, SCHED_BATCH, &none) == 0 &&
		     sched_setscheduler(0, SCHED_OTHER, &none) == 0 && slice_ns() == 123000;
		_exit(ok ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(slice_ns(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_itself_and_strangers),
		cmocka_unit_test(a_name_full_of_parentheses),
		cmocka_unit_test(a_zombie_is_dead),
		cmocka_unit_test(one_that_proc_hides_is_alive),
		cmocka_unit_test(exit_codes_come_as_waitpid_gives_them),
		cmocka_unit_test(a_clean_slate),
		cmocka_unit_test(a_short_slice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
