/* SPDX-License-Identifier: Apache-2.0 */
/* report/registry.c — the list of reports.  Adding one: a file that defines its kind, and a line
 * here.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include "kinds.h"

const struct bo_report_kind *const *bo_report_kinds(void)
{
	static const struct bo_report_kind *const kinds[] = {
		&bo_report_junit,
		&bo_report_html,
		&bo_report_summary,
		&bo_report_faults,
		&bo_report_series,
		&bo_report_hlog,
		NULL,
	};

	return kinds;
}
