/* SPDX-License-Identifier: Apache-2.0 */
/* Dumps of goroutines: from text to groups; when they are taken, when they are not, and what is said then; and the leak
 * profile of Go's own detector. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "brownout/base/strbuf.h"
#include "httpd.h"
#include "probe/dump.h"
#include "sampler_kit.h"

/* Node 0 is the client. */
#define ORDERS 1

#define BLOCK(id, status, head)                                       \
	"goroutine " id " [" status "]" head ":\n"                    \
	"runtime.gopark(0x1)\n\t/go/proc.go:1 +0x1\n"                 \
	"main.(*Server).query(0xc000, ...)\n\t/src/main.go:77 +0x1\n" \
	"main.run()\n\t/src/main.go:80 +0x1\n"                        \
	"created by main.accept in goroutine 1\n\t/src/main.go:60 +0x1\n\n"
#define DUMP                                                                         \
	"goroutine 1 [running]:\nmain.main()\n\t/src/main.go:7 +0x99\n\n" BLOCK(     \
		"5", "chan receive, 2 minutes", "") BLOCK("6", "chan receive", "")   \
		BLOCK("7", "chan receive (leaked), 3 minutes, locked to thread", "") \
			BLOCK("8", "chan receive", " {\"route\":\"/pay\"}")          \
				BLOCK("9", "chan receive (leaked)", "")
#define BRIEF                                                 \
	"goroutineleak profile: total 3\n"                    \
	"2 @ 0x1 0x2 0x3\n# labels: {\"route\":\"/pay\"}\n"   \
	"#\t0x1\truntime.gopark+0x1\t/go/proc.go:1\n"         \
	"#\t0x2\tmain.(*Server).query+0x1\t/src/main.go:77\n" \
	"#\t0x3\tmain.run+0x1\t/src/main.go:80\n\n"           \
	"1 @ 0x3\n#\t0x3\tmain.other+0x1\t/src/main.go:90\n\n"
#define COUNT "goroutine profile: total %d\n%d @ 0x1\n#\t0x1\n\n"

/* A service: its answers by profile and debug level. */
struct service {
	struct httpd *httpd;
	char *count, *dump, *leaks, *brief; /* NULL: 404 */
	char url[80];
	atomic_int dumps, leak_profiles;
};

static struct httpd_answer answer(void *self, const char *target, const char *request)
{
	static const char none[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
	struct service *s = self;
	const char *text = NULL;

	(void)request;
	if (strstr(target, "/goroutine?debug=1")) {
		text = s->count;
	} else if (strstr(target, "/goroutine?debug=2")) {
		atomic_fetch_add(&s->dumps, 1);
		text = s->dump;
	} else if (strstr(target, "/goroutineleak?debug=")) {
		atomic_fetch_add(&s->leak_profiles, 1);
		text = target[strlen(target) - 1] == '2' ? s->leaks : s->brief;
	}
	return text ? (struct httpd_answer){ HTTPD_SEND, text, strlen(text) }
		    : (struct httpd_answer){ HTTPD_SEND, none, sizeof(none) - 1 };
}

static char *maybe(const char *body)
{
	return body ? httpd_text(body) : NULL;
}

static struct service *service_new(int count, const char *dump, const char *leaks,
				   const char *brief)
{
	struct service *s = calloc(1, sizeof(*s));
	char text[128];

	assert_non_null(s);
	snprintf(text, sizeof(text), COUNT, count, count);
	s->count = httpd_text(text);
	s->dump = maybe(dump);
	s->leaks = maybe(leaks);
	s->brief = maybe(brief);
	s->httpd = httpd_start(answer, s);
	snprintf(s->url, sizeof(s->url), "http://orders:%u/debug/pprof", httpd_port(s->httpd));
	return s;
}

static void service_free(struct service *s)
{
	httpd_stop(s->httpd);
	free(s->count);
	free(s->dump);
	free(s->leaks);
	free(s->brief);
	free(s);
}

struct seen {
	pthread_mutex_t lock;
	struct bo_strbuf whys;
	struct bo_strbuf text;
	size_t groups;
	bool has_census;
};

static void taken(void *self, const struct bo_sampler_taken *t)
{
	struct seen *seen = self;

	pthread_mutex_lock(&seen->lock);
	bo_strbuf_printf(&seen->whys, "%s ", t->why);
	bo_strbuf_done(&seen->text);
	bo_strbuf_add(&seen->text, t->text, t->len);
	seen->groups = t->full->ngroups;
	seen->has_census |= t->census != NULL;
	pthread_mutex_unlock(&seen->lock);
}

static void seen_done(struct seen *seen)
{
	bo_strbuf_done(&seen->whys);
	bo_strbuf_done(&seen->text);
}

static struct kit *begin(struct service *s, struct seen *seen)
{
	const struct bo_sampler_observer observer = { seen, taken };
	struct kit *k = kit_new();
	int node = kit_node(k, "orders", BO_ROLE_SUBJECT);

	assert_int_equal(node, ORDERS);
	kit_spec(k, node)->probe.pprof_url = s->url;
	kit_sampler(k);
	bo_sampler_set_pid(k->sampler, node, getpid());
	kit_detect(k);
	bo_sampler_observe(k->sampler, &observer);
	kit_start(k);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_any, 0);
	return k;
}

static bool said(const struct kit *k, const char *part)
{
	bo_vec_foreach(e, &k->run->events)
		if (strstr(e->text, part))
			return true;
	return false;
}

static void check_group(const struct bo_group *g, uint64_t count, const char *state,
			const char *labels, bool leaked)
{
	assert_int_equal(g->count, count);
	assert_string_equal(g->site, "main.accept");
	assert_string_equal(g->site_line, "/src/main.go:60");
	assert_string_equal(g->start, "main.run");
	assert_string_equal(g->blocked_at, "main.(*Server).query");
	assert_string_equal(g->blocked_line, "/src/main.go:77");
	assert_string_equal(g->state, state);
	assert_string_equal(g->labels, labels);
	assert_int_equal(g->leaked, leaked);
	assert_int_equal(g->stuck, 0);
	assert_int_equal(g->older[0], 0);
}

static void test_from_text_to_groups(void **state)
{
	struct service *s = service_new(6, DUMP, NULL, NULL);
	struct seen seen = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct kit *k = begin(s, &seen);
	const struct bo_group_snapshot *snap;

	(void)state;
	assert_int_equal(bo_sampler_snapshot_ns(k->sampler, ORDERS), 500 * BO_NSEC_PER_MSEC);
	/* What is asked for last is waited for. */
	bo_sampler_snapshot(k->sampler, ORDERS, "hold");
	bo_sampler_stop(k->sampler);
	assert_true(said(k, "groups by pprof debug=2, at the ends of phases"));
	assert_int_equal(k->run->snapshots.len, 1);
	snap = &k->run->snapshots.items[0];
	assert_string_equal(snap->source, "pprof debug=2");
	assert_int_equal(snap->total, 6);
	assert_false(snap->truncated);
	assert_int_equal(snap->ngroups, 4);
	assert_true(snap->t_ns > 0 && snap->t_ns <= bo_now_ns() - k->run->t0_ns);
	/* Two each: those that were met first go first.  A leaked one is another group. */
	check_group(&snap->groups[0], 2, "chan receive", "", false);
	check_group(&snap->groups[1], 2, "chan receive", "", true);
	assert_string_equal(snap->groups[2].state, "running");
	assert_string_equal(snap->groups[2].site, "");
	assert_string_equal(snap->groups[2].blocked_at, "");
	assert_string_equal(snap->groups[2].start, "main.main");
	check_group(&snap->groups[3], 1, "chan receive", "\"route\":\"/pay\"", false);
	assert_string_equal(bo_strbuf_str(&seen.whys), "hold ");
	assert_string_equal(bo_strbuf_str(&seen.text), DUMP);
	assert_int_equal(seen.groups, 4);
	assert_false(seen.has_census);
	kit_free(k);
	service_free(s);
	seen_done(&seen);
}

/* It stops the world, so it is not for every moment, and not for many. */
static void test_when_it_is_not_taken(void **state)
{
	struct service *few = service_new(6, DUMP, NULL, NULL);
	struct service *many = service_new(BO_DUMP_GOROUTINES_MAX + 1, DUMP, NULL, NULL);
	struct service *most = service_new(BO_DUMP_GOROUTINES_MAX, DUMP, NULL, NULL);
	struct service *none = service_new(6, NULL, NULL, NULL);
	struct service *odd = service_new(6, "<html>login</html>\n", NULL, NULL);
	struct seen seen = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct kit *k = begin(few, &seen);

	(void)state;
	static const char *const whys[] = { "warmup", "base",   "fault",   "hold",
					    "heal",   "settle", "tripwire" };

	for (size_t i = 0; i < sizeof(whys) / sizeof(*whys); i++)
		bo_sampler_snapshot(k->sampler, ORDERS, whys[i]);
	bo_sampler_stop(k->sampler);
	assert_string_equal(bo_strbuf_str(&seen.whys), "base hold settle tripwire ");
	/* Nor periodically. */
	assert_int_equal(atomic_load(&few->dumps), 4);
	assert_int_equal(k->run->snapshots.len, 4);
	kit_free(k);

	k = begin(many, &seen);
	bo_sampler_snapshot(k->sampler, ORDERS, "hold");
	bo_sampler_stop(k->sampler);
	assert_int_equal(atomic_load(&many->dumps), 0);
	assert_int_equal(k->run->snapshots.len, 0);
	assert_true(said(
		k,
		"no dump of goroutines for \"hold\": 10001 goroutines, and a dump of more than 10000"));
	kit_free(k);

	k = begin(most, &seen);
	bo_sampler_snapshot(k->sampler, ORDERS, "hold");
	bo_sampler_stop(k->sampler);
	assert_int_equal(k->run->snapshots.len, 1);
	kit_free(k);

	k = begin(none, &seen);
	bo_sampler_snapshot(k->sampler, ORDERS, "hold");
	bo_sampler_stop(k->sampler);
	assert_int_equal(k->run->snapshots.len, 0);
	assert_true(said(k, "no dump of goroutines for \"hold\": HTTP 404"));
	kit_free(k);

	k = begin(odd, &seen);
	bo_sampler_snapshot(k->sampler, ORDERS, "hold");
	bo_sampler_stop(k->sampler);
	assert_int_equal(k->run->snapshots.len, 0);
	assert_true(said(k, "no dump of goroutines for \"hold\": not a goroutine dump"));
	kit_free(k);
	service_free(few);
	service_free(many);
	service_free(most);
	service_free(none);
	service_free(odd);
	seen_done(&seen);
}

/* net/http/pprof stops at 64 MiB, in the middle of a goroutine. */
static void test_cut_at_64_mib(void **state)
{
#ifdef __SANITIZE_THREAD__
	/* It takes longer than the request may, there. */
	skip();
#endif

	/* Bytes are what counts: of few long lines, which a slow machine reads in the time that a request has. */
	static const char from[] = "goroutine 5 [chan receive]:\nruntime.gopark(0x1)\n"
				   "\t/go/proc.go:1 +0x1\nmain.query(";
	static const char to[] =
		")\n\t/src/main.go:77 +0x1\n"
		"created by main.accept in goroutine 1\n\t/src/main.go:60 +0x1\n\n";
	static char block[4000];
	const size_t n = sizeof(block), whole = (64 << 20) / n;
	char *text = malloc((64 << 20) + 1);
	struct service *s;
	struct seen seen = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct kit *k;

	(void)state;
	assert_non_null(text);
	memset(block, 'x', n);
	memcpy(block, from, sizeof(from) - 1);
	memcpy(block + n - (sizeof(to) - 1), to, sizeof(to) - 1);
	for (size_t at = 0; at < 64 << 20; at += n)
		memcpy(text + at, block, (64 << 20) - at < n ? (64 << 20) - at : n);
	text[64 << 20] = '\0';
	s = service_new(BO_DUMP_GOROUTINES_MAX, text, NULL, NULL);
	free(text);
	k = begin(s, &seen);
	bo_sampler_snapshot(k->sampler, ORDERS, "settle");
	bo_sampler_stop(k->sampler);
	assert_int_equal(k->run->snapshots.len, 1);
	assert_true(k->run->snapshots.items[0].truncated);
	assert_int_equal(k->run->snapshots.items[0].groups[0].count, whole);
	/* The one that was cut is there, in no group. */
	assert_int_equal(k->run->snapshots.items[0].total, whole + 1);
	assert_true(said(k, "was cut at 64MiB"));
	kit_free(k);
	service_free(s);
	seen_done(&seen);
}

static void test_leak_profile(void **state)
{
	struct service *s = service_new(6, DUMP, DUMP, BRIEF);
	struct seen seen = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct kit *k = begin(s, &seen);
	const struct bo_group_snapshot *list;

	(void)state;
	bo_sampler_ask_leaks(k->sampler, ORDERS);
	bo_sampler_ask_leaks(k->sampler, ORDERS);
	bo_sampler_stop(k->sampler);
	/* Once; and the leaked ones alone, which are no snapshot. */
	assert_int_equal(atomic_load(&s->leak_profiles), 1);
	assert_int_equal(k->run->snapshots.len, 0);
	assert_int_equal(k->run->leaks.len, 1);
	list = &k->run->leaks.items[0];
	assert_string_equal(list->source, "pprof goroutineleak debug=2");
	assert_int_equal(list->total, 2);
	assert_int_equal(list->ngroups, 1);
	check_group(&list->groups[0], 2, "chan receive", "", true);
	assert_string_equal(bo_strbuf_str(&seen.whys), "leaks ");
	assert_string_equal(bo_strbuf_str(&seen.text), DUMP);
	assert_true(said(k, "orders: Go's own leak detector finds 2 leaked goroutines"));
	kit_free(k);
	service_free(s);
	seen_done(&seen);
}

/* Of many the brief form: nobody says who started them, or for what they wait. */
static void test_brief_leak_profile(void **state)
{
	struct service *s = service_new(BO_DUMP_GOROUTINES_MAX + 1, DUMP, DUMP, BRIEF);
	struct seen seen = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct kit *k = begin(s, &seen);
	const struct bo_group_snapshot *list;

	(void)state;
	bo_sampler_ask_leaks(k->sampler, ORDERS);
	bo_sampler_stop(k->sampler);
	assert_int_equal(k->run->leaks.len, 1);
	list = &k->run->leaks.items[0];
	assert_string_equal(list->source, "pprof goroutineleak debug=1");
	assert_int_equal(list->total, 3);
	assert_int_equal(list->ngroups, 2);
	assert_int_equal(list->groups[0].count, 2);
	assert_true(list->groups[0].leaked);
	assert_string_equal(list->groups[0].site, "");
	assert_string_equal(list->groups[0].start, "main.run");
	assert_string_equal(list->groups[0].blocked_at, "main.(*Server).query");
	assert_string_equal(list->groups[0].labels, "\"route\":\"/pay\"");
	assert_string_equal(list->groups[1].start, "main.other");
	assert_int_equal(list->groups[1].count, 1);
	kit_free(k);
	service_free(s);
	seen_done(&seen);
}

/* Most services do not offer it, which is no matter; a broken answer is one. */
static void test_no_leak_profile(void **state)
{
	struct service *without = service_new(6, DUMP, NULL, NULL);
	struct service *broken = service_new(6, DUMP, "goroutine x\n", NULL);
	struct seen seen = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct kit *k = begin(without, &seen);

	(void)state;
	bo_sampler_ask_leaks(k->sampler, ORDERS);
	bo_sampler_stop(k->sampler);
	assert_int_equal(atomic_load(&without->leak_profiles), 1);
	assert_int_equal(k->run->leaks.len, 0);
	assert_false(said(k, "leak detector"));
	kit_free(k);
	k = begin(broken, &seen);
	bo_sampler_ask_leaks(k->sampler, ORDERS);
	bo_sampler_stop(k->sampler);
	assert_int_equal(k->run->leaks.len, 0);
	assert_true(said(k, "no word of Go's leak detector: not a goroutine dump"));
	kit_free(k);
	service_free(without);
	service_free(broken);
	seen_done(&seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_text_to_groups),
		cmocka_unit_test(test_when_it_is_not_taken),
		cmocka_unit_test(test_cut_at_64_mib),
		cmocka_unit_test(test_leak_profile),
		cmocka_unit_test(test_brief_leak_profile),
		cmocka_unit_test(test_no_leak_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
