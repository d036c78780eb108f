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
expect 'folder' 2 'folder:1: expected a Lua file, found a folder' -- "$brownout" check folder
expect 'fifo' 2 'fifo.lua:1: expected a regular file' -- "$brownout" check fifo.lua
expect 'compiled' 2 'compiled.lua:1: this is compiled Lua; a scenario must be Lua text' -- "$brownout" check compiled.lua
expect 'NUL byte' 2 'nul.lua:2: a NUL byte; a scenario must be Lua text' -- "$brownout" check nul.lua
chmod 600 huge.lua
expect '10 MB' 2 'huge.lua:1: expected at most 4194304 bytes, found 10000000' -- "$brownout" check huge.lua

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
expect 'bad --set' 2 "brownout check: --set expects KEY=VALUE, found \"rate\"; $more" -- \
	"$brownout" check --set rate small.lua
expect 'bad --seed' 2 "brownout check: --seed expects a whole number from 1, found \"zero\"; $more" -- \
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
