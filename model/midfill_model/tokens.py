"""Text to ids and back. User text is encoded by a tokenizer that knows no control tokens. No torch."""

import codecs
import json
from pathlib import Path

import tokenizers

from . import fim
from .config import ModelError, read_json


class Tokenizer:
    """The byte-level BPE vocabulary of one model folder, with its control ids checked.

    `fim_ids` is None for DeepSeek-V2's vocabulary, which has no tokens to fill in the middle with.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "tokenizer.json"
        raw = read_json(path)
        added = {token["content"]: token["id"] for token in raw.get("added_tokens", ())}
        self.fim_ids = _checked_fim_ids(path, added)
        self.bos = added[fim.BOS]
        self.control_ids = {added[token] for token in fim.CONTROL if token in added}  # each ends a completion
        # Without added tokens, "<｜fim▁hole｜>" in a user's file is ordinary text and stays that.
        raw |= {"added_tokens": [], "post_processor": None, "truncation": None, "padding": None}
        try:
            self._bpe = tokenizers.Tokenizer.from_str(json.dumps(raw))
        except Exception as error:  # the library raises bare Exception
            raise ModelError(f"{path} cannot be loaded ({error}); download the model again.") from None
        base_size = self._bpe.get_vocab_size(with_added_tokens=False)
        self.size = max(base_size, *(id_ + 1 for id_ in added.values()))
        control = set(added.values())
        try:
            self._bytes = [b"" if i in control else self._read_bytes(i) for i in range(self.size)]
        except KeyError:
            raise ModelError(f"{path} is not a byte-level vocabulary; it is not DeepSeek's.") from None

    def encode(self, text: str) -> list[int]:
        """Ordinary ids only, whatever the text says. Lone surrogates, which UTF-8 cannot hold, become "?"."""
        well_formed = text.encode("utf-8", "replace").decode("utf-8")
        return self._bpe.encode(well_formed, add_special_tokens=False).ids

    def encode_with_starts(self, text: str) -> tuple[list[int], list[int]]:
        """As `encode`, and where each token begins in `text`, in characters."""
        well_formed = text.encode("utf-8", "replace").decode("utf-8")
        found = self._bpe.encode(well_formed, add_special_tokens=False)
        return found.ids, [start for start, _ in found.offsets]

    def token_bytes(self, id_: int) -> bytes:
        """The bytes that a token stands for; a control token stands for none."""
        return self._bytes[id_] if id_ < self.size else b""

    def starts_character(self, id_: int) -> bool:
        """Whether the token's first byte begins a UTF-8 character (it is no continuation byte)."""
        first = self.token_bytes(id_)[:1]
        return not first or first[0] & 0b1100_0000 != 0b1000_0000

    def _read_bytes(self, id_: int) -> bytes:
        token = self._bpe.id_to_token(id_)
        return bytes(BYTE_OF[character] for character in token) if token else b""


class Detokenizer:
    """Ids to text, one at a time; the bytes of an unfinished character are held back."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, id_: int) -> str:
        return self._utf8.decode(self._tokenizer.token_bytes(id_))


class StopStrings:
    """Passes text on up to the first stop string; what may become one is held back."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._held = ""

    def push(self, text: str) -> tuple[str, bool]:
        """The text that is safe to show, and whether a stop string was met (nothing may follow then)."""
        text = self._held + text
        hits = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if hits:
            self._held = ""
            return text[: min(hits)], True
        n_held = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - n_held :]
        return text[: len(text) - n_held], False

    def finish(self) -> str:
        """What was held back and did not become a stop string."""
        return self._held


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of `text` begin `stop`."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)


def _checked_fim_ids(path: Path, added: dict[str, int]) -> fim.FimIds | None:
    """The five control ids, which DeepSeek's coders' vocabularies hold in this order and in one row."""
    wanted = (fim.BOS, fim.EOS, fim.FIM_HOLE, fim.FIM_BEGIN, fim.FIM_END)
    missing = [token for token in wanted if token not in added]
    if missing == [*wanted[2:]]:
        return None
    if missing:
        raise ModelError(f"{path} has no {missing[0]} token; it is not a DeepSeek vocabulary.")
    ids = [added[token] for token in wanted]
    if ids != list(range(ids[0], ids[0] + len(ids))):
        raise ModelError(
            f"{path} has its FIM tokens at {ids}, not in a row; it is not a DeepSeek vocabulary."
        )
    return fim.FimIds(*ids)


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-ins for bytes, as byte-level BPE writes its tokens."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printable]
    return {chr(b): b for b in printable} | {chr(0x100 + i): b for i, b in enumerate(others)}


BYTE_OF = _byte_alphabet()
