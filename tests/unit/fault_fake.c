/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/fault_fake.c — see the header. */
#include "fault_fake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/rng.h"
#include "brownout/lab/linkprobe.h"
#include "brownout/model/linkfile.h"

#define PROBE_GAP (5 * MS)

int64_t fake_now;

int64_t fake_clock(void)
{
	return fake_now;
}

/** answer() - what every hand begins with */
static int answer(const struct fake *fake, struct bo_err *err)
{
	if (fake->fail_errno)
		return bo_err_set(err, fake->fail_errno, BO_SUBSYS_LAB, "the hands are tied");
	return 0;
}

static int fake_link_impair(void *self, int link, enum bo_dir dir, const struct bo_impair *im,
			    struct bo_err *err)
{
	struct fake *fake = self;
	int r = answer(fake, err);

	/* Even an immediate call takes a moment. */
	fake_now += MS / 10;
	if (r == 0 && !fake->lies && fake->nchanges[link][dir] < FAKE_CHANGES) {
		struct fake_change *change = &fake->changes[link][dir][fake->nchanges[link][dir]++];

		*change = (struct fake_change){ .at_ns = fake_now, .im = *im };
		if (fake->twist)
			fake->twist(&change->im);
	}
	fake_now += MS / 10;
	return r;
}

static int fake_link_rules(void *self, int link, const struct bo_conn_rule *rules, size_t n,
			   struct bo_err *err)
{
	struct fake *fake = self;
	int r = answer(fake, err);

	if (r < 0 || fake->lies)
		return r;
	if (n)
		memcpy(fake->rules[link], rules, n * sizeof(*rules));
	fake->nrules[link] = n;
	return 0;
}

static int fake_link_rule_counts(void *self, int link, uint32_t id, struct bo_conn_counts *ret,
				 struct bo_err *err)
{
	const struct fake *fake = self;
	int r = answer(fake, err);

	if (r < 0)
		return r;
	*ret = (struct bo_conn_counts){ 0 };
	for (size_t i = 0; i < fake->nrules[link]; i++)
		if (fake->rules[link][i].id == id)
			*ret = fake->conn_counts;
	return 0;
}

static int fake_link_probe(void *self, int link, enum bo_dir dir, bool on, struct bo_err *err)
{
	struct fake *fake = self;
	int r = answer(fake, err);

	if (r == 0)
		fake->probing[link][dir] = on;
	return r;
}

static struct bo_impair state_at(const struct fake *fake, int link, enum bo_dir dir, int64_t t)
{
	struct bo_impair im = { 0 };

	for (size_t i = 0; i < fake->nchanges[link][dir]; i++)
		if (fake->changes[link][dir][i].at_ns <= t)
			im = fake->changes[link][dir][i].im;
	return im;
}

struct bo_impair fake_impair(const struct fake *fake, int link, enum bo_dir dir)
{
	return state_at(fake, link, dir, fake_now);
}

/** lost_now() - one step of the loss that is in force */
static bool lost_now(const struct bo_loss *loss, struct bo_rng *rng, bool *bad)
{
	double u = bo_rng_unit(rng) * BO_PPM_ALL;

	if (loss->model != BO_LOSS_GE)
		return u < (double)loss->random.ppm;
	if (u < (double)(*bad ? loss->r_ppm : loss->p_ppm))
		*bad = !*bad;
	return bo_rng_unit(rng) * BO_PPM_ALL <
	       (double)(*bad ? loss->bad_loss_ppm : loss->good_loss_ppm);
}

static int64_t delay_now(const struct fake *fake, const struct bo_impair *im, struct bo_rng *rng)
{
	double u = bo_rng_unit(rng);
	double spread = im->dist == BO_DIST_TABLE
				? (double)im->table->at[(int)(u * BO_DIST_TABLE_LEN)] /
					  BO_DIST_SCALE
				: bo_dist_quantile(im->dist, u);
	int64_t delay = im->delay_ns + (int64_t)(spread * (double)im->jitter_ns);

	if (bo_rng_unit(rng) * BO_PPM_ALL < (double)im->reorder.ppm)
		delay = 0;
	return fake->base_delay_ns + (delay > 0 ? delay : 0) +
	       (im->rate_bps ? fake->standing_queue_ns : 0);
}

static int compare_arrival(const void *a, const void *b)
{
	const struct bo_link_sample *x = *(struct bo_link_sample *const *)a;
	const struct bo_link_sample *y = *(struct bo_link_sample *const *)b;
	int64_t at = x->sent_ns + x->delay_ns, other = y->sent_ns + y->delay_ns;

	return (at > other) - (at < other);
}

static void set_order(struct bo_link_samples *s)
{
	struct bo_link_sample **by_arrival = calloc(s->nprobes + 1, sizeof(*by_arrival));
	size_t n = 0;

	for (size_t i = 0; by_arrival && i < s->nprobes; i++)
		if (s->probes[i].delay_ns >= 0)
			by_arrival[n++] = &s->probes[i];
	if (by_arrival)
		qsort(by_arrival, n, sizeof(*by_arrival), compare_arrival);
	for (size_t i = 0; by_arrival && i < n; i++)
		by_arrival[i]->order = (uint32_t)i + 1;
	free(by_arrival);
}

/** slotted() - until the next slot, which come every so often */
static int64_t slotted(const struct bo_impair *im, int64_t t, int64_t delay)
{
	int64_t every = (im->slot.min_ns + im->slot.max_ns) / 2;

	return every ? (t + delay + every - 1) / every * every - t : delay;
}

/* A probe every 5 ms of fake time meets the state of that moment; what has not arrived by now is
 * lost.  A train of 16 once per second. */
static int fake_link_samples(void *self, int link, enum bo_dir dir, int64_t from_ns, int64_t to_ns,
			     struct bo_link_samples *ret, struct bo_err *err)
{
	const struct fake *fake = self;
	struct bo_link_samples s = { 0 };
	size_t room = to_ns > from_ns ? (size_t)((to_ns - from_ns) / PROBE_GAP) + 2 : 1;
	struct bo_rng rng;
	bool bad = false;
	int r = answer(fake, err);

	if (r < 0)
		return r;
	bo_rng_init(&rng, 11, 1);
	s.probes = calloc(room, sizeof(*s.probes));
	s.trains = calloc(room, sizeof(*s.trains));
	for (int64_t t = from_ns; t < to_ns && s.probes && s.trains; t += PROBE_GAP) {
		struct bo_impair im = state_at(fake, link, dir, t + fake->late_ns);
		bool lost = lost_now(&im.loss, &rng, &bad);
		int64_t delay = slotted(&im, t, delay_now(fake, &im, &rng));
		bool twice = bo_rng_unit(&rng) * BO_PPM_ALL < (double)im.duplicate.ppm;
		bool damaged = bo_rng_unit(&rng) * BO_PPM_ALL < (double)im.corrupt.ppm;
		bool here = !im.blackhole && !lost && t + delay <= fake_now;
		double bps = (double)(im.rate_bps ? im.rate_bps
				      : im.trace  ? bo_trace_mean_bps(im.trace)
						  : 5000000000) *
			     fake->rate_factor;

		s.probes[s.nprobes] = (struct bo_link_sample){
			.sent_ns = t,
			.delay_ns = here ? delay : -1,
			.order = (uint32_t)s.nprobes + 1,
			.arrivals = here ? 1 + twice : 0,
			.damaged = here && damaged,
		};
		if (s.nprobes++ % 200 == 0 && here)
			s.trains[s.ntrains++] = (struct bo_link_train){
				.sent_ns = t,
				.first_ns = t + delay,
				.last_ns = t + delay + (int64_t)(15 * 9824 / bps * 1e9),
				.bits = 15 * 9824,
				.sent = 16,
				.received = 16,
			};
	}
	set_order(&s);
	*ret = s;
	return 0;
}

static int fake_link_measure(void *self, int link, enum bo_dir dir, int64_t from_ns, int64_t to_ns,
			     struct bo_link_measure *ret, struct bo_err *err)
{
	struct bo_link_samples s = { 0 };
	int r = fake_link_samples(self, link, dir, from_ns, to_ns, &s, err);

	if (r == 0)
		r = bo_link_summarise(&s, ret);
	bo_link_samples_done(&s);
	return r;
}

static void end_process(struct bo_node_state *node, int status)
{
	*node = (struct bo_node_state){ .exit_status = status, .since_ns = fake_now };
}

static int fake_node_kill(void *self, int node, struct bo_err *err)
{
	struct fake *fake = self;
	int r = answer(fake, err);

	fake->kills++;
	fake_now += MS;
	if (r == 0 && !fake->lies && fake->nodes[node].running)
		end_process(&fake->nodes[node], 9);
	return r;
}

static int fake_node_term(void *self, int node, struct bo_err *err)
{
	struct fake *fake = self;
	int r = answer(fake, err);

	fake->terms++;
	fake_now += MS;
	if (r == 0 && !fake->lies && !fake->ignores_term && fake->nodes[node].running)
		end_process(&fake->nodes[node], 0);
	return r;
}

static int fake_node_start(void *self, int node, bool wait_ready, struct bo_err *err)
{
	static int32_t next_pid = 1000;
	struct fake *fake = self;
	int r = answer(fake, err);

	fake->starts++;
	fake_now += wait_ready ? 50 * MS : MS;
	if (r == 0 && !fake->lies && !fake->stays_down)
		fake->nodes[node] = (struct bo_node_state){ .running = true,
							    .pid = next_pid++,
							    .since_ns = fake_now };
	return r;
}

static int fake_node_pause(void *self, int node, struct bo_err *err)
{
	struct fake *fake = self;
	int r = answer(fake, err);

	fake->pauses++;
	if (r == 0 && !fake->lies)
		fake->nodes[node].paused = true;
	return r;
}

static int fake_node_resume(void *self, int node, struct bo_err *err)
{
	struct fake *fake = self;
	int r = answer(fake, err);

	fake->resumes++;
	if (r == 0)
		fake->nodes[node].paused = false;
	return r;
}

static int fake_node_state(void *self, int node, struct bo_node_state *ret, struct bo_err *err)
{
	struct fake *fake = self;
	int r = answer(fake, err);

	if (r == 0)
		*ret = fake->nodes[node];
	return r;
}

static int fake_memory_limit(void *self, int node, enum bo_mem_knob knob, int64_t bytes,
			     struct bo_err *err)
{
	struct fake *fake = self;
	struct bo_mem_stat *mem = &fake->memory[node];
	int r = answer(fake, err);

	fake->limits++;
	if (r < 0 || fake->lies)
		return r;
	if (bytes != INT64_MAX)
		bytes = bytes / 4096 * 4096;
	if (knob == BO_MEM_HIGH) {
		mem->high_bytes = bytes;
		return 0;
	}
	if (bytes < fake->unreclaimable)
		return bo_err_set(err, EBUSY, BO_SUBSYS_LAB,
				  "memory.limit_in_bytes: Device or resource busy");
	if (mem->usage_bytes > bytes) {
		mem->usage_bytes = bytes;
		mem->failcnt += 3;
	}
	mem->limit_bytes = bytes;
	return 0;
}

static int fake_memory_stat(void *self, int node, struct bo_mem_stat *ret, struct bo_err *err)
{
	struct fake *fake = self;
	int r = answer(fake, err);

	if (r == 0)
		*ret = fake->memory[node];
	return r;
}

static void add_node(struct bo_plan *plan, const char *name, enum bo_role role, int64_t memory)
{
	struct bo_node_spec node = {
		.name = name, .role = role, .kind = BO_NODE_COMMAND, .memory_bytes = memory
	};

	if (!bo_vec_push(&plan->nodes, node))
		abort();
}

struct fake *fake_new(void)
{
	struct fake *fake = calloc(1, sizeof(*fake));
	struct bo_plan *plan = bo_plan_new();

	if (!fake || !plan)
		abort();
	fake_now = 100 * SEC;
	add_node(plan, "orders", BO_ROLE_SUBJECT, (int64_t)256 << 20);
	add_node(plan, "db", BO_ROLE_DEPENDENCY, 0);
	if (bo_plan_link_add(plan, NODE_CLIENT, NODE_ORDERS, (struct bo_src){ 0 }) != LINK_FRONT ||
	    bo_plan_link_add(plan, NODE_ORDERS, NODE_DB, (struct bo_src){ 0 }) != LINK_BACK)
		abort();
	memset(plan->phase_ns, 0, sizeof(plan->phase_ns));
	plan->phase_ns[BO_PHASE_BASE] = 5 * SEC;
	plan->phase_ns[BO_PHASE_FAULT] = 10 * SEC;
	plan->phase_ns[BO_PHASE_HEAL] = 2 * SEC;
	fake->plan = plan;
	fake->base_delay_ns = MS / 20;
	fake->rate_factor = 1;
	fake->machine = (struct bo_machine){ .tun = true,
					     .cgroup_memory = true,
					     .cgroup_freezer = true,
					     .cgroup_memory_version = 1 };
	for (int i = 0; i < NODES; i++) {
		fake->nodes[i] =
			(struct bo_node_state){ .running = true, .pid = 10 + i, .since_ns = SEC };
		fake->memory[i] = (struct bo_mem_stat){ .usage_bytes = (int64_t)60 << 20,
							.limit_bytes = INT64_MAX,
							.high_events = -1,
							.high_bytes = INT64_MAX };
	}
	fake->memory[NODE_ORDERS].limit_bytes = (int64_t)256 << 20;
	fake->hands = (struct bo_hands){
		.self = fake,
		.machine = &fake->machine,
		.link_driver = "wire",
		.link_impair = fake_link_impair,
		.link_rules = fake_link_rules,
		.link_rule_counts = fake_link_rule_counts,
		.link_probe = fake_link_probe,
		.link_measure = fake_link_measure,
		.link_samples = fake_link_samples,
		.node_kill = fake_node_kill,
		.node_term = fake_node_term,
		.node_start = fake_node_start,
		.node_pause = fake_node_pause,
		.node_resume = fake_node_resume,
		.node_state = fake_node_state,
		.memory_limit = fake_memory_limit,
		.memory_stat = fake_memory_stat,
	};
	return fake;
}

void fake_free(struct fake *fake)
{
	bo_plan_free(fake->plan);
	free(fake);
}

struct bo_fault_spec *fake_fault(struct fake *fake, const char *kind, enum bo_target target,
				 int index, const struct bo_arg *args, size_t nargs)
{
	struct bo_fault_spec spec = { .id = kind,
				      .kind = kind,
				      .target = target,
				      .index = index,
				      .nargs = nargs,
				      .from = BO_PHASE_FAULT,
				      .to = BO_PHASE_FAULT };
	struct bo_arg *copy = bo_arena_alloc(&fake->plan->arena, (nargs + 1) * sizeof(*args));

	if (!copy)
		abort();
	if (nargs)
		memcpy(copy, args, nargs * sizeof(*args));
	spec.args = copy;
	if (!bo_vec_push(&fake->plan->faults, spec))
		abort();
	return &fake->plan->faults.items[fake->plan->faults.len - 1];
}
