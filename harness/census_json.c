/* SPDX-License-Identifier: Apache-2.0 */
/* harness/census_json.c — a census as JSON, and back.
 * Owns: see census_view.h.  Threads: main.  Privilege: none. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/strbuf.h"
#include "brownout/report/text.h"
#include "harness/census_view.h"

#define FORMAT_VERSION 1

/* Names come out of the target's memory: bytes that are no UTF-8 would make json_string() fail. */
static json_t *text(const char *s)
{
	struct bo_strbuf sb = { 0 };
	json_t *j;

	bo_text_utf8(&sb, s);
	j = bo_strbuf_ok(&sb) ? json_string(bo_strbuf_str(&sb)) : NULL;
	bo_strbuf_done(&sb);
	return j;
}

static json_t *frame(const struct bo_census_frame *f)
{
	json_t *j;

	if (!f->func[0])
		return json_null();
	j = json_object();
	json_object_set_new(j, "func", text(f->func));
	json_object_set_new(j, "file", text(f->file));
	json_object_set_new(j, "line", json_integer(f->line));
	if (strcmp(f->func, f->outer))
		json_object_set_new(j, "inlined_into", text(f->outer));
	return j;
}

static json_t *group(const struct bo_census_group *g)
{
	json_t *j = json_object(), *stack = json_array();

	json_object_set_new(j, "count", json_integer((json_int_t)g->count));
	json_object_set_new(j, "state", json_string(bo_census_state_name(g->state)));
	json_object_set_new(j, "reason", text(g->reason));
	json_object_set_new(j, "created", frame(&g->created));
	json_object_set_new(j, "start", frame(&g->start));
	json_object_set_new(j, "blocked", frame(&g->blocked));
	json_object_set_new(j, "labels", text(g->labels));
	json_object_set_new(j, "system", json_boolean(g->system));
	json_object_set_new(j, "locked", json_integer((json_int_t)g->locked));
	json_object_set_new(j, "unmoved", json_integer((json_int_t)g->unmoved));
	json_object_set_new(j, "unmoved_ns", json_integer(g->unmoved_ns));
	json_object_set_new(j, "age_min_ns", json_integer(g->age_min_ns));
	json_object_set_new(j, "age_max_ns", json_integer(g->age_max_ns));
	json_object_set_new(j, "waited_max_ns", json_integer(g->waited_max_ns));
	json_object_set_new(j, "goid", json_integer((json_int_t)g->goid));
	json_object_set_new(j, "parent", json_integer((json_int_t)g->parent));
	for (size_t i = 0; i < g->nframes; i++)
		json_array_append_new(stack, frame(&g->frames[i]));
	json_object_set_new(j, "stack", stack);
	return j;
}

/* Numbers that this version or build does not show are left out. */
static json_t *runtime(const struct bo_census_stats *s)
{
	const struct {
		const char *name;
		int64_t value;
	} numbers[] = {
		{ "gc_cycles", s->gc_cycles },
		{ "gc_forced", s->gc_forced },
		{ "gc_pause_total_ns", s->gc_pause_total_ns },
		{ "gc_last_pause_ns", s->gc_last_pause_ns },
		{ "gc_since_ns", s->gc_since_ns },
		{ "heap_live_bytes", s->heap_live_bytes },
		{ "heap_marked_bytes", s->heap_marked_bytes },
		{ "heap_goal_bytes", s->heap_goal_bytes },
		{ "memory_limit_bytes", s->memory_limit_bytes },
		{ "goroutines_created", s->created },
		{ "threads", s->threads },
		{ "idle_threads", s->idle_threads },
		{ "procs", s->procs },
		{ "idle_procs", s->idle_procs },
		{ "spinning", s->spinning },
		{ "runq_global", s->runq_global },
		{ "runq_local", s->runq_local },
		{ "stw_pending_ns", s->stw_pending_ns },
		{ "mutex_wait_ns", s->mutex_wait_ns },
		{ "sched_latency_p50_ns", bo_census_latency_quantile_ns(NULL, s, 0.5) },
		{ "sched_latency_p99_ns", bo_census_latency_quantile_ns(NULL, s, 0.99) },
	};
	json_t *j = json_object();

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (numbers[i].value >= 0)
			json_object_set_new(j, numbers[i].name, json_integer(numbers[i].value));
	return j;
}

json_t *bo_census_json(const struct bo_census_view *view)
{
	const struct bo_census_snapshot *s = view->snap;
	json_t *j = json_object(), *groups = json_array();

	json_object_set_new(j, "census", json_integer(FORMAT_VERSION));
	json_object_set_new(j, "pid", json_integer(view->info->pid));
	json_object_set_new(j, "name", text(view->name));
	json_object_set_new(j, "go", text(view->info->go_version));
	json_object_set_new(j, "arch", text(view->info->arch));
	json_object_set_new(j, "located", text(view->info->located));
	json_object_set_new(j, "layout", text(view->info->layout));
	json_object_set_new(j, "took_ns", json_integer(s->took_ns));
	json_object_set_new(j, "samples", json_integer((json_int_t)s->samples));
	json_object_set_new(j, "user", json_integer((json_int_t)s->user));
	json_object_set_new(j, "system", json_integer((json_int_t)s->system));
	json_object_set_new(j, "dead", json_integer((json_int_t)s->dead));
	json_object_set_new(j, "torn", json_integer((json_int_t)s->torn));
	json_object_set_new(j, "unreadable", json_integer((json_int_t)s->unreadable));
	json_object_set_new(j, "overflow", json_integer((json_int_t)s->overflow));
	if (view->stats)
		json_object_set_new(j, "runtime", runtime(view->stats));
	for (size_t i = 0; i < s->ngroups; i++)
		if (!view->only_unmoved || s->groups[i].unmoved)
			json_array_append_new(groups, group(&s->groups[i]));
	json_object_set_new(j, "groups", groups);
	return j;
}

static const char *str(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static struct bo_census_frame load_frame(const json_t *j)
{
	const char *outer = str(j, "inlined_into");

	return (struct bo_census_frame){
		.func = str(j, "func"),
		.outer = outer[0] ? outer : str(j, "func"),
		.file = str(j, "file"),
		.line = (int)json_integer_value(json_object_get(j, "line")),
	};
}

static struct bo_census_group load_group(const json_t *j)
{
	struct bo_census_group g = {
		.state = BO_CENSUS_STATES,
		.reason = str(j, "reason"),
		.created = load_frame(json_object_get(j, "created")),
		.start = load_frame(json_object_get(j, "start")),
		.blocked = load_frame(json_object_get(j, "blocked")),
		.labels = str(j, "labels"),
		.system = json_is_true(json_object_get(j, "system")),
		.count = (uint64_t)json_integer_value(json_object_get(j, "count")),
		.unmoved = (uint64_t)json_integer_value(json_object_get(j, "unmoved")),
	};

	for (int s = 0; s < BO_CENSUS_STATES; s++)
		if (!strcmp(str(j, "state"), bo_census_state_name(s)))
			g.state = s;
	return g;
}

int bo_census_saved_load(struct bo_census_saved *ret, const char *path, struct bo_err *err)
{
	json_error_t why;
	json_t *groups;

	*ret = (struct bo_census_saved){ .json = json_load_file(path, 0, &why) };
	if (!ret->json)
		return bo_err_set(err, EBADMSG, BO_SUBSYS_HARNESS, "%s:%d: %s", path, why.line,
				  why.text);
	groups = json_object_get(ret->json, "groups");
	if (json_integer_value(json_object_get(ret->json, "census")) != FORMAT_VERSION ||
	    !json_is_array(groups)) {
		bo_census_saved_done(ret);
		return bo_err_set(err, EBADMSG, BO_SUBSYS_HARNESS,
				  "%s is not a census saved by `brownout census --json`", path);
	}
	ret->groups = calloc(json_array_size(groups) + 1, sizeof(*ret->groups));
	if (!ret->groups) {
		bo_census_saved_done(ret);
		return bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
	}
	for (size_t i = 0; i < json_array_size(groups); i++)
		ret->groups[ret->ngroups++] = load_group(json_array_get(groups, i));
	return 0;
}

void bo_census_saved_done(struct bo_census_saved *saved)
{
	json_decref(saved->json);
	free(saved->groups);
	*saved = (struct bo_census_saved){ 0 };
}
