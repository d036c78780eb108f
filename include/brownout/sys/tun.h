/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/sys/tun.h — TUN devices, the ends of a userspace wire.
 * Owns: the descriptor; the device lives as long as its last descriptor (Documentation/networking/tuntap.rst).
 * Threads: none.  Privilege: CAP_NET_ADMIN in the user namespace that owns the current network namespace, and
 * write access to /dev/net/tun. */
#pragma once
#include <stdbool.h>

#include "brownout/base/err.h"

/**
 * bo_tun_open() - create a layer-3 TUN device in the *current* network namespace
 * IFF_TUN | IFF_NO_PI | IFF_VNET_HDR with checksum and TSO offloads on, non-blocking, CLOEXEC: every read and write
 * carries a struct virtio_net_hdr first.
 * @name: interface name, < IFNAMSIZ
 */
BO_NODISCARD int bo_tun_open(const char *name, int *ret_fd, struct bo_err *err);
/** bo_tun_supported() - can this process create one here?  -ENOTSUP with the reason */
BO_NODISCARD int bo_tun_supported(struct bo_err *err);
