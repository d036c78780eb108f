/* SPDX-License-Identifier: Apache-2.0 */
/* sys/netem.c — the netem qdisc over rtnetlink: encode, install, change, remove, count.
 *
 * One rule governs the encoder: every message states the *whole* impairment.  netem keeps what a
 * change does not mention (a rate, a 64-bit delay), so a message that leaves out TCA_NETEM_RATE
 * would heal everything but the rate. A change goes to the same handle with NLM_F_REPLACE, which
 * the kernel turns into qdisc_change(): one step between two packets, and what is queued stays
 * queued.
 *
 * Owns: nothing.  Threads: one per socket.  Privilege: CAP_NET_ADMIN over the socket's network
 * namespace. */
#include "brownout/sys/netem.h"

#include <errno.h>
#include <linux/gen_stats.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <math.h>
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
#include "brownout/base/clock.h"

/* net/pkt_sched.h: PSCHED_SHIFT; the tick that struct tc_netem_qopt counts time in is 64 ns on
 * every kernel since 2.6.31 (/proc/net/psched says so to tc). */
#define PSCHED_TICK_NS 64

#define NETEM_LIMIT_FLOOR 1000u /* netem's own default */
#define NETEM_LIMIT_CEILING (1u << 20)
#define NETEM_GUESSED_BPS INT64_C(10000000000)
#define NETEM_SMALL_PACKET 64 /* bytes: pure ACKs and SYNs fill a queue counted in packets first */

uint32_t bo_netem_limit(const struct bo_impair *im, int mtu)
{
	double bps = im->rate_bps > 0 ? (double)im->rate_bps : (double)NETEM_GUESSED_BPS;
	double bytes = im->rate_bps > 0 || mtu < NETEM_SMALL_PACKET ? NETEM_SMALL_PACKET : mtu;
	double held_s = (double)(im->delay_ns + im->jitter_ns) / (double)BO_NSEC_PER_SEC;
	double packets;

	if (im->limit_packets > 0)
		return im->limit_packets > UINT32_MAX ? UINT32_MAX : (uint32_t)im->limit_packets;
	/* Packets under way, plus the standing queue that netem would allow by default. */
	packets = (double)NETEM_LIMIT_FLOOR + ceil(held_s * bps / (8 * bytes));
	return packets > NETEM_LIMIT_CEILING ? NETEM_LIMIT_CEILING : (uint32_t)packets;
}

/* --- encode ----------------------------------------------------------------------------------- */

/** struct netem_options - the payload of TCA_OPTIONS while it is built: struct tc_netem_qopt, then
 * attributes */
struct netem_options {
	unsigned char bytes[sizeof(struct tc_netem_qopt) + 128];
	size_t len;
};

static void options_put(struct netem_options *options, int type, const void *data, size_t len)
{
	struct nlattr attr = { .nla_len = (uint16_t)(NLA_HDRLEN + len),
			       .nla_type = (uint16_t)type };

	/* Callers put a fixed set of attributes that fits by far; libnl's nest helpers cannot put
	 * the bare struct that netem wants in front of them. */
	memcpy(options->bytes + options->len, &attr, sizeof(attr));
	memcpy(options->bytes + options->len + NLA_HDRLEN, data, len);
	options->len += NLA_ALIGN(NLA_HDRLEN + len);
}

static uint32_t ticks_of(int64_t ns)
{
	int64_t ticks = ns / PSCHED_TICK_NS;

	return ticks > UINT32_MAX ? UINT32_MAX : (uint32_t)ticks;
}

/** probability_of() - parts per million as netem wants them: 0 never, UINT32_MAX always */
static uint32_t probability_of(int64_t ppm)
{
	return (uint32_t)rint((double)ppm / BO_PPM_ALL * UINT32_MAX);
}

static void options_put_rate(struct netem_options *options, int64_t bps)
{
	uint64_t bytes_per_s = ((uint64_t)bps + 7) / 8;
	struct tc_netem_rate rate = { 0 };

	if (bytes_per_s > UINT32_MAX)
		options_put(options, TCA_NETEM_RATE64, &bytes_per_s, sizeof(bytes_per_s));
	/* RATE64 counts only where it exceeds RATE, and zero here is what lifts an earlier rate. */
	rate.rate = bytes_per_s > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes_per_s;
	options_put(options, TCA_NETEM_RATE, &rate, sizeof(rate));
}

int bo_netem_encode(struct nl_msg *msg, const struct bo_impair *im, int mtu, struct bo_err *err)
{
	struct netem_options options = { .len = sizeof(struct tc_netem_qopt) };
	struct tc_netem_qopt qopt = { 0 };

	if (bo_impair_check(im, err) < 0)
		return -EINVAL;
	qopt.latency = ticks_of(im->delay_ns);
	qopt.jitter = ticks_of(im->jitter_ns);
	qopt.limit = bo_netem_limit(im, mtu);
	qopt.loss = im->blackhole ? UINT32_MAX : probability_of(im->loss.random.ppm);
	memcpy(options.bytes, &qopt, sizeof(qopt));
	options_put_rate(&options, im->rate_bps);
	/* These win over the 32-bit fields, which end at 274 s and are cut to 64 ns. */
	options_put(&options, TCA_NETEM_LATENCY64, &im->delay_ns, sizeof(im->delay_ns));
	options_put(&options, TCA_NETEM_JITTER64, &im->jitter_ns, sizeof(im->jitter_ns));

	if (nla_put_string(msg, TCA_KIND, "netem") < 0 ||
	    nla_put(msg, TCA_OPTIONS, (int)options.len, options.bytes) < 0)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SYS, "netem: the netlink message is full");
	return 0;
}

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

/** struct answer - what came back for one request */
struct answer {
	bool done;
	int error; /* negative errno of the kernel */
	char text[160];
	struct bo_netem_stats *stats;
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
	if (!answer->done)
		return bo_err_set(err, EIO, BO_SUBSYS_SYS, "netem: netlink: %s", nl_geterror(r));
	return 0;
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
		     const char *what, int flags, struct bo_err *err)
{
	bo_auto(msg_free) struct nl_msg *msg = qdisc_message(RTM_NEWQDISC, NLM_F_REPLACE | flags,
							     ifindex);
	struct answer answer = { 0 };
	int r;

	if (!msg)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SYS, "netem: out of memory");
	r = bo_netem_encode(msg, im, mtu, err);
	if (r == 0)
		r = netem_request(sock, msg, &answer, err);
	if (r < 0)
		return r;
	return answer.error ? refused(&answer, what, ifindex, err) : 0;
}

int bo_netem_install(struct nl_sock *sock, int ifindex, int mtu, struct bo_err *err)
{
	return netem_set(sock, ifindex, mtu, &(struct bo_impair){ 0 }, "install", NLM_F_CREATE,
			 err);
}

int bo_netem_change(struct nl_sock *sock, int ifindex, int mtu, const struct bo_impair *im,
		    struct bo_err *err)
{
	/* Without NLM_F_CREATE: a qdisc that somebody took away must be an error, not a silent new
	 * one. */
	return netem_set(sock, ifindex, mtu, im, "change", 0, err);
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

int bo_netem_stats(struct nl_sock *sock, int ifindex, struct bo_netem_stats *ret,
		   struct bo_err *err)
{
	/* Without NLM_F_ECHO kernels before 6.4 tell the answer to the notification group only. */
	bo_auto(msg_free) struct nl_msg *msg = qdisc_message(RTM_GETQDISC, NLM_F_ECHO, ifindex);
	struct bo_netem_stats stats = { 0 };
	struct answer answer = { .stats = &stats };
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
	*ret = stats;
	return 0;
}
