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
 *   Time.  A timerfd with absolute times wakes the thread a little before the head of a queue is
 *   due, and the rest is polled (base/wake.h).  timerfd is not subject to timer slack, and being
 *   absolute it does not add up the time that the thread spends elsewhere.  What becomes due while
 *   a batch is read is written in between.
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
 *   Ends.  A device that is gone (EBADFD) ends the direction that met it; a thread that cannot go
 *   on ends.  Both are what bo_wire_check() and bo_wire_impair() then say.
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
#include "brownout/base/log.h"
#include "brownout/base/wake.h"
#include "brownout/sys/process.h"
#include "brownout/sys/tun.h"
#include "wire-internal.h"
#include "wire_rules.h"

/* Frames per visit to one device, so that neither direction nor an order waits long for the other;
 * and after how much to look whether something has become due. */
#define WIRE_BATCH 64
#define WIRE_FRAMES_PER_FLUSH 32
#define WIRE_BYTES_PER_FLUSH 65536
/* The shortest there is. */
#define WIRE_SLICE_NS (BO_NSEC_PER_MSEC / 10)

enum { EVENT_FROM_A, EVENT_FROM_B, EVENT_TIMER, EVENT_ORDER, EVENT_COUNT };

/** struct wire_order - what bo_wire_impair() asks for */
struct wire_order {
	bool pending;
	struct bo_impair im;
};

/** struct wire_rules_order - what bo_wire_rules_set() asks for, borrowed from its caller, who waits */
struct wire_rules_order {
	struct bo_wire_rules
		*first; /* of the first order: where connections are tracked from then on */
	const struct bo_conn_rule *rules;
	size_t n;
	bool pending;
};

struct bo_wire {
	int fd[2];
	int epoll;
	int timer;
	int bell;
	uint32_t interest[2]; /* what epoll watches on fd[0] and fd[1] */
	int64_t armed_ns;     /* what the timer is set to, INT64_MAX when off */
	struct bo_wake wake;
	int64_t idle_ns;    /* since when there are no frames to be read, 0: there may be */
	unsigned int wires; /* among which @wake was shared out */
	struct bo_wire_half half[BO_DIR_COUNT];
	struct bo_wire_flows *flows; /* of both directions */
	uint8_t scratch[BO_WIRE_FRAME_MAX];

	pthread_t thread;
	bool running;
	_Atomic bool gone;    /* a device */
	pthread_mutex_t lock; /* of everything below */
	pthread_cond_t obeyed;
	struct wire_order orders[BO_DIR_COUNT];
	struct wire_rules_order rules_order;
	struct bo_wire_rules *tracks; /* [owned]; the thread has it in its halves */
	uint64_t rules_key;
	uint64_t asked;
	uint64_t done;
	bool stop;
	bool over;  /* the thread has ended, */
	int failed; /* not because it was told to: errno */
};

/* Of this process: they share what they may take of the machine. */
static _Atomic unsigned int running_wires;
/* And a machine that makes one late makes all late. */
static _Atomic int64_t realtime_until_ns;

/* --- in --------------------------------------------------------------------------------------- */

/** half_read_in() - as read(2); EAGAIN: and stamps are in step with packets again */
static ssize_t half_read_in(struct bo_wire_half *half, uint8_t *data)
{
	uint64_t count = half->stamper.next, seen;
	ssize_t n;

	/* More stamps than packets: either one is on its way into the queue, or one was dropped on it.  Another
	 * look tells. */
	for (int tries = 0; tries < 2; tries++) {
		do
			n = read(half->in, data, BO_WIRE_FRAME_MAX);
		while (n < 0 && errno == EINTR);
		if (n >= 0 || errno != EAGAIN || !half->stamper.stamps)
			return n;
		seen = bo_wire_stamp_count(&half->stamper);
		if (seen == count)
			break;
		if (tries == 0)
			count = seen;
	}
	bo_wire_stamp_empty(&half->stamper, count, bo_now_ns());
	errno = EAGAIN;
	return n;
}

/** half_read() - take one frame from the sending device;  Return: its bytes, 0 when there is none or
 * the device is gone */
static size_t half_read(struct bo_wire *wire, struct bo_wire_half *half, bool split)
{
	struct bo_wire_frame *room = split ? NULL : bo_wire_queue_reserve(&half->queue);
	uint8_t *data = room ? room->data : wire->scratch;
	ssize_t n;

	n = half_read_in(half, data);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0) { /* EBADFD: the device went with its namespace */
		half->dead = true;
		return 0;
	}
	if ((size_t)n <= BO_WIRE_HDR_LEN)
		return (size_t)n;
	if (split)
		bo_wire_split(half, data, (size_t)n);
	else
		bo_wire_pass(half, room, data, (size_t)n);
	return (size_t)n;
}

/** half_splits() - have packets fates of their own: drawn, replayed, or by a rule? */
static bool half_splits(const struct bo_wire_half *half)
{
	const struct bo_impair *im = &half->line.im;

	if (half->rules && bo_wire_rules_per_packet(half->rules))
		return true;
	if (im->blackhole || bo_impair_is_none(im))
		return false;
	return bo_impair_per_packet(im) ||
	       atomic_load_explicit(&half->replay, memory_order_relaxed);
}

/** half_read_batch() - and write what becomes due meanwhile, in either direction */
static void half_read_batch(struct bo_wire *wire, struct bo_wire_half *half)
{
	bool split = half_splits(half);
	size_t frames = 0, bytes = 0;

	/* The first goes straight on; when more follow at once, they may go together. */
	half->hold = false;
	for (int i = 0; i < WIRE_BATCH && !half->blocked && !half->dead; i++) {
		size_t n = half_read(wire, half, split);

		if (n == 0)
			break;
		half->hold = true;
		bytes += n;
		if (++frames < WIRE_FRAMES_PER_FLUSH && bytes < WIRE_BYTES_PER_FLUSH)
			continue;
		for (int dir = 0; dir < BO_DIR_COUNT; dir++)
			bo_wire_flush(&wire->half[dir], bo_now_ns());
		frames = bytes = 0;
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

/** wire_next_ns() - when the next frame is due; INT64_MAX: none is */
static int64_t wire_next_ns(const struct bo_wire *wire)
{
	int64_t next_ns = INT64_MAX;

	for (int dir = 0; dir < BO_DIR_COUNT; dir++) {
		const struct bo_wire_half *half = &wire->half[dir];
		const struct bo_wire_frame *frame = half->blocked
							    ? NULL
							    : bo_wire_queue_head(&half->queue);

		if (frame && frame->due_ns < next_ns)
			next_ns = frame->due_ns;
	}
	return next_ns;
}

static void wire_arm(struct bo_wire *wire, int64_t at_ns)
{
	struct itimerspec when = { 0 };

	if (at_ns == wire->armed_ns)
		return;
	if (at_ns != INT64_MAX)
		when.it_value = bo_ns_to_timespec(at_ns < 1 ? 1 : at_ns);
	timerfd_settime(wire->timer, TFD_TIMER_ABSTIME, &when, NULL);
	wire->armed_ns = at_ns;
}

/** wire_linger() - more frames may follow at once, and to sleep and be woken takes longer than they do;
 * Return: as epoll_wait(2), 0 when none came */
static int wire_linger(struct bo_wire *wire, int64_t at_ns, int64_t now_ns,
		       struct epoll_event events[EVENT_COUNT])
{
	int64_t began_ns = now_ns, until_ns = now_ns + bo_wake_linger(&wire->wake);
	int n = 0;

	if (at_ns < until_ns)
		until_ns = at_ns;
	while (now_ns < until_ns && !(n = epoll_wait(wire->epoll, events, EVENT_COUNT, 0)))
		now_ns = bo_now_ns();
	if (now_ns > began_ns)
		bo_wake_spend(&wire->wake, now_ns - began_ns);
	return n;
}

/** wire_wait() - until something is due or has come;  Return: as epoll_wait(2) */
static int wire_wait(struct bo_wire *wire, struct epoll_event events[EVENT_COUNT])
{
	int64_t next_ns = wire_next_ns(wire), now_ns = bo_now_ns(), at_ns = next_ns, until_ns;
	unsigned int wires = atomic_load_explicit(&running_wires, memory_order_relaxed);
	int n;

	if (wires != wire->wires) {
		wire->wires = wires;
		bo_wake_share(&wire->wake, wires, bo_wake_cpus());
	}
	until_ns = atomic_load_explicit(&realtime_until_ns, memory_order_relaxed);
	if (wire->wake.realtime_until_ns < until_ns)
		wire->wake.realtime_until_ns = until_ns;
	bo_wake_tick(&wire->wake, now_ns);
	if (next_ns != INT64_MAX)
		at_ns = bo_wake_at(&wire->wake, next_ns);
	if (at_ns <= now_ns) {
		n = epoll_wait(wire->epoll, events, EVENT_COUNT, 0);
		if (n == 0 && next_ns > now_ns)
			bo_wake_spend(&wire->wake, bo_now_ns() - now_ns);
		return n;
	}
	if (!wire->idle_ns)
		wire->idle_ns = now_ns;
	n = wire_linger(wire, at_ns, now_ns, events);
	if (n)
		return n;
	wire_arm(wire, at_ns);
	n = epoll_wait(wire->epoll, events, EVENT_COUNT, -1);
	if (n == 1 && events[0].data.u32 == EVENT_TIMER)
		bo_wake_learn(&wire->wake, at_ns, bo_now_ns());
	if (wire->wake.realtime_until_ns > until_ns)
		atomic_store_explicit(&realtime_until_ns, wire->wake.realtime_until_ns,
				      memory_order_relaxed);
	return n;
}

/** wire_obey_rules() - the same for rules on connections */
static void wire_obey_rules(struct bo_wire *wire)
{
	struct wire_rules_order *order = &wire->rules_order;

	if (!order->pending)
		return;
	for (int dir = 0; order->first && dir < BO_DIR_COUNT; dir++)
		wire->half[dir].rules = order->first;
	bo_wire_rules_replace(wire->half[0].rules, order->rules, order->n, bo_now_ns());
	*order = (struct wire_rules_order){ 0 };
}

/** wire_emit() - a forged segment goes past everything that waits: it is of this moment */
static bool wire_emit(void *arg, enum bo_dir dir, const uint8_t *frame, size_t len)
{
	struct bo_wire_half *half = &((struct bo_wire *)arg)->half[dir];
	ssize_t n;

	do
		n = write(half->out, frame, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return false;
	bo_wire_count(&half->counters.injected, 1);
	return true;
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
	wire_obey_rules(wire);
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
		wire->armed_ns = INT64_MAX;
		return true;
	}
	if (event->events & EPOLLOUT)
		to->blocked = false;
	if (event->events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
		if (wire->idle_ns)
			bo_wake_came(&wire->wake, bo_now_ns() - wire->idle_ns);
		wire->idle_ns = 0;
		half_read_batch(wire, from);
	}
	/* Only a device that is gone reports these, and it never stops: a half that may not read
	 * now would spin. */
	if (event->events & (EPOLLERR | EPOLLHUP) && from->blocked)
		from->dead = true;
	return true;
}

/** wire_turn() - false to stop */
static bool wire_turn(struct bo_wire *wire)
{
	struct epoll_event events[EVENT_COUNT];
	int n;

	wire_watch(wire);
	n = wire_wait(wire, events);
	if (n < 0 && errno != EINTR) {
		wire->failed = errno;
		return false;
	}
	for (int i = 0; i < n; i++)
		if (!wire_event(wire, &events[i]))
			return false;
	for (int dir = 0; dir < BO_DIR_COUNT; dir++) {
		struct bo_wire_half *half = &wire->half[dir];

		bo_wire_flush(half, bo_now_ns());
		atomic_store_explicit(&half->counters.queued, half->queue.packets,
				      memory_order_relaxed);
		if (half->dead)
			atomic_store_explicit(&wire->gone, true, memory_order_relaxed);
	}
	return true;
}

static void *wire_main(void *arg)
{
	struct bo_wire *wire = arg;

	prctl(PR_SET_NAME, "bo-wire");
	bo_thread_slice(WIRE_SLICE_NS);
	while (wire_turn(wire))
		;
	/* Nobody may wait for a thread that is not there any more. */
	pthread_mutex_lock(&wire->lock);
	wire->over = true;
	pthread_cond_broadcast(&wire->obeyed);
	pthread_mutex_unlock(&wire->lock);
	return NULL;
}

/* --- the outside ------------------------------------------------------------------------------ */

static int wire_epoll_add(struct bo_wire *wire, int fd, uint32_t id, struct bo_err *err)
{
	/* Edge-triggered, the timer need not be read. */
	struct epoll_event event = { .events = id == EVENT_TIMER ? EPOLLIN | EPOLLET : EPOLLIN,
				     .data.u32 = id };

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
	atomic_fetch_add(&running_wires, 1);
	return 0;
}

int bo_wire_new(struct bo_wire **ret, int fd_a, int fd_b, uint64_t seed, uint64_t stream,
		struct bo_err *err)
{
	return bo_wire_new_stamped(ret, (const int[]){ fd_a, fd_b }, (const int[]){ -1, -1 }, seed,
				   stream, err);
}

/** half_stamp() - @fd: [consumed];  a wire without stamps is one all the same */
static void half_stamp(struct bo_wire_half *half, int fd)
{
	struct bo_err err = { 0 };

	if (fd < 0)
		return;
	if (bo_tun_stamp_map(fd, &half->stamper.stamps, &err) < 0)
		bo_log(BO_LOG_WARN, "wire: %s", err.msg);
	else
		half->stamper.next = bo_wire_stamp_count(&half->stamper);
	close(fd);
}

int bo_wire_new_stamped(struct bo_wire **ret, const int tun[2], const int stamps[2], uint64_t seed,
			uint64_t stream, struct bo_err *err)
{
	struct bo_wire *wire = calloc(1, sizeof(*wire));
	int r;

	if (!wire) {
		for (int end = 0; end < 2; end++) {
			close(tun[end]);
			if (stamps[end] >= 0)
				close(stamps[end]);
		}
		return bo_err_set(err, ENOMEM, BO_SUBSYS_LAB, "wire: out of memory");
	}
	wire->fd[0] = tun[0];
	wire->fd[1] = tun[1];
	wire->epoll = wire->timer = wire->bell = -1;
	wire->interest[0] = wire->interest[1] = EPOLLIN;
	wire->armed_ns = INT64_MAX;
	pthread_mutex_init(&wire->lock, NULL);
	pthread_cond_init(&wire->obeyed, NULL);
	wire->flows = bo_wire_flows_new(BO_WIRE_FLOWS_MAX, seed);
	wire->rules_key = bo_wire_key(seed, stream, BO_DIR_COUNT + 1); /* below: those of lines */
	for (int dir = 0; dir < BO_DIR_COUNT; dir++) {
		struct bo_wire_half *half = &wire->half[dir];

		half->in = wire->fd[dir == BO_DIR_A_TO_B ? 0 : 1];
		half->out = wire->fd[dir == BO_DIR_A_TO_B ? 1 : 0];
		half_stamp(half, stamps[dir == BO_DIR_A_TO_B ? 0 : 1]);
		half->merges_udp = bo_tun_offload_udp(half->out);
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

/** wire_ask() - wait until the order that has been left, under the lock, is in force */
static void wire_ask(struct bo_wire *wire)
{
	uint64_t ticket = ++wire->asked;

	wire_ring(wire);
	while (wire->done < ticket && !wire->over)
		pthread_cond_wait(&wire->obeyed, &wire->lock);
}

int bo_wire_impair(struct bo_wire *wire, enum bo_dir dir, const struct bo_impair *im,
		   struct bo_err *err)
{
	if ((unsigned int)dir >= BO_DIR_COUNT)
		return bo_err_set(err, EINVAL, BO_SUBSYS_LAB, "wire: no such direction");
	if (bo_impair_check(im, err) < 0)
		return -EINVAL;
	(void)bo_dist_standard(im->dist); /* the first time takes a while: not on the data path */
	pthread_mutex_lock(&wire->lock);
	wire->orders[dir] = (struct wire_order){ .pending = true, .im = *im };
	wire_ask(wire);
	pthread_mutex_unlock(&wire->lock);
	return bo_wire_check(wire, err);
}

int bo_wire_check(struct bo_wire *wire, struct bo_err *err)
{
	int failed;

	pthread_mutex_lock(&wire->lock);
	failed = wire->over ? wire->failed : 0;
	pthread_mutex_unlock(&wire->lock);
	if (failed)
		return bo_err_set(err, failed, BO_SUBSYS_LAB, "wire: its thread has ended: %s",
				  strerror(failed));
	if (atomic_load_explicit(&wire->gone, memory_order_relaxed))
		return bo_err_set(err, ENODEV, BO_SUBSYS_LAB,
				  "wire: one of its devices is gone, nothing passes any more");
	return 0;
}

int bo_wire_rules_set(struct bo_wire *wire, const struct bo_conn_rule *rules, size_t n,
		      struct bo_err *err)
{
	struct bo_wire_rules *first = NULL;

	if (n > BO_CONN_RULES_MAX)
		return bo_err_set(err, E2BIG, BO_SUBSYS_LAB,
				  "wire: %zu rules on connections at a time, at most %d", n,
				  BO_CONN_RULES_MAX);
	for (size_t i = 0; i < n; i++)
		if (bo_conn_rule_check(&rules[i], err) < 0)
			return -EINVAL;
	pthread_mutex_lock(&wire->lock);
	if (!wire->tracks) {
		first = bo_wire_rules_new(wire->flows, wire->rules_key, wire_emit, wire);
		if (!first) {
			pthread_mutex_unlock(&wire->lock);
			return bo_err_set(err, ENOMEM, BO_SUBSYS_LAB, "wire: out of memory");
		}
		wire->tracks = first;
	}
	wire->rules_order = (struct wire_rules_order){
		.first = first, .rules = rules, .n = n, .pending = true
	};
	wire_ask(wire);
	wire->rules_order = (struct wire_rules_order){ 0 };
	pthread_mutex_unlock(&wire->lock);
	return bo_wire_check(wire, err);
}

int bo_wire_rules_read(struct bo_wire *wire, uint32_t id, struct bo_conn_counts *ret,
		       struct bo_err *err)
{
	bool found;

	pthread_mutex_lock(&wire->lock);
	found = wire->tracks && bo_wire_rules_counts(wire->tracks, id, ret);
	pthread_mutex_unlock(&wire->lock);
	return found ? 0
		     : bo_err_set(err, ENOENT, BO_SUBSYS_LAB,
				  "wire: no rule on connections with that id is in force");
}

void bo_wire_record(struct bo_wire *wire, struct bo_record *record)
{
	for (int dir = 0; dir < BO_DIR_COUNT; dir++)
		atomic_store_explicit(&wire->half[dir].record, record, memory_order_release);
}

void bo_wire_replay(struct bo_wire *wire, struct bo_replay *replay)
{
	for (int dir = 0; dir < BO_DIR_COUNT; dir++)
		atomic_store_explicit(&wire->half[dir].replay, replay, memory_order_release);
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
		.ruled = bo_wire_counted(&c->ruled),
		.injected = bo_wire_counted(&c->injected),
		.stamped = bo_wire_counted(&c->stamped),
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
		atomic_fetch_sub(&running_wires, 1);
	}
	for (int dir = 0; dir < BO_DIR_COUNT; dir++) {
		bo_wire_queue_done(&wire->half[dir].queue);
		bo_tun_stamp_unmap(wire->half[dir].stamper.stamps);
	}
	bo_wire_rules_free(wire->tracks);
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
