/* SPDX-License-Identifier: Apache-2.0 */
/* deadline.h — deadlines that all lie the same time ahead need no heap: they are due in the order
 * they were set. A queue per kind of deadline; setting, cancelling and finding the earliest are
 * each a few pointer writes.
 * Owns: nothing (intrusive).  Threads: one per queue.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** struct bo_deadline - one entry, inside what it belongs to; zero-initialise */
struct bo_deadline {
	struct bo_deadline *prev;
	struct bo_deadline *next;
	struct bo_deadlines *queue; /* NULL while not queued */
	int64_t at_ns;
	void *owner;
};

/** struct bo_deadlines - zero-initialise; first is the earliest */
struct bo_deadlines {
	struct bo_deadline *first;
	struct bo_deadline *last;
};

static inline int64_t bo_deadlines_next(const struct bo_deadlines *q)
{
	return q->first ? q->first->at_ns : INT64_MAX;
}

/** bo_deadline_set() - append; @at_ns must not lie before that of the last entry */
static inline void bo_deadline_set(struct bo_deadlines *q, struct bo_deadline *d, int64_t at_ns,
				   void *owner)
{
	d->at_ns = at_ns;
	d->owner = owner;
	d->queue = q;
	d->next = NULL;
	d->prev = q->last;
	if (q->last)
		q->last->next = d;
	else
		q->first = d;
	q->last = d;
}

/** bo_deadline_cancel() - take it out of whichever queue it is in; nothing if in none */
static inline void bo_deadline_cancel(struct bo_deadline *d)
{
	struct bo_deadlines *q = d->queue;

	if (!q)
		return;
	if (d->prev)
		d->prev->next = d->next;
	else
		q->first = d->next;
	if (d->next)
		d->next->prev = d->prev;
	else
		q->last = d->prev;
	d->queue = NULL;
}

/** bo_deadline_move() - @to takes the place of @from, so that the order stays */
static inline void bo_deadline_move(struct bo_deadline *from, struct bo_deadline *to, void *owner)
{
	struct bo_deadlines *q = from->queue;

	if (!q)
		return;
	*to = *from;
	to->owner = owner;
	if (to->prev)
		to->prev->next = to;
	else
		q->first = to;
	if (to->next)
		to->next->prev = to;
	else
		q->last = to;
	from->queue = NULL;
}
