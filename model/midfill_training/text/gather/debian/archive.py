"""Debian's packages: how they are fetched, what they hold, which files have a permissive licence.

Knows apt's files and `debian/copyright`, nothing of languages. A binary package (`deb`) is for libraries that
are shipped as source, as Go's and Rust's are; a source package (`debsrc`) for the rest. Nothing is installed
or run.
"""

from __future__ import annotations

import fnmatch
import re
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from midfill_training.text.gather.packages import Source

_APT = """\
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "{folder}/lists";
Dir::Cache "{folder}/cache";
APT::Sandbox::User "root";
"""
_SUITES = ("trixie", "bookworm")
_KEYS = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
_AT_A_TIME = 25  # packages for one call of apt-get
_ROOTS = re.compile(
    r"^\./usr/(?:share/(?:gocode/src|cargo/registry|go-[\d.]+|php|rubygems-integration/\w+/gems)"
    r"|src|lib/ruby/vendor_ruby|share|lib/[\w.-]+)/"
)


def fetch(sources: list[Source], folder: Path) -> None:
    """Download all of them, with lists and settings of apt's own under `folder`.

    A mirror may lack a source package's `.dsc` or packaging: then its binary package tells the licences.
    """
    for part in ("lists/partial", "cache/archives/partial", "deb", "src", "binary", "copyright"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    mirror = _mirror()
    lines = [f"{kind} {_KEYS} {mirror} {suite} main\n" for suite in _SUITES for kind in ("deb", "deb-src")]
    (folder / "sources.list").write_text("".join(lines))
    (folder / "apt.conf").write_text(_APT.format(folder=folder.resolve()))
    _apt(folder, "apt-get", "update")
    commands = {"deb": ("deb", ["download"]), "debsrc": ("src", ["source", "--download-only"])}
    for registry, (place, command) in commands.items():
        names = [f"{it.name}={it.version}" for it in sources if it.registry == registry]
        for n in range(0, len(names), _AT_A_TIME):
            _apt(folder / place, "apt-get", *command, *names[n : n + _AT_A_TIME])
    for source in sources:
        if source.registry == "debsrc" and not _archives(source, folder, f"{_upstream(source)}.debian"):
            _fetch_copyright(source, folder)


def _mirror() -> str:
    """Where this machine's own apt has Debian's packages from."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    return next(it for it in found if it.rstrip("/").endswith("/debian"))


def _fetch_copyright(source: Source, folder: Path) -> None:
    told = _apt(folder, "apt-cache", "showsrc", "--only-source", source.name)
    binaries = re.search(r"^Binary: (.*)", told, re.M)
    for name in binaries[1].split(", ") if binaries else ():
        _apt(folder / "binary", "apt-get", "download", name)
        for deb in (folder / "binary").glob(f"{name}_*.deb"):
            if found := [content for _, content in _members(deb, _is_copyright)]:
                (folder / "copyright" / source.name).write_bytes(found[0])
                return


def _apt(folder: Path, tool: str, *words: str) -> str:
    """What it prints. One package that is missing must not stop the rest."""
    top = next(it for it in (folder, *folder.resolve().parents) if (it / "apt.conf").exists())
    environment = {"APT_CONFIG": str(top.resolve() / "apt.conf"), "PATH": "/usr/bin:/bin"}
    command = [tool, "-q=2", *words]
    return subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True).stdout


def raw_files(source: Source, folder: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """(path, content) of each file that is wanted by its path and under a permissive licence."""
    licences = licences_of(source, folder)
    if licences is None:
        return
    for path, content in _unpacked(source, folder, wanted):
        if licences.allow(path) and not _COPYLEFT.search(content[:4_000].decode("utf-8", errors="replace")):
            yield path, content


@dataclass(frozen=True, slots=True)
class Licences:
    """Which of a package's files are under a permissive licence: the last rule that fits tells."""

    rules: tuple[tuple[re.Pattern[str], bool], ...]

    def allow(self, path: str) -> bool:
        return next((good for pattern, good in reversed(self.rules) if pattern.fullmatch(path)), False)


def licences_of(source: Source, folder: Path) -> Licences | None:
    """What `debian/copyright` tells; None where nothing is clearly permissive."""
    text = _copyright(source, folder)
    return licences(text, anywhere=source.registry == "deb")


def licences(text: str, anywhere: bool = False) -> Licences | None:
    """The rules of a `debian/copyright`; `anywhere`: its paths may begin below others."""
    rules: list[tuple[re.Pattern[str], bool]] = []
    for stanza in re.split(r"\n\s*\n", text):
        files = re.search(r"^Files:((?:.*\n?)(?:[ \t].*\n?)*)", stanza, re.M | re.I)
        licence = re.search(r"^License:[ \t]*(.*)$", stanza, re.M | re.I)
        if files and licence:
            globs = "|".join(fnmatch.translate(it.rstrip(",")) for it in files[1].split())
            start = "(?:.*/)?" if anywhere else ""
            rules.append((re.compile(f"{start}(?:{globs})"), is_permissive(licence[1])))
    if rules:
        return Licences(tuple(rules)) if any(good for _, good in rules) else None
    body = " ".join(text.split())
    if not text or _COPYLEFT.search(body) or not _PERMISSIVE_TEXT.search(body):
        return None
    return Licences(((re.compile(".*", re.S), True),))


def is_permissive(licence: str) -> bool:
    """Whether one choice of a licence's short name is wholly permissive."""
    choices = re.split(r"\s+(?:and/)?or\s+|\s*\|\s*", licence.strip(), flags=re.I)
    return any(
        all(
            _PERMISSIVE.match(part.strip(" ,()"))
            for part in re.split(r"\s+and\s+|,\s*", choice, flags=re.I)
            if part.strip(" ,()")
        )
        and not _COPYLEFT_NAME.search(choice)
        and bool(choice.strip(" ,()"))
        for choice in choices
    )


_PERMISSIVE = re.compile(
    r"(?:mit|expat|(?:0|.*-)?bsd|.*-(?:mit|expat)$|apache|asl|isc|zlib|bsl|boost|psf|python|postgresql|php|public|pd$|cc0"
    r"|unlicen[sc]e|unicode|icu|curl|x11|ntp|hpnd|ftl|freetype|libpng|ijg|ncsa|uiuc|llvm|w3c|edl|upl|tcl|wtfpl|bouncy"
    r"|openldap|libtiff|blessing|info-?zip|permissive|go$|google|jsch|ietf|rsa|nist|mirbsd|miros|json-?org|zsh$)",
    re.I,
)
_COPYLEFT_NAME = re.compile(
    r"gpl|mpl|epl|cddl|cc-by|artistic|ofl|cecill|qpl|sleepycat|eupl|osl|ms-pl|gfdl|npl|sspl|busl|non-?comm",
    re.I,
)
_COPYLEFT = re.compile(
    r"GNU\s+(?:\W\s*)*(?:Lesser|Library|Affero)?\s*General\s+Public|\b[AL]?GPL\b|\b[AL]?GPL-?v?[23]"
    r"|Mozilla\s+Public|\bMPL\b|Eclipse\s+Public|Common\s+Development\s+and\s+Distribution|\bCDDL\b|Creative\s+Commons\s+Attribution"
    r"|Business\s+Source|Server\s+Side\s+Public|Common\s+Public\s+License|proprietary\s+and\s+confidential",
    re.I,
)
_PERMISSIVE_TEXT = re.compile(
    r"permission is hereby granted, free of charge|redistribution and use in source and binary"
    r"|Apache License|permission to use, copy, modify|public domain|PostgreSQL|PHP License|provided 'as-is'",
    re.I,
)


def _copyright(source: Source, folder: Path) -> str:
    apart = folder / "copyright" / source.name  # of the package's binary, where the archive lacks the other
    if apart.exists():
        return apart.read_text("utf-8", errors="replace")
    if source.registry == "deb":
        found = list(_members(_deb(source, folder), _is_copyright))
    else:
        found = list(_tarred(_packaging(source, folder), _is_copyright))
    return found[0][1].decode("utf-8", errors="replace") if found else ""


def _is_copyright(path: str) -> bool:
    return bool(re.search(r"(^|/)debian/copyright$|/share/doc/[^/]+/copyright$", path))


def _unpacked(source: Source, folder: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    if source.registry == "deb":
        for path, content in _members(_deb(source, folder), wanted):
            if _ROOTS.match(path):
                yield _ROOTS.sub("", path), content
    else:
        for path, content in _tarred(_original(source, folder), wanted):
            inner = path.removeprefix("./").partition("/")[2]
            if inner and not inner.startswith("debian/"):
                yield inner, content


def _members(deb: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    with (
        subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as unpacking,
        tarfile.open(fileobj=unpacking.stdout, mode="r|") as archive,
    ):
        yield from _read(archive, wanted)


def _tarred(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path, mode="r|*") as archive:
        yield from _read(archive, wanted)


def _read(archive: tarfile.TarFile, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    for member in archive:
        if member.isfile() and member.size < _LARGEST and wanted(member.name):
            file = archive.extractfile(member)
            if file:
                yield member.name, file.read()


_LARGEST = 1_600_000  # bytes of one file


def _deb(source: Source, folder: Path) -> Path:
    version = source.version.replace(":", "%3a")
    return next((folder / "deb").glob(f"{source.name}_{version}_*.deb"))


def _upstream(source: Source) -> str:
    return source.version.partition(":")[2] or source.version


def _original(source: Source, folder: Path) -> Path:
    version = _upstream(source)
    found = [
        *_archives(source, folder, f"{version.rpartition('-')[0] or version}.orig"),
        *_archives(source, folder, version),
    ]
    return found[0]


def _packaging(source: Source, folder: Path) -> Path:
    version = _upstream(source)
    return [*_archives(source, folder, f"{version}.debian"), *_archives(source, folder, version)][0]


def _archives(source: Source, folder: Path, what: str) -> list[Path]:
    found = sorted((folder / "src").glob(f"{source.name}_{what}.tar.*"))
    return [path for path in found if path.suffix != ".asc"]
