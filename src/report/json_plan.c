/* SPDX-License-Identifier: Apache-2.0 */
/* report/json_plan.c — plan.json: everything the scenario resolved to, with the seed, to re-run
 * exactly.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <inttypes.h>
#include <stdio.h>

#include "brownout/report/report.h"
#include "build.h"

static json_t *strings(struct bo_build *b, const char *const *list)
{
	json_t *a = json_array();

	for (size_t i = 0; list && list[i]; i++)
		bo_build_push(b, a, bo_build_str(list[i]));
	return a;
}

/* 0 stands for "no limit", "no timeout" … in plan records; in JSON that is null. */
static json_t *unless_zero(int64_t v, json_t *(*make)(int64_t))
{
	return v ? make(v) : json_null();
}

static json_t *integer(int64_t v)
{
	return json_integer((json_int_t)v);
}

static json_t *ready_json(struct bo_build *b, const struct bo_ready_spec *ready)
{
	json_t *o = json_object();

	switch (ready->kind) {
	case BO_READY_TCP:
		bo_build_put(b, o, "tcp_port", json_integer(ready->port));
		break;
	case BO_READY_UNIX:
		bo_build_put(b, o, "unix", bo_build_str(ready->socket));
		break;
	case BO_READY_HTTP:
		bo_build_put(b, o, "http", bo_build_str(ready->url));
		if (ready->socket)
			bo_build_put(b, o, "socket", bo_build_str(ready->socket));
		break;
	case BO_READY_LOG:
		bo_build_put(b, o, "log", bo_build_str(ready->pattern));
		break;
	case BO_READY_COMMAND:
		bo_build_put(b, o, "command", strings(b, ready->argv));
		break;
	case BO_READY_NONE:
		json_decref(o);
		return json_null();
	}
	bo_build_put(b, o, "deadline_s", bo_build_seconds(ready->deadline_ns));
	return o;
}

static json_t *stub_json(struct bo_build *b, const struct bo_stub_spec *stub)
{
	static const char *const modes[] = { "ok", "error", "reset", "stall" };
	json_t *o = json_object();

	bo_build_put(b, o, "protocol", json_string(stub->proto == BO_STUB_HTTP ? "http" : "tcp"));
	bo_build_put(b, o, "port", json_integer(stub->port));
	bo_build_put(b, o, "delay_ms", bo_build_ms(stub->delay_ns));
	bo_build_put(b, o, "mode", json_string(modes[stub->mode]));
	bo_build_put(b, o, "status", unless_zero(stub->status, integer));
	bo_build_put(b, o, "body", bo_build_str(stub->body));
	return o;
}

static json_t *probe_json(struct bo_build *b, const struct bo_probe_spec *probe)
{
	json_t *o = json_object();

	bo_build_put(b, o, "off", json_boolean(probe->off));
	bo_build_put(b, o, "pprof_url", bo_build_str(probe->pprof_url));
	bo_build_put(b, o, "expvar_url", bo_build_str(probe->expvar_url));
	bo_build_put(b, o, "expvar_key", bo_build_str(probe->expvar_key));
	bo_build_put(b, o, "interval_ms", bo_build_ms(probe->interval_ns));
	return o;
}

static void attach_json(struct bo_build *b, json_t *o, const struct bo_node_spec *node)
{
	const struct bo_attach_spec *a = node->attach;
	char peer[96];

	if (node->kind == BO_NODE_PEER) {
		bo_build_put(b, o, "peer",
			     json_string(bo_attach_peer_text(node->peer, peer, sizeof(peer))));
		return;
	}
	bo_build_put(b, o, "pid", unless_zero(a->pid, integer));
	bo_build_put(b, o, "netns", bo_build_str(a->netns[0] ? a->netns : NULL));
	bo_build_put(b, o, "container", bo_build_str(a->container[0] ? a->container : NULL));
	bo_build_put(b, o, "interface", bo_build_str(a->interface[0] ? a->interface : NULL));
	bo_build_put(b, o, "address", bo_build_str(a->address[0] ? a->address : NULL));
	bo_build_put(b, o, "ttl_ns", json_integer(a->ttl_ns));
	bo_build_put(b, o, "probe", probe_json(b, &node->probe));
}

static json_t *node_json(struct bo_build *b, const struct bo_node_spec *node)
{
	static const char *const kinds[] = { "client", "command", "stub", "attached", "peer" };
	json_t *o = json_object();

	bo_build_put(b, o, "name", bo_build_str(node->name));
	bo_build_put(b, o, "role", json_string(bo_role_name(node->role)));
	bo_build_put(b, o, "kind", json_string(kinds[node->kind]));
	bo_build_put(b, o, "source", bo_build_source(b, node->src));
	if (node->kind == BO_NODE_NONE)
		return o;
	if (node->kind == BO_NODE_ATTACHED || node->kind == BO_NODE_PEER) {
		attach_json(b, o, node);
		return o;
	}
	bo_build_put(b, o, "memory_bytes", unless_zero(node->memory_bytes, integer));
	bo_build_put(b, o, "cpus_milli", unless_zero(node->cpus_milli, integer));
	bo_build_put(b, o, "pids", unless_zero(node->pids, integer));
	if (node->dns)
		bo_build_put(b, o, "dns", json_true());
	bo_build_put(b, o, "after", strings(b, node->after));
	bo_build_put(b, o, "ready", ready_json(b, &node->ready));
	bo_build_put(b, o, "probe", probe_json(b, &node->probe));
	if (node->kind == BO_NODE_STUB) {
		bo_build_put(b, o, "stub", stub_json(b, &node->stub));
		return o;
	}
	bo_build_put(b, o, "command", strings(b, node->argv));
	bo_build_put(b, o, "env", strings(b, node->env));
	bo_build_put(b, o, "cwd", bo_build_str(node->cwd));
	return o;
}

static json_t *headers_json(struct bo_build *b, const struct bo_header *headers, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *pair = json_array();

		bo_build_push(b, pair, bo_build_str(headers[i].name));
		bo_build_push(b, pair, bo_build_str(headers[i].value));
		bo_build_push(b, list, pair);
	}
	return list;
}

static json_t *routes_json(struct bo_build *b, const struct bo_load_spec *load)
{
	json_t *routes = json_array();

	for (size_t i = 0; i < load->nroutes; i++) {
		const struct bo_route_spec *r = &load->routes[i];
		json_t *o = json_object();

		bo_build_put(b, o, "name", bo_build_str(r->name));
		bo_build_put(b, o, "weight", bo_build_num(r->weight));
		bo_build_put(b, o, "method", bo_build_str(r->method));
		bo_build_put(b, o, "path", bo_build_str(r->path));
		bo_build_put(b, o, "headers", headers_json(b, r->headers, r->nheaders));
		bo_build_put(b, o, "body", bo_build_str(r->body));
		bo_build_push(b, routes, o);
	}
	return routes;
}

static void put_arrivals(struct bo_build *b, json_t *o, const struct bo_load_spec *load)
{
	const struct bo_rate_spec *rate = &load->rate;
	json_t *steps;

	switch (load->arrivals) {
	case BO_ARRIVALS_CLOSED:
		bo_build_put(b, o, "clients", json_integer(load->clients));
		bo_build_put(b, o, "think_s", bo_build_seconds(load->think_ns));
		return;
	case BO_ARRIVALS_BURST:
		bo_build_put(b, o, "burst_count", json_integer(load->burst_count));
		bo_build_put(b, o, "burst_every_s", bo_build_seconds(load->burst_every_ns));
		return;
	default:
		break;
	}
	if (rate->shape == BO_RATE_RAMP) {
		bo_build_put(b, o, "rate_to_per_s", bo_build_num(rate->to_per_s));
		bo_build_put(b, o, "rate_over_s", unless_zero(rate->over_ns, bo_build_seconds));
	} else if (rate->shape == BO_RATE_STEPS) {
		steps = json_array();
		for (size_t i = 0; i < rate->nsteps; i++)
			bo_build_push(b, steps, bo_build_num(rate->steps[i]));
		bo_build_put(b, o, "rate_steps_per_s", steps);
		bo_build_put(b, o, "rate_each_s", unless_zero(rate->each_ns, bo_build_seconds));
	}
}

/* What not every load has, left out where it has not. */
static void put_client(struct bo_build *b, json_t *o, const struct bo_load_spec *load)
{
	bo_build_put(b, o, "protocol", json_string(bo_load_protocol_name(load->protocol)));
	if (load->streams)
		bo_build_put(b, o, "streams", json_integer(load->streams));
	if (load->tls.on) {
		bo_build_put(b, o, "tls_ca", bo_build_str(load->tls.ca_file));
		if (load->tls.cert_file)
			bo_build_put(b, o, "tls_cert", bo_build_str(load->tls.cert_file));
		bo_build_put(b, o, "tls_insecure", json_boolean(load->tls.insecure));
		bo_build_put(b, o, "tls_name", bo_build_str(load->tls.name));
		bo_build_put(b, o, "tls_resume", json_boolean(load->tls.resume));
	}
	if (load->protocol == BO_LOAD_TCP) {
		bo_build_put(b, o, "tcp_send", bo_build_str(load->tcp.send));
		bo_build_put(b, o, "tcp_expect", bo_build_str(load->tcp.expect));
		bo_build_put(b, o, "tcp_until", bo_build_str(load->tcp.until));
		bo_build_put(b, o, "tcp_bytes", integer(load->tcp.bytes));
	}
	if (load->slow.write_per_s > 0 || load->slow.read_per_s > 0) {
		bo_build_put(b, o, "slow_write_per_s", bo_build_num(load->slow.write_per_s));
		bo_build_put(b, o, "slow_read_per_s", bo_build_num(load->slow.read_per_s));
		bo_build_put(b, o, "slow_body_only", json_boolean(load->slow.body_only));
	}
}

static json_t *load_json(struct bo_build *b, const struct bo_plan *plan,
			 const struct bo_load_spec *load)
{
	bool hold = load->kind == BO_LOAD_HOLD;
	json_t *o = json_object();

	bo_build_put(b, o, "name", bo_build_str(load->name));
	bo_build_put(b, o, "kind", json_string(hold ? "hold" : "requests"));
	bo_build_put(b, o, "url", bo_build_str(load->url));
	bo_build_put(b, o, "node", bo_build_node_name(plan, load->node));
	bo_build_put(b, o, "port", json_integer(load->port));
	if (load->socket)
		bo_build_put(b, o, "socket", bo_build_str(load->socket));
	bo_build_put(b, o, "path", bo_build_str(load->path));
	bo_build_put(b, o, "method", bo_build_str(load->method));
	bo_build_put(b, o, "headers", headers_json(b, load->headers, load->nheaders));
	bo_build_put(b, o, "body", bo_build_str(load->body));
	if (load->nroutes)
		bo_build_put(b, o, "routes", routes_json(b, load));
	bo_build_put(b, o, "rate_per_s", bo_build_num(load->rate_per_s));
	bo_build_put(b, o, "arrivals", json_string(bo_arrivals_name(load->arrivals)));
	put_arrivals(b, o, load);
	put_client(b, o, load);
	bo_build_put(b, o, "timeout_s", unless_zero(load->timeout_ns, bo_build_seconds));
	bo_build_put(b, o, "abandon_s", unless_zero(load->abandon_ns, bo_build_seconds));
	bo_build_put(b, o, "max_inflight", integer(load->max_inflight));
	bo_build_put(b, o, "keepalive", json_boolean(load->keepalive));
	if (hold) {
		bo_build_put(b, o, "hold_count", integer(load->hold_count));
		bo_build_put(b, o, "hold_s", unless_zero(load->hold_ns, bo_build_seconds));
		bo_build_put(b, o, "vanish", json_boolean(load->vanish));
	}
	bo_build_put(b, o, "source", bo_build_source(b, load->src));
	return o;
}

static json_t *fault_json(struct bo_build *b, const struct bo_plan *plan,
			  const struct bo_fault_spec *fault)
{
	json_t *o = json_object();
	int64_t start, end;

	bo_plan_fault_window(plan, fault, &start, &end);
	bo_build_put(b, o, "id", bo_build_str(fault->id));
	bo_build_put(b, o, "kind", bo_build_str(fault->kind));
	bo_build_put(b, o, "target", bo_build_target(b, plan, fault));
	bo_build_put(b, o, "args", bo_build_args(b, fault));
	bo_build_put(b, o, "from_phase", json_string(bo_phase_name(fault->from)));
	bo_build_put(b, o, "to_phase", json_string(bo_phase_name(fault->to)));
	bo_build_put(b, o, "after_s", bo_build_seconds(fault->after_ns));
	bo_build_put(b, o, "lasts_s", unless_zero(fault->lasts_ns, bo_build_seconds));
	bo_build_put(b, o, "planned_start_s", bo_build_seconds(start));
	bo_build_put(b, o, "planned_end_s", bo_build_seconds(end));
	bo_build_put(b, o, "source", bo_build_source(b, fault->src));
	return o;
}

static json_t *links_json(struct bo_build *b, const struct bo_plan *plan)
{
	json_t *links = json_array();

	for (size_t i = 0; i < plan->links.len; i++) {
		const struct bo_link_spec *link = &plan->links.items[i];
		json_t *o = json_object();

		bo_build_put(b, o, "name", bo_build_link_name(plan, i));
		bo_build_put(b, o, "a", bo_build_node_name(plan, link->a));
		bo_build_put(b, o, "b", bo_build_node_name(plan, link->b));
		if (link->record)
			bo_build_put(b, o, "record", json_true());
		bo_build_put(b, o, "source", bo_build_source(b, link->src));
		bo_build_push(b, links, o);
	}
	return links;
}

static json_t *slo_json(struct bo_build *b, const struct bo_plan *plan)
{
	json_t *o;

	if (!(plan->slo_target > 0))
		return json_null();
	o = json_object();
	bo_build_put(b, o, "target", bo_build_num(plan->slo_target));
	bo_build_put(b, o, "period_s", unless_zero(plan->slo_period_ns, bo_build_seconds));
	return o;
}

static json_t *header_json(struct bo_build *b, const struct bo_plan *plan)
{
	char seed[24];
	json_t *root = json_object();

	snprintf(seed, sizeof(seed), "%" PRIu64, plan->seed);
	bo_build_put(b, root, "schema", json_string("brownout/plan/1"));
	bo_build_put(b, root, "name", bo_build_str(plan->name));
	bo_build_put(b, root, "about", bo_build_str(plan->about));
	bo_build_put(b, root, "scenario_path", bo_build_str(plan->scenario_path));
	/* A string: JSON readers that keep numbers as doubles would round a 64-bit seed. */
	bo_build_put(b, root, "seed", json_string(seed));
	bo_build_put(b, root, "driver", json_string(bo_driver_name(plan->driver)));
	bo_build_put(b, root, "timeout_s", unless_zero(plan->timeout_ns, bo_build_seconds));
	bo_build_put(b, root, "slo", slo_json(b, plan));
	bo_build_put(b, root, "limit_s", unless_zero(plan->limit_ns, bo_build_seconds));
	bo_build_put(b, root, "params", bo_build_params(b, plan->params, plan->nparams));
	bo_build_put(b, root, "tags", bo_build_params(b, plan->tags, plan->ntags));
	bo_build_put(b, root, "overrides", bo_build_overrides(b, plan));
	return root;
}

int bo_report_plan_json(json_t **ret, const struct bo_plan *plan, struct bo_err *err)
{
	struct bo_build b = { 0 };
	json_t *root = header_json(&b, plan), *list = json_array();

	for (int p = 0; p < BO_PHASE_COUNT; p++) {
		json_t *o = json_object();

		bo_build_put(&b, o, "name", json_string(bo_phase_name((enum bo_phase)p)));
		bo_build_put(&b, o, "start_s",
			     bo_build_seconds(bo_plan_phase_start(plan, (enum bo_phase)p)));
		bo_build_put(&b, o, "length_s", bo_build_seconds(plan->phase_ns[p]));
		bo_build_push(&b, list, o);
	}
	bo_build_put(&b, root, "phases", list);

	list = json_array();
	bo_vec_foreach(node, &plan->nodes)
		bo_build_push(&b, list, node_json(&b, node));
	bo_build_put(&b, root, "nodes", list);
	bo_build_put(&b, root, "links", links_json(&b, plan));

	list = json_array();
	bo_vec_foreach(load, &plan->loads)
		bo_build_push(&b, list, load_json(&b, plan, load));
	bo_build_put(&b, root, "loads", list);

	list = json_array();
	bo_vec_foreach(fault, &plan->faults)
		bo_build_push(&b, list, fault_json(&b, plan, fault));
	bo_build_put(&b, root, "faults", list);

	list = json_array();
	bo_vec_foreach(budget, &plan->budgets) {
		json_t *o = json_object();

		bo_build_put(&b, o, "text", bo_build_str(budget->text));
		bo_build_put(&b, o, "source", bo_build_source(&b, budget->src));
		bo_build_push(&b, list, o);
	}
	bo_build_put(&b, root, "budgets", list);

	list = json_array();
	bo_vec_foreach(guard, &plan->guards) {
		json_t *o = json_object();

		bo_build_put(&b, o, "text", bo_build_str(guard->text));
		bo_build_put(&b, o, "source", bo_build_source(&b, guard->src));
		bo_build_push(&b, list, o);
	}
	bo_build_put(&b, root, "guards", list);
	return bo_build_done(&b, root, ret, err);
}
