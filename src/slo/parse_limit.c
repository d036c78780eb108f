/* SPDX-License-Identifier: Apache-2.0 */
/* slo/parse_limit.c — quantities, and what stands behind a comparison's operator.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/arena.h"
#include "brownout/base/units.h"
#include "metric.h"
#include "parser.h"
#include "syntax.h"

/* ---- quantities ---- */

static int parse_plain(struct parser *p, const char *s, const char *what, double *ret)
{
	char *end;
	double v = strtod(s, &end);

	if (*end || end == s || !isfinite(v))
		return slo_err_at(p->err, p->tok.col, "expected %s, found '%s'", what, s);
	*ret = v;
	return 0;
}

/* Reads @s in the unit of the metric; the message of base/units.c gets the column in front. */
int slo_parse_quantity(struct parser *p, enum slo_unit unit, const char *s, double *ret)
{
	struct bo_err inner = { 0 };
	int64_t whole = 0;
	double v = 0;
	int r = 0;

	switch (unit) {
	case SLO_UNIT_DURATION:
		r = bo_parse_duration(s, &whole, &inner);
		v = (double)whole;
		break;
	case SLO_UNIT_SIZE:
		r = bo_parse_size(s, &whole, &inner);
		v = (double)whole;
		break;
	case SLO_UNIT_RATIO:
		r = bo_parse_ratio(s, &v, &inner);
		break;
	case SLO_UNIT_RATE:
		if (*s == '-') /* a slope may fall; a frequency as such may not */
			r = bo_parse_frequency(s + 1, &v, &inner), v = -v;
		else
			r = bo_parse_frequency(s, &v, &inner);
		break;
	case SLO_UNIT_COUNT:
		return parse_plain(p, s, "a plain number", ret);
	}
	if (r < 0)
		return slo_err_at(p->err, p->tok.col, "%s", inner.msg);
	*ret = v;
	return 0;
}

static int parse_between(struct parser *p, const char *what, int64_t most_ns, const char *most,
			 int64_t *ret_ns, const char **ret_text)
{
	double ns;
	int r;

	if (p->tok.kind != SLO_TOK_NUMBER)
		return slo_parser_expected(p, what, NULL);
	r = slo_parser_text(p, ret_text);
	if (r == 0)
		r = slo_parse_quantity(p, SLO_UNIT_DURATION, *ret_text, &ns);
	if (r < 0)
		return r;
	if (ns < SLO_MIN_STRETCH_NS || ns > (double)most_ns)
		return slo_err_at(p->err, p->tok.col, "expected %s from 10ms to %s, found '%s'",
				  what, most, *ret_text);
	*ret_ns = (int64_t)ns;
	return slo_parser_advance(p);
}

/* Shorter stretches hold nothing to judge, and millions of them; longer ones outlast any run. */
int slo_parse_stretch(struct parser *p, const char *what, int64_t *ret_ns, const char **ret_text)
{
	return parse_between(p, what, SLO_MAX_STRETCH_NS, "24h", ret_ns, ret_text);
}

int slo_parse_window(struct parser *p, const char *what, int64_t *ret_ns, const char **ret_text)
{
	return parse_between(p, what, 90 * SLO_MAX_STRETCH_NS, "90d", ret_ns, ret_text);
}

/* ---- limit ---- */

/* What a limit may be relative to, and what that makes of "N * word" and "word + N". */
static const struct reference {
	const char *word;
	enum slo_limit_kind times;
	enum slo_limit_kind plus;
} references[] = {
	{ "base", SLO_LIMIT_FACTOR, SLO_LIMIT_OFFSET },
	{ "timeout", SLO_LIMIT_TIMES_TIMEOUT, SLO_LIMIT_AFTER_TIMEOUT },
};

static const struct reference *reference_at(const struct parser *p)
{
	for (size_t i = 0; i < sizeof(references) / sizeof(references[0]); i++) {
		if (slo_parser_at(p, references[i].word))
			return &references[i];
	}
	return NULL;
}

static int parse_factor(struct parser *p, struct slo_cmp *cmp, const char *s)
{
	int r = parse_plain(p, s, "a plain number to multiply with", &cmp->limit);

	if (r < 0)
		return r;
	if (cmp->limit < 0)
		return slo_err_at(p->err, p->tok.col, "a negative multiple is no limit");
	cmp->limit_text = s;
	return 0;
}

/* After "base" or "timeout". */
static int parse_after_reference(struct parser *p, struct slo_cmp *cmp, const struct reference *ref)
{
	bool times = p->tok.kind == SLO_TOK_STAR;
	char what[64];
	int r;

	cmp->limit_kind = ref->times;
	cmp->limit = 1;
	cmp->limit_text = "1";
	if (!times && p->tok.kind != SLO_TOK_PLUS)
		return 0;
	r = slo_parser_advance(p);
	if (r < 0)
		return r;
	snprintf(what, sizeof(what), times ? "a number after '%s *'" : "a quantity after '%s +'",
		 ref->word);
	if (p->tok.kind != SLO_TOK_NUMBER)
		return slo_parser_expected(p, what, NULL);
	r = slo_parser_text(p, &cmp->limit_text);
	if (r == 0 && times)
		r = parse_factor(p, cmp, cmp->limit_text);
	if (r == 0 && !times) {
		cmp->limit_kind = ref->plus;
		r = slo_parse_quantity(p, cmp->metric->unit, cmp->limit_text, &cmp->limit);
	}
	return r < 0 ? r : slo_parser_advance(p);
}

/* After "NUMBER of": a share of the memory limit, of base or of the timeout. */
static int parse_of(struct parser *p, struct slo_cmp *cmp, const char *number, struct slo_token at)
{
	static const char *const words[] = { "limit", "base", "timeout", NULL };
	const struct reference *ref = reference_at(p);
	struct slo_token here = p->tok;
	int r;

	if (!ref && !slo_parser_at(p, "limit"))
		return slo_parser_expected(p, "'limit', 'base' or 'timeout' after 'of'", words);
	p->tok = at; /* what is wrong now is the number's fault */
	if (number[strlen(number) - 1] != '%')
		return slo_err_at(p->err, at.col, "expected a percentage before 'of', found '%s'",
				  number);
	r = slo_parse_quantity(p, SLO_UNIT_RATIO, number, &cmp->limit);
	p->tok = here;
	if (r < 0)
		return r;
	cmp->limit_kind = ref ? ref->times : SLO_LIMIT_OF_LIMIT;
	cmp->limit_text = number;
	if (ref) {
		cmp->limit_text = bo_arena_printf(p->arena, "%.12g", cmp->limit);
		if (!cmp->limit_text)
			return slo_parser_oom(p->err);
	}
	return slo_parser_advance(p);
}

/* After "NUMBER *". */
static int parse_times(struct parser *p, struct slo_cmp *cmp, const char *number,
		       struct slo_token at)
{
	static const char *const words[] = { "base", "timeout", NULL };
	const struct reference *ref;
	struct slo_token star = p->tok;
	int r;

	p->tok = at;
	r = parse_factor(p, cmp, number);
	p->tok = star;
	if (r == 0)
		r = slo_parser_advance(p);
	if (r < 0)
		return r;
	ref = reference_at(p);
	if (!ref)
		return slo_parser_expected(p, "'base' or 'timeout' after '*'", words);
	cmp->limit_kind = ref->times;
	return slo_parser_advance(p);
}

int slo_parse_limit(struct parser *p, struct slo_cmp *cmp)
{
	static const char *const words[] = { "base", "timeout", NULL };
	const struct reference *ref = reference_at(p);
	struct slo_token at = p->tok, here;
	const char *number;
	int r;

	cmp->limit_col = p->tok.col;
	if (ref) {
		r = slo_parser_advance(p);
		return r < 0 ? r : parse_after_reference(p, cmp, ref);
	}
	if (p->tok.kind != SLO_TOK_NUMBER)
		return slo_parser_expected(p, "a limit (a quantity, 'base' or 'timeout')", words);
	r = slo_parser_text(p, &number);
	if (r == 0)
		r = slo_parser_advance(p);
	if (r < 0)
		return r;
	if (p->tok.kind == SLO_TOK_STAR)
		return parse_times(p, cmp, number, at);
	if (slo_parser_at(p, "of")) {
		r = slo_parser_advance(p);
		return r < 0 ? r : parse_of(p, cmp, number, at);
	}
	cmp->limit_kind = SLO_LIMIT_ABSOLUTE;
	cmp->limit_text = number;
	here = p->tok;
	p->tok = at;
	r = slo_parse_quantity(p, cmp->metric->unit, number, &cmp->limit);
	p->tok = here;
	return r;
}
