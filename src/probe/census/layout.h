/* SPDX-License-Identifier: Apache-2.0 */
/* census/layout.h — where the fields of the Go runtime's structures are: the facts that change from release to release.
 * A fact is a byte offset (or a size) that DWARF names by type and path; versions.c holds what the releases' own DWARF
 * says, and a checker regenerates it.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "brownout/base/err.h"

/*
 * FACT(name, type, path, other path): a path of NULL is the type's size.  The other path is how other releases spell
 * it.  Facts that a release does not have are -1.
 */
#define BO_GO_FACTS(FACT)                                                            \
	FACT(G_SIZE, "runtime.g", NULL, NULL)                                        \
	FACT(G_STACK_LO, "runtime.g", "stack.lo", NULL)                              \
	FACT(G_STACK_HI, "runtime.g", "stack.hi", NULL)                              \
	FACT(G_SCHED_SP, "runtime.g", "sched.sp", NULL)                              \
	FACT(G_SCHED_PC, "runtime.g", "sched.pc", NULL)                              \
	FACT(G_SYSCALLSP, "runtime.g", "syscallsp", NULL)                            \
	FACT(G_SYSCALLPC, "runtime.g", "syscallpc", NULL)                            \
	FACT(G_STATUS, "runtime.g", "atomicstatus", NULL)                            \
	FACT(G_GOID, "runtime.g", "goid", NULL)                                      \
	FACT(G_WAITSINCE, "runtime.g", "waitsince", NULL)                            \
	FACT(G_WAITREASON, "runtime.g", "waitreason", NULL)                          \
	FACT(G_TRACKINGSEQ, "runtime.g", "trackingSeq", NULL)                        \
	FACT(G_LOCKEDM, "runtime.g", "lockedm", NULL)                                \
	FACT(G_PARENTGOID, "runtime.g", "parentGoid", NULL)                          \
	FACT(G_GOPC, "runtime.g", "gopc", NULL)                                      \
	FACT(G_STARTPC, "runtime.g", "startpc", NULL)                                \
	FACT(G_LABELS, "runtime.g", "labels", NULL)                                  \
	FACT(SCHED_SIZE, "runtime.schedt", NULL, NULL)                               \
	FACT(SCHED_GOIDGEN, "runtime.schedt", "goidgen", NULL)                       \
	FACT(SCHED_NMIDLE, "runtime.schedt", "nmidle", NULL)                         \
	FACT(SCHED_MNEXT, "runtime.schedt", "mnext", NULL)                           \
	FACT(SCHED_MAXMCOUNT, "runtime.schedt", "maxmcount", NULL)                   \
	FACT(SCHED_NGSYS, "runtime.schedt", "ngsys", NULL)                           \
	FACT(SCHED_NPIDLE, "runtime.schedt", "npidle", NULL)                         \
	FACT(SCHED_NMSPINNING, "runtime.schedt", "nmspinning", NULL)                 \
	FACT(SCHED_RUNQSIZE, "runtime.schedt", "runqsize", "runq.size")              \
	FACT(SCHED_GFREE, "runtime.schedt", "gFree.n", "gFree.stack.size")           \
	FACT(SCHED_GFREE2, "runtime.schedt", "gFree.noStack.size", NULL)             \
	FACT(SCHED_GCWAITING, "runtime.schedt", "gcwaiting", NULL)                   \
	FACT(SCHED_STOPWAIT, "runtime.schedt", "stopwait", NULL)                     \
	FACT(SCHED_TIMETORUN, "runtime.schedt", "timeToRun", NULL)                   \
	FACT(SCHED_MUTEXWAIT, "runtime.schedt", "totalMutexWaitTime", NULL)          \
	FACT(P_STATUS, "runtime.p", "status", NULL)                                  \
	FACT(P_RUNQHEAD, "runtime.p", "runqhead", NULL)                              \
	FACT(P_RUNQTAIL, "runtime.p", "runqtail", NULL)                              \
	FACT(P_RUNNEXT, "runtime.p", "runnext", NULL)                                \
	FACT(P_GFREE, "runtime.p", "gFree.n", "gFree.size")                          \
	FACT(MEM_NUMGC, "runtime.mstats", "numgc", NULL)                             \
	FACT(MEM_NUMFORCEDGC, "runtime.mstats", "numforcedgc", NULL)                 \
	FACT(MEM_LASTGC, "runtime.mstats", "last_gc_nanotime", NULL)                 \
	FACT(MEM_PAUSETOTAL, "runtime.mstats", "pause_total_ns", NULL)               \
	FACT(MEM_PAUSES, "runtime.mstats", "pause_ns", NULL)                         \
	FACT(GC_PERCENT, "runtime.gcControllerState", "gcPercent", NULL)             \
	FACT(GC_MEMORYLIMIT, "runtime.gcControllerState", "memoryLimit", NULL)       \
	FACT(GC_HEAPLIVE, "runtime.gcControllerState", "heapLive", NULL)             \
	FACT(GC_HEAPMARKED, "runtime.gcControllerState", "heapMarked", NULL)         \
	FACT(GC_HEAPGOAL, "runtime.gcControllerState", "gcPercentHeapGoal", NULL)    \
	FACT(GC_LASTGOAL, "runtime.gcControllerState", "lastHeapGoal", NULL)         \
	FACT(GC_SWEEPGOAL, "runtime.gcControllerState", "sweepDistMinTrigger", NULL) \
	FACT(MOD_GOFUNC, "runtime.moduledata", "gofunc", NULL)                       \
	FACT(FUNC_SIZE, "runtime._func", NULL, NULL)                                 \
	FACT(INL_SIZE, "runtime.inlinedCall", NULL, NULL)                            \
	FACT(INL_NAME, "runtime.inlinedCall", "nameOff", "func_")                    \
	FACT(INL_PARENTPC, "runtime.inlinedCall", "parentPc", NULL)

#define BO_GO_FACT_ENUM_(name, type, path, other) BO_GO_##name,
enum bo_go_fact { BO_GO_FACTS(BO_GO_FACT_ENUM_) BO_GO_NFACTS };

/** struct bo_go_layout - @at: one number per fact, -1 for "this release has none" */
struct bo_go_layout {
	int32_t at[BO_GO_NFACTS];
};

/** struct bo_go_fact_name - how DWARF calls a fact, and how versions.c does */
struct bo_go_fact_name {
	const char *id;
	const char *type;
	const char *path;
	const char *other;
};
extern const struct bo_go_fact_name bo_go_fact_names[BO_GO_NFACTS];

/* Go releases that versions.c knows, as the N of go1.N. */
#define BO_GO_MINOR_OLDEST 19
#define BO_GO_MINOR_NEWEST 27

/**
 * bo_go_version_layout() - what the release's own DWARF said; the same on amd64 and arm64
 * Return: false for a release that the table does not know; @ret is untouched then
 */
bool bo_go_version_layout(int minor, struct bo_go_layout *ret);
/** bo_go_version_nearest() - the row nearest to a release that the table does not know: a start for calibration only */
void bo_go_version_nearest(int minor, struct bo_go_layout *ret);

/**
 * bo_go_layout_plausible() - are the offsets ordered and bounded as every release had them?
 * DWARF comes from the target: it may say anything.
 * Return: 0; -EBADMSG naming the fact
 */
BO_NODISCARD int bo_go_layout_plausible(const struct bo_go_layout *layout, struct bo_err *err);
