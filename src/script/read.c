/* SPDX-License-Identifier: Apache-2.0 */
/* script/read.c — typed values out of the tables that a scenario gives.
 * Every message has the same shape: what (subject 'orders'), the key, what was expected, what was found. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/base/nearest.h"
#include "brownout/base/units.h"
#include "script-internal.h"

#define HOUR_NS (3600 * BO_NSEC_PER_SEC)

const char *lx_found(lua_State *L, int at, char *buf, size_t size)
{
	static const char *const handles[] = { "a node", "a link", "a fault", "a readiness check",
					       "a stub" };
	const struct handle *handle = lx_handle(L, at);
	size_t len;
	const char *s;

	switch (lua_type(L, at)) {
	case LUA_TNONE:
	case LUA_TNIL:
		snprintf(buf, size, "nothing");
		break;
	case LUA_TBOOLEAN:
		snprintf(buf, size, "%s", lua_toboolean(L, at) ? "true" : "false");
		break;
	case LUA_TNUMBER:
		snprintf(buf, size, "the number %.10g", (double)lua_tonumber(L, at));
		break;
	case LUA_TSTRING:
		s = lua_tolstring(L, at, &len);
		snprintf(buf, size, len > 60 ? "\"%.60s…\"" : "\"%s\"", s);
		break;
	default:
		snprintf(buf, size, "%s", handle ? handles[handle->kind] : "");
		if (!handle)
			snprintf(buf, size, "a %s", luaL_typename(L, at));
	}
	return buf;
}

_Noreturn static void lx_expected(const struct lx_table *t, const char *key, const char *want)
{
	char found[96];

	lx_fail(t->L, "%s: %s: expected %s, found %s", t->what, key, want,
		lx_found(t->L, -1, found, sizeof(found)));
}

static void lx_unknown_key(const struct lx_table *t, const char *const *keys)
{
	char found[96], hint[320]; /* room for the longest list of keys there is, a load's */

	if (lua_type(t->L, -2) != LUA_TSTRING)
		lx_fail(t->L, "%s: expected only keys with a name (key = value), found %s under %s",
			t->what, lx_found(t->L, -1, hint, sizeof(hint)),
			lx_found(t->L, -2, found, sizeof(found)));
	bo_nearest_hint(lua_tostring(t->L, -2), keys, hint, sizeof(hint));
	if (!*hint) {
		size_t n = (size_t)snprintf(hint, sizeof(hint), "; known: ");

		for (const char *const *k = keys; *k && n < sizeof(hint); k++)
			n += (size_t)snprintf(hint + n, sizeof(hint) - n, "%s%s",
					      k == keys ? "" : ", ", *k);
	}
	lx_fail(t->L, "%s: unknown key '%.60s'%s", t->what, lua_tostring(t->L, -2), hint);
}

void lx_table_open(lua_State *L, int at, struct lx_table *ret, const char *const *keys,
		   const char *example, const char *what_fmt, ...)
{
	struct lx_table t = { .L = L, .at = lua_absindex(L, at) };
	char found[96];
	va_list ap;

	va_start(ap, what_fmt);
	vsnprintf(t.what, sizeof(t.what), what_fmt, ap);
	va_end(ap);
	if (!lua_istable(L, t.at))
		lx_fail(L, "%s: expected a table, as in %s, found %s", t.what, example,
			lx_found(L, t.at, found, sizeof(found)));
	/* In order, so that of two mistakes the same one is named every time. */
	for (lua_Integer i = 1, n = lx_sorted_keys(L, t.at); i <= n; i++) {
		const char *const *key = keys;

		lua_rawgeti(L, -1, i);
		lua_pushvalue(L, -1);
		lua_rawget(L, t.at);
		while (*key &&
		       (lua_type(L, -2) != LUA_TSTRING || strcmp(*key, lua_tostring(L, -2)) != 0))
			key++;
		if (!*key)
			lx_unknown_key(&t, keys);
		lua_pop(L, 2);
	}
	lua_pop(L, 1);
	*ret = t;
}

bool lx_table_get(const struct lx_table *t, const char *key)
{
	lua_pushstring(t->L, key);
	lua_rawget(t->L, t->at);
	if (!lua_isnil(t->L, -1))
		return true;
	lua_pop(t->L, 1);
	return false;
}

/* A string without NUL bytes on top of the stack, or an error that says what was wanted. */
static const char *lx_top_string(const struct lx_table *t, const char *key, const char *want)
{
	const char *s;
	size_t len;

	if (lua_type(t->L, -1) != LUA_TSTRING)
		lx_expected(t, key, want);
	s = lua_tolstring(t->L, -1, &len);
	if (strlen(s) != len)
		lx_fail(t->L, "%s: %s: the text holds a NUL byte", t->what, key);
	if (len > BO_SCRIPT_MAX_STRING)
		lx_fail(t->L, "%s: %s: expected at most %d bytes of text, found %zu", t->what, key,
			BO_SCRIPT_MAX_STRING, len);
	return s;
}

/* A limit, which is round, unlike what bo_format_duration() is for. */
static const char *limit_text(int64_t ns, char buf[BO_UNIT_BUF])
{
	if (!ns)
		return "0";
	if (ns % HOUR_NS)
		return bo_format_duration(ns, buf);
	snprintf(buf, BO_UNIT_BUF, "%lldh", (long long)(ns / HOUR_NS));
	return buf;
}

/* A duration at @at of the stack within [@min_ns, @max_ns]. */
static int64_t lx_duration_at(lua_State *L, int at, const char *what, int64_t min_ns,
			      int64_t max_ns)
{
	char found[96], low[BO_UNIT_BUF], high[BO_UNIT_BUF];
	struct bo_err err = { 0 };
	int64_t ns;
	size_t len;

	if (lua_type(L, at) == LUA_TNUMBER && lua_tonumber(L, at) != 0)
		lx_fail(L,
			"%s: expected a duration with its unit, such as \"%.10gs\" or \"%.10gms\", found %s",
			what, (double)lua_tonumber(L, at), (double)lua_tonumber(L, at),
			lx_found(L, at, found, sizeof(found)));
	if (!lua_isstring(L, at) || strlen(lua_tolstring(L, at, &len)) != len)
		lx_fail(L, "%s: expected a duration such as \"250ms\", found %s", what,
			lx_found(L, at, found, sizeof(found)));
	if (lua_type(L, at) == LUA_TNUMBER)
		ns = 0;
	else if (bo_parse_duration(lua_tostring(L, at), &ns, &err))
		lx_fail(L, "%s: %s", what, err.msg);
	if (ns < min_ns || ns > max_ns)
		lx_fail(L, "%s: expected a duration from %s to %s, found %s", what,
			limit_text(min_ns, low), limit_text(max_ns, high),
			lx_found(L, at, found, sizeof(found)));
	return ns;
}

bool lx_read_duration(const struct lx_table *t, const char *key, int64_t min_ns, int64_t max_ns,
		      int64_t *ret)
{
	char what[200];

	if (!lx_table_get(t, key))
		return false;
	snprintf(what, sizeof(what), "%s: %s", t->what, key);
	*ret = lx_duration_at(t->L, -1, what, min_ns, max_ns);
	lua_pop(t->L, 1);
	return true;
}

bool lx_read_size(const struct lx_table *t, const char *key, int64_t min, int64_t max, int64_t *ret)
{
	char low[BO_UNIT_BUF], high[BO_UNIT_BUF], found[96];
	struct bo_err err = { 0 };
	int64_t bytes;

	if (!lx_table_get(t, key))
		return false;
	if (bo_parse_size(lx_top_string(t, key, "a size such as \"256MiB\""), &bytes, &err))
		lx_fail(t->L, "%s: %s: %s", t->what, key, err.msg);
	if (bytes < min || bytes > max)
		lx_fail(t->L, "%s: %s: expected a size from %s to %s, found %s", t->what, key,
			bo_format_size(min, low), bo_format_size(max, high),
			lx_found(t->L, -1, found, sizeof(found)));
	lua_pop(t->L, 1);
	*ret = bytes;
	return true;
}

bool lx_read_frequency(const struct lx_table *t, const char *key, double max, double *ret)
{
	struct bo_err err = { 0 };
	double per_s;

	if (!lx_table_get(t, key))
		return false;
	if (lua_type(t->L, -1) == LUA_TNUMBER)
		per_s = lua_tonumber(t->L, -1);
	else if (bo_parse_frequency(lx_top_string(t, key, "a rate such as \"200/s\""), &per_s,
				    &err))
		lx_fail(t->L, "%s: %s: %s", t->what, key, err.msg);
	/* Also catches NaN. */
	if (!(per_s > 0 && per_s <= max)) {
		char want[64];

		snprintf(want, sizeof(want), "a rate above 0 and up to %.0f/s", max);
		lx_expected(t, key, want);
	}
	lua_pop(t->L, 1);
	*ret = per_s;
	return true;
}

bool lx_read_number(const struct lx_table *t, const char *key, double min, double max, double *ret)
{
	char want[64];
	double v;

	if (!lx_table_get(t, key))
		return false;
	snprintf(want, sizeof(want), "a number from %.10g to %.10g", min, max);
	if (lua_type(t->L, -1) != LUA_TNUMBER)
		lx_expected(t, key, want);
	v = lua_tonumber(t->L, -1);
	if (!(v >= min && v <= max))
		lx_expected(t, key, want);
	lua_pop(t->L, 1);
	*ret = v;
	return true;
}

bool lx_read_count(const struct lx_table *t, const char *key, int64_t min, int64_t max,
		   int64_t *ret)
{
	char want[80];
	lua_Integer v;
	int ok;

	if (!lx_table_get(t, key))
		return false;
	snprintf(want, sizeof(want), "a whole number from %lld to %lld", (long long)min,
		 (long long)max);
	if (lua_type(t->L, -1) != LUA_TNUMBER)
		lx_expected(t, key, want);
	v = lua_tointegerx(t->L, -1, &ok);
	if (!ok || v < min || v > max)
		lx_expected(t, key, want);
	lua_pop(t->L, 1);
	*ret = v;
	return true;
}

bool lx_read_bool(const struct lx_table *t, const char *key, bool *ret)
{
	if (!lx_table_get(t, key))
		return false;
	if (!lua_isboolean(t->L, -1))
		lx_expected(t, key, "true or false");
	*ret = lua_toboolean(t->L, -1);
	lua_pop(t->L, 1);
	return true;
}

bool lx_read_string(const struct lx_table *t, const char *key, const char **ret)
{
	if (!lx_table_get(t, key))
		return false;
	*ret = lx_strdup(t->L, lx_top_string(t, key, "text in quotes"));
	lua_pop(t->L, 1);
	return true;
}

bool lx_read_bytes(const struct lx_table *t, const char *key, const char **ret, size_t *ret_len)
{
	const char *s;
	size_t len;
	char *copy;

	if (!lx_table_get(t, key))
		return false;
	if (lua_type(t->L, -1) != LUA_TSTRING)
		lx_expected(t, key, "text in quotes");
	s = lua_tolstring(t->L, -1, &len);
	if (len > BO_SCRIPT_MAX_STRING)
		lx_fail(t->L, "%s: %s: expected at most %d bytes of text, found %zu", t->what, key,
			BO_SCRIPT_MAX_STRING, len);
	copy = lx_alloc(t->L, len + 1);
	memcpy(copy, s, len);
	*ret = copy;
	*ret_len = len;
	lua_pop(t->L, 1);
	return true;
}

bool lx_read_choice(const struct lx_table *t, const char *key, const char *const *words, int *ret)
{
	char want[120] = "", hint[96], found[96];
	const char *word;
	size_t n = 0;
	int i = 0;

	if (!lx_table_get(t, key))
		return false;
	for (int w = 0; words[w]; w++)
		n += (size_t)snprintf(want + n, sizeof(want) - n, "%s\"%s\"",
				      w ? words[w + 1] ? ", " : " or " : "", words[w]);
	word = lx_top_string(t, key, want);
	while (words[i] && strcmp(words[i], word) != 0)
		i++;
	if (!words[i])
		lx_fail(t->L, "%s: %s: expected %s, found %s%s", t->what, key, want,
			lx_found(t->L, -1, found, sizeof(found)),
			bo_nearest_hint(word, words, hint, sizeof(hint)));
	lua_pop(t->L, 1);
	*ret = i;
	return true;
}

const char *const *lx_strings(lua_State *L, int at, const char *what, const char *example,
			      size_t *ret_n)
{
	lua_Unsigned n;
	const char **list;
	char found[96];

	at = lua_absindex(L, at);
	if (!lua_istable(L, at))
		lx_fail(L, "%s: expected a list of words, as in %s, found %s%s", what, example,
			lx_found(L, at, found, sizeof(found)),
			lua_type(L, at) == LUA_TSTRING ? "; no shell takes it apart" : "");
	n = lua_rawlen(L, at);
	if (n > 4096)
		lx_fail(L, "%s: expected at most 4096 words, found %llu", what,
			(unsigned long long)n);
	for (lua_pushnil(L); lua_next(L, at); lua_pop(L, 1))
		if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) < 1 ||
		    lua_tointeger(L, -2) > (lua_Integer)n)
			lx_fail(L,
				"%s: expected a list of words without gaps, as in %s, found the key %s",
				what, example, lx_found(L, -2, found, sizeof(found)));
	list = lx_alloc(L, ((size_t)n + 1) * sizeof(*list));
	for (lua_Unsigned i = 0; i < n; i++) {
		size_t len = 0;
		const char *s;

		lua_rawgeti(L, at, (lua_Integer)i + 1);
		if (!lua_isstring(L, -1))
			lx_fail(L, "%s: word %llu: expected text, found %s", what,
				(unsigned long long)i + 1, lx_found(L, -1, found, sizeof(found)));
		/* The value on the stack is a copy, so turning a number into text leaves the table alone. */
		s = lua_tolstring(L, -1, &len);
		if (strlen(s) != len || len > BO_SCRIPT_MAX_STRING)
			lx_fail(L, "%s: word %llu: the text holds a NUL byte or more than %d bytes",
				what, (unsigned long long)i + 1, BO_SCRIPT_MAX_STRING);
		list[i] = lx_strdup(L, s);
		lua_pop(L, 1);
	}
	*ret_n = (size_t)n;
	return list;
}

/* Comparator for table.sort: numbers first, then strings, the rest as equals. */
static int lx_key_less(lua_State *L)
{
	int a = lua_type(L, 1), b = lua_type(L, 2);
	int rank_a = a == LUA_TNUMBER ? 0 : a == LUA_TSTRING ? 1 : 2;
	int rank_b = b == LUA_TNUMBER ? 0 : b == LUA_TSTRING ? 1 : 2;

	lua_pushboolean(L, rank_a != rank_b ? rank_a < rank_b
					    : rank_a < 2 && lua_compare(L, 1, 2, LUA_OPLT));
	return 1;
}

lua_Integer lx_sorted_keys(lua_State *L, int at)
{
	lua_Integer n = 0;

	at = lua_absindex(L, at);
	luaL_checkstack(L, 8, NULL);
	lua_newtable(L);
	for (lua_pushnil(L); lua_next(L, at); lua_pop(L, 1)) {
		lua_pushvalue(L, -2);
		lua_rawseti(L, -4, ++n);
	}
	lua_getfield(L, LUA_REGISTRYINDEX, "bo.sort");
	lua_pushvalue(L, -2);
	lua_pushcfunction(L, lx_key_less);
	lua_call(L, 2, 0);
	return n;
}
