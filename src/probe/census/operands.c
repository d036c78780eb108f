/* SPDX-License-Identifier: Apache-2.0 */
/* census/operands.c — two variables that no scan can find, by the code that uses them.
 * runtime.memstats and runtime.gcController lie in .noptrbss, full of numbers that look like any other.  But the code at the
 * end of a collection addresses them relative to itself, field by field, and the distances between the fields are known:
 * a base is believed when several of its fields are addressed.  amd64 only: on arm64 an address is built by two
 * instructions, and such a stripped program shows no collector.
 * Owns: nothing.  Threads: one at a time.  Privilege: none of its own. */
#include <stdlib.h>
#include <string.h>

#include "brownout/base/cleanup.h"
#include "census-internal.h"

#define CODE_MAX (64u << 10)
#define TARGETS_MAX 8192
#define MOD_NOPTRBSS 240 /* in moduledata, in every release: where it begins, then where it ends */

/* Always linked: the end of each collection. */
static const char *const functions[] = { "runtime.gcMarkTermination",
					 "runtime.gcControllerCommit" };
#define FUNCTIONS (sizeof(functions) / sizeof(*functions))

struct targets {
	uint64_t from, to; /* .noptrbss; read in one go, in this order */
	uint64_t at[TARGETS_MAX];
	size_t n;
};

static void add_target(struct targets *t, uint64_t addr)
{
	if (addr >= t->from && addr < t->to && t->n < TARGETS_MAX)
		t->at[t->n++] = addr;
}

/*
 * Not a disassembler: any byte that may be a ModRM with mod 0 and r/m 5 is taken for one, with each length of
 * immediate that may follow its displacement.  What is not an operand points nowhere, or to no field.
 */
static void add_operands(struct bo_census *census, uint64_t pc, struct targets *t)
{
	bo_auto_free uint8_t *code = NULL;
	struct bo_gofunc f;
	size_t size;

	if (!pc || !bo_gopcln_find(&census->pcln, pc, &f))
		return;
	size = f.end - f.entry < CODE_MAX ? (size_t)(f.end - f.entry) : CODE_MAX;
	code = malloc(size);
	if (!code || bo_gomem_read(&census->memory, f.entry, code, size))
		return;
	for (size_t i = 1; i + 5 <= size; i++) {
		uint64_t next = f.entry + i + 5;
		int32_t disp;

		if ((code[i] & 0xc7) != 5)
			continue;
		memcpy(&disp, code + i + 1, sizeof(disp));
		add_target(t, next + (uint64_t)(int64_t)disp);
		add_target(t, next + 1 + (uint64_t)(int64_t)disp);
		add_target(t, next + 4 + (uint64_t)(int64_t)disp);
	}
}

static bool has(const struct targets *t, uint64_t addr)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->at[i] == addr)
			return true;
	return false;
}

static int64_t value(struct bo_census *census, uint64_t base, enum bo_go_fact fact, size_t len)
{
	int64_t v = 0;

	return bo_gomem_read(&census->memory, base + (uint64_t)census->layout.at[fact], &v, len)
		       ? -1
		       : v;
}

static bool plausible_memstats(struct bo_census *census, uint64_t base)
{
	int64_t cycles = value(census, base, BO_GO_MEM_NUMGC, 4),
		last = value(census, base, BO_GO_MEM_LASTGC, 8);

	/* Before the first collection nothing is set, afterwards all is. */
	return cycles >= 0 && last >= 0 && !cycles == !last &&
	       !cycles == !value(census, base, BO_GO_MEM_PAUSETOTAL, 8);
}

static bool plausible_controller(struct bo_census *census, uint64_t base)
{
	int32_t percent = (int32_t)value(census, base, BO_GO_GC_PERCENT, 4);
	int64_t limit = value(census, base, BO_GO_GC_MEMORYLIMIT, 8);
	int64_t live = value(census, base, BO_GO_GC_HEAPLIVE, 8);

	return percent >= -1 && percent < 1 << 20 && limit >= 1 << 20 && live > 0 &&
	       live < INT64_C(1) << 48;
}

/* The base of which all the facts are addressed, and which holds what it should; 0 when there is none. */
static uint64_t base_of(struct bo_census *census, const struct targets *t,
			const enum bo_go_fact *facts, size_t n,
			bool (*plausible)(struct bo_census *census, uint64_t base))
{
	for (size_t i = 0; i < n; i++)
		if (census->layout.at[facts[i]] < 0)
			return 0;
	for (size_t i = 0; i < t->n; i++) {
		uint64_t base = t->at[i] - (uint64_t)census->layout.at[facts[0]];
		size_t k = 1;

		if (base % 8 || base < t->from)
			continue;
		while (k < n && has(t, base + (uint64_t)census->layout.at[facts[k]]))
			k++;
		if (k == n && plausible(census, base))
			return base;
	}
	return 0;
}

void bo_gooperands(struct bo_census *census)
{
	static const enum bo_go_fact mem[] = { BO_GO_MEM_NUMGC, BO_GO_MEM_LASTGC,
					       BO_GO_MEM_PAUSETOTAL };
	static const enum bo_go_fact gc[] = { BO_GO_GC_PERCENT, BO_GO_GC_MEMORYLIMIT,
					      BO_GO_GC_HEAPLIVE, BO_GO_GC_LASTGOAL };
	bo_auto_free struct targets *t = calloc(1, sizeof(*t));
	uint64_t pcs[FUNCTIONS];

	if (!t || census->image.arm64 ||
	    bo_gomem_read(&census->memory, census->at.moduledata + MOD_NOPTRBSS, &t->from, 16))
		return;
	bo_gopcln_by_name(&census->pcln, functions, pcs, FUNCTIONS);
	for (size_t i = 0; i < FUNCTIONS; i++)
		add_operands(census, pcs[i], t);
	census->at.memstats = base_of(census, t, mem, sizeof(mem) / sizeof(*mem),
				      plausible_memstats);
	census->at.gccontroller = base_of(census, t, gc, sizeof(gc) / sizeof(*gc),
					  plausible_controller);
}
