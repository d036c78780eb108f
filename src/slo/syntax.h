/* SPDX-License-Identifier: Apache-2.0 */
/* slo/syntax.h — a budget as it was written: the parsed form, its spelling, messages about it.
 * Text is kept beside each value, so that printing keeps the writer's units; it lives in the budget's arena.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "brownout/base/arena.h"
#include "brownout/base/clock.h"
#include "brownout/base/err.h"
#include "brownout/base/strbuf.h"
#include "brownout/model/plan.h"
#include "brownout/slo/budget.h"

/* Bounds on what a person may write; a budget is one line. */
#define SLO_MAX_TEXT 1024

#define SLO_MIN_STRETCH_NS (10 * BO_NSEC_PER_MSEC)
#define SLO_MAX_STRETCH_NS (86400 * BO_NSEC_PER_SEC)

enum slo_unit { SLO_UNIT_DURATION, SLO_UNIT_RATIO, SLO_UNIT_COUNT, SLO_UNIT_SIZE, SLO_UNIT_RATE };

enum slo_op { SLO_LE, SLO_LT, SLO_GE, SLO_GT, SLO_EQ };

/** enum slo_limit_kind - ABSOLUTE value · FACTOR × base · base + OFFSET · share OF the memory LIMIT ·
 * a multiple of the declared TIMEOUT · the declared TIMEOUT and so much more */
enum slo_limit_kind {
	SLO_LIMIT_ABSOLUTE,
	SLO_LIMIT_FACTOR,
	SLO_LIMIT_OFFSET,
	SLO_LIMIT_OF_LIMIT,
	SLO_LIMIT_TIMES_TIMEOUT,
	SLO_LIMIT_AFTER_TIMEOUT,
};

struct slo_metric;

/**
 * struct slo_select - which goroutines, in {…}; NULL: whichever
 * @site, @blocked_at: see slo_name_matches();  @state: text with wildcards;  @label: "key=value" or "key"
 * @older_ns: 0 none;  @stuck: when there is a @stuck_text ("true", "false")
 */
struct slo_select {
	const char *site;
	const char *state;
	const char *blocked_at;
	const char *label;
	const char *older_text;
	int64_t older_ns;
	const char *stuck_text;
	bool stuck;
};

/**
 * struct slo_burn - what stands in burn(…)
 * @target: share of good requests, NAN: the scenario's
 * @long_ns, @short_ns: windows; 0 none
 */
struct slo_burn {
	double target;
	const char *target_text;
	int64_t long_ns;
	const char *long_text;
	int64_t short_ns;
	const char *short_text;
};

/**
 * struct slo_cmp - one comparison
 * @metric_text, @limit_text …: as written, so that printing keeps the writer's units
 * @quantile: of latency.pNN, else NAN
 * @route: of the load's requests;  @fault: recovery and detect of the faults of that id
 * @select: of groups of goroutines, NULL when none was given;  @burn: NULL but for the metric of that name
 * @limit: in the metric's base unit (ns, ratio, count, bytes, per second)
 * @from, @to: scope; BO_PHASE_COUNT when none was given;  @at: the value at the end of @to
 * @over_ns: 0 none;  @share, @window_ns: "for SHARE of WINDOW windows", window 0 none
 * @sustained_ns: only a breach that lasts so long counts; 0 none
 * @*_col: where it stands, for messages
 */
struct slo_cmp {
	const struct slo_metric *metric;
	const char *metric_text;
	double quantile;
	const char *node;
	const char *load;
	const char *route;
	const char *cls;
	const char *fault;
	const struct slo_select *select;
	const struct slo_burn *burn;
	enum slo_op op;
	enum slo_limit_kind limit_kind;
	double limit;
	const char *limit_text;
	enum bo_phase from;
	enum bo_phase to;
	bool at;
	int64_t over_ns;
	const char *over_text;
	double share;
	const char *share_text;
	int64_t window_ns;
	const char *window_text;
	int64_t sustained_ns;
	const char *sustained_text;
	int metric_col;
	int selector_col;
	int op_col;
	int limit_col;
	int scope_col;
	int over_col;
	int window_col;
	int sustained_col;
};

/**
 * struct slo_must - "must … within D [of PHASE] [sustained for E]"
 * @of: from the start of this phase; BO_PHASE_COUNT: from the start of the first fault
 * @sustained_ns: and goes on for so long; 0 none
 */
struct slo_must {
	int64_t within_ns;
	const char *within_text;
	enum bo_phase of;
	int64_t sustained_ns;
	const char *sustained_text;
	int col;
	int within_col;
	int of_col;
};

/* MUST: @left and @must. */
enum slo_expr_kind { SLO_EXPR_CMP, SLO_EXPR_AND, SLO_EXPR_OR, SLO_EXPR_MUST };

struct slo_expr {
	enum slo_expr_kind kind;
	const struct slo_expr *left;
	const struct slo_expr *right;
	struct slo_cmp cmp;
	struct slo_must must;
};

/** @warn: it is judged and reported, and does not decide the run */
struct bo_budget {
	struct bo_arena arena;
	const struct slo_expr *root;
	bool warn;
};

/** slo_cmp_print() - one comparison in canonical spelling */
void slo_cmp_print(const struct slo_cmp *cmp, struct bo_strbuf *out);
/** slo_expr_print() - any part of a budget; an "or" gets parentheses when it is @inside_and */
void slo_expr_print(const struct slo_expr *expr, bool inside_and, struct bo_strbuf *out);
const char *slo_op_text(enum slo_op op);
/** slo_limit_of_base() - is the limit relative to the base phase? */
bool slo_limit_of_base(const struct slo_cmp *cmp);

/** slo_op_caps() - does @op bound from above (<=, <)? */
bool slo_op_caps(enum slo_op op);
/** slo_this_good() - does a budget of latency or errors say "this good or better"?  The others are
 * floors: the fault is to be felt */
bool slo_this_good(const struct slo_cmp *cmp);
/** slo_is_reference() - does @cmp say what "within budget" means for recovery and detect? */
bool slo_is_reference(const struct slo_cmp *cmp);
/** slo_same_requests() - may some request be of the load and route of both? */
bool slo_same_requests(const struct slo_cmp *a, const struct slo_cmp *b);

/** slo_err_at() - "column N: …", -EINVAL; the form of every message about the text of a budget */
int slo_err_at(struct bo_err *err, int col, const char *fmt, ...) BO_PRINTF(3, 4);
