/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/report_run.c — one scenario (orders → db) under three faults, with four endings. */
#include "report_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/base/rng.h"

#define SEC BO_NSEC_PER_SEC
#define MSEC BO_NSEC_PER_MSEC
#define MIB INT64_C(1048576)

#define ORDERS 1
#define DB 2

static void must(bool ok)
{
	if (!ok) {
		fputs("report_run: out of memory\n", stderr);
		abort();
	}
}

static const char *text(struct bo_plan *plan, bool hostile, const char *s)
{
	char *out = hostile ? bo_arena_printf(&plan->arena, "%s%s", s, REPORT_HOSTILE)
			    : bo_arena_strdup(&plan->arena, s);

	must(out);
	return out;
}

static void add_fault(struct bo_plan *plan, struct bo_fault_spec spec, bool hostile, int line)
{
	spec.id = text(plan, hostile, spec.id);
	spec.src = (struct bo_src){ plan->scenario_path, line };
	must(bo_vec_push(&plan->faults, spec));
}

static void add_faults(struct bo_plan *plan, bool hostile)
{
	static const struct bo_arg link_args[] = {
		{ .key = "delay", .type = BO_ARG_STRING, .str = "1.5s" },
		{ .key = "loss", .type = BO_ARG_STRING, .str = "2%" },
	};
	static const struct bo_arg memory_args[] = {
		{ .key = "to", .type = BO_ARG_STRING, .str = "112MiB" },
		{ .key = "steps", .type = BO_ARG_NUMBER, .num = 4 },
	};

	add_fault(plan,
		  (struct bo_fault_spec){ .id = "delay orders-db",
					  .kind = "delay",
					  .target = BO_TARGET_LINK,
					  .index = bo_plan_link(plan, ORDERS, DB),
					  .args = link_args,
					  .nargs = 2,
					  .from = BO_PHASE_FAULT,
					  .to = BO_PHASE_HOLD },
		  hostile, 24);
	add_fault(plan,
		  (struct bo_fault_spec){ .id = "memory orders",
					  .kind = "memory",
					  .target = BO_TARGET_NODE,
					  .index = ORDERS,
					  .args = memory_args,
					  .nargs = 2,
					  .from = BO_PHASE_FAULT,
					  .to = BO_PHASE_FAULT,
					  .after_ns = 3 * SEC },
		  hostile, 25);
	add_fault(plan,
		  (struct bo_fault_spec){ .id = "kill db",
					  .kind = "kill",
					  .target = BO_TARGET_NODE,
					  .index = DB,
					  .from = BO_PHASE_FAULT,
					  .to = BO_PHASE_FAULT,
					  .after_ns = 6 * SEC,
					  .lasts_ns = 2 * SEC },
		  hostile, 26);
}

static struct bo_plan *make_plan(bool hostile)
{
	static const char *const argv[] = {
		"./orders", "--db", "db:5432", "--timeout", "1s", NULL
	};
	static const char *const budgets[] = {
		"latency.p99 <= 1.2s in fault",  "errors.ratio <= 1% in heal",
		"goroutines.delta <= 5 at hold", "goroutines.delta <= 5 at settle",
		"memory.usage <= 95% of limit",  "recovery <= 3s",
	};
	static const int64_t phases[BO_PHASE_COUNT] = { 2 * SEC, 5 * SEC, 10 * SEC,
							4 * SEC, 3 * SEC, 4 * SEC };
	static const struct bo_param params[] = { { "build", "leaky" } };
	static const struct bo_param overrides[] = { { "phase", "fault=10s" } };
	struct bo_param *tag;
	struct bo_plan *plan = bo_plan_new();

	must(plan);
	plan->name = text(plan, hostile, "orders-db-slow");
	plan->about = text(plan, hostile,
			   "The 1 s request timeout must reach the database driver.");
	plan->scenario_path = text(plan, hostile, "scenarios/timeouts/orders.lua");
	plan->scenario_dir = "/srv/scenarios/timeouts";
	plan->scenario_text = "local bo = require \"brownout\"\n";
	plan->params = params;
	plan->nparams = 1;
	tag = bo_arena_alloc(&plan->arena, sizeof(*tag));
	must(tag);
	*tag = (struct bo_param){ "branch", text(plan, hostile, "main") };
	plan->tags = tag;
	plan->ntags = 1;
	plan->overrides = overrides;
	plan->noverrides = 1;
	/* Above 2^53, so that a reader that takes it for a double is found out. */
	plan->seed = UINT64_C(9007199254740993);
	plan->timeout_ns = SEC;
	memcpy(plan->phase_ns, phases, sizeof(phases));
	must(bo_vec_push(&plan->nodes,
			 (struct bo_node_spec){ .name = text(plan, hostile, "orders"),
						.role = BO_ROLE_SUBJECT,
						.kind = BO_NODE_COMMAND,
						.argv = argv,
						.memory_bytes = 256 * MIB,
						.cpus_milli = 2000,
						.ready = { .kind = BO_READY_HTTP,
							   .url = "http://orders:8080/healthz",
							   .deadline_ns = 10 * SEC },
						.probe = { .interval_ns = 100 * MSEC },
						.src = { plan->scenario_path, 12 } }));
	must(bo_vec_push(&plan->nodes,
			 (struct bo_node_spec){ .name = text(plan, hostile, "db"),
						.role = BO_ROLE_DEPENDENCY,
						.kind = BO_NODE_STUB,
						.stub = { .proto = BO_STUB_TCP,
							  .port = 5432,
							  .delay_ns = 2 * MSEC,
							  .body = "ok" },
						.ready = { .kind = BO_READY_TCP,
							   .port = 5432,
							   .deadline_ns = 10 * SEC },
						.src = { plan->scenario_path, 10 } }));
	must(bo_plan_link_add(plan, BO_NODE_CLIENT, ORDERS, plan->src) >= 0);
	must(bo_plan_link_add(plan, ORDERS, DB, plan->src) >= 0);
	must(bo_vec_push(&plan->loads,
			 (struct bo_load_spec){ .name = text(plan, hostile, "checkout"),
						.url = "http://orders:8080/checkout",
						.node = ORDERS,
						.port = 8080,
						.path = "/checkout",
						.method = "GET",
						.rate_per_s = 200,
						.timeout_ns = 5 * SEC,
						.max_inflight = 1000,
						.keepalive = true,
						.src = { plan->scenario_path, 18 } }));
	add_faults(plan, hostile);
	for (size_t i = 0; i < sizeof(budgets) / sizeof(*budgets); i++)
		must(bo_vec_push(
			&plan->budgets,
			(struct bo_budget_spec){
				text(plan, hostile, budgets[i]),
				i == 5 ? (struct bo_src){ 0 }
				       : (struct bo_src){ plan->scenario_path, 28 + (int)i } }));
	return plan;
}

static bool between(int64_t t, double from_s, double to_s)
{
	return t >= (int64_t)(from_s * (double)SEC) && t < (int64_t)(to_s * (double)SEC);
}

/* A latency with a tail: mostly @typical, one in a hundred a few times that.  Integers, so the same
 * everywhere. */
static int64_t draw_latency(struct bo_rng *rng, int64_t typical_ns)
{
	int64_t spread = typical_ns / 2;
	int64_t lat = typical_ns - spread / 2 + (int64_t)(bo_rng_u64(rng) % (uint64_t)spread);

	return bo_rng_u64(rng) % 100 == 0 ? lat * 4 : lat;
}

static void add_requests(struct bo_run *run, enum report_sample sample)
{
	bool leaky = sample == SAMPLE_FAIL || sample == SAMPLE_ABORTED;
	struct bo_rng rng;

	bo_rng_init(&rng, 42, 1);
	for (int64_t t = 0; t < 20 * SEC && t < run->ended_ns; t += 5 * MSEC) {
		struct bo_req req = {
			.intended_ns = t, .status = 200, .cls = BO_REQ_OK, .bytes = 312
		};
		int64_t latency = draw_latency(&rng, 6 * MSEC);

		if (between(t, 13, 15)) {
			req.cls = BO_REQ_HTTP_5XX;
			req.status = 503;
		} else if (between(t, 7, 17)) {
			latency = leaky ? draw_latency(&rng, 3000 * MSEC)
					: draw_latency(&rng, 6 * MSEC) / 20 + SEC;
			req.cls = leaky ? BO_REQ_OK : BO_REQ_HTTP_5XX;
			req.status = leaky ? 200 : 504;
			if (latency > 5 * SEC) {
				latency = 5 * SEC;
				req.cls = BO_REQ_TIMEOUT_FIRST_BYTE;
			}
		} else if (t >= 17 * SEC) {
			continue; /* hold: no load */
		}
		req.sent_ns = t + 40000;
		req.end_ns = t + latency;
		if (req.end_ns > run->ended_ns) {
			req.end_ns = run->ended_ns;
			req.cls = BO_REQ_INFLIGHT;
		}
		must(bo_vec_push(&run->requests, req));
	}
	for (int64_t t = 21 * SEC; t < 24 * SEC && t < run->ended_ns; t += 5 * MSEC) {
		int64_t latency = draw_latency(&rng, t < 22 * SEC ? 30 * MSEC : 6 * MSEC);

		must(bo_vec_push(&run->requests, (struct bo_req){ .intended_ns = t,
								  .sent_ns = t + 40000,
								  .end_ns = t + latency,
								  .status = 200,
								  .cls = BO_REQ_OK,
								  .bytes = 312 }));
	}
}

static double goroutines_at(int64_t t, bool leaky)
{
	int64_t ms = t / MSEC;

	if (t < 7 * SEC)
		return (double)(18 + ms / 100 % 5);
	if (t < 17 * SEC)
		return leaky ? (double)(20 + (ms - 7000) / 100 * 12) : (double)(220 + ms / 100 % 7);
	return leaky ? 1220 - (double)(t > 21 * SEC ? 300 : 0) : 19;
}

static double memory_at(int64_t t, bool leaky)
{
	double base = 61.0 * (double)MIB;

	if (t < 7 * SEC)
		return base + (double)(t / MSEC % 900 * 2048);
	return base + (leaky ? goroutines_at(t, true) * 32768 : 4.0 * (double)MIB);
}

static double limit_at(int64_t t)
{
	if (!between(t, 10, 17))
		return 256.0 * (double)MIB;
	return (double)(256 * MIB -
			36 * MIB * ((t - 10 * SEC) / SEC > 3 ? 4 : (t - 10 * SEC) / SEC + 1));
}

static double inflight_at(int64_t t, bool leaky)
{
	if (between(t, 17, 21) || t > 24 * SEC)
		return 0;
	return between(t, 7, 17) ? (leaky ? 600 : 200) : 2;
}

static void add_series(struct bo_run *run, enum report_sample sample, bool hostile)
{
	bool leaky = sample == SAMPLE_FAIL || sample == SAMPLE_ABORTED,
	     holes = sample == SAMPLE_INCONCLUSIVE;
	struct bo_series *goroutines, *usage, *limit, *rss, *cpu, *conns, *inflight;

	goroutines = bo_run_series_add(run, BO_SERIES_GOROUTINES, "count", "pprof debug=1", ORDERS);
	usage = bo_run_series_add(run, BO_SERIES_MEMORY, "bytes", "cgroup v1", ORDERS);
	limit = bo_run_series_add(run, BO_SERIES_MEMORY_LIMIT, "bytes", "cgroup v1", ORDERS);
	rss = bo_run_series_add(run, BO_SERIES_RSS, "bytes", "/proc", ORDERS);
	cpu = bo_run_series_add(run, BO_SERIES_CPU, "CPUs", "/proc", ORDERS);
	conns = bo_run_series_add(run, BO_SERIES_CONNS, "count", "load 'checkout'", BO_NODE_CLIENT);
	inflight = bo_run_series_add(run, BO_SERIES_INFLIGHT, "count", "load 'checkout'",
				     BO_NODE_CLIENT);
	must(goroutines && usage && limit && rss && cpu && conns && inflight);
	for (int64_t t = 0; t < run->ended_ns; t += 250 * MSEC) {
		if (!(holes && between(t, 9, 12)))
			must(bo_vec_push(&goroutines->samples,
					 (struct bo_sample){ t, goroutines_at(t, leaky) }));
		must(bo_vec_push(&usage->samples, (struct bo_sample){ t, memory_at(t, leaky) }));
		must(bo_vec_push(&limit->samples, (struct bo_sample){ t, limit_at(t) }));
		must(bo_vec_push(&rss->samples,
				 (struct bo_sample){ t, memory_at(t, leaky) - 9.0 * (double)MIB }));
		must(bo_vec_push(
			&cpu->samples,
			(struct bo_sample){ t, between(t, 17, 21) || t > 24 * SEC ? 0.02 : 0.25 }));
		must(bo_vec_push(&conns->samples,
				 (struct bo_sample){ t, inflight_at(t, leaky) + 4 }));
		must(bo_vec_push(&inflight->samples,
				 (struct bo_sample){ t, inflight_at(t, leaky) }));
	}
	if (holes)
		must(bo_vec_push(&goroutines->gaps,
				 (struct bo_gap){ 9 * SEC, 12 * SEC,
						  hostile ? REPORT_HOSTILE
							  : "HTTP GET timed out after 1.00s" }));
	/* after the last sample: a sampler that never came back */
	if (holes)
		must(bo_vec_push(&cpu->gaps,
				 (struct bo_gap){ 27 * SEC + 900 * MSEC, 28 * SEC, "gone" }));
	if (hostile)
		must(bo_run_series_add(run, "../../etc/" REPORT_HOSTILE, REPORT_HOSTILE,
				       REPORT_HOSTILE, DB));
}

/* Who the goroutines are at the end of base and of hold. */
static void add_snapshots(struct bo_run *run, bool hostile)
{
	static const struct bo_group kinds[] = {
		{ .site = "net/http.(*Server).Serve",
		  .site_line = "net/http/server.go:3285",
		  .start = "net/http.(*conn).serve",
		  .blocked_at = "net/http.(*connReader).Read",
		  .blocked_line = "net/http/server.go:798",
		  .state = "IO wait",
		  .labels = "",
		  .count = 20 },
		{ .site = "main.(*Server).lookup",
		  .site_line = "/src/orders/lookup.go:26",
		  .start = "main.(*Server).lookup.func1",
		  .blocked_at = "main.(*Store).Get",
		  .blocked_line = "/src/orders/store.go:62",
		  .state = "select",
		  .labels = "\"route\":\"/checkout\"",
		  .count = 3 },
		{ .site = "",
		  .site_line = "",
		  .start = "main.main",
		  .blocked_at = "",
		  .blocked_line = "",
		  .state = "running",
		  .labels = "",
		  .count = 1 },
	};
	static const uint64_t grown[] = { 24, 1199, 1 };
	const size_t n = sizeof(kinds) / sizeof(*kinds);

	for (int hold = 0; hold < 2; hold++) {
		struct bo_group_snapshot s = {
			.t_ns = run->phases[hold ? BO_PHASE_HOLD : BO_PHASE_BASE].end_ns -
				100 * MSEC,
			.node = ORDERS,
			.source = "census symtab+dwarf",
			.system = 5,
			.ngroups = n
		};

		s.groups = bo_arena_alloc(&run->arena, sizeof(kinds));
		must(s.groups);
		memcpy(s.groups, kinds, sizeof(kinds));
		for (size_t i = 0; i < n; i++) {
			s.groups[i].count = hold ? grown[i] : kinds[i].count;
			s.groups[i].stuck = hold && i == 1 ? grown[i] - 3 : 0;
			s.total += s.groups[i].count;
		}
		if (hostile)
			s.groups[1].site = s.groups[1].labels = s.groups[1].blocked_line =
				REPORT_HOSTILE;
		must(bo_vec_push(&run->snapshots, s));
		if (!hold)
			continue;
		/* Go's own detector is asked in settle. */
		s.t_ns = run->phases[BO_PHASE_SETTLE].start_ns + SEC;
		s.source = "pprof goroutineleak debug=2";
		s.groups = &s.groups[1];
		s.ngroups = 1;
		s.total = s.groups[0].count;
		s.system = 0;
		must(bo_vec_push(&run->leaks, s));
	}
}

static void add_fault_records(struct bo_run *run, enum report_sample sample, bool hostile)
{
	struct bo_fault_record *f = run->faults.items;

	snprintf(f[0].driver, sizeof(f[0].driver), "wire");
	snprintf(f[0].requested, sizeof(f[0].requested), "delay 1.50s, loss 2%% both ways");
	snprintf(f[0].achieved, sizeof(f[0].achieved),
		 "delay p50 1.5003s, loss 1.9%% of 812 probes");
	snprintf(f[1].driver, sizeof(f[1].driver), "cgroup v1");
	snprintf(f[1].requested, sizeof(f[1].requested), "limit 256MiB to 112MiB in 4 steps");
	snprintf(f[1].achieved, sizeof(f[1].achieved),
		 "limit 112MiB read back, failcnt +14, 0 OOM kills");
	snprintf(f[2].driver, sizeof(f[2].driver), "cgroup.kill");
	snprintf(f[2].requested, sizeof(f[2].requested), "kill db, start it again after 2.00s");
	snprintf(f[2].achieved, sizeof(f[2].achieved),
		 "exit seen after 0.8ms, ready again after 41ms");
	for (int i = 0; i < 3; i++) {
		static const int64_t at[][2] = { { 7 * SEC, 21 * SEC },
						 { 10 * SEC, 17 * SEC },
						 { 13 * SEC, 15 * SEC } };

		if (at[i][0] > run->ended_ns) {
			memset(f[i].driver, 0, sizeof(f[i].driver));
			memset(f[i].achieved, 0, sizeof(f[i].achieved));
			continue;
		}
		f[i].confirm = BO_CONFIRM_OK;
		f[i].applied_ns = at[i][0] + 400000;
		f[i].apply_cost_ns = 180000 + i * 31000;
		f[i].reverted_ns = (at[i][1] < run->ended_ns ? at[i][1] : run->ended_ns) + 300000;
		f[i].revert_cost_ns = 120000;
	}
	if (sample == SAMPLE_INCONCLUSIVE) {
		f[0].confirm = BO_CONFIRM_OFF;
		snprintf(f[0].achieved, sizeof(f[0].achieved),
			 "delay p50 0.2ms, loss 0%% of 812 probes%s",
			 hostile ? REPORT_HOSTILE : "");
		snprintf(f[0].reason, sizeof(f[0].reason), "asked for 1.50s, measured 0.2ms%s",
			 hostile ? REPORT_HOSTILE : "");
	}
}

static void judge(struct bo_run *run, size_t i, enum bo_outcome outcome, const char *measured,
		  const char *limit, const char *excess, double limit_value, double breach_s)
{
	struct bo_budget_result b = {
		.text = run->plan->budgets.items[i].text,
		.src = run->plan->budgets.items[i].src,
		.outcome = outcome,
		.measured_value = NAN,
		.limit_value = limit_value,
		.first_breach_ns = breach_s < 0 ? INT64_MIN : (int64_t)(breach_s * (double)SEC),
	};

	snprintf(b.measured, sizeof(b.measured), "%s", measured);
	snprintf(b.limit, sizeof(b.limit), "%s", limit);
	snprintf(b.excess, sizeof(b.excess), "%s", excess);
	must(bo_vec_push(&run->verdict.budgets, b));
}

static void add_verdict(struct bo_run *run, enum report_sample sample, bool hostile)
{
	bool leaky = sample == SAMPLE_FAIL;

	run->verdict.outcome = sample == SAMPLE_FAIL           ? BO_FAIL
			       : sample == SAMPLE_PASS         ? BO_PASS
			       : sample == SAMPLE_INCONCLUSIVE ? BO_INCONCLUSIVE
							       : BO_ABORTED;
	if (sample == SAMPLE_ABORTED) {
		run->abort_reason = hostile ? REPORT_HOSTILE : "interrupted by SIGINT";
		must(bo_vec_push(&run->verdict.reasons, run->abort_reason));
		return;
	}
	judge(run, 0, leaky ? BO_FAIL : BO_PASS, leaky ? "3.75s" : "1.00s", "<= 1.20s",
	      leaky ? "by 2.55s (213%)" : "", 1.2e9, leaky ? 7.25 : -1);
	judge(run, 1, BO_PASS, "0%", "<= 1%", "", 0.01, -1);
	judge(run, 2, leaky ? BO_FAIL : BO_PASS, leaky ? "1200" : "-1", "<= 5",
	      leaky ? "by 1195" : "", 5, leaky ? 17 : -1);
	if (leaky)
		run->verdict.budgets.items[2].evidence = "goroutines/diff-base-hold.txt";
	judge(run, 3, leaky ? BO_FAIL : BO_PASS, leaky ? "900" : "-1", "<= 5",
	      leaky ? "by 895" : "", 5, leaky ? 24 : -1);
	if (sample == SAMPLE_INCONCLUSIVE) {
		judge(run, 4, BO_INCONCLUSIVE, "", "<= 95%", "", 0.95, -1);
		snprintf(run->verdict.budgets.items[4].reason,
			 sizeof(run->verdict.budgets.items[4].reason), "%s",
			 hostile ? REPORT_HOSTILE : "no samples between 9.00s and 12.00s");
		must(bo_vec_push(
			&run->verdict.reasons,
			hostile ? REPORT_HOSTILE
				: "fault \"delay orders-db\" was not confirmed: asked for 1.50s, measured 0.2ms"));
		must(bo_vec_push(&run->verdict.reasons,
				 "goroutines of orders: no samples for 3.00s"));
	} else {
		judge(run, 4, BO_PASS, leaky ? "87.5%" : "58.0%", "<= 95%", "", 0.95, -1);
	}
	judge(run, 5, BO_PASS, "0.75s", "<= 3.00s", "", 3e9, -1);
}

static void add_events(struct bo_run *run, enum report_sample sample, bool hostile)
{
	bo_run_event(run, -420 * MSEC, BO_EVENT_NODE, DB, "started");
	bo_run_event(run, -61 * MSEC, BO_EVENT_NODE, ORDERS, "ready after 212ms");
	bo_run_event(run, 7 * SEC, BO_EVENT_PHASE, -1, "fault");
	bo_run_event(run, 7 * SEC + 400000, BO_EVENT_FAULT, -1, "applied delay orders-db");
	if (sample == SAMPLE_ABORTED) {
		bo_run_event(run, run->ended_ns, BO_EVENT_NOTE, -1, "interrupted by SIGINT%s",
			     hostile ? REPORT_HOSTILE : "");
		return;
	}
	bo_run_event(run, 13 * SEC + 1200000, BO_EVENT_NODE, DB, "exited: killed by SIGKILL");
	bo_run_event(run, 15 * SEC + 41 * MSEC, BO_EVENT_NODE, DB, "restarted, ready after 41ms");
	if (sample == SAMPLE_INCONCLUSIVE)
		bo_run_event(run, 12 * SEC, BO_EVENT_PROBLEM, ORDERS,
			     "no goroutine samples for 3.00s%s", hostile ? REPORT_HOSTILE : "");
}

struct report_run report_run_new(enum report_sample sample, bool hostile)
{
	static const char *const ids[] = { "fail", "pass", "inconclusive", "aborted" };
	struct report_run rr = { .plan = make_plan(hostile) };
	struct bo_run *run = rr.run = bo_run_new(rr.plan);
	int64_t t = 0;

	must(run);
	snprintf(run->id, sizeof(run->id), "orders-db-slow-20250131T120000Z-%s", ids[sample]);
	snprintf(run->machine, sizeof(run->machine), "Linux 6.1.0-28-amd64, 4 CPUs%s",
		 hostile ? REPORT_HOSTILE : "");
	snprintf(run->driver, sizeof(run->driver), "wire");
	snprintf(run->cgroup, sizeof(run->cgroup), "v1");
	snprintf(run->version, sizeof(run->version), "0.1.0");
	run->started_unix_ns = INT64_C(1738324800) * SEC + 250 * MSEC;
	run->ended_ns = sample == SAMPLE_ABORTED ? 11 * SEC + 300 * MSEC : 28 * SEC;
	for (int p = 0; p < BO_PHASE_COUNT && t < run->ended_ns; p++) {
		run->phases[p].start_ns = t;
		t += rr.plan->phase_ns[p];
		run->phases[p].end_ns = t < run->ended_ns ? t : run->ended_ns;
	}
	add_requests(run, sample);
	add_series(run, sample, hostile);
	if (sample == SAMPLE_FAIL)
		add_snapshots(run, hostile);
	add_fault_records(run, sample, hostile);
	run->loads.items[0] = (struct bo_load_record){ .offered = run->requests.len,
						       .sent = run->requests.len,
						       .connects = 604,
						       .peak_connections = 604,
						       .lag_p50_ns = 5000,
						       .lag_p99_ns = 19000,
						       .lag_max_ns = 210000 };
	add_events(run, sample, hostile);
	add_verdict(run, sample, hostile);
	return rr;
}

void report_run_free(struct report_run *rr)
{
	bo_run_free(rr->run);
	bo_plan_free(rr->plan);
	*rr = (struct report_run){ 0 };
}
