/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/census.h — the goroutines of a live Go process, read from outside without stopping it.
 * The census reads the runtime's own tables (allgs, sched, allp) out of the target's memory: no agent, no signal, no
 * ptrace stop.  Go 1.19 and later, linux/amd64 and linux/arm64, built as a program (not as a plugin or an archive).
 * Everything read is under the target's control and is bounded and checked accordingly.
 * Owns: a handle owns its buffers and the descriptors given to it.  Threads: one at a time per handle.
 * Privilege: PTRACE_MODE_ATTACH over the target (ptrace(2)): the same user, or CAP_SYS_PTRACE; or descriptors that
 * somebody who has it opened. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "brownout/base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

/** struct bo_census - one process under observation; opaque */
struct bo_census;

/* ---- attaching ---- */

/** struct bo_census_piece - @len bytes at @addr of the target, wanted at @into */
struct bo_census_piece {
	uint64_t addr;
	void *into;
	size_t len;
};

/**
 * struct bo_census_memory - where the target's bytes come from; the default is process_vm_readv(2)
 * @read: fill the pieces in order.  Return: how many leading pieces were filled whole (fewer than @n: the next one is
 *        not readable), or -errno when nothing can be read at all (-ESRCH: the process is gone, -EPERM)
 * @close: may be NULL
 */
struct bo_census_memory {
	void *self;
	ssize_t (*read)(void *self, const struct bo_census_piece *pieces, size_t n);
	void (*close)(void *self);
};

/**
 * struct bo_census_source - a target by parts, for those who may not open /proc/PID themselves
 * @pid: shown in messages, and read with process_vm_readv(2) when there is no @mem_fd and no @memory
 * @mem_fd: /proc/PID/mem, or -1
 * @exe_fd: the executable (/proc/PID/exe); needed
 * @auxv_fd: /proc/PID/auxv, which tells where a position-independent executable was loaded; -1 when @bias is given
 * @bias: load address minus link address, when @auxv_fd is -1
 * @memory: [consumed: even on failure] instead of @mem_fd
 * Descriptors are [consumed: even on failure].
 */
struct bo_census_source {
	pid_t pid;
	int mem_fd;
	int exe_fd;
	int auxv_fd;
	uint64_t bias;
	const struct bo_census_memory *memory;
};

/** enum bo_census_flags - ways not to take; for tests, and for targets whose debug information is not trusted */
enum bo_census_flags {
	BO_CENSUS_NO_SYMTAB = 1,
	BO_CENSUS_NO_DWARF = 2,
	BO_CENSUS_NO_TABLE = 4,
};

/**
 * bo_census_attach() - find the runtime's tables in process @pid, and check them
 * @flags: enum bo_census_flags, or 0
 * Return: 0; -ESRCH gone · -EACCES or -EPERM with what would help · -ENOEXEC not a Go program · -ENOTSUP a Go program
 * that cannot be read (too old, 32-bit, obfuscated …), with the reason of every way that was tried
 */
BO_NODISCARD int bo_census_attach(struct bo_census **ret, pid_t pid, unsigned flags,
				  struct bo_err *err);
/** bo_census_attach_source() - the same of a target by parts; errors are the same */
BO_NODISCARD int bo_census_attach_source(struct bo_census **ret,
					 const struct bo_census_source *source, unsigned flags,
					 struct bo_err *err);
/**
 * bo_census_is_go() - does the executable say that it was built by Go (sections .gopclntab, .go.buildinfo)?
 * @exe_fd: [borrowed: until return]
 * False also for a program whose section headers were stripped, which bo_census_attach() may yet find its way in.
 */
bool bo_census_is_go(int exe_fd);
/** bo_census_free() - NULL is fine.  Sites and labels of its snapshots end with it */
void bo_census_free(struct bo_census *census);

/** struct bo_census_attempt - one way that was tried at attach; @reason is empty for the one that is used */
struct bo_census_attempt {
	char way[32];
	char reason[160];
};
#define BO_CENSUS_ATTEMPTS_MAX 6

/**
 * struct bo_census_info - what was attached to, and how
 * @go_version: "go1.26.8";  @arch: "amd64" or "arm64"
 * @located: how the globals were found: "symtab" or "scan" (pclntab, moduledata and a search of .bss)
 * @layout: whence the offsets: "dwarf", "table" or "calibrated"
 * @can_count: bo_census_count() works (the layout of sched is known)
 * @can_stats: bo_census_stats() has GC and heap numbers
 */
struct bo_census_info {
	pid_t pid;
	char go_version[64];
	int go_minor;
	char arch[8];
	const char *located;
	const char *layout;
	bool can_count;
	bool can_stats;
	uint64_t load_bias;
	int64_t attach_ns;
	struct bo_census_attempt attempts[BO_CENSUS_ATTEMPTS_MAX];
	size_t nattempts;
};
/** bo_census_info() - [borrowed: as long as the handle] */
const struct bo_census_info *bo_census_info(const struct bo_census *census);

/* ---- counting ---- */

/**
 * bo_census_count() - runtime.NumGoroutine(), in one system call
 * The runtime's own formula over numbers read one after the other: exact when nothing starts or ends meanwhile.
 * Return: 0; -ESRCH gone; -ESTALE the process became another program; -ENOTSUP when !can_count
 */
BO_NODISCARD int bo_census_count(struct bo_census *census, int64_t *ret, struct bo_err *err);

/* ---- groups ---- */

/** enum bo_census_state - runtime2.go's _G*; keep in step with bo_census_state_name() */
enum bo_census_state {
	BO_CENSUS_IDLE,
	BO_CENSUS_RUNNABLE,
	BO_CENSUS_RUNNING,
	BO_CENSUS_SYSCALL,
	BO_CENSUS_WAITING,
	BO_CENSUS_PREEMPTED,
	BO_CENSUS_COPYSTACK,
	BO_CENSUS_LEAKED, /* by the runtime's own leak detector, Go 1.26 and later */
	BO_CENSUS_STATES,
};
/** bo_census_state_name() - "waiting", "syscall" …; never NULL */
const char *bo_census_state_name(enum bo_census_state state);

/**
 * struct bo_census_frame - one line of code; strings are [borrowed: as long as the handle], never NULL
 * @func: "main.(*Server).query", "?" when unknown;  @file: "" when unknown
 * @outer: the function whose machine code it is: another one than @func when the compiler inlined @func into it
 * @pc: in the target;  @offset: of @pc in @outer
 */
struct bo_census_frame {
	const char *func;
	const char *outer;
	const char *file;
	int line;
	uint64_t pc;
	uint64_t offset;
};
/** bo_census_is_primitive() - is @func of the runtime or a primitive (sync, internal/poll, syscall), never a blocking site? */
bool bo_census_is_primitive(const char *func);
#define BO_CENSUS_FRAMES_MAX 32
#define BO_CENSUS_AGES_MAX 10

/**
 * struct bo_census_group - goroutines that came from one place and wait for one thing at one place
 * @state, @reason: reason is the runtime's text ("chan receive") when waiting, else the state's name
 * @created: the line of the go statement; func is "" for the main goroutine
 * @start: the function that they run
 * @blocked: the first frame outside the runtime and sync primitives, func "" when not known
 * @frames: stack of one of them, innermost first, from where it blocks
 * @labels: `"route":"/pay", "tenant":"7"` as debug=2 prints them; "" for none
 * @system: belongs to the runtime; NumGoroutine() does not count it
 * @count: how many;  @locked: of them, tied to a thread (runtime.LockOSThread)
 * @unmoved: of them, have not run since at least three snapshots: stuck, as opposed to a worker that idles now and then
 * @unmoved_ns: shortest time for which one of @unmoved is known not to have run
 * @age_min_ns, @age_max_ns: since when this handle has seen them (a lower bound of their true age)
 * @older: of them, seen for at least the i-th age that bo_census_set_ages() was given
 * @waited_max_ns: longest wait by the runtime's own stamp, which only a GC cycle sets; 0 when none is set
 * @goid: of the goroutine whose stack is shown;  @parent: who started it, 0 before Go 1.21
 */
struct bo_census_group {
	enum bo_census_state state;
	const char *reason;
	struct bo_census_frame created;
	struct bo_census_frame start;
	struct bo_census_frame blocked;
	const struct bo_census_frame *frames;
	size_t nframes;
	const char *labels;
	bool system;
	uint64_t count;
	uint64_t locked;
	uint64_t unmoved;
	int64_t unmoved_ns;
	int64_t age_min_ns;
	int64_t age_max_ns;
	uint64_t older[BO_CENSUS_AGES_MAX];
	int64_t waited_max_ns;
	uint64_t goid;
	uint64_t parent;
};

/**
 * struct bo_census_snapshot - zero-initialise, use again and again, bo_census_snapshot_done()
 * @t_ns: CLOCK_MONOTONIC when reading began;  @took_ns: how long it took
 * @user: goroutines as NumGoroutine() counts them;  @system: the runtime's own;  @dead: free g structures
 * @torn: changed in every one of several readings; counted as they looked last
 * @unreadable: g structures that could not be read (0 on a healthy target)
 * @overflow: goroutines beyond the bound on distinct groups, in no group
 * @groups: by count, the largest first; [borrowed: until the next use of the snapshot]
 */
struct bo_census_snapshot {
	int64_t t_ns;
	int64_t took_ns;
	uint64_t user;
	uint64_t system;
	uint64_t dead;
	uint64_t torn;
	uint64_t unreadable;
	uint64_t overflow;
	uint64_t samples; /* snapshots of this handle so far, this one included */
	struct bo_census_group *groups;
	size_t ngroups;
	struct bo_census_snapshot_private *priv;
};

/** enum bo_census_detail - what a snapshot shall find out beside the counts */
enum bo_census_detail {
	BO_CENSUS_STACKS = 1, /* blocking site and frames, one goroutine per group */
	BO_CENSUS_LABELS = 2, /* pprof labels, which then tell groups apart */
	BO_CENSUS_TRACK =
		4, /* ages and stuck-or-idle; 24 bytes per goroutine are kept from now on */
	BO_CENSUS_SYSTEM = 8, /* groups of the runtime's own goroutines, too */
	BO_CENSUS_ALL = 15,
};

/**
 * bo_census_snapshot() - walk all goroutines and group them
 * @detail: enum bo_census_detail
 * Return: 0; -ESRCH, -ESTALE as bo_census_count(); -EAGAIN when allgs moved at every attempt; -ENOMEM
 */
BO_NODISCARD int bo_census_snapshot(struct bo_census *census, unsigned detail,
				    struct bo_census_snapshot *snap, struct bo_err *err);
void bo_census_snapshot_done(struct bo_census_snapshot *snap);

/**
 * bo_census_set_ages() - from now on snapshots with BO_CENSUS_TRACK count, per group, who is at least so old
 * @ages_ns: rising; copied.  Beyond BO_CENSUS_AGES_MAX they are ignored
 */
void bo_census_set_ages(struct bo_census *census, const int64_t *ages_ns, size_t n);

/** BO_CENSUS_UNMOVED_SAMPLES - unmoved in so many snapshots in a row is called stuck */
#define BO_CENSUS_UNMOVED_SAMPLES 3

/**
 * struct bo_census_change - how a group differs between two snapshots; one side may be NULL
 * Groups are the same when state, reason, creation site, start, blocking site and labels read the same.
 */
struct bo_census_change {
	const struct bo_census_group *before;
	const struct bo_census_group *after;
	int64_t delta;
};
/**
 * bo_census_diff() - changes by falling |delta|; groups of equal count are left out
 * The snapshots may come from different handles: texts are compared.
 * @ret: [owned: free(3)], pointing into both snapshots
 */
BO_NODISCARD int bo_census_diff(const struct bo_census_group *before, size_t nbefore,
				const struct bo_census_group *after, size_t nafter,
				struct bo_census_change **ret, size_t *nret, struct bo_err *err);

/* ---- evidence ---- */

/**
 * bo_census_write_goroutines() - every goroutine with its own stack, in the text form of pprof's goroutine?debug=2
 * Arguments of calls are not known and are printed as "...", as the runtime does where it does not know them either.
 * @max: stop after so many; a last line then says how many were left out
 * @ret_written: may be NULL
 */
BO_NODISCARD int bo_census_write_goroutines(struct bo_census *census, FILE *out, uint64_t max,
					    uint64_t *ret_written, struct bo_err *err);

/* ---- runtime statistics ---- */

#define BO_CENSUS_LATENCY_BUCKETS 160

/**
 * struct bo_census_stats - the runtime's own counters; a number that this version or build does not show is -1
 * @heap_live_bytes: as the pacer sees it, updated span by span;  @memory_limit_bytes: GOMEMLIMIT, INT64_MAX for none
 * @heap_goal_bytes: where the next cycle shall have ended, by GOGC; with GOMEMLIMIT it may be less; -1 when GOGC is off
 * @gc_cycles, @gc_forced, @gc_pause_total_ns, @gc_last_pause_ns: as in runtime.MemStats
 * @gc_since_ns: since the last cycle ended;  @gogc: GOGC, negative when off (-1 also means unknown)
 * @created: goroutines ever created, counted in batches of 16 per P
 * @threads, @idle_threads, @procs, @idle_procs, @spinning: Ms and Ps
 * @runq_global, @runq_local: goroutines waiting for a P, in the global queue and in all local ones
 * @stw_pending_ns: somebody has been waiting for the world to stop for so long by this handle's own watch; 0 when not
 * @mutex_wait_ns: total time blocked on runtime mutexes and sync.Mutex, an estimate by the runtime
 * @sched_latency: runnable → running, cumulative (1 in 8 is sampled); upper bounds by bo_census_latency_bound_ns()
 */
struct bo_census_stats {
	int64_t t_ns;
	int64_t gc_cycles, gc_forced, gc_pause_total_ns, gc_last_pause_ns, gc_since_ns, gogc;
	int64_t heap_live_bytes, heap_marked_bytes, heap_goal_bytes, memory_limit_bytes;
	int64_t created;
	int64_t threads, idle_threads, procs, idle_procs, spinning;
	int64_t runq_global, runq_local;
	int64_t stw_pending_ns;
	int64_t mutex_wait_ns;
	bool has_sched_latency;
	uint64_t sched_latency[BO_CENSUS_LATENCY_BUCKETS];
};
BO_NODISCARD int bo_census_stats(struct bo_census *census, struct bo_census_stats *ret,
				 struct bo_err *err);
/** bo_census_latency_bound_ns() - upper bound of bucket @i of sched_latency (runtime/histogram.go) */
int64_t bo_census_latency_bound_ns(unsigned i);
/**
 * bo_census_latency_quantile_ns() - quantile @q of what was added to the histogram between two readings
 * @before: NULL for since the start of the process
 * Return: ns, or -1 when nothing was added
 */
int64_t bo_census_latency_quantile_ns(const struct bo_census_stats *before,
				      const struct bo_census_stats *now, double q);

/* ---- permission ---- */

/**
 * struct bo_census_access - facts that decide whether a process may be read (ptrace(2), "access mode checking")
 * @yama_scope: /proc/sys/kernel/yama/ptrace_scope, -1 without Yama
 */
struct bo_census_access {
	pid_t pid;
	uid_t own_uid;
	uid_t target_uid;
	bool have_cap;
	bool dumpable;
	bool other_userns;
	int yama_scope;
};
/** bo_census_access_probe() - find the facts out; never fails, unknown facts are assumed favourable */
void bo_census_access_probe(pid_t pid, struct bo_census_access *ret);
/** bo_census_access_advice() - one sentence: what stands in the way, and which capability or setting would help */
const char *bo_census_access_advice(const struct bo_census_access *access, char *buf, size_t size);

#ifdef __cplusplus
}
#endif
