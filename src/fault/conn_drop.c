/* SPDX-License-Identifier: Apache-2.0 */
/* fault/conn_drop.c — a blackhole with a filter: chosen packets vanish.
 * Owns: nothing.  Threads: the conductor's main thread.  Privilege: none. */
#include "conn-internal.h"

static const struct bo_arg_schema args[] = {
	CONN_ARG_PROTOCOL,
	CONN_ARG_PORT,
	CONN_ARG_ADDRESS,
	CONN_ARG_CONNECTIONS,
	CONN_ARG_SHARE,
	CONN_ARG_FIRST,
	CONN_ARG_PACKET,
	CONN_ARG_CONTAINS,
	CONN_ARG_OCCURRENCE,
	{ .key = "handshake",
	  .unit = BO_UNIT_BOOL,
	  .help = "false: SYN and SYN-ACK pass, so that connections come about and then carry nothing" },
	CONN_ARG_TOWARD,
	{ 0 },
};

static void fill(const struct bo_fault_spec *spec, const struct bo_fault_kind *kind,
		 struct bo_conn_rule *rule)
{
	if (!bo_fault_arg_int(spec, kind, "handshake", true))
		rule->packets = BO_CONN_NO_HANDSHAKE;
}

static void describe(const struct bo_conn_rule *rule, struct bo_text *text)
{
	if (rule->packets == BO_CONN_NO_HANDSHAKE)
		bo_text_add(text, " but for the handshake");
}

static const struct bo_fault_conn conn = {
	.action = BO_CONN_DROP,
	.deed = "drop",
	.nothing = "was there to be hit",
	.fill = fill,
	.describe = describe,
};

CONN_KIND(drop, "packets of chosen connections vanish", args, conn);
