/* SPDX-License-Identifier: Apache-2.0 */
/* test_load_support.h — a server on loopback that misbehaves as told, and one load against it.
 * Owns: the server's socket and threads; the load and its run.  Threads: one per server and one per
 * connection of it. Privilege: none. */
#pragma once
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "brownout/load/load.h"
#include "brownout/model/run.h"

#define MS INT64_C(1000000)

struct tserver;
/** tserver_fn - what happens on one connection; it is closed on return */
typedef void (*tserver_fn)(struct tserver *s, int fd);

/* Connections at a time; the test aborts when there are more. */
#define TSERVER_CONNS_MAX 1024

struct tserver {
	tserver_fn fn;
	int listen_fd;
	struct sockaddr_storage addr;
	socklen_t addr_len;
	pthread_t acceptor;
	pthread_t threads[TSERVER_CONNS_MAX];
	int fds[TSERVER_CONNS_MAX];
	int nconns;
	pthread_mutex_t lock;
	pthread_cond_t closing_cond;
	bool closing;
	int64_t stall_until_ns; /* for handlers; set before load starts */
	atomic_int accepted;
	atomic_int open;
	atomic_int peak;
	atomic_int requests;
	atomic_int eofs;   /* the client closed with FIN */
	atomic_int resets; /* the client closed with RST */
};

/** tserver_start() - listen on a free port of 127.0.0.1; @fn NULL: never accept; @backlog as in
 * listen(2), with @fn at least as many as it can serve */
void tserver_start(struct tserver *s, tserver_fn fn, int backlog);
/** tserver_start6() - the same on ::1; false when this machine has no IPv6 */
bool tserver_start6(struct tserver *s, tserver_fn fn, int backlog);
/** tserver_start_unix() - the same on a unix socket at @path, which must not exist */
void tserver_start_unix(struct tserver *s, tserver_fn fn, int backlog, const char *path);
/** tserver_stop() - close everything and wait for every thread */
void tserver_stop(struct tserver *s);
/** tserver_request() - read one request's head (and a body of @body bytes); false when the client
 * is gone */
bool tserver_request(struct tserver *s, int fd, size_t body);
void tserver_say(int fd, const char *text);
/** tserver_wait() - until @until_ns (CLOCK_MONOTONIC) or tserver_stop(), whichever is first */
void tserver_wait(struct tserver *s, int64_t until_ns);
/** tserver_until_gone() - read and forget until the client has closed or tserver_stop() */
void tserver_until_gone(struct tserver *s, int fd);
/** tserver_reset() - make the coming close an RST */
void tserver_reset(int fd);
/** tserver_ok() - a handler: answers every request with 200 and "ok" */
void tserver_ok(struct tserver *s, int fd);

/** struct trun - one load; fill @spec and @windows as wanted before trun_start() */
struct trun {
	struct bo_load_spec spec;
	struct bo_load_window windows[4];
	size_t nwindows;
	uint64_t seed;
	struct sockaddr_storage addr;
	socklen_t addr_len;
	int root_fd; /* with spec.socket; [owned by the test] */
	int64_t t0_ns;
	struct bo_plan *plan;
	struct bo_run *run;
	struct bo_load *load;
};

/** trun_init() - GET / at @rate for @ms milliseconds from 20 ms hence, 2 s timeout, keep-alive, at
 * most 100 in flight */
void trun_init(struct trun *t, const struct tserver *s, double rate, int64_t ms);
void trun_start(struct trun *t);
/** trun_wait() - until every window is over, at least @offered requests were offered, and all of
 * them ended */
void trun_wait(struct trun *t, uint64_t offered);
/** trun_finish() - end the load; the run may be read then */
void trun_finish(struct trun *t);
/** trun_all() - start, wait, finish */
void trun_all(struct trun *t, uint64_t offered);
/** trun_stop_after() - stop once @offered were offered, however long this machine takes to that; until all have ended.
 * One of an open loop that was due by then may still be offered, and be in flight for ever after. */
void trun_stop_after(struct trun *t, uint64_t offered);
/** trun_some() - start in a window without end, stop after @offered, finish */
void trun_some(struct trun *t, uint64_t offered);
void trun_done(struct trun *t);
/** trun_all_are() - start, wait, finish: all @n requests, and no more, ended as @cls */
void trun_all_are(struct trun *t, size_t n, enum bo_req_class cls);
/** trun_count() - requests of that class */
size_t trun_count(const struct trun *t, enum bo_req_class cls);
/** until() - wait for @cond, polled every 0.2 ms, for 10 s; then fail */
#define until(cond)                                                               \
	do {                                                                      \
		int64_t until_end_ = bo_now_ns() + 10000 * MS;                    \
		while (!(cond)) {                                                 \
			if (bo_now_ns() > until_end_)                             \
				fail_msg("waited 10 s in vain for: %s", #cond);   \
			nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL); \
		}                                                                 \
	} while (0)
