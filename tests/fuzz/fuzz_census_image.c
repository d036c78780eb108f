/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/fuzz_census_image.c — an executable file of any bytes: headers, sections, symbols, debug information; and its
 * segments as the process's memory.
 * Owns: a memory file per input.  Threads: one.  Privilege: none. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "census-internal.h"

struct bytes {
	const uint8_t *data;
	size_t size;
};

/* The first addresses lead into the file, again and again: what is read is what the fuzzer wrote. */
static ssize_t read_bytes(void *self, const struct bo_census_piece *pieces, size_t n)
{
	const struct bytes *b = self;

	for (size_t i = 0; i < n; i++) {
		if (pieces[i].addr >= 1 << 22 || pieces[i].len > 1 << 22)
			return (ssize_t)i;
		for (size_t k = 0, n_now; k < pieces[i].len; k += n_now) {
			size_t at = (size_t)((pieces[i].addr + k) % b->size);

			n_now = b->size - at < pieces[i].len - k ? b->size - at : pieces[i].len - k;
			memcpy((uint8_t *)pieces[i].into + k, b->data + at, n_now);
		}
	}
	return (ssize_t)n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes bytes = { .data = data, .size = size };
	struct bo_census_memory memory = { .self = &bytes, .read = read_bytes };
	struct bo_census_snapshot snap = { 0 };
	struct bo_census *census = NULL;
	struct bo_go_layout layout;
	struct bo_goimage image;
	struct bo_err err = { 0 };
	int fd, again;

	if (!size || size > 1 << 20)
		return 0;
	fd = memfd_create("image", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	again = dup(fd);
	if (!bo_goimage_open(&image, fd, &err)) {
		(void)!bo_goimage_symbols(&image, &err);
		if (!bo_goimage_dwarf(&image, &layout, &err) && layout.at[BO_GO_G_GOID] < 0)
			abort();
		bo_goimage_close(&image);
	}
	if (size >= 64) {
		struct bo_census_source source = { .pid = 1234567,
						   .mem_fd = -1,
						   .exe_fd = again,
						   .auxv_fd = -1,
						   .memory = &memory };

		if (!bo_census_attach_source(&census, &source, 0, &err))
			(void)!bo_census_snapshot(census, BO_CENSUS_ALL, &snap, &err);
	} else {
		close(again);
	}
	bo_census_snapshot_done(&snap);
	bo_census_free(census);
	return 0;
}
