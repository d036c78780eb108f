/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire_stamp.c — see the header.
 * Owns: nothing.  Threads: the wire's own.  Privilege: none. */
#include "wire_stamp.h"

#include <string.h>

/** id_of() - NULL for a packet too short to have one */
static const uint8_t *id_of(const uint8_t *ip, size_t len)
{
	size_t at = ip[0] >> 4 == 6 && len >= BO_TUN_STAMP_ID6_MIN ? BO_TUN_STAMP_ID6_AT
								   : BO_TUN_STAMP_ID4_AT;

	return len >= at + BO_TUN_STAMP_ID_LEN ? ip + at : NULL;
}

/** number_at() - the last that was written where stamp @index belongs */
static uint64_t number_at(const struct bo_tun_stamps *stamps, uint64_t index)
{
	return atomic_load_explicit(&stamps->slot[index & (BO_TUN_STAMPS - 1)].number,
				    memory_order_acquire);
}

/** find() - the stamp of a packet, from the next on;  false: none of those that there are */
static bool find(const struct bo_wire_stamper *stamper, const uint8_t *ip, size_t len,
		 uint64_t *ret_index, int64_t *ret_ns)
{
	const uint8_t *id = id_of(ip, len);

	for (uint64_t i = stamper->next; i < stamper->next + BO_WIRE_STAMP_LOOK; i++) {
		const struct bo_tun_stamp *stamp = &stamper->stamps->slot[i & (BO_TUN_STAMPS - 1)];

		if (number_at(stamper->stamps, i) != i + 1)
			return false;
		if (stamp->len != len || !id || memcmp(stamp->id, id, BO_TUN_STAMP_ID_LEN) != 0)
			continue;
		*ret_index = i;
		*ret_ns = (int64_t)stamp->ns;
		return true;
	}
	return false;
}

int64_t bo_wire_stamp_take(struct bo_wire_stamper *stamper, int64_t now_ns, const uint8_t *ip,
			   size_t len)
{
	uint64_t index;
	int64_t ns;
	bool found;

	if (!stamper->stamps)
		return now_ns;
	/* The packet was read before, so its stamp is there to be seen. */
	atomic_thread_fence(memory_order_acquire);
	found = !stamper->behind && find(stamper, ip, len, &index, &ns);
	/* What was dropped since the last look came behind this packet: its own stamp is right still.  Where one so far
	 * ahead lies there may be one of a later round, too. */
	if (number_at(stamper->stamps, stamper->next + BO_WIRE_STAMP_BEHIND) >
	    stamper->next + BO_WIRE_STAMP_BEHIND)
		stamper->behind = true;
	if (!found) {
		stamper->read++;
		ns = now_ns;
	} else {
		stamper->exact++;
		stamper->next = index + 1;
	}
	if (ns > now_ns)
		ns = now_ns;
	if (ns < stamper->floor_ns)
		ns = stamper->floor_ns < now_ns ? stamper->floor_ns : now_ns;
	stamper->floor_ns = ns;
	return ns;
}

void bo_wire_stamp_empty(struct bo_wire_stamper *stamper, uint64_t count, int64_t now_ns)
{
	if (!stamper->stamps)
		return;
	if (stamper->next < count)
		stamper->next = count;
	stamper->behind = false;
	if (stamper->floor_ns < now_ns)
		stamper->floor_ns = now_ns;
}
