/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/load/http1.h — incremental, strict parser of one HTTP/1.1 response (RFC 9112).
 * It only finds where the response ends and what its status is; nothing is stored but a few bytes
 * of the line being read, so memory never depends on what the server says.
 * Owns: nothing (plain record).  Threads: one per parser.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "brownout/base/err.h"

/** Status lines, fields and trailers of a response (interim ones included), in bytes; more is a
 * protocol error */
#define BO_HTTP1_HEAD_MAX (64 * 1024)
/** Fields of a response, trailers and interim responses included */
#define BO_HTTP1_FIELDS_MAX 256
/** One chunk-size line with its extensions, in bytes */
#define BO_HTTP1_CHUNK_LINE_MAX 1024

/**
 * struct bo_http1 - one response being read; start with bo_http1_init()
 * @status: of the final response, or of the interim one being read; valid once @head_done
 * @head_done: the final response's head is complete
 * @done: the response is complete
 * @keepalive: [valid once @done] may the connection carry another request?
 * @upgraded: 101 was seen: what follows is not HTTP
 * @body_bytes: content so far, without chunk framing
 * @error: static text once bo_http1_feed() failed
 * The rest is the parser's own.
 */
struct bo_http1 {
	uint16_t status;
	bool head_done;
	bool done;
	bool keepalive;
	bool upgraded;
	uint64_t body_bytes;
	const char *error;

	uint8_t state;
	uint8_t pos;       /* place in a fixed word, or digits seen */
	uint8_t minor;     /* HTTP/1.<minor> */
	uint8_t field;     /* which known field the current line is */
	uint8_t name_len;  /* bytes of @word that hold the field's name */
	uint8_t value_len; /* bytes of @word that hold a known field's value */
	bool head_request;
	bool chunked;
	bool have_length;
	bool saw_close;
	bool saw_keepalive;
	bool in_trailers;
	uint16_t fields;
	uint32_t head_bytes;
	uint32_t line_bytes;
	uint64_t left; /* of the body or chunk */
	char word[64];
};

/** bo_http1_init() - expect a response; @head_request: the request was HEAD, so there is no body */
void bo_http1_init(struct bo_http1 *p, bool head_request);

/**
 * bo_http1_feed() - take the next bytes of the connection
 * Return: how many were used (fewer than @len only at the end of the response: then @p->done, and
 * what is left does not belong to it), or -EPROTO with p->error
 */
BO_NODISCARD ssize_t bo_http1_feed(struct bo_http1 *p, const char *buf, size_t len);

/**
 * bo_http1_eof() - the connection ended
 * Return: 0 when that completes the response (@p->done), -ECONNRESET when the response is cut short
 */
BO_NODISCARD int bo_http1_eof(struct bo_http1 *p);
