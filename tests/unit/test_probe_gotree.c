/* SPDX-License-Identifier: Apache-2.0 */
/* Which process of a tree is the Go program: wrappers, supervisors, several of them, none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/clock.h"
#include "brownout/probe/gotree.h"
#include "zookit.h"

#define ZOO ZOO_DIR "/zoo"

static struct zoo start(const char *path, const char *const *args)
{
	struct zoo zoo;

	if (!zoo_start(&zoo, path, args))
		fail_msg("%s did not start", path);
	return zoo;
}

static int port_of(const struct zoo *zoo)
{
	const char *colon = strrchr(zoo->address, ':');

	assert_non_null(colon);
	return atoi(colon + 1);
}

static void expect(const struct zoo *zoo, int port, bool wrapped, const char *why)
{
	struct bo_gochoice c;

	bo_gotree_choose(zoo->pid, port, NULL, &c);
	assert_string_equal(c.name, "zoo");
	assert_int_equal(c.wrapped, wrapped);
	assert_int_equal(c.pid == zoo->pid, !wrapped);
	if (!strstr(c.why, why) || (!*why && *c.why))
		fail_msg("\"%s\" is not said: %s", why, c.why);
}

static void test_wrappers(void **state)
{
	static const char *const sh[] = { "-c", "\"$0\" -kinds 1; true", ZOO, NULL };
	static const char *const timeout[] = { "600", ZOO, "-kinds", "1", NULL };
	static const char *const env[] = { "A=b", ZOO, NULL };
	struct zoo zoo = start("/bin/sh", sh);

	(void)state;
	expect(&zoo, 0, true, ": the only Go program");
	expect(&zoo, 80, true, "zoo (pid ");
	zoo_stop(&zoo);
	zoo = start("/usr/bin/timeout", timeout);
	expect(&zoo, 0, true, " below timeout (pid ");
	zoo_stop(&zoo);
	/* env(1) becomes the program. */
	zoo = start("/usr/bin/env", env);
	expect(&zoo, 0, false, "");
	zoo_stop(&zoo);
}

static void test_several(void **state)
{
	static const char *const own[] = { "-supervise", "-http", "127.0.0.1:0", NULL };
	static const char *const wrapped[] = { "-c", "\"$0\" -supervise -http 127.0.0.1:0; true",
					       ZOO, NULL };
	struct zoo zoo = start(ZOO, own);
	struct bo_gotree tree;
	struct bo_gochoice c;
	char said[64];

	(void)state;
	snprintf(said, sizeof(said), "of 2 Go programs the one that listens on port %d",
		 port_of(&zoo));
	expect(&zoo, port_of(&zoo), true, said);
	expect(&zoo, 0, false, "of 2 Go programs the node's own command");
	expect(&zoo, port_of(&zoo) == 1 ? 2 : 1, false, "the node's own command");
	zoo_stop(&zoo);

	zoo = start("/bin/sh", wrapped);
	expect(&zoo, port_of(&zoo), true, "the one that listens on port");
	expect(&zoo, 0, true, "the first of 2 Go programs to start");
	/* The first to start is the supervisor, the one that listens its child. */
	bo_gotree_list(&tree, zoo.pid, port_of(&zoo), NULL);
	assert_int_equal(tree.n, 2);
	assert_string_equal(tree.root_name, "sh");
	assert_false(tree.procs[0].listens);
	assert_true(tree.procs[1].listens);
	bo_gotree_choose(zoo.pid, 0, NULL, &c);
	assert_int_equal(c.pid, tree.procs[0].pid);
	zoo_stop(&zoo);
	kill(tree.procs[0].pid, SIGKILL); /* sh is gone, and it is nobody's child now */
}

/* Nothing known to be Go: the root, whatever it is. */
static void test_none(void **state)
{
	struct bo_gochoice c;
	struct bo_gotree tree;
	pid_t gone = fork();

	(void)state;
	bo_gotree_choose(getpid(), 0, NULL, &c);
	assert_int_equal(c.pid, getpid());
	assert_string_equal(c.name, "test_probe_gotree");
	assert_string_equal(c.why, "");
	if (!gone)
		_exit(0);
	waitpid(gone, NULL, 0);
	bo_gotree_choose(gone, 0, NULL, &c);
	assert_int_equal(c.pid, gone);
	bo_gotree_list(&tree, gone, 80, NULL);
	assert_int_equal(tree.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrappers),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
