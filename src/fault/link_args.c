/* SPDX-License-Identifier: Apache-2.0 */
/* fault/link_args.c — the options of faults on links, and what they say.
 * The words are those of tc-netem(8).  Each family of options is written down once and put into the
 * table of every kind that takes it; `impair` and `profile` take them all, there with the family's
 * name in front where a word alone would not say whose it is (delay_correlation, slot_min).
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "brownout/base/units.h"
#include "brownout/model/linkfile.h"
#include "fault-internal.h"

#define DELAY_MAX (3600 * BO_NSEC_PER_SEC)
#define RATE_MIN INT64_C(8000)
#define RATE_MAX INT64_C(100000000000)
#define LIMIT_MAX 1000000
#define OVER_MAX (24 * 3600 * BO_NSEC_PER_SEC)
#define ARG(k, u, lo, hi, text)                                                   \
	{                                                                         \
		.key = (k), .unit = (u), .min = (lo), .max = (hi), .help = (text) \
	}
#define RATIO(k, text) ARG(k, BO_UNIT_RATIO, 0, BO_PPM_ALL, text)
#define TIME(k, lo, hi, text) ARG(k, BO_UNIT_DURATION, lo, hi, text)
#define POSITIONAL(k, u, lo, hi, need, text)                                                  \
	{                                                                                     \
		.key = (k), .unit = (u), .positional = true, .required = (need), .min = (lo), \
		.max = (hi), .help = (text)                                                   \
	}

#define ARG_TOWARD                                                                                  \
	{                                                                                           \
		.key = "toward", .unit = BO_UNIT_NODE,                                              \
		.help = "only the direction that ends at this node; default: both, each on its own" \
	}
#define ARGS_SPREAD(correlation)                                                                     \
	TIME("jitter", 0, DELAY_MAX, "how far the delay is spread, as the distribution says"),       \
		RATIO(correlation, "how much of a packet's delay is that of the one before it"),     \
		{ .key = "distribution",                                                             \
		  .unit = BO_UNIT_CHOICE,                                                            \
		  .choices = "uniform|normal|pareto|paretonormal",                                   \
		  .help = "of the delay: uniform (default) within delay ± jitter; the others have " \
			  "jitter as their standard deviation" },                                    \
		{ .key = "samples",                                                                  \
		  .unit = BO_UNIT_FILE,                                                              \
		  .help = "file of measured delays, one per line: the distribution, and without "    \
			  "delay and jitter their mean and deviation too" },                         \
	{                                                                                            \
		.key = "in_order", .unit = BO_UNIT_BOOL,                                             \
		.help = "packets never overtake each other, whatever their jitter; wire only"        \
	}
#define ARGS_LOSS_MODEL                                                                  \
	{ .key = "model",                                                                \
	  .unit = BO_UNIT_CHOICE,                                                        \
	  .choices = "random|gemodel|state",                                             \
	  .help = "how losses follow one another: Gilbert–Elliott, or four states" },    \
		RATIO("p", "[gemodel] from the good state to the bad one"),              \
		RATIO("r", "[gemodel] back; default 100% - p"),                          \
		RATIO("bad", "[gemodel] loss in the bad state; default 100%"),           \
		RATIO("good", "[gemodel] loss in the good state; default 0"),            \
		RATIO("p13", "[state] from received to lost in a burst"),                \
		RATIO("p31", "[state] back; default 100% - p13"),                        \
		RATIO("p32", "[state] from lost to received within a burst; default 0"), \
		RATIO("p23", "[state] back; default 100%"),                              \
		RATIO("p14", "[state] a loss on its own; default 0")
#define ARGS_RATE                                                                      \
	ARG("overhead", BO_UNIT_COUNT, INT16_MIN, INT16_MAX,                           \
	    "bytes added to each packet when it is charged"),                          \
		ARG("cell", BO_UNIT_COUNT, 1, INT16_MAX,                               \
		    "packets are charged for whole cells of so many bytes (ATM: 48)"), \
		ARG("cell_overhead", BO_UNIT_COUNT, INT16_MIN, INT16_MAX,              \
		    "bytes added for each cell (ATM: 5)")
#define ARG_LIMIT ARG("limit", BO_UNIT_COUNT, 1, LIMIT_MAX, "packets that may wait or be under way")
#define ARGS_RAMP                                                                \
	TIME("over", 1, OVER_MAX, "how long the way from `from` to `to` takes"), \
		ARG("steps", BO_UNIT_COUNT, 2, 1000,                             \
		    "of that way, the first at its start, the last at its end; default: one each 100ms")
#define ARGS_FLAP                                                                    \
	TIME("every", 2 * BO_FLAP_LEAST_NS, DELAY_MAX,                               \
	     "the fault comes and goes with this period"),                           \
		TIME("down", BO_FLAP_LEAST_NS, DELAY_MAX,                            \
		     "and is in force for so long of it, at its end"),               \
	{                                                                            \
		.key = "random", .unit = BO_UNIT_BOOL,                               \
		.help = "both times are exponential with these means, from the seed" \
	}
#define ARGS_SLOT(min_key, max_key, packets_key, bytes_key)                               \
	TIME(min_key, 1, DELAY_MAX, "least time from one burst to the next"),             \
		TIME(max_key, 1, DELAY_MAX, "most; default: the least"),                  \
		ARG(packets_key, BO_UNIT_COUNT, 1, LIMIT_MAX, "most packets of a burst"), \
		ARG(bytes_key, BO_UNIT_SIZE, 1, INT64_C(1) << 31, "most bytes of a burst")
#define ARGS_ALL                                                                                   \
	TIME("delay", BO_NSEC_PER_USEC, DELAY_MAX, "one-way delay"),                               \
		ARGS_SPREAD("delay_correlation"), RATIO("loss", "share of packets lost"),          \
		RATIO("loss_correlation", "of a loss with the one before it"), ARGS_LOSS_MODEL,    \
		RATIO("duplicate", "share of packets that arrive twice"),                          \
		RATIO("duplicate_correlation", "of a duplicate with the one before it"),           \
		RATIO("corrupt", "share of packets with one bit flipped"),                         \
		RATIO("corrupt_correlation", "of a flip with the one before it"),                  \
		RATIO("reorder", "share of packets that are not delayed"),                         \
		RATIO("reorder_correlation", "of one with the one before it"),                     \
		ARG("gap", BO_UNIT_COUNT, 1, LIMIT_MAX,                                            \
		    "only every n-th packet may be ahead of others"),                              \
		ARG("rate", BO_UNIT_BITRATE, RATE_MIN, RATE_MAX, "bits per second of IP packets"), \
		ARGS_RATE,                                                                         \
		{ .key = "trace",                                                                  \
		  .unit = BO_UNIT_FILE,                                                            \
		  .help = "the rate as a packet-delivery trace of mahimahi; wire only" },          \
		ARG_LIMIT, ARGS_SLOT("slot_min", "slot_max", "slot_packets", "slot_bytes"),        \
		{ .key = "blackhole", .unit = BO_UNIT_BOOL, .help = "every packet vanishes" },     \
		ARGS_FLAP, ARG_TOWARD

const struct bo_arg_schema bo_link_args_delay[] = {
	POSITIONAL("delay", BO_UNIT_DURATION, BO_NSEC_PER_USEC, DELAY_MAX, false,
		   "one-way delay of each direction"),
	ARGS_SPREAD("correlation"),
	TIME("from", 0, DELAY_MAX, "a ramp: the delay at its start"),
	TIME("to", 0, DELAY_MAX, "and at its end, where it stays"),
	ARGS_RAMP,
	ARGS_FLAP,
	ARG_TOWARD,
	{ 0 },
};
const struct bo_arg_schema bo_link_args_loss[] = {
	POSITIONAL("loss", BO_UNIT_RATIO, 1, BO_PPM_ALL, false, "share of packets lost"),
	RATIO("correlation", "of a loss with the one before it"),
	ARGS_LOSS_MODEL,
	RATIO("from", "a ramp: the loss at its start"),
	RATIO("to", "and at its end, where it stays"),
	ARGS_RAMP,
	ARGS_FLAP,
	ARG_TOWARD,
	{ 0 },
};
const struct bo_arg_schema bo_link_args_duplicate[] = {
	POSITIONAL("duplicate", BO_UNIT_RATIO, 1, BO_PPM_ALL, true,
		   "share of packets that arrive twice"),
	RATIO("correlation", "of a duplicate with the one before it"),
	ARGS_FLAP,
	ARG_TOWARD,
	{ 0 },
};
const struct bo_arg_schema bo_link_args_corrupt[] = {
	POSITIONAL("corrupt", BO_UNIT_RATIO, 1, BO_PPM_ALL, true,
		   "share of packets with one bit flipped behind the sender's checksum"),
	RATIO("correlation", "of a flip with the one before it"),
	ARGS_FLAP,
	ARG_TOWARD,
	{ 0 },
};
const struct bo_arg_schema bo_link_args_reorder[] = {
	POSITIONAL("reorder", BO_UNIT_RATIO, 1, BO_PPM_ALL, true,
		   "share of packets that are sent at once, ahead of those that are delayed"),
	RATIO("correlation", "of one with the one before it"),
	ARG("gap", BO_UNIT_COUNT, 1, LIMIT_MAX, "only every n-th packet may be ahead of others"),
	TIME("delay", BO_NSEC_PER_USEC, DELAY_MAX, "of the others; or by a delay of its own"),
	ARGS_FLAP,
	ARG_TOWARD,
	{ 0 },
};
const struct bo_arg_schema bo_link_args_rate[] = {
	POSITIONAL("rate", BO_UNIT_BITRATE, RATE_MIN, RATE_MAX, false,
		   "bits per second of IP packets"),
	ARGS_RATE,
	ARG_LIMIT,
	ARG("from", BO_UNIT_BITRATE, RATE_MIN, RATE_MAX, "a ramp: the rate at its start"),
	ARG("to", BO_UNIT_BITRATE, RATE_MIN, RATE_MAX, "and at its end, where it stays"),
	ARGS_RAMP,
	ARGS_FLAP,
	ARG_TOWARD,
	{ 0 },
};
const struct bo_arg_schema bo_link_args_trace[] = {
	POSITIONAL("trace", BO_UNIT_FILE, 0, 0, true,
		   "the rate as a packet-delivery trace of mahimahi; wire only"),
	ARG_LIMIT,
	ARG_TOWARD,
	{ 0 },
};
const struct bo_arg_schema bo_link_args_slot[] = {
	ARGS_SLOT("min", "max", "packets", "bytes"), ARGS_FLAP, ARG_TOWARD, { 0 }
};
const struct bo_arg_schema bo_link_args_blackhole[] = { ARG_TOWARD, { 0 } };
const struct bo_arg_schema bo_link_args_flap[] = { ARGS_FLAP, ARG_TOWARD, { 0 } };
const struct bo_arg_schema bo_link_args_impair[] = { ARGS_ALL, { 0 } };
const struct bo_arg_schema bo_link_args_profile[] = {
	{ .key = "profile",
	  .unit = BO_UNIT_CHOICE,
	  .positional = true,
	  .required = true,
	  .choices = BO_PROFILE_NAMES,
	  .help = "the kind of line; the other options replace what it says" },
	{ .key = "access",
	  .unit = BO_UNIT_NODE,
	  .help = "the end that has this line; default: the client" },
	ARGS_ALL,
	{ 0 },
};

/* --- what they say ---------------------------------------------------------------------------- */

/** struct field - an option that is a number, and where it goes;  @kind: only there, NULL: anywhere */
struct field {
	const char *kind;
	const char *key;
	size_t at;
};

#define AT(member) offsetof(struct bo_impair, member)
static const struct field fields[] = {
	{ NULL, "delay", AT(delay_ns) },
	{ NULL, "jitter", AT(jitter_ns) },
	{ "delay", "correlation", AT(delay_corr_ppm) },
	{ NULL, "delay_correlation", AT(delay_corr_ppm) },
	{ NULL, "loss", AT(loss.random.ppm) },
	{ "loss", "correlation", AT(loss.random.corr_ppm) },
	{ NULL, "loss_correlation", AT(loss.random.corr_ppm) },
	{ NULL, "p", AT(loss.p_ppm) },
	{ NULL, "r", AT(loss.r_ppm) },
	{ NULL, "bad", AT(loss.bad_loss_ppm) },
	{ NULL, "good", AT(loss.good_loss_ppm) },
	{ NULL, "p13", AT(loss.p13_ppm) },
	{ NULL, "p31", AT(loss.p31_ppm) },
	{ NULL, "p32", AT(loss.p32_ppm) },
	{ NULL, "p23", AT(loss.p23_ppm) },
	{ NULL, "p14", AT(loss.p14_ppm) },
	{ NULL, "duplicate", AT(duplicate.ppm) },
	{ "duplicate", "correlation", AT(duplicate.corr_ppm) },
	{ NULL, "duplicate_correlation", AT(duplicate.corr_ppm) },
	{ NULL, "corrupt", AT(corrupt.ppm) },
	{ "corrupt", "correlation", AT(corrupt.corr_ppm) },
	{ NULL, "corrupt_correlation", AT(corrupt.corr_ppm) },
	{ NULL, "reorder", AT(reorder.ppm) },
	{ "reorder", "correlation", AT(reorder.corr_ppm) },
	{ NULL, "reorder_correlation", AT(reorder.corr_ppm) },
	{ NULL, "gap", AT(reorder_gap) },
	{ NULL, "rate", AT(rate_bps) },
	{ NULL, "overhead", AT(rate_overhead) },
	{ NULL, "cell", AT(rate_cell_bytes) },
	{ NULL, "cell_overhead", AT(rate_cell_overhead) },
	{ NULL, "limit", AT(limit_packets) },
	{ "slot", "min", AT(slot.min_ns) },
	{ "slot", "max", AT(slot.max_ns) },
	{ "slot", "packets", AT(slot.packets) },
	{ "slot", "bytes", AT(slot.bytes) },
	{ NULL, "slot_min", AT(slot.min_ns) },
	{ NULL, "slot_max", AT(slot.max_ns) },
	{ NULL, "slot_packets", AT(slot.packets) },
	{ NULL, "slot_bytes", AT(slot.bytes) },
};

static const struct bo_arg *given(const struct bo_fault_spec *spec, const char *key)
{
	return bo_fault_arg_given(spec, bo_fault_kind_find(spec->kind, BO_TARGET_LINK), key);
}

bool bo_link_given(const struct bo_fault_spec *spec, const char *key)
{
	return given(spec, key);
}

int64_t bo_link_option(const struct bo_fault_spec *spec, const char *key, int64_t dflt)
{
	return given(spec, key)
		       ? bo_fault_arg_int(spec, bo_fault_kind_find(spec->kind, BO_TARGET_LINK), key,
					  dflt)
		       : dflt;
}

bool bo_link_covers(const struct bo_plan *plan, const struct bo_fault_spec *spec, enum bo_dir dir)
{
	const struct bo_link_spec *link = &plan->links.items[spec->index];
	const char *toward = bo_fault_arg_str(spec, "toward", NULL);

	return !toward || bo_plan_node(plan, toward) == (dir == BO_DIR_A_TO_B ? link->b : link->a);
}

/** profile_part() - what the profile says of a direction */
static struct bo_impair profile_part(const struct bo_plan *plan, const struct bo_fault_spec *spec,
				     enum bo_dir dir)
{
	const struct bo_profile *profile = bo_profile_of(spec);
	const struct bo_link_spec *link = &plan->links.items[spec->index];
	const char *access = bo_fault_arg_str(spec, "access", NULL);
	/* The client is always a. */
	int end = access ? bo_plan_node(plan, access) : link->a;

	if (!profile)
		return (struct bo_impair){ 0 };
	return end == (dir == BO_DIR_A_TO_B ? link->b : link->a) ? profile->down : profile->up;
}

/** add_models() - the defaults that hang on other options: those of tc-netem(8) */
static void add_models(const struct bo_fault_spec *spec, struct bo_impair *im)
{
	struct bo_loss *loss = &im->loss;

	if (bo_link_given(spec, "model"))
		loss->model = (enum bo_loss_model)bo_link_option(spec, "model", 0);
	else if (bo_link_given(spec, "loss"))
		loss->model = BO_LOSS_RANDOM;
	if (loss->model == BO_LOSS_GE && bo_link_given(spec, "model")) {
		loss->r_ppm = bo_link_option(spec, "r", BO_PPM_ALL - loss->p_ppm);
		loss->bad_loss_ppm = bo_link_option(spec, "bad", BO_PPM_ALL);
		loss->good_loss_ppm = bo_link_option(spec, "good", 0);
	}
	if (loss->model == BO_LOSS_STATE && bo_link_given(spec, "model")) {
		loss->p31_ppm = bo_link_option(spec, "p31", BO_PPM_ALL - loss->p13_ppm);
		loss->p23_ppm = bo_link_option(spec, "p23", BO_PPM_ALL);
	}
	if (im->slot.min_ns && !im->slot.max_ns)
		im->slot.max_ns = im->slot.min_ns;
}

static void add_files(const struct bo_fault_spec *spec, struct bo_impair *im)
{
	const struct bo_arg *samples = given(spec, "samples"), *trace = given(spec, "trace");

	if (trace)
		im->trace = trace->trace;
	if (trace && im->trace)
		im->rate_bps = 0;
	if (!samples || !samples->samples)
		return;
	im->dist = BO_DIST_TABLE;
	im->table = &samples->samples->table;
	if (!bo_link_given(spec, "delay") && !bo_link_given(spec, "from"))
		im->delay_ns = samples->samples->mean_ns;
	if (!bo_link_given(spec, "jitter"))
		im->jitter_ns = samples->samples->deviation_ns;
}

struct bo_impair bo_link_asked(const struct bo_plan *plan, const struct bo_fault_spec *spec,
			       enum bo_dir dir)
{
	struct bo_impair im = profile_part(plan, spec, dir);
	struct bo_link_vary vary = bo_link_vary_of(spec);

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const struct field *field = &fields[i];
		int64_t *at = (int64_t *)((char *)&im + field->at);

		if (!field->kind || strcmp(field->kind, spec->kind) == 0)
			*at = bo_link_option(spec, field->key, *at);
	}
	im.dist = (enum bo_dist)bo_link_option(spec, "distribution", im.dist);
	im.in_order = bo_link_option(spec, "in_order", im.in_order);
	add_models(spec, &im);
	add_files(spec, &im);
	im.blackhole = strcmp(spec->kind, "blackhole") == 0 || strcmp(spec->kind, "flap") == 0 ||
		       bo_link_option(spec, "blackhole", 0);
	if (vary.ramp)
		bo_link_ramp_set(&vary, vary.steps - 1, &im);
	return im;
}

/* --- what they must not say ------------------------------------------------------------------- */

/** needs() - @key was given and @other was not */
static int needs(const struct bo_fault_spec *spec, const char *key, bool there, const char *other,
		 struct bo_err *err)
{
	if (!bo_link_given(spec, key) || there)
		return 0;
	return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT, "%s: %s: needs %s", spec->kind, key, other);
}

static int check_model(const struct bo_fault_spec *spec, const struct bo_impair *im,
		       struct bo_err *err)
{
	static const struct {
		const char *key;
		enum bo_loss_model model;
	} owned[] = {
		{ "loss", BO_LOSS_RANDOM }, { "p", BO_LOSS_GE },      { "r", BO_LOSS_GE },
		{ "bad", BO_LOSS_GE },      { "good", BO_LOSS_GE },   { "p13", BO_LOSS_STATE },
		{ "p31", BO_LOSS_STATE },   { "p32", BO_LOSS_STATE }, { "p23", BO_LOSS_STATE },
		{ "p14", BO_LOSS_STATE },
	};
	const char *name = bo_loss_model_name(im->loss.model);

	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		if (bo_link_given(spec, owned[i].key) && owned[i].model != im->loss.model)
			return bo_err_set(
				err, EINVAL, BO_SUBSYS_FAULT,
				"%s: %s: belongs to model = \"%s\", found model = \"%s\"%s",
				spec->kind, owned[i].key, bo_loss_model_name(owned[i].model), name,
				bo_link_given(spec, "model") ? "" : ", the default");
	if (bo_link_given(spec, "model") && im->loss.model == BO_LOSS_GE &&
	    !bo_link_given(spec, "p"))
		return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
				  "%s: p: is missing: model = \"gemodel\" needs it", spec->kind);
	if (bo_link_given(spec, "model") && im->loss.model == BO_LOSS_STATE &&
	    !bo_link_given(spec, "p13"))
		return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
				  "%s: p13: is missing: model = \"state\" needs it", spec->kind);
	return 0;
}

static int check_needs(const struct bo_fault_spec *spec, const struct bo_impair *im,
		       struct bo_err *err)
{
	bool delay = im->delay_ns > 0,
	     random = im->loss.model == BO_LOSS_RANDOM && im->loss.random.ppm;
	const struct {
		const char *kind;
		const char *key;
		bool there;
		const char *other;
	} rules[] = {
		{ "delay", "correlation", im->jitter_ns > 0, "a jitter" },
		{ NULL, "delay_correlation", im->jitter_ns > 0, "a jitter" },
		{ NULL, "distribution", im->jitter_ns > 0, "a jitter, which is its deviation" },
		{ NULL, "in_order", im->jitter_ns > 0, "a jitter" },
		{ NULL, "jitter", delay, "a delay" },
		{ "loss", "correlation", random, "a loss of model = \"random\"" },
		{ NULL, "loss_correlation", random, "a loss of model = \"random\"" },
		{ NULL, "duplicate_correlation", im->duplicate.ppm > 0, "duplicate" },
		{ NULL, "corrupt_correlation", im->corrupt.ppm > 0, "corrupt" },
		{ NULL, "reorder_correlation", im->reorder.ppm > 0, "reorder" },
		{ NULL, "gap", im->reorder.ppm > 0, "reorder" },
		{ NULL, "overhead", im->rate_bps > 0, "a rate" },
		{ NULL, "cell", im->rate_bps > 0, "a rate" },
		{ NULL, "cell_overhead", im->rate_cell_bytes > 0, "cell" },
		{ "slot", "max", im->slot.min_ns > 0, "min" },
		{ "slot", "packets", im->slot.min_ns > 0, "min" },
		{ "slot", "bytes", im->slot.min_ns > 0, "min" },
		{ NULL, "slot_max", im->slot.min_ns > 0, "slot_min" },
		{ NULL, "slot_packets", im->slot.min_ns > 0, "slot_min" },
		{ NULL, "slot_bytes", im->slot.min_ns > 0, "slot_min" },
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		int r = rules[i].kind && strcmp(rules[i].kind, spec->kind) != 0
				? 0
				: needs(spec, rules[i].key, rules[i].there, rules[i].other, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int check_exclusive(const struct bo_fault_spec *spec, struct bo_err *err)
{
	static const char *const pairs[][2] = { { "samples", "distribution" },
						{ "trace", "rate" } };

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (bo_link_given(spec, pairs[i][0]) && bo_link_given(spec, pairs[i][1]))
			return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
					  "%s: %s and %s exclude each other", spec->kind,
					  pairs[i][0], pairs[i][1]);
	return 0;
}

int bo_link_check_args(const struct bo_plan *plan, const struct bo_fault_spec *spec,
		       struct bo_err *err)
{
	char jitter[BO_UNIT_BUF], delay[BO_UNIT_BUF];
	int r = 0;

	for (int dir = 0; r == 0 && dir < BO_DIR_COUNT; dir++) {
		struct bo_impair im = bo_link_asked(plan, spec, (enum bo_dir)dir);
		struct bo_impair asked = im;

		/* Some other fault may bring the delay: link_check() knows. */
		if (im.reorder.ppm && !im.delay_ns)
			asked.reorder.ppm = 0;
		r = check_model(spec, &im, err);
		if (r == 0)
			r = check_needs(spec, &im, err);
		if (r == 0)
			r = check_exclusive(spec, err);
		if (r == 0 && im.jitter_ns > im.delay_ns && im.dist != BO_DIST_TABLE)
			r = bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
				       "%s: jitter: expected at most the delay (%s), found %s",
				       spec->kind, bo_format_duration(im.delay_ns, delay),
				       bo_format_duration(im.jitter_ns, jitter));
		if (r == 0 && bo_impair_check(&asked, err) < 0)
			r = bo_err_wrap(err, "%s", spec->kind);
	}
	return r;
}

/* --- parts of a direction --------------------------------------------------------------------- */

uint32_t bo_link_groups(const struct bo_impair *im)
{
	return (im->delay_ns ? BO_CLAIM_DELAY : 0) |
	       (!bo_loss_is_none(&im->loss) ? BO_CLAIM_LOSS : 0) |
	       (im->rate_bps || im->trace || im->limit_packets ? BO_CLAIM_RATE : 0) |
	       (im->blackhole ? BO_CLAIM_BLACKHOLE : 0) |
	       (im->duplicate.ppm ? BO_CLAIM_DUPLICATE : 0) |
	       (im->corrupt.ppm ? BO_CLAIM_CORRUPT : 0) | (im->reorder.ppm ? BO_CLAIM_REORDER : 0) |
	       (im->slot.max_ns ? BO_CLAIM_SLOT : 0);
}

int64_t bo_link_reach(const struct bo_impair *im)
{
	/* Nothing lies further out than 4 deviations, and little further than 3. */
	return im->dist == BO_DIST_UNIFORM ? im->jitter_ns : 4 * im->jitter_ns;
}

void bo_link_merge(const struct bo_impair *own, struct bo_impair *into)
{
	/* No two active faults have the same field: bo_fault_check_overlap() saw to that. */
	bo_link_keep(own, bo_link_groups(own), into);
}

void bo_link_keep(const struct bo_impair *own, uint32_t groups, struct bo_impair *into)
{
	if (groups & BO_CLAIM_DELAY) {
		into->delay_ns = own->delay_ns;
		into->jitter_ns = own->jitter_ns;
		into->delay_corr_ppm = own->delay_corr_ppm;
		into->dist = own->dist;
		into->table = own->table;
		into->in_order = own->in_order;
	}
	if (groups & BO_CLAIM_LOSS)
		into->loss = own->loss;
	if (groups & BO_CLAIM_DUPLICATE)
		into->duplicate = own->duplicate;
	if (groups & BO_CLAIM_CORRUPT)
		into->corrupt = own->corrupt;
	if (groups & BO_CLAIM_REORDER) {
		into->reorder = own->reorder;
		into->reorder_gap = own->reorder_gap;
	}
	if (groups & BO_CLAIM_RATE) {
		into->rate_bps = own->rate_bps;
		into->rate_overhead = own->rate_overhead;
		into->rate_cell_bytes = own->rate_cell_bytes;
		into->rate_cell_overhead = own->rate_cell_overhead;
		into->trace = own->trace;
		into->limit_packets = own->limit_packets;
	}
	if (groups & BO_CLAIM_SLOT)
		into->slot = own->slot;
	if (groups & BO_CLAIM_BLACKHOLE)
		into->blackhole = into->blackhole || own->blackhole;
}
