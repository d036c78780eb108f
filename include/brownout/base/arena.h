/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/base/arena.h — many small allocations with one owner and one free.
 * Owns: every byte handed out, until bo_arena_done().  Threads: none.  Privilege: none. */
#pragma once
#include <stddef.h>

#include "brownout/base/err.h"

struct bo_arena_chunk;

/** struct bo_arena - zero-initialise; bo_arena_done() frees everything at once */
struct bo_arena {
	struct bo_arena_chunk *head;
	size_t used_bytes;
};

/** bo_arena_alloc() - @size zeroed bytes, aligned for any type; NULL when memory is out */
void *bo_arena_alloc(struct bo_arena *arena, size_t size);
/** bo_arena_strdup() - copy of @s (NULL gives NULL); NULL when memory is out */
char *bo_arena_strdup(struct bo_arena *arena, const char *s);
/** bo_arena_strndup() - copy of the first @n bytes of @s, with a terminating NUL */
char *bo_arena_strndup(struct bo_arena *arena, const char *s, size_t n);
char *bo_arena_printf(struct bo_arena *arena, const char *fmt, ...) BO_PRINTF(2, 3);
/** bo_arena_adopt() - @into takes over all that @from handed out; @from is empty afterwards */
void bo_arena_adopt(struct bo_arena *into, struct bo_arena *from);
void bo_arena_done(struct bo_arena *arena);
