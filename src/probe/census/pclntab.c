/* SPDX-License-Identifier: Apache-2.0 */
/* census/pclntab.c — functions, lines and inline trees from Go's own tables.
 * Every number in them is checked against the table that it points into, and every walk has a bound: the tables are the
 * target's memory.
 * Owns: nothing.  Threads: one at a time.  Privilege: none. */
#include "pclntab.h"

#include <errno.h>
#include <string.h>

#define MAGIC_118 0xfffffff0u /* Go 1.18 and 1.19 */
#define MAGIC_120 0xfffffff1u

/* moduledata's words, the same in every release that can be read. */
enum {
	MOD_HEADER = 0,
	MOD_NAMES = 1,
	MOD_CUS = 4,
	MOD_FILES = 7,
	MOD_PCS = 10,
	MOD_FUNCS = 13,
	MOD_FTAB = 16,
	MOD_TEXT = 22,
	MOD_ETEXT = 23,
	MOD_DATA = 26,
	MOD_EDATA = 27,
	MOD_BSS = 28,
	MOD_EBSS = 29,
	MOD_WORDS = 30
};

#define FUNCS_MAX 2000000
#define TABLE_MAX (UINT64_C(1) << 31)
#define WALK_STEPS_MAX 400000
#define FUNC_FIXED 40 /* the smallest _func: Go 1.19 */

/* PCDATA_InlTreeIndex and FUNCDATA_InlTree of internal/abi/symtab.go. */
#define PCDATA_INLTREE 2
#define FUNCDATA_INLTREE 3

bool bo_gopcln_is_header(const uint8_t head[8])
{
	uint32_t magic = bo_gomem_u32(head);

	return (magic == MAGIC_118 || magic == MAGIC_120) && !head[4] && !head[5] &&
	       (head[6] == 1 || head[6] == 4) && head[7] == 8;
}

static int take_table(struct bo_gopcln_table *ret, const uint64_t *words, const char *what,
		      struct bo_err *err)
{
	if (words[0] >= BO_GOMEM_TOP || words[1] > TABLE_MAX || words[1] > words[2])
		return bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE, "moduledata's %s is not a slice",
				  what);
	*ret = (struct bo_gopcln_table){ words[0], words[1] };
	return 0;
}

static int take_tables(struct bo_gopcln *pcln, const uint64_t *w, struct bo_err *err)
{
	const struct {
		struct bo_gopcln_table *table;
		int at;
		const char *what;
	} tables[] = {
		{ &pcln->names, MOD_NAMES, "funcnametab" }, { &pcln->cus, MOD_CUS, "cutab" },
		{ &pcln->files, MOD_FILES, "filetab" },     { &pcln->pcs, MOD_PCS, "pctab" },
		{ &pcln->funcs, MOD_FUNCS, "pclntable" },   { &pcln->ftab, MOD_FTAB, "ftab" },
	};

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		int r = take_table(tables[i].table, w + tables[i].at, tables[i].what, err);

		if (r)
			return r;
	}
	/* The last entry of ftab is the end of the text. */
	if (pcln->ftab.len < 2 || pcln->ftab.len > FUNCS_MAX)
		return bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE, "moduledata lists %llu functions",
				  (unsigned long long)pcln->ftab.len);
	pcln->ftab.len--;
	return 0;
}

static bool is_range(uint64_t from, uint64_t to)
{
	return from <= to && to < BO_GOMEM_TOP;
}

int bo_gopcln_open(struct bo_gopcln *pcln, struct bo_gomem_cache *cache, uint64_t moduledata,
		   struct bo_err *err)
{
	uint64_t w[MOD_WORDS];
	uint8_t head[8];
	int r;

	*pcln = (struct bo_gopcln){ .cache = cache, .steps_left = BO_GOPCLN_STEPS_MAX };
	/* moduledata is written to by the runtime (gcdatamask …), so it does not go through the cache. */
	if (bo_gomem_read(cache->memory, moduledata, w, sizeof(w)))
		return bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE, "moduledata is not readable");
	if (bo_gomem_cached(cache, w[MOD_HEADER], head, sizeof(head)) || !bo_gopcln_is_header(head))
		return bo_err_set(
			err, EBADMSG, BO_SUBSYS_PROBE,
			"its function table has an unknown format (obfuscated, or a Go version from another world)");
	r = take_tables(pcln, w, err);
	if (r)
		return r;
	if (!is_range(w[MOD_TEXT], w[MOD_ETEXT]) || !is_range(w[MOD_DATA], w[MOD_EDATA]) ||
	    !is_range(w[MOD_BSS], w[MOD_EBSS]) || w[MOD_TEXT] == w[MOD_ETEXT])
		return bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE,
				  "moduledata's segments are out of order");
	pcln->header = w[MOD_HEADER];
	pcln->text = w[MOD_TEXT];
	pcln->etext = w[MOD_ETEXT];
	pcln->data = w[MOD_DATA];
	pcln->edata = w[MOD_EDATA];
	pcln->bss = w[MOD_BSS];
	pcln->ebss = w[MOD_EBSS];
	pcln->quantum = head[6];
	return 0;
}

int bo_gopcln_set_layout(struct bo_gopcln *pcln, uint64_t moduledata,
			 const struct bo_go_layout *layout)
{
	const int32_t *at = layout->at;
	int r = bo_gomem_read(pcln->cache->memory, moduledata + (uint64_t)at[BO_GO_MOD_GOFUNC],
			      &pcln->gofunc, sizeof(pcln->gofunc));

	if (r)
		return r;
	pcln->func_size = (uint32_t)at[BO_GO_FUNC_SIZE];
	pcln->inl_size = 0;
	if (at[BO_GO_INL_SIZE] >= 16 && at[BO_GO_INL_SIZE] <= 64 && at[BO_GO_INL_NAME] >= 0 &&
	    at[BO_GO_INL_PARENTPC] >= 0 && at[BO_GO_INL_NAME] + 4 <= at[BO_GO_INL_SIZE] &&
	    at[BO_GO_INL_PARENTPC] + 4 <= at[BO_GO_INL_SIZE]) {
		pcln->inl_size = (uint32_t)at[BO_GO_INL_SIZE];
		pcln->inl_name = (uint32_t)at[BO_GO_INL_NAME];
		pcln->inl_parentpc = (uint32_t)at[BO_GO_INL_PARENTPC];
	}
	return 0;
}

static bool ftab_entry(struct bo_gopcln *pcln, uint64_t i, uint32_t ret[2])
{
	return !bo_gomem_cached(pcln->cache, pcln->ftab.addr + i * 8, ret, 8);
}

bool bo_gopcln_find(struct bo_gopcln *pcln, uint64_t pc, struct bo_gofunc *ret)
{
	uint64_t lo = 0, hi = pcln->ftab.len;
	uint8_t f[FUNC_FIXED + 4];
	uint32_t entry[2], next[2];
	size_t size = pcln->func_size ? pcln->func_size : FUNC_FIXED;

	if (pc < pcln->text || pc >= pcln->etext || pc - pcln->text > UINT32_MAX)
		return false;
	while (hi - lo > 1) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (!ftab_entry(pcln, mid, entry))
			return false;
		if (entry[0] <= pc - pcln->text)
			lo = mid;
		else
			hi = mid;
	}
	if (!ftab_entry(pcln, lo, entry) || !ftab_entry(pcln, lo + 1, next) ||
	    entry[0] > pc - pcln->text || next[0] <= pc - pcln->text ||
	    (uint64_t)entry[1] + sizeof(f) > pcln->funcs.len)
		return false;
	ret->addr = pcln->funcs.addr + entry[1];
	if (bo_gomem_cached(pcln->cache, ret->addr, f, size < sizeof(f) ? size : sizeof(f)))
		return false;
	ret->entry = pcln->text + entry[0];
	ret->end = pcln->text + next[0];
	ret->name = bo_gomem_u32(f + 4);
	ret->pcsp = bo_gomem_u32(f + 16);
	ret->pcfile = bo_gomem_u32(f + 20);
	ret->pcln = bo_gomem_u32(f + 24);
	ret->npcdata = bo_gomem_u32(f + 28);
	ret->cu = bo_gomem_u32(f + 32);
	ret->nfuncdata = size <= sizeof(f) ? f[size - 1] : 0;
	return true;
}

bool bo_gopcln_is_entry(struct bo_gopcln *pcln, uint64_t pc)
{
	struct bo_gofunc f;

	return bo_gopcln_find(pcln, pc, &f) && f.entry == pc;
}

/* A window over pctab, so that the byte-wise walk below does not ask the cache for each byte. */
struct pc_reader {
	struct bo_gopcln *pcln;
	uint64_t at;
	uint8_t buf[64];
	size_t pos, len;
	bool failed;
};

static uint8_t next_byte(struct pc_reader *r)
{
	if (r->pos == r->len) {
		uint64_t left = r->at < r->pcln->pcs.len ? r->pcln->pcs.len - r->at : 0;

		r->len = left < sizeof(r->buf) ? (size_t)left : sizeof(r->buf);
		r->pos = 0;
		if (!r->len ||
		    bo_gomem_cached(r->pcln->cache, r->pcln->pcs.addr + r->at, r->buf, r->len)) {
			r->failed = true;
			r->len = 0;
			return 0;
		}
		r->at += r->len;
	}
	return r->buf[r->pos++];
}

static uint32_t next_varint(struct pc_reader *r)
{
	uint32_t v = 0;

	for (unsigned shift = 0; shift < 35; shift += 7) {
		uint8_t b = next_byte(r);

		if (shift < 32)
			v |= (uint32_t)(b & 127) << shift;
		if (b < 128)
			return v;
	}
	r->failed = true;
	return 0;
}

/* The value that a pc-value table has at @pc: deltas of value (zigzag) and of pc, in turn (runtime/symtab.go, step). */
static bool pc_value(struct bo_gopcln *pcln, uint32_t table, uint64_t entry, uint64_t pc,
		     int32_t *ret)
{
	struct pc_reader r = { .pcln = pcln, .at = table };
	uint32_t value = UINT32_MAX; /* -1 */
	uint64_t at = entry;

	if (!table || table >= pcln->pcs.len)
		return false;
	for (int i = 0; i < WALK_STEPS_MAX && pcln->steps_left > 0; i++) {
		uint32_t delta = next_varint(&r);

		pcln->steps_left--;
		if (r.failed || (!delta && i))
			return false;
		value += delta & 1 ? ~(delta >> 1) : delta >> 1;
		at += (uint64_t)next_varint(&r) * pcln->quantum;
		if (r.failed)
			return false;
		if (pc < at) {
			*ret = (int32_t)value;
			return true;
		}
	}
	return false;
}

static uint32_t file_at(struct bo_gopcln *pcln, const struct bo_gofunc *f, uint64_t pc)
{
	uint32_t offset;
	int32_t n;

	if (!pc_value(pcln, f->pcfile, f->entry, pc, &n) || n < 0 ||
	    (uint64_t)f->cu + (uint32_t)n >= pcln->cus.len ||
	    bo_gomem_cached(pcln->cache, pcln->cus.addr + ((uint64_t)f->cu + (uint32_t)n) * 4,
			    &offset, 4))
		return UINT32_MAX;
	return offset;
}

/* Where the arrays behind _func say that its inline tree is: true and the index table and the tree's address. */
static bool inline_tree(struct bo_gopcln *pcln, const struct bo_gofunc *f, uint32_t *ret_index,
			uint64_t *ret_tree)
{
	uint64_t arrays = f->addr + pcln->func_size;
	uint32_t offset;

	if (!pcln->inl_size || !pcln->gofunc || f->npcdata <= PCDATA_INLTREE || f->npcdata > 64 ||
	    f->nfuncdata <= FUNCDATA_INLTREE)
		return false;
	if (bo_gomem_cached(pcln->cache, arrays + PCDATA_INLTREE * 4, ret_index, 4) ||
	    bo_gomem_cached(pcln->cache, arrays + (f->npcdata + FUNCDATA_INLTREE) * 4, &offset,
			    4) ||
	    offset == UINT32_MAX)
		return false;
	*ret_tree = pcln->gofunc + offset;
	return true;
}

size_t bo_gopcln_lines(struct bo_gopcln *pcln, uint64_t pc,
		       struct bo_goline ret[BO_GO_INLINE_DEPTH])
{
	struct bo_gofunc f;
	uint32_t index_table = 0;
	uint64_t tree = 0;
	bool inlining;
	size_t n = 0;

	if (!pcln->func_size || !bo_gopcln_find(pcln, pc, &f))
		return 0;
	inlining = inline_tree(pcln, &f, &index_table, &tree);
	/* The innermost line is the one at pc; each caller's is at the pc where its call was unfolded. */
	while (n < BO_GO_INLINE_DEPTH) {
		struct bo_goline *line = &ret[n++];
		uint8_t call[64];
		int32_t index;

		line->name = f.name;
		line->file = file_at(pcln, &f, pc);
		if (!pc_value(pcln, f.pcln, f.entry, pc, &line->line))
			line->line = 0;
		if (!inlining || n == BO_GO_INLINE_DEPTH ||
		    !pc_value(pcln, index_table, f.entry, pc, &index) || index < 0 ||
		    index > 1 << 20 ||
		    bo_gomem_cached(pcln->cache, tree + (uint64_t)index * pcln->inl_size, call,
				    pcln->inl_size))
			break;
		line->name = bo_gomem_u32(call + pcln->inl_name);
		pc = f.entry + bo_gomem_u32(call + pcln->inl_parentpc);
		if (pc >= f.end)
			break;
	}
	return n;
}

bool bo_gopcln_sp_delta(struct bo_gopcln *pcln, uint64_t pc, uint32_t *ret)
{
	struct bo_gofunc f;
	int32_t delta;

	if (!bo_gopcln_find(pcln, pc, &f) || !pc_value(pcln, f.pcsp, f.entry, pc, &delta) ||
	    delta < 0 || delta > 1 << 30 || delta % 8)
		return false;
	*ret = (uint32_t)delta;
	return true;
}

static int table_str(struct bo_gopcln *pcln, const struct bo_gopcln_table *table, uint32_t offset,
		     char buf[BO_GO_NAME_MAX])
{
	int r;

	if (offset >= table->len)
		return -ENOENT;
	r = bo_gomem_cached_str(pcln->cache, table->addr + offset, buf, BO_GO_NAME_MAX);
	if (r)
		return r;
	for (char *p = buf; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			*p = '?';
	return 0;
}

int bo_gopcln_name(struct bo_gopcln *pcln, uint32_t offset, char buf[BO_GO_NAME_MAX])
{
	return table_str(pcln, &pcln->names, offset, buf);
}

int bo_gopcln_file(struct bo_gopcln *pcln, uint32_t offset, char buf[BO_GO_NAME_MAX])
{
	return table_str(pcln, &pcln->files, offset, buf);
}

void bo_gopcln_by_name(struct bo_gopcln *pcln, const char *const *names, uint64_t *ret, size_t n)
{
	size_t missing = n;

	memset(ret, 0, n * sizeof(*ret));
	/* Functions are sorted by address; those of one package, and their names, are near each other. */
	for (uint64_t i = 0; i < pcln->ftab.len && missing && !pcln->cache->error; i++) {
		uint32_t entry[2], name;
		char have[64];

		if (!ftab_entry(pcln, i, entry) ||
		    (uint64_t)entry[1] + FUNC_FIXED > pcln->funcs.len ||
		    bo_gomem_cached(pcln->cache, pcln->funcs.addr + entry[1] + 4, &name, 4) ||
		    name >= pcln->names.len ||
		    bo_gomem_cached_str(pcln->cache, pcln->names.addr + name, have, sizeof(have)))
			continue;
		for (size_t k = 0; k < n; k++)
			if (!ret[k] && !strcmp(have, names[k])) {
				ret[k] = pcln->text + entry[0];
				missing--;
			}
	}
}
