"""The doctor's checks: what each says of what it has looked at, and what it never says."""

import json
import os
import socket
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import torch

from midfill_model import seam
from midfill_model.process.loading import gpu_lack
from midfill_server.engines.process import NOTHING
from midfill_server.settings import Settings
from midfill_server.tools.doctor import checkup, command, endpoint, engine, folders, leftovers, machine, trial
from midfill_server.tools.doctor.editors import editors
from midfill_server.tools.doctor.finding import Finding, as_text, fail, folded, ok, shown, warn
from midfill_server.tools.status_command import STOPPED

from ...full_disk import fill, small_disk
from ...scripted_engine import ScriptedEngine


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of whoever runs the tests is looked at."""
    (tmp_path / "run").mkdir(mode=0o700)
    for name in ("RUNTIME", "STATE", "CACHE"):
        monkeypatch.setenv(f"MIDFILL_{name}_DIR", str(tmp_path / name.lower().replace("runtime", "run")))


def levels(found: list[Finding]) -> list[str]:
    return [it.level for it in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/ann/code is there", "~/code is there"),
        ("in /home/ann", "in ~"),
        ("/home/anna/code", "/home/anna/code"),
        ("/mnt/home/ann/x", "/mnt/home/ann/x"),
        ("/home/ann.old /home/ann-2 it is /home/ann.", "/home/ann.old /home/ann-2 it is ~."),
        ("a:/home/ann/x, b:/home/ann/y.", "a:~/x, b:~/y."),
    ],
)
def test_paths_below_the_home_are_folded(text: str, expected: str) -> None:
    assert folded(text, "/home/ann") == expected


@pytest.mark.parametrize("home", ["", "/"])
def test_a_home_that_is_no_folder_of_ones_own_folds_nothing(home: str) -> None:
    assert folded("/etc/x", home) == "/etc/x"


def test_no_key_is_ever_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where a server repeats it."""
    monkeypatch.setenv("THE_KEY", "sk-secret")
    settings = Settings(
        url="http://ann:passw0rd@host/v1", api_key_env="THE_KEY", headers=(("X-Token", "t0ken"),)
    )
    secrets = list(command.secrets_in(settings, {"https_proxy": "http://me:pr0xy@proxy:1"}))
    it = shown(fail("S", "sk-secret passw0rd t0ken pr0xy", "see http://me:pr0xy@proxy:1"), secrets)
    assert (it.text, it.mend) == ("*** *** *** ***", "see http://me:***@proxy:1")


def test_the_text_has_sections_mends_and_a_verdict() -> None:
    found = [ok("One", "good"), warn("One", "odd", "Mend it."), fail("Two", "bad", "Mend that.")]
    assert as_text(found).splitlines() == [
        *("One", "  ok    good", "  warn  odd", "        → Mend it.", ""),
        *("Two", "  FAIL  bad", "        → Mend that.", "", "1 thing fails, 1 warning."),
    ]
    assert as_text(found[:1]).endswith("All is well.")
    assert as_text(found[:2], "works").endswith("1 warning; ghost text works.")
    assert as_text(found[:1], "was not tried").endswith("All is well; ghost text was not tried.")
    assert as_text(found, "works").endswith("1 thing fails, 1 warning.")


def test_which_midfill_editors_find(tmp_path: Path) -> None:
    assert machine.on_path(str(tmp_path / "bin" / "midfill"), tmp_path).level == "ok"
    assert machine.on_path("/usr/bin/midfill", tmp_path).level == "warn"
    (tmp_path / "link").symlink_to(tmp_path / "venv" / "bin" / "midfill")
    assert machine.on_path(str(tmp_path / "link"), tmp_path / "venv").level == "ok"
    assert machine.on_path(str(tmp_path / "link"), tmp_path / "other").level == "warn"
    assert str(tmp_path) in machine.on_path(None, tmp_path).mend


@pytest.mark.parametrize(
    ("driver", "lack", "expected"),
    [
        (None, "there is no CUDA GPU", ["ok"]),
        (machine.Driver(fault="couldn't communicate with the NVIDIA driver."), "", ["warn"]),
        (machine.Driver(("NVIDIA H100, driver 1",)), "", ["ok", "ok"]),
        (machine.Driver(("NVIDIA H100, driver 1",)), None, ["ok"]),
        (machine.Driver(("NVIDIA H100, driver 1",)), "this torch was built without CUDA", ["ok", "warn"]),
    ],
)
def test_the_card_and_its_driver(
    driver: machine.Driver | None, lack: str | None, expected: list[str]
) -> None:
    assert levels(machine.gpu(driver, lack)) == expected


@pytest.mark.parametrize(
    ("cuda", "visible", "mend"),
    [(None, None, "Install torch"), ("13.0", "", "Unset it"), ("13.0", None, "Install a newer driver")],
)
def test_a_card_that_the_engine_cannot_use_has_the_mend_of_its_cause(
    monkeypatch: pytest.MonkeyPatch, cuda: str | None, visible: str | None, mend: str
) -> None:
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    *_, found = machine.gpu(machine.Driver(("NVIDIA H100, driver 1",)), gpu_lack())
    assert found.level == "warn" and found.mend.startswith(mend)


def test_a_card_in_words() -> None:
    assert (
        machine._card("NVIDIA H100, 580.1, 80000, 81559")
        == "NVIDIA H100, driver 580.1, 78.1 of 79.6 GiB free"
    )
    assert machine._card("[N/A], [N/A]") == "[N/A], [N/A]"


def library(name: str, version: str | None = "1", fault: str = "") -> dict[str, Any]:
    return {"about": "library", "name": name, "version": version, "did": "it loads", "fault": fault}


def test_the_light_install_is_a_fact_and_no_crash() -> None:
    told = checkup.Checkup(tuple(library(it, None) for it in (*checkup.ENGINE, "xllamacpp")))
    (with_url,) = checkup.libraries(told, wants_engine=False)
    (without,) = checkup.libraries(told, wants_engine=True)
    assert (with_url.level, without.level) == ("ok", "fail")
    assert with_url.text == without.text and "midfill[local]" in without.mend


def test_a_library_that_fails_or_is_missing_is_named() -> None:
    some = {name: library(name) for name in checkup.ENGINE}
    some["numpy"], some["uvicorn"] = library("numpy", fault="ImportError: x"), library("uvicorn", None)
    found = checkup.libraries(checkup.Checkup(tuple(some.values())), wants_engine=True)
    assert [it.text for it in found if it.level == "fail"] == [
        "numpy 1 does not work: ImportError: x.",
        "uvicorn is not installed, and the engine needs it.",
    ]


def test_a_library_that_ends_the_process_is_named() -> None:
    lines = '{"about": "trying", "name": "torch"}\nSegmentation fault\n{"about": "tr'
    told = checkup.read(lines, "ended the process (signal 11)")
    (found,) = checkup.libraries(told, wants_engine=True)
    assert found.text == "Torch ended the process (signal 11)." and found.level == "fail"


@pytest.mark.skipif(sys.platform != "linux", reason="only there is the limit kept")
@pytest.mark.parametrize("kilobytes", [200_000, 300_000, 400_000])
def test_little_memory_is_told_and_not_to_be_mended_by_an_installation(kilobytes: int) -> None:
    """With the real libraries: each limit ends the look at them elsewhere."""
    limited = f"ulimit -v {kilobytes} && exec {sys.executable} -m midfill_server doctor --quick --json"
    done = subprocess.run(["sh", "-c", limited], capture_output=True, text=True)
    failed = [it for it in json.loads(done.stdout)["findings"] if it["level"] == "fail"]
    assert failed and done.returncode == 1
    for it in failed:
        assert f"limited to {kilobytes / 2**20:.1f} GiB by `ulimit -v`" in it["text"]
        assert it["mend"].startswith("Start it where `ulimit -v` says unlimited")


@pytest.mark.skipif(sys.platform != "linux", reason="only there is the limit kept")
def test_an_engine_that_little_memory_ends_says_so() -> None:
    limited = f"ulimit -v 400000 && exec {sys.executable} -m midfill_server doctor --json"
    done = subprocess.run(["sh", "-c", limited], capture_output=True, text=True)
    (it,) = [it for it in json.loads(done.stdout)["findings"] if it["section"] == "Completion"]
    assert it["level"] == "fail" and "limited to 0.4 GiB by `ulimit -v`" in it["text"]


def test_the_engines_side_is_asked_for_real() -> None:
    told = checkup.checkup("./no-such-model")
    (model,) = checkup.models(told, "./no-such-model", wants_engine=True)
    assert model.level == "fail" and "no-such-model" in model.text
    assert told.died == "" and told.gpu_lack is not None and told.hub_cache is not None
    assert levels(checkup.libraries(told, wants_engine=True)).count("fail") == 0


@pytest.mark.parametrize(
    ("fault", "missing", "wanted", "level"),
    [
        ("x has 7 bytes instead of 8; download the model again.", False, "auto", "fail"),
        ("The lite model is not on this machine, or not all of it", True, "auto", "warn"),
        ("The lite model is not on this machine, or not all of it", True, "lite", "fail"),
    ],
)
def test_a_model_that_is_broken_fails_and_one_that_nobody_wants_warns(
    fault: str, missing: bool, wanted: str, level: str
) -> None:
    it = {"about": "model", "name": "lite", "fault": fault, "missing": missing}
    assert levels(checkup.models(checkup.Checkup((it,)), wanted, wants_engine=True)) == [level]
    assert checkup.models(checkup.Checkup((it,)), wanted, wants_engine=False) == []


def folder(path: Path) -> folders.Folder:
    return folders.looked_at(folders.Folder("cache", path, "MIDFILL_CACHE_DIR", "it costs something"))


def test_a_folder_that_others_may_write_to(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir(mode=0o755)
    (tmp_path / "f" / "file").write_bytes(b"x" * 1500)
    assert folders.judged(folder(tmp_path / "f")).text.startswith(f"cache: {tmp_path}/f, mode 0755, 1.5 kB")
    (tmp_path / "f").chmod(0o777)
    found = folders.judged(folder(tmp_path / "f"))
    assert found.level == "warn" and f"chmod go-w {tmp_path}/f" in found.mend


def test_a_folder_that_is_not_there_yet_is_well(tmp_path: Path) -> None:
    assert folders.judged(folder(tmp_path / "none" / "such")).text.endswith("not there yet")


@pytest.mark.parametrize("name", ["STATE", "CACHE"])
@pytest.mark.parametrize(("target", "why"), [("gone", "is a link to nowhere"), ("link", "leads to itself")])
def test_a_link_in_the_place_of_a_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, target: str, why: str
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / target)
    monkeypatch.setenv(f"MIDFILL_{name}_DIR", str(tmp_path / "link"))
    told = next(it for it in folders.folders(None) if it.level != "ok")
    assert f"{tmp_path / 'link'} is a link" in told.text and why in told.text
    assert told.mend == f"Remove that, or set MIDFILL_{name}_DIR to a folder of your own."


def test_a_runtime_folder_that_others_may_write_to_fails(tmp_path: Path) -> None:
    (tmp_path / "run").chmod(0o777)
    found = folders.folders(None)[0]
    assert (found.level, found.mend) == ("fail", f"Run `chmod go-w {tmp_path}/run`.")
    tmp_path.chmod(0o777)
    found = folders.folders(None)[0]
    assert (found.level, found.mend) == ("fail", f"Run `chmod go-w {tmp_path}`.")
    tmp_path.chmod(0o700)


def test_a_runtime_folder_without_room_fails(tmp_path: Path) -> None:
    with small_disk(tmp_path / "run"):
        fill(tmp_path / "run")
        found = folders.folders(None)[0]
    assert (
        found.level == "fail"
        and "No space left on device" in found.text
        and found.mend.startswith("Make room")
    )


def test_what_a_killed_engine_left_is_told_and_removed(tmp_path: Path) -> None:
    names = [seam.CARD, seam.SOCKET, f".{seam.CARD}.x1", "llama-999999999.sock"]
    for name in (*names, f"llama-{os.getpid()}.sock"):  # one that loads to take its place
        (tmp_path / "run" / name).write_text("")
    found = leftovers.leftovers(None)
    assert sorted(it.path.name for it in found) == sorted(names)
    assert set(levels(leftovers.told(found))) == {"warn"}
    assert set(levels(leftovers.removed(found))) == {"ok"}
    assert leftovers.leftovers(None) == []


def test_nothing_of_an_engine_that_lives_is_removed(tmp_path: Path) -> None:
    (tmp_path / "run" / seam.CARD).write_text("")
    found = leftovers.leftovers(None)
    with seam.engine_lock(tmp_path / "run"):
        assert leftovers.leftovers(None) == []
        (it,) = leftovers.removed(found)  # it has begun meanwhile
    assert it.text.endswith("is in use by now, and stays.")
    assert (tmp_path / "run" / seam.CARD).exists()


def test_half_a_packed_copy_is_nobodys_when_its_writer_is_gone(tmp_path: Path) -> None:
    packed = tmp_path / "cache" / "packed" / "lite-1"
    packed.mkdir(parents=True)
    for name in ("ab.safetensors", f"cd.safetensors.{os.getpid()}", "ef.safetensors.999999999"):
        (packed / name).write_text("")
    assert [it.path.name for it in leftovers.leftovers(None)] == ["ef.safetensors.999999999"]


def test_half_a_download_is_ours_by_its_lock_and_nobodys_after_a_day(tmp_path: Path) -> None:
    for model, lock in (("a--x", True), ("b--y", False), ("c--z", True)):
        blobs = tmp_path / f"models--{model}" / "blobs"
        blobs.mkdir(parents=True)
        (half := blobs / "abc.incomplete").write_bytes(b"half")
        if model != "c--z":
            os.utime(half, (time.time() - 2 * 86400,) * 2)
        if lock:
            (tmp_path / ".locks" / f"models--{model}").mkdir(parents=True)
            (tmp_path / ".locks" / f"models--{model}" / "midfill.lock").touch()
    (found,) = leftovers.leftovers(tmp_path)
    assert "models--a--x" in str(found.path)
    assert "`midfill download a/x`" in leftovers.told([found])[0].mend
    leftovers.removed([found])
    assert not found.path.exists()


@pytest.mark.parametrize(
    ("state", "last", "expected"),
    [
        ({}, "", ["ok"]),
        ({}, "The GPU failed", ["ok", "warn"]),
        ({"state": "ready", "model": "demo", "version": "2"}, "The GPU failed", ["ok"]),
        ({"state": "ready", "model": "demo", "version": "2"}, "", ["ok"]),
        ({"state": "ready", "model": "demo", "version": "1"}, "", ["ok", "warn"]),
        ({"state": "ready", "model": "demo", "version": "2", "stalled_s": 34.0}, "", ["warn"]),
        ({"state": "failed", "message": "There is no model."}, "", ["fail"]),
        ({"state": "hangs", "pid": 7}, "", ["fail"]),
        ({"state": "starting"}, "", ["ok"]),
        ({"state": "starting", "pid": 7, "uptime_s": 5.0}, "", ["ok"]),
        ({"state": "starting", "pid": 7, "uptime_s": 75.0}, "", ["warn"]),
        ({"paused": True}, "", ["ok", "warn"]),
        ({"paused": True, "state": "ready", "model": "demo", "version": "2"}, "", ["ok", "warn"]),
    ],
)
def test_how_the_engine_is(state: dict[str, Any], last: str, expected: list[str]) -> None:
    assert levels(engine.judged(STOPPED | state, last or NOTHING, "2", "engine.log")) == expected


@pytest.mark.parametrize("is_paused", [True, False])
@pytest.mark.parametrize(
    "state",
    [
        {},
        {"state": "hangs", "pid": 7},
        {"state": "failed", "message": "There is no model."},
        {"state": "ready", "version": "1", "asleep": True},
    ],
)
def test_a_key_is_said_to_start_an_engine_only_where_it_does(state: dict[str, Any], is_paused: bool) -> None:
    for is_wanted in (True, False):
        found = engine.judged(STOPPED | state | {"paused": is_paused}, NOTHING, "2", "log", is_wanted)
        told = " ".join(f"{it.text} {it.mend}" for it in found)
        assert ("next key" in told) == (is_wanted and not is_paused), told


async def test_a_server_is_asked_what_it_is(tmp_path: Path) -> None:
    with ScriptedEngine(tmp_path, tcp=True) as other:
        settings = Settings(url=other.url, api_key_env="KEY")
        os.environ["KEY"] = "scripted"
        try:
            found = await endpoint.endpoint(settings)
        finally:
            del os.environ["KEY"]
    (it,) = [it for it in found if other.url in it.text]
    assert it.level == "ok" and "Midfill, model scripted" in it.text and "with a key" in it.text


async def test_a_dead_server_fails_without_its_password() -> None:
    found = await endpoint.endpoint(Settings(url="http://ann:passw0rd@localhost:1/v1"))
    assert [it.level for it in found if "localhost" in it.text] == ["fail"]
    assert not any("passw0rd" in it.text for it in found)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_dead_proxy_is_told_and_not_the_server_behind_it(scheme: str) -> None:
    settings = Settings(url=f"{scheme}://no-such-host.example/v1", proxy="http://127.0.0.1:1")
    (it,) = [it for it in await endpoint.endpoint(settings) if it.level == "fail"]
    assert "the proxy 127.0.0.1:1 cannot be used, nobody listens there: correct midfill.proxy" in it.text


def test_where_no_server_answers_no_completion_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It accepts and says nothing."""
    monkeypatch.setattr(endpoint, "_SECONDS", 1.0)
    options = {"json": True, "fix": False, "quick": False, "thorough": False, "settings": None}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        assert command.main(Namespace(**options, set=[f"url={url}"])) == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    (it,) = [it for it in found if it["level"] == "fail"]
    assert it["text"] == f"{url} has not said within 1 s what it is." and it["mend"].startswith("See whether")
    assert not [it for it in found if it["section"] == trial.TRIAL]


async def test_a_file_of_certificates_that_is_none_fails(tmp_path: Path) -> None:
    settings = Settings(url="https://localhost:1", ca_file=str(tmp_path / "none.pem"))
    assert any(it.level == "fail" and "caFile" in it.text for it in await endpoint.endpoint(settings))


def test_proxies_are_named_without_a_value(tmp_path: Path) -> None:
    found = endpoint.environment(
        {"https_proxy": "http://me:pr0xy@p:1", "NO_PROXY": "", "SSL_CERT_FILE": str(tmp_path / "none")}
    )
    assert found[0].text == "Set in the environment: HTTPS_PROXY"
    assert levels(found) == ["ok", "warn"]


def test_editors_that_name_midfill_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "No editor that is known" in editors(tmp_path)[0].text
    config = tmp_path / ".config"
    for name, text in (
        ("nvim/lua/x/lsp.lua", "vim.lsp.enable('midfill')"),
        ("helix/languages.toml", "[language-server.other]"),
        ("Code/User/settings.json", '{"midfill.apiKeyEnv": "THE_KEY"}'),
    ):
        (config / name).parent.mkdir(parents=True)
        (config / name).write_text(text)
    found = editors(tmp_path)
    assert [it.text.partition(":")[0] for it in found] == ["VS Code", "Neovim"]
    assert "THE_KEY" not in found[0].text


OUTCOME: dict[str, Any] = {
    "text": "width * height",
    "timings": {"initialize_ms": 1.0, "ready_ms": 2.0, "first_partial_ms": 3.0, "total_ms": 4.0},
    "model": "demo",
    "why": None,
    "warning": None,
    "error": None,
}


@pytest.mark.parametrize(
    ("differs", "expected"),
    [
        ({}, ["ok"]),
        ({"text": "", "why": "the model is not sure"}, ["warn"]),
        ({"warning": "The engine runs another model."}, ["warn", "ok"]),
        ({"error": "There is no model; fetch one"}, ["fail"]),
        ({"timings": OUTCOME["timings"] | {"first_partial_ms": 60_000.0}}, ["warn"]),
    ],
)
def test_what_the_completion_says(differs: dict[str, Any], expected: list[str]) -> None:
    assert levels(trial.judged(OUTCOME | differs)) == expected


async def test_the_completion_is_a_real_one_and_its_file_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedEngine(tmp_path / "run") as other:
        other.says("load", "(file)", after=trial.TEXT)
        found, times = await trial.trial({})
    assert levels(found) == ["ok"] and "'load(file)'" in found[0].text
    assert times["total_ms"] > 0


def test_wrong_settings_of_an_editor_are_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "settings.json").write_text('{"midfill": {"maxTokens": 0, "url": "http://localhost:1"}}')
    options = {"json": False, "fix": False, "quick": True, "thorough": False, "set": []}
    assert command.main(Namespace(**options, settings=tmp_path / "settings.json")) == 1
    assert "FAIL  midfill.maxTokens must be a whole number" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("is_paused", "given", "warning"),
    [
        (True, [], "warn  Midfill is paused in all windows.\n        → Run `midfill resume` to go on."),
        (False, ["enabled=false"], "warn  The setting enabled is false: nothing is offered.\n        → Set"),
    ],
)
def test_what_is_switched_off_is_one_warning_and_no_claim(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    is_paused: bool,
    given: list[str],
    warning: str,
) -> None:
    monkeypatch.setattr(checkup, "checkup", lambda *_: checkup.Checkup())
    monkeypatch.setattr(checkup, "libraries", lambda *_: [])
    monkeypatch.setattr(machine, "machine", list)
    monkeypatch.setattr(machine, "driver", lambda: None)
    if is_paused:
        seam.pause(tmp_path / "run")
    options = {"json": False, "fix": False, "quick": False, "thorough": False}
    assert command.main(Namespace(**options, set=given, settings=None)) == 0
    out = capsys.readouterr().out
    assert warning in out and out.endswith("1 warning; ghost text was not tried.\n")
    assert "No engine is running.\n" in out
    assert is_paused == ("the engine of this machine answers" in out)
