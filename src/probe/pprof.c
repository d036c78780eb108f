/* SPDX-License-Identifier: Apache-2.0 */
/* probe/pprof.c — goroutine count from net/http/pprof.
 * The count stands in the first line of the profile.  A short profile is read to its end and
 * checked, so that the connection can be used again; of a long one (a leak of a hundred thousand
 * goroutines) the rest is not waited for.
 * Owns: one fetch and one parser per node.  Threads: the sampler's.  Privilege: none. */
#include <stdio.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/probe/http.h"
#include "brownout/probe/pprof.h"
#include "probe-internal.h"

/* Reading on costs less than a new connection up to about here: loopback moves this in well
 * under a millisecond. */
#define READ_ON_BYTES (256 * 1024)

struct pprof_state {
	struct bo_fetch *fetch;
	struct bo_pprof parser;
	size_t seen_bytes;
	int64_t counted_ns; /* when the first line was here */
};

static int on_body(void *self, const char *bytes, size_t n, struct bo_err *err)
{
	struct bo_probe *probe = self;
	struct pprof_state *st = probe->state;
	bool counted = st->parser.total >= 0;
	int r;

	r = bo_pprof_feed(&st->parser, bytes, n, err);
	if (r < 0)
		return r;
	if (!counted && st->parser.total >= 0)
		st->counted_ns = bo_now_ns();
	st->seen_bytes += n;
	return st->parser.total >= 0 && st->seen_bytes > READ_ON_BYTES;
}

static void on_done(void *self, const struct bo_fetch_result *result)
{
	struct bo_probe *probe = self;
	struct pprof_state *st = probe->state;
	struct bo_err err = { 0 };

	probe->busy = false;
	if (result->code < 0)
		bo_probe_fail(probe, 0, result->end_ns, "%s", result->reason);
	else if (st->seen_bytes <= READ_ON_BYTES && bo_pprof_finish(&st->parser, &err) < 0)
		bo_probe_fail(probe, 0, result->end_ns, "%s", err.msg);
	else
		bo_probe_emit(probe, 0, st->counted_ns, (double)st->parser.total);
}

int bo_pprof_profile_url(const struct bo_node_spec *spec, const char *profile, int debug, char *url,
			 size_t size, struct bo_err *err)
{
	char path[64];
	size_t len;
	int n;

	if (spec->probe.pprof_url) {
		len = strlen(spec->probe.pprof_url);
		while (len > 0 && spec->probe.pprof_url[len - 1] == '/')
			len--;
		n = snprintf(url, size, "%.*s/%s?debug=%d", (int)len, spec->probe.pprof_url,
			     profile, debug);
	} else if (spec->probe.expvar_url || spec->probe.metrics_url) {
		return bo_err_set(err, ENOENT, BO_SUBSYS_PROBE, "not asked for");
	} else {
		snprintf(path, sizeof(path), "/debug/pprof/%s?debug=%d", profile, debug);
		return bo_probe_guess_url(spec, path, url, size, err);
	}
	if (n < 0 || (size_t)n >= size)
		return bo_err_set(err, EINVAL, BO_SUBSYS_PROBE, "the pprof URL is too long");
	return 0;
}

static int attach(struct bo_probe *probe, struct bo_err *err)
{
	struct bo_fetch_handler handler = { .self = probe, .body = on_body, .done = on_done };
	struct pprof_state *st = probe->state;
	char url[512];
	int r;

	r = bo_pprof_profile_url(probe->target->spec, "goroutine", 1, url, sizeof(url), err);
	if (r < 0)
		return r;
	bo_pprof_init(&st->parser, NULL);
	snprintf(probe->source, sizeof(probe->source), "pprof debug=1");
	return bo_fetch_new(&st->fetch, probe->fetcher, url, probe->target->address, &handler, err);
}

static void detach(struct bo_probe *probe)
{
	struct pprof_state *st = probe->state;

	bo_fetch_free(st->fetch);
	bo_pprof_done(&st->parser);
}

static void sample(struct bo_probe *probe, int64_t now_ns)
{
	struct pprof_state *st = probe->state;

	bo_pprof_reset(&st->parser);
	st->seen_bytes = 0;
	bo_probe_ask(probe, st->fetch, now_ns);
}

static const struct bo_probe_series series[] = { { BO_SERIES_GOROUTINES, "count" },
						 { NULL, NULL } };

const struct bo_probe_kind bo_probe_pprof = {
	.name = "pprof",
	.help = "goroutine count from net/http/pprof (goroutine?debug=1)",
	.use = BO_PROBE_USE_GOROUTINES,
	.needs_process = true,
	.series = series,
	.state_size = sizeof(struct pprof_state),
	.attach = attach,
	.detach = detach,
	.sample = sample,
};
