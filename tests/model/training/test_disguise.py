"""The same code under other names: consistent, in every spelling, and what everyone says stays."""

import ast
import random
from pathlib import Path

import pytest

from midfill_training.text import disguise, samples
from midfill_training.text.disguise import Words
from midfill_training.text.neighbours import Other
from midfill_training.text.pieces import Piece

WORDS = Words(frozenset({"self", "add", "class", "def", "import"}), ("mesh", "quota"))


def disguised(text: str, share: float = 1.0, seed: int = 0, words: Words = WORDS) -> str:
    return disguise.disguise(Piece(text), words, share, random.Random(seed)).text


def test_a_word_becomes_one_other_in_every_spelling() -> None:
    words = Words(WORDS.common, ("mesh",))
    text = "class UserCart: USER_CART = self.add_user(userCart, URLList)"
    assert disguised(text, words=words) == "class MeshMesh: MESH_MESH = self.add_mesh(meshMesh, MESHMesh)"


def test_a_word_stays_the_same_all_over_the_sample() -> None:
    both = {disguised("user cart user cart User Cart", seed=seed) for seed in range(20)}
    assert both == {
        f"{user} {cart} {user} {cart} {user.title()} {cart.title()}"
        for user in WORDS.others
        for cart in WORDS.others
    }


def test_all_parts_of_a_sample_are_changed_alike() -> None:
    piece = Piece("cart()", "cart.py", "python", "import cart", (Other("shop/cart.py", "def cart(): ..."),))
    words = Words(WORDS.common | {"shop"}, ("mesh",))
    assert disguise.disguise(piece, words, 1.0, random.Random(0)) == Piece(
        "mesh()", "mesh.py", "python", "import mesh", (Other("shop/mesh.py", "def mesh(): ..."),)
    )


def test_only_a_share_of_the_words_is_changed() -> None:
    alphabet = "abcdefghijklmnopqrst"
    text = " ".join(f"word{a}{b}" for a in alphabet for b in alphabet)
    changed = sum(a != b for a, b in zip(text.split(), disguised(text, share=0.3).split(), strict=True))
    assert 0.2 < changed / 400 < 0.4
    assert disguised(text, share=0.0) == text


@pytest.fixture(scope="module")
def python() -> Words:
    """Of eight packages: all say `value`, three `quota`, and each its own name."""
    names = ("apple", "birch", "cedar", "dahlia", "elder", "fern", "ginkgo", "holly")
    files = [f"python {n}/a.py\nvalue = {'quota' if n < 'd' else n}_{n}\n" for n in names]
    counted = disguise.count([*files, "c x/a.c\nint value;\n", ""])
    assert counted.keys() == {"python"}
    return counted["python"]


def test_what_many_packages_say_stays(python: Words) -> None:
    assert {"value", "lambda", "isinstance", "asyncio"} <= python.common
    assert python.others == ("quota",)


def test_words_can_be_written_and_read(tmp_path: Path) -> None:
    corpus, out = tmp_path / "train.txt", tmp_path / "words.txt"
    texts = [f"python p{n}/a.py\nvalue = {'quota' if n < 3 else 'x'}\0" for n in range(8)]
    corpus.write_text("".join(texts), "utf-8")
    disguise.main(corpus, out)
    assert disguise.read(out) == disguise.count(texts)


def test_python_stays_python(python: Words) -> None:
    """Keywords, builtins and modules keep their names."""
    words = Words(python.common, ("mesh", "quota", "tensor"))
    text = Path(samples.__file__).read_text("utf-8")
    new = disguised(text, words=words)
    assert new != text and "import random\n" in new
    ast.parse(new)
