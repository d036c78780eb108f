/* SPDX-License-Identifier: Apache-2.0 */
/* probe/watch.c — one thread that takes the census of all nodes, one node after the other.
 * What it keeps for the run lies in an arena of its own: the run's belongs to the main thread, which
 * writes the timeline meanwhile.  When it has ended, the run takes the arena over.
 * The lock covers what is handed over between threads (requests, handles to count with, lines for
 * the timeline) and is never held while a process is read.
 * Owns: see watch.h.  Threads: see watch.h.  Privilege: see watch.h. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "watch-internal.h"

#define DETAIL (BO_CENSUS_STACKS | BO_CENSUS_LABELS | BO_CENSUS_TRACK)
#define PERIOD_NS BO_NSEC_PER_SEC
/* A census may take this share of the time at most, unless it is asked for. */
#define SHARE 20
#define RETRY_MIN_NS (50 * BO_NSEC_PER_MSEC)
#define RETRY_MAX_NS BO_NSEC_PER_SEC
/* A snapshot that is asked for and cannot be taken for so long is given up, and that is said. */
#define REQUEST_NS (500 * BO_NSEC_PER_MSEC)
/* After a restart the program that was read before is waited for so long: its wrapper comes first. */
#define PATIENCE_NS (5 * BO_NSEC_PER_SEC)
#define LINES_MAX 256

int bo_watch_new(struct bo_watch **ret, struct bo_run *run, struct bo_err *err)
{
	struct bo_watch *w = calloc(1, sizeof(*w));
	pthread_condattr_t attr;
	int r;

	if (!w)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_PROBE, "out of memory");
	r = bo_fetcher_new(&w->fetcher, err);
	if (r < 0) {
		free(w);
		return r;
	}
	w->run = run;
	w->texts.arena = &w->arena;
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->changed, &attr);
	pthread_condattr_destroy(&attr);
	*ret = w;
	return 0;
}

void bo_watch_observe(struct bo_watch *w, const struct bo_sampler_observer *observer)
{
	w->observer = *observer;
}

void bo_watch_set_opener(struct bo_watch *w, const struct bo_sampler_opener *opener)
{
	w->opener = *opener;
}

const struct bo_sampler_opener *bo_watch_opener(const struct bo_watch *w)
{
	return &w->opener;
}

int bo_watch_add(struct bo_watch *w, const struct bo_watch_node *node, struct bo_err *err)
{
	struct watched *n = calloc(1, sizeof(*n));
	int r = 0;

	if (!n)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_PROBE, "out of memory");
	n->watch = w;
	n->node = node->target->node;
	n->target = node->target;
	n->spec = node->target->spec;
	n->name = n->spec->name;
	n->pid = node->pid;
	n->counted = node->counted;
	if (node->attached) {
		n->how = *node->attached;
		snprintf(n->source, sizeof(n->source), "%s", node->source);
	} else {
		r = watch_dump_new(w, n, err);
	}
	if (r == 0 && !bo_vec_push(&w->nodes, n))
		r = bo_err_set(err, ENOMEM, BO_SUBSYS_PROBE, "out of memory");
	if (r < 0) {
		bo_dump_free(n->dump);
		free(n);
	}
	return r;
}

static struct watched *find(struct bo_watch *w, int node)
{
	bo_vec_foreach(it, &w->nodes)
		if ((*it)->node == node)
			return *it;
	return NULL;
}

/* Under the lock.  The thread waits either for the condition or for the network. */
static void poke(struct bo_watch *w)
{
	w->poked = true;
	pthread_cond_signal(&w->changed);
	bo_fetcher_wake(w->fetcher);
}

void bo_watch_wake(struct bo_watch *w)
{
	pthread_mutex_lock(&w->lock);
	poke(w);
	pthread_mutex_unlock(&w->lock);
}

bool bo_watch_dumps(struct bo_watch *w, int node)
{
	const struct watched *n = find(w, node);

	return n && n->dump;
}

void bo_watch_ask_leaks(struct bo_watch *w, int node)
{
	struct watched *n = find(w, node);

	if (!n)
		return;
	pthread_mutex_lock(&w->lock);
	n->leaks_asked = true;
	poke(w);
	pthread_mutex_unlock(&w->lock);
}

void bo_watch_phase(struct bo_watch *w, int64_t start_ns)
{
	atomic_store(&w->phase_ns, start_ns);
	bo_watch_wake(w);
}

void bo_watch_request(struct bo_watch *w, int node, const char *why)
{
	struct watched *n = find(w, node);
	bool full;

	if (!n || (n->dump && !watch_worth_a_dump(why)))
		return;
	pthread_mutex_lock(&w->lock);
	full = n->nrequests == REQUESTS_MAX;
	if (!full)
		n->requests[n->nrequests++] = (struct request){ why, bo_now_ns() };
	poke(w);
	pthread_mutex_unlock(&w->lock);
	if (full)
		bo_watch_say(w, BO_EVENT_NOTE, node,
			     "no census of goroutines for \"%s\": too many were asked for at once",
			     why);
}

struct bo_census *bo_watch_counter(struct bo_watch *w, int node, uint32_t start, char *why,
				   size_t size)
{
	struct watched *n = find(w, node);
	struct bo_census *census = NULL, *stale = NULL;

	if (!n)
		return NULL;
	pthread_mutex_lock(&w->lock);
	if (n->offer && n->offer_start == start)
		census = n->offer;
	else
		stale = n->offer;
	n->offer = NULL;
	if (!census) {
		snprintf(why, size, "%s", n->why_not[0] ? n->why_not : "attaching to the process");
		if (!n->wanted)
			poke(w);
		n->wanted = true;
	}
	pthread_mutex_unlock(&w->lock);
	bo_census_free(stale);
	return census;
}

void bo_watch_say(struct bo_watch *w, enum bo_event_kind kind, int node, const char *fmt, ...)
{
	struct line line = { .t_ns = bo_now_ns(), .kind = kind, .node = node };
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&line.text, fmt, ap) < 0)
		line.text = NULL;
	va_end(ap);
	pthread_mutex_lock(&w->lock);
	if (!line.text || w->lines.len == LINES_MAX || !bo_vec_push(&w->lines, line))
		free(line.text);
	pthread_mutex_unlock(&w->lock);
}

/* ---- the thread ---- */

static void drop(struct watched *n)
{
	bo_census_free(n->census);
	n->census = NULL;
}

static int attach(struct bo_watch *w, struct watched *n, pid_t pid, struct bo_census **ret,
		  struct bo_err *err)
{
	static const int64_t seconds[] = BO_GROUP_AGES_S;
	int64_t now_ns = bo_now_ns(), ages_ns[BO_GROUP_AGES];
	bool patient = !n->waiting_ns || now_ns - n->waiting_ns < PATIENCE_NS;
	struct bo_attached how;
	int r = bo_attach(ret, n->spec, n->node, pid, patient ? &n->how.choice : NULL, &w->opener,
			  &how, err);

	if (r == -EAGAIN && !n->waiting_ns)
		n->waiting_ns = now_ns;
	if (r < 0)
		return r;
	n->waiting_ns = 0;
	if (how.choice.pid != n->how.choice.pid && how.choice.why[0])
		bo_watch_say(w, BO_EVENT_NOTE, n->node, "%s: goroutines of %s", n->name,
			     how.choice.why);
	n->how = how;
	for (size_t i = 0; i < BO_GROUP_AGES; i++)
		ages_ns[i] = seconds[i] * BO_NSEC_PER_SEC;
	bo_census_set_ages(*ret, ages_ns, BO_GROUP_AGES);
	return 0;
}

/* A process that has only just been started is not yet the program that it will be: try again. */
static void retry_later(struct bo_watch *w, struct watched *n, const struct bo_err *err)
{
	n->backoff_ns = n->backoff_ns ? n->backoff_ns * 2 : RETRY_MIN_NS;
	if (n->backoff_ns > RETRY_MAX_NS)
		n->backoff_ns = RETRY_MAX_NS;
	n->retry_ns = bo_now_ns() + n->backoff_ns;
	pthread_mutex_lock(&w->lock);
	snprintf(n->why_not, sizeof(n->why_not), "%.150s", err->msg);
	pthread_mutex_unlock(&w->lock);
}

/* Handles for this process: one to walk with, and one to count with when somebody wants it. */
static bool get_handles(struct bo_watch *w, struct watched *n, pid_t pid, uint32_t start)
{
	struct bo_census *offer = NULL, *stale;
	struct bo_err err = { 0 };
	bool wanted;

	if (n->start != start) {
		drop(n);
		n->start = start;
		n->retry_ns = n->backoff_ns = n->waiting_ns = 0;
	}
	pthread_mutex_lock(&w->lock);
	wanted = n->wanted && !(n->offer && n->offer_start == start);
	pthread_mutex_unlock(&w->lock);
	if (n->census && !wanted)
		return true;
	if (bo_now_ns() < n->retry_ns)
		return n->census;
	if ((!n->census && attach(w, n, pid, &n->census, &err) < 0) ||
	    (wanted && attach(w, n, pid, &offer, &err) < 0)) {
		retry_later(w, n, &err);
		return n->census;
	}
	n->backoff_ns = 0;
	if (!wanted)
		return true;
	pthread_mutex_lock(&w->lock);
	stale = n->offer;
	n->offer = offer;
	n->offer_start = start;
	n->wanted = false;
	n->why_not[0] = '\0';
	pthread_mutex_unlock(&w->lock);
	bo_census_free(stale);
	return true;
}

/* When the next snapshot is due that nobody asks for. */
static int64_t due(const struct bo_watch *w, const struct watched *n)
{
	int64_t period_ns = bo_thinned_ns(PERIOD_NS, BO_DENSE_SNAPSHOTS,
					  n->last_ns - atomic_load(&w->phase_ns));

	if (!n->last_ns)
		return 0;
	return n->last_ns +
	       (n->snap.took_ns * SHARE > period_ns ? n->snap.took_ns * SHARE : period_ns);
}

static int take(struct bo_watch *w, struct watched *n, const char *why, struct bo_err *err)
{
	struct bo_sampler_taken taken = { .why = why, .census = n->census, .full = &n->snap };
	struct bo_group_snapshot kept = { .node = n->node };
	int r = bo_census_snapshot(n->census, DETAIL, &n->snap, err);

	if (r < 0)
		return r;
	kept.t_ns = n->snap.t_ns - w->t0_ns;
	kept.source = bo_texts_keep(&w->texts, n->source);
	if (bo_groups_from_census(&w->texts, &n->snap, &kept) < 0 ||
	    !bo_vec_push(&w->snapshots, kept))
		return bo_err_set(err, ENOMEM, BO_SUBSYS_PROBE, "out of memory");
	n->last_ns = n->snap.t_ns;
	taken.snapshot = &kept;
	if (why && w->observer.taken)
		w->observer.taken(w->observer.self, &taken);
	return 0;
}

/* The oldest request, if any; one that has waited too long is given up. */
static const char *next_request(struct bo_watch *w, struct watched *n, bool attached,
				bool *ret_more)
{
	const char *why = NULL, *given_up = NULL;
	char reason[160];

	pthread_mutex_lock(&w->lock);
	if (n->nrequests && attached)
		why = n->requests[0].why;
	else if (n->nrequests && (w->stop || bo_now_ns() - n->requests[0].asked_ns > REQUEST_NS))
		given_up = n->requests[0].why;
	if (why || given_up)
		memmove(n->requests, n->requests + 1, --n->nrequests * sizeof(*n->requests));
	*ret_more = n->nrequests > 0;
	snprintf(reason, sizeof(reason), "%s",
		 !(uint32_t)atomic_load(n->pid) ? "the process is down"
		 : n->why_not[0]                ? n->why_not
						: "the process is gone");
	pthread_mutex_unlock(&w->lock);
	if (given_up)
		bo_watch_say(w, BO_EVENT_NOTE, n->node, "no census of goroutines for \"%s\": %s",
			     given_up, reason);
	return why;
}

static bool has_request(struct bo_watch *w, const struct watched *n)
{
	bool has;

	pthread_mutex_lock(&w->lock);
	has = n->nrequests > 0 || n->leaks_asked;
	pthread_mutex_unlock(&w->lock);
	return has;
}

/* ---- the thread's turns ---- */

/* Everything that is due for one node.  Return: when it wants to be called again. */
static int64_t serve(struct bo_watch *w, struct watched *n)
{
	uint64_t word = atomic_load(n->pid);
	pid_t pid = (pid_t)(uint32_t)word;
	struct bo_err err = { 0 };
	bool attached = false, more;
	int64_t now_ns, at_ns;
	const char *why;

	watch_serve_dumps(w, n);
	if (n->dump)
		return INT64_MAX;
	if (pid)
		attached = get_handles(w, n, pid, (uint32_t)(word >> 32));
	else
		drop(n);
	why = next_request(w, n, attached, &more);
	if (attached && (why || bo_now_ns() >= due(w, n))) {
		int r = take(w, n, why, &err);

		if (r == -ESRCH || r == -ESTALE) {
			drop(n);
			retry_later(w, n, &err);
		} else if (r < 0) {
			n->last_ns = bo_now_ns();
		}
		if (r < 0 && why)
			bo_watch_say(w, BO_EVENT_NOTE, n->node,
				     "no census of goroutines for \"%s\": %s", why, err.msg);
	}
	now_ns = bo_now_ns();
	if (more)
		return attached ? now_ns : now_ns + RETRY_MIN_NS;
	if (!pid)
		return INT64_MAX;
	at_ns = n->census ? due(w, n) : n->retry_ns;
	return n->retry_ns > now_ns && n->retry_ns < at_ns ? n->retry_ns : at_ns;
}

/* One more request of a node that has some.  A dump that is under way ends by its timeout. */
static void finish_serving(struct bo_watch *w, struct watched *n)
{
	while (n->dumping)
		watch_fetch(w, bo_now_ns() + BO_NSEC_PER_SEC);
	(void)serve(w, n);
}

static void *watch_main(void *self)
{
	struct bo_watch *w = self;

	pthread_setname_np(pthread_self(), "bo-census");
	pthread_mutex_lock(&w->lock);
	while (!w->stop) {
		int64_t next_ns = bo_now_ns() + PERIOD_NS;
		struct timespec until;

		w->poked = false;
		pthread_mutex_unlock(&w->lock);
		bo_vec_foreach(it, &w->nodes) {
			int64_t at_ns = serve(w, *it);

			next_ns = at_ns < next_ns ? at_ns : next_ns;
		}
		if (watch_is_fetching(w))
			watch_fetch(w, next_ns);
		until = bo_ns_to_timespec(next_ns);
		pthread_mutex_lock(&w->lock);
		while (!w->stop && !w->poked && !watch_is_fetching(w) &&
		       pthread_cond_timedwait(&w->changed, &w->lock, &until) == 0)
			;
	}
	pthread_mutex_unlock(&w->lock);
	/* What was asked for is still taken: the nodes live until after this thread. */
	bo_vec_foreach(it, &w->nodes)
		for (size_t i = 0; i < REQUESTS_MAX && has_request(w, *it); i++)
			finish_serving(w, *it);
	while (watch_is_fetching(w))
		watch_fetch(w, bo_now_ns() + BO_NSEC_PER_SEC);
	return NULL;
}

int bo_watch_start(struct bo_watch *w, int64_t t0_ns, struct bo_err *err)
{
	sigset_t all, old;
	int r;

	w->t0_ns = t0_ns;
	atomic_store(&w->phase_ns, t0_ns);
	w->stop = false;
	if (!w->nodes.len)
		return 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&w->thread, NULL, watch_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r)
		return bo_err_set(err, r, BO_SUBSYS_PROBE,
				  "cannot start the thread of the census: %s", strerror(r));
	w->running = true;
	return 0;
}

bool bo_watch_running(const struct bo_watch *w)
{
	return w->running;
}

/* Where it belongs in the timeline: after all that is not later. */
static void add_event(struct bo_run *run, const struct line *l, int64_t t0_ns)
{
	size_t len = run->events.len;

	bo_run_event(run, l->t_ns - t0_ns, l->kind, l->node, "%s", l->text);
	for (size_t i = len; run->events.len > len && i > 0; i--) {
		struct bo_event *e = &run->events.items[i], later = e[-1];

		if (later.t_ns <= e->t_ns)
			break;
		e[-1] = *e;
		*e = later;
	}
}

/* The run takes over what was seen and said. */
static void hand_over(struct bo_watch *w)
{
	bo_arena_adopt(&w->run->arena, &w->arena);
	bo_texts_done(&w->texts);
	bo_vec_foreach(s, &w->snapshots)
		(void)bo_vec_push(&w->run->snapshots, *s);
	bo_vec_done(&w->snapshots);
	bo_vec_foreach(s, &w->leaks)
		(void)bo_vec_push(&w->run->leaks, *s);
	bo_vec_done(&w->leaks);
	bo_vec_foreach(l, &w->lines) {
		add_event(w->run, l, w->t0_ns);
		free(l->text);
	}
	bo_vec_done(&w->lines);
}

void bo_watch_stop(struct bo_watch *w)
{
	if (w->running) {
		pthread_mutex_lock(&w->lock);
		w->stop = true;
		poke(w);
		pthread_mutex_unlock(&w->lock);
		pthread_join(w->thread, NULL);
		w->running = false;
	}
	hand_over(w);
}

void bo_watch_free(struct bo_watch *w)
{
	if (!w)
		return;
	bo_watch_stop(w);
	bo_vec_foreach(it, &w->nodes) {
		bo_census_snapshot_done(&(*it)->snap);
		bo_census_free((*it)->census);
		bo_census_free((*it)->offer);
		bo_dump_free((*it)->dump);
		bo_dump_free((*it)->leaks);
		free(*it);
	}
	bo_fetcher_free(w->fetcher);
	bo_vec_done(&w->nodes);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
