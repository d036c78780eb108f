/* SPDX-License-Identifier: Apache-2.0 */
/* sys/netem.c — the netem qdisc over rtnetlink: install, change, remove, count, find out what it can.
 *
 * A change goes to the same handle with NLM_F_REPLACE, which the kernel turns into qdisc_change(): one
 * step between two packets (netem_change() holds the qdisc's lock while it takes over all that it has
 * read), and what is queued stays queued.
 *
 * Owns: nothing.  Threads: one per socket.  Privilege: CAP_NET_ADMIN over the socket's network
 * namespace. */
#include "brownout/sys/netem.h"

#include <errno.h>
#include <linux/gen_stats.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "brownout/base/cleanup.h"
#include "brownout/sys/rtnl.h"

/* --- talk to the kernel ----------------------------------------------------------------------- */

static void msg_free(struct nl_msg **msg)
{
	nlmsg_free(*msg);
}

static void cb_put(struct nl_cb **cb)
{
	if (*cb)
		nl_cb_put(*cb);
}

/** struct options_copy - the attributes of a netem's TCA_OPTIONS, behind its bare struct */
struct options_copy {
	unsigned char bytes[1024];
	int len;
};

/** struct answer - what came back for one request */
struct answer {
	bool done;
	int error; /* negative errno of the kernel */
	char text[160];
	struct bo_netem_stats *stats;
	struct options_copy *options;
	bool is_netem;
};

static int on_ack(struct nl_msg *msg, void *arg)
{
	struct answer *answer = arg;

	(void)msg;
	answer->done = true;
	return NL_STOP;
}

/** on_error() - keep the errno and the extended ack's sentence, which libnl 3.7 would throw away */
static int on_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	struct answer *answer = arg;
	struct nlmsghdr *nlh = (struct nlmsghdr *)((char *)e - NLMSG_HDRLEN);
	size_t skip = sizeof(*e);
	struct nlattr *text;

	(void)from;
	answer->done = true;
	answer->error = e->error;
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return NL_STOP;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		skip += NLMSG_ALIGN(e->msg.nlmsg_len) - sizeof(e->msg);
	if (NLMSG_HDRLEN + skip >= nlh->nlmsg_len)
		return NL_STOP;
	text = nla_find((struct nlattr *)((char *)e + skip),
			(int)(nlh->nlmsg_len - NLMSG_HDRLEN - skip), NLMSGERR_ATTR_MSG);
	if (text)
		nla_strlcpy(answer->text, text, sizeof(answer->text));
	return NL_STOP;
}

static void read_stats2(struct nlattr *stats2, struct bo_netem_stats *out)
{
	struct nlattr *tb[TCA_STATS_MAX + 1];
	struct gnet_stats_basic basic = { 0 };
	struct gnet_stats_queue queue = { 0 };

	if (nla_parse_nested(tb, TCA_STATS_MAX, stats2, NULL) < 0)
		return;
	if (tb[TCA_STATS_BASIC])
		nla_memcpy(&basic, tb[TCA_STATS_BASIC], sizeof(basic));
	if (tb[TCA_STATS_QUEUE])
		nla_memcpy(&queue, tb[TCA_STATS_QUEUE], sizeof(queue));
	*out = (struct bo_netem_stats){
		.packets = tb[TCA_STATS_PKT64] ? nla_get_u64(tb[TCA_STATS_PKT64]) : basic.packets,
		.bytes = basic.bytes,
		.drops = queue.drops,
		.overlimits = queue.overlimits,
		.backlog_packets = queue.qlen,
	};
}

/** copy_attributes() - those of a dump or of a request; a table of delays is only in a request */
static void copy_attributes(const struct nlattr *options, struct options_copy *ret)
{
	const int skip = NLA_ALIGN(sizeof(struct tc_netem_qopt));
	int len = nla_len(options) - skip;

	ret->len = len < 0 || len > (int)sizeof(ret->bytes) ? 0 : len;
	memcpy(ret->bytes, (char *)nla_data(options) + skip, (size_t)ret->len);
}

static int on_qdisc(struct nl_msg *msg, void *arg)
{
	struct answer *answer = arg;
	struct nlattr *tb[TCA_MAX + 1];

	if (nlmsg_hdr(msg)->nlmsg_type != RTM_NEWQDISC || !answer->stats)
		return NL_OK;
	if (nlmsg_parse(nlmsg_hdr(msg), sizeof(struct tcmsg), tb, TCA_MAX, NULL) < 0)
		return NL_OK;
	if (!tb[TCA_KIND] || nla_strcmp(tb[TCA_KIND], "netem") != 0 || !tb[TCA_STATS2])
		return NL_OK;
	answer->is_netem = true;
	read_stats2(tb[TCA_STATS2], answer->stats);
	if (answer->options && tb[TCA_OPTIONS])
		copy_attributes(tb[TCA_OPTIONS], answer->options);
	return NL_OK;
}

/** netem_request() - send @msg and wait for the kernel's acknowledgement; what the kernel says is
 * in @answer */
static int netem_request(struct nl_sock *sock, struct nl_msg *msg, struct answer *answer,
			 struct bo_err *err)
{
	bo_auto(cb_put) struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int on = 1;
	int r;

	if (!cb)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SYS, "netem: out of memory");
	/* Only for better messages; kernels before 4.12 do without. */
	(void)setsockopt(nl_socket_get_fd(sock), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_qdisc, answer);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_ack, answer);
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, answer);
	r = nl_send_auto(sock, msg);
	while (r >= 0 && !answer->done)
		r = nl_recvmsgs(sock, cb);
	if (answer->done)
		return 0;
	bo_rtnl_drop_answers(sock);
	return bo_err_set(err, EIO, BO_SUBSYS_SYS, "netem: netlink: %s", nl_geterror(r));
}

static struct nl_msg *qdisc_message(int type, int flags, int ifindex)
{
	struct tcmsg tcm = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = ifindex,
		.tcm_handle = BO_NETEM_HANDLE,
		.tcm_parent = TC_H_ROOT,
	};
	struct nl_msg *msg = nlmsg_alloc_simple(type, flags);

	if (msg && nlmsg_append(msg, &tcm, sizeof(tcm), NLMSG_ALIGNTO) < 0) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return msg;
}

static int refused(const struct answer *answer, const char *what, int ifindex, struct bo_err *err)
{
	/* ENOENT is what the kernel says when it finds no such qdisc *kind* and could not load one.
	 */
	if (answer->error == -ENOENT && strcmp(what, "install") == 0)
		return bo_err_set(err, ENOTSUP, BO_SUBSYS_SYS,
				  "the kernel has no sch_netem ('modprobe sch_netem' may help)");
	return bo_err_set(err, -answer->error, BO_SUBSYS_SYS,
			  "cannot %s netem on interface %d: %s%s%s%s", what, ifindex,
			  strerror(-answer->error), answer->text[0] ? " (" : "", answer->text,
			  answer->text[0] ? ")" : "");
}

static int netem_set(struct nl_sock *sock, int ifindex, int mtu, const struct bo_impair *im,
		     uint64_t seed, const char *what, int flags, struct bo_err *err)
{
	bo_auto(msg_free) struct nl_msg *msg = qdisc_message(RTM_NEWQDISC, NLM_F_REPLACE | flags,
							     ifindex);
	struct answer answer = { 0 };
	int r;

	if (!msg)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SYS, "netem: out of memory");
	r = bo_netem_encode_seeded(msg, im, mtu, seed, err);
	if (r == 0)
		r = netem_request(sock, msg, &answer, err);
	if (r < 0)
		return r;
	return answer.error ? refused(&answer, what, ifindex, err) : 0;
}

int bo_netem_install(struct nl_sock *sock, int ifindex, int mtu, struct bo_err *err)
{
	return netem_set(sock, ifindex, mtu, &(struct bo_impair){ 0 }, 0, "install", NLM_F_CREATE,
			 err);
}

int bo_netem_change_seeded(struct nl_sock *sock, int ifindex, int mtu, const struct bo_impair *im,
			   uint64_t seed, struct bo_err *err)
{
	/* Without NLM_F_CREATE: a qdisc that somebody took away must be an error, not a silent new
	 * one. */
	return netem_set(sock, ifindex, mtu, im, seed, "change", 0, err);
}

int bo_netem_change(struct nl_sock *sock, int ifindex, int mtu, const struct bo_impair *im,
		    struct bo_err *err)
{
	return bo_netem_change_seeded(sock, ifindex, mtu, im, 0, err);
}

int bo_netem_remove(struct nl_sock *sock, int ifindex, struct bo_err *err)
{
	bo_auto(msg_free) struct nl_msg *msg = qdisc_message(RTM_DELQDISC, 0, ifindex);
	struct answer answer = { 0 };
	int r;

	if (!msg)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SYS, "netem: out of memory");
	r = netem_request(sock, msg, &answer, err);
	if (r < 0)
		return r;
	/* ENOENT: only the default qdisc; EINVAL: a root qdisc with another handle, so not ours;
	 * ENODEV: the interface went and took its qdisc along. */
	if (!answer.error || answer.error == -ENOENT || answer.error == -EINVAL ||
	    answer.error == -ENODEV)
		return 0;
	return refused(&answer, "remove", ifindex, err);
}

static int netem_read(struct nl_sock *sock, int ifindex, struct bo_netem_stats *stats,
		      struct options_copy *options, struct bo_err *err)
{
	/* Without NLM_F_ECHO kernels before 6.4 tell the answer to the notification group only. */
	bo_auto(msg_free) struct nl_msg *msg = qdisc_message(RTM_GETQDISC, NLM_F_ECHO, ifindex);
	struct answer answer = { .stats = stats, .options = options };
	int r;

	if (!msg)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SYS, "netem: out of memory");
	r = netem_request(sock, msg, &answer, err);
	if (r < 0)
		return r;
	if (answer.error && answer.error != -EINVAL && answer.error != -ENOENT)
		return refused(&answer, "read", ifindex, err);
	if (answer.error || !answer.is_netem)
		return bo_err_set(err, ENOENT, BO_SUBSYS_SYS, "no netem on interface %d", ifindex);
	return 0;
}

int bo_netem_stats(struct nl_sock *sock, int ifindex, struct bo_netem_stats *ret,
		   struct bo_err *err)
{
	struct bo_netem_stats stats = { 0 };
	int r = netem_read(sock, ifindex, &stats, NULL, err);

	if (r == 0)
		*ret = stats;
	return r;
}

/* --- what can this kernel's netem do? ---------------------------------------------------------- */

static const char *part_name(int type)
{
	static const char *const names[] = {
		[TCA_NETEM_CORR] = "correlation",
		[TCA_NETEM_REORDER] = "reordering",
		[TCA_NETEM_CORRUPT] = "corruption",
		[TCA_NETEM_LOSS] = "loss model",
		[TCA_NETEM_RATE] = "rate",
		[TCA_NETEM_RATE64] = "rate above 34 Gbit/s",
		[TCA_NETEM_LATENCY64] = "delay above 274 s",
		[TCA_NETEM_JITTER64] = "exact jitter",
		[TCA_NETEM_SLOT] = "slot",
	};

	return type >= 0 && type < (int)(sizeof(names) / sizeof(names[0])) && names[type]
		       ? names[type]
		       : "attribute";
}

static bool is_zero(const struct nlattr *attr)
{
	const unsigned char *data = nla_data(attr);

	for (int i = 0; i < nla_len(attr); i++)
		if (data[i])
			return false;
	return true;
}

/** not_taken() - the first attribute of @sent that @kept does not have; zeroes may be left out, and a
 * table is never shown.  Return: its type, or -1 */
static int not_taken(const struct options_copy *sent, const struct options_copy *kept)
{
	struct nlattr *attr;
	int left;

	nla_for_each_attr(attr, (struct nlattr *)sent->bytes, sent->len, left)
	{
		struct nlattr *same = nla_find((struct nlattr *)kept->bytes, kept->len,
					       nla_type(attr));

		if (nla_type(attr) == TCA_NETEM_DELAY_DIST || (!same && is_zero(attr)))
			continue;
		if (!same || nla_len(same) != nla_len(attr) ||
		    memcmp(nla_data(same), nla_data(attr), (size_t)nla_len(attr)) != 0)
			return nla_type(attr);
	}
	return -1;
}

/** try_out() - put @im in force and ask what the kernel made of it; kernels skip what they do not know */
static int try_out(struct nl_sock *sock, int ifindex, int mtu, const struct bo_impair *im,
		   uint64_t seed, bool *ret_seeded, struct bo_err *err)
{
	bo_auto(msg_free) struct nl_msg *msg = qdisc_message(RTM_NEWQDISC, 0, ifindex);
	struct options_copy sent = { 0 }, kept = { 0 };
	struct bo_netem_stats stats;
	struct nlattr *options;
	int r, missing;

	if (!msg)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SYS, "netem: out of memory");
	r = bo_netem_encode(msg, im, mtu, err);
	if (r == 0)
		r = netem_set(sock, ifindex, mtu, im, seed, "change", 0, err);
	if (r == 0)
		r = netem_read(sock, ifindex, &stats, &kept, err);
	if (r < 0)
		return r;
	options = nlmsg_find_attr(nlmsg_hdr(msg), sizeof(struct tcmsg), TCA_OPTIONS);
	copy_attributes(options, &sent);
	missing = not_taken(&sent, &kept);
	if (missing >= 0)
		return bo_err_set(err, ENOTSUP, BO_SUBSYS_SYS,
				  "this kernel's netem has no %s, or does not take it off again",
				  part_name(missing));
	*ret_seeded = nla_find((struct nlattr *)kept.bytes, kept.len, BO_NETEM_PRNG_SEED) != NULL;
	return 0;
}

int bo_netem_probe(struct nl_sock *sock, int ifindex, int mtu, bool *ret_seeded, struct bo_err *err)
{
	const struct bo_impair all = {
		.delay_ns = INT64_C(300000000001), /* beyond what 32 bits of 64 ns can say */
		.loss = { .model = BO_LOSS_GE, .p_ppm = 1, .r_ppm = 2, .bad_loss_ppm = 3 },
		.duplicate = { .ppm = 1, .corr_ppm = 1 },
		.corrupt = { .ppm = 1, .corr_ppm = 1 },
		.reorder = { .ppm = 1, .corr_ppm = 1 },
		.rate_bps = INT64_C(80000000000),
		.rate_cell_bytes = 48,
		.rate_cell_overhead = 5,
		.slot = { .min_ns = 1, .max_ns = 2, .packets = 3, .bytes = 4 },
	};
	bool seeded = false, again;
	int r = bo_netem_install(sock, ifindex, mtu, err);

	if (r == 0)
		r = try_out(sock, ifindex, mtu, &all, 1, &seeded, err);
	if (r == 0)
		r = try_out(sock, ifindex, mtu, &(struct bo_impair){ 0 }, 1, &again, err);
	if (r == 0)
		*ret_seeded = seeded;
	return r;
}
