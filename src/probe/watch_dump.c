/* SPDX-License-Identifier: Apache-2.0 */
/* probe/watch_dump.c — what the census thread asks a service for: a dump where there is no census, and the word of Go's own
 * leak detector.  Requests are under way while the thread goes on with the censuses of others: it waits for the
 * network then, not for its condition.
 * Owns: nothing.  Threads: the census thread.  Privilege: none. */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "watch-internal.h"

/* What stops the service's world is kept to the moments that a verdict is about. */
bool watch_worth_a_dump(const char *why)
{
	static const char *const whys[] = { "base", "hold", "settle", "tripwire" };

	for (size_t i = 0; i < sizeof(whys) / sizeof(*whys); i++)
		if (strcmp(why, whys[i]) == 0)
			return true;
	return false;
}

static void keep_snapshot(struct bo_watch *w, struct watched *n, const struct bo_dump_result *d,
			  const char *why)
{
	struct bo_sampler_taken taken = {
		.why = why, .full = d->snap, .text = d->text, .len = d->len
	};
	struct bo_group_snapshot kept = { .t_ns = d->t_ns - w->t0_ns,
					  .node = n->node,
					  .source = bo_dump_source(d->kind),
					  .truncated = d->truncated };
	double counted = bo_track_known(n->counted);
	bool ok = bo_groups_from_census(&w->texts, d->snap, &kept) == 0;

	/* How many were cut off is known from the counts alone. */
	if (d->truncated && counted > (double)kept.total)
		kept.total = (uint64_t)counted;
	taken.snapshot = &kept;
	if (d->kind == BO_DUMP_STACKS)
		ok = ok && bo_vec_push(&w->snapshots, kept);
	else
		ok = ok && bo_vec_push(&w->leaks, kept);
	if (!ok)
		bo_watch_say(w, BO_EVENT_NOTE, n->node, "%s: out of memory for \"%s\"", n->name,
			     why);
	else if (w->observer.taken)
		w->observer.taken(w->observer.self, &taken);
	if (d->truncated)
		bo_watch_say(
			w, BO_EVENT_NOTE, n->node,
			"%s: the dump for \"%s\" was cut at 64MiB: %llu of %llu goroutines are in it",
			n->name, why, (unsigned long long)d->snap->user,
			(unsigned long long)kept.total);
}

static void dump_done(void *self, const struct bo_dump_result *d)
{
	struct watched *n = self;

	if (d->code < 0)
		bo_watch_say(n->watch, BO_EVENT_NOTE, n->node,
			     "%s: no dump of goroutines for \"%s\": %s", n->name, n->dumping,
			     d->reason);
	else
		keep_snapshot(n->watch, n, d, n->dumping);
	n->dumping = NULL;
}

static void leaks_done(void *self, const struct bo_dump_result *d)
{
	struct watched *n = self;

	n->leaking = false;
	/* Before Go 1.26 there is no such profile, and in 1.26 only by GOEXPERIMENT: no matter. */
	if (d->status == 404)
		return;
	if (d->code < 0) {
		bo_watch_say(n->watch, BO_EVENT_NOTE, n->node,
			     "%s: no word of Go's leak detector: %s", n->name, d->reason);
		return;
	}
	keep_snapshot(n->watch, n, d, "leaks");
	bo_watch_say(n->watch, BO_EVENT_NOTE, n->node,
		     "%s: Go's own leak detector finds %llu leaked goroutines", n->name,
		     (unsigned long long)d->snap->user);
}

int watch_dump_new(struct bo_watch *w, struct watched *n, struct bo_err *err)
{
	return bo_dump_new(&n->dump, w->fetcher, n->spec, n->target->address, BO_DUMP_STACKS,
			   dump_done, n, err);
}

static void begin_dump(struct bo_watch *w, struct watched *n, const char *why)
{
	double counted = bo_track_known(n->counted);
	struct bo_err err = { 0 };

	if (isnan(counted))
		bo_err_set(&err, ENODATA, BO_SUBSYS_PROBE, "how many there are is not known");
	else if (counted > BO_DUMP_GOROUTINES_MAX)
		bo_err_set(
			&err, E2BIG, BO_SUBSYS_PROBE,
			"%.0f goroutines, and a dump of more than %d would stop the service for too long",
			counted, BO_DUMP_GOROUTINES_MAX);
	else if (bo_dump_start(n->dump, &err) == 0)
		n->dumping = why;
	if (!n->dumping)
		bo_watch_say(w, BO_EVENT_NOTE, n->node, "%s: no dump of goroutines for \"%s\": %s",
			     n->name, why, err.msg);
}

static void begin_leaks(struct bo_watch *w, struct watched *n)
{
	double counted = bo_track_known(n->counted);
	/* Of many the leaked ones alone, as groups: their stacks are printed one by one otherwise. */
	enum bo_dump_kind kind = counted <= BO_DUMP_GOROUTINES_MAX ? BO_DUMP_LEAKS
								   : BO_DUMP_LEAKS_BRIEF;
	struct bo_err err = { 0 };
	int r = bo_dump_new(&n->leaks, w->fetcher, n->spec, n->target->address, kind, leaks_done, n,
			    &err);

	if (r == 0)
		r = bo_dump_start(n->leaks, &err);
	n->leaking = r == 0;
	if (r < 0 && r != -ENOENT)
		bo_watch_say(w, BO_EVENT_NOTE, n->node, "%s: no word of Go's leak detector: %s",
			     n->name, err.msg);
}

void watch_serve_dumps(struct bo_watch *w, struct watched *n)
{
	const char *why = NULL;
	bool leaks;

	pthread_mutex_lock(&w->lock);
	leaks = n->leaks_asked && !n->leaks;
	n->leaks_asked = false;
	if (n->dump && !n->dumping && n->nrequests) {
		why = n->requests[0].why;
		memmove(n->requests, n->requests + 1, --n->nrequests * sizeof(*n->requests));
	}
	pthread_mutex_unlock(&w->lock);
	if (why)
		begin_dump(w, n, why);
	if (leaks)
		begin_leaks(w, n);
}

bool watch_is_fetching(const struct bo_watch *w)
{
	bo_vec_foreach(it, &w->nodes)
		if ((*it)->dumping || (*it)->leaking)
			return true;
	return false;
}

void watch_fetch(struct bo_watch *w, int64_t until_ns)
{
	int64_t left_ns = until_ns - bo_now_ns();
	struct bo_err ignored = { 0 };

	if (left_ns < 0)
		left_ns = 0;
	if (bo_fetcher_run(w->fetcher, -1, (int)(left_ns / BO_NSEC_PER_MSEC) + 1, &ignored) < 0)
		poll(NULL, 0, 10);
}
