/* SPDX-License-Identifier: Apache-2.0 */
/* test_load_requests.c — requests that are answered: records, reuse of connections, bodies, refusal
 * of bad specs.
 * Owns: nothing.  Threads: those of the helpers.  Privilege: none. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "brownout/base/clock.h"
#include "brownout/load/schedule.h"
#include "test_load_support.h"

static void check_instants(const struct trun *t)
{
	bo_vec_foreach(r, &t->run->requests) {
		assert_int_equal(r->cls, BO_REQ_OK);
		assert_int_equal(r->status, 200);
		assert_true(r->intended_ns <= r->sent_ns);
		assert_true(r->sent_ns <= r->first_byte_ns);
		assert_true(r->first_byte_ns <= r->end_ns);
	}
}

static void test_constant_rate(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, tserver_ok, 128);
	trun_init(&t, &s, 200, 500);
	trun_all(&t, 100);
	assert_int_equal(t.run->requests.len, 100);
	check_instants(&t);
	/* Whatever the machine did, the intended instants are those of the schedule. */
	for (size_t i = 0; i < 100; i++) {
		int64_t due = t.windows[0].from_ns - t.t0_ns + (int64_t)i * 5 * MS;
		size_t found = 0;

		bo_vec_foreach(r, &t.run->requests)
			found += r->intended_ns == due;
		assert_int_equal(found, 1);
	}
	assert_int_equal(t.run->loads.items[0].offered, 100);
	assert_int_equal(t.run->loads.items[0].sent, 100);
	assert_int_equal(t.run->loads.items[0].shed, 0);
	assert_true(t.run->loads.items[0].lag_p50_ns > 0);
	assert_true(t.run->loads.items[0].lag_p50_ns <= t.run->loads.items[0].lag_p99_ns);
	assert_true(t.run->loads.items[0].lag_p99_ns <= t.run->loads.items[0].lag_max_ns);
	assert_int_equal(t.run->requests.items[0].bytes,
			 strlen("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
	/* Some are used again; how many there are is for this machine to say, for requests that are late come at once. */
	assert_int_equal(t.run->loads.items[0].connects, atomic_load(&s.accepted));
	assert_true(t.run->loads.items[0].connects < 100);
	assert_int_equal(atomic_load(&s.requests), 100);
	tserver_stop(&s);
	trun_done(&t);
}

static void test_poisson_rate(void **state)
{
	struct bo_load_window w;
	struct bo_schedule a;
	struct tserver s;
	struct trun t;
	int64_t due[1000];
	size_t n = 0;

	(void)state;
	tserver_start(&s, tserver_ok, 128);
	trun_init(&t, &s, 400, 500);
	t.spec.arrivals = BO_ARRIVALS_POISSON;
	t.spec.max_inflight = 400; /* however late they are */
	/* The same seed draws the same schedule, so it is known; see RNG_STREAM in load.c. */
	w = t.windows[0];
	bo_schedule_init(&a, &w, 1, &t.spec, t.seed, UINT64_C(0x6c6f616400000000));
	while (n < sizeof(due) / sizeof(due[0]) && (due[n] = bo_schedule_next(&a)) != INT64_MAX)
		n++;
	trun_all(&t, n);
	for (size_t i = 0; i < n; i++) {
		size_t found = 0;

		bo_vec_foreach(r, &t.run->requests)
			found += r->intended_ns == due[i] - t.t0_ns;
		assert_int_equal(found, 1);
	}
	assert_int_equal(t.run->requests.len, n);
	check_instants(&t);
	tserver_stop(&s);
	trun_done(&t);
}

static void test_without_keepalive(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, tserver_ok, 128);
	trun_init(&t, &s, 100, 200);
	t.spec.keepalive = false;
	trun_all(&t, 20);
	check_instants(&t);
	assert_int_equal(atomic_load(&s.accepted), 20);
	assert_int_equal(t.run->loads.items[0].connects, 20);
	tserver_stop(&s);
	trun_done(&t);
}

static void say_close(struct tserver *s, int fd)
{
	if (tserver_request(s, fd, 0))
		tserver_say(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end");
}

static void test_server_closes(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, say_close, 128);
	trun_init(&t, &s, 100, 200);
	trun_all(&t, 20);
	check_instants(&t);
	assert_int_equal(atomic_load(&s.accepted), 20);
	tserver_stop(&s);
	trun_done(&t);
}

static void say_chunked(struct tserver *s, int fd)
{
	while (tserver_request(s, fd, 0)) {
		tserver_say(fd, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Enco");
		tserver_say(fd, "ding: chunked\r\n\r\n5\r\nhel");
		tserver_say(fd, "lo\r\n0\r");
		tserver_say(fd, "\n\r\n");
	}
}

static void test_chunked_keeps_the_connection(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, say_chunked, 128);
	trun_init(&t, &s, 0, 0);
	t.spec.arrivals = BO_ARRIVALS_CLOSED;
	t.spec.clients = 1; /* one connection must do for all */
	trun_some(&t, 20);
	assert_int_equal(atomic_load(&s.accepted), 1);
	assert_int_equal(trun_count(&t, BO_REQ_OK), t.run->requests.len);
	tserver_stop(&s);
	trun_done(&t);
}

static void head_only(struct tserver *s, int fd)
{
	while (tserver_request(s, fd, 0))
		tserver_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
}

static void test_head(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, head_only, 128);
	trun_init(&t, &s, 100, 100);
	t.spec.method = "HEAD";
	trun_all(&t, 10);
	assert_int_equal(trun_count(&t, BO_REQ_OK), 10);
	tserver_stop(&s);
	trun_done(&t);
}

static char big_body[8 << 20];

static void take_post(struct tserver *s, int fd)
{
	while (tserver_request(s, fd, sizeof(big_body) - 1))
		tserver_say(fd, "HTTP/1.1 204 No Content\r\n\r\n");
}

/* More than a socket's buffer holds: the rest is sent when there is room. */
static void test_big_body(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	memset(big_body, 'b', sizeof(big_body) - 1);
	tserver_start(&s, take_post, 128);
	trun_init(&t, &s, 0, 0);
	t.spec.method = "POST";
	t.spec.body = big_body;
	t.spec.body_len = sizeof(big_body) - 1;
	t.spec.timeout_ns = 9000 * MS;
	t.spec.arrivals = BO_ARRIVALS_CLOSED;
	t.spec.clients = 1; /* so that both the new and the used connection carry one */
	trun_some(&t, 3);
	assert_int_equal(trun_count(&t, BO_REQ_OK), t.run->requests.len);
	assert_int_equal(atomic_load(&s.requests), t.run->requests.len);
	assert_int_equal(atomic_load(&s.accepted), 1);
	bo_vec_foreach(r, &t.run->requests)
		assert_int_equal(r->status, 204);
	tserver_stop(&s);
	trun_done(&t);
}

static void say_errors(struct tserver *s, int fd)
{
	while (tserver_request(s, fd, 0))
		tserver_say(fd, atomic_load(&s->requests) % 2
					? "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
					: "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
}

static void test_status_classes(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, say_errors, 128);
	trun_init(&t, &s, 100, 200);
	trun_all(&t, 20);
	assert_int_equal(trun_count(&t, BO_REQ_HTTP_4XX), 10);
	assert_int_equal(trun_count(&t, BO_REQ_HTTP_5XX), 10);
	bo_vec_foreach(r, &t.run->requests)
		assert_int_equal(r->status, r->cls == BO_REQ_HTTP_4XX ? 404 : 503);
	tserver_stop(&s);
	trun_done(&t);
}

static void test_live_and_series(void **state)
{
	const struct bo_series *conns, *inflight;
	struct bo_load_live live;
	struct tserver s;
	struct trun t;
	double done, p50;
	int64_t stopped;

	(void)state;
	tserver_start(&s, tserver_ok, 128);
	trun_init(&t, &s, 300, 8000);
	trun_start(&t);
	until((bo_load_live(t.load, &live), live.offered_per_s >= 299));
	/* One second and not two; on a busy machine it may hold what was late from the one before.
	 * */
	assert_true(live.offered_per_s < 600);
	done = bo_live_done_per_s(&live);
	assert_true(done > 100 && done < 600);
	assert_true(live.ended_per_s[BO_REQ_OK] == done && bo_live_errors_per_s(&live) == 0);
	assert_true(live.ended_all[BO_REQ_OK] >= done);
	p50 = bo_live_quantile(&live, 0.5);
	assert_true(p50 > 1000 && p50 <= bo_live_quantile(&live, 0.999));
	/* the mean lies below the slowest, whose bucket is 3 % wide */
	assert_true(live.latency_sum_ns > 1000 * done &&
		    live.latency_sum_ns / done <= bo_live_quantile(&live, 1));
	assert_true(live.connections >= 1);
	bo_load_stop(t.load);
	stopped = bo_now_ns();
	until((bo_load_live(t.load, &live),
	       live.ended == live.offered && live.connections == 0 && live.offered_per_s == 0));
	until((bo_load_live(t.load, &live), bo_live_done_per_s(&live) == 0));
	assert_true(live.latency_sum_ns == 0 && isnan(bo_live_quantile(&live, 0.5)));
	trun_finish(&t);
	/* Stopped early: what was due before, and nothing after. */
	assert_true(t.run->requests.len >= 299);
	assert_true(stopped < t.windows[0].until_ns);
	bo_vec_foreach(r, &t.run->requests)
		assert_true(r->intended_ns + t.t0_ns <= stopped);
	conns = bo_run_series(t.run, BO_SERIES_CONNS, BO_NODE_CLIENT);
	inflight = bo_run_series(t.run, BO_SERIES_INFLIGHT, BO_NODE_CLIENT);
	assert_non_null(conns);
	assert_non_null(inflight);
	assert_string_equal(conns->source, "load 'test'");
	assert_true(conns->samples.len >= 10);
	assert_int_equal(conns->samples.len, inflight->samples.len);
	for (size_t i = 1; i < conns->samples.len; i++)
		assert_true(conns->samples.items[i].t_ns > conns->samples.items[i - 1].t_ns);
	tserver_stop(&s);
	trun_done(&t);
}

static void test_windows(void **state)
{
	struct bo_load_live live;
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, tserver_ok, 128);
	trun_init(&t, &s, 200, 200);
	/* on, off for as long as a late request may take, on and (touching) on */
	t.nwindows = 3;
	t.windows[1].from_ns = t.windows[0].until_ns + t.spec.timeout_ns;
	t.windows[1].until_ns = t.windows[1].from_ns + 100 * MS;
	t.windows[2] = (struct bo_load_window){ t.windows[1].until_ns,
						t.windows[1].until_ns + 100 * MS };
	trun_start(&t);
	/* While load is off no idle connection may be left: each would be a goroutine in the
	 * service. */
	until((bo_load_live(t.load, &live),
	       live.offered == 40 && live.ended == 40 && live.connections == 0));
	assert_true(bo_now_ns() < t.windows[1].from_ns);
	until(atomic_load(&s.open) == 0);
	trun_wait(&t, 80);
	trun_finish(&t);
	assert_int_equal(t.run->requests.len, 80);
	check_instants(&t);
	bo_vec_foreach(r, &t.run->requests) {
		int64_t at = r->intended_ns + t.t0_ns;

		assert_true((at >= t.windows[0].from_ns && at < t.windows[0].until_ns) ||
			    (at >= t.windows[1].from_ns && at < t.windows[2].until_ns));
	}
	tserver_stop(&s);
	trun_done(&t);
}

static int try_new(const struct bo_load_spec *spec, const struct bo_load_window *w, size_t n,
		   struct bo_err *err)
{
	struct bo_load_config config = {
		.spec = spec,
		.addr.ss_family = AF_INET,
		.addr_len = sizeof(struct sockaddr_in),
		.host_header = "test",
		.windows = w,
		.nwindows = n,
	};
	struct bo_load *load = NULL;
	int rc = bo_load_new(&load, &config, err);

	assert_true(rc ? !load : !!load);
	bo_load_free(load);
	return rc;
}

static void test_bad_specs(void **state)
{
	static const struct bo_header smuggled = { "X-A", "b\r\nX-C: d" },
				      framing = { "content-length", "5" }, name = { "X A", "b" };
	const struct bo_load_spec good = {
		.name = "x", .path = "/", .method = "GET", .rate_per_s = 1
	};
	const struct bo_load_window ascending[] = { { 0, 5 }, { 5, 9 } },
				    overlapping[] = { { 0, 5 }, { 4, 9 } },
				    backwards[] = { { 5, 0 } };
	struct bo_load_spec bads[] = { good, good, good, good, good, good, good, good, good, good };
	struct bo_err err;

	(void)state;
	bads[0].rate_per_s = 0;
	bads[1].rate_per_s = 0.0 / 0.0;
	bads[2].timeout_ns = -1;
	bads[3].path = "no-slash";
	bads[4].path = "/a b";
	bads[5].method = "GE T";
	bads[6].kind = BO_LOAD_HOLD;
	bads[7].headers = &smuggled;
	bads[8].headers = &framing;
	bads[9].headers = &name;
	bads[7].nheaders = bads[8].nheaders = bads[9].nheaders = 1;
	assert_int_equal(try_new(&good, ascending, 2, &err), 0);
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		memset(&err, 0, sizeof(err));
		assert_int_equal(try_new(&bads[i], ascending, 2, &err), -EINVAL);
		assert_int_equal(err.subsys, BO_SUBSYS_LOAD);
		assert_non_null(strstr(err.msg, "load 'x'"));
	}
	assert_int_equal(try_new(&good, overlapping, 2, &err), -EINVAL);
	assert_int_equal(try_new(&good, backwards, 1, &err), -EINVAL);
}

/* In a child: the hard limit cannot be raised again. */
static int start_with_few_descriptors(struct trun *t)
{
	struct rlimit lim = { 128, 256 };
	struct bo_load_config config = { .spec = &t->spec,
					 .addr = t->addr,
					 .addr_len = t->addr_len,
					 .host_header = "test",
					 .windows = t->windows,
					 .nwindows = 1 };
	struct bo_load *load;
	struct bo_err err = { 0 };

	if (setrlimit(RLIMIT_NOFILE, &lim))
		return 1;
	t->spec.max_inflight = 1000;
	if (bo_load_new(&load, &config, &err) || bo_load_start(load, &err) != -EMFILE)
		return 2;
	bo_load_free(load);
	if (!strstr(err.msg, "limit is 256") || !strstr(err.msg, "ulimit -Hn 1") ||
	    !strstr(err.msg, "max_inflight"))
		return 3;
	/* 100 do not fit into the soft limit of 128 beside the reserve, but into the hard one. */
	t->spec.max_inflight = 100;
	if (bo_load_new(&load, &config, &err) || bo_load_start(load, &err))
		return 4;
	bo_load_free(load);
	return 0;
}

static void test_descriptor_limit(void **state)
{
	struct tserver s;
	struct trun t;
	int status;
	pid_t pid;

	(void)state;
	tserver_start(&s, NULL, 1);
	trun_init(&t, &s, 1, 1);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(start_with_few_descriptors(&t));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	tserver_stop(&s);
}

struct reader {
	uint64_t taken;
	uint64_t refuse_at; /* 0: never */
	int64_t last_end_ns;
	bool in_order;
};

static bool take(void *arg, const struct bo_req *req)
{
	struct reader *r = arg;

	if (r->refuse_at && r->taken + 1 == r->refuse_at)
		return false;
	r->taken++;
	r->in_order = r->in_order && req->end_ns >= r->last_end_ns && req->cls == BO_REQ_OK;
	r->last_end_ns = req->end_ns;
	return true;
}

/* What has ended is read while the load runs, each once, over more than one piece of the records. */
static void test_read_while_it_runs(void **state)
{
	struct bo_load_cursor cursor = { 0 };
	struct reader r = { .refuse_at = 4097, .in_order = true };
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, tserver_ok, 512);
	trun_init(&t, &s, 0, 60000);
	t.spec.arrivals = BO_ARRIVALS_CLOSED;
	t.spec.clients = 8;
	trun_start(&t);
	until((bo_load_ended(t.load, &cursor, take, &r), r.taken >= 4096));
	for (int i = 0; i < 10; i++) {
		bo_load_ended(t.load, &cursor, take, &r);
		assert_int_equal(r.taken, 4096);
	}
	r.refuse_at = 0;
	until((bo_load_ended(t.load, &cursor, take, &r), r.taken >= 9000));
	assert_true(r.in_order);
	bo_load_stop(t.load);
	trun_finish(&t);
	assert_true(t.run->requests.len >= r.taken);
	assert_int_equal(t.run->requests.items[r.taken - 1].end_ns, r.last_end_ns);
	tserver_stop(&s);
	trun_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_descriptor_limit), /* first: no thread yet, so the child may start one */
		cmocka_unit_test(test_constant_rate),
		cmocka_unit_test(test_poisson_rate),
		cmocka_unit_test(test_without_keepalive),
		cmocka_unit_test(test_server_closes),
		cmocka_unit_test(test_chunked_keeps_the_connection),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_big_body),
		cmocka_unit_test(test_status_classes),
		cmocka_unit_test(test_live_and_series),
		cmocka_unit_test(test_read_while_it_runs),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_bad_specs),
	};

	return cmocka_run_group_tests_name("load/requests", tests, NULL, NULL);
}
