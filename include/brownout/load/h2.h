/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/load/h2.h — the client's side of one HTTP/2 connection (RFC 9113), bytes in and bytes out:
 * no socket, no clock.  Framing, HPACK and flow control are nghttp2's; what is here decides how each
 * request ended and that no server can make it store without bound.
 * Owns: the session and its requests.  Threads: one per session.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "brownout/base/err.h"
#include "brownout/load/grpc.h"

/** Names and values of the fields of one response, interim ones and trailers included, in bytes */
#define BO_H2_HEAD_MAX (64 * 1024)

/** enum bo_h2_end - how a request ended */
enum bo_h2_end {
	BO_H2_ANSWERED, /* the response is whole */
	BO_H2_RESET,    /* the server gave up on it (RST_STREAM) */
	BO_H2_REFUSED,  /* the server says that it did not begin with it: it may be sent again */
	BO_H2_PROTOCOL, /* the response was not valid; @why says what */
};

/**
 * struct bo_h2_call - one request; read-only for the user
 * @user: [borrowed] as given
 * @status: of the response, 0 until its head ended
 * @received: bytes of names, values and content
 * @grpc: [valid when @is_grpc]
 * @why: [borrowed: as long as this] why BO_H2_PROTOCOL
 */
struct bo_h2_call {
	void *user;
	uint16_t status;
	uint64_t received;
	bool is_grpc;
	struct bo_grpc grpc;
	const char *why;

	/* the driver's own */
	struct bo_h2_call *prev;
	struct bo_h2_call *next;
	int32_t stream;
	bool begun;
	bool head_done;
	uint16_t status_now;
	uint32_t head_bytes;
	char *body; /* [owned] */
	size_t body_len;
	size_t body_at;
};

/**
 * struct bo_h2_events - called from within bo_h2_feed() and bo_h2_pull(), where only
 * bo_h2_request() and bo_h2_cancel() may be called
 * @sent: the request's head is among the bytes that are being pulled
 * @begun: the first bytes of its response came
 * @end: it is over; @call is freed afterwards
 * @goaway: the server wants no further requests on this connection
 */
struct bo_h2_events {
	void (*sent)(void *arg, struct bo_h2_call *call);
	void (*begun)(void *arg, struct bo_h2_call *call);
	void (*end)(void *arg, struct bo_h2_call *call, enum bo_h2_end how);
	void (*goaway)(void *arg);
};

/** struct bo_h2_field - [borrowed] a field of a request; names in small letters */
struct bo_h2_field {
	const char *name;
	const char *value;
	size_t name_len;
	size_t value_len;
};

struct bo_h2;
/** bo_h2_new() - @events, @arg: [borrowed: as long as the session]; -ENOMEM */
BO_NODISCARD int bo_h2_new(struct bo_h2 **ret, const struct bo_h2_events *events, void *arg);
void bo_h2_free(struct bo_h2 *h2);
/** bo_h2_request() - queue a request; @body: [consumed, malloc] NULL for none; NULL when it cannot be */
BO_NODISCARD struct bo_h2_call *bo_h2_request(struct bo_h2 *h2, const struct bo_h2_field *fields,
					      size_t nfields, char *body, size_t body_len,
					      bool is_grpc, void *user);
/** bo_h2_cancel() - forget it and tell the server (CANCEL); no event; @call is freed */
void bo_h2_cancel(struct bo_h2 *h2, struct bo_h2_call *call);
/** bo_h2_feed() - bytes from the server; -EPROTO: the connection is of no use any more */
BO_NODISCARD int bo_h2_feed(struct bo_h2 *h2, const char *buf, size_t len);
/** bo_h2_pull() - the next bytes for the server, [borrowed: until the next call]; 0 none now;
 * -EPROTO: none ever, the connection is of no use any more */
BO_NODISCARD ssize_t bo_h2_pull(struct bo_h2 *h2, const char **ret);
/** bo_h2_why() - static text after -EPROTO */
const char *bo_h2_why(const struct bo_h2 *h2);
/** bo_h2_room() - requests that the server takes at a time; UINT32_MAX while it has not said */
uint32_t bo_h2_room(const struct bo_h2 *h2);
