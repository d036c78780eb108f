#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Load and readiness over unix sockets: a node that is killed, comes back with another /tmp and is found there again.
# Environment: BROWNOUT (the program), SERVICES (folder of the Go services)
set -eu
[ "$(id -u)" = 0 ] || { echo "SKIP: needs root"; exit 77; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$(dirname "$0")/unix/unix.lua" "$work"
cd "$work"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=shop \
	-addext subjectAltName=DNS:shop -keyout key.pem -out cert.pem >openssl.log 2>&1 || { cat openssl.log; exit 1; }
cp cert.pem ca.pem
chmod 644 key.pem

status=0
PATH=$SERVICES:$PATH "$BROWNOUT" run --plain --out "$work/out" unix.lua >console 2>&1 || status=$?
python3 - "$work"/out/*/run.json <<'EOF' || { cat console; exit 1; }
import json
import sys

run = json.load(open(sys.argv[1]))
wrong = []
for phase in run["phases"]:
    for l in phase["loads"]:
        classes = set(l["classes"])
        if phase["name"] == "base" and classes != {"ok"}:
            wrong.append(f"base: {l['load']}: {l['classes']}")
        # Killed on the way: reset; started again and not yet listening: unreachable.  Nobody listens any more on what lies in its /tmp: refused.
        if phase["name"] == "fault" and not {"refused"} <= classes <= {"ok", "reset", "refused", "tls", "unreachable"}:
            wrong.append(f"fault: {l['load']}: {l['classes']}")
        if phase["name"] == "heal" and l["classes"].get("ok", 0) < 40:
            wrong.append(f"heal: {l['load']}: {l['classes']}")
print("\n".join(wrong))
sys.exit(bool(wrong))
EOF
[ "$status" = 0 ] || [ "$status" = 3 ] || { cat console; echo "exit status $status"; exit 1; }

# said beforehand: a fault that the load cannot meet, and a socket that is not the node's own
sed -e 's/^t:during.*/t:during("fault", t:link(t.client, shop):delay "5ms")/' -e '/fault"/!s/in fault/in heal/' \
	-e '/"put"/,/ca.pem/d' -e 's|"/tmp/protocols.sock", rate|"/run/protocols.sock", rate|' unix.lua >warn.lua
"$BROWNOUT" check warn.lua >said 2>warnings
grep -q "warn.lua:[0-9]*: warning: load 'get' goes over a unix socket, which crosses no link: 'delay .*' does not touch it" warnings ||
	{ cat said warnings; exit 1; }
grep -q "warn.lua:[0-9]*: warning: load 'get': socket '/run/protocols.sock' lies in a folder of the host" warnings ||
	{ cat said warnings; exit 1; }
