/* SPDX-License-Identifier: Apache-2.0 */
/* report/html.h — the parts of report.html, between the template (html.c) and the tables
 * (html_tables.c).
 * Owns: nothing.  Threads: none.  Privilege: none. */
#pragma once
#include <jansson.h>

#include "brownout/base/strbuf.h"

/** bo_html_section_fn - append one section of the page, made of the parsed run.json */
typedef void (*bo_html_section_fn)(struct bo_strbuf *sb, const json_t *run);

void bo_html_header(struct bo_strbuf *sb, const json_t *run);
void bo_html_budgets(struct bo_strbuf *sb, const json_t *run);
void bo_html_faults(struct bo_strbuf *sb, const json_t *run);
void bo_html_phases(struct bo_strbuf *sb, const json_t *run);
void bo_html_loads(struct bo_strbuf *sb, const json_t *run);
void bo_html_goroutines(struct bo_strbuf *sb, const json_t *run);
void bo_html_events(struct bo_strbuf *sb, const json_t *run);
void bo_html_series(struct bo_strbuf *sb, const json_t *run);
void bo_html_environment(struct bo_strbuf *sb, const json_t *run);

/* Compiled in from reports/template/ and dygraphs, see CMakeLists.txt. */
extern const char bo_asset_template[], bo_asset_style[], bo_asset_script[];
extern const char bo_asset_library[], bo_asset_library_style[];
extern const size_t bo_asset_template_len, bo_asset_style_len, bo_asset_script_len;
extern const size_t bo_asset_library_len, bo_asset_library_style_len;
