/* SPDX-License-Identifier: Apache-2.0 */
/* model/run.c — the record of a run: names of its enums, series and timeline. */
#include "brownout/model/run.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAME_OF(table, i) ((unsigned int)(i) < sizeof(table) / sizeof(*(table)) ? (table)[i] : "?")

static const char *const req_class_names[] = {
	[BO_REQ_OK] = "ok",
	[BO_REQ_HTTP_4XX] = "http_4xx",
	[BO_REQ_HTTP_5XX] = "http_5xx",
	[BO_REQ_REFUSED] = "refused",
	[BO_REQ_RESET] = "reset",
	[BO_REQ_UNREACHABLE] = "unreachable",
	[BO_REQ_TIMEOUT_CONNECT] = "timeout_connect",
	[BO_REQ_TIMEOUT_FIRST_BYTE] = "timeout_first_byte",
	[BO_REQ_TIMEOUT_BODY] = "timeout_body",
	[BO_REQ_PROTOCOL] = "protocol",
	[BO_REQ_TLS] = "tls",
	[BO_REQ_GRPC] = "grpc",
	[BO_REQ_SHED] = "shed",
	[BO_REQ_ABANDONED] = "abandoned",
	[BO_REQ_INFLIGHT] = "inflight",
	[BO_REQ_OTHER] = "other",
};
_Static_assert(sizeof(req_class_names) / sizeof(*req_class_names) == BO_REQ_CLASS_COUNT,
	       "a name for every request class");

const char *bo_req_class_name(enum bo_req_class cls)
{
	return NAME_OF(req_class_names, cls);
}

bool bo_req_class_is_error(enum bo_req_class cls)
{
	return cls != BO_REQ_OK && cls != BO_REQ_ABANDONED && cls != BO_REQ_INFLIGHT;
}

const char *bo_confirm_name(enum bo_confirm c)
{
	static const char *const names[] = { "pending", "ok", "off", "unknown" };

	return NAME_OF(names, c);
}

const char *bo_event_kind_name(enum bo_event_kind kind)
{
	static const char *const names[] = { "phase", "fault", "node", "note", "problem" };

	return NAME_OF(names, kind);
}

const char *bo_outcome_name(enum bo_outcome outcome)
{
	static const char *const names[] = { "PASS", "FAIL", "INCONCLUSIVE", "ABORTED" };

	return NAME_OF(names, outcome);
}

enum bo_outcome bo_outcome_from_name(const char *name)
{
	for (int o = BO_PASS; o <= BO_ABORTED; o++)
		if (!strcmp(name, bo_outcome_name((enum bo_outcome)o)))
			return (enum bo_outcome)o;
	return BO_INCONCLUSIVE;
}

int bo_outcome_exit(enum bo_outcome outcome)
{
	switch (outcome) {
	case BO_PASS:
		return 0;
	case BO_FAIL:
		return 1;
	case BO_ABORTED:
		return 4;
	case BO_INCONCLUSIVE:
		break;
	}
	return 3;
}

int64_t bo_thinned_ns(int64_t interval_ns, int64_t dense, int64_t into_ns)
{
	int64_t end_ns = 0, len_ns;

	/* A stretch of @dense looks at each distance: they end at 1, 3, 7 … times the first. */
	while (!__builtin_mul_overflow(interval_ns, dense, &len_ns) &&
	       !__builtin_add_overflow(end_ns, len_ns, &end_ns) && into_ns >= end_ns)
		interval_ns *= 2;
	return interval_ns;
}

struct bo_run *bo_run_new(const struct bo_plan *plan)
{
	struct bo_run *run = calloc(1, sizeof(*run));

	if (!run)
		return NULL;
	run->plan = plan;
	for (int p = 0; p < BO_PHASE_COUNT; p++)
		run->phases[p] = (struct bo_phase_span){ INT64_MIN, INT64_MIN };
	for (size_t i = 0; i < plan->faults.len; i++) {
		struct bo_fault_record none = { .applied_ns = INT64_MIN, .reverted_ns = INT64_MIN };

		if (!bo_vec_push(&run->faults, none))
			goto fail;
	}
	for (size_t i = 0; i < plan->loads.len; i++)
		if (!bo_vec_push(&run->loads, (struct bo_load_record){ 0 }))
			goto fail;
	run->verdict.outcome = BO_INCONCLUSIVE;
	return run;
fail:
	bo_run_free(run);
	return NULL;
}

void bo_run_free(struct bo_run *run)
{
	if (!run)
		return;
	bo_vec_foreach(s, &run->series) {
		bo_vec_done(&(*s)->samples);
		bo_vec_done(&(*s)->gaps);
		free(*s);
	}
	bo_vec_done(&run->series);
	bo_vec_done(&run->requests);
	bo_vec_done(&run->snapshots);
	bo_vec_done(&run->leaks);
	bo_vec_done(&run->faults);
	bo_vec_done(&run->loads);
	bo_vec_done(&run->events);
	bo_vec_done(&run->verdict.budgets);
	bo_vec_done(&run->verdict.reasons);
	bo_arena_done(&run->arena);
	free(run);
}

struct bo_series *bo_run_series_add(struct bo_run *run, const char *name, const char *unit,
				    const char *source, int node)
{
	struct bo_series *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->name = bo_arena_strdup(&run->arena, name);
	s->unit = bo_arena_strdup(&run->arena, unit);
	s->source = bo_arena_strdup(&run->arena, source);
	s->node = node;
	if (!s->name || !s->unit || !s->source || !bo_vec_push(&run->series, s)) {
		free(s);
		return NULL;
	}
	return s;
}

const struct bo_series *bo_run_series(const struct bo_run *run, const char *name, int node)
{
	bo_vec_foreach(s, &run->series)
		if ((*s)->node == node && !strcmp((*s)->name, name))
			return *s;
	return NULL;
}

void bo_run_event(struct bo_run *run, int64_t t_ns, enum bo_event_kind kind, int node,
		  const char *fmt, ...)
{
	struct bo_event ev = { .t_ns = t_ns, .kind = kind, .node = node };
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ev.text = bo_arena_strdup(&run->arena, text);
	if (ev.text)
		(void)bo_vec_push(&run->events, ev);
}
