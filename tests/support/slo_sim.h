/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/slo_sim.h — how often is a verdict wrong?  Runs of services whose truth is known, judged
 * by bo_slo_judge() as any run is.  Shared by the unit test, which holds a short version to its bounds,
 * and by the benchmark, which prints the tables that docs/statistics.md quotes.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#pragma once
#include <stdint.h>

#include "brownout/model/run.h"

enum sim_shape {
	SIM_STEADY,  /* each request on its own */
	SIM_BUILDUP, /* from nothing to twice the share over the phase */
	SIM_BURSTS,  /* bad ones come about @arg in a row (geometric), at random places */
	SIM_SERIAL,  /* latency follows itself: exp(-1/@arg) from one request to the next */
	SIM_STALL,   /* all of them in one stretch at a random place */
};

/**
 * struct sim_process - a kind of service under a budget that allows a share @limit of bad requests
 * @sigma: of the latencies' logarithm (1 is a heavy tail: the p99 is ten times the median); 0: Pareto
 *         with exponent 1.2, whose variance is infinite
 * @bad_class: of requests that fail, for budgets of errors; BO_REQ_OK: they are slow
 */
struct sim_process {
	const char *what;
	const char *budget;
	double limit;
	enum sim_shape shape;
	double arg;
	double sigma;
	enum bo_req_class bad_class;
	int requests;
};

/** struct sim_rate - shares of all runs; @pass_broken: PASS though more than the limit were bad in this very
 * run; @fail_kept: FAIL though no more were */
struct sim_rate {
	double pass;
	double fail;
	double pass_broken;
	double fail_kept;
};

/** sim_verdicts() - @runs runs at 200/s in which the service makes a share @share of requests bad */
struct sim_rate sim_verdicts(const struct sim_process *p, double share, int runs, uint64_t seed);

/**
 * sim_shifts() - "latency.shift <= 20%": base of @base_s and fault of @fault_s seconds at 200/s
 * @ratio: by which latency really rose;  @serial_s: how long a slow or fast spell of the service lasts, 0 none
 */
struct sim_rate sim_shifts(double ratio, double serial_s, int base_s, int fault_s, int runs,
			   uint64_t seed);

/** sim_early() - the same for a test that is asked every second for @seconds, with a limit of 1 %;
 * @ret_median_s: when half of the runs had an answer, 0 never */
struct sim_rate sim_early(double share, double burst, int seconds, int runs, uint64_t seed,
			  int *ret_median_s);

/** sim_stopped() - as sim_verdicts() of runs that end as soon as bo_stop_ask() says so, asked every second; the verdict is
 * that of bo_slo_judge() on what was seen until then.  @ret_median_s: when half of the runs had ended early, 0 never */
struct sim_rate sim_stopped(const struct sim_process *p, double share, int runs, uint64_t seed,
			    int *ret_median_s);
