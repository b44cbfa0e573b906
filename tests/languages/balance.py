"""Brackets by Pygments, tags by the standard library: a judge that shares nothing with the filters."""

import re
from collections import Counter
from html.parser import HTMLParser

from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, String, is_token_subtype

LEXERS = {
    "javascriptreact": "jsx",
    "typescriptreact": "tsx",
    "shellscript": "bash",
    "sql": "postgresql",
}
PAIRS = {"(": ")", "[": "]", "{": "}"}
VOID = frozenset(("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source"))


def loose(text: str, language: str) -> Counter[str]:
    """By opening bracket or tag, how many more open than close; what is at zero is left out."""
    counts = _tags(text) if language == "html" else _brackets(text, language)
    return Counter({name: n for name, n in counts.items() if n})


def is_worse(before: str, after: str, whole: str, language: str) -> bool:
    """Whether `after` is farther than `before` from what is open in `whole`, the file as it should be."""
    should = loose(whole, language)

    def far(text: str) -> int:
        found = loose(text, language)
        return sum(abs(found[name] - should[name]) for name in found | should)

    return far(after) > far(before)


def _brackets(text: str, language: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    closers = {close: open_ for open_, close in PAIRS.items()}
    for kind, value in get_lexer_by_name(LEXERS.get(language, language)).get_tokens(text):
        if is_token_subtype(kind, Comment) or is_token_subtype(kind, String):
            continue
        for sign in re.findall(r"[()\[\]{}]", value):
            counts[closers.get(sign, sign)] += -1 if sign in closers else 1
    return counts


def _tags(text: str) -> Counter[str]:
    counts: Counter[str] = Counter()

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            counts[tag] += tag not in VOID

        def handle_endtag(self, tag: str) -> None:
            counts[tag] -= 1

        def handle_startendtag(self, tag: str, attrs: object) -> None:
            """Opens and closes at once."""

    Parser().feed(text)
    return counts
