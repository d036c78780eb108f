#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_report_files.py REPORT_SAMPLES SCHEMA - read the reports of made-up runs with independent readers.

report_samples writes them (tests/support/report_samples.c); the readers are those of Python: jsonschema, ElementTree,
csv, html.parser.  Exit: 0 good, 1 bad, 77 when python3-jsonschema is not there.
"""
import csv
import html.parser
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

try:
    import jsonschema
except ImportError:
    print("skipped: python3-jsonschema is not installed")
    sys.exit(77)

HOSTILE = "a\"b'<i>&\\|`*_${x}"
problems = []


def check(ok, what):
    if not ok:
        problems.append(what)


def strict_json(path):
    def refuse(word):
        raise ValueError(f"{path}: {word} is not JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def check_run_json(folder, run, validator):
    for error in validator.iter_errors(run):
        where = "/".join(map(str, error.absolute_path))
        problems.append(f"{folder.name}: run.json: {where}: {error.message[:200]}")
    for windows in [run["latency"]["all"], *run["latency"]["loads"]]:
        columns = [v for v in windows.values() if isinstance(v, list)] + list(windows["classes"].values())
        check(len({len(c) for c in columns}) == 1, f"{folder.name}: columns of unequal length")
        for i, n in enumerate(windows["count"]):
            check(sum(c[i] for c in windows["classes"].values()) == n, f"{folder.name}: classes do not add up")
    for series in run["series"]:
        check(len(series["t_s"]) == len(series["value"]), f"{folder.name}: series of unequal columns")


def check_junit(folder, run):
    suites = ET.parse(folder / "junit.xml").getroot()
    suite = suites.find("testsuite")
    cases = suite.findall("testcase")
    check(suites.tag == "testsuites" and len(suites) == 1, f"{folder.name}: junit: one suite expected")
    for element in (suites, suite):
        for name, found in (("tests", len(cases)), ("failures", len(suite.findall("*/failure"))),
                            ("errors", len(suite.findall("*/error"))), ("skipped", 0)):
            check(int(element.get(name)) == found, f"{folder.name}: junit: {name} is {element.get(name)}, not {found}")
        float(element.get("time"))
    check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.get("timestamp")), f"{folder.name}: junit: timestamp")
    names = [c.get("name") for c in cases]
    check(len(set(names)) == len(names), f"{folder.name}: junit: equal names")
    check(len(cases) == len(run["budgets"]) + 1, f"{folder.name}: junit: a case per budget and one for the run")
    allowed = {"name", "classname", "time"}
    for case, budget in zip(cases, run["budgets"]):
        check(set(case.attrib) == allowed, f"{folder.name}: junit: attributes {set(case.attrib)}")
        kinds = [child.tag for child in case]
        wanted = {"PASS": [], "FAIL": ["failure"]}.get(budget["outcome"], ["error"])
        check(kinds == wanted, f"{folder.name}: junit: {budget['outcome']} is {kinds}")
        if wanted == ["failure"]:
            text = case[0].get("message") + case[0].text
            for part in (budget["measured"], budget["limit"], budget["excess"]):
                check(part in text, f"{folder.name}: junit: failure without {part!r}")
            check(re.search(r"orders\.lua.*:\d+$", case[0].text, re.S), f"{folder.name}: junit: no file:line")
    verdict = run["outcome"]["verdict"]
    green = not suite.findall("*/failure") and not suite.findall("*/error")
    check(green == (verdict == "PASS"), f"{folder.name}: junit: green={green} though {verdict}")
    check([c.tag for c in suite] == ["properties"] + ["testcase"] * len(cases) + ["system-out"],
          f"{folder.name}: junit: order of elements")
    properties = {p.get("name"): p.get("value") for p in suite.find("properties")}
    check(properties["seed"] == "9007199254740993" and properties["driver"] == "wire", f"{folder.name}: properties")
    check(properties["machine"].startswith("Linux"), f"{folder.name}: junit: machine")
    check(properties["tag.branch"].startswith("main"), f"{folder.name}: junit: tag")
    if folder.name.startswith("hostile"):
        check(HOSTILE in properties["machine"], f"{folder.name}: junit: text changed: {properties['machine']!r}")


def check_csv(folder, run):
    files = sorted((folder / "series").iterdir())
    check(len(files) == len(run["series"]) + 1, f"{folder.name}: a CSV per series and latency.csv")
    gaps = 0
    for path in files:
        check(re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\.csv", path.name), f"{folder.name}: name {path.name}")
        with path.open(encoding="utf-8", newline="") as f:
            rows = list(csv.reader(f, strict=True))
        check(all(len(r) == len(rows[0]) for r in rows), f"{folder.name}: ragged {path.name}")
        times = [float(r[0]) for r in rows[1:]]
        check(times == sorted(times), f"{folder.name}: {path.name}: rows out of order")
        for r in rows[1:]:
            if path.name == "latency.csv":
                continue
            gap = r[2].startswith("gap until ")
            gaps += gap
            check(gap != bool(r[1]), f"{folder.name}: {path.name}: a value or a gap, not {r}")
    check(gaps == sum(len(s["gaps"]) for s in run["series"]), f"{folder.name}: gaps lost: {gaps}")


class Page(html.parser.HTMLParser):
    """Balanced tags, no network, one data element."""
    VOID = {"meta", "br", "wbr", "link", "img", "hr", "input"}

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.stack, self.tags, self.bad, self.data, self.text = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name.startswith("on") or name in ("src", "srcset", "action", "background"):
                self.bad.append(f"{tag} {name}")
            if name == "href" and not value.startswith("#"):
                self.bad.append(f"href {value}")
        if tag not in self.VOID:
            self.stack.append((tag, dict(attrs).get("id")))

    def handle_endtag(self, tag):
        if not self.stack or self.stack.pop()[0] != tag:
            self.bad.append(f"unbalanced </{tag}>")

    def handle_data(self, data):
        if self.stack and self.stack[-1] == ("script", "run-data"):
            self.data.append(data)
        elif self.stack and self.stack[-1][0] not in ("script", "style"):
            self.text.append(data)


def check_html(folder, run):
    text = (folder / "report.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    page.close()
    check(not page.bad and not page.stack, f"{folder.name}: html: {page.bad} {page.stack}")
    check(page.tags.count("script") == 3 and page.tags.count("style") == 1, f"{folder.name}: html: foreign script")
    check("i" not in page.tags, f"{folder.name}: html: markup of a name came through")
    check("sourceMappingURL" not in text and "@import" not in text, f"{folder.name}: html: would load files")
    raw = "".join(page.data)
    check(not re.search("[<>&\u2028\u2029]", raw), f"{folder.name}: html: data not escaped")
    data = json.loads(raw)
    for key in data:
        check(data[key] == run[key], f"{folder.name}: html: embedded {key} differs from run.json")
    shown = " ".join(page.text)
    check("{{" not in shown, f"{folder.name}: html: placeholder left")
    check(run["tags"]["branch"] in shown or folder.name.startswith("hostile"), f"{folder.name}: html: tag not shown")
    check(run["outcome"]["verdict"] in shown, f"{folder.name}: html: no verdict")
    for fault in run["faults"]:
        if fault["confirm"] != "pending" and not folder.name.startswith("hostile"):
            check(fault["requested"] in shown and fault["achieved"] in shown, f"{folder.name}: html: fault not shown")
    if folder.name.startswith("hostile"):
        check(HOSTILE in shown, f"{folder.name}: html: text changed")


def check_markdown(folder, run):
    text = (folder / "summary.md").read_text(encoding="utf-8")
    tables = [b for b in text.split("\n\n") if b.startswith("|")]
    check(len(tables) == 3, f"{folder.name}: markdown: {len(tables)} tables")
    for table in tables:
        rows = table.strip().split("\n")
        bars = {len(re.findall(r"\|", r)) for r in rows}
        check(len(bars) == 1, f"{folder.name}: markdown: ragged table {bars}")
    tags = set(re.findall(r"<(/?[a-zA-Z]+)", text))
    check(tags <= {"details", "/details", "summary", "/summary", "code", "/code"}, f"{folder.name}: markdown: {tags}")
    check(not re.search("[\x00-\x09\x0b-\x1f\x7f]", text), f"{folder.name}: markdown: control characters")


def main():
    schema = strict_json(pathlib.Path(sys.argv[2]))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    with tempfile.TemporaryDirectory() as top:
        subprocess.run([sys.argv[1], top], check=True)
        folders = sorted(pathlib.Path(top).iterdir())
        check(len(folders) == 8, "eight runs expected")
        for folder in folders:
            left = [p.name for p in folder.rglob("*.tmp")]
            check(not left, f"{folder.name}: left behind {left}")
            run = strict_json(folder / "run.json")
            check_run_json(folder, run, validator)
            check_junit(folder, run)
            check_csv(folder, run)
            check_html(folder, run)
            check_markdown(folder, run)
            plan = strict_json(folder / "plan.json")
            check(plan["seed"] == run["scenario"]["seed"], f"{folder.name}: plan.json: seed")
            check(strict_json(folder / "faults.json")["faults"] == run["faults"], f"{folder.name}: faults.json")
        broken = strict_json(folders[0] / "run.json")
        broken["latency"]["all"]["p99_ms"][0] = "fast"
        check(not validator.is_valid(broken), "the schema lets anything pass")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


sys.exit(main())
