/* SPDX-License-Identifier: Apache-2.0 */
/* probe/dump.h — all goroutines of a service in its own words: net/http/pprof's goroutine?debug=2, and its leak profile.
 * Unlike the census this stops the service's world, so it is for a few moments, and for few goroutines.
 * Owns: one request, its text, its groups.  Threads: the census thread.  Privilege: none. */
#pragma once
#include "brownout/census.h"
#include "brownout/model/plan.h"
#include "brownout/probe/http.h"

/** A dump of more stops the world for too long (docs/census.md: 10 ms at 1 000, 4 s at 100 000) */
#define BO_DUMP_GOROUTINES_MAX 10000
#define BO_DUMP_TIMEOUT_NS INT64_C(3000000000)

/**
 * enum bo_dump_kind -
 * STACKS: goroutine?debug=2
 * LEAKS: goroutineleak?debug=2: a collection that looks for leaks, then all goroutines, the leaked ones marked
 * LEAKS_BRIEF: goroutineleak?debug=1: the same collection, then the leaked ones alone; nobody says who started them
 */
enum bo_dump_kind { BO_DUMP_STACKS, BO_DUMP_LEAKS, BO_DUMP_LEAKS_BRIEF };

struct bo_dump;
/**
 * struct bo_dump_result - what came of it; all is [borrowed: until the next bo_dump_start() or bo_dump_free()]
 * @code: 0 or -errno;  @status: HTTP's, 0 when it did not come to one;  @reason: for a person
 * @t_ns: CLOCK_MONOTONIC, when the first byte was here: the world was stopped just before
 * @truncated: pprof cut the text at 64 MiB
 * @snap: groups by count, as of a census that tells neither ages nor who is stuck; LEAKS*: the leaked ones alone
 */
struct bo_dump_result {
	enum bo_dump_kind kind;
	int code;
	int status;
	const char *reason;
	int64_t t_ns;
	bool truncated;
	const struct bo_census_snapshot *snap;
	const char *text;
	size_t len;
};
typedef void (*bo_dump_done_fn)(void *self, const struct bo_dump_result *result);

/** bo_dump_new() - @spec, @address: of the node, [borrowed];  -ENOENT when it has no pprof that is known of */
BO_NODISCARD int bo_dump_new(struct bo_dump **ret, struct bo_fetcher *fetcher,
			     const struct bo_node_spec *spec, const char *address,
			     enum bo_dump_kind kind, bo_dump_done_fn done, void *self,
			     struct bo_err *err);
/** bo_dump_start() - ask; @done is called from bo_fetcher_run() */
BO_NODISCARD int bo_dump_start(struct bo_dump *dump, struct bo_err *err);
/** bo_dump_free() - NULL is fine */
void bo_dump_free(struct bo_dump *dump);
/** bo_dump_source() - "pprof debug=2" …, the source of what comes of it */
const char *bo_dump_source(enum bo_dump_kind kind);
