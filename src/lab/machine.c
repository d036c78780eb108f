/* SPDX-License-Identifier: Apache-2.0 */
/* lab/machine.c — find out what the machine can do by doing it.
 * Asking the kernel's configuration or version would be wrong on both sides: modules may be missing that are
 * configured, and containers forbid what the kernel can do.
 * Owns: a scratch network namespace, for the length of the call.  Threads: single-threaded.
 * Privilege: CAP_SYS_ADMIN, CAP_NET_ADMIN. */
#include "brownout/lab/machine.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/lab/attach.h"
#include "brownout/sys/netem.h"
#include "brownout/sys/netns.h"
#include "brownout/sys/process.h"
#include "brownout/sys/rtnl.h"
#include "brownout/sys/tun.h"
#include "brownout/sys/tun_stamp.h"
#include "lab-internal.h"

#define SCRATCH_A 11
#define SCRATCH_B 12

static int try_stamps(struct bo_err *err)
{
	bo_auto_fd int tun = -1;
	bo_auto_fd int stamps = -1;
	int rc = bo_tun_open("probe-t", &tun, err);

	return rc < 0 ? rc : bo_tun_stamp_open(tun, &stamps, err);
}

static void probe_devices(struct bo_machine *m, struct nl_sock *sock)
{
	struct bo_rtnl_batch b = { 0 };
	struct bo_rtnl_veth veth = {
		.name = "probe-a",
		.ifindex = SCRATCH_A,
		.peer_name = "probe-b",
		.peer_ifindex = SCRATCH_B,
		.peer_netns = -1,
		.mtu = BO_LAB_MTU,
	};
	struct bo_err err = { 0 };
	int rc;

	lab_mac(0, 1, false, veth.mac);
	lab_mac(1, 0, false, veth.peer_mac);
	bo_rtnl_veth_add(&b, &veth);
	rc = bo_rtnl_batch_send(&b, sock, &err);
	bo_rtnl_batch_done(&b);
	m->veth = rc == 0;
	if (!m->veth) {
		snprintf(m->why_not_netem, sizeof(m->why_not_netem), "no veth devices: %.140s",
			 err.msg);
	} else {
		/* A qdisc is loaded when it is first asked for, so this also loads the module where there is one. */
		err = (struct bo_err){ 0 };
		m->netem = bo_netem_probe(sock, SCRATCH_A, BO_LAB_MTU, &m->netem_seeded, &err) == 0;
		if (!m->netem)
			snprintf(m->why_not_netem, sizeof(m->why_not_netem), "%.159s", err.msg);
	}
	err = (struct bo_err){ 0 };
	m->queue = bo_attach_queue_supported(&err) == 0;
	if (!m->queue)
		snprintf(m->why_not_queue, sizeof(m->why_not_queue), "%.159s", err.msg);
	err = (struct bo_err){ 0 };
	m->divert = m->netem && bo_attach_netem_supported(SCRATCH_A, &err) == 0;
	if (!m->divert)
		snprintf(m->why_not_divert, sizeof(m->why_not_divert), "%.159s",
			 m->netem ? err.msg : m->why_not_netem);
	err = (struct bo_err){ 0 };
	m->tun = bo_tun_supported(&err) == 0;
	if (!m->tun)
		snprintf(m->why_not_tun, sizeof(m->why_not_tun), "%.159s", err.msg);
	err = (struct bo_err){ 0 };
	m->stamps = m->tun && try_stamps(&err) == 0;
	if (!m->stamps)
		snprintf(m->why_not_stamps, sizeof(m->why_not_stamps), "%.159s",
			 m->tun ? err.msg : "no TUN devices");
}

static void probe_network(struct bo_machine *m, int home_netns)
{
	bo_auto_fd int scratch = -1;
	struct nl_sock *sock = NULL;
	struct bo_err err = { 0 };
	int rc = bo_netns_new(&scratch, &err);

	m->netns = rc == 0;
	if (rc == 0)
		rc = bo_rtnl_open(&sock, &err);
	if (rc == 0)
		probe_devices(m, sock);
	bo_rtnl_close(&sock);
	if (rc < 0) {
		snprintf(m->why_not_netem, sizeof(m->why_not_netem), "%.159s", err.msg);
		snprintf(m->why_not_tun, sizeof(m->why_not_tun), "%.159s", err.msg);
	}
	/* Not getting back would leave the keeper in a namespace that nobody else is in. */
	if (bo_netns_enter(home_netns, &err) < 0)
		m->netns = false;
}

static void describe_cgroups(struct bo_machine *m, const struct bo_cgroups *cgs)
{
	m->cgroup_memory = cgs->hier[BO_CG_MEMORY].version != 0;
	m->cgroup_cpu = cgs->hier[BO_CG_CPU].version != 0;
	m->cgroup_pids = cgs->hier[BO_CG_PIDS].version != 0;
	m->cgroup_freezer = cgs->hier[BO_CG_FREEZER].version != 0;
	m->cgroup_memory_version = cgs->hier[BO_CG_MEMORY].version;
	m->memory_high = m->cgroup_memory_version == 2;
	/* One reason is enough: what is missing mostly is for the same one. */
	for (int i = 0; i < BO_CG_COUNT && !m->why_not_cgroup[0]; i++)
		if (!cgs->hier[i].version)
			snprintf(m->why_not_cgroup, sizeof(m->why_not_cgroup), "%s",
				 cgs->hier[i].why_not);
}

/* A capability is not enough: a cgroup (v1, RT_GROUP_SCHED) may grant no time to it. */
static void probe_realtime(struct bo_machine *m)
{
	const struct sched_param none = { 0 };
	struct bo_err err = { 0 };

	m->realtime = bo_thread_realtime(getpid(), getpid(), &err) == 0;
	if (m->realtime)
		(void)sched_setscheduler(0, SCHED_OTHER, &none);
	else
		snprintf(m->why_not_realtime, sizeof(m->why_not_realtime), "%.159s", err.msg);
}

int bo_machine_probe(struct bo_machine *ret, int home_netns, const struct bo_cgroups *cgroups,
		     struct bo_err *err)
{
	struct bo_machine m = { .userns = access("/proc/self/ns/user", F_OK) == 0 };

	probe_network(&m, home_netns);
	if (!m.netns)
		return bo_err_set(err, ENOTSUP, BO_SUBSYS_LAB,
				  "network namespaces cannot be made here: %.150s", m.why_not_tun);
	describe_cgroups(&m, cgroups);
	probe_realtime(&m);
	m.driver = m.netem ? BO_DRIVER_NETEM : m.tun ? BO_DRIVER_WIRE : BO_DRIVER_AUTO;
	*ret = m;
	return 0;
}
