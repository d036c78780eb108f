/* SPDX-License-Identifier: Apache-2.0 */
/* proto_tcp.c — a raw request and its answer: bytes out, bytes in, one at a time on a connection.
 * Owns: nothing.  Threads: the load's.  Privilege: none. */
#include <errno.h>

#include "protocol.h"

static int start(struct bo_load *load, struct bo_call *call)
{
	const struct bo_route *route = call->ask.route;
	struct bo_conn *c = call->conn;

	call->tcp = (struct bo_tcp_answer){ 0 };
	c->out = route->bytes;
	c->out_len = route->len;
	c->out_at = 0;
	if (route->templated) {
		struct bo_template_values values;

		bo_call_values(load, call, &values);
		c->scratch.len = 0;
		bo_template_render(&c->scratch, load->spec->tcp.send, load->spec->tcp.send_len,
				   &values);
		if (!bo_strbuf_ok(&c->scratch))
			return -ENOMEM;
		c->out = c->scratch.buf;
		c->out_len = c->scratch.len;
	}
	if (load->pace_ns)
		bo_slow_start(load, c, 0);
	return 0;
}

static void take(struct bo_load *load, struct bo_conn *c, const char *buf, size_t len,
		 int64_t now_ns)
{
	struct bo_call *call = &c->calls[0];
	ssize_t used;

	if (!call->ask.req.first_byte_ns)
		call->ask.req.first_byte_ns = now_ns;
	call->received += len;
	used = bo_tcp_feed(&call->tcp, &load->spec->tcp, buf, len);
	if (used < 0) {
		bo_conn_fail(load, c, BO_REQ_PROTOCOL, "the answer does not begin as expected",
			     now_ns);
		return;
	}
	if (!call->tcp.done)
		return;
	if ((size_t)used < len) {
		bo_conn_fail(load, c, BO_REQ_PROTOCOL, "bytes after the end of the answer", now_ns);
		return;
	}
	bo_call_end(load, call, BO_REQ_OK, NULL, now_ns);
	bo_conn_rest(load, c, c->out_at == c->out_len, now_ns);
}

static void eof(struct bo_load *load, struct bo_conn *c, int64_t now_ns)
{
	bo_conn_broken(load, c, ECONNRESET, NULL, now_ns);
}

const struct bo_protocol bo_protocol_tcp = {
	.start = start,
	.take = take,
	.eof = eof,
};
