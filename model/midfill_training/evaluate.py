"""Measure a finished model folder with the engine's own code, on text that was never trained on.

    python -m midfill_training.evaluate FOLDER heldout_packages.txt --holes 400
    python -m midfill_training.evaluate FOLDER heldout_packages.txt --languages --holes 80

Line exact match in Python for holes from a random token boundary to the end of the line and for whole lines;
and whether a file that parsed still parses with what was written in place of the hole. Or, in each language,
line exact match from the start of a word to the end of its line. All of it greedy, from the file alone.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from midfill_model.checkpoint import hub
from midfill_model.generation.cache import Slot
from midfill_model.generation.generate import generate
from midfill_model.generation.requests.prompt import Budgets, Parts, fim_prompt
from midfill_model.generation.requests.writer import Detokenizer
from midfill_model.generation.task import Task
from midfill_model.generation.tokens import Tokenizer
from midfill_model.lab import reference
from midfill_training.probe import LANGUAGES
from midfill_training.text.gather.corpus import END_OF_FILE
from midfill_training.text.holes import line_end

PREFIX, SUFFIX, LONGEST = 1024, 128, 64  # tokens
SEED = 1

Hole = tuple[str, int, int]  # the file, and where the hole begins and ends in it


def evaluate(folder: Path, split: Path, n_holes: int) -> dict[str, dict[str, float]]:
    complete = completer(folder)
    files = files_of(split, "python")
    tokenizer = Tokenizer(folder)
    kinds = {
        "token boundary to line end": lambda text, chance: rest_of_line(text, tokenizer, chance),
        "whole line": lambda text, chance: whole_line(text, chance),
    }
    report = {}
    for kind, pick in kinds.items():
        chance = random.Random(SEED)
        exact = parsed = parsable = done = 0
        for text, start, end in holes(files, pick, chance, n_holes):
            written = complete(text[:start], text[end:]).partition("\n")[0]
            exact += written.rstrip() == text[start:end].rstrip()
            done += 1
            if parses(text):
                parsable += 1
                parsed += parses(text[:start] + written + text[end:])
        report[kind] = {"exact": exact / done, "parses": parsed / max(parsable, 1), "holes": done}
        print(kind, json.dumps(report[kind]), flush=True)
    return report


def by_language(folder: Path, split: Path, n_holes: int) -> dict[str, float]:
    """The share of lines that are wholly right, from the start of a word on."""
    complete, report = completer(folder), {}
    for language in LANGUAGES:
        exact, chance = 0, random.Random(SEED)
        for text, start, end in holes(files_of(split, language), rest_from_a_word, chance, n_holes):
            written = complete(text[:start], text[end:]).partition("\n")[0]
            exact += written.rstrip() == text[start:end].rstrip()
        report[language] = exact / n_holes
        print(language, report[language], flush=True)
    return report


def completer(folder: Path) -> Callable[[str, str], str]:
    """The engine's prompt, network and greedy loop, without its thread."""
    tokenizer, network = Tokenizer(folder), reference.ours(folder)

    def complete(prefix: str, suffix: str) -> str:
        parts = Parts(prefix[-8 * PREFIX :], suffix[: 8 * SUFFIX])
        prompt = fim_prompt(tokenizer, parts, Budgets(PREFIX, SUFFIX)).ids
        slot, detokenizer = Slot(network.new_cache, network.context), Detokenizer(tokenizer)
        text = ""
        for token in generate(network, slot, Task(prompt, LONGEST, tokenizer.size, tokenizer.control_ids)):
            text += detokenizer.push(token.id) if token is not None else ""
            if "\n" in text:
                break
        return text

    return complete


def holes(
    files: list[str], pick: Callable[[str, random.Random], tuple[int, int]], chance: random.Random, n: int
) -> Iterator[Hole]:
    """`n` holes that hold more than blanks, in files drawn in proportion to their size."""
    sizes = list(map(len, files))
    while n:
        (text,) = chance.choices(files, sizes)
        start, end = pick(text, chance)
        if text[start:end].strip():
            n -= 1
            yield text, start, end


def rest_of_line(text: str, tokenizer: Tokenizer, chance: random.Random) -> tuple[int, int]:
    """A random token boundary (of the line's own tokens), and the end of its line."""
    line = text.rfind("\n", 0, chance.randrange(len(text))) + 1
    end = line_end(text, line)
    ids, starts, detokenizer = tokenizer.encode(text[line:end]), [line], Detokenizer(tokenizer)
    for id_ in ids[:-1]:
        starts.append(starts[-1] + len(detokenizer.push(id_)))
    return chance.choice(starts), end


def rest_from_a_word(text: str, chance: random.Random) -> tuple[int, int]:
    """From the start of a word of a random line to the line's end; nothing where it has no word."""
    line = text.rfind("\n", 0, chance.randrange(len(text))) + 1
    end = line_end(text, line)
    words = [found.start() for found in re.finditer(r"\w+", text[line:end])]
    return line + chance.choice(words) if words else end, end


def whole_line(text: str, chance: random.Random) -> tuple[int, int]:
    """A random line, from its first character that is no blank."""
    start = text.rfind("\n", 0, chance.randrange(len(text))) + 1
    end = line_end(text, start)
    return start + len(text[start:end]) - len(text[start:end].lstrip()), end


def files_of(split: Path, language: str) -> list[str]:
    files = (file.partition("\n") for file in split.read_text("utf-8").split(END_OF_FILE))
    return [text for header, _, text in files if header.startswith(f"{language} ")]


def parses(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=hub.resolve)
    parser.add_argument("split", type=Path)
    parser.add_argument("--holes", type=int, default=400)
    parser.add_argument("--languages", action="store_true", help="rests of lines in each language")
    options = parser.parse_args()
    measure = by_language if options.languages else evaluate
    print(json.dumps(measure(options.folder, options.split, options.holes), indent=1))


if __name__ == "__main__":
    main()
