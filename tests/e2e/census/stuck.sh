#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Idle workers and leaked goroutines of identical state, told apart by budgets.
# Environment: BROWNOUT (the program), ZOO_DIR (folder of the zoo), RUNS (how many; default 1)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
runs=${RUNS:-1} good=0 i=0
while [ "$i" -lt "$runs" ]; do
	i=$((i + 1))
	if PATH=$ZOO_DIR:$PATH "$BROWNOUT" run --plain --out "$out" "$here/stuck.lua" >"$out/console" 2>&1; then
		good=$((good + 1))
	else
		cat "$out/console"
	fi
done
echo "$good/$runs"
[ "$good" = "$runs" ]
