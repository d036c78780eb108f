/* SPDX-License-Identifier: Apache-2.0 */
/* lab/test_keeper_trust.c — the keeper against a conductor that has gone bad: garbage, wrong lengths, indices and counts;
 * and who runs as whom under sudo and in a user namespace.
 * Owns: its keepers.  Threads: none.  Privilege: root or user namespaces, else 77. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/clock.h"
#include "brownout/base/rng.h"
#include "brownout/sys/fdpass.h"
#include "brownout/sys/netns.h"
#include "brownout/sys/process.h"
#include "harness/keeper_proto.h"
#include "support/labkit.h"

#define NOBODY 65534
#define HELPER NODE_HELPER

static int raw_keeper(pid_t *pid)
{
	struct bo_user nobody = { 0 };
	int pair[2];

	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
	*pid = fork();
	if (*pid == 0) {
		close(pair[0]);
		bo_keeper_main(pair[1], &nobody);
	}
	close(pair[1]);
	return pair[0];
}

/* Send, and take the one answer to it. */
static int ask_raw(int sock, const void *msg, size_t len, int fd)
{
	struct bo_fds fds = { .fd = { fd }, .n = fd >= 0 };
	struct kp_rep rep = { 0 };

	OK(bo_fdpass_send(sock, msg, len, &fds, &err));
	do {
		CHECK(bo_fdpass_recv(sock, &rep, sizeof(rep), NULL, NULL, 0, NULL) == sizeof(rep),
		      "no answer");
	} while (rep.kind != KP_REPLY);
	return rep.code;
}

static void say_hello(int sock)
{
	struct kp_req req = { .op = KP_HELLO };
	int netns = -1;

	if (geteuid() != 0) {
		fprintf(stderr, "cannot run here: not root\n");
		exit(77);
	}
	OK(bo_netns_new(&netns, &err));
	CHECK(ask_raw(sock, &req, sizeof(req), netns) == 0, "hello");
	close(netns);
}

static void garbage(void)
{
	static char msg[4096];
	struct bo_rng rng;
	pid_t pid;
	int sock = raw_keeper(&pid), status;

	bo_rng_init(&rng, 7, 0);
	say_hello(sock);
	for (int i = 0; i < 3000; i++) {
		struct kp_req req = { .op = (uint32_t)(bo_rng_u64(&rng) % (KP_OP_COUNT + 2)),
				      .index = (int32_t)bo_rng_u64(&rng) >> (bo_rng_u64(&rng) % 32),
				      .arg = (int32_t)bo_rng_u64(&rng) >> (bo_rng_u64(&rng) % 32),
				      .value = (int64_t)bo_rng_u64(&rng) };
		size_t len = bo_rng_u64(&rng) % sizeof(msg);

		if (req.op == KP_STOP || req.op == KP_MACHINE)
			continue;
		for (size_t j = 0; j < len; j++)
			msg[j] = bo_rng_u64(&rng) % 4 ? (char)bo_rng_u64(&rng) : '\0';
		memcpy(msg, &req, sizeof(req));
		if (len < sizeof(req))
			len = sizeof(req);
		CHECK(ask_raw(sock, msg, len, -1) != 0, "op %u was taken", req.op);
	}
	/* shorter than a head: not even an answer */
	for (size_t len = 1; len < sizeof(struct kp_req); len++)
		OK(bo_fdpass_send(sock, msg, len, NULL, &err));
	close(sock);
	waitpid(pid, &status, 0);
	CHECK(status == 0, "the keeper ended with %x", status);
}

/* Threads of the conductor, nobody else's. */
static void realtime_for_its_own(void)
{
	struct kp_req req = { .op = KP_REALTIME, .value = gettid() };
	struct sched_param none = { 0 };
	pid_t pid, stranger = fork();
	int sock, code;

	if (stranger == 0) {
		if (sched_setscheduler(0, SCHED_BATCH, &none) < 0)
			_exit(1);
		pause();
		_exit(0);
	}
	sock = raw_keeper(&pid);
	code = ask_raw(sock, &req, sizeof(req), -1);
	CHECK(code == 0 || code == EPERM, "%d", code);
	if (code == 0) {
		CHECK(sched_getscheduler(0) == (SCHED_FIFO | SCHED_RESET_ON_FORK), "not real-time");
		CHECK(sched_setscheduler(0, SCHED_OTHER, &none) == 0, "still real-time");
	}
	while (sched_getscheduler(stranger) != SCHED_BATCH && waitpid(stranger, NULL, WNOHANG) == 0)
		usleep(1000);
	req.value = stranger;
	CHECK(ask_raw(sock, &req, sizeof(req), -1) == ESRCH, "somebody else's thread");
	CHECK(sched_getscheduler(stranger) == SCHED_BATCH, "somebody else was touched");
	req.value = pid;
	CHECK(ask_raw(sock, &req, sizeof(req), -1) == ESRCH, "the keeper itself");
	req.value = 0;
	CHECK(ask_raw(sock, &req, sizeof(req), -1) == EBADMSG, "no thread");
	req.value = INT64_C(1) << 32 | gettid();
	CHECK(ask_raw(sock, &req, sizeof(req), -1) == EBADMSG, "a thread cut to size");
	kill(stranger, SIGKILL);
	waitpid(stranger, NULL, 0);
	close(sock);
	waitpid(pid, NULL, 0);
}

struct lab_up_msg {
	struct kp_req req;
	struct kp_lab lab;
	struct kp_lab_node nodes[2];
	struct kp_lab_link links[1];
} __attribute__((packed));

static void bad_indices(void)
{
	struct lab_up_msg up = { .req = { .op = KP_LAB_UP },
				 .lab = { .nnodes = 2, .nlinks = 1 },
				 .nodes = { { .name = "client" }, { .name = "svc" } },
				 .links = { { 0, 1 } } };
	pid_t pid;
	int sock = raw_keeper(&pid), status, code;

	CHECK(ask_raw(sock, &up, sizeof(up), -1) == EBADMSG, "a lab before hello");
	say_hello(sock);
	CHECK(ask_raw(sock, &up, sizeof(up) - 1, -1) == EBADMSG, "a link cut short");
	up.lab.nnodes = UINT32_MAX;
	CHECK(ask_raw(sock, &up, sizeof(up), -1) == EINVAL, "4 billion nodes");
	up.lab.nnodes = 2;
	memset(up.nodes[1].name, 'x', sizeof(up.nodes[1].name)); /* no NUL */
	up.links[0].b = 7;
	CHECK(ask_raw(sock, &up, sizeof(up), -1) == EINVAL, "a link to nowhere");
	up.links[0].b = 1;
	code = ask_raw(sock, &up, sizeof(up), -1);
	CHECK(code == 0, "lab: %d", code);
	CHECK(ask_raw(sock, &up, sizeof(up), -1) == EBUSY, "a second lab");
	for (uint32_t op = KP_NODE_START; op < KP_STOP; op++)
		for (int index = -3; index < 6; index++) {
			/* enough of a payload for whatever the operation wants */
			struct {
				struct kp_req req;
				char rest[512];
			} msg = {
				.req = { .op = op, .index = index, .arg = 99, .value = INT64_MIN }
			};

			code = ask_raw(sock, &msg, sizeof(msg), -1);
			CHECK(code != 0 || (op == KP_NODE_KILL && index == 1), "op %u index %d: %d",
			      op, index, code);
		}
	close(sock);
	waitpid(pid, &status, 0);
	CHECK(status == 0, "the keeper ended with %x", status);
}

/* ---- impairments ---- */

struct impair_msg {
	struct kp_req req;
	struct bo_impair im;
	struct bo_dist_table table;
} __attribute__((packed));

#define WITHOUT_TABLE offsetof(struct impair_msg, table)

/* What a keeper that was asked in good faith says: done, or that this lab's links are wires. */
static bool is_taken(int code)
{
	return code == 0 || code == EOPNOTSUPP;
}

static void expect_malformed(int sock, const struct impair_msg *msg, size_t len, const char *what)
{
	int code = ask_raw(sock, msg, len, -1);

	CHECK(code == EBADMSG, "%s: %d", what, code);
}

static void hostile_fields(int sock, const struct impair_msg *good)
{
	/* Whatever byte comes instead of one of a good impairment: an answer, and a keeper that lives. */
	for (size_t at = 0; at < sizeof(good->im); at++)
		for (int byte = 0; byte < 256; byte += 85) {
			struct impair_msg msg = *good;

			((unsigned char *)&msg.im)[at] = (unsigned char)byte;
			(void)ask_raw(sock, &msg, sizeof(msg), -1);
			(void)ask_raw(sock, &msg, WITHOUT_TABLE, -1);
		}
}

static void hostile_impairments(void)
{
	struct lab_up_msg up = { .req = { .op = KP_LAB_UP },
				 .lab = { .nnodes = 2, .nlinks = 1, .seed = 7 },
				 .nodes = { { .name = "client" }, { .name = "svc" } },
				 .links = { { 0, 1 } } };
	const struct impair_msg good = { .req = { .op = KP_LINK_IMPAIR },
					 .im = { .delay_ns = 2000, .jitter_ns = 1000 } };
	struct impair_msg msg = good;
	pid_t pid;
	int sock = raw_keeper(&pid), status, code;

	say_hello(sock);
	CHECK(ask_raw(sock, &up, sizeof(up), -1) == 0, "lab");
	code = ask_raw(sock, &msg, WITHOUT_TABLE, -1);
	CHECK(is_taken(code), "an impairment: %d", code);

	/* A table travels behind; the sender's pointer to it is no matter, and none of it may be missing or extra. */
	msg.im.dist = BO_DIST_TABLE;
	msg.im.table = (const void *)1;
	memset(&msg.table, 0x80, sizeof(msg.table)); /* extreme, but numbers */
	code = ask_raw(sock, &msg, sizeof(msg), -1);
	CHECK(is_taken(code), "a table: %d", code);
	expect_malformed(sock, &msg, WITHOUT_TABLE, "no table");
	expect_malformed(sock, &msg, sizeof(msg) - 1, "a table cut short");
	msg.im.dist = BO_DIST_NORMAL;
	expect_malformed(sock, &msg, sizeof(msg), "a table that nobody asked for");
	code = ask_raw(sock, &msg, WITHOUT_TABLE, -1);
	CHECK(is_taken(code), "a pointer that nobody looks at: %d", code);
	msg.im.dist = (enum bo_dist)BO_DIST_COUNT;
	expect_malformed(sock, &msg, WITHOUT_TABLE, "an unknown distribution");

	msg = good;
	expect_malformed(sock, &msg, WITHOUT_TABLE - 1, "an impairment cut short");
	msg.im.trace = (const void *)8;
	expect_malformed(sock, &msg, WITHOUT_TABLE, "a trace");
	msg = good;
	memset((char *)&msg.im + offsetof(struct bo_impair, blackhole), 2, 1);
	expect_malformed(sock, &msg, WITHOUT_TABLE, "a bool of 2");
	msg = good;
	memset((char *)&msg.im + offsetof(struct bo_impair, in_order), 0xff, 1);
	expect_malformed(sock, &msg, WITHOUT_TABLE, "a bool of 255");
	msg = good;
	msg.im.loss.model = (enum bo_loss_model)99;
	expect_malformed(sock, &msg, WITHOUT_TABLE, "an unknown loss model");
	msg = good;
	msg.im.loss.random.ppm = BO_PPM_ALL + 1;
	expect_malformed(sock, &msg, WITHOUT_TABLE, "more than all");
	msg = good;
	msg.req.arg = BO_DIR_COUNT;
	expect_malformed(sock, &msg, WITHOUT_TABLE, "a third direction");
	hostile_fields(sock, &good);

	code = ask_raw(sock, &good, WITHOUT_TABLE, -1);
	CHECK(is_taken(code), "after all that: %d", code);
	close(sock);
	waitpid(pid, &status, 0);
	CHECK(status == 0, "the keeper ended with %x", status);
}

/* ---- a process of the lab, opened for who may not ---- */

static int try_open(struct labkit *kit, int node, pid_t pid, struct bo_process_files *ret)
{
	struct bo_err e = { 0 };
	struct bo_process_files files = { -1, -1, -1 };
	int rc = bo_keeper_open_process(kit->keeper, node, pid, &files, &e);

	CHECK(rc == 0 || (e.msg[0] && files.mem < 0), "%d without a reason", rc);
	if (ret) {
		*ret = files;
	} else if (rc == 0) {
		close(files.mem);
		close(files.exe);
		close(files.auxv);
	}
	return rc;
}

static void expect_refused(struct labkit *kit, int node, pid_t pid, int code, const char *who)
{
	int rc = try_open(kit, node, pid, NULL);

	CHECK(rc == -code, "%s (pid %d) for node %d: %d, expected %d", who, pid, node, rc, -code);
}

static pid_t parent_of(pid_t pid)
{
	char path[64];
	pid_t parent = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	CHECK(f && fscanf(f, "%*d (%*[^)]) %*c %d", &parent) == 1, "%s", path);
	fclose(f);
	return parent;
}

/** sleeper() - a process that has become what it stays: the memory of one that calls execve(2) is gone */
static pid_t sleeper(struct labkit *kit, int node)
{
	pid_t pid = labkit_sh(kit, node, "echo asleep; sleep 1000; :");

	labkit_read_log(kit, "asleep");
	return pid;
}

/* What the descriptors are worth: the program's first bytes, at the address that the kernel gave it. */
static void check_files(struct bo_process_files *f)
{
	unsigned long aux[2 * 64] = { 0 }, phdr = 0;
	char head[4] = "", word[4];
	ssize_t n = read(f->auxv, aux, sizeof(aux));

	CHECK(n > 0 && pread(f->exe, head, 4, 0) == 4 && !memcmp(head, "\177ELF", 4), "exe");
	for (size_t i = 0; i + 1 < (size_t)n / sizeof(*aux); i += 2)
		if (aux[i] == AT_PHDR)
			phdr = aux[i + 1];
	CHECK(phdr && pread(f->mem, word, 4, (off_t)phdr) == 4, "mem");
	CHECK(pwrite(f->mem, word, 4, (off_t)phdr) < 0, "it can be written");
	close(f->mem);
	close(f->exe);
	close(f->auxv);
}

static unsigned long long effective_caps(pid_t pid)
{
	unsigned long long caps = ~0ull;
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	CHECK(f, "%s", path);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	fclose(f);
	return caps;
}

/* The memory of the lab's processes, and of nobody else's: not the host's, not another node's, not the lab's own init. */
static void open_process(void)
{
	struct bo_process_files files;
	struct labkit kit;
	pid_t svc, db, keeper;
	char path[64];

	labkit_open(&kit, labkit_plan());
	keeper = labkit_child_of(getpid(), "bo-keeper");
	svc = labkit_sh(&kit, SVC, "exec " HELPER " dark");
	labkit_read_log(&kit, "dark");
	db = sleeper(&kit, DB);
	snprintf(path, sizeof(path), "/proc/%d/mem", svc);
	CHECK(open(path, O_RDONLY) < 0 && (errno == EACCES || errno == EPERM),
	      "it may be read without the keeper");
	CHECK(!(effective_caps(keeper) >> CAP_SYS_PTRACE & 1), "the keeper may look anywhere");
	CHECK(try_open(&kit, SVC, svc, &files) == 0, "refused");
	check_files(&files);
	CHECK(try_open(&kit, DB, db, &files) == 0, "refused");
	check_files(&files);
	CHECK(!(effective_caps(keeper) >> CAP_SYS_PTRACE & 1),
	      "the keeper may still look anywhere");

	expect_refused(&kit, SVC, db, EPERM, "another node's");
	expect_refused(&kit, DB, svc, EPERM, "another node's");
	expect_refused(&kit, SVC, parent_of(svc), EPERM, "its init");
	expect_refused(&kit, SVC, parent_of(db), EPERM, "another's init");
	expect_refused(&kit, SVC, getpid(), EPERM, "the conductor");
	expect_refused(&kit, SVC, keeper, EPERM, "the keeper");
	expect_refused(&kit, SVC, getppid(), EPERM, "the host's");
	expect_refused(&kit, SVC, 1, EPERM, "the host's init");
	expect_refused(&kit, CLIENT, getpid(), EINVAL, "no node");
	expect_refused(&kit, -1, svc, EINVAL, "no node");
	expect_refused(&kit, 99, svc, EINVAL, "no node");
	expect_refused(&kit, SVC, -1, EBADMSG, "no pid");
	expect_refused(&kit, SVC, 0, EBADMSG, "no pid");
	CHECK(!(effective_caps(keeper) >> CAP_SYS_PTRACE & 1),
	      "the keeper may still look anywhere");
	OK(bo_keeper_node_kill(kit.keeper, SVC, &err));
	expect_refused(&kit, SVC, svc, ESRCH, "one that has ended");
	expect_refused(&kit, DB, svc, ESRCH, "one that has ended");
	labkit_close(&kit);
}

/* The root directory of a node, for who has its rights already: its own /tmp is to be seen, and nothing more is open. */
static void open_root(void)
{
	struct bo_err e = { 0 };
	struct labkit kit;
	struct bo_root_files root = { -1, -1 }, other = { -1, -1 };
	struct stat st, host;
	pid_t keeper;

	labkit_open(&kit, labkit_plan());
	keeper = labkit_child_of(getpid(), "bo-keeper");
	CHECK(bo_keeper_open_root(kit.keeper, SVC, &root, &e) == -ESRCH && root.root < 0, "down");
	labkit_sh(&kit, SVC, "touch /tmp/mine; echo made; exec sleep 1000");
	labkit_read_log(&kit, "made");
	labkit_sh(&kit, DB, "exec sleep 1000");
	OK(bo_keeper_open_root(kit.keeper, SVC, &root, &err));
	OK(bo_keeper_open_root(kit.keeper, DB, &other, &err));
	CHECK((fcntl(root.root, F_GETFL) & O_PATH) && (fcntl(root.root, F_GETFD) & FD_CLOEXEC),
	      "flags");
	CHECK(fstatat(root.root, "tmp/mine", &st, 0) == 0, "not the node's /tmp");
	CHECK(fstatat(other.root, "tmp/mine", &st, 0) < 0, "the other node's, too");
	CHECK(fstatat(AT_FDCWD, "/tmp/mine", &st, 0) < 0, "the host's");
	CHECK(setns(root.mounts, CLONE_NEWNS) < 0 && errno == EPERM, "it may be entered");
	CHECK(!(effective_caps(keeper) >> CAP_SYS_PTRACE & 1), "the keeper may look anywhere");
	CHECK(bo_keeper_open_root(kit.keeper, CLIENT, &root, &e) == -EINVAL, "of the client");
	CHECK(bo_keeper_open_root(kit.keeper, 99, &root, &e) == -EINVAL, "of no node");
	OK(bo_keeper_node_kill(kit.keeper, SVC, &err));
	CHECK(bo_keeper_open_root(kit.keeper, SVC, &root, &e) == -ESRCH, "it was killed");
	/* A dead node's /tmp does not become the host's. */
	CHECK(stat("/tmp", &host) == 0 && fstatat(root.root, "tmp", &st, 0) == 0 &&
		      st.st_dev != host.st_dev,
	      "the host's /tmp");
	CHECK(fstatat(root.root, "tmp/mine", &st, 0) == 0, "it is gone");
	close(root.root);
	close(root.mounts);
	close(other.root);
	close(other.mounts);
	labkit_close(&kit);
}

/* Under sudo: the conductor and the nodes become the invoking user. */
static void sudo(void)
{
	struct bo_process_files files;
	struct labkit kit;
	gid_t groups[64];
	pid_t pid;

	if (geteuid() != 0) {
		fprintf(stderr, "cannot run here: not root\n");
		exit(77);
	}
	setenv("SUDO_UID", "65534", 1);
	setenv("SUDO_GID", "65534", 1);
	labkit_open(&kit, labkit_plan());
	kit.plan->scenario_dir = "/"; /* that user may not enter a checkout below /root */
	CHECK(getuid() == NOBODY && geteuid() == NOBODY && getgid() == NOBODY, "uid %u", getuid());
	for (int i = 0, n = getgroups(64, groups); i < n; i++)
		CHECK(groups[i] != 0, "still in root's group");
	CHECK(setuid(0) < 0, "root again");
	labkit_sh(&kit, SVC, "echo uid $(id -u) gid $(id -g); exec sleep 1000");
	CHECK(strstr(labkit_read_log(&kit, "\n"), "uid 65534 gid 65534"), "the node's uid");
	CHECK(labkit_exec(&kit, SVC, "kill -9 1; test -d /proc/1") == 0,
	      "init was killed from inside");
	CHECK(labkit_exec(&kit, SVC, "touch /tmp/x && ! touch /etc/x 2>/dev/null") == 0,
	      "what it may write");
	OK(bo_keeper_node_pause(kit.keeper, SVC, true, &err));
	OK(bo_keeper_node_pause(kit.keeper, SVC, false, &err));
	OK(bo_keeper_node_term(kit.keeper, SVC, &err));
	CHECK(WIFSIGNALED(labkit_wait_end(&kit, SVC, 5 * BO_NSEC_PER_SEC).exit_status), "term");
	labkit_sh(&kit, SVC, "exec sleep 1000");
	OK(bo_keeper_node_kill(kit.keeper, SVC, &err));
	pid = sleeper(&kit, SVC);
	CHECK(try_open(&kit, SVC, pid, &files) == 0, "its process is not opened");
	check_files(&files);
	expect_refused(&kit, SVC, 1, EPERM, "the host's init");
	labkit_close(&kit);
	setenv("SUDO_UID", "root", 1);
}

/* An ordinary user: a user namespace, in which the machine can at least be asked. */
static void ordinary_user(void)
{
	struct bo_keeper *keeper = NULL;
	struct bo_machine machine;
	struct bo_err e = { 0 };
	int rc;

	if (geteuid() == 0)
		CHECK(setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
			      setresuid(NOBODY, NOBODY, NOBODY) == 0,
		      "becoming nobody");
	rc = bo_keeper_start(&keeper, &e);
	if (rc == -ENOTSUP) {
		/* one line that says what to do */
		CHECK(strstr(e.msg, "root") && !strchr(e.msg, '\n'), "%s", e.msg);
		return;
	}
	CHECK(rc == 0, "%d: %s", rc, e.msg);
	OK(bo_keeper_machine(keeper, &machine, &err));
	CHECK(machine.netns, "no network namespace");
	CHECK(machine.tun || machine.why_not_tun[0], "no reason given for tun");
	CHECK(machine.netem || machine.why_not_netem[0], "no reason given for netem");
	CHECK(machine.cgroup_memory || machine.why_not_cgroup[0], "no reason given for cgroups");
	OK(bo_keeper_stop(keeper, &err));
	bo_keeper_free(keeper);
}

int main(int argc, char **argv)
{
	static const struct labkit_test tests[] = {
		{ "garbage", garbage },
		{ "bad_indices", bad_indices },
		{ "realtime_for_its_own", realtime_for_its_own },
		{ "hostile_impairments", hostile_impairments },
		{ "open_process", open_process },
		{ "open_root", open_root },
		{ "sudo", sudo },
		{ "ordinary_user", ordinary_user },
	};

	return labkit_main(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
