/* SPDX-License-Identifier: Apache-2.0 */
/* lab/stub.c — the built-in dependency: one epoll loop, many connections, answers after a delay.
 * Connections that wait for their delay stand in one queue: the delay is the same for all, so the queue is in order of
 * due time by itself and needs no heap.  A request is a line (TCP) or a header block with Content-Length (HTTP/1.1,
 * keep-alive; chunked request bodies are answered 411).  One request at a time per connection, so pipelined ones
 * are answered in order.
 * Owns: its sockets and buffers.  Threads: one.  Privilege: none. */
#include "brownout/lab/stub.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"

#define IN_MAX (64 * 1024)

/* What a connection waits for. */
enum state { READING, WAITING, WRITING, STALLED };

struct conn {
	struct conn *prev, *next; /* all connections */
	struct conn *later;       /* queue of those that WAIT */
	int fd;
	enum state state;
	bool dead; /* closed while in the queue; freed when its turn comes */
	bool close_after;
	bool peer_done;
	uint32_t armed;
	int64_t due_ns;
	size_t in_len;
	size_t skip; /* bytes of a request body still to be thrown away */
	char *out;
	size_t out_len, out_at;
	char in[IN_MAX];
};

struct bo_stub {
	const struct bo_stub_spec *spec;
	int epoll;
	int listen_fd;
	int port;
	size_t nopen; /* connections with a descriptor */
	bool deaf;    /* out of descriptors: until one is closed, the backlog keeps who comes */
	struct conn *conns;
	struct conn *queue, **queue_end;
};

static int listen_on(int family, int port, int *ret_fd)
{
	bo_auto_fd int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	const struct sockaddr *at = family == AF_INET6 ? (void *)&in6 : (void *)&in4;
	socklen_t len = family == AF_INET6 ? sizeof(in6) : sizeof(in4);
	int on = 1, off = 0;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	/* One socket for both families; bindv6only may say otherwise. */
	if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
		return -errno;
	if (bind(fd, at, len) < 0 || listen(fd, SOMAXCONN) < 0)
		return -errno;
	*ret_fd = bo_steal_fd(&fd);
	return 0;
}

static int bound_port(int fd)
{
	struct sockaddr_storage at = { 0 };
	socklen_t len = sizeof(at);

	if (getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		return 0;
	return ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
					      : ((struct sockaddr_in *)&at)->sin_port);
}

int bo_stub_new(struct bo_stub **ret, const struct bo_stub_spec *spec, struct bo_err *err)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct bo_stub *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_LAB, "out of memory");
	s->spec = spec;
	s->queue_end = &s->queue;
	s->listen_fd = -1;
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	rc = s->epoll < 0 ? -errno : listen_on(AF_INET6, spec->port, &s->listen_fd);
	if (rc == -EAFNOSUPPORT) /* a kernel without IPv6 */
		rc = listen_on(AF_INET, spec->port, &s->listen_fd);
	if (rc == 0 && epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->listen_fd, &ev) < 0)
		rc = -errno;
	if (rc < 0) {
		bo_stub_free(s);
		return bo_err_set(err, -rc, BO_SUBSYS_LAB, "listening on port %d: %s", spec->port,
				  strerror(-rc));
	}
	s->port = bound_port(s->listen_fd);
	*ret = s;
	return 0;
}

int bo_stub_port(const struct bo_stub *s)
{
	return s->port;
}

static void conn_free(struct bo_stub *s, struct conn *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		s->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	free(c->out);
	free(c);
}

static void listen_again(struct bo_stub *s, bool on)
{
	struct epoll_event ev = { .events = on ? EPOLLIN : 0 };

	if (epoll_ctl(s->epoll, EPOLL_CTL_MOD, s->listen_fd, &ev) == 0)
		s->deaf = !on;
}

static void conn_close(struct bo_stub *s, struct conn *c, bool reset)
{
	struct linger now = { .l_onoff = 1 };

	if (c->dead)
		return;
	/* A lingering time of zero makes close(2) send RST instead of FIN (tcp_close). */
	if (reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	bo_close(&c->fd);
	s->nopen--;
	if (s->deaf)
		listen_again(s, true);
	c->dead = true;
	if (c->state != WAITING)
		conn_free(s, c);
}

void bo_stub_free(struct bo_stub *s)
{
	if (!s)
		return;
	for (struct conn *c = s->queue, *later; c; c = later) {
		later = c->later;
		c->state = READING; /* out of the queue */
		if (c->dead)
			conn_free(s, c);
	}
	while (s->conns)
		conn_close(s, s->conns, false);
	bo_close(&s->listen_fd);
	bo_close(&s->epoll);
	free(s);
}

static void arm(const struct bo_stub *s, struct conn *c, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = c };

	if (c->armed != events)
		(void)epoll_ctl(s->epoll, EPOLL_CTL_MOD, c->fd, &ev);
	c->armed = events;
}

static void accept_all(struct bo_stub *s)
{
	for (;;) {
		struct epoll_event ev = { .events = EPOLLIN };
		int fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct conn *c;

		if (fd < 0) {
			/* Level-triggered, it would spin as long as somebody waits in the backlog. */
			if ((errno == EMFILE || errno == ENFILE) && s->nopen)
				listen_again(s, false);
			return;
		}
		/* The input buffer is left as it is: zeroing 64 KiB per connection would be most of the work. */
		c = malloc(sizeof(*c));
		if (!c) {
			close(fd);
			return;
		}
		memset(c, 0, offsetof(struct conn, in));
		c->fd = fd;
		s->nopen++;
		c->armed = ev.events;
		c->next = s->conns;
		if (s->conns)
			s->conns->prev = c;
		s->conns = c;
		ev.data.ptr = c;
		if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
			conn_close(s, c, false);
	}
}

static const char *reason_of(int status)
{
	return status < 300 ? "OK" : status < 500 ? "Bad Request" : "Internal Server Error";
}

static void set_out(struct conn *c, char *out, int len)
{
	free(c->out);
	c->out = len < 0 ? NULL : out;
	c->out_len = len < 0 ? 0 : (size_t)len;
	c->out_at = 0;
}

/* The answer to the request that is complete; none (ERROR over TCP) means: close. */
static void make_answer(const struct bo_stub *s, struct conn *c, int status)
{
	const struct bo_stub_spec *spec = s->spec;
	const char *body = spec->body ? spec->body : "";
	char *out = NULL;
	int len = 0;

	if (spec->proto == BO_STUB_TCP) {
		c->close_after = spec->mode == BO_STUB_ERROR;
		if (!c->close_after)
			len = asprintf(&out, "%s\n", body);
	} else {
		if (spec->mode == BO_STUB_ERROR && status < 400)
			status = 500;
		len = asprintf(
			&out,
			"HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n%s\r\n%s",
			status, reason_of(status), strlen(body),
			c->close_after ? "Connection: close\r\n" : "", body);
	}
	set_out(c, out, len);
	if (spec->mode == BO_STUB_STALL)
		c->out_len /= 2;
}

static void drop_in(struct conn *c, size_t n)
{
	c->in_len -= n;
	memmove(c->in, c->in + n, c->in_len);
}

/* The value of a header field, or NULL.  @head ends with a NUL. */
static const char *field(const char *head, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n"))
		if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':')
			return line + 3 + len + strspn(line + 3 + len, " \t");
	return NULL;
}

/* Return: 1 when a request is complete (and answered in c->out), 0 when more has to come, -1 when it is hopeless */
static int take_http(const struct bo_stub *s, struct conn *c)
{
	char *end = memmem(c->in, c->in_len, "\r\n\r\n", 4);
	int status = s->spec->status ? s->spec->status : 200;
	const char *value;
	size_t head_len;

	if (!end)
		return c->in_len == IN_MAX ? -1 : 0;
	head_len = (size_t)(end - c->in) + 4;
	end[2] = '\0'; /* after the last field's own CRLF */
	value = field(c->in, "Connection");
	c->close_after = (value && strncasecmp(value, "close", 5) == 0) ||
			 strstr(c->in, " HTTP/1.0\r\n");
	value = field(c->in, "Content-Length");
	c->skip = value ? strtoull(value, NULL, 10) : 0;
	if (field(c->in, "Transfer-Encoding")) {
		status = 411;
		c->close_after = true;
	}
	drop_in(c, head_len);
	make_answer(s, c, status);
	return 1;
}

static int take_line(const struct bo_stub *s, struct conn *c)
{
	const char *end = memchr(c->in, '\n', c->in_len);

	if (!end)
		return c->in_len == IN_MAX ? -1 : 0;
	drop_in(c, (size_t)(end - c->in) + 1);
	make_answer(s, c, 0);
	return 1;
}

static void write_out(struct bo_stub *s, struct conn *c);

static void answer(struct bo_stub *s, struct conn *c)
{
	if (s->spec->mode == BO_STUB_RESET) {
		conn_close(s, c, true);
		return;
	}
	c->state = WRITING;
	write_out(s, c);
}

/* Requests that are in the buffer already.  Return: false when the connection is gone */
static bool process(struct bo_stub *s, struct conn *c)
{
	size_t skip = c->skip < c->in_len ? c->skip : c->in_len;
	int got;

	drop_in(c, skip);
	c->skip -= skip;
	if (c->skip)
		return true;
	got = s->spec->proto == BO_STUB_TCP ? take_line(s, c) : take_http(s, c);
	if (got < 0 || (got == 0 && c->peer_done)) {
		conn_close(s, c, false);
		return false;
	}
	if (got == 0)
		return true;
	if (s->spec->delay_ns <= 0) {
		answer(s, c);
		return false;
	}
	c->state = WAITING;
	c->due_ns = bo_now_ns() + s->spec->delay_ns;
	c->later = NULL;
	*s->queue_end = c;
	s->queue_end = &c->later;
	/* Nothing more is read until this one is answered, but a reset of the peer must still be heard. */
	arm(s, c, 0);
	return false;
}

static void read_in(struct bo_stub *s, struct conn *c)
{
	char sink[4096];

	for (;;) {
		bool stalled = c->state == STALLED;
		ssize_t n = recv(c->fd, stalled ? sink : c->in + c->in_len,
				 stalled ? sizeof(sink) : IN_MAX - c->in_len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0 || (n == 0 && (stalled || c->in_len == 0))) {
			conn_close(s, c, false);
			return;
		}
		if (stalled)
			continue;
		c->peer_done = n == 0;
		c->in_len += (size_t)n;
		if (!process(s, c) || c->peer_done)
			return;
	}
}

static void write_out(struct bo_stub *s, struct conn *c)
{
	while (c->out_at < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			arm(s, c, EPOLLOUT);
			return;
		}
		if (n < 0) {
			conn_close(s, c, false);
			return;
		}
		c->out_at += (size_t)n;
	}
	if (s->spec->mode == BO_STUB_STALL) {
		c->state = STALLED;
		arm(s, c, EPOLLIN);
		return;
	}
	if (c->close_after) {
		conn_close(s, c, false);
		return;
	}
	c->state = READING;
	arm(s, c, EPOLLIN);
	/* The next request may be in the buffer already, where epoll does not see it. */
	if (process(s, c) && c->peer_done)
		conn_close(s, c, false);
}

static void answer_due(struct bo_stub *s)
{
	int64_t now = bo_now_ns();

	while (s->queue && s->queue->due_ns <= now) {
		struct conn *c = s->queue;

		s->queue = c->later;
		if (!s->queue)
			s->queue_end = &s->queue;
		c->state = READING;
		if (c->dead)
			conn_free(s, c);
		else
			answer(s, c);
	}
}

static void handle(struct bo_stub *s, const struct epoll_event *ev)
{
	struct conn *c = ev->data.ptr;

	if (!c)
		accept_all(s);
	else if (ev->events & (EPOLLERR | EPOLLHUP) && c->state == WAITING)
		conn_close(s, c, false);
	else if (c->state == WRITING)
		write_out(s, c);
	else if (c->state != WAITING)
		read_in(s, c);
}

int bo_stub_run(struct bo_stub *s, int stop_fd, struct bo_err *err)
{
	struct epoll_event stop = { .events = EPOLLIN, .data.ptr = s };

	if (stop_fd >= 0 && epoll_ctl(s->epoll, EPOLL_CTL_ADD, stop_fd, &stop) < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "epoll_ctl");
	for (;;) {
		struct epoll_event ev;
		int64_t left = s->queue ? s->queue->due_ns - bo_now_ns() : 0;
		struct timespec ts = bo_ns_to_timespec(left);
		/* One event at a time: handling one may free the connection of another. */
		int n = epoll_pwait2(s->epoll, &ev, 1, s->queue ? &ts : NULL, NULL);

		if (n < 0 && errno != EINTR)
			return bo_err_errno(err, BO_SUBSYS_LAB, "epoll_pwait2");
		if (n == 1 && ev.data.ptr == s)
			return 0;
		if (n == 1)
			handle(s, &ev);
		answer_due(s);
	}
}
