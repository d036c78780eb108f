/* SPDX-License-Identifier: Apache-2.0 */
/* The census as a sampler, against a live Go program: counts, groups that were asked for, a restart, a process that is
 * stopped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/strbuf.h"
#include "brownout/census.h"
#include "brownout/probe/gotree.h"
#include "census_sampler_kit.h"

/* What the observer was shown last; the lock, because it is called on a thread of its own. */
struct seen {
	pthread_mutex_t lock;
	struct bo_strbuf whys;
	uint64_t total, older_1s, stuck, in_groups;
	bool has_census;
	bool has_bulk;
};

static void taken(void *self, const struct bo_sampler_taken *t)
{
	struct seen *seen = self;

	pthread_mutex_lock(&seen->lock);
	bo_strbuf_printf(&seen->whys, "%s ", t->why);
	seen->total = t->snapshot->total;
	seen->has_census = t->census && t->full;
	seen->older_1s = seen->stuck = seen->in_groups = 0;
	seen->has_bulk = false;
	for (size_t i = 0; i < t->snapshot->ngroups; i++) {
		const struct bo_group *g = &t->snapshot->groups[i];

		seen->older_1s += g->older[0];
		seen->stuck += g->stuck;
		seen->in_groups += g->count;
		seen->has_bulk |= !strncmp(g->site, "main.", 5) && g->count == 300;
	}
	pthread_mutex_unlock(&seen->lock);
}

static int begin(struct kit *k, const struct zoo *zoo, const struct bo_sampler_observer *observer)
{
	int node = kit_node(k, "orders", BO_ROLE_SUBJECT);

	kit_spec(k, node)->probe.interval_ns = 0;
	kit_sampler(k);
	bo_sampler_set_pid(k->sampler, node, zoo->pid);
	kit_detect(k);
	if (observer)
		bo_sampler_observe(k->sampler, observer);
	kit_start(k);
	return node;
}

/* Ask until the observer has seen what is wanted. */
static void ask_until(struct kit *k, int node, struct seen *seen,
		      bool (*good)(const struct seen *seen))
{
	int64_t deadline_ns = bo_now_ns() + KIT_PATIENCE_NS;
	bool ok = false;

	while (!ok) {
		assert_true(bo_now_ns() < deadline_ns);
		bo_sampler_snapshot(k->sampler, node, "hold");
		poll(NULL, 0, 20);
		pthread_mutex_lock(&seen->lock);
		ok = good(seen);
		pthread_mutex_unlock(&seen->lock);
	}
}

static bool is_stuck(const struct seen *seen)
{
	return seen->stuck >= 300;
}

static bool is_old(const struct seen *seen)
{
	return seen->older_1s >= 300;
}

static void test_counts_and_groups(void **state)
{
	static const char *const args[] = { "-bulk", "300", NULL };
	struct seen seen = { .lock = PTHREAD_MUTEX_INITIALIZER };
	const struct bo_sampler_observer observer = { &seen, taken };
	struct zoo zoo = start(args);
	struct kit *k = kit_new();
	int node = begin(k, &zoo, &observer);
	const struct bo_series *s;
	size_t ordinary = 0;

	(void)state;
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_equal, (double)zoo_count(&zoo));
	ask_until(k, node, &seen, is_stuck);
	ask_until(k, node, &seen, is_old);
	assert_true(seen.has_census);
	assert_true(seen.has_bulk);
	assert_int_equal(seen.total, zoo_count(&zoo));
	assert_int_equal(seen.in_groups, seen.total);
	kit_wait(k, BO_SERIES_HEAP_LIVE, node, kit_above, 0);
	/* The last one that is asked for is still taken. */
	bo_sampler_snapshot(k->sampler, node, "settle");
	bo_sampler_stop(k->sampler);
	assert_non_null(strstr(bo_strbuf_str(&seen.whys), "settle"));
	s = kit_series(k, BO_SERIES_GOROUTINES, node);
	assert_int_equal(strncmp(s->source, "census symtab+dwarf, go1.", 25), 0);
	assert_int_equal(kit_gaps(s), 0);
	bo_vec_foreach(it, &s->samples)
		assert_float_equal(it->value, (double)seen.total, 0);
	/* Every 10 ms: on a noisy machine not always, but most of the time. */
	for (size_t i = 1; i < s->samples.len; i++)
		ordinary += s->samples.items[i].t_ns - s->samples.items[i - 1].t_ns <
			    15 * BO_NSEC_PER_MSEC;
	assert_true(ordinary * 2 > s->samples.len);
	assert_null(strstr(bo_strbuf_str(&seen.whys), "null"));
	assert_true(k->run->snapshots.len >= 3);
	assert_int_equal(
		strncmp(k->run->snapshots.items[0].source, "census symtab+dwarf, go1.", 25), 0);
	for (size_t i = 1; i < k->run->snapshots.len; i++) {
		assert_true(k->run->snapshots.items[i - 1].t_ns < k->run->snapshots.items[i].t_ns);
		assert_ptr_equal(k->run->snapshots.items[i].source,
				 k->run->snapshots.items[0].source);
	}
	bo_strbuf_done(&seen.whys);
	/* The groups outlive the sampler. */
	bo_sampler_free(k->sampler);
	k->sampler = NULL;
	assert_int_equal(k->run->snapshots.items[0].groups[0].count, 300);
	assert_int_equal(strncmp(k->run->snapshots.items[0].groups[0].site, "main.", 5), 0);
	kit_free(k);
	zoo_stop(&zoo);
}

static void test_a_stopped_process_is_read_all_the_same(void **state)
{
	static const char *const args[] = { "-bulk", "300", NULL };
	struct seen seen = { .lock = PTHREAD_MUTEX_INITIALIZER };
	const struct bo_sampler_observer observer = { &seen, taken };
	struct zoo zoo = start(args);
	struct kit *k = kit_new();
	int node = begin(k, &zoo, &observer);

	(void)state;
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_any, 0);
	assert_int_equal(kill(zoo.pid, SIGSTOP), 0);
	ask_until(k, node, &seen, is_old);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_above, 300);
	assert_int_equal(kill(zoo.pid, SIGCONT), 0);
	bo_sampler_stop(k->sampler);
	assert_int_equal(kit_gaps(kit_series(k, BO_SERIES_GOROUTINES, node)), 0);
	bo_strbuf_done(&seen.whys);
	kit_free(k);
	zoo_stop(&zoo);
}

/* A goroutine that never yields while a collection wants to stop the world: the service answers nobody any more. */
static void test_a_wedged_process_is_read_all_the_same(void **state)
{
	static const char *const args[] = { "-bulk", "300", "-wedge", NULL };
	struct seen seen = { .lock = PTHREAD_MUTEX_INITIALIZER };
	const struct bo_sampler_observer observer = { &seen, taken };
	const struct bo_series *s;
	struct zoo zoo;
	struct kit *k;
	int node;

	(void)state;
	setenv("GODEBUG", "asyncpreemptoff=1", 1);
	setenv("GOMAXPROCS", "4", 1); /* somebody else collects, however few processors there are */
	zoo = start(args);
	unsetenv("GOMAXPROCS");
	unsetenv("GODEBUG");
	k = kit_new();
	node = begin(k, &zoo, &observer);
	kit_wait(k, BO_SERIES_SCHED_STW, node, kit_above, 300.0 * BO_NSEC_PER_MSEC);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_above, 300);
	ask_until(k, node, &seen, is_stuck);
	bo_sampler_stop(k->sampler);
	assert_int_equal(kit_gaps(kit_series(k, BO_SERIES_GOROUTINES, node)), 0);
	s = kit_series(k, BO_SERIES_SCHED_STW, node);
	assert_int_equal(kit_gaps(s), 0);
	for (size_t i = 1; i < s->samples.len; i++)
		assert_true(s->samples.items[i].value > s->samples.items[i - 1].value ||
			    s->samples.items[i].value <= 0);
	bo_strbuf_done(&seen.whys);
	kit_free(k);
	zoo_stop(&zoo);
}

static void test_a_restart_is_followed(void **state)
{
	static const char *const few[] = { "-bulk", "20", NULL }, *const many[] = { "-bulk", "300",
										    NULL };
	struct zoo zoo = start(few);
	struct kit *k = kit_new();
	int node = begin(k, &zoo, NULL);
	const struct bo_series *s;

	(void)state;
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_above, 19);
	zoo_stop(&zoo);
	/* Nobody has said so yet, and what is counted is gone. */
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_none, 0);
	bo_sampler_set_pid(k->sampler, node, 0);
	bo_sampler_snapshot(k->sampler, node, "hold");
	zoo = start(many);
	bo_sampler_set_pid(k->sampler, node, zoo.pid);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_equal, (double)zoo_count(&zoo));
	kit_wait(k, BO_SERIES_HEAP_LIVE, node, kit_above, 0);
	bo_sampler_stop(k->sampler);
	s = kit_series(k, BO_SERIES_GOROUTINES, node);
	assert_true(kit_gaps(s) >= 1);
	assert_int_equal(s->samples.items[s->samples.len - 1].value, zoo_count(&zoo));
	kit_free(k);
	zoo_stop(&zoo);
}

static bool is_there(const struct seen *seen)
{
	return seen->total > 0;
}

static bool is_bulk(const struct seen *seen)
{
	return seen->has_bulk && seen->stuck >= 300;
}

/* The one before lives on, as a parent that has handed over does; it is not looked at any more. */
static void test_another_process_at_once(void **state)
{
	static const char *const few[] = { "-bulk", "20", NULL }, *const many[] = { "-bulk", "300",
										    NULL };
	struct seen seen = { .lock = PTHREAD_MUTEX_INITIALIZER };
	const struct bo_sampler_observer observer = { &seen, taken };
	struct zoo old = start(few), new = start(many);
	struct kit *k = kit_new();
	int node = begin(k, &old, &observer);

	(void)state;
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_equal, (double)zoo_count(&old));
	ask_until(k, node, &seen, is_there);
	bo_sampler_set_pid(k->sampler, node, new.pid);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_equal, (double)zoo_count(&new));
	ask_until(k, node, &seen, is_bulk);
	bo_sampler_stop(k->sampler);
	bo_strbuf_done(&seen.whys);
	kit_free(k);
	zoo_stop(&old);
	zoo_stop(&new);
}

/* The same process, and nobody says that it is another program now. */
static void test_a_program_that_becomes_another(void **state)
{
	struct seen seen = { .lock = PTHREAD_MUTEX_INITIALIZER };
	const struct bo_sampler_observer observer = { &seen, taken };
	struct zoo zoo = start(NULL);
	struct kit *k = kit_new();
	int node = begin(k, &zoo, &observer);
	char ready[64];

	(void)state;
	/* Both threads have a handle. */
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_any, 0);
	ask_until(k, node, &seen, is_there);
	assert_true(zoo_ask(&zoo, "again", ready, sizeof(ready)));
	assert_non_null(strstr(ready, "ready"));
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_equal, (double)zoo_count(&zoo));
	ask_until(k, node, &seen, is_bulk);
	bo_sampler_stop(k->sampler);
	bo_strbuf_done(&seen.whys);
	kit_free(k);
	zoo_stop(&zoo);
}

/* A port that nobody has. */
static int free_port(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&in, len) == 0 &&
		    getsockname(fd, (struct sockaddr *)&in, &len) == 0);
	close(fd);
	return ntohs(in.sin_port);
}

/* The child of a supervisor, itself Go, is counted; when it ends, the next one, and never the supervisor. */
static void test_a_supervised_child_is_followed(void **state)
{
	int port = free_port();
	char address[32];
	const char *const args[] = { "-supervise", "-bulk", "300", "-http", address, NULL };
	struct bo_gochoice first, second;
	struct kit *k = kit_new();
	int node = kit_node(k, "orders", BO_ROLE_SUBJECT);
	const struct bo_series *s;
	struct zoo zoo;
	char said[128];

	(void)state;
	snprintf(address, sizeof(address), "127.0.0.1:%d", port);
	zoo = start(args);
	kit_spec(k, node)->probe.interval_ns = 0;
	kit_spec(k, node)->ready.kind = BO_READY_TCP;
	kit_spec(k, node)->ready.port = port;
	kit_sampler(k);
	bo_sampler_set_pid(k->sampler, node, zoo.pid);
	kit_detect(k);
	snprintf(said, sizeof(said), "below zoo (pid %d): of 2 Go programs the one that listens",
		 zoo.pid);
	assert_non_null(find_event(k, BO_EVENT_NOTE, said));
	kit_start(k);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_above, 300);
	bo_gotree_choose(zoo.pid, port, NULL, &first);
	assert_true(first.wrapped);
	assert_int_equal(kill(first.pid, SIGKILL), 0);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_none, 0);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_above, 300);
	bo_gotree_choose(zoo.pid, port, NULL, &second);
	bo_sampler_stop(k->sampler);
	assert_int_not_equal(first.pid, second.pid);
	snprintf(said, sizeof(said), "orders: goroutines of zoo (pid %d) below", second.pid);
	assert_non_null(find_event(k, BO_EVENT_NOTE, said));
	s = kit_series(k, BO_SERIES_GOROUTINES, node);
	bo_vec_foreach(it, &s->samples)
		assert_true(it->value > 300);
	kit_free(k);
	zoo_stop(&zoo);
}

/* A node that runs another program now: the one that was read before is waited for, but not for ever. */
static void test_another_program_is_taken_in_the_end(void **state)
{
	static const char *const few[] = { "-bulk", "20", NULL }, *const wrapped[] = {
		"-c", "\"$0\" -bulk 300; true", ZOO, NULL
	};
	struct zoo zoo = start(few), other;
	struct kit *k = kit_new();
	int node = begin(k, &zoo, NULL);
	int64_t began_ns;

	(void)state;
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_above, 19);
	if (!zoo_start(&other, "/bin/sh", wrapped))
		fail_msg("the zoo did not start");
	began_ns = bo_now_ns();
	bo_sampler_set_pid(k->sampler, node, other.pid);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_above, 299);
	assert_true(bo_now_ns() - began_ns > 4 * BO_NSEC_PER_SEC);
	bo_sampler_stop(k->sampler);
	assert_true(kit_has_gap(kit_series(k, BO_SERIES_GOROUTINES, node),
				"waiting for zoo to run again"));
	kit_free(k);
	zoo_stop(&zoo);
	zoo_stop(&other);
}

struct handed {
	atomic_int asked;
	pid_t pid;
	int refuse;
};

static int hand(void *self, int node, pid_t pid, struct bo_census_source *ret, struct bo_err *err)
{
	struct handed *h = self;
	char path[64];

	atomic_fetch_add(&h->asked, 1);
	assert_int_equal(node, 1); /* 0 is the client */
	if (h->refuse)
		return bo_err_set(err, h->refuse, BO_SUBSYS_LAB, "process %d is not of node orders",
				  pid);
	assert_int_equal(pid, h->pid);
	*ret = (struct bo_census_source){ .pid = pid };
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	ret->mem_fd = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	ret->exe_fd = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	ret->auxv_fd = open(path, O_RDONLY | O_CLOEXEC);
	return 0;
}

/* This thread, and those that it starts, without CAP_SYS_PTRACE; permitted it remains. */
static void ptrace_cap(bool on)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	assert_int_equal(syscall(SYS_capget, &head, data), 0);
	if (on)
		data[0].effective |= data[0].permitted & (1u << CAP_SYS_PTRACE);
	else
		data[0].effective &= ~(1u << CAP_SYS_PTRACE);
	assert_int_equal(syscall(SYS_capset, &head, data), 0);
}

/* As the keeper does it: with the capability, on whichever thread. */
static int hand_privileged(void *self, int node, pid_t pid, struct bo_census_source *ret,
			   struct bo_err *err)
{
	int r;

	ptrace_cap(true);
	r = hand(self, node, pid, ret, err);
	ptrace_cap(false);
	return r;
}

/* A process that is not dumpable is read through descriptors that somebody else opens. */
static void test_descriptors_are_handed_over(void **state)
{
	static const char *const args[] = { "-bulk", "300", "-undumpable", NULL };
	struct zoo zoo = start(args);
	struct handed h = { .pid = zoo.pid };
	const struct bo_sampler_opener opener = { &h, hand_privileged };
	struct seen seen = { .lock = PTHREAD_MUTEX_INITIALIZER };
	const struct bo_sampler_observer observer = { &seen, taken };
	struct kit *k = kit_new();
	int node = kit_node(k, "orders", BO_ROLE_SUBJECT);

	(void)state;
	ptrace_cap(false);
	kit_spec(k, node)->probe.interval_ns = 0;
	kit_sampler(k);
	bo_sampler_set_pid(k->sampler, node, zoo.pid);
	/* Nobody to ask; somebody who refuses; somebody who does not. */
	kit_detect(k);
	assert_non_null(
		find_event(k, BO_EVENT_NOTE, "goroutines are not counted (census: no permission"));
	h.refuse = EPERM;
	bo_sampler_set_opener(k->sampler, &opener);
	kit_detect(k);
	assert_non_null(find_event(k, BO_EVENT_NOTE, "nor has the keeper: process "));
	h.refuse = 0;
	kit_detect(k);
	assert_non_null(find_event(k, BO_EVENT_NOTE, "; its memory was opened by the keeper"));
	bo_sampler_observe(k->sampler, &observer);
	kit_start(k);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_above, 300);
	ask_until(k, node, &seen, is_stuck);
	ptrace_cap(true);
	bo_sampler_stop(k->sampler);
	assert_true(seen.has_census);
	/* Executable and memory at detection, then a handle each for counting and for walking. */
	assert_true(atomic_load(&h.asked) >= 6);
	bo_strbuf_done(&seen.whys);
	kit_free(k);
	zoo_stop(&zoo);
}

/* A process that has only just been started is not yet the program that it will be. */
static void test_a_program_that_is_yet_to_come(void **state)
{
	struct zoo zoo = start(NULL);
	struct kit *k = kit_new();
	int node = begin(k, &zoo, NULL), in[2], null = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t pid;

	(void)state;
	assert_true(null >= 0 && pipe2(in, O_CLOEXEC) == 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		char go;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (read(in[0], &go, 1) == 1 && dup2(in[0], 0) == 0 && dup2(null, 1) == 1)
			execl(ZOO, ZOO, "-bulk", "300", (char *)NULL);
		_exit(127);
	}
	bo_sampler_set_pid(k->sampler, node, pid);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_none, 0);
	/* Time for some attempts in vain; without any this test would say little, and pass. */
	for (int i = 0; i < 100; i++)
		poll(NULL, 0, 10);
	assert_int_equal(write(in[1], "x", 1), 1);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_above, 300);
	bo_sampler_stop(k->sampler);
	assert_true(kit_gaps(kit_series(k, BO_SERIES_GOROUTINES, node)) >= 1);
	kit_free(k);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(in[0]);
	close(in[1]);
	close(null);
	zoo_stop(&zoo);
}

static int not_yet; /* so many attempts fail, as on a program that is still at its beginning */
static int not_yet_code = EBADMSG;

int __real_bo_census_attach(struct bo_census **ret, pid_t pid, unsigned flags, struct bo_err *err);
int __wrap_bo_census_attach(struct bo_census **ret, pid_t pid, unsigned flags, struct bo_err *err);

int __wrap_bo_census_attach(struct bo_census **ret, pid_t pid, unsigned flags, struct bo_err *err)
{
	if (not_yet > 0 && not_yet--)
		return bo_err_set(err, not_yet_code, BO_SUBSYS_PROBE, "too early");
	return __real_bo_census_attach(ret, pid, flags, err);
}

static void test_a_program_at_its_beginning_is_asked_again(void **state)
{
	struct zoo zoo = start(NULL);
	struct kit *k = kit_new();
	int node;

	(void)state;
	not_yet = 4;
	node = begin(k, &zoo, NULL);
	assert_int_equal(not_yet, 0);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_any, 0);
	kit_free(k);
	zoo_stop(&zoo);
}

static void test_what_cannot_be_counted_is_asked_once(void **state)
{
	struct zoo zoo = start(NULL);
	struct kit *k = kit_new();

	(void)state;
	not_yet = 2;
	not_yet_code = ENOTSUP;
	(void)begin(k, &zoo, NULL);
	assert_int_equal(not_yet, 1);
	not_yet = 0;
	not_yet_code = EBADMSG;
	kit_free(k);
	zoo_stop(&zoo);
}

/* A sampler whose process has ended, which it has been told of. */
static struct kit *bereaved(int *ret_node)
{
	struct zoo zoo = start(NULL);
	struct kit *k = kit_new();

	*ret_node = begin(k, &zoo, NULL);
	kit_wait(k, BO_SERIES_GOROUTINES, *ret_node, kit_any, 0);
	zoo_stop(&zoo);
	kit_wait(k, BO_SERIES_GOROUTINES, *ret_node, kit_none, 0);
	bo_sampler_set_pid(k->sampler, *ret_node, 0);
	return k;
}

static const struct bo_event *event_of(const struct kit *k, const char *part)
{
	bo_vec_foreach(e, &k->run->events)
		if (strstr(e->text, part))
			return e;
	fail_msg("nobody said: %s", part);
	return NULL;
}

static void test_what_cannot_be_taken_is_said(void **state)
{
	int node;
	struct kit *k = bereaved(&node);
	int64_t asked_ns = bo_now_ns();
	const struct bo_event *hold, *settle;

	(void)state;
	bo_sampler_snapshot(k->sampler, node, "hold");
	/* It is waited for half a second: time itself is what has to pass here. */
	while (bo_now_ns() - asked_ns < 2 * BO_NSEC_PER_SEC)
		poll(NULL, 0, 10);
	bo_sampler_snapshot(k->sampler, node, "settle");
	bo_sampler_stop(k->sampler);
	hold = event_of(k, "no census of goroutines for \"hold\": the process is down");
	/* The end leaves no time: it is said at once. */
	settle = event_of(k, "no census of goroutines for \"settle\": the process is down");
	assert_true(settle->t_ns - hold->t_ns > BO_NSEC_PER_SEC / 4);
	assert_true(hold < settle);
	kit_free(k);
}

static void test_too_many_requests_are_said(void **state)
{
	int node;
	struct kit *k = bereaved(&node);

	(void)state;
	for (int i = 0; i < 9; i++)
		bo_sampler_snapshot(k->sampler, node, "hold");
	/* The main thread writes the timeline meanwhile: each line goes to its place. */
	bo_run_event(k->run, INT64_MAX / 2, BO_EVENT_NOTE, -1, "much later");
	bo_sampler_stop(k->sampler);
	for (size_t i = 1; i < k->run->events.len; i++)
		assert_true(k->run->events.items[i - 1].t_ns <= k->run->events.items[i].t_ns);
	assert_string_equal(k->run->events.items[k->run->events.len - 1].text, "much later");
	assert_int_equal(count_events(k, "too many were asked for at once"), 1);
	assert_int_equal(count_events(k, "the process is down"), 8);
	kit_free(k);
}

/* The middle one of the distances within [@from_ns, @to_ns). */
static int64_t distance(const struct bo_series *s, int64_t from_ns, int64_t to_ns, size_t *ret_n)
{
	int64_t d[4096];
	size_t n = 0;

	for (size_t i = 1; i < s->samples.len && n < 4096; i++) {
		int64_t t = s->samples.items[i].t_ns, before = s->samples.items[i - 1].t_ns;
		size_t at = n;

		if (before < from_ns || t >= to_ns)
			continue;
		for (n++; at > 0 && d[at - 1] > t - before; at--)
			d[at] = d[at - 1];
		d[at] = t - before;
	}
	*ret_n = n;
	return n ? d[n / 2] : 0;
}

static size_t snapshots_within(const struct kit *k, int64_t from_ns, int64_t to_ns)
{
	size_t n = 0;

	bo_vec_foreach(s, &k->run->snapshots)
		n += s->t_ns >= from_ns && s->t_ns < to_ns;
	return n;
}

/* Until so much time of the run has passed, in which samples went on. */
static int64_t pass(struct kit *k, int node, int64_t t0_ns, int64_t ns)
{
	int64_t until_ns = bo_now_ns() + ns;

	while (bo_now_ns() < until_ns)
		poll(NULL, 0, 10);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_any, 0);
	return bo_now_ns() - t0_ns;
}

/* Until the observer was shown something. */
static void wait_shown(struct seen *seen)
{
	int64_t deadline_ns = bo_now_ns() + KIT_PATIENCE_NS;
	bool shown = false;

	while (!shown) {
		assert_true(bo_now_ns() < deadline_ns);
		poll(NULL, 0, 1);
		pthread_mutex_lock(&seen->lock);
		shown = *bo_strbuf_str(&seen->whys);
		pthread_mutex_unlock(&seen->lock);
	}
}

static void test_a_long_phase_is_thinned(void **state)
{
	struct zoo zoo = start(NULL);
	struct seen seen = { .lock = PTHREAD_MUTEX_INITIALIZER };
	const struct bo_sampler_observer observer = { &seen, taken };
	struct kit *k = kit_new();
	int node = begin(k, &zoo, &observer);
	int64_t t0_ns = bo_now_ns(), dense_ns, thin_ns, again_ns, dense, thin, again, took_ns;
	const struct bo_series *s;
	size_t n;

	(void)state;
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_any, 0);
	/* The first one, and how long one takes on this machine. */
	took_ns = -bo_now_ns();
	bo_sampler_snapshot(k->sampler, node, "first");
	wait_shown(&seen);
	took_ns += bo_now_ns();
	dense_ns = pass(k, node, t0_ns, BO_NSEC_PER_SEC / 2);
	/* As if the phase had lasted for 4300 s: 10, 20, 40 ms are over, and 1, 2, 4 s of snapshots. */
	bo_sampler_phase(k->sampler, bo_now_ns() - 4300 * BO_NSEC_PER_SEC);
	thin_ns = pass(k, node, t0_ns, 5 * BO_NSEC_PER_SEC / 2);
	/* Put off for ten seconds, and a new phase in which nobody waits for that. */
	bo_sampler_phase(k->sampler, bo_now_ns() - 1000000 * BO_NSEC_PER_SEC);
	again_ns = pass(k, node, t0_ns, BO_NSEC_PER_SEC / 4);
	bo_sampler_phase(k->sampler, bo_now_ns());
	pass(k, node, t0_ns, BO_NSEC_PER_SEC / 2 + 4 * took_ns);
	bo_sampler_stop(k->sampler);
	s = kit_series(k, BO_SERIES_GOROUTINES, node);
	dense = distance(s, 0, dense_ns, &n);
	assert_true(n >= 5);
	thin = distance(s, dense_ns, thin_ns, &n);
	assert_true(n >= 5);
	again = distance(s, again_ns, INT64_MAX, &n);
	assert_true(n >= 5);
	assert_true(thin > 5 * dense && thin > 5 * again);
	/* Nobody asked for the others, so nobody is shown them. */
	assert_string_equal(bo_strbuf_str(&seen.whys), "first ");
	/* The next was due after 8 s; the new phase does not wait for it. */
	assert_true(snapshots_within(k, 0, dense_ns) >= 1);
	assert_true(snapshots_within(k, dense_ns, thin_ns) <= 1);
	assert_true(snapshots_within(k, thin_ns, INT64_MAX) >= 1);
	bo_strbuf_done(&seen.whys);
	kit_free(k);
	zoo_stop(&zoo);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts_and_groups),
		cmocka_unit_test(test_a_stopped_process_is_read_all_the_same),
		cmocka_unit_test(test_a_wedged_process_is_read_all_the_same),
		cmocka_unit_test(test_a_restart_is_followed),
		cmocka_unit_test(test_another_process_at_once),
		cmocka_unit_test(test_a_program_that_becomes_another),
		cmocka_unit_test(test_a_program_that_is_yet_to_come),
		cmocka_unit_test(test_a_program_at_its_beginning_is_asked_again),
		cmocka_unit_test(test_what_cannot_be_counted_is_asked_once),
		cmocka_unit_test(test_a_supervised_child_is_followed),
		cmocka_unit_test(test_another_program_is_taken_in_the_end),
		cmocka_unit_test(test_descriptors_are_handed_over),
		cmocka_unit_test(test_what_cannot_be_taken_is_said),
		cmocka_unit_test(test_too_many_requests_are_said),
		cmocka_unit_test(test_a_long_phase_is_thinned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
