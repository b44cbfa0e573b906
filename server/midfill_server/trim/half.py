"""Half a thing: no item ends with an operator, an opening bracket or a keyword that wants an operand.

Asked where no grammar judges.
"""

import re
from functools import lru_cache

from midfill_server.context import Window
from midfill_server.context.languages.place import place_at_end

from .fit.brackets import loose
from .lines import CLOSERS, columns

_C_LIKE = (
    r"[(\[=%^|&<@\\]|(?<!\+)\+|(?<!-)-|(?<!\.)\*|(?<![*<])/|(?<==)>|(?<=[^-]-)>|::"
    r"|(?<=\s)[?!:]|(?<![.\w])\.|(?<=\w)\.",
    "abstract await case class const delete enum export extends final fn func function implements import in "
    "instanceof interface is let mod mut namespace new of package private protected pub public static struct "
    "throw throws type typeof use using val var where",
)
_HASH = (
    r"[(\[=%^&<@\\+*]|-|(?<=[=|])>|\|\||(?<!\.\.)\.|::",
    "and class def elif elsif extend for function if in include is import from lambda local module not or "
    "raise require until unless when while assert del global nonlocal with as",
)
_SHELL = (
    r"\$?\(|\||&&|[<>]+|(?<=\s)!|\\|\[\[|(?<=\s)\[",
    "case elif export for function if in local readonly source until while",
)
_SQL = (
    r"[(=+<>,-]|\|\|",
    "alter and as between by case create cross delete distinct drop else from full group having in inner "
    "insert into is join left like limit not offset on or order outer references right select set table "
    "then union update when where with",
)
_PERL = (
    r"[(\[=+*&|^~\\-]|(?<=\s)[/<>?.!:]|=>|->|\|\||::",
    "and cmp elsif eq for foreach if local my ne no not or our package sub unless until use while xor",
)
_R = r"[(\[=+*/^&|<~-]|%[^%\s]*%|\|>", "else for function if in repeat while"
_FAMILIES = {
    "c cpp csharp cuda-cpp d dart go groovy java javascript javascriptreact kotlin objective-c objective-cpp "
    "php rust scala solidity swift typescript typescriptreact zig": _C_LIKE,
    "perl": _PERL,
    "r": _R,
    "python ruby lua elixir julia crystal": _HASH,
    "shellscript makefile fish": _SHELL,
    "sql mysql pgsql plsql": _SQL,
}
_WANTS = {language: family for names, family in _FAMILIES.items() for language in names.split()}
_PAIRS = {
    "json jsonc": r"\"[^\"\n]*\"?\s*:?",
    "toml": r"[\w.\"'-]+\s*=?",
    "css less scss": r"[\w$-]+\s*:?",
}
"""A key that has no value yet, by language."""
_PAIR = {language: re.compile(rf"\s*{key}\s*") for names, key in _PAIRS.items() for language in names.split()}
_NO_LAST_COMMA = frozenset(
    ("c", "cpp", "csharp", "groovy", "java", "mysql", "objective-c", "pgsql", "plsql", "sql")
)
_NEAR = 4_000  # characters before the cursor that tell whether a list is open
_ROW = re.compile(r"[,\\|&+.]\Z")
"""What ends a line that goes on below."""
_WORD = re.compile(r"(?<![\w.$@'\"-])[^\W\d_]+\Z")


def half(text: str, window: Window) -> str:
    """Without what wants an operand at its end; of several lines without the last one, if that is half.

    Not where the line below is deeper: it goes on there.
    """
    if goes_on(text, window) or _row_goes_on(text, window):
        return text
    text = _without_lone_key(_without_last_comma(text, window), window)
    while (whole := _whole(text, window)) != text and not goes_on(text, window):
        lines_before = text.rstrip().rpartition("\n")[0]
        text = lines_before.rstrip() if lines_before.strip() else whole
    return text


def goes_on(text: str, window: Window) -> bool:
    """Whether the line below is deeper than the item's last one."""
    below = window.suffix.partition("\n")[2].partition("\n")[0]
    last = (window.line_start + text).rstrip().rpartition("\n")[2]
    return bool(below.strip()) and columns(below) > columns(last)


def _row_goes_on(text: str, window: Window) -> bool:
    """Whether the item's last line ends as the one above it, in a row of lines that goes on below."""
    below = window.suffix.partition("\n")[2].partition("\n")[0]
    lines = [it for it in (window.prefix + text).rstrip().rsplit("\n", 4) if it.strip()]
    if len(lines) < 2 or not below.strip() or not _ROW.search(lines[-1]) or window.line_rest.strip():
        return False
    one, last = lines[-2].rstrip(), lines[-1]
    first = found[0].lower() if (found := re.match(r"\w+", below.strip())) else below.strip()[:1]
    if columns(below) != columns(last) or first in CLOSERS or first in _wanting("sql")[1]:
        return False
    return columns(one) == columns(last) and one[-1] == last[-1] if one[-1] not in "([" else True


def _without_last_comma(text: str, window: Window) -> str:
    """Without a comma before a parenthesis where that wants another argument."""
    wants = window.language in _NO_LAST_COMMA and window.suffix.lstrip().startswith(")")
    return text.rstrip().removesuffix(",") if wants and text.rstrip().endswith(",") else text


def _without_lone_key(text: str, window: Window) -> str:
    """Without a last line that is a key alone, of a table, an object or a rule."""
    if window.language not in _PAIR or window.line_rest.strip():
        return text
    head, _, line = text.rpartition("\n")
    whole = line if "\n" in text else window.line_start + line
    if not line.strip() or not _PAIR[window.language].fullmatch(whole):
        return text
    code = window.prefix[-_NEAR:] + text[: len(text) - len(line)]
    opened = [code[place] for place in loose(code, "")[0]]
    wanted = [] if window.language == "toml" else ["{"]
    return head.rstrip() if opened[-1:] == wanted else text


def _whole(text: str, window: Window) -> str:
    """Without the last sign or word, if that is half."""
    if window.language not in _WANTS or window.line_rest.strip(CLOSERS + " \t") or not text.strip():
        return text
    signs, words = _wanting(window.language)
    shown = text.rstrip()
    found = signs.search(shown)
    if found is None and (word := _WORD.search(window.line_start + shown if "\n" not in shown else shown)):
        name = word[0].lower() if window.language in ("sql", "mysql", "pgsql", "plsql") else word[0]
        begins = len(shown) - len(word[0])
        if name in words:
            return text if _in_text(shown, window) else shown[: max(0, begins)].rstrip()
    if found is None or (window.line_start + shown).endswith("*/") or _in_text(shown, window):
        return text
    return shown[: found.start()].rstrip()


def _in_text(text: str, window: Window) -> bool:
    """Whether it ends in a comment or in a string."""
    return place_at_end(window.prefix + text, window.language).kind != "code"


@lru_cache
def _wanting(language: str) -> tuple[re.Pattern[str], frozenset[str]]:
    signs, words = _WANTS[language]
    return re.compile(rf"(?:{signs})\Z"), frozenset(words.split())
