/* SPDX-License-Identifier: Apache-2.0 */
/* slo/select.h — which goroutines a comparison is about, {site = …, state = …}, and what to call them.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brownout/base/strbuf.h"
#include "brownout/model/run.h"
#include "syntax.h"

/** slo_select_keys - every key that may stand in {…}, those of other metrics too; ended by NULL */
extern const char *const slo_select_keys[];
/** slo_select_first_key() - a key that @sel uses, for messages */
const char *slo_select_first_key(const struct slo_select *sel);
/** slo_select_print() - what stands in {…}; @sep goes before the first of it */
void slo_select_print(const struct slo_select *sel, const char *sep, struct bo_strbuf *out);
/** slo_name_matches() - @pattern, with "*" and "?", against @name from its beginning, or from after a
 * "/" or ".", to its end */
bool slo_name_matches(const char *pattern, const char *name);
/** slo_select_group() - does @g match by site, state, blocked_at and label?  @sel may be NULL */
bool slo_select_group(const struct slo_select *sel, const struct bo_group *g);
/** slo_select_members() - how many members of the matching group @g are old and stuck enough: at
 * least @ret_lo, at most @ret_hi */
void slo_select_members(const struct slo_select *sel, const struct bo_group *g, uint64_t *ret_lo,
			uint64_t *ret_hi);
/** slo_short_name() - without the path before the last "/" */
const char *slo_short_name(const char *name);
/** slo_group_name() - "main.query [chan send] at orders.go:93" */
void slo_group_name(const struct bo_group *g, char *buf, size_t size);
