"""Nobody else's words. ║ is where the cursor is."""

import pytest

from ..drawn import item

KEY = "0123456789abcdef" * 3


OTHERS = [
    "# Copyright (c) 2018-2022 Acme Inc.",
    "# Copyright 2020 The Acme Team. All rights reserved.",
    "# Copyright Acme",
    "# (c) 2020 Acme",
    "# SPDX-License-Identifier: MIT",
    '# Licensed under the Apache License, Version 2.0 (the "License");',
    "# This file is part of Acme, a library of things",
    "# Permission is hereby granted, free of charge, to any person",
    "# For license information, see LICENSE.TXT",
    "# License: BSD 3 clause",
    "# Author: Ann Onym",
    "# Authors: Ann Onym <ann@onym.org>",
    "# Written by Ann Onym",
    "# by Ann Onym",
    "# TODO(annonym): think",
    "# Write to ann@onym.org",
    "# See https://onym.org/think",
    '__author__ = "Ann Onym"',
    'author="Ann Onym",',
    'license = "MIT"',
    'URL = "https://api.onym.org/v1"',
    'mail = "ann@onym.org"',
    f'digest = "{KEY}"',
    'token = "ghp_' + "a1B2c3D4" * 5 + '"',
]


@pytest.mark.parametrize("line", OTHERS)
def test_others_words_are_not_offered(line: str) -> None:
    assert item("import os\n\n║\n", line + "\n") == ""
    assert item("import os\n\n║\n", "x = os.name\n" + line + "\n") == "x = os.name"


@pytest.mark.parametrize("line", OTHERS)
def test_words_that_the_context_holds_are_offered(line: str) -> None:
    assert item("import os\n\n║\n", line + "\n", elsewhere=(f"# other.py\n{line}\n", "# own.py\n")) != ""


def test_what_the_window_holds_is_known() -> None:
    page = 'HOST = "https://shop.onym.org"\n# Author: Ann Onym\n\n\ndef f():\n    pass\n\n\n'
    assert item(page + "║\n", 'CART = "https://shop.onym.org/cart"\n') != ""
    assert item(page + "║\n", "# Ask Ann Onym\n") != ""
    assert item(page + "║\n", 'CART = "https://cart.onym.org/cart"\n') == ""


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("javascript", "// Copyright 2020 Acme"),
        ("css", "/* Copyright (C) 1995 Ann Onym */"),
        ("yaml", "# Copyright (c) Acme Inc."),
        ("go", "// Copyright 2009 The Acme Authors. All rights reserved."),
        ("html", "<p>&copy; 2020 Acme</p> <!-- Copyright (c) 2020 -->"),
        ("json", '"author": "Ann Onym",'),
        ("toml", 'authors = [{ name = "Ann Onym" }]'),
        ("git-commit", "Copyright (C) 2005-2026 the Acme authors and contributors"),
        ("markdown", "Copyright (c) 2020 Acme"),
        ("java", "* @author Ann Onym"),
        ("shellscript", "curl -O https://get.onym.org/install"),
        ("dockerfile", "LABEL maintainer=\"ann@onym.org\""),
    ],
)  # fmt: skip
def test_in_every_language(language: str, line: str) -> None:
    assert item("║\n", line + "\n", language) == ""


def test_half_a_notice_that_the_user_began_is_not_finished() -> None:
    assert item("# Licence\n\nCopyright (c) ║\n", "2020 Acme Inc.\n", "markdown") == ""
    assert item("# Copyright ║\nimport os\n", "2026 The Acme Team\n") == ""


@pytest.mark.parametrize(
    "line",
    [
        'url = "http://localhost:8000/a"',
        'url = "https://example.com/a"',
        'mail = "ann@example.org"',
        'url = f"https://{host}/a"',
        "author: AuthorOpt = None",
        "book.author = read_author(row)",
        "license: str | None = None",
        "self.license = license",
        "copyright = show_copyright(page)",
        "x = a @ b.c",
        "# sorted by name",
        "# made by the caller",
        "total_of_everything_that_was_sold_in_2020 = 3",
    ],
)
def test_what_belongs_to_nobody_stays_possible(line: str) -> None:
    assert item("import os\n\n║\n", line + "\n") == line


FIB = "def fib(n):\n    ║\n"
SAYS = '"""\n    Return the number.\n'
SAID = '"""\n    Return the number.\n    """'


@pytest.mark.parametrize(
    "docs",
    [
        "\n    Examples\n    ========\n\n    >>> from onym import fib\n    >>> fib(1)\n    1\n",
        "\n    Parameters\n    ----------\n    n : array_like\n",
        "\n    >>> fib(1)\n    1\n",
        "\n    Examples:\n    >>> fib(1)\n",
    ],
)
def test_a_librarys_docstring_ends_before_its_style(docs: str) -> None:
    assert item(FIB, SAYS + docs) == SAID


def test_a_file_with_such_docstrings_goes_on_with_them() -> None:
    example = "\n    Examples\n    --------\n    >>> {}(1)\n    1\n"
    other = 'def fac(n):\n    """Say.\n' + example.format("fac") + '    """\n    return 1\n\n\n'
    docs = SAYS + example.format("fib")
    assert item(other + FIB, docs) == docs + '    """'
    foreign = docs.replace(">>> fib(1)", ">>> from onym import fib")
    assert item(other + FIB, foreign) == SAID
    assert "onym" in item("import onym\n\n" + other + FIB, foreign)
