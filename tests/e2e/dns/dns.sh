#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# dns.sh CASE — what Go's resolver and the C library's make of a name server that fails.
# Environment: BROWNOUT (the program), SERVICES (folder of the Go services); root.
set -u
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

die() { echo "FAILED: $*"; cat "$work/stderr"; sort "$work/log" 2>/dev/null | sed 's/ [0-9]*$//' | uniq -c; exit 1; }
# run CASE...: $work/log has a line for each look-up
run() {
	(PATH=$SERVICES:$PATH exec "$BROWNOUT" run --plain --out "$work/out" --set case="$1" "${@:2}" "$here/resolve.lua") \
		>"$work/stdout" 2>"$work/stderr"
	rc=$?
	cp "$work"/out/*/nodes/web.log "$work/log" || die "no log"
}
# lookups PATTERN [AT-LEAST]
lookups() { [ "$(grep -cE -- "$1" "$work/log")" -ge "${2:-3}" ] || die "fewer than ${2:-3} look-ups are $1"; }
none() { ! grep -qE -- "$1" "$work/log" || die "a look-up is $1"; }
# python EXPRESSION over run.json's faults
faults() {
	python3 -c 'import json, sys
faults = json.load(open(sys.argv[1]))["faults"]
sys.exit(not eval(sys.argv[2]))' "$work"/out/*/run.json "$1" || die "not so: $1: $(grep -A12 '"confirm"' "$work"/out/*/faults.json)"
}
confirmed() { faults 'all(f["confirm"] == "ok" and f["driver"] == "name server" for f in faults)'; }
both='10\.77\.0\.[0-9]+ '
[ ! -e /proc/sys/net/ipv6 ] || both+='fd77::[0-9a-f]+ '

case_answers() {
	run answers --set slow="${SLOW:-false}"
	confirmed
	for by in go libc; do
		lookups "^$by db: ${both}[0-9]+\$" 10
		lookups "^$by db: 10\.77\.0\.3 " 3 # the cache's
		lookups "^$by db: 10\.9\.9\.9 [0-9]+\$" 3 # and no IPv6 address beside it
	done
	lookups '^go db: error: no such host notfound=true timeout=false'
	lookups '^go db: error: server misbehaving notfound=false' 6
	lookups '^libc db: error: getent exits with 2' 9
}
case_slow() {
	run slow
	# a machine that has other things to do wakes the server late, and the fault says so
	faults 'all(f["confirm"] == "ok" or "went only after" in f["reason"] for f in faults)'
	for by in go libc; do
		# not before the fault, all the while, and not after it
		lookups "^$by db: ${both}[0-9]{1,2}\$" 5
		lookups "^$by db: ${both}([3-9][0-9]{2}|[0-9]{4})\$" 10
	done
}
case_timeout() {
	run timeout
	confirmed
	lookups '^go db: error: .*timeout.* notfound=false timeout=true (9|1[0-9])[0-9]{3}$' 10
	lookups '^libc db: error: getent exits with 2 (9|1[0-9])[0-9]{3}$' 10
}
case_name() {
	run name
	confirmed
	lookups '^go db: error: no such host' 20
	none '^go cache: error'
	lookups '^go cache: 10\.77\.0\.3 ' 20
	lookups '^libc nobody.example.com: error: getent exits with 2' 20
	none '^libc nobody.example.com: 10'
}
case_never() {
	run never
	[ "$rc" = 3 ] || die "exit code $rc, expected 3"
	faults 'faults[0]["confirm"] == "unknown" and "did not ask for db while the fault lasted (it asked for others" in faults[0]["reason"]'
	none 'error'
}
# without dns = true: names are in /etc/hosts, and nobody is asked
case_hosts() {
	run hosts
	lookups "^go db: ${both}[0-9]+\$" 10
	lookups "^libc db: ${both}[0-9]+\$" 10
	none 'error'
}
"case_$1" && echo "ok: $1"
