"""Where the editor has closed a bracket behind the cursor, its closer comes to stand on a line of its own."""

import pytest

from midfill_server.context import Window
from midfill_server.keystroke.typed import rest_of
from midfill_server.keystroke.written import Written
from midfill_server.trim import settled, trim
from midfill_server.trim.fit.mend import completed

from ..drawn import item, window

# Language, the place, what is written, and the whole text with it.
BLOCKS = [
    ("javascript", "function add(a, b) {║}\n", "\n  return a + b;\n}\n", "\n  return a + b;\n"),
    ("javascript", "it.forEach((a) => {║});\n", "\n  b(a);\n  c(a);\n});\n", "\n  b(a);\n  c(a);\n"),
    ("javascript", "const a = [║];\n", "\n  1,\n  2,\n];\n", "\n  1,\n  2,\n"),
    ("javascript", "effect(() => {║}, [a]);\n", "\n  b(a);\n}, [a]);\n", "\n  b(a);\n"),
    ("typescript", "class A {\n  f(): void {║}\n}\n", "\n    g();\n  }\n}\n", "\n    g();\n  "),
    ("go", "func f() {\n\tgo func() {║}()\n}\n", "\n\t\tg()\n\t}()\n", "\n\t\tg()\n\t"),
    ("rust", "fn f() -> u8 {║}\n", "\n    1\n}\n", "\n    1\n"),
    (
        "java",
        "class A {\n    int f() {║}\n}\n",
        "\n        g();\n        return 1;\n    }\n",
        "\n        g();\n        return 1;\n    ",
    ),
    (
        "csharp",
        "class A\n{\n    int F() {║}\n}\n",
        "\n        return 1;\n    }\n",
        "\n        return 1;\n    ",
    ),
    ("php", "<?php\nfunction f() {║}\n", "\n    return 1;\n}\n", "\n    return 1;\n"),
    ("shellscript", "f() {║}\n", "\n  run a\n}\n", "\n  run a\n"),
    ("python", "x = f(║)\n", "\n    a,\n    b,\n)\n", "\n    a,\n    b,\n"),
    ("python", "def f():\n    return {║}\n", '\n        "a": 1,\n    }\n', '\n        "a": 1,\n    '),
    ("json", "{║}\n", '\n  "a": 1\n}\n', '\n  "a": 1\n'),
    ("json", '{\n  "a": [║]\n}\n', "\n    1\n  ]\n", "\n    1\n  "),
    ("lua", "local a = {║}\n", "\n  1,\n  2\n}\n", "\n  1,\n  2\n"),
    ("ruby", "a = {║}\n", "\n  b: 1,\n  c: 2\n}\n", "\n  b: 1,\n  c: 2\n"),
    ("css", "a {║}\n", "\n  color: red;\n}\n", "\n  color: red;\n"),
    ("", "a {║}\n", "\n  b\n}\n", "\n  b\n"),
]


@pytest.mark.parametrize(("language", "drawn", "written", "shown"), BLOCKS)
def test_a_block_between_brackets_ends_with_a_line_end(
    language: str, drawn: str, written: str, shown: str
) -> None:
    assert trim(written, window(drawn, language)) == shown


@pytest.mark.parametrize(("language", "drawn", "written", "shown"), BLOCKS)
def test_so_it_does_when_its_opener_is_typed_and_closed_by_the_editor(
    language: str, drawn: str, written: str, shown: str
) -> None:
    now = window(drawn, language)
    opener, closer = now.prefix[-1], now.suffix[0]
    asked = Window(now.prefix[:-1], now.suffix[1:], language=language)
    if asked.line_rest.strip():
        return  # another text is right of the cursor, so another item
    text = opener + shown + closer
    known = Written(asked).then(text, ()).ended(cut=False)
    assert known.whole == text
    it = known.shown_at(now, 0.0)
    assert it is not None and it.text == shown


@pytest.mark.parametrize(("language", "drawn", "written", "shown"), BLOCKS)
def test_nothing_is_taken_back_for_it(language: str, drawn: str, written: str, shown: str) -> None:
    for n in range(len(written)):
        assert shown.startswith(settled(written[:n], window(drawn, language)))


@pytest.mark.parametrize(
    ("drawn", "written", "shown"),
    [
        ("f(║)\n", "a, b", "a, b"),
        ("f(║)\n", "(it) => {\n  g(it);\n}", "(it) => {\n  g(it);\n}"),  # its opener does not end its line
        ("f(a,\n  ║)\n", "b,\n  c", "b,\n  c"),
        ("f(\n  a,\n  b║)\n", ", c", ", c"),  # of a list that is closed so
        ("f {\n  ║}\n", "a();", "a();\n"),  # the editor has broken the line before the cursor alone
        ("f {\n  ║\n}\n", "a();\n  b();", "a();\n  b();"),
        ("f {║}\n", " a() ", " a()"),
        ('f"{║}, a"\n', "b\n  c", "b"),
        ("a = [║}\n", "\n  1", "\n  1"),  # not its closer
    ],
)
def test_only_where_the_closer_belongs_on_a_line_of_its_own(drawn: str, written: str, shown: str) -> None:
    assert trim(written, window(drawn)) == shown


def test_what_is_left_when_the_last_words_are_typed_is_no_item() -> None:
    asked = window("f {║}\n")
    assert rest_of("\n  a();\n", asked, window("f {\n  a║}\n")) == "();\n"
    assert rest_of("\n  a();\n", asked, window("f {\n  a();║}\n")) is None


@pytest.mark.parametrize(
    ("language", "drawn", "written", "shown"),
    [
        ("go", "package a\n\n/*║\n\nfunc b() {\n}\n", " A comment", " A comment */"),
        ("c", "/* a */\n/*║\nint b; /* c */\n", " d", " d */"),
        ("java", "/**║\nclass A {\n}\n", "\n * B.\n", "\n * B.\n */"),
        ("html", "<p>\n<!--║\n</p>\n", " a", " a -->"),
        ("go", "package a\n\n/*║\n b */\nfunc c() {\n}\n", " a", " a"),
        ("go", 'package a\n\nvar b = "/*║\n', 'c"', 'c"'),
        ("go", "package a\n\n// /*║\n", " a", " a"),
    ],
)
def test_a_comment_that_the_user_begins_is_closed(
    language: str, drawn: str, written: str, shown: str
) -> None:
    assert item(drawn, written, language) == shown


@pytest.mark.parametrize(
    ("drawn", "written", "shown"),
    [
        ("class A {\n  f() {║\n    g()\n  }\n}\n", "}", ""),
        ("class A {\n  f() {║\n    g()\n  }\n}\n", "\n  }\n\n  h() {\n  }", ""),
        ("class A {\n  f() {║\n}\n", "}", "}"),
        ("a = [║\n  1,\n]\n", "]", ""),
        ("a = [║\n  1,\n]\n", "\n  0,", "\n  0,"),
    ],
)
def test_what_stands_below_is_not_closed_before_it(drawn: str, written: str, shown: str) -> None:
    assert trim(written, window(drawn, "typescript")) == shown


@pytest.mark.parametrize(("n", "is_closed"), [(3, True), (10_000, False)])
def test_nobody_is_offered_thousands_of_closers(n: int, is_closed: bool) -> None:
    """Adding them one by one took most of a second at each key."""
    head = "(" * n
    ways = list(completed("f(a", (head, ""), Window(head, "\n", language="python"), "#"))
    assert any(it.startswith("f(a)" + ")" * n) for it in ways) is is_closed
