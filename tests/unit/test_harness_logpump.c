/* SPDX-License-Identifier: Apache-2.0 */
/* unit/test_harness_logpump.c — the last words of a node that has just ended are there when they are asked for.
 * Owns: one pump per test.  Threads: the pump's, where one is started.  Privilege: none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/logpump.h"

#define NODE 1

static struct bo_logpump *pump;
static int to_node;

static void begin(void)
{
	char path[] = "/tmp/logpump-XXXXXX";
	int log = mkstemp(path);

	assert_true(log >= 0);
	unlink(path);
	assert_int_equal(bo_logpump_new(&pump, NODE + 1, NULL), 0);
	assert_int_equal(bo_logpump_add(pump, NODE, log, NULL, &to_node, NULL), 0);
}

static void print(const char *text)
{
	assert_int_equal(write(to_node, text, strlen(text)), strlen(text));
}

/* The thread is not even started: the slowest one there can be. */
static void last_line_does_not_wait_for_the_thread(void **state)
{
	struct bo_logpump_stats stats;
	char line[64];

	(void)state;
	begin();
	print("first\nlast words\n");
	bo_logpump_last_line(pump, NODE, line, sizeof(line));
	assert_string_equal(line, "last words");
	bo_logpump_stats(pump, NODE, &stats);
	assert_int_equal(stats.kept, 17);
	bo_logpump_free(pump);
}

/* Both read the same pipe: nothing may be lost, doubled or torn. */
static void last_line_beside_the_thread(void **state)
{
	struct bo_logpump_stats stats;
	char line[64];

	(void)state;
	begin();
	assert_int_equal(bo_logpump_start(pump, NULL), 0);
	for (int i = 0; i < 2000; i++) {
		print(i % 2 ? "odd and long\n" : "even\n");
		bo_logpump_last_line(pump, NODE, line, sizeof(line));
		assert_string_equal(line, i % 2 ? "odd and long" : "even");
	}
	bo_logpump_stats(pump, NODE, &stats);
	assert_int_equal(stats.bytes, 1000 * (5 + 13));
	bo_logpump_free(pump);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(last_line_does_not_wait_for_the_thread),
		cmocka_unit_test(last_line_beside_the_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
