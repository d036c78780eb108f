/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire_conns.c — what rules on connections know of the flows of a link.
 * The flows are those of wire_flow.c: one look-up, one bound and one rule of who goes serve fates and rules.  What is
 * known of the flow at a place of that table is at the same place here.  A connection begins at the first packet that
 * the rules see of a flow, and begins anew with a SYN that is not a retransmission.
 *
 * The name of a flow is made as that of its fates is (wire_flow.c), but counted here, where it is met: what a rule drops
 * has an ordinal, too, and it does not matter to those of fates.
 *
 * Bounds.  128 bytes per flow (32 MiB; pages are used as flows come), and BO_CONN_STATES_MAX states of rules that chose
 * a flow (58 MiB) whoever opens connections without end; flows beyond that are counted as missed.
 *
 * Owns: its array, and the states.  Threads: the wire's own.  Privilege: none. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "wire_bytes.h"
#include "wire_match.h"

bool bo_conns_init(struct bo_conns *conns, struct bo_wire_flows *flows)
{
	*conns = (struct bo_conns){ .flows = flows };
	conns->conn = bo_wire_pages_new(bo_wire_flows_max(flows) * sizeof(*conns->conn));
	conns->names = bo_wire_names_new();
	if (conns->conn && conns->names)
		return true;
	bo_conns_done(conns);
	return false;
}

void bo_conns_done(struct bo_conns *conns)
{
	if (conns->conn) {
		bo_wire_flows_join(conns->flows, NULL);
		for (uint32_t i = bo_wire_flows_count(conns->flows, NULL); i-- > 0;)
			free(conns->conn[i].states);
		bo_wire_pages_free(conns->conn,
				   bo_wire_flows_max(conns->flows) * sizeof(*conns->conn));
	}
	bo_wire_names_free(conns->names);
	*conns = (struct bo_conns){ 0 };
}

void bo_conns_begin(struct bo_conns *conns)
{
	bo_wire_flows_join(conns->flows, conns);
}

static void states_free(struct bo_conns *conns, struct bo_conn_flow *flow)
{
	free(flow->states);
	conns->nstates -= flow->nstates;
}

void bo_conns_forget(struct bo_conns *conns, uint32_t place)
{
	states_free(conns, &conns->conn[place]);
	conns->conn[place] = (struct bo_conn_flow){ 0 };
}

struct bo_conn_state *bo_conns_add_state(struct bo_conns *conns, struct bo_conn_flow *flow)
{
	struct bo_conn_state *states;

	if (conns->nstates == BO_CONN_STATES_MAX)
		return NULL;
	states = realloc(flow->states, (flow->nstates + 1u) * sizeof(*states));
	if (!states)
		return NULL;
	conns->nstates++;
	flow->states = states;
	states += flow->nstates++;
	*states = (struct bo_conn_state){ 0 };
	return states;
}

/** begin() - who opened it?  Of TCP a SYN tells; whoever comes later guesses that servers have the lower port */
static void begin(struct bo_conns *conns, struct bo_conn_flow *flow, enum bo_dir dir,
		  const struct bo_wire_packet *p)
{
	uint8_t syn = p->tcp_flags & (TCP_SYN | TCP_ACK);

	states_free(conns, flow);
	*flow = (struct bo_conn_flow){
		.version = p->version,
		.protocol = p->protocol,
		.name = bo_wire_names_take(conns->names, p, true),
		.number = conns->born++,
		.initiator = (uint8_t)dir,
	};
	memcpy(flow->addr[dir], p->source, p->addr_len);
	memcpy(flow->addr[!dir], p->target, p->addr_len);
	flow->port[dir] = p->source_port;
	flow->port[!dir] = p->target_port;
	if (flow->protocol != IPPROTO_TCP || syn == TCP_SYN)
		return;
	flow->guessed = true;
	if (syn & TCP_SYN)
		flow->initiator = (uint8_t)!dir;
	else
		flow->initiator = flow->port[0] < flow->port[1];
}

/** is_reopened() - a SYN that is not a retransmission of the one that opened the flow */
static bool is_reopened(const struct bo_conn_flow *flow, enum bo_dir dir,
			const struct bo_wire_packet *p)
{
	const struct bo_conn_side *side = &flow->side[dir];

	if (flow->protocol != IPPROTO_TCP || (p->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN)
		return false;
	return flow->guessed || flow->initiator != (uint8_t)dir || flow->closed || !side->seen ||
	       bo_get32(p->ip + p->l4 + TCP_SEQ) + 1 != side->seq - (uint32_t)side->offset;
}

struct bo_conn_flow *bo_conns_meet(struct bo_conns *conns, enum bo_dir dir,
				   struct bo_wire_packet *packet)
{
	struct bo_conn_flow *flow;

	packet->flow = bo_wire_flows_meet(conns->flows, packet);
	if (!packet->has_l4)
		return NULL;
	flow = &conns->conn[bo_wire_flows_place(conns->flows, packet->flow)];
	if (!flow->version || is_reopened(flow, dir, packet))
		begin(conns, flow, dir, packet);
	flow->met = ++conns->clock;
	return flow;
}

/* --- the live ones ------------------------------------------------------------------------------ */

/** struct recent - a flow, and when it was met last */
struct recent {
	uint64_t met;
	struct bo_conn_flow *flow;
};

static int later_first(const void *a, const void *b)
{
	uint64_t x = ((const struct recent *)a)->met, y = ((const struct recent *)b)->met;

	return x < y ? 1 : -(x > y);
}

void bo_conns_each(struct bo_conns *conns, void (*fn)(struct bo_conn_flow *flow, void *arg),
		   void *arg)
{
	uint32_t count = bo_wire_flows_count(conns->flows, NULL), n = 0;
	struct recent *all = malloc((count + 1u) * sizeof(*all));

	for (uint32_t i = 0; i < count; i++) {
		struct bo_conn_flow *flow = &conns->conn[i];

		if (!flow->version || flow->closed)
			continue;
		if (all)
			all[n++] = (struct recent){ flow->met, flow };
		else
			fn(flow, arg);
	}
	if (all)
		qsort(all, n, sizeof(*all), later_first);
	for (uint32_t i = 0; i < n; i++)
		fn(all[i].flow, arg);
	free(all);
}
