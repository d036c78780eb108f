/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_wire_stamp.c — which stamp belongs to which packet: a device of our own, which stamps, queues and
 * drops as the kernel does, and worse.  What is said of a packet's arrival is never before it, and never after it was
 * read, whatever happens; and right where nothing happened.  Privilege: none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "brownout/base/rng.h"
#include "wire_stamp.h"

#define QUEUE 500 /* the shortest that a device has */
#define LEN 64

/** struct packet - @at_ns: when it truly came */
struct packet {
	int64_t at_ns;
	size_t len;
	uint8_t ip[LEN];
};

struct device {
	struct bo_tun_stamps *stamps;
	struct packet queue[QUEUE];
	size_t head, waiting;
	uint64_t dropped;
};

struct rig {
	struct device device;
	struct bo_wire_stamper stamper;
	struct bo_rng rng;
	int64_t now_ns;
};

static int rig_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	rig->device.stamps = calloc(1, sizeof(*rig->device.stamps));
	assert_non_null(rig->device.stamps);
	rig->stamper.stamps = rig->device.stamps;
	bo_rng_init(&rig->rng, 1, 1);
	*state = rig;
	return 0;
}

static int rig_down(void **state)
{
	struct rig *rig = *state;

	free(rig->device.stamps);
	free(rig);
	return 0;
}

static struct packet packet_of(uint8_t mark, size_t len)
{
	struct packet packet = { .len = len };

	packet.ip[0] = 0x45;
	memset(packet.ip + BO_TUN_STAMP_ID4_AT, mark, sizeof(packet.ip) - BO_TUN_STAMP_ID4_AT);
	return packet;
}

static struct bo_tun_stamp *stamp(struct device *device, const struct packet *packet, int64_t ns)
{
	uint64_t index = device->stamps->count++;
	struct bo_tun_stamp *to = &device->stamps->slot[index & (BO_TUN_STAMPS - 1)];
	size_t at = packet->ip[0] >> 4 == 6 && packet->len >= BO_TUN_STAMP_ID6_MIN
			    ? BO_TUN_STAMP_ID6_AT
			    : BO_TUN_STAMP_ID4_AT;

	to->ns = (uint64_t)ns;
	to->len = (uint32_t)packet->len;
	memset(to->id, 0, sizeof(to->id));
	if (packet->len >= at + BO_TUN_STAMP_ID_LEN)
		memcpy(to->id, packet->ip + at, sizeof(to->id));
	to->number = index + 1;
	return to;
}

static void enqueue(struct device *device, const struct packet *packet)
{
	if (device->waiting == QUEUE) {
		device->dropped++;
		return;
	}
	device->queue[(device->head + device->waiting++) % QUEUE] = *packet;
}

/** come() - a packet comes to the device now */
static void come(struct rig *rig, struct packet packet)
{
	packet.at_ns = rig->now_ns;
	stamp(&rig->device, &packet, rig->now_ns);
	enqueue(&rig->device, &packet);
}

/** take() - read one as the wire does;  false: there is none.  @ret: what was said of it */
static bool take(struct rig *rig, struct packet *ret_packet, int64_t *ret_ns)
{
	struct device *device = &rig->device;

	if (!device->waiting) {
		bo_wire_stamp_empty(&rig->stamper, bo_wire_stamp_count(&rig->stamper), rig->now_ns);
		return false;
	}
	*ret_packet = device->queue[device->head];
	device->head = (device->head + 1) % QUEUE;
	device->waiting--;
	*ret_ns = bo_wire_stamp_take(&rig->stamper, rig->now_ns, ret_packet->ip, ret_packet->len);
	return true;
}

static uint64_t draw(struct rig *rig, uint64_t below)
{
	return bo_rng_u64(&rig->rng) % below;
}

static void exact_when_nothing_is_lost(void **state)
{
	struct rig *rig = *state;
	struct packet packet;
	int64_t ns;
	int taken = 0;

	/* Bursts, several rounds of the ring of stamps, the same looks again and again. */
	for (int i = 0; i < 20000; i++) {
		rig->now_ns += 1 + (int64_t)draw(rig, 5000);
		if (draw(rig, 2)) {
			come(rig, packet_of((uint8_t)draw(rig, 3), 28 + draw(rig, 3)));
			continue;
		}
		while (draw(rig, 8) && take(rig, &packet, &ns)) {
			assert_int_equal(ns, packet.at_ns);
			taken++;
		}
	}
	assert_true(taken > 5000);
	assert_int_equal(rig->stamper.exact, taken);
	assert_int_equal(rig->stamper.read, 0);
}

/* All packets look the same, and the queue overflows: only counting tells. */
static void never_early_when_the_queue_overflows(void **state)
{
	struct rig *rig = *state;
	struct packet packet;
	int64_t ns;
	uint64_t late = 0;

	for (int i = 0; i < 400; i++) {
		uint64_t burst = draw(rig, 1200);

		for (uint64_t j = 0; j < burst; j++) {
			rig->now_ns += 1000;
			come(rig, packet_of(7, LEN));
			/* Sometimes it reads meanwhile, so that the queue is full at some times and not
			 * at others. */
			if (draw(rig, 3) == 0 && take(rig, &packet, &ns)) {
				assert_true(ns >= packet.at_ns && ns <= rig->now_ns);
				late += ns > packet.at_ns;
			}
		}
		for (uint64_t n = draw(rig, 2) ? UINT64_MAX : draw(rig, 700);
		     n && take(rig, &packet, &ns); n--) {
			rig->now_ns += 500;
			assert_true(ns >= packet.at_ns && ns <= rig->now_ns);
			late += ns > packet.at_ns;
		}
	}
	assert_true(rig->device.dropped > 1000);
	assert_true(late > 0);
	/* And exact again once the queue has been empty. */
	while (take(rig, &packet, &ns))
		;
	rig->now_ns += 1000;
	come(rig, packet_of(7, LEN));
	rig->now_ns += 90000;
	assert_true(take(rig, &packet, &ns));
	assert_int_equal(ns, packet.at_ns);
}

/* Packets that are stamped and then dropped, for want of memory for instance; the next look different. */
static void stamps_of_dropped_packets_are_passed_over(void **state)
{
	struct rig *rig = *state;
	struct packet packet, lost = packet_of(1, LEN);
	int64_t ns;

	for (int gap = 1; gap < 2 * BO_WIRE_STAMP_LOOK; gap++) {
		for (int i = 0; i < gap; i++) {
			rig->now_ns += 1000;
			stamp(&rig->device, &lost, rig->now_ns);
		}
		for (int i = 0; i < 3; i++)
			come(rig, packet_of((uint8_t)(2 + i), LEN));
		rig->now_ns += 5000;
		for (int i = 0; i < 3; i++) {
			assert_true(take(rig, &packet, &ns));
			assert_int_equal(ns, gap < BO_WIRE_STAMP_LOOK ? packet.at_ns : rig->now_ns);
		}
		assert_false(take(rig, &packet, &ns));
	}
	/* The same looks: it cannot have come before the queue was empty. */
	stamp(&rig->device, &lost, rig->now_ns);
	rig->now_ns += 1000000;
	assert_false(take(rig, &packet, &ns));
	rig->now_ns += 1000;
	come(rig, lost);
	rig->now_ns += 1000;
	assert_true(take(rig, &packet, &ns));
	assert_int_equal(ns, packet.at_ns);
}

/* What was passed over once is of no packet that comes later, though it looks the same. */
static void passed_over_for_good(void **state)
{
	struct rig *rig = *state;
	struct packet packet, a = packet_of(1, LEN), b = packet_of(2, LEN);
	int64_t ns;

	stamp(&rig->device, &a, rig->now_ns += 1000);
	stamp(&rig->device, &b, rig->now_ns += 1000);
	rig->now_ns += 1000;
	come(rig, packet_of(3, LEN));
	rig->now_ns += 1000;
	come(rig, b);
	rig->now_ns += 5000;
	for (int i = 0; i < 2; i++) {
		assert_true(take(rig, &packet, &ns));
		assert_int_equal(ns, packet.at_ns);
	}
}

/* Nobody stamped it (XDP puts packets into the queue past the program); where its stamp would be lies that of an earlier
 * round, of a packet that looked the same. */
static void no_stamp_of_an_earlier_round(void **state)
{
	struct rig *rig = *state;
	struct packet packet, same = packet_of(1, LEN);
	int64_t ns;

	for (int i = 0; i < BO_TUN_STAMPS + 10; i++) {
		rig->now_ns += 1000;
		come(rig, same);
		assert_true(take(rig, &packet, &ns));
		assert_false(take(rig, &packet, &ns));
	}
	rig->now_ns += 1000000;
	enqueue(&rig->device, &same);
	rig->now_ns += 1000;
	assert_true(take(rig, &packet, &ns));
	assert_int_equal(ns, rig->now_ns);
}

/* It is counted, and stamped, but not in the queue yet when the queue is found empty. */
static void a_packet_on_its_way_is_late_at_most(void **state)
{
	struct rig *rig = *state;
	struct packet packet, slow = packet_of(3, LEN);
	int64_t ns, before;

	for (int i = 0; i < 100; i++) {
		slow.at_ns = before = rig->now_ns += 1000;
		stamp(&rig->device, &slow, rig->now_ns);
		rig->now_ns += 100;
		assert_false(take(rig, &packet, &ns));
		enqueue(&rig->device, &slow);
		if (i % 2)
			come(rig, slow); /* and another behind it */
		rig->now_ns += 700;
		while (take(rig, &packet, &ns)) {
			assert_true(ns >= packet.at_ns && ns <= rig->now_ns && ns >= before);
			before = ns;
		}
	}
	come(rig, packet_of(3, LEN));
	rig->now_ns += 90000;
	assert_true(take(rig, &packet, &ns));
	assert_int_equal(ns, packet.at_ns);
}

/* Stamps that are wrong on purpose: older, newer, of somebody else, missing, swapped, of another round. */
static void wrong_stamps_never_go_back_or_ahead(void **state)
{
	struct rig *rig = *state;
	int64_t empty_ns = 0, before_ns = 0, ns;
	struct packet packet;
	uint64_t wrong = 0;

	for (int i = 0; i < 200000; i++) {
		struct bo_tun_stamp *s, *t;

		rig->now_ns += 1 + (int64_t)draw(rig, 3000);
		if (draw(rig, 2)) {
			come(rig, packet_of((uint8_t)draw(rig, 4), LEN));
			s = &rig->device.stamps
				     ->slot[(rig->device.stamps->count - 1) & (BO_TUN_STAMPS - 1)];
			t = &rig->device.stamps
				     ->slot[(rig->device.stamps->count - 2) & (BO_TUN_STAMPS - 1)];
			switch (draw(rig, 12)) {
			case 0:
				s->ns -= draw(rig, 10000000);
				break;
			case 1:
				s->ns += draw(rig, 10000000);
				break;
			case 2:
				s->id[draw(rig, BO_TUN_STAMP_ID_LEN)] ^= 1;
				break;
			case 3:
				s->number = 0;
				break;
			case 4:
				s->number += BO_TUN_STAMPS;
				break;
			case 5:
				ns = (int64_t)s->ns;
				s->ns = t->ns;
				t->ns = (uint64_t)ns;
				break;
			case 6:
				s->ns = draw(rig, 2) ? UINT64_MAX : 0;
				break;
			case 7:
				rig->device.stamps->count += draw(rig, 3);
				break;
			default:
				continue;
			}
			wrong++;
			continue;
		}
		while (draw(rig, 5)) {
			if (!take(rig, &packet, &ns)) {
				empty_ns = rig->now_ns;
				break;
			}
			assert_true(ns <= rig->now_ns);
			assert_true(ns >= before_ns);
			assert_true(ns >= empty_ns);
			before_ns = ns;
		}
	}
	assert_true(wrong > 10000);
	assert_true(rig->stamper.exact > 1000);
	/* What was wrong is over, it is exact again. */
	while (take(rig, &packet, &ns))
		;
	for (int i = 0; i < 2 * BO_TUN_STAMPS; i++) {
		come(rig, packet_of(1, LEN));
		rig->now_ns += 1000;
		assert_true(take(rig, &packet, &ns));
		if (i >= BO_TUN_STAMPS)
			assert_int_equal(ns, packet.at_ns);
		assert_false(take(rig, &packet, &ns));
	}
}

static void identified_by_what_differs(void **state)
{
	struct rig *rig = *state;
	struct packet a = packet_of(0, LEN), b, packet;
	int64_t ns;

	/* Two of IPv6 that differ in their ports alone. */
	a.ip[0] = 0x60;
	b = a;
	b.ip[41] = 1;
	stamp(&rig->device, &a, rig->now_ns += 1000);
	rig->now_ns += 1000;
	come(rig, b);
	rig->now_ns += 5000;
	assert_true(take(rig, &packet, &ns));
	assert_int_equal(ns, packet.at_ns);
	/* The same headers, more behind them: a super-packet. */
	b = packet_of(9, LEN - 8);
	stamp(&rig->device, &b, rig->now_ns);
	rig->now_ns += 1000;
	come(rig, packet_of(9, LEN));
	rig->now_ns += 5000;
	assert_true(take(rig, &packet, &ns));
	assert_int_equal(ns, packet.at_ns);
	/* Too short to have anything that differs. */
	come(rig, packet_of(0, 24));
	rig->now_ns += 5000;
	assert_true(take(rig, &packet, &ns));
	assert_int_equal(ns, rig->now_ns);
}

static void without_stamps_it_came_when_it_was_read(void **state)
{
	struct bo_wire_stamper none = { 0 };
	const uint8_t ip[LEN] = { 0x45 };

	(void)state;
	assert_int_equal(bo_wire_stamp_take(&none, 77, ip, LEN), 77);
	bo_wire_stamp_empty(&none, bo_wire_stamp_count(&none), 99);
	assert_int_equal(bo_wire_stamp_take(&none, 88, ip, LEN), 88);
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_up, rig_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(exact_when_nothing_is_lost),
		RIG_TEST(never_early_when_the_queue_overflows),
		RIG_TEST(stamps_of_dropped_packets_are_passed_over),
		RIG_TEST(passed_over_for_good),
		RIG_TEST(no_stamp_of_an_earlier_round),
		RIG_TEST(a_packet_on_its_way_is_late_at_most),
		RIG_TEST(wrong_stamps_never_go_back_or_ahead),
		RIG_TEST(identified_by_what_differs),
		cmocka_unit_test(without_stamps_it_came_when_it_was_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
