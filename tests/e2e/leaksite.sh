#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The demo with the defect: every report and the run's folder name the go statement that leaks, and the goroutines stand
# in dumps that were taken while the service ran on.
# Environment: BROWNOUT (the program), SERVICES (folder of the Go services), CATALOGUE (folder of the scenarios)
set -eu

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
status=0
PATH=$SERVICES:$PATH "$BROWNOUT" run --plain --out "$out" --set variant=defective "$CATALOGUE/smoke/demo.lua" \
	>"$out/console" 2>&1 || status=$?
cat "$out/console"
if [ "$status" != 1 ]; then
	echo "exit status $status, expected 1"
	exit 1
fi
python3 - "$out"/*/ "$out/console" <<'EOF'
import json
import pathlib
import sys

folder, console = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).read_text()
run = json.loads((folder / "run.json").read_text())
site = "orders.(*Service).lookup"
wrong = []


def check(ok, what):
    if not ok:
        wrong.append(what)


hold = [b for b in run["budgets"] if b["text"].startswith("goroutines.delta") and "at hold" in b["text"]][0]
check(hold["outcome"] == "FAIL", "the budget at hold did not fail")
check(hold["grew"] and site in hold["grew"][0]["site"], f"run.json: {hold['grew']}")
check(1 <= len(hold["grew"]) <= 3, "run.json: not three groups")
check(hold["grew"] and hold["grew"][0]["count"] > hold["grew"][0]["base"] + 5, "run.json: it did not grow")
check(hold["evidence"] and all((folder / f).exists() for f in hold["evidence"].split(", ")), "evidence is not there")
for b in run["budgets"]:
    check(b["outcome"] == "FAIL" or not b["grew"], f"{b['text']} passed and shows groups")
phases = {g["phase"]: g for g in run["goroutine_groups"] if g["node"] == "orders"}
check({"base", "hold", "settle"} <= set(phases), f"snapshots of {sorted(phases)}")
for g in phases.values():
    check(g["source"].startswith("census "), f"source {g['source']}")
    check(sum(x["count"] for x in g["groups"]) == g["total"], f"groups of {g['phase']} do not add up")
names = {s["name"]: s for s in run["series"] if s["node"] == "orders"}
for name in ("goroutines", "gc.cycles", "heap.live", "sched.latency.p99", "sched.runq", "goroutines.created"):
    check(name in names and names[name]["t_s"], f"no series {name}")
check(not names["goroutines"]["gaps"], f"gaps: {names['goroutines']['gaps']}")
check("GREW MOST" in console and site in console, "the console does not name the site")
for report in ("summary.md", "report.html"):
    check(site.split(".")[0] in (folder / report).read_text() and "Service).lookup" in (folder / report).read_text()
          .replace("&#42;", "*"), f"{report} does not name the site")
diff = (folder / "goroutines/diff-base-hold.txt").read_text()
check(site in diff and "created by" in diff, "diff-base-hold.txt does not name the site")
for why in ("base", "hold", "settle"):
    dumps = list((folder / "goroutines").glob(f"*-orders-{why}.txt"))
    check(len(dumps) == 1 and dumps[0].read_text().startswith("goroutine "), f"no dump of {why}")
    saved = list((folder / "goroutines").glob(f"*-orders-{why}.json"))
    check(len(saved) == 1 and json.loads(saved[0].read_text())["groups"], f"no groups of {why}")
texts = [e["text"] for e in run["events"]]
check(any("goroutines by census" in t for t in texts), "the sampler is not named")
check(sum("pprof agrees with the census" in t for t in texts) == 2, "not compared in base and settle")
check(not any(e["kind"] == "problem" for e in run["events"]), "there is a problem")
times = [e["t_s"] for e in run["events"]]
check(times == sorted(times), "events are not in the order of time")
print("\n".join(wrong))
sys.exit(bool(wrong))
EOF
