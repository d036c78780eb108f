/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire_rules.h — what a link knows of the connections on it, and what is done to those that rules choose.
 * Pure: no descriptor, no clock; what is to be sent goes to a function that the wire gives.
 * Owns: the flows and the rules.  Threads: the wire's own; counts are read by any.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brownout/model/conn.h"
#include "wire-internal.h"

/* --- flows (wire_conns.c) --------------------------------------------------------------------- */

/* Of all rules and flows of a link. */
#define BO_CONN_STATES_MAX ((uint32_t)1 << 18)

/** struct bo_conn_side - what one end of a flow sends
 * @seq, @offset: a reference: sequence number @seq is byte @offset of its stream (payload only; the first is 0)
 * @ack: its last acknowledgement, which is what it expects next, when @acked
 * @passed: end of what went on to the other end, when @any_passed */
struct bo_conn_side {
	bool seen, acked, any_passed, fin;
	uint32_t seq;
	uint32_t ack;
	uint32_t passed;
	int64_t offset;
};

struct bo_conn_state;

/**
 * struct bo_conn_flow - index 0 is end a of the link, 1 is end b; so an end is also the direction in which it sends
 * @version: of IP; 0: nothing is known of the flow at this place
 * @name: with its ordinal among the connections that the rules have met (bo_wire_names_take())
 * @number: in order of birth, over all flows of the link;  @met: in order of packets
 * @initiator: the end that opened it;  @guessed: its beginning was not seen, so that is a guess
 * @states: of the rules that have judged it
 */
struct bo_conn_flow {
	uint8_t addr[2][16];
	uint16_t port[2];
	uint8_t version;
	uint8_t protocol;
	uint8_t initiator;
	bool guessed;
	bool closed;
	uint8_t nstates;
	uint64_t name, number, met;
	struct bo_conn_side side[2];
	struct bo_conn_state *states;
};

/** struct bo_conns - beside the table of flows (wire_fate.h), place by place */
struct bo_conns {
	struct bo_wire_flows *flows; /* [borrowed] */
	struct bo_conn_flow *conn;
	struct bo_wire_names *names;
	uint32_t nstates;
	uint64_t born; /* the next flow's number */
	uint64_t clock;
};

/** bo_conns_init() - false without memory;  nothing is tracked until bo_conns_begin(), by the table's thread */
bool bo_conns_init(struct bo_conns *conns, struct bo_wire_flows *flows);
void bo_conns_begin(struct bo_conns *conns);
void bo_conns_done(struct bo_conns *conns);
/** bo_conns_meet() - the flow of a packet, which is made when there is none; a SYN that opens a connection anew makes
 * a new flow of the old one.  NULL for a packet without a flow (later fragments, cut short) */
struct bo_conn_flow *bo_conns_meet(struct bo_conns *conns, enum bo_dir dir,
				   struct bo_wire_packet *packet);
/** bo_conns_forget() - the flow at that place of the table goes */
void bo_conns_forget(struct bo_conns *conns, uint32_t place);
/** bo_conns_add_state() - one more, zero, of a flow;  NULL when there are BO_CONN_STATES_MAX, or without memory */
struct bo_conn_state *bo_conns_add_state(struct bo_conns *conns, struct bo_conn_flow *flow);
/** bo_conns_each() - every one that is not closed, those met last first (in any order without memory) */
void bo_conns_each(struct bo_conns *conns, void (*fn)(struct bo_conn_flow *flow, void *arg),
		   void *arg);

/* --- forged packets (wire_forge.c) ------------------------------------------------------------ */

#define BO_FORGED_MAX (BO_WIRE_HDR_LEN + 40 + 20)
/** bo_forge_tcp() - a TCP segment without payload of @flow, as if sent in @dir;  Return: bytes of the frame */
size_t bo_forge_tcp(const struct bo_conn_flow *flow, enum bo_dir dir, uint8_t flags, uint32_t seq,
		    uint32_t ack, uint8_t out[BO_FORGED_MAX]);
#define BO_UNREACHABLE_MAX (BO_WIRE_HDR_LEN + 1280)
/** bo_forge_unreachable() - the ICMP error that quotes @packet, which is in its frame, back to who sent it
 * @why: none of CLOSED_PORT and WITH_RESET;  Return: bytes of the frame, 0 when no error is sent about such a packet */
size_t bo_forge_unreachable(const struct bo_wire_packet *packet, enum bo_conn_refusal why,
			    uint8_t out[BO_UNREACHABLE_MAX]);
/** bo_forge_shorten() - leave the first @payload bytes of a TCP packet's payload: without FIN, checksums complete
 * @packet: of @frame, and corrected with it;  Return: bytes of the frame */
size_t bo_forge_shorten(uint8_t *frame, struct bo_wire_packet *packet, size_t payload);

/* --- rules (wire_rules.c) --------------------------------------------------------------------- */

/** bo_wire_emit() - put a forged frame into the device at the end of @dir; false when that does not take it */
typedef bool (*bo_wire_emit)(void *arg, enum bo_dir dir, const uint8_t *frame, size_t len);

struct bo_wire_rules;
/** bo_wire_rules_new() - no rule is in force;  @flows: [borrowed];  @key: what their draws hang on, of seed and link;  NULL
 * without memory */
struct bo_wire_rules *bo_wire_rules_new(struct bo_wire_flows *flows, uint64_t key,
					bo_wire_emit emit, void *arg);
void bo_wire_rules_free(struct bo_wire_rules *rules);
/** bo_wire_rules_replace() - checked rules (@contains is copied) instead of those in force, at most BO_CONN_RULES_MAX; one
 * with an id that is in force already goes on.  The first time begins to track connections.  Resets of live connections are sent before it returns */
void bo_wire_rules_replace(struct bo_wire_rules *rules, const struct bo_conn_rule *rule, size_t n,
			   int64_t now_ns);
/** bo_wire_rules_per_packet() - must super-packets be cut? */
bool bo_wire_rules_per_packet(const struct bo_wire_rules *rules);
/**
 * bo_wire_rules_pass() - what becomes of a frame
 * @packet, @frame, @len: corrected when only the beginning goes on, or a RST in its place
 * @frame: room for BO_FORGED_MAX bytes at least;  @packets: how many it is worth
 * Return: true when it goes on
 */
bool bo_wire_rules_pass(struct bo_wire_rules *rules, enum bo_dir dir, int64_t now_ns,
			struct bo_wire_packet *packet, uint32_t packets, uint8_t *frame,
			size_t *len);
/** bo_wire_rules_counts() - false when no rule with @id is in force; not while rules are being replaced */
bool bo_wire_rules_counts(const struct bo_wire_rules *rules, uint32_t id,
			  struct bo_conn_counts *ret);
