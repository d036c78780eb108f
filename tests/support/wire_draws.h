/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/wire_draws.h — one direction of a wire without I/O, and what its chains of losses do.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#pragma once
#include "brownout/base/rng.h"
#include "wire-internal.h"

static inline struct bo_wire_line line_with(const struct bo_impair *im, uint64_t seed)
{
	struct bo_wire_queue queue = { .max_bytes = BO_WIRE_QUEUE_BYTES };
	struct bo_wire_line line;

	bo_wire_line_init(&line, seed, 1, BO_DIR_A_TO_B);
	(void)bo_wire_line_change(&line, im, 0, &queue);
	bo_wire_queue_done(&queue);
	return line;
}

/** next() - what becomes of the next packet, which is of 100 bytes and finds nothing queued */
static inline struct bo_wire_outcome next(struct bo_wire_line *line, int64_t now_ns)
{
	const struct bo_wire_packet packet = { .len = 100 };
	struct bo_wire_outcome out;

	bo_wire_line_next(line, now_ns, &packet, 1, 0, &out);
	return out;
}

/** struct walk - of a chain: visits, transitions, losses by the state before */
struct walk {
	double from[4];
	double moves[4][4];
	double lost[4];
	double losses;
};

static inline void walk(const struct bo_loss *loss, uint64_t key, int n, struct walk *ret)
{
	struct bo_wire_memory memory = { 0 };
	struct bo_wire_dice dice = { .key = key, .memory = &memory };

	*ret = (struct walk){ 0 };
	for (dice.number = 0; dice.number < (uint64_t)n; dice.number++) {
		uint8_t from = memory.state;
		bool lost = bo_wire_lost(&dice, loss);

		ret->from[from]++;
		ret->moves[from][memory.state]++;
		ret->lost[from] += lost;
		ret->losses += lost;
	}
}
