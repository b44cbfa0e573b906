"""What is on screen while a text grows: it never shrinks or changes, and what is withdrawn is cleared.

Each text comes a character at a time, through the real server. What an editor shows is the newest partial
result or, without a token, the answer.
"""

from itertools import pairwise

import pytest

from midfill_server.tools.lsp_client import Editor

from ...scripted_engine import ScriptedEngine
from ..conftest import end_of

MAX_TOKENS = 64  # the default; the scripted engine's tokens are characters

# Language, file, and a text in which the two marks are about what the engine writes.
CASES = {
    "python": (
        "a.py",
        """\
def total(items):
    ║amount = 0
    for item in items:
        amount += item
    return amount║
""",
    ),
    "javascript": (
        "a.js",
        """\
function total(items) {
  ║let amount = 0;
  for (const item of items) {
    amount += item;
  }
  return amount;║
}
""",
    ),
    "typescript": (
        "a.ts",
        """\
function total(items: number[]): number {
  ║let amount = 0;
  items.forEach((item) => {
    amount += item;
  });
  return amount;║
}
""",
    ),
    "go": (
        "a.go",
        """\
package a

func Total(items []int) int {
\t║amount := 0
\tfor _, item := range items {
\t\tamount += item
\t}
\treturn amount║
}
""",
    ),
    "rust": (
        "a.rs",
        """\
fn total(items: &[u32]) -> u32 {
    ║let mut amount = 0;
    for item in items {
        amount += item;
    }
    amount║
}
""",
    ),
    "java": (
        "A.java",
        """\
class A {
    int total(int[] items) {
        ║int amount = 0;
        for (int item : items) {
            amount += item;
        }
        return amount;║
    }
}
""",
    ),
    "c": (
        "a.c",
        """\
int total(const int *items, int n) {
    ║int amount = 0;
    for (int i = 0; i < n; i++) {
        amount += items[i];
    }
    return amount;║
}
""",
    ),
    "cpp": (
        "a.cpp",
        """\
int total(const std::vector<int>& items) {
    ║int amount = 0;
    for (int item : items) {
        amount += item;
    }
    return amount;║
}
""",
    ),
    "ruby": (
        "a.rb",
        """\
def total(items)
  ║amount = 0
  items.each do |item|
    amount += item
  end
  amount║
end
""",
    ),
    "lua": (
        "a.lua",
        """\
local function total(items)
  ║local amount = 0
  for _, item in ipairs(items) do
    amount = amount + item
  end
  return amount║
end
""",
    ),
    "shellscript": (
        "a.sh",
        """\
total() {
  ║local amount=0
  for item in "$@"; do
    amount=$((amount + item))
  done
  echo "$amount"║
}
""",
    ),
    "html": (
        "a.html",
        """\
<ul>
  ║<li>one</li>
  <li>two</li>
  <li>three</li>║
</ul>
""",
    ),
}


def drawn(language: str) -> tuple[str, str, str, str]:
    """(file, before, written, after)"""
    name, text = CASES[language]
    before, written, after = text.split("║")
    return name, before, written, after


@pytest.mark.parametrize("language", CASES)
async def test_shown_text_never_shrinks_and_is_the_same_without_partial_results(
    engine: ScriptedEngine, editor: Editor, language: str
) -> None:
    name, before, whole, after = drawn(language)
    texts = {
        "whole": whole,
        "without-end": whole + after + before + whole,
        "half": whole[: len(whole) // 2],
        "what-follows": after.strip("\n"),
    }
    for kind, written in texts.items():
        engine.says(*written, after=before)
        growing, at_once = f"file:///{kind}/growing/{name}", f"file:///{kind}/at-once/{name}"
        editor.open(growing, before + after, language)
        pending = editor.complete(growing, *end_of(before), grow=lambda _: None)
        final = await pending.text()
        shown = pending.partials
        assert all(later.startswith(earlier) and later != earlier for earlier, later in pairwise(shown)), (
            shown
        )
        assert final == shown[-1] if shown else not final or kind != "whole"
        editor.open(at_once, before + after, language)
        assert await editor.complete(at_once, *end_of(before)).text() == final
        cut = kind == "half" or len(written) > MAX_TOKENS  # then it may be closed by a line more
        sure = final.rpartition("\n")[0] if cut and "\n" in final else final
        assert kind == "half" or written.startswith(sure), (kind, final)
        assert final or kind in ("half", "what-follows")


@pytest.mark.parametrize("language", ["python", "go", "ruby"])
@pytest.mark.parametrize("failure", ["error", "cancelled"])
async def test_what_is_on_screen_when_the_engine_fails_is_a_beginning_or_is_cleared(
    engine: ScriptedEngine, editor: Editor, language: str, failure: str
) -> None:
    name, before, whole, after = drawn(language)
    half = whole[: len(whole) // 2]
    if failure == "error":
        engine.says(*half, after=before, fails="Broken.")
    else:
        engine.says(*half, after=before, finish="cancelled")
    editor.open(f"file:///{name}", before + after, language)
    pending = editor.complete(f"file:///{name}", *end_of(before), grow=lambda _: None)
    answer = await editor.result(pending.id)
    assert answer["items"] == [] or not pending.partials, "an answer beside partial results is empty"
    assert all(not shown or whole.startswith(shown) for shown in pending.partials)
