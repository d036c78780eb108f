#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A test that skips is no test: fail when a tier that must run on this machine was skipped.
#
#   BROWNOUT_REQUIRE_TIERS="unit lab uml" require-tiers.sh JUNIT.xml
#   require-tiers.sh --self-test
#
# JUNIT.xml is what `ctest --output-junit` wrote.  A tier is the first part of a test's name: unit.test_sys_tun is of
# tier "unit".  Required and without a single test is as bad as skipped.  Tests named in BROWNOUT_MAY_SKIP (their kernel
# feature is another tier's) may skip all the same.  With nothing required, skips are only listed.
set -u

me=${0##*/}

check() { # junit
	[ -r "$1" ] || {
		echo "$me: cannot read $1" >&2
		return 1
	}
	# shellcheck disable=SC2016 # $0 is awk's
	awk -v required="${BROWNOUT_REQUIRE_TIERS:-}" -v excused="${BROWNOUT_MAY_SKIP:-}" -v me="$me" '
	function attribute(name) {
		if (!match($0, " " name "=\"[^\"]*\""))
			return ""
		return substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4)
	}
	function finish() {
		if (test == "")
			return
		tests[tier]++
		if (skipped && !(test in may)) {
			print me ": skipped: " test
			if (tier in must)
				failed = 1
		} else if (!skipped) {
			ran[tier]++
		}
		test = ""
	}
	BEGIN {
		n = split(required, word, "[ ,;]+")
		for (i = 1; i <= n; i++)
			if (word[i] != "")
				must[word[i]] = 1
		n = split(excused, word, "[ ,;]+")
		for (i = 1; i <= n; i++)
			may[word[i]] = 1
	}
	/<testcase / {
		finish()
		test = attribute("name")
		tier = test
		sub(/\..*/, "", tier)
		skipped = 0
	}
	/<skipped/ { skipped = 1 }
	END {
		finish()
		for (tier in must)
			if (!ran[tier]) {
				print me ": required tier \"" tier "\": " (tests[tier] ? "every test was skipped" : "no test")
				failed = 1
			}
		exit failed
	}' "$1"
}

self_test() {
	dir=$(mktemp -d)
	trap 'rm -rf "$dir"' EXIT
	failed=0
	cat >"$dir/junit.xml" <<-'EOF'
		<testsuite name="x">
			<testcase name="unit.a" classname="unit.a" time="0.1" status="run">
				<system-out>ok</system-out>
			</testcase>
			<testcase name="unit.b" classname="unit.b" time="0.1" status="notrun">
				<skipped message="SKIP_RETURN_CODE=77"/>
			</testcase>
			<testcase name="lab.a" classname="lab.a" time="0.1" status="run">
				<system-out/>
			</testcase>
			<testcase name="lab.b" classname="lab.b" time="0.1" status="notrun">
				<skipped message="SKIP_RETURN_CODE=77"/>
			</testcase>
			<testcase name="uml.a" classname="uml.a" time="0.1" status="notrun">
				<skipped message="SKIP_RETURN_CODE=77"/>
			</testcase>
		</testsuite>
	EOF
	try() { # expected-status required-tiers may-skip
		status=0
		(BROWNOUT_REQUIRE_TIERS=$2 BROWNOUT_MAY_SKIP=${3:-} && check "$dir/junit.xml") >/dev/null 2>&1 || status=1
		if [ "$status" != "$1" ]; then
			echo "self-test: required '$2': status $status, expected $1"
			failed=1
		fi
	}
	try 0 ''
	try 0 unit unit.b
	try 1 unit
	try 1 unit unit.a
	try 0 lab lab.b
	try 1 lab
	try 1 uml uml.a
	try 1 uml
	try 1 e2e
	try 1 'unit uml' unit.b
	check "$dir/none.xml" 2>/dev/null && {
		echo "self-test: a missing report passes"
		failed=1
	}
	[ "$failed" = 0 ] && echo "self-test: each rule catches what it is there for"
	return "$failed"
}

case ${1:-} in
--self-test) self_test ;;
'') echo "usage: $me JUNIT.xml | --self-test" >&2 && exit 2 ;;
*) check "$1" ;;
esac
