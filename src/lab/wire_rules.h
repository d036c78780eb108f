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

/* Beyond this the flow that was idle longest is forgotten; when it is seen again it is an established one. */
#define BO_CONN_FLOWS_MAX ((uint32_t)1 << 18)
#define BO_CONN_NONE UINT32_MAX

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
 * @number: in order of birth, over all flows of the link
 * @initiator: the end that opened it;  @guessed: its beginning was not seen, so that is a guess
 * @states: of the rules, by slot
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
	uint32_t hash_next, newer, older;
	uint64_t number;
	struct bo_conn_side side[2];
	struct bo_conn_state *states;
};

/** struct bo_conns - hash table with chains, and a list from the flow seen last to the one idle longest */
struct bo_conns {
	struct bo_conn_flow *flows;
	uint32_t *buckets;
	uint32_t nflows, room, nbuckets;
	uint32_t newest, oldest;
	uint32_t max; /* BO_CONN_FLOWS_MAX unless a test says otherwise */
	uint64_t key;
	uint64_t born; /* the next flow's number */
};

void bo_conns_init(struct bo_conns *conns, uint64_t seed);
void bo_conns_done(struct bo_conns *conns);
/** bo_conns_meet() - the flow of a packet, which is made when there is none; a SYN that opens a connection anew makes
 * a new flow of the old one.  NULL for a packet without a flow (later fragments, cut short), or without memory */
struct bo_conn_flow *bo_conns_meet(struct bo_conns *conns, enum bo_dir dir,
				   const struct bo_wire_packet *packet);

/* --- forged packets (wire_forge.c) ------------------------------------------------------------ */

#define BO_FORGED_MAX (BO_WIRE_HDR_LEN + 40 + 20)
/** bo_forge_tcp() - a TCP segment without payload of @flow, as if sent in @dir;  Return: bytes of the frame */
size_t bo_forge_tcp(const struct bo_conn_flow *flow, enum bo_dir dir, uint8_t flags, uint32_t seq,
		    uint32_t ack, uint8_t out[BO_FORGED_MAX]);
/** bo_forge_shorten() - leave the first @payload bytes of a TCP packet's payload: without FIN, checksums complete
 * @packet: of @frame, and corrected with it;  Return: bytes of the frame */
size_t bo_forge_shorten(uint8_t *frame, struct bo_wire_packet *packet, size_t payload);

/* --- rules (wire_rules.c) --------------------------------------------------------------------- */

/** bo_wire_emit() - put a forged frame into the device at the end of @dir; false when that does not take it */
typedef bool (*bo_wire_emit)(void *arg, enum bo_dir dir, const uint8_t *frame, size_t len);

struct bo_wire_rules;
/** bo_wire_rules_new() - no rule is in force, connections are tracked from now on;  NULL without memory */
struct bo_wire_rules *bo_wire_rules_new(uint64_t seed, bo_wire_emit emit, void *arg);
void bo_wire_rules_free(struct bo_wire_rules *rules);
/** bo_wire_rules_replace() - checked rules (@contains is copied) instead of those in force, at most BO_CONN_RULES_MAX; one
 * with an id that is in force already goes on.  Resets of live connections are sent before it returns */
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
