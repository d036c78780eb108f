/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/fault_rig.h — the faults of a plan in a set over a faked lab, from their declaration to their verdict.
 * Owns: the lab and the set.  Threads: none.  Privilege: none. */
#pragma once
#include "fault_fake.h"

extern struct fake *fake;
extern struct bo_fault_set set;

int rig_up(void **state);
int rig_down(void **state);
/** begin() - the plan is declared: check it, bind it, and let two seconds of base pass */
void begin(void);
void apply(size_t i);
/** pass() - time goes by in ticks of 20 ms */
void pass(int64_t ns);
void revert(size_t i);
/** expect() - the verdict on fault @i;  @achieved, @reason: part of what is said */
void expect(size_t i, enum bo_confirm confirm, const char *achieved, const char *reason);

#define RIG_TEST(fn) cmocka_unit_test_setup_teardown(fn, rig_up, rig_down)
