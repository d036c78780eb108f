/* SPDX-License-Identifier: Apache-2.0 */
/* slo/print.c — a parsed budget back to text, in canonical spelling: one blank between words,
 * clauses in the order in/at, over, for, sustained; numbers as they were written.  Parsing the result gives
 * the same budget.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <stdarg.h>
#include <stdio.h>

#include "brownout/base/strbuf.h"
#include "select.h"
#include "syntax.h"

const char *slo_op_text(enum slo_op op)
{
	static const char *const texts[] = { "<=", "<", ">=", ">", "==" };

	return texts[op];
}

int slo_err_at(struct bo_err *err, int col, const char *fmt, ...)
{
	char msg[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	return bo_err_set(err, EINVAL, BO_SUBSYS_SLO, "column %d: %s", col, msg);
}

static void print_selectors(const struct slo_cmp *cmp, struct bo_strbuf *out)
{
	const char *sep = "{";

	if (cmp->node) {
		bo_strbuf_printf(out, "%snode=\"%s\"", sep, cmp->node);
		sep = ", ";
	}
	if (cmp->load) {
		bo_strbuf_printf(out, "%sload=\"%s\"", sep, cmp->load);
		sep = ", ";
	}
	if (cmp->route) {
		bo_strbuf_printf(out, "%sroute=\"%s\"", sep, cmp->route);
		sep = ", ";
	}
	if (cmp->cls) {
		bo_strbuf_printf(out, "%sclass=\"%s\"", sep, cmp->cls);
		sep = ", ";
	}
	if (cmp->fault) {
		bo_strbuf_printf(out, "%sfault=\"%s\"", sep, cmp->fault);
		sep = ", ";
	}
	if (cmp->select) {
		slo_select_print(cmp->select, sep, out);
		sep = ", ";
	}
	if (*sep == ',')
		bo_strbuf_puts(out, "}");
}

static void print_burn(const struct slo_burn *burn, struct bo_strbuf *out)
{
	bo_strbuf_printf(out, "(%s%s%s", burn->target_text ? burn->target_text : "",
			 burn->target_text && burn->long_text ? ", " : "",
			 burn->long_text ? burn->long_text : "");
	if (burn->short_text)
		bo_strbuf_printf(out, "/%s", burn->short_text);
	bo_strbuf_puts(out, ")");
}

static void print_scope(const struct slo_cmp *cmp, struct bo_strbuf *out)
{
	if (cmp->to == BO_PHASE_COUNT)
		return;
	bo_strbuf_printf(out, " %s %s", cmp->at ? "at" : "in", bo_phase_name(cmp->from));
	if (cmp->from != cmp->to)
		bo_strbuf_printf(out, "..%s", bo_phase_name(cmp->to));
}

void slo_cmp_print(const struct slo_cmp *cmp, struct bo_strbuf *out)
{
	bo_strbuf_puts(out, cmp->metric_text);
	if (cmp->burn)
		print_burn(cmp->burn, out);
	print_selectors(cmp, out);
	bo_strbuf_printf(out, " %s ", slo_op_text(cmp->op));
	switch (cmp->limit_kind) {
	case SLO_LIMIT_ABSOLUTE:
		bo_strbuf_puts(out, cmp->limit_text);
		break;
	case SLO_LIMIT_FACTOR:
		bo_strbuf_printf(out, "%s * base", cmp->limit_text);
		break;
	case SLO_LIMIT_OFFSET:
		bo_strbuf_printf(out, "base + %s", cmp->limit_text);
		break;
	case SLO_LIMIT_OF_LIMIT:
		bo_strbuf_printf(out, "%s of limit", cmp->limit_text);
		break;
	case SLO_LIMIT_TIMES_TIMEOUT:
		bo_strbuf_printf(out, "%s * timeout", cmp->limit_text);
		break;
	case SLO_LIMIT_AFTER_TIMEOUT:
		bo_strbuf_printf(out, "timeout + %s", cmp->limit_text);
		break;
	}
	print_scope(cmp, out);
	if (cmp->over_ns)
		bo_strbuf_printf(out, " over %s", cmp->over_text);
	if (cmp->window_ns)
		bo_strbuf_printf(out, " for %s of %s windows", cmp->share_text, cmp->window_text);
	if (cmp->sustained_ns)
		bo_strbuf_printf(out, " sustained for %s", cmp->sustained_text);
}

static void print_must(const struct slo_expr *expr, struct bo_strbuf *out)
{
	const struct slo_must *must = &expr->must;
	bool parens = expr->left->kind != SLO_EXPR_CMP;

	bo_strbuf_puts(out, parens ? "must (" : "must ");
	slo_expr_print(expr->left, false, out);
	bo_strbuf_printf(out, "%s within %s", parens ? ")" : "", must->within_text);
	if (must->of != BO_PHASE_COUNT)
		bo_strbuf_printf(out, " of %s", bo_phase_name(must->of));
	if (must->sustained_ns)
		bo_strbuf_printf(out, " sustained for %s", must->sustained_text);
}

void slo_expr_print(const struct slo_expr *expr, bool inside_and, struct bo_strbuf *out)
{
	bool parens = expr->kind == SLO_EXPR_OR && inside_and;

	if (expr->kind == SLO_EXPR_CMP) {
		slo_cmp_print(&expr->cmp, out);
		return;
	}
	if (expr->kind == SLO_EXPR_MUST) {
		print_must(expr, out);
		return;
	}
	if (parens)
		bo_strbuf_puts(out, "(");
	slo_expr_print(expr->left, expr->kind == SLO_EXPR_AND, out);
	bo_strbuf_puts(out, expr->kind == SLO_EXPR_AND ? " and " : " or ");
	slo_expr_print(expr->right, expr->kind == SLO_EXPR_AND, out);
	if (parens)
		bo_strbuf_puts(out, ")");
}

static void print_subject(const struct slo_expr *expr, struct bo_strbuf *out)
{
	if (expr->kind == SLO_EXPR_CMP) {
		bo_strbuf_puts(out, expr->cmp.metric_text);
		print_selectors(&expr->cmp, out);
		print_scope(&expr->cmp, out);
		return;
	}
	bo_strbuf_puts(out, "(");
	print_subject(expr->left, out);
	bo_strbuf_puts(out, expr->kind == SLO_EXPR_AND ? " and " : " or ");
	print_subject(expr->right, out);
	bo_strbuf_puts(out, ")");
}

void bo_budget_print_subject(const struct bo_budget *budget, struct bo_strbuf *out)
{
	print_subject(budget->root, out);
}

void bo_budget_print(const struct bo_budget *budget, struct bo_strbuf *out)
{
	if (budget->warn)
		bo_strbuf_puts(out, "warn ");
	slo_expr_print(budget->root, false, out);
}
