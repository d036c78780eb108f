/* SPDX-License-Identifier: Apache-2.0 */
/* support/residue_main.c — the first and the last word of a test run.
 *   residue              exit 1 when anything of brownout is on this machine
 *   residue save FILE    remember what is there now (somebody else's run, perhaps)
 *   residue compare FILE exit 1 when something is there that was not there then; what is just ending gets 10 s
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "brownout/base/cleanup.h"
#include "support/residue.h"

#define GRACE_TRIES 100

static bool is_known(const char *line, const char *known)
{
	const char *at = known ? strstr(known, line) : NULL;

	return at && (at == known || at[-1] == '\n');
}

/* Print the lines of @now that are not in @known.  Return: how many */
static int print_new(char *now, const char *known, FILE *out)
{
	int found = 0;

	for (char *line = now, *end; (end = strchr(line, '\n')); line = end + 1) {
		char saved = end[1];

		end[1] = '\0';
		if (!is_known(line, known)) {
			if (out)
				fputs(line, out);
			found++;
		}
		end[1] = saved;
	}
	return found;
}

static int look(const char *known, FILE *out)
{
	bo_auto_free char *now = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&now, &size);
	int found;

	if (!f)
		return 1;
	residue_check(0, f);
	fclose(f);
	found = print_new(now, known, out);
	return found;
}

static char *slurp(const char *path)
{
	bo_auto_file FILE *f = fopen(path, "re");
	char *text = calloc(1, 1 << 20);

	if (f && text && fread(text, 1, (1 << 20) - 1, f) < (1 << 20) - 1)
		return text;
	free(text);
	return NULL;
}

static int save(const char *path)
{
	bo_auto_file FILE *f = fopen(path, "we");

	if (!f) {
		perror(path);
		return 2;
	}
	residue_check(0, f);
	return 0;
}

static int compare(const char *path)
{
	const struct timespec step = { .tv_nsec = 100000000 };
	bo_auto_free char *known = slurp(path);

	if (!known) {
		perror(path);
		return 2;
	}
	for (int i = 0; i < GRACE_TRIES && look(known, NULL); i++)
		nanosleep(&step, NULL);
	if (look(known, stdout))
		return 1;
	puts("residue: nothing left behind");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "save"))
		return save(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "compare"))
		return compare(argv[2]);
	if (argc != 1) {
		fputs("usage: residue [save FILE | compare FILE]\n", stderr);
		return 2;
	}
	if (look(NULL, stdout))
		return 1;
	puts("residue: nothing left behind");
	return 0;
}
