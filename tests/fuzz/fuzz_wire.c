/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_wire.c — the way of arbitrary frames through one direction of the wire.
 * The input is an impairment (CONFIG bytes), then frames: two bytes of length, the first bit of which says whether it
 * is a frame or a change of the impairment, and that many bytes.
 * Besides memory errors it looks for offsets outside of a packet, super-packets whose segments are not what they were
 * cut from, and packets that are neither delivered nor counted.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "wire-internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CONFIG 14
#define REQUIRE(what)            \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

static int64_t ppm(uint8_t byte)
{
	return (int64_t)byte * BO_PPM_ALL / 255;
}

/** impair_of() - every mix of what the wire can do, as rare as the bits are */
static struct bo_impair impair_of(const uint8_t c[CONFIG])
{
	struct bo_impair im = {
		.delay_ns = (int64_t)c[0] * 10000,
		.jitter_ns = c[1] & 1 ? (int64_t)c[0] * 5000 : 0,
		.delay_corr_ppm = ppm(c[2]),
		.dist = (enum bo_dist)(c[3] % BO_DIST_TABLE),
		.in_order = c[1] & 2,
		.blackhole = (c[1] & 0xf0) == 0xf0,
		.limit_packets = c[4],
		.rate_bps = c[1] & 4 ? (int64_t)(c[5] + 1) * 1000000 : 0,
		.rate_overhead = (int8_t)c[6],
		.rate_cell_bytes = c[7],
		.duplicate = { ppm(c[8]), ppm(c[2]) },
		.corrupt = { ppm(c[9]), ppm(c[2]) },
		.reorder = { c[0] ? ppm(c[10]) : 0, ppm(c[2]) },
		.reorder_gap = c[10] & 3,
		.slot = { .min_ns = c[11] * 1000, .max_ns = c[11] * 2000, .packets = c[12] & 3 },
	};

	im.loss.model = (enum bo_loss_model)(c[3] / 5 % BO_LOSS_MODEL_COUNT);
	im.loss.random = (struct bo_chance){ ppm(c[13]), ppm(c[2]) };
	im.loss.p_ppm = im.loss.r_ppm = im.loss.bad_loss_ppm = ppm(c[13]);
	im.loss.p13_ppm = im.loss.p31_ppm = im.loss.p32_ppm = im.loss.p23_ppm = ppm(c[13]) / 2;
	return im;
}

static void check_packet(const struct bo_wire_packet *p, const uint8_t *frame, size_t len)
{
	if (len <= BO_WIRE_HDR_LEN) {
		REQUIRE(!p->ip && !p->version && !p->has_l4);
		return;
	}
	REQUIRE(p->ip == frame + BO_WIRE_HDR_LEN && p->len <= len - BO_WIRE_HDR_LEN);
	REQUIRE(p->version == 0 || p->version == 4 || p->version == 6);
	if (p->version) {
		REQUIRE(p->addr_len == (p->version == 4 ? 4 : 16));
		REQUIRE(p->source >= p->ip && p->target + p->addr_len <= frame + len);
	}
	if (p->has_l4)
		REQUIRE(p->version && p->l4 >= 20 && p->l4 <= p->payload && p->payload <= p->len);
	else
		REQUIRE(!p->source_port && !p->target_port && !p->tcp_flags);
}

/** check_segment() - it is a packet in its own right; its checksum is left to the device, and right once that has done it */
static void check_segment(uint8_t *segment, size_t len, const struct bo_wire_super *super)
{
	uint8_t *ip = segment + BO_WIRE_HDR_LEN;
	size_t l4_len = len - BO_WIRE_HDR_LEN - super->l4, field;
	uint64_t sum = bo_wire_pseudo_sum(ip, super->v6, super->udp ? IPPROTO_UDP : IPPROTO_TCP,
					  l4_len);
	struct bo_wire_packet p;
	uint16_t owed;

	bo_wire_packet_parse(segment, len, &p);
	check_packet(&p, segment, len);
	REQUIRE(p.len == len - BO_WIRE_HDR_LEN);
	REQUIRE(super->v6 || bo_wire_checksum_fold(bo_wire_checksum(0, ip, super->l4)) == 0);
	REQUIRE(bo_wire_checksum_owed(segment, len, &field, &owed));
	memcpy(ip + field, &owed, sizeof(owed));
	REQUIRE(bo_wire_checksum_fold(bo_wire_checksum(sum, ip + super->l4, l4_len)) == 0);
}

static void check_super(const uint8_t *frame, size_t len)
{
	struct bo_wire_super super;
	size_t payload = 0, room;
	uint8_t *out;

	if (!bo_wire_super_parse(frame, len, &super)) {
		REQUIRE(bo_wire_packets(frame, len) == 1);
		return;
	}
	REQUIRE(super.count && super.count == bo_wire_packets(frame, len));
	REQUIRE(super.header_len < super.len && super.l4 < super.header_len);
	room = BO_WIRE_HDR_LEN + super.header_len + super.mss;
	/* of exact size, so that a byte beyond it is seen */
	out = malloc(room);
	REQUIRE(out);
	for (uint32_t i = 0; i < super.count; i++) {
		size_t n = bo_wire_super_segment(&super, i, out);
		size_t part = n - BO_WIRE_HDR_LEN - super.header_len;

		REQUIRE(n <= room && n > BO_WIRE_HDR_LEN + super.header_len);
		REQUIRE(i + 1 == super.count || part == super.mss);
		REQUIRE(!memcmp(out + BO_WIRE_HDR_LEN + super.header_len,
				super.ip + super.header_len + payload, part));
		payload += part;
		/* Many segments are many checksums, and all alike: the ends will do. */
		if (i < 4 || i + 4 > super.count)
			check_segment(out, n, &super);
	}
	REQUIRE(payload == super.len - super.header_len);
	free(out);
}

static void check_counters(const struct bo_wire_half *half)
{
	const struct bo_wire_counters *c = &half->counters;

	REQUIRE(bo_wire_counted(&c->packets_in) + bo_wire_counted(&c->duplicated) ==
		bo_wire_counted(&c->packets_out) + bo_wire_counted(&c->lost) +
			bo_wire_counted(&c->blackholed) + bo_wire_counted(&c->overflowed) +
			bo_wire_counted(&c->refused) + half->queue.packets);
}

static void take_frame(struct bo_wire_half *half, const uint8_t *data, size_t len)
{
	bool split = bo_impair_per_packet(&half->line.im) && !half->line.im.blackhole;
	/* of exact size, as above */
	uint8_t *frame = malloc(len ? len : 1);
	struct bo_wire_packet packet;

	REQUIRE(frame);
	memcpy(frame, data, len);
	bo_wire_packet_parse(frame, len, &packet);
	check_packet(&packet, frame, len);
	check_super(frame, len);
	if (len > BO_WIRE_HDR_LEN && split) {
		bo_wire_split(half, frame, len);
	} else if (len > BO_WIRE_HDR_LEN) {
		struct bo_wire_frame *room = bo_wire_queue_reserve(&half->queue);

		if (room)
			memcpy(room->data, frame, len);
		bo_wire_pass(half, room, room ? room->data : frame, len);
	}
	free(frame);
	check_counters(half);
}

static void change(struct bo_wire_half *half, const uint8_t *data, size_t len, int64_t now_ns)
{
	uint8_t config[CONFIG] = { 0 };
	struct bo_impair im;

	memcpy(config, data, len < CONFIG ? len : CONFIG);
	im = impair_of(config);
	if (bo_impair_check(&im, NULL) < 0)
		return;
	bo_wire_count(&half->counters.blackholed,
		      bo_wire_line_change(&half->line, &im, now_ns, &half->queue));
	check_counters(half);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int null = -1;
	struct bo_wire_half half = { .in = -1, .queue.max_bytes = 4 << 20 };
	int64_t now_ns = 0;

	if (null < 0)
		null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (size < CONFIG)
		return 0;
	half.out = null;
	bo_wire_line_init(&half.line, 1, data[0], BO_DIR_A_TO_B);
	if (data[0] & 1)
		half.line.flows = bo_wire_flows_new(1024, 1);
	change(&half, data, CONFIG, now_ns);
	data += CONFIG;
	size -= CONFIG;
	while (size >= 2) {
		size_t len = (size_t)(data[0] & 0x7f) << 8 | data[1];
		bool frame = !(data[0] & 0x80);

		data += 2;
		size -= 2;
		len = len < size ? len : size;
		if (frame)
			take_frame(&half, data, len);
		else
			change(&half, data, len, now_ns += 1000000);
		bo_wire_flush(&half, now_ns);
		check_counters(&half);
		data += len;
		size -= len;
	}
	/* A batch at a time. */
	for (uint64_t left = half.queue.frames; left; left = half.queue.frames) {
		bo_wire_flush(&half, INT64_MAX);
		REQUIRE(half.queue.frames < left);
		check_counters(&half);
	}
	REQUIRE(!half.queue.packets);
	bo_wire_queue_done(&half.queue);
	bo_wire_flows_free(half.line.flows);
	return 0;
}
