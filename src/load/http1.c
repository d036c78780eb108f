/* SPDX-License-Identifier: Apache-2.0 */
/* http1.c — incremental, strict parser of one HTTP/1.1 response.
 * Owns: nothing.  Threads: one per parser.  Privilege: none.
 *
 * Theory of operation.  A state machine over single bytes, with a bulk path for content.  The
 * service under test is what is being judged, so nothing is forgiven that RFC 9112 forbids a server
 * to send: bare LF, folded fields, blanks before the colon, two different lengths, a length beside
 * chunked.  What the RFC leaves to the recipient is decided for the strict side, except identical
 * repeated Content-Length lines, which §6.3 lets a client take as one. The only bytes kept are a
 * field's name and the value of the three fields that decide framing. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "brownout/load/http1.h"

enum state {
	S_PROTO, /* "HTTP/1." */
	S_MINOR,
	S_SP,
	S_STATUS,
	S_STATUS_END,
	S_REASON,
	S_STATUS_LF,
	S_FIELD_START,
	S_NAME,
	S_OWS,
	S_VALUE,
	S_FIELD_LF,
	S_HEAD_LF,
	S_LENGTH_BODY,
	S_EOF_BODY,
	S_CHUNK_SIZE,
	S_CHUNK_BWS,
	S_CHUNK_EXT,
	S_CHUNK_SIZE_LF,
	S_CHUNK_DATA,
	S_CHUNK_CR,
	S_CHUNK_LF,
	S_END,
	S_BAD,
};

enum field { F_OTHER, F_CONTENT_LENGTH, F_TRANSFER_ENCODING, F_CONNECTION };

/* RFC 9110 §5.6.2 */
static const bool is_tchar[256] = {
	['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true, ['!'] = true,
	['#'] = true,         ['$'] = true,         ['%'] = true,         ['&'] = true,
	['\''] = true,        ['*'] = true,         ['+'] = true,         ['-'] = true,
	['.'] = true,         ['^'] = true,         ['_'] = true,         ['`'] = true,
	['|'] = true,         ['~'] = true,
};

/* field-vchar, SP and HTAB; RFC 9110 §5.5 */
static const bool is_text[256] = { ['\t'] = true, [' ' ... '~'] = true, [0x80 ... 0xff] = true };

static bool bad(struct bo_http1 *p, const char *why)
{
	p->state = S_BAD;
	p->error = why;
	return false;
}

void bo_http1_init(struct bo_http1 *p, bool head_request)
{
	memset(p, 0, sizeof(*p));
	p->head_request = head_request;
}

static bool word_is(const char *word, size_t len, const char *lower)
{
	return len == strlen(lower) && !strncasecmp(word, lower, len);
}

static enum field field_of(const struct bo_http1 *p)
{
	if (word_is(p->word, p->name_len, "content-length"))
		return F_CONTENT_LENGTH;
	if (word_is(p->word, p->name_len, "transfer-encoding"))
		return F_TRANSFER_ENCODING;
	if (word_is(p->word, p->name_len, "connection"))
		return F_CONNECTION;
	return F_OTHER;
}

static bool take_length(struct bo_http1 *p)
{
	uint64_t value = 0;

	if (!p->value_len)
		return bad(p, "empty Content-Length");
	for (size_t i = 0; i < p->value_len; i++) {
		unsigned int digit = (unsigned int)(unsigned char)p->word[i] - '0';

		if (digit > 9)
			return bad(p, "Content-Length is not a number");
		if (value > ((uint64_t)INT64_MAX - digit) / 10)
			return bad(p, "Content-Length is too large");
		value = value * 10 + digit;
	}
	if (p->have_length && value != p->left)
		return bad(p, "two different Content-Length fields");
	p->have_length = true;
	p->left = value;
	return true;
}

static void take_connection(struct bo_http1 *p)
{
	const char *at = p->word, *end = p->word + p->value_len;

	while (at < end) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		const char *stop = comma ? comma : end;
		const char *from = at, *to = stop;

		while (from < to && (*from == ' ' || *from == '\t'))
			from++;
		while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
			to--;
		if (word_is(from, (size_t)(to - from), "close"))
			p->saw_close = true;
		else if (word_is(from, (size_t)(to - from), "keep-alive"))
			p->saw_keepalive = true;
		at = stop + 1;
	}
}

/* A known field's line ended; trailers cannot change the framing any more (RFC 9110 §6.5.1). */
static bool take_field(struct bo_http1 *p)
{
	if (p->in_trailers)
		return true;
	while (p->value_len &&
	       (p->word[p->value_len - 1] == ' ' || p->word[p->value_len - 1] == '\t'))
		p->value_len--;
	switch (p->field) {
	case F_CONTENT_LENGTH:
		return take_length(p);
	case F_TRANSFER_ENCODING:
		/* Only what we asked for: no TE field was sent, so chunked alone is allowed. */
		if (p->chunked || !word_is(p->word, p->value_len, "chunked"))
			return bad(p, "Transfer-Encoding is not exactly chunked");
		p->chunked = true;
		return true;
	case F_CONNECTION:
		take_connection(p);
		return true;
	default:
		return true;
	}
}

static bool finish(struct bo_http1 *p)
{
	p->done = true;
	p->state = S_END;
	return true;
}

/* The blank line came: what follows?  RFC 9112 §6.3, in its order. */
static bool end_of_head(struct bo_http1 *p)
{
	if (p->in_trailers)
		return finish(p);
	if (p->status < 200 && p->status != 101) {
		/* Interim: forget its fields and read the next head.  Limits go on counting, so an
		 * endless row of interim responses ends too. */
		p->state = S_PROTO;
		p->pos = 0;
		p->chunked = p->have_length = p->saw_close = p->saw_keepalive = false;
		p->left = 0;
		return true;
	}
	p->head_done = true;
	p->keepalive = !p->saw_close && (p->minor >= 1 || p->saw_keepalive);
	if (p->status == 101) {
		p->upgraded = true;
		p->keepalive = false;
		return finish(p);
	}
	if (p->chunked && p->have_length)
		return bad(p, "both Content-Length and Transfer-Encoding");
	if (p->chunked && p->minor == 0)
		return bad(p, "Transfer-Encoding in HTTP/1.0");
	if (p->head_request || p->status == 204 || p->status == 304)
		return finish(p);
	p->pos = 0;
	p->line_bytes = 0;
	if (p->chunked) {
		p->left = 0;
		p->state = S_CHUNK_SIZE;
	} else if (p->have_length) {
		if (!p->left)
			return finish(p);
		p->state = S_LENGTH_BODY;
	} else {
		p->keepalive = false;
		p->state = S_EOF_BODY;
	}
	return true;
}

static bool step_status(struct bo_http1 *p, unsigned char ch)
{
	static const char proto[] = "HTTP/1.";

	switch (p->state) {
	case S_PROTO:
		if (ch != (unsigned char)proto[p->pos])
			return bad(p, "not an HTTP/1 status line");
		if (++p->pos == sizeof(proto) - 1)
			p->state = S_MINOR;
		return true;
	case S_MINOR:
		if (ch != '0' && ch != '1')
			return bad(p, "HTTP version is neither 1.0 nor 1.1");
		p->minor = (uint8_t)(ch - '0');
		p->state = S_SP;
		return true;
	case S_SP:
		if (ch != ' ')
			return bad(p, "no blank after the HTTP version");
		p->state = S_STATUS;
		p->status = 0;
		p->pos = 0;
		return true;
	case S_STATUS:
		if (ch < '0' || ch > '9' || (p->pos == 0 && ch == '0'))
			return bad(p, "status is not three digits");
		p->status = (uint16_t)(p->status * 10 + (ch - '0'));
		if (++p->pos == 3)
			p->state = S_STATUS_END;
		return true;
	case S_STATUS_END:
		/* The blank before an empty reason is required, but leaving it out is so common
		 * that clients take it; nothing is ambiguous about it. */
		if (ch != ' ' && ch != '\r')
			return bad(p, "status is not three digits");
		p->state = ch == '\r' ? S_STATUS_LF : S_REASON;
		return true;
	case S_REASON:
		if (ch == '\r')
			p->state = S_STATUS_LF;
		else if (!is_text[ch])
			return bad(p, "control character in the status line");
		return true;
	default: /* S_STATUS_LF */
		if (ch != '\n')
			return bad(p, "CR without LF");
		p->state = S_FIELD_START;
		return true;
	}
}

static bool step_field_start(struct bo_http1 *p, unsigned char ch)
{
	if (ch == '\r') {
		p->state = S_HEAD_LF;
		return true;
	}
	if (!is_tchar[ch])
		return bad(p, "a field line does not begin with a name");
	if (++p->fields > BO_HTTP1_FIELDS_MAX)
		return bad(p, "too many fields");
	p->word[0] = (char)ch;
	p->name_len = 1;
	p->state = S_NAME;
	return true;
}

static bool step_field(struct bo_http1 *p, unsigned char ch)
{
	switch (p->state) {
	case S_FIELD_START:
		return step_field_start(p, ch);
	case S_NAME:
		if (ch == ':') {
			p->field = (uint8_t)field_of(p);
			p->value_len = 0;
			p->state = S_OWS;
			return true;
		}
		if (!is_tchar[ch])
			return bad(p, "character that no field name has");
		if (p->name_len < sizeof(p->word))
			p->word[p->name_len++] = (char)ch; /* longer names are none that we know */
		return true;
	case S_OWS:
		if (ch == ' ' || ch == '\t')
			return true;
		p->state = S_VALUE;
		/* fall through */
	case S_VALUE:
		if (ch == '\r') {
			p->state = S_FIELD_LF;
			return true;
		}
		if (!is_text[ch])
			return bad(p, "control character in a field");
		if (p->field == F_OTHER || p->in_trailers)
			return true;
		if (p->value_len == sizeof(p->word))
			return bad(p, "a field that decides framing is too long");
		p->word[p->value_len++] = (char)ch;
		return true;
	case S_FIELD_LF:
		if (ch != '\n')
			return bad(p, "CR without LF");
		p->state = S_FIELD_START;
		return take_field(p);
	default: /* S_HEAD_LF */
		if (ch != '\n')
			return bad(p, "CR without LF");
		return end_of_head(p);
	}
}

static int hex_digit(unsigned char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	ch |= 0x20;
	return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

static bool step_chunk_size(struct bo_http1 *p, unsigned char ch)
{
	int digit = hex_digit(ch);

	if (digit >= 0) {
		if (p->left > (uint64_t)INT64_MAX >> 4)
			return bad(p, "chunk size is too large");
		p->left = p->left << 4 | (uint64_t)digit;
		p->pos = 1;
		return true;
	}
	if (!p->pos)
		return bad(p, "chunk size is not a number");
	if (ch == ';')
		p->state = S_CHUNK_EXT;
	else if (ch == ' ' || ch == '\t')
		p->state = S_CHUNK_BWS;
	else if (ch == '\r')
		p->state = S_CHUNK_SIZE_LF;
	else
		return bad(p, "chunk size is not a number");
	return true;
}

static bool step_chunk(struct bo_http1 *p, unsigned char ch)
{
	if (p->state <= S_CHUNK_SIZE_LF && ++p->line_bytes > BO_HTTP1_CHUNK_LINE_MAX)
		return bad(p, "chunk-size line is too long");
	switch (p->state) {
	case S_CHUNK_SIZE:
		return step_chunk_size(p, ch);
	case S_CHUNK_BWS:
		if (ch == ';')
			p->state = S_CHUNK_EXT;
		else if (ch != ' ' && ch != '\t')
			return bad(p, "blank after a chunk size");
		return true;
	case S_CHUNK_EXT:
		if (ch == '\r')
			p->state = S_CHUNK_SIZE_LF;
		else if (!is_text[ch])
			return bad(p, "control character in a chunk extension");
		return true;
	case S_CHUNK_SIZE_LF:
		if (ch != '\n')
			return bad(p, "CR without LF");
		p->in_trailers = p->left == 0;
		p->state = p->left ? S_CHUNK_DATA : S_FIELD_START;
		return true;
	case S_CHUNK_CR:
		if (ch != '\r')
			return bad(p, "chunk is longer than its size");
		p->state = S_CHUNK_LF;
		return true;
	default: /* S_CHUNK_LF */
		if (ch != '\n')
			return bad(p, "CR without LF");
		p->state = S_CHUNK_SIZE;
		p->pos = 0;
		p->line_bytes = 0;
		return true;
	}
}

/* Content is not looked at, only counted. */
static size_t skip_content(struct bo_http1 *p, size_t len)
{
	size_t n = len;

	if (p->state == S_EOF_BODY) {
		p->body_bytes += n;
		return n;
	}
	if (n > p->left)
		n = (size_t)p->left;
	p->left -= n;
	p->body_bytes += n;
	if (!p->left) {
		if (p->state == S_LENGTH_BODY)
			finish(p);
		else
			p->state = S_CHUNK_CR;
	}
	return n;
}

/* Most of a head is text that is checked and not looked at: values of fields that decide nothing,
 * and the reason.  A run of it at a time; what ends it is the state machine's. */
static size_t skip_text(struct bo_http1 *p, const char *buf, size_t len)
{
	size_t most = BO_HTTP1_HEAD_MAX - p->head_bytes, n = 0;

	if (p->state != S_REASON &&
	    (p->state != S_VALUE || (p->field != F_OTHER && !p->in_trailers)))
		return 0;
	if (most > len)
		most = len;
	while (n < most && is_text[(unsigned char)buf[n]])
		n++;
	p->head_bytes += (uint32_t)n;
	return n;
}

ssize_t bo_http1_feed(struct bo_http1 *p, const char *buf, size_t len)
{
	size_t i = 0;
	bool ok = p->state != S_BAD;

	while (ok && i < len && p->state != S_END) {
		unsigned char ch;

		if (p->state == S_LENGTH_BODY || p->state == S_EOF_BODY ||
		    p->state == S_CHUNK_DATA) {
			i += skip_content(p, len - i);
			continue;
		}
		i += skip_text(p, buf + i, len - i);
		if (i == len)
			break;
		ch = (unsigned char)buf[i++];
		if (p->state >= S_CHUNK_SIZE) {
			ok = step_chunk(p, ch);
			continue;
		}
		if (++p->head_bytes > BO_HTTP1_HEAD_MAX)
			ok = bad(p, "head is too long");
		else if (p->state <= S_STATUS_LF)
			ok = step_status(p, ch);
		else
			ok = step_field(p, ch);
	}
	return ok ? (ssize_t)i : -EPROTO;
}

int bo_http1_eof(struct bo_http1 *p)
{
	if (p->state == S_EOF_BODY)
		finish(p);
	return p->state == S_END ? 0 : -ECONNRESET;
}
