"""What is said in several manifests is the same in all: the version stands in one place, addresses agree."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTENSION: dict[str, Any] = json.loads((ROOT / "editors/vscode/package.json").read_text("utf-8"))


def test_the_version_stands_in_the_package_alone() -> None:
    assert "version" in PROJECT["project"]["dynamic"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "server/midfill_server/__init__.py"
    assert EXTENSION["version"] == "0.0.0"  # package.mjs puts the program's there


def test_both_manifests_name_one_repository() -> None:
    urls = PROJECT["project"]["urls"]
    home = urls["Homepage"]
    assert EXTENSION["repository"]["url"] == f"{home}.git"
    assert EXTENSION["bugs"]["url"] == urls["Issues"] == f"{home}/issues"
    assert all(it.startswith(home) for it in (*urls.values(), EXTENSION["homepage"]))
    hook = PROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    assert all(f"({home}/" in it["replacement"] for it in hook["substitutions"])


def test_both_manifests_name_one_licence_and_one_author() -> None:
    assert EXTENSION["license"] == PROJECT["project"]["license"]
    assert [{"name": EXTENSION["author"]}] == PROJECT["project"]["authors"]


def test_users_get_what_runs_and_comparisons_are_an_extra() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    heavy = {"transformers", "bitsandbytes", "accelerate"}
    named = {extra: {re.split(r"[<>=\[]", it)[0] for it in wanted} for extra, wanted in extras.items()}
    assert [extra for extra, names in named.items() if names & heavy] == ["compare"]
    assert heavy <= named["compare"]


def test_no_page_for_users_has_a_link_to_nowhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "editors").rglob("*.md"), *(ROOT / ".github").glob("*.md")]
    pages = [it for it in pages if "node_modules" not in it.parts and "dist" not in it.parts]
    lost = []
    for page in pages:
        prose = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\((?!\w+:)([^)\s]+)", prose):
            path, _, anchor = target.partition("#")
            file = (page.parent / path) if path else page
            if not file.exists() or (anchor and file.is_file() and anchor not in anchors(file)):
                lost.append(f"{page.relative_to(ROOT)}: {target}")
    assert lost == []


def test_make_demo_names_pages_that_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    pages = re.findall(r"editors/[\w/]+\.md", makefile)
    pages += [f"editors/{it}" for it in re.findall(r" \w+=(\w+/README\.md)", makefile)]
    assert len(pages) > 4
    assert [it for it in pages if not (ROOT / it).exists()] == []


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    heads = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", it.lower()).replace(" ", "-") for it in heads}
