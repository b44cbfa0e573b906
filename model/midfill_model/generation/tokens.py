"""Text to ids, and what each spells. User text is encoded by a tokenizer without control tokens. No torch."""

import json
import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tokenizers

from midfill_model import fim
from midfill_model.checkpoint.config import ModelError, added_tokens, read_json

from .requests.writer import begins_character, is_first

_PIECE_END = re.compile(r"(?<=\n)(?=[ \t]*\S)")
_KNOWN_BYTES = 1 << 20  # of text kept with its ids: a keystroke then costs the encoding of its own line
_BYTES_OF_A_PIECE = 100  # that an empty piece would count; one takes 3 to 10 times the memory that it counts

# Where text is first split by one of these, no token spans "\n" and a line after it that is not blank.
_APART = (
    "[\r\n]",  # DeepSeek-V2's
    # the embedded model's
    r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
)


class Tokenizer:
    """The byte-level BPE vocabulary of one model folder, with its control ids checked.

    `fim_ids` is None for DeepSeek-V2's vocabulary, which has no tokens to fill in the middle with.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "tokenizer.json"
        raw = read_json(path)
        added = added_tokens(path, raw)
        self.fim_ids = _checked_fim_ids(path, added)
        self.bos = added[fim.BOS]
        self.control_ids = {added[token] for token in fim.CONTROL if token in added}  # each ends a completion
        # Without added tokens, "<｜fim▁hole｜>" in a user's file is ordinary text and stays that.
        raw |= {"added_tokens": [], "post_processor": None, "truncation": None, "padding": None}
        try:
            self._bpe = tokenizers.Tokenizer.from_str(json.dumps(raw))
        except Exception as error:  # the library raises bare Exception
            raise ModelError(f"{path} cannot be loaded ({error}); download the model again.") from None
        self._in_pieces = _first_split(raw) in _APART
        self._known: dict[str, tuple[array[int], array[int]]] = {}  # piece -> ids, where each begins in it
        self._n_known = 0  # bytes
        self._pieces = self._bpe.pre_tokenizer
        base_size = self._bpe.get_vocab_size(with_added_tokens=False)
        self.size = max(base_size, *(id_ + 1 for id_ in added.values()))
        control = set(added.values())
        try:
            self._bytes = [b"" if i in control else self._read_bytes(i) for i in range(self.size)]
        except KeyError:
            raise ModelError(f"{path} is not a byte-level vocabulary; it is not DeepSeek's.") from None
        self._by_spelling = self._sorted()
        self.line_ends = frozenset(id_ for id_, spelled in enumerate(self._bytes) if b"\n" in spelled)

    def encode(self, text: str) -> list[int]:
        """Ordinary ids only, whatever the text says. Lone surrogates, which UTF-8 cannot hold, become "?"."""
        return [id_ for piece in self._known_pieces(text) for id_ in self._known[piece][0]]

    def encode_with_starts(self, text: str) -> tuple[list[int], list[int]]:
        """As `encode`, and where each token begins in `text`, in characters."""
        ids: list[int] = []
        starts: list[int] = []
        at = 0
        for piece in self._known_pieces(text):
            its_ids, its_starts = self._known[piece]
            ids += its_ids
            starts += [at + start for start in its_starts]
            at += len(piece)
        return ids, starts

    def _known_pieces(self, text: str) -> list[str]:
        """What no token reaches across, as far as that is known of this vocabulary; each is in `_known`."""
        text = text.encode("utf-8", "replace").decode("utf-8")
        pieces = _PIECE_END.split(text) if self._in_pieces else [text]
        if missing := [piece for piece in dict.fromkeys(pieces) if piece not in self._known]:
            if self._n_known + _size(missing) > _KNOWN_BYTES:
                self._known.clear()
                self._n_known = 0
                missing = list(dict.fromkeys(pieces))
            self._learn(missing)
        return pieces

    def _learn(self, pieces: list[str]) -> None:
        """Encode them in one call, which is much faster than one for each; bytes tell where each ends."""
        self._n_known += _size(pieces)
        ids = iter(self._bpe.encode("".join(pieces), add_special_tokens=False).ids)
        for piece in pieces:
            n_bytes, n_characters = len(piece.encode()), 0
            found, starts = array("I"), array("I")
            while n_bytes > 0:
                found.append(next(ids))
                spelling = self._bytes[found[-1]]
                starts.append(n_characters if begins_character(spelling) else n_characters - 1)
                n_bytes -= len(spelling)
                n_characters += len(spelling) if spelling.isascii() else sum(map(is_first, spelling))
            self._known[piece] = found, starts

    def token_bytes(self, id_: int) -> bytes:
        """The bytes that a token stands for; a control token stands for none."""
        return self._bytes[id_] if id_ < self.size else b""

    def last_piece(self, line: str) -> int:
        """Where the last of the pieces begins that no token reaches across: a word with its blank, say."""
        whole = line.encode("utf-8", "replace").decode("utf-8")  # as `encode` has it, of the same length
        pieces: list[tuple[str, tuple[int, int]]] = self._pieces.pre_tokenize_str(whole)
        return pieces[-1][1][0] if pieces else 0

    def agreeing(self, wanted: bytes) -> list[int]:
        """The ids that begin with `wanted`, and those that `wanted` begins with."""
        spellings, ids = self._by_spelling
        first = bisect_left(spellings, wanted)
        last = bisect_left(spellings, wanted + b"\xff")  # which no UTF-8 holds
        found = list(ids[first:last])
        for n in range(1, len(wanted)):
            at = bisect_left(spellings, wanted[:n])
            if spellings[at] == wanted[:n]:
                found.append(ids[at])
        return found

    def _sorted(self) -> tuple[list[bytes], list[int]]:
        """All tokens in the order of their bytes: those that begin alike are neighbours."""
        spelled = sorted((self.token_bytes(id_), id_) for id_ in range(self.size))
        return [spelling for spelling, _ in spelled], [id_ for _, id_ in spelled]

    def starts_character(self, id_: int) -> bool:
        """Whether the token's first byte begins a UTF-8 character (it is no continuation byte)."""
        return begins_character(self.token_bytes(id_))

    def _read_bytes(self, id_: int) -> bytes:
        token = self._bpe.id_to_token(id_)
        return bytes(BYTE_OF[character] for character in token) if token else b""


def _size(pieces: Iterable[str]) -> int:
    """What they count in `_known`, in bytes."""
    return sum(_BYTES_OF_A_PIECE + len(piece.encode()) for piece in pieces)


def _first_split(raw: dict[str, Any]) -> str | None:
    """The pattern that a vocabulary splits text by before anything else."""
    splits = (raw.get("pre_tokenizer") or {}).get("pretokenizers") or [{}]
    pattern = splits[0].get("pattern")
    return pattern.get("Regex") if isinstance(pattern, dict) else None


def _checked_fim_ids(path: Path, added: dict[str, int]) -> fim.FimIds | None:
    try:
        return fim.checked_ids(added)
    except ValueError as error:
        raise ModelError(f"{path} {error}; it is not a DeepSeek vocabulary.") from None


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-ins for bytes, as byte-level BPE writes its tokens."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printable]
    return {chr(b): b for b in printable} | {chr(0x100 + i): b for i, b in enumerate(others)}


BYTE_OF = _byte_alphabet()
