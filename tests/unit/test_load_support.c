/* SPDX-License-Identifier: Apache-2.0 */
/* test_load_support.c — a server on loopback that misbehaves as told, and one load against it.
 * Owns: see the header.  Threads: one per server and one per connection of it.  Privilege: none. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "brownout/base/clock.h"
#include "test_load_support.h"

struct handler_arg {
	struct tserver *server;
	int slot;
	int fd;
};

static void *serve(void *p)
{
	struct handler_arg arg = *(struct handler_arg *)p;
	struct tserver *s = arg.server;

	free(p);
	s->fn(s, arg.fd);
	atomic_fetch_sub(&s->open, 1);
	pthread_mutex_lock(&s->lock);
	close(arg.fd);
	s->fds[arg.slot] = -1;
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* A slot whose connection is over, or a new one.  Return: -1 when there are too many at a time */
static int slot_get(struct tserver *s)
{
	for (int i = 0; i < s->nconns; i++) {
		if (s->fds[i] >= 0)
			continue;
		pthread_join(s->threads[i], NULL); /* it gave the slot back as its last deed */
		return i;
	}
	return s->nconns < TSERVER_CONNS_MAX ? s->nconns++ : -1;
}

static void *accept_all(void *p)
{
	struct tserver *s = p;

	for (;;) {
		int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		struct handler_arg *arg;
		int open, slot;

		if (fd < 0)
			return NULL; /* shut down */
		pthread_mutex_lock(&s->lock);
		if (s->closing) {
			pthread_mutex_unlock(&s->lock);
			close(fd);
			continue;
		}
		arg = malloc(sizeof(*arg));
		slot = slot_get(s);
		/* Turning a client away would pass for a fault of the engine. */
		if (!arg || slot < 0)
			abort();
		*arg = (struct handler_arg){ s, slot, fd };
		s->fds[slot] = fd;
		atomic_fetch_add(&s->accepted, 1);
		open = atomic_fetch_add(&s->open, 1) + 1;
		if (open > atomic_load(&s->peak))
			atomic_store(&s->peak, open);
		if (pthread_create(&s->threads[slot], NULL, serve, arg))
			abort();
		pthread_mutex_unlock(&s->lock);
	}
}

/* Return: false when an address of that family cannot be bound */
static bool start(struct tserver *s, tserver_fn fn, int backlog, const void *addr, socklen_t len)
{
	pthread_condattr_t attr;

	memset(s, 0, sizeof(*s));
	s->fn = fn;
	memcpy(&s->addr, addr, len);
	s->addr_len = len;
	s->listen_fd = socket(s->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->listen_fd < 0)
		return false;
	if (bind(s->listen_fd, (struct sockaddr *)&s->addr, len)) {
		close(s->listen_fd);
		return false;
	}
	/* Somebody who accepts may be late, and nobody is to be turned away for that. */
	assert_int_equal(listen(s->listen_fd,
				fn && backlog < TSERVER_CONNS_MAX ? TSERVER_CONNS_MAX : backlog),
			 0);
	assert_int_equal(getsockname(s->listen_fd, (struct sockaddr *)&s->addr, &len), 0);
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->closing_cond, &attr);
	pthread_condattr_destroy(&attr);
	if (fn)
		assert_int_equal(pthread_create(&s->acceptor, NULL, accept_all, s), 0);
	return true;
}

void tserver_start(struct tserver *s, tserver_fn fn, int backlog)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	assert_true(start(s, fn, backlog, &addr, sizeof(addr)));
}

bool tserver_start6(struct tserver *s, tserver_fn fn, int backlog)
{
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };

	return start(s, fn, backlog, &addr, sizeof(addr));
}

void tserver_start_unix(struct tserver *s, tserver_fn fn, int backlog, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	assert_true(strlen(path) < sizeof(addr.sun_path));
	strcpy(addr.sun_path, path);
	assert_true(start(s, fn, backlog, &addr, sizeof(addr)));
}

void tserver_stop(struct tserver *s)
{
	pthread_mutex_lock(&s->lock);
	s->closing = true;
	pthread_cond_broadcast(&s->closing_cond);
	for (int i = 0; i < s->nconns; i++) {
		if (s->fds[i] >= 0)
			shutdown(s->fds[i], SHUT_RDWR);
	}
	pthread_mutex_unlock(&s->lock);
	shutdown(s->listen_fd, SHUT_RDWR);
	if (s->fn)
		pthread_join(s->acceptor, NULL);
	for (int i = 0; i < s->nconns; i++)
		pthread_join(s->threads[i], NULL);
	close(s->listen_fd);
	pthread_cond_destroy(&s->closing_cond);
	pthread_mutex_destroy(&s->lock);
}

static bool is_closing(struct tserver *s)
{
	bool closing;

	pthread_mutex_lock(&s->lock);
	closing = s->closing;
	pthread_mutex_unlock(&s->lock);
	return closing;
}

static bool read_one(struct tserver *s, int fd, char *byte)
{
	ssize_t n = recv(fd, byte, 1, 0);

	if (n == 1)
		return true;
	if (!is_closing(s))
		atomic_fetch_add(n == 0 ? &s->eofs : &s->resets, 1);
	return false;
}

bool tserver_request(struct tserver *s, int fd, size_t body)
{
	static const char end[] = "\r\n\r\n";
	size_t seen = 0;
	char ch;

	while (seen < 4) {
		if (!read_one(s, fd, &ch))
			return false;
		seen = ch == end[seen] ? seen + 1 : ch == '\r';
	}
	while (body) {
		char block[16 * 1024];
		ssize_t n = recv(fd, block, body < sizeof(block) ? body : sizeof(block), 0);

		if (n <= 0)
			return false;
		body -= (size_t)n;
	}
	atomic_fetch_add(&s->requests, 1);
	return true;
}

void tserver_say(int fd, const char *text)
{
	size_t len = strlen(text);

	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

void tserver_wait(struct tserver *s, int64_t until_ns)
{
	struct timespec ts = bo_ns_to_timespec(until_ns);

	pthread_mutex_lock(&s->lock);
	while (!s->closing && bo_now_ns() < until_ns)
		pthread_cond_timedwait(&s->closing_cond, &s->lock, &ts);
	pthread_mutex_unlock(&s->lock);
}

void tserver_until_gone(struct tserver *s, int fd)
{
	char ch;

	while (read_one(s, fd, &ch))
		;
}

void tserver_reset(int fd)
{
	struct linger hard = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
}

void tserver_ok(struct tserver *s, int fd)
{
	while (tserver_request(s, fd, 0))
		tserver_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

void trun_init(struct trun *t, const struct tserver *s, double rate, int64_t ms)
{
	memset(t, 0, sizeof(*t));
	t->spec = (struct bo_load_spec){
		.name = "test",
		.kind = BO_LOAD_REQUESTS,
		.path = "/",
		.method = "GET",
		.rate_per_s = rate,
		.timeout_ns = 2000 * MS,
		.max_inflight = 100,
		.keepalive = true,
	};
	t->seed = 42;
	t->t0_ns = bo_now_ns();
	t->nwindows = 1;
	t->windows[0].from_ns = t->t0_ns + 20 * MS;
	t->windows[0].until_ns = t->windows[0].from_ns + ms * MS;
	if (s) {
		t->addr = s->addr;
		t->addr_len = s->addr_len;
	}
}

void trun_start(struct trun *t)
{
	struct bo_load_config config = {
		.spec = &t->spec,
		.addr = t->addr,
		.addr_len = t->addr_len,
		.root_fd = t->root_fd,
		.host_header = "test",
		.t0_ns = t->t0_ns,
		.seed = t->seed,
		.windows = t->windows,
		.nwindows = t->nwindows,
	};
	struct bo_err err = { 0 };

	t->plan = bo_plan_new();
	assert_non_null(t->plan);
	assert_true(bo_vec_push(&t->plan->loads, t->spec));
	t->run = bo_run_new(t->plan);
	assert_non_null(t->run);
	if (bo_load_new(&t->load, &config, &err) || bo_load_start(t->load, &err))
		fail_msg("%s", err.msg);
}

void trun_wait(struct trun *t, uint64_t offered)
{
	struct timespec end = bo_ns_to_timespec(t->windows[t->nwindows - 1].until_ns);
	struct bo_load_live live;

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR)
		;
	until((bo_load_live(t->load, &live),
	       live.offered >= offered && live.ended == live.offered));
}

void trun_finish(struct trun *t)
{
	struct bo_err err = { 0 };

	if (bo_load_finish(t->load, t->run, &err))
		fail_msg("%s", err.msg);
}

void trun_all(struct trun *t, uint64_t offered)
{
	trun_start(t);
	trun_wait(t, offered);
	trun_finish(t);
}

void trun_stop_after(struct trun *t, uint64_t offered)
{
	struct bo_load_live live;

	until((bo_load_live(t->load, &live), live.offered >= offered));
	bo_load_stop(t->load);
	until((bo_load_live(t->load, &live), live.ended == live.offered));
}

void trun_some(struct trun *t, uint64_t offered)
{
	t->windows[0].until_ns = t->windows[0].from_ns + 60000 * MS;
	trun_start(t);
	trun_stop_after(t, offered);
	trun_finish(t);
}

void trun_all_are(struct trun *t, size_t n, enum bo_req_class cls)
{
	const struct bo_load_record *rec;

	trun_all(t, n);
	rec = &t->run->loads.items[0];
	assert_int_equal(t->run->requests.len, n);
	bo_vec_foreach(r, &t->run->requests) {
		if (r->cls != cls)
			fail_msg("%s instead of %s (%s)",
				 bo_req_class_name((enum bo_req_class)r->cls),
				 bo_req_class_name(cls), rec->nreasons ? rec->reasons[0].text : "");
		assert_true(r->end_ns >= r->intended_ns);
	}
}

void trun_done(struct trun *t)
{
	bo_load_free(t->load);
	bo_run_free(t->run);
	bo_plan_free(t->plan);
}

size_t trun_count(const struct trun *t, enum bo_req_class cls)
{
	size_t n = 0;

	for (size_t i = 0; i < t->run->requests.len; i++)
		n += t->run->requests.items[i].cls == cls;
	return n;
}
