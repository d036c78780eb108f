/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/hop_uring.c — TUN by io_uring: one multishot read keeps filling buffers from a shared ring (Linux 6.7),
 * and all writes that follow are handed over by one system call (io_uring_enter(2)). */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hop.h"
#include "wire_flows.h"

/* linux/io_uring.h of Linux 6.7; older headers lack it. */
#define OP_READ_MULTISHOT 49
#define BUFFERS 64 /* a power of two */
#define GROUP 0
#define READ_TAG UINT64_MAX

struct uring_lane {
	struct io_uring ring;
	struct io_uring_buf_ring *buffers;
	uint8_t *room;
	bool armed;
};

static uint8_t *buffer(const struct uring_lane *own, unsigned int id)
{
	return own->room + (size_t)id * HOP_FRAME_MAX;
}

static void give_back(struct uring_lane *own, unsigned int id)
{
	io_uring_buf_ring_add(own->buffers, buffer(own, id), HOP_FRAME_MAX, (unsigned short)id,
			      io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(own->buffers, 1);
}

static void arm(struct hop_lane *lane)
{
	struct uring_lane *own = lane->own;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&own->ring);

	if (!sqe)
		flows_die("io_uring");
	io_uring_prep_rw(OP_READ_MULTISHOT, sqe, lane->in, NULL, 0, (uint64_t)-1);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	sqe->user_data = READ_TAG;
	own->armed = true;
}

static size_t uring_move(struct hop_lane *lane)
{
	struct uring_lane *own = lane->own;
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	unsigned int head, seen = 0;

	/* What has been read becomes a write, what has been written becomes room again. */
	io_uring_for_each_cqe(&own->ring, head, cqe)
	{
		unsigned int id;

		seen++;
		if (cqe->user_data != READ_TAG) {
			give_back(own, (unsigned int)cqe->user_data);
			continue;
		}
		own->armed = own->armed && (cqe->flags & IORING_CQE_F_MORE);
		if (cqe->res <= 0)
			continue;
		id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
		sqe = io_uring_get_sqe(&own->ring);
		if (!sqe)
			flows_die("io_uring");
		io_uring_prep_write(sqe, lane->out, buffer(own, id), (unsigned int)cqe->res,
				    (uint64_t)-1);
		sqe->user_data = id;
	}
	io_uring_cq_advance(&own->ring, seen);
	if (!own->armed)
		arm(lane);
	if (io_uring_sq_ready(&own->ring))
		io_uring_submit(&own->ring);
	else
		io_uring_get_events(&own->ring);
	return seen;
}

static bool uring_up(struct hop *hop)
{
	for (int dir = 0; dir < 2; dir++) {
		struct uring_lane *own = calloc(1, sizeof(*own));
		struct io_uring_buf_reg reg = { .ring_entries = BUFFERS, .bgid = GROUP };
		void *ring;

		/* O_NONBLOCK would have it complain instead of wait. */
		if (!own || fcntl(hop->ends.tun[dir], F_SETFL, O_RDWR) < 0 ||
		    posix_memalign((void **)&own->room, 4096, (size_t)BUFFERS * HOP_FRAME_MAX) !=
			    0 ||
		    posix_memalign(&ring, 4096, BUFFERS * sizeof(struct io_uring_buf)) != 0)
			flows_die("malloc");
		own->buffers = ring;
		io_uring_buf_ring_init(own->buffers);
		reg.ring_addr = (uint64_t)(uintptr_t)ring;
		hop->lanes[dir] = (struct hop_lane){ .move = uring_move,
						     .in = hop->ends.tun[dir],
						     .out = hop->ends.tun[!dir],
						     .own = own };
		if (io_uring_queue_init(4 * BUFFERS, &own->ring, 0) < 0 ||
		    io_uring_register_buf_ring(&own->ring, &reg, 0) < 0) {
			snprintf(hop->why, sizeof(hop->why), "io_uring: %s", strerror(errno));
			return false;
		}
		for (unsigned int id = 0; id < BUFFERS; id++)
			give_back(own, id);
		hop->lanes[dir].wait_fd = own->ring.ring_fd;
	}
	return true;
}

static void uring_down(struct hop *hop)
{
	for (int dir = 0; dir < 2; dir++) {
		struct uring_lane *own = hop->lanes[dir].own;

		io_uring_queue_exit(&own->ring);
		free(own->buffers);
		free(own->room);
		free(own);
	}
}

const struct hop_kind hop_uring = {
	.name = "TUN, io_uring", .threads = 1, .up = uring_up, .down = uring_down
};
