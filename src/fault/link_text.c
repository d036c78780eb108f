/* SPDX-License-Identifier: Apache-2.0 */
/* fault/link_text.c — an impairment in words.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include "brownout/base/units.h"
#include "brownout/model/linkfile.h"
#include "fault-internal.h"

static void next_part(struct bo_text *text, bool *first)
{
	bo_text_add(text, "%s", *first ? "" : ", ");
	*first = false;
}

static double percent(int64_t ppm)
{
	return (double)ppm / BO_PPM_ALL * 100;
}

/** chance_text() - "loss 2% (correlation 25%)" */
static void chance_text(struct bo_text *text, bool *first, const char *name,
			const struct bo_chance *chance)
{
	if (!chance->ppm)
		return;
	next_part(text, first);
	bo_text_add(text, "%s %.4g%%", name, percent(chance->ppm));
	if (chance->corr_ppm)
		bo_text_add(text, " (correlation %.4g%%)", percent(chance->corr_ppm));
}

static void delay_text(struct bo_text *text, bool *first, const struct bo_impair *im)
{
	char unit[BO_UNIT_BUF];

	if (!im->delay_ns)
		return;
	next_part(text, first);
	bo_text_add(text, "delay %s", bo_format_duration(im->delay_ns, unit));
	if (!im->jitter_ns)
		return;
	bo_text_add(text, " ±%s", bo_format_duration(im->jitter_ns, unit));
	if (im->dist)
		bo_text_add(text, " %s",
			    im->dist == BO_DIST_TABLE ? "as measured" : bo_dist_name(im->dist));
	if (im->delay_corr_ppm)
		bo_text_add(text, " correlation %.4g%%", percent(im->delay_corr_ppm));
	if (im->in_order)
		bo_text_add(text, " in order");
}

static void loss_text(struct bo_text *text, bool *first, const struct bo_loss *loss)
{
	if (bo_loss_is_none(loss))
		return;
	if (loss->model == BO_LOSS_RANDOM) {
		chance_text(text, first, "loss", &loss->random);
		return;
	}
	next_part(text, first);
	bo_text_add(text, "loss %.4g%% (%s ", bo_loss_expected(loss) * 100,
		    bo_loss_model_name(loss->model));
	if (loss->model == BO_LOSS_GE)
		bo_text_add(text, "p %.4g%% r %.4g%% bad %.4g%% good %.4g%%)", percent(loss->p_ppm),
			    percent(loss->r_ppm), percent(loss->bad_loss_ppm),
			    percent(loss->good_loss_ppm));
	else
		bo_text_add(text, "p13 %.4g%% p31 %.4g%% p32 %.4g%% p23 %.4g%% p14 %.4g%%)",
			    percent(loss->p13_ppm), percent(loss->p31_ppm), percent(loss->p32_ppm),
			    percent(loss->p23_ppm), percent(loss->p14_ppm));
}

static void rate_text(struct bo_text *text, bool *first, const struct bo_impair *im)
{
	char unit[BO_UNIT_BUF];

	if (im->rate_bps) {
		next_part(text, first);
		bo_text_add(text, "rate %s", bo_format_bitrate(im->rate_bps, unit));
		if (im->rate_overhead)
			bo_text_add(text, " overhead %lld", (long long)im->rate_overhead);
		if (im->rate_cell_bytes)
			bo_text_add(text, " cell %lld+%lld", (long long)im->rate_cell_bytes,
				    (long long)im->rate_cell_overhead);
	}
	if (im->trace) {
		next_part(text, first);
		bo_text_add(text, "trace %s (%s on average)", im->trace->name,
			    bo_format_bitrate(bo_trace_mean_bps(im->trace), unit));
	}
	if (im->limit_packets) {
		next_part(text, first);
		bo_text_add(text, "limit %lld packets", (long long)im->limit_packets);
	}
}

static void slot_text(struct bo_text *text, bool *first, const struct bo_slot *slot)
{
	char unit[BO_UNIT_BUF];

	if (!slot->max_ns)
		return;
	next_part(text, first);
	bo_text_add(text, "slot %s", bo_format_duration(slot->min_ns, unit));
	if (slot->max_ns > slot->min_ns)
		bo_text_add(text, " to %s", bo_format_duration(slot->max_ns, unit));
	if (slot->packets)
		bo_text_add(text, " of %lld packets", (long long)slot->packets);
	if (slot->bytes)
		bo_text_add(text, " of %s", bo_format_size(slot->bytes, unit));
}

void bo_link_text(struct bo_text *text, const struct bo_impair *im)
{
	bool first = true;

	delay_text(text, &first, im);
	loss_text(text, &first, &im->loss);
	chance_text(text, &first, "duplicate", &im->duplicate);
	chance_text(text, &first, "corrupt", &im->corrupt);
	chance_text(text, &first, "reorder", &im->reorder);
	if (im->reorder.ppm && im->reorder_gap > 1)
		bo_text_add(text, " gap %lld", (long long)im->reorder_gap);
	rate_text(text, &first, im);
	slot_text(text, &first, &im->slot);
	if (im->blackhole) {
		next_part(text, &first);
		bo_text_add(text, "blackhole");
	}
}
