/* SPDX-License-Identifier: Apache-2.0 */
/* census/image.h — what the executable file says: version, segments, sections, symbols, debug information.
 * Owns: the file's descriptor and libelf's handle.  Threads: one at a time.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "brownout/base/err.h"
#include "layout.h"

/* Debug information beyond this is not looked at: the version table does as well, in less memory. */
#define BO_GOIMAGE_DWARF_MAX (UINT64_C(512) << 20)
#define BO_GOIMAGE_SEGMENTS_MAX 64

struct bo_goimage_segment {
	uint64_t addr; /* as linked; add the bias */
	uint64_t file_size;
	uint64_t mem_size;
	bool writable;
	bool executable;
};

/** enum bo_goimage_symbol - runtime variables that the symbol table may name */
enum bo_goimage_symbol {
	BO_GOSYM_ALLGLEN,
	BO_GOSYM_ALLGPTR,
	BO_GOSYM_ALLGS,
	BO_GOSYM_SCHED,
	BO_GOSYM_ALLP,
	BO_GOSYM_WAITREASONS,
	BO_GOSYM_MODULEDATA,
	BO_GOSYM_MEMSTATS,
	BO_GOSYM_GCCONTROLLER,
	BO_GOSYM_MAIN,
	BO_GOSYM_COUNT,
};

/**
 * struct bo_goimage - addresses are as linked, 0 for "not there"
 * @version: "go1.26.8", "" when the file does not say;  @minor: 26, 0 when unknown
 * @module: .go.module, which Go 1.26 and later have
 */
struct bo_goimage {
	int fd;
	void *elf;
	bool arm64;
	bool pie;
	uint64_t entry;
	uint64_t phdr_addr;
	char version[64];
	int minor;
	uint64_t pclntab;
	uint64_t module;
	struct bo_goimage_segment segments[BO_GOIMAGE_SEGMENTS_MAX];
	size_t nsegments;
	uint64_t symbols[BO_GOSYM_COUNT];
	bool has_symtab;
	uint64_t debug_bytes;
	bool is_go; /* something in it says so */
};

/**
 * bo_goimage_open() - read an executable; @fd: [consumed: even on failure]
 * Return: 0; -ENOEXEC not ELF · -ENOTSUP 32-bit, big-endian or another machine
 */
BO_NODISCARD int bo_goimage_open(struct bo_goimage *image, int fd, struct bo_err *err);
void bo_goimage_close(struct bo_goimage *image);
/** bo_goimage_symbols() - fill @symbols from .symtab.  Return: 0; -ENOENT when it is stripped */
BO_NODISCARD int bo_goimage_symbols(struct bo_goimage *image, struct bo_err *err);
/** bo_goimage_dwarf() - the layout by the binary's own DWARF 4 or 5, compressed or not.  -ENOENT when it has none */
BO_NODISCARD int bo_goimage_dwarf(struct bo_goimage *image, struct bo_go_layout *ret,
				  struct bo_err *err);
/** bo_goimage_buildinfo() - version from a blob that begins "\xff Go buildinf:" (debug/buildinfo); false when it is none */
bool bo_goimage_buildinfo(struct bo_goimage *image, const uint8_t *blob, size_t len);
