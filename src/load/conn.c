/* SPDX-License-Identifier: Apache-2.0 */
/* conn.c — connections: the pool, connecting, moving bytes between socket and protocol.
 * Owns: the sockets.  Threads: the load's.  Privilege: none.
 *
 * Theory of operation.  Idle connections that nobody used for BO_CONN_IDLE_NS are closed, and all of
 * them when load is off, because each costs the service a goroutine and would be mistaken for a
 * leak.  Bytes go through two small tables of functions, the transport's once per system call and
 * the protocol's once per block received, never once per byte. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/sys/unixsock.h"
#include "protocol.h"
#include "transport.h"

#define BO_CONN_IDLE_NS (2 * BO_NSEC_PER_SEC)
/* What a slow reader lets the kernel take in for it; the smallest is 2304 (tcp(7)). */
#define SLOW_RCVBUF 4096

/* ---- slots and sockets ---- */

static bool is_open(enum bo_conn_state state)
{
	return state != BO_CONN_FREE && state != BO_CONN_VANISHED;
}

void bo_conn_set_state(struct bo_load *load, struct bo_conn *c, enum bo_conn_state state)
{
	load->open += (size_t)is_open(state) - (size_t)is_open(c->state);
	c->state = state;
	if (load->open > load->record.peak_connections)
		load->record.peak_connections = load->open;
}

static struct bo_conn *slot_get(struct bo_load *load)
{
	struct bo_conn *c;

	if (load->free_slots.len)
		return load->conns[load->free_slots.items[--load->free_slots.len]];
	if (load->nconns == load->conns_cap)
		return NULL;
	/* Room to give the slot back is made here, so that closing can never fail. */
	if (!bo_vec_reserve(&load->free_slots, load->nconns + 1))
		return NULL;
	c = calloc(1, sizeof(*c) + load->streams * sizeof(c->calls[0]));
	if (!c)
		return NULL;
	c->fd = -1;
	c->slot = (uint32_t)load->nconns;
	for (uint32_t i = 0; i < load->streams; i++)
		c->calls[i].conn = c;
	load->conns[load->nconns++] = c;
	return c;
}

struct bo_conn *bo_conn_new(struct bo_load *load)
{
	struct bo_conn *c = slot_get(load);

	if (!c)
		return NULL;
	bo_conn_set_state(load, c, BO_CONN_CONNECTING);
	c->tcp_up = c->reused = c->send_failed = c->closing = c->busy_inside = false;
	c->out_len = c->out_at = 0;
	c->written = 0;
	c->room = load->room;
	return c;
}

void bo_conn_close(struct bo_load *load, struct bo_conn *c)
{
	bo_deadline_cancel(&c->timer);
	bo_deadline_cancel(&c->pace);
	if (c->session)
		load->protocol->close(c);
	if (c->tls) {
		if (c->state == BO_CONN_BUSY || c->state == BO_CONN_IDLE)
			load->transport->bye(c);
		load->transport->close(c);
	}
	bo_close(&c->fd); /* leaves the epoll set with its last descriptor */
	bo_conn_set_state(load, c, BO_CONN_FREE);
	bo_conn_room(load, c);
	c->gen++;
	load->free_slots.items[load->free_slots.len++] = c->slot;
}

int bo_conn_watch(struct bo_load *load, struct bo_conn *c, int op, bool want_in, bool want_out)
{
	struct epoll_event ev = {
		.events = (want_in ? EPOLLIN : 0u) | (want_out ? EPOLLOUT : 0u),
		.data.u64 = (uint64_t)c->gen << 32 | c->slot,
	};

	c->want_in = want_in;
	c->want_out = want_out;
	return epoll_ctl(load->epoll_fd, op, c->fd, &ev) ? -errno : 0;
}

void bo_conn_room(struct bo_load *load, struct bo_conn *c)
{
	bool want;

	if (load->streams == 1)
		return;
	want = !c->closing && c->ncalls && c->ncalls < c->room &&
	       (c->state == BO_CONN_CONNECTING || c->state == BO_CONN_BUSY);
	if (want == c->in_room)
		return;
	c->in_room = want;
	if (want) {
		c->room_prev = NULL;
		c->room_next = load->roomy;
		if (load->roomy)
			load->roomy->room_prev = c;
		load->roomy = c;
		return;
	}
	if (c->room_prev)
		c->room_prev->room_next = c->room_next;
	else
		load->roomy = c->room_next;
	if (c->room_next)
		c->room_next->room_prev = c->room_prev;
}

struct bo_call *bo_conn_take(struct bo_load *load, struct bo_conn *c, const struct bo_ask *ask)
{
	struct bo_call *call = c->calls;

	while (call->active)
		call++; /* there is a free one: ncalls < room <= streams */
	call->active = true;
	call->status = 0;
	call->received = 0;
	call->ask = *ask;
	c->ncalls++;
	load->inflight++;
	bo_conn_room(load, c);
	return call;
}

/* ---- how a connection ends ---- */

void bo_conn_fail(struct bo_load *load, struct bo_conn *c, enum bo_req_class cls, const char *why,
		  int64_t now_ns)
{
	c->closing = true;
	for (uint32_t i = 0; c->ncalls; i++) {
		if (c->calls[i].active)
			bo_call_end(load, &c->calls[i], cls, why, now_ns);
	}
	bo_conn_close(load, c);
}

void bo_conn_broken(struct bo_load *load, struct bo_conn *c, int code, const char *why,
		    int64_t now_ns)
{
	uint32_t left = c->ncalls;

	c->closing = true;
	bo_conn_room(load, c);
	for (uint32_t i = 0; left; i++) {
		struct bo_call *call = &c->calls[i];
		enum bo_req_class cls = bo_class_of_errno(call, code);

		if (!call->active)
			continue;
		left--;
		if (cls == BO_REQ_RESET && bo_call_is_stale(load, call)) {
			bo_call_retry(load, call, now_ns);
			if (load->streams == 1)
				return; /* closed on the way */
			continue;
		}
		bo_call_end(load, call, cls, why, now_ns);
	}
	bo_conn_close(load, c);
}

void bo_conn_rest(struct bo_load *load, struct bo_conn *c, bool reuse, int64_t now_ns)
{
	if (!reuse || c->closing || c->send_failed || !load->keepalive || !load->load_on) {
		bo_conn_close(load, c);
		return;
	}
	c->reused = true;
	bo_conn_set_state(load, c, BO_CONN_IDLE);
	bo_conn_room(load, c);
	bo_deadline_set(&load->idle, &c->timer, now_ns + BO_CONN_IDLE_NS, c);
}

/* ---- opening ---- */

/* Return: 0, also when connect(2) goes on by itself; or -errno */
static int connect_tcp(struct bo_load *load, struct bo_conn *c)
{
	int one = 1, small = SLOW_RCVBUF;

	/* Without it a body sent after the head would wait for the peer's delayed ACK (Nagle). */
	if (setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		return -errno;
	/* Before connect(2), or the window that was offered cannot shrink any more. */
	if (load->spec->slow.read_per_s > 0 &&
	    setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)))
		return -errno;
	if (connect(c->fd, (const struct sockaddr *)&load->addr, load->addr_len) &&
	    errno != EINPROGRESS)
		return -errno;
	return 0;
}

static int connect_socket(struct bo_load *load, struct bo_conn *c)
{
	int family = load->spec->socket ? AF_UNIX : load->addr.ss_family, rc;

	c->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	rc = load->spec->socket ? bo_unixsock_connect(c->fd, load->root_fd, load->spec->socket)
				: connect_tcp(load, c);
	return rc ? rc : bo_conn_watch(load, c, EPOLL_CTL_ADD, true, true);
}

/* A unix socket that cannot be connected to says so at once, and in more ways than TCP knows (unix(7)).
 * Return: the class; *@why where the class does not say it all */
static enum bo_req_class unix_failed(int code, const char **why)
{
	switch (code) {
	case ECONNREFUSED:
		return BO_REQ_REFUSED;
	case EAGAIN: /* TCP would wait; Go's Dial fails with this, too */
		*why = "the socket's listen queue is full";
		return BO_REQ_REFUSED;
	case ENOENT:
	case ENOTDIR:
		*why = "there is no such socket";
		return BO_REQ_UNREACHABLE;
	case ENOTSOCK:
		*why = "what lies at the socket's path is no socket";
		return BO_REQ_UNREACHABLE;
	case EPROTOTYPE:
		*why = "the socket is not one for streams";
		return BO_REQ_UNREACHABLE;
	case ELOOP:
		*why = "the socket's path goes through links that cannot be followed";
		return BO_REQ_UNREACHABLE;
	case EACCES:
	case EPERM:
		*why = "no permission to connect to the socket";
		return BO_REQ_OTHER;
	default:
		*why = strerrordesc_np(code);
		return BO_REQ_OTHER;
	}
}

static void connect_failed(struct bo_load *load, struct bo_conn *c, int code, int64_t now_ns)
{
	const char *why = NULL;
	enum bo_req_class cls = load->spec->socket ? unix_failed(code, &why)
						   : bo_class_of_errno(&c->calls[0], code);

	if (cls == BO_REQ_OTHER && !why)
		why = code == EADDRNOTAVAIL ? "no free local port: raise the range of "
					      "net.ipv4.ip_local_port_range"
					    : strerrordesc_np(code);
	bo_conn_fail(load, c, cls, why, now_ns);
}

void bo_conn_connect(struct bo_load *load, struct bo_conn *c, int64_t now_ns)
{
	int rc = connect_socket(load, c);

	if (rc)
		connect_failed(load, c, -rc, now_ns);
}

/* The transport is ready: send what waits. */
static void ready(struct bo_load *load, struct bo_conn *c, int64_t now_ns)
{
	uint32_t gen = c->gen, left = c->ncalls;
	int rc = load->protocol->open ? load->protocol->open(load, c) : 0;

	bo_conn_set_state(load, c, BO_CONN_BUSY);
	if (!rc && load->spec->slow.read_per_s > 0)
		rc = bo_conn_watch(load, c, EPOLL_CTL_MOD, false, c->want_out);
	if (rc) {
		bo_conn_fail(load, c, BO_REQ_OTHER, strerrordesc_np(-rc), now_ns);
		return;
	}
	for (uint32_t i = 0; left && c->gen == gen; i++) {
		if (!c->calls[i].active)
			continue;
		left--;
		bo_call_start(load, &c->calls[i], now_ns);
	}
}

static void handshake(struct bo_load *load, struct bo_conn *c, int64_t now_ns)
{
	const char *why = NULL;
	int rc = load->transport->handshake ? load->transport->handshake(load, c, &why) : 0;

	if (rc == -EAGAIN)
		return;
	if (rc)
		bo_conn_fail(load, c, bo_class_of_errno(&c->calls[0], -rc), why, now_ns);
	else
		ready(load, c, now_ns);
}

static void connected(struct bo_load *load, struct bo_conn *c, int64_t now_ns)
{
	const char *why = NULL;
	int code = 0, rc = 0;
	socklen_t len = sizeof(code);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &code, &len))
		code = errno;
	if (code) {
		connect_failed(load, c, code, now_ns);
		return;
	}
	load->record.connects++;
	c->tcp_up = true;
	if (load->transport->open)
		rc = load->transport->open(load, c, &why);
	if (rc)
		bo_conn_fail(load, c, BO_REQ_OTHER, why, now_ns);
	else
		handshake(load, c, now_ns);
}

/* ---- sending ---- */

/* Bytes to send: those left, or the next ones that the protocol has.  Return: 1, 0 none, -1 closed */
static int something_to_send(struct bo_load *load, struct bo_conn *c, int64_t now_ns)
{
	if (c->out_at < c->out_len)
		return 1;
	return load->protocol->more ? load->protocol->more(load, c, now_ns) : 0;
}

void bo_conn_send(struct bo_load *load, struct bo_conn *c, int64_t now_ns)
{
	bool blocked = false;
	int rc = 0;

	if (c->busy_inside)
		return;
	while (!blocked && !c->send_failed && (rc = something_to_send(load, c, now_ns)) > 0) {
		size_t len = c->out_len - c->out_at;
		const char *why = NULL;
		ssize_t n;

		if (load->pace_ns) {
			len = bo_slow_out(load, c, len, now_ns);
			if (!len)
				break;
		}
		n = load->transport->send(c, c->out + c->out_at, len, &why);
		if (n > 0) {
			c->out_at += (size_t)n;
			if (!load->protocol->more)
				bo_call_sent(load, &c->calls[0], now_ns);
		} else if (n == -EAGAIN) {
			blocked = true;
		} else if (n == -EPIPE || n == -ECONNRESET) {
			/* The server closed.  It may have answered first (413 …), so let the
			 * reading side say how it ended: a socket in this state is always
			 * readable. */
			c->send_failed = true;
		} else {
			bo_conn_broken(load, c, (int)-n, why, now_ns);
			return;
		}
	}
	if (rc < 0)
		return;
	if (c->want_out != blocked && bo_conn_watch(load, c, EPOLL_CTL_MOD, c->want_in, blocked))
		bo_conn_fail(load, c, BO_REQ_OTHER, "epoll_ctl", now_ns);
	else if (load->protocol->more && !c->ncalls &&
		 (c->state == BO_CONN_BUSY || (c->state == BO_CONN_IDLE && c->closing)))
		bo_conn_rest(load, c, true, now_ns); /* the last one ended on the way */
}

/* ---- receiving ---- */

static void took(struct bo_load *load, struct bo_conn *c, ssize_t n, const char *why,
		 int64_t now_ns)
{
	switch (c->state) {
	case BO_CONN_BUSY:
		if (n > 0)
			load->protocol->take(load, c, load->recv_buf, (size_t)n, now_ns);
		else if (n < 0)
			bo_conn_broken(load, c, (int)-n, why, now_ns);
		else
			load->protocol->eof(load, c, now_ns);
		return;
	case BO_CONN_HELD:
	case BO_CONN_DRAINING:
		if (n <= 0)
			bo_conn_close(load, c);
		return;
	case BO_CONN_IDLE:
		if (n > 0 && c->session) {
			load->protocol->take(load, c, load->recv_buf, (size_t)n, now_ns);
			return;
		}
		/* fall through */
	default:
		/* The server closed, or says something that nobody asked for.  No request is on
		 * it. */
		bo_conn_close(load, c);
		return;
	}
}

void bo_conn_readable(struct bo_load *load, struct bo_conn *c, int64_t now_ns)
{
	uint32_t gen = c->gen;
	bool again;

	do {
		size_t most = BO_LOAD_RECV_BYTES;
		const char *why = NULL;
		ssize_t n;

		if (load->pace_ns) {
			most = bo_slow_in(load, c, most, now_ns);
			if (!most)
				return;
		}
		if (c->state == BO_CONN_HELD || c->state == BO_CONN_DRAINING) {
			/* What it says is not looked at any more, so it need not be decrypted. */
			n = recv(c->fd, load->recv_buf, most, 0);
			n = n < 0 ? -errno : n;
		} else {
			n = load->transport->recv(c, load->recv_buf, most, &why);
		}
		if (n == -EAGAIN || n == -EINTR)
			return;
		took(load, c, n, why, now_ns);
		again = c->gen == gen && c->tls && load->transport->pending(c);
	} while (again);
}

void bo_conn_event(struct bo_load *load, struct bo_conn *c, uint32_t events)
{
	int64_t now_ns = bo_now_ns();
	uint32_t gen = c->gen;

	if (c->state == BO_CONN_CONNECTING) {
		if (c->tcp_up)
			handshake(load, c, now_ns);
		else
			connected(load, c, now_ns);
		return;
	}
	if ((events & EPOLLOUT) && c->state == BO_CONN_BUSY && c->want_out)
		bo_conn_send(load, c, now_ns);
	if (!(events & (EPOLLIN | EPOLLERR | EPOLLHUP)) || c->gen != gen)
		return;
	if (events & (EPOLLERR | EPOLLHUP))
		c->may_read = BO_LOAD_RECV_BYTES; /* it is over; even who reads slowly sees that */
	bo_conn_readable(load, c, now_ns);
}

/* ---- deadlines and endings ---- */

static struct bo_conn *due(const struct bo_deadlines *q, int64_t now_ns)
{
	return bo_deadlines_next(q) <= now_ns ? q->first->owner : NULL;
}

void bo_conn_expire(struct bo_load *load, int64_t now_ns)
{
	struct bo_conn *c;

	if (load->pace_ns)
		bo_slow_expire(load, now_ns);
	bo_call_expire(load, now_ns);
	while ((c = due(&load->idle, now_ns)))
		bo_conn_close(load, c);
	while (!load->failed.code && (c = due(&load->holds, now_ns)))
		bo_hold_let_go(load, c, now_ns);
	while ((c = due(&load->drains, now_ns)))
		bo_conn_close(load, c);
}

static int64_t min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t bo_conn_next_deadline(const struct bo_load *load)
{
	int64_t next = min64(bo_deadlines_next(&load->requests), bo_deadlines_next(&load->hangups));

	next = min64(next, bo_deadlines_next(&load->idle));
	next = min64(next, bo_deadlines_next(&load->holds));
	next = min64(next, bo_deadlines_next(&load->paces));
	return min64(next, bo_deadlines_next(&load->drains));
}

void bo_conn_finish_all(struct bo_load *load, int64_t now_ns)
{
	for (size_t i = 0; i < load->nconns; i++) {
		struct bo_conn *c = load->conns[i];

		if (c->state == BO_CONN_VANISHED)
			bo_hold_bury(c);
		if (c->state != BO_CONN_FREE)
			bo_conn_fail(load, c, BO_REQ_INFLIGHT, NULL, now_ns);
	}
}
