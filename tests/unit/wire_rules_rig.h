/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/wire_rules_rig.h — rules on connections with packets of made connections going through, and a record of what
 * they forged.
 * Owns: the rules.  Threads: none.  Privilege: none. */
#pragma once
#include "brownout/base/clock.h"
#include "wire_packets.h"
#include "wire_rules.h"

#define MS BO_NSEC_PER_MSEC
#define BOTH 3u
#define EMITTED_MAX 512
#define RESET_ALL ((struct bo_conn_rule){ .action = BO_CONN_RESET, .protocol = BO_CONN_TCP })

extern struct bo_wire_flows *flows;
extern struct bo_wire_rules *rules;
extern int64_t now_ns;
/** draws_key - of the next rules_up() */
extern uint64_t draws_key;
/** addresses_are_noise - what is forged is not looked at */
extern bool device_is_full, addresses_are_noise;

/** struct emitted - what the rules have forged */
struct emitted {
	enum bo_dir dir;
	uint8_t flags;
	uint32_t seq, ack;
	uint16_t source, target;
};
extern struct emitted emitted[EMITTED_MAX];
extern size_t nemitted;

/** made, arrived - what was sent last, and what went on of it */
extern struct made made;
extern struct bo_wire_packet arrived;

int rules_up(void **state);
int rules_down(void **state);
/** force() - this rule alone, with id 1 and both directions unless it says otherwise */
void force(struct bo_conn_rule rule);
/** counts() - of the rule with id 1 */
struct bo_conn_counts counts(void);
/** goes() - send it; did it go on? */
bool goes(const struct spec *spec);

/** struct conn - a TCP connection from a (client) to b (server);  @next: sequence numbers */
struct conn {
	int version, host;
	uint16_t port, server;
	uint32_t next[2];
};
struct conn conn_at(int version, uint16_t port, uint16_t server, uint32_t isn);
struct spec segment(const struct conn *c, int from, uint8_t flags, const char *payload);
/** tcp() - the next segment of the connection; it counts as sent whatever becomes of it */
bool tcp(struct conn *c, int from, uint8_t flags, const char *payload);
bool data(struct conn *c, int from, const char *payload);
bool handshake(struct conn *c);
/** again() - the end of what that end has sent once more */
bool again(struct conn *c, int from, const char *payload);
bool udp(int version, int from, uint16_t source, uint16_t target, const char *payload);

/** is_rst() - has a RST taken the place of what was sent? */
bool is_rst(uint32_t seq);
bool was_emitted(enum bo_dir dir, uint8_t flags, uint32_t seq);
