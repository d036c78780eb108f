/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/load/load.h — open-loop load on a thread of its own.
 * Arrivals are scheduled from the clock and never wait for a response; connections grow on demand
 * up to max_inflight, so a pile-up in the service becomes visible; what cannot be sent then is shed
 * before sending and recorded as shed; nothing in flight is ever killed by the generator but by the
 * request's own timeout.
 * Owns: its thread, sockets and records until bo_load_finish().  Threads: one per load.  Privilege:
 * none; runs in the network namespace of the thread that calls bo_load_start(). */
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "brownout/base/err.h"
#include "brownout/model/live.h"
#include "brownout/model/run.h"

struct bo_load;

/** struct bo_load_window - offer load in [from, until), CLOCK_MONOTONIC ns */
struct bo_load_window {
	int64_t from_ns;
	int64_t until_ns;
};

/**
 * struct bo_load_config -
 * @spec: [borrowed: as long as the load];  @index: index in plan->loads
 * @addr: where @spec->node is reached over the (impairable) link; ignored with @spec->socket
 * @root_fd: with @spec->socket: the root directory below which it lies, O_PATH is enough; duplicated
 * @t0_ns: CLOCK_MONOTONIC; recorded instants are relative to it
 * @windows: ascending, not overlapping; copied
 */
struct bo_load_config {
	const struct bo_load_spec *spec;
	int index;
	struct sockaddr_storage addr;
	socklen_t addr_len;
	int root_fd;
	const char *host_header;
	int64_t t0_ns;
	uint64_t seed;
	const struct bo_load_window *windows;
	size_t nwindows;
};

/**
 * bo_load_fits() - are there descriptors for all of these loads at once?  Nothing is started; the soft limit is raised
 * to the hard one, as bo_load_start() does
 * @windows: as in struct bo_load_config;  @others: descriptors that will be opened besides
 * @ret_bad: the load with which they no longer suffice
 * Return: 0, or -EMFILE with the limit and what to raise
 */
BO_NODISCARD int bo_load_fits(const struct bo_load_spec *specs, size_t n,
			      const struct bo_load_window *windows, size_t nwindows, size_t others,
			      size_t *ret_bad, struct bo_err *err);

/** bo_load_check_tls() - can the certificates and the key of @spec be used?  Return: 0, or -EINVAL with what cannot */
BO_NODISCARD int bo_load_check_tls(const struct bo_load_spec *spec, struct bo_err *err);
/** bo_load_new() - nothing is sent before bo_load_start();  free with bo_load_free()
 * Return: 0; -EINVAL with what of the spec is out of range, -ENOMEM, -errno of making descriptors */
BO_NODISCARD int bo_load_new(struct bo_load **ret, const struct bo_load_config *config,
			     struct bo_err *err);
/** bo_load_start() - start the thread; -EMFILE with the limit and what to raise when max_inflight
 * cannot fit */
BO_NODISCARD int bo_load_start(struct bo_load *load, struct bo_err *err);

/** bo_load_live() - safe from any thread, never blocks the load thread */
void bo_load_live(struct bo_load *load, struct bo_load_live *ret);
/** struct bo_load_cursor - how far somebody has read a load's records; zero-initialise */
struct bo_load_cursor {
	const void *chunk;
	size_t at;
	uint64_t seen;
};
/**
 * bo_load_ended() - the requests that have ended since @cursor was there last, in the order of their end (one thread at a
 * time, while the load runs; never blocks it)
 * @take: false: not yet; it is the next one that is given
 */
void bo_load_ended(struct bo_load *load, struct bo_load_cursor *cursor,
		   bool (*take)(void *arg, const struct bo_req *req), void *arg);
/** bo_load_set_root() - the node was started again: its socket lies below another directory now (any thread)
 * @root_fd: duplicated;  a load without a socket takes no notice */
BO_NODISCARD int bo_load_set_root(struct bo_load *load, int root_fd, struct bo_err *err);
/** bo_load_stop() - offer no more from now on (any thread); requests in flight go on */
void bo_load_stop(struct bo_load *load);
/**
 * bo_load_finish() - end the thread; what is in flight becomes BO_REQ_INFLIGHT; append requests to
 * run->requests, add the connection series, fill run->loads.items[index] (the caller sized it)
 */
BO_NODISCARD int bo_load_finish(struct bo_load *load, struct bo_run *run, struct bo_err *err);
void bo_load_free(struct bo_load *load);
