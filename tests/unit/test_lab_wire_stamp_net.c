/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_wire_stamp_net.c — the kernel's stamps of real packets: each has its own, in the order in which
 * they are read, whoever sends; the packet is unchanged; and where there may be none, the device is one all the same.
 * Privilege: root (CAP_BPF); exits 77 without. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/lab/wire.h"
#include "brownout/sys/tun.h"
#include "wire-internal.h"
#include "wire_netns.h"

#define PORT 7000
#define SENDERS 4
#define EACH 80

struct rig {
	struct wire_netns net;
	const struct bo_tun_stamps *stamps;
	struct bo_wire_stamper stamper;
};

static int rig_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct bo_err err = { 0 };
	uint8_t frame[2048];

	assert_non_null(rig);
	assert_true(wire_netns_up(&rig->net, true));
	assert_int_equal(bo_tun_stamp_map(rig->net.stamps[0], &rig->stamps, &err), 0);
	rig->stamper.stamps = rig->stamps;
	/* Whatever the kernel itself has to say about a new device. */
	while (read(rig->net.tun[0], frame, sizeof(frame)) > 0)
		;
	bo_wire_stamp_empty(&rig->stamper, bo_wire_stamp_count(&rig->stamper), bo_now_ns());
	*state = rig;
	return 0;
}

static int rig_down(void **state)
{
	struct rig *rig = *state;

	bo_tun_stamp_unmap(rig->stamps);
	wire_netns_down(&rig->net);
	free(rig);
	return 0;
}

static int connected(const struct rig *rig, int family)
{
	struct sockaddr_storage to;
	socklen_t len = wire_netns_address(1, family, PORT, &to);
	int fd = wire_netns_socket(&rig->net, 0, family, SOCK_DGRAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, len), 0);
	return fd;
}

/** read_one() - the next datagram to PORT;  Return: its bytes of IP, 0: there is none */
static size_t read_one(struct rig *rig, uint8_t *frame, size_t room, int64_t *ret_ns)
{
	struct bo_wire_packet packet;
	ssize_t n;

	do {
		n = read(rig->net.tun[0], frame, room);
		if (n <= (ssize_t)BO_WIRE_HDR_LEN)
			return 0;
		*ret_ns = bo_wire_stamp_take(&rig->stamper, bo_now_ns(), frame + BO_WIRE_HDR_LEN,
					     (size_t)n - BO_WIRE_HDR_LEN);
		bo_wire_packet_parse(frame, (size_t)n, &packet);
	} while (packet.target_port != PORT);
	return (size_t)n - BO_WIRE_HDR_LEN;
}

static void each_packet_has_its_time(void **state)
{
	static const int families[] = { AF_INET, AF_INET6 };
	static const size_t sizes[] = { 0, 1, 11, 12, 64, 1400, 5000 };
	struct rig *rig = *state;
	uint8_t frame[8192], payload[8192];

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 7);
	for (int f = 0; f < 2; f++) {
		bo_auto_fd int fd = connected(rig, families[f]);

		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			int64_t before = bo_now_ns(), after, ns;
			bool fragments = sizes[s] > 1400;
			size_t len;

			assert_int_equal(send(fd, payload, sizes[s], 0), (ssize_t)sizes[s]);
			after = bo_now_ns();
			usleep(2000); /* so that the time of reading is another */
			len = read_one(rig, frame, sizeof(frame), &ns);
			assert_true(len > 0);
			assert_true(ns >= before && ns <= after);
			if (!fragments)
				assert_memory_equal(frame + BO_WIRE_HDR_LEN + len - sizes[s],
						    payload, sizes[s]);
			while (read_one(rig, frame, sizeof(frame), &ns))
				;
		}
	}
	assert_int_equal(rig->stamper.read, 0);
}

/** struct sender - @number goes along, so that the reader knows whose packet it is */
struct sender {
	int fd;
	uint32_t number;
	int64_t before_ns[EACH];
	int64_t after_ns[EACH];
};

static void *send_all(void *arg)
{
	struct sender *sender = arg;

	for (uint32_t i = 0; i < EACH; i++) {
		uint32_t words[2] = { sender->number, i };

		sender->before_ns[i] = bo_now_ns();
		(void)!send(sender->fd, words, sizeof(words), 0);
		sender->after_ns[i] = bo_now_ns();
	}
	return NULL;
}

static void senders_on_all_cpus_get_their_own(void **state)
{
	static struct sender senders[SENDERS];
	struct rig *rig = *state;
	pthread_t threads[SENDERS];
	uint8_t frame[2048];
	int64_t ns, last = 0;
	size_t got = 0, len;

	for (uint32_t i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){ .fd = connected(rig, AF_INET), .number = i };
		assert_int_equal(pthread_create(&threads[i], NULL, send_all, &senders[i]), 0);
	}
	for (int i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	while (got < SENDERS * EACH) {
		struct pollfd p = { .fd = rig->net.tun[0], .events = POLLIN };
		uint32_t words[2];

		/* What one sender left in the qdisc to another's CPU may come from its softirq, after both are through. */
		assert_int_equal(poll(&p, 1, 10000), 1);
		len = read_one(rig, frame, sizeof(frame), &ns);
		if (!len)
			continue;
		memcpy(words, frame + BO_WIRE_HDR_LEN + len - sizeof(words), sizeof(words));
		assert_true(words[0] < SENDERS && words[1] < EACH);
		assert_true(ns >= senders[words[0]].before_ns[words[1]]);
		/* With a queueing discipline another sender's CPU may carry it to the device: not
		 * later than all are through. */
		assert_true(ns >= last);
		last = ns;
		got++;
	}
	assert_int_equal(read_one(rig, frame, sizeof(frame), &ns), 0);
	assert_int_equal(rig->stamper.read, 0);
	for (int i = 0; i < SENDERS; i++)
		close(senders[i].fd);
}

static void the_wire_uses_them(void **state)
{
	const int64_t delay_ns = 50 * BO_NSEC_PER_MSEC;
	struct rig *rig = *state;
	struct bo_impair im = { .delay_ns = delay_ns };
	bo_auto_fd int from = connected(rig, AF_INET);
	bo_auto_fd int to = wire_netns_socket(&rig->net, 1, AF_INET, SOCK_DGRAM, 0);
	struct timeval patience = { .tv_sec = 10 };
	struct bo_wire_stats stats;
	struct bo_wire *wire = NULL;
	struct sockaddr_storage at;
	socklen_t len = wire_netns_address(1, AF_INET, PORT, &at);
	struct bo_err err = { 0 };
	int64_t sent, took;
	char byte = 1;

	setsockopt(to, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(bind(to, (struct sockaddr *)&at, len), 0);
	assert_int_equal(bo_wire_new_stamped(&wire,
					     (const int[]){ bo_steal_fd(&rig->net.tun[0]),
							    bo_steal_fd(&rig->net.tun[1]) },
					     (const int[]){ bo_steal_fd(&rig->net.stamps[0]),
							    bo_steal_fd(&rig->net.stamps[1]) },
					     1, 1, &err),
			 0);
	assert_int_equal(bo_wire_impair(wire, BO_DIR_A_TO_B, &im, &err), 0);
	sent = bo_now_ns();
	assert_int_equal(send(from, &byte, 1, 0), 1);
	assert_int_equal(recv(to, &byte, 1, 0), 1);
	took = bo_now_ns() - sent;
	assert_true(took >= delay_ns);
	bo_wire_stats(wire, BO_DIR_A_TO_B, &stats);
	assert_true(stats.stamped >= 1);
	bo_wire_free(wire);
}

/** struct fake - a wire between two pairs of sockets, with stamps that the test writes */
struct fake {
	struct bo_wire *wire;
	struct bo_tun_stamps *stamps;
	int far[2];
};

static void fake_order(struct fake *fake, int64_t delay_ns)
{
	const struct bo_impair im = { .delay_ns = delay_ns };
	struct bo_err err = { 0 };

	assert_int_equal(bo_wire_impair(fake->wire, BO_DIR_A_TO_B, &im, &err), 0);
}

static void fake_up(struct fake *fake, int64_t delay_ns)
{
	int a[2], b[2], memory = memfd_create("stamps", MFD_CLOEXEC);
	struct bo_err err = { 0 };

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, a),
			 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, b), 0);
	assert_int_equal(fcntl(b[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(ftruncate(memory, sizeof(*fake->stamps)), 0);
	fake->stamps = mmap(NULL, sizeof(*fake->stamps), PROT_READ | PROT_WRITE, MAP_SHARED, memory,
			    0);
	assert_true(fake->stamps != MAP_FAILED);
	fake->far[0] = a[1];
	fake->far[1] = b[1];
	assert_int_equal(bo_wire_new_stamped(&fake->wire, (const int[]){ a[0], b[0] },
					     (const int[]){ memory, -1 }, 1, 1, &err),
			 0);
	fake_order(fake, delay_ns);
}

/** fake_send() - one packet that the kernel says came @ago_ns ago */
static void fake_send(struct fake *fake, int64_t ago_ns)
{
	uint8_t frame[BO_WIRE_HDR_LEN + 60] = { 0 };
	uint64_t index = fake->stamps->count;
	struct bo_tun_stamp *stamp = &fake->stamps->slot[index & (BO_TUN_STAMPS - 1)];

	frame[BO_WIRE_HDR_LEN] = 0x45;
	stamp->ns = (uint64_t)(bo_now_ns() - ago_ns);
	stamp->len = 60;
	stamp->number = index + 1;
	fake->stamps->count = index + 1;
	assert_int_equal(send(fake->far[0], frame, sizeof(frame), 0), (ssize_t)sizeof(frame));
}

/** fake_receive() - wait for the next one;  Return: when it was there */
static int64_t fake_receive(const struct fake *fake)
{
	uint8_t frame[BO_WIRE_HDR_LEN + 60];

	assert_int_equal(recv(fake->far[1], frame, sizeof(frame), 0), (ssize_t)sizeof(frame));
	return bo_now_ns();
}

static void fake_down(struct fake *fake)
{
	bo_wire_free(fake->wire);
	munmap(fake->stamps, sizeof(*fake->stamps));
	close(fake->far[0]);
	close(fake->far[1]);
}

static void a_delay_counts_from_the_stamp(void **state)
{
	const int64_t delay_ns = 3 * BO_NSEC_PER_SEC, ago_ns = 29 * delay_ns / 30;
	struct fake fake;
	int64_t took;

	(void)state;
	fake_up(&fake, delay_ns);
	took = -bo_now_ns();
	fake_send(&fake, ago_ns);
	took += fake_receive(&fake);
	assert_true(took >= delay_ns - ago_ns);
	assert_true(took < delay_ns);
	fake_down(&fake);
}

static void a_wrong_stamp_makes_nothing_early(void **state)
{
	const int64_t delay_ns = 100 * BO_NSEC_PER_MSEC;
	struct bo_wire_stats stats;
	struct fake fake;
	int64_t from;

	(void)state;
	fake_up(&fake, delay_ns);
	/* Of a time to come: it came when it was read. */
	from = bo_now_ns();
	fake_send(&fake, -BO_NSEC_PER_SEC * 3600);
	do
		bo_wire_stats(fake.wire, BO_DIR_A_TO_B, &stats);
	while (stats.packets_in < 1);
	/* Older than the last time that the queue was empty, which was after the packet before was read. */
	fake_send(&fake, BO_NSEC_PER_SEC * 3600);
	assert_true(fake_receive(&fake) >= from + delay_ns);
	assert_true(fake_receive(&fake) >= from + delay_ns);
	bo_wire_stats(fake.wire, BO_DIR_A_TO_B, &stats);
	assert_int_equal(stats.stamped, 2);
	fake_down(&fake);
}

/* More packets were dropped than are looked for: from the next time on that the queue is empty all is well again. */
static void in_step_again_once_it_was_empty(void **state)
{
	struct bo_wire_stats stats;
	struct fake fake;

	(void)state;
	fake_up(&fake, 0);
	fake.stamps->count = 2 * BO_WIRE_STAMP_LOOK;
	for (int i = 0; i < 2; i++) {
		fake_send(&fake, 0);
		(void)fake_receive(&fake);
		/* Read to the end when it stops looking, which an order waits for. */
		fake_order(&fake, 0);
		bo_wire_stats(fake.wire, BO_DIR_A_TO_B, &stats);
		assert_int_equal(stats.stamped, i);
	}
	fake_down(&fake);
}

static void refused_says_why_and_leaves_the_device(void **state)
{
	struct bo_err err = { 0 };
	int fd = -1, status;
	pid_t pid;

	(void)state;
	assert_int_equal(bo_tun_open("bt9", &fd, &err), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct bo_err why = { 0 };
		int stamps = -1;
		int rc = setgid(65534) < 0 || setuid(65534) < 0
				 ? 0
				 : bo_tun_stamp_open(fd, &stamps, &why);

		/* Where kernel.unprivileged_bpf_disabled is 0 anybody may. */
		_exit((rc == 0 && stamps >= 0) ||
				      (rc == -ENOTSUP && stamps == -1 && strstr(why.msg, "BPF"))
			      ? 0
			      : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(fd);
	/* And what is no TUN device. */
	{
		int stamps = -1;
		bo_auto_fd int pipe_end = -1;
		int ends[2];

		assert_int_equal(pipe(ends), 0);
		pipe_end = ends[0];
		close(ends[1]);
		assert_int_equal(bo_tun_stamp_open(pipe_end, &stamps, &err), -ENOTSUP);
		assert_non_null(strstr(err.msg, "TUNSETFILTEREBPF"));
		assert_int_equal(stamps, -1);
	}
}

static void need_stamps(void)
{
	bo_auto_fd int tun = -1;
	bo_auto_fd int stamps = -1;
	struct bo_err err = { 0 };

	if (bo_tun_open("bt8", &tun, &err) < 0 || bo_tun_stamp_open(tun, &stamps, &err) < 0) {
		printf("SKIP: no stamps here: %s\n", err.msg);
		exit(77);
	}
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_up, rig_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(each_packet_has_its_time),
		RIG_TEST(senders_on_all_cpus_get_their_own),
		RIG_TEST(the_wire_uses_them),
		cmocka_unit_test(a_delay_counts_from_the_stamp),
		cmocka_unit_test(a_wrong_stamp_makes_nothing_early),
		cmocka_unit_test(in_step_again_once_it_was_empty),
		cmocka_unit_test(refused_says_why_and_leaves_the_device),
	};

	wire_netns_enter();
	need_stamps();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
