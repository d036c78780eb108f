/* SPDX-License-Identifier: Apache-2.0 */
/* census/image.c — the executable file, by libelf.  Read with ELF_C_READ, never mapped: a file that is truncated while we
 * look must be an error, not a SIGBUS.
 * Owns: see image.h.  Threads: one at a time.  Privilege: none. */
#include "image.h"

#include <errno.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SYMBOLS_MAX (8u << 20)

static const char *const symbol_names[BO_GOSYM_COUNT] = {
	[BO_GOSYM_ALLGLEN] = "allglen",
	[BO_GOSYM_ALLGPTR] = "allgptr",
	[BO_GOSYM_ALLGS] = "allgs",
	[BO_GOSYM_SCHED] = "sched",
	[BO_GOSYM_ALLP] = "allp",
	[BO_GOSYM_WAITREASONS] = "waitReasonStrings",
	[BO_GOSYM_MODULEDATA] = "firstmoduledata",
	[BO_GOSYM_MEMSTATS] = "memstats",
	[BO_GOSYM_GCCONTROLLER] = "gcController",
	[BO_GOSYM_MAIN] = "main",
};

/* A version string such as "go1.26.8" or "devel go1.27-abcdef". */
static void note_version(struct bo_goimage *image, const char *text, size_t len)
{
	const char *dot;

	if (len >= sizeof(image->version))
		len = sizeof(image->version) - 1;
	for (size_t i = 0; i < len; i++)
		image->version[i] = text[i] >= ' ' && text[i] < 127 ? text[i] : '?';
	image->version[len] = 0;
	image->minor = 0;
	dot = strstr(image->version, "go1.");
	if (dot)
		for (dot += 4; *dot >= '0' && *dot <= '9' && image->minor < 1000; dot++)
			image->minor = image->minor * 10 + (*dot - '0');
	image->is_go = true;
}

bool bo_goimage_buildinfo(struct bo_goimage *image, const uint8_t *blob, size_t len)
{
	static const uint8_t magic[14] = "\xff Go buildinf:";
	size_t n;

	/* Programs that look for this magic have it in their data: what follows must be the header, too
	 * (cmd/link/internal/ld/data.go): the size of a pointer and two flags. */
	if (len < 33 || memcmp(blob, magic, sizeof(magic)) || blob[14] != 8 || blob[15] > 3)
		return false;
	image->is_go = true;
	/* Flag 2: the strings follow in place, each after a varint of its length (Go 1.18 and later). */
	if (!(blob[15] & 2))
		return false;
	n = blob[32];
	if (n & 0x80 || 33 + n > len || !n)
		return false;
	note_version(image, (const char *)blob + 33, n);
	return true;
}

static int read_header(struct bo_goimage *image, struct bo_err *err)
{
	GElf_Ehdr eh;
	size_t n;

	if (elf_kind(image->elf) != ELF_K_ELF || !gelf_getehdr(image->elf, &eh))
		return bo_err_set(err, ENOEXEC, BO_SUBSYS_PROBE, "not an ELF executable");
	image->arm64 = eh.e_machine == EM_AARCH64;
	if (eh.e_ident[EI_CLASS] != ELFCLASS64)
		return bo_err_set(
			err, ENOTSUP, BO_SUBSYS_PROBE,
			"a 32-bit program; only 64-bit ones, for amd64 and arm64, can be read");
	if (eh.e_ident[EI_DATA] != ELFDATA2LSB ||
	    (eh.e_machine != EM_X86_64 && eh.e_machine != EM_AARCH64))
		return bo_err_set(
			err, ENOTSUP, BO_SUBSYS_PROBE,
			"a program for another machine; only those for amd64 and arm64 can be read");
	image->pie = eh.e_type == ET_DYN;
	image->entry = eh.e_entry;
	if (elf_getphdrnum(image->elf, &n))
		return bo_err_set(err, ENOEXEC, BO_SUBSYS_PROBE, "no program headers: %s",
				  elf_errmsg(-1));
	for (size_t i = 0; i < n && i < 1024 && image->nsegments < BO_GOIMAGE_SEGMENTS_MAX; i++) {
		GElf_Phdr ph;

		if (!gelf_getphdr(image->elf, (int)i, &ph))
			break;
		if (ph.p_type == PT_PHDR)
			image->phdr_addr = ph.p_vaddr;
		if (ph.p_type != PT_LOAD)
			continue;
		image->segments[image->nsegments++] = (struct bo_goimage_segment){
			.addr = ph.p_vaddr,
			.file_size = ph.p_filesz,
			.mem_size = ph.p_memsz,
			.writable = ph.p_flags & PF_W,
			.executable = ph.p_flags & PF_X,
		};
		if (!image->phdr_addr && ph.p_offset <= eh.e_phoff &&
		    eh.e_phoff - ph.p_offset < ph.p_filesz)
			image->phdr_addr = ph.p_vaddr + (eh.e_phoff - ph.p_offset);
	}
	return 0;
}

static bool ends_with(const char *s, const char *tail)
{
	size_t n = strlen(s), k = strlen(tail);

	return n >= k && !strcmp(s + n - k, tail);
}

static void read_buildinfo_section(struct bo_goimage *image, const GElf_Shdr *sh)
{
	uint8_t blob[256];
	ssize_t n;

	if (sh->sh_type == SHT_NOBITS || sh->sh_offset > INT64_MAX)
		return;
	n = pread(image->fd, blob, sh->sh_size < sizeof(blob) ? sh->sh_size : sizeof(blob),
		  (off_t)sh->sh_offset);
	if (n > 0)
		(void)bo_goimage_buildinfo(image, blob, (size_t)n);
}

/* Sections may be missing altogether (sstrip, packers): then the memory is searched instead, see recover.c. */
static void read_sections(struct bo_goimage *image)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(image->elf, &names))
		return;
	while ((scn = elf_nextscn(image->elf, scn))) {
		GElf_Shdr sh;
		const char *name;

		if (!gelf_getshdr(scn, &sh))
			continue;
		name = elf_strptr(image->elf, names, sh.sh_name);
		if (!name)
			continue;
		if (sh.sh_type == SHT_SYMTAB)
			image->has_symtab = true;
		if (!strncmp(name, ".debug_", 7) || !strncmp(name, ".zdebug_", 8)) {
			GElf_Chdr ch;
			uint64_t size = sh.sh_size;

			if (sh.sh_flags & SHF_COMPRESSED && gelf_getchdr(scn, &ch))
				size = ch.ch_size;
			image->debug_bytes += size < UINT32_MAX ? size : UINT32_MAX;
		} else if (ends_with(name, ".gopclntab")) {
			image->pclntab = sh.sh_addr;
			image->is_go = true;
		} else if (!strcmp(name, ".go.module")) {
			image->module = sh.sh_addr;
		} else if (!strcmp(name, ".go.buildinfo")) {
			read_buildinfo_section(image, &sh);
		}
	}
}

int bo_goimage_open(struct bo_goimage *image, int fd, struct bo_err *err)
{
	int r;

	*image = (struct bo_goimage){ .fd = fd };
	if (elf_version(EV_CURRENT) == EV_NONE)
		r = bo_err_set(err, ENOTSUP, BO_SUBSYS_PROBE, "libelf: %s", elf_errmsg(-1));
	else if (!(image->elf = elf_begin(fd, ELF_C_READ, NULL)))
		r = bo_err_set(err, ENOEXEC, BO_SUBSYS_PROBE, "not an executable: %s",
			       elf_errmsg(-1));
	else
		r = read_header(image, err);
	if (r) {
		bo_goimage_close(image);
		return r;
	}
	read_sections(image);
	return 0;
}

void bo_goimage_close(struct bo_goimage *image)
{
	if (image->elf)
		elf_end(image->elf);
	if (image->fd >= 0)
		close(image->fd);
	image->elf = NULL;
	image->fd = -1;
}

static void take_symbol(struct bo_goimage *image, const char *name, uint64_t value)
{
	if (strncmp(name, "runtime.", 8))
		return;
	for (size_t k = 0; k < BO_GOSYM_COUNT; k++)
		if (!strcmp(name + 8, symbol_names[k]))
			image->symbols[k] = value;
}

int bo_goimage_symbols(struct bo_goimage *image, struct bo_err *err)
{
	Elf_Scn *scn = NULL;

	while ((scn = elf_nextscn(image->elf, scn))) {
		GElf_Shdr sh;
		Elf_Data *data;
		size_t n;

		if (!gelf_getshdr(scn, &sh) || sh.sh_type != SHT_SYMTAB || !sh.sh_entsize)
			continue;
		data = elf_getdata(scn, NULL);
		n = data ? data->d_size / sizeof(Elf64_Sym) : 0;
		for (size_t i = 0; i < n && i < SYMBOLS_MAX; i++) {
			GElf_Sym sym;
			const char *name;

			if (!gelf_getsym(data, (int)i, &sym))
				break;
			name = elf_strptr(image->elf, sh.sh_link, sym.st_name);
			if (name)
				take_symbol(image, name, sym.st_value);
		}
	}
	if (!image->has_symtab)
		return bo_err_set(err, ENOENT, BO_SUBSYS_PROBE,
				  "the binary has no symbol table (built with -s)");
	if (!image->symbols[BO_GOSYM_ALLGLEN] || !image->symbols[BO_GOSYM_ALLGPTR])
		return bo_err_set(err, ENOENT, BO_SUBSYS_PROBE,
				  "the symbol table does not name runtime.allgptr");
	return 0;
}
