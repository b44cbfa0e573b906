"""Fill-in-the-middle prompts as DeepSeek was trained on them (PSM order), and the signs of other models.

No torch: the front imports it too.

The bars are U+FF5C and the blanks U+2581. Published spellings with ASCII bars or underscores are plain text
to the tokenizer: the model then never sees a FIM prompt, and nothing says so.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

BOS, EOS = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"
FIM_BEGIN, FIM_HOLE, FIM_END = "<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"
CONTROL = (BOS, EOS, FIM_BEGIN, FIM_HOLE, FIM_END)


@dataclass(frozen=True, slots=True)
class FimIds:
    """The control ids of one vocabulary."""

    bos: int
    eos: int
    hole: int
    begin: int
    end: int


def checked_ids(added: Mapping[str, int]) -> FimIds | None:
    """The five control ids, which DeepSeek's coders' vocabularies hold in this order and in one row.

    None for a vocabulary that has none to fill in the middle with. ValueError: the rest of a sentence that
    begins with the vocabulary's name.
    """
    wanted = (BOS, EOS, FIM_HOLE, FIM_BEGIN, FIM_END)
    missing = [token for token in wanted if token not in added]
    if missing == [*wanted[2:]]:
        return None
    if missing:
        raise ValueError(f"has no {missing[0]} token")
    ids = [added[token] for token in wanted]
    if ids != list(range(ids[0], ids[0] + len(ids))):
        raise ValueError(f"has its FIM tokens at {ids}, not in a row")
    return FimIds(*ids)


def assemble(
    prefix: Sequence[int],
    suffix: Sequence[int],
    ids: FimIds,
    prefix_budget: int,
    suffix_budget: int,
    starts_character: Callable[[int], bool] = lambda _: True,
) -> list[int]:
    """The prompt as ids: each side within its budget, cut at its far end, never inside a character.

    `starts_character(id)` tells whether a token's bytes begin a UTF-8 character.
    """
    kept = kept_prefix(prefix, prefix_budget, starts_character)
    stop = min(len(suffix), max(suffix_budget, 0))
    while 0 < stop < len(suffix) and not starts_character(suffix[stop]):
        stop -= 1
    return [ids.bos, ids.begin, *kept, ids.hole, *suffix[:stop], ids.end]


def kept_prefix(prefix: Sequence[int], budget: int, starts_character: Callable[[int], bool]) -> Sequence[int]:
    """The end of `prefix` that the budget allows, from an anchored start."""
    start = anchored_start(len(prefix), budget)
    while 0 < start < len(prefix) and not starts_character(prefix[start]):
        start += 1
    return prefix[start:]


def anchored_start(length: int, budget: int) -> int:
    """How many of `length` tokens to drop from the start so that at most `budget` remain.

    Rounded up to a quarter of the budget: the kept start then moves once in many keystrokes, not at each one,
    and the KV cache of everything behind it stays good.
    """
    excess = length - max(budget, 0)
    if excess <= 0:
        return 0
    stride = max(budget // 4, 1)
    return -(-excess // stride) * stride


@dataclass(frozen=True, slots=True)
class Family:
    """How one kind of model marks the hole in a text."""

    name: str
    models: str
    """What its models are called: a regular expression, for names in lower case."""
    prefix: str
    suffix: str
    middle: str
    """The signs before each part; an empty one: the model has none."""
    source: str
    """Where that is said."""
    suffix_first: bool = False
    stops: tuple[str, ...] = ()
    """What such a model writes at its end beside its end of text."""
    by_ids: bool = True
    """Whether each sign is one token, so that a tokenizer tells whether it has them."""
    guard: str = r"<(?=\|[^|\n]{1,64}\|>)"
    """Beginnings of what its tokenizer takes for a sign, in a user's text: a blank is put behind them."""

    def render(self, prefix: str, suffix: str) -> str:
        """The prompt as text, for servers that parse control tokens in text and add bos themselves.

        Signs in the user's text are neutralised, so they stay text there.
        """
        before, after = self.neutral(prefix), self.neutral(suffix)
        if self.suffix_first:
            return f"{self.suffix}{after}{self.prefix}{before}{self.middle}"
        return f"{self.prefix}{before}{self.suffix}{after}{self.middle}"

    def neutral(self, text: str) -> str:
        """The text without anything that the tokenizer could take for a sign."""
        if self is DEEPSEEK:
            return re.sub(r"<｜([^｜\n]{1,64})｜>", r"<|\1|>", text)
        return re.sub(self.guard, lambda found: f"{found[0]} ", text)

    @property
    def signs(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.prefix, self.suffix, self.middle)))


DEEPSEEK = Family(
    "DeepSeek",
    r"deepseek-?coder|deepseek-?v[2-4]|midfill",
    FIM_BEGIN,
    FIM_HOLE,
    FIM_END,
    "https://github.com/deepseek-ai/DeepSeek-Coder#2-code-insertion",
)
_STARCODER_GUARD = r"<(?=(?:fim|file|repo|issue|jupyter|commit|gh|pr|empty|code)_?\w*>|\|[^|\n]{1,64}\|>)"

FAMILIES = (
    DEEPSEEK,
    Family(
        "CodeGemma",
        r"codegemma",
        "<|fim_prefix|>",
        "<|fim_suffix|>",
        "<|fim_middle|>",
        "https://ai.google.dev/gemma/docs/codegemma/prompt-structure",
        stops=("<|file_separator|>",),
    ),
    Family(
        "Qwen-Coder",
        r"qwen-?[\d.]*-?coder|granite-?[34]",
        "<|fim_prefix|>",
        "<|fim_suffix|>",
        "<|fim_middle|>",
        "https://github.com/QwenLM/Qwen2.5-Coder#3-file-level-code-completion-fill-in-the-middle",
        stops=("<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"),
    ),
    Family(
        "Mellum",
        r"mellum",
        "<fim_prefix>",
        "<fim_suffix>",
        "<fim_middle>",
        "https://huggingface.co/JetBrains/Mellum-4b-base",
        suffix_first=True,
        stops=("<filename>",),
        guard=_STARCODER_GUARD,
    ),
    Family(
        "StarCoder",
        r"starcoder|stable-?code|codeqwen|granite.*code",
        "<fim_prefix>",
        "<fim_suffix>",
        "<fim_middle>",
        "https://huggingface.co/bigcode/starcoder2-15b/discussions/6",
        stops=("<file_sep>",),
        guard=_STARCODER_GUARD,
    ),
    Family(
        "SantaCoder",
        r"santacoder",
        "<fim-prefix>",
        "<fim-suffix>",
        "<fim-middle>",
        "https://huggingface.co/bigcode/santacoder#fill-in-the-middle",
        guard=r"<(?=fim-\w+>|\|[^|\n]{1,64}\|>)",
    ),
    Family(
        "Seed-Coder",
        r"seed-?coder",
        "<[fim-prefix]>",
        "<[fim-suffix]>",
        "<[fim-middle]>",
        "https://arxiv.org/abs/2506.03524",
        suffix_first=True,
        guard=r"<(?=\[[^\]\n]{1,64}\]>)",
    ),
    Family(
        "GLM",
        r"glm-?4|codegeex",
        "<|code_prefix|>",
        "<|code_suffix|>",
        "<|code_middle|>",
        "https://github.com/ggml-org/llama.cpp/blob/master/src/llama-vocab.cpp",
    ),
    Family(
        "Codestral",
        r"codestral",
        "[PREFIX]",
        "[SUFFIX]",
        "",
        "https://github.com/continuedev/continue/blob/main/core/autocomplete/templating/AutocompleteTemplate.ts",
        suffix_first=True,
        stops=("[PREFIX]", "[SUFFIX]"),
        guard=r"\[(?=/?[A-Z_]{3,24}\])|<(?=/?s>)",
    ),
    Family(
        "CodeLlama",
        r"code-?llama",
        "<PRE> ",
        " <SUF>",
        " <MID>",
        "https://github.com/meta-llama/codellama/blob/main/llama/generation.py",
        stops=("<EOT>",),
        by_ids=False,
        guard=r"<(?=(?:PRE|SUF|MID|EOT|/?s)>)",
    ),
)
"""Those that were trained to fill in the middle, the narrower name first."""


def family_of(*names: str | None) -> Family | None:
    """Of a model, by what it is called; None for one that is not known."""
    for name in filter(None, names):
        for family in FAMILIES:
            if re.search(family.models, name.lower()):
                return family
    return None


def by_signs(named: Family | None) -> list[Family]:
    """Those that a vocabulary tells, to be tried in this order: of two alike the usual one comes first."""
    return sorted((it for it in FAMILIES if it.by_ids), key=lambda it: (it is not named, it.suffix_first))


def unrendered(prompt: str) -> tuple[str, str] | None:
    """Prefix and suffix of a prompt with DeepSeek's signs in it, each just once; None for any other text.

    Whoever rendered it may have put a user's own signs between them: which are meant cannot be told then.
    """
    found = re.fullmatch(f"(?:{BOS})?{FIM_BEGIN}(.*){FIM_HOLE}(.*){FIM_END}", prompt, re.DOTALL)
    if found is None or any(sign in part for sign in CONTROL for part in found.groups()):
        return None
    return found[1], found[2]


def render(prefix: str, suffix: str) -> str:
    """DeepSeek's prompt as text."""
    return DEEPSEEK.render(prefix, suffix)
