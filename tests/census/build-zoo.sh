#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Build the zoo for the matrix: each Go release in each way of building.
#   build-zoo.sh ZOO_SOURCE OUT RELEASE...
# A release is "1.25.14", fetched by the go command as GOTOOLCHAIN if it is not there, or the path of a go command.
# Prints the binaries.  A build that a release cannot do (no C compiler …) is named on stderr and fails the whole.
set -eu

source=$1
out=$2
shift 2
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$source"

# For the version table alone: another machine's program does not run here.
build_arm64() { # name toolchain go
	[ -x "$out/$1" ] || env GOTOOLCHAIN="$2" GOFLAGS= GOWORK=off CGO_ENABLED=0 GOARCH=arm64 "$3" build -o "$out/$1" . || {
		echo "build-zoo.sh: $1 could not be built" >&2
		exit 1
	}
}

build() { # name toolchain go cgo arguments...
	name=$1 toolchain=$2 go=$3 cgo=$4
	shift 4
	[ -x "$out/$name" ] || env GOTOOLCHAIN="$toolchain" GOFLAGS= GOWORK=off CGO_ENABLED="$cgo" "$go" build "$@" -o "$out/$name" . || {
		echo "build-zoo.sh: $name could not be built" >&2
		exit 1
	}
	echo "$out/$name"
}

for release in "$@"; do
	case $release in
	*/*)
		go=$release toolchain=local
		label=$(GOTOOLCHAIN=local "$go" env GOVERSION)
		;;
	*)
		go=go toolchain=go$release label=go$release
		;;
	esac
	build "$label-default" "$toolchain" "$go" 0
	build "$label-stripped" "$toolchain" "$go" 0 '-ldflags=-s -w'
	build "$label-pie" "$toolchain" "$go" 0 -buildmode=pie
	build "$label-pie-stripped" "$toolchain" "$go" 0 -buildmode=pie '-ldflags=-s -w'
	build "$label-cgo" "$toolchain" "$go" 1
	build "$label-race" "$toolchain" "$go" 1 -race
	build_arm64 "$label-arm64" "$toolchain" "$go"
done
