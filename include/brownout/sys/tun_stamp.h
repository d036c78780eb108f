/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/sys/tun_stamp.h — when did each packet come to a TUN device?
 * A program that the kernel runs on every packet on its way into the device's queue (TUNSETFILTEREBPF, Linux 4.16)
 * writes the time, and what tells the packet from others, into memory that is shared with whoever reads the queue.
 * The packet itself goes on unchanged.  Linux 5.12 or later: older ones cannot count atomically.
 * Owns: descriptors and mappings as said.  Threads: none.  Privilege: bo_tun_stamp_open(): CAP_BPF or CAP_SYS_ADMIN in
 * the initial user namespace (bpf(2)); none for the rest. */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

#include "brownout/base/err.h"

/** Stamps are kept for so many packets; a power of two.  A reader that is further behind finds others in their place. */
#define BO_TUN_STAMPS 1024
#define BO_TUN_STAMP_ID_LEN 24
/** What a packet is told from others by begins here: with IPv4 its identification, checksum and addresses and the first
 * eight bytes of TCP or UDP; a packet of IPv6 of at least BO_TUN_STAMP_ID6_MIN bytes has little that differs before
 * its last address bytes */
#define BO_TUN_STAMP_ID4_AT 4
#define BO_TUN_STAMP_ID6_AT 36
#define BO_TUN_STAMP_ID6_MIN (BO_TUN_STAMP_ID6_AT + BO_TUN_STAMP_ID_LEN)

/**
 * struct bo_tun_stamp - of one packet, written by the kernel
 * @number: which packet of the device this was, from 1; written last, 0: none yet
 * @ns: CLOCK_MONOTONIC when the sending kernel gave it to the device (bpf_ktime_get_ns())
 * @len: bytes of IP;  @id: BO_TUN_STAMP_ID_LEN bytes of it, zero when it is shorter than that
 */
struct bo_tun_stamp {
	_Atomic uint64_t number;
	uint64_t ns;
	uint32_t len;
	uint32_t pad;
	uint8_t id[BO_TUN_STAMP_ID_LEN];
	uint8_t pad2[16]; /* a cache line each */
};

/** struct bo_tun_stamps - the memory that is shared.  @count: packets so far, which may be ahead of the last @number */
struct bo_tun_stamps {
	_Atomic uint64_t count;
	uint8_t pad[56];
	struct bo_tun_stamp slot[BO_TUN_STAMPS];
};

/**
 * bo_tun_stamp_open() - stamp all packets that come to the device from now on
 * @tun: from bo_tun_open();  @ret_fd: [out, owned] for bo_tun_stamp_map(), in this process or another
 * Return: 0; -ENOTSUP with the reason when this kernel cannot, or this process may not: the device is as it was
 */
BO_NODISCARD int bo_tun_stamp_open(int tun, int *ret_fd, struct bo_err *err);
/** bo_tun_stamp_map() - @ret: [out, owned] free with bo_tun_stamp_unmap() */
BO_NODISCARD int bo_tun_stamp_map(int fd, const struct bo_tun_stamps **ret, struct bo_err *err);
/** bo_tun_stamp_unmap() - NULL is fine */
void bo_tun_stamp_unmap(const struct bo_tun_stamps *stamps);
