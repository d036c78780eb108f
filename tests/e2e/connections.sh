#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# connections.sh CASE — faults on connections of a Go service, through the real keeper and the real wire: whether the
# fault was confirmed, and what the service made of it.
# Environment: BROWNOUT (the program), SERVICES (folder of the Go services)
set -eu
case=$1
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
variant=fixed
scenario=${case%-defective}
[ "$scenario" = "$case" ] || variant=defective
case $case in
*-udp) set -- datagrams --set "case=$scenario" ;;
*) set -- pool --set "case=$scenario" --set "variant=$variant" ;;
esac
file=$1
shift
PATH=$SERVICES:$PATH "$BROWNOUT" run --plain --out "$out" "$@" \
	"$(dirname "$0")/connections/$file.lua" >"$out/console" 2>&1 || true
python3 - "$out"/*/run.json "$case" <<'EOF2' || { cat "$out/console"; exit 1; }
import json
import os
import re
import sys

run = json.load(open(sys.argv[1]))
case = sys.argv[2]
wrong = []


def check(ok, what):
    if not ok:
        wrong.append(what)


def number(fault, what):
    m = re.search(r"(\d+) " + what, fault["achieved"])
    return int(m.group(1)) if m else 0


faults = {f["kind"]: f for f in run["faults"]}
budgets = {b["text"]: b["outcome"] for b in run["budgets"]}
for f in run["faults"]:
    want = "unknown" if case in ("nothing", "few") else "ok"
    check(f["confirm"] == want, f"{f['id']} is {f['confirm']}: {f['achieved']} {f.get('reason')}")
    check(f["driver"] == "wire", f"{f['id']}: driver {f['driver']}")
loads = {p["name"]: p["loads"][0] for p in run["phases"] if p["loads"]}
check(loads["heal"]["error_ratio"] <= 0.05 or case.endswith("defective"), f"heal: {loads['heal']}")

if case == "nothing":
    check("no connection to port 5433 on db-orders was there to be reset" in run["faults"][0]["reason"], "reason")
    check(run["outcome"]["verdict"] == "INCONCLUSIVE", run["outcome"]["verdict"])
elif case == "reset":
    check(number(faults["reset"], "connection") >= 1, "connections")
    check(all(o == "PASS" for o in budgets.values()), budgets)
elif case == "connect-timeout":
    check(budgets["latency.p95 <= 2s in fault"] == "PASS", budgets)
elif case == "connect-timeout-defective":
    check(budgets["latency.p95 <= 2s in fault"] == "FAIL", budgets)
elif case == "second-statement":
    # One statement per connection is answered: each second one ends its connection.
    check(number([f for f in run["faults"] if "GET" in f["requested"]][0], "connection") >= 50, "connections")
    check(loads["fault"]["errors"] == 0, "the pool asks once more on another connection")
elif case in ("refuse", "unreachable"):
    told = "ICMP error" if case == "unreachable" else "RST"
    check(number(faults["refuse"], told) >= 10, faults["refuse"]["achieved"])
    # The pool is empty, and every try to fill it fails, at once.
    check(loads["fault"]["error_ratio"] >= 0.9 and loads["fault"]["p90_ms"] < 500, loads["fault"])
elif case == "refuse-udp":
    # Each read fails at once, and Go knows why.
    log = open(os.path.join(os.path.dirname(sys.argv[1]), "nodes", "web.log")).read()
    check(len(re.findall(r"read udp .*connection refused", log)) >= 10, log)
    check(number(faults["refuse"], "ICMP error") >= 10, faults["refuse"]["achieved"])
    check(loads["fault"]["error_ratio"] >= 0.9 and loads["fault"]["p90_ms"] < 500, loads["fault"])
elif case == "drop-udp":
    check(loads["fault"]["error_ratio"] >= 0.6 and loads["fault"]["p99_ms"] >= 1000, loads["fault"])
elif case in ("share", "share-udp"):
    # What the client meets is the share as well: a request is a connection, or a flow of datagrams, of its own.
    fault = faults["stall" if case == "share" else "refuse"]
    share = 0.3 if case == "share" else 0.4
    hit, of = number(fault, "connections? of"), number(fault, "that matched")
    check(of >= 60 and 0 < hit < of, fault["achieved"])
    check(abs(loads["fault"]["error_ratio"] - share) <= 0.2, loads["fault"])
    check(f"{share:.0%} of" in fault["requested"], fault["requested"])
    check(abs(loads["fault"]["errors"] - hit) <= max(25, 0.3 * hit), (hit, loads["fault"]))
elif case == "few":
    # A pool has too few connections to tell a share from none or all, and so it says.
    check("cannot tell a share of 1% from none or all: that takes 688" in run["faults"][0]["reason"], run["faults"][0])
    check(run["outcome"]["verdict"] == "INCONCLUSIVE", run["outcome"]["verdict"])
elif case in ("cut", "close", "stall", "drip"):
    check(number(run["faults"][0], "shortened") >= 1, run["faults"][0]["achieved"])
print("\n".join(str(w) for w in wrong))
sys.exit(bool(wrong))
EOF2
