/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire_match.c — does the filter of a rule choose a packet, and is that packet one to act on?
 * A text is searched in the stream with the algorithm of Knuth, Morris and Pratt, which needs no byte twice: so it is
 * found across packets without keeping any.
 *
 * Owns: nothing.  Threads: the wire's own.  Privilege: none. */
#include "wire_match.h"

#include <netinet/in.h>
#include <string.h>

bool bo_conn_protocol_fits(const struct bo_conn_rule *rule, uint8_t protocol)
{
	switch (rule->protocol) {
	case BO_CONN_TCP:
		return protocol == IPPROTO_TCP;
	case BO_CONN_UDP:
		return protocol == IPPROTO_UDP;
	case BO_CONN_ICMP:
		return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
	default:
		return true;
	}
}

bool bo_conn_address_fits(const struct bo_conn_rule *rule, uint8_t version, const uint8_t *source,
			  const uint8_t *target)
{
	return bo_conn_prefix_has(&rule->address, version, source) ||
	       bo_conn_prefix_has(&rule->address, version, target);
}

static bool port_fits(const struct bo_conn_rule *rule, const struct bo_conn_flow *flow)
{
	if (!rule->port)
		return true;
	if (flow->protocol != IPPROTO_TCP && flow->protocol != IPPROTO_UDP)
		return false;
	return flow->port[!flow->initiator] == rule->port ||
	       (flow->guessed && flow->port[flow->initiator] == rule->port);
}

bool bo_conn_flow_fits(const struct bo_conn_slot *slot, const struct bo_conn_flow *flow)
{
	const struct bo_conn_rule *rule = &slot->rule;
	bool fresh = flow->number >= slot->born && !flow->guessed;

	return bo_conn_protocol_fits(rule, flow->protocol) && port_fits(rule, flow) &&
	       bo_conn_address_fits(rule, flow->version, flow->addr[0], flow->addr[1]) &&
	       (rule->age == BO_CONN_ANY_AGE || (rule->age == BO_CONN_NEW) == fresh);
}

void bo_conn_lane_begin(struct bo_conn_lane *lane, int64_t at)
{
	if (lane->begun)
		return;
	*lane = (struct bo_conn_lane){ .begun = true,
				       .start = at,
				       .scanned = at,
				       .hit_from = BO_CONN_NOWHERE,
				       .hit_to = BO_CONN_NOWHERE,
				       .barrier = BO_CONN_NOWHERE,
				       .passed = at,
				       .offered = at };
}

void bo_conn_text_prepare(struct bo_conn_slot *slot)
{
	size_t k = 0;

	for (size_t i = 1; i < slot->rule.contains_len; i++) {
		while (k && slot->contains[i] != slot->contains[k])
			k = slot->fall_back[k - 1];
		k += slot->contains[i] == slot->contains[k];
		slot->fall_back[i] = (uint8_t)k;
	}
}

/** chosen_at() - remember the first bytes that were chosen */
static void chosen_at(struct bo_conn_lane *lane, int64_t from, int64_t to)
{
	if (lane->hit_from != BO_CONN_NOWHERE)
		return;
	lane->hit_from = from;
	lane->hit_to = to;
}

/** finds_text() - does the text end, for the right time, in bytes that were not looked at before? */
static bool finds_text(const struct bo_conn_slot *slot, struct bo_conn_lane *lane,
		       const struct bo_conn_sight *s)
{
	const uint8_t *at = s->packet->ip + s->packet->payload;
	int64_t from = lane->scanned > s->from ? lane->scanned : s->from;
	bool found = false;

	if (!s->tcp || s->from > lane->scanned)
		lane->matched = 0;
	for (int64_t i = from; i < s->to; i++) {
		const uint8_t *first = at + (i - s->from);
		char byte;

		/* Most bytes begin nothing. */
		if (!lane->matched)
			first = memchr(first, slot->contains[0], (size_t)(s->to - i));
		if (!first)
			break;
		i = s->from + (first - at);
		byte = (char)*first;
		while (lane->matched && byte != slot->contains[lane->matched])
			lane->matched = slot->fall_back[lane->matched - 1];
		lane->matched += byte == slot->contains[lane->matched];
		if (lane->matched < slot->rule.contains_len)
			continue;
		lane->matched = slot->fall_back[lane->matched - 1];
		lane->count++;
		if (slot->rule.occurrence && lane->count != slot->rule.occurrence)
			continue;
		found = true;
		chosen_at(lane,
			  i + 1 - (int64_t)slot->rule.contains_len > s->from
				  ? i + 1 - (int64_t)slot->rule.contains_len
				  : s->from,
			  i + 1);
	}
	return found;
}

/** is_nth() - is it the packet with payload that is counted to? */
static bool is_nth(const struct bo_conn_slot *slot, struct bo_conn_lane *lane,
		   const struct bo_conn_sight *s)
{
	int64_t from = lane->scanned > s->from ? lane->scanned : s->from;

	if (s->tcp && s->to <= lane->scanned)
		return false;
	/* A packet may stand for several when it was not cut; none of them is the n-th unless cut. */
	if (++lane->count != slot->rule.packet)
		return false;
	chosen_at(lane, from, s->to);
	return true;
}

bool bo_conn_packet_fits(const struct bo_conn_slot *slot, struct bo_conn_lane *lane,
			 const struct bo_conn_sight *s)
{
	const struct bo_conn_rule *rule = &slot->rule;
	bool fits;

	/* What asks, not what answers. */
	if (rule->action == BO_CONN_REFUSE &&
	    (s->tcp ? !s->syn || s->ack : s->dir != (enum bo_dir)s->flow->initiator))
		return false;
	if (rule->packets == BO_CONN_SYN_ONLY && (!s->syn || s->ack))
		return false;
	if (rule->packets == BO_CONN_NO_HANDSHAKE && s->syn)
		return false;
	if (!rule->packet && !rule->contains_len)
		return true;
	/* What lies so far ahead is not of this stream. */
	if (s->tcp && (!s->payload || s->from - lane->scanned > BO_CONN_WINDOW_MAX))
		return false;
	fits = rule->packet ? is_nth(slot, lane, s) : finds_text(slot, lane, s);
	if (s->tcp && lane->hit_from != BO_CONN_NOWHERE && s->from < lane->hit_to &&
	    s->to > lane->hit_from)
		fits = true;
	lane->scanned = s->to > lane->scanned ? s->to : lane->scanned;
	return fits;
}

/* --- amounts of payload ------------------------------------------------------------------------ */

static int64_t drip_limit(const struct bo_conn_rule *rule, struct bo_conn_lane *lane,
			  const struct bo_conn_sight *s)
{
	int64_t ticks;

	if (!lane->tick_ns) {
		lane->tick_ns = s->now_ns;
		lane->credit = lane->start + rule->after_bytes;
	}
	ticks = (s->now_ns - lane->tick_ns) / rule->every_ns;
	lane->tick_ns += ticks * rule->every_ns;
	lane->credit += ticks * rule->after_bytes;
	/* A datagram that was dropped does not come again: the next one takes its place. */
	if (!s->tcp)
		lane->offered = lane->passed;
	/* Who had nothing to send saves nothing up. */
	if (lane->passed >= lane->offered && lane->credit > lane->passed + rule->after_bytes)
		lane->credit = lane->passed + rule->after_bytes;
	return lane->credit;
}

int64_t bo_conn_limit(const struct bo_conn_rule *rule, struct bo_conn_lane *lane,
		      const struct bo_conn_sight *s, int64_t *ret_from)
{
	*ret_from = s->from;
	if (rule->action != BO_CONN_DRIP)
		return lane->start + rule->after_bytes;
	if (!s->tcp)
		*ret_from = lane->passed;
	return drip_limit(rule, lane, s);
}

bool bo_conn_is_beyond(struct bo_conn_lane *lane, const struct bo_conn_sight *s, int64_t from,
		       int64_t limit)
{
	int64_t to = from + (int64_t)s->payload;

	lane->offered = to > lane->offered ? to : lane->offered;
	return to > limit;
}

bool bo_conn_would_act(const struct bo_conn_rule *rule, struct bo_conn_lane *lane,
		       const struct bo_conn_sight *s)
{
	int64_t from, limit, to;

	if (rule->action == BO_CONN_DROP || rule->action == BO_CONN_REFUSE)
		return true;
	if (rule->action == BO_CONN_RESET)
		return !s->syn && !s->rst;
	if (!s->payload && !s->fin)
		return false;
	limit = bo_conn_limit(rule, lane, s, &from);
	to = from + (int64_t)s->payload;
	if (bo_conn_is_beyond(lane, s, from, limit))
		return true;
	/* It ends there, whether or not there is more to come; a FIN is acknowledged as a byte is. */
	if (rule->action == BO_CONN_CUT && to + s->fin >= limit)
		return true;
	lane->passed = to > lane->passed ? to : lane->passed;
	return false;
}
