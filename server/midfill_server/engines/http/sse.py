"""Server-sent events, split at line feeds alone: a completion may hold any other line separator of Unicode.

https://html.spec.whatwg.org/multipage/server-sent-events.html; only `data` counts here. A lone carriage
return ends no line, as no server sends one; text in JSON never holds a raw one.
"""

from __future__ import annotations

LONGEST = 8 << 20  # bytes of one event


class Events:
    """The data of each event of a body that comes in parts. `in_lines`: each line is one (Ollama)."""

    def __init__(self, in_lines: bool = False) -> None:
        self._in_lines = in_lines
        self._rest = b""
        self._data: list[str] = []

    def feed(self, part: bytes) -> list[str]:
        """What is whole by now. ValueError for what is no stream of events."""
        *lines, self._rest = (self._rest + part).split(b"\n")
        if len(self._rest) > LONGEST:
            raise ValueError("an event that does not end")
        events = []
        for raw in lines:
            line = raw.removesuffix(b"\r").decode()
            if self._in_lines:
                events += [line] if line.strip() else []
            elif line.startswith("data:"):
                self._data.append(line[5:].removeprefix(" "))
            elif not line and self._data:
                events.append("\n".join(self._data))
                self._data = []
        return events

    def end(self) -> list[str]:
        """The last event, of a server that does not end it with an empty line."""
        return self.feed(b"\n\n")
