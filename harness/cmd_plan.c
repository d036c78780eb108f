/* SPDX-License-Identifier: Apache-2.0 */
/* harness/cmd_plan.c — `brownout plan`: what a scenario would do, before anything is started.
 * Timeline first, since that is what one gets wrong; at most 100 columns unless a command or budget is longer.
 * Owns: nothing.  Threads: main.  Privilege: none. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/base/log.h"
#include "brownout/base/strbuf.h"
#include "brownout/base/units.h"
#include "brownout/fault/fault.h"
#include "brownout/report/report.h"
#include "brownout/report/text.h"
#include "harness/attach_check.h"
#include "harness/options.h"
#include "harness/scenario.h"
#include "harness/verbs.h"

#define BAR_COLUMNS 48

/* One row of the timeline: what, from, until, and a bar on the scale of the whole plan. */
static void row(struct bo_strbuf *sb, const struct bo_plan *plan, const char *what, int64_t from,
		int64_t until, char ink)
{
	double scale = (double)BAR_COLUMNS / (double)bo_plan_total(plan);
	int a = (int)((double)from * scale + 0.5), b = (int)((double)until * scale + 0.5);
	char start[BO_UNIT_BUF], end[BO_UNIT_BUF];

	/* Something that happens is seen, however short it is. */
	if (a > BAR_COLUMNS - 1)
		a = BAR_COLUMNS - 1;
	if (b <= a)
		b = a + 1;
	bo_strbuf_printf(sb, "  %-26.26s %7s %8s  |%*s", what,
			 from ? bo_format_duration(from, start) : "0",
			 bo_format_duration(until, end), a, "");
	for (int i = a; i < b; i++)
		bo_strbuf_add(sb, &ink, 1);
	bo_strbuf_printf(sb, "%*s|\n", BAR_COLUMNS - b, "");
}

/* Load is offered in stretches: neighbouring phases with load are one. */
static void load_rows(struct bo_strbuf *sb, const struct bo_plan *plan,
		      const struct bo_load_spec *load)
{
	int64_t from = 0, until = 0;
	char what[80];

	snprintf(what, sizeof(what), "load %s", load->name);
	for (int p = 0; p <= BO_PHASE_COUNT; p++) {
		if (p < BO_PHASE_COUNT &&
		    (bo_phase_has_load((enum bo_phase)p) || !plan->phase_ns[p])) {
			until += plan->phase_ns[p];
			continue;
		}
		if (until > from)
			row(sb, plan, what, from, until, '~');
		if (p < BO_PHASE_COUNT)
			from = until = until + plan->phase_ns[p];
	}
}

static void timeline(struct bo_strbuf *sb, const struct bo_plan *plan)
{
	char total[BO_UNIT_BUF];

	bo_strbuf_printf(sb, "\nTimeline (%s in all)\n",
			 bo_format_duration(bo_plan_total(plan), total));
	for (int p = 0; p < BO_PHASE_COUNT; p++) {
		int64_t from = bo_plan_phase_start(plan, (enum bo_phase)p);

		if (plan->phase_ns[p])
			row(sb, plan, bo_phase_name((enum bo_phase)p), from,
			    from + plan->phase_ns[p], '=');
	}
	bo_vec_foreach(load, &plan->loads)
		load_rows(sb, plan, load);
	bo_vec_foreach(fault, &plan->faults) {
		int64_t from, until;

		bo_plan_fault_window(plan, fault, &from, &until);
		row(sb, plan, fault->id, from, until, '#');
	}
}

static void describe_arrivals(struct bo_strbuf *sb, const struct bo_load_spec *load)
{
	const struct bo_rate_spec *rate = &load->rate;
	char buf[BO_UNIT_BUF];

	if (load->arrivals == BO_ARRIVALS_CLOSED) {
		bo_strbuf_printf(sb, "closed loop of %" PRId64 " clients", load->clients);
		if (load->think_ns)
			bo_strbuf_printf(sb, ", think %s", bo_format_duration(load->think_ns, buf));
		return;
	}
	if (load->arrivals == BO_ARRIVALS_BURST) {
		bo_strbuf_printf(sb, "%" PRId64 " at once every %s", load->burst_count,
				 bo_format_duration(load->burst_every_ns, buf));
		return;
	}
	bo_strbuf_printf(sb, "%.10g", load->rate_per_s);
	if (rate->shape == BO_RATE_RAMP)
		bo_strbuf_printf(sb, " to %.10g", rate->to_per_s);
	for (size_t i = 1; i < rate->nsteps; i++)
		bo_strbuf_printf(sb, ", %.10g", rate->steps[i]);
	bo_strbuf_printf(sb, "/s %s",
			 load->arrivals == BO_ARRIVALS_POISSON ? "Poisson" : "constant");
}

static void describe_load(struct bo_strbuf *sb, const struct bo_load_spec *load)
{
	char timeout[BO_UNIT_BUF];

	bo_strbuf_printf(sb, "  %-12s ", load->name);
	if (load->kind == BO_LOAD_HOLD)
		bo_strbuf_printf(sb, "%" PRId64 " held connections, %.10g/s new%s",
				 load->hold_count, load->rate_per_s,
				 load->vanish ? ", vanish without FIN" : "");
	else
		describe_arrivals(sb, load);
	if (load->nroutes)
		bo_strbuf_printf(sb, ", %zu routes of ", load->nroutes);
	else if (load->protocol == BO_LOAD_TCP)
		bo_strbuf_printf(sb, ", %zu bytes to ", load->tcp.send_len);
	else
		bo_strbuf_printf(sb, ", %s ", load->method);
	bo_text_plain(sb, load->url);
	if (load->streams)
		bo_strbuf_printf(sb, ", %s, %" PRId64 " streams",
				 bo_load_protocol_name(load->protocol), load->streams);
	if (load->tls.insecure)
		bo_strbuf_puts(sb, ", any certificate");
	if (load->slow.write_per_s > 0)
		bo_strbuf_printf(sb, ", writes %.10g B/s", load->slow.write_per_s);
	if (load->slow.read_per_s > 0)
		bo_strbuf_printf(sb, ", reads %.10g B/s", load->slow.read_per_s);
	if (load->timeout_ns)
		bo_strbuf_printf(sb, ", timeout %s", bo_format_duration(load->timeout_ns, timeout));
	if (load->abandon_ns)
		bo_strbuf_printf(sb, ", hangs up after %s",
				 bo_format_duration(load->abandon_ns, timeout));
	bo_strbuf_puts(sb, "\n");
}

static void describe_faults(struct bo_strbuf *sb, const struct bo_plan *plan)
{
	if (!plan->faults.len)
		return;
	bo_strbuf_puts(sb, "\nFaults\n");
	bo_vec_foreach(fault, &plan->faults) {
		const struct bo_fault_kind *kind = bo_fault_kind_find(fault->kind, fault->target);
		char text[256] = "";

		if (kind)
			kind->describe(plan, fault, text, sizeof(text));
		bo_strbuf_printf(sb, "  %-26s ", fault->id);
		bo_text_plain(sb, text);
		bo_strbuf_puts(sb, "\n");
	}
}

static void describe_ready(struct bo_strbuf *sb, const struct bo_ready_spec *ready)
{
	char deadline[BO_UNIT_BUF];

	switch (ready->kind) {
	case BO_READY_NONE:
		return;
	case BO_READY_TCP:
		bo_strbuf_printf(sb, "; ready: TCP port %d", ready->port);
		break;
	case BO_READY_HTTP:
		bo_strbuf_puts(sb, "; ready: ");
		bo_text_plain(sb, ready->url);
		if (ready->socket) {
			bo_strbuf_puts(sb, " over ");
			bo_text_plain(sb, ready->socket);
		}
		break;
	case BO_READY_UNIX:
		bo_strbuf_puts(sb, "; ready: socket ");
		bo_text_plain(sb, ready->socket);
		break;
	case BO_READY_LOG:
		bo_strbuf_puts(sb, "; ready: log ");
		bo_text_plain(sb, ready->pattern);
		break;
	case BO_READY_COMMAND:
		bo_strbuf_puts(sb, "; ready: ");
		bo_text_plain(sb, ready->argv[0]);
		bo_strbuf_puts(sb, " exits with 0");
		break;
	}
	bo_strbuf_printf(sb, " within %s", bo_format_duration(ready->deadline_ns, deadline));
}

/** describe_attached() - false when the node is one of a lab */
static bool describe_attached(struct bo_strbuf *sb, const struct bo_node_spec *node)
{
	const struct bo_attach_spec *a = node->attach;
	char text[96], ttl[BO_UNIT_BUF];

	if (node->kind == BO_NODE_PEER) {
		bo_strbuf_printf(sb, "peer at %s\n",
				 bo_attach_peer_text(node->peer, text, sizeof(text)));
		return true;
	}
	if (node->kind != BO_NODE_ATTACHED)
		return false;
	bo_strbuf_puts(sb, "runs already: ");
	if (a->pid)
		bo_strbuf_printf(sb, "process %d", a->pid);
	bo_strbuf_puts(sb, a->netns[0] ? "namespace " : a->container[0] ? "container " : "");
	bo_text_plain(sb, a->netns[0] ? a->netns : a->container);
	bo_strbuf_printf(sb, "%s%s; its faults end by themselves after %s without a word\n",
			 a->interface[0] ? ", interface " : "", a->interface,
			 bo_format_duration(a->ttl_ns, ttl));
	return true;
}

static void describe_node(struct bo_strbuf *sb, const struct bo_node_spec *node)
{
	static const char *const modes[] = { "answers", "answers with errors", "resets",
					     "stalls half-way" };
	char buf[BO_UNIT_BUF];

	bo_strbuf_printf(sb, "  %-12s %-10s ", node->name, bo_role_name(node->role));
	if (node->kind == BO_NODE_STUB) {
		bo_strbuf_printf(sb, "%s stub on port %d, %s",
				 node->stub.proto == BO_STUB_HTTP ? "HTTP" : "TCP", node->stub.port,
				 modes[node->stub.mode]);
		if (node->stub.delay_ns)
			bo_strbuf_printf(sb, " after %s",
					 bo_format_duration(node->stub.delay_ns, buf));
	}
	if (describe_attached(sb, node))
		return;
	for (const char *const *arg = node->kind == BO_NODE_COMMAND ? node->argv : NULL;
	     arg && *arg; arg++) {
		bo_strbuf_puts(sb, arg == node->argv ? "" : " ");
		bo_text_shell(sb, *arg);
	}
	bo_strbuf_puts(sb, "\n");
	bo_strbuf_printf(sb, "  %-12s %-10s ", "", "");
	bo_strbuf_printf(sb, "memory %s",
			 node->memory_bytes ? bo_format_size(node->memory_bytes, buf)
					    : "unlimited");
	if (node->cpus_milli)
		bo_strbuf_printf(sb, ", %.10g CPUs", (double)node->cpus_milli / 1000);
	if (node->pids)
		bo_strbuf_printf(sb, ", %" PRId64 " processes", node->pids);
	if (node->dns)
		bo_strbuf_puts(sb, ", its own name server");
	for (const char *const *after = node->after; after && *after; after++)
		bo_strbuf_printf(sb, "%s%s", after == node->after ? "; after " : ", ", *after);
	describe_ready(sb, &node->ready);
	bo_strbuf_puts(sb, "\n");
}

static void topology(struct bo_strbuf *sb, const struct bo_plan *plan)
{
	bo_strbuf_puts(sb, "\nTopology\n");
	for (size_t i = 1; i < plan->nodes.len; i++)
		describe_node(sb, &plan->nodes.items[i]);
	bo_strbuf_puts(sb, "\nLinks (each direction is impaired on its own)\n");
	for (size_t i = 0; i < plan->links.len; i++) {
		const struct bo_link_spec *link = &plan->links.items[i];
		size_t n = 0;

		bo_strbuf_printf(sb, "  %s - %s", plan->nodes.items[link->a].name,
				 plan->nodes.items[link->b].name);
		bo_vec_foreach(fault, &plan->faults) {
			if (fault->target != BO_TARGET_LINK || (size_t)fault->index != i)
				continue;
			bo_strbuf_printf(sb, "%s%s", n++ ? ", " : ": ", fault->kind);
		}
		if (link->record)
			bo_strbuf_printf(sb, "%srecorded", n++ ? ", " : ": ");
		bo_strbuf_puts(sb, "\n");
	}
}

static void budgets(struct bo_strbuf *sb, const struct bo_plan *plan)
{
	bo_strbuf_puts(sb, "\nBudgets\n");
	bo_vec_foreach(budget, &plan->budgets) {
		bo_strbuf_puts(sb, "  ");
		bo_text_plain(sb, budget->text);
		bo_strbuf_puts(sb, "\n");
	}
	if (!plan->budgets.len)
		bo_strbuf_puts(sb, "  none: the verdict can only be INCONCLUSIVE\n");
}

static void guards(struct bo_strbuf *sb, const struct bo_plan *plan)
{
	if (plan->guards.len)
		bo_strbuf_puts(sb, "\nGuards\n");
	bo_vec_foreach(guard, &plan->guards) {
		bo_strbuf_puts(sb, "  ");
		bo_text_plain(sb, guard->text);
		bo_strbuf_puts(sb, "\n");
	}
}

/* struct need - one thing that a machine may lack; @flag: where struct bo_machine says whether it has it */
struct need {
	const char *what;
	size_t flag;
};

/* Does some fault refuse a machine that can do everything but this?  The kinds themselves know best. */
static bool fault_needs(const struct bo_plan *plan, const struct need *need)
{
	struct bo_machine machine = { .netns = true,
				      .tun = true,
				      .veth = true,
				      .netem = true,
				      .userns = true,
				      .cgroup_memory = true,
				      .cgroup_cpu = true,
				      .cgroup_pids = true,
				      .cgroup_freezer = true,
				      .cgroup_memory_version = 2,
				      .memory_high = true,
				      .driver = BO_DRIVER_NETEM };

	*(bool *)((char *)&machine + need->flag) = false;
	if (!machine.cgroup_memory)
		machine.cgroup_memory_version = 0;
	bo_vec_foreach(fault, &plan->faults) {
		const struct bo_fault_kind *kind = bo_fault_kind_find(fault->kind, fault->target);
		struct bo_err err = { 0 };

		if (kind && kind->supported && kind->supported(&machine, plan, fault, &err))
			return true;
	}
	return false;
}

/** needs_attached() - and who does each fault on a link, as far as that hangs on the fault */
static void needs_attached(struct bo_strbuf *sb, const struct bo_plan *plan)
{
	bo_strbuf_puts(sb, "\nNeeds\n  root, --attach on the command line\n");
	if (plan->driver != BO_DRIVER_NETEM)
		bo_strbuf_puts(sb, "  driver queue: nf_tables and nfnetlink_queue\n");
	if (plan->driver != BO_DRIVER_QUEUE)
		bo_strbuf_printf(sb, "  driver netem%s: ifb, clsact and sch_netem\n",
				 plan->driver == BO_DRIVER_AUTO ? ", where it is to be had" : "");
	bo_vec_foreach(spec, &plan->faults) {
		const char *why = plan->driver == BO_DRIVER_AUTO ? bo_attach_check_netem(plan, spec)
								 : NULL;

		if (why)
			bo_strbuf_printf(sb, "  %s: by queue, as %s\n", spec->id, why);
	}
}

static void needs(struct bo_strbuf *sb, const struct bo_plan *plan)
{
	static const struct need list[] = {
		{ "memory cgroup", offsetof(struct bo_machine, cgroup_memory) },
		{ "CPU cgroup", offsetof(struct bo_machine, cgroup_cpu) },
		{ "pids cgroup", offsetof(struct bo_machine, cgroup_pids) },
		{ "freezer", offsetof(struct bo_machine, cgroup_freezer) },
	};
	bool by_node[sizeof(list) / sizeof(*list)] = { false };

	bo_vec_foreach(node, &plan->nodes) {
		by_node[0] = by_node[0] || node->memory_bytes;
		by_node[1] = by_node[1] || node->cpus_milli;
		by_node[2] = by_node[2] || node->pids;
	}
	if (bo_plan_attached(plan)) {
		needs_attached(sb, plan);
		return;
	}
	bo_strbuf_puts(sb, "\nNeeds\n  namespaces (root, or user namespaces)\n");
	bo_strbuf_puts(sb, plan->driver == BO_DRIVER_NETEM ? "  links: veth and sch_netem\n"
			   : plan->driver == BO_DRIVER_WIRE
				   ? "  links: /dev/net/tun\n"
				   : "  links: veth and sch_netem, or else /dev/net/tun\n");
	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++) {
		bool by_fault = fault_needs(plan, &list[i]);

		if (by_node[i] || by_fault)
			bo_strbuf_printf(sb, "  %s (%s)\n", list[i].what,
					 !by_fault    ? "a node's limit"
					 : by_node[i] ? "a node's limit, a fault"
						      : "a fault");
	}
	bo_strbuf_puts(sb, "  `brownout doctor` says whether this machine has them\n");
}

static void objective(struct bo_strbuf *sb, const struct bo_plan *plan)
{
	const int64_t day_ns = 24 * 3600 * BO_NSEC_PER_SEC;
	char period[BO_UNIT_BUF];

	bo_strbuf_printf(sb, ", objective %.10g%%", plan->slo_target * 100);
	if (!plan->slo_period_ns)
		return;
	if (plan->slo_period_ns % day_ns == 0)
		bo_strbuf_printf(sb, " over %" PRId64 "d", plan->slo_period_ns / day_ns);
	else
		bo_strbuf_printf(sb, " over %s", bo_format_duration(plan->slo_period_ns, period));
}

static void print_plan(struct bo_strbuf *sb, const struct bo_plan *plan)
{
	char timeout[BO_UNIT_BUF];

	bo_text_plain(sb, plan->name);
	if (*plan->about) {
		bo_strbuf_puts(sb, ": ");
		bo_text_plain(sb, plan->about);
	}
	bo_strbuf_puts(sb, "\n");
	bo_text_plain(sb, plan->scenario_path);
	bo_strbuf_printf(sb, ", seed %" PRIu64 ", driver %s", plan->seed,
			 bo_driver_name(plan->driver));
	if (plan->timeout_ns)
		bo_strbuf_printf(sb, ", declared timeout %s",
				 bo_format_duration(plan->timeout_ns, timeout));
	if (plan->slo_target > 0)
		objective(sb, plan);
	bo_strbuf_puts(sb, "\n");
	for (size_t i = 0; i < plan->noverrides; i++) {
		bo_strbuf_printf(sb, "%s --%s ", i ? "" : "changed by", plan->overrides[i].key);
		bo_text_shell(sb, plan->overrides[i].value);
	}
	bo_strbuf_puts(sb, plan->noverrides ? "\n" : "");
	timeline(sb, plan);
	if (plan->loads.len)
		bo_strbuf_puts(sb, "\nLoad\n");
	bo_vec_foreach(load, &plan->loads)
		describe_load(sb, load);
	describe_faults(sb, plan);
	topology(sb, plan);
	budgets(sb, plan);
	guards(sb, plan);
	needs(sb, plan);
}

static int print_json(const struct bo_plan *plan)
{
	struct bo_err err = { 0 };
	json_t *json = NULL;
	int r = bo_report_plan_json(&json, plan, &err);

	if (r)
		fprintf(stderr, "brownout plan: %s\n", err.msg);
	else
		r = json_dumpf(json, stdout, JSON_INDENT(2)) || putchar('\n') == EOF;
	json_decref(json);
	return r;
}

static int print_text(const struct bo_plan *plan)
{
	struct bo_strbuf sb = { 0 };
	int r = -1;

	print_plan(&sb, plan);
	if (bo_strbuf_ok(&sb))
		r = fputs(bo_strbuf_str(&sb), stdout) == EOF;
	bo_strbuf_done(&sb);
	return r;
}

int cmd_plan(int argc, char **argv)
{
	struct bo_options o = { 0 };
	struct bo_plan *plan = NULL;
	struct bo_err err = { 0 };
	int r = bo_options_parse(&o, BO_VERB_PLAN, argc, argv);

	if (r) {
		bo_options_done(&o);
		return r < 0 ? BO_EXIT_OK : r;
	}
	bo_log_setup(BO_LOG_INFO, "brownout"); /* so that print() in a scenario is seen */
	r = bo_scenario_load(&plan, o.paths[0], &o.args, NULL, &err);
	if (!r)
		r = bo_scenario_choose_driver(plan, o.driver, &err);
	if (r) {
		fprintf(stderr, "%s\n", err.msg);
		bo_plan_free(plan);
		bo_options_done(&o);
		return BO_EXIT_USAGE;
	}
	r = o.json ? print_json(plan) : print_text(plan);
	bo_plan_free(plan);
	bo_options_done(&o);
	if (!r && fflush(stdout))
		r = -1;
	if (r)
		fprintf(stderr, "brownout plan: cannot write the plan\n");
	return r ? BO_EXIT_USAGE : BO_EXIT_OK;
}
