/* SPDX-License-Identifier: Apache-2.0 */
/* census/walk.c — read every g, fast and without being fooled by what changes meanwhile.
 * allgs is read in chunks.  Within a chunk the g's are sorted by address and neighbours merged, so that a system call
 * brings a thousand stretches of memory; then the chunk is read once more, while it is still in the cache, and those
 * whose identity, state or place differ are read again one by one until two readings agree.  Every millisecond it naps:
 * the only way in which a census can be felt is that it takes the CPU that the service wants.
 * Owns: the buffers in struct bo_gowalk_buffers.  Threads: one at a time.  Privilege: none of its own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "brownout/base/clock.h"
#include "census-internal.h"

#define MERGE_GAP 1024
/* What is read, read again and looked at stays in the second-level cache, the target's own lines included. */
#define BYTES_MAX (512u << 10)
#define REREADS 4
/* A pause for whoever waits for this CPU; the scheduler alone would make him wait for a time slice (some 3 ms). */
#define NAP_EVERY_NS BO_NSEC_PER_MSEC
/* More unreadable g's than this, and it is not allgs that we walk. */
#define UNREADABLE_MAX 4096

/* The window of a g that is read: from stack.hi to the end of its last field of interest. */
struct window {
	size_t lo, len;
};

static struct window g_window(const struct bo_census *census)
{
	int32_t hi = 0;

	for (int i = BO_GO_G_STACK_HI; i <= BO_GO_G_LABELS; i++)
		if (census->layout.at[i] > hi)
			hi = census->layout.at[i];
	return (struct window){ 8, (size_t)hi };
}

static uint64_t word(const uint8_t *g, size_t lo, int32_t at)
{
	return at < (int32_t)lo ? 0 : bo_gomem_u64(g + at - lo);
}

static void extract(const struct bo_census *census, const uint8_t *g, uint64_t addr,
		    struct bo_gorec *ret)
{
	const int32_t *at = census->layout.at;
	size_t lo = 8;

	*ret = (struct bo_gorec){
		.addr = addr,
		.goid = word(g, lo, at[BO_GO_G_GOID]),
		.stack_hi = word(g, lo, at[BO_GO_G_STACK_HI]),
		.gopc = word(g, lo, at[BO_GO_G_GOPC]),
		.startpc = word(g, lo, at[BO_GO_G_STARTPC]),
		.parent = word(g, lo, at[BO_GO_G_PARENTGOID]),
		.labels = word(g, lo, at[BO_GO_G_LABELS]),
		.waitsince = (int64_t)word(g, lo, at[BO_GO_G_WAITSINCE]),
		.status = (uint32_t)word(g, lo, at[BO_GO_G_STATUS]) & ~(uint32_t)GO_SCAN,
		.reason = (uint8_t)word(g, lo, at[BO_GO_G_WAITREASON]),
		.locked = word(g, lo, at[BO_GO_G_LOCKEDM]) != 0,
	};
	if (at[BO_GO_G_TRACKINGSEQ] >= (int32_t)lo)
		ret->seq = g[at[BO_GO_G_TRACKINGSEQ] - (int32_t)lo];
	/* In a system call g.sched is stale; the entry into it is noted apart. */
	ret->sp = word(g, lo,
		       ret->status == GO_SYSCALL ? at[BO_GO_G_SYSCALLSP] : at[BO_GO_G_SCHED_SP]);
}

bool bo_gowalk_same(const struct bo_gorec *a, const struct bo_gorec *b)
{
	return a->status == b->status && a->goid == b->goid && a->seq == b->seq &&
	       a->gopc == b->gopc && a->startpc == b->startpc && a->sp == b->sp &&
	       a->reason == b->reason && a->labels == b->labels;
}

int bo_gowalk_one(struct bo_census *census, uint64_t addr, struct bo_gorec *ret)
{
	struct window w = g_window(census);
	uint8_t g[2048];
	int r;

	if (w.len > sizeof(g))
		return -EOVERFLOW;
	r = bo_gomem_read(&census->memory, addr + w.lo, g, w.len);
	if (r)
		return r;
	extract(census, g, addr, ret);
	return 0;
}

/* Two readings in a row that agree; a goroutine that runs all the time may never hold still. */
static void settle(struct bo_census *census, struct bo_gorec *rec)
{
	for (int i = 0; i < REREADS; i++) {
		struct bo_gorec again;

		if (bo_gowalk_one(census, rec->addr, &again)) {
			rec->addr = 0;
			return;
		}
		if (bo_gowalk_same(rec, &again))
			return;
		*rec = again;
	}
	rec->torn = true;
}

/* Ciura's gaps; 4096 entries that are nearly sorted already, and no allocation as qsort_r(3) may make. */
static void sort_order(uint16_t *order, const uint64_t *ptrs, size_t n)
{
	static const size_t gaps[] = { 1750, 701, 301, 132, 57, 23, 10, 4, 1 };

	for (size_t i = 0; i < n; i++)
		order[i] = (uint16_t)i;
	for (size_t k = 0; k < sizeof(gaps) / sizeof(*gaps); k++)
		for (size_t gap = gaps[k], i = gap; i < n; i++) {
			uint16_t moved = order[i];
			size_t j = i;

			for (; j >= gap && ptrs[order[j - gap]] > ptrs[moved]; j -= gap)
				order[j] = order[j - gap];
			order[j] = moved;
		}
}

static int reserve(struct bo_gowalk_buffers *b, uint64_t len)
{
	size_t chunks = (size_t)((len + BO_CENSUS_CHUNK - 1) / BO_CENSUS_CHUNK);
	void *p;

	if (!b->bytes) {
		b->ptrs = malloc(BO_CENSUS_CHUNK * sizeof(*b->ptrs));
		b->recs = malloc(BO_CENSUS_CHUNK * sizeof(*b->recs));
		b->pieces = malloc(BO_GOMEM_BATCH * sizeof(*b->pieces));
		b->piece_first = malloc((BO_GOMEM_BATCH + 1) * sizeof(*b->piece_first));
		b->at = malloc(BO_CENSUS_CHUNK * sizeof(*b->at));
		b->bytes = malloc(2 * BYTES_MAX);
		if (!b->ptrs || !b->recs || !b->pieces || !b->piece_first || !b->at || !b->bytes)
			return -ENOMEM;
	}
	if (chunks <= b->chunks)
		return 0;
	chunks += chunks / 4 + 4;
	p = realloc(b->order, chunks * BO_CENSUS_CHUNK * sizeof(*b->order));
	if (!p)
		return -ENOMEM;
	b->order = p;
	p = realloc(b->sorted, chunks * sizeof(*b->sorted));
	if (!p)
		return -ENOMEM;
	b->sorted = p;
	memset(b->sorted + b->chunks, 0, (chunks - b->chunks) * sizeof(*b->sorted));
	b->chunks = chunks;
	return 0;
}

void bo_gowalk_done(struct bo_gowalk_buffers *b)
{
	free(b->ptrs);
	free(b->recs);
	free(b->pieces);
	free(b->piece_first);
	free(b->at);
	free(b->bytes);
	free(b->order);
	free(b->sorted);
	*b = (struct bo_gowalk_buffers){ 0 };
}

int bo_gowalk_allgs(struct bo_census *census, uint64_t *ret_ptr, uint64_t *ret_len,
		    struct bo_err *err)
{
	const struct bo_go_globals *at = &census->at;

	for (int tries = 0; tries < 8; tries++) {
		uint64_t module, len, ptr, slice[3] = { 0 }, again[3] = { 0 };
		/* The order is the point: the runtime publishes the pointer before the length. */
		const struct bo_census_piece published[] = { { at->moduledata, &module, 8 },
							     { at->allglen, &len, 8 },
							     { at->allgptr, &ptr, 8 } };
		/* A slice that is found by search is written word by word: two equal readings make one. */
		const struct bo_census_piece found[] = { { at->moduledata, &module, 8 },
							 { at->allgs, slice, sizeof(slice) },
							 { at->allgs, again, sizeof(again) } };
		int r = bo_gomem_read_many(&census->memory, at->allgptr ? published : found, 3);

		if (r)
			return bo_goread_failed(census, r, "the goroutine table (allgs)", err);
		if (module != census->pcln.header)
			return bo_err_set(err, ESTALE, BO_SUBSYS_PROBE,
					  "process %d has become another program",
					  census->info.pid);
		if (!at->allgptr) {
			if (memcmp(slice, again, sizeof(slice)) || slice[1] > slice[2])
				continue;
			ptr = slice[0];
			len = slice[1];
		}
		if (!len || len > BO_CENSUS_GS_MAX || ptr % 8 || ptr >= BO_GOMEM_TOP)
			return bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE,
					  "allgs claims %llu entries", (unsigned long long)len);
		*ret_ptr = ptr;
		*ret_len = len;
		return 0;
	}
	return bo_err_set(err, EAGAIN, BO_SUBSYS_PROBE, "allgs kept changing");
}

/* Pointers first..first+n of allgs, and a proof that the array was still the current one after they were read. */
static int read_ptrs(struct bo_census *census, uint64_t *ptr, uint64_t first, size_t n,
		     struct bo_err *err)
{
	for (int tries = 0; tries < 8; tries++) {
		uint64_t now = 0, len;
		const struct bo_census_piece pieces[] = {
			{ *ptr + first * 8, census->walk.ptrs, n * 8 },
			{ census->at.allgptr ? census->at.allgptr : census->at.allgs, &now, 8 },
		};
		int r = bo_gomem_read_many(&census->memory, pieces, 2);

		if (r && r != -EFAULT)
			return bo_goread_failed(census, r, "the goroutine table (allgs)", err);
		if (!r && now == *ptr)
			return 0;
		r = bo_gowalk_allgs(census, ptr, &len, err);
		if (r)
			return r;
		if (len < first + n)
			return bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE, "allgs shrank");
	}
	return bo_err_set(err, EAGAIN, BO_SUBSYS_PROBE, "allgs kept moving");
}

/*
 * Lay out pieces for the g's order[from..n), until a batch or the buffer is full.
 * Return: how many g's they cover; *ret_pieces says in how many pieces
 */
static size_t plan_pieces(struct bo_gowalk_buffers *b, const uint16_t *order, size_t from, size_t n,
			  struct window w, size_t *ret_pieces)
{
	size_t used = 0, k = 0, i = from;

	for (; i < n; i++) {
		uint64_t start = b->ptrs[order[i]] + w.lo;
		struct bo_census_piece *last = k ? &b->pieces[k - 1] : NULL;
		uint64_t end = last ? last->addr + last->len : 0;

		if (last && start >= last->addr && start <= end + MERGE_GAP) {
			size_t grow = start + w.len > end ? (size_t)(start + w.len - end) : 0;

			if (used + grow > BYTES_MAX)
				break;
			b->at[i] = (uint32_t)((size_t)((uint8_t *)last->into - b->bytes) +
					      (start - last->addr));
			last->len += grow;
			used += grow;
			continue;
		}
		if (k == BO_GOMEM_BATCH || used + w.len > BYTES_MAX)
			break;
		b->pieces[k] = (struct bo_census_piece){ start, b->bytes + used, w.len };
		b->piece_first[k++] = (uint16_t)i;
		b->at[i] = (uint32_t)used;
		used += w.len;
	}
	b->piece_first[k] = (uint16_t)i;
	*ret_pieces = k;
	return i - from;
}

/* One reading of the planned pieces, @offset behind where they were planned.  @ok: 0 for one that cannot be read. */
static int read_pieces(struct bo_census *census, size_t npieces, size_t offset, uint8_t *ok)
{
	const struct bo_gowalk_buffers *b = &census->walk;
	size_t done = 0;

	for (size_t i = 0; offset && i < npieces; i++)
		b->pieces[i].into = (uint8_t *)b->pieces[i].into + offset;
	while (done < npieces) {
		ssize_t r;

		if (b->pieces[done].addr >= BO_GOMEM_TOP) {
			ok[done++] = 0;
			continue;
		}
		r = census->memory.read(census->memory.self, b->pieces + done, npieces - done);
		if (r < 0)
			return (int)r;
		for (ssize_t i = 0; i < r && done < npieces; i++)
			ok[done++] = 1;
		if (done < npieces)
			ok[done++] = 0;
	}
	return 0;
}

/* One g whose piece could not be read: neighbours share it, and one bad pointer must not hide them. */
static void read_alone(struct bo_census *census, uint64_t addr, struct bo_gorec *rec,
		       uint64_t *unreadable)
{
	if (bo_gowalk_one(census, addr, rec)) {
		rec->addr = 0;
		++*unreadable;
		return;
	}
	settle(census, rec);
}

/* The g's of the planned pieces, read twice.  Nearly always the bytes agree, and then so does all that is in them. */
static int read_stretch(struct bo_census *census, const uint16_t *order, size_t npieces,
			struct window w, uint64_t *unreadable)
{
	struct bo_gowalk_buffers *b = &census->walk;
	uint8_t ok[2][BO_GOMEM_BATCH];

	for (int pass = 0; pass < 2; pass++) {
		int r = read_pieces(census, npieces, pass * BYTES_MAX, ok[pass]);

		if (r)
			return r;
	}
	for (size_t p = 0; p < npieces; p++)
		for (size_t i = b->piece_first[p]; i < b->piece_first[p + 1]; i++) {
			const uint8_t *g = b->bytes + b->at[i], *later = g + BYTES_MAX;
			struct bo_gorec *rec = &b->recs[order[i]], again;

			if (!ok[0][p] || !ok[1][p]) {
				read_alone(census, b->ptrs[order[i]], rec, unreadable);
				continue;
			}
			extract(census, g, b->ptrs[order[i]], rec);
			if (!memcmp(g, later, w.len))
				continue;
			extract(census, later, b->ptrs[order[i]], &again);
			if (!bo_gowalk_same(rec, &again)) {
				*rec = again;
				settle(census, rec);
			}
		}
	return 0;
}

static int read_chunk(struct bo_census *census, uint64_t chunk, size_t n, uint64_t *unreadable)
{
	struct bo_gowalk_buffers *b = &census->walk;
	uint16_t *order = b->order + chunk * BO_CENSUS_CHUNK;
	struct window w = g_window(census);

	if (b->sorted[chunk] != n) {
		sort_order(order, b->ptrs, n);
		b->sorted[chunk] = (uint16_t)n;
	}
	for (size_t from = 0; from < n;) {
		size_t npieces, covered = plan_pieces(b, order, from, n, w, &npieces);
		int r = read_stretch(census, order, npieces, w, unreadable);

		if (r)
			return r;
		from += covered;
	}
	return 0;
}

/*
 * Of two tasks that the scheduler puts into groups of their own (cgroups, sessions), neither nice(2) nor sched_yield(2)
 * lets the other one run first.  To sleep does; the kernel makes 50 µs of any shorter time (PR_SET_TIMERSLACK in prctl(2)).
 */
static void give_way(int64_t *since_ns)
{
	if (bo_now_ns() - *since_ns < NAP_EVERY_NS)
		return;
	nanosleep(&(struct timespec){ .tv_nsec = 1 }, NULL);
	*since_ns = bo_now_ns();
}

int bo_gowalk(struct bo_census *census, bo_gowalk_fn fn, void *self, uint64_t *ret_len,
	      struct bo_err *err)
{
	uint64_t ptr, len, unreadable = 0;
	int64_t since_ns = bo_now_ns();
	int r = bo_gowalk_allgs(census, &ptr, &len, err);

	if (r)
		return r;
	if (reserve(&census->walk, len))
		return bo_err_set(err, ENOMEM, BO_SUBSYS_PROBE, "out of memory");
	for (uint64_t first = 0; first < len; first += BO_CENSUS_CHUNK) {
		size_t n = len - first < BO_CENSUS_CHUNK ? (size_t)(len - first) : BO_CENSUS_CHUNK;

		if (first)
			give_way(&since_ns);
		r = read_ptrs(census, &ptr, first, n, err);
		if (r)
			return r;
		r = read_chunk(census, first / BO_CENSUS_CHUNK, n, &unreadable);
		if (r)
			return bo_goread_failed(census, r, "goroutines", err);
		if (unreadable > UNREADABLE_MAX)
			return bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE,
					  "allgs does not point to goroutines");
		fn(self, census->walk.recs, n, first);
	}
	*ret_len = len;
	return 0;
}
