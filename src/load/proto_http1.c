/* SPDX-License-Identifier: Apache-2.0 */
/* proto_http1.c — HTTP/1.1: one request at a time on a connection.
 * Owns: nothing.  Threads: the load's.  Privilege: none. */
#include <errno.h>

#include "protocol.h"

static int start(struct bo_load *load, struct bo_call *call)
{
	const struct bo_route *route = call->ask.route;
	struct bo_conn *c = call->conn;
	size_t head_len = route->head_len;

	bo_http1_init(&call->http1, route->is_head);
	c->out = route->bytes;
	c->out_len = route->len;
	c->out_at = 0;
	if (route->templated) {
		struct bo_template_values values;

		bo_call_values(load, call, &values);
		c->scratch.len = 0;
		bo_request_http1(&load->routes, load->spec, route, &values, &c->scratch, &head_len);
		if (!bo_strbuf_ok(&c->scratch))
			return -ENOMEM;
		c->out = c->scratch.buf;
		c->out_len = c->scratch.len;
	}
	if (load->pace_ns)
		bo_slow_start(load, c, head_len);
	return 0;
}

static void answered(struct bo_load *load, struct bo_conn *c, bool leftover, int64_t now_ns)
{
	struct bo_call *call = &c->calls[0];
	/* A server that answers before it has read the whole request will not read the rest. */
	bool reuse = call->http1.keepalive && !leftover && c->out_at == c->out_len;

	if (leftover)
		bo_call_end(load, call, BO_REQ_PROTOCOL, "bytes after the end of the response",
			    now_ns);
	else
		bo_call_end(load, call, bo_class_of_status(call->status), NULL, now_ns);
	bo_conn_rest(load, c, reuse, now_ns);
}

static void take(struct bo_load *load, struct bo_conn *c, const char *buf, size_t len,
		 int64_t now_ns)
{
	struct bo_call *call = &c->calls[0];
	struct bo_http1 *http = &call->http1;
	ssize_t used;

	if (!call->ask.req.first_byte_ns)
		call->ask.req.first_byte_ns = now_ns;
	call->received += len;
	used = bo_http1_feed(http, buf, len);
	if (http->head_done)
		call->status = http->status;
	if (used < 0)
		bo_conn_fail(load, c, BO_REQ_PROTOCOL, http->error, now_ns);
	else if (load->spec->kind == BO_LOAD_HOLD && http->head_done)
		bo_hold_begin(load, c, now_ns);
	else if (http->done)
		answered(load, c, (size_t)used < len && !http->upgraded, now_ns);
}

static void eof(struct bo_load *load, struct bo_conn *c, int64_t now_ns)
{
	if (bo_http1_eof(&c->calls[0].http1))
		bo_conn_broken(load, c, ECONNRESET, NULL, now_ns);
	else
		answered(load, c, false, now_ns);
}

const struct bo_protocol bo_protocol_http1 = {
	.alpn = "http/1.1",
	.start = start,
	.take = take,
	.eof = eof,
};
