/* SPDX-License-Identifier: Apache-2.0 */
/* lab/attach_records.c — what became of the packets of a lane, so that a fault is confirmed by the service's own traffic:
 * nobody at a foreign peer would answer probes.
 * Owns: the ring.  Threads: single-threaded.  Privilege: none. */
#include <errno.h>
#include <stdlib.h>

#include "attach-internal.h"
#include "brownout/base/cleanup.h"
#include "brownout/lab/linkprobe.h"

/* So few packets in a row that waited for one another say nothing about a rate. */
#define TRAIN_MIN 10u
#define TRAIN_MAX 100u

int bo_attach_record_add(struct bo_attach_records *records, int64_t at_ns, uint32_t id,
			 uint32_t bytes, uint32_t *ret_index)
{
	uint32_t index = (uint32_t)(records->count % BO_ATTACH_RECORDS);

	if (!records->ring)
		records->ring = calloc(BO_ATTACH_RECORDS, sizeof(*records->ring));
	if (!records->ring)
		return -ENOMEM;
	records->ring[index] = (struct bo_attach_record){
		.at_ns = at_ns, .held_ns = BO_ATTACH_PENDING, .bytes = bytes, .id = id
	};
	records->count++;
	*ret_index = index;
	return 0;
}

/** record_of() - NULL: held for as long as the ring lasts, it has lost its place */
static struct bo_attach_record *record_of(const struct bo_attach_records *records, uint32_t index,
					  uint32_t id)
{
	struct bo_attach_record *r = records->ring ? &records->ring[index % BO_ATTACH_RECORDS]
						   : NULL;

	return r && r->id == id ? r : NULL;
}

bool bo_attach_record_end(struct bo_attach_records *records, uint32_t index, uint32_t id,
			  int64_t held_ns)
{
	struct bo_attach_record *r = record_of(records, index, id);

	if (!r || r->held_ns != BO_ATTACH_PENDING)
		return false;
	r->held_ns = held_ns;
	return true;
}

void bo_attach_records_expire(struct bo_attach_records *records, int64_t before_ns)
{
	if (records->count > records->expired + BO_ATTACH_RECORDS)
		records->expired = records->count - BO_ATTACH_RECORDS;
	for (; records->expired < records->count; records->expired++) {
		struct bo_attach_record *r = &records->ring[records->expired % BO_ATTACH_RECORDS];

		if (r->at_ns >= before_ns)
			return;
		if (r->held_ns == BO_ATTACH_PENDING)
			r->held_ns = BO_ATTACH_LOST;
	}
}

void bo_attach_record_damage(struct bo_attach_records *records, uint32_t index, uint32_t id)
{
	struct bo_attach_record *r = record_of(records, index, id);

	if (r && r->damaged < UINT16_MAX)
		r->damaged++;
}

void bo_attach_record_copy(struct bo_attach_records *records, uint32_t index, uint32_t id)
{
	struct bo_attach_record *r = record_of(records, index, id);

	if (r && r->copies < UINT16_MAX - 1)
		r->copies++;
}

/** struct leaving - when a packet was let go, and which one */
struct leaving {
	int64_t left_ns;
	size_t probe;
};

static int by_time(const void *a, const void *b)
{
	const struct leaving *x = a, *y = b;

	if (x->left_ns != y->left_ns)
		return x->left_ns < y->left_ns ? -1 : 1;
	return x->probe < y->probe ? -1 : x->probe > y->probe;
}

/** train_add() - packets that left one by one, each while the next already waited behind it, went at the pace of the
 * transmitter: a train.  @t: the one so far;  Return: one that @r has ended */
static struct bo_link_train train_add(struct bo_link_train *t, const struct bo_attach_record *r)
{
	struct bo_link_train ended = { 0 };
	int64_t left_ns = r->at_ns + r->held_ns;

	if (t->received &&
	    (r->at_ns >= t->last_ns || left_ns <= t->last_ns || t->received == TRAIN_MAX)) {
		ended = *t;
		*t = (struct bo_link_train){ 0 };
	}
	if (!t->received++)
		*t = (struct bo_link_train){ .sent_ns = r->at_ns,
					     .first_ns = left_ns,
					     .received = 1 };
	else
		t->bits += (int64_t)r->bytes * 8;
	t->sent++;
	t->last_ns = left_ns;
	return ended;
}

static void keep_train(struct bo_link_samples *s, const struct bo_link_train *train)
{
	if (train->received >= TRAIN_MIN)
		s->trains[s->ntrains++] = *train;
}

static void collect(const struct bo_attach_records *records, uint64_t kept, int64_t from_ns,
		    int64_t to_ns, struct bo_link_samples *s, struct leaving *leaving)
{
	struct bo_link_train train = { 0 }, ended;
	size_t gone = 0;

	for (uint64_t i = records->count - kept; i < records->count; i++) {
		const struct bo_attach_record *r = &records->ring[i % BO_ATTACH_RECORDS];
		struct bo_link_sample *probe = &s->probes[s->nprobes];

		/* One that is still held has not had its time yet: the window leaves room for that, so it is rare. */
		if (r->at_ns < from_ns || r->at_ns >= to_ns || r->held_ns == BO_ATTACH_PENDING)
			continue;
		*probe = (struct bo_link_sample){ .sent_ns = r->at_ns, .delay_ns = -1 };
		if (r->held_ns != BO_ATTACH_LOST) {
			probe->delay_ns = r->held_ns;
			probe->arrivals = (uint16_t)(1 + r->copies);
			probe->damaged = r->damaged;
			leaving[gone++] = (struct leaving){ r->at_ns + r->held_ns, s->nprobes };
			ended = train_add(&train, r);
			keep_train(s, &ended);
		}
		s->nprobes++;
	}
	keep_train(s, &train);
	qsort(leaving, gone, sizeof(*leaving), by_time);
	for (size_t i = 0; i < gone; i++)
		s->probes[leaving[i].probe].order = (uint32_t)i;
}

int bo_attach_records_samples(const struct bo_attach_records *records, int64_t from_ns,
			      int64_t to_ns, struct bo_link_samples *ret, struct bo_err *err)
{
	uint64_t kept = records->count < BO_ATTACH_RECORDS ? records->count : BO_ATTACH_RECORDS;
	struct bo_link_samples s = { 0 };
	bo_auto_free struct leaving *leaving = NULL;

	if (kept == BO_ATTACH_RECORDS &&
	    records->ring[records->count % BO_ATTACH_RECORDS].at_ns > from_ns)
		from_ns = records->ring[records->count % BO_ATTACH_RECORDS].at_ns;
	if (from_ns >= to_ns && kept)
		return bo_err_set(err, ENODATA, BO_SUBSYS_LAB,
				  "what became of those packets is no longer known");
	leaving = calloc(kept + 1, sizeof(*leaving));
	s.probes = calloc(kept + 1, sizeof(*s.probes));
	s.trains = calloc(kept / TRAIN_MIN + 1, sizeof(*s.trains));
	if (!leaving || !s.probes || !s.trains) {
		bo_link_samples_done(&s);
		return bo_err_set(err, ENOMEM, BO_SUBSYS_LAB, "out of memory");
	}
	collect(records, kept, from_ns, to_ns, &s, leaving);
	*ret = s;
	return 0;
}

void bo_attach_records_done(struct bo_attach_records *records)
{
	free(records->ring);
	*records = (struct bo_attach_records){ 0 };
}
