/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_census_hostile.c — a target that lies: every number that is read is the target's to choose.
 * The rule is bounded time and memory, and an error or an honest count instead of nonsense.
 * Owns: nothing.  Threads: one.  Privilege: none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "world.h"

static struct world *world;
static struct bo_census *census;
static struct bo_census_snapshot snap;
static struct bo_err err;

static int setup(void **state)
{
	(void)state;
	memset(&err, 0, sizeof(err));
	world = world_new();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bo_census_snapshot_done(&snap);
	bo_census_free(census);
	census = NULL;
	world_free(world);
	return 0;
}

static void attach(void)
{
	if (world_attach(world, &census, 0, &err))
		fail_msg("%s", err.msg);
}

static int look(void)
{
	return bo_census_snapshot(census, BO_CENSUS_ALL, &snap, &err);
}

static uint64_t fact(enum bo_go_fact f)
{
	struct bo_go_layout l;

	assert_true(bo_go_version_layout(26, &l));
	return (uint64_t)l.at[f];
}

/* The made-up process in good order: otherwise the tests below would prove nothing. */
static void test_good_world(void **state)
{
	int64_t count = 0;

	(void)state;
	attach();
	assert_string_equal(bo_census_info(census)->located, "scan");
	assert_string_equal(bo_census_info(census)->layout, "table");
	assert_true(bo_census_info(census)->can_count);
	assert_int_equal(bo_census_count(census, &count, &err), 0);
	assert_int_equal(count, WORLD_USER);
	assert_int_equal(look(), 0);
	assert_int_equal(snap.user, WORLD_USER);
	assert_int_equal(snap.system, 4);
	assert_int_equal(snap.dead, 6);
	assert_int_equal(snap.torn + snap.unreadable + snap.overflow, 0);
	assert_string_equal(snap.groups[0].created.func, "main.spawn");
	assert_string_equal(snap.groups[0].blocked.func, "main.worker");
	assert_string_equal(snap.groups[0].blocked.file, "/src/world.go");
	assert_int_equal(snap.groups[0].blocked.line, 10);
}

static void test_calibrated(void **state)
{
	(void)state;
	assert_int_equal(world_attach(world, &census, BO_CENSUS_NO_TABLE, &err), 0);
	assert_string_equal(bo_census_info(census)->layout, "calibrated");
	assert_int_equal(look(), 0);
	assert_int_equal(snap.user, WORLD_USER);
}

static void test_absurd_lengths(void **state)
{
	static const uint64_t lengths[] = { UINT64_C(1) << 60, UINT64_MAX, UINT64_C(1) << 25, 0 };
	int64_t start = bo_now_ns();

	(void)state;
	attach();
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		world_poke(world, WORLD_ALLGS + 8, lengths[i], 8);
		world_poke(world, WORLD_ALLGS + 16, lengths[i], 8);
		assert_int_equal(look(), -EBADMSG);
	}
	/* As long as an allgs may be, but with nothing behind it. */
	world_poke(world, WORLD_ALLGS + 8, 1 << 20, 8);
	world_poke(world, WORLD_ALLGS + 16, 1 << 20, 8);
	assert_true(look() < 0);
	assert_true(bo_now_ns() - start < 20 * BO_NSEC_PER_SEC);
}

static void test_absurd_at_attach(void **state)
{
	(void)state;
	world_poke(world, WORLD_ALLGS + 8, UINT64_C(1) << 60, 8);
	world_poke(world, WORLD_ALLGS + 16, UINT64_C(1) << 60, 8);
	assert_int_equal(world_attach(world, &census, 0, &err), -ENOTSUP);
	assert_non_null(strstr(err.msg, "no way to read its goroutines"));
}

static void test_bad_pointers(void **state)
{
	(void)state;
	attach();
	world_poke(world, WORLD_HEAP + 8 * 10, 0, 8);
	world_poke(world, WORLD_HEAP + 8 * 11, UINT64_MAX - 7, 8);
	world_poke(world, WORLD_HEAP + 8 * 12, 0xdead0000, 8);
	/* All the others are counted; these three are named. */
	assert_int_equal(look(), 0);
	assert_int_equal(snap.unreadable, 3);
	assert_int_equal(snap.user, WORLD_USER - 3);
	/* Twice the same g is counted twice: the array says so. */
	world_poke(world, WORLD_HEAP + 8 * 10, WORLD_G(9), 8);
	assert_int_equal(look(), 0);
	assert_int_equal(snap.unreadable, 2);
}

/* A stack whose return addresses lead nowhere, back to itself, or for ever up. */
static void test_bad_stacks(void **state)
{
	uint64_t sp = WORLD_STACK(6) + 2048 - 2 * 32 - 64;

	(void)state;
	attach();
	for (uint64_t at = sp & ~UINT64_C(7); at < WORLD_STACK(6) + 2048; at += 8)
		world_poke(world, at, WORLD_TEXT + 3 * 256 + 10, 8);
	world_poke(world, WORLD_G(7) + fact(BO_GO_G_SCHED_SP), UINT64_MAX - 3, 8);
	world_poke(world, WORLD_G(8) + fact(BO_GO_G_SCHED_SP), 0, 8);
	world_poke(world, WORLD_G(9) + fact(BO_GO_G_STACK_HI), UINT64_MAX, 8);
	world_poke(world, WORLD_G(10) + fact(BO_GO_G_SCHED_PC), 0x1234, 8);
	world_poke(world, WORLD_G(11) + fact(BO_GO_G_LABELS), WORLD_G(11), 8);
	assert_int_equal(look(), 0);
	assert_int_equal(snap.user, WORLD_USER);
	for (size_t i = 0; i < snap.ngroups; i++)
		assert_true(snap.groups[i].nframes <= BO_CENSUS_FRAMES_MAX);
}

/* Tables of functions that point everywhere. */
static void test_bad_function_tables(void **state)
{
	(void)state;
	attach();
	bo_census_free(census);
	census = NULL;
	for (uint64_t at = 0x4200; at < 0x4240; at++)
		world_poke(world, WORLD_RODATA + at, 0x80, 1);
	for (uint64_t f = 3; f < 128; f++)
		for (uint64_t k = 16; k < 44; k += 4)
			world_poke(world, WORLD_RODATA + 0x5000 + f * 64 + k, 0xffffffff, 4);
	attach();
	assert_int_equal(look(), 0);
	assert_int_equal(snap.user, WORLD_USER);
	assert_string_equal(snap.groups[0].created.func, "main.spawn");
	assert_string_equal(snap.groups[0].created.file, "");
	assert_int_equal(snap.groups[0].created.line, 0);
}

static void test_other_program(void **state)
{
	int64_t count;

	(void)state;
	attach();
	world_poke(world, WORLD_DATA + 0x100, 0, 8);
	assert_int_equal(bo_census_count(census, &count, &err), -ESTALE);
	assert_int_equal(look(), -ESTALE);
	assert_non_null(strstr(err.msg, "another program"));
}

/* The process may end at any read: always -ESRCH, never a wrong number. */
static void test_ends_at_any_read(void **state)
{
	uint64_t reads;

	(void)state;
	attach();
	reads = world->reads;
	bo_census_free(census);
	census = NULL;
	for (uint64_t n = 0; n < reads; n++) {
		world->gone = false;
		world->fail_after = (int64_t)n;
		memset(&err, 0, sizeof(err));
		assert_int_equal(world_attach(world, &census, 0, &err), -ESRCH);
		assert_non_null(strstr(err.msg, "gone"));
	}
	world->gone = false;
	world->fail_after = -1;
	attach();
	reads = world->reads;
	assert_int_equal(look(), 0);
	reads = world->reads - reads;
	/* Once its g's are read, a stack that cannot be read only costs its frames. */
	for (uint64_t n = 0; n < 4; n++) {
		world->gone = false;
		world->fail_after = (int64_t)n;
		assert_int_equal(look(), -ESRCH);
	}
	assert_true(reads > 4);
}

/* One goroutine changes at every look: the reading settles on something or says that it is torn. */
static void changing(struct world *w)
{
	uint64_t at = WORLD_G(20) + fact(BO_GO_G_TRACKINGSEQ);

	world_poke(w, at, w->reads, 1);
}

static void test_torn(void **state)
{
	(void)state;
	attach();
	world->flicker = changing;
	assert_int_equal(look(), 0);
	assert_int_equal(snap.torn, 1);
	assert_int_equal(snap.user, WORLD_USER);
}

/* Where nothing changes that matters, a look reads the table's place, the table, and all g's twice; nothing a third time. */
static void changing_m(struct world *w)
{
	world_poke(w, WORLD_G(20) + 48, w->reads, 8);
}

static void test_reads_twice(void **state)
{
	uint64_t before;

	(void)state;
	attach();
	for (int i = 0; i < 4; i++) {
		world->flicker = i < 2 ? NULL : changing_m;
		before = world->reads;
		assert_int_equal(bo_census_snapshot(census, 0, &snap, &err), 0);
		assert_int_equal(snap.user, WORLD_USER);
		assert_int_equal(snap.torn, 0);
		assert_int_equal(world->reads - before, 4);
	}
}

/* A kernel that refuses to read several g's at once. */
static ssize_t (*read_all)(void *self, const struct bo_census_piece *pieces, size_t n);

static ssize_t refuse_merged(void *self, const struct bo_census_piece *pieces, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (pieces[i].len > 1024)
			return i ? read_all(self, pieces, i) : 0;
	return read_all(self, pieces, n);
}

static void test_one_by_one(void **state)
{
	(void)state;
	attach();
	read_all = census->memory.read;
	census->memory.read = refuse_merged;
	assert_int_equal(look(), 0);
	assert_int_equal(snap.user, WORLD_USER);
	assert_int_equal(snap.torn + snap.unreadable, 0);
	world->flicker = changing;
	assert_int_equal(look(), 0);
	assert_int_equal(snap.user, WORLD_USER);
	assert_int_equal(snap.torn, 1);
	assert_int_equal(snap.unreadable, 0);
}

/* allgs moves while it is read, and its old home is used for something else at once: nobody may be missed. */
static void moving(struct world *w)
{
	static bool away;
	uint64_t homes[2] = { WORLD_HEAP, WORLD_HEAP + 0x4000 };

	if (w->reads % 5)
		return;
	away = !away;
	for (int i = 0; i < WORLD_GS; i++) {
		world_poke(w, homes[away] + (uint64_t)i * 8, WORLD_G(i), 8);
		world_poke(w, homes[!away] + (uint64_t)i * 8, 0xdead0000, 8);
	}
	world_poke(w, WORLD_ALLGS, homes[away], 8);
}

static void test_allgs_moves(void **state)
{
	(void)state;
	attach();
	world->flicker = moving;
	for (int i = 0; i < 50; i++) {
		assert_int_equal(look(), 0);
		assert_int_equal(snap.user, WORLD_USER);
		assert_int_equal(snap.unreadable, 0);
	}
}

/* The file names a release whose layout is another one: the check must notice, and the next way be taken. */
static void test_wrong_table(void **state)
{
	(void)state;
	memcpy(world_at(world, WORLD_DATA + 32, 9), "\x08go1.23.0", 9);
	attach();
	assert_string_equal(bo_census_info(census)->layout, "calibrated");
	assert_int_equal(look(), 0);
	assert_int_equal(snap.user, WORLD_USER);
}

/* The first few look well, the rest does not: that is no goroutine table, whatever the file says of it. */
static void test_senseless_goroutines(void **state)
{
	(void)state;
	for (int i = 8; i < 20; i++)
		world_poke(world, WORLD_G(i) + fact(BO_GO_G_STATUS), 77, 4);
	assert_int_equal(world_attach(world, &census, 0, &err), -ENOTSUP);
	assert_non_null(
		strstr(err.msg, "12 of 40 goroutines make no sense: status is out of range"));
}

/* So many different goroutines that no table holds them: those beyond are said to be in no group, and still counted. */
static void test_many_depths(void **state)
{
	(void)state;
	attach();
	for (int i = 5; i < WORLD_GS - 6; i++)
		world_poke(world, WORLD_G(i) + fact(BO_GO_G_STACK_HI),
			   WORLD_STACK(i) + 2048 + (uint64_t)i * 8, 8);
	assert_int_equal(look(), 0);
	assert_int_equal(snap.user, WORLD_USER);
	/* Their depths differ, but they block at one line for one of two reasons. */
	assert_true(snap.ngroups < 12);
}

int main(void)
{
#define HOSTILE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		HOSTILE(test_good_world),          HOSTILE(test_calibrated),
		HOSTILE(test_absurd_lengths),      HOSTILE(test_absurd_at_attach),
		HOSTILE(test_bad_pointers),        HOSTILE(test_bad_stacks),
		HOSTILE(test_bad_function_tables), HOSTILE(test_other_program),
		HOSTILE(test_ends_at_any_read),    HOSTILE(test_torn),
		HOSTILE(test_allgs_moves),         HOSTILE(test_wrong_table),
		HOSTILE(test_many_depths),         HOSTILE(test_senseless_goroutines),
		HOSTILE(test_reads_twice),         HOSTILE(test_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
