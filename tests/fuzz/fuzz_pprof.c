/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/fuzz_pprof.c — the goroutine profile parser on any bytes, cut anywhere.
 * A service under fault may answer with anything at all.  The same text must give the same
 * result however it is cut, and what the visitor is shown must lie within the text.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <stdlib.h>
#include <string.h>

#include "brownout/probe/pprof.h"
#include "cut.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
	uint64_t hash;
	int64_t goroutines;
};

static void mix(struct sum *sum, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum->hash = (sum->hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
}

static void on_group(void *self, int64_t count, const uint64_t *pcs, size_t npcs)
{
	struct sum *sum = self;

	sum->goroutines += count;
	mix(sum, (const char *)pcs, npcs * sizeof(*pcs));
}

static void on_labels(void *self, const char *text, size_t len)
{
	mix(self, text, len);
}

static void on_frame(void *self, uint64_t pc, const char *func, size_t func_len, const char *file,
		     size_t file_len, int64_t line)
{
	mix(self, (const char *)&pc, sizeof(pc));
	mix(self, func, func_len);
	mix(self, file, file_len);
	mix(self, (const char *)&line, sizeof(line));
}

static int feed(void *arg, const char *bytes, size_t n, struct bo_err *err)
{
	return bo_pprof_feed(arg, bytes, n, err);
}

/* @piece: see cut_feed() */
static int parse(const uint8_t *data, size_t size, size_t piece, struct sum *sum,
		 int64_t *ret_total)
{
	struct bo_pprof_visitor visitor = { sum, on_group, on_labels, on_frame };
	struct bo_err err = { 0 };
	struct bo_pprof p;
	int r;

	*sum = (struct sum){ .hash = 0xcbf29ce484222325u };
	bo_pprof_init(&p, &visitor);
	r = cut_feed(data, size, piece, feed, &p, &err);
	if (r == 0)
		r = bo_pprof_finish(&p, &err);
	if ((r == 0) != (err.code == 0))
		abort();
	if (r == 0 && (p.total < 0 || p.total != sum->goroutines))
		abort();
	*ret_total = p.total;
	bo_pprof_done(&p);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int64_t total, cut_total;
	struct sum whole, cut;
	int r;

	if (size == 0)
		return 0;
	r = parse(data + 1, size - 1, 0, &whole, &total);
	/* The first byte says how it is cut.  Only the result is the same on failure: what was
	 * seen before may not be. */
	if (parse(data + 1, size - 1, 1 + data[0] % 37, &cut, &cut_total) != r)
		abort();
	if (r == 0 && (total != cut_total || whole.hash != cut.hash))
		abort();
	return 0;
}
