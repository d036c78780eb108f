/* SPDX-License-Identifier: Apache-2.0 */
/* fault/conn_data_limit.c — a connection ends after so many bytes.
 * Owns: nothing.  Threads: the conductor's main thread.  Privilege: none. */
#include "brownout/base/units.h"
#include "conn-internal.h"

static const struct bo_arg_schema args[] = {
	{ .key = "after",
	  .unit = BO_UNIT_SIZE,
	  .positional = true,
	  .required = true,
	  .min = 1,
	  .max = INT64_C(1) << 40,
	  .help = "bytes of payload that still arrive, per connection and direction" },
	{ .key = "how",
	  .unit = BO_UNIT_CHOICE,
	  .choices = "reset|close",
	  .help = "with RST, or with FIN as from a peer that closes" },
	CONN_ARG_TCP,
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
	rule->orderly = bo_fault_arg_int(spec, kind, "how", 0) == 1;
}

static void describe(const struct bo_conn_rule *rule, struct bo_text *text)
{
	char size[BO_UNIT_BUF];

	bo_text_add(text, " after %s with %s", bo_format_size(rule->after_bytes, size),
		    rule->orderly ? "FIN" : "RST");
}

static const struct bo_fault_conn conn = {
	.action = BO_CONN_CUT,
	.protocol = BO_CONN_TCP,
	.tcp_only = true,
	.deed = "ended",
	.nothing = "carried that much",
	.fill = fill,
	.describe = describe,
};

CONN_KIND(data_limit, "a connection ends after so many bytes", args, conn);
