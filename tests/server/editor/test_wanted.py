"""Where ghost text is wanted; `│` is the cursor."""

import time
from pathlib import Path, PurePath
from typing import Any

import pytest

from midfill_server.context import Window
from midfill_server.context.ignored import Excluded
from midfill_server.editor.wanted import Asked, Request, Verdict, verdict_on
from midfill_server.keystroke.typed import typed_since
from midfill_server.settings import Settings, read_settings

Json = dict[str, Any]

WANTED, ONE_LINE = Verdict(), Verdict(one_line=True)


def window(drawn: str, language: str = "python") -> Window:
    prefix, _, suffix = drawn.partition("│")
    return Window(prefix, suffix, language=language)


def verdict(
    drawn: str = "x = │", language: str = "python", options: Json | None = None, cut: bool = False
) -> Verdict:
    settings, complaints = read_settings(options)
    assert not complaints
    return verdict_on(Request(window(drawn, language), cut=cut), settings)


@pytest.mark.parametrize(
    ("drawn", "comments", "strings"),
    [
        ("x = │", WANTED, WANTED),
        ("# the sum of │", "in a comment", WANTED),
        ("x = 1  # one│\n", "in a comment", WANTED),
        ("x = 1  # one\n│", WANTED, WANTED),
        ('x = "it is │"', WANTED, "in a string"),
        ('x = "it is"│', WANTED, WANTED),
        ('def f():\n    """Tells # something\n    of │', WANTED, "in a string"),
    ],
)
def test_comments_and_strings(drawn: str, comments: Any, strings: Any) -> None:
    assert verdict(drawn) == WANTED
    for key, wanted in (("inComments", comments), ("inStrings", strings)):
        off, words = (verdict(drawn, options={key: mode}) for mode in ("off", "words"))
        assert (off, words) == ((WANTED, WANTED) if wanted == WANTED else (Verdict(wanted), ONE_LINE))


def test_other_languages_have_comments_too() -> None:
    assert verdict("a(); // then │", "typescript", {"inComments": "off"}).reason == "in a comment"
    assert verdict("a # no comment│", "typescript", {"inComments": "off"}).reason is None
    assert verdict("# nobody knows│", "of-its-own", {"inComments": "off"}).reason is None


def test_a_window_may_begin_inside_a_string() -> None:
    drawn = 'Tells of (one) thing.\n    """\n    return [f(x) for x in (1, 2)]│'
    assert verdict(drawn, options={"inStrings": "off"}).reason == "in a string"
    assert verdict(drawn, options={"inStrings": "off"}, cut=True).reason is None


def test_the_place_is_told_in_a_moment_however_large_the_window_is() -> None:
    line = 'def f(x):\n    """Some words about it."""\n    return {"a": [g(x, y) for y in x]}  # and more\n'
    settings = Settings(in_comments="off")
    large = Request(window(line * 10_000 + "# │"), cut=True)
    started = time.thread_time()
    assert [verdict_on(large, settings).reason for _ in range(50)] == ["in a comment"] * 50
    assert time.thread_time() - started < 50 * 0.02  # ten times what it takes


@pytest.mark.parametrize(
    ("language", "options", "on"),
    [
        ("python", {}, True),
        ("", {}, True),
        ("markdown", {}, False),
        ("git-commit", {}, False),
        ("markdown", {"languages": {"markdown": True}}, True),
        ("plaintext", {"languages": {"markdown": True}}, False),
        ("python", {"languages": {"python": False}}, False),
        ("rust", {"languages": {"*": False, "python": True}}, False),
        ("python", {"languages": {"*": False, "python": True}}, True),
    ],
)
def test_languages(language: str, options: Json, on: bool) -> None:
    assert verdict(language=language, options=options).reason == (None if on else "language off")


def test_a_new_file_has_no_language_yet() -> None:
    new, settings = Request(window("x = │", "plaintext"), unsaved=True), Settings()
    assert verdict_on(new, settings) == WANTED
    assert verdict_on(Request(window("x = │", "markdown"), unsaved=True), settings).reason == "language off"
    assert verdict_on(new, Settings(languages=(("*", False),))).reason == "language off"


@pytest.mark.parametrize(
    ("path", "text", "secret"),
    [
        (".env", "", True),
        ("deploy/.env.production", "", True),
        ("id_rsa", "", True),
        ("tls/server.pem", "", True),
        (".ssh/config", "", True),
        ("app/secrets.py", "", True),
        ("secrets.yaml", "", True),
        ("Untitled-1", "-----BEGIN OPENSSH PRIVATE KEY-----\n", True),
        ("app/password_reset.py", "", False),
        ("app/credentials/store.ts", "", False),
        ("tests/test_keys.py", "KEY = '-----BEGIN PRIVATE KEY-----'\n", False),
        ("settings.yaml", "debug: true\n", False),
        ("environment.py", "", False),
    ],
)
def test_secrets_are_silent_and_never_go_to_a_url(path: str, text: str, secret: bool) -> None:
    for url in (None, "http://localhost:8000/v1"):
        for wished in (False, True):
            request = Request(window(text + "│"), PurePath(path), wished=wished)
            silent = secret and bool(url or not wished)
            assert verdict_on(request, Settings(url=url)).reason == ("secret" if silent else None)


KEY = "-----BEGIN RSA " + "PRIVATE KEY-----"
WHOLE_KEY = f"{KEY}\n" + "MIIE" * 16 + "\n"
PASSWORD = "password = 'hunter2-hunter2'\n"


@pytest.mark.parametrize(
    ("path", "text", "stays"),
    [
        ("deploy/notes.txt", f"AWS_SECRET_{'ACCESS_KEY'}=wJalrXUtnFEMI/K7MDENG+bPxRfi\n", True),
        ("app.toml", PASSWORD, True),
        ("docker-compose.yml", "POSTGRES_PASSWORD: hunter2-hunter2\n", True),
        ("notes.md", WHOLE_KEY, True),
        ("keys.py", f'KEY = """{WHOLE_KEY}"""\n', True),
        ("keys.ts", 'const key = "' + WHOLE_KEY.replace("\n", "\\n") + '";\n', True),
        ("local_settings.py", "", True),
        ("wp-config.php", "", True),
        ("config/local_settings_staging.py", "", True),
        ("api_key.txt", "", True),
        ("app.py", PASSWORD, False),  # who writes it knows that it goes there
        ("pem.py", f"if line == {KEY!r}:\n    ", False),
        ("password_reset.py", "", False),
        ("models/access_token.rb", "", False),
        ("PrivateKey.java", "", False),
        ("auth/secrets/manager.go", "", False),
        ("README.md", "Set `password` to the password that you have been given.\n", False),
        ("app.toml", 'password = "your-password"\n', False),
        ("docker-compose.yml", "POSTGRES_PASSWORD: ${POSTGRES_PASSWORD}\n", False),
    ],
)
def test_what_holds_a_secret_goes_to_no_url_and_is_written_in_all_the_same(
    path: str, text: str, stays: bool
) -> None:
    for window_ in (Window(text, ""), Window("", text)):
        request = Request(window_, PurePath(path), wished=True)
        assert (verdict_on(request, Settings(url="http://a")).reason == "secret") == stays
        assert verdict_on(request, Settings()).reason is None


def test_who_asks_is_answered_but_in_what_is_excluded() -> None:
    settings = Settings(in_comments="off", trigger="manual", languages=(("*", False),))
    there = window("# │")
    assert verdict_on(Request(there, wished=True, snoozed=True), settings) == WANTED
    assert verdict_on(Request(there, wished=True, excluded=True), settings).reason == "excluded"
    assert verdict_on(Request(there, snoozed=True), settings).reason == "snoozed"
    assert verdict_on(Request(there), settings).reason == "manual"


ROOT = Path("/home/me/work")


@pytest.mark.parametrize(
    ("globs", "path", "excluded"),
    [
        ([], "a.py", False),
        (["*.csv"], "data/a.csv", True),
        (["*.csv"], "data/a.csv.py", False),
        (["generated/"], "src/generated/deep/a.py", True),
        (["/generated/"], "src/generated/a.py", False),
        (["/generated"], "generated/a.py", True),
        (["src/**/test_*.py"], "src/a/b/test_c.py", True),
        (["*.py", "!keep/*.py"], "keep/a.py", False),
        (["!keep/*.py", "*.py"], "keep/a.py", True),
        (["/home/me/work/a.py"], "a.py", True),
        (["/home/me/other/"], "/home/me/other/a.py", True),
        (["*.py"], "/elsewhere/a.py", True),
        (["/a.py"], "/elsewhere/a.py", False),
        (["~/private/"], "/home/me/private/a.py", True),
    ],
)
def test_excluded_files(globs: list[str], path: str, excluded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert Excluded(globs, [ROOT.parent, ROOT]).file(ROOT / path) is excluded


def test_a_root_within_a_root_counts_from_the_inner_one() -> None:
    assert Excluded(["/a.py"], [ROOT, ROOT / "inner"]).file(ROOT / "inner/a.py")
    assert not Excluded(["/inner/a.py"], [ROOT, ROOT / "inner"]).file(ROOT / "inner/a.py")


@pytest.mark.parametrize(
    ("now", "goes_on"),
    [
        ("x = │", True),
        ("x = a│", True),
        ("x = a.b│", True),
        ("x = a.b()│", False),
        ("x = c│", False),
        ("y = │", False),
        ("x =│", False),
    ],
)
def test_to_type_on_what_was_asked_for_is_no_new_question(now: str, goes_on: bool) -> None:
    asked = Asked(typed_since)
    assert asked.asks("a.py", window("x = │"), explicit=True)
    asked.answered("a.py", window("x = │"), ["a.b()"])
    assert not asked.asks("b.py", window(now), explicit=False)
    assert asked.asks("a.py", window(now), explicit=False) is goes_on


def test_key_after_key_it_goes_on_until_it_does_not() -> None:
    asked = Asked(typed_since)
    asked.asks("a.py", window("x = │"), explicit=True)
    asked.answered("a.py", window("x = │"), ["a"])
    asked.answered("a.py", window("x = │"), ["a.b()"])
    assert asked.asks("a.py", window("x = a│"), explicit=False)
    asked.answered("a.py", window("x = a│"), [".b()"])
    assert asked.asks("a.py", window("x = a.b│"), explicit=False)
    assert not asked.asks("a.py", window("x = a.c│"), explicit=False)
    assert not asked.asks("a.py", window("x = a.b│"), explicit=False)


def test_each_of_several_may_be_typed_on() -> None:
    asked = Asked(typed_since)
    asked.asks("a.py", window("x = │"), explicit=True)
    asked.answered("a.py", window("x = │"), ["a.b"])
    asked.answered("a.py", window("x = │"), ["a.b()", "a.c()", "d"])
    assert asked.asks("a.py", window("x = │"), explicit=False)
    asked.answered("a.py", window("x = │"), ["a.b()"])  # VS Code asks again by itself
    assert asked.asks("a.py", window("x = a│"), explicit=False)
    asked.answered("a.py", window("x = a│"), [".b()"])
    assert asked.asks("a.py", window("x = a.c│"), explicit=False)
    asked.answered("a.py", window("x = a.c│"), ["()"])
    assert not asked.asks("a.py", window("x = d│"), explicit=False), "that was left behind"


def test_the_last_of_several_may_be_typed_on() -> None:
    asked = Asked(typed_since)
    asked.asks("a.py", window("x = │"), explicit=True)
    asked.answered("a.py", window("x = │"), ["a", "de"])
    assert asked.asks("a.py", window("x = d│"), explicit=False)
    assert not asked.asks("a.py", window("x = de│"), explicit=False)


@pytest.mark.parametrize(
    ("deleted", "text", "offered"),
    [
        ("foo", "foo(1)", False),
        ("foo(1)", "foo", False),
        ("foo", " foo(1)", False),
        ("foo\n    bar", "\n    foo", False),
        ("foo", " bar", True),
        ("", " foo", True),
    ],
)
def test_what_was_just_deleted_is_not_offered_again(deleted: str, text: str, offered: bool) -> None:
    assert Verdict(deleted=deleted).part_of(text) == (text if offered else "")
