"""Requests of Midfill's own and of copilot-language-server's clients, as they stand on the wire."""

import asyncio
import json
import subprocess
from typing import Any

import pytest

from midfill_server.tools.lsp_client import AnswerError, Editor

from ...scripted_engine import PATIENCE, ScriptedEngine
from ..conftest import CLI, FIRST, ITEM, PROGRAM, TOKENS, end_of, environment

INLINE = "textDocument/inlineCompletion"


def ask(uri: str, text: str, token: str | None = None) -> dict[str, Any]:
    line, character = end_of(text)
    position = {"line": line, "character": character}
    params = {"textDocument": {"uri": uri}, "position": position, "context": {"triggerKind": 1}}
    return params | ({"partialResultToken": token} if token else {})


async def offered(editor: Editor, uri: str, text: str = ITEM) -> dict[str, Any]:
    """The item for the end of PROGRAM, which says `text`."""
    editor.open(uri, PROGRAM)
    (item,) = (await editor.request(INLINE, ask(uri, PROGRAM)))["items"]
    assert item["insertText"] == text
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
        "snoozedUntil": None,
        "trigger": "auto",
        "model": "scripted",
        "message": "Ready.",
        "progress": 1.0,
        "warning": "",
    }
    assert await editor.notified("midfill/statusChanged", lambda it: it == status)


async def test_a_pause_offers_nothing_until_it_is_over(editor: Editor) -> None:
    uri = "file:///pause.py"
    await offered(editor, uri)
    assert (await editor.request("midfill/pause"))["paused"] is True
    await editor.notified("midfill/statusChanged", lambda it: it["paused"])
    assert (await editor.request(INLINE, ask(uri, PROGRAM)))["items"] == []
    assert (await editor.request("midfill/pause", None))["paused"] is True
    assert (await editor.request("midfill/resume"))["paused"] is False
    (again,) = (await editor.request(INLINE, ask(uri, PROGRAM)))["items"]
    assert again["insertText"] == ITEM
    told = [it["params"]["paused"] for it in editor.notifications if it["method"] == "midfill/statusChanged"]
    assert told.count(True) == 1


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


async def test_all_partial_results_are_one_offer(engine: ScriptedEngine, editor: Editor) -> None:
    uri, ids = "file:///partial.py", list[Any]()
    text = engine.says(*TOKENS, after=PROGRAM, steps=TOKENS.index("other") + 1)
    editor.open(uri, PROGRAM)

    def grow(items: list[dict[str, Any]]) -> None:
        ids.append(items[0]["command"]["arguments"])
        if items[0]["insertText"] == FIRST:
            text.go()

    editor._partials["grow"] = grow
    assert await editor.request(INLINE, ask(uri, PROGRAM, token="grow")) == {"items": []}
    assert len(ids) >= 2 and all(it == ids[0] for it in ids)


# What Neovim's `copilot` configuration and copilot.el say of themselves.
COPILOT = {"editorInfo": {"name": "ed", "version": "1"}, "editorPluginInfo": {"name": "ed", "version": "1"}}


async def test_a_client_of_copilots_server_is_served(engine: ScriptedEngine) -> None:
    async with asyncio.timeout(PATIENCE), Editor(environment=environment(engine.folder)) as editor:
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


async def test_the_older_agents_requests(engine: ScriptedEngine) -> None:
    async with asyncio.timeout(PATIENCE), Editor(environment=environment(engine.folder)) as editor:
        await editor.initialize(COPILOT, {"workspace": {"workspaceFolders": True}})
        assert await editor.request("setEditorInfo", COPILOT) == "OK"
        uri, (line, character) = "file:///agent.py", end_of(PROGRAM)
        here = {"line": line, "character": character}
        editor.open(uri, PROGRAM)
        doc = {"doc": {"uri": uri, "position": here, "version": 1}}
        (found,) = (await editor.request("getCompletions", doc))["completions"]
        assert found["text"] == found["displayText"] == ITEM
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


async def test_a_change_that_says_nothing_of_a_setting_leaves_it(engine: ScriptedEngine) -> None:
    """eglot sends an empty change to every server, after the initialization options."""
    async with asyncio.timeout(PATIENCE), Editor(environment=environment(engine.folder)) as editor:
        await editor.initialize({"enabled": False})
        silent: list[Any] = [{}, None, {"midfill": {}}, {"midfill": None}, {"midfill": {"debounceMs": 10}}]
        for settings in silent:
            editor.notify("workspace/didChangeConfiguration", {"settings": settings})
            assert (await editor.request("midfill/status"))["state"] == "off"
        editor.notify("workspace/didChangeConfiguration", {"settings": {"midfill": {"enabled": True}}})
        assert (await editor.request("midfill/status"))["state"] != "off"


async def test_an_editor_that_says_nothing_of_itself_is_served(engine: ScriptedEngine) -> None:
    """No encodings, so positions are in UTF-16; no folder; no ghost text, so the text is in the menu."""
    uri, text = "file:///plain.py", PROGRAM + "print('😀', sel"
    engine.says("f", ".balance", ")\n", after=text)
    async with asyncio.timeout(PATIENCE), Editor(environment=environment(engine.folder)) as editor:
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
        assert item["textEdit"]["newText"] == "f.balance)"
        assert item["filterText"] == "self.balance)"


async def test_the_statistics_are_kept_on_this_machine_until_they_are_deleted(
    engine: ScriptedEngine,
) -> None:
    for options in ({}, {"statistics": False}):
        async with asyncio.timeout(PATIENCE), Editor(environment=environment(engine.folder)) as editor:
            await editor.initialize(options)
            item = await offered(editor, "file:///count.py")
            editor.notify("textDocument/didShowCompletion", {"item": item})
            await editor.request("workspace/executeCommand", item["command"])
    found = json.loads(midfill(engine, "status", "--stats", "--json"))
    assert (found["offered"], found["shown"], found["accepted"], found["kept"]) == (1, 1, 1, 0)
    assert found["latencies"]["whole"]["n"] == 1
    (path,) = (engine.folder / "state").glob("*.json")
    assert "count.py" not in (kept := path.read_text()) and "balance" not in kept
    assert "1 accepted" in midfill(engine, "status", "--stats")
    assert "deleted" in midfill(engine, "status", "--forget")
    assert "no statistics" in midfill(engine, "status", "--forget")
    assert json.loads(midfill(engine, "status", "--stats", "--json"))["offered"] == 0


def midfill(engine: ScriptedEngine, *arguments: str) -> str:
    return subprocess.run(
        [*CLI, *arguments], env=environment(engine.folder), capture_output=True, text=True, check=True
    ).stdout


async def test_what_follows_an_item_is_fetched_while_it_is_read(engine: ScriptedEngine) -> None:
    uri, after = "file:///ahead.py", PROGRAM + ITEM
    engine.says("\n        ", "return", " amount", "\n", after=after)
    async with asyncio.timeout(PATIENCE), Editor(environment=environment(engine.folder)) as editor:
        await editor.initialize({"prefetch": "on", "statistics": False})
        await offered(editor, uri)
        ahead = await engine.asked(2)
        assert (ahead.before, ahead.body["background"]) == (after, True)
        await engine.until(lambda: ahead.finish)
        editor.insert(uri, *end_of(PROGRAM), ITEM)
        assert await editor.complete(uri, *end_of(after)).text() == "\n        return amount"
        assert len([call for call in engine.calls if call.before == after]) == 1
