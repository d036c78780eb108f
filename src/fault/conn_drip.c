/* SPDX-License-Identifier: Apache-2.0 */
/* fault/conn_drip.c — a flow trickles: so many bytes of payload, then nothing for a while.
 * Owns: nothing.  Threads: the conductor's main thread.  Privilege: none. */
#include "brownout/base/units.h"
#include "conn-internal.h"

static const struct bo_arg_schema args[] = {
	{ .key = "bytes",
	  .unit = BO_UNIT_SIZE,
	  .positional = true,
	  .required = true,
	  .min = 1,
	  .max = INT64_C(1) << 30,
	  .help = "bytes of payload per interval, connection and direction" },
	{ .key = "every",
	  .unit = BO_UNIT_DURATION,
	  .required = true,
	  .min = BO_NSEC_PER_MSEC,
	  .max = 3600 * BO_NSEC_PER_SEC,
	  .help = "the interval" },
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
	rule->after_bytes = bo_fault_arg_int(spec, kind, "bytes", 0);
	rule->every_ns = bo_fault_arg_int(spec, kind, "every", 0);
}

static void describe(const struct bo_conn_rule *rule, struct bo_text *text)
{
	char size[BO_UNIT_BUF], every[BO_UNIT_BUF];

	bo_text_add(text, " of %s every %s", bo_format_size(rule->after_bytes, size),
		    bo_format_duration(rule->every_ns, every));
}

static const struct bo_fault_conn conn = {
	.action = BO_CONN_DRIP,
	.deed = "drip",
	.nothing = "had more to send than may pass",
	.fill = fill,
	.describe = describe,
};

CONN_KIND(drip, "the payload of a connection trickles", args, conn);
