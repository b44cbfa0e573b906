"""Token healing: what is being typed is written anew, in the tokens that the model itself would have chosen.

A cursor inside `requ║` leaves the prompt with the tokens of "requ", where training text has one token,
"request". So the prompt ends before the word, and the first ids are chosen among those that agree with what
was typed. The user sees what comes after it. And as the prompt stays the same while a word is being typed,
the next key finds all of it in the KV cache.
"""

from dataclasses import dataclass

from .tokens import Tokenizer

_LONGEST = 32  # characters that are written anew at most
_LONGEST_TAIL = 128  # characters of the cursor's line that are looked at


def typed_part(text: str, tokenizer: Tokenizer) -> str:
    """The end of `text` that the next token may have begun with: half a word, the blank before one, a sign.

    Empty after a line's end, where a token ends in any case.
    """
    line = text[max(text.rfind("\n") + 1, len(text) - _LONGEST_TAIL) :]
    if line[-1:] in (" ", "\t"):
        return line[-1:]
    part = line[tokenizer.last_piece(line) :]
    return part if len(part) <= _LONGEST else ""


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a completion has yet to begin with: at least one byte. Once that is written there is none."""

    wanted: bytes
    tokenizer: Tokenizer

    @staticmethod
    def of(wanted: bytes, tokenizer: Tokenizer) -> "Beginning | None":
        """None where nothing is wanted."""
        return Beginning(wanted, tokenizer) if wanted else None

    def among(self) -> list[int]:
        """The ids that agree with it: those that begin so, and those that it begins with."""
        return self.tokenizer.agreeing(self.wanted)

    def after(self, id_: int) -> "Beginning | None":
        """What is still to be written when `id_`, which agrees, has been."""
        return Beginning.of(self.wanted[len(self.tokenizer.token_bytes(id_)) :], self.tokenizer)
