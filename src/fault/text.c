/* SPDX-License-Identifier: Apache-2.0 */
/* fault/text.c — what is said about a fault, and the record's verdict.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <stdarg.h>
#include <stdio.h>

#include "fault-internal.h"

struct bo_text bo_text_of(char *buf, size_t size)
{
	buf[0] = '\0';
	return (struct bo_text){ .buf = buf, .size = size };
}

void bo_text_add(struct bo_text *text, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text->buf + text->len, text->size - text->len, fmt, args);
	va_end(args);
	if (n > 0)
		text->len += (size_t)n;
	if (text->len >= text->size)
		text->len = text->size - 1;
}

/* From good to bad; PENDING is what a record begins with. */
static int badness(enum bo_confirm confirm)
{
	switch (confirm) {
	case BO_CONFIRM_PENDING:
		return 0;
	case BO_CONFIRM_OK:
		return 1;
	case BO_CONFIRM_UNKNOWN:
		return 2;
	case BO_CONFIRM_OFF:
		return 3;
	}
	return 3;
}

void bo_fault_verdict(struct bo_fault_record *record, enum bo_confirm confirm, const char *fmt, ...)
{
	va_list args;

	if (badness(confirm) <= badness(record->confirm))
		return;
	record->confirm = confirm;
	va_start(args, fmt);
	vsnprintf(record->reason, sizeof(record->reason), fmt, args);
	va_end(args);
}

void bo_fault_verdict_ok(struct bo_fault_record *record)
{
	if (record->confirm == BO_CONFIRM_PENDING)
		record->confirm = BO_CONFIRM_OK;
}

const char *bo_fault_node_name(const struct bo_plan *plan, int node)
{
	return node >= 0 && (size_t)node < plan->nodes.len ? plan->nodes.items[node].name : "?";
}

void bo_fault_target_name(const struct bo_plan *plan, const struct bo_fault_spec *spec, char *buf,
			  size_t size)
{
	const struct bo_link_spec *link;

	if (spec->target == BO_TARGET_NODE) {
		snprintf(buf, size, "%s", bo_fault_node_name(plan, spec->index));
		return;
	}
	link = &plan->links.items[spec->index];
	snprintf(buf, size, "%s-%s", bo_fault_node_name(plan, link->a),
		 bo_fault_node_name(plan, link->b));
}
