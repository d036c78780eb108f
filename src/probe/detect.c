/* SPDX-License-Identifier: Apache-2.0 */
/* probe/detect.c — which sampler counts a node's goroutines: the first of the registry's that
 * answers.  The one that is used, and why a better one is not, stands in the run's timeline.
 * Owns: nothing.  Threads: main, before the sampler's starts.  Privilege: none. */
#include <stdio.h>

#include "brownout/base/clock.h"
#include "brownout/probe/http.h"
#include "sampler-internal.h"
#include "watch.h"

/* Detection happens once, and on a service that has just started. */
#define DETECT_TIMEOUT_NS (3 * BO_NSEC_PER_SEC)

static const _Atomic uint64_t *pid_word(const struct bo_sampler *s, int node)
{
	size_t i = 0;

	while (s->nodes[i].target.node != node)
		i++;
	return &s->nodes[i].pid;
}

/* The census thread takes groups: of memory, else of dumps where there is pprof. */
static int watch_groups(struct bo_sampler *s, struct bo_err *err)
{
	const struct bo_probe *probe = s->probes.items[s->probes.len - 1];
	const struct bo_watch_node node = {
		.target = probe->target,
		.pid = pid_word(s, probe->target->node),
		.counted = probe->tracks[0],
		.attached = probe->kind == &bo_probe_census ? bo_probe_census_attached(probe)
							    : NULL,
		.source = probe->source,
	};
	struct bo_err inner = { 0 };
	int r = 0;

	/* Where pprof is a guess that nobody answered, it is none. */
	if (node.attached || probe->kind == &bo_probe_pprof || probe->target->spec->probe.pprof_url)
		r = bo_watch_add(s->watch, &node, &inner);
	if (r < 0 && r != -ENOENT && r != -EINVAL) {
		*err = inner;
		return r;
	}
	return 0;
}

/* 1: it answered and was kept; 0: it did not, and @why has the reason.  *@ret_silent: the last one that did not answer,
 * left to the caller. */
static int try_kind(struct bo_sampler *s, const struct bo_probe_target *target,
		    const struct bo_probe_kind *kind, struct bo_probe **ret_silent, char *why,
		    size_t size, struct bo_err *err)
{
	struct bo_probe *probe;
	int r;

	r = bo_sampler_probe_new(&probe, s, target, kind, err);
	if (r == -ENOENT || r == -EINVAL) {
		snprintf(why, size, "%.*s", (int)size - 1, err->msg);
		return 0;
	}
	if (r < 0)
		return r;
	probe->timeout_ns = DETECT_TIMEOUT_NS;
	bo_sampler_take(probe, bo_now_ns());
	while (r == 0 && probe->busy)
		r = bo_fetcher_run(s->fetcher, -1, 1000, err);
	if (r == 0 && probe->answered) {
		probe->timeout_ns = BO_PROBE_TIMEOUT_NS;
		r = bo_sampler_keep(s, probe, err);
		if (r == 0)
			r = watch_groups(s, err);
		return r < 0 ? r : 1;
	}
	snprintf(why, size, "%s", probe->last_reason);
	if (r < 0) {
		bo_sampler_probe_free(probe);
		return r;
	}
	probe->timeout_ns = BO_PROBE_TIMEOUT_NS;
	bo_sampler_probe_free(*ret_silent);
	*ret_silent = probe;
	return 0;
}

static void say_chosen(struct bo_sampler *s, const struct bo_probe_target *target, int64_t t_ns,
		       const char * not )
{
	const struct bo_probe *probe = s->probes.items[s->probes.len - 1];
	char more[384] = "";

	if (probe->kind == &bo_probe_census)
		bo_attach_describe(bo_probe_census_attached(probe), more, sizeof(more));
	else if (bo_watch_dumps(s->watch, target->node))
		snprintf(more, sizeof(more), "; groups by pprof debug=2, at the ends of phases");
	bo_run_event(s->run, t_ns, BO_EVENT_NOTE, target->node, "%s: goroutines by %s%s%s%s%s",
		     target->spec->name, probe->source, more, *not ? " (" : "", not,
		     *not ? ")" : "");
}

static int detect_node(struct bo_sampler *s, const struct bo_probe_target *target,
		       struct bo_err *err)
{
	const struct bo_probe_spec *spec = &target->spec->probe;
	/* Detection comes before the first phase, and mostly before anyone knows when that will be. */
	int64_t t_ns = s->run->t0_ns ? bo_now_ns() - s->run->t0_ns : 0;
	bool named = spec->pprof_url || spec->expvar_url || spec->metrics_url;
	struct bo_probe *silent = NULL;
	char said[512] = "";
	size_t len = 0;

	if (spec->off || (target->spec->role != BO_ROLE_SUBJECT && !named))
		return 0;
	for (const struct bo_probe_kind *const *kind = bo_probe_kinds(); *kind; kind++) {
		struct bo_err inner = { 0 };
		char why[160];
		int r;

		if ((*kind)->use != BO_PROBE_USE_GOROUTINES)
			continue;
		r = try_kind(s, target, *kind, &silent, why, sizeof(why), &inner);
		if (r != 0)
			bo_sampler_probe_free(silent);
		if (r < 0) {
			if (err)
				*err = inner;
			return bo_err_wrap(err, "looking for the goroutines of %s",
					   target->spec->name);
		}
		if (r > 0) {
			say_chosen(s, target, t_ns, said);
			return 0;
		}
		if (len < sizeof(said))
			len += (size_t)snprintf(said + len, sizeof(said) - len, "%s%s: %s",
						len ? "; " : "", (*kind)->name, why);
	}
	bo_run_event(s->run, t_ns, BO_EVENT_NOTE, target->node,
		     "%s: goroutines are not counted%s (%s)", target->spec->name,
		     named ? " yet" : "", said);
	/* A guess that failed is given up.  An address that the scenario names is asked for as long as
	 * the run lasts: a service whose readiness says nothing of that port (a log line, a command) may
	 * still be about to listen on it, and a gap tells why better than a series that is not there. */
	if (named && silent) {
		int r = bo_sampler_keep(s, silent, err);

		return r < 0 ? r : watch_groups(s, err);
	}
	bo_sampler_probe_free(silent);
	return 0;
}

int bo_sampler_detect(struct bo_sampler *sampler, struct bo_err *err)
{
	int r = 0;

	bo_sampler_refresh(sampler);
	for (size_t i = 0; r == 0 && i < sampler->nnodes; i++)
		r = detect_node(sampler, &sampler->nodes[i].target, err);
	return r;
}
