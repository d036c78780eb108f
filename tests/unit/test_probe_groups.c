/* SPDX-License-Identifier: Apache-2.0 */
/* What a run keeps of a census: every text once, the largest groups, the rest as "(other)"; and when two counts agree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "probe/agree.h"
#include "probe/groups.h"

#define MANY (BO_GROUPS_MAX + 50)

static void test_texts_are_kept_once(void **state)
{
	struct bo_arena arena = { 0 };
	struct bo_texts texts = { .arena = &arena };
	char a[] = "main.run", b[] = "main.run";

	(void)state;
	assert_ptr_equal(bo_texts_keep(&texts, a), bo_texts_keep(&texts, b));
	assert_ptr_not_equal(bo_texts_keep(&texts, a), a);
	assert_string_equal(bo_texts_keep(&texts, ""), "");
	for (int i = 0; i < 100000; i++) {
		char label[32];
		const char *kept;

		snprintf(label, sizeof(label), "id-%d", i);
		kept = bo_texts_keep(&texts, label);
		/* A service that never stops inventing labels must not fill the memory. */
		if (i < 1000)
			assert_string_equal(kept, label);
	}
	assert_true(arena.used_bytes < 4 << 20);
	assert_string_equal(bo_texts_keep(&texts, "id-99999"), "\u2026");
	assert_string_equal(bo_texts_keep(&texts, "main.run"), "main.run");
	bo_texts_done(&texts);
	bo_arena_done(&arena);
}

static void make_census(struct bo_census_group *groups, size_t n)
{
	static char sites[MANY][24];

	for (size_t i = 0; i < n; i++) {
		snprintf(sites[i], sizeof(sites[i]), "main.f%zu", i);
		groups[i] = (struct bo_census_group){
			.state = i ? BO_CENSUS_WAITING : BO_CENSUS_LEAKED,
			.reason = "select",
			.created = { .func = sites[i],
				     .outer = sites[i],
				     .file = "/m.go",
				     .line = 7 },
			.start = { .func = "main.g", .outer = "main.g", .file = "" },
			.blocked = { .func = "main.h", .outer = "main.h", .file = "" },
			.labels = "\"route\":\"/pay\"",
			.count = 10,
			.unmoved = 4,
			.older = { 9, 3 },
		};
	}
}

static void test_small_groups_are_merged(void **state)
{
	static struct bo_census_group groups[MANY];
	struct bo_census_snapshot snap = {
		.user = MANY * 10 + 5, .system = 6, .overflow = 5, .groups = groups, .ngroups = MANY
	};
	struct bo_arena arena = { 0 };
	struct bo_texts texts = { .arena = &arena };
	struct bo_group_snapshot kept;
	uint64_t sum = 0;

	(void)state;
	make_census(groups, MANY);
	assert_int_equal(bo_groups_from_census(&texts, &snap, &kept), 0);
	assert_int_equal(kept.ngroups, BO_GROUPS_MAX + 1);
	assert_int_equal(kept.total, MANY * 10 + 5);
	assert_int_equal(kept.system, 6);
	assert_string_equal(kept.groups[0].site, "main.f0");
	assert_string_equal(kept.groups[0].site_line, "/m.go:7");
	assert_string_equal(kept.groups[0].blocked_line, "");
	assert_string_equal(kept.groups[0].blocked_at, "main.h");
	assert_string_equal(kept.groups[0].start, "main.g");
	assert_string_equal(kept.groups[0].state, "select");
	assert_string_equal(kept.groups[0].labels, "\"route\":\"/pay\"");
	assert_int_equal(kept.groups[0].stuck, 4);
	assert_true(kept.groups[0].leaked);
	assert_false(kept.groups[1].leaked);
	assert_int_equal(kept.groups[0].older[0], 9);
	assert_int_equal(kept.groups[0].older[1], 3);
	assert_string_equal(kept.groups[BO_GROUPS_MAX].site, "(other)");
	assert_int_equal(kept.groups[BO_GROUPS_MAX].count, 50 * 10 + 5);
	assert_int_equal(kept.groups[BO_GROUPS_MAX].stuck, 50 * 4);
	assert_int_equal(kept.groups[BO_GROUPS_MAX].older[1], 50 * 3);
	for (size_t i = 0; i < kept.ngroups; i++)
		sum += kept.groups[i].count;
	assert_int_equal(sum, kept.total);
	bo_texts_done(&texts);
	bo_arena_done(&arena);
}

static void test_adopted_memory_outlives_its_arena(void **state)
{
	struct bo_arena run = { 0 }, own = { 0 }, empty = { 0 };
	char *a = bo_arena_strdup(&run, "run"), *b = bo_arena_strdup(&own, "own");
	char *big = bo_arena_alloc(&own, 100000);

	(void)state;
	big[99999] = 1;
	bo_arena_adopt(&run, &own);
	assert_null(own.head);
	bo_arena_adopt(&run, &empty);
	assert_non_null(bo_arena_strdup(&run, "more"));
	assert_string_equal(a, "run");
	assert_string_equal(b, "own");
	bo_arena_adopt(&empty, &run);
	assert_string_equal(b, "own");
	bo_arena_done(&own);
	bo_arena_done(&run);
	assert_int_equal(big[99999], 1);
	bo_arena_done(&empty);
}

static void test_agreement_allows_for_churn(void **state)
{
	(void)state;
	assert_true(bo_agree_within(8, 8, 10));
	assert_true(bo_agree_within(8, 8, 18));
	assert_false(bo_agree_within(8, 8, 19));
	assert_false(bo_agree_within(100, 100, 89));
	assert_true(bo_agree_within(1000, 1000, 1100));
	assert_false(bo_agree_within(1000, 1000, 1101));
	/* Between two counts that are 200 apart another 200 may have come and gone. */
	assert_true(bo_agree_within(800, 1000, 1300));
	assert_false(bo_agree_within(800, 1000, 1301));
	assert_false(bo_agree_within(800, 1000, 499));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts_are_kept_once),
		cmocka_unit_test(test_small_groups_are_merged),
		cmocka_unit_test(test_adopted_memory_outlives_its_arena),
		cmocka_unit_test(test_agreement_allows_for_churn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
