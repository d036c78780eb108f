/* SPDX-License-Identifier: Apache-2.0 */
/* census/check.c — what must hold if the tables are what we take them for.
 * A wrong offset does not fail by itself: it gives plausible nonsense.  So every way of finding the tables is tested
 * against the invariants of the runtime before its numbers are shown to anybody.
 * Owns: nothing.  Threads: one at a time.  Privilege: none of its own. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "census-internal.h"
#include "group.h"

#define SLICE_SAMPLES 4
#define SAMPLES 256
/* Beyond this many goroutines a whole walk is not worth its time at attach. */
#define WALK_MAX 200000
/* A wrong formula waits for so long between the last tries, of which there are 19. */
#define MOMENT_MIN_NS 2000000
#define MOMENT_MAX_NS 32000000

static bool in_text(const struct bo_census *census, uint64_t pc)
{
	return pc >= census->pcln.text && pc < census->pcln.etext;
}

bool bo_gocheck_slice(struct bo_census *census, uint64_t ptr, uint64_t len)
{
	uint64_t gs[SLICE_SAMPLES];
	size_t n = len < SLICE_SAMPLES ? (size_t)len : SLICE_SAMPLES;

	if (bo_gomem_read(&census->memory, ptr, gs, n * 8))
		return false;
	for (size_t i = 0; i < n; i++) {
		struct bo_gorec rec;

		if (gs[i] % 8 || gs[i] < 4096 || bo_gowalk_one(census, gs[i], &rec))
			return false;
		if (!i && (rec.goid != 1 || rec.startpc != census->main_pc))
			return false;
		if (!rec.goid || rec.status >= GO_STATUS_END ||
		    (rec.startpc && !bo_gopcln_is_entry(&census->pcln, rec.startpc)))
			return false;
	}
	return true;
}

/* Does one g make sense?  What is wrong, or NULL. */
static const char *wrong_with(struct bo_census *census, const struct bo_gorec *rec)
{
	if (rec->status >= GO_STATUS_END)
		return "status is out of range";
	if (rec->status == GO_IDLE || rec->status == GO_DEAD || rec->status == GO_DEADEXTRA)
		return NULL;
	if (!rec->goid || rec->goid >= UINT64_C(1) << 48)
		return "goid is out of range";
	if (rec->gopc && !in_text(census, rec->gopc))
		return "gopc is not in the text";
	if (rec->startpc && in_text(census, rec->startpc) &&
	    !bo_gopcln_is_entry(&census->pcln, rec->startpc))
		return "startpc is no function's entry";
	if (rec->status == GO_WAITING && census->nreasons && rec->reason >= census->nreasons)
		return "wait reason is out of range";
	if (rec->status == GO_WAITING && (!rec->sp || rec->sp > rec->stack_hi))
		return "the stack pointer is not on the stack";
	return NULL;
}

static int check_sample(struct bo_census *census, uint64_t ptr, uint64_t len, struct bo_err *err)
{
	uint64_t step = len > SAMPLES ? len / SAMPLES : 1, looked = 0, bad = 0;
	const char *first = "";

	for (uint64_t i = 0; i < len && looked < SAMPLES; i += step, looked++) {
		struct bo_gorec rec;
		uint64_t addr;
		const char *what = "not readable";

		if (!bo_gomem_read(&census->memory, ptr + i * 8, &addr, 8) && !(addr % 8) &&
		    addr >= 4096 && !bo_gowalk_one(census, addr, &rec))
			what = wrong_with(census, &rec);
		if (what && !bad++)
			first = what;
	}
	/* One in fifty may be caught while it is being made or ends. */
	if (bad * 50 > looked && bad > 1)
		return bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE,
				  "%llu of %llu goroutines make no sense: %s",
				  (unsigned long long)bad, (unsigned long long)looked, first);
	return 0;
}

struct tally {
	struct bo_census *census;
	uint64_t user;
};

static void tally_chunk(void *self, const struct bo_gorec *recs, size_t n, uint64_t first)
{
	struct tally *t = self;

	(void)first;
	for (size_t i = 0; i < n; i++)
		t->user += recs[i].addr && bo_gostate(recs[i].status) != BO_CENSUS_STATES &&
			   !bo_gosystem(t->census, recs[i].startpc);
}

/* The formula and the walk must agree: to the last one, or, where goroutines come and go all the time, nearly, or once on
 * this side and once on that: a wrong formula errs on one. */
static bool count_agrees(struct bo_census *census)
{
	struct timespec moment = { .tv_nsec = MOMENT_MIN_NS };
	bool near = false, fewer = false, more = false;

	for (int tries = 0; tries < 24; tries++) {
		struct tally t = { .census = census };
		int64_t before, after, slack;
		uint64_t len;

		/* What moved while it was read is read again. */
		if (bo_census_count(census, &before, NULL) == 0 &&
		    bo_gowalk(census, tally_chunk, &t, &len, NULL) == 0 &&
		    bo_census_count(census, &after, NULL) == 0) {
			if ((int64_t)t.user == before || (int64_t)t.user == after)
				return true;
			slack = 2 + (int64_t)t.user / 50 + 2 * llabs(after - before);
			near |= after != before && llabs((int64_t)t.user - before) <= slack;
			fewer |= 2 * (int64_t)t.user < before + after;
			more |= 2 * (int64_t)t.user > before + after;
		}
		if (tries >= 5 && (near || (fewer && more)))
			return true;
		/* Whoever is half made counts on one side only; a process that has no CPU leaves it at that for a while, which
		 * is longer the busier the machine: half a second in all. */
		if (tries < 5)
			continue;
		nanosleep(&moment, NULL);
		if (moment.tv_nsec < MOMENT_MAX_NS)
			moment.tv_nsec *= 2;
	}
	return false;
}

bool bo_gocheck_count(struct bo_census *census)
{
	uint64_t ptr, len;
	bool can = census->at.sched && census->at.allp && BO_FACT(census, SCHED_NGSYS) >= 0 &&
		   BO_FACT(census, SCHED_GFREE) >= 0 && BO_FACT(census, P_GFREE) >= 0 &&
		   !bo_gocount_procs(census) && !bo_gowalk_allgs(census, &ptr, &len, NULL);

	census->info.can_count = can;
	if (can && (len <= WALK_MAX || !census->at.allgptr))
		census->info.can_count = count_agrees(census);
	return census->info.can_count;
}

int bo_gocheck_all(struct bo_census *census, struct bo_err *err)
{
	struct bo_gorec first;
	uint64_t ptr, len, addr;
	int r = bo_gowalk_allgs(census, &ptr, &len, err);

	if (r)
		return r;
	if (bo_gomem_read(&census->memory, ptr, &addr, 8) || bo_gowalk_one(census, addr, &first))
		return bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE,
				  "the first goroutine is not readable");
	/* It may have ended (runtime.Goexit in main) and its g may serve another one: then only the search minds. */
	if ((first.goid != 1 || first.startpc != census->main_pc) && !census->at.allgptr)
		return bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE,
				  "the first goroutine is not runtime.main");
	r = check_sample(census, ptr, len, err);
	if (r)
		return r;
	(void)bo_gocheck_count(census);
	return 0;
}
