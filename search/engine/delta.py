"""What changed since the index was built, held in memory and merged at query time.

New passages lie in slots that are only ever added; a reader sees as many as its state says and
which of them live, so a search needs no lock. Scores are those of the main index: the same BM25
with its frequencies and mean length, the same embedder.
"""

import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.engine.embedders.contract import Vectors
from search.engine.lexical import Statistics
from search.engine.passages import Passage

K1 = 1.2
B = 0.75
#: An entry of a token is one number, the slot above so many bits of the count: 8 bytes, where a
#: pair in a list takes about 90, and one append, so that a reader never sees half an entry.
COUNT_BITS = 16
MOST = (1 << COUNT_BITS) - 1


@dataclass(frozen=True)
class State:
    """What one search sees.

    Attributes
    ----------
    alive : bool [n_slots]
        Slots that are not replaced or deleted.
    removed : uint8 or None
        Bitmap of the main index's rows that are replaced or deleted.
    n_removed : int
        Bits of `removed`.
    """

    alive: NDArray[np.bool_]
    removed: NDArray[np.uint8] | None
    n_removed: int

    @property
    def n_slots(self) -> int:
        return len(self.alive)

    @property
    def n_alive(self) -> int:
        return int(self.alive.sum())


class Delta:
    """Passages added since the build."""

    def __init__(self, dimensions: int) -> None:
        self.passages: list[Passage] = []
        self.slots_of: dict[str, list[int]] = {}
        self._postings: dict[str, array[int]] = {}
        self._arrays: dict[str, NDArray[np.int64]] = {}
        self._lengths = np.zeros(64, dtype=np.int64)
        self._vectors = np.zeros((64, dimensions), dtype=np.float32)

    def add(self, passage: Passage, tokens: Sequence[str], vector: Vectors | None) -> int:
        """Put a passage into the next slot. Only one thread adds at a time."""
        slot = len(self.passages)
        if slot == len(self._vectors):
            self._vectors = np.concatenate((self._vectors, np.zeros_like(self._vectors)))
            self._lengths = np.concatenate((self._lengths, np.zeros_like(self._lengths)))
        if vector is not None:
            self._vectors[slot] = vector
        for token, count in Counter(tokens).items():
            entries = self._postings.get(token)
            if entries is None:
                entries = self._postings[token] = array("q")
            entries.append(slot << COUNT_BITS | min(count, MOST))
        self._lengths[slot] = len(tokens)
        self.slots_of.setdefault(passage.document_id, []).append(slot)
        self.passages.append(passage)
        return slot

    def lexical(
        self,
        tokens: Iterable[str],
        slots: NDArray[np.int64],
        main: Statistics,
        frequency: Callable[[str], int],
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return those of some slots that hold a token, and their BM25 scores."""
        total = np.zeros(len(self.passages))
        relative = self._lengths[: len(total)] / (main.mean_tokens or 1.0)
        for token in dict.fromkeys(tokens):
            places, counts = self._entries(token, len(total))
            if not len(places):
                continue
            weight = bm25_weight(main.n_passages, frequency(token))
            total[places] += weight * bm25_count(counts, relative[places])
        chosen = slots[total[slots] > 0]
        return chosen, total[chosen]

    def _entries(self, token: str, n_slots: int) -> NDArray[np.int64]:
        """Return the slots below `n_slots` that hold a token and its counts; shape (2, n).

        Entries are added in the order of their slots. What was made of them for one query is kept
        for the next, because a token of many passages is asked for often.
        """
        entries = self._postings.get(token)
        if entries is None:
            return np.empty((2, 0), dtype=np.int64)
        kept = self._arrays.get(token)
        if kept is None or kept.shape[1] != len(entries):
            packed = np.frombuffer(entries[:], dtype=np.int64)  # of a copy: `entries` may grow
            kept = self._arrays[token] = np.stack((packed >> COUNT_BITS, packed & MOST))
        return kept[:, : int(np.searchsorted(kept[0], n_slots))]

    def similarities(self, slots: NDArray[np.int64], query: Vectors) -> NDArray[np.float64]:
        """Return the inner products of some slots, ascending, with a query."""
        n_seen = int(slots[-1]) + 1
        if 2 * len(slots) > n_seen:  # to copy most of the rows costs more than to multiply all
            return (self._vectors[:n_seen] @ query).astype(np.float64)[slots]
        return (self._vectors[slots] @ query).astype(np.float64)

    def vectors(self, slots: NDArray[np.int64]) -> Vectors:
        """Return the vectors of some slots; zeros where the embedder did not answer."""
        found: Vectors = self._vectors[slots]
        return found


def bm25_weight(n_passages: int, frequency: int) -> float:
    """Return the weight of a token as tantivy has it."""
    return math.log1p((n_passages - min(frequency, n_passages) + 0.5) / (frequency + 0.5))


def bm25_count(
    counts: NDArray[np.int64], relative_lengths: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the saturated count of a token in passages of some length over the mean."""
    return np.asarray(counts * (K1 + 1) / (counts + K1 * (1 - B + B * relative_lengths)))
