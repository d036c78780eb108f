/* SPDX-License-Identifier: Apache-2.0 */
/* probe/track.c — samples and gaps of one series, in the order of time.
 * A gap begins at the last good sample, not at the first failure: nothing is known of the time
 * between.  It ends at the next good sample.  When the reason changes half-way, the gap is split
 * there.
 * Owns: reasons.  Threads: one writer; latest is read by any.  Privilege: none. */
#include <math.h>
#include <string.h>

#include "probe-internal.h"

/* A service can answer with any status code; past this many different reasons they are told no
 * longer apart. */
#define REASONS_MAX 64

static void store(_Atomic uint64_t *word, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	atomic_store_explicit(word, bits, memory_order_relaxed);
}

static double load(const _Atomic uint64_t *word)
{
	uint64_t bits = atomic_load_explicit(word, memory_order_relaxed);
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static void set_latest(struct bo_track *track, double value)
{
	store(&track->latest, value);
}

double bo_track_latest(const struct bo_track *track)
{
	return load(&track->latest);
}

double bo_track_known(const struct bo_track *track)
{
	return load(&track->known);
}

void bo_track_begin(struct bo_track *track, struct bo_series *series, int64_t start_ns)
{
	track->series = series;
	track->last_ns = start_ns;
	track->gap_open = false;
	set_latest(track, NAN);
	store(&track->known, NAN);
}

static void close_gap(struct bo_track *track, int64_t t_ns)
{
	if (!track->gap_open)
		return;
	track->gap.to_ns = t_ns;
	/* With memory out the gap is lost, but so are the samples, and a budget without samples
	 * cannot pass. */
	(void)bo_vec_push(&track->series->gaps, track->gap);
	track->gap_open = false;
}

void bo_track_sample(struct bo_track *track, int64_t t_ns, double value)
{
	close_gap(track, t_ns);
	if (!bo_vec_push(&track->series->samples,
			 (struct bo_sample){ .t_ns = t_ns, .value = value })) {
		bo_track_gap(track, t_ns, "out of memory");
		return;
	}
	track->last_ns = t_ns;
	set_latest(track, value);
	store(&track->known, value);
}

void bo_track_gap(struct bo_track *track, int64_t t_ns, const char *reason)
{
	int64_t from_ns = track->last_ns;

	if (track->gap_open && strcmp(track->gap.reason, reason) == 0)
		return;
	if (track->gap_open) {
		close_gap(track, t_ns);
		from_ns = t_ns;
	}
	track->gap = (struct bo_gap){ .from_ns = from_ns, .to_ns = t_ns, .reason = reason };
	track->gap_open = true;
	set_latest(track, NAN);
}

void bo_track_end(struct bo_track *track, int64_t t_ns)
{
	close_gap(track, t_ns);
	track->last_ns = t_ns;
	set_latest(track, NAN);
}

const char *bo_reasons_intern(struct bo_reasons *reasons, const char *text)
{
	char *copy;

	bo_vec_foreach(it, &reasons->texts) {
		if (strcmp(*it, text) == 0)
			return *it;
	}
	if (reasons->texts.len >= REASONS_MAX)
		return "other failures";
	copy = strdup(text);
	if (!copy || !bo_vec_push(&reasons->texts, copy)) {
		free(copy);
		return "out of memory";
	}
	return copy;
}

void bo_reasons_done(struct bo_reasons *reasons)
{
	bo_vec_foreach(it, &reasons->texts)
		free(*it);
	bo_vec_done(&reasons->texts);
}
