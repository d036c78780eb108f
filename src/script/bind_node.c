/* SPDX-License-Identifier: Apache-2.0 */
/* script/bind_node.c — t:subject, t:dependency, bo.stub and the readiness checks. */
#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/base/nearest.h"
#include "script-internal.h"

#define MAX_NAME 31
#define DEFAULT_READY_NS (10 * BO_NSEC_PER_SEC)
#define MAX_READY_NS (3600 * BO_NSEC_PER_SEC)
#define DEFAULT_PROBE_NS (100 * BO_NSEC_PER_MSEC)
#define MAX_DELAY_NS (3600 * BO_NSEC_PER_SEC)

void lx_node_name_check(lua_State *L, const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	struct bo_plan *plan = lx_script(L)->plan;
	size_t len = strlen(name);
	int at;

	/* It becomes a host name, a cgroup and a file name. */
	if (!len || len > MAX_NAME || name[strspn(name, allowed)] || name[0] < 'a' ||
	    name[0] > 'z' || name[len - 1] == '-')
		lx_fail(L,
			"expected a node's name of small letters, digits and '-', 1 to %d long, found \"%.60s\"",
			MAX_NAME, name);
	if (!strcmp(name, "localhost"))
		lx_fail(L,
			"a node cannot be named 'localhost': in every node that name means the node itself");
	at = bo_plan_node(plan, name);
	if (at == BO_NODE_CLIENT)
		lx_fail(L, "the name 'client' is taken: it is the node that the load comes from");
	if (at > 0)
		lx_fail(L, "the node '%s' was declared already, at %s:%d; names must be unique",
			name, plan->nodes.items[at].src.file, plan->nodes.items[at].src.line);
}

const char *bo_script_node_hint(const struct bo_plan *plan, const char *name, char *buf,
				size_t size)
{
	const char *words[BO_SCRIPT_MAX_NODES + 2];
	size_t n = 0, len;

	bo_vec_foreach(node, &plan->nodes)
		if (n < BO_SCRIPT_MAX_NODES + 1)
			words[n++] = node->name;
	words[n] = NULL;
	if (*bo_nearest_hint(name, words, buf, size))
		return buf;
	len = (size_t)snprintf(buf, size, "; known are");
	for (size_t i = 0; i < n && len + strlen(words[i]) + 2 < size; i++)
		len += (size_t)snprintf(buf + len, size - len, " %s", words[i]);
	return buf;
}

static void lx_socket_check(lua_State *L, const char *what, const char *path)
{
	const char *why = bo_script_socket_check(path);

	if (why)
		lx_fail(L, "%s: %s, found \"%.120s\"", what, why, path);
}

/* The options of a readiness check: { deadline = "5s" }; of bo.http also the socket over which to ask */
static void lx_ready_options(lua_State *L, int at, const char *what, struct bo_ready_spec *ready)
{
	static const char *const http_keys[] = { "deadline", "socket", NULL };
	static const char *const keys[] = { "deadline", NULL };
	bool http = ready->kind == BO_READY_HTTP;
	struct lx_table t;

	ready->deadline_ns = DEFAULT_READY_NS;
	ready->src = lx_src(L);
	if (lua_gettop(L) > at)
		lx_fail(L, "%s: expected one value and perhaps { deadline = \"5s\" }, found more",
			what);
	if (lua_isnoneornil(L, at))
		return;
	lx_table_open(L, at, &t, http ? http_keys : keys, "{ deadline = \"5s\" }", "%s", what);
	(void)lx_read_duration(&t, "deadline", BO_NSEC_PER_MSEC, MAX_READY_NS, &ready->deadline_ns);
	if (http && lx_read_string(&t, "socket", &ready->socket))
		lx_socket_check(L, "bo.http: socket", ready->socket);
}

static int lx_push_ready(lua_State *L, const struct bo_ready_spec *ready)
{
	lx_handle_push(L, HANDLE_READY, 0)->ready = *ready;
	return 1;
}

static int lx_core_tcp(lua_State *L)
{
	struct bo_ready_spec ready = { .kind = BO_READY_TCP };
	char found[96];

	if (!lua_isinteger(L, 1) || lua_tointeger(L, 1) < 1 || lua_tointeger(L, 1) > 65535)
		lx_fail(L, "bo.tcp: expected a port from 1 to 65535, as in bo.tcp(5432), found %s",
			lx_found(L, 1, found, sizeof(found)));
	ready.port = (int)lua_tointeger(L, 1);
	lx_ready_options(L, 2, "bo.tcp", &ready);
	return lx_push_ready(L, &ready);
}

static const char *lx_ready_text(lua_State *L, const char *what, const char *example)
{
	char found[96];
	size_t len;

	if (lua_type(L, 1) != LUA_TSTRING)
		lx_fail(L, "%s: expected text, as in %s, found %s", what, example,
			lx_found(L, 1, found, sizeof(found)));
	if (strlen(lua_tolstring(L, 1, &len)) != len || !len || len > 4096)
		lx_fail(L, "%s: the text is empty, longer than 4096 bytes, or holds a NUL byte",
			what);
	return lx_strdup(L, lua_tostring(L, 1));
}

static int lx_core_http(lua_State *L)
{
	struct bo_ready_spec ready = { .kind = BO_READY_HTTP };
	struct bo_script_url url;
	struct bo_err err = { 0 };

	ready.url = lx_ready_text(L, "bo.http", "bo.http \"http://orders:8080/healthz\"");
	if (bo_script_url_parse(ready.url, &url, &err))
		lx_fail(L, "bo.http: %s", err.msg);
	ready.port = url.port;
	lx_ready_options(L, 2, "bo.http", &ready);
	if (ready.socket && url.port_given)
		lx_fail(L,
			"bo.http: socket and a port exclude each other; leave \":%d\" out of the URL",
			url.port);
	return lx_push_ready(L, &ready);
}

static int lx_core_unix(lua_State *L)
{
	struct bo_ready_spec ready = { .kind = BO_READY_UNIX };

	ready.socket = lx_ready_text(L, "bo.unix", "bo.unix \"/tmp/orders.sock\"");
	lx_socket_check(L, "bo.unix", ready.socket);
	lx_ready_options(L, 2, "bo.unix", &ready);
	return lx_push_ready(L, &ready);
}

static int lx_core_log(lua_State *L)
{
	struct bo_ready_spec ready = { .kind = BO_READY_LOG };
	char why[128];
	regex_t re;
	int r;

	ready.pattern = lx_ready_text(L, "bo.log", "bo.log \"listening on .*:8080\"");
	r = regcomp(&re, ready.pattern, REG_EXTENDED | REG_NOSUB);
	if (r)
		regerror(r, &re, why, sizeof(why));
	else
		regfree(&re);
	if (r)
		lx_fail(L,
			"bo.log: expected a POSIX extended regular expression, found \"%.60s\": %s",
			ready.pattern, why);
	lx_ready_options(L, 2, "bo.log", &ready);
	return lx_push_ready(L, &ready);
}

static int lx_core_command(lua_State *L)
{
	struct bo_ready_spec ready = { .kind = BO_READY_COMMAND };
	size_t n;

	ready.argv = lx_strings(L, 1, "bo.command", "bo.command { \"pg_isready\", \"-q\" }", &n);
	if (!n || !*ready.argv[0])
		lx_fail(L,
			"bo.command: expected at least the name of a program, found an empty list");
	lx_ready_options(L, 2, "bo.command", &ready);
	return lx_push_ready(L, &ready);
}

static int lx_core_stub(lua_State *L)
{
	char found[96];

	if (!lua_istable(L, 1))
		lx_fail(L,
			"bo.stub: expected a table, as in bo.stub { protocol = \"http\", port = 8081 }, found %s",
			lx_found(L, 1, found, sizeof(found)));
	lx_handle_push(L, HANDLE_STUB, 0);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	return 1;
}

static void lx_read_env(const struct lx_table *t, struct bo_node_spec *node)
{
	lua_State *L = t->L;
	const char **env;
	char found[96];
	lua_Integer n;
	int values;

	if (!lx_table_get(t, "env"))
		return;
	if (!lua_istable(L, -1))
		lx_fail(L,
			"%s: env: expected a table, as in env = { GOMAXPROCS = \"2\" }, found %s",
			t->what, lx_found(L, -1, found, sizeof(found)));
	values = lua_gettop(L);
	n = lx_sorted_keys(L, -1);
	env = lx_alloc(L, ((size_t)n + 1) * sizeof(*env));
	for (lua_Integer i = 1; i <= n; i++) {
		const char *key;
		size_t len;

		lua_rawgeti(L, values + 1, i);
		key = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
		if (!key || !*key || strlen(key) != len || strchr(key, '=') ||
		    (*key >= '0' && *key <= '9'))
			lx_fail(L, "%s: env: expected the name of a variable, found %s", t->what,
				lx_found(L, -1, found, sizeof(found)));
		lua_pushvalue(L, -1);
		lua_rawget(L, values);
		if (!lua_isstring(L, -1))
			lx_fail(L, "%s: env: %.60s: expected text, found %s", t->what, key,
				lx_found(L, -1, found, sizeof(found)));
		if (strlen(lua_tolstring(L, -1, &len)) != len || len > BO_SCRIPT_MAX_STRING)
			lx_fail(L, "%s: env: %.60s: a NUL byte or more than %d bytes", t->what, key,
				BO_SCRIPT_MAX_STRING);
		env[i - 1] = lx_printf(L, "%s=%s", key, lua_tostring(L, -1));
		lua_pop(L, 2);
	}
	lua_pop(L, 2);
	node->env = env;
}

static const char *lx_probe_url(const struct lx_table *t, const char *key)
{
	struct bo_script_url url;
	struct bo_err err = { 0 };
	const char *text = NULL;

	if (lx_read_string(t, key, &text) && bo_script_url_parse(text, &url, &err))
		lx_fail(t->L, "%s: %s: %s", t->what, key, err.msg);
	return text;
}

/* probes = false | true | { … }.  Without it subjects are probed and dependencies are not. */
void lx_read_probes(const struct lx_table *t, struct bo_node_spec *node)
{
	static const char *const keys[] = { "pprof",   "expvar",   "expvar_goroutines",
					    "metrics", "interval", NULL };
	struct bo_probe_spec *probe = &node->probe;
	lua_State *L = t->L;
	struct lx_table p;

	probe->off = node->role != BO_ROLE_SUBJECT;
	probe->expvar_key = "goroutines";
	probe->interval_ns = DEFAULT_PROBE_NS;
	if (!lx_table_get(t, "probes"))
		return;
	if (lua_isboolean(L, -1)) {
		probe->off = !lua_toboolean(L, -1);
		lua_pop(L, 1);
		return;
	}
	lx_table_open(L, -1, &p, keys,
		      "probes = false or probes = { pprof = \"http://orders:6060/debug/pprof\" }",
		      "%s: probes", t->what);
	probe->off = false;
	probe->pprof_url = lx_probe_url(&p, "pprof");
	probe->expvar_url = lx_probe_url(&p, "expvar");
	(void)lx_read_string(&p, "expvar_goroutines", &probe->expvar_key);
	probe->metrics_url = lx_probe_url(&p, "metrics");
	(void)lx_read_duration(&p, "interval", 10 * BO_NSEC_PER_MSEC, 60 * BO_NSEC_PER_SEC,
			       &probe->interval_ns);
	lua_pop(L, 1);
}

static void lx_read_ready(const struct lx_table *t, struct bo_node_spec *node)
{
	const struct handle *handle;
	char found[96];

	if (!lx_table_get(t, "ready"))
		return;
	handle = lx_handle(t->L, -1);
	if (!handle || handle->kind != HANDLE_READY)
		lx_fail(t->L,
			"%s: ready: expected bo.tcp(PORT), bo.http \"URL\", bo.unix \"PATH\", bo.log \"REGEX\" or bo.command { … }, "
			"found %s",
			t->what, lx_found(t->L, -1, found, sizeof(found)));
	node->ready = handle->ready;
	lua_pop(t->L, 1);
}

static void lx_read_cwd(const struct lx_table *t, struct bo_node_spec *node)
{
	if (!lx_read_string(t, "cwd", &node->cwd))
		return;
	if (!*node->cwd)
		lx_fail(t->L, "%s: cwd: expected a folder, found \"\"", t->what);
	if (*node->cwd != '/')
		node->cwd = lx_printf(t->L, "%s/%s", lx_script(t->L)->plan->scenario_dir,
				      node->cwd);
}

/* What every kind of node may have. */
static void lx_read_common(const struct lx_table *t, struct bo_node_spec *node)
{
	char what[160];
	double cpus;
	size_t n;

	(void)lx_read_size(t, "memory", INT64_C(1) << 20, INT64_C(1) << 50, &node->memory_bytes);
	if (lx_read_number(t, "cpus", 0.01, 4096, &cpus))
		node->cpus_milli = (int64_t)(cpus * 1000 + 0.5);
	(void)lx_read_count(t, "pids", 1, 4194304, &node->pids);
	(void)lx_read_bool(t, "dns", &node->dns);
	if (lx_table_get(t, "after")) {
		snprintf(what, sizeof(what), "%s: after", t->what);
		node->after = lx_strings(t->L, -1, what, "after = { \"cache\" }", &n);
		lua_pop(t->L, 1);
	}
	lx_read_ready(t, node);
	lx_read_probes(t, node);
}

static void lx_read_command_node(lua_State *L, int at, struct bo_node_spec *node)
{
	static const char *const keys[] = { "command", "env",   "cwd",    "ready", "memory", "cpus",
					    "pids",    "after", "probes", "dns",   NULL };
	char what[160];
	struct lx_table t;
	size_t n;

	lx_table_open(L, at, &t, keys, "{ command = { \"program\", \"argument\" } }", "%s '%s'",
		      bo_role_name(node->role), node->name);
	snprintf(what, sizeof(what), "%s: command", t.what);
	if (!lx_table_get(&t, "command"))
		lx_fail(L, "%s: command is missing, as in command = { \"program\", \"argument\" }",
			t.what);
	node->kind = BO_NODE_COMMAND;
	node->argv = lx_strings(L, -1, what, "command = { \"program\", \"argument\" }", &n);
	if (!n || !*node->argv[0])
		lx_fail(L, "%s: expected at least the name of a program, found an empty list",
			what);
	lua_pop(L, 1);
	lx_read_env(&t, node);
	lx_read_cwd(&t, node);
	lx_read_common(&t, node);
}

static void lx_read_stub_node(lua_State *L, int at, struct bo_node_spec *node)
{
	static const char *const keys[] = { "protocol", "port",   "delay",  "mode", "status",
					    "body",     "ready",  "memory", "cpus", "pids",
					    "after",    "probes", NULL };
	static const char *const protocols[] = { "tcp", "http", NULL };
	static const char *const modes[] = { "ok", "error", "reset", "stall", NULL };
	int protocol = BO_STUB_HTTP, mode = BO_STUB_OK;
	int64_t port, status;
	struct lx_table t;

	lx_table_open(L, at, &t, keys, "bo.stub { protocol = \"http\", port = 8081 }", "%s '%s'",
		      bo_role_name(node->role), node->name);
	node->kind = BO_NODE_STUB;
	(void)lx_read_choice(&t, "protocol", protocols, &protocol);
	(void)lx_read_choice(&t, "mode", modes, &mode);
	if (!lx_read_count(&t, "port", 1, 65535, &port))
		lx_fail(L,
			"%s: port is missing, as in bo.stub { protocol = \"http\", port = 8081 }",
			t.what);
	node->stub = (struct bo_stub_spec){ .proto = (enum bo_stub_proto)protocol,
					    .mode = (enum bo_stub_mode)mode,
					    .port = (int)port,
					    .status = 200,
					    .body = "ok" };
	(void)lx_read_duration(&t, "delay", 0, MAX_DELAY_NS, &node->stub.delay_ns);
	if (lx_read_count(&t, "status", 100, 599, &status)) {
		if (protocol != BO_STUB_HTTP)
			lx_fail(L, "%s: status belongs to protocol = \"http\"", t.what);
		node->stub.status = (int)status;
	}
	(void)lx_read_string(&t, "body", &node->stub.body);
	node->ready = (struct bo_ready_spec){ .kind = BO_READY_TCP,
					      .port = (int)port,
					      .deadline_ns = DEFAULT_READY_NS,
					      .src = lx_src(L) };
	lx_read_common(&t, node);
}

/* core.node(role, name, table or stub): declares a node and returns its handle */
static int lx_core_node(lua_State *L)
{
	struct script *script = lx_script(L);
	struct bo_plan *plan = script->plan;
	struct bo_node_spec node = { .src = lx_src(L) };
	const struct handle *stub = lx_handle(L, 3);

	node.role = strcmp(luaL_checkstring(L, 1), "subject") ? BO_ROLE_DEPENDENCY
							      : BO_ROLE_SUBJECT;
	lx_node_name_check(L, luaL_checkstring(L, 2));
	if (plan->nodes.len > BO_SCRIPT_MAX_NODES)
		lx_fail(L, "more than %d nodes", BO_SCRIPT_MAX_NODES);
	node.name = lx_strdup(L, lua_tostring(L, 2));
	if (stub && stub->kind == HANDLE_STUB) {
		if (node.role == BO_ROLE_SUBJECT)
			lx_fail(L,
				"subject '%s': a stub cannot be the service under test; use t:dependency",
				node.name);
		lua_getiuservalue(L, 3, 1);
		lx_read_stub_node(L, lua_gettop(L), &node);
	} else {
		lx_read_command_node(L, 3, &node);
	}
	if (!bo_vec_push(&plan->nodes, node))
		lx_fail_memory(L);
	lx_handle_push(L, HANDLE_NODE, (int)plan->nodes.len - 1);
	return 1;
}

/* core.client(): the handle of node 0 */
static int lx_core_client(lua_State *L)
{
	lx_handle_push(L, HANDLE_NODE, BO_NODE_CLIENT);
	return 1;
}

const luaL_Reg bo_script_node_funcs[] = {
	{ "tcp", lx_core_tcp },         { "http", lx_core_http }, { "log", lx_core_log },
	{ "command", lx_core_command }, { "stub", lx_core_stub }, { "node", lx_core_node },
	{ "client", lx_core_client },   { "unix", lx_core_unix }, { NULL, NULL },
};
