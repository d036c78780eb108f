/* SPDX-License-Identifier: Apache-2.0 */
/* slow.c — clients that dawdle: a request that trickles, a response that nobody hurries to read.
 * Owns: nothing.  Threads: the load's.  Privilege: none.
 *
 * A token bucket per direction.  What was not used does not pile up beyond two steps, or a reader
 * that waited for the service would then gulp.  All wait for the same time between two steps, which
 * is what a bo_deadlines queue asks for. */
#include "brownout/base/clock.h"
#include "engine.h"

#define STEP_NS (10 * BO_NSEC_PER_MSEC)

static double min_positive(double a, double b)
{
	if (a <= 0 || (b > 0 && b < a))
		return b;
	return a;
}

void bo_slow_init(struct bo_load *load)
{
	const struct bo_slow_spec *slow = &load->spec->slow;
	double least = min_positive(slow->write_per_s, slow->read_per_s);

	if (least <= 0)
		return;
	load->pace_ns = (int64_t)((double)BO_NSEC_PER_SEC / least); /* one byte */
	if (load->pace_ns < STEP_NS)
		load->pace_ns = STEP_NS;
}

static void step_later(struct bo_load *load, struct bo_conn *c, int64_t now_ns)
{
	if (!c->pace.queue)
		bo_deadline_set(&load->paces, &c->pace, now_ns + load->pace_ns, c);
}

void bo_slow_start(struct bo_load *load, struct bo_conn *c, size_t head_len)
{
	c->paced_ns = bo_now_ns();
	c->may_send = c->may_read = 1;
	c->unpaced = load->spec->slow.body_only ? head_len : 0;
	/* Nobody watches the socket of a slow reader; the steps do. */
	if (load->spec->slow.read_per_s > 0)
		step_later(load, c, c->paced_ns);
}

static void fill(const struct bo_load *load, double *tokens, double per_s, int64_t ns)
{
	double most = 2 * per_s * (double)load->pace_ns / (double)BO_NSEC_PER_SEC;

	*tokens += per_s * (double)ns / (double)BO_NSEC_PER_SEC;
	if (*tokens > most)
		*tokens = most;
}

static void refill(struct bo_load *load, struct bo_conn *c, int64_t now_ns)
{
	const struct bo_slow_spec *slow = &load->spec->slow;
	int64_t ns = now_ns - c->paced_ns;

	if (ns > 0) {
		fill(load, &c->may_send, slow->write_per_s, ns);
		fill(load, &c->may_read, slow->read_per_s, ns);
		c->paced_ns = now_ns;
	}
	step_later(load, c, now_ns);
}

static size_t spend(double *tokens, size_t want)
{
	size_t n = *tokens >= 1 ? (size_t)*tokens : 0;

	if (n > want)
		n = want;
	*tokens -= (double)n;
	return n;
}

size_t bo_slow_out(struct bo_load *load, struct bo_conn *c, size_t want, int64_t now_ns)
{
	if (load->spec->slow.write_per_s <= 0)
		return want;
	if (c->out_at < c->unpaced)
		return c->unpaced - c->out_at < want ? c->unpaced - c->out_at : want;
	refill(load, c, now_ns);
	return spend(&c->may_send, want);
}

size_t bo_slow_in(struct bo_load *load, struct bo_conn *c, size_t want, int64_t now_ns)
{
	if (load->spec->slow.read_per_s <= 0 || c->state == BO_CONN_DRAINING)
		return want;
	if (c->may_read < BO_LOAD_RECV_BYTES)
		refill(load, c, now_ns);
	return spend(&c->may_read, want);
}

void bo_slow_expire(struct bo_load *load, int64_t now_ns)
{
	while (bo_deadlines_next(&load->paces) <= now_ns) {
		struct bo_conn *c = load->paces.first->owner;
		uint32_t gen = c->gen;

		bo_deadline_cancel(&c->pace);
		if (c->state == BO_CONN_BUSY && c->out_at < c->out_len)
			bo_conn_send(load, c, now_ns);
		if (c->gen == gen && load->spec->slow.read_per_s > 0 &&
		    (c->state == BO_CONN_BUSY || c->state == BO_CONN_HELD))
			bo_conn_readable(load, c, now_ns);
	}
}
