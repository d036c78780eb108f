/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_atomic.c — an impairment is put in force, changed and taken off between two packets, by either
 * driver.
 *
 * Pairs of impairments are swapped as fast as the driver will, under load, and every packet must have met one of the
 * two: never none, never half of one.  And a TCP transfer lives through two dozen faults: every segment that left is
 * there, but for those that the fault says it dropped, and the qdiscs are what they were.
 *
 *   test_lab_atomic            both drivers, or the wire alone where the kernel has no netem
 *   test_lab_atomic --both     no netem is a failure
 * Privilege: root or user namespaces; exits 77 without. */
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "brownout/base/clock.h"
#include "brownout/sys/netem.h"
#include "impair_rig.h"

#define MS BO_NSEC_PER_MSEC
#define MTU 1500
#define PORT 7001
#define CYCLES 24
#define SWAPS_MIN 200
#define PATIENCE_NS (60 * BO_NSEC_PER_SEC)

static bool must_both;
static struct traffic *traffic;

static void each_driver(void (*fn)(struct impair_rig *rig))
{
	for (int d = 0; d < RIG_DRIVERS; d++) {
		struct impair_rig rig;
		char why[160];

		if (!rig_can((enum rig_driver)d, why, sizeof(why))) {
			if (must_both)
				fail_msg("no %s here: %s", rig_driver_name((enum rig_driver)d),
					 why);
			continue;
		}
		rig_up(&rig, (enum rig_driver)d);
		fn(&rig);
		rig_down(&rig);
	}
}

/* --- swaps under load ------------------------------------------------------------------------- */

struct swapper {
	struct impair_rig *rig;
	struct bo_impair im[2];
	atomic_bool stop;
	atomic_uint swaps;
	struct bo_err err;
	int failed;
};

/* fail_msg() is for the main thread only. */
static int change(struct impair_rig *rig, const struct bo_impair *im, struct bo_err *err)
{
	return rig->driver == RIG_WIRE ? bo_wire_impair(rig->wire, BO_DIR_A_TO_B, im, err)
				       : bo_netem_change(rig->sock, rig->ifindex, MTU, im, err);
}

static void *swap_on(void *arg)
{
	struct swapper *s = arg;

	for (unsigned int i = 1; !s->stop && !s->failed; i++) {
		s->failed = change(s->rig, &s->im[i % 2], &s->err);
		s->swaps = i;
	}
	return NULL;
}

/** swap_under_load() - send while a thread swaps the two impairments; @probes at least, and until there were swaps */
static void swap_under_load(struct impair_rig *rig, const struct bo_impair pair[2],
			    void (*check)(const struct traffic *t))
{
	struct swapper s = { .rig = rig, .im = { pair[0], pair[1] } };
	int64_t deadline = bo_now_ns() + PATIENCE_NS;
	pthread_t thread;
	int rounds = 0;

	assert_int_equal(rig_impair(rig, &pair[0]), 0);
	assert_int_equal(pthread_create(&thread, NULL, swap_on, &s), 0);
	traffic->probes = 600;
	traffic->bytes = 200;
	traffic->no_checksum = false;
	while (rounds < 3 || (s.swaps < SWAPS_MIN && bo_now_ns() < deadline)) {
		rig_send(rig, traffic, 250);
		if (check)
			check(traffic);
		rounds++;
	}
	s.stop = true;
	pthread_join(thread, NULL);
	if (s.failed)
		fail_msg("%s", s.err.msg);
	printf("%s: %u swaps in %u packets\n", rig_driver_name(rig->driver), (unsigned int)s.swaps,
	       (unsigned int)(rounds * 600));
	assert_true(s.swaps >= SWAPS_MIN);
	assert_int_equal(rig_impair(rig, &(struct bo_impair){ 0 }), 0);
}

static void check_none_came(const struct traffic *t)
{
	assert_int_equal(t->narrivals, 0);
}

static void check_all_came_late(const struct traffic *t)
{
	for (uint32_t i = 0; i < t->probes; i++) {
		assert_int_equal(t->probe[i].arrivals, 1);
		if (t->probe[i].delay_ns < 40 * MS)
			fail_msg("a packet came after %.3f ms", (double)t->probe[i].delay_ns / MS);
	}
}

static void check_all_came_twice(const struct traffic *t)
{
	for (uint32_t i = 0; i < t->probes; i++)
		assert_int_equal(t->probe[i].arrivals, 2);
}

static void check_all_came(const struct traffic *t)
{
	for (uint32_t i = 0; i < t->probes; i++)
		assert_int_equal(t->probe[i].arrivals, 1);
}

static void losses_without_a_gap(struct impair_rig *rig)
{
	/* Each pair takes another part of the whole on or off: were one a moment late, a packet would come. */
	static const struct bo_impair pairs[][2] = {
		{ { .loss.random.ppm = BO_PPM_ALL }, { .blackhole = true } },
		{ { .loss.random.ppm = BO_PPM_ALL },
		  { .loss = { .model = BO_LOSS_GE,
			      .p_ppm = BO_PPM_ALL,
			      .bad_loss_ppm = BO_PPM_ALL,
			      .good_loss_ppm = BO_PPM_ALL } } },
		{ { .delay_ns = 30 * MS, .loss.random.ppm = BO_PPM_ALL },
		  { .rate_bps = 1000000,
		    .slot = { .min_ns = MS, .max_ns = MS },
		    .loss = { .model = BO_LOSS_GE,
			      .p_ppm = BO_PPM_ALL,
			      .bad_loss_ppm = BO_PPM_ALL,
			      .good_loss_ppm = BO_PPM_ALL } } },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		swap_under_load(rig, pairs[i], check_none_came);
}

static void delays_without_a_gap(struct impair_rig *rig)
{
	static const struct bo_impair pairs[][2] = {
		{ { .delay_ns = 40 * MS }, { .delay_ns = 80 * MS } },
		/* No draw of the jitter is below the other's delay; a table is taken on and off. */
		{ { .delay_ns = 40 * MS },
		  { .delay_ns = 70 * MS, .jitter_ns = 30 * MS, .limit_packets = 100000 } },
		{ { .delay_ns = 45 * MS, .slot = { .min_ns = MS, .max_ns = 2 * MS } },
		  { .delay_ns = 40 * MS, .rate_bps = INT64_C(1000000000) } },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		swap_under_load(rig, pairs[i], check_all_came_late);
}

static void copies_without_a_gap(struct impair_rig *rig)
{
	static const struct bo_impair pair[2] = {
		{ .duplicate.ppm = BO_PPM_ALL },
		{ .duplicate = { BO_PPM_ALL, 500000 }, .delay_ns = 5 * MS },
	};

	swap_under_load(rig, pair, check_all_came_twice);
}

static void on_and_off_loses_nothing(struct impair_rig *rig)
{
	static const struct bo_impair pair[2] = {
		{ 0 },
		{ .delay_ns = 20 * MS, .jitter_ns = 10 * MS, .reorder.ppm = 100000 },
	};

	swap_under_load(rig, pair, check_all_came);
}

static void losses_never_pause(void **state)
{
	(void)state;
	each_driver(losses_without_a_gap);
}

static void delays_never_pause(void **state)
{
	(void)state;
	each_driver(delays_without_a_gap);
}

static void copies_never_pause(void **state)
{
	(void)state;
	each_driver(copies_without_a_gap);
}

static void nothing_is_lost_by_a_change(void **state)
{
	(void)state;
	each_driver(on_and_off_loses_nothing);
}

/* --- a transfer that lives through faults ----------------------------------------------------- */

struct transfer {
	int tx, rx;
	atomic_bool stop;
	uint64_t sent, received;
	int failed; /* of either thread */
	bool garbled;
};

static uint8_t byte_at(uint64_t at)
{
	return (uint8_t)(at * 31 + (at >> 13));
}

static void *write_on(void *arg)
{
	struct transfer *t = arg;
	uint8_t data[8192];

	while (!t->stop) {
		ssize_t n;

		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = byte_at(t->sent + i);
		n = send(t->tx, data, sizeof(data), MSG_NOSIGNAL);
		if (n <= 0) {
			t->failed = errno;
			break;
		}
		t->sent += (uint64_t)n;
	}
	return NULL;
}

static void *read_on(void *arg)
{
	struct transfer *t = arg;
	uint8_t data[65536];
	ssize_t n;

	while ((n = recv(t->rx, data, sizeof(data), 0)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			t->garbled |= data[i] != byte_at(t->received + (uint64_t)i);
		t->received += (uint64_t)n;
	}
	if (n < 0)
		t->failed = errno;
	return NULL;
}

static void connect_transfer(struct impair_rig *rig, struct transfer *t)
{
	int listener = wire_netns_socket(&rig->net, 1, AF_INET, SOCK_STREAM, 0);
	struct sockaddr_storage addr;
	socklen_t len = wire_netns_address(1, AF_INET, PORT, &addr);

	t->tx = wire_netns_socket(&rig->net, 0, AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(connect(t->tx, (struct sockaddr *)&addr, len), 0);
	t->rx = accept(listener, NULL, NULL);
	assert_true(t->rx >= 0);
	close(listener);
}

/** struct account - segments so far
 * @left: sent by TCP;  @came: to the other end;  @dropped: by the fault's own word;  @waiting: held now */
struct account {
	uint64_t left, came, dropped, waiting;
};

static struct account account(struct impair_rig *rig, const struct transfer *t)
{
	struct tcp_info out = { 0 }, in = { 0 };
	struct bo_netem_stats netem = { 0 };
	struct bo_wire_stats wire = { 0 };
	socklen_t len = sizeof(out);
	struct bo_err err = { 0 };

	assert_int_equal(getsockopt(t->tx, IPPROTO_TCP, TCP_INFO, &out, &len), 0);
	len = sizeof(in);
	assert_int_equal(getsockopt(t->rx, IPPROTO_TCP, TCP_INFO, &in, &len), 0);
	if (rig->driver == RIG_WIRE) {
		bo_wire_stats(rig->wire, BO_DIR_A_TO_B, &wire);
		assert_int_equal(wire.refused, 0);
		/* TCP takes a super-packet of a TUN device for one segment, so it cannot be asked
		 * what came: what the receiving kernel took is the next best. */
		return (struct account){ .left = out.tcpi_segs_out,
					 .came = wire.packets_out,
					 .dropped = wire.lost + wire.overflowed + wire.blackholed,
					 .waiting = wire.queued };
	}
	assert_int_equal(bo_netem_stats(rig->sock, rig->ifindex, &netem, &err), 0);
	return (struct account){ .left = out.tcpi_segs_out,
				 .came = in.tcpi_segs_in,
				 .dropped = netem.drops,
				 .waiting = netem.backlog_packets };
}

/** wait_quiet() - until all is acknowledged and nothing is under way.  Return: segments that left and neither came nor
 * were dropped by the fault */
static int64_t wait_quiet(struct impair_rig *rig, const struct transfer *t)
{
	int64_t deadline = bo_now_ns() + PATIENCE_NS, found, before = 0;
	struct account now;
	int unsent = 0, same = 0;

	do {
		now = account(rig, t);
		found = (int64_t)(now.left - now.came - now.dropped);
		assert_int_equal(ioctl(t->tx, SIOCOUTQ, &unsent), 0);
		same = found == before && !unsent && !now.waiting ? same + 1 : 0;
		before = found;
		assert_true(bo_now_ns() < deadline);
		usleep(10000);
	} while (same < 5);
	return found;
}

static void list_qdiscs(struct impair_rig *rig, char *ret, size_t size)
{
	FILE *tc;
	size_t n;

	assert_true(wire_netns_switch(&rig->net, 0));
	tc = popen("PATH=$PATH:/sbin:/usr/sbin tc qdisc show", "re");
	assert_true(wire_netns_switch(&rig->net, -1));
	assert_non_null(tc);
	n = fread(ret, 1, size - 1, tc);
	ret[n] = '\0';
	assert_int_equal(pclose(tc), 0);
	assert_true(n > 0);
}

/** cycle() - CYCLES times on and off;  Return: packets that the fault says it took */
static uint64_t cycle(struct impair_rig *rig, const struct transfer *t, const struct bo_impair *im)
{
	uint64_t before = account(rig, t).dropped;

	for (int i = 0; i < CYCLES; i++) {
		assert_int_equal(rig_impair(rig, im), 0);
		usleep(15000);
		assert_int_equal(rig_impair(rig, &(struct bo_impair){ 0 }), 0);
		usleep(10000);
	}
	return account(rig, t).dropped - before;
}

static void transfer_lives(struct impair_rig *rig)
{
	static const struct bo_impair lossless = { .delay_ns = 4 * MS, .jitter_ns = MS };
	static const struct bo_impair lossy = { .delay_ns = 2 * MS, .loss.random.ppm = 20000 };
	static char before[4096], after[4096];
	struct transfer t = { .tx = -1, .rx = -1 };
	int64_t offset, missed;
	uint64_t took;
	pthread_t writer, reader;

	list_qdiscs(rig, before, sizeof(before));
	connect_transfer(rig, &t);
	offset = wait_quiet(rig, &t); /* the handshake is counted on one side only */
	assert_int_equal(pthread_create(&writer, NULL, write_on, &t), 0);
	assert_int_equal(pthread_create(&reader, NULL, read_on, &t), 0);
	assert_int_equal(cycle(rig, &t, &lossless), 0);
	took = cycle(rig, &t, &lossy);
	t.stop = true;
	pthread_join(writer, NULL);
	missed = wait_quiet(rig, &t) - offset;
	shutdown(t.tx, SHUT_WR);
	pthread_join(reader, NULL);
	printf("%s: %.1f MB in %d cycles, %llu packets dropped by the fault, %lld by nobody\n",
	       rig_driver_name(rig->driver), (double)t.sent / 1e6, 2 * CYCLES,
	       (unsigned long long)took, (long long)missed);
	assert_int_equal(t.failed, 0);
	assert_false(t.garbled);
	assert_int_equal(t.received, t.sent);
	assert_true(took > 0);
	assert_int_equal(missed, 0);
	list_qdiscs(rig, after, sizeof(after));
	assert_string_equal(before, after);
	close(t.tx);
	close(t.rx);
}

static void transfer_lives_through_faults(void **state)
{
	(void)state;
	each_driver(transfer_lives);
}

/* What netem took over when it was installed is there again when it goes. */
static void remove_leaves_what_was(struct impair_rig *rig)
{
	static char before[4096], after[4096];
	struct bo_err err = { 0 };

	if (rig->driver != RIG_NETEM)
		return;
	assert_int_equal(bo_netem_remove(rig->sock, rig->ifindex, &err), 0);
	list_qdiscs(rig, before, sizeof(before));
	for (int i = 0; i < CYCLES; i++) {
		assert_int_equal(bo_netem_install(rig->sock, rig->ifindex, MTU, &err), 0);
		assert_int_equal(rig_impair(rig, &(struct bo_impair){ .delay_ns = MS }), 0);
		assert_int_equal(bo_netem_remove(rig->sock, rig->ifindex, &err), 0);
	}
	list_qdiscs(rig, after, sizeof(after));
	assert_string_equal(before, after);
}

static void removal_leaves_what_was(void **state)
{
	(void)state;
	each_driver(remove_leaves_what_was);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(losses_never_pause),
		cmocka_unit_test(delays_never_pause),
		cmocka_unit_test(copies_never_pause),
		cmocka_unit_test(nothing_is_lost_by_a_change),
		cmocka_unit_test(transfer_lives_through_faults),
		cmocka_unit_test(removal_leaves_what_was),
	};
	int failures;

	must_both = argc > 1 && strcmp(argv[1], "--both") == 0;
	wire_netns_enter();
	traffic = calloc(1, sizeof(*traffic));
	if (!traffic)
		return 1;
	failures = cmocka_run_group_tests(tests, NULL, NULL);
	free(traffic);
	return failures;
}
