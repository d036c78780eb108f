/* SPDX-License-Identifier: Apache-2.0 */
/* harness/ready.h — is a node ready?  One attempt at a time, over the management link.
 * Owns: nothing between calls.  Threads: the conductor's main thread.  Privilege: none. */
#pragma once
#include <stdbool.h>

#include "brownout/model/plan.h"

/** struct bo_ready_idle - @call: about every 50 ms while an attempt lasts; negative ends it.  May be NULL */
struct bo_ready_idle {
	int (*call)(void *self, struct bo_err *err);
	void *self;
};

/**
 * bo_ready_tcp() - does @address:@port accept a connection within @timeout_ns?
 * @why: filled when not
 */
bool bo_ready_tcp(const char *address, int port, int64_t timeout_ns,
		  const struct bo_ready_idle *idle, char *why, size_t size);
/** bo_ready_unix() - does the unix socket @path below @root_fd accept a connection?  It says so at once */
bool bo_ready_unix(int root_fd, const char *path, char *why, size_t size);

/** struct bo_ready_way - how to get there: @address, or with @socket that path below @root_fd */
struct bo_ready_way {
	const char *address;
	const char *socket;
	int root_fd;
};
/** bo_ready_http() - does @url, fetched by @way with its own Host header, answer with 2xx? */
bool bo_ready_http(const char *url, const struct bo_ready_way *way, int64_t timeout_ns,
		   const struct bo_ready_idle *idle, char *why, size_t size);
