/* SPDX-License-Identifier: Apache-2.0 */
/* script/bind_load.c — t:load: what the client offers. */
#include <errno.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "script-internal.h"

#define DEFAULT_INFLIGHT 1000
#define DEFAULT_STREAMS 100
#define MAX_STREAMS 1000
#define MAX_SLOW 1e6 /* bytes per second */

/* hold = { count = 100, time = "5s", vanish = true } */
static void lx_read_hold(const struct lx_table *t, struct bo_load_spec *load)
{
	static const char *const keys[] = { "count", "time", "vanish", NULL };
	struct lx_table h;

	if (!lx_table_get(t, "hold"))
		return;
	lx_table_open(t->L, -1, &h, keys, "hold = { count = 100, time = \"5s\" }", "%s: hold",
		      t->what);
	load->kind = BO_LOAD_HOLD;
	if (!lx_read_count(&h, "count", 1, BO_SCRIPT_MAX_INFLIGHT, &load->hold_count))
		lx_fail(t->L, "%s: count is missing, as in hold = { count = 100 }", h.what);
	(void)lx_read_duration(&h, "time", 0, BO_SCRIPT_MAX_TIME_NS, &load->hold_ns);
	(void)lx_read_bool(&h, "vanish", &load->vanish);
	lua_pop(t->L, 1);
	if (load->abandon_ns)
		lx_fail(t->L,
			"%s: abandon and hold exclude each other: a held connection stays open",
			t->what);
}

/* slow = { write = "20/s", read = "100/s", body_only = true }: bytes per second */
static void lx_read_slow(const struct lx_table *t, struct bo_load_spec *load)
{
	static const char *const keys[] = { "write", "read", "body_only", NULL };
	struct bo_slow_spec *slow = &load->slow;
	struct lx_table s;
	bool any;

	if (!lx_table_get(t, "slow"))
		return;
	lx_table_open(t->L, -1, &s, keys, "slow = { write = \"20/s\" }", "%s: slow", t->what);
	any = lx_read_frequency(&s, "write", MAX_SLOW, &slow->write_per_s);
	any |= lx_read_frequency(&s, "read", MAX_SLOW, &slow->read_per_s);
	if (!any)
		lx_fail(t->L,
			"%s: expected write or read, in bytes per second, as in slow = { write = \"20/s\" }",
			s.what);
	if (lx_read_bool(&s, "body_only", &slow->body_only) && slow->write_per_s <= 0)
		lx_fail(t->L, "%s: body_only needs write", s.what);
	if (load->protocol == BO_LOAD_HTTP2 || load->protocol == BO_LOAD_GRPC)
		lx_fail(t->L,
			"%s and protocol = \"%s\" exclude each other; slow clients speak HTTP/1.1 or TCP",
			s.what, bo_load_protocol_name(load->protocol));
	lua_pop(t->L, 1);
}

/* Over which way: a port, or a socket of the node. */
static void lx_read_socket(const struct lx_table *t, const struct bo_script_url *url,
			   struct bo_load_spec *load)
{
	const char *why;

	if (!lx_read_string(t, "socket", &load->socket)) {
		if (!url->port)
			lx_fail(t->L, "%s: url: expected a port, as in \"tcp://%s:6379\"", t->what,
				url->host);
		return;
	}
	why = bo_script_socket_check(load->socket);
	if (why)
		lx_fail(t->L, "%s: socket: %s, found \"%.120s\"", t->what, why, load->socket);
	if (url->port_given)
		lx_fail(t->L,
			"%s: socket and a port exclude each other; leave \":%d\" out of the url",
			t->what, url->port);
	load->port = 0;
}

static enum bo_script_scheme lx_read_url(const struct lx_table *t, struct bo_load_spec *load)
{
	struct bo_script_url url;
	struct bo_err err = { 0 };

	if (!lx_read_string(t, "url", &load->url))
		lx_fail(t->L, "%s: url is missing, as in url = \"http://orders:8080/checkout\"",
			t->what);
	if (bo_script_load_url_parse(load->url, &url, &err))
		lx_fail(t->L, "%s: url: %s", t->what, err.msg);
	load->port = url.port;
	lx_read_socket(t, &url, load);
	/* RFC 9112 §3.2.1: an empty path is sent as "/". */
	load->path = *url.path == '/' ? lx_strdup(t->L, url.path)
				      : lx_printf(t->L, "/%s", url.path);
	/* The host may be declared further down; finish.c turns it into a node. */
	load->node = -1;
	return url.scheme;
}

static void lx_read_protocol(const struct lx_table *t, enum bo_script_scheme scheme,
			     struct bo_load_spec *load)
{
	static const char *const words[] = { "http1", "h2", "grpc", NULL };
	int word = BO_LOAD_HTTP1;
	bool given = lx_read_choice(t, "protocol", words, &word);

	load->protocol = scheme == BO_SCHEME_TCP ? BO_LOAD_TCP : (enum bo_load_protocol)word;
	if (given && scheme == BO_SCHEME_TCP)
		lx_fail(t->L, "%s: protocol is for HTTP; the URL says tcp", t->what);
	if (load->protocol == BO_LOAD_HTTP2 || load->protocol == BO_LOAD_GRPC)
		load->streams = DEFAULT_STREAMS;
	if (lx_read_count(t, "streams", 1, MAX_STREAMS, &load->streams) &&
	    load->protocol != BO_LOAD_HTTP2 && load->protocol != BO_LOAD_GRPC)
		lx_fail(t->L, "%s: streams needs protocol = \"h2\" or \"grpc\"", t->what);
}

/* What a held connection cannot be as well. */
static void lx_check_hold(const struct lx_table *t, const struct bo_load_spec *load)
{
	if (load->kind != BO_LOAD_HOLD)
		return;
	if (load->body)
		lx_fail(t->L,
			"%s: body and hold exclude each other: a held connection asks once, without a body",
			t->what);
	if (load->nroutes)
		lx_fail(t->L, "%s: routes and hold exclude each other: declare a load for each",
			t->what);
	if (load->vanish && load->socket)
		lx_fail(t->L,
			"%s: vanish and socket exclude each other: the end of a unix socket cannot vanish without a sign",
			t->what);
	if (load->protocol != BO_LOAD_HTTP1)
		lx_fail(t->L, "%s: only HTTP/1.1 connections can be held", t->what);
}

static void lx_load_name(lua_State *L, struct bo_load_spec *load)
{
	const struct bo_plan *plan = lx_script(L)->plan;

	if (plan->loads.len >= BO_SCRIPT_MAX_LOADS)
		lx_fail(L, "more than %d loads", BO_SCRIPT_MAX_LOADS);
	load->name = lx_strdup(L, luaL_checkstring(L, 1));
	if (!lx_is_token(load->name))
		lx_fail(L, "t:load: expected a name of letters, digits and '-', found \"%.60s\"",
			load->name);
	bo_vec_foreach(other, &plan->loads)
		if (!strcmp(other->name, load->name))
			lx_fail(L,
				"the load '%s' was declared already, at %s:%d; names must be unique",
				load->name, other->src.file, other->src.line);
}

/* core.load(name, table) */
static int lx_core_load(lua_State *L)
{
	static const char *const keys[] = {
		"url",     "rate",      "arrivals",     "method",  "headers", "body",  "routes",
		"timeout", "keepalive", "max_inflight", "abandon", "hold",    "burst", "clients",
		"think",   "protocol",  "streams",      "tls",     "tcp",     "slow",  "socket",
		NULL
	};
	struct bo_plan *plan = lx_script(L)->plan;
	struct bo_load_spec load = { .src = lx_src(L),
				     .keepalive = true,
				     .max_inflight = DEFAULT_INFLIGHT };
	enum bo_script_scheme scheme;
	struct lx_table t;

	lx_load_name(L, &load);
	lx_table_open(L, 2, &t, keys, "t:load \"checkout\" { url = …, rate = \"200/s\" }",
		      "load '%s'", load.name);
	scheme = lx_read_url(&t, &load);
	lx_read_protocol(&t, scheme, &load);
	lx_read_tls(&t, scheme == BO_SCHEME_HTTPS, &load);
	lx_read_tcp(&t, scheme == BO_SCHEME_TCP, &load);
	lx_read_request(&t, &load);
	(void)lx_read_duration(&t, "timeout", 0, BO_SCRIPT_MAX_TIME_NS, &load.timeout_ns);
	(void)lx_read_duration(&t, "abandon", 0, BO_SCRIPT_MAX_TIME_NS, &load.abandon_ns);
	(void)lx_read_bool(&t, "keepalive", &load.keepalive);
	lx_read_hold(&t, &load);
	lx_check_hold(&t, &load);
	lx_read_slow(&t, &load);
	if (load.kind == BO_LOAD_HOLD && load.hold_count > load.max_inflight)
		load.max_inflight = load.hold_count;
	if (lx_read_count(&t, "max_inflight", 1, BO_SCRIPT_MAX_INFLIGHT, &load.max_inflight) &&
	    load.kind == BO_LOAD_HOLD && load.max_inflight < load.hold_count)
		lx_fail(L, "%s: max_inflight is %lld, too few for the %lld connections of hold",
			t.what, (long long)load.max_inflight, (long long)load.hold_count);
	lx_read_arrivals(&t, &load);
	if (!bo_vec_push(&plan->loads, load))
		lx_fail_memory(L);
	return 0;
}

const luaL_Reg bo_script_load_funcs[] = {
	{ "load", lx_core_load },
	{ NULL, NULL },
};
