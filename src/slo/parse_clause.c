/* SPDX-License-Identifier: Apache-2.0 */
/* slo/parse_clause.c — when a comparison is judged: in, at, over, for … windows, sustained for.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <string.h>

#include "parser.h"
#include "syntax.h"

int slo_parse_phase(struct parser *p, const char *what, enum bo_phase *ret)
{
	const char *names[BO_PHASE_COUNT + 1];

	for (int i = 0; i < BO_PHASE_COUNT; i++) {
		names[i] = bo_phase_name((enum bo_phase)i);
		if (slo_parser_at(p, names[i])) {
			*ret = (enum bo_phase)i;
			return slo_parser_advance(p);
		}
	}
	names[BO_PHASE_COUNT] = NULL;
	return slo_parser_expected(p, what, names);
}

static int parse_in(struct parser *p, struct slo_cmp *cmp)
{
	int r = slo_parse_phase(p, "a phase (base, fault, hold, heal, settle) after 'in'",
				&cmp->from);

	if (r < 0)
		return r;
	cmp->to = cmp->from;
	if (p->tok.kind != SLO_TOK_DOTDOT)
		return 0;
	r = slo_parser_advance(p);
	return r < 0 ? r : slo_parse_phase(p, "a phase after '..'", &cmp->to);
}

static int parse_windows(struct parser *p, struct slo_cmp *cmp)
{
	static const char *const of[] = { "of", NULL }, *const windows[] = { "windows", NULL };
	int r;

	if (p->tok.kind != SLO_TOK_NUMBER)
		return slo_parser_expected(p, "a percentage after 'for'", NULL);
	r = slo_parser_text(p, &cmp->share_text);
	if (r == 0)
		r = slo_parse_quantity(p, SLO_UNIT_RATIO, cmp->share_text, &cmp->share);
	if (r < 0)
		return r;
	if (cmp->share <= 0 || cmp->share > 1)
		return slo_err_at(
			p->err, p->tok.col,
			"expected a share above 0%% and up to 100%% after 'for', found '%s'",
			cmp->share_text);
	r = slo_parser_advance(p);
	if (r < 0)
		return r;
	if (!slo_parser_at(p, "of"))
		return slo_parser_expected(p, "'of' (as in 'for 95% of 1s windows')", of);
	r = slo_parser_advance(p);
	if (r == 0)
		r = slo_parse_stretch(p, "the length of a window", &cmp->window_ns,
				      &cmp->window_text);
	if (r < 0)
		return r;
	if (!slo_parser_at(p, "windows") && !slo_parser_at(p, "window"))
		return slo_parser_expected(p, "'windows'", windows);
	return slo_parser_advance(p);
}

int slo_parse_sustained(struct parser *p, int64_t *ret_ns, const char **ret_text)
{
	static const char *const words[] = { "for", NULL };
	int r;

	if (!slo_parser_at(p, "for"))
		return slo_parser_expected(p, "'for' (as in 'sustained for 2s')", words);
	r = slo_parser_advance(p);
	return r < 0 ? r
		     : slo_parse_stretch(p, "a duration after 'sustained for'", ret_ns, ret_text);
}

enum clause { IN, AT, OVER, FOR, SUSTAINED, NONE };
static const char *const clause_words[] = { "in", "at", "over", "for", "sustained" };

static enum clause clause_at(const struct parser *p)
{
	int i = IN;

	while (i < NONE && !slo_parser_at(p, clause_words[i]))
		i++;
	return (enum clause)i;
}

static int parse_clause(struct parser *p, struct slo_cmp *cmp, enum clause clause)
{
	switch (clause) {
	case IN:
		return parse_in(p, cmp);
	case AT:
		cmp->at = true;
		return slo_parse_phase(p, "a phase after 'at'", &cmp->to);
	case OVER:
		return slo_parse_stretch(p, "a duration after 'over'", &cmp->over_ns,
					 &cmp->over_text);
	case FOR:
		return parse_windows(p, cmp);
	case SUSTAINED:
		return slo_parse_sustained(p, &cmp->sustained_ns, &cmp->sustained_text);
	case NONE:
		break;
	}
	return 0;
}

int slo_parse_clauses(struct parser *p, struct slo_cmp *cmp)
{
	int *const cols[] = { &cmp->scope_col, &cmp->scope_col, &cmp->over_col, &cmp->window_col,
			      &cmp->sustained_col };

	for (;;) {
		enum clause clause = clause_at(p);
		int col = p->tok.col, r;

		if (clause == NONE)
			return 0;
		if (*cols[clause] && clause <= AT)
			return slo_err_at(p->err, col, "the phase was given already (column %d)",
					  cmp->scope_col);
		if (*cols[clause])
			return slo_err_at(p->err, col, "'%s' was given already",
					  clause_words[clause]);
		*cols[clause] = col;
		r = slo_parser_advance(p);
		if (r == 0)
			r = parse_clause(p, cmp, clause);
		if (r < 0)
			return r;
		if (clause == AT)
			cmp->from = cmp->to;
	}
}
