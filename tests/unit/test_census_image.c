/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_census_image.c — executables: those of another machine, read as a memory image without a process, and
 * binaries that were tampered with.
 * Owns: temporary copies, unlinked at once.  Threads: one.  Privilege: none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "census-internal.h"
#include "zookit.h"

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* ---- an executable's segments as if they were loaded ---- */

struct loaded {
	const uint8_t *file;
	size_t size;
};

static bool loaded_one(const struct loaded *l, const struct bo_census_piece *p)
{
	const Elf64_Ehdr *eh = (const void *)l->file;
	const Elf64_Phdr *ph = (const void *)(l->file + eh->e_phoff);

	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type != PT_LOAD || p->addr < ph[i].p_vaddr ||
		    p->addr + p->len > ph[i].p_vaddr + ph[i].p_memsz)
			continue;
		memset(p->into, 0, p->len);
		if (p->addr < ph[i].p_vaddr + ph[i].p_filesz) {
			uint64_t left = ph[i].p_vaddr + ph[i].p_filesz - p->addr;

			memcpy(p->into, l->file + ph[i].p_offset + (p->addr - ph[i].p_vaddr),
			       left < p->len ? left : p->len);
		}
		return true;
	}
	return false;
}

static ssize_t loaded_read(void *self, const struct bo_census_piece *pieces, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!loaded_one(self, &pieces[i]))
			return (ssize_t)i;
	return (ssize_t)n;
}

struct fixture {
	struct loaded loaded;
	struct bo_census_memory memory;
	struct bo_goimage image;
	struct bo_gomem_cache cache;
	struct bo_gopcln pcln;
	struct bo_gosites sites;
	struct bo_go_layout layout;
};

static void open_fixture(struct fixture *f, const char *path, bool symbols)
{
	struct bo_err err = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	f->loaded.size = (size_t)st.st_size;
	f->loaded.file = mmap(NULL, f->loaded.size, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(f->loaded.file, MAP_FAILED);
	f->memory = (struct bo_census_memory){ .self = &f->loaded, .read = loaded_read };
	assert_int_equal(bo_goimage_open(&f->image, fd, &err), 0);
	assert_int_equal(bo_gomem_cache_init(&f->cache, &f->memory), 0);
	assert_true(bo_go_version_layout(f->image.minor, &f->layout));
	if (symbols) {
		assert_int_equal(bo_goimage_symbols(&f->image, &err), 0);
		assert_int_equal(bo_gopcln_open(&f->pcln, &f->cache,
						f->image.symbols[BO_GOSYM_MODULEDATA], &err),
				 0);
		assert_int_equal(bo_gopcln_set_layout(&f->pcln,
						      f->image.symbols[BO_GOSYM_MODULEDATA],
						      &f->layout),
				 0);
	}
	assert_int_equal(bo_gosites_init(&f->sites, &f->pcln), 0);
}

static void close_fixture(struct fixture *f)
{
	bo_gosites_done(&f->sites);
	bo_gomem_cache_done(&f->cache);
	bo_goimage_close(&f->image);
	munmap((void *)(uintptr_t)f->loaded.file, f->loaded.size);
}

/* Lines of the zoo's own source, as the compiler must have noted them: found by their text, not by number. */
static int line_of(const char *text)
{
	FILE *f = fopen(ZOO_SOURCE, "re");
	char line[512];
	int n = 0, at = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) && ++n)
		if (!at && strstr(line, text))
			at = n;
	fclose(f);
	return at;
}

static void check_lines(const char *path, bool arm64)
{
	static const char *const names[] = { "runtime.main", "main.sendForever",
					     "main.spawnInlined", "no.such" };
	const char *const texts[] = { NULL, "func sendForever", "func spawnInlined" };
	const struct bo_gosite *site;
	struct fixture f = { 0 };
	uint64_t pcs[4];

	open_fixture(&f, path, true);
	assert_int_equal(f.image.arm64, arm64);
	assert_int_equal(f.pcln.quantum, arm64 ? 4 : 1);
	bo_gopcln_by_name(&f.pcln, names, pcs, 4);
	assert_int_equal(pcs[0], f.image.symbols[BO_GOSYM_MAIN]);
	assert_int_equal(pcs[3], 0);
	for (int i = 1; i < 3; i++) {
		site = bo_gosites_get(&f.sites, pcs[i]);
		assert_int_equal(site->entry, pcs[i]);
		assert_string_equal(site->frames[0].func, names[i]);
		assert_int_equal(site->frames[0].line, line_of(texts[i]));
		assert_non_null(strstr(site->frames[0].file, "main.go"));
	}
	/* Not in the text, not aligned to an instruction's start, beyond everything. */
	assert_int_equal(bo_gosites_get(&f.sites, 0)->entry, 0);
	assert_int_equal(bo_gosites_get(&f.sites, f.pcln.etext)->entry, 0);
	assert_int_equal(bo_gosites_get(&f.sites, UINT64_MAX)->entry, 0);
	assert_string_equal(bo_gosites_get(&f.sites, 0)->frames[0].func, "?");
	close_fixture(&f);
}

static void test_lines_amd64(void **state)
{
	(void)state;
	check_lines(ZOO_DIR "/zoo", false);
}

static void test_lines_arm64(void **state)
{
	(void)state;
	check_lines(ZOO_DIR "/zoo-arm64", true);
}

/* Every function of a whole program: names, lines, frames and inlining are all to be had and in bounds. */
static void check_all_functions(const char *path)
{
	struct fixture f = { 0 };
	uint64_t functions = 0, inlined = 0, framed = 0;

	open_fixture(&f, path, true);
	for (uint64_t pc = f.pcln.text; pc < f.pcln.etext;) {
		struct bo_goline lines[BO_GO_INLINE_DEPTH];
		struct bo_gofunc func;
		char name[BO_GO_NAME_MAX];
		uint32_t delta;

		if (!bo_gopcln_find(&f.pcln, pc, &func)) {
			pc += 16;
			continue;
		}
		f.pcln.steps_left = BO_GOPCLN_STEPS_MAX;
		assert_in_range(pc, func.entry, func.end - 1);
		assert_int_equal(bo_gopcln_name(&f.pcln, func.name, name), 0);
		assert_true(name[0]);
		for (uint64_t at = func.entry; at < func.end;
		     at += (func.end - func.entry) / 4 + 4) {
			size_t n = bo_gopcln_lines(&f.pcln, at, lines);

			assert_in_range(n, 1, BO_GO_INLINE_DEPTH);
			inlined += n > 1;
			framed += bo_gopcln_sp_delta(&f.pcln, at, &delta) && delta;
		}
		functions++;
		pc = func.end;
	}
	assert_true(functions > 3000);
	assert_true(inlined > 1000);
	assert_true(framed > 1000);
	close_fixture(&f);
}

static void test_all_functions(void **state)
{
	(void)state;
	check_all_functions(ZOO_DIR "/zoo");
	check_all_functions(ZOO_DIR "/zoo-arm64");
}

static void test_dwarf_is_the_table(void **state)
{
	static const char *const paths[] = { ZOO_DIR "/zoo", ZOO_DIR "/zoo-arm64" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct fixture f = { 0 };
		struct bo_go_layout dwarf;
		struct bo_err err = { 0 };

		open_fixture(&f, paths[i], true);
		assert_int_equal(bo_goimage_dwarf(&f.image, &dwarf, &err), 0);
		assert_memory_equal(&dwarf, &f.layout, sizeof(dwarf));
		close_fixture(&f);
	}
}

/* Without symbols: pclntab and moduledata by search, in another machine's image. */
static void test_recover_arm64(void **state)
{
	struct fixture f = { 0 };
	struct bo_census census = { .search_left = BO_CENSUS_SEARCH_MAX };
	struct bo_err err = { 0 };
	uint64_t by_section;

	(void)state;
	open_fixture(&f, ZOO_DIR "/zoo-arm64-stripped", false);
	census.image = f.image;
	census.memory = f.memory;
	census.cache = f.cache;
	census.cache.memory = &census.memory;
	assert_int_equal(bo_gorecover_module(&census, &err), 0);
	by_section = census.at.moduledata;
	/* Once more as if the file had no section headers. */
	census.image.pclntab = 0;
	census.image.module = 0;
	census.at.moduledata = 0;
	assert_int_equal(bo_gorecover_module(&census, &err), 0);
	assert_int_equal(census.at.moduledata, by_section);
	census.image.version[0] = 0;
	census.image.minor = 0;
	bo_gorecover_version(&census);
	assert_int_equal(census.image.minor, f.image.minor);
	close_fixture(&f);
}

/* ---- tampered binaries, run for real ---- */

static int copy_with(const char *from, const char *what, const char *with, char path[32])
{
	int in = open(from, O_RDONLY | O_CLOEXEC), out;
	struct stat st;
	uint8_t *map, *at;

	strcpy(path, "/tmp/bo-zoo-XXXXXX");
	out = mkstemp(path);
	assert_true(in >= 0 && out >= 0);
	assert_int_equal(fstat(in, &st), 0);
	assert_int_equal(sendfile(out, in, NULL, (size_t)st.st_size), st.st_size);
	close(in);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, out, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	at = map;
	while ((at = memmem(at, (size_t)(map + st.st_size - at), what, strlen(what))))
		memcpy(at, with, strlen(with));
	munmap(map, (size_t)st.st_size);
	fchmod(out, 0700);
	close(out);
	return 0;
}

static void run_copy(struct zoo *zoo, const char *from, const char *what, const char *with)
{
	char path[32];

	copy_with(from, what, with, path);
	assert_true(zoo_start(zoo, path, ARGS("-kinds", "4")));
	/* It runs on without a name: /proc/PID/exe still leads to it. */
	unlink(path);
}

static struct zoo probe_version(void)
{
	struct zoo zoo;

	assert_true(zoo_start(&zoo, ZOO_DIR "/zoo", ARGS("-kinds", "1")));
	return zoo;
}

/* "go1.26.8" → "go1.NN…" of the same length. */
static void fake_version(const char *have, const char *minor, char *with, size_t size)
{
	snprintf(with, size, "%s", have);
	memcpy(with + 4, minor, 2);
}

static void test_deleted_and_unknown_release(void **state)
{
	struct zoo zoo = probe_version();
	struct bo_census_snapshot snap = { 0 };
	struct bo_census *census = NULL;
	struct bo_err err = { 0 };
	char have[64], with[64];

	(void)state;
	snprintf(have, sizeof(have), "%s", zoo.version);
	zoo_stop(&zoo);
	fake_version(have, "99", with, sizeof(with));
	run_copy(&zoo, ZOO_DIR "/zoo-stripped", have, with);
	assert_int_equal(bo_census_attach(&census, zoo.pid, 0, &err), 0);
	assert_string_equal(bo_census_info(census)->layout, "calibrated");
	assert_int_equal(bo_census_info(census)->go_minor, 99);
	/* Each way that was not taken says why. */
	assert_non_null(
		strstr(bo_census_info(census)->attempts[2].reason, "not in the version table"));
	assert_int_equal(bo_census_snapshot(census, BO_CENSUS_ALL, &snap, &err), 0);
	assert_int_equal(snap.user, zoo_count(&zoo));
	/* trackingSeq is not known, so nobody is called stuck. */
	for (int i = 0; i < 4; i++)
		assert_int_equal(bo_census_snapshot(census, BO_CENSUS_ALL, &snap, &err), 0);
	for (size_t i = 0; i < snap.ngroups; i++)
		assert_int_equal(snap.groups[i].unmoved, 0);
	bo_census_snapshot_done(&snap);
	bo_census_free(census);
	zoo_stop(&zoo);
}

static void test_too_old(void **state)
{
	struct zoo zoo = probe_version();
	struct bo_census *census = NULL;
	struct bo_err err = { 0 };
	char have[64], with[64];

	(void)state;
	snprintf(have, sizeof(have), "%s", zoo.version);
	zoo_stop(&zoo);
	fake_version(have, "17", with, sizeof(with));
	run_copy(&zoo, ZOO_DIR "/zoo", have, with);
	assert_int_equal(bo_census_attach(&census, zoo.pid, 0, &err), -ENOTSUP);
	assert_non_null(strstr(err.msg, "go1.17"));
	assert_non_null(strstr(err.msg, "Go 1.19 is the oldest"));
	zoo_stop(&zoo);
}

static void test_not_executables(void **state)
{
	static const char *const texts[] = { "", "#!/bin/sh\n", "\177ELF" };
	struct bo_goimage image;
	struct bo_err err;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		int fd = memfd_create("exe", MFD_CLOEXEC);

		assert_true(fd >= 0);
		assert_int_equal(write(fd, texts[i], strlen(texts[i])), strlen(texts[i]));
		memset(&err, 0, sizeof(err));
		assert_int_equal(bo_goimage_open(&image, fd, &err), -ENOEXEC);
		/* [consumed] even so. */
		assert_int_equal(fcntl(fd, F_GETFD), -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_amd64),
		cmocka_unit_test(test_lines_arm64),
		cmocka_unit_test(test_all_functions),
		cmocka_unit_test(test_dwarf_is_the_table),
		cmocka_unit_test(test_recover_arm64),
		cmocka_unit_test(test_deleted_and_unknown_release),
		cmocka_unit_test(test_too_old),
		cmocka_unit_test(test_not_executables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
