/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_slo_parse.c — what the budget language takes, what it refuses, and in which
 * words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "slo/syntax.h"

/* Every form there is; the second column is the canonical spelling, NULL for "the same". */
/* clang-format off */
static const struct {
	const char *text;
	const char *canonical;
} accepted[] = {
	{ "latency.p99 <= 250ms in fault", NULL },
	{ "latency.p99<=250ms", "latency.p99 <= 250ms" },
	{ "latency.p99.9 < 1.5s in fault..heal", NULL },
	{ "latency.p99 <= 2.5 * base in fault", NULL },
	{ "latency.p99 <= base*2.5 in fault", "latency.p99 <= 2.5 * base in fault" },
	{ "latency.p99 <= base + 100ms in fault", NULL },
	{ "latency.p99 <= 150% of base in fault", "latency.p99 <= 1.5 * base in fault" },
	{ "latency.p50 <= base in fault", "latency.p50 <= 1 * base in fault" },
	{ "latency.max <= 1m30s", NULL },
	{ "latency.mean <= 100us in heal", NULL },
	{ "errors.ratio <= 1% in fault for 95% of 1s windows", NULL },
	{ "errors.ratio for", "!" },
	{ "errors.ratio == 0", NULL },
	{ "errors.ratio{class=reset} <= 0.1%", "errors.ratio{class=\"reset\"} <= 0.1%" },
	{ "errors.count{load=\"checkout\", class=\"5xx\"} == 0 in heal", NULL },
	{ "availability >= 99.9%", NULL },
	{ "throughput >= 190/s in base", NULL },
	{ "throughput >= 0.9 * base in heal", NULL },
	{ "goroutines.count < 5000", NULL },
	{ "goroutines.count{node=orders-v2} < 5000", "goroutines.count{node=\"orders-v2\"} < 5000" },
	{ "goroutines.peak <= 3 * base", NULL },
	{ "goroutines.delta <= 5 at hold", NULL },
	{ "goroutines.delta == 0 at settle", NULL },
	{ "goroutines.growth < 300% over 10s", NULL },
	{ "goroutines.slope <= 5/s in fault over 5s", NULL },
	{ "goroutines.slope over 5s", "!" },
	{ "memory.usage <= 85% of limit", NULL },
	{ "memory.peak <= 200MiB in fault", NULL },
	{ "memory.failcnt == 0 in heal..settle", NULL },
	{ "rss <= 1.2 * base at settle", NULL },
	{ "cpu <= 1.5 in fault", NULL },
	{ "oom.kills == 0", NULL },
	{ "recovery <= 3s", NULL },
	{ "detect <= 2s", NULL },
	{ "goroutines.growth < 300% over 10s or goroutines.count < 5000", NULL },
	{ "cpu < 1 and cpu > 0 or rss < 1GB", NULL },
	{ "(cpu < 1 or cpu > 3) and rss < 1GB", NULL },
	{ "((cpu < 1))", "cpu < 1" },
	{ "cpu < 1 or (cpu > 3 and rss < 1GB)", "cpu < 1 or cpu > 3 and rss < 1GB" },
	{ "latency.max <= 1.2 * timeout in fault", NULL },
	{ "latency.max <= timeout*1.2", "latency.max <= 1.2 * timeout" },
	{ "latency.max <= 120% of timeout", "latency.max <= 1.2 * timeout" },
	{ "latency.p99 <= timeout in fault", "latency.p99 <= 1 * timeout in fault" },
	{ "latency.max<=timeout+200ms in fault", "latency.max <= timeout + 200ms in fault" },
	{ "recovery <= 2 * timeout", NULL },
	{ "latency.p99{route=checkout} <= 1s", "latency.p99{route=\"checkout\"} <= 1s" },
	{ "errors.ratio{class=5xx,route=\"a b\",load=l} <= 1%",
	  "errors.ratio{load=\"l\", route=\"a b\", class=\"5xx\"} <= 1%" },
	{ "recovery{fault=\"delay orders-db #1\", load=\"x\"} <= 3s",
	  "recovery{load=\"x\", fault=\"delay orders-db #1\"} <= 3s" },
	{ "detect{route=\"pay\"} <= 3s", NULL },
	{ "errors.rate{class=\"5xx\"} <= 2/s in fault", NULL },
	{ "errors.rate <= 2 * base in heal for 90% of 1s windows", NULL },
	{ "latency.p99 <= 250ms in fault sustained for 2s", NULL },
	{ "latency.p99 <= 250ms sustained for 2s in fault",
	  "latency.p99 <= 250ms in fault sustained for 2s" },
	{ "goroutines.count <= 3 * base sustained for 5s and cpu < 1", NULL },
	{ "must errors.ratio{class=5xx} >= 50% within 2s of fault",
	  "must errors.ratio{class=\"5xx\"} >= 50% within 2s of fault" },
	{ "must latency.p90 <= 100ms within 2s", NULL },
	{ "must (latency.p90 <= 100ms) within 2s", "must latency.p90 <= 100ms within 2s" },
	{ "must (latency.p90 <= 100ms and errors.ratio >= 50%) within 2s of fault sustained for 5s", NULL },
	{ "must (cpu < 1 and (cpu > 3 or rss < 1GB)) within 2s of heal", NULL },
	{ "must throughput >= 0.9 * base within 3s of heal and cpu < 2 in fault", NULL },
	{ "cpu < 2 or (must cpu > 1 within 1s of base or rss < 1GB)",
	  "cpu < 2 or must cpu > 1 within 1s of base or rss < 1GB" },
	{ "burn < 1", NULL },
	{ "burn(99.9%) < 1 in fault", NULL },
	{ "burn(1h/5m) < 14.4", NULL },
	{ "burn( 99.9% ,1h / 5m ){load=x} <= 14.4", "burn(99.9%, 1h/5m){load=\"x\"} <= 14.4" },
	{ "burn(99.5%, 3d/6h) < 1", NULL },
	{ "warn latency.p99 <= 100ms in fault", NULL },
	{ "warn (cpu < 1 or rss < 1GB) and must cpu > 0 within 1s of base", NULL },
	{ "goroutines < 5000", NULL },
	{ "goroutines{site=\"orders.(*Server).query\", older=\"30s\"} == 0 at settle", NULL },
	{ "goroutines.count{stuck=true,older=30s,state=select,node=orders} == 0",
	  "goroutines.count{node=\"orders\", state=\"select\", older=\"30s\", stuck=true} == 0" },
	{ "goroutines.peak{label=\"route=/pay\",blocked_at=\"orders.go:93\"} <= 2 * base",
	  "goroutines.peak{blocked_at=\"orders.go:93\", label=\"route=/pay\"} <= 2 * base" },
	{ "goroutines.share{site=\"main.*\"} <= 50% in fault..settle", NULL },
	{ "goroutines.delta{stuck=\"false\"} <= 5 at hold", "goroutines.delta{stuck=false} <= 5 at hold" },
	{ "goroutines.growth{site=\"main.heartbeat\"} < 300% over 10s", NULL },
	{ "goroutines.slope{state=\"chan receive (nil chan)\"} <= 1/s in fault", NULL },
	{ "goroutines.leaked == 0", NULL },
	{ "goroutines.leaked{site=\"main.query\"} == 0 at settle", NULL },
	{ "goroutines.created <= 100/s in fault over 5s", NULL },
	{ "gc.cycles <= 10 in fault", NULL },
	{ "gc.pause.max <= 5ms in fault for 95% of 2s windows", NULL },
	{ "gc.pause.p99 <= 2 * base in fault", NULL },
	{ "gc.pause.total <= 50ms", NULL },
	{ "heap.live <= 85% of limit", NULL },
	{ "heap.live.peak <= 1.2 * base in settle", NULL },
	{ "heap.goal <= 200MiB at settle", NULL },
	{ "sched.latency.p99 <= 10ms in fault", NULL },
	{ "sched.runq <= 100 at hold", NULL },
	{ "sched.stw_pending == 0s", NULL },
	{ "  cpu\t<\n1  ", "cpu < 1" },
};
/* clang-format on */

static char *canonical(const char *text)
{
	struct bo_strbuf out = { 0 };
	struct bo_budget *b = NULL;
	struct bo_err err = { 0 };

	if (bo_budget_parse(&b, text, &err) < 0) {
		assert_int_equal(err.code, EINVAL);
		assert_null(b);
		return NULL;
	}
	bo_budget_print(b, &out);
	bo_budget_free(b);
	return out.buf;
}

static void test_round_trip(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
		const char *want = accepted[i].canonical ? accepted[i].canonical : accepted[i].text;
		char *once = canonical(accepted[i].text), *twice;

		if (strcmp(want, "!") == 0) {
			assert_null(once);
			continue;
		}
		if (!once)
			fail_msg("refused: %s", accepted[i].text);
		assert_string_equal(once, want);
		twice = canonical(once);
		assert_non_null(twice);
		assert_string_equal(once, twice);
		free(once);
		free(twice);
	}
}

/* clang-format off */
static const struct {
	const char *text;
	const char *message;
} refused[] = {
	{ "", "column 1: expected a metric (such as latency.p99), found the end" },
	{ "p99 <= 1s", "column 1: unknown metric 'p99'; did you mean 'latency.p99'?" },
	{ "latncy.p99 <= 1s", "column 1: unknown metric 'latncy.p99'; did you mean 'latency.p99'?" },
	{ "goroutine.count < 5", "column 1: unknown metric 'goroutine.count'; did you mean 'goroutines.count'?" },
	{ "conns <= 20", "column 1: unknown metric 'conns'" },
	{ "latency.p100 <= 1s", "column 1: unknown percentile 'latency.p100'; above 0 and below 100" },
	{ "latency.p9x <= 1s", "column 1: unknown percentile 'latency.p9x'" },
	{ "latency.p99 250ms", "column 13: expected a comparison (<= < >= > ==), found '250ms'" },
	{ "latency.p99 = 250ms", "column 13: expected a comparison (<= < >= > ==), found '='" },
	{ "latency.p99 != 250ms", "column 13: unexpected '!'; comparisons are <= < >= > ==" },
	{ "latency.p99 <=", "column 15: expected a limit (a quantity, 'base' or 'timeout'), found the end" },
	{ "latency.p99 <= bas", "did you mean 'base'?" },
	{ "latency.p99 <= 250", "column 16: " },
	{ "latency.p99 <= 250MiB", "column 16: " },
	{ "errors.ratio <= 5ms", "column 17: " },
	{ "latency.p99 <= -5ms", "column 16: a limit of '-5ms' is below 0" },
	{ "errors.ratio <= 150%", "column 17: errors.ratio is between 0% and 100%, not '150%'" },
	{ "goroutines.count < 5ms", "column 20: expected a plain number, found '5ms'" },
	{ "goroutines.count < inf", "column 20: expected a limit (a quantity, 'base' or 'timeout'), found 'inf'" },
	{ "latency.p99 <= 250ms in", "column 24: expected a phase (base, fault, hold, heal, settle) after 'in', found the end" },
	{ "latency.p99 <= 250ms in fualt", "found 'fualt'; did you mean 'fault'?" },
	{ "latency.p99 <= 250ms in heal..base", "column 22: phase 'heal' comes after 'base'" },
	{ "latency.p99 <= 250ms in warmup", "column 22: warmup is never judged" },
	{ "latency.p99 <= 250ms in hold", "column 22: no load runs in phase 'hold', so latency.p99 has nothing to judge there" },
	{ "latency.p99 <= 250ms at fault", "column 22: 'at' wants a sampled value; write 'latency.p99 … in fault'" },
	{ "latency.p99 <= 250ms in fault in heal", "column 31: the phase was given already (column 22)" },
	{ "latency.p99 <= 250ms in fault over 5s", "column 31: 'over' is for goroutines.growth, goroutines.slope and goroutines.created" },
	{ "latency.p99 == 250ms", "column 13: '==' makes no sense for latency.p99; use <= or >=" },
	{ "errors.ratio == 1%", "column 14: '==' is for errors.ratio of 0% and 100%; use <= or >=" },
	{ "latency.p99 <= 2.5 * bose", "column 22: expected 'base' or 'timeout' after '*', found 'bose'; did you mean 'base'?" },
	{ "latency.p99 <= 250ms * base", "column 16: expected a plain number to multiply with, found '250ms'" },
	{ "latency.p99 <= 2 * base in base", "column 16: base is compared with itself; name a later phase" },
	{ "latency.p99 <= 85% of limit", "column 16: 'of limit' is for memory.usage, memory.peak, rss and heap.live" },
	{ "memory.usage <= 85 of limit", "column 17: expected a percentage before 'of', found '85'" },
	{ "memory.usage <= 85% of lmit", "found 'lmit'; did you mean 'limit'?" },
	{ "goroutines.delta <= 2 * base", "column 21: goroutines.delta cannot be compared with base" },
	{ "errors.count <= 2 * base in fault", "column 17: errors.count cannot be compared with base" },
	{ "recovery <= 3s in heal", "column 16: recovery is about the whole run; it takes no phase" },
	{ "recovery{node=x} <= 3s", "column 9: recovery has no {node=…}" },
	{ "latency.p99{node=\"x\"} <= 3s", "column 12: latency.p99 has no {node=…}" },
	{ "oom.kills{load=x} == 0", "column 10: oom.kills has no {load=…}" },
	{ "errors.ratio{clas=x} == 0", "expected node, load, route, class, fault, site, state, blocked_at, label, older or stuck, found 'clas'; did you mean 'class'?" },
	{ "goroutines{sit=x} == 0", "found 'sit'; did you mean 'site'?" },
	{ "goroutines{older=soon} == 0", "column 18: " },
	{ "goroutines{older=30} == 0", "column 18: " },
	{ "goroutines{older=1ns} == 0", "column 18: expected an age from 10ms to 24h, found '1ns'" },
	{ "goroutines{stuck=yes} == 0", "column 18: expected true or false after 'stuck=', found 'yes'" },
	{ "goroutines{stuck=true, stuck=false} == 0", "column 24: 'stuck' was given already" },
	{ "goroutines{site=\"\"} == 0", "expected a name" },
	{ "goroutines{load=x} == 0", "column 11: goroutines has no {load=…}" },
	{ "rss{site=x} < 1GB", "column 4: rss has no {site=…}; that selects goroutines" },
	{ "latency.p99{stuck=true} < 1s", "latency.p99 has no {stuck=…}; that selects goroutines" },
	{ "goroutines.created{site=x} < 1/s", "goroutines.created has no {site=…}" },
	{ "goroutines.share <= 50%", "column 1: goroutines.share wants to know of which" },
	{ "goroutines.share{site=x} == 50%", "'==' is for goroutines.share of 0% and 100%" },
	{ "goroutines.leaked == 0 in settle", "column 24: goroutines.leaked is told at an instant; write 'at settle'" },
	{ "goroutines.leaked == 0 at fault", "column 24: goroutines.leaked is told when load has ended; write 'at hold' or 'at settle'" },
	{ "goroutines.leaked{stuck=true} == 0", "finds out itself who is stuck; it has no {stuck=…}" },
	{ "goroutines.leaked{site=x, older=30s} == 0", "it has no {older=…}" },
	{ "goroutines.leaked <= 2 * base", "goroutines.leaked cannot be compared with base" },
	{ "goroutines.leakd == 0", "did you mean 'goroutines.leaked'?" },
	{ "gc.pause.pp <= 1ms", "unknown metric 'gc.pause.pp'; did you mean 'gc.pause.p99'?" },
	{ "gc.pause.max == 1ms", "'==' makes no sense for gc.pause.max" },
	{ "heap.live == 5MiB", "'==' makes no sense for heap.live" },
	{ "heap.goal <= 5ms", "column 14: " },
	{ "sched.runq <= 5ms", "column 15: expected a plain number" },
	{ "errors.ratio{class=rset} == 0", "column 13: unknown class 'rset'; did you mean 'reset'?" },
	{ "errors.ratio{class=reset,class=ok} == 0", "'class' was given already" },
	{ "errors.ratio{class=reset == 0", "column 26: expected ',' or '}', found '=='" },
	{ "errors.ratio{class=\"reset} == 0", "column 20: this string has no closing quote" },
	{ "errors.ratio{class=\"a\nb\"} == 0", "column 20: this string has a control character in it" },
	{ "errors.ratio <= 1% for 0% of 1s windows", "expected a share above 0% and up to 100% after 'for', found '0%'" },
	{ "errors.ratio <= 1% for 95% 1s windows", "column 28: expected 'of' (as in 'for 95% of 1s windows'), found '1s'" },
	{ "errors.ratio <= 1% for 95% of 1s", "expected 'windows', found the end" },
	{ "errors.ratio <= 1% for 95% of 0 windows", "expected the length of a window from 10ms to 24h, found '0'" },
	{ "errors.ratio <= 1% for 95% of 1ns windows", "from 10ms to 24h, found '1ns'" },
	{ "goroutines.delta <= 5 at hold for 95% of 1s windows", "column 31: goroutines.delta at an instant cannot be judged in windows" },
	{ "recovery <= 3s for 95% of 1s windows", "column 16: recovery cannot be judged in windows" },
	{ "cpu < 1 nad rss < 1GB", "column 9: expected 'in', 'at', 'over', 'for', 'sustained', 'and', 'or' or the end, found 'nad'; did you mean 'and'?" },
	{ "cpu < 1 and", "column 12: expected a metric (such as latency.p99), found the end" },
	{ "(cpu < 1", "column 9: expected ')', found the end" },
	{ "cpu < 1; rss < 1GB", "column 8: one budget per line" },
	{ "goroutines <= 2 * timeout", "column 15: goroutines is no time, so it cannot be compared with the timeout" },
	{ "latency.max <= 1.2 * timeot", "found 'timeot'; did you mean 'timeout'?" },
	{ "latency.max <= timeout + 5", "column 26: " },
	{ "latency.max <= -1 * timeout", "column 16: a negative multiple is no limit" },
	{ "latency.max <= 85% of tmeout", "expected 'limit', 'base' or 'timeout' after 'of', found 'tmeout'; did you mean 'timeout'?" },
	{ "cpu{route=x} < 1", "column 4: cpu has no {route=…}" },
	{ "latency.p99{fault=x} < 1s", "column 12: latency.p99 has no {fault=…}; that is for recovery and detect" },
	{ "latency.p99{rout=x} < 1s", "found 'rout'; did you mean 'route'?" },
	{ "errors.rate == 5/s", "'==' makes no sense for errors.rate" },
	{ "latency.p99 <= 1s sustained 2s", "column 29: expected 'for' (as in 'sustained for 2s'), found '2s'" },
	{ "latency.p99 <= 1s sustaind for 2s", "found 'sustaind'; did you mean 'sustained'?" },
	{ "latency.p99 <= 1s sustained for", "expected a duration after 'sustained for', found the end" },
	{ "latency.p99 <= 1s sustained for 1ms", "from 10ms to 24h, found '1ms'" },
	{ "latency.p99 <= 1s sustained for 2s sustained for 2s", "column 36: 'sustained' was given already" },
	{ "latency.p99 <= 1s for 95% of 1s windows sustained for 2s", "column 41: 'for … windows' and 'sustained for' exclude each other" },
	{ "errors.ratio == 0 sustained for 2s", "column 19: 'sustained for' wants" },
	{ "rss <= 1GB at hold sustained for 2s", "rss at an instant cannot be judged over time" },
	{ "recovery <= 1s sustained for 2s", "recovery cannot be judged over time" },
	{ "must cpu > 1", "column 13: expected 'within' (as in 'must … within 2s of fault'), found the end" },
	{ "must cpu > 1 withn 2s", "found 'withn'; did you mean 'within'?" },
	{ "must cpu > 1 in fault within 2s", "column 14: expected 'within'" },
	{ "must (cpu > 1 in fault) within 2s", "column 15: expected ')', found 'in'" },
	{ "must cpu > 1 within", "expected a duration after 'within', found the end" },
	{ "must cpu > 1 within 2s of falt", "expected a phase after 'of', found 'falt'; did you mean 'fault'?" },
	{ "must cpu > 1 within 2s of warmup", "column 24: warmup is never judged" },
	{ "must must cpu > 1 within 2s within 2s", "column 6: 'must' within 'must'" },
	{ "must recovery <= 3s within 2s", "column 6: 'must' cannot wait for recovery" },
	{ "must (cpu > 1 or oom.kills > 0) within 2s", "column 18: 'must' cannot wait for oom.kills" },
	{ "mst cpu > 1 within 2s", "unknown metric 'mst'" },
	{ "warn", "column 5: expected a metric (such as latency.p99), found the end" },
	{ "cpu < 1 and warn cpu < 2", "column 13: unknown metric 'warn'" },
	{ "burn() < 1", "column 6: expected a window such as 1h, found ')'" },
	{ "burn(100%) < 1", "column 6: expected a target above 0% and below 100%, found '100%'" },
	{ "burn(0%) < 1", "expected a target above 0% and below 100%, found '0%'" },
	{ "burn(5m/1h) < 1", "column 6: the window before '/' is the longer one: 1h/5m" },
	{ "burn(99.9%, 1h/) < 1", "column 16: expected a shorter window after '/', found ')'" },
	{ "burn(99.9%, 99.9%) < 1", "column 13: " },
	{ "burn(1h, 5m) < 1", "column 8: expected ')', found ','" },
	{ "burn(99.9% < 1", "column 12: expected ')', found '<'" },
	{ "burn(91d) < 1", "expected a window such as 1h from 10ms to 90d, found '91d'" },
	{ "cpu(1h) < 1", "column 4: expected a comparison" },
	{ "burn == 1", "'==' makes no sense for burn" },
	{ "burn < 2 * base", "burn cannot be compared with base" },
	{ "cpu < 1 $", "column 9: unexpected character '$'" },
	{ "cpu < 1 \x01", "column 9: unexpected byte 0x01" },
};
/* clang-format on */

static void test_messages(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct bo_budget *b = NULL;
		struct bo_err err = { 0 };

		if (bo_budget_parse(&b, refused[i].text, &err) != -EINVAL) {
			bo_budget_free(b);
			fail_msg("not refused: %s", refused[i].text);
		}
		if (!strstr(err.msg, refused[i].message))
			fail_msg("'%s'\n  says      %s\n  expected  %s", refused[i].text, err.msg,
				 refused[i].message);
		assert_int_equal(err.subsys, BO_SUBSYS_SLO);
	}
}

static void test_bounds(void **state)
{
	char text[SLO_MAX_TEXT + 64];
	struct bo_budget *b = NULL;
	struct bo_err err = { 0 };

	(void)state;
	memset(text, '(', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(bo_budget_parse(&b, text, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "at most 1024 bytes"));
	text[500] = '\0';
	assert_int_equal(bo_budget_parse(&b, text, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "nested more than 16 deep"));
	text[0] = '\0';
	for (int i = 0; i < 33; i++)
		strcat(text, i ? " and cpu < 1" : "cpu < 1");
	assert_int_equal(bo_budget_parse(&b, text, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "more than 32 comparisons"));
	assert_null(b);
	/* A NULL error is allowed, and freeing nothing too. */
	assert_int_equal(bo_budget_parse(&b, "x", NULL), -EINVAL);
	bo_budget_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
