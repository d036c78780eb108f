/* SPDX-License-Identifier: Apache-2.0 */
/* sys/unixsock.c — a unix socket below another root directory.
 * connect(2) takes a path, and follows every symbolic link in it from the caller's own root: a service could point one
 * at a socket of the host and have us speak to that.  So the path is walked here, inside the root, to a descriptor of
 * the socket itself, and connected to by that descriptor's name in /proc/self/fd: whatever the path becomes meanwhile,
 * the socket is the one that was checked.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include "brownout/sys/unixsock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"

#define RENAMES_MAX 16

/* Component by component, none of which may be a link. */
static int walk(int root_fd, const char *path)
{
	bo_auto_fd int at = openat(root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	while (at >= 0 && path[strspn(path, "/")]) {
		size_t len = strcspn(path += strspn(path, "/"), "/");
		bool last = !path[len + strspn(path + len, "/")];
		char name[256];
		int next;

		if (len >= sizeof(name))
			return -ENAMETOOLONG;
		memcpy(name, path, len);
		name[len] = '\0';
		path += len;
		if (strcmp(name, "..") == 0)
			return -ELOOP; /* only openat2(2) knows where the root is */
		next = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC | (last ? 0 : O_DIRECTORY));
		if (next < 0)
			return -errno;
		bo_close(&at);
		at = next;
	}
	return at < 0 ? -errno : bo_steal_fd(&at);
}

static int open_inside(int root_fd, const char *path)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	long fd = -1;

	/* EAGAIN: something was renamed on the way (openat2(2)); who does so all the time is not waited for. */
	for (int i = 0; i < RENAMES_MAX; i++) {
		fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		return walk(root_fd, path);
	if (fd < 0)
		return errno == EAGAIN ? -ELOOP : -errno;
	return (int)fd;
}

int bo_unixsock_open(int root_fd, const char *path)
{
	bo_auto_fd int fd = open_inside(root_fd, path);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st))
		return -errno;
	if (S_ISLNK(st.st_mode))
		return -ELOOP;
	return S_ISSOCK(st.st_mode) ? bo_steal_fd(&fd) : -ENOTSOCK;
}

const char *bo_unixsock_name(int fd, char buf[BO_UNIXSOCK_NAME])
{
	snprintf(buf, BO_UNIXSOCK_NAME, "/proc/self/fd/%d", fd);
	return buf;
}

int bo_unixsock_connect(int fd, int root_fd, const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	bo_auto_fd int target = bo_unixsock_open(root_fd, path);
	char name[BO_UNIXSOCK_NAME];

	if (target < 0)
		return target;
	snprintf(to.sun_path, sizeof(to.sun_path), "%s", bo_unixsock_name(target, name));
	return connect(fd, (const struct sockaddr *)&to, sizeof(to)) ? -errno : 0;
}
