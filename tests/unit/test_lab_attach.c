/* SPDX-License-Identifier: Apache-2.0 */
/* test_lab_attach.c — what of attaching needs no privilege: peers, the guard, containers, records, the journal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attach-internal.h"
#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/lab/linkprobe.h"

static struct bo_err err;
static const struct bo_attach_session nobody;

static struct bo_attach_peer peer_of(const char *text, int port, int protocol)
{
	struct bo_attach_peer peer;

	assert_int_equal(bo_attach_peer_parse(text, &peer, &err), 0);
	peer.port = (uint16_t)port;
	peer.protocol = (uint8_t)protocol;
	return peer;
}

static void test_peers_as_text(void **state)
{
	static const struct {
		const char *text, *shown;
		int port, protocol;
	} good[] = {
		{ "10.0.0.5", "10.0.0.5:5432/tcp", 5432, IPPROTO_TCP },
		{ "10.0.0.5", "10.0.0.5", 0, 0 },
		{ "fd00::5", "[fd00::5]:53/udp", 53, IPPROTO_UDP },
		{ "10.0.0.0/8", "10.0.0.0/8/tcp", 0, IPPROTO_TCP },
		{ "0.0.0.0/0", "0.0.0.0/0", 0, 0 },
		{ "fd00::/16", "fd00::/16", 0, 0 },
	};
	static const char *const bad[] = { "db",          "",        "10.0.0.5/", "10.0.0.5/33",
					   "10.0.0.5/24", "::1/129", "10.0.0",    "10.0.0.0/8x",
					   "fd00::1/64" };
	struct bo_attach_peer peer;
	char buf[96];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		peer = peer_of(good[i].text, good[i].port, good[i].protocol);
		assert_string_equal(bo_attach_peer_text(&peer, buf, sizeof(buf)), good[i].shown);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(bo_attach_peer_parse(bad[i], &peer, &err), -EINVAL);
}

static bool has(const char *network, const char *address)
{
	struct bo_attach_peer peer = peer_of(network, 0, 0), other = peer_of(address, 0, 0);

	return bo_attach_peer_has(&peer, other.family, other.address);
}

static void test_peers_that_hold_an_address(void **state)
{
	(void)state;
	assert_true(has("10.0.0.5", "10.0.0.5"));
	assert_false(has("10.0.0.5", "10.0.0.4"));
	assert_true(has("10.0.0.0/30", "10.0.0.3"));
	assert_false(has("10.0.0.0/30", "10.0.0.4"));
	assert_true(has("0.0.0.0/0", "1.2.3.4"));
	assert_false(has("0.0.0.0/0", "::1"));
	assert_true(has("fd00::/17", "fd00:7fff::1"));
	assert_false(has("fd00::/17", "fd00:8000::1"));
}

static void test_sessions(void **state)
{
	struct bo_attach_session s;

	(void)state;
	assert_true(bo_attach_session_parse("192.0.2.7 50022 10.0.0.1 22", &s));
	assert_true(s.found);
	assert_int_equal(s.client.port, 50022);
	assert_int_equal(s.client.family, AF_INET);
	assert_true(bo_attach_session_parse("::ffff:192.0.2.7 50022 ::ffff:10.0.0.1 22", &s));
	assert_int_equal(s.client.family, AF_INET);
	assert_int_equal(s.client.address[3], 7);
	assert_true(bo_attach_session_parse("fe80::1%eth0 50022 22", &s));
	assert_int_equal(s.client.family, AF_INET6);
	assert_false(bo_attach_session_parse("", &s));
	assert_false(bo_attach_session_parse("UNKNOWN 65535 UNKNOWN 65535", &s));
	assert_false(bo_attach_session_parse("192.0.2.7 99999 x", &s));
}

static int guard(const char *text, int port, int protocol, uint32_t allow,
		 const struct bo_attach_session *s)
{
	struct bo_attach_peer peer = peer_of(text, port, protocol);

	return bo_attach_guard_peer(&peer, allow, s, &err);
}

static void test_guard(void **state)
{
	struct bo_attach_session s;

	(void)state;
	assert_true(bo_attach_session_parse("192.0.2.7 50022 10.0.0.1 22", &s));
	/* the session */
	assert_int_equal(guard("192.0.2.7", 0, 0, 0, &s), -EPERM);
	assert_string_equal(
		err.msg,
		"refused: 192.0.2.7 holds the other end of the SSH session that runs this; if "
		"that is meant, say allow = { \"ssh\" }");
	assert_int_equal(guard("192.0.2.7", 50022, IPPROTO_TCP, 0, &s), -EPERM);
	assert_int_equal(guard("192.0.2.0/24", 0, 0, BO_ATTACH_ALLOW_WIDE, &s), -EPERM);
	assert_int_equal(guard("192.0.2.7", 0, 0, BO_ATTACH_ALLOW_SSH, &s), 0);
	assert_int_equal(guard("192.0.2.7", 5432, IPPROTO_TCP, 0, &s), 0);
	assert_int_equal(guard("192.0.2.7", 50022, IPPROTO_UDP, 0, &s), 0);
	assert_int_equal(guard("192.0.2.7", 0, 0, 0, &nobody), 0);
	/* loopback as a whole */
	assert_int_equal(guard("127.0.0.1", 0, 0, 0, &s), -EPERM);
	assert_int_equal(guard("127.9.9.9", 0, IPPROTO_TCP, 0, &s), -EPERM);
	assert_int_equal(guard("::1", 0, 0, 0, &s), -EPERM);
	assert_non_null(strstr(err.msg, "allow = { \"loopback\" }"));
	assert_int_equal(guard("127.0.0.1", 0, 0, BO_ATTACH_ALLOW_LOOPBACK, &s), 0);
	assert_int_equal(guard("127.0.0.1", 5432, IPPROTO_TCP, 0, &s), 0);
	/* networks */
	assert_int_equal(guard("10.0.0.0/24", 0, 0, 0, &s), -EPERM);
	assert_non_null(strstr(err.msg, "allow = { \"wide\" }"));
	assert_int_equal(guard("::/0", 0, 0, 0, &nobody), -EPERM);
	assert_int_equal(guard("10.0.0.0/24", 0, 0, BO_ATTACH_ALLOW_WIDE, &s), 0);
	/* 0.0.0.0/0 holds everything, loopback and the session, too */
	assert_int_equal(guard("0.0.0.0/0", 0, 0, BO_ATTACH_ALLOW_WIDE, &s), -EPERM);
}

/* Who asks may be no conductor of ours: an address that is none, or more bits than there are, is not to be compared. */
static void test_guard_of_garbage(void **state)
{
	static const struct {
		int32_t family;
		uint8_t prefix;
	} bad[] = { { AF_INET, 33 }, { AF_INET, 255 }, { AF_INET6, 129 },
		    { 0, 32 },       { AF_UNIX, 8 },   { -1, 0 } };
	struct bo_attach_session s;

	(void)state;
	assert_true(bo_attach_session_parse("192.0.2.7 50022 10.0.0.1 22", &s));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct bo_attach_peer peer = peer_of("192.0.2.7", 0, 0);

		peer.family = bad[i].family;
		peer.prefix = bad[i].prefix;
		peer.address[5] = 1;
		assert_int_equal(bo_attach_guard_peer(&peer, UINT32_MAX, &s, &err), -EINVAL);
	}
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

#define ID "4f2a9b01c3d5e7f6a8b90c1d2e3f405162738495a6b7c8d9eafb0c1d2e3f4051"

static void fake_process(const char *proc, int pid, const char *cgroup, const char *nspid)
{
	char dir[200], text[256];

	snprintf(dir, sizeof(dir), "%s/%d", proc, pid);
	assert_int_equal(mkdir(dir, 0755), 0);
	write_file(dir, "cgroup", cgroup);
	snprintf(text, sizeof(text), "Name:\tx\nNSpid:\t%s\nThreads:\t1\n", nspid);
	write_file(dir, "status", text);
}

static void test_containers(void **state)
{
	char proc[] = "/tmp/test-attach-proc.XXXXXX", command[128];
	pid_t pid = 0;

	(void)state;
	assert_non_null(mkdtemp(proc));
	fake_process(proc, 10, "0::/system.slice/ssh.service\n", "10");
	fake_process(proc, 20, "0::/system.slice/docker-" ID ".scope\n", "20\t7");
	fake_process(proc, 21, "0::/system.slice/docker-" ID ".scope\n", "21\t1");
	fake_process(proc, 30, "12:memory:/docker/a" ID "\n0::/\n", "30\t1");
	fake_process(proc, 40, "0::/kubepods/crio-aaaabbbbccccdddd\n", "40");
	fake_process(proc, 41, "0::/kubepods/crio-aaaabbbbccccdddd\n", "41");
	assert_int_equal(bo_attach_container_pid(proc, ID, &pid, &err), 0);
	assert_int_equal(pid, 21);
	assert_int_equal(bo_attach_container_pid(proc, "4f2a9b01c3d5", &pid, &err), 0);
	assert_int_equal(pid, 21);
	/* the host's pid namespace: its oldest */
	assert_int_equal(bo_attach_container_pid(proc, "aaaabbbbcccc", &pid, &err), 0);
	assert_int_equal(pid, 40);
	assert_int_equal(bo_attach_container_pid(proc, "0123456789ab", &pid, &err), -ESRCH);
	assert_int_equal(bo_attach_container_pid(proc, "2a9b01c3d5e7", &pid, &err), -ESRCH);
	assert_int_equal(bo_attach_container_pid(proc, "orders", &pid, &err), -ENOENT);
	assert_int_equal(bo_attach_container_pid(proc, "4f2a9b", &pid, &err), -ENOENT);
	snprintf(command, sizeof(command), "rm -r %s", proc);
	assert_int_equal(system(command), 0);
}

static void engine(const char *dir, const char *name, const char *script)
{
	char path[300];

	write_file(dir, name, script);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(chmod(path, 0755), 0);
}

static void no_engine(const char *dir, const char *name)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(unlink(path), 0);
}

#define ANSWERS \
	"#!/bin/sh\n[ \"$#,$1,$2,$3,$4\" = '4,inspect,--format,{{.State.Pid}},orders-1' ] || exit 1\n"

static void test_containers_by_name(void **state)
{
	char dir[] = "/tmp/test-attach-engines.XXXXXX";
	bo_auto_free char *path = strdup(getenv("PATH"));
	const int64_t time_ns = 20 * BO_NSEC_PER_SEC;
	int64_t began;
	pid_t pid = 0;

	(void)state;
	assert_non_null(mkdtemp(dir));
	setenv("PATH", dir, 1);
	assert_int_equal(bo_attach_runtime_pid("orders-1", time_ns, &pid, &err), -ESRCH);
	assert_string_equal(
		err.msg, "container: there is no \"orders-1\" that runs: docker (not installed), "
			 "podman (not installed), nerdctl (not installed)");
	engine(dir, "podman", ANSWERS "echo 4711\n");
	assert_int_equal(bo_attach_runtime_pid("orders-1", time_ns, &pid, &err), 0);
	assert_int_equal(pid, 4711);
	assert_int_equal(bo_attach_runtime_pid("orders", time_ns, &pid, &err), -ESRCH);
	assert_non_null(strstr(err.msg, "podman (knows none)"));
	/* stopped here, and somebody else's there */
	engine(dir, "docker", ANSWERS "echo 0\n");
	assert_int_equal(bo_attach_runtime_pid("orders-1", time_ns, &pid, &err), 0);
	assert_int_equal(pid, 4711);
	engine(dir, "docker", ANSWERS "echo 12\n");
	assert_int_equal(bo_attach_runtime_pid("orders-1", time_ns, &pid, &err), -EEXIST);
	assert_non_null(strstr(err.msg, "both docker and podman have a \"orders-1\" that runs"));
	no_engine(dir, "podman");
	engine(dir, "docker", ANSWERS "echo 0\n");
	assert_int_equal(bo_attach_runtime_pid("orders-1", time_ns, &pid, &err), -ESRCH);
	assert_non_null(strstr(err.msg, "docker (it does not run)"));
	/* not what was asked for, and nothing at all */
	engine(dir, "docker", ANSWERS "echo 12; echo 13\n");
	assert_int_equal(bo_attach_runtime_pid("orders-1", time_ns, &pid, &err), -ESRCH);
	assert_non_null(strstr(err.msg, "docker (says something else)"));
	engine(dir, "docker", "#!/bin/sh\nexec /bin/sleep 1000\n");
	began = bo_now_ns();
	assert_int_equal(bo_attach_runtime_pid("orders-1", 50 * BO_NSEC_PER_MSEC, &pid, &err),
			 -ESRCH);
	assert_non_null(strstr(err.msg, "docker (does not answer)"));
	assert_true(bo_now_ns() - began < time_ns);
	no_engine(dir, "docker");
	setenv("PATH", path, 1);
	assert_int_equal(rmdir(dir), 0);
	/* no name at all */
	assert_int_equal(bo_attach_runtime_pid("--help", time_ns, &pid, &err), -EINVAL);
	assert_int_equal(bo_attach_runtime_pid("a b", time_ns, &pid, &err), -EINVAL);
	assert_int_equal(bo_attach_runtime_pid("", time_ns, &pid, &err), -EINVAL);
}

static uint32_t add(struct bo_attach_records *r, int64_t at_ns, uint32_t id, uint32_t bytes,
		    int64_t held_ns)
{
	uint32_t index = 0;

	assert_int_equal(bo_attach_record_add(r, at_ns, id, bytes, &index), 0);
	if (held_ns != BO_ATTACH_PENDING)
		bo_attach_record_end(r, index, id, held_ns);
	return index;
}

/* measured() - what the samples come to */
static int measured(const struct bo_attach_records *r, int64_t from_ns, int64_t to_ns,
		    struct bo_link_measure *ret)
{
	struct bo_link_samples samples;
	int rc = bo_attach_records_samples(r, from_ns, to_ns, &samples, &err);

	if (rc < 0)
		return rc;
	rc = bo_link_summarise(&samples, ret);
	bo_link_samples_done(&samples);
	return rc;
}

static void test_records(void **state)
{
	struct bo_attach_records r = { 0 };
	struct bo_link_measure m;
	uint32_t index;

	(void)state;
	assert_int_equal(measured(&r, 0, 100, &m), 0);
	assert_int_equal(m.sent, 0);
	for (int64_t i = 0; i < 100; i++)
		add(&r, 1000 + i, (uint32_t)i + 1, 1500, i % 4 == 3 ? BO_ATTACH_LOST : 50 + i);
	index = add(&r, 1050, 999, 1500, BO_ATTACH_PENDING);
	assert_int_equal(measured(&r, 1000, 1100, &m), 0);
	assert_int_equal(m.sent, 100);
	assert_int_equal(m.received, 75);
	assert_int_equal(m.delay_min_ns, 50);
	assert_int_equal(m.delay_max_ns, 148);
	assert_in_range(m.delay_p50_ns, 98, 100);
	/* the window is half open, and what is still held does not count */
	assert_int_equal(measured(&r, 1010, 1020, &m), 0);
	assert_int_equal(m.sent, 10);
	/* not of another packet in the same place */
	bo_attach_record_end(&r, index, 998, 5);
	assert_int_equal(measured(&r, 1000, 1100, &m), 0);
	assert_int_equal(m.sent, 100);
	bo_attach_record_end(&r, index, 999, 5);
	assert_int_equal(measured(&r, 1000, 1100, &m), 0);
	assert_int_equal(m.sent, 101);
	assert_int_equal(m.delay_min_ns, 5);
	/* what has been overwritten is not known */
	for (uint32_t i = 0; i < BO_ATTACH_RECORDS; i++)
		add(&r, 5000 + i, i, 100, 1);
	assert_int_equal(measured(&r, 1000, 1100, &m), -ENODATA);
	bo_attach_records_done(&r);
}

static void test_records_tell_a_rate(void **state)
{
	struct bo_attach_records r = { 0 };
	struct bo_link_measure m;

	(void)state;
	/* 1250 bytes a millisecond are 10 Mbit/s: they come at once and leave one after the other */
	for (uint32_t i = 0; i < 40; i++)
		add(&r, 1000000, i + 1, 1250, (int64_t)(i + 1) * BO_NSEC_PER_MSEC);
	assert_int_equal(measured(&r, 0, INT64_MAX, &m), 0);
	assert_in_range(m.goodput_bps, 9900000, 10100000);
	bo_attach_records_done(&r);
	/* with pauses in between, nothing is known of a rate */
	for (uint32_t i = 0; i < 40; i++)
		add(&r, 1000000 + i * 10 * BO_NSEC_PER_MSEC, i + 1, 1250, BO_NSEC_PER_MSEC);
	assert_int_equal(measured(&r, 0, INT64_MAX, &m), 0);
	assert_int_equal(m.goodput_bps, 0);
	bo_attach_records_done(&r);
}

static void test_journal_reads_what_it_wrote(void **state)
{
	struct bo_attach_journal j = { .fd = memfd_create("journal", MFD_CLOEXEC),
				       .netns_dev = 4,
				       .netns_ino = 4026531840,
				       .process = { 1, 2, 3 },
				       .table = "brownout-1-2",
				       .ifb = "bo-7",
				       .device = 7,
				       .stopped = 1,
				       .netns = "/run/netns/orders" };
	struct bo_attach_journal back;
	char text[1024];
	ssize_t n;

	(void)state;
	assert_true(j.fd >= 0);
	assert_false(bo_attach_journal_read(j.fd, &back));
	assert_int_equal(bo_attach_journal_write(&j, &err), 0);
	assert_true(bo_attach_journal_read(j.fd, &back));
	assert_int_equal(back.netns_ino, 4026531840);
	assert_int_equal(back.process.start_ticks, 3);
	assert_string_equal(back.table, "brownout-1-2");
	assert_string_equal(back.netns, "/run/netns/orders");
	assert_string_equal(back.ifb, "bo-7");
	assert_int_equal(back.device, 7);
	assert_int_equal(back.stopped, 1);
	/* names of namespaces are those of files */
	snprintf(j.netns, sizeof(j.netns), "/run/netns/my orders end");
	assert_int_equal(bo_attach_journal_write(&j, &err), 0);
	assert_true(bo_attach_journal_read(j.fd, &back));
	assert_string_equal(back.netns, "/run/netns/my orders end");
	memset(j.netns, 'x', sizeof(j.netns) - 1);
	assert_int_equal(bo_attach_journal_write(&j, &err), 0);
	assert_true(bo_attach_journal_read(j.fd, &back));
	assert_string_equal(back.netns, j.netns);
	/* shorter than before, and with nothing where something was */
	j.netns[0] = '\0';
	j.table[0] = '\0';
	j.ifb[0] = '\0';
	j.device = 0;
	assert_int_equal(bo_attach_journal_write(&j, &err), 0);
	assert_true(bo_attach_journal_read(j.fd, &back));
	assert_string_equal(back.netns, "");
	assert_string_equal(back.table, "");
	assert_string_equal(back.ifb, "");
	/* cut short anywhere, it is none */
	n = pread(j.fd, text, sizeof(text), 0);
	for (ssize_t len = n - 2; len >= 0; len--) {
		assert_int_equal(ftruncate(j.fd, len), 0);
		assert_false(bo_attach_journal_read(j.fd, &back));
	}
	close(j.fd);
}

static void test_what_no_attachment_can_do(void **state)
{
	struct bo_impair im = { .delay_ns = 1, .duplicate.ppm = 1 };
	struct bo_trace trace = { 0 };

	(void)state;
	assert_non_null(bo_attach_unable(BO_DRIVER_QUEUE, &im));
	im = (struct bo_impair){ .trace = &trace };
	assert_non_null(bo_attach_unable(BO_DRIVER_QUEUE, &im));
	assert_null(bo_attach_unable(BO_DRIVER_NETEM, &(struct bo_impair){ .duplicate.ppm = 1 }));
	assert_non_null(bo_attach_unable(BO_DRIVER_NETEM, &im));
	im = (struct bo_impair){ .corrupt.ppm = 1 };
	assert_null(bo_attach_unable(BO_DRIVER_QUEUE, &im));
	assert_null(bo_attach_unable(BO_DRIVER_NETEM, &im));
	/* netem cannot be told to hurry */
	im = (struct bo_impair){ .delay_ns = 5 * BO_NSEC_PER_SEC };
	assert_null(bo_attach_unable(BO_DRIVER_NETEM, &im));
	im.delay_ns++;
	assert_non_null(bo_attach_unable(BO_DRIVER_NETEM, &im));
	assert_null(bo_attach_unable(BO_DRIVER_QUEUE, &im));
	im = (struct bo_impair){ .rate_bps = 8000 };
	assert_non_null(bo_attach_unable(BO_DRIVER_NETEM, &im));
	im = (struct bo_impair){ .slot = { .min_ns = 1, .max_ns = 2 } };
	assert_non_null(bo_attach_unable(BO_DRIVER_NETEM, &im));
	im = (struct bo_impair){ .delay_ns = BO_NSEC_PER_SEC, .jitter_ns = BO_NSEC_PER_SEC + 1 };
	assert_non_null(bo_attach_unable(BO_DRIVER_NETEM, &im));
	im = (struct bo_impair){
		.delay_ns = 2, .jitter_ns = 1, .loss.random.ppm = 5, .rate_bps = 8000
	};
	assert_null(bo_attach_unable(BO_DRIVER_QUEUE, &im));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_peers_as_text),
		cmocka_unit_test(test_peers_that_hold_an_address),
		cmocka_unit_test(test_sessions),
		cmocka_unit_test(test_guard),
		cmocka_unit_test(test_guard_of_garbage),
		cmocka_unit_test(test_containers),
		cmocka_unit_test(test_containers_by_name),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_records_tell_a_rate),
		cmocka_unit_test(test_journal_reads_what_it_wrote),
		cmocka_unit_test(test_what_no_attachment_can_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
