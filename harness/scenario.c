/* SPDX-License-Identifier: Apache-2.0 */
/* harness/scenario.c — script, then the fault registry's and the budget language's opinion, then the files on disk.
 * The first mistake ends it, named by its line: after one mistake the next ones are often only its echo. */
#include "harness/scenario.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/fault/fault.h"
#include "brownout/load/load.h"
#include "brownout/slo/budget.h"
#include "brownout/slo/guard.h"
#include "harness/attach_check.h"

/* harness/prelude.lua, made part of the program at build time */
extern const char bo_prelude_lua[];
extern const size_t bo_prelude_lua_len;

static int at_line(struct bo_src src, struct bo_err *err)
{
	return bo_err_wrap(err, "%s:%d", src.file, src.line);
}

static int check_faults(const struct bo_plan *plan, struct bo_err *err)
{
	size_t later = 0;
	int r;

	bo_vec_foreach(fault, &plan->faults) {
		if (bo_fault_check(plan, fault, err))
			return at_line(fault->src, err);
	}
	r = bo_fault_check_overlap(plan, &later, err);
	return r ? at_line(plan->faults.items[later].src, err) : 0;
}

static int check_budgets(const struct bo_plan *plan, struct bo_err *err)
{
	bo_vec_foreach(spec, &plan->budgets) {
		struct bo_budget *budget = NULL;
		int r = bo_budget_parse(&budget, spec->text, err);

		if (!r)
			r = bo_budget_check(budget, plan, err);
		bo_budget_free(budget);
		if (r)
			return at_line(spec->src, err);
	}
	return 0;
}

static int check_guards(const struct bo_plan *plan, struct bo_err *err)
{
	bo_vec_foreach(spec, &plan->guards) {
		struct bo_guard *guard = NULL;
		int r = bo_guard_parse(&guard, spec->text, err);

		if (!r)
			r = bo_guard_check(guard, plan, err);
		bo_guard_free(guard);
		if (r)
			return at_line(spec->src, err);
	}
	return 0;
}

/* What OpenSSL makes of the certificates is known only there. */
static int check_tls(const struct bo_plan *plan, struct bo_err *err)
{
	bo_vec_foreach(load, &plan->loads)
		if (bo_load_check_tls(load, err))
			return at_line(load->src, err);
	return 0;
}

/* "<scenario's folder>/../lib" (the catalogue keeps its modules there) and the installed catalogue's. */
static void library_folders(const char *path, char beside[PATH_MAX], char installed[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	char *end;
	ssize_t n;

	if (snprintf(beside, PATH_MAX, "%.*s../lib", slash ? (int)(slash - path + 1) : 0, path) >=
	    PATH_MAX)
		*beside = '\0';
	n = readlink("/proc/self/exe", installed, PATH_MAX - 64);
	installed[n > 0 ? n : 0] = '\0';
	end = strrchr(installed, '/');
	if (end)
		strcpy(end, "/../share/brownout/scenarios/lib");
}

int bo_scenario_load(struct bo_plan **ret, const char *path, const struct bo_scenario_args *args,
		     const struct bo_script_options *limits, struct bo_err *err)
{
	struct bo_script_options o = limits ? *limits : (struct bo_script_options){ 0 };
	char beside[PATH_MAX], installed[PATH_MAX];
	const char *lib_dirs[3] = { beside, installed, NULL };
	struct bo_plan *plan = NULL;
	int r;

	library_folders(path, beside, installed);
	o.prelude = bo_prelude_lua;
	o.prelude_len = bo_prelude_lua_len;
	o.lib_dirs = lib_dirs;
	if (args) {
		o.seed = args->seed;
		o.sets = args->sets;
		o.nsets = args->nsets;
		o.phases = args->phases.items;
		o.nphases = args->phases.len;
	}
	r = bo_script_load(&plan, path, &o, err);
	if (!r)
		r = check_faults(plan, err);
	if (!r)
		r = bo_attach_check_plan(plan, err);
	if (!r)
		r = check_budgets(plan, err);
	if (!r)
		r = check_guards(plan, err);
	if (!r)
		r = check_tls(plan, err);
	if (!r && args)
		r = bo_override_apply(plan, args, err);
	if (r) {
		bo_plan_free(plan);
		return r;
	}
	*ret = plan;
	return 0;
}

/* Would execve(2) start it?  0, or the errno that says why not. */
static int check_program(const char *path)
{
	bo_auto_fd int fd = -1;
	char head[4] = "";
	struct stat st;
	ssize_t n;

	if (stat(path, &st))
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	if (!S_ISREG(st.st_mode) || access(path, X_OK))
		return EACCES;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0; /* executable but not readable is fine with execve(2) */
	n = read(fd, head, sizeof(head));
	if (n >= 2 && head[0] == '#' && head[1] == '!')
		return 0;
	return n == 4 && !memcmp(head, "\177ELF", 4) ? 0 : ENOEXEC;
}

/* Look for @name in the folders of PATH; 0 and *ret, or the errno of the best candidate. */
static int search_path(const char *name, char **ret)
{
	const char *path = getenv("PATH");
	int best = ENOENT;

	for (const char *at = path ? path : "/usr/local/bin:/usr/bin:/bin", *end; at;
	     at = *end ? end + 1 : NULL) {
		char candidate[PATH_MAX];
		int r;

		end = strchrnul(at, ':');
		/* An empty or relative entry would make the meaning depend on where the command is called. */
		if (*at != '/' || snprintf(candidate, sizeof(candidate), "%.*s/%s", (int)(end - at),
					   at, name) >= (int)sizeof(candidate))
			continue;
		r = check_program(candidate);
		if (!r)
			return (*ret = strdup(candidate)) ? 0 : ENOMEM;
		if (r != ENOENT && r != ENOTDIR && r != EISDIR)
			best = r;
	}
	return best;
}

static int find_program(const struct bo_plan *plan, const char *name, char **ret)
{
	bool with_folder = strchr(name, '/') != NULL;
	bo_auto_free char *beside = NULL;
	int r, found;

	if (asprintf(&beside, "%s%s%s", *name == '/' ? "" : plan->scenario_dir,
		     *name == '/' ? "" : "/", name) < 0) {
		beside = NULL;
		return ENOMEM;
	}
	r = check_program(beside);
	if (!r)
		*ret = bo_steal_ptr(beside);
	if (!r || with_folder)
		return r;
	/* What lies beside the scenario under that name may be something else, such as a folder of sources. */
	found = search_path(name, ret);
	return found == ENOENT && r != EISDIR && r != ENOENT ? r : found;
}

static int program_error(const struct bo_plan *plan, const struct bo_node_spec *node,
			 const char *what, const char *name, int code, struct bo_err *err)
{
	struct bo_src src = node->src;
	char where[PATH_MAX + 32] = "";
	const char *why;

	switch (code) {
	case ENOENT:
	case ENOTDIR:
		snprintf(where, sizeof(where), "%s%s",
			 strchr(name, '/') ? *name == '/' ? "" : " below " : " in ",
			 *name == '/' ? "" : plan->scenario_dir);
		why = strchr(name, '/') ? "not found" : "not found in PATH nor";
		break;
	case EISDIR:
		why = "is a folder, expected a program";
		break;
	case EACCES:
		why = "is not executable (chmod +x?)";
		break;
	case ENOEXEC:
		why = "is neither an ELF program nor a script with a #! line";
		break;
	default:
		why = strerrordesc_np(code);
	}
	return bo_err_set(err, code, BO_SUBSYS_HARNESS, "%s:%d: %s '%s': %s '%.100s' %s%s",
			  src.file, src.line, bo_role_name(node->role), node->name, what, name, why,
			  where);
}

int bo_scenario_find_command(const struct bo_plan *plan, const struct bo_node_spec *node,
			     char **ret_exe, struct bo_err *err)
{
	int code = find_program(plan, node->argv[0], ret_exe);

	return code ? program_error(plan, node, "command", node->argv[0], code, err) : 0;
}

static int resolve_node(const struct bo_plan *plan, const struct bo_node_spec *node,
			struct bo_err *err)
{
	bo_auto_free char *exe = NULL, *ready = NULL;
	struct stat st;
	int r = 0;

	if (node->kind == BO_NODE_COMMAND)
		r = bo_scenario_find_command(plan, node, &exe, err);
	if (!r && node->ready.kind == BO_READY_COMMAND) {
		int code = find_program(plan, node->ready.argv[0], &ready);

		if (code)
			r = program_error(plan, node, "ready: bo.command", node->ready.argv[0],
					  code, err);
	}
	if (!r && node->cwd && (stat(node->cwd, &st) || !S_ISDIR(st.st_mode)))
		r = bo_err_set(err, ENOTDIR, BO_SUBSYS_HARNESS,
			       "%s:%d: %s '%s': cwd: '%s' is no folder", node->src.file,
			       node->src.line, bo_role_name(node->role), node->name, node->cwd);
	return r;
}

void bo_scenario_record_all(struct bo_plan *plan)
{
	bo_vec_foreach(link, &plan->links)
		link->record = true;
}

/* netem says of no packet what it did to it. */
static int choose_recorded(struct bo_plan *plan, struct bo_err *err)
{
	if (plan->replay_dir && plan->driver == BO_DRIVER_NETEM)
		return bo_err_set(
			err, ENOTSUP, BO_SUBSYS_HARNESS,
			"brownout run: --replay: netem cannot be told what to do to a packet; "
			"use driver \"wire\" or \"auto\"");
	if (plan->replay_dir)
		plan->driver = BO_DRIVER_WIRE;
	bo_vec_foreach(link, &plan->links) {
		char where[300] = "brownout run: --record";

		if (!link->record)
			continue;
		if (plan->driver != BO_DRIVER_NETEM) {
			plan->driver = BO_DRIVER_WIRE;
			return 0;
		}
		if (link->record_src.file)
			snprintf(where, sizeof(where), "%s:%d: record", link->record_src.file,
				 link->record_src.line);
		return bo_err_set(
			err, ENOTSUP, BO_SUBSYS_HARNESS,
			"%s: netem does not tell what it does to a packet; use driver \"wire\" or \"auto\"",
			where);
	}
	return 0;
}

int bo_scenario_choose_driver(struct bo_plan *plan, enum bo_driver asked, struct bo_err *err)
{
	size_t index = 0;
	const char *why = bo_fault_wire_only(plan, &index);
	const struct bo_fault_spec *spec = why ? &plan->faults.items[index] : NULL;

	if (asked != BO_DRIVER_AUTO)
		plan->driver = asked;
	if (bo_plan_attached(plan) || plan->driver == BO_DRIVER_QUEUE)
		return bo_attach_check_driver(plan, err);
	if (!why)
		return choose_recorded(plan, err);
	if (plan->driver == BO_DRIVER_NETEM)
		return bo_err_set(err, ENOTSUP, BO_SUBSYS_HARNESS,
				  "%s:%d: fault %s: %s; use driver \"wire\" or \"auto\"",
				  spec->src.file, spec->src.line, spec->id, why);
	plan->driver = BO_DRIVER_WIRE;
	return 0;
}

int bo_scenario_resolve(const struct bo_plan *plan, struct bo_err *err)
{
	int r = 0;

	for (size_t i = 1; !r && i < plan->nodes.len; i++)
		r = resolve_node(plan, &plan->nodes.items[i], err);
	return r;
}

static size_t lint_budget(const struct bo_plan *plan, const struct bo_budget_spec *spec,
			  void (*say)(void *arg, const char *line), void *arg)
{
	struct bo_budget *budget = NULL;
	char text[400], line[512];
	size_t n = 0;

	/* It parsed before; only memory can be short now, and a lint may then keep silent. */
	if (!bo_budget_parse(&budget, spec->text, NULL) &&
	    bo_budget_lint(budget, plan, text, sizeof(text))) {
		if (spec->src.file)
			snprintf(line, sizeof(line), "%s:%d: %s", spec->src.file, spec->src.line,
				 text);
		else
			snprintf(line, sizeof(line), "--budget: %s", text);
		say(arg, line);
		n = 1;
	}
	bo_budget_free(budget);
	return n;
}

/* /tmp and /dev/shm are a node's own (lab/init_mounts.c). */
static bool is_private(const char *path)
{
	return !strncmp(path, "/tmp/", 5) || !strncmp(path, "/dev/shm/", 9);
}

static size_t lint_load(const struct bo_plan *plan, size_t index,
			void (*say)(void *arg, const char *line), void *arg)
{
	const struct bo_load_spec *load = &plan->loads.items[index];
	char text[400], line[512];
	size_t n = 0;

	if (bo_slo_lint_load(plan, index, text, sizeof(text))) {
		snprintf(line, sizeof(line), "%s:%d: %s", load->src.file, load->src.line, text);
		say(arg, line);
		n++;
	}
	if (load->socket && !is_private(load->socket)) {
		snprintf(
			line, sizeof(line),
			"%s:%d: load '%s': socket '%.100s' lies in a folder of the host, where it stays "
			"behind and runs meet; a node's own are /tmp and /dev/shm",
			load->src.file, load->src.line, load->name, load->socket);
		say(arg, line);
		n++;
	}
	return n;
}

static size_t lint_fault(const struct bo_plan *plan, const struct bo_fault_spec *spec,
			 void (*say)(void *arg, const char *line), void *arg)
{
	char text[400], line[512];

	if (!bo_fault_lint(plan, spec, text, sizeof(text)))
		return 0;
	snprintf(line, sizeof(line), "%s:%d: %s", spec->src.file, spec->src.line, text);
	say(arg, line);
	return 1;
}

size_t bo_scenario_lint(const struct bo_plan *plan, void (*say)(void *arg, const char *line),
			void *arg)
{
	char line[512];
	size_t n = 0;

	bo_vec_foreach(node, &plan->nodes) {
		if (node->kind != BO_NODE_COMMAND || node->ready.kind != BO_READY_NONE)
			continue;
		snprintf(
			line, sizeof(line),
			"%s:%d: %s '%s' has no ready = …, so it counts as ready the moment it is started",
			node->src.file, node->src.line, bo_role_name(node->role), node->name);
		say(arg, line);
		n++;
	}
	for (size_t i = 0; i < plan->loads.len; i++)
		n += lint_load(plan, i, say, arg);
	bo_vec_foreach(fault, &plan->faults)
		n += lint_fault(plan, fault, say, arg);
	if (!plan->budgets.len) {
		snprintf(line, sizeof(line),
			 "%s:%d: no budget: the verdict can only be INCONCLUSIVE", plan->src.file,
			 plan->src.line);
		say(arg, line);
		n++;
	}
	bo_vec_foreach(spec, &plan->budgets)
		n += lint_budget(plan, spec, say, arg);
	return n;
}
