/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire_match.h — a rule on connections as it is in force, and whether its filter chooses a packet.
 * Owns: nothing.  Threads: the wire's own; counters are atomic.  Privilege: none. */
#pragma once
#include "wire_rules.h"

#define BO_CONN_NOWHERE INT64_MAX
/* No window is larger (RFC 7323 § 2.3): what lies further from the reference is not of this stream. */
#define BO_CONN_WINDOW_MAX (INT64_C(1) << 30)

/** struct bo_conn_lane - one direction of a flow as one rule sees it; all but @count, @matched and @tick_ns are offsets
 * @start: where it began to look;  @scanned: up to where it has looked
 * @matched: how much of the text has been found;  @count: packets or finds so far
 * @hit_from, @hit_to: the first bytes chosen, BO_CONN_NOWHERE when none
 * @barrier: what lies beyond cannot have arrived;  @passed: up to where payload went on
 * @credit: [DRIP] up to where it may go on, since @tick_ns;  @offered: up to where the sender has sent */
struct bo_conn_lane {
	bool begun;
	int64_t start, scanned;
	size_t matched;
	int64_t count;
	int64_t hit_from, hit_to;
	int64_t barrier, passed;
	int64_t credit, tick_ns, offered;
};

/** struct bo_conn_state - what a rule knows of a flow
 * @serial: of the rule, in @slot; that of another rule means that nothing here is valid
 * @in_share: it is of the share that is asked for;  @taken: and among the first so many;  @judged: both are decided
 * @touched: acted on; or, of one that is not taken, would have been
 * @ending: the connection is to end;  @reset_ns: when an end was reset first */
struct bo_conn_state {
	uint64_t serial;
	uint8_t slot;
	bool judged, in_share, taken, touched, ending, escaped, survived, syn_dropped;
	bool was_reset[2];
	int64_t reset_ns[2];
	struct bo_conn_lane lane[2];
};

/** struct bo_conn_counters - struct bo_conn_counts, written by one thread and read by others */
struct bo_conn_counters {
	_Atomic uint64_t connections, matched, dropped, shortened, resets, unreachables, unsent,
		passed_bytes, escaped, survived, spared, beyond, missed;
};

/** struct bo_conn_slot - a rule in force; @born: flows from this number on are new;  @taken: flows so far
 * @key: of its share */
struct bo_conn_slot {
	struct bo_conn_rule rule;
	char contains[BO_CONN_CONTAINS_MAX];
	uint8_t fall_back[BO_CONN_CONTAINS_MAX]; /* of Knuth, Morris and Pratt */
	uint64_t serial, born, key;
	int64_t taken;
	struct bo_conn_counters counts;
};

/** struct bo_conn_sight - a packet on its way, as all rules see it
 * @flow: NULL when it belongs to none;  @keep: bytes of payload that may go on
 * @from, @to: of its payload in the stream
 * @replace: a RST goes on in its place, which wins over @drop */
struct bo_conn_sight {
	enum bo_dir dir;
	int64_t now_ns;
	const struct bo_wire_packet *packet;
	uint32_t packets;
	struct bo_conn_flow *flow;
	bool tcp, syn, ack, fin, rst;
	uint32_t seq, ack_number;
	size_t payload;
	int64_t from, to;
	bool drop, replace;
	size_t keep;
};

/** bo_conn_protocol_fits(), bo_conn_address_fits(), bo_conn_flow_fits() - the conditions on the flow */
bool bo_conn_protocol_fits(const struct bo_conn_rule *rule, uint8_t protocol);
bool bo_conn_address_fits(const struct bo_conn_rule *rule, uint8_t version, const uint8_t *source,
			  const uint8_t *target);
bool bo_conn_flow_fits(const struct bo_conn_slot *slot, const struct bo_conn_flow *flow);
/** bo_conn_lane_begin() - unless it has begun: from offset @at on */
void bo_conn_lane_begin(struct bo_conn_lane *lane, int64_t at);
/** bo_conn_text_prepare() - once per rule */
void bo_conn_text_prepare(struct bo_conn_slot *slot);
/** bo_conn_packet_fits() - the conditions on the packet itself; @lane has begun */
bool bo_conn_packet_fits(const struct bo_conn_slot *slot, struct bo_conn_lane *lane,
			 const struct bo_conn_sight *s);
/** bo_conn_limit() - [STALL, CUT, DRIP] where payload may go on to
 * @ret_from: where that of the packet begins, as it is counted */
int64_t bo_conn_limit(const struct bo_conn_rule *rule, struct bo_conn_lane *lane,
		      const struct bo_conn_sight *s, int64_t *ret_from);
/** bo_conn_is_beyond() - does payload that begins at @from reach beyond @limit?  Notes how much was offered */
bool bo_conn_is_beyond(struct bo_conn_lane *lane, const struct bo_conn_sight *s, int64_t from,
		       int64_t limit);
/** bo_conn_would_act() - is a packet that fits, of a flow that nothing is done to, one that the rule would act on? */
bool bo_conn_would_act(const struct bo_conn_rule *rule, struct bo_conn_lane *lane,
		       const struct bo_conn_sight *s);
