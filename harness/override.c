/* SPDX-License-Identifier: Apache-2.0 */
/* harness/override.c — an option is checked twice: as a text when it is read, which needs no scenario, and against the
 * plan when there is one.  Lengths of phases go into the script's options instead, since faults are checked against
 * them line by line. */
#include "harness/override.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/base/nearest.h"
#include "brownout/base/strbuf.h"
#include "brownout/base/units.h"
#include "brownout/slo/budget.h"

#define MAX_PHASE_NS (24 * 3600 * BO_NSEC_PER_SEC)
#define MAX_RATE 1e6     /* as in a scenario */
#define MAX_BURST 100000 /* likewise */
#define MAX_TAGS 64
#define TIMES "\u00d7"

/** struct rate - a parsed RATE; @load_len: of the load's name in front of it, 0 for all */
struct rate {
	const char *load;
	size_t load_len;
	bool times;
	double value;
};

void bo_scenario_args_done(struct bo_scenario_args *args)
{
	bo_vec_done(&args->phases);
	bo_vec_done(&args->overrides);
	bo_vec_done(&args->tags);
}

static int out_of_memory(struct bo_err *err)
{
	return bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
}

static int expected(struct bo_err *err, const char *what, const char *found)
{
	return bo_err_set(err, EINVAL, BO_SUBSYS_HARNESS, "expected %s, found \"%.100s\"", what,
			  found);
}

int bo_scenario_args_keep(struct bo_scenario_args *args, const char *option, const char *value,
			  struct bo_err *err)
{
	return bo_vec_push(&args->overrides, (struct bo_param){ option, value })
		       ? 0
		       : out_of_memory(err);
}

/* "KEY=VALUE" cut in two; KEY is not empty */
static char *cut(char *arg)
{
	char *eq = strchr(arg, '=');

	if (!eq || eq == arg)
		return NULL;
	*eq = '\0';
	return eq + 1;
}

int bo_scenario_args_set(struct bo_scenario_args *args, char *arg, struct bo_err *err)
{
	char *value = cut(arg);

	if (!value)
		return expected(err, "KEY=VALUE", arg);
	if (args->nsets == BO_SCENARIO_MAX_SETS)
		return bo_err_set(err, EINVAL, BO_SUBSYS_HARNESS,
				  "expected at most %d of them, found one more, \"%.60s\"",
				  BO_SCENARIO_MAX_SETS, arg);
	args->sets[args->nsets++] = (struct bo_script_set){ .key = arg, .value = value };
	return 0;
}

/* Tags become names of JSON members and of JUnit properties: a word, so that one can ask for them. */
int bo_scenario_args_tag(struct bo_scenario_args *args, char *arg, struct bo_err *err)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	char *eq = strchr(arg, '=');

	if (!eq || eq == arg || strspn(arg, allowed) != (size_t)(eq - arg))
		return expected(err, "KEY=VALUE with letters, digits, '.', '_' and '-' in KEY",
				arg);
	if (args->tags.len == MAX_TAGS)
		return bo_err_set(err, EINVAL, BO_SUBSYS_HARNESS,
				  "expected at most %d of them, found one more, \"%.60s\"",
				  MAX_TAGS, arg);
	*eq = '\0';
	bo_vec_foreach(tag, &args->tags) {
		if (!strcmp(tag->key, arg)) {
			tag->value = eq + 1;
			return 0;
		}
	}
	return bo_vec_push(&args->tags, (struct bo_param){ arg, eq + 1 }) ? 0 : out_of_memory(err);
}

int bo_scenario_args_seed(struct bo_scenario_args *args, char *arg, struct bo_err *err)
{
	unsigned long long seed;

	errno = 0;
	seed = strtoull(arg, NULL, 10);
	if (!*arg || arg[strspn(arg, "0123456789")] || errno || !seed)
		return expected(err, "a whole number from 1", arg);
	args->seed = seed;
	return 0;
}

int bo_scenario_args_phase(struct bo_scenario_args *args, char *arg, struct bo_err *err)
{
	const char *names[BO_PHASE_COUNT + 1] = { NULL };
	struct bo_script_phase phase;
	char name[16] = "", hint[96];
	const char *eq = strchr(arg, '=');

	if (!eq || eq == arg)
		return expected(err, "PHASE=LENGTH such as fault=30s", arg);
	for (int p = 0; p < BO_PHASE_COUNT; p++)
		names[p] = bo_phase_name((enum bo_phase)p);
	snprintf(name, sizeof(name), "%.*s", (int)(eq - arg), arg);
	phase.phase = bo_phase_from_name(name);
	if (phase.phase == BO_PHASE_COUNT || strlen(name) != (size_t)(eq - arg))
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_HARNESS,
			"expected a phase (warmup, base, fault, hold, heal, settle), found \"%.*s\"%s",
			(int)(eq - arg), arg, bo_nearest_hint(name, names, hint, sizeof(hint)));
	if (bo_parse_duration(eq + 1, &phase.length_ns, NULL) < 0 || phase.length_ns < 0 ||
	    phase.length_ns > MAX_PHASE_NS)
		return expected(err, "a length from 0 to 24h such as fault=30s", arg);
	if (!bo_vec_push(&args->phases, phase))
		return out_of_memory(err);
	return bo_scenario_args_keep(args, "phase", arg, err);
}

static bool parse_rate(const char *arg, struct rate *ret)
{
	/* a load's name may hold '=', a rate never does */
	const char *eq = strrchr(arg, '='), *text = eq ? eq + 1 : arg;
	size_t times = *text == 'x' ? 1 : !strncmp(text, TIMES, strlen(TIMES)) ? strlen(TIMES) : 0;

	*ret = (struct rate){ .load = arg,
			      .load_len = eq ? (size_t)(eq - arg) : 0,
			      .times = times > 0 };
	if (eq == arg || (times && !isdigit((unsigned char)text[times])))
		return false;
	if (times ? bo_parse_ratio(text + times, &ret->value, NULL)
		  : bo_parse_frequency(text, &ret->value, NULL))
		return false;
	return ret->value > 0 && ret->value <= MAX_RATE;
}

int bo_scenario_args_rate(struct bo_scenario_args *args, char *arg, struct bo_err *err)
{
	struct rate rate;

	if (!parse_rate(arg, &rate))
		return expected(err, "[LOAD=]RATE with a rate above 0 such as 200/s, 30/m or x2",
				arg);
	return bo_scenario_args_keep(args, "rate", arg, err);
}

int bo_scenario_args_budget(struct bo_scenario_args *args, char *arg, struct bo_err *err)
{
	struct bo_budget *budget = NULL;
	int r = bo_budget_parse(&budget, arg, err);

	bo_budget_free(budget);
	return r ? r : bo_scenario_args_keep(args, "budget", arg, err);
}

static int no_such_load(const struct bo_plan *plan, const struct rate *rate, struct bo_err *err)
{
	struct bo_strbuf known = { 0 };
	int r;

	bo_vec_foreach(load, &plan->loads)
		bo_strbuf_printf(&known, "%s%s", known.len ? ", " : "", load->name);
	r = bo_err_set(err, EINVAL, BO_SUBSYS_HARNESS,
		       "%s: expected a load of '%s' (%.200s), found \"%.*s\"", plan->scenario_path,
		       plan->name, known.len ? bo_strbuf_str(&known) : "it has none",
		       (int)rate->load_len, rate->load);
	bo_strbuf_done(&known);
	return r;
}

/* "brownout run: --rate: a.lua:7: load 'put': expected …, found …" */
static int bad_rate(const struct bo_load_spec *load, const char *expected, const char *value,
		    struct bo_err *err)
{
	return bo_err_set(err, EINVAL, BO_SUBSYS_HARNESS,
			  "%s:%d: load '%.60s': expected %s, found \"%.60s\"", load->src.file,
			  load->src.line, load->name, expected, value);
}

static int too_fast(const struct bo_load_spec *load, double per_s, struct bo_err *err)
{
	return bo_err_set(err, ERANGE, BO_SUBSYS_HARNESS,
			  "expected at most %.0f/s for load '%s', found %.10g/s", MAX_RATE,
			  load->name, per_s);
}

/* A burst keeps its beat and grows: more at once is what it is there to ask. */
static int scale_burst(struct bo_load_spec *load, double factor, const char *value,
		       struct bo_err *err)
{
	double count = (double)load->burst_count * factor, whole = round(count);

	if (whole < 1 || whole > MAX_BURST || fabs(count - whole) > 1e-6 * whole)
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_HARNESS,
			"%s:%d: load '%.60s': expected a multiple that makes a burst of %" PRId64
			" one of 1 to %d whole requests, found \"%.60s\", which makes %.10g",
			load->src.file, load->src.line, load->name, load->burst_count, MAX_BURST,
			value, count);
	load->burst_count = (int64_t)whole;
	return 0;
}

static int scale_steps(struct bo_plan *plan, struct bo_load_spec *load, double factor,
		       struct bo_err *err)
{
	double *steps = bo_arena_alloc(&plan->arena,
				       (load->rate.nsteps + 1) * sizeof(*load->rate.steps));

	if (!steps)
		return out_of_memory(err);
	for (size_t i = 0; i < load->rate.nsteps; i++) {
		steps[i] = load->rate.steps[i] * factor;
		if (steps[i] > MAX_RATE)
			return too_fast(load, steps[i], err);
	}
	load->rate.steps = steps;
	return 0;
}

/* One number cannot say how a load moves, so what moves is only scaled, as a whole. */
static int change_rate(struct bo_plan *plan, struct bo_load_spec *load, const struct rate *rate,
		       const char *value, struct bo_err *err)
{
	bool moves = load->rate.shape != BO_RATE_FLAT, bursts = load->arrivals == BO_ARRIVALS_BURST;
	double now = rate->times ? load->rate_per_s * rate->value : rate->value;
	int r = 0;

	if (load->arrivals == BO_ARRIVALS_CLOSED)
		return bad_rate(
			load,
			"a load with a rate (its arrivals are closed, the answers set the pace; change clients)",
			value, err);
	if (!rate->times && (moves || bursts))
		return bad_rate(load,
				bursts ? "a multiple such as x2, since it comes in bursts"
				       : "a multiple such as x2, since its rate moves",
				value, err);
	if (now > MAX_RATE)
		return too_fast(load, now, err);
	if (bursts)
		r = scale_burst(load, rate->value, value, err);
	else if (load->rate.shape == BO_RATE_STEPS)
		r = scale_steps(plan, load, rate->value, err);
	else if (load->rate.shape == BO_RATE_RAMP && load->rate.to_per_s * rate->value > MAX_RATE)
		r = too_fast(load, load->rate.to_per_s * rate->value, err);
	if (r)
		return r;
	if (load->rate.shape == BO_RATE_RAMP)
		load->rate.to_per_s *= rate->value;
	load->rate_per_s = now;
	return 0;
}

/* Without a name it goes for every load of requests; how fast held connections are opened is another matter. */
static int apply_rate(struct bo_plan *plan, const char *value, struct bo_err *err)
{
	struct rate rate;
	bool any = false;

	(void)parse_rate(value, &rate); /* it parsed before */
	bo_vec_foreach(load, &plan->loads) {
		int r;

		if (rate.load_len ? strlen(load->name) != rate.load_len ||
					    strncmp(load->name, rate.load, rate.load_len) != 0
				  : load->kind != BO_LOAD_REQUESTS)
			continue;
		r = change_rate(plan, load, &rate, value, err);
		if (r)
			return r;
		any = true;
	}
	if (any)
		return 0;
	if (rate.load_len)
		return no_such_load(plan, &rate, err);
	return bo_err_set(err, EINVAL, BO_SUBSYS_HARNESS,
			  "%s: expected a scenario with a load of requests, found none in '%s'",
			  plan->scenario_path, plan->name);
}

static int subject_of(const char *text, struct bo_strbuf *ret, struct bo_err *err)
{
	struct bo_budget *budget = NULL;
	int r = bo_budget_parse(&budget, text, err);

	if (!r)
		bo_budget_print_subject(budget, ret);
	bo_budget_free(budget);
	return r ? r : bo_strbuf_ok(ret) ? 0 : out_of_memory(err);
}

static int check_budget(const struct bo_plan *plan, const char *text, struct bo_err *err)
{
	struct bo_budget *budget = NULL;
	int r = bo_budget_parse(&budget, text, err);

	if (!r)
		r = bo_budget_check(budget, plan, err);
	bo_budget_free(budget);
	return r ? bo_err_wrap(err, "%s", plan->scenario_path) : 0;
}

/* The first of the scenario's with this subject is replaced where it stands, others of it go. */
static int apply_budget(struct bo_plan *plan, const char *text, struct bo_err *err)
{
	struct bo_budget_spec spec = { .text = bo_arena_strdup(&plan->arena, text) };
	struct bo_strbuf mine = { 0 };
	int r = spec.text ? subject_of(text, &mine, err) : out_of_memory(err);
	size_t kept = 0;
	bool placed = false;

	for (size_t i = 0; !r && i < plan->budgets.len; i++) {
		struct bo_budget_spec *old = &plan->budgets.items[i];
		struct bo_strbuf its = { 0 };

		r = subject_of(old->text, &its, err);
		if (strcmp(bo_strbuf_str(&its), bo_strbuf_str(&mine)) != 0)
			plan->budgets.items[kept++] = *old;
		else if (!placed)
			plan->budgets.items[kept++] = spec;
		placed = placed || !strcmp(bo_strbuf_str(&its), bo_strbuf_str(&mine));
		bo_strbuf_done(&its);
	}
	bo_strbuf_done(&mine);
	if (r)
		return r;
	plan->budgets.len = kept;
	if (!placed && !bo_vec_push(&plan->budgets, spec))
		return out_of_memory(err);
	return check_budget(plan, text, err);
}

static int copy_params(struct bo_plan *plan, const struct bo_param *from, size_t n,
		       const struct bo_param **ret, struct bo_err *err)
{
	struct bo_param *to = bo_arena_alloc(&plan->arena, (n + 1) * sizeof(*to));

	for (size_t i = 0; to && i < n; i++) {
		to[i].key = bo_arena_strdup(&plan->arena, from[i].key);
		to[i].value = bo_arena_strdup(&plan->arena, from[i].value);
		if (!to[i].key || !to[i].value)
			to = NULL;
	}
	*ret = to;
	return to ? 0 : out_of_memory(err);
}

static int keep_params(struct bo_plan *plan, const struct bo_scenario_args *args,
		       struct bo_err *err)
{
	struct bo_param sets[BO_SCENARIO_MAX_SETS];
	int r;

	for (size_t i = 0; i < args->nsets; i++)
		sets[i] = (struct bo_param){ args->sets[i].key, args->sets[i].value };
	r = copy_params(plan, sets, args->nsets, &plan->params, err);
	if (!r)
		r = copy_params(plan, args->tags.items, args->tags.len, &plan->tags, err);
	if (!r)
		r = copy_params(plan, args->overrides.items, args->overrides.len, &plan->overrides,
				err);
	plan->nparams = r ? 0 : args->nsets;
	plan->ntags = r ? 0 : args->tags.len;
	plan->noverrides = r ? 0 : args->overrides.len;
	return r;
}

int bo_override_apply(struct bo_plan *plan, const struct bo_scenario_args *args, struct bo_err *err)
{
	bo_vec_foreach(o, &args->overrides) {
		int r = !strcmp(o->key, "rate")     ? apply_rate(plan, o->value, err)
			: !strcmp(o->key, "budget") ? apply_budget(plan, o->value, err)
						    : 0;

		if (r == -ENOMEM)
			return r;
		if (r)
			return bo_err_wrap(err, "brownout %s: --%s", args->verb, o->key);
	}
	return keep_params(plan, args, err);
}
