/* SPDX-License-Identifier: Apache-2.0 */
/* lab/addr.c — the address plan.
 *   primary        10.77.0.N/32, fd77::N/128 on lo: the same from every peer, so one /etc/hosts fits all nodes
 *   management     10.78.N.1/30 (client) and 10.78.N.2/30 (node), fd78:N::1/64 and fd78:N::2/64
 * where N is the node's index + 1.  All of it lives in namespaces of its own and meets no outside network.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/strbuf.h"
#include "lab-internal.h"

void lab_addr(enum lab_addr which, int family, int index, struct bo_rtnl_addr *ret)
{
	uint8_t n = (uint8_t)(index + 1);
	uint8_t end = which == LAB_MANAGEMENT_NODE ? 2 : 1;
	bool primary = which == LAB_PRIMARY;

	*ret = (struct bo_rtnl_addr){ .family = family };
	if (family == AF_INET) {
		const uint8_t v4[4] = { 10, primary ? 77 : 78, primary ? 0 : n, primary ? n : end };

		memcpy(ret->bytes, v4, sizeof(v4));
		ret->prefix = primary ? 32 : 30;
		return;
	}
	ret->bytes[0] = 0xfd;
	ret->bytes[1] = primary ? 0x77 : 0x78;
	if (!primary)
		ret->bytes[3] = n;
	ret->bytes[15] = primary ? n : end;
	ret->prefix = primary ? 128 : 64;
}

/* @buf of INET6_ADDRSTRLEN. */
static const char *addr_text(const struct bo_rtnl_addr *addr, char *buf)
{
	return inet_ntop(addr->family, addr->bytes, buf, INET6_ADDRSTRLEN) ? buf : "?";
}

static void address_text(enum lab_addr which, int family, int index, char *ret, size_t size)
{
	struct bo_rtnl_addr addr;
	char buf[INET6_ADDRSTRLEN];

	lab_addr(which, family, index, &addr);
	snprintf(ret, size, "%s", addr_text(&addr, buf));
}

void bo_lab_address(const struct bo_lab *lab, int node, struct bo_lab_address *ret)
{
	enum lab_addr management = node == BO_NODE_CLIENT ? LAB_PRIMARY : LAB_MANAGEMENT_NODE;

	*ret = (struct bo_lab_address){ 0 };
	address_text(LAB_PRIMARY, AF_INET, node, ret->primary4, sizeof(ret->primary4));
	address_text(management, AF_INET, node, ret->management4, sizeof(ret->management4));
	if (!lab->ipv6)
		return;
	address_text(LAB_PRIMARY, AF_INET6, node, ret->primary6, sizeof(ret->primary6));
	address_text(management, AF_INET6, node, ret->management6, sizeof(ret->management6));
}

char *lab_hosts_text(const struct bo_lab *lab, const struct lab_node *only)
{
	struct bo_strbuf sb = { 0 };

	bo_strbuf_puts(&sb, "127.0.0.1 localhost\n");
	if (lab->ipv6)
		bo_strbuf_puts(&sb, "::1 localhost ip6-localhost ip6-loopback\n");
	for (size_t i = 0; i < lab->nnodes; i++) {
		struct bo_lab_address at;

		if (only && only != &lab->nodes[i])
			continue;
		bo_lab_address(lab, (int)i, &at);
		bo_strbuf_printf(&sb, "%s %s\n", at.primary4, lab->nodes[i].name);
		if (lab->ipv6)
			bo_strbuf_printf(&sb, "%s %s\n", at.primary6, lab->nodes[i].name);
	}
	if (!bo_strbuf_ok(&sb)) {
		bo_strbuf_done(&sb);
		return NULL;
	}
	return sb.buf;
}

/* Locally administered (the 02 in the first byte), and telling in a capture whose end of which link it is. */
void lab_mac(int node, int peer, bool management, uint8_t ret[BO_RTNL_MAC_LEN])
{
	const uint8_t mac[BO_RTNL_MAC_LEN] = {
		0x02, 0xb0, management ? 0x78 : 0x77, 0, (uint8_t)(node + 1), (uint8_t)(peer + 1)
	};

	memcpy(ret, mac, sizeof(mac));
}
