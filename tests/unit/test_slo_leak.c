/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_slo_leak.c — goroutines.leaked on services whose truth is known: leaks, backlogs
 * that drain, pools of workers that look just like a leak, and runs that cannot tell. */
#include "synth_groups.h"
#include "synth_test.h"

/* Members at the instants between which a row's life is drawn, straight lines in between. */
struct life {
	int count[BO_PHASE_COUNT + 1]; /* at the start of warmup, base, … settle, and at the end */
	double stuck[BO_PHASE_COUNT];  /* share of them that does not move, by phase */
	const char *what;
};

static enum bo_phase phase_at(const struct synth *s, int64_t t_ns)
{
	int p = BO_PHASE_COUNT - 1;

	while (p > 0 && t_ns < synth_start(s, (enum bo_phase)p))
		p--;
	return (enum bo_phase)p;
}

static void live(struct synth *s, struct bo_group_snapshot *snap, void *arg)
{
	const struct life *life = arg;
	enum bo_phase p = phase_at(s, snap->t_ns);
	double share = (double)(snap->t_ns - synth_start(s, p)) /
		       (double)(synth_end(s, p) - synth_start(s, p));
	int n = (int)(life->count[p] + share * (life->count[p + 1] - life->count[p]));

	if (n)
		synth_group(s, snap, life->what, (uint64_t)n, (uint64_t)(n * life->stuck[p]), 0);
}

static void play(struct synth *s, const struct life *life)
{
	union {
		const struct life *in;
		void *out;
	} arg = { .in = life };

	synth_watch(s, 0, synth_end(s, BO_PHASE_SETTLE), live, arg.out);
}

#define WORKER "main.startPool|chan receive|main.worker"
#define QUERY \
	"example.com/shop/orders.(*Server).query|chan send|example.com/shop/orders.(*Server).query"
#define SLEEP "main.handler|sleep|main.handler"

/* clang-format off */
static const struct {
	const char *service;
	struct life life; /* warmup base fault hold heal settle end */
	enum bo_outcome hold;
	const char *hold_says;
	enum bo_outcome settle;
	const char *settle_says;
} services[] = {
	{ "clean",
	  { { 0, 2, 2, 0, 2, 0, 0 }, { 0 }, QUERY }, BO_PASS, "leaked 0", BO_PASS, "leaked 0" },
	{ "leak in fault, kept for ever",
	  { { 0, 2, 2, 107, 107, 107, 107 }, { 0, 0, 1, 1, 1, 1 }, QUERY },
	  BO_FAIL, "leaked 105 in orders.(*Server).query [chan send] at orders.go:93", BO_FAIL, "leaked 105" },
	{ "leak with every request, base too",
	  { { 0, 20, 70, 170, 170, 220, 220 }, { 1, 1, 1, 1, 1, 1 }, QUERY },
	  BO_FAIL, NULL, BO_FAIL, NULL },
	{ "leak in heal alone",
	  { { 0, 0, 0, 0, 0, 60, 60 }, { 0, 0, 0, 0, 0.4, 1 }, QUERY },
	  BO_PASS, NULL, BO_FAIL, "leaked 60" },
	{ "a handful stays: no pattern",
	  { { 0, 0, 0, 5, 5, 5, 5 }, { 0, 0, 1, 1, 1, 1 }, QUERY }, BO_PASS, NULL, BO_PASS, NULL },
	{ "one more than a handful",
	  { { 0, 0, 0, 6, 6, 6, 6 }, { 0, 0, 1, 1, 1, 1 }, QUERY }, BO_FAIL, "leaked 6", BO_FAIL, "leaked 6" },
	{ "no more than base had at its worst",
	  { { 0, 100, 60, 100, 100, 100, 100 }, { 1, 1, 1, 1, 1, 1 }, QUERY }, BO_PASS, NULL, BO_PASS, NULL },
	{ "backlog drains in hold",
	  { { 0, 2, 2, 100, 40, 0, 0 }, { 0, 0, 1, 1, 1, 1 }, QUERY },
	  BO_INCONCLUSIVE, "still falls", BO_PASS, "leaked 0" },
	{ "backlog drains until the very end",
	  { { 0, 2, 2, 120, 120, 100, 20 }, { 0, 0, 1, 1, 1, 1 }, QUERY },
	  BO_FAIL, NULL, BO_INCONCLUSIVE, "still falls" },
	{ "backlog of hold has shrunk by settle",
	  { { 0, 2, 2, 100, 100, 40, 40 }, { 0, 0, 1, 1, 1, 1 }, QUERY },
	  BO_FAIL, NULL, BO_INCONCLUSIVE, "have become fewer" },
	{ "backlog of hold has shrunk by a fifth",
	  { { 0, 2, 2, 100, 100, 80, 80 }, { 0, 0, 1, 1, 1, 1 }, QUERY },
	  BO_FAIL, NULL, BO_INCONCLUSIVE, "have become fewer" },
	{ "leak of which a few were freed",
	  { { 0, 2, 2, 100, 100, 92, 92 }, { 0, 0, 1, 1, 1, 1 }, QUERY },
	  BO_FAIL, NULL, BO_FAIL, "leaked 90" },
	{ "backlog that sleeps ten seconds",
	  { { 0, 0, 0, 100, 100, 0, 0 }, { 0, 0, 1, 1, 1, 1 }, SLEEP },
	  BO_INCONCLUSIVE, "they sleep, and will wake", BO_PASS, NULL },
	{ "pool of workers, idle when nobody asks",
	  { { 50, 50, 50, 50, 50, 50, 50 }, { 0, 0, 0, 1, 0, 1 }, WORKER }, BO_PASS, NULL, BO_PASS, NULL },
	{ "pool of workers that grew and is never idle, or a heartbeat that nobody stops",
	  { { 50, 50, 50, 500, 500, 500, 500 }, { 0 }, WORKER },
	  BO_PASS, "450 more than in base still run in main.startPool", BO_PASS, "judge them by count or delta" },
	{ "pool that grew under the fault and works in heal",
	  { { 5, 5, 5, 90, 90, 90, 90 }, { 0, 0, 0, 1, 0, 1 }, WORKER },
	  BO_FAIL, NULL, BO_PASS, "leaked 0" },
	{ "leak in a pool with the workers' own state",
	  { { 5, 5, 5, 90, 90, 90, 90 }, { 0, 0, 0.9, 1, 0.9, 1 }, WORKER },
	  BO_FAIL, NULL, BO_FAIL, "leaked 76" },
};
/* clang-format on */

static void judge(struct synth *s, const char *service, const char *budget, enum bo_outcome want,
		  const char *says)
{
	const struct bo_budget_result *r = synth_judge(s, budget);

	if (r->outcome != want || (says && !strstr(r->measured, says) && !strstr(r->reason, says)))
		fail_msg("%s, %s: %s, %s [%s]", service, budget, bo_outcome_name(r->outcome),
			 r->measured, r->reason);
}

static void test_services(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		struct synth s;

		synth_init(&s, 1);
		play(&s, &services[i].life);
		judge(&s, services[i].service, "goroutines.leaked == 0 at hold", services[i].hold,
		      services[i].hold_says);
		judge(&s, services[i].service, "goroutines.leaked == 0 at settle",
		      services[i].settle, services[i].settle_says);
		/* Without a phase it is told at the end of settle. */
		judge(&s, services[i].service, "goroutines.leaked == 0", services[i].settle,
		      services[i].settle_says);
		synth_done(&s);
	}
}

/* Of 2000 requests 20 are one per cent: 18 left behind are no leak, 30 are. */
static void test_bound_grows_with_load(void **state)
{
	struct synth *s = *state;
	const struct life few = { { 0, 0, 0, 18, 18, 18, 18 }, { 0, 0, 1, 1, 1, 1 }, QUERY };
	const struct life many = { { 0, 0, 0, 30, 30, 30, 30 }, { 0, 0, 1, 1, 1, 1 }, QUERY };

	play(s, &few);
	expect(s, "goroutines.leaked == 0", BO_FAIL, "leaked 18", NULL);
	synth_steady(s, synth_start(s, BO_PHASE_FAULT), synth_end(s, BO_PHASE_FAULT), 200,
		     20 * SYNTH_MS, BO_REQ_OK);
	expect(s, "goroutines.leaked == 0", BO_PASS, "leaked 0", NULL);
	s->run->snapshots.len = 0;
	play(s, &many);
	expect(s, "goroutines.leaked == 0", BO_FAIL, "leaked 30", NULL);
	expect(s, "goroutines.leaked <= 30", BO_PASS, NULL, NULL);
	/* What was never sent leaves nothing behind. */
	s->run->requests.len = 0;
	s->run->loads.len = 0;
	s->run->snapshots.len = 0;
	play(s, &few);
	synth_steady(s, synth_start(s, BO_PHASE_FAULT), synth_end(s, BO_PHASE_FAULT), 200, 0,
		     BO_REQ_SHED);
	expect(s, "goroutines.leaked == 0", BO_FAIL, "leaked 18", NULL);
}

static const struct life LEAK = { { 0, 2, 2, 107, 107, 107, 107 }, { 0, 0, 1, 1, 1, 1 }, QUERY };

static void test_cannot_tell(void **state)
{
	struct synth *s = *state;
	int64_t settle = synth_start(s, BO_PHASE_SETTLE), base = synth_start(s, BO_PHASE_BASE);
	size_t kept = 0;

	expect(s, "goroutines.leaked == 0", BO_INCONCLUSIVE, "not measured",
	       "no snapshot of the goroutines of orders was taken");
	synth_gap(s, BO_SERIES_GOROUTINES, SYNTH_ORDERS, 0, 30 * SYNTH_S, "not a Go program");
	expect(s, "goroutines.leaked == 0", BO_INCONCLUSIVE, NULL, "not a Go program");
	play(s, &LEAK);
	s->run->snapshots.len -= 3;
	expect(s, "goroutines.leaked == 0", BO_INCONCLUSIVE, NULL,
	       "2 snapshots after load ended; a leak takes 3 to tell");
	s->run->snapshots.len -= 2;
	expect(s, "goroutines.leaked == 0", BO_INCONCLUSIVE, NULL, "0 snapshots after load ended");
	/* Two looks at base are not enough to know what is normal. */
	s->run->snapshots.len = 0;
	play(s, &LEAK);
	bo_vec_foreach(snap, &s->run->snapshots) {
		if (snap->t_ns < base || snap->t_ns >= synth_start(s, BO_PHASE_FAULT) ||
		    snap->t_ns < base + 2 * SYNTH_S)
			s->run->snapshots.items[kept++] = *snap;
	}
	s->run->snapshots.len = kept;
	expect(s, "goroutines.leaked == 0", BO_INCONCLUSIVE, NULL, "2 snapshots in base");
	/* The sampler was lost half-way through a long settle. */
	synth_phase(s, BO_PHASE_SETTLE, 10 * SYNTH_S);
	s->run->snapshots.len = 0;
	synth_watch(s, 0, settle + 4 * SYNTH_S, NULL, NULL);
	expect(s, "goroutines.leaked == 0", BO_INCONCLUSIVE, "leaked 0",
	       "no snapshot in the last 7.00s");
}

/* Whoever waits within the declared timeout waits in earnest. */
static void test_timeout_not_over(void **state)
{
	struct synth *s = *state;

	play(s, &LEAK);
	s->plan->timeout_ns = 10 * SYNTH_S;
	expect(s, "goroutines.leaked == 0", BO_INCONCLUSIVE, "leaked 0",
	       "the declared timeout is 10.0s");
	s->plan->timeout_ns = SYNTH_S;
	expect(s, "goroutines.leaked == 0", BO_FAIL, "leaked 105", NULL);
}

static void proven(struct synth *s, struct bo_group_snapshot *snap, void *arg)
{
	(void)arg;
	if (snap->t_ns >= synth_start(s, BO_PHASE_SETTLE))
		synth_group(s, snap, "main.once|chan receive|main.once", 1, 0, 0)->leaked = true;
}

/* The runtime's own verdict is proof, for one goroutine and without any base. */
static void test_runtime_says_so(void **state)
{
	struct synth *s = *state;

	synth_watch(s, synth_end(s, BO_PHASE_SETTLE) - SYNTH_S, synth_end(s, BO_PHASE_SETTLE),
		    proven, NULL);
	expect(s, "goroutines.leaked == 0", BO_FAIL, "leaked 1 in main.once [chan receive]", NULL);
	expect(s, "goroutines.leaked <= 1", BO_INCONCLUSIVE, NULL, "snapshots after load ended");
	expect(s, "goroutines.leaked{site=\"main.other\"} == 0", BO_INCONCLUSIVE, "leaked 0", NULL);
}

static void proven_in_part(struct synth *s, struct bo_group_snapshot *snap, void *arg)
{
	(void)arg;
	if (snap->t_ns < synth_start(s, BO_PHASE_HOLD))
		return;
	synth_group(s, snap, "main.once|chan receive|main.once", 40, 40, 0);
	synth_group(s, snap, "main.once|chan receive|main.once", 30, 30, 0)->leaked = true;
}

/* Nobody is counted twice. */
static void test_proven_in_part(void **state)
{
	struct synth *s = *state;

	synth_watch(s, 0, synth_end(s, BO_PHASE_SETTLE), proven_in_part, NULL);
	expect(s, "goroutines.leaked <= 70", BO_PASS, "leaked 70", NULL);
	expect(s, "goroutines.leaked <= 69", BO_FAIL, "leaked 70", NULL);
}

/* Who sleeps is not said to run on. */
static void test_doubtful_is_not_alive(void **state)
{
	const struct life sleeping = { { 0, 0, 0, 100, 100, 0, 0 }, { 0, 0, 1, 1, 1, 1 }, SLEEP };
	struct synth *s = *state;
	const struct bo_budget_result *r;

	play(s, &sleeping);
	r = synth_judge(s, "goroutines.leaked <= 1000 at hold");
	assert_int_equal(r->outcome, BO_PASS);
	assert_null(strstr(r->reason, "still run"));
}

/* Two looks are too few to see a worker work. */
static void test_a_short_heal(void **state)
{
	const struct life pool = { { 5, 5, 5, 90, 90, 90, 90 }, { 0, 0, 0, 1, 0, 1 }, WORKER };
	struct synth *s = *state;

	synth_phase(s, BO_PHASE_HEAL, 2 * SYNTH_S);
	play(s, &pool);
	expect(s, "goroutines.leaked == 0 at settle", BO_FAIL, "leaked 85", NULL);
}

static void three_kinds(struct synth *s, struct bo_group_snapshot *snap, void *arg)
{
	bool late = snap->t_ns >= synth_start(s, BO_PHASE_HOLD);

	(void)arg;
	if (!late)
		return;
	synth_group(s, snap, "main.a|chan send|main.a", 40, 40, 0);
	synth_group(s, snap, "main.a|select|main.a", 30, 30, 0);
	synth_group(s, snap, "main.b|chan send|main.b", 20, 20, 0)->labels = "\"route\":\"/pay\"";
	synth_group(s, snap, "main.b|chan send|main.b", 4, 4, 0)->labels = "\"route\":\"/get\"";
}

/* Groups that differ in their labels alone are one; a selector narrows what is judged. */
static void test_selected(void **state)
{
	struct synth *s = *state;

	synth_watch(s, 0, synth_end(s, BO_PHASE_SETTLE), three_kinds, NULL);
	expect(s, "goroutines.leaked <= 93", BO_FAIL, "leaked 94 in main.a [chan send]", NULL);
	expect(s, "goroutines.leaked{site=\"main.a\"} <= 69", BO_FAIL, "leaked 70", NULL);
	expect(s, "goroutines.leaked{state=\"select\"} <= 30", BO_PASS, "leaked 30", NULL);
	expect(s, "goroutines.leaked{blocked_at=\"main.b\"} <= 24", BO_PASS, "leaked 24", NULL);
	expect(s, "goroutines.leaked{site=\"main.c\"} == 0", BO_PASS, "leaked 0", NULL);
	assert_int_equal(s->run->verdict.budgets.items[0].first_breach_ns, INT64_MIN);
}

/* More kinds than the census keeps apart: what is in no group might be anything. */
static void test_too_many_kinds(void **state)
{
	struct synth *s = *state;

	synth_watch(s, 0, synth_end(s, BO_PHASE_SETTLE), NULL, NULL);
	expect(s, "goroutines.leaked == 0", BO_PASS, NULL, NULL);
	bo_vec_foreach(snap, &s->run->snapshots)
		snap->total += 500;
	expect(s, "goroutines.leaked == 0", BO_INCONCLUSIVE, NULL,
	       "500 goroutines are in no group");
	/* In a group of all sorts, of whom most move. */
	bo_vec_foreach(snap, &s->run->snapshots) {
		snap->total -= 500;
		synth_group(s, snap, BO_GROUPS_OTHER "||", 500, 5, 0);
	}
	expect(s, "goroutines.leaked == 0", BO_PASS, NULL, NULL);
	bo_vec_foreach(snap, &s->run->snapshots)
		snap->groups[snap->ngroups - 1].stuck = 60;
	expect(s, "goroutines.leaked == 0", BO_INCONCLUSIVE, NULL, "60 goroutines are in no group");
	/* Even when there are more of all sorts than in base: nobody knows of which. */
	bo_vec_foreach(snap, &s->run->snapshots) {
		struct bo_group *other = &snap->groups[snap->ngroups - 1];

		other->stuck = 500;
		if (snap->t_ns < synth_start(s, BO_PHASE_HOLD)) {
			other->count = 10;
			snap->total -= 490;
		}
	}
	expect(s, "goroutines.leaked == 0", BO_INCONCLUSIVE, "leaked 0", "are in no group");
}

/* A dump knows where they wait, not for how long. */
static void test_dumps(void **state)
{
	struct synth *s = *state;

	play(s, &LEAK);
	bo_vec_foreach(snap, &s->run->snapshots)
		snap->source = "pprof debug=2";
	expect(s, "goroutines.leaked == 0", BO_INCONCLUSIVE, NULL,
	       "pprof debug=2 does not tell who is stuck; that takes the census");
	/* One at the end of settle, as they are taken, says that, and not that there are too few. */
	s->run->snapshots.items[0] = s->run->snapshots.items[s->run->snapshots.len - 1];
	s->run->snapshots.len = 1;
	expect(s, "goroutines.leaked == 0", BO_INCONCLUSIVE, NULL,
	       "pprof debug=2 does not tell who is stuck; that takes the census");
}

/* What the service's own detector said in settle, as one group. */
static void detector(struct synth *s, const char *what, uint64_t count)
{
	struct bo_group_snapshot *snap = synth_snapshot(s, SYNTH_ORDERS,
							synth_start(s, BO_PHASE_SETTLE) + SYNTH_S);

	synth_group(s, snap, what, count, 0, 0)->leaked = true;
	snap->source = "pprof goroutineleak debug=2";
	s->run->leaks.len = 0;
	assert_true(bo_vec_push(&s->run->leaks, *snap));
	s->run->snapshots.len--;
}

static void test_the_detector_is_proof(void **state)
{
	struct synth *s = *state;

	/* Where nothing else was seen. */
	detector(s, "main.once|chan receive|main.once", 1);
	expect(s, "goroutines.leaked == 0", BO_FAIL, "leaked 1 in main.once [chan receive]",
	       "Go's own leak detector says so (pprof goroutineleak debug=2)");
	expect(s, "goroutines.leaked == 0 at settle", BO_FAIL, "leaked 1", NULL);
	/* It speaks of settle; and what it did not find may be there all the same. */
	expect(s, "goroutines.leaked == 0 at hold", BO_INCONCLUSIVE, NULL, "no snapshot");
	expect(s, "goroutines.leaked <= 1", BO_INCONCLUSIVE, NULL, "no snapshot");
	expect(s, "goroutines.leaked{site=\"main.other\"} == 0", BO_INCONCLUSIVE, NULL, NULL);
	expect(s, "goroutines.leaked{node=\"db\"} == 0", BO_INCONCLUSIVE, NULL, NULL);
	/* Where the census finds nothing: too few for a pattern. */
	synth_watch(s, 0, synth_end(s, BO_PHASE_SETTLE), NULL, NULL);
	expect(s, "goroutines.leaked == 0", BO_FAIL, "leaked 1 in main.once", "leak detector");
	expect(s, "goroutines.leaked <= 1", BO_PASS, "leaked 1", "leak detector");
	expect(s, "goroutines.leaked{site=\"main.other\"} == 0", BO_PASS, "leaked 0", NULL);
	/* Where both find them, they are the same. */
	s->run->snapshots.len = 0;
	play(s, &LEAK);
	detector(s, QUERY, 107);
	expect(s, "goroutines.leaked <= 106", BO_FAIL, "leaked 107", "leak detector");
	expect(s, "goroutines.leaked <= 107", BO_PASS, "leaked 107", NULL);
	/* The detector sees less than there is: it does not know of globals. */
	detector(s, QUERY, 3);
	expect(s, "goroutines.leaked <= 104", BO_FAIL, "leaked 105", NULL);
	assert_null(strstr(s->run->verdict.budgets.items[0].reason, "detector"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_services),
		SYNTH_TEST(test_bound_grows_with_load),
		SYNTH_TEST(test_cannot_tell),
		SYNTH_TEST(test_timeout_not_over),
		SYNTH_TEST(test_runtime_says_so),
		SYNTH_TEST(test_selected),
		SYNTH_TEST(test_proven_in_part),
		SYNTH_TEST(test_a_short_heal),
		SYNTH_TEST(test_doubtful_is_not_alive),
		SYNTH_TEST(test_too_many_kinds),
		SYNTH_TEST(test_dumps),
		SYNTH_TEST(test_the_detector_is_proof),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
