/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire_chain.c — models of how losses follow one another, state by state as netem walks them
 * (net/sched/sch_netem.c: loss_event(), loss_gilb_ell(), loss_4state()).
 *
 * Gilbert–Elliott: the packet meets the loss of the state that it finds; whether the chain moves is
 * drawn beside that, with a draw of its own.
 * Four states: one draw both moves the chain and says whether the packet is lost: it is, when the
 * chain comes to (or stays in) a state of loss.  An isolated loss is always followed by a packet that
 * arrives.
 *
 * Where a chain begins.  netem's begins in its good state, once for all that a device sends.  Here
 * each flow has a chain, and most flows are short: were they all to begin in the good state they
 * would hardly ever see the other.  So a chain begins in a state that is drawn with the shares of
 * the long run, and short flows have the same losses as long ones.  A chain that has no way back to
 * the good state begins there, or it would never have been in it.
 *
 * Owns: nothing.  Threads: one per line.  Privilege: none. */
#include "wire_fate.h"

enum { GE_GOOD, GE_BAD };
enum { GAP_RECEIVED, BURST_RECEIVED, BURST_LOST, GAP_LOST };

static bool lost_ge(struct bo_wire_dice *dice, const struct bo_loss *loss)
{
	bool bad = dice->memory->state == GE_BAD;

	if (bo_wire_hit(bo_wire_roll(dice, BO_WIRE_CHANCE_MOVE), bad ? loss->r_ppm : loss->p_ppm))
		dice->memory->state = bad ? GE_GOOD : GE_BAD;
	return bo_wire_hit(bo_wire_roll(dice, BO_WIRE_CHANCE_LOSS),
			   bad ? loss->bad_loss_ppm : loss->good_loss_ppm);
}

static bool lost_state(struct bo_wire_dice *dice, const struct bo_loss *loss)
{
	uint32_t u = bo_wire_roll(dice, BO_WIRE_CHANCE_MOVE);
	uint8_t *state = &dice->memory->state;

	switch (*state) {
	case GAP_RECEIVED:
		if (bo_wire_hit(u, loss->p14_ppm))
			*state = GAP_LOST;
		else if (bo_wire_hit(u, loss->p14_ppm + loss->p13_ppm))
			*state = BURST_LOST;
		break;
	case BURST_RECEIVED:
		if (bo_wire_hit(u, loss->p23_ppm))
			*state = BURST_LOST;
		break;
	case BURST_LOST:
		if (bo_wire_hit(u, loss->p32_ppm))
			*state = BURST_RECEIVED;
		else if (bo_wire_hit(u, loss->p32_ppm + loss->p31_ppm))
			*state = GAP_RECEIVED;
		break;
	default:
		*state = GAP_RECEIVED;
	}
	return *state == GAP_LOST || *state == BURST_LOST;
}

bool bo_wire_lost(struct bo_wire_dice *dice, const struct bo_loss *loss)
{
	switch (loss->model) {
	case BO_LOSS_GE:
		return lost_ge(dice, loss);
	case BO_LOSS_STATE:
		return lost_state(dice, loss);
	default:
		return bo_wire_happens(dice, BO_WIRE_CHANCE_LOSS, &loss->random);
	}
}

/* --- where it begins -------------------------------------------------------------------------- */

static uint8_t start_ge(const struct bo_loss *loss, double u)
{
	double p = (double)loss->p_ppm, r = (double)loss->r_ppm;

	return loss->r_ppm && u * (p + r) < p ? GE_BAD : GE_GOOD;
}

static uint8_t start_state(const struct bo_loss *loss, double u)
{
	double share[4] = { 0 };

	if (loss->p13_ppm && !loss->p31_ppm)
		return GAP_RECEIVED;
	/* As often as the chain leaves a state it comes back, which gives one share from another. */
	share[GAP_RECEIVED] = 1;
	if (loss->p13_ppm)
		share[BURST_LOST] = (double)loss->p13_ppm / (double)loss->p31_ppm;
	if (loss->p32_ppm)
		share[BURST_RECEIVED] = share[BURST_LOST] * (double)loss->p32_ppm /
					(double)loss->p23_ppm;
	share[GAP_LOST] = share[GAP_RECEIVED] * (double)loss->p14_ppm / BO_PPM_ALL;
	u *= share[GAP_RECEIVED] + share[BURST_RECEIVED] + share[BURST_LOST] + share[GAP_LOST];
	for (uint8_t state = GAP_RECEIVED; state < GAP_LOST; state++) {
		if (u < share[state])
			return state;
		u -= share[state];
	}
	return GAP_LOST;
}

uint8_t bo_wire_chain_start(const struct bo_loss *loss, uint32_t draw)
{
	double u = draw * 0x1p-32;

	switch (loss->model) {
	case BO_LOSS_GE:
		return start_ge(loss, u);
	case BO_LOSS_STATE:
		return start_state(loss, u);
	default:
		return 0;
	}
}
