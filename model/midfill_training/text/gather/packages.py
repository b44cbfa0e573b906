"""Packages by name: which are used, how they are fetched, what they hold, and what they say of their licence.

Each line of `sources/*.txt` names one with its version and licence. New ones get their lines from what was
downloaded; those that are not permissive, or do not say so, are refused:

    python -m midfill_training.text.gather.packages FILE.whl|FILE.tgz …
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from functools import partial
from importlib.util import find_spec
from pathlib import Path

SOURCES = Path(__file__).with_name("sources")
AT_A_TIME = 4  # downloads
PYTHONS = ("3.13.9", "3.14.3")
"""The versions that a wheel may be for; the first that has one."""
_PLATFORMS = [
    f"manylinux{v}_x86_64"
    for v in ("_2_39", "_2_35", "_2_34", "_2_31", "_2_28", "_2_27", "_2_24", "_2_17", "2014", "1")
]
_ONLY = [word for name in [*_PLATFORMS, "any"] for word in ("--platform", name)]


@dataclass(frozen=True, slots=True)
class Source:
    registry: str  # pypi | npm | python | installed | deb | debsrc
    name: str
    version: str
    licence: str
    heldout: bool
    limit: int  # characters taken at most
    paths: tuple[str, ...] = ()  # what is read of it; all

    @property
    def pinned(self) -> str:
        return f"{self.name}@{self.version}" if self.registry == "npm" else f"{self.name}=={self.version}"


def read_sources(folder: Path = SOURCES) -> list[Source]:
    """All but those that are built for themselves, by `debian/build.py`."""
    paths = sorted(path for path in folder.glob("*.txt") if not path.name.startswith("debian-"))
    return [source for path in paths for source in sources_in(path)]


def sources_in(path: Path) -> list[Source]:
    """Those of one list: `registry name version licence [heldout] [limit=MB] [paths=a,b]` in each line."""
    lines = path.read_text("utf-8").splitlines()
    rows = (line.split() for line in lines if line and not line.startswith("#"))
    return [
        Source(
            registry, name, version, licence, "heldout" in rest,
            next((int(word[6:]) for word in rest if word.startswith("limit=")), 40) * 1_000_000,
            next((tuple(word[6:].split(",")) for word in rest if word.startswith("paths=")), ()),
        )
        for registry, name, version, licence, *rest in rows
    ]  # fmt: skip


def fetch(folder: Path) -> None:
    """Download what is not there with its registry's ordinary client, without running any of its code.

    Prints which versions are gone; the text is then built without them.
    """
    for registry in ("pip", "npm"):
        (folder / registry).mkdir(parents=True, exist_ok=True)
    sources = read_sources()
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        fetched = pool.map(partial(_fetch, folder=folder), sources)
        for source, is_there in zip(sources, fetched, strict=True):
            if not is_there:
                print(f"{source.pinned} is gone", flush=True)


def _fetch(source: Source, folder: Path) -> bool:
    """Whether it is there now, or needs no download."""
    if source.registry == "npm" and not _tarball(source, folder).exists():
        command = ["npm", "pack", "--silent", "--ignore-scripts", source.pinned]
        return subprocess.run(command, cwd=folder / "npm", stdout=subprocess.DEVNULL).returncode == 0
    if source.registry == "pypi" and _wheel(source, folder) is None:
        command = [sys.executable, "-m", "pip", "download", "-q", *_ONLY, "--no-deps", "--only-binary=:all:"]
        command += ["-d", str(folder / "pip"), source.pinned, "--python-version"]
        return any(subprocess.run([*command, python]).returncode == 0 for python in PYTHONS)
    return True


def raw_files(source: Source, folder: Path) -> Iterator[tuple[str, bytes]]:
    """(path, content) of each file of a package, if it was fetched; for npm without its `package/`."""
    if source.registry == "npm":
        tarball = _tarball(source, folder)
        if tarball.exists():
            with tarfile.open(tarball) as archive:
                for member in archive:
                    if member.isfile() and (file := archive.extractfile(member)):
                        yield member.name.partition("/")[2], file.read()
    elif source.registry == "pypi":
        wheel = _wheel(source, folder)
        if wheel is not None:
            with zipfile.ZipFile(wheel) as archive:
                for name in archive.namelist():
                    if not name.endswith("/"):
                        yield name, archive.read(name)
    else:
        root = (
            Path(sysconfig.get_paths()["stdlib"]) if source.registry == "python" else _installed(source.name)
        )
        for path in root.rglob("*"):
            if path.is_file() and "site-packages" not in path.relative_to(root).parts:
                yield path.relative_to(root).as_posix(), path.read_bytes()


def _installed(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"{name} is not installed")
    return Path(spec.origin).parent


def _tarball(source: Source, folder: Path) -> Path:
    stem = source.name.removeprefix("@").replace("/", "-")
    return folder / "npm" / f"{stem}-{source.version}.tgz"


def _wheel(source: Source, folder: Path) -> Path | None:
    stem = re.sub(r"[-_.]+", "[-_.]", source.name)
    pattern = re.compile(rf"{stem}-{re.escape(source.version)}-.*\.whl", re.IGNORECASE)
    return next((path for path in sorted((folder / "pip").iterdir()) if pattern.fullmatch(path.name)), None)


_NAMES = frozenset(
    [
        "mit",
        "mit0",
        "bsd",
        "0bsd",
        "bsd2",
        "bsd3",
        "apache",
        "asl",
        "isc",
        "iscl",
        "psf",
        "python",
        "zlib",
        "libpng",
        "cc0",
    ]
)
_REST = frozenset(
    [
        "the",
        "a",
        "and",
        "or",
        "new",
        "modified",
        "revised",
        "simplified",
        "style",
        "no",
        "attribution",
        "0",
        "1",
        "2",
        "3",
        "4",
        "v",
        "v2",
        "version",
        "1.0",
        "2.0",
        "2.0.0",
        "clause",
        "software",
        "foundation",
        "license",
        "licence",
        "licensed",
        "expat",
        "cmu",
        "with",
        "llvm",
        "exception",
        "spdx",
    ]
)
_TEXTS = {
    "MIT": "permission is hereby granted, free of charge",
    "BSD": "redistribution and use in source and binary forms",
    "Apache-2.0": "apache license version 2.0",
    "ISC": "permission to use, copy, modify, and/or distribute this software for any",
}
_OTHER = re.compile(
    r"\bgnu\b|mozilla public|eclipse public|non-?commercial|commons clause|server side public", re.I
)


def is_permissive(licence: str) -> bool:
    """Whether one choice of an SPDX expression, or a name as people write it, has only permissive words."""
    choices = licence.split(" OR ") if " AND " not in licence else [licence]
    words = [frozenset(re.findall(r"[a-z0-9.]*[a-z0-9]", choice.lower())) for choice in choices]
    return any(it & _NAMES and it <= _NAMES | _REST for it in words)


def told_by(path: Path) -> tuple[str, str, str]:
    """(name, version, licence) of a downloaded package, by its own metadata; "" for no clear licence."""
    if path.suffix == ".tgz":
        with tarfile.open(path) as archive:
            member = next(it for it in archive if re.fullmatch(r"[^/]+/package\.json", it.name))
            file = archive.extractfile(member)
            told = json.loads(file.read()) if file else {}
        licence = told.get("license") or (told.get("licenses") or [""])[0]
        return (
            told["name"],
            told["version"].removeprefix("v"),
            licence["type"] if isinstance(licence, dict) else licence,
        )
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        named = next(name for name in names if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        metadata = Parser().parsestr(wheel.read(named).decode("utf-8", errors="replace"))
        texts = [
            name
            for name in names
            if re.search(r"\.dist-info/(?:licenses/)?(?:LICEN[SC]E|COPYING)[^/]*$", name)
        ]
        text = wheel.read(texts[0]).decode("utf-8", errors="replace") if len(texts) == 1 else ""
    return metadata["Name"], metadata["Version"], _licence(metadata, text)


def _licence(metadata: Message, text: str) -> str:
    classified = [
        it.rpartition(" :: ")[2] for it in metadata.get_all("Classifier", []) if it.startswith("License ::")
    ]
    classified = [it for it in classified if it != "OSI Approved"]
    said = str(metadata["License-Expression"] or " AND ".join(classified) or metadata["License"] or "")
    if said and "\n" not in said and len(said) < 100 and (classified or is_permissive(said)):
        return said
    body = " ".join((said if len(said) > 400 else text).lower().split()).replace(
        "license, version", "license version"
    )
    if (said and len(said) < 100 and _OTHER.search(said)) or _OTHER.search(body[:3_000]):
        return said
    return next((name for name, words in _TEXTS.items() if words in body[:3_000]), said[:60])


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        name, version, licence = told_by(path)
        verdict = "" if is_permissive(licence) else "REFUSED "
        registry = "npm" if path.suffix == ".tgz" else "pypi"
        print(f"{verdict}{registry} {name} {version} {'_'.join(licence.split()) or '?'}")
