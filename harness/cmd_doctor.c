/* SPDX-License-Identifier: Apache-2.0 */
/* harness/cmd_doctor.c — `brownout doctor`: try what a run would need, say what is there, what is missing, and the
 * command that fixes it.  Everything is really tried by the keeper in a scratch namespace; nothing is guessed from
 * version numbers. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "brownout/base/err.h"
#include "harness/supported.h"
#include "harness/keeper.h"
#include "harness/verbs.h"
#include "harness/version.h"

#define FD_WISH 4096

static int missing, degraded;

enum state { HAVE, DEGRADED, MISSING };

static void row(enum state state, const char *what, const char *detail)
{
	static const char *const words[] = { "ok", "less", "NO" };

	missing += state == MISSING;
	degraded += state == DEGRADED;
	printf("  %-4s  %-22s %s\n", words[state], what, detail);
}

static void fix(const char *how)
{
	printf("        %-22s fix: %s\n", "", how);
}

static void links(const struct bo_machine *m)
{
	char why[400];

	printf("\nlinks between nodes\n");
	if (m->driver == BO_DRIVER_NETEM)
		snprintf(why, sizeof(why), "netem: the kernel's sch_netem answers");
	else if (m->tun)
		snprintf(why, sizeof(why), "wire (userspace): netem is not to be had: %s",
			 m->why_not_netem);
	else
		snprintf(why, sizeof(why), "none: %s; %s", m->why_not_netem, m->why_not_tun);
	row(m->driver == BO_DRIVER_NETEM || m->tun ? HAVE : MISSING, "driver in use", why);
	row(m->netem ? HAVE : DEGRADED, "netem",
	    !m->netem ? m->why_not_netem
	    : m->netem_seeded
		    ? "every impairment was tried; fates take a seed"
		    : "every impairment was tried; fates take no seed (Linux 6.6 and later do)");
	if (!m->netem)
		fix("modprobe sch_netem (Debian: in the kernel package; cloud kernels may lack it; the wire does the same)");
	row(m->tun     ? HAVE
	    : m->netem ? DEGRADED
		       : MISSING,
	    "TUN devices", m->tun ? "can be created" : m->why_not_tun);
	if (!m->tun)
		fix("modprobe tun; in a container: --device /dev/net/tun --cap-add NET_ADMIN");
	if (m->stamps)
		row(HAVE, "delays of the wire",
		    "count from the kernel's stamp of a packet's arrival");
	else {
		snprintf(why, sizeof(why),
			 "count from when a packet is read, some 10 to 100 us late: %s",
			 m->why_not_stamps);
		row(DEGRADED, "delays of the wire", why);
		if (m->tun)
			fix("Linux 5.12 or later with CONFIG_BPF_SYSCALL, and root (CAP_BPF)");
	}
	if (m->realtime)
		row(HAVE, "wire, machine busy",
		    "its threads are SCHED_FIFO, priority 1, while they are kept waiting and use little");
	else {
		snprintf(why, sizeof(why),
			 "delays may be milliseconds longer than asked: no real-time threads: %s",
			 m->why_not_realtime);
		row(DEGRADED, "wire, machine busy", why);
		fix("run as root with CAP_SYS_NICE; in a container: --cap-add SYS_NICE");
	}
	row(m->veth ? HAVE : DEGRADED, "veth",
	    m->veth ? "can be created" : "missing; management links use TUN devices");
}

static void cgroups(const struct bo_machine *m)
{
	char text[64];

	printf("\nlimits of nodes\n");
	if (m->cgroup_memory)
		snprintf(text, sizeof(text), "cgroup v%d%s", m->cgroup_memory_version,
			 m->memory_high ? ", with memory.high" : ", without memory.high");
	row(m->cgroup_memory ? HAVE : DEGRADED, "memory limit",
	    m->cgroup_memory ? text : m->why_not_cgroup);
	row(m->cgroup_cpu ? HAVE : DEGRADED, "CPU quota",
	    m->cgroup_cpu ? "can be set" : m->why_not_cgroup);
	row(m->cgroup_pids ? HAVE : DEGRADED, "pids limit",
	    m->cgroup_pids ? "can be set" : m->why_not_cgroup);
	row(m->cgroup_freezer ? HAVE : DEGRADED, "freezer",
	    m->cgroup_freezer ? "pause freezes the whole tree at once"
			      : "missing; pause uses SIGSTOP instead");
	if (!m->cgroup_memory || !m->cgroup_cpu || !m->cgroup_pids)
		fix("run as root (sudo brownout ...), or delegate: systemd-run --user --scope -p Delegate=yes brownout ...");
}

static void attaching(const struct bo_machine *m, bool root)
{
	printf("\nservices that run already (t:attach)\n");
	row(m->queue ? HAVE : DEGRADED, "driver queue",
	    m->queue ? "nf_tables and nfnetlink_queue answer" : m->why_not_queue);
	if (!m->queue)
		fix("modprobe nf_tables nft_queue nfnetlink_queue");
	row(m->divert ? HAVE : DEGRADED, "driver netem",
	    m->divert ? "ifb, clsact, prio, tbf and netem answer" : m->why_not_divert);
	row(root ? HAVE : DEGRADED, "other namespaces",
	    root ? "may be entered" : "only root may enter those of others");
	if (!root)
		fix("sudo brownout run --attach ...");
}

static void host(void)
{
	struct rlimit rl = { 0 };
	char text[96];

	printf("\nload generator\n");
	getrlimit(RLIMIT_NOFILE, &rl);
	snprintf(text, sizeof(text),
		 "%llu open files may be had (soft limit %llu is raised when needed)",
		 (unsigned long long)rl.rlim_max, (unsigned long long)rl.rlim_cur);
	row(rl.rlim_max >= FD_WISH ? HAVE : DEGRADED, "connections", text);
	if (rl.rlim_max < FD_WISH)
		fix("ulimit -Hn 65536 (as root), or LimitNOFILE= in the unit");
	snprintf(text, sizeof(text),
		 "%ld; with fewer than 2 the load generator disturbs the service",
		 sysconf(_SC_NPROCESSORS_ONLN));
	row(sysconf(_SC_NPROCESSORS_ONLN) >= 2 ? HAVE : DEGRADED, "CPUs", text);
}

int cmd_doctor(int argc, char **argv)
{
	struct bo_keeper *keeper = NULL;
	struct bo_machine m = { 0 };
	struct bo_err err = { 0 };
	bool root = geteuid() == 0;
	struct utsname u;

	if (argc > 1) {
		bool ask = !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h");

		if (!ask)
			fprintf(stderr, "brownout doctor: unknown argument \"%s\"\n", argv[1]);
		fprintf(ask ? stdout : stderr,
			"usage: brownout doctor\n\nTries what a run needs and says what is "
			"missing.  exit: 0 runs are possible, 5 they are not\n");
		return ask ? BO_EXIT_OK : BO_EXIT_USAGE;
	}
	uname(&u);
	printf("brownout %s on %s %s %s\n\nprivilege\n", BO_VERSION, u.sysname, u.release,
	       u.machine);
	if (bo_keeper_start(&keeper, &err) < 0 || bo_keeper_machine(keeper, &m, &err) < 0) {
		row(MISSING, "namespaces", err.msg);
		bo_keeper_free(keeper);
		printf("\nThis machine cannot run scenarios as it is.\n");
		return BO_EXIT_CANNOT;
	}
	row(HAVE, "namespaces",
	    root ? "as root; the keeper keeps the few capabilities it needs, nothing else does"
		 : "as an ordinary user, in a user namespace");
	links(&m);
	cgroups(&m);
	attaching(&m, root);
	host();
	printf("\nnames of nodes\n");
	if (access(BO_HOSTS_FILE, F_OK)) {
		row(MISSING, "hosts file",
		    BO_HOSTS_FILE " is missing; each node's own is mounted over it");
		fix("echo 127.0.0.1 localhost > " BO_HOSTS_FILE);
	} else {
		row(HAVE, "hosts file",
		    BO_HOSTS_FILE " is there for each node's own to be mounted over");
	}
	bo_keeper_free(keeper);
	if (missing)
		printf("\nThis machine cannot run scenarios as it is.\n");
	else if (degraded)
		printf("\nScenarios run here.  One that needs what is marked \"less\" is refused by name before it starts.\n");
	else
		printf("\nScenarios run here, with everything.\n");
	return missing ? BO_EXIT_CANNOT : BO_EXIT_OK;
}
