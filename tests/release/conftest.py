"""What `make release` has built: these tests look into the files that users get, and run them."""

import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
DIST = ROOT / "dist"


@pytest.fixture(scope="session")
def version() -> str:
    found = re.search(
        r'^__version__ = "(.+)"$', (ROOT / "server/midfill_server/__init__.py").read_text("utf-8"), re.M
    )
    assert found
    return found[1]


def only(pattern: str) -> Path:
    found = list(DIST.glob(pattern))
    assert len(found) == 1, f"dist/{pattern}: {len(found)} files; run `make release`"
    return found[0]


@pytest.fixture(scope="session")
def wheel(version: str) -> Path:
    return only(f"midfill-{version}-py3-none-any.whl")


@pytest.fixture(scope="session")
def sdist(version: str) -> Path:
    return only(f"midfill-{version}.tar.gz")


@pytest.fixture(scope="session")
def vsix(version: str) -> Path:
    return only(f"midfill-{version}.vsix")


def names(archive: Path) -> set[str]:
    with ZipFile(archive) as opened:
        return set(opened.namelist())


def text(archive: Path, name: str) -> str:
    with ZipFile(archive) as opened:
        return opened.read(name).decode()


def links(markdown: str) -> list[str]:
    """The targets of all links and pictures; those of a table's cells, too."""
    return re.findall(r"\]\(([^)\s]+)", re.sub(r"```.*?```|`[^`\n]*`", "", markdown, flags=re.DOTALL))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment that holds the wheel and what it asks for, no extra; its folder of programs."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    programs = folder / ("Scripts" if sys.platform == "win32" else "bin")
    subprocess.run([programs / "python", "-m", "pip", "install", "--quiet", wheel], check=True)
    return programs
