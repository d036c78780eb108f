/* SPDX-License-Identifier: Apache-2.0 */
/* base/err.c — fill and wrap error objects; nothing here allocates. */
#include "brownout/base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const subsys_names[] = {
	[BO_SUBSYS_NONE] = "",         [BO_SUBSYS_BASE] = "base",
	[BO_SUBSYS_PLAN] = "plan",     [BO_SUBSYS_SYS] = "sys",
	[BO_SUBSYS_LAB] = "lab",       [BO_SUBSYS_FAULT] = "fault",
	[BO_SUBSYS_LOAD] = "load",     [BO_SUBSYS_PROBE] = "probe",
	[BO_SUBSYS_SLO] = "slo",       [BO_SUBSYS_REPORT] = "report",
	[BO_SUBSYS_SCRIPT] = "script", [BO_SUBSYS_HARNESS] = "harness",
};
_Static_assert(sizeof(subsys_names) / sizeof(*subsys_names) == BO_SUBSYS_COUNT,
	       "a name for every subsystem");

const char *bo_subsys_name(enum bo_subsys subsys)
{
	return (unsigned int)subsys < BO_SUBSYS_COUNT ? subsys_names[subsys] : "";
}

/* How many bytes the character at @s has; 0 when it is not fit to be shown: a control character of either set, what
 * turns the direction of text, a byte that belongs to no character.  Overlong forms pass: they end up as one sign. */
static size_t shown(const unsigned char *s)
{
	size_t n = *s < 0x80   ? 1
		   : *s < 0xc2 ? 0
		   : *s < 0xe0 ? 2
		   : *s < 0xf0 ? 3
		   : *s < 0xf5 ? 4
			       : 0;

	if (*s < ' ' || *s == 0x7f)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if (n == 2 && s[0] == 0xc2 && s[1] < 0xa0)
		return 0;
	/* U+2028 to U+202E: line and paragraph separators, embeddings and overrides; U+2066 to U+2069: isolates */
	if (n == 3 && s[0] == 0xe2 &&
	    ((s[1] == 0x80 && s[2] >= 0xa8 && s[2] <= 0xae) ||
	     (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9)))
		return 0;
	return n;
}

/* Texts of scenarios, services and command lines are quoted in messages: what would break the line or steer a
 * terminal is written as in C ("\n", "\x1b").  A second pass changes nothing, so wrapping does no harm. */
static void show(char *ret, size_t size, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t used = 0;

	while (*s) {
		char buf[8];
		size_t n = shown(s), len = n;

		if (n)
			memcpy(buf, s, n);
		else if (*s == '\n' || *s == '\t')
			len = (size_t)snprintf(buf, sizeof(buf), "\\%c", *s == '\n' ? 'n' : 't');
		else
			len = (size_t)snprintf(buf, sizeof(buf), "\\x%02x", *s);
		if (used + len >= size)
			break;
		memcpy(ret + used, buf, len);
		used += len;
		s += n ? n : 1;
	}
	ret[used] = '\0';
}

int bo_err_set(struct bo_err *err, int code, enum bo_subsys subsys, const char *fmt, ...)
{
	va_list ap;

	if (code <= 0)
		code = EINVAL;
	if (err) {
		char msg[sizeof(err->msg)];

		/* The message may quote the one that it replaces. */
		va_start(ap, fmt);
		vsnprintf(msg, sizeof(msg), fmt, ap);
		va_end(ap);
		err->code = code;
		err->subsys = subsys;
		show(err->msg, sizeof(err->msg), msg);
	}
	return -code;
}

int bo_err_errno(struct bo_err *err, enum bo_subsys subsys, const char *fmt, ...)
{
	int code = errno ? errno : EIO;
	va_list ap;

	if (err) {
		char msg[sizeof(err->msg)];
		size_t n;

		err->code = code;
		err->subsys = subsys;
		va_start(ap, fmt);
		vsnprintf(msg, sizeof(msg), fmt, ap);
		va_end(ap);
		show(err->msg, sizeof(err->msg), msg);
		n = strlen(err->msg);
		snprintf(err->msg + n, sizeof(err->msg) - n, ": %s", strerrordesc_np(code));
	}
	return -code;
}

int bo_err_wrap(struct bo_err *err, const char *fmt, ...)
{
	char old[sizeof(err->msg)], context[sizeof(err->msg)];
	va_list ap;
	size_t n;

	if (!err || !err->code)
		return -EINVAL;
	memcpy(old, err->msg, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	show(err->msg, sizeof(err->msg), context);
	n = strlen(err->msg);
	snprintf(err->msg + n, sizeof(err->msg) - n, ": %s", old);
	return -err->code;
}
