/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/base/nearest.h — "did you mean …?" for misspelt words.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#pragma once
#include <stddef.h>

/**
 * bo_nearest_distance() - edits between two words: insert, delete, replace, swap of neighbours (optimal string
 * alignment distance).  Words longer than 63 bytes are far from everything: SIZE_MAX.
 */
size_t bo_nearest_distance(const char *a, const char *b);

/**
 * bo_nearest() - the word of @words that @word was probably meant to be
 * @words: NULL-terminated, or NULL;  the first of equally near ones wins
 * Return: [borrowed: from @words], or NULL when none is close enough to be worth suggesting
 */
const char *bo_nearest(const char *word, const char *const *words);

/** bo_nearest_hint() - writes "; did you mean 'word'?", or "" when nothing is near, and returns @buf */
const char *bo_nearest_hint(const char *word, const char *const *words, char *buf, size_t size);
