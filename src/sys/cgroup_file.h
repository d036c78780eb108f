/* SPDX-License-Identifier: Apache-2.0 */
/* sys/cgroup_file.h — one file of a group: opened, read, written.
 * Files are opened anew each time: cgroupfs opens take microseconds, and no descriptor pins a directory.
 * Owns: nothing.  Threads: any.  Privilege: that of the file. */
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/sys/cgroup.h"

/* A group's directory and the name of one of the kernel's files, of which none is longer than 64. */
#define CGROUP_FILE_PATH (BO_CGROUP_PATH + 64)

/** cgroup_file_path() - @ret: of CGROUP_FILE_PATH bytes */
static inline const char *cgroup_file_path(const char *dir, const char *file, char *ret)
{
	snprintf(ret, CGROUP_FILE_PATH, "%s/%s", dir, file);
	return ret;
}

/** cgroup_file_open() - [owned] close-on-exec;  Return: a descriptor, or -1 with errno set */
static inline int cgroup_file_open(const char *dir, const char *file, int flags)
{
	char path[CGROUP_FILE_PATH];

	return open(cgroup_file_path(dir, file, path), flags | O_CLOEXEC);
}

/** cgroup_file_write() - Return: 0, -errno */
static inline int cgroup_file_write(const char *dir, const char *file, const char *text)
{
	bo_auto_fd int fd = cgroup_file_open(dir, file, O_WRONLY);

	return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/** cgroup_file_read() - up to @size - 1 bytes, ended by NUL;  Return: how many, -errno */
static inline ssize_t cgroup_file_read(const char *dir, const char *file, char *buf, size_t size)
{
	bo_auto_fd int fd = cgroup_file_open(dir, file, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return n;
}
