#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The matrix over Go releases and ways of building, and the version table against each release's own DWARF.
#   matrix.sh installed|releases|newest SECONDS ZOO_SOURCE OUT CENSUS_MATRIX VERSION_FACTS
# Which releases: toolchains.sh; "newest" takes the installed ones along.  SECONDS are for having and building the
# releases, not for the comparison; what does not fit into them is said, in OUT/WHICH.txt, where the table goes, too.
# Exit: 0 all agree; 1 something does not; 77 none of these releases could be had.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
which=$1 seconds=$2 source=$3 out=$4 matrix=$5 facts=$6
end=$(($(date +%s) + seconds))
mkdir -p "$out"
table=$out/$which.txt missing=$out/$which.missing
: >"$table"
: >"$missing"

toolchains=
if [ "$which" = newest ]; then
	toolchains=$("$here/toolchains.sh" installed)
fi
toolchains="$toolchains $("$here/toolchains.sh" "$which" "$seconds" 2>"$missing")" || true

binaries='' references=
for go in $toolchains; do
	left=$((end - $(date +%s)))
	release=$(GOTOOLCHAIN=local "$go" env GOVERSION)
	status=0
	built=$(timeout "$((left > 5 ? left : 5))" "$here/build-zoo.sh" "$source" "$out" "$go") || status=$?
	# timeout(1) says 124.
	if [ "$status" = 124 ]; then
		echo "NOT TESTED: $release could not be built in time" >>"$missing"
	elif [ "$status" != 0 ]; then
		exit 1
	else
		binaries="$binaries $built"
		references="$references $out/$release-default $out/$release-arm64"
	fi
done

status=77
if [ -n "$binaries" ]; then
	status=0
	# shellcheck disable=SC2086 # paths without blanks
	"$matrix" --table "$table" $binaries || status=1
	# shellcheck disable=SC2086
	"$facts" --check $references || status=1
	# Asked for the newest, nothing less will do.
	[ "$which" != newest ] || [ ! -s "$missing" ] || status=1
fi
cat "$missing" >>"$table"
cat "$table"
exit "$status"
