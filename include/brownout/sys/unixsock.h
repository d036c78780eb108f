/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/sys/unixsock.h — connect to a unix socket below somebody else's root directory (unix(7)).
 * Whoever owns that directory is not trusted: a path never leaves it, and what is connected to is what was looked at.
 * Owns: nothing.  Threads: any.  Privilege: none; whether the path may be walked is decided by the caller's own rights. */
#pragma once
#include <stddef.h>

#include "brownout/base/err.h"

/** enough for "/proc/self/fd/N" */
#define BO_UNIXSOCK_NAME 32

/**
 * bo_unixsock_open() - find the socket @path as a process would whose root is @root_fd
 * @root_fd: O_PATH is enough;  @path: absolute.  Symbolic links are followed inside the root, "magic" ones of procfs
 *           never; without openat2(2) (Linux 5.6, or a seccomp profile) none are
 * Opening has no effect on what is found: a FIFO or a device is not touched (O_PATH, open(2)).
 * Return: an O_PATH descriptor of a socket; -ENOENT, -ENOTDIR, -ELOOP, -EACCES; -ENOTSOCK: something else is there
 */
BO_NODISCARD int bo_unixsock_open(int root_fd, const char *path);
/** bo_unixsock_name() - a path for the socket behind @fd, good while it is open; for those who take only paths */
const char *bo_unixsock_name(int fd, char buf[BO_UNIXSOCK_NAME]);
/**
 * bo_unixsock_connect() - connect @fd (SOCK_STREAM) to @path below @root_fd
 * Return: 0 or -errno: as bo_unixsock_open(); -ECONNREFUSED: nobody listens; -EAGAIN: non-blocking, and its listen queue
 * is full
 */
BO_NODISCARD int bo_unixsock_connect(int fd, int root_fd, const char *path);
