/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/wire_super.h — super-packets as a kernel gives them to a TUN device.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_TCP_OPTIONS 12
#define WIRE_SUPER_MSS 1000

/** wire_super_tcp() - one header, checksums left out; IPv4 has 4 bytes of options, and identification
 * and sequence number soon wrap;  Return: bytes with the virtio header */
size_t wire_super_tcp(uint8_t *frame, bool v6, size_t payload, uint8_t flags);
size_t wire_super_udp(uint8_t *frame, bool v6, size_t payload);
