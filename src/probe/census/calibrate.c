/* SPDX-License-Identifier: Apache-2.0 */
/* census/calibrate.c — the layout of g in a release that nobody told us about.
 * Two values in the main goroutine are known: its goid is 1, and it runs runtime.main.  In every release so far the fields
 * around these two have kept their distances, so they give the rest.  What cannot be had this way (trackingSeq,
 * lockedm, inline trees) is left out rather than guessed.
 * Owns: nothing.  Threads: one at a time.  Privilege: none of its own. */
#include <string.h>

#include "census-internal.h"

/* g is searched up to here for its start pc, and up to GOID_END for its goid (in words). */
#define WORDS 56
#define STARTPC_FROM 25
#define GOID_FROM 16
#define GOID_END 26
#define SAMPLES 4

/* goid: 1 in the main goroutine, small and different elsewhere, a status right before it and a wait reason behind. */
static bool goid_at(const uint64_t g[SAMPLES][WORDS], size_t n, size_t k)
{
	if (g[0][k] != 1)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!g[i][k] || g[i][k] >= UINT64_C(1) << 40 ||
		    ((uint32_t)g[i][k - 1] & ~(uint32_t)GO_SCAN) >= GO_STATUS_END ||
		    (g[i][k + 3] & 255) >= BO_CENSUS_REASONS_MAX)
			return false;
		for (size_t q = 0; q < i; q++)
			if (g[i][k] == g[q][k])
				return false;
	}
	return true;
}

bool bo_gocalibrate(struct bo_census *census, uint64_t ptr, uint64_t len)
{
	uint64_t gs[SAMPLES], g[SAMPLES][WORDS];
	size_t n = len < SAMPLES ? (size_t)len : SAMPLES, startpc = 0, goid = 0;
	struct bo_go_layout layout;

	if (n < 2 || bo_gomem_read(&census->memory, ptr, gs, n * 8))
		return false;
	for (size_t i = 0; i < n; i++)
		if (gs[i] % 8 || gs[i] < 4096 ||
		    bo_gomem_read(&census->memory, gs[i], g[i], sizeof(g[i])))
			return false;
	for (size_t k = STARTPC_FROM; k < WORDS && !startpc; k++)
		if (g[0][k] == census->main_pc)
			startpc = k;
	for (size_t k = GOID_FROM; startpc && k < GOID_END && !goid; k++)
		if (goid_at((const uint64_t(*)[WORDS])g, n, k))
			goid = k;
	if (!goid || startpc + 6 >= WORDS)
		return false;
	for (size_t i = 1; i < n; i++)
		if (g[i][startpc] && !bo_gopcln_is_entry(&census->pcln, g[i][startpc]))
			return false;
	bo_go_version_nearest(census->image.minor, &layout);
	layout.at[BO_GO_G_STATUS] = (int32_t)goid * 8 - 8;
	layout.at[BO_GO_G_GOID] = (int32_t)goid * 8;
	layout.at[BO_GO_G_WAITSINCE] = (int32_t)goid * 8 + 16;
	layout.at[BO_GO_G_WAITREASON] = (int32_t)goid * 8 + 24;
	layout.at[BO_GO_G_STARTPC] = (int32_t)startpc * 8;
	layout.at[BO_GO_G_GOPC] = (int32_t)startpc * 8 - 16;
	layout.at[BO_GO_G_PARENTGOID] = (int32_t)startpc * 8 - 24;
	layout.at[BO_GO_G_LABELS] = (int32_t)startpc * 8 + 48;
	layout.at[BO_GO_G_TRACKINGSEQ] = -1;
	layout.at[BO_GO_G_LOCKEDM] = -1;
	layout.at[BO_GO_G_SYSCALLSP] = -1;
	layout.at[BO_GO_G_SYSCALLPC] = -1;
	layout.at[BO_GO_INL_SIZE] = -1;
	census->layout = layout;
	return true;
}
