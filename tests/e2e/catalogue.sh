#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The catalogue proves itself: a scenario fails with the defect, for the budgets that the defect breaks and no other
# reason, and passes with the fix; every fault of a passing run is confirmed.
#   catalogue.sh SCENARIO VARIANT OUTCOME [BUDGET...]
# OUTCOME is PASS or FAIL; with FAIL, each BUDGET (a prefix of its text) must be among the broken ones.
# Environment: BROWNOUT (the program), SERVICES (folder of the Go services), CATALOGUE (folder of the scenarios), ARGS
# (further arguments of `brownout run`, as words)
set -eu

scenario=$1
variant=$2
outcome=$3
shift 3
case $outcome in
PASS) expected=0 ;;
FAIL) expected=1 ;;
*)
	echo "catalogue.sh: unknown outcome $outcome" >&2
	exit 2
	;;
esac

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
tries=3
while :; do
	status=0
	# shellcheck disable=SC2086 # ARGS is a list of words
	PATH=$SERVICES:$PATH "$BROWNOUT" run --plain --out "$out" --set "variant=$variant" ${ARGS:-} \
		"$CATALOGUE/$scenario.lua" || status=$?
	tries=$((tries - 1))
	# What the run itself asks for, and nothing else, is a reason for another one.
	if [ "$status" != 3 ] || [ "$tries" = 0 ] || ! grep -q 'the machine was busy' "$out"/*/run.json; then
		break
	fi
	echo "$scenario with $variant: no verdict on a busy machine; once more"
	rm -rf "${out:?}"/*
done
if [ "$status" != "$expected" ]; then
	echo "$scenario with $variant: exit status $status, expected $expected"
	exit 1
fi
python3 - "$out"/*/run.json "$outcome" "$@" <<'EOF'
import json
import sys

path, outcome, wanted = sys.argv[1], sys.argv[2], sys.argv[3:]
run = json.load(open(path))
wrong = []
if run["outcome"]["verdict"] != outcome:
    wrong.append(f"run.json says {run['outcome']['verdict']}, expected {outcome}")
broken = [b["text"] for b in run["budgets"] if b["outcome"] == "FAIL"]
for want in wanted:
    if not any(text.startswith(want) for text in broken):
        wrong.append(f"expected a broken budget that begins with '{want}', found {broken}")
for fault in run["faults"]:
    if not fault["requested"] or not fault["achieved"]:
        wrong.append(f"fault {fault['id']} lacks requested or achieved")
    if outcome == "PASS" and fault["confirm"] != "ok":
        wrong.append(f"fault {fault['id']} is {fault['confirm']}")
print("\n".join(wrong))
sys.exit(bool(wrong))
EOF
