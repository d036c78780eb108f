/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/verdict_bench.c — how often a verdict is wrong: the tables of docs/statistics.md.
 *   verdict_bench [RUNS [verdicts|shifts|early|stopped]]
 * RUNS per cell, 2000 by default, which takes minutes; the seeds are fixed, so every table is the same on
 * every machine. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slo_sim.h"

#define P99 "latency.p99 <= 200ms in fault"

/* clang-format off */
static const struct sim_process processes[] = {
	{ "p99, independent, log-normal", P99, 0.01, SIM_STEADY, 0, 1, BO_REQ_OK, 2000 },
	{ "p99, independent, log-normal", P99, 0.01, SIM_STEADY, 0, 1, BO_REQ_OK, 6000 },
	{ "p99, independent, Pareto 1.2", P99, 0.01, SIM_STEADY, 0, 0, BO_REQ_OK, 2000 },
	{ "p99, fewest", P99, 0.01, SIM_STEADY, 0, 1, BO_REQ_OK, 459 },
	{ "p95, independent", "latency.p95 <= 200ms in fault", 0.05, SIM_STEADY, 0, 1, BO_REQ_OK, 600 },
	{ "p99.9, independent", "latency.p99.9 <= 200ms in fault", 0.001, SIM_STEADY, 0, 1, BO_REQ_OK, 24000 },
	{ "p99, builds up", P99, 0.01, SIM_BUILDUP, 0, 1, BO_REQ_OK, 2000 },
	{ "errors 1 %", "errors.ratio <= 1% in fault", 0.01, SIM_STEADY, 0, 1, BO_REQ_RESET, 2000 },
	{ "availability 99.9 %", "availability >= 99.9% in fault", 0.001, SIM_STEADY, 0, 1, BO_REQ_HTTP_5XX, 24000 },
	{ "p99, bursts of 3", P99, 0.01, SIM_BURSTS, 3, 1, BO_REQ_OK, 3600 },
	{ "p99, bursts of 5", P99, 0.01, SIM_BURSTS, 5, 1, BO_REQ_OK, 6000 },
	{ "p99, bursts of 20", P99, 0.01, SIM_BURSTS, 20, 1, BO_REQ_OK, 24000 },
	{ "errors 1 %, bursts of 5", "errors.ratio <= 1% in fault", 0.01, SIM_BURSTS, 5, 1, BO_REQ_HTTP_5XX, 6000 },
	{ "p99, serial, 10 requests", P99, 0.01, SIM_SERIAL, 10, 1, BO_REQ_OK, 6000 },
	{ "p99, bursts of 5, too few", P99, 0.01, SIM_BURSTS, 5, 1, BO_REQ_OK, 2000 },
	{ "p99, bursts of 20, too few", P99, 0.01, SIM_BURSTS, 20, 1, BO_REQ_OK, 6000 },
	{ "p99, one stall", P99, 0.01, SIM_STALL, 0, 1, BO_REQ_OK, 2000 },
};
/* clang-format on */

static const double distances[] = { 0.25, 0.5, 0.8, 1, 1.2, 1.5, 2, 4 };
#define NDISTANCES (sizeof(distances) / sizeof(distances[0]))

static void verdicts(int runs)
{
	double broken = 0, kept = 0;

	printf("PASS/FAIL in %%, the rest INCONCLUSIVE, of %d runs each; across: true share of bad requests "
	       "over the share that the budget allows\n\n%-28s %6s",
	       runs, "service", "n");
	for (size_t d = 0; d < NDISTANCES; d++)
		printf("  %10.2f", distances[d]);
	printf("\n");
	for (size_t i = 0; i < sizeof(processes) / sizeof(processes[0]); i++) {
		const struct sim_process *p = &processes[i];

		printf("%-28s %6d", p->what, p->requests);
		for (size_t d = 0; d < NDISTANCES; d++) {
			struct sim_rate r = sim_verdicts(p, distances[d] * p->limit, runs,
							 1000 * (i + 1) + d);
			char cell[24];

			snprintf(cell, sizeof(cell), "%.1f/%.1f", 100 * r.pass, 100 * r.fail);
			printf("  %10s", cell);
			fflush(stdout);
			broken = r.pass_broken > broken ? r.pass_broken : broken;
			kept = r.fail_kept > kept ? r.fail_kept : kept;
		}
		printf("\n");
	}
	printf("\nAgainst the run itself (its own percentile or ratio): PASS though broken at most %.2f %%, "
	       "FAIL though kept at most %.2f %% of any cell\n",
	       100 * broken, 100 * kept);
}

static void shifts(int runs)
{
	static const double rises[] = { 1, 1.1, 1.15, 1.2, 1.25, 1.3, 1.5 };
	static const struct {
		const char *what;
		double serial_s;
		int base_s, fault_s;
	} rows[] = {
		{ "independent", 0, 5, 10 },
		{ "independent", 0, 20, 20 },
		{ "spells of 0.5 s", 0.5, 20, 20 },
		{ "spells of 2 s", 2, 30, 60 },
	};

	printf("\nlatency.shift <= 20%%; across: how much latency really rose\n\n%-20s %12s",
	       "service", "base + fault");
	for (size_t d = 0; d < sizeof(rises) / sizeof(rises[0]); d++)
		printf("  %9.0f%%", 100 * (rises[d] - 1));
	printf("\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		printf("%-20s %4d + %2d s  ", rows[i].what, rows[i].base_s, rows[i].fault_s);
		for (size_t d = 0; d < sizeof(rises) / sizeof(rises[0]); d++) {
			struct sim_rate r = sim_shifts(rises[d], rows[i].serial_s, rows[i].base_s,
						       rows[i].fault_s, runs, 50000 + 100 * i + d);
			char cell[24];

			snprintf(cell, sizeof(cell), "%.1f/%.1f", 100 * r.pass, 100 * r.fail);
			printf("  %10s", cell);
			fflush(stdout);
		}
		printf("\n");
	}
}

/* "99.1/0.0 12 s": with the median of the seconds after which there was an answer, where half of them had one */
static void print_rate(struct sim_rate r, int median)
{
	char cell[40], at[16] = "-";

	if (median)
		snprintf(at, sizeof(at), "%d s", median);
	snprintf(cell, sizeof(cell), "%.1f/%.1f %s", 100 * r.pass, 100 * r.fail, at);
	printf("  %14s", cell);
	fflush(stdout);
}

static void early(int runs)
{
	static const double bursts[] = { 1, 5, 20 };

	printf("\nAsked every second for two minutes at 200/s, a limit of 1 %%: within/beyond in %%, and when "
	       "half of the runs had an answer\n\n%-28s",
	       "service");
	for (size_t d = 0; d < NDISTANCES; d++)
		printf("  %14.2f", distances[d]);
	printf("\n");
	for (size_t i = 0; i < sizeof(bursts) / sizeof(bursts[0]); i++) {
		char what[32] = "independent";

		if (i)
			snprintf(what, sizeof(what), "bursts of %.0f", bursts[i]);
		printf("%-28s", what);
		for (size_t d = 0; d < NDISTANCES; d++) {
			int median;
			struct sim_rate r = sim_early(0.01 * distances[d], bursts[i], 120, runs,
						      90000 + 100 * i + d, &median);

			print_rate(r, median);
		}
		printf("\n");
	}
}

static void stopped(int runs)
{
	static const struct sim_process rows[] = {
		{ "p99", P99, 0.01, SIM_STEADY, 0, 1, BO_REQ_OK, 24000 },
		{ "errors 1 %", "errors.ratio <= 1% in fault", 0.01, SIM_STEADY, 0, 1, BO_REQ_RESET,
		  24000 },
		{ "p99, bursts of 5", P99, 0.01, SIM_BURSTS, 5, 1, BO_REQ_OK, 24000 },
		{ "p99, bursts of 20", P99, 0.01, SIM_BURSTS, 20, 1, BO_REQ_OK, 24000 },
		{ "p99, builds up", P99, 0.01, SIM_BUILDUP, 0, 1, BO_REQ_OK, 24000 },
	};

	printf("\nRuns of two minutes at 200/s that end as soon as their verdict is certain: PASS/FAIL in %%, and when "
	       "half of them had ended\n\n%-18s",
	       "service");
	for (size_t d = 0; d < NDISTANCES; d++)
		printf("  %14.2f", distances[d]);
	printf("\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		printf("%-18s", rows[i].what);
		for (size_t d = 0; d < NDISTANCES; d++) {
			int median;
			struct sim_rate r = sim_stopped(&rows[i], distances[d] * rows[i].limit,
							runs, 120000 + 100 * i + d, &median);

			print_rate(r, median);
		}
		printf("\n");
	}
}

int main(int argc, char **argv)
{
	int runs = argc > 1 ? atoi(argv[1]) : 2000;

	static const struct {
		const char *name;
		void (*print)(int runs);
	} tables[] = { { "verdicts", verdicts },
		       { "shifts", shifts },
		       { "early", early },
		       { "stopped", stopped } };
	bool any = false;

	for (size_t i = 0; runs > 0 && i < sizeof(tables) / sizeof(tables[0]); i++) {
		if (argc > 2 && strcmp(argv[2], tables[i].name) != 0)
			continue;
		tables[i].print(runs);
		any = true;
	}
	if (!any)
		fprintf(stderr, "usage: verdict_bench [RUNS [verdicts|shifts|early|stopped]]\n");
	return any ? 0 : 2;
}
