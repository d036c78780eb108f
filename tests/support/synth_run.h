/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/synth_run.h — runs whose truth is known, made without a lab. The plan: client,
 * subject "orders", dependency "db", a load "checkout" of 200/s with a timeout of 5 s, and the
 * phases warmup 1 s, base 5 s, fault 10 s, hold 4 s, heal 5 s, settle 5 s, which happen exactly as
 * planned.
 * Owns: plan and run.  Threads: none.  Privilege: none. */
#pragma once
#include <stdint.h>

#include "brownout/base/clock.h"
#include "brownout/base/rng.h"
#include "brownout/model/run.h"

#define SYNTH_MS BO_NSEC_PER_MSEC
#define SYNTH_S BO_NSEC_PER_SEC
#define SYNTH_ORDERS 1
#define SYNTH_DB 2

struct synth {
	struct bo_plan *plan;
	struct bo_run *run;
	struct bo_rng rng;
};

/* Every allocation failure in here aborts the test. */
void synth_init(struct synth *s, uint64_t seed);
void synth_done(struct synth *s);
/** synth_phase() - change the length of a phase; call before anything is recorded */
void synth_phase(struct synth *s, enum bo_phase phase, int64_t length_ns);
int64_t synth_start(const struct synth *s, enum bo_phase phase);
int64_t synth_end(const struct synth *s, enum bo_phase phase);
void synth_budget(struct synth *s, const char *text);
/** synth_judge() - judge the run with this as its only budget; [borrowed: until the next call] */
const struct bo_budget_result *synth_judge(struct synth *s, const char *text);

/** synth_req() - one request, due at @at_ns and over after @latency_ns */
void synth_req(struct synth *s, int64_t at_ns, int64_t latency_ns, enum bo_req_class cls);
/** synth_steady() - requests evenly over [@from_ns, @to_ns), all alike */
void synth_steady(struct synth *s, int64_t from_ns, int64_t to_ns, double rate, int64_t latency_ns,
		  enum bo_req_class cls);
/** synth_quiet_load() - 200/s of good 20 ms responses in every phase with load but those of @except
 * (bits) */
void synth_quiet_load(struct synth *s, unsigned except);

/** synth_sample() - append to a series, which is made when it is new */
void synth_sample(struct synth *s, const char *series, int node, int64_t t_ns, double value);
/** synth_flat() - one sample every 100 ms in [@from_ns, @to_ns) */
void synth_flat(struct synth *s, const char *series, int node, int64_t from_ns, int64_t to_ns,
		double value);
void synth_gap(struct synth *s, const char *series, int node, int64_t from_ns, int64_t to_ns,
	       const char *reason);

/** synth_fault() - a delay on orders-db over the phases @from … @to, with its record */
void synth_fault(struct synth *s, enum bo_phase from, enum bo_phase to, enum bo_confirm confirm);
