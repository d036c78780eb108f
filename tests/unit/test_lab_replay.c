/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_replay.c — recorded fates read back and given to packets again. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "pcapng.h"
#include "record-internal.h"
#include "replay-internal.h"

#define MS BO_NSEC_PER_MSEC
#define FLOW 0xabcdefu

static const struct bo_impair impaired = { .delay_ns = 5 * MS };
static const struct bo_impair nothing = { 0 };

static void read_comment(const char *text, bool readable)
{
	struct bo_wire_outcome out, copy;
	char again[PCAPNG_COMMENT_MAX];
	uint64_t last;

	if (bo_replay_read_comment(text, &out, &copy, &last) != readable)
		fail_msg("%s: %s", text, readable ? "not read" : "read");
	if (!readable)
		return;
	bo_record_text(0, (uint32_t)(last - out.number + 1), &out, out.copied ? &copy : NULL, again,
		       sizeof(again));
	assert_string_equal(again, text);
}

static void comments_are_read_as_they_are_written(void **state)
{
	(void)state;
	read_comment("flow 0000000000000abc packet 12: delay 12.345678 ms", true);
	read_comment("flow ffffffffffffffff packet 7: delay 3000.000000 ms, bit 171 flipped, ahead",
		     true);
	read_comment("flow 0000000000000abc packet 1: delay 0.000000 ms, ahead", true);
	read_comment("flow 0000000000000abc packet 1: lost", true);
	read_comment("flow 0000000000000abc packet 1: blackholed", true);
	read_comment("flow 0000000000000abc packet 1: overflow", true);
	read_comment("flow 0000000000000abc packet 1: lost; copy: delay 0.000009 ms, bit 3 flipped",
		     true);
	read_comment("flow 0000000000000abc packet 1: delay 1.000000 ms; copy: lost", true);
	read_comment("flow 0000000000000abc packet 12 to 56: delay 12.345678 ms", true);
	read_comment("flow 0000000000000abc packet 12 to 11: lost", false);
	read_comment("flow 0000000000000abc packet 12 to 2060: lost", false);
	read_comment("flow 0000000000000abc packet 0 to 18446744073709551615: lost", false);
	read_comment("", false);
	read_comment("lost", false);
	read_comment("flow x packet 1: lost", false);
	read_comment("flow 0000000000000abc packet -1: lost", false);
	read_comment("flow 0000000000000abc packet 1: lost again", false);
	read_comment("flow 0000000000000abc packet 1: delay 1 ms", false);
	read_comment("flow 0000000000000abc packet 1: delay 1.5 ms", false);
	read_comment("flow 0000000000000abc packet 1: delay -1.000000 ms", false);
	read_comment("flow 0000000000000abc packet 1: delay 99999999999.000000 ms", false);
	read_comment("flow 0000000000000abc packet 1: delay 1.000000 ms, bit 4294967296 flipped",
		     false);
	read_comment("flow 0000000000000abc packet 1: delay 1.000000 ms; copy: ", false);
	read_comment("flow 10000000000000000 packet 1: lost", false);
	read_comment("overflow of the wire's own memory", false);
	read_comment("taken by a rule on connections", false);
}

/** struct file - what a record has written */
struct file {
	uint8_t *data;
	size_t len;
};

static void record_packets(struct bo_record *r, enum bo_dir dir, uint64_t number, uint32_t packets,
			   struct bo_wire_outcome out, const struct bo_wire_outcome *copy)
{
	static const uint8_t ip[40] = { 0x45, [3] = 40 };
	const struct bo_wire_packet packet = { .ip = ip, .len = sizeof(ip), .version = 4 };

	out.flow = FLOW;
	out.number = number;
	out.copied = copy;
	bo_record_put(r, dir, 0, &packet, packets, &out, copy);
}

static void record_packet(struct bo_record *r, enum bo_dir dir, uint64_t number,
			  struct bo_wire_outcome out, const struct bo_wire_outcome *copy)
{
	record_packets(r, dir, number, 1, out, copy);
}

/** record_file() - of A to B: 0 lost, 1 after 20 ms with bit 9 flipped, 2 blackholed, 3 twice, 4 dropped, 10 to 54 (one
 * super-packet) after 7 ms;  of B to A: 1 lost */
static struct file record_file(void)
{
	char path[] = "/tmp/replay-XXXXXX";
	int fd = mkstemp(path);
	struct bo_record_conf conf = {
		.fd = fd, .a = "a", .b = "b", .seed = 1, .snaplen = 40, .limit_bytes = 1 << 20
	};
	const struct bo_wire_outcome copy = { .due_ns = 2 * MS }, late = { .due_ns = 7 * MS };
	const struct bo_wire_outcome lost = { .fate = BO_WIRE_LOST };
	struct bo_record *r = NULL;
	struct bo_err err = { 0 };
	struct file f;
	FILE *in;

	assert_true(fd >= 0);
	assert_int_equal(bo_record_new(&r, &conf, &err), 0);
	record_packet(r, BO_DIR_A_TO_B, 0, lost, NULL);
	record_packet(r, BO_DIR_A_TO_B, 1,
		      (struct bo_wire_outcome){ .due_ns = 20 * MS, .corrupted = true, .bit = 9 },
		      NULL);
	record_packet(r, BO_DIR_A_TO_B, 2, (struct bo_wire_outcome){ .fate = BO_WIRE_BLACKHOLED },
		      NULL);
	record_packet(r, BO_DIR_A_TO_B, 3, late, &copy);
	record_packet(r, BO_DIR_A_TO_B, 4, (struct bo_wire_outcome){ .fate = BO_WIRE_OVERFLOWED },
		      NULL);
	record_packets(r, BO_DIR_A_TO_B, 10, 45, late, NULL);
	record_packet(r, BO_DIR_B_TO_A, 1, lost, NULL);
	bo_record_free(r);
	in = fopen(path, "re");
	assert_non_null(in);
	f.data = malloc(65536);
	assert_non_null(f.data);
	f.len = fread(f.data, 1, 65536, in);
	fclose(in);
	unlink(path);
	return f;
}

static struct bo_replay *load(const struct file *f)
{
	struct bo_replay *r = NULL;
	struct bo_err err = { 0 };

	if (bo_replay_parse(&r, f->data, f->len, "x.pcapng", &err) < 0)
		fail_msg("%s", err.msg);
	return r;
}

/** ask() - the fate of a packet that was drawn to come after 5 ms, at 100 ms */
static struct bo_wire_outcome ask(struct bo_replay *r, const struct bo_impair *im, enum bo_dir dir,
				  uint64_t flow, uint64_t number, struct bo_wire_outcome *copy)
{
	struct bo_wire_outcome out = { .flow = flow, .number = number, .due_ns = 105 * MS };

	bo_replay_fate(r, im, dir, 100 * MS, &out, copy);
	assert_true(out.flow == flow && out.number == number);
	return out;
}

static void packets_get_their_recorded_fates(void **state)
{
	struct file f = record_file();
	struct bo_replay *r = load(&f);
	struct bo_wire_outcome out, copy = { 0 };
	struct bo_replay_stats st;

	(void)state;
	assert_int_equal(ask(r, &impaired, BO_DIR_A_TO_B, FLOW, 0, &copy).fate, BO_WIRE_LOST);
	out = ask(r, &impaired, BO_DIR_A_TO_B, FLOW, 1, &copy);
	assert_true(out.fate == BO_WIRE_PASS && out.due_ns == 120 * MS && out.corrupted &&
		    out.bit == 9 && !out.copied);
	out = ask(r, &impaired, BO_DIR_A_TO_B, FLOW, 3, &copy);
	assert_true(out.copied && out.due_ns == 107 * MS && copy.due_ns == 102 * MS &&
		    copy.fate == BO_WIRE_PASS && copy.number == 3);
	assert_int_equal(ask(r, &impaired, BO_DIR_A_TO_B, FLOW, 4, &copy).fate, BO_WIRE_OVERFLOWED);
	assert_int_equal(ask(r, &impaired, BO_DIR_B_TO_A, FLOW, 1, &copy).fate, BO_WIRE_LOST);
	bo_replay_stats(r, &st);
	assert_true(st.hits == 5 && st.misses == 0 && st.packets == 7 && !st.cut);
	bo_replay_free(r);
	free(f.data);
}

/* In this run it may be cut elsewhere, or everywhere. */
static void packets_of_a_super_packet_get_its_fate(void **state)
{
	struct file f = record_file();
	struct bo_replay *r = load(&f);
	struct bo_wire_outcome copy = { 0 };
	struct bo_replay_stats st;

	(void)state;
	assert_int_equal(ask(r, &impaired, BO_DIR_A_TO_B, FLOW, 54, &copy).due_ns, 107 * MS);
	for (uint64_t n = 10; n < 55; n++)
		assert_int_equal(ask(r, &impaired, BO_DIR_A_TO_B, FLOW, n, &copy).due_ns, 107 * MS);
	assert_int_equal(ask(r, &impaired, BO_DIR_A_TO_B, FLOW, 9, &copy).due_ns, 105 * MS);
	assert_int_equal(ask(r, &impaired, BO_DIR_A_TO_B, FLOW, 55, &copy).due_ns, 105 * MS);
	assert_int_equal(ask(r, &impaired, BO_DIR_A_TO_B, FLOW + 1, 30, &copy).due_ns, 105 * MS);
	assert_int_equal(ask(r, &impaired, BO_DIR_B_TO_A, FLOW, 30, &copy).due_ns, 105 * MS);
	bo_replay_stats(r, &st);
	assert_true(st.hits == 46 && st.misses == 4);
	bo_replay_free(r);
	free(f.data);
}

static void what_is_not_in_the_record_is_drawn_and_counted(void **state)
{
	struct file f = record_file();
	struct bo_replay *r = load(&f);
	struct bo_wire_outcome out, copy = { 0 };
	struct bo_replay_stats st;

	(void)state;
	out = ask(r, &impaired, BO_DIR_A_TO_B, FLOW, 5, &copy);
	assert_true(out.fate == BO_WIRE_PASS && out.due_ns == 105 * MS);
	out = ask(r, &impaired, BO_DIR_A_TO_B, FLOW + 1, 0, &copy);
	assert_true(out.fate == BO_WIRE_PASS);
	out = ask(r, &impaired, BO_DIR_B_TO_A, FLOW, 0, &copy);
	assert_true(out.fate == BO_WIRE_PASS);
	/* a blackhole is the scenario's to say, not the record's */
	out = ask(r, &impaired, BO_DIR_A_TO_B, FLOW, 2, &copy);
	assert_true(out.fate == BO_WIRE_PASS && out.due_ns == 105 * MS);
	bo_replay_stats(r, &st);
	assert_true(st.hits == 0 && st.misses == 4);
	bo_replay_free(r);
	free(f.data);
}

static void what_was_not_drawn_stays(void **state)
{
	struct bo_wire_outcome out = { .fate = BO_WIRE_BLACKHOLED, .flow = FLOW, .number = 1 };
	struct file f = record_file();
	struct bo_replay *r = load(&f);
	struct bo_wire_outcome copy = { 0 };
	struct bo_replay_stats st;

	(void)state;
	assert_int_equal(ask(r, &nothing, BO_DIR_A_TO_B, FLOW, 0, &copy).fate, BO_WIRE_PASS);
	bo_replay_fate(r, &(struct bo_impair){ .blackhole = true }, BO_DIR_A_TO_B, 0, &out, &copy);
	assert_int_equal(out.fate, BO_WIRE_BLACKHOLED);
	bo_replay_stats(r, &st);
	assert_true(st.hits == 0 && st.misses == 0);
	bo_replay_free(r);
	free(f.data);
}

static void refused(const struct file *f, size_t len, const char *message)
{
	struct bo_replay *r = NULL;
	struct bo_err err = { 0 };

	assert_int_equal(bo_replay_parse(&r, f->data, len, "x.pcapng", &err), -EINVAL);
	assert_null(r);
	assert_string_equal(err.msg, message);
}

static void damaged_files_are_refused(void **state)
{
	struct file f = record_file();
	struct bo_replay_stats st;
	struct bo_replay *r = NULL;
	struct bo_err err = { 0 };
	size_t first = 0; /* of the packets */
	uint32_t block[2], swapped;

	(void)state;
	for (;; first += block[1]) {
		memcpy(block, f.data + first, sizeof(block));
		if (block[0] == 6)
			break;
	}
	refused(&f, 0, "x.pcapng is no recording of a link: it does not begin as pcapng does");
	refused(&f, first, "x.pcapng is no recording of a link: no packet in it has a fate");
	/* cut in the middle of a packet, as by SIGKILL: what is there is there */
	for (size_t cut = 1; cut < block[1]; cut++) {
		assert_int_equal(bo_replay_parse(&r, f.data, first + block[1] + cut, "x", &err), 0);
		bo_replay_stats(r, &st);
		assert_true(st.cut && st.packets == 1);
		bo_replay_free(r);
	}
	swapped = __builtin_bswap32(0x1A2B3C4D);
	memcpy(f.data + 8, &swapped, 4);
	refused(&f, f.len,
		"x.pcapng is no recording of a link: written on a machine of another byte order");
	swapped = __builtin_bswap32(swapped);
	memcpy(f.data + 8, &swapped, 4);
	f.data[first + 4] ^= 1;
	refused(&f, f.len, "x.pcapng is no recording of a link: a block whose length cannot be");
	f.data[first + 4] ^= 1;
	f.data[first + 8 + 13] = 0xff; /* bytes kept */
	refused(&f, f.len,
		"x.pcapng is no recording of a link: a packet that is longer than its block");
	free(f.data);
}

static void a_folder_is_no_file(void **state)
{
	struct bo_replay *r = NULL;
	struct bo_err err = { 0 };
	bo_auto_fd int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_int_equal(bo_replay_load(&r, fd, "/", &err), -EFBIG);
	bo_replay_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comments_are_read_as_they_are_written),
		cmocka_unit_test(packets_get_their_recorded_fates),
		cmocka_unit_test(packets_of_a_super_packet_get_its_fate),
		cmocka_unit_test(what_is_not_in_the_record_is_drawn_and_counted),
		cmocka_unit_test(what_was_not_drawn_stays),
		cmocka_unit_test(damaged_files_are_refused),
		cmocka_unit_test(a_folder_is_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
