/* SPDX-License-Identifier: Apache-2.0 */
/* sys/divert_match.h — a flow as a program of classic BPF (linux/filter.h), wherever its IP header begins.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#pragma once
#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

#include "brownout/model/attach.h"

#define BO_DIVERT_OPS_MAX 32

/** bo_divert_match() - all ones for a packet from (@inbound) or to @peer, else 0;  Return: how many of @ret were written */
uint16_t bo_divert_match(const struct bo_attach_peer *peer, bool inbound,
			 struct sock_filter ret[BO_DIVERT_OPS_MAX]);
