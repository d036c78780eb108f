/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire_flow.c — the table of flows: which one a packet belongs to.  One look-up per packet serves both its fate
 * (the memory here) and the rules on connections (wire_conns.c, beside it at the same place).
 *
 * The name of a flow must be the same in two runs, so it has no ephemeral port in it:
 *   TCP, UDP   (protocol, initiator's address, responder's address and port, ordinal), where the
 *              ordinal counts the connections between these;
 *   others     (protocol, addresses): ICMP, and fragments but the first, which carry no ports.
 *
 * Who is the initiator: who sent SYN, or was answered with SYN and ACK.  Where no SYN was seen (UDP,
 * a connection older than the wire), the end that is known as a responder already; else the sender
 * of the first packet.  A SYN with another sequence number on ports that are in use is another
 * connection; with the same it is the retransmission that it looks like.
 *
 * A flow is named when its first packet comes to the line: what a rule has dropped before has no part in fates.
 *
 * Bounds.  BO_WIRE_FLOWS_MAX flows of 112 bytes (28 MiB), touched only as they come.  When there is
 * no room a flow that was not seen for long makes it (second chance, at most SWEEP looked at), and one that was
 * seen but once before any other: so a flood of made-up addresses drives out itself.  Should a flow that went
 * speak again it is a new connection with the next ordinal.  Nothing else ends a flow, for a
 * retransmitted FIN belongs to it too.
 *
 * A flow is found by a 64-bit hash of addresses and ports: two of 100,000 share one with a
 * probability of 3e-10, and then they share their memory.  Which bucket that hash is in depends on the run's seed.
 * To rules each ICMP echo identifier is a flow of its own; the fates of all of them are those of their addresses.
 * Ordinals are counted per name in a table
 * of ORDINALS; names beyond some ten thousand share counters, and have gaps in their ordinals.
 *
 * Owns: the table.  Threads: one (both directions of a wire are one thread's).  Privilege: none. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "brownout/base/rng.h"
#include "wire-internal.h"
#include "wire_bytes.h"
#include "wire_rules.h"

#define ORDINALS (UINT32_C(1) << 16)
#define PROBES 16
#define SWEEP 64

/** struct ordinal - how many connections there were of a name */
struct ordinal {
	uint64_t name; /* 0: free */
	uint32_t count;
};

struct bo_wire_names {
	struct ordinal at[ORDINALS];
};

struct bo_wire_flows {
	struct bo_wire_flow *flows;
	uint32_t *buckets; /* first flow of each, plus one */
	uint32_t max;
	unsigned int shift; /* of a product of 64 bits that leaves a bucket */
	uint64_t key;       /* odd */
	struct bo_conns *conns;
	struct bo_wire_names *names;
	uint32_t count;
	uint32_t hand; /* of the clock that looks for room */
	uint32_t last; /* place that was given */
	uint64_t begun;
};

/** struct ends - the packet's two, as numbers */
struct ends {
	uint64_t source, target;
	uint16_t source_port, target_port;
	uint32_t kind; /* IP version and protocol */
};

void *bo_wire_pages_new(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

void bo_wire_pages_free(void *at, size_t bytes)
{
	if (at)
		munmap(at, bytes);
}

struct bo_wire_flows *bo_wire_flows_new(uint32_t max, uint64_t seed)
{
	struct bo_wire_flows *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->max = max;
	t->shift = 64u - (unsigned int)__builtin_ctz(max);
	t->key = bo_mix64(seed ^ UINT64_C(0x666c6f7773)) | 1;
	t->flows = bo_wire_pages_new(max * sizeof(*t->flows));
	t->buckets = bo_wire_pages_new(max * sizeof(*t->buckets));
	t->names = bo_wire_names_new();
	if (!t->flows || !t->buckets || !t->names) {
		bo_wire_flows_free(t);
		return NULL;
	}
	return t;
}

void bo_wire_flows_free(struct bo_wire_flows *flows)
{
	if (!flows)
		return;
	bo_wire_pages_free(flows->flows, flows->max * sizeof(*flows->flows));
	bo_wire_pages_free(flows->buckets, flows->max * sizeof(*flows->buckets));
	bo_wire_names_free(flows->names);
	free(flows);
}

void bo_wire_flows_join(struct bo_wire_flows *flows, struct bo_conns *conns)
{
	flows->conns = conns;
}

uint32_t bo_wire_flows_max(const struct bo_wire_flows *flows)
{
	return flows->max;
}

uint32_t bo_wire_flows_place(const struct bo_wire_flows *flows, const struct bo_wire_flow *flow)
{
	return (uint32_t)(flow - flows->flows);
}

uint32_t bo_wire_flows_count(const struct bo_wire_flows *flows, uint64_t *ret_begun)
{
	if (ret_begun)
		*ret_begun = flows->begun;
	return flows->count;
}

static uint64_t address(const uint8_t *at, uint8_t len)
{
	uint64_t word[2] = { 0 };

	memcpy(word, at, len);
	return len > sizeof(word[0]) ? bo_mix64(word[0] + bo_mix64(word[1])) : word[0];
}

static struct ends ends_of(const struct bo_wire_packet *packet)
{
	struct ends e = { .kind = (uint32_t)packet->version << 8 | packet->protocol };

	if (!packet->version)
		return e;
	e.source = address(packet->source, packet->addr_len);
	e.target = address(packet->target, packet->addr_len);
	e.source_port = packet->source_port; /* 0 where there are none */
	e.target_port = packet->target_port;
	return e;
}

/** tag_of() - of both directions the same */
static uint64_t tag_of(const struct ends *e)
{
	uint64_t a = bo_mix64(e->source ^ bo_mix64(e->source_port));
	uint64_t b = bo_mix64(e->target ^ bo_mix64(e->target_port));

	return a < b ? bo_mix64(a + bo_mix64(b + e->kind)) : bo_mix64(b + bo_mix64(a + e->kind));
}

/** name_of() - without ordinal */
static uint64_t name_of(uint32_t kind, uint64_t initiator, uint64_t responder, uint16_t port)
{
	return bo_mix64(bo_mix64(bo_mix64(initiator) + responder) ^ ((uint64_t)kind << 16 | port));
}

static bool is_syn(const struct bo_wire_packet *packet)
{
	return packet->has_l4 && packet->protocol == IPPROTO_TCP &&
	       (packet->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

static uint32_t tcp_sequence(const struct bo_wire_packet *packet)
{
	uint32_t seq;

	memcpy(&seq, packet->ip + packet->l4 + TCP_SEQ, sizeof(seq));
	return seq; /* only ever compared */
}

/** ordinal_of() - the counter of a name; @take: one that is free if there is none yet, or else that of
 * another name;  Return: NULL only without @take */
static struct ordinal *ordinal_of(struct bo_wire_names *names, uint64_t name, bool take)
{
	struct ordinal *o;

	name += !name;
	for (uint32_t i = 0; i < PROBES; i++) {
		o = &names->at[(name + i) % ORDINALS];
		if (o->name != name && o->name)
			continue;
		if (!o->name && !take)
			return NULL;
		o->name = name;
		return o;
	}
	return take ? &names->at[name % ORDINALS] : NULL;
}

struct bo_wire_names *bo_wire_names_new(void)
{
	return calloc(1, sizeof(struct bo_wire_names));
}

void bo_wire_names_free(struct bo_wire_names *names)
{
	free(names);
}

uint64_t bo_wire_names_take(struct bo_wire_names *names, const struct bo_wire_packet *packet,
			    bool echoes)
{
	const struct ends ends = ends_of(packet), *e = &ends;
	uint64_t forth = name_of(e->kind, e->source, e->target, e->target_port);
	uint64_t back = name_of(e->kind, e->target, e->source, e->source_port);
	uint8_t syn = packet->protocol == IPPROTO_TCP ? packet->tcp_flags & (TCP_SYN | TCP_ACK) : 0;
	uint64_t name = forth;
	uint16_t id;

	if (!e->source_port && !e->target_port && !(echoes && bo_wire_packet_echo(packet, &id)))
		return tag_of(e);
	if (syn == (TCP_SYN | TCP_ACK) ||
	    (syn != TCP_SYN && !ordinal_of(names, forth, false) && ordinal_of(names, back, false)))
		name = back;
	return bo_mix64(name + bo_mix64(ordinal_of(names, name, true)->count++));
}

/** begin() - name the flow that begins with @packet */
static void begin(struct bo_wire_flows *t, struct bo_wire_flow *flow,
		  const struct bo_wire_packet *packet)
{
	memset(flow->memory, 0, sizeof(flow->memory));
	flow->named = true;
	flow->begun = is_syn(packet);
	flow->isn = flow->begun ? tcp_sequence(packet) : 0;
	t->begun++;
	flow->id = bo_wire_names_take(t->names, packet, false);
}

static uint32_t *bucket_of(struct bo_wire_flows *t, uint64_t tag)
{
	return &t->buckets[tag * t->key >> t->shift];
}

/** make_room() - take the flow that was not seen for longest, or nearly so, out of the table */
static uint32_t make_room(struct bo_wire_flows *t)
{
	uint32_t *link;
	uint32_t at;

	if (t->count < t->max)
		return t->count++;
	for (int i = 0; i < SWEEP && t->flows[t->hand].recent; i++) {
		t->flows[t->hand].recent = false;
		t->hand = (t->hand + 1) % t->max;
	}
	/* So many in a row are in use: then the one that came last goes, unless it is, too. */
	at = t->flows[t->hand].recent && !t->flows[t->last].recent ? t->last : t->hand;
	if (at == t->hand)
		t->hand = (t->hand + 1) % t->max;
	for (link = bucket_of(t, t->flows[at].tag); *link != at + 1;)
		link = &t->flows[*link - 1].next;
	*link = t->flows[at].next;
	if (t->conns)
		bo_conns_forget(t->conns, at);
	return at;
}

/** look_up() - the flow with that hash, which is made when there is none */
static struct bo_wire_flow *look_up(struct bo_wire_flows *t, uint64_t tag)
{
	uint32_t *bucket = bucket_of(t, tag);
	struct bo_wire_flow *flow;
	uint32_t at;

	for (at = *bucket; at; at = flow->next) {
		flow = &t->flows[at - 1];
		if (flow->tag != tag)
			continue;
		if (!flow->recent)
			flow->recent = true;
		return flow;
	}
	at = t->last = make_room(t);
	flow = &t->flows[at];
	*flow = (struct bo_wire_flow){ .tag = tag, .next = *bucket };
	*bucket = at + 1;
	return flow;
}

struct bo_wire_flow *bo_wire_flows_meet(struct bo_wire_flows *flows,
					const struct bo_wire_packet *packet)
{
	struct ends e = ends_of(packet);
	uint16_t id;

	if (flows->conns && bo_wire_packet_echo(packet, &id))
		e.source_port = e.target_port = id;
	return look_up(flows, tag_of(&e));
}

struct bo_wire_flow *bo_wire_flows_find(struct bo_wire_flows *flows,
					const struct bo_wire_packet *packet)
{
	struct bo_wire_flow *flow = packet->flow;
	struct ends e;
	uint16_t id;

	if (!flow || (flows->conns && bo_wire_packet_echo(packet, &id))) {
		e = ends_of(packet);
		flow = look_up(flows, tag_of(&e));
	}
	/* Ports used anew; a SYN that met an old flow from the middle of it is one, too. */
	if (!flow->named || (is_syn(packet) && (!flow->begun || flow->isn != tcp_sequence(packet))))
		begin(flows, flow, packet);
	return flow;
}
