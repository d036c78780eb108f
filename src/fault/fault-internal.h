/* SPDX-License-Identifier: Apache-2.0 */
/* fault/fault-internal.h — shared between the kinds of faults and the set that runs them.
 * Owns: see each part.  Threads: the conductor's main thread.  Privilege: none. */
#pragma once
#include <stdbool.h>

#include "brownout/base/clock.h"
#include "brownout/base/vec.h"
#include "brownout/fault/fault.h"
#include "brownout/lab/linkprobe.h"

extern const struct bo_fault_kind bo_fault_kind_delay;
extern const struct bo_fault_kind bo_fault_kind_loss;
extern const struct bo_fault_kind bo_fault_kind_duplicate;
extern const struct bo_fault_kind bo_fault_kind_corrupt;
extern const struct bo_fault_kind bo_fault_kind_reorder;
extern const struct bo_fault_kind bo_fault_kind_rate;
extern const struct bo_fault_kind bo_fault_kind_trace;
extern const struct bo_fault_kind bo_fault_kind_slot;
extern const struct bo_fault_kind bo_fault_kind_flap;
extern const struct bo_fault_kind bo_fault_kind_profile;
extern const struct bo_fault_kind bo_fault_kind_blackhole;
extern const struct bo_fault_kind bo_fault_kind_impair;
extern const struct bo_fault_kind bo_fault_kind_drop;
extern const struct bo_fault_kind bo_fault_kind_syn_drop;
extern const struct bo_fault_kind bo_fault_kind_refuse;
extern const struct bo_fault_kind bo_fault_kind_reset;
extern const struct bo_fault_kind bo_fault_kind_half_open;
extern const struct bo_fault_kind bo_fault_kind_stall;
extern const struct bo_fault_kind bo_fault_kind_drip;
extern const struct bo_fault_kind bo_fault_kind_data_limit;
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

/* --- words of other tools (foreign.c) ---------------------------------------------------------- */

/** bo_fault_foreign_kind() - what a fault that tc, toxiproxy, Pumba or Chaos Mesh call @word is here, or NULL */
const char *bo_fault_foreign_kind(const char *word, enum bo_target target);
/** bo_fault_foreign_option() - the same of an option */
const char *bo_fault_foreign_option(const char *word);
/** bo_fault_foreign_choice() - the same of a word that an option takes */
const char *bo_fault_foreign_choice(const char *word);

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

/** bo_fault_seed() - of its own draws: of the run's seed and its id ("reset orders-db #1"), so that it does not hang on
 * faults of another kind or on another link */
uint64_t bo_fault_seed(const struct bo_fault *fault);

/* --- what is asked of a link (link_args.c, link_text.c, link_vary.c, profile.c) ---------------- */

extern const struct bo_arg_schema bo_link_args_delay[];
extern const struct bo_arg_schema bo_link_args_loss[];
extern const struct bo_arg_schema bo_link_args_duplicate[];
extern const struct bo_arg_schema bo_link_args_corrupt[];
extern const struct bo_arg_schema bo_link_args_reorder[];
extern const struct bo_arg_schema bo_link_args_rate[];
extern const struct bo_arg_schema bo_link_args_trace[];
extern const struct bo_arg_schema bo_link_args_slot[];
extern const struct bo_arg_schema bo_link_args_blackhole[];
extern const struct bo_arg_schema bo_link_args_flap[];
extern const struct bo_arg_schema bo_link_args_impair[];
extern const struct bo_arg_schema bo_link_args_profile[];

/** bo_link_option() - the value of an option that the kind may not even know; @dflt when it was not given */
int64_t bo_link_option(const struct bo_fault_spec *spec, const char *key, int64_t dflt);
bool bo_link_given(const struct bo_fault_spec *spec, const char *key);
/** bo_link_covers() - does the fault concern this direction? */
bool bo_link_covers(const struct bo_plan *plan, const struct bo_fault_spec *spec, enum bo_dir dir);
/** bo_link_asked() - what the fault asks for in a direction that it covers, whatever the time: of a ramp its end */
struct bo_impair bo_link_asked(const struct bo_plan *plan, const struct bo_fault_spec *spec,
			       enum bo_dir dir);
/** bo_link_check_args() - whatever the schema cannot say of the options of one fault */
BO_NODISCARD int bo_link_check_args(const struct bo_plan *plan, const struct bo_fault_spec *spec,
				    struct bo_err *err);
/** bo_link_groups() - the BO_CLAIM_* of one direction */
uint32_t bo_link_groups(const struct bo_impair *im);
/** bo_link_merge() - put the fields that @own sets into @into */
void bo_link_merge(const struct bo_impair *own, struct bo_impair *into);
/** bo_link_keep() - only those groups of @im (and its limit with the rate) */
void bo_link_keep(const struct bo_impair *im, uint32_t groups, struct bo_impair *ret);
/** bo_link_reach() - how far beyond its delay a packet may come */
int64_t bo_link_reach(const struct bo_impair *im);
/** bo_link_text() - "delay 50ms ±20ms (normal), loss 2%" */
void bo_link_text(struct bo_text *text, const struct bo_impair *im);

/** struct bo_profile - a kind of access line or path by its name
 * @down, @up: toward and away from the end that has the line; the same where it has no ends
 * @source: who measured it, and where
 */
struct bo_profile {
	const char *name;
	const char *about;
	struct bo_impair down;
	struct bo_impair up;
	const char *source;
};
#define BO_PROFILE_COUNT 16
extern const struct bo_profile bo_profiles[BO_PROFILE_COUNT];
#define BO_PROFILE_NAMES                                                                     \
	"dialup|2G|EDGE|3G|3G-fast|3G-slow|LTE|DSL|cable|fiber|satellite-GEO|satellite-LEO|" \
	"wifi-lossy|cross-region|cross-continent|cross-world"
/** bo_profile_of() - the profile that a fault names, or NULL */
const struct bo_profile *bo_profile_of(const struct bo_fault_spec *spec);
bool bo_profile_is_symmetric(const struct bo_profile *profile);

enum bo_ramp { BO_RAMP_NONE, BO_RAMP_DELAY, BO_RAMP_LOSS, BO_RAMP_RATE };

/**
 * struct bo_link_vary - how a fault moves while it is active
 * @from, @to: of the ramp, in the unit of its field;  @steps: the first at once, the last at the end of @over_ns
 * @every_ns, @down_ns: of a flap: in force for @down_ns of each @every_ns, at the end of it; 0: always in force
 * @random: both times are exponential with these means (but at least BO_FLAP_LEAST_NS), from the plan's seed
 */
#define BO_FLAP_LEAST_NS (40 * BO_NSEC_PER_MSEC)
struct bo_link_vary {
	enum bo_ramp ramp;
	int64_t from, to;
	int64_t over_ns;
	int64_t steps;
	int64_t every_ns;
	int64_t down_ns;
	bool random;
};
struct bo_link_vary bo_link_vary_of(const struct bo_fault_spec *spec);
BO_NODISCARD int bo_link_check_vary(const struct bo_plan *plan, const struct bo_fault_spec *spec,
				    struct bo_err *err);
/** bo_link_vary_hide() - take out of @im what bo_link_vary_text() says */
void bo_link_vary_hide(const struct bo_link_vary *vary, struct bo_impair *im);
void bo_link_vary_text(struct bo_text *text, const struct bo_link_vary *vary);
/** bo_link_ramp_step() - the step that is due @since_ns after the beginning */
int64_t bo_link_ramp_step(const struct bo_link_vary *vary, int64_t since_ns);
/** bo_link_ramp_set() - the value of a step into the field that the ramp moves */
void bo_link_ramp_set(const struct bo_link_vary *vary, int64_t step, struct bo_impair *im);

/** struct bo_link_state - of a fault that moves, while it is active */
struct bo_link_state {
	int64_t step;
	int64_t turns;      /* of the flap, so far: odd is in force */
	int64_t turn_at_ns; /* the next, since the beginning */
};
/** bo_link_vary_start(), bo_link_vary_tick() - true when something has changed */
void bo_link_vary_start(const struct bo_link_vary *vary, uint64_t seed,
			struct bo_link_state *state);
bool bo_link_vary_tick(const struct bo_link_vary *vary, uint64_t seed, int64_t since_ns,
		       struct bo_link_state *state);
/** bo_link_vary_now() - does the fault impair at all now?  Then @im is what its ramp says */
bool bo_link_vary_now(const struct bo_link_vary *vary, const struct bo_link_state *state,
		      struct bo_impair *im);

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

/** struct bo_fault_windows - all stretches in which a direction had one state, as far as it matters to one fault
 * @total_ns: their lengths;  @im: the state of the longest */
#define BO_FAULT_WINDOWS_MAX 512
struct bo_fault_windows {
	struct bo_fault_window at[BO_FAULT_WINDOWS_MAX];
	size_t len;
	int64_t total_ns;
	struct bo_impair im;
};

/** bo_fault_lane_windows() - the windows since @since_ns with @own in force and not drowned in somebody else's
 * blackhole, whose state is that of the longest one; empty when there is none */
void bo_fault_lane_windows(const struct bo_fault_lane *lane, const struct bo_impair *own,
			   int64_t since_ns, int64_t now_ns, struct bo_fault_windows *ret);
/** bo_fault_in_force() - is what @own asks for what @im does? */
bool bo_fault_in_force(const struct bo_impair *own, const struct bo_impair *im);
/** bo_fault_windows_pick() - keep of @samples only what was sent in a window */
void bo_fault_windows_pick(const struct bo_fault_windows *windows, struct bo_link_samples *samples);

/* --- what to expect (expect.c) ---------------------------------------------------------------- */

/**
 * struct bo_expect - of a long sequence of packets
 * @share: how often it happens;  @inflation: of the variance of that, by correlation; 1 when each is on its own
 * @run, @run_sigma: mean length of an uninterrupted run, and standard deviation of that
 */
struct bo_expect {
	double share;
	double inflation;
	double run;
	double run_sigma;
};
struct bo_expect bo_expect_loss(const struct bo_loss *loss);
struct bo_expect bo_expect_chance(const struct bo_chance *chance);
/** enum bo_hit - what probes show of a packet: it did not come; it came twice; with a bit flipped, or not at all; before
 * those that are being delayed, of those that came */
enum bo_hit {
	BO_HIT_LOST,
	BO_HIT_TWICE,
	BO_HIT_DAMAGED,
	BO_HIT_AHEAD,
	BO_HIT_COUNT,
};
/**
 * struct bo_again - of packets that are each the next behind one to which something happened: how often does it happen
 * to them as well?
 * @share: how often it happens at all;  @again: how often behind itself;  @inflation: of the variance of @again
 * @seen: on so many packets this rests
 */
struct bo_again {
	double share;
	double again;
	double inflation;
	double seen;
};
struct bo_again bo_expect_again(const struct bo_impair *im, enum bo_hit event);
/** bo_expect_rank_correlation() - Spearman's, of a packet's delay with that of the one before, as probes show it
 * @bin_ns: delays are told apart in steps of this;  @ret_sigma: its standard error from one packet: / √n of n */
double bo_expect_rank_correlation(const struct bo_impair *im, int64_t bin_ns, double *ret_sigma);
/** bo_rank_correlation() - Spearman's, of @n pairs, whose members are ranked among their likes; equals share their rank;
 * NAN without memory or when all of one side are equal */
double bo_rank_correlation(const int64_t (*pairs)[2], size_t n);
/** bo_expect_ahead() - share of packets that reordering sends ahead */
double bo_expect_ahead(const struct bo_impair *im);
/** bo_expect_delays() - @n quantiles of the delay without the path's own, ascending; with @correlated as the correlation
 * leaves them */
void bo_expect_delays(const struct bo_impair *im, bool correlated, int64_t *ret, size_t n);
/** bo_fault_binomial_fits() - could @k of @n be chance when each has probability @p?  Two-sided, 99.9 % for all the
 * @alike of a run together (0 is 1), so of a thousand runs one refuses a link that is right, however many it has */
bool bo_fault_binomial_fits(uint64_t k, uint64_t n, double p, unsigned alike);
bool bo_fault_too_few(uint64_t k, uint64_t n, double p, unsigned alike);
bool bo_fault_too_many(uint64_t k, uint64_t n, double p, unsigned alike);
/** bo_fault_alike() - directions of links that the faults of a run are judged on */
unsigned bo_fault_alike(const struct bo_plan *plan);
/** bo_fault_interval() - what is left to one of them, in per cent: 99.9 of one, 99.99 of ten */
double bo_fault_interval(unsigned alike);
/** bo_fault_needed() - so many make none of them a one in a thousand chance: from there on none is too few */
double bo_fault_needed(double p);

/* --- judging links (judge.c, judge_corr.c, judge_loss.c, judge_shape.c, judge_vary.c) ----------------------- */

#define BO_PROBES_MIN 20u
#define BO_PROBES_PER_S 200.0

/** struct bo_trial - what the judges look at
 * @own: what this fault asked for;  @im: what the direction did;  @name: of the direction, for the texts
 * @samples: what was sent in the windows, or NULL: then nothing is judged that needs it
 * @trace_ns: when the trace began;  @alike: so many directions are judged in the run, this one with them
 */
struct bo_trial {
	struct bo_fault_record *record;
	struct bo_text *achieved;
	const char *name;
	const struct bo_impair *own;
	const struct bo_impair *im;
	const struct bo_link_measure *m;
	const struct bo_link_samples *samples;
	int64_t total_ns;
	int64_t base_ns;
	int64_t trace_ns;
	unsigned alike;
	bool first;
};
/** bo_trial_item() - ", " before all but the first thing achieved */
void bo_trial_item(struct bo_trial *t);
/** bo_trial_paced() - may the load keep a queue standing? */
bool bo_trial_paced(const struct bo_trial *t);
int64_t bo_trial_tolerance(int64_t delay_ns);
/** bo_rate_share() - how much of a rate IP gets with packets of a train: the rest is what else is charged */
double bo_rate_share(const struct bo_impair *im);
/** bo_trial_ahead_ns() - a probe that took less was sent ahead of those that are being delayed */
int64_t bo_trial_ahead_ns(const struct bo_trial *t);
void bo_judge_again(struct bo_trial *t, enum bo_hit event);
void bo_judge_delay_corr(struct bo_trial *t);
void bo_judge_loss(struct bo_trial *t);
void bo_judge_duplicate(struct bo_trial *t);
void bo_judge_corrupt(struct bo_trial *t);
void bo_judge_spread(struct bo_trial *t);
void bo_judge_reorder(struct bo_trial *t);
void bo_judge_slot(struct bo_trial *t);
void bo_judge_trace(struct bo_trial *t);

/** bo_fault_judge() - is what the probes met what was asked for?  Pure */
void bo_fault_judge(struct bo_trial *t);
/** bo_fault_judge_ramp() - the same for a ramp that began at @began_ns, in pieces; @samples: of all its time, but
 * the last that may be under way */
void bo_fault_judge_ramp(struct bo_trial *t, const struct bo_link_vary *vary, int64_t began_ns);
/** bo_fault_judge_flap() - did it come and go as it should?  @own of the trial: what it is while it is there */
void bo_fault_judge_flap(struct bo_trial *t, const struct bo_link_vary *vary, uint64_t seed,
			 const struct bo_fault_lane *lane, int64_t began_ns, int64_t now_ns);

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
