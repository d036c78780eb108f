/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/base/units.h — numbers with units, as people write them in scenarios and budgets.
 * A parser takes the whole string (surrounding blanks allowed) or fails with -EINVAL and a message
 * that names what was expected and what was found; -ERANGE when the value does not fit.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "brownout/base/err.h"

/** bo_parse_duration() - "250ms", "1.5s", "2m", "1h", "100us", "10ns", and sums "1m30s"; a bare number is refused (but "0") */
BO_NODISCARD int bo_parse_duration(const char *s, int64_t *ret_ns, struct bo_err *err);
/** bo_parse_size() - bytes: "256MiB" (2^20), "1GB" (10^9), "64KiB", "512B", or a bare number of bytes */
BO_NODISCARD int bo_parse_size(const char *s, int64_t *ret_bytes, struct bo_err *err);
/** bo_parse_bitrate() - bits per second: "10Mbit/s" or "10Mbit", "1Gbit/s", "512kbit", "9600bit/s" (decimal prefixes) */
BO_NODISCARD int bo_parse_bitrate(const char *s, int64_t *ret_bps, struct bo_err *err);
/** bo_parse_ratio() - "1%", "0.1%", "2.5e-3" or "0.01" as a fraction; not limited to [0, 1] */
BO_NODISCARD int bo_parse_ratio(const char *s, double *ret, struct bo_err *err);
/** bo_parse_frequency() - events per second: "200/s", "30/m", "5/h", or a bare number of events per second */
BO_NODISCARD int bo_parse_frequency(const char *s, double *ret_per_s, struct bo_err *err);

/* Formatters write a short human form ("1.20s", "250ms", "85.3%", "256MiB", "10Mbit/s") and return @buf. */
#define BO_UNIT_BUF 32
const char *bo_format_duration(int64_t ns, char buf[BO_UNIT_BUF]);
const char *bo_format_size(int64_t bytes, char buf[BO_UNIT_BUF]);
const char *bo_format_bitrate(int64_t bps, char buf[BO_UNIT_BUF]);
const char *bo_format_ratio(double ratio, char buf[BO_UNIT_BUF]);
