/* SPDX-License-Identifier: Apache-2.0 */
/* census/text.c — evidence: every goroutine with its own stack, as pprof's goroutine?debug=2 would print it, so that the
 * tools that read such dumps read this one.  Unlike that one it stops nothing and is never cut.
 * Owns: nothing.  Threads: one at a time.  Privilege: none of its own. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "census-internal.h"

#define MINUTE_NS (60 * BO_NSEC_PER_SEC)

struct writing {
	struct bo_census *census;
	FILE *out;
	uint64_t max, written, left_out;
	int64_t now_ns;
};

static void write_header(const struct writing *w, const struct bo_gorec *rec)
{
	enum bo_census_state state = bo_gostate(rec->status);
	int64_t minutes = 0;

	if ((state == BO_CENSUS_WAITING || state == BO_CENSUS_SYSCALL) && rec->waitsince > 0 &&
	    rec->waitsince < w->now_ns)
		minutes = (w->now_ns - rec->waitsince) / MINUTE_NS;
	fprintf(w->out, "goroutine %" PRIu64 " [%s%s", rec->goid,
		bo_goreason(w->census, state, rec->reason),
		state == BO_CENSUS_LEAKED ? " (leaked)" : "");
	if (minutes)
		fprintf(w->out, ", %" PRId64 " minutes", minutes);
	fprintf(w->out, "%s]:\n", rec->locked ? ", locked to thread" : "");
}

static void write_frame(FILE *out, const struct bo_census_frame *f)
{
	fprintf(out, "%s(...)\n\t%s:%d +0x%" PRIx64 "\n", f->func, f->file[0] ? f->file : "?",
		f->line, f->offset);
}

static void write_stack(const struct writing *w, const struct bo_gorec *rec)
{
	uint64_t pcs[BO_GOSTACK_PCS_MAX];
	size_t n = bo_gostack_walk(w->census, rec, pcs);
	bool shown = false;

	for (size_t i = 0; i < n; i++) {
		const struct bo_gosite *site = bo_gosites_get(&w->census->sites, pcs[i] - 1);

		/* As the runtime's own dumps: how it parks is left out, unless there is nothing else. */
		if (!shown && site->runtime && !site->user_main && i + 1 < n)
			continue;
		for (size_t k = 0; k < site->nframes; k++)
			write_frame(w->out, &site->frames[k]);
		shown = true;
	}
	if (!shown)
		fprintf(w->out, "\tgoroutine running on other thread; stack unavailable\n");
}

static void write_created(const struct writing *w, const struct bo_gorec *rec)
{
	const struct bo_gosite *site;

	if (!rec->gopc || rec->goid == 1)
		return;
	site = bo_gosites_get(&w->census->sites, rec->gopc - 1);
	fprintf(w->out, "created by %s", site->frames[0].outer);
	if (rec->parent)
		fprintf(w->out, " in goroutine %" PRIu64, rec->parent);
	fprintf(w->out, "\n\t%s:%d +0x%" PRIx64 "\n",
		site->frames[0].file[0] ? site->frames[0].file : "?", site->frames[0].line,
		site->frames[0].offset + 1);
}

static void write_chunk(void *self, const struct bo_gorec *recs, size_t n, uint64_t first)
{
	struct writing *w = self;

	(void)first;
	for (size_t i = 0; i < n; i++) {
		if (!recs[i].addr || bo_gostate(recs[i].status) == BO_CENSUS_STATES ||
		    bo_gosystem(w->census, recs[i].startpc))
			continue;
		if (w->written == w->max) {
			w->left_out++;
			continue;
		}
		/* Blocks are parted by an empty line. */
		if (w->written++)
			fputc('\n', w->out);
		/* Each goroutine has its own budget: a dump may be long, only a single walk must not be. */
		w->census->pcln.steps_left = BO_GOPCLN_STEPS_MAX;
		write_header(w, &recs[i]);
		write_stack(w, &recs[i]);
		write_created(w, &recs[i]);
	}
}

int bo_census_write_goroutines(struct bo_census *census, FILE *out, uint64_t max,
			       uint64_t *ret_written, struct bo_err *err)
{
	struct writing w = { .census = census, .out = out, .max = max, .now_ns = bo_now_ns() };
	uint64_t len;
	int r = bo_gowalk(census, write_chunk, &w, &len, err);

	if (r)
		return r;
	if (w.left_out)
		fprintf(out, "\n# %" PRIu64 " more goroutines are not shown\n", w.left_out);
	if (ferror(out))
		return bo_err_set(err, EIO, BO_SUBSYS_PROBE,
				  "the goroutine dump could not be written");
	if (ret_written)
		*ret_written = w.written;
	return 0;
}
