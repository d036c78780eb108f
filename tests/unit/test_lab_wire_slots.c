/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_wire_slots.c — the wire's slots against netem's, whose queue is played here as
 * net/sched/sch_netem.c works it: netem_dequeue() after every packet that comes and at each of its timers,
 * get_slot_next() with its own random numbers.  Both get the same packets, ready at the same times.
 * Prints a table.  Privilege: none. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "brownout/base/clock.h"
#include "brownout/base/rng.h"
#include "wire-internal.h"

#define MS BO_NSEC_PER_MSEC
#define PACKETS 20000
#define LEN 100

/** struct packet - when it comes, when its delay is over, and when either lets it go */
struct packet {
	int64_t at_ns;
	int64_t ready_ns;
	int64_t netem_ns;
	int64_t wire_ns;
};

/* --- netem ------------------------------------------------------------------------------------ */

struct netem {
	struct bo_slot slot;
	struct bo_rng rng;
	int64_t next_ns; /* slot_next */
	int64_t packets, bytes;
	struct packet *queue[PACKETS]; /* by ready_ns, those of one time as they came */
	size_t head, tail;
};

static void get_slot_next(struct netem *n, int64_t now_ns)
{
	n->next_ns = now_ns + n->slot.min_ns +
		     (int64_t)(bo_rng_unit(&n->rng) * (double)(n->slot.max_ns - n->slot.min_ns));
	n->packets = n->slot.packets ? n->slot.packets : INT64_MAX;
	n->bytes = n->slot.bytes ? n->slot.bytes : INT64_MAX;
}

static void netem_enqueue(struct netem *n, struct packet *packet)
{
	size_t i = n->tail++;

	for (; i > n->head && n->queue[i - 1]->ready_ns > packet->ready_ns; i--)
		n->queue[i] = n->queue[i - 1];
	n->queue[i] = packet;
}

/** netem_dequeue() - Return: when its timer goes off */
static int64_t netem_dequeue(struct netem *n, int64_t now_ns)
{
	while (n->head < n->tail) {
		struct packet *packet = n->queue[n->head];

		if (n->next_ns < packet->ready_ns)
			get_slot_next(n, now_ns);
		if (packet->ready_ns > now_ns || n->next_ns > now_ns)
			return packet->ready_ns > n->next_ns ? packet->ready_ns : n->next_ns;
		packet->netem_ns = now_ns;
		n->head++;
		n->packets--;
		n->bytes -= LEN;
		if (n->packets <= 0 || n->bytes <= 0)
			get_slot_next(n, now_ns);
	}
	return INT64_MAX;
}

static void by_netem(const struct bo_slot *slot, struct packet *packets, uint64_t seed)
{
	static struct netem n;
	int64_t timer_ns = INT64_MAX;

	n = (struct netem){ .slot = *slot,
			    .packets = slot->packets ? slot->packets : INT64_MAX,
			    .bytes = slot->bytes ? slot->bytes : INT64_MAX };
	bo_rng_init(&n.rng, seed, 2);
	for (size_t i = 0; i < PACKETS || timer_ns != INT64_MAX;) {
		if (i < PACKETS && packets[i].at_ns <= timer_ns) {
			netem_enqueue(&n, &packets[i]);
			timer_ns = netem_dequeue(&n, packets[i++].at_ns);
		} else {
			timer_ns = netem_dequeue(&n, timer_ns);
		}
	}
}

/* --- the table -------------------------------------------------------------------------------- */

/** struct row - @gap_ns: from one packet to the next in the mean;  @poisson: they come at random
 * @alike: by how much the figures may differ, as a share; 0: every packet goes at the very same time */
struct row {
	const char *name;
	int64_t gap_ns;
	bool poisson;
	int64_t delay_ns, jitter_ns;
	struct bo_slot slot;
	double alike;
};

/* clang-format off */
static const struct row rows[] = {
	{ "slot 40ms", 5 * MS, false, 0, 0, { 40 * MS, 40 * MS, 0, 0 }, 0 },
	{ "slot 40ms, sparse", 90 * MS, false, 0, 0, { 40 * MS, 40 * MS, 0, 0 }, 0 },
	{ "slot 40ms, 5 packets", 5 * MS, true, 0, 0, { 40 * MS, 40 * MS, 5, 0 }, 0 },
	{ "slot 40ms, 5 packets, seldom full", 10 * MS, true, 0, 0, { 40 * MS, 40 * MS, 5, 0 }, 0 },
	{ "slot 40ms, 950 bytes", 5 * MS, true, 0, 0, { 40 * MS, 40 * MS, 0, 950 }, 0 },
	{ "slot 40ms, delay 60ms", 5 * MS, false, 60 * MS, 0, { 40 * MS, 40 * MS, 0, 0 }, 0.02 },
	{ "slot 40ms, delay 60ms, 5 packets", 10 * MS, true, 60 * MS, 0, { 40 * MS, 40 * MS, 5, 0 }, 0.02 },
	{ "slot 40ms, delay 60ms, sparse", 200 * MS, false, 60 * MS, 0, { 40 * MS, 40 * MS, 0, 0 }, 0 },
	{ "slot 40ms, delay 30ms, sparse", 200 * MS, false, 30 * MS, 0, { 40 * MS, 40 * MS, 0, 0 }, 0 },
	{ "slot 40ms, delay 30ms, 1 packet, sparse", 200 * MS, false, 30 * MS, 0, { 40 * MS, 40 * MS, 1, 0 }, 0 },
	{ "slot 20ms-60ms", 5 * MS, true, 0, 0, { 20 * MS, 60 * MS, 0, 0 }, 0.03 },
	{ "slot 20ms-60ms, 5 packets", 10 * MS, true, 0, 0, { 20 * MS, 60 * MS, 5, 0 }, 0.03 },
	{ "slot 20ms-60ms, delay 60ms", 5 * MS, true, 60 * MS, 0, { 20 * MS, 60 * MS, 0, 0 }, 0.03 },
	{ "slot 40ms, delay 60ms ±10ms", 5 * MS, false, 60 * MS, 10 * MS, { 40 * MS, 40 * MS, 0, 0 }, 0.03 },
	{ "slot 40ms, delay 60ms ±60ms", 5 * MS, false, 60 * MS, 60 * MS, { 40 * MS, 40 * MS, 0, 0 }, 0.03 },
	{ "slot 20ms-60ms, delay 60ms ±60ms", 2 * MS, true, 60 * MS, 60 * MS, { 20 * MS, 60 * MS, 0, 0 }, 0.03 },
	{ "slot 20ms, delay 100ms ±100ms", 5 * MS, true, 100 * MS, 100 * MS, { 20 * MS, 20 * MS, 0, 0 }, 0.03 },
	{ "slot 20ms, delay 100ms ±100ms, 9 packets", 5 * MS, true, 100 * MS, 100 * MS, { 20 * MS, 20 * MS, 9, 0 }, 0.03 },
	{ "slot 40ms, delay 60ms ±60ms, few", 30 * MS, true, 60 * MS, 60 * MS, { 40 * MS, 40 * MS, 0, 0 }, 0.1 },
};
/* clang-format on */

static void by_wire(const struct row *row, struct packet *packets)
{
	const struct bo_impair im = { .slot = row->slot };
	struct bo_wire_queue queue = { .max_bytes = BO_WIRE_QUEUE_BYTES };
	struct bo_wire_line line;

	bo_wire_line_init(&line, 3, 1, BO_DIR_A_TO_B);
	assert_int_equal(bo_wire_line_change(&line, &im, 0, &queue), 0);
	for (size_t i = 0; i < PACKETS; i++)
		packets[i].wire_ns = bo_wire_slot(&line.pace, &im, line.key, packets[i].at_ns,
						  packets[i].ready_ns, LEN);
	bo_wire_queue_done(&queue);
}

static void come(const struct row *row, struct packet *packets)
{
	struct bo_rng rng;
	int64_t at_ns = 1000 * MS;

	bo_rng_init(&rng, 1, 1);
	for (size_t i = 0; i < PACKETS; i++) {
		double gap = row->poisson ? -log1p(-bo_rng_unit(&rng)) : 1;
		double spread = bo_rng_unit(&rng) * 2 - 1;

		at_ns += (int64_t)(gap * (double)row->gap_ns) + 1;
		packets[i] = (struct packet){
			.at_ns = at_ns,
			.ready_ns = at_ns + row->delay_ns +
				    (int64_t)(spread * (double)row->jitter_ns),
		};
	}
}

/** struct figures - mean time from coming to going, and between bursts; packets in one; least time between two */
struct figures {
	double delay_ms;
	double burst_ms;
	double per_burst;
	double least_ms;
};

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static struct figures figures_of(const struct packet *packets, bool wire)
{
	static int64_t out[PACKETS];
	struct figures f = { .least_ms = INFINITY };
	size_t bursts = 1;

	for (size_t i = 0; i < PACKETS; i++) {
		out[i] = wire ? packets[i].wire_ns : packets[i].netem_ns;
		assert_true(out[i] >= packets[i].ready_ns);
		f.delay_ms += (double)(out[i] - packets[i].at_ns) / MS / PACKETS;
	}
	qsort(out, PACKETS, sizeof(out[0]), ascending);
	for (size_t i = 1; i < PACKETS; i++) {
		if (out[i] == out[i - 1])
			continue;
		bursts++;
		f.least_ms = fmin(f.least_ms, (double)(out[i] - out[i - 1]) / MS);
	}
	f.burst_ms = (double)(out[PACKETS - 1] - out[0]) / MS / (double)(bursts - 1);
	f.per_burst = (double)PACKETS / (double)bursts;
	return f;
}

static bool near(double a, double b, double share)
{
	return fabs(a - b) <= share * a;
}

static bool alike(const struct row *row, const struct packet *packets, const struct figures *netem,
		  const struct figures *wire)
{
	double least_ms = (double)row->slot.min_ns / MS;
	bool same = true;

	if (netem->least_ms < least_ms - 1e-6 || wire->least_ms < least_ms - 1e-6)
		return false;
	for (size_t i = 0; i < PACKETS && same; i++)
		same = packets[i].wire_ns == packets[i].netem_ns;
	if (row->alike <= 0)
		return same;
	return near(netem->delay_ms, wire->delay_ms, row->alike) &&
	       near(netem->burst_ms, wire->burst_ms, row->alike) &&
	       near(netem->per_burst, wire->per_burst, row->alike);
}

static void slots_are_those_of_netem(void **state)
{
	static struct packet packets[PACKETS];
	int wrong = 0;

	(void)state;
	printf("%-42s %17s %17s %17s %17s\n%-42s", "", "delay ms", "between bursts ms", "per burst",
	       "least between ms", "");
	for (int i = 0; i < 4; i++)
		printf(" %8s %8s", "netem", "wire");
	printf("\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct figures netem, wire;
		bool ok;

		come(row, packets);
		by_netem(&row->slot, packets, 5);
		by_wire(row, packets);
		netem = figures_of(packets, false);
		wire = figures_of(packets, true);
		ok = alike(row, packets, &netem, &wire);
		wrong += !ok;
		printf("%-42s %8.2f %8.2f %8.2f %8.2f %8.2f %8.2f %8.2f %8.2f  %s\n", row->name,
		       netem.delay_ms, wire.delay_ms, netem.burst_ms, wire.burst_ms,
		       netem.per_burst, wire.per_burst, netem.least_ms, wire.least_ms,
		       !ok              ? "NO"
		       : row->alike > 0 ? "yes"
					: "the same");
	}
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_are_those_of_netem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
