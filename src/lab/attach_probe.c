/* SPDX-License-Identifier: Apache-2.0 */
/* lab/attach_probe.c — probes through the netem of an attached service's lanes.
 * A frame is put on the ifb with the class of a lane, waits where the service's packets of that lane wait, and is seen
 * by a packet socket as it leaves; then the ifb drops it, because nobody redirected it there.  So no probe reaches the
 * service, its peer or a wire, and what is measured is what netem does: its stamps are the kernel's.
 *
 * A frame consists of copies of its number, so that one flipped bit damages one of them, by which it is no less known.
 *
 * Owns: two packet sockets.  Threads: single-threaded.  Privilege: CAP_NET_RAW to open, CAP_NET_ADMIN for SO_PRIORITY. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "attach-internal.h"
#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/sys/divert.h"

#define MAGIC UINT32_C(0xb0f2a3e7)
#define COPIES 3
#define RECEIVE_BUFFER (4 << 20)

/** struct copy - @lane: its number;  @record: its place in the lane's records */
struct copy {
	uint32_t magic;
	uint16_t lane;
	uint16_t record;
	uint32_t id;
	uint32_t epoch_s, epoch_ns; /* when it was sent, CLOCK_REALTIME */
};
struct frame {
	struct ethhdr eth;
	uint16_t pad;
	struct copy copies[COPIES];
} __attribute__((packed));

static struct frame frame_of(const struct copy *copy)
{
	struct frame f = { .eth.h_proto = htons(ETH_P_802_EX1) };

	for (int i = 0; i < COPIES; i++)
		f.copies[i] = *copy;
	return f;
}

int bo_attach_probe_open(struct bo_attach_probe *p, struct bo_err *err)
{
	p->tx = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	p->rx = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->tx >= 0 && p->rx >= 0)
		return 0;
	bo_err_errno(err, BO_SUBSYS_LAB, "packet sockets");
	bo_attach_probe_close(p);
	return -err->code;
}

void bo_attach_probe_close(struct bo_attach_probe *p)
{
	bo_close(&p->tx);
	bo_close(&p->rx);
}

/** only_probes() - any copy's magic will do */
static int only_probes(int fd)
{
	struct sock_filter ops[2 * COPIES + 2];
	struct sock_fprog prog = { .len = sizeof(ops) / sizeof(*ops), .filter = ops };

	for (uint8_t i = 0; i < COPIES; i++) {
		size_t at = offsetof(struct frame, copies) + i * sizeof(struct copy);

		ops[2 * i] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)at);
		ops[2 * i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							      htonl(MAGIC),
							      (uint8_t)(2 * (COPIES - i) - 1), 0);
	}
	ops[2 * COPIES] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	ops[2 * COPIES + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
}

int bo_attach_probe_listen(struct bo_attach_probe *p, int ifb, struct bo_err *err)
{
	struct sockaddr_ll sa = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = ifb };
	int on = 1, room = RECEIVE_BUFFER;

	p->ifb = ifb;
	if (only_probes(p->rx) < 0 ||
	    setsockopt(p->rx, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) < 0 ||
	    setsockopt(p->rx, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0 ||
	    bind(p->rx, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "listening to probes");
	return 0;
}

int bo_attach_probe_send(struct bo_attach_probe *p, int lane, int band,
			 struct bo_attach_records *records)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_802_EX1),
				  .sll_ifindex = p->ifb,
				  .sll_halen = ETH_ALEN };
	struct copy copy = { .magic = MAGIC, .lane = (uint16_t)lane, .id = ++p->id };
	int class = (int)bo_divert_class(band);
	struct timespec now;
	struct frame frame;
	uint32_t record = 0;

	if (setsockopt(p->tx, SOL_SOCKET, SO_PRIORITY, &class, sizeof(class)) < 0)
		return -errno;
	if (bo_attach_record_add(records, bo_now_ns(), copy.id, sizeof(frame), &record) < 0)
		return -ENOMEM;
	copy.record = (uint16_t)record;
	clock_gettime(CLOCK_REALTIME, &now);
	copy.epoch_s = (uint32_t)now.tv_sec;
	copy.epoch_ns = (uint32_t)now.tv_nsec;
	frame = frame_of(&copy);
	/* What netem loses at once is no error: it counts as sent. */
	if (sendto(p->tx, &frame, sizeof(frame), 0, (struct sockaddr *)&to, sizeof(to)) < 0 &&
	    errno != ENOBUFS)
		return -errno;
	return 0;
}

/** copy_in() - the one that most agree on;  false: none of ours */
static bool copy_in(const struct frame *f, struct copy *ret)
{
	struct copy c[COPIES];

	memcpy(c, f->copies, sizeof(c));
	for (int i = 0; i < COPIES; i++)
		for (int k = i + 1; k < COPIES; k++)
			if (!memcmp(&c[i], &c[k], sizeof(*c)) && c[i].magic == MAGIC) {
				*ret = c[i];
				return true;
			}
	return false;
}

static bool stamp_of(struct msghdr *msg, struct timespec *ret)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
			memcpy(ret, CMSG_DATA(c), sizeof(*ret));
			return true;
		}
	return false;
}

/** seen() - a probe has left the ifb, as @f */
static void seen(const struct frame *f, const struct timespec *at, bo_attach_probe_fn records_of,
		 void *arg)
{
	struct bo_attach_records *records;
	struct frame sent;
	struct copy copy;
	int64_t late_ns;

	if (!copy_in(f, &copy) || !(records = records_of(arg, copy.lane)))
		return;
	sent = frame_of(&copy);
	late_ns = ((int64_t)at->tv_sec - copy.epoch_s) * BO_NSEC_PER_SEC + at->tv_nsec -
		  copy.epoch_ns;
	if (memcmp(&sent, f, sizeof(sent)) != 0)
		bo_attach_record_damage(records, copy.record, copy.id);
	if (!bo_attach_record_end(records, copy.record, copy.id, late_ns < 0 ? 0 : late_ns))
		bo_attach_record_copy(records, copy.record, copy.id);
}

void bo_attach_probe_work(struct bo_attach_probe *p, bo_attach_probe_fn records_of, void *arg)
{
	for (;;) {
		struct frame frame = { 0 };
		_Alignas(struct cmsghdr) char control[128];
		struct iovec iov = { &frame, sizeof(frame) };
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = control,
				      .msg_controllen = sizeof(control) };
		struct timespec at;
		ssize_t n = recvmsg(p->rx, &msg, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		if (n == sizeof(frame) && stamp_of(&msg, &at))
			seen(&frame, &at, records_of, arg);
	}
}
