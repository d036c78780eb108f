/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/sampler_kit.h — a plan and a run with a few nodes, and waiting for what the
 * sampler sees.
 * Owns: the plan, the run, the sampler.  Threads: the test's.  Privilege: none. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/probe/sampler.h"

#define KIT_PATIENCE_NS (20 * BO_NSEC_PER_SEC)

struct kit {
	struct bo_plan *plan;
	struct bo_run *run;
	struct bo_sampler *sampler;
	struct bo_sampler_node nodes[4];
	size_t nnodes;
};

static inline struct kit *kit_new(void)
{
	struct kit *k = calloc(1, sizeof(*k));

	assert_non_null(k);
	k->plan = bo_plan_new();
	assert_non_null(k->plan);
	return k;
}

/** kit_node() - a node at 127.0.0.1 without a cgroup; the spec may be changed until kit_sampler() */
static inline int kit_node(struct kit *k, const char *name, enum bo_role role)
{
	int node = (int)k->plan->nodes.len;

	assert_true(
		bo_vec_push(&k->plan->nodes,
			    (struct bo_node_spec){ .name = name,
						   .role = role,
						   .kind = BO_NODE_COMMAND,
						   .probe.interval_ns = 20 * BO_NSEC_PER_MSEC }));
	k->nodes[k->nnodes++] = (struct bo_sampler_node){ .node = node,
							  .address = "127.0.0.1",
							  .files = { 0, -1, -1, -1, -1, -1 } };
	return node;
}

static inline struct bo_node_spec *kit_spec(struct kit *k, int node)
{
	return &k->plan->nodes.items[node];
}

static inline void kit_sampler(struct kit *k)
{
	struct bo_err err = { 0 };

	k->run = bo_run_new(k->plan);
	assert_non_null(k->run);
	if (bo_sampler_new(&k->sampler, k->run, k->nodes, k->nnodes, &err) < 0)
		fail_msg("%s", err.msg);
}

static inline void kit_detect(struct kit *k)
{
	struct bo_err err = { 0 };

	if (bo_sampler_detect(k->sampler, &err) < 0)
		fail_msg("%s", err.msg);
}

static inline void kit_start(struct kit *k)
{
	struct bo_err err = { 0 };

	if (bo_sampler_start(k->sampler, bo_now_ns(), &err) < 0)
		fail_msg("%s", err.msg);
}

static inline void kit_free(struct kit *k)
{
	bo_sampler_free(k->sampler);
	bo_run_free(k->run);
	bo_plan_free(k->plan);
	free(k);
}

/** kit_wait() - until the newest value is @good; fails the test after a long time */
static inline double kit_wait(struct kit *k, const char *series, int node,
			      bool (*good)(double value, double arg), double arg)
{
	int64_t deadline_ns = bo_now_ns() + KIT_PATIENCE_NS;
	double value;

	while (!good((value = bo_sampler_latest(k->sampler, series, node)), arg)) {
		if (bo_now_ns() > deadline_ns)
			fail_msg("%s of node %d stays at %g", series, node, value);
		poll(NULL, 0, 2);
	}
	return value;
}

static inline bool kit_any(double value, double arg)
{
	(void)arg;
	return !isnan(value);
}

static inline bool kit_none(double value, double arg)
{
	(void)arg;
	return isnan(value);
}

static inline bool kit_equal(double value, double arg)
{
	return fabs(value - arg) < 1e-9;
}

static inline bool kit_above(double value, double arg)
{
	return value > arg;
}

/** kit_series() - the series, after bo_sampler_stop() */
static inline const struct bo_series *kit_series(const struct kit *k, const char *name, int node)
{
	const struct bo_series *s = bo_run_series(k->run, name, node);

	if (!s)
		fail_msg("no series %s of node %d", name, node);
	return s;
}

/** kit_is_held_up() - a gap that this machine made, which had no time for the sampler */
static inline bool kit_is_held_up(const struct bo_gap *gap)
{
	return strcmp(gap->reason, "sampler was held up") == 0;
}

/** kit_gaps() - those that what is sampled is to blame for */
static inline size_t kit_gaps(const struct bo_series *s)
{
	size_t n = 0;

	bo_vec_foreach(gap, &s->gaps)
		n += !kit_is_held_up(gap);
	return n;
}

static inline bool kit_has_gap(const struct bo_series *s, const char *reason)
{
	bo_vec_foreach(gap, &s->gaps) {
		if (strcmp(gap->reason, reason) == 0)
			return true;
	}
	return false;
}
