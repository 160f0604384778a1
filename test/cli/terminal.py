"""Runs a shell command in a pseudo-terminal of 80 columns; SIGUSR1 makes it press Ctrl-C or close the terminal.

Usage: terminal.py interrupt|hang-up COMMAND. What the terminal shows goes to standard output.
"""

import fcntl
import os
import pty
import signal
import struct
import sys
import termios

action, command = sys.argv[1:]
child, terminal = pty.fork()
if child == 0:
    os.execvp("bash", ["bash", "-c", command])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))


def act(*_):
    if action == "interrupt":
        os.write(terminal, b"\x03")
    else:
        os.close(terminal)


signal.signal(signal.SIGUSR1, act)
while True:
    try:
        shown = os.read(terminal, 65536)
    except OSError:  # the other end is closed, or this one
        break
    if not shown:
        break
    os.write(1, shown)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status) % 256)
