"""Drives `weir watch` through a pseudo-terminal: watch.py WEIR. Exits 1 with the last screen when it does not do what it should."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

WAIT_MAX_S = 30.0
LEAVE_SCREEN = b"\x1b[?1049l"
SHOW_CURSOR = b"\x1b[?25h"


class Screen:
    """What stands on the screen: what is written places itself, and leaves out what stands there already."""

    # Of what a terminal understands: where to write, clearing, and the rest, which changes no text.
    SEQUENCE = re.compile(rb"\x1b\[(?P<numbers>[0-9;?]*)(?P<what>[A-Za-z])|\x1b[^\[]|(?P<text>[^\x1b]+)", re.S)

    def __init__(self):
        self.cells = {}
        self.row = self.column = 1

    def write(self, written):
        for part in self.SEQUENCE.finditer(written):
            if part["text"]:
                for character in part["text"].decode(errors="replace"):
                    self.cells[self.row, self.column] = character
                    self.column += 1
            elif part["what"] == b"H":
                row, _, column = part["numbers"].partition(b";")
                self.row, self.column = int(row or 1), int(column or 1)
            elif part["what"] == b"J":
                self.cells.clear()

    def text(self):
        """Its lines from top to bottom; of blanks nothing is kept, since columns differ with the width."""
        return "".join(self.cells[at] for at in sorted(self.cells) if not self.cells[at].isspace())


class Terminal:
    def __init__(self, weir, lines=24, columns=100):
        self.main, self.side = pty.openpty()
        self.size(lines, columns)
        self.before = termios.tcgetattr(self.side)
        self.written = b""
        take = lambda: (os.setsid(), fcntl.ioctl(self.side, termios.TIOCSCTTY, 0))
        self.process = subprocess.Popen([weir, "watch", "--interval", "1s"], stdin=self.side, stdout=self.side, stderr=self.side, preexec_fn=take)

    def size(self, lines, columns):
        fcntl.ioctl(self.main, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self, seconds=0.1):
        while select.select([self.main], [], [], seconds)[0]:
            try:
                self.written += os.read(self.main, 65536)
            except OSError:
                return
            seconds = 0

    def until(self, what, holds):
        """Waits; `holds` looks at all that was written since this terminal began."""
        deadline = time.monotonic() + WAIT_MAX_S
        while not holds(self.written):
            if time.monotonic() > deadline:
                self.process.kill()
                sys.exit(f"watch.py: not within {WAIT_MAX_S} s: {what}\n{self.written[-4000:]!r}")
            self.read()

    def key(self, keys):
        os.write(self.main, keys)

    def ended(self, status):
        self.until("the end", lambda written: LEAVE_SCREEN in written and SHOW_CURSOR in written)
        if self.process.wait(WAIT_MAX_S) != status:
            sys.exit(f"watch.py: ended with {self.process.returncode}, not {status}")
        if termios.tcgetattr(self.side) != self.before:
            sys.exit("watch.py: the terminal is not as it was")


def screen(written):
    shown = Screen()
    # A sequence of which the end is still to come is left for the next time.
    shown.write(re.sub(rb"\x1b(\[[0-9;?]*)?$", b"", written))
    return shown.text()


def shows(*texts):
    return lambda written: all(text.replace(" ", "") in screen(written) for text in texts)


def main(weir):
    terminal = Terminal(weir)
    terminal.until("the first look", shows("checkout", "not_json 1", "q quit"))
    if "\x1b[2J" in terminal.written.decode(errors="replace").split("document.title", 1)[-1][:40]:
        sys.exit("watch.py: a name has driven the terminal")

    terminal.key(b"G")  # the last
    terminal.key(b"g")  # the first
    terminal.key(b"j")
    terminal.until("checkout is chosen", shows("checkout, by minute"))
    terminal.key(b"\r")
    terminal.until("its endpoints", shows("endpoints of checkout", "/pay", "Esc services"))
    terminal.key(b"\x1b")
    terminal.until("the services again", shows("Enter endpoints"))
    terminal.key(b"p")
    terminal.until("it is paused", shows("paused"))
    before = len(terminal.written)
    terminal.size(12, 50)
    terminal.until("drawn anew in its new size", lambda written: shows("weir watch", "checkout")(written[before:]))
    terminal.key(b"q")
    terminal.ended(0)

    for end in (lambda t: t.key(b"\x03"), lambda t: t.process.send_signal(signal.SIGTERM)):
        terminal = Terminal(weir)
        terminal.until("the first look", shows("checkout"))
        end(terminal)
        terminal.ended(0)
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main(sys.argv[1])
