#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# No C function is longer than 100 lines, from its opening brace to its closing one.
#   functions.sh ROOT        every violation is one line, exit status 1
#   functions.sh --self-test
# Kernel braces make this easy: a function's body is what stands between a "{" and a "}" in the first column.  A table
# or a struct also ends in the first column, but as "};".
set -eu

max_lines=100

check() { # root
	cd "$1"
	# shellcheck disable=SC2016 # $0 is awk's
	find . \( -name .git -o -name build \) -prune -o -type f -name '*.c' -print | sort | xargs awk -v max="$max_lines" '
	FNR == 1 { start = 0 }
	/^\{/ { start = FNR }
	/^[A-Za-z_].*\(/ { head = $0 }
	/^\}/ {
		if ($0 == "}" && start && FNR - start - 1 > max) {
			sub(/\(.*/, "", head)
			sub(/.*[ *]/, "", head)
			print FILENAME ":" start ": " head "() has " FNR - start - 1 " lines; " max " are allowed"
			failed = 1
		}
		start = 0
	}
	END { exit failed }'
}

self_test() {
	dir=$(mktemp -d)
	trap 'rm -rf "$dir"' EXIT
	failed=0
	try() { # expected-status lines opening closing
		{
			printf '%s\n{\n' "$3"
			awk -v n="$2" 'BEGIN { while (n--) print "\tx();" }'
			echo "$4"
		} >"$dir/a.c"
		status=0
		(check "$dir") >"$dir/out" 2>&1 || status=1
		if [ "$status" != "$1" ]; then
			echo "self-test: $2 lines of '$3' to '$4': status $status, expected $1"
			failed=1
		fi
	}
	try 0 100 'static int f(int a)' '}'
	try 1 101 'static int f(int a)' '}'
	try 0 300 'static const char *const table[] =' '};'
	try 1 101 'int f(int a, /* over' '}'
	grep -q '^./a.c:2: f() has 101 lines' "$dir/out" || {
		echo "self-test: the function is not named: $(cat "$dir/out")"
		failed=1
	}
	[ "$failed" = 0 ] && echo "self-test: the rule catches what it is there for"
	return "$failed"
}

if [ "${1:-}" = --self-test ]; then
	self_test
else
	check "$1"
fi
