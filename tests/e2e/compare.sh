#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# compare.sh BROWNOUT EXAMPLES — `brownout compare` with several runs a side, made from the reports in EXAMPLES.
set -u
brownout=$(realpath -e "$1") || exit 1
examples=$(realpath -e "$2") || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
die() { echo "FAILED: $*"; cat "$work/stdout" "$work/stderr" 2>/dev/null; exit 1; }
compare() { COLUMNS=100 "$brownout" compare "$@" >"$work/stdout" 2>"$work/stderr"; rc=$?; }
expect_rc() { [ "$rc" = "$1" ] || die "exit code $rc, expected $1"; }
expect() { grep -qE -- "$1" "$work/stdout" || die "not said: $1"; }
expect_not() { ! grep -qE -- "$1" "$work/stdout" || die "said: $1"; }

# make SIDE/N EXAMPLE FACTOR [PYTHON]: the example's run with latencies FACTOR times as high
make() {
	mkdir -p "$1"
	python3 - "$examples/$2/run.json" "$1/run.json" "$3" "${4:-}" <<'PY' || die "python3"
import json, sys
r = json.load(open(sys.argv[1]))
r["id"] = sys.argv[2]
r["scenario"]["seed"] = sys.argv[2][-10]
for p in r["phases"]:
    for q in ("p50_ms", "p99_ms"):
        if p["all"][q]:
            p["all"][q] *= float(sys.argv[3])
exec(sys.argv[4])
json.dump(r, open(sys.argv[2], "w"))
PY
}
for i in 1 2 3 4 5; do
	make "a/$i" pass "1.0$i"
	make "b/$i" pass "1.5$i"
done
# one of five fails, with latencies that stay out of the way
make b/3 pass 1.53 'r["outcome"]["verdict"] = "FAIL"; r["budgets"][0]["outcome"] = "FAIL"'

# Folders of runs: medians 1.03 and 1.53 times the example's, no overlap, 252 orders of 5 and 5.
compare a b; expect_rc 0
expect '^  the run  +PASS: 5 of 5 PASS \(flake +FAIL: 4 of 5 PASS: flaky \(20 +changed$'
expect '^  latency.p99 <= 1.2s in fault +PASS: 5 of 5 PASS \(flake +FAIL: 4 of 5 PASS: flaky \(20 +changed$'
expect '^  recovery <= 3s +PASS: 5 of 5 PASS \(flake +PASS: 5 of 5 PASS \(flake rate$'
python3 - "$examples/pass/run.json" "$work/stdout" <<'PY' || die "figures"
import json, re, sys
fault = [p for p in json.load(open(sys.argv[1]))["phases"] if p["name"] == "fault"][0]["all"]
text = re.sub(r"\s+", " ", open(sys.argv[2]).read())
def ms(t): return float(t[:-2]) if t.endswith("ms") else 1000 * float(t[:-1])
for q in ("p50", "p99"):
    m = re.search(rf"fault {q} (\S+s) (\S+s) \+(\S+) % \(95 % CI \+(\S+) to \+(\S+) %\), p 0\.0079, n 5 and 5", text)
    assert m, q
    a, b = ms(m[1]), ms(m[2])
    assert abs(a / (fault[q + "_ms"] * 1.03) - 1) < .01 and abs(b / (fault[q + "_ms"] * 1.53) - 1) < .01, (a, b)
    assert abs(float(m[3]) - 48.5) < 1.5 and 40 < float(m[4]) < float(m[3]) < float(m[5]) < 58, m.groups()
PY
expect_not 'note:'
cp "$work/stdout" folders
# Lists say the same, in their order; a run may stand for a set.
compare a/1 a/2 a/3 a/4 a/5 -- b/1 b/2 b/3 b/4 b/5; expect_rc 0
cmp -s "$work/stdout" folders || die "lists and folders differ"
compare a/1 a/2 -- b; expect_rc 0
expect 'n 2 and 5'
expect 'note: of 2 and 5 runs no difference gets a p below 0.095'
compare a/1 -- b/2; expect_rc 0
expect 'DIFFERENCE'
expect 'note: the seeds differ'
compare a/1 a/2 a/3 a/4 -- b/1 b/2 b/3 b/4; expect_rc 0
expect_not 'note:'

# What makes runs hard to compare, and what is missing.
make c/1 pass 1 'r["environment"]["machine"] = "another"'
make c/2 pass 1 'r["scenario"]["name"] = "another"; r["budgets"].append({"text": "oom.kills == 0", "outcome": "PASS"})'
mkdir c/3 .hidden
compare a c; expect_rc 0
expect 'note: 1 folder of B without run.json is left out'
expect 'note: these are runs of different scenarios'
expect 'note: the runs were made on different machines'
expect '^  oom.kills == 0 +absent +PASS: 1 of 1 PASS .* changed$'

# Bad input: one line, nothing compared.
# shellcheck disable=SC2016
usage='brownout compare: expected the folders of two runs, or of several on both sides of `--`; `brownout compare --help` says more'
for args in a 'a b c' '-- b' 'a --' --; do
	# shellcheck disable=SC2086
	compare $args; expect_rc 2
	[ "$(cat "$work/stderr")" = "$usage" ] || die "compare $args"
	[ ! -s "$work/stdout" ] || die "compare $args printed something"
done
refuse() { # TEXT ARGS...
	text=$1
	shift
	compare "$@"; expect_rc 2
	[ "$(cat "$work/stderr")" = "brownout compare: $text" ] || die "compare $*: expected $text"
	[ ! -s "$work/stdout" ] || die "compare $* printed something"
}
mkdir empty
refuse 'empty: expected the folder of a run, or one with folders of runs in it, found no run.json' a empty
refuse 'gone: No such file or directory' a gone
echo '{' >a/4/run.json
compare a b; expect_rc 2
grep -q '^brownout compare: a/4: ' "$work/stderr" || die "a broken run.json is not named"
