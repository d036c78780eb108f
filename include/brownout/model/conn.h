/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/model/conn.h — what happens to the packets of chosen connections on a link.
 * A rule is a filter and an action.  Every rule in force sees every packet; where several apply, the harshest wins.
 * Packets of the link probe (UDP port BO_LINKPROBE_PORT) are no rule's business, nor are neighbour and listener
 * discovery of IPv6.
 * Owns: nothing (plain record; @contains is borrowed).  Threads: copy it.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brownout/base/err.h"
#include "brownout/model/impair.h"

/** enum bo_conn_action - what is done with what the filter lets through */
enum bo_conn_action {
	BO_CONN_DROP, /* the packet vanishes, and so does every retransmission of what it carried */
	BO_CONN_REFUSE, /* a TCP SYN, or any packet else that the initiator of a flow sends, never arrives and is answered
			   as @with says */
	BO_CONN_RESET, /* RST to the ends of the connection: at once where no packet is chosen, else at that packet */
	BO_CONN_STALL, /* payload beyond @after_bytes vanishes; what goes the other way, and ACKs, pass */
	BO_CONN_CUT, /* payload beyond @after_bytes vanishes, and once the receiver has acknowledged what came
			 * before it the connection ends: with RST, or with FIN (@orderly) */
	BO_CONN_DRIP, /* payload passes at @after_bytes per @every_ns; what is beyond vanishes, and TCP sends it again */
	BO_CONN_ACTION_COUNT,
};

/** enum bo_conn_age - relative to the moment at which the rule came into force.  A TCP connection is as old as its SYN,
 * any other flow as old as its first packet; one whose beginning the link did not see is an established one */
enum bo_conn_age { BO_CONN_ANY_AGE, BO_CONN_NEW, BO_CONN_ESTABLISHED };

/** enum bo_conn_protocol - ICMP: that of the packet's family */
enum bo_conn_protocol { BO_CONN_ANY_PROTOCOL, BO_CONN_TCP, BO_CONN_UDP, BO_CONN_ICMP };

/** enum bo_conn_packets - which packets of a connection; SYN is one without ACK, the handshake is SYN and SYN-ACK */
enum bo_conn_packets { BO_CONN_ALL_PACKETS, BO_CONN_SYN_ONLY, BO_CONN_NO_HANDSHAKE };

/** enum bo_conn_ends - whom a reset goes to: who opened the connection, or who accepted it */
enum bo_conn_ends { BO_CONN_BOTH_ENDS, BO_CONN_INITIATOR, BO_CONN_RESPONDER };

/** enum bo_conn_refusal - by RST, or by an ICMP error that quotes the packet, in the name of its target
 * @BO_CONN_CLOSED_PORT: TCP: RST; UDP: port unreachable; anything else: host unreachable */
enum bo_conn_refusal {
	BO_CONN_CLOSED_PORT,
	BO_CONN_WITH_RESET,
	BO_CONN_PORT_UNREACHABLE,
	BO_CONN_HOST_UNREACHABLE,
	BO_CONN_NO_ROUTE,
	BO_CONN_PROHIBITED,
	BO_CONN_REFUSAL_COUNT,
};

/** struct bo_conn_prefix - the first @bits bits of an address;  @version: of IP, 4 or 6; 0: any address of either */
struct bo_conn_prefix {
	uint8_t version;
	uint8_t bits;
	uint8_t addr[16];
};

/** bo_conn_prefix_parse() - "10.0.0.5", "fd00::/8", "::/0";  Return: 0 or -EINVAL */
BO_NODISCARD int bo_conn_prefix_parse(const char *text, struct bo_conn_prefix *ret);
/** bo_conn_prefix_has() - @addr: 4 or 16 bytes, as @version says */
bool bo_conn_prefix_has(const struct bo_conn_prefix *prefix, uint8_t version, const uint8_t *addr);
/** bo_conn_prefixes_meet() - is there an address that is in both? */
bool bo_conn_prefixes_meet(const struct bo_conn_prefix *a, const struct bo_conn_prefix *b);

#define BO_CONN_CONTAINS_MAX 64
#define BO_CONN_RULES_MAX 16 /* in force on one link at a time */

/**
 * struct bo_conn_rule - all conditions that are set must hold
 * @id: of the rule's owner, unique on its link; a rule that stays in force keeps its counts and its flows
 * @dirs: bit 1 << enum bo_dir for each direction whose packets are meant
 * @port: of the responder (who was sent the SYN, or a flow's first packet); 0 any.  Matches nothing without ports
 * @address: of either end
 * @share_ppm: only such a share of the connections that meet the other conditions, 1 … BO_PPM_ALL; 0 all.  Which ones
 *             hangs on the seed, the link, the flow (its ordinal, not its ephemeral port) and @salt, and on nothing else
 * @salt: of the rule's owner; rules with different ones choose independently of each other
 * @first: only the first so many connections that meet the other conditions of a connection, @share_ppm among them; 0 all
 * @packet: only the n-th packet of the flow with payload, counted from the beginning of the flow or of the rule,
 *          whichever is later, each direction on its own; 0 all.  A TCP retransmission is not counted, and is chosen
 *          again when it carries any of what was chosen
 * @contains, @contains_len: [borrowed] only a packet in which these bytes end.  In TCP they may begin in the packets
 *          before it, as long as those came in order: a gap in the stream begins the search anew.  In anything else
 *          they are within one packet
 * @occurrence: only the n-th time that @contains is found in a flow and direction; 0 every time
 * @ends: [RESET, CUT];  @with: [REFUSE]
 * @after_bytes: [STALL, CUT] payload of the flow that passes, counted as @packet is; [DRIP] per @every_ns
 * @orderly: [CUT] FIN to both ends, as from a peer that closes; what they send after it is answered with RST
 */
struct bo_conn_rule {
	uint32_t id;
	enum bo_conn_action action;
	unsigned int dirs;
	enum bo_conn_protocol protocol;
	uint16_t port;
	struct bo_conn_prefix address;
	enum bo_conn_age age;
	enum bo_conn_packets packets;
	int64_t share_ppm;
	uint64_t salt;
	int64_t first;
	int64_t packet;
	const char *contains;
	size_t contains_len;
	int64_t occurrence;
	enum bo_conn_ends ends;
	enum bo_conn_refusal with;
	int64_t after_bytes;
	int64_t every_ns;
	bool orderly;
};

/**
 * struct bo_conn_counts - what a rule did since it came into force
 * @connections: flows that it acted on;  @matched: packets that its filter chose
 * @dropped: packets, also those replaced by a RST;  @shortened: packets of which only the beginning went on
 * @resets: RST (with @orderly: FIN) segments that the kernel of an end has taken;  @unreachables: ICMP errors
 *           likewise;  @unsent: of both, that it did not take
 * @passed_bytes: [STALL, CUT, DRIP] payload of the chosen flows that went on, retransmissions not counted
 * @escaped: flows in which the far end acknowledged or answered what cannot have reached it
 * @survived: flows of which an end still sent, half a second after it was reset
 * @spared: [share_ppm] flows that it would have acted on, had they been of the share;  @beyond: likewise, of the share
 *          but not among the first so many.  So @connections and @beyond are a share of these three together
 * @missed: packets of flows that the rule chose but that there was no more room to follow
 */
struct bo_conn_counts {
	uint64_t connections, matched, dropped, shortened, resets, unreachables, unsent,
		passed_bytes, escaped, survived, spared, beyond, missed;
};

/** bo_conn_rule_per_packet() - does it look at bytes, so that super-packets must be cut? */
bool bo_conn_rule_per_packet(const struct bo_conn_rule *rule);
/** bo_conn_rule_check() - every field in its range, and none that its action has no use for;  Return: 0 or -EINVAL */
BO_NODISCARD int bo_conn_rule_check(const struct bo_conn_rule *rule, struct bo_err *err);
