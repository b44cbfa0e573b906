"""The wheel and the sdist: what is in them, what an index shows of them, and that they run."""

import json
import os
import subprocess
import tarfile
import tomllib
from email import message_from_string
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from .conftest import ROOT, links, names, text


@pytest.fixture
def metadata(wheel: Path, version: str) -> Message:
    return message_from_string(text(wheel, f"midfill-{version}.dist-info/METADATA"))


def test_the_wheel_holds_what_runs_and_nothing_else(wheel: Path, version: str) -> None:
    found = names(wheel)
    tops = {name.split("/")[0] for name in found}
    assert tops == {
        "_midfill_command.py",
        "midfill_server",
        "midfill_model",
        f"midfill-{version}.dist-info",
    }
    assert not [name for name in found if name.endswith((".pyc", ".pyo", ".orig", ".log"))]
    for package in ("server/midfill_server", "model/midfill_model"):
        files = [it for it in (ROOT / package).rglob("*") if it.is_file() and "__pycache__" not in it.parts]
        assert {str(it.relative_to((ROOT / package).parent)) for it in files} <= found
    assert {"midfill_server/py.typed", "midfill_model/py.typed"} <= found


def test_the_licences_are_in_it_ours_and_the_lists_of_what_the_model_was_trained_on(
    wheel: Path, version: str, metadata: Message
) -> None:
    assert metadata["License-Expression"] == "Apache-2.0"
    lists = (ROOT / "model/midfill_training/text/gather/sources").glob("*.txt")
    wanted = {"LICENSE", *(str(it.relative_to(ROOT)) for it in lists)}
    assert set(metadata.get_all("License-File", [])) == wanted != {"LICENSE"}
    for name in wanted:
        inside = text(wheel, f"midfill-{version}.dist-info/licenses/{name}")
        assert inside == (ROOT / name).read_text("utf-8")


def test_an_index_can_show_all_of_it(metadata: Message, version: str) -> None:
    assert metadata["Author"] == "The Midfill authors"
    assert metadata["Version"] == version
    named = dict(it.split(", ", 1) for it in metadata.get_all("Project-URL", []))
    assert {"Homepage", "Documentation", "Changelog", "Issues"} <= named.keys()
    assert all(url.startswith("https://") for url in named.values())
    classifiers = metadata.get_all("Classifier", [])
    assert any(it.startswith("Operating System ::") for it in classifiers)
    assert any(it.startswith("Programming Language :: Python :: 3.") for it in classifiers)
    page = str(metadata.get_payload())
    assert page.lstrip().startswith("# Midfill")
    assert [it for it in links(page) if not it.startswith(("https://", "#"))] == []
    assert f"/v{version}/editors/" in page


def test_what_the_pages_links_name_is_in_the_repository(metadata: Message, version: str) -> None:
    page = str(metadata.get_payload())
    ours = [it for it in links(page) if f"/v{version}/" in it]
    paths = {it.partition(f"/v{version}/")[2].partition("#")[0] for it in ours}
    assert paths
    assert [it for it in paths if not (ROOT / it).exists()] == []


def test_the_sdist_has_what_its_own_tests_and_pages_need(sdist: Path, version: str) -> None:
    with tarfile.open(sdist) as opened:
        found = {name.removeprefix(f"midfill-{version}/") for name in opened.getnames()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = {"pyproject.toml", "README.md", "CHANGELOG.md", "Makefile", "tests/test_architecture.py"}
    wanted |= {str(it.relative_to(ROOT)) for glob in project["license-files"] for it in ROOT.glob(glob)}
    assert wanted <= found
    assert not [it for it in found if "node_modules" in it or it.endswith((".vsix", ".pyc"))]


def test_the_installed_program_tells_its_version(installed: Path, version: str) -> None:
    done = subprocess.run([installed / "midfill", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"midfill {version}\n"


def test_the_installed_server_answers_an_editor(installed: Path, tmp_path: Path, version: str) -> None:
    messages: list[dict[str, Any]] = [
        {"id": 1, "method": "initialize", "params": {"processId": None, "rootUri": None, "capabilities": {}}},
        {"method": "initialized", "params": {}},
        {"id": 2, "method": "shutdown"},
        {"method": "exit"},
    ]
    bodies = [json.dumps({"jsonrpc": "2.0", **it}).encode() for it in messages]
    sent = b"".join(b"Content-Length: %d\r\n\r\n%s" % (len(it), it) for it in bodies)
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    env = {"PATH": os.defpath, "HOME": str(tmp_path), "MIDFILL_RUNTIME_DIR": str(runtime)}
    done = subprocess.run(
        [installed / "midfill", "serve"], input=sent, capture_output=True, env=env, timeout=120
    )
    assert done.returncode == 0, done.stderr
    answer = next(it for it in answers(done.stdout) if it.get("id") == 1)
    assert answer["result"]["serverInfo"] == {"name": "midfill", "version": version}
    assert "inlineCompletionProvider" in answer["result"]["capabilities"]


def answers(output: bytes) -> list[dict[str, Any]]:
    found = []
    while output:
        head, _, rest = output.partition(b"\r\n\r\n")
        length = int(dict(line.split(": ", 1) for line in head.decode().splitlines())["Content-Length"])
        found.append(json.loads(rest[:length]))
        output = rest[length:]
    return found
