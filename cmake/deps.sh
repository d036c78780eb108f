#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Are the Debian packages here that a goal of the Makefile needs?  Installs what is missing as root; otherwise prints
# the one command that does, and fails.
#   deps.sh demo|test|fuzz|bench
# BROWNOUT_SKIP_DEPS=1 believes that everything is there (other distributions, images made beforehand).
set -eu

goal=${1:-demo}
[ "${BROWNOUT_SKIP_DEPS:-0}" != 1 ] || exit 0

# To build and run.
packages='build-essential cmake ninja-build pkg-config
	libnl-3-dev libnl-route-3-dev libnl-nf-3-dev libcap-dev liblua5.4-dev libcmocka-dev
	libelf-dev libdw-dev libcurl4-openssl-dev libssl-dev libnghttp2-dev libldns-dev libjansson-dev zlib1g-dev libjs-dygraphs'
# To test: the user-mode Linux tier, schema checks, a second compiler with its sanitizers and fuzzer, linters.
tests='qemu-user-static user-mode-linux busybox-static kmod iproute2 iputils-ping python3-jsonschema openssl
	clang libclang-rt-14-dev shellcheck mandoc git procps libhdrhistogram-java tshark openjdk-17-jre-headless valgrind'
# What the wire is compared with; the program needs none of it.
benches='liburing-dev libxdp-dev libbpf-dev'
case $goal in
demo) ;;
bench) packages="$packages $benches" ;;
test | fuzz) packages="$packages $tests" ;;
*)
	echo "deps.sh: unknown goal '$goal'" >&2
	exit 2
	;;
esac

# A Go that is new enough may have come from anywhere; else take Debian's.
go_is_new_enough() {
	version=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || return 1
	version=${version#go}
	major=${version%%.*}
	minor=${version#*.}
	minor=${minor%%[!0-9]*}
	[ "$major" -gt 1 ] 2>/dev/null || [ "$minor" -ge 19 ] 2>/dev/null
}
if ! go_is_new_enough go && ! go_is_new_enough /usr/lib/go-1.19/bin/go; then
	packages="$packages golang-go"
fi

if ! command -v dpkg-query >/dev/null; then
	echo "This is not Debian.  Install what these packages of it hold, then set BROWNOUT_SKIP_DEPS=1:" >&2
	# shellcheck disable=SC2086 # a list of words
	printf ' %s' $packages >&2
	echo >&2
	exit 1
fi

missing=
for package in $packages; do
	# shellcheck disable=SC2016 # the format is dpkg-query's, not the shell's
	status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) || status=
	[ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
	echo "Debian packages are missing.  This installs them, then run make again:" >&2
	echo "  sudo apt-get install -y --no-install-recommends$missing" >&2
	exit 1
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086 # a list of words
if ! { apt-get -o DPkg::Lock::Timeout=300 -qq update &&
	apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends $missing; } >"$log" 2>&1; then
	cat "$log" >&2
	exit 1
fi
