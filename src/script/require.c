/* SPDX-License-Identifier: Apache-2.0 */
/* script/require.c — reading scenario files, and require() for text files in a few allowed folders.
 * A module's file, symbolic links resolved, must lie inside the folder it was found in: neither ".." nor a link leads
 * a scenario to other files of the machine. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "script-internal.h"

static int read_all(int fd, char *buf, size_t size, size_t *ret_len)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, buf + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		len += (size_t)n;
	}
	*ret_len = len;
	return 0;
}

static int check_text(const char *text, size_t len, const char *shown, struct bo_err *err)
{
	const char *nul = memchr(text, '\0', len);
	int line = 1;

	if (len && *text == LUA_SIGNATURE[0])
		return bo_err_set(err, EINVAL, BO_SUBSYS_SCRIPT,
				  "%s:1: this is compiled Lua; a scenario must be Lua text", shown);
	if (!nul)
		return 0;
	for (const char *at = text; at < nul; at++)
		line += *at == '\n';
	return bo_err_set(err, EINVAL, BO_SUBSYS_SCRIPT,
			  "%s:%d: a NUL byte; a scenario must be Lua text", shown, line);
}

/** open_file() - a regular file of at most @max_bytes; @place goes behind its name in messages ("" or ":1") */
static int open_file(const char *path, const char *shown, const char *place, const char *what,
		     int64_t max_bytes, int *ret_fd, size_t *ret_size, struct bo_err *err)
{
	/* O_NONBLOCK: opening a FIFO must not wait for its writer. */
	bo_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return bo_err_errno(err, BO_SUBSYS_SCRIPT, "%s%s: cannot open", shown, place);
	if (fstat(fd, &st))
		return bo_err_errno(err, BO_SUBSYS_SCRIPT, "%s%s: fstat", shown, place);
	if (S_ISDIR(st.st_mode))
		return bo_err_set(err, EISDIR, BO_SUBSYS_SCRIPT, "%s%s: expected %s, found a folder",
				  shown, place, what);
	if (!S_ISREG(st.st_mode))
		return bo_err_set(err, EINVAL, BO_SUBSYS_SCRIPT, "%s%s: expected a regular file",
				  shown, place);
	if (st.st_size > max_bytes)
		return bo_err_set(err, EFBIG, BO_SUBSYS_SCRIPT,
				  "%s%s: expected at most %lld bytes, found %lld", shown, place,
				  (long long)max_bytes, (long long)st.st_size);
	*ret_size = (size_t)st.st_size;
	*ret_fd = bo_steal_fd(&fd);
	return 0;
}

/** read_file() - see open_file(); [in @arena], a NUL byte added after it */
static int read_file(struct bo_arena *arena, const char *path, const char *shown, const char *place,
		     const char *what, int64_t max_bytes, char **ret, size_t *ret_len,
		     struct bo_err *err)
{
	bo_auto_fd int fd = -1;
	size_t len = 0, size = 0;
	char *text;
	int r = open_file(path, shown, place, what, max_bytes, &fd, &size, err);

	if (r)
		return r;
	text = bo_arena_alloc(arena, size + 1);
	if (!text)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SCRIPT, "%s%s: out of memory", shown,
				  place);
	r = read_all(fd, text, size, &len);
	if (r)
		return bo_err_set(err, -r, BO_SUBSYS_SCRIPT, "%s%s: cannot read: %s", shown, place,
				  strerrordesc_np(-r));
	text[len] = '\0';
	*ret = text;
	*ret_len = len;
	return 0;
}

int bo_script_read(struct bo_arena *arena, const char *path, const char *shown, int64_t max_bytes,
		   const char **ret, size_t *ret_len, struct bo_err *err)
{
	char *text;
	size_t len;
	int r = read_file(arena, path, shown, ":1", "a Lua file", max_bytes, &text, &len, err);

	if (r == 0)
		r = check_text(text, len, shown, err);
	if (r)
		return r;
	*ret = text;
	*ret_len = len;
	return 0;
}

int bo_script_read_data(struct bo_arena *arena, const char *path, const char *shown,
			int64_t max_bytes, const char **ret, size_t *ret_len, struct bo_err *err)
{
	char *text;
	int r = read_file(arena, path, shown, "", "a file", max_bytes, &text, ret_len, err);

	if (r == 0)
		*ret = text;
	return r;
}

static int add_root(struct script *script, const char *shown, bool must_exist, struct bo_err *err)
{
	struct bo_arena *arena = &script->plan->arena;
	char real[PATH_MAX];
	const char *a, *b;

	if (!realpath(shown, real))
		return must_exist ? bo_err_errno(err, BO_SUBSYS_SCRIPT, "%s:1: folder %s",
						 script->files.items[0], shown)
				  : 0;
	a = bo_arena_strdup(arena, real);
	b = bo_arena_strdup(arena, shown);
	if (!a || !b || !bo_vec_push(&script->roots, a) || !bo_vec_push(&script->roots, b))
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SCRIPT, "%s:1: out of memory",
				  script->files.items[0]);
	return 0;
}

int bo_script_roots(struct script *script, const char *path, struct bo_err *err)
{
	const char *slash = strrchr(path, '/');
	const char *dir = ".";
	int r;

	if (slash)
		dir = bo_arena_strndup(&script->plan->arena, path,
				       slash == path ? 1 : (size_t)(slash - path));
	if (!dir)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SCRIPT, "%s:1: out of memory", path);
	r = add_root(script, dir, true, err);
	if (r)
		return r;
	script->plan->scenario_dir = script->roots.items[0];
	for (const char *const *lib = script->options->lib_dirs; lib && *lib; lib++) {
		r = add_root(script, *lib, false, err);
		if (r)
			return r;
	}
	return 0;
}

/* "lib.slow" or "lib/slow" to "lib/slow.lua"; raises on anything that is not a plain relative name. */
static const char *lx_module_file(lua_State *L, const char *name)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./";
	size_t len = strlen(name);
	char *file;

	if (!len || len > 200 || name[strspn(name, allowed)] || strstr(name, "..") ||
	    strstr(name, "//") || strchr("./", name[0]) || strchr("./", name[len - 1]))
		lx_fail(L,
			"require: expected a module's name such as \"lib.slow\" (for lib/slow.lua), found \"%.60s\"",
			name);
	file = lx_printf(L, "%s.lua", name);
	for (size_t i = 0; i < len; i++)
		if (file[i] == '.')
			file[i] = '/';
	return file;
}

/* The module's real path and its name for messages, in the first folder that has it. */
static bool lx_find_module(lua_State *L, const char *file, char real[PATH_MAX],
			   const char **ret_shown)
{
	struct script *script = lx_script(L);

	for (size_t i = 0; i + 1 < script->roots.len; i += 2) {
		const char *root = script->roots.items[i], *shown = script->roots.items[i + 1];
		size_t n = strlen(root);
		char path[PATH_MAX];

		if (snprintf(path, sizeof(path), "%s/%s", root, file) >= (int)sizeof(path) ||
		    !realpath(path, real))
			continue;
		if (strcmp(root, "/") != 0 && (strncmp(real, root, n) != 0 || real[n] != '/'))
			lx_fail(L,
				"require: %s leads out of its folder; only files inside %s may be loaded",
				file, shown);
		*ret_shown = strcmp(shown, ".") ? lx_printf(L, "%s/%s", shown, file) : file;
		return true;
	}
	return false;
}

/* Its own function because bo_err lives on this stack, and lx_fail must not see a cleanup attribute. */
static void lx_load_module(lua_State *L, const char *real, const char *shown)
{
	struct script *script = lx_script(L);
	int64_t max = script->options->max_file_bytes > 0 ? script->options->max_file_bytes
							  : INT64_C(4) << 20;
	struct bo_err err = { 0 };
	const char *text;
	size_t len;

	if (script->plan->arena.used_bytes > script->memory_max)
		lx_fail_memory(L);
	if (bo_script_read(&script->plan->arena, real, shown, max, &text, &len, &err))
		lx_fail(L, "require: %s", err.msg);
	if (!bo_vec_push(&script->files, shown))
		lx_fail_memory(L);
	lx_load_text(L, text, len, shown);
}

int lx_require(lua_State *L)
{
	const char *name, *file, *shown = NULL;
	char real[PATH_MAX];
	size_t len;

	name = luaL_checklstring(L, 1, &len);
	if (strlen(name) != len)
		lx_fail(L, "require: the module's name holds a NUL byte");
	lua_settop(L, 1);
	lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
	if (lua_getfield(L, 2, name) != LUA_TNIL) {
		if (lua_touserdata(L, -1) == lx_script(L))
			lx_fail(L,
				"require: \"%s\" is being loaded already: two files require each other",
				name);
		return 1;
	}
	file = lx_module_file(L, name);
	if (!lx_find_module(L, file, real, &shown))
		lx_fail(L,
			"require: no %s beside the scenario or in scenarios/lib (this is all that a scenario may load)",
			file);
	lua_pushlightuserdata(L, lx_script(L));
	lua_setfield(L, 2, name);
	lx_load_module(L, real, shown);
	lua_pushstring(L, name);
	lua_call(L, 1, 1);
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		lua_pushboolean(L, true);
	}
	lua_pushvalue(L, -1);
	lua_setfield(L, 2, name);
	return 1;
}
