/* SPDX-License-Identifier: Apache-2.0 */
/* census/census-internal.h — what a handle holds, shared by the files of this folder.
 *
 * Theory of operation.  The Go runtime keeps every g structure it ever made in the array allgs, which only grows, and
 * whose entries never change.  To take a census is to read that array and the g's behind it.  attach.c finds the array:
 * image.c asks the file, recover.c searches the memory when the file has been stripped; dwarf.c or versions.c or
 * calibrate.c say where the fields of g are; check.c then tests the guess against what must hold, and the next way
 * is tried if it does not.  count.c evaluates the runtime's formula for NumGoroutine.  walk.c reads all g's in sorted,
 * merged pieces, twice, to notice torn ones; group.c adds them up; stack.c unwinds the stack of one of each group;
 * track.c remembers who has not moved.  Nothing is written to the target, ever.
 *
 * Owns: see the fields.  Threads: one at a time per handle.  Privilege: none of its own. */
#pragma once
#include "brownout/census.h"
#include "image.h"
#include "layout.h"
#include "memory.h"
#include "pclntab.h"
#include "sites.h"

#define BO_CENSUS_REASONS_MAX 96
#define BO_CENSUS_REASON_LEN 48
#define BO_CENSUS_PROCS_MAX 4096
/* 16 million goroutines have 32 GiB of stacks at least: more than that is not an allgs. */
#define BO_CENSUS_GS_MAX (UINT64_C(1) << 24)
#define BO_CENSUS_CHUNK 1024
/* What attach may search through: a very large stripped program has some 100 MiB of read-only data. */
#define BO_CENSUS_SEARCH_MAX (UINT64_C(512) << 20)

/* Raw values of g.atomicstatus; _Gscan is a bit on top of them. */
enum {
	GO_IDLE = 0,
	GO_RUNNABLE,
	GO_RUNNING,
	GO_SYSCALL,
	GO_WAITING,
	GO_DEAD = 6,
	GO_COPYSTACK = 8,
	GO_PREEMPTED = 9,
	GO_LEAKED = 10,
	GO_DEADEXTRA = 11,
	GO_STATUS_END = 12,
	GO_SCAN = 0x1000
};

/** struct bo_go_globals - addresses in the target; 0 for "not known" */
struct bo_go_globals {
	uint64_t moduledata;
	uint64_t allgs; /* the slice */
	uint64_t
		allglen; /* what the runtime publishes for lock-free readers: length first, then pointer */
	uint64_t allgptr;
	uint64_t sched;
	uint64_t allp;
	uint64_t reasons;
	uint64_t memstats;
	uint64_t gccontroller;
};

/** struct bo_gorec - the fields of one g that the census is about */
struct bo_gorec {
	uint64_t addr;
	uint64_t goid;
	uint64_t stack_hi;
	uint64_t sp; /* where it parked or entered its system call */
	uint64_t gopc;
	uint64_t startpc;
	uint64_t parent;
	uint64_t labels;
	int64_t waitsince;
	uint32_t status; /* without _Gscan */
	uint8_t reason;
	uint8_t seq;
	bool locked;
	bool torn;
};

struct bo_gotrack;

struct bo_gowalk_buffers {
	uint64_t *ptrs;        /* one chunk of allgs */
	struct bo_gorec *recs; /* of that chunk */
	struct bo_census_piece *pieces;
	uint16_t *piece_first; /* first g, in order, of each piece */
	uint32_t *at;          /* offset of each g, in order, in @bytes */
	uint8_t *bytes;
	uint16_t *
		order; /* per chunk: indices sorted by address; allgs never changes, so neither do they */
	uint16_t *sorted; /* per chunk: how many of it are in @order */
	size_t chunks;
};

struct bo_census {
	struct bo_census_info info;
	struct bo_census_memory memory; /* [owned] */
	struct bo_goimage image;
	struct bo_gomem_cache cache;
	struct bo_gopcln pcln;
	struct bo_gosites sites;
	struct bo_go_layout layout;
	struct bo_go_globals at;
	uint64_t bias;
	uint64_t main_pc; /* entry of runtime.main */
	char reasons[BO_CENSUS_REASONS_MAX][BO_CENSUS_REASON_LEN];
	size_t nreasons;
	uint64_t *procs; /* addresses of the p's */
	size_t nprocs;
	uint64_t procs_at; /* allp's pointer when @procs was read */
	struct bo_gowalk_buffers walk;
	struct bo_gotrack *track;
	struct bo_golabels *labels;
	uint64_t samples;
	int64_t stw_since_ns;
	uint64_t search_left; /* bytes */
	int64_t ages_ns[BO_CENSUS_AGES_MAX];
	size_t nages;
};

#define BO_FACT(census, name) ((census)->layout.at[BO_GO_##name])

/* attach.c */
/** bo_goread_failed() - what a failed read of @what means: -ESRCH gone, -ESTALE another program, -EPERM with advice */
int bo_goread_failed(const struct bo_census *census, int code, const char *what,
		     struct bo_err *err);

/* recover.c: the globals of a binary without symbols */
/** bo_gorecover_module() - find pclntab and moduledata, by section or by search; fills at.moduledata */
BO_NODISCARD int bo_gorecover_module(struct bo_census *census, struct bo_err *err);
/** bo_gorecover_version() - from the build information in memory, for files without section headers */
void bo_gorecover_version(struct bo_census *census);
/** bo_gorecover_allgs() - search .bss for the slice; with @calibrate the layout of g is derived on the way */
BO_NODISCARD int bo_gorecover_allgs(struct bo_census *census, bool calibrate, struct bo_err *err);
/**
 * bo_gorecover_rest() - everything else, once allgs is known; what is not found stays 0
 * @calibrated: the layout is true of g only, so nothing that needs more is looked for
 */
void bo_gorecover_rest(struct bo_census *census, bool calibrated);

/* operands.c */
/** bo_gooperands() - memstats and gcController by the code that addresses them; what is not found is 0 */
void bo_gooperands(struct bo_census *census);

/* calibrate.c: the layout of g from what is in it */
/** bo_gocalibrate() - derive g's layout from the g's behind @ptr; false when they are none */
bool bo_gocalibrate(struct bo_census *census, uint64_t ptr, uint64_t len);

/* check.c: what must hold */
/** bo_gocheck_slice() - does a slice of @len pointers at @ptr look like allgs, by the current layout? */
bool bo_gocheck_slice(struct bo_census *census, uint64_t ptr, uint64_t len);
/** bo_gocheck_count() - can NumGoroutine's formula be evaluated, and does it agree with a walk?  Sets info.can_count */
bool bo_gocheck_count(struct bo_census *census);
/** bo_gocheck_all() - anchors, a sample of g's, count against walk; -EBADMSG with what does not hold */
BO_NODISCARD int bo_gocheck_all(struct bo_census *census, struct bo_err *err);

/* reasons.c */
void bo_goreasons_load(struct bo_census *census);

/* count.c */
BO_NODISCARD int bo_gocount_procs(struct bo_census *census);

/* walk.c */
typedef void (*bo_gowalk_fn)(void *self, const struct bo_gorec *recs, size_t n, uint64_t first);
/** bo_gowalk() - every g, in chunks, in the order of allgs; g's that could not be read have addr 0 */
BO_NODISCARD int bo_gowalk(struct bo_census *census, bo_gowalk_fn fn, void *self, uint64_t *ret_len,
			   struct bo_err *err);
void bo_gowalk_done(struct bo_gowalk_buffers *buffers);
/** bo_gowalk_allgs() - a consistent length and pointer of allgs */
BO_NODISCARD int bo_gowalk_allgs(struct bo_census *census, uint64_t *ret_ptr, uint64_t *ret_len,
				 struct bo_err *err);
/** bo_gowalk_one() - read one g again */
BO_NODISCARD int bo_gowalk_one(struct bo_census *census, uint64_t addr, struct bo_gorec *ret);
/** bo_gowalk_same() - is it the same goroutine, at the same place? */
bool bo_gowalk_same(const struct bo_gorec *a, const struct bo_gorec *b);

/* stack.c */
#define BO_GOSTACK_PCS_MAX 64
/**
 * bo_gostack_walk() - return addresses of a parked g, innermost first
 * Return: how many; 0 when it does not wait, or moved meanwhile
 */
size_t bo_gostack_walk(struct bo_census *census, const struct bo_gorec *rec,
		       uint64_t pcs[BO_GOSTACK_PCS_MAX]);

/* track.c */
struct bo_gotracked {
	int64_t age_ns;
	int64_t still_ns;
	bool unmoved;
};
BO_NODISCARD int bo_gotrack_reserve(struct bo_gotrack **track, uint64_t len);
/** bo_gotrack_seen() - note g number @index at @t_ns */
struct bo_gotracked bo_gotrack_seen(struct bo_gotrack *track, uint64_t index,
				    const struct bo_gorec *rec, int64_t t_ns);
void bo_gotrack_forget(struct bo_gotrack *track, uint64_t index);
void bo_gotrack_free(struct bo_gotrack *track);

/* labels.c */
struct bo_golabels;
BO_NODISCARD int bo_golabels_new(struct bo_golabels **ret);
void bo_golabels_free(struct bo_golabels *labels);
/** bo_golabels_begin() - a new snapshot: pointers seen before may mean something else now */
void bo_golabels_begin(struct bo_golabels *labels);
/** bo_golabels_id() - number of the label set of @rec; 0 for none */
uint16_t bo_golabels_id(struct bo_census *census, const struct bo_gorec *rec);
const char *bo_golabels_text(const struct bo_golabels *labels, uint16_t id);

/* group.c */
/** bo_gostate() - public state of a raw status; BO_CENSUS_STATES for a dead or free g */
enum bo_census_state bo_gostate(uint32_t status);
/** bo_goreason() - what a goroutine waits for, as debug=2 says it */
const char *bo_goreason(const struct bo_census *census, enum bo_census_state state, uint8_t reason);
/** bo_gosystem() - as runtime.isSystemGoroutine() */
bool bo_gosystem(struct bo_census *census, uint64_t startpc);
