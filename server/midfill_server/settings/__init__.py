"""What a user may set, in the section `midfill`. A wrong value costs one message, never the server."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from midfill_server.settings.faults import (
    GLOB_LIST,
    HEADERS,
    LOCAL,
    OPTION_LIST,
    URLS,
    address_fault,
    addresses_fault,
    engine_options_fault,
    exclude_fault,
    headers_fault,
    languages_fault,
    model_fault,
    no_setting,
    path_fault,
    variable_fault,
)

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
    """auto, demo, lite, lite-gguf, a folder, hub id or .gguf file, `owner/repo:Q4_K_M`; `url`'s own name."""
    engine_options: tuple[str, ...] = ()
    """Options of `midfill engine`: --device, --threads, --cache-mb, --double-quant, --idle-minutes."""
    idle_minutes: int = 60
    """After so many minutes without a request the model leaves the memory; the next key loads it."""
    url: str | tuple[str, ...] | None = None
    """An OpenAI-compatible server, or several in order, the last perhaps `local`; null: the engine here."""
    api_key_env: str | tuple[str, ...] | None = None
    """The NAME of the environment variable that holds the key for `url`; a list: each URL's."""
    api_key_file: str | None = None
    """A file that holds the key and that only its owner can read (0600), instead of a variable."""
    ca_file: str | None = None
    """Certificates in PEM that `url` may have been signed with, beside the system's."""
    proxy: str | None = None
    """An HTTP proxy for `url`, instead of the system's."""
    headers: tuple[tuple[str, str], ...] = ()
    """Further HTTP headers for `url`; a value `$NAME` is that environment variable's."""
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

    @property
    def urls(self) -> tuple[str, ...]:
        """The servers to ask, the best first; `local`, perhaps with a model's name, is the engine here."""
        return (self.url,) if isinstance(self.url, str) and self.url else tuple(self.url or ())

    @property
    def own_model(self) -> str | None:
        """What the engine of this machine is to run; None where servers alone are asked."""
        if not self.urls:
            return self.model
        name, _, model = self.urls[-1].partition(":")
        return (model or "auto") if name == LOCAL else None


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
            complaints.append(f"midfill.{key} {no_setting(key, RULES)}")
        elif complaint := rule(value):
            complaints.append(f"midfill.{key} {complaint}")
        else:
            settings = replace(settings, **{_FIELDS[key]: _frozen(key, value)})
    return settings, complaints


def as_options(settings: Settings) -> dict[str, Any]:
    """What an editor would have sent for them: what is not the default, as JSON has it."""
    differ = {key: getattr(settings, name) for key, name in _FIELDS.items()}
    return {
        key: dict(value) if dict in RULES[key].types else list(value) if isinstance(value, tuple) else value
        for key, value in differ.items()
        if value != getattr(DEFAULTS, _FIELDS[key])
    }


def _frozen(key: str, value: Any) -> Any:
    """A list as a tuple; a map as pairs, of languages with the defaults for what it does not name."""
    if isinstance(value, dict):
        usual = dict(DEFAULTS.languages) if key == "languages" else {}
        return tuple(sorted((usual | value).items()))
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
    "model": Rule("a string", (str,), check=model_fault),
    "engineOptions": Rule(OPTION_LIST, (list,), check=engine_options_fault),
    "idleMinutes": _between(1, 100_000),
    "url": Rule(URLS, (str, list, type(None)), check=addresses_fault),
    "apiKeyEnv": Rule("a string, a list of strings or null", (str, list, type(None)), check=variable_fault),
    "apiKeyFile": Rule("a string or null", (str, type(None)), check=path_fault),
    "caFile": Rule("a string or null", (str, type(None)), check=path_fault),
    "proxy": Rule("a string or null", (str, type(None)), check=address_fault),
    "headers": Rule(f"an object, such as {HEADERS}", (dict,), check=headers_fault),
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
    "languages": Rule('an object, such as {"markdown": true}', (dict,), check=languages_fault),
    "exclude": Rule(GLOB_LIST, (list,), check=exclude_fault),
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
