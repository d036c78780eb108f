/* SPDX-License-Identifier: Apache-2.0 */
/* report/latency.c — percentiles and error counts per phase and per window.
 *
 * Every request belongs to the window and the phase in which it was *intended*, whenever it was sent
 * or ended: a service that stalls cannot move its slow requests out of the fault (coordinated
 * omission).  Percentiles are exact (sorted, ceil(q·n)-th smallest), over the same requests that
 * latency budgets look at: the answered ones, whatever the answer, and those that waited in vain
 * with the time they waited.  One that failed at once (refused, reset) or was never sent has no
 * latency; it is an error, and a fast failure must not make a service look fast.
 * The rate alone is counted by the end of the request: it is what the service got done in that
 * time.
 *
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <math.h>
#include <stdlib.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "build.h"

/** struct tally - one phase or window while it is counted; @lat: [borrowed] its slice of the
 * latencies */
struct tally {
	uint64_t count;
	uint64_t ended;
	uint64_t classes[BO_REQ_CLASS_COUNT];
	int64_t *lat;
	size_t nlat;
};

static int64_t run_start(const struct bo_run *run)
{
	for (int p = 0; p < BO_PHASE_COUNT; p++)
		if (run->phases[p].start_ns != INT64_MIN)
			return run->phases[p].start_ns;
	return 0;
}

int64_t bo_latency_window_ns(const struct bo_run *run)
{
	return run->ended_ns - run_start(run) < 120 * BO_NSEC_PER_SEC ? 250 * BO_NSEC_PER_MSEC
								      : BO_NSEC_PER_SEC;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static enum bo_req_class class_of(const struct bo_req *req)
{
	return req->cls < BO_REQ_CLASS_COUNT ? (enum bo_req_class)req->cls : BO_REQ_OTHER;
}

/* Did the service answer, whatever it said? */
static bool was_answered(const struct bo_req *req)
{
	enum bo_req_class cls = class_of(req);

	return cls == BO_REQ_OK || cls == BO_REQ_HTTP_4XX || cls == BO_REQ_HTTP_5XX ||
	       cls == BO_REQ_GRPC;
}

bool bo_latency_has(const struct bo_req *req)
{
	switch (class_of(req)) {
	case BO_REQ_TIMEOUT_CONNECT:
	case BO_REQ_TIMEOUT_FIRST_BYTE:
	case BO_REQ_TIMEOUT_BODY:
	case BO_REQ_ABANDONED:
	case BO_REQ_INFLIGHT:
		return true;
	default:
		return was_answered(req);
	}
}

static json_t *quantile(const struct tally *t, double q)
{
	if (!t->nlat)
		return json_null();
	size_t rank = (size_t)ceil(q * (double)t->nlat);

	return bo_build_ms(t->lat[rank ? rank - 1 : 0]);
}

static uint64_t tally_errors(const struct tally *t)
{
	uint64_t n = 0;

	for (int c = 0; c < BO_REQ_CLASS_COUNT; c++)
		if (bo_req_class_is_error((enum bo_req_class)c))
			n += t->classes[c];
	return n;
}

static json_t *summary(struct bo_build *b, const struct bo_run *run, int load, int route,
		       int64_t from_ns, int64_t to_ns)
{
	struct tally t = { 0 };
	bo_auto_free int64_t *lat = calloc(run->requests.len ? run->requests.len : 1, sizeof(*lat));
	double span_s = (double)(to_ns - from_ns) / (double)BO_NSEC_PER_SEC;
	json_t *o = json_object(), *classes = json_object();

	if (!lat) {
		b->failed = true;
		json_decref(classes);
		return o;
	}
	t.lat = lat;
	bo_vec_foreach(req, &run->requests) {
		if ((load >= 0 && req->load != load) || (route >= 0 && req->route != route))
			continue;
		if (was_answered(req) && req->end_ns >= from_ns && req->end_ns < to_ns)
			t.ended++;
		if (req->intended_ns < from_ns || req->intended_ns >= to_ns)
			continue;
		t.count++;
		t.classes[class_of(req)]++;
		if (bo_latency_has(req))
			t.lat[t.nlat++] = req->end_ns - req->intended_ns;
	}
	qsort(t.lat, t.nlat, sizeof(*t.lat), by_value);

	/* Who hung up on purpose has not seen how it would have ended: neither good nor bad. */
	uint64_t errors = tally_errors(&t), judged = t.count - t.classes[BO_REQ_ABANDONED];

	bo_build_put(b, o, "requests", bo_build_u64(t.count));
	bo_build_put(b, o, "errors", bo_build_u64(errors));
	bo_build_put(b, o, "error_ratio",
		     bo_build_num(judged ? (double)errors / (double)judged : NAN));
	bo_build_put(b, o, "rate_per_s", bo_build_num(span_s > 0 ? (double)t.ended / span_s : NAN));
	bo_build_put(b, o, "p50_ms", quantile(&t, 0.50));
	bo_build_put(b, o, "p90_ms", quantile(&t, 0.90));
	bo_build_put(b, o, "p99_ms", quantile(&t, 0.99));
	bo_build_put(b, o, "max_ms", quantile(&t, 1.0));
	for (int c = 0; c < BO_REQ_CLASS_COUNT; c++)
		if (t.classes[c])
			bo_build_put(b, classes, bo_req_class_name((enum bo_req_class)c),
				     bo_build_u64(t.classes[c]));
	bo_build_put(b, o, "classes", classes);
	return o;
}

json_t *bo_latency_summary(struct bo_build *b, const struct bo_run *run, int load, int64_t from_ns,
			   int64_t to_ns)
{
	return summary(b, run, load, -1, from_ns, to_ns);
}

json_t *bo_latency_route(struct bo_build *b, const struct bo_run *run, int load, int route)
{
	return summary(b, run, load, route, run_start(run), run->ended_ns);
}

/* Which window an instant falls into; what lies outside the run counts at its edge. */
static size_t window_of(int64_t t_ns, int64_t start_ns, int64_t width_ns, size_t n)
{
	if (t_ns <= start_ns)
		return 0;
	size_t w = (size_t)((t_ns - start_ns) / width_ns);

	return w < n ? w : n - 1;
}

/* Two passes: count, so that each window knows its slice of @lat, then fill the slices and sort
 * each. */
static void fill_windows(const struct bo_run *run, int load, struct tally *wins, size_t n,
			 int64_t *lat)
{
	int64_t start = run_start(run), width = bo_latency_window_ns(run);

	bo_vec_foreach(req, &run->requests) {
		if (load >= 0 && req->load != load)
			continue;
		struct tally *t = &wins[window_of(req->intended_ns, start, width, n)];

		t->count++;
		t->classes[class_of(req)]++;
		t->nlat += bo_latency_has(req);
		if (was_answered(req))
			wins[window_of(req->end_ns, start, width, n)].ended++;
	}
	for (size_t w = 0; w < n; w++) {
		wins[w].lat = lat;
		lat += wins[w].nlat;
		wins[w].nlat = 0;
	}
	bo_vec_foreach(req, &run->requests) {
		if ((load >= 0 && req->load != load) || !bo_latency_has(req))
			continue;
		struct tally *t = &wins[window_of(req->intended_ns, start, width, n)];

		t->lat[t->nlat++] = req->end_ns - req->intended_ns;
	}
	for (size_t w = 0; w < n; w++)
		qsort(wins[w].lat, wins[w].nlat, sizeof(*wins[w].lat), by_value);
}

static void put_class_columns(struct bo_build *b, json_t *o, const struct tally *wins, size_t n)
{
	json_t *columns = json_object();

	for (int c = 0; c < BO_REQ_CLASS_COUNT; c++) {
		uint64_t seen = 0;

		for (size_t w = 0; w < n; w++)
			seen += wins[w].classes[c];
		if (!seen)
			continue;
		json_t *column = json_array();

		for (size_t w = 0; w < n; w++)
			bo_build_push(b, column, bo_build_u64(wins[w].classes[c]));
		bo_build_put(b, columns, bo_req_class_name((enum bo_req_class)c), column);
	}
	bo_build_put(b, o, "classes", columns);
}

json_t *bo_latency_windows(struct bo_build *b, const struct bo_run *run, int load)
{
	static const struct {
		const char *key;
		double q;
	} quantiles[] = {
		{ "p50_ms", 0.50 }, { "p90_ms", 0.90 }, { "p99_ms", 0.99 }, { "max_ms", 1.0 }
	};
	int64_t start = run_start(run), width = bo_latency_window_ns(run);
	int64_t length = run->ended_ns > start ? run->ended_ns - start : 0;
	size_t n = (size_t)((length + width - 1) / width);
	json_t *o = json_object(), *t_s = json_array(), *count = json_array(), *rate = json_array();

	n = n ? n : 1;
	bo_auto_free struct tally *wins = calloc(n, sizeof(*wins));
	bo_auto_free int64_t *lat = calloc(run->requests.len ? run->requests.len : 1, sizeof(*lat));

	if (wins && lat)
		fill_windows(run, load, wins, n, lat);
	else
		b->failed = true;
	for (size_t w = 0; wins && lat && w < n; w++) {
		int64_t from = (int64_t)w * width;
		int64_t span = from + width > length && length > from ? length - from : width;

		bo_build_push(b, t_s, bo_build_seconds(start + from));
		bo_build_push(b, count, bo_build_u64(wins[w].count));
		bo_build_push(b, rate,
			      bo_build_num((double)wins[w].ended * (double)BO_NSEC_PER_SEC /
					   (double)span));
	}
	bo_build_put(b, o, "t_s", t_s);
	bo_build_put(b, o, "count", count);
	bo_build_put(b, o, "rate_per_s", rate);
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(*quantiles); i++) {
		json_t *column = json_array();

		for (size_t w = 0; wins && lat && w < n; w++)
			bo_build_push(b, column, quantile(&wins[w], quantiles[i].q));
		bo_build_put(b, o, quantiles[i].key, column);
	}
	if (wins && lat)
		put_class_columns(b, o, wins, n);
	return o;
}
