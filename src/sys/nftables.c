/* SPDX-License-Identifier: Apache-2.0 */
/* sys/nftables.c — transactions of nf_tables, of the little that diverting packets takes.
 *
 * A transaction is one datagram: BATCH_BEGIN, requests, BATCH_END.  The kernel works through it while it is sent and has
 * answered every request when sendmsg(2) returns, so that answers are only picked up.
 *
 * A rule compares what identifies the flow and ends in the expression `queue` (nft_queue), or where the kernel was
 * built without it, in the target NFQUEUE of iptables by way of nft_compat.
 *
 * Owns: nothing.  Threads: one per socket.  Privilege: CAP_NET_ADMIN. */
#include "brownout/sys/nftables.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <netinet/in.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "brownout/base/vec.h"

#define RECEIVE_BUFFER (256 * 1024)
/* Outbound packets after destination NAT (-100), inbound ones before any filter (0): the network is outside of both. */
#define PRIORITY_OUT 300
#define PRIORITY_IN (-300)
#define CHAIN_OUT "out"
#define CHAIN_IN "in"

/** struct transaction - requests as bytes; the sequence number of a request is its place, from 1 */
struct transaction {
	BO_VEC(uint8_t) buf;
	uint32_t n;
	int failed;
};

int bo_nft_open(struct nl_sock **ret, struct bo_err *err)
{
	struct nl_sock *sock = nl_socket_alloc();
	int on = 1, rc;

	if (!sock)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SYS, "out of memory");
	rc = nl_connect(sock, NETLINK_NETFILTER);
	if (rc == 0)
		rc = nl_socket_set_buffer_size(sock, RECEIVE_BUFFER, 0);
	if (rc < 0) {
		nl_socket_free(sock);
		return bo_err_set(err, ENOTSUP, BO_SUBSYS_SYS, "opening nfnetlink: %s",
				  nl_geterror(rc));
	}
	setsockopt(nl_socket_get_fd(sock), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	setsockopt(nl_socket_get_fd(sock), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	*ret = sock;
	return 0;
}

void bo_nft_close(struct nl_sock **sock)
{
	if (*sock)
		nl_socket_free(*sock);
	*sock = NULL;
}

/* --- building --------------------------------------------------------------------------------- */

static struct nl_msg *begin(struct transaction *t, int type, int flags, uint8_t family,
			    uint16_t res_id)
{
	struct nfgenmsg head = { .nfgen_family = family,
				 .version = NFNETLINK_V0,
				 .res_id = htons(res_id) };
	struct nl_msg *msg = nlmsg_alloc_simple(type, NLM_F_REQUEST | flags);

	if (msg && nlmsg_append(msg, &head, sizeof(head), NLMSG_ALIGNTO) == 0)
		return msg;
	nlmsg_free(msg);
	t->failed = -ENOMEM;
	return NULL;
}

static void finish(struct transaction *t, struct nl_msg *msg)
{
	struct nlmsghdr *head = msg ? nlmsg_hdr(msg) : NULL;
	size_t len = head ? NLMSG_ALIGN(head->nlmsg_len) : 0;

	if (!msg)
		return;
	head->nlmsg_seq = ++t->n;
	head->nlmsg_pid = 0;
	if (bo_vec_reserve(&t->buf, t->buf.len + len)) {
		memset(t->buf.items + t->buf.len, 0, len);
		memcpy(t->buf.items + t->buf.len, head, head->nlmsg_len);
		t->buf.len += len;
	} else {
		t->failed = -ENOMEM;
	}
	nlmsg_free(msg);
}

static struct nl_msg *request(struct transaction *t, int type, int flags)
{
	return begin(t, NFNL_SUBSYS_NFTABLES << 8 | type, NLM_F_ACK | flags, NFPROTO_INET, 0);
}

static void mark(struct transaction *t, int type)
{
	finish(t, begin(t, type, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
}

static void put(struct transaction *t, struct nl_msg *msg, int type, const void *data, size_t len)
{
	if (msg && nla_put(msg, type, (int)len, data) < 0)
		t->failed = -ENOMEM;
}

static void put_text(struct transaction *t, struct nl_msg *msg, int type, const char *text)
{
	put(t, msg, type, text, strlen(text) + 1);
}

static void put_u32(struct transaction *t, struct nl_msg *msg, int type, uint32_t value)
{
	uint32_t be = htonl(value);

	put(t, msg, type, &be, sizeof(be));
}

static void put_u16(struct transaction *t, struct nl_msg *msg, int type, uint16_t value)
{
	uint16_t be = htons(value);

	put(t, msg, type, &be, sizeof(be));
}

static struct nlattr *nest(struct transaction *t, struct nl_msg *msg, int type)
{
	struct nlattr *at = msg ? nla_nest_start(msg, type | NLA_F_NESTED) : NULL;

	if (!at)
		t->failed = -ENOMEM;
	return at;
}

static void end(struct nl_msg *msg, struct nlattr *at)
{
	if (msg && at)
		nla_nest_end(msg, at);
}

/** struct expr - an expression under construction */
struct expr {
	struct nlattr *elem;
	struct nlattr *data;
};

static struct expr expr_begin(struct transaction *t, struct nl_msg *msg, const char *name)
{
	struct expr e = { .elem = nest(t, msg, NFTA_LIST_ELEM) };

	put_text(t, msg, NFTA_EXPR_NAME, name);
	e.data = nest(t, msg, NFTA_EXPR_DATA);
	return e;
}

static void expr_end(struct nl_msg *msg, const struct expr *e)
{
	end(msg, e->data);
	end(msg, e->elem);
}

static void put_value(struct transaction *t, struct nl_msg *msg, int type, const void *data,
		      size_t len)
{
	struct nlattr *at = nest(t, msg, type);

	put(t, msg, NFTA_DATA_VALUE, data, len);
	end(msg, at);
}

static void expr_equal(struct transaction *t, struct nl_msg *msg, const void *data, size_t len)
{
	struct expr e = expr_begin(t, msg, "cmp");

	put_u32(t, msg, NFTA_CMP_SREG, NFT_REG_1);
	put_u32(t, msg, NFTA_CMP_OP, NFT_CMP_EQ);
	put_value(t, msg, NFTA_CMP_DATA, data, len);
	expr_end(msg, &e);
}

static void expr_meta(struct transaction *t, struct nl_msg *msg, uint32_t key)
{
	struct expr e = expr_begin(t, msg, "meta");

	put_u32(t, msg, NFTA_META_KEY, key);
	put_u32(t, msg, NFTA_META_DREG, NFT_REG_1);
	expr_end(msg, &e);
}

static void expr_payload(struct transaction *t, struct nl_msg *msg, uint32_t base, uint32_t offset,
			 uint32_t len)
{
	struct expr e = expr_begin(t, msg, "payload");

	put_u32(t, msg, NFTA_PAYLOAD_DREG, NFT_REG_1);
	put_u32(t, msg, NFTA_PAYLOAD_BASE, base);
	put_u32(t, msg, NFTA_PAYLOAD_OFFSET, offset);
	put_u32(t, msg, NFTA_PAYLOAD_LEN, len);
	expr_end(msg, &e);
}

static void expr_mask(struct transaction *t, struct nl_msg *msg, uint8_t prefix, uint32_t len)
{
	struct expr e = expr_begin(t, msg, "bitwise");
	uint8_t mask[16] = { 0 }, zero[16] = { 0 };

	for (unsigned int bit = 0; bit < prefix; bit++)
		mask[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
	put_u32(t, msg, NFTA_BITWISE_SREG, NFT_REG_1);
	put_u32(t, msg, NFTA_BITWISE_DREG, NFT_REG_1);
	put_u32(t, msg, NFTA_BITWISE_LEN, len);
	put_value(t, msg, NFTA_BITWISE_MASK, mask, len);
	put_value(t, msg, NFTA_BITWISE_XOR, zero, len);
	expr_end(msg, &e);
}

static void match_address(struct transaction *t, struct nl_msg *msg, const struct bo_nft_flow *flow)
{
	bool v4 = flow->peer.family == AF_INET;
	uint32_t len = v4 ? 4 : 16, source = v4 ? 12 : 8;
	uint8_t family = v4 ? NFPROTO_IPV4 : NFPROTO_IPV6;

	expr_meta(t, msg, NFT_META_NFPROTO);
	expr_equal(t, msg, &family, sizeof(family));
	if (!flow->peer.prefix)
		return;
	expr_payload(t, msg, NFT_PAYLOAD_NETWORK_HEADER, flow->inbound ? source : source + len,
		     len);
	if (flow->peer.prefix < len * 8)
		expr_mask(t, msg, flow->peer.prefix, len);
	expr_equal(t, msg, flow->peer.address, len);
}

static void match_flow(struct transaction *t, struct nl_msg *msg, const struct bo_nft_flow *flow)
{
	uint16_t port = htons(flow->peer.port);

	match_address(t, msg, flow);
	if (flow->interface[0]) {
		expr_meta(t, msg, flow->inbound ? NFT_META_IIFNAME : NFT_META_OIFNAME);
		expr_equal(t, msg, flow->interface, sizeof(flow->interface));
	}
	if (!flow->peer.protocol)
		return;
	expr_meta(t, msg, NFT_META_L4PROTO);
	expr_equal(t, msg, &flow->peer.protocol, 1);
	if (!flow->peer.port)
		return;
	expr_payload(t, msg, NFT_PAYLOAD_TRANSPORT_HEADER, flow->inbound ? 0 : 2, sizeof(port));
	expr_equal(t, msg, &port, sizeof(port));
}

static void expr_queue(struct transaction *t, struct nl_msg *msg, uint16_t queue, bool compat)
{
	/* Attributes that hold a structure of iptables are padded to its alignment, XT_ALIGN(). */
	struct {
		_Alignas(8) struct xt_NFQ_info_v3 info;
	} target = { { .queuenum = queue, .queues_total = 1, .flags = NFQ_FLAG_BYPASS } };
	struct expr e = expr_begin(t, msg, compat ? "target" : "queue");

	if (compat) {
		put_text(t, msg, NFTA_TARGET_NAME, "NFQUEUE");
		put_u32(t, msg, NFTA_TARGET_REV, 3);
		put(t, msg, NFTA_TARGET_INFO, &target, sizeof(target));
	} else {
		put_u16(t, msg, NFTA_QUEUE_NUM, queue);
		put_u16(t, msg, NFTA_QUEUE_TOTAL, 1);
		put_u16(t, msg, NFTA_QUEUE_FLAGS, NFT_QUEUE_FLAG_BYPASS);
	}
	expr_end(msg, &e);
}

static void put_rule(struct transaction *t, const char *table, const struct bo_nft_flow *flow,
		     bool compat)
{
	struct nl_msg *msg = request(t, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	struct nlattr *list;

	put_text(t, msg, NFTA_RULE_TABLE, table);
	put_text(t, msg, NFTA_RULE_CHAIN, flow->inbound ? CHAIN_IN : CHAIN_OUT);
	list = nest(t, msg, NFTA_RULE_EXPRESSIONS);
	match_flow(t, msg, flow);
	expr_queue(t, msg, flow->queue, compat);
	end(msg, list);
	finish(t, msg);
}

static void put_chain(struct transaction *t, const char *table, const char *name, uint32_t hook,
		      int32_t priority)
{
	struct nl_msg *msg = request(t, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL);
	struct nlattr *at;

	put_text(t, msg, NFTA_CHAIN_TABLE, table);
	put_text(t, msg, NFTA_CHAIN_NAME, name);
	at = nest(t, msg, NFTA_CHAIN_HOOK);
	put_u32(t, msg, NFTA_HOOK_HOOKNUM, hook);
	put_u32(t, msg, NFTA_HOOK_PRIORITY, (uint32_t)priority);
	end(msg, at);
	put_text(t, msg, NFTA_CHAIN_TYPE, "filter");
	put_u32(t, msg, NFTA_CHAIN_POLICY, NF_ACCEPT);
	finish(t, msg);
}

static void put_named(struct transaction *t, int type, int flags, const char *table)
{
	struct nl_msg *msg = request(t, type, flags);

	_Static_assert(NFTA_TABLE_NAME == 1 && NFTA_RULE_TABLE == 1,
		       "the table's name comes first");
	put_text(t, msg, NFTA_TABLE_NAME, table);
	finish(t, msg);
}

/* --- sending ---------------------------------------------------------------------------------- */

/** read_answers() - what the kernel has said already;  Return: the first error of a request, or 0 */
static int read_answers(struct nl_sock *sock, uint32_t *ret_acks)
{
	_Alignas(NLMSG_ALIGNTO) uint8_t buf[16384];
	int first = 0;

	*ret_acks = 0;
	for (;;) {
		ssize_t n = recv(nl_socket_get_fd(sock), buf, sizeof(buf), MSG_DONTWAIT);
		int left = (int)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && errno != EAGAIN && !first ? -errno : first;
		for (struct nlmsghdr *h = (struct nlmsghdr *)buf; nlmsg_ok(h, left);
		     h = nlmsg_next(h, &left)) {
			const struct nlmsgerr *e = nlmsg_data(h);

			if (h->nlmsg_type != NLMSG_ERROR)
				continue;
			*ret_acks += 1;
			if (e->error && !first)
				first = e->error;
		}
	}
}

/** transact() - Return: 0, or what the kernel said; the transaction is empty afterwards */
static int transact(struct transaction *t, struct nl_sock *sock)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	uint32_t acks = 0, expected;
	ssize_t n;
	int rc = t->failed;

	mark(t, NFNL_MSG_BATCH_END);
	expected = t->n - 2; /* begin and end are not acknowledged */
	rc = t->failed ? t->failed : rc;
	if (rc == 0) {
		(void)!read_answers(sock,
				    &acks); /* nothing of an earlier one may be taken for ours */
		do
			n = sendto(nl_socket_get_fd(sock), t->buf.items, t->buf.len, 0,
				   (struct sockaddr *)&kernel, sizeof(kernel));
		while (n < 0 && errno == EINTR);
		rc = n < 0 ? -errno : read_answers(sock, &acks);
	}
	if (rc == 0 && acks < expected)
		rc = -EIO;
	bo_vec_done(&t->buf);
	*t = (struct transaction){ 0 };
	return rc;
}

static int said(int rc, const char *what, const char *table, struct bo_err *err)
{
	if (rc == 0)
		return 0;
	if (rc == -EOPNOTSUPP || rc == -EPROTONOSUPPORT || rc == -EINVAL)
		return bo_err_set(
			err, ENOTSUP, BO_SUBSYS_SYS,
			"nftables: cannot %s %s: the kernel has no nf_tables for it (%s); "
			"'modprobe nf_tables' may help",
			what, table, strerrordesc_np(-rc));
	return bo_err_set(err, -rc, BO_SUBSYS_SYS, "nftables: cannot %s %s: %s", what, table,
			  strerrordesc_np(-rc));
}

int bo_nft_make(struct nl_sock *sock, const char *table, struct bo_err *err)
{
	struct transaction t = { 0 };

	mark(&t, NFNL_MSG_BATCH_BEGIN);
	put_named(&t, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, table);
	put_chain(&t, table, CHAIN_OUT, NF_INET_LOCAL_OUT, PRIORITY_OUT);
	put_chain(&t, table, CHAIN_IN, NF_INET_LOCAL_IN, PRIORITY_IN);
	return said(transact(&t, sock), "make table", table, err);
}

static int fill(struct nl_sock *sock, const char *table, const struct bo_nft_flow *flows, size_t n,
		bool compat)
{
	struct transaction t = { 0 };

	mark(&t, NFNL_MSG_BATCH_BEGIN);
	put_named(&t, NFT_MSG_DELRULE, 0, table);
	for (size_t i = 0; i < n; i++)
		put_rule(&t, table, &flows[i], compat);
	return transact(&t, sock);
}

int bo_nft_fill(struct nl_sock *sock, const char *table, const struct bo_nft_flow *flows, size_t n,
		struct bo_err *err)
{
	int rc = fill(sock, table, flows, n, false);

	if (rc == -ENOENT && !n) /* somebody has removed the table: then there is no rule either */
		return 0;
	/* ENOENT is how the kernel says that it has no such expression (and could not load one). */
	if (rc == -ENOENT && n) {
		rc = fill(sock, table, flows, n, true);
		if (rc == -ENOENT)
			return bo_err_set(err, ENOTSUP, BO_SUBSYS_SYS,
					  "the kernel has neither nft_queue nor xt_NFQUEUE "
					  "('modprobe nft_queue' may help)");
	}
	return said(rc, "fill table", table, err);
}

int bo_nft_remove(struct nl_sock *sock, const char *table, struct bo_err *err)
{
	struct transaction t = { 0 };
	int rc;

	mark(&t, NFNL_MSG_BATCH_BEGIN);
	put_named(&t, NFT_MSG_DELTABLE, 0, table);
	rc = transact(&t, sock);
	return said(rc == -ENOENT ? 0 : rc, "remove table", table, err);
}

bool bo_nft_exists(struct nl_sock *sock, const char *table)
{
	struct transaction t = { 0 };
	uint32_t acks = 0;
	int rc;

	put_named(&t, NFT_MSG_GETTABLE, 0, table);
	(void)!read_answers(sock, &acks);
	rc = t.failed;
	if (rc == 0 && send(nl_socket_get_fd(sock), t.buf.items, t.buf.len, 0) < 0)
		rc = -errno;
	if (rc == 0)
		rc = read_answers(sock, &acks);
	bo_vec_done(&t.buf);
	return rc != -ENOENT;
}
