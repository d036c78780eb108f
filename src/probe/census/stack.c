/* SPDX-License-Identifier: Apache-2.0 */
/* census/stack.c — where a goroutine is parked: its stack, unwound as the runtime itself does it.
 * The pclntab says for each pc how far the end of the frame is from the stack pointer (pcsp); on amd64 the return address
 * lies just below that end, on arm64 at the stack pointer.  So no frame pointers are needed, and system calls and
 * every release look alike.
 * Owns: nothing.  Threads: one at a time.  Privilege: none of its own. */
#include <errno.h>

#include "census-internal.h"

#define WINDOW 8192

/* A stretch of the target's stack; most parked goroutines need one read. */
struct window {
	uint8_t bytes[WINDOW];
	uint64_t from, to;
};

static bool stack_word(struct bo_census *census, struct window *w, uint64_t at, uint64_t hi,
		       uint64_t *ret)
{
	if (at % 8 || at >= hi || hi - at < 8)
		return false;
	if (at < w->from || at + 8 > w->to) {
		uint64_t n = hi - at < WINDOW ? hi - at : WINDOW;

		w->from = w->to = 0;
		if (bo_gomem_read(&census->memory, at, w->bytes, (size_t)n))
			return false;
		w->from = at;
		w->to = at + n;
	}
	*ret = bo_gomem_u64(w->bytes + (at - w->from));
	return true;
}

/* Does this g stand still, so that its stack means something?  A running one's is being written to. */
static bool parked(uint32_t status)
{
	return status == GO_RUNNABLE || status == GO_SYSCALL || status == GO_WAITING ||
	       status == GO_PREEMPTED || status == GO_LEAKED;
}

static int first_pc(struct bo_census *census, const struct bo_gorec *rec, uint64_t *ret)
{
	int32_t at = rec->status == GO_SYSCALL ? BO_FACT(census, G_SYSCALLPC)
					       : BO_FACT(census, G_SCHED_PC);

	return at < 0 ? -ENOENT : bo_gomem_read(&census->memory, rec->addr + (uint64_t)at, ret, 8);
}

size_t bo_gostack_walk(struct bo_census *census, const struct bo_gorec *rec,
		       uint64_t pcs[BO_GOSTACK_PCS_MAX])
{
	struct window w = { .from = 0 };
	uint64_t sp = rec->sp, pc;
	struct bo_gorec again;
	size_t n = 0;

	if (!parked(rec->status) || first_pc(census, rec, &pc))
		return 0;
	/* A goroutine that never ran has its function's entry there, which is no return address. */
	if (pc == rec->startpc)
		pc++;
	while (n < BO_GOSTACK_PCS_MAX) {
		const struct bo_gosite *site = bo_gosites_get(&census->sites, pc - 1);
		uint64_t next;

		if (!site->entry || site->goexit)
			break;
		pcs[n++] = pc;
		if (site->sp_delta == UINT32_MAX)
			break;
		if (!stack_word(census, &w, census->image.arm64 ? sp : sp + site->sp_delta,
				rec->stack_hi, &next))
			break;
		/* A frame of no size on arm64 has its return address in a register that is not ours to see. */
		if (census->image.arm64 && !site->sp_delta)
			break;
		sp += site->sp_delta + (census->image.arm64 ? 0 : 8);
		pc = next;
		if (!pc)
			break;
	}
	/* It may have been woken, and its stack moved, while we read. */
	if (bo_gowalk_one(census, rec->addr, &again) || !bo_gowalk_same(rec, &again) ||
	    again.stack_hi != rec->stack_hi)
		return 0;
	return n;
}
