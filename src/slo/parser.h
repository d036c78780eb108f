/* SPDX-License-Identifier: Apache-2.0 */
/* slo/parser.h — what the files of the parser share: where it stands, and what it may say.
 * Every function returns 0, -EINVAL with a message that begins with the column, or -ENOMEM.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brownout/base/arena.h"
#include "brownout/base/err.h"
#include "brownout/model/plan.h"
#include "syntax.h"

/* lex.c */

enum slo_tok {
	SLO_TOK_END,
	SLO_TOK_WORD,
	SLO_TOK_NUMBER,
	SLO_TOK_STRING,
	SLO_TOK_LE,
	SLO_TOK_LT,
	SLO_TOK_GE,
	SLO_TOK_GT,
	SLO_TOK_EQ,
	SLO_TOK_ASSIGN,
	SLO_TOK_STAR,
	SLO_TOK_PLUS,
	SLO_TOK_COMMA,
	SLO_TOK_LBRACE,
	SLO_TOK_RBRACE,
	SLO_TOK_LPAREN,
	SLO_TOK_RPAREN,
	SLO_TOK_DOTDOT,
	SLO_TOK_SLASH,
};

/** struct slo_token - a piece of the text; @col counts bytes from 1; a STRING's @start and @len
 * leave the quotes out */
struct slo_token {
	enum slo_tok kind;
	const char *start;
	size_t len;
	int col;
};

/** slo_lex() - the token at @at; [out] @ret_next is where the next one may begin */
BO_NODISCARD int slo_lex(const char *text, size_t at, struct slo_token *ret, size_t *ret_next,
			 struct bo_err *err);

/** struct parser - @tok is the token to be looked at next;  @bare: inside must (…), where a comparison has no
 * clauses;  @guard: metrics are those that guards watch */
struct parser {
	const char *text;
	size_t next;
	struct slo_token tok;
	struct bo_arena *arena;
	unsigned depth;
	unsigned terms;
	bool bare;
	bool guard;
	struct bo_err *err;
};

int slo_parser_oom(struct bo_err *err);
int slo_parser_advance(struct parser *p);
/** slo_parser_at() - is the current token this word? */
bool slo_parser_at(const struct parser *p, const char *word);
/** slo_parser_expected() - "expected @what, found 'Y'" at the current token; @words: what it may have been meant
 * to be, NULL for none */
int slo_parser_expected(struct parser *p, const char *what, const char *const *words);
/** slo_parser_text() - a copy of the current token's text in the arena */
int slo_parser_text(struct parser *p, const char **ret);

/* parse.c */

/** slo_parse_bare() - a comparison without its clauses */
int slo_parse_bare(struct parser *p, struct slo_cmp *cmp);

/* parse_limit.c */

/** slo_parse_quantity() - @s in @unit */
int slo_parse_quantity(struct parser *p, enum slo_unit unit, const char *s, double *ret);
/** slo_parse_stretch() - a duration from 10ms to 24h, and past it */
int slo_parse_stretch(struct parser *p, const char *what, int64_t *ret_ns, const char **ret_text);
/** slo_parse_window() - a duration from 10ms to 90 days, and past it: a window of the world outside the run */
int slo_parse_window(struct parser *p, const char *what, int64_t *ret_ns, const char **ret_text);
int slo_parse_limit(struct parser *p, struct slo_cmp *cmp);

/* parse_clause.c */

int slo_parse_phase(struct parser *p, const char *what, enum bo_phase *ret);
/** slo_parse_sustained() - after "sustained": "for DURATION" */
int slo_parse_sustained(struct parser *p, int64_t *ret_ns, const char **ret_text);
int slo_parse_clauses(struct parser *p, struct slo_cmp *cmp);
