#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`brownout census --watch` in a terminal of so many columns and rows: no line is too long, no screen too high.

  screen.py COLUMNS ROWS PATTERN COMMAND...

Watches until PATTERN has been on a screen and three screens were seen, interrupts it, and looks at the whole screens.
Prints the last one.  Exit: 0, or 1 with what is wrong.
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

columns, rows, pattern, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]
master, terminal = pty.openpty()
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
pid = os.fork()
if pid == 0:
    for fd in 0, 1, 2:
        os.dup2(terminal, fd)
    os.execvp(command[0], command)
os.close(terminal)

seen, screens, interrupted, end = b"", [], False, time.monotonic() + 60
while time.monotonic() < end:
    if not select.select([master], [], [], 1)[0]:
        continue
    try:
        data = os.read(master, 65536)
    except OSError:
        break
    if not data:
        break
    seen += data
    # What is before the first and after the last clearing of the screen is no whole one.
    screens = [s.decode().replace("\r\n", "\n") for s in seen.split(b"\x1b[H\x1b[2J")[1:-1]]
    if not interrupted and len(screens) >= 3 and any(re.search(pattern, s, re.M) for s in screens):
        os.kill(pid, signal.SIGINT)
        interrupted = True
if not interrupted:
    os.kill(pid, signal.SIGKILL)
status = os.waitpid(pid, 0)[1]

wrong = []
if not interrupted:
    wrong.append(f"/{pattern}/ was on none of {len(screens)} screens")
elif status:
    wrong.append(f"interrupted, it ended with {status}")
for screen in screens:
    lines = screen.split("\n")
    wrong += [f"a line of {len(line)} columns: {line}" for line in lines if len(line) > columns]
    # The cursor stands on the last one, empty.
    if len(lines) > rows:
        wrong.append(f"a screen of {len(lines)} rows")
print(screens[-1] if screens else seen)
print("\n".join(wrong[:10]))
sys.exit(bool(wrong))
