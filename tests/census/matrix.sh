#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The matrix over Go releases and ways of building, and the version table against each release's own DWARF.
#   matrix.sh ZOO_SOURCE OUT CENSUS_MATRIX VERSION_FACTS RELEASE...
set -eu

here=$(cd "$(dirname "$0")" && pwd)
source=$1 out=$2 matrix=$3 facts=$4
shift 4

# shellcheck disable=SC2046 # names without blanks
"$matrix" $("$here/build-zoo.sh" "$source" "$out" "$@")
"$facts" --check "$out"/*-default "$out"/*-arm64
