"""One large file from the hub, continued where an earlier attempt stopped.

The hub's own library gives up what it has of a file when the download ends early: of this model gigabytes.
"""

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

# httpx's, or in huggingface_hub 2 httpx2's: of every failure to reach a server or to hear it out
HTTP_ERROR: type[Exception] = HfHubHTTPError.__mro__[1]

_ATTEMPTS = 5  # in a row that bring no byte
_LONGEST_HEADER = 100_000_000  # bytes, by the definition of safetensors
_TRANSIENT = (408, 429, 500, 502, 503, 504)


class Damaged(Exception):
    """What arrived is not what the hub has."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file on the hub."""

    url: str
    size: int  # bytes
    sha256: str


def unfinished(path: Path) -> Path:
    """Where a file lies until it is whole: under the name that older versions of the library give it."""
    return path.with_name(f"{path.name}.incomplete")


def fetch(source: Source, path: Path, arrived: Callable[[int], None]) -> None:
    """Make `path` the whole file; `arrived` is told the bytes of each piece, less than none if some are lost.

    HTTP_ERROR and OSError leave what was fetched for the next time. Damaged leaves nothing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = unfinished(path)
    failures = 0
    while (before := _size(partial)) < source.size:
        failure: Exception = Damaged()
        try:
            _continue(source, partial, before, arrived)
        except HTTP_ERROR as error:
            if not _transient(error):
                raise
            failure = error
        failures = 0 if _size(partial) > before else failures + 1
        if failures == _ATTEMPTS:
            raise failure
        if _size(partial) < source.size:
            time.sleep(2**failures / 4)  # seconds
    if _size(partial) != source.size or _sha256(partial) != source.sha256:
        partial.unlink()
        raise Damaged
    partial.replace(path)


def fetch_header(url: str) -> dict[str, Any]:
    """What a safetensors file says of its tensors, by name. HTTP_ERROR; Damaged if it is no such file."""
    length = int.from_bytes(excerpt(url, 0, 8), "little")
    if length > _LONGEST_HEADER:
        raise Damaged
    try:
        header = json.loads(excerpt(url, 8, length))
    except (ValueError, RecursionError):
        raise Damaged from None
    if not isinstance(header, dict):
        raise Damaged
    return header


def excerpt(url: str, start: int, length: int) -> bytes:
    """`length` bytes of a file from `start`; what comes before is read too if the server knows no ranges."""
    headers = {
        **build_hf_headers(),
        "Accept-Encoding": "identity",
        "Range": f"bytes={start}-{start + length - 1}",
    }
    with _get(url, headers) as response:
        hf_raise_for_status(response)
        skipped = 0 if response.status_code == 206 else start
        found = bytearray()
        for piece in response.iter_raw():
            found += piece
            if len(found) >= skipped + length:
                break
    return bytes(found[skipped : skipped + length])


def _get(url: str, headers: dict[str, str]) -> AbstractContextManager[Any]:
    seconds = constants.HF_HUB_DOWNLOAD_TIMEOUT
    return get_session().stream("GET", url, headers=headers, follow_redirects=True, timeout=seconds)


def _continue(source: Source, partial: Path, start: int, arrived: Callable[[int], None]) -> None:
    """Append what one answer brings."""
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with _get(source.url, headers) as response, partial.open("ab") as file:
        hf_raise_for_status(response)
        if start and response.status_code != 206:  # the server begins from the start
            file.truncate(0)
            arrived(-start)
        for piece in response.iter_raw():
            file.write(piece)
            arrived(len(piece))


def _transient(error: Exception) -> bool:
    return not isinstance(error, HfHubHTTPError) or error.response.status_code in _TRANSIENT


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
