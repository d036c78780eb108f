/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/slo/sequential.h — is the outcome certain already?  Looking often must not make errors likely,
 * so this is a test that stays valid however often it is asked; docs/statistics.md has the sources.
 * Owns: what it has counted.  Threads: one at a time.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "brownout/base/err.h"
#include "brownout/model/run.h"

enum bo_seq_answer {
	BO_SEQ_OPEN,   /* go on */
	BO_SEQ_WITHIN, /* the share is at most the limit */
	BO_SEQ_BEYOND, /* the share is above the limit */
};

/**
 * struct bo_seq - a share of bad ones against a limit, batch by batch
 * @limit: 0 < limit < 1;  @alpha: chance, at most, of ever giving either answer wrongly
 */
struct bo_seq {
	double limit;
	double alpha;
	double n;
	double k;
	double batches;
	double k2_over_n;
	enum bo_seq_answer answer;
};
void bo_seq_init(struct bo_seq *seq, double limit, double alpha);
/** bo_seq_feed() - @k bad ones among @n more, of a stretch of about a second; the answer, once given, stays */
enum bo_seq_answer bo_seq_feed(struct bo_seq *seq, double n, double k);

struct bo_stop;

/** bo_stop_new() - the budgets of a checked @plan [borrowed: as long as it];  free with bo_stop_free() */
BO_NODISCARD int bo_stop_new(struct bo_stop **ret, const struct bo_plan *plan, struct bo_err *err);
void bo_stop_free(struct bo_stop *stop);
/** bo_stop_add() - one request has ended; @phase: the one in which it was due */
void bo_stop_add(struct bo_stop *stop, const struct bo_req *req, enum bo_phase phase);
/**
 * bo_stop_ask() - call about once a second: everything added since the last call is one batch
 * @inflight: requests that are due and have not ended: they may be the slow ones, or the good ones
 * @buf: [out] filled unless BO_SEQ_OPEN: which budget, and what was counted
 * Return: BEYOND when a budget is broken beyond doubt; WITHIN when every budget of the plan is kept beyond
 * doubt and needs no phase after @phase; else OPEN.  A budget that only warns is never BEYOND.  Only budgets of latency percentiles and maxima and
 * of errors, with absolute limits and without windows, are ever certain.
 */
enum bo_seq_answer bo_stop_ask(struct bo_stop *stop, enum bo_phase phase, size_t inflight,
			       char *buf, size_t size);
