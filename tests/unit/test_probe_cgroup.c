/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_probe_cgroup.c — cgroup v1 and v2 files, their parsing and their series.
 * The files are memfds that stand in for what the keeper opens.  Owns: them.  Threads: the
 * sampler's.  Privilege: none. */
#include "sampler_kit.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "probe/probe-internal.h"

static void write_file(int fd, const char *text)
{
	size_t n = strlen(text);
	char padded[256];

	/* One write of constant length, so that the reader never sees a half-written file. */
	assert_true(n < sizeof(padded));
	memset(padded, '\n', sizeof(padded));
	memcpy(padded, text, n);
	if (n == 0)
		assert_int_equal(ftruncate(fd, 0), 0);
	else
		assert_int_equal(pwrite(fd, padded, sizeof(padded), 0), sizeof(padded));
}

static int fake_file(const char *text)
{
	int fd = memfd_create("cgroup file", MFD_CLOEXEC);

	assert_true(fd >= 0);
	write_file(fd, text);
	return fd;
}

static void test_values(void **state)
{
	static const char *const bad[] = { "",      "\n",     "max5\n", "-5\n",
					   "5 6\n", "five\n", " 5\n",   "0x5\n" };
	int64_t v;

	(void)state;
	assert_int_equal(bo_cgroup_parse_value("268435456\n", &v), 0);
	assert_int_equal(v, 268435456);
	assert_int_equal(bo_cgroup_parse_value("0", &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(bo_cgroup_parse_value("max\n", &v), 0);
	assert_true(bo_cgroup_is_unlimited(v));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (bo_cgroup_parse_value(bad[i], &v) != -EBADMSG)
			fail_msg("taken for a number: '%s'", bad[i]);
	}
}

static void test_v1_unlimited_on_any_page_size(void **state)
{
	int64_t v;

	(void)state;
	assert_int_equal(bo_cgroup_parse_value("9223372036854771712\n", &v), 0); /* 4 KiB pages */
	assert_true(bo_cgroup_is_unlimited(v));
	assert_int_equal(bo_cgroup_parse_value("9223372036854710272\n", &v), 0); /* 64 KiB pages */
	assert_true(bo_cgroup_is_unlimited(v));
	assert_int_equal(bo_cgroup_parse_value("18446744073709551615\n", &v), 0);
	assert_true(bo_cgroup_is_unlimited(v));
	assert_false(bo_cgroup_is_unlimited(INT64_C(1) << 50));
}

static void test_keys(void **state)
{
	static const char events[] =
		"low 0\nhigh 12\nmax 34\noom 1\noom_kill 5\noom_group_kill 0\n";
	int64_t v;

	(void)state;
	assert_int_equal(bo_cgroup_parse_key(events, "low", &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(bo_cgroup_parse_key(events, "oom", &v), 0);
	assert_int_equal(v, 1);
	assert_int_equal(bo_cgroup_parse_key(events, "oom_kill", &v), 0);
	assert_int_equal(v, 5);
	assert_int_equal(bo_cgroup_parse_key(events, "kill", &v), -ENOENT);
	assert_int_equal(bo_cgroup_parse_key("oom_kill_disable 0\nunder_oom 0\noom_kill 7",
					     "oom_kill", &v),
			 0);
	assert_int_equal(v, 7);
	assert_int_equal(bo_cgroup_parse_key("oom_kill x\n", "oom_kill", &v), -EBADMSG);
	assert_int_equal(bo_cgroup_parse_key("", "oom_kill", &v), -ENOENT);
}

struct files {
	int usage, limit, events, failcnt;
};

/* The sampler consumes its descriptors; the test writes through duplicates. */
static struct bo_cgroup_files lend(const struct files *f, int version)
{
	return (struct bo_cgroup_files){ .version = version,
					 .usage = dup(f->usage),
					 .limit = dup(f->limit),
					 .events = dup(f->events),
					 .failcnt = f->failcnt >= 0 ? dup(f->failcnt) : -1,
					 .high = -1 };
}

static void close_files(struct files *f)
{
	close(f->usage);
	close(f->limit);
	close(f->events);
	if (f->failcnt >= 0)
		close(f->failcnt);
}

static void test_v1_series(void **state)
{
	struct files f = { fake_file("1048576"), fake_file("9223372036854771712"),
			   fake_file("oom_kill_disable 0\nunder_oom 0\noom_kill 2"),
			   fake_file("3") };
	struct kit *k = kit_new();
	int node = kit_node(k, "db", BO_ROLE_DEPENDENCY);

	(void)state;
	k->nodes[0].files = lend(&f, 1);
	kit_sampler(k);
	kit_start(k);
	kit_wait(k, BO_SERIES_MEMORY, node, kit_equal, 1048576);
	kit_wait(k, BO_SERIES_OOM_KILLS, node, kit_equal, 2);
	kit_wait(k, BO_SERIES_MEMORY_FAILCNT, node, kit_equal, 3);
	assert_true(isnan(bo_sampler_latest(k->sampler, BO_SERIES_MEMORY_LIMIT, node)));
	write_file(f.limit, "67108864");
	kit_wait(k, BO_SERIES_MEMORY_LIMIT, node, kit_equal, 67108864);
	write_file(f.limit, "9223372036854771712");
	kit_wait(k, BO_SERIES_MEMORY_LIMIT, node, kit_none, 0);
	bo_sampler_stop(k->sampler);

	assert_null(bo_run_series(k->run, BO_SERIES_MEMORY_HIGH, node));
	assert_string_equal(kit_series(k, BO_SERIES_MEMORY, node)->source, "cgroup v1");
	assert_int_equal(kit_gaps(kit_series(k, BO_SERIES_MEMORY_LIMIT, node)), 0);
	bo_vec_foreach(s, &kit_series(k, BO_SERIES_MEMORY_LIMIT, node)->samples)
		assert_float_equal(s->value, 67108864, 0);
	kit_free(k);
	close_files(&f);
}

static void test_v2_series(void **state)
{
	struct files f = { fake_file("2097152"), fake_file("max"),
			   fake_file("low 0\nhigh 12\nmax 34\noom 1\noom_kill 5"), -1 };
	struct kit *k = kit_new();
	int node = kit_node(k, "orders", BO_ROLE_SUBJECT);

	(void)state;
	k->nodes[0].files = lend(&f, 2);
	kit_sampler(k);
	kit_start(k);
	kit_wait(k, BO_SERIES_MEMORY, node, kit_equal, 2097152);
	kit_wait(k, BO_SERIES_MEMORY_HIGH, node, kit_equal, 12);
	kit_wait(k, BO_SERIES_MEMORY_FAILCNT, node, kit_equal, 34);
	kit_wait(k, BO_SERIES_OOM_KILLS, node, kit_equal, 5);
	assert_true(isnan(bo_sampler_latest(k->sampler, BO_SERIES_MEMORY_LIMIT, node)));
	write_file(f.limit, "1073741824");
	kit_wait(k, BO_SERIES_MEMORY_LIMIT, node, kit_equal, 1073741824);
	bo_sampler_stop(k->sampler);
	assert_string_equal(kit_series(k, BO_SERIES_OOM_KILLS, node)->source, "cgroup v2");
	kit_free(k);
	close_files(&f);
}

static void test_unreadable_file_is_a_gap_of_its_series_alone(void **state)
{
	struct files f = { fake_file("4096"), fake_file("8192"),
			   fake_file("low 0\nhigh 0\nmax 0\noom 0\noom_kill 0"), -1 };
	struct kit *k = kit_new();
	int node = kit_node(k, "orders", BO_ROLE_SUBJECT);

	(void)state;
	k->nodes[0].files = lend(&f, 2);
	kit_sampler(k);
	kit_start(k);
	kit_wait(k, BO_SERIES_MEMORY, node, kit_equal, 4096);
	write_file(f.usage, "");
	kit_wait(k, BO_SERIES_MEMORY, node, kit_none, 0);
	write_file(f.usage, "5 apples");
	write_file(f.events, "low 0");
	kit_wait(k, BO_SERIES_OOM_KILLS, node, kit_none, 0);
	write_file(f.usage, "12288");
	kit_wait(k, BO_SERIES_MEMORY, node, kit_equal, 12288);
	bo_sampler_stop(k->sampler);
	assert_true(kit_has_gap(kit_series(k, BO_SERIES_MEMORY, node),
				"cannot read the cgroup: empty file"));
	assert_true(kit_has_gap(kit_series(k, BO_SERIES_OOM_KILLS, node),
				"the kernel does not count 'oom_kill'"));
	assert_int_equal(kit_gaps(kit_series(k, BO_SERIES_MEMORY_LIMIT, node)), 0);
	kit_free(k);
	close_files(&f);
}

static void test_no_cgroup_no_series(void **state)
{
	struct kit *k = kit_new();
	int node = kit_node(k, "orders", BO_ROLE_SUBJECT);

	(void)state;
	kit_sampler(k);
	assert_null(bo_run_series(k->run, BO_SERIES_MEMORY, node));
	assert_true(isnan(bo_sampler_latest(k->sampler, BO_SERIES_MEMORY, node)));
	kit_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_v1_unlimited_on_any_page_size),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_v1_series),
		cmocka_unit_test(test_v2_series),
		cmocka_unit_test(test_unreadable_file_is_a_gap_of_its_series_alone),
		cmocka_unit_test(test_no_cgroup_no_series),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
