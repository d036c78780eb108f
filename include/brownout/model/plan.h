/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/model/plan.h — everything a scenario declares, before anything runs.
 * Built by script/, checked by harness/, executed by the conductor, printed by report/.
 * Owns: all its memory, in one arena.  Threads: read-only once built.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "brownout/base/arena.h"
#include "brownout/base/err.h"
#include "brownout/base/vec.h"
#include "brownout/model/attach.h"

/** struct bo_src - where in a scenario something was said; file is NULL when it came from the command line */
struct bo_src {
	const char *file;
	int line;
};

/** enum bo_phase - the six phases, in their order; one with duration 0 does not happen.
 * Load runs in warmup, base, fault and heal; hold keeps the faults on and stops the load; settle only waits. */
enum bo_phase {
	BO_PHASE_WARMUP,
	BO_PHASE_BASE,
	BO_PHASE_FAULT,
	BO_PHASE_HOLD,
	BO_PHASE_HEAL,
	BO_PHASE_SETTLE,
	BO_PHASE_COUNT,
};

const char *bo_phase_name(enum bo_phase phase);
/** bo_phase_from_name() - the phase, or BO_PHASE_COUNT when there is none of that name */
enum bo_phase bo_phase_from_name(const char *name);
/** bo_phase_has_load() - is load offered in this phase? */
bool bo_phase_has_load(enum bo_phase phase);

enum bo_role { BO_ROLE_CLIENT, BO_ROLE_SUBJECT, BO_ROLE_DEPENDENCY };
const char *bo_role_name(enum bo_role role);

/** The client is always node 0; it is the conductor itself and is never spawned. */
#define BO_NODE_CLIENT 0

/** enum bo_node_kind - ATTACHED: a service that runs already;  PEER: somebody out there whom it talks to */
enum bo_node_kind { BO_NODE_NONE, BO_NODE_COMMAND, BO_NODE_STUB, BO_NODE_ATTACHED, BO_NODE_PEER };

enum bo_ready_kind {
	BO_READY_NONE,
	BO_READY_TCP,
	BO_READY_HTTP,
	BO_READY_LOG,
	BO_READY_COMMAND,
	BO_READY_UNIX
};

/**
 * struct bo_ready_spec - when does a node count as ready?
 * @url: HTTP: the URL, 2xx is ready (its host is a node name)
 * @port: TCP: a connection is accepted
 * @socket: UNIX: a connection to this path in the node is accepted;  HTTP: @url is asked for over it, NULL for TCP
 * @pattern: LOG: POSIX extended regular expression (regex(7)) found in one line of output
 * @argv: COMMAND: run inside the node until it exits with 0; NULL-terminated
 * @deadline_ns: give up after this; default 10 s
 */
struct bo_ready_spec {
	enum bo_ready_kind kind;
	const char *url;
	int port;
	const char *socket;
	const char *pattern;
	const char *const *argv;
	int64_t deadline_ns;
	struct bo_src src;
};

enum bo_stub_proto { BO_STUB_TCP, BO_STUB_HTTP };
enum bo_stub_mode { BO_STUB_OK, BO_STUB_ERROR, BO_STUB_RESET, BO_STUB_STALL };

/**
 * struct bo_stub_spec - the built-in dependency: a TCP or HTTP responder
 * @port: 1 … 65535
 * @delay_ns: wait before each answer
 * @mode: OK answers; ERROR answers 500 (HTTP) or closes (TCP); RESET sends RST instead of an answer;
 *        STALL sends half of the answer and then nothing
 * @body: what it answers; for TCP each line received is answered with body and a newline
 */
struct bo_stub_spec {
	enum bo_stub_proto proto;
	int port;
	int64_t delay_ns;
	enum bo_stub_mode mode;
	int status;
	const char *body;
};

/**
 * struct bo_probe_spec - how goroutines of a node are counted
 * @pprof_url: base URL of net/http/pprof ("http://orders:8080/debug/pprof"), or NULL
 * @expvar_url: URL of expvar ("http://orders:8080/debug/vars"), or NULL
 * @expvar_key: name of the integer variable that holds the goroutine count; default "goroutines"
 * @metrics_url: URL of metrics in Prometheus' text format or OpenMetrics ("http://orders:8080/metrics"), or NULL
 * @interval_ns: default 100 ms, for the census 10 ms
 * The census of the process comes first, wherever it can be taken.  All URLs NULL and @off false means auto: the node's
 * readiness URL's host and port, pprof first, then expvar, then metrics.
 */
struct bo_probe_spec {
	const char *pprof_url;
	const char *expvar_url;
	const char *expvar_key;
	const char *metrics_url;
	int64_t interval_ns;
	bool off;
};

/**
 * struct bo_node_spec - one node; nodes[0] is the client (kind BO_NODE_NONE)
 * @argv: [COMMAND] NULL-terminated; argv[0] is looked up in the scenario's folder, then in PATH, by the harness
 * @env: NULL-terminated "K=V", added to a minimal environment (PATH, HOME=/tmp, LANG=C.UTF-8, HOSTNAME)
 * @cwd: absolute, or NULL for the scenario's folder
 * @memory_bytes: memory limit, 0 none;  @cpus_milli: CPU quota in 1/1000 CPU, 0 none;  @pids: 0 none
 * @dns: finds its peers by asking a name server instead of in /etc/hosts
 * @attach: [ATTACHED] of it only name, role and @probe are set besides
 * @peer, @peer_of: [PEER] of which service
 * @after: names of nodes that must be ready first; NULL-terminated or NULL (dependencies come before subjects anyway)
 */
struct bo_node_spec {
	const char *name;
	enum bo_role role;
	enum bo_node_kind kind;
	const char *const *argv;
	const char *const *env;
	const char *cwd;
	int64_t memory_bytes;
	int64_t cpus_milli;
	int64_t pids;
	bool dns;
	const char *const *after;
	struct bo_ready_spec ready;
	struct bo_stub_spec stub;
	struct bo_probe_spec probe;
	const struct bo_attach_spec *attach;
	const struct bo_attach_peer *peer;
	int peer_of;
	struct bo_src src;
};

/**
 * struct bo_link_spec - the wire between two nodes; a < b; management links are not listed here
 * @record: what it does to each packet goes into a file;  only the wire knows
 * @record_snaplen: bytes kept of each packet;  @record_limit: bytes of the file;  0: the default
 */
struct bo_link_spec {
	int a;
	int b;
	bool record;
	int64_t record_snaplen;
	int64_t record_limit;
	struct bo_src record_src;
	struct bo_src src;
};

/** enum bo_arrivals - when requests are due: evenly spaced or at random at the load's rate, @burst_count at once every
 * @burst_every_ns, or (CLOSED) whenever one of @clients has its answer and has thought about it */
enum bo_arrivals {
	BO_ARRIVALS_CONSTANT,
	BO_ARRIVALS_POISSON,
	BO_ARRIVALS_BURST,
	BO_ARRIVALS_CLOSED,
};
/** bo_arrivals_name() - "constant", "poisson", "burst", "closed" */
const char *bo_arrivals_name(enum bo_arrivals arrivals);

/** enum bo_rate_shape - how the rate of constant and Poisson arrivals moves within a stretch of load */
enum bo_rate_shape { BO_RATE_FLAT, BO_RATE_RAMP, BO_RATE_STEPS };

/**
 * struct bo_rate_spec - the shape; FLAT uses nothing of it
 * @to_per_s: [RAMP] the rate at the end; it begins at the load's rate_per_s
 * @over_ns: [RAMP] reached after this time, and kept then; 0: at the end of the stretch
 * @steps, @nsteps: [STEPS] rates, one after the other; the last one is kept
 * @each_ns: [STEPS] length of a step; 0: the stretch is divided evenly
 */
struct bo_rate_spec {
	enum bo_rate_shape shape;
	double to_per_s;
	int64_t over_ns;
	const double *steps;
	size_t nsteps;
	int64_t each_ns;
};

/** enum bo_load_protocol - what is spoken; keep in step with bo_load_protocol_name() */
enum bo_load_protocol { BO_LOAD_HTTP1, BO_LOAD_HTTP2, BO_LOAD_GRPC, BO_LOAD_TCP };
/** bo_load_protocol_name() - "http1", "h2", "grpc", "tcp" */
const char *bo_load_protocol_name(enum bo_load_protocol protocol);

/**
 * struct bo_tls_spec - TLS of a load
 * @ca_pem: certificates to trust, PEM text;  @ca_file: where it came from, for messages
 * @insecure: take any certificate
 * @cert_pem, @key_pem: what the client shows when asked (its chain follows the certificate) and its key, PEM text; NULL:
 *                      none;  @cert_file, @key_file: where they came from
 * @name: server name (SNI) that the certificate must be for; NULL: the node's
 * @resume: offer the session of an earlier connection
 */
struct bo_tls_spec {
	bool on;
	bool insecure;
	bool resume;
	const char *ca_pem;
	const char *ca_file;
	const char *cert_pem;
	const char *cert_file;
	const char *key_pem;
	const char *key_file;
	const char *name;
};

/**
 * struct bo_tcp_spec - one request and its answer over a plain connection
 * @send: what is sent
 * @expect: what the answer must begin with
 * @until: the answer ends with the first occurrence of this
 * @bytes: the answer is this long; 0: @until or, without it, the length of @expect decides
 */
struct bo_tcp_spec {
	const char *send;
	size_t send_len;
	const char *expect;
	size_t expect_len;
	const char *until;
	size_t until_len;
	int64_t bytes;
};

/**
 * struct bo_slow_spec - a client that dawdles
 * @write_per_s: bytes of the request sent per second, 0 at once;  @body_only: the head is sent at once
 * @read_per_s: bytes of the response read per second, 0 as they come
 */
struct bo_slow_spec {
	double write_per_s;
	double read_per_s;
	bool body_only;
};

struct bo_header {
	const char *name;
	const char *value;
};

/**
 * struct bo_route_spec - one kind of request of a load that mixes several
 * @name: unique in the load; what `{route="…"}` selects and reports show
 * @weight: > 0; a request is of this route with probability weight / sum of weights
 * @path, values of @headers, @body: may hold templates (model/template.h)
 * @body: @body_len bytes, NULL for none
 */
struct bo_route_spec {
	const char *name;
	double weight;
	const char *method;
	const char *path;
	const struct bo_header *headers;
	size_t nheaders;
	const char *body;
	size_t body_len;
};

/** enum bo_load_kind - REQUESTS offers requests; HOLD keeps long-lived connections open */
enum bo_load_kind { BO_LOAD_REQUESTS, BO_LOAD_HOLD };

/**
 * struct bo_load_spec - what the client offers
 * @routes, @nroutes: the mix; none: every request asks for @path
 * @node, @port, @path: where to; the URL's host was resolved to a node
 * @socket: absolute path of a unix socket in the node, over which everything goes instead of @port; NULL: TCP
 * @body: @body_len bytes; for GRPC the message
 * @rate_per_s: intended requests per second (open loop), of RAMP and STEPS the first, of BURST the mean, of CLOSED 0;
 *              for HOLD: new connections per second.  model/rate.h knows how many are due when
 * @rate: the shape
 * @burst_count, @burst_every_ns: [BURST];  @clients, @think_ns: [CLOSED]
 * @timeout_ns: per request, from the moment of sending; 0 none
 * @max_inflight: connections are opened on demand up to this; default 1000
 * @streams: [HTTP2, GRPC] requests at a time on one connection
 * @keepalive: false closes the connection after each response
 * @abandon_ns: the client hangs up this long after sending, 0 never
 * @hold_count: [HOLD] connections kept open at a time;  @hold_ns: how long each is held, 0 for as long as load runs;
 *              each asks for @path once and then stays silent
 * @vanish: [HOLD] at its end the client's side disappears without FIN instead of closing politely
 */
struct bo_load_spec {
	const char *name;
	enum bo_load_kind kind;
	const char *url;
	int node;
	int port;
	const char *socket;
	const char *path;
	const char *method;
	const struct bo_header *headers;
	size_t nheaders;
	const char *body;
	size_t body_len;
	const struct bo_route_spec *routes;
	size_t nroutes;
	enum bo_load_protocol protocol;
	int64_t streams;
	struct bo_tls_spec tls;
	struct bo_tcp_spec tcp;
	struct bo_slow_spec slow;
	double rate_per_s;
	struct bo_rate_spec rate;
	enum bo_arrivals arrivals;
	int64_t burst_count;
	int64_t burst_every_ns;
	int64_t clients;
	int64_t think_ns;
	int64_t timeout_ns;
	int64_t abandon_ns;
	int64_t max_inflight;
	bool keepalive;
	int64_t hold_count;
	int64_t hold_ns;
	bool vanish;
	struct bo_src src;
};

struct bo_samples; /* model/linkfile.h */
struct bo_trace;

enum bo_arg_type { BO_ARG_STRING, BO_ARG_NUMBER, BO_ARG_BOOL };

/** struct bo_arg - one key = value of a fault, still as the user wrote it; a lone positional value has key ""
 * @samples, @trace: what the file that @str names holds; NULL when it names none */
struct bo_arg {
	const char *key;
	enum bo_arg_type type;
	const char *str;
	double num;
	bool boolean;
	const struct bo_samples *samples;
	const struct bo_trace *trace;
};

enum bo_target { BO_TARGET_LINK, BO_TARGET_NODE };

/**
 * struct bo_fault_spec - one fault in the schedule
 * @kind: name in the fault registry ("delay", "kill", "memory" …); the registry validates kind and args
 * @target, @index: links[index] or nodes[index]
 * @from, @to: active from the start of phase @from until the end of phase @to
 * @after_ns: starts this long after the start of @from
 * @lasts_ns: ends this long after it started; 0 means at the end of @to
 * @id: "delay orders-db #1", unique in the plan
 */
struct bo_fault_spec {
	const char *id;
	const char *kind;
	enum bo_target target;
	int index;
	const struct bo_arg *args;
	size_t nargs;
	enum bo_phase from;
	enum bo_phase to;
	int64_t after_ns;
	int64_t lasts_ns;
	struct bo_src src;
};

/** struct bo_param - KEY=VALUE from outside: a parameter of the scenario (--set), a tag of the run (--tag), or an option
 * of the command line that changed the plan, with its value as given */
struct bo_param {
	const char *key;
	const char *value;
};

/** struct bo_budget_spec - one budget as written; parsed by slo/ */
struct bo_budget_spec {
	const char *text;
	struct bo_src src;
};

/** struct bo_guard_spec - one guard as written ("latency.p99 > 5s for 3s"); parsed by slo/ */
struct bo_guard_spec {
	const char *text;
	struct bo_src src;
};

/** enum bo_driver - how links are impaired; AUTO takes netem where the kernel has it, else the wire; QUEUE holds packets
 * of services that run already, and only those */
enum bo_driver { BO_DRIVER_AUTO, BO_DRIVER_NETEM, BO_DRIVER_WIRE, BO_DRIVER_QUEUE };
const char *bo_driver_name(enum bo_driver driver);

/**
 * struct bo_plan - a validated scenario
 * @timeout_ns: the service's declared request timeout T, 0 if the scenario does not say; used to warn of loose budgets
 * @slo_target: share of good requests that the service level objective asks for, above 0 and below 1; 0 none
 * @slo_period_ns: over which it does; 0 none (30 days are taken)
 * @stop_early: a run ends as soon as its verdict is certain
 * @limit_ns: a run that takes longer than this, set-up included, is ended; 0 none
 * @replay_dir: folder of the run whose recorded fates are fed back, NULL for none; [borrowed: the command line]
 * @scenario_path: as given by the user;  @scenario_dir: absolute folder of the scenario
 * @scenario_text: the file's content, so that a run can be repeated
 * @params, @nparams: in the arena, as given; filled by whoever takes the command line
 * @tags, @ntags: what the user calls this run, likewise;  they change nothing and are shown in reports
 * @overrides, @noverrides: what the command line changed, likewise, in order: { "phase", "fault=30s" }
 */
struct bo_plan {
	struct bo_arena arena;
	const char *name;
	const char *about;
	const char *scenario_path;
	const char *scenario_dir;
	const char *scenario_text;
	const struct bo_param *params;
	size_t nparams;
	const struct bo_param *tags;
	size_t ntags;
	const struct bo_param *overrides;
	size_t noverrides;
	struct bo_src src;
	uint64_t seed;
	const char *replay_dir;
	enum bo_driver driver;
	int64_t timeout_ns;
	double slo_target;
	int64_t slo_period_ns;
	bool stop_early;
	int64_t limit_ns;
	int64_t phase_ns[BO_PHASE_COUNT];
	BO_VEC(struct bo_node_spec) nodes;
	BO_VEC(struct bo_link_spec) links;
	BO_VEC(struct bo_load_spec) loads;
	BO_VEC(struct bo_fault_spec) faults;
	BO_VEC(struct bo_budget_spec) budgets;
	BO_VEC(struct bo_guard_spec) guards;
};

/** bo_plan_new() - an empty plan with the client as node 0; NULL when memory is out */
struct bo_plan *bo_plan_new(void);
void bo_plan_free(struct bo_plan *plan);
/** bo_plan_node() - index of the node of that name, or -1 */
int bo_plan_node(const struct bo_plan *plan, const char *name);
/** bo_plan_attached() - is it about services that run already?  Then there is no lab: such nodes and others are not mixed */
bool bo_plan_attached(const struct bo_plan *plan);
/** bo_plan_link() - index of the link between two nodes in either order, or -1 */
int bo_plan_link(const struct bo_plan *plan, int node, int peer);
/** bo_plan_link_add() - index of the link between two nodes, added if there was none; -ENOMEM */
int bo_plan_link_add(struct bo_plan *plan, int node, int peer, struct bo_src src);
/** bo_plan_phase_start() - start of @phase in ns after the start of the first phase */
int64_t bo_plan_phase_start(const struct bo_plan *plan, enum bo_phase phase);
/** bo_plan_total() - planned length of all phases in ns */
int64_t bo_plan_total(const struct bo_plan *plan);
/** bo_plan_fault_window() - planned [start, end) of a fault, in ns after the start of the first phase */
void bo_plan_fault_window(const struct bo_plan *plan, const struct bo_fault_spec *fault,
			  int64_t *ret_start, int64_t *ret_end);
/** bo_arg_find() - the argument of that key, or NULL */
const struct bo_arg *bo_arg_find(const struct bo_fault_spec *fault, const char *key);
