#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Inside the guest: is what the tier is for really there, and does it work?
set -eu

fail() {
	echo "kernel.sh: $*" >&2
	exit 1
}

# netem, and that it delays: a ping over a veth pair, once without and once with 50 ms.
ip netns add far
ip link add near0 type veth peer name far0 netns far
ip addr add 10.1.1.1/24 dev near0
ip link set near0 up
ip -n far addr add 10.1.1.2/24 dev far0
ip -n far link set far0 up
rtt_ms() {
	ping -c 3 -i 0.2 -q 10.1.1.2 | sed -n 's|^rtt.*= \([0-9]*\).*|\1|p'
}
before=$(rtt_ms)
tc qdisc add dev near0 root netem delay 50ms
after=$(rtt_ms)
[ -n "$before" ] || fail "no ping over veth"
[ -n "$after" ] || fail "no ping over veth with netem"
[ "$before" -lt 40 ] || fail "an undelayed ping takes ${before}ms"
[ "$after" -ge 50 ] || fail "with 50ms of netem a ping takes ${after}ms"

# cgroup v2: alone, with the controllers, and with the files that v1 lacks.
grep -q '^cgroup2 /sys/fs/cgroup cgroup2 ' /proc/mounts || fail "no cgroup2 on /sys/fs/cgroup"
! grep -q '^[^ ]* [^ ]* cgroup ' /proc/mounts || fail "cgroup v1 is mounted too"
echo '+memory +pids +cpu' >/sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/smoke
for file in memory.high memory.max memory.events cgroup.freeze cgroup.kill pids.max cpu.max; do
	[ -e "/sys/fs/cgroup/smoke/$file" ] || fail "no $file"
done
sleep 1000 &
sleeper=$!
echo "$sleeper" >/sys/fs/cgroup/smoke/cgroup.procs
echo 1 >/sys/fs/cgroup/smoke/cgroup.kill
wait "$sleeper" && fail "cgroup.kill killed nobody"

[ -c /dev/net/tun ] || fail "no /dev/net/tun"
[ -w /dev/shm ] || fail "no /dev/shm"
