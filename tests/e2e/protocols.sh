#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every protocol and transport of the load engine against a Go service: what each load's requests came to.
# Environment: BROWNOUT (the program), SERVICES (folder of the Go services)
set -eu
[ "$(id -u)" = 0 ] || { echo "SKIP: needs root"; exit 77; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$(dirname "$0")/protocols/protocols.lua" "$work"
cd "$work"
{
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority \
		-keyout ca.key -out ca.pem
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=shop -keyout key.pem -out shop.csr
	echo 'subjectAltName=DNS:shop' >san
	openssl x509 -req -in shop.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out cert.pem
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=client -keyout client.key -out client.csr
	echo 'extendedKeyUsage=clientAuth' >usage
	openssl x509 -req -in client.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile usage -out client.pem
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=stranger \
		-keyout stranger.key -out stranger.pem
} >openssl.log 2>&1 || { cat openssl.log; exit 1; }
chmod 644 ./*.key key.pem

status=0
PATH=$SERVICES:$PATH "$BROWNOUT" run --plain --out "$work/out" protocols.lua >console 2>&1 || status=$?
python3 - "$work"/out/*/run.json <<'EOF' || { cat console; exit 1; }
import json
import sys

run = json.load(open(sys.argv[1]))
loads = {l["name"]: l for l in run["loads"]}
# Go answers a head that takes too long with 408 and closes; what the client sends then may be reset.
want = {"missing": {"grpc"}, "other-name": {"tls"}, "nobody": {"tls"}, "stranger": {"tls"}, "unix-none": {"unreachable"},
         "slowloris": {"http_4xx", "reset"}}
wrong = []


def check(ok, what):
    if not ok:
        wrong.append(what)


for phase in run["phases"][:3]:
    for l in phase["loads"]:
        classes = want.get(l["load"], {"ok"})
        check(l["classes"] and set(l["classes"]) <= classes | {"inflight"}, f"{phase['name']}: {l['load']}: {l['classes']}")
check("certificate required" in str(loads["nobody"]["reasons"]), f"nobody: {loads['nobody']['reasons']}")
check("no such socket" in str(loads["unix-none"]["reasons"]), f"unix-none: {loads['unix-none']['reasons']}")
for name in ("https", "h2", "grpc", "mutual", "unix-h2", "unix-grpc"):
    check(loads[name]["handshakes"] == loads[name]["connects"], f"{name}: not every connection shook hands")
    check(loads[name]["connects"] < loads[name]["sent"], f"{name}: nothing was kept alive")
check(loads["resumed"]["resumed"] > loads["resumed"]["handshakes"] / 2, "few sessions were resumed")
check(loads["https"]["resumed"] == 0, "sessions were resumed that nobody asked for")
check("NOT_FOUND (5): no such order" in str(loads["missing"]["reasons"]), f"missing: {loads['missing']['reasons']}")
check("hostname mismatch" in str(loads["other-name"]["reasons"]), f"other-name: {loads['other-name']['reasons']}")
routes = {r["name"]: r for r in loads["routes"]["routes"]}
check(set(routes) == {"read", "write"} and routes["read"]["requests"] > routes["write"]["requests"] > 0, f"{routes}")
check(sum(r["requests"] for r in routes.values()) == loads["routes"]["offered"], "the routes do not add up")
check(loads["burst"]["offered"] == 160, f"burst: {loads['burst']['offered']} offered")
check(loads["closed"]["peak_connections"] == 5, "closed: not five clients")
check(any("coordinated omission" in e["text"] for e in run["events"]), "the closed loop does not say what it is")
print("\n".join(wrong))
sys.exit(bool(wrong))
EOF
[ "$status" = 0 ] || [ "$status" = 3 ] || { cat console; echo "exit status $status"; exit 1; }
