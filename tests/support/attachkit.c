/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/attachkit.c — see the header. */
#include "attachkit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/sys/netns.h"
#include "brownout/sys/rtnl.h"

static void skip(const char *why)
{
	fprintf(stderr, "cannot run here: %s\n", why);
	exit(77);
}

static void must(int ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "attachkit: %s: %s\n", what, strerror(errno));
		exit(1);
	}
}

static void rtnl_must(struct bo_rtnl_batch *b)
{
	struct nl_sock *sock = NULL;
	struct bo_err err = { 0 };

	if (bo_rtnl_open(&sock, &err) < 0 || bo_rtnl_batch_send(b, sock, &err) < 0)
		skip(err.msg);
	bo_rtnl_close(&sock);
	bo_rtnl_batch_done(b);
}

/* Return: false where the kernel has no IPv6 */
static bool configure(int ifindex, const char *address, const char *address6)
{
	struct bo_rtnl_addr a = { .family = AF_INET, .prefix = 24 };
	struct bo_rtnl_addr a6 = { .family = AF_INET6, .prefix = 64 };
	struct bo_rtnl_batch b = { 0 };
	struct nl_sock *sock = NULL;
	struct bo_err err = { 0 };
	int rc;

	inet_pton(AF_INET, address, a.bytes);
	inet_pton(AF_INET6, address6, a6.bytes);
	bo_rtnl_addr_add(&b, ifindex, &a);
	bo_rtnl_link_up(&b, ifindex, 0, 0);
	bo_rtnl_link_up(&b, 1, 0, 0); /* lo */
	rtnl_must(&b);
	bo_rtnl_addr_add(&b, ifindex, &a6);
	if (bo_rtnl_open(&sock, &err) < 0)
		skip(err.msg);
	rc = bo_rtnl_batch_send(&b, sock, &err);
	bo_rtnl_close(&sock);
	bo_rtnl_batch_done(&b);
	return rc == 0;
}

void attach_world_enter(int netns)
{
	must(setns(netns, CLONE_NEWNET) == 0, "setns");
}

void attach_world_make(struct attach_world *w)
{
	struct bo_rtnl_batch b = { 0 };
	struct bo_rtnl_veth veth = { .name = KIT_DEVICE,
				     .ifindex = 11,
				     .mac = { 2, 0, 0, 0, 0, 1 },
				     .peer_name = "peer0",
				     .peer_ifindex = 12,
				     .peer_mac = { 2, 0, 0, 0, 0, 2 },
				     .mtu = 1500 };
	struct bo_err err = { 0 };

	if (geteuid() != 0)
		skip("not root");
	if (unshare(CLONE_NEWNS) < 0 || mount("", "/", "", MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("run", "/run", "tmpfs", 0, "mode=755") < 0)
		skip("no mount namespace");
	if (bo_netns_current(&w->home, &err) < 0 || bo_netns_new(&w->peer, &err) < 0 ||
	    bo_netns_new(&w->service, &err) < 0)
		skip(err.msg);
	veth.peer_netns = w->peer;
	bo_rtnl_veth_add(&b, &veth);
	rtnl_must(&b);
	w->v6 = configure(11, KIT_SERVICE, KIT_SERVICE6);
	attach_world_enter(w->peer);
	w->v6 = configure(12, KIT_PEER, KIT_PEER6);
	attach_world_enter(w->service);
	w->queue = bo_attach_queue_supported(&err) == 0;
	w->netem = bo_attach_netem_supported(11, &err) == 0;
	if (!w->queue && !w->netem)
		skip(err.msg);
	attach_world_enter(w->home);
}

void attach_world_done(struct attach_world *w)
{
	bo_close(&w->service);
	bo_close(&w->peer);
	bo_close(&w->home);
}

/* --- lists -------------------------------------------------------------------------------------- */

/** dump() - what a netlink dump says, in hex; without headers, which hold sequence and generation numbers */
static void dump(FILE *out, int protocol, int type, const void *head, size_t len, size_t skip_len)
{
	struct {
		struct nlmsghdr h;
		char body[64];
	} req = { .h = { .nlmsg_len = (uint32_t)NLMSG_LENGTH(len),
			 .nlmsg_type = (uint16_t)type,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			 .nlmsg_seq = 1 } };
	_Alignas(16) char buf[65536];
	static int lacking = -1; /* asked once: the kernel calls modprobe(8) each time */
	bo_auto_fd int fd = -1;

	memcpy(req.body, head, len);
	if (protocol == lacking)
		return;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	/* A kernel without nf_tables has none to list. */
	if (fd < 0 && errno == EPROTONOSUPPORT) {
		lacking = protocol;
		return;
	}
	must(fd >= 0 && send(fd, &req, req.h.nlmsg_len, 0) > 0, "dump");
	for (;;) {
		int n = (int)recv(fd, buf, sizeof(buf), 0);

		must(n > 0, "dump");
		for (struct nlmsghdr *h = (struct nlmsghdr *)buf; NLMSG_OK(h, (unsigned int)n);
		     h = NLMSG_NEXT(h, n)) {
			if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
				return;
			fprintf(out, "%d:", type);
			for (uint32_t i = (uint32_t)(NLMSG_HDRLEN + skip_len); i < h->nlmsg_len;
			     i++)
				fprintf(out, "%02x", ((unsigned char *)h)[i]);
			fputc('\n', out);
		}
	}
}

/** filters() - of every device, at its root and on both sides of a clsact */
static void filters(FILE *out)
{
	static const uint32_t parents[] = { TC_H_ROOT, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
					    TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS) };
	struct if_nameindex *list = if_nameindex();

	must(list != NULL, "if_nameindex");
	for (struct if_nameindex *i = list; i->if_index; i++) {
		fprintf(out, "device %u %s\n", i->if_index, i->if_name);
		for (size_t p = 0; p < sizeof(parents) / sizeof(*parents); p++) {
			struct tcmsg t = { .tcm_ifindex = (int)i->if_index,
					   .tcm_parent = parents[p] };

			dump(out, NETLINK_ROUTE, RTM_GETTFILTER, &t, sizeof(t), 0);
		}
	}
	if_freenameindex(list);
}

/** qdiscs() - kind, handle, parent and options; counters would differ */
static void qdiscs(FILE *out)
{
	struct {
		struct nlmsghdr h;
		struct tcmsg t;
	} req = { .h = { .nlmsg_len = sizeof(req),
			 .nlmsg_type = RTM_GETQDISC,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP } };
	_Alignas(16) char buf[65536];
	bo_auto_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	must(fd >= 0 && send(fd, &req, sizeof(req), 0) > 0, "qdiscs");
	for (;;) {
		int n = (int)recv(fd, buf, sizeof(buf), 0);

		must(n > 0, "qdiscs");
		for (struct nlmsghdr *h = (struct nlmsghdr *)buf; NLMSG_OK(h, (unsigned int)n);
		     h = NLMSG_NEXT(h, n)) {
			struct tcmsg *t = NLMSG_DATA(h);
			struct rtattr *a = (struct rtattr *)(t + 1);
			int left = (int)(h->nlmsg_len - NLMSG_LENGTH(sizeof(*t)));

			if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
				return;
			fprintf(out, "qdisc on %d handle %x parent %x ", t->tcm_ifindex,
				t->tcm_handle, t->tcm_parent);
			for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
				if (a->rta_type == TCA_KIND)
					fputs(RTA_DATA(a), out);
				for (size_t i = 0; a->rta_type == TCA_OPTIONS && i < RTA_PAYLOAD(a);
				     i++)
					fprintf(out, "%02x", ((unsigned char *)RTA_DATA(a))[i]);
			}
			fputc('\n', out);
		}
	}
}

char *attach_world_lists(const struct attach_world *w, int netns)
{
	static const int types[] = { NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN, NFT_MSG_GETRULE };
	struct nfgenmsg head = { .nfgen_family = AF_UNSPEC };
	char *text = NULL, line[256];
	size_t len = 0;
	FILE *out = open_memstream(&text, &len), *queues;

	must(out != NULL, "memory");
	attach_world_enter(netns);
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		dump(out, NETLINK_NETFILTER, NFNL_SUBSYS_NFTABLES << 8 | types[i], &head,
		     sizeof(head), sizeof(head));
	queues = fopen("/proc/self/net/netfilter/nfnetlink_queue", "re");
	while (queues && fgets(line, sizeof(line), queues))
		fprintf(out, "queue %s", line);
	if (queues)
		fclose(queues);
	qdiscs(out);
	filters(out);
	attach_world_enter(w->home);
	fclose(out);
	return text;
}

/* --- the service ---------------------------------------------------------------------------------- */

struct bo_attach_conf attach_world_conf(pid_t pid)
{
	struct bo_attach_conf conf = { .name = "orders", .npeers = 1, .seed = 1 };
	struct bo_err err = { 0 };

	conf.spec.pid = pid;
	conf.spec.ttl_ns = 60 * BO_NSEC_PER_SEC;
	must(bo_attach_peer_parse(KIT_PEER, &conf.peers[0], &err) == 0, "peer");
	conf.peers[0].port = KIT_PORT;
	conf.peers[0].protocol = IPPROTO_TCP;
	return conf;
}

pid_t kit_spawn(int netns, int (*fn)(void *arg), void *arg)
{
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	attach_world_enter(netns);
	_exit(fn(arg));
}

int kit_wait(pid_t pid, int timeout_ms)
{
	int64_t deadline = bo_now_ns() + timeout_ms * BO_NSEC_PER_MSEC;
	int status = -1;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (bo_now_ns() > deadline) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return -1;
		}
		usleep(2000);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
