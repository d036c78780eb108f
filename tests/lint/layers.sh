#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Who may include whom: the table of docs/architecture.md, enforced.
#   layers.sh ROOT        check the tree; every violation is one line, exit status 1
#   layers.sh --self-test check that each rule catches what it is there for
set -eu

# folder: other folders of include/brownout that it may use
allowed='
base:
model: base
sys: base model
lab: base model sys
fault: base model sys lab
load: base model sys
census: base
probe: base model sys census
slo: base model
report: base model
script: base model
harness: base model sys lab fault load census probe slo report script
'

# pattern of a header: the folders that alone may include it
only='
^(lua|lauxlib|lualib)\.h$: script
^netlink/: sys
^sys/capability\.h$: sys
^sys/syscall\.h$: sys
^curl/: probe harness
^ldns/: lab
^jansson\.h$: report probe harness
^(libelf|gelf|dwarf|elfutils/.*)\.h$: census
'

check() { # root
	cd "$1"
	# shellcheck disable=SC2016 # $0 is awk's
	find src harness include -name '*.[ch]' | sort | xargs awk -v allowed="$allowed" -v only="$only" '
	BEGIN {
		n = split(allowed, line, "\n")
		for (i = 1; i <= n; i++)
			if (split(line[i], part, ":") == 2) {
				known[part[1]] = 1
				m = split(part[2], word, " ")
				for (j = 1; j <= m; j++)
					may[part[1], word[j]] = 1
			}
		n = split(only, line, "\n")
		for (i = 1; i <= n; i++)
			if (split(line[i], part, ": ") == 2)
				rule[++rules] = part[1] SUBSEP part[2]
	}
	function bad(text) {
		print FILENAME ":" FNR ": " text
		failed = 1
	}
	FNR == 1 {
		split(FILENAME, path, "/")
		folder = path[1] == "include" ? path[3] : path[1] == "src" ? path[2] : path[1]
		# The census is a library of its own: one public header, brownout/census.h, and a folder in probe.
		sub(/\.h$/, "", folder)
		if (FILENAME ~ /^src\/probe\/census\//)
			folder = "census"
		if (!(folder in known))
			bad("the folder \"" folder "\" is not in the table of layers")
	}
	/^[ \t]*#[ \t]*include[ \t]*[<"]/ {
		header = $0
		sub(/^[^<"]*[<"]/, "", header)
		sub(/[>"].*/, "", header)
		if (header ~ /\.\./)
			bad(header ": no include goes up the tree")
		if (header ~ /^brownout\//) {
			split(header, path, "/")
			sub(/\.h$/, "", path[2])
			if (path[2] != folder && !((folder, path[2]) in may))
				bad(folder " may not include " header)
		} else if (header ~ /^(src|harness)\// && folder != "harness") {
			bad(folder " may not include " header)
		}
		for (i = 1; i <= rules; i++) {
			split(rule[i], part, SUBSEP)
			if (header ~ part[1] && (" " part[2] " ") !~ (" " folder " "))
				bad(folder " may not include " header "; only " part[2] " may")
		}
	}
	END { exit failed }'
}

self_test() {
	dir=$(mktemp -d)
	trap 'rm -rf "$dir"' EXIT
	failed=0
	try() { # expected-status file include
		rm -rf "$dir/tree"
		mkdir -p "$dir/tree/src" "$dir/tree/harness" "$dir/tree/include/brownout" "$dir/tree/$(dirname "$2")"
		echo "#include $3" >"$dir/tree/$2"
		status=0
		(check "$dir/tree") >"$dir/out" 2>&1 || status=1
		if [ "$status" != "$1" ]; then
			echo "self-test: '#include $3' in $2: status $status, expected $1"
			cat "$dir/out"
			failed=1
		fi
	}
	try 0 src/base/a.c '<stdio.h>'
	try 0 src/fault/a.c '"brownout/lab/hands.h"'
	try 0 harness/a.c '"harness/conductor.h"'
	try 0 src/script/a.c '<lua.h>'
	try 1 src/base/a.c '"brownout/model/plan.h"'
	try 1 src/slo/a.c '"brownout/lab/lab.h"'
	try 1 include/brownout/model/a.h '"brownout/sys/tun.h"'
	try 1 src/load/a.c '"harness/conductor.h"'
	try 1 src/lab/a.c '<netlink/netlink.h>'
	try 1 harness/a.c '<lua.h>'
	try 0 src/probe/a.c '<jansson.h>'
	try 1 src/slo/a.c '<jansson.h>'
	try 1 src/lab/a.c '"../sys/internal.h"'
	try 0 src/probe/census/a.c '"brownout/base/err.h"'
	try 0 src/probe/census/a.c '<elfutils/libdw.h>'
	try 0 src/probe/a.c '"brownout/census.h"'
	try 0 include/brownout/census.h '"brownout/base/err.h"'
	try 1 include/brownout/census.h '"brownout/model/plan.h"'
	try 1 src/probe/census/a.c '"brownout/probe/probe.h"'
	try 1 src/slo/a.c '"brownout/census.h"'
	try 1 src/probe/a.c '<gelf.h>'
	try 1 src/load/a.c '<ldns/ldns.h>'
	try 1 src/news/a.c '<stdio.h>'
	[ "$failed" = 0 ] && echo "self-test: each rule catches what it is there for"
	return "$failed"
}

if [ "${1:-}" = --self-test ]; then
	self_test
else
	check "$1"
fi
