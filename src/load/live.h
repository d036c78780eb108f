/* SPDX-License-Identifier: Apache-2.0 */
/* live.h — the last full second of a load, for guards and the status line.
 * Written by the load's thread once a second, read by any thread without ever holding it up.
 * Owns: nothing outside itself.  Threads: one writer, any readers.  Privilege: none. */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

#include "brownout/model/live.h"

struct bo_live {
	/* writer's own */
	int64_t second_ends_ns;
	uint64_t offered;
	int64_t latency_sum_ns;
	uint32_t latencies[BO_LIVE_BUCKETS];
	uint32_t ended[BO_REQ_CLASS_COUNT];
	uint64_t ended_all[BO_REQ_CLASS_COUNT];
	/* published under @seq: odd while being written */
	_Atomic uint64_t seq;
	_Atomic uint64_t pub_offered;
	_Atomic int64_t pub_latency_sum_ns;
	_Atomic uint32_t pub_latencies[BO_LIVE_BUCKETS];
	_Atomic uint32_t pub_ended[BO_REQ_CLASS_COUNT];
	_Atomic uint64_t pub_ended_all[BO_REQ_CLASS_COUNT];
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
