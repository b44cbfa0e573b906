"""Text to ids by llama.cpp's own tokenizer, asked for no control tokens: a user's text stays text."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import OrderedDict
from dataclasses import replace
from typing import Any

from midfill_model import fim
from midfill_model.checkpoint.gguf import Signs
from midfill_model.generation.requests.prompt import Budgets, Parts, Prompt, kept
from midfill_model.generation.requests.writer import begins_character, is_first

from .server import Server

_KNOWN = 64  # texts whose ids are kept: a suffix and other files stay as they are from key to key
_CHARACTERS_OF_A_TOKEN = 8  # at most, on average: of a longer prefix only its end is encoded
_GROWN = 4  # texts that a new one is compared with, the latest
_BEFORE, _WORTH = 200, 1000  # characters before a difference; that may be saved
_LONGEST_TYPED = 32  # characters that are written anew at most
# The end of a line that a token may have begun with, as most vocabularies split text before anything else: a
# blank; letters with what may stand before them; digits; other signs.
_TYPED = re.compile(r"[ \t]$|(?:[^\r\n\w]|_)?[^\W\d_]+$|\d{1,3}$| ?(?:[^\w\s]|_)+$")

Ids = tuple[list[int], list[int]]


class Vocabulary:
    """Of one model in llama.cpp. Any thread may use it. Raises server.Gone."""

    def __init__(self, server: Server, signs: Signs, control: frozenset[int]) -> None:
        told = server.ask("POST", "/tokenize", {"content": "", "add_special": True})
        self._start: list[int] = told["tokens"]
        self.control = control | {signs.prefix, signs.suffix, *({signs.middle} - {None})}
        """Each ends a completion."""
        self._server, self._signs = server, signs
        self._bytes: dict[int, bytes] = {}
        self._known: OrderedDict[str, Ids] = OrderedDict()

    def prompt(self, parts: Parts, budgets: Budgets) -> Prompt:
        """The model's own prompt for the hole between the two parts."""
        start = fim.anchored_start(len(parts.prefix), _CHARACTERS_OF_A_TOKEN * budgets.prefix)
        it = kept(self, replace(parts, prefix=parts.prefix[start:]), budgets)
        signs, before = self._signs, it.before
        first, second = [signs.prefix, *before], [signs.suffix, *it.suffix]
        texts = [*second, *first] if signs.family.suffix_first else [*first, *second]
        middle = [] if signs.middle is None else [signs.middle]
        n_control = len(self._start) + 1 + (len(second) if signs.family.suffix_first else 0)
        return Prompt([*self._start, *texts, *middle], n_control, len(it.context), len(it.head))

    def plain(self, text: str) -> Prompt:
        """No hole: all that stands before."""
        return Prompt([*self._start, *self.encode(text)], len(self._start))

    def extent(self, prompt: Prompt, n_typed: int) -> dict[str, int]:
        """The sizes of a prompt's parts, as Timings names them; `n_typed` bytes are to be written anew."""
        ids, hole = prompt.ids, self._signs.suffix
        at = ids.index(hole) if hole in ids and not self._signs.family.suffix_first else len(ids)
        context = prompt.n_control + prompt.n_context
        head = context + prompt.n_head

        def n_bytes(start: int, end: int) -> int:
            return sum(len(self.token_bytes(id_)) for id_ in ids[start:end])

        return {
            "prompt_tokens": len(ids),
            "prefix_tokens": at,
            "prefix_bytes": n_bytes(head, at) + n_typed,
            "suffix_bytes": n_bytes(at, len(ids)),
            "head_bytes": n_bytes(context, head),
            "context_tokens": prompt.n_context,
            "context_bytes": n_bytes(prompt.n_control, context),
        }

    def encode(self, text: str) -> list[int]:
        return self._kept(text)[0]

    def encode_with_starts(self, text: str) -> tuple[list[int], list[int]]:
        return self._kept(text)

    def starts_character(self, id_: int) -> bool:
        return begins_character(self.token_bytes(id_))

    def token_bytes(self, id_: int) -> bytes:
        return self._bytes.get(id_, b"")

    def learn(self, id_: int, spelling: bytes) -> None:
        """What a token stands for, as llama.cpp told beside it."""
        self._bytes[id_] = b"" if id_ in self.control else spelling

    def _kept(self, text: str) -> Ids:
        if not text:
            return [], []
        if (known := self._known.get(text)) is None:
            known = self._known[text] = self._grown(text) or self._asked(text)
            while len(self._known) > _KNOWN:
                self._known.popitem(last=False)
        return known

    def _grown(self, text: str) -> Ids | None:
        """The ids of a text that goes on like one that is known: only what may differ is asked for.

        From the start of a line on that is not indented, where a token began, well before the difference: no
        vocabulary splits what stands before it by what stands so far behind.
        """
        for known, (ids, starts) in list(self._known.items())[: -_GROWN - 1 : -1]:
            at = _line_start(text, _n_common(known, text) - _BEFORE)
            first = bisect_left(starts, at)
            if at < _WORTH or first == len(starts) or starts[first] != at:
                continue
            its_ids, its_starts = self._asked(text[at:])
            spelled = sum(len(self.token_bytes(id_)) for id_ in its_ids)
            if spelled == len(text[at:].encode("utf-8", "replace")):  # no blank was put before it
                return ids[:first] + its_ids, starts[:first] + [at + it for it in its_starts]
        return None

    def _asked(self, text: str) -> Ids:
        text = text.encode("utf-8", "replace").decode("utf-8")
        body = {"content": text, "with_pieces": True, "parse_special": False}  # it parses signs unless told
        told = self._server.ask("POST", "/tokenize", body)
        ids, starts, at = list[int](), list[int](), 0
        for token in told["tokens"]:
            id_, spelling = token["id"], _spelled(token["piece"])
            self._bytes.setdefault(id_, spelling)
            ids.append(id_)
            starts.append(min(at if begins_character(spelling) else at - 1, len(text)))
            at += sum(map(is_first, spelling))
        return ids, starts


def _n_common(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low


def _line_start(text: str, before: int) -> int:
    """The last start of a line that is not indented, at `before` or earlier; 0 where there is none."""
    at = text.rfind("\n", 0, max(before, 0)) + 1
    while at > 0 and text[at : at + 1].isspace():
        at = text.rfind("\n", 0, at - 1) + 1
    return at


def typed_part(text: str) -> str:
    """The end of `text` that the next token may have begun with; empty after a line's end."""
    line = text[max(text.rfind("\n") + 1, len(text) - 2 * _LONGEST_TYPED) :]
    found = _TYPED.search(line)
    return found[0] if found is not None and len(found[0]) <= _LONGEST_TYPED else ""


def grammar(typed: str) -> str:
    """What llama.cpp is to keep to so that the text begins with `typed`, in its own notation."""
    spelled = "".join(f"\\U{ord(character):08X}" for character in typed)
    return f'root ::= "{spelled}" rest\nrest ::= [^\\x00]*'


def _spelled(piece: Any) -> bytes:
    """A token's bytes: llama.cpp writes those that are no whole characters as a list."""
    return bytes(piece) if isinstance(piece, list) else str(piece).encode("utf-8", "replace")
