#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Run every libFuzzer target of a build tree for a while, from the corpus beside its source.
#   fuzz.sh BUILD SECONDS
# What is found new goes to BUILD/corpus; a crash leaves its input in BUILD/crashes and ends this with an error.
set -eu

build=$1
seconds=$2
found=0
mkdir -p "$build/crashes"
for target in "$build"/tests/fuzz/fuzz_*; do
	if [ ! -f "$target" ] || [ ! -x "$target" ]; then continue; fi
	found=1
	name=${target##*/}
	seeds=tests/fuzz/corpus/${name#fuzz_}
	mkdir -p "$build/corpus/$name"
	set -- "$build/corpus/$name"
	[ ! -d "$seeds" ] || set -- "$@" "$seeds"
	dict=tests/fuzz/${name#fuzz_}.dict
	[ ! -f "$dict" ] || set -- "-dict=$dict" "$@"
	echo "$name: $seconds s"
	"$target" -max_total_time="$seconds" -print_final_stats=0 -verbosity=0 \
		-artifact_prefix="$build/crashes/$name-" "$@"
done
if [ "$found" = 0 ]; then
	echo "fuzz.sh: no targets in $build/tests/fuzz" >&2
	exit 1
fi
