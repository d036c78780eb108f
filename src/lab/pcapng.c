/* SPDX-License-Identifier: Apache-2.0 */
/* lab/pcapng.c — blocks of a capture file, in host byte order, as the magic of the section says.
 * Every block is its type, its length, a body in 32-bit words, options, and its length once more.
 * Owns: nothing.  Threads: one per file.  Privilege: none. */
#include "pcapng.h"

#include <string.h>

/* draft-ietf-opsawg-pcapng, sections 3.5, 4 and 11 */
enum block {
	BLOCK_INTERFACE = 1,
	BLOCK_STATISTICS = 5,
	BLOCK_PACKET = 6,
	BLOCK_SECTION = 0x0A0D0D0A,
};
enum option {
	OPT_END = 0,
	OPT_COMMENT = 1,
	SHB_USERAPPL = 4,
	IF_NAME = 2,
	IF_DESCRIPTION = 3,
	IF_TSRESOL = 9,
	EPB_FLAGS = 2,
	EPB_DROPCOUNT = 4,
	ISB_IFRECV = 4,
	ISB_IFDROP = 5,
};
#define MAGIC 0x1A2B3C4Du
#define TSRESOL_NS 9 /* 10^-9 s */
#define OPTIONS_MAX 1024

/** struct options - the options of one block, collected first because its length comes before them */
struct options {
	uint8_t bytes[OPTIONS_MAX];
	size_t len;
};

static void option(struct options *to, enum option code, const void *value, size_t len)
{
	uint16_t head[2] = { (uint16_t)code, (uint16_t)len };
	size_t room = (len + 3) & ~(size_t)3;

	/* What does not fit is left out whole: half an option would make the block unreadable. */
	if (len > UINT16_MAX || to->len + sizeof(head) + room + sizeof(head) > sizeof(to->bytes))
		return;
	memcpy(to->bytes + to->len, head, sizeof(head));
	memset(to->bytes + to->len + sizeof(head), 0, room);
	if (len)
		memcpy(to->bytes + to->len + sizeof(head), value, len);
	to->len += sizeof(head) + room;
}

static void option_text(struct options *to, enum option code, const char *text)
{
	if (text && *text)
		option(to, code, text, strnlen(text, PCAPNG_COMMENT_MAX));
}

static void put(struct pcapng_out *out, const void *data, size_t len)
{
	if (fwrite(data, 1, len, out->file) == len)
		out->bytes += len;
}

/** put_block() - @fixed: the body's fixed words;  @data: bytes behind them, padded here, or NULL */
static void put_block(struct pcapng_out *out, enum block type, const void *fixed, size_t fixed_len,
		      const uint8_t *data, size_t data_len, struct options *options)
{
	static const uint8_t zeros[4];
	size_t pad = -data_len & 3;
	uint32_t head[2] = { type };

	if (options->len)
		option(options, OPT_END, NULL, 0);
	head[1] = (uint32_t)(sizeof(head) + fixed_len + data_len + pad + options->len +
			     sizeof(head[1]));
	put(out, head, sizeof(head));
	put(out, fixed, fixed_len);
	if (data_len)
		put(out, data, data_len);
	put(out, zeros, pad);
	put(out, options->bytes, options->len);
	put(out, &head[1], sizeof(head[1]));
}

void pcapng_put_section(struct pcapng_out *out, const char *application, const char *comment)
{
	struct {
		uint32_t magic;
		uint16_t major, minor;
		uint32_t length[2];
	} body = { .magic = MAGIC, .major = 1, .length = { UINT32_MAX, UINT32_MAX } };
	struct options o = { .len = 0 };

	option_text(&o, OPT_COMMENT, comment);
	option_text(&o, SHB_USERAPPL, application);
	put_block(out, BLOCK_SECTION, &body, sizeof(body), NULL, 0, &o);
}

void pcapng_put_interface(struct pcapng_out *out, const char *name, const char *description,
			  uint32_t snaplen)
{
	struct {
		uint16_t linktype, reserved;
		uint32_t snaplen;
	} body = { .linktype = PCAPNG_LINKTYPE_RAW, .snaplen = snaplen };
	struct options o = { .len = 0 };

	option_text(&o, IF_NAME, name);
	option_text(&o, IF_DESCRIPTION, description);
	option(&o, IF_TSRESOL, &(const uint8_t){ TSRESOL_NS }, 1);
	put_block(out, BLOCK_INTERFACE, &body, sizeof(body), NULL, 0, &o);
}

/* Two words, the high one first, whatever the byte order. */
static void split_time(int64_t unix_ns, uint32_t ret[2])
{
	ret[0] = (uint32_t)((uint64_t)unix_ns >> 32);
	ret[1] = (uint32_t)unix_ns;
}

void pcapng_put_packet(struct pcapng_out *out, const struct pcapng_packet *p)
{
	uint32_t body[5] = { [0] = p->interface, [3] = p->cap_len, [4] = p->len };
	uint32_t flags = p->way;
	struct options o = { .len = 0 };

	split_time(p->unix_ns, &body[1]);
	option(&o, EPB_FLAGS, &flags, sizeof(flags));
	if (p->missed)
		option(&o, EPB_DROPCOUNT, &p->missed, sizeof(p->missed));
	option_text(&o, OPT_COMMENT, p->comment);
	put_block(out, BLOCK_PACKET, body, sizeof(body), p->data, p->cap_len, &o);
}

void pcapng_put_statistics(struct pcapng_out *out, uint32_t interface, int64_t unix_ns,
			   uint64_t received, uint64_t missed)
{
	uint32_t body[3] = { interface };
	struct options o = { .len = 0 };

	split_time(unix_ns, &body[1]);
	option(&o, ISB_IFRECV, &received, sizeof(received));
	option(&o, ISB_IFDROP, &missed, sizeof(missed));
	put_block(out, BLOCK_STATISTICS, body, sizeof(body), NULL, 0, &o);
}

/* --- reading ---------------------------------------------------------------------------------- */

#define BLOCK_MIN 12 /* type, length, length */

static uint32_t get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/** comment_of() - the first comment among options of @len bytes; false when there is none */
static bool comment_of(const uint8_t *at, size_t len, char buf[PCAPNG_COMMENT_MAX + 1])
{
	while (len >= 4) {
		uint16_t head[2];
		size_t room;

		memcpy(head, at, sizeof(head));
		room = ((size_t)head[1] + 3) & ~(size_t)3;
		if (head[0] == OPT_END || room > len - 4)
			return false;
		if (head[0] == OPT_COMMENT && head[1] <= PCAPNG_COMMENT_MAX) {
			memcpy(buf, at + 4, head[1]);
			buf[head[1]] = '\0';
			return true;
		}
		at += 4 + room;
		len -= 4 + room;
	}
	return false;
}

/** read_packet() - @body: of @len bytes, without type and lengths */
static bool read_packet(const uint8_t *body, size_t len, pcapng_packet_fn fn, void *arg)
{
	char comment[PCAPNG_COMMENT_MAX + 1];
	const size_t fixed = 20;
	size_t data;

	if (len < fixed)
		return false;
	data = ((size_t)get32(body + 12) + 3) & ~(size_t)3;
	if (data > len - fixed)
		return false;
	if (comment_of(body + fixed + data, len - fixed - data, comment))
		fn(arg, get32(body), comment);
	return true;
}

bool pcapng_read(const uint8_t *data, size_t len, pcapng_packet_fn fn, void *arg, bool *ret_cut,
		 const char **ret_why)
{
	*ret_cut = false;
	if (len < BLOCK_MIN + 16 || get32(data) != BLOCK_SECTION || get32(data + 8) != MAGIC) {
		*ret_why = len >= BLOCK_MIN && get32(data) == BLOCK_SECTION &&
					   get32(data + 8) == __builtin_bswap32(MAGIC)
				   ? "written on a machine of another byte order"
				   : "it does not begin as pcapng does";
		return false;
	}
	while (len) {
		uint32_t size = len >= BLOCK_MIN ? get32(data + 4) : 0;

		if (len < BLOCK_MIN || (size > len && size >= BLOCK_MIN)) {
			*ret_cut = true;
			return true;
		}
		if (size < BLOCK_MIN || size % 4 || get32(data + size - 4) != size) {
			*ret_why = "a block whose length cannot be";
			return false;
		}
		if (get32(data) == BLOCK_PACKET &&
		    !read_packet(data + 8, size - BLOCK_MIN, fn, arg)) {
			*ret_why = "a packet that is longer than its block";
			return false;
		}
		data += size;
		len -= size;
	}
	return true;
}
