/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/load/grpc.h — the answer to a unary gRPC call: its status and whether its framing is right
 * (PROTOCOL-HTTP2.md of grpc/grpc).
 * Nothing of the messages is stored.
 * Owns: nothing (plain record).  Threads: one per answer.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brownout/base/err.h"

/** Bytes before a message: a flag and a length */
#define BO_GRPC_PREFIX 5

/**
 * struct bo_grpc - zero-initialise
 * @code: grpc-status, -1 until it was seen;  valid when @have_code
 * @message: grpc-message, decoded and cut
 * @error: static text once a function below failed
 */
struct bo_grpc {
	bool have_code;
	bool have_type;
	uint16_t code;
	uint8_t prefix_len;
	uint8_t prefix[BO_GRPC_PREFIX];
	uint32_t left;
	uint32_t messages;
	char message[96];
	const char *error;
};

/** bo_grpc_prefix() - what goes before a message of @len bytes */
void bo_grpc_prefix(uint8_t ret[BO_GRPC_PREFIX], uint32_t len);
/** bo_grpc_header() - a field of the head or the trailers; -EPROTO */
BO_NODISCARD int bo_grpc_header(struct bo_grpc *g, const char *name, size_t name_len,
				const char *value, size_t value_len);
/** bo_grpc_data() - bytes of the body; -EPROTO */
BO_NODISCARD int bo_grpc_data(struct bo_grpc *g, const char *buf, size_t len);
/** bo_grpc_end() - the stream ended; 0 when @g->code counts, -EPROTO when the answer is not whole */
BO_NODISCARD int bo_grpc_end(struct bo_grpc *g);
/** bo_grpc_code_name() - "UNAVAILABLE" …, "unknown code" */
const char *bo_grpc_code_name(unsigned int code);
