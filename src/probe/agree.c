/* SPDX-License-Identifier: Apache-2.0 */
/* probe/agree.c — when census and pprof are both there, they must say the same.
 * The number of pprof is true at some instant between request and answer.  The census goes on counting
 * every few milliseconds meanwhile; how far those counts are apart says how much the truth moves.
 * Owns: see agree.h.  Threads: the sampler's.  Privilege: none. */
#include "agree.h"

#include <inttypes.h>
#include <stdlib.h>

#include "brownout/base/clock.h"
#include "brownout/probe/http.h"
#include "brownout/probe/pprof.h"
#include "probe-internal.h"
#include "watch.h"

/* A profile of more stops the world for too long to be a mere check. */
#define GOROUTINES_MAX 10000
#define TOLERANCE 10
#define TIMEOUT_NS BO_NSEC_PER_SEC

struct bo_agree {
	struct bo_probe *probe; /* [borrowed] */
	struct bo_fetch *fetch; /* NULL: there is no pprof to be had */
	struct bo_pprof parser;
	bool asking;
	int64_t answer; /* -1: none yet */
	int64_t low, high;
};

bool bo_agree_within(int64_t low, int64_t high, int64_t other)
{
	int64_t slack = high / 10 > TOLERANCE ? high / 10 : TOLERANCE;

	slack += high - low;
	return other >= low - slack && other <= high + slack;
}

static int on_body(void *self, const char *bytes, size_t n, struct bo_err *err)
{
	struct bo_agree *a = self;
	int r = bo_pprof_feed(&a->parser, bytes, n, err);

	return r < 0 ? r : a->parser.total >= 0;
}

/* No answer is no disagreement: there may be no pprof, or it may be too busy. */
static void on_done(void *self, const struct bo_fetch_result *result)
{
	struct bo_agree *a = self;

	a->asking = false;
	if (result->code >= 0 && a->parser.total >= 0)
		a->answer = a->parser.total;
}

static struct bo_agree *agree_new(struct bo_probe *probe)
{
	struct bo_agree *a = calloc(1, sizeof(*a));
	struct bo_fetch_handler handler = { .self = a, .body = on_body, .done = on_done };
	struct bo_err ignored = { 0 };
	char url[512];

	if (!a)
		return NULL;
	a->probe = probe;
	a->answer = -1;
	bo_pprof_init(&a->parser, NULL);
	if (bo_pprof_profile_url(probe->target->spec, "goroutine", 1, url, sizeof(url), &ignored) <
		    0 ||
	    bo_fetch_new(&a->fetch, probe->fetcher, url, probe->target->address, &handler,
			 &ignored) < 0)
		a->fetch = NULL;
	return a;
}

void bo_agree_free(struct bo_agree *a)
{
	if (!a)
		return;
	bo_fetch_free(a->fetch);
	bo_pprof_done(&a->parser);
	free(a);
}

void bo_agree_forget(struct bo_agree *a)
{
	if (!a)
		return;
	if (a->fetch)
		bo_fetch_cancel(a->fetch);
	a->asking = false;
	a->answer = -1;
}

static void ask(struct bo_agree *a, int64_t count)
{
	struct bo_err ignored = { 0 };

	if (!a->fetch || a->asking || count > GOROUTINES_MAX)
		return;
	bo_pprof_reset(&a->parser);
	a->answer = -1;
	a->low = a->high = count;
	a->asking = bo_fetch_start(a->fetch, TIMEOUT_NS, &ignored) == 0;
}

static void compare(struct bo_agree *a)
{
	const struct bo_probe *probe = a->probe;
	const char *name = probe->target->spec->name;

	if (bo_agree_within(a->low, a->high, a->answer))
		bo_watch_say(probe->watch, BO_EVENT_NOTE, probe->target->node,
			     "%s: pprof agrees with the census: %" PRId64
			     " goroutines, counted %" PRId64 " to %" PRId64,
			     name, a->answer, a->low, a->high);
	else
		bo_watch_say(probe->watch, BO_EVENT_PROBLEM, probe->target->node,
			     "%s: two samplers disagree: pprof says %" PRId64
			     " goroutines, the census %" PRId64 " to %" PRId64 " at that time",
			     name, a->answer, a->low, a->high);
	a->answer = -1;
}

void bo_agree_count(struct bo_agree **agree, struct bo_probe *probe, int64_t count)
{
	struct bo_agree *a = *agree;

	if (a && (a->asking || a->answer >= 0)) {
		a->low = count < a->low ? count : a->low;
		a->high = count > a->high ? count : a->high;
		/* The first count after the answer is the last that belongs to it. */
		if (a->answer >= 0)
			compare(a);
	}
	if (!atomic_exchange(&probe->agree, false))
		return;
	if (!a)
		a = *agree = agree_new(probe);
	if (a)
		ask(a, count);
}
