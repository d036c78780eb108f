/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/attach_session.h — a peer that echoes, a service that talks to it, and an attachment to that service.
 * For cmocka tests: a failure fails the test.
 * Owns: see attachkit.h.  Threads: single-threaded tests.  Privilege: root. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "attachkit.h"

#define LONG_MS 20000

#define MUST(call)                                          \
	do {                                                \
		err = (struct bo_err){ 0 };                 \
		if ((call) < 0)                             \
			fail_msg("%s: %s", #call, err.msg); \
	} while (0)

/** struct shared - what test and service tell each other, in shared memory */
struct shared {
	volatile uint64_t echoed;  /* blocks that came back as they were sent */
	volatile uint64_t damaged; /* and as they were not */
	volatile uint64_t longest_ns;
	volatile uint64_t retransmitted,
		needlessly; /* segments of both ends; those that the other had */
	volatile int stop;
	volatile int ready; /* the peer hears datagrams */
	volatile int asked, answered;
	volatile uint64_t datagrams; /* that the peer received */
};

extern struct attach_world world;
extern struct shared *shared;
extern struct bo_err err;
extern enum bo_driver session_driver;

/** struct session - a peer, a service that talks to it, and an attachment */
struct session {
	pid_t peer;
	pid_t service;
	struct bo_attachment att;
	int sock;
	char *before;
};

/** session_world_make() - @world and @shared; exits 77 where it cannot */
void session_world_make(void);
struct sockaddr_in peer_address(int port);
/** talk() - a service: sends numbered blocks and checks that they come back, until it is told to stop */
int talk(void *arg);
/** talk_ends() - by itself, and every block came back as it was sent */
void talk_ends(const struct session *s);
bool wait_blocks(uint64_t more);
bool wait_for_blocks(uint64_t more, int timeout_ms);
/** snmp_counter() - one of /proc/net/snmp in @netns: @column of the lines of @protocol */
uint64_t snmp_counter(int netns, const char *protocol, const char *column);
/** bad_checksums() - packets that @netns has dropped for that, InCsumErrors of "Tcp" or "Udp" */
uint64_t bad_checksums(int netns, const char *protocol);
/** begin() - @ttl_ns: 0 the usual;  by @session_driver, AUTO at first */
void begin(struct session *s, int (*service)(void *), int64_t ttl_ns);
/** same_lists() - within some time, rules, queues and qdiscs are what they were, and no journal is left */
bool same_lists(const struct session *s);
void finish(struct session *s);
/** kill_attachment() - and its warden first, when @warden;  then it can be swept */
void kill_attachment(struct session *s, bool warden);
/** warden_of() - the pid of an attachment's warden, 0 when there is none */
pid_t warden_of(pid_t attachment);
void on(const struct session *s, enum bo_dir dir, struct bo_impair im);
void off(const struct session *s, enum bo_dir dir);
