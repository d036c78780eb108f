#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What `brownout census` says of a process that it cannot read, and what it exits with: one line, the reason, what to do.
#   refused.sh BROWNOUT ZOO ZOO_386
# As root every case; as an ordinary user those that need no second one.
# Yama's scopes are a matter of the kernel; their sentences are tested in tests/unit/test_census_access.c.
set -eu

brownout=$1 zoo=$2 zoo_386=$3
dir=$(mktemp -d)
chmod 755 "$dir"
pid=
failed=0

stop() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null || true
	[ -z "$pid" ] || wait "$pid" 2>/dev/null || true
	pid=
}
trap 'stop; rm -rf "$dir"' EXIT

# start COMMAND...: a zoo; its standard input stays open until it is killed
start() {
	stop
	rm -f "$dir/in" "$dir/ready"
	mkfifo "$dir/in" "$dir/ready"
	"$@" <"$dir/in" >"$dir/ready" 2>/dev/null &
	pid=$!
	exec 3>"$dir/in" 4<"$dir/ready"
	line=
	read -r line <&4 || true
	case $line in ready*) return 0 ;; esac
	pid=
	return 1
}

# expect EXIT PATTERN COMMAND...: one line, with the pattern in it
expect() {
	want=$1 pattern=$2 status=0
	shift 2
	"$@" >"$dir/out" 2>&1 </dev/null || status=$?
	if [ "$status" != "$want" ] || [ "$(wc -l <"$dir/out")" != 1 ] || ! grep -q -e "$pattern" "$dir/out"; then
		echo "$*: exit $status, expected $want and one line with /$pattern/:"
		cat "$dir/out"
		failed=1
	elif [ "$want" = 5 ]; then
		cat "$dir/out"
	fi
}

# spoil NAME OLD NEW: a copy of the zoo in which each OLD is NEW, of the same length
spoil() {
	python3 - "$zoo" "$dir/$1" "$2" "$3" <<'PY'
import sys
source, target = sys.argv[1:3]
old, new = (s.encode().decode("unicode_escape").encode() for s in sys.argv[3:])
zoo = open(source, "rb").read()
assert old in zoo and len(old) == len(new)
open(target, "wb").write(zoo.replace(old, new))
PY
	chmod +x "$dir/$1"
}

expect 5 'there is no process 4194300$' "$brownout" census 4194300
sh -c 'echo $$ >"$1"; exec 2>/dev/null; (:); sleep 1000 & echo $! >>"$1"; wait' sh "$dir/wrapper" &
pid=$!
until [ -s "$dir/wrapper" ] && [ "$(wc -l <"$dir/wrapper")" = 2 ]; do :; done
child=$(tail -n 1 "$dir/wrapper")
expect 5 "^brownout census: process $pid is not a Go program$" "$brownout" census "$pid"
kill "$child"
stop

start "$zoo"
version=${line#ready }
version=${version%% *}
# go1.18 with as many digits behind it as this one has
spoil old "$version" "go1.18$(echo "${version#go1.??}" | tr '[:alnum:]' 9)"
spoil garbled 'runtime.main\0' 'runtime.mxin\0'
expect 5 'CAP_SYS_PTRACE is there but does not reach it.*run the census outside of this container' \
	unshare --user --map-root-user "$brownout" census "$pid"
start "$dir/old"
expect 5 'was built with go1\.18.*Go 1\.19 is the oldest that can be read: rebuild it, or' "$brownout" census "$pid"
start "$dir/garbled"
expect 5 'does not name runtime.main: when it was obfuscated (garble), run a plain build, or' "$brownout" census "$pid"
if start "$zoo_386"; then
	expect 5 'a 32-bit program; only 64-bit ones, for amd64 and arm64, can be read' "$brownout" census "$pid"
else
	echo "this kernel runs no 32-bit programs"
fi

if [ "$(id -u)" != 0 ]; then
	start "$zoo"
	expect 0 '^[0-9]*$' "$brownout" census --count "$pid"
	start "$zoo" -undumpable
	expect 5 'it is not dumpable.*CAP_SYS_PTRACE is needed (sudo brownout census' "$brownout" census "$pid"
	exit "$failed"
fi

nobody=65534 other=65533
cat >"$dir/user" <<'SH'
#!/bin/sh
uid=$1
shift
exec setpriv --reuid "$uid" --regid "$uid" --clear-groups "$@"
SH
chmod +x "$dir/user"
# A build folder may be closed to everybody else.
cp "$brownout" "$zoo" "$dir"
brownout=$dir/${brownout##*/} zoo=$dir/${zoo##*/}

start "$dir/user" $nobody "$zoo"
expect 0 '^[0-9]*$' "$dir/user" $nobody "$brownout" census --count "$pid"
expect 0 '^[0-9]*$' "$brownout" census --count "$pid"
expect 5 "it runs as user $nobody, you are user $other: become that user, or get CAP_SYS_PTRACE (sudo brownout" \
	"$dir/user" $other "$brownout" census "$pid"
expect 5 'CAP_SYS_PTRACE is there but does not reach it' \
	"$dir/user" $nobody unshare --user --map-root-user "$brownout" census "$pid"
# Whoever made a user namespace has every capability in it.
start "$dir/user" $nobody unshare --user --map-root-user "$zoo"
expect 0 '^[0-9]*$' "$dir/user" $nobody "$brownout" census --count "$pid"
start "$dir/user" $nobody "$zoo" -undumpable
expect 5 'it is not dumpable.*CAP_SYS_PTRACE is needed (sudo brownout census' "$dir/user" $nobody "$brownout" census "$pid"
expect 0 '^[0-9]*$' "$brownout" census --count "$pid"
start setpriv --reuid $nobody --regid $nobody --clear-groups --inh-caps +net_raw --ambient-caps +net_raw "$zoo"
expect 5 'it has capabilities or groups that you have not.*try sudo brownout census' "$dir/user" $nobody "$brownout" census "$pid"
stop
# shellcheck disable=SC2016 # for the inner shell
expect 5 'no permission to look into process 1: /proc hides it (mount option hidepid); try sudo' \
	unshare --pid --fork --mount --mount-proc sh -c 'mount -o remount,hidepid=2 /proc &&
		setpriv --reuid "$1" --regid "$1" --clear-groups "$2" census 1; exit $?' sh $nobody "$brownout"
exit "$failed"
