/* SPDX-License-Identifier: Apache-2.0 */
/* probe/agree.h — do two samplers agree?  The census compared with what the service itself says.
 * Owns: one request to pprof and its parser per node.  Threads: the sampler's.  Privilege: none. */
#pragma once
#include <stdint.h>

#include "brownout/probe/probe.h"

struct bo_agree;
/**
 * bo_agree_count() - @count goroutines were seen now; compare with pprof if probe->agree asks for it
 * @agree: made at need; nothing happens when the node has no pprof
 */
void bo_agree_count(struct bo_agree **agree, struct bo_probe *probe, int64_t count);
/** bo_agree_forget() - the process is another one now: nothing that was asked is compared; NULL is fine */
void bo_agree_forget(struct bo_agree *agree);
/** bo_agree_free() - NULL is fine */
void bo_agree_free(struct bo_agree *agree);
/**
 * bo_agree_within() - is @other explained by what was counted around it, from @low to @high?
 * Tolerated are as many as came and went meanwhile, and 10 % or 10, which is more, for those who live only between
 * two counts (a request's own goroutines do)
 */
bool bo_agree_within(int64_t low, int64_t high, int64_t other);
