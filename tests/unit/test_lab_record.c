/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_record.c — recordings of a wire, read back by tshark, which knows pcapng better than we do.
 * Needs tshark; exits 77 without. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "pcapng.h"
#include "record-internal.h"

#define PACKET_LEN 300
#define FIELDS                                                                                \
	"-T fields -E separator='|' -e frame.interface_name -e frame.packet_flags_direction " \
	"-e frame.cap_len -e frame.len -e frame.time_epoch -e frame.comment -e ip.src -e _ws.malformed"

struct file {
	char path[64];
	int fd;
};

static struct file file_new(void)
{
	struct file f = { .path = "/tmp/record-XXXXXX" };

	f.fd = mkstemp(f.path);
	assert_true(f.fd >= 0);
	return f;
}

static struct bo_record *record_new(int fd, uint32_t snaplen, int64_t limit)
{
	struct bo_record_conf conf = { .fd = fd,
				       .a = "orders",
				       .b = "db",
				       .seed = 42,
				       .snaplen = snaplen,
				       .limit_bytes = limit };
	struct bo_record *r = NULL;
	struct bo_err err = { 0 };

	assert_int_equal(bo_record_new(&r, &conf, &err), 0);
	return r;
}

/** packet() - an IPv4 packet of @len bytes from 10.77.0.@last, protocol 253 (RFC 3692: for experiments) */
static void packet(uint8_t data[PACKET_LEN], uint16_t len, uint8_t last, struct bo_wire_packet *ret)
{
	static const uint8_t head[20] = { 0x45, 0, 0,  0,  0, 0, 0,  0,  64, 253,
					  0,    0, 10, 77, 0, 0, 10, 77, 0,  1 };

	memset(data, 0, PACKET_LEN);
	memcpy(data, head, sizeof(head));
	data[2] = (uint8_t)(len >> 8);
	data[3] = (uint8_t)len;
	data[15] = last;
	*ret = (struct bo_wire_packet){ .ip = data, .len = len, .version = 4 };
}

static void put(struct bo_record *r, enum bo_dir dir, int64_t at_ns, uint64_t number,
		uint32_t packets, enum bo_wire_fate fate, int64_t delay_ns)
{
	struct bo_wire_outcome out = {
		.fate = fate, .flow = 0xabc, .number = number, .due_ns = at_ns + delay_ns
	};
	uint8_t data[PACKET_LEN];
	struct bo_wire_packet p;

	packet(data, PACKET_LEN, (uint8_t)number, &p);
	bo_record_put(r, dir, at_ns, &p, packets, &out, NULL);
}

/** shark() - what `tshark @arguments` says of @path; free() it */
static char *shark(const char *path, const char *arguments)
{
	char command[512], *text = NULL;
	size_t size = 0;
	FILE *in;

	snprintf(command, sizeof(command), "tshark -n -r %s %s 2>/dev/null", path, arguments);
	in = popen(command, "r");
	assert_non_null(in);
	assert_true(getdelim(&text, &size, '\0', in) > 0);
	assert_int_equal(pclose(in), 0);
	return text;
}

/** line() - the n-th line (from 0) of @text into @buf */
static void line(const char *text, size_t n, char *buf, size_t size)
{
	while (n--) {
		text = strchr(text, '\n');
		assert_non_null(text);
		text++;
	}
	snprintf(buf, size, "%.*s", (int)strcspn(text, "\n"), text);
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

static void fates_are_read_back(void **state)
{
	static const struct {
		enum bo_dir dir;
		uint32_t packets;
		enum bo_wire_fate fate;
		int64_t delay_ns;
		const char *way, *comment;
	} cases[] = {
		{ BO_DIR_A_TO_B, 1, BO_WIRE_PASS, 12345678, "orders to db|0x00000002|100|300|",
		  "|flow 0000000000000abc packet 0: delay 12.345678 ms|10.77.0.0|" },
		{ BO_DIR_B_TO_A, 1, BO_WIRE_LOST, 0, "db to orders|0x00000001|100|300|",
		  "|flow 0000000000000abc packet 1: lost|10.77.0.1|" },
		{ BO_DIR_A_TO_B, 1, BO_WIRE_BLACKHOLED, 0, "orders to db|0x00000002|100|300|",
		  "|flow 0000000000000abc packet 2: blackholed|10.77.0.2|" },
		{ BO_DIR_B_TO_A, 1, BO_WIRE_OVERFLOWED, 0, "db to orders|0x00000001|100|300|",
		  "|flow 0000000000000abc packet 3: overflow|10.77.0.3|" },
		{ BO_DIR_A_TO_B, 7, BO_WIRE_PASS, 1, "orders to db|0x00000002|100|300|",
		  "|flow 0000000000000abc packet 4 to 10: delay 0.000001 ms|10.77.0.4|" },
	};
	struct file f = file_new();
	struct bo_record *r = record_new(f.fd, 100, 1 << 20);
	struct bo_record_stats st;
	bo_auto_free char *text = NULL;
	int64_t now = bo_now_ns();
	struct timespec wall;
	double first = 0;

	(void)state;
	clock_gettime(CLOCK_REALTIME, &wall);
	for (size_t i = 0; i < 5; i++)
		put(r, cases[i].dir, now + (int64_t)i * 1000, i, cases[i].packets, cases[i].fate,
		    cases[i].delay_ns);
	bo_record_finish(r);
	bo_record_finish(r);
	bo_record_stats(r, &st);
	assert_int_equal(st.seen, 11);
	assert_int_equal(st.written, 11);
	assert_int_equal(st.missed + st.beyond, 0);
	assert_int_equal(st.bytes, lseek(open(f.path, O_RDONLY | O_CLOEXEC), 0, SEEK_END));
	text = shark(f.path, FIELDS);
	for (size_t i = 0; i < 5; i++) {
		char got[256];
		const char *time;

		line(text, i, got, sizeof(got));
		assert_memory_equal(got, cases[i].way, strlen(cases[i].way));
		assert_non_null(strstr(got, cases[i].comment));
		/* nanoseconds, and the wall clock's */
		time = got + strlen(cases[i].way);
		if (i == 0)
			first = strtod(time, NULL);
		assert_true(strtoll(time, NULL, 10) - wall.tv_sec >= -1 &&
			    strtoll(time, NULL, 10) - wall.tv_sec <= 1);
		assert_int_equal(strcspn(strchr(time, '.') + 1, "|"), 9);
		assert_true(strtod(time, NULL) >= first);
	}
	free(text);
	text = shark(f.path, "-T fields -e frame.time_delta");
	{
		char got[64];

		line(text, 1, got, sizeof(got));
		assert_string_equal(got, "0.000001000");
	}
	bo_record_free(r);
	unlink(f.path);
}

static void every_length_is_padded(void **state)
{
	(void)state;
	for (uint32_t snaplen = 97; snaplen <= 100; snaplen++) {
		struct file f = file_new();
		struct bo_record *r = record_new(f.fd, snaplen, 1 << 20);
		bo_auto_free char *text = NULL;
		char expected[32];

		put(r, BO_DIR_A_TO_B, bo_now_ns(), 0, 1, BO_WIRE_PASS, 0);
		put(r, BO_DIR_B_TO_A, bo_now_ns(), 1, 1, BO_WIRE_PASS, 0);
		bo_record_free(r);
		text = shark(f.path, "-T fields -e frame.cap_len");
		snprintf(expected, sizeof(expected), "%u\n%u\n", snaplen, snaplen);
		assert_string_equal(text, expected);
		unlink(f.path);
	}
}

static void every_fate_has_its_words(void **state)
{
	const struct bo_wire_outcome lost = { .fate = BO_WIRE_LOST };
	const struct bo_wire_outcome late = { .due_ns = 1000 + 3 * BO_NSEC_PER_SEC,
					      .corrupted = true,
					      .bit = 171,
					      .ahead = true,
					      .flow = UINT64_MAX,
					      .number = 7 };
	const struct bo_wire_outcome early = { .due_ns = 1 };
	const struct bo_wire_outcome full = { .fate = BO_WIRE_OVERFLOWED,
					      .number = BO_RECORD_UNNUMBERED };
	char text[PCAPNG_COMMENT_MAX];

	(void)state;
	bo_record_text(1000, 1, &late, NULL, text, sizeof(text));
	assert_string_equal(
		text,
		"flow ffffffffffffffff packet 7: delay 3000.000000 ms, bit 171 flipped, ahead");
	bo_record_text(1000, 1, &late, &lost, text, sizeof(text));
	assert_non_null(strstr(text, ", ahead; copy: lost"));
	bo_record_text(1000, 1, &early, &late, text, sizeof(text));
	assert_non_null(strstr(text, ": delay 0.000000 ms; copy: delay 3000.000000 ms, bit 171"));
	bo_record_text(1000, 1, &full, NULL, text, sizeof(text));
	assert_string_equal(text, "overflow of the wire's own memory");
	bo_record_text(1000, 1, &late, &late, text, 20);
	assert_string_equal(text, "flow ffffffffffffff");
}

static void the_head_says_what_it_is(void **state)
{
	struct file f = file_new();
	struct bo_record *r = record_new(f.fd, 100, 1 << 20);
	bo_auto_free char *text = NULL;
	char command[128];
	size_t size = 0;
	FILE *in;

	(void)state;
	put(r, BO_DIR_A_TO_B, bo_now_ns(), 0, 1, BO_WIRE_PASS, 0);
	bo_record_free(r);
	snprintf(command, sizeof(command), "capinfos %s", f.path);
	in = popen(command, "r");
	assert_non_null(in);
	assert_true(getdelim(&text, &size, '\0', in) > 0);
	assert_int_equal(pclose(in), 0);
	assert_non_null(strstr(text, "link orders-db, seed 42"));
	assert_non_null(strstr(text, "Name = orders to db"));
	assert_non_null(strstr(text, "Name = db to orders"));
	assert_int_equal(count(text, "Capture length = 100\n"), 2);
	assert_int_equal(count(text, "Number of stat entries = 1\n"), 2);
	unlink(f.path);
}

/* --- a disk that does not keep up ------------------------------------------------------------- */

static void a_full_ring_is_counted_and_nobody_waits(void **state)
{
	enum { PACKETS = 40000 };
	struct file f = file_new();
	struct bo_record_stats st;
	struct bo_record *r;
	uint64_t reported = 0, lines = 0;
	bo_auto_free char *text = NULL;
	char buffer[65536];
	int ends[2];
	ssize_t n;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	/* Nobody reads yet: what is written stands after the pipe's 64 KiB. */
	r = record_new(ends[1], PACKET_LEN, INT64_MAX);
	for (uint64_t i = 0; i < PACKETS; i++)
		put(r, i % 2 ? BO_DIR_A_TO_B : BO_DIR_B_TO_A, bo_now_ns(), i, 1, BO_WIRE_PASS, 0);
	bo_record_stats(r, &st);
	assert_int_equal(st.seen, PACKETS);
	assert_true(st.missed > PACKETS / 4 && st.missed < PACKETS);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(ends[1]);
		while ((n = read(ends[0], buffer, sizeof(buffer))) > 0)
			if (write(f.fd, buffer, (size_t)n) != n)
				_exit(1);
		_exit(n < 0);
	}
	/* Once there is room again, a packet says how many before it are missing. */
	for (int64_t deadline = bo_now_ns() + 30 * BO_NSEC_PER_SEC;;) {
		assert_true(bo_now_ns() < deadline);
		bo_record_stats(r, &st);
		if (st.written == PACKETS - st.missed)
			break;
		usleep(1000);
	}
	put(r, BO_DIR_A_TO_B, bo_now_ns(), PACKETS, 1, BO_WIRE_PASS, 0);
	put(r, BO_DIR_B_TO_A, bo_now_ns(), PACKETS, 1, BO_WIRE_PASS, 0);
	bo_record_finish(r);
	bo_record_stats(r, &st);
	assert_int_equal(st.seen, PACKETS + 2);
	assert_int_equal(st.written + st.missed, PACKETS + 2);
	assert_int_equal(st.write_errno, 0);
	bo_record_free(r);
	close(ends[0]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	text = shark(f.path, "-T fields -e frame.drop_count");
	for (const char *at = text; *at; at += strcspn(at, "\n") + 1, lines++)
		reported += *at == '\n' ? 0 : strtoull(at, NULL, 10);
	assert_int_equal(lines, st.written);
	assert_int_equal(reported, st.missed);
	unlink(f.path);
	close(f.fd);
}

static void the_limit_holds(void **state)
{
	enum { LIMIT = 100000, PACKETS = 2000 };
	struct file f = file_new();
	struct bo_record *r = record_new(f.fd, PACKET_LEN, LIMIT);
	struct bo_record_stats st;
	bo_auto_free char *text = NULL;

	(void)state;
	for (uint64_t i = 0; i < PACKETS; i++)
		put(r, BO_DIR_A_TO_B, bo_now_ns(), i, 1, BO_WIRE_PASS, 0);
	bo_record_finish(r);
	bo_record_stats(r, &st);
	assert_true(st.full);
	assert_int_equal(st.written + st.missed + st.beyond, PACKETS);
	assert_true(st.beyond > 0 && st.written > LIMIT / 600);
	/* one packet and the statistics beyond it, at most */
	assert_true(st.bytes >= LIMIT && st.bytes < LIMIT + 700);
	text = shark(f.path, "-T fields -e frame.number -e _ws.malformed");
	assert_int_equal(count(text, "\n"), st.written);
	bo_record_free(r);
	unlink(f.path);
}

static void a_full_disk_is_said(void **state)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct bo_record_stats st;
	struct bo_record *r;

	(void)state;
	assert_true(fd >= 0);
	r = record_new(fd, PACKET_LEN, 1 << 30);
	for (uint64_t i = 0; i < 1000; i++)
		put(r, BO_DIR_A_TO_B, bo_now_ns(), i, 1, BO_WIRE_PASS, 0);
	bo_record_finish(r);
	bo_record_stats(r, &st);
	assert_int_equal(st.write_errno, ENOSPC);
	assert_int_equal(st.seen, 1000);
	bo_record_free(r);
	bo_record_free(NULL);
}

/* One packet at a time: between the write that fails and the next packet the thread has slept and read its bell. */
static void a_full_disk_is_said_of_a_slow_link(void **state)
{
	int64_t deadline = bo_now_ns() + 30 * BO_NSEC_PER_SEC;
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct bo_record_stats st = { 0 };
	struct bo_record *r;

	(void)state;
	assert_true(fd >= 0);
	r = record_new(fd, PACKET_LEN, 1 << 30);
	for (uint64_t i = 0; !st.write_errno; i++) {
		put(r, BO_DIR_A_TO_B, bo_now_ns(), i, 1, BO_WIRE_PASS, 0);
		do {
			assert_true(bo_now_ns() < deadline);
			usleep(1000);
			bo_record_stats(r, &st);
		} while (st.written <= i && !st.write_errno);
	}
	assert_int_equal(st.write_errno, ENOSPC);
	/* noticed with the first of stdio's buffers, and nothing more is written */
	assert_true(st.written < 50);
	put(r, BO_DIR_A_TO_B, bo_now_ns(), 1000, 1, BO_WIRE_PASS, 0);
	put(r, BO_DIR_A_TO_B, bo_now_ns(), 1001, 1, BO_WIRE_PASS, 0);
	bo_record_finish(r);
	bo_record_stats(r, &st);
	assert_int_equal(st.write_errno, ENOSPC);
	assert_int_equal(st.beyond, 2);
	assert_false(st.full);
	bo_record_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fates_are_read_back),
		cmocka_unit_test(every_length_is_padded),
		cmocka_unit_test(every_fate_has_its_words),
		cmocka_unit_test(the_head_says_what_it_is),
		cmocka_unit_test(a_full_ring_is_counted_and_nobody_waits),
		cmocka_unit_test(the_limit_holds),
		cmocka_unit_test(a_full_disk_is_said),
		cmocka_unit_test(a_full_disk_is_said_of_a_slow_link),
	};

	if (system("tshark --version >/dev/null 2>&1 && capinfos --version >/dev/null 2>&1")) {
		fprintf(stderr, "tshark is not installed: recordings cannot be checked\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
