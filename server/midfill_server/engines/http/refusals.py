"""What a server says when it refuses: its sentence, in any shape that servers have, and how long to wait."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from midfill_model import seam

LONGEST = 300  # characters of a server's sentence
LONGEST_WAIT = 600.0  # seconds

MEANINGS = {
    401: "the key is missing or wrong",
    403: "the key may not do that",
    404: "wrong address: correct the path of midfill.url",
    405: "wrong address: correct the path of midfill.url",
    429: "too many requests",
    503: "The server is not ready yet",
}
EMPTY_WORDS = ("not found", "method not allowed", "file not found", "404 page not found", "")


def said_in(status: int, headers: Mapping[str, str], body: bytes) -> str:
    """The server's own sentence, or what the status means; never empty."""
    if 300 <= status < 400:
        return (
            f"it redirects to {headers.get('location', 'another place')[:LONGEST]}: put that into midfill.url"
        )
    said = " ".join((_sentence(body) or "").split())[:LONGEST]
    if status in MEANINGS and said.lower().rstrip(".") in EMPTY_WORDS:
        return MEANINGS[status]
    return said or "no reason given"


def error_in(told: object) -> str | None:
    """The sentence of JSON that is an error; None where it is none.

    OpenAI's {"error": {"message"}}, Ollama's and mlx_lm's {"error": "text"}, FastAPI's {"detail": "text"} and
    {"detail": [{"loc", "msg"}]}, {"message": "text"}, {"object": "error", "message": "text"}.
    """
    if not isinstance(told, Mapping):
        return None
    for key in ("error", "detail", "message"):
        said = told.get(key)
        if isinstance(said, Mapping):
            said = said.get("message") or said.get("detail") or said.get("code")
        if isinstance(said, list):
            said = "; ".join(filter(None, map(_of_a_field, said)))
        if isinstance(said, str | int) and said:
            return str(said)
    return None


def engine_ends(told: object) -> bool:
    """Whether an error is our own engine's last word, so that the next one can serve the same request."""
    if isinstance(told, bytes):
        try:
            told = json.loads(told)
        except (ValueError, RecursionError):
            return False
    error = told.get("error") if isinstance(told, Mapping) else None
    return isinstance(error, Mapping) and error.get("code") == seam.ENDS


def asked_to_wait(headers: Mapping[str, str]) -> float:
    """Seconds, from Retry-After: a number, or a date. 0 where nothing is asked."""
    from email.utils import parsedate_to_datetime

    told = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", told):
        return min(float(told), LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(told)
    except ValueError:
        return 0.0
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max((until - datetime.now(UTC)).total_seconds(), 0.0), LONGEST_WAIT)


def _sentence(body: bytes) -> str | None:
    text = body.decode(errors="replace").strip()
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        if "<" not in text[:1]:
            return text.partition("\n")[0]
        title = re.search(r"<(title|h1)[^>]*>([^<]{1,300})</\1>", text, re.IGNORECASE)
        return title[2] if title else None
    return told if isinstance(told, str) else error_in(told)


def _of_a_field(it: object) -> str:
    if not isinstance(it, Mapping):
        return str(it)
    place, said = it.get("loc"), it.get("msg", "")
    return f"{'.'.join(map(str, place))}: {said}" if isinstance(place, list) else str(said)
