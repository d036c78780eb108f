/* SPDX-License-Identifier: Apache-2.0 */
/* fault/conn_reset.c — RST to the ends of chosen connections.
 * Owns: nothing.  Threads: the conductor's main thread.  Privilege: none. */
#include "conn-internal.h"

static const struct bo_arg_schema args[] = {
	CONN_ARG_TCP,        CONN_ARG_PORT,  CONN_ARG_ADDRESS, CONN_ARG_CONNECTIONS,
	CONN_ARG_SHARE,      CONN_ARG_FIRST, CONN_ARG_PACKET,  CONN_ARG_CONTAINS,
	CONN_ARG_OCCURRENCE, CONN_ARG_TO,    CONN_ARG_TOWARD,  { 0 },
};

static void fill(const struct bo_fault_spec *spec, const struct bo_fault_kind *kind,
		 struct bo_conn_rule *rule)
{
	/* The second statement is looked for in connections of any age. */
	if ((rule->packet || rule->contains_len) && !bo_fault_arg_given(spec, kind, "connections"))
		rule->age = BO_CONN_ANY_AGE;
}

static void describe(const struct bo_conn_rule *rule, struct bo_text *text)
{
	static const char *const ends[] = { "", " toward the initiator", " toward the responder" };

	bo_text_add(text, "%s", ends[rule->ends]);
}

static const struct bo_fault_conn conn = {
	.action = BO_CONN_RESET,
	.protocol = BO_CONN_TCP,
	.tcp_only = true,
	.age = BO_CONN_ESTABLISHED,
	.deed = "reset",
	.nothing = "was there to be reset",
	.fill = fill,
	.describe = describe,
};

CONN_KIND(reset, "live connections end with RST", args, conn);
