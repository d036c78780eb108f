/* SPDX-License-Identifier: Apache-2.0 */
/* census.c — who leaks?  Two looks at a Go process, some time apart, and what grew in between.
 *   cc census.c $(pkg-config --cflags --libs brownout-census) -o census && ./census PID [SECONDS]
 * Owns: the handle and the snapshots.  Threads: main.  Privilege: PTRACE_MODE_ATTACH over the process. */
#include <brownout/census.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct bo_census_snapshot before = { 0 }, after = { 0 };
	struct bo_census_change *changes = NULL;
	struct bo_census *census = NULL;
	struct bo_err err = { 0 };
	size_t n = 0;
	int r;

	if (argc < 2) {
		fprintf(stderr, "usage: census PID [SECONDS]\n");
		return 2;
	}
	r = bo_census_attach(&census, (pid_t)atoi(argv[1]), 0, &err);
	if (!r)
		r = bo_census_snapshot(census, BO_CENSUS_STACKS, &before, &err);
	if (!r) {
		sleep(argc > 2 ? (unsigned)atoi(argv[2]) : 5);
		r = bo_census_snapshot(census, BO_CENSUS_STACKS, &after, &err);
	}
	if (!r)
		r = bo_census_diff(before.groups, before.ngroups, after.groups, after.ngroups,
				   &changes, &n, &err);
	if (r)
		fprintf(stderr, "census: %s\n", err.msg);
	else
		printf("%" PRIu64 " goroutines, before %" PRIu64 "\n", after.user, before.user);
	for (size_t i = 0; i < n && changes[i].delta > 0; i++) {
		const struct bo_census_group *g = changes[i].after;

		printf("%+8" PRId64 "  [%s]  at %s:%d  started by %s:%d\n", changes[i].delta,
		       g->reason, g->blocked.func, g->blocked.line, g->created.func,
		       g->created.line);
	}
	free(changes);
	bo_census_snapshot_done(&before);
	bo_census_snapshot_done(&after);
	bo_census_free(census);
	return r ? 1 : 0;
}
