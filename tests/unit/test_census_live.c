/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_census_live.c — the census of a live Go process: what it must tell apart, and what may happen to the
 * process meanwhile.  (Counts, groups and stacks against the runtime's own word: tests/census/matrix.c.)
 * Owns: the zoos.  Threads: one.  Privilege: none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/clock.h"
#include "brownout/census.h"
#include "zookit.h"

#define ZOO ZOO_DIR "/zoo"
#define PATIENCE_NS (20 * BO_NSEC_PER_SEC)
#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static struct zoo zoo;
static struct bo_census *census;
static struct bo_census_snapshot snap;
static struct bo_err err;

static int setup(void **state)
{
	(void)state;
	memset(&err, 0, sizeof(err));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bo_census_snapshot_done(&snap);
	bo_census_free(census);
	census = NULL;
	zoo_stop(&zoo);
	return 0;
}

static void attach(const char *path, const char *const *args)
{
	assert_true(zoo_start(&zoo, path, args));
	if (bo_census_attach(&census, zoo.pid, 0, &err))
		fail_msg("%s", err.msg);
}

static void look(unsigned detail)
{
	if (bo_census_snapshot(census, detail, &snap, &err))
		fail_msg("%s", err.msg);
}

static const struct bo_census_group *group_at(const char *blocked)
{
	for (size_t i = 0; i < snap.ngroups; i++)
		if (!strcmp(snap.groups[i].blocked.func, blocked))
			return &snap.groups[i];
	return NULL;
}

static void ask(const char *command)
{
	char answer[64];

	assert_true(zoo_ask(&zoo, command, answer, sizeof(answer)));
	assert_string_equal(answer, "ok");
}

/* Same line, same function, same state, same reason: only that the workers run now and then tells them apart. */
static void test_stuck_or_idle(void **state)
{
	(void)state;
	attach(ZOO, ARGS("-pool", "8", "-leaked", "13"));
	for (int round = 0; round < 100; round++) {
		uint64_t count = 0, unmoved = 0;

		ask("tick");
		look(BO_CENSUS_STACKS | BO_CENSUS_TRACK);
		/* A worker may be on its way back to its channel: then it is in a group of its own. */
		for (size_t i = 0; i < snap.ngroups; i++) {
			if (strcmp(snap.groups[i].created.outer, "main.newPool"))
				continue;
			count += snap.groups[i].count;
			unmoved += snap.groups[i].unmoved;
		}
		assert_int_equal(count, 21);
		assert_int_equal(unmoved, round < BO_CENSUS_UNMOVED_SAMPLES - 1 ? 0 : 13);
		if (round >= BO_CENSUS_UNMOVED_SAMPLES) {
			const struct bo_census_group *g = group_at("main.worker");

			assert_non_null(g);
			assert_int_equal(g->unmoved, 13);
			assert_string_equal(g->reason, "chan receive");
		}
	}
}

static void test_labels_locked_parent(void **state)
{
	const struct bo_census_group *g;

	(void)state;
	attach(ZOO, ARGS("-kinds", "6", "-locked"));
	assert_true(zoo_rest(zoo.pid));
	look(BO_CENSUS_STACKS | BO_CENSUS_LABELS);
	g = group_at("main.eachKind.func7");
	assert_non_null(g);
	assert_string_equal(g->labels, "\"q\":\"a\\\"b\", \"route\":\"/leak\"");
	assert_int_equal(g->count, 6);
	assert_int_equal(g->parent, 1);
	g = NULL;
	for (size_t i = 0; i < snap.ngroups && !g; i++)
		if (snap.groups[i].locked)
			g = &snap.groups[i];
	assert_non_null(g);
	assert_string_equal(g->blocked.func, "main.nothing");
	assert_int_equal(g->locked, 1);
	assert_int_equal(g->count, 1);
}

/* One creation site, one reason, two depths: shapes are merged by where they block. */
static void test_system_apart(void **state)
{
	uint64_t user, groups;

	(void)state;
	attach(ZOO, ARGS("-kinds", "2"));
	assert_true(zoo_rest(zoo.pid));
	look(BO_CENSUS_STACKS);
	user = snap.user;
	groups = snap.ngroups;
	assert_true(snap.system >= 4);
	assert_int_equal(user, zoo_count(&zoo));
	look(BO_CENSUS_STACKS | BO_CENSUS_SYSTEM);
	assert_int_equal(snap.user, user);
	assert_true(snap.ngroups >= groups + 3);
}

/* runtime.isSystemGoroutine: the goroutine that runs finalizers is the runtime's own for NumGoroutine(), also while it runs
 * somebody's code, when debug=2 lists it. */
static void test_finalizer_that_hangs(void **state)
{
	const struct bo_census_group *g = NULL;
	char *dump;

	(void)state;
	attach(ZOO, ARGS("-kinds", "2", "-finalizer"));
	assert_true(zoo_rest(zoo.pid));
	look(BO_CENSUS_STACKS | BO_CENSUS_SYSTEM);
	assert_int_equal(snap.user, zoo_count(&zoo));
	for (size_t i = 0; i < snap.ngroups; i++)
		if (snap.groups[i].system && !strcmp(snap.groups[i].blocked.func, "main.nothing"))
			g = &snap.groups[i];
	assert_non_null(g);
	assert_int_equal(g->count, 1);
	assert_int_equal(strncmp(g->start.func, "runtime.run", 11), 0);
	dump = zoo_stacks(&zoo);
	assert_non_null(dump);
	assert_non_null(strstr(dump, "main.hangFinalizer.func1"));
	free(dump);
	/* Not asked for, it is in no group: those add up to NumGoroutine(). */
	look(BO_CENSUS_STACKS);
	for (size_t i = 0; i < snap.ngroups; i++)
		assert_false(snap.groups[i].system);
}

static void test_growth_is_seen(void **state)
{
	struct bo_census_snapshot before = { 0 };
	struct bo_census_change *changes = NULL;
	int64_t count = 0;
	size_t n = 0;

	(void)state;
	attach(ZOO, ARGS("-kinds", "3"));
	assert_true(zoo_rest(zoo.pid));
	assert_int_equal(bo_census_snapshot(census, BO_CENSUS_STACKS, &before, &err), 0);
	/* More than a chunk, so that allgs moves and grows. */
	ask("spawn 10000");
	/* They were started, and will all wait for the same soon. */
	for (int64_t end = bo_now_ns() + PATIENCE_NS; n == 0 || changes[0].delta != 10000;) {
		assert_true(bo_now_ns() < end);
		free(changes);
		look(BO_CENSUS_STACKS);
		assert_int_equal(bo_census_diff(before.groups, before.ngroups, snap.groups,
						snap.ngroups, &changes, &n, &err),
				 0);
	}
	assert_string_equal(changes[0].after->created.func, "main.obey");
	assert_int_equal(bo_census_count(census, &count, &err), 0);
	assert_int_equal(count, zoo_count(&zoo));
	assert_int_equal(snap.user, (uint64_t)count);
	free(changes);
	bo_census_snapshot_done(&before);
}

static void test_gomaxprocs_changes(void **state)
{
	static const char *const procs[] = { "procs 2", "procs 7", "procs 1", "procs 16" };
	int64_t count = 0;

	(void)state;
	attach(ZOO, ARGS("-kinds", "3", "-ended", "200"));
	for (size_t i = 0; i < sizeof(procs) / sizeof(*procs); i++) {
		ask(procs[i]);
		/* Each p has free g structures on a list of its own. */
		ask("end");
		assert_int_equal(bo_census_count(census, &count, &err), 0);
		assert_int_equal(count, zoo_count(&zoo));
	}
}

static void test_stats(void **state)
{
	struct bo_census_stats s, after;
	unsigned cycles, forced;
	long long pauses, next;
	char answer[128];

	(void)state;
	attach(ZOO, ARGS("-kinds", "3"));
	assert_true(bo_census_info(census)->can_stats);
	ask("gc");
	ask("gc");
	assert_true(zoo_ask(&zoo, "mem", answer, sizeof(answer)));
	assert_int_equal(sscanf(answer, "%u %u %lld", &cycles, &forced, &pauses), 3);
	assert_int_equal(bo_census_stats(census, &s, &err), 0);
	assert_int_equal(s.gc_cycles, cycles);
	assert_int_equal(s.gc_forced, forced);
	assert_int_equal(s.gc_pause_total_ns, pauses);
	assert_true(s.gc_last_pause_ns > 0 && s.gc_last_pause_ns <= pauses);
	assert_true(s.gc_since_ns > 0 && s.gc_since_ns < 60 * BO_NSEC_PER_SEC);
	assert_int_equal(s.gogc, -1);
	assert_int_equal(s.memory_limit_bytes, INT64_MAX);
	assert_true(s.heap_live_bytes > 0 && s.heap_marked_bytes > 0);
	assert_int_equal(s.stw_pending_ns, 0);
	assert_true(s.procs >= 1 && s.threads >= 1 && s.idle_procs <= s.procs);
	assert_int_equal(s.heap_goal_bytes, -1);
	ask("gogc 50");
	ask("gc");
	assert_true(zoo_ask(&zoo, "mem", answer, sizeof(answer)));
	assert_int_equal(sscanf(answer, "%*u %*u %*d %lld", &next), 1);
	assert_int_equal(bo_census_stats(census, &after, &err), 0);
	assert_int_equal(after.gogc, 50);
	assert_int_equal(after.heap_goal_bytes, next);
	assert_int_equal(bo_census_stats(census, &s, &err), 0);
	ask("spawn 1000");
	/* A thousand goroutines became runnable: one in eight is sampled, when it runs. */
	for (int64_t end = bo_now_ns() + PATIENCE_NS; bo_now_ns() < end;) {
		assert_int_equal(bo_census_stats(census, &after, &err), 0);
		assert_true(after.has_sched_latency);
		if (bo_census_latency_quantile_ns(&s, &after, 0.99) > 0)
			break;
	}
	assert_true(bo_census_latency_quantile_ns(&s, &after, 0.99) > 0);
	assert_in_range(after.created - s.created, 1000 - 16, 1000 + 16 * 64);
	assert_int_equal(bo_census_latency_quantile_ns(&after, &after, 0.99), -1);
}

/* runtime/histogram.go: 512 ns in four steps, then four per octave. */
static void test_latency_bounds(void **state)
{
	(void)state;
	assert_int_equal(bo_census_latency_bound_ns(0), 128);
	assert_int_equal(bo_census_latency_bound_ns(3), 512);
	assert_int_equal(bo_census_latency_bound_ns(4), 640);
	assert_int_equal(bo_census_latency_bound_ns(7), 1024);
	assert_int_equal(bo_census_latency_bound_ns(8), 1280);
	assert_int_equal(bo_census_latency_bound_ns(BO_CENSUS_LATENCY_BUCKETS), INT64_MAX);
}

static int connect_to(const char *address)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	const char *colon = strrchr(address, ':');
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_non_null(colon);
	to.sin_port = htons((uint16_t)atoi(colon + 1));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* pprof cannot answer here: it has to stop the world first. */
static void test_wedged(void **state)
{
	static const char request[] = "GET /debug/pprof/goroutine?debug=2 HTTP/1.0\r\n\r\n";
	struct bo_census_stats s = { 0 };
	int64_t deadline = bo_now_ns() + PATIENCE_NS, pending, count;
	struct pollfd answer = { .events = POLLIN };
	const struct bo_census_group *culprit = NULL;

	(void)state;
	setenv("GODEBUG", "asyncpreemptoff=1", 1);
	setenv("GOMAXPROCS", "4", 1); /* somebody else collects, however few processors there are */
	attach(ZOO, ARGS("-kinds", "5", "-wedge", "-http", "127.0.0.1:0"));
	unsetenv("GOMAXPROCS");
	unsetenv("GODEBUG");
	while (s.stw_pending_ns < 20 * BO_NSEC_PER_MSEC && bo_now_ns() < deadline)
		assert_int_equal(bo_census_stats(census, &s, &err), 0);
	assert_true(s.stw_pending_ns >= 20 * BO_NSEC_PER_MSEC);
	answer.fd = connect_to(zoo.address);
	assert_int_equal(write(answer.fd, request, sizeof(request) - 1), sizeof(request) - 1);
	for (int i = 0; i < 100; i++) {
		pending = s.stw_pending_ns;
		look(BO_CENSUS_ALL);
		assert_true(snap.user >= 12 * 5);
		assert_non_null(group_at("main.sendForever"));
		assert_int_equal(bo_census_count(census, &count, &err), 0);
		assert_int_equal(count, snap.user);
		assert_int_equal(bo_census_stats(census, &s, &err), 0);
		assert_true(s.stw_pending_ns > pending);
		/* A while for pprof, which answers within a millisecond when it can. */
		assert_int_equal(poll(&answer, 1, 10), 0);
	}
	for (size_t i = 0; i < snap.ngroups; i++)
		if (!strcmp(snap.groups[i].start.func, "main.wedgeLoop"))
			culprit = &snap.groups[i];
	assert_non_null(culprit);
	assert_int_equal(culprit->state, BO_CENSUS_RUNNING);
	close(answer.fd);
}

static void test_stopped_by_signal(void **state)
{
	int64_t want, count = 0;
	int status;

	(void)state;
	attach(ZOO, ARGS("-kinds", "5"));
	want = zoo_count(&zoo);
	kill(zoo.pid, SIGSTOP);
	assert_int_equal(waitpid(zoo.pid, &status, WUNTRACED), zoo.pid);
	assert_int_equal(bo_census_count(census, &count, &err), 0);
	assert_int_equal(count, want);
	look(BO_CENSUS_ALL);
	assert_int_equal(snap.user, (uint64_t)want);
	kill(zoo.pid, SIGCONT);
	assert_int_equal(zoo_count(&zoo), want);
}

static void test_gone(void **state)
{
	int64_t count;

	(void)state;
	attach(ZOO, ARGS("-kinds", "2"));
	kill(zoo.pid, SIGKILL);
	waitpid(zoo.pid, NULL, 0);
	assert_int_equal(bo_census_count(census, &count, &err), -ESRCH);
	assert_non_null(strstr(err.msg, "is gone"));
	assert_int_equal(bo_census_snapshot(census, BO_CENSUS_ALL, &snap, &err), -ESRCH);
	zoo.pid = 0;
}

static struct bo_census_source by_descriptors(pid_t pid)
{
	struct bo_census_source s = { .pid = pid };
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	s.mem_fd = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	s.exe_fd = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	s.auxv_fd = open(path, O_RDONLY | O_CLOEXEC);
	return s;
}

/* As the sampler gets them from somebody with the privilege; position-independent and stripped at that. */
static void test_by_descriptors(void **state)
{
	struct bo_census_source source;
	int64_t count = 0;

	(void)state;
	assert_true(zoo_start(&zoo, ZOO_DIR "/zoo-pie-stripped", ARGS("-kinds", "4")));
	source = by_descriptors(zoo.pid);
	assert_int_equal(bo_census_attach_source(&census, &source, 0, &err), 0);
	/* They are the handle's now. */
	assert_int_equal(fcntl(source.exe_fd, F_GETFD), -1);
	assert_int_equal(fcntl(source.auxv_fd, F_GETFD), -1);
	assert_int_equal(bo_census_count(census, &count, &err), 0);
	assert_int_equal(count, zoo_count(&zoo));
	look(BO_CENSUS_ALL);
	assert_int_equal(snap.user, (uint64_t)count);
	assert_int_not_equal(bo_census_info(census)->load_bias, 0);
	kill(zoo.pid, SIGKILL);
	waitpid(zoo.pid, NULL, 0);
	zoo.pid = 0;
	assert_int_equal(bo_census_count(census, &count, &err), -ESRCH);
	bo_census_free(census);
	census = NULL;
	assert_int_equal(fcntl(source.mem_fd, F_GETFD), -1);
}

/* The pid runs another program now: yesterday's addresses mean nothing in it. */
static void test_became_another_program(void **state)
{
	int64_t count, deadline = bo_now_ns() + PATIENCE_NS;
	int r = 0;

	(void)state;
	attach(ZOO, ARGS("-kinds", "2"));
	assert_true(fprintf(zoo.to, "exec\n") > 0 && !fflush(zoo.to));
	/* In the midst of exec(2) there is no memory at all: then it is gone, which is as true. */
	while (r != -ESTALE && bo_now_ns() < deadline) {
		r = bo_census_count(census, &count, &err);
		assert_true(!r || r == -ESRCH || r == -ESTALE);
	}
	assert_int_equal(r, -ESTALE);
	assert_non_null(strstr(err.msg, "another program"));
	assert_int_equal(bo_census_snapshot(census, BO_CENSUS_ALL, &snap, &err), -ESTALE);
	bo_census_free(census);
	census = NULL;
	assert_int_equal(bo_census_attach(&census, zoo.pid, 0, &err), -ENOEXEC);
	assert_non_null(strstr(err.msg, "not a Go program"));
}

/* With one kind only, the first goroutine of a look is like the last one of the look before. */
static void test_one_kind(void **state)
{
	(void)state;
	attach(ZOO, ARGS("-pool", "0"));
	for (int i = 0; i < 3; i++) {
		look(BO_CENSUS_STACKS);
		assert_int_equal(snap.ngroups, 1);
		assert_int_equal(snap.groups[0].count, 1);
	}
}

/* A long look gives the CPU back in between, to whoever waits for it. */
static void test_gives_way(void **state)
{
	struct rusage before, after;

	(void)state;
	attach(ZOO, ARGS("-bulk", "40000"));
	getrusage(RUSAGE_THREAD, &before);
	for (int i = 0; i < 3; i++)
		look(BO_CENSUS_ALL);
	getrusage(RUSAGE_THREAD, &after);
	assert_int_equal(snap.user, 40001);
	assert_true(after.ru_nvcsw - before.ru_nvcsw >= 3);
}

/* In a steady state nothing is allocated, whatever is asked for. */
static void test_no_allocation(void **state)
{
	struct bo_census_stats stats;
	struct mallinfo2 before, after;
	int64_t count;

	(void)state;
	attach(ZOO, ARGS("-kinds", "300", "-pool", "3"));
	for (int i = 0; i < 3; i++)
		look(BO_CENSUS_ALL);
	before = mallinfo2();
	for (int i = 0; i < 200; i++) {
		look(BO_CENSUS_ALL);
		assert_int_equal(bo_census_count(census, &count, &err), 0);
		assert_int_equal(bo_census_stats(census, &stats, &err), 0);
	}
	after = mallinfo2();
	assert_int_equal(after.uordblks, before.uordblks);
	assert_int_equal(after.hblkhd, before.hblkhd);
}

/* Where goroutines come and go without end, no count is ever the walk's; the formula is right all the same. */
static void test_churn_does_not_hide_the_count(void **state)
{
	(void)state;
	attach(ZOO, ARGS("-kinds", "5", "-churn", "2", "-quiet=false"));
	for (int i = 0; i < 60; i++) {
		bo_census_free(census);
		census = NULL;
		assert_int_equal(bo_census_attach(&census, zoo.pid, 0, &err), 0);
		assert_true(bo_census_info(census)->can_count);
	}
}

static int unreadable; /* so many counts that fail, as with a table that keeps changing */

int __real_bo_census_count(struct bo_census *c, int64_t *ret, struct bo_err *e);
int __wrap_bo_census_count(struct bo_census *c, int64_t *ret, struct bo_err *e);

int __wrap_bo_census_count(struct bo_census *c, int64_t *ret, struct bo_err *e)
{
	if (unreadable > 0 && unreadable--)
		return -EAGAIN;
	return __real_bo_census_count(c, ret, e);
}

static void test_what_moves_is_counted_again(void **state)
{
	(void)state;
	unreadable = 7;
	attach(ZOO, ARGS("-kinds", "5"));
	assert_int_equal(unreadable, 0);
	assert_true(bo_census_info(census)->can_count);
}

int main(void)
{
#define LIVE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		LIVE(test_stuck_or_idle),
		LIVE(test_labels_locked_parent),
		LIVE(test_system_apart),
		LIVE(test_growth_is_seen),
		LIVE(test_gomaxprocs_changes),
		LIVE(test_stats),
		LIVE(test_latency_bounds),
		LIVE(test_wedged),
		LIVE(test_stopped_by_signal),
		LIVE(test_gone),
		LIVE(test_by_descriptors),
		LIVE(test_became_another_program),
		LIVE(test_no_allocation),
		LIVE(test_churn_does_not_hide_the_count),
		LIVE(test_what_moves_is_counted_again),
		LIVE(test_finalizer_that_hangs),
		LIVE(test_gives_way),
		LIVE(test_one_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
