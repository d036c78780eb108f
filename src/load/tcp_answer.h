/* SPDX-License-Identifier: Apache-2.0 */
/* tcp_answer.h — where the answer to a raw request ends.
 * Nothing of the answer is stored but how far it matches.
 * Owns: nothing (plain record).  Threads: one per answer.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "brownout/model/plan.h"

/** struct bo_tcp_answer - zero-initialise */
struct bo_tcp_answer {
	uint64_t seen;    /* bytes of the answer so far */
	uint32_t matched; /* bytes of @until that the last ones agree with */
	bool done;
};

/**
 * bo_tcp_feed() - take the next bytes
 * Return: how many were used (fewer than @len only when the answer is done), or -EPROTO when it does
 * not begin as it must
 */
ssize_t bo_tcp_feed(struct bo_tcp_answer *a, const struct bo_tcp_spec *spec, const char *buf,
		    size_t len);
