"""What is somebody else's leaves the training text; the code around it stays whole."""

import pytest

from midfill_server.trim.words.others import words_of_others
from midfill_training.text.gather.cleaning import clean, clean_file

PYTHON = '''\
#!/usr/bin/env python3
# Copyright (c) 2020 Acme Inc.
#
# Licensed under the Acme License, which says
# what may be done.

"""Things.

Written long ago, see https://onym.org/things for more.

:copyright: (c) 2020 by Ann Onym
"""

__author__ = "Ann Onym"

import os

URL = "https://api.onym.org/v1"  # ask ann@onym.org
DIGEST = "0123456789abcdef0123456789abcdef"


# Counts them.
# TODO(annonym): faster
def count(things):
    """Count.

    Examples
    --------
    >>> from onym import count
    >>> count([1])
    1
    """
    return len(things)


def size(things):
    """Size.

    >>> size([1])
    1
    """
    return count(things)
'''
CLEANED = '''\
#!/usr/bin/env python3

"""Things.

Written long ago, see https://example.com/things for more.

"""


import os

URL = "https://example.com/v1"  # ask name@example.com
DIGEST = "00000000000000000000000000000000"


# Counts them.
def count(things):
    """Count.

    """
    return len(things)


def size(things):
    """Size.

    >>> size([1])
    1
    """
    return count(things)
'''
SCRIPT = """\
/**
 * @license
 * Copyright 2020 Acme
 */
import { a } from "a"; // of Ann

/* Adds. */
export function add(b, c) {
  return b + c;
}
"""


def test_other_peoples_words_leave_and_the_code_stays() -> None:
    assert clean(PYTHON) == CLEANED
    compile(clean(PYTHON), "cleaned", "exec")
    assert clean(SCRIPT) == SCRIPT.partition(" */\n")[2]


def test_examples_of_what_a_file_imports_stay() -> None:
    text = PYTHON.replace("import os\n", "import os\nimport onym\n")
    assert ">>> from onym import count" in clean(text)


@pytest.mark.parametrize("text", [CLEANED, "a = b\n", "", "# Only a comment.\n\n/* and one */\n"])
def test_what_is_nobodys_stays_as_it_is(text: str) -> None:
    assert clean(text) == text


def test_nothing_is_left_that_the_server_would_not_show() -> None:
    for text in (PYTHON, SCRIPT):
        assert [line for line in clean(text).split("\n") if [*words_of_others(line)]] == []


LICENCE = 'Licensed under the Apache License, Version 2.0 (the "License");\nyou may not use this file.\n'


def test_a_licence_in_a_docstring_leaves_whole() -> None:
    assert clean(f'"""\n{LICENCE}"""\n\nimport os\n') == "\nimport os\n"
    assert clean(f'"""Things.\n\n{LICENCE}\n{LICENCE}"""\nimport os\n') == '"""Things.\n"""\nimport os\n'
    assert clean(f"# Things.\n\nr'''\n{LICENCE}'''\nimport os\n") == "# Things.\n\nimport os\n"


@pytest.mark.parametrize(
    "line",
    [
        "Author: Ann Onym",
        ":Author: Ann Onym",
        "@Author  :   Ann Onym",
        "Written by Ann Onym",
        "Credits: Ann <a@onym.org>",
    ],
)
def test_who_wrote_it_leaves_a_docstring(line: str) -> None:
    assert clean(f'"""Things.\n\n{line}\n"""\n') == '"""Things.\n\n"""\n'
    assert clean(f"# {line}\nx = 1\n") == "x = 1\n"


@pytest.mark.parametrize(
    "line",
    [
        "  author: BlockedAuthor;",
        "author = Author()",
        "Split by Key Size.",
        "author: Mapped[Author]",
        "  author,",
    ],
)
def test_code_about_authors_stays(line: str) -> None:
    assert clean(f"{line}\n") == f"{line}\n"


def test_a_handle_after_a_space_leaves() -> None:
    assert clean("# NOTE (annonym): slow\nx = 1\n# TODO (later)\n") == "x = 1\n"


def test_many_headings_take_no_time() -> None:
    text = "# Heading\n\nSome words.\n" * 2_000
    assert clean(text) == text


def test_people_leave_a_readme_and_a_packages_json() -> None:
    readme = "# Things\n\nUse it.\n\n## License\n\nAsk Ann.\n\n## More\n\nWords.\n### Authors\nAnn\n"
    assert clean_file("README.md", readme) == "# Things\n\nUse it.\n\n## More\n\nWords.\n"
    told = '{"name": "things", "author": {"name": "Ann"}, "main": "a.js"}'
    assert clean_file("package.json", told) == '{\n  "name": "things",\n  "main": "a.js"\n}\n'
    assert clean_file("a.json", "[1]") == "[1]" and clean_file("a.json", "{ // x") == "{ // x"


def test_public_domain_notices_and_names_in_comments_leave() -> None:
    assert clean("/*\n** The author disclaims copyright to this source code.\n*/\nint a;\n") == "int a;\n"
    assert clean("// Fixed by Ann Onym\nint a;\n") == "int a;\n"
    assert clean("/* Converted to C by Ann Onym */\nint a;\n") == "int a;\n"
    assert clean("<p>Copyright &#169; 2004 Ann Onym</p>\n<p>Words</p>\n") == "<p>Words</p>\n"
    assert clean("// Sorted by name and used by Spring Boot\nint a;\n").startswith("// Sorted")


def test_a_notice_in_a_box_leaves_as_a_whole() -> None:
    box = [
        "Copyright (c) 2014 Ann Onym",
        "",
        "The above notice shall be included in all copies.",
        "It is free.",
    ]
    lines = [f"/* {line:60} */" for line in box]
    assert clean("/" + "*" * 60 + "/\n" + "\n".join(lines) + "\n/* */\nint a;\n") == "int a;\n"
    assert clean("/* One. */\nint a;\n/* Two. */\nint b;\n") == "/* One. */\nint a;\n/* Two. */\nint b;\n"


def test_paragraphs_of_a_licence_leave_each() -> None:
    text = "// MIT License\n\n"
    text += "// The above copyright notice and this permission notice shall be included.\n\nint a;\n"
    assert clean(text).strip() == "int a;"
