/* SPDX-License-Identifier: Apache-2.0 */
/* fault/schema.c — check the arguments of a fault against its schema, and read them.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/nearest.h"
#include "brownout/base/units.h"
#include "fault-internal.h"

#define MAX_KEYS 64

static const char *const unit_expected[] = {
	[BO_UNIT_DURATION] = "a duration such as \"250ms\"",
	[BO_UNIT_SIZE] = "a size such as \"64MiB\"",
	[BO_UNIT_BITRATE] = "a bit rate such as \"10Mbit/s\"",
	[BO_UNIT_RATIO] = "a ratio such as \"2%\"",
	[BO_UNIT_COUNT] = "a whole number",
	[BO_UNIT_BOOL] = "true or false",
	[BO_UNIT_NODE] = "the name of a node",
	[BO_UNIT_CHOICE] = "a word",
	[BO_UNIT_FILE] = "the name of a file",
	[BO_UNIT_SIZE_OR_RATIO] = "a size such as \"64MiB\" or a ratio such as \"60%\"",
	[BO_UNIT_TEXT] = "a text such as \"UPDATE\"",
};
_Static_assert(sizeof(unit_expected) / sizeof(unit_expected[0]) == BO_UNIT_FILE + 1,
	       "every unit says what it expects");

/** wrong_type() - "delay: expected a duration such as "250ms", found number 5" */
static int wrong_type(const struct bo_arg_schema *schema, const struct bo_arg *arg,
		      struct bo_err *err)
{
	char found[96];

	switch (arg->type) {
	case BO_ARG_STRING:
		snprintf(found, sizeof(found), "string \"%s\"", arg->str);
		break;
	case BO_ARG_NUMBER:
		snprintf(found, sizeof(found), "number %g without a unit", arg->num);
		if (schema->unit == BO_UNIT_COUNT || schema->unit == BO_UNIT_BOOL ||
		    schema->unit == BO_UNIT_NODE || schema->unit == BO_UNIT_CHOICE ||
		    schema->unit == BO_UNIT_RATIO || schema->unit == BO_UNIT_FILE ||
		    schema->unit == BO_UNIT_TEXT)
			snprintf(found, sizeof(found), "number %g", arg->num);
		break;
	case BO_ARG_BOOL:
		snprintf(found, sizeof(found), "%s", arg->boolean ? "true" : "false");
		break;
	}
	return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT, "%s: expected %s, found %s", schema->key,
			  unit_expected[schema->unit], found);
}

/** whole() - a number that is an integer and fits */
static int whole(const struct bo_arg_schema *schema, const struct bo_arg *arg, int64_t *ret,
		 struct bo_err *err)
{
	if (!(fabs(arg->num) < 0x1p53) || arg->num != trunc(arg->num))
		return wrong_type(schema, arg, err);
	*ret = (int64_t)arg->num;
	return 0;
}

/** ratio_to_ppm() - saturates, so that the range check can speak about it */
static int64_t ratio_to_ppm(double ratio)
{
	double ppm = ratio * BO_PPM_ALL;

	if (!(fabs(ppm) < 0x1p53))
		return ppm > 0 ? INT64_MAX : INT64_MIN;
	/* What is not zero must not become zero on the way: it is too small, and the range check
	 * says so then. */
	if (ppm > 0 && ppm < 1)
		return 0;
	return (int64_t)llrint(ppm);
}

static int read_ratio(const struct bo_arg_schema *schema, const struct bo_arg *arg, int64_t *ret,
		      struct bo_err *err)
{
	double ratio = arg->num;
	int r = 0;

	if (arg->type == BO_ARG_BOOL)
		return wrong_type(schema, arg, err);
	if (arg->type == BO_ARG_STRING)
		r = bo_parse_ratio(arg->str, &ratio, err);
	if (r < 0)
		return bo_err_wrap(err, "%s", schema->key);
	*ret = ratio_to_ppm(ratio);
	return 0;
}

/** choice_hint() - "; did you mean 'normal'?" */
static const char *choice_hint(const char *choices, const char *word, char *hint, size_t size)
{
	const char *here = bo_fault_foreign_choice(word);
	char copy[512];
	const char *words[MAX_KEYS];
	char *rest = copy;
	size_t n = 0;

	snprintf(copy, sizeof(copy), "%s", choices);
	while (rest && n < MAX_KEYS - 1)
		words[n++] = strsep(&rest, "|");
	words[n] = NULL;
	for (size_t i = 0; here && i < n; i++)
		if (strcmp(words[i], here) == 0)
			word = here; /* which is nearest to itself */
	return bo_nearest_hint(word, words, hint, size);
}

static int read_choice(const struct bo_arg_schema *schema, const struct bo_arg *arg, int64_t *ret,
		       struct bo_err *err)
{
	const char *word = schema->choices;
	char hint[96];
	size_t len = arg->type == BO_ARG_STRING ? strlen(arg->str) : 0;

	if (arg->type != BO_ARG_STRING)
		return wrong_type(schema, arg, err);
	for (int64_t i = 0; *word; i++) {
		size_t n = strcspn(word, "|");

		if (n == len && strncmp(word, arg->str, n) == 0) {
			*ret = i;
			return 0;
		}
		word += n + (word[n] == '|');
	}
	return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT, "%s: expected one of %s, found \"%.60s\"%s",
			  schema->key, schema->choices, arg->str,
			  choice_hint(schema->choices, arg->str, hint, sizeof(hint)));
}

static int read_node(const struct bo_plan *plan, const struct bo_arg_schema *schema,
		     const struct bo_arg *arg, int64_t *ret, struct bo_err *err)
{
	const char *names[64];
	char hint[80], nodes[160] = "";
	struct bo_text list = bo_text_of(nodes, sizeof(nodes));
	size_t n = 0;

	if (arg->type != BO_ARG_STRING)
		return wrong_type(schema, arg, err);
	*ret = bo_plan_node(plan, arg->str);
	if (*ret >= 0)
		return 0;
	for (; n < plan->nodes.len && n < sizeof(names) / sizeof(names[0]) - 1; n++)
		names[n] = plan->nodes.items[n].name;
	names[n] = NULL;
	if (!bo_nearest_hint(arg->str, names, hint, sizeof(hint))[0])
		for (size_t i = 0; i < n; i++)
			bo_text_add(&list, "%s%s", i == 0 ? "; there are " : ", ", names[i]);
	return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT, "%s: no node is named \"%.40s\"%s%s",
			  schema->key, arg->str, hint, nodes);
}

/** read_arg() - one argument in its unit's base; @plan is only needed for BO_UNIT_NODE */
static int read_arg(const struct bo_plan *plan, const struct bo_arg_schema *schema,
		    const struct bo_arg *arg, int64_t *ret, struct bo_err *err)
{
	bool text = arg->type == BO_ARG_STRING;
	int r = 0;

	switch (schema->unit) {
	case BO_UNIT_DURATION:
		/* Zero needs no unit; every other bare number is a guess waiting to go wrong. */
		if (!text && !(arg->type == BO_ARG_NUMBER && arg->num == 0))
			return wrong_type(schema, arg, err);
		*ret = 0;
		r = text ? bo_parse_duration(arg->str, ret, err) : 0;
		break;
	case BO_UNIT_BITRATE:
		if (!text)
			return wrong_type(schema, arg, err);
		r = bo_parse_bitrate(arg->str, ret, err);
		break;
	case BO_UNIT_SIZE_OR_RATIO:
		if (text && strchr(arg->str, '%')) {
			r = read_ratio(schema, arg, ret, err);
			*ret = r == 0 ? -*ret : 0;
			return r;
		}
		/* fall through */
	case BO_UNIT_SIZE:
		if (arg->type == BO_ARG_BOOL)
			return wrong_type(schema, arg, err);
		if (!text)
			return whole(schema, arg, ret, err);
		r = bo_parse_size(arg->str, ret, err);
		break;
	case BO_UNIT_RATIO:
		return read_ratio(schema, arg, ret, err);
	case BO_UNIT_COUNT:
		return arg->type == BO_ARG_NUMBER ? whole(schema, arg, ret, err)
						  : wrong_type(schema, arg, err);
	case BO_UNIT_BOOL:
		*ret = arg->boolean;
		return arg->type == BO_ARG_BOOL ? 0 : wrong_type(schema, arg, err);
	case BO_UNIT_NODE:
		return read_node(plan, schema, arg, ret, err);
	case BO_UNIT_CHOICE:
		return read_choice(schema, arg, ret, err);
	case BO_UNIT_FILE:
		*ret = arg->samples || arg->trace;
		return text ? 0 : wrong_type(schema, arg, err);
	case BO_UNIT_TEXT:
		*ret = text ? (int64_t)strlen(arg->str) : 0;
		return text ? 0 : wrong_type(schema, arg, err);
	}
	return r < 0 ? bo_err_wrap(err, "%s", schema->key) : 0;
}

static const char *format_unit(enum bo_arg_unit unit, int64_t value, char buf[BO_UNIT_BUF])
{
	switch (unit) {
	case BO_UNIT_DURATION:
		return bo_format_duration(value, buf);
	case BO_UNIT_SIZE:
	case BO_UNIT_SIZE_OR_RATIO:
		return bo_format_size(value, buf);
	case BO_UNIT_BITRATE:
		return bo_format_bitrate(value, buf);
	case BO_UNIT_RATIO:
		/* bo_format_ratio() rounds for reading; a bound of 0.0001 % must not read as 0 %.
		 */
		snprintf(buf, BO_UNIT_BUF, "%.6g%%", (double)value / BO_PPM_ALL * 100);
		return buf;
	case BO_UNIT_TEXT:
		snprintf(buf, BO_UNIT_BUF, "%lld byte%s", (long long)value, value == 1 ? "" : "s");
		return buf;
	default:
		snprintf(buf, BO_UNIT_BUF, "%lld", (long long)value);
		return buf;
	}
}

static int check_range(const struct bo_arg_schema *schema, const struct bo_arg *arg, int64_t value,
		       struct bo_err *err)
{
	char percent[64] = "";
	char min[BO_UNIT_BUF], max[BO_UNIT_BUF], found[BO_UNIT_BUF];

	switch (schema->unit) {
	case BO_UNIT_BOOL:
	case BO_UNIT_NODE:
	case BO_UNIT_CHOICE:
	case BO_UNIT_FILE:
		return 0;
	case BO_UNIT_SIZE_OR_RATIO:
		if (value >= 0 && value < schema->min)
			break;
		if (value < 0 && value >= -BO_PPM_ALL)
			return 0;
		if (value < 0)
			return bo_err_set(err, ERANGE, BO_SUBSYS_FAULT,
					  "%s: expected more than 0%% and at most 100%%, "
					  "found %s",
					  schema->key, format_unit(BO_UNIT_RATIO, -value, found));
		/* fall through */
	default:
		if (value >= schema->min && value <= schema->max)
			return 0;
	}
	/* A bare 5 is 500 %. */
	if (schema->unit == BO_UNIT_RATIO && arg->type == BO_ARG_NUMBER && arg->num > 1 &&
	    arg->num <= 100)
		snprintf(percent, sizeof(percent), "; did you mean \"%g%%\"?", arg->num);
	return bo_err_set(err, ERANGE, BO_SUBSYS_FAULT, "%s: expected %s to %s, found %s%s",
			  schema->key, format_unit(schema->unit, schema->min, min),
			  format_unit(schema->unit, schema->max, max),
			  format_unit(schema->unit, value, found), percent);
}

/** schema_of() - the schema entry that @arg is meant for, or NULL */
static const struct bo_arg_schema *schema_of(const struct bo_fault_kind *kind, const char *key)
{
	for (const struct bo_arg_schema *s = kind->args; s->key; s++)
		if (strcmp(s->key, key) == 0 || (s->positional && !key[0]))
			return s;
	return NULL;
}

static int unknown_key(const struct bo_fault_kind *kind, const char *key, struct bo_err *err)
{
	const char *here = bo_fault_foreign_option(key);
	const char *keys[MAX_KEYS];
	char hint[80];
	size_t n = 0;

	if (!key[0])
		return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
				  "%s takes no positional value, only named options", kind->name);
	for (; kind->args[n].key && n < MAX_KEYS - 1; n++)
		keys[n] = kind->args[n].key;
	keys[n] = NULL;
	if (here)
		return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
				  "%s has no option '%s'; here that is %s", kind->name, key, here);
	return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT, "%s has no option '%s'%s", kind->name, key,
			  bo_nearest_hint(key, keys, hint, sizeof(hint)));
}

const struct bo_arg *bo_fault_arg_given(const struct bo_fault_spec *spec,
					const struct bo_fault_kind *kind, const char *key)
{
	const struct bo_arg_schema *schema = schema_of(kind, key);

	for (size_t i = 0; schema && i < spec->nargs; i++)
		if (schema_of(kind, spec->args[i].key) == schema)
			return &spec->args[i];
	return NULL;
}

int bo_fault_check_args(const struct bo_plan *plan, const struct bo_fault_spec *spec,
			const struct bo_fault_kind *kind, struct bo_err *err)
{
	for (size_t i = 0; i < spec->nargs; i++) {
		const struct bo_arg *arg = &spec->args[i];
		const struct bo_arg_schema *schema = schema_of(kind, arg->key);
		int64_t value;
		int r;

		if (!schema)
			return unknown_key(kind, arg->key, err);
		if (bo_fault_arg_given(spec, kind, schema->key) != arg)
			return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT, "%s: '%s' is given twice",
					  kind->name, schema->key);
		r = read_arg(plan, schema, arg, &value, err);
		if (r == 0)
			r = check_range(schema, arg, value, err);
		if (r < 0 && strcmp(schema->key, kind->name) == 0)
			return r; /* "loss: loss: …" says no more */
		if (r < 0)
			return bo_err_wrap(err, "%s", kind->name);
	}
	for (const struct bo_arg_schema *s = kind->args; s->key; s++)
		if (s->required && !bo_fault_arg_given(spec, kind, s->key))
			return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
					  "%s: '%s' is missing: expected %s", kind->name, s->key,
					  unit_expected[s->unit]);
	return 0;
}

int64_t bo_fault_arg_int(const struct bo_fault_spec *spec, const struct bo_fault_kind *kind,
			 const char *key, int64_t dflt)
{
	const struct bo_arg_schema *schema = schema_of(kind, key);
	const struct bo_arg *arg = bo_fault_arg_given(spec, kind, key);
	int64_t value;

	/* A node's index needs the plan: those are read as strings. */
	if (!arg || schema->unit == BO_UNIT_NODE || read_arg(NULL, schema, arg, &value, NULL) < 0)
		return dflt;
	return value;
}

const char *bo_fault_arg_str(const struct bo_fault_spec *spec, const char *key, const char *dflt)
{
	const struct bo_arg *arg = bo_arg_find(spec, key);

	return arg && arg->type == BO_ARG_STRING ? arg->str : dflt;
}
