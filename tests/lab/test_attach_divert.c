/* SPDX-License-Identifier: Apache-2.0 */
/* lab/test_attach_divert.c — which packets are sent to netem; and that nothing is lost while a clsact is put in or taken
 * out, when the kernel drops what the device sends: what leaves by it waits in the queue driver meanwhile, or none of it.
 * Owns: namespaces and a process of its own.  Threads: none.  Privilege: root, NFQUEUE, sch_ingress, else 77. */
#include <errno.h>
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attach-internal.h"
#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/sys/rtnl.h"
#include "divert_match.h"
#include "support/attach_session.h"

#define CYCLES 24

/* Sends numbered datagrams, some 100 each millisecond, until it is told to stop; says how many in the end. */
static int flood(void *arg)
{
	struct sockaddr_in sa = peer_address(KIT_PORT);
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	uint64_t n = 0;

	(void)arg;
	while (!shared->stop) {
		for (int i = 0; i < 100; i++)
			n += sendto(s, "x", 1, 0, (struct sockaddr *)&sa, sizeof(sa)) == 1;
		usleep(1000);
	}
	shared->echoed = n;
	shared->stop = 2;
	pause();
	return 0;
}

/* Counts them: a buffer that holds all of a run, so that only the way there can lose one. */
static int count(void *arg)
{
	struct sockaddr_in sa = peer_address(KIT_PORT);
	int u = socket(AF_INET, SOCK_DGRAM, 0), room = 256 << 20;
	char c;

	(void)arg;
	setsockopt(u, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (bind(u, (struct sockaddr *)&sa, sizeof(sa)))
		return 1;
	shared->asked = 1;
	while (recv(u, &c, 1, 0) == 1)
		shared->datagrams++;
	return 1;
}

/** lost() - datagrams, over so many times in and out */
static uint64_t lost(bool held)
{
	struct bo_attach_conf conf = attach_world_conf(1);
	pid_t from, to;
	struct bo_attach_queue *queue = calloc(1, sizeof(*queue));
	struct nl_sock *rtnl = NULL;
	uint64_t last;

	memset(shared, 0, sizeof(*shared));
	to = kit_spawn(world.peer, count, NULL);
	for (int i = 0; i < LONG_MS && !shared->asked; i++)
		usleep(1000);
	from = kit_spawn(world.service, flood, NULL);
	for (int i = 0; i < LONG_MS && shared->datagrams < 1000; i++)
		usleep(1000);
	attach_world_enter(world.service);
	MUST(bo_rtnl_open(&rtnl, &err));
	MUST(bo_attach_queue_init(queue, &conf, "brownout-hold", &err));
	for (int i = 0; i < 2 * CYCLES; i++) {
		if (held)
			MUST(bo_attach_queue_hold(queue, KIT_DEVICE, &err));
		if (i % 2 == 0)
			MUST(bo_divert_hook_add(rtnl, 11, &err));
		else
			MUST(bo_divert_hook_del(rtnl, 11, &err));
		if (held)
			MUST(bo_attach_queue_release(queue, &err));
		usleep(5000);
	}
	bo_attach_queue_done(queue);
	bo_rtnl_close(&rtnl);
	attach_world_enter(world.home);
	free(queue);
	shared->stop = 1;
	for (int i = 0; i < LONG_MS && shared->stop != 2; i++)
		usleep(1000);
	/* until all are there, or no more come: where none may be missing, that takes as long as a slow machine needs */
	for (int quiet = 0; quiet < (held ? LONG_MS : 200) && shared->datagrams < shared->echoed;
	     quiet++) {
		last = shared->datagrams;
		usleep(1000);
		quiet = shared->datagrams == last ? quiet : 0;
	}
	kill(from, SIGKILL);
	kill(to, SIGKILL);
	waitpid(from, NULL, 0);
	waitpid(to, NULL, 0);
	print_message("%s: %llu of %llu lost\n", held ? "held" : "not held",
		      (unsigned long long)(shared->echoed - shared->datagrams),
		      (unsigned long long)shared->echoed);
	return shared->echoed - shared->datagrams;
}

static void test_nothing_is_lost_that_waits(void **state)
{
	(void)state;
	assert_int_equal(lost(true), 0);
	/* else there would have been nothing to prove; a single processor may be lucky */
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
		assert_true(lost(false) > 0);
}

/* Of the next changes of rules, the one that the kernel refuses; 0 none. */
static int refused;

int __real_bo_nft_fill(struct nl_sock *sock, const char *table, const struct bo_nft_flow *flows,
		       size_t n, struct bo_err *e);
int __wrap_bo_nft_fill(struct nl_sock *sock, const char *table, const struct bo_nft_flow *flows,
		       size_t n, struct bo_err *e);

int __wrap_bo_nft_fill(struct nl_sock *sock, const char *table, const struct bo_nft_flow *flows,
		       size_t n, struct bo_err *e)
{
	if (refused && --refused == 0)
		return bo_err_set(e, ENOBUFS, BO_SUBSYS_SYS, "refused");
	return __real_bo_nft_fill(sock, table, flows, n, e);
}

static void test_half_a_hold_holds_nothing(void **state)
{
	struct bo_attach_conf conf = attach_world_conf(1);
	struct bo_attach_queue *queue = calloc(1, sizeof(*queue));

	(void)state;
	attach_world_enter(world.service);
	MUST(bo_attach_queue_init(queue, &conf, "brownout-half", &err));
	/* the first is IPv4's, the second IPv6's */
	for (int i = 1; i <= BO_ATTACH_HOLDS; i++) {
		refused = i;
		assert_int_equal(bo_attach_queue_hold(queue, KIT_DEVICE, &err), -ENOBUFS);
		assert_string_equal(err.msg, "refused");
		for (size_t k = 0; k < queue->nlanes; k++)
			assert_false(queue->lanes[k].on);
		assert_false(queue->up);
		assert_false(bo_nft_exists(queue->nft, "brownout-half"));
	}
	refused = 0;
	MUST(bo_attach_queue_hold(queue, KIT_DEVICE, &err));
	assert_true(bo_nft_exists(queue->nft, "brownout-half"));
	MUST(bo_attach_queue_release(queue, &err));
	assert_false(bo_nft_exists(queue->nft, "brownout-half"));
	bo_attach_queue_done(queue);
	attach_world_enter(world.home);
	free(queue);
}

#define OUR_PORT 7777
#define BIG 4000 /* three fragments */

/** send_some() - as if they were the service's: one; one behind IP options; one to another port; a big one; by IPv6 one */
static void send_some(bool v6)
{
	struct sockaddr_in to = peer_address(KIT_PORT), other = peer_address(KIT_PORT + 1);
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_port = htons(OUR_PORT) };
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6, .sin6_port = htons(KIT_PORT) };
	static const uint8_t nops[] = { 1, 1, 1, 1 };
	static uint16_t big[BIG / 2]; /* each fragment begins as if with a UDP header of ours */
	int s = socket(AF_INET, SOCK_DGRAM, 0), s6 = socket(AF_INET6, SOCK_DGRAM, 0);

	for (size_t i = 0; i < BIG / 2; i++)
		big[i] = htons(i % 2 ? KIT_PORT : OUR_PORT);
	assert_int_equal(bind(s, (struct sockaddr *)&from, sizeof(from)), 0);
	assert_int_equal(sendto(s, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	assert_int_equal(sendto(s, "x", 1, 0, (struct sockaddr *)&other, sizeof(other)), 1);
	assert_int_equal(sendto(s, big, BIG, 0, (struct sockaddr *)&to, sizeof(to)), BIG);
	assert_int_equal(setsockopt(s, IPPROTO_IP, IP_OPTIONS, nops, sizeof(nops)), 0);
	assert_int_equal(sendto(s, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	inet_pton(AF_INET6, KIT_PEER6, &to6.sin6_addr);
	if (v6)
		assert_int_equal(sendto(s6, "x", 1, 0, (struct sockaddr *)&to6, sizeof(to6)), 1);
	close(s);
	close(s6);
}

/** matched() - how many of those that leave */
static int matched(const struct bo_attach_peer *peer, bool inbound, bool v6)
{
	struct sock_filter ops[BO_DIVERT_OPS_MAX];
	struct sock_fprog prog = { .len = bo_divert_match(peer, inbound, ops), .filter = ops };
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = 11 };
	int s = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0), n = 0;
	char c;

	assert_int_equal(setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)), 0);
	assert_int_equal(bind(s, (struct sockaddr *)&at, sizeof(at)), 0);
	send_some(v6);
	for (;;) {
		struct sockaddr_ll from;
		socklen_t len = sizeof(from);

		if (recvfrom(s, &c, 1, 0, (struct sockaddr *)&from, &len) < 0)
			break;
		n += from.sll_pkttype == PACKET_OUTGOING;
	}
	close(s);
	return n;
}

/** know_neighbours() - what waits for an address does not leave yet */
static void know_neighbours(void)
{
	struct bo_attach_peer all, all6;

	MUST(bo_attach_peer_parse("0.0.0.0/0", &all, &err));
	MUST(bo_attach_peer_parse("fd00::/8", &all6, &err));
	for (int i = 0; i < LONG_MS; i++) {
		if (matched(&all, false, world.v6) == 6 &&
		    (!world.v6 || matched(&all6, false, true) == 1))
			return;
		usleep(1000);
	}
	fail_msg("the neighbours do not answer");
}

static void test_filters_match_the_peer_and_nobody_else(void **state)
{
	static const struct {
		const char *address;
		int port, protocol;
		bool inbound;
		int packets;
	} cases[] = {
		{ KIT_PEER, KIT_PORT, IPPROTO_UDP, false,
		  3 }, /* of the big one, the first fragment */
		{ KIT_PEER, KIT_PORT + 1, IPPROTO_UDP, false, 1 },
		{ KIT_PEER, KIT_PORT, IPPROTO_TCP, false, 0 },
		{ KIT_PEER, 0, IPPROTO_UDP, false, 6 },
		{ KIT_PEER, 0, 0, false, 6 },
		{ KIT_PEER, OUR_PORT, IPPROTO_UDP, false, 0 },
		{ KIT_PEER, 0, 0, true, 0 },
		{ "10.9.0.3", 0, 0, false, 0 },
		{ "10.9.0.2/31", 0, 0, false, 6 },
		{ "10.9.0.4/30", 0, 0, false, 0 },
		{ "0.0.0.0/0", KIT_PORT, IPPROTO_UDP, false, 3 },
		/* what comes in is known by its source, as these are */
		{ KIT_SERVICE, OUR_PORT, IPPROTO_UDP, true, 4 },
		{ KIT_SERVICE, KIT_PORT, IPPROTO_UDP, true, 0 },
		{ KIT_SERVICE, 0, 0, false, 0 },
		{ KIT_PEER6, KIT_PORT, IPPROTO_UDP, false, 1 },
		{ KIT_PEER6, KIT_PORT + 1, IPPROTO_UDP, false, 0 },
		{ "fd09::/33", 0, IPPROTO_UDP, false, 1 },
		{ "fd09:8000::/33", 0, IPPROTO_UDP, false, 0 },
		{ "fd09::3", 0, IPPROTO_UDP, false, 0 },
		{ KIT_SERVICE6, 0, IPPROTO_UDP, true, 1 },
	};

	(void)state;
	attach_world_enter(world.service);
	know_neighbours();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct bo_attach_peer peer;
		int n;

		if (strchr(cases[i].address, ':') && !world.v6)
			continue;
		MUST(bo_attach_peer_parse(cases[i].address, &peer, &err));
		peer.port = (uint16_t)cases[i].port;
		peer.protocol = (uint8_t)cases[i].protocol;
		n = matched(&peer, cases[i].inbound, world.v6);
		if (n != cases[i].packets)
			fail_msg("case %zu: %d packets, expected %d", i, n, cases[i].packets);
	}
	attach_world_enter(world.home);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filters_match_the_peer_and_nobody_else),
		cmocka_unit_test(test_nothing_is_lost_that_waits),
		cmocka_unit_test(test_half_a_hold_holds_nothing),
	};
	struct nl_sock *rtnl = NULL;
	int rc = 0;

	session_world_make();
	attach_world_enter(world.service);
	if (!world.queue || bo_rtnl_open(&rtnl, &err) < 0 ||
	    bo_divert_hook_add(rtnl, 11, &err) < 0 || bo_divert_hook_del(rtnl, 11, &err) < 0)
		rc = 77;
	bo_rtnl_close(&rtnl);
	attach_world_enter(world.home);
	if (rc)
		fprintf(stderr, "cannot run here: no NFQUEUE, or no clsact: %s\n", err.msg);
	else
		rc = cmocka_run_group_tests(tests, NULL, NULL);
	attach_world_done(&world);
	return rc;
}
