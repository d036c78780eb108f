/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/sys/sockdiag.h — what TCP itself knows of its connections (sock_diag(7), linux/inet_diag.h).
 * Owns: nothing.  Threads: any.  Privilege: none. */
#pragma once
#include <stdint.h>

#include "brownout/base/err.h"
#include "brownout/model/attach.h"

/** struct bo_tcp_rtt - smoothed round trips (tcpi_rtt, RFC 6298) of @connections; @p50_ns: 0 when there is none */
struct bo_tcp_rtt {
	uint32_t connections;
	int64_t p50_ns;
};
/** bo_tcp_rtt() - of established connections of the *current* network namespace to @peer (4096 of them at most) */
BO_NODISCARD int bo_tcp_rtt(const struct bo_attach_peer *peer, struct bo_tcp_rtt *ret,
			    struct bo_err *err);
