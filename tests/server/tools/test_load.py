"""What `midfill load` counts, with servers whose behaviour is known."""

from pathlib import Path
from time import perf_counter

import pytest

from midfill_model.command_line import UsageError
from midfill_server.settings import Settings
from midfill_server.tools.evaluation.replay.run import Manner, part
from midfill_server.tools.load.command import _curves, _how_often, main
from midfill_server.tools.load.developer import Developer, Figures

from ..engines.fake import Fake, models
from ..engines.server import serving

CODE = "def add(a, b):\n    return a + b\n\n\n" * 40
SECONDS = 6.0  # of typing: the first key comes within three


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "a.py"
    path.write_text(CODE)
    return path


async def typed(fake: Fake, path: Path) -> Figures:
    async with serving(fake.answer) as server:
        settings = Settings(url=server.address.url, confidence=0.0)
        developer = Developer(0, part(path, Manner(lines=20)), settings, seed=1)
        await developer.run(perf_counter() + SECONDS)
        await server.deserted()
    return developer.figures


def fake(does: str = "completes") -> Fake:
    return Fake({"/v1/models": models("qwen2.5-coder", owner="tabbyAPI")}, does)


async def test_what_a_server_writes_is_counted(code: Path) -> None:
    server = fake()
    found = await typed(server, code)
    assert found.errors == {} and found.n_keys > 0
    assert found.n_generations == len(server.bodies) > 0
    assert 0 < found.n_tokens <= 2 * found.n_generations  # it writes two pieces
    assert found.n_wasted <= found.n_tokens and found.n_cancelled <= found.n_generations
    assert all(0 < it < SECONDS for it in found.first_texts + found.items)


@pytest.mark.parametrize(("does", "sentence"), [("500", "(500)"), ("404 model", "does not exist")])
async def test_an_error_is_counted_by_its_sentence(code: Path, does: str, sentence: str) -> None:
    found = await typed(fake(does), code)
    assert found.items == [] and found.errors.total() > 0
    assert all(sentence in it for it in found.errors)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--trace", "short.py"], "short.py has 12 lines; give a longer file, or fewer --lines"),
        (["--trace", "a.py", "--url", ""], "--url is empty; give an address"),
        (["--trace", "a.py", "--url", "ftp://x"], "--url must begin with http://"),
        (["--trace", "a.svg", "--plot", "a.svg"], "a.svg is a --trace; give another file to --plot"),
        (["--trace", "a.py", "--set", "url=http://x"], "give --url alone, without --set url"),
        (["--trace", "a.py", "--plot", "no/a.svg"], "cannot write no/a.svg"),
        (["--trace", "a.py", "--seconds", "0.001"], "nobody typed a key in 0.001 s; give more --seconds"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(
    code: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], sentence: str
) -> None:
    (code.parent / "short.py").write_text("a_long_name_of_a_value = 'and a long text for it'\n" * 12)
    (code.parent / "a.svg").write_text(CODE)
    monkeypatch.chdir(code.parent)
    with pytest.raises(UsageError) as raised:
        main([*options, *([] if "--url" in options else ["--url", "http://127.0.0.1:9"])])
    assert str(raised.value).startswith(sentence)
    assert code.read_text() == CODE


def test_fewer_lines_can_be_typed(code: Path) -> None:
    short = code.with_name("short.py")
    short.write_text("a_long_name_of_a_value = 'and a long text for it'\n" * 12)
    with pytest.raises(UsageError, match="nobody typed a key"):
        main(["--url", "http://127.0.0.1:9", "--trace", str(short), "--lines", "5", "--seconds", "0.001"])


def test_figures_of_many_are_those_of_all() -> None:
    one, two = Figures(3, [1.0], [2.0], 2, 1, 9, 4), Figures(1, [3.0], [], 1, 1, 2, 2)
    one.errors["a"] += 1
    two.errors["a"] += 2
    both = sum((one, two), Figures())
    assert (both.n_keys, both.first_texts, both.items) == (4, [1.0, 3.0], [2.0])
    assert (both.n_generations, both.n_cancelled, both.n_tokens, both.n_wasted) == (3, 2, 11, 6)
    assert both.errors == {"a": 3}
    assert [_how_often(n) for n in (1, 3)] == ["once", "3 times"]
    assert _curves(both).samples == {"first text": [1000.0, 3000.0], "item": [2000.0]}
