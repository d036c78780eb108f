/* SPDX-License-Identifier: Apache-2.0 */
/* harness/evidence.h — who the goroutines were: dumps, groups and differences in the run's folder, goroutines/.
 * Owns: copies of a few censuses, the folder's descriptor.  Threads: main, but for the observer, which the sampler calls
 * on its census thread between bo_sampler_start() and bo_sampler_stop().  Privilege: none. */
#pragma once
#include "brownout/model/run.h"
#include "brownout/probe/sampler.h"

struct bo_evidence;

/** bo_evidence_new() - before bo_sampler_start(): becomes @sampler's observer; @sampler outlives it */
BO_NODISCARD int bo_evidence_new(struct bo_evidence **ret, struct bo_run *run,
				 struct bo_sampler *sampler, int run_dir, struct bo_err *err);
/** bo_evidence_tick() - some 50 times a second; @left_ns: until @phase ends by plan */
void bo_evidence_tick(struct bo_evidence *evidence, enum bo_phase phase, int64_t in_ns,
		      int64_t left_ns);
/** bo_evidence_finish() - after bo_sampler_stop(): write the differences, note what could not be written */
void bo_evidence_finish(struct bo_evidence *evidence);
/** bo_evidence_name() - after judging: name the files with each goroutine budget that FAILs */
void bo_evidence_name(struct bo_evidence *evidence);
/** bo_evidence_free() - NULL is fine */
void bo_evidence_free(struct bo_evidence *evidence);

/** bo_evidence_tripwire() - the count above which a dump is taken at once: base × 3, and base + 500 */
double bo_evidence_tripwire(double base);
