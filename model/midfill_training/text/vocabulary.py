"""Train the byte-level BPE vocabulary and give it DeepSeek's control tokens, in DeepSeek's order.

python -m midfill_training.text.vocabulary train.txt tokenizer.json
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from midfill_model import fim
from midfill_training.text.gather.corpus import END_OF_FILE

SIZE = 16_000
SAMPLED = 12
"""One file in so many is read: merges settle long before the whole text is seen."""
# Roughly cl100k's: words with one leading character, digits by three, signs with their line end, blanks.
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CONTROL = (fim.BOS, fim.EOS, fim.FIM_HOLE, fim.FIM_BEGIN, fim.FIM_END)


def train(corpus: Path) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=SIZE, initial_alphabet=alphabet, max_token_length=24)
    tokenizer.train_from_iterator(texts(corpus), trainer)
    assert tokenizer.get_vocab_size() == SIZE
    # FIM tokens are special=False in DeepSeek's own file; decoding must not hide them.
    tokenizer.add_tokens([AddedToken(text, special=text in (fim.BOS, fim.EOS)) for text in CONTROL])
    return tokenizer


def texts(corpus: Path) -> Iterator[str]:
    """Every SAMPLED-th file, without its header line."""
    files = corpus.read_text("utf-8").split(END_OF_FILE)
    for file in files[::SAMPLED]:
        yield file.partition("\n")[2]


if __name__ == "__main__":
    train(Path(sys.argv[1])).save(sys.argv[2])
