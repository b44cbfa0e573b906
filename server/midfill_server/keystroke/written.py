"""What one generation has written, and what of it is shown where the user is now. Pure."""

from dataclasses import dataclass, field, replace

from midfill_server.context import Window
from midfill_server.keystroke.typed import rest_of, typed_since
from midfill_server.trim import near, settled, trim, trim_cut, whole_lines, why_empty
from midfill_server.trim.gate import Part, Scored, worth_showing

THAT_IS_ALL = "that is all"


@dataclass(frozen=True, slots=True)
class Shown:
    text: str
    final: bool
    """Whether no more of it will be shown, unless the user types on."""
    why_no_more: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """`window`: where it was asked for. `whole`: the item, once all is written.

    `cut`: it was ended by its budget, so that the last line may lack its end.
    """

    window: Window
    scored: Scored = field(default_factory=Scored)
    whole: str | None = None
    cut: bool = False

    def then(self, text: str, tokens: tuple[tuple[int, float], ...]) -> "Written":
        return replace(self, scored=self.scored.then(text, tokens))

    def ended(self, cut: bool) -> "Written":
        """All is written."""
        ended = replace(self, cut=cut)
        return replace(ended, whole=trim(ended._trimmed, self.window))

    @property
    def _trimmed(self) -> str:
        """What the item is made of."""
        return whole_lines(self.scored.text) if self.cut else self.scored.text

    def agrees(self, now: Window) -> bool:
        """Whether the user has so far typed what is being written, perhaps faster than it is written."""
        typed, text = typed_since(self.window, now), self.scored.text
        return typed is not None and (text.startswith(typed) or typed.startswith(text))

    def shown_at(self, now: Window, confidence: float) -> Shown | None:
        """What to show now; None where the two part, or all of the item was typed.

        What is shown ends where the model stops being sure. What it wrote behind that comes as soon as the
        user has typed up to there, and agrees, if it is then probable enough.
        """
        typed = typed_since(self.window, now)
        if typed is None or (self.whole is None and not self.agrees(now)):
            return None
        if now.multiline and not self.window.multiline:  # it was asked for one line alone
            return None
        if typed and self._holds_all_of_it(typed):  # what follows is another question, however sure this was
            rest = rest_of(self.whole or "", self.window, now)
            return None if rest is None else Shown(rest, True, THAT_IS_ALL)
        part = self._worth_showing(typed, confidence)
        if part.final and part.end < len(self.scored.text):
            text = self.scored.text
            apart = text.startswith(" ", part.end) and text[part.end - 1] != "\n"  # from a word behind it
            item = trim_cut(text[: part.end + apart], self.window)
            reason = f"the model was not sure enough of more ({part.likely:.2f})"
            return Shown(rest_of(item, self.window, now) or "", True, reason)
        if self.whole is None:
            growing = settled(self.scored.text[: part.end], self.window)
            return Shown(rest_of(growing, self.window, now, settled) or "", False)
        rest = rest_of(self.whole, self.window, now)
        return None if rest is None else Shown(rest, True, self._why_no_more())

    def _holds_all_of_it(self, typed: str) -> bool:
        """Whether nothing of the item is left but what was added to mend it."""
        whole, text, n = self.whole or "", self.scored.text, len(typed)
        return whole.startswith(typed) and whole[n : n + 1] != text[n : n + 1]

    def _worth_showing(self, typed: str, confidence: float) -> Part:
        text, ended = self.scored.text, self.whole is not None
        if not text.startswith(typed):  # but what closes it, or faster than it is written
            return Part(len(text), final=ended)
        return worth_showing(self.scored, len(typed), confidence, near(self.window).line_start, ended)

    def _why_no_more(self) -> str:
        if self.whole:
            return THAT_IS_ALL
        if not self.scored.text:
            return "the model had nothing to say"
        return f"the model wrote something that is left out, as it {why_empty(self._trimmed, self.window)}"
