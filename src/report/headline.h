/* SPDX-License-Identifier: Apache-2.0 */
/* report/headline.h — the verdict in one sentence, the same in every report.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#pragma once
#include "brownout/base/strbuf.h"
#include "brownout/model/run.h"

/** bo_headline() - append why this run ended as it did ("2 of 6 budgets broken. First, at 7.25s:
 * …") */
void bo_headline(struct bo_strbuf *sb, const struct bo_run *run);
