/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/fuzz_pprof2.c — the parser of goroutine dumps (debug=2) on any bytes, cut anywhere.
 * The same text must give the same result however it is cut; what the visitor is shown must be readable, and in order: a
 * goroutine, its frames, at most one creation site after another, its end.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <stdlib.h>
#include <string.h>

#include "brownout/probe/pprof2.h"
#include "cut.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
	uint64_t hash;
	int64_t begun, ended;
};

static void mix(struct sum *sum, const void *bytes, size_t n)
{
	const unsigned char *b = bytes;

	for (size_t i = 0; i < n; i++)
		sum->hash = (sum->hash ^ b[i]) * 0x100000001b3u;
}

static void on_goroutine(void *self, const struct bo_pprof2_goroutine *g)
{
	struct sum *sum = self;

	if (sum->begun != sum->ended || g->minutes < 0)
		abort();
	sum->begun++;
	mix(sum, &g->id, sizeof(g->id));
	mix(sum, g->status, g->status_len);
	mix(sum, g->labels, g->labels_len);
	mix(sum, &g->minutes, sizeof(g->minutes));
	mix(sum, &g->leaked, sizeof(g->leaked));
	mix(sum, &g->locked, sizeof(g->locked));
}

static void on_frame(void *self, const struct bo_pprof2_frame *f)
{
	struct sum *sum = self;

	if (sum->begun != sum->ended + 1 || f->line < 0)
		abort();
	mix(sum, f->func, f->func_len);
	mix(sum, f->file, f->file_len);
	mix(sum, &f->line, sizeof(f->line));
}

static void on_created(void *self, const struct bo_pprof2_frame *f, uint64_t parent)
{
	on_frame(self, f);
	mix(self, &parent, sizeof(parent));
}

static void on_end(void *self)
{
	struct sum *sum = self;

	sum->ended++;
}

static int feed(void *arg, const char *bytes, size_t n, struct bo_err *err)
{
	return bo_pprof2_feed(arg, bytes, n, err);
}

/* @piece: see cut_feed() */
static int parse(const uint8_t *data, size_t size, size_t piece, struct sum *sum)
{
	const struct bo_pprof2_visitor visitor = { sum, on_goroutine, on_frame, on_created,
						   on_end };
	struct bo_err err = { 0 };
	struct bo_pprof2 p;
	int r;

	*sum = (struct sum){ .hash = 0xcbf29ce484222325u };
	bo_pprof2_init(&p, &visitor);
	r = cut_feed(data, size, piece, feed, &p, &err);
	if (r == 0)
		r = bo_pprof2_finish(&p, &err);
	if ((r == 0) != (err.code == 0))
		abort();
	if (r == 0 && (p.goroutines < 1 || p.goroutines != sum->ended || sum->begun != sum->ended))
		abort();
	bo_pprof2_done(&p);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sum whole, cut;
	int r;

	if (size == 0)
		return 0;
	r = parse(data + 1, size - 1, 0, &whole);
	/* The first byte says how it is cut. */
	if (parse(data + 1, size - 1, 1 + data[0] % 37, &cut) != r)
		abort();
	if (r == 0 && (whole.hash != cut.hash || whole.ended != cut.ended))
		abort();
	return 0;
}
