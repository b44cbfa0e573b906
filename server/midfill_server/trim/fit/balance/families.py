"""What opens and closes in a language, as a table. Its strings are in `context/languages/signs.py`."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Words:
    """Blocks of words: `if` waits for `then`, which waits for `fi`."""

    opens: dict[str, str]
    """A word -> the word that it waits for."""
    turns: dict[str, str] = field(default_factory=dict)
    """A word that was waited for -> the word that is waited for then."""
    again: dict[str, str] = field(default_factory=dict)
    """The same of a word that nobody waits for: `elif`."""
    of_commands: bool = False
    """Whether they count only where a command of a shell begins."""
    only_at_a_start: frozenset[str] = frozenset()
    """What opens something where a statement begins, and elsewhere only says more of it: `a if b`."""
    strict: bool = True
    """Whether a closing word that closes nothing is a fault."""
    ignore_case: bool = False
    in_line: frozenset[str] = frozenset()
    """What is closed on its own line: an expression."""


@dataclass(frozen=True, slots=True)
class Family:
    brackets: str = "()[]{}"
    words: Words | None = None
    passed: tuple[str, ...] = ()
    """Patterns of what is whole and holds no sign: raw strings, characters, escapes."""
    heredoc: str = ""
    """A pattern with a group `tag`; what begins on the next line ends with a line of that tag."""
    tags: Literal["", "html", "xml", "jsx"] = ""
    apostrophes: bool = False
    """Whether a single quote behind a letter is none: in lines of plain text."""
    inline: bool = False
    """Whether closers stand behind what they close, however many lines that has."""
    strict: bool = True
    """Whether a closer that closes nothing is a fault: in prose it is none, `1)`."""
    aside: tuple[str, str] = ("", "")
    """Patterns of what begins and ends text that is not in this language; it may go on to the file's end."""
    forms: bool = False
    """Whether a bracket that begins a line begins a form: nothing is open before it."""


_RUBY_STATEMENTS = "begin", "case", "class", "for", "if", "module", "unless", "until", "while"
_RUBY = Words(
    dict.fromkeys(("def", "do", *_RUBY_STATEMENTS), "end"), only_at_a_start=frozenset(_RUBY_STATEMENTS)
)
_LUA = Words(
    {"if": "then", "for": "do", "while": "do", "do": "end", "function": "end", "repeat": "until"},
    turns={"then": "end", "do": "end"},
    again={"elseif": "then"},
)
_SHELL = Words(
    {"if": "then", "while": "do", "until": "do", "for": "do", "select": "do", "case": "esac"},
    turns={"then": "fi", "do": "done"},
    again={"elif": "then"},
    of_commands=True,
)
_FISH = Words(dict.fromkeys(("begin", "for", "function", "if", "switch", "while"), "end"), of_commands=True)
_ELIXIR = Words({"do": "end", "fn": "end"}, in_line=frozenset(("fn",)))
_SQL = Words({"case": "end"}, strict=False, ignore_case=True, in_line=frozenset(("case",)))
_MAKE = Words(
    dict.fromkeys(("ifeq", "ifneq", "ifdef", "ifndef"), "endif") | {"define": "endef"},
    only_at_a_start=frozenset(("ifeq", "ifneq", "ifdef", "ifndef", "define")),
)

_SHELL_PASSED = r"\\[\s\S]", r"\$[#$!?@*-]", r"\$'(?:\\.|[^'\\])*'"
_SHELL_HEREDOC = r"<<[-~]?[ \t]*\\?(?P<quote>['\"]?)(?P<tag>[A-Za-z_]\w*)(?P=quote)"
_RUBY_HEREDOC = r"<<[-~](?P<quote>['\"`]?)(?P<tag>[A-Za-z_]\w*)(?P=quote)"
_RUBY_PASSED = (
    r"(?<![\w)\]])\?\\?[^\s\\](?!\w)",  # a character
    r"(?<=[\s(,=\[{|&!])/(?![\s=/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/",
    r"%[wWiIqQr]?(?:\[[^\]]*\]|\([^()]*\)|\{[^{}]*\}|<[^>]*>|![^!\n]*!|\|[^|\n]*\|)",
    r"\$[\"'`]",
    r":\"(?:\\.|[^\"\\\n])*\"",
)
_PERL_QUOTED = (
    r"(?:/(?:\\.|[^/\\\n])*/|\{(?:\\.|[^{}\\])*\}|\((?:\\.|[^()\\])*\)|\[(?:\\.|[^\[\]\\])*\]|"
    r"<[^<>\n]*>|!(?:\\.|[^!\\\n])*!|\|(?:\\.|[^|\\\n])*\||#(?:\\.|[^#\\\n])*#|,[^,\n]*,)"
)
_PERL_PASSED = (
    r"^__(?:END|DATA)__[\s\S]*",
    r"\$[#$&\"'`]|\\[\"'(){}\[\]]",
    r"(?<![\w$@%&>-])(?:s|tr|y)\s*/(?:\\.|[^/\\\n])*/(?:\\.|[^/\\\n])*/",
    r"(?<![\w$@%&>{-])s\s*\{(?:\\.|[^{}\\])*\}\s*\{(?:\\.|[^{}\\])*\}",
    rf"(?<![\w$@%&>{{-])(?:m|qr|q|qq|qw)\s*{_PERL_QUOTED}",
    r"(?<=[(,=~!&|;{])[ \t]*/(?![/*\s])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/",
    r"(?<=split )/(?:\\.|[^/\\\n])+/",
    r"(?<=[a-z])'(?=[a-z])",
)
_RUST_PASSED = (r"b?r(?P<hashes>#*)\"[\s\S]*?\"(?P=hashes)", r"'\\u\{[^}\n]*\}'")
_LISP_PASSED = (r"(?<![\w*+!-])\?\\?[^\s\w]", r"#?\\(?:[A-Za-z]+|[\s\S])", r"\|[^|\n]*\|")
_CSS_PASSED = (r"\burl\([^)\"'\n]*\)", r"\\.")

_C_PREPROCESSOR = Words(dict.fromkeys(("#if", "#ifdef", "#ifndef"), "#endif"))
_LISP = Family("()[]{}", passed=_LISP_PASSED, inline=True, forms=True)
_BY_NAMES = {
    "ruby crystal": Family(words=_RUBY, passed=_RUBY_PASSED, heredoc=_RUBY_HEREDOC),
    "elixir": Family(
        words=_ELIXIR,
        passed=(
            r"\?\\?[^\s\\](?!\w)",
            r"~[a-zA-Z](?:\"\"\"[\s\S]*?\"\"\"|\([^)\n]*\)|\[[^\]\n]*\]|\{[^}\n]*\}|\|[^|\n]*\|)",
            r"~[a-zA-Z](?:/(?:\\.|[^/\n\\])*/|\"(?:\\.|[^\"\\\n])*\")",
        ),
    ),
    "lua": Family(words=_LUA, passed=(r"(?:--)?\[(?P<level>=+)\[[\s\S]*?\](?P=level)\]",)),
    "fish": Family(words=_FISH, passed=(r"\\[\s\S]",)),
    "shellscript": Family(words=_SHELL, passed=_SHELL_PASSED, heredoc=_SHELL_HEREDOC),
    "dockerfile": Family(words=_SHELL, passed=_SHELL_PASSED, heredoc=_SHELL_HEREDOC, apostrophes=True),
    "makefile": Family(words=_MAKE, passed=(r"\\[\s\S]", r"\$\$[#$!?@*]?"), apostrophes=True),
    "sql mysql pgsql plsql": Family(words=_SQL, passed=(r"\$(?P<dollar>\w*)\$[\s\S]*?\$(?P=dollar)\$",)),
    "perl": Family(
        passed=_PERL_PASSED, heredoc=_RUBY_HEREDOC.replace("[-~]", "~?", 1), aside=(r"^=[a-z]\w*", r"^=cut\b")
    ),
    "php": Family(
        heredoc=r"<<<[ \t]*(?P<quote>['\"]?)(?P<tag>[A-Za-z_]\w*)(?P=quote)", aside=(r"\?>", r"<\?(?:php|=)")
    ),
    "r": Family(passed=(r"`[^`\n]*`", r"%[^%\s]*%")),
    "rust": Family(passed=_RUST_PASSED),
    "c cpp objective-c objective-cpp cuda-cpp": Family(
        words=_C_PREPROCESSOR,
        passed=(r"\bR\"(?P<raw>[^()\\\s]{0,16})\([\s\S]*?\)(?P=raw)\"", r"(?<=\d)'(?=\d)"),
    ),
    "csharp": Family(words=_C_PREPROCESSOR, passed=(r"\"\"\"[\s\S]*?\"\"\"", r"\$?@\$?\"(?:[^\"]|\"\")*\"")),
    "swift": Family(passed=(r"(?P<pounds>#+)\"[\s\S]*?\"(?P=pounds)",)),
    "javascript javascriptreact typescriptreact": Family(tags="jsx"),
    "css": Family(passed=_CSS_PASSED),
    "scss less sass": Family(passed=(*_CSS_PASSED, r"https?://")),
    "clojure commonlisp emacs-lisp lisp scheme racket": _LISP,
    "haskell elm purescript": Family(passed=(r"(?<=[\w'])'+",)),
    "ocaml fsharp": Family(passed=(r"(?<=[\w'])'+",)),
    "yaml dockercompose": Family(passed=(r"\\.",), apostrophes=True),
    "nix": Family(passed=(r"''[\s\S]*?''(?!['$\\])",)),
    "html svg": Family("{}", tags="html"),
    "vue svelte": Family("{}", tags="html"),
    "xml": Family("", tags="xml"),
    "markdown": Family("()[]", strict=False, inline=True),
    "latex tex": Family("{}"),
}
PLAIN = Family()
"""Of the languages that are not in the table."""
FAMILIES = {name: family for names, family in _BY_NAMES.items() for name in names.split()}
UNKNOWN = frozenset({"", "vim", "bat", "ignore", "asm", "vb", "bibtex", "fortran", "tcl", "matlab", "erlang"})
"""Of which the table of signs knows too little."""

VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param"}
    | {"source", "track", "wbr"}
)
"""Elements of HTML that have no end."""
EMBEDDED = {"script": "javascript", "style": "css"}
"""Elements of HTML whose text is in another language."""


def family_of(language: str) -> Family:
    return FAMILIES.get(language, PLAIN)
