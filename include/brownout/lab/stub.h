/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/lab/stub.h — the built-in dependency: a TCP or HTTP/1.1 responder that can be slow or wrong.
 * Owns: its sockets.  Threads: one (the caller's).  Privilege: none. */
#pragma once
#include "brownout/base/err.h"
#include "brownout/model/plan.h"

struct bo_stub;

/** bo_stub_new() - listen on @spec->port, IPv4 and IPv6; @spec: [borrowed: as long as the stub] */
BO_NODISCARD int bo_stub_new(struct bo_stub **ret, const struct bo_stub_spec *spec,
			     struct bo_err *err);
/** bo_stub_run() - answer until @stop_fd (or -1) becomes readable */
BO_NODISCARD int bo_stub_run(struct bo_stub *stub, int stop_fd, struct bo_err *err);
/** bo_stub_port() - the port it listens on (of use when the port asked for was 0) */
int bo_stub_port(const struct bo_stub *stub);
void bo_stub_free(struct bo_stub *stub);
