"""What a user may set, in the section `midfill`. Wrong values cost one message, never the server."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

Dialect = Literal["auto", "suffix", "rendered"]
Prefetch = Literal["auto", "on", "off"]
LogLevel = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Keys are camelCase in editors: `debounce_ms` is `midfill.debounceMs`."""

    enabled: bool = True
    """Offer completions at all."""
    model: str = "auto"
    """auto, demo, lite, a folder, a hub id; with `url`: the name that the server knows it by."""
    url: str | None = None
    """An OpenAI-compatible server, such as http://localhost:8000/v1; null: the engine of this machine."""
    api_key_env: str | None = None
    """The NAME of the environment variable that holds the key for `url`."""
    dialect: Dialect = "auto"
    """How `url` takes fill-in-the-middle: prompt and suffix, or one rendered prompt."""
    debounce_ms: int = 75
    """The longest wait after a key before the model is asked; shorter, or none, where that pays."""
    prefetch: Prefetch = "auto"
    """Ask for what follows an item while it is read; auto: where the engine of this machine has a GPU."""
    max_tokens: int = 64
    """The longest completion."""
    prefix_tokens: int | None = None
    """How much is sent from before the cursor; null: what the model was made for."""
    suffix_tokens: int | None = None
    """How much is sent from after the cursor; null: what the model was made for."""
    context: bool = True
    """Send what other files of the workspace say too, never secrets nor what git ignores."""
    context_tokens: int | None = None
    """How much of other files is sent; null: what the model was made for."""
    multiline: bool = True
    """Offer more than one line where that makes sense."""
    statistics: bool = True
    """Count on this machine what was offered and accepted, and how fast; never a user's text, never sent."""
    log_level: LogLevel = "warning"
    """What goes to stderr; never a user's text."""


DEFAULTS = Settings()


def read_settings(options: object, base: Settings = DEFAULTS) -> tuple[Settings, list[str]]:
    """Settings and complaints from what the editor sent: the options, alone or inside {"midfill": …}.

    What they say nothing of, or something wrong, stays as in `base`.
    """
    if isinstance(options, Mapping) and "midfill" in options:
        options = options["midfill"]
    if options is None or options == []:  # an empty table of Lua is sent as a list
        return base, []
    if not isinstance(options, Mapping):
        return base, ["the settings are not an object"]
    settings, complaints = base, []
    for key, value in options.items():
        if key in EDITORS_OWN:
            continue
        if (rule := RULES.get(key)) is None:
            complaints.append(f"{key} is not a setting")
        elif complaint := rule(value):
            complaints.append(f"{key} must be {complaint}")
        else:
            settings = replace(settings, **{_FIELDS[key]: value})
    return settings, complaints


class _Kind:
    """A rule: called with a value, it says what the value should have been, or nothing."""

    def __init__(self, wanted: str, types: type | tuple[type, ...], *allowed: Any) -> None:
        self.wanted, self.types, self.allowed = wanted, types, allowed

    def __call__(self, value: Any) -> str | None:
        right_type = isinstance(value, self.types) and not (
            isinstance(value, bool) and self.types is not bool
        )
        if right_type and (not self.allowed or value in self.allowed):
            return None
        return self.wanted


class _Between(_Kind):
    def __init__(self, low: int, high: int, nullable: bool = False) -> None:
        wanted = f"a whole number from {low} to {high}" + (" or null" if nullable else "")
        super().__init__(wanted, int)
        self.low, self.high, self.nullable = low, high, nullable

    def __call__(self, value: Any) -> str | None:
        if value is None and self.nullable:
            return None
        return super().__call__(value) or (None if self.low <= value <= self.high else self.wanted)


def _one_of(*allowed: str) -> _Kind:
    return _Kind("one of " + ", ".join(allowed), str, *allowed)


_BOOLEAN = _Kind("true or false", bool)
_TEXT_OR_NULL = _Kind("a text or null", (str, type(None)))

EDITORS_OWN = (
    "command",  # which program VS Code is to start
    "trace",  # vscode-languageclient keeps `midfill.trace.server` in the same section
    *("editorInfo", "editorPluginInfo", "copilotCapabilities"),  # copilot-language-server's, from its clients
    *("editorConfiguration", "networkProxy", "telemetry", "http", "github", "github-enterprise"),
    "nextEditSuggestions",
)

RULES: dict[str, _Kind] = {
    "enabled": _BOOLEAN,
    "model": _Kind("a text", str),
    "url": _TEXT_OR_NULL,
    "apiKeyEnv": _TEXT_OR_NULL,
    "dialect": _one_of("auto", "suffix", "rendered"),
    "debounceMs": _Between(0, 10_000),
    "prefetch": _one_of("auto", "on", "off"),
    "maxTokens": _Between(1, 1024),
    "prefixTokens": _Between(16, 131_072, nullable=True),
    "suffixTokens": _Between(0, 32_768, nullable=True),
    "context": _BOOLEAN,
    "contextTokens": _Between(0, 32_768, nullable=True),
    "multiline": _BOOLEAN,
    "statistics": _BOOLEAN,
    "logLevel": _one_of("debug", "info", "warning", "error"),
}


def camel_case(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


_FIELDS = {camel_case(field.name): field.name for field in fields(Settings)}
