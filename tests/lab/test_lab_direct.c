/* SPDX-License-Identifier: Apache-2.0 */
/* lab/test_lab_direct.c — the lab without a keeper, to choose what the machine would not: the v1 freezer where v2 is there,
 * no cgroup at all, and names and numbers that no conductor of ours would send.
 * Owns: its labs.  Threads: none.  Privilege: root, else 77. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/clock.h"
#include "brownout/lab/lab.h"
#include "brownout/lab/machine.h"
#include "brownout/sys/netns.h"
#include "support/labkit.h"

#define PATIENCE_NS (10 * BO_NSEC_PER_SEC)

static struct bo_lab *open_lab(const struct bo_cgroups *cgs)
{
	static const struct bo_lab_node_conf nodes[] = { { .name = "client" }, { .name = "svc" } };
	static const struct bo_link_spec links[] = { { .a = 0, .b = 1 } };
	struct bo_lab_conf conf = { .nodes = nodes,
				    .nnodes = 2,
				    .links = links,
				    .nlinks = 1,
				    .hangup_fd = -1,
				    .cgroups = *cgs };
	struct bo_machine machine;
	struct bo_lab *lab = NULL;

	if (geteuid() != 0) {
		fprintf(stderr, "cannot run here: not root\n");
		exit(77);
	}
	OK(bo_netns_new(&conf.client_netns, &err));
	OK(bo_machine_probe(&machine, conf.client_netns, cgs, &err));
	conf.driver = machine.driver;
	conf.management_wire = !machine.veth;
	OK(bo_lab_new(&lab, &conf, &err));
	OK(bo_lab_up(lab, &err));
	return lab;
}

static pid_t start(struct bo_lab *lab, const char *script)
{
	const char *const argv[] = { "sh", "-c", script, NULL };
	char helper_dir[] = NODE_HELPER;
	struct bo_node_start how = {
		.exe = "/bin/sh", .argv = argv, .keep_dir = helper_dir, .log_fd = -1
	};
	pid_t pid = 0;

	*strrchr(helper_dir, '/') = '\0';
	OK(bo_lab_node_start(lab, 1, &how, &pid, &err));
	return pid;
}

static char state_of(pid_t pid)
{
	char path[64], buf[512] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 'X';
	if (read(fd, buf, sizeof(buf) - 1) <= 0)
		buf[0] = '\0';
	close(fd);
	return strrchr(buf, ')') ? strrchr(buf, ')')[2] : 'X';
}

static void pause_without_cgroups(void)
{
	const struct bo_cgroups none = { 0 };
	struct bo_lab *lab = open_lab(&none);
	pid_t pid = start(lab, "while :; do :; done");

	for (int i = 0; i < 3; i++) {
		OK(bo_lab_node_pause(lab, 1, true, &err));
		CHECK(state_of(pid) == 'T', "state %c", state_of(pid));
		OK(bo_lab_node_pause(lab, 1, false, &err));
		CHECK(state_of(pid) != 'T', "state %c", state_of(pid));
	}
	OK(bo_lab_node_pause(lab, 1, true, &err));
	OK(bo_lab_node_kill(lab, 1, &err));
	CHECK(bo_lab_memory_limit(lab, 1, BO_MEM_MAX, 1 << 20, NULL) == -ENOTSUP,
	      "a limit without a controller");
	OK(bo_lab_down(lab, &err));
	bo_lab_free(lab);
}

/* vfork(2) puts the parent into state D until the child ends, and a stopped child does not. */
static void pause_that_fails_stops_nobody(void)
{
	const struct bo_cgroups none = { 0 };
	struct bo_lab *lab = open_lab(&none);
	pid_t pid = start(lab, NODE_HELPER " vfork & while :; do :; done");

	for (int64_t end = bo_now_ns() + PATIENCE_NS; state_of(labkit_child_of(pid, NULL)) != 'D';
	     poll(NULL, 0, 1))
		CHECK(bo_now_ns() < end, "it never waited in vfork");
	CHECK(bo_lab_node_pause(lab, 1, true, NULL) == -ETIMEDOUT,
	      "a process in state D was stopped");
	for (int64_t end = bo_now_ns() + PATIENCE_NS; state_of(pid) != 'R'; poll(NULL, 0, 1))
		CHECK(bo_now_ns() < end, "state %c", state_of(pid));
	OK(bo_lab_down(lab, &err));
	bo_lab_free(lab);
}

static struct bo_cgroups v1_only(void)
{
	struct bo_cgroups cgs;

	OK(bo_cgroups_find(&cgs, BO_CGROUPS_NO_V2, &err));
	if (cgs.hier[BO_CG_FREEZER].version != 1) {
		fprintf(stderr, "cannot run here: no v1 freezer\n");
		exit(77);
	}
	return cgs;
}

static void pause_with_v1(void)
{
	struct bo_cgroups cgs = v1_only();
	struct bo_lab *lab = open_lab(&cgs);
	struct bo_lab_event ev;
	pid_t pid = start(lab, "sleep 1000 & while :; do :; done");

	OK(bo_lab_node_pause(lab, 1, true, &err));
	OK(bo_lab_node_pause(lab, 1, false, &err));
	OK(bo_lab_node_pause(lab, 1, true, &err));
	OK(bo_lab_node_kill(lab, 1, &err));
	CHECK(kill(pid, 0) < 0 && errno == ESRCH, "still there");
	CHECK(bo_lab_next_event(lab, &ev) == 1 && ev.kind == BO_LAB_NODE_ENDED && ev.pid == pid,
	      "event");
	CHECK(bo_lab_next_event(lab, &ev) == 0, "a second event");
	OK(bo_lab_down(lab, &err));
	bo_lab_free(lab);
}

/* The hard case: the keeper is killed while a node is frozen by v1, where SIGKILL alone does not end it. */
static void killed_while_paused_by_v1(void)
{
	int told[2];
	pid_t owner, pid = 0;
	int64_t from;
	char c;

	(void)v1_only();
	CHECK(pipe2(told, O_CLOEXEC) == 0, "pipe");
	owner = fork();
	if (owner == 0) {
		struct bo_cgroups cgs = v1_only();
		struct bo_lab *lab = open_lab(&cgs);

		pid = start(lab, "sleep 1000 & setsid sleep 1000 & wait");
		OK(bo_lab_node_pause(lab, 1, true, &err));
		CHECK(write(told[1], &pid, sizeof(pid)) == sizeof(pid), "pipe");
		for (;;)
			pause();
	}
	close(told[1]);
	CHECK(read(told[0], &pid, sizeof(pid)) == sizeof(pid), "the owner failed");
	kill(owner, SIGKILL);
	from = bo_now_ns();
	waitpid(owner, NULL, 0);
	while (kill(pid, 0) == 0) {
		CHECK(bo_now_ns() - from < BO_NSEC_PER_SEC,
		      "a frozen node outlived its keeper by a second");
		poll(NULL, 0, 1);
	}
	CHECK(read(told[0], &c, 1) == 0, "pipe");
}

static void refused(void)
{
	static const char *const names[] = {
		"",    ".",    "..",
		"a/b", "../x", "-x",
		"a b", "a\nb", "x23456789012345678901234567890123456789012345678901234567890"
	};
	struct bo_lab *lab = NULL;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct bo_lab_node_conf nodes[] = { { .name = "client" },
							  { .name = names[i] } };
		struct bo_lab_conf conf = { .nodes = nodes, .nnodes = 2, .driver = BO_DRIVER_WIRE };

		CHECK(bo_lab_new(&lab, &conf, NULL) == -EINVAL, "name \"%s\"", names[i]);
	}
	for (int a = -1; a < 3; a++)
		for (int b = -1; b < 3; b++) {
			const struct bo_lab_node_conf nodes[] = { { .name = "client" },
								  { .name = "svc" } };
			const struct bo_link_spec link = { .a = a, .b = b };
			struct bo_lab_conf conf = { .nodes = nodes,
						    .nnodes = 2,
						    .links = &link,
						    .nlinks = 1,
						    .driver = BO_DRIVER_WIRE };
			int rc = bo_lab_new(&lab, &conf, NULL);

			CHECK(rc == (a == 0 && b == 1 ? 0 : -EINVAL), "link %d-%d: %d", a, b, rc);
			if (rc == 0)
				bo_lab_free(lab);
		}
}

int main(int argc, char **argv)
{
	static const struct labkit_test tests[] = {
		{ "refused", refused },
		{ "pause_without_cgroups", pause_without_cgroups },
		{ "pause_that_fails_stops_nobody", pause_that_fails_stops_nobody },
		{ "pause_with_v1", pause_with_v1 },
		{ "killed_while_paused_by_v1", killed_while_paused_by_v1 },
	};

	return labkit_main(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
