/* SPDX-License-Identifier: Apache-2.0 */
/* census/attach.c — from a process to a handle: open, locate, check; if the check fails, the next way.
 * The ways, best first: symbol table, else search; with the layout by DWARF, else by the version table, else calibrated.
 * Which one is used, and why the others were not, is told (struct bo_census_info).
 * Owns: see census-internal.h.  Threads: one at a time.  Privilege: PTRACE_MODE_ATTACH, or the descriptors given. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "census-internal.h"

int bo_goread_failed(const struct bo_census *census, int code, const char *what, struct bo_err *err)
{
	struct bo_census_access access;
	char advice[256];

	if (code == -ESRCH)
		return bo_err_set(err, ESRCH, BO_SUBSYS_PROBE, "process %d is gone",
				  census->info.pid);
	if (code == -EPERM || code == -EACCES) {
		bo_census_access_probe(census->info.pid, &access);
		return bo_err_set(err, -code, BO_SUBSYS_PROBE,
				  "no permission to read the memory of process %d: %s",
				  census->info.pid,
				  bo_census_access_advice(&access, advice, sizeof(advice)));
	}
	/* What was there at attach is there for the life of the program. */
	if (code == -EFAULT && census->info.layout)
		return bo_err_set(err, ESTALE, BO_SUBSYS_PROBE,
				  "process %d has become another program", census->info.pid);
	if (code == -ENOMEM)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_PROBE, "out of memory");
	return bo_err_set(err, -code, BO_SUBSYS_PROBE, "process %d: %s cannot be read: %s",
			  census->info.pid, what, strerrordesc_np(-code));
}

static void note_attempt(struct bo_census *census, const char *located, const char *layout,
			 const char *reason)
{
	struct bo_census_attempt *a;

	if (census->info.nattempts == BO_CENSUS_ATTEMPTS_MAX)
		return;
	a = &census->info.attempts[census->info.nattempts++];
	snprintf(a->way, sizeof(a->way), "%s%s%s", located, layout[0] ? " + " : "", layout);
	snprintf(a->reason, sizeof(a->reason), "%s", reason);
}

/* The kernel tells a process where its program was loaded (getauxval(3)). */
static int read_bias(struct bo_census *census, int auxv_fd, struct bo_err *err)
{
	Elf64_auxv_t aux[64];
	uint64_t phdr = 0, entry = 0;
	ssize_t n = pread(auxv_fd, aux, sizeof(aux), 0);

	/* An empty one is that of a process that has ended. */
	if (n <= 0)
		return bo_goread_failed(census, n ? -errno : -ESRCH, "its auxiliary vector", err);
	for (size_t i = 0; i < (size_t)n / sizeof(*aux) && aux[i].a_type != AT_NULL; i++) {
		if (aux[i].a_type == AT_PHDR)
			phdr = aux[i].a_un.a_val;
		else if (aux[i].a_type == AT_ENTRY)
			entry = aux[i].a_un.a_val;
	}
	if (entry)
		census->bias = entry - census->image.entry;
	else if (phdr)
		census->bias = phdr - census->image.phdr_addr;
	return 0;
}

static int load_version(struct bo_census *census, struct bo_err *err)
{
	struct bo_goimage *image = &census->image;

	if (!image->minor)
		bo_gorecover_version(census);
	snprintf(census->info.go_version, sizeof(census->info.go_version), "%s",
		 image->version[0] ? image->version : "unknown version");
	census->info.go_minor = image->minor;
	if (image->minor && image->minor < BO_GO_MINOR_OLDEST)
		return bo_err_set(
			err, ENOTSUP, BO_SUBSYS_PROBE,
			"process %d was built with %s; Go 1.%d is the oldest that can be read: rebuild it, or ask its net/http/pprof",
			census->info.pid, image->version, BO_GO_MINOR_OLDEST);
	return 0;
}

static int load_tables(struct bo_census *census, unsigned flags, struct bo_err *err)
{
	static const char *const main_name[] = { "runtime.main" };
	struct bo_err symbols = { 0 };
	struct bo_goimage *image = &census->image;
	int r;

	if (flags & BO_CENSUS_NO_SYMTAB)
		bo_err_set(&symbols, ENOENT, BO_SUBSYS_PROBE, "not wanted");
	else if (!bo_goimage_symbols(image, &symbols))
		symbols.code = 0;
	if (symbols.code) {
		memset(image->symbols, 0, sizeof(image->symbols));
		note_attempt(census, "symtab", "", symbols.msg);
	}
	census->at.moduledata = image->symbols[BO_GOSYM_MODULEDATA] + census->bias;
	if (!image->symbols[BO_GOSYM_MODULEDATA] ||
	    bo_gopcln_open(&census->pcln, &census->cache, census->at.moduledata, err)) {
		r = bo_gorecover_module(census, err);
		if (r && !image->is_go)
			return bo_err_set(err, ENOEXEC, BO_SUBSYS_PROBE,
					  "process %d is not a Go program", census->info.pid);
		if (r)
			return bo_err_set(err, ENOTSUP, BO_SUBSYS_PROBE, "process %d: %s",
					  census->info.pid, err ? err->msg : "");
	}
	image->is_go = true;
	if (image->symbols[BO_GOSYM_MAIN])
		census->main_pc = image->symbols[BO_GOSYM_MAIN] + census->bias;
	if (!census->main_pc || !bo_gopcln_is_entry(&census->pcln, census->main_pc))
		bo_gopcln_by_name(&census->pcln, main_name, &census->main_pc, 1);
	if (!census->main_pc)
		return bo_err_set(
			err, ENOTSUP, BO_SUBSYS_PROBE,
			"process %d: its function table does not name runtime.main: when it was obfuscated (garble), run a plain build, or ask its net/http/pprof",
			census->info.pid);
	return 0;
}

/* Variables by the symbol table. */
static void locate_by_symbols(struct bo_census *census)
{
	const uint64_t *symbol = census->image.symbols;
	struct bo_go_globals *at = &census->at;
	struct {
		uint64_t *where;
		enum bo_goimage_symbol symbol;
	} all[] = {
		{ &at->allglen, BO_GOSYM_ALLGLEN },   { &at->allgptr, BO_GOSYM_ALLGPTR },
		{ &at->allgs, BO_GOSYM_ALLGS },       { &at->sched, BO_GOSYM_SCHED },
		{ &at->allp, BO_GOSYM_ALLP },         { &at->reasons, BO_GOSYM_WAITREASONS },
		{ &at->memstats, BO_GOSYM_MEMSTATS }, { &at->gccontroller, BO_GOSYM_GCCONTROLLER },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		*all[i].where = symbol[all[i].symbol] ? symbol[all[i].symbol] + census->bias : 0;
}

enum layout_by { BY_DWARF, BY_TABLE, BY_CALIBRATION, LAYOUTS };
static const char *const layout_names[] = { "dwarf", "table", "calibrated" };

static int take_layout(struct bo_census *census, enum layout_by by, unsigned flags,
		       struct bo_err *err)
{
	int minor = census->image.minor;

	if ((by == BY_DWARF && flags & BO_CENSUS_NO_DWARF) ||
	    (by == BY_TABLE && flags & BO_CENSUS_NO_TABLE))
		return bo_err_set(err, ENOENT, BO_SUBSYS_PROBE, "not wanted");
	if (by == BY_DWARF)
		return bo_goimage_dwarf(&census->image, &census->layout, err);
	if (by == BY_TABLE && !bo_go_version_layout(minor, &census->layout))
		return bo_err_set(err, ENOENT, BO_SUBSYS_PROBE,
				  "%s is not in the version table (go1.%d to go1.%d)",
				  census->info.go_version, BO_GO_MINOR_OLDEST, BO_GO_MINOR_NEWEST);
	if (by == BY_CALIBRATION)
		/* A start that the search, or the anchors, put right. */
		bo_go_version_nearest(minor, &census->layout);
	return 0;
}

static int calibrate_in_place(struct bo_census *census, struct bo_err *err)
{
	uint64_t ptr, len;
	int r = bo_gowalk_allgs(census, &ptr, &len, err);

	if (r)
		return r;
	if (!bo_gocalibrate(census, ptr, len))
		return bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE,
				  "goid 1 and runtime.main were not found in a g");
	return 0;
}

/* One way: layout, variables, check. */
static int try_way(struct bo_census *census, bool symtab, enum layout_by by, unsigned flags,
		   struct bo_err *err)
{
	int r = take_layout(census, by, flags, err);

	if (r)
		return r;
	if (symtab) {
		locate_by_symbols(census);
		r = by == BY_CALIBRATION ? calibrate_in_place(census, err) : 0;
	} else {
		r = bo_gorecover_allgs(census, by == BY_CALIBRATION, err);
	}
	if (r)
		return r;
	if (bo_gopcln_set_layout(&census->pcln, census->at.moduledata, &census->layout))
		return bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE, "moduledata is not readable");
	if (!symtab)
		bo_gorecover_rest(census, by == BY_CALIBRATION);
	bo_goreasons_load(census);
	return bo_gocheck_all(census, err);
}

static int locate(struct bo_census *census, unsigned flags, struct bo_err *err)
{
	bool have_symbols = census->image.symbols[BO_GOSYM_ALLGPTR] &&
			    census->image.symbols[BO_GOSYM_ALLGLEN];
	struct bo_err last = { 0 };

	for (int by = 0; by < LAYOUTS; by++)
		for (int symtab = have_symbols; symtab >= 0; symtab--) {
			struct bo_err why = { 0 };

			census->pcln.steps_left = BO_GOPCLN_STEPS_MAX;
			census->search_left = BO_CENSUS_SEARCH_MAX;
			if (!try_way(census, symtab, by, flags, &why)) {
				census->info.located = symtab ? "symtab" : "scan";
				census->info.layout = layout_names[by];
				note_attempt(census, census->info.located, census->info.layout, "");
				return 0;
			}
			if (why.code == ESRCH || why.code == EPERM || why.code == EACCES ||
			    why.code == ENOMEM) {
				*(err ? err : &last) = why;
				return -why.code;
			}
			note_attempt(census, symtab ? "symtab" : "scan", layout_names[by], why.msg);
			last = why;
			/* What is missing with the symbols is missing without them. */
			if (symtab && why.code == ENOENT)
				break;
		}
	return bo_err_set(err, ENOTSUP, BO_SUBSYS_PROBE,
			  "process %d (%s): no way to read its goroutines; last tried: %s",
			  census->info.pid, census->info.go_version, last.msg);
}

static int setup(struct bo_census *census, const struct bo_census_source *source, unsigned flags,
		 struct bo_err *err)
{
	uint64_t probe;
	uint8_t ident[4];
	int r;

	if (source->auxv_fd >= 0)
		r = read_bias(census, source->auxv_fd, err);
	else {
		census->bias = source->bias;
		r = 0;
	}
	if (r)
		return r;
	census->info.load_bias = census->bias;
	snprintf(census->info.arch, sizeof(census->info.arch), "%s",
		 census->image.arm64 ? "arm64" : "amd64");
	if (!census->image.nsegments)
		return bo_err_set(err, ENOEXEC, BO_SUBSYS_PROBE, "process %d is not a Go program",
				  census->info.pid);
	/* The first bytes of the program: can this memory be read at all? */
	probe = census->image.segments[0].addr + census->bias;
	r = bo_gomem_read(&census->memory, probe, ident, sizeof(ident));
	if (r && r != -EFAULT)
		return bo_goread_failed(census, r, "its memory", err);
	if (bo_gomem_cache_init(&census->cache, &census->memory) ||
	    bo_gosites_init(&census->sites, &census->pcln))
		return bo_err_set(err, ENOMEM, BO_SUBSYS_PROBE, "out of memory");
	r = load_version(census, err);
	if (!r)
		r = load_tables(census, flags, err);
	if (!r)
		r = locate(census, flags, err);
	/* It may have ended meanwhile, which looks like anything: nothing was found where there is nothing any more. */
	if (r != -ENOMEM) {
		int now = bo_gomem_read(&census->memory, probe, ident, sizeof(ident));

		if (now && now != -EFAULT)
			return bo_goread_failed(census, now, "its memory", err);
	}
	return r;
}

int bo_census_attach_source(struct bo_census **ret, const struct bo_census_source *source,
			    unsigned flags, struct bo_err *err)
{
	/* Closed on every way out; the others go to the handle. */
	bo_auto_fd int auxv_fd __attribute__((unused)) = source->auxv_fd;
	struct bo_census *census = calloc(1, sizeof(*census));
	int64_t t0 = bo_now_ns();
	int r;

	if (census) {
		census->image.fd = -1;
		census->search_left = BO_CENSUS_SEARCH_MAX;
		census->info.pid = source->pid;
	}
	if (!census) {
		if (source->mem_fd >= 0)
			close(source->mem_fd);
		if (source->exe_fd >= 0)
			close(source->exe_fd);
		if (source->memory && source->memory->close)
			source->memory->close(source->memory->self);
		return bo_err_set(err, ENOMEM, BO_SUBSYS_PROBE, "out of memory");
	}
	if (source->memory)
		census->memory = *source->memory;
	else if (source->mem_fd >= 0)
		bo_gomem_fd(&census->memory, source->mem_fd);
	else
		bo_gomem_vm(&census->memory, source->pid);
	r = bo_goimage_open(&census->image, source->exe_fd, err);
	if (r)
		(void)bo_err_wrap(err, "process %d", source->pid);
	else
		r = setup(census, source, flags, err);
	/* What is needed from now on is in memory; a large symbol table need not be. */
	bo_goimage_close(&census->image);
	if (r) {
		bo_census_free(census);
		return r;
	}
	census->info.can_stats = census->at.memstats && census->at.gccontroller;
	census->info.attach_ns = bo_now_ns() - t0;
	*ret = census;
	return 0;
}

/* Why /proc/PID/exe did not open. */
static int exe_failed(pid_t pid, int code, struct bo_err *err)
{
	struct bo_census_access access;
	char path[64], advice[256];

	snprintf(path, sizeof(path), "/proc/%d", pid);
	if (pid > 0 && faccessat(AT_FDCWD, path, F_OK, 0) && kill(pid, 0) && errno == EPERM)
		return bo_err_set(
			err, EACCES, BO_SUBSYS_PROBE,
			"no permission to look into process %d: /proc hides it (mount option hidepid); try sudo brownout census %d",
			pid, pid);
	if (pid <= 0 || faccessat(AT_FDCWD, path, F_OK, 0))
		return bo_err_set(err, ESRCH, BO_SUBSYS_PROBE, "there is no process %d", pid);
	if (code == ENOENT)
		return bo_err_set(err, ENOEXEC, BO_SUBSYS_PROBE,
				  "process %d has no program: a kernel thread, or about to end",
				  pid);
	if (code != EACCES && code != EPERM)
		return bo_err_set(err, code, BO_SUBSYS_PROBE, "%s/exe: %s", path,
				  strerrordesc_np(code));
	bo_census_access_probe(pid, &access);
	return bo_err_set(err, code, BO_SUBSYS_PROBE, "no permission to look into process %d: %s",
			  pid, bo_census_access_advice(&access, advice, sizeof(advice)));
}

int bo_census_attach(struct bo_census **ret, pid_t pid, unsigned flags, struct bo_err *err)
{
	struct bo_census_source source = { .pid = pid, .mem_fd = -1, .exe_fd = -1, .auxv_fd = -1 };
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	source.exe_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (source.exe_fd < 0)
		return exe_failed(pid, errno, err);
	snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	source.auxv_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (source.auxv_fd < 0) {
		int code = errno;

		close(source.exe_fd);
		return exe_failed(pid, code, err);
	}
	return bo_census_attach_source(ret, &source, flags, err);
}

bool bo_census_is_go(int exe_fd)
{
	int fd = fcntl(exe_fd, F_DUPFD_CLOEXEC, 3);
	struct bo_goimage image;
	bool is_go;

	if (fd < 0 || bo_goimage_open(&image, fd, NULL))
		return false;
	is_go = image.is_go;
	bo_goimage_close(&image);
	return is_go;
}

const struct bo_census_info *bo_census_info(const struct bo_census *census)
{
	return &census->info;
}

void bo_census_free(struct bo_census *census)
{
	if (!census)
		return;
	bo_goimage_close(&census->image);
	bo_gosites_done(&census->sites);
	bo_gomem_cache_done(&census->cache);
	bo_gomem_close(&census->memory);
	bo_gowalk_done(&census->walk);
	bo_gotrack_free(census->track);
	bo_golabels_free(census->labels);
	free(census->procs);
	free(census);
}
