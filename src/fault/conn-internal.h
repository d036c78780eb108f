/* SPDX-License-Identifier: Apache-2.0 */
/* fault/conn-internal.h — what faults on connections share.  Each kind is a file conn_NAME.c: its arguments, and a
 * struct bo_fault_conn that says which rule they make (model/conn.h).
 * Owns: nothing.  Threads: the conductor's main thread.  Privilege: none. */
#pragma once
#include "fault-internal.h"

/**
 * struct bo_fault_conn -
 * @action, @protocol, @age: of the rule, the last two unless the arguments say otherwise
 * @tcp_only: CONN_ARG_TCP is among the arguments
 * @deed: for the description: "reset"
 * @nothing: what no connection did when the fault found nothing to do: "was there to be reset"
 * @fill: what is left of the rule, after the arguments that all have been read; may be NULL
 * @describe: more of the description; may be NULL
 */
struct bo_fault_conn {
	enum bo_conn_action action;
	enum bo_conn_protocol protocol;
	enum bo_conn_age age;
	bool tcp_only;
	const char *deed;
	const char *nothing;
	void (*fill)(const struct bo_fault_spec *spec, const struct bo_fault_kind *kind,
		     struct bo_conn_rule *rule);
	void (*describe)(const struct bo_conn_rule *rule, struct bo_text *text);
};

/* The arguments of the filter; each kind takes those that make sense for it. */
#define CONN_ARG_PROTOCOL                                                                 \
	{                                                                                 \
		.key = "protocol", .unit = BO_UNIT_CHOICE, .choices = "any|tcp|udp|icmp", \
		.help = "only packets of this protocol"                                   \
	}
/* Of what only TCP has: it may be said, and anything else is refused. */
#define CONN_ARG_TCP                                                          \
	{                                                                     \
		.key = "protocol", .unit = BO_UNIT_CHOICE, .choices = "tcp",  \
		.help = "only TCP has connections that this could be done to" \
	}
#define CONN_ARG_PORT                                                         \
	{                                                                     \
		.key = "port", .unit = BO_UNIT_COUNT, .min = 1, .max = 65535, \
		.help = "only connections to this port"                       \
	}
#define CONN_ARG_ADDRESS                                                                      \
	{                                                                                     \
		.key = "address", .unit = BO_UNIT_TEXT, .min = 1, .max = 63,                  \
		.help = "only packets from or to this IP address, or prefix such as \"::/0\"" \
	}
#define CONN_ARG_CONNECTIONS                                                                          \
	{                                                                                             \
		.key = "connections", .unit = BO_UNIT_CHOICE, .choices = "any|new|established",       \
		.help = "only those that begin while the fault lasts, or that there are when it does" \
	}
#define CONN_ARG_SHARE                                                              \
	{                                                                           \
		.key = "share", .unit = BO_UNIT_RATIO, .min = 1, .max = BO_PPM_ALL, \
		.help = "only such a share of connections"                          \
	}
#define CONN_ARG_FIRST                                                           \
	{                                                                        \
		.key = "first", .unit = BO_UNIT_COUNT, .min = 1, .max = 1000000, \
		.help = "only the first so many connections"                     \
	}
#define CONN_ARG_PACKET                                                                    \
	{                                                                                  \
		.key = "packet", .unit = BO_UNIT_COUNT, .min = 1, .max = 1000000000,       \
		.help = "only the n-th packet with payload of a connection, per direction" \
	}
#define CONN_ARG_CONTAINS                                                                       \
	{                                                                                       \
		.key = "contains", .unit = BO_UNIT_TEXT, .min = 1, .max = BO_CONN_CONTAINS_MAX, \
		.help = "only a packet in which this text ends"                                 \
	}
#define CONN_ARG_OCCURRENCE                                                              \
	{                                                                                \
		.key = "occurrence", .unit = BO_UNIT_COUNT, .min = 1, .max = 1000000000, \
		.help = "only the n-th time that the text is found in a connection"      \
	}
#define CONN_ARG_TO                                                                         \
	{                                                                                   \
		.key = "to", .unit = BO_UNIT_CHOICE, .choices = "both|initiator|responder", \
		.help = "the end that is told"                                              \
	}
#define CONN_ARG_TOWARD                                                        \
	{                                                                      \
		.key = "toward", .unit = BO_UNIT_NODE,                         \
		.help = "only packets of the direction that ends at this node" \
	}

int bo_fault_conn_check(const struct bo_plan *plan, const struct bo_fault_spec *spec,
			struct bo_err *err);
int bo_fault_conn_supported(const struct bo_machine *machine, const struct bo_plan *plan,
			    const struct bo_fault_spec *spec, struct bo_err *err);
int bo_fault_conn_apply(struct bo_fault *fault, struct bo_err *err);
int bo_fault_conn_confirm(struct bo_fault *fault, struct bo_err *err);
int bo_fault_conn_revert(struct bo_fault *fault, struct bo_err *err);
void bo_fault_conn_describe(const struct bo_plan *plan, const struct bo_fault_spec *spec, char *buf,
			    size_t size);
const char *bo_fault_conn_wire_only(const struct bo_plan *plan, const struct bo_fault_spec *spec);

/** bo_fault_conn_rule() - the rule that a checked fault makes; its text is the spec's */
void bo_fault_conn_rule(const struct bo_plan *plan, const struct bo_fault_spec *spec,
			struct bo_conn_rule *ret);
/** bo_fault_conn_claims() - nothing that a bit could say: bo_fault_conn_clash() tells */
uint32_t bo_fault_conn_claims(const struct bo_plan *plan, const struct bo_fault_spec *spec);
/** bo_fault_conn_clash() - are both of one kind, and may both mean the same packets? */
bool bo_fault_conn_clash(const struct bo_plan *plan, const struct bo_fault_spec *a,
			 const struct bo_fault_spec *b);
/** bo_fault_conn_judge() - is what the rule has done what was asked for?  Pure
 * @where: "port 5432 on orders-db";  @alike: as of bo_fault_binomial_fits() */
void bo_fault_conn_judge(struct bo_fault_record *record, const struct bo_fault_conn *conn,
			 const struct bo_conn_rule *rule, const char *where, unsigned alike,
			 const struct bo_conn_counts *counts);

#define CONN_KIND(kind_name, kind_help, kind_args, kind_conn)    \
	const struct bo_fault_kind bo_fault_kind_##kind_name = { \
		.name = #kind_name,                              \
		.help = (kind_help),                             \
		.target = BO_TARGET_LINK,                        \
		.args = (kind_args),                             \
		.check = bo_fault_conn_check,                    \
		.supported = bo_fault_conn_supported,            \
		.apply = bo_fault_conn_apply,                    \
		.confirm = bo_fault_conn_confirm,                \
		.revert = bo_fault_conn_revert,                  \
		.describe = bo_fault_conn_describe,              \
		.claims = bo_fault_conn_claims,                  \
		.wire_only = bo_fault_conn_wire_only,            \
		.conn = &(kind_conn),                            \
	}
