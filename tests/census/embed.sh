#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The library as somebody else uses it: installed alone, found by pkg-config, linked by the example, run on a Go process.
#   embed.sh BUILD EXAMPLE ZOO CC
set -eu

build=$1 example=$2 zoo=$3 cc=$4
dir=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || :; rm -rf "$dir"' EXIT

cmake --install "$build" --component census --prefix "$dir" >"$dir/install.log"
pc=$(find "$dir" -name brownout-census.pc)
lib=$(dirname "$(dirname "$pc")")
# The prefix in the file is the one of the configuration; this installation is elsewhere.
flags=$(PKG_CONFIG_PATH=$(dirname "$pc") pkg-config --define-variable=prefix="$dir" --cflags --libs brownout-census)
# shellcheck disable=SC2086 # a list of words
"$cc" -Wall -Wextra -Werror "$example" $flags -o "$dir/census"
if nm -D --defined-only "$lib/libbrownout-census.so" | grep -v ' bo_census_\| bo_err_\| bo_subsys_name\| BROWNOUT_CENSUS_0'; then
	echo "embed.sh: the library shows more than its header" >&2
	exit 1
fi

mkfifo "$dir/in" "$dir/out"
"$zoo" -kinds 5 <"$dir/in" >"$dir/out" &
pid=$!
exec 3>"$dir/in" 4<"$dir/out"
read -r ready <&4
case $ready in ready*) ;; *) exit 1 ;; esac
LD_LIBRARY_PATH=$lib "$dir/census" "$pid" 0 >"$dir/result"
grep -q '^61 goroutines, before 61$' "$dir/result" || {
	cat "$dir/result" >&2
	exit 1
}
echo quit >&3
