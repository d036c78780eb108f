/* SPDX-License-Identifier: Apache-2.0 */
/* fault/conn_syn_drop.c — connection requests vanish: only a timeout ends the attempt.
 * Owns: nothing.  Threads: the conductor's main thread.  Privilege: none. */
#include "conn-internal.h"

static const struct bo_arg_schema args[] = {
	CONN_ARG_TCP,    CONN_ARG_PORT, CONN_ARG_ADDRESS, CONN_ARG_SHARE, CONN_ARG_FIRST,
	CONN_ARG_TOWARD, { 0 },
};

static void fill(const struct bo_fault_spec *spec, const struct bo_fault_kind *kind,
		 struct bo_conn_rule *rule)
{
	(void)spec;
	(void)kind;
	rule->packets = BO_CONN_SYN_ONLY;
}

static const struct bo_fault_conn conn = {
	.action = BO_CONN_DROP,
	.protocol = BO_CONN_TCP,
	.tcp_only = true,
	.age = BO_CONN_NEW,
	.deed = "SYN dropped",
	.nothing = "was tried",
	.fill = fill,
};

CONN_KIND(syn_drop, "connection requests vanish, connections that exist go on", args, conn);
