#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What uml.sh promises: status, streams, arguments, time limit, several at once, and nothing left behind.
#   runner.sh PATH/TO/uml.sh
# shellcheck disable=SC2016 # what is in single quotes is for the guest
# shellcheck disable=SC2317 # functions are called through wait_for
set -u

uml=$1
"$uml" -c || exit $?
TMPDIR=$(mktemp -d) # also the guests' folder, so that leftovers show
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
failures=0

check() { # WHAT EXPECTED FOUND
	if [ "$2" != "$3" ]; then
		printf 'runner.sh: %s: expected "%s", found "%s"\n' "$1" "$2" "$3" >&2
		failures=$((failures + 1))
	fi
}

# Processes of guests of this test, by the folder in their arguments; threads of the dying are no matter.
guests() {
	for proc in /proc/[0-9]*; do
		tr '\0' ' ' <"$proc/cmdline" 2>/dev/null | grep -q "^[^ ]*linux[^ ]* .*$TMPDIR" && echo "${proc#/proc/}"
	done
}

wait_for() { # CONDITION...: up to 60 s
	tries=600
	until "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.1
	done
}

clean() {
	[ -z "$(guests)" ] && [ -z "$(ls "$TMPDIR")" ]
}

"$uml" sh -c 'echo "$1|$2"; echo oops >&2; [ -t 1 ] && echo terminal; exit 7' sh "it's" 'two  words' \
	>"$TMPDIR/out" 2>"$TMPDIR/err"
check "exit status" 7 $?
check "standard output and arguments" "it's|two  words" "$(cat "$TMPDIR/out")"
check "standard error" oops "$(cat "$TMPDIR/err")"
rm "$TMPDIR/out" "$TMPDIR/err"

check "a megabyte of output" "$(seq 1 150000 | cksum)" "$("$uml" seq 1 150000 | cksum)"

"$uml" -m 256 true 2>/dev/null
check "memory without a unit" 2 $?
check "memory" yes "$("$uml" -m 256M awk '/MemTotal/ { print $2 < 262144 ? "yes" : $2 }' /proc/meminfo)"

# Two at once, with the environment and the folder of the caller.
cd "$TMPDIR" || exit 1
MARK=one "$uml" sh -c 'echo "$MARK" >one' &
first=$!
MARK=two "$uml" sh -c 'echo "$MARK" >two' &
second=$!
wait "$first"
check "first of two" 0 $?
wait "$second"
check "second of two" 0 $?
check "both wrote" "one two" "$(cat one two | tr '\n' ' ' | sed 's/ $//')"
rm -f one two
cd / || exit 1

said=$("$uml" -t 4 sleep 1000 2>&1)
check "status after the time limit" 124 $?
check "said at the time limit" "uml.sh: killed after 4s" "$said"
"$uml" sh -c 'echo o >/proc/sysrq-trigger; sleep 100' >/dev/null 2>&1
check "status of a guest that dies" 125 $?
wait_for clean
check "left behind so far" "" "$(guests)$(ls "$TMPDIR")"

started() {
	[ -e "$TMPDIR/up" ]
}
for signal in TERM HUP KILL; do
	"$uml" sh -c 'touch "$TMPDIR/up"; sleep 1000' >/dev/null 2>&1 &
	runner=$!
	wait_for started
	check "guest is up before $signal" 0 $?
	kill -"$signal" "$runner"
	wait "$runner" 2>/dev/null
	rm -f "$TMPDIR/up"
	wait_for clean
	check "left behind after $signal" "" "$(guests)$(ls "$TMPDIR")"
done
exit "$((failures > 0))"
