/* SPDX-License-Identifier: Apache-2.0 */
/* probe/prometheus.c — goroutine count from the metric go_goroutines, which every Go client library of
 * Prometheus and OpenTelemetry exports.
 * Owns: one fetch and one parser per node.  Threads: the sampler's.  Privilege: none. */
#include <math.h>
#include <stdio.h>

#include "brownout/probe/http.h"
#include "brownout/probe/prometheus.h"
#include "probe-internal.h"

/* A large service exports some hundred KiB. */
#define BODY_MAX (64 * 1024 * 1024)
#define METRIC "go_goroutines"

struct metrics_state {
	struct bo_fetch *fetch;
	struct bo_prometheus parser;
	size_t seen_bytes;
};

static int on_body(void *self, const char *bytes, size_t n, struct bo_err *err)
{
	struct bo_probe *probe = self;
	struct metrics_state *st = probe->state;

	st->seen_bytes += n;
	if (st->seen_bytes > BODY_MAX)
		return bo_err_set(err, EMSGSIZE, BO_SUBSYS_PROBE, "answer larger than 64MiB");
	return bo_prometheus_feed(&st->parser, bytes, n, err);
}

static void on_done(void *self, const struct bo_fetch_result *result)
{
	struct bo_probe *probe = self;
	struct metrics_state *st = probe->state;
	struct bo_err err = { 0 };

	probe->busy = false;
	if (result->code < 0)
		bo_probe_fail(probe, 0, result->end_ns, "%s", result->reason);
	else if (bo_prometheus_finish(&st->parser, &err) < 0)
		bo_probe_fail(probe, 0, result->end_ns, "%s", err.msg);
	else if (st->parser.value < 0 || st->parser.value != floor(st->parser.value))
		bo_probe_fail(probe, 0, result->end_ns, "metric '%s' is not a count", METRIC);
	else
		bo_probe_emit(probe, 0, result->end_ns, st->parser.value);
}

static int make_url(const struct bo_node_spec *spec, char *url, size_t size, struct bo_err *err)
{
	int n;

	if (spec->probe.metrics_url) {
		n = snprintf(url, size, "%s", spec->probe.metrics_url);
	} else if (spec->probe.pprof_url || spec->probe.expvar_url) {
		return bo_err_set(err, ENOENT, BO_SUBSYS_PROBE, "not asked for");
	} else {
		return bo_probe_guess_url(spec, "/metrics", url, size, err);
	}
	if (n < 0 || (size_t)n >= size)
		return bo_err_set(err, EINVAL, BO_SUBSYS_PROBE, "the metrics URL is too long");
	return 0;
}

static int attach(struct bo_probe *probe, struct bo_err *err)
{
	struct bo_fetch_handler handler = { .self = probe, .body = on_body, .done = on_done };
	struct metrics_state *st = probe->state;
	char url[512];
	int r;

	r = make_url(probe->target->spec, url, sizeof(url), err);
	if (r < 0)
		return r;
	snprintf(probe->source, sizeof(probe->source), "metrics %s", METRIC);
	return bo_fetch_new(&st->fetch, probe->fetcher, url, probe->target->address, &handler, err);
}

static void detach(struct bo_probe *probe)
{
	struct metrics_state *st = probe->state;

	bo_fetch_free(st->fetch);
}

static void sample(struct bo_probe *probe, int64_t now_ns)
{
	struct metrics_state *st = probe->state;

	bo_prometheus_init(&st->parser, METRIC);
	st->seen_bytes = 0;
	bo_probe_ask(probe, st->fetch, now_ns);
}

static const struct bo_probe_series series[] = { { BO_SERIES_GOROUTINES, "count" },
						 { NULL, NULL } };

const struct bo_probe_kind bo_probe_metrics = {
	.name = "metrics",
	.help = "goroutine count from Prometheus metrics or OpenMetrics (go_goroutines)",
	.use = BO_PROBE_USE_GOROUTINES,
	.needs_process = true,
	.series = series,
	.state_size = sizeof(struct metrics_state),
	.attach = attach,
	.detach = detach,
	.sample = sample,
};
