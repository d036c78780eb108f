/* SPDX-License-Identifier: Apache-2.0 */
/* report/build.c — small JSON values made of plan and run records.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include "build.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "brownout/base/clock.h"
#include "brownout/report/text.h"

/* Doubles hold every integer up to here; beyond it a JSON reader in JavaScript would round. */
#define EXACT_MAX 9007199254740992.0

void bo_build_put(struct bo_build *b, json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value))
		b->failed = true;
}

void bo_build_push(struct bo_build *b, json_t *array, json_t *value)
{
	if (json_array_append_new(array, value))
		b->failed = true;
}

int bo_build_done(struct bo_build *b, json_t *doc, json_t **ret, struct bo_err *err)
{
	if (b->failed || !doc) {
		json_decref(doc);
		return bo_err_set(err, ENOMEM, BO_SUBSYS_REPORT,
				  "out of memory while building a report");
	}
	*ret = doc;
	return 0;
}

json_t *bo_build_str(const char *s)
{
	struct bo_strbuf clean = { 0 };
	json_t *value = NULL;

	if (!s)
		return json_null();
	if (bo_utf8_valid(s))
		return json_string(s);
	bo_text_utf8(&clean, s);
	if (bo_strbuf_ok(&clean))
		value = json_string(bo_strbuf_str(&clean));
	bo_strbuf_done(&clean);
	return value;
}

json_t *bo_build_num(double v)
{
	if (!isfinite(v))
		return json_null();
	if (v == floor(v) && fabs(v) <= EXACT_MAX)
		return json_integer((json_int_t)v);
	return json_real(v);
}

json_t *bo_build_u64(uint64_t v)
{
	return v <= INT64_MAX ? json_integer((json_int_t)v) : json_real((double)v);
}

json_t *bo_build_seconds(int64_t ns)
{
	return ns == INT64_MIN ? json_null() : bo_build_num((double)ns / (double)BO_NSEC_PER_SEC);
}

json_t *bo_build_ms(int64_t ns)
{
	return ns == INT64_MIN ? json_null() : bo_build_num((double)ns / (double)BO_NSEC_PER_MSEC);
}

json_t *bo_build_source(struct bo_build *b, struct bo_src src)
{
	json_t *o = json_object();

	bo_build_put(b, o, "file", bo_build_str(src.file));
	bo_build_put(b, o, "line", src.file ? json_integer(src.line) : json_null());
	return o;
}

json_t *bo_build_node_name(const struct bo_plan *plan, int node)
{
	if (node < 0 || (size_t)node >= plan->nodes.len)
		return json_null();
	return bo_build_str(plan->nodes.items[node].name);
}

json_t *bo_build_link_name(const struct bo_plan *plan, size_t link)
{
	struct bo_strbuf name = { 0 };
	json_t *value = NULL;

	if (link >= plan->links.len)
		return json_null();
	const struct bo_link_spec *spec = &plan->links.items[link];

	bo_strbuf_printf(&name, "%s-%s", plan->nodes.items[spec->a].name,
			 plan->nodes.items[spec->b].name);
	if (bo_strbuf_ok(&name))
		value = bo_build_str(bo_strbuf_str(&name));
	bo_strbuf_done(&name);
	return value;
}

json_t *bo_build_target(struct bo_build *b, const struct bo_plan *plan,
			const struct bo_fault_spec *fault)
{
	bool link = fault->target == BO_TARGET_LINK;
	json_t *o = json_object();

	bo_build_put(b, o, "type", json_string(link ? "link" : "node"));
	bo_build_put(b, o, "name",
		     link ? bo_build_link_name(plan, (size_t)fault->index)
			  : bo_build_node_name(plan, fault->index));
	return o;
}

json_t *bo_build_args(struct bo_build *b, const struct bo_fault_spec *fault)
{
	json_t *o = json_object();

	for (size_t i = 0; i < fault->nargs; i++) {
		const struct bo_arg *arg = &fault->args[i];
		const char *key = arg->key && *arg->key ? arg->key : "value";
		json_t *value;

		if (arg->type == BO_ARG_STRING)
			value = bo_build_str(arg->str);
		else if (arg->type == BO_ARG_NUMBER)
			value = bo_build_num(arg->num);
		else
			value = json_boolean(arg->boolean);
		bo_build_put(b, o, key, value);
	}
	return o;
}

json_t *bo_build_params(struct bo_build *b, const struct bo_param *params, size_t n)
{
	json_t *o = json_object();

	for (size_t i = 0; i < n; i++) {
		json_t *key = bo_build_str(params[i].key);

		/* A key is a string like any other: clean it before it becomes a member's name. */
		if (key)
			bo_build_put(b, o, json_string_value(key), bo_build_str(params[i].value));
		else
			b->failed = true;
		json_decref(key);
	}
	return o;
}

json_t *bo_build_overrides(struct bo_build *b, const struct bo_plan *plan)
{
	json_t *list = json_array();

	for (size_t i = 0; i < plan->noverrides; i++) {
		json_t *o = json_object();

		bo_build_put(b, o, "option", bo_build_str(plan->overrides[i].key));
		bo_build_put(b, o, "value", bo_build_str(plan->overrides[i].value));
		bo_build_push(b, list, o);
	}
	return list;
}
