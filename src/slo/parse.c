/* SPDX-License-Identifier: Apache-2.0 */
/* slo/parse.c — tokens to a tree of comparisons, by recursive descent.
 *
 *   budget     = and { "or" and }
 *   and        = primary { "and" primary }
 *   primary    = "(" budget ")" | comparison
 *   comparison = metric [ "{" key "=" value { "," key "=" value } "}" ] op limit { clause }
 *   op         = "<=" | "<" | ">=" | ">" | "=="
 *   limit      = QUANTITY | FACTOR "*" "base" | "base" [ "*" FACTOR | "+" QUANTITY ]
 *              | PERCENT "of" ( "limit" | "base" )
 *   clause     = "in" PHASE [ ".." PHASE ] | "at" PHASE | "over" DURATION
 *              | "for" PERCENT "of" DURATION "windows"
 *
 *   guard      = [ "halt" "when" ] metric [ "{" … "}" ] op limit [ "for" DURATION ]
 *
 * Depth, length and number of comparisons are bounded, so that no input overflows the stack.
 *
 * Owns: the parsed form's arena until it is handed over.  Threads: any.  Privilege: none. */
#include <stdio.h>
#include <string.h>

#include "internal.h"

struct parser {
	const char *text;
	size_t next;
	struct slo_token tok;
	struct bo_arena *arena;
	unsigned depth;
	unsigned terms;
	bool guard;
	struct bo_err *err;
};

static int out_of_memory(struct bo_err *err)
{
	return bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory");
}

static int advance(struct parser *p)
{
	return slo_lex(p->text, p->next, &p->tok, &p->next, p->err);
}

static bool is_word(const struct parser *p, const char *word)
{
	return p->tok.kind == SLO_TOK_WORD && p->tok.len == strlen(word) &&
	       memcmp(p->tok.start, word, p->tok.len) == 0;
}

/* "expected X, found 'Y'" at the current token; @words: what it may have been meant to be. */
static int expected(struct parser *p, const char *what, const char *const *words)
{
	char hint[80] = "", word[64];

	if (p->tok.kind == SLO_TOK_END)
		return slo_err_at(p->err, p->tok.col, "expected %s, found the end", what);
	snprintf(word, sizeof(word), "%.*s", (int)p->tok.len, p->tok.start);
	if (p->tok.kind == SLO_TOK_WORD)
		bo_nearest_hint(word, words, hint, sizeof(hint));
	return slo_err_at(p->err, p->tok.col, "expected %s, found '%s%s'%s", what, word,
			  p->tok.len >= sizeof(word) ? "…" : "", hint);
}

static int token_text(struct parser *p, const char **ret)
{
	*ret = bo_arena_strndup(p->arena, p->tok.start, p->tok.len);
	return *ret ? 0 : out_of_memory(p->err);
}

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
static int parse_quantity(struct parser *p, enum slo_unit unit, const char *s, double *ret)
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

static int parse_duration_word(struct parser *p, const char *what, int64_t *ret_ns,
			       const char **ret_text)
{
	double ns;
	int r;

	if (p->tok.kind != SLO_TOK_NUMBER)
		return expected(p, what, NULL);
	r = token_text(p, ret_text);
	if (r == 0)
		r = parse_quantity(p, SLO_UNIT_DURATION, *ret_text, &ns);
	if (r < 0)
		return r;
	/* Shorter stretches hold nothing to judge, and millions of them; longer ones outlast any
	 * run. */
	if (ns < SLO_MIN_STRETCH_NS || ns > SLO_MAX_STRETCH_NS)
		return slo_err_at(p->err, p->tok.col, "expected %s from 10ms to 24h, found '%s'",
				  what, *ret_text);
	*ret_ns = (int64_t)ns;
	return advance(p);
}

/* ---- limit ---- */

static int parse_factor(struct parser *p, struct slo_cmp *cmp, const char *s)
{
	int r = parse_plain(p, s, "a plain number to multiply base with", &cmp->limit);

	if (r < 0)
		return r;
	if (cmp->limit < 0)
		return slo_err_at(p->err, p->tok.col, "base times a negative number is no limit");
	cmp->limit_kind = SLO_LIMIT_FACTOR;
	cmp->limit_text = s;
	return 0;
}

/* After "base". */
static int parse_after_base(struct parser *p, struct slo_cmp *cmp)
{
	bool times = p->tok.kind == SLO_TOK_STAR;
	int r;

	cmp->limit_kind = SLO_LIMIT_FACTOR;
	cmp->limit = 1;
	cmp->limit_text = "1";
	if (!times && p->tok.kind != SLO_TOK_PLUS)
		return 0;
	r = advance(p);
	if (r < 0)
		return r;
	if (p->tok.kind != SLO_TOK_NUMBER)
		return expected(p, times ? "a number after 'base *'" : "a quantity after 'base +'",
				NULL);
	r = token_text(p, &cmp->limit_text);
	if (r == 0 && times)
		r = parse_factor(p, cmp, cmp->limit_text);
	if (r == 0 && !times) {
		cmp->limit_kind = SLO_LIMIT_OFFSET;
		r = parse_quantity(p, cmp->metric->unit, cmp->limit_text, &cmp->limit);
	}
	return r < 0 ? r : advance(p);
}

/* After "NUMBER of": a share of the memory limit, or of base. */
static int parse_of(struct parser *p, struct slo_cmp *cmp, const char *number, struct slo_token at)
{
	static const char *const words[] = { "limit", "base", NULL };
	bool base = is_word(p, "base");
	struct slo_token here = p->tok;
	int r;

	if (!base && !is_word(p, "limit"))
		return expected(p, "'limit' or 'base' after 'of'", words);
	p->tok = at; /* what is wrong now is the number's fault */
	if (number[strlen(number) - 1] != '%')
		return slo_err_at(p->err, at.col, "expected a percentage before 'of', found '%s'",
				  number);
	r = parse_quantity(p, SLO_UNIT_RATIO, number, &cmp->limit);
	p->tok = here;
	if (r < 0)
		return r;
	cmp->limit_kind = base ? SLO_LIMIT_FACTOR : SLO_LIMIT_OF_LIMIT;
	cmp->limit_text = number;
	if (base) {
		cmp->limit_text = bo_arena_printf(p->arena, "%.12g", cmp->limit);
		if (!cmp->limit_text)
			return out_of_memory(p->err);
	}
	return advance(p);
}

static int parse_limit(struct parser *p, struct slo_cmp *cmp)
{
	static const char *const words[] = { "base", NULL };
	struct slo_token at = p->tok;
	const char *number;
	int r;

	cmp->limit_col = p->tok.col;
	if (is_word(p, "base")) {
		r = advance(p);
		return r < 0 ? r : parse_after_base(p, cmp);
	}
	if (p->tok.kind != SLO_TOK_NUMBER)
		return expected(p, "a limit (a quantity, or 'base')", words);
	r = token_text(p, &number);
	if (r == 0)
		r = advance(p);
	if (r < 0)
		return r;
	if (p->tok.kind == SLO_TOK_STAR) {
		struct slo_token star = p->tok;

		p->tok = at;
		r = parse_factor(p, cmp, number);
		p->tok = star;
		if (r == 0)
			r = advance(p);
		if (r < 0)
			return r;
		return is_word(p, "base") ? advance(p) : expected(p, "'base' after '*'", words);
	}
	if (is_word(p, "of")) {
		r = advance(p);
		return r < 0 ? r : parse_of(p, cmp, number, at);
	}
	cmp->limit_kind = SLO_LIMIT_ABSOLUTE;
	cmp->limit_text = number;
	{
		struct slo_token here = p->tok;

		p->tok = at;
		r = parse_quantity(p, cmp->metric->unit, number, &cmp->limit);
		p->tok = here;
	}
	return r;
}

/* ---- clauses ---- */

static int parse_phase(struct parser *p, const char *what, enum bo_phase *ret)
{
	const char *names[BO_PHASE_COUNT + 1];

	for (int i = 0; i < BO_PHASE_COUNT; i++) {
		names[i] = bo_phase_name((enum bo_phase)i);
		if (is_word(p, names[i])) {
			*ret = (enum bo_phase)i;
			return advance(p);
		}
	}
	names[BO_PHASE_COUNT] = NULL;
	return expected(p, what, names);
}

static int parse_in(struct parser *p, struct slo_cmp *cmp)
{
	int r = parse_phase(p, "a phase (base, fault, hold, heal, settle) after 'in'", &cmp->from);

	if (r < 0)
		return r;
	cmp->to = cmp->from;
	if (p->tok.kind != SLO_TOK_DOTDOT)
		return 0;
	r = advance(p);
	return r < 0 ? r : parse_phase(p, "a phase after '..'", &cmp->to);
}

static int parse_windows(struct parser *p, struct slo_cmp *cmp)
{
	static const char *const of[] = { "of", NULL }, *const windows[] = { "windows", NULL };
	int r;

	if (p->tok.kind != SLO_TOK_NUMBER)
		return expected(p, "a percentage after 'for'", NULL);
	r = token_text(p, &cmp->share_text);
	if (r == 0)
		r = parse_quantity(p, SLO_UNIT_RATIO, cmp->share_text, &cmp->share);
	if (r < 0)
		return r;
	if (cmp->share <= 0 || cmp->share > 1)
		return slo_err_at(
			p->err, p->tok.col,
			"expected a share above 0%% and up to 100%% after 'for', found '%s'",
			cmp->share_text);
	r = advance(p);
	if (r < 0)
		return r;
	if (!is_word(p, "of"))
		return expected(p, "'of' (as in 'for 95% of 1s windows')", of);
	r = advance(p);
	if (r == 0)
		r = parse_duration_word(p, "the length of a window", &cmp->window_ns,
					&cmp->window_text);
	if (r < 0)
		return r;
	if (!is_word(p, "windows") && !is_word(p, "window"))
		return expected(p, "'windows'", windows);
	return advance(p);
}

static int parse_clauses(struct parser *p, struct slo_cmp *cmp)
{
	for (;;) {
		bool in = is_word(p, "in"), at = is_word(p, "at"), over = is_word(p, "over"),
		     windows = is_word(p, "for");
		int col = p->tok.col, r;

		if (!in && !at && !over && !windows)
			return 0;
		if ((in || at) && cmp->scope_col)
			return slo_err_at(p->err, col, "the phase was given already (column %d)",
					  cmp->scope_col);
		if ((over && cmp->over_col) || (windows && cmp->window_col))
			return slo_err_at(p->err, col, "'%s' was given already",
					  over ? "over" : "for");
		r = advance(p);
		if (r < 0)
			return r;
		if (in || at) {
			cmp->scope_col = col;
			cmp->at = at;
			r = in ? parse_in(p, cmp) : parse_phase(p, "a phase after 'at'", &cmp->to);
			if (at)
				cmp->from = cmp->to;
		} else if (over) {
			cmp->over_col = col;
			r = parse_duration_word(p, "a duration after 'over'", &cmp->over_ns,
						&cmp->over_text);
		} else {
			cmp->window_col = col;
			r = parse_windows(p, cmp);
		}
		if (r < 0)
			return r;
	}
}

/* ---- comparison ---- */

static int take_older(struct parser *p, struct slo_select *sel)
{
	double ns;
	int r = parse_quantity(p, SLO_UNIT_DURATION, sel->older_text, &ns);

	if (r < 0)
		return r;
	if (ns < SLO_MIN_STRETCH_NS || ns > SLO_MAX_STRETCH_NS)
		return slo_err_at(p->err, p->tok.col,
				  "expected an age from 10ms to 24h, found '%s'", sel->older_text);
	sel->older_ns = (int64_t)ns;
	return 0;
}

static int take_stuck(struct parser *p, struct slo_select *sel)
{
	sel->stuck = strcmp(sel->stuck_text, "true") == 0;
	if (!sel->stuck && strcmp(sel->stuck_text, "false") != 0)
		return slo_err_at(p->err, p->tok.col,
				  "expected true or false after 'stuck=', found '%s'",
				  sel->stuck_text);
	return 0;
}

static int parse_selector(struct parser *p, struct slo_cmp *cmp, struct slo_select *sel)
{
	/* in the order of slo_select_keys */
	const char **slots[] = { &cmp->node,  &cmp->load,       &cmp->cls,
				 &sel->site,  &sel->state,      &sel->blocked_at,
				 &sel->label, &sel->older_text, &sel->stuck_text };
	int which = -1, r;

	for (int i = 0; slo_select_keys[i]; i++)
		which = is_word(p, slo_select_keys[i]) ? i : which;
	if (which < 0)
		return expected(p,
				"node, load, class, site, state, blocked_at, label, older or stuck",
				slo_select_keys);
	if (*slots[which])
		return slo_err_at(p->err, p->tok.col, "'%s' was given already",
				  slo_select_keys[which]);
	r = advance(p);
	if (r < 0)
		return r;
	if (p->tok.kind != SLO_TOK_ASSIGN)
		return expected(p, "'='", NULL);
	r = advance(p);
	if (r < 0)
		return r;
	if ((p->tok.kind != SLO_TOK_STRING && p->tok.kind != SLO_TOK_WORD &&
	     p->tok.kind != SLO_TOK_NUMBER) ||
	    !p->tok.len)
		return expected(p, "a name", NULL);
	r = token_text(p, slots[which]);
	if (r == 0 && slots[which] == &sel->older_text)
		r = take_older(p, sel);
	if (r == 0 && slots[which] == &sel->stuck_text)
		r = take_stuck(p, sel);
	return r < 0 ? r : advance(p);
}

static bool selects_groups(const struct slo_select *sel)
{
	return sel->site || sel->state || sel->blocked_at || sel->label || sel->older_text ||
	       sel->stuck_text;
}

static int parse_selectors(struct parser *p, struct slo_cmp *cmp)
{
	struct slo_select sel = { 0 }, *kept;

	cmp->selector_col = p->tok.col;
	do {
		int r = advance(p);

		if (r == 0)
			r = parse_selector(p, cmp, &sel);
		if (r < 0)
			return r;
	} while (p->tok.kind == SLO_TOK_COMMA);
	if (p->tok.kind != SLO_TOK_RBRACE)
		return expected(p, "',' or '}'", NULL);
	if (selects_groups(&sel)) {
		kept = bo_arena_alloc(p->arena, sizeof(*kept));
		if (!kept)
			return out_of_memory(p->err);
		*kept = sel;
		cmp->select = kept;
	}
	return advance(p);
}

static int parse_metric(struct parser *p, struct slo_cmp *cmp)
{
	char hint[80];
	int r;

	if (p->tok.kind != SLO_TOK_WORD)
		return expected(p, "a metric (such as latency.p99)", NULL);
	cmp->metric_col = p->tok.col;
	r = token_text(p, &cmp->metric_text);
	if (r < 0)
		return r;
	cmp->metric = p->guard ? slo_guard_metric_find(cmp->metric_text)
			       : slo_metric_find(p->tok.start, p->tok.len, &cmp->quantile);
	if (!cmp->metric && p->guard)
		return slo_err_at(p->err, cmp->metric_col,
				  "no guard can watch '%s'%s (it may watch %s)", cmp->metric_text,
				  bo_nearest_hint(cmp->metric_text, slo_guard_metric_names(), hint,
						  sizeof(hint)),
				  slo_guard_metric_list());
	if (!cmp->metric && strncmp(cmp->metric_text, "latency.p", 9) == 0)
		return slo_err_at(
			p->err, cmp->metric_col,
			"unknown percentile '%s'; above 0 and below 100, such as latency.p99.9",
			cmp->metric_text);
	if (!cmp->metric)
		return slo_err_at(
			p->err, cmp->metric_col, "unknown metric '%s'%s", cmp->metric_text,
			bo_nearest_hint(cmp->metric_text, slo_metric_names(), hint, sizeof(hint)));
	return advance(p);
}

static int parse_op(struct parser *p, struct slo_cmp *cmp)
{
	cmp->op_col = p->tok.col;
	switch (p->tok.kind) {
	case SLO_TOK_LE:
		cmp->op = SLO_LE;
		break;
	case SLO_TOK_LT:
		cmp->op = SLO_LT;
		break;
	case SLO_TOK_GE:
		cmp->op = SLO_GE;
		break;
	case SLO_TOK_GT:
		cmp->op = SLO_GT;
		break;
	case SLO_TOK_EQ:
		cmp->op = SLO_EQ;
		break;
	default:
		return expected(p, "a comparison (<= < >= > ==)", NULL);
	}
	return advance(p);
}

/* Without its clauses. */
static int parse_bare(struct parser *p, struct slo_cmp *cmp)
{
	int r;

	*cmp = (struct slo_cmp){ .quantile = NAN, .from = BO_PHASE_COUNT, .to = BO_PHASE_COUNT };
	r = parse_metric(p, cmp);
	if (r == 0 && p->tok.kind == SLO_TOK_LBRACE)
		r = parse_selectors(p, cmp);
	if (r == 0)
		r = parse_op(p, cmp);
	return r < 0 ? r : parse_limit(p, cmp);
}

static int parse_comparison(struct parser *p, struct slo_cmp *cmp)
{
	int r;

	if (++p->terms > SLO_MAX_TERMS)
		return slo_err_at(p->err, p->tok.col, "more than %d comparisons in one budget",
				  SLO_MAX_TERMS);
	r = parse_bare(p, cmp);
	if (r == 0)
		r = parse_clauses(p, cmp);
	return r < 0 ? r : slo_check_shape(cmp, p->err);
}

/* ---- and / or ---- */

static struct slo_expr *new_expr(struct parser *p, enum slo_expr_kind kind)
{
	struct slo_expr *e = bo_arena_alloc(p->arena, sizeof(*e));

	if (e)
		e->kind = kind;
	else
		out_of_memory(p->err);
	return e;
}

static int parse_or(struct parser *p, const struct slo_expr **ret);

static int parse_primary(struct parser *p, const struct slo_expr **ret)
{
	struct slo_expr *e;
	int r;

	if (p->tok.kind == SLO_TOK_LPAREN) {
		if (++p->depth > SLO_MAX_DEPTH)
			return slo_err_at(p->err, p->tok.col,
					  "parentheses nested more than %d deep", SLO_MAX_DEPTH);
		r = advance(p);
		if (r == 0)
			r = parse_or(p, ret);
		if (r < 0)
			return r;
		if (p->tok.kind != SLO_TOK_RPAREN)
			return expected(p, "')'", NULL);
		p->depth--;
		return advance(p);
	}
	e = new_expr(p, SLO_EXPR_CMP);
	if (!e)
		return -ENOMEM;
	r = parse_comparison(p, &e->cmp);
	*ret = e;
	return r;
}

static int parse_and(struct parser *p, const struct slo_expr **ret)
{
	int r = parse_primary(p, ret);

	while (r == 0 && is_word(p, "and")) {
		struct slo_expr *e = new_expr(p, SLO_EXPR_AND);

		if (!e)
			return -ENOMEM;
		e->left = *ret;
		*ret = e;
		r = advance(p);
		if (r == 0)
			r = parse_primary(p, &e->right);
	}
	return r;
}

static int parse_or(struct parser *p, const struct slo_expr **ret)
{
	int r = parse_and(p, ret);

	while (r == 0 && is_word(p, "or")) {
		struct slo_expr *e = new_expr(p, SLO_EXPR_OR);

		if (!e)
			return -ENOMEM;
		e->left = *ret;
		*ret = e;
		r = advance(p);
		if (r == 0)
			r = parse_and(p, &e->right);
	}
	return r;
}

static int parse_whole(struct parser *p, const struct slo_expr **ret)
{
	static const char *const words[] = { "in", "at", "over", "for", "and", "or", NULL };
	int r = advance(p);

	if (r == 0)
		r = parse_or(p, ret);
	if (r == 0 && p->tok.kind != SLO_TOK_END)
		r = expected(p, "'in', 'at', 'over', 'for', 'and', 'or' or the end", words);
	return r;
}

int bo_budget_parse(struct bo_budget **ret, const char *text, struct bo_err *err)
{
	struct bo_err local = { 0 };
	struct bo_budget *budget;
	struct parser p = { .text = text, .err = &local };
	int r;

	if (strnlen(text, SLO_MAX_TEXT + 1) > SLO_MAX_TEXT)
		return bo_err_set(err, EINVAL, BO_SUBSYS_SLO, "a budget is at most %d bytes long",
				  SLO_MAX_TEXT);
	budget = calloc(1, sizeof(*budget));
	if (!budget)
		return out_of_memory(err);
	p.arena = &budget->arena;
	r = parse_whole(&p, &budget->root);
	if (r < 0) {
		if (err)
			*err = local;
		bo_budget_free(budget);
		return r;
	}
	*ret = budget;
	return 0;
}

static int parse_halt_when(struct parser *p)
{
	static const char *const words[] = { "when", NULL };
	int r;

	if (!is_word(p, "halt"))
		return 0;
	r = advance(p);
	if (r < 0)
		return r;
	return is_word(p, "when") ? advance(p) : expected(p, "'when' after 'halt'", words);
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
	r = advance(&p);
	if (r == 0)
		r = parse_halt_when(&p);
	if (r == 0)
		r = parse_bare(&p, ret);
	if (r == 0)
		r = slo_check_shape(ret, err);
	if (r == 0 && is_word(&p, "for")) {
		ret->over_col = p.tok.col;
		r = advance(&p);
		if (r == 0)
			r = parse_duration_word(&p, "a duration after 'for'", &ret->over_ns,
						&ret->over_text);
	}
	if (r == 0 && p.tok.kind != SLO_TOK_END)
		r = expected(&p, ret->over_ns ? "the end" : "'for DURATION' or the end", words);
	return r;
}

void bo_budget_free(struct bo_budget *budget)
{
	if (!budget)
		return;
	bo_arena_done(&budget->arena);
	free(budget);
}
