"""How a piece of text is read, as patterns: code, a string, a comment, markup. Built once from the tables."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from midfill_server.context.languages.place import REGEX_LITERAL
from midfill_server.context.languages.signs import Quote, Signs, signs_of

from .families import PLAIN, Family, family_of

_APOSTROPHE = r"(?<=[A-Za-z]{2})'(?:s|t|d|m|re|ve|ll)\b"
_WORD = r"(?<![\w.:@$\\-])(?:{})(?![\w?!]|:(?!:)|-\w)"
_TEMPLATE = r"\{\{[^{}\n]*\}\}|\{%[^%\n]*%\}"  # in HTML, by whatever fills it in later
_PARAGRAPH = r"(?P<paragraph>^[ \t]*\n)"
_CODE_SPAN = r"(?<!`)(?P<ticks>`+)(?!`)(?:(?!\n[ \t]*\n)[\s\S]){1,300}?(?<!`)(?P=ticks)(?!`)"
_MARKDOWN = (
    r"(?P<block0><!--)"
    r"|(?P<fence>^[ \t>]*(?:`{3,}(?=[^`\n]*$)|~{3,})[^\n]*)"
    rf"|(?P<passed>\\.|{_CODE_SPAN}|\$(?=\S)[^$\n]*?(?<=\S)\$(?!\d))"
    r"|(?P<toggle>`|\$\$|\*\*(?=\S)|(?<=\S)\*\*)"
    rf"|(?P<open>[(\[])|(?P<close>[)\]])|{_PARAGRAPH}"
)
_LATEX = (
    r"(?P<passed>\\begin\{(?P<raw>verbatim\*?|Verbatim|lstlisting|minted)\}[\s\S]*?\\end\{(?P=raw)\}"
    r"|\\verb(?P<bar>[^\w\s*]).*?(?P=bar)|\\\\(?:\[[^\]\n]*\])?|\\[^\[\]()a-zA-Z]|(?<!\\)%[^\n]*)"
    r"|(?P<begin>\\begin\{(?P<begun>[^}\n]*)\})|(?P<end_of>\\end\{(?P<ended>[^}\n]*)\})"
    rf"|(?P<open>\{{|\\[\[(])|(?P<close>\}}|\\[\])])|(?P<toggle>\$\$?)|{_PARAGRAPH}"
)

_NO_SIGNS = Signs()


@dataclass(frozen=True, slots=True, eq=False)
class Mode:
    """`pattern`: finds the next sign that counts; its name is that of the group."""

    pattern: re.Pattern[str]
    language: str = ""
    signs: Signs = _NO_SIGNS
    family: Family = PLAIN
    is_code: bool = False

    def quote(self, group: str) -> Quote:
        return self.signs.quotes[int(group.removeprefix("string"))]

    def block(self, group: str) -> tuple[str, str]:
        return self.signs.block[int(group.removeprefix("block"))]


@lru_cache
def beginning(language: str) -> Mode:
    """How a file begins."""
    family = family_of(language)
    if language == "markdown":
        return Mode(re.compile(_MARKDOWN, re.M), language, signs_of("markdown") or _NO_SIGNS, family)
    if language in ("latex", "tex"):
        return Mode(re.compile(_LATEX, re.M), language, _NO_SIGNS, family)
    return text(language) if family.tags in ("html", "xml") else code(language)


@lru_cache
def code(language: str, leave: str = "") -> Mode:
    """`leave`: a pattern of what ends it, if it stands in another language."""
    signs, family = signs_of(language) or _NO_SIGNS, family_of(language)
    passed = [*family.passed, *([REGEX_LITERAL] if signs.regex else [])]
    before = r"(?<!\S)" if signs.line_needs_blank else ""
    passed += [_APOSTROPHE] + [r"(?<=\w)'"] * family.apostrophes
    quotes = [(n, it) for n, it in enumerate(signs.quotes)]
    parts = [f"(?P<leave>{leave})"] if leave else []
    parts += [f"(?P<aside>{family.aside[0]})"] if family.aside[0] else []
    parts += [f"(?P<passed>{'|'.join(passed)})"]
    parts += [f"(?P<block{n}>{re.escape(opens)})" for n, (opens, _) in enumerate(signs.block)]
    parts += [f"(?P<comment{n}>{before}{re.escape(opens)}[^\n]*)" for n, opens in enumerate(signs.line)]
    for n, quote in quotes:
        parts += [f"(?P<whole{n}>{_whole(quote)})"]
        parts += [f"(?P<string{n}>{re.escape(quote.opens)})"] if quote.ends != "never" else []
    parts += [f"(?P<heredoc>{family.heredoc})", r"(?P<line>\n)"] if family.heredoc else []
    parts += [r"(?P<tag><(?:(?P<name>[A-Za-z][\w:.-]*)(?=[\s/>]|$)|(?=>)))"] if family.tags == "jsx" else []
    if family.words is not None:
        words = {*family.words.opens, *family.words.turns, *family.words.again, *family.words.opens.values()}
        words |= set(family.words.turns.values())
        found = _WORD.format("|".join(re.escape(it) for it in sorted(words, reverse=True)))
        found = found.replace(r"\#", r"\#[ \t]*")
        parts += [f"(?P<word>{'(?i:' + found + ')' if family.words.ignore_case else found})"]
    parts += [f"(?P<stray>{'|'.join(re.escape(closes) for _, closes in signs.block)})"] if signs.block else []
    parts += _brackets(family.brackets)
    return Mode(re.compile("|".join(parts), re.M), language, signs, family, is_code=True)


@lru_cache
def string(quote: Quote) -> Mode:
    parts = [f"(?P<hole>{'|'.join(map(re.escape, quote.holes))})"] if quote.holes else []
    parts += [r"(?P<passed>\\[\s\S])"] if quote.escapes else []
    parts += [f"(?P<end>{re.escape(quote.closes)})"]
    parts += [r"(?P<line_end>\n)"] if quote.ends == "line" else []
    return Mode(re.compile("|".join(parts)))


@lru_cache
def until(pattern: str, again: str = "") -> Mode:
    """Nothing counts but what ends it. `again`: a pattern of what begins another one."""
    return Mode(re.compile(f"(?P<end>{pattern})" + (f"|(?P<again>{again})" if again else ""), re.M))


@lru_cache
def text(language: str) -> Mode:
    """Between tags."""
    family = family_of(language)
    parts = [rf"(?P<passed><!\[CDATA\[[\s\S]*?\]\]>|<[!?](?!--)[^>]*>|{_TEMPLATE})", r"(?P<block0><!--)"]
    parts += [r"(?P<endtag></(?P<ended>[\w:.-]*)\s*>)"]
    parts += [r"(?P<tag><(?:(?P<name>[A-Za-z][\w:.-]*)" + (r"|(?=>)" if family.tags == "jsx" else "") + "))"]
    parts += _brackets("{}" if family.tags == "jsx" else family.brackets)
    return Mode(re.compile("|".join(parts)), language, signs_of("html") or _NO_SIGNS, family)


@lru_cache
def tag(language: str) -> Mode:
    """Between the name of a tag and its end."""
    whole = (
        rf"{{0}}(?:{_TEMPLATE}|[^{{0}}\n]|\n(?![^{{0}}\n]*<))*{{0}}"  # of several lines, if no tag is in them
    )
    passed = "|".join((whole.replace("{0}", '"'), whole.replace("{0}", "'"), _TEMPLATE))
    parts = [f"(?P<passed>{passed})", r"(?P<selfend>/>)", r"(?P<tagend>(?<!=)>)", r"(?P<broken><)"]
    parts += [r"(?P<string0>\")", r"(?P<string1>')", *_brackets("{}")]
    quotes = tuple(Quote(it, it, escapes=False) for it in "\"'")
    return Mode(re.compile("|".join(parts)), language, Signs(quotes=quotes), family_of(language))


def _brackets(both: str) -> Iterable[str]:
    if both:
        yield f"(?P<open>[{re.escape(both[::2])}])"
        yield f"(?P<close>[{re.escape(both[1::2])}])"


def _whole(quote: Quote) -> str:
    """A pattern of a whole string without holes."""
    opens, closes = re.escape(quote.opens), re.escape(quote.closes)
    if quote.ends == "never":
        return rf"{opens}(?:\\.[^'\n]{{0,8}}|[^\\\n]){closes}"
    stops = {quote.closes[0], *(it[0] for it in quote.holes)}
    stops |= {"\n"} if quote.ends == "line" else set()
    stops |= {"\\"} if quote.escapes else set()
    steps = [f"[^{re.escape(''.join(sorted(stops)))}]++"]
    for sign in sorted({it[0] for it in quote.holes} - {"\\"}):
        steps.append(
            f"{re.escape(sign)}(?!{'|'.join(re.escape(it[1:]) for it in quote.holes if it[0] == sign)})"
        )
    if quote.escapes:
        holes = [re.escape(it[1:]) for it in quote.holes if it[0] == "\\"]
        steps.append(r"\\" + (f"(?!{'|'.join(holes)})" if holes else "") + r"[\s\S]")
    if len(quote.closes) > 1:
        steps.append(f"{re.escape(quote.closes[0])}(?!{re.escape(quote.closes[1:])})")
    return f"{opens}(?:{'|'.join(steps)})*+{closes}"
