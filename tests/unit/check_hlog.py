#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_hlog.py REPORT_SAMPLES - read latency.hlog of made-up runs with HdrHistogram's own log processor (Java).

Counts and percentiles of each load and phase must be those of run.json: exact counts, values within the 3 significant
digits that the format promises.  Exit: 0 good, 1 bad, 77 when Debian's libhdrhistogram-java or a Java is not there.
"""
import base64
import json
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

JAR = pathlib.Path("/usr/share/java/hdrhistogram.jar")
if not JAR.exists() or not shutil.which("java"):
    print("SKIP: latency.hlog is NOT checked: apt-get install libhdrhistogram-java openjdk-17-jre-headless")
    sys.exit(77)

# Requests that ended like this have no latency (docs/reports.md).
WITHOUT = {"refused", "reset", "unreachable", "protocol", "other", "shed"}
problems = []


def check(ok, what):
    if not ok:
        problems.append(what)


def processor(log, *args):
    run = subprocess.run(["java", "-cp", str(JAR), "org.HdrHistogram.HistogramLogProcessor", "-i", str(log), *args],
                         capture_output=True, text=True, timeout=60)
    check(run.returncode == 0 and not run.stderr, f"{log}: {args}: {run.stderr[:300]}")
    return run.stdout


def totals(log, tag):
    """count, p50, p90, p99, max in ms of all intervals of a tag, as the processor adds them up"""
    with tempfile.TemporaryDirectory() as out:
        processor(log, "-tag", tag, "-outputValueUnitRatio", "1000", "-o", f"{out}/o")
        text = pathlib.Path(f"{out}/o").read_text()
    last = re.findall(r"T:(\d+) \(\s*(\S+)\s+(\S+)\s+(\S+)\s+\S+\s+\S+\s+(\S+)\s*\)", text)
    return [float(v) for v in last[-1]] if last else [0] * 5


def near(got, exact):
    # the highest value of the bucket: never below, at most 1/1024 above, and a rounded microsecond
    return -0.0011 <= got - exact <= exact / 1024 + 0.0011


def check_folder(folder):
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    log = folder / "latency.hlog"
    wanted = {}
    for phase in run["phases"]:
        for load in phase["loads"]:
            n = sum(v for k, v in load["classes"].items() if k not in WITHOUT)
            if n:
                # a byte that is no character is one '_' in the tag and one character in run.json
                name = re.sub(r"[^A-Za-z0-9._-]+", "_", load["load"])
                wanted[re.sub("_+", "_", f"{name}/{phase['name']}")] = (n, load)
    listed = {re.sub("_+", "_", tag): tag for tag in processor(log, "-listtags").split("\n")[1:] if tag}
    check(sorted(listed) == sorted(wanted), f"{folder.name}: tags {listed}, expected {sorted(wanted)}")
    for tag, (n, load) in wanted.items():
        tag = listed.get(tag, tag)
        count, *values = totals(log, tag)
        check(count == n, f"{folder.name}: {tag}: {count} values, expected {n}")
        for got, key in zip(values, ("p50_ms", "p90_ms", "p99_ms", "max_ms")):
            check(near(got, load[key]), f"{folder.name}: {tag}: {key} {got}, run.json says {load[key]}")
    rows = [line.split(",") for line in log.read_text().splitlines() if line.startswith("Tag=")]
    places = [(float(r[1]), r[0]) for r in rows]
    check(len(set(places)) == len(places), f"{folder.name}: two rows for one interval and tag")
    check([p[0] for p in places] == sorted(p[0] for p in places), f"{folder.name}: rows out of order")
    check(all(0 < float(r[2]) <= 1 for r in rows), f"{folder.name}: an interval is not of one second at most")
    for row in rows:
        histogram = base64.b64decode(row[4], validate=True)
        cookie, length = struct.unpack(">II", histogram[:8])
        check(cookie == 0x1C849314 and len(histogram) == 8 + length, f"{folder.name}: {len(histogram)} bytes, not {8 + length}")
    return len(wanted), len(rows)


with tempfile.TemporaryDirectory() as work:
    subprocess.run([sys.argv[1], work], check=True)
    tags = rows = 0
    for name in ("fail", "aborted", "hostile-fail"):
        t, r = check_folder(pathlib.Path(work) / name)
        tags, rows = tags + t, rows + r
    check(tags >= 9 and rows >= 40, f"only {tags} tags and {rows} rows")
print("\n".join(problems) or f"ok: {tags} tags, {rows} histograms")
sys.exit(bool(problems))
