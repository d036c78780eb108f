#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The demo: one scenario, two builds of the same service, two verdicts.
#   demo.sh BUILD      BUILD is a build tree (build/release); more arguments go to `brownout run`
# Exit status: 0 when the defective build FAILs and the fixed one PASSes, as they should; 5 when this machine cannot
# run it; 1 otherwise.  BROWNOUT_OUT is where the runs go (default reports/out).
set -eu

build=$1
shift
here=$(dirname "$0")
out=${BROWNOUT_OUT:-reports/out}
# Scenarios look their commands up in their own folder and then in PATH.
PATH=$(cd "$build/services" && pwd):$PATH
export PATH
verdicts=0
reports=

judge() { # variant expected-status what-it-is [arguments of brownout run]
	variant=$1
	expected=$2
	printf '\n== orders-%s: %s\n' "$variant" "$3"
	shift 3
	status=0
	"$build/harness/brownout" run --set "variant=$variant" --out "$out/demo-$variant" "$@" "$here/demo.lua" ||
		status=$?
	[ "$status" != 5 ] || exit 5 # it has said what is missing
	if [ "$status" != "$expected" ]; then
		printf '\ndemo: orders-%s ended with exit status %s, expected %s\n' "$variant" "$status" "$expected" >&2
		verdicts=1
	fi
	for run in "$out/demo-$variant"/*/; do # names begin with the time, so the last one is the newest
		report=${run}report.html
	done
	reports="$reports
  $(printf '%-10s' "$variant") $report"
}

judge defective 1 "its 1 s timeout never reaches the backend, and goroutines wait for good" "$@"
judge fixed 0 "the same service, repaired; the same faults" "$@"
if [ "$verdicts" = 0 ]; then
	printf '\nAs it should be: the defective build FAILED and the fixed one PASSED, under the same three faults.\n'
fi
printf '\nReports:%s\n' "$reports"
exit "$verdicts"
