/* SPDX-License-Identifier: Apache-2.0 */
/* tests/census/matrix.c — the census against the runtime's own word, for many builds of the zoo.
 *   census_matrix [--repeats N] [--table FILE] BINARY...
 * Per binary: the count against runtime.NumGoroutine(), every goroutine's state, stack and origin against
 * goroutine?debug=2, groups against both; each way of finding the tables that the binary allows; then N censuses while
 * goroutines come and go, in which no group may appear that the program cannot have.  One line per binary, exit 1
 * when anything is wrong.  Binaries for arm64 run under qemu-user; 77 when that is not installed.
 * Two readings can only be compared when nothing has run in between: see read_at_rest().
 * Owns: the zoos.  Threads: one.  Privilege: none. */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "brownout/base/clock.h"
#include "brownout/census.h"
#include "dump.h"
#include "zookit.h"

/* Until the zoo has come to rest; a limit of patience. */
#define REST_NS (60 * BO_NSEC_PER_SEC)
#define BUILDS_MAX 16

struct result {
	char release[64], build[32];
	char ways[96];
	int nways;
	int64_t attach_ns;
	int failures;
};

static void complain(struct result *r, const char *binary, const char *way, const char *text)
{
	if (r->failures++ < 8)
		fprintf(stderr, "%s, %s: %s\n", binary, way, text);
}

/* So many that have ended that free g structures are on the lists of every p and on the global ones. */
static const char *const zoo_args[] = { "-kinds", "7", "-net",    "3", "-pipes", "2",   "-locked",
					"-pool",  "3", "-leaked", "4", "-ended", "500", NULL };
static const char *const churn_args[] = { "-kinds", "7", "-churn", "4", "-quiet=false", NULL };

/* Programs for arm64 run under an emulator, whose memory holds the program's at the program's own addresses. */
#define EMULATOR "/usr/bin/qemu-aarch64-static"

static bool is_arm64(const char *binary)
{
	uint8_t head[20] = { 0 };
	FILE *f = fopen(binary, "re");
	size_t n = f ? fread(head, 1, sizeof(head), f) : 0;

	if (f)
		fclose(f);
	/* e_machine, little-endian: EM_AARCH64 is 183. */
	return n == sizeof(head) && head[18] == 183;
}

static bool start(struct zoo *zoo, const char *binary, const char *const *args)
{
	const char *emulated[32] = { binary };

	if (!is_arm64(binary))
		return zoo_start(zoo, binary, args);
	for (size_t i = 0; args[i] && i < 30; i++)
		emulated[i + 1] = args[i];
	return zoo_start(zoo, EMULATOR, emulated);
}

static int attach(struct bo_census **ret, const char *binary, pid_t pid, unsigned flags,
		  struct bo_err *err)
{
	struct bo_census_source source = { .pid = pid, .mem_fd = -1, .exe_fd = -1, .auxv_fd = -1 };

	if (!is_arm64(binary))
		return bo_census_attach(ret, pid, flags, err);
	source.exe_fd = open(binary, O_RDONLY | O_CLOEXEC);
	return bo_census_attach_source(ret, &source, flags, err);
}

static char *our_dump(struct bo_census *census, struct bo_err *err)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int r = out ? bo_census_write_goroutines(census, out, UINT64_MAX, NULL, err) : -1;

	if (out)
		fclose(out);
	if (r) {
		free(text);
		return NULL;
	}
	return text;
}

/* Goroutine 1 writes the runtime's dump, so it alone stands elsewhere in it. */
static void compare_dumps(struct result *r, const char *binary, const char *way,
			  const struct dump *runtime, const struct dump *ours)
{
	char why[512];

	if (runtime->n != ours->n) {
		snprintf(why, sizeof(why), "%zu goroutines in debug=2, %zu in the census",
			 runtime->n, ours->n);
		complain(r, binary, way, why);
	}
	for (size_t i = 0; i < runtime->n; i++) {
		const struct dump_block *mine = dump_find(ours, runtime->blocks[i].goid);
		char text[640];

		if (runtime->blocks[i].goid == 1)
			continue;
		if (!mine) {
			snprintf(text, sizeof(text), "goroutine %" PRIu64 " is missing",
				 runtime->blocks[i].goid);
			complain(r, binary, way, text);
		} else if (!dump_agrees(&runtime->blocks[i], mine, why, sizeof(why))) {
			snprintf(text, sizeof(text), "goroutine %" PRIu64 ": %s", mine->goid, why);
			complain(r, binary, way, text);
		}
	}
}

/* How many goroutines of the dump belong to the group, by state, origin and blocking line. */
static uint64_t expected(const struct dump *runtime, const struct bo_census_group *g)
{
	uint64_t n = 0;

	for (size_t i = 0; i < runtime->n; i++) {
		const struct dump_block *b = &runtime->blocks[i];
		char at[600];
		bool there = false;

		snprintf(at, sizeof(at), "%s:%d", g->created.file, g->created.line);
		if (b->goid == 1 || strcmp(b->state, g->reason) || strcmp(b->created.at, at))
			continue;
		snprintf(at, sizeof(at), "%s:%d", g->blocked.file, g->blocked.line);
		for (size_t k = 0; k < b->nframes; k++)
			there |= !strcmp(b->frames[k].at, at);
		n += there;
	}
	return n;
}

static void compare_groups(struct result *r, const char *binary, const char *way,
			   const struct dump *runtime, const struct bo_census_snapshot *snap)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < snap->ngroups; i++) {
		const struct bo_census_group *g = &snap->groups[i];
		char text[512];
		uint64_t want;

		if (g->goid == 1) {
			sum++;
			continue;
		}
		want = expected(runtime, g);
		sum += g->count;
		if (g->count == want)
			continue;
		snprintf(text, sizeof(text),
			 "group [%s] created at %s:%d blocked at %s:%d has %" PRIu64
			 ", debug=2 %" PRIu64,
			 g->reason, g->created.file, g->created.line, g->blocked.func,
			 g->blocked.line, g->count, want);
		complain(r, binary, way, text);
	}
	if (sum != snap->user)
		complain(r, binary, way, "the groups do not add up to the goroutines");
}

/* The collector's numbers, whichever way memstats and gcController were found. */
static void compare_stats(struct result *r, const char *binary, const char *way,
			  struct bo_census *census, struct zoo *zoo)
{
	struct bo_census_stats stats;
	struct bo_err err = { 0 };
	long long cycles, forced, pauses;
	char answer[128], text[256];

	if (!bo_census_info(census)->can_stats) {
		/* On arm64 a binary without symbols does not lead there. */
		if (!is_arm64(binary))
			complain(r, binary, way, "the collector's numbers were not found");
		return;
	}
	if (bo_census_stats(census, &stats, &err) || !zoo_ask(zoo, "mem", answer, sizeof(answer)) ||
	    sscanf(answer, "%lld %lld %lld", &cycles, &forced, &pauses) != 3) {
		complain(r, binary, way, err.msg);
		return;
	}
	if (stats.gc_cycles != cycles || stats.gc_forced != forced ||
	    stats.gc_pause_total_ns != pauses || stats.gogc != -1 ||
	    stats.memory_limit_bytes != INT64_MAX || stats.heap_live_bytes <= 0) {
		snprintf(text, sizeof(text),
			 "collector: %s, and the census has %" PRId64 " %" PRId64 " %" PRId64,
			 answer, stats.gc_cycles, stats.gc_forced, stats.gc_pause_total_ns);
		complain(r, binary, way, text);
	}
}

/* Everything but goroutine 1, which writes the dump, stands where it stood. */
static bool same_dumps(const struct dump *a, const struct dump *b)
{
	char why[512];

	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		const struct dump_block *other = dump_find(b, a->blocks[i].goid);

		if (!other || (a->blocks[i].goid != 1 &&
			       !dump_agrees(&a->blocks[i], other, why, sizeof(why))))
			return false;
	}
	return true;
}

/** struct readings - of one moment: the runtime's word, and ours */
struct readings {
	int64_t want, have;
	int count_failed;
	struct bo_census_snapshot snap;
	struct dump runtime, ours;
};

static void readings_done(struct readings *m)
{
	dump_done(&m->runtime);
	dump_done(&m->ours);
	bo_census_snapshot_done(&m->snap);
	*m = (struct readings){ 0 };
}

/* Our own readings; false when they fail, or when the process ran meanwhile. */
static bool read_ours(struct readings *m, struct bo_census *census, pid_t pid, struct bo_err *err)
{
	uint64_t pulse = zoo_pulse(pid);

	if (!pulse)
		return false;
	m->count_failed = bo_census_count(census, &m->have, err);
	return !bo_census_snapshot(census, BO_CENSUS_STACKS | BO_CENSUS_LABELS, &m->snap, err) &&
	       dump_parse(&m->ours, our_dump(census, err)) && zoo_pulse(pid) == pulse;
}

/*
 * The zoo goes on for a moment after it has answered (a connection to accept, a thread on its way to sleep), on a busy
 * machine for long.  What counts is a reading of ours during which, by the kernel's word, none of its threads ran, between two
 * dumps by the runtime that say the same.
 */
static bool read_at_rest(struct readings *m, struct bo_census *census, struct zoo *zoo,
			 struct bo_err *err)
{
	int64_t end = bo_now_ns() + REST_NS;

	while (bo_now_ns() < end) {
		struct dump before = { 0 };
		bool good = dump_parse(&before, zoo_stacks(zoo)), rests = false;

		while (good && !rests && bo_now_ns() < end) {
			rests = read_ours(m, census, zoo->pid, err);
			if (!rests) {
				dump_done(&m->ours);
				poll(NULL, 0, 1);
			}
		}
		m->want = zoo_count(zoo);
		good = rests && dump_parse(&m->runtime, zoo_stacks(zoo)) &&
		       same_dumps(&before, &m->runtime);
		dump_done(&before);
		if (good)
			return true;
		readings_done(m);
	}
	return false;
}

/* One way in, on a process that rests. */
static void check_quiet(struct result *r, const char *binary, struct zoo *zoo, unsigned flags)
{
	struct bo_census *census = NULL;
	struct readings m = { 0 };
	struct bo_err err = { 0 };
	char way[64] = "attach", text[256];

	if (attach(&census, binary, zoo->pid, flags, &err)) {
		complain(r, binary, way, err.msg);
		return;
	}
	snprintf(way, sizeof(way), "%s+%s", bo_census_info(census)->located,
		 bo_census_info(census)->layout);
	if (!strstr(r->ways, way)) {
		snprintf(r->ways + strlen(r->ways), sizeof(r->ways) - strlen(r->ways), "%s%s",
			 r->ways[0] ? " " : "", way);
		r->nways++;
	}
	if (!r->attach_ns)
		r->attach_ns = bo_census_info(census)->attach_ns;
	if (!read_at_rest(&m, census, zoo, &err)) {
		complain(r, binary, way, err.msg[0] ? err.msg : "it did not come to rest");
		bo_census_free(census);
		return;
	}
	if (m.count_failed) {
		complain(r, binary, way, err.msg);
	} else if (m.have != m.want || m.snap.user != (uint64_t)m.want) {
		snprintf(text, sizeof(text),
			 "NumGoroutine() is %" PRId64 ", the count %" PRId64
			 ", the census has %" PRIu64,
			 m.want, m.have, m.snap.user);
		complain(r, binary, way, text);
	}
	/* A calibrated layout promises neither system calls' stacks nor inlined lines. */
	if (strcmp(bo_census_info(census)->layout, "calibrated")) {
		compare_stats(r, binary, way, census, zoo);
		compare_groups(r, binary, way, &m.runtime, &m.snap);
		compare_dumps(r, binary, way, &m.runtime, &m.ours);
	}
	readings_done(&m);
	bo_census_free(census);
}

/* While goroutines come and go: what rests must be there in full each time, and nothing that the zoo has not. */
static void check_churn(struct result *r, const char *binary, const char *const *args, int repeats)
{
	struct bo_census_snapshot snap = { 0 };
	struct bo_census *census = NULL;
	struct bo_err err = { 0 };
	struct zoo zoo;
	char text[512];

	if (!start(&zoo, binary, args)) {
		complain(r, binary, "churn", "does not start");
		return;
	}
	if (attach(&census, binary, zoo.pid, 0, &err))
		complain(r, binary, "churn", err.msg);
	for (int i = 0; census && i < repeats; i++) {
		uint64_t resting = 0;

		if (bo_census_snapshot(census, BO_CENSUS_STACKS | BO_CENSUS_TRACK, &snap, &err)) {
			complain(r, binary, "churn", err.msg);
			break;
		}
		for (size_t k = 0; k < snap.ngroups; k++) {
			const struct bo_census_group *g = &snap.groups[k];

			if (!strcmp(g->created.outer, "main.eachKind") ||
			    !strcmp(g->created.outer, "main.spawnInlined"))
				resting += g->count;
			else if (strncmp(g->created.outer, "main.", 5) &&
				 strncmp(g->start.func, "runtime.", 8)) {
				snprintf(text, sizeof(text),
					 "a group that cannot be: [%s] by %s, %s", g->reason,
					 g->created.func, g->start.func);
				complain(r, binary, "churn", text);
			}
		}
		if (resting != 12 * 7 || snap.unreadable) {
			snprintf(text, sizeof(text),
				 "%" PRIu64 " of %d resting goroutines, %" PRIu64 " unreadable",
				 resting, 12 * 7, snap.unreadable);
			complain(r, binary, "churn", text);
		}
	}
	bo_census_snapshot_done(&snap);
	bo_census_free(census);
	zoo_stop(&zoo);
}

static struct result check_binary(const char *binary, int repeats)
{
	/* Each flag set leads to another way; where a binary lacks something, two may lead to the same. */
	static const unsigned flags[] = { 0, BO_CENSUS_NO_DWARF, BO_CENSUS_NO_SYMTAB,
					  BO_CENSUS_NO_SYMTAB | BO_CENSUS_NO_DWARF,
					  BO_CENSUS_NO_SYMTAB | BO_CENSUS_NO_DWARF |
						  BO_CENSUS_NO_TABLE };
	struct result r = { .release = "?" };
	const char *name = strrchr(binary, '/') ? strrchr(binary, '/') + 1 : binary;
	const char *build = strchr(name, '-');
	struct zoo zoo;

	snprintf(r.build, sizeof(r.build), "%s", build ? build + 1 : "default");
	if (!start(&zoo, binary, zoo_args)) {
		complain(&r, binary, "start", "does not start");
	} else {
		char answer[16];

		snprintf(r.release, sizeof(r.release), "%s", zoo.version);
		(void)zoo_ask(&zoo, "gc", answer, sizeof(answer));
		for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
			check_quiet(&r, binary, &zoo, flags[i]);
		zoo_stop(&zoo);
		check_churn(&r, binary, churn_args, repeats);
	}
	printf("%-28s %-10s %-4s attach %5.1f ms  %s\n", name, r.release,
	       r.failures ? "FAIL" : "ok", (double)r.attach_ns / 1e6, r.ways);
	fflush(stdout);
	return r;
}

/* Releases down, ways of building across, both in the order of the command line. */
static void print_table(FILE *out, const struct result *results, int n, int repeats)
{
	const char *builds[BUILDS_MAX];
	int nbuilds = 0;

	for (int i = 0; i < n; i++) {
		int k = 0;

		while (k < nbuilds && strcmp(builds[k], results[i].build))
			k++;
		if (k == nbuilds && nbuilds < BUILDS_MAX)
			builds[nbuilds++] = results[i].build;
	}
	fprintf(out, "\n%-12s", "");
	for (int k = 0; k < nbuilds; k++)
		fprintf(out, " %-12s", builds[k]);
	fputc('\n', out);
	for (int i = 0; i < n; i++) {
		bool printed = false;

		for (int k = 0; k < i; k++)
			printed |= !strcmp(results[k].release, results[i].release);
		if (printed)
			continue;
		fprintf(out, "%-12s", results[i].release);
		for (int b = 0; b < nbuilds; b++) {
			char cell[32] = "-";

			for (int k = i; k < n; k++)
				if (!strcmp(results[k].release, results[i].release) &&
				    !strcmp(results[k].build, builds[b]))
					snprintf(cell, sizeof(cell),
						 results[k].failures ? "FAIL (%d)" : "ok (%d)",
						 results[k].failures ? results[k].failures
								     : results[k].nways);
			fprintf(out, " %-12s", cell);
		}
		fputc('\n', out);
	}
	fprintf(out,
		"ok (n): count, groups and every stack are the runtime's own by n ways of finding the tables, and in %d\n"
		"censuses under churn no group is wrong.  FAIL (n): n differences.\n",
		repeats);
}

int main(int argc, char **argv)
{
	int repeats = 100, failures = 0, n = 0;
	struct result *results = calloc((size_t)argc, sizeof(*results));
	const char *table = NULL;
	FILE *out;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--repeats") && i + 1 < argc) {
			repeats = atoi(argv[++i]);
			continue;
		}
		if (!strcmp(argv[i], "--table") && i + 1 < argc) {
			table = argv[++i];
			continue;
		}
		if (is_arm64(argv[i]) && access(EMULATOR, X_OK)) {
			printf("%s needs %s (package qemu-user-static)\n", argv[i], EMULATOR);
			return 77;
		}
		results[n] = check_binary(argv[i], repeats);
		failures += results[n++].failures;
	}
	if (!n) {
		fprintf(stderr, "usage: census_matrix [--repeats N] [--table FILE] BINARY...\n");
		return 2;
	}
	out = table ? fopen(table, "we") : stdout;
	if (!out) {
		perror(table);
		return 1;
	}
	print_table(out, results, n, repeats);
	fprintf(out, "%d builds, %d failures\n", n, failures);
	if (table)
		fclose(out);
	free(results);
	return failures != 0;
}
