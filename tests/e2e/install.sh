#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install.sh BUILD ROOT — what `make install` installs is whole: the program runs from where it lies, its catalogue with every
# parameter that a head of a scenario names, and the goal of the Makefile builds whatever is installed.
set -eu
build=$1 root=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cmake --install "$build" --prefix "$dir" >"$dir/log"
share=$dir/share/brownout/scenarios
"$dir/bin/brownout" check -q "$share"
"$dir/bin/brownout" check -q --set trace=true "$share/network/mobile-client.lua"
for page in man1/brownout.1 man5/brownout-scenario.5; do
	[ -s "$dir/share/man/$page" ] || { echo "$page is not installed"; exit 1; }
done

# A library or program that is installed and not built by the goal breaks `make install` of a fresh clone.
goal=$(sed -n '/^install:/,/^$/p' "$root/Makefile")
grep -rhoE '^install\(TARGETS [^ )]+' "$root" --include=CMakeLists.txt --include='*.cmake' --exclude-dir=build | while read -r _ target; do
	echo "$goal" | grep -qE "[ ,]$target([ ,)]|\$)" || { echo "make install does not build $target"; exit 1; }
done
