"""What kind of place the text's end is in; `«kind»` stands where the cursor is."""

import re
import time

import pytest

from midfill_server.context.languages.place import place_at_end

CASES = {
    "python": '''
x = 1«code» # a«comment» comment«comment»
y«code» = "te«string»xt"«code» + 'it«string»' + ''«code» + f"{a«string»}"
"""Doc«string»string with "quotes"«string» and # signs«string»
over lines«string»"""«code»
z = "not closed
w«code» = 'a\\\\'«code» + "a\\"«string»b"«code»
''',
    "typescript": """
const a«code» = `x ${1} «string»
y«string»`;«code» // c«comment»
/* a«comment»
 b«comment» */ c«code» = /["'`]/«code».test(x);
d = a / b«code» / c«code»; e = 'x«string»';
""",
    "rust": """
fn f<'a>(x: &'a«code» str) -> char { 'x'«code» } // c«comment»
let s = r#"raw "quoted" «string»"#;«code» let t = "more
lines«string»";
""",
    "go": 'x := `raw \\«string»`«code» + "a«string»" // b«comment»\nr := \'"\'«code»\n',
    "shellscript": "echo \"a $(b) «string»\" a#b«code» # c«comment»\necho 'it\n# no«string»'«code»\n",
    "yaml": 'a: b#c«code» # d«comment»\ne: "f«string»"\n',
    "html": "<p>it's \"«code» <!-- c«comment» --> d«code»\n",
    "lua": "--[[ a«comment»\nb«comment» ]] x = [[ y«string» ]]«code» -- c«comment»\n",
    "sql": "SELECT 'it''s«string»' -- a«comment»\nFROM t«code»\n",
    "css": 'a { b: c; } /* d«comment» */ e«code» { f: url("g«string»") }\n',
    "c": "char q = '\"';«code» /* a«comment» */ int b; // it's«comment»\nint«code» c;\n",
    "haskell": "f x' = x'«code» -- a«comment»\n{- b«comment» -} g«code»\n",
    "unknown-language": '# a "b«code»',
}


@pytest.mark.parametrize("language", CASES)
def test_the_kind_of_place(language: str) -> None:
    before, wrong = "", []
    for piece in re.split(r"(«\w+»)", CASES[language]):
        if not piece.startswith("«"):
            before += piece
        elif (kind := place_at_end(before, language).kind) != piece[1:-1]:
            wrong.append(f"{before[-30:]!r}{piece} is taken for {kind}")
    assert not wrong


CUT = {
    "python": '''
def first(items):
    """Takes the first of some items (if there is one).

    Or it says that there is none.
    """
    found = [item for item in items if item]
    return found[0] if found else None


def last(items):
    r"""Takes the last.

    >>> last([1, 2])
    2
    """
    return first(list(reversed(items)))  # «comment»


QUERY = """
    select name from «string»accounts
    where owner is not null
"""
x = {}«code»
''',
    "javascript": """
/* Takes the first of some items,
   or tells that there is none. */
function first(items) {
  return items.find((it) => it) ?? null; // «comment»
}
const words = `Dear reader,
  this is a «string»letter to you,
  and it goes on.`;
const first = words[0];«code»
/* And «comment»here
   it ends. */
""",
    "rust": """
/* Some words
   about it. */
fn first(items: &[u8]) -> u8 { items[0] }
const TEXT: &str = "one «string»line
and another one";
fn last() -> u8 { first(&[1]) }«code»
""",
}


@pytest.mark.parametrize("language", CUT)
def test_wherever_its_beginning_is_cut_off_the_kind_stays(language: str) -> None:
    wrong = []
    for mark in re.finditer(r"«(\w+)»", CUT[language]):
        lines = re.sub(r"«\w+»", "", CUT[language][: mark.start()]).splitlines(keepends=True)
        for n in range(len(lines) - 1):
            place = place_at_end("".join(lines[n:]), language, cut=True)
            if place.kind != mark[1]:
                wrong.append(f"cut at {lines[n]!r}: {lines[-1]!r}{mark[0]} is taken for {place.kind}")
    assert not wrong


def test_a_beginning_that_is_the_files_is_never_read_as_a_strings() -> None:
    text = 'print("(((((((((")\nx = """\n' + "a = [f(x)]\n" * 20
    assert place_at_end(text, "python").kind == "string"
    assert place_at_end(text, "python", cut=True).kind == "code"


def test_it_tells_where_the_string_begins_and_what_closes_it() -> None:
    place = place_at_end('x = """a "b" c', "python")
    assert (place.kind, place.start, place.closes) == ("string", 4, '"""')


@pytest.mark.parametrize("language", ["python", "javascript", "rust", "shellscript"])
@pytest.mark.parametrize("sign", ["'", '"', "`", "/", "\\", "#", "/*", "${", "'''", "r#"])
def test_a_strange_text_takes_no_longer(language: str, sign: str) -> None:
    """Ten times the text, about ten times as long: nothing is quadratic."""

    def seconds(n: int) -> float:
        started = time.thread_time()
        place_at_end((sign + " a") * n, language, cut=True)
        return time.thread_time() - started

    seconds(100)
    assert min(seconds(40_000) for _ in range(2)) < 60 * max(min(seconds(4_000) for _ in range(3)), 1e-3)
