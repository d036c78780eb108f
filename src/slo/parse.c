/* SPDX-License-Identifier: Apache-2.0 */
/* slo/parse.c — tokens to a tree of comparisons, by recursive descent.
 *
 *   budget     = [ "warn" ] either
 *   either     = all { "or" all }
 *   all        = primary { "and" primary }
 *   primary    = "(" either ")" | must | comparison { clause }
 *   must       = "must" ( "(" bare ")" | comparison )
 *                "within" DURATION [ "of" PHASE ] [ "sustained" "for" DURATION ]
 *   bare       = either, without must and without clauses
 *   comparison = metric [ "(" burn ")" ] [ "{" key "=" value { "," key "=" value } "}" ] op limit
 *   burn       = PERCENT [ "," DURATION [ "/" DURATION ] ] | DURATION [ "/" DURATION ]
 *   op         = "<=" | "<" | ">=" | ">" | "=="
 *   limit      = QUANTITY | FACTOR "*" ref | ref [ "*" FACTOR | "+" QUANTITY ]
 *              | PERCENT "of" ( "limit" | ref )
 *   ref        = "base" | "timeout"
 *   clause     = "in" PHASE [ ".." PHASE ] | "at" PHASE | "over" DURATION
 *              | "for" PERCENT "of" DURATION "windows" | "sustained" "for" DURATION
 *
 *   guard      = [ "halt" "when" ] metric [ "{" … "}" ] op limit [ "for" DURATION ]
 *
 * Depth, length and number of comparisons are bounded, so that no input overflows the stack.
 *
 * Owns: the parsed form's arena until it is handed over.  Threads: any.  Privilege: none. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/arena.h"
#include "brownout/base/nearest.h"
#include "check.h"
#include "live.h"
#include "metric.h"
#include "parser.h"
#include "select.h"
#include "syntax.h"

int slo_parser_oom(struct bo_err *err)
{
	return bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory");
}

int slo_parser_advance(struct parser *p)
{
	return slo_lex(p->text, p->next, &p->tok, &p->next, p->err);
}

bool slo_parser_at(const struct parser *p, const char *word)
{
	return p->tok.kind == SLO_TOK_WORD && p->tok.len == strlen(word) &&
	       memcmp(p->tok.start, word, p->tok.len) == 0;
}

int slo_parser_expected(struct parser *p, const char *what, const char *const *words)
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

int slo_parser_text(struct parser *p, const char **ret)
{
	*ret = bo_arena_strndup(p->arena, p->tok.start, p->tok.len);
	return *ret ? 0 : slo_parser_oom(p->err);
}

/* ---- comparison ---- */

/* Bounds on what a person may write. */
#define MAX_DEPTH 16
#define MAX_TERMS 32
#define MAX_BURN_RATIO 100

static int take_older(struct parser *p, struct slo_select *sel)
{
	double ns;
	int r = slo_parse_quantity(p, SLO_UNIT_DURATION, sel->older_text, &ns);

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
	const char **slots[] = { &cmp->node,  &cmp->load,       &cmp->route,     &cmp->cls,
				 &cmp->fault, &sel->site,       &sel->state,     &sel->blocked_at,
				 &sel->label, &sel->older_text, &sel->stuck_text };
	int which = -1, r;

	for (int i = 0; slo_select_keys[i]; i++)
		which = slo_parser_at(p, slo_select_keys[i]) ? i : which;
	if (which < 0)
		return slo_parser_expected(
			p,
			"node, load, route, class, fault, site, state, blocked_at, label, older or stuck",
			slo_select_keys);
	if (*slots[which])
		return slo_err_at(p->err, p->tok.col, "'%s' was given already",
				  slo_select_keys[which]);
	r = slo_parser_advance(p);
	if (r < 0)
		return r;
	if (p->tok.kind != SLO_TOK_ASSIGN)
		return slo_parser_expected(p, "'='", NULL);
	r = slo_parser_advance(p);
	if (r < 0)
		return r;
	if ((p->tok.kind != SLO_TOK_STRING && p->tok.kind != SLO_TOK_WORD &&
	     p->tok.kind != SLO_TOK_NUMBER) ||
	    !p->tok.len)
		return slo_parser_expected(p, "a name", NULL);
	r = slo_parser_text(p, slots[which]);
	if (r == 0 && slots[which] == &sel->older_text)
		r = take_older(p, sel);
	if (r == 0 && slots[which] == &sel->stuck_text)
		r = take_stuck(p, sel);
	return r < 0 ? r : slo_parser_advance(p);
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
		int r = slo_parser_advance(p);

		if (r == 0)
			r = parse_selector(p, cmp, &sel);
		if (r < 0)
			return r;
	} while (p->tok.kind == SLO_TOK_COMMA);
	if (p->tok.kind != SLO_TOK_RBRACE)
		return slo_parser_expected(p, "',' or '}'", NULL);
	if (selects_groups(&sel)) {
		kept = bo_arena_alloc(p->arena, sizeof(*kept));
		if (!kept)
			return slo_parser_oom(p->err);
		*kept = sel;
		cmp->select = kept;
	}
	return slo_parser_advance(p);
}

static int parse_metric(struct parser *p, struct slo_cmp *cmp)
{
	char hint[80];
	int r;

	if (p->tok.kind != SLO_TOK_WORD)
		return slo_parser_expected(p, "a metric (such as latency.p99)", NULL);
	cmp->metric_col = p->tok.col;
	r = slo_parser_text(p, &cmp->metric_text);
	if (r < 0)
		return r;
	cmp->metric = p->guard ? slo_guard_metric_find(p->tok.start, p->tok.len, &cmp->quantile)
			       : slo_metric_find(p->tok.start, p->tok.len, &cmp->quantile);
	if (cmp->metric && p->guard && !cmp->metric->live)
		return slo_err_at(p->err, cmp->metric_col,
				  "no guard can watch '%s': it is told looking back on a run%s "
				  "(docs/budgets.md, Guards, lists what it can)",
				  cmp->metric_text,
				  bo_nearest_hint(cmp->metric_text, slo_guard_metric_names(), hint,
						  sizeof(hint)));
	if (!cmp->metric && strncmp(cmp->metric_text, "latency.p", 9) == 0)
		return slo_err_at(
			p->err, cmp->metric_col,
			"unknown percentile '%s'; above 0 and below 100, such as latency.p99.9",
			cmp->metric_text);
	if (!cmp->metric && cmp->metric_text[0] == 'p' &&
	    isdigit((unsigned char)cmp->metric_text[1]))
		return slo_err_at(p->err, cmp->metric_col,
				  "unknown metric '%s'; did you mean 'latency.%s'?",
				  cmp->metric_text, cmp->metric_text);
	if (!cmp->metric)
		return slo_err_at(
			p->err, cmp->metric_col, "unknown metric '%s'%s", cmp->metric_text,
			bo_nearest_hint(cmp->metric_text,
					p->guard ? slo_guard_metric_names() : slo_metric_names(),
					hint, sizeof(hint)));
	return slo_parser_advance(p);
}

/* "1h/5m)" or "1h)" */
static int parse_burn_windows(struct parser *p, struct slo_burn *burn)
{
	int r = slo_parse_window(p, "a window such as 1h", &burn->long_ns, &burn->long_text);

	if (r < 0 || p->tok.kind != SLO_TOK_SLASH)
		return r;
	r = slo_parser_advance(p);
	if (r == 0)
		r = slo_parse_window(p, "a shorter window after '/'", &burn->short_ns,
				     &burn->short_text);
	return r;
}

/* At "(". */
static int parse_burn(struct parser *p, struct slo_cmp *cmp)
{
	struct slo_burn *burn = bo_arena_alloc(p->arena, sizeof(*burn));
	struct slo_token at;
	int r;

	if (!burn)
		return slo_parser_oom(p->err);
	*burn = (struct slo_burn){ .target = NAN };
	cmp->burn = burn;
	r = slo_parser_advance(p);
	at = p->tok;
	if (r == 0 && at.kind == SLO_TOK_NUMBER && at.start[at.len - 1] == '%') {
		r = slo_parser_text(p, &burn->target_text);
		if (r == 0)
			r = slo_parse_quantity(p, SLO_UNIT_RATIO, burn->target_text, &burn->target);
		if (r == 0 && (burn->target <= 0 || burn->target >= 1))
			r = slo_err_at(p->err, at.col,
				       "expected a target above 0%% and below 100%%, found '%s'",
				       burn->target_text);
		if (r == 0)
			r = slo_parser_advance(p);
		if (r == 0 && p->tok.kind == SLO_TOK_COMMA) {
			r = slo_parser_advance(p);
			at = p->tok;
			if (r == 0)
				r = parse_burn_windows(p, burn);
		}
	} else if (r == 0) {
		r = parse_burn_windows(p, burn);
	}
	if (r < 0)
		return r;
	if (burn->short_ns >= burn->long_ns && burn->short_ns > 0)
		return slo_err_at(p->err, at.col, "the window before '/' is the longer one: %s/%s",
				  burn->short_text, burn->long_text);
	if (burn->short_ns && burn->long_ns / burn->short_ns > MAX_BURN_RATIO)
		return slo_err_at(
			p->err, at.col,
			"expected a short window of at least 1/%d of the long one, found %s/%s",
			MAX_BURN_RATIO, burn->long_text, burn->short_text);
	if (p->tok.kind != SLO_TOK_RPAREN)
		return slo_parser_expected(p, "')'", NULL);
	return slo_parser_advance(p);
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
		return slo_parser_expected(p, "a comparison (<= < >= > ==)", NULL);
	}
	return slo_parser_advance(p);
}

int slo_parse_bare(struct parser *p, struct slo_cmp *cmp)
{
	int r;

	*cmp = (struct slo_cmp){ .quantile = NAN, .from = BO_PHASE_COUNT, .to = BO_PHASE_COUNT };
	r = parse_metric(p, cmp);
	if (r == 0 && p->tok.kind == SLO_TOK_LPAREN && (cmp->metric->flags & SLO_M_BURN))
		r = parse_burn(p, cmp);
	if (r == 0 && p->tok.kind == SLO_TOK_LBRACE)
		r = parse_selectors(p, cmp);
	if (r == 0)
		r = parse_op(p, cmp);
	return r < 0 ? r : slo_parse_limit(p, cmp);
}

static int parse_comparison(struct parser *p, struct slo_cmp *cmp)
{
	int r;

	if (++p->terms > MAX_TERMS)
		return slo_err_at(p->err, p->tok.col, "more than %d comparisons in one budget",
				  MAX_TERMS);
	r = slo_parse_bare(p, cmp);
	if (r == 0 && !p->bare)
		r = slo_parse_clauses(p, cmp);
	return r < 0 ? r : slo_check_shape(cmp, p->err);
}

/* ---- and / or ---- */

static struct slo_expr *new_expr(struct parser *p, enum slo_expr_kind kind)
{
	struct slo_expr *e = bo_arena_alloc(p->arena, sizeof(*e));

	if (e)
		e->kind = kind;
	else
		slo_parser_oom(p->err);
	return e;
}

static int parse_or(struct parser *p, const struct slo_expr **ret);

/* After "within". */
static int parse_within(struct parser *p, struct slo_must *must)
{
	int r = slo_parse_stretch(p, "a duration after 'within'", &must->within_ns,
				  &must->within_text);

	if (r == 0 && slo_parser_at(p, "of")) {
		must->of_col = p->tok.col;
		r = slo_parser_advance(p);
		if (r == 0)
			r = slo_parse_phase(p, "a phase after 'of'", &must->of);
	}
	if (r == 0 && slo_parser_at(p, "sustained")) {
		r = slo_parser_advance(p);
		if (r == 0)
			r = slo_parse_sustained(p, &must->sustained_ns, &must->sustained_text);
	}
	return r;
}

static int parse_primary(struct parser *p, const struct slo_expr **ret);

/* At "must". */
static int parse_must(struct parser *p, const struct slo_expr **ret)
{
	static const char *const words[] = { "within", "and", "or", NULL };
	struct slo_expr *e = new_expr(p, SLO_EXPR_MUST);
	int r;

	if (!e)
		return -ENOMEM;
	*ret = e;
	e->must.of = BO_PHASE_COUNT;
	e->must.col = p->tok.col;
	if (p->bare)
		return slo_err_at(p->err, p->tok.col, "'must' within 'must'");
	p->bare = true;
	r = slo_parser_advance(p);
	if (r == 0)
		r = parse_primary(p, &e->left);
	p->bare = false;
	if (r < 0)
		return r;
	if (!slo_parser_at(p, "within"))
		return slo_parser_expected(p, "'within' (as in 'must … within 2s of fault')",
					   words);
	e->must.within_col = p->tok.col;
	r = slo_parser_advance(p);
	if (r == 0)
		r = parse_within(p, &e->must);
	return r < 0 ? r : slo_check_must(e, p->err);
}

static int parse_primary(struct parser *p, const struct slo_expr **ret)
{
	struct slo_expr *e;
	int r;

	if (p->tok.kind == SLO_TOK_LPAREN) {
		if (++p->depth > MAX_DEPTH)
			return slo_err_at(p->err, p->tok.col,
					  "parentheses nested more than %d deep", MAX_DEPTH);
		r = slo_parser_advance(p);
		if (r == 0)
			r = parse_or(p, ret);
		if (r < 0)
			return r;
		if (p->tok.kind != SLO_TOK_RPAREN)
			return slo_parser_expected(p, "')'", NULL);
		p->depth--;
		return slo_parser_advance(p);
	}
	if (slo_parser_at(p, "must"))
		return parse_must(p, ret);
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

	while (r == 0 && slo_parser_at(p, "and")) {
		struct slo_expr *e = new_expr(p, SLO_EXPR_AND);

		if (!e)
			return -ENOMEM;
		e->left = *ret;
		*ret = e;
		r = slo_parser_advance(p);
		if (r == 0)
			r = parse_primary(p, &e->right);
	}
	return r;
}

static int parse_or(struct parser *p, const struct slo_expr **ret)
{
	int r = parse_and(p, ret);

	while (r == 0 && slo_parser_at(p, "or")) {
		struct slo_expr *e = new_expr(p, SLO_EXPR_OR);

		if (!e)
			return -ENOMEM;
		e->left = *ret;
		*ret = e;
		r = slo_parser_advance(p);
		if (r == 0)
			r = parse_and(p, &e->right);
	}
	return r;
}

static int parse_whole(struct parser *p, struct bo_budget *budget)
{
	static const char *const words[] = { "in",        "at",  "over", "for",
					     "sustained", "and", "or",   NULL };
	int r = slo_parser_advance(p);

	budget->warn = r == 0 && slo_parser_at(p, "warn");
	if (budget->warn)
		r = slo_parser_advance(p);
	if (r == 0)
		r = parse_or(p, &budget->root);
	if (r == 0 && p->tok.kind != SLO_TOK_END)
		r = slo_parser_expected(
			p, "'in', 'at', 'over', 'for', 'sustained', 'and', 'or' or the end", words);
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
		return slo_parser_oom(err);
	p.arena = &budget->arena;
	r = parse_whole(&p, budget);
	if (r < 0) {
		if (err)
			*err = local;
		bo_budget_free(budget);
		return r;
	}
	*ret = budget;
	return 0;
}

void bo_budget_free(struct bo_budget *budget)
{
	if (!budget)
		return;
	bo_arena_done(&budget->arena);
	free(budget);
}
