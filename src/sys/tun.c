/* SPDX-License-Identifier: Apache-2.0 */
/* sys/tun.c — create the TUN devices that are the ends of a userspace wire.
 * Owns: nothing after return.  Threads: any.  Privilege: CAP_NET_ADMIN over the current network
 * namespace. */
#include "brownout/sys/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"

#define TUN_PATH "/dev/net/tun"
#define TUN_FLAGS (IFF_TUN | IFF_NO_PI | IFF_VNET_HDR)
#define TUN_OFFLOADS (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN)
/* UDP segmentation offload, of Linux 6.2; older headers lack it. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

static int tun_open_file(int *ret_fd, struct bo_err *err)
{
	int fd = open(TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
		return bo_err_set(
			err, ENOTSUP, BO_SUBSYS_SYS,
			"no %s: the kernel lacks TUN support, or 'modprobe tun' is needed",
			TUN_PATH);
	if (fd < 0)
		return bo_err_errno(err, BO_SUBSYS_SYS, "cannot open %s", TUN_PATH);
	*ret_fd = fd;
	return 0;
}

/** tun_attach() - make @fd the one queue of a new device; @name may hold "%d" and is replaced by
 * the kernel's choice */
static int tun_attach(int fd, char name[IFNAMSIZ], struct bo_err *err)
{
	struct ifreq ifr = { .ifr_flags = TUN_FLAGS };
	unsigned int features;

	if (ioctl(fd, TUNGETFEATURES, &features) < 0)
		return bo_err_errno(err, BO_SUBSYS_SYS, "%s: cannot read its features", TUN_PATH);
	if ((features & TUN_FLAGS) != TUN_FLAGS)
		return bo_err_set(err, ENOTSUP, BO_SUBSYS_SYS,
				  "%s lacks IFF_VNET_HDR (features %#x)", TUN_PATH, features);
	/* A persistent device of that name may exist already; then we would share somebody else's.
	 */
	ifr.ifr_flags = (short)(TUN_FLAGS | IFF_TUN_EXCL);
	memcpy(ifr.ifr_name, name, IFNAMSIZ);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return bo_err_errno(err, BO_SUBSYS_SYS, "cannot create TUN device '%s'", name);
	memcpy(name, ifr.ifr_name, IFNAMSIZ);
	return 0;
}

bool bo_tun_offload_udp(int fd)
{
	return ioctl(fd, TUNSETOFFLOAD, TUN_OFFLOADS | TUN_F_USO4 | TUN_F_USO6) == 0;
}

/** tun_tune() - virtio header, offloads and queue length */
static int tun_tune(int fd, const char *name, struct bo_err *err)
{
	int hdr_len = (int)sizeof(struct virtio_net_hdr);
	struct ifreq ifr = { .ifr_qlen = BO_TUN_QUEUE_PACKETS };
	bo_auto_fd int sock = -1;

	if (ioctl(fd, TUNSETVNETHDRSZ, &hdr_len) < 0)
		return bo_err_errno(err, BO_SUBSYS_SYS, "%s: cannot set the virtio header size",
				    name);
	if (!bo_tun_offload_udp(fd) && ioctl(fd, TUNSETOFFLOAD, TUN_OFFLOADS) < 0)
		return bo_err_errno(err, BO_SUBSYS_SYS, "%s: cannot switch offloads on", name);
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return bo_err_errno(err, BO_SUBSYS_SYS,
				    "%s: no socket to set the queue length with", name);
	memcpy(ifr.ifr_name, name, IFNAMSIZ);
	/* The ioctl asks for the initial user namespace's CAP_NET_ADMIN; elsewhere rtnetlink sets it (IFLA_TXQLEN). */
	if (ioctl(sock, SIOCSIFTXQLEN, &ifr) < 0 && errno != EPERM)
		return bo_err_errno(err, BO_SUBSYS_SYS, "%s: cannot set the queue length", name);
	return 0;
}

int bo_tun_open(const char *name, int *ret_fd, struct bo_err *err)
{
	bo_auto_fd int fd = -1;
	char device[IFNAMSIZ] = "";
	int r;

	if (!name[0] || strlen(name) >= sizeof(device))
		return bo_err_set(err, EINVAL, BO_SUBSYS_SYS,
				  "interface name '%s': expected 1 to %d characters", name,
				  IFNAMSIZ - 1);
	memcpy(device, name, strlen(name) + 1);
	r = tun_open_file(&fd, err);
	if (r == 0)
		r = tun_attach(fd, device, err);
	if (r == 0)
		r = tun_tune(fd, device, err);
	if (r < 0)
		return r;
	*ret_fd = bo_steal_fd(&fd);
	return 0;
}

int bo_tun_supported(struct bo_err *err)
{
	bo_auto_fd int fd = -1;
	char device[IFNAMSIZ] = "bo-probe%d";
	struct bo_err why = { 0 };
	int r;

	/* Only doing it tells: device node, module, capability and LSM each have a say.  The device
	 * is gone when the descriptor is closed. */
	r = tun_open_file(&fd, &why);
	if (r == 0)
		r = tun_attach(fd, device, &why);
	if (r == 0)
		r = tun_tune(fd, device, &why);
	if (r == 0)
		return 0;
	return bo_err_set(err, ENOTSUP, BO_SUBSYS_SYS, "%s", why.msg);
}
