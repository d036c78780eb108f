/* SPDX-License-Identifier: Apache-2.0 */
/* harness/filelist.c — files named on the command line are taken whatever they are called, so that a mistake in one is
 * reported by who opens it. */
#include "harness/filelist.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_DEPTH 32

static int out_of_memory(struct bo_err *err)
{
	return bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
}

static bool is_lua(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && !strcmp(name + len - 4, ".lua");
}

static char *stem(struct bo_arena *arena, const char *path)
{
	return bo_arena_strndup(arena, path, strlen(path) - (is_lua(path) ? 4 : 0));
}

static bool wanted(const struct bo_options *o, const char *path, const char *name)
{
	char file[4200];

	if (!o->only.len)
		return true;
	snprintf(file, sizeof(file), "%s.lua", name);
	bo_vec_foreach(pattern, &o->only)
		if (!fnmatch(*pattern, name, 0) || !fnmatch(*pattern, file, 0) ||
		    !fnmatch(*pattern, path, 0))
			return true;
	return false;
}

static int add(struct bo_filelist *list, const struct bo_options *o, const char *path,
	       const char *name, struct bo_err *err)
{
	struct bo_file file = { .path = bo_arena_strdup(&list->arena, path),
				.name = stem(&list->arena, name) };

	if (!file.path || !file.name)
		return out_of_memory(err);
	if (!wanted(o, file.path, file.name))
		return 0;
	return bo_vec_push(&list->files, file) ? 0 : out_of_memory(err);
}

static int choose(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && strcmp(entry->d_name, "lib") != 0;
}

/* @root_len: how much of @folder was given by the user; @depth: bounds what a strange file system can do */
static int walk(struct bo_filelist *list, const struct bo_options *o, const char *folder,
		size_t root_len, int depth, struct bo_err *err)
{
	struct dirent **entries = NULL;
	int r = 0, n = scandir(folder, &entries, choose, alphasort);

	if (n < 0)
		return bo_err_errno(err, BO_SUBSYS_HARNESS, "cannot list the folder %s", folder);
	for (int i = 0; i < n; i++) {
		char *path = bo_arena_printf(&list->arena, "%s/%s", folder, entries[i]->d_name);
		struct stat st;

		free(entries[i]);
		if (r)
			continue;
		if (!path)
			r = out_of_memory(err);
		else if (lstat(path, &st) < 0)
			continue; /* gone meanwhile */
		else if (S_ISDIR(st.st_mode) && depth < MAX_DEPTH)
			r = walk(list, o, path, root_len, depth + 1, err);
		else if (is_lua(path) && !S_ISDIR(st.st_mode))
			r = add(list, o, path, path + root_len + 1, err);
	}
	free(entries);
	return r;
}

static int take(struct bo_filelist *list, const struct bo_options *o, const char *path,
		struct bo_err *err)
{
	const char *slash = strrchr(path, '/');
	struct stat st;
	char *root;
	size_t len = strlen(path);

	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return add(list, o, path, slash ? slash + 1 : path, err);
	while (len > 1 && path[len - 1] == '/')
		len--;
	root = bo_arena_strndup(&list->arena, path, len);
	return root ? walk(list, o, root, len, 0, err) : out_of_memory(err);
}

int bo_filelist_fill(struct bo_filelist *list, const struct bo_options *o, struct bo_err *err)
{
	int r = 0;

	for (size_t i = 0; !r && i < o->npaths; i++)
		r = take(list, o, o->paths[i], err);
	if (r || list->files.len)
		return r;
	if (o->only.len)
		return bo_err_set(err, ENOENT, BO_SUBSYS_HARNESS,
				  "--only: expected a scenario that matches \"%.100s\", found none",
				  o->only.items[0]);
	return bo_err_set(err, ENOENT, BO_SUBSYS_HARNESS,
			  "expected a scenario (*.lua) in %.200s, found none", o->paths[0]);
}

void bo_filelist_done(struct bo_filelist *list)
{
	bo_vec_done(&list->files);
	bo_arena_done(&list->arena);
}
