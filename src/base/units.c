/* SPDX-License-Identifier: Apache-2.0 */
/* base/units.c — one scanner for NUMBER UNIT and a table of units per quantity. */
#include "brownout/base/units.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct unit {
	const char *name;
	double factor;
};

static const struct unit duration_units[] = {
	{ "ns", 1 },   { "us", 1e3 },   { "µs", 1e3 },   { "ms", 1e6 },    { "s", 1e9 },
	{ "m", 60e9 }, { "min", 60e9 }, { "h", 3600e9 }, { "d", 86400e9 }, { NULL, 0 },
};
static const struct unit size_units[] = {
	{ "", 1 },         { "B", 1 },        { "kB", 1e3 },     { "KB", 1e3 },
	{ "MB", 1e6 },     { "GB", 1e9 },     { "TB", 1e12 },    { "KiB", 0x1p10 },
	{ "MiB", 0x1p20 }, { "GiB", 0x1p30 }, { "TiB", 0x1p40 }, { NULL, 0 },
};
static const struct unit bitrate_units[] = {
	{ "bit", 1 },      { "kbit", 1e3 },   { "Kbit", 1e3 },   { "Mbit", 1e6 },
	{ "Gbit", 1e9 },   { "Tbit", 1e12 },  { "bit/s", 1 },    { "kbit/s", 1e3 },
	{ "Kbit/s", 1e3 }, { "Mbit/s", 1e6 }, { "Gbit/s", 1e9 }, { "Tbit/s", 1e12 },
	{ "mbit", 1e6 },   { "gbit", 1e9 },   { "tbit", 1e12 }, /* tc(8) */
	{ NULL, 0 },
};
static const struct unit ratio_units[] = { { "", 1 }, { "%", 0.01 }, { NULL, 0 } };
static const struct unit frequency_units[] = {
	{ "", 1 },   { "/s", 1 }, { "/m", 1.0 / 60 }, { "/min", 1.0 / 60 }, { "/h", 1.0 / 3600 },
	{ NULL, 0 },
};

static const char *skip_blanks(const char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	return s;
}

/* Plain decimal with optional fraction and exponent.  Not strtod(3): it depends on the locale and takes hex,
 * "inf" and "nan". */
static bool scan_number(const char **at, double *ret)
{
	const char *s = *at, *digits;
	double v = 0, scale = 1;
	bool neg = false;
	int exp10 = 0;
	size_t n;

	if (*s == '-' || *s == '+')
		neg = *s++ == '-';
	for (digits = s; isdigit((unsigned char)*s); s++)
		v = v * 10 + (*s - '0');
	n = (size_t)(s - digits);
	if (*s == '.') {
		for (s++; isdigit((unsigned char)*s); s++, n++) {
			scale /= 10;
			v += (*s - '0') * scale;
		}
	}
	if (!n)
		return false;
	if ((*s == 'e' || *s == 'E') &&
	    (isdigit((unsigned char)s[1]) ||
	     ((s[1] == '-' || s[1] == '+') && isdigit((unsigned char)s[2])))) {
		bool eneg = s[1] == '-';

		for (s += isdigit((unsigned char)s[1]) ? 1 : 2; isdigit((unsigned char)*s); s++)
			if (exp10 < 1000)
				exp10 = exp10 * 10 + (*s - '0');
		v *= pow(10, eneg ? -exp10 : exp10);
	}
	*ret = neg ? -v : v;
	*at = s;
	return true;
}

static size_t unit_length(const char *s)
{
	size_t n = 0;

	while (isalpha((unsigned char)s[n]) || s[n] == '/' || s[n] == '%' ||
	       (unsigned char)s[n] >= 0x80)
		n++;
	return n;
}

static bool scan_unit(const char **at, const struct unit *units, double *ret)
{
	const char *s = skip_blanks(*at);
	size_t n = unit_length(s);

	for (; units->name; units++) {
		if (strlen(units->name) == n && !strncmp(units->name, s, n)) {
			*ret = units->factor;
			*at = n ? s + n : *at;
			return true;
		}
	}
	return false;
}

static int expected(struct bo_err *err, const char *what, const char *s)
{
	return bo_err_set(err, EINVAL, BO_SUBSYS_BASE, "expected %s, found \"%.60s\"", what, s);
}

static int parse_one(const char *s, const struct unit *units, const char *what, double *ret,
		     struct bo_err *err)
{
	const char *at = skip_blanks(s);
	double v, factor;

	if (!scan_number(&at, &v) || !scan_unit(&at, units, &factor) || *skip_blanks(at))
		return expected(err, what, s);
	/* "1e999", and "0e999", which is not even that */
	if (!isfinite(v * factor))
		return bo_err_set(err, ERANGE, BO_SUBSYS_BASE, "\"%.60s\" is out of range", s);
	*ret = v * factor;
	return 0;
}

static int to_int64(double v, const char *s, int64_t *ret, struct bo_err *err)
{
	if (!(fabs(v) < 9.2e18))
		return bo_err_set(err, ERANGE, BO_SUBSYS_BASE, "\"%.60s\" is out of range", s);
	*ret = llround(v);
	return 0;
}

int bo_parse_duration(const char *s, int64_t *ret_ns, struct bo_err *err)
{
	static const char what[] = "a duration such as \"250ms\", \"1.5s\" or \"2m\"";
	const char *at = skip_blanks(s);
	double sum = 0;
	int terms = 0;

	while (*at) {
		double v, factor;

		if (!scan_number(&at, &v))
			return expected(err, what, s);
		if (v == 0 && !terms && !*skip_blanks(at))
			break;
		if (!scan_unit(&at, duration_units, &factor))
			return expected(err, what, s);
		if (terms && v < 0)
			return expected(err, what, s);
		sum += v * factor;
		terms++;
		at = skip_blanks(at);
	}
	if (!terms && !*skip_blanks(s))
		return expected(err, what, s);
	return to_int64(sum, s, ret_ns, err);
}

int bo_parse_size(const char *s, int64_t *ret_bytes, struct bo_err *err)
{
	double v;
	int r = parse_one(s, size_units, "a size such as \"256MiB\" or \"1GB\"", &v, err);

	return r ? r : to_int64(v, s, ret_bytes, err);
}

int bo_parse_bitrate(const char *s, int64_t *ret_bps, struct bo_err *err)
{
	/* tc(8) means bytes by "kbps", and most others bits. */
	const char *what =
		strstr(s, "bps")
			? "a bit rate such as \"10Mbit/s\" (bps is bits to some and bytes to tc)"
		: strstr(s, "B/s") ? "a bit rate such as \"8Mbit/s\" (bits, not bytes)"
				   : "a bit rate such as \"10Mbit/s\"";
	double v;
	int r = parse_one(s, bitrate_units, what, &v, err);

	return r ? r : to_int64(v, s, ret_bps, err);
}

int bo_parse_ratio(const char *s, double *ret, struct bo_err *err)
{
	return parse_one(s, ratio_units, "a ratio such as \"1%\" or \"0.01\"", ret, err);
}

int bo_parse_frequency(const char *s, double *ret_per_s, struct bo_err *err)
{
	return parse_one(s, frequency_units, "a rate such as \"200/s\" or \"30/m\"", ret_per_s,
			 err);
}

const char *bo_format_duration(int64_t ns, char buf[BO_UNIT_BUF])
{
	double v = (double)ns, a = fabs(v);

	if (a >= 120e9)
		snprintf(buf, BO_UNIT_BUF, "%.1fmin", v / 60e9);
	else if (a >= 10e9)
		snprintf(buf, BO_UNIT_BUF, "%.1fs", v / 1e9);
	else if (a >= 1e9)
		snprintf(buf, BO_UNIT_BUF, "%.2fs", v / 1e9);
	else if (a >= 100e6)
		snprintf(buf, BO_UNIT_BUF, "%.0fms", v / 1e6);
	else if (a >= 1e6)
		snprintf(buf, BO_UNIT_BUF, "%.3gms", v / 1e6);
	else if (a >= 1e3)
		snprintf(buf, BO_UNIT_BUF, "%.3gus", v / 1e3);
	else
		snprintf(buf, BO_UNIT_BUF, ns ? "%.0fns" : "0s", v);
	/* %.3g may round 999.6 up to "1e+03" */
	if (strchr(buf, 'e'))
		snprintf(buf, BO_UNIT_BUF, a >= 1e6 ? "%.0fms" : "%.0fus",
			 a >= 1e6 ? v / 1e6 : v / 1e3);
	return buf;
}

const char *bo_format_size(int64_t bytes, char buf[BO_UNIT_BUF])
{
	static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = (double)bytes;
	int i = 0;

	while (fabs(v) >= 1024 && i < 6) {
		v /= 1024;
		i++;
	}
	snprintf(buf, BO_UNIT_BUF, fabs(v) >= 100 || v == floor(v) ? "%.0f%s" : "%.1f%s", v,
		 names[i]);
	return buf;
}

const char *bo_format_bitrate(int64_t bps, char buf[BO_UNIT_BUF])
{
	static const char *const names[] = { "bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s" };
	double v = (double)bps;
	int i = 0;

	while (fabs(v) >= 1000 && i < 4) {
		v /= 1000;
		i++;
	}
	snprintf(buf, BO_UNIT_BUF, fabs(v) >= 100 || v == floor(v) ? "%.0f%s" : "%.1f%s", v,
		 names[i]);
	return buf;
}

const char *bo_format_ratio(double ratio, char buf[BO_UNIT_BUF])
{
	double pct = ratio * 100;

	if (fabs(pct) >= 100 || pct == floor(pct))
		snprintf(buf, BO_UNIT_BUF, "%.0f%%", pct);
	else if (fabs(pct) >= 1)
		snprintf(buf, BO_UNIT_BUF, "%.1f%%", pct);
	else
		snprintf(buf, BO_UNIT_BUF, "%.2g%%", pct);
	return buf;
}
