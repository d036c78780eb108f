/* SPDX-License-Identifier: Apache-2.0 */
/* script/bind_attach.c — t:attach and svc:peer: services that run already, and whom they talk to. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/base/nearest.h"
#include "brownout/base/units.h"
#include "script-internal.h"

/* --- t:attach ----------------------------------------------------------------------------------- */

static void lx_copy(const struct lx_table *t, const char *key, char *to, size_t size)
{
	const char *text = NULL;

	if (!lx_read_string(t, key, &text))
		return;
	if (!*text || strlen(text) >= size || text[strcspn(text, " \t\r\n")])
		lx_fail(t->L,
			"%s: %s: expected 1 to %zu characters without blanks, found \"%.60s\"",
			t->what, key, size - 1, text);
	memcpy(to, text, strlen(text) + 1);
}

static void lx_read_allow(const struct lx_table *t, struct bo_attach_spec *a)
{
	const char *words[BO_ATTACH_ALLOW_COUNT + 1] = { NULL };
	const char *const *given;
	char what[160], hint[96];
	size_t n = 0;

	for (unsigned int bit = 0; bit < BO_ATTACH_ALLOW_COUNT; bit++)
		words[bit] = bo_attach_allow_name(bit);
	if (!lx_table_get(t, "allow"))
		return;
	snprintf(what, sizeof(what), "%s: allow", t->what);
	given = lx_strings(t->L, -1, what, "allow = { \"gateway\" }", &n);
	lua_pop(t->L, 1);
	for (size_t i = 0; i < n; i++) {
		unsigned int bit = 0;

		while (words[bit] && strcmp(words[bit], given[i]) != 0)
			bit++;
		if (!words[bit])
			lx_fail(t->L,
				"%s: expected host, ssh, gateway, loopback, wide or kill, found "
				"\"%.60s\"%s",
				what, given[i],
				bo_nearest_hint(given[i], words, hint, sizeof(hint)));
		a->allow |= 1u << bit;
	}
}

static void lx_check_attach(const struct lx_table *t, const struct bo_attach_spec *a)
{
	struct in_addr in;

	if (!!a->pid + !!a->netns[0] + !!a->container[0] != 1)
		lx_fail(t->L,
			"%s: expected one of pid = 123, netns = \"/run/netns/orders\" and container = "
			"\"name or id\"",
			t->what);
	if (a->netns[0] && a->netns[0] != '/')
		lx_fail(t->L,
			"%s: netns: expected an absolute path, as in \"/run/netns/orders\", found "
			"\"%.60s\"",
			t->what, a->netns);
	if (a->address[0] && inet_pton(AF_INET, a->address, &in) != 1)
		lx_fail(t->L,
			"%s: address: expected an IPv4 address, as in \"10.0.0.7\", found \"%.40s\"",
			t->what, a->address);
}

/* core.attach(name, table): declares a service that runs already and returns its handle */
static int lx_core_attach(lua_State *L)
{
	static const char *const keys[] = { "pid",   "netns", "container", "interface", "address",
					    "allow", "ttl",   "probes",    NULL };
	struct bo_plan *plan = lx_script(L)->plan;
	struct bo_node_spec node = { .src = lx_src(L),
				     .role = BO_ROLE_SUBJECT,
				     .kind = BO_NODE_ATTACHED };
	struct bo_attach_spec *a = lx_alloc(L, sizeof(*a));
	struct lx_table t;
	int64_t pid;

	lx_node_name_check(L, luaL_checkstring(L, 1));
	if (plan->nodes.len > BO_SCRIPT_MAX_NODES)
		lx_fail(L, "more than %d nodes", BO_SCRIPT_MAX_NODES);
	node.name = lx_strdup(L, lua_tostring(L, 1));
	node.attach = a;
	lx_table_open(L, 2, &t, keys, "{ pid = 123 }", "t:attach '%s'", node.name);
	if (lx_read_count(&t, "pid", 1, INT32_MAX, &pid))
		a->pid = (int32_t)pid;
	lx_copy(&t, "netns", a->netns, sizeof(a->netns));
	lx_copy(&t, "container", a->container, sizeof(a->container));
	lx_copy(&t, "interface", a->interface, sizeof(a->interface));
	lx_copy(&t, "address", a->address, sizeof(a->address));
	lx_read_allow(&t, a);
	(void)lx_read_duration(&t, "ttl", BO_NSEC_PER_SEC, BO_ATTACH_TTL_MAX_NS, &a->ttl_ns);
	lx_read_probes(&t, &node);
	lx_check_attach(&t, a);
	if (!bo_vec_push(&plan->nodes, node))
		lx_fail_memory(L);
	lx_handle_push(L, HANDLE_NODE, (int)plan->nodes.len - 1);
	return 1;
}

/* --- svc:peer ----------------------------------------------------------------------------------- */

static void lx_read_peer(const struct lx_table *t, struct bo_attach_peer *peer)
{
	static const char *const protocols[] = { "tcp", "udp", "any", NULL };
	static const uint8_t numbers[] = { IPPROTO_TCP, IPPROTO_UDP, 0 };
	const char *address = NULL;
	struct bo_err err = { 0 };
	int protocol = 0;
	int64_t port = 0;
	bool said;

	if (!lx_read_string(t, "address", &address))
		lx_fail(t->L, "%s: address is missing, as in address = \"10.0.0.5\"", t->what);
	if (bo_attach_peer_parse(address, peer, &err) < 0)
		lx_fail(t->L, "%s: address: %s", t->what, err.msg);
	(void)lx_read_count(t, "port", 1, 65535, &port);
	said = lx_read_choice(t, "protocol", protocols, &protocol);
	if (!said && !port)
		protocol = 2;
	if (port && !numbers[protocol])
		lx_fail(t->L, "%s: a port needs protocol = \"tcp\" or \"udp\"", t->what);
	peer->port = (uint16_t)port;
	peer->protocol = numbers[protocol];
}

/* what svc:peer "name" returns, called with its table; upvalues: the service's index, the name, the open word */
static int lx_peer_declare(lua_State *L)
{
	static const char *const keys[] = { "address", "port", "protocol", NULL };
	struct script *script = lx_script(L);
	struct bo_plan *plan = script->plan;
	struct bo_attach_peer *peer = lx_alloc(L, sizeof(*peer));
	struct bo_node_spec node = { .src = lx_src(L),
				     .role = BO_ROLE_DEPENDENCY,
				     .kind = BO_NODE_PEER,
				     .peer = peer,
				     .peer_of = (int)lua_tointeger(L, lua_upvalueindex(1)) };
	int peers = 0;
	struct lx_table t;

	node.name = lx_strdup(L, lua_tostring(L, lua_upvalueindex(2)));
	script->open.items[lua_tointeger(L, lua_upvalueindex(3))].closed = true;
	lx_node_name_check(L, node.name);
	lx_table_open(L, 1, &t, keys, "{ address = \"10.0.0.5\", port = 5432 }", "peer '%s'",
		      node.name);
	lx_read_peer(&t, peer);
	node.probe.off = true;
	bo_vec_foreach(other, &plan->nodes)
		peers += other->kind == BO_NODE_PEER && other->peer_of == node.peer_of;
	if (peers >= BO_ATTACH_PEERS_MAX || plan->nodes.len > BO_SCRIPT_MAX_NODES)
		lx_fail(L, "%s: more than %d peers of one service", t.what, BO_ATTACH_PEERS_MAX);
	if (!bo_vec_push(&plan->nodes, node))
		lx_fail_memory(L);
	lx_handle_push(L, HANDLE_NODE, (int)plan->nodes.len - 1);
	return 1;
}

int lx_peer(lua_State *L)
{
	struct script *script = lx_script(L);
	const struct handle *h = lx_handle(L, 1);
	struct open_word word = { .what = "svc:peer", .src = lx_src(L) };
	char found[96];
	size_t len;

	if (!h || h->kind != HANDLE_NODE)
		lx_fail(L, "peer: call it with a colon, as in svc:peer \"db\" { … }");
	if (script->plan->nodes.items[h->index].kind != BO_NODE_ATTACHED)
		lx_fail(L,
			"peer: only a service that t:attach names has peers; in a lab, use t:dependency");
	if (lua_type(L, 2) != LUA_TSTRING || strlen(lua_tolstring(L, 2, &len)) != len || len > 63)
		lx_fail(L,
			"peer: expected a name and then a table, as in svc:peer \"db\" { … }, found %s",
			lx_found(L, 2, found, sizeof(found)));
	word.name = lx_strdup(L, lua_tostring(L, 2));
	if (!bo_vec_push(&script->open, word))
		lx_fail_memory(L);
	lua_pushinteger(L, h->index);
	lua_pushvalue(L, 2);
	lua_pushinteger(L, (lua_Integer)script->open.len - 1);
	lua_pushcclosure(L, lx_peer_declare, 3);
	return 1;
}

const luaL_Reg bo_script_attach_funcs[] = {
	{ "attach", lx_core_attach },
	{ NULL, NULL },
};

/* --- once the scenario has spoken: no Lua state exists any more ----------------------------------- */

/* Nothing of a lab, and load only for what has an address. */
static int check_mix(const struct bo_plan *plan, struct bo_err *err)
{
	bo_vec_foreach(node, &plan->nodes)
		if (node->kind == BO_NODE_COMMAND || node->kind == BO_NODE_STUB)
			return bo_script_refuse(
				err, node->src,
				"%s '%s': a scenario that attaches to running services starts "
				"none of its own; write two scenarios",
				bo_role_name(node->role), node->name);
	bo_vec_foreach(load, &plan->loads) {
		const struct bo_node_spec *node = &plan->nodes.items[load->node];

		if (node->kind != BO_NODE_ATTACHED || !node->attach->address[0])
			return bo_script_refuse(
				err, load->src,
				"load '%s': '%s' has no address to send requests to; give "
				"t:attach an address = \"10.0.0.7\"",
				load->name, node->name);
	}
	return 0;
}

/* A link is a service and a peer of its own: nothing else passes through our hands. */
static int check_links(const struct bo_plan *plan, struct bo_err *err)
{
	bo_vec_foreach(fault, &plan->faults) {
		const struct bo_link_spec *link;

		if (fault->target != BO_TARGET_LINK)
			continue;
		link = &plan->links.items[fault->index];
		if (plan->nodes.items[link->b].kind != BO_NODE_PEER ||
		    plan->nodes.items[link->b].peer_of != link->a)
			return bo_script_refuse(
				err, fault->src,
				"%s: expected a service and a peer of its own, as in "
				"t:link(svc, db); '%s' and '%s' are not",
				fault->kind, plan->nodes.items[link->a].name,
				plan->nodes.items[link->b].name);
	}
	return 0;
}

static bool concerns(const struct bo_plan *plan, const struct bo_fault_spec *fault, int node)
{
	return fault->target == BO_TARGET_NODE ? fault->index == node
					       : plan->links.items[fault->index].a == node;
}

static int fix_ttl(const struct bo_plan *plan, int index, struct bo_err *err)
{
	const struct bo_node_spec *node = &plan->nodes.items[index];
	struct bo_attach_spec *a = (struct bo_attach_spec *)(uintptr_t)node->attach;
	int64_t longest = 0;
	char ttl[BO_UNIT_BUF], needs[BO_UNIT_BUF];

	bo_vec_foreach(fault, &plan->faults) {
		int64_t start, end;

		bo_plan_fault_window(plan, fault, &start, &end);
		if (concerns(plan, fault, index) && end - start > longest)
			longest = end - start;
	}
	if (!a->ttl_ns)
		a->ttl_ns = longest + BO_ATTACH_TTL_SLACK_NS;
	if (a->ttl_ns <= longest || a->ttl_ns > BO_ATTACH_TTL_MAX_NS)
		return bo_script_refuse(
			err, node->src,
			"t:attach '%s': ttl: expected more than the longest of its faults (%s) and at most 1h, found %s",
			node->name, bo_format_duration(longest, needs),
			bo_format_duration(a->ttl_ns, ttl));
	return 0;
}

int bo_script_finish_attached(struct script *script, struct bo_err *err)
{
	struct bo_plan *plan = script->plan;
	int r = check_mix(plan, err);

	if (!r)
		r = check_links(plan, err);
	for (size_t i = 1; !r && i < plan->nodes.len; i++)
		if (plan->nodes.items[i].kind == BO_NODE_ATTACHED)
			r = fix_ttl(plan, (int)i, err);
	for (size_t i = 1; !r && i < plan->nodes.len; i++) {
		const struct bo_node_spec *node = &plan->nodes.items[i];

		if (node->kind == BO_NODE_PEER)
			r = bo_plan_link_add(plan, node->peer_of, (int)i, node->src);
		r = r > 0 ? 0 : r;
	}
	return r < 0 && !err->code ? bo_script_refuse(err, plan->src, "out of memory") : r;
}
