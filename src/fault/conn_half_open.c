/* SPDX-License-Identifier: Apache-2.0 */
/* fault/conn_half_open.c — the peer is gone without a word: connections that exist lead nowhere, new ones work.
 * Owns: nothing.  Threads: the conductor's main thread.  Privilege: none. */
#include "conn-internal.h"

static const struct bo_arg_schema args[] = {
	CONN_ARG_PROTOCOL, CONN_ARG_PORT, CONN_ARG_ADDRESS, CONN_ARG_SHARE, CONN_ARG_FIRST, { 0 },
};

static const struct bo_fault_conn conn = {
	.action = BO_CONN_DROP,
	.age = BO_CONN_ESTABLISHED,
	.deed = "half-open",
	.nothing = "that existed when it began was used",
};

CONN_KIND(half_open, "everything of connections that exist vanishes, new ones work", args, conn);
