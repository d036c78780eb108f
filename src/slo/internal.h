/* SPDX-License-Identifier: Apache-2.0 */
/* slo/internal.h — what the files of slo/ share: the parsed budget, the table of metrics, estimates.
 *
 * Theory of operation.  A budget is a small tree of comparisons under and/or.  A comparison asks
 * its metric for an *estimate*: the value seen, and the bounds between which the truth lies given
 * what the run can tell (a confidence interval, a request that never ended, a gap in a series).
 * The comparison is PASS when the whole interval is within the limit, FAIL when the whole interval
 * is outside, else INCONCLUSIVE, so every kind of ignorance is handled in one place (slo_decide()).
 * A metric is a row of a table in metric_*.c, listed in registry.c.
 *
 * Owns: nothing.  Threads: none.  Privilege: none. */
#pragma once
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brownout/base/arena.h"
#include "brownout/base/clock.h"
#include "brownout/base/err.h"
#include "brownout/base/nearest.h"
#include "brownout/base/strbuf.h"
#include "brownout/base/units.h"
#include "brownout/base/vec.h"
#include "brownout/model/live.h"
#include "brownout/model/run.h"
#include "brownout/slo/budget.h"

/* Bounds on what a person may write; a budget is one line. */
#define SLO_MAX_TEXT 1024
#define SLO_MAX_DEPTH 16
#define SLO_MAX_TERMS 32
#define SLO_MAX_BURN_RATIO 100
#define SLO_MIN_STRETCH_NS (10 * BO_NSEC_PER_MSEC)
#define SLO_MAX_STRETCH_NS (86400 * BO_NSEC_PER_SEC)

/* One-sided error probability of every confidence bound: a verdict is wrong in at most one of a
 * hundred runs even where the truth is at the limit itself. */
#define SLO_ALPHA 0.01
#define SLO_CONFIDENCE "99%%" /* in a format */
/* "No request did X" says nothing when there were hardly any: with 30, at most 14 % do, at 99 %
 * confidence. */
#define SLO_MIN_CENSUS 30
/* A sample stands for this many sampling intervals; beyond that nothing is known. */
#define SLO_STALE_INTERVALS 3
#define SLO_MIN_BASE_SAMPLES 3

#define SLO_NEVER INT64_MIN
#define SLO_PHASE_BIT(phase) (1u << (phase))

/* ---- lex.c ---- */

enum slo_tok {
	SLO_TOK_END,
	SLO_TOK_WORD,
	SLO_TOK_NUMBER,
	SLO_TOK_STRING,
	SLO_TOK_LE,
	SLO_TOK_LT,
	SLO_TOK_GE,
	SLO_TOK_GT,
	SLO_TOK_EQ,
	SLO_TOK_ASSIGN,
	SLO_TOK_STAR,
	SLO_TOK_PLUS,
	SLO_TOK_COMMA,
	SLO_TOK_LBRACE,
	SLO_TOK_RBRACE,
	SLO_TOK_LPAREN,
	SLO_TOK_RPAREN,
	SLO_TOK_DOTDOT,
	SLO_TOK_SLASH,
};

/** struct slo_token - a piece of the text; @col counts bytes from 1; a STRING's @start and @len
 * leave the quotes out */
struct slo_token {
	enum slo_tok kind;
	const char *start;
	size_t len;
	int col;
};

/** slo_lex() - the token at @at; [out] @ret_next is where the next one may begin */
BO_NODISCARD int slo_lex(const char *text, size_t at, struct slo_token *ret, size_t *ret_next,
			 struct bo_err *err);

/* ---- the parsed form ---- */

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
/** slo_planned_rate() - requests per second, on average, that the plan offers of those that @cmp asks about; 0 where a closed
 * loop is among them, whose rate is the service's own */
double slo_planned_rate(const struct slo_cmp *cmp, const struct bo_plan *plan);
/** slo_must_origin() - when the time of a "must" is planned to begin */
int64_t slo_must_origin(const struct slo_must *must, const struct bo_plan *plan);
/* Each is true with a warning in @buf: no outcome but one is possible; the load cannot decide it; the load cannot
 * decide a "must" (lint_load.c). */
bool slo_lint_trivial(const struct slo_cmp *cmp, const struct bo_plan *plan, char *buf,
		      size_t size);
bool slo_lint_load(const struct slo_cmp *cmp, const struct bo_plan *plan, char *buf, size_t size);
bool slo_lint_must(const struct slo_must *must, const struct slo_cmp *cmp,
		   const struct bo_plan *plan, char *buf, size_t size);
/** slo_lint_burn() - true with a warning when burn(…) can never fail, or the @planned requests can never show that
 * it passes */
bool slo_lint_burn(const struct slo_cmp *cmp, const struct bo_plan *plan, double planned, char *buf,
		   size_t size);
/** slo_load_after() - for how long load is planned to go on after the last of the faults that @cmp asks about, and
 * before the next */
int64_t slo_load_after(const struct bo_plan *plan, const struct slo_cmp *cmp);
/** slo_limit_fixed() - the limit in the metric's base unit when the plan alone says it; NAN for one that hangs on
 * the run (base, memory limit) */
double slo_limit_fixed(const struct slo_cmp *cmp, const struct bo_plan *plan);

/** slo_err_at() - "column N: …", -EINVAL; the form of every message about the text of a budget */
int slo_err_at(struct bo_err *err, int col, const char *fmt, ...) BO_PRINTF(3, 4);

/* ---- selectors of goroutines (select.c) ---- */

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

/** slo_needs_census() - can only a look into the process answer @cmp? */
bool slo_needs_census(const struct slo_cmp *cmp);
/** slo_check_target() - are the load, node or memory limit that @cmp is about in @plan? */
BO_NODISCARD int slo_check_target(const struct slo_cmp *cmp, const struct bo_plan *plan,
				  struct bo_err *err);
/** slo_check_timeout() - a limit that is told by the timeout wants the scenario to have one */
BO_NODISCARD int slo_check_timeout(const struct slo_cmp *cmp, const struct bo_plan *plan,
				   struct bo_err *err);
/**
 * slo_parse_guard() - "METRIC[{…}] OP LIMIT [for DURATION]" into @ret, the duration as over_ns;
 * strings go to @arena
 */
BO_NODISCARD int slo_parse_guard(const char *text, struct bo_arena *arena, struct slo_cmp *ret,
				 struct bo_err *err);
/** slo_guard_metric_find() - as slo_metric_find(), with what is for guards only (guard.c); its @live may be NULL */
const struct slo_metric *slo_guard_metric_find(const char *name, size_t len, double *ret_quantile);
/** slo_guard_metric_names() - what a guard can watch, ended by NULL; percentiles as examples */
const char *const *slo_guard_metric_names(void);
/** slo_check_shape() - everything about a comparison that needs no plan */
BO_NODISCARD int slo_check_shape(const struct slo_cmp *cmp, struct bo_err *err);
/** slo_check_burn() - does burn(…) fit the plan: is there a target? */
BO_NODISCARD int slo_check_burn(const struct slo_cmp *cmp, const struct bo_plan *plan,
				struct bo_err *err);
/** slo_check_must() - the same of a "must" */
BO_NODISCARD int slo_check_must(const struct slo_expr *expr, struct bo_err *err);
/** slo_check_must_plan() - does a "must" fit the plan?  What is within it is checked apart */
BO_NODISCARD int slo_check_must_plan(const struct slo_must *must, const struct bo_plan *plan,
				     struct bo_err *err);

/* ---- a run, prepared for questions (scope.c) ---- */

/** struct slo_span - [from, to) */
struct slo_span {
	int64_t from_ns;
	int64_t to_ns;
};

/** struct slo_ref - a latency or errors budget with its limit worked out: what "within budget" means
 * for recovery */
struct slo_ref {
	const struct slo_cmp *cmp;
	double limit;
};

/**
 * struct slo_ctx - one run while it is judged
 * @by_intended, @by_end: [owned] every request in these orders
 * @judged_errors: phases in which failures are judged by an errors budget, per load (or index
 * plan->loads.len: all);  @judged_routes: errors budgets of one route
 * @refs: see struct slo_ref
 * @derived: [owned] series of selected goroutines, made when first asked for (groups.c)
 */
struct slo_ctx {
	const struct bo_run *run;
	const struct bo_plan *plan;
	const struct bo_req **by_intended;
	const struct bo_req **by_end;
	size_t nreqs;
	unsigned *judged_errors;
	BO_VEC(const struct slo_cmp *) judged_routes;
	BO_VEC(struct slo_ref) refs;
	struct slo_derived_cache *derived;
};

BO_NODISCARD int slo_ctx_init(struct slo_ctx *ctx, const struct bo_run *run, struct bo_err *err);
void slo_ctx_done(struct slo_ctx *ctx);

/** slo_cmp_phases() - the phases that a comparison looks at, as bits; only those that this metric
 * can see */
unsigned slo_cmp_phases(const struct slo_cmp *cmp);
/** slo_spans() - the stretches of time of @phases that happened, adjoining phases merged; returns
 * how many */
size_t slo_spans(const struct bo_run *run, unsigned phases, struct slo_span ret[BO_PHASE_COUNT]);
/** slo_lower_bound() - index of the first request of @reqs (in order of @by_end ? end : intended) at
 * or after @t_ns */
size_t slo_lower_bound(const struct bo_req *const *reqs, size_t n, bool by_end, int64_t t_ns);
/** slo_load_counts() - does load @index belong to what @cmp asks about, with one of its routes at least? */
bool slo_load_counts(const struct bo_plan *plan, const struct slo_cmp *cmp, unsigned index);
/** slo_req_counts() - does @req belong to what @cmp asks about, by load and route? */
bool slo_req_counts(const struct bo_plan *plan, const struct slo_cmp *cmp,
		    const struct bo_req *req);
/** slo_route_share() - of the requests of load @index, the share that @cmp asks about, as planned; 0 to 1 */
double slo_route_share(const struct bo_plan *plan, const struct slo_cmp *cmp, unsigned index);
bool slo_phase_happened(const struct bo_run *run, enum bo_phase phase);

/* ---- metrics ---- */

/**
 * struct slo_ask - one question to a metric
 * @phases: where to look;  @clip: and only within this (a window), else the whole of time
 * @limit: what the answer will be held against; NAN while the base is measured
 * @census: take what was seen as all there is (windows): no confidence interval
 * @base: the reference value of the base phase is wanted
 * @node: for metrics of a node
 * @series: look at this instead of the series that the metric names; NULL mostly
 */
struct slo_ask {
	const struct slo_ctx *ctx;
	const struct slo_cmp *cmp;
	unsigned phases;
	struct slo_span clip;
	double limit;
	bool census;
	bool base;
	int node;
	const struct bo_series *series;
};

/**
 * struct slo_estimate - the answer
 * @value: what was seen, NAN for nothing;  @at_least: the truth is @value or more
 * @lower, @upper: the truth lies between them; infinite when it cannot be said
 * @breach_ns: first instant out of bounds, SLO_NEVER
 * @detail: short, shown after the value ("42 of 2000")
 * @where: the place, shown after the value ("main.query [chan send] at orders.go:93")
 * @why: why the bounds are apart
 * @remark: worth saying even when it passes
 */
struct slo_estimate {
	double value;
	bool at_least;
	double lower;
	double upper;
	int64_t breach_ns;
	char detail[48];
	char where[72];
	char why[400];
	char remark[160];
};

enum slo_metric_flag {
	SLO_M_REQUESTS = 1 << 0,     /* over requests: takes {load}, sees only phases with load */
	SLO_M_NODE = 1 << 1,         /* of a node: takes {node} */
	SLO_M_CLASS = 1 << 2,        /* takes {class} */
	SLO_M_PHASES = 1 << 3,       /* takes "in" */
	SLO_M_AT = 1 << 4,           /* takes "at" */
	SLO_M_OVER = 1 << 5,         /* takes "over" */
	SLO_M_WINDOWS = 1 << 6,      /* takes "for … windows" */
	SLO_M_BASE = 1 << 7,         /* the limit may be relative to base */
	SLO_M_NEEDS_BASE = 1 << 8,   /* the metric itself is relative to base */
	SLO_M_OF_LIMIT = 1 << 9,     /* takes "% of limit" */
	SLO_M_EQUAL = 1 << 10,       /* exact, so "==" means something */
	SLO_M_ALL_OR_NONE = 1 << 11, /* a ratio: "==" means something at 0 and 100 % */
	SLO_M_STEADY =
		1
		<< 12, /* latency or errors: a base phase that breaks it leaves nothing to judge */
	SLO_M_ERRORS = 1 << 13,    /* judges failed requests */
	SLO_M_FAULT = 1 << 14,     /* needs a fault, and budgets that say what "within budget" is */
	SLO_M_GROUPS = 1 << 15,    /* takes {site}, {state} … */
	SLO_M_SELECTED = 1 << 16,  /* makes no sense without one of them */
	SLO_M_SNAPSHOTS = 1 << 17, /* reads run->snapshots itself */
	SLO_M_RUNTIME = 1 << 18,   /* only the census sees it */
	SLO_M_BURN = 1 << 19,      /* takes (target, windows) */
	SLO_M_SUBSET = 1 << 20,    /* over requests of the whole run: takes {load} and {route} */
};

/* DRAINED: the phases in which nothing is asked of the service any more, hold and settle. */
enum slo_default_scope {
	SLO_SCOPE_LOADED,
	SLO_SCOPE_FROM_BASE,
	SLO_SCOPE_RUN,
	SLO_SCOPE_FAULT,
	SLO_SCOPE_DRAINED,
};

/** struct slo_counter - what one counter has risen by while somebody looked; zero-initialise */
struct slo_counter {
	bool seen;
	double last;
	double risen;
};

/**
 * struct slo_now - how things stand at one instant
 * @node: for metrics of a node;  @counter: its memory, for those that count
 */
struct slo_now {
	const struct slo_cmp *cmp;
	const struct bo_plan *plan;
	const struct bo_live_state *state;
	int node;
	struct slo_counter *counter;
};

/**
 * struct slo_metric - one row of the table
 * @name: "latency.max"; a name that ends in ".p" takes any percentile after it
 * @label: what is put before the measured value; NULL: what was written after the first dot
 * @series: of metrics of a node: the name of the series
 * @measure: fill @ret, which slo_estimate_none() has reset; fails only when memory is out
 * @live: for guards, the value now, NAN when nothing can be told (live.c); NULL: it can only be told looking back
 */
struct slo_metric {
	const char *name;
	const char *help;
	const char *label;
	const char *series;
	enum slo_unit unit;
	unsigned flags;
	enum slo_default_scope scope;
	int (*measure)(const struct slo_ask *ask, struct slo_estimate *ret, struct bo_err *err);
	double (*live)(const struct slo_now *now);
};

/** slo_metric_find() - by name; [out] @ret_quantile is NAN but for percentiles; NULL when unknown */
const struct slo_metric *slo_metric_find(const char *name, size_t len, double *ret_quantile);
/** slo_metric_names() - every name, ended by NULL; percentiles as examples; for suggestions */
const char *const *slo_metric_names(void);

extern const struct slo_metric slo_latency_metrics[];
extern const struct slo_metric slo_shift_metrics[];
extern const struct slo_metric slo_errors_metrics[];
extern const struct slo_metric slo_gauge_metrics[];
extern const struct slo_metric slo_trend_metrics[];
extern const struct slo_metric slo_counter_metrics[];
extern const struct slo_metric slo_recovery_metrics[];
extern const struct slo_metric slo_leak_metrics[];
extern const struct slo_metric slo_gc_metrics[];
extern const struct slo_metric slo_heap_metrics[];
extern const struct slo_metric slo_sched_metrics[];
extern const struct slo_metric slo_burn_metrics[];

/** slo_measure() - ask->cmp's metric, over the selected goroutines when there is a selector */
BO_NODISCARD int slo_measure(const struct slo_ask *ask, struct slo_estimate *ret,
			     struct bo_err *err);
/** slo_measure_gauge() - worst or last sample of metric->series */
int slo_measure_gauge(const struct slo_ask *ask, struct slo_estimate *est, struct bo_err *err);
/** slo_measure_rise() - rise of a counter that began at 0 with its first sample's cgroup */
int slo_measure_rise(const struct slo_ask *ask, struct slo_estimate *est, struct bo_err *err);
/** slo_measure_rise_since() - rise of a counter that had counted before anybody looked */
int slo_measure_rise_since(const struct slo_ask *ask, struct slo_estimate *est, struct bo_err *err);
/** slo_measure_slope() - least squares, per second */
int slo_measure_slope(const struct slo_ask *ask, struct slo_estimate *est, struct bo_err *err);

/* What stands behind slo_metric.live (live.c). */
double slo_live_quantile(const struct slo_now *now);
double slo_live_max(const struct slo_now *now);
double slo_live_mean(const struct slo_now *now);
double slo_live_error_ratio(const struct slo_now *now);
double slo_live_availability(const struct slo_now *now);
double slo_live_error_rate(const struct slo_now *now);
double slo_live_error_count(const struct slo_now *now);
double slo_live_throughput(const struct slo_now *now);
/** slo_live_sample() - the newest of metric->series */
double slo_live_sample(const struct slo_now *now);
/** slo_live_rise() - of a counter that began at 0 with the node;  slo_live_rise_since() - since somebody looked */
double slo_live_rise(const struct slo_now *now);
double slo_live_rise_since(const struct slo_now *now);

void slo_estimate_none(struct slo_estimate *est);
/** slo_breaks() - is @value outside "@op @limit"? */
bool slo_breaks(enum slo_op op, double value, double limit);
/** slo_op_caps() - does @op bound from above (<=, <)? */
bool slo_op_caps(enum slo_op op);
/** slo_this_good() - does a budget of latency or errors say "this good or better"?  The others are
 * floors: the fault is to be felt */
bool slo_this_good(const struct slo_cmp *cmp);
/** slo_is_reference() - does @cmp say what "within budget" means for recovery and detect? */
bool slo_is_reference(const struct slo_cmp *cmp);
/** slo_same_requests() - may some request be of the load and route of both? */
bool slo_same_requests(const struct slo_cmp *a, const struct slo_cmp *b);

/** slo_class_matches() - is @cls of the class named @name: a name of bo_req_class_name(), "4xx",
 * "5xx" or "timeout"? */
bool slo_class_matches(const char *name, enum bo_req_class cls);
/** slo_class_names() - what slo_class_matches() knows, ended by NULL */
const char *const *slo_class_names(void);

/* What one request says about latency (metric_latency.c). */
enum slo_answer {
	SLO_ANSWERED,  /* a whole response, whatever its status */
	SLO_WAITED,    /* gave up or still waiting: at least this long */
	SLO_NO_ANSWER, /* the connection failed: there is no answer whose time could be told */
	SLO_UNSENT,    /* shed: nothing is known */
};
enum slo_answer slo_answer_of(const struct bo_req *req);

/**
 * struct slo_window - one percentile of one stretch of time
 * @n: requests that say something;  @unknown: those of which nobody knows how slow they would have been
 * @lower_ns, @upper_ns: it lies between them; the upper may be infinite; without meaning when @n is 0
 */
struct slo_window {
	size_t n;
	size_t unknown;
	double lower_ns;
	double upper_ns;
};
/** slo_window_quantile() - of the requests within ask->clip; ask->limit shall be NAN */
BO_NODISCARD int slo_window_quantile(const struct slo_ask *ask, double q, struct slo_window *ret,
				     struct bo_err *err);

/** slo_shift_least() - how many requests a window of latency.shift wants */
size_t slo_shift_least(const struct slo_cmp *cmp);

/* Samples (samples.c): what gauges, trends and counters share. */

/** slo_interval() - how far apart samples of @series usually are, in ns; never 0 */
int64_t slo_interval(const struct bo_plan *plan, const struct bo_series *series);
/** slo_thinned_ns() - how far apart looks of the census are at @t_ns, which are @interval_ns apart when a phase begins */
int64_t slo_thinned_ns(const struct bo_run *run, int64_t interval_ns, int64_t dense, int64_t t_ns);
/** slo_samples() - index range [*ret_first, *ret_end) of the samples within @span */
void slo_samples(const struct bo_series *series, struct slo_span span, size_t *ret_first,
		 size_t *ret_end);
/** slo_hole() - first stretch of @span without samples that is too long to look past; false when
 * there is none */
bool slo_hole(const struct slo_ask *ask, const struct bo_series *series, struct slo_span span,
	      char *why, size_t size);
/** slo_base_median() - NAN with @why filled when the base phase has too few samples */
int slo_base_median(const struct slo_ask *ask, const struct bo_series *series, double *ret,
		    char *why, size_t size, struct bo_err *err);
/** slo_ask_series() - the series asked about, or NULL with est->why filled */
const struct bo_series *slo_ask_series(const struct slo_ask *ask, struct slo_estimate *est);
/** slo_ask_spans() - the spans of ask->phases within ask->clip */
size_t slo_ask_spans(const struct slo_ask *ask, struct slo_span ret[BO_PHASE_COUNT]);

/* Groups of goroutines (groups.c). */

/* Name of the series that slo_measure() makes of snapshots, and how often they are taken. */
#define SLO_SERIES_GROUPS "goroutine groups"
#define SLO_SNAPSHOT_INTERVAL_NS BO_NSEC_PER_SEC

struct slo_derived_cache *slo_derived_new(void);
void slo_derived_free(struct slo_derived_cache *cache);
/** slo_snapshot_next() - the first snapshot of @node at or after index *@at, which is set behind it;
 * NULL: no more */
const struct bo_group_snapshot *slo_snapshot_next(const struct bo_run *run, int node, size_t *at);
/** slo_snapshot_hidden() - goroutines of @snap of which no site is known, when they are too many to look
 * past; @stuck: those at most that may be stuck */
uint64_t slo_snapshot_hidden(const struct bo_group_snapshot *snap, bool stuck);
/** slo_snapshot_tracks() - does @snap know who is stuck and how old they are? */
bool slo_snapshot_tracks(const struct bo_group_snapshot *snap);
/** slo_no_snapshots() - why there is none of ask->node */
void slo_no_snapshots(const struct slo_ask *ask, char *buf, size_t size);

/* ---- statistics (stats.c) ---- */

/** slo_binomial_cdf() - P(X <= k) for X ~ Bin(n, p); n and k may be fractions (an effective sample
 * size) */
double slo_binomial_cdf(double k, double n, double p);
/** slo_beta_side() - ln ∫ t^(a-1) (1-t)^(b-1) dt over (@x, 1) when @above, else over (0, @x) */
double slo_beta_side(double a, double b, double x, bool above);
/**
 * slo_quantile_ranks() - distribution-free one-sided 99 % bounds of the @q-quantile of @n values
 * @deff_lower, @deff_upper: variance inflation (>= 1) of each side: n/deff values count
 * @ret_lower, @ret_upper: [out] 1-based ranks among the sorted values; 0 when there is no such bound
 */
void slo_quantile_ranks(double q, size_t n, double deff_lower, double deff_upper, size_t *ret_lower,
			size_t *ret_upper);
/** slo_share_bounds() - Clopper–Pearson one-sided 99 % bounds of the share behind @k of @n */
void slo_share_bounds(double k, double n, double deff_lower, double deff_upper, double *ret_lower,
		      double *ret_upper);
/** slo_share_interval() - Clopper–Pearson, each bound wrong with chance @alpha */
void slo_share_interval(double k, double n, double alpha, double *ret_lower, double *ret_upper);
/** slo_min_samples() - fewest values that can show with 99 % confidence that the @q-quantile is in
 * bounds */
size_t slo_min_samples(double q);
/** slo_samples_needed() - how many would decide whether a share is above or below @limit, were it
 * @share; 0: no number */
size_t slo_samples_needed(double share, double limit);
/** slo_t_quantile() - the value that Student's t with @df degrees of freedom exceeds with chance @alpha < 1/2 */
double slo_t_quantile(double df, double alpha);
/** slo_normal_quantile() - the same of the normal distribution */
double slo_normal_quantile(double alpha);

/* Fine batches in one of the usual length. */
#define SLO_FINE 10
/** struct slo_batch - one short stretch of time: @n requests, @k of them out of bounds, @sum of
 * their latencies */
struct slo_batch {
	int64_t index;
	double n;
	double k;
	double sum;
};
struct slo_batches {
	BO_VEC(struct slo_batch) v;
	int64_t length_ns;
};
/** slo_batches_init() - batches of 0.1 s, or shorter when @total_ns would give fewer than a hundred */
void slo_batches_init(struct slo_batches *b, int64_t total_ns);
/** slo_batches_add() - in order of @t_ns */
BO_NODISCARD int slo_batches_add(struct slo_batches *b, int64_t t_ns, bool out, double value,
				 struct bo_err *err);
void slo_batches_done(struct slo_batches *b);
/** slo_batches_next() - batches with requests, @scale of them in one; *@at begins at 0; false: no more */
bool slo_batches_next(const struct slo_batches *b, int64_t scale, size_t *at,
		      struct slo_batch *ret);
/** slo_dispersion() - by how much a promise must divide the number of requests: how much more the
 * share varies between batches than independent requests would, and how little is known of that; 1
 * when not significantly more */
double slo_dispersion(const struct slo_batches *b);

/* ---- evaluation (decide.c, eval.c) ---- */

/** enum bo_outcome of one comparison and what to say of it; strings as in struct bo_budget_result
 */
struct slo_result {
	enum bo_outcome outcome;
	char measured[96];
	char limit[96];
	char excess[96];
	char reason[256];
	double measured_value;
	double limit_value;
	int64_t first_breach_ns;
	bool base_broken;
	char base_measured[96];
};

/** slo_decide() - an estimate against a limit that itself lies between @limit_lower and @limit_upper
 */
enum bo_outcome slo_decide(enum slo_op op, const struct slo_estimate *est, double limit_lower,
			   double limit_upper);
const char *slo_format(enum slo_unit unit, double value, char buf[BO_UNIT_BUF]);
enum slo_unit slo_cmp_unit(const struct slo_cmp *cmp);
/** slo_cmp_exact() - is this comparison about a fact of the run (none or all), not about a share
 * behind it? */
bool slo_cmp_exact(const struct slo_cmp *cmp);
/** slo_describe() - fill measured, limit, excess of @ret */
void slo_describe(const struct slo_cmp *cmp, const struct slo_estimate *est, double limit,
		  const char *node, struct slo_result *ret);
/** slo_say_needed() - append to @why that @need requests would do (0: nobody knows how many), and how
 * long that takes at the rate of @n in @total_ns; nothing when there are as many */
void slo_say_needed(char *why, size_t size, double need, size_t n, int64_t total_ns);
/** slo_eval_cmp() - one comparison on the run */
BO_NODISCARD int slo_eval_cmp(const struct slo_ctx *ctx, const struct slo_cmp *cmp,
			      struct slo_result *ret, struct bo_err *err);
/** slo_eval() - a whole budget; and/or in Kleene's three-valued logic */
BO_NODISCARD int slo_eval(const struct slo_ctx *ctx, const struct slo_expr *expr,
			  struct slo_result *ret, struct bo_err *err);
/** slo_windowed() - @cmp as it was seen within @window, against ask->limit (eval.c) */
BO_NODISCARD int slo_windowed(const struct slo_ask *ask, struct slo_span window,
			      struct slo_estimate *est, enum bo_outcome *ret, struct bo_err *err);

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

/** slo_eval_sustained() - "… sustained for D": broken only when it is for D without interruption (sustain.c) */
BO_NODISCARD int slo_eval_sustained(const struct slo_ask *ask, const char *node,
				    struct slo_result *ret, struct bo_err *err);
/** slo_eval_must() - "must … within D" (must.c) */
BO_NODISCARD int slo_eval_must(const struct slo_ctx *ctx, const struct slo_expr *expr,
			       struct slo_result *ret, struct bo_err *err);
/** slo_fault_began() - when the first fault took hold (metric_recovery.c); false with @why when none did */
bool slo_fault_began(const struct slo_ctx *ctx, int64_t *ret_ns, char *why, size_t size);
/** slo_limit_bounds() - work the limit out; NAN with @why filled when it hangs on a base that cannot
 * be told */
BO_NODISCARD int slo_limit_bounds(const struct slo_ctx *ctx, const struct slo_cmp *cmp, int node,
				  double *ret_value, double *ret_lower, double *ret_upper,
				  char *why, size_t size, struct bo_err *err);

/* ---- the run as a whole (runrules.c) ---- */

/** slo_run_rules() - append to run->verdict.reasons whatever keeps the run from a PASS, budgets
 * aside */
BO_NODISCARD int slo_run_rules(struct bo_run *run, const struct slo_ctx *ctx,
			       double tightest_latency_ns, struct bo_err *err);
BO_NODISCARD int slo_reason(struct bo_run *run, struct bo_err *err, const char *fmt, ...)
	BO_PRINTF(3, 4);
