/* SPDX-License-Identifier: Apache-2.0 */
/* census/layout.c — names of the facts, and what every release had in common.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include "layout.h"

#include <errno.h>

#define NAME_(id, type, path, other) { #id, type, path, other },
const struct bo_go_fact_name bo_go_fact_names[BO_GO_NFACTS] = { BO_GO_FACTS(NAME_) };

/* The largest structure is mstats, 16 KiB up to Go 1.19. */
#define FACT_MAX 32768
#define G_MAX 1024

/* Without these there is no census; everything else may be missing and costs only what it is for. */
static const enum bo_go_fact needed[] = {
	BO_GO_G_STACK_LO, BO_GO_G_STACK_HI, BO_GO_G_SCHED_SP,   BO_GO_G_SCHED_PC,
	BO_GO_G_STATUS,   BO_GO_G_GOID,     BO_GO_G_WAITREASON, BO_GO_G_GOPC,
	BO_GO_G_STARTPC,  BO_GO_MOD_GOFUNC, BO_GO_FUNC_SIZE,
};

int bo_go_layout_plausible(const struct bo_go_layout *layout, struct bo_err *err)
{
	const int32_t *at = layout->at;

	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
		if (at[needed[i]] < 0)
			return bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE, "the layout lacks %s",
					  bo_go_fact_names[needed[i]].id);
	for (int i = 0; i < BO_GO_NFACTS; i++) {
		bool in_g = i >= BO_GO_G_STACK_LO && i <= BO_GO_G_LABELS;

		if (at[i] < -1 || at[i] > (in_g ? G_MAX - 8 : FACT_MAX))
			return bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE, "the layout puts %s at %d",
					  bo_go_fact_names[i].id, at[i]);
	}
	if (at[BO_GO_FUNC_SIZE] < 40 || at[BO_GO_FUNC_SIZE] > 64)
		return bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE, "the layout gives _func %d bytes",
				  at[BO_GO_FUNC_SIZE]);
	return 0;
}
