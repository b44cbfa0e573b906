"""A server on this machine that speaks the hub's endpoints: listings, files, a store with ranges."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

LARGE = (".safetensors", ".gguf")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class HubServer:
    """What it serves is a folder; what it was asked is in `requests`."""

    url: str
    store: str  # of large files, on another host as the hub has it
    repo: str
    folder: Path
    commit: str = COMMIT
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)  # method, path, range
    cut_after: dict[str, int] = field(default_factory=dict)  # file -> bytes that it sends, then it hangs up
    pause_after: dict[str, int] = field(default_factory=dict)  # file -> bytes that it sends, then it waits
    knows_ranges: bool = True
    over: threading.Event = field(default_factory=threading.Event)
    refusal: tuple[int, dict[str, str]] | None = None  # status and headers of every answer

    def files(self) -> list[Path]:
        return [path for path in self.folder.iterdir() if path.is_file()]

    def fetched(self) -> set[str]:
        return {path.rpartition("/")[2] for m, path, _ in self.requests if m == "GET" and "/api/" not in path}

    def ranges(self) -> list[str | None]:
        """Of the requests for weights, excerpts (headers) not counted."""
        return [
            found for _, path, found in self.requests if path.startswith("/lfs/") and not is_excerpt(found)
        ]


@contextmanager
def serve(repo: str, folder: Path) -> Iterator[HubServer]:
    class Bound(_Handler):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
    port = server.server_port
    hub = Bound.hub = HubServer(f"http://127.0.0.1:{port}", f"http://localhost:{port}/lfs", repo, folder)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        hub.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HubServer

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        self.hub.requests.append((self.command, path, self.headers.get("Range")))
        if self.hub.refusal:
            return self._send(self.hub.refusal[0], b"{}", self.hub.refusal[1])
        if path.startswith(f"/api/models/{self.hub.repo}"):
            revision = path.partition("/revision/")[2] or "main"
            return (
                self._list() if revision in ("main", self.hub.commit) else self._missing("RevisionNotFound")
            )
        if path.startswith(f"/{self.hub.repo}/resolve/"):
            return self._resolve(self.hub.folder / path.rpartition("/")[2])
        if path.startswith("/lfs/"):
            return self._store(self.hub.folder / path.rpartition("/")[2])
        return self._missing("RepoNotFound")

    def _list(self) -> None:
        siblings = [
            {"rfilename": path.name, "size": path.stat().st_size, "blobId": "0" * 40, **lfs(path)}
            for path in self.hub.files()
        ]
        self._send(
            200, json.dumps({"id": self.hub.repo, "sha": self.hub.commit, "siblings": siblings}).encode()
        )

    def _resolve(self, path: Path) -> None:
        if not path.exists():
            return self._missing("EntryNotFound")
        head = {"X-Repo-Commit": self.hub.commit}
        if path.suffix not in LARGE:
            return self._send(200, path.read_bytes(), head | {"ETag": f'"{sha1(path)}"'})
        linked = {"X-Linked-Etag": f'"{sha256(path)}"', "X-Linked-Size": str(path.stat().st_size)}
        self._send(302, b"", head | linked | {"Location": f"{self.hub.store}/{path.name}"})

    def _store(self, path: Path) -> None:
        body, status, head = path.read_bytes(), 200, {}
        asked = self.headers.get("Range")
        if self.hub.knows_ranges and asked:
            start, end = asked.removeprefix("bytes=").split("-")
            head = {"Content-Range": f"bytes {start}-{end or len(body) - 1}/{len(body)}"}
            body, status = body[int(start) : int(end) + 1 if end else None], 206
        if is_excerpt(asked):
            self._send(status, body, head)
        elif (pause := self.hub.pause_after.pop(path.name, None)) is not None:
            self._send(status, body, head, pause, lambda: self.hub.over.wait(60))
        else:
            self._send(status, body, head, self.hub.cut_after.pop(path.name, None))

    def _missing(self, code: str) -> None:
        self._send(404, b"{}", {"X-Error-Code": code, "X-Error-Message": "Not found"})

    def _send(
        self,
        status: int,
        body: bytes,
        head: dict[str, str] | None = None,
        cut: int | None = None,
        then: Callable[[], object] = lambda: None,
    ) -> None:
        self.send_response(status)
        for key, value in {**(head or {}), "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[:cut])
        if cut is not None:
            then()
            self.close_connection = True


def is_excerpt(asked: str | None) -> bool:
    return asked is not None and not asked.endswith("-")


def lfs(path: Path) -> dict[str, object]:
    if path.suffix not in LARGE:
        return {}
    return {"lfs": {"sha256": sha256(path), "size": path.stat().st_size, "pointerSize": 134}}


def sha1(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
