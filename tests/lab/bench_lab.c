/* SPDX-License-Identifier: Apache-2.0 */
/* lab/bench_lab.c — how long the lab's steps take: up, start of a node, kill, down, and (netem) one impairment.
 * usage: bench_lab [rounds].  Prints medians; judges nothing.
 * Owns: its labs.  Threads: one per wire.  Privilege: root or user namespaces. */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/clock.h"
#include "support/labkit.h"

#define ROUNDS_MAX 200
#define IMPAIRS 1000

enum { START, UP, NODE_START, NODE_KILL, DOWN, IMPAIR_P50, IMPAIR_P99, STEPS };
static const char *const names[STEPS] = { "keeper start + machine probe", "lab up", "node start (to execve)",
					  "node kill (to gone)", "lab down (to keeper's end)",
					  "impair through the keeper, p50", "impair through the keeper, p99" };

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void measure_impair(struct bo_keeper *keeper, int64_t *t)
{
	static int64_t one[IMPAIRS];
	struct bo_impair im = { 0 };

	for (int i = 0; i < IMPAIRS; i++) {
		int64_t from = bo_now_ns();

		im.delay_ns = (i % 2) * 50 * BO_NSEC_PER_MSEC;
		OK(bo_keeper_link_impair(keeper, SVC_DB, BO_DIR_A_TO_B, &im, &err));
		one[i] = bo_now_ns() - from;
	}
	qsort(one, IMPAIRS, sizeof(one[0]), by_value);
	t[IMPAIR_P50] = one[IMPAIRS / 2];
	t[IMPAIR_P99] = one[IMPAIRS * 99 / 100];
}

static void one_round(int out)
{
	const char *const argv[] = { "sleep", "1000", NULL };
	struct bo_plan *plan = labkit_plan();
	struct bo_keeper *keeper = NULL;
	struct bo_machine machine;
	struct bo_lab_view view;
	int64_t t[STEPS] = { 0 }, at = bo_now_ns();
	pid_t pid;

	OK(bo_keeper_start(&keeper, &err));
	OK(bo_keeper_machine(keeper, &machine, &err));
	t[START] = bo_now_ns() - at;
	at = bo_now_ns();
	OK(bo_keeper_lab_up(keeper, plan, &view, &err));
	t[UP] = bo_now_ns() - at;
	plan->nodes.items[SVC].kind = plan->nodes.items[DB].kind = BO_NODE_COMMAND;
	plan->nodes.items[SVC].argv = plan->nodes.items[DB].argv = argv;
	at = bo_now_ns();
	OK(bo_keeper_node_start(keeper, plan, SVC, "/bin/sleep", -1, &pid, &err));
	t[NODE_START] = bo_now_ns() - at;
	OK(bo_keeper_node_start(keeper, plan, DB, "/bin/sleep", -1, &pid, &err));
	at = bo_now_ns();
	OK(bo_keeper_node_kill(keeper, SVC, &err));
	t[NODE_KILL] = bo_now_ns() - at;
	OK(bo_keeper_node_start(keeper, plan, SVC, "/bin/sleep", -1, &pid, &err));
	if (strcmp(view.link_driver, "netem") == 0)
		measure_impair(keeper, t);
	at = bo_now_ns();
	OK(bo_keeper_stop(keeper, &err));
	t[DOWN] = bo_now_ns() - at;
	CHECK(write(out, t, sizeof(t)) == (ssize_t)sizeof(t), "pipe");
}

int main(int argc, char **argv)
{
	static int64_t t[STEPS][ROUNDS_MAX];
	int rounds = argc > 1 ? atoi(argv[1]) : 20;
	int pair[2];

	if (rounds < 1 || rounds > ROUNDS_MAX || pipe(pair) < 0)
		return 2;
	for (int i = 0; i < rounds; i++) {
		int64_t one[STEPS];
		int status;
		pid_t child = fork();

		if (child == 0) {
			one_round(pair[1]);
			_exit(0);
		}
		if (waitpid(child, &status, 0) != child || status != 0 || read(pair[0], one, sizeof(one)) <= 0)
			return 1;
		for (int s = 0; s < STEPS; s++)
			t[s][i] = one[s];
	}
	for (int s = 0; s < STEPS; s++) {
		qsort(t[s], (size_t)rounds, sizeof(t[s][0]), by_value);
		if (t[s][rounds - 1])
			printf("%-32s median %8.2f ms   max %8.2f ms\n", names[s], (double)t[s][rounds / 2] / 1e6,
			       (double)t[s][rounds - 1] / 1e6);
	}
	return 0;
}
