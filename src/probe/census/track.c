/* SPDX-License-Identifier: Apache-2.0 */
/* census/track.c — who has not moved since when: ages and stuck-or-idle, by our own watch.
 * g.waitsince is stamped by the garbage collector only, so it cannot tell a goroutine that has waited for an hour from one
 * that waits anew each second.  g.trackingSeq can: it counts up whenever the goroutine leaves the running state.
 * The state is an array beside allgs, whose entries never change place: 24 bytes per goroutine.
 * Owns: the array.  Threads: one at a time.  Privilege: none. */
#include <errno.h>
#include <stdlib.h>

#include "brownout/base/clock.h"
#include "census-internal.h"

/* Times are in milliseconds since the first sample: 49 days. */
struct tracked {
	uint64_t goid; /* 0: nobody */
	uint32_t first_ms;
	uint32_t still_ms;
	uint32_t place; /* what else changes when it runs: stack pointer, reason */
	uint8_t seq;
	uint8_t same; /* samples in a row, saturating */
};

struct bo_gotrack {
	int64_t t0_ns;
	uint64_t cap;
	struct tracked *items;
};

int bo_gotrack_reserve(struct bo_gotrack **track, uint64_t len)
{
	struct bo_gotrack *t = *track;
	struct tracked *items;
	uint64_t cap;

	if (!t) {
		t = calloc(1, sizeof(*t));
		if (!t)
			return -ENOMEM;
		t->t0_ns = bo_now_ns();
		*track = t;
	}
	if (len <= t->cap)
		return 0;
	cap = len + len / 8 + 1024;
	items = realloc(t->items, cap * sizeof(*items));
	if (!items)
		return -ENOMEM;
	for (uint64_t i = t->cap; i < cap; i++)
		items[i] = (struct tracked){ 0 };
	t->items = items;
	t->cap = cap;
	return 0;
}

void bo_gotrack_free(struct bo_gotrack *track)
{
	if (track)
		free(track->items);
	free(track);
}

static uint32_t place(const struct bo_gorec *rec)
{
	uint64_t x = (rec->sp ^ rec->gopc << 20 ^ (uint64_t)rec->reason << 56) *
		     UINT64_C(0x9e3779b97f4a7c15);

	return (uint32_t)(x >> 32);
}

struct bo_gotracked bo_gotrack_seen(struct bo_gotrack *track, uint64_t index,
				    const struct bo_gorec *rec, int64_t t_ns)
{
	uint32_t now_ms = (uint32_t)((t_ns - track->t0_ns) / BO_NSEC_PER_MSEC), where = place(rec);
	bool waits = rec->status == GO_WAITING || rec->status == GO_LEAKED;
	struct tracked *t;

	if (index >= track->cap)
		return (struct bo_gotracked){ 0 };
	t = &track->items[index];
	if (t->goid != rec->goid) {
		*t = (struct tracked){ .goid = rec->goid, .first_ms = now_ms };
	}
	if (!waits || rec->torn) {
		t->same = 0;
	} else if (!t->same || t->seq != rec->seq || t->place != where) {
		t->seq = rec->seq;
		t->place = where;
		t->still_ms = now_ms;
		t->same = 1;
	} else if (t->same < UINT8_MAX) {
		t->same++;
	}
	return (struct bo_gotracked){
		.age_ns = (int64_t)(now_ms - t->first_ms) * BO_NSEC_PER_MSEC,
		.still_ns = t->same ? (int64_t)(now_ms - t->still_ms) * BO_NSEC_PER_MSEC : 0,
		.unmoved = t->same >= BO_CENSUS_UNMOVED_SAMPLES,
	};
}

void bo_census_set_ages(struct bo_census *census, const int64_t *ages_ns, size_t n)
{
	census->nages = n < BO_CENSUS_AGES_MAX ? n : BO_CENSUS_AGES_MAX;
	for (size_t i = 0; i < census->nages; i++)
		census->ages_ns[i] = ages_ns[i];
}

void bo_gotrack_forget(struct bo_gotrack *track, uint64_t index)
{
	if (track && index < track->cap)
		track->items[index].goid = 0;
}
