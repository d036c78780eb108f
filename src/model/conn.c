/* SPDX-License-Identifier: Apache-2.0 */
/* model/conn.c — what can be said of a rule without a link.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include "brownout/model/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX_TEXT_MAX 64

/** counts_bytes() - is it about an amount of payload? */
static bool counts_bytes(const struct bo_conn_rule *rule)
{
	return rule->action == BO_CONN_STALL || rule->action == BO_CONN_CUT ||
	       rule->action == BO_CONN_DRIP;
}

bool bo_conn_rule_per_packet(const struct bo_conn_rule *rule)
{
	/* Each datagram has an answer of its own; a SYN is no super-packet. */
	return rule->packet || rule->contains_len || counts_bytes(rule) ||
	       (rule->action == BO_CONN_REFUSE && rule->protocol != BO_CONN_TCP);
}

static int parse_bits(const char *text, int most, uint8_t *ret)
{
	char *end;
	long bits = strtol(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || bits > most)
		return -EINVAL;
	*ret = (uint8_t)bits;
	return 0;
}

int bo_conn_prefix_parse(const char *text, struct bo_conn_prefix *ret)
{
	struct bo_conn_prefix prefix = { 0 };
	size_t len = strcspn(text, "/");
	char address[PREFIX_TEXT_MAX];

	if (len >= sizeof(address))
		return -EINVAL;
	snprintf(address, sizeof(address), "%.*s", (int)len, text);
	if (inet_pton(AF_INET, address, prefix.addr) == 1) {
		prefix.version = 4;
		prefix.bits = 32;
	} else if (inet_pton(AF_INET6, address, prefix.addr) == 1) {
		prefix.version = 6;
		prefix.bits = 128;
	} else {
		return -EINVAL;
	}
	if (text[len] && parse_bits(text + len + 1, prefix.bits, &prefix.bits) < 0)
		return -EINVAL;
	*ret = prefix;
	return 0;
}

bool bo_conn_prefix_has(const struct bo_conn_prefix *prefix, uint8_t version, const uint8_t *addr)
{
	size_t whole = prefix->bits / 8;
	unsigned int rest = prefix->bits % 8;

	if (!prefix->version)
		return true;
	if (prefix->version != version || memcmp(prefix->addr, addr, whole) != 0)
		return false;
	return !rest || (prefix->addr[whole] ^ addr[whole]) >> (8 - rest) == 0;
}

bool bo_conn_prefixes_meet(const struct bo_conn_prefix *a, const struct bo_conn_prefix *b)
{
	const struct bo_conn_prefix *wide = a->bits < b->bits ? a : b;

	if (!a->version || !b->version)
		return true;
	return bo_conn_prefix_has(wide, wide == a ? b->version : a->version,
				  wide == a ? b->addr : a->addr);
}

/** wrong_refusal() - what is wrong with how it refuses, or NULL */
static const char *wrong_refusal(const struct bo_conn_rule *rule)
{
	if ((unsigned int)rule->with >= BO_CONN_REFUSAL_COUNT)
		return "no such refusal";
	if (rule->action != BO_CONN_REFUSE)
		return rule->with ? "a refusal of an action without" : NULL;
	if (rule->with == BO_CONN_WITH_RESET && rule->protocol != BO_CONN_TCP)
		return "only TCP has resets";
	if (rule->with == BO_CONN_PORT_UNREACHABLE && rule->protocol == BO_CONN_ICMP)
		return "ICMP has no ports";
	return NULL;
}

static const char *wrong(const struct bo_conn_rule *rule)
{
	bool bytes = counts_bytes(rule);
	bool tcp = rule->action == BO_CONN_RESET || rule->action == BO_CONN_CUT ||
		   rule->packets != BO_CONN_ALL_PACKETS;

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
	if (rule->share_ppm < 0 || rule->share_ppm > BO_PPM_ALL)
		return "a share that is none";
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
	if (rule->address.bits > 128 || (rule->address.version == 4 && rule->address.bits > 32))
		return "more bits than an address has";
	return wrong_refusal(rule);
}

int bo_conn_rule_check(const struct bo_conn_rule *rule, struct bo_err *err)
{
	const char *what = wrong(rule);

	return what ? bo_err_set(err, EINVAL, BO_SUBSYS_PLAN, "rule on connections: %s", what) : 0;
}
