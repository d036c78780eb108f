/* SPDX-License-Identifier: Apache-2.0 */
/* Evidence of goroutines: what is asked for and when, the files of a live Go program, and what becomes of them when the
 * disk is full, the folder is none, or the process is gone half-way.  The sampler is a fake: it notes what it is asked.
 * Owns: a folder in /tmp.  Threads: the test's.  Privilege: PTRACE_MODE_ATTACH over the zoo. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "brownout/base/clock.h"
#include "brownout/census.h"
#include "harness/census_view.h"
#include "harness/evidence.h"
#include "zookit.h"

#define ORDERS 1
#define DETAIL (BO_CENSUS_STACKS | BO_CENSUS_LABELS | BO_CENSUS_TRACK)

/* ---- the sampler ---- */

static struct {
	struct bo_sampler_observer observer;
	unsigned leaks; /* asked for so often */
	double latest;
	const char *asked[16];
	size_t nasked;
	unsigned agreed;
} fake;

void bo_sampler_observe(struct bo_sampler *sampler, const struct bo_sampler_observer *observer)
{
	(void)sampler;
	fake.observer = *observer;
}

void bo_sampler_snapshot(struct bo_sampler *sampler, int node, const char *why)
{
	(void)sampler;
	assert_int_equal(node, ORDERS);
	assert_true(fake.nasked < 16);
	fake.asked[fake.nasked++] = why;
}

void bo_sampler_agree(struct bo_sampler *sampler, int node)
{
	(void)sampler;
	assert_int_equal(node, ORDERS);
	fake.agreed++;
}

int64_t bo_sampler_snapshot_ns(struct bo_sampler *sampler, int node)
{
	(void)sampler;
	(void)node;
	return 150 * BO_NSEC_PER_MSEC;
}

void bo_sampler_ask_leaks(struct bo_sampler *sampler, int node)
{
	(void)sampler;
	assert_int_equal(node, ORDERS);
	fake.leaks++;
}

double bo_sampler_latest(struct bo_sampler *sampler, const char *series, int node)
{
	(void)sampler;
	assert_string_equal(series, BO_SERIES_GOROUTINES);
	assert_int_equal(node, ORDERS);
	return fake.latest;
}

/* ---- a run and its folder ---- */

static struct bo_plan *plan;
static struct bo_run *run;
static struct bo_evidence *evidence;
static struct zoo zoo;
static struct bo_census *census;
static struct bo_census_snapshot snap;
static char folder[64];
static int dir = -1;
static struct bo_err err;

static int set_up(void **state)
{
	/* Node 0, the client, is there already. */
	static const struct bo_node_spec nodes[] = {
		{ .name = "orders", .role = BO_ROLE_SUBJECT },
		{ .name = "db", .role = BO_ROLE_DEPENDENCY },
	};

	(void)state;
	memset(&fake, 0, sizeof(fake));
	fake.latest = NAN;
	snprintf(folder, sizeof(folder), "/tmp/brownout-evidence-XXXXXX");
	plan = bo_plan_new();
	for (size_t i = 0; i < 2; i++)
		assert_true(bo_vec_push(&plan->nodes, nodes[i]));
	run = bo_run_new(plan);
	run->t0_ns = bo_now_ns();
	assert_non_null(mkdtemp(folder));
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	assert_int_equal(bo_evidence_new(&evidence, run, (struct bo_sampler *)&fake, dir, &err), 0);
	return 0;
}

/* The names in goroutines/, sorted; NULL ends them. */
static struct dirent **list(int *ret_n)
{
	struct dirent **names;
	char path[96];

	snprintf(path, sizeof(path), "%s/goroutines", folder);
	*ret_n = scandir(path, &names, NULL, alphasort);
	return *ret_n < 0 ? NULL : names;
}

/* The only file whose name ends in @tail, as one string; NULL when there is none.  [owned: free()] */
static char *slurp(const char *tail)
{
	struct dirent **names;
	char path[512], *text = NULL;
	int n;

	names = list(&n);
	for (int i = 0; i < n; i++) {
		size_t len = strlen(names[i]->d_name), want = strlen(tail), size = 0;
		FILE *in;
		int c;

		if (len >= want && !strcmp(names[i]->d_name + len - want, tail)) {
			FILE *out = open_memstream(&text, &size);

			snprintf(path, sizeof(path), "%s/goroutines/%s", folder, names[i]->d_name);
			in = fopen(path, "re");
			assert_non_null(in);
			while ((c = fgetc(in)) != EOF)
				fputc(c, out);
			fclose(in);
			fclose(out);
		}
		free(names[i]);
	}
	free(names);
	return text;
}

static int tear_down(void **state)
{
	struct dirent **names;
	char path[512];
	int n;

	(void)state;
	bo_evidence_free(evidence);
	evidence = NULL;
	bo_census_snapshot_done(&snap);
	memset(&snap, 0, sizeof(snap));
	bo_census_free(census);
	census = NULL;
	zoo_stop(&zoo);
	memset(&zoo, 0, sizeof(zoo));
	names = list(&n);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/goroutines/%s", folder, names[i]->d_name);
		unlink(path);
		free(names[i]);
	}
	free(names);
	snprintf(path, sizeof(path), "%s/goroutines", folder);
	if (rmdir(path) < 0)
		unlink(path);
	rmdir(folder);
	close(dir);
	bo_run_free(run);
	bo_plan_free(plan);
	return 0;
}

static void attach(void)
{
	static const char *const args[] = { "-kinds", "3", NULL };

	assert_true(zoo_start(&zoo, ZOO_DIR "/zoo", args));
	assert_int_equal(bo_census_attach(&census, zoo.pid, 0, &err), 0);
}

/* As the sampler does on its census thread. */
static void show(const char *why, const struct bo_census_snapshot *full)
{
	struct bo_group_snapshot kept = { .node = ORDERS, .t_ns = bo_now_ns() - run->t0_ns };
	struct bo_sampler_taken taken = { why, &kept, census, full, NULL, 0 };

	fake.observer.taken(fake.observer.self, &taken);
}

static void take(const char *why)
{
	assert_int_equal(bo_census_snapshot(census, DETAIL, &snap, &err), 0);
	show(why, &snap);
}

/* @more goroutines, and until all that were spawned, @total, have run and wait. */
static void spawn(unsigned more, uint64_t total)
{
	int64_t deadline_ns = bo_now_ns() + 20 * BO_NSEC_PER_SEC;
	uint64_t waiting = 0;
	char command[32], answer[32];

	snprintf(command, sizeof(command), "spawn %u", more);
	assert_true(zoo_ask(&zoo, command, answer, sizeof(answer)));
	while (waiting != total) {
		assert_true(bo_now_ns() < deadline_ns);
		assert_int_equal(bo_census_snapshot(census, DETAIL, &snap, &err), 0);
		waiting = 0;
		for (size_t i = 0; i < snap.ngroups; i++)
			if (snap.groups[i].state == BO_CENSUS_WAITING &&
			    !strcmp(snap.groups[i].created.func, "main.obey"))
				waiting += snap.groups[i].count;
	}
}

static size_t occurrences(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *at = text; (at = strstr(at, what)); at++)
		n++;
	return n;
}

static const char *said(const char *part)
{
	bo_vec_foreach(e, &run->events)
		if (e->kind == BO_EVENT_NOTE && strstr(e->text, part))
			return e->text;
	return NULL;
}

/* ---- when ---- */

/* @phase of @length_ms, a tick every 20 ms */
static void live(enum bo_phase phase, int64_t length_ms)
{
	for (int64_t ms = 0; ms < length_ms; ms += 20)
		bo_evidence_tick(evidence, phase, ms * BO_NSEC_PER_MSEC,
				 (length_ms - ms) * BO_NSEC_PER_MSEC);
}

static void test_asked_once_at_the_end_of_each_phase(void **state)
{
	(void)state;
	bo_evidence_tick(evidence, BO_PHASE_BASE, 0, 1000 * BO_NSEC_PER_MSEC);
	bo_evidence_tick(evidence, BO_PHASE_BASE, 500 * BO_NSEC_PER_MSEC, 500 * BO_NSEC_PER_MSEC);
	bo_evidence_tick(evidence, BO_PHASE_BASE, 849 * BO_NSEC_PER_MSEC, 151 * BO_NSEC_PER_MSEC);
	assert_int_equal(fake.nasked, 0);
	bo_evidence_tick(evidence, BO_PHASE_BASE, 850 * BO_NSEC_PER_MSEC, 150 * BO_NSEC_PER_MSEC);
	bo_evidence_tick(evidence, BO_PHASE_BASE, 870 * BO_NSEC_PER_MSEC, 130 * BO_NSEC_PER_MSEC);
	assert_int_equal(fake.nasked, 1);
	assert_string_equal(fake.asked[0], "base");
	/* A quarter of a short phase. */
	bo_evidence_tick(evidence, BO_PHASE_HOLD, 140 * BO_NSEC_PER_MSEC, 60 * BO_NSEC_PER_MSEC);
	assert_int_equal(fake.nasked, 1);
	bo_evidence_tick(evidence, BO_PHASE_HOLD, 150 * BO_NSEC_PER_MSEC, 50 * BO_NSEC_PER_MSEC);
	assert_int_equal(fake.nasked, 2);
	assert_string_equal(fake.asked[1], "hold");
}

static void test_a_second_sampler_is_asked_in_base_and_settle(void **state)
{
	(void)state;
	live(BO_PHASE_WARMUP, 400);
	assert_int_equal(fake.agreed, 0);
	bo_evidence_tick(evidence, BO_PHASE_BASE, 200 * BO_NSEC_PER_MSEC, 200 * BO_NSEC_PER_MSEC);
	assert_int_equal(fake.agreed, 0);
	live(BO_PHASE_BASE, 400);
	assert_int_equal(fake.agreed, 1);
	live(BO_PHASE_FAULT, 400);
	live(BO_PHASE_HOLD, 400);
	live(BO_PHASE_HEAL, 400);
	assert_int_equal(fake.agreed, 1);
	live(BO_PHASE_SETTLE, 400);
	assert_int_equal(fake.agreed, 2);
	/* No budget is about leaks. */
	assert_int_equal(fake.leaks, 0);
}

static void test_tripwire(void **state)
{
	static const double counts[] = { 90, 5000, 100, 110, 100 };

	(void)state;
	assert_float_equal(bo_evidence_tripwire(10), 510, 0);
	assert_float_equal(bo_evidence_tripwire(250), 750, 0);
	assert_float_equal(bo_evidence_tripwire(1000), 3000, 0);
	fake.latest = 1e6;
	live(BO_PHASE_WARMUP, 100);
	/* The median: one peak in base does not move it. */
	for (size_t i = 0; i < 5; i++) {
		fake.latest = counts[i];
		bo_evidence_tick(evidence, BO_PHASE_BASE, 0, BO_NSEC_PER_SEC);
	}
	/* A gap is no count. */
	fake.latest = NAN;
	for (size_t i = 0; i < 20; i++)
		bo_evidence_tick(evidence, BO_PHASE_BASE, 0, BO_NSEC_PER_SEC);
	bo_evidence_tick(evidence, BO_PHASE_FAULT, 0, BO_NSEC_PER_SEC);
	fake.latest = 600;
	bo_evidence_tick(evidence, BO_PHASE_FAULT, 0, BO_NSEC_PER_SEC);
	assert_null(said("goroutines, more than"));
	fake.nasked = 0;
	fake.latest = 601;
	bo_evidence_tick(evidence, BO_PHASE_FAULT, 0, BO_NSEC_PER_SEC);
	bo_evidence_tick(evidence, BO_PHASE_FAULT, 0, BO_NSEC_PER_SEC);
	assert_int_equal(fake.nasked, 1);
	assert_string_equal(fake.asked[0], "tripwire");
	assert_non_null(said("orders has 601 goroutines, more than 600"));
}

static void test_without_base_there_is_no_tripwire(void **state)
{
	(void)state;
	fake.latest = 1e6;
	bo_evidence_tick(evidence, BO_PHASE_FAULT, 0, BO_NSEC_PER_SEC);
	bo_evidence_tick(evidence, BO_PHASE_FAULT, 0, BO_NSEC_PER_SEC);
	assert_int_equal(fake.nasked, 0);
}

/* ---- what ---- */

static void name_budgets(void)
{
	static const char *const texts[] = { "goroutines.leaked == 0 at settle",
					     "latency.p99 <= 1s", "goroutines.delta <= 5 at hold" };

	for (size_t i = 0; i < 3; i++) {
		struct bo_budget_result b = { .text = texts[i],
					      .outcome = i < 2 ? BO_FAIL : BO_PASS };

		assert_true(bo_vec_push(&run->verdict.budgets, b));
	}
	bo_evidence_name(evidence);
}

static void test_files(void **state)
{
	struct bo_census_saved saved;
	struct dirent **names;
	char *text, path[512];
	int n, json = 0;

	(void)state;
	attach();
	take("base");
	spawn(40, 40);
	take("tripwire");
	take("fault");
	take("hold");
	spawn(2, 42);
	take("settle");
	/* The process ends, and with it the handle: what was kept are copies. */
	bo_census_free(census);
	census = NULL;
	bo_evidence_finish(evidence);
	assert_null(said("incomplete"));
	names = list(&n);
	for (int i = 0; i < n; i++) {
		size_t len = strlen(names[i]->d_name);

		assert_null(strstr(names[i]->d_name, "fault"));
		if (len > 5 && !strcmp(names[i]->d_name + len - 5, ".json")) {
			json++;
			snprintf(path, sizeof(path), "%s/goroutines/%s", folder, names[i]->d_name);
			assert_int_equal(bo_census_saved_load(&saved, path, &err), 0);
			assert_true(saved.ngroups > 5);
			bo_census_saved_done(&saved);
		}
		free(names[i]);
	}
	free(names);
	/* ".", "..", a text and a JSON of each, and two differences */
	assert_int_equal(n, 2 + 4 * 2 + 2);
	assert_int_equal(json, 4);
	text = slurp("s-orders-hold.txt");
	assert_non_null(text);
	assert_int_equal(occurrences(text, "\ngoroutine ") + 1, zoo_count(&zoo) - 2);
	free(text);
	text = slurp("diff-base-hold.txt");
	assert_non_null(strstr(text, "at the end of hold"));
	assert_non_null(strstr(text, "\n+40 ("));
	assert_non_null(strstr(text, "main.nothing\n"));
	assert_non_null(strstr(text, "created by main."));
	assert_int_equal(occurrences(text, "\n+"), 1);
	free(text);
	text = slurp("diff-base-settle.txt");
	assert_non_null(strstr(text, "at the end of settle"));
	assert_non_null(strstr(text, "\n+42 ("));
	free(text);
	name_budgets();
	assert_string_equal(run->verdict.budgets.items[0].evidence,
			    "goroutines/diff-base-hold.txt, goroutines/diff-base-settle.txt");
	assert_null(run->verdict.budgets.items[1].evidence);
	assert_null(run->verdict.budgets.items[2].evidence);
}

static void test_nothing_to_compare(void **state)
{
	char *text;

	(void)state;
	assert_true(zoo_start(&zoo, ZOO_DIR "/zoo", NULL));
	/* Base could not be looked at. */
	assert_int_equal(bo_census_attach(&census, zoo.pid, 0, &err), 0);
	take("hold");
	bo_evidence_finish(evidence);
	text = slurp("diff-base-hold.txt");
	assert_null(text);
	name_budgets();
	assert_string_equal(run->verdict.budgets.items[0].evidence, "goroutines/");
}

static void test_limits(void **state)
{
	enum { MANY = 2500 };
	static struct bo_census_group groups[2][MANY];
	static char sites[MANY][16];
	struct bo_census_snapshot full = { .user = MANY, .ngroups = MANY };
	char *text;

	(void)state;
	attach();
	for (size_t i = 0; i < MANY; i++) {
		snprintf(sites[i], sizeof(sites[i]), "main.f%zu", i);
		groups[0][i] = (struct bo_census_group){
			.reason = "select",
			.labels = "",
			.created = { .func = sites[i], .outer = sites[i], .file = "" },
			.start = { .func = "", .outer = "", .file = "" },
			.blocked = { .func = "", .outer = "", .file = "" },
			.count = 1,
		};
		groups[1][i] = groups[0][i];
		groups[1][i].count = 2;
	}
	/* Of what shrank nobody asks. */
	groups[0][7].count = 9;
	full.groups = groups[0];
	show("base", &full);
	spawn(21000, 21000);
	full.groups = groups[1];
	show("hold", &full);
	bo_evidence_finish(evidence);
	text = slurp("s-orders-hold.txt");
	assert_int_equal(occurrences(text, "\ngoroutine ") + 1, 20000);
	free(text);
	text = slurp("diff-base-hold.txt");
	assert_int_equal(occurrences(text, "\n+1 (1 -> 2)"), 1999);
	assert_null(strstr(text, "9 -> 2"));
	free(text);
}

/* ---- what goes wrong ---- */

static void test_a_folder_that_is_none(void **state)
{
	int fd = openat(dir, "goroutines", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	attach();
	take("base");
	take("hold");
	bo_evidence_finish(evidence);
	assert_non_null(said("evidence of goroutines is incomplete: "));
	assert_non_null(said("-orders-base.txt: Not a directory"));
	name_budgets();
	assert_null(run->verdict.budgets.items[0].evidence);
}

/* A file that may not grow looks like a full disk to whoever writes it. */
static void test_a_full_disk(void **state)
{
	struct rlimit was, full;
	char *text;

	(void)state;
	attach();
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	full = was;
	full.rlim_cur = 500;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
	take("base");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	take("hold");
	bo_evidence_finish(evidence);
	assert_non_null(said("-orders-base.txt: "));
	/* What is whole is still there, and what was kept in memory is compared. */
	text = slurp("-orders-base.txt");
	assert_non_null(text);
	assert_int_equal(strlen(text), 500);
	free(text);
	assert_null(slurp("-orders-base.json"));
	text = slurp("-orders-hold.json");
	assert_non_null(text);
	free(text);
	text = slurp("diff-base-hold.txt");
	assert_non_null(text);
	free(text);
}

static void test_a_full_disk_at_the_end(void **state)
{
	struct rlimit was, full;

	(void)state;
	attach();
	take("base");
	spawn(40, 40);
	take("hold");
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	full = was;
	full.rlim_cur = 10;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
	bo_evidence_finish(evidence);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_non_null(said("diff-base-hold.txt: could not be written whole"));
}

static void test_a_process_that_is_gone_half_way(void **state)
{
	char *text;

	(void)state;
	attach();
	take("base");
	assert_int_equal(bo_census_snapshot(census, DETAIL, &snap, &err), 0);
	zoo_stop(&zoo);
	memset(&zoo, 0, sizeof(zoo));
	show("hold", &snap);
	bo_evidence_finish(evidence);
	assert_non_null(said("-orders-hold.txt: "));
	assert_null(slurp("-orders-hold.json"));
	/* The groups had been seen before it went. */
	text = slurp("diff-base-hold.txt");
	assert_non_null(strstr(text, "at the end of hold"));
	free(text);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(test_asked_once_at_the_end_of_each_phase),
		CASE(test_a_second_sampler_is_asked_in_base_and_settle),
		CASE(test_tripwire),
		CASE(test_without_base_there_is_no_tripwire),
		CASE(test_files),
		CASE(test_nothing_to_compare),
		CASE(test_limits),
		CASE(test_a_folder_that_is_none),
		CASE(test_a_full_disk),
		CASE(test_a_full_disk_at_the_end),
		CASE(test_a_process_that_is_gone_half_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
