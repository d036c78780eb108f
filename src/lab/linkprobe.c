/* SPDX-License-Identifier: Apache-2.0 */
/* lab/linkprobe.c — measure each direction of a link with packets of our own.
 *
 * Theory of operation
 *   Both ends of a link have a UDP socket, and both sockets are in this process, so one clock
 *   stamps departure and arrival and delay is one-way.  Departure is read just before sendto(2);
 *   arrival is the kernel's own receive stamp (SO_TIMESTAMPNS), so a prober that is scheduled late
 *   does not make the link look slow.
 *
 *   Probes (76 bytes of IPv4) leave 200 times per second and direction, independent of what
 *   arrives.  A probe that could not be sent was not sent: local trouble is never called loss.
 *   What matters of a probe stays here, in a ring; the packet carries only its number and a hash
 *   of that with a random tag, so a service cannot fake an arrival.
 *
 *   Damage.  A flipped bit fails the UDP checksum, and the kernel drops the packet: that looks like
 *   loss.  So probes are sent without a checksum (RFC 768: 0; RFC 6935 for IPv6), and carry
 *   everything twice, each with its hash: one bad copy is a damaged probe, which is still known by
 *   the other one.  A bit of the IP or UDP header that flips still loses the probe.
 *
 *   Trains estimate the rate.  Once per second four large packets go out back to back (the scout);
 *   when they have arrived and the link looks fast enough, a full train of 16 to 96 follows, long
 *   enough in time to be measured. Goodput is what arrived after a train's first packet over the
 *   time that this took.  The two steps keep a slow link from being filled by its own measurement;
 *   for the same reason probes and trains thin out so that each takes about 2 % of the rate that the
 *   prober was told, or else of that last seen, but never below 10 probes per second and one scout in 10 s.
 *
 * Owns: both sockets of every link, one thread.  Threads: one; the rings are shared under one lock.
 * Privilege: none. */
#include "brownout/lab/linkprobe.h"

#include <errno.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/base/rng.h"
#include "linkprobe-internal.h"

/* The clocks are read within 0.1 µs of each other, unless something comes between. */
#define LOOKS 8
#define CLOSE_NS 2000
#define LOOK_EVERY_NS (100 * BO_NSEC_PER_MSEC)
#define PROBE_GAP_NS (BO_NSEC_PER_SEC / BO_LINKPROBE_RATE_PER_S)
#define PROBE_GAP_MOST_NS (100 * BO_NSEC_PER_MSEC)
#define TRAIN_GAP_NS BO_NSEC_PER_SEC
#define TRAIN_GAP_MOST_NS (10 * BO_NSEC_PER_SEC)
#define RECEIVE_BUFFER (1 << 20) /* cut by net.core.rmem_max */
#define RECEIVE_BATCH 256

enum packet_kind { PACKET_PROBE, PACKET_TRAIN };

/** struct copy - what a probe says;  @check: of the rest and the tag */
struct copy {
	uint64_t number;
	uint32_t link;
	uint8_t dir;
	uint8_t kind;
	uint8_t zero[2];
	uint64_t check;
};

/** struct packet - what travels, twice the same; host byte order, it never leaves the machine */
struct packet {
	struct copy copies[2];
};

/**
 * struct lane - one direction of one link
 * @from_fd: [borrowed: from the link's end];  @to: where it sends
 * @goodput_bps: of the last train, 0 while not known
 * @told_bps: what the link is said to do, 0 for anything; negative while nobody said
 * @scout: number of the scout that a full train may follow, UINT64_MAX for none
 * @arrivals: of probes so far, copies not counted
 */
struct lane {
	bool on;
	int from_fd;
	struct sockaddr_storage to;
	socklen_t to_len;
	int64_t header_bytes;
	struct probe_log log;
	int64_t next_probe_ns;
	int64_t next_train_ns;
	int64_t goodput_bps;
	int64_t told_bps;
	uint64_t scout;
	uint32_t arrivals;
};

struct link {
	bool added;
	int fd[2];
	struct lane lanes[BO_DIR_COUNT];
};

struct bo_linkprobe {
	int epoll;
	int timer;
	int bell;
	uint64_t tag;
	pthread_t thread;
	bool running;
	pthread_mutex_t lock; /* of everything below */
	bool stop;
	size_t nlinks;
	struct link *links;
};

#define EVENT_TIMER UINT64_MAX
#define EVENT_BELL (UINT64_MAX - 1)

/* --- send ------------------------------------------------------------------------------------- */

static int64_t packet_bits(const struct lane *lane, size_t payload)
{
	return ((int64_t)payload + lane->header_bytes) * 8;
}

static uint64_t copy_check(uint64_t tag, const struct copy *copy)
{
	uint64_t rest = (uint64_t)copy->link << 32 | (uint64_t)copy->dir << 24 |
			(uint64_t)copy->kind << 16 | (uint64_t)copy->zero[0] << 8 | copy->zero[1];

	return bo_mix64(tag ^ bo_mix64(copy->number ^ bo_mix64(rest)));
}

static bool lane_send(const struct bo_linkprobe *lp, const struct lane *lane, uint32_t link,
		      enum bo_dir dir, enum packet_kind kind, uint64_t number)
{
	struct copy copy = {
		.number = number, .link = link, .dir = (uint8_t)dir, .kind = (uint8_t)kind
	};
	union {
		struct packet packet;
		uint8_t bytes[TRAIN_PAYLOAD];
	} u = { .bytes = { 0 } };
	size_t len = kind == PACKET_PROBE ? sizeof(u.packet) : sizeof(u.bytes);

	copy.check = copy_check(lp->tag, &copy);
	u.packet.copies[0] = u.packet.copies[1] = copy;
	return sendto(lane->from_fd, u.bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL,
		      (const struct sockaddr *)&lane->to, lane->to_len) == (ssize_t)len;
}

static void lane_send_probe(const struct bo_linkprobe *lp, struct lane *lane, uint32_t link,
			    enum bo_dir dir)
{
	struct bo_link_sample *probe = &lane->log.probes[lane->log.next_probe % PROBE_RING];

	*probe = (struct bo_link_sample){ .sent_ns = bo_now_ns(), .delay_ns = -1 };
	if (lane_send(lp, lane, link, dir, PACKET_PROBE, lane->log.next_probe))
		lane->log.next_probe++;
}

static void lane_send_train(const struct bo_linkprobe *lp, struct lane *lane, uint32_t link,
			    enum bo_dir dir, uint32_t packets)
{
	struct bo_link_train *train = &lane->log.trains[lane->log.next_train % TRAIN_RING];

	*train = (struct bo_link_train){ .sent_ns = bo_now_ns() };
	for (uint32_t i = 0; i < packets; i++)
		train->sent += lane_send(lp, lane, link, dir, PACKET_TRAIN, lane->log.next_train);
	if (train->sent)
		lane->log.next_train++;
}

/** lane_rate() - what the lane must not fill; trains that jitter pulls apart would say too little */
static int64_t lane_rate(const struct lane *lane)
{
	return lane->told_bps >= 0 ? lane->told_bps : lane->goodput_bps;
}

/** lane_tick() - send what is due; returns when the next is */
static int64_t lane_tick(const struct bo_linkprobe *lp, struct lane *lane, uint32_t link,
			 enum bo_dir dir, int64_t now_ns)
{
	if (now_ns >= lane->next_probe_ns) {
		int64_t gap = bo_probe_gap_ns(lane_rate(lane),
					      packet_bits(lane, sizeof(struct packet)),
					      PROBE_GAP_NS, PROBE_GAP_MOST_NS);

		lane_send_probe(lp, lane, link, dir);
		lane->next_probe_ns += gap;
		/* Slots that were slept through are not made up for: a burst would measure itself.
		 */
		if (lane->next_probe_ns <= now_ns)
			lane->next_probe_ns = now_ns + gap;
	}
	if (now_ns >= lane->next_train_ns) {
		int64_t bits = packet_bits(lane, TRAIN_PAYLOAD) * TRAIN_SCOUT_PACKETS;

		lane->scout = lane->log.next_train;
		lane_send_train(lp, lane, link, dir, TRAIN_SCOUT_PACKETS);
		lane->next_train_ns = now_ns + bo_probe_gap_ns(lane_rate(lane), bits, TRAIN_GAP_NS,
							       TRAIN_GAP_MOST_NS);
	}
	return lane->next_probe_ns < lane->next_train_ns ? lane->next_probe_ns
							 : lane->next_train_ns;
}

/* --- receive ---------------------------------------------------------------------------------- */

static void lane_train_arrived(const struct bo_linkprobe *lp, struct lane *lane,
			       const struct copy *packet, int64_t at_ns)
{
	struct bo_link_train *train = &lane->log.trains[packet->number % TRAIN_RING];
	uint32_t more;

	if (packet->number >= lane->log.next_train ||
	    packet->number + TRAIN_RING < lane->log.next_train)
		return;
	if (!train->received++) {
		train->first_ns = at_ns;
	} else {
		train->bits += packet_bits(lane, TRAIN_PAYLOAD);
		train->last_ns = at_ns > train->last_ns ? at_ns : train->last_ns;
	}
	if (train->received < train->sent)
		return;
	lane->goodput_bps = bo_link_train_goodput(train);
	if (packet->number != lane->scout)
		return;
	lane->scout = UINT64_MAX;
	more = bo_probe_train_packets(lane->goodput_bps, packet_bits(lane, TRAIN_PAYLOAD));
	if (lane->on && more)
		lane_send_train(lp, lane, packet->link, (enum bo_dir)packet->dir, more);
}

static void lane_probe_arrived(struct lane *lane, const struct copy *copy, bool damaged,
			       int64_t at_ns, int64_t now_ns)
{
	struct bo_link_sample *probe = &lane->log.probes[copy->number % PROBE_RING];

	if (copy->number >= lane->log.next_probe ||
	    copy->number + PROBE_RING < lane->log.next_probe)
		return;
	probe->arrivals += probe->arrivals < UINT16_MAX;
	probe->damaged += damaged && probe->damaged < UINT16_MAX;
	if (probe->delay_ns >= 0)
		return;
	/* The stamp is of CLOCK_REALTIME: after a step of that clock it may lie before the
	 * departure or after now. */
	if (at_ns < probe->sent_ns || at_ns > now_ns)
		at_ns = now_ns;
	probe->delay_ns = at_ns - probe->sent_ns;
	probe->order = ++lane->arrivals;
}

/** packet_copy() - the first copy that is whole, or NULL */
static const struct copy *packet_copy(const struct bo_linkprobe *lp, const struct packet *packet,
				      bool *ret_damaged)
{
	bool good[2];

	for (int i = 0; i < 2; i++)
		good[i] = packet->copies[i].check == copy_check(lp->tag, &packet->copies[i]);
	*ret_damaged = good[0] != good[1];
	return good[0] ? &packet->copies[0] : good[1] ? &packet->copies[1] : NULL;
}

static void packet_arrived(const struct bo_linkprobe *lp, uint32_t link, int end,
			   const struct packet *packet, int64_t at_ns, int64_t now_ns)
{
	/* End 0 is a, so it receives what travels b → a. */
	enum bo_dir dir = end == 0 ? BO_DIR_B_TO_A : BO_DIR_A_TO_B;
	struct lane *lane = &lp->links[link].lanes[dir];
	bool damaged;
	const struct copy *copy = packet_copy(lp, packet, &damaged);

	if (!copy || copy->link != link || copy->dir != dir || !lane->log.probes)
		return;
	if (copy->kind == PACKET_TRAIN)
		lane_train_arrived(lp, lane, copy, at_ns);
	else
		lane_probe_arrived(lane, copy, damaged, at_ns, now_ns);
}

static int64_t realtime_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * BO_NSEC_PER_SEC + ts.tv_nsec;
}

/** struct clocks - how far CLOCK_REALTIME is ahead of CLOCK_MONOTONIC.  Both run at one pace, so that changes when somebody
 * sets the time only, and is looked at now and then: reading a clock may take 80 µs (user-mode Linux) */
struct clocks {
	int64_t ahead_ns;
	int64_t until_ns;
};

/** clocks_look() - at one clock between two looks at the other: a thread that is preempted between them would make packets
 * early by as much, so the closest of a few looks counts, and makes them late by that rather */
static void clocks_look(struct clocks *clocks)
{
	int64_t closest_ns = INT64_MAX;

	for (int i = 0; i < LOOKS && closest_ns > CLOSE_NS; i++) {
		int64_t before_ns = bo_now_ns(), real_ns = realtime_ns(), after_ns = bo_now_ns();

		clocks->until_ns = after_ns + LOOK_EVERY_NS;
		if (after_ns - before_ns >= closest_ns)
			continue;
		closest_ns = after_ns - before_ns;
		clocks->ahead_ns = real_ns - after_ns;
	}
}

/** arrival_ns() - the kernel's receive stamp as CLOCK_MONOTONIC, or @now_ns when there is none */
static int64_t arrival_ns(struct msghdr *msg, struct clocks *clocks, int64_t now_ns)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		struct timespec ts;
		int64_t real_ns;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&ts, CMSG_DATA(c), sizeof(ts));
		real_ns = (int64_t)ts.tv_sec * BO_NSEC_PER_SEC + ts.tv_nsec;
		/* Nothing arrives in the future; by more than a look takes, somebody has set the time. */
		if (now_ns >= clocks->until_ns ||
		    real_ns - clocks->ahead_ns > now_ns + BO_NSEC_PER_MSEC)
			clocks_look(clocks);
		return real_ns - clocks->ahead_ns < now_ns ? real_ns - clocks->ahead_ns : now_ns;
	}
	return now_ns;
}

static void end_receive(const struct bo_linkprobe *lp, uint32_t link, int end,
			struct clocks *clocks)
{
	for (int i = 0; i < RECEIVE_BATCH; i++) {
		union {
			struct packet packet;
			uint8_t bytes[TRAIN_PAYLOAD];
		} u;
		_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(struct timespec)) + 64];
		struct iovec iov = { .iov_base = u.bytes, .iov_len = sizeof(u.bytes) };
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = control,
				      .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(lp->links[link].fd[end], &msg, MSG_DONTWAIT);
		int64_t now_ns;

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < (ssize_t)sizeof(u.packet))
			continue; /* not ours, or an ICMP error reported on the socket */
		now_ns = bo_now_ns();
		packet_arrived(lp, link, end, &u.packet, arrival_ns(&msg, clocks, now_ns), now_ns);
	}
}

/* --- the thread ------------------------------------------------------------------------------- */

/** prober_tick() - send what is due on every lane and set the timer to what is next */
static void prober_tick(struct bo_linkprobe *lp)
{
	struct itimerspec when = { 0 };
	int64_t next_ns = INT64_MAX;

	for (size_t i = 0; i < lp->nlinks; i++) {
		for (int dir = 0; dir < BO_DIR_COUNT; dir++) {
			struct lane *lane = &lp->links[i].lanes[dir];
			int64_t due_ns;

			if (!lane->on)
				continue;
			due_ns = lane_tick(lp, lane, (uint32_t)i, (enum bo_dir)dir, bo_now_ns());
			next_ns = due_ns < next_ns ? due_ns : next_ns;
		}
	}
	if (next_ns != INT64_MAX)
		when.it_value = bo_ns_to_timespec(next_ns);
	timerfd_settime(lp->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void *prober_main(void *arg)
{
	struct bo_linkprobe *lp = arg;
	struct epoll_event events[16];
	struct clocks clocks = { 0 };
	bool go_on = true;

	prctl(PR_SET_NAME, "bo-linkprobe");
	while (go_on) {
		int n = epoll_wait(lp->epoll, events, 16, -1);
		uint64_t drain;

		pthread_mutex_lock(&lp->lock);
		for (int i = 0; i < n; i++) {
			uint64_t id = events[i].data.u64;

			if (id == EVENT_TIMER)
				(void)!read(lp->timer, &drain, sizeof(drain));
			else if (id == EVENT_BELL)
				(void)!read(lp->bell, &drain, sizeof(drain));
			else
				end_receive(lp, (uint32_t)(id / 2), (int)(id % 2), &clocks);
		}
		prober_tick(lp);
		go_on = !lp->stop;
		pthread_mutex_unlock(&lp->lock);
	}
	return NULL;
}

static void prober_ring(struct bo_linkprobe *lp)
{
	uint64_t one = 1;

	(void)!write(lp->bell, &one, sizeof(one));
}

/* --- the outside ------------------------------------------------------------------------------ */

/** socket_prepare() - stamps of arrivals, room for trains, and no checksum that would hide damage */
static int socket_prepare(int fd, struct bo_err *err)
{
	int on = 1, bytes = RECEIVE_BUFFER;
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "link probe: SO_TIMESTAMPNS");
	if (getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "link probe: getsockname");
	if (at.ss_family == AF_INET6 &&
	    (setsockopt(fd, IPPROTO_UDP, UDP_NO_CHECK6_TX, &on, sizeof(on)) < 0 ||
	     setsockopt(fd, IPPROTO_UDP, UDP_NO_CHECK6_RX, &on, sizeof(on)) < 0))
		return bo_err_errno(err, BO_SUBSYS_LAB, "link probe: UDP_NO_CHECK6");
	if (at.ss_family == AF_INET && setsockopt(fd, SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on)) < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "link probe: SO_NO_CHECK");
	return 0;
}

static int prober_watch(struct bo_linkprobe *lp, int fd, uint64_t id, struct bo_err *err)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = id };

	if (epoll_ctl(lp->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "link probe: epoll_ctl");
	return 0;
}

static int prober_start(struct bo_linkprobe *lp, struct bo_err *err)
{
	sigset_t all, before;
	int r;

	lp->epoll = epoll_create1(EPOLL_CLOEXEC);
	lp->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	lp->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (lp->epoll < 0 || lp->timer < 0 || lp->bell < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "link probe: no descriptor left");
	if (getrandom(&lp->tag, sizeof(lp->tag), 0) != (ssize_t)sizeof(lp->tag))
		return bo_err_errno(err, BO_SUBSYS_LAB, "link probe: getrandom");
	r = prober_watch(lp, lp->timer, EVENT_TIMER, err);
	if (r == 0)
		r = prober_watch(lp, lp->bell, EVENT_BELL, err);
	if (r < 0)
		return r;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&lp->thread, NULL, prober_main, lp);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		return bo_err_set(err, r, BO_SUBSYS_LAB, "link probe: cannot start a thread: %s",
				  strerror(r));
	lp->running = true;
	return 0;
}

int bo_linkprobe_new(struct bo_linkprobe **ret, size_t nlinks, struct bo_err *err)
{
	struct bo_linkprobe *lp = calloc(1, sizeof(*lp));
	int r;

	if (!lp)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_LAB, "link probe: out of memory");
	lp->epoll = lp->timer = lp->bell = -1;
	lp->nlinks = nlinks;
	pthread_mutex_init(&lp->lock, NULL);
	lp->links = calloc(nlinks ? nlinks : 1, sizeof(*lp->links));
	if (!lp->links)
		r = bo_err_set(err, ENOMEM, BO_SUBSYS_LAB, "link probe: out of memory");
	else
		r = prober_start(lp, err);
	if (r < 0) {
		bo_linkprobe_free(lp);
		return r;
	}
	*ret = lp;
	return 0;
}

static void lane_init(struct lane *lane, int from_fd, const struct bo_linkprobe_end *to)
{
	*lane = (struct lane){
		.from_fd = from_fd,
		.to = to->addr,
		.to_len = to->addr_len,
		.header_bytes = to->addr.ss_family == AF_INET6 ? 48 : 28, /* IP and UDP */
		.told_bps = -1,
		.scout = UINT64_MAX,
	};
}

int bo_linkprobe_add(struct bo_linkprobe *lp, int link, const struct bo_linkprobe_end *a,
		     const struct bo_linkprobe_end *b, struct bo_err *err)
{
	const struct bo_linkprobe_end *ends[2] = { a, b };
	bo_auto_fd int fd_a = a->fd;
	bo_auto_fd int fd_b = b->fd;
	struct link *l;
	int r = 0;

	if (link < 0 || (size_t)link >= lp->nlinks || lp->links[link].added)
		return bo_err_set(err, EINVAL, BO_SUBSYS_LAB,
				  "link probe: no link %d, or added twice", link);
	l = &lp->links[link];
	for (int end = 0; end < 2 && r == 0; end++)
		r = socket_prepare(ends[end]->fd, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&lp->lock);
	l->added = true;
	l->fd[0] = bo_steal_fd(&fd_a);
	l->fd[1] = bo_steal_fd(&fd_b);
	lane_init(&l->lanes[BO_DIR_A_TO_B], l->fd[0], b);
	lane_init(&l->lanes[BO_DIR_B_TO_A], l->fd[1], a);
	for (int end = 0; end < 2 && r == 0; end++)
		r = prober_watch(lp, l->fd[end], (uint64_t)link * 2 + (uint64_t)end, err);
	pthread_mutex_unlock(&lp->lock);
	return r;
}

/** lane_find() - the lane of an added link, or NULL with @err filled */
static struct lane *lane_find(struct bo_linkprobe *lp, int link, enum bo_dir dir,
			      struct bo_err *err)
{
	if (link < 0 || (size_t)link >= lp->nlinks || (unsigned int)dir >= BO_DIR_COUNT ||
	    !lp->links[link].added) {
		(void)bo_err_set(err, EINVAL, BO_SUBSYS_LAB, "link probe: no link %d", link);
		return NULL;
	}
	return &lp->links[link].lanes[dir];
}

static int lane_start(struct lane *lane, struct bo_err *err)
{
	struct probe_log *log = &lane->log;

	if (!log->probes)
		log->probes = calloc(PROBE_RING, sizeof(*log->probes));
	if (!log->trains)
		log->trains = calloc(TRAIN_RING, sizeof(*log->trains));
	if (!log->probes || !log->trains)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_LAB, "link probe: out of memory");
	lane->on = true;
	lane->goodput_bps = 0;
	lane->next_probe_ns = lane->next_train_ns = bo_now_ns();
	return 0;
}

int bo_linkprobe_run(struct bo_linkprobe *lp, int link, enum bo_dir dir, bool on,
		     struct bo_err *err)
{
	struct lane *lane;
	int r = 0;

	pthread_mutex_lock(&lp->lock);
	lane = lane_find(lp, link, dir, err);
	if (!lane)
		r = -EINVAL;
	else if (!on)
		lane->on = false;
	else if (!lane->on)
		r = lane_start(lane, err);
	pthread_mutex_unlock(&lp->lock);
	prober_ring(lp);
	return r;
}

void bo_linkprobe_tell(struct bo_linkprobe *lp, int link, enum bo_dir dir, int64_t bps)
{
	struct lane *lane;

	pthread_mutex_lock(&lp->lock);
	lane = lane_find(lp, link, dir, NULL);
	if (lane)
		lane->told_bps = bps;
	pthread_mutex_unlock(&lp->lock);
}

int bo_linkprobe_measure(struct bo_linkprobe *lp, int link, enum bo_dir dir, int64_t from_ns,
			 int64_t to_ns, struct bo_link_measure *ret, struct bo_err *err)
{
	struct lane *lane;
	int r = -EINVAL;

	pthread_mutex_lock(&lp->lock);
	lane = lane_find(lp, link, dir, err);
	if (lane)
		r = bo_probe_summarise(&lane->log, from_ns, to_ns, ret);
	pthread_mutex_unlock(&lp->lock);
	if (r == -ENOMEM)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_LAB, "link probe: out of memory");
	return r;
}

int bo_linkprobe_samples(struct bo_linkprobe *lp, int link, enum bo_dir dir, int64_t from_ns,
			 int64_t to_ns, struct bo_link_samples *ret, struct bo_err *err)
{
	struct lane *lane;
	int r = -EINVAL;

	pthread_mutex_lock(&lp->lock);
	lane = lane_find(lp, link, dir, err);
	if (lane)
		r = bo_probe_copy(&lane->log, from_ns, to_ns, ret);
	pthread_mutex_unlock(&lp->lock);
	if (r == -ENOMEM)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_LAB, "link probe: out of memory");
	return r;
}

void bo_linkprobe_free(struct bo_linkprobe *lp)
{
	if (!lp)
		return;
	if (lp->running) {
		pthread_mutex_lock(&lp->lock);
		lp->stop = true;
		pthread_mutex_unlock(&lp->lock);
		prober_ring(lp);
		pthread_join(lp->thread, NULL);
	}
	for (size_t i = 0; lp->links && i < lp->nlinks; i++) {
		struct link *l = &lp->links[i];

		if (!l->added)
			continue;
		bo_close(&l->fd[0]);
		bo_close(&l->fd[1]);
		for (int dir = 0; dir < BO_DIR_COUNT; dir++) {
			free(l->lanes[dir].log.probes);
			free(l->lanes[dir].log.trains);
		}
	}
	free(lp->links);
	bo_close(&lp->bell);
	bo_close(&lp->timer);
	bo_close(&lp->epoll);
	pthread_mutex_destroy(&lp->lock);
	free(lp);
}
