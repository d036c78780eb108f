/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/base/undo.h — what was done to the kernel, and how to take it back, last first.
 * Owns: the entries.  Threads: none.  Privilege: none of its own. */
#pragma once
#include <stddef.h>

#include "brownout/base/err.h"

/** bo_undo_fn - take one thing back; must be safe to call when it is gone already */
typedef int (*bo_undo_fn)(void *self, long arg, struct bo_err *err);

struct bo_undo_entry;
struct bo_undo {
	struct bo_undo_entry *top;
	size_t depth;
};

/**
 * bo_undo_push() - remember one thing to take back; call it *before* the deed when the deed may half-happen
 * @what: shown when the undoing fails; copied
 * @self: [borrowed: until undone]
 */
BO_NODISCARD int bo_undo_push(struct bo_undo *undo, const char *what, bo_undo_fn fn, void *self,
			      long arg, struct bo_err *err);
/** bo_undo_cancel() - forget the entries of (@fn, @self, @arg): it was taken back by hand */
void bo_undo_cancel(struct bo_undo *undo, bo_undo_fn fn, const void *self, long arg);
/**
 * bo_undo_run() - take everything back, last first, going on past failures
 * Return: how many entries failed; @err holds the first failure
 */
size_t bo_undo_run(struct bo_undo *undo, struct bo_err *err);
