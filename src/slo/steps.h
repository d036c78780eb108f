/* SPDX-License-Identifier: Apache-2.0 */
/* slo/steps.h — time in short steps: since when, and for how long without interruption, was something true?
 * Owns: nothing.  Threads: none.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "metric.h"
#include "scope.h"

/** enum slo_truth - of one step of time; EMPTY: nothing came about in it that could say anything */
enum slo_truth { SLO_FALSE, SLO_UNKNOWN, SLO_EMPTY, SLO_TRUE };
enum slo_truth slo_truth_and(enum slo_truth a, enum slo_truth b);
enum slo_truth slo_truth_or(enum slo_truth a, enum slo_truth b);

/**
 * struct slo_steps - runs of steps in which something was true (steps.c)
 * @need_ns: a run must last so long
 * @sure_ns: start of the current run of steps in which it was true for sure, SLO_NEVER for none (and so below)
 * @maybe_ns: … in which it may have been
 * @found_ns: start of the first sure run that lasted;  @possible_ns: … of the first run that may have
 * @longest_ns: length of the longest sure run
 */
struct slo_steps {
	int64_t need_ns;
	int64_t sure_ns;
	int64_t maybe_ns;
	int64_t found_ns;
	int64_t possible_ns;
	int64_t longest_ns;
};

void slo_steps_init(struct slo_steps *steps, int64_t need_ns);
/** slo_steps_add() - what the next step, [@from_ns, @to_ns), says; an EMPTY one interrupts nothing */
void slo_steps_add(struct slo_steps *steps, int64_t from_ns, int64_t to_ns, enum slo_truth truth);
/** slo_steps_break() - whatever was going on has ended */
void slo_steps_break(struct slo_steps *steps);
/** slo_step_length() - a whole part of @whole_ns, at most @most_ns but long enough for ten requests or two samples
 * of what ask->cmp looks at; @whole_ns at most */
int64_t slo_step_length(const struct slo_ask *ask, int64_t whole_ns, int64_t most_ns);
/** slo_seen() - does @step lie in phases that ask->cmp can see, at least in part? */
bool slo_seen(const struct slo_ask *ask, struct slo_span step);
/** slo_any_due() - was any request that ask->cmp asks about due in @step? */
bool slo_any_due(const struct slo_ask *ask, struct slo_span step);
