/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/report_run.h — made-up but realistic runs, for tests of reports and for the golden
 * examples. The same on every machine: seeded, and computed with integers and exact doubles only.
 * Owns: plan and run.  Threads: none.  Privilege: none. */
#pragma once
#include "brownout/model/run.h"

/** enum report_sample - the story of the run */
enum report_sample {
	SAMPLE_FAIL, /* the timeout never reaches the database: late answers, leaking goroutines */
	SAMPLE_PASS, /* the same with the fix */
	SAMPLE_INCONCLUSIVE, /* a fault was not confirmed, samples are missing */
	SAMPLE_ABORTED,      /* a person pressed Ctrl-C in the fault phase; nothing was judged */
};

/** struct report_run - zero nothing; free with report_run_free() */
struct report_run {
	struct bo_plan *plan;
	struct bo_run *run;
};

/**
 * report_run_new() - build one; aborts the test program when memory is out
 * @hostile: names, reasons and texts carry quotes, markup, control characters, newlines and broken
 * UTF-8
 */
struct report_run report_run_new(enum report_sample sample, bool hostile);
void report_run_free(struct report_run *rr);

/** A string that breaks every careless writer */
#define REPORT_HOSTILE \
	"a\"b'<i>&\\|`*_${x}\x1b[31m\r\n\xff\xc3(\xe2\x80\xae</script><!--]]>\xe2\x80\xa8,=1"
