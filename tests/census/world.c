/* SPDX-License-Identifier: Apache-2.0 */
/* tests/census/world.c — see world.h.
 * Owns: see world.h.  Threads: one.  Privilege: none. */
#include "world.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MINOR 26
#define FUNCS 128
#define FUNC_BYTES 256
#define FUNC_RECORD 64 /* _func, 44 bytes, and room */
/* pclntab's parts, as offsets in the read-only data. */
#define NAMES 0x1000
#define CUS 0x4000
#define FILES 0x4100
#define PCS 0x4200
#define RECORDS 0x5000
#define FTAB 0x8000
#define TEXTS 0x9000
#define RODATA_SIZE 0xa000
#define DATA_SIZE 0x2000
#define BSS_SIZE 0x3000
#define HEAP_SIZE 0x40000
#define PROC_BYTES 0x4000
#define FRAME 24

enum { F_MAIN, F_GOEXIT, F_GOPARK, F_WORKER, F_SPAWN, F_BGSWEEP, F_REST };

static const uint64_t bases[] = { WORLD_RODATA, WORLD_DATA, WORLD_BSS, WORLD_HEAP };
static const size_t sizes[] = { RODATA_SIZE, DATA_SIZE, BSS_SIZE, HEAP_SIZE };
static struct bo_go_layout layout;

size_t world_region_size(enum world_region region)
{
	return sizes[region];
}

uint8_t *world_at(struct world *w, uint64_t addr, size_t len)
{
	for (int r = 0; r < WORLD_REGIONS; r++)
		if (addr >= bases[r] && len <= sizes[r] && addr - bases[r] <= sizes[r] - len)
			return w->bytes[r] + (addr - bases[r]);
	return NULL;
}

void world_poke(struct world *w, uint64_t addr, uint64_t value, size_t len)
{
	uint8_t *at = world_at(w, addr, len);

	if (at)
		memcpy(at, &value, len);
}

static ssize_t world_read(void *self, const struct bo_census_piece *pieces, size_t n)
{
	struct world *w = self;

	w->reads++;
	if (w->flicker)
		w->flicker(w);
	if (w->fail_after >= 0 && !w->fail_after--)
		w->gone = true;
	if (w->gone)
		return -ESRCH;
	for (size_t i = 0; i < n; i++) {
		const uint8_t *at = world_at(w, pieces[i].addr, pieces[i].len);

		if (!at)
			return (ssize_t)i;
		memcpy(pieces[i].into, at, pieces[i].len);
	}
	return (ssize_t)n;
}

static uint64_t func_pc(int f)
{
	return WORLD_TEXT + (uint64_t)f * FUNC_BYTES;
}

static void make_functions(struct world *w)
{
	static const char *const names[] = { "runtime.main", "runtime.goexit", "runtime.gopark",
					     "main.worker",  "main.spawn",     "runtime.bgsweep" };
	uint8_t *ro = w->bytes[WORLD_R_RODATA];
	/* A frame of 24 bytes; file 0; line 10: deltas from -1, zigzag, over 256 bytes of code (varint 0x80 0x02). */
	static const uint8_t pcs[] = { 0, 50, 0x80, 2, 0, 2, 0x80, 2, 0, 22, 0x80, 2, 0 };
	uint32_t name = 1;

	memcpy(ro + PCS, pcs, sizeof(pcs));
	memcpy(ro + FILES, "\0/src/world.go", 14);
	world_poke(w, WORLD_RODATA + CUS, 1, 4);
	for (int f = 0; f < FUNCS; f++) {
		uint64_t record = WORLD_RODATA + RECORDS + (uint64_t)f * FUNC_RECORD;
		char text[32];

		snprintf(text, sizeof(text), "%s", f < F_REST ? names[f] : "main.f");
		memcpy(ro + NAMES + name, text, strlen(text) + 1);
		world_poke(w, record, (uint64_t)f * FUNC_BYTES, 4);
		world_poke(w, record + 4, name, 4);
		world_poke(w, record + 16, 1, 4);
		world_poke(w, record + 20, 5, 4);
		world_poke(w, record + 24, 9, 4);
		world_poke(w, WORLD_RODATA + FTAB + (uint64_t)f * 8, (uint64_t)f * FUNC_BYTES, 4);
		world_poke(w, WORLD_RODATA + FTAB + (uint64_t)f * 8 + 4, (uint64_t)f * FUNC_RECORD,
			   4);
		name += (uint32_t)strlen(text) + 1;
	}
	world_poke(w, WORLD_RODATA + FTAB + FUNCS * 8, FUNCS * FUNC_BYTES, 4);
	world_poke(w, WORLD_RODATA, 0x08010000fffffff1ull, 8);
	world_poke(w, WORLD_RODATA + 8, FUNCS, 8);
	world_poke(w, WORLD_RODATA + 16, 20, 8);
}

static void slice(struct world *w, uint64_t at, uint64_t ptr, uint64_t len)
{
	world_poke(w, at, ptr, 8);
	world_poke(w, at + 8, len, 8);
	world_poke(w, at + 16, len, 8);
}

static void make_module(struct world *w)
{
	uint64_t m = WORLD_DATA + 0x100, ro = WORLD_RODATA;

	world_poke(w, m, WORLD_RODATA, 8);
	slice(w, m + 8, ro + NAMES, CUS - NAMES);
	slice(w, m + 32, ro + CUS, 8);
	slice(w, m + 56, ro + FILES, 64);
	slice(w, m + 80, ro + PCS, 64);
	slice(w, m + 104, ro + RECORDS, FTAB - RECORDS);
	slice(w, m + 128, ro + FTAB, FUNCS + 1);
	world_poke(w, m + 176, WORLD_TEXT, 8);
	world_poke(w, m + 184, WORLD_TEXT + FUNCS * FUNC_BYTES, 8);
	world_poke(w, m + 208, WORLD_DATA, 8);
	world_poke(w, m + 216, WORLD_DATA + DATA_SIZE, 8);
	world_poke(w, m + 224, WORLD_BSS, 8);
	world_poke(w, m + 232, WORLD_BSS + BSS_SIZE, 8);
}

static void make_data(struct world *w)
{
	static const char *const reasons[] = { "", "GC assist marking", "IO wait", "chan receive",
					       "select" };
	static const char info[] = "\xff Go buildinf:\x08\x02";
	uint8_t *data = w->bytes[WORLD_R_DATA], *ro = w->bytes[WORLD_R_RODATA];
	size_t text = TEXTS;

	memcpy(data, info, sizeof(info) - 1);
	memcpy(data + 32, "\x08go1.26.0", 9);
	make_module(w);
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
		size_t n = strlen(reasons[i]);

		memcpy(ro + text, reasons[i], n);
		world_poke(w, WORLD_DATA + 0x800 + i * 16, n ? WORLD_RODATA + text : 0, 8);
		world_poke(w, WORLD_DATA + 0x808 + i * 16, n, 8);
		text += n;
	}
}

static void g_poke(struct world *w, int i, enum bo_go_fact fact, uint64_t value, size_t len)
{
	world_poke(w, WORLD_G(i) + (uint64_t)layout.at[fact], value, len);
}

static void make_g(struct world *w, int i)
{
	uint64_t hi = WORLD_STACK(i) + 2048, sp = hi - 2 * (FRAME + 8) - 64;
	bool system = i >= 1 && i <= 4, dead = i > WORLD_GS - 7;

	world_poke(w, WORLD_HEAP + (uint64_t)i * 8, WORLD_G(i), 8);
	g_poke(w, i, BO_GO_G_STACK_LO, WORLD_STACK(i), 8);
	g_poke(w, i, BO_GO_G_STACK_HI, hi, 8);
	g_poke(w, i, BO_GO_G_SCHED_SP, sp, 8);
	g_poke(w, i, BO_GO_G_SCHED_PC, func_pc(F_GOPARK) + 100, 8);
	world_poke(w, sp + FRAME, func_pc(F_WORKER) + 100, 8);
	world_poke(w, sp + 2 * FRAME + 8, func_pc(F_GOEXIT) + 1, 8);
	g_poke(w, i, BO_GO_G_STATUS, dead ? GO_DEAD : GO_WAITING, 4);
	g_poke(w, i, BO_GO_G_GOID, (uint64_t)i + 1, 8);
	g_poke(w, i, BO_GO_G_WAITREASON, i % 2 ? 3 : 4, 1);
	g_poke(w, i, BO_GO_G_TRACKINGSEQ, (uint64_t)i, 1);
	g_poke(w, i, BO_GO_G_PARENTGOID, 1, 8);
	g_poke(w, i, BO_GO_G_GOPC, func_pc(F_SPAWN) + 50, 8);
	g_poke(w, i, BO_GO_G_STARTPC, func_pc(!i ? F_MAIN : system ? F_BGSWEEP : F_WORKER), 8);
}

static void make_scheduler(struct world *w)
{
	uint64_t procs = WORLD_HEAP + 0x38000;

	slice(w, WORLD_ALLGS, WORLD_HEAP, WORLD_GS);
	slice(w, WORLD_ALLP, WORLD_HEAP + 0x8000, WORLD_PROCS);
	world_poke(w, WORLD_SCHED, WORLD_GS + 16, 8);
	world_poke(w, WORLD_SCHED + (uint64_t)layout.at[BO_GO_SCHED_MAXMCOUNT], 10000, 4);
	world_poke(w, WORLD_SCHED + (uint64_t)layout.at[BO_GO_SCHED_MNEXT], 5, 8);
	world_poke(w, WORLD_SCHED + (uint64_t)layout.at[BO_GO_SCHED_NGSYS], 4, 4);
	world_poke(w, WORLD_SCHED + (uint64_t)layout.at[BO_GO_SCHED_GFREE], 1, 4);
	world_poke(w, WORLD_SCHED + (uint64_t)layout.at[BO_GO_SCHED_GFREE2], 1, 4);
	for (int i = 0; i < WORLD_PROCS; i++) {
		uint64_t p = procs + (uint64_t)i * PROC_BYTES;

		world_poke(w, WORLD_HEAP + 0x8000 + (uint64_t)i * 8, p, 8);
		world_poke(w, p, (uint64_t)i, 4);
		world_poke(w, p + 16, 77, 4);
		world_poke(w, p + (uint64_t)layout.at[BO_GO_P_GFREE], 2, 4);
	}
}

struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w || !bo_go_version_layout(MINOR, &layout))
		abort();
	w->fail_after = -1;
	for (int r = 0; r < WORLD_REGIONS; r++) {
		w->bytes[r] = calloc(1, sizes[r]);
		if (!w->bytes[r])
			abort();
	}
	w->memory = (struct bo_census_memory){ .self = w, .read = world_read };
	make_functions(w);
	make_data(w);
	for (int i = 0; i < WORLD_GS; i++)
		make_g(w, i);
	make_scheduler(w);
	return w;
}

void world_free(struct world *w)
{
	for (int r = 0; w && r < WORLD_REGIONS; r++)
		free(w->bytes[r]);
	free(w);
}

/* An executable of program headers only, as packers leave it. */
static int make_executable(void)
{
	struct {
		Elf64_Ehdr eh;
		Elf64_Phdr ph[2];
	} exe = { .eh = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				       EV_CURRENT },
			  .e_type = ET_EXEC,
			  .e_machine = EM_X86_64,
			  .e_version = EV_CURRENT,
			  .e_phoff = sizeof(Elf64_Ehdr),
			  .e_ehsize = sizeof(Elf64_Ehdr),
			  .e_phentsize = sizeof(Elf64_Phdr),
			  .e_phnum = 2 },
		  .ph = { { .p_type = PT_LOAD,
			    .p_flags = PF_R,
			    .p_vaddr = WORLD_RODATA,
			    .p_filesz = RODATA_SIZE,
			    .p_memsz = RODATA_SIZE },
			  { .p_type = PT_LOAD,
			    .p_flags = PF_R | PF_W,
			    .p_vaddr = WORLD_DATA,
			    .p_filesz = DATA_SIZE,
			    .p_memsz = DATA_SIZE } } };
	int fd = memfd_create("world", MFD_CLOEXEC);

	if (fd < 0 || write(fd, &exe, sizeof(exe)) != (ssize_t)sizeof(exe))
		abort();
	return fd;
}

int world_attach(struct world *w, struct bo_census **ret, unsigned flags, struct bo_err *err)
{
	struct bo_census_source source = { .pid = 1234567,
					   .mem_fd = -1,
					   .exe_fd = make_executable(),
					   .auxv_fd = -1,
					   .memory = &w->memory };

	return bo_census_attach_source(ret, &source, flags, err);
}
