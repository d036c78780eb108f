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
		memcpy(err->msg, msg, sizeof(msg));
	}
	return -code;
}

int bo_err_errno(struct bo_err *err, enum bo_subsys subsys, const char *fmt, ...)
{
	int code = errno ? errno : EIO;
	va_list ap;

	if (err) {
		size_t n;

		err->code = code;
		err->subsys = subsys;
		va_start(ap, fmt);
		vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
		va_end(ap);
		n = strlen(err->msg);
		snprintf(err->msg + n, sizeof(err->msg) - n, ": %s", strerrordesc_np(code));
	}
	return -code;
}

int bo_err_wrap(struct bo_err *err, const char *fmt, ...)
{
	char old[sizeof(err->msg)];
	va_list ap;
	size_t n;

	if (!err || !err->code)
		return -EINVAL;
	memcpy(old, err->msg, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	n = strlen(err->msg);
	snprintf(err->msg + n, sizeof(err->msg) - n, ": %s", old);
	return -err->code;
}
