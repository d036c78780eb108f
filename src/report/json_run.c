/* SPDX-License-Identifier: Apache-2.0 */
/* report/json_run.c — run.json: the whole run as one document; reports/schema/run.schema.json
 * describes it.
 *
 * Units are in the names: instants and lengths in seconds after the start of the first phase
 * ("_s"), latencies and costs in milliseconds ("_ms").  What did not happen or could not be
 * measured is null, never 0.  Long columns of numbers are arrays side by side, which keeps the file
 * small and is how plotting tools take them.
 *
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "brownout/base/clock.h"
#include "brownout/report/report.h"
#include "brownout/report/text.h"
#include "brownout/report/view.h"
#include "build.h"
#include "goroutines.h"
#include "headline.h"

static json_t *started_json(int64_t unix_ns)
{
	char text[64], stamp[48];
	time_t seconds = (time_t)(unix_ns / BO_NSEC_PER_SEC);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || !strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm))
		return json_null();
	snprintf(text, sizeof(text), "%s.%03dZ", stamp,
		 (int)(unix_ns % BO_NSEC_PER_SEC / BO_NSEC_PER_MSEC));
	return json_string(text);
}

static json_t *strbuf_json(struct bo_strbuf *sb)
{
	json_t *value = bo_strbuf_ok(sb) ? bo_build_str(bo_strbuf_str(sb)) : NULL;

	bo_strbuf_done(sb);
	return value;
}

static void add_pair(struct bo_strbuf *cmd, const char *option, const struct bo_param *pair)
{
	struct bo_strbuf word = { 0 };

	bo_strbuf_printf(&word, "%s=%s", pair->key, pair->value);
	bo_strbuf_printf(cmd, " --%s ", option);
	bo_text_shell(cmd, bo_strbuf_str(&word));
	cmd->failed |= word.failed;
	bo_strbuf_done(&word);
}

/* The command that repeats this run: the same scenario, parameters, overrides, seed and driver. */
static json_t *rerun_json(const struct bo_run *run)
{
	const struct bo_plan *plan = run->plan;
	struct bo_strbuf cmd = { 0 };

	bo_strbuf_puts(&cmd, bo_plan_attached(plan) ? "brownout run --attach" : "brownout run");
	for (size_t i = 0; i < plan->nparams; i++)
		add_pair(&cmd, "set", &plan->params[i]);
	for (size_t i = 0; i < plan->ntags; i++)
		add_pair(&cmd, "tag", &plan->tags[i]);
	for (size_t i = 0; i < plan->noverrides; i++) {
		bo_strbuf_printf(&cmd, " --%s ", plan->overrides[i].key);
		bo_text_shell(&cmd, plan->overrides[i].value);
	}
	if (plan->stop_early)
		bo_strbuf_puts(&cmd, " --stop-early");
	bo_strbuf_printf(&cmd, " --seed %" PRIu64, plan->seed);
	if (*run->driver) {
		bo_strbuf_puts(&cmd, " --driver ");
		bo_text_shell(&cmd, run->driver);
	}
	bo_strbuf_puts(&cmd, " ");
	bo_text_shell(&cmd, plan->scenario_path);
	return strbuf_json(&cmd);
}

static json_t *outcome_json(struct bo_build *b, const struct bo_run *run)
{
	struct bo_strbuf headline = { 0 };
	json_t *o = json_object(), *reasons = json_array();

	bo_headline(&headline, run);
	bo_vec_foreach(reason, &run->verdict.reasons)
		bo_build_push(b, reasons, bo_build_str(*reason));
	bo_build_put(b, o, "verdict", json_string(bo_outcome_name(run->verdict.outcome)));
	bo_build_put(b, o, "exit_code", json_integer(bo_outcome_exit(run->verdict.outcome)));
	bo_build_put(b, o, "headline", strbuf_json(&headline));
	bo_build_put(b, o, "failure", bo_build_str(run->failure));
	bo_build_put(b, o, "abort_reason", bo_build_str(run->abort_reason));
	bo_build_put(b, o, "reasons", reasons);
	if (run->stopped_early) {
		json_t *early = json_object();

		bo_build_put(b, early, "at_s", bo_build_seconds(run->stopped_ns));
		bo_build_put(b, early, "why", bo_build_str(run->stopped_early));
		bo_build_put(b, o, "stopped_early", early);
	}
	return o;
}

static json_t *scenario_json(struct bo_build *b, const struct bo_plan *plan)
{
	char seed[24];
	json_t *o = json_object();

	snprintf(seed, sizeof(seed), "%" PRIu64, plan->seed);
	bo_build_put(b, o, "name", bo_build_str(plan->name));
	bo_build_put(b, o, "about", bo_build_str(plan->about));
	bo_build_put(b, o, "path", bo_build_str(plan->scenario_path));
	/* A string: JSON readers that keep numbers as doubles would round a 64-bit seed. */
	bo_build_put(b, o, "seed", json_string(seed));
	bo_build_put(b, o, "params", bo_build_params(b, plan->params, plan->nparams));
	bo_build_put(b, o, "timeout_s",
		     plan->timeout_ns ? bo_build_seconds(plan->timeout_ns) : json_null());
	return o;
}

static json_t *environment_json(struct bo_build *b, const struct bo_run *run)
{
	json_t *o = json_object();

	bo_build_put(b, o, "machine", bo_build_str(run->machine));
	bo_build_put(b, o, "link_driver", bo_build_str(run->driver));
	bo_build_put(b, o, "cgroup", bo_build_str(run->cgroup));
	return o;
}

static json_t *topology_json(struct bo_build *b, const struct bo_plan *plan)
{
	static const char *const kinds[] = { "client", "command", "stub", "attached", "peer" };
	json_t *o = json_object(), *nodes = json_array(), *links = json_array();

	bo_vec_foreach(node, &plan->nodes) {
		json_t *n = json_object(), *argv = json_array();

		for (size_t i = 0; node->argv && node->argv[i]; i++)
			bo_build_push(b, argv, bo_build_str(node->argv[i]));
		bo_build_put(b, n, "name", bo_build_str(node->name));
		bo_build_put(b, n, "role", json_string(bo_role_name(node->role)));
		bo_build_put(b, n, "kind", json_string(kinds[node->kind]));
		bo_build_put(b, n, "command", argv);
		bo_build_put(b, n, "memory_bytes",
			     node->memory_bytes ? json_integer(node->memory_bytes) : json_null());
		bo_build_put(b, n, "cpus_milli",
			     node->cpus_milli ? json_integer(node->cpus_milli) : json_null());
		bo_build_push(b, nodes, n);
	}
	for (size_t i = 0; i < plan->links.len; i++) {
		json_t *l = json_object();

		bo_build_put(b, l, "name", bo_build_link_name(plan, i));
		bo_build_put(b, l, "a", bo_build_node_name(plan, plan->links.items[i].a));
		bo_build_put(b, l, "b", bo_build_node_name(plan, plan->links.items[i].b));
		bo_build_push(b, links, l);
	}
	bo_build_put(b, o, "nodes", nodes);
	bo_build_put(b, o, "links", links);
	return o;
}

static json_t *phases_json(struct bo_build *b, const struct bo_run *run)
{
	const struct bo_plan *plan = run->plan;
	json_t *phases = json_array();

	for (int p = 0; p < BO_PHASE_COUNT; p++) {
		const struct bo_phase_span *span = &run->phases[p];
		bool happened = span->start_ns != INT64_MIN;
		int64_t end = span->end_ns != INT64_MIN ? span->end_ns : run->ended_ns;
		json_t *o = json_object(), *loads = json_array();

		bo_build_put(b, o, "name", json_string(bo_phase_name((enum bo_phase)p)));
		bo_build_put(b, o, "has_load", json_boolean(bo_phase_has_load((enum bo_phase)p)));
		bo_build_put(b, o, "planned_s", bo_build_seconds(plan->phase_ns[p]));
		bo_build_put(b, o, "start_s", bo_build_seconds(span->start_ns));
		bo_build_put(b, o, "end_s", happened ? bo_build_seconds(end) : json_null());
		bo_build_put(b, o, "late_s",
			     happened
				     ? bo_build_seconds(span->start_ns -
							bo_plan_phase_start(plan, (enum bo_phase)p))
				     : json_null());
		bo_build_put(b, o, "all",
			     happened ? bo_latency_summary(b, run, -1, span->start_ns, end)
				      : json_null());
		for (size_t i = 0; happened && i < plan->loads.len; i++) {
			json_t *l = bo_latency_summary(b, run, (int)i, span->start_ns, end);

			bo_build_put(b, l, "load", bo_build_str(plan->loads.items[i].name));
			bo_build_push(b, loads, l);
		}
		bo_build_put(b, o, "loads", loads);
		bo_build_push(b, phases, o);
	}
	return phases;
}

static json_t *fault_json(struct bo_build *b, const struct bo_run *run, size_t i)
{
	static const struct bo_fault_record never = { .applied_ns = INT64_MIN,
						      .reverted_ns = INT64_MIN };
	const struct bo_fault_spec *spec = &run->plan->faults.items[i];
	const struct bo_fault_record *rec = i < run->faults.len ? &run->faults.items[i] : &never;
	bool applied = rec->applied_ns != INT64_MIN, reverted = rec->reverted_ns != INT64_MIN;
	json_t *o = json_object();
	int64_t start, end;

	bo_plan_fault_window(run->plan, spec, &start, &end);
	bo_build_put(b, o, "id", bo_build_str(spec->id));
	bo_build_put(b, o, "kind", bo_build_str(spec->kind));
	bo_build_put(b, o, "target", bo_build_target(b, run->plan, spec));
	bo_build_put(b, o, "args", bo_build_args(b, spec));
	bo_build_put(b, o, "source", bo_build_source(b, spec->src));
	bo_build_put(b, o, "driver", bo_build_str(rec->driver));
	bo_build_put(b, o, "requested", bo_build_str(rec->requested));
	bo_build_put(b, o, "achieved", bo_build_str(rec->achieved));
	bo_build_put(b, o, "confirm", json_string(bo_confirm_name(rec->confirm)));
	bo_build_put(b, o, "reason", bo_build_str(rec->reason));
	bo_build_put(b, o, "from_phase", json_string(bo_phase_name(spec->from)));
	bo_build_put(b, o, "to_phase", json_string(bo_phase_name(spec->to)));
	bo_build_put(b, o, "planned_start_s", bo_build_seconds(start));
	bo_build_put(b, o, "planned_end_s", bo_build_seconds(end));
	bo_build_put(b, o, "applied_s", bo_build_seconds(rec->applied_ns));
	bo_build_put(b, o, "reverted_s", bo_build_seconds(rec->reverted_ns));
	bo_build_put(b, o, "apply_cost_ms",
		     applied ? bo_build_ms(rec->apply_cost_ns) : json_null());
	bo_build_put(b, o, "revert_cost_ms",
		     reverted ? bo_build_ms(rec->revert_cost_ns) : json_null());
	return o;
}

/* An aborted run may end before anything was judged: the budgets are listed all the same. */
static json_t *budget_json(struct bo_build *b, const struct bo_run *run, size_t i)
{
	bool judged = i < run->verdict.budgets.len;
	struct bo_budget_result unjudged = {
		.outcome = BO_INCONCLUSIVE,
		.reason = "the run ended before this budget was judged",
		.measured_value = NAN,
		.limit_value = NAN,
		.first_breach_ns = INT64_MIN,
	};
	const struct bo_budget_result *result = judged ? &run->verdict.budgets.items[i] : &unjudged;
	json_t *o = json_object();

	if (!judged) {
		unjudged.text = run->plan->budgets.items[i].text;
		unjudged.src = run->plan->budgets.items[i].src;
	}
	bo_build_put(b, o, "text", bo_build_str(result->text));
	bo_build_put(b, o, "source", bo_build_source(b, result->src));
	bo_build_put(b, o, "outcome", json_string(bo_outcome_name(result->outcome)));
	if (result->warn)
		bo_build_put(b, o, "warn", json_true());
	bo_build_put(b, o, "measured", bo_build_str(result->measured));
	bo_build_put(b, o, "limit", bo_build_str(result->limit));
	bo_build_put(b, o, "excess", bo_build_str(result->excess));
	bo_build_put(b, o, "reason", bo_build_str(result->reason));
	bo_build_put(b, o, "measured_value", bo_build_num(result->measured_value));
	bo_build_put(b, o, "limit_value", bo_build_num(result->limit_value));
	bo_build_put(b, o, "first_breach_s", bo_build_seconds(result->first_breach_ns));
	bo_build_put(b, o, "evidence", bo_build_str(result->evidence));
	bo_build_put(b, o, "grew",
		     result->outcome == BO_FAIL && strstr(result->text, "goroutines")
			     ? bo_grew_json(b, run, result->text)
			     : json_array());
	return o;
}

/* Why requests ended with a class that one word does not explain. */
static json_t *reasons_json(struct bo_build *b, const struct bo_load_record *rec)
{
	json_t *reasons = json_array();

	for (size_t i = 0; i < rec->nreasons; i++) {
		json_t *o = json_object();

		bo_build_put(b, o, "class", json_string(bo_req_class_name(rec->reasons[i].cls)));
		bo_build_put(b, o, "text", bo_build_str(rec->reasons[i].text));
		bo_build_put(b, o, "count", bo_build_u64(rec->reasons[i].count));
		bo_build_push(b, reasons, o);
	}
	return reasons;
}

/* Each route over the whole run; phases and windows are the load's. */
static json_t *routes_json(struct bo_build *b, const struct bo_run *run, size_t load)
{
	const struct bo_load_spec *spec = &run->plan->loads.items[load];
	json_t *routes = json_array();

	for (size_t i = 0; i < spec->nroutes; i++) {
		json_t *o = bo_latency_route(b, run, (int)load, (int)i);

		bo_build_put(b, o, "name", bo_build_str(spec->routes[i].name));
		bo_build_put(b, o, "method", bo_build_str(spec->routes[i].method));
		bo_build_put(b, o, "path", bo_build_str(spec->routes[i].path));
		bo_build_put(b, o, "weight", bo_build_num(spec->routes[i].weight));
		bo_build_push(b, routes, o);
	}
	return routes;
}

static json_t *load_json(struct bo_build *b, const struct bo_run *run, size_t i)
{
	static const struct bo_load_record idle;
	const struct bo_load_spec *spec = &run->plan->loads.items[i];
	const struct bo_load_record *rec = i < run->loads.len ? &run->loads.items[i] : &idle;
	json_t *o = json_object(), *lag = json_object();

	bo_build_put(b, o, "name", bo_build_str(spec->name));
	bo_build_put(b, o, "kind", json_string(spec->kind == BO_LOAD_HOLD ? "hold" : "requests"));
	bo_build_put(b, o, "method", bo_build_str(spec->method));
	bo_build_put(b, o, "url", bo_build_str(spec->url));
	bo_build_put(b, o, "planned_rate_per_s",
		     spec->arrivals == BO_ARRIVALS_CLOSED ? json_null()
							  : bo_build_num(spec->rate_per_s));
	bo_build_put(b, o, "arrivals", json_string(bo_arrivals_name(spec->arrivals)));
	bo_build_put(b, o, "timeout_s",
		     spec->timeout_ns ? bo_build_seconds(spec->timeout_ns) : json_null());
	bo_build_put(b, o, "source", bo_build_source(b, spec->src));
	bo_build_put(b, o, "offered", bo_build_u64(rec->offered));
	bo_build_put(b, o, "sent", bo_build_u64(rec->sent));
	bo_build_put(b, o, "shed", bo_build_u64(rec->shed));
	bo_build_put(b, o, "connects", bo_build_u64(rec->connects));
	bo_build_put(b, o, "peak_connections", bo_build_u64(rec->peak_connections));
	bo_build_put(b, lag, "p50", bo_build_ms(rec->lag_p50_ns));
	bo_build_put(b, lag, "p99", bo_build_ms(rec->lag_p99_ns));
	bo_build_put(b, lag, "max", bo_build_ms(rec->lag_max_ns));
	bo_build_put(b, o, "lag_ms", lag);
	bo_build_put(b, o, "protocol", json_string(bo_load_protocol_name(spec->protocol)));
	bo_build_put(b, o, "tls", json_boolean(spec->tls.on));
	bo_build_put(b, o, "handshakes", bo_build_u64(rec->handshakes));
	bo_build_put(b, o, "resumed", bo_build_u64(rec->resumed));
	bo_build_put(b, o, "reasons", reasons_json(b, rec));
	bo_build_put(b, o, "routes", routes_json(b, run, i));
	return o;
}

static json_t *latency_json(struct bo_build *b, const struct bo_run *run)
{
	json_t *o = json_object(), *loads = json_array();

	bo_build_put(b, o, "window_s", bo_build_seconds(bo_latency_window_ns(run)));
	bo_build_put(b, o, "all", bo_latency_windows(b, run, -1));
	for (size_t i = 0; i < run->plan->loads.len; i++) {
		json_t *windows = bo_latency_windows(b, run, (int)i);

		bo_build_put(b, windows, "load", bo_build_str(run->plan->loads.items[i].name));
		bo_build_push(b, loads, windows);
	}
	bo_build_put(b, o, "loads", loads);
	return o;
}

/* What a series was in each phase: what people compare between phases and runs. */
static json_t *series_phases(struct bo_build *b, const struct bo_run *run,
			     const struct bo_series *series)
{
	json_t *o = json_object();

	for (int p = 0; p < BO_PHASE_COUNT; p++) {
		const struct bo_phase_span *span = &run->phases[p];
		int64_t end = span->end_ns != INT64_MIN ? span->end_ns : run->ended_ns;
		double first = NAN, last = NAN, min = NAN, max = NAN, sum = 0;
		int64_t n = 0;

		bo_vec_foreach(s, &series->samples) {
			if (span->start_ns == INT64_MIN || s->t_ns < span->start_ns ||
			    s->t_ns >= end || !isfinite(s->value))
				continue;
			first = n++ ? first : s->value;
			last = s->value;
			min = fmin(min, s->value);
			max = fmax(max, s->value);
			sum += s->value;
		}
		if (!n)
			continue;
		json_t *stats = json_object();

		bo_build_put(b, stats, "samples", json_integer(n));
		bo_build_put(b, stats, "first", bo_build_num(first));
		bo_build_put(b, stats, "last", bo_build_num(last));
		bo_build_put(b, stats, "min", bo_build_num(min));
		bo_build_put(b, stats, "max", bo_build_num(max));
		bo_build_put(b, stats, "mean", bo_build_num(sum / (double)n));
		bo_build_put(b, o, bo_phase_name((enum bo_phase)p), stats);
	}
	return o;
}

static json_t *series_json(struct bo_build *b, const struct bo_run *run,
			   const struct bo_series *series)
{
	json_t *o = json_object(), *t_s = json_array(), *value = json_array(), *gaps = json_array();

	bo_vec_foreach(s, &series->samples) {
		bo_build_push(b, t_s, bo_build_seconds(s->t_ns));
		bo_build_push(b, value, bo_build_num(s->value));
	}
	bo_vec_foreach(gap, &series->gaps) {
		json_t *g = json_object();

		bo_build_put(b, g, "from_s", bo_build_seconds(gap->from_ns));
		bo_build_put(b, g, "to_s", bo_build_seconds(gap->to_ns));
		bo_build_put(b, g, "reason", bo_build_str(gap->reason));
		bo_build_push(b, gaps, g);
	}
	bo_build_put(b, o, "name", bo_build_str(series->name));
	bo_build_put(b, o, "node", bo_build_node_name(run->plan, series->node));
	bo_build_put(b, o, "unit", bo_build_str(series->unit));
	bo_build_put(b, o, "source", bo_build_str(series->source));
	bo_build_put(b, o, "phases", series_phases(b, run, series));
	bo_build_put(b, o, "gaps", gaps);
	bo_build_put(b, o, "t_s", t_s);
	bo_build_put(b, o, "value", value);
	return o;
}

static json_t *events_json(struct bo_build *b, const struct bo_run *run)
{
	json_t *events = json_array();

	bo_vec_foreach(ev, &run->events) {
		json_t *o = json_object();

		bo_build_put(b, o, "t_s", bo_build_seconds(ev->t_ns));
		bo_build_put(b, o, "kind", json_string(bo_event_kind_name(ev->kind)));
		bo_build_put(b, o, "node", bo_build_node_name(run->plan, ev->node));
		bo_build_put(b, o, "text", bo_build_str(ev->text));
		bo_build_push(b, events, o);
	}
	return events;
}

int bo_report_json(json_t **ret, const struct bo_run *run, struct bo_err *err)
{
	const struct bo_plan *plan = run->plan;
	struct bo_build b = { 0 };
	json_t *root = json_object(), *list;
	size_t nbudgets = run->verdict.budgets.len;

	bo_build_put(&b, root, "schema", json_string(BO_RUN_SCHEMA));
	bo_build_put(&b, root, "id", bo_build_str(run->id));
	bo_build_put(&b, root, "version", bo_build_str(run->version));
	bo_build_put(&b, root, "started_at", started_json(run->started_unix_ns));
	bo_build_put(&b, root, "duration_s", bo_build_seconds(run->ended_ns));
	bo_build_put(&b, root, "outcome", outcome_json(&b, run));
	bo_build_put(&b, root, "scenario", scenario_json(&b, plan));
	bo_build_put(&b, root, "rerun", rerun_json(run));
	bo_build_put(&b, root, "tags", bo_build_params(&b, plan->tags, plan->ntags));
	bo_build_put(&b, root, "overrides", bo_build_overrides(&b, plan));
	bo_build_put(&b, root, "environment", environment_json(&b, run));

	list = json_array();
	if (nbudgets < plan->budgets.len)
		nbudgets = plan->budgets.len;
	for (size_t i = 0; i < nbudgets; i++)
		bo_build_push(&b, list, budget_json(&b, run, i));
	bo_build_put(&b, root, "budgets", list);

	list = json_array();
	for (size_t i = 0; i < plan->faults.len; i++)
		bo_build_push(&b, list, fault_json(&b, run, i));
	bo_build_put(&b, root, "faults", list);
	bo_build_put(&b, root, "phases", phases_json(&b, run));

	list = json_array();
	for (size_t i = 0; i < plan->loads.len; i++)
		bo_build_push(&b, list, load_json(&b, run, i));
	bo_build_put(&b, root, "loads", list);
	bo_build_put(&b, root, "topology", topology_json(&b, plan));
	bo_build_put(&b, root, "events", events_json(&b, run));
	bo_build_put(&b, root, "latency", latency_json(&b, run));

	list = json_array();
	bo_vec_foreach(series, &run->series)
		bo_build_push(&b, list, series_json(&b, run, *series));
	bo_build_put(&b, root, "series", list);
	bo_build_put(&b, root, "goroutine_groups", bo_groups_json(&b, run));
	bo_build_put(&b, root, "leak_profiles", bo_leaks_json(&b, run));
	return bo_build_done(&b, root, ret, err);
}
