/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/attachkit.h — a service and a peer, each in a network namespace of its own, joined by a veth pair.
 * Owns: two namespaces by descriptor, a private /run.  Threads: single-threaded tests.  Privilege: root. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "brownout/lab/attach.h"

#define KIT_SERVICE "10.9.0.1"
#define KIT_PEER "10.9.0.2"
#define KIT_SERVICE6 "fd09::1"
#define KIT_PEER6 "fd09::2"
#define KIT_PORT 5432
#define KIT_DEVICE "svc0"

/** struct attach_world - @home: where the test was before;  @queue, @netem: drivers that are to be had */
struct attach_world {
	int home;
	int service;
	int peer;
	bool v6;
	bool queue, netem;
};

/** attach_world_make() - also gives this process a /run of its own; exits 77 where it cannot */
void attach_world_make(struct attach_world *world);
void attach_world_done(struct attach_world *world);
/** attach_world_enter() - the test's own thread moves */
void attach_world_enter(int netns);
/** attach_world_lists() - rules, queues, devices, qdiscs and filters of a namespace as text; [owned] free() */
char *attach_world_lists(const struct attach_world *world, int netns);
/** attach_world_conf() - attach to @pid, whose one peer is KIT_PEER:KIT_PORT */
struct bo_attach_conf attach_world_conf(pid_t pid);

/** kit_spawn() - a child in @netns that calls @fn and exits with what it returns;  it dies with the test */
pid_t kit_spawn(int netns, int (*fn)(void *arg), void *arg);
/** kit_wait() - its exit status, or -1 when it does not end in time (then it is killed) */
int kit_wait(pid_t pid, int timeout_ms);
