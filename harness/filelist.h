/* SPDX-License-Identifier: Apache-2.0 */
/* harness/filelist.h — which scenarios a command line means: files as they are, folders with what is in them.
 * Owns: the list.  Threads: main.  Privilege: none (it only lists folders). */
#pragma once
#include "brownout/base/arena.h"
#include "brownout/base/vec.h"
#include "harness/options.h"

/** struct bo_file - @path: to open;  @name: for people, below the folder that was given: "timeouts/no-deadline" */
struct bo_file {
	const char *path;
	const char *name;
};

/** struct bo_filelist - zero-initialise; free with bo_filelist_done() */
struct bo_filelist {
	struct bo_arena arena;
	BO_VEC(struct bo_file) files;
};

/**
 * bo_filelist_fill() - the scenarios of @o->paths: files in the order given, those of a folder in order of their names
 * Of a folder: every *.lua file in it and below, but not in folders called lib and in hidden ones, and no link to a
 * folder is followed.  With --only, a file whose name or path (with or without .lua) matches no pattern is left out; '*'
 * matches '/' too.
 * Return: 0; -ENOENT with what was expected and found when nothing is left; -errno for a folder that cannot be read
 */
BO_NODISCARD int bo_filelist_fill(struct bo_filelist *list, const struct bo_options *o,
				  struct bo_err *err);
void bo_filelist_done(struct bo_filelist *list);
