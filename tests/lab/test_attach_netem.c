/* SPDX-License-Identifier: Apache-2.0 */
/* lab/test_attach_netem.c — the driver `netem` on a service that runs already: what it meets, that nothing is lost on the
 * way, and that nothing stays, whoever dies.
 * Owns: namespaces and processes of its own.  Threads: none.  Privilege: root and sch_netem, else 77. */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "support/attach_session.h"

#define CYCLES 24

static const struct bo_impair late = { .delay_ns = 5 * BO_NSEC_PER_MSEC };

static void measure(const struct session *s, enum bo_dir dir, int64_t from_ns,
		    struct bo_link_measure *ret)
{
	MUST(bo_attach_measure(s->sock, 0, dir, from_ns, bo_now_ns(), ret, NULL, &err));
}

/** probed() - until so many probes have been sent and judged */
static void probed(const struct session *s, enum bo_dir dir, int64_t from_ns, uint64_t n,
		   struct bo_link_measure *ret)
{
	int64_t deadline = bo_now_ns() + LONG_MS * BO_NSEC_PER_MSEC;

	/* First the service has to have sent something, too. */
	do {
		usleep(5000);
		*ret = (struct bo_link_measure){ 0 };
		err = (struct bo_err){ 0 };
		(void)!bo_attach_measure(s->sock, 0, dir, from_ns, bo_now_ns(), ret, NULL, &err);
	} while (ret->sent < n && bo_now_ns() < deadline);
	if (ret->sent < n)
		fail_msg("%d probes: %s", (int)ret->sent, err.msg);
}

static void test_cycles_lose_nothing(void **state)
{
	struct session s;

	(void)state;
	begin(&s, talk, 0);
	assert_true(wait_blocks(10));
	for (int i = 0; i < CYCLES; i++) {
		on(&s, BO_DIR_A_TO_B, late);
		on(&s, BO_DIR_B_TO_A, late);
		shared->longest_ns = 0;
		assert_true(wait_blocks(3));
		assert_true(shared->longest_ns >= 2 * (uint64_t)late.delay_ns);
		off(&s, BO_DIR_A_TO_B);
		off(&s, BO_DIR_B_TO_A);
		assert_true(same_lists(&s));
		assert_true(wait_blocks(2));
	}
	talk_ends(&s);
	/* Where nothing can wait while a clsact is put in or taken out, that moment is not covered; what netem held is always. */
	assert_in_range(shared->retransmitted - shared->needlessly, 0,
			world.queue ? 0 : 2 * CYCLES);
	assert_true(same_lists(&s));
	finish(&s);
}

/** short_after_long() - a short fault after a long one;  Return: from the beginning until netem is gone */
static int64_t short_after_long(const struct session *s, const struct bo_impair *longer)
{
	int64_t since_ns = bo_now_ns();

	on(s, BO_DIR_A_TO_B, *longer);
	usleep(100000); /* mostly enough for the next block to be sent */
	off(s, BO_DIR_A_TO_B);
	on(s, BO_DIR_A_TO_B, (struct bo_impair){ .delay_ns = BO_NSEC_PER_MSEC });
	off(s, BO_DIR_A_TO_B);
	assert_true(same_lists(s));
	return bo_now_ns() - since_ns;
}

static void test_what_an_earlier_fault_holds_is_waited_for(void **state)
{
	const struct bo_impair longer = { .delay_ns = 2 * BO_NSEC_PER_SEC };
	int64_t took_ns = 0;
	struct session s;

	(void)state;
	begin(&s, talk, 0);
	/* One in which nothing was sent is over at once. */
	for (int i = 0; i < 5 && took_ns < longer.delay_ns; i++) {
		assert_true(wait_blocks(10));
		took_ns = short_after_long(&s, &longer);
	}
	assert_true(took_ns >= longer.delay_ns);
	assert_true(wait_blocks(5));
	assert_int_equal(shared->damaged, 0);
	finish(&s);
}

static void test_delay_is_what_was_asked(void **state)
{
	struct bo_impair im = { .delay_ns = 40 * BO_NSEC_PER_MSEC };
	struct bo_attach_by by = { 0 };
	struct bo_link_measure m;
	struct session s;

	(void)state;
	begin(&s, talk, 0);
	/* before anything was asked for, there is nothing to tell */
	measure(&s, BO_DIR_A_TO_B, 0, &m);
	assert_int_equal(m.sent, 0);
	for (int dir = 0; dir < BO_DIR_COUNT; dir++) {
		int64_t from = bo_now_ns();

		MUST(bo_attach_impair(s.sock, 0, (enum bo_dir)dir, &im, &by, &err));
		assert_int_equal(by.driver, BO_DRIVER_NETEM);
		assert_string_equal(by.why, "");
		shared->longest_ns = 0;
		assert_true(wait_blocks(10));
		assert_true(shared->longest_ns >= (uint64_t)im.delay_ns);
		probed(&s, (enum bo_dir)dir, from, 30, &m);
		print_message("asked 40 ms; probes min %.3f p50 %.3f p99 %.3f ms, %llu of %llu\n",
			      (double)m.delay_min_ns / 1e6, (double)m.delay_p50_ns / 1e6,
			      (double)m.delay_p99_ns / 1e6, (unsigned long long)m.received,
			      (unsigned long long)m.sent);
		assert_int_equal(m.sent, m.received);
		assert_true(m.delay_min_ns >= im.delay_ns);
		assert_true(m.delay_p50_ns < 3 * im.delay_ns);
		off(&s, (enum bo_dir)dir);
		assert_true(same_lists(&s));
	}
	finish(&s);
}

/** arrived() - packets that the peer's device has received; a super-packet is one */
static uint64_t arrived(void)
{
	unsigned long long packets = 0;
	char line[512];
	FILE *f;

	attach_world_enter(world.peer);
	f = fopen("/proc/thread-self/net/dev", "re");
	attach_world_enter(world.home);
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, " peer0: %*u %llu", &packets) == 1)
			break;
	fclose(f);
	return packets;
}

/** packets_per_block() - that the service sends */
static double packets_per_block(void)
{
	uint64_t packets = arrived(), blocks = shared->echoed;

	assert_true(wait_blocks(50));
	return (double)(arrived() - packets) / (double)(shared->echoed - blocks);
}

/* A block is fourteen segments, which TCP hands out as one packet or two; netem sees each. */
static void test_super_packets_are_cut(void **state)
{
	double before, during;
	struct session s;

	(void)state;
	begin(&s, talk, 0);
	assert_true(wait_blocks(30));
	before = packets_per_block();
	on(&s, BO_DIR_A_TO_B, (struct bo_impair){ .delay_ns = BO_NSEC_PER_MSEC });
	during = packets_per_block();
	off(&s, BO_DIR_A_TO_B);
	print_message("packets for a block: %.1f before, %.1f through netem\n", before, during);
	assert_true(before < 10);
	assert_true(during >= 13.5);
	assert_true(same_lists(&s));
	finish(&s);
}

static void test_fates_are_of_packets(void **state)
{
	struct bo_impair im = { .loss.random.ppm = 20000, .duplicate.ppm = 100000 };
	struct bo_link_measure m;
	struct session s;
	int64_t from;

	(void)state;
	begin(&s, talk, 0);
	assert_true(wait_blocks(10));
	from = bo_now_ns();
	on(&s, BO_DIR_A_TO_B, im);
	probed(&s, BO_DIR_A_TO_B, from, 400, &m);
	print_message("2%% lost, 10%% twice: %llu of %llu lost, %llu twice\n",
		      (unsigned long long)(m.sent - m.received), (unsigned long long)m.sent,
		      (unsigned long long)m.duplicated);
	assert_in_range(m.duplicated, m.sent / 25, m.sent / 5);
	assert_true(m.sent > m.received);
	/* A block is fourteen segments: one lost is sent again, and all that follow are not. */
	assert_true(wait_blocks(30));
	off(&s, BO_DIR_A_TO_B);
	assert_true(wait_blocks(5));
	assert_int_equal(shared->damaged, 0);
	assert_true(same_lists(&s));
	finish(&s);
}

static void test_damage_reaches_the_checksum(void **state)
{
	struct bo_link_measure m;
	struct session s;
	uint64_t before;
	int64_t from;

	(void)state;
	begin(&s, talk, 0);
	assert_true(wait_blocks(30));
	before = bad_checksums(world.peer, "Tcp");
	from = bo_now_ns();
	on(&s, BO_DIR_A_TO_B, (struct bo_impair){ .corrupt.ppm = 100000 });
	probed(&s, BO_DIR_A_TO_B, from, 200, &m);
	assert_in_range(m.damaged, m.sent / 30, m.sent / 3);
	off(&s, BO_DIR_A_TO_B);
	assert_true(wait_blocks(5));
	assert_true(bad_checksums(world.peer, "Tcp") > before);
	assert_int_equal(shared->damaged, 0);
	assert_true(same_lists(&s));
	finish(&s);
}

static void test_what_netem_cannot_is_refused(void **state)
{
	struct bo_impair slow = { .rate_bps = 10000000 };
	struct session s;

	(void)state;
	session_driver = BO_DRIVER_NETEM;
	begin(&s, talk, 0);
	assert_int_equal(bo_attach_impair(s.sock, 0, BO_DIR_A_TO_B, &slow, NULL, &err), -ENOTSUP);
	assert_non_null(strstr(err.msg, "what waits for a rate; use driver \"queue\" or \"auto\""));
	session_driver = BO_DRIVER_AUTO;
	assert_true(same_lists(&s));
	finish(&s);
}

static int somebody(void *arg)
{
	char command[64];

	snprintf(command, sizeof(command), "tc qdisc %s dev " KIT_DEVICE " clsact", (char *)arg);
	return system(command);
}

static void test_somebodys_clsact_is_left_alone(void **state)
{
	char add[] = "add", del[] = "del";
	struct session s;

	(void)state;
	assert_int_equal(kit_wait(kit_spawn(world.service, somebody, add), LONG_MS), 0);
	session_driver = BO_DRIVER_NETEM;
	begin(&s, talk, 0);
	session_driver = BO_DRIVER_AUTO;
	assert_int_equal(bo_attach_impair(s.sock, 0, BO_DIR_A_TO_B, &late, NULL, &err), -ENOTSUP);
	print_message("%s\n", err.msg);
	assert_non_null(strstr(err.msg, KIT_DEVICE " has a qdisc \"clsact\" of somebody else's"));
	assert_true(same_lists(&s));
	finish(&s);
	assert_int_equal(kit_wait(kit_spawn(world.service, somebody, del), LONG_MS), 0);
}

static void cut_off(struct session *s, enum bo_dir dir, int64_t ttl_ns)
{
	begin(s, talk, ttl_ns);
	assert_true(wait_blocks(5));
	on(s, dir, (struct bo_impair){ .blackhole = true });
}

static void is_back(struct session *s)
{
	assert_true(same_lists(s));
	assert_true(wait_blocks(5));
	finish(s);
}

static void test_whoever_dies(void **state)
{
	struct bo_sweep_report swept = { 0 };
	struct session s;

	(void)state;
	/* the conductor */
	cut_off(&s, BO_DIR_A_TO_B, 0);
	bo_close(&s.sock);
	is_back(&s);
	/* nobody says anything more */
	cut_off(&s, BO_DIR_B_TO_A, 300 * BO_NSEC_PER_MSEC);
	is_back(&s);
	/* the attachment */
	cut_off(&s, BO_DIR_A_TO_B, 0);
	kill_attachment(&s, false);
	is_back(&s);
	/* its warden, too: netem goes on, until it is swept */
	cut_off(&s, BO_DIR_A_TO_B, 0);
	kill_attachment(&s, true);
	assert_false(wait_for_blocks(5, 1000));
	MUST(bo_attach_sweep(false, &swept, &err));
	assert_int_equal(swept.found.len, 1);
	assert_int_equal(swept.found.items[0].code, 0);
	bo_sweep_report_done(&swept);
	is_back(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cycles_lose_nothing),
		cmocka_unit_test(test_what_an_earlier_fault_holds_is_waited_for),
		cmocka_unit_test(test_delay_is_what_was_asked),
		cmocka_unit_test(test_super_packets_are_cut),
		cmocka_unit_test(test_fates_are_of_packets),
		cmocka_unit_test(test_damage_reaches_the_checksum),
		cmocka_unit_test(test_what_netem_cannot_is_refused),
		cmocka_unit_test(test_somebodys_clsact_is_left_alone),
		cmocka_unit_test(test_whoever_dies),
	};
	int rc;

	session_world_make();
	if (!world.netem) {
		fprintf(stderr, "cannot run here: no netem by way of an ifb\n");
		return 77;
	}
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	attach_world_done(&world);
	return rc;
}
