/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_netem_seed.c — netem's own seed (TCA_NETEM_PRNG_SEED, Linux 6.6): the same one gives the same
 * fates to the same packets, and another one others.  A kernel without it is found out by bo_netem_probe(), and there
 * the same seed gives other fates; then that is what is tested, and said.
 *
 *   test_lab_netem_seed           skips where there is no netem
 *   test_lab_netem_seed --must    no netem is a failure
 * Privilege: root or user namespaces; exits 77 without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <cmocka.h>

#include "brownout/base/clock.h"
#include "brownout/sys/netem.h"
#include "impair_rig.h"

#define MS BO_NSEC_PER_MSEC
#define MTU 1500
#define PROBES 1000
#define BYTES 1028

/** struct row - @ahead_ms: what takes less was sent ahead;  @settled: fates count from this packet on, where a
 * correlation begins at a draw that no seed decides
 * @alike: share of fates that must be the same, of those that count; less than all where no seed decides which bit is
 *         flipped, for nobody sees that of an Ethernet address */
struct row {
	const char *name;
	struct bo_impair im;
	int ahead_ms;
	uint32_t settled;
	double alike;
};

static const struct row rows[] = {
	{ "loss 10%", { .loss.random.ppm = 100000 }, 0, 0, 1 },
	{ "loss 40%, 50%", { .loss.random = { 400000, 500000 } }, 0, 100, 1 },
	{ "loss gemodel",
	  { .loss = { .model = BO_LOSS_GE,
		      .p_ppm = 40000,
		      .r_ppm = 250000,
		      .bad_loss_ppm = 900000 } },
	  0,
	  0,
	  1 },
	{ "loss state",
	  { .loss = { .model = BO_LOSS_STATE,
		      .p13_ppm = 40000,
		      .p31_ppm = 200000,
		      .p32_ppm = 200000,
		      .p23_ppm = 500000,
		      .p14_ppm = 20000 } },
	  0,
	  0,
	  1 },
	{ "duplicate 20%, loss 10%",
	  { .duplicate.ppm = 200000, .loss.random.ppm = 100000 },
	  0,
	  0,
	  1 },
	{ "corrupt 20%", { .corrupt.ppm = 200000 }, 0, 0, 0.98 },
	{ "reorder 25%", { .delay_ns = 120 * MS, .reorder.ppm = 250000 }, 70, 0, 1 },
	/* Two delays far apart: which of them it was shows through what a busy machine adds. */
	{ "delay, 2 of them",
	  { .delay_ns = 80 * MS, .jitter_ns = 60 * MS, .dist = BO_DIST_TABLE },
	  80,
	  0,
	  1 },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static struct bo_dist_table two_delays;

struct seeds {
	struct impair_rig rig;
	struct traffic *traffic;
	bool must;
	bool up;
};

/** fates() - what became of the probes: how often each came, and whether ahead */
static void fates(struct seeds *s, const struct row *row, uint64_t seed, uint8_t ret[PROBES])
{
	struct traffic *t = s->traffic;
	struct bo_impair im = row->im;
	struct bo_err err = { 0 };

	im.table = im.dist == BO_DIST_TABLE ? &two_delays : NULL;
	t->probes = PROBES;
	t->bytes = BYTES;
	if (bo_netem_change_seeded(s->rig.sock, s->rig.ifindex, MTU, &im, seed, &err) < 0)
		fail_msg("%s: %s", row->name, err.msg);
	rig_send(&s->rig, t, 250);
	for (uint32_t i = 0; i < PROBES; i++)
		ret[i] = (uint8_t)(t->probe[i].arrivals * 2 +
				   (t->probe[i].arrivals &&
				    t->probe[i].delay_ns < row->ahead_ms * MS));
}

static double same(const struct row *row, const uint8_t a[PROBES], const uint8_t b[PROBES])
{
	uint32_t n = 0;

	for (uint32_t i = row->settled; i < PROBES; i++)
		n += a[i] == b[i];
	return (double)n / (PROBES - row->settled);
}

/** has_seed() - as the kernel says */
static bool has_seed(struct seeds *s)
{
	struct bo_err err = { 0 };
	bool seeded = false;

	if (bo_netem_probe(s->rig.sock, s->rig.ifindex, MTU, &seeded, &err) < 0)
		fail_msg("%s", err.msg);
	return seeded;
}

static void same_seed_same_fates(void **state)
{
	struct seeds *s = *state;
	struct utsname kernel;
	int major = 0, minor = 0;
	bool seeded;

	if (!s->up)
		skip();
	seeded = has_seed(s);
	assert_int_equal(uname(&kernel), 0);
	assert_int_equal(sscanf(kernel.release, "%d.%d", &major, &minor), 2);
	if (seeded != (major > 6 || (major == 6 && minor >= 6)))
		fail_msg("kernel %s, but netem %s a seed", kernel.release,
			 seeded ? "takes" : "does not take");
	printf("kernel %s: netem has %s\n", kernel.release,
	       seeded ? "a seed"
		      : "no seed: fates differ from run to run, whatever seed is asked for");
	printf("%-26s %18s %18s\n", "fates that are the same", "with the same seed",
	       "with another");
	for (size_t i = 0; i < ROWS; i++) {
		uint8_t once[PROBES], again[PROBES], other[PROBES];

		fates(s, &rows[i], 7, once);
		fates(s, &rows[i], 7, again);
		fates(s, &rows[i], 8, other);
		printf("%-26s %17.1f%% %17.1f%%\n", rows[i].name, same(&rows[i], once, again) * 100,
		       same(&rows[i], once, other) * 100);
		assert_true(seeded == (same(&rows[i], once, again) >= rows[i].alike));
		assert_true(same(&rows[i], once, other) < 0.95);
	}
}

static struct seeds seeds;

static int up(void **state)
{
	char why[160] = "";

	for (int i = 0; i < BO_DIST_TABLE_LEN; i++)
		two_delays.at[i] = i % 2 ? -BO_DIST_SCALE : BO_DIST_SCALE;
	seeds.traffic = calloc(1, sizeof(*seeds.traffic));
	assert_non_null(seeds.traffic);
	seeds.up = rig_can(RIG_NETEM, why, sizeof(why));
	if (seeds.up)
		rig_up(&seeds.rig, RIG_NETEM);
	else if (seeds.must)
		fail_msg("no netem here: %s", why);
	else
		printf("no netem here: %s\n", why);
	*state = &seeds;
	return 0;
}

static int down(void **state)
{
	(void)state;
	if (seeds.up)
		rig_down(&seeds.rig);
	free(seeds.traffic);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(same_seed_same_fates, up, down),
	};

	seeds.must = argc > 1 && strcmp(argv[1], "--must") == 0;
	wire_netns_enter();
	if (cmocka_run_group_tests(tests, NULL, NULL))
		return 1;
	return seeds.up ? 0 : 77;
}
