/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/slo_sim.c — see slo_sim.h. */
#include "slo_sim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/model/run.h"
#include "brownout/slo/sequential.h"
#include "normal.h"
#include "slo/stats.h"
#include "synth_run.h"

#define RATE 200
#define LIMIT_NS (200.0 * (double)SYNTH_MS)

/* struct source - the state of a service between two requests */
struct source {
	const struct sim_process *p;
	struct bo_rng *rng;
	double share;
	double z_limit;
	double z;
	bool in_burst;
	int stall_at;
};

static void source_init(struct source *src, const struct sim_process *p, double share,
			struct bo_rng *rng)
{
	*src = (struct source){ .p = p, .rng = rng, .share = share };
	src->z_limit = share > 0 && share < 0.5 ? slo_normal_quantile(share) : 40;
	src->z = rng_normal(rng);
	src->in_burst = bo_rng_unit(rng) < share;
	src->stall_at = (int)(bo_rng_unit(rng) * p->requests * (1 - share));
}

/* Leave a burst with chance 1/length; enter so that the share of the time within is what it should be. */
static bool in_burst(bool *state, double share, double length, struct bo_rng *rng)
{
	double u = bo_rng_unit(rng);

	*state = *state ? u >= 1 / length : u < share / (1 - share) / length;
	return *state;
}

/* Request @i: how many standard deviations its latency's logarithm is above what the limit allows. */
static double next_z(struct source *src, int i, bool *ret_bad)
{
	const struct sim_process *p = src->p;
	double keep, z = rng_normal(src->rng);
	bool bad;

	switch (p->shape) {
	case SIM_STEADY:
		break;
	case SIM_SERIAL:
		keep = exp(-1 / p->arg);
		z = src->z = keep * src->z + sqrt(1 - keep * keep) * z;
		break;
	case SIM_BUILDUP:
		bad = bo_rng_unit(src->rng) < src->share * 2 * i / p->requests;
		*ret_bad = bad;
		return bad ? fabs(z) + 0.01 : -fabs(z) - 0.01;
	case SIM_BURSTS:
		bad = in_burst(&src->in_burst, src->share, p->arg, src->rng);
		*ret_bad = bad;
		return bad ? fabs(z) + 0.01 : -fabs(z) - 0.01;
	case SIM_STALL:
		bad = i >= src->stall_at && i < src->stall_at + (int)(src->share * p->requests);
		*ret_bad = bad;
		return bad ? fabs(z) + 0.01 : -fabs(z) - 0.01;
	}
	*ret_bad = z > src->z_limit;
	return z - src->z_limit;
}

/* A tail of which the share beyond LIMIT_NS is exactly what it should be. */
static double latency_of(const struct source *src, double z)
{
	if (src->p->sigma > 0)
		return LIMIT_NS * exp(src->p->sigma * z);
	/* Pareto: u is uniform, and below the share where z > 0 */
	return LIMIT_NS * pow(erfc((z + src->z_limit) / sqrt(2)) / 2 / src->share, -1 / 1.2);
}

/* One request, as the service makes it. */
static void make_req(struct synth *s, struct source *src, int i, bool *ret_bad)
{
	const struct sim_process *p = src->p;
	int64_t at = synth_start(s, BO_PHASE_FAULT) + i * (SYNTH_S / RATE);
	double z = next_z(src, i, ret_bad);

	if (p->bad_class != BO_REQ_OK)
		synth_req(s, at,
			  *ret_bad && p->bad_class == BO_REQ_TIMEOUT_BODY ? 5 * SYNTH_S
									  : 20 * SYNTH_MS,
			  *ret_bad ? p->bad_class : BO_REQ_OK);
	else
		synth_req(s, at, (int64_t)fmin(latency_of(src, z), 3600.0 * (double)SYNTH_S),
			  BO_REQ_OK);
}

static enum bo_outcome one_run(struct synth *s, const struct sim_process *p, double share,
			       double *ret_seen)
{
	struct source src;
	int bad_ones = 0;

	s->run->requests.len = 0;
	s->run->loads.len = 0;
	source_init(&src, p, share, &s->rng);
	for (int i = 0; i < p->requests; i++) {
		bool bad;

		make_req(s, &src, i, &bad);
		bad_ones += bad;
	}
	*ret_seen = (double)bad_ones / p->requests;
	return synth_judge(s, p->budget)->outcome;
}

/* The same with --stop-early.  Return: the run's verdict; @ret_s: when it ended */
static enum bo_outcome one_stopped(struct synth *s, const struct sim_process *p, double share,
				   int *ret_s)
{
	struct bo_phase_span *fault = &s->run->phases[BO_PHASE_FAULT];
	int64_t end_ns = fault->end_ns;
	struct bo_stop *stop = NULL;
	struct source src;
	int n = 0;

	s->run->requests.len = 0;
	s->run->loads.len = 0;
	s->plan->budgets.len = 0;
	synth_budget(s, p->budget);
	source_init(&src, p, share, &s->rng);
	if (bo_stop_new(&stop, s->plan, NULL))
		abort();
	while (n < p->requests) {
		char why[256];
		bool bad;

		make_req(s, &src, n++, &bad);
		bo_stop_add(stop, &s->run->requests.items[s->run->requests.len - 1],
			    BO_PHASE_FAULT);
		if (n % RATE == 0 &&
		    bo_stop_ask(stop, BO_PHASE_FAULT, 0, why, sizeof(why)) != BO_SEQ_OPEN)
			break;
	}
	bo_stop_free(stop);
	*ret_s = n < p->requests ? n / RATE : 0;
	fault->end_ns = fault->start_ns + n * (SYNTH_S / RATE);
	synth_judge(s, NULL);
	fault->end_ns = end_ns;
	return s->run->verdict.budgets.items[0].outcome;
}

static void count(struct sim_rate *rate, enum bo_outcome outcome, bool broken, int runs)
{
	rate->pass += (outcome == BO_PASS) / (double)runs;
	rate->fail += (outcome == BO_FAIL) / (double)runs;
	rate->pass_broken += (outcome == BO_PASS && broken) / (double)runs;
	rate->fail_kept += (outcome == BO_FAIL && !broken) / (double)runs;
}

/* When half of @runs had ended, @ended[t] at second t; 0: they never had. */
static int half_by(const int *ended, int seconds, int runs)
{
	int n = 0;

	for (int t = 1; t <= seconds; t++) {
		n += ended[t];
		if (2 * n >= runs)
			return t;
	}
	return 0;
}

struct sim_rate sim_verdicts(const struct sim_process *p, double share, int runs, uint64_t seed)
{
	struct sim_rate rate = { 0 };
	struct synth s;

	synth_init(&s, seed);
	synth_phase(&s, BO_PHASE_FAULT, (int64_t)p->requests * SYNTH_S / RATE);
	for (int i = 0; i < runs; i++) {
		double seen;
		enum bo_outcome outcome = one_run(&s, p, share, &seen);

		count(&rate, outcome, seen > p->limit + 1e-12, runs);
	}
	synth_done(&s);
	return rate;
}

struct sim_rate sim_stopped(const struct sim_process *p, double share, int runs, uint64_t seed,
			    int *ret_median_s)
{
	int *ended = calloc((size_t)(p->requests / RATE) + 1, sizeof(*ended));
	struct sim_rate rate = { 0 };
	struct synth s;

	if (!ended)
		abort();
	synth_init(&s, seed);
	synth_phase(&s, BO_PHASE_HEAL, 0);
	synth_phase(&s, BO_PHASE_FAULT, (int64_t)p->requests * SYNTH_S / RATE);
	for (int i = 0; i < runs; i++) {
		int t;
		enum bo_outcome outcome = one_stopped(&s, p, share, &t);

		count(&rate, outcome, share > p->limit, runs);
		ended[t]++;
	}
	ended[0] = 0; /* those that went on to the end */
	*ret_median_s = half_by(ended, p->requests / RATE, runs);
	free(ended);
	synth_done(&s);
	return rate;
}

/* A spell multiplies all latencies of its time: its logarithm follows itself from second to second. */
static void shift_phase(struct synth *s, enum bo_phase phase, double median_ns, double serial_s)
{
	double spell = rng_normal(&s->rng), keep = serial_s > 0 ? exp(-1.0 / RATE / serial_s) : 0;

	for (int64_t t = synth_start(s, phase); t < synth_end(s, phase); t += SYNTH_S / RATE) {
		double z = rng_normal(&s->rng);

		spell = keep * spell + sqrt(1 - keep * keep) * rng_normal(&s->rng);
		synth_req(s, t,
			  (int64_t)(median_ns * exp(0.6 * z + (serial_s > 0 ? 0.1 * spell : 0))),
			  BO_REQ_OK);
	}
}

struct sim_rate sim_shifts(double ratio, double serial_s, int base_s, int fault_s, int runs,
			   uint64_t seed)
{
	struct sim_rate rate = { 0 };
	struct synth s;

	synth_init(&s, seed);
	synth_phase(&s, BO_PHASE_BASE, base_s * SYNTH_S);
	synth_phase(&s, BO_PHASE_FAULT, fault_s * SYNTH_S);
	for (int i = 0; i < runs; i++) {
		s.run->requests.len = 0;
		s.run->loads.len = 0;
		shift_phase(&s, BO_PHASE_BASE, 20e6, serial_s);
		shift_phase(&s, BO_PHASE_FAULT, 20e6 * ratio, serial_s);
		count(&rate, synth_judge(&s, "latency.shift <= 20% in fault")->outcome, ratio > 1.2,
		      runs);
	}
	synth_done(&s);
	return rate;
}

struct sim_rate sim_early(double share, double burst, int seconds, int runs, uint64_t seed,
			  int *ret_median_s)
{
	struct sim_rate rate = { 0 };
	int *stopped = calloc((size_t)seconds + 1, sizeof(*stopped));
	struct bo_rng rng;

	if (!stopped)
		abort();
	bo_rng_init(&rng, seed, 0);
	for (int i = 0; i < runs; i++) {
		bool burning = bo_rng_unit(&rng) < share;
		struct bo_seq seq;
		int t = 0;

		bo_seq_init(&seq, 0.01, SLO_ALPHA);
		for (enum bo_seq_answer a = BO_SEQ_OPEN; a == BO_SEQ_OPEN && t < seconds; t++) {
			int bad = 0;

			for (int j = 0; j < RATE; j++)
				bad += burst > 1 ? in_burst(&burning, share, burst, &rng)
						 : bo_rng_unit(&rng) < share;
			a = bo_seq_feed(&seq, RATE, bad);
		}
		if (seq.answer != BO_SEQ_OPEN)
			stopped[t]++;
		count(&rate,
		      seq.answer == BO_SEQ_WITHIN   ? BO_PASS
		      : seq.answer == BO_SEQ_BEYOND ? BO_FAIL
						    : BO_INCONCLUSIVE,
		      share > 0.01, runs);
	}
	*ret_median_s = half_by(stopped, seconds, runs);
	free(stopped);
	return rate;
}
