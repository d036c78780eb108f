/* SPDX-License-Identifier: Apache-2.0 */
/* script/bind_request.c — what a load asks for: method, path, headers, body, routes, TLS, raw bytes. */
#include <errno.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/model/template.h"
#include "script-internal.h"

#define MAX_ROUTES 1000
#define MAX_PEM_BYTES (1 << 20)
#define MAX_UNTIL 64

bool lx_is_token(const char *s)
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

static void lx_template_check(const struct lx_table *t, const char *key, const char *text,
			      size_t len)
{
	struct bo_err err = { 0 };

	if (bo_template_check(text, len, &err))
		lx_fail(t->L, "%s: %s: %s", t->what, key, err.msg);
}

static void lx_header_check(const struct lx_table *t, const char *name, const char *value)
{
	static const char *const reserved[] = { "Host", "Content-Length", "Transfer-Encoding",
						"Connection", NULL };

	if (!lx_is_token(name))
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

static void lx_read_headers(const struct lx_table *t, const struct bo_header **ret, size_t *ret_n)
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
		lx_template_check(t, "headers", lua_tostring(L, -1), len);
		headers[i - 1] = (struct bo_header){ .name = lx_strdup(L, lua_tostring(L, -2)),
						     .value = lx_strdup(L, lua_tostring(L, -1)) };
		lua_pop(L, 2);
	}
	lua_pop(L, 2);
	*ret = headers;
	*ret_n = (size_t)n;
}

/* What a route and a load without routes have in common. */
static void lx_read_asked(const struct lx_table *t, const char **method, const char **path,
			  const struct bo_header **headers, size_t *nheaders, const char **body,
			  size_t *body_len)
{
	(void)lx_read_string(t, "method", method);
	if (!lx_is_token(*method) || strlen(*method) > 32 || !strcmp(*method, "CONNECT"))
		lx_fail(t->L,
			"%s: method: expected a method such as \"GET\" or \"POST\", found \"%.60s\"",
			t->what, *method);
	if (lx_read_bytes(t, "body", body, body_len))
		lx_template_check(t, "body", *body, *body_len);
	lx_read_headers(t, headers, nheaders);
	lx_template_check(t, "path", *path, strlen(*path));
}

static const char *lx_read_path(const struct lx_table *t, const char *path)
{
	(void)lx_read_string(t, "path", &path);
	for (const char *ch = path; *ch; ch++)
		if ((unsigned char)*ch <= ' ' || *ch == 0x7f || *ch == '#')
			lx_fail(t->L,
				"%s: path: expected a path without blanks, control characters or '#', found \"%.60s\"",
				t->what, path);
	if (*path != '/')
		lx_fail(t->L, "%s: path: expected a path that begins with '/', found \"%.60s\"",
			t->what, path);
	return path;
}

static void lx_read_route(const struct lx_table *t, const struct bo_load_spec *load,
			  struct bo_route_spec *routes, size_t index)
{
	static const char *const keys[] = { "name",    "weight", "method", "path",
					    "headers", "body",   NULL };
	struct bo_route_spec *r = &routes[index];
	struct lx_table entry;

	lx_table_open(t->L, -1, &entry, keys, "{ name = \"list\", weight = 3, path = \"/orders\" }",
		      "%s: route %zu", t->what, index + 1);
	if (!lx_read_string(&entry, "name", &r->name))
		lx_fail(t->L, "%s: name is missing, as in name = \"list\"", entry.what);
	if (!lx_is_token(r->name))
		lx_fail(t->L, "%s: name: expected letters, digits and '-', found \"%.60s\"",
			entry.what, r->name);
	for (size_t i = 0; i < index; i++)
		if (!strcmp(routes[i].name, r->name))
			lx_fail(t->L, "%s: the name '%s' is that of route %zu already", entry.what,
				r->name, i + 1);
	r->weight = 1;
	(void)lx_read_number(&entry, "weight", 1e-6, 1e6, &r->weight);
	r->method = load->method;
	r->path = lx_read_path(&entry, load->path);
	lx_read_asked(&entry, &r->method, &r->path, &r->headers, &r->nheaders, &r->body,
		      &r->body_len);
}

static void lx_read_routes(const struct lx_table *t, struct bo_load_spec *load)
{
	static const char example[] =
		"routes = { { name = \"list\", weight = 3, path = \"/orders\" } }";
	lua_State *L = t->L;
	struct bo_route_spec *routes;
	char found[96];
	lua_Unsigned n;

	if (!lx_table_get(t, "routes"))
		return;
	if (!lua_istable(L, -1) || !lua_rawlen(L, -1))
		lx_fail(L, "%s: routes: expected a list, as in %s, found %s", t->what, example,
			lua_istable(L, -1) ? "an empty table"
					   : lx_found(L, -1, found, sizeof(found)));
	n = lua_rawlen(L, -1);
	if (n > MAX_ROUTES)
		lx_fail(L, "%s: routes: expected at most %d, found %llu", t->what, MAX_ROUTES,
			(unsigned long long)n);
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
		if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) < 1 ||
		    lua_tointeger(L, -2) > (lua_Integer)n)
			lx_fail(L, "%s: routes: expected a list without gaps, found the key %s",
				t->what, lx_found(L, -2, found, sizeof(found)));
	routes = lx_alloc(L, (size_t)n * sizeof(*routes));
	for (size_t i = 0; i < n; i++) {
		lua_rawgeti(L, -1, (lua_Integer)i + 1);
		lx_read_route(t, load, routes, i);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	load->routes = routes;
	load->nroutes = (size_t)n;
}

static void lx_exclude(const struct lx_table *t, const char *const *keys, const char *why)
{
	for (; *keys; keys++)
		if (lx_table_get(t, *keys))
			lx_fail(t->L, "%s: %s %s", t->what, *keys, why);
}

void lx_read_request(const struct lx_table *t, struct bo_load_spec *load)
{
	static const char *const per_route[] = { "method", "headers", "body", NULL };
	static const char *const http[] = { "method", "headers", "body", "routes", NULL };
	static const char *const fixed[] = { "method", NULL };

	load->method = "GET";
	if (load->protocol == BO_LOAD_TCP) {
		lx_exclude(t, http, "is for HTTP; a tcp load sends what tcp = { send = … } says");
		return;
	}
	if (load->protocol == BO_LOAD_GRPC) {
		const char *slash = strchr(load->path + 1, '/');

		load->method = "POST";
		lx_exclude(t, fixed, "is always POST in gRPC");
		if (!slash || slash == load->path + 1 || !slash[1] || strchr(slash + 1, '/'))
			lx_fail(t->L,
				"%s: url: expected the path of a gRPC method, as in \"/shop.Orders/Get\", found \"%.60s\"",
				t->what, load->path);
	}
	if (lx_table_get(t, "routes")) {
		lua_pop(t->L, 1);
		lx_exclude(t, per_route, "and routes exclude each other; give it to each route");
	}
	lx_read_asked(t, &load->method, &load->path, &load->headers, &load->nheaders, &load->body,
		      &load->body_len);
	lx_read_routes(t, load);
}

/* ---- TLS ---- */

/* A file in the scenario's folder, its text and its name.  @marker: what must be in it, @what it is called */
static bool lx_read_pem(const struct lx_table *tls, const char *key, const char *marker,
			const char *what, const char **ret_pem, const char **ret_file)
{
	struct script *script = lx_script(tls->L);
	struct bo_err err = { 0 };
	const char *file;
	size_t len;

	if (!lx_read_string(tls, key, &file))
		return false;
	*ret_file = file;
	if (*file != '/')
		file = lx_printf(tls->L, "%s/%s", script->plan->scenario_dir, file);
	if (bo_script_read(&script->plan->arena, file, *ret_file, MAX_PEM_BYTES, ret_pem, &len,
			   &err))
		/* Its own "FILE:1: " is for scenarios; here the line is the scenario's. */
		lx_fail(tls->L, "%s: %s: \"%.60s\": %s", tls->what, key, *ret_file,
			strstr(err.msg, ":1: ") ? strstr(err.msg, ":1: ") + 4 : err.msg);
	if (!strstr(*ret_pem, marker))
		lx_fail(tls->L, "%s: %s: expected %s in PEM, found none in \"%.60s\"", tls->what,
			key, what, *ret_file);
	return true;
}

static void lx_read_files(const struct lx_table *t, struct bo_tls_spec *tls)
{
	static const char certs[] = "-----BEGIN CERTIFICATE-----";
	bool cert = lx_table_get(t, "cert"), key = lx_table_get(t, "key");

	lua_pop(t->L, cert + key);
	if (cert != key)
		lx_fail(t->L,
			"%s: cert and key go together, as in tls = { cert = \"client.pem\", key = \"client.key\" }",
			t->what);
	(void)lx_read_pem(t, "ca", certs, "certificates", &tls->ca_pem, &tls->ca_file);
	(void)lx_read_pem(t, "cert", certs, "certificates", &tls->cert_pem, &tls->cert_file);
	(void)lx_read_pem(t, "key", "PRIVATE KEY-----", "a private key", &tls->key_pem,
			  &tls->key_file);
}

void lx_read_tls(const struct lx_table *t, bool https, struct bo_load_spec *load)
{
	static const char *const keys[] = {
		"ca", "cert", "insecure", "key", "name", "resume", NULL
	};
	static const char *const ca[] = { "ca", NULL };
	struct lx_table tls;

	load->tls.on = https;
	if (!lx_table_get(t, "tls")) {
		if (https)
			lx_fail(t->L,
				"%s: tls is missing: https needs tls = { ca = \"ca.pem\" } or tls = { insecure = true }",
				t->what);
		return;
	}
	if (!https)
		lx_fail(t->L, "%s: tls needs a URL that begins with https://", t->what);
	lx_table_open(t->L, -1, &tls, keys, "tls = { ca = \"ca.pem\" }", "%s: tls", t->what);
	(void)lx_read_bool(&tls, "insecure", &load->tls.insecure);
	(void)lx_read_bool(&tls, "resume", &load->tls.resume);
	if (lx_read_string(&tls, "name", &load->tls.name) &&
	    (!*load->tls.name || strlen(load->tls.name) > 253))
		lx_fail(t->L, "%s: name: expected the name in the certificate, found \"%.60s\"",
			tls.what, load->tls.name);
	if (load->tls.insecure)
		lx_exclude(&tls, ca, "and insecure exclude each other");
	lx_read_files(&tls, &load->tls);
	if (!load->tls.insecure && !load->tls.ca_pem)
		lx_fail(t->L,
			"%s: expected ca = \"ca.pem\", whom to trust, or insecure = true; found neither",
			tls.what);
	lua_pop(t->L, 1);
}

/* ---- raw TCP ---- */

void lx_read_tcp(const struct lx_table *t, bool is_tcp, struct bo_load_spec *load)
{
	static const char *const keys[] = { "send", "expect", "bytes", "ends", NULL };
	static const char example[] = "tcp = { send = \"PING\\r\\n\", expect = \"+PONG\\r\\n\" }";
	struct bo_tcp_spec *tcp = &load->tcp;
	struct lx_table e;
	bool expect, bytes, until;

	if (!lx_table_get(t, "tcp")) {
		if (is_tcp)
			lx_fail(t->L, "%s: tcp is missing, as in %s", t->what, example);
		return;
	}
	if (!is_tcp)
		lx_fail(t->L, "%s: tcp needs a URL such as \"tcp://redis:6379\"", t->what);
	lx_table_open(t->L, -1, &e, keys, example, "%s: tcp", t->what);
	if (!lx_read_bytes(&e, "send", &tcp->send, &tcp->send_len) || !tcp->send_len)
		lx_fail(t->L, "%s: send is missing, as in %s", e.what, example);
	lx_template_check(&e, "send", tcp->send, tcp->send_len);
	expect = lx_read_bytes(&e, "expect", &tcp->expect, &tcp->expect_len);
	until = lx_read_bytes(&e, "ends", &tcp->until, &tcp->until_len);
	bytes = lx_read_count(&e, "bytes", 1, INT32_MAX, &tcp->bytes);
	if ((expect && !tcp->expect_len) || (until && !tcp->until_len))
		lx_fail(t->L, "%s: %s: expected some bytes, found none", e.what,
			until ? "ends" : "expect");
	if (!expect && !until && !bytes)
		lx_fail(t->L,
			"%s: nothing says where the answer ends; give expect = \"+PONG\\r\\n\", ends = \"\\n\" or bytes = 7",
			e.what);
	if (until && bytes)
		lx_fail(t->L, "%s: ends and bytes exclude each other", e.what);
	if (tcp->until_len > MAX_UNTIL)
		lx_fail(t->L, "%s: ends: expected at most %d bytes, found %zu", e.what, MAX_UNTIL,
			tcp->until_len);
	if (bytes && tcp->expect_len > (size_t)tcp->bytes)
		lx_fail(t->L, "%s: expect is longer than the answer's %lld bytes", e.what,
			(long long)tcp->bytes);
	lua_pop(t->L, 1);
}
