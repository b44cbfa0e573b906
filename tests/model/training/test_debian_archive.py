"""Debian's packages: what their copyright file allows is read, by path, and nothing else."""

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from midfill_training.text.gather.debian import archive
from midfill_training.text.gather.packages import Source

COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2020 Ann Onym
License: Expat

Files: tools/*
 extra/one.c
Copyright: 2020 Ann Onym
License: GPL-2+

Files: tools/free/*
Copyright: 2020 Ann Onym
License: BSD-3-clause

License: GPL-2+
 On Debian systems the text is in /usr/share/common-licenses.
"""


@pytest.mark.parametrize(
    "licence",
    ["Expat", "MIT", "BSD-3-Clause", "Apache-2.0", "Apache-2.0 or GPL-2", "GPL-2+ or Expat",
     "MIT and BSD-2-clause",
     "public-domain", "Zlib", "BSL-1.0", "ISC", "PostgreSQL", "Apache-2.0 with LLVM exception", "CC0-1.0"],
)  # fmt: skip
def test_permissive_licences_are_known(licence: str) -> None:
    assert archive.is_permissive(licence)


@pytest.mark.parametrize(
    "licence",
    ["GPL-2+", "LGPL-2.1", "MPL-2.0", "Expat and GPL-2", "EPL-1.0 or GPL-2 with Classpath exception", 
     "CC-BY-SA-3.0",     "AGPL-3", "CDDL-1.1", "Artistic or GPL-1+", "BUSL-1.1", "", "other"],
)  # fmt: skip
def test_other_licences_are_refused(licence: str) -> None:
    assert not archive.is_permissive(licence)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("src/one.c", True), ("tools/one.c", False), ("tools/free/one.c", True), ("extra/one.c", False)],
)
def test_the_last_rule_that_fits_tells(path: str, allowed: bool) -> None:
    found = archive.licences(COPYRIGHT)
    assert found is not None
    assert found.allow(path) is allowed


def test_in_a_binary_package_the_paths_begin_anywhere() -> None:
    found = archive.licences(COPYRIGHT, anywhere=True)
    assert found is not None
    assert not found.allow("example.com/onym/tools/one.go")
    assert found.allow("example.com/onym/one.go")


def test_a_package_without_a_clear_licence_is_refused() -> None:
    assert archive.licences("") is None
    assert archive.licences("This is free software under the GNU General Public License.") is None
    assert archive.licences(COPYRIGHT.replace("Expat", "GPL-3").replace("BSD-3-clause", "GPL-3")) is None
    told = archive.licences("Permission is hereby granted, free of charge, to any person")
    assert told is not None and told.allow("one.c")


def test_a_source_package_gives_its_permissive_files(tmp_path: Path) -> None:
    source = Source("debsrc", "onym", "1:2.0-3", "Expat", heldout=False, limit=1)
    (tmp_path / "src").mkdir()
    pack(tmp_path / "src/onym_2.0-3.debian.tar.xz", {"debian/copyright": COPYRIGHT})
    files = {
        "onym-2.0/src/one.c": "int one;",
        "onym-2.0/tools/two.c": "int two;",
        "onym-2.0/src/three.c": "/* under the GNU Lesser General Public License */",
        "onym-2.0/README": "words",
        "onym-2.0/debian/four.c": "int four;",
    }
    pack(tmp_path / "src/onym_2.0.orig.tar.xz", files)
    read = dict(archive.raw_files(source, tmp_path, lambda path: path.endswith(".c")))
    assert read == {"src/one.c": b"int one;"}


def test_a_binary_package_gives_its_sources(tmp_path: Path) -> None:
    source = Source("deb", "golang-onym-dev", "2.0-3", "Expat", heldout=False, limit=1)
    tree = tmp_path / "tree"
    for path, text in {
        "DEBIAN/control": "Package: golang-onym-dev\nVersion: 2.0-3\nArchitecture: all\n"
        "Maintainer: nobody <n@example.com>\n"
        "Description: nothing\n",
        "usr/share/doc/golang-onym-dev/copyright": COPYRIGHT,
        "usr/share/gocode/src/example.com/onym/one.go": "package onym",
        "usr/share/gocode/src/example.com/onym/tools/two.go": "package tools",
    }.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    (tmp_path / "deb").mkdir()
    deb = tmp_path / "deb/golang-onym-dev_2.0-3_all.deb"
    command = ["dpkg-deb", "--build", "--root-owner-group", str(tree), str(deb)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    read = dict(archive.raw_files(source, tmp_path, lambda path: path.endswith(".go")))
    assert read == {"example.com/onym/one.go": b"package onym"}


def pack(path: Path, files: dict[str, str]) -> None:
    with tarfile.open(path, "w:xz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
