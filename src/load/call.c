/* SPDX-License-Identifier: Apache-2.0 */
/* call.c — a request in flight: which connection it takes, and how it ends.
 * Owns: nothing; the connections own the places.  Threads: the load's.  Privilege: none.
 *
 * Theory of operation.  Where a protocol lets a connection carry several requests, one that has room
 * is taken; else an idle one, last in, first out, so that the pool shrinks to what the load needs;
 * else a new one.
 *
 * A server may close an idle connection at any moment, so a request can be sent into one that is
 * already dead.  Such a request is sent once more on a fresh connection, as every client does, but
 * only when it is idempotent and the peer's TCP has not acknowledged one byte of it: once the
 * service may have seen it, its loss is a result. */
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "brownout/base/clock.h"
#include "protocol.h"

/* ---- classes ---- */

enum bo_req_class bo_class_of_status(unsigned int status)
{
	if (status >= 500)
		return BO_REQ_HTTP_5XX;
	return status >= 400 ? BO_REQ_HTTP_4XX : BO_REQ_OK;
}

static enum bo_req_class class_of_timeout(const struct bo_call *call)
{
	if (call->conn->state == BO_CONN_CONNECTING)
		return BO_REQ_TIMEOUT_CONNECT;
	return call->ask.req.first_byte_ns ? BO_REQ_TIMEOUT_BODY : BO_REQ_TIMEOUT_FIRST_BYTE;
}

enum bo_req_class bo_class_of_errno(const struct bo_call *call, int code)
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
	case EPROTO:
		return BO_REQ_TLS;
	case ETIMEDOUT:
		return class_of_timeout(call); /* the kernel gave up before we did */
	default:
		return BO_REQ_OTHER;
	}
}

/* ---- beginning ---- */

void bo_call_values(const struct bo_load *load, const struct bo_call *call,
		    struct bo_template_values *ret)
{
	bo_template_values_init(ret, load->seed, BO_LOAD_RNG_STREAM + (uint64_t)load->index,
				call->ask.n,
				(call->ask.req.intended_ns + load->wall_ns) / BO_NSEC_PER_MSEC);
}

void bo_call_start(struct bo_load *load, struct bo_call *call, int64_t now_ns)
{
	struct bo_conn *c = call->conn;
	int rc;

	call->written = c->written;
	rc = load->protocol->start(load, call);
	if (rc && c->busy_inside)
		bo_call_end(load, call, BO_REQ_OTHER, "out of memory", now_ns);
	else if (rc)
		bo_conn_fail(load, c, BO_REQ_OTHER, "out of memory", now_ns);
	else
		bo_conn_send(load, c, now_ns);
}

/* Find a place for a request.  @timer and @hangup go on running when it is not its first. */
static void put(struct bo_load *load, const struct bo_ask *ask, struct bo_deadline *timer,
		struct bo_deadline *hangup, int64_t now_ns)
{
	struct bo_conn *c = load->roomy ? load->roomy : bo_conn_new(load);
	struct bo_call *call;

	if (!c) {
		struct bo_req lost = ask->req;

		bo_deadline_cancel(timer);
		bo_deadline_cancel(hangup);
		bo_engine_reason(load, BO_REQ_OTHER, "no memory or place for another connection");
		bo_engine_record(load, &lost, BO_REQ_OTHER, now_ns);
		return;
	}
	call = bo_conn_take(load, c, ask);
	bo_deadline_move(timer, &call->timer, call);
	bo_deadline_move(hangup, &call->hangup, call);
	if (!ask->retried && load->spec->timeout_ns)
		bo_deadline_set(&load->requests, &call->timer,
				ask->taken_ns + load->spec->timeout_ns, call);
	if (c->fd < 0)
		bo_conn_connect(load, c, now_ns);
	else if (c->state == BO_CONN_BUSY)
		bo_call_start(load, call, now_ns);
}

/* An idle connection: what most requests take, and nothing can be in its way. */
static void put_on_idle(struct bo_load *load, struct bo_conn *c, const struct bo_ask *ask,
			int64_t now_ns)
{
	struct bo_call *call;

	bo_deadline_cancel(&c->timer);
	call = bo_conn_take(load, c, ask);
	bo_conn_set_state(load, c, BO_CONN_BUSY);
	if (load->spec->timeout_ns)
		bo_deadline_set(&load->requests, &call->timer,
				ask->taken_ns + load->spec->timeout_ns, call);
	bo_conn_room(load, c);
	bo_call_start(load, call, now_ns);
}

void bo_call_offer(struct bo_load *load, int64_t intended_ns, int64_t now_ns)
{
	struct bo_deadline timer = { 0 }, hangup = { 0 };
	struct bo_ask ask = {
		.route = bo_routes_choose(&load->routes,
					  load->routes.len > 1 ? bo_rng_unit(&load->route_rng) : 0),
		.n = load->record.offered,
		.taken_ns = now_ns,
		.req = { .intended_ns = intended_ns, .load = (uint8_t)load->index },
	};

	ask.req.route = ask.route->index;
	if (load->idle.last && !load->roomy) {
		put_on_idle(load, load->idle.last->owner, &ask, now_ns);
		return;
	}
	if (load->inflight >= load->max_inflight ||
	    (!load->roomy && load->open >= load->max_conns)) {
		load->record.shed++;
		bo_engine_record(load, &ask.req, BO_REQ_SHED, now_ns);
		return;
	}
	put(load, &ask, &timer, &hangup, now_ns);
}

void bo_call_sent(struct bo_load *load, struct bo_call *call, int64_t now_ns)
{
	if (call->ask.req.sent_ns)
		return;
	call->ask.req.sent_ns = now_ns;
	load->record.sent++;
	if (load->spec->abandon_ns)
		bo_deadline_set(&load->hangups, &call->hangup, now_ns + load->spec->abandon_ns,
				call);
}

/* ---- ending ---- */

static void release(struct bo_load *load, struct bo_call *call)
{
	call->active = false;
	call->conn->ncalls--;
	load->inflight--;
	bo_conn_room(load, call->conn);
}

void bo_call_end(struct bo_load *load, struct bo_call *call, enum bo_req_class cls, const char *why,
		 int64_t now_ns)
{
	struct bo_req *req = &call->ask.req;

	req->status = call->status;
	req->bytes = call->received > UINT32_MAX ? UINT32_MAX : (uint32_t)call->received;
	bo_deadline_cancel(&call->timer);
	bo_deadline_cancel(&call->hangup);
	release(load, call);
	if (why)
		bo_engine_reason(load, cls, why);
	bo_engine_record(load, req, cls, now_ns);
}

bool bo_call_is_stale(const struct bo_load *load, const struct bo_call *call)
{
	const struct bo_conn *c = call->conn;
	uint64_t sent = c->written - call->written;
	int unacked = 0;

	if (!c->reused || call->ask.retried || call->received || !call->ask.route->idempotent)
		return false;
	/* A unix socket's queue is counted in whole buffers, of which the service may have read some. */
	if (!sent || load->spec->socket)
		return !sent;
	/* SIOCOUTQ counts what the peer has not acknowledged (tcp(7)). */
	return (!ioctl(c->fd, SIOCOUTQ, &unacked) && (uint64_t)unacked >= sent);
}

void bo_call_retry(struct bo_load *load, struct bo_call *old, int64_t now_ns)
{
	struct bo_deadline timer = { 0 }, hangup = { 0 };
	struct bo_ask ask = old->ask;
	struct bo_conn *c = old->conn;

	bo_deadline_move(&old->timer, &timer, NULL);
	bo_deadline_move(&old->hangup, &hangup, NULL);
	release(load, old);
	if (load->streams == 1)
		bo_conn_close(load, c);
	ask.retried = true;
	put(load, &ask, &timer, &hangup, now_ns);
}

/* ---- deadlines ---- */

static void give_up(struct bo_load *load, struct bo_call *call, enum bo_req_class cls,
		    int64_t now_ns)
{
	struct bo_conn *c = call->conn;

	if (c->state != BO_CONN_BUSY && c->ncalls > 1) {
		bo_call_end(load, call, cls, NULL, now_ns); /* the others go on connecting */
		return;
	}
	if (c->state != BO_CONN_BUSY || !load->protocol->cancel) {
		bo_conn_fail(load, c, cls, NULL, now_ns);
		return;
	}
	load->protocol->cancel(load, call, now_ns);
	bo_call_end(load, call, cls, NULL, now_ns);
	bo_conn_send(load, c, now_ns); /* which lets the connection rest if this was the last one */
}

/* What has arrived comes before what is due: a generator that was held up must not call a request
 * late whose answer lies in the socket. */
static void overdue(struct bo_load *load, struct bo_call *call, bool hangup, int64_t now_ns)
{
	struct bo_conn *c = call->conn;
	uint32_t gen = c->gen;
	uint64_t n = call->ask.n;

	if (c->state == BO_CONN_BUSY && load->spec->slow.read_per_s <= 0)
		bo_conn_readable(load, c, now_ns);
	if (c->gen == gen && call->active && call->ask.n == n)
		give_up(load, call, hangup ? BO_REQ_ABANDONED : class_of_timeout(call), now_ns);
}

static struct bo_call *due(const struct bo_deadlines *q, int64_t now_ns)
{
	return bo_deadlines_next(q) <= now_ns ? q->first->owner : NULL;
}

void bo_call_expire(struct bo_load *load, int64_t now_ns)
{
	struct bo_call *call;

	while ((call = due(&load->hangups, now_ns)))
		overdue(load, call, true, now_ns);
	while ((call = due(&load->requests, now_ns)))
		overdue(load, call, false, now_ns);
}
