/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_impair.c — an impairment as another process may send it: a record of arbitrary bytes, and a table behind it.
 * What passes the check goes to both drivers.  Besides memory errors and overflow it looks for a check that lets through
 * what a driver then refuses, and for packets that would arrive before they were sent.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <errno.h>
#include <netlink/msg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/sys/netem.h"
#include "wire-internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(what)            \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

static void to_netem(const struct bo_impair *im)
{
	struct nl_msg *msg = nlmsg_alloc();
	struct bo_err err = { 0 };
	int r;

	REQUIRE(msg);
	r = bo_netem_encode(msg, im, 1500, &err);
	REQUIRE(r == 0 || (bo_netem_cannot(im) && r == -ENOTSUP));
	REQUIRE(bo_netem_limit(im, 1500) > 0);
	nlmsg_free(msg);
}

static void to_wire(const struct bo_impair *im)
{
	static const uint8_t ip[40] = { 0x45, [3] = 40, [8] = 64, 6, [12] = 10, [32] = 0x50 };
	const struct bo_wire_packet packet = { .ip = ip,
					       .len = sizeof(ip),
					       .version = 4,
					       .protocol = 6,
					       .addr_len = 4,
					       .source = ip + 12,
					       .target = ip + 16,
					       .has_l4 = true,
					       .l4 = 20,
					       .payload = 40 };
	struct bo_wire_queue queue = { .max_bytes = 2 << 20 };
	struct bo_wire_line line;
	int64_t now_ns = INT64_C(1000000000000);

	bo_wire_line_init(&line, 1, 1, BO_DIR_A_TO_B);
	(void)bo_wire_line_change(&line, im, now_ns, &queue);
	for (int i = 0; i < 20; i++, now_ns += 1000) {
		struct bo_wire_outcome out;

		bo_wire_line_next(&line, now_ns, &packet, 1, (uint64_t)i, &out);
		if (out.fate == BO_WIRE_PASS)
			REQUIRE(out.due_ns >= now_ns &&
				(!out.corrupted || out.bit < packet.len * 8));
		if (out.copied && line.copy.fate == BO_WIRE_PASS)
			REQUIRE(line.copy.due_ns >= now_ns);
	}
	(void)bo_wire_line_change(&line, &(struct bo_impair){ 0 }, now_ns, &queue);
	bo_wire_queue_done(&queue);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t bools[] = { offsetof(struct bo_impair, in_order),
					offsetof(struct bo_impair, blackhole) };
	static struct bo_dist_table table;
	struct bo_impair im;

	if (size < sizeof(im))
		return 0;
	memcpy(&im, data, sizeof(im));
	/* As the keeper does: no bool that is none, no pointer of somebody else's. */
	for (size_t i = 0; i < sizeof(bools) / sizeof(bools[0]); i++)
		if (data[bools[i]] > 1)
			return 0;
	im.trace = NULL;
	im.table = NULL;
	if (im.dist == BO_DIST_TABLE) {
		memset(&table, 0, sizeof(table));
		memcpy(&table, data + sizeof(im),
		       size - sizeof(im) < sizeof(table) ? size - sizeof(im) : sizeof(table));
		im.table = &table;
	}
	if (bo_impair_check(&im, NULL) < 0)
		return 0;
	REQUIRE(bo_impair_equal(&im, &im));
	(void)bo_impair_per_packet(&im);
	(void)bo_impair_is_none(&im);
	(void)bo_loss_expected(&im.loss);
	to_netem(&im);
	to_wire(&im);
	return 0;
}
