/* SPDX-License-Identifier: Apache-2.0 */
/* sys/fdpass.c — SCM_RIGHTS and SCM_CREDENTIALS.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include "brownout/sys/fdpass.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

union control {
	char buf[CMSG_SPACE(sizeof(int) * BO_FDPASS_MAX) + CMSG_SPACE(sizeof(struct ucred))];
	struct cmsghdr align;
};

void bo_fds_close(struct bo_fds *fds)
{
	for (size_t i = 0; i < fds->n; i++)
		if (fds->fd[i] >= 0)
			close(fds->fd[i]);
	fds->n = 0;
}

int bo_fds_take(struct bo_fds *fds, size_t i)
{
	int fd = -1;

	if (i < fds->n) {
		fd = fds->fd[i];
		fds->fd[i] = -1;
	}
	return fd;
}

int bo_fdpass_send(int sock, const void *data, size_t len, const struct bo_fds *fds,
		   struct bo_err *err)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control = { 0 };
	ssize_t n;

	if (fds && fds->n) {
		struct cmsghdr *c = &control.align;

		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * fds->n);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * fds->n);
		memcpy(CMSG_DATA(c), fds->fd, sizeof(int) * fds->n);
	}
	do {
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return bo_err_errno(err, BO_SUBSYS_SYS, "sending a message of %zu bytes", len);
	return 0;
}

static void take_control(struct msghdr *msg, struct bo_fds *fds, pid_t *sender)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_RIGHTS) {
			fds->n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			memcpy(fds->fd, CMSG_DATA(c), fds->n * sizeof(int));
		} else if (c->cmsg_type == SCM_CREDENTIALS && sender) {
			struct ucred cred;

			memcpy(&cred, CMSG_DATA(c), sizeof(cred));
			*sender = cred.pid;
		}
	}
}

ssize_t bo_fdpass_recv(int sock, void *data, size_t len, struct bo_fds *fds, pid_t *sender,
		       int flags, struct bo_err *err)
{
	struct iovec iov = { .iov_base = data, .iov_len = len };
	union control control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	struct bo_fds got = { 0 };
	ssize_t n;

	do {
		n = recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == ECONNRESET)
		n = 0; /* closed with unread messages: just as gone */
	if (n < 0)
		return bo_err_errno(err, BO_SUBSYS_SYS, "receiving a message");
	take_control(&msg, &got, sender);
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		bo_fds_close(&got);
		return bo_err_set(err, EMSGSIZE, BO_SUBSYS_SYS, "a message was cut");
	}
	if (fds)
		*fds = got;
	else
		bo_fds_close(&got);
	return n;
}
