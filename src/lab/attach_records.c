/* SPDX-License-Identifier: Apache-2.0 */
/* lab/attach_records.c — what became of the packets of a lane, so that a fault is confirmed by the service's own traffic:
 * nobody at a foreign peer would answer probes.
 * Owns: the ring.  Threads: single-threaded.  Privilege: none. */
#include <errno.h>
#include <stdlib.h>

#include "attach-internal.h"
#include "brownout/base/clock.h"

/* So few packets in a row that waited for one another say nothing about a rate. */
#define TRAIN_MIN 10

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

void bo_attach_record_end(struct bo_attach_records *records, uint32_t index, uint32_t id,
			  int64_t held_ns)
{
	struct bo_attach_record *r = records->ring ? &records->ring[index % BO_ATTACH_RECORDS]
						   : NULL;

	/* One that was held for as long as the ring lasts has lost its place. */
	if (r && r->id == id && r->held_ns == BO_ATTACH_PENDING)
		r->held_ns = held_ns;
}

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/** struct train - packets that left while another had waited behind the one before: at the pace of the transmitter */
struct train {
	int64_t last_left_ns;
	int64_t ns;
	int64_t bits;
	int64_t packets;
};

static void train_add(struct train *t, const struct bo_attach_record *r)
{
	int64_t left_ns = r->at_ns + r->held_ns;

	if (t->last_left_ns && r->at_ns < t->last_left_ns && left_ns > t->last_left_ns) {
		t->ns += left_ns - t->last_left_ns;
		t->bits += (int64_t)r->bytes * 8;
		t->packets++;
	}
	if (left_ns > t->last_left_ns)
		t->last_left_ns = left_ns;
}

static void summarise(struct bo_link_measure *m, int64_t *held, const struct train *t)
{
	size_t n = m->received;

	if (t->packets >= TRAIN_MIN && t->ns > 0)
		m->goodput_bps =
			(int64_t)((double)t->bits * (double)BO_NSEC_PER_SEC / (double)t->ns);
	if (!n)
		return;
	qsort(held, n, sizeof(*held), by_size);
	m->delay_min_ns = held[0];
	m->delay_p50_ns = held[n / 2];
	m->delay_p99_ns = held[(n * 99) / 100];
	m->delay_max_ns = held[n - 1];
}

int bo_attach_records_measure(const struct bo_attach_records *records, int64_t from_ns,
			      int64_t to_ns, struct bo_link_measure *ret, struct bo_err *err)
{
	uint64_t kept = records->count < BO_ATTACH_RECORDS ? records->count : BO_ATTACH_RECORDS;
	struct bo_link_measure m = { 0 };
	struct train train = { 0 };
	int64_t *held;

	if (kept == BO_ATTACH_RECORDS &&
	    records->ring[records->count % BO_ATTACH_RECORDS].at_ns > from_ns)
		from_ns = records->ring[records->count % BO_ATTACH_RECORDS].at_ns;
	if (from_ns >= to_ns && kept)
		return bo_err_set(err, ENODATA, BO_SUBSYS_LAB,
				  "what became of those packets is no longer known");
	held = calloc(kept + 1, sizeof(*held));
	if (!held)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_LAB, "out of memory");
	for (uint64_t i = records->count - kept; i < records->count; i++) {
		const struct bo_attach_record *r = &records->ring[i % BO_ATTACH_RECORDS];

		/* One that is still held has not had its time yet: the window leaves room for that, so it is rare. */
		if (r->at_ns < from_ns || r->at_ns >= to_ns || r->held_ns == BO_ATTACH_PENDING)
			continue;
		m.sent++;
		if (r->held_ns == BO_ATTACH_LOST)
			continue;
		held[m.received++] = r->held_ns;
		train_add(&train, r);
	}
	summarise(&m, held, &train);
	free(held);
	*ret = m;
	return 0;
}

void bo_attach_records_done(struct bo_attach_records *records)
{
	free(records->ring);
	*records = (struct bo_attach_records){ 0 };
}
