/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/fault_rig.c — see the header. */
#include "fault_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct fake *fake;
struct bo_fault_set set;

int rig_up(void **state)
{
	(void)state;
	fake = fake_new();
	set = (struct bo_fault_set){ 0 };
	return 0;
}

int rig_down(void **state)
{
	(void)state;
	bo_fault_set_done(&set);
	fake_free(fake);
	return 0;
}

void begin(void)
{
	struct bo_err err = { 0 };

	for (size_t i = 0; i < fake->plan->faults.len; i++)
		if (bo_fault_check(fake->plan, &fake->plan->faults.items[i], &err) < 0)
			fail_msg("%s", err.msg);
	assert_int_equal(bo_fault_set_init(&set, fake->plan, &fake->hands, fake->records, &err), 0);
	set.clock = fake_clock;
	set.t0_ns = fake_now;
	assert_int_equal(bo_fault_set_watch(&set, &err), 0);
	fake_now += 2 * SEC;
}

void apply(size_t i)
{
	struct bo_err err = { 0 };

	if (bo_fault_set_apply(&set, i, fake_now, &err) < 0)
		fail_msg("%s", err.msg);
}

void pass(int64_t ns)
{
	for (int64_t end = fake_now + ns; fake_now < end; fake_now += 20 * MS) {
		struct bo_err err = { 0 };

		assert_int_equal(bo_fault_set_tick(&set, fake_now, &err), 0);
	}
}

void revert(size_t i)
{
	struct bo_err err = { 0 };

	assert_int_equal(bo_fault_set_revert(&set, i, &err), 0);
}

void expect(size_t i, enum bo_confirm confirm, const char *achieved, const char *reason)
{
	const struct bo_fault_record *record = &fake->records[i];

	if (record->confirm != confirm || !strstr(record->achieved, achieved) ||
	    !strstr(record->reason, reason))
		fail_msg("fault %zu: expected %s \"%s\" \"%s\", found %s \"%s\" \"%s\"", i,
			 bo_confirm_name(confirm), achieved, reason,
			 bo_confirm_name(record->confirm), record->achieved, record->reason);
}
