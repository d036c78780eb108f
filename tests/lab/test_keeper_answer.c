/* SPDX-License-Identifier: Apache-2.0 */
/* lab/test_keeper_answer.c — the keeper cannot send: each of its messages in turn is refused for lack of memory
 * (unix(7): ENOBUFS).  Who asked must hear of it at once, and nothing may be left; nobody may wait for ever.
 * Linked with -Wl,--wrap=sendmsg.
 * Owns: what it starts.  Threads: none.  Privilege: root or user namespaces, else 77. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/labkit.h"

#define ANSWERS_MIN 8 /* hello, four of the view, its end, the start of a node, the end */
#define ANSWERS_MAX 100
#define PATIENCE_S 20

/** struct refusal - in memory that the keeper shares: the @nth message of whoever is a child of @conductor */
struct refusal {
	pid_t conductor;
	int nth;
	_Atomic int sent;
};

static struct refusal *refusal;

ssize_t __real_sendmsg(int sock, const struct msghdr *msg, int flags);
ssize_t __wrap_sendmsg(int sock, const struct msghdr *msg, int flags);

ssize_t __wrap_sendmsg(int sock, const struct msghdr *msg, int flags)
{
	if (refusal && getppid() == refusal->conductor && ++refusal->sent == refusal->nth) {
		errno = ENOBUFS;
		return -1;
	}
	return __real_sendmsg(sock, msg, flags);
}

/* Return: 0 when all went well, or what failed */
static int conduct(void)
{
	const char *const argv[] = { "sh", "-c", "sleep 100", NULL };
	struct bo_plan *plan = labkit_plan();
	struct bo_keeper *keeper = NULL;
	struct bo_lab_view view = { 0 };
	struct bo_err err = { 0 };
	pid_t pid;
	int rc;

	plan->nodes.items[SVC].kind = BO_NODE_COMMAND;
	plan->nodes.items[SVC].argv = argv;
	rc = bo_keeper_start(&keeper, &err);
	if (rc == 0)
		rc = bo_keeper_lab_up(keeper, plan, &view, &err);
	if (rc == 0)
		rc = bo_keeper_node_start(keeper, plan, SVC, "/bin/sh", STDERR_FILENO, &pid, &err);
	if (rc == 0)
		rc = bo_keeper_stop(keeper, &err);
	if (rc < 0)
		fprintf(stderr, "%s\n", err.msg);
	return rc == -ENOTSUP ? 77 : rc < 0;
}

/* Return: as conduct(); fails when the conductor has to be ended */
static int refuse(int nth)
{
	pid_t child;
	int status;

	refusal->nth = nth;
	refusal->sent = 0;
	child = fork();
	if (child == 0) {
		refusal->conductor = getpid();
		alarm(PATIENCE_S);
		_exit(conduct());
	}
	CHECK(waitpid(child, &status, 0) == child, "waitpid");
	CHECK(WIFEXITED(status), "message %d of the keeper was refused, and it was waited for",
	      nth);
	return WEXITSTATUS(status);
}

static void every_answer_refused(void)
{
	int n = 1, rc;

	refusal = mmap(NULL, sizeof(*refusal), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	CHECK(refusal != MAP_FAILED, "mmap");
	rc = refuse(0);
	if (rc == 77)
		exit(77);
	CHECK(rc == 0, "nothing was refused");
	for (; n < ANSWERS_MAX; n++) {
		rc = refuse(n);
		if (refusal->sent < n)
			break;
		CHECK(rc == 1, "message %d of the keeper was refused, and nobody heard of it", n);
	}
	CHECK(n > ANSWERS_MIN && n < ANSWERS_MAX, "%d messages", n);
}

int main(int argc, char **argv)
{
	static const struct labkit_test tests[] = {
		{ "every answer refused", every_answer_refused },
	};

	return labkit_main(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
