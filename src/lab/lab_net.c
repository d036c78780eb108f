/* SPDX-License-Identifier: Apache-2.0 */
/* lab/lab_net.c — the network of a lab.
 * Each node has one primary address per family on lo.  A link is an unnumbered pair of devices, one in each
 * namespace, with a host route to the peer's primary address; so a node is the same address from everywhere, and each
 * pair of nodes still has a wire of its own.  A management link is a numbered pair to the client's namespace that no
 * fault ever touches.
 * Two passes: first every namespace with its socket, then every namespace once more for its devices, addresses,
 * routes and probe sockets, with one batch of rtnetlink requests each.
 * Owns: nothing beyond struct bo_lab.  Threads: single-threaded.  Privilege: CAP_SYS_ADMIN, CAP_NET_ADMIN. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/log.h"
#include "brownout/lab/dns.h"
#include "brownout/lab/linkprobe.h"
#include "brownout/sys/netem.h"
#include "brownout/sys/netns.h"
#include "brownout/sys/tun.h"
#include "brownout/sys/tun_stamp.h"
#include "lab-internal.h"

#define LO 1
/* Indices of veth devices are chosen here, far above those that the kernel hands out to TUN devices, so that no answer
 * has to be waited for.  They count per namespace. */
#define IFINDEX_LINK 1000
#define IFINDEX_MANAGEMENT 2000

static const int families[] = { AF_INET, AF_INET6 };

static size_t nfamilies(const struct bo_lab *lab)
{
	return lab->ipv6 ? 2 : 1;
}

static int undo_netns(void *self, long index, struct bo_err *err)
{
	struct lab_node *n = &((struct bo_lab *)self)->nodes[index];

	(void)err;
	bo_rtnl_close(&n->rtnl);
	bo_close(&n->netns);
	return 0;
}

static int make_netns(struct bo_lab *lab, int i, struct bo_err *err)
{
	struct lab_node *n = &lab->nodes[i];
	int rc = bo_undo_push(&lab->undo, "network namespace", undo_netns, lab, i, err);

	if (rc < 0)
		return rc;
	if (i == BO_NODE_CLIENT)
		rc = bo_netns_enter(lab->client_netns, err);
	else
		rc = bo_netns_new(&n->netns, err);
	if (rc < 0)
		return rc;
	bo_netns_defaults();
	/* All load comes from one address; what a service may use is its own business. */
	if (i == BO_NODE_CLIENT)
		bo_netns_all_ports();
	return bo_rtnl_open(&n->rtnl, err);
}

static void link_name(int peer, char *buf)
{
	snprintf(buf, IFNAMSIZ, "l-%d", peer);
}

static void veth_of_link(const struct bo_lab *lab, struct lab_link *l, struct bo_rtnl_batch *b)
{
	char name[IFNAMSIZ], peer_name[IFNAMSIZ];
	struct bo_rtnl_veth veth = {
		.name = name,
		.ifindex = IFINDEX_LINK + l->b,
		.peer_name = peer_name,
		.peer_ifindex = IFINDEX_LINK + l->a,
		.peer_netns = lab->nodes[l->b].netns,
		.mtu = BO_LAB_MTU,
		.no_gso = true,
	};

	link_name(l->b, name);
	link_name(l->a, peer_name);
	lab_mac(l->a, l->b, false, veth.mac);
	lab_mac(l->b, l->a, false, veth.peer_mac);
	bo_rtnl_veth_add(b, &veth);
	l->ifindex_a = veth.ifindex;
	l->ifindex_b = veth.peer_ifindex;
}

static void veth_of_management(const struct bo_lab *lab, int node, struct bo_rtnl_batch *b)
{
	char name[IFNAMSIZ];
	struct bo_rtnl_veth veth = {
		.name = name,
		.ifindex = IFINDEX_MANAGEMENT + node,
		.peer_name = "mgmt",
		.peer_ifindex = IFINDEX_MANAGEMENT,
		.peer_netns = lab->nodes[node].netns,
		.mtu = BO_LAB_MTU,
	};

	snprintf(name, sizeof(name), "m-%d", node);
	lab_mac(BO_NODE_CLIENT, node, true, veth.mac);
	lab_mac(node, BO_NODE_CLIENT, true, veth.peer_mac);
	bo_rtnl_veth_add(b, &veth);
}

/* The pairs whose first end is in node @i's namespace, which the caller need not be in: the socket is. */
static int make_veths(struct bo_lab *lab, int i, struct bo_err *err)
{
	struct bo_rtnl_batch b = { 0 };
	int rc = 0;

	for (size_t j = 0; lab->driver == BO_DRIVER_NETEM && j < lab->nlinks; j++)
		if (lab->links[j].a == i)
			veth_of_link(lab, &lab->links[j], &b);
	for (size_t j = 1; i == BO_NODE_CLIENT && !lab->management_wire && j < lab->nnodes; j++)
		veth_of_management(lab, (int)j, &b);
	if (b.reqs.len || b.failed)
		rc = bo_rtnl_batch_send(&b, lab->nodes[i].rtnl, err);
	bo_rtnl_batch_done(&b);
	return rc;
}

static int make_tun(const char *name, int *ret_fd, int *ret_ifindex, struct bo_err *err)
{
	int rc = bo_tun_open(name, ret_fd, err);

	if (rc < 0)
		return rc;
	*ret_ifindex = (int)if_nametoindex(name);
	if (*ret_ifindex <= 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "looking up %s", name);
	return 0;
}

/* A wire is one without stamps, too: `doctor` says what it lacks then. */
static void stamp_tun(int tun, int *ret_fd)
{
	struct bo_err err = { 0 };

	if (bo_tun_stamp_open(tun, ret_fd, &err) < 0)
		bo_log(BO_LOG_DEBUG, "link without stamps of arrival: %s", err.msg);
}

/* One end of a link: up, and a route to the peer for each family. */
static void link_requests(const struct bo_lab *lab, int self, int peer, int ifindex,
			  struct bo_rtnl_batch *b)
{
	uint8_t mac[BO_RTNL_MAC_LEN];

	lab_mac(peer, self, false, mac);
	bo_rtnl_link_up(b, ifindex, BO_LAB_MTU,
			lab->driver == BO_DRIVER_WIRE ? BO_TUN_QUEUE_PACKETS : 0);
	for (size_t f = 0; f < nfamilies(lab); f++) {
		struct bo_rtnl_addr src, dst;

		lab_addr(LAB_PRIMARY, families[f], self, &src);
		lab_addr(LAB_PRIMARY, families[f], peer, &dst);
		/* A TUN device has no link layer and wants none. */
		if (lab->driver == BO_DRIVER_NETEM)
			bo_rtnl_neigh_add(b, ifindex, &dst, mac);
		bo_rtnl_route_add(b, ifindex, &dst, &src);
	}
}

/* One end of node's management link; which says whose end. */
static void management_requests(const struct bo_lab *lab, int node, enum lab_addr which,
				int ifindex, struct bo_rtnl_batch *b)
{
	bool client = which == LAB_MANAGEMENT_CLIENT;
	uint8_t mac[BO_RTNL_MAC_LEN];

	lab_mac(client ? node : BO_NODE_CLIENT, client ? BO_NODE_CLIENT : node, true, mac);
	bo_rtnl_link_up(b, ifindex, BO_LAB_MTU, lab->management_wire ? BO_TUN_QUEUE_PACKETS : 0);
	for (size_t f = 0; f < nfamilies(lab); f++) {
		struct bo_rtnl_addr own, peer;

		lab_addr(which, families[f], node, &own);
		lab_addr(client ? LAB_MANAGEMENT_NODE : LAB_MANAGEMENT_CLIENT, families[f], node,
			 &peer);
		bo_rtnl_addr_add(b, ifindex, &own);
		if (!lab->management_wire)
			bo_rtnl_neigh_add(b, ifindex, &peer, mac);
	}
}

static int management_end(struct bo_lab *lab, int node, enum lab_addr which,
			  struct bo_rtnl_batch *b, struct bo_err *err)
{
	bool client = which == LAB_MANAGEMENT_CLIENT;
	int ifindex = IFINDEX_MANAGEMENT + (client ? node : 0);
	char name[IFNAMSIZ] = "mgmt";

	if (lab->management_wire) {
		struct lab_node *n = &lab->nodes[node];
		int rc;

		if (client)
			snprintf(name, sizeof(name), "m-%d", node);
		rc = make_tun(name, client ? &n->management_client : &n->management_node, &ifindex,
			      err);
		if (rc < 0)
			return rc;
	}
	management_requests(lab, node, which, ifindex, b);
	return 0;
}

static int link_end(struct bo_lab *lab, int self, struct lab_link *l, struct bo_rtnl_batch *b,
		    struct bo_err *err)
{
	bool is_a = l->a == self;
	int peer = is_a ? l->b : l->a;
	int *ifindex = is_a ? &l->ifindex_a : &l->ifindex_b;

	if (lab->driver == BO_DRIVER_WIRE) {
		char name[IFNAMSIZ];
		int rc;

		link_name(peer, name);
		rc = make_tun(name, is_a ? &l->fds.tun_a : &l->fds.tun_b, ifindex, err);
		if (rc < 0)
			return rc;
		stamp_tun(is_a ? l->fds.tun_a : l->fds.tun_b,
			  is_a ? &l->fds.stamps_a : &l->fds.stamps_b);
	}
	link_requests(lab, self, peer, *ifindex, b);
	return 0;
}

/* A probe socket of each link shares address and port with those of the node's other links; the device tells them
 * apart, so it must be bound before the address (udp_lib_lport_inuse() compares sk_bound_dev_if). */
static int open_probe(int self, int peer, int *ret_fd, struct bo_err *err)
{
	bo_auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(BO_LINKPROBE_PORT) };
	struct bo_rtnl_addr addr;
	char name[IFNAMSIZ];

	link_name(peer, name);
	lab_addr(LAB_PRIMARY, AF_INET, self, &addr);
	memcpy(&at.sin_addr, addr.bytes, sizeof(at.sin_addr));
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name) + 1) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "opening a probe socket on %s", name);
	*ret_fd = bo_steal_fd(&fd);
	return 0;
}

/* Where the node's resolver will ask; who answers is not known here. */
static int open_dns(int type, int *ret_fd, struct bo_err *err)
{
	bo_auto_fd int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(BO_DNS_PORT) };

	inet_pton(AF_INET, BO_DNS_ADDRESS, &at.sin_addr);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, SOMAXCONN) < 0))
		return bo_err_errno(err, BO_SUBSYS_LAB, "opening the name server's sockets");
	*ret_fd = bo_steal_fd(&fd);
	return 0;
}

static int after_batch(struct bo_lab *lab, int i, struct bo_err *err)
{
	struct lab_node *n = &lab->nodes[i];
	int rc_dns = n->dns ? open_dns(SOCK_DGRAM, &n->dns_udp, err) : 0;

	if (rc_dns == 0 && n->dns)
		rc_dns = open_dns(SOCK_STREAM, &n->dns_tcp, err);
	if (rc_dns < 0)
		return rc_dns;
	for (size_t j = 0; j < lab->nlinks; j++) {
		struct lab_link *l = &lab->links[j];
		bool is_a = l->a == i;
		int rc;

		if (!is_a && l->b != i)
			continue;
		rc = open_probe(i, is_a ? l->b : l->a, is_a ? &l->fds.probe_a : &l->fds.probe_b,
				err);
		/* From now on an impairment is one atomic change of an existing qdisc. */
		if (rc == 0 && lab->driver == BO_DRIVER_NETEM)
			rc = bo_netem_install(lab->nodes[i].rtnl,
					      is_a ? l->ifindex_a : l->ifindex_b, BO_LAB_MTU, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int fill_batch(struct bo_lab *lab, int i, struct bo_rtnl_batch *b, struct bo_err *err)
{
	int rc = 0;

	bo_rtnl_link_up(b, LO, 0, 0);
	for (size_t f = 0; f < nfamilies(lab); f++) {
		struct bo_rtnl_addr own;

		lab_addr(LAB_PRIMARY, families[f], i, &own);
		bo_rtnl_addr_add(b, LO, &own);
	}
	for (size_t j = 0; rc == 0 && j < lab->nlinks; j++)
		if (lab->links[j].a == i || lab->links[j].b == i)
			rc = link_end(lab, i, &lab->links[j], b, err);
	if (i != BO_NODE_CLIENT)
		return rc < 0 ? rc : management_end(lab, i, LAB_MANAGEMENT_NODE, b, err);
	for (size_t j = 1; rc == 0 && j < lab->nnodes; j++)
		rc = management_end(lab, (int)j, LAB_MANAGEMENT_CLIENT, b, err);
	return rc;
}

static int configure(struct bo_lab *lab, int i, struct bo_err *err)
{
	struct lab_node *n = &lab->nodes[i];
	struct bo_rtnl_batch b = { 0 };
	int rc = bo_netns_enter(i == BO_NODE_CLIENT ? lab->client_netns : n->netns, err);

	if (rc == 0)
		rc = fill_batch(lab, i, &b, err);
	if (rc == 0)
		rc = bo_rtnl_batch_send(&b, n->rtnl, err);
	if (rc == 0)
		rc = after_batch(lab, i, err);
	bo_rtnl_batch_done(&b);
	if (rc < 0)
		bo_err_wrap(err, "network of node %s", n->name);
	return rc;
}

int lab_net_up(struct bo_lab *lab, struct bo_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < lab->nnodes; i++)
		rc = make_netns(lab, (int)i, err);
	for (size_t i = 0; rc == 0 && i < lab->nnodes; i++)
		rc = make_veths(lab, (int)i, err);
	for (size_t i = 0; rc == 0 && i < lab->nnodes; i++)
		rc = configure(lab, (int)i, err);
	return rc;
}
