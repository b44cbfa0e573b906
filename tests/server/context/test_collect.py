"""What other files say: what they define, which ones count, and in which order it is sent."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from midfill_server.context.collect import Spot, collect
from midfill_server.context.files import Files
from midfill_server.context.outline import head, outline
from midfill_server.context.ranking.imports import resolve
from midfill_server.context.ranking.pack import blocks, choose
from midfill_server.context.ranking.rank import Piece, near, rarities, score
from midfill_server.context.surroundings import STEP, Surroundings, path_of

PYTHON = '''"""Money: an example."""
import os
from decimal import (
    Decimal,
    getcontext,
)

LIMIT: int = 10


class Account(Base):
    """Note: this is no name."""

    owner: str
    kind = "plain"

    def __init__(self, owner: str,
                 balance: Decimal = Decimal(0)) -> None:
        self.owner = owner
        self.balance: Decimal = balance
        local = 3

    async def close(self) -> None:
        def inner(): ...


def main() -> None:
    value = 3
'''


def names(text: str, ending: str) -> list[str]:
    found = outline(text, ending).definitions
    return [f"{it.owner.name}.{it.name}" if it.owner else it.name for it in found]


def test_what_python_defines() -> None:
    assert names(PYTHON, ".py") == [
        "LIMIT",
        *("Account", "Account.owner", "Account.kind", "Account.__init__", "Account.owner", "Account.balance"),
        *("Account.close", "main"),
    ]
    signature = next(it.text for it in outline(PYTHON, ".py").definitions if it.name == "__init__")
    assert signature.endswith("balance: Decimal = Decimal(0)) -> None: ...") and "\n" in signature


@pytest.mark.parametrize(
    ("ending", "text", "wanted"),
    [
        (
            ".ts",
            "export class A {\n  async get(id: number): Promise<B> {\n    if (id) {\n    }\n  }\n}\n",
            ["A", "A.get"],
        ),
        (".go", "type T struct {\n}\n\nfunc (t *T) Run(n int) error {\n}\n", ["T", "Run"]),
        (".rs", "pub struct P {\n}\nimpl P {\n    pub fn new() -> Self {\n    }\n}\n", ["P", "P", "P.new"]),
        (".java", "public class A {\n    private int size(int n) {\n    }\n}\n", ["A", "A.size"]),
        (".c", "static int add(int a, int b) {\n    return a;\n}\n", ["add"]),
        (".rb", "module M\n  class C\n    def call(x)\n    end\n  end\nend\n", ["M", "M.C", "C.call"]),
    ],
)
def test_what_other_languages_define(ending: str, text: str, wanted: list[str]) -> None:
    assert names(text, ending) == wanted


def test_generated_lines_are_passed_over_quickly() -> None:
    started = time.perf_counter()
    assert outline("x" * 200_000 + "(" * 1000, ".js").definitions == ()
    assert time.perf_counter() - started < 1


def test_the_head_is_the_imports() -> None:
    lines = PYTHON.replace("\n", "\r\n").splitlines(keepends=True)
    assert head(lines) == "import os\nfrom decimal import (\n    Decimal,\n    getcontext,\n)\n"


@pytest.mark.parametrize(
    ("statement", "path", "wanted"),
    [
        ("from .money import Account", "shop/cart.py", "shop/money.py"),
        ("from . import money", "shop/cart.py", "shop/money.py"),
        ("import bank.money as m", "shop/cart.py", "bank/money.py"),
        ("from bank import money", "shop/cart.py", "bank/money.py"),
        ("from shop import Account", "main.py", "shop/__init__.py"),
        ("import { Account } from './money'", "web/cart.ts", "web/money.ts"),
        ('#include "money.h"', "c/cart.c", "c/money.h"),
        ("use crate::bank::money::{Account, Limit};", "rs/cart.rs", "rs/bank/money.rs"),
        ("import com.bank.Money;", "java/Cart.java", "java/com/bank/Money.java"),
        ("import os", "shop/cart.py", None),
    ],
)
def test_what_an_import_means(statement: str, path: str, wanted: str | None) -> None:
    places = [
        "shop/money.py",
        "shop/cart.py",
        "shop/__init__.py",
        "bank/money.py",
        "web/money.ts",
        "c/money.h",
    ]
    places += ["rs/bank/money.rs", "java/com/bank/Money.java", "c/money.c"]
    root, by_stem = Path("/work"), dict[str, list[Path]]()
    for place in map(root.joinpath, places):
        by_stem.setdefault(place.parent.name if place.stem == "__init__" else place.stem, []).append(place)
    found = [it.path for it in resolve(statement, root / path, by_stem)]
    assert found[:1] == ([root / wanted] if wanted else [])


def pieces(text: str, shown: str, relation: str = "imported") -> list[Piece]:
    return [Piece(shown, it, relation) for it in outline(text, ".py").definitions]


def test_what_shares_names_with_the_cursor_comes_first() -> None:
    found = pieces("def unrelated(colour): ...\ndef deposit(account, amount): ...\n", "a.py")
    around = near("account = open_account()\namount = 3\n", "")
    assert max(found, key=lambda it: score(it, around, rarities(found, around))).definition.name == "deposit"


def test_the_nearest_names_count_more_than_how_files_are_related() -> None:
    far = pieces("def pay(invoice): ...\n", "a.py")
    close = pieces("def send(letter): ...\n", "b.py", "beside")
    around = near("print(invoice)\n" + "x = 1\n" * 200 + "print(letter)\n", "")
    assert max(far + close, key=lambda it: score(it, around, {})) is close[0]


def test_what_followed_lines_like_the_cursors_comes_first() -> None:
    alike = ["", "", "", "parser = ArgumentParser()", "parser.add_argument(name)", ""]
    follows = ["options = read()", "run(options)", "", "", "", ""]
    found = outline("\n".join(alike + follows + ["def read(): ...", *[""] * 5]), ".py").passages
    around = near("parser = ArgumentParser()\nparser.add_argument(path)\n", "")
    scores = [score(Piece("a.py", it, "passage"), around, {}) for it in found]
    assert scores[1] > 2 * scores[2] > 0


def test_blocks_keep_their_order_and_a_member_brings_its_class() -> None:
    members = [it for it in pieces(PYTHON, "money.py") if it.definition.name == "close"]
    others = pieces("def a(): ...\n", "a.py")
    packed = blocks(choose(others + members, 1000), order=("money.py",), own="main.py")
    assert list(packed) == ["money.py", "a.py"]
    assert (
        packed["money.py"]
        == "# money.py\nclass Account(Base): ...\n    async def close(self) -> None: ...\n\n"
    )


@pytest.mark.parametrize("budget", [0, 30, 100, 300])
def test_the_budget_holds(budget: int) -> None:
    packed = blocks(choose(pieces(PYTHON, "money.py"), budget), (), "main.py")
    assert sum(map(len, packed.values())) <= budget + 2 * len(packed)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """2,000 files in 40 folders."""
    for n in range(2_000):
        folder = tmp_path / f"part{n % 40}"
        folder.mkdir(exist_ok=True)
        (folder / f"file{n}.py").write_text(f"from .file{n + 40} import function{n + 40}\n\n\n" + PYTHON * 3)
    return tmp_path


async def test_a_key_costs_little_in_a_large_workspace(workspace: Path) -> None:
    """On the way of a key nothing is read: what counts is the time of its own thread."""
    uri = (workspace / "part1/file1.py").as_uri()
    lines = (workspace / "part1/file1.py").read_text().splitlines(keepends=True) * 20
    surroundings, times = Surroundings([workspace]), []
    for n in range(300):
        prefix, suffix = "".join(lines[:n])[-18_000:], "".join(lines[n:])[:3_000]
        started = time.thread_time()
        surroundings.prepare(uri, n, (prefix, suffix), (3072, 512, 2048), {uri: lines})
        await surroundings.of(uri)
        times.append(time.thread_time() - started)
        await asyncio.sleep(0.001)
    assert sorted(times)[int(0.95 * len(times))] < 0.005
    async with asyncio.timeout(30):
        while not (told := "".join(surroundings.told(uri))):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert "function41" in told or "Account" in told


async def test_context_stays_while_the_cursor_does(workspace: Path) -> None:
    path = workspace / "part1/file1.py"
    lines = path.read_text().splitlines(keepends=True)
    surroundings, seen = Surroundings([workspace]), set()
    for n in range(STEP):
        text = "".join(lines) + "x" * n
        surroundings.prepare(path.as_uri(), n, (text, ""), (3072, 512, 1024), {path.as_uri(): lines})
        surroundings.edited(path.as_uri(), n)
        await asyncio.sleep(0.01)
        seen.add(await surroundings.of(path.as_uri()))
    assert len(seen) <= 2  # nothing yet, and then the same
    surroundings.closed(path.as_uri())
    assert await surroundings.of(path.as_uri()) == ()


async def test_context_follows_the_cursor_in_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To and fro within a step nothing is collected anew: it would cost the KV cache each time."""
    spots: list[Spot] = []

    def collect(spot: Spot, files: object) -> dict[str, str]:
        spots.append(spot)
        return {}

    monkeypatch.setattr(f"{Surroundings.__module__}.collect", collect)
    uri, lines = (tmp_path / "a.py").as_uri(), [f"x{n}\n" for n in range(100)]
    surroundings = Surroundings([tmp_path])
    for line in (20, 20 + STEP - 1, 20 - STEP + 1, 20 + STEP, 21, 20):
        surroundings.prepare(uri, line, ("".join(lines[:line]), ""), (1024, 128, 512), {uri: lines})
        await surroundings.of(uri)
        await asyncio.sleep(0.02)
    assert [spot.prefix.count("\n") for spot in spots] == [20, 20 + STEP, 20]


def test_an_edit_elsewhere_is_told(tmp_path: Path) -> None:
    other = (tmp_path / "other.py", ["def unusual():\n", "    return thing\n"])
    spot = Spot(tmp_path / "main.py", ["x\n"], "x", "", (0, 1), 300, dict([other]), edited=((other[0], 1),))
    assert "    return thing" in "".join(collect(spot, Files((tmp_path,))).values())


def test_uris() -> None:
    assert path_of("file:///a/b%20c.py") == Path("/a/b c.py")
    assert path_of("file:///C%3A/a.py") == Path("C:/a.py")
    assert path_of("file:///a/caf%E9.py") == Path(os.fsdecode(b"/a/caf\xe9.py"))
    assert path_of("untitled:/a/b.py") == Path("/a/b.py")  # a new file, whose place is chosen already
    for uri in ("", "http://[", "file:///%00", "inmemory://model"):
        assert path_of(uri) is None


def test_what_is_no_file_here_has_a_path_of_its_own() -> None:
    uris = [
        "untitled:Untitled-1",
        "vscode-remote://ssh-remote%2Bh/a/b.py",
        "vscode-remote://me:secret@h/a/b.py",
        "vscode-vfs://github/owner/a/b.py",
        "inmemory://model/1",
        "jar:file:///a.jar!/b.java",
        "urn:a:b",
    ]
    paths = [path_of(uri) for uri in uris]
    assert all(path is not None and not path.is_absolute() for path in paths)
    assert len(set(paths)) == len(uris)
    assert "secret" not in str(paths)
