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
