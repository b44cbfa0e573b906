"""A process that stands in for `midfill engine`: its lock, card, /health and completions, and ways to die.

What it does is JSON in $STAND_IN: seconds `before_lock` and `before_card`; `dies`: "at once", "loading",
"writing" or "in order"; `says`: the last line that it logs before it dies. With `freezes_front` whoever has
started it is stopped by then. As an heir it cannot load, or with `inherits` loads for ever.
"""

import json
import os
import signal
import socketserver
import sys
import time
from http.server import BaseHTTPRequestHandler
from importlib.metadata import version
from pathlib import Path

from midfill_model import seam

DOES = json.loads(os.environ.get("STAND_IN", "{}"))


def die() -> None:
    if DOES.get("says"):
        print(DOES["says"], file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        health = seam.Health(
            status="loading" if DOES.get("dies") == "loading" else "ready",
            model=seam.Model("demo", device="cpu", budgets=seam.SMALL),
            version=version("midfill"),
            protocol=seam.PROTOCOL,
        )
        self.answer(json.dumps(health.as_json()))
        if DOES.get("dies") == "loading":
            die()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        if self.path in (seam.STOP, seam.DRAIN):
            self.answer("{}")
            self.end()
        if DOES.get("dies") == "writing":
            die()
        if DOES.get("dies") == "in order":  # as an engine does whose GPU is lost
            print(DOES["says"], file=sys.stderr, flush=True)
            self.answer('data: {"error": {"message": "the GPU is lost"}}\n\n')
            self.end()
        choices = [{"index": 0, "text": "return a", "finish_reason": "stop"}]
        self.answer(f"data: {json.dumps({'choices': choices})}\n\ndata: [DONE]\n\n")

    def end(self) -> None:
        Path(str(self.server.server_address)).with_name(seam.CARD).unlink()
        os._exit(0)

    def answer(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())
        self.wfile.flush()

    def address_string(self) -> str:
        return ""

    def log_message(self, format: str, *_: object) -> None:
        pass


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client has hung up: not a word in the log, whose last line is what the tests look at."""


def main(folder: Path) -> int:
    seam.note(folder)
    if DOES.get("freezes_front"):
        os.kill(os.getppid(), signal.SIGSTOP)
    if DOES.get("dies") == "at once":
        die()
    time.sleep(DOES.get("before_lock", 0))
    if "--succeed" in sys.argv:
        if DOES.get("inherits"):
            with seam.heir_lock(folder):
                signal.pause()
        return 1
    try:
        with seam.engine_lock(folder):
            time.sleep(DOES.get("before_card", 0))
            path = folder / seam.SOCKET
            path.unlink(missing_ok=True)
            with Server(str(path), Handler) as server:
                seam.write_card(folder, seam.Card(os.getpid(), "http://localhost", str(path), model="demo"))
                server.serve_forever()
    except seam.Locked:
        print("The engine already runs.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[sys.argv.index("--runtime-dir") + 1])))
