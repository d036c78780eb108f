/* SPDX-License-Identifier: Apache-2.0 */
/* probe/dump.c — a dump of goroutines, from text to groups.
 * Members of a group agree in what bo_census_diff() compares: state, go statement, function, blocking site, labels.  The
 * first member's stack is kept for it.  Texts are interned, so groups are found by comparing pointers.
 * Owns: see dump.h.  Threads: see dump.h.  Privilege: none. */
#include "dump.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/base/strbuf.h"
#include "brownout/probe/pprof.h"
#include "brownout/probe/pprof2.h"
#include "groups.h"
#include "probe-internal.h"

/* A service that labels every goroutine differently has as many groups; the rest is counted as overflow. */
#define GROUPS_MAX 2048
#define LEAKED "leaked"

struct bo_dump {
	enum bo_dump_kind kind;
	struct bo_fetch *fetch;
	bo_dump_done_fn done;
	void *self;
	int64_t first_ns;
	struct bo_strbuf text;
	struct bo_pprof2_visitor visitor;
	struct bo_pprof2 parser;
	struct bo_pprof_visitor brief_visitor;
	struct bo_pprof brief;
	struct bo_arena arena;
	struct bo_texts texts;
	BO_VEC(struct bo_census_group) groups;
	struct bo_census_snapshot snap;
	/* the goroutine (of a brief profile: the group) whose lines are being read */
	bool open;
	struct bo_census_group now;
	struct bo_census_frame frames[BO_CENSUS_FRAMES_MAX];
};

const char *bo_dump_source(enum bo_dump_kind kind)
{
	return kind == BO_DUMP_STACKS  ? "pprof debug=2"
	       : kind == BO_DUMP_LEAKS ? "pprof goroutineleak debug=2"
				       : "pprof goroutineleak debug=1";
}

static const char *keep(struct bo_dump *d, const char *s, size_t len)
{
	char buf[1024];

	snprintf(buf, sizeof(buf), "%.*s", (int)len, s);
	return bo_texts_keep(&d->texts, buf);
}

/* ---- goroutines ---- */

static const struct bo_census_frame nowhere = { .func = "", .outer = "", .file = "" };

static void begin(struct bo_dump *d, uint64_t count)
{
	d->open = true;
	d->now = (struct bo_census_group){ .state = BO_CENSUS_WAITING,
					   .reason = "",
					   .created = nowhere,
					   .start = nowhere,
					   .blocked = nowhere,
					   .labels = "",
					   .count = count };
}

static void add_frame(struct bo_dump *d, const struct bo_census_frame *f)
{
	struct bo_census_group *g = &d->now;

	if (g->nframes < BO_CENSUS_FRAMES_MAX)
		d->frames[g->nframes++] = *f;
	if (!g->blocked.func[0] && g->state != BO_CENSUS_RUNNING &&
	    !bo_census_is_primitive(f->func))
		g->blocked = *f;
	g->start = *f; /* until one comes that is further out */
}

static bool same_site(const struct bo_census_frame *a, const struct bo_census_frame *b)
{
	return a->func == b->func && a->file == b->file && a->line == b->line;
}

static bool same_group(const struct bo_census_group *a, const struct bo_census_group *b)
{
	return a->state == b->state && a->reason == b->reason && a->labels == b->labels &&
	       a->start.func == b->start.func && same_site(&a->created, &b->created) &&
	       same_site(&a->blocked, &b->blocked);
}

static void finish(struct bo_dump *d)
{
	struct bo_census_group *g = &d->now;
	struct bo_census_frame *frames;

	if (!d->open)
		return;
	d->open = false;
	if (d->kind != BO_DUMP_STACKS && g->state != BO_CENSUS_LEAKED)
		return;
	d->snap.user += g->count;
	bo_vec_foreach(other, &d->groups) {
		if (!same_group(other, g))
			continue;
		other->count += g->count;
		other->locked += g->locked;
		if (g->waited_max_ns > other->waited_max_ns)
			other->waited_max_ns = g->waited_max_ns;
		return;
	}
	frames = d->groups.len < GROUPS_MAX
			 ? bo_arena_alloc(&d->arena, (g->nframes + 1) * sizeof(*frames))
			 : NULL;
	if (frames) {
		memcpy(frames, d->frames, g->nframes * sizeof(*frames));
		g->frames = frames;
	}
	if (!frames || !bo_vec_push(&d->groups, *g))
		d->snap.overflow += g->count;
}

static enum bo_census_state state_of(const struct bo_pprof2_goroutine *g, const char *status)
{
	if (g->leaked)
		return BO_CENSUS_LEAKED;
	for (int s = 0; s < BO_CENSUS_STATES; s++)
		if (!strcmp(status, bo_census_state_name((enum bo_census_state)s)))
			return (enum bo_census_state)s;
	return BO_CENSUS_WAITING; /* for what, the status says */
}

static void on_goroutine(void *self, const struct bo_pprof2_goroutine *g)
{
	struct bo_dump *d = self;

	begin(d, 1);
	d->now.reason = keep(d, g->status, g->status_len);
	d->now.state = state_of(g, d->now.reason);
	/* "{"route":"/pay"}" since Go 1.26: the census shows what is in the braces. */
	if (g->labels_len >= 2 && g->labels[0] == '{' && g->labels[g->labels_len - 1] == '}')
		d->now.labels = keep(d, g->labels + 1, g->labels_len - 2);
	else
		d->now.labels = keep(d, g->labels, g->labels_len);
	d->now.locked = g->locked;
	d->now.waited_max_ns = g->minutes * 60 * BO_NSEC_PER_SEC;
	d->now.goid = g->id;
}

static struct bo_census_frame frame_of(struct bo_dump *d, const struct bo_pprof2_frame *f)
{
	const char *func = keep(d, f->func, f->func_len);

	return (struct bo_census_frame){ .func = func,
					 .outer = func,
					 .file = keep(d, f->file, f->file_len),
					 .line = (int)f->line };
}

static void on_frame(void *self, const struct bo_pprof2_frame *f)
{
	struct bo_dump *d = self;
	const struct bo_census_frame frame = frame_of(d, f);

	add_frame(d, &frame);
}

static void on_created(void *self, const struct bo_pprof2_frame *f, uint64_t parent)
{
	struct bo_dump *d = self;

	d->now.created = frame_of(d, f);
	d->now.parent = parent;
}

static void on_end(void *self)
{
	finish(self);
}

/* ---- a brief profile ---- */

static void on_group(void *self, int64_t count, const uint64_t *pcs, size_t npcs)
{
	struct bo_dump *d = self;

	(void)pcs;
	(void)npcs;
	finish(d);
	begin(d, (uint64_t)count);
	d->now.state = BO_CENSUS_LEAKED;
	d->now.reason = bo_texts_keep(&d->texts, LEAKED);
}

static void on_labels(void *self, const char *text, size_t len)
{
	struct bo_dump *d = self;

	d->now.labels = keep(d, text, len);
}

static void on_brief_frame(void *self, uint64_t pc, const char *func, size_t func_len,
			   const char *file, size_t file_len, int64_t line)
{
	struct bo_dump *d = self;
	struct bo_census_frame f = { .file = keep(d, file, file_len), .line = (int)line, .pc = pc };

	f.func = f.outer = keep(d, func, func_len);
	/* What every goroutine starts in says nothing. */
	if (strcmp(f.func, "runtime.goexit") != 0)
		add_frame(d, &f);
}

/* ---- the request ---- */

static int on_body(void *self, const char *bytes, size_t n, struct bo_err *err)
{
	struct bo_dump *d = self;
	int r;

	if (!d->first_ns)
		d->first_ns = bo_now_ns();
	/* pprof never writes more; whoever does is no pprof. */
	if (d->text.len + n > BO_PPROF2_CUT_BYTES)
		return bo_err_set(err, EFBIG, BO_SUBSYS_PROBE, "a dump of more than 64MiB");
	r = d->kind == BO_DUMP_LEAKS_BRIEF ? bo_pprof_feed(&d->brief, bytes, n, err)
					   : bo_pprof2_feed(&d->parser, bytes, n, err);
	if (r < 0)
		return r;
	bo_strbuf_add(&d->text, bytes, n);
	return bo_strbuf_ok(&d->text) ? 0
				      : bo_err_set(err, ENOMEM, BO_SUBSYS_PROBE, "out of memory");
}

static int by_count(const void *a, const void *b)
{
	const struct bo_census_group *x = a, *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return (x->goid > y->goid) - (x->goid < y->goid);
}

static void on_done(void *self, const struct bo_fetch_result *result)
{
	struct bo_dump *d = self;
	struct bo_dump_result out = { .kind = d->kind,
				      .code = result->code,
				      .status = result->status,
				      .reason = result->reason,
				      .t_ns = d->first_ns ? d->first_ns : result->end_ns,
				      .snap = &d->snap };
	struct bo_err err = { 0 };

	if (out.code == 0) {
		out.code = d->kind == BO_DUMP_LEAKS_BRIEF ? bo_pprof_finish(&d->brief, &err)
							  : bo_pprof2_finish(&d->parser, &err);
		out.reason = err.msg;
	}
	out.truncated = d->parser.truncated;
	if (d->kind == BO_DUMP_LEAKS_BRIEF) {
		finish(d); /* no line says that the last group is whole */
	} else if (out.truncated && d->open && d->kind == BO_DUMP_STACKS) {
		d->snap.user++; /* it is there, but who it is was cut off */
		d->snap.overflow++;
	}
	if (d->groups.len)
		qsort(d->groups.items, d->groups.len, sizeof(*d->groups.items), by_count);
	d->snap.groups = d->groups.items;
	d->snap.ngroups = d->groups.len;
	d->snap.t_ns = out.t_ns;
	out.text = bo_strbuf_str(&d->text);
	out.len = d->text.len;
	d->done(d->self, &out);
}

int bo_dump_new(struct bo_dump **ret, struct bo_fetcher *fetcher, const struct bo_node_spec *spec,
		const char *address, enum bo_dump_kind kind, bo_dump_done_fn done, void *self,
		struct bo_err *err)
{
	struct bo_dump *d;
	struct bo_fetch_handler handler = { .body = on_body, .done = on_done };
	char url[512];
	int r = bo_pprof_profile_url(spec, kind == BO_DUMP_STACKS ? "goroutine" : "goroutineleak",
				     kind == BO_DUMP_LEAKS_BRIEF ? 1 : 2, url, sizeof(url), err);

	if (r < 0)
		return r;
	d = calloc(1, sizeof(*d));
	if (!d)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_PROBE, "out of memory");
	d->kind = kind;
	d->done = done;
	d->self = self;
	d->texts.arena = &d->arena;
	d->visitor = (struct bo_pprof2_visitor){ d, on_goroutine, on_frame, on_created, on_end };
	d->brief_visitor = (struct bo_pprof_visitor){ d, on_group, on_labels, on_brief_frame };
	handler.self = d;
	r = bo_fetch_new(&d->fetch, fetcher, url, address, &handler, err);
	if (r < 0) {
		bo_dump_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

static void reset(struct bo_dump *d)
{
	bo_strbuf_done(&d->text);
	bo_pprof2_done(&d->parser);
	bo_pprof_done(&d->brief);
	bo_vec_done(&d->groups);
	bo_texts_done(&d->texts);
	bo_arena_done(&d->arena);
	d->snap = (struct bo_census_snapshot){ 0 };
	d->first_ns = 0;
	d->open = false;
}

int bo_dump_start(struct bo_dump *d, struct bo_err *err)
{
	reset(d);
	bo_pprof2_init(&d->parser, &d->visitor);
	bo_pprof_init(&d->brief, &d->brief_visitor);
	return bo_fetch_start(d->fetch, BO_DUMP_TIMEOUT_NS, err);
}

void bo_dump_free(struct bo_dump *d)
{
	if (!d)
		return;
	bo_fetch_free(d->fetch);
	reset(d);
	free(d);
}
