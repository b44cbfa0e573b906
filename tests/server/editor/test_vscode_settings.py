"""The VS Code extension offers exactly the settings of the server: names, types, ranges, defaults, words."""

import ast
import inspect
import json
from collections.abc import Callable
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from midfill_server import settings
from midfill_server.settings import EDITORS_OWN, RULES, Settings, camel_case

MANIFEST = json.loads((Path(__file__).parents[3] / "editors/vscode/package.json").read_text("utf-8"))
PROPERTIES: dict[str, dict[str, Any]] = MANIFEST["contributes"]["configuration"]["properties"]
DEFAULTS = {camel_case(field.name): field.default for field in fields(Settings)}


def test_the_keys_are_those_of_the_server_and_one_of_its_own() -> None:
    names = [name.removeprefix("midfill.") for name in PROPERTIES]
    assert names == ["command", *DEFAULTS]
    assert "command" in EDITORS_OWN
    assert [it["order"] for it in PROPERTIES.values()] == list(
        range(len(PROPERTIES))
    )  # else VS Code sorts them


def test_no_folder_says_where_code_goes_nor_an_untrusted_one_what_is_sent() -> None:
    of_machine = {
        name.removeprefix("midfill.") for name, it in PROPERTIES.items() if it.get("scope") == "machine"
    }
    way = {"url", "apiKeyEnv", "apiKeyFile", "caFile", "proxy", "headers"}
    assert of_machine == {"command", "model", "engineOptions", "idleMinutes", *way}
    untrusted = MANIFEST["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"]
    assert untrusted == [f"midfill.{key}" for key in ("context", "contextTokens", "dialect", "exclude")]


@pytest.mark.parametrize("key", DEFAULTS)
def test_a_setting_is_the_servers(key: str) -> None:
    offered = PROPERTIES[f"midfill.{key}"]
    default: Any = DEFAULTS[key]
    as_json: dict[Any, Callable[[Any], Any]] = {"array": list, "object": dict}
    assert offered["default"] == (as_json[offered["type"]](default) if type(default) is tuple else default)
    assert offered["markdownDescription"] == descriptions()[key]


@pytest.mark.parametrize("key", DEFAULTS)
def test_what_the_editor_lets_through_the_server_takes(key: str) -> None:
    offered, rule = PROPERTIES[f"midfill.{key}"], RULES[key]
    text = "http://localhost:8000" if key in ("url", "proxy") else "text"
    named = offered["type"] if isinstance(offered["type"], list) else [offered["type"]]
    whole = min(70, offered["maximum"]) if "integer" in named else 70
    types: dict[str, Any] = {"string": text, "integer": whole, "boolean": True, "null": None}
    arrays = {"url": [text, "local"], "apiKeyEnv": ["ONE", "TWO"]}
    types |= {"array": arrays.get(key, ["--threads", "4"])}
    types |= {"object": {"X-Team": "a"} if key == "headers" else {"markdown": True}}
    if "enum" in offered:
        types["string"] = offered["enum"][0]
        assert all(rule(value) is None for value in offered["enum"])
        assert tuple(offered["enum"]) == rule.allowed
    for name, value in types.items():
        assert (rule(value) is None) == (name in named), (name, value)
    for edge, step in (("minimum", -1), ("maximum", 1)):
        assert (edge in offered) == bool({"integer", "number"} & set(named))
        if edge in offered:
            assert rule(offered[edge]) is None
            assert rule(offered[edge] + step) is not None


def descriptions() -> dict[str, str]:
    """The text below each field of Settings, which Python itself does not keep."""
    (made,) = ast.parse(inspect.getsource(settings.Settings)).body
    assert isinstance(made, ast.ClassDef)
    found = {}
    for field, text in pairwise(made.body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            assert isinstance(field.target, ast.Name) and isinstance(text.value, ast.Constant)
            found[camel_case(field.target.id)] = str(text.value.value)
    return found
