/* SPDX-License-Identifier: Apache-2.0 */
/* fault/conn_refuse.c — connection requests are refused, as by a port on which nobody listens.
 * Owns: nothing.  Threads: the conductor's main thread.  Privilege: none. */
#include "conn-internal.h"

static const struct bo_arg_schema args[] = {
	CONN_ARG_PORT,
	CONN_ARG_FIRST,
	CONN_ARG_TOWARD,
	{ 0 },
};

static const struct bo_fault_conn conn = {
	.action = BO_CONN_REFUSE,
	.protocol = BO_CONN_TCP,
	.age = BO_CONN_NEW,
	.deed = "refused",
	.nothing = "was tried",
};

CONN_KIND(refuse, "connection requests are answered with RST, connections that exist go on", args,
	  conn);
