/* SPDX-License-Identifier: Apache-2.0 */
/* test_script_url.c — which URLs a scenario may name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "script-internal.h"

static void accept_url(const char *text, const char *host, int port, const char *path)
{
	struct bo_script_url url;
	struct bo_err err = { 0 };

	if (bo_script_url_parse(text, &url, &err))
		fail_msg("%s: %s", text, err.msg);
	assert_string_equal(url.host, host);
	assert_int_equal(url.port, port);
	assert_string_equal(url.path, path);
}

static void test_good(void **state)
{
	(void)state;
	accept_url("http://orders", "orders", 80, "");
	accept_url("http://orders/", "orders", 80, "/");
	accept_url("http://orders:8080/a/b?c=d:e@f", "orders", 8080, "/a/b?c=d:e@f");
	accept_url("http://orders?x=1", "orders", 80, "?x=1");
	accept_url("http://db:65535", "db", 65535, "");
	accept_url("http://db:1/", "db", 1, "/");
}

static void test_bad(void **state)
{
	static const char *const bad[] = {
		"",
		"orders",
		"http:/orders",
		"http://",
		"http:///x",
		"http://:80/",
		"http://db:/",
		"http://db:0/",
		"http://db:65536/",
		"http://db:8o/",
		"http://db:123456/",
		"http://db: 80/",
		"http://db/a b",
		"http://db/a\r\nX:",
		"http://db/#top",
		"https://db/",
		"http://me:pw@db/",
		"http://me@db/",
		"HTTP://db/",
		"ftp://db/",
		"http://d b/",
		"http://db:80:80/",
		"http://a\tb/",
		"http://db/\x7f",
		"http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct bo_script_url url = { .port = -7 };
		struct bo_err err = { 0 };

		if (bo_script_url_parse(bad[i], &url, &err) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(url.port, -7); /* untouched */
		assert_true(*err.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
