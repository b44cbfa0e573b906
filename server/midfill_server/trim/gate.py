"""How much of what the model wrote is probably right: (text, how sure) -> the part worth showing. Pure.

The joint probability of a text's tokens says whether it is right, whatever the model. To show n characters
of joint probability p gains n (p - confidence): right ones are worth something, wrong ones cost, and the
confidence says how much. Shown is the beginning that gains most; nothing, where none gains. A line that is
complete needs less: it is read as one thing, and accepted with one key.

No factor is above 1, so what is worth showing of a growing text stays so, and grows. As the user types it,
what is left of it gains more. It does not shrink either, though a shorter part might gain most then.
"""

import math
import re
from dataclasses import dataclass, replace

from .fit.brackets import CLOSER

FOREIGN = 1 / 3  # of what is left to certainty is asked for, too, where the model hardly knows the language
LEAST = 2  # characters of a cut text: a single one is as fast to type as to read, but as the last of more
COMPLETE = 0.6  # of the confidence is enough for whole lines

_UNFINISHED = re.compile(
    r"(?:[^\S\n]+"  # blanks
    r"|[(\[{,.=+*/%<>&|^~!?\\@$-]"  # an opener, an operator: what it wants is cut off
    r"|(?<![\w.])(?:and|or|not|in|is|if|else|elif|return|import|from|as|new|await|const|let|var|func|fn|def|class)"
    r")\Z"
)
_QUOTES = ('"""', "'''", '"', "'", "`")
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
    carried: float = 0.0
    """Of tokens without text: the first bytes of a character that a later token completes."""

    def then(self, text: str, tokens: tuple[tuple[int, float], ...] = ()) -> "Scored":
        """With `text` behind it; `tokens`: characters of each of its tokens, and the log-probability."""
        whole = self.text + text
        if bool(self.text) > bool(self.ends) or sum(length for length, _ in tokens) != len(text):
            return Scored(whole)
        ends, logprobs, carried = list(self.ends), list(self.logprobs), self.carried
        at = len(self.text)
        for length, logprob in tokens:
            carried += logprob
            if length:
                at += length
                ends.append(at)
                logprobs.append(carried)
                carried = 0.0
        return Scored(whole, tuple(ends), tuple(logprobs), carried)


@dataclass(frozen=True, slots=True)
class Part:
    """The beginning of a text that is worth showing."""

    end: int
    final: bool
    """Whether that stays so, whatever follows."""
    likely: float = 1.0
    """The joint probability at which it was final."""


def bar(confidence: float, knows: bool) -> float:
    """The confidence to ask for; `knows`: whether the model saw much of the language."""
    return confidence if knows or confidence <= 0 else confidence + (1 - confidence) * FOREIGN


def worth_showing(
    scored: Scored, start: int, confidence: float, before: str = "", ended: bool = True
) -> Part:
    """What to show behind `start`, up to where the user has typed it.

    What was shown when fewer tokens were typed stays: now that the first ones are right, a shorter part may
    gain more. `before`: the cursor's line up to where the text begins. `ended`: nothing follows the text.
    """
    part = _gains_most(scored, start, confidence, before, ended)
    if confidence <= 0 or not scored.ends:
        return part
    earlier = (0, *(end for end in scored.ends if end < start))
    ends = [_gains_most(scored, it, confidence, before, ended).end for it in earlier if it < start]
    return replace(part, end=max([part.end, *ends]))


def _gains_most(scored: Scored, start: int, confidence: float, before: str, ended: bool) -> Part:
    """For a user who has just come to `start`. A token that it divides counts by the part behind it."""
    text = scored.text
    if confidence <= 0 or not scored.ends:
        return Part(len(text), final=ended)
    best, best_gain, joint, begin = start, 0.0, 0.0, 0
    for end, logprob in zip(scored.ends, scored.logprobs, strict=True):
        if end > start:
            joint += logprob * (end - max(begin, start)) / (end - begin)
            likely = math.exp(joint)
            if likely < confidence * COMPLETE:
                return Part(best, final=True, likely=likely)
            if (end - start) * (likely - confidence * COMPLETE) > best_gain:
                cut, complete = _candidate(text, start, end, before, ended)
                length = len(text[start:cut].strip())
                gain = length * (likely - confidence * (COMPLETE if complete else 1.0))
                if gain > best_gain and (length >= LEAST or complete):
                    best, best_gain = cut, gain
                elif gain > best_gain and start > 0 and best == start:
                    best = cut  # the last of what was shown; more is better, whatever it gains
        begin = end
    return Part(best, final=ended, likely=math.exp(joint))


def _candidate(text: str, start: int, end: int, before: str, ended: bool) -> tuple[int, bool]:
    """Where to cut so that nothing is half, at `end` or before it; whether that leaves whole lines."""
    if ended and end == len(text):
        return end, True
    if text.startswith("\n", end) and text[start:end].strip():
        return end + 1, True
    cut = whole_end(text, start, end, before)
    return cut, text.endswith("\n", start, cut)


def whole_end(text: str, start: int, end: int, before: str = "") -> int:
    """The last place up to `end`, where the text is cut off, that leaves nothing half; `start` at least.

    No line of a block, no name, no operator without its operand; no string and no bracket that nothing
    closes, for what would close it is not sure. At the text's end, where it still grows, a name may go on.
    """
    if (lines := text.rfind("\n", start, end)) >= 0 and text[start:lines].strip():
        return lines + 1  # each further line has to earn its place
    if end == len(text) or _in_word(text, end):
        end = len(re.sub(r"\w+\Z", "", text[:end]))
    if (opener := _left_open(before + text[:start], text[start:end])) is not None:
        end = start + opener
    while found := _UNFINISHED.search(text, 0, end):
        end = found.start()
    return max(start, end)


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
        elif sign in CLOSER:
            opened.append((found.start(), CLOSER[sign]))
        elif opened and opened[-1][1] == sign:
            opened.pop()
    starts = [start - len(before) for start, _ in opened + ([quote] if quote else [])]
    return min((start for start in starts if start >= 0), default=None)
