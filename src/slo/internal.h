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
#include "brownout/model/run.h"
#include "brownout/slo/budget.h"

/* Bounds on what a person may write; a budget is one line. */
#define SLO_MAX_TEXT 1024
#define SLO_MAX_DEPTH 16
#define SLO_MAX_TERMS 32
#define SLO_MIN_STRETCH_NS (10 * BO_NSEC_PER_MSEC)
#define SLO_MAX_STRETCH_NS (86400 * BO_NSEC_PER_SEC)

/* One-sided error probability of every confidence bound. */
#define SLO_ALPHA 0.05
/* "No request did X" says nothing when there were hardly any: with 30, at most 10 % do, at 95 %
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

/** enum slo_limit_kind - ABSOLUTE value · FACTOR × base · base + OFFSET · share OF the memory LIMIT */
enum slo_limit_kind { SLO_LIMIT_ABSOLUTE, SLO_LIMIT_FACTOR, SLO_LIMIT_OFFSET, SLO_LIMIT_OF_LIMIT };

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
 * struct slo_cmp - one comparison
 * @metric_text, @limit_text …: as written, so that printing keeps the writer's units
 * @quantile: of latency.pNN, else NAN
 * @select: of groups of goroutines, NULL when none was given
 * @limit: in the metric's base unit (ns, ratio, count, bytes, per second)
 * @from, @to: scope; BO_PHASE_COUNT when none was given;  @at: the value at the end of @to
 * @over_ns: 0 none;  @share, @window_ns: "for SHARE of WINDOW windows", window 0 none
 * @*_col: where it stands, for messages
 */
struct slo_cmp {
	const struct slo_metric *metric;
	const char *metric_text;
	double quantile;
	const char *node;
	const char *load;
	const char *cls;
	const struct slo_select *select;
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
	int metric_col;
	int selector_col;
	int op_col;
	int limit_col;
	int scope_col;
	int over_col;
	int window_col;
};

enum slo_expr_kind { SLO_EXPR_CMP, SLO_EXPR_AND, SLO_EXPR_OR };

struct slo_expr {
	enum slo_expr_kind kind;
	const struct slo_expr *left;
	const struct slo_expr *right;
	struct slo_cmp cmp;
};

struct bo_budget {
	struct bo_arena arena;
	const struct slo_expr *root;
};

/** slo_cmp_print() - one comparison in canonical spelling */
void slo_cmp_print(const struct slo_cmp *cmp, struct bo_strbuf *out);
const char *slo_op_text(enum slo_op op);

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
/** slo_check_shape() - everything about a comparison that needs no plan */
BO_NODISCARD int slo_check_shape(const struct slo_cmp *cmp, struct bo_err *err);

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
 * plan->loads.len: all)
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
/** slo_load_counts() - does a request of load @index belong to what @cmp asks about? */
bool slo_load_counts(const struct bo_plan *plan, const struct slo_cmp *cmp, unsigned index);
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
};

/* DRAINED: the phases in which nothing is asked of the service any more, hold and settle. */
enum slo_default_scope {
	SLO_SCOPE_LOADED,
	SLO_SCOPE_FROM_BASE,
	SLO_SCOPE_RUN,
	SLO_SCOPE_DRAINED,
};

/**
 * struct slo_metric - one row of the table
 * @name: "latency.max"; a name that ends in ".p" takes any percentile after it
 * @label: what is put before the measured value; NULL: what was written after the first dot
 * @series: of metrics of a node: the name of the series
 * @measure: fill @ret, which slo_estimate_none() has reset; fails only when memory is out
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
};

/** slo_metric_find() - by name; [out] @ret_quantile is NAN but for percentiles; NULL when unknown */
const struct slo_metric *slo_metric_find(const char *name, size_t len, double *ret_quantile);
/** slo_metric_names() - every name, ended by NULL; percentiles as examples; for suggestions */
const char *const *slo_metric_names(void);

extern const struct slo_metric slo_latency_metrics[];
extern const struct slo_metric slo_errors_metrics[];
extern const struct slo_metric slo_gauge_metrics[];
extern const struct slo_metric slo_trend_metrics[];
extern const struct slo_metric slo_counter_metrics[];
extern const struct slo_metric slo_recovery_metrics[];
extern const struct slo_metric slo_leak_metrics[];
extern const struct slo_metric slo_gc_metrics[];
extern const struct slo_metric slo_heap_metrics[];
extern const struct slo_metric slo_sched_metrics[];

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

void slo_estimate_none(struct slo_estimate *est);
/** slo_breaks() - is @value outside "@op @limit"? */
bool slo_breaks(enum slo_op op, double value, double limit);
/** slo_op_caps() - does @op bound from above (<=, <)? */
bool slo_op_caps(enum slo_op op);
/** slo_this_good() - does a budget of latency or errors say "this good or better"?  The others are
 * floors: the fault is to be felt */
bool slo_this_good(const struct slo_cmp *cmp);

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
/**
 * slo_quantile_ranks() - distribution-free one-sided 95 % bounds of the @q-quantile of @n values
 * @deff_lower, @deff_upper: variance inflation (>= 1) of each side: n/deff values count
 * @ret_lower, @ret_upper: [out] 1-based ranks among the sorted values; 0 when there is no such bound
 */
void slo_quantile_ranks(double q, size_t n, double deff_lower, double deff_upper, size_t *ret_lower,
			size_t *ret_upper);
/** slo_share_bounds() - Clopper–Pearson one-sided 95 % bounds of the share behind @k of @n */
void slo_share_bounds(double k, double n, double deff_lower, double deff_upper, double *ret_lower,
		      double *ret_upper);
/** slo_min_samples() - fewest values that can show with 95 % confidence that the @q-quantile is in
 * bounds */
size_t slo_min_samples(double q);
/** slo_samples_needed() - how many would decide whether a share is above or below @limit, were it
 * @share; 0: no number */
size_t slo_samples_needed(double share, double limit);
/** slo_t_quantile() - the one-sided 95 % quantile of Student's t with @df degrees of freedom */
double slo_t_quantile(double df);

/** struct slo_batch - one short stretch of time: @n requests, @k of them out of bounds, @sum of
 * their latencies */
struct slo_batch {
	double n;
	double k;
	double sum;
};
struct slo_batches {
	BO_VEC(struct slo_batch) v;
	int64_t length_ns;
	int64_t current;
};
/** slo_batches_init() - batches of 1 s, or shorter when @total_ns would give fewer than ten */
void slo_batches_init(struct slo_batches *b, int64_t total_ns);
BO_NODISCARD int slo_batches_add(struct slo_batches *b, int64_t t_ns, bool out, double value,
				 struct bo_err *err);
void slo_batches_done(struct slo_batches *b);
/** slo_dispersion() - how much more the share varies between batches than independent requests
 * would; 1 when not significantly more */
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
/** slo_eval_cmp() - one comparison on the run */
BO_NODISCARD int slo_eval_cmp(const struct slo_ctx *ctx, const struct slo_cmp *cmp,
			      struct slo_result *ret, struct bo_err *err);
/** slo_eval() - a whole budget; and/or in Kleene's three-valued logic */
BO_NODISCARD int slo_eval(const struct slo_ctx *ctx, const struct slo_expr *expr,
			  struct slo_result *ret, struct bo_err *err);
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
