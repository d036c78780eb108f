/* SPDX-License-Identifier: Apache-2.0 */
/* slo/decide.c — an estimate against a limit, and the words for it.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/units.h"
#include "check.h"
#include "eval.h"
#include "metric.h"
#include "syntax.h"

bool slo_op_caps(enum slo_op op)
{
	return op == SLO_LE || op == SLO_LT;
}

bool slo_this_good(const struct slo_cmp *cmp)
{
	bool availability = strcmp(cmp->metric->name, "availability") == 0;

	if (cmp->op == SLO_EQ)
		return availability ? cmp->limit > 0 : cmp->limit <= 0;
	return availability ? !slo_op_caps(cmp->op) : slo_op_caps(cmp->op);
}

/* A number or a frequency of errors above 0 is no share that a short window could be held against. */
bool slo_is_reference(const struct slo_cmp *cmp)
{
	bool share = cmp->metric->unit == SLO_UNIT_DURATION || cmp->metric->unit == SLO_UNIT_RATIO;

	return (cmp->metric->flags & SLO_M_STEADY) && !cmp->cls && slo_this_good(cmp) &&
	       (share || (cmp->limit_kind == SLO_LIMIT_ABSOLUTE && cmp->limit <= 0));
}

bool slo_same_requests(const struct slo_cmp *a, const struct slo_cmp *b)
{
	return (!a->load || !b->load || strcmp(a->load, b->load) == 0) &&
	       (!a->route || !b->route || strcmp(a->route, b->route) == 0);
}

bool slo_limit_of_base(const struct slo_cmp *cmp)
{
	return cmp->limit_kind == SLO_LIMIT_FACTOR || cmp->limit_kind == SLO_LIMIT_OFFSET;
}

double slo_limit_fixed(const struct slo_cmp *cmp, const struct bo_plan *plan)
{
	switch (cmp->limit_kind) {
	case SLO_LIMIT_ABSOLUTE:
		return cmp->limit;
	case SLO_LIMIT_TIMES_TIMEOUT:
		return cmp->limit * (double)plan->timeout_ns;
	case SLO_LIMIT_AFTER_TIMEOUT:
		return cmp->limit + (double)plan->timeout_ns;
	case SLO_LIMIT_FACTOR:
	case SLO_LIMIT_OFFSET:
	case SLO_LIMIT_OF_LIMIT:
		break;
	}
	return NAN;
}

bool slo_breaks(enum slo_op op, double value, double limit)
{
	switch (op) {
	case SLO_LE:
		return value > limit;
	case SLO_LT:
		return value >= limit;
	case SLO_GE:
		return value < limit;
	case SLO_GT:
		return value <= limit;
	case SLO_EQ:
		break;
	}
	return value < limit || value > limit;
}

enum bo_outcome slo_decide(enum slo_op op, const struct slo_estimate *est, double limit_lower,
			   double limit_upper)
{
	double lower = est->lower, upper = est->upper;
	bool pass, fail;

	if (isnan(limit_lower) || isnan(limit_upper) || isnan(lower) || isnan(upper))
		return BO_INCONCLUSIVE;
	if (op == SLO_EQ) {
		pass = lower == upper && lower == limit_lower && lower == limit_upper;
		fail = upper < limit_lower || lower > limit_upper;
	} else if (slo_op_caps(op)) {
		pass = !slo_breaks(op, upper, limit_lower);
		fail = slo_breaks(op, lower, limit_upper);
	} else {
		pass = !slo_breaks(op, lower, limit_upper);
		fail = slo_breaks(op, upper, limit_lower);
	}
	/* An infinite bound means "not known", never "infinitely good". */
	if (pass && isinf(slo_op_caps(op) ? upper : lower))
		pass = false;
	return pass ? BO_PASS : fail ? BO_FAIL : BO_INCONCLUSIVE;
}

enum slo_unit slo_cmp_unit(const struct slo_cmp *cmp)
{
	return cmp->limit_kind == SLO_LIMIT_OF_LIMIT ? SLO_UNIT_RATIO : cmp->metric->unit;
}

bool slo_cmp_exact(const struct slo_cmp *cmp)
{
	return (cmp->metric->flags & SLO_M_ALL_OR_NONE) && cmp->limit_kind == SLO_LIMIT_ABSOLUTE &&
	       (cmp->limit == 0 || cmp->limit == 1);
}

/* A limit of many times base may be beyond what the formatters of base/units.h take. */
static int64_t clamped(double value)
{
	return fabs(value) < 9e18 ? (int64_t)value : value < 0 ? INT64_MIN : INT64_MAX;
}

const char *slo_format(enum slo_unit unit, double value, char buf[BO_UNIT_BUF])
{
	if (isnan(value) || isinf(value)) {
		snprintf(buf, BO_UNIT_BUF, "unknown");
		return buf;
	}
	switch (unit) {
	case SLO_UNIT_DURATION:
		return bo_format_duration(clamped(value), buf);
	case SLO_UNIT_RATIO:
		return bo_format_ratio(value, buf);
	case SLO_UNIT_SIZE:
		return bo_format_size(clamped(value), buf);
	case SLO_UNIT_RATE:
		snprintf(buf, BO_UNIT_BUF, "%.*f/s", fabs(value) < 100 ? 1 : 0, value);
		return buf;
	case SLO_UNIT_COUNT:
		break;
	}
	if (fabs(value) >= 1e15)
		snprintf(buf, BO_UNIT_BUF, "%.6g", value);
	else if (value == floor(value))
		snprintf(buf, BO_UNIT_BUF, "%.0f", value);
	else
		snprintf(buf, BO_UNIT_BUF, "%.2f", value);
	return buf;
}

void slo_say_needed(char *why, size_t size, double need, size_t n, int64_t total_ns)
{
	size_t used = strlen(why);
	double ns = need * (double)total_ns / (double)n;
	char d[BO_UNIT_BUF];

	if (need <= 0)
		snprintf(why + used, size - used, "; it is at the limit");
	else if (need > (double)n)
		snprintf(why + used, size - used, "; about %.0f would do (%s at this rate)", need,
			 bo_format_duration(clamped(ns), d));
}

static const char *label_of(const struct slo_cmp *cmp)
{
	const char *dot = strchr(cmp->metric_text, '.');

	if (cmp->metric->label)
		return cmp->metric->label;
	return dot ? dot + 1 : cmp->metric_text;
}

static void describe_limit(const struct slo_cmp *cmp, double limit, char *buf, size_t size)
{
	char l[BO_UNIT_BUF], relative[64] = "", windows[64] = "";

	slo_format(slo_cmp_unit(cmp), limit, l);
	switch (cmp->limit_kind) {
	case SLO_LIMIT_ABSOLUTE:
		break;
	case SLO_LIMIT_FACTOR:
		snprintf(relative, sizeof(relative), " (%.40s * base)", cmp->limit_text);
		break;
	case SLO_LIMIT_OFFSET:
		snprintf(relative, sizeof(relative), " (base + %.40s)", cmp->limit_text);
		break;
	case SLO_LIMIT_OF_LIMIT:
		snprintf(relative, sizeof(relative), " of limit");
		break;
	case SLO_LIMIT_TIMES_TIMEOUT:
		snprintf(relative, sizeof(relative), " (%.40s * timeout)", cmp->limit_text);
		break;
	case SLO_LIMIT_AFTER_TIMEOUT:
		snprintf(relative, sizeof(relative), " (timeout + %.40s)", cmp->limit_text);
		break;
	}
	if (cmp->window_ns)
		snprintf(windows, sizeof(windows), " in %.20s of %.20s windows", cmp->share_text,
			 cmp->window_text);
	else if (cmp->sustained_ns)
		snprintf(windows, sizeof(windows), " sustained for %.20s", cmp->sustained_text);
	snprintf(buf, size, "%s %s%s%s", slo_op_text(cmp->op), l, relative, windows);
}

void slo_describe(const struct slo_cmp *cmp, const struct slo_estimate *est, double limit,
		  const char *node, struct slo_result *ret)
{
	enum slo_unit unit = slo_cmp_unit(cmp);
	char v[BO_UNIT_BUF];

	ret->measured_value = est->value;
	ret->limit_value = limit;
	ret->first_breach_ns = est->breach_ns;
	describe_limit(cmp, limit, ret->limit, sizeof(ret->limit));
	ret->excess[0] = '\0';
	if (isnan(est->value)) {
		snprintf(ret->measured, sizeof(ret->measured), "not measured");
		return;
	}
	snprintf(ret->measured, sizeof(ret->measured), "%s%s%s %s%s%s%s%s%s%s", node ? node : "",
		 node ? " " : "", label_of(cmp), est->at_least ? ">= " : "",
		 slo_format(unit, est->value, v), est->detail[0] ? " (" : "", est->detail,
		 est->detail[0] ? ")" : "", est->where[0] ? " in " : "", est->where);
	if (!isfinite(limit) || !isfinite(est->value) || !slo_breaks(cmp->op, est->value, limit))
		return;
	if (fabs(limit) > 0)
		snprintf(ret->excess, sizeof(ret->excess), "by %s (%.0f%%)",
			 slo_format(unit, fabs(est->value - limit), v),
			 100 * fabs(est->value - limit) / fabs(limit));
	else
		snprintf(ret->excess, sizeof(ret->excess), "by %s",
			 slo_format(unit, fabs(est->value - limit), v));
}
