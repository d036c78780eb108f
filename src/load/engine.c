/* SPDX-License-Identifier: Apache-2.0 */
/* engine.c — the load's thread: due arrivals, socket events, deadlines, samples.
 * Owns: the epoll set, the timer, the records.  Threads: the load's.  Privilege: none.
 *
 * Theory of operation.  One absolute timerfd stands for whatever is due next; epoll_wait(2) sleeps
 * without a timeout, whose resolution would be a millisecond.  epoll_pwait2(2) counts nanoseconds,
 * but sets and cancels its timer at every wait, also when an answer ends it, which on a virtual
 * machine costs more than the timerfd that stays armed.  Arrivals go before events: a due
 * request is sent even while responses wait to be read, in bounded batches so that neither side
 * starves the other when the machine is too slow.
 *
 * Waking up takes time.  So the thread has itself woken before an arrival by about as long as that
 * takes here, and polls for what is left (base/wake.h).  How late each arrival was taken up is
 * measured, because a late generator judges itself and not the service. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "engine.h"

#define EVENTS_PER_TURN 256
#define ARRIVALS_PER_TURN 64
#define ARRIVALS_PER_EVENT 4
#define SAMPLE_NS (100 * BO_NSEC_PER_MSEC)
#define TIMER UINT64_MAX
#define WAKE (UINT64_MAX - 1)
/* One wake-up in four may come later than allowed for.  Polling is CPU; docs/load.md has what other settings cost. */
#ifndef WAKE_LATE_STEPS
#define WAKE_LATE_STEPS 3
#endif

/* Loads that run.  Together they may poll for a quarter of a CPU, also where there are two or fewer, and wires do not.
 * Never real-time: a generator that a busy machine holds up says so, and does not take the CPU from the service. */
static atomic_uint running;

void bo_engine_fail(struct bo_load *load, int code, const char *what)
{
	if (!load->failed.code) {
		errno = code;
		bo_err_errno(&load->failed, BO_SUBSYS_LOAD, "load '%s': %s", load->spec->name,
			     what);
	}
}

/* ---- records ---- */

/* 0 means "did not happen", so an instant that falls on t0 to the nanosecond becomes 1. */
static int64_t relative(const struct bo_load *load, int64_t at_ns)
{
	if (!at_ns)
		return 0;
	return at_ns == load->t0_ns ? 1 : at_ns - load->t0_ns;
}

void bo_engine_record(struct bo_load *load, struct bo_req *req, enum bo_req_class cls,
		      int64_t now_ns)
{
	struct bo_req_chunk *chunk = load->last_chunk;

	bo_closed_answered(&load->closed, now_ns);
	bo_live_roll(&load->live, now_ns);
	bo_live_ended(&load->live, cls, now_ns - req->intended_ns);
	if (!chunk || chunk->len == BO_REQ_CHUNK) {
		chunk = malloc(sizeof(*chunk));
		if (!chunk) {
			bo_engine_fail(load, ENOMEM, "no memory to record requests");
			return;
		}
		chunk->next = NULL;
		chunk->len = 0;
		if (load->last_chunk)
			load->last_chunk->next = chunk;
		else
			load->first_chunk = chunk;
		load->last_chunk = chunk;
	}
	req->cls = (uint8_t)cls;
	req->intended_ns -= load->t0_ns;
	req->sent_ns = relative(load, req->sent_ns);
	req->first_byte_ns = relative(load, req->first_byte_ns);
	req->end_ns = now_ns - load->t0_ns;
	chunk->items[chunk->len++] = *req;
	load->ended++;
}

void bo_engine_reason(struct bo_load *load, enum bo_req_class cls, const char *why)
{
	struct bo_load_record *rec = &load->record;

	for (size_t i = 0; i < rec->nreasons; i++) {
		if (rec->reasons[i].cls == cls &&
		    !strncmp(rec->reasons[i].text, why, sizeof(rec->reasons[i].text) - 1)) {
			rec->reasons[i].count++;
			return;
		}
	}
	if (rec->nreasons == BO_LOAD_REASONS_MAX) {
		rec->reasons_lost++;
		return;
	}
	rec->reasons[rec->nreasons].cls = cls;
	rec->reasons[rec->nreasons].count = 1;
	snprintf(rec->reasons[rec->nreasons].text, sizeof(rec->reasons[0].text), "%s", why);
	rec->nreasons++;
}

static void sample(struct bo_load *load, int64_t now_ns)
{
	struct bo_sample conns = { .t_ns = now_ns - load->t0_ns, .value = (double)load->open };
	struct bo_sample inflight = { .t_ns = conns.t_ns, .value = (double)load->inflight };

	bo_live_roll(&load->live, now_ns);
	atomic_store(&load->live.connections, load->open);
	atomic_store(&load->live.inflight, load->inflight);
	atomic_store(&load->live.all_offered, load->record.offered);
	atomic_store(&load->live.all_ended, load->ended);
	if (now_ns < load->next_sample_ns)
		return;
	/* Instants missed while the thread was held up are left out, not made up. */
	load->next_sample_ns += ((now_ns - load->next_sample_ns) / SAMPLE_NS + 1) * SAMPLE_NS;
	if (!bo_vec_push(&load->conn_samples, conns) ||
	    !bo_vec_push(&load->inflight_samples, inflight))
		bo_engine_fail(load, ENOMEM, "no memory for samples");
}

/* ---- arrivals ---- */

static void follow_windows(struct bo_load *load, int64_t now_ns)
{
	bool was_on = load->load_on;

	while (load->window < load->nwindows && now_ns >= load->windows[load->window].until_ns)
		load->window++;
	load->load_on = load->window < load->nwindows &&
			now_ns >= load->windows[load->window].from_ns &&
			now_ns < atomic_load(&load->stop_ns);
	if (load->load_on && !was_on)
		bo_closed_on(&load->closed, load->windows[load->window].from_ns,
			     load->windows[load->window].until_ns);
	if (was_on && !load->load_on) {
		bo_closed_off(&load->closed);
		bo_conn_load_off(load, now_ns);
	}
}

/* HOLD: is there a place to take?  A full house is what it is for, so only a place that became free
 * is offered again; and nobody comes once the window is over, however late the generator is. */
static bool hold_wants(struct bo_load *load, int64_t now_ns)
{
	follow_windows(load, now_ns);
	return load->load_on && load->open < load->max_conns;
}

/* When the next request is due; a closed loop learns that from its answers. */
static int64_t next_arrival(const struct bo_load *load)
{
	return load->closed.len ? bo_closed_next(&load->closed) : load->next_arrival_ns;
}

static void dispatch(struct bo_load *load, size_t most)
{
	int64_t stop_ns = atomic_load(&load->stop_ns);

	while (most--) {
		int64_t now_ns, intended_ns = next_arrival(load);

		if (intended_ns >= stop_ns) {
			load->next_arrival_ns = INT64_MAX;
			return;
		}
		now_ns = bo_now_ns();
		if (intended_ns > now_ns)
			return;
		if (load->closed.len)
			bo_closed_ask(&load->closed);
		else
			load->next_arrival_ns = bo_schedule_next(&load->schedule);
		if (load->spec->kind == BO_LOAD_HOLD && !hold_wants(load, now_ns))
			continue;
		bo_live_roll(&load->live, now_ns);
		load->live.offered++;
		load->record.offered++;
		bo_hist_record(&load->lag, now_ns - intended_ns);
		bo_call_offer(load, intended_ns, now_ns);
	}
}

/* When there is something to do by the clock. */
static int64_t next_wake(struct bo_load *load)
{
	int64_t next = load->next_sample_ns, at = bo_conn_next_deadline(load);
	int64_t arrival = next_arrival(load);

	if (at < next)
		next = at;
	if (arrival < INT64_MAX && arrival < atomic_load(&load->stop_ns)) {
		arrival = bo_wake_at(&load->wake, arrival);
		next = arrival < next ? arrival : next;
	}
	if (load->window < load->nwindows) {
		const struct bo_load_window *w = &load->windows[load->window];

		at = load->load_on ? w->until_ns : w->from_ns;
		if (at < next && (load->load_on || atomic_load(&load->stop_ns) == INT64_MAX))
			next = at;
	}
	return next;
}

/* Everything that is due by the clock, in the order that keeps arrivals on time. */
static void turn(struct bo_load *load, bool last)
{
	int64_t now_ns = bo_now_ns();

	/* Before arrivals are taken up, so that a window's first request finds load on. */
	follow_windows(load, now_ns);
	if (!last || !load->closed.len)
		dispatch(load, last ? SIZE_MAX : ARRIVALS_PER_TURN);
	now_ns = bo_now_ns();
	bo_conn_expire(load, now_ns);
	sample(load, now_ns);
}

/* ---- thread ---- */

static int watch(struct bo_load *load, int fd, uint64_t id)
{
	/* Edge-triggered, so that neither the timer nor the eventfd must be read. */
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.u64 = id };

	return epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

int bo_engine_open(struct bo_load *load, struct bo_err *err)
{
	load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	load->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	load->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (load->epoll_fd < 0 || load->timer_fd < 0 || load->wake_fd < 0)
		return bo_err_errno(err, BO_SUBSYS_LOAD, "load '%s': cannot make an event loop",
				    load->spec->name);
	if (watch(load, load->timer_fd, TIMER) || watch(load, load->wake_fd, WAKE))
		return bo_err_errno(err, BO_SUBSYS_LOAD, "load '%s': cannot watch the timer",
				    load->spec->name);
	return 0;
}

void bo_engine_close(struct bo_load *load)
{
	bo_close(&load->epoll_fd);
	bo_close(&load->timer_fd);
	bo_close(&load->wake_fd);
}

static int arm(struct bo_load *load, int64_t at_ns)
{
	struct itimerspec at = { .it_value = bo_ns_to_timespec(at_ns) };

	if (at_ns == load->timer_armed_ns)
		return 0;
	if (timerfd_settime(load->timer_fd, TFD_TIMER_ABSTIME, &at, NULL)) {
		bo_engine_fail(load, errno, "timerfd_settime");
		return -1;
	}
	load->timer_armed_ns = at_ns;
	return 0;
}

/* Until something is due or has come;  Return: as epoll_wait(2) */
static int wait_for(struct bo_load *load, struct epoll_event events[EVENTS_PER_TURN])
{
	unsigned int loads = atomic_load_explicit(&running, memory_order_relaxed);
	int64_t now_ns = bo_now_ns(), next_ns;
	int n;

	if (loads != load->sharing) {
		load->sharing = loads;
		load->wake.poll_ppm = BO_WAKE_ONE_PPM / loads;
	}
	bo_wake_tick(&load->wake, now_ns);
	next_ns = next_wake(load);
	if (next_ns <= now_ns) {
		n = epoll_wait(load->epoll_fd, events, EVENTS_PER_TURN, 0);
		if (n == 0 && next_arrival(load) > now_ns)
			bo_wake_spend(&load->wake, bo_now_ns() - now_ns);
		return n;
	}
	if (arm(load, next_ns))
		return 0;
	n = epoll_wait(load->epoll_fd, events, EVENTS_PER_TURN, -1);
	if (n == 1 && events[0].data.u64 == TIMER)
		bo_wake_learn(&load->wake, load->timer_armed_ns, bo_now_ns());
	return n;
}

static void wait_and_serve(struct bo_load *load)
{
	struct epoll_event events[EVENTS_PER_TURN];
	int n = wait_for(load, events);

	if (n < 0 && errno != EINTR)
		bo_engine_fail(load, errno, "epoll_wait");
	for (int i = 0; i < n && !load->failed.code; i++) {
		uint64_t id = events[i].data.u64;
		struct bo_conn *c;

		if (id == TIMER || id == WAKE)
			continue;
		c = load->conns[id & UINT32_MAX];
		/* The socket of this event may have been closed by an earlier one of the same
		 * batch. */
		if (c->gen == id >> 32)
			bo_conn_event(load, c, events[i].events);
		dispatch(load, ARRIVALS_PER_EVENT);
	}
}

void *bo_engine_main(void *arg)
{
	struct bo_load *load = arg;

	/* The default slack of 50 µs would be the largest error of all (prctl(2)).  It is per
	 * thread. */
	prctl(PR_SET_TIMERSLACK, 1UL);
	pthread_setname_np(pthread_self(), "bo-load");
	load->wake.late_steps = WAKE_LATE_STEPS;
	atomic_fetch_add(&running, 1);
	load->next_sample_ns = bo_now_ns();
	bo_live_init(&load->live, load->next_sample_ns);
	load->next_arrival_ns = bo_schedule_next(&load->schedule);
	while (!load->failed.code) {
		bool quit = atomic_load(&load->quit);

		turn(load, quit);
		if (quit)
			break;
		wait_and_serve(load);
	}
	atomic_fetch_sub(&running, 1);
	bo_conn_finish_all(load, bo_now_ns());
	sample(load, bo_now_ns());
	return NULL;
}
