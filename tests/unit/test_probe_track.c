/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_probe_track.c — where gaps begin and end.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "probe/probe-internal.h"

struct fixture {
	struct bo_series series;
	struct bo_track track;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	bo_track_begin(&f->track, &f->series, -50);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	bo_vec_done(&f->series.samples);
	bo_vec_done(&f->series.gaps);
	free(f);
	return 0;
}

static void assert_gap(const struct fixture *f, size_t i, int64_t from_ns, int64_t to_ns,
		       const char *reason)
{
	assert_true(i < f->series.gaps.len);
	assert_int_equal(f->series.gaps.items[i].from_ns, from_ns);
	assert_int_equal(f->series.gaps.items[i].to_ns, to_ns);
	assert_string_equal(f->series.gaps.items[i].reason, reason);
}

static void test_gap_spans_last_good_to_next_good(void **state)
{
	struct fixture *f = *state;

	assert_true(isnan(bo_track_known(&f->track)));
	bo_track_sample(&f->track, 100, 7);
	bo_track_gap(&f->track, 200, "no answer");
	assert_true(isnan(bo_track_latest(&f->track)));
	assert_float_equal(bo_track_known(&f->track), 7, 0);
	bo_track_gap(&f->track, 300, "no answer");
	assert_int_equal(f->series.gaps.len, 0);
	bo_track_sample(&f->track, 400, 9);
	assert_int_equal(f->series.gaps.len, 1);
	assert_gap(f, 0, 100, 400, "no answer");
	assert_int_equal(f->series.samples.len, 2);
	assert_float_equal(bo_track_latest(&f->track), 9, 0);
}

static void test_gap_before_the_first_sample(void **state)
{
	struct fixture *f = *state;

	assert_true(isnan(bo_track_latest(&f->track)));
	bo_track_gap(&f->track, 0, "refused");
	bo_track_sample(&f->track, 100, 1);
	assert_gap(f, 0, -50, 100, "refused");
}

static void test_gap_splits_where_its_reason_changes(void **state)
{
	struct fixture *f = *state;

	bo_track_sample(&f->track, 0, 1);
	bo_track_gap(&f->track, 10, "down");
	bo_track_gap(&f->track, 20, "down");
	bo_track_gap(&f->track, 30, "refused");
	bo_track_gap(&f->track, 40, "down");
	bo_track_sample(&f->track, 50, 1);
	assert_int_equal(f->series.gaps.len, 3);
	assert_gap(f, 0, 0, 30, "down");
	assert_gap(f, 1, 30, 40, "refused");
	assert_gap(f, 2, 40, 50, "down");
}

static void test_open_gap_ends_with_the_track(void **state)
{
	struct fixture *f = *state;

	bo_track_sample(&f->track, 0, 1);
	bo_track_gap(&f->track, 10, "down");
	bo_track_end(&f->track, 99);
	bo_track_end(&f->track, 120);
	assert_int_equal(f->series.gaps.len, 1);
	assert_gap(f, 0, 0, 99, "down");
}

static void test_absence_is_no_gap(void **state)
{
	struct fixture *f = *state;

	bo_track_sample(&f->track, 0, 64);
	bo_track_end(&f->track, 10); /* the limit was lifted */
	assert_true(isnan(bo_track_latest(&f->track)));
	bo_track_sample(&f->track, 20, 32);
	assert_int_equal(f->series.gaps.len, 0);
	bo_track_end(&f->track, 30);
	bo_track_gap(&f->track, 40, "gone");
	bo_track_end(&f->track, 50);
	assert_gap(f, 0, 30, 50, "gone");
}

static void test_reasons_are_kept_once_and_bounded(void **state)
{
	struct bo_reasons r = { 0 };
	char text[32] = "HTTP 503";
	const char *first = bo_reasons_intern(&r, text);

	(void)state;
	text[5] = '4';
	assert_string_equal(first, "HTTP 503");
	assert_ptr_equal(bo_reasons_intern(&r, "HTTP 503"), first);
	assert_ptr_not_equal(bo_reasons_intern(&r, text), first);
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "HTTP %d", 1000 + i);
		assert_non_null(bo_reasons_intern(&r, text));
	}
	assert_true(r.texts.len <= 64);
	assert_string_equal(bo_reasons_intern(&r, "HTTP 1999"), "other failures");
	bo_reasons_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_gap_spans_last_good_to_next_good, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_gap_before_the_first_sample, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gap_splits_where_its_reason_changes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_open_gap_ends_with_the_track, setup, teardown),
		cmocka_unit_test_setup_teardown(test_absence_is_no_gap, setup, teardown),
		cmocka_unit_test(test_reasons_are_kept_once_and_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
