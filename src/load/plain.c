/* SPDX-License-Identifier: Apache-2.0 */
/* plain.c — bytes as they are.
 * Owns: nothing.  Threads: the load's.  Privilege: none. */
#include <errno.h>
#include <sys/socket.h>

#include "transport.h"

static ssize_t plain_send(struct bo_conn *c, const char *buf, size_t len, const char **why)
{
	ssize_t n = send(c->fd, buf, len, MSG_NOSIGNAL);

	(void)why;
	if (n < 0)
		return -errno;
	c->written += (uint64_t)n;
	return n;
}

static ssize_t plain_recv(struct bo_conn *c, char *buf, size_t len, const char **why)
{
	ssize_t n = recv(c->fd, buf, len, 0);

	(void)why;
	return n < 0 ? -errno : n;
}

const struct bo_transport bo_transport_plain = {
	.name = "plain",
	.send = plain_send,
	.recv = plain_recv,
};
