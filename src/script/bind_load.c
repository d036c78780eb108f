/* SPDX-License-Identifier: Apache-2.0 */
/* script/bind_load.c — t:load: what the client offers. */
#include <errno.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "script-internal.h"

#define MAX_RATE 1e6
#define MAX_INFLIGHT 100000
#define DEFAULT_INFLIGHT 1000
#define MAX_TIME_NS (24 * 3600 * BO_NSEC_PER_SEC)

/* RFC 9110 §5.6.2 */
static bool is_token(const char *s)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
		"!#$%&'*+-.^_`|~";

	return *s && !s[strspn(s, allowed)];
}

static bool is_field_value(const char *s)
{
	for (; *s; s++)
		if (((unsigned char)*s < ' ' && *s != '\t') || *s == 0x7f)
			return false;
	return true;
}

static void lx_header_check(const struct lx_table *t, const char *name, const char *value)
{
	static const char *const reserved[] = { "Host", "Content-Length", "Transfer-Encoding",
						"Connection", NULL };

	if (!is_token(name))
		lx_fail(t->L, "%s: headers: expected the name of a header field, found \"%.60s\"",
			t->what, name);
	for (const char *const *r = reserved; *r; r++)
		if (!strcasecmp(*r, name))
			lx_fail(t->L,
				"%s: headers: %s is set by the load itself (keepalive, body and url decide)",
				t->what, *r);
	if (!is_field_value(value))
		lx_fail(t->L, "%s: headers: %.60s: the value holds a control character", t->what,
			name);
}

static void lx_read_headers(const struct lx_table *t, struct bo_load_spec *load)
{
	lua_State *L = t->L;
	struct bo_header *headers;
	char found[96];
	lua_Integer n;
	int values;

	if (!lx_table_get(t, "headers"))
		return;
	if (!lua_istable(L, -1))
		lx_fail(L,
			"%s: headers: expected a table, as in headers = { Accept = \"text/plain\" }, found %s",
			t->what, lx_found(L, -1, found, sizeof(found)));
	values = lua_gettop(L);
	n = lx_sorted_keys(L, values);
	headers = lx_alloc(L, (size_t)n * sizeof(*headers));
	for (lua_Integer i = 1; i <= n; i++) {
		size_t key_len, len;

		lua_rawgeti(L, values + 1, i);
		lua_pushvalue(L, -1);
		lua_rawget(L, values);
		if (lua_type(L, -2) != LUA_TSTRING || !lua_isstring(L, -1))
			lx_fail(L, "%s: headers: expected NAME = \"value\" pairs, found %s",
				t->what,
				lx_found(L, lua_type(L, -2) == LUA_TSTRING ? -1 : -2, found,
					 sizeof(found)));
		if (strlen(lua_tolstring(L, -2, &key_len)) != key_len ||
		    strlen(lua_tolstring(L, -1, &len)) != len || len > BO_SCRIPT_MAX_STRING)
			lx_fail(L, "%s: headers: a NUL byte or more than %d bytes", t->what,
				BO_SCRIPT_MAX_STRING);
		lx_header_check(t, lua_tostring(L, -2), lua_tostring(L, -1));
		headers[i - 1] = (struct bo_header){ .name = lx_strdup(L, lua_tostring(L, -2)),
						     .value = lx_strdup(L, lua_tostring(L, -1)) };
		lua_pop(L, 2);
	}
	lua_pop(L, 2);
	load->headers = headers;
	load->nheaders = (size_t)n;
}

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
	if (!lx_read_count(&h, "count", 1, MAX_INFLIGHT, &load->hold_count))
		lx_fail(t->L, "%s: count is missing, as in hold = { count = 100 }", h.what);
	(void)lx_read_duration(&h, "time", 0, MAX_TIME_NS, &load->hold_ns);
	(void)lx_read_bool(&h, "vanish", &load->vanish);
	lua_pop(t->L, 1);
	if (load->abandon_ns)
		lx_fail(t->L,
			"%s: abandon and hold exclude each other: a held connection stays open",
			t->what);
	if (load->body)
		lx_fail(t->L,
			"%s: body and hold exclude each other: a held connection asks once, without a body",
			t->what);
}

static void lx_read_url(const struct lx_table *t, struct bo_load_spec *load)
{
	struct bo_script_url url;
	struct bo_err err = { 0 };

	if (!lx_read_string(t, "url", &load->url))
		lx_fail(t->L, "%s: url is missing, as in url = \"http://orders:8080/checkout\"",
			t->what);
	if (bo_script_url_parse(load->url, &url, &err))
		lx_fail(t->L, "%s: url: %s", t->what, err.msg);
	load->port = url.port;
	/* RFC 9112 §3.2.1: an empty path is sent as "/". */
	load->path = *url.path == '/' ? lx_strdup(t->L, url.path)
				      : lx_printf(t->L, "/%s", url.path);
	/* The host may be declared further down; finish.c turns it into a node. */
	load->node = -1;
}

/* core.load(name, table) */
static int lx_core_load(lua_State *L)
{
	static const char *const keys[] = { "url",          "rate",    "arrivals", "method",
					    "headers",      "body",    "timeout",  "keepalive",
					    "max_inflight", "abandon", "hold",     NULL };
	static const char *const arrivals[] = { "constant", "poisson", NULL };
	struct bo_plan *plan = lx_script(L)->plan;
	struct bo_load_spec load = { .src = lx_src(L),
				     .method = "GET",
				     .keepalive = true,
				     .max_inflight = DEFAULT_INFLIGHT };
	int arrival = BO_ARRIVALS_CONSTANT;
	struct lx_table t;

	if (plan->loads.len >= BO_SCRIPT_MAX_LOADS)
		lx_fail(L, "more than %d loads", BO_SCRIPT_MAX_LOADS);
	load.name = lx_strdup(L, luaL_checkstring(L, 1));
	if (!is_token(load.name))
		lx_fail(L, "t:load: expected a name of letters, digits and '-', found \"%.60s\"",
			load.name);
	bo_vec_foreach(other, &plan->loads)
		if (!strcmp(other->name, load.name))
			lx_fail(L,
				"the load '%s' was declared already, at %s:%d; names must be unique",
				load.name, other->src.file, other->src.line);
	lx_table_open(L, 2, &t, keys, "t:load \"checkout\" { url = …, rate = \"200/s\" }",
		      "load '%s'", load.name);
	lx_read_url(&t, &load);
	(void)lx_read_choice(&t, "arrivals", arrivals, &arrival);
	load.arrivals = (enum bo_arrivals)arrival;
	(void)lx_read_string(&t, "method", &load.method);
	if (!is_token(load.method) || strlen(load.method) > 32)
		lx_fail(L,
			"%s: method: expected a method such as \"GET\" or \"POST\", found \"%.60s\"",
			t.what, load.method);
	(void)lx_read_string(&t, "body", &load.body);
	(void)lx_read_duration(&t, "timeout", 0, MAX_TIME_NS, &load.timeout_ns);
	(void)lx_read_duration(&t, "abandon", 0, MAX_TIME_NS, &load.abandon_ns);
	(void)lx_read_bool(&t, "keepalive", &load.keepalive);
	lx_read_headers(&t, &load);
	lx_read_hold(&t, &load);
	if (load.kind == BO_LOAD_HOLD && load.hold_count > load.max_inflight)
		load.max_inflight = load.hold_count;
	if (lx_read_count(&t, "max_inflight", 1, MAX_INFLIGHT, &load.max_inflight) &&
	    load.kind == BO_LOAD_HOLD && load.max_inflight < load.hold_count)
		lx_fail(L, "%s: max_inflight is %lld, too few for the %lld connections of hold",
			t.what, (long long)load.max_inflight, (long long)load.hold_count);
	if (!lx_read_frequency(&t, "rate", MAX_RATE, &load.rate_per_s)) {
		if (load.kind == BO_LOAD_REQUESTS)
			lx_fail(L, "%s: rate is missing, as in rate = \"200/s\"", t.what);
		load.rate_per_s = (double)load.hold_count; /* all of them open within one second */
	}
	if (!bo_vec_push(&plan->loads, load))
		lx_fail_memory(L);
	return 0;
}

const luaL_Reg bo_script_load_funcs[] = {
	{ "load", lx_core_load },
	{ NULL, NULL },
};
