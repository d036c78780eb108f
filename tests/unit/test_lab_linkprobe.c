/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_linkprobe.c — the prober's arithmetic, and the prober over a real wire that
 * is impaired: does it see what is there?  Privilege: root or user namespaces; exits 77 without. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/lab/linkprobe.h"
#include "brownout/lab/wire.h"
#include "linkprobe-internal.h"
#include "wire_netns.h"

#define MS BO_NSEC_PER_MSEC

static void summary_takes_the_window_only(void **state)
{
	struct probe_log log = { .probes = calloc(PROBE_RING, sizeof(struct bo_link_sample)) };
	struct bo_link_measure m;

	(void)state;
	assert_non_null(log.probes);
	/* More than the ring holds: the oldest are forgotten, the numbers go on. */
	for (uint64_t n = 0; n < PROBE_RING + 1000; n++)
		log.probes[n % PROBE_RING] = (struct bo_link_sample){
			.sent_ns = (int64_t)n * 10, .delay_ns = n % 4 == 0 ? -1 : (int64_t)(n % 100)
		};
	log.next_probe = PROBE_RING + 1000;
	assert_int_equal(bo_probe_summarise(&log, 200000, 210000, &m), 0);
	assert_int_equal(m.sent, 1000);
	assert_int_equal(m.received, 750);
	assert_int_equal(m.delay_min_ns, 1);
	assert_int_equal(m.delay_max_ns, 99);
	assert_int_equal(m.delay_p50_ns,
			 50); /* 38th of the 75 numbers below 100 that 4 does not divide */
	assert_int_equal(m.goodput_bps, 0);
	assert_int_equal(bo_probe_summarise(&log, 0, 9990, &m), 0);
	assert_int_equal(m.sent, 0);
	assert_int_equal(m.received, 0);
	free(log.probes);
}

static void goodput_is_bits_over_time(void **state)
{
	struct bo_link_train train = { .sent = 16,
				       .received = 16,
				       .first_ns = 1000 * MS,
				       .last_ns = 1015 * MS,
				       .bits = 15 * 1000 * 8 };

	(void)state;
	assert_int_equal(bo_link_train_goodput(&train), 8000000);
	train.received = 2;
	assert_int_equal(bo_link_train_goodput(&train), 0);
	train = (struct bo_link_train){ .received = 3, .first_ns = 5, .last_ns = 5, .bits = 100 };
	assert_int_equal(bo_link_train_goodput(&train), 0);
}

static void slow_links_are_spared(void **state)
{
	(void)state;
	assert_int_equal(bo_probe_train_packets(64000, 9824), 0);
	assert_int_equal(bo_probe_train_packets(10000000, 9824), 16);
	assert_int_equal(bo_probe_train_packets(100000000, 9824), 40);
	assert_int_equal(bo_probe_train_packets(INT64_C(10000000000), 9824), 96);
	assert_int_equal(bo_probe_gap_ns(0, 416, 5 * MS, 100 * MS), 5 * MS);
	/* 416 bits of 2 % of 1 Mbit/s: 20.8 ms. */
	assert_int_equal(bo_probe_gap_ns(1000000, 416, 5 * MS, 100 * MS), 20800000);
	assert_int_equal(bo_probe_gap_ns(1000, 416, 5 * MS, 100 * MS), 100 * MS);
}

/* --- over a wire ------------------------------------------------------------------------------ */

struct rig {
	struct wire_netns net;
	struct bo_wire *wire;
	struct bo_linkprobe *probe;
};

static struct bo_linkprobe_end probe_end(const struct rig *rig, int end, int family)
{
	struct bo_linkprobe_end e = { .fd = wire_netns_socket(&rig->net, end, family, SOCK_DGRAM,
							      0) };

	assert_true(e.fd >= 0);
	e.addr_len = wire_netns_address(end, family, BO_LINKPROBE_PORT, &e.addr);
	assert_int_equal(bind(e.fd, (struct sockaddr *)&e.addr, e.addr_len), 0);
	return e;
}

static int rig_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct bo_err err = { 0 };

	assert_non_null(rig);
	assert_true(wire_netns_up(&rig->net, true));
	assert_int_equal(bo_wire_new(&rig->wire, bo_steal_fd(&rig->net.tun[0]),
				     bo_steal_fd(&rig->net.tun[1]), 3, 1, &err),
			 0);
	assert_int_equal(bo_linkprobe_new(&rig->probe, 2, &err), 0);
	for (int link = 0; link < 2; link++) {
		struct bo_linkprobe_end a = probe_end(rig, 0, link ? AF_INET6 : AF_INET);
		struct bo_linkprobe_end b = probe_end(rig, 1, link ? AF_INET6 : AF_INET);

		assert_int_equal(bo_linkprobe_add(rig->probe, link, &a, &b, &err), 0);
	}
	*state = rig;
	return 0;
}

static int rig_down(void **state)
{
	struct rig *rig = *state;

	bo_linkprobe_free(rig->probe);
	bo_wire_free(rig->wire);
	wire_netns_down(&rig->net);
	free(rig);
	return 0;
}

/* How many packets are probes is for the clock to say, so each run draws others: one in a million is further away. */
#define SIGMAS 4.9

static bool is_near(int64_t bps, int64_t want_bps)
{
	return fabs((double)bps - (double)want_bps) < 0.15 * (double)want_bps;
}

/** measure() - put @im in force on a → b, and measure it with at least @probes that had time to
 * arrive
 * @want_bps: until goodput has come near that, the median of more and more trains, each of which may meet a thread that
 *            slept; 0: it is not looked at */
static struct bo_link_measure measure(const struct rig *rig, int link, struct bo_impair im,
				      uint64_t probes, int64_t want_bps)
{
	int64_t deadline = bo_now_ns() + 30 * BO_NSEC_PER_SEC,
		tail = im.delay_ns + im.jitter_ns + 100 * MS, from;
	struct bo_link_measure m = { 0 };
	struct bo_err err = { 0 };

	assert_int_equal(bo_wire_impair(rig->wire, BO_DIR_A_TO_B, &im, &err), 0);
	/* Where jitter does not pull trains apart the prober finds out by itself. */
	if (im.jitter_ns || im.reorder.ppm)
		bo_linkprobe_tell(rig->probe, link, BO_DIR_A_TO_B, im.rate_bps);
	from = bo_now_ns();
	assert_int_equal(bo_linkprobe_run(rig->probe, link, BO_DIR_A_TO_B, true, &err), 0);
	do {
		if (bo_now_ns() > deadline)
			fail_msg("%llu probes, goodput %lld bit/s", (unsigned long long)m.sent,
				 (long long)m.goodput_bps);
		usleep(5000);
		assert_int_equal(bo_linkprobe_measure(rig->probe, link, BO_DIR_A_TO_B, from,
						      bo_now_ns() - tail, &m, &err),
				 0);
	} while (m.sent < probes || (want_bps && !is_near(m.goodput_bps, want_bps)));
	assert_int_equal(bo_linkprobe_run(rig->probe, link, BO_DIR_A_TO_B, false, &err), 0);
	return m;
}

static void sees_delay_of_one_direction(void **state)
{
	const struct rig *rig = *state;
	struct bo_link_measure m;
	struct bo_err err = { 0 };

	for (int link = 0; link < 2; link++) {
		m = measure(rig, link, (struct bo_impair){ 0 }, 50, 0);
		assert_int_equal(m.received, m.sent);
		assert_true(m.delay_p50_ns < 20 * MS);
		m = measure(rig, link, (struct bo_impair){ .delay_ns = 60 * MS }, 50, 0);
		assert_int_equal(m.received, m.sent);
		assert_true(m.delay_min_ns >= 60 * MS);
		assert_true(m.delay_p50_ns < 80 * MS);
		assert_true(m.delay_min_ns <= m.delay_p50_ns && m.delay_p50_ns <= m.delay_p99_ns &&
			    m.delay_p99_ns <= m.delay_max_ns);
		/* The other direction was never probed. */
		assert_int_equal(bo_linkprobe_measure(rig->probe, link, BO_DIR_B_TO_A, 0, INT64_MAX,
						      &m, &err),
				 0);
		assert_int_equal(m.sent, 0);
	}
}

static void sees_loss(void **state)
{
	const struct rig *rig = *state;
	struct bo_link_measure m = measure(rig, 0, (struct bo_impair){ .loss.random.ppm = 200000 },
					   400, 0);
	double n = (double)m.sent, lost = n - (double)m.received, sigma = sqrt(n * 0.2 * 0.8);

	assert_true(fabs(lost - 0.2 * n) <= SIGMAS * sigma);
}

static void sees_copies_damage_and_order(void **state)
{
	const struct rig *rig = *state;
	const struct bo_impair im = { .delay_ns = 60 * MS,
				      .duplicate.ppm = 200000,
				      .corrupt.ppm = 300000,
				      .reorder.ppm = 250000 };

	for (int link = 0; link < 2; link++) {
		struct bo_link_measure m = measure(rig, link, im, 150, 0);
		double n = (double)m.sent, sigma = sqrt(n * 0.2 * 0.8);

		/* A copy or an original that lost its header to a flipped bit is not seen. */
		assert_true((double)m.duplicated <= 0.2 * n + SIGMAS * sigma);
		assert_true((double)m.duplicated >= 0.2 * n * 0.8 - SIGMAS * sigma);
		assert_true((double)m.damaged >= 0.3 * n * 0.7 - SIGMAS * sqrt(n * 0.3 * 0.7));
		assert_true((double)m.damaged <= 0.3 * n * 1.2 + SIGMAS * sqrt(n * 0.3 * 0.7));
		assert_true(m.reordered > m.received / 4);
		assert_true(m.reorder_extent >= 1 && m.reorder_extent < 50);
	}
}

static void sees_bursts(void **state)
{
	const struct rig *rig = *state;
	const struct bo_impair im = { .loss = { .model = BO_LOSS_GE,
						.p_ppm = 50000,
						.r_ppm = 125000,
						.bad_loss_ppm = BO_PPM_ALL } };
	struct bo_link_measure m = measure(rig, 0, im, 400, 0);

	/* Runs of 8 on average; each on its own would give 1.4. */
	assert_true(m.loss_runs >= 3);
	assert_true(m.sent - m.received > 3 * m.loss_runs);
	assert_int_equal(m.duplicated + m.damaged + m.reordered, 0);
}

/* RFC 4737: the second and the third were overtaken by the fourth, the second by two arrivals. */
static void order_is_of_arrivals(void **state)
{
	struct bo_link_sample probes[] = {
		{ .sent_ns = 1, .delay_ns = 5, .order = 1, .arrivals = 1 },
		{ .sent_ns = 2, .delay_ns = 9, .order = 4, .arrivals = 2, .damaged = 1 },
		{ .sent_ns = 3, .delay_ns = 5, .order = 3, .arrivals = 1 },
		{ .sent_ns = 4, .delay_ns = 1, .order = 2, .arrivals = 3 },
		{ .sent_ns = 5, .delay_ns = -1 },
		{ .sent_ns = 6, .delay_ns = -1 },
		{ .sent_ns = 7, .delay_ns = 5, .order = 5, .arrivals = 1 },
		{ .sent_ns = 8, .delay_ns = -1 },
	};
	const struct bo_link_samples samples = { .probes = probes, .nprobes = 8 };
	struct bo_link_measure m;

	(void)state;
	assert_int_equal(bo_link_summarise(&samples, &m), 0);
	assert_int_equal(m.sent, 8);
	assert_int_equal(m.received, 5);
	assert_int_equal(m.duplicated, 2);
	assert_int_equal(m.damaged, 1);
	assert_int_equal(m.loss_runs, 2);
	assert_int_equal(m.reordered, 2);
	assert_int_equal(m.reorder_extent, 2);
}

static void sees_rate(void **state)
{
	static const int64_t rates[] = { 2000000, 20000000, 100000000 };
	const struct rig *rig = *state;

	/* Three seconds or so, hence three trains or more. */
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		(void)measure(rig, 0, (struct bo_impair){ .rate_bps = rates[i] },
			      rates[i] < 10000000 ? 300 : 600, rates[i]);
}

static void sees_blackhole_and_unimpaired_again(void **state)
{
	const struct rig *rig = *state;
	struct bo_link_measure m = measure(rig, 0, (struct bo_impair){ .blackhole = true }, 50, 0);

	assert_int_equal(m.received, 0);
	assert_int_equal(m.goodput_bps, 0);
	m = measure(rig, 0, (struct bo_impair){ 0 }, 50, 0);
	assert_int_equal(m.received, m.sent);
}

/* A service may send whatever it likes to the reserved port, even with the right numbers: without
 * the random tag it is not a probe. */
static void forged_packets_do_not_count(void **state)
{
	const struct rig *rig = *state;
	const struct bo_impair hole = { .blackhole = true };
	bo_auto_fd int fd = wire_netns_socket(&rig->net, 1, AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_storage to;
	socklen_t len = wire_netns_address(1, AF_INET, BO_LINKPROBE_PORT, &to);
	int64_t deadline = bo_now_ns() + 30 * BO_NSEC_PER_SEC;
	struct bo_link_measure m = { 0 };
	struct bo_err err = { 0 };

	assert_int_equal(bo_wire_impair(rig->wire, BO_DIR_A_TO_B, &hole, &err), 0);
	assert_int_equal(bo_linkprobe_run(rig->probe, 0, BO_DIR_A_TO_B, true, &err), 0);
	while (m.sent < 50) {
		assert_true(bo_now_ns() < deadline);
		for (uint64_t number = 0; number <= m.sent; number++) {
			/* twice: number; link 0, direction a → b, a probe; a guess */
			uint64_t forged[6] = { number, 0, 0x1234, number, 0, 0x1234 };
			size_t bytes = number % 2 ? 24 : sizeof(forged);

			assert_int_equal(sendto(fd, forged, bytes, 0, (struct sockaddr *)&to, len),
					 bytes);
		}
		assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, len), 1);
		usleep(5000);
		assert_int_equal(bo_linkprobe_measure(rig->probe, 0, BO_DIR_A_TO_B, 0, INT64_MAX,
						      &m, &err),
				 0);
	}
	assert_int_equal(m.received, 0);
}

static void unknown_links_are_refused(void **state)
{
	const struct rig *rig = *state;
	struct bo_err err = { 0 };
	struct bo_link_measure m;

	assert_int_equal(bo_linkprobe_run(rig->probe, 7, BO_DIR_A_TO_B, true, &err), -EINVAL);
	assert_int_equal(bo_linkprobe_measure(rig->probe, -1, BO_DIR_A_TO_B, 0, 1, &m, &err),
			 -EINVAL);
}

#define NET_TEST(fn) cmocka_unit_test_setup_teardown(fn, rig_up, rig_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(summary_takes_the_window_only),
		cmocka_unit_test(goodput_is_bits_over_time),
		cmocka_unit_test(order_is_of_arrivals),
		cmocka_unit_test(slow_links_are_spared),
		NET_TEST(sees_delay_of_one_direction),
		NET_TEST(sees_loss),
		NET_TEST(sees_copies_damage_and_order),
		NET_TEST(sees_bursts),
		NET_TEST(sees_rate),
		NET_TEST(sees_blackhole_and_unimpaired_again),
		NET_TEST(forged_packets_do_not_count),
		NET_TEST(unknown_links_are_refused),
	};

	wire_netns_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
