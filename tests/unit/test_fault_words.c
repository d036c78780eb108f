/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_fault_words.c — what the words for links mean: every option in its field, profiles, ramps and
 * flaps.  Privilege: none. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "brownout/model/linkfile.h"
#include "fault-internal.h"
#include "fault_fake.h"

#define BACK BO_TARGET_LINK, LINK_BACK
#define FRONT BO_TARGET_LINK, LINK_FRONT

static struct fake *fake;

static int set_up(void **state)
{
	(void)state;
	fake = fake_new();
	return 0;
}

static int set_down(void **state)
{
	(void)state;
	fake_free(fake);
	return 0;
}

static struct bo_impair asked(const struct bo_fault_spec *spec, enum bo_dir dir)
{
	struct bo_err err = { 0 };

	if (bo_fault_check(fake->plan, spec, &err) < 0)
		fail_msg("%s", err.msg);
	return bo_link_asked(fake->plan, spec, dir);
}

static void assert_asked(const struct bo_fault_spec *spec, struct bo_impair expected)
{
	for (int dir = 0; dir < BO_DIR_COUNT; dir++) {
		struct bo_impair im = asked(spec, (enum bo_dir)dir);

		if (bo_impair_equal(&im, &expected))
			continue;
		char buf[256], want[256];
		struct bo_text a = bo_text_of(buf, sizeof(buf)), b = bo_text_of(want, sizeof(want));

		bo_link_text(&a, &im);
		bo_link_text(&b, &expected);
		fail_msg("%s: expected %s, found %s", spec->kind, want, buf);
	}
}

static void every_option_has_its_field(void **state)
{
	(void)state;
	assert_asked(fake_fault(fake, "delay", BACK,
				ARGS(STR("", "100ms"), STR("jitter", "20ms"),
				     STR("correlation", "25%"), STR("distribution", "paretonormal"),
				     BOOLEAN("in_order", true))),
		     (struct bo_impair){ .delay_ns = 100 * MS,
					 .jitter_ns = 20 * MS,
					 .delay_corr_ppm = 250000,
					 .dist = BO_DIST_PARETONORMAL,
					 .in_order = true });
	assert_asked(fake_fault(fake, "loss", BACK, ARGS(STR("", "2%"), STR("correlation", "10%"))),
		     (struct bo_impair){ .loss.random = { 20000, 100000 } });
	assert_asked(fake_fault(fake, "duplicate", BACK,
				ARGS(STR("", "3%"), STR("correlation", "4%"))),
		     (struct bo_impair){ .duplicate = { 30000, 40000 } });
	assert_asked(fake_fault(fake, "corrupt", BACK,
				ARGS(STR("", "5%"), STR("correlation", "6%"))),
		     (struct bo_impair){ .corrupt = { 50000, 60000 } });
	assert_asked(fake_fault(fake, "reorder", BACK,
				ARGS(STR("", "25%"), STR("correlation", "50%"), NUM("gap", 5),
				     STR("delay", "10ms"))),
		     (struct bo_impair){ .delay_ns = 10 * MS,
					 .reorder = { 250000, 500000 },
					 .reorder_gap = 5 });
	assert_asked(fake_fault(fake, "rate", BACK,
				ARGS(STR("", "10Mbit/s"), NUM("overhead", -4), NUM("cell", 48),
				     NUM("cell_overhead", 5), NUM("limit", 100))),
		     (struct bo_impair){ .rate_bps = 10000000,
					 .rate_overhead = -4,
					 .rate_cell_bytes = 48,
					 .rate_cell_overhead = 5,
					 .limit_packets = 100 });
	assert_asked(fake_fault(fake, "slot", BACK,
				ARGS(STR("min", "2ms"), STR("max", "3ms"), NUM("packets", 4),
				     STR("bytes", "6KiB"))),
		     (struct bo_impair){ .slot = { 2 * MS, 3 * MS, 4, 6144 } });
	assert_asked(fake_fault(fake, "slot", BACK, ARGS(STR("min", "2ms"))),
		     (struct bo_impair){ .slot = { 2 * MS, 2 * MS, 0, 0 } });
	assert_asked(fake_fault(fake, "blackhole", BACK, NULL, 0),
		     (struct bo_impair){ .blackhole = true });
}

/* The defaults are those of tc-netem(8). */
static void models_of_loss(void **state)
{
	(void)state;
	assert_asked(fake_fault(fake, "loss", BACK, ARGS(STR("model", "gemodel"), STR("p", "1%"))),
		     (struct bo_impair){ .loss = { .model = BO_LOSS_GE,
						   .p_ppm = 10000,
						   .r_ppm = 990000,
						   .bad_loss_ppm = BO_PPM_ALL } });
	assert_asked(fake_fault(fake, "loss", BACK,
				ARGS(STR("model", "gemodel"), STR("p", "1%"), STR("r", "10%"),
				     STR("bad", "70%"), STR("good", "0.1%"))),
		     (struct bo_impair){ .loss = { .model = BO_LOSS_GE,
						   .p_ppm = 10000,
						   .r_ppm = 100000,
						   .bad_loss_ppm = 700000,
						   .good_loss_ppm = 1000 } });
	assert_asked(fake_fault(fake, "loss", BACK, ARGS(STR("model", "state"), STR("p13", "5%"))),
		     (struct bo_impair){ .loss = { .model = BO_LOSS_STATE,
						   .p13_ppm = 50000,
						   .p31_ppm = 950000,
						   .p23_ppm = BO_PPM_ALL } });
	assert_asked(fake_fault(fake, "impair", BACK,
				ARGS(STR("model", "state"), STR("p13", "5%"), STR("p31", "30%"),
				     STR("p32", "20%"), STR("p23", "50%"), STR("p14", "1%"))),
		     (struct bo_impair){ .loss = { .model = BO_LOSS_STATE,
						   .p13_ppm = 50000,
						   .p31_ppm = 300000,
						   .p32_ppm = 200000,
						   .p23_ppm = 500000,
						   .p14_ppm = 10000 } });
}

static void impair_takes_them_all(void **state)
{
	static const struct bo_impair all = {
		.delay_ns = 50 * MS,
		.jitter_ns = 5 * MS,
		.delay_corr_ppm = 10000,
		.dist = BO_DIST_NORMAL,
		.loss.random = { 20000, 30000 },
		.duplicate = { 40000, 50000 },
		.corrupt = { 60000, 70000 },
		.reorder = { 80000, 90000 },
		.reorder_gap = 3,
		.rate_bps = 1000000,
		.rate_overhead = 14,
		.rate_cell_bytes = 48,
		.rate_cell_overhead = 5,
		.limit_packets = 50,
		.slot = { MS, 2 * MS, 3, 4096 },
		.blackhole = true,
	};
	char text[512];
	struct bo_fault_spec *spec;

	(void)state;
	spec = fake_fault(fake, "impair", BACK,
			  ARGS(STR("delay", "50ms"), STR("jitter", "5ms"),
			       STR("delay_correlation", "1%"), STR("distribution", "normal"),
			       STR("loss", "2%"), STR("loss_correlation", "3%"),
			       STR("duplicate", "4%"), STR("duplicate_correlation", "5%"),
			       STR("corrupt", "6%"), STR("corrupt_correlation", "7%"),
			       STR("reorder", "8%"), STR("reorder_correlation", "9%"),
			       NUM("gap", 3), STR("rate", "1Mbit/s"), NUM("overhead", 14),
			       NUM("cell", 48), NUM("cell_overhead", 5), NUM("limit", 50),
			       STR("slot_min", "1ms"), STR("slot_max", "2ms"),
			       NUM("slot_packets", 3), STR("slot_bytes", "4KiB"),
			       BOOLEAN("blackhole", true)));
	assert_asked(spec, all);
	assert_int_equal(bo_link_groups(&all), 0xff);
	bo_fault_kind_find("impair", BO_TARGET_LINK)
		->describe(fake->plan, spec, text, sizeof(text));
	assert_string_equal(
		text,
		"delay 50ms ±5ms normal correlation 1%, loss 2% (correlation 3%), duplicate 4% (correlation 5%), "
		"corrupt 6% (correlation 7%), reorder 8% (correlation 9%) gap 3, rate 1Mbit/s overhead 14 cell 48+5, "
		"limit 50 packets, slot 1ms to 2ms of 3 packets of 4KiB, blackhole on orders-db (both directions)");
}

static void samples_give_delay_and_jitter(void **state)
{
	static char text[BO_SAMPLES_MIN * 16];
	const struct bo_samples *samples = NULL;
	struct bo_arg file = STR("samples", "s.txt"), delay = STR("delay", "100ms");
	struct bo_err err = { 0 };
	struct bo_impair im;

	(void)state;
	for (int i = 0; i < BO_SAMPLES_MIN; i++)
		snprintf(text + strlen(text), 16, "%dms\n", i % 2 ? 20 : 40);
	assert_int_equal(bo_samples_parse(text, strlen(text), "s.txt", &fake->plan->arena, &samples,
					  &err),
			 0);
	file.samples = samples;
	im = asked(fake_fault(fake, "delay", BACK, &file, 1), BO_DIR_A_TO_B);
	assert_int_equal(im.delay_ns, 30 * MS);
	assert_int_equal(im.jitter_ns, 10 * MS);
	assert_int_equal(im.dist, BO_DIST_TABLE);
	assert_ptr_equal(im.table, &samples->table);
	/* Only its shape, around another delay. */
	im = asked(fake_fault(fake, "delay", BACK, (struct bo_arg[]){ delay, file }, 2),
		   BO_DIR_A_TO_B);
	assert_int_equal(im.delay_ns, 100 * MS);
	assert_int_equal(im.jitter_ns, 10 * MS);
}

static void profiles_are_replaced_option_by_option(void **state)
{
	struct bo_fault_spec *spec = fake_fault(fake, "profile", FRONT,
						ARGS(STR("", "3G"), STR("loss", "5%")));
	struct bo_impair im;
	char text[256];

	(void)state;
	/* The client is a, and the line is its own: b → a is down. */
	im = asked(spec, BO_DIR_B_TO_A);
	assert_int_equal(im.rate_bps, 1600000);
	assert_int_equal(im.delay_ns, 150 * MS);
	assert_int_equal(im.loss.random.ppm, 50000);
	im = asked(spec, BO_DIR_A_TO_B);
	assert_int_equal(im.rate_bps, 768000);
	bo_fault_kind_find("profile", BO_TARGET_LINK)
		->describe(fake->plan, spec, text, sizeof(text));
	assert_string_equal(
		text,
		"profile 3G: delay 150ms, loss 5%, rate 768kbit/s toward orders; delay 150ms, loss 5%, "
		"rate 1.6Mbit/s toward client on client-orders (both directions)");
	spec = fake_fault(fake, "profile", BACK,
			  ARGS(STR("", "DSL"), STR("access", "db"), STR("rate", "2Mbit/s")));
	assert_int_equal(asked(spec, BO_DIR_A_TO_B).rate_bps, 2000000);
	assert_int_equal(asked(spec, BO_DIR_A_TO_B).delay_ns, 25 * MS);
	spec = fake_fault(fake, "profile", BACK, ARGS(STR("", "LTE"), STR("access", "db")));
	assert_int_equal(asked(spec, BO_DIR_A_TO_B).rate_bps, 13000000);
	spec = fake_fault(fake, "profile", BACK, ARGS(STR("", "LTE"), STR("access", "orders")));
	assert_int_equal(asked(spec, BO_DIR_A_TO_B).rate_bps, 6000000);
	/* Random loss instead of the chain that the profile has. */
	spec = fake_fault(fake, "profile", BACK, ARGS(STR("", "wifi-lossy"), STR("loss", "1%")));
	assert_int_equal(asked(spec, BO_DIR_A_TO_B).loss.model, BO_LOSS_RANDOM);
}

static void every_profile_is_sound(void **state)
{
	char names[512] = "";
	struct bo_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < BO_PROFILE_COUNT; i++) {
		const struct bo_profile *p = &bo_profiles[i];

		strcat(strcat(names, i ? "|" : ""), p->name);
		assert_int_equal(bo_impair_check(&p->down, &err), 0);
		assert_int_equal(bo_impair_check(&p->up, &err), 0);
		assert_false(bo_impair_is_none(&p->down));
		assert_true(strlen(p->source) > 10 && strlen(p->about) > 1);
	}
	assert_string_equal(names, BO_PROFILE_NAMES);
}

static void a_ramp_goes_in_even_steps(void **state)
{
	struct bo_fault_spec *spec = fake_fault(fake, "delay", BACK,
						ARGS(STR("from", "10ms"), STR("to", "110ms"),
						     STR("over", "2s"), NUM("steps", 11)));
	struct bo_link_vary vary = bo_link_vary_of(spec);
	struct bo_link_state st;
	struct bo_impair im = { 0 };

	(void)state;
	bo_link_vary_start(&vary, 1, &st);
	assert_true(bo_link_vary_now(&vary, &st, &im));
	assert_int_equal(im.delay_ns, 10 * MS);
	assert_false(bo_link_vary_tick(&vary, 1, 199 * MS, &st));
	assert_true(bo_link_vary_tick(&vary, 1, 200 * MS, &st));
	(void)bo_link_vary_now(&vary, &st, &im);
	assert_int_equal(im.delay_ns, 20 * MS);
	/* A tick that comes late takes the step that is due, not the next one. */
	assert_true(bo_link_vary_tick(&vary, 1, 1010 * MS, &st));
	(void)bo_link_vary_now(&vary, &st, &im);
	assert_int_equal(im.delay_ns, 60 * MS);
	assert_true(bo_link_vary_tick(&vary, 1, 2000 * MS, &st));
	(void)bo_link_vary_now(&vary, &st, &im);
	assert_int_equal(im.delay_ns, 110 * MS);
	assert_false(bo_link_vary_tick(&vary, 1, 9000 * MS, &st));
	assert_int_equal(asked(spec, BO_DIR_A_TO_B).delay_ns, 110 * MS);
}

static void ramps_go_down_too(void **state)
{
	struct bo_fault_spec *spec =
		fake_fault(fake, "rate", BACK,
			   ARGS(STR("from", "10Mbit/s"), STR("to", "1Mbit/s"), STR("over", "1s")));
	struct bo_link_vary vary = bo_link_vary_of(spec);
	struct bo_impair im = { 0 };

	(void)state;
	assert_int_equal(vary.steps, 11);
	bo_link_ramp_set(&vary, bo_link_ramp_step(&vary, 500 * MS), &im);
	assert_int_equal(im.rate_bps, 5500000);
	assert_int_equal(asked(spec, BO_DIR_A_TO_B).rate_bps, 1000000);
	spec = fake_fault(fake, "loss", BACK,
			  ARGS(STR("from", "50%"), NUM("to", 0), STR("over", "5s")));
	assert_int_equal(asked(spec, BO_DIR_A_TO_B).loss.random.ppm, 0);
	/* It claims the loss all the same. */
	assert_int_equal(bo_fault_kind_find("loss", BO_TARGET_LINK)->claims(fake->plan, spec),
			 BO_CLAIM_LOSS | BO_CLAIM_LOSS << BO_CLAIM_DIR_BITS);
}

static void a_flap_turns_in_time(void **state)
{
	const struct bo_link_vary vary = { .every_ns = 2 * SEC, .down_ns = 200 * MS };
	struct bo_link_state st;
	struct bo_impair im = { 0 };
	int64_t down = 0;

	(void)state;
	bo_link_vary_start(&vary, 1, &st);
	assert_false(bo_link_vary_now(&vary, &st, &im));
	assert_false(bo_link_vary_tick(&vary, 1, 1799 * MS, &st));
	assert_true(bo_link_vary_tick(&vary, 1, 1800 * MS, &st));
	assert_true(bo_link_vary_now(&vary, &st, &im));
	assert_true(bo_link_vary_tick(&vary, 1, 2000 * MS, &st));
	assert_false(bo_link_vary_now(&vary, &st, &im));
	/* A whole turn that was slept through is none. */
	assert_false(bo_link_vary_tick(&vary, 1, 4000 * MS, &st));
	for (int64_t at = 4000 * MS; at < 24000 * MS; at += 10 * MS) {
		(void)bo_link_vary_tick(&vary, 1, at, &st);
		down += bo_link_vary_now(&vary, &st, &im) ? 10 * MS : 0;
	}
	assert_int_equal(down, 2000 * MS);
}

static void random_flaps_are_seeded_and_have_their_means(void **state)
{
	const struct bo_link_vary vary = { .every_ns = SEC, .down_ns = 250 * MS, .random = true };
	struct bo_link_state a, b, c;
	struct bo_impair im = { 0 };
	int64_t down = 0, differ = 0;

	(void)state;
	bo_link_vary_start(&vary, 7, &a);
	bo_link_vary_start(&vary, 7, &b);
	bo_link_vary_start(&vary, 8, &c);
	for (int64_t at = 0; at < 2000 * SEC; at += 10 * MS) {
		(void)bo_link_vary_tick(&vary, 7, at, &a);
		if (at % (70 * MS) == 0)
			(void)bo_link_vary_tick(&vary, 7, at, &b);
		(void)bo_link_vary_tick(&vary, 8, at, &c);
		down += bo_link_vary_now(&vary, &a, &im);
		if (at % (70 * MS) == 0)
			assert_int_equal(a.turns, b.turns);
		differ += a.turns % 2 != c.turns % 2;
	}
	/* A quarter of 200000, and the least time of 40 ms makes the short ones longer. */
	assert_in_range(down, 45000, 58000);
	assert_true(differ > 20000);
	assert_in_range(a.turns, 3400, 4400);
}

static void long_delays_are_warned_of(void **state)
{
	char text[256] = "";

	(void)state;
	assert_true(bo_fault_lint(fake->plan, fake_fault(fake, "delay", BACK, ARGS(STR("", "10s"))),
				  text, sizeof(text)));
	assert_non_null(strstr(text, "a delay of 10.0s in a fault of 10.0s"));
	assert_false(bo_fault_lint(fake->plan, fake_fault(fake, "delay", BACK, ARGS(STR("", "9s"))),
				   text, sizeof(text)));
	assert_false(bo_fault_lint(fake->plan, fake_fault(fake, "loss", BACK, ARGS(STR("", "9%"))),
				   text, sizeof(text)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_option_has_its_field, set_up, set_down),
		cmocka_unit_test_setup_teardown(models_of_loss, set_up, set_down),
		cmocka_unit_test_setup_teardown(impair_takes_them_all, set_up, set_down),
		cmocka_unit_test_setup_teardown(samples_give_delay_and_jitter, set_up, set_down),
		cmocka_unit_test_setup_teardown(profiles_are_replaced_option_by_option, set_up,
						set_down),
		cmocka_unit_test(every_profile_is_sound),
		cmocka_unit_test_setup_teardown(a_ramp_goes_in_even_steps, set_up, set_down),
		cmocka_unit_test_setup_teardown(ramps_go_down_too, set_up, set_down),
		cmocka_unit_test(a_flap_turns_in_time),
		cmocka_unit_test(random_flaps_are_seeded_and_have_their_means),
		cmocka_unit_test_setup_teardown(long_delays_are_warned_of, set_up, set_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
