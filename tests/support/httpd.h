/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/httpd.h — an HTTP server in a thread of the test, which misbehaves on demand.
 * Owns: a listening socket on 127.0.0.1 and its thread.  Threads: answer() runs on the
 * server's.  Privilege: none. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct httpd;

/** enum httpd_deed - what to do with a request */
enum httpd_deed {
	HTTPD_SEND,       /* send the bytes and wait for the next request */
	HTTPD_SEND_CLOSE, /* send the bytes and close */
	HTTPD_HOLD,       /* never answer */
	HTTPD_RESET,      /* close with RST */
	HTTPD_ENDLESS,    /* send the bytes again and again until the peer hangs up */
};

struct httpd_answer {
	enum httpd_deed deed;
	const char *bytes; /* [borrowed: static] */
	size_t len;
};

/** httpd_start() - never NULL: the test fails instead.  @answer is asked for each request's
 * target ("/debug/vars") */
struct httpd *httpd_start(struct httpd_answer (*answer)(void *self, const char *target,
							const char *request),
			  void *self);
/** httpd_start_at() - on a given port, such as one that was freed a moment ago */
struct httpd *httpd_start_at(uint16_t port,
			     struct httpd_answer (*answer)(void *self, const char *target,
							   const char *request),
			     void *self);
uint16_t httpd_port(const struct httpd *h);
/** httpd_requests(), httpd_connections() - so far */
unsigned httpd_requests(struct httpd *h);
unsigned httpd_connections(struct httpd *h);
/** httpd_stop() - close everything; connections are reset */
void httpd_stop(struct httpd *h);

/** httpd_text() - a 200 answer with that body and keep-alive; [owned by the caller: free()] */
char *httpd_text(const char *body);
