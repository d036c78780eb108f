#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# recording.sh CASE — links/*.pcapng of real runs, read by tshark.  Environment: BROWNOUT (the program); root.
set -u
export LC_ALL=C # sort and join agree on an order
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
command -v tshark >/dev/null || { echo "tshark is not installed"; exit 77; }

die() { echo "FAILED: $*"; cat "$work/stderr" 2>/dev/null; exit 1; }
run() {
	"$BROWNOUT" run --plain --driver "${driver:-auto}" --out "$work/out" "$@" >"$work/stdout" 2>"$work/stderr"
	rc=$?
}
# what is in the file: direction, length kept, length, comment
packets() {
	tshark -n -r "$1" -T fields -e frame.interface_name -e frame.cap_len -e frame.len -e frame.comment 2>/dev/null ||
		die "tshark cannot read $1"
}
events() { python3 -c 'import json, sys; print("\n".join(e["text"] for e in json.load(open(sys.argv[1]))["events"]))' "$work"/out/*/run.json; }

case_fates() {
	run "$here/lossy.lua"
	[ "$rc" = 3 ] || die "exit code $rc, expected 3: there is no budget"
	file=$(echo "$work"/out/*/links/client-web.pcapng)
	[ -s "$file" ] || die "no file"
	packets "$file" >"$work/packets"
	python3 - "$work/packets" "$work"/out/*/run.json <<'PY' || die "the packets are not what the run did"
import collections, json, re, sys
lines = [line.rstrip("\n").split("\t") for line in open(sys.argv[1])]
run = json.load(open(sys.argv[2]))
bad = []
fates = collections.Counter()
seen = set()
for way, cap, size, comment in lines:
    m = re.fullmatch(r"flow ([0-9a-f]{16}) packet (\d+)(?: to \d+)?: (?:delay (\d+\.\d{6}) ms|(lost|blackholed|overflow))", comment)
    if not m:
        bad.append("comment: " + comment)
        continue
    if int(cap) > 60 or int(cap) != min(60, int(size)):
        bad.append(f"{cap} of {size} bytes kept")
    delay = float(m[3]) if m[3] else None
    fates[(way, m[4] or ("delayed" if delay >= 30 else "passed"))] += 1
    if (way, m[1], m[2]) in seen:
        bad.append("twice: " + comment)
    seen.add((way, m[1], m[2]))
    if delay and not 29.99 <= delay < 200:
        bad.append("delay: " + comment)
for way in "client to web", "web to client":
    lost, delayed = fates[way, "lost"], fates[way, "delayed"]
    # 200 probes per second and direction, for two seconds
    if delayed < 150 or not 0.1 < lost / (lost + delayed) < 0.3:
        bad.append(f"{way}: {lost} lost, {delayed} delayed")
    if fates[way, "blackholed"] < 20 or fates[way, "passed"] < 50:
        bad.append(f"{way}: {fates}")
    # the fault's own judgement saw the same wire
print("\n".join(bad[:10]))
sys.exit(bool(bad))
PY
	events | grep -q pcapng && die "a complete file is complained of"
	grep -q '"record": true' "$work"/out/*/plan.json || die "plan.json does not say that the link is recorded"
	return 0
}
case_option() {
	run --set record=false --record --phase heal=1s "$here/lossy.lua"
	[ "$rc" = 3 ] || die "exit code $rc"
	[ -s "$(echo "$work"/out/*/links/client-web.pcapng)" ] || die "--record made no file"
	rm -r "$work/out"
	run --set record=false "$here/lossy.lua"
	[ "$rc" = 3 ] && [ ! -e "$(echo "$work"/out/*)/links" ] || die "recorded without being asked"
}
case_limit() {
	run --set limit=64KiB "$here/lossy.lua"
	[ "$rc" = 3 ] || die "exit code $rc"
	file=$(echo "$work"/out/*/links/client-web.pcapng)
	[ "$(stat -c %s "$file")" -lt 67000 ] || die "$(stat -c %s "$file") bytes"
	[ "$(packets "$file" | wc -l)" -gt 100 ] || die "hardly a packet in it"
	events | grep -qE 'links/client-web.pcapng stopped at 64(\.[0-9]+)?KiB: the last [0-9]+ of [0-9]+ packets are not in it' ||
		die "the report does not say that it stopped: $(events)"
}
case_netem() {
	driver=netem run "$here/lossy.lua"
	[ "$rc" = 2 ] || die "exit code $rc, expected 2"
	grep -qE 'lossy.lua:12: record: netem does not tell what it does to a packet; use driver "wire" or "auto"' "$work/stderr" ||
		die "not refused by its line"
	driver=netem run --record --set record=false "$here/lossy.lua"
	[ "$rc" = 2 ] && grep -q 'brownout run: --record: netem does not tell' "$work/stderr" || die "--record is not refused"
	[ ! -e "$work/out" ] || die "something was started"
}
# fates OUT: what was drawn for each packet of each flow, one per line
fates() {
	packets "$(echo "$1"/*/links/client-web.pcapng)" | sed -nE 's/^([a-z ]*)\t[0-9]*\t[0-9]*\tflow ([0-9a-f]*) packet ([0-9]*): (lost|delay 3[0-9]\.).*/\1 \2 \3 \4/p' | sort
}
# same A B: of the packets that both have, how many in a hundred have one fate, and how many there are
same() {
	join -t% <(sed 's/ \([^ ]*\( [0-9.]*\)\?\)$/%\1/' "$work/$1.fates") <(sed 's/ \([^ ]*\( [0-9.]*\)\?\)$/%\1/' "$work/$2.fates") |
		awk -F% '{ n++; same += substr($2, 1, 4) == substr($3, 1, 4) } END { print n ? int(100 * same / n) : 0, n + 0 }'
}
case_replay() {
	run "$here/lossy.lua"
	mv "$work/out" "$work/first"
	fates "$work/first" >"$work/first.fates"
	run --seed 99 "$here/lossy.lua"
	mv "$work/out" "$work/other"
	fates "$work/other" >"$work/other.fates"
	run --seed 99 --replay "$work"/first/* "$here/lossy.lua"
	[ "$rc" = 3 ] || die "exit code $rc"
	events | grep -E 'client-web.pcapng: [0-9]+ packets had the fates of the record, [0-9]+ are not in it' >"$work/said" ||
		die "the report does not say what came from the record: $(events)"
	grep -q 'brownout run --replay .*/first/' "$work"/out/*/run.json || die "the command that repeats it lacks --replay"
	fates "$work/out" >"$work/again.fates"
	# four in five packets of a link that loses 20 % pass under any seed; 68 of 100 fates agree by chance
	read -r percent n <<<"$(same first again)"
	[ "$percent" -ge 99 ] && [ "$n" -gt 400 ] || die "$percent % of $n packets had the fate of the record"
	read -r percent n <<<"$(same first other)"
	[ "$percent" -le 80 ] && [ "$n" -gt 400 ] || die "$percent % of $n packets had the same fate with another seed"
	rm -r "$work/out"
	# and without a record, the same seed does so, too
	run "$here/lossy.lua"
	fates "$work/out" >"$work/seed.fates"
	read -r percent n <<<"$(same first seed)"
	[ "$percent" -ge 99 ] && [ "$n" -gt 400 ] || die "$percent % of $n packets had the same fate with the same seed"
}
# Names may have a '-' in them, which also joins them: each link has a file of its own all the same.
case_names() {
	run "$here/names.lua"
	mv "$work/out" "$work/first"
	for want in 'a-b-c.pcapng:a to b-c:b-c to a' 'a-b-c~2.pcapng:a-b to c:c to a-b'; do
		file=$(echo "$work"/first/*/links)/${want%%:*}
		got=$(packets "$file" | cut -f1 | sort -u | tr '\n' ':')
		[ "${want%%:*}:$got" = "$want:" ] || die "$file: $got"
	done
	run --replay "$work"/first/* "$here/names.lua"
	for file in 'a-b-c\.pcapng' 'a-b-c~2\.pcapng'; do
		events | grep -q "^$file: 0 packets had the fates of the record, 0 are not in it" || die "replay: $(events)"
	done
}
case_replay_refused() {
	run --replay "$here" "$here/lossy.lua"
	[ "$rc" = 2 ] && grep -q -- '--replay: expected the folder of a run with recordings of these links' "$work/stderr" || die "a folder without"
	mkdir -p "$work/bad/links"
	echo no >"$work/bad/links/client-web.pcapng"
	run --replay "$work/bad" "$here/lossy.lua"
	[ "$rc" = 2 ] && grep -q 'client-web.pcapng is no recording of a link: it does not begin as pcapng does' "$work/stderr" || die "no recording"
	rm "$work/bad/links/client-web.pcapng"
	mkfifo "$work/bad/links/client-web.pcapng"
	timeout 20 "$BROWNOUT" run --plain --out "$work/out" --replay "$work/bad" "$here/lossy.lua" >"$work/stdout" 2>"$work/stderr"
	rc=$?
	[ "$rc" = 2 ] && grep -q 'client-web.pcapng is no recording of a link: not a file' "$work/stderr" || die "a FIFO: $rc"
	driver=netem run --set record=false --replay "$work/bad" "$here/lossy.lua"
	[ "$rc" = 2 ] && grep -q -- '--replay: netem cannot be told' "$work/stderr" || die "netem"
	[ ! -e "$work/out" ] || die "something was started"
}
"case_$1" && echo "ok: $1"
