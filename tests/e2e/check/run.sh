#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What `brownout check` and `brownout plan` say, word for word.
#   bad/NAME.lua   one mistake each; its line is in bad/expected.txt as "NAME: LINE-OF-OUTPUT"
#   good/*.lua     no mistake, no warning
# usage: run.sh PATH-OF-BROWNOUT
set -u
brownout=$(realpath -e "$1") || exit 1
here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0
ran=0

# expect WHAT EXIT-CODE STDERR -- COMMAND...: exactly this on stderr, and nothing on stdout when it fails
expect() {
	what=$1 want_code=$2 want=$3
	shift 4
	ran=$((ran + 1))
	"$@" >"$tmp/out" 2>"$tmp/err"
	code=$?
	printf '%s' "${want:+$want
}" >"$tmp/want"
	if [ "$code" -ne "$want_code" ] || ! cmp -s "$tmp/err" "$tmp/want" ||
		{ [ "$want_code" -ne 0 ] && [ -s "$tmp/out" ]; }; then
		failed=$((failed + 1))
		printf 'FAILED %s: exit %s, expected %s\n' "$what" "$code" "$want_code"
		diff -u "$tmp/want" "$tmp/err" | sed 1,2d
		[ "$want_code" -eq 0 ] || sed 's/^/unexpected on stdout: /' "$tmp/out"
	fi
}

cd "$here/bad" || exit 1
for file in *.lua; do
	name=${file%.lua}
	want=$(sed -n "s/^$name: //p" expected.txt)
	[ -n "$want" ] || want="(no line for $name in expected.txt)"
	expect "check bad/$file" 2 "$want" -- "$brownout" check "$file"
done
# Every mistake is also what `plan` says: one of them stands for all.
expect 'plan bad/syntax.lua' 2 "$(sed -n 's/^syntax: //p' expected.txt)" -- "$brownout" plan syntax.lua
while IFS=: read -r name _; do
	[ -e "$name.lua" ] || { echo "FAILED expected.txt names $name.lua, which is not there"; failed=$((failed + 1)); }
done <expected.txt

cd "$here/good" || exit 1
for file in *.lua; do
	expect "check good/$file" 0 '' -- "$brownout" check "$file"
	expect "plan good/$file" 0 '' -- "$brownout" plan "$file"
	expect "plan --json good/$file" 0 '' -- "$brownout" plan --json "$file"
done
expect 'check of several' 0 '' -- "$brownout" check *.lua

# Files that are no scenario at all.
cd "$tmp" || exit 1
mkdir folder
mkfifo fifo.lua
printf '\033Lua\124\000' >compiled.lua
printf 'local a\nlocal b = "\000"\n' >nul.lua
head -c 10000000 /dev/zero | tr '\0' '-' >huge.lua
chmod 000 huge.lua
cp "$here/good/small.lua" .
expect 'missing file' 2 'missing.lua:1: cannot open: No such file or directory' -- "$brownout" check missing.lua
expect 'empty folder' 2 "brownout check: expected a scenario (*.lua) in folder, found none; \`brownout check --help\` says more" -- \
	"$brownout" check folder
expect 'plan of a folder' 2 'folder:1: expected a Lua file, found a folder' -- "$brownout" plan folder
expect 'fifo' 2 'fifo.lua:1: expected a regular file' -- "$brownout" check fifo.lua
expect 'compiled' 2 'compiled.lua:1: this is compiled Lua; a scenario must be Lua text' -- "$brownout" check compiled.lua
expect 'NUL byte' 2 'nul.lua:2: a NUL byte; a scenario must be Lua text' -- "$brownout" check nul.lua
chmod 600 huge.lua
expect '10 MB' 2 'huge.lua:1: expected at most 4194304 bytes, found 10000000' -- "$brownout" check huge.lua

# Files that a fault reads: relative to the scenario, regular, and of a size that can be read.
mkdir faults
reads() { # NAME FAULT
	printf '%s\n' 'local bo = require "brownout"' 'local t = bo.scenario "f" { phases = { base = "5s", fault = "10s" } }' \
		'local orders = t:subject "orders" { command = { "sh" }, ready = bo.tcp(8080) }' \
		"t:during(\"fault\", t:link(t.client, orders):$2)" 't:budget "goroutines.count < 100"' >"faults/$1.lua"
}
truncate -s 1G faults/huge
mkfifo faults/fifo
reads trace 'trace "huge"'
reads samples 'delay { samples = "huge" }'
reads fifo 'trace "fifo"'
expect 'a trace of 1 GB' 2 'faults/trace.lua:4: trace: trace: huge: expected at most 8388608 bytes, found 1073741824' -- \
	"$brownout" check faults/trace.lua
expect 'samples of 1 GB' 2 'faults/samples.lua:4: delay: samples: huge: expected at most 8388608 bytes, found 1073741824' -- \
	"$brownout" check faults/samples.lua
expect 'a trace that is a FIFO' 2 'faults/fifo.lua:4: trace: trace: fifo: expected a regular file' -- \
	"$brownout" check faults/fifo.lua
# A delay that is longer than its fault is allowed, and hardly meant.
reads long 'delay "10m"'
expect 'a delay of 10 minutes' 0 \
	"faults/long.lua:4: warning: delay: a delay of 10.0min in a fault of 10.0s: nothing that is sent in it arrives before its end, so it cannot be confirmed" -- \
	"$brownout" check faults/long.lua

# A module that a link leads out of the folder.
echo 'return 1' >outside.lua
mkdir inside && ln -s ../outside.lua inside/link.lua && echo 'require "link"' >inside/a.lua
expect 'link out of the folder' 2 \
	'inside/a.lua:1: require: link.lua leads out of its folder; only files inside inside may be loaded' -- \
	"$brownout" check inside/a.lua

# A path of more than 60 bytes, which Lua itself would shorten in its messages.
long=a-folder-with-a-long-name/and-another-folder-with-a-long-name
mkdir -p "$long"
echo 'local x = = 1' >"$long/syntax.lua"
echo 'local x x.y = 1' >"$long/runtime.lua"
expect 'long path, syntax' 2 "$long/syntax.lua:1: unexpected symbol near '='" -- "$brownout" check "$long/syntax.lua"
expect 'long path, run time' 2 "$long/runtime.lua:1: attempt to index a nil value (local 'x')" -- \
	"$brownout" check "$long/runtime.lua"

# Usage.
more='`brownout check --help` says more'
expect 'no file' 2 "brownout check: expected at least one scenario file; $more" -- "$brownout" check
expect 'unknown option' 2 "brownout check: unknown option \"--sett\"; $more" -- "$brownout" check --sett a=1 small.lua
expect 'lacking value' 2 "brownout check: a value is missing after \"--set\"; $more" -- "$brownout" check small.lua --set
expect 'bad --set' 2 "brownout check: --set: expected KEY=VALUE, found \"rate\"; $more" -- \
	"$brownout" check --set rate small.lua
expect 'bad --seed' 2 "brownout check: --seed: expected a whole number from 1, found \"zero\"; $more" -- \
	"$brownout" check --seed zero small.lua
expect 'unread --set' 2 "small.lua:6: --set raet: the scenario reads no such parameter; did you mean 'rate'?" -- \
	"$brownout" check --set raet=5 small.lua
expect 'unread --set, nothing like it' 2 "small.lua:6: --set variant: the scenario reads no such parameter; it reads rate" -- \
	"$brownout" check --set variant=5 small.lua
expect '--set of the wrong type' 2 "small.lua:11: parameter 'rate': expected a number, found \"fast\" (--set)" -- \
	"$brownout" check --set rate=fast small.lua
expect 'good --set' 0 '' -- "$brownout" check --set rate=150 small.lua
expect '--strict' 2 "small.lua:10: subject 'orders': command 'no-such-program' not found in PATH nor in $tmp" -- \
	"$brownout" check --strict small.lua
echo "text without a program" >no-such-program
expect '--strict, not executable' 2 \
	"small.lua:10: subject 'orders': command 'no-such-program' is not executable (chmod +x?)" -- \
	"$brownout" check --strict small.lua
chmod +x no-such-program
expect '--strict, no #!' 2 \
	"small.lua:10: subject 'orders': command 'no-such-program' is neither an ELF program nor a script with a #! line" -- \
	"$brownout" check --strict small.lua
printf '#!/bin/sh\n' >no-such-program
expect '--strict, found' 0 '' -- "$brownout" check --strict small.lua
expect 'one bad of two' 2 'missing.lua:1: cannot open: No such file or directory' -- \
	"$brownout" check -q small.lua missing.lua

# Options that change the plan: each is refused by its name, with what was expected and what was found.
refuse() { # OPTION VALUE TEXT
	expect "bad $1 $2" 2 "brownout check: $1: $3; $more" -- "$brownout" check "$1" "$2" small.lua
}
phases='warmup, base, fault, hold, heal, settle'
rates='expected [LOAD=]RATE with a rate above 0 such as 200/s, 30/m or x2'
refuse --phase 30s 'expected PHASE=LENGTH such as fault=30s, found "30s"'
refuse --phase fautl=30s "expected a phase ($phases), found \"fautl\"; did you mean 'fault'?"
refuse --phase fault=30 'expected a length from 0 to 24h such as fault=30s, found "fault=30"'
refuse --phase fault=-1s 'expected a length from 0 to 24h such as fault=30s, found "fault=-1s"'
refuse --phase fault=25h 'expected a length from 0 to 24h such as fault=30s, found "fault=25h"'
for rate in 0/s -5/s fast get= =5/s x x-2 x0 2e6/s; do
	refuse --rate $rate "$rates, found \"$rate\""
done
refuse --budget 'latencyp99 <= 1s' "column 1: unknown metric 'latencyp99'; did you mean 'latency.p99'?"
refuse --tag main 'expected KEY=VALUE with letters, digits, '"'.', '_' and '-'"' in KEY, found "main"'
refuse --tag 'a b=c' 'expected KEY=VALUE with letters, digits, '"'.', '_' and '-'"' in KEY, found "a b=c"'
refuse --seed -1 'expected a whole number from 1, found "-1"'
refuse --seed 0x10 'expected a whole number from 1, found "0x10"'
refuse --seed 18446744073709551616 'expected a whole number from 1, found "18446744073709551616"'
refuse --only '' "expected a pattern such as 'timeouts/*', found \"\""
# and what only the scenario can tell
expect 'a load that is not there' 2 \
	"brownout check: --rate: small.lua: expected a load of 'small' (checkout), found \"put\"" -- \
	"$brownout" check --rate put=5/s small.lua
expect 'a rate that is too high' 2 "brownout check: --rate: expected at most 1000000/s for load 'checkout', found 100000000/s" -- \
	"$brownout" check --rate x1000000 small.lua
expect 'a budget that does not fit' 2 "brownout check: --budget: small.lua: column 19: phase 'heal' does not happen in this scenario (it lasts 0s)" -- \
	"$brownout" check --budget 'latency.p99 <= 1s in heal' small.lua
expect 'a phase that faults need' 2 \
	'small.lua:12: t:during: the phase "fault" does not happen, its length is 0; give it one in phases = { … }' -- \
	"$brownout" check --phase fault=0 small.lua

# planned WHAT JQ-LIKE-PYTHON OPTIONS...: of plan.json with these options
planned() {
	what=$1 test=$2
	shift 2
	ran=$((ran + 1))
	"$brownout" plan --json "$@" small.lua >"$tmp/plan.json" 2>"$tmp/err" &&
		python3 -c "import json, sys
p = json.load(open(sys.argv[1])); phase = {x['name']: x['length_s'] for x in p['phases']}
texts = [b['text'] for b in p['budgets']]; rates = {l['name']: l['rate_per_s'] for l in p['loads']}
sys.exit(not ($test))" "$tmp/plan.json" && return
	failed=$((failed + 1))
	printf 'FAILED plan %s: %s\n' "$what" "$test"
	cat "$tmp/err" "$tmp/plan.json"
}
planned 'as it is' "p['overrides'] == [] and p['tags'] == {} and p['params'] == {}"
planned '--phase' "phase['fault'] == 30 and p['overrides'] == [{'option': 'phase', 'value': 'fault=30s'}]" --phase fault=30s
planned 'the last --phase counts' "phase['fault'] == 2 and len(p['overrides']) == 2" --phase fault=30s --phase fault=2s
planned '--rate' "rates['checkout'] == 7" --rate 7/s
planned '--rate of one' "rates['checkout'] == 0.5" --rate checkout=30/m
planned '--rate, scaled' "rates['checkout'] == 30" --rate 10/s --rate x3
planned '--rate, scaled with a sign' "rates['checkout'] == 5" --rate 10/s --rate checkout=×0.5
planned '--seed is decimal' "p['seed'] == '10'" --seed 010
planned '--tag and --set' "p['tags'] == {'a': '1=2', 'b': ''} and p['params'] == {'rate': '5'}" \
	--tag a=0 --tag b= --tag a=1=2 --set rate=5
planned '--driver' "p['driver'] == 'wire'" --driver wire
planned '--budget, one more' "len(texts) == 2 and texts[1] == 'latency.max <= 3s'
	and p['budgets'][1]['source'] == {'file': None, 'line': None}" --budget 'latency.max <= 3s'
planned '--budget, instead' "texts == ['latency.p99<=3s in fault for 95% of 1s windows'] and p['budgets'][0]['source']['file'] is None" \
	--budget 'latency.p99<=3s in fault for 95% of 1s windows'
planned '--budget of another phase' "len(texts) == 2" --budget 'latency.p99 <= 3s in base'
planned '--budget of another load' "len(texts) == 2" --budget 'latency.p99{load="checkout"} <= 3s in fault'

# A rate that moves is scaled as a whole; a closed loop has none.
loads() { # NAME FIELDS...: a scenario whose one load is "get" in line 4
	name=$1
	shift
	printf '%s\n' 'local bo = require "brownout"' "local t = bo.scenario \"$name\" { phases = { base = \"2s\" } }" \
		't:subject "orders" { command = { "sh" }, ready = bo.tcp(8080) }' \
		"t:load \"get\" { url = \"http://orders:8080/\", $* }" 't:budget "latency.p99 <= 3s in base"' >"$name.lua"
}
moved() { # WHAT JQ-LIKE-PYTHON SCENARIO OPTIONS...: of the load in plan.json with these options
	what=$1 test=$2 file=$3.lua
	shift 3
	ran=$((ran + 1))
	"$brownout" plan --json "$@" "$file" >"$tmp/plan.json" 2>"$tmp/err" &&
		python3 -c "import json, sys
p = json.load(open(sys.argv[1])); l = p['loads'][0]; o = p['overrides']
sys.exit(not ($test))" "$tmp/plan.json" && return
	failed=$((failed + 1))
	printf 'FAILED plan %s: %s\n' "$what" "$test"
	cat "$tmp/err" "$tmp/plan.json"
}
unmoved() { # SCENARIO RATE TEXT
	expect "bad --rate $2 of $1" 2 "brownout check: --rate: $3" -- "$brownout" check --rate "$2" "$1.lua"
}
loads ramp 'rate = { from = "10/s", to = "500/s", over = "1s" }'
loads steps 'rate = { steps = { "100/s", "200/s", "50/s" }, each = "500ms" }'
loads bursts 'arrivals = "burst", burst = { count = 100, every = "1s" }'
loads closed 'arrivals = "closed", clients = 4'
moved 'a ramp, doubled' "(l['rate_per_s'], l['rate_to_per_s'], l['rate_over_s']) == (20, 1000, 1)
	and o == [{'option': 'rate', 'value': 'x2'}]" ramp --rate x2
moved 'steps, halved' "l['rate_per_s'] == 50 and l['rate_steps_per_s'] == [50, 100, 25] and l['rate_each_s'] == 0.5" \
	steps --rate get=x0.5
moved 'steps, twice' "l['rate_per_s'] == 600 and l['rate_steps_per_s'] == [600, 1200, 300]" steps --rate x2 --rate x3
moved 'a burst, grown' "(l['rate_per_s'], l['burst_count'], l['burst_every_s']) == (150, 150, 1)" bursts --rate ×1.5
unmoved ramp 50/s "ramp.lua:4: load 'get': expected a multiple such as x2, since its rate moves, found \"50/s\""
unmoved steps get=50/s "steps.lua:4: load 'get': expected a multiple such as x2, since its rate moves, found \"get=50/s\""
unmoved bursts 50/s "bursts.lua:4: load 'get': expected a multiple such as x2, since it comes in bursts, found \"50/s\""
unmoved bursts x0.333 "bursts.lua:4: load 'get': expected a multiple that makes a burst of 100 one of 1 to 100000 whole requests, found \"x0.333\", which makes 33.3"
unmoved bursts x0.001 "bursts.lua:4: load 'get': expected a multiple that makes a burst of 100 one of 1 to 100000 whole requests, found \"x0.001\", which makes 0.1"
unmoved bursts x1001 "bursts.lua:4: load 'get': expected a multiple that makes a burst of 100 one of 1 to 100000 whole requests, found \"x1001\", which makes 100100"
unmoved ramp x2001 "expected at most 1000000/s for load 'get', found 1000500/s"
unmoved steps x5001 "expected at most 1000000/s for load 'get', found 1000200/s"
for rate in x2 50/s get=x2; do
	unmoved closed $rate "closed.lua:4: load 'get': expected a load with a rate (its arrivals are closed, the answers set the pace; change clients), found \"$rate\""
done

# The objective that the scenario states.
objective() { # WHAT SLO-FIELD JSON TEXT: what plan.json and the plan say of it
	ran=$((ran + 1))
	printf '%s\n' 'local bo = require "brownout"' "local t = bo.scenario \"slo\" { $2 phases = { base = \"2s\" } }" \
		't:subject "orders" { command = { "sh" }, ready = bo.tcp(8080) }' >slo.lua
	"$brownout" plan --json slo.lua >"$tmp/plan.json" 2>"$tmp/err" && "$brownout" plan slo.lua >"$tmp/out" 2>>"$tmp/err" &&
		python3 -c "import json, sys
slo = json.load(open(sys.argv[1]))['slo']
slo = slo and (round(slo['target'], 9), slo['period_s'])
sys.exit(slo != $3)" "$tmp/plan.json" &&
		sed 1d "$tmp/out" | head -1 | grep -q "driver auto$4\$" && return
	failed=$((failed + 1))
	echo "FAILED $1"
	cat "$tmp/err" "$tmp/plan.json" "$tmp/out"
}
objective 'no objective' '' None ''
objective 'an objective' 'slo = { target = "99.9%" },' "(0.999, None)" ', objective 99.9%'
objective 'an objective with its period' 'slo = { target = "99.95%", period = "28d" },' \
	"(0.9995, 28 * 86400)" ', objective 99.95% over 28d'
objective 'an objective of an hour' 'slo = { target = "95%", period = "90m" },' \
	"(0.95, 5400)" ', objective 95% over 90.0min'

# Folders: every scenario in them but libraries, in order; --only chooses.
mkdir -p tree/b tree/a/deep tree/lib tree/.hidden
for at in tree/b/two tree/a/deep/one tree/lib/no tree/.hidden/no; do cp small.lua $at.lua; done
echo 'no scenario' >tree/notes.txt
checked() { # WHAT EXPECTED-PATHS OPTIONS...
	what=$1 want=$2
	shift 2
	ran=$((ran + 1))
	got=$("$brownout" check "$@" 2>&1 | sed 's/: ok.*//' | tr '\n' ' ')
	[ "$got" = "$want " ] && return
	failed=$((failed + 1))
	printf 'FAILED %s: checked %s, expected %s\n' "$what" "$got" "$want"
}
checked 'a folder' 'tree/a/deep/one.lua tree/b/two.lua' tree
checked 'a folder with slashes' 'tree/a/deep/one.lua tree/b/two.lua' tree//
checked 'folders and files in order' 'small.lua tree/b/two.lua tree/a/deep/one.lua' small.lua tree/b tree/a
checked '--only' 'tree/b/two.lua' --only 'b/*' tree
checked '--only, with deeper folders' 'tree/a/deep/one.lua' --only 'a/*' tree
checked '--only twice' 'tree/a/deep/one.lua tree/b/two.lua' --only 'b/two.lua' --only '*one' tree
checked '--only with the path' 'tree/b/two.lua' --only 'tree/b/two.lua' tree
expect '--only that matches nothing' 2 "brownout check: --only: expected a scenario that matches \"zzz*\", found none; $more" -- \
	"$brownout" check --only 'zzz*' tree

# Warnings do not make a scenario wrong, unless that is asked for.
cat >warn.lua <<'EOF'
local bo = require "brownout"
local t = bo.scenario "warn" { timeout = "1s" }
t:subject "orders" { command = { "sh" } }
EOF
warnings="warn.lua:3: warning: subject 'orders' has no ready = …, so it counts as ready the moment it is started
warn.lua:2: warning: no budget: the verdict can only be INCONCLUSIVE"
expect 'warnings' 0 "$warnings" -- "$brownout" check warn.lua
expect 'warnings, --strict' 2 "$warnings" -- "$brownout" check --strict warn.lua

# print() goes to stderr with its place, on one line, and harmless.
{ cat small.lua; printf 'print("rate", 5, nil, "\\27[31m\\nred")\n'; } >print.lua
expect 'print' 0 "brownout: print.lua:14: rate 5 nil  [31m red" -- "$brownout" check print.lua

# The catalogue is right, without a warning, and its library can be required from the folders beside it.
catalogue=$here/../../../scenarios
for file in "$catalogue"/[!l]*/*.lua "$catalogue"/leaks/*.lua; do
	[ -e "$file" ] || continue
	expect "check $file" 0 '' -- "$brownout" check "$file"
done
mkdir smoke
cp -r "$catalogue/lib" lib
cat >smoke/library.lua <<'EOF'
local bo = require "brownout"
local goservice = require "goservice"
local t = bo.scenario "library" { phases = { base = "5s", fault = "10s", hold = "2s", settle = "2s" } }
t:subject "orders" (goservice.http("orders", 8080, { "orders" }, { memory = "64MiB" }))
t:load "get" { url = "http://orders:8080/", rate = "100/s" }
goservice.keeps_timeout(t, 1.0)
goservice.leaves_nothing(t)
EOF
expect 'library of the catalogue' 0 '' -- "$brownout" check smoke/library.lua

echo "$ran checks, $failed failed"
[ "$failed" -eq 0 ]
