/* SPDX-License-Identifier: Apache-2.0 */
/* census/sites.c — a cache from program counters to lines of code.
 * Owns: see sites.h.  Threads: one at a time.  Privilege: none. */
#include "sites.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS (BO_GOSITES_MAX * 2)

/** struct bo_gostring - an interned string by its table and offset; many frames share a file */
struct bo_gostring {
	uint64_t key; /* table and offset, + 1; 0 for an empty slot */
	const char *text;
};

int bo_gosites_init(struct bo_gosites *sites, struct bo_gopcln *pcln)
{
	*sites = (struct bo_gosites){ .pcln = pcln };
	sites->table = calloc(SLOTS, sizeof(struct bo_gosite *));
	sites->strings = calloc(SLOTS, sizeof(*sites->strings));
	sites->unknown_frame = (struct bo_census_frame){ .func = "?", .outer = "?", .file = "" };
	sites->unknown = (struct bo_gosite){ .frames = &sites->unknown_frame,
					     .nframes = 1,
					     .sp_delta = UINT32_MAX };
	return sites->table && sites->strings ? 0 : -ENOMEM;
}

void bo_gosites_done(struct bo_gosites *sites)
{
	bo_arena_done(&sites->arena);
	free(sites->table);
	free(sites->strings);
	*sites = (struct bo_gosites){ 0 };
}

static size_t hash(uint64_t key)
{
	return (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32) % SLOTS;
}

static const char *intern(struct bo_gosites *sites, bool file, uint32_t offset)
{
	uint64_t key = ((uint64_t)file << 32 | offset) + 1;
	const char *unknown = file ? "" : "?";
	char buf[BO_GO_NAME_MAX];
	size_t i = hash(key);
	char *copy;

	for (; sites->strings[i].key; i = (i + 1) % SLOTS)
		if (sites->strings[i].key == key)
			return sites->strings[i].text;
	if (sites->nstrings >= SLOTS / 2 || sites->arena.used_bytes > BO_GOSITES_BYTES_MAX ||
	    offset == UINT32_MAX ||
	    (file ? bo_gopcln_file(sites->pcln, offset, buf)
		  : bo_gopcln_name(sites->pcln, offset, buf)))
		return unknown;
	copy = bo_arena_strdup(&sites->arena, buf);
	if (!copy)
		return unknown;
	sites->strings[i] = (struct bo_gostring){ key, copy };
	sites->nstrings++;
	return copy;
}

static bool starts_with(const char *s, const char *head)
{
	return !strncmp(s, head, strlen(head));
}

bool bo_gosites_is_primitive(const char *func)
{
	static const char *const heads[] = {
		"runtime.", "internal/runtime/", "sync.",      "internal/sync.", "internal/poll.",
		"syscall.", "internal/syscall/", "time.Sleep",
	};

	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++)
		if (starts_with(func, heads[i]))
			return true;
	return false;
}

bool bo_census_is_primitive(const char *func)
{
	return bo_gosites_is_primitive(func);
}

static struct bo_gosite *make_site(struct bo_gosites *sites, uint64_t pc)
{
	struct bo_goline lines[BO_GO_INLINE_DEPTH];
	size_t n = bo_gopcln_lines(sites->pcln, pc, lines);
	struct bo_census_frame *frames;
	struct bo_gosite *site;
	struct bo_gofunc f;
	const char *outer;

	if (!n || !bo_gopcln_find(sites->pcln, pc, &f))
		return NULL;
	site = bo_arena_alloc(&sites->arena, sizeof(*site));
	frames = bo_arena_alloc(&sites->arena, n * sizeof(*frames));
	if (!site || !frames)
		return NULL;
	outer = intern(sites, false, lines[n - 1].name);
	for (size_t i = 0; i < n; i++)
		frames[i] = (struct bo_census_frame){
			.func = intern(sites, false, lines[i].name),
			.outer = outer,
			.file = intern(sites, true, lines[i].file),
			.line = lines[i].line,
			.pc = pc,
			.offset = pc - f.entry,
		};
	*site = (struct bo_gosite){ .pc = pc, .entry = f.entry, .frames = frames, .nframes = n };
	if (!bo_gopcln_sp_delta(sites->pcln, pc, &site->sp_delta))
		site->sp_delta = UINT32_MAX;
	site->goexit = !strcmp(outer, "runtime.goexit");
	site->runtime = starts_with(outer, "runtime.");
	site->user_main = !strcmp(outer, "runtime.main") || !strcmp(outer, "runtime.corostart") ||
			  !strcmp(outer, "runtime.handleAsyncEvent");
	return site;
}

const struct bo_gosite *bo_gosites_get(struct bo_gosites *sites, uint64_t pc)
{
	size_t i = hash(pc);
	struct bo_gosite *site;

	for (; sites->table[i]; i = (i + 1) % SLOTS)
		if (sites->table[i]->pc == pc)
			return sites->table[i];
	if (sites->count >= BO_GOSITES_MAX || sites->arena.used_bytes > BO_GOSITES_BYTES_MAX)
		return &sites->unknown;
	site = make_site(sites, pc);
	if (!site)
		return &sites->unknown;
	sites->table[i] = site;
	sites->count++;
	return site;
}
