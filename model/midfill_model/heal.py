"""Token healing: what is being typed is written anew, in the tokens that the model itself would have chosen.

A cursor inside `requ║` leaves the prompt with the tokens of "requ", where training text has one token,
"request". So the prompt ends before the word, and the first ids are chosen among those that agree with what
was typed. The user sees what comes after it. And as the prompt stays the same while a word is being typed,
the next key finds all of it in the KV cache.
"""

from collections.abc import Callable, Sequence

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


class Beginning:
    """What a completion has yet to begin with; once that is written, the model is free."""

    def __init__(self, wanted: bytes, tokenizer: Tokenizer) -> None:
        self._wanted = wanted
        self._tokenizer = tokenizer

    @property
    def is_written(self) -> bool:
        return not self._wanted

    def take(self, best: int, best_of: Callable[[Sequence[int]], int]) -> int:
        """The id that comes next: `best`, the model's own choice, if it agrees; else the best that does."""
        if not self._wanted:
            return best
        spelling = self._tokenizer.token_bytes(best)
        if not spelling or not (spelling.startswith(self._wanted) or self._wanted.startswith(spelling)):
            best = best_of(self._tokenizer.agreeing(self._wanted))
            spelling = self._tokenizer.token_bytes(best)
        self._wanted = self._wanted[len(spelling) :]
        return best
