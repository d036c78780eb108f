/* SPDX-License-Identifier: Apache-2.0 */
/* harness/cmd_check.c — `brownout check`: are these scenarios right?  Starts nothing, needs no privilege.
 * Owns: nothing.  Threads: main.  Privilege: none. */
#include <stdio.h>
#include <string.h>

#include "brownout/base/log.h"
#include "harness/filelist.h"
#include "harness/options.h"
#include "harness/scenario.h"
#include "harness/verbs.h"

static void say_warning(void *arg, const char *line)
{
	(void)arg;
	/* "FILE:LINE: text" becomes "FILE:LINE: warning: text", as compilers write it and editors read it. */
	const char *text = strstr(line, ": ");

	fprintf(stderr, "%.*s: warning%s\n", (int)(text - line), line, text);
}

static void count(const char *word, size_t n, const char *end)
{
	printf("%zu %s%s%s", n, word, n == 1 ? "" : "s", end);
}

static int check_one(const struct bo_options *o, const char *path)
{
	struct bo_plan *plan = NULL;
	struct bo_err err = { 0 };
	int r = bo_scenario_load(&plan, path, &o->args, NULL, &err);

	if (!r)
		r = bo_scenario_choose_driver(plan, o->driver, &err);
	if (!r && o->strict)
		r = bo_scenario_resolve(plan, &err);
	if (r)
		fprintf(stderr, "%s\n", err.msg);
	else if (bo_scenario_lint(plan, say_warning, NULL) && o->strict)
		r = -1;
	if (!r && !o->quiet) {
		printf("%s: ok (%s, ", path, plan->name);
		count("node", plan->nodes.len - 1, ", ");
		count("load", plan->loads.len, ", ");
		count("fault", plan->faults.len, ", ");
		count("budget", plan->budgets.len, ")\n");
	}
	bo_plan_free(plan);
	return r;
}

int cmd_check(int argc, char **argv)
{
	struct bo_options o = { 0 };
	struct bo_filelist list = { 0 };
	struct bo_err err = { 0 };
	int r = bo_options_parse(&o, BO_VERB_CHECK, argc, argv);

	if (!r && bo_filelist_fill(&list, &o, &err) < 0)
		r = bo_options_usage(&o, "%s", err.msg);
	if (!r) {
		bo_log_setup(BO_LOG_INFO, "brownout"); /* so that print() in a scenario is seen */
		bo_vec_foreach(file, &list.files) {
			fflush(stdout); /* so that both streams keep their order in one log */
			if (check_one(&o, file->path))
				r = BO_EXIT_USAGE;
		}
	}
	bo_filelist_done(&list);
	bo_options_done(&o);
	return r < 0 ? BO_EXIT_OK : r;
}
