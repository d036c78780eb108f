/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/fuzz_census_world.c — a hand-made Go process of which the input changes words: before we attach, and then
 * between any two reads.  Covers the search for the tables, pclntab, calibration, the walk, stacks, labels, groups.
 * Input: a flag byte, then pokes of 8 bytes each: region, when, offset (2), value (4, widened by "when").
 * Owns: nothing.  Threads: one.  Privilege: none. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define POKE 8

static const uint8_t *pokes;
static size_t npokes, at_poke;

/* Values that matter more often than chance would have it. */
static uint64_t widen(uint8_t how, uint32_t v)
{
	switch (how & 7) {
	case 0:
		return v;
	case 1:
		return WORLD_HEAP + v % 0x40000;
	case 2:
		return WORLD_RODATA + v % 0xa000;
	case 3:
		return WORLD_TEXT + v % 0x8000;
	case 4:
		return UINT64_MAX - v % 4096;
	case 5:
		return (uint64_t)v << 32;
	case 6:
		return UINT64_C(1) << (v % 64);
	default:
		return WORLD_BSS + v % 0x3000;
	}
}

static void poke(struct world *w)
{
	static const uint64_t bases[] = { WORLD_RODATA, WORLD_DATA, WORLD_BSS, WORLD_HEAP };
	const uint8_t *p = pokes + at_poke * POKE;
	enum world_region region = p[0] % WORLD_REGIONS;
	uint32_t value;
	uint16_t offset;
	uint64_t at;

	memcpy(&offset, p + 2, 2);
	memcpy(&value, p + 4, 4);
	/* The heap is larger than 16 bits: the upper bits of the region byte reach all of it. */
	at = (offset + (uint64_t)(p[0] >> 2) * 0x1000) % world_region_size(region);
	world_poke(w, bases[region] + at, widen(p[1], value), p[1] & 64 ? 4 : p[1] & 32 ? 1 : 8);
	at_poke++;
}

static void between_reads(struct world *w)
{
	if (at_poke < npokes && !(w->reads % 3))
		poke(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bo_census_snapshot snap = { 0 };
	struct bo_census *census = NULL;
	struct bo_census_stats stats;
	struct bo_err err = { 0 };
	struct world *w;
	FILE *null;
	int64_t n;

	if (size < 1 + POKE || size > 4096)
		return 0;
	w = world_new();
	pokes = data + 1;
	npokes = (size - 1) / POKE;
	at_poke = 0;
	while (at_poke < npokes && (data[0] & 1 || !(pokes[at_poke * POKE + 1] & 128)))
		poke(w);
	if (!world_attach(w, &census, data[0] & 2 ? BO_CENSUS_NO_TABLE : 0, &err)) {
		w->flicker = between_reads;
		for (int i = 0; i < 4; i++) {
			if (!bo_census_count(census, &n, &err) && n < 1)
				abort();
			if (!bo_census_snapshot(census, BO_CENSUS_ALL, &snap, &err)) {
				uint64_t sum = snap.overflow;

				for (size_t k = 0; k < snap.ngroups; k++)
					sum += snap.groups[k].count;
				if (sum != snap.user + snap.system)
					abort();
			}
			(void)!bo_census_stats(census, &stats, &err);
		}
		null = fopen("/dev/null", "we");
		if (null) {
			(void)!bo_census_write_goroutines(census, null, 100, NULL, &err);
			fclose(null);
		}
	}
	bo_census_snapshot_done(&snap);
	bo_census_free(census);
	world_free(w);
	return 0;
}
