/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/hop_queue.c — NFQUEUE on a veth pair: the packet stays in the kernel, uncut, and only its head comes here
 * to be let go (linux/netfilter/nfnetlink_queue.h).  What a verdict cannot
 * do: send a packet twice, or treat one packet of a super-packet by itself. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "brownout/sys/nfqueue.h"
#include "brownout/sys/nftables.h"
#include "hop.h"
#include "wire_flows.h"

#define QUEUE_NUMBER 1
#define QUEUE_PACKETS 16384
#define QUEUE_HEAD_BYTES 128

struct queue_lane {
	struct bo_nfq *nfq;
	struct nl_sock *nft;
};

static void queue_accept(const struct bo_nfq_packet *packet, void *arg)
{
	struct queue_lane *own = arg;

	if (bo_nfq_accept(own->nfq, packet->queue, packet->id, NULL, 0) < 0)
		flows_die("verdict");
}

static size_t queue_move(struct hop_lane *lane)
{
	struct queue_lane *own = lane->own;
	struct bo_err err = { 0 };
	int n = bo_nfq_recv(own->nfq, queue_accept, own, &err);

	return n > 0 ? (size_t)n : 0;
}

/** queue_whole() - super-packets uncut, and of each packet only the head */
static void queue_whole(const struct bo_nfq *nfq)
{
	const struct nfqnl_msg_config_params params = { .copy_range = htonl(QUEUE_HEAD_BYTES),
							.copy_mode = NFQNL_COPY_PACKET };
	const struct nfgenmsg head = { .nfgen_family = AF_UNSPEC,
				       .version = NFNETLINK_V0,
				       .res_id = htons(QUEUE_NUMBER) };
	struct nl_msg *msg = nlmsg_alloc_simple(NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_CONFIG,
						NLM_F_REQUEST);

	if (!msg || nlmsg_append(msg, (void *)(uintptr_t)&head, sizeof(head), NLMSG_ALIGNTO) < 0 ||
	    nla_put(msg, NFQA_CFG_PARAMS, sizeof(params), &params) < 0 ||
	    nla_put_u32(msg, NFQA_CFG_MASK, htonl(NFQA_CFG_F_GSO)) < 0 ||
	    nla_put_u32(msg, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_GSO)) < 0 ||
	    send(bo_nfq_fd(nfq), nlmsg_hdr(msg), nlmsg_hdr(msg)->nlmsg_len, 0) < 0)
		flows_die("queue");
	nlmsg_free(msg);
}

static bool queue_up(struct hop *hop)
{
	for (int end = 0; end < 2; end++) {
		struct queue_lane *own = calloc(1, sizeof(*own));
		struct bo_nft_flow flow = { .queue = QUEUE_NUMBER };
		struct bo_err err = { 0 };
		int rc;

		if (!own || !wire_netns_switch(&hop->ends, end) ||
		    bo_attach_peer_parse(end ? WIRE_NETNS_ADDR4_A : WIRE_NETNS_ADDR4_B, &flow.peer,
					 &err) < 0)
			flows_die("queue");
		rc = bo_nfq_open(&own->nfq, &err);
		if (rc == 0)
			rc = bo_nfq_bind(own->nfq, QUEUE_NUMBER, QUEUE_PACKETS, &err);
		if (rc == 0)
			rc = bo_nft_open(&own->nft, &err);
		if (rc == 0)
			rc = bo_nft_make(own->nft, "bench", &err);
		if (rc == 0)
			rc = bo_nft_fill(own->nft, "bench", &flow, 1, &err);
		if (rc < 0 && rc != -ENOTSUP)
			flows_die(err.msg);
		hop->lanes[end] = (struct hop_lane){ .move = queue_move, .own = own };
		if (rc == 0) {
			queue_whole(own->nfq);
			hop->lanes[end].wait_fd = bo_nfq_fd(own->nfq);
		}
		if (!wire_netns_switch(&hop->ends, -1))
			flows_die("setns");
		if (rc < 0) {
			snprintf(hop->why, sizeof(hop->why), "%s", err.msg);
			return false;
		}
	}
	return true;
}

static void queue_down(struct hop *hop)
{
	for (int end = 0; end < 2; end++) {
		struct queue_lane *own = hop->lanes[end].own;

		bo_nft_close(&own->nft);
		bo_nfq_close(own->nfq);
		free(own);
	}
}

const struct hop_kind hop_queue = { .name = "veth and NFQUEUE, heads only",
				    .veth = true,
				    .threads = 1,
				    .up = queue_up,
				    .down = queue_down };
