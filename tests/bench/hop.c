/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/hop.c — see the header.  What all mechanisms share: namespaces, threads, waiting; and the
 * one that needs nothing else, TUN devices as the wire has them. */
#include "hop.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/lab/wire.h"
#include "wire_flows.h"

/* After frames, how long to look for more before sleeping; that of the wire. */
#define LINGER_NS (20 * BO_NSEC_PER_USEC)

/* --- threads ---------------------------------------------------------------------------------- */

static void hop_wait(const struct hop *hop, const struct hop_lane *lanes, int n)
{
	struct pollfd fds[3] = { { .fd = hop->bell, .events = POLLIN } };

	for (int i = 0; i < n; i++)
		fds[1 + i] = (struct pollfd){ .fd = lanes[i].wait_fd, .events = POLLIN };
	if (poll(fds, 1 + (nfds_t)n, -1) < 0 && errno != EINTR)
		flows_die("poll");
}

static void hop_run(struct hop *hop, struct hop_lane *lanes, int n)
{
	int64_t moved_ns = 0;

	while (!atomic_load_explicit(&hop->stop, memory_order_relaxed)) {
		size_t moved = 0;

		for (int i = 0; i < n; i++)
			moved += lanes[i].move(&lanes[i]);
		if (moved)
			moved_ns = bo_now_ns();
		else if (bo_now_ns() - moved_ns > LINGER_NS)
			hop_wait(hop, lanes, n);
	}
}

static void *hop_main(void *arg)
{
	hop_run(arg, ((struct hop *)arg)->lanes, 2);
	return NULL;
}

static void *hop_first(void *arg)
{
	hop_run(arg, &((struct hop *)arg)->lanes[0], 1);
	return NULL;
}

static void *hop_second(void *arg)
{
	hop_run(arg, &((struct hop *)arg)->lanes[1], 1);
	return NULL;
}

int64_t hop_cpu_ns(const struct hop *hop)
{
	int64_t ns = 0;

	for (int i = 0; i < hop->kind->threads; i++) {
		struct timespec ts;
		clockid_t clock;

		if (pthread_getcpuclockid(hop->threads[i], &clock) == 0 &&
		    clock_gettime(clock, &ts) == 0)
			ns += ts.tv_sec * BO_NSEC_PER_SEC + ts.tv_nsec;
	}
	return ns;
}

bool hop_up(struct hop *hop, const struct hop_kind *kind)
{
	void *(*const mains[2][2])(void *) = { { hop_main }, { hop_first, hop_second } };
	bool ok = true;

	*hop = (struct hop){ .kind = kind, .middle = -1, .bell = eventfd(0, EFD_CLOEXEC) };
	if (hop->bell < 0)
		flows_die("eventfd");
	if (kind->middle)
		flows_middle_up(&hop->ends, &hop->middle);
	else if (kind->veth)
		flows_veth_up(&hop->ends);
	else
		ok = wire_netns_up(&hop->ends, true);
	if (!ok || !wire_netns_switch(&hop->ends, -1))
		flows_die("namespaces");
	if (kind->up && !kind->up(hop))
		return false;
	for (int i = 0; i < kind->threads; i++)
		if (pthread_create(&hop->threads[i], NULL, mains[kind->threads - 1][i], hop) != 0)
			flows_die("thread");
	return true;
}

void hop_down(struct hop *hop)
{
	atomic_store(&hop->stop, true);
	if (eventfd_write(hop->bell, 1) < 0)
		flows_die("eventfd");
	for (int i = 0; i < hop->kind->threads; i++)
		pthread_join(hop->threads[i], NULL);
	if (hop->kind->down)
		hop->kind->down(hop);
	bo_close(&hop->bell);
	bo_close(&hop->middle);
	wire_netns_down(&hop->ends);
}

/* --- plain veth ------------------------------------------------------------------------------- */

const struct hop_kind hop_veth = { .name = "veth, nothing between", .veth = true };

/* --- TUN, read(2) and write(2), as the wire ------------------------------------------------------ */

static size_t tun_move(struct hop_lane *lane)
{
	size_t frames = 0;

	for (; frames < HOP_BATCH; frames++) {
		ssize_t n = read(lane->in, lane->own, HOP_FRAME_MAX);

		if (n <= 0)
			break;
		while (write(lane->out, lane->own, (size_t)n) < 0 && errno == EAGAIN)
			;
	}
	return frames;
}

static bool tun_up(struct hop *hop)
{
	for (int dir = 0; dir < 2; dir++) {
		hop->lanes[dir] = (struct hop_lane){ .wait_fd = hop->ends.tun[dir],
						     .move = tun_move,
						     .in = hop->ends.tun[dir],
						     .out = hop->ends.tun[!dir],
						     .own = malloc(HOP_FRAME_MAX) };
		if (!hop->lanes[dir].own)
			flows_die("malloc");
	}
	return true;
}

static void tun_down(struct hop *hop)
{
	for (int dir = 0; dir < 2; dir++)
		free(hop->lanes[dir].own);
}

const struct hop_kind hop_tun = {
	.name = "TUN, read and write", .threads = 1, .up = tun_up, .down = tun_down
};
const struct hop_kind hop_tun_two = {
	.name = "TUN, a thread per direction", .threads = 2, .up = tun_up, .down = tun_down
};

/* --- the wire itself ---------------------------------------------------------------------------- */

static bool wire_up(struct hop *hop)
{
	struct bo_wire *wire;
	struct bo_err err = { 0 };

	if (flows_wire_new(&wire, &hop->ends, &err) < 0)
		flows_die(err.msg);
	hop->lanes[0].own = wire;
	return true;
}

static void wire_down(struct hop *hop)
{
	bo_wire_free(hop->lanes[0].own);
}

const struct hop_kind hop_wire = { .name = "the wire", .up = wire_up, .down = wire_down };
