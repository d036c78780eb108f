/* SPDX-License-Identifier: Apache-2.0 */
/* model/attach.c — peers of a running service as text and as bytes. */
#include "brownout/model/attach.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *bo_attach_allow_name(unsigned int bit)
{
	static const char *const names[] = { "host", "ssh", "gateway", "loopback", "wide", "kill" };

	_Static_assert(sizeof(names) / sizeof(*names) == BO_ATTACH_ALLOW_COUNT, "one name per bit");
	return bit < BO_ATTACH_ALLOW_COUNT ? names[bit] : NULL;
}

static uint8_t full_prefix(int family)
{
	return family == AF_INET ? 32 : 128;
}

static bool bit_of(const uint8_t *bytes, unsigned int bit)
{
	return bytes[bit / 8] >> (7 - bit % 8) & 1;
}

int bo_attach_peer_parse(const char *text, struct bo_attach_peer *ret, struct bo_err *err)
{
	struct bo_attach_peer peer = { 0 };
	const char *slash = strchr(text, '/');
	char host[INET6_ADDRSTRLEN] = "", *end = NULL;
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	unsigned long prefix;

	if (len < sizeof(host))
		memcpy(host, text, len);
	peer.family = strchr(host, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(peer.family, host, peer.address) != 1)
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_PLAN,
			"expected an IP address (names are not resolved), as in \"10.0.0.5\" or "
			"\"fd00::5\", found \"%.60s\"",
			text);
	prefix = slash ? strtoul(slash + 1, &end, 10) : full_prefix(peer.family);
	if (slash &&
	    (slash[1] < '0' || slash[1] > '9' || *end || prefix > full_prefix(peer.family)))
		return bo_err_set(err, EINVAL, BO_SUBSYS_PLAN,
				  "expected a prefix length of 0 to %d, found \"%.60s\"",
				  full_prefix(peer.family), text);
	peer.prefix = (uint8_t)prefix;
	for (unsigned int bit = peer.prefix; bit < full_prefix(peer.family); bit++)
		if (bit_of(peer.address, bit))
			return bo_err_set(
				err, EINVAL, BO_SUBSYS_PLAN,
				"expected a network whose bits beyond the prefix are 0, found \"%.60s\"",
				text);
	*ret = peer;
	return 0;
}

const char *bo_attach_peer_text(const struct bo_attach_peer *peer, char *buf, size_t size)
{
	char host[INET6_ADDRSTRLEN] = "?", prefix[8] = "", port[8] = "";
	bool v6 = peer->family == AF_INET6;

	inet_ntop(peer->family, peer->address, host, sizeof(host));
	if (peer->prefix < full_prefix(peer->family))
		snprintf(prefix, sizeof(prefix), "/%u", peer->prefix);
	if (peer->port)
		snprintf(port, sizeof(port), ":%u", peer->port);
	snprintf(buf, size, "%s%s%s%s%s%s", v6 && peer->port ? "[" : "", host,
		 v6 && peer->port ? "]" : "", prefix, port,
		 peer->protocol == IPPROTO_TCP   ? "/tcp"
		 : peer->protocol == IPPROTO_UDP ? "/udp"
						 : "");
	return buf;
}

bool bo_attach_peer_has(const struct bo_attach_peer *peer, int family, const uint8_t *bytes)
{
	if (peer->family != family)
		return false;
	for (unsigned int bit = 0; bit < peer->prefix; bit++)
		if (bit_of(peer->address, bit) != bit_of(bytes, bit))
			return false;
	return true;
}

bool bo_attach_peer_is_loopback(const struct bo_attach_peer *peer)
{
	static const uint8_t v4[4] = { 127, 0, 0, 1 }, v6[16] = { [15] = 1 };

	if (peer->family == AF_INET)
		return bo_attach_peer_has(peer, AF_INET, v4) || peer->address[0] == 127;
	return bo_attach_peer_has(peer, AF_INET6, v6);
}
