/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_wire_flow.c — which flow a packet is of, and that its fate hangs on nothing but
 * that and its number.  Privilege: none. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "brownout/base/clock.h"
#include "brownout/base/rng.h"
#include "wire-internal.h"
#include "wire_build.h"
#include "wire_rules.h"

#define SYN 0x02
#define RST 0x04
#define ACK 0x10

static struct bo_wire_flow *find(struct bo_wire_flows *flows, struct wire_frame f)
{
	static uint8_t frame[9000];
	struct bo_wire_packet packet;

	bo_wire_packet_parse(frame, wire_frame_build(&f, frame), &packet);
	return bo_wire_flows_find(flows, &packet);
}

static struct wire_frame tcp(uint8_t from, uint16_t from_port, uint8_t to, uint16_t to_port,
			     uint8_t flags, uint32_t seq)
{
	return (struct wire_frame){ .protocol = IPPROTO_TCP,
				    .from = from,
				    .to = to,
				    .from_port = from_port,
				    .to_port = to_port,
				    .flags = flags,
				    .seq = seq };
}

static struct wire_frame udp(uint8_t from, uint16_t from_port, uint8_t to, uint16_t to_port)
{
	return (struct wire_frame){ .protocol = IPPROTO_UDP,
				    .from = from,
				    .to = to,
				    .from_port = from_port,
				    .to_port = to_port };
}

/** count() - flows that were begun */
static uint64_t begun(const struct bo_wire_flows *flows)
{
	uint64_t n;

	(void)bo_wire_flows_count(flows, &n);
	return n;
}

static void names_have_no_ephemeral_port(void **state)
{
	struct bo_wire_flows *one = bo_wire_flows_new(BO_WIRE_FLOWS_MAX, 1),
			     *two = bo_wire_flows_new(BO_WIRE_FLOWS_MAX, 1);
	uint64_t first[20];

	(void)state;
	assert_true(one && two);
	for (int i = 0; i < 20; i++) {
		uint16_t a = (uint16_t)(40000 + 7 * i), b = (uint16_t)(61000 - 3 * i);

		first[i] = find(one, tcp(1, a, 2, 80, SYN, 1000u + (uint32_t)i))->id;
		assert_true(find(two, tcp(1, b, 2, 80, SYN, 77u * (uint32_t)i))->id == first[i]);
		/* Both directions, however it goes on. */
		assert_true(find(one, tcp(2, 80, 1, a, SYN | ACK, 5))->id == first[i]);
		assert_true(find(one, tcp(1, a, 2, 80, ACK, 6))->id == first[i]);
		for (int k = 0; k < i; k++)
			assert_true(first[k] != first[i]); /* the ordinal */
	}
	assert_int_equal(begun(one), 20);
	assert_int_equal(bo_wire_flows_count(one, NULL), 20);
	/* Another service, another client, the other way round, another protocol, the other family. */
	for (int i = 0; i < 20; i++) {
		struct wire_frame v6 = tcp(1, 999, 2, 80, SYN, 1);

		v6.v6 = true;
		assert_true(find(two, tcp(1, (uint16_t)(1000 + i), 2, 81, SYN, 1))->id != first[i]);
		assert_true(find(two, tcp(3, (uint16_t)(1000 + i), 2, 80, SYN, 1))->id != first[i]);
		assert_true(find(two, tcp(2, (uint16_t)(1000 + i), 1, 80, SYN, 1))->id != first[i]);
		assert_true(find(two, udp(1, (uint16_t)(1000 + i), 2, 80))->id != first[i]);
		v6.from_port = (uint16_t)(1000 + i);
		assert_true(find(two, v6)->id != first[i]);
	}
	bo_wire_flows_free(one);
	bo_wire_flows_free(two);
	bo_wire_flows_free(NULL);
}

static void a_connection_is_known_by_its_syn(void **state)
{
	struct bo_wire_flows *flows = bo_wire_flows_new(BO_WIRE_FLOWS_MAX, 1);
	struct bo_wire_flow *flow = find(flows, tcp(1, 5000, 2, 80, SYN, 100));
	uint64_t id = flow->id;

	(void)state;
	flow->memory[0].number = 17;
	/* Retransmitted: the same; ports used anew: another. */
	assert_true(find(flows, tcp(1, 5000, 2, 80, SYN, 100))->id == id);
	assert_int_equal(flow->memory[0].number, 17);
	assert_true(find(flows, tcp(1, 5000, 2, 80, RST, 0))->id == id);
	assert_true(find(flows, tcp(1, 5000, 2, 80, SYN, 101))->id != id);
	assert_int_equal(flow->memory[0].number, 0);
	assert_int_equal(begun(flows), 2);
	assert_int_equal(bo_wire_flows_count(flows, NULL), 1);

	/* From the middle: SYN and ACK says who answers; so does a service that is known; else the first
	 * to speak is the initiator. */
	id = find(flows, tcp(1, 5001, 2, 80, SYN, 1))->id;
	bo_wire_flows_free(flows);
	flows = bo_wire_flows_new(BO_WIRE_FLOWS_MAX, 1);
	for (uint16_t i = 0; i < 2; i++)
		(void)find(flows, tcp(2, 80, 1, (uint16_t)(6000 + i), SYN | ACK, 1));
	assert_true(find(flows, tcp(2, 80, 1, 6002, SYN | ACK, 1))->id == id);
	bo_wire_flows_free(flows);
	flows = bo_wire_flows_new(BO_WIRE_FLOWS_MAX, 1);
	(void)find(flows, tcp(1, 6000, 2, 80, SYN, 1));
	(void)find(flows, tcp(1, 6001, 2, 80, SYN, 1));
	assert_true(find(flows, tcp(2, 80, 1, 6002, SYN | ACK, 1))->id == id);
	bo_wire_flows_free(flows);
	flows = bo_wire_flows_new(BO_WIRE_FLOWS_MAX, 1);
	(void)find(flows, tcp(1, 6000, 2, 80, SYN, 1));
	(void)find(flows, tcp(2, 80, 1, 6001, ACK, 1));
	assert_true(find(flows, tcp(2, 80, 1, 6002, ACK, 1))->id == id);
	/* An old one whose ports a SYN takes over. */
	assert_true(find(flows, tcp(1, 6002, 2, 80, SYN, 0))->id != id);
	bo_wire_flows_free(flows);

	/* Both ends are known as responders: the first to speak is the initiator. */
	flows = bo_wire_flows_new(BO_WIRE_FLOWS_MAX, 1);
	(void)find(flows, udp(1, 1, 2, 53));
	id = find(flows, udp(1, 2, 2, 53))->id;
	bo_wire_flows_free(flows);
	flows = bo_wire_flows_new(BO_WIRE_FLOWS_MAX, 1);
	(void)find(flows, udp(1, 1, 2, 53));
	(void)find(flows, udp(2, 9000, 1, 5001));
	assert_true(find(flows, udp(1, 5001, 2, 53))->id == id);
	bo_wire_flows_free(flows);
}

/* Twenty thousand services, two connections to each, in two orders: nobody counts for another. */
static void services_do_not_count_for_each_other(void **state)
{
	enum { SERVICES = 20000 };
	struct bo_wire_flows *one = bo_wire_flows_new(BO_WIRE_FLOWS_MAX, 1),
			     *two = bo_wire_flows_new(BO_WIRE_FLOWS_MAX, 1);
	uint64_t *ids = calloc(2 * SERVICES, sizeof(*ids));

	(void)state;
	assert_true(one && two && ids);
	for (uint16_t k = 0; k < 2; k++)
		for (uint32_t i = 0; i < SERVICES; i++)
			ids[2 * i + k] = find(one, tcp(1, (uint16_t)(50000 + k), 2,
						       (uint16_t)(1 + i), SYN, 1))
						 ->id;
	for (uint32_t i = SERVICES; i-- > 0;)
		for (uint16_t k = 0; k < 2; k++)
			assert_true(find(two, tcp(1, (uint16_t)(40000 + k), 2, (uint16_t)(1 + i),
						  SYN, 2))
					    ->id == ids[2 * i + k]);
	/* More than can be counted for; each is another one all the same. */
	for (uint32_t i = 0; i < 80000; i++)
		(void)find(one, udp(1, 9, (uint8_t)(3 + i / 60000), (uint16_t)(i % 60000 + 1)));
	assert_int_equal(bo_wire_flows_count(one, NULL), 2 * SERVICES + 80000);
	free(ids);
	bo_wire_flows_free(one);
	bo_wire_flows_free(two);
}

static void packets_without_ports_are_of_their_addresses(void **state)
{
	struct bo_wire_flows *flows = bo_wire_flows_new(BO_WIRE_FLOWS_MAX, 1);
	struct wire_frame icmp = { .protocol = IPPROTO_ICMP, .from = 1, .to = 2, .payload = 56 };
	struct wire_frame back = icmp, fragment = udp(1, 1000, 2, 53), first = fragment;
	static const uint8_t odd[] = { 0x33, 1, 2, 3 };
	uint8_t frame[BO_WIRE_HDR_LEN + 4] = { 0 };
	struct bo_wire_packet packet;
	uint64_t id;

	(void)state;
	back.from = 2;
	back.to = 1;
	id = find(flows, icmp)->id;
	assert_true(find(flows, back)->id == id);
	icmp.payload = 1000;
	assert_true(find(flows, icmp)->id == id);
	icmp.to = 3;
	assert_true(find(flows, icmp)->id != id);

	/* A later fragment has no ports: all of them are one flow, of whatever datagrams. */
	fragment.fragment = 100;
	fragment.payload = 800;
	id = find(flows, fragment)->id;
	assert_true(find(flows, first)->id != id);
	fragment.fragment = 200;
	assert_true(find(flows, fragment)->id == id);
	fragment.v6 = true;
	id = find(flows, fragment)->id;
	fragment.fragment = 100;
	assert_true(find(flows, fragment)->id == id);

	/* Not IP at all. */
	memcpy(frame + BO_WIRE_HDR_LEN, odd, sizeof(odd));
	bo_wire_packet_parse(frame, sizeof(frame), &packet);
	id = bo_wire_flows_find(flows, &packet)->id;
	frame[sizeof(frame) - 1] = 9;
	bo_wire_packet_parse(frame, sizeof(frame), &packet);
	assert_true(bo_wire_flows_find(flows, &packet)->id == id);
	bo_wire_flows_free(flows);
}

/* A hundred thousand flows, twice through: each is found again. */
static void a_hundred_thousand_flows_are_remembered(void **state)
{
	enum { FLOWS = 100000 };
	struct bo_wire_flows *flows = bo_wire_flows_new(BO_WIRE_FLOWS_MAX, 1);
	uint64_t *ids = calloc(FLOWS, sizeof(*ids));

	(void)state;
	assert_true(flows && ids);
	assert_int_equal(sizeof(struct bo_wire_flow), 112); /* what the documents say */
	assert_int_equal(sizeof(struct bo_wire_memory), 40);
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < FLOWS; i++) {
			struct bo_wire_flow *flow = find(flows,
							 udp((uint8_t)(1 + i / 60000),
							     (uint16_t)(i % 60000 + 1), 9, 53));

			assert_int_equal(flow->memory[0].number, (uint64_t)i * (uint64_t)round);
			flow->memory[0].number = i;
			assert_true(!round || ids[i] == flow->id);
			ids[i] = flow->id;
		}
	}
	assert_int_equal(bo_wire_flows_count(flows, NULL), FLOWS);
	assert_int_equal(begun(flows), FLOWS);
	free(ids);
	bo_wire_flows_free(flows);
}

static void beyond_the_bound_idle_flows_make_room(void **state)
{
	struct bo_wire_flows *flows = bo_wire_flows_new(BO_WIRE_FLOWS_MAX, 1);
	uint64_t busy;

	(void)state;
	assert_non_null(flows);
	busy = find(flows, udp(200, 1, 201, 1))->id;
	for (uint32_t i = 0; i < 3 * BO_WIRE_FLOWS_MAX; i++) {
		(void)find(flows, udp((uint8_t)(1 + i / 60000), (uint16_t)(i % 60000 + 1), 9, 53));
		/* Speaks now and then, and stays. */
		if (i % 16 == 0)
			assert_true(find(flows, udp(200, 1, 201, 1))->id == busy);
	}
	assert_int_equal(bo_wire_flows_count(flows, NULL), BO_WIRE_FLOWS_MAX);
	assert_int_equal(begun(flows), 3 * BO_WIRE_FLOWS_MAX + 1);
	/* One that had to go is another connection when it comes back, also in what it is called. */
	assert_int_equal(find(flows, udp(1, 1, 9, 53))->memory[0].number, 0);
	assert_int_equal(begun(flows), 3 * BO_WIRE_FLOWS_MAX + 2);
	assert_int_equal(bo_wire_flows_count(flows, NULL), BO_WIRE_FLOWS_MAX);
	bo_wire_flows_free(flows);
}

/* --- fates ------------------------------------------------------------------------------------ */

/** struct wire - two lines over one table */
struct wire {
	struct bo_wire_flows *flows;
	struct bo_wire_line line[BO_DIR_COUNT];
};

static void wire_up(struct wire *wire, uint64_t seed)
{
	const struct bo_impair im = { .delay_ns = 10 * BO_NSEC_PER_MSEC,
				      .jitter_ns = BO_NSEC_PER_MSEC,
				      .delay_corr_ppm = 200000,
				      .loss = { .model = BO_LOSS_GE,
						.p_ppm = 100000,
						.r_ppm = 300000,
						.bad_loss_ppm = BO_PPM_ALL } };
	struct bo_wire_queue queue = { .max_bytes = BO_WIRE_QUEUE_BYTES };

	wire->flows = bo_wire_flows_new(BO_WIRE_FLOWS_MAX, 1);
	for (int dir = 0; dir < BO_DIR_COUNT; dir++) {
		bo_wire_line_init(&wire->line[dir], seed, 1, (enum bo_dir)dir);
		wire->line[dir].flows = wire->flows;
		assert_int_equal(bo_wire_line_change(&wire->line[dir], &im, 0, &queue), 0);
	}
}

/** fate() - of one packet: 0 lost, else its delay */
static uint64_t fate(struct wire *wire, enum bo_dir dir, struct wire_frame f)
{
	static uint8_t frame[9000];
	struct bo_wire_packet packet;
	struct bo_wire_outcome out;

	bo_wire_packet_parse(frame, wire_frame_build(&f, frame), &packet);
	bo_wire_line_next(&wire->line[dir], 0, &packet, 1, 0, &out);
	assert_true(out.flow != 0);
	return out.fate == BO_WIRE_PASS ? (uint64_t)out.due_ns : 0;
}

/* Ten connections at once, mixed at random, with other ports in each run: each has its fates. */
static void fates_hang_on_flow_and_number_alone(void **state)
{
	enum { FLOWS = 10, PACKETS = 200, RUNS = 3 };
	static uint64_t seen[RUNS][BO_DIR_COUNT][FLOWS][PACKETS];
	static const uint64_t seeds[RUNS] = { 4, 4, 5 };
	int same = 0;

	(void)state;
	for (int run = 0; run < RUNS; run++) {
		int done[BO_DIR_COUNT][FLOWS] = { { 0 } };
		uint16_t port = (uint16_t)(20000 + 111 * run);
		struct bo_rng rng;
		struct wire wire;

		wire_up(&wire, seeds[run]);
		bo_rng_init(&rng, (uint64_t)run + 1, 9);
		for (int i = 0; i < FLOWS; i++)
			seen[run][0][i][done[0][i]++] =
				fate(&wire, BO_DIR_A_TO_B,
				     tcp(1, (uint16_t)(port + i), 2, 80, SYN, (uint32_t)run));
		for (int left = FLOWS * PACKETS * 2 - FLOWS; left;) {
			int i = (int)(bo_rng_u64(&rng) % FLOWS), dir = (int)(bo_rng_u64(&rng) % 2);
			uint16_t own = (uint16_t)(port + i);

			if (done[dir][i] == PACKETS)
				continue;
			seen[run][dir][i][done[dir][i]++] = fate(&wire, (enum bo_dir)dir,
								 dir ? tcp(2, 80, 1, own, ACK, 1)
								     : tcp(1, own, 2, 80, ACK, 1));
			left--;
		}
		bo_wire_flows_free(wire.flows);
	}
	assert_memory_equal(seen[0], seen[1], sizeof(seen[0]));
	assert_memory_not_equal(seen[0], seen[2], sizeof(seen[0]));
	/* Connections and directions are not alike either. */
	for (int p = 0; p < PACKETS; p++)
		same += seen[0][0][0][p] == seen[0][0][1][p] ||
			seen[0][0][0][p] == seen[0][1][0][p];
	assert_true(same < PACKETS / 3);
}

/** mixed() - TCP with ports used anew, UDP from both ends, ICMP, fragments, both families; the hash of their fates */
static uint64_t mixed(struct wire *wire)
{
	static const uint8_t flags[] = { SYN, SYN | ACK, ACK, ACK, ACK, RST };
	uint64_t hash = 0;
	struct bo_rng rng;

	bo_rng_init(&rng, 11, 12);
	for (int i = 0; i < 20000; i++) {
		uint64_t draw = bo_rng_u64(&rng);
		uint8_t from = (uint8_t)(1 + (draw & 1));
		uint16_t port = (uint16_t)(30000 + (draw >> 8) % 40);
		uint16_t service = (uint16_t)(80 + (draw >> 16) % 3);
		struct wire_frame f = udp(from, port, (uint8_t)(3 - from), service);

		if ((draw >> 24) % 4 == 0) {
			f = tcp(from, port, (uint8_t)(3 - from), service,
				flags[(draw >> 32) % sizeof(flags)], (uint32_t)(draw >> 40) % 5);
		} else if ((draw >> 24) % 4 == 1) {
			f.protocol = (draw >> 28) & 1 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
			f.from_port = f.to_port = 0;
			f.payload = (draw >> 48) % 100;
		} else if ((draw >> 24) % 4 == 2 && (draw >> 32) % 4 == 0) {
			f.fragment = (uint16_t)(1 + (draw >> 40) % 50);
		}
		f.v6 = (draw >> 28) & 1;
		hash = bo_mix64(hash ^ fate(wire, (enum bo_dir)(draw & 1), f));
	}
	return hash;
}

/* What was recorded with one version is replayed with another: names of flows and draws stay what they are. */
static void fates_are_those_of_every_version(void **state)
{
	struct wire wire;

	(void)state;
	wire_up(&wire, 4);
	assert_true(mixed(&wire) == UINT64_C(0x60a866daa408586b));
	bo_wire_flows_free(wire.flows);
}

/** ping() - an echo request with that identifier;  @met: where rules find it, NULL: where its fate does */
static struct bo_wire_flow *ping(struct bo_wire_flows *flows, bool v6, uint8_t id,
				 struct bo_wire_flow **met)
{
	static uint8_t frame[200];
	struct wire_frame f = { .v6 = v6,
				.protocol = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
				.from = 1,
				.to = 2,
				.payload = 8 };
	struct bo_wire_packet packet;
	size_t len = wire_frame_build(&f, frame);
	uint8_t *icmp = frame + BO_WIRE_HDR_LEN + (v6 ? 40 : 20);

	icmp[0] = v6 ? 128 : 8;
	icmp[5] = id;
	bo_wire_packet_parse(frame, len, &packet);
	*met = packet.flow = bo_wire_flows_meet(flows, &packet);
	return bo_wire_flows_find(flows, &packet);
}

/* To rules each echo identifier is a flow; fates are those of the addresses, as without rules. */
static void fates_are_the_same_beside_rules(void **state)
{
	struct bo_wire_flow *fate[3], *met[3];
	struct bo_conns conns;
	uint64_t plain[2];
	struct wire wire;

	(void)state;
	wire_up(&wire, 4);
	for (int v6 = 0; v6 < 2; v6++)
		plain[v6] = ping(wire.flows, v6, 1, &met[0])->id;
	bo_wire_flows_free(wire.flows);

	wire_up(&wire, 4);
	assert_true(bo_conns_init(&conns, wire.flows));
	bo_conns_begin(&conns);
	for (int v6 = 0; v6 < 2; v6++) {
		for (uint8_t i = 0; i < 3; i++)
			fate[i] = ping(wire.flows, v6, (uint8_t)(1 + i % 2), &met[i]);
		assert_true(fate[0] == fate[1] && fate[0] == fate[2]);
		assert_true(fate[0]->id == plain[v6]);
		assert_true(met[0] == met[2] && met[0] != met[1]);
		assert_true(met[0] != fate[0] && met[1] != fate[0]);
	}
	bo_conns_done(&conns);
	bo_wire_flows_free(wire.flows);

	wire_up(&wire, 4);
	assert_true(bo_conns_init(&conns, wire.flows));
	bo_conns_begin(&conns);
	assert_true(mixed(&wire) == UINT64_C(0x60a866daa408586b));
	bo_conns_done(&conns);
	bo_wire_flows_free(wire.flows);
}

/* What a rule drops has been met, but has no number, and no ordinal: the next has its fate. */
static void what_was_only_met_has_no_part_in_fates(void **state)
{
	static uint8_t frame[9000];
	struct bo_wire_flows *one = bo_wire_flows_new(64, 1), *two = bo_wire_flows_new(64, 1);
	struct wire_frame f = tcp(1, 5000, 2, 80, SYN, 1);
	struct bo_wire_packet packet;

	(void)state;
	assert_true(one && two);
	bo_wire_packet_parse(frame, wire_frame_build(&f, frame), &packet);
	assert_int_equal(bo_wire_flows_meet(one, &packet)->id, 0);
	assert_int_equal(begun(one), 0);
	assert_true(find(one, tcp(1, 6000, 2, 80, SYN, 1))->id ==
		    find(two, tcp(1, 7000, 2, 80, SYN, 1))->id);
	assert_true(find(one, f)->id == find(two, f)->id);
	assert_int_equal(begun(one), 2);
	bo_wire_flows_free(one);
	bo_wire_flows_free(two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_have_no_ephemeral_port),
		cmocka_unit_test(a_connection_is_known_by_its_syn),
		cmocka_unit_test(services_do_not_count_for_each_other),
		cmocka_unit_test(packets_without_ports_are_of_their_addresses),
		cmocka_unit_test(a_hundred_thousand_flows_are_remembered),
		cmocka_unit_test(beyond_the_bound_idle_flows_make_room),
		cmocka_unit_test(fates_hang_on_flow_and_number_alone),
		cmocka_unit_test(fates_are_those_of_every_version),
		cmocka_unit_test(fates_are_the_same_beside_rules),
		cmocka_unit_test(what_was_only_met_has_no_part_in_fates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
