#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# weather.sh CASE — one run of brownout in bad weather: what it prints, how it exits, and that nothing is left.
# Needs BROWNOUT (the program) in the environment, and root for anything that starts a lab.
set -u
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
out=$work/out

die() { echo "FAILED: $*"; echo "--- stdout"; cat "$work/stdout" 2>/dev/null; echo "--- stderr"; cat "$work/stderr" 2>/dev/null; cat "$work"/*2 2>/dev/null; exit 1; }
need_root() { [ "$(id -u)" = 0 ] || { echo "SKIP: needs root"; exit 77; }; }

# run SCENARIO ARGS...: runs to the end; $rc, $work/stdout, $work/stderr
run() {
	local file=$1; shift
	"$BROWNOUT" run --plain --out "$out" --seed 1 "$@" "$file" >"$work/stdout" 2>"$work/stderr"
	rc=$?
}
# start SCENARIO: in the background; $pid
start() {
	"$BROWNOUT" run --plain --out "$out" --seed 1 "$1" >"$work/stdout" 2>"$work/stderr" &
	pid=$!
}
expect_rc() { [ "$rc" = "$1" ] || die "exit code $rc, expected $1"; }
expect() { grep -qE -- "$2" "$work/$1" || die "no line of $1 matches: $2"; }
expect_not() { ! grep -qE -- "$2" "$work/$1" || die "a line of $1 matches: $2"; }
expect_one_line() { [ "$(wc -l <"$work/stderr")" = 1 ] || die "expected one line on stderr"; }
expect_nothing_started() { [ ! -e "$out" ] || die "a run folder was made"; }

# eventually SECONDS COMMAND...: until it succeeds
eventually() {
	local end=$((SECONDS + $1)); shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		read -r -t 0.05 <> <(:) || true
	done
}
says() { grep -qE -- "$1" "$work/stderr" 2>/dev/null; }
keeper_of() { pgrep -P "$1" -x bo-keeper; }
# processes of nodes of the keeper $1: its children, the inits
inits_of() { pgrep -P "$1" -x bo-init; }
gone() { ! kill -0 "$1" 2>/dev/null || [ "$(ps -o stat= -p "$1" 2>/dev/null | cut -c1)" = Z ]; }
all_gone() { local p; for p in "$@"; do gone "$p" || return 1; done; }
cgroups_of() { find /sys/fs/cgroup -maxdepth 4 -type d -name "brownout-*-$1-*" 2>/dev/null; }
has_report() { find "$out" -name run.json -size +0 | grep -q .; }
no_cgroups_of() { [ -z "$(cgroups_of "$1")" ]; }

case_fine() {
	run "$here/fine.lua"; expect_rc 0
	expect stdout PASS
	# 100/s over 2 s: the request that is due at the very start of a phase belongs to it, too
	expect stdout 'of 200\)'
	expect stderr 'nothing left behind'
}
case_not_found() {
	run "$here/not-found.lua"; expect_rc 2; expect_one_line; expect_nothing_started
	expect stderr 'not-found\.lua:7: .*no-such-program-anywhere'
}
case_not_executable() {
	run "$here/not-executable.lua"; expect_rc 2; expect_one_line; expect_nothing_started
	expect stderr 'not-executable\.lua:7: .*common\.lua.*(execut|chmod)'
}
case_exits_at_once() {
	run "$here/exits-at-once.lua"; expect_rc 3
	expect stderr 'web exited with status 7 before it was ready.*cannot open my database'
	expect stdout INCONCLUSIVE
	grep -q 'cannot open my database' "$out"/*/nodes/web.log || die "the log lacks the line"
	has_report || die "no run.json"
}
case_never_ready() {
	run "$here/never-ready.lua"; expect_rc 3
	expect stderr 'web was not ready within 1(\.00)?s: port 8080: .*still warming up'
	expect stdout INCONCLUSIVE
}
case_dies_once_ready() {
	run "$here/dies-once-ready.lua"; expect_rc 3
	expect stderr 'db exited with status 3 after it was ready and before the run began'
	expect stdout INCONCLUSIVE
}
case_backend_dies() {
	run "$here/backend-dies.lua"; expect_rc 3
	expect stderr 'PROBLEM: db exited with status 3'
	expect stdout 'INCONCLUSIVE'
	expect stdout 'db exited with status 3'
}
case_subject_dies() {
	run "$here/subject-dies.lua"; expect_rc 1
	expect stdout 'FAIL'
	expect stdout 'web exited with status 9'
}
case_endless() {
	local began=$SECONDS
	run "$here/endless.lua"; expect_rc 2; expect_one_line; expect_nothing_started
	expect stderr 'endless\.lua:5: '
	[ $((SECONDS - began)) -le 20 ] || die "took $((SECONDS - began)) s"
}
case_huge_scenario() {
	{ echo 'local bo = require "brownout"'; head -c 10485760 /dev/zero | tr '\0' '-'; } >"$work/huge.lua"
	run "$work/huge.lua"; expect_rc 2; expect_one_line; expect_nothing_started
	expect stderr 'huge\.lua:1: .*(MiB|bytes|large|big)'
}
case_loud() {
	run "$here/loud.lua"; expect_rc 0
	expect stderr 'web printed .*keeps the first 64MiB'
	local size; size=$(stat -c %s "$out"/*/nodes/web.log)
	if [ "$size" -lt 67108864 ] || [ "$size" -ge 67200000 ]; then die "the log has $size bytes"; fi
}
case_disk_full() {
	need_root
	# a file system of 64 KiB, in a mount namespace that ends with the command
	mkdir "$work/small"
	unshare -m sh -c "mount -t tmpfs -o size=64k none '$work/small' && exec '$BROWNOUT' run --plain --seed 1 \
		--out '$work/small/out' '$here/fine.lua'" >"$work/stdout" 2>"$work/stderr"
	rc=$?
	[ "$rc" = 3 ] || die "exit code $rc, expected 3: a PASS without its reports is none"
	expect stderr 'reports in .*/small/out/.* are incomplete: .*No space left on device'
	expect_not stdout 'report\.html'
	expect stderr 'nothing left behind'
}
case_no_privilege() {
	need_root
	# an ordinary user in a changed root may not create user namespaces (clone(2), EPERM)
	# (the program is copied to where that user may read it: a checkout below /root is not)
	mkdir "$work/root"; chmod 755 "$work"; cp "$BROWNOUT" "$work/brownout"; cp -r "$here" "$work/weather"
	unshare -m sh -c "mount --rbind / '$work/root' && exec chroot --userspec=65534:65534 --groups= '$work/root' \
		'$work/brownout' run --plain --out /tmp/never '$work/weather/fine.lua'" >"$work/stdout" 2>"$work/stderr"
	rc=$?
	expect_rc 5; expect_one_line
	expect stderr '^brownout: .*(root|sudo)'
}
# An ordinary user, with a /dev/net/tun that may be opened, in a mount namespace that ends with the command.
as_ordinary_user() {
	# shellcheck disable=SC2016 # the inner shell expands
	unshare -m sh -c 'mount -t tmpfs none "$0" && mknod "$0/tun" c 10 200 && chmod 666 "$0/tun" &&
		mount --bind "$0/tun" /dev/net/tun && cp "$1" "$0/brownout" && mkdir "$0/out" && chmod 777 "$0/out" &&
		cp -r "$2" "$0/weather" && cd "$0" && shift 2 &&
		exec setpriv --reuid=65534 --regid=65534 --clear-groups "$0/brownout" "$@"' \
		"$work/user" "$BROWNOUT" "$here" "$@" >"$work/stdout" 2>"$work/stderr"
	rc=$?
}
case_ordinary_user() {
	mkdir "$work/user"; chmod 755 "$work"
	as_ordinary_user run --plain --out out weather/fine.lua; expect_rc 0
	expect stdout PASS
	# what needs a cgroup is refused by name and line before anything starts
	as_ordinary_user run --plain --out out weather/long.lua; expect_rc 5; expect_one_line
	expect stderr 'long\.lua:7: node db: this machine cannot limit memory: '
}
case_no_hosts_file() {
	mkdir "$work/etc"; cp -a /etc/. "$work/etc"; rm "$work/etc/hosts"
	unshare -m sh -c "mount --bind '$work/etc' /etc && exec '$BROWNOUT' run --plain --out '$out' '$here/fine.lua'" \
		>"$work/stdout" 2>"$work/stderr"
	rc=$?
	expect_rc 5; expect_one_line; expect_nothing_started
	expect stderr '/etc/hosts, and this machine has none'
}
case_two_at_once() {
	start "$here/fine.lua"; local one=$pid
	"$BROWNOUT" run --plain --out "$out" --seed 2 "$here/fine.lua" >"$work/stdout2" 2>"$work/stderr2" & local two=$!
	wait "$one"; rc=$?; expect_rc 0
	wait "$two"; rc=$?; expect_rc 0
	[ "$(find "$out" -name run.json | wc -l)" = 2 ] || die "expected two run folders"
}
interrupt_when() {
	start "$here/long.lua"
	eventually 20 says "$1" || die "never said $1"
	local keeper; keeper=$(keeper_of "$pid")
	kill -INT "$pid"
	wait "$pid"; rc=$?; expect_rc 4
	expect stdout ABORTED
	has_report || die "no run.json"
	all_gone "$keeper" || die "the keeper is still there"
	no_cgroups_of "$keeper" || die "cgroups are left: $(cgroups_of "$keeper")"
}
case_ctrl_c() { interrupt_when 'fault on: .*memory'; expect stderr 'fault off'; expect stderr 'interrupted by SIGINT'; }
case_ctrl_c_in_setup() { interrupt_when 'run folder'; }
case_two_signals_at_once() {
	start "$here/long.lua"
	eventually 20 says 'fault on: .*memory' || die "the fault never came"
	kill -STOP "$pid"; kill -INT "$pid"; kill -TERM "$pid"; kill -HUP "$pid"; kill -CONT "$pid"
	wait "$pid"; rc=$?
	expect_rc 4
	has_report || die "no run.json"
}
# As by Ctrl-Z, or a debugger: what was measured meanwhile is not the service's doing, and it is said.
case_suspended() {
	start "$here/suspended.lua"
	eventually 20 says 'phase base' || die "the run never began"
	kill -STOP "$pid"
	sleep 3.5 # how long it is stopped is what is tested
	kill -CONT "$pid"
	wait "$pid"; rc=$?
	expect_rc 3
	expect stderr 'PROBLEM: this process did not run for [2-9]\.[0-9]+s in phase base'
	expect stdout 'did not run for'
	expect stderr 'PROBLEM: phase settle began .* late'
	expect_not stderr 'taking back a fault'
}
# kill_when WHO: $keeper, $inits are set, nodes must be dead within 1 s
kill_when() {
	start "$here/long.lua"
	eventually 20 says 'fault on: .*memory' || die "the fault never came"
	keeper=$(keeper_of "$pid"); local inits; mapfile -t inits < <(inits_of "$keeper")
	[ ${#inits[@]} -gt 0 ] || die "no node is running"
	case $1 in
	conductor) kill -KILL "$pid" ;;
	keeper) kill -KILL "$keeper" ;;
	both) kill -KILL "$pid" "$keeper" ;;
	esac
	local t0=${EPOCHREALTIME/./}
	eventually 5 all_gone "${inits[@]}" || die "nodes are still there"
	local took=$(( (${EPOCHREALTIME/./} - t0) / 1000 ))
	[ $took -le 1000 ] || die "nodes lived on for $took ms"
	wait "$pid"; rc=$?
}
# the last of these descriptors to be free is not to become the keeper's socket, nor a report what is printed
case_closed_descriptors() {
	"$BROWNOUT" run --plain --out "$out" "$here/fine.lua" <&- >&- 2>&- &
	pid=$!
	eventually 10 keeper_of "$pid" >/dev/null || die "no keeper"
	local fd
	for fd in 0 1 2; do
		[ "$(readlink "/proc/$pid/fd/$fd")" = /dev/null ] || die "$fd is $(readlink "/proc/$pid/fd/$fd")"
	done
	wait "$pid"; rc=$?
	expect_rc 0
}
# a soft limit as low as this is raised for ourselves, and a node gets it as it was
case_few_descriptors() {
	(ulimit -Sn 64; exec "$BROWNOUT" run --plain --out "$out" "$here/limits.lua") >"$work/stdout" 2>"$work/stderr"
	rc=$?
	expect_rc 0
	grep -qx 'open files: 64' "$out"/*/nodes/web.log || die "$(cat "$out"/*/nodes/web.log)"
}
# the hard limit, too: nothing of ours needs a certain descriptor
case_few_descriptors_hard() {
	(ulimit -n 300; exec "$BROWNOUT" run --plain --out "$out" "$here/limits.lua") >"$work/stdout" 2>"$work/stderr"
	rc=$?
	expect_rc 0
	# so few that the load cannot have its own: said so before anything is started
	rm -r "$out"
	(ulimit -n 100; exec "$BROWNOUT" run --plain --out "$out" "$here/limits.lua") >"$work/stdout" 2>"$work/stderr"
	rc=$?
	expect_rc 5; expect_one_line; expect_nothing_started
	expect stderr 'limits\.lua:[0-9]+: load .*: 50 connections need [0-9]+ descriptors but the limit is 100; raise it with: ulimit -Hn'
}
case_slow_comeback() {
	run "$here/slow-comeback.lua"; expect_rc 3
	expect stderr 'PROBLEM: phase heal began .* late.*: taking back fault kill db #1 took that long'
	expect stdout 'phase heal began .* late'
}
# by how much the phase $1 began late, in ms
late_ms() {
	python3 -c 'import json, sys
phase = next(p for p in json.load(open(sys.argv[2]))["phases"] if p["name"] == sys.argv[1])
print(round(phase["late_s"] * 1e3))' "$1" "$out"/*/run.json
}
case_late_comeback() {
	run "$here/late-comeback.lua"; expect_rc 0
	expect stderr 'phase heal began 1\..*s late, and is planned for 4\..*: taking back fault kill db #1 took that long'
	expect_not stderr PROBLEM
	expect stderr 'fault off: delay .*; confirmed'
	local late; late=$(late_ms heal)
	[ "$late" -ge 900 ] && [ "$late" -lt 2000 ] || die "heal is $late ms late"
	[ "$(late_ms fault)" = 0 ] || die "fault is $(late_ms fault) ms late"
	grep -q '| heal (1\..*s late) |' "$out"/*/summary.md || die "summary.md does not say it"
	grep -q '<div class="why">1\.[0-9]*s late</div>' "$out"/*/report.html || die "report.html does not say it"
}
case_comes_back_too_late() {
	run "$here/comes-back-too-late.lua"; expect_rc 3
	expect stderr 'PROBLEM: fault kill db #1 could not be reverted: .*not back when the time of the run was over'
	expect stdout 'could not be reverted'
	expect stdout 'ended by signal 9 .* confirmed'
	expect stderr 'nothing left behind'
}
# a keeper that is stopped answers nobody, and nobody waits for it for good
case_silent_keeper() {
	start "$here/long.lua"
	eventually 20 says 'fault on: .*memory' || die "the fault never came"
	local keeper inits; keeper=$(keeper_of "$pid"); mapfile -t inits < <(inits_of "$keeper")
	kill -STOP "$keeper"
	kill -INT "$pid"
	eventually 90 gone "$pid" || { kill -CONT "$keeper"; die "it waits for its keeper"; }
	kill -CONT "$keeper"
	expect stderr 'the keeper has not answered for 30 s'
	eventually 10 all_gone "$keeper" "${inits[@]}" || die "something is left"
	no_cgroups_of "$keeper" || die "cgroups are left"
}
case_no_comeback() {
	run "$here/no-comeback.lua"; expect_rc 3
	expect stderr 'PROBLEM: fault kill db #1 could not be reverted: db exited with status 3'
	expect_not stderr '\(null\)'
	expect stdout 'ended by signal 9 .* confirmed'
}
case_kill_conductor() {
	kill_when conductor
	eventually 5 gone "$keeper" || die "the keeper is still there"
	no_cgroups_of "$keeper" || die "cgroups are left: $(cgroups_of "$keeper")"
}
case_kill_keeper() {
	kill_when keeper; expect_rc 3
	expect stdout INCONCLUSIVE
	expect stdout 'keeper'
	"$BROWNOUT" sweep >"$work/sweep" 2>&1 || die "sweep: $(cat "$work/sweep")"
	no_cgroups_of "$keeper" || die "cgroups are left after the sweep: $(cgroups_of "$keeper")"
}
case_kill_both() {
	kill_when both
	run "$here/fine.lua"; expect_rc 0
	no_cgroups_of "$keeper" || die "cgroups are left after the next start: $(cgroups_of "$keeper")"
}

if [ $# != 1 ] || [ -z "${BROWNOUT:-}" ]; then echo "usage: BROWNOUT=... weather.sh CASE"; exit 2; fi
case $1 in not_found|not_executable|endless|huge_scenario) ;; *) need_root ;; esac
"case_$1"
echo "ok: $1"
