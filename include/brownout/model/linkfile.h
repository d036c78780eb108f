/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/model/linkfile.h — the files that a fault on a link may read: measured delays, and traces of a link's
 * capacity.  Text in, record out; whoever calls opens the file.
 * Owns: nothing; what is made lives in the arena that is given.  Threads: any.  Privilege: none. */
#pragma once
#include <stddef.h>

#include "brownout/base/arena.h"
#include "brownout/model/impair.h"

/* A quantile of 1 % needs as many. */
#define BO_SAMPLES_MIN 100
/* Half a million delays, or the chances of a day at some ten per second. */
#define BO_LINKFILE_MAX_BYTES (8 << 20)

/**
 * struct bo_samples - a distribution of delays as it was measured
 * @mean_ns, @deviation_ns: of the samples;  what jitter is in units of
 * @table: their quantiles
 */
struct bo_samples {
	const char *name;
	uint32_t count;
	int64_t mean_ns;
	int64_t deviation_ns;
	struct bo_dist_table table;
};

/**
 * bo_samples_parse() - one delay per line ("12.3ms"); empty lines and those that begin with # do not count
 * @name: of the file, for messages: "delays.txt:3: expected a delay such as "12.3ms", found "fast""
 * @ret: [in @arena]
 * Return: 0; -EINVAL, -ERANGE (too few, or all the same), -ENOMEM
 */
BO_NODISCARD int bo_samples_parse(const char *text, size_t len, const char *name,
				  struct bo_arena *arena, const struct bo_samples **ret,
				  struct bo_err *err);
/**
 * bo_trace_parse() - a packet-delivery trace as mahimahi's mm-link(1) reads it: one time in milliseconds per line,
 * ascending; each is one chance to deliver BO_TRACE_MTU bytes, and the last one is the length of the trace
 * @ret: [in @arena]
 * Return: 0; -EINVAL, -ENOMEM
 */
BO_NODISCARD int bo_trace_parse(const char *text, size_t len, const char *name,
				struct bo_arena *arena, const struct bo_trace **ret,
				struct bo_err *err);
/** bo_trace_mean_bps() - bits per second over the whole trace */
int64_t bo_trace_mean_bps(const struct bo_trace *trace);
/** bo_trace_chances() - how many there are in (@from_ms, @to_ms] since the trace began, over its repetitions */
int64_t bo_trace_chances(const struct bo_trace *trace, double from_ms, double to_ms);
