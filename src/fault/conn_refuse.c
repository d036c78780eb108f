/* SPDX-License-Identifier: Apache-2.0 */
/* fault/conn_refuse.c — what asks is refused, as by a port on which nobody listens, or by a router.
 * Owns: nothing.  Threads: the conductor's main thread.  Privilege: none. */
#include "conn-internal.h"

static const struct bo_arg_schema args[] = {
	{ .key = "with",
	  .unit = BO_UNIT_CHOICE,
	  .choices =
		  "closed-port|reset|port-unreachable|host-unreachable|no-route|admin-prohibited",
	  .help = "what is sent back: RST or an ICMP error; closed-port: what the protocol's closed ports do" },
	CONN_ARG_PROTOCOL,
	CONN_ARG_PORT,
	CONN_ARG_ADDRESS,
	CONN_ARG_CONNECTIONS,
	CONN_ARG_SHARE,
	CONN_ARG_FIRST,
	CONN_ARG_TOWARD,
	{ 0 },
};

static void fill(const struct bo_fault_spec *spec, const struct bo_fault_kind *kind,
		 struct bo_conn_rule *rule)
{
	rule->with = (enum bo_conn_refusal)bo_fault_arg_int(spec, kind, "with", 0);
	/* A flow of datagrams has no beginning that could be refused once and for all. */
	if (rule->protocol != BO_CONN_TCP && !bo_fault_arg_given(spec, kind, "connections"))
		rule->age = BO_CONN_ANY_AGE;
}

static void describe(const struct bo_conn_rule *rule, struct bo_text *text)
{
	static const char *const with[] = { "",
					    " with RST",
					    " with port unreachable",
					    " with host unreachable",
					    " with no route",
					    " with administratively prohibited" };

	bo_text_add(text, "%s", with[rule->with]);
}

static const struct bo_fault_conn conn = {
	.action = BO_CONN_REFUSE,
	.protocol = BO_CONN_TCP,
	.age = BO_CONN_NEW,
	.deed = "refused",
	.nothing = "was tried",
	.fill = fill,
	.describe = describe,
};

CONN_KIND(refuse,
	  "connection requests are refused, connections that exist go on; datagrams too when asked",
	  args, conn);
