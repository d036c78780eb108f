/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/slo/guard.h — guards: a run that gets out of hand is halted.
 * docs/budgets.md is the reference.  A guard protects people and machines; it judges nothing: a
 * halted run is ABORTED.
 * Owns: the parsed form and what it has seen.  Threads: one at a time.  Privilege: none. */
#pragma once
#include <stdbool.h>

#include "brownout/base/err.h"
#include "brownout/base/strbuf.h"
#include "brownout/model/live.h"

struct bo_guard;

/**
 * bo_guard_parse() - parse "[halt when] METRIC[{node=…|load=…}] OP LIMIT [for DURATION]"
 * @ret: [out, owned] free with bo_guard_free(); untouched on failure
 * @err: says the column, what was expected and what was found, and the nearest known word
 * Return: 0, -EINVAL for a guard that is none, -ENOMEM
 */
BO_NODISCARD int bo_guard_parse(struct bo_guard **ret, const char *text, struct bo_err *err);
void bo_guard_free(struct bo_guard *guard);
/** bo_guard_print() - append the guard in canonical spelling, "halt when …" */
void bo_guard_print(const struct bo_guard *guard, struct bo_strbuf *out);
/** bo_guard_check() - does it fit the plan: loads and nodes that exist, a base to compare with, a
 * memory limit for "of limit"; must have succeeded before bo_guard_feed() */
BO_NODISCARD int bo_guard_check(const struct bo_guard *guard, const struct bo_plan *plan,
				struct bo_err *err);
/**
 * bo_guard_feed() - how the run stands now
 * @plan: the one that bo_guard_check() has seen
 * @buf: [out] filled when it fires: the guard, what was seen, since when
 * Return: true when the run is to be halted, and from then on
 * A stretch of "for DURATION" is broken by a state in bounds, and by a silence of more than two seconds;
 * a base to compare with is the median of what was seen in phase base.
 */
bool bo_guard_feed(struct bo_guard *guard, const struct bo_plan *plan,
		   const struct bo_live_state *now, char *buf, size_t size);
