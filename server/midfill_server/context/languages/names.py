"""LSP's name of a file's language, from the file's own name: what an editor sends with an opened file."""

import re
from pathlib import PurePath

_BY_EXTENSION = {
    "ada adb ads": "ada",
    "as": "actionscript",
    "asm s": "asm",
    "awk": "awk",
    "bat cmd": "bat",
    "c": "c",
    "cc cpp cxx hh hpp hxx": "cpp",
    "clj cljs edn": "clojure",
    "cmake": "cmake",
    "coffee": "coffeescript",
    "cr": "crystal",
    "cs": "csharp",
    "css": "css",
    "cu cuh": "cuda-cpp",
    "d": "d",
    "dart": "dart",
    "dockerfile": "dockerfile",
    "el": "emacs-lisp",
    "elm": "elm",
    "erl hrl": "erlang",
    "ex exs": "elixir",
    "f f03 f08 f90 f95": "fortran",
    "fish": "fish",
    "fs fsx": "fsharp",
    "gd": "gdscript",
    "glsl": "glsl",
    "go": "go",
    "gradle groovy": "groovy",
    "h": "c",
    "hlsl": "hlsl",
    "hs": "haskell",
    "htm html xhtml": "html",
    "ini": "ini",
    "java": "java",
    "jl": "julia",
    "cjs js mjs": "javascript",
    "json": "json",
    "json5 jsonc": "jsonc",
    "jsx": "javascriptreact",
    "kt kts": "kotlin",
    "less": "less",
    "lisp lsp": "commonlisp",
    "lua": "lua",
    "m": "objective-c",
    "markdown md": "markdown",
    "matlab": "matlab",
    "metal": "metal",
    "mk": "makefile",
    "ml mli": "ocaml",
    "mm": "objective-cpp",
    "nim": "nim",
    "nix": "nix",
    "pas pp": "pascal",
    "php": "php",
    "pl pm": "perl",
    "conf properties": "properties",
    "proto": "proto",
    "ps1": "powershell",
    "purs": "purescript",
    "py pyi pyw pyx": "python",
    "r": "r",
    "raku": "raku",
    "rake rb": "ruby",
    "rkt": "racket",
    "rs": "rust",
    "sass": "sass",
    "scala": "scala",
    "scm ss": "scheme",
    "scss": "scss",
    "bash ksh sh zsh": "shellscript",
    "sol": "solidity",
    "sql": "sql",
    "sv": "systemverilog",
    "svelte": "svelte",
    "swift": "swift",
    "tcl": "tcl",
    "cls sty tex": "latex",
    "tf": "terraform",
    "toml": "toml",
    "ts cts mts": "typescript",
    "tsx": "typescriptreact",
    "bas vb vbs": "vb",
    "v": "verilog",
    "vhd vhdl": "vhdl",
    "vim": "vim",
    "vue": "vue",
    "wgsl": "wgsl",
    "svg xml xsl": "xml",
    "yaml yml": "yaml",
    "zig": "zig",
}
_EXTENSIONS = {extension: language for some, language in _BY_EXTENSION.items() for extension in some.split()}
_NAMES = {"dockerfile": "dockerfile", "makefile": "makefile", "gnumakefile": "makefile"} | {
    ".gitignore": "ignore",
    "cmakelists.txt": "cmake",
    "gemfile": "ruby",
    "rakefile": "ruby",
}


_SAY_NOTHING = frozenset(
    word
    for line in (
        "a b c d e f app bar code demo example examples file foo hello index main module my name new note",
        "notes page program prog sample scratch script scratchpad source src temp test tests text tmp try",
        "unknown unnamed untitled work x xx xxx y z",
    )
    for word in line.split()
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def says_something(path: PurePath) -> bool:
    """Whether a file's name tells more of what is in it than its language: `cart.py` does, `new1.py` not."""
    if path.name.lower() in _NAMES:
        return True
    words = {word.lower() for word in _WORD.findall(path.name.partition(".")[0])}
    return any(len(word) > 2 for word in words - _SAY_NOTHING)


def endings_of(language: str) -> list[str]:
    """What files of a language end in, without the dot."""
    return [ending for ending, it in _EXTENSIONS.items() if it == language]


def language_of(path: PurePath) -> str:
    """ "" when the name tells nothing."""
    name = path.name.lower()
    return _NAMES.get(name) or _EXTENSIONS.get(path.suffix[1:].lower(), "")
