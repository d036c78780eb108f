#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Faults on a service that runs already, as a user meets them: attach.sh CASE
#   BROWNOUT  the program;  SERVICES  folder of the test services;  LISTS  tests/support/attach_lists
# A host, a service and its database, each in a network namespace of its own below a private /run; all of it ends with
# this script.  Exit 77 where that cannot be had.
set -u
here=$(cd "$(dirname "$0")" && pwd)
case=${1:?}
: "${BROWNOUT:?}" "${SERVICES:?}" "${LISTS:?}"

if [ "${ATTACH_INSIDE:-}" != 1 ]; then
	if [ "$(id -u)" != 0 ] || ! command -v ip >/dev/null; then
		echo "attach.sh: skipped: root and iproute2 are needed" >&2
		exit 77
	fi
	# A pid namespace, so that nothing that is started here outlives it.
	ATTACH_INSIDE=1 exec unshare --mount --net --pid --fork --mount-proc --kill-child "$0" "$@"
fi

mount -t tmpfs -o mode=755 run /run || exit 77
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
unset SSH_CONNECTION SSH_CLIENT

fail() {
	echo "attach.sh: $case: $*" >&2
	cat "$out"/*.txt >&2 2>/dev/null
	exit 1
}

# --- the world -----------------------------------------------------------------------------------
ip link set lo up
ip netns add svc && ip netns add peer || exit 77
ip link add h0 type veth peer name s0 netns svc || exit 77
ip link add s1 netns svc type veth peer name p0 netns peer || exit 77
ip addr add 10.80.0.1/24 dev h0
ip link set h0 up
for args in "addr add 10.80.0.2/24 dev s0" "addr add 10.81.0.1/24 dev s1" "link set s0 up" "link set s1 up" "link set lo up" \
	"route add default via 10.80.0.1"; do
	# shellcheck disable=SC2086 # words
	ip -n svc $args || exit 77
done
ip -n peer addr add 10.81.0.2/24 dev p0
ip -n peer link set p0 up
ip netns exec peer "$SERVICES/backend" --listen 10.81.0.2:5432 --service-time 2ms >"$out/db.txt" 2>&1 &
ip netns exec svc "$SERVICES/orders-fixed" --listen :8080 --backend 10.81.0.2:5432 --timeout 1s --pool 8 >"$out/orders.txt" 2>&1 &
service=$!

ask() { # seconds it may take
	"$SERVICES/ask" "http://10.80.0.2:8080/checkout" "$1"
}
if [ ! -x "$SERVICES/ask" ]; then
	ask() {
		python3 - "$1" <<-'PY'
			import sys, time, urllib.request
			began = time.monotonic()
			try:
			    ok = urllib.request.urlopen("http://10.80.0.2:8080/checkout", timeout=5).status == 200
			except OSError:
			    ok = False
			sys.exit(0 if ok and time.monotonic() - began < float(sys.argv[1]) else 1)
		PY
	}
fi
until_true() { # seconds command...
	deadline=$(($(date +%s) + $1))
	shift
	until "$@"; do
		[ "$(date +%s)" -lt "$deadline" ] || return 1
		sleep 0.05
	done
}
until_true 20 ask 1 || fail "the service does not answer"

lists() {
	ip netns exec svc "$LISTS"
	ls /run/brownout 2>/dev/null
	ip netns exec svc ip link show >/dev/null
}
before=$(lists)
same() {
	[ "$(lists)" = "$before" ]
}
run() { # arguments of brownout run
	"$BROWNOUT" run --attach --plain --out "$out/runs" "$@" "$here/attach.lua" >"$out/run.txt" 2>&1
}
expect() { # status, text that must have been said; on a busy machine the load may say that it was late, which is no matter here
	[ "$1$status" != 03 ] || ! grep -q "was late itself" "$out/run.txt" || status=0
	[ "$status" = "$1" ] || fail "exit status $status, expected $1"
	grep -qF -- "$2" "$out/run.txt" || fail "not said: $2"
}
refused() { # text, arguments
	text=$1
	shift
	run "$@"
	status=$?
	expect 2 "$text"
	same || fail "the refused run left something"
	[ ! -e "$out/runs" ] || fail "the refused run made a folder"
}

# A container engine that knows one container.
mkdir "$out/bin"
cat >"$out/bin/docker" <<-EOF
	#!/bin/sh
	[ "\$1 \$2 \$3 \$4" = "inspect --format {{.State.Pid}} orders-1" ] && echo $service
EOF
chmod 755 "$out/bin/docker" "$out"

# A run in the background with a fault in force: $conductor, $keeper, $attachment, $warden
in_fault() {
	: >"$out/run.txt"
	run --set pid="$service" --set what=blackhole --set fault=120s --set ttl=180s &
	conductor=$!
	until_true 20 grep -q "fault on" "$out/run.txt" || fail "no fault came"
	# the shell is in between
	conductor=$(pgrep -P "$conductor" -x brownout || echo "$conductor")
	keeper=$(pgrep -P "$conductor" -x bo-keeper) || fail "no keeper"
	attachment=$(pgrep -P "$keeper" -x bo-attach) || fail "no attachment"
	warden=$(pgrep -P "$attachment" -x bo-warden) || fail "no warden"
	! same || fail "nothing was changed"
	! ask 1 || fail "the blackhole lets traffic pass"
}

# A process that was told to die has done so when the lock of its journal can be had.
all_dead() {
	flock -n "$(find /run/brownout -name 'attach-*' | head -n 1)" true
}

case $case in
delay)
	run --set pid="$service"
	status=$?
	expect 0 "confirmed: orders → db: delay p50 "
	grep -q "TCP says .* there and back (" "$out/run.txt" || fail "TCP was not asked"
	grep -q "detached in .* nothing left behind" "$out/run.txt" || fail "not detached"
	same || fail "something is left"
	;;
loss | corrupt)
	run --set pid="$service" --set what="$case" --set fault=4s
	status=$?
	expect 0 "confirmed: orders → db: $case"
	same || fail "something is left"
	;;
container)
	PATH="$out/bin:$PATH" run --set container=orders-1
	status=$?
	expect 0 "confirmed: orders → db: delay p50 "
	same || fail "something is left"
	;;
netem)
	run --set pid="$service" --driver netem
	status=$?
	if [ "$status" = 5 ]; then
		expect 5 "driver \"netem\" is not to be had here for services that run already"
		grep -q "attach.lua:[0-9]*: driver" "$out/run.txt" || fail "no line was said"
	else
		expect 0 "; by netem"
	fi
	same || fail "something is left"
	"$BROWNOUT" doctor >"$out/doctor.txt"
	grep -q "driver netem" "$out/doctor.txt" || fail "doctor does not say"
	;;
netns)
	run --set netns=/run/netns/svc
	status=$?
	expect 0 "confirmed: orders → db: delay p50 "
	same || fail "something is left"
	;;
pause)
	run --set pid="$service" --set what=pause
	status=$?
	expect 0 "confirmed: frozen"
	ask 1 || fail "it was not let go on"
	;;
kill)
	run --set pid="$service" --set what=kill --set allow=kill
	status=$?
	expect 0 "confirmed: ended by signal 9"
	;;
refusals)
	refused "10.80.0.1:5432/tcp is a gateway of the service's routes; if that is meant, say allow = { \"gateway\" }" \
		--set pid="$service" --set peer=10.80.0.1
	refused "10.81.0.0/24:5432/tcp is a network and not one peer" --set pid="$service" --set peer=10.81.0.0/24
	refused "expected an IP address" --set pid="$service" --set peer=db.example
	refused "shares the network namespace of this shell" --set pid=$$
	refused "there is no process 4000000" --set pid=4000000
	refused "expected one of pid = 123, netns = " --set peer=10.81.0.2
	refused "expected a network namespace" --set netns=/etc/hosts
	refused "nobody here can start 'orders' again" --set pid="$service" --set what=kill
	refused "so no process is known" --set netns=/run/netns/svc --set what=pause
	refused "ttl: expected more than the longest of its faults (3.00s)" --set pid="$service" --set ttl=2s
	refused "impaired by driver \"netem\" or \"queue\", found \"wire\"" --set pid="$service" --driver wire
	refused "duplicate: the kernel lets a held packet go once" --set pid="$service" --set what=duplicate --driver queue
	refused "rate: netem cannot let go early what waits for a rate" --set pid="$service" --set what=rate --driver netem
	refused "expected a name or an id, as in \"orders\", found \"--all\"" --set container=--all
	PATH="$out/bin:/usr/bin:/bin" refused "t:attach 'orders': container: there is no \"orders\" that runs: docker (knows none)" \
		--set container=orders
	grep -q "attach.lua:[0-9]*: t:attach" "$out/run.txt" || fail "no line was said"
	SSH_CONNECTION="10.81.0.2 5432 10.80.0.1 22" refused "the other end of the SSH session" --set pid="$service"
	"$BROWNOUT" run --out "$out/runs" --set pid="$service" "$here/attach.lua" >"$out/run.txt" 2>&1
	status=$?
	expect 2 "if that is meant, run it with --attach"
	;;
kill-conductor | kill-keeper | kill-both | kill-attachment | kill-three)
	in_fault
	case $case in
	kill-conductor) kill -s KILL "$conductor" ;;
	kill-keeper) kill -s KILL "$keeper" ;;
	kill-both) kill -s KILL "$conductor" "$keeper" ;;
	kill-attachment) kill -s KILL "$attachment" ;;
	kill-three) kill -s KILL "$conductor" "$keeper" "$attachment" ;;
	esac
	until_true 20 ask 1 || fail "traffic does not flow again"
	until_true 20 same || fail "something is left"
	;;
kill-all)
	in_fault
	kill -s STOP "$attachment" # or there would be another warden
	kill -s KILL "$warden" "$conductor" "$keeper" "$attachment"
	until_true 20 all_dead || fail "they live"
	# The rules are still there, and let everything pass.
	until_true 20 ask 1 || fail "traffic does not flow again"
	! same || fail "the rules are gone, so this tests nothing"
	"$BROWNOUT" sweep >"$out/sweep.txt" || fail "sweep: $?"
	grep -q "removed /run/brownout/attach-" "$out/sweep.txt" || fail "sweep did not say"
	same || fail "sweep left something"
	in_fault
	kill -s STOP "$attachment" # or there would be another warden
	kill -s KILL "$warden" "$conductor" "$keeper" "$attachment"
	until_true 20 all_dead || fail "they live"
	run --set pid="$service"
	status=$?
	expect 0 "detached in"
	same || fail "the next run left something"
	;;
ttl)
	: >"$out/run.txt"
	# A conductor that hangs: the attachment ends its faults by itself.
	run --set pid="$service" --set what=blackhole --set fault=3s --set ttl=4s &
	running=$!
	until_true 20 grep -q "fault on" "$out/run.txt" || fail "no fault came"
	conductor=$(pgrep -P "$running" -x brownout || echo "$running")
	kill -s STOP "$conductor"
	until_true 20 ask 1 || fail "the fault does not end"
	until_true 20 same || fail "something is left"
	kill -s CONT "$conductor"
	wait "$running"
	grep -q "ended by themselves, 4.00s after the last instruction" "$out/run.txt" || fail "the run does not say so"
	;;
*)
	echo "attach.sh: there is no case $case" >&2
	exit 2
	;;
esac
echo "attach.sh: $case: ok"
