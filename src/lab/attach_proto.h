/* SPDX-License-Identifier: Apache-2.0 */
/* lab/attach_proto.h — what conductor and attachment say to each other: one message each, with a descriptor at most.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#pragma once
#include "attach-internal.h"

enum bo_attach_op { OP_IMPAIR, OP_SAMPLES, OP_SIGNAL, OP_STATE };

/** struct bo_attach_question - @impair's pointers mean nothing here; @table: when it has one */
struct bo_attach_question {
	uint32_t op;
	int32_t peer;
	int32_t dir;
	int32_t signal;
	int64_t from_ns, to_ns;
	struct bo_impair im;
	struct bo_dist_table table;
};

/** struct bo_attach_reply - @code: positive errno, 0 for success, when @msg says why it was @driver, or nothing
 * @nprobes, @ntrains: what is in the file that comes with it: struct bo_link_sample …, struct bo_link_train … */
struct bo_attach_reply {
	int32_t code;
	int32_t driver;
	char msg[sizeof(((struct bo_err *)0)->msg)];
	uint64_t nprobes, ntrains;
	struct bo_tcp_rtt rtt;
	struct bo_node_state state;
};
