"""What is never sent as context: each way on its own, on the disk and in the editor."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

import pytest

from midfill_server.context.collect import Spot, collect
from midfill_server.context.files import LARGEST, Files
from midfill_server.context.ignored import Excluded
from midfill_server.context.secrets import OVERLAP, PIECE, secret_name, secret_text

CODE = "class Account:\n    def deposit(self, amount): ...\n    def withdraw(self, amount): ...\n"
ASKING = "from accounts import Account\n\naccount = Account()\naccount.\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def told(
    root: Path,
    open_files: Mapping[Path, Sequence[str]] | None = None,
    asking: Path | None = None,
    exclude: Sequence[str] = (),
) -> str:
    """All the context for a cursor in `root`/main.py."""
    path = asking or root / "main.py"
    lines = ASKING.splitlines(keepends=True)
    spot = Spot(path, lines, ASKING, "", (0, len(lines)), 500, open_files or {})
    return "".join(collect(spot, Files((root,), Excluded(exclude, [root]))).values())


def test_a_file_of_the_workspace_is_told(root: Path) -> None:
    (root / "accounts.py").write_text(CODE)
    assert "# accounts.py" in told(root) and "def withdraw" in told(root)


@pytest.mark.parametrize(
    ("place", "sent"),
    [
        ("untitled:/Untitled-1.py", True),
        ("untitled:/.env", False),
        ("untitled:/credentials.py", False),
        ("vscode-remote:/ssh-remote+h/home/me/shop/accounts.py", True),
        ("vscode-remote:/ssh-remote+h/home/me/.ssh/accounts.py", False),
        ("vscode-remote:/ssh-remote+h/home/me/shop/.venv/accounts.py", False),
        ("vscode-remote:/ssh-remote+h/home/me/shop/accounts.txt", False),
        ("vscode-remote:/ssh-remote+h/home/me/shop/excluded.py", False),
        ("vscode-vfs:/github/me/shop/accounts.py", True),
        ("vscode-vfs:/github/me/other/accounts.py", False),  # beside the workspace of its scheme
    ],
)
def test_what_is_no_file_here_passes_the_same_gate(root: Path, place: str, sent: bool) -> None:
    lines = ASKING.splitlines(keepends=True)
    files = Files(
        (root, there := Path("vscode-vfs:/github/me/shop")), Excluded(["excluded.py"], [root, there])
    )
    spot = Spot(root / "main.py", lines, ASKING, "", (0, 4), 500, {Path(place): CODE.splitlines(True)})
    assert ("withdraw" in "".join(collect(spot, files).values())) == sent


def test_nothing_is_read_from_the_disk_for_what_is_no_file(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    place = root / "untitled:"
    place.mkdir()
    (place / "accounts.py").write_text(CODE)
    lines = ASKING.splitlines(keepends=True)
    spot = Spot(Path("untitled:/main.py"), lines, ASKING, "", (0, 4), 500)
    assert collect(spot, Files((Path("untitled:"),))) == {}


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


def test_what_the_setting_excludes_is_not_told(root: Path) -> None:
    (root / "accounts.py").write_text(CODE)
    as_opened: dict[Path, Sequence[str]] = {root / "accounts.py": CODE.splitlines(keepends=True)}
    for open_files in ({}, as_opened):
        assert "withdraw" in told(root, open_files, exclude=["/other/"])
        assert "withdraw" not in told(root, open_files, exclude=["account*"])


def test_a_rule_of_git_that_is_none_spoils_no_other(root: Path) -> None:
    (root / "accounts.py").write_text(CODE)
    (root / ".gitignore").write_text("[z-a]\n!\naccounts.py\n")
    assert told(root) == ""


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
            *(".envrc", ".s3cfg", ".my.cnf", ".pgpass", ".netrc", ".pypirc", "prod.tfvars.json", ".htpasswd"),
            *("local_settings.py", "local.settings.json", "appsettings.Production.json", "database.yml"),
            *(
                "kubeconfig",
                ".dockercfg",
                ".docker/config.json",
                "wp-config.php",
                "home.ovpn",
                "my_secret.py",
            ),
            *(
                "terraform.rc",
                "my-service-account-1.json",
                ".vault-token",
                ".bash_history",
                ".dockerconfigjson",
            ),
            *(
                "a.jks",
                "a.kdbx",
                "a.p12",
                "gcp_credentials.json",
                ".git-credentials",
                "application-local.yml",
            ),
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
    "name",
    [
        "environment.py",
        "keys.py",
        "monkey.py",
        "tokenizer.py",
        "a/env/b.py",
        "pem.c",
        "vault.py",
        "authors.py",
    ],
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
    "redis://:" + "pass-word@cache.local/0",
    "https://hooks.slack.com/services/T000/B000/" + "a1" * 12,
    "DefaultEndpointsProtocol=https;AccountKey=" + "aB3+" * 12 + "==",
    "PuTTY-User-Key-File-3: ssh-ed25519",
    "AGE-SECRET-KEY-1" + "QX" * 20,
    "Bearer " + "a1b2c3d4" * 4,
    "---- BEGIN SSH2 ENCRYPTED " + "PRIVATE KEY ----",
    '{"kty": "RSA", "d": "' + "a1B2" * 12 + '"}',
    "12345678:AA" + "x" * 33,
    "MTIz" + "a" * 20 + ".abcdef." + "x" * 27,
    "0" * 32 + "-us12",
    "gsk_" + "a1" * 24,
    "r8_" + "a1" * 18,
    "secret_" + "a1" * 21,
    "figd_" + "a1" * 20,
    "dckr_pat_" + "a1" * 12,
    "pscale_pw_" + "a1" * 20,
    "sntrys_" + "a1" * 20,
    "glsa_" + "a1" * 20,
    "tskey-auth-" + "a1" * 12,
    "ATATT3" + "xF" * 20,
    "glptt-" + "a1" * 20,
    "https://a.blob.core.windows.net/b?sv=2024-01-01&sig=" + "aB3%2F" * 8,
    "https://a.webhook.office.com/webhookb2/" + "a1" * 30,
    "$ANSIBLE_VAULT;1.1;AES256",
]

OPEN = {
    ".env": "database_password=%s",
    ".envrc": "export api_token=%s",
    ".vault-token": "api_token %s",
    ".bash_history": "export database_password=%s",
    ".my.cnf": "[client]\npassword=%s",
    ".s3cfg": "secret_key = %s",
    "aws.txt": "AWS_SECRET_ACCESS_KEY=%s",
    ".dockerconfigjson": '{"auths":{"x":{"auth":"%s"}}}',
    "local.settings.json": '{"Values":{"client_secret":"%s"}}',
    "prod.tfvars.json": '{"database_password":"%s"}',
    "rclone.conf": "pass = %s",
    "notebook.ipynb": '{"outputs":["database_password %s"]}',
    "hook.js": "const token='https://hooks.slack.com/services/T000/B000/%s'",
    "azure.cs": 'var s = "DefaultEndpointsProtocol=https;AccountKey=%s==";',
    "k8s.yml": "kind: Secret\ndata:\n  database_password: %s",
    "config.py": "DATABASE_PASSWORD = '%s1'",
    "deploy.sh": "export API_TOKEN=%s1",
    "settings/local_settings.py": "x = '%s'",
    "node_modules/a.js": "x = '%s'",
    ".hidden/a.py": "x = '%s'",
}
CANARY = "CANARYabcdefghijklmnopqrstuvwxyzABCDEFGH"


@pytest.mark.parametrize("name", OPEN)
def test_what_is_open_in_the_editor_passes_the_same_gate(root: Path, name: str) -> None:
    path = root / name
    path.parent.mkdir(exist_ok=True)
    text = OPEN[name].replace("%s", CANARY) + "\nclass Account:\n    def withdraw(self): ...\n"
    path.write_text(text)
    assert CANARY not in told(root, {path: text.splitlines(keepends=True)})
    spot = Spot(root / "main.py", [ASKING], ASKING, "", (0, 1), 500, {path: [text]}, edited=((path, 0),))
    assert CANARY not in "".join(collect(spot, Files((root,))).values())


GIVEN = [
    'PASSWORD = "hunter2hunter2"',
    "db_password: 'pa$$word-9!'",
    '{"client_secret": "q8Zr1-Yw03vM"}',
    "settings['api_key'] = 'f3b1c9aa02d7'",
    "const apiToken = `a81bc81b-dead-4e5d`;",
    'password := "S3cr3t-Horse"',
    "export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCY",
    "DB_PASSWORD=hunter2hunter2",
    "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG+bPxRfi",
    "mysqldump --password=hunter2hunter2",
    "ALTER USER a IDENTIFIED BY 'hunter22'",
    "curl -u admin:hunter2hunter2 https://a.b",
    'password: str = "hunter2hunter2"',
    "const apiToken: string | null = 'a81bc81b-dead-4e5d';",
    "define('DB_PASSWORD', 'hunter2hunter2');",
    'user.setPassword("hunter2hunter2");',
    'std::string password{"hunter2hunter2"};',
    'key = os.environ.get("API_KEY", "q8Zr1-Yw03vM")',
    'const secret = process.env.JWT_SECRET || "q8Zr1-Yw03vM"',
    "$token = getenv('API_TOKEN') ?: 'q8Zr1-Yw03vM';",
    "<password>hunter2hunter2</password>",
    'headers = {"X-Api-Key": "q8Zr1-Yw03vM"}',
    '"Server=db;User Id=sa;Password=hunter2!;Database=a"',
    "storePassword 'hunter2hunter2'",
]
NOT_GIVEN = [
    "password = config.password",
    "token = next(tokens)",
    'password = input("Password: ")',
    'token_type = "bearer"',
    'secret_name = "database/password"',
    'PASSWORD = "your-password-1"',
    'api_key = "xxxxxxxxxxxx1"',
    "def check(password: str, token: str = 'none') -> None:",
    'raise ValueError("no password1 given")',
    "self.token = token",
    'api_key = os.environ["API_KEY_2"]',
    "tokens = ['a', 'b']",
    'password: str = ""',
    "password: str = Field(min_length=8)",
    'parser.add_argument("--token", "-t")',
    'def test_password(user, password="short"): ...',
    "<password>{{ password }}</password>",
    '<input type="password" name="password" id="password1">',
    "def has_password(self, hunter2hunter2): ...",
    'assert check_password(password, "nothing-of-that-sort")',
    'case TOKEN_LEFT_PAREN: return "left-paren"',
    'raise PermissionError("token expired")',
    'connect(f"Server=db;Password={password};")',
    'const token = await getToken("users/me");',
    "access_token: Mapped[str] = mapped_column(String(64))",
    "# The password has at least 12 characters, one of them a digit.",
    'help="the API key, as https://example.org/keys shows it"',
    "password_hash = sha256(password.encode()).hexdigest()",
    'if line.startswith("-----BEGIN CERTIFICATE-----"):',
]


@pytest.mark.parametrize("line", GIVEN)
def test_what_is_given_to_a_name_that_says_secret(line: str) -> None:
    assert secret_text(f"a = 1\n{line}\nb = 2\n")


@pytest.mark.parametrize("line", NOT_GIVEN)
def test_what_only_speaks_of_secrets(line: str) -> None:
    assert not secret_text(f"a = 1\n{line}\nb = 2\n")


@pytest.mark.parametrize("secret", SECRETS)
def test_texts_that_are_secrets(secret: str) -> None:
    assert secret_text(f"a = 1\nvalue = '{secret}'\n")


@pytest.mark.parametrize("line", [*GIVEN, *(f"value = '{it}'" for it in SECRETS)])
def test_a_secret_is_found_wherever_it_stands_in_a_long_file(line: str) -> None:
    """A long text is searched piece by piece, so some stand across the end of one."""
    filler = "a = 1\n" * (2 * PIECE // 6)
    for begins in range(PIECE - len(line) - 6, PIECE + OVERLAP + 6, 397):
        begins -= begins % 6
        assert secret_text(f"{filler[:begins]}{line}\n{filler[begins:]}")


def test_what_is_edited_in_a_huge_file_beside_is_told_unless_that_holds_a_secret(root: Path) -> None:
    lines = [f"def function_{n}(a, b): return other_{n}\n" for n in range(20_000)]
    for secret, is_told in (("", True), (f"DATABASE_PASSWORD = '{CANARY}1'\n", False)):
        opened = {root / "huge.py": [*lines, secret]}
        place = ((root / "huge.py", 9_000),)
        spot = Spot(root / "main.py", [ASKING], ASKING, "", (0, 1), 500, opened, edited=place)
        assert ("function_9000" in "".join(collect(spot, Files((root,))).values())) is is_told


@pytest.mark.parametrize(
    "text",
    [
        "sk-learn",
        "https://example.org:8080/a@b",
        "f'://{user}:{password}@{host}'",
        "postgres://user:password@localhost/a",
        "BEGIN PUBLIC KEY",
        "AKIA",
    ],
)
def test_texts_that_are_none(text: str) -> None:
    assert not secret_text(text)


def test_no_python_of_the_standard_library_is_taken_for_a_secret() -> None:
    texts = [path.read_text("utf-8") for path in sorted(Path(os.__file__).parent.glob("[a-m]*.py"))]
    assert sum(map(secret_text, texts)) <= 1
