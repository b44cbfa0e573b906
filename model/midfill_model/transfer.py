"""One large file from the hub, continued where an earlier attempt stopped.

The hub's own library gives up what it has of a file when the download ends early: of this model gigabytes.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

# httpx's, or in huggingface_hub 2 httpx2's: of every failure to reach a server or to hear it out
HTTP_ERROR: type[Exception] = HfHubHTTPError.__mro__[1]

_ATTEMPTS = 5  # in a row that bring no byte
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


def _continue(source: Source, partial: Path, start: int, arrived: Callable[[int], None]) -> None:
    """Append what one answer brings."""
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with (
        get_session().stream(
            "GET",
            source.url,
            headers=headers,
            follow_redirects=True,
            timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
        ) as response,
        partial.open("ab") as file,
    ):
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
