/* SPDX-License-Identifier: Apache-2.0 */
/* harness/recordings.h — links/<a>-<b>.pcapng: written for each link that the plan wants recorded, and read for
 * --replay.
 * Owns: the recordings.  Threads: main; each recording has one of its own.  Privilege: none. */
#pragma once
#include <stddef.h>

#include "brownout/base/err.h"
#include "brownout/model/plan.h"
#include "harness/labctl.h"

struct bo_recordings;

/** bo_recordings_new() - open the files in @run_dir and tell the wires; nothing is made when no link is recorded
 * @plan: [borrowed: as long as the recordings] */
BO_NODISCARD int bo_recordings_new(struct bo_recordings **ret, const struct bo_plan *plan,
				   struct bo_labctl *lab, int run_dir, struct bo_err *err);
/** bo_recordings_check() - does plan->replay_dir hold a recording that can be read?
 * Return: 0, also without one; -ENOENT, -EINVAL with "brownout run: --replay: …" */
BO_NODISCARD int bo_recordings_check(const struct bo_plan *plan, struct bo_err *err);
/** bo_recordings_finish() - close the files; once the wires have ended */
void bo_recordings_finish(struct bo_recordings *recordings);
/**
 * bo_recordings_text() - what must be said of link @link's file: that it holds less than was asked for
 * @link: counted on from the number of links: how many packets of a link had the fates of a record
 * Return: false when there is nothing to say
 */
bool bo_recordings_text(const struct bo_recordings *recordings, size_t link, char *buf,
			size_t size);
void bo_recordings_free(struct bo_recordings *recordings);
