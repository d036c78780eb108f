/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire_chance.c — the draws that fates are made of.
 *
 * A draw is a hash of (seed, link, direction, flow, packet number, purpose) and nothing else; there
 * is no generator whose state would hang on what else travels.  A station that draws nothing thus
 * changes nothing for the others.
 *
 * Correlation is netem's (net/sched/sch_netem.c, get_crandom()): in units of 2^-32,
 *   draw = (new × (2^32 - rho) + last × rho) / 2^32,  rho = correlation + 1 unit.
 * The values are no longer uniform then, but gather around the middle: a share below one half comes
 * out smaller than asked for.
 *
 * Owns: nothing.  Threads: one per line.  Privilege: none. */
#include "brownout/base/rng.h"
#include "wire_fate.h"

/* Purposes per packet number: draws of the packet, of its copy, and of where
 * chains and correlations begin. */
#define PURPOSES 32
#define PURPOSE_COPY BO_WIRE_CHANCE_COUNT
#define PURPOSE_START (2 * BO_WIRE_CHANCE_COUNT)
_Static_assert(PURPOSE_START + BO_WIRE_CHANCE_COUNT <= PURPOSES, "purposes overlap");

static uint32_t draw(const struct bo_wire_dice *dice, unsigned int purpose)
{
	return (uint32_t)(bo_mix64(dice->key ^ bo_mix64(dice->number * PURPOSES + purpose)) >> 32);
}

uint32_t bo_wire_roll(const struct bo_wire_dice *dice, enum bo_wire_chance chance)
{
	return draw(dice, (unsigned int)chance + (dice->copy ? PURPOSE_COPY : 0));
}

uint32_t bo_wire_roll_correlated(struct bo_wire_dice *dice, enum bo_wire_chance chance,
				 int64_t corr_ppm)
{
	uint64_t value = bo_wire_roll(dice, chance);
	uint64_t rho;

	if (!corr_ppm)
		return (uint32_t)value;
	rho = (uint64_t)corr_ppm * UINT32_MAX / BO_PPM_ALL + 1;
	value = (value * ((UINT64_C(1) << 32) - rho) + dice->memory->last[chance] * rho) >> 32;
	dice->memory->last[chance] = (uint32_t)value;
	return (uint32_t)value;
}

bool bo_wire_happens(struct bo_wire_dice *dice, enum bo_wire_chance chance,
		     const struct bo_chance *what)
{
	return what->ppm &&
	       bo_wire_hit(bo_wire_roll_correlated(dice, chance, what->corr_ppm), what->ppm);
}

uint64_t bo_wire_key(uint64_t seed, uint64_t stream, uint64_t use)
{
	return bo_mix64(bo_mix64(seed) ^ bo_mix64(~stream) ^ use);
}

bool bo_wire_chooses(uint64_t key, uint64_t flow, int64_t ppm)
{
	return bo_wire_hit((uint32_t)(bo_mix64(key ^ bo_mix64(flow)) >> 32), ppm);
}

void bo_wire_restart(struct bo_wire_dice *dice, uint32_t epoch, const struct bo_loss *loss)
{
	struct bo_wire_memory *memory = dice->memory;

	memory->epoch = epoch;
	memory->since = 0;
	memory->state = bo_wire_chain_start(loss, draw(dice, PURPOSE_START + BO_WIRE_CHANCE_MOVE));
	for (unsigned int i = 0; i < BO_WIRE_CORRELATED; i++)
		memory->last[i] = draw(dice, PURPOSE_START + i);
}

/** quantile() - of a table, in between its entries, in standard deviations */
static double quantile(const struct bo_dist_table *table, uint32_t u)
{
	/* Entry i stands for (i + 1/2) / LEN of all draws. */
	int64_t at = (int64_t)((uint64_t)u * BO_DIST_TABLE_LEN) - (INT64_C(1) << 31);
	int64_t i = at >> 32;
	double low, high;

	if (at < 0)
		return (double)table->at[0] / BO_DIST_SCALE;
	if (i >= BO_DIST_TABLE_LEN - 1)
		return (double)table->at[BO_DIST_TABLE_LEN - 1] / BO_DIST_SCALE;
	low = table->at[i];
	high = table->at[i + 1];
	return (low + (high - low) * (double)(uint32_t)at * 0x1p-32) / BO_DIST_SCALE;
}

/* netem reduces a draw modulo 2 × jitter, or modulo the length of its table.  With jitters below
 * seconds that leaves the low bits, in which nothing of the correlation is to be found; here the
 * whole draw counts, so that delays correlate as tc-netem(8) says. */
int64_t bo_wire_delay(struct bo_wire_dice *dice, const struct bo_impair *im,
		      const struct bo_dist_table *table)
{
	uint32_t u;
	double spread;
	int64_t delay_ns;

	if (!im->jitter_ns)
		return im->delay_ns;
	u = bo_wire_roll_correlated(dice, BO_WIRE_CHANCE_DELAY, im->delay_corr_ppm);
	if (im->dist == BO_DIST_UNIFORM || !table)
		spread = ((double)u + 0.5) * 0x1p-31 - 1;
	else
		spread = quantile(table, u);
	delay_ns = im->delay_ns + (int64_t)(spread * (double)im->jitter_ns);
	return delay_ns > 0 ? delay_ns : 0;
}
