"""Which files of which packages become training text."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from midfill_training.text.gather.corpus import compiled, files_of, kind_of, write
from midfill_training.text.gather.packages import Source, is_permissive, read_sources, told_by


def code(name: str, lines: int = 40) -> str:
    return "".join(f"{name}_{i} = compute_{name}({i})\n" for i in range(lines))


def wheel_of(folder: Path, name: str, files: dict[str, str], metadata: str = "") -> Source:
    (folder / "pip").mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / "pip" / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
        wheel.writestr(f"{name}-1.0.dist-info/METADATA", f"Name: {name}\nVersion: 1.0\n{metadata}\n")
    return Source("pypi", name, "1.0", "MIT", heldout=False, limit=1_000_000)


def tarball_of(folder: Path, name: str, files: dict[str, str]) -> Source:
    (folder / "npm").mkdir(exist_ok=True)
    with tarfile.open(folder / "npm" / f"{name}-1.0.0.tgz", "w:gz") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(f"package/{path}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return Source("npm", name, "1.0.0", "MIT", heldout=False, limit=1_000_000)


def test_the_splits_hold_each_line_once_and_few_tests(tmp_path: Path) -> None:
    held = wheel_of(tmp_path, "held", {"held/a.py": code("apple"), "held/tests/test_a.py": code("trial")})
    tests = {f"own/tests/test_{n}.py": code(f"trial{n}", 20) for n in range(9)}
    files = {"own/b.py": code("berry", 80), "own/copy.py": code("apple"), "own/_vendor/c.py": code("cherry")}
    own = wheel_of(tmp_path, "own", files | tests)
    write([Source("pypi", "held", "1.0", "MIT", heldout=True, limit=held.limit), own], tmp_path)
    assert (tmp_path / "heldout_packages.txt").read_text() == f"python held/held/a.py\n{code('apple')}\x00"
    train = (tmp_path / "train.txt").read_text()
    assert train.startswith(f"python own/own/b.py\n{code('berry', 80)}\x00")
    assert "apple" not in train and "cherry" not in train
    taken = train.count("own/tests/")
    assert 1 <= taken <= 3 and train.count("\x00") == 1 + taken


def test_what_is_made_of_other_files_is_left_out(tmp_path: Path) -> None:
    sources = [f"src/{name}.ts" for name in ("one", "two", "three")]
    made = ["dist/one.js", "dist/one.d.ts", "lib.esm/two.js", "src/one.js", "src/one.d.ts", "_types/x.d.ts"]
    assert compiled([*sources, *made, "index.js", "scripts/run.js"]) == frozenset(made)
    assert compiled(["lib/one.js", "index.js", "types/index.d.ts"]) == frozenset()
    assert compiled([f"src/{n}.js" for n in range(3)] + ["dist/all.js"]) == {"dist/all.js"}
    assert compiled(["lib/a.ts", "lib/b.tsx", "lib/c.ts", "lib/d.js"]) == {"lib/d.js"}
    files = {path: code(str(n) + "part") for n, path in enumerate([*sources, *made])}
    assert [path for path, _ in files_of(tarball_of(tmp_path, "scripts", files), tmp_path)] == sorted(sources)


@pytest.mark.parametrize(
    ("path", "registry", "kind"),
    [
        ("a/b.py", "pypi", "code"),
        ("a/tests/b.py", "pypi", "test"),
        ("a/test_b.py", "pypi", "test"),
        ("a/static/b.js", "pypi", "beside"),
        ("src/b.spec.ts", "npm", "test"),
        ("src/contest.ts", "npm", "code"),
        ("src/b.d.ts", "npm", "declared"),
        ("README.md", "npm", "beside"),
        ("tsconfig.build.json", "npm", "beside"),
    ],
)
def test_what_a_path_tells(path: str, registry: str, kind: str) -> None:
    assert kind_of(path, registry) == kind


@pytest.mark.parametrize(
    "licence",
    [
        "MIT",
        "MIT License",
        "BSD-3-Clause",
        "BSD 3-Clause License",
        "Apache Software License",
        "Apache License, Version 2.0",
        "ISC License (ISCL)",
        "MIT OR GPL-3.0",
        "(MIT OR GPL-2.0)",
        "Apache-2.0 WITH LLVM-exception",
        "MIT AND 0BSD",
        "Python Software Foundation License",
        "zlib/libpng License",
    ],
)
def test_permissive(licence: str) -> None:
    assert is_permissive(licence)


@pytest.mark.parametrize(
    "licence",
    [
        "",
        "GPL-3.0",
        "MIT AND GPL-2.0",
        "LGPL",
        "MPL-2.0",
        "MIT and GPL",
        "SEE LICENSE IN LICENSE.md",
        "UNLICENSED",
        "Other/Proprietary License",
        "Apache-2.0 AND (MIT OR GPL-2.0)",
        "Elastic-2.0",
        "License",
        "BUSL-1.1",
    ],
)
def test_not_permissive(licence: str) -> None:
    assert not is_permissive(licence)


def test_a_wheel_tells_its_licence(tmp_path: Path) -> None:
    told = "Classifier: License :: OSI Approved :: MIT License"
    wheel_of(tmp_path, "clear", {}, told)
    wheel_of(tmp_path, "unclear", {"unclear-1.0.dist-info/LICENSE": "Ask us."})
    text = "Permission is hereby granted, free of charge, to any person"
    wheel_of(tmp_path, "shown", {"shown-1.0.dist-info/LICENSE": text})
    names = ("clear", "unclear", "shown")
    licences = [told_by(tmp_path / "pip" / f"{name}-1.0-py3-none-any.whl")[2] for name in names]
    assert licences == ["MIT License", "", "MIT"]


def test_every_source_is_named_once() -> None:
    sources = read_sources()
    assert len({(it.registry, it.name.lower()) for it in sources}) == len(sources)
    assert sum(it.heldout for it in sources if it.registry == "pypi") == 11
    assert sum(it.heldout for it in sources if it.registry == "npm") >= 6
