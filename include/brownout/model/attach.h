/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/model/attach.h — a service that runs already, and whom of its peers faults are about.
 * Plain records without pointers: they travel from the conductor to the keeper as they are.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brownout/base/err.h"
#include "brownout/model/impair.h"

#define BO_ATTACH_PEERS_MAX 16

/** What must be allowed by name (allow = { "…" }), because it may cut off more than was meant; bits of @allow */
#define BO_ATTACH_ALLOW_HOST 1u /* the service lives in the network namespace of brownout itself */
#define BO_ATTACH_ALLOW_SSH 2u  /* the peer is the other end of the session that runs brownout */
#define BO_ATTACH_ALLOW_GATEWAY 4u  /* the peer is a gateway of the service's routes */
#define BO_ATTACH_ALLOW_LOOPBACK 8u /* loopback without a port */
#define BO_ATTACH_ALLOW_WIDE 16u    /* a network instead of an address: 10.0.0.0/8, 0.0.0.0/0 */
#define BO_ATTACH_ALLOW_KILL 32u    /* kill and term: nobody here could start the service again */
#define BO_ATTACH_ALLOW_COUNT 6
/** bo_attach_allow_name() - "host", "ssh", "gateway", "loopback", "wide", "kill" for bit 0 … 5; NULL beyond */
const char *bo_attach_allow_name(unsigned int bit);

/**
 * struct bo_attach_peer - packets to and from a peer of the service
 * @family: AF_INET or AF_INET6;  @prefix: bits of @address that count
 * @protocol: IPPROTO_TCP or IPPROTO_UDP; 0 any, then @port is 0
 * @port: the peer's; 0 any
 */
struct bo_attach_peer {
	int32_t family;
	uint8_t address[16];
	uint8_t prefix;
	uint8_t protocol;
	uint16_t port;
};
/** bo_attach_peer_parse() - "10.0.0.5", "fd00::5", "10.0.0.0/24";  host bits beyond the prefix are refused */
BO_NODISCARD int bo_attach_peer_parse(const char *text, struct bo_attach_peer *ret,
				      struct bo_err *err);
/** bo_attach_peer_text() - "10.0.0.5:5432/tcp", "10.0.0.0/24" */
const char *bo_attach_peer_text(const struct bo_attach_peer *peer, char *buf, size_t size);
/** bo_attach_peer_has() - does the peer's address (or network) hold the @family address @bytes? */
bool bo_attach_peer_has(const struct bo_attach_peer *peer, int family, const uint8_t *bytes);
/** bo_attach_peer_is_loopback() - is any of its addresses in 127.0.0.0/8, or ::1? */
bool bo_attach_peer_is_loopback(const struct bo_attach_peer *peer);

/**
 * struct bo_attach_spec - what a scenario says of a running service; one of @pid, @netns and @container
 * @netns: absolute path of a namespace file (/run/netns/orders, /proc/123/ns/net)
 * @container: id of a container, its first 12 or more digits, or its name
 * @interface: packets that leave and enter by this device only; "" any
 * @address: IPv4 address at which load and probes reach the service from here; "" none
 * @allow: BO_ATTACH_ALLOW_*
 * @ttl_ns: without an instruction for so long, every fault of this service ends by itself
 */
struct bo_attach_spec {
	int32_t pid;
	char netns[256];
	char container[80];
	char interface[16];
	char address[16];
	uint32_t allow;
	int64_t ttl_ns;
};
#define BO_ATTACH_TTL_MAX_NS (INT64_C(3600) * 1000 * 1000 * 1000)
/** Added to the longest fault of a service where the scenario names no ttl. */
#define BO_ATTACH_TTL_SLACK_NS (INT64_C(10) * 1000 * 1000 * 1000)
