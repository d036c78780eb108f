/* SPDX-License-Identifier: Apache-2.0 */
/* slo/parse_guard.c — tokens to a guard; the grammar is in parse.c.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <string.h>

#include "check.h"
#include "live.h"
#include "parser.h"
#include "select.h"
#include "syntax.h"

static int parse_halt_when(struct parser *p)
{
	static const char *const words[] = { "when", NULL };
	int r;

	if (!slo_parser_at(p, "halt"))
		return 0;
	r = slo_parser_advance(p);
	if (r < 0)
		return r;
	return slo_parser_at(p, "when") ? slo_parser_advance(p)
					: slo_parser_expected(p, "'when' after 'halt'", words);
}

/* What a budget may say, and what cannot be told of one instant. */
static int check_instant(const struct slo_cmp *cmp, struct bo_err *err)
{
	if (cmp->select)
		return slo_err_at(err, cmp->selector_col,
				  "no guard tells goroutines apart: it has no {%s=…}",
				  slo_select_first_key(cmp->select));
	if (cmp->route)
		return slo_err_at(err, cmp->selector_col,
				  "no guard tells routes apart: it has no {route=…}");
	if (cmp->op == SLO_EQ)
		return slo_err_at(err, cmp->op_col,
				  "'==' makes no sense for a guard; use >= or <=");
	return 0;
}

int slo_parse_guard(const char *text, struct bo_arena *arena, struct slo_cmp *ret,
		    struct bo_err *err)
{
	static const char *const words[] = { "for", NULL };
	struct parser p = { .text = text, .arena = arena, .guard = true, .err = err };
	int r;

	if (strnlen(text, SLO_MAX_TEXT + 1) > SLO_MAX_TEXT)
		return bo_err_set(err, EINVAL, BO_SUBSYS_SLO, "a guard is at most %d bytes long",
				  SLO_MAX_TEXT);
	r = slo_parser_advance(&p);
	if (r == 0)
		r = parse_halt_when(&p);
	if (r == 0)
		r = slo_parse_bare(&p, ret);
	if (r == 0)
		r = slo_check_shape(ret, err);
	if (r == 0)
		r = check_instant(ret, err);
	if (r == 0 && slo_parser_at(&p, "for")) {
		ret->over_col = p.tok.col;
		r = slo_parser_advance(&p);
		if (r == 0)
			r = slo_parse_stretch(&p, "a duration after 'for'", &ret->over_ns,
					      &ret->over_text);
	}
	if (r == 0 && p.tok.kind != SLO_TOK_END)
		r = slo_parser_expected(&p, ret->over_ns ? "the end" : "'for DURATION' or the end",
					words);
	return r;
}
