/* SPDX-License-Identifier: Apache-2.0 */
/* slo/seq.c — a share against a limit, asked again and again.
 *
 * A bound that is right in 99 of 100 runs when it is asked once is wrong far more often when it is
 * asked every second until it says something.  So two bets are kept instead, one that the share is
 * above the limit L and one that it is below: the mean over all p on that side of the likelihood
 * ratio of p against L,
 *
 *     M = ∫ p^k (1-p)^(n-k) dπ(p) / L^k (1-L)^(n-k),   π: Beta(1/2, 1/2 · (1-L)/L) cut at L.
 *
 * Wherever the truth is on the other side (or at L), M is expected never to rise, so the chance that
 * it *ever* reaches 1/α is at most α (Ville 1939; Robbins 1970; Ramdas et al. 2023, "Game-theoretic
 * statistics and safe anytime-valid inference").  Wald's SPRT is the same with one p instead of all,
 * which has to be known beforehand; the mixture costs little and needs none.
 *
 * Bursts would make the bets win too easily: n and k are divided by their dispersion, for both sides,
 * since an early answer is about the service and not about the second that was just seen.
 *
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/vec.h"
#include "brownout/slo/sequential.h"
#include "metric.h"
#include "request.h"
#include "scope.h"
#include "stats.h"
#include "syntax.h"

/* Below this many batches a dispersion says nothing, and neither do we. */
#define MIN_BATCHES 5
/* Nor does it with fewer bad ones than this, and a burst may yet come: then bad ones are taken to come
 * five at a time. */
#define MIN_BAD 10
#define UNSEEN_DISPERSION 5
/* The verdict is reached on what was seen by then, with another estimate of the dispersion; a little more than just
 * enough keeps a PASS from becoming INCONCLUSIVE by being early. */
#define WITHIN_IN_A_ROW 5

void bo_seq_init(struct bo_seq *seq, double limit, double alpha)
{
	*seq = (struct bo_seq){ .limit = limit, .alpha = alpha, .answer = BO_SEQ_OPEN };
}

/* ln M of the side @above. */
static double log_bet(const struct bo_seq *seq, double n, double k, bool above)
{
	double l = seq->limit, a = 0.5, b = 0.5 * (1 - l) / l;
	double prior = slo_beta_side(a, b, l, above),
	       post = slo_beta_side(a + k, b + n - k, l, above);

	return post - prior - k * log(l) - (n - k) * log1p(-l);
}

/* As slo_dispersion(), of sums that can be kept up. */
static double dispersion(const struct bo_seq *seq)
{
	double p = seq->k / seq->n, df = seq->batches - 1, d, t;
	double floor = seq->k < MIN_BAD ? UNSEEN_DISPERSION : 1;

	if (seq->k <= 0 || seq->k >= seq->n)
		return floor;
	/* Σ (kᵢ - nᵢp)² / nᵢ = Σ kᵢ²/nᵢ - n·p² */
	d = (seq->k2_over_n - seq->n * p * p) / (df * p * (1 - p));
	if (d <= 1 + sqrt(2 / df))
		return floor;
	t = slo_t_quantile(df, seq->alpha) / slo_normal_quantile(seq->alpha);
	return fmax(d * t * t, floor);
}

static void count(struct bo_seq *seq, double n, double k)
{
	seq->n += n;
	seq->k += k;
	seq->k2_over_n += k * k / n;
	seq->batches++;
}

/* With @open_n more, of which @open_k are bad: supposed, not seen, so they say nothing of how bad ones come. */
static enum bo_seq_answer answer(const struct bo_seq *seq, double open_n, double open_k)
{
	double d, n, k, least = -log(seq->alpha);

	if (seq->batches < MIN_BATCHES)
		return BO_SEQ_OPEN;
	d = dispersion(seq);
	n = (seq->n + open_n) / d;
	k = (seq->k + open_k) / d;
	if (log_bet(seq, n, k, true) >= least)
		return BO_SEQ_BEYOND;
	return log_bet(seq, n, k, false) >= least ? BO_SEQ_WITHIN : BO_SEQ_OPEN;
}

enum bo_seq_answer bo_seq_feed(struct bo_seq *seq, double n, double k)
{
	if (seq->answer != BO_SEQ_OPEN || n <= 0)
		return seq->answer;
	count(seq, n, k);
	seq->answer = answer(seq, 0, 0);
	return seq->answer;
}

/* ---- the budgets of a plan ---- */

/* struct term - one comparison: @low of what is surely bad, @high of what may be; for facts (none may
 * be bad, or so many) @broken */
struct term {
	size_t budget;
	const struct slo_cmp *cmp;
	bool fact;
	bool warns; /* its budget only warns: no run ends for that */
	bool broken;
	struct bo_seq low;
	struct bo_seq high;
	double n;
	double bad;
	double open;
	double all_bad;
};

struct bo_stop {
	const struct bo_plan *plan;
	BO_VEC(struct bo_budget *) budgets;
	BO_VEC(struct term) terms;
	bool partial; /* some budget is not one of these */
	int within;   /* times in a row that all were kept */
};

static bool is_latency(const struct slo_cmp *cmp)
{
	return cmp->metric->unit == SLO_UNIT_DURATION;
}

/* What the share of bad ones is held against; NAN: this comparison is never certain early. */
static double share_limit(const struct slo_cmp *cmp, bool *ret_fact)
{
	const char *name = cmp->metric->name;

	*ret_fact = false;
	if (!(cmp->metric->flags & SLO_M_STEADY) || cmp->limit_kind != SLO_LIMIT_ABSOLUTE ||
	    cmp->window_ns || !slo_this_good(cmp) || cmp->op == SLO_EQ)
		return NAN;
	if (strcmp(name, "latency.max") == 0 || strcmp(name, "errors.count") == 0)
		*ret_fact = true;
	else if (is_latency(cmp) && isnan(cmp->quantile)) /* a mean is no share */
		return NAN;
	else if (is_latency(cmp))
		return 1 - cmp->quantile;
	else if (strcmp(name, "availability") == 0)
		return 1 - cmp->limit;
	return *ret_fact ? 0.5 : cmp->limit;
}

static int add_terms(struct bo_stop *stop, const struct slo_expr *expr, struct bo_err *err)
{
	struct term t = { .budget = stop->budgets.len - 1,
			  .cmp = &expr->cmp,
			  .warns = stop->budgets.items[stop->budgets.len - 1]->warn };
	double limit;

	if (expr->kind == SLO_EXPR_AND) {
		int r = add_terms(stop, expr->left, err);

		return r < 0 ? r : add_terms(stop, expr->right, err);
	}
	limit = expr->kind == SLO_EXPR_CMP ? share_limit(&expr->cmp, &t.fact) : NAN;
	if (!(limit > 0 && limit < 1)) {
		stop->partial = true;
		return 0;
	}
	bo_seq_init(&t.low, limit, SLO_ALPHA);
	bo_seq_init(&t.high, limit, SLO_ALPHA);
	if (!bo_vec_push(&stop->terms, t))
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory");
	return 0;
}

int bo_stop_new(struct bo_stop **ret, const struct bo_plan *plan, struct bo_err *err)
{
	struct bo_stop *stop = calloc(1, sizeof(*stop));
	int r = 0;

	if (!stop)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory");
	stop->plan = plan;
	stop->partial = !plan->budgets.len;
	for (size_t i = 0; r == 0 && i < plan->budgets.len; i++) {
		struct bo_budget *budget = NULL;

		r = bo_budget_parse(&budget, plan->budgets.items[i].text, err);
		if (r == 0 && !bo_vec_push(&stop->budgets, budget)) {
			bo_budget_free(budget);
			r = bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory");
		}
		if (r == 0)
			r = add_terms(stop, budget->root, err);
	}
	if (r < 0) {
		bo_stop_free(stop);
		return r;
	}
	*ret = stop;
	return 0;
}

void bo_stop_free(struct bo_stop *stop)
{
	if (!stop)
		return;
	bo_vec_foreach(budget, &stop->budgets)
		bo_budget_free(*budget);
	bo_vec_done(&stop->budgets);
	bo_vec_done(&stop->terms);
	free(stop);
}

/* As metric_latency.c sees it; what an errors budget would judge is open here, which only delays. */
static void add_latency(struct term *t, const struct bo_req *req)
{
	enum slo_answer ended = slo_answer_of(req);
	bool out = slo_breaks(t->cmp->op, (double)(req->end_ns - req->intended_ns), t->cmp->limit);

	t->n++;
	if (ended != SLO_UNSENT && out)
		t->bad++;
	else if (ended != SLO_ANSWERED)
		t->open++;
}

static void add_error(struct term *t, const struct bo_req *req)
{
	enum bo_req_class cls = (enum bo_req_class)req->cls;
	bool bad = t->cmp->cls ? slo_class_matches(t->cmp->cls, cls) : bo_req_class_is_error(cls);

	if (!t->cmp->cls && cls == BO_REQ_ABANDONED)
		return;
	t->n++;
	t->bad += bad;
	t->open += cls == BO_REQ_INFLIGHT && !bad;
}

void bo_stop_add(struct bo_stop *stop, const struct bo_req *req, enum bo_phase phase)
{
	bo_vec_foreach(t, &stop->terms) {
		if (!(slo_cmp_phases(t->cmp) & SLO_PHASE_BIT(phase)) ||
		    !slo_load_counts(stop->plan, t->cmp, req->load))
			continue;
		if (is_latency(t->cmp))
			add_latency(t, req);
		else
			add_error(t, req);
	}
}

/* A share that is certain, whatever the @inflight requests come to. */
static enum bo_seq_answer share_now(const struct term *t, double inflight)
{
	if (answer(&t->low, inflight, 0) == BO_SEQ_BEYOND)
		return BO_SEQ_BEYOND;
	return answer(&t->high, inflight, inflight) == BO_SEQ_WITHIN ? BO_SEQ_WITHIN : BO_SEQ_OPEN;
}

static enum bo_seq_answer term_now(struct term *t, double inflight)
{
	if (t->n > 0) {
		count(&t->low, t->n, t->bad);
		count(&t->high, t->n, t->bad + t->open);
	}
	t->all_bad += t->bad;
	t->n = t->bad = t->open = 0;
	if (!t->fact)
		return share_now(t, inflight);
	t->broken = is_latency(t->cmp) ? t->all_bad > 0
				       : slo_breaks(t->cmp->op, t->all_bad, t->cmp->limit);
	return t->broken ? BO_SEQ_BEYOND : BO_SEQ_OPEN;
}

/* May a phase after @phase still change what @t comes to? */
static bool goes_on(const struct bo_stop *stop, const struct term *t, enum bo_phase phase)
{
	for (int i = (int)phase + 1; i < BO_PHASE_COUNT; i++) {
		if ((slo_cmp_phases(t->cmp) & SLO_PHASE_BIT(i)) && stop->plan->phase_ns[i] > 0)
			return true;
	}
	return false;
}

enum bo_seq_answer bo_stop_ask(struct bo_stop *stop, enum bo_phase phase, size_t inflight,
			       char *buf, size_t size)
{
	const struct term *beyond = NULL;
	bool within = !stop->partial;

	bo_vec_foreach(t, &stop->terms) {
		enum bo_seq_answer now = term_now(t, (double)inflight);

		if (now == BO_SEQ_BEYOND && !t->warns && !beyond)
			beyond = t;
		within = within && now == BO_SEQ_WITHIN && !goes_on(stop, t, phase);
	}
	if (beyond) {
		snprintf(buf, size, "'%s' is broken: %.0f of %.0f requests are out of bounds",
			 stop->plan->budgets.items[beyond->budget].text, beyond->all_bad,
			 beyond->low.n);
		return BO_SEQ_BEYOND;
	}
	stop->within = within ? stop->within + 1 : 0;
	if (stop->within < WITHIN_IN_A_ROW)
		return BO_SEQ_OPEN;
	snprintf(buf, size, "every budget is kept, and more requests would not change that");
	return BO_SEQ_WITHIN;
}
