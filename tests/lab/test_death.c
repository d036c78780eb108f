/* SPDX-License-Identifier: Apache-2.0 */
/* lab/test_death.c — kill -9 at random moments: the conductor, the keeper, or both.
 * Each round forks a conductor that builds a lab, starts nodes with children of their own, pauses, kills, restarts and
 * impairs without end, and then kills somebody after a random time.  Whatever was hit, every process must be dead
 * within a second, with nobody's help; and what is left besides (cgroups, when the keeper could not take them back) the
 * next start must remove.
 * usage: test_death [rounds [seed]]
 * Owns: what it kills.  Threads: one per wire, in the victim.  Privilege: root or user namespaces, else 77. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/clock.h"
#include "brownout/base/rng.h"
#include "brownout/lab/sweep.h"
#include "support/labkit.h"
#include "support/residue.h"

#define LIFE_NS (150 * BO_NSEC_PER_MSEC) /* a victim's lab is up, with nodes, well before that */
#define DEAD_WITHIN_NS BO_NSEC_PER_SEC

/* Works until it is killed; when the keeper is killed instead, a call fails and it leaves. */
static void conduct(void)
{
	struct labkit kit;
	struct bo_err e = { 0 };
	bool frozen = false;

	labkit_open(&kit, labkit_plan());
	labkit_sh(&kit, DB, "sleep 1000 & setsid sleep 1000 & wait");
	labkit_sh(&kit, SVC, "setsid sleep 1000 & while :; do sleep 0.01; done");
	for (int i = 0;; i++) {
		frozen = !frozen;
		if (bo_keeper_node_pause(kit.keeper, SVC, frozen, &e) < 0)
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
