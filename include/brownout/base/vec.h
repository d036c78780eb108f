/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/base/vec.h — a growing array as a struct of { items, len, cap }.
 * Owns: its items, freed with bo_vec_done().  Threads: none.  Privilege: none. */
#pragma once
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/** BO_VEC(type) - declares the struct; zero-initialise it */
#define BO_VEC(type)         \
	struct {             \
		type *items; \
		size_t len;  \
		size_t cap;  \
	}

bool bo_vec_grow_(void **items, size_t *cap, size_t want, size_t item_size);

/** bo_vec_reserve(v, n) - room for n items in all; false when memory is out (v unchanged) */
#define bo_vec_reserve(v, n) \
	((n) <= (v)->cap || bo_vec_grow_((void **)&(v)->items, &(v)->cap, (n), sizeof(*(v)->items)))

/** bo_vec_push(v, value) - append; false when memory is out (v unchanged) */
#define bo_vec_push(v, ...) \
	(bo_vec_reserve(v, (v)->len + 1) ? ((v)->items[(v)->len++] = (__VA_ARGS__), true) : false)

/** bo_vec_done(v) - free the items and reset to empty */
#define bo_vec_done(v)             \
	do {                       \
		free((v)->items);  \
		(v)->items = NULL; \
		(v)->len = 0;      \
		(v)->cap = 0;      \
	} while (0)

/** bo_vec_foreach(it, v) - `it` is declared here and points at each item in turn */
#define bo_vec_foreach(it, v) \
	for (__typeof__((v)->items[0]) *it = (v)->items; it && it < (v)->items + (v)->len; it++)
