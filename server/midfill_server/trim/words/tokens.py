"""Words and signs that tell languages apart, as a table: each with the languages that have it."""

import re
from functools import lru_cache

_JS = "javascript javascriptreact typescript typescriptreact vue svelte"
_C = "c cpp objective-c objective-cpp cuda-cpp glsl hlsl metal"
_CPP = "cpp objective-cpp cuda-cpp"
_SQL = "sql mysql pgsql plsql"
_CSS = "css scss less sass"
_YAML = "yaml dockercompose"
_SHELL = "shellscript dockerfile makefile fish"
_JVM = "java kotlin scala groovy"
_BRACES = f"{_JS} {_C} {_JVM} csharp dart go rust swift php zig"
_PROSE = "markdown plaintext restructuredtext git-commit gitcommit latex html xml svg ini properties"
_ENDS = "ruby lua"
JUDGED = frozenset(f"{_BRACES} {_SQL} {_CSS} {_YAML} {_SHELL} {_ENDS} {_PROSE} toml".split()) - {
    "vue",
    "svelte",
}
"""The languages of which is known what they do not have. Python has its compiler."""

_TABLE: tuple[tuple[str, str], ...] = (
    # Python's
    (r"^\s*from [\w.]+ import\b|^\s*def \w+\(.*\)(?: ->.*)?:\s*$", "python"),
    (r"^\s*import [\w.]+(?: as \w+)?\s*$", "python kotlin scala groovy swift"),
    (r"\"\"\"", f"python toml {_JVM} csharp swift dart markdown"),
    (r"\((?:self|cls)[,)]", "python rust lua"),
    (r"\bself\.\w", f"python rust ruby swift lua objective-c objective-cpp {_JS}"),
    (r"(?<!#)\belif\b", f"python {_SHELL} {_YAML}"),
    (r"\b(?:None|True|False)\b", f"python rust scala {_YAML}"),
    (r"\blambda\b[\w, ]*:|\b__[a-z]+__\b(?!proto)", f"python {_C} {_JS}"),
    (r"^\s*(?:if|for|while|with|try|else|class|except)\b[^{]*(?<!:):\s*$", f"python php {_YAML} {_CSS}"),
    (r"\bis not\b|\bnot in\b", f"python kotlin {_SQL} {_YAML} {_SHELL}"),
    (r"(?<![\w.>])print\(", "python lua swift kotlin dart scala groovy php ruby"),
    (r"%\(\w+\)[sd]", "python ini properties"),
    (r"[a-z)]\$[a-z_]\w*", " ".join(JUDGED - {"php"})),
    # JavaScript's
    (r"\bconst (?:\w+ = |[{\[])", f"{_JS} dart go php"),
    (r"\blet [\w{\[]+.* =", f"{_JS} rust swift csharp"),
    (r"\bvar (?:\w+ = |[{\[])", f"{_JS} {_JVM} csharp dart go swift php"),
    (r"\bfunction \w+\(\s*\w", f"{_JS} php lua {_SQL}"),
    (r"\bfunction\b *[*(]|\bfunction \w+\(", f"{_JS} php lua shellscript {_SQL}"),
    (r"[!=]==", f"{_JS} php ruby swift kotlin {_YAML} {_SHELL}"),
    (r"\bthis\.\w", f"{_JS} {_JVM} csharp dart"),
    (r"\bconsole\.\w+\(|\bundefined\b|\bmodule\.exports\b", _JS),
    (r"\w\)? =>(?: |$)", f"{_JS} rust scala csharp dart php ruby {_SQL}"),
    (r"\w\.(?:length|push|forEach|indexOf)\b", f"{_JS} {_JVM} {_CPP} {_CSS} {_YAML} rust ruby dart swift"),
    (r"\b\w+ of \w+\)", f"{_JS} {_SQL}"),
    (r"\breturn \{", f"{_JS} {_CPP} {_ENDS} python dart scala"),
    # C's and Java's
    (r"#include [<\"x]|^\s*#define \w", f"{_C} csharp {_YAML} {_SHELL} {_ENDS} php toml"),
    (r"\b(?:int|char|void|double|float|size_t) \*?\w+\s*[=;(\[,)]", f"{_C} {_JVM} csharp dart php {_SQL}"),
    (r"[A-Za-z_]\w*->[A-Za-z_]", f"{_C} {_JVM} csharp php swift {_SQL} {_YAML} {_SHELL}"),
    (r"\bstd::(?:vector|string\b(?!::)|map|cout|endl|unique_ptr|shared_ptr|make_)|\bnullptr\b", _C),
    (r"\bnew [A-Z]\w*(?:<[^<>]*>)?\(", f"{_JS} {_JVM} {_CPP} csharp dart php"),
    (
        r"\b(?:public|private|protected) (?:static|void|class|final|int|String|function|override|async)\b",
        f"{_JS} {_JVM} csharp php swift",
    ),
    (r"\bSystem\.out\b", _JVM),
    (
        r"^\s*(?:}\s*)?(?:if|else|for|while|switch)\b.*[{]\s*$",
        f"{_BRACES} {_CSS}",
    ),
    (r"^\s*(?:}\s*)?(?:try|catch|throw)\b *[\w({]", f"{_JS} {_JVM} {_CPP} csharp dart php swift ruby"),
    (r"^\s*while\b", f"{_JS} {_C} {_JVM} csharp dart rust swift php zig {_SHELL} {_ENDS} {_SQL}"),
    (r"^\s*(?:public |abstract |export )*class [A-Z]", f"{_JS} {_JVM} {_CPP} csharp dart php swift ruby"),
    (r"[^;];\s*$", f"{_JS} {_C} {_JVM} csharp dart rust swift php zig lua {_CSS} {_SQL} {_SHELL}"),
    # Ruby's, Go's, Rust's, Lua's, PHP's
    (r"\bdo \|\w|\battr_(?:reader|writer|accessor)\b|\bputs [\"x:]|\belsif\b", f"ruby plsql {_SQL}"),
    (r"^\s*end\s*$", f"{_ENDS} {_SHELL}"),
    (r"^\s*def \w+[?!]?(?:\([^()]*\))?\s*$", "ruby groovy scala"),
    (r"(?<!\w)@\w+ \|{0,2}= ", "ruby"),
    (r"\w :?= range |\w :=(?: |$)", f"go {_SQL} {_YAML} {_SHELL}"),
    (r"\bfunc (?:\(|\w+\()", "go swift"),
    (r"^\s*package [a-z]\w*\s*$|\bfmt\.Print|\berr != nil\b", "go kotlin scala groovy"),
    (r"\bfn \w+ ?[(<]|\blet mut\b|\bprintln!\(|&mut\b", "rust zig"),
    (r"\bnil\b", f"go {_ENDS} swift objective-c objective-cpp {_YAML}"),
    (r"\bnull\b", f"{_JS} {_JVM} csharp dart php {_SQL} {_YAML} {_CPP} zig {_SHELL}"),
    (r"\blocal \w+ = ", "lua"),
    (r"<\?php|\$\w+->|\$this\b", "php"),
    (r"\w ?!= ?\w|\w ?&&|\|\|", f"{_BRACES} {_SHELL} {_YAML} {_SQL} ruby"),
    (r"\w::\w", f"{_C} {_JVM} rust php ruby csharp {_SQL} {_CSS} {_YAML} swift toml"),
    (r"^\s*(?:SELECT\b.*\bFROM|INSERT INTO|CREATE TABLE)\b", _SQL),
    # of files that hold no code
    (r"^\s*[a-zA-Z_]\w* [-+*/]?= \S", f"{_BRACES} {_ENDS} {_SQL} toml makefile"),
    (r"\b[a-z_]\w*\.[a-z_]\w*\(.*\)", f"{_BRACES} {_ENDS} {_SQL} {_YAML} toml {_CSS}"),
    (r"^\s*return\b", f"{_BRACES} {_ENDS} {_SQL} shellscript fish scss sass"),
    (r"^\s*(?:public|private|protected):\s*$", f"{_CPP} {_YAML} c"),
    (
        r"^\s*(?:if|for|while|switch)\s*\((?!\().*\)(?!.*\b(?:then|do)\b)",
        f"{_BRACES} {_ENDS} {_CSS} {_SQL}",
    ),
    (r"^\s*[a-z]+[A-Z]\w*:", f"{_BRACES} {_ENDS} {_SQL} {_YAML} {_SHELL} toml"),
)
_STRONG = (
    r"^\s*from [\w.]+ import\b|^\s*import [\w.]+(?: as \w+)?\s*$|^\s*def \w+\(.*\).*:\s*$"
    r"|^\s*(?:const|let|var) \w+ = |^#include [<\"x]|^\s*(?:export )?(?:async )?function \w+\("
)
"""Of prose and markup, in which most words of code may stand."""


@lru_cache
def foreign_to(language: str) -> re.Pattern[str] | None:
    """What a language does not have; None where that is not known."""
    if language not in JUDGED:
        return None
    if language in _PROSE.split():
        return re.compile(_STRONG)
    return re.compile("|".join(f"(?:{it})" for it, homes in _TABLE if language not in homes.split()))
