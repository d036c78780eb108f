/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/sys/fdpass.h — messages with descriptors over a SOCK_SEQPACKET pair (unix(7), SCM_RIGHTS).
 * Owns: nothing.  Threads: one sender and one receiver per socket.  Privilege: none. */
#pragma once
#include <sys/types.h>

#include "brownout/base/err.h"

#define BO_FDPASS_MAX 10

/** struct bo_fds - descriptors travelling with a message; the receiver owns them, CLOEXEC is set */
struct bo_fds {
	int fd[BO_FDPASS_MAX];
	size_t n;
};

/** bo_fdpass_send() - one message; never raises SIGPIPE.  Return: 0, -EPIPE when the other end is closed, -EMSGSIZE … */
BO_NODISCARD int bo_fdpass_send(int sock, const void *data, size_t len, const struct bo_fds *fds,
				struct bo_err *err);
/**
 * bo_fdpass_recv() - one message
 * @fds: NULL when none are expected (any that come are closed)
 * @sender: pid of the sender in this process's pid namespace, with SO_PASSCRED on; may be NULL
 * @flags: of recvmsg(2), such as MSG_DONTWAIT
 * Return: its length; 0 when the other end is closed; -EAGAIN; -EMSGSIZE when cut
 */
BO_NODISCARD ssize_t bo_fdpass_recv(int sock, void *data, size_t len, struct bo_fds *fds,
				    pid_t *sender, int flags, struct bo_err *err);
/** bo_fds_close() - close what is left in @fds */
void bo_fds_close(struct bo_fds *fds);
/** bo_fds_take() - hand over the i-th descriptor, -1 when there is none */
int bo_fds_take(struct bo_fds *fds, size_t i);
