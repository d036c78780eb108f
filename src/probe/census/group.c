/* SPDX-License-Identifier: Apache-2.0 */
/* census/group.c — add goroutines up, in two steps.
 * First by what is in g itself: creation site, function, state, wait reason, labels, and how deep its stack is.
 * Goroutines of one depth that came from one place stand at one line as a rule, so one of each such shape is
 * enough to walk; shapes that turn out to block at the same line then become one group.
 * Owns: the table of shapes, in struct bo_census_snapshot_private.  Threads: one at a time.  Privilege: none. */
#include "group.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/clock.h"

#define SLOTS (BO_GOSHAPES_MAX * 2)
/* Shapes beyond this many are counted without their stacks: a walk costs some 5 µs. */
#define WALKS_MAX 2048

enum bo_census_state bo_gostate(uint32_t status)
{
	switch (status) {
	case GO_RUNNABLE:
		return BO_CENSUS_RUNNABLE;
	case GO_RUNNING:
		return BO_CENSUS_RUNNING;
	case GO_SYSCALL:
		return BO_CENSUS_SYSCALL;
	case GO_WAITING:
		return BO_CENSUS_WAITING;
	case GO_COPYSTACK:
		return BO_CENSUS_COPYSTACK;
	case GO_PREEMPTED:
		return BO_CENSUS_PREEMPTED;
	case GO_LEAKED:
		return BO_CENSUS_LEAKED;
	default:
		return BO_CENSUS_STATES;
	}
}

const char *bo_census_state_name(enum bo_census_state state)
{
	static const char *const names[] = {
		[BO_CENSUS_IDLE] = "idle",           [BO_CENSUS_RUNNABLE] = "runnable",
		[BO_CENSUS_RUNNING] = "running",     [BO_CENSUS_SYSCALL] = "syscall",
		[BO_CENSUS_WAITING] = "waiting",     [BO_CENSUS_PREEMPTED] = "preempted",
		[BO_CENSUS_COPYSTACK] = "copystack", [BO_CENSUS_LEAKED] = "leaked",
	};

	_Static_assert(sizeof(names) / sizeof(*names) == BO_CENSUS_STATES,
		       "a name for every state");
	return (unsigned)state < BO_CENSUS_STATES ? names[state] : "unknown";
}

const char *bo_goreason(const struct bo_census *census, enum bo_census_state state, uint8_t reason)
{
	if ((state == BO_CENSUS_WAITING || state == BO_CENSUS_LEAKED) &&
	    reason < census->nreasons && census->reasons[reason][0])
		return census->reasons[reason];
	return bo_census_state_name(state);
}

bool bo_gosystem(struct bo_census *census, uint64_t startpc)
{
	const struct bo_gosite *site = bo_gosites_get(&census->sites, startpc);

	return site->runtime && !site->user_main;
}

static size_t shape_slot(const struct bo_goshape_key *s)
{
	uint64_t h = s->gopc * UINT64_C(0x9e3779b97f4a7c15) ^ s->startpc;

	h = (h ^ (uint64_t)s->depth << 32 ^ (uint64_t)s->labels << 16 ^ (uint64_t)s->state << 8 ^
	     s->reason) *
	    UINT64_C(0xbf58476d1ce4e5b9);
	return (size_t)(h >> 40) % SLOTS;
}

static bool same_shape(const struct bo_goshape_key *a, const struct bo_goshape_key *b)
{
	return a->gopc == b->gopc && a->startpc == b->startpc && a->depth == b->depth &&
	       a->labels == b->labels && a->state == b->state && a->reason == b->reason;
}

/* The shape of @key, made if need be; NULL when there are too many. */
static struct bo_goshape *find_shape(struct bo_goshapes *set, const struct bo_goshape_key *key)
{
	size_t i;

	/* Who was started after somebody is often of his kind. */
	if (set->last && same_shape(&set->last->key, key))
		return set->last;
	for (i = shape_slot(key); set->slots[i]; i = (i + 1) % SLOTS)
		if (same_shape(&set->items[set->slots[i] - 1].key, key))
			return set->last = &set->items[set->slots[i] - 1];
	if (set->len == BO_GOSHAPES_MAX)
		return NULL;
	set->items[set->len] = (struct bo_goshape){ .key = *key };
	set->slots[i] = (uint16_t)++set->len;
	return set->last = &set->items[set->len - 1];
}

int bo_goshapes_init(struct bo_goshapes *set)
{
	if (!set->items) {
		set->items = malloc(BO_GOSHAPES_MAX * sizeof(*set->items));
		set->slots = malloc(SLOTS * sizeof(*set->slots));
		if (!set->items || !set->slots)
			return -ENOMEM;
	}
	memset(set->slots, 0, SLOTS * sizeof(*set->slots));
	set->len = 0;
	set->last = NULL;
	return 0;
}

void bo_goshapes_done(struct bo_goshapes *set)
{
	free(set->items);
	free(set->slots);
	*set = (struct bo_goshapes){ 0 };
}

static void add_to_shape(struct bo_goshape *s, const struct bo_census *census,
			 const struct bo_gorec *rec, const struct bo_gotracked *t, int64_t now_ns)
{
	if (!s->count++ || (t->unmoved && !s->unmoved)) {
		/* Somebody who is stuck is the better witness. */
		s->witness = *rec;
	}
	s->locked += rec->locked;
	if (rec->waitsince > 0 && rec->waitsince < now_ns &&
	    now_ns - rec->waitsince > s->waited_max_ns)
		s->waited_max_ns = now_ns - rec->waitsince;
	if (s->count == 1 || t->age_ns < s->age_min_ns)
		s->age_min_ns = t->age_ns;
	if (t->age_ns > s->age_max_ns)
		s->age_max_ns = t->age_ns;
	for (size_t i = 0; i < census->nages && t->age_ns >= census->ages_ns[i]; i++)
		s->older[i]++;
	if (t->unmoved) {
		if (!s->unmoved++ || t->still_ns < s->unmoved_ns)
			s->unmoved_ns = t->still_ns;
	}
}

void bo_goshapes_add(struct bo_goshapes *set, struct bo_census *census,
		     struct bo_census_snapshot *snap, unsigned detail, const struct bo_gorec *rec,
		     uint64_t index)
{
	struct bo_goshape_key key = { .gopc = rec->gopc, .startpc = rec->startpc };
	enum bo_census_state state = bo_gostate(rec->status);
	struct bo_gotracked t = { 0 };
	struct bo_goshape *shape;

	if (!rec->addr) {
		snap->unreadable++;
		return;
	}
	if (state == BO_CENSUS_STATES) {
		snap->dead++;
		if (detail & BO_CENSUS_TRACK)
			bo_gotrack_forget(census->track, index);
		return;
	}
	if (rec->torn)
		snap->torn++;
	/* It follows from startpc, and so from the shape that the last one was of. */
	key.system = set->last && set->last->key.startpc == rec->startpc
			     ? set->last->key.system
			     : bo_gosystem(census, rec->startpc);
	if (key.system)
		snap->system++;
	else
		snap->user++;
	if (detail & BO_CENSUS_TRACK)
		t = bo_gotrack_seen(census->track, index, rec, snap->t_ns);
	/* Without trackingSeq (a layout that was calibrated) nobody can be said not to have moved. */
	if (BO_FACT(census, G_TRACKINGSEQ) < 0)
		t.unmoved = false;
	if (key.system && !(detail & BO_CENSUS_SYSTEM))
		return;
	key.state = (uint8_t)state;
	if (state == BO_CENSUS_WAITING || state == BO_CENSUS_LEAKED)
		key.reason = rec->reason;
	if (detail & BO_CENSUS_LABELS)
		key.labels = bo_golabels_id(census, rec);
	if (detail & BO_CENSUS_STACKS && state != BO_CENSUS_RUNNING &&
	    rec->stack_hi - rec->sp < 1 << 30)
		key.depth = (uint32_t)(rec->stack_hi - rec->sp);
	shape = find_shape(set, &key);
	if (!shape) {
		/* So many depths (a recursion …): go on without telling them apart. */
		key.depth = 0;
		shape = find_shape(set, &key);
	}
	if (!shape) {
		snap->overflow++;
		return;
	}
	add_to_shape(shape, census, rec, &t, snap->t_ns);
}

/* From return addresses to lines: inlined calls unfolded, the primitives on top left out. */
static void unfold(struct bo_census *census, const uint64_t *pcs, size_t npcs,
		   struct bo_gostack *ret)
{
	bool user = false;

	ret->n = 0;
	ret->blocked = NULL;
	for (size_t i = 0; i < npcs && ret->n < BO_CENSUS_FRAMES_MAX; i++) {
		const struct bo_gosite *site = bo_gosites_get(&census->sites, pcs[i] - 1);

		for (size_t k = 0; k < site->nframes && ret->n < BO_CENSUS_FRAMES_MAX; k++) {
			const struct bo_census_frame *frame = &site->frames[k];

			if (!user && !strncmp(frame->func, "runtime.", 8) && i + 1 < npcs)
				continue;
			user = true;
			if (!ret->blocked && !bo_gosites_is_primitive(frame->func))
				ret->blocked = frame;
			ret->frames[ret->n++] = *frame;
		}
	}
}

static void swap_items(char *a, char *b, size_t size)
{
	char tmp[256];

	for (size_t k; size; size -= k, a += k, b += k) {
		k = size < sizeof(tmp) ? size : sizeof(tmp);
		memcpy(tmp, a, k);
		memcpy(a, b, k);
		memcpy(b, tmp, k);
	}
}

static void sift(char *items, size_t at, size_t n, size_t size,
		 int (*cmp)(const void *, const void *))
{
	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= n)
			return;
		if (child + 1 < n && cmp(items + (child + 1) * size, items + child * size) > 0)
			child++;
		if (cmp(items + child * size, items + at * size) <= 0)
			return;
		swap_items(items + at * size, items + child * size, size);
		at = child;
	}
}

void bo_gosort(void *items, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
	for (size_t i = n / 2; i-- > 0;)
		sift(items, i, n, size, cmp);
	for (; n-- > 1;) {
		swap_items(items, (char *)items + n * size, size);
		sift(items, 0, n, size, cmp);
	}
}

static int by_count(const void *a, const void *b)
{
	const struct bo_goshape *x = a, *y = b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return x->witness.goid < y->witness.goid ? -1 : x->witness.goid > y->witness.goid;
}

void bo_goshapes_sort(struct bo_goshapes *set)
{
	bo_gosort(set->items, set->len, sizeof(*set->items), by_count);
}

void bo_goshapes_walk(struct bo_goshapes *set, struct bo_census *census, size_t index,
		      struct bo_gostack *ret)
{
	uint64_t pcs[BO_GOSTACK_PCS_MAX];
	size_t n = 0;

	ret->n = 0;
	ret->blocked = NULL;
	if (index < WALKS_MAX && set->items[index].key.state != BO_CENSUS_RUNNING)
		n = bo_gostack_walk(census, &set->items[index].witness, pcs);
	if (n)
		unfold(census, pcs, n, ret);
}
