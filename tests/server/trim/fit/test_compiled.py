"""Python is judged by its compiler: what only a function or a loop may hold is offered only there."""

import pytest

from midfill_server.trim import trim

from ..drawn import window


def check(drawn: str, written: str, shown: str) -> None:
    assert trim(written, window(drawn, "python")) == shown


@pytest.mark.parametrize(
    ("drawn", "written", "shown"),
    [
        ("with open(a) as f:\n    ║\n", "return f.read()", ""),
        ("with open(a) as f:\n    ║\n", "b = f.read()\n    return b", "b = f.read()"),
        ("if a:\n    if b:\n        ║\n", "return 1", ""),
        ("║\n", "return 1", ""),
        ("class A:\n    ║\n", "return 1", ""),
        ("match a:\n    case 1:\n        ║\n", "return 1", ""),
        ("try:\n    a()\nexcept ║\n", "B:\n    c()\n    return 0", "B:\n    c()"),
        ("if a:\n    ║\n", "break", ""),
        ("for a in b:\n    def c():\n        ║\n", "continue", ""),
        ("def f():\n    ║\n", "await g()", ""),
        ("a = 1\n║\n", "yield a", ""),
        ("def f():\n    return 1\n\n\nif a:\n    ║\n", "return 2", ""),
    ],
)
def test_no_return_outside_a_function_no_break_outside_a_loop(drawn: str, written: str, shown: str) -> None:
    check(drawn, written, shown)


@pytest.mark.parametrize(
    ("drawn", "written"),
    [
        ("def f(a):\n    b()\n    if a:\n        c()\n        ║\n", "return 1"),
        ("def f(\n    a,\n) -> int:\n    if a:\n        c()\n        ║\n", "return 1"),
        ("async def f(a):\n    b()\n    if a:\n        c()\n        ║\n", "await g()"),
        ("class A:\n    def f(self):\n        b()\n        for c in d:\n            ║\n", "yield c"),
        ("for a in b:\n    if c:\n        d()\n        ║\n", "continue"),
        ("while a:\n    try:\n        b()\n    except C:\n        ║\n", "break"),
        ("def f():\n    a = 1\n    def g():\n        b()\n        ║\n", "nonlocal a"),
        ("def f():\n    for a in b:\n        with c:\n            d()\n            ║\n", "return"),
        ("        a()\n        b()\n        ║\n", "return 1"),  # its function begins before the window
        ("        a()\n        b()\n        ║\n", "break"),
        ("\ta()\n\tb()\n\t║\n", "return 1"),
        ('    """Say."""\n\n# a\n\n    ║\n', "return 1"),
    ],
)
def test_what_a_function_or_a_loop_may_hold_is_offered_in_it(drawn: str, written: str) -> None:
    check(drawn, written, written)
