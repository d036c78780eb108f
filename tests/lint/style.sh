#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a reviewer should not have to look for.
#   style.sh ROOT         every violation is one line, exit status 1
#   style.sh --self-test
# - each source names its licence in its first three lines (scenarios that are test data excepted)
# - no C file beyond 800 lines
# - no trailing blanks, no conflict markers, nothing left "to do"
# - no path of one person's machine
set -eu

max_lines=800

check() { # root
	cd "$1"
	# shellcheck disable=SC2016 # $0 is awk's
	find . \( -name .git -o -name build -o -path ./reports/out -o -name corpus \) -prune -o -type f \
		\( -name '*.[ch]' -o -name '*.go' -o -name '*.lua' -o -name '*.sh' -o -name '*.cmake' -o -name CMakeLists.txt \) \
		-print | sort | xargs awk -v max="$max_lines" '
	function bad(text) {
		print FILENAME ":" FNR ": " text
		failed = 1
	}
	function finish() {
		if (name != "" && !spdx && name !~ /^\.\/tests\/.*\.lua$/) {
			print name ":1: no SPDX-License-Identifier in the first three lines"
			failed = 1
		}
		if (name ~ /\.[ch]$/ && lines > max) {
			print name ":" lines ": longer than " max " lines"
			failed = 1
		}
	}
	FNR == 1 {
		finish()
		name = FILENAME
		spdx = 0
	}
	{ lines = FNR }
	FNR <= 3 && /SPDX-License-Identifier: Apache-2.0/ { spdx = 1 }
	/[ \t]$/ { bad("blanks at the end of the line") }
	/^(<<<<<<<|>>>>>>>) / { bad("conflict marker") }
	# Spelt apart, so that this file passes its own check.
	$0 ~ "(^|[^A-Za-z])(TO" "DO|FIX" "ME|XX" "X)([^A-Za-z]|$)" { bad("left to be done") }
	/(^|[ \t"'"'"'`=(<>:])\/(work|root|home)\// { bad("a path of one machine") }
	END {
		finish()
		exit failed
	}'
}

self_test() {
	dir=$(mktemp -d)
	trap 'rm -rf "$dir"' EXIT
	failed=0
	try() { # expected-status file printf-format
		rm -rf "$dir/tree"
		mkdir "$dir/tree"
		# shellcheck disable=SC2059 # the format is the content
		printf -- "$3" >"$dir/tree/$2"
		status=0
		(check "$dir/tree") >"$dir/out" 2>&1 || status=1
		if [ "$status" != "$1" ]; then
			echo "self-test: $2 with '$3': status $status, expected $1"
			failed=1
		fi
	}
	spdx='SPDX-License-Identifier: Apache-2.0'
	try 0 a.c "/* $spdx */\nint a;\n"
	try 0 a.lua "-- $spdx\nlocal a\n"
	try 1 a.c 'int a;\n'
	try 1 a.go "\n\n\n// $spdx\n"
	try 1 a.c "/* $spdx */\nint a; \n"
	try 1 a.sh "# $spdx\n<<<<<<< ours\n"
	try 1 a.c "/* $spdx */\n/* TO""DO: think */\n"
	try 1 a.sh "# $spdx\ncd /ho""me/me/brownout\n"
	try 0 a.sh "# $spdx\ncd \$dir/root/x\n"
	try 1 a.h "/* $spdx */$(printf '%*s' 801 '' | sed 's/ /\\n/g')"
	[ "$failed" = 0 ] && echo "self-test: each rule catches what it is there for"
	return "$failed"
}

if [ "${1:-}" = --self-test ]; then
	self_test
else
	check "$1"
fi
