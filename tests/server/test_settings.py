import json
import re
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midfill_server.settings import RULES, Settings, camel_case, read_settings


def test_nothing_said_means_the_defaults() -> None:
    assert read_settings(None) == read_settings({}) == read_settings([]) == (Settings(), [])


def test_values_are_taken_over_with_or_without_the_section() -> None:
    options = {"debounceMs": 10, "multiline": False, "url": None, "prefixTokens": 64}
    wanted = Settings(debounce_ms=10, multiline=False, prefix_tokens=64)
    assert read_settings(options) == (wanted, [])
    assert read_settings({"midfill": options, "other": 1}) == (wanted, [])


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("enabled", 1),
        ("model", None),
        ("url", 3),
        ("apiKeyEnv", ["KEY"]),
        ("dialect", "psm"),
        ("debounceMs", "75"),
        ("debounceMs", True),
        ("debounceMs", -1),
        ("maxTokens", 0),
        ("maxTokens", 1e9),
        ("prefixTokens", 2.5),
        ("suffixTokens", {}),
        ("logLevel", "loud"),
        ("debounce", 75),
    ],
)
def test_a_wrong_value_is_one_complaint_and_the_default(key: str, wrong: Any) -> None:
    settings, complaints = read_settings({key: wrong, "maxTokens": 9} if key != "maxTokens" else {key: wrong})
    assert asdict(settings) == asdict(Settings(max_tokens=64 if key == "maxTokens" else 9))
    assert len(complaints) == 1
    assert complaints[0].startswith(key)


def test_editors_own_keys_are_no_mistake() -> None:
    assert read_settings({"trace": {"server": "off"}}) == (Settings(), [])


def test_every_setting_has_a_rule() -> None:
    assert list(RULES) == [camel_case(field.name) for field in fields(Settings)]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*RULES, "midfill", "x"]), inner),
)


@given(json_values)
def test_no_settings_raise(options: Any) -> None:
    settings, complaints = read_settings(options)
    assert isinstance(settings, Settings)
    assert all(isinstance(complaint, str) for complaint in complaints)


def test_the_readme_names_every_setting() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    section = readme.partition("## Settings")[2].partition("\n## ")[0]
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| `")]
    named = {key: row[1] for row in rows for key in re.findall(r"`(\w+)`", row[0])}
    defaults = {camel_case(it.name): f"`{json.dumps(it.default)}`" for it in fields(Settings)}
    assert named == defaults
