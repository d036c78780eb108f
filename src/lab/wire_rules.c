/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire_rules.c — which packets of which connections the rules choose, and what becomes of them.
 *
 * Streams.  What a rule says of payload it says of the byte stream of one direction of a flow, and positions in it are
 * kept as 64-bit offsets beside a sequence number (struct bo_conn_side), so neither a wrap of sequence numbers nor a
 * retransmission confuses them: bytes are looked at and counted once, and what was chosen stays chosen however often
 * it is sent again.
 *
 * Resets.  A kernel takes a RST only at exactly the sequence number that it expects next (RFC 5961 § 3.2).  The end
 * itself says which that is in each acknowledgement; between two of them it is the end of what went on to it.  For a
 * live connection both are tried.  If neither fits, the kernel answers with a challenge ACK, which comes by here, and
 * every packet of a connection that is to end is answered with a RST at the number that it asks for, and replaced by
 * one at its own number.
 *
 * Waiting.  Nothing is held back.  What may not pass is dropped and TCP sends it again, so a stalled or dripping flow
 * goes on when its sender's retransmission timer says so.
 *
 * Owns: the flows, the rules, their counts.  Threads: the wire's own; the counts are atomic.  Privilege: none. */
#include "wire_match.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/lab/linkprobe.h"
#include "wire_bytes.h"

#define ICMP6_LISTENER_QUERY 130
#define ICMP6_REDIRECT 137
#define ICMP6_LISTENER_REPORT2 143
/* What an end had sent before the RST reached it has come by after so long. */
#define SURVIVED_NS (BO_NSEC_PER_SEC / 2)

struct bo_wire_rules {
	struct bo_conns conns;
	uint64_t key;
	struct bo_conn_slot slots[BO_CONN_RULES_MAX]; /* rule.id 0: free */
	size_t used;                                  /* slots up to the last one in use */
	bool per_packet;
	uint64_t serial;
	bo_wire_emit emit;
	void *arg;
};

static void count(_Atomic uint64_t *counter, uint64_t n)
{
	bo_wire_count(counter, n);
}

/* --- streams ---------------------------------------------------------------------------------- */

/** offset_of() - where in the stream of @side sequence number @seq is */
static int64_t offset_of(const struct bo_conn_side *side, uint32_t seq)
{
	return side->offset + (int32_t)(seq - side->seq);
}

/** look() - before the rules: where the packet is in its stream, and what it acknowledges */
static void look(struct bo_conn_sight *s)
{
	const struct bo_wire_packet *p = s->packet;
	struct bo_conn_side *side;

	s->payload = p->has_l4 && p->payload < p->len ? p->len - p->payload : 0;
	s->keep = s->payload;
	if (!s->flow)
		return;
	side = &s->flow->side[s->dir];
	s->tcp = p->protocol == IPPROTO_TCP;
	if (!s->tcp) {
		side->seen = true;
		s->from = side->offset;
		s->to = s->from + (int64_t)s->payload;
		return;
	}
	s->syn = p->tcp_flags & TCP_SYN;
	s->ack = p->tcp_flags & TCP_ACK;
	s->fin = p->tcp_flags & TCP_FIN;
	s->rst = p->tcp_flags & TCP_RST;
	s->seq = bo_get32(p->ip + p->l4 + TCP_SEQ);
	s->ack_number = bo_get32(p->ip + p->l4 + TCP_ACK_NUMBER);
	if (!side->seen && !(s->rst && !s->ack && !s->seq)) {
		side->seen = true;
		side->seq = s->seq + s->syn;
	}
	if (s->ack && !s->rst) {
		side->acked = true;
		side->ack = s->ack_number;
	}
	s->from = offset_of(side, s->seq + s->syn);
	s->to = s->from + (int64_t)s->payload;
}

/** learn() - after the rules: how far its flow has come; @went_on: bytes of payload that did */
static void learn(const struct bo_conn_sight *s, bool passed, size_t went_on)
{
	struct bo_conn_flow *flow = s->flow;
	struct bo_conn_side *side = &flow->side[s->dir];
	bool fin = s->fin && went_on == s->payload;
	uint32_t end = s->seq + s->syn + (uint32_t)went_on + fin;

	if (!s->tcp) {
		side->offset = s->to;
		return;
	}
	if (s->to > side->offset && s->to - side->offset <= BO_CONN_WINDOW_MAX) {
		side->offset = s->to;
		side->seq = s->seq + s->syn + (uint32_t)s->payload;
	}
	if (!passed)
		return;
	if (!s->rst && (!side->any_passed || (int32_t)(end - side->passed) > 0)) {
		side->any_passed = true;
		side->passed = end;
	}
	side->fin = side->fin || fin;
	if (went_on)
		flow->closed = false;
	flow->closed = flow->closed || s->rst || (flow->side[0].fin && flow->side[1].fin);
}

/* --- states ------------------------------------------------------------------------------------ */

/** find_state() - that of the rule, or else one that no rule in force has a use for, or NULL */
static struct bo_conn_state *find_state(const struct bo_wire_rules *rules,
					const struct bo_conn_slot *slot,
					const struct bo_conn_flow *flow)
{
	struct bo_conn_state *stale = NULL;

	for (size_t i = 0; i < flow->nstates; i++) {
		const struct bo_conn_slot *owner;

		if (flow->states[i].serial == slot->serial)
			return &flow->states[i];
		owner = &rules->slots[flow->states[i].slot];
		if (owner->serial != flow->states[i].serial || !owner->rule.id)
			stale = &flow->states[i];
	}
	return stale;
}

/** judge() - is the flow of the share, and among the first so many of it? */
static void judge(struct bo_conn_slot *slot, struct bo_conn_state *state,
		  const struct bo_conn_flow *flow)
{
	const struct bo_conn_rule *rule = &slot->rule;

	if (state->judged)
		return;
	state->judged = true;
	state->in_share = !rule->share_ppm ||
			  bo_wire_chooses(slot->key, flow->name, rule->share_ppm);
	state->taken = state->in_share && (!rule->first || slot->taken < rule->first);
	slot->taken += state->taken;
}

/** state_of() - of a flow that fits;  NULL: there is no room, or it is not taken and there is nothing more to learn of it */
static struct bo_conn_state *state_of(struct bo_wire_rules *rules, struct bo_conn_slot *slot,
				      struct bo_conn_flow *flow)
{
	struct bo_conn_state *state = find_state(rules, slot, flow);

	if (!state)
		state = bo_conns_add_state(&rules->conns, flow);
	if (!state) {
		count(&slot->counts.missed, 1);
		return NULL;
	}
	if (state->serial != slot->serial)
		*state = (struct bo_conn_state){ .serial = slot->serial,
						 .slot = (uint8_t)(slot - rules->slots) };
	judge(slot, state, flow);
	return state->taken || (slot->rule.share_ppm && !state->touched) ? state : NULL;
}

/** spare() - a flow that is not taken has come to where it would have been acted on: one of those of which there is a
 * share */
static void spare(struct bo_conn_slot *slot, struct bo_conn_state *state)
{
	state->touched = true;
	count(state->in_share ? &slot->counts.beyond : &slot->counts.spared, 1);
}

/* --- actions ---------------------------------------------------------------------------------- */

static void touch(struct bo_conn_slot *slot, struct bo_conn_state *state)
{
	if (!state->touched)
		count(&slot->counts.connections, 1);
	state->touched = true;
}

/** was_reset() - a flow of which both ends were is closed until it carries something again */
static void was_reset(struct bo_conn_state *state, struct bo_conn_flow *flow, int end,
		      int64_t now_ns)
{
	if (!state->was_reset[end])
		state->reset_ns[end] = now_ns;
	state->was_reset[end] = true;
	flow->closed = state->was_reset[0] && state->was_reset[1];
}

static void send_to(struct bo_wire_rules *rules, struct bo_conn_slot *slot,
		    struct bo_conn_state *state, struct bo_conn_flow *flow, int end, uint8_t flags,
		    uint32_t seq, uint32_t ack, int64_t now_ns)
{
	enum bo_dir dir = (enum bo_dir) !end; /* the way to it: it comes from the other end */
	uint8_t frame[BO_FORGED_MAX];
	size_t len = bo_forge_tcp(flow, dir, flags, seq, ack, frame);

	if (!rules->emit(rules->arg, dir, frame, len)) {
		count(&slot->counts.unsent, 1);
		return;
	}
	count(&slot->counts.resets, 1);
	if (flags & TCP_RST)
		was_reset(state, flow, end, now_ns);
}

static bool end_is_meant(const struct bo_conn_slot *slot, const struct bo_conn_flow *flow, int end)
{
	switch (slot->rule.ends) {
	case BO_CONN_INITIATOR:
		return end == flow->initiator;
	case BO_CONN_RESPONDER:
		return end != flow->initiator;
	default:
		return true;
	}
}

/** reset_end() - RST where @end may expect its next byte: what it has said, and what has gone on to it since
 * @more: one more such place, when @has_more */
static void reset_end(struct bo_wire_rules *rules, struct bo_conn_slot *slot,
		      struct bo_conn_state *state, struct bo_conn_flow *flow, int end,
		      int64_t now_ns)
{
	const struct bo_conn_side *self = &flow->side[end], *other = &flow->side[!end];

	if (!self->acked) {
		/* It has sent its SYN and waits: there a RST counts when it acknowledges that
		 * (RFC 9293 § 3.10.7.3). */
		if (self->seen)
			send_to(rules, slot, state, flow, end, TCP_RST | TCP_ACK, 0, self->seq,
				now_ns);
		return;
	}
	send_to(rules, slot, state, flow, end, TCP_RST, self->ack, 0, now_ns);
	if (other->any_passed && other->passed != self->ack)
		send_to(rules, slot, state, flow, end, TCP_RST, other->passed, 0, now_ns);
}

/** end_connection() - reset the ends that are meant, as far as this moment allows */
static void end_connection(struct bo_wire_rules *rules, struct bo_conn_slot *slot,
			   struct bo_conn_state *state, struct bo_conn_flow *flow, int64_t now_ns)
{
	touch(slot, state);
	state->ending = true;
	for (int end = 0; end < 2; end++)
		if (end_is_meant(slot, flow, end))
			reset_end(rules, slot, state, flow, end, now_ns);
}

/** close_connection() - FIN to both ends; the receiver of @dir has all of its stream up to @at */
static void close_connection(struct bo_wire_rules *rules, struct bo_conn_slot *slot,
			     struct bo_conn_state *state, struct bo_conn_flow *flow,
			     enum bo_dir dir, int64_t now_ns)
{
	const struct bo_conn_side *from = &flow->side[dir], *to = &flow->side[!dir];

	touch(slot, state);
	state->ending = true;
	send_to(rules, slot, state, flow, !dir, TCP_FIN | TCP_ACK, to->ack, from->ack, now_ns);
	send_to(rules, slot, state, flow, (int)dir, TCP_FIN | TCP_ACK, from->ack, to->ack, now_ns);
}

/** answer() - a packet of a connection that is to end: it goes no further, and its sender is told so */
static void answer(struct bo_wire_rules *rules, struct bo_conn_slot *slot,
		   struct bo_conn_state *state, struct bo_conn_sight *s)
{
	int self = (int)s->dir, other = !s->dir;

	if (s->rst || s->syn)
		return;
	if (state->was_reset[self] && !state->survived &&
	    s->now_ns - state->reset_ns[self] > SURVIVED_NS) {
		state->survived = true;
		count(&slot->counts.survived, 1);
	}
	/* Of a connection of which only the other end is reset, that end's kernel tells the rest. */
	if (!end_is_meant(slot, s->flow, self) && state->was_reset[other])
		return;
	s->drop = true;
	if (slot->rule.orderly && !s->payload && !s->fin)
		return;
	if (s->ack && end_is_meant(slot, s->flow, self))
		send_to(rules, slot, state, s->flow, self, TCP_RST, s->ack_number, 0, s->now_ns);
	/* In its place, so that what was sent before it arrives before it: the other end then expects just this number.
	 * One that has had its FIN needs nothing more. */
	if (end_is_meant(slot, s->flow, other) && !slot->rule.orderly) {
		s->replace = true;
		count(&slot->counts.resets, 1);
		was_reset(state, s->flow, other, s->now_ns);
	}
}

static void act_drop(struct bo_conn_slot *slot, struct bo_conn_state *state,
		     struct bo_conn_lane *lane, struct bo_conn_sight *s)
{
	int64_t from = s->from > lane->start ? s->from : lane->start;

	touch(slot, state);
	s->drop = true;
	if (s->syn && !s->ack && !s->flow->side[s->dir].any_passed)
		state->syn_dropped = true;
	if (lane->hit_from != BO_CONN_NOWHERE)
		from = lane->hit_from;
	if (s->tcp && s->payload && from < lane->barrier)
		lane->barrier = from;
}

/** send_unreachable() - an ICMP error back to who sent the packet, unless there is to be none about it */
static void send_unreachable(struct bo_wire_rules *rules, struct bo_conn_slot *slot,
			     const struct bo_conn_sight *s, enum bo_conn_refusal why)
{
	uint8_t frame[BO_UNREACHABLE_MAX];
	size_t len = bo_forge_unreachable(s->packet, why, frame);

	if (!len)
		return;
	if (rules->emit(rules->arg, (enum bo_dir) !s->dir, frame, len))
		count(&slot->counts.unreachables, 1);
	else
		count(&slot->counts.unsent, 1);
}

static void act_refuse(struct bo_wire_rules *rules, struct bo_conn_slot *slot,
		       struct bo_conn_state *state, struct bo_conn_sight *s)
{
	enum bo_conn_refusal with = slot->rule.with;

	touch(slot, state);
	s->drop = true;
	if (with == BO_CONN_CLOSED_PORT && !s->tcp)
		with = s->packet->protocol == IPPROTO_UDP ? BO_CONN_PORT_UNREACHABLE
							  : BO_CONN_HOST_UNREACHABLE;
	state->syn_dropped = !s->flow->side[s->dir].any_passed;
	if (with != BO_CONN_CLOSED_PORT && with != BO_CONN_WITH_RESET) {
		send_unreachable(rules, slot, s, with);
		return;
	}
	send_to(rules, slot, state, s->flow, (int)s->dir, TCP_RST | TCP_ACK, 0,
		s->seq + 1 + (uint32_t)s->payload, s->now_ns);
}

/** pass_up_to() - of the payload, at @from of what is counted, only what lies before @limit goes on */
static void pass_up_to(struct bo_conn_slot *slot, struct bo_conn_state *state,
		       struct bo_conn_lane *lane, struct bo_conn_sight *s, int64_t from,
		       int64_t limit)
{
	int64_t to = from + (int64_t)s->payload;
	int64_t passes = to < limit ? to : limit;

	if (bo_conn_is_beyond(lane, s, from, limit)) {
		touch(slot, state);
		/* Half a datagram is none, and other fragments cannot be told that theirs was shortened. */
		if (from >= limit || !s->tcp || s->packet->more)
			s->drop = true;
		else
			s->keep = (size_t)(limit - from);
	}
	if (s->drop || passes <= lane->passed)
		return;
	count(&slot->counts.passed_bytes, (uint64_t)(passes - lane->passed));
	lane->passed = passes;
}

static void act_bytes(struct bo_conn_slot *slot, struct bo_conn_state *state,
		      struct bo_conn_lane *lane, struct bo_conn_sight *s)
{
	int64_t from, limit;

	/* Not even the end of the stream gets past what is missing of it. */
	if (!s->payload && !s->fin)
		return;
	limit = bo_conn_limit(&slot->rule, lane, s, &from);
	lane->barrier = limit;
	pass_up_to(slot, state, lane, s, from, limit);
}

static void act(struct bo_wire_rules *rules, struct bo_conn_slot *slot, struct bo_conn_state *state,
		struct bo_conn_sight *s)
{
	struct bo_conn_lane *lane = &state->lane[s->dir];

	switch (slot->rule.action) {
	case BO_CONN_DROP:
		act_drop(slot, state, lane, s);
		return;
	case BO_CONN_REFUSE:
		act_refuse(rules, slot, state, s);
		return;
	case BO_CONN_RESET:
		/* A new connection is let come about first; one that its end resets needs no help. */
		if (s->syn || s->rst)
			return;
		touch(slot, state);
		state->ending = true;
		answer(rules, slot, state, s);
		return;
	case BO_CONN_STALL:
	case BO_CONN_CUT:
	case BO_CONN_DRIP:
		act_bytes(slot, state, lane, s);
		return;
	case BO_CONN_ACTION_COUNT:
		return;
	}
}

/* --- a packet --------------------------------------------------------------------------------- */

/** heed() - what an acknowledgement says of the stream that goes the other way */
static void heed(struct bo_wire_rules *rules, struct bo_conn_slot *slot,
		 struct bo_conn_state *state, const struct bo_conn_sight *s)
{
	struct bo_conn_lane *lane = &state->lane[!s->dir];
	int64_t acked;

	if (!s->tcp || !s->ack || s->rst || state->ending)
		return;
	if (s->syn && state->syn_dropped && !state->escaped) {
		state->escaped = true;
		count(&slot->counts.escaped, 1);
	}
	if (!lane->begun || !s->flow->side[!s->dir].seen)
		return;
	acked = offset_of(&s->flow->side[!s->dir], s->ack_number);
	/* A FIN takes up one number behind the last byte. */
	if (lane->barrier != BO_CONN_NOWHERE && acked > lane->barrier + 1 && !state->escaped) {
		state->escaped = true;
		count(&slot->counts.escaped, 1);
	}
	if (slot->rule.action != BO_CONN_CUT || acked < lane->start + slot->rule.after_bytes)
		return;
	if (slot->rule.orderly)
		close_connection(rules, slot, state, s->flow, (enum bo_dir) !s->dir, s->now_ns);
	else
		end_connection(rules, slot, state, s->flow, s->now_ns);
}

static void rule_see(struct bo_wire_rules *rules, struct bo_conn_slot *slot,
		     struct bo_conn_sight *s)
{
	const struct bo_conn_rule *rule = &slot->rule;
	bool meant = rule->dirs >> s->dir & 1;
	struct bo_conn_state *state;
	struct bo_conn_lane *lane;

	if (!s->flow) {
		/* Later fragments and the like: only where no condition needs a connection. */
		if (rule->action != BO_CONN_DROP || rule->port || rule->first || rule->share_ppm ||
		    !meant || rule->age != BO_CONN_ANY_AGE ||
		    rule->packets != BO_CONN_ALL_PACKETS || bo_conn_rule_per_packet(rule) ||
		    !bo_conn_protocol_fits(rule, s->packet->protocol) ||
		    !bo_conn_address_fits(rule, s->packet->version, s->packet->source,
					  s->packet->target))
			return;
		count(&slot->counts.matched, s->packets);
		s->drop = true;
		return;
	}
	if (!bo_conn_flow_fits(slot, s->flow))
		return;
	state = state_of(rules, slot, s->flow);
	if (!state)
		return;
	if (state->taken)
		heed(rules, slot, state, s);
	if (state->ending) {
		count(&slot->counts.matched, s->packets);
		answer(rules, slot, state, s);
		return;
	}
	if (!meant)
		return;
	lane = &state->lane[s->dir];
	bo_conn_lane_begin(lane, s->flow->side[s->dir].offset);
	if (!bo_conn_packet_fits(slot, lane, s))
		return;
	if (!state->taken) {
		if (bo_conn_would_act(rule, lane, s))
			spare(slot, state);
		return;
	}
	count(&slot->counts.matched, s->packets);
	act(rules, slot, state, s);
}

/** is_of_the_link() - a probe, or what the kernels at both ends say about addresses and groups (RFC 4861, RFC 3810) */
static bool is_of_the_link(const struct bo_wire_packet *p)
{
	uint8_t type;

	if (!p->has_l4)
		return false;
	if (p->protocol == IPPROTO_UDP)
		return p->source_port == BO_LINKPROBE_PORT || p->target_port == BO_LINKPROBE_PORT;
	if (p->version != 6 || p->protocol != IPPROTO_ICMPV6)
		return false;
	type = p->ip[p->l4];
	return (type >= ICMP6_LISTENER_QUERY && type <= ICMP6_REDIRECT) ||
	       type == ICMP6_LISTENER_REPORT2;
}

bool bo_wire_rules_pass(struct bo_wire_rules *rules, enum bo_dir dir, int64_t now_ns,
			struct bo_wire_packet *packet, uint32_t packets, uint8_t *frame,
			size_t *len)
{
	struct bo_conn_sight s = {
		.dir = dir, .now_ns = now_ns, .packet = packet, .packets = packets
	};
	bool drop = false, replace = false;
	size_t keep;

	if (is_of_the_link(packet))
		return true;
	s.flow = bo_conns_meet(&rules->conns, dir, packet);
	look(&s);
	keep = s.payload;
	for (size_t i = 0; i < rules->used; i++) {
		struct bo_conn_slot *slot = &rules->slots[i];

		if (!slot->rule.id)
			continue;
		s.drop = s.replace = false;
		s.keep = s.payload;
		rule_see(rules, slot, &s);
		if (s.drop)
			count(&slot->counts.dropped, packets);
		else if (s.keep < s.payload)
			count(&slot->counts.shortened, 1);
		drop = drop || s.drop;
		replace = replace || s.replace;
		keep = s.keep < keep ? s.keep : keep;
	}
	if (s.flow)
		learn(&s, !drop, keep);
	if (replace) {
		struct bo_wire_flow *place = packet->flow;

		*len = bo_forge_tcp(s.flow, dir, TCP_RST, s.seq, 0, frame);
		bo_wire_packet_parse(frame, *len, packet);
		packet->flow = place;
		return true;
	}
	if (!drop && keep < s.payload)
		*len = bo_forge_shorten(frame, packet, keep);
	return !drop;
}

/* --- the set ---------------------------------------------------------------------------------- */

struct bo_wire_rules *bo_wire_rules_new(struct bo_wire_flows *flows, uint64_t key,
					bo_wire_emit emit, void *arg)
{
	struct bo_wire_rules *rules = calloc(1, sizeof(*rules));

	if (!rules)
		return NULL;
	if (!bo_conns_init(&rules->conns, flows)) {
		free(rules);
		return NULL;
	}
	rules->key = key;
	rules->emit = emit;
	rules->arg = arg;
	return rules;
}

void bo_wire_rules_free(struct bo_wire_rules *rules)
{
	if (rules)
		bo_conns_done(&rules->conns);
	free(rules);
}

bool bo_wire_rules_per_packet(const struct bo_wire_rules *rules)
{
	return rules->per_packet;
}

static struct bo_conn_slot *slot_of(struct bo_wire_rules *rules, uint32_t id)
{
	for (size_t i = 0; i < BO_CONN_RULES_MAX; i++)
		if (rules->slots[i].rule.id == id)
			return &rules->slots[i];
	return NULL;
}

/** struct live - what is done to live connections */
struct live {
	struct bo_wire_rules *rules;
	struct bo_conn_slot *slot;
	int64_t now_ns;
};

static void reset_live(struct bo_conn_flow *flow, void *arg)
{
	const struct live *live = arg;
	struct bo_conn_state *state;

	if (!bo_conn_flow_fits(live->slot, flow))
		return;
	state = state_of(live->rules, live->slot, flow);
	if (state && !state->taken)
		spare(live->slot, state);
	else if (state)
		end_connection(live->rules, live->slot, state, flow, live->now_ns);
}

static void slot_fill(struct bo_wire_rules *rules, struct bo_conn_slot *slot,
		      const struct bo_conn_rule *rule, int64_t now_ns)
{
	memset(slot, 0, sizeof(*slot));
	slot->rule = *rule;
	if (rule->contains_len)
		memcpy(slot->contains, rule->contains, rule->contains_len);
	slot->rule.contains = slot->contains;
	slot->serial = ++rules->serial;
	slot->born = rules->conns.born;
	slot->key = bo_wire_key(rules->key, rule->salt, BO_DIR_COUNT + 1);
	bo_conn_text_prepare(slot);
	if (rule->action == BO_CONN_RESET && !bo_conn_rule_per_packet(rule))
		bo_conns_each(&rules->conns, reset_live, &(struct live){ rules, slot, now_ns });
}

static bool is_among(uint32_t id, const struct bo_conn_rule *rule, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (rule[i].id == id)
			return true;
	return false;
}

void bo_wire_rules_replace(struct bo_wire_rules *rules, const struct bo_conn_rule *rule, size_t n,
			   int64_t now_ns)
{
	bo_conns_begin(&rules->conns);
	for (size_t i = 0; i < BO_CONN_RULES_MAX; i++)
		if (rules->slots[i].rule.id && !is_among(rules->slots[i].rule.id, rule, n))
			rules->slots[i].rule.id = 0;
	for (size_t i = 0; i < n; i++) {
		struct bo_conn_slot *slot = slot_of(rules, rule[i].id) ? NULL : slot_of(rules, 0);

		if (slot)
			slot_fill(rules, slot, &rule[i], now_ns);
	}
	rules->used = 0;
	rules->per_packet = false;
	for (size_t i = 0; i < BO_CONN_RULES_MAX; i++) {
		if (!rules->slots[i].rule.id)
			continue;
		rules->used = i + 1;
		rules->per_packet = rules->per_packet ||
				    bo_conn_rule_per_packet(&rules->slots[i].rule);
	}
}

bool bo_wire_rules_counts(const struct bo_wire_rules *rules, uint32_t id,
			  struct bo_conn_counts *ret)
{
	for (size_t i = 0; i < BO_CONN_RULES_MAX; i++) {
		const struct bo_conn_counters *c = &rules->slots[i].counts;

		if (!id || rules->slots[i].rule.id != id)
			continue;
		*ret = (struct bo_conn_counts){
			.connections = bo_wire_counted(&c->connections),
			.matched = bo_wire_counted(&c->matched),
			.dropped = bo_wire_counted(&c->dropped),
			.shortened = bo_wire_counted(&c->shortened),
			.resets = bo_wire_counted(&c->resets),
			.unreachables = bo_wire_counted(&c->unreachables),
			.unsent = bo_wire_counted(&c->unsent),
			.passed_bytes = bo_wire_counted(&c->passed_bytes),
			.escaped = bo_wire_counted(&c->escaped),
			.survived = bo_wire_counted(&c->survived),
			.spared = bo_wire_counted(&c->spared),
			.beyond = bo_wire_counted(&c->beyond),
			.missed = bo_wire_counted(&c->missed),
		};
		return true;
	}
	return false;
}
