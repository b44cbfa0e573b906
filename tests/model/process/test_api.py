"""`midfill engine` as its own process, over its socket, with the tiny random model."""

import asyncio
import json
import math
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from midfill_model import fim, seam
from midfill_model.checkpoint.shapes import tensor_shapes
from midfill_model.generation.requests.ticket import Delta
from midfill_model.generation.tokens import BYTE_OF
from midfill_model.lab import synthetic
from midfill_model.process.wire import Answer, sse

PROMPT: dict[str, Any] = {
    "prompt": "def add(a, b):\n    return ",
    "suffix": "\n",
    "max_tokens": 8,
    "slot": "a",
}


MAIN = "import sys; from midfill_model.process.main import main; sys.exit(main(sys.argv[1:]))"


def start(runtime: Path, model: Path, *options: str, code: str = MAIN) -> subprocess.Popen[str]:
    where = ("--runtime-dir", str(runtime), "--model", str(model), "--threads", "1", "--stay")
    return subprocess.Popen(
        [sys.executable, "-I", "-c", code, *where, *options], stderr=subprocess.PIPE, text=True
    )


def wait_for_card(runtime: Path, process: subprocess.Popen[str]) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if (runtime / "engine.json").exists():
            card: dict[str, Any] = json.loads((runtime / "engine.json").read_text())
            return card
        time.sleep(0.01)
    raise AssertionError(process.communicate(timeout=10)[1])


def client(card: dict[str, Any]) -> httpx.AsyncClient:
    transport = httpx.AsyncHTTPTransport(uds=card["socket"]) if card["socket"] else None
    headers = {"Authorization": f"Bearer {card['token']}"} if card["token"] else {}
    return httpx.AsyncClient(
        transport=transport, base_url=card["url"], headers=headers, timeout=60, trust_env=False
    )


async def health(http: httpx.AsyncClient, **wanted: object) -> dict[str, Any]:
    """The health once it says what is wanted."""
    for _ in range(6000):
        found: dict[str, Any] = (await http.get("/health")).json()
        if wanted.items() <= found.items():
            return found
        await asyncio.sleep(0.01)
    raise AssertionError(found)


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    process.send_signal(signal.SIGTERM)
    errors = process.communicate(timeout=30)[1]
    return process.returncode, errors


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rt")


@pytest.fixture(scope="module")
def engine(runtime: Path, tiny_folder: Path) -> Iterator[dict[str, Any]]:
    process = start(runtime, tiny_folder)
    yield wait_for_card(runtime, process)
    assert end(process) == (0, "")
    assert [path.name for path in runtime.iterdir()] == ["engine.lock"]


@pytest.fixture
async def http(engine: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    async with client(engine) as http:
        yield http


async def stream(http: httpx.AsyncClient, **body: Any) -> list[dict[str, Any]]:
    async with http.stream("POST", "/v1/completions", json={"stream": True, **body}) as response:
        lines = [line.removeprefix("data: ") async for line in response.aiter_lines() if line]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


async def test_health_names_the_model(http: httpx.AsyncClient, tiny_folder: Path) -> None:
    found = await health(http, status="ready", busy=False)
    assert found["progress"] == 1.0
    assert found["model"] == {
        "id": tiny_folder.name,
        "path": str(tiny_folder),
        "device": "cpu",
        "dtype": "float32",
        "context": 1024,
        "budgets": {"prefix": 1024, "suffix": 128, "context": 512},
        "parameters": sum(math.prod(shape) for _, shape in tensor_shapes(synthetic.TINY)),
        "fim": True,
        "fim_trained": True,
    }
    assert 50 << 20 < found["memory"].pop("resident") < 8 << 30
    assert found["memory"] == {}
    models = (await http.get("/v1/models")).json()
    assert [model["id"] for model in models["data"]] == [tiny_folder.name]


def test_files_are_private(engine: dict[str, Any], runtime: Path) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (runtime, *runtime.iterdir())}
    assert modes[runtime.name] == 0o700
    assert modes["engine.sock"] == modes["engine.json"] == 0o600
    assert engine["socket"] == str(runtime / "engine.sock")
    assert engine["token"] is None


async def test_a_streamed_completion_equals_the_whole_one(http: httpx.AsyncClient) -> None:
    chunks = await stream(http, **PROMPT)
    whole = (await http.post("/v1/completions", json=PROMPT)).json()
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == whole["choices"][0]["text"]
    assert {chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]} <= {None}
    last = chunks[-1]
    assert last["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"] == "length"
    assert last["timings"]["completion_tokens"] == last["usage"]["completion_tokens"] == 8
    n_bytes = len(PROMPT["prompt"] + PROMPT["suffix"])  # the tiny vocabulary has one token per byte
    assert last["timings"]["prompt_tokens"] == n_bytes + 4
    assert whole["timings"]["reused_tokens"] == n_bytes + 3


async def test_several_choices_are_told_apart(http: httpx.AsyncClient) -> None:
    body = PROMPT | {"n": 3, "logprobs": 1, "beam_width": 4}
    chunks, texts = await stream(http, **body), ["", "", ""]
    for chunk in chunks[:-1]:
        (choice,) = chunk["choices"]
        assert choice["finish_reason"] is None
        assert choice["logprobs"]["text_offset"][0] == len(texts[choice["index"]])
        texts[choice["index"]] += choice["text"]
    last = chunks[-1]
    assert [(it["index"], it["finish_reason"]) for it in last["choices"]] == [(n, "length") for n in range(3)]
    assert len(set(texts)) == 3
    assert last["usage"]["completion_tokens"] == 24
    whole = (await http.post("/v1/completions", json=body)).json()
    assert [it["text"] for it in whole["choices"]] == texts
    assert [it["index"] for it in whole["choices"]] == [0, 1, 2]
    alone = (await http.post("/v1/completions", json=PROMPT)).json()
    assert alone["choices"][0]["text"] == texts[0]


async def test_a_hang_up_stops_several(http: httpx.AsyncClient) -> None:
    async with http.stream(
        "POST", "/v1/completions", json=PROMPT | {"max_tokens": 300, "stream": True, "n": 3}
    ) as it:
        await anext(it.aiter_lines())
        assert (await http.get("/health")).json()["busy"]
    await health(http, busy=False)


async def test_the_first_chunk_tells_what_the_prompt_holds(http: httpx.AsyncClient) -> None:
    """A client that has seen enough hangs up, and would never learn it from the last one."""
    first, second, *_ = await stream(http, **PROMPT, prefix_tokens=4)
    timings = first["timings"]
    assert "timings" not in second
    assert timings["prefix_tokens"] == timings["prefix_bytes"] + 2  # bos, fim_begin
    assert 0 < timings["prefix_bytes"] <= 4 < len(PROMPT["prompt"])
    assert timings["suffix_bytes"] == len(PROMPT["suffix"])
    assert 0 < timings["prefill_ms"] <= timings["first_token_ms"]


async def test_ids_and_text_are_the_same_prompt(http: httpx.AsyncClient) -> None:
    """FIM ids 256 …: bos, fim_begin, prefix, fim_hole, suffix, fim_end."""
    ids = [256, 259, *encode("x = "), 258, *encode("\n"), 260]
    by_text = (await http.post("/v1/completions", json={"prompt": "x = ", "suffix": "\n"})).json()
    by_ids = (await http.post("/v1/completions", json={"prompt": ids})).json()
    assert by_ids["choices"] == by_text["choices"]
    plain = (await http.post("/v1/completions", json={"prompt": "x = ", "max_tokens": 1})).json()
    assert plain["usage"]["prompt_tokens"] == 5


def encode(text: str) -> list[int]:
    return [list(BYTE_OF.values()).index(byte) for byte in text.encode()]


async def test_delimiters_in_the_text_are_text(http: httpx.AsyncClient) -> None:
    text = "".join(fim.CONTROL)
    answer = (await http.post("/v1/completions", json={"prompt": text, "suffix": text})).json()
    assert answer["usage"]["prompt_tokens"] == 2 * len(text.encode()) + 4


async def test_a_rendered_prompt_is_read_where_it_is_asked_for(http: httpx.AsyncClient) -> None:
    """As Zed's edit predictions send it; anywhere else signs in a text are text."""
    before, after = str(PROMPT["prompt"]), str(PROMPT["suffix"])
    body = {
        "prompt": fim.render(before, after),
        "max_tokens": 8,
        "temperature": None,
        "stop": ["<|fim_pad|>"],
    }
    read = (await http.post("/rendered/v1/completions", json=body)).json()
    parts = (await http.post("/v1/completions", json=PROMPT | {"heal": True})).json()
    assert read["choices"][0]["text"] == parts["choices"][0]["text"]
    twice = body | {"prompt": fim.render(before, after) + fim.FIM_END}
    for wrong in (twice, body | {"prompt": before}, body | {"suffix": after}):
        refused = await http.post("/rendered/v1/completions", json=wrong)
        assert refused.status_code == 400 and "each just once" in refused.json()["error"]["message"]


async def test_budgets_are_tokens(http: httpx.AsyncClient) -> None:
    body = PROMPT | {"prompt": "a" * 5000, "suffix": "b" * 5000, "prefix_tokens": 100, "suffix_tokens": 30}
    answer = (await http.post("/v1/completions", json=body)).json()
    assert answer["usage"]["prompt_tokens"] == 100 + 30 + 4
    huge = PROMPT | {"prompt": "a" * 5000, "prefix_tokens": 100_000}
    assert (await http.post("/v1/completions", json=huge)).status_code == 200


async def test_a_stop_string_ends_it_and_stays_hidden(http: httpx.AsyncClient) -> None:
    whole = (await http.post("/v1/completions", json=PROMPT)).json()["choices"][0]["text"]
    stop = whole[3:5]
    answer = (await http.post("/v1/completions", json=PROMPT | {"stop": [stop, "\0\0"]})).json()
    assert answer["choices"][0]["text"] == whole[: whole.index(stop)]
    assert answer["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b"[" * 100_000, "not valid JSON"),
        ({}, "prompt must be a string or a list of token ids"),
        ({"prompt": [1, "x"]}, "prompt must be"),
        ({"prompt": []}, "must hold some"),
        ({"prompt": [5000]}, "each from 0 to 260"),
        ({"prompt": [1], "suffix": "x"}, "A suffix goes with a prompt of text"),
        ({"prompt": "x", "suffix": 1}, "suffix must be a string"),
        ({"prompt": "x", "max_tokens": -1}, "max_tokens must be a whole number"),
        ({"prompt": "x", "max_tokens": True}, "max_tokens must be a whole number"),
        ({"prompt": "x", "temperature": 0.7}, "Only temperature 0"),
        ({"prompt": "x", "stop": [1]}, "stop must be"),
        ({"prompt": "x", "stop": ""}, "stop must be"),
        ({"prompt": "x", "stream": "yes"}, "stream must be true or false"),
        ({"prompt": "x", "heal": 1}, "heal must be true or false"),
        ({"prompt": "x", "beam_width": 17}, "beam_width must be a whole number from 1 to 16"),
        ({"prompt": "x", "n": 0}, "n must be a whole number from 1 to 8."),
        ({"prompt": "x", "n": 9}, "n must be a whole number from 1 to 8."),
        ({"prompt": "x", "n": True}, "n must be a whole number from 1 to 8."),
        ({"prompt": "x", "background": 1}, "background must be true or false"),
        ({"prompt": "x" * 2000}, "2001 tokens; the model's context holds 1024"),
        (b" " * (9 << 20), "longer than 8 MB"),
        (b"\xff\xfe", "not valid JSON"),
        ({"prompt": "\ud800"}, "prompt holds half of a surrogate pair"),
        ({"prompt": "x", "suffix": "\ude00\ud83d"}, "suffix holds half of a surrogate pair"),
        ({"prompt": "x", "head": "\ud800"}, "head holds half of a surrogate pair"),
        ({"prompt": "x", "context": ["a", "\udfff"]}, "context holds half of a surrogate pair"),
        ({"prompt": "x", "stop": ["\udfff"]}, "stop holds half of a surrogate pair"),
    ],
)
async def test_a_bad_body_gets_one_sentence(http: httpx.AsyncClient, body: Any, message: str) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = await http.post("/v1/completions", content=content)
    assert response.status_code == 400
    assert message in response.json()["error"]["message"]


async def test_who_hangs_up_before_the_bodys_end_is_no_news(
    http: httpx.AsyncClient, engine: dict[str, Any], runtime: Path
) -> None:
    _, writer = await asyncio.open_unix_connection(str(runtime / seam.SOCKET))
    writer.write(b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{")
    await writer.drain()
    await health(http)  # by then it has begun to read the body
    writer.close()
    await writer.wait_closed()
    assert (await health(http))["status"] == "ready"  # and nothing is on stderr when it ends: see `engine`


async def test_a_hang_up_stops_the_engine(http: httpx.AsyncClient) -> None:
    body = PROMPT | {"max_tokens": 900, "stream": True}
    async with http.stream("POST", "/v1/completions", json=body) as response:
        await anext(response.aiter_lines())
        assert (await http.get("/health")).json()["busy"]
    await health(http, busy=False)


async def test_a_newer_request_of_the_same_document_preempts(http: httpx.AsyncClient) -> None:
    body = PROMPT | {"max_tokens": 900, "stream": True, "slot": "file:///a.py"}
    async with http.stream("POST", "/v1/completions", json=body) as response:
        lines = response.aiter_lines()
        await anext(lines)
        newer = (await http.post("/v1/completions", json=PROMPT | {"slot": "file:///a.py"})).json()
        older = [json.loads(line[6:]) async for line in lines if line.startswith("data: {")]
    assert older[-1]["choices"][0]["finish_reason"] == "cancelled"
    assert newer["choices"][0]["finish_reason"] == "length"
    assert newer["timings"]["reused_tokens"] == newer["timings"]["prompt_tokens"] - 1


async def test_windows_are_served_in_turn(http: httpx.AsyncClient) -> None:
    """More at once than there are slots; each gets the text it would get alone."""
    bodies = [{"prompt": f"{i} = ", "suffix": "\n", "max_tokens": 20, "slot": str(i)} for i in range(7)]
    together = await asyncio.gather(*(http.post("/v1/completions", json=body) for body in bodies))
    alone = [await http.post("/v1/completions", json=body) for body in bodies]
    assert [r.json()["choices"] for r in together] == [r.json()["choices"] for r in alone]


def test_a_second_engine_leaves_at_once(engine: dict[str, Any], runtime: Path, tiny_folder: Path) -> None:
    second = start(runtime, tiny_folder)
    assert "already runs" in second.communicate(timeout=60)[1]
    assert second.returncode == 0
    assert json.loads((runtime / "engine.json").read_text())["pid"] == engine["pid"]


async def test_tcp_wants_the_token_and_shutdown_ends_it(tmp_path: Path, tiny_folder: Path) -> None:
    process = start(tmp_path, tiny_folder, "--port", "0")
    card = wait_for_card(tmp_path, process)
    async with client(card | {"token": None}) as stranger:
        assert (await stranger.get("/health")).status_code == 401
        assert (await stranger.post("/shutdown")).status_code == 401
    async with client(card) as http:
        for page in ({"host": "evil.example:80"}, {"host": "[x"}, {"origin": "https://evil.example"}):
            assert (await http.get("/health", headers=page)).status_code == 403
        answer = await http.post("/v1/completions", json=PROMPT)  # waits for the model
        assert answer.json()["choices"][0]["finish_reason"] == "length"
        assert (await http.post("/shutdown")).status_code == 200
    assert process.communicate(timeout=30)[1] == ""
    assert process.returncode == 0
    assert not (tmp_path / "engine.json").exists()


async def test_a_bad_model_is_a_state_and_not_a_crash(tmp_path: Path) -> None:
    process = start(tmp_path, tmp_path / "none")
    async with client(wait_for_card(tmp_path, process)) as http:
        found = await health(http, status="failed")
        assert "There is no model folder" in found["message"]
        answer = await http.post("/v1/completions", json=PROMPT)
        assert answer.status_code == 503
        assert answer.json()["error"]["message"] == found["message"]
    code, errors = end(process)
    assert code == 0
    assert "There is no model folder" in errors
    assert "Traceback" not in errors


@pytest.mark.skipif(os.name == "nt" or os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_one_sentence(tmp_path: Path, tiny_folder: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    process = start(tmp_path / "locked", tiny_folder)
    assert "is not writable; set MIDFILL_RUNTIME_DIR" in process.communicate(timeout=60)[1]
    assert process.returncode == 1


def test_a_file_in_the_folders_place_is_one_sentence(tmp_path: Path, tiny_folder: Path) -> None:
    (tmp_path / "file").touch()
    process = start(tmp_path / "file", tiny_folder)
    errors = process.communicate(timeout=60)[1]
    assert "cannot be made" in errors
    assert errors.count("\n") == 1
    assert process.returncode == 1


async def test_other_files_and_the_head_stand_before_the_prefix(http: httpx.AsyncClient) -> None:
    body = {
        "prompt": "x = ",
        "suffix": "\n",
        "max_tokens": 1,
        "context": ["# a\n", "# b\n"],
        "context_tokens": 8,
        "prefix_tokens": 100,
    }
    (*_, last) = await stream(http, **body)
    assert last["timings"]["context_bytes"] == 8 and last["timings"]["prefix_bytes"] == 4
    refused = await http.post("/v1/completions", json=body | {"context": "text"})
    assert refused.status_code == 400 and "context must be a list" in refused.text


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85", "é", "\x0b", "\r"])
def test_no_text_ends_an_event(sign: str) -> None:
    """Whatever a client takes for the end of a line, an event's data is one."""
    event = sse(Answer("m").chunk(Delta(f"a{sign}b")))
    (data,) = [line for line in event.splitlines() if line]
    assert json.loads(data.removeprefix("data: "))["choices"][0]["text"] == f"a{sign}b"


async def test_a_folder_whose_name_is_no_utf8(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"mod\xe9l")
    process = start(tmp_path, folder)
    async with client(wait_for_card(tmp_path, process)) as http:
        assert "There is no model folder" in (await health(http, status="failed"))["message"]
        assert (await http.post("/v1/completions", json=PROMPT)).status_code == 503
    assert end(process)[0] == 0
