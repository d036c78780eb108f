/* SPDX-License-Identifier: Apache-2.0 */
/* tests/census/dump.h — read goroutine dumps in the form of debug=2, the runtime's and our own, and compare them.
 * Owns: a dump owns its blocks, which point into its text.  Threads: one.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DUMP_FRAMES_MAX 64

struct dump_frame {
	const char *func;
	const char *at; /* file:line */
};

/** struct dump_block - one goroutine;  @state: "chan receive", without minutes and what follows */
struct dump_block {
	uint64_t goid;
	uint64_t parent;
	const char *state;
	bool locked;
	struct dump_frame frames[DUMP_FRAMES_MAX];
	size_t nframes;
	struct dump_frame created; /* func "" for none */
};

struct dump {
	char *text;
	struct dump_block *blocks;
	size_t n;
};

/** dump_parse() - @text: [consumed]; false when it is no such dump */
bool dump_parse(struct dump *dump, char *text);
void dump_done(struct dump *dump);
const struct dump_block *dump_find(const struct dump *dump, uint64_t goid);
/**
 * dump_agrees() - does our block say what the runtime's block says?
 * The runtime leaves frames of its own and of compiler-made wrappers out, which ours may have.
 * @why: what differs
 */
bool dump_agrees(const struct dump_block *runtime, const struct dump_block *ours, char *why,
		 size_t size);
