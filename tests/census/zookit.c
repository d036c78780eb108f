/* SPDX-License-Identifier: Apache-2.0 */
/* tests/census/zookit.c — see zookit.h.  The zoo dies with this process (PR_SET_PDEATHSIG), whatever happens to a test.
 * Owns: see zookit.h.  Threads: one.  Privilege: none. */
#include "zookit.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX 32

static void exec_zoo(const char *path, const char *const *args, int in, int out, pid_t parent)
{
	char *argv[ARGS_MAX + 2] = { (char *)(uintptr_t)path };

	for (size_t i = 0; args && args[i] && i < ARGS_MAX; i++)
		argv[i + 1] = (char *)(uintptr_t)args[i];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || dup2(in, 0) < 0 || dup2(out, 1) < 0)
		_exit(126);
	execv(path, argv);
	_exit(127);
}

bool zoo_start(struct zoo *zoo, const char *path, const char *const *args)
{
	int in[2], out[2];
	char line[256] = "";
	pid_t parent = getpid();

	*zoo = (struct zoo){ 0 };
	signal(SIGPIPE, SIG_IGN);
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		return false;
	zoo->pid = fork();
	if (!zoo->pid)
		exec_zoo(path, args, in[0], out[1], parent);
	close(in[0]);
	close(out[1]);
	zoo->to = fdopen(in[1], "w");
	zoo->from = fdopen(out[0], "r");
	if (zoo->pid < 0 || !zoo->to || !zoo->from || !fgets(line, sizeof(line), zoo->from) ||
	    sscanf(line, "ready %63s %63s", zoo->version, zoo->address) != 2) {
		zoo_stop(zoo);
		return false;
	}
	return true;
}

bool zoo_ask(struct zoo *zoo, const char *command, char *answer, size_t size)
{
	if (fprintf(zoo->to, "%s\n", command) < 0 || fflush(zoo->to) ||
	    !fgets(answer, (int)size, zoo->from))
		return false;
	answer[strcspn(answer, "\n")] = 0;
	return true;
}

int64_t zoo_count(struct zoo *zoo)
{
	char answer[64];

	return zoo_ask(zoo, "count", answer, sizeof(answer)) ? atoll(answer) : -1;
}

char *zoo_stacks(struct zoo *zoo)
{
	char *text = NULL, *line = NULL;
	size_t size = 0, cap = 0;
	FILE *out = open_memstream(&text, &size);
	bool ended = false;

	if (!out || fprintf(zoo->to, "stacks\n") < 0 || fflush(zoo->to))
		return NULL;
	while (!ended && getline(&line, &cap, zoo->from) > 0) {
		ended = !strcmp(line, ".\n");
		if (!ended)
			fputs(line, out);
	}
	free(line);
	fclose(out);
	if (!ended) {
		free(text);
		return NULL;
	}
	return text;
}

/* One thread's context switches, 0 when it does not sleep or has ended. */
static uint64_t thread_pulse(pid_t pid, const char *tid)
{
	char path[300], line[256];
	uint64_t sum = 0;
	bool sleeps = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/status", pid, tid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		const char *value = strchr(line, ':');

		if (!strncmp(line, "State:\tS", 8))
			sleeps = true;
		else if (value && strstr(line, "voluntary_ctxt_switches:"))
			sum += strtoull(value + 1, NULL, 10);
	}
	if (f)
		fclose(f);
	return sleeps ? sum : 0;
}

uint64_t zoo_pulse(pid_t pid)
{
	char path[64];
	uint64_t sum = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
		uint64_t one = *e->d_name == '.' ? 1 : thread_pulse(pid, e->d_name);

		if (!one) {
			sum = 0;
			break;
		}
		sum += one;
	}
	if (dir)
		closedir(dir);
	return sum;
}

bool zoo_rest(pid_t pid)
{
	for (int i = 0; i < 60000; i++) {
		uint64_t pulse = zoo_pulse(pid);

		poll(NULL, 0, 1);
		if (pulse && zoo_pulse(pid) == pulse)
			return true;
	}
	return false;
}

void zoo_stop(struct zoo *zoo)
{
	if (zoo->to)
		fclose(zoo->to);
	if (zoo->from)
		fclose(zoo->from);
	if (zoo->pid > 0) {
		kill(zoo->pid, SIGKILL);
		waitpid(zoo->pid, NULL, 0);
	}
	*zoo = (struct zoo){ 0 };
}
