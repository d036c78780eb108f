#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# options.sh CASE — what the options of `brownout run` do to real runs: overrides, several runs, repeats, guards, limits.
# Needs BROWNOUT (the program) and SERVICES (folder of the Go services) in the environment, and root.
set -u
here=$(cd "$(dirname "$0")" && pwd)
weather=$here/../weather
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
out=$work/out

die() { echo "FAILED: $*"; echo "--- stdout"; cat "$work/stdout" 2>/dev/null; echo "--- stderr"; cat "$work/stderr" 2>/dev/null; exit 1; }

# run ARGS...: to the end; $rc, $work/stdout, $work/stderr
run() {
	(cd "$work" && PATH=$SERVICES:$PATH exec "$BROWNOUT" run --out "$out" "$@") >"$work/stdout" 2>"$work/stderr"
	rc=$?
}
expect_rc() { [ "$rc" = "$1" ] || die "exit code $rc, expected $1"; }
expect() { grep -qE -- "$2" "$work/$1" || die "no line of $1 matches: $2"; }
expect_not() { ! grep -qE -- "$2" "$work/$1" || die "a line of $1 matches: $2"; }
# PASS, or INCONCLUSIVE because a generator says itself that it was late, on a machine that has other things to do
expect_pass() { [ "$rc" = 0 ] || { [ "$rc" = 3 ] && grep -q 'was late itself' "$work/stdout"; } || die "exit code $rc"; }
expect_lines() { [ "$(wc -l <"$work/$1")" = "$2" ] || die "$(wc -l <"$work/$1") lines on $1, expected $2"; }
expect_nothing_started() { [ ! -e "$out" ] || die "a run folder was made"; }
# python EXPRESSION over r, the only run.json, or over runs, all of them in order of their seeds and names
judge() {
	python3 - "$out" "$1" <<'PY' || die "not so: $1"
import glob, json, sys
runs = sorted((json.load(open(f)) for f in glob.glob(sys.argv[1] + "/*/run.json")),
              key=lambda r: (r["scenario"]["name"], int(r["scenario"]["seed"])))
r = runs[0] if runs else None
phases = {p["name"]: p for p in r["phases"]} if r else {}
sys.exit(not eval(f"({sys.argv[2]})"))
PY
}
eventually() {
	local end=$((SECONDS + $1)); shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		read -r -t 0.05 <> <(:) || true
	done
}
says() { [ "$(grep -cE -- "$2" "$work/stderr" 2>/dev/null)" -ge "$1" ]; }
gone() { ! kill -0 "$1" 2>/dev/null || [ "$(ps -o stat= -p "$1" 2>/dev/null | cut -c1)" = Z ]; }
# two folders of small scenarios and a library: tree/one/{fine,dies}.lua and tree/two/fine.lua
make_tree() {
	mkdir -p "$work/tree/one" "$work/tree/two" "$work/tree/lib"
	cp "$weather/common.lua" "$work/tree/lib"
	cp "$weather/fine.lua" "$work/tree/one"
	cp "$weather/fine.lua" "$work/tree/two"
	sed -i 's/"fine"/"fine-too"/' "$work/tree/two/fine.lua"
	cp "$weather/subject-dies.lua" "$work/tree/one/dies.lua"
}

case_overrides() {
	local budget='errors.ratio <= 15% in base..fault'
	run --phase fault=2s --rate 15/s --rate get=x2 --budget "$budget" --budget 'errors.ratio <= 30% in fault' --tag branch=main \
		--tag 'who=a "b"' --seed 7 --timeout 1m "$weather/fine.lua"
	expect_pass
	judge "[b['text'] for b in r['budgets']] == ['$budget', 'errors.ratio <= 30% in fault']"
	judge "all(b['source']['file'] is None for b in r['budgets'])"
	judge "r['tags'] == {'branch': 'main', 'who': 'a \"b\"'} and [o['option'] for o in r['overrides']] ==
		['phase', 'rate', 'rate', 'budget', 'budget', 'timeout']"
	# 30/s over 1 s and over 2 s
	judge "phases['base']['all']['requests'] == 30 and phases['fault']['all']['requests'] == 60"
	grep -q 'command line' "$out"/*/summary.md "$out"/*/report.html || die "no report names the command line"
	grep -q 'name="tag.branch" value="main"' "$out"/*/junit.xml || die "no tag in junit.xml"
	# the command that repeats it makes the same plan, but for how the links are impaired, which it pins
	local again; again=$(python3 -c "import json,sys; print(json.load(open(sys.argv[1]))['rerun'])" "$out"/*/run.json)
	case $again in 'brownout run '*) ;; *) die "rerun: $again" ;; esac
	mv "$out" "$work/first"
	eval "run ${again#brownout run}"
	expect_pass
	diff <(grep -v '"driver"' "$work"/first/*/plan.json) <(grep -v '"driver"' "$out"/*/plan.json) ||
		die "another plan the second time"
}
case_timeout() {
	run --plain --timeout 2500ms "$weather/long.lua"; expect_rc 4
	expect stdout '^ABORTED  long'
	expect stderr 'it took longer than the --timeout of 2\.50s: taking everything back'
	expect stderr 'fault off: memory'
	expect stderr 'nothing left behind'
	judge "r['outcome']['verdict'] == 'ABORTED' and 'timeout of 2.50s' in r['outcome']['abort_reason']"
	judge "r['duration_s'] < 30"
}
case_timeout_in_setup() {
	run --timeout 300ms "$weather/never-ready.lua"; expect_rc 4
	expect stdout '^ABORTED'
	judge "'timeout of 300ms' in r['outcome']['abort_reason']"
}
case_guard_fires() {
	run --set variant=defective --set fault=60s "$here/guard.lua"; expect_rc 4
	expect stdout '^ABORTED  guard'
	# 50/s without an answer are more than 100 after 2 s, for 0.5 s; the rest of the bound is for a busy machine
	judge "r['duration_s'] < 2 + 2.5 + 10"
	judge "'inflight > 100 for 500ms' in r['outcome']['abort_reason'] and 'inflight' in r['outcome']['headline']"
	judge "any('inflight > 100' in e['text'] and 4 <= e['t_s'] for e in r['events'])"
	judge "all(f['reverted_s'] is not None for f in r['faults'])"
	grep -q 'inflight &gt; 100' "$out"/*/report.html || die "report.html does not name the guard"
	expect stderr 'nothing left behind'
}
case_guard_holds() {
	run --set variant=fixed "$here/guard.lua"; expect_pass
	judge "r['outcome']['abort_reason'] is None and r['duration_s'] >= 8"
}
# a guard is heard while a fault's revert waits for a node to be ready: here from 2 s to 5 s
case_guard_in_revert() {
	mkdir "$work/lib"; cp "$weather/common.lua" "$work/lib"; mkdir "$work/s"
	{ cat "$weather/slow-comeback.lua"; echo 't:guard "wall > 2500ms"'; } >"$work/s/guard.lua"
	run s/guard.lua; expect_rc 4
	judge "'wall > 2500ms' in r['outcome']['abort_reason']"
	judge "all(e['t_s'] < 5 for e in r['events'] if 'wall > 2500ms' in e['text'])"
}
# Broken beyond doubt: a FAIL long before the end, and everything is taken back as at the planned one.
case_stop_early_fail() {
	run --stop-early --set kill=true "$here/early.lua"; expect_rc 1
	judge "r['outcome']['verdict'] == 'FAIL' and 5 <= r['outcome']['stopped_early']['at_s'] < 40"
	judge "\"'errors.ratio <= 20% in fault' is broken\" in r['outcome']['stopped_early']['why']"
	judge "'Stopped early at' in r['outcome']['headline'] and '--stop-early' in r['rerun']"
	judge "phases['fault']['end_s'] == r['outcome']['stopped_early']['at_s'] and r['duration_s'] < 45"
	judge "all(f['reverted_s'] is not None for f in r['faults'])"
	grep -q 'Stopped early at' "$out"/*/report.html || die "report.html does not say when it was stopped"
	judge "r['outcome']['reasons'] == []"
	expect stderr 'the verdict is certain, the run ends here'
	expect stderr 'nothing left behind'
}
# Kept beyond doubt, under a confirmed fault.
case_stop_early_pass() {
	run --stop-early "$here/early.lua"; expect_pass
	judge "5 <= r['outcome']['stopped_early']['at_s'] < 40 and r['faults'][0]['confirm'] == 'ok'"
	judge "'every budget is kept' in r['outcome']['stopped_early']['why']"
}
# What is certain of base is worth nothing before the fault was on.
case_stop_early_waits_for_faults() {
	run --stop-early --set where=base --phase base=15s "$here/early.lua"; expect_pass
	judge "18 <= r['outcome']['stopped_early']['at_s'] < 40 and r['faults'][0]['confirm'] == 'ok'"
}
# Not while another budget needs the end, nor because one that only warns is broken; and never unasked.
case_stop_early_must_not() {
	run --stop-early --set settles=yes --set fault=14s "$here/early.lua"; expect_pass
	judge "'stopped_early' not in r['outcome'] and r['duration_s'] >= 18"
	rm -r "$out"
	run --stop-early --set warns=yes --set fault=14s "$here/early.lua"; expect_pass
	judge "'stopped_early' not in r['outcome'] and r['duration_s'] >= 18"
	rm -r "$out"
	run --set kill=true --set fault=10s "$here/early.lua"; expect_rc 1
	judge "'stopped_early' not in r['outcome'] and r['duration_s'] >= 14"
}
case_quiet() {
	run -q --rate 30/s "$weather/fine.lua"; expect_rc 0
	expect_lines stdout 1; expect_lines stderr 0
	expect stdout '^PASS  fine  [2-9]\.[0-9]*s  seed 1  .*/out/fine-'
	run -q "$weather/subject-dies.lua"; expect_rc 1
	expect_lines stderr 0
	head -1 "$work/stdout" | grep -q '^FAIL  subject-dies  ' || die "another first line"
	expect stdout 'web exited with status 9'
	expect stdout 'FAIL errors\.ratio <= 20% in base\.\.fault: measured ratio'
}
case_json() {
	run --json --rate 30/s "$weather/fine.lua"; expect_rc 0
	cmp "$work/stdout" "$out"/*/run.json || die "stdout is not run.json"
	make_tree
	run --json --jobs 2 --rate 30/s tree/one; expect_rc 1
	python3 - "$work/stdout" <<'PY' || die "not a list of both runs, in order"
import json, sys
runs = json.load(open(sys.argv[1]))
sys.exit([r["outcome"]["verdict"] for r in runs] != ["FAIL", "PASS"])
PY
}
case_several() {
	make_tree
	run --jobs 3 --rate 30/s --junit all.xml tree; expect_rc 1
	# a line of each is labelled, and a table ends it all
	for label in one/dies one/fine two/fine; do
		expect stderr "^\[$label\] +[0-9.]+s phase fault"
		expect stdout "^  $label +(PASS|FAIL) +[2-9]\.[0-9]+s +1 +.*/out/"
	done
	expect_not stderr '^ +[0-9.]+s phase'
	judge "len(runs) == 3 and len({x['id'] for x in runs}) == 3"
	python3 - "$work/all.xml" <<'PY' || die "all.xml"
import sys, xml.etree.ElementTree as ET
root = ET.parse(sys.argv[1]).getroot()
names = sorted(s.get("name") for s in root)
cases = root.findall(".//testcase")
assert names == ["brownout.fine", "brownout.fine-too", "brownout.subject-dies"], names
bad = [root.findall(f".//{kind}") for kind in ("failure", "error")]
assert int(root.get("tests")) == len(cases) == 6 and [root.get("failures"), root.get("errors")] == [str(len(b)) for b in bad]
assert len(bad[0] + bad[1]) == 2 and bad[0], bad
PY
	for dir in "$out"/*/; do
		grep -q '^Tag=get/fault,1\.000,1\.000,' "$dir/latency.hlog" || die "$dir/latency.hlog has no row for the fault"
		python3 - "$dir" <<'PY' || die "$dir/latency.hlog: not the requests of run.json that have a latency"
import base64, json, struct, sys, zlib
run, rows = json.load(open(sys.argv[1] + "/run.json")), open(sys.argv[1] + "/latency.hlog").read().splitlines()
classes = {k: v for p in run["phases"] if p["all"] for k, v in p["all"]["classes"].items()}
without = ("refused", "reset", "unreachable", "protocol", "other", "shed")
want = sum(v for p in run["phases"] if p["all"] for k, v in p["all"]["classes"].items() if k not in without)
found = 0
for row in (r for r in rows if r.startswith("Tag=")):
    payload = zlib.decompress(base64.b64decode(row.split(",")[4], validate=True)[8:])[40:]
    value = shift = 0
    for byte in payload:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            found += value >> 1 if not value & 1 else 0
            value = shift = 0
print(f"{found} latencies of {want}, classes {classes}")
sys.exit(found != want)
PY
	done
	run --only 'two/*' --rate 30/s -q tree; expect_rc 0
	expect_lines stdout 1; expect stdout '^PASS  fine-too'
}
case_several_one_wrong() {
	make_tree
	echo 'bo.nothing()' >"$work/tree/two/wrong.lua"
	run --jobs 2 tree; expect_rc 2
	expect_lines stderr 1; expect_nothing_started
	expect stderr '^tree/two/wrong\.lua:1: '
	# an option that one of them has no use for is wrong, too
	rm "$work/tree/two/wrong.lua"
	sed -i 's/^common.load(t)/t:load "put" { url = "http:\/\/web:8080\/", rate = "5\/s" }/' "$work/tree/two/fine.lua"
	run --rate get=5/s tree; expect_rc 2
	expect_lines stderr 1; expect_nothing_started
	expect stderr "^brownout run: --rate: tree/two/fine\.lua: expected a load of 'fine-too' \(put\), found \"get\""
}
case_several_one_impossible() {
	mkdir "$work/tree"; cp "$weather/common.lua" "$weather/limits.lua" "$work/tree"; cp "$work/tree/limits.lua" "$work/tree/small.lua"
	sed -i 's/"limits"/"small"/' "$work/tree/small.lua"
	sed -i 's/max_inflight = 50/max_inflight = 500/' "$work/tree/limits.lua"
	rm "$work/tree/common.lua"; mkdir "$work/lib"; cp "$weather/common.lua" "$work/lib"
	ulimit -n 400
	run --rate 30/s --junit all.xml tree; expect_rc 5
	expect stderr 'limits\.lua:[0-9]+: load .get.: 500 connections need'
	[ "$(grep -c 'connections need' "$work/stderr")" = 1 ] || die "said more than once, so tried after all"
	expect stdout '^  limits +INCONCLUSIVE .*This machine cannot run it'
	expect stdout '^  small +PASS'
	judge "len(runs) == 1"
	grep -q 'This machine cannot run it' "$work/all.xml" || die "all.xml lacks it"
}
case_repeat() {
	run --repeat 3 --jobs 2 --rate 30/s --seed 18446744073709551614 "$weather/fine.lua"; expect_rc 0
	# 0 is no seed
	judge "[x['scenario']['seed'] for x in runs] == ['1', '18446744073709551614', '18446744073709551615']"
	judge "all('--seed ' + x['scenario']['seed'] in x['rerun'] for x in runs)"
	expect stdout 'fine: PASS: 3 of 3 PASS'
	expect stderr '^\[fine #3\] '
	run --repeat 2 --rate 60/s -q "$weather/subject-dies.lua"; expect_rc 1
	expect stdout 'subject-dies: FAIL: '
	expect stdout 'errors\.ratio <= 20% in base\.\.fault: (FAIL|INCONCLUSIVE): '
}
start_several() {
	mkdir "$work/tree"; cp "$weather/common.lua" "$work"; mkdir -p "$work/lib"; cp "$weather/common.lua" "$work/lib"
	for n in a b c; do cp "$weather/long.lua" "$work/tree/$n.lua"; done
	(cd "$work" && exec "$BROWNOUT" run --out "$out" --jobs 2 tree) >"$work/stdout" 2>"$work/stderr" &
	pid=$!
	eventually 30 says 2 'fault on: .*memory' || die "the faults never came"
	mapfile -t children < <(pgrep -P "$pid")
	[ ${#children[@]} = 2 ] || die "${#children[@]} children, expected 2"
	mapfile -t keepers < <(for c in "${children[@]}"; do pgrep -P "$c" -x bo-keeper; done)
	[ ${#keepers[@]} = 2 ] || die "${#keepers[@]} keepers, expected 2"
}
none_left() {
	local p
	for p in "${children[@]}" "${keepers[@]}"; do gone "$p" || return 1; done
	for p in "${keepers[@]}"; do
		[ -z "$(find /sys/fs/cgroup -maxdepth 4 -type d -name "brownout-*-$p-*" 2>/dev/null)" ] || return 1
	done
}
case_ctrl_c_several() {
	start_several
	kill -INT "$pid"; wait "$pid"; rc=$?
	expect_rc 4
	judge "len(runs) == 2 and all(x['outcome']['verdict'] == 'ABORTED' for x in runs)"
	expect stdout '^  c +ABORTED .*Never begun'
	none_left || die "something is left"
}
case_kill_parent() {
	start_several
	kill -KILL "$pid"; wait "$pid" 2>/dev/null
	eventually 20 none_left || die "something is left"
	judge "len(runs) == 2 and all(x['outcome']['verdict'] == 'ABORTED' for x in runs)"
}
case_bad_values() {
	while IFS='|' read -r option value text; do
		run "$option" "$value" "$weather/fine.lua"; expect_rc 2
		expect_lines stderr 1; expect_lines stdout 0; expect_nothing_started
		expect stderr "^brownout run: $option: expected $text, found \"$value\"; .brownout run --help. says more$"
	done <<'LIST'
--jobs|0|a whole number from 1 to 64
--jobs|65|a whole number from 1 to 64
--jobs|two|a whole number from 1 to 64
--repeat|0|a whole number from 1 to 1000
--repeat|-1|a whole number from 1 to 1000
--repeat|1e3|a whole number from 1 to 1000
--timeout|10|a length above 0 such as 10m
--timeout|0|a length above 0 such as 10m
--timeout|-1s|a length above 0 such as 10m
--driver|veth|auto, netem, wire or queue
--out||a folder
--junit||a file
--junit|no/such/folder.xml|a file in a folder that exists
--seed|0|a whole number from 1
LIST
	run --junit "$work" "$weather/fine.lua"; expect_rc 2; expect_lines stderr 1
	expect stderr '^brownout run: --junit: expected a file, found the folder '
	run --only '*no*' "$weather/fine.lua"; expect_rc 2; expect_lines stderr 1
	run; expect_rc 2; expect_lines stderr 1
	expect stderr '^brownout run: expected at least one scenario file; '
	expect_nothing_started
}

if [ $# != 1 ] || [ -z "${BROWNOUT:-}" ] || [ -z "${SERVICES:-}" ]; then echo "usage: BROWNOUT=... SERVICES=... options.sh CASE"; exit 2; fi
[ "$(id -u)" = 0 ] || { echo "SKIP: needs root"; exit 77; }
"case_$1"
echo "ok: $1"
