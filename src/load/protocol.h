/* SPDX-License-Identifier: Apache-2.0 */
/* protocol.h — what the bytes of a connection mean.  A protocol is one file and one line in
 * load.c.
 * Owns: c->session and the protocol's part of each call.  Threads: the load's.  Privilege: none. */
#pragma once
#include "engine.h"

/**
 * struct bo_protocol -
 * @alpn: what TLS offers, NULL for nothing;  @alpn_required: no connection without it
 * @open: the transport is ready; 0 or -errno.  NULL: nothing to do
 * @start: queue the request of @call for sending; 0 or -errno
 * @more: everything in c->out was sent: set the next bytes.  1, 0 none now, -1 it closed @c.  NULL:
 * never more
 * @take: @len bytes came;  @eof: the peer closed.  Both may end calls and close @c.
 * @cancel: @call ends before its answer; the connection goes on.  NULL: it must be closed
 * @close: free what open() and start() made.  NULL: nothing
 */
struct bo_protocol {
	const char *alpn;
	bool alpn_required;
	int (*open)(struct bo_load *load, struct bo_conn *c);
	int (*start)(struct bo_load *load, struct bo_call *call);
	int (*more)(struct bo_load *load, struct bo_conn *c, int64_t now_ns);
	void (*take)(struct bo_load *load, struct bo_conn *c, const char *buf, size_t len,
		     int64_t now_ns);
	void (*eof)(struct bo_load *load, struct bo_conn *c, int64_t now_ns);
	void (*cancel)(struct bo_load *load, struct bo_call *call, int64_t now_ns);
	void (*close)(struct bo_conn *c);
};

extern const struct bo_protocol bo_protocol_http1;
extern const struct bo_protocol bo_protocol_h2;
extern const struct bo_protocol bo_protocol_tcp;

/** bo_protocol_of() - never NULL */
const struct bo_protocol *bo_protocol_of(enum bo_load_protocol protocol);
