"""Latent KV slots: what the network has already computed, one slot per document, reused by common prefix."""

from collections.abc import Callable, Sequence

from torch import Tensor

NewCache = Callable[[int], Tensor]  # number of tokens -> [layers, tokens, R + r]

_FIRST_CAPACITY = 512


class Slot:
    """The computed tokens of one document. `latents[:, :len(tokens)]` always belongs to exactly `tokens`."""

    def __init__(
        self, new_cache: NewCache, limit: int, make_room: Callable[[int], None] = lambda _: None
    ) -> None:
        self.key = ""
        self.tokens: list[int] = []
        self.latents = new_cache(0)  # [layers, capacity, R + r]
        self._new_cache = new_cache
        self._limit = limit
        self._make_room = make_room  # told before the latents grow, by how many tokens

    @property
    def capacity(self) -> int:
        """Tokens that the latents have room for."""
        return self.latents.shape[1]

    def keep(self, prompt: Sequence[int]) -> int:
        """Drop what does not begin `prompt`; return how many of its tokens need no computing.

        The last token is always computed: its logits are wanted.
        """
        n_kept = min(common_prefix(self.tokens, prompt), len(prompt) - 1)
        del self.tokens[n_kept:]
        return n_kept

    def reserve(self, length: int) -> None:
        """Make room for `length` tokens, in powers of two up to the limit."""
        if length <= self.capacity:
            return
        capacity = min(max(_FIRST_CAPACITY, 1 << (length - 1).bit_length()), self._limit)
        self._make_room(capacity - self.capacity)
        grown = self._new_cache(capacity)
        grown[:, : len(self.tokens)] = self.latents[:, : len(self.tokens)]
        self.latents = grown

    def clear(self) -> None:
        """Give the memory back, and what was computed with it."""
        self.key = ""
        self.tokens = []
        self.latents = self._new_cache(0)


class Slots:
    """A few slots, least recently used first. A slot that is lent belongs to one request.

    Together they hold at most `budget` tokens, unless lent ones alone need more: a free slot gives its memory
    up before another grows.
    """

    def __init__(self, new_cache: NewCache, limit: int, n_slots: int, budget: int) -> None:
        self._every = [Slot(new_cache, limit, self._make_room) for _ in range(n_slots)]
        self._free = list(self._every)
        self._budget = budget

    def __len__(self) -> int:
        """How many are free."""
        return len(self._free)

    @property
    def capacity(self) -> int:
        """Tokens that all slots have room for."""
        return sum(slot.capacity for slot in self._every)

    def lend(self, key: str, prompt: Sequence[int]) -> Slot:
        """The slot of the same document; else that with most to reuse, an empty one, the least recently used.

        What another document's slot holds is left to it as long as there is an empty one.
        """
        slot = next((slot for slot in self._free if key and slot.key == key), None)
        if slot is None:
            nobodys = [slot for slot in self._free if not slot.key or not slot.tokens]
            slot = max(nobodys or self._free, key=lambda slot: (_worth(slot, prompt), not slot.tokens))
        self._free.remove(slot)
        slot.key = key
        return slot

    def give_back(self, slot: Slot) -> None:
        self._free.append(slot)

    def yield_memory(self) -> None:
        """After memory ran out: free slots give theirs up, and from now on all together get half as much."""
        self._budget //= 2
        for slot in self._free:
            slot.clear()

    def _make_room(self, n_tokens: int) -> None:
        for slot in self._free:
            if self.capacity + n_tokens <= self._budget:
                return
            slot.clear()


def common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    """How many leading items are equal."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


def _worth(slot: Slot, prompt: Sequence[int]) -> int:
    """Reuse of a few tokens (bos, fim_begin, an import line) is not worth another document's slot."""
    n_common = common_prefix(slot.tokens, prompt)
    return n_common if n_common >= 32 else 0
