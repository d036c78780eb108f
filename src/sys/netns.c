/* SPDX-License-Identifier: Apache-2.0 */
/* sys/netns.c — create and enter namespaces; the per-namespace sysctls of a lab node.
 * Owns: nothing.  Threads: single-threaded callers.  Privilege: see the header. */
#include "brownout/sys/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"

static int write_file(const char *path, const char *text)
{
	bo_auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return -errno;
	return 0;
}

int bo_userns_enter(struct bo_err *err)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char map[64];

	if (unshare(CLONE_NEWUSER) < 0)
		return bo_err_set(
			err, ENOTSUP, BO_SUBSYS_SYS,
			"neither root nor user namespaces are to be had (%s): run as root, or allow them "
			"(sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces, "
			"kernel.apparmor_restrict_unprivileged_userns=0)",
			strerror(errno));
	/* The kernel wants setgroups denied before an unprivileged gid map (CVE-2014-8989);
	 * ENOENT is a kernel older than that rule. */
	if (write_file("/proc/self/setgroups", "deny") < 0 && errno != ENOENT)
		return bo_err_set(
			err, ENOTSUP, BO_SUBSYS_SYS,
			"a user namespace was made but cannot be used (writing setgroups: %s): run as root",
			strerror(errno));
	snprintf(map, sizeof(map), "0 %u 1", uid);
	if (write_file("/proc/self/uid_map", map) == 0) {
		snprintf(map, sizeof(map), "0 %u 1", gid);
		if (write_file("/proc/self/gid_map", map) == 0)
			return 0;
	}
	return bo_err_set(
		err, ENOTSUP, BO_SUBSYS_SYS,
		"a user namespace was made but cannot be used (mapping uid %u: %s): run as root",
		uid, strerror(errno));
}

int bo_netns_current(int *ret_fd, struct bo_err *err)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return bo_err_errno(err, BO_SUBSYS_SYS, "opening /proc/thread-self/ns/net");
	*ret_fd = fd;
	return 0;
}

int bo_netns_new(int *ret_fd, struct bo_err *err)
{
	if (unshare(CLONE_NEWNET) < 0)
		return bo_err_errno(err, BO_SUBSYS_SYS, "creating a network namespace");
	return bo_netns_current(ret_fd, err);
}

int bo_netns_enter(int fd, struct bo_err *err)
{
	if (setns(fd, CLONE_NEWNET) < 0)
		return bo_err_errno(err, BO_SUBSYS_SYS, "entering a network namespace");
	return 0;
}

static int write_sysctl(const char *name, const char *value)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	return write_file(path, value);
}

void bo_netns_defaults(void)
{
	/* "default" is what later devices start from.  addr_gen_mode 1 is "none": without link-local addresses there is
	 * no neighbour or router discovery that could be lost, delayed or waited for. */
	static const struct {
		const char *name, *value;
	} set[] = {
		{ "ipv6/conf/default/disable_ipv6", "0" },
		{ "ipv6/conf/lo/disable_ipv6", "0" },
		{ "ipv6/conf/default/accept_dad", "0" },
		{ "ipv6/conf/default/accept_ra", "0" },
		{ "ipv6/conf/default/addr_gen_mode", "1" },
		{ "ipv4/conf/all/rp_filter", "0" },
		{ "ipv4/conf/default/rp_filter", "0" },
		{ "ipv4/ip_unprivileged_port_start", "0" },
		{ "ipv4/ping_group_range", "0 2147483647" },
	};

	for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++)
		(void)write_sysctl(set[i].name, set[i].value);
}

void bo_netns_all_ports(void)
{
	/* The ends differ in parity, as the kernel wants: connect() takes every second port first. */
	(void)write_sysctl("ipv4/ip_local_port_range", "1024 65535");
}
