/* SPDX-License-Identifier: Apache-2.0 */
/* lab_bench — how long a lab of three nodes takes to come up and go down, and how long it takes to impair a link,
 * beside tc(8) as a child process in the same run.
 * usage: lab_bench [REPEATS]       exit 1 when something could not be measured
 * Owns: labs of its own, one after the other, each in a child process.  Threads: wires.  Privilege: root. */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/lab/wire.h"
#include "harness/keeper.h"

#define MAX_REPEATS 200
#define IMPAIRS 400
#define TC_RUNS 100

struct result {
	int64_t up_ns, down_ns;
	int64_t impair_ns[IMPAIRS];
	bool netem;
	bool ok;
};

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int64_t quantile(int64_t *v, size_t n, double q)
{
	size_t i = (size_t)(q * (double)n);

	qsort(v, n, sizeof(*v), by_value);
	return v[i < n ? i : n - 1];
}

static struct bo_plan *three_nodes(void)
{
	struct bo_plan *plan = bo_plan_new();
	struct bo_src src = { "bench", 1 };

	if (!plan ||
	    !bo_vec_push(&plan->nodes, (struct bo_node_spec){ .name = "db",
							      .role = BO_ROLE_DEPENDENCY,
							      .memory_bytes = 256 << 20 }) ||
	    !bo_vec_push(&plan->nodes, (struct bo_node_spec){ .name = "orders",
							      .role = BO_ROLE_SUBJECT,
							      .memory_bytes = 256 << 20 }))
		return NULL;
	(void)bo_plan_link_add(plan, 1, 2, src);
	(void)bo_plan_link_add(plan, 0, 2, src);
	plan->scenario_dir = "/";
	return plan;
}

/* alternate a 5 ms delay and none on the link db-orders; netem through the keeper, the wire directly */
static int impair_many(struct bo_keeper *k, struct bo_lab_link *link, struct result *r,
		       struct bo_err *err)
{
	const struct bo_impair delay = { .delay_ns = 5 * BO_NSEC_PER_MSEC }, none = { 0 };
	struct bo_wire *wire = NULL;
	int rc = 0;

	if (link->tun_a >= 0) {
		int a = bo_steal_fd(&link->tun_a), b = bo_steal_fd(&link->tun_b);

		rc = bo_wire_new(&wire, a, b, 1, 0, err);
	}
	for (int i = 0; !rc && i < IMPAIRS; i++) {
		const struct bo_impair *im = i % 2 ? &none : &delay;
		int64_t t = bo_now_ns();

		rc = wire ? bo_wire_impair(wire, BO_DIR_A_TO_B, im, err)
			  : bo_keeper_link_impair(k, 0, BO_DIR_A_TO_B, im, err);
		r->impair_ns[i] = bo_now_ns() - t;
	}
	bo_wire_free(wire);
	return rc;
}

static int one(struct result *r, struct bo_err *err)
{
	struct bo_plan *plan = three_nodes();
	struct bo_lab_view view = { 0 };
	struct bo_keeper *k = NULL;
	int64_t t;
	int rc;

	if (!plan || (rc = bo_keeper_start(&k, err)) < 0)
		return -1;
	t = bo_now_ns();
	rc = bo_keeper_lab_up(k, plan, &view, err);
	r->up_ns = bo_now_ns() - t;
	if (!rc) {
		r->netem = view.links[0].tun_a < 0;
		rc = impair_many(k, &view.links[0], r, err);
		bo_lab_view_done(&view);
	}
	t = bo_now_ns();
	if (!rc)
		rc = bo_keeper_stop(k, err);
	r->down_ns = bo_now_ns() - t;
	bo_keeper_free(k);
	bo_plan_free(plan);
	return rc;
}

static bool in_child(struct result *r)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		struct bo_err err = { 0 };

		r->ok = one(r, &err) == 0;
		if (!r->ok)
			fprintf(stderr, "lab_bench: %s\n", err.msg);
		_exit(0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && r->ok;
}

/* what a script does: run tc for each change, here in a scratch network namespace of its own */
static int64_t time_tc(bool netem, int64_t *out)
{
	extern char **environ;
	int n = 0;

	if (unshare(CLONE_NEWNET) < 0)
		return 0;
	for (int i = 0; i < TC_RUNS; i++) {
		const char *netem_on[] = { "tc",   "qdisc", "replace", "dev", "lo",
					   "root", "netem", "delay",   "5ms", NULL };
		const char *netem_off[] = { "tc", "qdisc", "replace", "dev",
					    "lo", "root",  "netem",   NULL };
		const char *fifo[] = { "tc",    "qdisc", "replace",           "dev", "lo", "root",
				       "pfifo", "limit", i % 2 ? "10" : "20", NULL };
		const char **argv = !netem ? fifo : i % 2 ? netem_off : netem_on;
		int64_t t = bo_now_ns();
		int status;
		pid_t pid;

		if (posix_spawnp(&pid, "tc", NULL, NULL, (char *const *)argv, environ) ||
		    waitpid(pid, &status, 0) != pid || status)
			break;
		out[n++] = bo_now_ns() - t;
	}
	return n;
}

static double ms(int64_t ns)
{
	return (double)ns / 1e6;
}

int main(int argc, char **argv)
{
	int repeats = argc > 1 ? atoi(argv[1]) : 20;
	static int64_t up[MAX_REPEATS], down[MAX_REPEATS], impair[MAX_REPEATS * IMPAIRS],
		tc[TC_RUNS];
	struct result *r = mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int64_t ntc;
	size_t n = 0;

	if (r == MAP_FAILED || repeats < 1 || repeats > MAX_REPEATS) {
		fprintf(stderr, "usage: lab_bench [1..%d]\n", MAX_REPEATS);
		return 2;
	}
	for (int i = 0; i < repeats; i++) {
		memset(r, 0, sizeof(*r));
		if (!in_child(r))
			return 1;
		up[n] = r->up_ns;
		down[n] = r->down_ns;
		memcpy(impair + n++ * IMPAIRS, r->impair_ns, sizeof(r->impair_ns));
	}
	printf("lab of 3 nodes, %d times: up median %.1f ms, down median %.1f ms\n", repeats,
	       ms(quantile(up, n, 0.5)), ms(quantile(down, n, 0.5)));
	printf("impair one direction (%s), %zu times: p50 %.3f ms, p99 %.3f ms\n",
	       r->netem ? "netem through the keeper" : "wire", n * IMPAIRS,
	       ms(quantile(impair, n * IMPAIRS, 0.5)), ms(quantile(impair, n * IMPAIRS, 0.99)));
	ntc = time_tc(r->netem, tc);
	if (ntc < TC_RUNS) {
		printf("tc as a child process: could not be measured (is iproute2 installed?)\n");
		return 1;
	}
	printf("tc as a child process (%s), %d times: p50 %.3f ms, p99 %.3f ms\n",
	       r->netem ? "netem" : "pfifo", TC_RUNS, ms(quantile(tc, TC_RUNS, 0.5)),
	       ms(quantile(tc, TC_RUNS, 0.99)));
	printf("ratio tc / brownout: p50 %.0fx, p99 %.1fx\n",
	       (double)quantile(tc, TC_RUNS, 0.5) / (double)quantile(impair, n * IMPAIRS, 0.5),
	       (double)quantile(tc, TC_RUNS, 0.99) / (double)quantile(impair, n * IMPAIRS, 0.99));
	return 0;
}
