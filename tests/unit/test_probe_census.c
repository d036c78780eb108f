/* SPDX-License-Identifier: Apache-2.0 */
/* The census as a sampler, against a live Go program: counts, groups that were asked for, a restart, a process that is
 * stopped, and a second sampler that says something else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/strbuf.h"
#include "brownout/census.h"
#include "httpd.h"
#include "sampler_kit.h"
#include "zookit.h"

#define ZOO ZOO_DIR "/zoo"

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

static struct zoo start(const char *const *args)
{
	struct zoo zoo;

	if (!zoo_start(&zoo, ZOO, args))
		fail_msg("the zoo did not start");
	return zoo;
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
	assert_int_equal(s->gaps.len, 0);
	bo_vec_foreach(it, &s->samples)
		assert_float_equal(it->value, (double)seen.total, 0);
	/* Every 10 ms: on a noisy machine not always, but most of the time. */
	for (size_t i = 1; i < s->samples.len; i++)
		ordinary += s->samples.items[i].t_ns - s->samples.items[i - 1].t_ns <
			    15 * BO_NSEC_PER_MSEC;
	assert_true(ordinary * 2 > s->samples.len);
	assert_true(k->run->snapshots.len >= 3);
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
	assert_int_equal(kit_series(k, BO_SERIES_GOROUTINES, node)->gaps.len, 0);
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
	zoo = start(args);
	unsetenv("GODEBUG");
	k = kit_new();
	node = begin(k, &zoo, &observer);
	kit_wait(k, BO_SERIES_SCHED_STW, node, kit_above, 300.0 * BO_NSEC_PER_MSEC);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_above, 300);
	ask_until(k, node, &seen, is_stuck);
	bo_sampler_stop(k->sampler);
	assert_int_equal(kit_series(k, BO_SERIES_GOROUTINES, node)->gaps.len, 0);
	s = kit_series(k, BO_SERIES_SCHED_STW, node);
	assert_int_equal(s->gaps.len, 0);
	for (size_t i = 1; i < s->samples.len; i++)
		assert_true(s->samples.items[i].value > s->samples.items[i - 1].value ||
			    s->samples.items[i].value <= 0);
	bo_strbuf_done(&seen.whys);
	kit_free(k);
	zoo_stop(&zoo);
}

static const char *find_event(const struct kit *k, enum bo_event_kind kind, const char *part)
{
	bo_vec_foreach(e, &k->run->events)
		if (e->kind == kind && strstr(e->text, part))
			return e->text;
	return NULL;
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
	assert_true(s->gaps.len >= 1);
	assert_int_equal(s->samples.items[s->samples.len - 1].value, zoo_count(&zoo));
	kit_free(k);
	zoo_stop(&zoo);
}

static void test_what_cannot_be_taken_is_said(void **state)
{
	struct zoo zoo = start(NULL);
	struct kit *k = kit_new();
	int node = begin(k, &zoo, NULL);
	int64_t deadline_ns = bo_now_ns() + BO_NSEC_PER_SEC;

	(void)state;
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_any, 0);
	zoo_stop(&zoo);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_none, 0);
	bo_sampler_set_pid(k->sampler, node, 0);
	bo_sampler_snapshot(k->sampler, node, "hold");
	while (bo_now_ns() < deadline_ns)
		poll(NULL, 0, 10);
	bo_sampler_stop(k->sampler);
	assert_non_null(find_event(k, BO_EVENT_NOTE, "no census of goroutines for \"hold\": "));
	kit_free(k);
}

static struct httpd_answer seven(void *self, const char *target, const char *request)
{
	static const char profile[] = "HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n"
				      "goroutine profile: total 7\n7 @ 0x1\n#\t0x1\n\n";
	atomic_uint *asked = self;

	(void)request;
	if (strstr(target, "debug=1"))
		atomic_fetch_add(asked, 1);
	return (struct httpd_answer){ HTTPD_SEND, profile, sizeof(profile) - 1 };
}

/* Compared once, when it is asked for, with what a liar in pprof's place says. */
static void agree_with_seven(const char *const *args, enum bo_event_kind kind, const char *text)
{
	atomic_uint asked = 0;
	struct httpd *httpd = httpd_start(seven, &asked);
	struct zoo zoo = start(args);
	struct kit *k = kit_new();
	int node = kit_node(k, "orders", BO_ROLE_SUBJECT);
	int64_t deadline_ns = bo_now_ns() + KIT_PATIENCE_NS;
	size_t samples;
	char url[64];

	snprintf(url, sizeof(url), "http://orders:%u/debug/pprof", httpd_port(httpd));
	kit_spec(k, node)->probe.pprof_url = url;
	kit_sampler(k);
	bo_sampler_set_pid(k->sampler, node, zoo.pid);
	kit_detect(k);
	kit_start(k);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_any, 0);
	bo_sampler_agree(k->sampler, node);
	while (!atomic_load(&asked))
		assert_true(bo_now_ns() < deadline_ns && poll(NULL, 0, 1) == 0);
	/* Some more samples, during which the answer comes. */
	for (samples = 0; samples < 50; samples++) {
		poll(NULL, 0, 10);
		kit_wait(k, BO_SERIES_GOROUTINES, node, kit_any, 0);
	}
	bo_sampler_stop(k->sampler);
	assert_int_equal(atomic_load(&asked), 1);
	if (!find_event(k, kind, text)) {
		bo_vec_foreach(e, &k->run->events)
			print_message("%s\n", e->text);
		fail_msg("nobody said: %s", text);
	}
	kit_free(k);
	zoo_stop(&zoo);
	httpd_stop(httpd);
}

static void test_a_second_sampler_is_compared(void **state)
{
	static const char *const many[] = { "-bulk", "300", NULL };

	(void)state;
	agree_with_seven(NULL, BO_EVENT_NOTE, "pprof agrees with the census: 7 goroutines");
	agree_with_seven(many, BO_EVENT_PROBLEM,
			 "two samplers disagree: pprof says 7 goroutines, the census 30");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts_and_groups),
		cmocka_unit_test(test_a_stopped_process_is_read_all_the_same),
		cmocka_unit_test(test_a_wedged_process_is_read_all_the_same),
		cmocka_unit_test(test_a_restart_is_followed),
		cmocka_unit_test(test_what_cannot_be_taken_is_said),
		cmocka_unit_test(test_a_second_sampler_is_compared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
