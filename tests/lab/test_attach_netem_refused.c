/* SPDX-License-Identifier: Apache-2.0 */
/* lab/test_attach_netem_refused.c — the netem driver of an attachment alone, in this very process: its whole life, and
 * that again and again, each time with another one of its system calls refused.
 *   refused    the call is not carried out, for lack of memory
 *   unheard    the kernel has done what it was asked, but its answer is lost (netlink(7): ENOBUFS)
 * Whatever is refused: the driver says so or does without, nobody hangs, and what it no longer owns up to (`up`, from
 * which the attachment's journal follows) is not there.
 *
 * One process and no pidfd, so that valgrind can follow it all (uml.memcheck).  The functions are defined here, by which
 * libnl's calls are caught as well.
 * Owns: namespaces.  Threads: none.  Privilege: root and sch_netem, else 77. */
#include <dlfcn.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attach-internal.h"
#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/lab/linkprobe.h"
#include "brownout/sys/rtnl.h"
#include "support/attach_session.h"

#define PATIENCE_S 60 /* for one life, which takes some 20 ms */
#define CALLS_MIN 60  /* that a life makes at least: fewer, and something is not caught any more */
#define ANSWERS_MIN 15
#define NO_DEVICE 4711
#define PACKETS 30 /* of the service; 20 make it one that talks */

/* --- what is refused ---------------------------------------------------------------------------- */

enum way { REFUSED, UNHEARD };

/** struct refusal - the @nth call, from 1, 0 none, of those made while @armed;  @what: it was, NULL not yet */
static struct {
	bool armed;
	enum way way;
	int nth, calls;
	const char *what;
} refusal;

static bool hit(enum way way, const char *what)
{
	if (!refusal.armed || refusal.way != way || ++refusal.calls != refusal.nth)
		return false;
	refusal.what = what;
	errno = way == REFUSED ? ENOMEM : ENOBUFS;
	return true;
}

/* The function that ours stands in front of. */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int socket(int domain, int type, int protocol)
{
	return hit(REFUSED, "socket") ? -1 : REAL(socket)(domain, type, protocol);
}

int bind(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len)
{
	return hit(REFUSED, "bind") ? -1 : REAL(bind)(fd, addr, len);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	return hit(REFUSED, "setsockopt") ? -1 : REAL(setsockopt)(fd, level, name, value, len);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	return hit(REFUSED, "ioctl") ? -1 : REAL(ioctl)(fd, request, arg);
}

unsigned int if_nametoindex(const char *name)
{
	return hit(REFUSED, "if_nametoindex") ? 0 : REAL(if_nametoindex)(name);
}

char *if_indextoname(unsigned int index, char name[IF_NAMESIZE])
{
	return hit(REFUSED, "if_indextoname") ? NULL : REAL(if_indextoname)(index, name);
}

struct nl_msg *nlmsg_alloc_simple(int type, int flags)
{
	return hit(REFUSED, "nlmsg_alloc_simple") ? NULL : REAL(nlmsg_alloc_simple)(type, flags);
}

int nla_put(struct nl_msg *msg, int type, int len, const void *data)
{
	return hit(REFUSED, "nla_put") ? -NLE_NOMEM : REAL(nla_put)(msg, type, len, data);
}

struct nlattr *nla_nest_start(struct nl_msg *msg, int type)
{
	return hit(REFUSED, "nla_nest_start") ? NULL : REAL(nla_nest_start)(msg, type);
}

ssize_t sendto(int fd, const void *buf, size_t len, int flags, __CONST_SOCKADDR_ARG addr,
	       socklen_t addr_len)
{
	return hit(REFUSED, "sendto") ? -1 : REAL(sendto)(fd, buf, len, flags, addr, addr_len);
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return hit(REFUSED, "sendmsg") ? -1 : REAL(sendmsg)(fd, msg, flags);
}

ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	ssize_t n = hit(REFUSED, "recv") ? -1 : REAL(recv)(fd, buf, len, flags);

	return n > 0 && hit(UNHEARD, "recv") ? -1 : n;
}

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t n = hit(REFUSED, "recvmsg") ? -1 : REAL(recvmsg)(fd, msg, flags);

	return n > 0 && hit(UNHEARD, "recvmsg") ? -1 : n;
}

/* --- a life --------------------------------------------------------------------------------------- */

#define NAME "bo-refused"
#define LANE_OUT 0
#define LANE_IN 1

static const struct bo_impair late = { .delay_ns = 2 * BO_NSEC_PER_MSEC };
static const struct bo_impair normal = { .delay_ns = 2 * BO_NSEC_PER_MSEC,
					 .jitter_ns = BO_NSEC_PER_MSEC / 4,
					 .dist = BO_DIST_NORMAL };
static const struct bo_impair lossy = { .delay_ns = 3 * BO_NSEC_PER_MSEC,
					.loss.random.ppm = 100000,
					.corrupt.ppm = 100000 };

static struct bo_attach_conf conf;
static struct bo_attach_queue no_queue;
static bool ended; /* all faults are: what an attachment does when its work fails */

/** packets() - of the service, to the peer that is impaired */
static void packets(void)
{
	struct sockaddr_in to = peer_address(KIT_PORT);
	bool armed = refusal.armed;
	int fd;

	refusal.armed = false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	for (int i = 0; i < PACKETS; i++)
		(void)!sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to));
	bo_close(&fd);
	refusal.armed = armed;
}

/** at_work() - for so many turns, each when it is due */
static int at_work(struct bo_attach_netem *n, int turns)
{
	int rc = 0;

	for (int i = 0; rc == 0 && i < turns; i++) {
		int64_t wait_ns = bo_attach_netem_due(n) - bo_now_ns();

		if (wait_ns > 0 && wait_ns < BO_NSEC_PER_SEC)
			usleep((useconds_t)(wait_ns / 1000) + 1);
		rc = bo_attach_netem_work(n, &err);
	}
	ended = rc < 0;
	return rc;
}

/** measured() - probes of LANE_OUT were delayed as they were to be;  Return: 0, or what failed */
static int measured(struct bo_attach_netem *n)
{
	struct bo_link_samples samples = { 0 };
	uint64_t back = 0;
	int rc = bo_attach_netem_samples(n, LANE_OUT, 0, bo_now_ns(), &samples, &err);

	for (size_t i = 0; rc == 0 && i < samples.nprobes; i++)
		back += samples.probes[i].delay_ns >= late.delay_ns;
	if (rc == 0 && !refusal.nth)
		assert_true(back > 0);
	bo_link_samples_done(&samples);
	return rc;
}

/** live() - all that an attachment has its netem do;  Return: 0, or what failed at first */
static int live(struct bo_attach_netem *n)
{
	int rc = bo_attach_netem_prepare(n, LANE_OUT, &err);

	if (rc == 0)
		rc = bo_attach_netem_impair(n, LANE_OUT, &late, &err);
	if (rc == 0)
		rc = bo_attach_netem_prepare(n, LANE_IN, &err);
	if (rc == 0)
		rc = bo_attach_netem_impair(n, LANE_IN, &normal, &err);
	packets();
	if (rc == 0)
		rc = at_work(n, 2);
	if (rc == 0)
		rc = measured(n);
	if (rc == 0)
		rc = bo_attach_netem_impair(n, LANE_OUT, &lossy, &err);
	if (rc == 0)
		rc = bo_attach_netem_impair(n, LANE_OUT, &(struct bo_impair){ 0 }, &err);
	if (rc == 0)
		rc = at_work(n, 1);
	if (rc == 0)
		rc = bo_attach_netem_prepare(n, LANE_OUT, &err);
	if (rc == 0)
		rc = bo_attach_netem_impair(n, LANE_OUT, &late, &err);
	if (rc == 0) {
		rc = bo_attach_netem_down(n, &err);
		ended = rc < 0;
	}
	return rc;
}

/** once_more() - what failed is no obstacle to itself */
static void once_more(struct bo_attach_netem *n)
{
	for (size_t lane = 0; lane < n->nlanes; lane++) {
		MUST(bo_attach_netem_prepare(n, lane, &err));
		MUST(bo_attach_netem_impair(n, lane, &late, &err));
	}
}

static void done(struct bo_attach_netem *n)
{
	for (size_t i = 0; i < n->nlanes; i++)
		bo_attach_records_done(&n->lanes[i].records);
	bo_attach_probe_close(&n->probe);
	bo_rtnl_close(&n->rtnl);
	free(n);
}

static void refuse(enum way way, int nth)
{
	refusal.way = way;
	refusal.nth = nth;
	refusal.calls = 0;
	refusal.what = NULL;
	refusal.armed = true;
}

/** lived() - with the @nth call refused, 0 none;  Return: false when it has fewer */
static bool lived(enum way way, int nth, int *failed)
{
	struct bo_attach_netem *n = calloc(1, sizeof(*n));
	char *before = attach_world_lists(&world, world.service), *after;
	int rc;

	assert_non_null(n);
	alarm(PATIENCE_S);
	attach_world_enter(world.service);
	err = (struct bo_err){ 0 };
	ended = false;
	refuse(way, nth);
	rc = bo_attach_netem_init(n, &conf, &no_queue, NAME, &err);
	if (rc == 0)
		rc = live(n);
	refusal.armed = false;
	if (!refusal.what && rc < 0)
		fail_msg("nothing was refused, and yet: %s", err.msg);
	if (rc < 0 && (!err.msg[0] || err.code != -rc))
		fail_msg("call %d, %s: failed with %d, and says %d, \"%s\"", nth, refusal.what, rc,
			 err.code, err.msg);
	if (ended)
		MUST(bo_attach_netem_down(n, &err));
	if (way == UNHEARD && rc < 0 && n->rtnl)
		once_more(n);
	MUST(bo_attach_netem_down(n, &err));
	if (n->rtnl && bo_divert_hook_add(n->rtnl, NO_DEVICE, &err) != -ENODEV)
		fail_msg("call %d, %s: another request's answer is taken for one's own", nth,
			 refusal.what);
	done(n);
	after = attach_world_lists(&world, world.service);
	if (strcmp(before, after) != 0)
		fail_msg("call %d, %s: before:\n%safter:\n%s", nth, refusal.what, before, after);
	alarm(0);
	*failed += rc < 0;
	free(before);
	free(after);
	return refusal.what != NULL;
}

/** refused_in_turn() - every call of a life;  Return: how many there are */
static int refused_in_turn(enum way way)
{
	int nth = 0, failed = 0;

	while (lived(way, nth + 1, &failed))
		nth++;
	print_message("%d calls %s in turn, %d of them fatal to what was asked\n", nth,
		      way == REFUSED ? "refused" : "unheard", failed);
	/* Most of them are of consequence. */
	assert_true(failed > nth / 2);
	return nth;
}

static void test_a_life(void **state)
{
	int failed = 0;

	(void)state;
	assert_false(lived(REFUSED, 0, &failed));
	assert_int_equal(failed, 0);
}

static void test_every_call_refused(void **state)
{
	(void)state;
	assert_true(refused_in_turn(REFUSED) >= CALLS_MIN);
}

static void test_every_answer_unheard(void **state)
{
	(void)state;
	assert_true(refused_in_turn(UNHEARD) >= ANSWERS_MIN);
}

/** held_and_let_go() - packets that netem holds, while the @nth call of finding out whether it still does is refused
 * Return: false when there are fewer */
static bool held_and_let_go(enum way way, int nth)
{
	static const struct bo_impair held = { .delay_ns = 100 * BO_NSEC_PER_MSEC };
	struct bo_attach_netem *n = calloc(1, sizeof(*n));
	uint64_t before = snmp_counter(world.peer, "Udp", "NoPorts"), after = 0;

	assert_non_null(n);
	alarm(PATIENCE_S);
	attach_world_enter(world.service);
	MUST(bo_attach_netem_init(n, &conf, &no_queue, NAME, &err));
	MUST(bo_attach_netem_prepare(n, LANE_OUT, &err));
	MUST(bo_attach_netem_impair(n, LANE_OUT, &held, &err));
	packets();
	MUST(bo_attach_netem_impair(n, LANE_OUT, &(struct bo_impair){ 0 }, &err));
	refuse(way, nth);
	(void)!bo_attach_netem_work(n, &err);
	refusal.armed = false;
	MUST(bo_attach_netem_down(n, &err));
	done(n);
	for (int i = 0; i < LONG_MS && after < before + PACKETS; i++) {
		after = snmp_counter(world.peer, "Udp", "NoPorts");
		usleep(1000);
	}
	alarm(0);
	if (after != before + PACKETS)
		fail_msg("call %d, %s: %llu of %d arrived", nth, refusal.what,
			 (unsigned long long)(after - before), PACKETS);
	return refusal.what != NULL;
}

static void test_not_to_look_is_not_to_lose(void **state)
{
	(void)state;
	for (enum way way = REFUSED; way <= UNHEARD; way++) {
		int nth = 0;

		while (held_and_let_go(way, nth + 1))
			nth++;
		assert_true(nth > 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_life),
		cmocka_unit_test(test_every_call_refused),
		cmocka_unit_test(test_every_answer_unheard),
		cmocka_unit_test(test_not_to_look_is_not_to_lose),
	};
	int rc;

	session_world_make();
	if (!world.netem) {
		fprintf(stderr, "cannot run here: no netem by way of an ifb\n");
		return 77;
	}
	conf = attach_world_conf(1);
	conf.peers[0].protocol = IPPROTO_UDP;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	attach_world_done(&world);
	return rc;
}
