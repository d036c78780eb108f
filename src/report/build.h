/* SPDX-License-Identifier: Apache-2.0 */
/* report/build.h — building JSON documents with one error check at the end.
 * jansson's setters pass a NULL value on as a failure; struct bo_build makes that failure stick.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#pragma once
#include <jansson.h>
#include <stdint.h>

#include "brownout/base/err.h"
#include "brownout/model/plan.h"
#include "brownout/model/run.h"

/** struct bo_build - zero-initialise; @failed: memory was out somewhere, the document is not
 * whole */
struct bo_build {
	bool failed;
};

/** bo_build_put() - set a member; @value is [consumed] */
void bo_build_put(struct bo_build *b, json_t *object, const char *key, json_t *value);
/** bo_build_push() - append an element; @value is [consumed] */
void bo_build_push(struct bo_build *b, json_t *array, json_t *value);
/** bo_build_done() - hand the finished document over, or drop it and report that memory was out */
BO_NODISCARD int bo_build_done(struct bo_build *b, json_t *doc, json_t **ret, struct bo_err *err);

/** bo_build_str() - a string, its invalid UTF-8 replaced; NULL gives null */
json_t *bo_build_str(const char *s);
/** bo_build_num() - a number: whole values as integers, what is not finite as null */
json_t *bo_build_num(double v);
json_t *bo_build_u64(uint64_t v);
/** bo_build_seconds() - an instant or length in ns as seconds; INT64_MIN ("did not happen") gives
 * null */
json_t *bo_build_seconds(int64_t ns);
/** bo_build_ms() - a latency or cost in ns as milliseconds; INT64_MIN gives null */
json_t *bo_build_ms(int64_t ns);
/** bo_build_source() - {"file", "line"}; file is null for what came from the command line */
json_t *bo_build_source(struct bo_build *b, struct bo_src src);
/** bo_build_target() - {"type", "name"} of what a fault acts on; a link is called "a-b" */
json_t *bo_build_target(struct bo_build *b, const struct bo_plan *plan,
			const struct bo_fault_spec *fault);
/** bo_build_link_name() - "orders-db" */
json_t *bo_build_link_name(const struct bo_plan *plan, size_t link);
/** bo_build_args() - the arguments of a fault as an object, as the user wrote them; the positional
 * one is "value" */
json_t *bo_build_args(struct bo_build *b, const struct bo_fault_spec *fault);
/** bo_build_params() - KEY=VALUE pairs as an object */
json_t *bo_build_params(struct bo_build *b, const struct bo_param *params, size_t n);
/** bo_build_overrides() - [{"option": "phase", "value": "fault=30s"}] */
json_t *bo_build_overrides(struct bo_build *b, const struct bo_plan *plan);
/** bo_build_node_name() - the node's name; null when there is no such node */
json_t *bo_build_node_name(const struct bo_plan *plan, int node);

/* report/latency.c: statistics over run->requests. */
/** bo_latency_summary() - requests intended in [@from_ns, @to_ns) of load @load (-1: all): counts,
 * percentiles, classes */
json_t *bo_latency_summary(struct bo_build *b, const struct bo_run *run, int load, int64_t from_ns,
			   int64_t to_ns);
/** bo_latency_route() - the same of one route of a load, over the whole run */
json_t *bo_latency_route(struct bo_build *b, const struct bo_run *run, int load, int route);
/** bo_latency_windows() - the same in windows over the whole run, one column each */
json_t *bo_latency_windows(struct bo_build *b, const struct bo_run *run, int load);
/** bo_latency_has() - has it a latency at all?  Answered, or waited in vain; see report/latency.c */
bool bo_latency_has(const struct bo_req *req);
/** bo_latency_window_ns() - 250 ms for runs below 2 min, else 1 s */
int64_t bo_latency_window_ns(const struct bo_run *run);
