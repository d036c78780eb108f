/* SPDX-License-Identifier: Apache-2.0 */
/* script/sandbox.c — the part of Lua's standard library that a scenario gets, and what was changed in it.
 *
 * Gone: io, os, debug, package, coroutine, dofile, loadfile, warn, string.dump, math.randomseed.
 * Changed, and why:
 *   load          text only; a chunk cannot pretend to be a file
 *   pcall, xpcall a limit that was hit cannot be caught
 *   setmetatable  no __gc: Lua runs finalizers with hooks off, where an endless loop could not be stopped
 *   string.rep, table.insert/remove/sort/move   they can loop for ever inside one call
 *   pairs         in the order of the keys: Lua's own order differs from run to run, and a plan must not
 *   print         to the log at level info (check and plan show it), since stdout belongs to the command
 *   collectgarbage only "count";  math.random is seeded from the plan
 * This keeps honest mistakes and pasted code from doing harm.  It is not a wall against a hostile author: a scenario
 * names commands that will be run. */
#include <stdio.h>
#include <string.h>

#include "brownout/base/log.h"
#include "script-internal.h"

#define MAX_MOVE 1000000

static const luaL_Reg libraries[] = {
	{ LUA_GNAME, luaopen_base },        { LUA_TABLIBNAME, luaopen_table },
	{ LUA_STRLIBNAME, luaopen_string }, { LUA_MATHLIBNAME, luaopen_math },
	{ LUA_UTF8LIBNAME, luaopen_utf8 },
};

/* Shared end of pcall and xpcall: true and the results, or false and the message; a limit goes on upwards. */
static int lx_protected_end(lua_State *L, int status)
{
	if (*lx_script(L)->stopped) {
		lua_pushstring(L, lx_script(L)->stopped);
		lua_error(L);
	}
	if (status != LUA_OK) {
		lua_pushboolean(L, false);
		lua_insert(L, -2);
		return 2;
	}
	return -1;
}

static int lx_pcall(lua_State *L)
{
	int n;

	luaL_checkany(L, 1);
	n = lx_protected_end(L, lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0));
	if (n > 0)
		return n;
	lua_pushboolean(L, true);
	lua_insert(L, 1);
	return lua_gettop(L);
}

/* Upvalue 1 is the scenario's handler.  When a limit was hit, the error comes out of the hook, where Lua runs the
 * handler with hooks off: nothing could stop it, so it is not called. */
static int lx_xpcall_handler(lua_State *L)
{
	if (*lx_script(L)->stopped)
		return 1;
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, 1);
	return 1;
}

static int lx_xpcall(lua_State *L)
{
	int n = lua_gettop(L);

	luaL_checktype(L, 2, LUA_TFUNCTION);
	lua_pushvalue(L, 2);
	lua_pushcclosure(L, lx_xpcall_handler, 1);
	lua_replace(L, 2);
	lua_pushvalue(L, 1);
	lua_rotate(L, 3, 1); /* f, handler, f, arguments … */
	n = lx_protected_end(L, lua_pcall(L, n - 2, LUA_MULTRET, 2));
	if (n > 0)
		return n;
	lua_pushboolean(L, true);
	lua_replace(L, 2);
	return lua_gettop(L) - 1;
}

/* The wrappers below keep the library's function as upvalue 1. */
static int lx_call_original(lua_State *L)
{
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
	return lua_gettop(L);
}

static int lx_load(lua_State *L)
{
	bool has_env = !lua_isnone(L, 4);

	lua_settop(L, 4);
	lua_pushliteral(L, "=(load)");
	lua_replace(L, 2);
	lua_pushliteral(L, "t");
	lua_replace(L, 3);
	if (!has_env)
		lua_settop(L, 3); /* an explicit nil would be an empty environment */
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	/* Protected, because the compiler calls the message handler in force, which would put our place before its own. */
	if (lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0) != LUA_OK)
		lua_error(L);
	return lua_gettop(L);
}

static int lx_setmetatable(lua_State *L)
{
	if (lua_istable(L, 2)) {
		lua_pushliteral(L, "__gc");
		if (lua_rawget(L, 2) != LUA_TNIL)
			lx_fail(L, "setmetatable: __gc is not available in a scenario");
		lua_pop(L, 1);
	}
	return lx_call_original(L);
}

static int lx_rep(lua_State *L)
{
	size_t len, sep = 0, each, max = lx_script(L)->memory_max;
	lua_Integer n = luaL_checkinteger(L, 2);

	luaL_checklstring(L, 1, &len);
	luaL_optlstring(L, 3, "", &sep);
	each = len + sep;
	if (n <= 0 || !each) {
		lua_pushliteral(L, "");
		return 1;
	}
	if ((lua_Unsigned)n > max / each)
		lx_fail(L, "string.rep: the result does not fit in the memory limit of %zu MiB",
			max >> 20);
	return lx_call_original(L);
}

/* A table whose length is whatever its __len says would keep the library's loops busy for ages. */
static int lx_plain_table(lua_State *L)
{
	if (luaL_getmetafield(L, 1, "__len") != LUA_TNIL)
		lx_fail(L, "this table function wants a table without __len");
	return lx_call_original(L);
}

static int lx_move(lua_State *L)
{
	lua_Integer from = luaL_checkinteger(L, 2), to = luaL_checkinteger(L, 3);

	if (to >= from && (lua_Unsigned)to - (lua_Unsigned)from >= MAX_MOVE)
		lx_fail(L, "table.move: expected at most %d elements", MAX_MOVE);
	return lx_call_original(L);
}

static int lx_randomseed(lua_State *L)
{
	lx_fail(L,
		"math.randomseed is not available: the plan's seed decides (seed = N in bo.scenario, or --seed N)");
}

static int lx_collectgarbage(lua_State *L)
{
	if (strcmp(luaL_optstring(L, 1, "count"), "count") != 0)
		lx_fail(L, "collectgarbage: only \"count\" is available in a scenario");
	lua_pushnumber(L, (lua_Number)lx_script(L)->memory_used / 1024);
	return 1;
}

static int lx_print(lua_State *L)
{
	struct bo_src src = lx_src(L);
	int n = lua_gettop(L);
	char line[512];
	luaL_Buffer b;

	luaL_buffinit(L, &b);
	for (int i = 1; i <= n; i++) {
		if (i > 1)
			luaL_addchar(&b, '\t');
		luaL_tolstring(L, i, NULL);
		luaL_addvalue(&b);
	}
	luaL_pushresult(&b);
	snprintf(line, sizeof(line), "%s", lua_tostring(L, -1));
	/* One line, and nothing that a terminal would obey. */
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
	bo_log(BO_LOG_INFO, "%s:%d: %s", src.file, src.line, line);
	return 0;
}

/* Upvalues: the table, its sorted keys, how many, the last one given. */
static int lx_pairs_next(lua_State *L)
{
	lua_Integer n = lua_tointeger(L, lua_upvalueindex(3));

	for (lua_Integer i = lua_tointeger(L, lua_upvalueindex(4)) + 1; i <= n; i++) {
		lua_rawgeti(L, lua_upvalueindex(2), i);
		lua_pushvalue(L, -1);
		if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) {
			lua_pushinteger(L, i);
			lua_replace(L, lua_upvalueindex(4));
			return 2;
		}
		lua_pop(L, 2); /* removed while walking */
	}
	lua_pushnil(L);
	return 1;
}

static int lx_pairs(lua_State *L)
{
	lua_Integer n;

	luaL_checkany(L, 1);
	if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
		lua_pushvalue(L, 1);
		lua_call(L, 1, 3);
		return 3;
	}
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_pushvalue(L, 1);
	n = lx_sorted_keys(L, 1);
	lua_pushinteger(L, n);
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, lx_pairs_next, 4);
	lua_pushvalue(L, 1);
	lua_pushnil(L);
	return 3;
}

/* Reading a global that was never set is nearly always a typo, and nil would travel far before it is noticed. */
static int lx_unknown_global(lua_State *L)
{
	static const char *const gone[] = { "io",     "os",       "debug", "package", "coroutine",
					    "dofile", "loadfile", "warn",  NULL };
	const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";

	for (const char *const *g = gone; *g; g++)
		if (!strcmp(*g, name))
			lx_fail(L,
				"'%s' is not available in a scenario, which declares and touches nothing",
				name);
	lx_fail(L,
		"unknown name '%.60s': a misspelt variable, or one that is declared further down?",
		name);
}

static void lx_wrap(lua_State *L, const char *table, const char *name, lua_CFunction fn)
{
	lua_getglobal(L, table);
	lua_getfield(L, -1, name);
	lua_pushcclosure(L, fn, 1);
	lua_setfield(L, -2, name);
	lua_pop(L, 1);
}

static void lx_remove(lua_State *L, const char *table, const char *name)
{
	lua_getglobal(L, table);
	lua_pushnil(L);
	lua_setfield(L, -2, name);
	lua_pop(L, 1);
}

static const luaL_Reg replaced[] = {
	{ "pcall", lx_pcall }, { "xpcall", lx_xpcall }, { "collectgarbage", lx_collectgarbage },
	{ "print", lx_print }, { "pairs", lx_pairs },   { "require", lx_require },
	{ NULL, NULL },
};

/* What C itself needs later is kept out of the scenario's reach. */
static void lx_keep(lua_State *L, const char *table, const char *name, const char *key)
{
	lua_getglobal(L, table);
	lua_getfield(L, -1, name);
	lua_setfield(L, LUA_REGISTRYINDEX, key);
	lua_pop(L, 1);
}

void lx_sandbox(lua_State *L)
{
	static const char *const plain[] = { "insert", "remove", "sort" };
	static const char *const removed[] = { "dofile", "loadfile", "warn" };

	for (size_t i = 0; i < sizeof(libraries) / sizeof(*libraries); i++) {
		luaL_requiref(L, libraries[i].name, libraries[i].func, 1);
		lua_pop(L, 1);
	}
	lx_keep(L, "table", "sort", "bo.sort");
	lx_keep(L, "math", "randomseed", "bo.randomseed");
	for (size_t i = 0; i < sizeof(removed) / sizeof(*removed); i++)
		lx_remove(L, LUA_GNAME, removed[i]);
	lx_remove(L, "string", "dump");
	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		lx_wrap(L, "table", plain[i], lx_plain_table);
	lx_wrap(L, "table", "move", lx_move);
	lx_wrap(L, "string", "rep", lx_rep);
	lx_wrap(L, "math", "randomseed", lx_randomseed);
	lx_wrap(L, LUA_GNAME, "load", lx_load);
	lx_wrap(L, LUA_GNAME, "setmetatable", lx_setmetatable);
	lua_pushglobaltable(L);
	luaL_setfuncs(L, replaced, 0);
	lua_newtable(L);
	lua_pushcfunction(L, lx_unknown_global);
	lua_setfield(L, -2, "__index");
	lua_pushboolean(L, false);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
	lua_pop(L, 1);
}

void lx_seed(lua_State *L, uint64_t seed)
{
	lua_getfield(L, LUA_REGISTRYINDEX, "bo.randomseed");
	lua_pushinteger(L, (lua_Integer)seed);
	lua_pushinteger(L, 0);
	lua_call(L, 2, 0);
}
