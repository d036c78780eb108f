/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/model/run.h — everything that was seen in one run: requests, series, faults, events.
 * Filled by the conductor and its threads, judged by slo/, rendered by report/.
 * Every instant is in ns after t0, the moment the first phase began (so set-up is negative).
 * Owns: all its memory.  Threads: each log below has one writer; read after the writers have ended.
 * Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "brownout/base/arena.h"
#include "brownout/base/vec.h"
#include "brownout/model/plan.h"

/** enum bo_req_class - how a request ended; keep in step with bo_req_class_name() */
enum bo_req_class {
	BO_REQ_OK, /* a response with status < 400 */
	BO_REQ_HTTP_4XX,
	BO_REQ_HTTP_5XX,
	BO_REQ_REFUSED,     /* ECONNREFUSED */
	BO_REQ_RESET,       /* ECONNRESET, EPIPE, or closed before the response ended */
	BO_REQ_UNREACHABLE, /* EHOSTUNREACH, ENETUNREACH */
	BO_REQ_TIMEOUT_CONNECT,
	BO_REQ_TIMEOUT_FIRST_BYTE,
	BO_REQ_TIMEOUT_BODY,
	BO_REQ_PROTOCOL,  /* not what the protocol allows a server to say */
	BO_REQ_TLS,       /* no secure connection: certificate, handshake, record */
	BO_REQ_GRPC,      /* a gRPC answer with a status other than OK, which is in @status */
	BO_REQ_SHED,      /* never sent: max_inflight reached; the generator says so and goes on */
	BO_REQ_ABANDONED, /* the client hung up on purpose */
	BO_REQ_INFLIGHT,  /* still open when the run ended; end_ns is that moment */
	BO_REQ_OTHER,     /* any other local failure (EMFILE …) */
	BO_REQ_CLASS_COUNT,
};
const char *bo_req_class_name(enum bo_req_class cls);
/** bo_req_class_is_error() - counts in errors.ratio?  All but OK, ABANDONED and INFLIGHT,
 * whose end nobody knows */
bool bo_req_class_is_error(enum bo_req_class cls);

/**
 * struct bo_req - one request; latency is end_ns - intended_ns (no coordinated omission)
 * @sent_ns: when the first byte was handed to the kernel; 0 with class SHED or when no connection came about
 * @first_byte_ns: first byte of the response, 0 if none
 * @status: of HTTP; with class GRPC the gRPC status code
 * @load: index in plan->loads;  @route: index in the load's routes, 0 when it has none
 */
struct bo_req {
	int64_t intended_ns;
	int64_t sent_ns;
	int64_t first_byte_ns;
	int64_t end_ns;
	uint32_t bytes;
	uint16_t status;
	uint8_t cls;
	uint8_t load;
	uint16_t route;
};

struct bo_sample {
	int64_t t_ns;
	double value;
};

/** struct bo_gap - no samples could be had between two instants, and why; a gap is never filled in */
struct bo_gap {
	int64_t from_ns;
	int64_t to_ns;
	const char *reason; /* [borrowed: static or run arena] */
};

/** Names of series: one place, so that probes write what budgets read and reports plot.
 * A series belongs to a node (or to BO_NODE_CLIENT). */
#define BO_SERIES_GOROUTINES "goroutines"         /* count */
#define BO_SERIES_RSS "rss"                       /* bytes, of the whole process tree */
#define BO_SERIES_CPU "cpu"                       /* CPUs used: 1.0 is one CPU */
#define BO_SERIES_MEMORY "memory.usage"           /* bytes charged to the cgroup */
#define BO_SERIES_MEMORY_LIMIT "memory.limit"     /* bytes; absent while unlimited */
#define BO_SERIES_MEMORY_FAILCNT "memory.failcnt" /* v1 failcnt, v2 memory.events max; cumulative */
#define BO_SERIES_MEMORY_HIGH "memory.high_events" /* v2 memory.events high; cumulative */
#define BO_SERIES_OOM_KILLS "oom.kills"            /* cumulative */
#define BO_SERIES_CONNS "load.connections"         /* connections open in the load generator */
#define BO_SERIES_INFLIGHT "load.inflight"         /* requests sent and not answered */

/**
 * struct bo_series - timestamped samples of one quantity of one node
 * @source: which sampler: "pprof debug=1", "expvar goroutines", "/proc", "cgroup v1" …
 */
struct bo_series {
	const char *name;
	const char *unit;
	const char *source;
	int node;
	BO_VEC(struct bo_sample) samples;
	BO_VEC(struct bo_gap) gaps;
};

/* Series of a Go runtime, read by the census (include/brownout/census.h); names as budgets spell them. */
#define BO_SERIES_GC_CYCLES "gc.cycles"           /* cumulative */
#define BO_SERIES_GC_PAUSE_TOTAL "gc.pause.total" /* ns, cumulative */
#define BO_SERIES_GC_PAUSE "gc.pause" /* ns, the latest pause; one sample per cycle that was seen */
#define BO_SERIES_HEAP_LIVE "heap.live" /* bytes, as the pacer sees it */
#define BO_SERIES_HEAP_GOAL "heap.goal" /* bytes */
#define BO_SERIES_SCHED_LATENCY_P99 \
	"sched.latency.p99"               /* ns, of what became runnable since the sample before */
#define BO_SERIES_SCHED_RUNQ "sched.runq" /* goroutines waiting for a P */
#define BO_SERIES_SCHED_STW \
	"sched.stw_pending" /* ns for which somebody has been waiting for the world to stop */
#define BO_SERIES_CREATED "goroutines.created" /* cumulative, in batches of 16 per P */

/** Ages for which groups count their members; a goroutine's age is how long *we* have seen it, a lower bound */
#define BO_GROUP_AGES 10
#define BO_GROUP_AGES_S                               \
	{                                             \
		1, 2, 5, 10, 15, 20, 30, 60, 120, 300 \
	}

/**
 * Thinning: within one phase the distance between two looks doubles after so many of them, and again after as many more,
 * so that a long phase does not fill the memory; the next phase begins densely again.  Samples of the census; snapshots.
 */
#define BO_DENSE_SAMPLES 60000
#define BO_DENSE_SNAPSHOTS 600
/** bo_thinned_ns() - the distance at @into_ns after the beginning of a phase that began with @interval_ns (> 0) */
int64_t bo_thinned_ns(int64_t interval_ns, int64_t dense, int64_t into_ns);

/** Site of the group that holds what a snapshot does not keep apart; its state and places are "" */
#define BO_GROUPS_OTHER "(other)"

/**
 * struct bo_group - goroutines of one process that came from one place and wait for one thing at one place
 * Strings are [borrowed: run arena], never NULL.
 * @site: function that holds the go statement ("main.(*Server).query"), "" for the main goroutine;  @site_line: "file:line"
 * @start: the function that they run
 * @blocked_at: first function outside runtime and sync, "" when not known;  @blocked_line: "file:line"
 * @state: the runtime's wait reason ("chan receive") or state ("running")
 * @labels: `"route":"/pay"` as pprof prints them, "" for none
 * @count: members;  @stuck: of them, have not run since at least three snapshots
 * @older: members seen for at least BO_GROUP_AGES_S[i] seconds
 * @leaked: the runtime's own leak detector says that they can never run again
 */
struct bo_group {
	const char *site;
	const char *site_line;
	const char *start;
	const char *blocked_at;
	const char *blocked_line;
	const char *state;
	const char *labels;
	uint64_t count;
	uint64_t stuck;
	uint64_t older[BO_GROUP_AGES];
	bool leaked;
};

/**
 * struct bo_group_snapshot - all goroutines of one node at one instant, system goroutines apart
 * Taken about once a second and at the end of every phase.
 * @source: "census symtab+dwarf", "pprof debug=2" …
 * @truncated: the service cut its text; @total is what was counted, and not all of them are in a group
 */
struct bo_group_snapshot {
	int64_t t_ns;
	int node;
	const char *source;
	uint64_t total;
	uint64_t system;
	bool truncated;
	struct bo_group *groups; /* [borrowed: run arena], the largest first */
	size_t ngroups;
};

enum bo_confirm {
	BO_CONFIRM_PENDING, /* never came to it (the run ended first) */
	BO_CONFIRM_OK,      /* measured, within tolerance */
	BO_CONFIRM_OFF,     /* measured, not within tolerance: the run cannot PASS */
	BO_CONFIRM_UNKNOWN, /* could not be measured: the run cannot PASS */
};
const char *bo_confirm_name(enum bo_confirm c);

/**
 * struct bo_fault_record - what became of fault plan->faults[i]
 * @driver: "netem", "wire", "cgroup v1" …
 * @requested, @achieved: for people ("delay 1.50s, loss 2.0%" / "delay p50 1.5003s, loss 1.9% of 812 probes")
 * @applied_ns, @reverted_ns: when the call returned; INT64_MIN when it did not happen
 * @apply_cost_ns, @revert_cost_ns: how long the calls took
 */
struct bo_fault_record {
	char driver[32];
	char requested[256];
	char achieved[512];
	char reason[256];
	enum bo_confirm confirm;
	int64_t applied_ns;
	int64_t reverted_ns;
	int64_t apply_cost_ns;
	int64_t revert_cost_ns;
};

#define BO_LOAD_REASONS_MAX 8

/** struct bo_load_reason - why requests ended with a class that one word does not explain (tls, protocol, grpc, other) */
struct bo_load_reason {
	enum bo_req_class cls;
	char text[160];
	uint64_t count;
};

/**
 * struct bo_load_record - what load plan->loads[i] did, and whether the generator itself kept its schedule
 * @offered: requests that were due;  @sent: handed to the kernel;  @shed: not sent because max_inflight was reached
 * @lag_*_ns: how late the generator took up a due request (its own fault, not the service's): dispatch - intended
 * @connects: connections opened
 * @peak_connections: most connections open at a time
 * @handshakes: TLS handshakes that succeeded;  @resumed: of them, those that resumed an earlier session
 * @reasons, @nreasons: in the order of their first occurrence;  @reasons_lost: occurrences of reasons beyond them
 */
struct bo_load_record {
	uint64_t offered;
	uint64_t sent;
	uint64_t shed;
	uint64_t connects;
	uint64_t peak_connections;
	int64_t lag_p50_ns;
	int64_t lag_p99_ns;
	int64_t lag_max_ns;
	uint64_t handshakes;
	uint64_t resumed;
	struct bo_load_reason reasons[BO_LOAD_REASONS_MAX];
	size_t nreasons;
	uint64_t reasons_lost;
};

enum bo_event_kind {
	BO_EVENT_PHASE,
	BO_EVENT_FAULT,
	BO_EVENT_NODE,    /* started, ready, exited, restarted */
	BO_EVENT_NOTE,    /* worth knowing */
	BO_EVENT_PROBLEM, /* makes the run INCONCLUSIVE: generator late, sampler lost … */
};
const char *bo_event_kind_name(enum bo_event_kind kind);

struct bo_event {
	int64_t t_ns;
	enum bo_event_kind kind;
	int node;         /* or -1 */
	const char *text; /* [borrowed: run arena] */
};

/** struct bo_phase_span - when a phase really was; both INT64_MIN when it did not happen */
struct bo_phase_span {
	int64_t start_ns;
	int64_t end_ns;
};

enum bo_outcome { BO_PASS, BO_FAIL, BO_INCONCLUSIVE, BO_ABORTED };
const char *bo_outcome_name(enum bo_outcome outcome);
/** bo_outcome_from_name() - the inverse; INCONCLUSIVE for any other word */
enum bo_outcome bo_outcome_from_name(const char *name);
/** bo_outcome_exit() - 0 pass, 1 fail, 3 inconclusive, 4 aborted */
int bo_outcome_exit(enum bo_outcome outcome);

/**
 * struct bo_budget_result - the verdict on one budget
 * @measured, @limit: for people, with unit ("1.93s", "<= 1.20s"); @excess: "by 0.73s (61%)" or ""
 * @measured_value, @limit_value: the same as numbers in the metric's base unit (ns, ratio, count, bytes); NAN if none
 * @reason: why INCONCLUSIVE, or which term of an and/or decided; "" otherwise
 * @evidence: [borrowed: static] files of the run's folder that show who it was, NULL for none
 * @first_breach_ns: when it was first out of bounds, INT64_MIN when never or not known
 * @warn: it only warns: whatever its outcome, the run's does not hang on it
 */
struct bo_budget_result {
	const char *text;
	struct bo_src src;
	enum bo_outcome outcome;
	char measured[96];
	char limit[96];
	char excess[96];
	char reason[256];
	double measured_value;
	double limit_value;
	const char *evidence;
	int64_t first_breach_ns;
	bool warn;
};

struct bo_verdict {
	enum bo_outcome outcome;
	BO_VEC(struct bo_budget_result) budgets;
	BO_VEC(const char *)
	reasons; /* why the whole run is INCONCLUSIVE or ABORTED; [borrowed: run arena] */
};

/**
 * struct bo_run - one run
 * @started_unix_ns: CLOCK_REALTIME at t0;  @t0_ns: CLOCK_MONOTONIC at t0
 * @abort_reason: [borrowed] set when a person or a guard ended the run early
 * @stopped_early: [borrowed] set when the run ended at @stopped_ns because its verdict was certain: what made it so
 * @failure: [borrowed] set when the run FAILs whatever its budgets say: a subject ended though no fault asked it to
 */
struct bo_run {
	const struct bo_plan *plan; /* [borrowed: as long as the run] */
	struct bo_arena arena;
	char id[64];
	char machine[128]; /* kernel, CPUs */
	char driver[16];   /* of the links */
	char cgroup[32];   /* "v1", "v2", "none" */
	char version[32];
	int64_t started_unix_ns;
	int64_t t0_ns;
	int64_t ended_ns;
	struct bo_phase_span phases[BO_PHASE_COUNT];
	BO_VEC(struct bo_req)
	requests; /* in order of end_ns per load thread; not globally sorted */
	BO_VEC(struct bo_series *) series;          /* [owned] */
	BO_VEC(struct bo_group_snapshot) snapshots; /* in order of t_ns per node */
	BO_VEC(struct bo_group_snapshot)
	leaks; /* of nodes whose service offers Go's leak detector: what it found, the leaked ones alone */
	BO_VEC(struct bo_fault_record) faults; /* parallel to plan->faults */
	BO_VEC(struct bo_load_record) loads;   /* parallel to plan->loads */
	BO_VEC(struct bo_event) events;
	const char *abort_reason;
	const char *stopped_early;
	int64_t stopped_ns;
	const char *failure;
	struct bo_verdict verdict;
};

struct bo_run *bo_run_new(const struct bo_plan *plan);
void bo_run_free(struct bo_run *run);
/** bo_run_series_add() - a new empty series of the run; strings are copied; NULL when memory is out */
struct bo_series *bo_run_series_add(struct bo_run *run, const char *name, const char *unit,
				    const char *source, int node);
/** bo_run_series() - the series of that name and node, or NULL */
const struct bo_series *bo_run_series(const struct bo_run *run, const char *name, int node);
/** bo_run_event() - append to the timeline; silently lost when memory is out */
void bo_run_event(struct bo_run *run, int64_t t_ns, enum bo_event_kind kind, int node,
		  const char *fmt, ...) BO_PRINTF(5, 6);
