/* SPDX-License-Identifier: Apache-2.0 */
/* closed.h — the clients of a closed loop: each asks, waits for the answer, thinks, and asks again.
 * Owns: the clients.  Threads: the load's.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brownout/base/err.h"
#include "deadline.h"

struct bo_closed_client {
	struct bo_deadline think;
	struct bo_closed_client *next; /* while it waits for an answer, or for load to be on */
};

/** struct bo_closed - zero-initialise; without clients it does nothing */
struct bo_closed {
	struct bo_closed_client *clients; /* [owned] */
	size_t len;
	int64_t think_ns;
	size_t asking; /* clients that wait for an answer */
	struct bo_closed_client *resting;
	struct bo_deadlines thinking;
	int64_t until_ns; /* nobody asks from here on; INT64_MIN while load is off */
};

BO_NODISCARD int bo_closed_init(struct bo_closed *c, size_t clients, int64_t think_ns);
void bo_closed_done(struct bo_closed *c);
/** bo_closed_on() - load is on in [@from_ns, @until_ns): whoever rests asks then;
 * bo_closed_off() - it ended */
void bo_closed_on(struct bo_closed *c, int64_t from_ns, int64_t until_ns);
void bo_closed_off(struct bo_closed *c);
/** bo_closed_next() - when the next request is due, INT64_MAX if none is before an answer */
int64_t bo_closed_next(const struct bo_closed *c);
/** bo_closed_ask() - take up the request that is due;  bo_closed_answered() - one ended, however */
void bo_closed_ask(struct bo_closed *c);
void bo_closed_answered(struct bo_closed *c, int64_t now_ns);
