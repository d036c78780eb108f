/* SPDX-License-Identifier: Apache-2.0 */
/* test_script_attach.c — t:attach and svc:peer: what they say is what the plan holds, and what they must not say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "test_script_support.h"

#define S INT64_C(1000000000)
#define HEAD                              \
	"local bo = require 'brownout'\n" \
	"local t = bo.scenario 'x' { phases = { base = '5s', fault = '10s', hold = '4s' } }\n"

static void test_everything(void **state)
{
	struct bo_plan *plan = script_load(
		HEAD
		"local svc = t:attach 'orders' { netns = '/run/netns/orders', interface = 'eth0',\n"
		"  address = '10.0.0.7', allow = { 'gateway', 'kill' }, ttl = '1m', probes = false }\n"
		"local db = svc:peer 'db' { address = '10.0.0.5', port = 5432 }\n"
		"local dns = svc:peer 'dns' { address = 'fd00::53', port = 53, protocol = 'udp' }\n"
		"local any = svc:peer 'any' { address = '10.0.0.9' }\n"
		"t:during('fault', t:link(svc, db):delay '200ms', svc:pause())\n"
		"t:load 'get' { url = 'http://orders:8080/', rate = 5 }\n");
	const struct bo_node_spec *svc = &plan->nodes.items[1], *db = &plan->nodes.items[2],
				  *dns = &plan->nodes.items[3], *any = &plan->nodes.items[4];

	(void)state;
	assert_true(bo_plan_attached(plan));
	assert_int_equal(svc->kind, BO_NODE_ATTACHED);
	assert_int_equal(svc->role, BO_ROLE_SUBJECT);
	assert_string_equal(svc->attach->netns, "/run/netns/orders");
	assert_string_equal(svc->attach->interface, "eth0");
	assert_string_equal(svc->attach->address, "10.0.0.7");
	assert_int_equal(svc->attach->allow, BO_ATTACH_ALLOW_GATEWAY | BO_ATTACH_ALLOW_KILL);
	assert_int_equal(svc->attach->ttl_ns, 60 * S);
	assert_true(svc->probe.off);
	assert_int_equal(db->kind, BO_NODE_PEER);
	assert_int_equal(db->role, BO_ROLE_DEPENDENCY);
	assert_int_equal(db->peer_of, 1);
	assert_int_equal(db->peer->port, 5432);
	assert_int_equal(db->peer->protocol, IPPROTO_TCP);
	assert_int_equal(dns->peer->protocol, IPPROTO_UDP);
	assert_int_equal(any->peer->protocol, 0);
	/* a link for each peer, and none to the client */
	assert_int_equal(plan->links.len, 3);
	for (size_t i = 0; i < plan->links.len; i++)
		assert_int_equal(plan->links.items[i].a, 1);
	bo_plan_free(plan);
}

static void test_ttl_follows_the_longest_fault(void **state)
{
	struct bo_plan *plan = script_load(
		HEAD
		"local a = t:attach 'a' { pid = 7 }\n"
		"local b = t:attach 'b' { pid = 8 }\n"
		"t:during('fault', 'hold', t:link(a, a:peer 'db' { address = '10.0.0.5' }):blackhole())\n"
		"t:during('fault', t:link(b, b:peer 'db2' { address = '10.0.0.5' }):blackhole())\n");

	(void)state;
	assert_int_equal(plan->nodes.items[1].attach->ttl_ns, 24 * S);
	assert_int_equal(plan->nodes.items[2].attach->ttl_ns, 20 * S);
	bo_plan_free(plan);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *text, *want;
	} bad[] = {
		{ "t:attach 'a' {}",
		  "3: t:attach 'a': expected one of pid = 123, netns = \"/run/netns/orders\" and container = \"name or id\"" },
		{ "t:attach 'a' { pid = 1, container = '0123456789ab' }",
		  "3: t:attach 'a': expected one of pid = 123, netns = \"/run/netns/orders\" and container = \"name or id\"" },
		{ "t:attach 'a' { pid = 1, allow = { 'gatway' } }",
		  "3: t:attach 'a': allow: expected host, ssh, gateway, loopback, wide or kill, found \"gatway\"; did you mean 'gateway'?" },
		{ "t:attach 'a' { pid = 1, address = 'db' }",
		  "3: t:attach 'a': address: expected an IPv4 address, as in \"10.0.0.7\", found \"db\"" },
		{ "t:attach 'a' { netns = 'orders' }",
		  "3: t:attach 'a': netns: expected an absolute path, as in \"/run/netns/orders\", found \"orders\"" },
		{ "t:attach 'a' { netns = '/run/netns/a b' }",
		  "3: t:attach 'a': netns: expected 1 to 255 characters without blanks, found \"/run/netns/a b\"" },
		{ "t:attach 'a' { pid = 1 }:peer 'db' {}",
		  "3: peer 'db': address is missing, as in address = \"10.0.0.5\"" },
		{ "t:attach 'a' { pid = 1 }:peer 'db' { address = 'db.example' }",
		  "3: peer 'db': address: expected an IP address (names are not resolved), as in \"10.0.0.5\" or \"fd00::5\", found \"db.example\"" },
		{ "t:attach 'a' { pid = 1 }:peer 'db' { address = '10.0.0.5', port = 1, protocol = 'any' }",
		  "3: peer 'db': a port needs protocol = \"tcp\" or \"udp\"" },
		{ "t:attach 'a' { pid = 1 }:peer 'db'",
		  "3: svc:peer \"db\" has no table; write svc:peer \"db\" { … }" },
		{ "t:subject 'a' { command = { 'x' } }:peer 'db' { address = '10.0.0.5' }",
		  "3: peer: only a service that t:attach names has peers; in a lab, use t:dependency" },
		{ "t:attach 'a' { pid = 1 }\nt:dependency 'db' (bo.stub { port = 80 })",
		  "4: dependency 'db': a scenario that attaches to running services starts none of its own; write two scenarios" },
		{ "t:attach 'a' { pid = 1 }\nt:load 'l' { url = 'http://a', rate = 1 }",
		  "4: load 'l': 'a' has no address to send requests to; give t:attach an address = \"10.0.0.7\"" },
		{ "local a = t:attach 'a' { pid = 1 }\nt:during('fault', t:link(t.client, a):blackhole())",
		  "4: blackhole: expected a service and a peer of its own, as in t:link(svc, db); 'client' and 'a' are not" },
		{ "local a, b = t:attach 'a' { pid = 1 }, t:attach 'b' { pid = 2 }\nlocal db = a:peer 'db' { address = '10.0.0.5' }\n"
		  "t:during('fault', t:link(b, db):blackhole())",
		  "5: blackhole: expected a service and a peer of its own, as in t:link(svc, db); 'b' and 'db' are not" },
		{ "local a = t:attach 'a' { pid = 1, ttl = '9s' }\nt:during('fault', t:link(a, a:peer 'db' { address = '10.0.0.5' }):blackhole())",
		  "3: t:attach 'a': ttl: expected more than the longest of its faults (10.0s) and at most 1h, found 9.00s" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char text[1024];

		snprintf(text, sizeof(text), HEAD "%s\n", bad[i].text);
		script_reject(text, bad[i].want);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_ttl_follows_the_longest_fault),
		cmocka_unit_test(test_mistakes),
	};

	return cmocka_run_group_tests(tests, script_setup, script_teardown);
}
