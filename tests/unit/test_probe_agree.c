/* SPDX-License-Identifier: Apache-2.0 */
/* A second sampler beside the census, which says the same or something else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "census_sampler_kit.h"
#include "httpd.h"

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

static struct kit *beside_pprof(const struct zoo *zoo, const struct httpd *httpd, char *url,
				size_t size)
{
	struct kit *k = kit_new();
	int node = kit_node(k, "orders", BO_ROLE_SUBJECT);

	snprintf(url, size, "http://orders:%u/debug/pprof", httpd_port(httpd));
	kit_spec(k, node)->probe.pprof_url = url;
	kit_sampler(k);
	bo_sampler_set_pid(k->sampler, node, zoo->pid);
	kit_detect(k);
	kit_start(k);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_any, 0);
	return k;
}

static int subject_of(const struct kit *k)
{
	return (int)k->plan->nodes.len - 1;
}

/* Ask until the server has heard @n requests: by then all before the last have been compared. */
static void agree_until(struct kit *k, atomic_uint *asked, unsigned n)
{
	int64_t deadline_ns = bo_now_ns() + KIT_PATIENCE_NS;

	while (atomic_load(asked) < n) {
		assert_true(bo_now_ns() < deadline_ns);
		bo_sampler_agree(k->sampler, subject_of(k));
		poll(NULL, 0, 1);
	}
}

/* Compared when it is asked for with what a liar in pprof's place says. */
static void agree_with_seven(const char *const *args, enum bo_event_kind kind, const char *text)
{
	atomic_uint asked = 0;
	struct httpd *httpd = httpd_start(seven, &asked);
	struct zoo zoo = start(args);
	char url[64];
	struct kit *k = beside_pprof(&zoo, httpd, url, sizeof(url));

	assert_int_equal(atomic_load(&asked), 0);
	agree_until(k, &asked, 2);
	/* Each answer is compared once, however many counts follow. */
	for (int i = 0; i < 5; i++) {
		char answer[16];

		assert_true(zoo_ask(&zoo, "spawn 1", answer, sizeof(answer)));
		kit_wait(k, BO_SERIES_GOROUTINES, subject_of(k), kit_equal,
			 (double)zoo_count(&zoo));
	}
	bo_sampler_stop(k->sampler);
	assert_true(count_events(k, "pprof says") + count_events(k, "pprof agrees") <=
		    atomic_load(&asked));
	if (!find_event(k, kind, text)) {
		bo_vec_foreach(e, &k->run->events)
			print_message("%s\n", e->text);
		fail_msg("nobody said: %s", text);
	}
	kit_free(k);
	zoo_stop(&zoo);
	httpd_stop(httpd);
}

/* A server that answers when it is told to, and once. */
struct slow {
	atomic_uint asked;
	atomic_bool go_on;
};

static struct httpd_answer seven_later(void *self, const char *target, const char *request)
{
	struct slow *slow = self;
	struct httpd_answer answer = seven(&slow->asked, target, request);

	while (!atomic_load(&slow->go_on))
		poll(NULL, 0, 1);
	if (atomic_load(&slow->asked) > 1)
		answer.deed = HTTPD_HOLD;
	return answer;
}

/* What came meanwhile explains a difference. */
static void test_growth_meanwhile_is_no_disagreement(void **state)
{
	struct slow slow = { .asked = 0 };
	struct httpd *httpd = httpd_start(seven_later, &slow);
	struct zoo zoo = start(NULL);
	char url[64], answer[16];
	struct kit *k = beside_pprof(&zoo, httpd, url, sizeof(url));

	(void)state;
	agree_until(k, &slow.asked, 1);
	assert_true(zoo_ask(&zoo, "spawn 300", answer, sizeof(answer)));
	kit_wait(k, BO_SERIES_GOROUTINES, subject_of(k), kit_equal, (double)zoo_count(&zoo));
	atomic_store(&slow.go_on, true);
	agree_until(k, &slow.asked, 2);
	bo_sampler_stop(k->sampler);
	assert_int_equal(count_events(k, "disagree"), 0);
	kit_free(k);
	zoo_stop(&zoo);
	httpd_stop(httpd);
}

/* A profile of so many would stop the world for too long. */
static void test_of_many_no_second_opinion_is_asked(void **state)
{
	static const char *const args[] = { "-bulk", "10100", "-depth", "1", NULL };
	atomic_uint asked = 0;
	struct httpd *httpd = httpd_start(seven, &asked);
	struct zoo zoo = start(args);
	char url[64], answer[16];
	struct kit *k = beside_pprof(&zoo, httpd, url, sizeof(url));

	(void)state;
	kit_wait(k, BO_SERIES_GOROUTINES, subject_of(k), kit_above, 10000);
	bo_sampler_agree(k->sampler, subject_of(k));
	for (int i = 0; i < 5; i++) {
		assert_true(zoo_ask(&zoo, "spawn 1", answer, sizeof(answer)));
		kit_wait(k, BO_SERIES_GOROUTINES, subject_of(k), kit_equal,
			 (double)zoo_count(&zoo));
	}
	bo_sampler_stop(k->sampler);
	assert_int_equal(atomic_load(&asked), 0);
	kit_free(k);
	zoo_stop(&zoo);
	httpd_stop(httpd);
}

/* Seven was the truth of a process that is no more. */
static void test_the_answer_of_another_process_is_not_compared(void **state)
{
	static const char *const many[] = { "-bulk", "300", NULL };
	struct slow slow = { .asked = 0 };
	struct httpd *httpd = httpd_start(seven_later, &slow);
	struct zoo zoo = start(NULL);
	char url[64];
	struct kit *k = beside_pprof(&zoo, httpd, url, sizeof(url));
	int node = subject_of(k);

	(void)state;
	agree_until(k, &slow.asked, 1);
	zoo_stop(&zoo);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_none, 0);
	zoo = start(many);
	bo_sampler_set_pid(k->sampler, node, zoo.pid);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_above, 300);
	atomic_store(&slow.go_on, true);
	agree_until(k, &slow.asked, 2);
	bo_sampler_stop(k->sampler);
	assert_int_equal(count_events(k, "disagree"), 0);
	assert_int_equal(count_events(k, "pprof agrees"), 0);
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
		cmocka_unit_test(test_a_second_sampler_is_compared),
		cmocka_unit_test(test_growth_meanwhile_is_no_disagreement),
		cmocka_unit_test(test_of_many_no_second_opinion_is_asked),
		cmocka_unit_test(test_the_answer_of_another_process_is_not_compared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
