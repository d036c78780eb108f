/* SPDX-License-Identifier: Apache-2.0 */
/* test_script_plan.c — what a scenario says is what the plan holds: every key, every default. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "test_script_support.h"

#define MS INT64_C(1000000)
#define S INT64_C(1000000000)

static void test_defaults(void **state)
{
	struct bo_plan *plan = script_load("local t = require('brownout').scenario 'least' {}\n"
					   "t:subject 'web' { command = { 'web' } }\n"
					   "t:load 'get' { url = 'http://web', rate = 5 }\n");
	const struct bo_node_spec *web = &plan->nodes.items[1];
	const struct bo_load_spec *load = &plan->loads.items[0];

	(void)state;
	assert_string_equal(plan->name, "least");
	assert_string_equal(plan->about, "");
	assert_int_equal(plan->seed, 1);
	assert_int_equal(plan->driver, BO_DRIVER_AUTO);
	assert_int_equal(plan->timeout_ns, 0);
	assert_int_equal(plan->src.line, 1);
	assert_int_equal(plan->phase_ns[BO_PHASE_WARMUP], 1 * S);
	assert_int_equal(plan->phase_ns[BO_PHASE_BASE], 5 * S);
	assert_int_equal(plan->phase_ns[BO_PHASE_FAULT], 10 * S);
	assert_int_equal(plan->phase_ns[BO_PHASE_HOLD], 0);
	assert_int_equal(plan->phase_ns[BO_PHASE_HEAL], 2 * S);
	assert_int_equal(plan->phase_ns[BO_PHASE_SETTLE], 3 * S);
	assert_string_equal(plan->scenario_dir, script_dir);
	assert_int_equal(plan->nodes.len, 2);
	assert_int_equal(plan->nodes.items[0].role, BO_ROLE_CLIENT);
	assert_int_equal(web->role, BO_ROLE_SUBJECT);
	assert_int_equal(web->kind, BO_NODE_COMMAND);
	assert_int_equal(web->ready.kind, BO_READY_NONE);
	assert_int_equal(web->memory_bytes + web->cpus_milli + web->pids, 0);
	assert_null(web->env);
	assert_null(web->cwd);
	assert_null(web->after);
	assert_false(web->probe.off);
	assert_int_equal(web->probe.interval_ns, 100 * MS);
	assert_string_equal(web->probe.expvar_key, "goroutines");
	assert_int_equal(web->src.line, 2);
	assert_int_equal(load->kind, BO_LOAD_REQUESTS);
	assert_int_equal(load->node, 1);
	assert_int_equal(load->port, 80);
	assert_string_equal(load->path, "/");
	assert_string_equal(load->method, "GET");
	assert_int_equal(load->arrivals, BO_ARRIVALS_CONSTANT);
	assert_int_equal(load->timeout_ns, 0);
	assert_int_equal(load->abandon_ns, 0);
	assert_int_equal(load->max_inflight, 1000);
	assert_true(load->keepalive);
	assert_null(load->body);
	assert_int_equal(load->nheaders, 0);
	assert_int_equal(plan->links.len, 1); /* client to web */
	assert_int_equal(plan->faults.len, 0);
	bo_plan_free(plan);
}

static void test_scenario(void **state)
{
	struct bo_plan *plan = script_load(
		"local t = require('brownout').scenario 'a.b_c-1' {\n"
		"  about = 'why', timeout = '1s', slo = { target = '99.9%', period = '7d' }, driver = 'wire', seed = 77,\n"
		"  phases = { warmup = '250ms', base = '1m30s', hold = 0, fault = '2s' },\n"
		"}\n"
		"t:subject 'web' { command = { 'web' } }\n"
		"t:budget 'errors.ratio <= 1%'\n"
		"t:guard 'errors.ratio > 50% for 5s'\n");

	(void)state;
	assert_string_equal(plan->name, "a.b_c-1");
	assert_string_equal(plan->about, "why");
	assert_int_equal(plan->timeout_ns, 1 * S);
	assert_true(plan->slo_target > 0.99899 && plan->slo_target < 0.99901);
	assert_int_equal(plan->slo_period_ns, 7 * 86400 * S);
	assert_int_equal(plan->driver, BO_DRIVER_WIRE);
	assert_int_equal(plan->seed, 77);
	assert_int_equal(plan->phase_ns[BO_PHASE_WARMUP], 250 * MS);
	assert_int_equal(plan->phase_ns[BO_PHASE_BASE], 90 * S);
	assert_int_equal(plan->phase_ns[BO_PHASE_FAULT], 2 * S);
	assert_int_equal(bo_plan_total(plan), 92 * S + 250 * MS);
	assert_int_equal(plan->budgets.len, 1);
	assert_string_equal(plan->budgets.items[0].text, "errors.ratio <= 1%");
	assert_int_equal(plan->budgets.items[0].src.line, 6);
	assert_string_equal(plan->budgets.items[0].src.file, plan->scenario_path);
	assert_int_equal(plan->guards.len, 1);
	assert_string_equal(plan->guards.items[0].text, "errors.ratio > 50% for 5s");
	assert_int_equal(plan->guards.items[0].src.line, 7);
	assert_string_equal(plan->guards.items[0].src.file, plan->scenario_path);
	assert_non_null(strstr(plan->scenario_text, "about = 'why'"));
	bo_plan_free(plan);
}

static void test_node(void **state)
{
	struct bo_plan *plan = script_load(
		SCRIPT_HEAD
		"t:dependency 'cache' {\n"
		"  command = { 'redis', 6379, 1.5 }, env = { B = 'two', A = 1 }, cwd = 'data',\n"
		"  memory = '64MiB', cpus = 0.5, pids = 20, after = { 'db' }, probes = true,\n"
		"  ready = bo.log('Ready|listening', { deadline = '3s' }),\n"
		"}\n"
		"t:subject 'api' { command = { '/bin/api' }, cwd = '/srv', probes = false,\n"
		"  ready = bo.http 'http://api:8080/healthz' }\n"
		"t:dependency 'pg' { command = { 'pg' }, ready = bo.command({ 'pg_isready', '-q' }, { deadline = '1m' }),\n"
		"  probes = { pprof = 'http://pg:6060/debug/pprof', expvar = 'http://pg/debug/vars',\n"
		"             expvar_goroutines = 'num', metrics = 'http://pg:9187/metrics', interval = '20ms' } }\n");
	const struct bo_node_spec *cache = &plan->nodes.items[3], *api = &plan->nodes.items[4];
	const struct bo_node_spec *pg = &plan->nodes.items[5];
	char cwd[128];

	(void)state;
	snprintf(cwd, sizeof(cwd), "%s/data", script_dir);
	assert_string_equal(cache->argv[0], "redis");
	assert_string_equal(cache->argv[1], "6379");
	assert_string_equal(cache->argv[2], "1.5");
	assert_null(cache->argv[3]);
	assert_string_equal(cache->env[0], "A=1"); /* in order, whatever Lua's tables do */
	assert_string_equal(cache->env[1], "B=two");
	assert_null(cache->env[2]);
	assert_string_equal(cache->cwd, cwd);
	assert_int_equal(cache->memory_bytes, 64 << 20);
	assert_int_equal(cache->cpus_milli, 500);
	assert_int_equal(cache->pids, 20);
	assert_string_equal(cache->after[0], "db");
	assert_null(cache->after[1]);
	assert_false(cache->probe.off);
	assert_int_equal(cache->ready.kind, BO_READY_LOG);
	assert_string_equal(cache->ready.pattern, "Ready|listening");
	assert_int_equal(cache->ready.deadline_ns, 3 * S);
	assert_int_equal(cache->ready.src.line, 8);
	assert_int_equal(cache->src.line, 5);
	assert_string_equal(api->cwd, "/srv");
	assert_true(api->probe.off);
	assert_int_equal(api->ready.kind, BO_READY_HTTP);
	assert_string_equal(api->ready.url, "http://api:8080/healthz");
	assert_int_equal(api->ready.port, 8080);
	assert_int_equal(api->ready.deadline_ns, 10 * S);
	assert_int_equal(pg->ready.kind, BO_READY_COMMAND);
	assert_string_equal(pg->ready.argv[1], "-q");
	assert_null(pg->ready.argv[2]);
	assert_int_equal(pg->ready.deadline_ns, 60 * S);
	assert_string_equal(pg->probe.pprof_url, "http://pg:6060/debug/pprof");
	assert_string_equal(pg->probe.expvar_url, "http://pg/debug/vars");
	assert_string_equal(pg->probe.expvar_key, "num");
	assert_string_equal(pg->probe.metrics_url, "http://pg:9187/metrics");
	assert_int_equal(pg->probe.interval_ns, 20 * MS);
	assert_true(plan->nodes.items[1].probe.off); /* a dependency, unless it asks for it */
	bo_plan_free(plan);
}

static void test_stub(void **state)
{
	struct bo_plan *plan = script_load(
		SCRIPT_HEAD
		"t:dependency 'pay' (bo.stub { protocol = 'tcp', port = 9, delay = '20ms', mode = 'stall', body = 'hi',\n"
		"                              memory = '32MiB' })\n"
		"t:dependency 'mail' (bo.stub { port = 25, status = 503, ready = bo.tcp(25, { deadline = '1s' }) })\n");
	const struct bo_node_spec *db = &plan->nodes.items[1], *pay = &plan->nodes.items[3];
	const struct bo_node_spec *mail = &plan->nodes.items[4];

	(void)state;
	assert_int_equal(db->kind, BO_NODE_STUB);
	assert_int_equal(db->stub.proto, BO_STUB_HTTP);
	assert_int_equal(db->stub.mode, BO_STUB_OK);
	assert_int_equal(db->stub.status, 200);
	assert_string_equal(db->stub.body, "ok");
	assert_int_equal(db->ready.kind, BO_READY_TCP);
	assert_int_equal(db->ready.port, 80);
	assert_int_equal(pay->stub.proto, BO_STUB_TCP);
	assert_int_equal(pay->stub.mode, BO_STUB_STALL);
	assert_int_equal(pay->stub.delay_ns, 20 * MS);
	assert_int_equal(pay->stub.port, 9);
	assert_string_equal(pay->stub.body, "hi");
	assert_int_equal(pay->memory_bytes, 32 << 20);
	assert_int_equal(mail->stub.status, 503);
	assert_int_equal(mail->ready.deadline_ns, 1 * S);
	bo_plan_free(plan);
}

static void test_load(void **state)
{
	struct bo_plan *plan = script_load(
		SCRIPT_HEAD
		"t:load 'buy' { url = 'http://web:8080/buy?x=1', rate = '30/m', arrivals = 'poisson', method = 'POST',\n"
		"  headers = { ['X-B'] = 'two', Accept = 'text/plain', ['X-N'] = 7 }, body = 'data', timeout = '5s',\n"
		"  keepalive = false, max_inflight = 9, abandon = '200ms' }\n"
		"t:load 'ws' { url = 'http://later?q', hold = { count = 2000, time = '5s', vanish = true } }\n"
		"t:dependency 'later' { command = { 'later' } }\n");
	const struct bo_load_spec *buy = &plan->loads.items[0], *ws = &plan->loads.items[1];

	(void)state;
	assert_int_equal(buy->node, 2);
	assert_int_equal(buy->port, 8080);
	assert_string_equal(buy->path, "/buy?x=1");
	assert_true(buy->rate_per_s > 0.4999 && buy->rate_per_s < 0.5001);
	assert_int_equal(buy->arrivals, BO_ARRIVALS_POISSON);
	assert_string_equal(buy->method, "POST");
	assert_int_equal(buy->nheaders, 3);
	assert_string_equal(buy->headers[0].name, "Accept");
	assert_string_equal(buy->headers[1].name, "X-B");
	assert_string_equal(buy->headers[1].value, "two");
	assert_string_equal(buy->headers[2].value, "7");
	assert_string_equal(buy->body, "data");
	assert_int_equal(buy->timeout_ns, 5 * S);
	assert_false(buy->keepalive);
	assert_int_equal(buy->max_inflight, 9);
	assert_int_equal(buy->abandon_ns, 200 * MS);
	assert_int_equal(ws->kind, BO_LOAD_HOLD);
	assert_int_equal(ws->node, 3); /* declared after the load that names it */
	assert_string_equal(ws->path, "/?q");
	assert_int_equal(ws->hold_count, 2000);
	assert_int_equal(ws->hold_ns, 5 * S);
	assert_true(ws->vanish);
	assert_true(ws->rate_per_s == 2000);
	assert_int_equal(ws->max_inflight, 2000);
	bo_plan_free(plan);
}

static void test_faults(void **state)
{
	struct bo_plan *plan = script_load(
		SCRIPT_HEAD
		"local link = t:link('web', db)\n"
		"local slow = link:delay('50ms', { toward = db, jitter = 5, on = true })\n"
		"t:during('fault', slow, link:loss { ratio = '2%' }, { after = '2s', lasts = '3s' })\n"
		"t:during('fault', 'hold', slow, db:kill())\n"
		"t:during('base', t:link(t.client, 'web'):anything_new())\n");
	const struct bo_fault_spec *f = plan->faults.items;

	(void)state;
	assert_int_equal(plan->faults.len, 5);
	assert_string_equal(f[0].kind, "delay");
	assert_string_equal(f[0].id, "delay db-web #1");
	assert_int_equal(f[0].target, BO_TARGET_LINK);
	assert_int_equal(f[0].index, bo_plan_link(plan, 1, 2));
	assert_int_equal(f[0].nargs, 4);
	assert_string_equal(bo_arg_find(&f[0], "")->str, "50ms");
	assert_string_equal(bo_arg_find(&f[0], "toward")->str,
			    "db"); /* a handle becomes its name */
	assert_int_equal(bo_arg_find(&f[0], "jitter")->type, BO_ARG_NUMBER);
	assert_true(bo_arg_find(&f[0], "jitter")->num == 5);
	assert_int_equal(bo_arg_find(&f[0], "on")->type, BO_ARG_BOOL);
	assert_true(bo_arg_find(&f[0], "on")->boolean);
	assert_int_equal(f[0].from, BO_PHASE_FAULT);
	assert_int_equal(f[0].to, BO_PHASE_FAULT);
	assert_int_equal(f[0].after_ns, 2 * S);
	assert_int_equal(f[0].lasts_ns, 3 * S);
	assert_int_equal(f[0].src.line,
			 6); /* where it was made, which is where its arguments are */
	assert_string_equal(f[1].id, "loss db-web #1");
	assert_int_equal(f[1].after_ns, 2 * S);
	assert_string_equal(f[2].id, "delay db-web #2"); /* one value, scheduled twice */
	assert_int_equal(f[2].to, BO_PHASE_HOLD);
	assert_int_equal(f[2].after_ns, 0);
	assert_int_equal(f[2].lasts_ns, 0);
	assert_string_equal(f[3].id, "kill db #1");
	assert_int_equal(f[3].target, BO_TARGET_NODE);
	assert_int_equal(f[3].index, 1);
	assert_int_equal(f[3].nargs, 0);
	assert_string_equal(f[4].kind,
			    "anything_new"); /* the registry's business, not the script's */
	assert_string_equal(f[4].id, "anything_new client-web #1");
	bo_plan_free(plan);
}

static void test_links(void **state)
{
	struct bo_plan *plan = script_load(SCRIPT_HEAD
					   "t:dependency 'c' { command = { 'c' } }\n"
					   "t:load 'get' { url = 'http://web/', rate = 1 }\n"
					   "t:link(t.client, db)\n");

	(void)state;
	assert_int_equal(plan->links.len, 5);
	assert_true(bo_plan_link(plan, 1, 2) >= 0);
	assert_true(bo_plan_link(plan, 1, 3) >= 0);
	assert_true(bo_plan_link(plan, 2, 3) >= 0);
	assert_true(bo_plan_link(plan, 0, 2) >= 0); /* loaded */
	assert_true(bo_plan_link(plan, 0, 1) >= 0); /* named */
	assert_int_equal(bo_plan_link(plan, 0, 3), -1);
	bo_plan_free(plan);
}

static struct bo_plan *load_with(const char *text, struct bo_script_options options)
{
	struct bo_plan *plan = NULL;
	struct bo_err err = { 0 };

	script_write("s.lua", text, strlen(text));
	if (script_load_file(&plan, "s.lua", options, &err))
		fail_msg("%s", err.msg);
	return plan;
}

static void test_params(void **state)
{
	static const struct bo_script_set sets[] = {
		{ "rate", "250" }, { "about", "x y" }, { "fast", "yes" },
		{ "plain", "p" },  { "rate", "300" },
	};
	static const char text[] =
		"local bo = require 'brownout'\n"
		"local t = bo.scenario 'x' { about = bo.param('about', 'dflt') .. bo.params.plain .. tostring(bo.params.no) }\n"
		"t:subject 'web' { command = { 'web', tostring(bo.param('fast', false)), bo.param('other', 'd') } }\n"
		"t:load 'get' { url = 'http://web/', rate = bo.param('rate', 5) }\n";
	struct bo_plan *plan = load_with(text,
					 (struct bo_script_options){ .sets = sets, .nsets = 5 });

	(void)state;
	assert_string_equal(plan->about, "x ypnil");
	assert_string_equal(plan->nodes.items[1].argv[1], "true");
	assert_string_equal(plan->nodes.items[1].argv[2], "d");
	assert_true(plan->loads.items[0].rate_per_s == 300); /* the last one wins */
	bo_plan_free(plan);
	script_reject_with(text, (struct bo_script_options){ .sets = sets, .nsets = 1 },
			   "2: attempt to concatenate");
	script_reject_with(SCRIPT_HEAD, (struct bo_script_options){ .sets = sets, .nsets = 1 },
			   "2: --set rate: the scenario reads no such parameter");
}

static void test_seed(void **state)
{
	static const char text[] =
		"local early = math.random(1, 1 << 30)\n"
		"local t = require('brownout').scenario 'x' { seed = 5 }\n"
		"t:subject 'web' { command = { 'web', tostring(math.random(1, 1 << 30)), tostring(early) } }\n";
	struct bo_plan *a = load_with(text, (struct bo_script_options){ 0 });
	struct bo_plan *b = load_with(text, (struct bo_script_options){ .default_seed = 9 });
	struct bo_plan *c = load_with(text, (struct bo_script_options){ .seed = 6 });
	struct bo_plan *d = load_with(SCRIPT_HEAD, (struct bo_script_options){ .default_seed = 9 });

	(void)state;
	assert_int_equal(a->seed, 5);
	assert_int_equal(b->seed, 5); /* the scenario's own wins over a default */
	assert_int_equal(c->seed, 6); /* and loses to the command line */
	assert_int_equal(d->seed, 9);
	assert_string_equal(a->nodes.items[1].argv[1], b->nodes.items[1].argv[1]);
	assert_string_not_equal(a->nodes.items[1].argv[1], c->nodes.items[1].argv[1]);
	assert_string_equal(a->nodes.items[1].argv[2], c->nodes.items[1].argv[2]);
	bo_plan_free(a);
	bo_plan_free(b);
	bo_plan_free(c);
	bo_plan_free(d);
}

/* A mistake that the scenario itself catches leaves nothing behind in the plan. */
static void test_caught_mistake(void **state)
{
	struct bo_plan *plan = script_load(
		SCRIPT_HEAD
		"assert(not pcall(function() t:subject 'web' { command = { 'again' } } end))\n"
		"assert(not pcall(function() t:dependency 'c' { command = { 'c' }, memory = 'much' } end))\n"
		"assert(not pcall(function() t:load 'l' { url = 'http://web/', rate = 'x' } end))\n"
		"local kill = db:kill()\n"
		"assert(not pcall(function() t:during('fault', kill, 5) end))\n"
		"assert(not pcall(t.budget, t, 5))\n"
		"assert(not pcall(t.guard, t, 5))\n"
		"t:during('hold', kill)\n");

	(void)state;
	assert_int_equal(plan->nodes.len, 3);
	assert_int_equal(plan->loads.len, 0);
	assert_int_equal(plan->budgets.len, 0);
	assert_int_equal(plan->guards.len, 0);
	assert_int_equal(plan->faults.len, 1);
	assert_int_equal(plan->faults.items[0].from, BO_PHASE_HOLD);
	bo_plan_free(plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_scenario),
		cmocka_unit_test(test_node),     cmocka_unit_test(test_stub),
		cmocka_unit_test(test_load),     cmocka_unit_test(test_faults),
		cmocka_unit_test(test_links),    cmocka_unit_test(test_params),
		cmocka_unit_test(test_seed),     cmocka_unit_test(test_caught_mistake),
	};

	return cmocka_run_group_tests(tests, script_setup, script_teardown);
}
