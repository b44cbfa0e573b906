"""Requests of Midfill's own and of copilot-language-server's clients, as they stand on the wire."""

import asyncio
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from midfill_server.tools.lsp_client import AnswerError, Editor

from .conftest import CLI, MODEL, PATIENCE, PROGRAM, Engine, end_of, environment

INLINE = "textDocument/inlineCompletion"


def ask(uri: str, text: str, token: str | None = None) -> dict[str, Any]:
    line, character = end_of(text)
    position = {"line": line, "character": character}
    params = {"textDocument": {"uri": uri}, "position": position, "context": {"triggerKind": 1}}
    return params | ({"partialResultToken": token} if token else {})


async def offered(editor: Editor, uri: str) -> dict[str, Any]:
    """The item for the end of PROGRAM."""
    editor.open(uri, PROGRAM)
    (item,) = (await editor.request(INLINE, ask(uri, PROGRAM)))["items"]
    return dict(item)


async def counts(editor: Editor) -> tuple[int, int, int]:
    found = (await editor.request("midfill/status"))["counts"]
    return found["shown"], found["partlyAccepted"], found["accepted"]


async def test_the_status_is_answered_and_told(editor: Editor) -> None:
    assert await offered(editor, "file:///status.py")
    status = await editor.request("midfill/status", {})
    assert status.pop("counts").keys() == {"shown", "accepted", "partlyAccepted"}
    assert status == {
        "state": "ready",
        "paused": False,
        "model": status["model"],
        "message": status["message"],
        "progress": status["progress"],
        "warning": "",
    }
    assert isinstance(status["model"], str)
    assert await editor.notified("midfill/statusChanged", lambda it: it == status)


async def test_a_pause_offers_nothing_until_it_is_over(editor: Editor) -> None:
    uri = "file:///pause.py"
    item = await offered(editor, uri)
    assert (await editor.request("midfill/pause"))["paused"] is True
    await editor.notified("midfill/statusChanged", lambda it: it["paused"])
    assert (await editor.request(INLINE, ask(uri, PROGRAM)))["items"] == []
    assert (await editor.request("midfill/pause", None))["paused"] is True
    assert (await editor.request("midfill/resume"))["paused"] is False
    (again,) = (await editor.request(INLINE, ask(uri, PROGRAM)))["items"]
    assert again["insertText"] == item["insertText"]
    told = [it["params"]["paused"] for it in editor.notifications if it["method"] == "midfill/statusChanged"]
    assert told.count(True) == 1


async def test_a_restart_ends_with_a_new_engine_for_all_windows(own_folder: Path) -> None:
    engine = Engine(own_folder)
    async with (
        Editor(environment=environment(own_folder)) as one,
        Editor(environment=environment(own_folder)) as two,
    ):
        for editor in (one, two):
            await editor.initialize({"model": MODEL})
            assert await offered(editor, "file:///restart.py")
        first = engine.pid
        assert (await one.request("midfill/restart"))["state"] in ("starting", "loading", "ready")
        assert engine.pid not in (None, first)
        for editor in (one, two):
            text = PROGRAM + "if "
            editor.open("file:///after.py", text)
            assert (await editor.request(INLINE, ask("file:///after.py", text)))["items"]


async def test_a_restart_that_fails_says_why_and_can_be_mended(own_folder: Path, tmp_path: Path) -> None:
    async with Editor(environment=environment(own_folder)) as editor:
        await editor.initialize({"model": MODEL})
        assert await offered(editor, "file:///restart.py")
        settings = {"midfill": {"model": str(tmp_path / "none")}}
        editor.notify("workspace/didChangeConfiguration", {"settings": settings})
        await editor.request("midfill/restart")
        failed = await editor.notified("midfill/statusChanged", lambda it: it["state"] == "failed")
        assert str(tmp_path / "none") in failed["message"]
        editor.notify("workspace/didChangeConfiguration", {"settings": {"midfill": {"model": MODEL}}})
        assert (await editor.request("midfill/restart"))["state"] in ("starting", "loading", "ready")
        assert await offered(editor, "file:///mended.py")


async def test_the_requests_are_commands_too(editor: Editor) -> None:
    for name, paused in (("midfill/pause", True), ("midfill/status", True), ("midfill/resume", False)):
        answer = await editor.request("workspace/executeCommand", {"command": name, "arguments": []})
        assert answer["paused"] is paused
    with pytest.raises(AnswerError):
        await editor.request("workspace/executeCommand", {"command": "midfill/none"})


async def test_what_became_of_an_item_counts_once(editor: Editor) -> None:
    item = await offered(editor, "file:///accept.py")
    assert item["command"]["command"] == "midfill/didAcceptCompletionItem"
    for _ in range(2):
        editor.notify("textDocument/didShowCompletion", {"item": item})
        params = {"item": item, "acceptedLength": 3}
        editor.notify("textDocument/didPartiallyAcceptCompletion", params)
        assert await editor.request("workspace/executeCommand", item["command"]) is None
    assert await counts(editor) == (1, 1, 1)


@pytest.mark.parametrize(
    "params",
    [None, {}, [], 3, {"item": None}, {"item": {"command": {"arguments": [[]]}}}, {"type_name": "9"}],
)
async def test_what_no_item_can_be_made_of_is_ignored(editor: Editor, params: object) -> None:
    for method in ("didShowCompletion", "didPartiallyAcceptCompletion", "didFocus"):
        editor.notify(f"textDocument/{method}", params)
    accept = {"command": "midfill/didAcceptCompletionItem"}
    for arguments in ([], ["0"], [params], [1, 2, 3]):
        answer = await editor.request("workspace/executeCommand", accept | {"arguments": arguments})
        assert answer is None
    assert await counts(editor) == (0, 0, 0)
    assert [it for it in editor.notifications if it["method"].startswith("window/")] == []


async def test_all_partial_results_are_one_offer(editor: Editor) -> None:
    uri, ids = "file:///partial.py", []
    text = PROGRAM + "self."
    editor.open(uri, text)
    editor._partials["grow"] = lambda items: ids.append(items[0]["command"]["arguments"])
    assert await editor.request(INLINE, ask(uri, text, token="grow")) == {"items": []}
    assert ids and all(it == ids[0] for it in ids)


async def test_focus_wakes_the_engine(own_folder: Path) -> None:
    engine = Engine(own_folder)
    async with asyncio.timeout(PATIENCE), Editor(environment=environment(own_folder)) as editor:
        await editor.initialize({"model": MODEL})
        editor.notify("textDocument/didFocus", {"textDocument": {"uri": "file:///a.py"}})
        await editor.notified("midfill/statusChanged", lambda it: it["state"] == "ready")
        assert engine.pid is not None


# What Neovim's `copilot` configuration and copilot.el say of themselves.
COPILOT = {"editorInfo": {"name": "ed", "version": "1"}, "editorPluginInfo": {"name": "ed", "version": "1"}}


async def test_a_client_of_copilots_server_is_served(shared_folder: Path) -> None:
    async with asyncio.timeout(PATIENCE), Editor(environment=environment(shared_folder)) as editor:
        workspace = {"workspaceFolders": True}
        result = await editor.initialize(COPILOT, {"workspace": workspace})
        commands = result["capabilities"]["executeCommandProvider"]["commands"]
        assert "github.copilot.didAcceptCompletionItem" in commands
        settings = {"telemetry": {"telemetryLevel": "all"}, "github-enterprise": {"uri": "x"}}
        editor.notify("workspace/didChangeConfiguration", {"settings": settings})
        assert await editor.request("checkStatus", {"options": {"localChecksOnly": True}}) == {
            "status": "OK",
            "user": "local",
        }
        for method in ("signIn", "signInInitiate"):
            assert (await editor.request(method, {}))["status"] == "AlreadySignedIn"
        assert (await editor.request("signOut", {}))["status"] == "NotSignedIn"
        editor.notify("textDocument/didFocus", {})

        item = await offered(editor, "file:///copilot.py")
        accept = {"command": "github.copilot.didAcceptCompletionItem"} | {
            "arguments": item["command"]["arguments"]
        }
        await editor.request("workspace/executeCommand", accept)
        assert await counts(editor) == (0, 0, 1)
        ready = await editor.notified("didChangeStatus", lambda it: not it["busy"] and it["kind"] == "Normal")
        assert isinstance(ready["message"], str)
        await editor.request("midfill/pause")
        await editor.notified("didChangeStatus", lambda it: it["kind"] == "Inactive")
        assert [it for it in editor.notifications if it["method"].startswith("window/")] == []


async def test_the_older_agents_requests(shared_folder: Path) -> None:
    async with asyncio.timeout(PATIENCE), Editor(environment=environment(shared_folder)) as editor:
        await editor.initialize(COPILOT, {"workspace": {"workspaceFolders": True}})
        assert await editor.request("setEditorInfo", COPILOT) == "OK"
        uri, (line, character) = "file:///agent.py", end_of(PROGRAM)
        here = {"line": line, "character": character}
        editor.open(uri, PROGRAM)
        doc = {"doc": {"uri": uri, "position": here, "version": 1}}
        (found,) = (await editor.request("getCompletions", doc))["completions"]
        assert found["text"] == found["displayText"] and found["text"].strip()
        assert (found["range"], found["docVersion"]) == ({"start": here, "end": here}, 1)
        assert await editor.request("notifyShown", {"uuid": found["uuid"]}) == "OK"
        assert await editor.request("notifyAccepted", {"uuid": found["uuid"]}) == "OK"
        assert await counts(editor) == (1, 0, 1)
        for wrong in (None, {}, {"doc": {"uri": uri, "position": "here"}}):
            with pytest.raises(AnswerError) as refused:
                await editor.request("getCompletions", wrong)
            assert refused.value.code == -32602


async def test_nobody_else_hears_of_copilot(editor: Editor) -> None:
    item = await offered(editor, "file:///other.py")
    with pytest.raises(AnswerError):
        await editor.request(
            "workspace/executeCommand", {"command": "github.copilot.didAcceptCompletionItem"}
        )
    assert item["command"]["title"] == ""
    assert [it for it in editor.notifications if it["method"] == "didChangeStatus"] == []


async def test_a_change_that_says_nothing_of_a_setting_leaves_it(shared_folder: Path) -> None:
    """eglot sends an empty change to every server, after the initialization options."""
    async with asyncio.timeout(PATIENCE), Editor(environment=environment(shared_folder)) as editor:
        await editor.initialize({"enabled": False})
        for settings in ({}, None, {"midfill": {}}, {"midfill": None}, {"midfill": {"debounceMs": 10}}):
            editor.notify("workspace/didChangeConfiguration", {"settings": settings})
            assert (await editor.request("midfill/status"))["state"] == "off"
        editor.notify("workspace/didChangeConfiguration", {"settings": {"midfill": {"enabled": True}}})
        assert (await editor.request("midfill/status"))["state"] != "off"


async def test_a_restart_replaces_an_engine_that_was_killed(own_folder: Path) -> None:
    engine = Engine(own_folder)
    async with asyncio.timeout(PATIENCE), Editor(environment=environment(own_folder)) as editor:
        await editor.initialize({"model": MODEL})
        assert await offered(editor, "file:///killed.py")
        first = engine.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        assert (await editor.request("midfill/restart"))["state"] in ("starting", "loading", "ready")
        assert engine.pid not in (None, first)


async def test_an_editor_that_says_nothing_of_itself_is_served(shared_folder: Path) -> None:
    """No encodings, so positions are in UTF-16; no folder; no ghost text, so the text is in the menu."""
    uri, text = "file:///plain.py", PROGRAM + "print('😀', sel"
    async with asyncio.timeout(PATIENCE), Editor(environment=environment(shared_folder)) as editor:
        result = await editor.initialize(None, {"textDocument": {}})
        assert result["capabilities"].get("positionEncoding") in (None, "utf-16")
        assert result["capabilities"]["completionProvider"] is not None
        editor.open(uri, text)
        line, character = end_of(text)
        here = {"line": line, "character": character + 1}
        answer = await editor.request(
            "textDocument/completion", {"textDocument": {"uri": uri}, "position": here}
        )
        (item,) = answer["items"]
        assert item["textEdit"]["range"] == {"start": here, "end": here}
        assert item["filterText"].startswith("sel")


async def test_the_statistics_are_kept_on_this_machine_until_they_are_deleted(own_folder: Path) -> None:
    for options in ({"model": MODEL}, {"model": MODEL, "statistics": False}):
        async with asyncio.timeout(PATIENCE), Editor(environment=environment(own_folder)) as editor:
            await editor.initialize(options)
            item = await offered(editor, "file:///count.py")
            editor.notify("textDocument/didShowCompletion", {"item": item})
            await editor.request("workspace/executeCommand", item["command"])
    found = json.loads(midfill(own_folder, "status", "--stats", "--json"))
    assert (found["offered"], found["shown"], found["accepted"], found["kept"]) == (1, 1, 1, 0)
    assert found["latencies"]["whole"]["n"] == 1
    (path,) = (own_folder / "state").glob("*.json")
    assert "count.py" not in (kept := path.read_text()) and item["insertText"].strip() not in kept
    assert "1 accepted" in midfill(own_folder, "status", "--stats")
    assert "deleted" in midfill(own_folder, "status", "--forget")
    assert "no statistics" in midfill(own_folder, "status", "--forget")
    assert json.loads(midfill(own_folder, "status", "--stats", "--json"))["offered"] == 0


def midfill(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        [*CLI, *arguments], env=environment(folder), capture_output=True, text=True, check=True
    ).stdout


async def test_what_follows_an_item_is_fetched_while_it_is_read(own_folder: Path) -> None:
    engine, uri = Engine(own_folder), "file:///ahead.py"
    async with asyncio.timeout(PATIENCE), Editor(environment=environment(own_folder)) as editor:
        await editor.initialize({"model": MODEL, "prefetch": "on", "statistics": False})
        item = (await offered(editor, uri))["insertText"]
        before = await engine.generations()
        while await engine.generations() == before:  # noqa: ASYNC110  another process sets no event
            await asyncio.sleep(0.01)
        await engine.idle()
        editor.insert(uri, *end_of(PROGRAM), item)
        await editor.complete(uri, *end_of(PROGRAM + item)).text()
        assert await engine.generations() == before + 1
