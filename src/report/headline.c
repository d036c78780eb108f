/* SPDX-License-Identifier: Apache-2.0 */
/* report/headline.c — one sentence that says why.
 * Of several broken budgets it names the one that broke first in time: that is where to start
 * looking.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include "headline.h"

#include "brownout/base/clock.h"

static size_t count_outcome(const struct bo_run *run, enum bo_outcome outcome)
{
	size_t n = 0;

	bo_vec_foreach(b, &run->verdict.budgets)
		n += b->outcome == outcome && !b->warn;
	return n;
}

/* Those that do not only warn. */
static size_t count_deciding(const struct bo_run *run)
{
	size_t n = 0;

	bo_vec_foreach(b, &run->verdict.budgets)
		n += !b->warn;
	return n;
}

static bool broke_earlier(const struct bo_budget_result *a, const struct bo_budget_result *b)
{
	if (a->first_breach_ns == INT64_MIN)
		return false;
	return b->first_breach_ns == INT64_MIN || a->first_breach_ns < b->first_breach_ns;
}

static const struct bo_budget_result *first_broken(const struct bo_run *run)
{
	const struct bo_budget_result *first = NULL;

	bo_vec_foreach(b, &run->verdict.budgets)
		if (b->outcome == BO_FAIL && !b->warn && (!first || broke_earlier(b, first)))
			first = b;
	return first;
}

static void why_failed(struct bo_strbuf *sb, const struct bo_run *run)
{
	size_t broken = count_outcome(run, BO_FAIL), total = count_deciding(run);
	const struct bo_budget_result *first = first_broken(run);

	if (run->failure)
		bo_strbuf_printf(sb, "%s.%s", run->failure, broken ? " " : "");
	if (!first)
		return;
	bo_strbuf_printf(sb, "%zu of %zu budget%s broken%s", broken, total, total == 1 ? "" : "s",
			 broken > 1 ? ". First" : "");
	if (first->first_breach_ns != INT64_MIN)
		bo_strbuf_printf(sb, ", at %.2fs",
				 (double)first->first_breach_ns / (double)BO_NSEC_PER_SEC);
	bo_strbuf_printf(sb, ": %s, measured %s", first->text, first->measured);
	if (*first->excess)
		bo_strbuf_printf(sb, ", missed %s", first->excess);
	bo_strbuf_puts(sb, ".");
}

static void why_inconclusive(struct bo_strbuf *sb, const struct bo_run *run)
{
	if (run->verdict.reasons.len) {
		bo_strbuf_printf(sb, "No verdict: %s.", run->verdict.reasons.items[0]);
		if (run->verdict.reasons.len > 1)
			bo_strbuf_printf(sb, " (%zu more)", run->verdict.reasons.len - 1);
		return;
	}
	bo_vec_foreach(b, &run->verdict.budgets) {
		if (b->outcome != BO_INCONCLUSIVE || b->warn)
			continue;
		bo_strbuf_printf(sb, "No verdict on %s: %s.", b->text,
				 *b->reason ? b->reason : "it could not be judged");
		return;
	}
	bo_strbuf_puts(sb, "No verdict.");
}

static void headline(struct bo_strbuf *sb, const struct bo_run *run)
{
	size_t total = count_deciding(run), confirmed = 0, warnings = 0;

	switch (run->verdict.outcome) {
	case BO_FAIL:
		why_failed(sb, run);
		return;
	case BO_INCONCLUSIVE:
		why_inconclusive(sb, run);
		return;
	case BO_ABORTED:
		bo_strbuf_printf(sb, "Aborted at %.2fs: %s.",
				 (double)run->ended_ns / (double)BO_NSEC_PER_SEC,
				 run->abort_reason ? run->abort_reason : "no reason was recorded");
		return;
	case BO_PASS:
		break;
	}
	bo_vec_foreach(f, &run->faults)
		confirmed += f->confirm == BO_CONFIRM_OK;
	if (total == 1)
		bo_strbuf_puts(sb, "The one budget held");
	else
		bo_strbuf_printf(sb, "All %zu budgets held", total);
	if (run->faults.len)
		bo_strbuf_printf(sb, " under %zu confirmed fault%s", confirmed,
				 confirmed == 1 ? "" : "s");
	bo_vec_foreach(b, &run->verdict.budgets)
		warnings += b->warn && b->outcome == BO_FAIL;
	if (warnings)
		bo_strbuf_printf(sb, "; %zu warning%s", warnings, warnings == 1 ? "" : "s");
	bo_strbuf_puts(sb, ".");
}

void bo_headline(struct bo_strbuf *sb, const struct bo_run *run)
{
	headline(sb, run);
	if (run->stopped_early && run->verdict.outcome != BO_ABORTED)
		bo_strbuf_printf(sb, " Stopped early at %.1fs of %.1fs: %s.",
				 (double)run->stopped_ns / (double)BO_NSEC_PER_SEC,
				 (double)bo_plan_total(run->plan) / (double)BO_NSEC_PER_SEC,
				 run->stopped_early);
}
