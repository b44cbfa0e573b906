"""What is there already: definitions in the block at the cursor, imports, and parameters of a function."""

import re
from collections.abc import Iterator, Sequence

from midfill_server.context import Window

from .block import WIDEST, Line, above, below, beside, by_lines, far_above, item_lines, line_of, up_to


@by_lines
def defined_again(text: str, window: Window) -> str:
    """Up to a line that defines what its block defines already.

    Not below a decorator or an attribute, which may make another one of it, nor where functions of one name
    take different arguments, in languages that tell them apart by these.
    """
    before, after = list(above(window)), below(window)
    for n, written in enumerate(item_lines(text, window)):
        line = line_of(written)
        if not line.code:
            continue
        name = _defined(line, window.language)
        if name and not _is_decorated(before):
            plain = _undecorated([*far_above(window), *before])
            others = beside(line, plain, len(plain), _undecorated(after))
            if any(_is_same(name, _defined(it, window.language)) for it in others):
                return up_to(n, text)
        before.append(line)
    return text


_MODIFIERS = (
    r"(?:(?:export|default|pub(?:\([^)]*\))?|public|private|protected|internal|static|async|abstract|final|data"
    r"|sealed|unsafe|open|declare|override|virtual|inline|const|extern|synchronized|suspend)\s+)*"
)
_TYPE = re.compile(
    rf"{_MODIFIERS}(?P<type>(?:class|interface|struct|enum(?:\s+class)?|trait|protocol|module|record|union)\s+"
    r"[A-Za-z_]\w*)(?!\s*[*&;=,)\w]|\w)|"  # no variable of that type, nor a function that returns it
    rf"{_MODIFIERS}(?P<derived>(?:class|interface|struct|enum|record)\s+[A-Za-z_]\w*)"
    r"(?=\s+(?:extends|implements|final|where|permits|with)\b)"
)
_ALIAS = re.compile(
    rf"{_MODIFIERS}(?P<type>type\s+[A-Za-z_]\w*)(?:<[^=]*>)?\s*(?:=|struct\b|interface\b|func\b|\[)"
)
_FUNCTION = re.compile(
    rf"{_MODIFIERS}(?P<name>(?:def|function|func|fn|fun|sub)\s+(?:\([^()]*\)\s*)?[A-Za-z$_][\w.$?!]*=?)"
    r"(?:\s*<[^()]*>)?(?P<rest>.*)"
)
_TYPED_FUNCTION = re.compile(
    rf"{_MODIFIERS}(?!(?:return|else|new|throw|await|case|yield|delete|goto|using|typedef)\b)"
    r"(?:[A-Za-z_][\w:.]*(?:<[^()]*>)?(?:\[\])*[\s*&]+)+(?P<name>[A-Za-z_~][\w:~]*)(?P<rest>\s*\(.*)"
)
_CONSTANT = re.compile(r"(?:export\s+)?const\s+(?P<name>[A-Za-z_$][\w$]*)\s*(?::[^=]*)?=(?!=)")
_RUST_CONSTANT = re.compile(rf"{_MODIFIERS}(?:static\s+)?(?P<name>[A-Z][A-Z0-9_]*)\s*:[^=]*=")
_FIELD = re.compile(
    r"(?:(?:public|private|protected|static|final|readonly|volatile)\s+)+(?:[\w.]+(?:<[^()=]*>)?(?:\[\])*\s+)"
    r"(?P<name>\w+)\s*(?:=(?!>)[^()]*|;)"
)
_MEMBER = re.compile(
    r"(?:(?:public|private|protected|static|async|override|readonly)\s+|\*)*"
    r"(?P<name>(?:[gs]et\s+)?(?!(?:if|for|while|switch|catch|with|function|return)\b)[#\w$]+)\s*\([^;'\"`]*\)\s*"
    r"(?::[^;(){}=]*)?(?P<body>\{\s*\}?|;?)"
)
_SCRIPTS = frozenset({"javascript", "javascriptreact", "typescript", "typescriptreact", "vue", "svelte"})
_TELL_BY_TYPES = frozenset(("java", "csharp", "cpp", "kotlin", "scala", "swift", "dart"))
_TYPED = frozenset(("c", "cpp", "java", "csharp", "dart"))
_NO_NAMES = frozenset({"elixir", "haskell", "erlang"})  # clauses of one function


def _defined(line: Line, language: str) -> str:
    """What the line defines: its kind and name, where it matters with types; "" for nothing."""
    code = line.code[:WIDEST]
    if type_ := _TYPE.match(code):
        return " ".join((type_["type"] or type_["derived"]).split())
    if language in _ALIASES and (alias := _ALIAS.match(code)):
        return " ".join(alias["type"].split())
    if language in _NO_NAMES:
        return ""
    if function := _function(code, language):
        return function
    if language in _SCRIPTS:
        if line.depth and (member := _MEMBER.fullmatch(code)):
            has_body = member["body"][:1] == "{"
            return member["name"] if has_body else _DECLARED + member["name"] if ":" in code else ""
        return f"const {constant['name']}" if (constant := _CONSTANT.match(code)) else ""
    if language == "rust" and "const" in code.split("=")[0] and (constant := _RUST_CONSTANT.match(code)):
        return f"const {constant['name']}"
    if language in ("java", "csharp") and (field := _FIELD.fullmatch(code)):
        return f"field {field['name']}"
    return ""


_DECLARED = "declared "
_ALIASES = frozenset({"go", "typescript", "typescriptreact"})


def _function(code: str, language: str) -> str:
    """The function that a line begins: with the types of its parameters where they tell functions apart."""
    found = (_TYPED_FUNCTION if language in _TYPED else _FUNCTION).match(code)
    if found is None:
        return ""
    name, rest = " ".join(found["name"].split()), found["rest"]
    if language in ("typescript", "typescriptreact") and not rest.endswith(("{", "}")):
        return ""  # a signature without a body: there may be several
    if language == "c" and rest.endswith(";"):
        return ""
    if language not in _TELL_BY_TYPES:
        return name if language != "c" else f"function {name}"
    types = _types(rest, language)
    return "" if types is None or (language == "cpp" and rest.endswith(";")) else f"{name}{types}"


def _types(rest: str, language: str) -> str | None:
    """`(int, String)…` from what follows a function's name; None when it goes on below."""
    start, end = rest.find("("), rest.rfind(")")
    if start < 0 or end < start or rest[start : end + 1].count("(") != rest[start : end + 1].count(")"):
        return None
    parts = [
        part.partition("=")[0].strip() for part in re.split(r",(?![^<(\[]*[>)\]])", rest[start + 1 : end])
    ]
    by_colon = language in ("kotlin", "scala", "swift")
    types = [it.partition(":")[2] if by_colon else re.sub(r"\bfinal\b|\w+\Z", "", it) for it in parts]
    is_const = "const" in rest[end:]
    return f"({', '.join(''.join(it.split()) for it in types)}){' const' * is_const}"


def _is_same(written: str, there: str) -> bool:
    """A member that is declared may be declared again, for other arguments, until it has its body."""
    return written.removeprefix(_DECLARED) == there


def _is_decorated(before: Sequence[Line]) -> bool:
    return bool(before) and before[-1].code.startswith(("@", "#[", "#if", "#el", "[", "template"))


def _undecorated(lines: Sequence[Line]) -> list[Line]:
    return [line for n, line in enumerate(lines) if not (n and _is_decorated(lines[n - 1 : n]))]


@by_lines
def imports_again(text: str, window: Window) -> str:
    """Up to a line that imports only what the file imports already."""
    if (read := _IMPORTS.get(window.language)) is None:
        return text
    there: set[str] | None = None
    for n, written in enumerate(item_lines(text, window)):
        if written[:1].isspace() and window.language != "go":
            continue  # in a function, or where types alone are checked, it may come again
        if brought := set(read(written)):
            if there is None:
                there = set(read(window.prefix[: len(window.prefix) - len(window.line_start)]))
                there |= set(read(window.suffix.partition("\n")[2]))
            if brought <= there:
                return up_to(n, text)
            there |= brought
    return text


def _python_imports(code: str) -> Iterator[str]:
    for found in _PYTHON_FROM.finditer(code):
        for name in (found["many"] or found["names"]).split(","):
            if name := " ".join(name.partition("#")[0].split()):
                yield f"{found['module']} {name}"
    for found in _PYTHON_IMPORT.finditer(code):
        yield from (" ".join(name.split()) for name in found["names"].split(","))


def _script_imports(code: str) -> Iterator[str]:
    for found in _SCRIPT_IMPORT.finditer(code):
        what, module = found["what"] or "", found["module"]
        before, _, names = what.partition("{")
        parts = [*before.split(","), *(f"{{{it}" for it in names.rstrip("} \n").split(","))]
        named = [" ".join(it.split()) for it in parts if it.strip("{ \n")]
        yield from (f"{module} {it}" for it in named or [""])


def _go_imports(code: str) -> Iterator[str]:
    yield from (" ".join(found[0].split()[-2:]) for found in _GO_IMPORT.finditer(code))


def _rust_imports(code: str) -> Iterator[str]:
    for found in _RUST_USE.finditer(code):
        yield from _spread("".join(found["path"].split()))


def _spread(path: str) -> Iterator[str]:
    """`a::{b, c::{d}}` as a::b and a::c::d."""
    head, brace, rest = path.partition("{")
    if not brace:
        yield path
        return
    depth, start, inner = 0, 0, rest.rpartition("}")[0] + ","
    for n, sign in enumerate(inner):
        depth += (sign == "{") - (sign == "}")
        if sign == "," and depth == 0:
            yield from _spread(head + inner[start:n]) if inner[start:n] else ()
            start = n + 1


_PYTHON_FROM = re.compile(
    r"^from\s+(?P<module>[\w.]+)\s+import\s*"
    r"(?:\((?P<many>[^()]*)\)|(?P<names>[\w*][\w*, ]*)(?=\s*(?:#|;|$)))",
    re.MULTILINE,
)
_PYTHON_IMPORT = re.compile(r"^import\s+(?P<names>[\w.][\w., ]*)(?=\s*(?:#|;|$))", re.MULTILINE)
_SCRIPT_IMPORT = re.compile(
    r"^import\s+(?:type\s+)?(?:(?P<what>[\w$*{][^'\"`;()]*?)\s*from\s*)?['\"](?P<module>[^'\"\n]+)['\"]",
    re.MULTILINE,
)
_GO_IMPORT = re.compile(r"^(?:import\s+|\s+)(?:[\w.]+ +)?\"[\w./-]+\"(?=\s*$)", re.MULTILINE)
_RUST_USE = re.compile(r"^use\s+(?P<path>[\w:{}*,\s]+);", re.MULTILINE)
_IMPORTS = {"python": _python_imports, "go": _go_imports, "rust": _rust_imports} | dict.fromkeys(
    _SCRIPTS, _script_imports
)


@by_lines
def parameters_again(text: str, window: Window) -> str:
    """Up to a parameter that the function at the cursor has already."""
    if (name_of := _PARAMETER.get(window.language)) is None:
        return text
    head, opened, typed = window.line_start.rpartition("(")
    if not opened or _SIGNS.search(typed) or not _IS_DEFINED.search(head[-WIDEST:]):
        return text
    known = {found[1] for it in typed.split(",")[:-1] if (found := name_of.search(it))}
    start = 0
    for end in [*(it.start() for it in re.finditer(r"[,)]", text)), len(text)]:
        part = (typed.rpartition(",")[2] if start == 0 else "") + text[start:end]
        if _DEEPER.search(part):  # a type of several parts: its commas tell nothing
            break
        found = name_of.search(part)
        if found is not None and found[1] in known and found[1] not in ("_", "self"):
            return text[:start].removesuffix(",")
        known |= {found[1]} if found else set()
        if text[end : end + 1] == ")":
            break
        start = end + 1
    return text


_SIGNS = re.compile(r"[)<>\[\]{}]")
_DEEPER = re.compile(r"[(<\[{]")
_IS_DEFINED = re.compile(
    r"(?:\b(?:def|function|func|fn|fun|sub|init|constructor)\b[^=]*"
    rf"|^\s*{_MODIFIERS}(?!(?:return|else|new|throw|await|yield)\b)(?:[A-Za-z_][\w.]*(?:<[^()]*>)?[\s*&]+)+\w+\s*)\Z"
)
_NAME_FIRST = re.compile(
    r"^\s*(?:(?:public|private|protected|readonly|mut|val|var)\s+)*(?:\*\*?|\.\.\.)?(\w+)\b"
)
_NAME_AND_TYPE = re.compile(r"^\s*(\w+)\s+[\w*.\[]")
_NAME_LAST = re.compile(r"\w[\s*&]+(\w+)\s*(?:=.*|\[\]\s*)?$")
_PARAMETER = {
    **dict.fromkeys(("javascript", "javascriptreact", "typescript", "typescriptreact"), _NAME_FIRST),
    **dict.fromkeys(("python", "ruby", "rust", "kotlin", "scala"), _NAME_FIRST),
    **dict.fromkeys(("c", "cpp", "java", "csharp", "dart"), _NAME_LAST),
    "go": _NAME_AND_TYPE,
}
"""Where a parameter has its name."""
