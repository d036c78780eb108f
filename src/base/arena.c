/* SPDX-License-Identifier: Apache-2.0 */
/* base/arena.c — a list of chunks, each at least 4 KiB, filled from the front. */
#include "brownout/base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 4096

struct bo_arena_chunk {
	struct bo_arena_chunk *next;
	size_t size;
	size_t used;
	_Alignas(max_align_t) char bytes[];
};

void *bo_arena_alloc(struct bo_arena *arena, size_t size)
{
	const size_t align = _Alignof(max_align_t);
	struct bo_arena_chunk *c = arena->head;
	void *p;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + align - 1) & ~(align - 1);
	if (!size)
		size = align;
	if (!c || c->size - c->used < size) {
		size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;

		c = malloc(sizeof(*c) + room);
		if (!c)
			return NULL;
		c->next = arena->head;
		c->size = room;
		c->used = 0;
		arena->head = c;
	}
	p = c->bytes + c->used;
	c->used += size;
	arena->used_bytes += size;
	memset(p, 0, size);
	return p;
}

char *bo_arena_strndup(struct bo_arena *arena, const char *s, size_t n)
{
	char *p;

	if (!s)
		return NULL;
	n = strnlen(s, n);
	p = bo_arena_alloc(arena, n + 1);
	if (p)
		memcpy(p, s, n);
	return p;
}

char *bo_arena_strdup(struct bo_arena *arena, const char *s)
{
	return s ? bo_arena_strndup(arena, s, strlen(s)) : NULL;
}

char *bo_arena_printf(struct bo_arena *arena, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return NULL;
	p = bo_arena_alloc(arena, (size_t)n + 1);
	if (!p)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}

void bo_arena_adopt(struct bo_arena *into, struct bo_arena *from)
{
	struct bo_arena_chunk **end = &from->head;

	/* What is being filled stays at the front: the adopted chunks go behind it. */
	if (!into->head) {
		into->head = from->head;
	} else {
		while (*end)
			end = &(*end)->next;
		*end = into->head->next;
		into->head->next = from->head;
	}
	into->used_bytes += from->used_bytes;
	*from = (struct bo_arena){ 0 };
}

void bo_arena_done(struct bo_arena *arena)
{
	struct bo_arena_chunk *c = arena->head;

	while (c) {
		struct bo_arena_chunk *next = c->next;

		free(c);
		c = next;
	}
	arena->head = NULL;
	arena->used_bytes = 0;
}
