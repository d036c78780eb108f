/* SPDX-License-Identifier: Apache-2.0 */
/* fault/fault-internal.h — shared between the kinds of faults and the set that runs them.
 * Owns: see each part.  Threads: the conductor's main thread.  Privilege: none. */
#pragma once
#include <stdbool.h>

#include "brownout/base/clock.h"
#include "brownout/base/vec.h"
#include "brownout/fault/fault.h"

extern const struct bo_fault_kind bo_fault_kind_delay;
extern const struct bo_fault_kind bo_fault_kind_loss;
extern const struct bo_fault_kind bo_fault_kind_rate;
extern const struct bo_fault_kind bo_fault_kind_blackhole;
extern const struct bo_fault_kind bo_fault_kind_impair;
extern const struct bo_fault_kind bo_fault_kind_kill;
extern const struct bo_fault_kind bo_fault_kind_term;
extern const struct bo_fault_kind bo_fault_kind_restart;
extern const struct bo_fault_kind bo_fault_kind_pause;
extern const struct bo_fault_kind bo_fault_kind_memory;
extern const struct bo_fault_kind bo_fault_kind_dns;

/* --- arguments (schema.c) --------------------------------------------------------------------- */

/** bo_fault_check_args() - every argument against the kind's schema */
BO_NODISCARD int bo_fault_check_args(const struct bo_plan *plan, const struct bo_fault_spec *spec,
				     const struct bo_fault_kind *kind, struct bo_err *err);
/** bo_fault_arg_given() - the argument of that key, also when it was given as the lone positional
 * value, or NULL */
const struct bo_arg *bo_fault_arg_given(const struct bo_fault_spec *spec,
					const struct bo_fault_kind *kind, const char *key);

/* --- what is said about a fault (text.c) ------------------------------------------------------ */

/** struct bo_text - a line put together piece by piece; what does not fit is cut */
struct bo_text {
	char *buf;
	size_t size;
	size_t len;
};
struct bo_text bo_text_of(char *buf, size_t size);
void bo_text_add(struct bo_text *text, const char *fmt, ...) BO_PRINTF(2, 3);
/** bo_fault_verdict() - fill the record's confirm and reason; a worse verdict is never replaced by
 * a better one */
void bo_fault_verdict(struct bo_fault_record *record, enum bo_confirm confirm, const char *fmt, ...)
	BO_PRINTF(3, 4);
/** bo_fault_verdict_ok() - measured and within tolerance, unless something worse was found already
 */
void bo_fault_verdict_ok(struct bo_fault_record *record);
const char *bo_fault_node_name(const struct bo_plan *plan, int node);
/** bo_fault_target_name() - "orders-db" or "db" */
void bo_fault_target_name(const struct bo_plan *plan, const struct bo_fault_spec *spec, char *buf,
			  size_t size);

/* --- the state of links (set.c) --------------------------------------------------------------- */

/** struct bo_fault_change - one direction was given @im: asked for at @before_ns, in force at
 * @after_ns */
struct bo_fault_change {
	int64_t before_ns;
	int64_t after_ns;
	struct bo_impair im;
};

/**
 * struct bo_fault_lane - one direction of one link
 * @base_p50_ns: one-way delay of the path before it was first impaired, 0 when it was not measured
 */
struct bo_fault_lane {
	bool probing;
	int64_t probing_since_ns;
	int64_t base_p50_ns;
	struct bo_impair now;
	BO_VEC(struct bo_fault_change) changes;
};

struct bo_fault_lane *bo_fault_lane_of(struct bo_fault_set *set, int link, enum bo_dir dir);
/** bo_fault_lane_update() - give the direction the merge of all active faults */
BO_NODISCARD int bo_fault_lane_update(struct bo_fault_set *set, int link, enum bo_dir dir,
				      struct bo_err *err);
/** bo_fault_lane_probe() - begin probing the direction, if that is not so yet */
BO_NODISCARD int bo_fault_lane_probe(struct bo_fault_set *set, int link, enum bo_dir dir,
				     struct bo_err *err);

/**
 * struct bo_fault_window - a stretch of time in which a direction had one state
 * @im: that state;  @to_ns: the last moment whose probes have had time to arrive
 */
struct bo_fault_window {
	int64_t from_ns;
	int64_t to_ns;
	struct bo_impair im;
};

/** bo_fault_lane_window() - the longest window since @since_ns in which the direction was not
 * changed, with @own in force and not drowned in somebody else's blackhole; empty (from >= to) when
 * there is none */
struct bo_fault_window bo_fault_lane_window(const struct bo_fault_lane *lane,
					    const struct bo_impair *own, int64_t since_ns,
					    int64_t now_ns);

/* --- judging links (judge.c) ------------------------------------------------------------------ */

/**
 * bo_fault_judge() - is what the probes met what was asked for?  Pure
 * @own: what this fault asked for;  @name: of the direction, for the texts
 */
void bo_fault_judge(struct bo_fault_record *record, struct bo_text *achieved, const char *name,
		    const struct bo_impair *own, const struct bo_fault_window *window,
		    const struct bo_link_measure *m, int64_t base_p50_ns);
/** bo_fault_binomial_fits() - could @k of @n be chance when each has probability @p?  Two-sided,
 * 99.9 % */
bool bo_fault_binomial_fits(uint64_t k, uint64_t n, double p);

/* --- processes (process.c) -------------------------------------------------------------------- */

BO_NODISCARD int bo_fault_check_process(const struct bo_plan *plan,
					const struct bo_fault_spec *spec, struct bo_err *err);
uint32_t bo_fault_claims_process(const struct bo_plan *plan, const struct bo_fault_spec *spec);
/** bo_fault_confirm_down() - the process is gone, as the kernel says */
BO_NODISCARD int bo_fault_confirm_down(struct bo_fault *fault, struct bo_err *err);
/** bo_fault_start_again() - unless it runs already; waits until it is ready */
BO_NODISCARD int bo_fault_start_again(struct bo_fault *fault, struct bo_err *err);
/** bo_fault_end_and_start() - the same, after SIGKILL to one that was told to end and still has not
 */
BO_NODISCARD int bo_fault_end_and_start(struct bo_fault *fault, struct bo_err *err);
