/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/lab/hands.h — what can be done to a running lab, as a table of functions.
 * Faults are written against this table and nothing else.  In a run the conductor's table speaks to the keeper
 * (and to the wire threads); in tests a table of fakes stands in.
 * Owns: nothing.  Threads: the conductor's main thread only.  Privilege: whatever stands behind it. */
#pragma once
#include <stdint.h>

#include "brownout/base/err.h"
#include "brownout/model/conn.h"
#include "brownout/model/dns.h"
#include "brownout/model/impair.h"
#include "brownout/model/plan.h"

/** enum bo_cap_bit - what the machine offers; filled by bo_machine_probe() */
struct bo_machine {
	bool netns, tun, veth, netem, userns;
	bool netem_seeded; /* netem's random numbers take a seed (6.6) */
	bool cgroup_memory, cgroup_cpu, cgroup_pids, cgroup_freezer;
	int cgroup_memory_version; /* 1, 2, or 0 for none */
	bool memory_high;          /* cgroup v2 only */
	enum bo_driver driver;     /* what AUTO means here */
	char why_not_netem[160];
	char why_not_tun[160];
	char why_not_cgroup[160];
	bool queue; /* nf_tables and nfnetlink_queue, for services that run already */
	char why_not_queue[160];
	bool realtime; /* threads that keep time may be SCHED_FIFO */
	char why_not_realtime[160];
	bool stamps; /* the kernel tells wires when packets came (sys/tun_stamp.h) */
	char why_not_stamps[160];
	bool divert; /* netem by way of an ifb, for services that run already */
	char why_not_divert[160];
};

/** struct bo_link_sample - one probe, CLOCK_MONOTONIC
 * @delay_ns: one-way, of its first arrival;  negative when it did not arrive
 * @order: the how manieth probe of its direction it was to arrive
 * @arrivals: how often it arrived;  @damaged: how many of these with a bit flipped */
struct bo_link_sample {
	int64_t sent_ns;
	int64_t delay_ns;
	uint32_t order;
	uint16_t arrivals;
	uint16_t damaged;
};

/** struct bo_link_train - packets sent back to back
 * @bits: what arrived after the first one, IP header included */
struct bo_link_train {
	int64_t sent_ns;
	int64_t first_ns;
	int64_t last_ns;
	int64_t bits;
	uint32_t sent;
	uint32_t received;
};

/** struct bo_link_samples - [owned] both in the order of sending; free with bo_link_samples_done() */
struct bo_link_samples {
	struct bo_link_sample *probes;
	size_t nprobes;
	struct bo_link_train *trains;
	size_t ntrains;
};

/** struct bo_link_measure - one-way measurement of one direction by probe packets inside the impaired path
 * @sent, @received: probes sent in the window and those of them that arrived
 * @delay_*_ns: one-way delay of those that arrived
 * @goodput_bps: bits per second of a short train at the receiving end, 0 if none was sent
 * @duplicated: probes that arrived more than once;  @damaged: that arrived with a bit flipped
 * @reordered: that arrived after one sent later;  @reorder_extent: how many arrivals too late, at most (RFC 4737 § 3, 4.2)
 * @loss_runs: uninterrupted runs of lost probes */
struct bo_link_measure {
	uint64_t sent;
	uint64_t received;
	int64_t delay_min_ns;
	int64_t delay_p50_ns;
	int64_t delay_p99_ns;
	int64_t delay_max_ns;
	int64_t goodput_bps;
	uint64_t duplicated;
	uint64_t damaged;
	uint64_t reordered;
	uint64_t reorder_extent;
	uint64_t loss_runs;
};

/** struct bo_mem_stat - counters of a node's memory cgroup; -1 where the kernel has none */
struct bo_mem_stat {
	int64_t usage_bytes;
	int64_t limit_bytes; /* INT64_MAX when unlimited */
	int64_t failcnt;     /* v1 memory.failcnt, v2 memory.events:max */
	int64_t high_events; /* v2 memory.events:high */
	int64_t oom_kills;
	int64_t high_bytes; /* v2 memory.high, INT64_MAX when unlimited; 0 or less when it could not be read */
};

/** struct bo_node_state - what is known about a node's main process */
struct bo_node_state {
	bool running;
	bool paused;
	int32_t pid;      /* in the conductor's pid namespace; 0 when not running */
	int exit_status;  /* as waitpid(2) gives it; valid after it ran once and is not running */
	int64_t since_ns; /* CLOCK_MONOTONIC of the last start or end */
};

/** enum bo_mem_knob - HIGH: reclaim and throttle above it (v2 memory.high); MAX: hard limit (v2 memory.max, v1 limit_in_bytes) */
enum bo_mem_knob { BO_MEM_MAX, BO_MEM_HIGH };

/**
 * struct bo_hands - all return 0 or -errno with @err filled; all wait for the deed to be done
 * @link_impair: replace the whole impairment of one direction, atomically between two packets
 * @link_probe: start (on = true) or stop probing one direction
 * @link_measure: what probes sent in [from_ns, to_ns) (CLOCK_MONOTONIC) met; call after they had time to arrive
 * @link_rules: replace the rules on connections of a link, between two packets; -ENOTSUP where it is no wire
 * @link_rule_counts: what a rule in force has done so far
 * @link_samples: the same, probe by probe; @ret: [out, owned]
 * @node_kill: SIGKILL to the whole process tree at once
 * @node_term: SIGTERM to the main process
 * @node_start: start again after its end; with @wait_ready, only return once it is ready
 * @node_pause, @node_resume: freeze and thaw the whole tree
 * @node_dns: what the node's name server does from now on, NULL: the truth;  counters begin anew
 * @node_dns_stats: what it was asked since
 * @memory_limit: set one knob; INT64_MAX lifts it.  -EBUSY: v1 refuses a limit below usage it cannot reclaim
 */
struct bo_hands {
	void *self;
	const struct bo_machine *machine;
	const char *
		link_driver; /* "netem" or "wire"; of services that run already "netem", "queue" or both */
	int (*link_impair)(void *self, int link, enum bo_dir dir, const struct bo_impair *im,
			   struct bo_err *err);
	int (*link_probe)(void *self, int link, enum bo_dir dir, bool on, struct bo_err *err);
	int (*link_measure)(void *self, int link, enum bo_dir dir, int64_t from_ns, int64_t to_ns,
			    struct bo_link_measure *ret, struct bo_err *err);
	int (*link_rules)(void *self, int link, const struct bo_conn_rule *rules, size_t n,
			  struct bo_err *err);
	int (*link_rule_counts)(void *self, int link, uint32_t id, struct bo_conn_counts *ret,
				struct bo_err *err);
	int (*link_samples)(void *self, int link, enum bo_dir dir, int64_t from_ns, int64_t to_ns,
			    struct bo_link_samples *ret, struct bo_err *err);
	int (*node_kill)(void *self, int node, struct bo_err *err);
	int (*node_term)(void *self, int node, struct bo_err *err);
	int (*node_start)(void *self, int node, bool wait_ready, struct bo_err *err);
	int (*node_pause)(void *self, int node, struct bo_err *err);
	int (*node_resume)(void *self, int node, struct bo_err *err);
	int (*node_state)(void *self, int node, struct bo_node_state *ret, struct bo_err *err);
	int (*node_dns)(void *self, int node, const struct bo_dns_fault *fault, struct bo_err *err);
	int (*node_dns_stats)(void *self, int node, struct bo_dns_stats *ret, struct bo_err *err);
	int (*memory_limit)(void *self, int node, enum bo_mem_knob knob, int64_t bytes,
			    struct bo_err *err);
	int (*memory_stat)(void *self, int node, struct bo_mem_stat *ret, struct bo_err *err);
};
