/* SPDX-License-Identifier: Apache-2.0 */
/* lab/test_lab_basic.c — a real lab of three nodes, through the keeper: names, links, management, stubs, kill, restart,
 * pause, memory, and every way a start can fail.
 * Owns: its labs.  Threads: one per wire.  Privilege: root or user namespaces, else 77. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "support/labkit.h"

#define S BO_NSEC_PER_SEC
#define HELPER NODE_HELPER /* absolute path, from the build */

/* User-mode Linux has none. */
static bool has_ipv6(void)
{
	return access("/proc/net/if_inet6", F_OK) == 0;
}

static int64_t read_number(int fd)
{
	char buf[32] = "";

	CHECK(fd >= 0 && pread(fd, buf, sizeof(buf) - 1, 0) > 0, "a cgroup file");
	return strtoll(buf, NULL, 10);
}

static int64_t oom_kills(const struct bo_cgroup_files *files)
{
	char buf[512] = "";
	const char *at;

	CHECK(files->events >= 0 && pread(files->events, buf, sizeof(buf) - 1, 0) > 0,
	      "memory events");
	at = strstr(buf, "oom_kill ");
	CHECK(at, "no oom_kill in %s", buf);
	return strtoll(at + 9, NULL, 10);
}

static void names_and_links(void)
{
	struct labkit kit;

	labkit_open(&kit, labkit_plan());
	labkit_sh(&kit, DB, "exec " HELPER " listen 5432");
	labkit_read_log(&kit, "listening");
	labkit_sh(&kit, SVC, "exec " HELPER " listen 80");
	labkit_read_log(&kit, "listening");
	/* svc reaches db by name over its link, and itself by its own name, by both families */
	CHECK(labkit_exec(&kit, SVC, HELPER " ask db 5432 4") == 0, "svc to db by IPv4");
	CHECK(labkit_exec(&kit, SVC, HELPER " ask svc 80 4") == 0, "svc to itself");
	if (has_ipv6()) {
		CHECK(labkit_exec(&kit, SVC, HELPER " ask db 5432 6") == 0, "svc to db by IPv6");
		CHECK(labkit_exec(&kit, SVC, HELPER " ask svc 80 6") == 0, "svc to itself by IPv6");
	}
	/* the client reaches svc over the link and over management, by both families */
	for (int i = 0; i < 4; i++) {
		const struct bo_lab_node *n = &kit.view.nodes[SVC];
		const char *at = i == 0   ? n->address4
				 : i == 1 ? n->address6
				 : i == 2 ? n->management4
					  : n->management6;
		char buf[64];

		CHECK(*at || !has_ipv6(), "no IPv6 address");
		CHECK(!*at || labkit_ask(at, 80, "hi\n", buf, 4, 5 * S) == 3, "client to %s", at);
	}
	CHECK(labkit_exec(&kit, SVC, HELPER " caps") == 0, "capabilities in the node");
	/* there is no link between client and db: no way through, but the management link is there */
	CHECK(labkit_connect(kit.view.nodes[DB].address4, 5432, S) == -ENETUNREACH, "client to db");
	CHECK(labkit_exec(&kit, DB, HELPER " ask client 1 4") != 0, "db to client");
	/* an unknown name fails at once, not after a name server's timeout */
	CHECK(labkit_exec(&kit, SVC, HELPER " ask example.org 80 4") != 0, "example.org");
	labkit_close(&kit);
}

/* The client may take any port from 1024 on; a service gets what it gets anywhere else. */
static void client_ports(void)
{
	static const char range[] = "/proc/sys/net/ipv4/ip_local_port_range";
	char text[64] = "", script[256];
	bo_auto_fd int fd = -1;
	struct labkit kit;
	int from = 0, to = 0;

	labkit_open(&kit, labkit_plan());
	fd = open(range, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0, "%s", range);
	CHECK(sscanf(text, "%d %d", &from, &to) == 2 && from == 1024 && to == 65535,
	      "ports of the client: %s", text);
	labkit_sh(&kit, SVC, "echo up; exec sleep 1000");
	labkit_read_log(&kit, "up\n");
	snprintf(script, sizeof(script), "set -- $(cat %s) && test $1 -gt 1024", range);
	CHECK(labkit_exec(&kit, SVC, script) == 0, "ports of a node");
	labkit_close(&kit);
}

static void isolation(void)
{
	char left[] = "/tmp/brownout-test-XXXXXX", script[256], path[128];
	struct labkit kit;
	struct bo_plan *plan = labkit_plan();
	int fd;

	CHECK(mkdtemp(left), "mkdtemp");
	snprintf(path, sizeof(path), "%s/here", left);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK(fd >= 0, "open");
	close(fd);
	plan->scenario_dir = left;
	labkit_open(&kit, plan);
	labkit_sh(&kit, SVC, "echo up; exec sleep 1000");
	labkit_read_log(&kit, "up\n");
	/* the scenario's folder stays visible below the empty /tmp, and is where the node starts */
	CHECK(labkit_exec(&kit, SVC, "test -e here") == 0, "cwd");
	snprintf(script, sizeof(script), "test -e %s && test $(ls -A /tmp | wc -l) -le 3", path);
	CHECK(labkit_exec(&kit, SVC, script) == 0, "scenario dir in /tmp");
	CHECK(labkit_exec(&kit, SVC, "touch /tmp/mine /dev/shm/mine") == 0, "private /tmp");
	CHECK(access("/tmp/mine", F_OK) < 0 && access("/dev/shm/mine", F_OK) < 0,
	      "leaked to the host");
	CHECK(labkit_exec(
		      &kit, SVC,
		      "test \"$(hostname)\" = svc && test $HOSTNAME = svc && test $HOME = /tmp") ==
		      0,
	      "host name");
	CHECK(labkit_exec(&kit, SVC, "test -z \"$(cat /etc/resolv.conf)\"") == 0, "resolv.conf");
	/* only this node's processes: init, sleep, and the command itself (four) */
	CHECK(labkit_exec(&kit, SVC, "test $(ls -d /proc/[0-9]* | wc -l) -le 6") == 0, "/proc");
	/* nothing of the keeper's is open in a node */
	CHECK(labkit_exec(&kit, SVC, "test $(ls /proc/2/fd | wc -l) -eq 3") == 0, "descriptors");
	labkit_close(&kit);
	unlink(path);
	CHECK(rmdir(left) == 0, "rmdir");
}

static void conductor_has_nothing(void)
{
	struct labkit kit;
	int status;
	pid_t pid;

	labkit_open(&kit, labkit_plan());
	pid = fork();
	if (pid == 0) {
		execl(HELPER, HELPER, "caps", (char *)NULL);
		_exit(99);
	}
	waitpid(pid, &status, 0);
	CHECK(status == 0, "the conductor still has capabilities");
	/* nor has a node's main process (what runs beside it is checked in names_and_links) */
	labkit_sh(&kit, SVC, HELPER " caps && echo bare || echo armed; exec sleep 1000");
	CHECK(strstr(labkit_read_log(&kit, "\n"), "bare"), "the node has capabilities");
	labkit_close(&kit);
}

static void stubs(void)
{
	struct bo_plan *plan = labkit_plan();
	struct bo_node_spec *svc = &plan->nodes.items[SVC];
	const char *get = "GET / HTTP/1.1\r\nHost: svc\r\n\r\n";
	const char *at;
	struct labkit kit;
	char buf[1024];
	int64_t t;

	svc->stub = (struct bo_stub_spec){ .proto = BO_STUB_HTTP,
					   .port = 8080,
					   .status = 200,
					   .body = "fine",
					   .delay_ns = 50 * BO_NSEC_PER_MSEC };
	labkit_open(&kit, plan);
	at = kit.view.nodes[SVC].address4;
	labkit_stub(&kit, SVC);
	t = bo_now_ns();
	CHECK(labkit_ask(at, 8080, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", buf, sizeof(buf),
			 5 * S) > 0 &&
		      strstr(buf, "200 OK") && strstr(buf, "fine"),
	      "ok: %s", buf);
	CHECK(bo_now_ns() - t >= 50 * BO_NSEC_PER_MSEC, "the stub did not wait");
	OK(bo_keeper_node_kill(kit.keeper, SVC, &err));
	svc->stub.delay_ns = 0;
	svc->stub.mode = BO_STUB_RESET;
	labkit_stub(&kit, SVC);
	CHECK(labkit_ask(has_ipv6() ? kit.view.nodes[SVC].address6 : at, 8080, get, buf,
			 sizeof(buf), 5 * S) == -ECONNRESET,
	      "reset");
	OK(bo_keeper_node_kill(kit.keeper, SVC, &err));
	svc->stub.mode = BO_STUB_STALL;
	labkit_stub(&kit, SVC);
	CHECK(labkit_ask(at, 8080, get, buf, sizeof(buf), S / 5) > 0 && !strstr(buf, "fine"),
	      "stall: %s", buf);
	labkit_close(&kit);
}

static void kill_and_restart(void)
{
	struct labkit kit;
	struct bo_keeper_event ev;
	pid_t pid, again;
	int64_t t;

	labkit_open(&kit, labkit_plan());
	pid = labkit_sh(&kit, DB, HELPER " tree & exec " HELPER " listen 5432");
	labkit_read_log(&kit, "listening");
	labkit_sh(&kit, SVC, "exec " HELPER " hold db 5432");
	labkit_read_log(&kit, "connected");
	t = bo_now_ns();
	OK(bo_keeper_node_kill(kit.keeper, DB, &err));
	/* gone means gone: the pid cannot be signalled any more, and nobody listens */
	CHECK(kill(pid, 0) < 0 && errno == ESRCH, "still there after %.1f ms",
	      (double)(bo_now_ns() - t) / 1e6);
	ev = labkit_wait_end(&kit, DB, S);
	CHECK(ev.pid == pid && WIFSIGNALED(ev.exit_status) && WTERMSIG(ev.exit_status) == SIGKILL,
	      "%x", ev.exit_status);
	CHECK(ev.t_ns >= t && ev.t_ns <= bo_now_ns(), "time of the end");
	/* the peer sees what the network would show */
	labkit_read_log(&kit, "fin\n");
	CHECK(labkit_exec(&kit, SVC, HELPER " ask db 5432 4") != 0, "db is dead");
	CHECK(bo_keeper_node_term(kit.keeper, DB, NULL) == -ESRCH, "term of a dead node");
	OK(bo_keeper_node_kill(kit.keeper, DB, &err)); /* twice is fine */
	again = labkit_sh(&kit, DB, "exec " HELPER " listen 5432");
	labkit_read_log(&kit, "listening");
	CHECK(again != pid, "pid");
	CHECK(labkit_exec(&kit, SVC, HELPER " ask db 5432 4") == 0, "db is back");
	if (has_ipv6())
		CHECK(labkit_exec(&kit, SVC, HELPER " ask db 5432 6") == 0, "db is back by IPv6");
	labkit_close(&kit);
}

static void term_and_exit_status(void)
{
	struct labkit kit;
	struct bo_keeper_event ev;

	labkit_open(&kit, labkit_plan());
	labkit_sh(&kit, SVC, "trap 'exit 7' TERM; echo armed; while :; do sleep 0.02; done");
	labkit_read_log(&kit, "armed");
	OK(bo_keeper_node_term(kit.keeper, SVC, &err));
	ev = labkit_wait_end(&kit, SVC, 5 * S);
	CHECK(WIFEXITED(ev.exit_status) && WEXITSTATUS(ev.exit_status) == 7, "%x", ev.exit_status);
	/* a service that ends at once; its daemon goes with it */
	labkit_sh(&kit, SVC, "setsid sleep 1000 & exit 3");
	ev = labkit_wait_end(&kit, SVC, 5 * S);
	CHECK(WEXITSTATUS(ev.exit_status) == 3, "%x", ev.exit_status);
	labkit_sh(&kit, SVC, "kill -SEGV $$");
	ev = labkit_wait_end(&kit, SVC, 5 * S);
	CHECK(WIFSIGNALED(ev.exit_status) && WTERMSIG(ev.exit_status) == SIGSEGV, "%x",
	      ev.exit_status);
	labkit_close(&kit);
}

static void bad_starts(void)
{
	static const char *const argv[] = { "x", NULL };
	struct bo_plan *plan = labkit_plan();
	struct bo_node_spec *svc = &plan->nodes.items[SVC];
	struct bo_err e = { 0 };
	struct labkit kit;
	pid_t pid;

	labkit_open(&kit, plan);
	svc->kind = BO_NODE_COMMAND;
	svc->argv = argv;
	CHECK(bo_keeper_node_start(kit.keeper, plan, SVC, "/nonexistent/x", -1, &pid, &e) ==
		      -ENOENT,
	      "%s", e.msg);
	CHECK(strstr(e.msg, "/nonexistent/x") && strstr(e.msg, "svc"), "%s", e.msg);
	CHECK(bo_keeper_node_start(kit.keeper, plan, SVC, "/etc/passwd", -1, &pid, &e) == -EACCES,
	      "%s", e.msg);
	CHECK(bo_keeper_node_start(kit.keeper, plan, SVC, "relative", -1, &pid, &e) == -EINVAL,
	      "%s", e.msg);
	CHECK(bo_keeper_node_start(kit.keeper, plan, CLIENT, "/bin/true", -1, &pid, &e) == -EINVAL,
	      "%s", e.msg);
	svc->cwd = "/nonexistent";
	CHECK(bo_keeper_node_start(kit.keeper, plan, SVC, "/bin/true", -1, &pid, &e) == -ENOENT,
	      "%s", e.msg);
	svc->cwd = NULL;
	labkit_sh(&kit, SVC, "sleep 1000");
	CHECK(bo_keeper_node_start(kit.keeper, plan, SVC, "/bin/sh", -1, &pid, &e) == -EBUSY, "%s",
	      e.msg);
	CHECK(bo_keeper_node_kill(kit.keeper, 77, &e) == -EINVAL, "%s", e.msg);
	CHECK(bo_keeper_node_kill(kit.keeper, -1, &e) == -EINVAL, "%s", e.msg);
	labkit_close(&kit);
}

static void commands_in_a_node(void)
{
	const char *const missing[] = { "nonexistent-command", NULL };
	const char *const slow[] = { "sh", "-c", "sleep 1000 & sleep 1000", NULL };
	struct bo_err e = { 0 };
	struct labkit kit;
	int status = 0;
	int64_t t;

	labkit_open(&kit, labkit_plan());
	CHECK(bo_keeper_node_exec(kit.keeper, SVC, slow, S, &status, &e) == -ESRCH, "%s", e.msg);
	labkit_sh(&kit, SVC, "exec sleep 1000");
	CHECK(labkit_exec(&kit, SVC, "exit 5") == (5 << 8), "status");
	CHECK(bo_keeper_node_exec(kit.keeper, SVC, missing, S, &status, &e) == -ENOENT, "%s",
	      e.msg);
	t = bo_now_ns();
	CHECK(bo_keeper_node_exec(kit.keeper, SVC, slow, S / 5, &status, &e) == -ETIMEDOUT, "%s",
	      e.msg);
	CHECK(bo_now_ns() - t >= S / 5, "too early");
	/* All of it was killed at once; the command itself is waited for, the rest is not. */
	for (t = bo_now_ns();
	     labkit_exec(&kit, SVC, "test $(ls -d /proc/[0-9]* | wc -l) -le 6") != 0;)
		CHECK(bo_now_ns() - t < 10 * S, "what it started is not gone");
	labkit_close(&kit);
}

static int64_t ticks_of(pid_t pid)
{
	char path[64], buf[1024] = "";
	unsigned long long utime = 0, stime = 0;
	bo_auto_fd int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && read(fd, buf, sizeof(buf) - 1) > 0, "stat of %d", pid);
	sscanf(strrchr(buf, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
	       &utime, &stime);
	return (int64_t)(utime + stime);
}

static void wait_ticks(pid_t pid, int64_t more_than)
{
	int64_t deadline = bo_now_ns() + 10 * S;

	while (ticks_of(pid) <= more_than) {
		struct timespec ts = { .tv_nsec = 2000000 };

		CHECK(bo_now_ns() < deadline, "it does not run");
		nanosleep(&ts, NULL);
	}
}

static void pausing(void)
{
	struct labkit kit;
	struct bo_keeper_event ev;
	int64_t frozen_at;
	pid_t pid;

	labkit_open(&kit, labkit_plan());
	pid = labkit_sh(&kit, SVC, "while :; do :; done");
	wait_ticks(pid, 2);
	OK(bo_keeper_node_pause(kit.keeper, SVC, true, &err));
	frozen_at = ticks_of(pid);
	/* half a second of this process's own work later it has not run one tick */
	for (int64_t end = bo_now_ns() + S / 2; bo_now_ns() < end;)
		;
	CHECK(ticks_of(pid) == frozen_at, "it ran while paused");
	OK(bo_keeper_node_pause(kit.keeper, SVC, true, &err)); /* twice is fine */
	OK(bo_keeper_node_pause(kit.keeper, SVC, false, &err));
	wait_ticks(pid, frozen_at + 2);
	/* a paused node can be killed */
	OK(bo_keeper_node_pause(kit.keeper, SVC, true, &err));
	OK(bo_keeper_node_kill(kit.keeper, SVC, &err));
	ev = labkit_wait_end(&kit, SVC, S);
	CHECK(WIFSIGNALED(ev.exit_status), "%x", ev.exit_status);
	CHECK(bo_keeper_node_pause(kit.keeper, SVC, true, NULL) == -ESRCH, "pausing a dead node");
	/* and the lab can be taken down while one is paused */
	labkit_sh(&kit, SVC, "while :; do sleep 0.01; done");
	OK(bo_keeper_node_pause(kit.keeper, SVC, true, &err));
	labkit_close(&kit);
}

static void memory(void)
{
	struct bo_plan *plan = labkit_plan();
	struct bo_machine machine;
	struct bo_err e = { 0 };
	struct labkit kit;
	const struct bo_cgroup_files *files;
	int rc;

	plan->nodes.items[SVC].memory_bytes = 256 << 20;
	labkit_open(&kit, plan);
	OK(bo_keeper_machine(kit.keeper, &machine, &err));
	files = &kit.view.nodes[SVC].cgroup;
	CHECK(files->version == machine.cgroup_memory_version, "version");
	if (!files->version) {
		fprintf(stderr, "no memory controller: %s\n", machine.why_not_cgroup);
		exit(77);
	}
	CHECK(read_number(files->limit) == 256 << 20, "%lld", (long long)read_number(files->limit));
	labkit_sh(&kit, SVC, "exec " HELPER " hog 64");
	labkit_read_log(&kit, "full");
	CHECK(read_number(files->usage) > 64 << 20, "usage %lld",
	      (long long)read_number(files->usage));
	CHECK(oom_kills(files) == 0, "an OOM kill too early");
	rc = bo_keeper_memory_limit(kit.keeper, SVC, BO_MEM_HIGH, 128 << 20, &e);
	CHECK(rc == (files->version == 2 ? 0 : -ENOTSUP), "high: %d %s", rc, e.msg);
	OK(bo_keeper_memory_limit(kit.keeper, SVC, BO_MEM_MAX, 96 << 20, &err));
	CHECK(read_number(files->limit) == 96 << 20, "limit");
	/* below what it uses: v1 refuses, v2 enforces it by an OOM kill */
	rc = bo_keeper_memory_limit(kit.keeper, SVC, BO_MEM_MAX, 16 << 20, &e);
	CHECK(files->version == 2 ? rc == 0 : rc == -EBUSY, "16 MiB: %d %s", rc, e.msg);
	OK(bo_keeper_memory_limit(kit.keeper, SVC, BO_MEM_MAX, INT64_MAX, &err));
	OK(bo_keeper_node_kill(kit.keeper, SVC, &err));
	labkit_wait_end(&kit, SVC, S);
	/* the limit outlives the process, and the OOM killer hits the node, not its init */
	OK(bo_keeper_memory_limit(kit.keeper, SVC, BO_MEM_MAX, 48 << 20, &err));
	labkit_sh(&kit, SVC, "exec " HELPER " hog 200");
	CHECK(WTERMSIG(labkit_wait_end(&kit, SVC, 20 * S).exit_status) == SIGKILL, "not killed");
	CHECK(oom_kills(files) >= 1, "no OOM kill was counted");
	labkit_close(&kit);
}

static void limits(void)
{
	struct bo_plan *plan = labkit_plan();
	struct bo_machine machine;
	struct labkit kit;

	plan->nodes.items[SVC].pids = 8;
	plan->nodes.items[SVC].cpus_milli = 500;
	labkit_open(&kit, plan);
	OK(bo_keeper_machine(kit.keeper, &machine, &err));
	CHECK(machine.cgroup_pids && machine.cgroup_cpu, "%s", machine.why_not_cgroup);
	labkit_sh(&kit, SVC, "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1000 & done; wait");
	CHECK(strstr(labkit_read_log(&kit, "\n"), "fork"), "pids.max");
	labkit_close(&kit);
}

int main(int argc, char **argv)
{
	static const struct labkit_test tests[] = {
		{ "names_and_links", names_and_links },
		{ "client_ports", client_ports },
		{ "isolation", isolation },
		{ "conductor_has_nothing", conductor_has_nothing },
		{ "stubs", stubs },
		{ "kill_and_restart", kill_and_restart },
		{ "term_and_exit_status", term_and_exit_status },
		{ "bad_starts", bad_starts },
		{ "commands_in_a_node", commands_in_a_node },
		{ "pausing", pausing },
		{ "memory", memory },
		{ "limits", limits },
	};

	return labkit_main(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
