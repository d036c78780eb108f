/* SPDX-License-Identifier: Apache-2.0 */
/* harness/evidence.c — evidence of goroutines, taken while they are there.
 *
 * After a run it is too late to ask who leaked.  So at the end of base, hold and settle, and once when the number of
 * goroutines first leaves all that base would explain (the tripwire), each subject's goroutines are written out, as text
 * that tools for Go's own dumps read and as groups in JSON.  At the end base is compared with hold and settle.
 * Nothing of it stops the service where the census reads it, on a thread that neither samples nor keeps the schedule.  A
 * service that cannot be read is asked for a dump, which stops it, at these moments alone.  After the heal Go's own leak
 * detector is asked where a budget is about leaks: it collects the service's garbage, too, which is no matter then.
 * Snapshots are asked for a moment before a phase ends: the first thing of the next phase may be the heal, which
 * lets stuck calls go on. */
#include "harness/evidence.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/census.h"
#include "harness/census_view.h"

#define DUMP_MAX 20000
#define COUNTS_MAX 4096
/* Groups of one census that are kept to be compared. */
#define KEPT_MAX 2000
#define TRIPWIRE "tripwire"
#define LEAKS "leaks"

enum kept { BASE, HOLD, SETTLE, KEPTS };

struct kept_census {
	struct bo_census_group *groups; /* [borrowed: arena] */
	size_t ngroups;
	uint64_t user;
};

/* @counts … @told: the main thread's; @kept: the observer's until the sampler has stopped */
struct subject {
	int node;
	BO_VEC(double) counts; /* in base */
	double limit;          /* of the tripwire, NAN until base is over */
	bool tripped;
	bool asked[BO_PHASE_COUNT];
	bool agreed[BO_PHASE_COUNT];
	struct kept_census kept[KEPTS];
};

struct bo_evidence {
	struct bo_run *run;         /* [borrowed] */
	struct bo_sampler *sampler; /* [borrowed] */
	int dir;                    /* goroutines/, -1 until there is something to write */
	int run_dir;                /* [borrowed] */
	BO_VEC(struct subject) subjects;
	struct bo_arena arena; /* the observer's until the sampler has stopped */
	char problem[256];
	bool diff_hold, diff_settle;
};

double bo_evidence_tripwire(double base)
{
	return fmax(base * 3, base + 500);
}

static void remember(struct bo_evidence *e, const char *what, const char *why)
{
	if (!e->problem[0])
		snprintf(e->problem, sizeof(e->problem), "%s: %s", what, why);
}

/* ---- on the census thread ---- */

static int open_dir(struct bo_evidence *e)
{
	if (e->dir >= 0)
		return 0;
	if (mkdirat(e->run_dir, "goroutines", 0755) < 0 && errno != EEXIST)
		return -errno;
	e->dir = openat(e->run_dir, "goroutines", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return e->dir < 0 ? -errno : 0;
}

static FILE *create(struct bo_evidence *e, const char *name)
{
	int fd = open_dir(e) < 0
			 ? -1
			 : openat(e->dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");

	if (!out) {
		remember(e, name, strerrordesc_np(errno));
		if (fd >= 0)
			close(fd);
	}
	return out;
}

static bool finish_file(struct bo_evidence *e, FILE *out, const char *name)
{
	bool failed = ferror(out);

	failed |= fclose(out) != 0;
	if (failed)
		remember(e, name, "could not be written whole");
	return !failed;
}

static void write_text(struct bo_evidence *e, const struct bo_sampler_taken *t, const char *stem)
{
	struct bo_err err = { 0 };
	char name[160];
	FILE *out;

	snprintf(name, sizeof(name), "%s.txt", stem);
	out = create(e, name);
	if (!out)
		return;
	if (t->census && bo_census_write_goroutines(t->census, out, DUMP_MAX, NULL, &err) < 0)
		remember(e, name, err.msg);
	if (t->text)
		fwrite(t->text, 1, t->len, out);
	finish_file(e, out, name);
}

static void write_groups(struct bo_evidence *e, const struct bo_sampler_taken *t, const char *node,
			 const char *stem)
{
	const struct bo_census_info by_dump = { .located = "pprof", .layout = t->snapshot->source };
	struct bo_census_stats stats;
	struct bo_census_view view = { .info = t->census ? bo_census_info(t->census) : &by_dump,
				       .name = node,
				       .snap = t->full,
				       .stats = t->census ? &stats : NULL };
	struct bo_err err = { 0 };
	char name[160];
	json_t *json;
	FILE *out;

	snprintf(name, sizeof(name), "%s.json", stem);
	if (t->census && bo_census_stats(t->census, &stats, &err) < 0) {
		remember(e, name, err.msg);
		return;
	}
	json = bo_census_json(&view);
	out = json ? create(e, name) : NULL;
	/* Half a text is still evidence; half a JSON document is nothing. */
	if (out) {
		bool whole = json_dumpf(json, out, JSON_INDENT(1)) == 0;

		if (!whole)
			remember(e, name, "could not be written whole");
		if (!finish_file(e, out, name) || !whole)
			unlinkat(e->dir, name, 0);
	}
	json_decref(json);
}

static const char *keep(struct bo_evidence *e, const char *s)
{
	const char *copy = *s ? bo_arena_strdup(&e->arena, s) : "";

	return copy ? copy : "";
}

static struct bo_census_frame keep_frame(struct bo_evidence *e, const struct bo_census_frame *f)
{
	struct bo_census_frame copy = *f;

	copy.func = keep(e, f->func);
	copy.outer = copy.func;
	copy.file = keep(e, f->file);
	return copy;
}

/* The handle may be gone with its process before the end: keep copies. */
static void keep_census(struct bo_evidence *e, struct kept_census *kept,
			const struct bo_census_snapshot *snap)
{
	size_t n = snap->ngroups < KEPT_MAX ? snap->ngroups : KEPT_MAX;
	struct bo_census_group *groups = bo_arena_alloc(&e->arena, (n + 1) * sizeof(*groups));

	for (size_t i = 0; groups && i < n; i++) {
		const struct bo_census_group *g = &snap->groups[i];
		struct bo_census_frame *frames = bo_arena_alloc(&e->arena,
								(g->nframes + 1) * sizeof(*frames));

		groups[i] = *g;
		groups[i].reason = keep(e, g->reason);
		groups[i].labels = keep(e, g->labels);
		groups[i].created = keep_frame(e, &g->created);
		groups[i].start = keep_frame(e, &g->start);
		groups[i].blocked = keep_frame(e, &g->blocked);
		groups[i].frames = frames;
		groups[i].nframes = frames ? g->nframes : 0;
		for (size_t k = 0; k < groups[i].nframes; k++)
			frames[k] = keep_frame(e, &g->frames[k]);
	}
	*kept = (struct kept_census){ groups, groups ? n : 0, snap->user };
}

static void taken(void *self, const struct bo_sampler_taken *t)
{
	static const char *const whys[KEPTS] = { "base", "hold", "settle" };
	struct bo_evidence *e = self;
	bool wanted = !strcmp(t->why, TRIPWIRE) || !strcmp(t->why, LEAKS);
	const char *node = e->run->plan->nodes.items[t->snapshot->node].name;
	char stem[128];

	for (int k = 0; k < KEPTS; k++) {
		if (strcmp(t->why, whys[k]))
			continue;
		wanted = true;
		bo_vec_foreach(s, &e->subjects)
			if (s->node == t->snapshot->node)
				keep_census(e, &s->kept[k], t->full);
	}
	if (!wanted)
		return;
	snprintf(stem, sizeof(stem), "%06.2fs-%s-%s", (double)t->snapshot->t_ns / 1e9, node,
		 t->why);
	write_text(e, t, stem);
	write_groups(e, t, node, stem);
}

/* ---- on the main thread ---- */

int bo_evidence_new(struct bo_evidence **ret, struct bo_run *run, struct bo_sampler *sampler,
		    int run_dir, struct bo_err *err)
{
	struct bo_evidence *e = calloc(1, sizeof(*e));
	struct bo_sampler_observer observer = { .self = e, .taken = taken };

	if (!e)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
	e->run = run;
	e->sampler = sampler;
	e->run_dir = run_dir;
	e->dir = -1;
	for (size_t i = 1; i < run->plan->nodes.len; i++) {
		struct subject s = { .node = (int)i, .limit = NAN };

		if (run->plan->nodes.items[i].role == BO_ROLE_SUBJECT &&
		    !bo_vec_push(&e->subjects, s)) {
			bo_evidence_free(e);
			return bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
		}
	}
	bo_sampler_observe(sampler, &observer);
	*ret = e;
	return 0;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void watch_count(struct bo_evidence *e, struct subject *s, enum bo_phase phase)
{
	double now = bo_sampler_latest(e->sampler, BO_SERIES_GOROUTINES, s->node);

	if (isnan(now) || phase < BO_PHASE_BASE)
		return;
	if (phase == BO_PHASE_BASE) {
		if (s->counts.len < COUNTS_MAX)
			(void)bo_vec_push(&s->counts, now);
		return;
	}
	if (isnan(s->limit) && s->counts.len) {
		qsort(s->counts.items, s->counts.len, sizeof(double), by_value);
		s->limit = bo_evidence_tripwire(s->counts.items[s->counts.len / 2]);
	}
	if (!s->tripped && now > s->limit) {
		s->tripped = true;
		bo_run_event(
			e->run, bo_now_ns() - e->run->t0_ns, BO_EVENT_NOTE, s->node,
			"%s has %.0f goroutines, more than %.0f (the larger of base × 3 and base + 500): "
			"see goroutines/",
			e->run->plan->nodes.items[s->node].name, now, s->limit);
		bo_sampler_snapshot(e->sampler, s->node, TRIPWIRE);
	}
}

static bool judges_leaks(const struct bo_plan *plan)
{
	bo_vec_foreach(b, &plan->budgets)
		if (strstr(b->text, "goroutines.leaked"))
			return true;
	return false;
}

void bo_evidence_tick(struct bo_evidence *e, enum bo_phase phase, int64_t in_ns, int64_t left_ns)
{
	bo_vec_foreach(s, &e->subjects) {
		int64_t ahead_ns = bo_sampler_snapshot_ns(e->sampler, s->node);

		if (ahead_ns > (in_ns + left_ns) / 4)
			ahead_ns = (in_ns + left_ns) / 4;
		watch_count(e, s, phase);
		/* Stopping the world for a profile is no matter in these two. */
		if ((phase == BO_PHASE_BASE || phase == BO_PHASE_SETTLE) && in_ns > left_ns &&
		    !s->agreed[phase]) {
			s->agreed[phase] = true;
			bo_sampler_agree(e->sampler, s->node);
			/* Whoever judges leaks wants proof, for which the service collects its garbage. */
			if (phase == BO_PHASE_SETTLE && judges_leaks(e->run->plan))
				bo_sampler_ask_leaks(e->sampler, s->node);
		}
		if (left_ns > ahead_ns || s->asked[phase])
			continue;
		s->asked[phase] = true;
		bo_sampler_snapshot(e->sampler, s->node, bo_phase_name(phase));
	}
}

static void put_site(FILE *out, const char *what, const struct bo_census_frame *f)
{
	if (f->func[0])
		fprintf(out, "%s%s\n\t%s:%d\n", what, f->func, f->file[0] ? f->file : "?", f->line);
}

static void put_change(FILE *out, const struct bo_census_change *c)
{
	const struct bo_census_group *g = c->after;

	fprintf(out, "\n+%" PRId64 " (%" PRIu64 " -> %" PRIu64 ") [%s%s]", c->delta,
		c->before ? c->before->count : 0, g->count, g->reason,
		g->state == BO_CENSUS_LEAKED ? " (leaked)" : "");
	if (g->unmoved)
		fprintf(out, ", %" PRIu64 " stuck", g->unmoved);
	if (g->labels[0])
		fprintf(out, " labels: {%s}", g->labels);
	fputc('\n', out);
	for (size_t i = 0; i < g->nframes; i++)
		put_site(out, "", &g->frames[i]);
	if (!g->nframes)
		put_site(out, "", &g->start);
	put_site(out, "created by ", &g->created);
}

/* The groups of a subject that grew, by growth. */
static void put_subject(struct bo_evidence *e, FILE *out, const struct subject *s, enum kept to)
{
	const struct kept_census *a = &s->kept[BASE], *b = &s->kept[to];
	struct bo_census_change *changes = NULL;
	struct bo_err err = { 0 };
	size_t n = 0;

	fprintf(out,
		"# %s: %" PRIu64 " goroutines at the end of base, %" PRIu64 " at the end of %s\n",
		e->run->plan->nodes.items[s->node].name, a->user, b->user,
		to == HOLD ? "hold" : "settle");
	if (bo_census_diff(a->groups, a->ngroups, b->groups, b->ngroups, &changes, &n, &err) < 0)
		remember(e, "goroutines/", err.msg);
	/* By falling |delta|: what shrank is passed over, and the rest falls by delta. */
	for (size_t i = 0; i < n; i++)
		if (changes[i].delta > 0)
			put_change(out, &changes[i]);
	fputc('\n', out);
	free(changes);
}

static bool write_diff(struct bo_evidence *e, enum kept to, const char *name)
{
	FILE *out = NULL;

	bo_vec_foreach(s, &e->subjects) {
		if (!s->kept[BASE].groups || !s->kept[to].groups)
			continue;
		if (!out)
			out = create(e, name);
		if (!out)
			return false;
		put_subject(e, out, s, to);
	}
	if (out)
		finish_file(e, out, name);
	return out;
}

void bo_evidence_finish(struct bo_evidence *e)
{
	e->diff_hold = write_diff(e, HOLD, "diff-base-hold.txt");
	e->diff_settle = write_diff(e, SETTLE, "diff-base-settle.txt");
	if (e->problem[0])
		bo_run_event(e->run, bo_now_ns() - e->run->t0_ns, BO_EVENT_NOTE, -1,
			     "evidence of goroutines is incomplete: %s", e->problem);
}

void bo_evidence_name(struct bo_evidence *e)
{
	const char *files =
		e->diff_hold && e->diff_settle
			? "goroutines/diff-base-hold.txt, goroutines/diff-base-settle.txt"
		: e->diff_hold   ? "goroutines/diff-base-hold.txt"
		: e->diff_settle ? "goroutines/diff-base-settle.txt"
		: e->dir >= 0    ? "goroutines/"
				 : NULL;

	bo_vec_foreach(b, &e->run->verdict.budgets)
		if (b->outcome == BO_FAIL && strstr(b->text, "goroutines"))
			b->evidence = files;
}

void bo_evidence_free(struct bo_evidence *e)
{
	if (!e)
		return;
	bo_vec_foreach(s, &e->subjects)
		bo_vec_done(&s->counts);
	bo_vec_done(&e->subjects);
	bo_arena_done(&e->arena);
	bo_close(&e->dir);
	free(e);
}
