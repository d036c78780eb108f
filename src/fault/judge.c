/* SPDX-License-Identifier: Apache-2.0 */
/* fault/judge.c — is what the probes met what was asked for?
 *
 *   delay      p50 of the probes is not below the request, and not above request + base path +
 *              max(1 ms, 5 %). With jitter: p50 within delay - max(1 ms, jitter/2) … delay + jitter
 *              + tolerance, and the probes are spread (or sit near delay + jitter, where an
 *              order-keeping wire puts dense traffic).
 *   loss       the count of lost probes lies inside the 99.9 % interval of the binomial
 *              distribution, and there were enough probes to tell such a loss from none at all.
 *   rate       goodput of packet trains within 15 %.
 *   blackhole  nothing of at least 20 probes arrived.
 * While a rate is in force the load may keep a queue standing: delay and loss are then judged only
 * from below.
 *
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <math.h>

#include "brownout/base/units.h"
#include "fault-internal.h"

#define PROBES_MIN 20u
#define TAIL 0.0005 /* of each side: 99.9 % in all */
#define DELAY_TOLERANCE_NS BO_NSEC_PER_MSEC
#define DELAY_TOLERANCE 0.05
#define RATE_TOLERANCE 0.15
/* A train that the prober would send at this rate: see lab/linkprobe.c. */
#define TRAIN_BITS (16 * 1228 * 8)
#define PROBES_PER_S 200.0

/** log_pmf() - logarithm of the probability of exactly @k of @n */
static double log_pmf(double k, double n, double p)
{
	return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(p) + (n - k) * log1p(-p);
}

/** tail() - probability of @from … @to of @n */
static double tail(uint64_t from, uint64_t to, uint64_t n, double p)
{
	double sum = 0;

	for (uint64_t i = from; i <= to; i++)
		sum += exp(log_pmf((double)i, (double)n, p));
	return sum;
}

static bool too_few(uint64_t k, uint64_t n, double p)
{
	return p >= 1 ? k < n : p > 0 && tail(0, k, n, p) < TAIL;
}

static bool too_many(uint64_t k, uint64_t n, double p)
{
	return p <= 0 ? k > 0 : p < 1 && tail(k, n, n, p) < TAIL;
}

bool bo_fault_binomial_fits(uint64_t k, uint64_t n, double p)
{
	return k <= n && !too_few(k, n, p) && !too_many(k, n, p);
}

/** struct trial - what all the judges below look at */
struct trial {
	struct bo_fault_record *record;
	struct bo_text *achieved;
	const char *name;
	const struct bo_impair *own;
	const struct bo_fault_window *window;
	const struct bo_link_measure *m;
	int64_t base_ns;
	bool first;
};

static void add_item(struct trial *t)
{
	bo_text_add(t->achieved, "%s", t->first ? " " : ", ");
	t->first = false;
}

static void judge_blackhole(struct trial *t)
{
	add_item(t);
	bo_text_add(t->achieved, "%llu of %llu probes arrived", (unsigned long long)t->m->received,
		    (unsigned long long)t->m->sent);
	if (t->m->received)
		bo_fault_verdict(t->record, BO_CONFIRM_OFF,
				 "%s: %llu of %llu probes came through the blackhole", t->name,
				 (unsigned long long)t->m->received,
				 (unsigned long long)t->m->sent);
	else
		bo_fault_verdict_ok(t->record);
}

/** judge_jitter() - true when the probes are spread as asked */
static bool judge_jitter(const struct trial *t)
{
	return t->m->delay_max_ns - t->m->delay_min_ns >= t->own->jitter_ns / 2 ||
	       t->m->delay_p50_ns >= t->own->delay_ns + t->own->jitter_ns / 2;
}

static void judge_delay(struct trial *t)
{
	const struct bo_impair *own = t->own;
	int64_t slack = (int64_t)(DELAY_TOLERANCE * (double)own->delay_ns);
	int64_t least = own->delay_ns, most;
	char p50[BO_UNIT_BUF], p99[BO_UNIT_BUF], low[BO_UNIT_BUF], high[BO_UNIT_BUF];

	slack = slack > DELAY_TOLERANCE_NS ? slack : DELAY_TOLERANCE_NS;
	if (own->jitter_ns)
		least -= own->jitter_ns / 2 > DELAY_TOLERANCE_NS ? own->jitter_ns / 2
								 : DELAY_TOLERANCE_NS;
	most = own->delay_ns + own->jitter_ns + t->base_ns + slack;

	add_item(t);
	if (t->m->received < PROBES_MIN) {
		bo_text_add(t->achieved, "delay not measured");
		bo_fault_verdict(t->record, BO_CONFIRM_UNKNOWN,
				 "%s: only %llu of %llu probes arrived, delay needs %u", t->name,
				 (unsigned long long)t->m->received, (unsigned long long)t->m->sent,
				 PROBES_MIN);
		return;
	}
	bo_text_add(t->achieved, "delay p50 %s p99 %s", bo_format_duration(t->m->delay_p50_ns, p50),
		    bo_format_duration(t->m->delay_p99_ns, p99));
	bo_format_duration(least, low);
	bo_format_duration(most, high);
	if (t->m->delay_p50_ns < least)
		bo_fault_verdict(t->record, BO_CONFIRM_OFF,
				 "%s: delay p50 is %s, expected at least %s", t->name, p50, low);
	else if (t->m->delay_p50_ns > most && !t->window->im.rate_bps)
		bo_fault_verdict(t->record, BO_CONFIRM_OFF,
				 "%s: delay p50 is %s, expected at most %s", t->name, p50, high);
	else if (own->jitter_ns && !judge_jitter(t))
		bo_fault_verdict(t->record, BO_CONFIRM_OFF,
				 "%s: the probes show no jitter (all within %s)", t->name,
				 bo_format_duration(t->m->delay_max_ns - t->m->delay_min_ns, low));
	else
		bo_fault_verdict_ok(t->record);
}

static void judge_loss(struct trial *t)
{
	double p = bo_loss_expected(&t->own->loss);
	uint64_t n = t->m->sent, lost = n - t->m->received;
	/* So many probes make losing none of them a one in a thousand chance. */
	double needed = p >= 1 ? PROBES_MIN : ceil(log(2 * TAIL) / log1p(-p));
	char takes[BO_UNIT_BUF];

	add_item(t);
	bo_text_add(t->achieved, "loss %.3g%% (%llu of %llu probes)",
		    (double)lost / (double)n * 100, (unsigned long long)lost,
		    (unsigned long long)n);
	if (too_few(lost, n, p) || (too_many(lost, n, p) && !t->window->im.rate_bps))
		bo_fault_verdict(
			t->record, BO_CONFIRM_OFF,
			"%s: %llu of %llu probes were lost, outside the 99.9%% interval of %.4g%%",
			t->name, (unsigned long long)lost, (unsigned long long)n, p * 100);
	else if ((double)n < needed)
		bo_fault_verdict(
			t->record, BO_CONFIRM_UNKNOWN,
			"%s: %llu probes cannot tell a loss of %.4g%% from none: that takes %.0f, about %s",
			t->name, (unsigned long long)n, p * 100, needed,
			bo_format_duration((int64_t)(needed / PROBES_PER_S * 1e9), takes));
	else
		bo_fault_verdict_ok(t->record);
}

static void judge_rate(struct trial *t)
{
	double asked = (double)t->own->rate_bps;
	double train_ns = (double)TRAIN_BITS / asked * (double)BO_NSEC_PER_SEC;
	char found[BO_UNIT_BUF], want[BO_UNIT_BUF];

	add_item(t);
	bo_format_bitrate(t->own->rate_bps, want);
	if (!t->m->goodput_bps) {
		bo_text_add(t->achieved, "rate not measured");
		bo_fault_verdict(
			t->record, BO_CONFIRM_UNKNOWN,
			"%s: no packet train came through while the rate of %s was in force",
			t->name, want);
		return;
	}
	bo_format_bitrate(t->m->goodput_bps, found);
	bo_text_add(t->achieved, "rate %s", found);
	if (2 * (double)t->window->im.jitter_ns > RATE_TOLERANCE * train_ns)
		bo_fault_verdict(
			t->record, BO_CONFIRM_UNKNOWN,
			"%s: jitter pulls packet trains apart, so a rate of %s cannot be measured",
			t->name, want);
	else if (fabs((double)t->m->goodput_bps - asked) > RATE_TOLERANCE * asked)
		bo_fault_verdict(t->record, BO_CONFIRM_OFF,
				 "%s: the rate is %s, expected %s within %.0f%%", t->name, found,
				 want, RATE_TOLERANCE * 100);
	else
		bo_fault_verdict_ok(t->record);
}

/** enough() - was there a window, and were there probes in it? */
static bool enough(struct trial *t)
{
	const struct bo_impair *im = &t->window->im;
	int64_t tail_ns = im->delay_ns + im->jitter_ns + t->base_ns + 100 * BO_NSEC_PER_MSEC;
	char had[BO_UNIT_BUF], takes[BO_UNIT_BUF];

	if (t->m->sent >= PROBES_MIN)
		return true;
	bo_text_add(t->achieved, " not measured");
	bo_format_duration(tail_ns + (int64_t)(PROBES_MIN / PROBES_PER_S * 1e9), takes);
	if (t->window->from_ns >= t->window->to_ns)
		bo_fault_verdict(
			t->record, BO_CONFIRM_UNKNOWN,
			"%s: never in force undisturbed long enough: that takes %s, for probes to arrive",
			t->name, takes);
	else
		bo_fault_verdict(
			t->record, BO_CONFIRM_UNKNOWN,
			"%s: only %llu probes in %s, at least %u are needed, which takes %s",
			t->name, (unsigned long long)t->m->sent,
			bo_format_duration(t->window->to_ns - t->window->from_ns, had), PROBES_MIN,
			takes);
	return false;
}

void bo_fault_judge(struct bo_fault_record *record, struct bo_text *achieved, const char *name,
		    const struct bo_impair *own, const struct bo_fault_window *window,
		    const struct bo_link_measure *m, int64_t base_p50_ns)
{
	struct trial t = {
		.record = record,
		.achieved = achieved,
		.name = name,
		.own = own,
		.window = window,
		.m = m,
		.base_ns = base_p50_ns,
		.first = true,
	};

	bo_text_add(achieved, "%s%s:", achieved->len ? "; " : "", name);
	if (!enough(&t))
		return;
	if (own->blackhole) {
		judge_blackhole(&t);
		return;
	}
	if (own->delay_ns)
		judge_delay(&t);
	if (!bo_loss_is_none(&own->loss))
		judge_loss(&t);
	if (own->rate_bps)
		judge_rate(&t);
}
