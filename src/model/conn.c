/* SPDX-License-Identifier: Apache-2.0 */
/* model/conn.c — what can be said of a rule without a link.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include "brownout/model/conn.h"

#include <errno.h>

/** counts_bytes() - is it about an amount of payload? */
static bool counts_bytes(const struct bo_conn_rule *rule)
{
	return rule->action == BO_CONN_STALL || rule->action == BO_CONN_CUT ||
	       rule->action == BO_CONN_DRIP;
}

bool bo_conn_rule_per_packet(const struct bo_conn_rule *rule)
{
	return rule->packet || rule->contains_len || counts_bytes(rule);
}

static const char *wrong(const struct bo_conn_rule *rule)
{
	bool bytes = counts_bytes(rule);
	bool tcp = rule->action == BO_CONN_REFUSE || rule->action == BO_CONN_RESET ||
		   rule->action == BO_CONN_CUT || rule->packets != BO_CONN_ALL_PACKETS;

	if (!rule->id)
		return "id 0";
	if ((unsigned int)rule->action >= BO_CONN_ACTION_COUNT)
		return "no such action";
	if (!rule->dirs || rule->dirs >> BO_DIR_COUNT)
		return "no such direction";
	if (rule->port && rule->protocol == BO_CONN_ICMP)
		return "ICMP has no ports";
	if (tcp && rule->protocol != BO_CONN_TCP)
		return "only TCP has a handshake and resets";
	if (rule->first < 0 || rule->packet < 0 || rule->occurrence < 0)
		return "a negative count";
	if (rule->contains_len > BO_CONN_CONTAINS_MAX || (rule->contains_len && !rule->contains))
		return "contains too long";
	if (rule->packet && rule->contains_len)
		return "both packet and contains";
	if (rule->occurrence && !rule->contains_len)
		return "occurrence without contains";
	if (bytes && (rule->packet || rule->contains_len))
		return "both a packet and an amount of bytes";
	if (rule->after_bytes < 0 || (rule->after_bytes && !bytes))
		return "bytes of an action without";
	if (rule->action == BO_CONN_DRIP && (rule->after_bytes < 1 || rule->every_ns < 1))
		return "drip without bytes or interval";
	return NULL;
}

int bo_conn_rule_check(const struct bo_conn_rule *rule, struct bo_err *err)
{
	const char *what = wrong(rule);

	return what ? bo_err_set(err, EINVAL, BO_SUBSYS_PLAN, "rule on connections: %s", what) : 0;
}
