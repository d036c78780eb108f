/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire_conns.c — the flows on a link.
 * A flow is (family, protocol, addresses, ports) whatever the direction; an ICMP echo has its identifier for both
 * ports.  Flows live in one array that doubles as it fills; when there are as many as may be, the one that was idle
 * longest makes room, so whoever opens connections without end can make the link forget and nothing else.  The hash
 * is keyed with the run's seed.
 *
 * Owns: its arrays.  Threads: the wire's own.  Privilege: none. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/rng.h"
#include "wire_bytes.h"
#include "wire_rules.h"

#define FLOWS_FIRST 64u
#define ICMP_ID 4

void bo_conns_init(struct bo_conns *conns, uint64_t seed)
{
	*conns = (struct bo_conns){ .newest = BO_CONN_NONE,
				    .oldest = BO_CONN_NONE,
				    .max = BO_CONN_FLOWS_MAX,
				    .key = bo_mix64(seed ^ UINT64_C(0x636f6e6e73)) };
}

void bo_conns_done(struct bo_conns *conns)
{
	for (uint32_t i = 0; i < conns->nflows; i++)
		free(conns->flows[i].states);
	free(conns->flows);
	free(conns->buckets);
	conns->flows = NULL;
	conns->buckets = NULL;
	conns->nflows = conns->room = conns->nbuckets = 0;
	conns->newest = conns->oldest = BO_CONN_NONE;
}

static bool is_echo(const struct bo_wire_packet *p)
{
	const uint8_t *at = p->ip + p->l4;

	if (p->len < p->l4 + ICMP_ID + 2)
		return false;
	return p->protocol == IPPROTO_ICMP ? at[0] == 8 || at[0] == 0
					   : at[0] == 128 || at[0] == 129;
}

/** identify() - the packet's flow, without anything that was learnt of it */
static bool identify(const struct bo_wire_packet *p, enum bo_dir dir, struct bo_conn_flow *ret)
{
	uint16_t id;

	if (!p->has_l4)
		return false;
	*ret = (struct bo_conn_flow){ .version = p->version, .protocol = p->protocol };
	memcpy(ret->addr[dir], p->source, p->addr_len);
	memcpy(ret->addr[!dir], p->target, p->addr_len);
	ret->port[dir] = p->source_port;
	ret->port[!dir] = p->target_port;
	if ((p->protocol == IPPROTO_ICMP || p->protocol == IPPROTO_ICMPV6) && is_echo(p)) {
		id = bo_get16(p->ip + p->l4 + ICMP_ID);
		ret->port[0] = ret->port[1] = id;
	}
	return true;
}

static uint64_t hash_of(const struct bo_conns *conns, const struct bo_conn_flow *flow)
{
	uint64_t h = conns->key ^ ((uint64_t)flow->port[0] << 32 | (uint64_t)flow->port[1] << 16 |
				   (uint64_t)flow->version << 8 | flow->protocol);

	for (int end = 0; end < 2; end++) {
		uint64_t word[2];

		memcpy(word, flow->addr[end], sizeof(word));
		h = bo_mix64(h ^ word[0]);
		if (flow->version == 6)
			h = bo_mix64(h ^ word[1]);
	}
	return bo_mix64(h);
}

static bool same(const struct bo_conn_flow *a, const struct bo_conn_flow *b)
{
	return a->port[0] == b->port[0] && a->port[1] == b->port[1] && a->protocol == b->protocol &&
	       a->version == b->version && memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

/* --- the list --------------------------------------------------------------------------------- */

static void list_remove(struct bo_conns *conns, uint32_t i)
{
	const struct bo_conn_flow *flow = &conns->flows[i];

	if (flow->newer != BO_CONN_NONE)
		conns->flows[flow->newer].older = flow->older;
	else
		conns->newest = flow->older;
	if (flow->older != BO_CONN_NONE)
		conns->flows[flow->older].newer = flow->newer;
	else
		conns->oldest = flow->newer;
}

static void list_front(struct bo_conns *conns, uint32_t i)
{
	conns->flows[i].newer = BO_CONN_NONE;
	conns->flows[i].older = conns->newest;
	if (conns->newest != BO_CONN_NONE)
		conns->flows[conns->newest].newer = i;
	else
		conns->oldest = i;
	conns->newest = i;
}

/* --- the table -------------------------------------------------------------------------------- */

static uint32_t *bucket_of(const struct bo_conns *conns, const struct bo_conn_flow *flow)
{
	return &conns->buckets[hash_of(conns, flow) & (conns->nbuckets - 1)];
}

static bool grow(struct bo_conns *conns)
{
	uint32_t room = conns->room ? conns->room * 2 : FLOWS_FIRST;
	uint32_t nbuckets = conns->nbuckets ? conns->nbuckets : FLOWS_FIRST;
	struct bo_conn_flow *flows;
	uint32_t *buckets;

	if (room > conns->max)
		room = conns->max;
	if (room <= conns->room)
		return false;
	flows = realloc(conns->flows, room * sizeof(*flows));
	if (!flows)
		return false;
	conns->flows = flows;
	/* A power of two not below the number of flows. */
	while (nbuckets < room)
		nbuckets *= 2;
	buckets = realloc(conns->buckets, nbuckets * sizeof(*buckets));
	if (!buckets)
		return false;
	conns->buckets = buckets;
	conns->nbuckets = nbuckets;
	conns->room = room;
	memset(buckets, 0xff, nbuckets * sizeof(*buckets)); /* BO_CONN_NONE */
	for (uint32_t i = 0; i < conns->nflows; i++) {
		uint32_t *bucket = bucket_of(conns, &flows[i]);

		flows[i].hash_next = *bucket;
		*bucket = i;
	}
	return true;
}

/** forget_oldest() - take the flow that was idle longest out of the table; its place */
static uint32_t forget_oldest(struct bo_conns *conns)
{
	uint32_t i = conns->oldest;
	uint32_t *at;

	if (i == BO_CONN_NONE)
		return i;
	at = bucket_of(conns, &conns->flows[i]);
	while (*at != i)
		at = &conns->flows[*at].hash_next;
	*at = conns->flows[i].hash_next;
	list_remove(conns, i);
	free(conns->flows[i].states);
	return i;
}

static uint32_t insert(struct bo_conns *conns, const struct bo_conn_flow *flow)
{
	uint32_t *bucket;
	uint32_t i;

	if (conns->nflows < conns->room || grow(conns))
		i = conns->nflows++;
	else
		i = forget_oldest(conns);
	if (i == BO_CONN_NONE)
		return i;
	conns->flows[i] = *flow;
	bucket = bucket_of(conns, flow);
	conns->flows[i].hash_next = *bucket;
	*bucket = i;
	list_front(conns, i);
	return i;
}

static uint32_t find(const struct bo_conns *conns, const struct bo_conn_flow *flow)
{
	uint32_t i = conns->nbuckets ? *bucket_of(conns, flow) : BO_CONN_NONE;

	while (i != BO_CONN_NONE && !same(&conns->flows[i], flow))
		i = conns->flows[i].hash_next;
	return i;
}

/** begin() - who opened it?  Of TCP a SYN tells; whoever comes later guesses that servers have the lower port */
static void begin(struct bo_conns *conns, struct bo_conn_flow *flow, enum bo_dir dir, uint8_t flags)
{
	flow->number = conns->born++;
	flow->initiator = (uint8_t)dir;
	if (flow->protocol != IPPROTO_TCP || (flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
		return;
	flow->guessed = true;
	if (flags & TCP_SYN)
		flow->initiator = (uint8_t)!dir;
	else
		flow->initiator = flow->port[0] < flow->port[1];
}

/** is_reopened() - a SYN that is not a retransmission of the one that opened the flow */
static bool is_reopened(const struct bo_conn_flow *flow, enum bo_dir dir,
			const struct bo_wire_packet *p)
{
	const struct bo_conn_side *side = &flow->side[dir];
	const uint8_t *seq = p->ip + p->l4 + TCP_SEQ;
	uint32_t isn;

	if (flow->protocol != IPPROTO_TCP || (p->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN)
		return false;
	isn = (uint32_t)bo_get16(seq) << 16 | bo_get16(seq + 2);
	return flow->guessed || flow->initiator != (uint8_t)dir || flow->closed || !side->seen ||
	       isn + 1 != side->seq - (uint32_t)side->offset;
}

struct bo_conn_flow *bo_conns_meet(struct bo_conns *conns, enum bo_dir dir,
				   const struct bo_wire_packet *packet)
{
	struct bo_conn_flow key, *flow;
	uint32_t i;

	if (!identify(packet, dir, &key))
		return NULL;
	i = find(conns, &key);
	if (i == BO_CONN_NONE) {
		begin(conns, &key, dir, packet->tcp_flags);
		i = insert(conns, &key);
		return i == BO_CONN_NONE ? NULL : &conns->flows[i];
	}
	flow = &conns->flows[i];
	if (i != conns->newest) {
		list_remove(conns, i);
		list_front(conns, i);
	}
	if (is_reopened(flow, dir, packet)) {
		free(flow->states);
		key.hash_next = flow->hash_next;
		key.newer = flow->newer;
		key.older = flow->older;
		*flow = key;
		begin(conns, flow, dir, packet->tcp_flags);
	}
	return flow;
}
