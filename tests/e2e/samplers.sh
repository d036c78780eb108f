#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Four goroutines leak, too few for a pattern; who finds them, and how the report says so:
#   proof     a program with Go's own leak detector below a shell: the census takes the shell's child, the detector's word counts
#   dark      an execute-only program, which its own user may not read: the keeper opens it
#   dumps     a program that the census cannot read (32-bit): groups by pprof debug=2 at the ends of phases, leaks by the detector
#   samplers.sh CASE
# Environment: BROWNOUT (the program), SERVICES (folder of the Go services), SCENARIO
set -eu

case=$1
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
status=0
wrapped=false
case $case in
proof) program=orders-leakprofile wrapped=true ;;
dark)
	program=orders-dark
	cp "$SERVICES/orders-defective" "$out/$program"
	chmod 0111 "$out/$program"
	;;
dumps)
	program=orders-386-leakprofile
	"$SERVICES/$program" --help >/dev/null 2>&1 || { echo "this kernel runs no 32-bit programs"; exit 77; }
	;;
esac
cp "$SCENARIO" "$out/samplers.lua"
# Beside the scenario, which is where commands run: a shell in a node has a PATH of its own.
[ "$case" = dark ] || cp "$SERVICES/$program" "$out/"
chmod 0755 "$out"
PATH=$SERVICES:$PATH "$BROWNOUT" run --plain --out "$out/runs" --set program=$program --set wrapped=$wrapped \
	"$out/samplers.lua" >"$out/console" 2>&1 || status=$?
cat "$out/console"
if [ "$status" != 1 ]; then
	echo "exit status $status, expected 1"
	exit 1
fi
python3 - "$case" "$out"/runs/*/ <<'PY'
import json
import pathlib
import sys

case, folder = sys.argv[1], pathlib.Path(sys.argv[2])
run = json.loads((folder / "run.json").read_text())
site = "orders.(*Service).lookup"
leaked, at_site, stuck = run["budgets"]
phases = {g["phase"]: g for g in run["goroutine_groups"] if g["node"] == "orders"}
texts = [e["text"] for e in run["events"]]
files = sorted(p.name for p in (folder / "goroutines").iterdir())
wrong = []


def check(ok, what):
    if not ok:
        wrong.append(what)


def said(*parts):
    return any(all(p in t for p in parts) for t in texts)


check(at_site["outcome"] == "FAIL", f"{at_site}")
check({"base", "hold", "settle"} <= set(phases), f"snapshots of {sorted(phases)}")
check(not any(e["kind"] == "problem" for e in run["events"]), "there is a problem")
for why in ("base", "hold", "settle"):
    for ending in ("txt", "json"):
        check(sum(f.endswith(f"-orders-{why}.{ending}") for f in files) == 1, f"no {ending} of {why}: {files}")
check("diff-base-settle.txt" in files, "no difference")
check(site in (folder / "goroutines/diff-base-settle.txt").read_text(), "the difference does not name the site")
if case == "proof":
    check(said("orders: goroutines by census", "; orders-leakprofile (pid ", " below ", ": the only Go program"),
          "the process is not named")
    check(phases["settle"]["source"].startswith("census "), phases["settle"]["source"])
    check(stuck["outcome"] == "FAIL", f"{stuck}")
if case == "dark":
    check(said("orders: goroutines by census", "; its memory was opened by the keeper"), "not by the keeper")
    check(phases["settle"]["source"].startswith("census "), phases["settle"]["source"])
    check(leaked["outcome"] == "PASS", f"{leaked}")
    check(run["leak_profiles"] == [], "a leak profile")
    check(not said("leak detector"), "the detector was heard")
    check(stuck["outcome"] == "FAIL", f"{stuck}")
if case == "dumps":
    check(said("orders: goroutines by pprof debug=1; groups by pprof debug=2", "census: "), "the fallback is not named")
    check(set(phases) == {"base", "hold", "settle"}, f"dumps of {sorted(phases)}")
    for g in phases.values():
        check(g["source"] == "pprof debug=2" and g["truncated"] is False, f"{g['source']}")
        check(sum(x["count"] for x in g["groups"]) == g["total"], f"groups of {g['phase']} do not add up")
    check(stuck["outcome"] == "INCONCLUSIVE" and "a dump does not tell" in stuck["reason"], f"{stuck}")
if case != "dark":
    check(leaked["outcome"] == "FAIL" and leaked["measured_value"] >= 2, f"{leaked}")
    check("Go's own leak detector says so" in leaked["reason"], f"{leaked}")
    check(len(run["leak_profiles"]) == 1, "no leak profile")
    profile = run["leak_profiles"][0]
    check(profile["phase"] == "settle" and profile["source"] == "pprof goroutineleak debug=2", f"{profile['source']}")
    check(any(site in g["site"] for g in profile["groups"]), "the profile does not name the site")
    check(said("orders: Go's own leak detector finds"), "the detector was not heard")
    check(any(f.endswith("-orders-leaks.txt") for f in files), f"no dump of the profile: {files}")
print("\n".join(wrong))
sys.exit(bool(wrong))
PY
