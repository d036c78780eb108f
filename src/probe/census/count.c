/* SPDX-License-Identifier: Apache-2.0 */
/* census/count.c — runtime.NumGoroutine() from outside: allglen - sched.gFree - sched.ngsys - the free lists of all p's.
 * One process_vm_readv(2) reads all of it (two beyond a thousand p's).
 * Owns: nothing.  Threads: one at a time.  Privilege: none of its own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "census-internal.h"

int bo_gocount_procs(struct bo_census *census)
{
	uint64_t header[3], *procs;
	int r;

	if (!census->at.allp)
		return -ENOENT;
	r = bo_gomem_read(&census->memory, census->at.allp, header, sizeof(header));
	if (r)
		return r;
	if (header[1] < 1 || header[1] > header[2] || header[1] > BO_CENSUS_PROCS_MAX ||
	    header[0] % 8)
		return -EBADMSG;
	if (header[1] > census->nprocs || !census->procs) {
		procs = realloc(census->procs, header[1] * sizeof(*procs));
		if (!procs)
			return -ENOMEM;
		census->procs = procs;
	}
	census->nprocs = 0;
	r = bo_gomem_read(&census->memory, header[0], census->procs, header[1] * sizeof(*procs));
	if (r)
		return r;
	for (size_t i = 0; i < header[1]; i++)
		if (census->procs[i] < 4096 || census->procs[i] % 8)
			return -EBADMSG;
	census->procs_at = header[0];
	census->nprocs = header[1];
	return 0;
}

struct count_read {
	uint64_t module;
	uint64_t allglen;
	uint64_t allp[3];
	int32_t ngsys, free1, free2;
	int32_t free_p[BO_CENSUS_PROCS_MAX];
};

static int read_all(struct bo_census *census, struct count_read *got)
{
	struct bo_census_piece pieces[BO_CENSUS_PROCS_MAX + 6];
	const int32_t *at = census->layout.at;
	size_t n = 0;

	got->free2 = 0;
	pieces[n++] = (struct bo_census_piece){ census->at.moduledata, &got->module, 8 };
	pieces[n++] = (struct bo_census_piece){ census->at.allglen, &got->allglen, 8 };
	pieces[n++] = (struct bo_census_piece){ census->at.allp, got->allp, sizeof(got->allp) };
	pieces[n++] = (struct bo_census_piece){ census->at.sched + (uint64_t)at[BO_GO_SCHED_NGSYS],
						&got->ngsys, 4 };
	pieces[n++] = (struct bo_census_piece){ census->at.sched + (uint64_t)at[BO_GO_SCHED_GFREE],
						&got->free1, 4 };
	if (at[BO_GO_SCHED_GFREE2] >= 0)
		pieces[n++] = (struct bo_census_piece){
			census->at.sched + (uint64_t)at[BO_GO_SCHED_GFREE2], &got->free2, 4
		};
	for (size_t i = 0; i < census->nprocs; i++)
		pieces[n++] = (struct bo_census_piece){
			census->procs[i] + (uint64_t)at[BO_GO_P_GFREE], &got->free_p[i], 4
		};
	return bo_gomem_read_many(&census->memory, pieces, n);
}

int bo_census_count(struct bo_census *census, int64_t *ret, struct bo_err *err)
{
	struct count_read got;
	int64_t n;
	int r;

	if (!census->info.can_count)
		return bo_err_set(
			err, ENOTSUP, BO_SUBSYS_PROBE,
			"%s: the layout of runtime.sched is not known, only snapshots count",
			census->info.go_version);
	for (int tries = 0; tries < 3; tries++) {
		r = read_all(census, &got);
		if (r)
			return bo_goread_failed(census, r, "the goroutine count", err);
		if (got.module != census->pcln.header)
			return bo_err_set(err, ESTALE, BO_SUBSYS_PROBE,
					  "process %d has become another program",
					  census->info.pid);
		if (got.allp[0] == census->procs_at && got.allp[1] == census->nprocs) {
			n = (int64_t)got.allglen - got.free1 - got.free2 - got.ngsys;
			for (size_t i = 0; i < census->nprocs; i++)
				n -= got.free_p[i];
			/* As the runtime does: whoever asks is at least one. */
			*ret = n < 1 ? 1 : n;
			return 0;
		}
		/* GOMAXPROCS was changed: the free lists are elsewhere now. */
		r = bo_gocount_procs(census);
		if (r)
			return bo_goread_failed(census, r, "the processors (allp)", err);
	}
	return bo_err_set(err, EAGAIN, BO_SUBSYS_PROBE, "GOMAXPROCS kept changing");
}
