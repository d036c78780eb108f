/* SPDX-License-Identifier: Apache-2.0 */
/* load_floor.h — the least that any program needs which sends each request when it is due.
 * Owns: its connections.  Threads: one of its own.  Privilege: none. */
#pragma once

/** struct floor_result - @cpu_us: per request;  @lag_*_us: how late it was sent */
struct floor_result {
	double per_s;
	double cpu_us;
	double lag_p50_us;
	double lag_p99_us;
};

/** floor_run() - @rate requests per second to 127.0.0.1:@port for @seconds: sleep until one is due, send it, take an answer
 * that has long come.  Nothing waits for an answer, nothing is parsed, no latency is known.  0, or -1 */
int floor_run(int port, int seconds, double rate, struct floor_result *ret);
