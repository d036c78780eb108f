/* SPDX-License-Identifier: Apache-2.0 */
/* support/labkit.c — see labkit.h.
 * Owns: what struct labkit holds.  Threads: one per wire.  Privilege: none after labkit_open(). */
#include "support/labkit.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/lab/sweep.h"
#include "support/residue.h"

struct bo_plan *labkit_plan(void)
{
	struct bo_plan *plan = bo_plan_new();
	struct bo_node_spec svc = { .name = "svc", .role = BO_ROLE_SUBJECT };
	struct bo_node_spec db = { .name = "db", .role = BO_ROLE_DEPENDENCY };

	CHECK(plan && bo_vec_push(&plan->nodes, svc) && bo_vec_push(&plan->nodes, db), "no memory");
	CHECK(bo_plan_link_add(plan, CLIENT, SVC, (struct bo_src){ 0 }) == CLIENT_SVC, "link");
	CHECK(bo_plan_link_add(plan, SVC, DB, (struct bo_src){ 0 }) == SVC_DB, "link");
	plan->scenario_dir =
		NODE_HELPER_DIR; /* so that the helper stays visible wherever the build lies */
	return plan;
}

void labkit_open(struct labkit *kit, struct bo_plan *plan)
{
	struct bo_err why = { 0 };
	size_t wires = 0;
	int rc;

	*kit = (struct labkit){ .plan = plan };
	CHECK(pipe2(kit->log, O_CLOEXEC) == 0, "pipe");
	rc = bo_keeper_start(&kit->keeper, &why);
	if (rc == 0)
		rc = bo_keeper_lab_up(kit->keeper, plan, &kit->view, &why);
	if (rc == -ENOTSUP) {
		fprintf(stderr, "cannot run here: %s\n", why.msg);
		exit(77);
	}
	CHECK(rc == 0, "%d: %s", rc, why.msg);
	for (size_t i = 0; i < kit->view.nlinks; i++) {
		struct bo_lab_link *l = &kit->view.links[i];

		if (l->tun_a < 0)
			continue;
		OK(bo_wire_new_stamped(
			&kit->wires[wires++],
			(const int[]){ bo_steal_fd(&l->tun_a), bo_steal_fd(&l->tun_b) },
			(const int[]){ bo_steal_fd(&l->stamps_a), bo_steal_fd(&l->stamps_b) }, 1, i,
			&err));
	}
	for (size_t i = 1; i < kit->view.nnodes; i++) {
		struct bo_lab_node *n = &kit->view.nodes[i];

		if (n->management_tun_node < 0)
			continue;
		OK(bo_wire_new(&kit->wires[wires++], bo_steal_fd(&n->management_tun_client),
			       bo_steal_fd(&n->management_tun_node), 1, 100 + i, &err));
	}
}

void labkit_close(struct labkit *kit)
{
	OK(bo_keeper_stop(kit->keeper, &err));
	for (size_t i = 0; i < sizeof(kit->wires) / sizeof(kit->wires[0]); i++)
		bo_wire_free(kit->wires[i]);
	bo_lab_view_done(&kit->view);
	bo_keeper_free(kit->keeper);
	bo_plan_free(kit->plan);
	close(kit->log[0]);
	close(kit->log[1]);
}

pid_t labkit_sh(struct labkit *kit, int node, const char *script)
{
	const char *const argv[] = { "sh", "-c", script, NULL };
	pid_t pid = 0;

	kit->plan->nodes.items[node].kind = BO_NODE_COMMAND;
	kit->plan->nodes.items[node].argv = argv;
	OK(bo_keeper_node_start(kit->keeper, kit->plan, node, "/bin/sh", kit->log[1], &pid, &err));
	kit->plan->nodes.items[node].argv = NULL; /* it was this function's */
	CHECK(pid > 1, "pid %d", pid);
	return pid;
}

pid_t labkit_stub(struct labkit *kit, int node)
{
	pid_t pid = 0;

	kit->plan->nodes.items[node].kind = BO_NODE_STUB;
	OK(bo_keeper_node_start(kit->keeper, kit->plan, node, NULL, kit->log[1], &pid, &err));
	return pid;
}

struct bo_keeper_event labkit_wait_end(struct labkit *kit, int node, int64_t timeout_ns)
{
	int64_t deadline = bo_now_ns() + timeout_ns;
	struct bo_keeper_event ev = { 0 };

	for (;;) {
		struct pollfd p = { .fd = bo_keeper_fd(kit->keeper), .events = POLLIN };
		struct timespec ts = bo_ns_to_timespec(deadline - bo_now_ns());
		struct bo_err err = { 0 };
		int rc = bo_keeper_next_event(kit->keeper, &ev, &err);

		CHECK(rc >= 0, "%s", err.msg);
		if (rc == 1 && ev.node == node)
			return ev;
		CHECK(bo_now_ns() < deadline, "node %d did not end", node);
		if (rc == 0)
			ppoll(&p, 1, &ts, NULL);
	}
}

const char *labkit_read_log(struct labkit *kit, const char *until)
{
	static char buf[65536];
	size_t len = 0;

	buf[0] = '\0';
	while (!strstr(buf, until)) {
		struct pollfd p = { .fd = kit->log[0], .events = POLLIN };
		ssize_t n;

		CHECK(poll(&p, 1, 60000) == 1, "no \"%s\" in: %s", until, buf);
		n = read(kit->log[0], buf + len, sizeof(buf) - 1 - len);
		CHECK(n > 0, "the log ended");
		len += (size_t)n;
		buf[len] = '\0';
	}
	return buf;
}

int labkit_exec(struct labkit *kit, int node, const char *script)
{
	const char *const argv[] = { "sh", "-c", script, NULL };
	int status = -1;

	OK(bo_keeper_node_exec(kit->keeper, node, argv, 10 * BO_NSEC_PER_SEC, &status, &err));
	return status;
}

int labkit_connect(const char *address, int port, int64_t timeout_ns)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	bool v6 = strchr(address, ':') != NULL;
	bo_auto_fd int fd = socket(v6 ? AF_INET6 : AF_INET,
				   SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int so_error = 0;

	inet_pton(v6 ? AF_INET6 : AF_INET, address,
		  v6 ? (void *)&in6.sin6_addr : (void *)&in4.sin_addr);
	if (connect(fd, v6 ? (void *)&in6 : (void *)&in4, v6 ? sizeof(in6) : sizeof(in4)) < 0 &&
	    errno != EINPROGRESS)
		return -errno;
	if (poll(&p, 1, (int)(timeout_ns / BO_NSEC_PER_MSEC)) == 0)
		return -ETIMEDOUT;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &so_error, &len);
	return so_error ? -so_error : bo_steal_fd(&fd);
}

int labkit_ask(const char *address, int port, const char *text, char *buf, size_t size,
	       int64_t timeout_ns)
{
	bo_auto_fd int fd = labkit_connect(address, port, timeout_ns);
	size_t len = 0;

	if (fd < 0)
		return fd;
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		return -errno;
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		buf[len] = '\0';
		if (len + 1 >= size || poll(&p, 1, (int)(timeout_ns / BO_NSEC_PER_MSEC)) == 0)
			return (int)len;
		n = read(fd, buf + len, size - 1 - len);
		if (n < 0 && !len)
			return -errno;
		if (n <= 0)
			return (int)len;
		len += (size_t)n;
	}
}

pid_t labkit_child_of(pid_t pid, const char *want)
{
	DIR *dir = opendir("/proc");
	const struct dirent *e;
	pid_t found = 0;

	while (dir && !found && (e = readdir(dir))) {
		char path[300], comm[64];
		int self, parent;
		FILE *f;

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/stat", e->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fscanf(f, "%d (%63[^)]) %*c %d", &self, comm, &parent) == 3 && parent == pid &&
		    (!want || strcmp(comm, want) == 0))
			found = self;
		fclose(f);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Everything that a test orphans becomes a child of this process, so what is left is known exactly. */
static int leftovers(pid_t self, pid_t keeper)
{
	int64_t deadline = bo_now_ns() + 5 * BO_NSEC_PER_SEC;
	int left = 0;
	pid_t pid;

	while (bo_now_ns() < deadline) {
		pid = waitpid(-1, NULL, WNOHANG);
		if (pid < 0)
			break;
		if (pid == 0)
			poll(NULL, 0, 1);
	}
	for (; (pid = labkit_child_of(self, NULL)) > 0; left++) {
		fprintf(stderr, "left behind: process %d\n", pid);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	if (keeper)
		left += residue_check(keeper, stderr);
	return left;
}

static int run_one(const struct labkit_test *t)
{
	pid_t child = fork(), keeper = 0;
	int status = 0, code;

	if (child == 0) {
		t->run();
		exit(0);
	}
	while (waitpid(child, &status, WNOHANG) == 0) {
		if (!keeper)
			keeper = labkit_child_of(child, "bo-keeper");
		poll(NULL, 0, 2);
	}
	code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (leftovers(getpid(), keeper) && code == 0)
		code = 1;
	printf("%s %s\n", code == 0 ? "ok" : code == 77 ? "skip" : "NOT OK", t->name);
	fflush(stdout);
	return code;
}

int labkit_main(const struct labkit_test *tests, size_t n, int argc, char **argv)
{
	int failed = 0, skipped = 0, run = 0;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (size_t i = 0; i < n; i++) {
		bool wanted = argc < 2;
		int code;

		for (int j = 1; j < argc; j++)
			wanted |= strcmp(argv[j], tests[i].name) == 0;
		if (!wanted)
			continue;
		code = run_one(&tests[i]);
		run++;
		skipped += code == 77;
		failed += code != 0 && code != 77;
	}
	if (failed || !run)
		return 1;
	return skipped == run ? 77 : 0;
}
