"""What changed since the index was built, merged at query time.

New passages lie in slots that are only ever added: first those of segments, which are mapped files,
then those in memory. A reader sees as many as its state says and which of them live, so a search
needs no lock. Scores are those of the main index: the same BM25 with its frequencies and mean
length, the same embedder.
"""

import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.engine.embedders.contract import Vectors
from search.engine.filters import Condition, matches
from search.engine.lexical import Statistics
from search.engine.passages import Passage
from search.engine.records import encoded
from search.engine.segments import COUNT_BITS, MOST, Content, Segment, keys_of

K1 = 1.2
B = 0.75


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


class Memory:
    """The passages that no segment holds yet.

    An entry of a token is one number, 8 bytes, where a pair in a list takes about 90, and one
    append, so that a reader never sees half an entry.
    """

    def __init__(self, dimensions: int) -> None:
        self._passages: list[Passage] = []
        self._slots_of: dict[str, list[int]] = {}
        self._postings: dict[str, array[int]] = {}
        self._arrays: dict[str, NDArray[np.int64]] = {}
        self._lengths = np.zeros(64, dtype=np.int64)
        self._vectors = np.zeros((64, dimensions), dtype=np.float32)

    def __len__(self) -> int:
        return len(self._passages)

    def add(self, passage: Passage, tokens: Sequence[str], vector: Vectors | None) -> None:
        """Put a passage into the next slot. Only one thread adds at a time."""
        slot = len(self._passages)
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
        self._slots_of.setdefault(passage.document_id, []).append(slot)
        self._passages.append(passage)

    @property
    def lengths(self) -> NDArray[np.int64]:
        return self._lengths[: len(self)]

    @property
    def floats(self) -> Vectors:
        return self._vectors

    def passage(self, slot: int) -> Passage:
        """Return the passage of a slot."""
        return self._passages[slot]

    def slots_of(self, document_id: str) -> list[int]:
        """Return the slots of a document."""
        return list(self._slots_of.get(document_id, ()))

    def slots_of_passage(self, passage_id: str) -> list[int]:
        """Return the slots of a passage."""
        return [slot for slot, one in enumerate(self._passages) if one.id == passage_id]

    def entries(self, token: str) -> NDArray[np.int64]:
        """Return the slots that hold a token and its counts; shape (2, n).

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
        return kept

    def satisfying(
        self, slots: NDArray[np.int64], conditions: Sequence[Condition]
    ) -> NDArray[np.int64]:
        """Return those of some slots whose passages satisfy all conditions."""
        chosen = [slot for slot in slots if matches(conditions, self._passages[slot])]
        return np.array(chosen, dtype=np.int64)

    def content(
        self,
        alive: NDArray[np.bool_],
        gone: Iterable[str],
        rows: NDArray[np.int64],
        fields: Mapping[str, str],
    ) -> Content:
        """Return the slots that live, ready to be written as a segment."""
        slots = np.flatnonzero(alive)
        numbers = np.cumsum(alive) - 1
        sizes = [len(entries) for entries in self._postings.values()]
        tokens = np.repeat(keys_of(self._postings), sizes)
        lists = [np.frombuffer(entries, dtype=np.int64) for entries in self._postings.values()]
        packed = np.concatenate(lists) if lists else np.empty(0, np.int64)
        places = packed >> COUNT_BITS
        kept = alive[places]
        passages = [self._passages[slot] for slot in slots]
        return Content(
            tokens=tokens[kept],
            entries=numbers[places[kept]] << COUNT_BITS | packed[kept] & MOST,
            lengths=self._lengths[slots],
            documents=keys_of(one.document_id for one in passages),
            ids=keys_of(one.id for one in passages),
            vectors=self._vectors[slots],
            records=(encoded(one) for one in passages),
            gone=np.unique(keys_of(gone)),
            rows=rows,
            fields=fields,
        )


class Delta:
    """Passages added since the build: segments, then what is in memory."""

    def __init__(self, dimensions: int, segments: Sequence[Segment] = ()) -> None:
        self.segments = tuple(segments)
        self.memory = Memory(dimensions)
        self._parts: tuple[Segment | Memory, ...] = (*self.segments, self.memory)
        sizes = [len(one) for one in self.segments]
        self._starts: list[int] = np.cumsum([0, *sizes]).tolist()
        self.n_frozen: int = self._starts[-1]

    @property
    def n_slots(self) -> int:
        return self.n_frozen + len(self.memory)

    def passage(self, slot: int) -> Passage:
        """Return the passage of a slot."""
        if slot >= self.n_frozen:
            return self.memory.passage(slot - self.n_frozen)
        number = int(np.searchsorted(self._starts, slot, side="right")) - 1
        return self.segments[number].passage(slot - self._starts[number])

    def slots_of(self, document_id: str) -> list[int]:
        """Return the slots of a document, in order."""
        return [
            start + slot
            for start, part in zip(self._starts, self._parts, strict=True)
            for slot in part.slots_of(document_id)
        ]

    def slots_of_passage(self, passage_id: str) -> list[int]:
        """Return the slots of a passage, in order."""
        return [
            start + slot
            for start, part in zip(self._starts, self._parts, strict=True)
            for slot in part.slots_of_passage(passage_id)
        ]

    def satisfying(
        self, slots: NDArray[np.int64], conditions: Sequence[Condition]
    ) -> NDArray[np.int64]:
        """Return those of some slots, ascending, whose passages satisfy all conditions."""
        found = [
            start + part.satisfying(own, conditions) for start, part, own in self._shared_out(slots)
        ]
        return np.concatenate(found) if found else np.empty(0, np.int64)

    def lexical(
        self,
        tokens: Iterable[str],
        slots: NDArray[np.int64],
        main: Statistics,
        frequency: Callable[[str], int],
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return those of some slots, ascending, that hold a token, and their BM25 scores."""
        weights = {
            token: bm25_weight(main.n_passages, frequency(token)) for token in dict.fromkeys(tokens)
        }
        chosen, scores = [], []
        for start, part, own in self._shared_out(slots):
            total = _bm25(part, weights, int(own[-1]) + 1, main.mean_tokens)[own]
            found = total > 0
            chosen.append(start + own[found])
            scores.append(total[found])
        if not chosen:
            return np.empty(0, np.int64), np.empty(0)
        return np.concatenate(chosen), np.concatenate(scores)

    def similarities(self, slots: NDArray[np.int64], query: Vectors) -> NDArray[np.float64]:
        """Return the inner products of some slots, ascending, with a query."""
        found = [
            _products(part.floats, own, query) for _start, part, own in self._shared_out(slots)
        ]
        return np.concatenate(found).astype(np.float64)

    def vectors(self, slots: NDArray[np.int64]) -> Vectors:
        """Return the vectors of some slots; zeros where the embedder did not answer."""
        found = np.empty((len(slots), self.memory.floats.shape[1]), dtype=np.float32)
        numbers = np.searchsorted(self._starts, slots, side="right") - 1
        for number in np.unique(numbers):
            own = numbers == number
            found[own] = self._parts[number].floats[slots[own] - self._starts[number]]
        return found

    def _shared_out(
        self, slots: NDArray[np.int64]
    ) -> Iterator[tuple[int, "Segment | Memory", NDArray[np.int64]]]:
        """Yield each part that has some of the slots: where it begins, and its own numbers."""
        ends = np.searchsorted(slots, [*self._starts[1:], np.iinfo(np.int64).max])
        first = 0
        for start, part, end in zip(self._starts, self._parts, ends.tolist(), strict=True):
            if end > first:
                yield start, part, slots[first:end] - start
            first = end


def _bm25(
    part: Segment | Memory, weights: Mapping[str, float], n_slots: int, mean_tokens: float
) -> NDArray[np.float64]:
    """Return the scores of the first slots of a part."""
    total = np.zeros(n_slots)
    relative = part.lengths[:n_slots] / (mean_tokens or 1.0)
    for token, weight in weights.items():
        places, counts = part.entries(token)
        if not len(places):
            continue
        end = len(places) if places[-1] < n_slots else int(np.searchsorted(places, n_slots))
        places, counts = places[:end], counts[:end]
        total[places] += weight * bm25_count(counts, relative[places])
    return total


def _products(floats: Vectors, slots: NDArray[np.int64], query: Vectors) -> Vectors:
    n_seen = int(slots[-1]) + 1
    if 2 * len(slots) > n_seen:  # to copy most of the rows costs more than to multiply all
        return np.asarray((floats[:n_seen] @ query)[slots])
    return np.asarray(floats[slots] @ query)


def bm25_weight(n_passages: int, frequency: int) -> float:
    """Return the weight of a token as tantivy has it."""
    return math.log1p((n_passages - min(frequency, n_passages) + 0.5) / (frequency + 0.5))


def bm25_count(
    counts: NDArray[np.int64], relative_lengths: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the saturated count of a token in passages of some length over the mean."""
    return np.asarray(counts * (K1 + 1) / (counts + K1 * (1 - B + B * relative_lengths)))
