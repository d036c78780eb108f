/* SPDX-License-Identifier: Apache-2.0 */
/* sys/nfqueue.c — see the header.
 * Owns: the socket.  Threads: one.  Privilege: CAP_NET_ADMIN. */
#include "brownout/sys/nfqueue.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "brownout/base/cleanup.h"

/* A packet of 64 KiB with its attributes. */
#define MESSAGE_MAX (65536 + 4096)
#define RECEIVE_BUFFER (16 << 20)
#define RECEIVE_AT_ONCE 256

struct bo_nfq {
	struct nl_sock *sock;
	uint32_t seq;
	uint64_t missed;
	_Alignas(NLMSG_ALIGNTO) uint8_t buf[MESSAGE_MAX];
};

static void msg_free(struct nl_msg **msg)
{
	nlmsg_free(*msg);
}

int bo_nfq_open(struct bo_nfq **ret, struct bo_err *err)
{
	struct bo_nfq *q = calloc(1, sizeof(*q));
	int on = 1, size = RECEIVE_BUFFER, fd, rc;

	if (!q || !(q->sock = nl_socket_alloc())) {
		free(q);
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SYS, "out of memory");
	}
	rc = nl_connect(q->sock, NETLINK_NETFILTER);
	if (rc < 0) {
		bo_nfq_close(q);
		return bo_err_set(err, ENOTSUP, BO_SUBSYS_SYS, "opening nfnetlink: %s",
				  nl_geterror(rc));
	}
	fd = nl_socket_get_fd(q->sock);
	/* FORCE goes beyond net.core.rmem_max, with CAP_NET_ADMIN in the initial user namespace only. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	/* A packet that was lost for lack of room is seen by the gap in the numbers: no ENOBUFS on top. */
	setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on));
	*ret = q;
	return 0;
}

void bo_nfq_close(struct bo_nfq *q)
{
	if (!q)
		return;
	nl_socket_free(q->sock);
	free(q);
}

int bo_nfq_fd(const struct bo_nfq *q)
{
	return nl_socket_get_fd(q->sock);
}

uint64_t bo_nfq_missed(const struct bo_nfq *q)
{
	return q->missed;
}

/* --- configuration ---------------------------------------------------------------------------- */

/** take_error() - an acknowledgement or a complaint;  Return: true when it is the one for @seq */
static bool take_error(struct bo_nfq *q, const struct nlmsghdr *h, uint32_t seq, int *ret)
{
	const struct nlmsgerr *e = nlmsg_data(h);

	if (h->nlmsg_seq == seq) {
		*ret = e->error;
		return true;
	}
	/* Verdicts are sent with 0, and only answered when there is something wrong. */
	if (h->nlmsg_seq == 0 && e->error == -ENOENT)
		q->missed++;
	return false;
}

/*
 * The kernel has answered when the request has been sent.  Packets may stand before the answer: they are looked at
 * later, so none may come while a queue is configured; the caller binds before there are rules, and unbinds after.
 */
static int configure(struct bo_nfq *q, struct nl_msg *msg, const char *what, uint16_t number,
		     struct bo_err *err)
{
	uint32_t seq = ++q->seq;
	int rc = 0;
	bool done = false;
	ssize_t n;

	nlmsg_hdr(msg)->nlmsg_seq = seq;
	nlmsg_hdr(msg)->nlmsg_pid = 0;
	do
		n = send(bo_nfq_fd(q), nlmsg_hdr(msg), nlmsg_hdr(msg)->nlmsg_len, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return bo_err_errno(err, BO_SUBSYS_SYS, "%s queue %u", what, number);
	while (!done) {
		int left;

		n = recv(bo_nfq_fd(q), q->buf, sizeof(q->buf), MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return bo_err_errno(err, BO_SUBSYS_SYS, "%s queue %u", what, number);
		left = (int)n;
		for (struct nlmsghdr *h = (struct nlmsghdr *)q->buf; nlmsg_ok(h, left);
		     h = nlmsg_next(h, &left))
			if (h->nlmsg_type == NLMSG_ERROR)
				done = done || take_error(q, h, seq, &rc);
	}
	if (rc == 0)
		return 0;
	/* EINVAL: nfnetlink knows no such subsystem. */
	return bo_err_set(err, rc == -EINVAL ? ENOTSUP : -rc, BO_SUBSYS_SYS, "%s queue %u: %s%s",
			  what, number, strerrordesc_np(-rc),
			  rc == -EINVAL ? "; the kernel has no nfnetlink_queue "
					  "('modprobe nfnetlink_queue' may help)"
					: "");
}

static struct nl_msg *config_message(uint16_t number, uint8_t command)
{
	struct nfgenmsg head = { .nfgen_family = AF_UNSPEC,
				 .version = NFNETLINK_V0,
				 .res_id = htons(number) };
	struct nfqnl_msg_config_cmd cmd = { .command = command, .pf = htons(AF_UNSPEC) };
	struct nl_msg *msg = nlmsg_alloc_simple(NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_CONFIG,
						NLM_F_REQUEST | NLM_F_ACK);

	if (msg && nlmsg_append(msg, &head, sizeof(head), NLMSG_ALIGNTO) == 0 &&
	    nla_put(msg, NFQA_CFG_CMD, sizeof(cmd), &cmd) == 0)
		return msg;
	nlmsg_free(msg);
	return NULL;
}

int bo_nfq_bind(struct bo_nfq *q, uint16_t number, uint32_t max_packets, struct bo_err *err)
{
	bo_auto(msg_free) struct nl_msg *msg = config_message(number, NFQNL_CFG_CMD_BIND);
	struct nfqnl_msg_config_params params = { .copy_range = htonl(0xffff),
						  .copy_mode = NFQNL_COPY_PACKET };
	uint32_t length = htonl(max_packets), flags = htonl(NFQA_CFG_F_FAIL_OPEN);
	uint32_t mask = htonl(NFQA_CFG_F_FAIL_OPEN | NFQA_CFG_F_GSO);
	int rc;

	if (!msg || nla_put(msg, NFQA_CFG_PARAMS, sizeof(params), &params) < 0 ||
	    nla_put(msg, NFQA_CFG_QUEUE_MAXLEN, sizeof(length), &length) < 0 ||
	    nla_put(msg, NFQA_CFG_MASK, sizeof(mask), &mask) < 0 ||
	    nla_put(msg, NFQA_CFG_FLAGS, sizeof(flags), &flags) < 0)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SYS, "out of memory");
	rc = configure(q, msg, "binding", number, err);
	/* EPERM: the queue is another socket's */
	return rc == -EPERM ? -EBUSY : rc;
}

int bo_nfq_unbind(struct bo_nfq *q, uint16_t number, struct bo_err *err)
{
	bo_auto(msg_free) struct nl_msg *msg = config_message(number, NFQNL_CFG_CMD_UNBIND);

	if (!msg)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SYS, "out of memory");
	return configure(q, msg, "unbinding", number, err);
}

/* --- packets ---------------------------------------------------------------------------------- */

static bool take_packet(struct nlmsghdr *h, struct bo_nfq_packet *ret)
{
	struct nlattr *tb[NFQA_MAX + 1];
	const struct nfqnl_msg_packet_hdr *head;
	const struct nfgenmsg *gen = nlmsg_data(h);

	if (nlmsg_parse(h, sizeof(*gen), tb, NFQA_MAX, NULL) < 0 || !tb[NFQA_PACKET_HDR] ||
	    !tb[NFQA_PAYLOAD] || nla_len(tb[NFQA_PACKET_HDR]) < (int)sizeof(*head))
		return false;
	head = nla_data(tb[NFQA_PACKET_HDR]);
	*ret = (struct bo_nfq_packet){ .queue = ntohs(gen->res_id),
				       .id = ntohl(head->packet_id),
				       .data = nla_data(tb[NFQA_PAYLOAD]),
				       .len = (size_t)nla_len(tb[NFQA_PAYLOAD]) };
	return true;
}

int bo_nfq_recv(struct bo_nfq *q, bo_nfq_fn fn, void *arg, struct bo_err *err)
{
	int count = 0;

	for (int i = 0; i < RECEIVE_AT_ONCE; i++) {
		ssize_t n = recv(bo_nfq_fd(q), q->buf, sizeof(q->buf), MSG_DONTWAIT);
		int left = (int)n, ignored;

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0 && errno != EINTR && errno != ENOBUFS)
			return bo_err_errno(err, BO_SUBSYS_SYS, "reading from a queue");
		for (struct nlmsghdr *h = (struct nlmsghdr *)q->buf; n > 0 && nlmsg_ok(h, left);
		     h = nlmsg_next(h, &left)) {
			struct bo_nfq_packet packet;

			if (h->nlmsg_type == NLMSG_ERROR) {
				(void)take_error(q, h, q->seq + 1, &ignored);
			} else if (take_packet(h, &packet)) {
				fn(&packet, arg);
				count++;
			}
		}
	}
	return count;
}

/** verdict() - one message of three parts; the kernel carries it out before it returns */
static int verdict(struct bo_nfq *q, uint16_t number, uint32_t id, uint32_t code, const void *data,
		   size_t len)
{
	struct {
		struct nlmsghdr head;
		struct nfgenmsg gen;
		struct nlattr attr;
		struct nfqnl_msg_verdict_hdr verdict;
		struct nlattr payload;
	} m = {
		.head = { .nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_VERDICT,
			  .nlmsg_flags = NLM_F_REQUEST },
		.gen = { .version = NFNETLINK_V0, .res_id = htons(number) },
		.attr = { .nla_len = NLA_HDRLEN + sizeof(m.verdict), .nla_type = NFQA_VERDICT_HDR },
		.verdict = { .verdict = htonl(code), .id = htonl(id) },
		.payload = { .nla_len = (uint16_t)(NLA_HDRLEN + len), .nla_type = NFQA_PAYLOAD },
	};
	struct iovec iov[] = { { &m, data ? sizeof(m) : offsetof(__typeof__(m), payload) },
			       { (void *)(uintptr_t)data, data ? len : 0 } };
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct msghdr msg = {
		.msg_name = &kernel, .msg_namelen = sizeof(kernel), .msg_iov = iov, .msg_iovlen = 2
	};
	ssize_t n;

	if (len > UINT16_MAX - NLA_HDRLEN)
		return -EMSGSIZE;
	m.head.nlmsg_len = (uint32_t)(iov[0].iov_len + iov[1].iov_len);
	do
		n = sendmsg(bo_nfq_fd(q), &msg, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int bo_nfq_accept(struct bo_nfq *q, uint16_t number, uint32_t id, const void *data, size_t len)
{
	return verdict(q, number, id, NF_ACCEPT, data, len);
}

int bo_nfq_drop(struct bo_nfq *q, uint16_t number, uint32_t id)
{
	return verdict(q, number, id, NF_DROP, NULL, 0);
}
