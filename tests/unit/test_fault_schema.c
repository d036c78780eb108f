/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_fault_schema.c — what is said about a declared fault before anything runs: kind,
 * options, types, units, ranges, overlaps.  Every refusal names what was expected and what was
 * found.  Privilege: none. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fault-internal.h"
#include "fault_fake.h"

struct refusal {
	const char *kind;
	enum bo_target target;
	int index;
	struct bo_arg args[3];
	size_t nargs;
	const char *message;
};

#define LINK BO_TARGET_LINK, LINK_BACK
#define ORDERS BO_TARGET_NODE, NODE_ORDERS
#define DB BO_TARGET_NODE, NODE_DB

static const struct refusal refusals[] = {
	{ "dealy",
	  LINK,
	  { STR("", "5ms") },
	  1,
	  "unknown fault 'dealy' on a link; did you mean 'delay'?" },
	{ "zzzzzz",
	  LINK,
	  { STR("", "5ms") },
	  1,
	  "unknown fault 'zzzzzz' on a link; known: delay loss duplicate corrupt reorder rate trace slot "
	  "blackhole flap profile impair drop syn_drop refuse reset half_open stall drip data_limit" },
	{ "zzzzzz",
	  ORDERS,
	  { { 0 } },
	  0,
	  "unknown fault 'zzzzzz' on a node; known: kill term restart pause memory dns" },
	{ "latency",
	  LINK,
	  { STR("", "5ms") },
	  1,
	  "unknown fault 'latency' on a link; here that is delay" },
	{ "crash", ORDERS, { { 0 } }, 0, "unknown fault 'crash' on a node; here that is kill" },
	{ "crash", LINK, { { 0 } }, 0, "unknown fault 'crash' on a link; known: delay" },
	{ "delay",
	  LINK,
	  { STR("", "5ms"), STR("direction", "egress") },
	  2,
	  "delay has no option 'direction'; here that is toward = NODE" },
	{ "loss",
	  LINK,
	  { NUM("", 5) },
	  1,
	  "loss: expected 0.0001% to 100%, found 500%; did you mean \"5%\"?" },
	{ "loss",
	  LINK,
	  { STR("model", "gilbert") },
	  1,
	  "loss: model: expected one of random|gemodel|state, found \"gilbert\"; did you mean 'gemodel'?" },
	{ "kill", LINK, { { 0 } }, 0, "fault 'kill' goes on a node, not on a link" },
	{ "delay", ORDERS, { STR("", "5ms") }, 1, "fault 'delay' goes on a link, not on a node" },
	{ "delay",
	  LINK,
	  { { 0 } },
	  0,
	  "delay: 'delay' is missing: expected a duration such as \"250ms\"" },
	{ "delay",
	  LINK,
	  { STR("", "5ms"), STR("jiter", "1ms") },
	  2,
	  "delay has no option 'jiter'; did you mean 'jitter'?" },
	{ "delay",
	  LINK,
	  { STR("", "5ms"), STR("delay", "1ms") },
	  2,
	  "delay: 'delay' is given twice" },
	{ "delay",
	  LINK,
	  { NUM("", 250) },
	  1,
	  "delay: expected a duration such as \"250ms\", found number 250 without a unit" },
	{ "delay",
	  LINK,
	  { BOOLEAN("", true) },
	  1,
	  "delay: expected a duration such as \"250ms\", found true" },
	{ "delay", LINK, { STR("", "2h") }, 1, "delay: expected 1us to 60.0min, found 120.0min" },
	{ "delay",
	  LINK,
	  { STR("", "5ms"), STR("jitter", "6ms") },
	  2,
	  "delay: jitter: expected at most the delay" },
	{ "delay",
	  LINK,
	  { STR("", "5ms"), STR("toward", "d") },
	  2,
	  "delay: toward: no node is named \"d\"; did you mean" },
	{ "delay",
	  LINK,
	  { STR("", "5ms"), STR("toward", "downstream") },
	  2,
	  "delay: toward: no node is named \"downstream\"; there are " },
	{ "delay",
	  LINK,
	  { STR("", "5ms"), STR("toward", "client") },
	  2,
	  "delay: toward: expected 'orders' or 'db', the ends of this link, found 'client'" },
	{ "delay",
	  LINK,
	  { STR("", "5ms"), NUM("toward", 1) },
	  2,
	  "delay: toward: expected the name of a node, found number 1" },
	{ "loss", LINK, { STR("", "120%") }, 1, "loss: expected 0.0001% to 100%, found 120%" },
	{ "loss", LINK, { STR("", "0%") }, 1, "loss: expected 0.0001% to 100%, found 0%" },
	{ "loss", LINK, { STR("", "0.0000007") }, 1, "loss: expected 0.0001% to 100%, found 0%" },
	{ "loss", LINK, { NUM("", 1e300) }, 1, "loss: expected 0.0001% to 100%" },
	{ "rate",
	  LINK,
	  { NUM("", 1000000) },
	  1,
	  "rate: expected a bit rate such as \"10Mbit/s\", found number 1e+06 without a unit" },
	{ "rate",
	  LINK,
	  { STR("", "1Mbit/s"), NUM("limit", 1.5) },
	  2,
	  "rate: limit: expected a whole number, found number 1.5" },
	{ "rate",
	  LINK,
	  { STR("", "1Mbit/s"), STR("limit", "5") },
	  2,
	  "rate: limit: expected a whole number, found string \"5\"" },
	{ "blackhole", LINK, { STR("", "5ms") }, 1, "blackhole takes no positional value" },
	{ "impair",
	  LINK,
	  { { 0 } },
	  0,
	  "impair: nothing to do: expected at least one of delay, loss, duplicate, corrupt, reorder, rate, trace, slot_min, blackhole" },
	{ "impair", LINK, { NUM("limit", 5) }, 1, "impair: nothing to do" },
	{ "impair",
	  LINK,
	  { STR("blackhole", "yes") },
	  1,
	  "impair: blackhole: expected true or false, found string \"yes\"" },
	{ "kill",
	  BO_TARGET_NODE,
	  NODE_CLIENT,
	  { { 0 } },
	  0,
	  "kill: expected a node that runs a process, found 'client'" },
	{ "kill", ORDERS, { STR("hard", "yes") }, 1, "kill has no option 'hard'" },
	{ "restart",
	  ORDERS,
	  { STR("signal", "hup") },
	  1,
	  "restart: signal: expected one of term|kill, found \"hup\"" },
	{ "restart",
	  ORDERS,
	  { STR("signal", "ter") },
	  1,
	  "restart: signal: expected one of term|kill, found \"ter\"" },
	{ "memory", ORDERS, { { 0 } }, 0, "memory: 'to' is missing" },
	{ "memory",
	  ORDERS,
	  { STR("", "512MiB") },
	  1,
	  "memory: to: expected less than the node's limit of 256MiB, found 512MiB" },
	{ "memory",
	  ORDERS,
	  { STR("", "100%") },
	  1,
	  "memory: to: expected less than the node's limit of 256MiB" },
	{ "memory",
	  ORDERS,
	  { STR("", "150%") },
	  1,
	  "memory: to: expected more than 0% and at most 100%, found 150%" },
	{ "memory", ORDERS, { STR("", "1KiB") }, 1, "memory: to: expected 1" },
	{ "memory",
	  DB,
	  { STR("", "60%") },
	  1,
	  "memory: to: a share needs a memory limit, and 'db' has none" },
	{ "memory", ORDERS, { STR("", "60%"), NUM("steps", 5) }, 2, "memory: steps need a time" },
	{ "memory",
	  ORDERS,
	  { STR("", "60%"), STR("over", "10s") },
	  2,
	  "memory: over: expected less than the 10.0s that the fault lasts" },
	{ "memory",
	  ORDERS,
	  { STR("", "60%"), STR("knob", "low") },
	  2,
	  "memory: knob: expected one of auto|max|high, found \"low\"" },
};

static void refusals_say_what_and_why(void **state)
{
	int wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		const struct refusal *c = &refusals[i];
		struct fake *fake = fake_new();
		struct bo_err err = { 0 };
		int r = bo_fault_check(
			fake->plan,
			fake_fault(fake, c->kind, c->target, c->index, c->args, c->nargs), &err);

		if (r >= 0 || strncmp(err.msg, c->message, strlen(c->message)) != 0) {
			print_error("case %zu: expected \"%s\", found %d \"%s\"\n", i, c->message,
				    r, err.msg);
			wrong++;
		}
		fake_free(fake);
	}
	assert_int_equal(wrong, 0);
}

static const struct refusal accepted[] = {
	{ "delay",
	  LINK,
	  { STR("", "1.5s"), STR("jitter", "20ms"), STR("toward", "db") },
	  3,
	  "delay 1.50s ±20ms on orders-db (only toward db)" },
	{ "delay", LINK, { STR("delay", "1us") }, 1, "delay 1us on orders-db (both directions)" },
	{ "loss", LINK, { STR("", "2%") }, 1, "loss 2% on orders-db (both directions)" },
	{ "loss", LINK, { NUM("", 0.02) }, 1, "loss 2% on orders-db (both directions)" },
	{ "rate",
	  LINK,
	  { STR("", "10Mbit/s"), NUM("limit", 50) },
	  2,
	  "rate 10Mbit/s, limit 50 packets on orders-db (both directions)" },
	{ "blackhole", LINK, { { 0 } }, 0, "blackhole on orders-db (both directions)" },
	{ "impair",
	  LINK,
	  { STR("delay", "5ms"), STR("loss", "1%"), BOOLEAN("blackhole", false) },
	  3,
	  "delay 5ms, loss 1% on orders-db (both directions)" },
	{ "kill", DB, { { 0 } }, 0, "SIGKILL to all processes of db, started again at the end" },
	{ "term", DB, { { 0 } }, 0, "SIGTERM to db, started again at the end" },
	{ "restart", DB, { STR("", "kill") }, 1, "db killed and started again" },
	{ "restart",
	  DB,
	  { STR("grace", "2s") },
	  1,
	  "db stopped with SIGTERM (killed after 2.00s) and started again" },
	{ "pause", DB, { { 0 } }, 0, "all processes of db frozen" },
	{ "memory", ORDERS, { STR("", "50%") }, 1, "memory limit of orders down to 128MiB" },
	{ "memory",
	  ORDERS,
	  { STR("to", "64MiB"), STR("over", "4s"), STR("knob", "max") },
	  3,
	  "memory limit of orders down to 64MiB (memory.max) in 10 steps over 4.00s" },
	{ "memory", DB, { NUM("to", 67108864) }, 1, "memory limit of db down to 64MiB" },
};

static void good_ones_are_described(void **state)
{
	int wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
		const struct refusal *c = &accepted[i];
		struct fake *fake = fake_new();
		const struct bo_fault_spec *spec = fake_fault(fake, c->kind, c->target, c->index,
							      c->args, c->nargs);
		struct bo_err err = { 0 };
		char text[200] = "";
		int r = bo_fault_check(fake->plan, spec, &err);

		if (r == 0)
			bo_fault_kind_find(c->kind, c->target)
				->describe(fake->plan, spec, text, sizeof(text));
		if (r < 0 || strcmp(text, c->message) != 0) {
			print_error("case %zu: expected \"%s\", found %d \"%s\" (%s)\n", i,
				    c->message, r, text, err.msg);
			wrong++;
		}
		fake_free(fake);
	}
	assert_int_equal(wrong, 0);
}

static void empty_windows_are_refused(void **state)
{
	struct fake *fake = fake_new();
	struct bo_fault_spec *spec = fake_fault(fake, "blackhole", LINK, NULL, 0);
	struct bo_err err = { 0 };

	(void)state;
	spec->from = spec->to = BO_PHASE_HOLD;
	assert_int_equal(bo_fault_check(fake->plan, spec, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "'hold' with 0s"));
	spec->from = spec->to = BO_PHASE_FAULT;
	spec->after_ns = 11 * SEC;
	assert_int_equal(bo_fault_check(fake->plan, spec, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "when that is over"));
	fake_free(fake);
}

static void every_kind_is_whole(void **state)
{
	(void)state;
	for (size_t i = 0; bo_fault_kinds()[i]; i++) {
		const struct bo_fault_kind *kind = bo_fault_kinds()[i];

		assert_non_null(kind->help);
		assert_non_null(kind->args);
		assert_non_null(kind->apply);
		assert_non_null(kind->confirm);
		assert_non_null(kind->revert);
		assert_non_null(kind->describe);
		assert_non_null(kind->claims);
		assert_ptr_equal(bo_fault_kind_find(kind->name, kind->target), kind);
		for (const struct bo_arg_schema *s = kind->args; s->key; s++) {
			assert_non_null(s->help);
			assert_true(s->min <= s->max);
			assert_int_equal(s->unit == BO_UNIT_CHOICE, s->choices != NULL);
		}
	}
}

/* --- overlap ---------------------------------------------------------------------------------- */

/** overlaps() - do faults @a (0 … 10 s of the phase) and @b (from @b_after for @b_lasts) collide?
 */
static int overlaps(const struct refusal *a, const struct refusal *b, int64_t b_after,
		    int64_t b_lasts, char *msg, size_t size)
{
	struct fake *fake = fake_new();
	struct bo_fault_spec *second;
	struct bo_err err = { 0 };
	size_t at = 99;
	int r;

	(void)fake_fault(fake, a->kind, a->target, a->index, a->args, a->nargs);
	second = fake_fault(fake, b->kind, b->target, b->index, b->args, b->nargs);
	second->after_ns = b_after;
	second->lasts_ns = b_lasts;
	fake->plan->faults.items[0].lasts_ns = 4 * SEC;
	r = bo_fault_check_overlap(fake->plan, &at, &err);
	assert_int_equal(at, r < 0 ? 1 : 99);
	snprintf(msg, size, "%s", err.msg);
	fake_free(fake);
	return r;
}

static void overlap_is_per_field_direction_and_time(void **state)
{
	static const struct refusal delay = { "delay", LINK, { STR("", "5ms") }, 1, "" };
	static const struct refusal to_db = {
		"delay", LINK, { STR("", "9ms"), STR("toward", "db") }, 2, ""
	};
	static const struct refusal to_orders = {
		"delay", LINK, { STR("", "9ms"), STR("toward", "orders") }, 2, ""
	};
	static const struct refusal loss = { "loss", LINK, { STR("", "5%") }, 1, "" };
	static const struct refusal mixed = {
		"impair", LINK, { STR("delay", "1ms"), STR("loss", "1%") }, 2, ""
	};
	static const struct refusal hole = { "blackhole", LINK, { { 0 } }, 0, "" };
	static const struct refusal front = { "delay",    BO_TARGET_LINK,
					      LINK_FRONT, { STR("", "5ms") },
					      1,          "" };
	static const struct refusal kill = { "kill", DB, { { 0 } }, 0, "" };
	static const struct refusal pause = { "pause", DB, { { 0 } }, 0, "" };
	static const struct refusal memory = { "memory", DB, { STR("", "64MiB") }, 1, "" };
	char msg[sizeof(((struct bo_err *)0)->msg)];

	(void)state;
	assert_int_equal(overlaps(&delay, &to_db, 0, 0, msg, sizeof(msg)), -EINVAL);
	assert_string_equal(
		msg,
		"'delay' and 'delay' both set the delay of orders-db from 5.00s to 9.00s of the run");
	assert_int_equal(overlaps(&delay, &to_db, 4 * SEC, 0, msg, sizeof(msg)), 0);
	assert_int_equal(overlaps(&delay, &to_db, 4 * SEC - 1, 0, msg, sizeof(msg)), -EINVAL);
	assert_int_equal(overlaps(&to_db, &to_orders, 0, 0, msg, sizeof(msg)), 0);
	assert_int_equal(overlaps(&delay, &loss, 0, 0, msg, sizeof(msg)), 0);
	assert_int_equal(overlaps(&loss, &mixed, 0, 0, msg, sizeof(msg)), -EINVAL);
	assert_non_null(strstr(msg, "the loss"));
	assert_int_equal(overlaps(&delay, &hole, 0, 0, msg, sizeof(msg)), 0);
	assert_int_equal(overlaps(&delay, &front, 0, 0, msg, sizeof(msg)), 0);
	assert_int_equal(overlaps(&kill, &pause, 0, 0, msg, sizeof(msg)), -EINVAL);
	assert_non_null(strstr(msg, "the process of db"));
	assert_int_equal(overlaps(&kill, &memory, 0, 0, msg, sizeof(msg)), 0);
}

/* Words of other tools are none of ours, and what is said instead begins with one of ours. */
static void foreign_words_lead_here(void **state)
{
	static const struct {
		const char *words[32];
		enum bo_target target, leads_to;
	} sides[] = {
		{ { "bandwidth", "corruption", "disconnect", "down", "drop_rate", "duplication",
		    "isolate", "jitter", "latency", "limit_data", "netem", "packet_loss",
		    "partition", "reject", "reset_peer", "slicer", "throttle", "timeout" },
		  BO_TARGET_LINK,
		  BO_TARGET_LINK },
		{ { "crash", "freeze", "oom", "sigkill", "sigstop", "sigterm", "stop", "stress" },
		  BO_TARGET_NODE,
		  BO_TARGET_NODE },
		{ { "partition" }, BO_TARGET_NODE, BO_TARGET_LINK },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(sides) / sizeof(*sides); i++)
		for (const char *const *word = sides[i].words; *word; word++) {
			const char *here = bo_fault_foreign_kind(*word, sides[i].target);
			char first[32];

			assert_null(bo_fault_kind_find(*word, sides[i].target));
			assert_non_null(here);
			snprintf(first, sizeof(first), "%.*s",
				 (int)strspn(here, "abcdefghijklmnopqrstuvwxyz_"), here);
			assert_non_null(bo_fault_kind_find(first, sides[i].leads_to));
		}
	assert_null(bo_fault_foreign_kind("delay", BO_TARGET_LINK));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(foreign_words_lead_here),
		cmocka_unit_test(refusals_say_what_and_why),
		cmocka_unit_test(good_ones_are_described),
		cmocka_unit_test(empty_windows_are_refused),
		cmocka_unit_test(every_kind_is_whole),
		cmocka_unit_test(overlap_is_per_field_direction_and_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
