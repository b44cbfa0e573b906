"""What is wrong with a value of the right type: found when it is set, a sentence without its full stop."""

import re
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from midfill_model.command_line import MODELS


def no_setting(key: object, settings: Iterable[str]) -> str:
    """Names those that may have been meant."""
    from difflib import get_close_matches  # which a server's start need not wait for

    by_lower = {name.lower(): name for name in settings}
    near = get_close_matches(str(key)[:60].lower(), by_lower, n=3)
    wish = (
        f"use {' or '.join(by_lower[it] for it in near)}" if near else "README.md lists all, under Settings"
    )
    return f"is not a setting; {wish}"


def model_fault(model: str) -> str | None:
    """Finds now what would fail only when a key starts the engine."""
    if not model:
        return "must not be empty"
    if not model.isprintable() or model.startswith("-"):
        return f"must be {MODELS}"
    try:
        Path(model).expanduser()
    except RuntimeError:
        return "begins with the home of a user who is not known here: give the whole path"
    return None


def address_fault(url: str) -> str | None:
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


def addresses_fault(urls: str | list[Any]) -> str | None:
    if isinstance(urls, str):
        return address_fault(urls)
    if not all(isinstance(url, str) and url for url in urls):
        return f"must be {URLS}"
    for number, url in enumerate(urls, 1):
        if url == LOCAL or url.startswith(f"{LOCAL}:"):
            if number < len(urls):
                return f'must have "{url[:60]}" as its last'
        elif fault := address_fault(url):
            return f'has "{url[:60].rpartition("@")[2]}", which {fault}'
    return None


def headers_fault(headers: dict[Any, Any]) -> str | None:
    """A value may be a secret: it is not repeated."""
    for name, value in headers.items():
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", name):
            return f"must have names of HTTP headers, as in {HEADERS}"
        if not isinstance(value, str) or not value.isascii() or not (value.isprintable() and value.strip()):
            return f'must have a text in ASCII for "{name}", as in {HEADERS}'
        if name.lower() in ("host", "content-length", "transfer-encoding", "connection"):
            return f'cannot have "{name}": HTTP itself needs it'
    return None


def path_fault(path: str) -> str | None:
    return None if path.isprintable() else "must be the path of a file"


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
    "--leave-after": ("a number above 0", _is_duration),
}
"""Option of `midfill engine` -> (what must follow it, whether a text is that); None: nothing follows."""


def engine_options_fault(options: list[Any]) -> str | None:
    if not all(isinstance(option, str) for option in options):
        return f"must be {OPTION_LIST}"
    rest = iter(options)
    for option in rest:
        name, joined, value = option.partition("=")
        if name not in ENGINE_OPTIONS:
            return (
                f'does not know "{option[:60]}"; it is {OPTION_LIST}, and knows {", ".join(ENGINE_OPTIONS)}'
            )
        if (follows := ENGINE_OPTIONS[name]) is None:
            if joined:
                return f"must have no value after {name}"
        elif not follows[1](value if joined else next(rest, "")):
            return f"must have {follows[0]} after {name}"
    return None


def languages_fault(languages: dict[Any, Any]) -> str | None:
    for name, value in languages.items():
        if type(value) is not bool:
            return f'must be true or false for "{str(name)[:60]}", as in {{"markdown": true}}'
    return None


def exclude_fault(globs: list[Any]) -> str | None:
    if not all(isinstance(glob, str) for glob in globs):
        return f"must be {GLOB_LIST}"
    if globs:
        from midfill_server.context.ignored import glob_fault

        for glob in globs:
            if fault := glob_fault(glob):
                return f'has "{glob[:60]}", which {fault}; write {GLOB_LIST}'
    return None


def variable_fault(names: str | list[Any]) -> str | None:
    """A key that was pasted here by mistake is not repeated in the message."""
    of_each = names if isinstance(names, list) else [names]
    are_names = all(isinstance(it, str) and re.fullmatch(r"([A-Za-z_][A-Za-z0-9_]*)?", it) for it in of_each)
    return (
        None
        if are_names
        else "must be the name of an environment variable, such as OPENAI_API_KEY, not the key"
    )


LOCAL = "local"
"""Of several URLs: the engine of this machine; `local:MODEL` runs that model."""
URLS = 'a string, null, or a list such as ["http://gpu:8000/v1", "local"]'
HEADERS = '{"X-Team": "editors", "X-Token": "$TOKEN"}'
OPTION_LIST = 'a list of strings, such as ["--threads", "4"]'
GLOB_LIST = 'a list of globs, such as ["*.csv", "generated/"]'
