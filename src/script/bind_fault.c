/* SPDX-License-Identifier: Apache-2.0 */
/* script/bind_fault.c — handles, t:link, fault constructors, t:during.
 * Any method name on a node or link makes a fault of that kind: the fault registry, not this file, knows which kinds
 * there are and what arguments they take.  A constructor only makes a value; t:during() puts it into the plan. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/base/nearest.h"
#include "brownout/model/linkfile.h"
#include "script-internal.h"

#define HANDLE_META "brownout.handle"
#define MAX_TIME_NS (24 * 3600 * BO_NSEC_PER_SEC)
#define MAX_ARGS 64
#define MAX_KIND 40

struct handle *lx_handle_push(lua_State *L, enum handle_kind kind, int index)
{
	struct handle *h = lua_newuserdatauv(L, sizeof(*h), 1);

	memset(h, 0, sizeof(*h));
	h->kind = kind;
	h->index = index;
	luaL_setmetatable(L, HANDLE_META);
	return h;
}

struct handle *lx_handle(lua_State *L, int at)
{
	/* For handles of this state only; the registry's metatable cannot be reached from a scenario. */
	return luaL_testudata(L, at, HANDLE_META);
}

static const char *node_name(const struct script *script, int node)
{
	return script->plan->nodes.items[node].name;
}

/* "db" or "orders-db" */
static void target_name(const struct script *script, const struct bo_fault_spec *spec, char *buf,
			size_t size)
{
	const struct bo_link_spec *link;

	if (spec->target == BO_TARGET_NODE) {
		snprintf(buf, size, "%s", node_name(script, spec->index));
		return;
	}
	link = &script->plan->links.items[spec->index];
	snprintf(buf, size, "%s-%s", node_name(script, link->a), node_name(script, link->b));
}

/* One value of a fault's arguments, at the top of the stack. */
static struct bo_arg lx_fault_arg(lua_State *L, const char *kind, const char *key)
{
	struct bo_arg arg = { .key = lx_strdup(L, key) };
	const struct handle *h = lx_handle(L, -1);
	char found[96];
	size_t len;

	switch (lua_type(L, -1)) {
	case LUA_TSTRING:
		arg.type = BO_ARG_STRING;
		if (strlen(lua_tolstring(L, -1, &len)) != len || len > BO_SCRIPT_MAX_STRING)
			lx_fail(L, "%s: %s: a NUL byte or more than %d bytes", kind, key,
				BO_SCRIPT_MAX_STRING);
		arg.str = lx_strdup(L, lua_tostring(L, -1));
		return arg;
	case LUA_TNUMBER:
		arg.type = BO_ARG_NUMBER;
		arg.num = lua_tonumber(L, -1);
		return arg;
	case LUA_TBOOLEAN:
		arg.type = BO_ARG_BOOL;
		arg.boolean = lua_toboolean(L, -1);
		return arg;
	default:
		break;
	}
	if (!h || h->kind != HANDLE_NODE)
		lx_fail(L, "%s: %s%sexpected text, a number, true, false or a node, found %s", kind,
			key, *key ? ": " : "", lx_found(L, -1, found, sizeof(found)));
	arg.type = BO_ARG_STRING;
	arg.str = node_name(lx_script(L), h->index);
	return arg;
}

/* Text of the file that @arg names, which is then read as samples or as a trace.  Throws nothing. */
static int read_link_file(struct script *script, struct bo_arg *arg, bool trace, struct bo_err *err)
{
	struct bo_arena text_arena = { 0 };
	struct bo_arena *arena = &script->plan->arena;
	char path[PATH_MAX];
	const char *text;
	size_t len;
	int r;

	if (snprintf(path, sizeof(path), "%s%s%s",
		     *arg->str == '/' ? "" : script->plan->scenario_dir,
		     *arg->str == '/' ? "" : "/", arg->str) >= (int)sizeof(path))
		return bo_err_set(err, ENAMETOOLONG, BO_SUBSYS_SCRIPT,
				  "%.60s…: the name is too long", arg->str);
	r = bo_script_read_data(&text_arena, path, arg->str, BO_LINKFILE_MAX_BYTES, &text, &len,
				err);
	if (r == 0)
		r = trace ? bo_trace_parse(text, len, arg->str, arena, &arg->trace, err)
			  : bo_samples_parse(text, len, arg->str, arena, &arg->samples, err);
	bo_arena_done(&text_arena);
	return r;
}

/* Options that name a file: it is read now, as the scenario is, and what it holds goes into the plan. */
static void lx_link_file(lua_State *L, const char *kind, struct bo_arg *arg)
{
	bool trace = !strcmp(arg->key, "trace") || (!*arg->key && !strcmp(kind, "trace"));
	struct bo_err err = { 0 };

	if (arg->type != BO_ARG_STRING || !(trace || !strcmp(arg->key, "samples")))
		return;
	if (read_link_file(lx_script(L), arg, trace, &err))
		lx_fail(L, "%s: %s: %s", kind, trace ? "trace" : "samples", err.msg);
}

static size_t lx_fault_table(lua_State *L, const char *kind, struct bo_arg *args, size_t n)
{
	int at = lua_gettop(L);
	lua_Integer keys = lx_sorted_keys(L, at);
	char found[96];

	for (lua_Integer i = 1; i <= keys; i++) {
		const char *key;
		size_t len;

		lua_rawgeti(L, at + 1, i);
		if (lua_type(L, -1) != LUA_TSTRING)
			lx_fail(L,
				"%s: expected key = value pairs, as in %s { key = value }, found %s as a key",
				kind, kind, lx_found(L, -1, found, sizeof(found)));
		key = lua_tolstring(L, -1, &len);
		if (!len || len > MAX_KIND || strlen(key) != len)
			lx_fail(L, "%s: expected key = value pairs, found %s as a key", kind,
				lx_found(L, -1, found, sizeof(found)));
		if (n >= MAX_ARGS)
			lx_fail(L, "%s: more than %d arguments", kind, MAX_ARGS);
		lua_pushvalue(L, -1);
		lua_rawget(L, at);
		args[n++] = lx_fault_arg(L, kind, key);
		lua_pop(L, 2);
	}
	lua_pop(L, 1);
	return n;
}

/* handle:kind([value] [, { key = value … }]); upvalue 1 is the kind */
static int lx_fault_new(lua_State *L)
{
	struct script *script = lx_script(L);
	const char *kind = lua_tostring(L, lua_upvalueindex(1));
	const struct handle *h = lx_handle(L, 1);
	struct fault_value fault = { .spec.src = lx_src(L) };
	struct bo_arg args[MAX_ARGS];
	int top = lua_gettop(L), at = 2;
	size_t n = 0;

	if (!h || (h->kind != HANDLE_NODE && h->kind != HANDLE_LINK))
		lx_fail(L, "%s: call it with a colon, on a node or a link, as in db:%s(…)", kind,
			kind);
	if (h->kind == HANDLE_NODE && h->index == BO_NODE_CLIENT)
		lx_fail(L,
			"%s: the client is the harness itself; faults go on other nodes, or on t:link(t.client, …)",
			kind);
	if (at <= top && !lua_istable(L, at)) {
		lua_pushvalue(L, at++);
		args[n++] = lx_fault_arg(L, kind, "");
		lua_pop(L, 1);
	}
	if (at <= top && lua_istable(L, at)) {
		lua_pushvalue(L, at++);
		n = lx_fault_table(L, kind, args, n);
		lua_pop(L, 1);
	}
	if (at <= top)
		lx_fail(L,
			"%s: expected at most one value and one table, as in %s(\"50ms\", { key = value })",
			kind, kind);
	for (size_t i = 0; h->kind == HANDLE_LINK && i < n; i++)
		lx_link_file(L, kind, &args[i]);
	fault.spec.kind = lx_strdup(L, kind);
	fault.spec.target = h->kind == HANDLE_NODE ? BO_TARGET_NODE : BO_TARGET_LINK;
	fault.spec.index = h->index;
	fault.spec.nargs = n;
	if (n) {
		struct bo_arg *copy = lx_alloc(L, n * sizeof(*copy));

		memcpy(copy, args, n * sizeof(*copy));
		fault.spec.args = copy;
	}
	if (script->faults.len >= BO_SCRIPT_MAX_FAULTS)
		lx_fail(L, "more than %d faults", BO_SCRIPT_MAX_FAULTS);
	if (!bo_vec_push(&script->faults, fault))
		lx_fail_memory(L);
	lx_handle_push(L, HANDLE_FAULT, (int)script->faults.len - 1);
	return 1;
}

static int lx_handle_index(lua_State *L)
{
	const struct handle *h = lx_handle(L, 1);
	char found[96];
	size_t len;

	if (!h || (h->kind != HANDLE_NODE && h->kind != HANDLE_LINK))
		lx_fail(L, "%s has no methods; schedule it with t:during or hand it on",
			lx_found(L, 1, found, sizeof(found)));
	if (lua_type(L, 2) != LUA_TSTRING || strlen(lua_tolstring(L, 2, &len)) != len || !len ||
	    len > MAX_KIND)
		lx_fail(L, "expected the name of a fault, as in db:kill(), found %s",
			lx_found(L, 2, found, sizeof(found)));
	if (h->kind == HANDLE_NODE && !strcmp(lua_tostring(L, 2), "name")) {
		lua_pushstring(L, node_name(lx_script(L), h->index));
		return 1;
	}
	if (h->kind == HANDLE_LINK && !strcmp(lua_tostring(L, 2), "record")) {
		lua_pushcfunction(L, lx_link_record);
		return 1;
	}
	if (h->kind == HANDLE_NODE && !strcmp(lua_tostring(L, 2), "peer")) {
		lua_pushcfunction(L, lx_peer);
		return 1;
	}
	lua_pushvalue(L, 2);
	lua_pushcclosure(L, lx_fault_new, 1);
	return 1;
}

static int lx_handle_newindex(lua_State *L)
{
	char found[96];

	lx_fail(L, "%s cannot be changed once it is declared",
		lx_found(L, 1, found, sizeof(found)));
}

static int lx_handle_tostring(lua_State *L)
{
	const struct handle *h = lx_handle(L, 1);
	char found[96];

	if (h && h->kind == HANDLE_NODE)
		lua_pushfstring(L, "node %s", node_name(lx_script(L), h->index));
	else
		lua_pushstring(L, lx_found(L, 1, found, sizeof(found)));
	return 1;
}

void lx_handles_setup(lua_State *L)
{
	static const luaL_Reg meta[] = {
		{ "__index", lx_handle_index },
		{ "__newindex", lx_handle_newindex },
		{ "__tostring", lx_handle_tostring },
		{ NULL, NULL },
	};

	luaL_newmetatable(L, HANDLE_META);
	luaL_setfuncs(L, meta, 0);
	lua_pushboolean(L, false);
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 1);
}

/* A node given as handle or name. */
static int lx_node_arg(lua_State *L, int at)
{
	struct script *script = lx_script(L);
	const struct handle *h = lx_handle(L, at);
	char found[96], hint[200];
	const char *name;
	int node;

	if (h && h->kind == HANDLE_NODE)
		return h->index;
	if (lua_type(L, at) != LUA_TSTRING)
		lx_fail(L, "t:link: expected two nodes, as in t:link(orders, db), found %s",
			lx_found(L, at, found, sizeof(found)));
	name = lua_tostring(L, at);
	node = bo_plan_node(script->plan, name);
	if (node < 0)
		lx_fail(L, "t:link: unknown node '%.60s'%s (a node is declared before its links)",
			name, bo_script_node_hint(script->plan, name, hint, sizeof(hint)));
	return node;
}

/* core.link(a, b) */
static int lx_core_link(lua_State *L)
{
	struct script *script = lx_script(L);
	char found[96];
	int a, b, link;

	if (lua_gettop(L) > 2)
		lx_fail(L, "t:link: expected two nodes, found %s as a third value",
			lx_found(L, 3, found, sizeof(found)));
	a = lx_node_arg(L, 1);
	b = lx_node_arg(L, 2);
	if (a == b)
		lx_fail(L, "t:link: '%s' cannot be linked with itself; expected two nodes",
			node_name(script, a));
	link = bo_plan_link_add(script->plan, a, b, lx_src(L));
	if (link < 0)
		lx_fail_memory(L);
	lx_handle_push(L, HANDLE_LINK, link);
	return 1;
}

/* A phase's name at @at; false when there is no string. */
static bool lx_phase_arg(lua_State *L, int at, enum bo_phase *ret)
{
	const char *words[BO_PHASE_COUNT + 1] = { NULL };
	char hint[96];
	const char *name;

	if (lua_type(L, at) != LUA_TSTRING)
		return false;
	name = lua_tostring(L, at);
	*ret = bo_phase_from_name(name);
	if (*ret != BO_PHASE_COUNT)
		return true;
	for (int p = 0; p < BO_PHASE_COUNT; p++)
		words[p] = bo_phase_name((enum bo_phase)p);
	if (!*bo_nearest_hint(name, words, hint, sizeof(hint)))
		snprintf(hint, sizeof(hint),
			 "; phases are warmup, base, fault, hold, heal and settle");
	lx_fail(L, "t:during: unknown phase \"%.60s\"%s", name, hint);
}

static void lx_during_options(lua_State *L, int at, struct bo_fault_spec *when)
{
	static const char *const keys[] = { "after", "lasts", NULL };
	struct lx_table t;

	lx_table_open(L, at, &t, keys, "{ after = \"2s\", lasts = \"3s\" }", "t:during");
	(void)lx_read_duration(&t, "after", 0, MAX_TIME_NS, &when->after_ns);
	(void)lx_read_duration(&t, "lasts", BO_NSEC_PER_MSEC, MAX_TIME_NS, &when->lasts_ns);
}

/* Does the schedule fit into the phases, which are known by now? */
static void lx_check_window(lua_State *L, const struct bo_plan *plan,
			    const struct bo_fault_spec *when)
{
	int64_t window = bo_plan_phase_start(plan, when->to) + plan->phase_ns[when->to] -
			 bo_plan_phase_start(plan, when->from);
	const char *from = bo_phase_name(when->from), *to = bo_phase_name(when->to);

	if (when->from > when->to)
		lx_fail(L, "t:during: expected the earlier phase first, found \"%s\" before \"%s\"",
			from, to);
	for (int end = 0; end < 2; end++) {
		enum bo_phase p = end ? when->to : when->from;

		if (!plan->phase_ns[p])
			lx_fail(L,
				"t:during: the phase \"%s\" does not happen, its length is 0; give it one in phases = { … }",
				bo_phase_name(p));
	}
	if (when->after_ns >= window)
		lx_fail(L, "t:during: after is %.10gs, but %s%s%s is over after %.10gs",
			(double)when->after_ns / 1e9, from, when->from == when->to ? "" : " to ",
			when->from == when->to ? "" : to, (double)window / 1e9);
	if (when->lasts_ns > window - when->after_ns)
		lx_fail(L,
			"t:during: after and lasts add up to %.10gs, but %s%s%s is over after %.10gs",
			(double)(when->after_ns + when->lasts_ns) / 1e9, from,
			when->from == when->to ? "" : " to ", when->from == when->to ? "" : to,
			(double)window / 1e9);
}

static void lx_schedule(lua_State *L, struct fault_value *fault, const struct bo_fault_spec *when)
{
	struct script *script = lx_script(L);
	struct bo_plan *plan = script->plan;
	struct bo_fault_spec spec = fault->spec;
	char target[80];
	int nth = 1;

	target_name(script, &spec, target, sizeof(target));
	bo_vec_foreach(other, &plan->faults)
		nth += !strcmp(other->kind, spec.kind) && other->target == spec.target &&
		       other->index == spec.index;
	spec.id = lx_printf(L, "%s %s #%d", spec.kind, target, nth);
	spec.from = when->from;
	spec.to = when->to;
	spec.after_ns = when->after_ns;
	spec.lasts_ns = when->lasts_ns;
	if (plan->faults.len >= BO_SCRIPT_MAX_FAULTS)
		lx_fail(L, "more than %d faults", BO_SCRIPT_MAX_FAULTS);
	if (!bo_vec_push(&plan->faults, spec))
		lx_fail_memory(L);
	fault->scheduled = true;
}

/* core.during(phase [, last phase], fault … [, { after =, lasts = }]) */
static int lx_core_during(lua_State *L)
{
	struct script *script = lx_script(L);
	struct bo_fault_spec when = { 0 };
	int at = 2, last = lua_gettop(L);
	char found[96];

	if (!lx_phase_arg(L, 1, &when.from))
		lx_fail(L,
			"t:during: expected a phase first, as in t:during(\"fault\", db:kill()), found %s",
			lx_found(L, 1, found, sizeof(found)));
	when.to = when.from;
	if (lx_phase_arg(L, at, &when.to))
		at++;
	if (last >= at && lua_istable(L, last))
		lx_during_options(L, last--, &when);
	if (at > last)
		lx_fail(L,
			"t:during: expected at least one fault after the phase, as in t:during(\"fault\", db:kill())");
	lx_check_window(L, script->plan, &when);
	for (int i = at; i <= last; i++) {
		const struct handle *h = lx_handle(L, i);

		if (!h || h->kind != HANDLE_FAULT)
			lx_fail(L, "t:during: expected faults such as db:kill(), found %s%s",
				lx_found(L, i, found, sizeof(found)),
				lua_isfunction(L, i) ? "; call it, with ()" : "");
	}
	for (int i = at; i <= last; i++)
		lx_schedule(L, &script->faults.items[lx_handle(L, i)->index], &when);
	return 0;
}

const luaL_Reg bo_script_fault_funcs[] = {
	{ "link", lx_core_link },
	{ "during", lx_core_during },
	{ NULL, NULL },
};
