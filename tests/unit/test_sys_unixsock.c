/* SPDX-License-Identifier: Apache-2.0 */
/* test_sys_unixsock.c — a path inside a root never leads out of it, and only sockets are connected to.
 * Owns: a directory below /tmp.  Threads: one that swaps what lies at a path.  Privilege: none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/clock.h"
#include "brownout/sys/unixsock.h"

/* DIR/root is the node's root; DIR/outside is what it must not reach. */
static char dir[64];
static int root, inside, outside;

static const char *at(const char *name)
{
	static char buf[4][160];
	static int n;

	n = (n + 1) % 4;
	snprintf(buf[n], sizeof(buf[n]), "%s/%s", dir, name);
	return buf[n];
}

static int listener(const char *path, int type, int backlog)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, path);
	assert_true(fd >= 0 && !bind(fd, (struct sockaddr *)&addr, sizeof(addr)));
	assert_true(type == SOCK_DGRAM || !listen(fd, backlog));
	return fd;
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/unixsock-XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_false(mkdir(at("root"), 0755) || mkdir(at("root/run"), 0755));
	inside = listener(at("root/run/app.sock"), SOCK_STREAM, 100);
	outside = listener(at("outside"), SOCK_STREAM, 100);
	assert_false(symlink("/run/app.sock", at("root/absolute")));
	assert_false(symlink("run/app.sock", at("root/relative")));
	assert_false(symlink("../outside", at("root/up")));
	assert_false(symlink(at("outside"), at("root/out")));
	assert_false(symlink("/run", at("root/var")));
	assert_false(symlink("loop", at("root/loop")));
	assert_false(mkfifo(at("root/fifo"), 0600));
	close(open(at("root/file"), O_CREAT | O_WRONLY, 0600));
	root = open(at("root"), O_PATH | O_DIRECTORY);
	return root < 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "root/run/app.sock", "root/absolute", "root/relative",
					     "root/up",           "root/out",      "root/var",
					     "root/loop",         "root/fifo",     "root/file",
					     "root/gone",         "root/dgram",    "root/full",
					     "root/swap",         "root/next",     "outside" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(at(names[i]));
	rmdir(at("root/run"));
	rmdir(at("root"));
	close(inside);
	close(outside);
	close(root);
	return rmdir(dir);
}

static int try(const char *path)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc = bo_unixsock_connect(fd, root, path);

	close(fd);
	return rc;
}

static bool came(int listen_fd)
{
	struct pollfd p = { .fd = listen_fd, .events = POLLIN };
	int fd = poll(&p, 1, 0) == 1 ? accept(listen_fd, NULL, NULL) : -1;

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void test_found(void **state)
{
	(void)state;
	assert_int_equal(try("/run/app.sock"), 0);
	assert_true(came(inside));
	assert_int_equal(try("//run/./app.sock"), 0);
	assert_true(came(inside));
}

static void test_links_stay_inside(void **state)
{
	static const char *const in[] = { "/absolute", "/relative", "/var/app.sock",
					  "/../../run/app.sock" };

	(void)state;
	for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++) {
		assert_int_equal(try(in[i]), 0);
		assert_true(came(inside));
	}
	assert_int_equal(try("/up"), -ENOENT);
	assert_int_equal(try("/out"), -ENOENT);
	assert_int_equal(try("/../outside"), -ENOENT);
	assert_int_equal(try("/loop"), -ELOOP);
	assert_false(came(outside));
}

static void test_what_is_no_socket(void **state)
{
	(void)state;
	assert_int_equal(try("/fifo"), -ENOTSOCK);
	assert_int_equal(try("/file"), -ENOTSOCK);
	assert_int_equal(try("/run"), -ENOTSOCK);
	assert_int_equal(try("/"), -ENOTSOCK);
	assert_int_equal(try("/none"), -ENOENT);
	assert_int_equal(try("/none/app.sock"), -ENOENT);
	assert_int_equal(try("/file/app.sock"), -ENOTDIR);
	assert_int_equal(try("/run/app.sock/"), -ENOTDIR);
	assert_int_equal(bo_unixsock_open(-1, "/run/app.sock"), -EBADF);
}

static void test_no_answer(void **state)
{
	int full = listener(at("root/full"), SOCK_STREAM, 0);
	int dgram = listener(at("root/dgram"), SOCK_DGRAM, 0);
	int waiting[3] = { -1, -1, -1 }, rc = 0;

	(void)state;
	close(listener(at("root/gone"), SOCK_STREAM, 1));
	assert_int_equal(try("/gone"), -ECONNREFUSED);
	assert_int_equal(try("/dgram"), -EPROTOTYPE);
	for (int i = 0; i < 3 && !rc; i++) {
		waiting[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		rc = bo_unixsock_connect(waiting[i], root, "/full");
	}
	assert_int_equal(rc, -EAGAIN);
	for (int i = 0; i < 3; i++)
		close(waiting[i]);
	close(full);
	close(dgram);
}

/* Who may not walk the path or write to the socket may not connect. */
static void test_permission(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (geteuid())
		skip();
	assert_false(chmod(at("root/run/app.sock"), 0600));
	pid = fork();
	if (!pid)
		_exit(setresuid(65534, 65534, 65534) || try("/run/app.sock") != -EACCES);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_false(chmod(at("root/run/app.sock"), 0777) || chmod(at("root/run"), 0700));
	pid = fork();
	if (!pid)
		_exit(setresuid(65534, 65534, 65534) || try("/run/app.sock") != -EACCES);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_false(chmod(at("root/run"), 0755));
}

static atomic_bool swapping;

static void put(const char *name)
{
	if (!rename(at("root/next"), at("root/swap")))
		return;
	fail_msg("%s: %s", name, strerror(errno));
}

/* What lies at /swap becomes one thing after the other. */
static void *swap(void *arg)
{
	(void)arg;
	while (atomic_load(&swapping)) {
		if (!symlink(at("outside"), at("root/next")))
			put("link");
		if (!mkfifo(at("root/next"), 0600))
			put("fifo");
		if (!symlink("../outside", at("root/next")))
			put("link up");
		if (!link(at("root/run/app.sock"), at("root/next")))
			put("socket");
	}
	return NULL;
}

static void test_swapped(void **state)
{
	int ok = 0, no = 0;
	pthread_t thread;

	(void)state;
	atomic_store(&swapping, true);
	assert_int_equal(pthread_create(&thread, NULL, swap, NULL), 0);
	for (int64_t end = bo_now_ns() + 10 * BO_NSEC_PER_SEC;
	     (ok < 200 || no < 200) && bo_now_ns() < end;) {
		int rc = try("/swap");

		if (rc && rc != -ENOENT && rc != -ENOTSOCK && rc != -ELOOP)
			fail_msg("%s", strerror(-rc));
		if (rc)
			no++;
		else
			ok += came(inside);
	}
	atomic_store(&swapping, false);
	pthread_join(thread, NULL);
	assert_false(came(outside));
	assert_true(ok >= 200 && no >= 200);
}

static bool forbid_openat2(int code)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned int)code),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(filter) / sizeof(filter[0]), filter };

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

/* Return: the line of the first thing that is wrong, 0 for none */
static int without_openat2(int code)
{
#define EXPECT(path, want)       \
	if (try(path) != (want)) \
	return __LINE__ % 250 + 1
	if (!forbid_openat2(code))
		return 251;
	EXPECT("/run/app.sock", 0);
	EXPECT("//run//app.sock", 0);
	EXPECT("/absolute", -ELOOP);
	EXPECT("/out", -ELOOP);
	EXPECT("/up", -ELOOP);
	EXPECT("/var/app.sock", -ENOTDIR);
	EXPECT("/../outside", -ELOOP);
	EXPECT("/run/../../outside", -ELOOP);
	EXPECT("/fifo", -ENOTSOCK);
	EXPECT("/none", -ENOENT);
	EXPECT("/file/app.sock", -ENOTDIR);
	return 0;
}

static void test_old_kernel(void **state)
{
	static const int codes[] = { ENOSYS, EPERM };

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		pid_t pid = fork();
		int status;

		if (!pid)
			_exit(without_openat2(codes[i]));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
		while (came(inside))
			;
		assert_false(came(outside));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_links_stay_inside),
		cmocka_unit_test(test_what_is_no_socket),
		cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_permission),
		cmocka_unit_test(test_swapped),
		cmocka_unit_test(test_old_kernel),
	};

	return cmocka_run_group_tests_name("sys/unixsock", tests, setup, teardown);
}
