/* SPDX-License-Identifier: Apache-2.0 */
/* lab/test_death.c — kill -9 at random moments: the conductor, the keeper, or both.
 * Each round forks a conductor that builds a lab, starts nodes with children of their own, answers their look-ups, records
 * a link, pauses, kills, restarts, impairs and resets without end, and then kills somebody after a random time.  Whatever was hit, every process must be dead
 * within a second, with nobody's help; and what is left besides (cgroups, when the keeper could not take them back) the
 * next start must remove.
 * usage: test_death [rounds [seed]]
 * Owns: what it kills.  Threads: one per wire, a recorder and a name server, in the victim.  Privilege: root or user namespaces, else 77. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/base/rng.h"
#include "brownout/lab/dns.h"
#include "brownout/lab/record.h"
#include "brownout/lab/sweep.h"
#include "support/labkit.h"
#include "support/residue.h"

#define LIFE_NS (400 * BO_NSEC_PER_MSEC) /* a victim's lab is up, with nodes, well before that */
#define DEAD_WITHIN_NS BO_NSEC_PER_SEC

static struct bo_dns *serve_names(struct labkit *kit)
{
	const struct bo_dns_host hosts[] = { { "db", kit->view.nodes[DB].address4, "" } };
	struct bo_lab_node *svc = &kit->view.nodes[SVC];
	struct bo_dns *dns = NULL;

	OK(bo_dns_new(&dns, hosts, 1, &err));
	OK(bo_dns_add(dns, SVC, bo_steal_fd(&svc->dns_udp), bo_steal_fd(&svc->dns_tcp), &err));
	return dns;
}

static void record(struct labkit *kit)
{
	struct bo_record_conf conf = {
		.a = "svc", .b = "db", .snaplen = 65575, .limit_bytes = 1 << 20
	};
	struct bo_record *record = NULL;

	if (!kit->wires[SVC_DB])
		return;
	conf.fd = memfd_create("recording", MFD_CLOEXEC);
	OK(bo_record_new(&record, &conf, &err));
	bo_wire_record(kit->wires[SVC_DB], record);
}

/* Return: 0, or <0 when somebody who is needed is gone */
static int trouble(struct labkit *kit, struct bo_dns *dns, int i)
{
	const struct bo_impair im = { .delay_ns = i % 3 * BO_NSEC_PER_MSEC,
				      .loss.random.ppm = i % 2 * 100000 };
	const struct bo_conn_rule reset = {
		.id = 1 + (uint32_t)i, .action = BO_CONN_RESET, .dirs = 3, .protocol = BO_CONN_TCP
	};
	const struct bo_dns_fault fault = { .fail = BO_DNS_SERVFAIL, .delay_ns = BO_NSEC_PER_MSEC };
	enum bo_dir dir = (enum bo_dir)(i % BO_DIR_COUNT);
	struct bo_wire *wire = kit->wires[SVC_DB];
	struct bo_err err = { 0 };
	int rc = bo_dns_fault(dns, SVC, i % 2 ? &fault : NULL, &err);

	if (rc == 0 && !wire)
		rc = bo_keeper_link_impair(kit->keeper, SVC_DB, dir, &im, &err);
	if (rc == 0 && wire)
		rc = bo_wire_impair(wire, dir, &im, &err);
	return rc == 0 && wire ? bo_wire_rules_set(wire, &reset, (size_t)i % 2, &err) : rc;
}

/* Works until it is killed; when the keeper is killed instead, a call fails and it leaves. */
static void conduct(void)
{
	struct bo_plan *plan = labkit_plan();
	struct labkit kit;
	struct bo_dns *dns;
	struct bo_err e = { 0 };
	bool frozen = false;
	char traffic[200];

	plan->nodes.items[SVC].dns = true;
	labkit_open(&kit, plan);
	dns = serve_names(&kit);
	record(&kit);
	labkit_sh(&kit, DB, "sleep 1000 & setsid sleep 1000 & wait");
	snprintf(
		traffic, sizeof(traffic),
		"exec >/dev/null 2>&1; setsid sleep 1000 & while :; do busybox nc -w 1 %s 1; done & while :; do getent hosts db; done",
		kit.view.nodes[DB].address4);
	labkit_sh(&kit, SVC, traffic);
	for (int i = 0;; i++) {
		frozen = !frozen;
		if (bo_keeper_node_pause(kit.keeper, SVC, frozen, &e) < 0 ||
		    trouble(&kit, dns, i) < 0)
			exit(0);
		if (i % 8 == 7) {
			if (bo_keeper_node_kill(kit.keeper, DB, &e) < 0)
				exit(0);
			labkit_sh(&kit, DB, "sleep 1000 & setsid sleep 1000 & wait");
		}
	}
}

/* Reap every descendant.  Return: how long that took, or -1 when some were still there */
static int64_t wait_all_dead(void)
{
	int64_t from = bo_now_ns();

	for (;;) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid < 0)
			return bo_now_ns() - from;
		if (bo_now_ns() - from > DEAD_WITHIN_NS)
			return -1;
		if (pid == 0)
			poll(NULL, 0, 1);
	}
}

static int kill_left(void)
{
	pid_t pid;
	int n = 0;

	for (; (pid = labkit_child_of(getpid(), NULL)) > 0; n++) {
		fprintf(stderr, "still alive: %d\n", pid);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return n;
}

struct tally {
	int rounds[3];
	int swept;
	int64_t slowest_ns;
};

static pid_t begin_victim(void)
{
	pid_t child = fork();

	if (child == 0) {
		/* What the victim says while it is being killed is of no interest. */
		if (!getenv("DEATH_VERBOSE"))
			fclose(stderr);
		conduct();
	}
	return child;
}

/* Return: 0, or 1 when something was left */
static int one_round(struct bo_rng *rng, struct tally *tally)
{
	struct bo_sweep_report swept = { 0 };
	struct bo_err err = { 0 };
	int whom = (int)(bo_rng_u64(rng) % 3), bad = 0;
	int64_t took, end = bo_now_ns() + (int64_t)(bo_rng_unit(rng) * (double)LIFE_NS);
	pid_t child = begin_victim(), keeper = 0;

	while (bo_now_ns() < end || !keeper) {
		if (!keeper)
			keeper = labkit_child_of(child, NULL);
		if (!keeper && waitpid(child, NULL, WNOHANG) == child)
			return 1;
	}
	if (whom != 1)
		kill(child, SIGKILL);
	if (whom != 0)
		kill(keeper, SIGKILL);
	took = wait_all_dead();
	tally->rounds[whom]++;
	if (took > tally->slowest_ns)
		tally->slowest_ns = took;
	if (took < 0)
		bad = kill_left();
	/* With the keeper alive to take everything back, nothing is left even before the next start. */
	if (whom == 0)
		bad += residue_check(keeper, stderr);
	/* The next start sweeps; this is the call that it makes. */
	if (bo_sweep(false, &swept, &err) < 0)
		bad++;
	tally->swept += (int)swept.found.len;
	bo_sweep_report_done(&swept);
	bad += residue_check(keeper, stderr);
	if (bad)
		fprintf(stderr, "after killing %s\n",
			whom == 0   ? "the conductor"
			: whom == 1 ? "the keeper"
				    : "both");
	return bad != 0;
}

/* Can this machine build a lab at all? */
static int try_once(void)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		struct labkit kit;

		labkit_open(&kit, labkit_plan());
		labkit_close(&kit);
		exit(0);
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 20;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)bo_now_ns();
	struct tally tally = { 0 };
	struct bo_rng rng;
	int bad = 0, code;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	code = try_once();
	if (code)
		return code;
	bo_rng_init(&rng, seed, 0);
	for (int i = 0; i < rounds; i++)
		bad += one_round(&rng, &tally);
	printf("%d rounds (seed %llu): conductor %d, keeper %d, both %d; %d cgroups swept; slowest death %.0f ms; %d bad\n",
	       rounds, (unsigned long long)seed, tally.rounds[0], tally.rounds[1], tally.rounds[2],
	       tally.swept, (double)tally.slowest_ns / 1e6, bad);
	return bad ? 1 : 0;
}
