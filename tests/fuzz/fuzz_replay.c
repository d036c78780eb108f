/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_replay.c — recordings of links from who knows where.  The first byte chooses a whole file, or one comment.
 * Besides memory errors it looks for fates that cannot be, and for a comment that is not read as it is written.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <stdlib.h>
#include <string.h>

#include "pcapng.h"
#include "record-internal.h"
#include "replay-internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(what)            \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

static void one_comment(const uint8_t *data, size_t size)
{
	struct bo_wire_outcome out, copy, again, copy_again;
	char *text = malloc(size + 1), written[PCAPNG_COMMENT_MAX];
	uint64_t last, last_again;

	REQUIRE(text);
	memcpy(text, data, size);
	text[size] = '\0';
	if (bo_replay_read_comment(text, &out, &copy, &last) &&
	    out.number != BO_RECORD_UNNUMBERED) {
		REQUIRE(out.due_ns >= 0 && copy.due_ns >= 0);
		bo_record_text(0, (uint32_t)(last - out.number + 1), &out,
			       out.copied ? &copy : NULL, written, sizeof(written));
		REQUIRE(bo_replay_read_comment(written, &again, &copy_again, &last_again));
		REQUIRE(again.flow == out.flow && again.number == out.number &&
			last_again == last && again.fate == out.fate &&
			again.due_ns == out.due_ns && again.copied == out.copied &&
			again.corrupted == out.corrupted && again.bit == out.bit &&
			again.ahead == out.ahead && copy_again.due_ns == copy.due_ns &&
			copy_again.fate == copy.fate);
	}
	free(text);
}

static void whole_file(const uint8_t *data, size_t size)
{
	const struct bo_impair im = { .delay_ns = 1000 };
	struct bo_replay *replay = NULL;
	struct bo_err err = { 0 };
	/* of exact size, so that a read beyond it is seen */
	uint8_t *file = malloc(size ? size : 1);

	REQUIRE(file);
	memcpy(file, data, size);
	if (bo_replay_parse(&replay, file, size, "x.pcapng", &err) < 0) {
		REQUIRE(!replay && !strncmp(err.msg, "x.pcapng", 8));
		free(file);
		return;
	}
	for (uint64_t i = 0; i < 8; i++) {
		struct bo_wire_outcome out = { .flow = 0xabc, .number = i, .due_ns = 5000 }, copy;

		bo_replay_fate(replay, &im, (enum bo_dir)(i & 1), 5000, &out, &copy);
		REQUIRE(out.due_ns >= 0 && out.number == i && out.fate != BO_WIRE_BLACKHOLED);
	}
	bo_replay_free(replay);
	free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	if (data[0] & 1)
		one_comment(data + 1, size - 1);
	else
		whole_file(data + 1, size - 1);
	return 0;
}
