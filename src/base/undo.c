/* SPDX-License-Identifier: Apache-2.0 */
/* base/undo.c — a linked stack; entries are taken off before they run, so a failing one never runs twice. */
#include "brownout/base/undo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct bo_undo_entry {
	struct bo_undo_entry *below;
	bo_undo_fn fn;
	void *self;
	long arg;
	char what[64];
};

int bo_undo_push(struct bo_undo *undo, const char *what, bo_undo_fn fn, void *self, long arg,
		 struct bo_err *err)
{
	struct bo_undo_entry *e = malloc(sizeof(*e));

	if (!e)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_BASE, "out of memory");
	*e = (struct bo_undo_entry){ .below = undo->top, .fn = fn, .self = self, .arg = arg };
	snprintf(e->what, sizeof(e->what), "%s", what);
	undo->top = e;
	undo->depth++;
	return 0;
}

void bo_undo_cancel(struct bo_undo *undo, bo_undo_fn fn, const void *self, long arg)
{
	struct bo_undo_entry **at = &undo->top;

	while (*at) {
		struct bo_undo_entry *e = *at;

		if (e->fn != fn || e->self != self || e->arg != arg) {
			at = &e->below;
			continue;
		}
		*at = e->below;
		free(e);
		undo->depth--;
	}
}

size_t bo_undo_run(struct bo_undo *undo, struct bo_err *err)
{
	size_t failed = 0;

	while (undo->top) {
		struct bo_undo_entry *e = undo->top;
		struct bo_err one = { 0 };

		undo->top = e->below;
		undo->depth--;
		if (e->fn(e->self, e->arg, &one) < 0) {
			if (!failed && err) {
				*err = one;
				bo_err_wrap(err, "undo %s", e->what);
			}
			failed++;
		}
		free(e);
	}
	return failed;
}
