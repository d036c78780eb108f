/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/hop_xdp.c — AF_XDP between two veth pairs: an XDP program hands all that comes to a socket, and the frame
 * leaves by the other device's ring from the memory that it came in (Documentation/networking/af_xdp.rst).  Frames are
 * of one page: there are no super-packets, and no checksum may be left to the device. */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <xdp/xsk.h>

#include "brownout/base/cleanup.h"
#include "hop.h"
#include "wire_flows.h"

#define FRAME_BYTES XSK_UMEM__DEFAULT_FRAME_SIZE
#define RING 2048
#define FRAMES (2 * RING) /* a ring of each direction */

/** struct xdp_end - one device in the middle and its rings */
struct xdp_end {
	struct xsk_socket *socket;
	struct xsk_ring_cons rx, completed;
	struct xsk_ring_prod tx, fill;
	int program;
	int map;
};

/** struct xdp_both - they share one memory, so that a frame may leave where it did not come in */
struct xdp_both {
	void *memory;
	struct xsk_umem *umem;
	struct xdp_end end[2];
};

/** xdp_recycle() - what @to has sent is room for @from again */
static void xdp_recycle(struct xdp_end *from, struct xdp_end *to)
{
	uint32_t done, filled;
	uint32_t n = xsk_ring_cons__peek(&to->completed, RING, &done);

	if (!n)
		return;
	if (xsk_ring_prod__reserve(&from->fill, n, &filled) != n)
		flows_die("AF_XDP fill ring");
	for (uint32_t i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&from->fill, filled + i) =
			*xsk_ring_cons__comp_addr(&to->completed, done + i);
	xsk_ring_prod__submit(&from->fill, n);
	xsk_ring_cons__release(&to->completed, n);
}

static size_t xdp_move(struct hop_lane *lane)
{
	struct xdp_both *both = lane->own;
	struct xdp_end *from = &both->end[lane->in], *to = &both->end[lane->out];
	uint32_t got, put, n;

	n = xsk_ring_cons__peek(&from->rx, HOP_BATCH, &got);
	if (n) {
		while (xsk_ring_prod__reserve(&to->tx, n, &put) != n)
			xdp_recycle(from, to);
		for (uint32_t i = 0; i < n; i++)
			*xsk_ring_prod__tx_desc(&to->tx, put + i) =
				*xsk_ring_cons__rx_desc(&from->rx, got + i);
		xsk_ring_prod__submit(&to->tx, n);
		xsk_ring_cons__release(&from->rx, n);
		while (sendto(xsk_socket__fd(to->socket), NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 &&
		       errno == EAGAIN)
			xdp_recycle(from, to);
	}
	xdp_recycle(from, to);
	return n;
}

/** xdp_program() - all that comes to @device goes to socket 0 of its map */
static bool xdp_program(struct xdp_end *end, unsigned int device)
{
	struct bpf_insn code[] = {
		/* return bpf_redirect_map(map, 0, XDP_PASS) */
		{ .code = BPF_LD | BPF_DW | BPF_IMM,
		  .dst_reg = BPF_REG_1,
		  .src_reg = BPF_PSEUDO_MAP_FD },
		{ 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	end->map = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "bench", sizeof(uint32_t), sizeof(uint32_t),
				  1, NULL);
	if (end->map < 0)
		return false;
	code[0].imm = end->map;
	end->program = bpf_prog_load(BPF_PROG_TYPE_XDP, "bench", "GPL", code,
				     sizeof(code) / sizeof(*code), NULL);
	return end->program >= 0 &&
	       bpf_xdp_attach((int)device, end->program, XDP_FLAGS_DRV_MODE, NULL) == 0;
}

static bool xdp_end_up(struct xdp_both *both, int dir, const char *device)
{
	const struct xsk_socket_config config = { .rx_size = RING,
						  .tx_size = RING,
						  .libbpf_flags =
							  XSK_LIBBPF_FLAGS__INHIBIT_PROG_LOAD,
						  .bind_flags = XDP_COPY };
	struct xdp_end *end = &both->end[dir];
	uint32_t at;

	if (!xdp_program(end, if_nametoindex(device)) ||
	    xsk_socket__create_shared(&end->socket, device, 0, both->umem, &end->rx, &end->tx,
				      &end->fill, &end->completed, &config) != 0 ||
	    xsk_socket__update_xskmap(end->socket, end->map) != 0 ||
	    xsk_ring_prod__reserve(&end->fill, RING, &at) != RING)
		return false;
	for (uint32_t i = 0; i < RING; i++)
		*xsk_ring_prod__fill_addr(&end->fill, at + i) = ((uint64_t)dir * RING + i) *
								FRAME_BYTES;
	xsk_ring_prod__submit(&end->fill, RING);
	return true;
}

/** no_offload() - the end of the hop sends what is complete */
static void no_offload(const struct hop *hop, int end)
{
	bo_auto_fd int sock = wire_netns_socket(&hop->ends, end, AF_INET, SOCK_DGRAM, 0);
	struct ethtool_value value = { .cmd = ETHTOOL_STXCSUM, .data = 0 };
	struct ifreq ifr = { .ifr_name = "w0", .ifr_data = (void *)&value };

	if (ioctl(sock, SIOCETHTOOL, &ifr) < 0)
		flows_die("ethtool");
}

static bool xdp_up(struct hop *hop)
{
	static const char *const devices[] = { "m0", "m1" };
	/* Of the ring of room the kernel says late what it has taken: twice the frames never fill it. */
	const struct xsk_umem_config config = { .fill_size = 2 * RING,
						.comp_size = RING,
						.frame_size = FRAME_BYTES };
	struct xdp_both *both = calloc(1, sizeof(*both));
	bool ok;

	if (!both || posix_memalign(&both->memory, 4096, (size_t)FRAMES * FRAME_BYTES) != 0)
		flows_die("malloc");
	libbpf_set_print(NULL);
	flows_enter(&hop->ends, hop->middle); /* its first socket is made with the memory */
	ok = xsk_umem__create(&both->umem, both->memory, (uint64_t)FRAMES * FRAME_BYTES,
			      &both->end[0].fill, &both->end[0].completed, &config) == 0;
	for (int dir = 0; ok && dir < 2; dir++)
		ok = xdp_end_up(both, dir, devices[dir]);
	flows_enter(&hop->ends, -1);
	for (int dir = 0; ok && dir < 2; dir++) {
		no_offload(hop, dir);
		hop->lanes[dir] =
			(struct hop_lane){ .wait_fd = xsk_socket__fd(both->end[dir].socket),
					   .move = xdp_move,
					   .in = dir,
					   .out = !dir,
					   .own = both };
	}
	if (!ok)
		snprintf(hop->why, sizeof(hop->why), "AF_XDP: %s", strerror(errno));
	return ok;
}

static void xdp_down(struct hop *hop)
{
	struct xdp_both *both = hop->lanes[0].own;

	for (int dir = 0; dir < 2; dir++) {
		xsk_socket__delete(both->end[dir].socket);
		bo_close(&both->end[dir].program);
		bo_close(&both->end[dir].map);
	}
	xsk_umem__delete(both->umem);
	free(both->memory);
	free(both);
}

const struct hop_kind hop_xdp = {
	.name = "veth and AF_XDP", .middle = true, .threads = 1, .up = xdp_up, .down = xdp_down
};
