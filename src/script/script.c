/* SPDX-License-Identifier: Apache-2.0 */
/* script/script.c — one Lua state from birth to death: limits, errors with the user's line, the order of events.
 *
 * Limits.  Instructions and wall-clock time are watched by a hook, memory by the allocator.  A script that hit a limit
 * cannot catch that with pcall() (sandbox.c looks at script->stopped).  The hook does not run inside one call of a C
 * function, so the few library functions that could loop there are bounded in sandbox.c; what remains is pattern
 * matching with many repetitions over a long text, which only a signal can end.
 * The hook also remembers the line that runs: an error that leaves no stack to look at (out of memory, a tail call)
 * can then still say where. */
#include "brownout/script/script.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "script-internal.h"

#define DEFAULT_INSTRUCTIONS INT64_C(50000000)
#define DEFAULT_MEMORY (INT64_C(64) << 20)
#define DEFAULT_FILE (INT64_C(4) << 20)
#define DEFAULT_SEED 1
#define WALL_LIMIT_S 30
#define HOOK_EVERY 1000

/* Lua shortens chunk names of LUA_IDSIZE bytes and more to "..." and their end, in its own messages. */
static const char *short_name(const char *shown, char buf[LUA_IDSIZE])
{
	size_t len = strlen(shown);

	if (len < LUA_IDSIZE)
		return shown;
	snprintf(buf, LUA_IDSIZE, "...%s", shown + len - (LUA_IDSIZE - 4));
	return buf;
}

/* "NAME:LINE: " at the start of @msg: where the rest begins, or NULL */
static const char *after_place(const char *msg, const char *name)
{
	size_t n = strlen(name);

	if (strncmp(msg, name, n) != 0 || msg[n] != ':' || !isdigit((unsigned char)msg[n + 1]))
		return NULL;
	for (n++; isdigit((unsigned char)msg[n]); n++)
		;
	return msg[n] == ':' ? msg + strlen(name) : NULL;
}

/* Which of the files that were loaded does a chunk name mean?  NULL for the prelude, load()ed text and C. */
static const char *file_of(const struct script *script, const char *source)
{
	if (*source != '@')
		return NULL;
	bo_vec_foreach(file, &script->files)
		if (!strcmp(*file, source + 1))
			return *file;
	return NULL;
}

struct bo_src lx_src(lua_State *L)
{
	struct script *script = lx_script(L);
	lua_Debug ar;

	for (int level = 0; lua_getstack(L, level, &ar); level++) {
		const char *file;

		lua_getinfo(L, "Sl", &ar);
		file = ar.currentline > 0 ? file_of(script, ar.source) : NULL;
		if (file)
			return (struct bo_src){ .file = file, .line = ar.currentline };
	}
	return script->last;
}

/* Push " (from FILE:LINE)" when a module of the scenario's failed, so that both lines can be looked at; else "". */
static void lx_push_caller(lua_State *L, struct bo_src src)
{
	const struct script *script = lx_script(L);
	lua_Debug ar;

	for (int level = 0; src.file != script->files.items[0] && lua_getstack(L, level, &ar);
	     level++) {
		lua_getinfo(L, "Sl", &ar);
		if (ar.currentline > 0 && file_of(script, ar.source) == script->files.items[0]) {
			lua_pushfstring(L, " (from %s:%d)", script->files.items[0], ar.currentline);
			return;
		}
	}
	lua_pushliteral(L, "");
}

_Noreturn static void lx_fail_va(lua_State *L, struct bo_src src, const char *fmt, va_list ap)
	BO_PRINTF(3, 0);

_Noreturn static void lx_fail_va(lua_State *L, struct bo_src src, const char *fmt, va_list ap)
{
	char msg[sizeof(((struct bo_err *)0)->msg)];

	vsnprintf(msg, sizeof(msg), fmt, ap);
	lx_push_caller(L, src);
	lua_pushfstring(L, "%s:%d: %s%s", src.file, src.line, msg, lua_tostring(L, -1));
	lua_error(L);
	abort(); /* lua_error() is not declared as never returning */
}

_Noreturn void lx_fail(lua_State *L, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	lx_fail_va(L, lx_src(L), fmt, ap);
}

int bo_script_refuse(struct bo_err *err, struct bo_src src, const char *fmt, ...)
{
	char msg[sizeof(err->msg)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	return bo_err_set(err, EINVAL, BO_SUBSYS_SCRIPT, "%s:%d: %s", src.file, src.line, msg);
}

_Noreturn static void lx_stop(lua_State *L, const char *why)
{
	struct script *script = lx_script(L);
	struct bo_src src = lx_src(L);

	if (!*script->stopped)
		snprintf(script->stopped, sizeof(script->stopped), "%s:%d: %s", src.file, src.line,
			 why);
	lua_pushstring(L, script->stopped);
	lua_error(L);
	abort(); /* as above */
}

_Noreturn void lx_fail_memory(lua_State *L)
{
	lx_stop(L, "stopped: the scenario declares more than the memory limit holds");
}

void *lx_alloc(lua_State *L, size_t size)
{
	struct script *script = lx_script(L);
	void *p = NULL;

	if (script->plan->arena.used_bytes + size <= script->memory_max)
		p = bo_arena_alloc(&script->plan->arena, size ? size : 1);
	if (!p)
		lx_fail_memory(L);
	return p;
}

char *lx_strdup(lua_State *L, const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(lx_alloc(L, n), s, n);
}

char *lx_printf(lua_State *L, const char *fmt, ...)
{
	va_list ap;
	char *buf;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	buf = lx_alloc(L, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(buf, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return buf;
}

/* lua_Alloc; @osize is a type tag when @ptr is NULL.  Shrinking must never fail. */
static void *limited_alloc(void *ud, void *ptr, size_t osize, size_t nsize)
{
	struct script *script = ud;
	size_t old = ptr ? osize : 0;
	void *p;

	if (!nsize) {
		free(ptr);
		script->memory_used -= old;
		return NULL;
	}
	if (nsize > old && nsize - old > script->memory_max - script->memory_used)
		return NULL;
	p = realloc(ptr, nsize);
	if (p)
		script->memory_used += nsize - old;
	return p;
}

static void lx_hook(lua_State *L, lua_Debug *ar)
{
	struct script *script = lx_script(L);
	char why[120];

	if (ar->event == LUA_HOOKLINE) {
		const char *file;

		lua_getinfo(L, "S", ar);
		file = file_of(script, ar->source);
		if (file)
			script->last = (struct bo_src){ .file = file, .line = ar->currentline };
		return;
	}
	script->instructions += HOOK_EVERY;
	if (*script->stopped)
		lx_stop(L, "");
	if (script->instructions > script->instructions_max) {
		snprintf(why, sizeof(why),
			 "stopped after %lld Lua instructions: is this an endless loop?",
			 (long long)script->instructions_max);
		lx_stop(L, why);
	}
	if (bo_now_ns() > script->deadline_ns) {
		snprintf(why, sizeof(why),
			 "stopped after %d s: a scenario only declares, it must be done at once",
			 WALL_LIMIT_S);
		lx_stop(L, why);
	}
}

/* Message handler: runs where the error was raised, while the stack still says which line that was. */
static int lx_message(lua_State *L)
{
	struct script *script = lx_script(L);
	char buf[LUA_IDSIZE];
	struct bo_src src;
	const char *msg;

	if (lua_type(L, 1) != LUA_TSTRING && !luaL_getmetafield(L, 1, "__tostring"))
		lua_pushfstring(L, "error() was called with a %s; give it a text",
				luaL_typename(L, 1));
	else
		luaL_tolstring(L, 1, NULL);
	msg = lua_tostring(L, -1);
	bo_vec_foreach(file, &script->files) {
		const char *rest = after_place(msg, short_name(*file, buf));

		if (!rest)
			rest = after_place(msg, *file);
		if (!rest)
			continue;
		/* lx_fail() has added the caller already; Lua's own errors have none. */
		if (strstr(rest, " (from "))
			lua_pushliteral(L, "");
		else
			lx_push_caller(L, (struct bo_src){ .file = *file });
		lua_pushfstring(L, "%s%s%s", *file, rest, lua_tostring(L, -1));
		return 1;
	}
	src = lx_src(L);
	lua_pushfstring(L, "%s:%d: %s", src.file, src.line, msg);
	return 1;
}

static int script_error(lua_State *L, const struct script *script, int status, struct bo_err *err)
{
	const char *msg = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1)
							 : "error in an error handler";
	const struct bo_src *at = &script->last;
	char buf[LUA_IDSIZE];
	const char *rest;

	if (*script->stopped)
		return bo_err_set(err, ETIME, BO_SUBSYS_SCRIPT, "%s", script->stopped);
	if (status == LUA_ERRMEM)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SCRIPT,
				  "%s:%d: stopped: more than %zu MiB of memory needed", at->file,
				  at->line, script->memory_max >> 20);
	bo_vec_foreach(file, &script->files) {
		rest = after_place(msg, short_name(*file, buf));
		if (rest)
			return bo_err_set(err, EINVAL, BO_SUBSYS_SCRIPT, "%s%s", *file, rest);
		if (after_place(msg, *file))
			return bo_err_set(err, EINVAL, BO_SUBSYS_SCRIPT, "%s", msg);
	}
	return bo_err_set(err, EINVAL, BO_SUBSYS_SCRIPT, "%s:%d: %s", at->file, at->line, msg);
}

void lx_load_text(lua_State *L, const char *text, size_t len, const char *shown)
{
	const char *name;

	/* As luaL_loadfile() does: a byte order mark, then a first line for the kernel. */
	if (len >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3)) {
		text += 3;
		len -= 3;
	}
	if (len && *text == '#') {
		const char *end = memchr(text, '\n', len);

		len = end ? len - (size_t)(end - text) : 0;
		text = end ? end : "";
	}
	name = lua_pushfstring(L, "@%s", shown);
	if (luaL_loadbufferx(L, text, len, name, "t") != LUA_OK)
		lua_error(L);
	lua_remove(L, -2);
}

static const luaL_Reg *const bindings[] = {
	bo_script_scenario_funcs, bo_script_node_funcs,   bo_script_load_funcs,
	bo_script_fault_funcs,    bo_script_attach_funcs,
};

/* Everything in protected mode: library, prelude, scenario. */
static int lx_main(lua_State *L)
{
	struct script *script = lx_script(L);
	const struct bo_script_options *o = script->options;
	const struct bo_plan *plan = script->plan;

	lx_sandbox(L);
	lx_seed(L, DEFAULT_SEED); /* until bo.scenario says which */
	lx_handles_setup(L);
	if (luaL_loadbufferx(L, o->prelude, o->prelude_len, BO_SCRIPT_PRELUDE, "t") != LUA_OK)
		lua_error(L);
	lua_newtable(L);
	for (size_t i = 0; i < sizeof(bindings) / sizeof(*bindings); i++)
		luaL_setfuncs(L, bindings[i], 0);
	lua_call(L, 1, 1);
	lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
	lua_insert(L, -2);
	lua_setfield(L, -2, "brownout");
	lua_pop(L, 1);

	lua_sethook(L, lx_hook, LUA_MASKCOUNT | LUA_MASKLINE, HOOK_EVERY);
	lx_load_text(L, plan->scenario_text, strlen(plan->scenario_text), plan->scenario_path);
	lua_call(L, 0, 0);
	return 0;
}

static int run_lua(struct script *script, struct bo_err *err)
{
	lua_State *L = lua_newstate(limited_alloc, script);
	int status, r = 0;

	if (!L)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SCRIPT, "%s:1: out of memory",
				  script->files.items[0]);
	*(struct script **)lua_getextraspace(L) = script;
	/* Pushing C functions without upvalues allocates nothing, so these cannot throw. */
	lua_pushcfunction(L, lx_message);
	lua_pushcfunction(L, lx_main);
	status = lua_pcall(L, 0, 0, 1);
	if (status != LUA_OK || *script->stopped)
		r = script_error(L, script, status, err);
	/* Nothing of the script's may run from here on: lua_close() calls finalizers, and sandbox.c lets none exist. */
	lua_sethook(L, NULL, 0, 0);
	lua_close(L);
	return r;
}

static int load(struct script *script, const char *path, struct bo_err *err)
{
	const struct bo_script_options *o = script->options;
	struct bo_plan *plan = script->plan;
	size_t len;
	int r;

	plan->scenario_path = bo_arena_strdup(&plan->arena, path);
	if (!plan->scenario_path || !bo_vec_push(&script->files, plan->scenario_path))
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SCRIPT, "%s:1: out of memory", path);
	script->last = (struct bo_src){ .file = plan->scenario_path, .line = 1 };
	plan->seed = o->seed ? o->seed : o->default_seed ? o->default_seed : DEFAULT_SEED;
	r = bo_script_read(&plan->arena, path, path,
			   o->max_file_bytes > 0 ? o->max_file_bytes : DEFAULT_FILE,
			   &plan->scenario_text, &len, err);
	if (!r)
		r = bo_script_roots(script, path, err);
	if (!r)
		r = run_lua(script, err);
	if (!r)
		r = bo_script_finish(script, err);
	return r;
}

int bo_script_load(struct bo_plan **ret, const char *path, const struct bo_script_options *options,
		   struct bo_err *err)
{
	static const struct bo_script_options none = { 0 };
	struct script script = {
		.plan = bo_plan_new(),
		.options = options ? options : &none,
		.memory_max = DEFAULT_MEMORY,
		.instructions_max = DEFAULT_INSTRUCTIONS,
		.deadline_ns = bo_now_ns() + WALL_LIMIT_S * BO_NSEC_PER_SEC,
	};
	struct bo_err fault = { 0 };
	int r;

	if (script.options->max_memory_bytes > 0)
		script.memory_max = (size_t)script.options->max_memory_bytes;
	if (script.options->max_instructions > 0)
		script.instructions_max = script.options->max_instructions;
	if (!script.plan)
		r = bo_err_set(&fault, ENOMEM, BO_SUBSYS_SCRIPT, "%s:1: out of memory", path);
	else if (!script.options->prelude)
		r = bo_err_set(&fault, EINVAL, BO_SUBSYS_SCRIPT, "%s:1: no prelude was given",
			       path);
	else
		r = load(&script, path, &fault);
	bo_vec_done(&script.files);
	bo_vec_done(&script.roots);
	bo_vec_done(&script.faults);
	bo_vec_done(&script.open);
	bo_vec_done(&script.params);
	if (r) {
		bo_plan_free(script.plan);
		if (err)
			*err = fault;
		return r;
	}
	*ret = script.plan;
	return 0;
}
