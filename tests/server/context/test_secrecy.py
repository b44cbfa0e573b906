"""What is never sent as context: each way on its own, on the disk and in the editor."""

import os
from collections.abc import Sequence
from pathlib import Path, PurePath

import pytest

from midfill_server.context.collect import Spot, collect
from midfill_server.context.files import LARGEST, Files
from midfill_server.context.secrets import secret_name, secret_text

CODE = "class Account:\n    def deposit(self, amount): ...\n    def withdraw(self, amount): ...\n"
ASKING = "from accounts import Account\n\naccount = Account()\naccount.\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def told(root: Path, open_files: dict[Path, Sequence[str]] | None = None, asking: Path | None = None) -> str:
    """All the context for a cursor in `root`/main.py."""
    path = asking or root / "main.py"
    lines = ASKING.splitlines(keepends=True)
    spot = Spot(path, lines, ASKING, "", (0, len(lines)), 500, open_files or {})
    return "".join(collect(spot, Files((root,))).values())


def test_a_file_of_the_workspace_is_told(root: Path) -> None:
    (root / "accounts.py").write_text(CODE)
    assert "# accounts.py" in told(root) and "def withdraw" in told(root)


@pytest.mark.parametrize(
    ("rules", "place", "sent"),
    [
        ({".gitignore": "accounts.py"}, "accounts.py", False),
        ({".gitignore": "*.py\n!accounts.py"}, "accounts.py", True),
        ({".gitignore": "/private/"}, "private/accounts.py", False),
        ({".gitignore": "/private/"}, "other/private/accounts.py", True),
        ({"deep/.gitignore": "acc*"}, "deep/accounts.py", False),
        ({"deep/.gitignore": "acc*"}, "accounts.py", True),
        ({".git/info/exclude": "accounts.*"}, "accounts.py", False),
    ],
)
def test_git_decides(root: Path, rules: dict[str, str], place: str, sent: bool) -> None:
    for name, text in (rules | {place: CODE}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    assert ("withdraw" in told(root)) == sent
    as_opened: dict[Path, Sequence[str]] = {root / place: CODE.splitlines(keepends=True)}
    assert ("withdraw" in told(root, as_opened)) == sent


def test_nothing_outside_the_workspace(root: Path) -> None:
    outside = root.parent / "accounts.py"
    outside.write_text(CODE)
    os.symlink(outside, root / "accounts.py")
    os.symlink(root.parent, root / "around")
    lines = CODE.splitlines(keepends=True)
    assert told(root, {outside: lines, root / "accounts.py": lines}) == ""


def test_nothing_large_binary_or_secret(root: Path) -> None:
    for extra in ("#" * LARGEST, "\0", "key = 'AKIA" + "Q7" * 8 + "'\n"):
        (root / "accounts.py").write_text(CODE + extra)
        assert told(root) == ""
        if len(extra) < LARGEST:
            assert told(root, {root / "accounts.py": [CODE, extra]}) == ""


def test_a_home_folder_is_no_workspace(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "accounts.py").write_text(CODE)
    monkeypatch.setattr(Path, "home", lambda: root)
    assert told(root) == ""


def test_the_cursors_own_file_is_never_read_from_the_disk(root: Path) -> None:
    (root / "main.py").write_text("def hidden_name(): ...\n" + CODE)
    (root / "accounts.py").write_text(CODE + "from main import hidden_name\n")
    assert "hidden_name():" not in told(root)


def test_what_the_editor_has_counts_not_the_disk(root: Path) -> None:
    (root / "accounts.py").write_text(CODE)
    assert "transfer" in told(root, {root / "accounts.py": [CODE, "    def transfer(self): ...\n"]})


@pytest.mark.parametrize(
    "name",
    (
        *(".env", ".env.local", "prod.env", "server.pem", "tls.key", "id_rsa", "id_ed25519.pub", ".npmrc"),
        *(
            "Secrets.yml",
            ".ssh/config.py",
            "a/secrets/b.py",
            "credentials.json",
            "x.tfstate.backup",
            "ca.CRT",
        ),
    ),
)
def test_names_of_secrets(name: str) -> None:
    assert secret_name(PurePath(name))


@pytest.mark.parametrize(
    "name", ["environment.py", "keys.py", "monkey.py", "secrets_test.py", "a/env/b.py", "pem.c"]
)
def test_names_that_are_none(name: str) -> None:
    assert not secret_name(PurePath(name))


SECRETS = [
    "-----BEGIN " + "RSA PRIVATE KEY-----",
    "AKIA" + "ABCDEFGHIJKLMNOP",
    "ghp_" + "a1" * 18,
    "glpat-" + "a" * 20,
    "xoxb-" + "1234567890-a",
    "AIza" + "x" * 35,
    "sk-" + "a" * 40,
    "sk_live_" + "a" * 24,
    "eyJ" + "a" * 12 + ".eyJ" + "b" * 12 + "." + "c" * 12,
    "postgres://me:" + "pass-word@db.example.org/x",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_texts_that_are_secrets(secret: str) -> None:
    assert secret_text(f"a = 1\nvalue = '{secret}'\n")


@pytest.mark.parametrize(
    "text",
    [
        "sk-learn",
        "https://example.org:8080/a@b",
        "f'://{user}:{password}@{host}'",
        "BEGIN PUBLIC KEY",
        "AKIA",
    ],
)
def test_texts_that_are_none(text: str) -> None:
    assert not secret_text(text)


def test_no_python_of_the_standard_library_is_taken_for_a_secret() -> None:
    texts = [path.read_text("utf-8") for path in sorted(Path(os.__file__).parent.glob("[a-m]*.py"))]
    assert sum(map(secret_text, texts)) <= 1
