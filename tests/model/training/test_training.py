"""The trainer and the engine agree: on the network, on the prompt, on what 4 bits hold."""

import random
from pathlib import Path

import pytest
import torch

from midfill_model.checkpoint import nf4
from midfill_model.generation.tokens import Tokenizer
from midfill_model.lab import reference
from midfill_server.context.collect import CONTEXT_CHARACTERS_PER_TOKEN, Spot, collect
from midfill_server.context.files import Files
from midfill_server.context.ranking.rank import near
from midfill_training.export import export, masters_of
from midfill_training.network import Network, Packed, Shape
from midfill_training.optimizer import is_stored_in_4_bit, round_to_nf4
from midfill_training.text import neighbours, pieces, samples
from midfill_training.text.disguise import Words
from midfill_training.text.gather.corpus import END_OF_FILE, is_novel, is_source_text
from midfill_training.text.pieces import Corpus

SMALL = Shape(layers=3, experts=4)


@pytest.fixture(scope="module")
def masters() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    network = Network(SMALL)
    drawn = {name: torch.randn_like(p) * 0.05 for name, p in network.named_parameters()}
    return {name: p + 1 if name.endswith("norm") else p for name, p in drawn.items()}


def test_the_trained_network_is_the_one_that_runs(
    masters: dict[str, torch.Tensor], embedded_folder: Path, tmp_path: Path
) -> None:
    export(masters, SMALL, embedded_folder / "tokenizer.json", tmp_path)
    trained = Network(SMALL)
    trained.load_state_dict({name: as_stored(name, p) for name, p in masters.items()})
    ids = torch.randint(0, 16_000, (70,))
    starts = torch.tensor([0, 70], dtype=torch.int32)
    with torch.no_grad():
        hidden, _ = trained.hidden(Packed(ids, torch.arange(70), starts, 70))
        expected = hidden @ trained.embed_tokens.T
    running = reference.ours(tmp_path)
    logits = running.forward(ids, running.new_cache(70), 0, every_logit=True)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("four_bit", [True, False])
def test_what_was_written_can_be_trained_on(
    masters: dict[str, torch.Tensor], embedded_folder: Path, tmp_path: Path, four_bit: bool
) -> None:
    export(masters, SMALL, embedded_folder / "tokenizer.json", tmp_path, four_bit)
    again = masters_of(tmp_path, SMALL)
    assert again.keys() == masters.keys()
    for name, p in masters.items():
        in_16_bit = p.bfloat16().float() if is_stored_in_4_bit(name) else p
        assert torch.equal(again[name], as_stored(name, p) if four_bit else in_16_bit)


def as_stored(name: str, p: torch.Tensor) -> torch.Tensor:
    if not is_stored_in_4_bit(name):
        return p
    return nf4.dequantize(*nf4.quantize(p), tuple(p.shape), torch.float32)


def test_the_trainer_rounds_as_the_file_does(masters: dict[str, torch.Tensor]) -> None:
    weight = masters["layers.1.mlp.down"]
    rounded = round_to_nf4(weight).view_as(weight)
    torch.testing.assert_close(rounded, as_stored("down", weight), rtol=1e-6, atol=1e-7)


def test_a_sample_is_the_prompt_that_the_engine_sends(embedded_folder: Path) -> None:
    tokenizer, encode = Tokenizer(embedded_folder), samples.Encode(embedded_folder / "tokenizer.json")
    text = Path(__file__).read_text("utf-8")
    for seed in range(40):
        ids, weights = samples.sample(pieces.Piece(text), 400, encode, random.Random(seed))
        assert len(ids) == len(weights) <= 400
        if samples.HOLE not in ids:
            continue  # the few that are plain text
        hole, end = ids.index(samples.HOLE), ids.index(samples.END)
        prefix, suffix, middle = ids[2:hole], ids[hole + 1 : end], [i for i in ids[end + 1 :] if i < 16_000]
        assert ids[: end + 1] == [samples.BOS, samples.BEGIN, *prefix, samples.HOLE, *suffix, samples.END]
        written = [b"".join(map(tokenizer.token_bytes, part)).decode() for part in (prefix, middle, suffix)]
        if ids[-1] == samples.EOS:  # the middle was not cut, so the three parts are one piece of the file
            assert "".join(written) in text
        assert {1.0} == set(weights[end + 1 :])
        assert [weights[i] for i in (0, 1, hole, end)] == [0.0] * 4


def test_rows_are_full_and_begin_documents_where_they_say(embedded_folder: Path, tmp_path: Path) -> None:
    source = Path(samples.__file__).read_text("utf-8")
    corpus = tmp_path / "train.txt"
    corpus.write_text("".join(f"python x/{i}.py\n{source[i * 50 :]}{END_OF_FILE}" for i in range(8)), "utf-8")
    words = {"python": Words(frozenset({"self"}), ("mesh", "quota"))}
    stream = samples.rows(corpus, words, embedded_folder / "tokenizer.json", 512, 256, seed=1)
    for row in (next(stream) for _ in range(5)):
        assert len(row.ids) == len(row.weights) == 512
        documents = [i for i, id_ in enumerate(row.ids) if id_ == samples.BOS]
        assert row.starts[: len(documents)] == documents
        padding = row.ids[row.starts[-1] :] if len(row.starts) > len(documents) else []
        assert len(row.starts) - len(documents) == bool(padding) and set(padding) <= {samples.EOS}


def test_only_new_source_text_is_taken() -> None:
    lines = "".join(f"value_{i} = compute_value({i})\n" for i in range(40))
    seen: set[int] = set()
    assert is_source_text(lines) and is_novel(lines, seen)
    assert not is_novel(lines + "another_line = 1\n", seen)
    assert not is_source_text("x" * 5000)
    assert not is_source_text("0123456789 " * 100)


CART = """\
from shop.prices import price_of, taxed


class Cart:
    def __init__(self, articles):
        self.articles = articles

    def bill(self):
        return sum(taxed(price_of(article)) for article in self.articles)
"""
PRICES = """\
PRICES = {}
TAX = 0.2


def price_of(article: str) -> float:
    return PRICES[article]


def taxed(price: float) -> float:
    return price * (1 + TAX)


class Discount:
    def of(self, price: float) -> float:
        return price * self.share
"""
STOCK = "def in_stock(articles):\n    return [article for article in articles if article.count]\n"
PACKAGE = {"shop/cart.py": CART, "shop/prices.py": PRICES, "shop/stock.py": STOCK}


@pytest.mark.parametrize("budget", [30, 60, 120, 500])
@pytest.mark.parametrize("cursor", ["price_of(", "self.articles = ", "def bill"])
def test_a_prompt_with_other_files_is_what_the_server_sends(tmp_path: Path, budget: int, cursor: str) -> None:
    """From the corpus and from the same files on the disk, character by character."""
    corpus, root = tmp_path / "train.txt", tmp_path / "workspace"
    corpus.write_text("".join(f"python shop/{path}\n{text}{END_OF_FILE}" for path, text in PACKAGE.items()))
    for path, text in PACKAGE.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    at = CART.index(cursor) + len(cursor)
    prefix, suffix, lines = CART[:at], CART[at:], CART.splitlines(keepends=True)
    spot = Spot(root / "shop/cart.py", lines, prefix, suffix, (0, len(lines)), budget)
    sent = collect(spot, Files((root,)))

    piece = Corpus(corpus).piece(40, random.Random(0))
    assert (piece.path, piece.text, piece.head) == ("shop/cart.py", CART, CART.splitlines(True)[0])
    assert {(it.path, it.is_imported) for it in piece.others} == {
        ("shop/prices.py", True),
        ("shop/stock.py", False),
    }
    n_characters = int(CONTEXT_CHARACTERS_PER_TOKEN * budget) - len("# shop/cart.py\n") - 24
    around = near(prefix, suffix)
    trained_on = neighbours.blocks(piece.path, piece.head, piece.others, around, n_characters)
    assert trained_on == "".join(sent.values())
    assert budget < 500 or "def price_of" in trained_on


def test_other_files_take_no_more_than_their_share(embedded_folder: Path, tmp_path: Path) -> None:
    text = Path(samples.__file__).read_text("utf-8")
    corpus = tmp_path / "train.txt"
    corpus.write_text("".join(f"python x/{i}.py\n{text[i * 90 :]}{END_OF_FILE}" for i in range(8)), "utf-8")
    encode, chance = samples.Encode(embedded_folder / "tokenizer.json"), random.Random(1)
    piece, n_with = Corpus(corpus).piece(3000, chance), 0
    for _ in range(60):
        ids, weights = samples.sample(piece, 500, encode, chance)
        n_others = weights.count(samples.OTHERS_WEIGHT)
        assert len(ids) == len(weights) <= 500
        assert n_others <= 250
        n_with += n_others > 0
    assert 10 < n_with < 50
