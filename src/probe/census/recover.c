/* SPDX-License-Identifier: Apache-2.0 */
/* census/recover.c — find the runtime's variables in a binary that names nothing any more.
 * pclntab, by its section or by its magic number → moduledata, which points to it → the segments .data and .bss → in
 * .bss the slice allgs, by what it points to; sched, by its constant maxmcount; allp, by p's that number themselves;
 * in .data the array of wait reasons, by its first text.  .noptrbss is never searched: it is large and mostly
 * untouched, and reading would map its pages in.
 * Owns: its buffers while it runs.  Threads: one at a time.  Privilege: none of its own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/cleanup.h"
#include "census-internal.h"

#define CHUNK (256u << 10)
/* Words beyond the end of a chunk that a match may need. */
#define TAIL 256
#define CANDIDATES_MAX 16
#define PROC_SAMPLES 4

/** match_fn - is what we look for at @addr?  @bytes: at least TAIL of them, of which the caller's range allows all */
typedef bool (*match_fn)(struct bo_census *census, uint64_t addr, const uint8_t *bytes);

/* The first match of @fn at a multiple of @align in [from, to), 0 for none. */
static uint64_t search(struct bo_census *census, uint64_t from, uint64_t to, unsigned align,
		       match_fn fn)
{
	bo_auto_free uint8_t *buf = malloc(CHUNK + TAIL);

	from = (from + align - 1) / align * align;
	if (!buf || from >= to)
		return 0;
	for (uint64_t at = from; at < to && census->search_left; at += CHUNK) {
		size_t n = to - at < CHUNK ? (size_t)(to - at) : CHUNK;
		size_t have = to - at < CHUNK + TAIL ? (size_t)(to - at) : CHUNK + TAIL;

		/* A hostile file may claim segments of any size: all searches together have a bound. */
		census->search_left -= n < census->search_left ? n : census->search_left;
		memset(buf + have, 0, CHUNK + TAIL - have);
		if (bo_gomem_read(&census->memory, at, buf, have))
			continue;
		for (size_t i = 0; i < n; i += align)
			if (fn(census, at + i, buf + i))
				return at + i;
	}
	return 0;
}

static bool match_pclntab(struct bo_census *census, uint64_t addr, const uint8_t *b)
{
	(void)census;
	(void)addr;
	/* nfunc, nfiles: of any program that has a runtime. */
	return bo_gopcln_is_header(b) && bo_gomem_u64(b + 8) > 100 &&
	       bo_gomem_u64(b + 8) < 1 << 24 && bo_gomem_u64(b + 16) > 10 &&
	       bo_gomem_u64(b + 16) < 1 << 24;
}

static bool match_moduledata(struct bo_census *census, uint64_t addr, const uint8_t *b)
{
	struct bo_gopcln pcln;

	/* Its first word is the address of pclntab; then slices, whose lengths and capacities agree. */
	if (bo_gomem_u64(b) != census->pcln.header ||
	    bo_gomem_u64(b + 16) != bo_gomem_u64(b + 24) ||
	    bo_gomem_u64(b + 40) != bo_gomem_u64(b + 48))
		return false;
	return !bo_gopcln_open(&pcln, &census->cache, addr, NULL);
}

static uint64_t search_segments(struct bo_census *census, bool writable, unsigned align,
				match_fn fn)
{
	for (size_t i = 0; i < census->image.nsegments; i++) {
		const struct bo_goimage_segment *s = &census->image.segments[i];
		uint64_t found;

		if (s->writable != writable || s->addr >= BO_GOMEM_TOP ||
		    s->file_size >= BO_GOMEM_TOP)
			continue;
		found = search(census, s->addr + census->bias,
			       s->addr + s->file_size + census->bias, align, fn);
		if (found)
			return found;
	}
	return 0;
}

int bo_gorecover_module(struct bo_census *census, struct bo_err *err)
{
	uint64_t pclntab = census->image.pclntab;
	uint8_t head[8];

	if (census->image.module) {
		census->at.moduledata = census->image.module + census->bias;
		if (!bo_gopcln_open(&census->pcln, &census->cache, census->at.moduledata, err))
			return 0;
	}
	if (pclntab)
		pclntab += census->bias;
	if (!pclntab || bo_gomem_read(&census->memory, pclntab, head, sizeof(head)) ||
	    !bo_gopcln_is_header(head)) {
		pclntab = search_segments(census, false, 32, match_pclntab);
		/* Relocated read-only data of position-independent programs is writable by its program header. */
		if (!pclntab)
			pclntab = search_segments(census, true, 32, match_pclntab);
	}
	if (!pclntab)
		return bo_err_set(err, ENOENT, BO_SUBSYS_PROBE,
				  "no function table (pclntab) of Go 1.18 or later was found");
	census->image.is_go = true;
	census->pcln.header = pclntab;
	census->at.moduledata = search_segments(census, true, 8, match_moduledata);
	if (!census->at.moduledata)
		census->at.moduledata = search_segments(census, false, 8, match_moduledata);
	if (!census->at.moduledata)
		return bo_err_set(err, ENOENT, BO_SUBSYS_PROBE,
				  "nothing points to the function table (moduledata)");
	return bo_gopcln_open(&census->pcln, &census->cache, census->at.moduledata, err);
}

static bool match_buildinfo(struct bo_census *census, uint64_t addr, const uint8_t *b)
{
	(void)addr;
	return bo_goimage_buildinfo(&census->image, b, TAIL);
}

void bo_gorecover_version(struct bo_census *census)
{
	if (!search_segments(census, true, 16, match_buildinfo))
		(void)search_segments(census, false, 16, match_buildinfo);
}

static bool looks_like_slice(const uint8_t *b, uint64_t len_max)
{
	uint64_t ptr = bo_gomem_u64(b), len = bo_gomem_u64(b + 8), cap = bo_gomem_u64(b + 16);

	return ptr >= 4096 && ptr < BO_GOMEM_TOP && !(ptr % 8) && len && len <= cap &&
	       cap <= 2 * len_max && len <= len_max;
}

static bool match_allgs(struct bo_census *census, uint64_t addr, const uint8_t *b)
{
	(void)addr;
	return looks_like_slice(b, BO_CENSUS_GS_MAX) &&
	       bo_gocheck_slice(census, bo_gomem_u64(b), bo_gomem_u64(b + 8));
}

static bool match_allgs_calibrating(struct bo_census *census, uint64_t addr, const uint8_t *b)
{
	(void)addr;
	return looks_like_slice(b, BO_CENSUS_GS_MAX) &&
	       bo_gocalibrate(census, bo_gomem_u64(b), bo_gomem_u64(b + 8));
}

int bo_gorecover_allgs(struct bo_census *census, bool calibrate, struct bo_err *err)
{
	census->at.allglen = 0;
	census->at.allgptr = 0;
	census->at.allgs = search(census, census->pcln.bss, census->pcln.ebss, 8,
				  calibrate ? match_allgs_calibrating : match_allgs);
	if (!census->at.allgs)
		return bo_err_set(err, ENOENT, BO_SUBSYS_PROBE,
				  "no slice in .bss looks like allgs");
	census->at.allglen = census->at.allgs + 8;
	return 0;
}

static bool match_sched(struct bo_census *census, uint64_t addr, const uint8_t *b)
{
	const int32_t *at = census->layout.at;
	int32_t ngsys;

	(void)addr;
	if (at[BO_GO_SCHED_MAXMCOUNT] < 0 || at[BO_GO_SCHED_MAXMCOUNT] + 4 > TAIL ||
	    at[BO_GO_SCHED_NGSYS] < 0 || at[BO_GO_SCHED_NGSYS] + 4 > TAIL ||
	    at[BO_GO_SCHED_MNEXT] < 0 || at[BO_GO_SCHED_MNEXT] + 8 > TAIL)
		return false;
	/* goidgen comes first; there are four system goroutines at least, and an m for each thread. */
	ngsys = (int32_t)bo_gomem_u32(b + at[BO_GO_SCHED_NGSYS]);
	return bo_gomem_u32(b + at[BO_GO_SCHED_MAXMCOUNT]) == 10000 && bo_gomem_u64(b) >= 4 &&
	       bo_gomem_u64(b) < UINT64_C(1) << 48 && ngsys >= 3 && ngsys < 10000 &&
	       bo_gomem_u64(b + at[BO_GO_SCHED_MNEXT]) - 1 < 100000;
}

static bool match_allp(struct bo_census *census, uint64_t addr, const uint8_t *b)
{
	uint64_t procs[PROC_SAMPLES], n = bo_gomem_u64(b + 8),
				      look = n < PROC_SAMPLES ? n : PROC_SAMPLES;

	(void)addr;
	if (!looks_like_slice(b, BO_CENSUS_PROCS_MAX) ||
	    bo_gomem_read(&census->memory, bo_gomem_u64(b), procs, look * 8))
		return false;
	for (uint64_t i = 0; i < look; i++) {
		uint32_t head[6], queue[2];
		int32_t at = BO_FACT(census, P_RUNQHEAD);

		/* id, status, link, schedtick, syscalltick; at most 256 goroutines in its queue. */
		if (procs[i] < 4096 || procs[i] % 8 || procs[i] >= BO_GOMEM_TOP ||
		    bo_gomem_read(&census->memory, procs[i], head, sizeof(head)) || head[0] != i ||
		    head[1] > 4 ||
		    (at >= 0 && (bo_gomem_read(&census->memory, procs[i] + (uint64_t)at, queue,
					       sizeof(queue)) ||
				 queue[1] - queue[0] > 256)))
			return false;
		/* A lone 0 with zeroes behind it may be anything; an only p has run something by now. */
		if (n == 1 && !head[4])
			return false;
	}
	return true;
}

static bool match_reasons(struct bo_census *census, uint64_t addr, const uint8_t *b)
{
	static const char first[] = "GC assist marking";
	char text[sizeof(first)] = "";

	(void)addr;
	/* {"", 0} {"GC assist marking", 17} {"IO wait", 7} … in every release. */
	if (bo_gomem_u64(b + 8) || bo_gomem_u64(b + 24) != sizeof(first) - 1 ||
	    bo_gomem_u64(b + 40) != 7)
		return false;
	return !bo_gomem_read(&census->memory, bo_gomem_u64(b + 16), text, sizeof(first) - 1) &&
	       !strcmp(text, first);
}

/* Each on its own could be something else (a lone p above all), but only the right two give the right count. */
static bool find_sched_and_allp(struct bo_census *census)
{
	const struct bo_gopcln *p = &census->pcln;
	uint64_t sched = p->bss;

	for (int i = 0; i < CANDIDATES_MAX; i++, sched += 8) {
		uint64_t allp = p->bss;

		sched = search(census, sched, p->ebss, 8, match_sched);
		if (!sched)
			return false;
		for (int k = 0; k < CANDIDATES_MAX; k++, allp += 8) {
			allp = search(census, allp, p->ebss, 8, match_allp);
			if (!allp)
				break;
			census->at.sched = sched;
			census->at.allp = allp;
			if (bo_gocheck_count(census))
				return true;
		}
	}
	return false;
}

void bo_gorecover_rest(struct bo_census *census, bool calibrated)
{
	census->at.memstats = 0;
	census->at.gccontroller = 0;
	if (!calibrated)
		bo_gooperands(census);
	census->at.reasons = search(census, census->pcln.data, census->pcln.edata, 8,
				    match_reasons);
	if (!find_sched_and_allp(census)) {
		census->at.sched = 0;
		census->at.allp = 0;
	}
}
