/* SPDX-License-Identifier: Apache-2.0 */
/* lab/attach_runtime.c — the main process of a container, by its name: names are known to the engine alone, so each that is
 * installed is asked, as its user would: `docker inspect --format {{.State.Pid}} NAME`.
 * No shell: the name is one argument, and does not begin with a dash.
 * Owns: a child for as long as it takes.  Threads: single-threaded.  Privilege: what the engine asks for. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attach-internal.h"
#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/base/units.h"

#define NOT_INSTALLED 127
#define REAP_TIMEOUT_NS (5 * BO_NSEC_PER_SEC)

static const char *const engines[] = { "docker", "podman", "nerdctl" };
#define ENGINES (sizeof(engines) / sizeof(*engines))

static bool is_name(const char *name)
{
	return isalnum((unsigned char)name[0]) &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789_.-")] == '\0';
}

static void become(const char *engine, const char *name, int out) __attribute__((noreturn));

static void become(const char *engine, const char *name, int out)
{
	const char *argv[] = { engine, "inspect", "--format", "{{.State.Pid}}", name, NULL };
	int null = open("/dev/null", O_RDWR);

	bo_signals_default();
	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(null, 2) < 0)
		_exit(NOT_INSTALLED);
	bo_fds_close_from(3);
	execvp(engine, (char *const *)(uintptr_t)argv);
	_exit(NOT_INSTALLED);
}

/** read_until() - all that is said before @deadline_ns;  false: it is not over by then */
static bool read_until(int fd, char *buf, size_t size, int64_t deadline_ns)
{
	size_t len = 0;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left_ns = deadline_ns - bo_now_ns();
		struct timespec ts = bo_ns_to_timespec(left_ns > 0 ? left_ns : 0);
		int ready = ppoll(&p, 1, &ts, NULL);
		char more[256];
		ssize_t n;

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return false;
		n = read(fd, more, sizeof(more));
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n && len + 1 < size; i++)
			buf[len++] = more[i];
	}
	buf[len] = '\0';
	return true;
}

/** ask() - one engine;  @said: why it does not know;  Return: the pid, or 0 */
static pid_t ask(const char *engine, const char *name, int64_t timeout_ns, const char **said)
{
	struct bo_err ignored = { 0 };
	bo_auto_fd int pidfd = -1, out = -1;
	int pipes[2], status = 0;
	char text[64] = "", *end;
	bool in_time;
	long pid;
	pid_t child;

	*said = "cannot be started";
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return 0;
	child = bo_process_clone(0, &pidfd, &ignored);
	if (child == 0)
		become(engine, name, pipes[1]);
	close(pipes[1]);
	out = pipes[0];
	if (child < 0)
		return 0;
	in_time = read_until(out, text, sizeof(text), bo_now_ns() + timeout_ns);
	if (!in_time)
		(void)!bo_pidfd_kill(pidfd, SIGKILL, &ignored);
	if (bo_pidfd_wait_exit(pidfd, REAP_TIMEOUT_NS, &ignored) < 0 ||
	    bo_pidfd_reap(pidfd, &status, &ignored) < 0)
		in_time = false;
	*said = "does not answer";
	if (!in_time)
		return 0;
	*said = WIFEXITED(status) && WEXITSTATUS(status) == NOT_INSTALLED ? "not installed"
									  : "knows none";
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return 0;
	pid = strtol(text, &end, 10);
	*said = "says something else";
	if (end == text || *end != '\n' || end[1] || pid < 0 || pid > INT32_MAX)
		return 0;
	*said = "it does not run";
	return (pid_t)pid;
}

int bo_attach_runtime_pid(const char *name, int64_t timeout_ns, pid_t *ret, struct bo_err *err)
{
	const char *said[ENGINES], *who = NULL;
	pid_t found = 0;

	if (!is_name(name))
		return bo_err_set(err, EINVAL, BO_SUBSYS_LAB,
				  "container: expected a name or an id, as in \"orders\", found "
				  "\"%.60s\"",
				  name);
	for (size_t i = 0; i < ENGINES; i++) {
		pid_t pid = ask(engines[i], name, timeout_ns, &said[i]);

		if (pid && found && pid != found)
			return bo_err_set(err, EEXIST, BO_SUBSYS_LAB,
					  "container: both %s and %s have a \"%.60s\" that runs; "
					  "say pid = %d or pid = %d",
					  who, engines[i], name, (int)found, (int)pid);
		who = pid && !found ? engines[i] : who;
		found = pid ? pid : found;
	}
	if (!found)
		return bo_err_set(
			err, ESRCH, BO_SUBSYS_LAB,
			"container: there is no \"%.60s\" that runs: %s (%s), %s (%s), %s (%s)",
			name, engines[0], said[0], engines[1], said[1], engines[2], said[2]);
	*ret = found;
	return 0;
}
