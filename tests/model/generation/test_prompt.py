"""Each part within its budget, the stable parts first, the window cut where a reader would cut it."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midfill_model.generation.cache import common_prefix
from midfill_model.generation.requests.prompt import Budgets, Parts, Prompt, fim_prompt
from midfill_model.generation.tokens import Tokenizer
from midfill_server.context import window_at
from midfill_server.context.outline import head
from midfill_server.editor.documents import split_lines

FUNCTIONS = [f"def f{n}(a, b):\n    c = a + b\n\n    return c * {n}\n\n\n" for n in range(40)]
LONG = "import os\nimport re\n\n\n" + "".join(FUNCTIONS)
HEAD = "import os\nimport re\n"
BLOCKS = ("# a.py\ndef one(): ...\n", "# b.py\ndef two(): ...\ndef three(): ...\n")


@pytest.fixture(scope="module")
def tokenizer(embedded_folder: Path) -> Tokenizer:
    return Tokenizer(embedded_folder)


def parts_of(tokenizer: Tokenizer, prompt: Prompt) -> tuple[str, str, str]:
    """(context, head, window) as text."""
    ids, at = prompt.ids, prompt.n_control
    hole = ids.index(tokenizer.fim_ids.hole) if tokenizer.fim_ids else len(ids)
    ends = (at + prompt.n_context, at + prompt.n_context + prompt.n_head, hole)
    texts = []
    for end in ends:
        texts.append(b"".join(map(tokenizer.token_bytes, ids[at:end])).decode())
        at = end
    return texts[0], texts[1], texts[2]


def test_a_small_file_needs_no_head(tokenizer: Tokenizer) -> None:
    prompt = fim_prompt(tokenizer, Parts(LONG[:60], "", HEAD), Budgets(200, 20))
    assert parts_of(tokenizer, prompt) == ("", "", LONG[:60])


def test_a_cut_window_begins_with_a_definition_and_the_head_stands_before_it(tokenizer: Tokenizer) -> None:
    prompt = fim_prompt(tokenizer, Parts(LONG, "", HEAD), Budgets(300, 20))
    _, head, window = parts_of(tokenizer, prompt)
    assert head == HEAD
    assert window.startswith("def f") and LONG.endswith(window)
    assert 300 * 5 // 8 - 20 <= len(prompt.ids) - 4 <= 300


def test_the_start_of_the_window_stays_while_one_types(tokenizer: Tokenizer) -> None:
    typed = "def another(name, value):\n    return name"
    starts = {
        parts_of(tokenizer, fim_prompt(tokenizer, Parts(LONG + typed[:n], "", HEAD), Budgets(400, 20)))[2][
            :30
        ]
        for n in range(len(typed))
    }
    assert len(starts) <= 2


def test_other_files_come_first_and_are_cut_behind_a_line(tokenizer: Tokenizer) -> None:
    both = sum(len(tokenizer.encode(block)) for block in BLOCKS)
    parts = Parts("x = ", "\n", context=BLOCKS)
    for budget, wanted in ((both, "".join(BLOCKS)), (both - 1, "".join(BLOCKS)[:-17]), (0, "")):
        prompt = fim_prompt(tokenizer, parts, Budgets(100, 20, budget))
        assert parts_of(tokenizer, prompt) == (wanted, "", "x = ")


def test_a_head_that_would_take_the_whole_window_is_left_out(tokenizer: Tokenizer) -> None:
    prompt = fim_prompt(tokenizer, Parts(LONG, "", "import x\n" * 100), Budgets(100, 20))
    assert prompt.n_head == 0


@settings(max_examples=60, deadline=None)
@given(
    st.text("ab \n(é🎉", max_size=400),
    st.text("ab\n🎉", max_size=60),
    st.lists(st.text("xy\n🎉", max_size=60), max_size=3),
    st.tuples(st.integers(0, 60), st.integers(0, 20), st.integers(0, 40)),
)
def test_no_budget_is_exceeded_and_no_character_cut(
    tokenizer: Tokenizer, prefix: str, head: str, context: list[str], budgets: tuple[int, int, int]
) -> None:
    prompt = fim_prompt(tokenizer, Parts(prefix, "", head, tuple(context)), Budgets(*budgets))
    n_window = len(prompt.ids) - 4 - prompt.n_context - prompt.n_head
    assert prompt.n_context <= budgets[2]
    assert prompt.n_head + n_window <= budgets[0]
    got = parts_of(tokenizer, prompt)
    assert "".join(context).startswith(got[0]) and got[1] in ("", head) and prefix.endswith(got[2])


@pytest.mark.parametrize("budgets", [Budgets(1024, 128), Budgets(3072, 512, 2048)])
def test_nearly_all_of_the_prefix_is_reused_while_one_types_in_a_long_file(
    tokenizer: Tokenizer, budgets: Budgets
) -> None:
    """Forty lines typed in the middle of 3,000, a generation for every fourth key, and a new context once."""
    above = "import os\n\n\n" + "".join(FUNCTIONS) * 8
    below = "".join(FUNCTIONS) * 4
    typed, n_reused, n_whole, last = "".join(FUNCTIONS[:6]), 0, 0, list[int]()
    for n in range(0, len(typed), 4):
        lines = split_lines(above + typed[:n] + below)
        line = above.count("\n") + typed.count("\n", 0, n)
        window = window_at(
            lines, line, n - typed.rfind("\n", 0, n) - 1 if "\n" in typed[:n] else n, 3072, 512
        )
        context = BLOCKS if n < len(typed) // 2 else BLOCKS[:1]
        parts = Parts(window.prefix, window.suffix, head(lines), context)
        prompt = fim_prompt(tokenizer, parts, budgets)
        hole = prompt.ids.index(tokenizer.fim_ids.hole if tokenizer.fim_ids else -1)
        if last:
            n_whole += hole
            n_reused += min(hole, common_prefix(last, prompt.ids))
        last = prompt.ids
    assert n_reused / n_whole >= 0.95
