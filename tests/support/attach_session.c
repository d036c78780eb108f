/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/attach_session.c — see the header. */
#include "attach_session.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"

struct bo_err err;
enum bo_driver session_driver = BO_DRIVER_AUTO;

struct attach_world world;
struct shared *shared;

struct sockaddr_in peer_address(int port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	inet_pton(AF_INET, KIT_PEER, &sa.sin_addr);
	return sa;
}

/* A delay that comes out of nowhere makes TCP probe for a lost tail (RFC 8985): the segment is sent twice although nothing
 * was lost, and the receiver says so with a D-SACK.  What was lost is never reported as a duplicate. */
static void count_segments(int s)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	getsockopt(s, IPPROTO_TCP, TCP_INFO, &info, &len);
	shared->retransmitted += info.tcpi_total_retrans;
	shared->needlessly += info.tcpi_dsack_dups;
}

/* The peer: echoes every connection, one after the other, and counts datagrams. */
static int echo(void *arg)
{
	struct sockaddr_in sa = peer_address(KIT_PORT);
	int on = 1, l = socket(AF_INET, SOCK_STREAM, 0), u = socket(AF_INET, SOCK_DGRAM, 0), c = -1;
	int room = 8 << 20; /* all that a test sends: only the way here can lose one */
	static char buf[65536];

	(void)arg;
	setsockopt(u, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(l, (struct sockaddr *)&sa, sizeof(sa)) || listen(l, 8) ||
	    bind(u, (struct sockaddr *)&sa, sizeof(sa)))
		return 1;
	shared->ready = 1;
	for (;;) {
		struct pollfd p[] = { { l, POLLIN, 0 }, { u, POLLIN, 0 }, { c, POLLIN, 0 } };
		ssize_t n;

		poll(p, 3, -1);
		if (p[0].revents) {
			close(c);
			c = accept(l, NULL, NULL);
			continue;
		}
		if (p[1].revents && recv(u, buf, sizeof(buf), 0) > 0)
			shared->datagrams++;
		if (c < 0 || !p[2].revents)
			continue;
		n = recv(c, buf, sizeof(buf), 0);
		for (ssize_t at = 0; n > 0 && at < n;) {
			ssize_t w = send(c, buf + at, (size_t)(n - at), MSG_NOSIGNAL);

			if (w <= 0)
				break;
			at += w;
		}
		if (n <= 0) {
			count_segments(c);
			shared->stop = 2;
			close(c);
			c = -1;
		}
	}
}

#define BLOCK 20000

/* The service: sends numbered blocks and checks that they come back, until it is told to stop. */
int talk(void *arg)
{
	struct sockaddr_in sa = peer_address(KIT_PORT);
	static uint32_t out[BLOCK / 4], in[BLOCK / 4];
	int s = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	(void)arg;
	setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	while (connect(s, (struct sockaddr *)&sa, sizeof(sa)))
		usleep(1000);
	for (uint32_t n = 0; !shared->stop; n++) {
		int64_t began = bo_now_ns();
		uint64_t took;

		for (size_t i = 0; i < BLOCK / 4; i++)
			out[i] = n * 7919 + (uint32_t)i;
		if (send(s, out, BLOCK, MSG_NOSIGNAL) != BLOCK ||
		    recv(s, in, BLOCK, MSG_WAITALL) != BLOCK)
			return 1;
		if (memcmp(in, out, BLOCK) != 0)
			shared->damaged++;
		took = (uint64_t)(bo_now_ns() - began);
		shared->longest_ns = took > shared->longest_ns ? took : shared->longest_ns;
		shared->echoed++;
	}
	count_segments(s);
	return 0;
}

bool wait_for_blocks(uint64_t more, int timeout_ms)
{
	uint64_t from = shared->echoed;
	int64_t deadline = bo_now_ns() + timeout_ms * BO_NSEC_PER_MSEC;

	while (shared->echoed < from + more && bo_now_ns() < deadline)
		usleep(500);
	return shared->echoed >= from + more;
}

void talk_ends(const struct session *s)
{
	shared->stop = 1;
	assert_int_equal(kit_wait(s->service, LONG_MS), 0);
	for (int i = 0; i < LONG_MS && shared->stop != 2; i++)
		usleep(1000);
	assert_int_equal(shared->damaged, 0);
	print_message("%llu blocks echoed, %llu segments sent twice, %llu of them needlessly\n",
		      (unsigned long long)shared->echoed, (unsigned long long)shared->retransmitted,
		      (unsigned long long)shared->needlessly);
}

bool wait_blocks(uint64_t more)
{
	return wait_for_blocks(more, LONG_MS);
}

/** counter() - the value below the @column of the lines of /proc/net/snmp that begin with @protocol */
static uint64_t counter(FILE *f, const char *protocol, const char *column)
{
	char names[1024], values[1024], *n, *v, *n_rest, *v_rest;

	while (fgets(names, sizeof(names), f) && fgets(values, sizeof(values), f)) {
		if (strncmp(names, protocol, strlen(protocol)) != 0 ||
		    names[strlen(protocol)] != ':')
			continue;
		n = strtok_r(names, " \n", &n_rest);
		v = strtok_r(values, " \n", &v_rest);
		for (; n && v;
		     n = strtok_r(NULL, " \n", &n_rest), v = strtok_r(NULL, " \n", &v_rest))
			if (!strcmp(n, column))
				return strtoull(v, NULL, 10);
	}
	return 0;
}

uint64_t snmp_counter(int netns, const char *protocol, const char *column)
{
	uint64_t n;
	FILE *f;

	attach_world_enter(netns);
	f = fopen("/proc/thread-self/net/snmp", "re");
	assert_non_null(f);
	n = counter(f, protocol, column);
	fclose(f);
	attach_world_enter(world.home);
	return n;
}

uint64_t bad_checksums(int netns, const char *protocol)
{
	return snmp_counter(netns, protocol, "InCsumErrors");
}

void begin(struct session *s, int (*service)(void *), int64_t ttl_ns)
{
	struct bo_attach_session none = { 0 };
	struct bo_attach_conf conf;

	memset(shared, 0, sizeof(*shared));
	*s = (struct session){ .sock = -1 };
	s->peer = kit_spawn(world.peer, echo, NULL);
	for (int i = 0; i < LONG_MS && !shared->ready; i++)
		usleep(1000);
	assert_true(shared->ready);
	s->service = kit_spawn(world.service, service, NULL);
	s->before = attach_world_lists(&world, world.service);
	conf = attach_world_conf(s->service);
	conf.driver = session_driver;
	conf.spec.ttl_ns = ttl_ns ? ttl_ns : conf.spec.ttl_ns;
	/* kit_spawn()'s child moves after the fork */
	for (int i = 0;
	     bo_attach_start(&conf, &none, &s->att, &s->sock, &err) == -EPERM && i < 2000; i++)
		usleep(1000);
	if (s->sock < 0)
		fail_msg("%s", err.msg);
}

/** same_lists() - within some time, rules, queues and qdiscs are what they were, and no journal is left */
bool same_lists(const struct session *s)
{
	int64_t deadline = bo_now_ns() + LONG_MS * BO_NSEC_PER_MSEC;

	for (;;) {
		bo_auto_free char *now = attach_world_lists(&world, world.service);
		bool same = strcmp(now, s->before) == 0;
		DIR *dir = opendir(BO_ATTACH_RUN_DIR);
		const struct dirent *e;

		while (dir && (e = readdir(dir)))
			same = same && e->d_name[0] == '.';
		if (dir)
			closedir(dir);
		if (same || bo_now_ns() > deadline)
			return same;
		usleep(2000);
	}
}

void finish(struct session *s)
{
	kill(s->service, SIGKILL);
	kill(s->peer, SIGKILL);
	waitpid(s->service, NULL, 0);
	waitpid(s->peer, NULL, 0);
	bo_close(&s->sock);
	MUST(bo_attach_end(&s->att, &err));
	free(s->before);
}

pid_t warden_of(pid_t attachment)
{
	char path[64];
	FILE *f;
	int pid = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", attachment, attachment);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%d", &pid) != 1)
		pid = 0;
	if (f)
		fclose(f);
	return pid;
}

void kill_attachment(struct session *s, bool warden)
{
	/* One that lives would have another warden at once. */
	kill(s->att.pid, SIGSTOP);
	if (warden)
		kill(warden_of(s->att.pid), SIGKILL);
	kill(s->att.pid, SIGKILL);
	waitpid(s->att.pid, NULL, 0);
	bo_close(&s->att.lifeline);
	bo_close(&s->att.pidfd);
}

void on(const struct session *s, enum bo_dir dir, struct bo_impair im)
{
	MUST(bo_attach_impair(s->sock, 0, dir, &im, NULL, &err));
}

void off(const struct session *s, enum bo_dir dir)
{
	on(s, dir, (struct bo_impair){ 0 });
}

void session_world_make(void)
{
	attach_world_make(&world);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
}
