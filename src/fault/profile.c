/* SPDX-License-Identifier: Apache-2.0 */
/* fault/profile.c — kinds of lines and paths by their names.  docs/impairments.md has the same table
 * for people, with where each number comes from.  Round-trip times are divided evenly between the
 * two directions.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include "brownout/base/clock.h"
#include "fault-internal.h"

#define MS BO_NSEC_PER_MSEC
#define KBIT INT64_C(1000)
#define LINE(delay, down_bps, up_bps)                            \
	.down = { .delay_ns = (delay), .rate_bps = (down_bps) }, \
	.up = { .delay_ns = (delay), .rate_bps = (up_bps) }
#define PATH(delay) .down = { .delay_ns = (delay) }, .up = { .delay_ns = (delay) }
#define WEBPAGETEST "WebPageTest, www/settings/connectivity.ini.sample"
#define AWS "round trips between AWS regions as measured in 2017, average"

/* Bursts of 4 packets on average, 3 % of all. */
#define WIFI_DIRECTION                                                            \
	{                                                                         \
		.delay_ns = 5 * MS, .jitter_ns = 4 * MS, .dist = BO_DIST_UNIFORM, \
		.loss = { .model = BO_LOSS_GE,                                    \
			  .p_ppm = 7732,                                          \
			  .r_ppm = 250000,                                        \
			  .bad_loss_ppm = BO_PPM_ALL },                           \
	}

const struct bo_profile bo_profiles[BO_PROFILE_COUNT] = {
	{ .name = "dialup",
	  .about = "56k modem",
	  LINE(60 * MS, 49 * KBIT, 30 * KBIT),
	  .source = WEBPAGETEST " [Dial]" },
	{ .name = "2G",
	  .about = "GPRS",
	  LINE(650 * MS, 35 * KBIT, 32 * KBIT),
	  .source = WEBPAGETEST " [2G]" },
	{ .name = "EDGE",
	  .about = "EDGE",
	  LINE(420 * MS, 240 * KBIT, 200 * KBIT),
	  .source = WEBPAGETEST " [Edge]" },
	{ .name = "3G",
	  .about = "UMTS",
	  LINE(150 * MS, 1600 * KBIT, 768 * KBIT),
	  .source = WEBPAGETEST " [3G]" },
	{ .name = "3G-fast",
	  .about = "UMTS, good reception",
	  LINE(75 * MS, 1600 * KBIT, 768 * KBIT),
	  .source = WEBPAGETEST " [3GFast]" },
	{ .name = "3G-slow",
	  .about = "UMTS, bad reception",
	  LINE(100 * MS, 780 * KBIT, 330 * KBIT),
	  .source = WEBPAGETEST " [3GSlow]" },
	{ .name = "LTE",
	  .about = "4G",
	  LINE(35 * MS, 13000 * KBIT, 6000 * KBIT),
	  .source = "rates: Huang et al., MobiSys 2012, median; round trip: WebPageTest [LTE]" },
	{ .name = "DSL",
	  .about = "ADSL",
	  LINE(25 * MS, 1500 * KBIT, 384 * KBIT),
	  .source = WEBPAGETEST " [DSL]" },
	{ .name = "cable",
	  .about = "cable modem",
	  LINE(14 * MS, 5000 * KBIT, 1000 * KBIT),
	  .source = WEBPAGETEST " [Cable]" },
	{ .name = "fiber",
	  .about = "fibre to the home",
	  LINE(2 * MS, 20000 * KBIT, 5000 * KBIT),
	  .source = WEBPAGETEST " [FIOS]" },
	{ .name = "satellite-GEO",
	  .about = "geostationary satellite",
	  LINE(279 * MS, 19300 * KBIT, 2540 * KBIT),
	  .source =
		  "delay: RFC 2488 § 2, station at the edge of the view; rates: Ookla, Q3 2021, HughesNet, median" },
	{ .name = "satellite-LEO",
	  .about = "low-orbit satellite",
	  LINE(25 * MS, 87250 * KBIT, 13540 * KBIT),
	  .source =
		  "round trip: Michel et al., IMC 2022 (median 50 ms, quartiles 40 and 60); rates: Ookla, Q3 2021, Starlink, median" },
	{ .name = "wifi-lossy",
	  .about = "Wi-Fi at the edge of its reach",
	  .down = WIFI_DIRECTION,
	  .up = WIFI_DIRECTION,
	  .source =
		  "model: Gilbert–Elliott, usual for 802.11 (da Silva and Pedroso, Sensors 22(22), 2022); its numbers are chosen, not measured" },
	{ .name = "cross-region",
	  .about = "Virginia – California",
	  PATH(36 * MS),
	  .source = AWS " (72.7 ms)" },
	{ .name = "cross-continent",
	  .about = "Virginia – Ireland",
	  PATH(40 * MS),
	  .source = AWS " (80.5 ms)" },
	{ .name = "cross-world",
	  .about = "Frankfurt – Singapore",
	  PATH(163 * MS),
	  .source = AWS " (325.9 ms)" },
};

const struct bo_profile *bo_profile_of(const struct bo_fault_spec *spec)
{
	int64_t index = bo_link_option(spec, "profile", -1);

	/* The words of the option are in the order of the table. */
	return index >= 0 && index < BO_PROFILE_COUNT ? &bo_profiles[index] : NULL;
}

bool bo_profile_is_symmetric(const struct bo_profile *profile)
{
	return bo_impair_equal(&profile->down, &profile->up);
}
