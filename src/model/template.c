/* SPDX-License-Identifier: Apache-2.0 */
/* model/template.c — values that differ from request to request. */
#include "brownout/model/template.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum kind { TEXT, BRACES, N, UUID, NOW, RAND };

struct piece {
	enum kind kind;
	const char *text; /* TEXT, and what stands between the braces of anything else */
	size_t len;
	uint64_t limit; /* RAND */
};

static bool is_word(const struct piece *p, const char *word)
{
	return p->len == strlen(word) && !memcmp(p->text, word, p->len);
}

static bool read_limit(struct piece *p)
{
	static const char rand[] = "rand:";
	size_t at = sizeof(rand) - 1;

	if (p->len <= at || p->len > at + 18 || memcmp(p->text, rand, at) != 0)
		return false;
	for (p->limit = 0; at < p->len; at++) {
		if (p->text[at] < '0' || p->text[at] > '9')
			return false;
		p->limit = p->limit * 10 + (uint64_t)(p->text[at] - '0');
	}
	p->kind = RAND;
	return p->limit > 0;
}

static int unknown(const struct piece *p, struct bo_err *err)
{
	return bo_err_set(err, EINVAL, BO_SUBSYS_PLAN,
			  "unknown template '{{%.*s}}'; known: {{n}}, {{uuid}}, {{now}}, "
			  "{{rand:1000}}, and {{{{ for two braces",
			  (int)(p->len > 40 ? 40 : p->len), p->text);
}

/* The piece at *at.  Return: 1, 0 at the end, -EINVAL */
static int next(const char *text, size_t len, size_t *at, struct piece *p, struct bo_err *err)
{
	const char *from, *open, *close;
	size_t left = len - *at;

	/* No text at all may be NULL, to which nothing can be added. */
	if (!left)
		return 0;
	from = text + *at;
	open = memmem(from, left, "{{", 2);
	*p = (struct piece){ .kind = TEXT,
			     .text = from,
			     .len = open ? (size_t)(open - from) : left };
	if (p->len) {
		*at += p->len;
		return 1;
	}
	if (left >= 4 && !memcmp(open, "{{{{", 4)) {
		*p = (struct piece){ .kind = BRACES, .text = open, .len = 2 };
		*at += 4;
		return 1;
	}
	close = memmem(open, left, "}}", 2);
	if (!close)
		return bo_err_set(err, EINVAL, BO_SUBSYS_PLAN,
				  "'{{' without '}}'; write {{{{ for two braces");
	*p = (struct piece){ .text = open + 2, .len = (size_t)(close - open) - 2 };
	*at += p->len + 4;
	if (is_word(p, "n"))
		p->kind = N;
	else if (is_word(p, "uuid"))
		p->kind = UUID;
	else if (is_word(p, "now"))
		p->kind = NOW;
	else if (!read_limit(p))
		return unknown(p, err);
	return 1;
}

int bo_template_check(const char *text, size_t len, struct bo_err *err)
{
	struct piece p;
	size_t at = 0;
	int r;

	do
		r = next(text, len, &at, &p, err);
	while (r > 0);
	return r;
}

bool bo_template_has(const char *text, size_t len)
{
	return text && memmem(text, len, "{{", 2);
}

void bo_template_values_init(struct bo_template_values *v, uint64_t seed, uint64_t stream,
			     uint64_t n, int64_t now_ms)
{
	uint64_t a, b;

	v->n = n;
	v->now_ms = now_ms;
	bo_rng_init(&v->rng, seed, bo_mix64(stream ^ bo_mix64(n)));
	a = bo_rng_u64(&v->rng);
	b = bo_rng_u64(&v->rng);
	snprintf(v->uuid, sizeof(v->uuid),
		 "%08" PRIx64 "-%04" PRIx64 "-4%03" PRIx64 "-%04" PRIx64 "-%012" PRIx64, a >> 32,
		 a >> 16 & 0xffff, a & 0xfff, (b >> 48 & 0x3fff) | 0x8000,
		 b & UINT64_C(0xffffffffffff));
}

void bo_template_render(struct bo_strbuf *sb, const char *text, size_t len,
			struct bo_template_values *v)
{
	struct piece p;
	size_t at = 0;

	while (next(text, len, &at, &p, NULL) > 0) {
		switch (p.kind) {
		case TEXT:
		case BRACES:
			bo_strbuf_add(sb, p.text, p.len);
			break;
		case N:
			bo_strbuf_printf(sb, "%" PRIu64, v->n);
			break;
		case UUID:
			bo_strbuf_puts(sb, v->uuid);
			break;
		case NOW:
			bo_strbuf_printf(sb, "%" PRId64, v->now_ms);
			break;
		case RAND:
			bo_strbuf_printf(sb, "%" PRIu64,
					 (uint64_t)(bo_rng_unit(&v->rng) * (double)p.limit));
			break;
		}
	}
}
