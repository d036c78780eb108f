/* SPDX-License-Identifier: Apache-2.0 */
/* lab/lab.c — the lab as a whole: checked configuration, cgroups, and taking everything back.
 * Every create pushes its undo first; bo_lab_down() runs the stack.  What only lives by descriptor (namespaces,
 * sockets) would go away with the process anyway; cgroup directories and processes would not.
 * Owns: struct bo_lab.  Threads: single-threaded.  Privilege: see brownout/lab/lab.h. */
#include "brownout/lab/lab.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/rng.h"
#include "brownout/lab/sweep.h"
#include "brownout/sys/netem.h"
#include "brownout/sys/netns.h"
#include "brownout/sys/process.h"
#include "lab-internal.h"

/* A name becomes a directory of cgroupfs and a host name, so a slash or a leading dot must never get here. */
static bool name_ok(const char *name)
{
	size_t len = name ? strlen(name) : 0;

	if (len == 0 || len > BO_LAB_NAME_MAX || name[0] == '.' || name[0] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("_-.", name[i]))
			return false;
	return true;
}

static int check_nodes(const struct bo_lab_conf *conf, struct bo_err *err)
{
	if (conf->nnodes < 1 || conf->nnodes > BO_LAB_MAX_NODES)
		return bo_err_set(err, EINVAL, BO_SUBSYS_LAB, "%zu nodes, expected 1 … %d",
				  conf->nnodes, BO_LAB_MAX_NODES);
	for (size_t i = 0; i < conf->nnodes; i++) {
		const struct bo_lab_node_conf *n = &conf->nodes[i];

		if (!name_ok(n->name))
			return bo_err_set(
				err, EINVAL, BO_SUBSYS_LAB,
				"node %zu: a name has 1 … %d letters, digits, '-', '_' or '.'", i,
				BO_LAB_NAME_MAX);
		if (n->memory_bytes < 0 || n->cpus_milli < 0 || n->pids < 0)
			return bo_err_set(err, EINVAL, BO_SUBSYS_LAB, "node %s: a negative limit",
					  n->name);
		for (size_t j = 0; j < i; j++)
			if (strcmp(n->name, conf->nodes[j].name) == 0)
				return bo_err_set(err, EINVAL, BO_SUBSYS_LAB,
						  "two nodes are called %s", n->name);
	}
	return 0;
}

static int check_links(const struct bo_lab_conf *conf, struct bo_err *err)
{
	if (conf->nlinks > BO_LAB_MAX_LINKS)
		return bo_err_set(err, EINVAL, BO_SUBSYS_LAB, "%zu links, at most %d", conf->nlinks,
				  BO_LAB_MAX_LINKS);
	for (size_t i = 0; i < conf->nlinks; i++) {
		const struct bo_link_spec *l = &conf->links[i];

		if (l->a < 0 || l->b < 0 || (size_t)l->a >= conf->nnodes ||
		    (size_t)l->b >= conf->nnodes || l->a >= l->b)
			return bo_err_set(err, EINVAL, BO_SUBSYS_LAB,
					  "link %zu joins nodes %d and %d", i, l->a, l->b);
		for (size_t j = 0; j < i; j++)
			if (l->a == conf->links[j].a && l->b == conf->links[j].b)
				return bo_err_set(err, EINVAL, BO_SUBSYS_LAB,
						  "links %zu and %zu are the same", j, i);
	}
	return 0;
}

static void fill(struct bo_lab *lab, const struct bo_lab_conf *conf)
{
	for (size_t i = 0; i < conf->nnodes; i++) {
		const struct bo_lab_node_conf *from = &conf->nodes[i];
		struct lab_node *n = &lab->nodes[i];

		snprintf(n->name, sizeof(n->name), "%s", from->name);
		n->memory_bytes = from->memory_bytes;
		n->cpus_milli = from->cpus_milli;
		n->pids = from->pids;
		n->dns = from->dns;
		n->netns = n->management_client = n->management_node = -1;
		n->dns_udp = n->dns_tcp = -1;
		lab_node_reset(n);
	}
	for (size_t i = 0; i < conf->nlinks; i++)
		lab->links[i] = (struct lab_link){ .a = conf->links[i].a,
						   .b = conf->links[i].b,
						   .fds = BO_LAB_LINK_FDS_NONE };
}

int bo_lab_new(struct bo_lab **ret, const struct bo_lab_conf *conf, struct bo_err *err)
{
	struct epoll_event wake = { .events = EPOLLIN, .data.u32 = LAB_WAKE };
	struct bo_lab *lab;
	int rc = check_nodes(conf, err);

	if (rc == 0)
		rc = check_links(conf, err);
	if (rc < 0)
		return rc;
	if (conf->driver != BO_DRIVER_NETEM && conf->driver != BO_DRIVER_WIRE)
		return bo_err_set(err, EINVAL, BO_SUBSYS_LAB, "no link driver was chosen");
	lab = calloc(1, sizeof(*lab));
	if (!lab)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_LAB, "out of memory");
	lab->driver = conf->driver;
	lab->management_wire = conf->management_wire;
	lab->client_netns = conf->client_netns;
	lab->hangup_fd = conf->hangup_fd;
	lab->user = conf->user;
	lab->cgroups = conf->cgroups;
	lab->seed = conf->seed;
	lab->ipv6 = access("/proc/sys/net/ipv6", F_OK) == 0;
	lab->epoll = epoll_create1(EPOLL_CLOEXEC);
	lab->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	lab->nodes = calloc(conf->nnodes, sizeof(*lab->nodes));
	lab->links = calloc(conf->nlinks + 1, sizeof(*lab->links));
	if (lab->nodes && lab->links) {
		lab->nnodes = conf->nnodes;
		lab->nlinks = conf->nlinks;
		fill(lab, conf);
		lab->hosts = lab_hosts_text(lab, NULL);
	}
	if (!lab->hosts || lab->epoll < 0 || lab->wake < 0 ||
	    epoll_ctl(lab->epoll, EPOLL_CTL_ADD, lab->wake, &wake) < 0) {
		bo_lab_free(lab);
		return bo_err_set(err, ENOMEM, BO_SUBSYS_LAB, "out of memory or descriptors");
	}
	*ret = lab;
	return 0;
}

static int undo_run_cgroup(void *self, long arg, struct bo_err *err)
{
	struct bo_lab *lab = self;

	(void)arg;
	return bo_cgroup_remove(&lab->run_cgroup, err);
}

static int undo_node_cgroup(void *self, long index, struct bo_err *err)
{
	struct bo_lab *lab = self;

	return bo_cgroup_remove(&lab->nodes[index].cgroup, err);
}

static int limits_up(struct lab_node *n, struct bo_err *err)
{
	int rc = 0;

	if (n->memory_bytes)
		rc = bo_cgroup_memory_max(&n->cgroup, n->memory_bytes, err);
	if (rc == 0 && n->cpus_milli)
		rc = bo_cgroup_cpu_max(&n->cgroup, n->cpus_milli, err);
	if (rc == 0 && n->pids)
		rc = bo_cgroup_pids_max(&n->cgroup, n->pids, err);
	if (rc < 0)
		bo_err_wrap(err, "limits of node %s", n->name);
	return rc;
}

static int cgroups_up(struct bo_lab *lab, struct bo_err *err)
{
	struct bo_process_id self;
	char name[96];
	int rc = bo_process_id_self(&self, err);

	if (rc < 0)
		return rc;
	bo_sweep_name(&self, name, sizeof(name));
	rc = bo_cgroup_at(&lab->run_cgroup, &lab->cgroups, NULL, name, err);
	if (rc == 0)
		rc = bo_undo_push(&lab->undo, "cgroup of the run", undo_run_cgroup, lab, 0, err);
	if (rc == 0)
		rc = bo_cgroup_make(&lab->run_cgroup, true, err);
	for (size_t i = 1; rc == 0 && i < lab->nnodes; i++) {
		struct lab_node *n = &lab->nodes[i];
		char dir[sizeof("node-") + BO_LAB_NAME_MAX];

		/* Not the bare name: a node may be called "tasks", as a file of every v1 group is. */
		snprintf(dir, sizeof(dir), "node-%s", n->name);
		rc = bo_cgroup_at(&n->cgroup, &lab->cgroups, &lab->run_cgroup, dir, err);
		if (rc == 0)
			rc = bo_undo_push(&lab->undo, "cgroup of a node", undo_node_cgroup, lab,
					  (long)i, err);
		if (rc == 0)
			rc = bo_cgroup_make(&n->cgroup, false, err);
		if (rc == 0)
			rc = limits_up(n, err);
	}
	return rc;
}

int bo_lab_up(struct bo_lab *lab, struct bo_err *err)
{
	int rc = cgroups_up(lab, err);
	int back;

	if (rc < 0)
		return rc;
	rc = lab_net_up(lab, err);
	/* Whatever happened in between: the caller is at home in the client's namespace. */
	back = bo_netns_enter(lab->client_netns, rc ? NULL : err);
	return rc < 0 ? rc : back;
}

static void close_net(struct bo_lab *lab)
{
	for (size_t i = 0; i < lab->nlinks; i++) {
		struct bo_lab_link_fds *fds = &lab->links[i].fds;

		bo_close(&fds->tun_a);
		bo_close(&fds->tun_b);
		bo_close(&fds->stamps_a);
		bo_close(&fds->stamps_b);
		bo_close(&fds->probe_a);
		bo_close(&fds->probe_b);
	}
	for (size_t i = 0; i < lab->nnodes; i++) {
		struct lab_node *n = &lab->nodes[i];

		bo_close(&n->management_client);
		bo_close(&n->management_node);
		bo_close(&n->dns_udp);
		bo_close(&n->dns_tcp);
		bo_rtnl_close(&n->rtnl);
		bo_close(&n->netns);
	}
}

int bo_lab_down(struct bo_lab *lab, struct bo_err *err)
{
	struct bo_err first = { 0 };
	size_t failed;

	/* All trees at once first, so that their ends overlap; the undo entries then wait for each. */
	for (size_t i = 0; i < lab->nnodes; i++)
		if (lab->nodes[i].init_pidfd >= 0)
			(void)!bo_pidfd_kill(lab->nodes[i].init_pidfd, SIGKILL, NULL);
	failed = bo_undo_run(&lab->undo, &first);
	close_net(lab);
	if (!failed)
		return 0;
	return bo_err_set(err, first.code ? first.code : EIO, BO_SUBSYS_LAB,
			  "%zu thing%s could not be undone; first: %s", failed,
			  failed == 1 ? "" : "s", first.msg);
}

void bo_lab_free(struct bo_lab *lab)
{
	if (!lab)
		return;
	(void)bo_lab_down(lab, NULL);
	bo_close(&lab->epoll);
	bo_close(&lab->wake);
	bo_vec_done(&lab->told_later);
	free(lab->hosts);
	free(lab->links);
	free(lab->nodes);
	free(lab);
}

void bo_lab_take_link(struct bo_lab *lab, int link, struct bo_lab_link_fds *ret)
{
	*ret = lab->links[link].fds;
	lab->links[link].fds = (struct bo_lab_link_fds)BO_LAB_LINK_FDS_NONE;
}

void bo_lab_take_management(struct bo_lab *lab, int node, int *ret_client, int *ret_node)
{
	*ret_client = bo_steal_fd(&lab->nodes[node].management_client);
	*ret_node = bo_steal_fd(&lab->nodes[node].management_node);
}

void bo_lab_take_dns(struct bo_lab *lab, int node, int *ret_udp, int *ret_tcp)
{
	*ret_udp = bo_steal_fd(&lab->nodes[node].dns_udp);
	*ret_tcp = bo_steal_fd(&lab->nodes[node].dns_tcp);
}

void bo_lab_open_memory(const struct bo_lab *lab, int node, struct bo_cgroup_memory_files *ret)
{
	bo_cgroup_memory_open(&lab->nodes[node].cgroup, ret);
}

static int check_index(size_t n, int index, const char *what, struct bo_err *err)
{
	if (index >= 0 && (size_t)index < n)
		return 0;
	return bo_err_set(err, EINVAL, BO_SUBSYS_LAB, "there is no %s %d", what, index);
}

int bo_lab_memory_limit(struct bo_lab *lab, int node, enum bo_mem_knob knob, int64_t bytes,
			struct bo_err *err)
{
	int rc = check_index(lab->nnodes, node, "node", err);
	const struct bo_cgroup *cg;

	if (rc < 0)
		return rc;
	cg = &lab->nodes[node].cgroup;
	rc = knob == BO_MEM_HIGH ? bo_cgroup_memory_high(cg, bytes, err)
				 : bo_cgroup_memory_max(cg, bytes, err);
	if (rc < 0)
		bo_err_wrap(err, "memory of node %s", lab->nodes[node].name);
	return rc;
}

/* Each change of each direction has a stream of its own: a ramp that began anew from the same number at each of its
 * steps would let the same few draws decide over and over. */
static uint64_t change_seed(const struct bo_lab *lab, int link, enum bo_dir dir, uint64_t change)
{
	struct bo_rng rng;

	if (!lab->seed)
		return 0;
	bo_rng_init(&rng, lab->seed, (uint64_t)link * BO_DIR_COUNT + (uint64_t)dir);
	bo_rng_init(&rng, bo_rng_u64(&rng), change);
	return bo_rng_u64(&rng);
}

int bo_lab_link_impair(struct bo_lab *lab, int link, enum bo_dir dir, const struct bo_impair *im,
		       struct bo_err *err)
{
	struct lab_link *l;
	int from, ifindex;
	int rc = check_index(lab->nlinks, link, "link", err);

	if (rc < 0)
		return rc;
	if (lab->driver != BO_DRIVER_NETEM)
		return bo_err_set(err, EOPNOTSUPP, BO_SUBSYS_LAB, "this lab's links are wires");
	l = &lab->links[link];
	/* A qdisc holds back what leaves, so a direction is impaired at its start. */
	from = dir == BO_DIR_A_TO_B ? l->a : l->b;
	ifindex = dir == BO_DIR_A_TO_B ? l->ifindex_a : l->ifindex_b;
	rc = bo_netem_change_seeded(lab->nodes[from].rtnl, ifindex, BO_LAB_MTU, im,
				    change_seed(lab, link, dir, l->changes++), err);
	if (rc < 0)
		bo_err_wrap(err, "link %s-%s", lab->nodes[l->a].name, lab->nodes[l->b].name);
	return rc;
}
