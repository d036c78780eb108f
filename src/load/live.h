/* SPDX-License-Identifier: Apache-2.0 */
/* live.h — the last full second, for the status line.
 * Written by the load's thread once a second, read by any thread without ever holding it up.
 * Owns: nothing outside itself.  Threads: one writer, any readers.  Privilege: none. */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

#include "brownout/load/load.h"
#include "brownout/model/run.h"

/* 32 steps per power of two: 3 % wide, enough for a line that people read; 1 ns … 2^42 ns (1.2 h).
 * */
#define BO_LIVE_SUB 32
#define BO_LIVE_BUCKETS (BO_LIVE_SUB * 38)

struct bo_live {
	/* writer's own */
	int64_t second_ends_ns;
	uint64_t offered;
	uint64_t done;
	uint64_t errors;
	uint32_t counts[BO_LIVE_BUCKETS];
	/* published under @seq: odd while being written */
	_Atomic uint64_t seq;
	_Atomic uint64_t pub_offered;
	_Atomic uint64_t pub_done;
	_Atomic uint64_t pub_errors;
	_Atomic int64_t pub_p50_ns;
	_Atomic int64_t pub_p99_ns;
	/* published one by one */
	_Atomic uint64_t inflight;
	_Atomic uint64_t connections;
	_Atomic uint64_t all_offered;
	_Atomic uint64_t all_ended;
};

/** bo_live_init() - @now_ns: the first second starts here */
void bo_live_init(struct bo_live *live, int64_t now_ns);
/** bo_live_roll() - publish the second if it is over; call before counting anything that happened
 * at @now_ns */
void bo_live_roll(struct bo_live *live, int64_t now_ns);
/** bo_live_ended() - a request ended; @latency_ns from its intended time */
void bo_live_ended(struct bo_live *live, enum bo_req_class cls, int64_t latency_ns);
void bo_live_read(struct bo_live *live, struct bo_load_live *ret);
