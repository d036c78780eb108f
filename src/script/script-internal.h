/* SPDX-License-Identifier: Apache-2.0 */
/* script/script-internal.h — what the files of script/ share: the state behind one bo_script_load().
 *
 * The Lua boundary.  An error in Lua is a longjmp(3) that skips every cleanup attribute.  So: functions that may
 * throw are named lx_*; what they allocate belongs to the plan's arena or to struct script, both freed by
 * bo_script_load(), which nothing jumps over; a record is built on the C stack and appended to the plan only when it
 * is whole, so that a scenario that catches an error with pcall() leaves no half of it behind.
 * Owns: see struct script.  Threads: none.  Privilege: none. */
#pragma once
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "brownout/base/vec.h"
#include "brownout/model/plan.h"
#include "brownout/script/script.h"

#define BO_SCRIPT_PRELUDE "=brownout" /* chunk name: its frames are never "the user's line" */

/* Bounds that keep a plan within reason; far beyond any honest scenario. */
enum {
	BO_SCRIPT_MAX_NODES = 64,
	BO_SCRIPT_MAX_LOADS = 64,
	BO_SCRIPT_MAX_FAULTS = 1000,
	BO_SCRIPT_MAX_BUDGETS = 1000,
	BO_SCRIPT_MAX_GUARDS = 100,
	BO_SCRIPT_MAX_STRING = 65536,
};

enum handle_kind { HANDLE_NODE, HANDLE_LINK, HANDLE_FAULT, HANDLE_READY, HANDLE_STUB };

/** struct handle - the userdata behind db, t:link(…), link:delay(…), bo.tcp(…), bo.stub{…}
 * @index: in plan->nodes, plan->links or script->faults;  STUB keeps its table as user value 1 */
struct handle {
	enum handle_kind kind;
	int index;
	struct bo_ready_spec ready;
};

/** struct fault_value - a fault as constructed; each t:during() copies it into the plan */
struct fault_value {
	struct bo_fault_spec spec;
	bool scheduled;
};

/** struct open_word - `t:subject "x"` waits for its table; still open at the end is an error */
struct open_word {
	const char *what;
	const char *name;
	struct bo_src src;
	bool closed;
};

struct script {
	struct bo_plan *plan;
	const struct bo_script_options *options;
	struct bo_src
		last; /* the line of the user's that ran last: for errors that leave no stack to look at */
	size_t memory_used;
	size_t memory_max;
	int64_t instructions;
	int64_t instructions_max;
	int64_t deadline_ns;
	char stopped[256]; /* why a limit ended the script; "" while it may run */
	bool declared;     /* bo.scenario was called */
	BO_VEC(const char *)
	files; /* scenario and required files, as shown to the user; [0] is the scenario */
	BO_VEC(const char *)
	roots; /* where require looks: absolute path, then the same as shown, in pairs */
	BO_VEC(struct fault_value) faults;
	BO_VEC(struct open_word) open;
	BO_VEC(const char *) params; /* names that the scenario asked for */
	struct bo_src phases_src;
};

static inline struct script *lx_script(lua_State *L)
{
	return *(struct script **)lua_getextraspace(L);
}

/* script.c */
/** lx_src() - the line of the user's that is being executed */
struct bo_src lx_src(lua_State *L);
/** lx_fail() - raise "FILE:LINE: message" with the user's line */
_Noreturn void lx_fail(lua_State *L, const char *fmt, ...) BO_PRINTF(2, 3);
/** bo_script_refuse() - the same as an error, -EINVAL, for when there is no Lua state any more */
int bo_script_refuse(struct bo_err *err, struct bo_src src, const char *fmt, ...) BO_PRINTF(3, 4);
_Noreturn void lx_fail_memory(lua_State *L);
/** lx_alloc() - zeroed memory of the plan; raises when the script's memory limit is reached */
void *lx_alloc(lua_State *L, size_t size);
char *lx_strdup(lua_State *L, const char *s);
char *lx_printf(lua_State *L, const char *fmt, ...) BO_PRINTF(2, 3);

/* sandbox.c */
/** lx_sandbox() - open the harmless part of the standard library */
void lx_sandbox(lua_State *L);
/** lx_seed() - (re)start math.random from the plan's seed */
void lx_seed(lua_State *L, uint64_t seed);

/* require.c */
/**
 * bo_script_read() - the text of a file, [owned] by the arena
 * @shown: the name for messages
 * Return: 0; -ENOENT, -EISDIR, -EFBIG, -EINVAL (NUL bytes or bytecode) … with "SHOWN:1: " in front
 */
BO_NODISCARD int bo_script_read(struct bo_arena *arena, const char *path, const char *shown,
				int64_t max_bytes, const char **ret, size_t *ret_len,
				struct bo_err *err);
/** bo_script_read_data() - the same for a file that is no Lua: any bytes, and no line in front of the message */
BO_NODISCARD int bo_script_read_data(struct bo_arena *arena, const char *path, const char *shown,
				     int64_t max_bytes, const char **ret, size_t *ret_len,
				     struct bo_err *err);
/** bo_script_roots() - fill script->roots: the scenario's folder, then options->lib_dirs that exist */
BO_NODISCARD int bo_script_roots(struct script *script, const char *path, struct bo_err *err);
/** lx_load_text() - compile scenario text (a #! line is skipped); pushes the function or raises */
void lx_load_text(lua_State *L, const char *text, size_t len, const char *shown);
int lx_require(lua_State *L);

/* read.c: typed values out of a scenario's tables.  Each lx_read_* returns false when the key is absent, leaves
 * @ret alone then, and raises when the value is of the wrong type, does not parse, or is out of range. */
struct lx_table {
	lua_State *L;
	int at;
	char what[120]; /* "subject 'orders'", for messages */
};

/** lx_table_open() - the table at @at; @example is shown when it is none; @keys (NULL-terminated) are all it may have */
void lx_table_open(lua_State *L, int at, struct lx_table *ret, const char *const *keys,
		   const char *example, const char *what_fmt, ...) BO_PRINTF(6, 7);
/** lx_table_get() - push the value of @key; false (and nothing pushed) when absent */
bool lx_table_get(const struct lx_table *t, const char *key);
bool lx_read_duration(const struct lx_table *t, const char *key, int64_t min_ns, int64_t max_ns,
		      int64_t *ret);
bool lx_read_size(const struct lx_table *t, const char *key, int64_t min, int64_t max,
		  int64_t *ret);
bool lx_read_frequency(const struct lx_table *t, const char *key, double max, double *ret);
bool lx_read_number(const struct lx_table *t, const char *key, double min, double max, double *ret);
bool lx_read_count(const struct lx_table *t, const char *key, int64_t min, int64_t max,
		   int64_t *ret);
bool lx_read_bool(const struct lx_table *t, const char *key, bool *ret);
/** lx_read_string() - copied; refuses NUL bytes */
bool lx_read_string(const struct lx_table *t, const char *key, const char **ret);
/** lx_read_bytes() - copied, of any content, a NUL byte added after it */
bool lx_read_bytes(const struct lx_table *t, const char *key, const char **ret, size_t *ret_len);
/** lx_read_choice() - index in @words (NULL-terminated) */
bool lx_read_choice(const struct lx_table *t, const char *key, const char *const *words, int *ret);
/** lx_strings() - the list of strings at @at, copied and NULL-terminated; @what and @example for messages */
const char *const *lx_strings(lua_State *L, int at, const char *what, const char *example,
			      size_t *ret_n);
/** lx_sorted_keys() - push a list of the keys of the table at @at: numbers, then strings in order; Lua's own order
 * changes from run to run, a plan must not */
lua_Integer lx_sorted_keys(lua_State *L, int at);
/** lx_found() - "the number 5", "\"fast\"", "a table", "nothing" … and returns @buf */
const char *lx_found(lua_State *L, int at, char *buf, size_t size);

/* url.c */
enum bo_script_scheme { BO_SCHEME_HTTP, BO_SCHEME_HTTPS, BO_SCHEME_TCP };

/** struct bo_script_url - the parts of http://HOST[:PORT][/PATH][?QUERY] */
struct bo_script_url {
	enum bo_script_scheme scheme;
	char host[64];
	int port;
	bool port_given;
	const char *path; /* [borrowed: from the text], "" for none */
};
/** bo_script_url_parse() - only http, the host must look like a node's name; @err without the text's place */
BO_NODISCARD int bo_script_url_parse(const char *text, struct bo_script_url *ret,
				     struct bo_err *err);
/** bo_script_load_url_parse() - the same for what a load may call: http, https, tcp://HOST:PORT */
BO_NODISCARD int bo_script_load_url_parse(const char *text, struct bo_script_url *ret,
					  struct bo_err *err);

/* bind_record.c */
/** lx_link_record() - link:record { … };  returns the link */
int lx_link_record(lua_State *L);
/** bo_script_socket_check() - why @path is not one of a unix socket in a node, NULL when it is */
const char *bo_script_socket_check(const char *path);

/* bind_request.c: what a load asks for */
/** lx_read_request() - method, headers, body, routes */
void lx_read_request(const struct lx_table *t, struct bo_load_spec *load);
/** lx_read_tls() - tls = { … }, as the URL's scheme asks for */
void lx_read_tls(const struct lx_table *t, bool https, struct bo_load_spec *load);
/** lx_read_tcp() - tcp = { … } */
void lx_read_tcp(const struct lx_table *t, bool tcp, struct bo_load_spec *load);
/** lx_is_token() - RFC 9110 §5.6.2 */
bool lx_is_token(const char *s);

/* bind_arrivals.c: when it asks */
#define BO_SCRIPT_MAX_INFLIGHT 100000
#define BO_SCRIPT_MAX_TIME_NS (24 * 3600 * BO_NSEC_PER_SEC)
/** lx_read_arrivals() - arrivals, rate, burst, clients, think; after hold and max_inflight */
void lx_read_arrivals(const struct lx_table *t, struct bo_load_spec *load);

/* bind_*.c: what the prelude calls */
extern const luaL_Reg bo_script_scenario_funcs[];
extern const luaL_Reg bo_script_node_funcs[];
extern const luaL_Reg bo_script_load_funcs[];
extern const luaL_Reg bo_script_fault_funcs[];
extern const luaL_Reg bo_script_attach_funcs[];
/** lx_peer() - svc:peer "name" { … } */
int lx_peer(lua_State *L);
/** lx_read_probes() - probes = false | true | { … } */
void lx_read_probes(const struct lx_table *t, struct bo_node_spec *node);

/** lx_handles_setup() - make the metatables of the handles */
void lx_handles_setup(lua_State *L);
struct handle *lx_handle_push(lua_State *L, enum handle_kind kind, int index);
/** lx_handle() - the handle at @at, or NULL */
struct handle *lx_handle(lua_State *L, int at);
/** lx_node_name_check() - raise when @name cannot name a node or is taken */
void lx_node_name_check(lua_State *L, const char *name);
/** bo_script_node_hint() - "; did you mean 'db'?" or the list of nodes there are */
const char *bo_script_node_hint(const struct bo_plan *plan, const char *name, char *buf,
				size_t size);

/* finish.c */
/** bo_script_finish_attached() - the same for services that run already: nothing mixed, ttl, links of peers */
BO_NODISCARD int bo_script_finish_attached(struct script *script, struct bo_err *err);
/** bo_script_finish() - what can only be checked once the whole scenario has spoken; adds the implied links */
BO_NODISCARD int bo_script_finish(struct script *script, struct bo_err *err);
