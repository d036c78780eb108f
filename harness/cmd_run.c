/* SPDX-License-Identifier: Apache-2.0 */
/* harness/cmd_run.c — `brownout run`: one scenario in this process, several in one process each.
 * Owns: nothing.  Threads: main.  Privilege: as started; see run_one.h and batch.h. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/batch.h"
#include "harness/run_one.h"
#include "harness/verbs.h"

/* Found out now rather than after an hour of runs. */
static int check_junit(const struct bo_options *o)
{
	const char *slash = o->junit ? strrchr(o->junit, '/') : NULL;
	char folder[4200];
	struct stat st;

	if (!o->junit)
		return 0;
	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - o->junit + 1) : 1,
		 slash ? o->junit : ".");
	if (stat(folder, &st) < 0 || !S_ISDIR(st.st_mode))
		return bo_options_usage(
			o, "--junit: expected a file in a folder that exists, found \"%.200s\"",
			o->junit);
	if (!stat(o->junit, &st) && S_ISDIR(st.st_mode))
		return bo_options_usage(o, "--junit: expected a file, found the folder \"%.200s\"",
					o->junit);
	return 0;
}

static int run_files(const struct bo_options *o, const struct bo_filelist *list)
{
	struct bo_run_request req = { .o = o, .path = list->files.items[0].path, .out = stdout };
	char dir[4200] = "";

	if (list->files.len > 1 || o->repeat > 1)
		return bo_batch_run(o, list);
	return bo_run_one(&req, dir, sizeof(dir));
}

int cmd_run(int argc, char **argv)
{
	struct bo_options o = { 0 };
	struct bo_filelist list = { 0 };
	struct bo_err err = { 0 };
	int r = bo_options_parse(&o, BO_VERB_RUN, argc, argv);

	if (!r)
		r = check_junit(&o);
	if (!r && bo_filelist_fill(&list, &o, &err) < 0)
		r = bo_options_usage(&o, "%s", err.msg);
	if (!r)
		r = run_files(&o, &list);
	bo_filelist_done(&list);
	bo_options_done(&o);
	return r < 0 ? BO_EXIT_OK : r;
}
