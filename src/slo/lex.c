/* SPDX-License-Identifier: Apache-2.0 */
/* slo/lex.c — a budget's text to tokens.
 * Words may have dots and dashes inside ("latency.p99.9", "orders-db"), never two dots in a row,
 * so "fault..heal" is three tokens.  A number keeps its unit ("1m30s", "200/s"): only the metric
 * knows how to read it.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <ctype.h>
#include <string.h>

#include "parser.h"

static bool is_alpha(char c)
{
	return isalpha((unsigned char)c) || c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_alpha(c) || is_digit(c);
}

static size_t word_length(const char *s)
{
	size_t n = 1;

	while (is_alnum(s[n]) || ((s[n] == '.' || s[n] == '-') && is_alnum(s[n + 1])))
		n++;
	return n;
}

/* Micro sign and Greek mu, as people type "100µs". */
static size_t micro_length(const char *s)
{
	return strncmp(s, "\xc2\xb5", 2) == 0 || strncmp(s, "\xce\xbc", 2) == 0 ? 2 : 0;
}

static size_t number_length(const char *s)
{
	size_t n = 1;

	for (;;) {
		if (is_alnum(s[n]) || s[n] == '%' || (s[n] == '/' && is_alpha(s[n + 1])) ||
		    (s[n] == '.' && s[n + 1] != '.'))
			n++;
		else if ((s[n] == '+' || s[n] == '-') && (s[n - 1] == 'e' || s[n - 1] == 'E') &&
			 n >= 2 && is_digit(s[n - 2]) && is_digit(s[n + 1]))
			n++;
		else if (micro_length(s + n))
			n += micro_length(s + n);
		else
			return n;
	}
}

static const struct {
	const char *text;
	enum slo_tok kind;
} symbols[] = {
	/* longest first */
	{ "<=", SLO_TOK_LE },     { ">=", SLO_TOK_GE },    { "==", SLO_TOK_EQ },
	{ "..", SLO_TOK_DOTDOT }, { "<", SLO_TOK_LT },     { ">", SLO_TOK_GT },
	{ "=", SLO_TOK_ASSIGN },  { "*", SLO_TOK_STAR },   { "+", SLO_TOK_PLUS },
	{ ",", SLO_TOK_COMMA },   { "{", SLO_TOK_LBRACE }, { "}", SLO_TOK_RBRACE },
	{ "(", SLO_TOK_LPAREN },  { ")", SLO_TOK_RPAREN }, { "/", SLO_TOK_SLASH },
};

static int lex_string(const char *s, struct slo_token *token, size_t *ret_len, struct bo_err *err)
{
	const char *end = strchr(s + 1, '"');

	if (!end)
		return slo_err_at(err, token->col, "this string has no closing quote");
	/* Names are shown in messages and reports, a line each. */
	for (const char *c = s; c < end; c++) {
		if (iscntrl((unsigned char)*c))
			return slo_err_at(err, token->col,
					  "this string has a control character in it");
	}
	token->kind = SLO_TOK_STRING;
	token->start = s + 1;
	token->len = (size_t)(end - s) - 1;
	*ret_len = token->len + 2;
	return 0;
}

static int unexpected(const char *s, int col, struct bo_err *err)
{
	if (*s == ';')
		return slo_err_at(
			err, col,
			"one budget per line: write what follows ';' as a budget of its own, "
			"or join the two with 'and'");
	if (*s == '!')
		return slo_err_at(err, col, "unexpected '!'; comparisons are <= < >= > ==");
	if (isprint((unsigned char)*s))
		return slo_err_at(err, col, "unexpected character '%c'", *s);
	return slo_err_at(err, col, "unexpected byte 0x%02x", (unsigned char)*s);
}

int slo_lex(const char *text, size_t at, struct slo_token *ret, size_t *ret_next,
	    struct bo_err *err)
{
	struct slo_token token = { .kind = SLO_TOK_END };
	const char *s;
	size_t len = 0;

	while (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r')
		at++;
	s = text + at;
	token.start = s;
	token.col = (int)at + 1;
	if (*s == '"') {
		int r = lex_string(s, &token, &len, err);

		if (r < 0)
			return r;
	} else if (is_alpha(*s)) {
		token.kind = SLO_TOK_WORD;
		token.len = len = word_length(s);
	} else if (is_digit(*s) || (*s == '-' && is_digit(s[1])) || (*s == '.' && is_digit(s[1]))) {
		token.kind = SLO_TOK_NUMBER;
		token.len = len = number_length(s);
	} else if (*s) {
		for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]) && !len; i++) {
			if (strncmp(s, symbols[i].text, strlen(symbols[i].text)) == 0) {
				token.kind = symbols[i].kind;
				token.len = len = strlen(symbols[i].text);
			}
		}
		if (!len)
			return unexpected(s, token.col, err);
	}
	*ret = token;
	*ret_next = at + len;
	return 0;
}
