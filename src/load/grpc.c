/* SPDX-License-Identifier: Apache-2.0 */
/* grpc.c — the answer to a unary gRPC call.
 * Owns: nothing.  Threads: one per answer.  Privilege: none. */
#include "brownout/load/grpc.h"

#include <errno.h>
#include <string.h>

static int bad(struct bo_grpc *g, const char *why)
{
	if (!g->error)
		g->error = why;
	return -EPROTO;
}

void bo_grpc_prefix(uint8_t ret[BO_GRPC_PREFIX], uint32_t len)
{
	ret[0] = 0; /* not compressed */
	for (int i = 0; i < 4; i++)
		ret[i + 1] = (uint8_t)(len >> (24 - 8 * i));
}

static bool is(const char *a, size_t len, const char *b)
{
	return len == strlen(b) && !memcmp(a, b, len);
}

static int take_code(struct bo_grpc *g, const char *value, size_t len)
{
	unsigned int code = 0;

	if (!len || len > 3)
		return bad(g, "grpc-status is not a code");
	for (size_t i = 0; i < len; i++) {
		if (value[i] < '0' || value[i] > '9')
			return bad(g, "grpc-status is not a code");
		code = code * 10 + (unsigned int)(value[i] - '0');
	}
	g->code = (uint16_t)code;
	g->have_code = true;
	return 0;
}

static int hex(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	ch = (char)(ch | 0x20);
	return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* Percent-encoded UTF-8; what is no text does not go into a report. */
static void take_message(struct bo_grpc *g, const char *value, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n + 1 < sizeof(g->message); i++) {
		unsigned char ch = (unsigned char)value[i];

		if (ch == '%' && i + 2 < len && hex(value[i + 1]) >= 0 && hex(value[i + 2]) >= 0) {
			ch = (unsigned char)(hex(value[i + 1]) << 4 | hex(value[i + 2]));
			i += 2;
		}
		g->message[n++] = ch < ' ' || ch == 0x7f ? ' ' : (char)ch;
	}
	g->message[n] = '\0';
}

int bo_grpc_header(struct bo_grpc *g, const char *name, size_t name_len, const char *value,
		   size_t value_len)
{
	static const char type[] = "application/grpc";

	if (is(name, name_len, "grpc-status"))
		return take_code(g, value, value_len);
	if (is(name, name_len, "grpc-message"))
		take_message(g, value, value_len);
	else if (is(name, name_len, "content-type"))
		g->have_type = value_len >= sizeof(type) - 1 &&
			       !memcmp(value, type, sizeof(type) - 1);
	return 0;
}

int bo_grpc_data(struct bo_grpc *g, const char *buf, size_t len)
{
	while (len) {
		size_t n = len < g->left ? len : g->left;

		if (n) {
			g->left -= (uint32_t)n;
			buf += n;
			len -= n;
			continue;
		}
		g->prefix[g->prefix_len++] = (uint8_t)*buf++;
		len--;
		if (g->prefix_len < BO_GRPC_PREFIX)
			continue;
		/* No grpc-encoding was offered, so nothing may be compressed. */
		if (g->prefix[0] != 0)
			return bad(g, "a compressed gRPC message that nobody asked for");
		g->left = (uint32_t)g->prefix[1] << 24 | (uint32_t)g->prefix[2] << 16 |
			  (uint32_t)g->prefix[3] << 8 | g->prefix[4];
		g->prefix_len = 0;
		g->messages++;
	}
	return 0;
}

int bo_grpc_end(struct bo_grpc *g)
{
	if (g->error)
		return -EPROTO;
	if (!g->have_type)
		return bad(g, "the content type is not application/grpc");
	if (!g->have_code)
		return bad(g, "no grpc-status");
	if (g->code)
		return 0; /* how far it got before it failed does not matter */
	if (g->left || g->prefix_len)
		return bad(g, "a gRPC message is cut short");
	if (g->messages != 1)
		return bad(g, "a unary call is answered with exactly one message");
	return 0;
}

const char *bo_grpc_code_name(unsigned int code)
{
	static const char *const names[] = {
		"OK",
		"CANCELLED",
		"UNKNOWN",
		"INVALID_ARGUMENT",
		"DEADLINE_EXCEEDED",
		"NOT_FOUND",
		"ALREADY_EXISTS",
		"PERMISSION_DENIED",
		"RESOURCE_EXHAUSTED",
		"FAILED_PRECONDITION",
		"ABORTED",
		"OUT_OF_RANGE",
		"UNIMPLEMENTED",
		"INTERNAL",
		"UNAVAILABLE",
		"DATA_LOSS",
		"UNAUTHENTICATED",
	};

	return code < sizeof(names) / sizeof(names[0]) ? names[code] : "unknown code";
}
