#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The verb `brownout census` as a person meets it: what it prints, and what it exits with.
#   cli.sh BROWNOUT ZOO
set -eu

here=$(cd "$(dirname "$0")" && pwd)
brownout=$1 zoo=$2
dir=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || :; rm -rf "$dir"' EXIT
failed=0

# expect EXIT PATTERN ARGUMENTS...: the pattern in what is printed, on stdout or stderr
expect() {
	want=$1 pattern=$2 status=0
	shift 2
	"$brownout" census "$@" >"$dir/out" 2>&1 </dev/null || status=$?
	if [ "$status" != "$want" ] || ! grep -q -e "$pattern" "$dir/out"; then
		echo "census $*: exit $status, expected $want and /$pattern/:"
		cat "$dir/out"
		failed=1
	fi
}

mkfifo "$dir/in" "$dir/ready"
"$zoo" -kinds 5 <"$dir/in" >"$dir/ready" &
pid=$!
exec 3>"$dir/in" 4<"$dir/ready"
read -r line <&4
case $line in ready*) ;; *) exit 1 ;; esac

# Whoever was started has to come to where it waits.
at_rest() {
	while "$brownout" census --json "$pid" | grep -q '"state": "runn'; do :; done
}

at_rest
expect 0 '^61$' --count "$pid"
expect 0 '^goroutines  61, and ' "$pid"
expect 0 '^ *5  chan send  *-  *-  main.sendForever main.go:.*main.eachKind main.go' "$pid"
expect 0 ' 5  select (no cases) .* 5  main.nothing' --stuck --interval 1ms "$pid"
expect 0 'symtab + dwarf: used' --why "$pid"
expect 0 '(runtime)' --system "$pid"
expect 0 '^goroutine 1 \[' --dump - "$pid"
expect 0 '^created by main.eachKind' --dump - "$pid"
expect 0 'usage: brownout census' --help
expect 2 'which process' --count
expect 2 'not a process id' notapid
expect 2 'not a process id' 0
expect 2 'one process at a time' 1 2
expect 2 'unknown or incomplete option' --no-such 1
expect 2 'needs two files' --diff one
expect 2 'expected a duration' --interval soon "$pid"
expect 5 'there is no process' 4194300
expect 5 'is not a Go program' $$
# A wrapper: its Go program is named.
sh -c '"$1" -kinds 1 <&5 >/dev/null; true' sh "$zoo" 5<"$dir/in" &
wrapper=$!
tries=0
until "$brownout" census --count $wrapper 2>&1 | grep -q 'is not a Go program; below it there is: zoo (pid [0-9]*)$'; do
	tries=$((tries + 1))
	[ $tries -lt 200 ] || { "$brownout" census --count $wrapper; failed=1; break; }
	sleep 0.05
done
child=$("$brownout" census $wrapper 2>&1 | sed -n 's/.*zoo (pid \([0-9]*\))$/\1/p')
expect 0 '^goroutines ' "$child"
kill "$child" 2>/dev/null || true
wait $wrapper || true
expect 2 'could not be opened\|unable to open' --diff "$dir/none" "$dir/none"

"$brownout" census --json "$pid" >"$dir/before.json"
echo "spawn 40" >&3
read -r line <&4
at_rest
"$brownout" census --json "$pid" >"$dir/after.json"
expect 0 '^ *+40 .* select (no cases) .*main.nothing.*main.obey' --diff "$dir/before.json" "$dir/after.json"
expect 0 '^ *+40  *61  *101  in all$' --diff "$dir/before.json" "$dir/after.json"
expect 0 '^ *-40 ' --diff "$dir/after.json" "$dir/before.json"
expect 0 'no group changed' --diff "$dir/after.json" "$dir/after.json"
echo '{"census": 99}' >"$dir/other.json"
expect 2 'is not a census' --diff "$dir/other.json" "$dir/after.json"
python3 - "$dir/after.json" <<'PY' || failed=1
import json, sys
census = json.load(open(sys.argv[1]))
assert census["user"] == 101, census["user"]
assert sum(g["count"] for g in census["groups"]) == 101
assert all(f["line"] > 0 for g in census["groups"] for f in g["stack"])
PY

# screen COLUMNS ROWS PATTERN: watched in such a terminal
screen() {
	"$here/screen.py" "$@" "$brownout" census --watch --interval 20ms "$pid" >"$dir/screen" || {
		echo "in a terminal of $1 columns and $2 rows:"
		cat "$dir/screen"
		failed=1
	}
}
screen 80 24 '^ *40  select \(no ca….*main\.nothing main\.go:[0-9]+  main\.go:[0-9]+$'
screen 80 15 'and [0-9]* smaller groups'
screen 132 50 '^ +5  chan send .*main\.sendForever main\.go:.*main\.eachKind main\.go:[0-9]+$'

# Watching ends by itself, and well, when the process does.
mkfifo "$dir/watched"
"$brownout" census --watch --json --interval 5ms "$pid" >"$dir/watched" &
watch=$!
exec 5<"$dir/watched"
for _ in 1 2 3; do read -r line <&5; done
kill "$pid"
wait "$pid" 2>/dev/null || true
cat <&5 >"$dir/watch"
wait "$watch" || { echo "--watch failed when its process ended"; failed=1; }
tail -n 1 "$dir/watch" | grep -q 'is gone' || { echo "--watch does not say that its process is gone"; failed=1; }
pid=

# A goroutine that never yields while the collector wants to stop the world: one look says so, and who it is.
GODEBUG=asyncpreemptoff=1 "$zoo" -kinds 1 -wedge <"$dir/in" >"$dir/ready" &
pid=$!
exec 4<"$dir/ready"
read -r line <&4
tries=0
until "$brownout" census --json "$pid" | grep -q '"stw_pending_ns": [1-9][0-9]\{9\}' || [ "$tries" = 20 ]; do
	tries=$((tries + 1))
done
expect 0 'STUCK: stopping the world has been pending for [1-9][0-9]*\.[0-9]*s$' "$pid"
expect 0 '^ *1  running  .*main\.wedgeLoop main\.go:[0-9]*  main\.main' "$pid"
expect 0 'STUCK: stopping the world' --stuck --interval 1ms "$pid"
expect 0 '^ *1  running .*main\.wedgeLoop' --stuck --interval 1ms "$pid"
screen 80 24 'STUCK: stopping the world.*\n.*\n(.*\n)*.* started by\n *1  running .*wedgeLoop'
kill "$pid"
wait "$pid" 2>/dev/null || true
pid=
exit "$failed"
