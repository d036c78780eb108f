/* SPDX-License-Identifier: Apache-2.0 */
/* sys/divert.c — see the header: an ifb with a tree of qdiscs, and what sends packets there.
 * Owns: nothing.  Threads: one per socket.  Privilege: CAP_NET_ADMIN. */
#include "brownout/sys/divert.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <linux/tc_act/tc_skbedit.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/cache.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/classifier.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/tc.h>
#include <poll.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/sys/netem.h"
#include "brownout/sys/rtnl.h"
#include "divert_match.h"

/* Handles: prio b007:, then one for each band's tbf and netem. */
#define TBF_HANDLE(band) TC_H_MAKE(0xb100u << 16 | (uint32_t)(band) << 16, 0)
#define NETEM_HANDLE(band) TC_H_MAKE(0xb200u << 16 | (uint32_t)(band) << 16, 0)
/* Filters are found again by their preference, of which these are ours. */
#define FILTER_PRIO(band) (47000u + (uint32_t)(band))
/* Bytes per second, so that a frame costs a nanosecond or two and no token is ever missing. */
#define TBF_RATE UINT64_C(1000000000000)
#define VLAN_TAGS_LEN 8
#define IFB_QUEUE_PACKETS 1000 /* its own 32 make it stop and start for nothing */
#define DRAIN_STEP_MS 2

uint32_t bo_divert_class(int band)
{
	return BO_NETEM_HANDLE | (uint32_t)(band + 1);
}

/* --- requests ----------------------------------------------------------------------------------- */

static struct nl_msg *tc_begin(int type, int flags, int ifindex, uint32_t parent, uint32_t handle,
			       uint32_t info)
{
	struct tcmsg t = { .tcm_family = AF_UNSPEC,
			   .tcm_ifindex = ifindex,
			   .tcm_parent = parent,
			   .tcm_handle = handle,
			   .tcm_info = info };

	return bo_rtnl_msg_new(type, flags, &t, sizeof(t));
}

/** carry_out() - one request;  @msg: [consumed];  @ok: what was put into it has found room */
static int carry_out(struct nl_sock *sock, struct nl_msg *msg, bool ok, const char *what,
		     struct bo_err *err)
{
	struct bo_rtnl_batch b = { 0 };
	int rc;

	if (!msg || !ok) {
		nlmsg_free(msg);
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SYS, "%s: out of memory", what);
	}
	bo_rtnl_batch_add(&b, msg, "%s", what);
	rc = bo_rtnl_batch_send(&b, sock, err);
	bo_rtnl_batch_done(&b);
	return rc;
}

/** lacking() - how the kernel says that it has no such kind: of a qdisc and a filter ENOENT, of a link EOPNOTSUPP */
static int lacking(int rc, const char *module, struct bo_err *err)
{
	if (rc != -ENOENT && rc != -EOPNOTSUPP)
		return rc;
	return bo_err_set(err, ENOTSUP, BO_SUBSYS_SYS,
			  "the kernel has no %s ('modprobe %s' may help)", module, module);
}

/** gone() - removing what is not there is fine, or what the kernel has no kind of */
static int gone(int rc, struct bo_err *err)
{
	if (rc != -ENOENT && rc != -EINVAL && rc != -ENODEV && rc != -EOPNOTSUPP)
		return rc;
	if (err)
		*err = (struct bo_err){ 0 };
	return 0;
}

/* --- the ifb ------------------------------------------------------------------------------------ */

static int add_ifb(struct nl_sock *sock, const char *name, struct bo_err *err)
{
	struct ifinfomsg ifi = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct nl_msg *msg = bo_rtnl_msg_new(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifi,
					     sizeof(ifi));
	struct nlattr *info = NULL;
	bool ok = msg && nla_put_string(msg, IFLA_IFNAME, name) == 0 &&
		  nla_put_u32(msg, IFLA_TXQLEN, IFB_QUEUE_PACKETS) == 0 &&
		  (info = nla_nest_start(msg, IFLA_LINKINFO)) &&
		  nla_put_string(msg, IFLA_INFO_KIND, "ifb") == 0;

	if (ok)
		nla_nest_end(msg, info);
	return lacking(carry_out(sock, msg, ok, "making an ifb", err), "ifb", err);
}

static int add_prio(struct nl_sock *sock, int ifb, struct bo_err *err)
{
	struct tc_prio_qopt opt = { .bands = BO_DIVERT_BANDS };
	struct nl_msg *msg = tc_begin(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, ifb, TC_H_ROOT,
				      BO_NETEM_HANDLE, 0);
	bool ok = msg && nla_put_string(msg, TCA_KIND, "prio") == 0 &&
		  nla_put(msg, TCA_OPTIONS, sizeof(opt), &opt) == 0;

	return lacking(carry_out(sock, msg, ok, "making a prio", err), "sch_prio", err);
}

/** remove_link() - @name: NULL, it is known by @ifindex;  one that is gone is fine */
static int remove_link(struct nl_sock *sock, int ifindex, const char *name, struct bo_err *err)
{
	struct ifinfomsg ifi = { .ifi_index = ifindex };
	struct nl_msg *msg = bo_rtnl_msg_new(RTM_DELLINK, 0, &ifi, sizeof(ifi));
	bool ok = msg && (!name || nla_put_string(msg, IFLA_IFNAME, name) == 0);

	return gone(carry_out(sock, msg, ok, "removing the ifb", err), err);
}

int bo_divert_make(struct nl_sock *sock, const char *name, int *ret_ifindex, struct bo_err *err)
{
	struct bo_err ignored = { 0 };
	int ifindex = 0, rc = add_ifb(sock, name, err);

	if (rc == -EEXIST)
		return rc;
	if (rc == 0 && !(ifindex = (int)if_nametoindex(name)))
		rc = bo_err_errno(err, BO_SUBSYS_SYS, "%s", name);
	if (rc == 0)
		rc = add_prio(sock, ifindex, err);
	/* An answer that was lost is no sign that nothing was made. */
	if (rc < 0)
		(void)!remove_link(sock, 0, name, &ignored);
	else
		*ret_ifindex = ifindex;
	return rc;
}

int bo_divert_remove(struct nl_sock *sock, int ifb, struct bo_err *err)
{
	return remove_link(sock, ifb, NULL, err);
}

/* --- lanes -------------------------------------------------------------------------------------- */

static int add_tbf(struct nl_sock *sock, int ifb, int band, int mtu, struct bo_err *err)
{
	const uint32_t burst = (uint32_t)mtu + ETH_HLEN + VLAN_TAGS_LEN;
	const uint64_t rate = TBF_RATE;
	struct tc_tbf_qopt opt = { .rate = { .rate = UINT32_MAX } }; /* no limit: no fifo */
	struct nl_msg *msg = tc_begin(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, ifb,
				      bo_divert_class(band), TBF_HANDLE(band), 0);
	struct nlattr *options = NULL;
	bool ok = msg && nla_put_string(msg, TCA_KIND, "tbf") == 0 &&
		  (options = nla_nest_start(msg, TCA_OPTIONS)) &&
		  nla_put(msg, TCA_TBF_PARMS, sizeof(opt), &opt) == 0 &&
		  nla_put_u64(msg, TCA_TBF_RATE64, rate) == 0 &&
		  nla_put_u32(msg, TCA_TBF_BURST, burst) == 0;

	if (ok)
		nla_nest_end(msg, options);
	return lacking(carry_out(sock, msg, ok, "making a tbf", err), "sch_tbf", err);
}

static int set_netem(struct nl_sock *sock, int ifb, int band, int mtu, const struct bo_impair *im,
		     int flags, const char *what, struct bo_err *err)
{
	struct nl_msg *msg = tc_begin(RTM_NEWQDISC, flags, ifb, TBF_HANDLE(band) | 1,
				      NETEM_HANDLE(band), 0);
	int rc = msg ? bo_netem_encode(msg, im, mtu, err) : 0;

	if (rc < 0) {
		nlmsg_free(msg);
		return rc;
	}
	return carry_out(sock, msg, true, what, err);
}

int bo_divert_lane_add(struct nl_sock *sock, int ifb, int band, int mtu, const struct bo_impair *im,
		       struct bo_err *err)
{
	struct bo_err ignored = { 0 };
	int rc = add_tbf(sock, ifb, band, mtu, err);

	if (rc == 0)
		rc = lacking(set_netem(sock, ifb, band, mtu, im, NLM_F_CREATE | NLM_F_EXCL,
				       "making a netem", err),
			     "sch_netem", err);
	if (rc < 0)
		(void)!bo_divert_lane_del(sock, ifb, band, &ignored);
	return rc;
}

int bo_divert_lane_change(struct nl_sock *sock, int ifb, int band, int mtu,
			  const struct bo_impair *im, struct bo_err *err)
{
	/* Without NLM_F_CREATE: one that somebody took away must be an error. */
	return set_netem(sock, ifb, band, mtu, im, NLM_F_REPLACE, "changing a netem", err);
}

int bo_divert_lane_del(struct nl_sock *sock, int ifb, int band, struct bo_err *err)
{
	return gone(carry_out(sock,
			      tc_begin(RTM_DELQDISC, 0, ifb, bo_divert_class(band),
				       TBF_HANDLE(band), 0),
			      true, "removing a tbf", err),
		    err);
}

/* --- looking ------------------------------------------------------------------------------------ */

static int qdiscs(struct nl_sock *sock, struct nl_cache **ret, struct bo_err *err)
{
	int rc = rtnl_qdisc_alloc_cache(sock, ret);

	if (rc == 0)
		return 0;
	bo_rtnl_drop_answers(sock);
	return bo_err_set(err, EIO, BO_SUBSYS_SYS, "reading qdiscs: %s", nl_geterror(rc));
}

int bo_divert_count(struct nl_sock *sock, int ifb, int band, struct bo_divert_count *ret,
		    struct bo_err *err)
{
	uint32_t handle = band < 0 ? BO_NETEM_HANDLE : NETEM_HANDLE(band);
	struct nl_cache *cache = NULL;
	struct rtnl_qdisc *q;
	int rc = qdiscs(sock, &cache, err);

	if (rc < 0)
		return rc;
	q = rtnl_qdisc_get(cache, ifb, handle);
	if (q) {
		struct rtnl_tc *tc = TC_CAST(q);

		ret->held = rtnl_tc_get_stat(tc, RTNL_TC_QLEN);
		ret->taken = rtnl_tc_get_stat(tc, RTNL_TC_PACKETS) +
			     rtnl_tc_get_stat(tc, RTNL_TC_DROPS) + ret->held;
		rtnl_qdisc_put(q);
	} else {
		rc = bo_err_set(err, ENOENT, BO_SUBSYS_SYS,
				"somebody removed the netem of this fault");
	}
	nl_cache_free(cache);
	return rc;
}

int bo_divert_hook_free(struct nl_sock *sock, int device, struct bo_err *err)
{
	struct nl_cache *cache = NULL;
	char name[IF_NAMESIZE] = "?";
	struct rtnl_qdisc *q;
	int rc = qdiscs(sock, &cache, err);

	if (rc < 0)
		return rc;
	/* clsact and ingress sit in the same place: TC_H_CLSACT is TC_H_INGRESS. */
	q = rtnl_qdisc_get_by_parent(cache, device, TC_H_INGRESS);
	if (q)
		rc = bo_err_set(err, EBUSY, BO_SUBSYS_SYS,
				"%s has a qdisc \"%s\" of somebody else's, with whose filters ours "
				"would meddle",
				if_indextoname((unsigned int)device, name) ? name : "the device",
				rtnl_tc_get_kind(TC_CAST(q)));
	if (q)
		rtnl_qdisc_put(q);
	nl_cache_free(cache);
	return rc;
}

/** filters() - Return: how many there are at @parent, whosever; -EIO */
static int filters(struct nl_sock *sock, int device, uint32_t parent, struct bo_err *err)
{
	struct nl_cache *cache = NULL;
	int rc = rtnl_cls_alloc_cache(sock, device, parent, &cache), n;

	if (rc < 0) {
		bo_rtnl_drop_answers(sock);
		return bo_err_set(err, EIO, BO_SUBSYS_SYS, "reading filters: %s", nl_geterror(rc));
	}
	n = nl_cache_nitems(cache);
	nl_cache_free(cache);
	return n;
}

/* --- the device ----------------------------------------------------------------------------------- */

static uint32_t hook_parent(bool inbound)
{
	return TC_H_MAKE(TC_H_CLSACT, inbound ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
}

int bo_divert_hook_add(struct nl_sock *sock, int device, struct bo_err *err)
{
	struct nl_msg *msg = tc_begin(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, device, TC_H_CLSACT,
				      TC_H_MAKE(TC_H_CLSACT, 0), 0);
	bool ok = msg && nla_put_string(msg, TCA_KIND, "clsact") == 0;
	int rc = lacking(carry_out(sock, msg, ok, "making a clsact", err), "sch_ingress", err);

	return rc == -EEXIST ? bo_err_set(err, EBUSY, BO_SUBSYS_SYS,
					  "somebody has just put a clsact or ingress qdisc there")
			     : rc;
}

int bo_divert_hook_del(struct nl_sock *sock, int device, struct bo_err *err)
{
	int n = filters(sock, device, hook_parent(false), err);

	if (n == 0)
		n = filters(sock, device, hook_parent(true), err);
	if (n != 0)
		return n < 0 ? n : 0;
	return gone(carry_out(sock,
			      tc_begin(RTM_DELQDISC, 0, device, TC_H_CLSACT,
				       TC_H_MAKE(TC_H_CLSACT, 0), 0),
			      true, "removing a clsact", err),
		    err);
}

/** struct action - of a filter;  @also: one more parameter, of 32 bits, 0 none */
struct action {
	const char *kind;
	int type;
	const void *parms;
	int len;
	int also;
	uint32_t value;
};

static bool put_action(struct nl_msg *msg, int place, const struct action *a)
{
	struct nlattr *at = nla_nest_start(msg, place), *options;

	if (!at || nla_put_string(msg, TCA_ACT_KIND, a->kind) < 0 ||
	    !(options = nla_nest_start(msg, TCA_ACT_OPTIONS | NLA_F_NESTED)) ||
	    nla_put(msg, a->type, a->len, a->parms) < 0 ||
	    (a->also && nla_put_u32(msg, a->also, a->value) < 0))
		return false;
	nla_nest_end(msg, options);
	nla_nest_end(msg, at);
	return true;
}

/** put_actions() - say which band it is for, and off to the ifb */
static bool put_actions(struct nl_msg *msg, int ifb, int band)
{
	const struct tc_skbedit edit = { .action = TC_ACT_PIPE };
	const struct tc_mirred redirect = { .action = TC_ACT_STOLEN,
					    .eaction = TCA_EGRESS_REDIR,
					    .ifindex = (uint32_t)ifb };
	const struct action actions[] = {
		{ "skbedit", TCA_SKBEDIT_PARMS, &edit, sizeof(edit), TCA_SKBEDIT_PRIORITY,
		  bo_divert_class(band) },
		{ "mirred", TCA_MIRRED_PARMS, &redirect, sizeof(redirect), 0, 0 },
	};
	struct nlattr *list = nla_nest_start(msg, TCA_BPF_ACT);

	for (int i = 0; i < 2; i++)
		if (!list || !put_action(msg, i + 1, &actions[i]))
			return false;
	nla_nest_end(msg, list);
	return true;
}

static struct nl_msg *filter_message(int type, int flags, int device, int band, bool inbound)
{
	return tc_begin(type, flags, device, hook_parent(inbound), 0,
			TC_H_MAKE(FILTER_PRIO(band) << 16, htons(ETH_P_ALL)));
}

int bo_divert_filter_add(struct nl_sock *sock, int device, int ifb, int band,
			 const struct bo_attach_peer *peer, bool inbound, struct bo_err *err)
{
	struct sock_filter ops[BO_DIVERT_OPS_MAX];
	uint16_t n = bo_divert_match(peer, inbound, ops);
	struct nl_msg *msg = filter_message(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, device, band,
					    inbound);
	struct nlattr *options = NULL;
	bool ok = msg && nla_put_string(msg, TCA_KIND, "bpf") == 0 &&
		  (options = nla_nest_start(msg, TCA_OPTIONS)) &&
		  nla_put_u16(msg, TCA_BPF_OPS_LEN, n) == 0 &&
		  nla_put(msg, TCA_BPF_OPS, (int)(n * sizeof(*ops)), ops) == 0 &&
		  put_actions(msg, ifb, band);

	if (ok)
		nla_nest_end(msg, options);
	return lacking(carry_out(sock, msg, ok, "making a filter", err),
		       "cls_bpf, act_mirred or act_skbedit", err);
}

int bo_divert_filter_del(struct nl_sock *sock, int device, int band, bool inbound,
			 struct bo_err *err)
{
	return gone(carry_out(sock, filter_message(RTM_DELTFILTER, 0, device, band, inbound), true,
			      "removing a filter", err),
		    err);
}

/* --- taking back, all at once ----------------------------------------------------------------------- */

static void drain(struct nl_sock *sock, int ifb, int64_t drain_ns)
{
	const int64_t deadline_ns = bo_now_ns() + drain_ns;
	struct bo_divert_count count = { .held = 1 };
	struct bo_err ignored = { 0 };

	while (bo_divert_count(sock, ifb, -1, &count, &ignored) == 0 && count.held &&
	       bo_now_ns() < deadline_ns)
		poll(NULL, 0, DRAIN_STEP_MS);
}

int bo_divert_undo(struct nl_sock *sock, const char *name, int device, int64_t drain_ns,
		   struct bo_err *err)
{
	int ifb = (int)if_nametoindex(name), rc = 0;

	for (int i = 0; rc == 0 && device && i < 2 * BO_DIVERT_BANDS; i++)
		rc = bo_divert_filter_del(sock, device, i / 2, i % 2, err);
	if (rc == 0 && ifb)
		drain(sock, ifb, drain_ns);
	if (rc == 0 && device)
		rc = bo_divert_hook_del(sock, device, err);
	if (rc == 0 && ifb)
		rc = bo_divert_remove(sock, ifb, err);
	return rc;
}

/* --- the way to a peer ------------------------------------------------------------------------------ */

static int on_route(struct nl_msg *msg, void *arg)
{
	struct nlattr *tb[RTA_MAX + 1];
	int *ifindex = arg;

	if (nlmsg_hdr(msg)->nlmsg_type == RTM_NEWROUTE &&
	    nlmsg_parse(nlmsg_hdr(msg), sizeof(struct rtmsg), tb, RTA_MAX, NULL) == 0 &&
	    tb[RTA_OIF])
		*ifindex = nla_get_s32(tb[RTA_OIF]);
	return NL_OK;
}

int bo_divert_route(struct nl_sock *sock, const struct bo_attach_peer *peer, int *ret_ifindex,
		    struct bo_err *err)
{
	const uint8_t bits = peer->family == AF_INET ? 32 : 128;
	struct rtmsg rt = { .rtm_family = (uint8_t)peer->family, .rtm_dst_len = bits };
	struct nl_msg *msg;
	int ifindex = 0, rc;

	if (peer->prefix != bits)
		return bo_err_set(
			err, ENOENT, BO_SUBSYS_SYS,
			"the way to a network is not known; interface = \"eth0\" says it");
	msg = nlmsg_alloc_simple(RTM_GETROUTE, NLM_F_REQUEST);
	if (!msg || nlmsg_append(msg, &rt, sizeof(rt), NLMSG_ALIGNTO) < 0 ||
	    nla_put(msg, RTA_DST, bits / 8, peer->address) < 0) {
		nlmsg_free(msg);
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SYS, "out of memory");
	}
	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, on_route, &ifindex);
	/* The route is the only answer: an acknowledgement would be taken for that of the next request. */
	nl_socket_disable_auto_ack(sock);
	nl_socket_disable_seq_check(sock); /* libnl counts what is acknowledged */
	rc = nl_send_auto(sock, msg);
	nlmsg_free(msg);
	if (rc >= 0)
		rc = nl_recvmsgs_default(sock);
	nl_socket_enable_auto_ack(sock);
	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_DEFAULT, NULL, NULL);
	if (rc < 0)
		bo_rtnl_drop_answers(sock);
	if (rc < 0 || !ifindex)
		return bo_err_set(err, ENOENT, BO_SUBSYS_SYS, "there is no route to the peer");
	*ret_ifindex = ifindex;
	return 0;
}
