/* SPDX-License-Identifier: Apache-2.0 */
/* slo/scope.c — which requests and which stretches of time a question is about.
 * A request belongs to the phase in which it was *intended*, whenever it ended: what the fault
 * made late counts for the fault.  Warm-up is never judged, but for counters of the whole run (OOM
 * kills).
 * Owns: the sorted views of the run's requests.  Threads: none.  Privilege: none. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/vec.h"
#include "groups.h"
#include "metric.h"
#include "samples.h"
#include "scope.h"
#include "syntax.h"

static int cmp_ns(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int order_intended(const void *a, const void *b)
{
	const struct bo_req *x = *(const struct bo_req *const *)a,
			    *y = *(const struct bo_req *const *)b;

	return cmp_ns(x->intended_ns, y->intended_ns);
}

static int order_end(const void *a, const void *b)
{
	const struct bo_req *x = *(const struct bo_req *const *)a,
			    *y = *(const struct bo_req *const *)b;

	return cmp_ns(x->end_ns, y->end_ns);
}

int slo_ctx_init(struct slo_ctx *ctx, const struct bo_run *run, struct bo_err *err)
{
	size_t n = run->requests.len;

	memset(ctx, 0, sizeof(*ctx));
	ctx->run = run;
	ctx->plan = run->plan;
	ctx->nreqs = n;
	ctx->by_intended = calloc(n + 1, sizeof(struct bo_req *));
	ctx->by_end = calloc(n + 1, sizeof(struct bo_req *));
	ctx->judged_errors = calloc(run->plan->loads.len + 1, sizeof(unsigned));
	ctx->derived = slo_derived_new();
	if (!ctx->by_intended || !ctx->by_end || !ctx->judged_errors || !ctx->derived) {
		slo_ctx_done(ctx);
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory for %zu requests", n);
	}
	for (size_t i = 0; i < n; i++)
		ctx->by_intended[i] = ctx->by_end[i] = &run->requests.items[i];
	qsort(ctx->by_intended, n, sizeof(struct bo_req *), order_intended);
	qsort(ctx->by_end, n, sizeof(struct bo_req *), order_end);
	return 0;
}

void slo_ctx_done(struct slo_ctx *ctx)
{
	free(ctx->by_intended);
	free(ctx->by_end);
	free(ctx->judged_errors);
	slo_derived_free(ctx->derived);
	bo_vec_done(&ctx->judged_routes);
	bo_vec_done(&ctx->refs);
	memset(ctx, 0, sizeof(*ctx));
}

bool slo_phase_happened(const struct bo_run *run, enum bo_phase phase)
{
	const struct bo_phase_span *s = &run->phases[phase];

	return s->start_ns != SLO_NEVER && s->end_ns != SLO_NEVER && s->end_ns > s->start_ns;
}

unsigned slo_cmp_phases(const struct slo_cmp *cmp)
{
	enum bo_phase from = cmp->from, to = cmp->to;
	unsigned bits = 0;

	if (to == BO_PHASE_COUNT && cmp->metric->scope == SLO_SCOPE_FAULT) {
		from = to = BO_PHASE_FAULT;
	} else if (to == BO_PHASE_COUNT) {
		from = cmp->metric->scope == SLO_SCOPE_RUN ? BO_PHASE_WARMUP : BO_PHASE_BASE;
		to = BO_PHASE_SETTLE;
	}
	for (int i = (int)from; i <= (int)to; i++) {
		if (cmp->metric->scope == SLO_SCOPE_DRAINED && i != BO_PHASE_HOLD &&
		    i != BO_PHASE_SETTLE)
			continue;
		if (!(cmp->metric->flags & SLO_M_REQUESTS) || bo_phase_has_load((enum bo_phase)i))
			bits |= SLO_PHASE_BIT(i);
	}
	return bits;
}

size_t slo_spans(const struct bo_run *run, unsigned phases, struct slo_span ret[BO_PHASE_COUNT])
{
	size_t n = 0;
	bool join = false;

	for (int i = 0; i < BO_PHASE_COUNT; i++) {
		const struct bo_phase_span *s = &run->phases[i];

		if (!slo_phase_happened(run, (enum bo_phase)i))
			continue;
		if (!(phases & SLO_PHASE_BIT(i))) {
			join = false;
			continue;
		}
		/* Spans are what really was, so the end of one and the start of the next may differ
		 * a little. */
		if (join)
			ret[n - 1].to_ns = s->end_ns;
		else
			ret[n++] = (struct slo_span){ s->start_ns, s->end_ns };
		join = true;
	}
	return n;
}

size_t slo_ask_spans(const struct slo_ask *ask, struct slo_span ret[BO_PHASE_COUNT])
{
	struct slo_span all[BO_PHASE_COUNT];
	size_t n = slo_spans(ask->ctx->run, ask->phases, all), kept = 0;

	for (size_t i = 0; i < n; i++) {
		struct slo_span s = all[i];

		if (s.from_ns < ask->clip.from_ns)
			s.from_ns = ask->clip.from_ns;
		if (s.to_ns > ask->clip.to_ns)
			s.to_ns = ask->clip.to_ns;
		if (s.from_ns < s.to_ns)
			ret[kept++] = s;
	}
	return kept;
}

size_t slo_lower_bound(const struct bo_req *const *reqs, size_t n, bool by_end, int64_t t_ns)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int64_t at = by_end ? reqs[mid]->end_ns : reqs[mid]->intended_ns;

		if (at < t_ns)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static const struct bo_route_spec *route_of(const struct bo_load_spec *load, const char *name)
{
	for (size_t i = 0; i < load->nroutes; i++) {
		if (strcmp(load->routes[i].name, name) == 0)
			return &load->routes[i];
	}
	return NULL;
}

bool slo_load_counts(const struct bo_plan *plan, const struct slo_cmp *cmp, unsigned index)
{
	if (index >= plan->loads.len)
		return false;
	if (cmp->route && !route_of(&plan->loads.items[index], cmp->route))
		return false;
	if (cmp->load)
		return strcmp(plan->loads.items[index].name, cmp->load) == 0;
	if (plan->loads.items[index].kind == BO_LOAD_REQUESTS)
		return true;
	/* Long-lived connections ask once each: they speak only when there is nothing else to
	 * listen to. */
	bo_vec_foreach(load, &plan->loads) {
		if (load->kind == BO_LOAD_REQUESTS)
			return false;
	}
	return true;
}

bool slo_req_counts(const struct bo_plan *plan, const struct slo_cmp *cmp, const struct bo_req *req)
{
	const struct bo_load_spec *load;

	if (!slo_load_counts(plan, cmp, req->load))
		return false;
	if (!cmp->route)
		return true;
	load = &plan->loads.items[req->load];
	return req->route < load->nroutes && strcmp(load->routes[req->route].name, cmp->route) == 0;
}

double slo_route_share(const struct bo_plan *plan, const struct slo_cmp *cmp, unsigned index)
{
	const struct bo_load_spec *load = &plan->loads.items[index];
	const struct bo_route_spec *route;
	double sum = 0;

	if (!slo_load_counts(plan, cmp, index))
		return 0;
	if (!cmp->route)
		return 1;
	route = route_of(load, cmp->route);
	for (size_t i = 0; i < load->nroutes; i++)
		sum += load->routes[i].weight;
	return sum > 0 ? route->weight / sum : 0;
}

void slo_estimate_none(struct slo_estimate *est)
{
	*est = (struct slo_estimate){
		.value = NAN, .lower = -INFINITY, .upper = INFINITY, .breach_ns = SLO_NEVER
	};
}
