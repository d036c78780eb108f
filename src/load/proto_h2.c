/* SPDX-License-Identifier: Apache-2.0 */
/* proto_h2.c — HTTP/2 and unary gRPC: several requests at a time on a connection.
 * Owns: a session per connection.  Threads: the load's.  Privilege: none.
 *
 * Theory of operation.  The session calls back while it is fed or pulled; what happens then may end
 * requests and begin others, but must not feed or pull again nor close the connection.  So the
 * connection is marked as busy inside, and what has to be done with it is done afterwards. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "brownout/load/h2.h"
#include "protocol.h"

#define MAX_OWN_FIELDS 8

struct session {
	struct bo_h2 *h2;
	struct bo_load *load;
	struct bo_conn *conn;
	int64_t now_ns;
};

/* ---- what the session says ---- */

static void on_sent(void *arg, struct bo_h2_call *h2_call)
{
	struct session *s = arg;

	bo_call_sent(s->load, h2_call->user, s->now_ns);
}

static void on_begun(void *arg, struct bo_h2_call *h2_call)
{
	struct bo_call *call = h2_call->user;
	struct session *s = arg;

	call->ask.req.first_byte_ns = s->now_ns;
}

static void answered(struct session *s, struct bo_call *call, struct bo_h2_call *h2_call)
{
	const struct bo_grpc *grpc = &h2_call->grpc;
	char why[160];

	s->conn->reused = true;
	if (!h2_call->is_grpc || h2_call->status != 200 || !grpc->code) {
		bo_call_end(s->load, call, bo_class_of_status(call->status), NULL, s->now_ns);
		return;
	}
	call->status = grpc->code;
	snprintf(why, sizeof(why), "%s (%u)%s%s", bo_grpc_code_name(grpc->code),
		 (unsigned int)grpc->code, *grpc->message ? ": " : "", grpc->message);
	bo_call_end(s->load, call, BO_REQ_GRPC, why, s->now_ns);
}

static void on_end(void *arg, struct bo_h2_call *h2_call, enum bo_h2_end how)
{
	struct bo_call *call = h2_call->user;
	struct session *s = arg;

	call->h2 = NULL;
	call->status = h2_call->status;
	call->received = h2_call->received;
	switch (how) {
	case BO_H2_ANSWERED:
		answered(s, call, h2_call);
		return;
	case BO_H2_REFUSED:
		/* RFC 9113 §8.7: not begun, so sending it again is safe whatever it is. */
		if (!call->ask.retried) {
			bo_call_retry(s->load, call, s->now_ns);
			return;
		}
		/* fall through */
	case BO_H2_RESET:
		bo_call_end(s->load, call, BO_REQ_RESET, NULL, s->now_ns);
		return;
	case BO_H2_PROTOCOL:
		bo_call_end(s->load, call, BO_REQ_PROTOCOL, h2_call->why, s->now_ns);
		return;
	}
}

static void on_goaway(void *arg)
{
	struct session *s = arg;

	s->conn->closing = true;
	bo_conn_room(s->load, s->conn);
}

static const struct bo_h2_events events = {
	.sent = on_sent,
	.begun = on_begun,
	.end = on_end,
	.goaway = on_goaway,
};

/* ---- requests ---- */

struct fields {
	struct bo_strbuf *sb; /* every name and value, one after the other */
	struct bo_h2_field *items;
	size_t len;
};

static void put(struct fields *f, const char *name, const char *value,
		struct bo_template_values *values)
{
	struct bo_h2_field *field = &f->items[f->len++];

	/* Lengths only, until the buffer has stopped moving. */
	field->name_len = strlen(name);
	for (const char *ch = name; *ch; ch++)
		bo_strbuf_add(f->sb, &(char){ (char)tolower((unsigned char)*ch) }, 1);
	field->value_len = f->sb->len;
	if (values)
		bo_template_render(f->sb, value, strlen(value), values);
	else
		bo_strbuf_puts(f->sb, value);
	field->value_len = f->sb->len - field->value_len;
}

/* RFC 9113 §8.2.2: these speak of a connection, and here the connection is not the request's. */
static bool is_dropped(const char *name)
{
	static const char *const names[] = { "Host",       "Connection",
					     "Keep-Alive", "Proxy-Connection",
					     "Upgrade",    "TE" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcasecmp(names[i], name))
			return true;
	}
	return false;
}

static void put_all(struct fields *f, const struct bo_load *load, const struct bo_route *route,
		    struct bo_template_values *values, const size_t *body_len)
{
	const struct bo_route_spec *s = &route->spec;
	const char *host = bo_request_header(s, "Host");
	char length[24];

	put(f, ":method", s->method, NULL);
	put(f, ":scheme", load->spec->tls.on ? "https" : "http", NULL);
	put(f, ":authority", host ? host : load->routes.host, NULL);
	put(f, ":path", s->path, values);
	if (!bo_request_header(s, "User-Agent"))
		put(f, "user-agent", "brownout", NULL);
	if (load->spec->protocol == BO_LOAD_GRPC) {
		put(f, "te", "trailers", NULL);
		if (!bo_request_header(s, "Content-Type"))
			put(f, "content-type", "application/grpc", NULL);
	} else if (body_len) {
		snprintf(length, sizeof(length), "%zu", *body_len);
		put(f, "content-length", length, NULL);
	}
	for (size_t i = 0; i < s->nheaders; i++) {
		if (!is_dropped(s->headers[i].name))
			put(f, s->headers[i].name, s->headers[i].value, values);
	}
}

/* The body, with its prefix if it is a gRPC message. */
static void put_body(struct bo_strbuf *sb, const struct bo_load *load,
		     const struct bo_route_spec *s, struct bo_template_values *values)
{
	uint8_t prefix[BO_GRPC_PREFIX] = { 0 };
	bool grpc = load->spec->protocol == BO_LOAD_GRPC;

	if (grpc)
		bo_strbuf_add(sb, (const char *)prefix, sizeof(prefix));
	if (s->body && values)
		bo_template_render(sb, s->body, s->body_len, values);
	else if (s->body)
		bo_strbuf_add(sb, s->body, s->body_len);
	if (grpc && bo_strbuf_ok(sb)) {
		bo_grpc_prefix(prefix, (uint32_t)(sb->len - sizeof(prefix)));
		memcpy(sb->buf, prefix, sizeof(prefix));
	}
}

static int start(struct bo_load *load, struct bo_call *call)
{
	const struct bo_route *route = call->ask.route;
	struct bo_conn *c = call->conn;
	struct session *s = c->session;
	struct bo_template_values drawn, *values = NULL;
	struct bo_strbuf body = { 0 };
	struct fields f = { .sb = &c->scratch };
	const char *at;

	if (route->templated) {
		bo_call_values(load, call, &drawn);
		values = &drawn;
	}
	f.items = calloc(route->spec.nheaders + MAX_OWN_FIELDS, sizeof(*f.items));
	if (!f.items)
		return -ENOMEM;
	put_body(&body, load, &route->spec, values);
	c->scratch.len = 0;
	put_all(&f, load, route, values, body.buf ? &body.len : NULL);
	call->h2 = NULL;
	if (bo_strbuf_ok(&c->scratch) && bo_strbuf_ok(&body)) {
		at = c->scratch.buf;
		for (size_t i = 0; i < f.len; i++) {
			f.items[i].name = at;
			f.items[i].value = at + f.items[i].name_len;
			at += f.items[i].name_len + f.items[i].value_len;
		}
		call->h2 = bo_h2_request(s->h2, f.items, f.len, body.buf, body.len,
					 load->spec->protocol == BO_LOAD_GRPC, call);
	} else {
		bo_strbuf_done(&body);
	}
	free(f.items);
	return call->h2 ? 0 : -ENOMEM;
}

static void cancel(struct bo_load *load, struct bo_call *call, int64_t now_ns)
{
	struct session *s = call->conn->session;

	(void)load;
	(void)now_ns;
	if (!call->h2)
		return;
	call->status = call->h2->status;
	call->received = call->h2->received;
	bo_h2_cancel(s->h2, call->h2);
	call->h2 = NULL;
}

/* ---- bytes ---- */

static int open_session(struct bo_load *load, struct bo_conn *c)
{
	struct session *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return -ENOMEM;
	s->load = load;
	s->conn = c;
	rc = bo_h2_new(&s->h2, &events, s);
	if (rc) {
		free(s);
		return rc;
	}
	c->session = s;
	return 0;
}

static int more(struct bo_load *load, struct bo_conn *c, int64_t now_ns)
{
	struct session *s = c->session;
	const char *data = NULL;
	ssize_t n;

	s->now_ns = now_ns;
	c->busy_inside = true;
	n = bo_h2_pull(s->h2, &data);
	c->busy_inside = false;
	if (n < 0) {
		bo_conn_fail(load, c, BO_REQ_PROTOCOL, bo_h2_why(s->h2), now_ns);
		return -1;
	}
	c->out = data;
	c->out_len = (size_t)n;
	c->out_at = 0;
	return n > 0;
}

static void take(struct bo_load *load, struct bo_conn *c, const char *buf, size_t len,
		 int64_t now_ns)
{
	struct session *s = c->session;
	uint32_t room;
	int rc;

	s->now_ns = now_ns;
	c->busy_inside = true;
	rc = bo_h2_feed(s->h2, buf, len);
	c->busy_inside = false;
	if (rc) {
		bo_conn_fail(load, c, BO_REQ_PROTOCOL, bo_h2_why(s->h2), now_ns);
		return;
	}
	room = bo_h2_room(s->h2);
	c->room = room < load->streams ? room : load->streams;
	/* So that the next connection, which knows nothing yet, does not ask for too much. */
	load->room = c->room ? c->room : 1;
	bo_conn_room(load, c);
	bo_conn_send(load, c, now_ns);
}

/* What was received of each is known to the session alone. */
static void eof(struct bo_load *load, struct bo_conn *c, int64_t now_ns)
{
	for (uint32_t i = 0; i < load->streams; i++) {
		struct bo_call *call = &c->calls[i];

		if (call->active && call->h2) {
			call->status = call->h2->status;
			call->received = call->h2->received;
		}
	}
	bo_conn_broken(load, c, ECONNRESET, NULL, now_ns);
}

static void close_session(struct bo_conn *c)
{
	struct session *s = c->session;

	bo_h2_free(s->h2);
	free(s);
	c->session = NULL;
}

/* gRPC differs in what start() sends and in what the session makes of the answer. */
const struct bo_protocol bo_protocol_h2 = {
	.alpn = "h2",
	.alpn_required = true,
	.open = open_session,
	.start = start,
	.more = more,
	.take = take,
	.eof = eof,
	.cancel = cancel,
	.close = close_session,
};
