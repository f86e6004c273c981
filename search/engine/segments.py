"""Passages added since a build, in files that all processes of a machine map.

What waits for the next build is held in memory only until there is a certain amount of it; then it
is written once, in the order of its slots, and every process reads it from there. A segment never
changes: what is replaced later is taken away by the segment or the memory that replaced it.

Tokens and identifiers are found by the first eight bytes of their BLAKE2b digest.
"""

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from search.engine.embedders.contract import Vectors
from search.engine.files import mapped, sync, write_durably
from search.engine.filters import Condition, matches
from search.engine.filters import key as key_of_filter
from search.engine.passages import Passage
from search.engine.problems import IndexDamaged, unopened
from search.engine.records import Records, RecordWriter

HEAD = "segment.json"
#: An entry of a token is one number, the slot above so many bits of the count.
COUNT_BITS = 16
MOST = (1 << COUNT_BITS) - 1
#: Filters whose slots a segment remembers; one takes a byte a passage.
MAX_MASKS = 16

Keys = NDArray[np.uint64]
_ARRAYS = (
    "tokens", "starts", "entries", "lengths", "vectors", "documents", "ids", "gone", "rows",
)  # fmt: skip


def key_of(text: str) -> int:
    """Return the number by which a token or an identifier is found."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def keys_of(texts: Iterable[str]) -> Keys:
    """Return the numbers of some texts."""
    return np.array([key_of(one) for one in texts], dtype=np.uint64)


@dataclass(frozen=True)
class Content:
    """What a segment is written from.

    Attributes
    ----------
    tokens, entries : uint64, int64 [n_entries]
        A token and the slot and count of one passage that holds it, in any order.
    lengths, documents, ids : int64, uint64, uint64 [n]
        Of each slot: its tokens, its document, its own identifier.
    vectors : float32 [n, dimensions]
    records : iterable of bytes
        The passages as `search.engine.records` keeps them.
    gone : uint64 [n_gone]
        Documents that were replaced or deleted: no earlier slot of theirs lives.
    rows : int64 [n_rows]
        The built index's rows of those documents.
    fields : mapping
        Fields to filter by and their types, those of the built index included.
    """

    tokens: Keys
    entries: NDArray[np.int64]
    lengths: NDArray[np.int64]
    documents: Keys
    ids: Keys
    vectors: Vectors
    records: Iterable[bytes]
    gone: Keys
    rows: NDArray[np.int64]
    fields: Mapping[str, str]


def write(folder: Path, content: Content, first: int, last: int) -> None:
    """Write a segment into a fresh folder; its head is written last.

    Parameters
    ----------
    first, last : int
        It holds the changes after the first and up to the last.
    """
    folder.mkdir(parents=True)
    order = np.lexsort((content.entries, content.tokens))
    tokens, starts = np.unique(content.tokens[order], return_index=True)
    arrays: dict[str, NDArray[Any]] = {
        "tokens": tokens,
        "starts": np.append(starts, len(order)).astype(np.int64),
        "entries": content.entries[order],
        "lengths": content.lengths,
        "vectors": content.vectors,
        "documents": content.documents,
        "ids": content.ids,
        "gone": content.gone,
        "rows": content.rows,
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    records = RecordWriter(folder)
    for one in content.records:
        records.append(one)
    records.close()
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    for name in sizes:
        sync(folder / name)
    head = {"first": first, "last": last, "fields": dict(content.fields), "sizes": sizes}
    write_durably(folder / HEAD, json.dumps(head).encode())


class Segment:
    """A segment opened for searching; safe for threads."""

    def __init__(self, folder: Path, head: Mapping[str, Any]) -> None:
        found = {name: mapped(folder / f"{name}.npy") for name in _ARRAYS}
        self.folder = folder
        self.first, self.last = int(head["first"]), int(head["last"])
        self.fields: dict[str, str] = dict(head["fields"])
        self.lengths: NDArray[np.int64] = found["lengths"]
        self.documents: Keys = found["documents"]
        self.ids: Keys = found["ids"]
        self.gone: Keys = found["gone"]
        self.rows: NDArray[np.int64] = found["rows"]
        self.tokens: Keys = found["tokens"]
        self.starts: NDArray[np.int64] = found["starts"]
        self.packed: NDArray[np.int64] = found["entries"]
        self.floats: Vectors = found["vectors"]
        self.records = Records.open(folder)
        self._masks: OrderedDict[str, NDArray[np.bool_]] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Map the files of a folder.

        Raises
        ------
        IndexDamaged
            If one is missing or not as long as it was written.
        MachineShort
            If no more files can be opened.
        """
        try:
            head = json.loads((folder / HEAD).read_bytes())
            sizes = {name: (folder / name).stat().st_size for name in head["sizes"]}
            if sizes != head["sizes"]:
                raise IndexDamaged("file_changed", value=folder.name)
            return cls(folder, head)
        except (OSError, ValueError, KeyError) as exc:
            raise unopened(exc, IndexDamaged("file_changed", value=folder.name)) from exc

    def __len__(self) -> int:
        return len(self.lengths)

    def passage(self, slot: int) -> Passage:
        """Return the passage of a slot."""
        return self.records[slot]

    def slots_of(self, document_id: str) -> list[int]:
        """Return the slots of a document."""
        return _places(self.documents, document_id)

    def slots_of_passage(self, passage_id: str) -> list[int]:
        """Return the slots of a passage."""
        return _places(self.ids, passage_id)

    def entries(self, token: str) -> NDArray[np.int64]:
        """Return the slots that hold a token and its counts; shape (2, n)."""
        key = np.uint64(key_of(token))
        place = int(np.searchsorted(self.tokens, key))
        if place == len(self.tokens) or self.tokens[place] != key:
            return np.empty((2, 0), dtype=np.int64)
        packed = self.packed[self.starts[place] : self.starts[place + 1]]
        return np.stack((packed >> COUNT_BITS, packed & MOST))

    def satisfying(
        self, slots: NDArray[np.int64], conditions: Sequence[Condition]
    ) -> NDArray[np.int64]:
        """Return those of some slots whose passages satisfy all conditions."""
        key = key_of_filter(tuple(conditions))
        with self._lock:
            mask = self._masks.get(key)
        if mask is None:
            mask = np.fromiter(
                (matches(conditions, self.records[slot]) for slot in range(len(self))),
                dtype=bool,
                count=len(self),
            )
            with self._lock:
                self._masks[key] = mask
                if len(self._masks) > MAX_MASKS:
                    self._masks.popitem(last=False)
        return slots[mask[slots]]


def _places(keys: Keys, text: str) -> list[int]:
    found: list[int] = np.flatnonzero(keys == np.uint64(key_of(text))).tolist()
    return found


def living(segments: Sequence[Segment]) -> NDArray[np.bool_]:
    """Return which slots of some segments, in their order, no later one has replaced."""
    masks = []
    for number, one in enumerate(segments):
        later = [other.gone for other in segments[number + 1 :]]
        gone = np.concatenate(later) if later else np.empty(0, np.uint64)
        masks.append(~np.isin(one.documents, gone))
    return np.concatenate(masks) if masks else np.zeros(0, dtype=bool)


def merge(segments: Sequence[Segment], folder: Path, later: Sequence[Segment] = ()) -> None:
    """Write neighbouring segments as one, without what they or later ones have replaced."""
    alive = living([*segments, *later])[: sum(map(len, segments))]
    numbers = np.cumsum(alive) - 1
    tokens, entries = [], []
    start = 0
    for one in segments:
        slots = start + (one.packed >> COUNT_BITS)
        kept = alive[slots]
        tokens.append(np.repeat(one.tokens, np.diff(one.starts))[kept])
        entries.append(numbers[slots[kept]] << COUNT_BITS | one.packed[kept] & MOST)
        start += len(one)
    content = Content(
        tokens=np.concatenate(tokens),
        entries=np.concatenate(entries),
        lengths=np.concatenate([one.lengths for one in segments])[alive],
        documents=np.concatenate([one.documents for one in segments])[alive],
        ids=np.concatenate([one.ids for one in segments])[alive],
        vectors=np.concatenate(
            [one.floats[own] for one, own in zip(segments, _split(segments, alive), strict=True)]
        ),
        records=_records(segments, alive),
        gone=np.unique(np.concatenate([one.gone for one in segments])),
        rows=np.unique(np.concatenate([one.rows for one in segments])),
        fields=segments[-1].fields,
    )
    write(folder, content, segments[0].first, segments[-1].last)


def _split(segments: Sequence[Segment], alive: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Return which slots are alive, segment by segment."""
    return np.split(alive, np.cumsum([len(one) for one in segments])[:-1])


def _records(segments: Sequence[Segment], alive: NDArray[np.bool_]) -> Iterator[bytes]:
    for one, own in zip(segments, _split(segments, alive), strict=True):
        for slot in np.flatnonzero(own):
            yield one.records.raw(int(slot))
