/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_fault_shapes.c — every impairment through a set over a link of fakes: what was asked for is
 * confirmed, and what is something else is found out.  Privilege: none. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "brownout/model/linkfile.h"
#include "fault-internal.h"
#include "fault_rig.h"

static const struct bo_trace *trace;
static const struct bo_samples *samples;
static struct bo_arena arena;

/* --- what a broken link could do -------------------------------------------------------------- */

static void no_jitter(struct bo_impair *im)
{
	im->jitter_ns = 0;
}
static void half_jitter(struct bo_impair *im)
{
	im->jitter_ns /= 2;
}
static void uniform(struct bo_impair *im)
{
	im->dist = BO_DIST_UNIFORM;
}
static void pareto(struct bo_impair *im)
{
	im->dist = BO_DIST_PARETO;
}
static void short_delay(struct bo_impair *im)
{
	im->delay_ns = im->delay_ns * 8 / 10;
}
static void each_on_its_own(struct bo_impair *im)
{
	if (im->loss.model)
		im->loss = (struct bo_loss){ .random.ppm =
						     (int64_t)(bo_loss_expected(&im->loss) * 1e6) };
}
static void long_bursts(struct bo_impair *im)
{
	im->loss.p_ppm /= 4;
	im->loss.r_ppm /= 4;
}
static void no_loss(struct bo_impair *im)
{
	im->loss = (struct bo_loss){ 0 };
}
static void half_loss(struct bo_impair *im)
{
	im->loss.random.ppm /= 2;
}
static void no_duplicate(struct bo_impair *im)
{
	im->duplicate.ppm = 0;
}
static void more_duplicate(struct bo_impair *im)
{
	im->duplicate.ppm *= 2;
}
static void no_corrupt(struct bo_impair *im)
{
	im->corrupt.ppm = 0;
}
static void lost_instead(struct bo_impair *im)
{
	im->loss.random.ppm = im->corrupt.ppm;
	im->corrupt.ppm = 0;
}
static void more_corrupt(struct bo_impair *im)
{
	im->corrupt.ppm *= 2;
}
static void no_reorder(struct bo_impair *im)
{
	im->reorder.ppm = 0;
}
static void more_reorder(struct bo_impair *im)
{
	im->reorder.ppm = im->reorder.ppm * 3 / 2;
}
static void no_slot(struct bo_impair *im)
{
	im->slot = (struct bo_slot){ 0 };
}
static void long_slot(struct bo_impair *im)
{
	im->slot.min_ns *= 2;
	im->slot.max_ns *= 2;
}
static void no_trace(struct bo_impair *im)
{
	im->trace = NULL;
}
static void stuck_at_50ms(struct bo_impair *im)
{
	im->delay_ns = im->delay_ns > 50 * MS ? 50 * MS : im->delay_ns;
}
static void stuck_at_10_percent(struct bo_impair *im)
{
	im->loss.random.ppm = im->loss.random.ppm > 100000 ? 100000 : im->loss.random.ppm;
}
static void stuck_at_2mbit(struct bo_impair *im)
{
	im->rate_bps = im->rate_bps ? 2000000 : 0;
}
static void no_hole(struct bo_impair *im)
{
	im->blackhole = false;
}
static void leaky_hole(struct bo_impair *im)
{
	if (im->blackhole)
		im->loss.random.ppm = 900000;
	im->blackhole = false;
}
static void down_for_good(struct bo_impair *im)
{
	im->blackhole = true;
}

/* --- the table -------------------------------------------------------------------------------- */

#define MAX_ARGS 8
struct shape {
	const char *what;
	const char *kind;
	struct bo_arg args[MAX_ARGS];
	void (*twist)(struct bo_impair *im);
	enum bo_confirm confirm;
	const char *reason;
	const char *driver; /* default: wire */
};

#define OK BO_CONFIRM_OK, ""
#define DELAY STR("", "50ms")
#define NORMAL DELAY, STR("jitter", "10ms"), STR("distribution", "normal")
#define GE STR("model", "gemodel"), STR("p", "3%"), STR("r", "20%")

static const struct shape shapes[] = {
	{ "uniform", "delay", { DELAY, STR("jitter", "20ms") }, NULL, OK, NULL },
	{ "normal", "delay", { NORMAL }, NULL, OK, NULL },
	{ "pareto",
	  "delay",
	  { DELAY, STR("jitter", "10ms"), STR("distribution", "pareto") },
	  NULL,
	  OK,
	  NULL },
	{ "paretonormal",
	  "delay",
	  { DELAY, STR("jitter", "10ms"), STR("distribution", "paretonormal") },
	  NULL,
	  OK,
	  NULL },
	{ "no jitter", "delay", { NORMAL }, no_jitter, BO_CONFIRM_OFF, "no jitter", NULL },
	{ "half the jitter",
	  "delay",
	  { NORMAL },
	  half_jitter,
	  BO_CONFIRM_OFF,
	  "not spread as asked (normal)",
	  NULL },
	{ "uniform for normal",
	  "delay",
	  { NORMAL },
	  uniform,
	  BO_CONFIRM_OFF,
	  "not spread as asked",
	  NULL },
	{ "pareto for normal",
	  "delay",
	  { NORMAL },
	  pareto,
	  BO_CONFIRM_OFF,
	  "not spread as asked",
	  NULL },
	{ "too short",
	  "delay",
	  { DELAY, STR("jitter", "2ms") },
	  short_delay,
	  BO_CONFIRM_OFF,
	  "expected at least",
	  NULL },
	{ "overtaken in order",
	  "delay",
	  { DELAY, STR("jitter", "20ms"), BOOLEAN("in_order", true) },
	  NULL,
	  BO_CONFIRM_OFF,
	  "were overtaken, expected them in order",
	  NULL },
	{ "gemodel", "loss", { GE }, NULL, OK, NULL },
	{ "single losses for bursts",
	  "loss",
	  { GE },
	  each_on_its_own,
	  BO_CONFIRM_OFF,
	  "in runs of 1.1",
	  NULL },
	{ "the same under netem",
	  "loss",
	  { GE },
	  each_on_its_own,
	  BO_CONFIRM_UNKNOWN,
	  "other traffic",
	  "netem" },
	{ "bursts that are too long",
	  "loss",
	  { GE },
	  long_bursts,
	  BO_CONFIRM_OFF,
	  "expected 5.0",
	  "netem" },
	{ "no bursts", "loss", { GE }, no_loss, BO_CONFIRM_OFF, "0 of", NULL },
	{ "few bursts",
	  "loss",
	  { STR("model", "gemodel"), STR("p", "0.2%"), STR("r", "20%") },
	  NULL,
	  BO_CONFIRM_UNKNOWN,
	  "their length needs 10",
	  NULL },
	{ "duplicate", "duplicate", { STR("", "10%") }, NULL, OK, NULL },
	{ "none", "duplicate", { STR("", "10%") }, no_duplicate, BO_CONFIRM_OFF, "0 of", NULL },
	{ "twice as many",
	  "duplicate",
	  { STR("", "10%") },
	  more_duplicate,
	  BO_CONFIRM_OFF,
	  "arrived twice",
	  NULL },
	{ "too few to tell",
	  "duplicate",
	  { STR("", "0.1%") },
	  no_duplicate,
	  BO_CONFIRM_UNKNOWN,
	  "cannot tell",
	  NULL },
	{ "corrupt", "corrupt", { STR("", "10%") }, NULL, OK, NULL },
	{ "none",
	  "corrupt",
	  { STR("", "10%") },
	  no_corrupt,
	  BO_CONFIRM_OFF,
	  "arrived damaged",
	  NULL },
	{ "lost instead",
	  "corrupt",
	  { STR("", "10%") },
	  lost_instead,
	  BO_CONFIRM_OFF,
	  "0 of",
	  NULL },
	{ "twice as many",
	  "corrupt",
	  { STR("", "10%") },
	  more_corrupt,
	  BO_CONFIRM_OFF,
	  "arrived damaged",
	  NULL },
	{ "reorder", "reorder", { STR("", "25%"), STR("delay", "50ms") }, NULL, OK, NULL },
	{ "none",
	  "reorder",
	  { STR("", "25%"), STR("delay", "50ms") },
	  no_reorder,
	  BO_CONFIRM_OFF,
	  "0 of",
	  NULL },
	{ "half as many again",
	  "reorder",
	  { STR("", "25%"), STR("delay", "50ms") },
	  more_reorder,
	  BO_CONFIRM_OFF,
	  "sent ahead",
	  NULL },
	{ "most are ahead", "reorder", { STR("", "75%"), STR("delay", "50ms") }, NULL, OK, NULL },
	{ "too short to tell",
	  "reorder",
	  { STR("", "25%"), STR("delay", "2ms") },
	  NULL,
	  BO_CONFIRM_UNKNOWN,
	  "too short to tell",
	  NULL },
	{ "slot", "slot", { STR("min", "50ms") }, NULL, OK, NULL },
	{ "none",
	  "slot",
	  { STR("min", "50ms") },
	  no_slot,
	  BO_CONFIRM_OFF,
	  "came in 0 bursts",
	  NULL },
	{ "too far apart",
	  "slot",
	  { STR("min", "50ms") },
	  long_slot,
	  BO_CONFIRM_OFF,
	  "bursts come every",
	  NULL },
	{ "too large",
	  "slot",
	  { STR("min", "50ms"), NUM("packets", 2) },
	  NULL,
	  BO_CONFIRM_OFF,
	  "a burst had 10",
	  NULL },
	{ "too dense to tell",
	  "slot",
	  { STR("min", "8ms") },
	  NULL,
	  BO_CONFIRM_UNKNOWN,
	  "12ms are needed",
	  NULL },
	{ "trace", "trace", { STR("", "t") }, NULL, OK, NULL },
	{ "none",
	  "trace",
	  { STR("", "t") },
	  no_trace,
	  BO_CONFIRM_OFF,
	  "more arrived than trace",
	  NULL },
	{ "measured", "delay", { STR("samples", "s") }, NULL, OK, NULL },
	{ "not as measured",
	  "delay",
	  { STR("samples", "s") },
	  pareto,
	  BO_CONFIRM_OFF,
	  "not spread as asked (table)",
	  NULL },
	{ "ramp",
	  "delay",
	  { STR("from", "10ms"), STR("to", "200ms"), STR("over", "6s") },
	  NULL,
	  OK,
	  NULL },
	{ "ramp down",
	  "delay",
	  { STR("from", "200ms"), STR("to", "10ms"), STR("over", "6s") },
	  NULL,
	  OK,
	  NULL },
	{ "stuck",
	  "delay",
	  { STR("from", "10ms"), STR("to", "200ms"), STR("over", "6s") },
	  stuck_at_50ms,
	  BO_CONFIRM_OFF,
	  "of the ramp delay is",
	  NULL },
	{ "loss ramp",
	  "loss",
	  { NUM("from", 0), STR("to", "60%"), STR("over", "8s") },
	  NULL,
	  OK,
	  NULL },
	{ "stuck loss",
	  "loss",
	  { NUM("from", 0), STR("to", "60%"), STR("over", "8s") },
	  stuck_at_10_percent,
	  BO_CONFIRM_OFF,
	  "of the ramp",
	  NULL },
	{ "rate ramp",
	  "rate",
	  { STR("from", "10Mbit/s"), STR("to", "2Mbit/s"), STR("over", "9s") },
	  NULL,
	  OK,
	  NULL },
	{ "stuck rate",
	  "rate",
	  { STR("from", "20Mbit/s"), STR("to", "4Mbit/s"), STR("over", "9s") },
	  stuck_at_2mbit,
	  BO_CONFIRM_OFF,
	  "of the ramp's",
	  NULL },
	{ "flap", "flap", { STR("every", "1s"), STR("down", "200ms") }, NULL, OK, NULL },
	{ "random flap",
	  "flap",
	  { STR("every", "1s"), STR("down", "300ms"), BOOLEAN("random", true) },
	  NULL,
	  OK,
	  NULL },
	{ "never down",
	  "flap",
	  { STR("every", "1s"), STR("down", "200ms") },
	  no_hole,
	  BO_CONFIRM_OFF,
	  "came through",
	  NULL },
	{ "leaks",
	  "flap",
	  { STR("every", "1s"), STR("down", "200ms") },
	  leaky_hole,
	  BO_CONFIRM_OFF,
	  "came through",
	  NULL },
	{ "never up",
	  "flap",
	  { STR("every", "1s"), STR("down", "200ms") },
	  down_for_good,
	  BO_CONFIRM_OFF,
	  "should have been up",
	  NULL },
	{ "a loss that flaps",
	  "loss",
	  { STR("", "30%"), STR("every", "4s"), STR("down", "1s") },
	  NULL,
	  OK,
	  NULL },
	{ "half of it",
	  "loss",
	  { STR("", "30%"), STR("every", "4s"), STR("down", "1s") },
	  half_loss,
	  BO_CONFIRM_OFF,
	  "were lost",
	  NULL },
	{ "a profile", "profile", { STR("", "wifi-lossy") }, NULL, OK, NULL },
	{ "a profile without its loss",
	  "profile",
	  { STR("", "wifi-lossy") },
	  no_loss,
	  BO_CONFIRM_OFF,
	  "were lost",
	  NULL },
	{ "a profile too fast",
	  "profile",
	  { STR("", "cross-region") },
	  short_delay,
	  BO_CONFIRM_OFF,
	  "at least 36ms",
	  NULL },
};

static size_t nargs_of(const struct shape *shape, struct bo_arg args[MAX_ARGS])
{
	size_t n = 0;

	for (; n < MAX_ARGS && shape->args[n].key; n++) {
		args[n] = shape->args[n];
		if (args[n].str && strcmp(args[n].str, "t") == 0)
			args[n].trace = trace;
		if (args[n].str && strcmp(args[n].str, "s") == 0)
			args[n].samples = samples;
	}
	return n;
}

/** play() - the fault from apply to revert, with its ticks */
static void play(int64_t lasts_ns)
{
	begin();
	apply(0);
	pass(lasts_ns);
	revert(0);
	assert_true(bo_impair_is_none(&set.lanes[2].now));
}

static void what_links_do_gets_its_verdict(void **state)
{
	int wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		const struct shape *shape = &shapes[i];
		struct bo_arg args[MAX_ARGS];
		size_t n = nargs_of(shape, args);
		const struct bo_fault_record *record;

		rig_up(NULL);
		record = &fake->records[0];
		fake->twist = shape->twist;
		if (shape->driver)
			fake->hands.link_driver = shape->driver;
		(void)fake_fault(fake, shape->kind, BO_TARGET_LINK, LINK_BACK, args, n);
		play(10 * SEC);
		if (record->confirm != shape->confirm || !strstr(record->reason, shape->reason)) {
			print_error("%s: %s: expected %d \"%s\", found %d \"%s\" (%s)\n",
				    shape->kind, shape->what, shape->confirm, shape->reason,
				    record->confirm, record->reason, record->achieved);
			wrong++;
		}
		rig_down(NULL);
	}
	assert_int_equal(wrong, 0);
}

/* A busy machine takes its time between a probe's stamp and the link: the last ones of a hole find it closed. */
static void a_late_probe_is_no_leak(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		rig_up(NULL);
		fake->late_ns = 8 * MS;
		(void)fake_fault(fake, "flap", BO_TARGET_LINK, LINK_BACK,
				 ARGS(STR("every", "1s"), STR("down", "200ms"),
				      BOOLEAN("random", i == 1)));
		play(10 * SEC);
		if (fake->records[0].confirm != BO_CONFIRM_OK)
			fail_msg("%s (%s)", fake->records[0].reason, fake->records[0].achieved);
		rig_down(NULL);
	}
}

/* Hands that say yes and do nothing: no kind on links may be confirmed then. */
static void nothing_is_found_out(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		struct bo_arg args[MAX_ARGS];
		size_t n = nargs_of(&shapes[i], args);

		rig_up(NULL);
		(void)fake_fault(fake, shapes[i].kind, BO_TARGET_LINK, LINK_BACK, args, n);
		fake->lies = true;
		play(10 * SEC);
		if (fake->records[0].confirm == BO_CONFIRM_OK ||
		    fake->records[0].confirm == BO_CONFIRM_PENDING)
			fail_msg("%s: %s: confirmed: %s", shapes[i].kind, shapes[i].what,
				 fake->records[0].achieved);
		rig_down(NULL);
	}
}

/* A loss is judged over all of a ramp of the delay, for that does not matter to it. */
static void what_does_not_matter_ends_no_window(void **state)
{
	struct bo_err err = { 0 };

	(void)state;
	rig_up(NULL);
	(void)fake_fault(fake, "loss", BO_TARGET_LINK, LINK_BACK, ARGS(STR("", "2%")));
	(void)fake_fault(fake, "delay", BO_TARGET_LINK, LINK_BACK,
			 ARGS(STR("from", "1ms"), STR("to", "100ms"), STR("over", "5s")));
	begin();
	apply(0);
	apply(1);
	pass(10 * SEC);
	assert_int_equal(bo_fault_set_revert_all(&set, &err), 0);
	if (fake->records[0].confirm != BO_CONFIRM_OK)
		fail_msg("%s", fake->records[0].reason);
	assert_non_null(strstr(fake->records[0].achieved, "of 19"));
	assert_int_equal(fake->records[1].confirm, BO_CONFIRM_OK);
	rig_down(NULL);
}

/* The same expectation as the formula, where there is one. */
static void chains_are_played_as_they_are(void **state)
{
	static const struct bo_loss ge = {
		.model = BO_LOSS_GE, .p_ppm = 20000, .r_ppm = 100000, .bad_loss_ppm = BO_PPM_ALL
	};
	static const struct bo_loss states = { .model = BO_LOSS_STATE,
					       .p13_ppm = 50000,
					       .p31_ppm = 300000,
					       .p32_ppm = 200000,
					       .p23_ppm = 500000,
					       .p14_ppm = 10000 };
	static const struct bo_chance half = { 500000, 500000 }, few = { 100000, 500000 };
	static const struct bo_impair gap = { .reorder = { 250000, 0 }, .reorder_gap = 4 };
	struct bo_expect e = bo_expect_loss(&ge);

	(void)state;
	assert_true(fabs(e.share - bo_loss_expected(&ge)) < 0.01);
	assert_true(fabs(e.run - 10) < 0.4 && fabs(e.run_sigma - 9.5) < 0.5);
	/* (1 + a) / (1 - a) with a = 1 - p - r, less what independent losses have of it: 14.2. */
	assert_true(e.inflation > 11 && e.inflation < 17);
	assert_true(fabs(bo_expect_loss(&states).share - bo_loss_expected(&states)) < 0.005);
	/* Symmetric around one half; a share below it comes out smaller. */
	assert_true(fabs(bo_expect_chance(&half).share - 0.5) < 0.005);
	assert_true(bo_expect_chance(&few).share < 0.06);
	assert_true(fabs(bo_expect_ahead(&gap) - 1.0 / 7) < 1e-9);
}

static int files_up(void **state)
{
	static char text[BO_SAMPLES_MIN * 2 * 16];
	struct bo_err err = { 0 };

	(void)state;
	for (int i = 0; i < BO_SAMPLES_MIN * 2; i++)
		snprintf(text + strlen(text), 16, "%dms\n", 20 + (i % 2 ? i / 4 : i / 20));
	assert_int_equal(bo_samples_parse(text, strlen(text), "s", &arena, &samples, &err), 0);
	assert_int_equal(bo_trace_parse("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n", 21, "t", &arena, &trace,
					&err),
			 0);
	return 0;
}

static int files_down(void **state)
{
	(void)state;
	bo_arena_done(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_links_do_gets_its_verdict),
		cmocka_unit_test(a_late_probe_is_no_leak),
		cmocka_unit_test(nothing_is_found_out),
		cmocka_unit_test(what_does_not_matter_ends_no_window),
		cmocka_unit_test(chains_are_played_as_they_are),
	};

	return cmocka_run_group_tests(tests, files_up, files_down);
}
