"""How much of what the model wrote is probably right: (text, how sure) -> the part worth showing. Pure.

The joint probability of the tokens says whether a text is right, whatever the model. So ghost text ends
before the token that takes the product of its tokens' probabilities below `confidence`. No factor is above
1: what is worth showing of a growing text stays so, and grows.
"""

import math
import re
from dataclasses import dataclass

_LEAST = 2  # characters: a single one is as fast to type as to read

_UNFINISHED = re.compile(
    r"(?:[^\S\n]+"  # blanks
    r"|[(\[{,.=+*/%<>&|^~!?\\@$-]"  # an opener, an operator: what it wants is cut off
    r"|(?<![\w.])(?:and|or|not|in|is|if|else|elif|return|import|from|as|new|await|const|let|var|func|fn|def|class)"
    r")\Z"
)
_QUOTES = ('"""', "'''", '"', "'", "`")
_CLOSER = {"(": ")", "[": "]", "{": "}"}
_SIGNS = re.compile(
    r"\\.|[A-Za-z]'(?:s|t|d|m|re|ve|ll)\b"  # escaped; an apostrophe
    r"|\"\"\"|'''|[\"'`()\[\]{}]"
)


@dataclass(frozen=True, slots=True)
class Scored:
    """A text and how sure the model was of it: where its tokens end, in characters; their log-probabilities.

    Where they do not make up the text, nothing is known of how sure it was, and nothing is gated.
    """

    text: str = ""
    ends: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()

    def then(self, text: str, tokens: tuple[tuple[int, float], ...] = ()) -> "Scored":
        """With `text` behind it; `tokens`: characters of each of its tokens, and the log-probability."""
        whole = self.text + text
        if bool(self.text) > bool(self.ends) or sum(length for length, _ in tokens) != len(text):
            return Scored(whole)
        ends, at = list(self.ends), len(self.text)
        for length, _ in tokens:
            at += length
            ends.append(at)
        return Scored(whole, tuple(ends), self.logprobs + tuple(it for _, it in tokens))


def sure_end(scored: Scored, start: int, confidence: float) -> int | None:
    """Up to where the text behind `start` is probable enough, at a token's end; None when all of it is.

    A token that `start` divides counts by the part behind it.
    """
    if confidence <= 0:
        return None
    joint, floor, begin = 0.0, math.log(confidence), 0
    for end, logprob in zip(scored.ends, scored.logprobs, strict=True):
        if end > start:
            joint += logprob * (end - max(begin, start)) / (end - begin)
            if joint < floor:
                return max(begin, start)
        begin = end
    return None


def worth_showing(text: str, start: int, end: int, before: str = "") -> str:
    """The beginning of `text` to show: up to `start`, and what is sure up to `end` if it is worth a look.

    `before`: the cursor's line up to where `text` begins.
    """
    end = whole_end(text, start, end, before)
    return text[:end] if len(text[start:end].strip()) >= _LEAST else text[:start]


def whole_end(text: str, start: int, end: int, before: str = "") -> int:
    """The last place up to `end`, where the text is cut off, that leaves nothing half.

    No line of a block, no name, no operator without its operand; no string and no bracket that nothing
    closes, for what would close it is not sure. At the text's very end, where it still grows, a name may go on.
    """
    if (lines := text.rfind("\n", start, end)) >= 0 and text[start:lines].strip():
        return lines + 1  # each further line has to earn its place
    if end == len(text) or _in_word(text, end):
        end = start + len(re.sub(r"\w+\Z", "", text[start:end]))
    if (opener := _left_open(before + text[:start], text[start:end])) is not None:
        end = start + opener
    while found := _UNFINISHED.search(text, start, end):
        end = found.start()
    return end


def _in_word(text: str, place: int) -> bool:
    return 0 < place < len(text) and bool(re.match(r"\w\w", text[place - 1 : place + 1]))


def _left_open(before: str, text: str) -> int | None:
    """Where the first string or bracket begins in `text` that is still open at its end.

    `before` tells what is open already, on its last line.
    """
    before = before.rpartition("\n")[2]
    opened: list[tuple[int, str]] = []
    quote: tuple[int, str] | None = None
    for found in _SIGNS.finditer(before + text):
        sign = found[0]
        if quote is not None:
            quote = None if sign == quote[1] else quote
        elif sign in _QUOTES:
            quote = found.start(), sign
        elif sign in _CLOSER:
            opened.append((found.start(), _CLOSER[sign]))
        elif opened and opened[-1][1] == sign:
            opened.pop()
    starts = [start - len(before) for start, _ in opened + ([quote] if quote else [])]
    return min((start for start in starts if start >= 0), default=None)
