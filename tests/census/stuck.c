/* SPDX-License-Identifier: Apache-2.0 */
/* tests/census/stuck.c — stuck or idle, told apart in every one of many runs.
 *   census_stuck [--runs N] ZOO
 * Each run starts a service with a pool of idle workers and a number of leaked goroutines, both from one go statement, in
 * one function, at one line, with one wait reason.  First the runtime's own dump must not be able to tell them apart;
 * then four looks of the census, between which each worker does one job, must find exactly the leaked ones unmoved.
 * Prints how many runs were right of how many.
 * Owns: the zoos.  Threads: one.  Privilege: none. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/census.h"
#include "dump.h"
#include "zookit.h"

#define LOOKS (BO_CENSUS_UNMOVED_SAMPLES + 1)

/* What tells them apart for the runtime: nothing, that is the point.  Their number, or 0 when something does. */
static uint64_t alike(struct zoo *zoo)
{
	const struct dump_block *first = NULL;
	struct dump dump = { 0 };
	uint64_t n = 0;
	char why[512];

	if (!dump_parse(&dump, zoo_stacks(zoo)))
		return 0;
	for (size_t i = 0; i < dump.n; i++) {
		const struct dump_block *b = &dump.blocks[i];

		if (strcmp(b->created.func, "main.newPool"))
			continue;
		if (!first)
			first = b;
		if (strcmp(b->state, "chan receive") || !dump_agrees(first, b, why, sizeof(why))) {
			fprintf(stderr, "goroutine %" PRIu64 " is told apart: [%s] %s\n", b->goid,
				b->state, why);
			n = 0;
			break;
		}
		n++;
	}
	dump_done(&dump);
	return n;
}

/* One look, after each worker has done a job; the groups of the pool's go statement. */
static bool look(struct zoo *zoo, struct bo_census *census, struct bo_census_snapshot *snap,
		 const struct bo_census_group **ret, size_t *ret_groups)
{
	struct bo_err err = { 0 };
	char answer[16];

	if (!zoo_ask(zoo, "tick", answer, sizeof(answer)) || !zoo_rest(zoo->pid) ||
	    bo_census_snapshot(census, BO_CENSUS_STACKS | BO_CENSUS_TRACK, snap, &err)) {
		fprintf(stderr, "no look: %s\n", err.msg);
		return false;
	}
	*ret_groups = 0;
	for (size_t i = 0; i < snap->ngroups; i++)
		if (!strcmp(snap->groups[i].created.outer, "main.newPool")) {
			*ret = &snap->groups[i];
			++*ret_groups;
		}
	return *ret_groups > 0;
}

static bool told_apart(struct zoo *zoo, uint64_t idle, uint64_t leaked)
{
	const struct bo_census_group *g = NULL;
	struct bo_census_snapshot snap = { 0 };
	struct bo_census *census = NULL;
	struct bo_err err = { 0 };
	size_t groups = 0;
	bool good = true;

	if (bo_census_attach(&census, zoo->pid, 0, &err)) {
		fprintf(stderr, "%s\n", err.msg);
		return false;
	}
	for (int i = 0; i < LOOKS && good; i++)
		good = look(zoo, census, &snap, &g, &groups);
	if (good && (groups != 1 || g->count != idle + leaked || g->unmoved != leaked ||
		     strcmp(g->reason, "chan receive"))) {
		fprintf(stderr,
			"%" PRIu64 " idle, %" PRIu64 " leaked: %zu groups, [%s] %" PRIu64
			" and %" PRIu64 " unmoved\n",
			idle, leaked, groups, g->reason, g->count, g->unmoved);
		good = false;
	}
	bo_census_snapshot_done(&snap);
	bo_census_free(census);
	return good;
}

static bool run(const char *path, unsigned idle, unsigned leaked)
{
	char idles[16], leaks[16];
	const char *const args[] = { "-pool", idles, "-leaked", leaks, NULL };
	struct zoo zoo;
	bool good;

	snprintf(idles, sizeof(idles), "%u", idle);
	snprintf(leaks, sizeof(leaks), "%u", leaked);
	if (!zoo_start(&zoo, path, args)) {
		fprintf(stderr, "%s does not start\n", path);
		return false;
	}
	good = zoo_rest(zoo.pid) && alike(&zoo) == idle + leaked && told_apart(&zoo, idle, leaked);
	zoo_stop(&zoo);
	return good;
}

int main(int argc, char **argv)
{
	int runs = 100, good = 0;

	if (argc == 4 && !strcmp(argv[1], "--runs")) {
		runs = atoi(argv[2]);
	} else if (argc != 2) {
		fprintf(stderr, "usage: census_stuck [--runs N] ZOO\n");
		return 2;
	}
	/* From one of each to a dozen or two, and either side may be the larger one. */
	for (int i = 0; i < runs; i++)
		good += run(argv[argc - 1], 1 + (unsigned)i % 9, 1 + (unsigned)i % 22);
	printf("%d/%d: stuck and idle goroutines of identical state told apart\n", good, runs);
	return good != runs;
}
