/* SPDX-License-Identifier: Apache-2.0 */
/* load_peers.h — other load generators, run as children beside the engine.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#define CONNS 64 /* of every generator */

/**
 * struct peer - a generator and how it is told what to do
 * @script: for sh(1) -c; $0 is the program, $1 the URL, $2 seconds, $3 requests per second
 * @requests: its output says before the number how many requests there were ...
 * @per_s: ... or how many per second;  @p50, @p99: before a latency with its unit.  NULL: not said
 */
struct peer {
	const char *name;
	const char *program;
	const char *script;
	const char *requests;
	const char *per_s;
	const char *p50;
	const char *p99;
	char path[4096]; /* empty: not found */
};

/** struct peer_result - @cpu_us: user and system time of it and its children, per request;
 * latencies in us, 0 when it does not say */
struct peer_result {
	double per_s;
	double cpu_us;
	double p50_us;
	double p99_us;
};

extern struct peer peers_closed[], peers_open[];
extern const size_t npeers_closed, npeers_open;

/** peers_find() - look for each in @dir (may be NULL), @dir/bin and a directory of its name, then PATH */
void peers_find(struct peer *peers, size_t n, const char *dir);
/** peer_run() - against 127.0.0.1:@port; 0, or -1 when it failed or said nothing */
int peer_run(const struct peer *p, int port, int seconds, double rate, struct peer_result *ret);

/** spawn() - run a child with its standard output (and input, if @ret_in) on pipes, on these CPUs */
pid_t spawn(const char *const argv[], int *ret_in, FILE **ret_out, int first_cpu, int last_cpu);
/** pin() - the calling thread and what it starts; nothing with fewer than four CPUs */
void pin(int first, int last);
