/* SPDX-License-Identifier: Apache-2.0 */
/* harness/status.c — the status line goes to stderr, so that stdout carries results only. */
#include "harness/status.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "brownout/base/clock.h"
#include "brownout/base/log.h"
#include "brownout/base/units.h"

#define LINE_EVERY_NS (2 * BO_NSEC_PER_SEC)

static enum bo_status_mode mode = BO_STATUS_QUIET;
static bool drawn;
static int64_t last_line_ns = INT64_MIN;
static char prefix[64];

void bo_status_clear(void)
{
	if (!drawn)
		return;
	drawn = false;
	fputs("\r\033[K", stderr);
	fflush(stderr);
}

void bo_status_init(enum bo_status_mode want, const char *label)
{
	mode = want;
	if (label)
		snprintf(prefix, sizeof(prefix), "[%.60s] ", label);
	/* a line is one write(2), so that lines of several processes do not mix */
	setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
	if (mode == BO_STATUS_TTY && !isatty(STDERR_FILENO))
		mode = BO_STATUS_LINES;
	last_line_ns = INT64_MIN;
	bo_log_set_hook(mode == BO_STATUS_TTY ? bo_status_clear : NULL);
}

void bo_status_note(int64_t t_ns, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (mode == BO_STATUS_QUIET)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	bo_status_clear();
	if (t_ns == INT64_MIN)
		fprintf(stderr, "%s        %s\n", prefix, text);
	else
		fprintf(stderr, "%s%6.1fs %s\n", prefix, (double)t_ns / 1e9, text);
}

static size_t put(char *buf, size_t size, size_t at, const char *fmt, ...) BO_PRINTF(4, 5);

static size_t put(char *buf, size_t size, size_t at, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (at >= size)
		return at;
	va_start(ap, fmt);
	n = vsnprintf(buf + at, size - at, fmt, ap);
	va_end(ap);
	return n < 0 ? at : at + (size_t)n;
}

static size_t put_latency(char *buf, size_t size, size_t at, double ms)
{
	char unit[BO_UNIT_BUF];

	if (isnan(ms))
		return put(buf, size, at, "  p99 -");
	return put(buf, size, at, "  p99 %s", bo_format_duration((int64_t)(ms * 1e6), unit));
}

static void format(const struct bo_status_view *v, char *buf, size_t size)
{
	size_t at = put(buf, size, 0, "%-6s %4.1f/%.1fs", v->phase,
			(double)v->phase_elapsed_ns / 1e9, (double)v->phase_length_ns / 1e9);
	char unit[BO_UNIT_BUF];

	if (!isnan(v->done_per_s)) {
		at = put(buf, size, at, "  %.0f/s", v->done_per_s);
		at = put_latency(buf, size, at, v->p99_ms);
		at = put(buf, size, at, "  err %.0f/s  open %.0f", v->errors_per_s, v->inflight);
	}
	if (isnan(v->goroutines))
		at = put(buf, size, at, "  goroutines -");
	else
		at = put(buf, size, at, "  goroutines %.0f", v->goroutines);
	if (!isnan(v->memory_bytes))
		at = put(buf, size, at, "  mem %s", bo_format_size((int64_t)v->memory_bytes, unit));
	if (v->faults[0])
		put(buf, size, at, "  [%s]", v->faults);
}

void bo_status_show(const struct bo_status_view *view)
{
	struct winsize ws = { 0 };
	size_t width = 100;
	char line[512];

	if (mode == BO_STATUS_QUIET)
		return;
	format(view, line, sizeof(line));
	if (mode == BO_STATUS_LINES) {
		if (last_line_ns != INT64_MIN && view->elapsed_ns - last_line_ns < LINE_EVERY_NS)
			return;
		last_line_ns = view->elapsed_ns;
		fprintf(stderr, "%s%6.1fs %s\n", prefix, (double)view->elapsed_ns / 1e9, line);
		return;
	}
	if (!ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) && ws.ws_col > 20)
		width = ws.ws_col;
	/* never wrap: a wrapped line cannot be redrawn */
	if (width - 9 < sizeof(line))
		line[width - 9] = '\0';
	fprintf(stderr, "\r%6.1fs %s\033[K", (double)view->elapsed_ns / 1e9, line);
	fflush(stderr);
	drawn = true;
}
