/* SPDX-License-Identifier: Apache-2.0 */
/* transport.h — how bytes get onto a socket and off it.  A transport is one file and one line in
 * load.c.
 * Owns: c->tls.  Threads: the load's.  Privilege: none. */
#pragma once
#include <sys/types.h>

#include "engine.h"

/**
 * struct bo_transport - functions take a connected socket, and none blocks
 * @open: TCP is up: prepare; 0 or -errno.  NULL: nothing to do
 * @handshake: go on; 0 done, -EAGAIN (c->want_out is as it must be), else -errno with @why.  NULL: none
 * @send, @recv: as send(2) and recv(2), but -errno; -EPROTO with @why when the transport itself is
 * broken
 * @pending: bytes were received and decrypted, but not yet given out: epoll(7) will not say so.
 * NULL: never
 * @bye: say goodbye before an orderly close.  NULL: nothing to say
 * @close: free what open() made.  NULL: nothing
 */
struct bo_transport {
	const char *name;
	int (*open)(struct bo_load *load, struct bo_conn *c, const char **why);
	int (*handshake)(struct bo_load *load, struct bo_conn *c, const char **why);
	ssize_t (*send)(struct bo_conn *c, const char *buf, size_t len, const char **why);
	ssize_t (*recv)(struct bo_conn *c, char *buf, size_t len, const char **why);
	bool (*pending)(const struct bo_conn *c);
	void (*bye)(struct bo_conn *c);
	void (*close)(struct bo_conn *c);
};

extern const struct bo_transport bo_transport_plain;
extern const struct bo_transport bo_transport_tls;

/* tls.c */
/** bo_tls_new() - what all connections of the load share: trust, name, ALPN, the session to resume;
 * @host: name of the node that is called
 * Return: 0; -EINVAL when the certificates cannot be read */
BO_NODISCARD int bo_tls_new(struct bo_tls **ret, const struct bo_load_spec *spec, const char *host,
			    struct bo_err *err);
void bo_tls_free(struct bo_tls *tls);
