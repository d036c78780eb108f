/* SPDX-License-Identifier: Apache-2.0 */
/* census/pclntab.h — Go's own table of functions and lines, which even a stripped binary carries.
 * Format: runtime/symtab.go and debug/gosym (versions go1.18/19 and go1.20 on).  Read out of the target's memory, page by
 * page, as it is needed: the tables of a large program have tens of megabytes.
 * Owns: nothing (the page cache is borrowed).  Threads: one at a time.  Privilege: none of its own. */
#pragma once
#include "layout.h"
#include "memory.h"

#define BO_GO_NAME_MAX 512
#define BO_GO_INLINE_DEPTH 16
/* Steps of all table walks of one operation; a real lookup takes some hundred. */
#define BO_GOPCLN_STEPS_MAX 20000000

struct bo_gopcln_table {
	uint64_t addr;
	uint64_t len; /* in elements */
};

/** struct bo_gopcln - the first module's tables and segments, as moduledata has them */
struct bo_gopcln {
	struct bo_gomem_cache *cache; /* [borrowed] */
	uint64_t header;
	uint64_t text, etext;
	uint64_t data, edata;
	uint64_t bss, ebss;
	uint64_t gofunc;
	struct bo_gopcln_table names, cus, files, pcs, funcs, ftab;
	uint32_t quantum;
	uint32_t func_size, inl_size, inl_name, inl_parentpc; /* 0 until bo_gopcln_set_layout() */
	int64_t steps_left; /* of all table walks: a hostile table must not keep us */
};

/** struct bo_gofunc - one function of the table */
struct bo_gofunc {
	uint64_t entry;
	uint64_t end;
	uint64_t addr; /* of its _func */
	uint32_t name;
	uint32_t pcsp, pcfile, pcln, npcdata, cu;
	uint8_t nfuncdata;
};

/** struct bo_goline - one line of code at a pc; offsets into the tables, UINT32_MAX for "unknown" */
struct bo_goline {
	uint32_t name;
	uint32_t file;
	int32_t line;
};

/** bo_gopcln_is_header() - do these 8 bytes begin a pclntab that we can read? */
bool bo_gopcln_is_header(const uint8_t head[8]);
/** bo_gopcln_open() - from the address of runtime.firstmoduledata; -EBADMSG with the reason */
BO_NODISCARD int bo_gopcln_open(struct bo_gopcln *pcln, struct bo_gomem_cache *cache,
				uint64_t moduledata, struct bo_err *err);
/** bo_gopcln_set_layout() - from then on lines can be looked up; before, only functions */
BO_NODISCARD int bo_gopcln_set_layout(struct bo_gopcln *pcln, uint64_t moduledata,
				      const struct bo_go_layout *layout);
/** bo_gopcln_find() - the function that @pc is in; false when there is none */
bool bo_gopcln_find(struct bo_gopcln *pcln, uint64_t pc, struct bo_gofunc *ret);
/** bo_gopcln_is_entry() - does a function begin at @pc? */
bool bo_gopcln_is_entry(struct bo_gopcln *pcln, uint64_t pc);
/**
 * bo_gopcln_lines() - the lines at @pc, innermost first, with what the compiler inlined unfolded
 * Return: how many, at least 1 for a pc in a function; 0 otherwise
 */
size_t bo_gopcln_lines(struct bo_gopcln *pcln, uint64_t pc,
		       struct bo_goline ret[BO_GO_INLINE_DEPTH]);
/**
 * bo_gopcln_sp_delta() - bytes between the stack pointer and the end of the function's frame at @pc
 * Return: false when the table does not say
 */
bool bo_gopcln_sp_delta(struct bo_gopcln *pcln, uint64_t pc, uint32_t *ret);
/** bo_gopcln_name(), bo_gopcln_file() - the text behind an offset; control characters become '?' */
BO_NODISCARD int bo_gopcln_name(struct bo_gopcln *pcln, uint32_t offset, char buf[BO_GO_NAME_MAX]);
BO_NODISCARD int bo_gopcln_file(struct bo_gopcln *pcln, uint32_t offset, char buf[BO_GO_NAME_MAX]);
/** bo_gopcln_by_name() - entry of the functions called @names, 0 for those that are not there; one pass over all */
void bo_gopcln_by_name(struct bo_gopcln *pcln, const char *const *names, uint64_t *ret, size_t n);
