import json
import re
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midfill_model.process.main import _parse
from midfill_server.settings import PROSE, RULES, Dialect, Settings, as_options, camel_case, read_settings
from midfill_server.settings.faults import ENGINE_OPTIONS


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
        ("apiKeyEnv", [3]),
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
        ("model", ""),
        ("model", "~no_such_user/model"),
        ("model", "weights\0"),
        ("model", "weights\n"),
        ("model", "\ud800"),
        ("model", "--runtime-dir"),
        ("engineOptions", "--threads 4"),
        ("engineOptions", [4]),
        ("languages", ["markdown"]),
        ("languages", {"markdown": "off"}),
        ("languages", {"markdown": None}),
        ("exclude", "*.csv"),
        ("exclude", [4]),
        ("inComments", True),
        ("inStrings", "words "),
        ("trigger", "explicit"),
    ],
)
def test_a_wrong_value_is_one_complaint_and_the_default(key: str, wrong: Any) -> None:
    settings, complaints = read_settings({key: wrong, "maxTokens": 9} if key != "maxTokens" else {key: wrong})
    assert asdict(settings) == asdict(Settings(max_tokens=64 if key == "maxTokens" else 9))
    assert len(complaints) == 1
    assert complaints[0].startswith(f"midfill.{key} ")


@pytest.mark.parametrize(
    ("key", "wrong", "sentence"),
    [
        ("debounceMs", 10_001, "midfill.debounceMs must be a whole number from 0 to 10000"),
        ("prefixTokens", "64", "midfill.prefixTokens must be a whole number from 16 to 131072 or null"),
        ("multiline", 1, "midfill.multiline must be true or false"),
        ("prefetch", "yes", "midfill.prefetch must be one of auto, on, off"),
        ("apiKeyEnv", "sk-1234", "must be the name of an environment variable"),
        ("engineOptions", ["--threads"], "must have a whole number from 1 to 1024 after --threads"),
        ("engineOptions", ["--threads=0"], "must have a whole number from 1 to 1024 after --threads"),
        ("engineOptions", ["--threads", "9" * 5000], "must have a whole number from 1 to 1024"),
        ("engineOptions", ["--device", "gpu"], "must have auto, cpu or cuda after --device"),
        ("engineOptions", ["--idle-minutes", "nan"], "must have a number above 0 after --idle-minutes"),
        ("engineOptions", ["--double-quant=1"], "must have no value after --double-quant"),
        ("engineOptions", ["--port", "1"], 'does not know "--port"; it is a list of strings'),
        (
            "languages",
            {"go": 1},
            'midfill.languages must be true or false for "go", as in {"markdown": true}',
        ),
        ("languages", [], 'midfill.languages must be an object, such as {"markdown": true}'),
        (
            "exclude",
            ["!"],
            'midfill.exclude has "!", which is no glob; write a list of globs, such as ["*.csv"',
        ),
        ("exclude", ["ok", "[a"], 'midfill.exclude has "[a", which is no glob'),
        ("exclude", ["[z-a]"], 'midfill.exclude has "[z-a]", which is no glob'),
        ("exclude", [""], 'midfill.exclude has "", which is no glob'),
        ("exclude", ["# words"], 'midfill.exclude has "# words", which is no glob'),
        ("exclude", ["*a*a*a*a*a"], "may hold ** 3 times at most, and * 4 times between two slashes"),
        ("exclude", ["**/a/**/b/**/c/**/d"], "may hold ** 3 times at most"),
        ("engineOptions", ["--threads 4"], 'does not know "--threads 4"; it is a list of strings'),
    ],
)
def test_a_complaint_is_a_sentence_that_says_what_to_write(key: str, wrong: Any, sentence: str) -> None:
    _, (complaint,) = read_settings({key: wrong})
    assert sentence in complaint


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("url", ["http://a", "local", "http://b"], 'midfill.url must have "local" as its last'),
        ("url", ["ftp://a"], 'midfill.url has "ftp://a", which must begin with http:// or https://'),
        ("url", ["http://a", 3], "midfill.url must be a string, null, or a list such as"),
        ("headers", {"X Team": "a"}, "midfill.headers must have names of HTTP headers"),
        ("headers", {"X-Team": "a\nb"}, 'midfill.headers must have a text in ASCII for "X-Team"'),
        ("headers", {"Host": "a"}, 'midfill.headers cannot have "Host"'),
        ("proxy", "proxy:3128", "midfill.proxy must begin with http:// or https://"),
        ("apiKeyEnv", ["KEY", "sk-1"], "must be the name of an environment variable"),
    ],
)
def test_several_servers_and_the_way_to_them_are_looked_at(key: str, value: Any, sentence: str) -> None:
    settings, (complaint,) = read_settings({key: value})
    assert settings == Settings() and sentence in complaint


def test_several_servers_are_taken_in_their_order() -> None:
    settings, complaints = read_settings({"url": ["http://a:1", "https://b/v1", "local:lite-gguf"]})
    assert (settings.urls, complaints) == (("http://a:1", "https://b/v1", "local:lite-gguf"), [])


def test_no_secret_of_a_header_or_a_url_is_repeated() -> None:
    for wrong in ({"headers": {"X-Key": "sec\tret"}}, {"url": ["ftp://me:secret@host"]}):
        assert "secret" not in str(read_settings(wrong)[1]) and "sec\tret" not in str(read_settings(wrong)[1])


def test_a_key_given_instead_of_its_variable_is_not_repeated() -> None:
    assert "sk-1234" not in read_settings({"apiKeyEnv": "sk-1234"})[1][0]


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("localhost:8000", "must begin with http:// or https://"),
        ("//localhost:8000", "must begin with http:// or https://"),
        ("ftp://localhost", "must begin with http:// or https://"),
        ("http://", "must name a host"),
        ("https:///v1", "must name a host"),
        ("http://a..b/v1", "must name a host"),
        ("http://999.1.1.1", "must name a host"),
        ("http://user@:80", "must name a host"),
        ("http://localhost:abc", "number from 1 to 65535"),
        ("http://localhost:0", "number from 1 to 65535"),
        ("http://localhost:65536/v1", "number from 1 to 65535"),
        ("http://[::1", "IPv6 host in brackets"),
        ("http://local host", "without spaces"),
        ("http://localhost\n", "without spaces"),
        ("http://b\u00fccher.example", "plain ASCII"),
    ],
)
def test_an_address_that_cannot_be_asked_is_told_when_it_is_set(url: str, part: str) -> None:
    settings, (complaint,) = read_settings({"url": url})
    assert settings.url is None
    assert complaint.startswith("midfill.url must ") and part in complaint


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8000/v1",
        "https://api.deepseek.com/beta",
        "http://[::1]:80",
        "HTTP://10.0.0.1",
        "",
        None,
    ],
)
def test_an_address_is_taken(url: str | None) -> None:
    assert read_settings({"url": url}) == (Settings(url=url), [])


@given(st.from_regex(r"https?://[^/]{0,12}(/.{0,5})?", fullmatch=True) | st.text())
def test_no_address_that_is_taken_fails_before_it_is_asked(url: str) -> None:
    if url and not read_settings({"url": url})[1]:
        host = httpx.Request("GET", url).url.host
        assert host.encode("idna")  # what a resolver is given


@pytest.mark.parametrize(
    "options",
    [
        ["--device", "cpu", "--threads", "2", "--cache-mb", "64"],
        ["--double-quant", "--idle-minutes=0.5"],
    ],
)
def test_the_engine_takes_the_options_that_are_taken(options: list[str]) -> None:
    settings, complaints = read_settings({"engineOptions": options})
    assert (settings.engine_options, complaints) == (tuple(options), [])
    hash(settings)  # a value: nobody else's list is in it
    _parse([*settings.engine_options])


def test_every_engine_option_is_one_of_the_engine(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _parse(["--help"])
    offered = capsys.readouterr().out
    assert all(option in offered for option in ENGINE_OPTIONS)


def test_languages_that_are_not_named_stay_as_they_are_by_default() -> None:
    settings, complaints = read_settings({"languages": {"markdown": True, "python": False}})
    assert not complaints
    assert dict(settings.languages) == dict(Settings().languages) | {"markdown": True, "python": False}
    again, _ = read_settings({"languages": {"go": False}}, settings)
    assert dict(again.languages) == dict(Settings().languages) | {"go": False}
    hash(settings)


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


def test_settings_are_sent_on_as_an_editor_would_have_sent_them() -> None:
    """Each that can be set, with a value that is not its default."""
    given = {
        **{key: not value for key, value in _defaults().items() if isinstance(value, bool)},
        **{key: value + 1 for key, value in _defaults().items() if type(value) is int},
        "engineOptions": ["--threads", "2"],
        "exclude": ["*.sql"],
        "headers": {"X-Team": "a"},
        "languages": {"markdown": True},
        "url": ["http://localhost:1", "local"],
        "apiKeyEnv": "KEY",
        "apiKeyFile": "/key",
        "caFile": "/ca.pem",
        "proxy": "http://localhost:2",
        "confidence": 0.25,
        "prefixTokens": 16,
        "suffixTokens": 16,
        "contextTokens": 16,
        "model": "demo",
        "dialect": "ids",
        "prefetch": "on",
        "inComments": "off",
        "inStrings": "off",
        "trigger": "manual",
        "logLevel": "debug",
    }
    settings, complaints = read_settings(given)
    assert not complaints and given.keys() == RULES.keys()
    sent = json.loads(json.dumps(as_options(settings)))
    assert sent.keys() == RULES.keys() and read_settings(sent) == (settings, [])
    assert as_options(Settings()) == {}


def _defaults() -> dict[str, Any]:
    return {camel_case(it.name): it.default for it in fields(Settings)}


@pytest.mark.parametrize(
    ("settings", "model"),
    [
        (Settings(), "auto"),
        (Settings(model="demo"), "demo"),
        (Settings(model="theirs", url="http://localhost:1"), None),
        (Settings(model="theirs", url=("http://localhost:1", "local")), "auto"),
        (Settings(model="theirs", url=("http://localhost:1", "local:./folder")), "./folder"),
    ],
)
def test_which_model_the_engine_here_runs(settings: Settings, model: str | None) -> None:
    assert settings.own_model == model


def test_all_lists_of_dialects_are_the_same() -> None:
    root = Path(__file__).parents[2]
    dialects = list(get_args(Dialect))
    package = json.loads((root / "editors" / "vscode" / "package.json").read_text("utf-8"))
    of_vscode = [
        part["properties"]["midfill.dialect"]["enum"]
        for part in _all(package["contributes"]["configuration"])
        if "midfill.dialect" in part["properties"]
    ]
    assert of_vscode == [dialects]
    row = next(
        line
        for line in (root / "README.md").read_text("utf-8").splitlines()
        if line.startswith("| `dialect`")
    )
    assert set(re.findall(r"`([a-z]+)`", row)) == {*dialects, "dialect", "url"}
    table = (
        (root / "model" / "ENGINES.md")
        .read_text("utf-8")
        .partition("## The dialects")[2]
        .partition("\n## ")[0]
    )
    assert re.findall(r"^\| `([a-z]+)`", table, re.MULTILINE) == dialects[1:]
    files = (root / "server" / "midfill_server" / "engines" / "dialects").glob("*.py")
    assert {it.stem for it in files} >= set(dialects[1:])


def _all(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_the_readme_names_every_setting() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    section = readme.partition("## Settings")[2].partition("\n## ")[0]
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| `")]
    named = {key: row[1] for row in rows for key in re.findall(r"`(\w+)`", row[0])}
    defaults = {camel_case(it.name): f"`{json.dumps(it.default)}`" for it in fields(Settings)}
    assert named == defaults | {"languages": "prose off", "headers": "`{}`"}
    (row,) = (row for row in rows if row[0] == "| `languages`")
    assert set(PROSE) == set(re.findall(r"`([a-z-]+)`", row[2])) - {"true", "false"}
