/* SPDX-License-Identifier: Apache-2.0 */
/* fault/conn_stall.c — a flow stops after so many bytes.
 * Owns: nothing.  Threads: the conductor's main thread.  Privilege: none. */
#include "brownout/base/units.h"
#include "conn-internal.h"

static const struct bo_arg_schema args[] = {
	{ .key = "after",
	  .unit = BO_UNIT_SIZE,
	  .positional = true,
	  .min = 0,
	  .max = INT64_C(1) << 40,
	  .help = "bytes of payload that still pass, per connection and direction" },
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
	rule->after_bytes = bo_fault_arg_int(spec, kind, "after", 0);
}

static void describe(const struct bo_conn_rule *rule, struct bo_text *text)
{
	char size[BO_UNIT_BUF];

	bo_text_add(text, " after %s", bo_format_size(rule->after_bytes, size));
}

static const struct bo_fault_conn conn = {
	.action = BO_CONN_STALL,
	.deed = "stalled",
	.nothing = "carried that much",
	.fill = fill,
	.describe = describe,
};

CONN_KIND(stall, "the payload of a connection stops after so many bytes", args, conn);
