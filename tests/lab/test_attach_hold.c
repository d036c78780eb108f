/* SPDX-License-Identifier: Apache-2.0 */
/* lab/test_attach_hold.c — while a clsact is put in or taken out the kernel drops what the device sends, and what leaves
 * by it waits in the queue driver meanwhile: nothing is lost.
 * Owns: namespaces and a process of its own.  Threads: none.  Privilege: root, NFQUEUE, sch_ingress, else 77. */
#include <errno.h>
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
	/* until no more come */
	do {
		last = shared->datagrams;
		usleep(200000);
	} while (shared->datagrams != last);
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

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_lost_that_waits),
	};
	struct nl_sock *rtnl = NULL;
	int rc = 0;

	session_world_make();
	attach_world_enter(world.service);
	if (!world.queue || bo_rtnl_open(&rtnl, &err) < 0 || bo_divert_hook_add(rtnl, 11, &err) < 0 ||
	    bo_divert_hook_del(rtnl, 11, &err) < 0)
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
