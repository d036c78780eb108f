#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# impairments.sh DRIVER — every impairment through the real keeper and the real driver: each must be confirmed.
# Environment: BROWNOUT (the program).
set -eu
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
status=0
[ "$1" = wire ] && wire=true || wire=false
"$BROWNOUT" run --plain --driver "$1" --set wire=$wire --out "$out" "$(dirname "$0")/weather/impairments.lua" || status=$?
[ "$status" = 3 ] || { echo "exit status $status, expected 3: there is no budget"; exit 1; }
python3 - "$out"/*/run.json "$1" <<'EOF2'
import json
import sys

run = json.load(open(sys.argv[1]))
bad = [f"{f['id']}: {f['confirm']}: {f['achieved']} {f['reason']}" for f in run["faults"] if f["confirm"] != "ok"]
bad += [f"{f['id']}: driver {f['driver']}" for f in run["faults"] if "pause" not in f["id"] and f["driver"] != sys.argv[2]]
print("\n".join(bad))
sys.exit(bool(bad))
EOF2
