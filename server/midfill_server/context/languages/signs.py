"""How languages write comments and strings, by LSP's name of the language. A table, not a grammar."""

from dataclasses import dataclass
from typing import Literal

Ends = Literal["line", "closer", "never"]
"""Where an open string ends: with its line, at its closer alone, or it counts only when it is whole."""


@dataclass(frozen=True, slots=True)
class Quote:
    """What opens and closes a string."""

    opens: str
    closes: str
    ends: Ends = "line"
    escapes: bool = True  # whether a backslash takes the next sign's meaning away
    holes: tuple[str, ...] = ()
    """What begins code in it: `${`. A brace ends it, or a parenthesis where the sign has one."""


@dataclass(frozen=True, slots=True)
class Signs:
    line: tuple[str, ...] = ()
    """What begins a comment that ends with its line."""
    block: tuple[tuple[str, str], ...] = ()
    quotes: tuple[Quote, ...] = ()
    """The longest first."""
    line_needs_blank: bool = False
    """Whether that comment begins only behind a blank: `a#b` is a word of the shell."""
    regex: bool = False
    """Whether `/…/` is a literal."""
    writes: str = ""
    """What a comment is begun with, if that is none of the above: what cannot be told from other text."""

    @property
    def comment(self) -> tuple[str, str]:
        """What opens and closes a comment of one line."""
        line = next(iter(self.line), self.writes)
        return (line, "") if line or not self.block else self.block[0]


_DOUBLE, _SINGLE = Quote('"', '"'), Quote("'", "'")
_CHARACTER = Quote("'", "'", "never")  # and Rust's lifetimes, and apostrophes
_LONG, _LONG_SINGLE = Quote('"""', '"""', "closer"), Quote("'''", "'''", "closer")
_TEMPLATE = Quote("`", "`", "closer", holes=("${",))
_RAW = Quote("`", "`", "closer", escapes=False)
_C = (("/*", "*/"),)

_C_LIKE = Signs(("//",), _C, (_DOUBLE, _CHARACTER))
_LONG_C_LIKE = Signs(("//",), _C, (_LONG, _DOUBLE, _CHARACTER))
_DOLLAR = ("${",)
_WITH_DOLLAR = Signs(
    ("//",), _C, (Quote('"""', '"""', "closer", holes=_DOLLAR), Quote('"', '"', holes=_DOLLAR), _CHARACTER)
)
_SWIFT = Signs(
    ("//",), _C, (Quote('"""', '"""', "closer", holes=("\\(",)), Quote('"', '"', holes=("\\(",)), _CHARACTER)
)
_JAVASCRIPT = Signs(("//",), _C, (_DOUBLE, _SINGLE, _TEMPLATE), regex=True)
_SHELL = Signs(
    ("#",),
    (),
    (Quote('"', '"', "closer", holes=("$(", "${")), Quote("'", "'", "closer", escapes=False)),
    line_needs_blank=True,
)
_HASH_HOLE = ("#{",)
_HASH = Signs(("#",), (), (_DOUBLE, _SINGLE))
_MARKUP = Signs((), (("<!--", "-->"),))
_LISP = Signs((";",), (("#|", "|#"),), (Quote('"', '"', "closer"),))

_BY_NAMES = {
    "python": Signs(("#",), (), (_LONG, _LONG_SINGLE, _DOUBLE, _SINGLE)),
    "javascript javascriptreact typescript typescriptreact": _JAVASCRIPT,
    "c cpp objective-c objective-cpp cuda-cpp csharp glsl hlsl metal wgsl": _C_LIKE,
    "proto3 proto dart zig solidity d actionscript verilog systemverilog": _C_LIKE,
    "java": _LONG_C_LIKE,
    "kotlin scala groovy": _WITH_DOLLAR,
    "swift": _SWIFT,
    "go": Signs(("//",), _C, (_DOUBLE, _CHARACTER, _RAW)),
    "rust": Signs(("//",), _C, (Quote('r#"', '"#', "closer", False), Quote('"', '"', "closer"), _CHARACTER)),
    "json jsonc": Signs(("//",), _C, (_DOUBLE,)),
    "php": Signs(("//", "#"), _C, (Quote('"', '"', "closer", holes=("{$", "${")), Quote("'", "'", "closer"))),
    "ruby crystal elixir": Signs(
        ("#",),
        (("=begin", "=end"),),
        (Quote('"""', '"""', "closer", holes=_HASH_HOLE), Quote('"', '"', holes=_HASH_HOLE), _SINGLE),
    ),
    "perl raku r coffeescript graphql nix makefile cmake awk gdscript tcl ignore": _HASH,
    "nim": Signs(("#",), (), (_LONG, _DOUBLE, _CHARACTER)),
    "julia": Signs(("#",), (("#=", "=#"),), (_LONG, _DOUBLE, _CHARACTER)),
    "shellscript dockerfile fish": _SHELL,
    "powershell": Signs(("#",), (("<#", "#>"),), (_DOUBLE, Quote("'", "'", escapes=False))),
    "yaml dockercompose": Signs(("#",), (), (_DOUBLE, Quote("'", "'", escapes=False)), line_needs_blank=True),
    "toml": Signs(("#",), (), (_LONG, _LONG_SINGLE, _DOUBLE, Quote("'", "'", escapes=False))),
    "ini properties": Signs(("#", ";"), (), ()),
    "terraform hcl": Signs(("#", "//"), _C, (_DOUBLE,)),
    "sql plsql mysql pgsql": Signs(
        ("--",), _C, (Quote("'", "'", "closer", False), Quote('"', '"', escapes=False))
    ),
    "lua": Signs(("--",), (("--[[", "]]"),), (Quote("[[", "]]", "closer", False), _DOUBLE, _SINGLE)),
    "haskell elm purescript": Signs(("--",), (("{-", "-}"),), (_DOUBLE, _CHARACTER)),
    "ada vhdl": Signs(("--",), (), (_DOUBLE, _CHARACTER)),
    "ocaml": Signs((), (("(*", "*)"),), (_DOUBLE, _CHARACTER)),
    "fsharp pascal": Signs(("//",), (("(*", "*)"),), (_DOUBLE, _CHARACTER)),
    "clojure commonlisp emacs-lisp lisp scheme racket": _LISP,
    "asm": Signs((";",), (), (_DOUBLE, _SINGLE)),
    "fortran": Signs(("!",), (), (_DOUBLE, _SINGLE)),
    "vb": Signs(("'",), (), (_DOUBLE,)),
    "erlang matlab": Signs(("%",), (), (_DOUBLE, _CHARACTER)),
    "latex tex bibtex": Signs(("%",)),
    "css": Signs((), _C, (_DOUBLE, _SINGLE)),
    "scss less sass": Signs(("//",), _C, (_DOUBLE, _SINGLE)),
    "html xml svg markdown vue svelte": _MARKUP,
    "vim": Signs(writes='"'),
    "bat": Signs(writes="REM"),
}

_SIGNS = {name: signs for names, signs in _BY_NAMES.items() for name in names.split()}


def signs_of(language: str) -> Signs | None:
    """None for a language that is not in the table."""
    return _SIGNS.get(language)
