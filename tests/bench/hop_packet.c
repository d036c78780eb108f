/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/hop_packet.c — AF_PACKET between two veth pairs: what comes is copied into a ring that we share with the
 * kernel, by whoever sends; it leaves by send(2) straight from there.  PACKET_VNET_HDR keeps super-packets whole
 * (packet(7), Documentation/networking/packet_mmap.rst).  TPACKET_V2, a slot per frame: V3 hands over blocks of frames
 * and lets a lone one wait for a timer of at least 1 ms. */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "hop.h"
#include "wire_flows.h"

#define BLOCK_BYTES (1u << 20)
#define BLOCKS 32
#define PER_BLOCK (BLOCK_BYTES / HOP_FRAME_MAX)
#define SLOTS (BLOCKS * PER_BLOCK)
#define SEND_BUFFER (64 << 20)

struct packet_lane {
	uint8_t *ring;
	uint32_t at;
};

static struct tpacket2_hdr *slot(const struct packet_lane *own)
{
	return (struct tpacket2_hdr *)(own->ring + own->at / PER_BLOCK * (size_t)BLOCK_BYTES +
				       own->at % PER_BLOCK * (size_t)HOP_FRAME_MAX);
}

static size_t packet_move(struct hop_lane *lane)
{
	struct packet_lane *own = lane->own;
	size_t frames = 0;

	for (; frames < HOP_BATCH; frames++) {
		struct tpacket2_hdr *h = slot(own);
		size_t skip;

		if (!(__atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
			break;
		skip = h->tp_mac - sizeof(struct virtio_net_hdr);
		while (send(lane->out, (uint8_t *)h + skip,
			    h->tp_snaplen + sizeof(struct virtio_net_hdr), MSG_DONTWAIT) < 0 &&
		       (errno == EAGAIN || errno == ENOBUFS))
			;
		__atomic_store_n(&h->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		own->at = (own->at + 1) % SLOTS;
	}
	return frames;
}

static void set(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)) < 0)
		flows_die("AF_PACKET option");
}

static int packet_open(const char *device)
{
	const struct tpacket_req req = { .tp_block_size = BLOCK_BYTES,
					 .tp_block_nr = BLOCKS,
					 .tp_frame_size = HOP_FRAME_MAX,
					 .tp_frame_nr = SLOTS };
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), size = SEND_BUFFER;

	at.sll_ifindex = (int)if_nametoindex(device);
	if (fd < 0)
		flows_die("AF_PACKET");
	set(fd, SOL_PACKET, PACKET_VERSION, TPACKET_V2);
	set(fd, SOL_PACKET, PACKET_VNET_HDR, 1);
	set(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
	set(fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		set(fd, SOL_SOCKET, SO_SNDBUF, size); /* of a user namespace: as much as it may */
	if (setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		flows_die(device);
	return fd;
}

static bool packet_up(struct hop *hop)
{
	static const char *const devices[] = { "m0", "m1" };
	int fd[2];

	flows_enter(&hop->ends, hop->middle);
	for (int dir = 0; dir < 2; dir++)
		fd[dir] = packet_open(devices[dir]);
	flows_enter(&hop->ends, -1);
	for (int dir = 0; dir < 2; dir++) {
		struct packet_lane *own = calloc(1, sizeof(*own));

		if (!own)
			flows_die("malloc");
		own->ring = mmap(NULL, (size_t)BLOCK_BYTES * BLOCKS, PROT_READ | PROT_WRITE,
				 MAP_SHARED, fd[dir], 0);
		if (own->ring == MAP_FAILED)
			flows_die("mmap");
		hop->lanes[dir] = (struct hop_lane){ .wait_fd = fd[dir],
						     .move = packet_move,
						     .in = fd[dir],
						     .out = fd[!dir],
						     .own = own };
	}
	return true;
}

static void packet_down(struct hop *hop)
{
	for (int dir = 0; dir < 2; dir++) {
		struct packet_lane *own = hop->lanes[dir].own;

		munmap(own->ring, (size_t)BLOCK_BYTES * BLOCKS);
		bo_close(&hop->lanes[dir].in);
		free(own);
	}
}

const struct hop_kind hop_packet = { .name = "veth and AF_PACKET rings",
				     .middle = true,
				     .threads = 1,
				     .up = packet_up,
				     .down = packet_down };
const struct hop_kind hop_packet_two = { .name = "the same, a thread per direction",
					 .middle = true,
					 .threads = 2,
					 .up = packet_up,
					 .down = packet_down };
