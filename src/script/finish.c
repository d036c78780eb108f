/* SPDX-License-Identifier: Apache-2.0 */
/* script/finish.c — what can only be checked once the whole scenario has spoken.  No Lua state exists any more, so
 * nothing here throws. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/base/nearest.h"
#include "script-internal.h"

#define MAX_TOTAL_NS (24 * 3600 * BO_NSEC_PER_SEC)

static int check_said(const struct script *script, struct bo_err *err)
{
	const struct bo_plan *plan = script->plan;
	bool subject = false;

	bo_vec_foreach(word, &script->open)
		if (!word->closed)
			return bo_script_refuse(err, word->src,
						"%s \"%s\" has no table; write %s \"%s\" { … }",
						word->what, word->name, word->what, word->name);
	if (!script->declared)
		return bo_script_refuse(
			err, (struct bo_src){ .file = plan->scenario_path, .line = 1 },
			"no scenario is declared; start with: local t = require(\"brownout\").scenario \"name\" { … }");
	bo_vec_foreach(node, &plan->nodes)
		subject = subject || node->role == BO_ROLE_SUBJECT;
	if (!subject)
		return bo_script_refuse(
			err, plan->src,
			"scenario '%s' has no subject, the service under test; add t:subject \"name\" { … }",
			plan->name);
	return 0;
}

/* "a, b, c" */
static const char *list_of(const char *const *words, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; words[i] && len < size; i++)
		len += (size_t)snprintf(buf + len, size - len, "%s%s", i ? ", " : "", words[i]);
	return buf;
}

/* A --set that nothing reads is a typo that would otherwise go unnoticed. */
static int check_params(const struct script *script, struct bo_err *err)
{
	const struct bo_script_options *o = script->options;
	const char *words[64];
	char hint[96], known[300];
	size_t n = 0;

	for (size_t p = 0; p < script->params.len && n < 63; p++)
		words[n++] = script->params.items[p];
	words[n] = NULL;
	for (size_t i = 0; i < o->nsets; i++) {
		size_t p = 0;

		while (p < script->params.len &&
		       strcmp(script->params.items[p], o->sets[i].key) != 0)
			p++;
		if (p < script->params.len)
			continue;
		bo_nearest_hint(o->sets[i].key, words, hint, sizeof(hint));
		return bo_script_refuse(
			err, script->plan->src,
			"--set %.60s: the scenario reads no such parameter%s%s%.300s",
			o->sets[i].key, hint, n && !*hint ? "; it reads " : "",
			*hint ? "" : list_of(words, known, sizeof(known)));
	}
	return 0;
}

static int check_faults(const struct script *script, struct bo_err *err)
{
	bo_vec_foreach(fault, &script->faults)
		if (!fault->scheduled)
			return bo_script_refuse(
				err, fault->spec.src,
				"the fault '%s' is made but never scheduled; write t:during(\"fault\", …:%s(…))",
				fault->spec.kind, fault->spec.kind);
	return 0;
}

static int check_phases(const struct script *script, struct bo_err *err)
{
	const struct bo_plan *plan = script->plan;
	int64_t total = 0;
	bool load = false;

	for (int p = 0; p < BO_PHASE_COUNT; p++) {
		total += plan->phase_ns[p];
		load = load || (plan->phase_ns[p] && bo_phase_has_load((enum bo_phase)p));
	}
	if (!total)
		return bo_script_refuse(
			err, plan->src,
			"phases: all are 0 long, so nothing would happen; give base = \"5s\"");
	if (total > MAX_TOTAL_NS)
		return bo_script_refuse(err, plan->src,
					"phases: expected at most 24h in all, found %.10gh",
					(double)total / 3600e9);
	if (plan->phase_ns[BO_PHASE_HOLD] && !plan->phase_ns[BO_PHASE_FAULT])
		return bo_script_refuse(
			err, plan->src,
			"phases: hold keeps the faults of the fault phase, but fault is 0 long; give both or neither");
	if (plan->faults.len && !plan->phase_ns[BO_PHASE_BASE])
		return bo_script_refuse(
			err, plan->src,
			"phases: there are faults but base is 0 long; give base = \"5s\" to compare them with");
	if (plan->loads.len && !load)
		return bo_script_refuse(
			err, plan->src,
			"phases: there is a load but none of warmup, base, fault and heal, in which it is offered");
	return 0;
}

/* The node that a URL names. */
static int resolve(const struct bo_plan *plan, struct bo_src src, const char *what,
		   const char *text, int *ret, struct bo_err *err)
{
	struct bo_script_url url;
	char hint[200];
	int r = bo_script_load_url_parse(text, &url, err); /* its scheme was checked before */

	if (r)
		return r;
	*ret = bo_plan_node(plan, url.host);
	if (*ret < 0 && (!strcmp(url.host, "localhost") || !strncmp(url.host, "127.", 4)))
		return bo_script_refuse(
			err, src,
			"%s: '%s' would be the harness itself; name a node, as in \"http://%s:%d\"",
			what, url.host, plan->nodes.items[plan->nodes.len - 1].name, url.port);
	if (*ret < 0)
		return bo_script_refuse(err, src, "%s: unknown node '%s'%s", what, url.host,
					bo_script_node_hint(plan, url.host, hint, sizeof(hint)));
	if (*ret == BO_NODE_CLIENT)
		return bo_script_refuse(
			err, src,
			"%s: 'client' is the harness itself and serves nothing; name another node",
			what);
	return 0;
}

static int resolve_own(const struct bo_plan *plan, int node, struct bo_src src, const char *key,
		       const char *text, struct bo_err *err)
{
	const char *name = plan->nodes.items[node].name;
	char what[96];
	int at, r;

	if (!text)
		return 0;
	snprintf(what, sizeof(what), "%s '%s': %s", bo_role_name(plan->nodes.items[node].role),
		 name, key);
	r = resolve(plan, src, what, text, &at, err);
	if (!r && at != node)
		return bo_script_refuse(
			err, src,
			"%s: expected a URL of the node itself, as in \"http://%s:…\", found \"%.60s\"",
			what, name, text);
	return r;
}

static int check_node(struct bo_plan *plan, int index, struct bo_err *err)
{
	const struct bo_node_spec *node = &plan->nodes.items[index];
	int r = resolve_own(plan, index, node->ready.src, "ready", node->ready.url, err);

	if (!r)
		r = resolve_own(plan, index, node->src, "probes: pprof", node->probe.pprof_url,
				err);
	if (!r)
		r = resolve_own(plan, index, node->src, "probes: expvar", node->probe.expvar_url,
				err);
	if (!r)
		r = resolve_own(plan, index, node->src, "probes: metrics", node->probe.metrics_url,
				err);
	for (const char *const *after = node->after; !r && after && *after; after++) {
		int at = bo_plan_node(plan, *after);
		char hint[200];

		if (at <= 0)
			return bo_script_refuse(
				err, node->src, "%s '%s': after: unknown node '%.60s'%s",
				bo_role_name(node->role), node->name, *after,
				bo_script_node_hint(plan, *after, hint, sizeof(hint)));
		if (node->role == BO_ROLE_DEPENDENCY &&
		    plan->nodes.items[at].role == BO_ROLE_SUBJECT)
			return bo_script_refuse(
				err, node->src,
				"dependency '%s': after: '%s' is a subject; subjects start after "
				"all dependencies",
				node->name, *after);
	}
	return r;
}

/* Depth-first walk along after; @state 1: on the path, 2: done. */
static bool has_cycle(const struct bo_plan *plan, int node, unsigned char *state)
{
	const struct bo_node_spec *spec = &plan->nodes.items[node];

	if (state[node])
		return state[node] == 1;
	state[node] = 1;
	for (const char *const *after = spec->after; after && *after; after++)
		if (has_cycle(plan, bo_plan_node(plan, *after), state))
			return true;
	state[node] = 2;
	return false;
}

static int check_nodes(struct bo_plan *plan, struct bo_err *err)
{
	unsigned char state[BO_SCRIPT_MAX_NODES + 1] = { 0 };
	int r = 0;

	for (size_t i = 1; !r && i < plan->nodes.len; i++)
		r = check_node(plan, (int)i, err);
	for (size_t i = 1; !r && i < plan->nodes.len; i++)
		if (has_cycle(plan, (int)i, state))
			return bo_script_refuse(
				err, plan->nodes.items[i].src,
				"'%s' waits, through after, for itself; nothing could start first",
				plan->nodes.items[i].name);
	return r;
}

static int resolve_loads(struct bo_plan *plan, struct bo_err *err)
{
	int r = 0;

	for (size_t i = 0; !r && i < plan->loads.len; i++) {
		struct bo_load_spec *load = &plan->loads.items[i];
		char what[96];

		snprintf(what, sizeof(what), "load '%s': url", load->name);
		r = resolve(plan, load->src, what, load->url, &load->node, err);
	}
	return r;
}

/* Every pair of spawned nodes may talk; the client only talks to what it loads (and to what t:link named). */
static int add_links(struct bo_plan *plan, struct bo_err *err)
{
	int r = 0, n = (int)plan->nodes.len;

	bo_vec_foreach(load, &plan->loads)
		r = r < 0 ? r : bo_plan_link_add(plan, BO_NODE_CLIENT, load->node, load->src);
	for (int a = 1; a < n; a++)
		for (int b = a + 1; b < n; b++)
			r = r < 0 ? r : bo_plan_link_add(plan, a, b, plan->nodes.items[b].src);
	if (r < 0)
		return bo_script_refuse(err, plan->src, "out of memory");
	return 0;
}

int bo_script_finish(struct script *script, struct bo_err *err)
{
	int r = check_said(script, err);

	if (!r)
		r = check_params(script, err);
	if (!r)
		r = check_nodes(script->plan, err);
	if (!r)
		r = resolve_loads(script->plan, err);
	if (!r)
		r = check_faults(script, err);
	if (!r)
		r = check_phases(script, err);
	if (!r && bo_plan_attached(script->plan))
		return bo_script_finish_attached(script, err);
	if (!r)
		r = add_links(script->plan, err);
	return r;
}
