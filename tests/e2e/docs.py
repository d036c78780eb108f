#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs.py BROWNOUT ROOT — what the pages say can be done can be done.

Every snippet of Lua (fenced, or in backticks) and every budget and guard of a fenced block passes `brownout check`; every command
has a verb and options that exist; every path and every link leads somewhere.  Whole scenarios are those of help.sh.
"""
import os
import re
import subprocess
import sys
import tempfile

brownout, root = sys.argv[1], sys.argv[2]
pages = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "scenarios/README.md", "tests/services/README.md"]
pages += sorted("docs/" + name for name in os.listdir(os.path.join(root, "docs")) if name.endswith(".md"))
text = {page: open(os.path.join(root, page), encoding="utf-8").read() for page in pages}
failed, counts = [], {"snippets": 0, "budgets": 0, "commands": 0, "paths": 0, "links": 0}

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)

# What snippets take for granted.  A budget may name any of it.
BEFORE = """local bo = require "brownout"
local t = bo.scenario "snippet" {
  phases = { warmup = "1s", base = "15s", fault = "15m", hold = "20s", heal = "20s", settle = "30s" },
  timeout = "1s", slo = { target = "99.9%" },
}
local db = t:dependency "db" (bo.stub { protocol = "tcp", port = 5432 })
local web = t:dependency "web" (bo.stub { port = 8080 })
local orders = t:subject "orders" { command = { "orders" }, dns = true, memory = "256MiB" }
t:load "checkout" {
  url = "http://orders:8080/", rate = "200/s", timeout = "5s",
  routes = { { name = "checkout", path = "/" }, { name = "pay", path = "/pay" } },
}
"""
AFTER = 't:during("fault", "hold", db:kill())\nt:budget "errors.ratio <= 5%"\n'


def before(code):
    """BEFORE without what the snippet declares itself, and with the link that it speaks of."""
    lua = BEFORE
    for name in re.findall(r"local (\w+)\s*=\s*t:(?:subject|dependency)", code):
        lua = re.sub(rf"\b{name}\b", name + "0", lua)
    ends = "orders, db"
    if "profile" in code or "t.client" in code:
        ends = "t.client, orders"
    elif "toward = web" in code:
        ends = "t.client, web"
    return lua + ("" if code.startswith("local") else f"local link = t:link({ends})\n")


def check(what, page, lua):
    """brownout check of a scenario; a warning of the preamble's own budgets is none."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "snippet.lua")
        with open(path, "w", encoding="utf-8") as out:
            out.write(lua)
        with open(os.path.join(folder, "samples"), "w", encoding="utf-8") as out:
            out.writelines(f"{i % 17 + 1}ms\n" for i in range(200))
        with open(os.path.join(folder, "trace"), "w", encoding="utf-8") as out:
            out.writelines(f"{i}\n" for i in range(1, 1000))
        run = subprocess.run([brownout, "check", path], capture_output=True, text=True, check=False)
        if run.returncode:
            failed.append(f"{page}: {what.strip()}\n    {run.stderr.strip().splitlines()[0]}")


def files(snippet):
    """The files that snippets name are not there: any of their kind will do."""
    snippet = re.sub(r'(samples\s*=\s*)"[^"]*"', r'\1"samples"', snippet)
    return re.sub(r':trace\("[^"]*"', ':trace("trace"', snippet)


FAULT = re.compile(r"^(link|db|web|orders):(?!peer\b|record\b)\w+\s*[({\"].*$")


def snippet(page, code):
    code = code.strip()
    counts["snippets"] += 1
    fault = FAULT.match(code)
    if fault:
        whole = re.sub(r"\s+--.*$", "", code)
        check(code, page, before(code) + f't:during("fault", {files(whole)})\n' + 't:budget "errors.ratio <= 5%"\n')
    else:
        check(code, page, before(code) + "do\n" + files(code) + "\nend\n" + AFTER)


for page in pages:
    for language, block in FENCE.findall(text[page]):
        if language == "lua" and 'require "brownout"' not in block:
            lines = [line for line in block.splitlines() if line.strip()]
            if all(FAULT.match(line) for line in lines):
                for line in lines:
                    snippet(page, line)
            else:
                snippet(page, block)
    rest = FENCE.sub("", text[page])
    for code in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", rest):
        # whole calls with arguments, and nothing left out of them
        if re.match(r"^(link|t):\w+\s*[({\"].*[)}\"]$", code) and not re.search(r"…|\.\.\.|[A-Z]{4}| name|svc|\bf\b|t:link\(a|t\.client", code):
            snippet(page, code)

# Budgets and guards: a line of a block of docs/budgets.md that begins like one, and is no grammar.
for _, block in FENCE.findall(text["docs/budgets.md"]):
    for line in block.splitlines():
        if re.match(r"^(halt when |must |warn )?\(?[a-z][a-z.0-9]*(\{|\(|\b).*(<|>|==)", line) and not re.search(r"…|\b[A-Z]{2,}\b", line):
            counts["budgets"] += 1
            word = "guard" if line.startswith("halt when") else "budget"
            check(line, "docs/budgets.md", BEFORE + f"t:{word} [==[{line.split('  #')[0].strip()}]==]\n" + AFTER)

# Commands.
options = {}


def options_of(verb):
    if verb not in options:
        run = subprocess.run([brownout, verb, "--help"], capture_output=True, text=True, check=False)
        options[verb] = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", run.stdout)) if run.returncode == 0 else None
    return options[verb]


for page in pages:
    shown = [line for _, block in FENCE.findall(text[page]) for line in block.splitlines()]
    shown += re.findall(r"(?<!`)`([^`\n]+)`(?!`)", FENCE.sub("", text[page]))
    for line in shown:
        for command in re.findall(r"(?:^|&& |\$ |sudo |/|:\$PATH )brownout ([a-z]+ .*?)(?:$|&&|#)", line):
            words = command.split()
            counts["commands"] += 1
            known = options_of(words[0])
            if known is None:
                failed.append(f"{page}: {line}\n    no verb '{words[0]}'")
                continue
            for word in words[1:]:
                option = word.split("=")[0]
                if re.match(r"^--?[a-z]", option) and option not in known:
                    failed.append(f"{page}: {line}\n    brownout {words[0]} has no {option}")

# Paths and links.
TOP = "cmake|docs|harness|include|reports|scenarios|src|tests"
for page in pages:
    shown = " ".join(re.findall(r"(?<!`)`([^`\n]+)`(?!`)", FENCE.sub("", text[page])))
    shown += " " + " ".join(block for _, block in FENCE.findall(text[page]))
    for path in re.findall(rf"(?:^|\s)((?:{TOP})/[\w./-]*\w\.(?:c|h|lua|md|sh|py|json|html|cmake))(?=[\s,;:)]|$)", shown):
        if path.startswith("reports/out") or re.search(r"\b[A-Z]{2,}\b", path):  # NAME: to be filled in
            continue
        counts["paths"] += 1
        if not os.path.exists(os.path.join(root, path)):
            failed.append(f"{page}: {path} does not exist")
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", text[page])):
        if "://" in target:
            continue
        counts["links"] += 1
        path, _, anchor = target.partition("#")
        full = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
        if not os.path.exists(os.path.join(root, full)):
            failed.append(f"{page}: link to {target}: no such file")
        elif anchor:
            if full.endswith(".md"):
                whole = text.get(full) or open(os.path.join(root, full), encoding="utf-8").read()
                heads = [re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in re.findall(r"^#+ (.*)$", whole, re.M)]
                if anchor not in heads:
                    failed.append(f"{page}: link to {target}: no such heading")

for what, least in {"snippets": 15, "budgets": 25, "commands": 8, "paths": 40, "links": 8}.items():
    if counts[what] < least:
        failed.append(f"only {counts[what]} {what} were found in the pages: docs.py no longer sees them")
print("\n".join(failed) or ", ".join(f"{n} {what}" for what, n in counts.items()))
sys.exit(bool(failed))
