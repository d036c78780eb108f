/* SPDX-License-Identifier: Apache-2.0 */
/* test_base_nearest.c — which misspelling means which word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "brownout/base/nearest.h"

static const char *const words[] = { "delay", "loss", "rate", "blackhole", "kill", NULL };

static void test_distance(void **state)
{
	(void)state;
	assert_int_equal(bo_nearest_distance("", ""), 0);
	assert_int_equal(bo_nearest_distance("", "abc"), 3);
	assert_int_equal(bo_nearest_distance("abc", ""), 3);
	assert_int_equal(bo_nearest_distance("delay", "delay"), 0);
	assert_int_equal(bo_nearest_distance("delay", "dela"), 1);
	assert_int_equal(bo_nearest_distance("delay", "dellay"), 1);
	assert_int_equal(bo_nearest_distance("delay", "deley"), 1);
	assert_int_equal(bo_nearest_distance("delay", "dealy"), 1); /* neighbours swapped */
	assert_int_equal(bo_nearest_distance("kitten", "sitting"), 3);
	assert_int_equal(bo_nearest_distance("ca", "abc"),
			 3); /* optimal string alignment, not Damerau's 2 */
}

static void test_long_words_are_far(void **state)
{
	char word[65];

	(void)state;
	memset(word, 'a', 64);
	word[64] = '\0';
	assert_true(bo_nearest_distance(word, word) == SIZE_MAX);
	assert_null(bo_nearest(word, words));
	word[63] = '\0';
	assert_int_equal(bo_nearest_distance(word, word), 0);
}

static void test_nearest(void **state)
{
	char buf[64];

	(void)state;
	assert_string_equal(bo_nearest("dealy", words), "delay");
	assert_string_equal(bo_nearest("los", words), "loss");
	assert_string_equal(bo_nearest("balckhole", words), "blackhole");
	assert_null(bo_nearest("partition", words));
	assert_null(bo_nearest("xy", words));
	assert_null(bo_nearest("delay", NULL));
	assert_string_equal(bo_nearest_hint("ratte", words, buf, sizeof(buf)),
			    "; did you mean 'rate'?");
	assert_string_equal(bo_nearest_hint("corrupt", words, buf, sizeof(buf)), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_long_words_are_far),
		cmocka_unit_test(test_nearest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
