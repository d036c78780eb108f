/* SPDX-License-Identifier: Apache-2.0 */
/* script/bind_scenario.c — bo.scenario, t:budget, t:guard, parameters, and the prelude's own helpers. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/base/nearest.h"
#include "brownout/base/units.h"
#include "script-internal.h"

#define MAX_PHASE_NS (24 * 3600 * BO_NSEC_PER_SEC)
#define MAX_LINE_TEXT 1024

/* What a scenario that says nothing about phases gets. */
static const int64_t default_phases_ns[BO_PHASE_COUNT] = {
	[BO_PHASE_WARMUP] = 1 * BO_NSEC_PER_SEC, [BO_PHASE_BASE] = 5 * BO_NSEC_PER_SEC,
	[BO_PHASE_FAULT] = 10 * BO_NSEC_PER_SEC, [BO_PHASE_HOLD] = 0,
	[BO_PHASE_HEAL] = 2 * BO_NSEC_PER_SEC,   [BO_PHASE_SETTLE] = 3 * BO_NSEC_PER_SEC,
};

/* core.fail(text): an error of the prelude's, with the user's line */
static int lx_core_fail(lua_State *L)
{
	lx_fail(L, "%s", luaL_checkstring(L, 1));
}

/* core.unknown(what, key, words): "what has no 'key'", with the nearest of the keys of words */
static int lx_core_unknown(lua_State *L)
{
	const char *what = luaL_checkstring(L, 1), *words[64], *key;
	char hint[96], found[96];
	size_t n = 0;

	if (lua_type(L, 2) != LUA_TSTRING)
		lx_fail(L, "%s cannot be indexed with %s", what,
			lx_found(L, 2, found, sizeof(found)));
	key = lua_tostring(L, 2);
	/* The keys stay referenced by the table, so the texts outlive their place on the stack. */
	for (lua_pushnil(L); lua_next(L, 3); lua_pop(L, 1))
		if (lua_type(L, -2) == LUA_TSTRING && n < 63)
			words[n++] = lua_tostring(L, -2);
	words[n] = NULL;
	lx_fail(L, "%s has no '%.60s'%s", what, key,
		bo_nearest_hint(key, words, hint, sizeof(hint)));
}

/* core.open(what, name): a word whose table is still to come; returns its number */
static int lx_core_open(lua_State *L)
{
	struct script *script = lx_script(L);
	struct open_word word = { .src = lx_src(L) };
	const char *what = luaL_checkstring(L, 1);
	char found[96];
	size_t len;

	if (lua_type(L, 2) != LUA_TSTRING)
		lx_fail(L,
			"%s: expected a name and then a table, as in %s \"name\" { … }, found %s",
			what, what, lx_found(L, 2, found, sizeof(found)));
	if (strlen(lua_tolstring(L, 2, &len)) != len)
		lx_fail(L, "%s: the name holds a NUL byte", what);
	if (len > 63)
		lx_fail(L, "%s: expected a name of at most 63 bytes, found %zu", what, len);
	word.what = lx_strdup(L, what);
	word.name = lx_strdup(L, lua_tostring(L, 2));
	if (!bo_vec_push(&script->open, word))
		lx_fail_memory(L);
	lua_pushinteger(L, (lua_Integer)script->open.len - 1);
	return 1;
}

/* core.close(number) */
static int lx_core_close(lua_State *L)
{
	struct script *script = lx_script(L);
	lua_Integer at = luaL_checkinteger(L, 1);

	if (at >= 0 && (size_t)at < script->open.len)
		script->open.items[at].closed = true;
	return 0;
}

static void lx_scenario_name_check(lua_State *L, const char *name)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	/* It becomes part of the run folder's name. */
	if (!*name || name[strspn(name, allowed)] || strchr(".-", *name))
		lx_fail(L,
			"bo.scenario: expected a name of letters, digits, '.', '_' and '-', found \"%.60s\"",
			name);
}

/* Here, before a fault is scheduled: whether it fits its phases is checked at its line. */
static void override_phases(struct script *script)
{
	const struct bo_script_options *o = script->options;

	for (size_t i = 0; i < o->nphases; i++)
		script->plan->phase_ns[o->phases[i].phase] = o->phases[i].length_ns;
}

static void lx_phases(const struct lx_table *t)
{
	lua_State *L = t->L;
	struct script *script = lx_script(L);
	const char *keys[BO_PHASE_COUNT + 1] = { NULL };
	struct bo_plan *plan = script->plan;
	struct lx_table phases;

	if (!lx_table_get(t, "phases")) {
		memcpy(plan->phase_ns, default_phases_ns, sizeof(plan->phase_ns));
		override_phases(script);
		return;
	}
	for (int p = 0; p < BO_PHASE_COUNT; p++)
		keys[p] = bo_phase_name((enum bo_phase)p);
	lx_table_open(L, -1, &phases, keys, "phases = { base = \"5s\", fault = \"10s\" }",
		      "phases");
	for (int p = 0; p < BO_PHASE_COUNT; p++)
		(void)lx_read_duration(&phases, keys[p], 0, MAX_PHASE_NS, &plan->phase_ns[p]);
	lua_pop(L, 1);
	override_phases(script);
}

/* slo = { target = "99.9%", period = "30d" } */
static void lx_slo(const struct lx_table *t)
{
	static const char *const keys[] = { "target", "period", NULL };
	lua_State *L = t->L;
	struct bo_plan *plan = lx_script(L)->plan;
	struct lx_table slo;
	const char *target = "";

	if (!lx_table_get(t, "slo"))
		return;
	lx_table_open(L, -1, &slo, keys, "slo = { target = \"99.9%\", period = \"30d\" }", "slo");
	(void)lx_read_string(&slo, "target", &target);
	if (bo_parse_ratio(target, &plan->slo_target, NULL) < 0 || plan->slo_target <= 0 ||
	    plan->slo_target >= 1)
		lx_fail(L,
			"slo: target: expected a share above 0%% and below 100%% such as \"99.9%%\", found "
			"\"%.40s\"",
			target);
	(void)lx_read_duration(&slo, "period", BO_NSEC_PER_SEC, 366 * MAX_PHASE_NS,
			       &plan->slo_period_ns);
	lua_pop(L, 1);
}

/* core.scenario(name, table) */
static int lx_core_scenario(lua_State *L)
{
	static const char *const keys[] = { "about",  "phases", "timeout", "slo",
					    "driver", "seed",   NULL };
	static const char *const drivers[] = { "auto", "netem", "wire", "queue", NULL };
	struct script *script = lx_script(L);
	struct bo_plan *plan = script->plan;
	const char *name = luaL_checkstring(L, 1);
	int driver = BO_DRIVER_AUTO;
	struct lx_table t;
	int64_t seed;

	if (script->declared)
		lx_fail(L,
			"bo.scenario: a file declares one scenario; the first is \"%s\" at %s:%d",
			plan->name, plan->src.file, plan->src.line);
	lx_scenario_name_check(L, name);
	lx_table_open(L, 2, &t, keys, "bo.scenario \"name\" { phases = { … } }", "scenario '%s'",
		      name);
	plan->src = lx_src(L);
	plan->name = lx_strdup(L, name);
	plan->about = "";
	(void)lx_read_string(&t, "about", &plan->about);
	(void)lx_read_duration(&t, "timeout", 1, MAX_PHASE_NS, &plan->timeout_ns);
	lx_slo(&t);
	if (lx_read_choice(&t, "driver", drivers, &driver))
		plan->driver = (enum bo_driver)driver;
	if (lx_read_count(&t, "seed", 1, INT64_MAX, &seed) && !script->options->seed)
		plan->seed = (uint64_t)seed;
	lx_seed(L, plan->seed);
	lx_phases(&t);
	script->declared = true;
	return 0;
}

/* The one line of a budget or a guard; it is read by slo/. */
static const char *lx_line(lua_State *L, const char *what, const char *example)
{
	char found[96];
	size_t len;

	if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TSTRING)
		lx_fail(L, "%s: expected one text such as \"%s\", found %s", what, example,
			lua_gettop(L) > 1 ? "more than one value"
					  : lx_found(L, 1, found, sizeof(found)));
	if (strlen(lua_tolstring(L, 1, &len)) != len || len > MAX_LINE_TEXT)
		lx_fail(L, "%s: the text holds a NUL byte or more than %d bytes", what,
			MAX_LINE_TEXT);
	return lx_strdup(L, lua_tostring(L, 1));
}

/* core.budget(text) */
static int lx_core_budget(lua_State *L)
{
	struct script *script = lx_script(L);
	struct bo_budget_spec budget = { .src = lx_src(L) };

	budget.text = lx_line(L, "t:budget", "latency.p99 <= 250ms in fault");
	if (script->plan->budgets.len >= BO_SCRIPT_MAX_BUDGETS)
		lx_fail(L, "t:budget: more than %d budgets", BO_SCRIPT_MAX_BUDGETS);
	if (!bo_vec_push(&script->plan->budgets, budget))
		lx_fail_memory(L);
	return 0;
}

/* core.guard(text) */
static int lx_core_guard(lua_State *L)
{
	struct script *script = lx_script(L);
	struct bo_guard_spec guard = { .src = lx_src(L) };

	guard.text = lx_line(L, "t:guard", "errors.ratio > 50% for 5s");
	if (script->plan->guards.len >= BO_SCRIPT_MAX_GUARDS)
		lx_fail(L, "t:guard: more than %d guards", BO_SCRIPT_MAX_GUARDS);
	if (!bo_vec_push(&script->plan->guards, guard))
		lx_fail_memory(L);
	return 0;
}

/* Note that the scenario reads this parameter, and find what --set says: NULL when it says nothing. */
static const char *lx_param_value(lua_State *L, const char *name)
{
	struct script *script = lx_script(L);
	const char *value = NULL;
	bool known = false;

	for (size_t i = 0; i < script->options->nsets; i++)
		if (!strcmp(script->options->sets[i].key, name))
			value = script->options->sets[i].value;
	bo_vec_foreach(param, &script->params)
		known = known || !strcmp(*param, name);
	if (!known && !bo_vec_push(&script->params, (const char *)lx_strdup(L, name)))
		lx_fail_memory(L);
	return value;
}

static void lx_push_bool(lua_State *L, const char *name, const char *value)
{
	bool yes = !strcmp(value, "true") || !strcmp(value, "yes") || !strcmp(value, "1");

	if (!yes && strcmp(value, "false") != 0 && strcmp(value, "no") != 0 &&
	    strcmp(value, "0") != 0)
		lx_fail(L, "parameter '%s': expected true or false, found \"%.60s\" (--set)", name,
			value);
	lua_pushboolean(L, yes);
}

/* core.param(name [, default]): the value of --set name=value, of the default's type */
static int lx_core_param(lua_State *L)
{
	const char *name, *value;
	char found[96];

	if (lua_type(L, 1) != LUA_TSTRING)
		lx_fail(L,
			"bo.param: expected a name and a default, as in bo.param(\"rate\", 200), found %s",
			lx_found(L, 1, found, sizeof(found)));
	name = lua_tostring(L, 1);
	value = lx_param_value(L, name);
	lua_settop(L, 2);
	if (!value && lua_isnil(L, 2))
		lx_fail(L, "parameter '%.60s' has no default: give it with --set %.60s=VALUE", name,
			name);
	if (!value)
		return 1;
	switch (lua_type(L, 2)) {
	case LUA_TNIL:
	case LUA_TSTRING:
		lua_pushstring(L, value);
		break;
	case LUA_TBOOLEAN:
		lx_push_bool(L, name, value);
		break;
	case LUA_TNUMBER:
		if (!lua_stringtonumber(L, value))
			lx_fail(L, "parameter '%.60s': expected a number, found \"%.60s\" (--set)",
				name, value);
		break;
	default:
		lx_fail(L, "bo.param: expected a default of text, number or boolean, found %s",
			lx_found(L, 2, found, sizeof(found)));
	}
	return 1;
}

/* core.params(name): the text of --set, or nil;  core.params(): all of them as a table */
static int lx_core_params(lua_State *L)
{
	const struct bo_script_options *o = lx_script(L)->options;
	const char *value;

	if (lua_type(L, 1) == LUA_TSTRING) {
		value = lx_param_value(L, lua_tostring(L, 1));
		lua_pushstring(L, value); /* NULL pushes nil */
		return 1;
	}
	lua_newtable(L);
	for (size_t i = 0; i < o->nsets; i++) {
		(void)lx_param_value(L, o->sets[i].key);
		lua_pushstring(L, o->sets[i].value);
		lua_setfield(L, -2, o->sets[i].key);
	}
	return 1;
}

const luaL_Reg bo_script_scenario_funcs[] = {
	{ "fail", lx_core_fail },         { "unknown", lx_core_unknown },
	{ "open", lx_core_open },         { "close", lx_core_close },
	{ "scenario", lx_core_scenario }, { "budget", lx_core_budget },
	{ "guard", lx_core_guard },       { "param", lx_core_param },
	{ "params", lx_core_params },     { NULL, NULL },
};
