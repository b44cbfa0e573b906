import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midfill_model import fim

IDS = fim.FimIds(bos=100, eos=101, hole=102, begin=103, end=104)
sides = st.lists(st.integers(0, 99), max_size=300)
budgets = st.integers(0, 120)


def test_the_delimiters_are_deepseeks_byte_for_byte() -> None:
    assert fim.FIM_BEGIN.encode() == b"<\xef\xbd\x9cfim\xe2\x96\x81begin\xef\xbd\x9c>"
    assert fim.FIM_HOLE.encode() == b"<\xef\xbd\x9cfim\xe2\x96\x81hole\xef\xbd\x9c>"
    assert fim.FIM_END.encode() == b"<\xef\xbd\x9cfim\xe2\x96\x81end\xef\xbd\x9c>"
    assert fim.BOS.encode() == b"<\xef\xbd\x9cbegin\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>"
    assert fim.EOS.encode() == b"<\xef\xbd\x9cend\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>"


def test_the_spellings_of_published_guides_are_not_what_is_sent() -> None:
    rendered = fim.render("a", "b")
    for wrong in ("<｜fim_begin｜>", "<|fim_begin|>", "<|fim▁begin|>", "<|fim▁hole|>", "<fim_prefix>"):
        assert wrong not in rendered


def test_prefix_hole_suffix_in_the_order_of_training() -> None:
    assert fim.assemble([1, 2], [3], IDS, 9, 9) == [100, 103, 1, 2, 102, 3, 104]
    assert fim.render("1 2", "3") == "<｜fim▁begin｜>1 2<｜fim▁hole｜>3<｜fim▁end｜>"


@given(sides, sides, budgets, budgets)
def test_each_side_keeps_what_is_nearest_to_the_hole(
    prefix: list[int], suffix: list[int], prefix_budget: int, suffix_budget: int
) -> None:
    prompt = fim.assemble(prefix, suffix, IDS, prefix_budget, suffix_budget)
    hole = prompt.index(IDS.hole)
    kept_prefix, kept_suffix = prompt[2:hole], prompt[hole + 1 : -1]
    assert len(kept_prefix) <= prefix_budget
    assert len(kept_suffix) <= suffix_budget
    assert kept_prefix == prefix[len(prefix) - len(kept_prefix) :]
    assert kept_suffix == suffix[: len(kept_suffix)] == suffix[:suffix_budget]
    assert len(kept_prefix) >= min(len(prefix), prefix_budget - prefix_budget // 4)


@given(st.integers(0, 2000), st.integers(4, 400))
def test_the_kept_start_moves_once_in_a_stride(length: int, budget: int) -> None:
    stride = budget // 4
    starts = [fim.anchored_start(length + typed, budget) for typed in range(stride)]
    assert len(set(starts)) <= 2
    assert all(start % stride == 0 for start in starts)


@given(sides, sides, budgets, budgets, st.sets(st.integers(0, 99)))
def test_no_side_is_cut_inside_a_character(
    prefix: list[int], suffix: list[int], prefix_budget: int, suffix_budget: int, inner: set[int]
) -> None:
    prompt = fim.assemble(prefix, suffix, IDS, prefix_budget, suffix_budget, lambda id_: id_ not in inner)
    hole = prompt.index(IDS.hole)
    kept_prefix, n_suffix = prompt[2:hole], len(prompt) - hole - 2
    if kept_prefix and len(kept_prefix) < len(prefix):
        assert kept_prefix[0] not in inner
    if 0 < n_suffix < len(suffix):
        assert suffix[n_suffix] not in inner


@pytest.mark.parametrize("delimiter", fim.CONTROL)
def test_a_delimiter_in_the_users_text_is_neutralised_in_the_text_dialect(delimiter: str) -> None:
    rendered = fim.render(f"x = '{delimiter}'", f"# {delimiter}<｜{delimiter}")
    ours = [token for token in fim.CONTROL for _ in range(rendered.count(token))]
    assert sorted(ours) == sorted([fim.FIM_BEGIN, fim.FIM_HOLE, fim.FIM_END])


def test_the_front_may_import_it_without_torch() -> None:
    code = "import sys, midfill_model.fim; print('torch' in sys.modules or 'tokenizers' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-I", "-c", code], text=True).strip() == "False"


@given(st.text(), st.text())
def test_a_rendered_prompt_is_read_back(prefix: str, suffix: str) -> None:
    assert fim.unrendered(fim.render(prefix, suffix)) == (
        fim.DEEPSEEK.neutral(prefix),
        fim.DEEPSEEK.neutral(suffix),
    )


@pytest.mark.parametrize("sign", fim.CONTROL)
def test_a_prompt_with_a_sign_too_many_is_not_guessed_at(sign: str) -> None:
    for prefix, suffix in ((f"a{sign}b", "c"), ("a", f"b{sign}c")):
        assert fim.unrendered(f"{fim.FIM_BEGIN}{prefix}{fim.FIM_HOLE}{suffix}{fim.FIM_END}") is None


@pytest.mark.parametrize("text", ["", "a", fim.FIM_BEGIN, f"{fim.FIM_HOLE}{fim.FIM_BEGIN}{fim.FIM_END}"])
def test_what_is_no_rendered_prompt(text: str) -> None:
    assert fim.unrendered(text) is None
