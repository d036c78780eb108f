/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire.c — the userspace wire: what joins two TUN devices where the kernel has no netem.
 *
 * Theory of operation
 *   A link is two TUN devices, each in its own network namespace.  What one kernel sends into its
 *   device is read here by one thread, gets its fate (wire_fate.c), waits its turn in a due-time
 *   queue (wire_queue.c), and is written into the other device.  There are two directions, each
 *   with its own impairment, queue and packet numbers.
 *
 *   Offloads.  Both devices speak virtio headers with checksum and TCP segmentation offload, so an
 *   unimpaired or merely delayed TCP stream moves in super-packets of up to 64 KiB, one read and
 *   one write each, checksums never computed.  As soon as packets have fates of their own (loss,
 *   jitter, rate), super-packets are cut into the packets that a real link would carry
 *   (wire_segment.c).
 *
 *   Time.  A timerfd with absolute times wakes the thread when the head of a queue is due.  timerfd
 *   is not subject to timer slack, and being absolute it does not add up the time that the thread
 *   spends elsewhere.
 *
 *   Order and bounds.  A direction never reorders.  Its queue holds at most BO_WIRE_QUEUE_BYTES
 *   (256 MiB) and, while impaired, the packets of bo_netem_limit(); beyond either, packets are
 *   dropped on arrival and counted in `overflowed`.  Memory comes in chunks of 1 MiB and only as
 *   the queue grows.
 *
 *   Backpressure.  When the receiving device takes no more (EAGAIN), the frame stays at the head of
 *   the queue and this direction stops reading until the device is writable: what piles up then
 *   piles up in the sending kernel, as behind any full link.  A frame that the receiving kernel
 *   refuses for good (device down, out of memory) is counted in `refused`.
 *
 *   Changes.  bo_wire_impair() leaves an order under the mutex, rings the eventfd, and waits until
 *   the thread has put it in force, which it does only between two frames.  The data path itself
 *   takes no lock.
 *
 * Owns: both descriptors, the thread, the queues.  Threads: one per wire.  Privilege: none
 * (descriptors only). */
#include "brownout/lab/wire.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "wire-internal.h"

/* Frames per visit to one device, so that neither direction nor an order waits long for the other.
 */
#define WIRE_BATCH 64

enum { EVENT_FROM_A, EVENT_FROM_B, EVENT_TIMER, EVENT_ORDER, EVENT_COUNT };

/** struct wire_order - what bo_wire_impair() asks for */
struct wire_order {
	bool pending;
	struct bo_impair im;
};

struct bo_wire {
	int fd[2];
	int epoll;
	int timer;
	int bell;
	uint32_t interest[2]; /* what epoll watches on fd[0] and fd[1] */
	int64_t armed_ns;     /* what the timer is set to, INT64_MAX when off */
	struct bo_wire_half half[BO_DIR_COUNT];
	struct bo_wire_flows *flows; /* of both directions */
	uint8_t scratch[BO_WIRE_FRAME_MAX];

	pthread_t thread;
	bool running;
	pthread_mutex_t lock; /* of everything below */
	pthread_cond_t obeyed;
	struct wire_order orders[BO_DIR_COUNT];
	uint64_t asked;
	uint64_t done;
	bool stop;
};

/* --- in --------------------------------------------------------------------------------------- */

/** half_read() - take up to a batch of frames from the sending device */
static void half_read(struct bo_wire *wire, struct bo_wire_half *half)
{
	bool split = bo_impair_per_packet(&half->line.im) && !half->line.im.blackhole;

	for (int i = 0; i < WIRE_BATCH && !half->blocked && !half->dead; i++) {
		struct bo_wire_frame *room = split ? NULL : bo_wire_queue_reserve(&half->queue);
		uint8_t *data = room ? room->data : wire->scratch;
		ssize_t n = read(half->in, data, BO_WIRE_FRAME_MAX);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) { /* EBADFD: the device went with its namespace */
			half->dead = true;
			return;
		}
		if ((size_t)n <= BO_WIRE_HDR_LEN)
			continue;
		if (split)
			bo_wire_split(half, data, (size_t)n);
		else
			bo_wire_pass(half, room, data, (size_t)n);
	}
}

/* --- the thread ------------------------------------------------------------------------------- */

static void wire_watch(struct bo_wire *wire)
{
	for (int end = 0; end < 2; end++) {
		/* fd[0] is where direction A→B reads and where B→A writes; fd[1] the other way
		 * round. */
		const struct bo_wire_half *from =
			&wire->half[end == 0 ? BO_DIR_A_TO_B : BO_DIR_B_TO_A];
		const struct bo_wire_half *to =
			&wire->half[end == 0 ? BO_DIR_B_TO_A : BO_DIR_A_TO_B];
		struct epoll_event event = { .data.u32 = end == 0 ? EVENT_FROM_A : EVENT_FROM_B };

		if (!from->blocked && !from->dead)
			event.events |= EPOLLIN;
		if (to->blocked && !to->dead)
			event.events |= EPOLLOUT;
		if (from->dead || to->dead) {
			/* EPOLLERR and EPOLLHUP cannot be masked: a dead end would keep us
			 * spinning. */
			if (wire->interest[end])
				epoll_ctl(wire->epoll, EPOLL_CTL_DEL, wire->fd[end], NULL);
			wire->interest[end] = 0;
		} else if (event.events != wire->interest[end]) {
			epoll_ctl(wire->epoll, EPOLL_CTL_MOD, wire->fd[end], &event);
			wire->interest[end] = event.events;
		}
	}
}

static void wire_arm(struct bo_wire *wire)
{
	int64_t next_ns = INT64_MAX;
	struct itimerspec when = { 0 };

	for (int dir = 0; dir < BO_DIR_COUNT; dir++) {
		const struct bo_wire_half *half = &wire->half[dir];
		const struct bo_wire_frame *frame = half->blocked
							    ? NULL
							    : bo_wire_queue_head(&half->queue);

		if (frame && frame->due_ns < next_ns)
			next_ns = frame->due_ns;
	}
	if (next_ns == wire->armed_ns)
		return;
	if (next_ns != INT64_MAX)
		when.it_value = bo_ns_to_timespec(next_ns < 1 ? 1 : next_ns);
	timerfd_settime(wire->timer, TFD_TIMER_ABSTIME, &when, NULL);
	wire->armed_ns = next_ns;
}

/** wire_obey() - put what bo_wire_impair() asked for in force; false to stop */
static bool wire_obey(struct bo_wire *wire)
{
	uint64_t rings;
	bool stop;

	(void)!read(wire->bell, &rings, sizeof(rings));
	pthread_mutex_lock(&wire->lock);
	for (int dir = 0; dir < BO_DIR_COUNT; dir++) {
		struct wire_order *order = &wire->orders[dir];
		struct bo_wire_half *half = &wire->half[dir];

		if (!order->pending)
			continue;
		bo_wire_count(&half->counters.blackholed,
			      bo_wire_line_change(&half->line, &order->im, bo_now_ns(),
						  &half->queue));
		order->pending = false;
	}
	wire->done = wire->asked;
	pthread_cond_broadcast(&wire->obeyed);
	stop = wire->stop;
	pthread_mutex_unlock(&wire->lock);
	return !stop;
}

/** wire_event() - false to stop */
static bool wire_event(struct bo_wire *wire, const struct epoll_event *event)
{
	int end = event->data.u32 == EVENT_FROM_A ? 0 : 1;
	struct bo_wire_half *from = &wire->half[end == 0 ? BO_DIR_A_TO_B : BO_DIR_B_TO_A];
	struct bo_wire_half *to = &wire->half[end == 0 ? BO_DIR_B_TO_A : BO_DIR_A_TO_B];

	if (event->data.u32 == EVENT_ORDER)
		return wire_obey(wire);
	if (event->data.u32 == EVENT_TIMER) {
		uint64_t expirations;

		(void)!read(wire->timer, &expirations, sizeof(expirations));
		wire->armed_ns = INT64_MAX;
		return true;
	}
	if (event->events & EPOLLOUT)
		to->blocked = false;
	if (event->events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		half_read(wire, from);
	/* Only a device that is gone reports these, and it never stops: a half that may not read
	 * now would spin. */
	if (event->events & (EPOLLERR | EPOLLHUP) && from->blocked)
		from->dead = true;
	return true;
}

static void *wire_main(void *arg)
{
	struct bo_wire *wire = arg;
	struct epoll_event events[EVENT_COUNT];
	bool go_on = true;

	prctl(PR_SET_NAME, "bo-wire");
	while (go_on) {
		int n;

		wire_watch(wire);
		wire_arm(wire);
		n = epoll_wait(wire->epoll, events, EVENT_COUNT, -1);
		for (int i = 0; i < n && go_on; i++)
			go_on = wire_event(wire, &events[i]);
		for (int dir = 0; dir < BO_DIR_COUNT; dir++) {
			struct bo_wire_half *half = &wire->half[dir];

			bo_wire_flush(half, bo_now_ns());
			atomic_store_explicit(&half->counters.queued, half->queue.packets,
					      memory_order_relaxed);
		}
	}
	return NULL;
}

/* --- the outside ------------------------------------------------------------------------------ */

static int wire_epoll_add(struct bo_wire *wire, int fd, uint32_t id, struct bo_err *err)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = id };

	if (epoll_ctl(wire->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "wire: epoll_ctl");
	return 0;
}

static int wire_open(struct bo_wire *wire, struct bo_err *err)
{
	int r;

	wire->epoll = epoll_create1(EPOLL_CLOEXEC);
	wire->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	wire->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (wire->epoll < 0 || wire->timer < 0 || wire->bell < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "wire: no descriptor left");
	r = wire_epoll_add(wire, wire->fd[0], EVENT_FROM_A, err);
	if (r == 0)
		r = wire_epoll_add(wire, wire->fd[1], EVENT_FROM_B, err);
	if (r == 0)
		r = wire_epoll_add(wire, wire->timer, EVENT_TIMER, err);
	if (r == 0)
		r = wire_epoll_add(wire, wire->bell, EVENT_ORDER, err);
	return r;
}

/** wire_spawn() - start the thread with every signal blocked: signals are the main thread's
 * business */
static int wire_spawn(struct bo_wire *wire, struct bo_err *err)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&wire->thread, NULL, wire_main, wire);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		return bo_err_set(err, r, BO_SUBSYS_LAB, "wire: cannot start a thread: %s",
				  strerror(r));
	wire->running = true;
	return 0;
}

int bo_wire_new(struct bo_wire **ret, int fd_a, int fd_b, uint64_t seed, uint64_t stream,
		struct bo_err *err)
{
	struct bo_wire *wire = calloc(1, sizeof(*wire));
	int r;

	if (!wire) {
		close(fd_a);
		close(fd_b);
		return bo_err_set(err, ENOMEM, BO_SUBSYS_LAB, "wire: out of memory");
	}
	wire->fd[0] = fd_a;
	wire->fd[1] = fd_b;
	wire->epoll = wire->timer = wire->bell = -1;
	wire->interest[0] = wire->interest[1] = EPOLLIN;
	wire->armed_ns = INT64_MAX;
	pthread_mutex_init(&wire->lock, NULL);
	pthread_cond_init(&wire->obeyed, NULL);
	wire->flows = bo_wire_flows_new();
	for (int dir = 0; dir < BO_DIR_COUNT; dir++) {
		struct bo_wire_half *half = &wire->half[dir];

		half->in = wire->fd[dir == BO_DIR_A_TO_B ? 0 : 1];
		half->out = wire->fd[dir == BO_DIR_A_TO_B ? 1 : 0];
		half->queue.max_bytes = BO_WIRE_QUEUE_BYTES;
		bo_wire_line_init(&half->line, seed, stream, (enum bo_dir)dir);
		half->line.flows = wire->flows;
	}
	r = wire->flows ? wire_open(wire, err)
			: bo_err_set(err, ENOMEM, BO_SUBSYS_LAB, "wire: out of memory");
	if (r == 0)
		r = wire_spawn(wire, err);
	if (r < 0) {
		bo_wire_free(wire);
		return r;
	}
	*ret = wire;
	return 0;
}

static void wire_ring(struct bo_wire *wire)
{
	uint64_t one = 1;

	/* Fails only when the counter would overflow, and then the bell is ringing anyway. */
	(void)!write(wire->bell, &one, sizeof(one));
}

int bo_wire_impair(struct bo_wire *wire, enum bo_dir dir, const struct bo_impair *im,
		   struct bo_err *err)
{
	uint64_t ticket;

	if ((unsigned int)dir >= BO_DIR_COUNT)
		return bo_err_set(err, EINVAL, BO_SUBSYS_LAB, "wire: no such direction");
	if (bo_impair_check(im, err) < 0)
		return -EINVAL;
	(void)bo_dist_standard(im->dist); /* the first time takes a while: not on the data path */
	pthread_mutex_lock(&wire->lock);
	wire->orders[dir] = (struct wire_order){ .pending = true, .im = *im };
	ticket = ++wire->asked;
	wire_ring(wire);
	while (wire->done < ticket)
		pthread_cond_wait(&wire->obeyed, &wire->lock);
	pthread_mutex_unlock(&wire->lock);
	return 0;
}

void bo_wire_stats(struct bo_wire *wire, enum bo_dir dir, struct bo_wire_stats *ret)
{
	const struct bo_wire_counters *c = &wire->half[dir].counters;

	*ret = (struct bo_wire_stats){
		.packets_in = bo_wire_counted(&c->packets_in),
		.bytes_in = bo_wire_counted(&c->bytes_in),
		.packets_out = bo_wire_counted(&c->packets_out),
		.bytes_out = bo_wire_counted(&c->bytes_out),
		.lost = bo_wire_counted(&c->lost),
		.blackholed = bo_wire_counted(&c->blackholed),
		.overflowed = bo_wire_counted(&c->overflowed),
		.queued = bo_wire_counted(&c->queued),
		.refused = bo_wire_counted(&c->refused),
		.duplicated = bo_wire_counted(&c->duplicated),
		.corrupted = bo_wire_counted(&c->corrupted),
		.reordered = bo_wire_counted(&c->reordered),
	};
}

void bo_wire_free(struct bo_wire *wire)
{
	if (!wire)
		return;
	if (wire->running) {
		pthread_mutex_lock(&wire->lock);
		wire->stop = true;
		pthread_mutex_unlock(&wire->lock);
		wire_ring(wire);
		pthread_join(wire->thread, NULL);
	}
	for (int dir = 0; dir < BO_DIR_COUNT; dir++)
		bo_wire_queue_done(&wire->half[dir].queue);
	bo_wire_flows_free(wire->flows);
	bo_close(&wire->bell);
	bo_close(&wire->timer);
	bo_close(&wire->epoll);
	bo_close(&wire->fd[0]);
	bo_close(&wire->fd[1]);
	pthread_cond_destroy(&wire->obeyed);
	pthread_mutex_destroy(&wire->lock);
	free(wire);
}
