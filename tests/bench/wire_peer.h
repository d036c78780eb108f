/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/wire_peer.h — toxiproxy, the usual way to delay TCP without a kernel's help, between
 * two namespaces joined by veth: end 0 connects to it at end 1, and it to the server there.
 * Owns: its process.  Threads: none.  Privilege: as wire_netns.h. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "wire_netns.h"

#define PEER_PORT 7100

/** peer_start() - @dir: the folder with the program, `server` or `toxiproxy-server`, or NULL;  false
 * when it is not there */
bool peer_start(const struct wire_netns *net, const char *dir, pid_t *ret);
/** peer_delay() - its toxic "latency", on what goes from end 0 to end 1; changed when it has one */
void peer_delay(const struct wire_netns *net, int ms);
void peer_stop(pid_t pid);
