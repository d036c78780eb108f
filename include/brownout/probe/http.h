/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/probe/http.h — many HTTP requests at once on one thread, each to a fixed address,
 * with keep-alive.
 * The URL's host is only the Host header: the connection goes to the node's management address,
 * whatever the URL says, without a resolver, a proxy, a redirect or a protocol but http.
 * Owns: libcurl handles.  Threads: one per fetcher; bo_fetcher_wake() from any.  Privilege:
 * none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brownout/base/err.h"

struct bo_fetcher;
struct bo_fetch;

/**
 * struct bo_fetch_result - how a request ended
 * @code: 0, or -errno
 * @status: HTTP status, 0 when it did not come to one
 * @reason: for a person ("no answer in 1s", "connection refused", "HTTP 404"); "" with code 0.
 *          [borrowed: until the next request of this fetch]
 * @end_ns: CLOCK_MONOTONIC
 */
struct bo_fetch_result {
	int code;
	int status;
	const char *reason;
	int64_t end_ns;
};

/**
 * struct bo_fetch_handler -
 * @body: the next piece of a 200 response's body.  Return 0 to go on, 1 when the rest is not
 *        needed (a success),
 *        or -errno with @err filled, whose message becomes the reason
 * @done: the request has ended; called once per bo_fetch_start(), from bo_fetcher_run()
 */
struct bo_fetch_handler {
	void *self;
	int (*body)(void *self, const char *bytes, size_t n, struct bo_err *err);
	void (*done)(void *self, const struct bo_fetch_result *result);
};

BO_NODISCARD int bo_fetcher_new(struct bo_fetcher **ret, struct bo_err *err);
/** bo_fetcher_free() - after all its fetches were freed */
void bo_fetcher_free(struct bo_fetcher *fetcher);
/**
 * bo_fetcher_run() - move all requests on and call the handlers of those that ended
 * @timer_fd: also return when it is readable; -1 for none
 * @timeout_ms: longest wait for something to happen
 */
BO_NODISCARD int bo_fetcher_run(struct bo_fetcher *fetcher, int timer_fd, int timeout_ms,
				struct bo_err *err);
/** bo_fetcher_wake() - make bo_fetcher_run() return soon (any thread) */
void bo_fetcher_wake(struct bo_fetcher *fetcher);

/**
 * bo_fetch_new() - a GET that can be made again and again
 * @url: "http://orders:8080/debug/vars";  @address: "10.78.1.2" or "fd00::2": where it really goes
 * @handler: copied
 */
BO_NODISCARD int bo_fetch_new(struct bo_fetch **ret, struct bo_fetcher *fetcher, const char *url,
			      const char *address, const struct bo_fetch_handler *handler,
			      struct bo_err *err);
/** bo_fetch_start() - make the request; -EBUSY while one is under way */
BO_NODISCARD int bo_fetch_start(struct bo_fetch *fetch, int64_t timeout_ns, struct bo_err *err);
/** bo_fetch_cancel() - forget the request under way, if any; done is not called */
void bo_fetch_cancel(struct bo_fetch *fetch);
void bo_fetch_free(struct bo_fetch *fetch);

/** bo_http_origin() - "http://HOST:PORT" of any http URL; -EINVAL when it is none */
BO_NODISCARD int bo_http_origin(const char *url, char *buf, size_t size, struct bo_err *err);
