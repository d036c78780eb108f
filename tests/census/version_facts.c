/* SPDX-License-Identifier: Apache-2.0 */
/* tests/census/version_facts.c — regenerate, or check, the table of src/probe/census/versions.c from the debug
 * information of freshly built Go programs, one per release and machine.
 *   version_facts --check BINARY...   every fact of every binary against the table; differences are named, exit 1
 *   version_facts --table BINARY...   print the table's rows for these binaries
 * Owns: nothing.  Threads: main.  Privilege: none. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"

#define RELEASES (BO_GO_MINOR_NEWEST - BO_GO_MINOR_OLDEST + 1)

struct facts {
	bool have;
	struct bo_go_layout layout;
};

static struct facts found[2][RELEASES];

static int load(const char *path)
{
	struct bo_goimage image;
	struct bo_go_layout layout;
	struct bo_err err = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0) {
		perror(path);
		return -1;
	}
	r = bo_goimage_open(&image, fd, &err);
	if (r) {
		fprintf(stderr, "%s: %s\n", path, err.msg);
		return r;
	}
	r = bo_goimage_dwarf(&image, &layout, &err);
	if (r)
		fprintf(stderr, "%s: %s\n", path, err.msg);
	else if (image.minor < BO_GO_MINOR_OLDEST || image.minor > BO_GO_MINOR_NEWEST) {
		fprintf(stderr, "%s: %s is outside of the table\n", path, image.version);
		r = -1;
	} else {
		found[image.arm64][image.minor - BO_GO_MINOR_OLDEST] = (struct facts){ true,
										       layout };
		printf("%s%s %s: %s\n", "/* ", image.arm64 ? "arm64" : "amd64", image.version,
		       "read */");
	}
	bo_goimage_close(&image);
	return r;
}

static int check(void)
{
	int failed = 0, compared = 0;

	for (int arm = 0; arm < 2; arm++)
		for (int m = 0; m < RELEASES; m++) {
			struct bo_go_layout table;

			if (!found[arm][m].have)
				continue;
			if (!bo_go_version_layout(m + BO_GO_MINOR_OLDEST, &table)) {
				printf("%s go1.%d: not in the table\n", arm ? "arm64" : "amd64",
				       m + BO_GO_MINOR_OLDEST);
				failed++;
				continue;
			}
			for (int i = 0; i < BO_GO_NFACTS; i++, compared++)
				if (table.at[i] != found[arm][m].layout.at[i] && ++failed)
					printf("%s go1.%d: %s is %d, the table says %d\n",
					       arm ? "arm64" : "amd64", m + BO_GO_MINOR_OLDEST,
					       bo_go_fact_names[i].id, found[arm][m].layout.at[i],
					       table.at[i]);
		}
	printf("%d facts compared, %d differ\n", compared, failed);
	return failed || !compared;
}

static void print_table(void)
{
	for (int i = 0; i < BO_GO_NFACTS; i++) {
		printf("\tROW(%s", bo_go_fact_names[i].id);
		for (int m = 0; m < RELEASES; m++)
			printf(", %d", found[0][m].layout.at[i]);
		printf(")\n");
	}
	for (int m = 0; m < RELEASES; m++)
		for (int i = 0; i < BO_GO_NFACTS && found[1][m].have; i++)
			if (found[1][m].layout.at[i] != found[0][m].layout.at[i])
				printf("\t{ %d, BO_GO_%s, %d },\n", m + BO_GO_MINOR_OLDEST,
				       bo_go_fact_names[i].id, found[1][m].layout.at[i]);
}

int main(int argc, char **argv)
{
	if (argc < 3 || (strcmp(argv[1], "--check") && strcmp(argv[1], "--table"))) {
		fprintf(stderr, "usage: version_facts --check|--table BINARY...\n");
		return 2;
	}
	for (int i = 2; i < argc; i++)
		if (load(argv[i]))
			return 1;
	if (!strcmp(argv[1], "--table")) {
		print_table();
		return 0;
	}
	return check();
}
