"""How each language writes a comment of one line. Pure tables."""

from pathlib import PurePath

STYLES = (  # what opens it, what closes it, endings or names of files
    (
        "#",
        "",
        "awk bash cmake coffee conf cr dockerfile ex exs fish gd gitignore ini jl ksh makefile mk nim nix",
    ),
    ("#", "", "pl pm properties ps1 py pyi pyx r rb rake raku sh tcl tf toml yaml yml zsh"),
    ("//", "", "as c cc cjs cpp cs cu cuh cxx d dart fs fsx glsl go gradle groovy h hh hlsl hpp hxx java js"),
    (
        "//",
        "",
        "json5 jsonc jsx kt kts less m metal mjs mm mts php proto rs sass scala scss sol sv swift ts tsx",
    ),
    ("//", "", "v wgsl zig"),
    ("--", "", "ada adb ads elm hs lua purs sql vhd vhdl"),
    (";", "", "asm clj cljs edn el lisp lsp rkt s scm ss"),
    ("%", "", "cls erl hrl matlab sty tex"),
    ("!", "", "f f03 f08 f90 f95"),
    ('"', "", "vim"),
    ("'", "", "bas vb vbs"),
    ("REM", "", "bat cmd"),
    ("<!--", "-->", "htm html md svelte svg vue xhtml xml xsl"),
    ("(*", "*)", "ml mli pas pp"),
    ("/*", "*/", "css"),
)

_OF_ENDING = {ending: (opens, closes) for opens, closes, endings in STYLES for ending in endings.split()}


def comment(text: str, path: str) -> str:
    """`text` as one line of comment in the language of `path`, which its ending or its name tells."""
    name = PurePath(path).name.lower()
    opening, closing = _OF_ENDING.get(name.rpartition(".")[2]) or _OF_ENDING.get(name) or ("#", "")
    text = text.replace("\n", " ").replace(closing or "\n", " ")
    return " ".join(filter(None, (opening, text, closing)))
