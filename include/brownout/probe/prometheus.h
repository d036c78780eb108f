/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/probe/prometheus.h — one gauge out of Prometheus' text format 0.0.4 or OpenMetrics 1.0.
 * Grammar of a sample (https://prometheus.io/docs/instrumenting/exposition_formats/, OpenMetrics § 5):
 *   NAME ["{" LABEL "=" '"' TEXT '"' ("," …)* [","] "}"] SP+ VALUE [SP+ TIMESTAMP] [" # " EXEMPLAR] NL
 * Lines that begin with "#" are comments or metadata; everything but the wanted name is passed over unread.
 * Owns: one line of bounded length.  Threads: none.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "brownout/base/err.h"

#define BO_PROMETHEUS_LINE_MAX 4096

/**
 * struct bo_prometheus - bo_prometheus_init() it; the fields may be read at any time
 * @found: how many samples of that name there were;  @value: of the last
 */
struct bo_prometheus {
	const char *name; /* [borrowed] */
	size_t found;
	double value;
	bool skipping; /* the rest of a line that is too long, which the wanted one is not */
	size_t len;
	char line[BO_PROMETHEUS_LINE_MAX];
};

/** bo_prometheus_init() - look for @name, "go_goroutines" */
void bo_prometheus_init(struct bo_prometheus *p, const char *name);
/** bo_prometheus_feed() - the next piece, cut anywhere.  Return: 0; -EBADMSG when a sample of that name is malformed */
BO_NODISCARD int bo_prometheus_feed(struct bo_prometheus *p, const char *bytes, size_t n,
				    struct bo_err *err);
/**
 * bo_prometheus_finish() - after the last piece
 * Return: 0 when there was exactly one sample; -ENOENT for none; -EBADMSG for several (they are not one process's), or
 * when the text ends within one
 */
BO_NODISCARD int bo_prometheus_finish(struct bo_prometheus *p, struct bo_err *err);
