/* SPDX-License-Identifier: Apache-2.0 */
/* unit/test_sys_caps.c — what is given up stays given up; who is meant by SUDO_UID.
 * Owns: forked children.  Threads: none.  Privilege: any; more is checked as root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/sys/caps.h"

static bool has(cap_value_t cap, cap_flag_t set)
{
	cap_t now = cap_get_proc();
	cap_flag_value_t v = CAP_CLEAR;

	cap_get_flag(now, cap, set, &v);
	cap_free(now);
	return v == CAP_SET;
}

/* Credentials cannot be had back, so each case runs in a child; its exit status is the line that failed, modulo 256. */
#define IN_CHILD(...)                         \
	do {                                  \
		int status_;                  \
		pid_t pid_ = fork();          \
		if (pid_ == 0) {              \
			__VA_ARGS__;          \
			_exit(0);             \
		}                             \
		waitpid(pid_, &status_, 0);   \
		assert_int_equal(status_, 0); \
	} while (0)
#define MUST(cond)                                 \
	do {                                       \
		if (!(cond))                       \
			_exit(__LINE__ % 255 + 1); \
	} while (0)

static void keeps_only_what_is_named(void **state)
{
	const cap_value_t keep[] = { CAP_KILL };
	bool had = has(CAP_KILL, CAP_PERMITTED);
	bool could_cut = has(CAP_SETPCAP, CAP_EFFECTIVE);

	(void)state;
	IN_CHILD({
		MUST(bo_caps_keep(keep, 1, NULL) == 0);
		MUST(has(CAP_KILL, CAP_EFFECTIVE) == had);
		MUST(!has(CAP_SYS_ADMIN, CAP_PERMITTED));
		MUST(!has(CAP_KILL, CAP_INHERITABLE));
		MUST(cap_get_bound(CAP_SYS_ADMIN) == 0 || !could_cut);
		MUST(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
		/* a dead end: asking for more again gives nothing */
		const cap_value_t more[] = { CAP_KILL, CAP_SYS_ADMIN };
		MUST(bo_caps_keep(more, 2, NULL) == 0);
		MUST(!has(CAP_SYS_ADMIN, CAP_PERMITTED));
		MUST(bo_caps_keep(NULL, 0, NULL) == 0);
		MUST(!has(CAP_KILL, CAP_PERMITTED));
	});
}

static void becomes_a_user_for_good(void **state)
{
	const struct bo_user user = { .have = true, .uid = 12345, .gid = 23456 };

	(void)state;
	if (geteuid() != 0)
		skip();
	IN_CHILD({
		uid_t r, e, s;
		gid_t group = 0;

		MUST(bo_user_become(&user, NULL) == 0);
		MUST(getresuid(&r, &e, &s) == 0 && r == 12345 && e == 12345 && s == 12345);
		MUST(getgid() == 23456);
		MUST(getgroups(1, &group) == 1 && group == 23456);
		MUST(setuid(0) < 0 && errno == EPERM);
		MUST(!has(CAP_SETUID, CAP_PERMITTED) && cap_get_bound(CAP_SETUID) == 0);
	});
	/* root stays root, but without capabilities */
	IN_CHILD({
		const struct bo_user nobody_else = { 0 };

		MUST(bo_user_become(&nobody_else, NULL) == 0);
		MUST(getuid() == 0 && !has(CAP_DAC_OVERRIDE, CAP_PERMITTED) &&
		     cap_get_bound(CAP_DAC_OVERRIDE) == 0);
	});
}

static void reads_sudo(void **state)
{
	static const char *const bad[] = {
		"", "root", "-1", "4294967295", "99999999999999999999", "12x", " "
	};
	struct bo_user user;
	struct bo_err err = { 0 };

	(void)state;
	if (geteuid() != 0)
		skip();
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
	assert_int_equal(bo_user_from_sudo(&user, &err), 0);
	assert_false(user.have);
	setenv("SUDO_GID", "100", 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		setenv("SUDO_UID", bad[i], 1);
		assert_int_equal(bo_user_from_sudo(&user, &err), -EINVAL);
	}
	setenv("SUDO_UID", "1000", 1);
	assert_int_equal(bo_user_from_sudo(&user, &err), 0);
	assert_true(user.have);
	assert_int_equal(user.uid, 1000);
	assert_int_equal(user.gid, 100);
	setenv("SUDO_UID", "0", 1);
	assert_int_equal(bo_user_from_sudo(&user, &err), 0);
	assert_false(user.have);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_only_what_is_named),
		cmocka_unit_test(becomes_a_user_for_good),
		cmocka_unit_test(reads_sudo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
