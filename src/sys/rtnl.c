/* SPDX-License-Identifier: Apache-2.0 */
/* sys/rtnl.c — batched rtnetlink requests.
 * libnl builds the messages; they are copied into one buffer and sent with one send(2).  The kernel works
 * through them in order (netlink_rcv_skb) and answers each NLM_F_ACK with an NLMSG_ERROR, whose sequence number
 * tells which request it is about.
 * Owns: the batch's buffers.  Threads: one per socket.  Privilege: CAP_NET_ADMIN. */
#include "brownout/sys/rtnl.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* Acknowledgements wait in the receive buffer while the kernel is still at work on the batch, at about 768 bytes of
 * truesize each; what does not fit is lost (ENOBUFS).  libnl makes the buffer 32 KiB, so it is made larger. */
#define BATCH_MAX 128
#define RECEIVE_BUFFER (256 * 1024)

int bo_rtnl_open(struct nl_sock **ret, struct bo_err *err)
{
	struct nl_sock *sock = nl_socket_alloc();
	int on = 1;
	int rc;

	if (!sock)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SYS, "out of memory");
	rc = nl_connect(sock, NETLINK_ROUTE);
	if (rc < 0) {
		nl_socket_free(sock);
		return bo_err_set(err, EIO, BO_SUBSYS_SYS, "opening rtnetlink: %s",
				  nl_geterror(rc));
	}
	rc = nl_socket_set_buffer_size(sock, RECEIVE_BUFFER, 0);
	if (rc < 0) {
		nl_socket_free(sock);
		return bo_err_set(err, EIO, BO_SUBSYS_SYS, "sizing an rtnetlink buffer: %s",
				  nl_geterror(rc));
	}
	/* Both are niceties of 4.3 and 4.12: without them only the text of an error is poorer. */
	setsockopt(nl_socket_get_fd(sock), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	setsockopt(nl_socket_get_fd(sock), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	*ret = sock;
	return 0;
}

void bo_rtnl_close(struct nl_sock **sock)
{
	if (*sock)
		nl_socket_free(*sock);
	*sock = NULL;
}

void bo_rtnl_drop_answers(struct nl_sock *sock)
{
	char c;

	while (recv(nl_socket_get_fd(sock), &c, sizeof(c), MSG_DONTWAIT) >= 0 || errno == EINTR ||
	       errno == ENOBUFS)
		;
}

struct nl_msg *bo_rtnl_msg_new(int type, int flags, const void *head, size_t len)
{
	struct nl_msg *msg = nlmsg_alloc_simple(type, NLM_F_REQUEST | NLM_F_ACK | flags);

	if (msg && nlmsg_append(msg, (void *)(uintptr_t)head, len, NLMSG_ALIGNTO) == 0)
		return msg;
	nlmsg_free(msg);
	return NULL;
}

static struct nl_msg *begin(struct bo_rtnl_batch *b, int type, int flags, const void *head,
			    size_t len)
{
	struct nl_msg *msg = bo_rtnl_msg_new(type, flags, head, len);

	if (!msg)
		b->failed = b->failed ? b->failed : -ENOMEM;
	return msg;
}

static void put(struct bo_rtnl_batch *b, struct nl_msg *msg, int type, const void *data, size_t len)
{
	if (msg && nla_put(msg, type, (int)len, data) < 0)
		b->failed = b->failed ? b->failed : -ENOMEM;
}

void bo_rtnl_batch_add(struct bo_rtnl_batch *b, struct nl_msg *msg, const char *fmt, ...)
{
	struct bo_rtnl_req req = { .offset = (uint32_t)b->buf.len };
	struct nlmsghdr *head;
	va_list ap;

	if (!msg)
		return;
	head = nlmsg_hdr(msg);
	req.len = head->nlmsg_len;
	va_start(ap, fmt);
	vsnprintf(req.what, sizeof(req.what), fmt, ap);
	va_end(ap);
	/* The sequence number is the request's place in the batch, from 1 (0 would read as "unset"). */
	head->nlmsg_seq = (uint32_t)b->reqs.len + 1;
	head->nlmsg_pid = 0;
	if (bo_vec_reserve(&b->buf, b->buf.len + NLMSG_ALIGN(req.len)) &&
	    bo_vec_push(&b->reqs, req)) {
		memset(b->buf.items + b->buf.len, 0, NLMSG_ALIGN(req.len));
		memcpy(b->buf.items + b->buf.len, head, req.len);
		b->buf.len += NLMSG_ALIGN(req.len);
	} else {
		b->failed = b->failed ? b->failed : -ENOMEM;
	}
	nlmsg_free(msg);
}

void bo_rtnl_link_up(struct bo_rtnl_batch *b, int ifindex, int mtu, int queue_packets)
{
	struct ifinfomsg ifi = { .ifi_index = ifindex, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct nl_msg *msg = begin(b, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	uint32_t value = (uint32_t)mtu, queue = (uint32_t)queue_packets;

	if (mtu > 0)
		put(b, msg, IFLA_MTU, &value, sizeof(value));
	if (queue_packets > 0)
		put(b, msg, IFLA_TXQLEN, &queue, sizeof(queue));
	bo_rtnl_batch_add(b, msg, "bringing device %d up", ifindex);
}

static size_t addr_len(const struct bo_rtnl_addr *addr)
{
	return addr->family == AF_INET ? 4 : 16;
}

void bo_rtnl_addr_add(struct bo_rtnl_batch *b, int ifindex, const struct bo_rtnl_addr *addr)
{
	struct ifaddrmsg ifa = {
		.ifa_family = (uint8_t)addr->family,
		.ifa_prefixlen = (uint8_t)addr->prefix,
		.ifa_flags = addr->family == AF_INET6 ? IFA_F_NODAD | IFA_F_PERMANENT
						      : IFA_F_PERMANENT,
		.ifa_index = (uint32_t)ifindex,
	};
	struct nl_msg *msg = begin(b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &ifa, sizeof(ifa));

	put(b, msg, IFA_LOCAL, addr->bytes, addr_len(addr));
	put(b, msg, IFA_ADDRESS, addr->bytes, addr_len(addr));
	bo_rtnl_batch_add(b, msg, "adding an IPv%d address to device %d",
			  addr->family == AF_INET ? 4 : 6, ifindex);
}

void bo_rtnl_route_add(struct bo_rtnl_batch *b, int ifindex, const struct bo_rtnl_addr *dst,
		       const struct bo_rtnl_addr *src)
{
	struct rtmsg rtm = {
		.rtm_family = (uint8_t)dst->family,
		.rtm_dst_len = (uint8_t)dst->prefix,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = dst->family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST,
	};
	struct nl_msg *msg = begin(b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &rtm, sizeof(rtm));
	uint32_t oif = (uint32_t)ifindex;

	put(b, msg, RTA_DST, dst->bytes, addr_len(dst));
	put(b, msg, RTA_PREFSRC, src->bytes, addr_len(src));
	put(b, msg, RTA_OIF, &oif, sizeof(oif));
	bo_rtnl_batch_add(b, msg, "adding an IPv%d route over device %d",
			  dst->family == AF_INET ? 4 : 6, ifindex);
}

void bo_rtnl_neigh_add(struct bo_rtnl_batch *b, int ifindex, const struct bo_rtnl_addr *addr,
		       const uint8_t mac[BO_RTNL_MAC_LEN])
{
	struct ndmsg ndm = {
		.ndm_family = (uint8_t)addr->family,
		.ndm_ifindex = ifindex,
		.ndm_state = NUD_PERMANENT,
	};
	struct nl_msg *msg = begin(b, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &ndm,
				   sizeof(ndm));

	put(b, msg, NDA_DST, addr->bytes, addr_len(addr));
	put(b, msg, NDA_LLADDR, mac, BO_RTNL_MAC_LEN);
	bo_rtnl_batch_add(b, msg, "adding a neighbour to device %d", ifindex);
}

static void put_end(struct bo_rtnl_batch *b, struct nl_msg *msg, const char *name,
		    const uint8_t *mac, const struct bo_rtnl_veth *veth)
{
	uint32_t value = (uint32_t)veth->mtu, one_segment = 1;

	put(b, msg, IFLA_IFNAME, name, strlen(name) + 1);
	put(b, msg, IFLA_ADDRESS, mac, BO_RTNL_MAC_LEN);
	put(b, msg, IFLA_MTU, &value, sizeof(value));
	if (veth->no_gso)
		put(b, msg, IFLA_GSO_MAX_SEGS, &one_segment, sizeof(one_segment));
}

void bo_rtnl_veth_add(struct bo_rtnl_batch *b, const struct bo_rtnl_veth *veth)
{
	struct ifinfomsg ifi = { .ifi_index = veth->ifindex };
	struct ifinfomsg peer = { .ifi_index = veth->peer_ifindex };
	struct nl_msg *msg = begin(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifi, sizeof(ifi));
	struct nlattr *info, *data, *end;

	if (!msg)
		return;
	put_end(b, msg, veth->name, veth->mac, veth);
	info = nla_nest_start(msg, IFLA_LINKINFO);
	put(b, msg, IFLA_INFO_KIND, "veth", sizeof("veth"));
	data = nla_nest_start(msg, IFLA_INFO_DATA);
	/* VETH_INFO_PEER holds a whole link message: its header, then its attributes. */
	end = nla_nest_start(msg, VETH_INFO_PEER);
	if (!info || !data || !end || nlmsg_append(msg, &peer, sizeof(peer), NLMSG_ALIGNTO) < 0) {
		b->failed = b->failed ? b->failed : -ENOMEM;
		nlmsg_free(msg);
		return;
	}
	put_end(b, msg, veth->peer_name, veth->peer_mac, veth);
	if (veth->peer_netns >= 0) {
		uint32_t fd = (uint32_t)veth->peer_netns;

		put(b, msg, IFLA_NET_NS_FD, &fd, sizeof(fd));
	}
	nla_nest_end(msg, end);
	nla_nest_end(msg, data);
	nla_nest_end(msg, info);
	bo_rtnl_batch_add(b, msg, "creating the veth pair %s", veth->name);
}

static const char *ext_ack_text(const struct nlmsghdr *head, const struct nlmsgerr *e)
{
	size_t skip = sizeof(*e);
	const struct nlattr *at;
	int rest;

	if (!(head->nlmsg_flags & NLM_F_ACK_TLVS))
		return NULL;
	if (!(head->nlmsg_flags & NLM_F_CAPPED))
		skip += NLMSG_ALIGN(e->msg.nlmsg_len) - sizeof(e->msg);
	rest = (int)head->nlmsg_len - (int)NLMSG_LENGTH(skip);
	for (at = (const void *)((const char *)e + skip); nla_ok(at, rest);
	     at = nla_next(at, &rest))
		if (nla_type(at) == NLMSGERR_ATTR_MSG && nla_len(at) > 0)
			return nla_data(at);
	return NULL;
}

/* One answer.  Return: 0 or -errno of the request; *counts says whether it was one of this batch's */
static int take_ack(const struct bo_rtnl_batch *b, const struct nlmsghdr *head, size_t first,
		    size_t end, bool *counts, struct bo_err *err)
{
	const struct nlmsgerr *e = NLMSG_DATA(head);
	const char *text;

	*counts = head->nlmsg_type == NLMSG_ERROR && head->nlmsg_len >= NLMSG_LENGTH(sizeof(*e)) &&
		  head->nlmsg_seq > first && head->nlmsg_seq <= end;
	if (!*counts || e->error == 0)
		return 0;
	text = ext_ack_text(head, e);
	return bo_err_set(err, -e->error, BO_SUBSYS_SYS, "%s: %s%s%s",
			  b->reqs.items[head->nlmsg_seq - 1].what, strerror(-e->error),
			  text ? ": " : "", text ? text : "");
}

static int send_chunk(struct bo_rtnl_batch *b, int fd, size_t first, size_t end, struct bo_err *err)
{
	const struct bo_rtnl_req *last = &b->reqs.items[end - 1];
	uint32_t from = b->reqs.items[first].offset;
	size_t len = last->offset + NLMSG_ALIGN(last->len) - from;
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	_Alignas(struct nlmsghdr) char buf[16384];
	size_t pending = end - first;
	int first_rc = 0;

	if (sendto(fd, b->buf.items + from, len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return bo_err_errno(err, BO_SUBSYS_SYS, "sending to rtnetlink");
	while (pending) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);
		const struct nlmsghdr *head = (const void *)buf;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return bo_err_errno(err, BO_SUBSYS_SYS, "reading from rtnetlink");
		for (; pending && NLMSG_OK(head, (size_t)n); head = NLMSG_NEXT(head, n)) {
			bool counts;
			int rc = take_ack(b, head, first, end, &counts, first_rc ? NULL : err);

			if (rc < 0 && !first_rc)
				first_rc = rc;
			pending -= counts;
		}
	}
	return first_rc;
}

int bo_rtnl_batch_send(struct bo_rtnl_batch *b, struct nl_sock *sock, struct bo_err *err)
{
	int rc = b->failed;

	if (rc < 0)
		bo_err_set(err, -rc, BO_SUBSYS_SYS, "building rtnetlink requests");
	for (size_t at = 0; rc == 0 && at < b->reqs.len; at += BATCH_MAX) {
		size_t end = at + BATCH_MAX < b->reqs.len ? at + BATCH_MAX : b->reqs.len;

		rc = send_chunk(b, nl_socket_get_fd(sock), at, end, err);
		if (rc < 0)
			bo_rtnl_drop_answers(sock);
	}
	b->buf.len = 0;
	b->reqs.len = 0;
	b->failed = 0;
	return rc;
}

void bo_rtnl_batch_done(struct bo_rtnl_batch *b)
{
	bo_vec_done(&b->buf);
	bo_vec_done(&b->reqs);
}
