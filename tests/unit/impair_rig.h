/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/impair_rig.h — one link between two network namespaces, by either driver, and UDP probes from end a to
 * end b that say what an impairment of that direction did to each of them.
 * IPv6, ARP and ND are silent, so that the impairment meets the probes and nothing else.
 * Owns: namespaces, devices, sockets.  Threads: one.  Privilege: as wire_netns.h. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brownout/lab/wire.h"
#include "brownout/model/impair.h"
#include "wire_netns.h"

enum rig_driver { RIG_NETEM, RIG_WIRE, RIG_DRIVERS };

struct nl_sock;

struct impair_rig {
	enum rig_driver driver;
	struct wire_netns net;
	struct bo_wire *wire;
	struct nl_sock *sock; /* rtnetlink of end a */
	int ifindex;          /* of end a's device */
	int tx, rx;
	uint64_t sent;
	uint32_t round;
};

const char *rig_driver_name(enum rig_driver driver);
/** rig_can() - is there such a driver here?  @ret_why: the reason when not */
bool rig_can(enum rig_driver driver, char *ret_why, size_t size);
/** rig_up() - fails the test on errors */
void rig_up(struct impair_rig *rig, enum rig_driver driver);
void rig_down(struct impair_rig *rig);
/** rig_impair() - direction a to b.  Return: 0 or -errno */
int rig_impair(struct impair_rig *rig, const struct bo_impair *im);

/** struct probe - one that was sent
 * @arrivals: how often it came;  @delay_ns: of the first time, until the receiving kernel had it */
struct probe {
	int64_t sent_ns;
	int64_t delay_ns;
	uint32_t arrivals;
};

/** struct arrival - in the order of arriving
 * @flipped_bits: of the payload, against what was sent */
struct arrival {
	uint32_t seq;
	int64_t at_ns;
	uint32_t flipped_bits;
};

/**
 * struct traffic - what to send, and what became of it
 * @probes: how many;  @gap_us: from one to the next, 0: back to back;  @bytes: of IP, each;  @settle_every: let the wire catch up after that many (it must
 *          not be the TUN device that drops)
 * @no_checksum: UDP without, so that damage arrives
 */
#define TRAFFIC_MAX 12000
struct traffic {
	uint32_t probes;
	uint32_t gap_us;
	uint32_t bytes;
	bool no_checksum;

	struct probe probe[TRAFFIC_MAX];
	struct arrival arrival[2 * TRAFFIC_MAX];
	uint32_t narrivals;
};

/** rig_send() - send and collect, until nothing has come for @quiet_ms after the last one was sent */
void rig_send(struct impair_rig *rig, struct traffic *t, int quiet_ms);
