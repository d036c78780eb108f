/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/report/view.h — reading run.json: getters that take any document, and how its numbers
 * are shown. A run.json may have been edited, cut or written by a later version: a missing or
 * wrongly typed member reads as "" / NAN / an empty list, never as an error.
 * Owns: nothing; everything returned is [borrowed: as long as the document].  Threads: any.
 * Privilege: none. */
#pragma once
#include <jansson.h>

#include "brownout/base/strbuf.h"

#define BO_RUN_SCHEMA "brownout/run/1"

/** bo_view_str() - the string member, or "" */
const char *bo_view_str(const json_t *object, const char *key);
/** bo_view_num() - the number member, or NAN */
double bo_view_num(const json_t *object, const char *key);
/** bo_view_get() - the member, or NULL */
const json_t *bo_view_get(const json_t *object, const char *key);
/** bo_view_at() - as bo_view_num() for an element of an array */
double bo_view_at(const json_t *array, size_t index);
/** bo_view_find() - the object in @list whose string member @key is @value, or NULL */
const json_t *bo_view_find(const json_t *list, const char *key, const char *value);
/** bo_view_series() - the first series of that name whose node has that role ("subject"; NULL:
 * any), or NULL */
const json_t *bo_view_series(const json_t *run, const char *name, const char *role);

/**
 * struct bo_view_walk - what loads have several of, load by load; begin with { .run = …, .list = "routes" } or "reasons"
 * @load, @item: [out] where it is;  @seen: [out] how many there were so far, this one too
 */
struct bo_view_walk {
	const json_t *run;
	const char *list;
	const json_t *load;
	const json_t *item;
	size_t seen;
	size_t next_load;
	size_t next_item;
};
/** bo_view_walk() - on to the next one; false: there are no more */
bool bo_view_walk(struct bo_view_walk *walk);

#define BO_VIEW_BUF 48
/* Formatters return @buf.  NAN is shown as "–". */
/** bo_view_ms() - milliseconds for people: "0.42ms", "12.3ms", "250ms", "1.93s" */
const char *bo_view_ms(double ms, char buf[BO_VIEW_BUF]);
/** bo_view_seconds() - an instant or a length in seconds: "7.25s" */
const char *bo_view_seconds(double s, char buf[BO_VIEW_BUF]);
/** bo_view_count() - "1234", or with one decimal when it is not whole */
const char *bo_view_count(double n, char buf[BO_VIEW_BUF]);
/** bo_view_percent() - a ratio as percent: "0%", "0.12%", "34%" */
const char *bo_view_percent(double ratio, char buf[BO_VIEW_BUF]);
/** bo_view_source() - "file:line", or "command line" when there is no file; appended to @sb as it
 * is */
void bo_view_source(struct bo_strbuf *sb, const json_t *source);

/** bo_view_grew() - a member of a budget's "grew", in a line: count in base and then, state, where it waits, who made it;
 * appended to @sb as it is */
void bo_view_grew(struct bo_strbuf *sb, const json_t *grew);

/** bo_view_errors() - "416 of 4000 requests (10%): most http_5xx (400)"; of several loads, which one had most of these;
 * and, where one is recorded, the reason that came with that class most often; appended to @sb as it is
 * Return: false when there were none, @sb untouched */
bool bo_view_errors(struct bo_strbuf *sb, const json_t *run);

/** bo_view_late() - did this phase begin so much later than planned that it is worth saying? */
bool bo_view_late(const json_t *phase);
/** bo_view_warns() - does this budget only warn? */
bool bo_view_warns(const json_t *budget);
/** bo_view_budget_word() - its outcome; "WARNING" for a broken one that only warns */
const char *bo_view_budget_word(const json_t *budget);
/** bo_view_icon() - "✔", "✘", "?", "■", "!": a verdict that needs no colour to be told apart */
const char *bo_view_icon(const char *verdict);
