/* SPDX-License-Identifier: Apache-2.0 */
/* base/log.c — one write(2) per line, so that lines of several threads and processes never mix. */
#include "brownout/base/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Atomic(int) log_max = BO_LOG_WARN;
static char log_prefix[96] = "brownout";
static _Atomic(void (*)(void)) log_hook;

void bo_log_setup(enum bo_log_level max, const char *prefix)
{
	atomic_store(&log_max, (int)max);
	if (prefix)
		snprintf(log_prefix, sizeof(log_prefix), "%s", prefix);
}

void bo_log_set_hook(void (*hook)(void))
{
	atomic_store(&log_hook, hook);
}

void bo_log(enum bo_log_level level, const char *fmt, ...)
{
	static const char *const words[] = { "error: ", "warning: ", "", "debug: " };
	int saved = errno;
	void (*hook)(void);
	char line[1024];
	va_list ap;
	size_t n;

	if ((int)level > atomic_load(&log_max))
		return;
	n = (size_t)snprintf(line, sizeof(line), "%s: %s", log_prefix, words[level]);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	n = strlen(line);
	line[n++] = '\n';
	hook = atomic_load(&log_hook);
	if (hook)
		hook();
	while (write(STDERR_FILENO, line, n) < 0 && errno == EINTR)
		;
	errno = saved;
}
