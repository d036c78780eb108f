/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire_fate.h — the stations that decide what becomes of a packet, each tested on its own:
 * chance, chains of losses, flows, pace, damage.  wire_fate.c puts them in order.
 * Owns: see each part.  Threads: none of its own (each belongs to one wire's thread).  Privilege:
 * none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brownout/model/impair.h"

struct bo_wire_packet;

/* --- chance ----------------------------------------------------------------------------------- */

/** enum bo_wire_chance - what is drawn for a packet; those before BO_WIRE_CORRELATED may hang on the
 * draw before */
enum bo_wire_chance {
	BO_WIRE_CHANCE_LOSS,
	BO_WIRE_CHANCE_DUPLICATE,
	BO_WIRE_CHANCE_CORRUPT,
	BO_WIRE_CHANCE_REORDER,
	BO_WIRE_CHANCE_DELAY,
	BO_WIRE_CORRELATED,
	BO_WIRE_CHANCE_MOVE = BO_WIRE_CORRELATED, /* from one state of a chain to another */
	BO_WIRE_CHANCE_BIT,
	BO_WIRE_CHANCE_SLOT,
	BO_WIRE_CHANCE_COUNT,
};

/**
 * struct bo_wire_memory - what one direction of a flow remembers from packet to packet; 40 bytes
 * @number: packets seen so far, which is what the next one's fate hangs on
 * @epoch: of the line, when the rest was valid
 * @since: delayed packets since the last that was sent ahead of them
 * @last: the draw before, of what is correlated
 * @state: of the chain of losses
 */
struct bo_wire_memory {
	uint64_t number;
	uint32_t epoch;
	uint32_t since;
	uint32_t last[BO_WIRE_CORRELATED];
	uint8_t state;
};

/**
 * struct bo_wire_dice - the draws of one packet
 * @key: of seed, link, direction and flow;  @copy: of the duplicate, whose draws are others
 */
struct bo_wire_dice {
	uint64_t key;
	uint64_t number;
	bool copy;
	struct bo_wire_memory *memory;
};

/** bo_wire_roll() - 32 random bits, the same for the same dice and purpose */
uint32_t bo_wire_roll(const struct bo_wire_dice *dice, enum bo_wire_chance chance);
/** bo_wire_roll_correlated() - with the recursion of netem's get_crandom(); moves the memory on */
uint32_t bo_wire_roll_correlated(struct bo_wire_dice *dice, enum bo_wire_chance chance,
				 int64_t corr_ppm);
/** bo_wire_hit() - is a uniform draw within the share?  Never for 0, always for BO_PPM_ALL */
static inline bool bo_wire_hit(uint32_t draw, int64_t ppm)
{
	return (int64_t)((uint64_t)draw * BO_PPM_ALL >> 32) < ppm;
}
/** bo_wire_happens() - does @what happen to this packet?  Nothing is drawn for a share of 0 */
bool bo_wire_happens(struct bo_wire_dice *dice, enum bo_wire_chance chance,
		     const struct bo_chance *what);
/** bo_wire_key() - what all draws of one @use on a link hang on;  @stream: of the link */
uint64_t bo_wire_key(uint64_t seed, uint64_t stream, uint64_t use);
/** bo_wire_chooses() - is a flow within a share of all?  @flow: its name, so of both directions the same; a larger share
 * takes the same flows and more */
bool bo_wire_chooses(uint64_t key, uint64_t flow, int64_t ppm);
/** bo_wire_restart() - forget what was before this packet: the chain of @loss and the correlations begin
 * at random draws of their own */
void bo_wire_restart(struct bo_wire_dice *dice, uint32_t epoch, const struct bo_loss *loss);
/** bo_wire_delay() - delay and jitter of this packet, ns, 0 or more
 * @table: of the distribution; unused for UNIFORM */
int64_t bo_wire_delay(struct bo_wire_dice *dice, const struct bo_impair *im,
		      const struct bo_dist_table *table);

/** bo_wire_lost() - ask the model of losses, and move its chain on (wire_chain.c) */
bool bo_wire_lost(struct bo_wire_dice *dice, const struct bo_loss *loss);
/** bo_wire_chain_start() - the state in which a chain begins: drawn with the shares of the long run */
uint8_t bo_wire_chain_start(const struct bo_loss *loss, uint32_t draw);

/* --- flows ------------------------------------------------------------------------------------ */

#define BO_WIRE_FLOWS_MAX (UINT32_C(1) << 18)

/**
 * struct bo_wire_flow - 112 bytes; the rest is the table's own
 * @id: (protocol, initiator's address, responder's address and port, ordinal among those), or
 *      (protocol, addresses) where there are no ports; the same in every run
 */
struct bo_wire_flow {
	uint64_t id;
	uint64_t tag;
	uint32_t isn;
	uint32_t next;
	bool named;
	bool begun;
	bool recent;
	struct bo_wire_memory memory[BO_DIR_COUNT];
};

/** struct bo_wire_names - how many flows of each name there were */
struct bo_wire_names;
/** bo_wire_names_new() - NULL without memory */
struct bo_wire_names *bo_wire_names_new(void);
void bo_wire_names_free(struct bo_wire_names *names);
/** bo_wire_names_take() - the name of the flow that begins with @packet, with the next ordinal;  @echoes: each ICMP echo
 * identifier is a flow of its own */
uint64_t bo_wire_names_take(struct bo_wire_names *names, const struct bo_wire_packet *packet,
			    bool echoes);

struct bo_wire_flows;
struct bo_conns;

/** bo_wire_pages_new() - zeroes, of which the kernel gives pages only as they are written to (calloc(3) would write to all
 * where it uses memory again);  NULL without memory */
void *bo_wire_pages_new(size_t bytes);
void bo_wire_pages_free(void *at, size_t bytes);
/** bo_wire_flows_new() - room for @max flows, a power of two, of which memory is used as they come; NULL
 * without memory */
struct bo_wire_flows *bo_wire_flows_new(uint32_t max, uint64_t seed);
/** bo_wire_flows_join() - tell @conns which flows go from now on; NULL: nobody */
void bo_wire_flows_join(struct bo_wire_flows *flows, struct bo_conns *conns);
uint32_t bo_wire_flows_max(const struct bo_wire_flows *flows);
/** bo_wire_flows_place() - below bo_wire_flows_max() */
uint32_t bo_wire_flows_place(const struct bo_wire_flows *flows, const struct bo_wire_flow *flow);
/** bo_wire_flows_meet() - the place of a packet's flow, of either direction; a new one takes that of one
 * that was not seen for long when there is no room.  Valid until the next call of this or the next */
struct bo_wire_flow *bo_wire_flows_meet(struct bo_wire_flows *flows,
					const struct bo_wire_packet *packet);
/** bo_wire_flows_find() - the flow that the packet's fate hangs on, named;  @packet->flow saves the look-up */
struct bo_wire_flow *bo_wire_flows_find(struct bo_wire_flows *flows,
					const struct bo_wire_packet *packet);
/** bo_wire_flows_count() - flows remembered;  @ret_begun: [nullable] begun so far */
uint32_t bo_wire_flows_count(const struct bo_wire_flows *flows, uint64_t *ret_begun);
void bo_wire_flows_free(struct bo_wire_flows *flows);

/* --- pace ------------------------------------------------------------------------------------- */

/* As far away as a time may be: 73 years. */
#define BO_WIRE_NEVER_NS (INT64_C(1) << 61)

/** struct bo_wire_slot - one burst
 * @at_ns: when it goes;  @packets, @bytes: left in it;  @late: it waits for a packet, and one may come before it */
struct bo_wire_slot {
	int64_t at_ns;
	int64_t packets;
	int64_t bytes;
	bool late;
};

/**
 * struct bo_wire_pace - the transmitter of a line and its slots
 * @free_ns: when it has sent the last bit of what it took so far;  @rest: of the division of bits by
 *           rate, so that nothing is lost to rounding
 * @trace_base_ns: when the trace began (anew);  @trace_next: its next chance;  @chance_ns, @left: when
 *           the one in use is, and bytes left of it
 * @slot: the slots that are known, ascending, the last of the past among them;  @nslot: so many;  @slots: drawn so far
 */
#define BO_WIRE_SLOTS_KNOWN 64
struct bo_wire_pace {
	int64_t free_ns;
	uint64_t rest;
	int64_t trace_base_ns;
	int64_t chance_ns;
	uint32_t trace_next;
	uint32_t left;
	uint64_t slots;
	uint32_t nslot;
	struct bo_wire_slot slot[BO_WIRE_SLOTS_KNOWN];
};

/** bo_wire_pace_copy() - without the slots that are not known */
void bo_wire_pace_copy(struct bo_wire_pace *to, const struct bo_wire_pace *from);

/** bo_wire_charge() - bytes that a packet costs with its overhead and whole cells */
uint64_t bo_wire_charge(const struct bo_impair *im, size_t len);
/** bo_wire_transmit() - rate or trace: a packet of @len bytes comes to the transmitter at @at_ns;
 * Return: when its last bit is out */
int64_t bo_wire_transmit(struct bo_wire_pace *pace, const struct bo_impair *im, int64_t at_ns,
			 size_t len);
/** bo_wire_follow() - a packet that the transmitter has not sent goes at @due_ns: nothing before that */
void bo_wire_follow(struct bo_wire_pace *pace, const struct bo_impair *im, int64_t due_ns);
/** bo_wire_slot() - the slot that takes a packet that came at @now_ns and could go at @at_ns */
int64_t bo_wire_slot(struct bo_wire_pace *pace, const struct bo_impair *im, uint64_t key,
		     int64_t now_ns, int64_t at_ns, size_t len);
/** bo_wire_pace_change() - the transmitter begins anew; a trace, or slots, that are the same go on */
void bo_wire_pace_change(struct bo_wire_pace *pace, const struct bo_impair *before,
			 const struct bo_impair *after, int64_t now_ns);

/* --- damage ----------------------------------------------------------------------------------- */

/** bo_wire_damage_bit() - which bit of the packet: one that its transport checksum covers, but none
 * that says where the transport header ends or whether there is a checksum */
uint32_t bo_wire_damage_bit(const struct bo_wire_packet *packet, uint32_t draw);
/** bo_wire_checksum_owed() - what the device was to do: the transport checksum that the sender has left to it
 * @frame: with its virtio header;  @ret_field: offset in the packet;  Return: false when the sender has done it itself */
bool bo_wire_checksum_owed(const uint8_t *frame, size_t len, size_t *ret_field, uint16_t *ret_sum);
/** bo_wire_damage() - flip bit @bit of the packet, behind the sender's checksum: one that was left to
 * the device is completed first
 * @frame: with its virtio header;  Return: false when it must stay whole (a super-packet) */
bool bo_wire_damage(uint8_t *frame, size_t len, uint32_t bit);
