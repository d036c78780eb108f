/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/corpus_main.c — a fuzz target without libFuzzer: every file of its corpus once.  So that a target which the code
 * has outgrown is seen by who changes the code, with any compiler.
 * usage: fuzz_NAME FOLDER
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "brownout/base/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** run_file() - false when it cannot be read */
static bool run_file(const char *folder, const char *name)
{
	char path[4096];
	bo_auto_file FILE *f = NULL;
	bo_auto_free uint8_t *data = NULL;
	long size;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "re");
	if (!f || fseek(f, 0, SEEK_END) || (size = ftell(f)) < 0 || fseek(f, 0, SEEK_SET))
		return false;
	/* of exact size, so that a sanitizer sees a byte beyond it */
	data = malloc(size ? (size_t)size : 1);
	if (!data || fread(data, 1, (size_t)size, f) != (size_t)size)
		return false;
	printf("%s, %ld bytes\n", path, size);
	fflush(stdout); /* the last line names the one that ended it */
	(void)LLVMFuzzerTestOneInput(data, (size_t)size);
	return true;
}

int main(int argc, char **argv)
{
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	const struct dirent *e;
	int files = 0, failed = 0;

	if (!dir) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		files++;
		if (!run_file(argv[1], e->d_name)) {
			failed++;
			perror(e->d_name);
		}
	}
	closedir(dir);
	return failed || !files;
}
