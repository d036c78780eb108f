/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/wire_flows.h — what flows between two network namespaces, and how fast.
 * Every function ends the program with a message when something cannot be had.
 * Owns: nothing after return.  Threads: one of its own meanwhile.  Privilege: as wire_netns.h. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "brownout/lab/wire.h"
#include "wire_netns.h"

#define FLOWS_PORT 7000

_Noreturn void flows_die(const char *what);
/** flows_wire_new() - a wire on both devices of @net, with stamps if it has any; takes what it needs of it */
BO_NODISCARD int flows_wire_new(struct bo_wire **ret, struct wire_netns *net, struct bo_err *err);
/** flows_veth_up() - two namespaces joined by a plain veth pair, called w0 at both ends */
void flows_veth_up(struct wire_netns *net);
/** flows_middle_up() - two namespaces, each joined by a veth pair, `w0` there, to a third one, where the other ends are
 * `m0` and `m1` and nothing passes anything on;  @ret_middle: its descriptor */
void flows_middle_up(struct wire_netns *net, int *ret_middle);
/** flows_enter() - the calling thread into namespace @ns, or home with -1 */
void flows_enter(const struct wire_netns *net, int ns);
/** flows_big_windows() - let TCP use as much as 10 Gbit/s over 100 ms need */
void flows_big_windows(const struct wire_netns *net);
/* Of the congestion controls that any namespace may take, the one that sends as long as the window lets it.  BBR, the
 * default of some machines, paces instead: what it then carries says how it measures, not what the link can do. */
#define FLOWS_UNPACED "reno"
/** flows_congestion() - what TCP at both ends uses from now on;  flows_congestion_here() - what it uses here */
void flows_congestion(const struct wire_netns *net, const char *name);
void flows_congestion_here(char *ret, size_t size);
/** flows_tcp_bps() - goodput of one stream from end 0 to end 1, after @warm_ns;  @port: where end 0
 * connects to; the server listens on FLOWS_PORT */
double flows_tcp_bps(const struct wire_netns *net, int port, int64_t warm_ns, int64_t ns);
/** flows_udp_pps() - datagrams of @bytes that arrived of a flood from end 0 to end 1 */
double flows_udp_pps(const struct wire_netns *net, size_t bytes, int64_t ns);
/** flows_rtt_ns() - p50 of @rounds round trips of one byte over one TCP connection */
double flows_rtt_ns(const struct wire_netns *net, int port, size_t rounds);
/** flows_median() - sorts them */
double flows_median(double *values, int n);
