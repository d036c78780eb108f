/* SPDX-License-Identifier: Apache-2.0 */
/* census/sites.h — program counters as text, looked up once and kept: a service has a few hundred of them.
 * Owns: the frames and strings, until bo_gosites_done(); bounded, whatever the target says.
 * Threads: one at a time.  Privilege: none. */
#pragma once
#include "brownout/base/arena.h"
#include "pclntab.h"

#define BO_GOSITES_MAX 16384
#define BO_GOSITES_BYTES_MAX (12u << 20)

/** struct bo_gosite - the lines at one pc, innermost first; the last one's function is the physical one */
struct bo_gosite {
	uint64_t pc;
	uint64_t entry; /* of the physical function, 0 when the pc is in none */
	const struct bo_census_frame *frames;
	size_t nframes;
	uint32_t sp_delta; /* stack pointer to end of frame at this pc, UINT32_MAX when not known */
	bool runtime; /* the physical function is of package runtime: its name begins with "runtime." */
	bool goexit; /* the bottom of every goroutine's stack */
	bool user_main; /* … but is one that runs user code: runtime.main, corostart, handleAsyncEvent */
};

struct bo_gosites {
	struct bo_gopcln *pcln; /* [borrowed] */
	struct bo_arena arena;
	struct bo_gosite **table;
	struct bo_gostring *strings;
	size_t count;
	size_t nstrings;
	struct bo_gosite unknown;
	struct bo_census_frame unknown_frame;
};

BO_NODISCARD int bo_gosites_init(struct bo_gosites *sites, struct bo_gopcln *pcln);
void bo_gosites_done(struct bo_gosites *sites);
/**
 * bo_gosites_get() - what is at @pc; never NULL
 * For a return address ask for the byte before it: that is inside the call.
 */
const struct bo_gosite *bo_gosites_get(struct bo_gosites *sites, uint64_t pc);
/** bo_gosites_is_primitive() - runtime, sync and poller code, which is how and not why a goroutine waits */
bool bo_gosites_is_primitive(const char *func);
