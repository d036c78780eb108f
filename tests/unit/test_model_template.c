/* SPDX-License-Identifier: Apache-2.0 */
/* test_model_template.c — values in requests: which, how, and the same for the same seed.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "brownout/model/template.h"

static char *render(const char *text, uint64_t seed, uint64_t n)
{
	struct bo_template_values v;
	struct bo_strbuf sb = { 0 };

	bo_template_values_init(&v, seed, 1, n, 1700000000123);
	bo_template_render(&sb, text, strlen(text), &v);
	assert_true(bo_strbuf_ok(&sb));
	return sb.buf ? sb.buf : strdup("");
}

static void renders(const char *text, uint64_t n, const char *want)
{
	char *got = render(text, 1, n);

	assert_string_equal(got, want);
	free(got);
}

static void test_plain(void **state)
{
	(void)state;
	renders("", 1, "");
	renders("/a/b?c={d}", 1, "/a/b?c={d}");
	renders("/orders/{{n}}", 42, "/orders/42");
	renders("{{n}}{{n}}-{{now}}", 7, "77-1700000000123");
	renders("{\"a\":{{{{n}}}", 7, "{\"a\":{{n}}}");
	renders("{{rand:1}}", 7, "0");
}

static void test_uuid(void **state)
{
	char *got = render("{{uuid}} {{uuid}}", 1, 1), *next = render("{{uuid}}", 1, 2);

	(void)state;
	/* The same everywhere in a request, another in the next. */
	assert_int_equal(strlen(got), 36 + 1 + 36);
	assert_memory_equal(got, got + 37, 36);
	assert_memory_not_equal(got, next, 36);
	/* RFC 9562: version 4, variant 10. */
	assert_int_equal(got[14], '4');
	assert_non_null(strchr("89ab", got[19]));
	for (int i = 0; i < 36; i++)
		assert_non_null(
			strchr(i == 8 || i == 13 || i == 18 || i == 23 ? "-" : "0123456789abcdef",
			       got[i]));
	free(got);
	free(next);
}

static void test_rand(void **state)
{
	int seen[10] = { 0 };

	(void)state;
	for (uint64_t n = 1; n <= 10000; n++) {
		char *got = render("{{rand:10}}{{rand:10}}", 5, n);

		assert_int_equal(strlen(got), 2);
		seen[got[0] - '0']++;
		free(got);
	}
	for (int i = 0; i < 10; i++)
		assert_in_range(seen[i], 850, 1150);
}

static void test_seed_decides(void **state)
{
	char *a = render("{{uuid}}{{rand:1000000}}", 1, 9);
	char *same = render("{{uuid}}{{rand:1000000}}", 1, 9);
	char *other = render("{{uuid}}{{rand:1000000}}", 2, 9);

	(void)state;
	assert_string_equal(a, same);
	assert_string_not_equal(a, other);
	free(a);
	free(same);
	free(other);
}

static void refuses(const char *text, const char *why)
{
	struct bo_err err = { 0 };

	assert_int_equal(bo_template_check(text, strlen(text), &err), -EINVAL);
	if (!strstr(err.msg, why))
		fail_msg("'%s' does not say '%s'", err.msg, why);
}

static void test_check(void **state)
{
	struct bo_err err = { 0 };

	(void)state;
	assert_int_equal(bo_template_check("{{n}}{{uuid}}{{now}}{{rand:5}}{{{{", 35, &err), 0);
	assert_int_equal(bo_template_check(NULL, 0, &err), 0);
	refuses("{{m}}", "unknown template '{{m}}'");
	refuses("{{ n }}", "unknown template '{{ n }}'");
	refuses("{{rand}}", "unknown template");
	refuses("{{rand:}}", "unknown template");
	refuses("{{rand:0}}", "unknown template");
	refuses("{{rand:1x}}", "unknown template");
	refuses("{{rand:-1}}", "unknown template");
	refuses("{{rand:9999999999999999999}}", "unknown template");
	refuses("{{}}", "unknown template");
	refuses("a{{n", "without '}}'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain), cmocka_unit_test(test_uuid),
		cmocka_unit_test(test_rand),  cmocka_unit_test(test_seed_decides),
		cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests_name("model/template", tests, NULL, NULL);
}
