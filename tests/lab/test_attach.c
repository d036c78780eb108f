/* SPDX-License-Identifier: Apache-2.0 */
/* lab/test_attach.c — faults on a service that runs already: what it meets, and that nothing stays.
 * Owns: namespaces and processes of its own.  Threads: none.  Privilege: root, else 77. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/sys/nftables.h"
#include "support/attach_session.h"

static const struct bo_impair late = { .delay_ns = 5 * BO_NSEC_PER_MSEC };

/* --- tests ---------------------------------------------------------------------------------------- */

static void test_cycles_lose_nothing(void **state)
{
	struct bo_link_measure m;
	struct session s;

	(void)state;
	begin(&s, talk, 0);
	assert_true(wait_blocks(10));
	for (int i = 0; i < 24; i++) {
		int64_t from = bo_now_ns();

		on(&s, BO_DIR_A_TO_B, late);
		on(&s, BO_DIR_B_TO_A, late);
		assert_true(wait_blocks(3));
		off(&s, BO_DIR_A_TO_B);
		off(&s, BO_DIR_B_TO_A);
		assert_true(same_lists(&s));
		for (int dir = 0; dir < BO_DIR_COUNT; dir++) {
			MUST(bo_attach_measure(s.sock, 0, (enum bo_dir)dir, from, bo_now_ns(), &m,
					       NULL, &err));
			assert_true(m.sent > 0);
			assert_int_equal(m.sent, m.received);
		}
		assert_true(wait_blocks(2));
	}
	talk_ends(&s);
	assert_int_equal(shared->retransmitted, shared->needlessly);
	assert_true(same_lists(&s));
	finish(&s);
}

static void test_delay_is_what_was_asked(void **state)
{
	struct bo_impair im = { .delay_ns = 40 * BO_NSEC_PER_MSEC };
	struct bo_tcp_rtt rtt = { 0 };
	struct bo_link_measure m;
	struct session s;
	int64_t from;

	(void)state;
	begin(&s, talk, 0);
	assert_true(wait_blocks(10));
	shared->longest_ns = 0;
	from = bo_now_ns();
	on(&s, BO_DIR_A_TO_B, im);
	assert_true(wait_blocks(10));
	MUST(bo_attach_measure(s.sock, 0, BO_DIR_A_TO_B, from, bo_now_ns(), &m, &rtt, &err));
	/* smoothed over some ten round trips, of one connection */
	assert_int_equal(rtt.connections, 1);
	assert_true(rtt.p50_ns > im.delay_ns / 2);
	print_message("asked 40 ms; held min %.3f p50 %.3f p99 %.3f ms of %llu packets\n",
		      (double)m.delay_min_ns / 1e6, (double)m.delay_p50_ns / 1e6,
		      (double)m.delay_p99_ns / 1e6, (unsigned long long)m.received);
	assert_true(m.received >= 20);
	assert_true(m.delay_min_ns >= im.delay_ns);
	assert_true(m.delay_p50_ns < im.delay_ns * 3 / 2);
	assert_true(shared->longest_ns >= (uint64_t)im.delay_ns);
	/* the other direction is left alone */
	MUST(bo_attach_measure(s.sock, 0, BO_DIR_B_TO_A, from, bo_now_ns(), &m, NULL, &err));
	assert_int_equal(m.sent, 0);
	off(&s, BO_DIR_A_TO_B);
	assert_true(same_lists(&s));
	finish(&s);
}

#define SPRAYED 2000

/* Sends datagrams to the peer's port, once it is told to. */
static int spray(void *arg)
{
	struct sockaddr_in sa = peer_address(KIT_PORT);
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	(void)arg;
	while (!shared->stop)
		usleep(1000);
	for (int i = 0; i < SPRAYED; i++) {
		sendto(s, "x", 1, 0, (struct sockaddr *)&sa, sizeof(sa));
		if (i % 50 == 0)
			usleep(1000);
	}
	shared->stop = 2;
	pause();
	return 0;
}

/** begin_spray() - the service sends datagrams, to which the attachment is then */
static void begin_spray(struct session *s)
{
	struct bo_attach_session none = { 0 };
	struct bo_attach_conf conf;

	begin(s, spray, 0);
	bo_close(&s->sock);
	MUST(bo_attach_end(&s->att, &err));
	conf = attach_world_conf(s->service);
	conf.peers[0].protocol = IPPROTO_UDP;
	MUST(bo_attach_start(&conf, &none, &s->att, &s->sock, &err));
}

/** spray_all() - until each datagram has met its fate: an order may overtake those that wait to be judged */
static void spray_all(const struct session *s, int64_t from_ns)
{
	struct bo_link_measure m = { 0 };

	shared->stop = 1;
	for (int i = 0; i < LONG_MS && (m.sent < SPRAYED || shared->stop != 2); i++) {
		MUST(bo_attach_measure(s->sock, 0, BO_DIR_A_TO_B, from_ns, bo_now_ns(), &m, NULL,
				       &err));
		usleep(1000);
	}
}

static void test_loss_takes_its_share_and_no_more(void **state)
{
	struct bo_link_measure m;
	struct session s;
	int64_t from;

	(void)state;
	begin_spray(&s);
	from = bo_now_ns();
	on(&s, BO_DIR_A_TO_B, (struct bo_impair){ .loss.random.ppm = 300000 });
	spray_all(&s, from);
	off(&s, BO_DIR_A_TO_B);
	MUST(bo_attach_measure(s.sock, 0, BO_DIR_A_TO_B, from, bo_now_ns(), &m, NULL, &err));
	for (int i = 0; i < LONG_MS && shared->datagrams < m.received; i++)
		usleep(1000);
	print_message("30%%: %llu of %llu let through, %llu arrived\n",
		      (unsigned long long)m.received, (unsigned long long)m.sent,
		      (unsigned long long)shared->datagrams);
	assert_int_equal(m.sent, SPRAYED);
	assert_in_range(m.received, 1300, 1500); /* ten standard deviations are 205 */
	assert_int_equal(shared->datagrams, m.received);
	finish(&s);
}

static void test_damage_reaches_the_checksum(void **state)
{
	struct bo_link_measure m;
	struct session s;
	uint64_t before;
	int64_t from;

	(void)state;
	begin_spray(&s);
	before = bad_checksums(world.peer, "Udp");
	from = bo_now_ns();
	/* held and damaged: what was decided when it came is done when it goes */
	on(&s, BO_DIR_A_TO_B,
	   (struct bo_impair){ .delay_ns = 20 * BO_NSEC_PER_MSEC, .corrupt.ppm = 300000 });
	spray_all(&s, from);
	off(&s, BO_DIR_A_TO_B);
	MUST(bo_attach_measure(s.sock, 0, BO_DIR_A_TO_B, from, bo_now_ns(), &m, NULL, &err));
	for (int i = 0; i < LONG_MS &&
			shared->datagrams + bad_checksums(world.peer, "Udp") < before + m.received;
	     i++)
		usleep(1000);
	print_message("30%%: %llu of %llu damaged, %llu arrived whole\n",
		      (unsigned long long)m.damaged, (unsigned long long)m.received,
		      (unsigned long long)shared->datagrams);
	assert_int_equal(m.received, SPRAYED);
	assert_in_range(m.damaged, 500, 700);
	assert_int_equal(shared->datagrams, m.received - m.damaged);
	/* a bit of a port is one that finds nobody, if the checksum did not find it first */
	assert_int_equal(bad_checksums(world.peer, "Udp") - before, m.damaged);
	finish(&s);
}

static void test_damage_on_the_way_in(void **state)
{
	uint64_t before = bad_checksums(world.service, "Tcp");
	struct session s;

	(void)state;
	begin(&s, talk, 0);
	assert_true(wait_blocks(10));
	on(&s, BO_DIR_B_TO_A, (struct bo_impair){ .corrupt.ppm = 100000 });
	for (int i = 0; i < LONG_MS && bad_checksums(world.service, "Tcp") < before + 3; i++)
		usleep(1000);
	off(&s, BO_DIR_B_TO_A);
	assert_true(bad_checksums(world.service, "Tcp") >= before + 3);
	assert_true(wait_blocks(10));
	assert_int_equal(shared->damaged, 0);
	assert_true(same_lists(&s));
	finish(&s);
}

/* Each time it is asked: so many datagrams to the peer's port, by IPv4 and by IPv6. */
static int ping(void *arg)
{
	struct sockaddr_in sa = peer_address(KIT_PORT);
	struct sockaddr_in6 sa6 = { .sin6_family = AF_INET6, .sin6_port = htons(KIT_PORT) };
	int s = socket(AF_INET, SOCK_DGRAM, 0), s6 = socket(AF_INET6, SOCK_DGRAM, 0);

	(void)arg;
	inet_pton(AF_INET6, KIT_PEER6, &sa6.sin6_addr);
	for (;;) {
		while (shared->asked == shared->answered)
			usleep(200);
		for (int i = 0; i < 20; i++) {
			sendto(s, "x", 1, 0, (struct sockaddr *)&sa, sizeof(sa));
			if (i < 7)
				sendto(s6, "x", 1, 0, (struct sockaddr *)&sa6, sizeof(sa6));
		}
		shared->answered = shared->asked;
	}
	return 0;
}

static void test_rules_match_the_peer_and_nobody_else(void **state)
{
	static const struct {
		const char *address, *interface;
		int port, protocol;
		uint64_t packets;
	} cases[] = {
		{ KIT_PEER, "", KIT_PORT, IPPROTO_UDP, 20 },
		{ KIT_PEER, "", KIT_PORT, IPPROTO_TCP, 0 },
		{ KIT_PEER, "", KIT_PORT + 1, IPPROTO_UDP, 0 },
		{ KIT_PEER, "", 0, IPPROTO_UDP, 20 },
		{ KIT_PEER, "", 0, 0, 20 },
		{ KIT_PEER, KIT_DEVICE, 0, 0, 20 },
		{ KIT_PEER, "svc", 0, 0, 0 },
		{ KIT_SERVICE, "", 0, 0, 0 },
		{ "10.9.0.3", "", 0, 0, 0 },
		{ "10.9.0.2/31", "", 0, 0, 20 },
		{ "10.9.0.4/30", "", 0, 0, 0 },
		{ "0.0.0.0/0", "", KIT_PORT, IPPROTO_UDP, 20 },
		{ KIT_PEER6, "", KIT_PORT, IPPROTO_UDP, 7 },
		{ KIT_PEER6, "", KIT_PORT + 1, IPPROTO_UDP, 0 },
		{ "fd09::/32", KIT_DEVICE, 0, IPPROTO_UDP, 7 },
		{ "fd0a::/32", "", 0, IPPROTO_UDP, 0 },
	};
	struct bo_attach_session none = { 0 };
	struct session s;

	(void)state;
	begin(&s, ping, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct bo_attach_conf conf = attach_world_conf(s.service);
		struct bo_link_measure m;

		if (strchr(cases[i].address, ':') && !world.v6)
			continue;
		bo_close(&s.sock);
		MUST(bo_attach_end(&s.att, &err));
		conf.spec.allow = BO_ATTACH_ALLOW_WIDE;
		MUST(bo_attach_peer_parse(cases[i].address, &conf.peers[0], &err));
		conf.peers[0].port = (uint16_t)cases[i].port;
		conf.peers[0].protocol = (uint8_t)cases[i].protocol;
		strcpy(conf.spec.interface, cases[i].interface);
		MUST(bo_attach_start(&conf, &none, &s.att, &s.sock, &err));
		on(&s, BO_DIR_A_TO_B, (struct bo_impair){ .blackhole = true });
		shared->asked++;
		for (int n = 0; n < LONG_MS && shared->answered != shared->asked; n++)
			usleep(1000);
		off(&s, BO_DIR_A_TO_B);
		MUST(bo_attach_measure(s.sock, 0, BO_DIR_A_TO_B, 0, INT64_MAX, &m, NULL, &err));
		if (m.sent != cases[i].packets)
			fail_msg("case %zu: %llu packets, expected %llu", i,
				 (unsigned long long)m.sent, (unsigned long long)cases[i].packets);
	}
	assert_true(same_lists(&s));
	finish(&s);
}

static void test_what_is_held_falls_into_a_blackhole(void **state)
{
	struct bo_attach_session none = { 0 };
	struct bo_attach_conf conf;
	struct bo_link_measure m = { 0 };
	struct session s;

	(void)state;
	begin(&s, ping, 0);
	bo_close(&s.sock);
	MUST(bo_attach_end(&s.att, &err));
	conf = attach_world_conf(s.service);
	conf.peers[0].protocol = IPPROTO_UDP;
	MUST(bo_attach_start(&conf, &none, &s.att, &s.sock, &err));
	on(&s, BO_DIR_A_TO_B, (struct bo_impair){ .delay_ns = 600 * BO_NSEC_PER_SEC });
	shared->asked++;
	for (int n = 0; n < LONG_MS && shared->answered != shared->asked; n++)
		usleep(1000);
	MUST(bo_attach_measure(s.sock, 0, BO_DIR_A_TO_B, 0, INT64_MAX, &m, NULL, &err));
	assert_int_equal(m.sent, 0); /* nothing has become of them yet */
	on(&s, BO_DIR_A_TO_B, (struct bo_impair){ .blackhole = true });
	MUST(bo_attach_measure(s.sock, 0, BO_DIR_A_TO_B, 0, INT64_MAX, &m, NULL, &err));
	assert_int_equal(m.sent, 20);
	assert_int_equal(m.received, 0);
	off(&s, BO_DIR_A_TO_B);
	assert_true(same_lists(&s));
	assert_int_equal(shared->datagrams, 0);
	finish(&s);
}

static void test_blackhole_and_back(void **state)
{
	struct bo_link_measure m;
	struct session s;
	uint64_t stuck;
	int64_t from;

	(void)state;
	begin(&s, talk, 0);
	assert_true(wait_blocks(10));
	from = bo_now_ns();
	on(&s, BO_DIR_B_TO_A, (struct bo_impair){ .blackhole = true });
	do {
		MUST(bo_attach_measure(s.sock, 0, BO_DIR_B_TO_A, from, bo_now_ns(), &m, NULL,
				       &err));
		usleep(1000);
	} while (m.sent < 3);
	assert_int_equal(m.received, 0);
	stuck = shared->echoed;
	usleep(50000);
	assert_true(shared->echoed <= stuck + 1);
	off(&s, BO_DIR_B_TO_A);
	assert_true(wait_blocks(10));
	assert_true(same_lists(&s));
	finish(&s);
}

static void test_two_at_a_time(void **state)
{
	struct bo_impair im = { .delay_ns = 20 * BO_NSEC_PER_MSEC };
	struct bo_attach_session none = { 0 };
	struct bo_attach_conf conf;
	struct bo_attachment second;
	struct bo_link_measure m;
	struct session s;
	int sock = -1;

	(void)state;
	begin(&s, talk, 0);
	conf = attach_world_conf(s.service);
	MUST(bo_attach_start(&conf, &none, &second, &sock, &err));
	on(&s, BO_DIR_A_TO_B, im);
	MUST(bo_attach_impair(sock, 0, BO_DIR_A_TO_B, &im, NULL, &err));
	shared->longest_ns = 0;
	assert_true(wait_blocks(5));
	assert_true(shared->longest_ns >= 2 * (uint64_t)im.delay_ns);
	off(&s, BO_DIR_A_TO_B);
	/* the kernel drops what anybody holds when one of them goes: the other knows, or nothing was held */
	assert_true(wait_blocks(5));
	if (bo_attach_measure(sock, 0, BO_DIR_A_TO_B, 0, INT64_MAX, &m, NULL, &err) < 0)
		assert_non_null(strstr(err.msg, "somebody changed the firewall"));
	bo_close(&sock);
	MUST(bo_attach_end(&second, &err));
	assert_true(same_lists(&s));
	finish(&s);
}

static void test_rules_taken_away(void **state)
{
	struct bo_link_measure m;
	struct nl_sock *nft = NULL;
	char table[64], line[256];
	struct session s;
	FILE *journal;
	DIR *dir;

	(void)state;
	begin(&s, talk, 0);
	on(&s, BO_DIR_A_TO_B, late);
	assert_true(wait_blocks(10));
	MUST(bo_attach_measure(s.sock, 0, BO_DIR_A_TO_B, 0, INT64_MAX, &m, NULL, &err));
	/* as `nft flush ruleset` would */
	dir = opendir(BO_ATTACH_RUN_DIR);
	for (struct dirent *e; (e = readdir(dir));) {
		snprintf(line, sizeof(line), BO_ATTACH_RUN_DIR "/%.100s", e->d_name);
		journal = e->d_name[0] == '.' ? NULL : fopen(line, "re");
		while (journal && fgets(line, sizeof(line), journal))
			if (sscanf(line, "table %63s", table) == 1)
				break;
		if (journal)
			fclose(journal);
	}
	closedir(dir);
	attach_world_enter(world.service);
	MUST(bo_nft_open(&nft, &err));
	MUST(bo_nft_remove(nft, table, &err));
	bo_nft_close(&nft);
	attach_world_enter(world.home);
	assert_true(wait_blocks(10));
	assert_int_equal(bo_attach_measure(s.sock, 0, BO_DIR_A_TO_B, 0, INT64_MAX, &m, NULL, &err),
			 -ENODATA);
	assert_non_null(strstr(err.msg, "somebody removed"));
	off(&s, BO_DIR_A_TO_B);
	assert_true(same_lists(&s));
	finish(&s);
}

static void test_time_to_live(void **state)
{
	struct bo_link_measure m;
	struct session s;

	(void)state;
	begin(&s, talk, 300 * BO_NSEC_PER_MSEC);
	assert_true(wait_blocks(10));
	on(&s, BO_DIR_A_TO_B, (struct bo_impair){ .blackhole = true });
	/* nobody says anything more */
	assert_true(same_lists(&s));
	assert_true(wait_blocks(10));
	assert_int_equal(bo_attach_measure(s.sock, 0, BO_DIR_A_TO_B, 0, INT64_MAX, &m, NULL, &err),
			 -ETIME);
	assert_non_null(strstr(err.msg, "ended by themselves, 300ms after"));
	assert_int_equal(bo_attach_impair(s.sock, 0, BO_DIR_A_TO_B, &late, NULL, &err), -ETIME);
	finish(&s);
}

static void test_conductor_gone(void **state)
{
	struct session s;

	(void)state;
	begin(&s, talk, 0);
	on(&s, BO_DIR_A_TO_B, (struct bo_impair){ .blackhole = true });
	bo_close(&s.sock);
	assert_true(same_lists(&s));
	assert_true(wait_blocks(10));
	finish(&s);
}

static void test_keeper_gone(void **state)
{
	struct session s;

	(void)state;
	begin(&s, talk, 0);
	on(&s, BO_DIR_A_TO_B, (struct bo_impair){ .blackhole = true });
	bo_close(&s.att.lifeline);
	assert_true(same_lists(&s));
	assert_true(wait_blocks(10));
	finish(&s);
}

static void test_attachment_killed(void **state)
{
	struct bo_sweep_report swept = { 0 };
	struct session s;

	(void)state;
	begin(&s, talk, 0);
	assert_true(wait_blocks(10));
	on(&s, BO_DIR_A_TO_B, (struct bo_impair){ .blackhole = true });
	/* alive, it is not swept */
	MUST(bo_attach_sweep(false, &swept, &err));
	assert_int_equal(swept.found.len, 0);
	kill_attachment(&s, true);
	/* at once, by the bypass flag, although the rules are still there */
	assert_true(wait_blocks(10));
	MUST(bo_attach_sweep(true, &swept, &err));
	assert_int_equal(swept.found.len, 1);
	bo_sweep_report_done(&swept);
	swept = (struct bo_sweep_report){ 0 };
	{
		bo_auto_free char *now = attach_world_lists(&world, world.service);

		assert_string_not_equal(now, s.before);
	}
	MUST(bo_attach_sweep(false, &swept, &err));
	assert_int_equal(swept.found.len, 1);
	assert_int_equal(swept.found.items[0].code, 0);
	bo_sweep_report_done(&swept);
	assert_true(same_lists(&s));
	assert_true(wait_blocks(10));
	finish(&s);
}

static void test_warden_takes_back(void **state)
{
	struct session s;

	(void)state;
	begin(&s, talk, 0);
	assert_true(wait_blocks(10));
	on(&s, BO_DIR_A_TO_B, (struct bo_impair){ .blackhole = true });
	MUST(bo_attach_signal(s.sock, SIGSTOP, &err));
	kill_attachment(&s, false);
	assert_true(same_lists(&s));
	assert_true(wait_blocks(10)); /* it goes on, too */
	finish(&s);
	/* one that hangs */
	begin(&s, talk, 300 * BO_NSEC_PER_MSEC);
	assert_true(wait_blocks(10));
	on(&s, BO_DIR_A_TO_B, late);
	kill(s.att.pid, SIGSTOP);
	assert_true(same_lists(&s));
	assert_true(wait_blocks(10));
	waitpid(s.att.pid, NULL, 0);
	bo_close(&s.att.lifeline);
	bo_close(&s.att.pidfd);
	finish(&s);
}

static void test_warden_has_a_successor(void **state)
{
	struct session s;
	pid_t first, next = 0;

	(void)state;
	begin(&s, talk, 0);
	on(&s, BO_DIR_A_TO_B, late);
	first = warden_of(s.att.pid);
	assert_true(first > 0);
	kill(first, SIGKILL);
	for (int i = 0; i < LONG_MS && (next == 0 || next == first); i++) {
		next = warden_of(s.att.pid);
		usleep(1000);
	}
	assert_true(next > 0 && next != first);
	kill_attachment(&s, false);
	assert_true(same_lists(&s));
	finish(&s);
}

static void test_stopped_and_continued(void **state)
{
	struct bo_sweep_report swept = { 0 };
	struct bo_node_state st = { 0 };
	struct session s;

	(void)state;
	begin(&s, talk, 0);
	assert_true(wait_blocks(10));
	MUST(bo_attach_signal(s.sock, SIGSTOP, &err));
	for (int i = 0; i < LONG_MS && !st.paused; i++) {
		MUST(bo_attach_state(s.sock, &st, &err));
		usleep(1000);
	}
	assert_true(st.running && st.paused);
	MUST(bo_attach_signal(s.sock, SIGCONT, &err));
	assert_true(wait_blocks(5));
	assert_true(same_lists(&s));
	assert_int_equal(bo_attach_signal(s.sock, SIGKILL, &err), -EPERM);
	/* stopped for good, were it not for the sweep */
	MUST(bo_attach_signal(s.sock, SIGSTOP, &err));
	kill_attachment(&s, true);
	MUST(bo_attach_sweep(false, &swept, &err));
	assert_int_equal(swept.found.len, 1);
	bo_sweep_report_done(&swept);
	assert_true(wait_blocks(5));
	finish(&s);
}

static void test_guard_of_the_namespace(void **state)
{
	struct bo_attach_session none = { 0 };
	struct bo_attach_conf conf = attach_world_conf(getpid());
	struct bo_attachment att;
	int sock = -1;

	(void)state;
	attach_world_enter(world.service);
	assert_int_equal(bo_attach_start(&conf, &none, &att, &sock, &err), -EPERM);
	assert_non_null(strstr(err.msg, "allow = { \"host\" }"));
	conf.spec.allow = BO_ATTACH_ALLOW_HOST;
	MUST(bo_attach_start(&conf, &none, &att, &sock, &err));
	bo_close(&sock);
	MUST(bo_attach_end(&att, &err));
	attach_world_enter(world.home);
}

static void test_no_such_service(void **state)
{
	struct bo_attach_session none = { 0 };
	struct bo_attach_conf conf = attach_world_conf(0x3ffffff);
	struct bo_attachment att;
	int sock = -1;

	(void)state;
	assert_int_equal(bo_attach_start(&conf, &none, &att, &sock, &err), -ESRCH);
	conf.spec.pid = 0;
	snprintf(conf.spec.netns, sizeof(conf.spec.netns), "/run/netns/none");
	assert_int_equal(bo_attach_start(&conf, &none, &att, &sock, &err), -ENOENT);
	snprintf(conf.spec.netns, sizeof(conf.spec.netns), "/etc/hosts");
	assert_int_equal(bo_attach_start(&conf, &none, &att, &sock, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "expected a network namespace"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cycles_lose_nothing),
		cmocka_unit_test(test_delay_is_what_was_asked),
		cmocka_unit_test(test_loss_takes_its_share_and_no_more),
		cmocka_unit_test(test_damage_reaches_the_checksum),
		cmocka_unit_test(test_damage_on_the_way_in),
		cmocka_unit_test(test_rules_match_the_peer_and_nobody_else),
		cmocka_unit_test(test_what_is_held_falls_into_a_blackhole),
		cmocka_unit_test(test_blackhole_and_back),
		cmocka_unit_test(test_two_at_a_time),
		cmocka_unit_test(test_rules_taken_away),
		cmocka_unit_test(test_time_to_live),
		cmocka_unit_test(test_conductor_gone),
		cmocka_unit_test(test_keeper_gone),
		cmocka_unit_test(test_attachment_killed),
		cmocka_unit_test(test_warden_takes_back),
		cmocka_unit_test(test_warden_has_a_successor),
		cmocka_unit_test(test_stopped_and_continued),
		cmocka_unit_test(test_guard_of_the_namespace),
		cmocka_unit_test(test_no_such_service),
	};
	int rc;

	session_world_make();
	if (!world.queue)
		return 77;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	attach_world_done(&world);
	return rc;
}
