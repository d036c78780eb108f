/* SPDX-License-Identifier: Apache-2.0 */
/* test_load_hold.c — long-lived connections: opened, kept, closed politely, or gone without a word.
 * Owns: nothing.  Threads: those of the helpers.  Privilege: none. */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "brownout/base/clock.h"
#include "test_load_support.h"

static const char stream_head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

/* Server-sent events: a head, then an event every 10 ms until the client is gone. */
static void say_events(struct tserver *s, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (!tserver_request(s, fd, 0))
		return;
	tserver_say(fd, stream_head);
	while (poll(&p, 1, 10) == 0)
		tserver_say(fd, "data: x\n\n");
	tserver_until_gone(s, fd);
}

/** hold_init() - in a window that ends when the load is stopped */
static void hold_init(struct trun *t, struct tserver *s, int64_t count)
{
	trun_init(t, s, 500, 60000);
	t->spec.kind = BO_LOAD_HOLD;
	t->spec.hold_count = count;
}

static void test_held_and_closed_politely(void **state)
{
	struct bo_load_live live;
	struct tserver s;
	struct trun t;
	int64_t stopped;

	(void)state;
	tserver_start(&s, say_events, 128);
	hold_init(&t, &s, 20);
	trun_start(&t);
	until((bo_load_live(t.load, &live), live.ended == 20));
	assert_int_equal(live.connections, 20);
	assert_int_equal(live.inflight, 0);
	assert_int_equal(atomic_load(&s.open), 20);
	/* They stay for as long as load runs, then each says goodbye with a FIN and no RST,
	 * although the server was sending all the while. */
	assert_int_equal(atomic_load(&s.eofs), 0);
	stopped = bo_now_ns();
	bo_load_stop(t.load);
	until((bo_load_live(t.load, &live), live.connections == 0));
	until(atomic_load(&s.eofs) == 20);
	assert_int_equal(atomic_load(&s.resets), 0);
	trun_finish(&t);
	assert_int_equal(t.run->requests.len, 20);
	assert_int_equal(trun_count(&t, BO_REQ_OK), 20);
	assert_int_equal(t.run->loads.items[0].offered, 20);
	assert_int_equal(t.run->loads.items[0].peak_connections, 20);
	bo_vec_foreach(r, &t.run->requests)
		assert_true(r->end_ns + t.t0_ns <
			    stopped); /* the head, not the end of the stream */
	tserver_stop(&s);
	trun_done(&t);
}

static char block[32 * 1024];

/* Sends as fast as it can until the client says something, which can only be its FIN. */
static void flood(struct tserver *s, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (!tserver_request(s, fd, 0))
		return;
	tserver_say(fd, stream_head);
	while (poll(&p, 1, 0) == 0 && send(fd, block, sizeof(block), MSG_NOSIGNAL) > 0)
		;
	tserver_until_gone(s, fd);
}

/* There is always something unread on the client's side, and close(2) alone would answer that with
 * RST. */
static void test_polite_while_flooded(void **state)
{
	struct bo_load_live live;
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, flood, 128);
	hold_init(&t, &s, 4);
	trun_start(&t);
	trun_stop_after(&t, 4);
	until((bo_load_live(t.load, &live), live.connections == 0));
	until(atomic_load(&s.eofs) + atomic_load(&s.resets) == 4);
	assert_int_equal(atomic_load(&s.resets), 0);
	trun_finish(&t);
	tserver_stop(&s);
	trun_done(&t);
}

/* With hold_ns a place is given up and taken again, never more than hold_count at a time. */
static void test_turnover(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, say_events, 128);
	hold_init(&t, &s, 5);
	t.spec.hold_ns = 100 * MS;
	trun_start(&t);
	until(atomic_load(&s.accepted) >= 15);
	trun_finish(&t);
	assert_int_equal(t.run->loads.items[0].peak_connections, 5);
	assert_true(trun_count(&t, BO_REQ_OK) >= 10);
	tserver_stop(&s);
	trun_done(&t);
}

static void say_upgrade(struct tserver *s, int fd)
{
	if (!tserver_request(s, fd, 0))
		return;
	tserver_say(
		fd,
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x01x");
	tserver_until_gone(s, fd);
}

static void test_upgrade_is_held(void **state)
{
	static const struct bo_header headers[] = { { "Upgrade", "websocket" },
						    { "Connection", "Upgrade" } };
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, say_upgrade, 128);
	hold_init(&t, &s, 10);
	t.spec.headers = headers;
	t.spec.nheaders = 2;
	trun_some(&t, 10);
	assert_int_equal(trun_count(&t, BO_REQ_OK), 10);
	assert_int_equal(t.run->requests.items[0].status, 101);
	assert_int_equal(atomic_load(&s.accepted), 10);
	tserver_stop(&s);
	trun_done(&t);
}

static void say_busy(struct tserver *s, int fd)
{
	if (!tserver_request(s, fd, 0))
		return;
	tserver_say(fd, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
	tserver_until_gone(s, fd);
}

static void test_refused_connections_are_not_held(void **state)
{
	struct bo_load_live live;
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, say_busy, 128);
	hold_init(&t, &s, 10);
	trun_start(&t);
	trun_stop_after(&t, 10);
	until((bo_load_live(t.load, &live), live.connections == 0));
	trun_finish(&t);
	assert_true(t.run->requests.len >= 10); /* each place is offered again */
	assert_int_equal(trun_count(&t, BO_REQ_HTTP_5XX), t.run->requests.len);
	tserver_stop(&s);
	trun_done(&t);
}

static atomic_bool vanished;
static atomic_int unacked_conns;
static atomic_int acked_conns;

/* Says the head; when the client has vanished, sends again and looks whether its TCP acknowledges.
 * */
static void talk_to_the_dead(struct tserver *s, int fd)
{
	int outq = 1;

	if (!tserver_request(s, fd, 0))
		return;
	tserver_say(fd, stream_head);
	/* Alive: what we sent is acknowledged. */
	while (outq && !ioctl(fd, SIOCOUTQ, &outq) && !atomic_load(&vanished))
		tserver_wait(s, bo_now_ns() + MS);
	if (!outq)
		atomic_fetch_add(&acked_conns, 1);
	while (!atomic_load(&vanished))
		tserver_wait(s, bo_now_ns() + MS);
	tserver_say(fd, "data: are you there?\n\n");
	/* On loopback an acknowledgement takes microseconds; the delayed one 40 ms. */
	tserver_wait(s, bo_now_ns() + 200 * MS);
	if (!ioctl(fd, SIOCOUTQ, &outq) && outq > 0)
		atomic_fetch_add(&unacked_conns, 1);
	tserver_until_gone(s, fd);
}

static void vanish_from(struct tserver *s)
{
	struct bo_load_live live;
	struct trun t;

	atomic_store(&vanished, false);
	atomic_store(&unacked_conns, 0);
	atomic_store(&acked_conns, 0);
	hold_init(&t, s, 10);
	t.spec.vanish = true;
	trun_start(&t);
	until((bo_load_live(t.load, &live), live.ended == 10));
	until(atomic_load(&acked_conns) == 10);
	bo_load_stop(t.load);
	until((bo_load_live(t.load, &live), live.connections == 0));
	atomic_store(&vanished, true);
	/* No FIN, no RST, and nothing that is sent now is ever acknowledged. */
	until(atomic_load(&unacked_conns) == 10);
	assert_int_equal(atomic_load(&s->eofs), 0);
	assert_int_equal(atomic_load(&s->resets), 0);
	assert_int_equal(atomic_load(&s->open), 10);
	trun_finish(&t);
	assert_int_equal(trun_count(&t, BO_REQ_OK), 10);
	/* With the load they end for good: a FIN whose answer is dropped would linger in the
	 * kernel. */
	until(atomic_load(&s->resets) == 10);
	assert_int_equal(atomic_load(&s->eofs), 0);
	tserver_stop(s);
	trun_done(&t);
}

static void test_vanish_is_silent(void **state)
{
	struct tserver s;

	(void)state;
	tserver_start(&s, talk_to_the_dead, 128);
	vanish_from(&s);
}

static void test_vanish_is_silent_ipv6(void **state)
{
	struct tserver s;

	(void)state;
	if (!tserver_start6(&s, talk_to_the_dead, 128))
		skip();
	vanish_from(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_held_and_closed_politely),
		cmocka_unit_test(test_polite_while_flooded),
		cmocka_unit_test(test_turnover),
		cmocka_unit_test(test_upgrade_is_held),
		cmocka_unit_test(test_refused_connections_are_not_held),
		cmocka_unit_test(test_vanish_is_silent),
		cmocka_unit_test(test_vanish_is_silent_ipv6),
	};

	return cmocka_run_group_tests_name("load/hold", tests, NULL, NULL);
}
