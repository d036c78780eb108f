/* SPDX-License-Identifier: Apache-2.0 */
/* census/labels.c — pprof labels (runtime/pprof.Do) of a goroutine, as text.
 * g.labels points to a *labelMap: up to Go 1.23 a map[string]string, later a sorted slice of {key, value}.  The memory
 * behind it is the heap's: it may be freed and reused while we read, so the goroutine is looked at again
 * afterwards and what it had before is dropped if it changed.
 * Owns: the texts.  Threads: one at a time.  Privilege: none of its own. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/arena.h"
#include "census-internal.h"

#define PAIRS_MAX 16
#define STRING_MAX 128
#define TEXT_MAX 1024
#define SETS_MAX 4096
#define BYTES_MAX (2u << 20)
#define POINTERS 8192
/* Label sets that are read in one snapshot at most: they cost about 3 µs each. */
#define READS_MAX 20000
#define LIST_SINCE 24

struct pair {
	char key[STRING_MAX], value[STRING_MAX];
};

struct bo_golabels {
	struct bo_arena arena;
	const char *texts[SETS_MAX]; /* 0: none; 1: more sets than are kept */
	uint16_t buckets[SETS_MAX * 2];
	size_t nsets;
	struct {
		uint64_t ptr;
		uint32_t round;
		uint16_t id;
	} pointers[POINTERS];
	uint32_t round;
	uint32_t reads;
};

int bo_golabels_new(struct bo_golabels **ret)
{
	struct bo_golabels *labels = calloc(1, sizeof(*labels));

	if (!labels)
		return -ENOMEM;
	labels->texts[0] = "";
	labels->texts[1] = "(more label sets than are kept)";
	labels->nsets = 2;
	*ret = labels;
	return 0;
}

void bo_golabels_free(struct bo_golabels *labels)
{
	if (labels)
		bo_arena_done(&labels->arena);
	free(labels);
}

void bo_golabels_begin(struct bo_golabels *labels)
{
	labels->round++;
	labels->reads = 0;
}

const char *bo_golabels_text(const struct bo_golabels *labels, uint16_t id)
{
	return labels && id < labels->nsets ? labels->texts[id] : "";
}

static uint32_t text_hash(const char *s)
{
	uint32_t h = 2166136261u;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}

static uint16_t intern(struct bo_golabels *labels, const char *text)
{
	size_t i = text_hash(text) % (SETS_MAX * 2);
	char *copy;

	for (; labels->buckets[i]; i = (i + 1) % (SETS_MAX * 2))
		if (!strcmp(labels->texts[labels->buckets[i]], text))
			return labels->buckets[i];
	if (labels->nsets == SETS_MAX || labels->arena.used_bytes > BYTES_MAX)
		return 1;
	copy = bo_arena_strdup(&labels->arena, text);
	if (!copy)
		return 1;
	labels->texts[labels->nsets] = copy;
	labels->buckets[i] = (uint16_t)labels->nsets;
	return (uint16_t)labels->nsets++;
}

/* A Go string header { pointer, length } as text on one line, quotes escaped. */
static bool read_string(struct bo_census *census, const uint64_t header[2], char ret[STRING_MAX])
{
	char raw[STRING_MAX / 2];
	size_t n = header[1] < sizeof(raw) ? (size_t)header[1] : sizeof(raw) - 1, out = 0;

	if (header[1] > 1 << 20 || (n && bo_gomem_read(&census->memory, header[0], raw, n)))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (raw[i] == '"' || raw[i] == '\\')
			ret[out++] = '\\';
		ret[out++] = (unsigned char)raw[i] < ' ' || raw[i] == 127 ? '?' : raw[i];
	}
	ret[out] = 0;
	return true;
}

static size_t read_list(struct bo_census *census, uint64_t at, struct pair *pairs)
{
	uint64_t slice[3], item[4];
	size_t n = 0;

	if (bo_gomem_read(&census->memory, at, slice, sizeof(slice)) || slice[1] > slice[2])
		return 0;
	while (n < PAIRS_MAX && n < slice[1]) {
		if (bo_gomem_read(&census->memory, slice[0] + n * sizeof(item), item,
				  sizeof(item)) ||
		    !read_string(census, item, pairs[n].key) ||
		    !read_string(census, item + 2, pairs[n].value))
			break;
		n++;
	}
	return n;
}

/*
 * A map of up to eight entries has one bucket: 8 hash bytes, 8 keys, 8 values, overflow pointer (runtime/map.go).
 * Larger ones are rare for labels; their first eight buckets are read.
 */
static size_t read_map(struct bo_census *census, uint64_t at, struct pair *pairs)
{
	struct {
		uint64_t top;
		uint64_t keys[8][2], values[8][2];
		uint64_t overflow;
	} bucket;
	uint64_t map, header[3];
	size_t n = 0;
	unsigned buckets;

	/* *labelMap points to the map, which is a pointer to its hmap { count, flags B noverflow hash0, buckets }. */
	if (bo_gomem_read(&census->memory, at, &map, 8) ||
	    bo_gomem_read(&census->memory, map, header, sizeof(header)))
		return 0;
	buckets = 1u << ((header[1] >> 8 & 255) < 3 ? header[1] >> 8 & 255 : 3);
	for (unsigned b = 0; b < buckets; b++) {
		uint64_t where = header[2] + b * sizeof(bucket);

		for (int chain = 0; chain < 4 && where; chain++) {
			if (bo_gomem_read(&census->memory, where, &bucket, sizeof(bucket)))
				break;
			for (int i = 0; i < 8 && n < PAIRS_MAX; i++)
				/* Below 5 (minTopHash) the slot is empty or was moved away. */
				if ((bucket.top >> (8 * i) & 255) >= 5 &&
				    read_string(census, bucket.keys[i], pairs[n].key) &&
				    read_string(census, bucket.values[i], pairs[n].value))
					n++;
			where = bucket.overflow;
		}
	}
	return n;
}

/* By key, without moving the pairs: qsort(3) would allocate for them. */
static void sort_pairs(const struct pair *pairs, size_t n, size_t order[PAIRS_MAX])
{
	for (size_t i = 0; i < n; i++) {
		size_t j = i;

		for (; j && strcmp(pairs[order[j - 1]].key, pairs[i].key) > 0; j--)
			order[j] = order[j - 1];
		order[j] = i;
	}
}

static uint16_t read_set(struct bo_census *census, const struct bo_gorec *rec)
{
	struct pair pairs[PAIRS_MAX];
	char text[TEXT_MAX] = "";
	struct bo_gorec again;
	size_t order[PAIRS_MAX], n, used = 0;

	n = census->info.go_minor >= LIST_SINCE || !census->info.go_minor
		    ? read_list(census, rec->labels, pairs)
		    : read_map(census, rec->labels, pairs);
	if (bo_gowalk_one(census, rec->addr, &again) || again.goid != rec->goid ||
	    again.labels != rec->labels || !n)
		return 0;
	sort_pairs(pairs, n, order);
	for (size_t i = 0; i < n && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s\"%s\":\"%s\"",
					 i ? ", " : "", pairs[order[i]].key, pairs[order[i]].value);
	return intern(census->labels, text);
}

uint16_t bo_golabels_id(struct bo_census *census, const struct bo_gorec *rec)
{
	struct bo_golabels *labels = census->labels;
	size_t slot = (size_t)(rec->labels >> 3) % POINTERS;

	if (!rec->labels || rec->labels % 8)
		return 0;
	if (labels->pointers[slot].ptr != rec->labels ||
	    labels->pointers[slot].round != labels->round) {
		if (labels->reads++ >= READS_MAX)
			return 1;
		labels->pointers[slot].id = read_set(census, rec);
		labels->pointers[slot].ptr = rec->labels;
		labels->pointers[slot].round = labels->round;
	}
	return labels->pointers[slot].id;
}
