/* SPDX-License-Identifier: Apache-2.0 */
/* probe/expvar.c — goroutine count from an integer variable of expvar's JSON.
 * Stock expvar publishes none: the service must (expvar.Publish("goroutines",
 * expvar.Func(…NumGoroutine…))).
 * Owns: one fetch and one bounded buffer per node.  Threads: the sampler's.  Privilege: none. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/strbuf.h"
#include "brownout/probe/http.h"
#include "probe-internal.h"

/* memstats, which expvar always publishes, is about 6 KiB; a megabyte is a mistake. */
#define BODY_MAX (1024 * 1024)
#define DEFAULT_KEY "goroutines"

struct expvar_state {
	struct bo_fetch *fetch;
	struct bo_strbuf body;
	const char *key; /* [borrowed: plan] */
};

static void clear(struct bo_strbuf *sb)
{
	sb->len = 0;
	sb->failed = false;
}

static int on_body(void *self, const char *bytes, size_t n, struct bo_err *err)
{
	struct bo_probe *probe = self;
	struct expvar_state *st = probe->state;

	if (st->body.len + n > BODY_MAX)
		return bo_err_set(err, EMSGSIZE, BO_SUBSYS_PROBE, "answer larger than 1MiB");
	bo_strbuf_add(&st->body, bytes, n);
	if (!bo_strbuf_ok(&st->body))
		return bo_err_set(err, ENOMEM, BO_SUBSYS_PROBE, "out of memory");
	return 0;
}

static int read_count(const struct expvar_state *st, double *ret, struct bo_err *err)
{
	json_t *root = json_loadb(bo_strbuf_str(&st->body), st->body.len, JSON_REJECT_DUPLICATES,
				  NULL);
	const json_t *value = json_object_get(root, st->key);
	double number = json_is_number(value) ? json_number_value(value) : -1;
	int r = 0;

	if (!json_is_object(root))
		r = bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE, "not a JSON object");
	else if (!value)
		r = bo_err_set(err, ENOENT, BO_SUBSYS_PROBE, "no variable '%s'", st->key);
	else if (number < 0 || number != floor(number))
		r = bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE, "variable '%s' is not a count",
			       st->key);
	else
		*ret = number;
	json_decref(root);
	return r;
}

static void on_done(void *self, const struct bo_fetch_result *result)
{
	struct bo_probe *probe = self;
	struct bo_err err = { 0 };
	double count = 0;

	probe->busy = false;
	if (result->code < 0)
		bo_probe_fail(probe, 0, result->end_ns, "%s", result->reason);
	else if (read_count(probe->state, &count, &err) < 0)
		bo_probe_fail(probe, 0, result->end_ns, "%s", err.msg);
	else
		bo_probe_emit(probe, 0, result->end_ns, count);
}

static int make_url(const struct bo_node_spec *spec, char *url, size_t size, struct bo_err *err)
{
	int n;

	if (spec->probe.expvar_url) {
		n = snprintf(url, size, "%s", spec->probe.expvar_url);
	} else if (spec->probe.pprof_url || spec->probe.metrics_url) {
		return bo_err_set(err, ENOENT, BO_SUBSYS_PROBE, "not asked for");
	} else {
		return bo_probe_guess_url(spec, "/debug/vars", url, size, err);
	}
	if (n < 0 || (size_t)n >= size)
		return bo_err_set(err, EINVAL, BO_SUBSYS_PROBE, "the expvar URL is too long");
	return 0;
}

static int attach(struct bo_probe *probe, struct bo_err *err)
{
	struct bo_fetch_handler handler = { .self = probe, .body = on_body, .done = on_done };
	struct expvar_state *st = probe->state;
	char url[512];
	int r;

	r = make_url(probe->target->spec, url, sizeof(url), err);
	if (r < 0)
		return r;
	st->key = probe->target->spec->probe.expvar_key ? probe->target->spec->probe.expvar_key
							: DEFAULT_KEY;
	snprintf(probe->source, sizeof(probe->source), "expvar %s", st->key);
	return bo_fetch_new(&st->fetch, probe->fetcher, url, probe->target->address, &handler, err);
}

static void detach(struct bo_probe *probe)
{
	struct expvar_state *st = probe->state;

	bo_fetch_free(st->fetch);
	bo_strbuf_done(&st->body);
}

static void sample(struct bo_probe *probe, int64_t now_ns)
{
	struct expvar_state *st = probe->state;

	clear(&st->body);
	bo_probe_ask(probe, st->fetch, now_ns);
}

static const struct bo_probe_series series[] = { { BO_SERIES_GOROUTINES, "count" },
						 { NULL, NULL } };

const struct bo_probe_kind bo_probe_expvar = {
	.name = "expvar",
	.help = "goroutine count from an integer variable of expvar",
	.use = BO_PROBE_USE_GOROUTINES,
	.needs_process = true,
	.series = series,
	.state_size = sizeof(struct expvar_state),
	.attach = attach,
	.detach = detach,
	.sample = sample,
};
