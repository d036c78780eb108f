/* SPDX-License-Identifier: Apache-2.0 */
/* script/bind_arrivals.c — when a load asks: at a rate that may move, in bursts, or in a closed loop. */
#include <math.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/base/units.h"
#include "script-internal.h"

#define MAX_RATE 1e6
#define MAX_STEPS 1000

static void lx_refuse(const struct lx_table *t, const char *key, const char *why)
{
	if (lx_table_get(t, key))
		lx_fail(t->L, "%s: %s %s", t->what, key, why);
}

/* The rate at the top of the stack. */
static double lx_step(const struct lx_table *t, size_t index)
{
	lua_State *L = t->L;
	struct bo_err err = { 0 };
	char found[96];
	double per_s = NAN;

	if (lua_type(L, -1) == LUA_TNUMBER)
		per_s = lua_tonumber(L, -1);
	else if (lua_type(L, -1) == LUA_TSTRING &&
		 bo_parse_frequency(lua_tostring(L, -1), &per_s, &err))
		lx_fail(L, "%s: step %zu: %s", t->what, index + 1, err.msg);
	if (!(per_s > 0 && per_s <= MAX_RATE))
		lx_fail(L, "%s: step %zu: expected a rate above 0 and up to %.0f/s, found %s",
			t->what, index + 1, MAX_RATE, lx_found(L, -1, found, sizeof(found)));
	return per_s;
}

static void lx_read_steps(const struct lx_table *r, struct bo_load_spec *load)
{
	lua_State *L = r->L;
	char found[96];
	double *steps;
	size_t n;

	if (!lx_table_get(r, "steps"))
		lx_fail(L,
			"%s: expected { from = \"10/s\", to = \"500/s\" } or { steps = { \"100/s\", \"200/s\" } }",
			r->what);
	n = lua_istable(L, -1) ? lua_rawlen(L, -1) : 0;
	if (!n || n > MAX_STEPS)
		lx_fail(L, "%s: steps: expected a list of 1 to %d rates, found %s", r->what,
			MAX_STEPS, lx_found(L, -1, found, sizeof(found)));
	steps = lx_alloc(L, n * sizeof(*steps));
	for (size_t i = 0; i < n; i++) {
		lua_rawgeti(L, -1, (lua_Integer)i + 1);
		steps[i] = lx_step(r, i);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	lx_refuse(r, "over", "belongs to from and to; a step lasts each = \"5s\"");
	(void)lx_read_duration(r, "each", 1, BO_SCRIPT_MAX_TIME_NS, &load->rate.each_ns);
	load->rate.shape = BO_RATE_STEPS;
	load->rate.steps = steps;
	load->rate.nsteps = n;
	load->rate_per_s = steps[0];
}

/* rate = { from = "10/s", to = "500/s", over = "10s" }, { steps = { "100/s", "200/s" }, each = "5s" } */
static void lx_read_shape(const struct lx_table *t, struct bo_load_spec *load)
{
	static const char *const keys[] = { "from", "to", "over", "steps", "each", NULL };
	struct lx_table r;
	bool from, to;

	lx_table_open(t->L, -1, &r, keys, "rate = { from = \"10/s\", to = \"500/s\" }", "%s: rate",
		      t->what);
	from = lx_read_frequency(&r, "from", MAX_RATE, &load->rate_per_s);
	to = lx_read_frequency(&r, "to", MAX_RATE, &load->rate.to_per_s);
	if (!from && !to) {
		lx_read_steps(&r, load);
		return;
	}
	if (!from || !to)
		lx_fail(t->L, "%s: %s is missing, as in { from = \"10/s\", to = \"500/s\" }",
			r.what, from ? "to" : "from");
	lx_refuse(&r, "steps", "and from exclude each other");
	lx_refuse(&r, "each", "belongs to steps; a ramp lasts over = \"10s\"");
	(void)lx_read_duration(&r, "over", 1, BO_SCRIPT_MAX_TIME_NS, &load->rate.over_ns);
	load->rate.shape = BO_RATE_RAMP;
}

static bool lx_read_rate(const struct lx_table *t, struct bo_load_spec *load)
{
	if (!lx_table_get(t, "rate"))
		return false;
	if (lua_istable(t->L, -1)) {
		if (load->kind == BO_LOAD_HOLD)
			lx_fail(t->L,
				"%s: rate: expected a rate such as \"200/s\"; held connections come at one rate",
				t->what);
		lx_read_shape(t, load);
		lua_pop(t->L, 1);
		return true;
	}
	lua_pop(t->L, 1);
	return lx_read_frequency(t, "rate", MAX_RATE, &load->rate_per_s);
}

/* burst = { count = 100, every = "1s" } */
static void lx_read_burst(const struct lx_table *t, struct bo_load_spec *load)
{
	static const char *const keys[] = { "count", "every", NULL };
	static const char example[] = "burst = { count = 100, every = \"1s\" }";
	struct lx_table b;

	if (!lx_table_get(t, "burst"))
		lx_fail(t->L, "%s: burst is missing, as in %s", t->what, example);
	lx_table_open(t->L, -1, &b, keys, example, "%s: burst", t->what);
	if (!lx_read_count(&b, "count", 1, BO_SCRIPT_MAX_INFLIGHT, &load->burst_count) ||
	    !lx_read_duration(&b, "every", BO_NSEC_PER_MSEC, BO_SCRIPT_MAX_TIME_NS,
			      &load->burst_every_ns))
		lx_fail(t->L, "%s: count and every are needed, as in %s", b.what, example);
	lua_pop(t->L, 1);
	lx_refuse(t, "rate", "and burst exclude each other: count and every say it all");
	load->rate_per_s = (double)load->burst_count /
			   ((double)load->burst_every_ns / (double)BO_NSEC_PER_SEC);
}

static void lx_read_closed(const struct lx_table *t, struct bo_load_spec *load)
{
	if (!lx_read_count(t, "clients", 1, BO_SCRIPT_MAX_INFLIGHT, &load->clients))
		lx_fail(t->L, "%s: clients is missing, as in arrivals = \"closed\", clients = 64",
			t->what);
	(void)lx_read_duration(t, "think", 0, BO_SCRIPT_MAX_TIME_NS, &load->think_ns);
	lx_refuse(t, "rate", "and closed arrivals exclude each other: the answers set the pace");
	lx_refuse(t, "max_inflight",
		  "and closed arrivals exclude each other: clients is the limit");
	load->max_inflight = load->clients;
}

void lx_read_arrivals(const struct lx_table *t, struct bo_load_spec *load)
{
	static const char *const words[] = { "constant", "poisson", "burst", "closed", NULL };
	int word = BO_ARRIVALS_CONSTANT;

	(void)lx_read_choice(t, "arrivals", words, &word);
	load->arrivals = (enum bo_arrivals)word;
	if (load->kind == BO_LOAD_HOLD && word > BO_ARRIVALS_POISSON)
		lx_fail(t->L, "%s: held connections arrive \"constant\" or \"poisson\"", t->what);
	if (word != BO_ARRIVALS_BURST)
		lx_refuse(t, "burst", "needs arrivals = \"burst\"");
	if (word != BO_ARRIVALS_CLOSED) {
		lx_refuse(t, "clients", "needs arrivals = \"closed\"");
		lx_refuse(t, "think", "needs arrivals = \"closed\"");
	}
	if (word == BO_ARRIVALS_BURST) {
		lx_read_burst(t, load);
	} else if (word == BO_ARRIVALS_CLOSED) {
		lx_read_closed(t, load);
	} else if (!lx_read_rate(t, load)) {
		if (load->kind == BO_LOAD_REQUESTS)
			lx_fail(t->L, "%s: rate is missing, as in rate = \"200/s\"", t->what);
		load->rate_per_s =
			(double)load->hold_count; /* all of them open within one second */
	}
}
