/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_probe_proc.c — RSS and CPU of a process tree: a child that allocates and
 * burns, and its own child.
 * Owns: the children.  Threads: the sampler's.  Privilege: none. */
#include "sampler_kit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe/probe-internal.h"

#define MIB (1024.0 * 1024.0)

static void test_stat_line(void **state)
{
	static const char line[] =
		"4242 (a) S (b) R 1 4242 4242 0 -1 4194560 100 200 3 4 50 60 7 8 20 0 9 0 123456 "
		"1000000 500 18446744073709551615 1 1 0 0 0\n";
	struct bo_proc_stat st;
	int64_t pages;

	(void)state;
	assert_int_equal(bo_proc_parse_stat(line, &st), 0);
	assert_int_equal(st.state, 'R');
	assert_int_equal(st.cpu_ticks, 50 + 60 + 7 + 8);
	assert_int_equal(st.threads, 9);
	assert_int_equal(st.start_ticks, 123456);
	assert_int_equal(bo_proc_parse_stat("4242 (a", &st), -EBADMSG);
	assert_int_equal(bo_proc_parse_stat("4242 (a) S 1 2 3", &st), -EBADMSG);
	assert_int_equal(bo_proc_parse_stat("", &st), -EBADMSG);
	assert_int_equal(bo_proc_parse_statm("1000 345 100 1 0 50 0\n", &pages), 0);
	assert_int_equal(pages, 345);
	assert_int_equal(bo_proc_parse_statm("1000\n", &pages), -EBADMSG);
}

enum { BURN = 1, GRANDCHILD = 2 };

static void hold_memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		_exit(1);
	memset(p, 1, bytes);
}

/* A process tree that holds @bytes per process; it is killed by the test, and dies with the
 * test. */
static pid_t spawn(size_t bytes, int deeds)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	if (deeds & GRANDCHILD && fork() == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	hold_memory(bytes);
	for (;;) {
		if (!(deeds & BURN))
			pause();
	}
}

static void reap(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static int64_t cpu_of(pid_t pid)
{
	struct timespec ts;
	clockid_t clock;

	assert_int_equal(clock_getcpuclockid(pid, &clock), 0);
	assert_int_equal(clock_gettime(clock, &ts), 0);
	return (int64_t)ts.tv_sec * BO_NSEC_PER_SEC + ts.tv_nsec;
}

/** wait_share() - until the newest value, of half a second, is near what the kernel's own clock says of that half second */
static void wait_share(struct kit *k, int node, pid_t pid)
{
	int64_t deadline_ns = bo_now_ns() + KIT_PATIENCE_NS;
	double share, value;

	do {
		int64_t from_ns = bo_now_ns(), burnt_ns = -cpu_of(pid);

		poll(NULL, 0, 500);
		burnt_ns += cpu_of(pid);
		share = (double)burnt_ns / (double)(bo_now_ns() - from_ns);
		value = bo_sampler_latest(k->sampler, BO_SERIES_CPU, node);
		if (bo_now_ns() > deadline_ns)
			fail_msg("CPU is %g, and it got %g", value, share);
	} while (share == 0 || !(value > 0.7 * share && value < 1.4 * share));
}

static void test_rss_and_cpu_of_a_busy_child(void **state)
{
	struct kit *k = kit_new();
	int node = kit_node(k, "orders", BO_ROLE_SUBJECT);
	pid_t pid = spawn((size_t)(64 * MIB), BURN);

	(void)state;
	kit_sampler(k);
	bo_sampler_set_pid(k->sampler, node, pid);
	kit_start(k);
	assert_true(kit_wait(k, BO_SERIES_RSS, node, kit_above, 64 * MIB) < 256 * MIB);
	/* How much CPU it gets is the machine's affair; that it is seen to burn what it gets is not. */
	wait_share(k, node, pid);
	bo_sampler_stop(k->sampler);
	/* One thread, ticks of 10 ms over windows that begin with 20 ms. */
	bo_vec_foreach(s, &kit_series(k, BO_SERIES_CPU, node)->samples)
		assert_true(s->value >= 0 && s->value < 3.0);
	assert_string_equal(kit_series(k, BO_SERIES_RSS, node)->unit, "bytes");
	reap(pid);
	kit_free(k);
}

static void test_idle_child_uses_no_cpu(void **state)
{
	struct kit *k = kit_new();
	int node = kit_node(k, "orders", BO_ROLE_SUBJECT);
	pid_t pid = spawn((size_t)MIB, 0);

	(void)state;
	kit_sampler(k);
	bo_sampler_set_pid(k->sampler, node, pid);
	kit_start(k);
	kit_wait(k, BO_SERIES_CPU, node, kit_equal, 0);
	bo_sampler_stop(k->sampler);
	reap(pid);
	kit_free(k);
}

static void test_descendants_count(void **state)
{
	struct kit *k = kit_new();
	int node = kit_node(k, "orders", BO_ROLE_SUBJECT);
	pid_t pid = spawn((size_t)(40 * MIB), GRANDCHILD);

	(void)state;
	kit_sampler(k);
	bo_sampler_set_pid(k->sampler, node, pid);
	kit_start(k);
	if (access("/proc/thread-self/children", F_OK) == 0)
		kit_wait(k, BO_SERIES_RSS, node, kit_above, 80 * MIB);
	else
		kit_wait(k, BO_SERIES_RSS, node, kit_above, 40 * MIB);
	bo_sampler_stop(k->sampler);
	reap(pid);
	kit_free(k);
}

static void test_dead_process_is_a_gap(void **state)
{
	struct kit *k = kit_new();
	int node = kit_node(k, "orders", BO_ROLE_SUBJECT);
	pid_t pid = spawn((size_t)MIB, 0);
	const struct bo_series *rss;

	(void)state;
	kit_sampler(k);
	kit_start(k);
	bo_sampler_set_pid(k->sampler, node, pid);
	kit_wait(k, BO_SERIES_RSS, node, kit_any, 0);
	/* Nobody has waited for it, and nobody has told the sampler: a zombie is down all the
	 * same. */
	kill(pid, SIGKILL);
	kit_wait(k, BO_SERIES_RSS, node, kit_none, 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	bo_sampler_set_pid(k->sampler, node, 0);
	pid = spawn((size_t)MIB, 0);
	bo_sampler_set_pid(k->sampler, node, pid);
	kit_wait(k, BO_SERIES_RSS, node, kit_any, 0);
	kit_wait(k, BO_SERIES_CPU, node, kit_any, 0);
	bo_sampler_stop(k->sampler);
	reap(pid);

	rss = kit_series(k, BO_SERIES_RSS, node);
	assert_true(kit_gaps(rss) >= 1);
	bo_vec_foreach(gap, &rss->gaps) {
		if (!kit_is_held_up(gap))
			assert_string_equal(gap->reason, "process is down");
		assert_true(gap->from_ns < gap->to_ns);
		bo_vec_foreach(s, &rss->samples)
			assert_false(s->t_ns > gap->from_ns && s->t_ns < gap->to_ns);
	}
	kit_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stat_line),
		cmocka_unit_test(test_rss_and_cpu_of_a_busy_child),
		cmocka_unit_test(test_idle_child_uses_no_cpu),
		cmocka_unit_test(test_descendants_count),
		cmocka_unit_test(test_dead_process_is_a_gap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
