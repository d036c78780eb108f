/* SPDX-License-Identifier: Apache-2.0 */
/* fault/conn.c — what faults on connections share.
 * A fault makes one rule (model/conn.h).  A link is always given the rules of all faults that are active on it; one that
 * stays in force keeps its counts.  Those counts are the measurement: what the wire saw, dropped and sent, and what the
 * far end did afterwards that it cannot have done if the fault had its effect.
 *
 * Owns: nothing.  Threads: the conductor's main thread.  Privilege: none. */
#include "conn-internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/units.h"

static const struct bo_fault_kind *kind_of(const struct bo_fault_spec *spec)
{
	return bo_fault_kind_find(spec->kind, BO_TARGET_LINK);
}

static unsigned int dirs_of(const struct bo_plan *plan, const struct bo_fault_spec *spec)
{
	const struct bo_link_spec *link = &plan->links.items[spec->index];
	const char *toward = bo_fault_arg_str(spec, "toward", NULL);

	if (!toward)
		return 1u << BO_DIR_A_TO_B | 1u << BO_DIR_B_TO_A;
	return 1u << (bo_plan_node(plan, toward) == link->b ? BO_DIR_A_TO_B : BO_DIR_B_TO_A);
}

void bo_fault_conn_rule(const struct bo_plan *plan, const struct bo_fault_spec *spec,
			struct bo_conn_rule *ret)
{
	const struct bo_fault_kind *kind = kind_of(spec);
	const struct bo_fault_conn *conn = kind->conn;
	const char *contains = bo_fault_arg_str(spec, "contains", NULL);
	const char *address = bo_fault_arg_str(spec, "address", NULL);

	*ret = (struct bo_conn_rule){
		.id = 1,
		.action = conn->action,
		.dirs = dirs_of(plan, spec),
		.protocol = conn->tcp_only ? conn->protocol
					   : (enum bo_conn_protocol)bo_fault_arg_int(
						     spec, kind, "protocol", conn->protocol),
		.port = (uint16_t)bo_fault_arg_int(spec, kind, "port", 0),
		.age = (enum bo_conn_age)bo_fault_arg_int(spec, kind, "connections", conn->age),
		.share_ppm = bo_fault_arg_int(spec, kind, "share", 0),
		.first = bo_fault_arg_int(spec, kind, "first", 0),
		.packet = bo_fault_arg_int(spec, kind, "packet", 0),
		.contains = contains,
		.contains_len = contains ? strlen(contains) : 0,
		.occurrence = bo_fault_arg_int(spec, kind, "occurrence", 0),
		.ends = (enum bo_conn_ends)bo_fault_arg_int(spec, kind, "to", BO_CONN_BOTH_ENDS),
	};
	/* Checked: bo_fault_conn_check(). */
	if (address && bo_conn_prefix_parse(address, &ret->address) < 0)
		ret->address = (struct bo_conn_prefix){ 0 };
	if (conn->fill)
		conn->fill(spec, kind, ret);
}

/* --- before the run --------------------------------------------------------------------------- */

/** check_refusal() - does what is sent back exist in the protocol? */
static int check_refusal(const struct bo_fault_spec *spec, const struct bo_conn_rule *rule,
			 struct bo_err *err)
{
	if (rule->with == BO_CONN_WITH_RESET && rule->protocol != BO_CONN_TCP)
		return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
				  "%s: with: only TCP has resets; expected protocol = \"tcp\" or "
				  "port-unreachable, host-unreachable, no-route, admin-prohibited",
				  spec->kind);
	if (rule->with == BO_CONN_PORT_UNREACHABLE && rule->protocol == BO_CONN_ICMP)
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_FAULT,
			"%s: with: ICMP has no ports; expected host-unreachable, no-route "
			"or admin-prohibited, found port-unreachable",
			spec->kind);
	if (rule->protocol == BO_CONN_TCP && rule->age == BO_CONN_ESTABLISHED)
		return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
				  "%s: connections: an established TCP connection asks for nothing "
				  "that could be refused; expected new, or reset instead of %s",
				  spec->kind, spec->kind);
	return 0;
}

int bo_fault_conn_check(const struct bo_plan *plan, const struct bo_fault_spec *spec,
			struct bo_err *err)
{
	const struct bo_link_spec *link = &plan->links.items[spec->index];
	const char *toward = bo_fault_arg_str(spec, "toward", NULL);
	const char *address = bo_fault_arg_str(spec, "address", NULL);
	struct bo_conn_prefix prefix;
	struct bo_conn_rule rule;

	if (toward && bo_plan_node(plan, toward) != link->a &&
	    bo_plan_node(plan, toward) != link->b)
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_FAULT,
			"%s: toward: expected '%s' or '%s', the ends of this link, found '%s'",
			spec->kind, bo_fault_node_name(plan, link->a),
			bo_fault_node_name(plan, link->b), toward);
	if (address && bo_conn_prefix_parse(address, &prefix) < 0)
		return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
				  "%s: address: expected an IP address or a prefix such as "
				  "\"10.0.0.0/8\" or \"::/0\", found \"%s\"",
				  spec->kind, address);
	bo_fault_conn_rule(plan, spec, &rule);
	if (rule.packet && rule.contains_len)
		return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
				  "%s: packet and contains: expected one of them, found both",
				  spec->kind);
	if (rule.occurrence && !rule.contains_len)
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_FAULT,
			"%s: occurrence: expected contains = \"TEXT\" beside it, found none",
			spec->kind);
	if (rule.port && rule.protocol == BO_CONN_ICMP)
		return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
				  "%s: port: ICMP has none; leave out port or protocol = \"icmp\"",
				  spec->kind);
	if (rule.packets != BO_CONN_ALL_PACKETS && rule.protocol != BO_CONN_TCP)
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_FAULT,
			"%s: handshake: only TCP has one; expected protocol = \"tcp\" beside it",
			spec->kind);
	if (rule.action == BO_CONN_RESET && toward && !bo_conn_rule_per_packet(&rule))
		return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
				  "%s: toward: chooses a packet and goes with packet or contains; "
				  "to = \"initiator\" or \"responder\" says which end is told",
				  spec->kind);
	if (rule.action == BO_CONN_REFUSE && check_refusal(spec, &rule, err) < 0)
		return -EINVAL;
	if (rule.action == BO_CONN_DROP && !rule.protocol && !rule.port && !rule.address.version &&
	    !rule.age && !rule.share_ppm && !rule.first && !rule.packet && !rule.contains_len)
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_FAULT,
			"%s: expected at least one of protocol, port, address, connections, share, first, "
			"packet, contains; for everything there is blackhole",
			spec->kind);
	return bo_conn_rule_check(&rule, err);
}

int bo_fault_conn_supported(const struct bo_machine *machine, const struct bo_plan *plan,
			    const struct bo_fault_spec *spec, struct bo_err *err)
{
	if (plan->driver == BO_DRIVER_NETEM)
		return bo_err_set(err, ENOTSUP, BO_SUBSYS_FAULT,
				  "%s: %s; use driver \"wire\" or \"auto\"", spec->kind,
				  bo_fault_conn_wire_only(plan, spec));
	if (machine->tun)
		return 0;
	return bo_err_set(err, ENOTSUP, BO_SUBSYS_FAULT, "%s needs TUN: %s", spec->kind,
			  machine->why_not_tun);
}

const char *bo_fault_conn_wire_only(const struct bo_plan *plan, const struct bo_fault_spec *spec)
{
	(void)plan;
	(void)spec;
	return "netem knows packets but not the connections that they are of";
}

uint32_t bo_fault_conn_claims(const struct bo_plan *plan, const struct bo_fault_spec *spec)
{
	(void)plan;
	(void)spec;
	return 0;
}

bool bo_fault_conn_clash(const struct bo_plan *plan, const struct bo_fault_spec *a,
			 const struct bo_fault_spec *b)
{
	struct bo_conn_rule x, y;

	if (strcmp(a->kind, b->kind) != 0 || a->target != BO_TARGET_LINK || !kind_of(a) ||
	    !kind_of(a)->conn)
		return false;
	bo_fault_conn_rule(plan, a, &x);
	bo_fault_conn_rule(plan, b, &y);
	if ((x.port && y.port && x.port != y.port) || !(x.dirs & y.dirs) ||
	    (x.protocol && y.protocol && x.protocol != y.protocol) ||
	    (x.age && y.age && x.age != y.age) || !bo_conn_prefixes_meet(&x.address, &y.address))
		return false;
	/* Each looks for something of its own. */
	return x.packet == y.packet && x.contains_len == y.contains_len &&
	       x.occurrence == y.occurrence &&
	       (!x.contains_len || memcmp(x.contains, y.contains, x.contains_len) == 0);
}

/** share_text() - to the last digit: one of 0.0001 % must not read as 0 % */
static const char *share_text(const struct bo_conn_rule *rule, char buf[BO_UNIT_BUF])
{
	snprintf(buf, BO_UNIT_BUF, "%.7g%%", (double)rule->share_ppm * 100 / BO_PPM_ALL);
	return buf;
}

void bo_fault_conn_describe(const struct bo_plan *plan, const struct bo_fault_spec *spec, char *buf,
			    size_t size)
{
	static const char *const protocols[] = { "", "TCP", "UDP", "ICMP" };
	static const char *const ages[] = { "", "new ", "established " };
	const struct bo_fault_conn *conn = kind_of(spec)->conn;
	const char *toward = bo_fault_arg_str(spec, "toward", NULL);
	const char *address = bo_fault_arg_str(spec, "address", NULL);
	struct bo_text text = bo_text_of(buf, size);
	struct bo_conn_rule rule;
	char target[96], share[BO_UNIT_BUF];

	bo_fault_conn_rule(plan, spec, &rule);
	bo_fault_target_name(plan, spec, target, sizeof(target));
	bo_text_add(&text, "%s", conn->deed);
	if (conn->describe)
		conn->describe(&rule, &text);
	bo_text_add(&text, ": ");
	if (rule.first)
		bo_text_add(&text, "the first %lld ", (long long)rule.first);
	if (rule.share_ppm)
		bo_text_add(&text, rule.first ? "of %s of " : "%s of ", share_text(&rule, share));
	bo_text_add(&text, "%s%s%sconnections", ages[rule.age], protocols[rule.protocol],
		    rule.protocol ? " " : "");
	if (rule.port)
		bo_text_add(&text, " to port %u", rule.port);
	if (address)
		bo_text_add(&text, " of %s", address);
	if (rule.packet)
		bo_text_add(&text, ", packet %lld", (long long)rule.packet);
	if (rule.contains_len)
		bo_text_add(&text, ", at \"%s\"", rule.contains);
	if (rule.occurrence)
		bo_text_add(&text, " number %lld", (long long)rule.occurrence);
	bo_text_add(&text, " on %s (%s%s)", target, toward ? "only toward " : "both directions",
		    toward ? toward : "");
}

/* --- in the run ------------------------------------------------------------------------------- */

/** rule_id() - unique in the plan */
static uint32_t rule_id(const struct bo_fault *fault)
{
	return (uint32_t)(fault - fault->set->faults) + 1;
}

/** link_update() - give the link the rules of all faults that are active on it */
static int link_update(const struct bo_fault *changed, struct bo_err *err)
{
	const struct bo_fault_set *set = changed->set;
	struct bo_conn_rule rules[BO_CONN_RULES_MAX];
	int link = changed->spec->index;
	size_t n = 0;

	if (!set->hands->link_rules)
		return bo_err_set(err, ENOTSUP, BO_SUBSYS_FAULT,
				  "%s: links here know no connections", changed->spec->kind);
	for (size_t i = 0; i < set->nfaults; i++) {
		const struct bo_fault *fault = &set->faults[i];

		if (!fault->active || !fault->kind->conn || fault->spec->index != link)
			continue;
		if (n == BO_CONN_RULES_MAX)
			return bo_err_set(
				err, E2BIG, BO_SUBSYS_FAULT,
				"%s: more than %d faults on the connections of one link at a time",
				changed->spec->kind, BO_CONN_RULES_MAX);
		bo_fault_conn_rule(fault->plan, fault->spec, &rules[n]);
		rules[n].salt = bo_fault_seed(fault);
		rules[n++].id = rule_id(fault);
	}
	return set->hands->link_rules(set->hands->self, link, rules, n, err);
}

int bo_fault_conn_apply(struct bo_fault *fault, struct bo_err *err)
{
	if (!fault->set)
		return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
				  "%s: a fault on a link runs in a set", fault->spec->kind);
	snprintf(fault->record->driver, sizeof(fault->record->driver), "%s",
		 fault->hands->link_driver);
	return link_update(fault, err);
}

int bo_fault_conn_revert(struct bo_fault *fault, struct bo_err *err)
{
	/* The fault is no longer active, so these are the rules of the others. */
	return fault->set ? link_update(fault, err) : 0;
}

int bo_fault_conn_confirm(struct bo_fault *fault, struct bo_err *err)
{
	struct bo_conn_counts counts = { 0 };
	struct bo_conn_rule rule;
	char target[96], where[128];
	int r;

	r = fault->hands->link_rule_counts(fault->hands->self, fault->spec->index, rule_id(fault),
					   &counts, err);
	if (r < 0)
		return r;
	bo_fault_conn_rule(fault->plan, fault->spec, &rule);
	bo_fault_target_name(fault->plan, fault->spec, target, sizeof(target));
	if (rule.port)
		snprintf(where, sizeof(where), "to port %u on %s", rule.port, target);
	else
		snprintf(where, sizeof(where), "on %s", target);
	bo_fault_conn_judge(fault->record, fault->kind->conn, &rule, where,
			    bo_fault_alike(fault->plan), &counts);
	return 0;
}

/* --- judging ---------------------------------------------------------------------------------- */

typedef unsigned long long ull;

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/** matched() - connections that came to where the fault is about them, hit or not */
static uint64_t matched(const struct bo_conn_counts *c)
{
	return c->connections + c->beyond + c->spared;
}

static void say_achieved(struct bo_text *text, const struct bo_conn_rule *rule,
			 const struct bo_conn_counts *c)
{
	bool bytes = rule->action == BO_CONN_STALL || rule->action == BO_CONN_CUT ||
		     rule->action == BO_CONN_DRIP;
	char size[BO_UNIT_BUF];

	bo_text_add(text, "%llu connection%s", (ull)c->connections, plural(c->connections));
	if (rule->share_ppm)
		bo_text_add(text, " of %llu that matched", (ull)matched(c));
	if (c->beyond)
		bo_text_add(text, " (%llu more of the share beyond the first %lld)", (ull)c->beyond,
			    (long long)rule->first);
	if (c->dropped)
		bo_text_add(text, ", %llu packet%s dropped", (ull)c->dropped, plural(c->dropped));
	if (c->shortened)
		bo_text_add(text, ", %llu shortened", (ull)c->shortened);
	if (c->resets)
		bo_text_add(text, ", %llu %s sent", (ull)c->resets,
			    rule->orderly ? "FIN and RST" : "RST");
	if (c->unreachables)
		bo_text_add(text, ", %llu ICMP error%s sent", (ull)c->unreachables,
			    plural(c->unreachables));
	if (c->unsent)
		bo_text_add(text, ", %llu not taken by the device", (ull)c->unsent);
	if (bytes)
		bo_text_add(text, ", %s passed", bo_format_size((int64_t)c->passed_bytes, size));
}

/** judge_share() - were as many hit as a share of all is?  Return: false when that is not so, or not to be told */
static bool judge_share(struct bo_fault_record *record, const struct bo_conn_rule *rule,
			const char *where, unsigned alike, const struct bo_conn_counts *c)
{
	double share = (double)rule->share_ppm / BO_PPM_ALL;
	uint64_t k = c->connections + c->beyond, n = matched(c);
	double needed = share < 1 ? fmax(bo_fault_needed(share), bo_fault_needed(1 - share)) : 1;
	char text[BO_UNIT_BUF];

	if (!rule->share_ppm)
		return true;
	if (!bo_fault_binomial_fits(k, n, share, alike)) {
		bo_fault_verdict(
			record, BO_CONFIRM_OFF,
			"%llu of %llu connections %s that matched are of the share, outside the %.4g%% "
			"interval of %s",
			(ull)k, (ull)n, where, bo_fault_interval(alike), share_text(rule, text));
		return false;
	}
	if ((double)n >= needed && k)
		return true;
	bo_fault_verdict(
		record, BO_CONFIRM_UNKNOWN,
		"%llu connection%s %s that matched, %llu of them of the share, cannot tell a share of "
		"%s from none or all: that takes %.0f",
		(ull)n, plural(n), where, (ull)k, share_text(rule, text),
		fmax(needed, (double)n + 1));
	return false;
}

void bo_fault_conn_judge(struct bo_fault_record *record, const struct bo_fault_conn *conn,
			 const struct bo_conn_rule *rule, const char *where, unsigned alike,
			 const struct bo_conn_counts *c)
{
	struct bo_text achieved = bo_text_of(record->achieved, sizeof(record->achieved));
	bool tells = rule->action == BO_CONN_REFUSE || rule->action == BO_CONN_RESET ||
		     rule->action == BO_CONN_CUT;

	say_achieved(&achieved, rule, c);
	if (!matched(c) && !c->dropped)
		bo_fault_verdict(record, BO_CONFIRM_UNKNOWN, "no %s %s %s",
				 rule->contains_len || rule->packet ? "such packet of a connection"
								    : "connection",
				 where, conn->nothing);
	else if (c->escaped)
		bo_fault_verdict(
			record, BO_CONFIRM_OFF,
			"in %llu of %llu connections %s the far end answered what cannot have reached it",
			(ull)c->escaped, (ull)c->connections, where);
	else if (c->survived)
		bo_fault_verdict(record, BO_CONFIRM_OFF,
				 "%llu of %llu connections %s went on after they were reset",
				 (ull)c->survived, (ull)c->connections, where);
	else if (c->missed)
		bo_fault_verdict(
			record, BO_CONFIRM_OFF,
			"%llu packets %s are of connections beyond those that a link can follow",
			(ull)c->missed, where);
	else if (!judge_share(record, rule, where, alike, c))
		return;
	else if (tells && !c->resets && !c->unreachables)
		bo_fault_verdict(record, BO_CONFIRM_OFF, "no end of a connection %s was told: %s",
				 where,
				 c->unsent ? "its device took no packet"
					   : "none has acknowledged what came before the limit");
	else
		bo_fault_verdict_ok(record);
}
