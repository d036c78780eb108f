#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Which Go commands there are for the matrix.  Prints their paths; what could not be had is named on stderr.
#   toolchains.sh installed           the local Go ($GO, or go) and Debian's 1.19
#   toolchains.sh releases SECONDS    those of the file `releases` that are no installed one; from the module cache, or
#                                     downloaded (65 to 105 MB each) as long as SECONDS last for all of them
#   toolchains.sh newest SECONDS      the same, but the newest patch of each minor that the module proxy has
# Exit: 0, or 1 when something is missing.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
local_go=${GO:-go}
debian_go=/usr/lib/go-1.19/bin/go
oldest_minor=20
export GOTOOLCHAIN=local GOFLAGS='' GOWORK=off GO111MODULE=on

version_of() { # go
	"$1" env GOVERSION | sed 's/^go//'
}

installed() {
	command -v "$local_go"
	if [ -x "$debian_go" ] && [ "$(version_of "$debian_go")" != "$(version_of "$local_go")" ]; then
		echo "$debian_go"
	fi
}

newest() {
	(cd / && timeout "$1" "$local_go" list -m -versions go) | tr ' ' '\n' | sort -V |
		awk -F. -v oldest="$oldest_minor" '$1 == 1 && $2 >= oldest && /^[0-9.]+$/ { last[$2 + 0] = $0 }
			END { for (minor in last) print last[minor] }' | sort -V
}

# A toolchain is a module (go.dev/doc/toolchain); unlike GOTOOLCHAIN=, this works with Go before 1.21, too.
have() { # version seconds
	dir=$(cd / && timeout "$2" "$local_go" mod download -json \
		"golang.org/toolchain@v0.0.1-go$1.$("$local_go" env GOHOSTOS)-$("$local_go" env GOHOSTARCH)" 2>/dev/null |
		sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p')
	[ -n "$dir" ] || return 1
	# Modules have no executables; the go command sets these bits as well.
	[ -x "$dir/bin/go" ] || chmod +x "$dir"/bin/* "$dir"/pkg/tool/*/*
	echo "$dir/bin/go"
}

case ${1:-} in
installed)
	installed
	exit
	;;
releases) versions=$(grep -v '^#' "$here/releases") ;;
newest)
	versions=$(newest "$2")
	if [ -z "$versions" ]; then
		echo "NOT TESTED: the module proxy does not say which releases there are" >&2
		exit 1
	fi
	;;
*)
	echo "usage: toolchains.sh installed|releases|newest [SECONDS]" >&2
	exit 2
	;;
esac

ours=" $(for go in $(installed); do version_of "$go"; done | tr '\n' ' ')"
end=$(($(date +%s) + $2))
missing=0
for version in $versions; do
	case $ours in *" $version "*) continue ;; esac
	left=$((end - $(date +%s)))
	# One second is enough for what is in the cache.
	have "$version" "$((left > 5 ? left : 5))" || {
		echo "NOT TESTED: Go $version is not in the module cache and could not be downloaded in time" >&2
		missing=1
	}
done
exit "$missing"
