# SPDX-License-Identifier: GPL-2.0-only
"""A terminal for programs that draw on one: a pty, and pyte that keeps the screen.

Owns the child.  The screen is wider than what the program is told, so that what it writes
beyond its width is seen and not folded.
"""
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time

import pyte

from plant import PlantError

BEYOND = 60     # columns that the program does not know of


class Terminal:
    def __init__(self, argv, columns=80, lines=24, term="vt100"):
        self.bytes, self.status = b"", None
        self.screen = pyte.Screen(columns + BEYOND, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.columns, self.lines = columns, lines
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.environ.update(TERM=term, LC_ALL="C.UTF-8")
            os.environ.pop("COLUMNS", None)
            os.environ.pop("LINES", None)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            os.execvp(str(argv[0]), [str(arg) for arg in argv])
        self.before = termios.tcgetattr(self.fd)

    def read(self, seconds):
        """Takes what the program writes, for as long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.fd], [], [], left)[0]:
                return
            try:
                piece = os.read(self.fd, 1 << 16)
            except OSError:     # it is gone
                return
            self.bytes += piece
            self.stream.feed(piece)

    def line(self, n):
        return self.screen.display[n].rstrip()

    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display)

    def until(self, condition, what, timeout=10):
        """The first true value of condition(); what it drew else."""
        end = time.monotonic() + timeout
        while not (value := condition()):
            if time.monotonic() > end:
                raise PlantError(f"timeout: {what}\n{self.text()}")
            self.read(0.05)
        return value

    def keys(self, text):
        os.write(self.fd, text.encode())

    def resize(self, columns, lines):
        self.columns, self.lines = columns, lines
        self.screen.resize(lines, columns + BEYOND)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def beyond(self):
        """Lines with something where the program has no column."""
        return [line for line in self.screen.display if line[self.columns:].strip()]

    def wait(self, timeout=10):
        """Exit code, a negative signal number, after all that it wrote was taken."""
        end = time.monotonic() + timeout
        while self.status is None:
            self.read(0.02)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > end:
                raise PlantError(f"still there\n{self.text()}")
        self.read(0.1)
        return self.status

    def close(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
