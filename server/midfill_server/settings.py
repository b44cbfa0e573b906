"""What a user may set, in the section `midfill`. A wrong value costs one message, never the server."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

Dialect = Literal["auto", "midfill", "ids", "infill", "rendered", "suffix", "ollama", "mistral"]
Prefetch = Literal["auto", "on", "off"]
Places = Literal["on", "words", "off"]
Trigger = Literal["auto", "manual"]
LogLevel = Literal["debug", "info", "warning", "error"]


PROSE = (  # LSP's names, and those that Vim, Helix and Emacs have for the same
    *("asciidoc", "git-commit", "git-rebase", "gitcommit", "gitrebase", "log", "mail", "markdown", "norg"),
    *("org", "plaintext", "restructuredtext", "rst", "text"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Keys are camelCase in editors: `debounce_ms` is `midfill.debounceMs`."""

    enabled: bool = True
    """Turn suggestions on or off."""
    model: str = "auto"
    """auto, demo, lite, a folder, a hub id; with `url`: the name that the server knows it by."""
    engine_options: tuple[str, ...] = ()
    """Options of `midfill engine`: --device, --threads, --cache-mb, --double-quant, --idle-minutes."""
    url: str | None = None
    """An OpenAI-compatible server, such as http://localhost:8000/v1; empty: the engine of this machine."""
    api_key_env: str | None = None
    """The NAME of the environment variable that holds the key for `url`."""
    dialect: Dialect = "auto"
    """How the prompt is sent to `url`; auto: as the server says of itself."""
    debounce_ms: int = 75
    """Longest pause after a key before the model is asked, in ms; an idle engine is asked sooner."""
    prefetch: Prefetch = "auto"
    """Fetch the next suggestion while you read this one; auto: where this machine's engine has a GPU."""
    alternatives: int = 3
    """How many different texts there are to choose from, at most, when you ask with a key."""
    confidence: float = 0.55
    """How probable ghost text has to be, from 0 to 1: it ends where the model is less sure; 0 shows all."""
    max_tokens: int = 64
    """The longest completion, in tokens; a token is a short word or a part of a longer one."""
    prefix_tokens: int | None = None
    """How many tokens are sent from before the cursor; empty: as many as the model was made for."""
    suffix_tokens: int | None = None
    """How many tokens are sent from after the cursor; empty: as many as the model was made for."""
    context: bool = True
    """Send parts of other files in the workspace too, never secrets or files that git ignores."""
    context_tokens: int | None = None
    """How many tokens of other files are sent; empty: as many as the model was made for."""
    multiline: bool = True
    """Offer more than one line where that makes sense."""
    languages: tuple[tuple[str, bool], ...] = tuple((name, False) for name in PROSE)
    """In which languages to offer text while you type, by the editor's names of them; `*`: all others."""
    exclude: tuple[str, ...] = ()
    """Files to leave alone, globs as in a .gitignore: no completions there, and nothing of them is sent."""
    in_comments: Places = "on"
    """In comments: on, words (no more than the rest of the line), or off."""
    in_strings: Places = "on"
    """In strings, docstrings too: on, words (no more than the rest of the line), or off."""
    trigger: Trigger = "auto"
    """auto: while you type; manual: only when you ask with a key."""
    statistics: bool = True
    """Count on this machine what was offered and accepted, and how fast; never a user's text, never sent."""
    log_level: LogLevel = "warning"
    """What goes to stderr; never a user's text."""


DEFAULTS = Settings()


def read_settings(options: object, base: Settings = DEFAULTS) -> tuple[Settings, list[str]]:
    """Settings and complaints from what the editor sent: the options, alone or inside {"midfill": …}.

    What is missing or wrong stays as it is in `base`. A complaint is a sentence without its full stop.
    """
    if isinstance(options, Mapping) and "midfill" in options:
        options = options["midfill"]
    if options is None or options == []:  # an empty table of Lua is sent as a list
        return base, []
    if not isinstance(options, Mapping):
        return base, ['midfill must be an object, such as {"debounceMs": 75}']
    settings, complaints = base, []
    for key, value in options.items():
        if key in EDITORS_OWN:
            continue
        if (rule := RULES.get(key)) is None:
            complaints.append(f"midfill.{key} is not a setting")
        elif complaint := rule(value):
            complaints.append(f"midfill.{key} {complaint}")
        else:
            settings = replace(settings, **{_FIELDS[key]: _frozen(value)})
    return settings, complaints


def _frozen(value: Any) -> Any:
    """A list as a tuple; a map, of languages, as pairs, with the defaults for what it does not name."""
    if isinstance(value, dict):
        return tuple(sorted((dict(DEFAULTS.languages) | value).items()))
    return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class Rule:
    """Called with a value, it says what the value must be; None when the value is right."""

    wanted: str
    types: tuple[type, ...]
    allowed: tuple[str, ...] = ()
    check: Callable[[Any], str | None] = lambda _: None
    """What is wrong with a value of the right type, which is not null."""

    def __call__(self, value: Any) -> str | None:
        right_type = type(value) in self.types  # exactly: true is no whole number here
        if not right_type or (self.allowed and value not in self.allowed):
            return f"must be {self.wanted}"
        return None if value is None else self.check(value)


def _one_of(*allowed: str) -> Rule:
    return Rule("one of " + ", ".join(allowed), (str,), allowed)


def _between(low: int, high: int, *, null: bool = False) -> Rule:
    wanted = f"a whole number from {low} to {high}{' or null' * null}"
    types = (int, type(None)) if null else (int,)
    return Rule(wanted, types, check=lambda value: None if low <= value <= high else f"must be {wanted}")


def _model_fault(model: str) -> str | None:
    """Finds now what would fail only when a key starts the engine."""
    if not model:
        return "must not be empty"
    if not model.isprintable() or model.startswith("-"):
        return "must be auto, demo, lite, a model's folder or a hub id"
    try:
        Path(model).expanduser()
    except RuntimeError:
        return "begins with the home of a user who is not known here: give the whole path of the folder"
    return None


def _address_fault(url: str) -> str | None:
    """Finds now what the HTTP client, or the system's resolver, would refuse only when a key is pressed."""
    if not url:  # an empty field in an editor's settings: the same as null
        return None
    example = "such as http://localhost:8000/v1"
    if not url.isascii() or not url.isprintable() or " " in url:
        return f"must be an address in plain ASCII without spaces, {example}"
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:  # a bracket that is not closed, or holds no IPv6 address
        return f"must have an IPv6 host in brackets, such as http://[::1]:8000/v1, or another host, {example}"
    if parts.scheme not in ("http", "https"):
        wish = example if "://" in url else f"such as http://{url.lstrip('/')}"
        return f"must begin with http:// or https://, {wish}"
    if not _is_host(host):
        return f"must name a host after {parts.scheme}://, {example}"
    try:
        has_port = parts.port != 0
    except ValueError:
        has_port = False
    return None if has_port else f"must have a number from 1 to 65535 as its port, {example}"


def _is_host(host: str) -> bool:
    if ":" in host or re.fullmatch(r"[0-9.]+", host):
        try:
            ip_address(host)
        except ValueError:
            return False
        return True
    return len(host) < 254 and all(
        re.fullmatch(r"[\w-]{1,63}", label) for label in host.rstrip(".").split(".")
    )


def _is_whole(low: int, high: int) -> Callable[[str], bool]:
    return lambda text: re.fullmatch("[0-9]{1,9}", text) is not None and low <= int(text) <= high


def _is_duration(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text) is not None and float(text) > 0


ENGINE_OPTIONS: dict[str, tuple[str, Callable[[str], bool]] | None] = {
    "--device": ("auto, cpu or cuda", ("auto", "cpu", "cuda").__contains__),
    "--threads": ("a whole number from 1 to 1024", _is_whole(1, 1024)),
    "--cache-mb": ("a whole number from 1 to 1000000", _is_whole(1, 1_000_000)),
    "--double-quant": None,
    "--idle-minutes": ("a number above 0", _is_duration),
}
"""Option of `midfill engine` -> (what must follow it, whether a text is that); None: nothing follows."""


def _engine_options_fault(options: list[Any]) -> str | None:
    if not all(isinstance(option, str) for option in options):
        return f"must be {_OPTION_LIST}"
    rest = iter(options)
    for option in rest:
        name, joined, value = option.partition("=")
        if name not in ENGINE_OPTIONS:
            return (
                f'does not know "{option[:60]}"; it is {_OPTION_LIST}, and knows {", ".join(ENGINE_OPTIONS)}'
            )
        if (follows := ENGINE_OPTIONS[name]) is None:
            if joined:
                return f"must have no value after {name}"
        elif not follows[1](value if joined else next(rest, "")):
            return f"must have {follows[0]} after {name}"
    return None


def _languages_fault(languages: dict[Any, Any]) -> str | None:
    for name, value in languages.items():
        if type(value) is not bool:
            return f'must be true or false for "{str(name)[:60]}", as in {{"markdown": true}}'
    return None


def _exclude_fault(globs: list[Any]) -> str | None:
    if not all(isinstance(glob, str) for glob in globs):
        return f"must be {_GLOB_LIST}"
    if globs:
        from midfill_server.context.ignored import glob_fault

        for glob in globs:
            if fault := glob_fault(glob):
                return f'has "{glob[:60]}", which {fault}; write {_GLOB_LIST}'
    return None


def _variable_fault(name: str) -> str | None:
    """A key that was pasted here by mistake is not repeated in the message."""
    is_name = re.fullmatch(r"([A-Za-z_][A-Za-z0-9_]*)?", name)
    return (
        None
        if is_name
        else "must be the name of an environment variable, such as OPENAI_API_KEY, not the key"
    )


_OPTION_LIST = 'a list of strings, such as ["--threads", "4"]'
_GLOB_LIST = 'a list of globs, such as ["*.csv", "generated/"]'
_BOOLEAN = Rule("true or false", (bool,))

EDITORS_OWN = (
    "command",  # which program VS Code is to start
    "trace",  # vscode-languageclient keeps `midfill.trace.server` in the same section
    *("editorInfo", "editorPluginInfo", "copilotCapabilities"),  # copilot-language-server's, from its clients
    *("editorConfiguration", "networkProxy", "telemetry", "http", "github", "github-enterprise"),
    "nextEditSuggestions",
)

RULES: dict[str, Rule] = {
    "enabled": _BOOLEAN,
    "model": Rule("a string", (str,), check=_model_fault),
    "engineOptions": Rule(_OPTION_LIST, (list,), check=_engine_options_fault),
    "url": Rule("a string or null", (str, type(None)), check=_address_fault),
    "apiKeyEnv": Rule("a string or null", (str, type(None)), check=_variable_fault),
    "dialect": _one_of(*get_args(Dialect)),
    "debounceMs": _between(0, 10_000),
    "prefetch": _one_of("auto", "on", "off"),
    "alternatives": _between(1, 5),
    "confidence": Rule(
        "a number from 0 to 1",
        (int, float),
        check=lambda value: None if 0 <= value <= 1 else "must be a number from 0 to 1",
    ),
    "maxTokens": _between(1, 1024),
    "prefixTokens": _between(16, 131_072, null=True),
    "suffixTokens": _between(0, 32_768, null=True),
    "context": _BOOLEAN,
    "contextTokens": _between(0, 32_768, null=True),
    "multiline": _BOOLEAN,
    "languages": Rule('an object, such as {"markdown": true}', (dict,), check=_languages_fault),
    "exclude": Rule(_GLOB_LIST, (list,), check=_exclude_fault),
    "inComments": _one_of("on", "words", "off"),
    "inStrings": _one_of("on", "words", "off"),
    "trigger": _one_of("auto", "manual"),
    "statistics": _BOOLEAN,
    "logLevel": _one_of("debug", "info", "warning", "error"),
}


def camel_case(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


_FIELDS = {camel_case(field.name): field.name for field in fields(Settings)}
