/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_probe_sampler.c — detection, schedule, gaps, and nodes that do not disturb
 * each other.
 * Owns: servers on 127.0.0.1.  Threads: the sampler's and the servers'.  Privilege: none. */
#include "sampler_kit.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "httpd.h"

/** struct service - a Go service as far as probes see it; the switches may be turned while it
 * runs */
struct service {
	struct httpd *httpd;
	atomic_int pprof; /* enum httpd_deed, or -1 for 404 */
	atomic_int expvar;
	atomic_uint pprof_asked;
	char *pprof_text;
	char *expvar_text;
	char url[64];
	char vars[64];
	char pprof_url[64];
};

static struct httpd_answer say(int deed, const char *text)
{
	static const char none[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

	if (deed < 0)
		return (struct httpd_answer){ HTTPD_SEND, none, sizeof(none) - 1 };
	return (struct httpd_answer){ (enum httpd_deed)deed, text, strlen(text) };
}

static struct httpd_answer answer(void *self, const char *target, const char *request)
{
	struct service *s = self;

	(void)request;
	if (strcmp(target, "/debug/pprof/goroutine?debug=1") == 0) {
		atomic_fetch_add(&s->pprof_asked, 1);
		return say(atomic_load(&s->pprof), s->pprof_text);
	}
	if (strcmp(target, "/debug/vars") == 0)
		return say(atomic_load(&s->expvar), s->expvar_text);
	return say(-1, NULL);
}

static struct service *service_new(const char *pprof_body, const char *expvar_body)
{
	struct service *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->pprof_text = httpd_text(pprof_body ? pprof_body : "");
	s->expvar_text = httpd_text(expvar_body ? expvar_body : "");
	s->pprof = pprof_body ? HTTPD_SEND : -1;
	s->expvar = expvar_body ? HTTPD_SEND : -1;
	s->httpd = httpd_start(answer, s);
	snprintf(s->url, sizeof(s->url), "http://orders:%u/healthz", httpd_port(s->httpd));
	snprintf(s->vars, sizeof(s->vars), "http://orders:%u/debug/vars", httpd_port(s->httpd));
	snprintf(s->pprof_url, sizeof(s->pprof_url), "http://orders:%u/debug/pprof/",
		 httpd_port(s->httpd));
	return s;
}

static void service_free(struct service *s)
{
	httpd_stop(s->httpd);
	free(s->pprof_text);
	free(s->expvar_text);
	free(s);
}

static int subject(struct kit *k, const char *name, const struct service *s)
{
	int node = kit_node(k, name, BO_ROLE_SUBJECT);

	kit_spec(k, node)->ready.kind = BO_READY_HTTP;
	kit_spec(k, node)->ready.url = s->url;
	return node;
}

static void begin(struct kit *k, int node)
{
	kit_sampler(k);
	bo_sampler_set_pid(k->sampler, node, getpid());
	kit_detect(k);
}

#define PPROF_7                                                     \
	"goroutine profile: total 7\n"                              \
	"6 @ 0x47d96e 0x45f146\n"                                   \
	"#\t0x4dc06e\tmain.main.func1+0xe\t/tmp/demo/main.go:4\n\n" \
	"1 @ 0x442931\n"                                            \
	"#\t0x4c5468\truntime/pprof.(*Profile).WriteTo+0x148\t/x.go:408\n\n"
#define VARS_9 \
	"{\"cmdline\": [\"x\"], \"goroutines\": 9, \"live\": 11, \"bad\": \"12\", \"half\": 0.5}"

static void test_auto_takes_pprof_first(void **state)
{
	struct service *s = service_new(PPROF_7, VARS_9);
	struct kit *k = kit_new();
	int node = subject(k, "orders", s);

	(void)state;
	begin(k, node);
	kit_start(k);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_equal, 7);
	bo_sampler_stop(k->sampler);
	assert_string_equal(kit_series(k, BO_SERIES_GOROUTINES, node)->source, "pprof debug=1");
	/* This program is not written in Go: it is said why the better sampler is not used. */
	assert_int_equal(k->run->events.len, 1);
	assert_string_equal(
		k->run->events.items[0].text,
		"orders: goroutines by pprof debug=1; groups by pprof debug=2, at the ends of phases "
		"(census: not a Go program)");
	assert_int_equal(httpd_connections(s->httpd), 1);
	kit_free(k);
	service_free(s);
}

static void test_auto_falls_back_to_expvar(void **state)
{
	struct service *s = service_new(NULL, VARS_9);
	struct kit *k = kit_new();
	int node = subject(k, "orders", s);

	(void)state;
	begin(k, node);
	kit_start(k);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_equal, 9);
	bo_sampler_stop(k->sampler);
	assert_string_equal(kit_series(k, BO_SERIES_GOROUTINES, node)->source, "expvar goroutines");
	kit_free(k);
	service_free(s);
}

/* A profile of which the end is missing counts nobody, whatever its first line says. */
static void test_a_profile_that_is_cut(void **state)
{
	static const struct {
		const char *profile, *reason;
	} cut[] = {
		{ "goroutine profile: total 7\n6 @ 0x47d96e 0x45f1",
		  "goroutine profile cut short after line 1" },
		{ "goroutine profile: total 7\n6 @ 0x47d96e 0x45f146\n#\t0x4dc06e\n",
		  "goroutine profile cut short after line 3" },
		{ "goroutine profile: total 7\n6 @ 0x47d96e 0x45f146\n\n",
		  "goroutine profile says 7 but lists 6" },
		{ "goroutine prof", "goroutine profile cut short after line 0" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cut) / sizeof(*cut); i++) {
		struct service *s = service_new(cut[i].profile, NULL);
		struct kit *k = kit_new();
		int node = subject(k, "orders", s);
		int64_t deadline_ns = bo_now_ns() + KIT_PATIENCE_NS;

		kit_spec(k, node)->probe.pprof_url = s->pprof_url;
		begin(k, node);
		kit_start(k);
		/* The first was for detection. */
		while (atomic_load(&s->pprof_asked) < 3)
			assert_true(bo_now_ns() < deadline_ns && poll(NULL, 0, 1) == 0);
		bo_sampler_stop(k->sampler);
		assert_int_equal(kit_series(k, BO_SERIES_GOROUTINES, node)->samples.len, 0);
		assert_true(kit_has_gap(kit_series(k, BO_SERIES_GOROUTINES, node), cut[i].reason));
		kit_free(k);
		service_free(s);
	}
}

/* Of a dependency nobody guesses: it is asked only where the scenario says so. */
static void test_a_dependency_is_left_alone(void **state)
{
	struct service *s = service_new(PPROF_7, VARS_9);
	struct kit *k = kit_new();
	int node = subject(k, "db", s);

	(void)state;
	kit_spec(k, node)->role = BO_ROLE_DEPENDENCY;
	begin(k, node);
	assert_null(bo_run_series(k->run, BO_SERIES_GOROUTINES, node));
	assert_int_equal(httpd_requests(s->httpd), 0);
	kit_free(k);
	service_free(s);
}

static void test_explicit_urls_and_key(void **state)
{
	struct service *s = service_new(PPROF_7, VARS_9);
	struct kit *k = kit_new();
	int vars = subject(k, "orders", s);
	int pprof = kit_node(k, "stock", BO_ROLE_DEPENDENCY);
	int both = kit_node(k, "cart", BO_ROLE_DEPENDENCY);

	(void)state;
	kit_spec(k, vars)->probe.expvar_url = s->vars;
	kit_spec(k, vars)->probe.expvar_key = "live";
	kit_spec(k, pprof)->probe.pprof_url = s->pprof_url;
	kit_spec(k, both)->probe.pprof_url = s->vars; /* answers, but not with a profile */
	kit_spec(k, both)->probe.expvar_url = s->vars;
	kit_sampler(k);
	for (int node = vars; node <= both; node++)
		bo_sampler_set_pid(k->sampler, node, getpid());
	kit_detect(k);
	kit_start(k);
	kit_wait(k, BO_SERIES_GOROUTINES, vars, kit_equal, 11);
	kit_wait(k, BO_SERIES_GOROUTINES, pprof, kit_equal, 7);
	kit_wait(k, BO_SERIES_GOROUTINES, both, kit_equal, 9);
	bo_sampler_stop(k->sampler);
	assert_string_equal(kit_series(k, BO_SERIES_GOROUTINES, vars)->source, "expvar live");
	kit_free(k);
	service_free(s);
}

/* Why goroutines of a lone subject are not counted; the note's text is compared as a whole. */
static void expect_note(struct service *s,
			void (*change)(struct bo_node_spec *spec, struct service *s),
			const char *text)
{
	struct kit *k = kit_new();
	int node = subject(k, "orders", s);

	change(kit_spec(k, node), s);
	begin(k, node);
	/* an address that was named is asked again during the run, one that was guessed is not */
	assert_int_equal(bo_run_series(k->run, BO_SERIES_GOROUTINES, node) != NULL,
			 !kit_spec(k, node)->probe.off &&
				 kit_spec(k, node)->probe.expvar_url != NULL);
	assert_int_equal(k->run->events.len, text ? 1 : 0);
	if (text) {
		assert_int_equal(k->run->events.items[0].kind, BO_EVENT_NOTE);
		assert_int_equal(k->run->events.items[0].node, node);
		assert_string_equal(k->run->events.items[0].text, text);
	}
	kit_free(k);
	service_free(s);
}

static void no_change(struct bo_node_spec *spec, struct service *s)
{
	(void)spec;
	(void)s;
}

static void probe_off(struct bo_node_spec *spec, struct service *s)
{
	(void)s;
	spec->probe.off = true;
}

static void no_readiness(struct bo_node_spec *spec, struct service *s)
{
	(void)s;
	spec->ready.kind = BO_READY_NONE;
}

static void bad_key(struct bo_node_spec *spec, struct service *s)
{
	spec->probe.expvar_url = s->vars;
	spec->probe.expvar_key = "bad";
}

static void half_key(struct bo_node_spec *spec, struct service *s)
{
	bad_key(spec, s);
	spec->probe.expvar_key = "half";
}

static void test_nothing_answers_is_said(void **state)
{
	(void)state;
	expect_note(
		service_new(NULL, NULL), no_change,
		"orders: goroutines are not counted (census: not a Go program; pprof: HTTP 404; expvar: HTTP 404; metrics: HTTP 404)");
	expect_note(
		service_new("<html>Log in</html>\n", "<html>"), no_change,
		"orders: goroutines are not counted (census: not a Go program; pprof: not a goroutine profile (line 1); "
		"expvar: not a JSON object; metrics: HTTP 404)");
	expect_note(
		service_new("goroutine profile: total 7\n", "{\"memstats\": {}}"), no_change,
		"orders: goroutines are not counted (census: not a Go program; pprof: goroutine profile says 7 but lists 0; "
		"expvar: no variable 'goroutines'; metrics: HTTP 404)");
	expect_note(
		service_new(PPROF_7, VARS_9), bad_key,
		"orders: goroutines are not counted yet (census: not a Go program; pprof: not asked for; expvar: variable 'bad' is not a count; metrics: not asked for)");
	expect_note(
		service_new(PPROF_7, VARS_9), half_key,
		"orders: goroutines are not counted yet (census: not a Go program; pprof: not asked for; expvar: variable 'half' is not a count; metrics: not asked for)");
	expect_note(
		service_new(PPROF_7, VARS_9), no_readiness,
		"orders: goroutines are not counted (census: not a Go program; pprof: no URL given, and no HTTP readiness to guess it from; "
		"expvar: no URL given, and no HTTP readiness to guess it from; "
		"metrics: no URL given, and no HTTP readiness to guess it from)");
	expect_note(service_new(PPROF_7, VARS_9), probe_off, NULL);
}

/* Ready by its log line or by a command, a service may not listen yet when its goroutines are
 * first asked for. */
static void test_named_address_is_asked_again(void **state)
{
	struct service *s = service_new(NULL, VARS_9);
	uint16_t port = httpd_port(s->httpd);
	struct kit *k = kit_new();
	int node = subject(k, "orders", s);

	(void)state;
	no_readiness(kit_spec(k, node), s);
	kit_spec(k, node)->probe.expvar_url = s->vars;
	httpd_stop(s->httpd);
	begin(k, node);
	assert_int_equal(k->run->events.len, 1);
	kit_start(k);
	s->httpd = httpd_start_at(port, answer, s);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_equal, 9);
	bo_sampler_stop(k->sampler);
	kit_free(k);
	service_free(s);
}

static void assert_no_sample_inside_gaps(const struct bo_series *s)
{
	int64_t last_ns = INT64_MIN;

	bo_vec_foreach(sample, &s->samples) {
		assert_true(sample->t_ns >= last_ns);
		last_ns = sample->t_ns;
		bo_vec_foreach(gap, &s->gaps)
			assert_false(sample->t_ns > gap->from_ns && sample->t_ns < gap->to_ns);
	}
}

static void test_gaps_say_why(void **state)
{
	struct service *s = service_new(PPROF_7, NULL);
	uint16_t port = httpd_port(s->httpd);
	struct kit *k = kit_new();
	int node = subject(k, "orders", s);
	const struct bo_series *series;

	(void)state;
	begin(k, node);
	kit_start(k);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_equal, 7);

	atomic_store(&s->pprof, HTTPD_HOLD);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_none, 0);
	atomic_store(&s->pprof, HTTPD_SEND);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_equal, 7);

	bo_sampler_set_pid(k->sampler, node, 0);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_none, 0);
	bo_sampler_set_pid(k->sampler, node, getpid());
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_equal, 7);

	httpd_stop(s->httpd);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_none, 0);
	s->httpd = httpd_start_at(port, answer, s);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_equal, 7);

	atomic_store(&s->pprof, -1);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_none, 0);
	bo_sampler_stop(k->sampler);

	series = kit_series(k, BO_SERIES_GOROUTINES, node);
	assert_true(kit_has_gap(series, "no answer in 1s"));
	assert_true(kit_has_gap(series, "process is down"));
	assert_true(kit_has_gap(series, "connection refused"));
	assert_true(kit_has_gap(series, "HTTP 404"));
	assert_no_sample_inside_gaps(series);
	bo_vec_foreach(sample, &series->samples)
		assert_float_equal(sample->value, 7, 0);
	kit_free(k);
	service_free(s);
}

static void test_stalled_node_delays_no_other(void **state)
{
	struct service *slow = service_new(PPROF_7, NULL);
	struct service *quick = service_new(PPROF_7, NULL);
	struct kit *k = kit_new();
	int stalled = subject(k, "slow", slow);
	int lively = subject(k, "quick", quick);
	unsigned before;
	int64_t deadline_ns;

	(void)state;
	kit_sampler(k);
	bo_sampler_set_pid(k->sampler, stalled, getpid());
	bo_sampler_set_pid(k->sampler, lively, getpid());
	kit_detect(k);
	atomic_store(&slow->pprof, HTTPD_HOLD);
	kit_start(k);
	/* The first request of the stalled node is out; before its timeout of 1 s the other gets
	 * many answers. */
	deadline_ns = bo_now_ns() + KIT_PATIENCE_NS;
	while (atomic_load(&slow->pprof_asked) < 2)
		assert_true(bo_now_ns() < deadline_ns && poll(NULL, 0, 1) == 0);
	before = atomic_load(&quick->pprof_asked);
	while (atomic_load(&slow->pprof_asked) < 3)
		assert_true(bo_now_ns() < deadline_ns && poll(NULL, 0, 1) == 0);
	/* 50 are due in that second; a noisy machine may lose many of them, but one stalled node
	 * in turn would leave 1. */
	assert_true(atomic_load(&quick->pprof_asked) - before >= 10);
	bo_sampler_stop(k->sampler);
	assert_int_equal(kit_series(k, BO_SERIES_GOROUTINES, stalled)->samples.len, 0);
	/* While its answer was awaited it was not asked again: there is no other reason but that
	 * one. */
	assert_true(kit_gaps(kit_series(k, BO_SERIES_GOROUTINES, stalled)) >= 1);
	bo_vec_foreach(gap, &kit_series(k, BO_SERIES_GOROUTINES, stalled)->gaps)
		if (!kit_is_held_up(gap))
			assert_string_equal(gap->reason, "no answer in 1s");
	assert_int_equal(kit_gaps(kit_series(k, BO_SERIES_GOROUTINES, lively)), 0);
	kit_free(k);
	service_free(slow);
	service_free(quick);
}

static void test_long_profile_is_counted_without_its_rest(void **state)
{
	static char body[600 * 1024];
	struct service *s;
	struct kit *k = kit_new();
	size_t len = (size_t)snprintf(body, sizeof(body), "goroutine profile: total 123456\n");
	int node;

	(void)state;
	/* It ends in rubbish, which nobody gets to see. */
	while (len < sizeof(body) - 64)
		len += (size_t)snprintf(body + len, sizeof(body) - len,
					"1 @ 0x442931\n#\t0x4c5468\n\n");
	snprintf(body + len, sizeof(body) - len, "rubbish\n");
	s = service_new(body, NULL);
	node = subject(k, "orders", s);
	begin(k, node);
	kit_start(k);
	kit_wait(k, BO_SERIES_GOROUTINES, node, kit_equal, 123456);
	bo_sampler_stop(k->sampler);
	kit_free(k);
	service_free(s);
}

/* /proc and the schedule alone: every sample lies on t0 + k × interval, or a little after it,
 * and none is doubled. */
static void test_schedule_does_not_drift(void **state)
{
	const int64_t interval_ns = 40 * BO_NSEC_PER_MSEC;
	struct kit *k = kit_new();
	int node = kit_node(k, "orders", BO_ROLE_SUBJECT);
	int64_t t0_ns = bo_now_ns() - 7 * BO_NSEC_PER_MSEC;
	const struct bo_series *rss;
	size_t near = 0;
	int64_t last_k = -1;

	(void)state;
	kit_spec(k, node)->probe.interval_ns = interval_ns;
	kit_sampler(k);
	bo_sampler_set_pid(k->sampler, node, getpid());
	assert_int_equal(bo_sampler_start(k->sampler, t0_ns, NULL), 0);
	assert_int_equal(bo_sampler_start(k->sampler, t0_ns, NULL), -EBUSY);
	while (bo_now_ns() < t0_ns + 2 * BO_NSEC_PER_SEC)
		poll(NULL, 0, 10);
	bo_sampler_stop(k->sampler);
	bo_sampler_stop(k->sampler);
	rss = kit_series(k, BO_SERIES_RSS, node);
	assert_true(rss->samples.len >= 5 && rss->samples.len <= 55);
	bo_vec_foreach(s, &rss->samples) {
		int64_t slot = s->t_ns / interval_ns;

		assert_true(slot > last_k);
		last_k = slot;
		near += s->t_ns % interval_ns < interval_ns / 4;
	}
	/* Drift of a millisecond per sample would spread them over the whole interval: a quarter
	 * would be near. */
	assert_true(near * 2 >= rss->samples.len);
	kit_free(k);
}

static void test_client_and_unknown_nodes(void **state)
{
	struct kit *k = kit_new();
	struct bo_sampler *sampler;
	struct bo_err err = { 0 };

	(void)state;
	k->nodes[k->nnodes++] = (struct bo_sampler_node){ .node = BO_NODE_CLIENT,
							  .address = "127.0.0.1",
							  .files = { 2, dup(0), -1, -1, -1, -1 } };
	kit_sampler(k);
	assert_int_equal(k->run->series.len, 0);
	bo_sampler_set_pid(k->sampler, 17, 1);
	assert_true(isnan(bo_sampler_latest(k->sampler, BO_SERIES_RSS, 17)));
	k->nodes[0].node = 17;
	k->nodes[0].files = (struct bo_cgroup_files){ 2, dup(0), -1, -1, -1, -1 };
	assert_int_equal(bo_sampler_new(&sampler, k->run, k->nodes, 1, &err), -EINVAL);
	kit_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_auto_takes_pprof_first),
		cmocka_unit_test(test_auto_falls_back_to_expvar),
		cmocka_unit_test(test_a_profile_that_is_cut),
		cmocka_unit_test(test_a_dependency_is_left_alone),
		cmocka_unit_test(test_explicit_urls_and_key),
		cmocka_unit_test(test_nothing_answers_is_said),
		cmocka_unit_test(test_named_address_is_asked_again),
		cmocka_unit_test(test_gaps_say_why),
		cmocka_unit_test(test_stalled_node_delays_no_other),
		cmocka_unit_test(test_long_profile_is_counted_without_its_rest),
		cmocka_unit_test(test_schedule_does_not_drift),
		cmocka_unit_test(test_client_and_unknown_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
