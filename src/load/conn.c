/* SPDX-License-Identifier: Apache-2.0 */
/* conn.c — one connection and the request on it, from connect(2) to the last byte.
 * Owns: the sockets.  Threads: the load's.  Privilege: none.
 *
 * Theory of operation.  A connection serves one request at a time.  Idle ones are taken last in,
 * first out, so that the pool shrinks to what the load needs; those unused for BO_CONN_IDLE_NS are
 * closed, and all of them when load is off, because each costs the service a goroutine and would be
 * mistaken for a leak.
 *
 * A server may close an idle connection at any moment, so a request can be sent into one that is
 * already dead.  Such a request is sent once more on a fresh connection, as every client does, but
 * only when it is idempotent and the peer's TCP has not acknowledged one byte of it: once the
 * service may have seen it, its loss is a result. */
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "engine.h"

#define BO_CONN_IDLE_NS (2 * BO_NSEC_PER_SEC)

static void conn_request(struct bo_load *load, struct bo_conn *c, int64_t now_ns);

/* ---- slots and sockets ---- */

static bool is_open(enum bo_conn_state state)
{
	return state != BO_CONN_FREE && state != BO_CONN_VANISHED;
}

static bool is_inflight(enum bo_conn_state state)
{
	return state == BO_CONN_CONNECTING || state == BO_CONN_BUSY;
}

/* The one place where a state changes, so that the counts are always right. */
void bo_conn_set_state(struct bo_load *load, struct bo_conn *c, enum bo_conn_state state)
{
	load->open += (size_t)is_open(state) - (size_t)is_open(c->state);
	load->inflight += (size_t)is_inflight(state) - (size_t)is_inflight(c->state);
	load->held += (size_t)(state == BO_CONN_HELD) - (size_t)(c->state == BO_CONN_HELD);
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
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->fd = -1;
	c->slot = (uint32_t)load->nconns;
	load->conns[load->nconns++] = c;
	return c;
}

void bo_conn_close(struct bo_load *load, struct bo_conn *c)
{
	bo_deadline_cancel(&c->timer);
	bo_deadline_cancel(&c->hangup);
	bo_close(&c->fd); /* leaves the epoll set with its last descriptor */
	bo_conn_set_state(load, c, BO_CONN_FREE);
	c->gen++;
	load->free_slots.items[load->free_slots.len++] = c->slot;
}

int bo_conn_watch(struct bo_load *load, struct bo_conn *c, int op, bool want_out)
{
	struct epoll_event ev = {
		.events = EPOLLIN | (want_out ? EPOLLOUT : 0u),
		.data.u64 = (uint64_t)c->gen << 32 | c->slot,
	};

	c->want_out = want_out;
	return epoll_ctl(load->epoll_fd, op, c->fd, &ev) ? -errno : 0;
}

/* ---- how a request ends ---- */

enum bo_req_class bo_conn_class_of_status(unsigned int status)
{
	if (status >= 500)
		return BO_REQ_HTTP_5XX;
	return status >= 400 ? BO_REQ_HTTP_4XX : BO_REQ_OK;
}

static enum bo_req_class class_of_timeout(const struct bo_conn *c)
{
	if (c->state == BO_CONN_CONNECTING)
		return BO_REQ_TIMEOUT_CONNECT;
	return c->req.first_byte_ns ? BO_REQ_TIMEOUT_BODY : BO_REQ_TIMEOUT_FIRST_BYTE;
}

static enum bo_req_class class_of_errno(const struct bo_conn *c, int code)
{
	switch (code) {
	case ECONNREFUSED:
		return BO_REQ_REFUSED;
	case ECONNRESET:
	case ECONNABORTED:
	case EPIPE:
		return BO_REQ_RESET;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
	case ENETDOWN:
		return BO_REQ_UNREACHABLE;
	case ETIMEDOUT:
		return class_of_timeout(c); /* the kernel gave up before we did */
	default:
		return BO_REQ_OTHER;
	}
}

/* Record the request of @c; the connection is left to the caller. */
void bo_conn_end_request(struct bo_load *load, struct bo_conn *c, enum bo_req_class cls,
			 int64_t now_ns)
{
	c->req.status = c->http.head_done ? c->http.status : 0;
	c->req.bytes = c->received > UINT32_MAX ? UINT32_MAX : (uint32_t)c->received;
	bo_engine_record(load, &c->req, cls, now_ns);
	bo_deadline_cancel(&c->timer);
	bo_deadline_cancel(&c->hangup);
}

static void conn_fail(struct bo_load *load, struct bo_conn *c, enum bo_req_class cls,
		      int64_t now_ns)
{
	bo_conn_end_request(load, c, cls, now_ns);
	bo_conn_close(load, c);
}

/* ---- opening ---- */

static int conn_connect(struct bo_load *load, struct bo_conn *c)
{
	int one = 1;
	int rc;

	c->fd = socket(load->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	/* Without it a body sent after the head would wait for the peer's delayed ACK (Nagle). */
	if (setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		return -errno;
	if (connect(c->fd, (const struct sockaddr *)&load->addr, load->addr_len) &&
	    errno != EINPROGRESS)
		return -errno;
	rc = bo_conn_watch(load, c, EPOLL_CTL_ADD, true);
	return rc;
}

/* Start connecting for the request described by @req; it is recorded here if that fails at once. */
static struct bo_conn *conn_open(struct bo_load *load, const struct bo_req *req, int64_t taken_ns,
				 int64_t now_ns)
{
	struct bo_conn *c = slot_get(load);
	int rc;

	if (!c) {
		struct bo_req lost = *req;

		bo_engine_record(load, &lost, BO_REQ_OTHER, now_ns);
		return NULL;
	}
	bo_conn_set_state(load, c, BO_CONN_CONNECTING);
	c->reused = c->retried = false;
	c->taken_ns = taken_ns;
	c->req = *req;
	c->sent = 0;
	c->received = 0;
	c->send_failed = false;
	bo_http1_init(&c->http, load->is_head);
	rc = conn_connect(load, c);
	if (rc) {
		conn_fail(load, c, class_of_errno(c, -rc), now_ns);
		return NULL;
	}
	return c;
}

static void conn_connected(struct bo_load *load, struct bo_conn *c, int64_t now_ns)
{
	int code = 0;
	socklen_t len = sizeof(code);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &code, &len))
		code = errno;
	if (code) {
		conn_fail(load, c, class_of_errno(c, code), now_ns);
		return;
	}
	load->record.connects++;
	conn_request(load, c, now_ns);
}

/* ---- sending ---- */

static void conn_send(struct bo_load *load, struct bo_conn *c, int64_t now_ns)
{
	ssize_t n = send(c->fd, load->request + c->sent, load->request_len - c->sent, MSG_NOSIGNAL);
	int rc = 0;

	if (n < 0 && errno != EAGAIN) {
		if (errno != EPIPE && errno != ECONNRESET) {
			conn_fail(load, c, class_of_errno(c, errno), now_ns);
			return;
		}
		/* The server closed.  It may have answered first (413 …), so let the reading side
		 * say how it ended: a socket in this state is always readable. */
		c->send_failed = true;
	}
	if (n > 0) {
		if (!c->req.sent_ns) {
			c->req.sent_ns = now_ns;
			load->record.sent++;
			if (load->spec->abandon_ns)
				bo_deadline_set(&load->hangups, &c->hangup,
						now_ns + load->spec->abandon_ns, c);
		}
		c->sent += (size_t)n;
	}
	if (c->want_out != (c->sent < load->request_len && !c->send_failed))
		rc = bo_conn_watch(load, c, EPOLL_CTL_MOD, !c->want_out);
	if (rc)
		conn_fail(load, c, BO_REQ_OTHER, now_ns);
}

static void conn_request(struct bo_load *load, struct bo_conn *c, int64_t now_ns)
{
	bo_conn_set_state(load, c, BO_CONN_BUSY);
	conn_send(load, c, now_ns);
}

static void conn_set_timeout(struct bo_load *load, struct bo_conn *c)
{
	if (load->spec->timeout_ns)
		bo_deadline_set(&load->requests, &c->timer, c->taken_ns + load->spec->timeout_ns,
				c);
}

void bo_conn_start(struct bo_load *load, int64_t intended_ns, int64_t now_ns)
{
	struct bo_req req = { .intended_ns = intended_ns, .load = (uint8_t)load->index };
	struct bo_conn *c;

	if (load->idle.last) {
		c = load->idle.last->owner; /* last in, first out */
		bo_deadline_cancel(&c->timer);
		c->req = req;
		c->taken_ns = now_ns;
		c->sent = 0;
		c->received = 0;
		c->retried = false;
		bo_http1_init(&c->http, load->is_head);
		conn_set_timeout(load, c);
		conn_request(load, c, now_ns);
		return;
	}
	if (load->open >= load->max_conns) {
		load->record.shed++;
		bo_engine_record(load, &req, BO_REQ_SHED, now_ns);
		return;
	}
	c = conn_open(load, &req, now_ns, now_ns);
	if (c)
		conn_set_timeout(load, c);
}

/* ---- receiving ---- */

static bool is_stale(const struct bo_load *load, const struct bo_conn *c)
{
	int unacked = 0;

	if (!c->reused || c->retried || c->received || !load->idempotent)
		return false;
	/* SIOCOUTQ counts what the peer has not acknowledged (tcp(7)). */
	if (c->sent && (ioctl(c->fd, SIOCOUTQ, &unacked) || (size_t)unacked < c->sent))
		return false;
	return true;
}

/* The request moves to a fresh connection and keeps its intended time, its first sending and its
 * deadlines. */
static void conn_retry(struct bo_load *load, struct bo_conn *old, int64_t now_ns)
{
	struct bo_deadline timer = { 0 }, hangup = { 0 };
	struct bo_req req = old->req;
	int64_t taken_ns = old->taken_ns;
	struct bo_conn *c;

	bo_deadline_move(&old->timer, &timer, NULL);
	bo_deadline_move(&old->hangup, &hangup, NULL);
	bo_conn_close(load, old);
	c = conn_open(load, &req, taken_ns, now_ns);
	if (!c) {
		bo_deadline_cancel(&timer);
		bo_deadline_cancel(&hangup);
		return;
	}
	c->retried = true;
	bo_deadline_move(&timer, &c->timer, c);
	bo_deadline_move(&hangup, &c->hangup, c);
}

static void conn_broken(struct bo_load *load, struct bo_conn *c, int code, int64_t now_ns)
{
	enum bo_req_class cls = class_of_errno(c, code);

	if (cls == BO_REQ_RESET && is_stale(load, c))
		conn_retry(load, c, now_ns);
	else
		conn_fail(load, c, cls, now_ns);
}

static void conn_answered(struct bo_load *load, struct bo_conn *c, bool leftover, int64_t now_ns)
{
	/* A server that answers before it has read the whole request will not read the rest. */
	bool reuse = load->spec->keepalive && load->load_on && c->http.keepalive && !leftover &&
		     c->sent == load->request_len;

	bo_conn_end_request(load, c,
			    leftover ? BO_REQ_PROTOCOL : bo_conn_class_of_status(c->http.status),
			    now_ns);
	if (!reuse) {
		bo_conn_close(load, c);
		return;
	}
	c->reused = true;
	bo_conn_set_state(load, c, BO_CONN_IDLE);
	bo_deadline_set(&load->idle, &c->timer, now_ns + BO_CONN_IDLE_NS, c);
}

static void conn_take(struct bo_load *load, struct bo_conn *c, size_t n, int64_t now_ns)
{
	ssize_t used;

	if (!c->req.first_byte_ns)
		c->req.first_byte_ns = now_ns;
	c->received += n;
	used = bo_http1_feed(&c->http, load->recv_buf, n);
	if (used < 0)
		conn_fail(load, c, BO_REQ_PROTOCOL, now_ns);
	else if (load->spec->kind == BO_LOAD_HOLD && c->http.head_done)
		bo_hold_begin(load, c, now_ns);
	else if (c->http.done)
		conn_answered(load, c, (size_t)used < n && !c->http.upgraded, now_ns);
}

static void conn_readable(struct bo_load *load, struct bo_conn *c, int64_t now_ns)
{
	ssize_t n = recv(c->fd, load->recv_buf, BO_LOAD_RECV_BYTES, 0);
	int code = errno;

	if (n < 0 && (code == EAGAIN || code == EINTR))
		return;
	switch (c->state) {
	case BO_CONN_BUSY:
		if (n > 0)
			conn_take(load, c, (size_t)n, now_ns);
		else if (n < 0)
			conn_broken(load, c, code, now_ns);
		else if (bo_http1_eof(&c->http))
			conn_broken(load, c, ECONNRESET, now_ns);
		else
			conn_answered(load, c, false, now_ns);
		return;
	case BO_CONN_HELD:
	case BO_CONN_DRAINING:
		if (n <= 0)
			bo_conn_close(load, c);
		return;
	default:
		/* Idle: the server closed, or says something that nobody asked for.  No request is
		 * on it. */
		bo_conn_close(load, c);
		return;
	}
}

void bo_conn_event(struct bo_load *load, struct bo_conn *c, uint32_t events)
{
	int64_t now_ns = bo_now_ns();
	uint32_t gen = c->gen;

	if (c->state == BO_CONN_CONNECTING) {
		conn_connected(load, c, now_ns);
		return;
	}
	if ((events & EPOLLOUT) && c->state == BO_CONN_BUSY && c->want_out)
		conn_send(load, c, now_ns);
	if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) && c->gen == gen)
		conn_readable(load, c, now_ns);
}

/* ---- deadlines and endings ---- */

static struct bo_conn *due(const struct bo_deadlines *q, int64_t now_ns)
{
	return bo_deadlines_next(q) <= now_ns ? q->first->owner : NULL;
}

void bo_conn_expire(struct bo_load *load, int64_t now_ns)
{
	struct bo_conn *c;

	while ((c = due(&load->hangups, now_ns)))
		conn_fail(load, c, BO_REQ_ABANDONED, now_ns);
	while ((c = due(&load->requests, now_ns)))
		conn_fail(load, c, class_of_timeout(c), now_ns);
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
	return min64(next, bo_deadlines_next(&load->drains));
}

void bo_conn_finish_all(struct bo_load *load, int64_t now_ns)
{
	for (size_t i = 0; i < load->nconns; i++) {
		struct bo_conn *c = load->conns[i];

		if (is_inflight(c->state))
			bo_conn_end_request(load, c, BO_REQ_INFLIGHT, now_ns);
		if (c->state == BO_CONN_VANISHED)
			bo_hold_bury(c);
		if (c->state != BO_CONN_FREE)
			bo_conn_close(load, c);
	}
}
