/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/wire_netns.c — see the header. */
#include "wire_netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/sys/tun.h"
#include "brownout/sys/tun_stamp.h"

static bool write_file(const char *path, const char *text)
{
	bo_auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

void wire_netns_enter(void)
{
	struct bo_err err = { 0 };
	char map[64];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (unshare(CLONE_NEWNET) < 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
			printf("SKIP: no network namespaces here: %s\n", strerror(errno));
			exit(77);
		}
		snprintf(map, sizeof(map), "0 %u 1", (unsigned int)uid);
		if (!write_file("/proc/self/uid_map", map) ||
		    !write_file("/proc/self/setgroups", "deny")) {
			printf("SKIP: cannot become root of a user namespace: %s\n",
			       strerror(errno));
			exit(77);
		}
		snprintf(map, sizeof(map), "0 %u 1", (unsigned int)gid);
		(void)write_file("/proc/self/gid_map", map);
	}
	if (bo_tun_supported(&err) < 0) {
		printf("SKIP: no TUN devices here: %s\n", err.msg);
		exit(77);
	}
}

bool wire_netns_configure(int end, const char *device)
{
	bo_auto_fd int s4 = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bo_auto_fd int s6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage addr;
	struct in6_ifreq ifr6 = { .ifr6_prefixlen = 64 };
	struct ifreq ifr = { 0 };
	char accept_ra[64];

	/* Nothing is asked of routers: the tests count packets. */
	snprintf(accept_ra, sizeof(accept_ra), "/proc/sys/net/ipv6/conf/%s/accept_ra", device);
	(void)write_file(accept_ra, "0");
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", "lo");
	ifr.ifr_flags = IFF_UP;
	if (ioctl(s4, SIOCSIFFLAGS, &ifr) < 0)
		return false;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", device);
	wire_netns_address(end, AF_INET, 0, &addr);
	memcpy(&ifr.ifr_addr, &addr, sizeof(struct sockaddr_in));
	if (ioctl(s4, SIOCSIFADDR, &ifr) < 0)
		return false;
	((struct sockaddr_in *)&ifr.ifr_addr)->sin_addr.s_addr = htonl(0xffffff00);
	if (ioctl(s4, SIOCSIFNETMASK, &ifr) < 0)
		return false;
	/* Its IFF_NOARP stays: addresses need no proof that they are unique, and no neighbour is asked. */
	if (ioctl(s4, SIOCGIFFLAGS, &ifr) < 0)
		return false;
	ifr.ifr_flags |= IFF_UP;
	if (ioctl(s4, SIOCSIFFLAGS, &ifr) < 0)
		return false;
	wire_netns_address(end, AF_INET6, 0, &addr);
	ifr6.ifr6_addr = ((struct sockaddr_in6 *)&addr)->sin6_addr;
	ifr6.ifr6_ifindex = (int)if_nametoindex(device);
	return ioctl(s6, SIOCSIFADDR, &ifr6) == 0;
}

bool wire_netns_switch(const struct wire_netns *w, int end)
{
	return setns(end < 0 ? w->home : w->ns[end], CLONE_NEWNET) == 0;
}

/** wait_usable() - a worker of the kernel turns a tentative IPv6 address into a usable one a moment
 * later */
static bool wait_usable(int end)
{
	bo_auto_fd int s6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage addr;
	socklen_t len = wire_netns_address(end, AF_INET6, 0, &addr);

	for (int i = 0; i < 5000; i++) {
		if (bind(s6, (const struct sockaddr *)&addr, len) == 0)
			return true;
		usleep(1000);
	}
	return false;
}

static bool end_up(struct wire_netns *w, int end, bool with_tun)
{
	struct bo_err err = { 0 };

	if (unshare(CLONE_NEWNET) < 0)
		return false;
	w->ns[end] = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (w->ns[end] < 0 || !with_tun)
		return w->ns[end] >= 0;
	if (bo_tun_open("w0", &w->tun[end], &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return false;
	}
	if (bo_tun_stamp_open(w->tun[end], &w->stamps[end], &err) < 0)
		w->stamps[end] = -1; /* then without */
	return wire_netns_configure(end, "w0") && wait_usable(end);
}

bool wire_netns_up(struct wire_netns *w, bool with_tun)
{
	bool ok;

	*w = (struct wire_netns){ .ns = { -1, -1 }, .tun = { -1, -1 }, .stamps = { -1, -1 } };
	w->home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	ok = w->home >= 0 && end_up(w, 0, with_tun) && end_up(w, 1, with_tun);
	if (!ok)
		perror("wire_netns_up");
	return wire_netns_switch(w, -1) && ok;
}

void wire_netns_down(struct wire_netns *w)
{
	for (int end = 0; end < 2; end++) {
		bo_close(&w->tun[end]);
		bo_close(&w->stamps[end]);
		bo_close(&w->ns[end]);
	}
	bo_close(&w->home);
}

int wire_netns_socket(const struct wire_netns *w, int end, int family, int type, int protocol)
{
	int fd;

	if (!wire_netns_switch(w, end))
		return -1;
	fd = socket(family, type | SOCK_CLOEXEC, protocol);
	return wire_netns_switch(w, -1) ? fd : -1;
}

socklen_t wire_netns_address(int end, int family, int port, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *in4 = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof(*ret));
	ret->ss_family = (sa_family_t)family;
	if (family == AF_INET6) {
		in6->sin6_port = htons((uint16_t)port);
		inet_pton(AF_INET6, end ? WIRE_NETNS_ADDR6_B : WIRE_NETNS_ADDR6_A, &in6->sin6_addr);
		return sizeof(*in6);
	}
	in4->sin_port = htons((uint16_t)port);
	inet_pton(AF_INET, end ? WIRE_NETNS_ADDR4_B : WIRE_NETNS_ADDR4_A, &in4->sin_addr);
	return sizeof(*in4);
}
