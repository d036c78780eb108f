/* SPDX-License-Identifier: Apache-2.0 */
/* report/kinds.h — the reports, for the registry.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#pragma once
#include "brownout/report/report.h"

extern const struct bo_report_kind bo_report_junit;   /* junit.c: junit.xml */
extern const struct bo_report_kind bo_report_html;    /* html.c: report.html */
extern const struct bo_report_kind bo_report_summary; /* summary.c: summary.md */
extern const struct bo_report_kind bo_report_faults;  /* csv.c: faults.json */
extern const struct bo_report_kind bo_report_series;  /* csv.c: series/ */
extern const struct bo_report_kind bo_report_hlog;    /* hlog.c: latency.hlog */
