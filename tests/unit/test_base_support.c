/* SPDX-License-Identifier: Apache-2.0 */
/* Errors, arena, string buffer, vectors, undo stack and random numbers.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/arena.h"
#include "brownout/base/rng.h"
#include "brownout/base/strbuf.h"
#include "brownout/base/undo.h"
#include "brownout/base/vec.h"

static void errors(void **state)
{
	struct bo_err err = { 0 };
	char big[2000];

	(void)state;
	assert_int_equal(bo_err_set(&err, ENOENT, BO_SUBSYS_LAB, "no %s", "db"), -ENOENT);
	assert_int_equal(bo_err_wrap(&err, "start"), -ENOENT);
	assert_string_equal(err.msg, "start: no db");
	assert_string_equal(bo_subsys_name(err.subsys), "lab");
	errno = EACCES;
	assert_int_equal(bo_err_errno(&err, BO_SUBSYS_SYS, "open %s", "x"), -EACCES);
	assert_string_equal(err.msg, "open x: Permission denied");
	memset(big, 'a', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	bo_err_set(&err, EIO, BO_SUBSYS_SYS, "%s", big);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	bo_err_wrap(&err, "%s", big);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	assert_int_equal(bo_err_set(NULL, EIO, BO_SUBSYS_SYS, "x"), -EIO);
	assert_int_equal(bo_err_wrap(NULL, "x"), -EINVAL);
}

/* What a message quotes can neither break its line nor steer a terminal. */
static void quoted_texts(void **state)
{
	static const struct {
		const char *quoted, *shown;
	} cases[] = {
		{ "64\aM\n\t\r", "64\\x07M\\n\\t\\x0d" },
		{ "\x1b[31mred\x7f", "\\x1b[31mred\\x7f" },
		{ "caf\u00e9 \u2026 \U0001f600", "caf\u00e9 \u2026 \U0001f600" },
		{ "\xc2\x9b"
		  "2J \u00a0",
		  "\\xc2\\x9b2J \u00a0" }, /* CSI as one character */
		{ "a\u202eb\u2068c\u2028", "a\\xe2\\x80\\xaeb\\xe2\\x81\\xa8c\\xe2\\x80\\xa8" },
		{ "cut \xe2\x80", "cut \\xe2\\x80" },
		{ "\xff\x80\xc0", "\\xff\\x80\\xc0" },
	};
	struct bo_err err = { 0 };
	char want[256], many[600];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bo_err_set(&err, EINVAL, BO_SUBSYS_BASE, "found \"%s\"", cases[i].quoted);
		snprintf(want, sizeof(want), "found \"%s\"", cases[i].shown);
		assert_string_equal(err.msg, want);
		bo_err_wrap(&err, "%s", cases[i].quoted);
		snprintf(want, sizeof(want), "%s: found \"%s\"", cases[i].shown, cases[i].shown);
		assert_string_equal(err.msg, want);
		errno = EACCES;
		bo_err_errno(&err, BO_SUBSYS_SYS, "open %s", cases[i].quoted);
		snprintf(want, sizeof(want), "open %s: Permission denied", cases[i].shown);
		assert_string_equal(err.msg, want);
	}
	/* They take four times the room: cut between two of them, never overrun. */
	memset(many, 1, sizeof(many));
	many[sizeof(many) - 1] = '\0';
	bo_err_set(&err, EINVAL, BO_SUBSYS_BASE, "%s", many);
	assert_int_equal(strlen(err.msg), (sizeof(err.msg) - 1) / 4 * 4);
	assert_int_equal(strspn(err.msg, "\\x01"), strlen(err.msg));
}

static void arena(void **state)
{
	struct bo_arena a = { 0 };
	char *many[1000];

	(void)state;
	for (int i = 0; i < 1000; i++)
		many[i] = bo_arena_printf(&a, "string number %d", i);
	assert_string_equal(many[0], "string number 0");
	assert_string_equal(many[999], "string number 999");
	assert_int_equal((uintptr_t)bo_arena_alloc(&a, 3) % _Alignof(max_align_t), 0);
	assert_non_null(bo_arena_alloc(&a, 1 << 20));
	assert_null(bo_arena_alloc(&a, SIZE_MAX));
	assert_null(bo_arena_strdup(&a, NULL));
	bo_arena_done(&a);
	assert_null(a.head);
}

static void text(void **state)
{
	struct bo_strbuf sb = { 0 };

	(void)state;
	assert_string_equal(bo_strbuf_str(&sb), "");
	for (int i = 0; i < 100; i++)
		bo_strbuf_printf(&sb, "%d,", i);
	bo_strbuf_puts(&sb, "end");
	assert_true(bo_strbuf_ok(&sb));
	assert_int_equal(sb.len, strlen(bo_strbuf_str(&sb)));
	assert_string_equal(bo_strbuf_str(&sb) + sb.len - 6, "99,end");
	bo_strbuf_add(&sb, "x", SIZE_MAX - 2);
	assert_false(bo_strbuf_ok(&sb));
	bo_strbuf_done(&sb);
}

static void vectors(void **state)
{
	BO_VEC(int) v = { 0 };
	int sum = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_true(bo_vec_push(&v, i));
	bo_vec_foreach(x, &v)
		sum += *x;
	assert_int_equal(sum, 499500);
	assert_false(bo_vec_reserve(&v, SIZE_MAX / 2));
	assert_int_equal(v.len, 1000);
	bo_vec_done(&v);
	bo_vec_foreach(x, &v)
		fail_msg("an empty vector has an item %d", *x);
}

static char trace[32];

static int undo_one(void *self, long arg, struct bo_err *err)
{
	size_t n = strlen(trace);

	trace[n] = (char)('0' + arg);
	trace[n + 1] = '\0';
	return arg == 2 ? bo_err_set(err, EBUSY, BO_SUBSYS_LAB, "%s is busy", (const char *)self)
			: 0;
}

static void undo_is_last_first_and_goes_on(void **state)
{
	struct bo_undo undo = { 0 };
	struct bo_err err = { 0 };
	char self[] = "it";

	(void)state;
	trace[0] = '\0';
	for (long i = 1; i <= 4; i++)
		assert_int_equal(bo_undo_push(&undo, "thing", undo_one, self, i, &err), 0);
	bo_undo_cancel(&undo, undo_one, self, 3);
	assert_int_equal(bo_undo_run(&undo, &err), 1);
	assert_string_equal(trace, "421");
	assert_string_equal(err.msg, "undo thing: it is busy");
	assert_int_equal(undo.depth, 0);
	assert_int_equal(bo_undo_run(&undo, &err), 0);
}

static void random_numbers(void **state)
{
	struct bo_rng a, b, c;
	double sum = 0, exp_sum = 0;
	int same = 0;

	(void)state;
	bo_rng_init(&a, 7, 1);
	bo_rng_init(&b, 7, 1);
	bo_rng_init(&c, 7, 2);
	for (int i = 0; i < 1000; i++) {
		uint64_t x = bo_rng_u64(&a);

		assert_int_equal(x, bo_rng_u64(&b));
		same += x == bo_rng_u64(&c);
	}
	assert_int_equal(same, 0);
	for (int i = 0; i < 100000; i++) {
		double u = bo_rng_unit(&a), e = bo_rng_exp(&b);

		assert_true(u >= 0 && u < 1);
		assert_true(e >= 0 && isfinite(e));
		sum += u;
		exp_sum += e;
	}
	/* five standard errors */
	assert_true(fabs(sum / 1e5 - 0.5) < 5 * 0.2887 / sqrt(1e5));
	assert_true(fabs(exp_sum / 1e5 - 1.0) < 5 / sqrt(1e5));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors),         cmocka_unit_test(quoted_texts),
		cmocka_unit_test(arena),          cmocka_unit_test(text),
		cmocka_unit_test(vectors),        cmocka_unit_test(undo_is_last_first_and_goes_on),
		cmocka_unit_test(random_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
