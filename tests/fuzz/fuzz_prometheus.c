/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/fuzz_prometheus.c — the parser of metrics on any bytes, cut anywhere.
 * The same text must give the same result however it is cut, and a value only when there is one sample and it is a number.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/probe/prometheus.h"
#include "cut.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int feed(void *arg, const char *bytes, size_t n, struct bo_err *err)
{
	return bo_prometheus_feed(arg, bytes, n, err);
}

/* @piece: see cut_feed() */
static int parse(const uint8_t *data, size_t size, size_t piece, struct bo_prometheus *p)
{
	struct bo_err err = { 0 };
	int r;

	bo_prometheus_init(p, "go_goroutines");
	r = cut_feed(data, size, piece, feed, p, &err);
	if (r == 0)
		r = bo_prometheus_finish(p, &err);
	if ((r == 0) != (err.code == 0))
		abort();
	if (r == 0 && (p->found != 1 || !isfinite(p->value)))
		abort();
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bo_prometheus whole, cut;
	int r;

	if (size == 0)
		return 0;
	r = parse(data + 1, size - 1, 0, &whole);
	/* The first byte says how it is cut. */
	if (parse(data + 1, size - 1, 1 + data[0] % 37, &cut) != r)
		abort();
	if (r == 0 && memcmp(&whole.value, &cut.value, sizeof(whole.value)) != 0)
		abort();
	return 0;
}
