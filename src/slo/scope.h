/* SPDX-License-Identifier: Apache-2.0 */
/* slo/scope.h — a run, prepared for questions: its requests in order, the phases that happened, who is asked about.
 * Owns: the sorted requests and the series derived from snapshots, until slo_ctx_done().
 * Threads: none.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brownout/base/err.h"
#include "brownout/base/vec.h"
#include "brownout/model/run.h"
#include "syntax.h"

#define SLO_NEVER INT64_MIN /* no instant */
#define SLO_PHASE_BIT(phase) (1u << (phase))

struct slo_derived_cache;

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
