/* SPDX-License-Identifier: Apache-2.0 */
/* fault/dns.c — a node's name server fails, dawdles or lies.
 * Confirmed by the server's own count of questions that met the fault: a service that holds its connections, or the
 * answer from before, never asks, and then the fault has not been there for it.
 * Owns: nothing.  Threads: the conductor's main thread.  Privilege: none. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/units.h"
#include "fault-internal.h"

#define DELAY_MAX_NS (3600 * BO_NSEC_PER_SEC)

static const struct bo_arg_schema args[] = {
	{ .key = "fail",
	  .unit = BO_UNIT_CHOICE,
	  .positional = true,
	  .choices = "nxdomain|servfail|refused|timeout",
	  .help = "what is said instead of the answer; timeout: nothing" },
	{ .key = "name", .unit = BO_UNIT_NODE, .help = "only look-ups of this node's name" },
	{ .key = "delay",
	  .unit = BO_UNIT_DURATION,
	  .min = BO_NSEC_PER_MSEC,
	  .max = DELAY_MAX_NS,
	  .help = "before each answer" },
	{ .key = "answer",
	  .unit = BO_UNIT_TEXT,
	  .min = 1,
	  .max = 63,
	  .help = "an IP address, or the node whose addresses are given" },
	{ 0 },
};

/** fail_of() - the choices are those of enum bo_dns_fail without the first */
static enum bo_dns_fail fail_of(const struct bo_fault_spec *spec)
{
	return (enum bo_dns_fail)(bo_fault_arg_int(spec, &bo_fault_kind_dns, "fail", -1) + 1);
}

static int64_t delay_of(const struct bo_fault_spec *spec)
{
	return bo_fault_arg_int(spec, &bo_fault_kind_dns, "delay", 0);
}

static bool is_address(const char *text, struct bo_dns_fault *into)
{
	return inet_pton(AF_INET, text, &into->lie4) == 1 ||
	       inet_pton(AF_INET6, text, &into->lie6) == 1;
}

static int check(const struct bo_plan *plan, const struct bo_fault_spec *spec, struct bo_err *err)
{
	const struct bo_node_spec *node = &plan->nodes.items[spec->index];
	const char *answer = bo_fault_arg_str(spec, "answer", NULL);
	struct bo_dns_fault unused = { 0 };

	if (!node->dns)
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_FAULT,
			"dns: '%s' asks no name server, it has an /etc/hosts; declare it with dns = true",
			node->name);
	if (fail_of(spec) && answer)
		return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
				  "dns: fail or answer, expected one of them");
	if (fail_of(spec) == BO_DNS_TIMEOUT && delay_of(spec))
		return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
				  "dns: delay: what is never answered cannot be answered late");
	if (!fail_of(spec) && !answer && !delay_of(spec))
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_FAULT,
			"dns: nothing to do: expected at least one of fail, delay, answer");
	if (answer && !is_address(answer, &unused) && bo_plan_node(plan, answer) < 0)
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_FAULT,
			"dns: answer: expected an IP address or the name of a node, found \"%s\"",
			answer);
	return 0;
}

static void describe(const struct bo_plan *plan, const struct bo_fault_spec *spec, char *buf,
		     size_t size)
{
	const char *answer = bo_fault_arg_str(spec, "answer", NULL);
	const char *name = bo_fault_arg_str(spec, "name", NULL);
	struct bo_text text = bo_text_of(buf, size);
	char delay[BO_UNIT_BUF];

	bo_text_add(&text, "%s asks for %s: ", bo_fault_node_name(plan, spec->index),
		    name ? name : "any name");
	if (fail_of(spec) == BO_DNS_TIMEOUT)
		bo_text_add(&text, "no answer");
	else if (fail_of(spec))
		bo_text_add(&text, "%s", bo_dns_fail_name(fail_of(spec)));
	else if (answer)
		bo_text_add(&text, "the address %s%s", bo_plan_node(plan, answer) >= 0 ? "of " : "",
			    answer);
	else
		bo_text_add(&text, "the answer");
	if (delay_of(spec))
		bo_text_add(&text, " after %s", bo_format_duration(delay_of(spec), delay));
}

static int apply(struct bo_fault *fault, struct bo_err *err)
{
	const char *answer = bo_fault_arg_str(fault->spec, "answer", NULL);
	struct bo_dns_fault dns = { .fail = fail_of(fault->spec),
				    .delay_ns = delay_of(fault->spec),
				    .lie = answer };

	snprintf(fault->record->driver, sizeof(fault->record->driver), "name server");
	snprintf(dns.name, sizeof(dns.name), "%s", bo_fault_arg_str(fault->spec, "name", ""));
	if (answer && !is_address(answer, &dns))
		snprintf(dns.lie_of, sizeof(dns.lie_of), "%s", answer);
	return fault->hands->node_dns(fault->hands->self, fault->spec->index, &dns, err);
}

static int confirm(struct bo_fault *fault, struct bo_err *err)
{
	const char *node = bo_fault_node_name(fault->plan, fault->spec->index);
	const char *name = bo_fault_arg_str(fault->spec, "name", NULL);
	struct bo_fault_record *record = fault->record;
	struct bo_text achieved = bo_text_of(record->achieved, sizeof(record->achieved));
	int64_t delay_ns = delay_of(fault->spec);
	char low[BO_UNIT_BUF], high[BO_UNIT_BUF];
	struct bo_dns_stats st = { 0 };
	int r = fault->hands->node_dns_stats(fault->hands->self, fault->spec->index, &st, err);

	if (r < 0)
		return r;
	bo_text_add(&achieved, "%" PRIu64 " of %" PRIu64 " look-ups", st.hit, st.asked);
	if (st.delay_max_ns && delay_ns)
		bo_text_add(&achieved, ", answered after %s to %s",
			    bo_format_duration(st.delay_min_ns, low),
			    bo_format_duration(st.delay_max_ns, high));
	if (!st.asked)
		bo_fault_verdict(
			record, BO_CONFIRM_UNKNOWN,
			"%s did not ask for %s while the fault lasted (it asked for others %" PRIu64
			" times): it keeps connections or answers",
			node, name ? name : "any name", st.others);
	else if (!st.hit || st.hit + st.dropped < st.asked)
		bo_fault_verdict(record, BO_CONFIRM_OFF,
				 "%" PRIu64 " of %" PRIu64 " look-ups met it", st.hit, st.asked);
	else if (delay_ns && !st.delay_max_ns)
		bo_fault_verdict(record, BO_CONFIRM_UNKNOWN,
				 "no answer was due before the fault was over: let it last longer");
	else if (delay_ns && st.delay_min_ns < delay_ns)
		bo_fault_verdict(record, BO_CONFIRM_OFF, "an answer went after %s",
				 bo_format_duration(st.delay_min_ns, low));
	else if (delay_ns && 2 * st.late > st.answered)
		/* As with a link, it is the median that counts: one answer is late on any busy machine. */
		bo_fault_verdict(record, BO_CONFIRM_OFF,
				 "%" PRIu64 " of %" PRIu64 " answers were late, by %s at most",
				 st.late, st.answered,
				 bo_format_duration(st.delay_max_ns - delay_ns, high));
	else
		bo_fault_verdict_ok(record);
	return 0;
}

static int revert(struct bo_fault *fault, struct bo_err *err)
{
	return fault->hands->node_dns(fault->hands->self, fault->spec->index, NULL, err);
}

static uint32_t claims(const struct bo_plan *plan, const struct bo_fault_spec *spec)
{
	(void)plan;
	(void)spec;
	return BO_CLAIM_DNS;
}

const struct bo_fault_kind bo_fault_kind_dns = {
	.name = "dns",
	.help = "the node's name server fails, dawdles or lies; needs dns = true",
	.target = BO_TARGET_NODE,
	.args = args,
	.check = check,
	.apply = apply,
	.confirm = confirm,
	.revert = revert,
	.describe = describe,
	.claims = claims,
};
