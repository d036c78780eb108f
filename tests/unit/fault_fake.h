/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/fault_fake.h — a plan with two links and three nodes, and hands that play a lab: links
 * that delay and lose as they are told, processes that end and start, a memory limit.  They can be
 * told to lie: to say yes and do nothing.
 * Owns: the plan and the record of what was done.  Threads: none.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "brownout/base/clock.h"
#include "brownout/fault/fault.h"

#define SEC BO_NSEC_PER_SEC
#define MS BO_NSEC_PER_MSEC
#define FAKE_CHANGES 2048

/* Nodes: client (0), orders (1, 256 MiB), db (2, no limit).  Links: client-orders (0), orders-db
 * (1). */
enum { NODE_CLIENT, NODE_ORDERS, NODE_DB, NODES };
enum { LINK_FRONT, LINK_BACK, LINKS };

struct fake_change {
	int64_t at_ns;
	struct bo_impair im;
};

/** struct fake - the lab; what tests set is on top, what they look at below */
struct fake {
	bool lies;      /* says yes, does nothing */
	int fail_errno; /* every call fails with this */
	bool ignores_term;
	bool stays_down;                     /* node_start succeeds and nothing runs */
	int64_t unreclaimable;               /* [memory] limits below this are refused with EBUSY */
	int64_t base_delay_ns;               /* of every path */
	int64_t standing_queue_ns;           /* added where a rate is in force */
	int64_t late_ns;                     /* from a probe's time to the link */
	double rate_factor;                  /* what becomes of an asked rate */
	void (*twist)(struct bo_impair *im); /* what becomes of an asked impairment */
	struct bo_conn_counts conn_counts;   /* what every rule on connections has done */

	struct bo_plan *plan;
	struct bo_hands hands;
	struct bo_machine machine;
	struct bo_fault_record records[16];
	struct fake_change changes[LINKS][BO_DIR_COUNT][FAKE_CHANGES];
	size_t nchanges[LINKS][BO_DIR_COUNT];
	struct bo_conn_rule rules[LINKS][BO_CONN_RULES_MAX];
	size_t nrules[LINKS];
	bool probing[LINKS][BO_DIR_COUNT];
	struct bo_node_state nodes[NODES];
	struct bo_mem_stat memory[NODES];
	int kills, terms, starts, pauses, resumes, limits;
};

/** fake_now - the clock of all of them */
extern int64_t fake_now;
int64_t fake_clock(void);

struct fake *fake_new(void);
void fake_free(struct fake *fake);
/** fake_fault() - add a fault to the plan; active in phase FAULT (10 s) unless changed afterwards
 */
struct bo_fault_spec *fake_fault(struct fake *fake, const char *kind, enum bo_target target,
				 int index, const struct bo_arg *args, size_t nargs);
/** fake_impair() - what the link is doing now */
struct bo_impair fake_impair(const struct fake *fake, int link, enum bo_dir dir);

#define STR(k, v)                                             \
	{                                                     \
		.key = (k), .type = BO_ARG_STRING, .str = (v) \
	}
#define NUM(k, v)                                             \
	{                                                     \
		.key = (k), .type = BO_ARG_NUMBER, .num = (v) \
	}
#define BOOLEAN(k, v)                                           \
	{                                                       \
		.key = (k), .type = BO_ARG_BOOL, .boolean = (v) \
	}
#define ARGS(...)                               \
	(const struct bo_arg[]){ __VA_ARGS__ }, \
		sizeof((const struct bo_arg[]){ __VA_ARGS__ }) / sizeof(struct bo_arg)
