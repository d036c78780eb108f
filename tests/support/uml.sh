#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Run a command under user-mode Linux, on the host's own file system, and exit with its status.
#
#   uml.sh [-m MEMORY] [-t SECONDS] [-l MODULE]... [--] COMMAND [ARG...]
#   uml.sh -c          can it run here?  Exit 0, or 77 with what is missing
#
# The guest has a kernel of its own with sch_netem, veth, tun and an unshared cgroup v2 at /sys/fs/cgroup, so what
# the host's kernel lacks can be tested on it.  hostfs is its root: what the command writes is really written, /tmp
# is the host's; /run and /dev/shm are its own.  One CPU, and system calls are slow.  The command runs as root inside
# with the caller's rights outside, with the caller's environment and folder, without standard input.
#
#   -m  memory of the guest, default 1G           (or BROWNOUT_UML_MEMORY)
#   -t  kill the guest after this, default 600    (or BROWNOUT_UML_TIMEOUT)
#   -l  load one more module, by name
#
# BROWNOUT_UML_ROOT: a folder into which a package user-mode-linux was unpacked (dpkg-deb -x), for another kernel than
# the one that is installed; and libc6 of the same release, where that is newer than the machine's (docs/testing.md).
#
# Exit status: the command's; 77 a Debian package is missing, or this is no x86_64 Linux; 124 timed out; 125 the
# guest died (its last console lines are shown); 2 bad usage.
#
# Standard output and error come through two serial lines, so the kernel's own messages never mix with them; those
# go to a log that is shown only when the guest dies.  Nothing outlives this script: not even kill -9 of it leaves
# the guest or its folder, because a watcher holds the other end of a pipe.
set -u

me=${0##*/}
memory=${BROWNOUT_UML_MEMORY:-1G}
seconds=${BROWNOUT_UML_TIMEOUT:-600}
modules="tun veth sch_netem"
check_only=

usage() {
	echo "usage: $me [-m MEMORY] [-t SECONDS] [-l MODULE]... [--] COMMAND [ARG...]" >&2
	exit 2
}

while getopts cm:t:l: option; do
	case $option in
	c) check_only=1 ;;
	m) memory=$OPTARG ;;
	t) seconds=$OPTARG ;;
	l) modules="$modules $OPTARG" ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ -n "$check_only" ] || [ $# -gt 0 ] || usage

PATH=$PATH:/usr/sbin:/sbin
missing=
need() {
	command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
	echo "$me: skipped: Debian's user-mode Linux runs on x86_64 Linux only" >&2
	exit 77
fi
root=${BROWNOUT_UML_ROOT:-}
linux=${root:+$root/usr/bin/}linux.uml
need "$linux" user-mode-linux
need busybox busybox-static
need modprobe kmod
need ip iproute2
case $root in
'' | /*) ;;
*) root=$PWD/$root linux=$PWD/$linux ;;
esac
if [ -n "$root" ] && [ ! -x "$linux" ]; then
	echo "$me: BROWNOUT_UML_ROOT=$root: no program usr/bin/linux.uml there; unpack a package with dpkg-deb -x" >&2
	exit 2
fi
kernel=
for kernel in "$root"/usr/lib/uml/modules/*/; do
	:
done
if [ ! -d "$kernel/kernel" ]; then
	case $missing in
	*user-mode-linux*) ;;
	*) missing="$missing user-mode-linux" ;;
	esac
fi
if [ -n "$missing" ]; then
	echo "$me: skipped: missing packages; as root: apt-get install$missing" >&2
	exit 77
fi
[ -z "$check_only" ] || exit 0

dir=$(mktemp -d "${TMPDIR:-/tmp}/brownout-uml.XXXXXX") || exit 125
guest=
# shellcheck disable=SC2317 # called by the trap
finish() {
	status=$?
	trap - EXIT
	if [ -n "$guest" ]; then
		# The guest is a session of its own: its kernel, one host process per guest process, and I/O helpers.
		kill -s KILL -- "-$guest" 2>/dev/null
		wait "$guest" 2>/dev/null
	fi
	rm -rf "$dir"
	exit "$status"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

quoted() {
	for word in "$@"; do
		printf "'%s' " "$(printf '%s\n' "$word" | sed "s/'/'\\\\''/g")"
	done
	echo
}

# modprobe wants lib/modules/VERSION below a root; Debian keeps the modules elsewhere.
mkdir -p "$dir/root/lib/modules" &&
	ln -s "$kernel" "$dir/root/lib/modules/$(basename "$kernel")" || exit 125

# The guest's process 1.  The pipes keep the command from taking the serial line for a terminal.
{
	echo '#!/bin/sh'
	export -p
	cat <<-'EOF'
		PATH=$PATH:/usr/sbin:/sbin:/usr/bin:/bin
		mount -t proc proc /proc
		mount -t sysfs sysfs /sys
		mount -t tmpfs -o mode=755 run /run
		mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
		mountpoint -q /dev || mount -t devtmpfs dev /dev
		ln -sf /proc/self/fd /dev/fd
		mkdir -p /dev/pts /dev/shm /dev/net
		mount -t devpts devpts /dev/pts
		mount -t tmpfs -o mode=1777 shm /dev/shm
		[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200
		stty -F /dev/ttyS0 raw -echo
		stty -F /dev/ttyS1 raw -echo
		hostname uml
		ip link set lo up
	EOF
	echo "modprobe -d '$dir/root' -a $modules"
	printf 'cd %s\n' "$(quoted "$PWD")"
	printf '{ { %s\n' "$(quoted "$@")"
	echo "echo \$? >'$dir/status'; } 2>&3 | cat >/dev/ttyS0; } 3>&1 </dev/null | cat >/dev/ttyS1"
	echo 'sync'
	echo 'busybox poweroff -f'
} >"$dir/init" || exit 125
chmod 755 "$dir" "$dir/init"

# Memory of the guest is a file; on a disk it would be written back, so tmpfs if that has the room.
case $memory in
*[Kk]) scale=1 ;;
*[Mm]) scale=1024 ;;
*[Gg]) scale=1048576 ;;
*) usage ;;
esac
number=${memory%?}
case $number in
'' | *[!0-9]*) usage ;;
esac
room=$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }')
if [ "${room:-0}" -gt $((number * scale)) ] && [ -w /dev/shm ]; then
	backing=/dev/shm
else
	backing=$dir
fi

# The watcher: it reads until this script ends, whatever ended it, or until the time is up.  "done" means that all
# is cleaned up already.
mkfifo "$dir/alive" || exit 125
# shellcheck disable=SC2016 # expanded by the inner shell
setsid sh -c '
	word=$(timeout "$2" cat "$1/alive")
	late=$?
	[ "$word" = done ] && exit 0
	[ "$late" -eq 124 ] && : >"$1/late"
	[ -s "$1/guest" ] && kill -s KILL -- "-$(cat "$1/guest")"
	[ "$late" -eq 124 ] || rm -rf "$1"
' watcher "$dir" "$seconds" </dev/null >/dev/null 2>&1 &
exec 9>"$dir/alive"

# A kernel with a C library of its own needs the loader of that.  Only as its interpreter, or its addresses would be
# others: by a path as long as the one that it has, relative to the folder where it starts.
libraries=$root/usr/lib/x86_64-linux-gnu
if [ -n "$root" ] && [ -e "$libraries/ld-linux-x86-64.so.2" ]; then
	ln -s "$libraries/ld-linux-x86-64.so.2" "$dir/ld.so" &&
		sed 's|/lib64/ld-linux-x86-64\.so\.2|./////////////////////ld.so|' "$linux" >"$dir/linux" &&
		chmod 755 "$dir/linux" || exit 125
	set -- env "LD_LIBRARY_PATH=$libraries" ./linux
else
	set -- "$linux"
fi

# setsid: the guest is a process group, whose number stands in a file before there is a guest.
exec 3>&1 4>&2
# shellcheck disable=SC2016 # expanded by the inner shell
TMPDIR=$backing setsid sh -c 'echo $$ >"$0/guest" && cd "$0" && exec "$@"' "$dir" "$@" \
	"mem=$memory" umid=guest "uml_dir=$dir" rootfstype=hostfs root=/dev/root hostfs=/ rw "init=$dir/init" quiet \
	con=null con0=null,fd:5 ssl=null ssl0=null,fd:3 ssl1=null,fd:4 \
	</dev/null >"$dir/log" 2>&1 5>"$dir/console" 9>&- &
guest=$!
exec 3>&- 4>&-
wait "$guest" 2>/dev/null # some shells announce a killed job
ended=$?

if [ -s "$dir/status" ]; then
	status=$(cat "$dir/status")
elif [ -e "$dir/late" ]; then
	echo "$me: killed after ${seconds}s" >&2
	status=124
else
	echo "$me: the guest died (status $ended); its last words:" >&2
	tail -n 20 "$dir/log" "$dir/console" >&2
	status=125
fi
kill -s KILL -- "-$guest" 2>/dev/null
guest=
(
	trap "" PIPE # the watcher may be gone: it was the one who killed the guest
	printf "done\n" >&9
) 2>/dev/null
exit "$status"
