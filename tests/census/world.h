/* SPDX-License-Identifier: Apache-2.0 */
/* tests/census/world.h — a Go process made by hand: an executable without sections, pclntab, moduledata, allgs, sched, allp,
 * goroutines with stacks; in Go 1.26's layout on amd64.  Everything in it can be spoilt.
 * Owns: its bytes.  Threads: one.  Privilege: none. */
#pragma once
#include <stdbool.h>

#include "census-internal.h"

#define WORLD_GS 40
#define WORLD_PROCS 2
#define WORLD_TEXT 0x401000ull
#define WORLD_RODATA 0x500000ull
#define WORLD_DATA 0x600000ull
#define WORLD_BSS 0x700000ull
#define WORLD_HEAP 0xc000000000ull
#define WORLD_ALLGS (WORLD_BSS + 0x100)
#define WORLD_ALLP (WORLD_BSS + 0x200)
#define WORLD_SCHED (WORLD_BSS + 0x400)
#define WORLD_G(i) (WORLD_HEAP + 0x10000 + (uint64_t)(i)*512)
#define WORLD_STACK(i) (WORLD_HEAP + 0x20000 + (uint64_t)(i)*2048)

enum world_region { WORLD_R_RODATA, WORLD_R_DATA, WORLD_R_BSS, WORLD_R_HEAP, WORLD_REGIONS };

/**
 * struct world -
 * @gone: every read fails with -ESRCH;  @fail_after: reads that succeed yet before @gone comes by itself, -1 for all
 * @flicker: called before each batch of reads, to change things meanwhile
 */
struct world {
	uint8_t *bytes[WORLD_REGIONS];
	bool gone;
	int64_t fail_after;
	uint64_t reads;
	void (*flicker)(struct world *world);
	struct bo_census_memory memory;
};

/** world_new() - in good order: WORLD_GS goroutines, 4 of them the runtime's own, 6 dead */
struct world *world_new(void);
void world_free(struct world *world);
size_t world_region_size(enum world_region region);
/** world_at() - the bytes at an address, NULL where there are none */
uint8_t *world_at(struct world *world, uint64_t addr, size_t len);
void world_poke(struct world *world, uint64_t addr, uint64_t value, size_t len);
/** world_attach() - as any other process */
int world_attach(struct world *world, struct bo_census **ret, unsigned flags, struct bo_err *err);

#define WORLD_USER (WORLD_GS - 4 - 6)
