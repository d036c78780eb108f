/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/sys/tun.h — TUN devices, the ends of a userspace wire.
 * Owns: the descriptor; the device lives as long as its last descriptor (Documentation/networking/tuntap.rst).
 * Threads: none.  Privilege: CAP_NET_ADMIN in the user namespace that owns the current network namespace, and
 * write access to /dev/net/tun. */
#pragma once
#include <stdbool.h>

#include "brownout/base/err.h"

/** Packets that the kernel queues toward the descriptor.  It drops silently what does not fit between two reads, and
 * its default of 500 is gone in 6 ms at 1 Gbit/s: less than a busy machine may keep a thread waiting. */
#define BO_TUN_QUEUE_PACKETS 10000

/**
 * bo_tun_open() - create a layer-3 TUN device in the *current* network namespace
 * IFF_TUN | IFF_NO_PI | IFF_VNET_HDR with checksum and TSO offloads on, non-blocking, CLOEXEC: every read and write
 * carries a struct virtio_net_hdr first.
 * Its queue is BO_TUN_QUEUE_PACKETS long; in a user namespace the kernel lets only rtnetlink set that: the caller
 * gives it to bo_rtnl_link_up().
 * @name: interface name, < IFNAMSIZ
 */
BO_NODISCARD int bo_tun_open(const char *name, int *ret_fd, struct bo_err *err);
/** bo_tun_offload_udp() - have super-packets of UDP go in and out whole as well (Linux 6.2);  false when the kernel
 * cannot, or @fd is no TUN device.  bo_tun_open() has done it already where it can be done */
bool bo_tun_offload_udp(int fd);
/** bo_tun_supported() - can this process create one here?  -ENOTSUP with the reason */
BO_NODISCARD int bo_tun_supported(struct bo_err *err);
