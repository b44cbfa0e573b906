"""A program in a terminal of our own: keys go in, and what a user would see is read from the screen."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pyte
from PIL import Image, ImageDraw, ImageFont

PATIENCE = 120.0  # seconds, for what takes a second: a slow machine is no failure
POLL = 0.02

DEVICE_CONTROL = re.compile(rb"\x1bP.*?\x1b\\", re.DOTALL)  # questions that pyte would put on the screen

Found = TypeVar("Found")


def wait_for(what: str, look: Callable[[], Found], seconds: float = PATIENCE) -> Found:
    """The first value of `look` that is true; AssertionError says what did not come."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(POLL)
    return found


class Terminal:
    """Use it as `with Terminal(argv, environment, folder) as terminal`; the program is ended with it."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        environment: Mapping[str, str],
        folder: Path,
        rows: int = 24,
        columns: int = 90,
    ) -> None:
        self.screen = _Screen(columns, rows, self._write)
        self._stream = pyte.ByteStream(self.screen)
        self._lock = threading.Lock()
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *map(str, argv)],  # Emacs opens /dev/tty
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**environment, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"},
            cwd=folder,
            process_group=None,
        )
        os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self._reader.join(PATIENCE)
        os.close(self._ours)

    def type(self, *keys: str, pause: float = 0.03) -> None:
        """Send keys one by one, as from a keyboard; each string is one key or escape sequence."""
        for key in keys:
            self._write(key.encode())
            time.sleep(pause)

    def text(self) -> str:
        with self._lock:
            return "\n".join(line.rstrip() for line in self.screen.display)

    def settled(self) -> str:
        """The screen once nothing has changed for a moment: a program may be painting right now."""
        before = ""
        while (now := self.text()) != before:
            before = now
            time.sleep(0.3)
        return now

    def wait_for(self, what: str) -> None:
        """Wait until `what` stands on the screen."""
        try:
            wait_for(f"{what!r} on the screen", lambda: what in self.text())
        except AssertionError as error:
            raise AssertionError(f"{error}; the screen:\n{self.text()}") from None

    def wait_for_end(self) -> int:
        return self.process.wait(PATIENCE)

    def screenshot(self, path: Path, font: Path) -> None:
        """Draw the screen as it is, colours included."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock:
            draw(self.screen, font).save(path, optimize=True)

    def _write(self, data: bytes) -> None:
        os.write(self._ours, data)

    def _read(self) -> None:
        pending = b""
        while True:
            try:
                data = os.read(self._ours, 65536)
            except OSError:  # the program has ended
                return
            if not data:
                return
            pending = DEVICE_CONTROL.sub(b"", pending + data)
            whole, start, rest = pending.partition(b"\x1bP")
            with self._lock:
                self._stream.feed(whole)
            pending = start + rest


class _Screen(pyte.Screen):
    """Answers what programs ask of a terminal, and leaves out what pyte takes for something else."""

    def __init__(self, columns: int, rows: int, answer: Callable[[bytes], None]) -> None:
        super().__init__(columns, rows)
        self._answer = answer

    def write_process_input(self, data: str) -> None:
        self._answer(data.encode())

    def report_device_status(self, mode: int, private: bool = False) -> None:
        if not private:
            super().report_device_status(mode)

    def select_graphic_rendition(self, *attributes: int, private: bool = False) -> None:
        if not private:  # `CSI > 4 ; 2 m` sets keyboard modes, no colours
            super().select_graphic_rendition(*attributes)


FOREGROUND, BACKGROUND = "#d0d0d0", "#1c1c1c"
NAMED = {"black": "#1c1c1c", "red": "#d75f5f", "green": "#87af5f", "brown": "#d7af5f", "blue": "#5f87af"}
NAMED |= {"magenta": "#af87af", "cyan": "#5fafaf", "white": "#d0d0d0"}
BRIGHT = {
    "brightblack": "#808080",
    "brightred": "#ff8787",
    "brightgreen": "#afd787",
    "brightbrown": "#ffd787",
}
BRIGHT |= {
    "brightblue": "#87afd7",
    "brightmagenta": "#d7afd7",
    "brightcyan": "#87d7d7",
    "brightwhite": "#ffffff",
}


def draw(screen: pyte.Screen, font_file: Path, size: int = 16) -> Image.Image:
    font = ImageFont.truetype(str(font_file), size)
    width, height = round(font.getlength("M")), size + 4
    image = Image.new("RGB", (screen.columns * width, screen.lines * height), BACKGROUND)
    pen = ImageDraw.Draw(image)
    for row in range(screen.lines):
        for column in range(screen.columns):
            cell = screen.buffer[row][column]
            front, back = _colour(cell.fg, FOREGROUND), _colour(cell.bg, BACKGROUND)
            cursor = (screen.cursor.y, screen.cursor.x) == (row, column) and not screen.cursor.hidden
            if cell.reverse != cursor:
                front, back = back, front
            x, y = column * width, row * height
            if back != BACKGROUND:
                pen.rectangle((x, y, x + width - 1, y + height - 1), fill=back)
            if cell.data.strip():
                pen.text((x, y + 1), cell.data, font=font, fill=front)
    return image


def _colour(name: str, default: str) -> str:
    if name == "default":
        return default
    return NAMED.get(name) or BRIGHT.get(name) or f"#{name}"
