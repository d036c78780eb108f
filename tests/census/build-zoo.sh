#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Build the zoo for the matrix: by each Go command in each way of building.
#   build-zoo.sh ZOO_SOURCE OUT GO...
# Prints the binaries of this machine.  A build that a release cannot do (no C compiler …) is named on stderr and fails
# the whole.
set -eu

source=$1
out=$2
shift 2
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$source"
export GOTOOLCHAIN=local GOFLAGS='' GOWORK=off

build() { # name go cgo goarch arguments...
	name=$1 go=$2 cgo=$3 arch=$4
	shift 4
	[ -x "$out/$name" ] && [ -z "$(find . -newer "$out/$name" -name '*.go')" ] && return
	CGO_ENABLED=$cgo GOARCH=$arch "$go" build "$@" -o "$out/$name" . || {
		echo "build-zoo.sh: $name could not be built" >&2
		exit 1
	}
}

for go in "$@"; do
	label=$("$go" env GOVERSION)
	here=$("$go" env GOHOSTARCH)
	build "$label-default" "$go" 0 "$here"
	build "$label-stripped" "$go" 0 "$here" '-ldflags=-s -w'
	build "$label-pie" "$go" 0 "$here" -buildmode=pie
	build "$label-pie-stripped" "$go" 0 "$here" -buildmode=pie '-ldflags=-s -w'
	build "$label-cgo" "$go" 1 "$here"
	build "$label-race" "$go" 1 "$here" -race
	for way in default stripped pie pie-stripped cgo race; do
		echo "$out/$label-$way"
	done
	# For the version table alone: another machine's program does not run here.
	build "$label-arm64" "$go" 0 arm64
done
