"""An index opened for searching: mapped files, a delta in memory, one call to ask."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.engine import filters as filtering
from search.engine.delta import Delta, State
from search.engine.embedders.contract import Embedder
from search.engine.embedders.factory import check_embedder, stored
from search.engine.lexical import LexicalIndex, Statistics, tag
from search.engine.manifest import Manifest, verify
from search.engine.options import MAX_TOP_K, MODES, SearchOptions
from search.engine.passages import Passage, checked
from search.engine.problems import EmbedderProblem, IndexDamaged, QueryProblem, shown
from search.engine.records import Records
from search.engine.results import Result
from search.engine.searching import Asked, Parts, Search, query_text
from search.engine.segments import Segment, living, write
from search.engine.selection import Selection, bitmap_of, everything, has, n_bits
from search.engine.snapshot import Snapshot
from search.engine.text import clean
from search.engine.tokenizers import fingerprint, tokenizer
from search.engine.vectors import VectorIndex

#: Filters whose rows are remembered; one takes n / 8 bytes.
MAX_SELECTIONS = 64


class Index:
    """Searches one built index and what changed since; safe for threads.

    Made by `open_index`.
    """

    def __init__(
        self,
        manifest: Manifest,
        parts: Parts,
        snapshot: Snapshot,
        segments: Sequence[Segment] = (),
    ) -> None:
        self.manifest = manifest
        self._parts = parts
        self._snapshot = snapshot
        dimensions = parts.embedder.dimensions if parts.embedder else 0
        self._delta = Delta(dimensions, segments)
        removed = bitmap_of([one.rows for one in segments], parts.n_rows)
        self._state = State(living(segments), removed, n_bits(removed))
        self._gone: set[str] = set()
        self._fields = dict(segments[-1].fields if segments else manifest.fields)
        self._writing = threading.Lock()
        self._selections: OrderedDict[str, Selection] = OrderedDict()
        self._selecting = threading.Lock()
        self._is_closed = False

    @property
    def fields(self) -> dict[str, str]:
        """Fields to filter by and their types."""
        return dict(self._fields)

    @property
    def embedder(self) -> Embedder | None:
        """What makes the vectors of queries; None in a lexical index."""
        return self._parts.embedder

    @property
    def n_passages(self) -> int:
        """Passages that can be found."""
        state = self._state
        return self._parts.n_rows - state.n_removed + state.n_alive

    @property
    def n_delta(self) -> int:
        """Passages added since the build that can be found."""
        return self._state.n_alive

    @property
    def n_removed(self) -> int:
        """Passages of the build that were replaced or deleted since."""
        return self._state.n_removed

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Files that hold the first of what changed since the build."""
        return self._delta.segments

    @property
    def n_in_memory(self) -> int:
        """Passages or documents of changes that no segment holds, whichever are more."""
        return max(len(self._delta.memory), len(self._gone))

    @property
    def touched(self) -> frozenset[str]:
        """Documents that changes in memory have put in, replaced or deleted."""
        return frozenset(self._gone)

    def freeze(self, folder: Path, first: int, last: int) -> None:
        """Write what is in memory as a segment; this index goes on as it is.

        Parameters
        ----------
        folder : Path
            Fresh.
        first, last : int
            The changes it holds, as of `search.engine.segments.write`.
        """
        with self._writing:
            content = self._delta.memory.content(
                self._state.alive[self._delta.n_frozen :],
                self._gone,
                self._snapshot.rows_of(sorted(self._gone)),
                self._fields,
            )
            write(folder, content, first, last)

    def with_segments(self, segments: Sequence[Segment]) -> "Index":
        """Return the same build with all changes of some segments and none in memory."""
        return Index(self.manifest, self._parts, self._snapshot, segments)

    def search(
        self,
        query: str,
        mode: str = "hybrid",
        top_k: int = 10,
        filters: Mapping[str, Any] | None = None,
        taxonomy: str = "",
        options: SearchOptions | None = None,
    ) -> Result:
        """Return the passages that answer a query.

        Parameters
        ----------
        query : str
            At most `MAX_QUERY_CHARS` of `searching`; no query language, every character is text.
        mode : str
            ``hybrid``, ``lexical`` or ``vector``.
        top_k : int
            Number of hits, at most `MAX_TOP_K`. The vector leg fills them whatever the filters, as
            long as there are so many passages.
        filters : mapping or None
            See `search.engine.filters`.
        taxonomy : str
            A path whose passages are favoured; to search only there, filter by ``taxonomy``.
        options : SearchOptions or None

        Raises
        ------
        QueryProblem
            Naming what is wrong with the query, a filter or an option.
        """
        started = perf_counter()
        if self._is_closed:
            raise IndexDamaged("closed")
        asked = self._asked(query, mode, top_k, filters, taxonomy, options or SearchOptions())
        state = self._state
        selection = self._selection(asked.conditions, state)
        filtered = perf_counter()
        search = Search(self._parts, self._delta, state, selection, asked)
        search.timings_ms["filter"] = (filtered - started) * 1000
        result = search.run()
        result.timings_ms["total"] = round((perf_counter() - started) * 1000, 3)
        return result

    def apply(self, upserts: Iterable[Passage] = (), deletions: Iterable[str] = ()) -> int:
        """Make changes searchable at once; return how many delta passages can be found.

        Parameters
        ----------
        upserts : iterable of Passage
            All passages of each document they belong to: they replace what was known of it.
        deletions : iterable of str
            Ids of documents to remove; unknown ones are no error.

        Raises
        ------
        BuildProblem
            If a passage cannot be indexed; nothing is changed then.
        """
        added = [checked(one) for one in upserts]
        gone = {clean(one) for one in deletions} | {one.document_id for one in added}
        vectors = self._vectors_of(added)
        with self._writing:
            old = self._state
            first = self._delta.n_slots
            for place, passage in enumerate(added):
                tokens = self._parts.tokenizer.tokens(passage.searched())
                vector = None if vectors is None else vectors[place]
                self._delta.memory.add(passage, tokens, vector)
            self._gone |= gone
            self._learn_fields(added)
            alive = np.ones(first + len(added), dtype=bool)
            alive[: old.n_slots] = old.alive
            for document_id in gone:
                for slot in self._delta.slots_of(document_id):
                    if slot < first:
                        alive[slot] = False
            removed = self._removed(old, gone)
            self._state = State(alive, removed, n_bits(removed))
            return self._state.n_alive

    def passage(self, passage_id: str) -> Passage | None:
        """Return the passage of an id, or None when it is unknown or removed."""
        state = self._state
        for slot in reversed(self._delta.slots_of_passage(passage_id)):
            if slot < state.n_slots and state.alive[slot]:
                return self._delta.passage(slot)
        row = self._snapshot.row_of(passage_id)
        if row is None or has(state.removed, row):
            return None
        return self._parts.records[row]

    def passages_of(self, document_id: str) -> list[Passage]:
        """Return the passages of a document in order."""
        state = self._state
        slots = self._delta.slots_of(document_id)
        found = [self._delta.passage(s) for s in slots if s < state.n_slots and state.alive[s]]
        if not found:
            rows = self._snapshot.rows_of([document_id])
            found = [self._parts.records[int(row)] for row in rows if not has(state.removed, row)]
        return sorted(found, key=lambda one: one.position)

    def frequencies(self, tokens: Iterable[str]) -> dict[str, int]:
        """Return in how many passages of the build each distinct token of ``bigram-1`` occurs."""
        count = self._parts.lexical.frequency
        return {token: count(token) for token in dict.fromkeys(tokens)}

    def facets(
        self, field: str, filters: Mapping[str, Any] | None = None, limit: int = 50
    ) -> list[tuple[str, int]]:
        """Return the most frequent values of a field and how many passages have each.

        Raises
        ------
        QueryProblem
            If the field is unknown or a filter is wrong.
        """
        if field not in self._fields:
            raise QueryProblem(
                "unknown_field", field=shown(field), allowed=", ".join(sorted(self._fields))
            )
        conditions = filtering.parse(filters, self._fields)
        state = self._state
        selection = self._selection(conditions, state) or everything(self._parts.n_rows)
        counts = {str(k): n for k, n in self._snapshot.facets(field, selection.rows).items()}
        for slot in np.flatnonzero(state.alive):
            passage = self._delta.passage(int(slot))
            if filtering.matches(conditions, passage):
                for value in filtering.values_of(field, passage):
                    counts[str(value)] = counts.get(str(value), 0) + 1
        ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        return ordered[:limit]

    def close(self) -> None:
        """Refuse further searches and close the snapshot; mapped files go with the last search."""
        self._is_closed = True
        self._snapshot.close()

    def _asked(
        self,
        query: str,
        mode: str,
        top_k: int,
        filters: Mapping[str, Any] | None,
        taxonomy: str,
        options: SearchOptions,
    ) -> Asked:
        text = query_text(query)
        if mode not in MODES:
            raise QueryProblem(
                "unknown_mode", field="mode", value=shown(mode), allowed=", ".join(MODES)
            )
        if type(top_k) is not int or not 1 <= top_k <= MAX_TOP_K:
            raise QueryProblem(
                "wrong_number", field="top_k", value=shown(top_k), low=1, high=MAX_TOP_K
            )
        conditions = filtering.parse(filters, self._fields)
        return Asked(text, mode, top_k, conditions, taxonomy, options)

    def _selection(
        self, conditions: tuple[filtering.Condition, ...], state: State
    ) -> Selection | None:
        """Return the rows that filters and removals leave, or None for all."""
        if not conditions:
            if state.removed is None:
                return None
            return everything(self._parts.n_rows).without(state.removed)
        selection = self._filtered(conditions)
        return selection if state.removed is None else selection.without(state.removed)

    def _filtered(self, conditions: tuple[filtering.Condition, ...]) -> Selection:
        key = filtering.key(conditions)
        with self._selecting:
            found = self._selections.get(key)
            if found is not None:
                self._selections.move_to_end(key)
                return found
        groups = list(filtering.tag_groups(conditions))
        tags = tuple(tuple(tag(one.field, value) for value in values) for one, values in groups)
        rows = self._snapshot.rows(conditions)
        found = Selection.of_rows(
            rows, self._parts.n_rows, tags, exact=len(groups) == len(conditions)
        )
        with self._selecting:
            self._selections[key] = found
            if len(self._selections) > MAX_SELECTIONS:
                self._selections.popitem(last=False)
        return found

    def _vectors_of(self, passages: list[Passage]) -> Any:
        """Return the vectors of new passages, or None while the embedder does not answer."""
        if self._parts.embedder is None or not passages:
            return None
        try:
            return self._parts.embedder.encode([one.searched() for one in passages])
        except EmbedderProblem:
            return None

    def _learn_fields(self, passages: list[Passage]) -> None:
        fields = dict(self._fields)
        for passage in passages:
            for name, value in passage.metadata.items():
                for one in filtering.scalars(value):
                    kind = filtering.type_of(one)
                    if fields.setdefault(name, kind) != kind:
                        fields[name] = "mixed"
        self._fields = fields

    def _removed(self, old: State, gone: set[str]) -> NDArray[np.uint8] | None:
        rows = self._snapshot.rows_of(sorted(gone)) if gone else np.empty(0, np.int64)
        bitmap = bitmap_of([rows], self._parts.n_rows)
        if bitmap is None or old.removed is None:
            return old.removed if bitmap is None else bitmap
        return bitmap | old.removed


def open_index(
    folder: Path,
    *,
    verify_files: bool = True,
    credentials: Mapping[str, str] | None = None,
    embedder: Embedder | None = None,
) -> Index:
    """Open a built index by mmap.

    Parameters
    ----------
    folder : Path
        As `search.engine.building.build` left it.
    verify_files : bool
        Whether checksums are compared with the manifest; sizes always are.
    credentials : mapping or None
        What an embedder must know that no manifest may hold, such as ``api_key``.
    embedder : Embedder or None
        Used instead of the one the manifest names.

    Raises
    ------
    IndexDamaged
        If a file is missing or changed, or the tokenizer is no longer the same.
    EmbedderProblem
        If the embedder cannot be loaded.
    MachineShort
        If no more files can be opened.
    """
    manifest = Manifest.read(folder)
    verify(folder, manifest.files, contents=verify_files)
    words = tokenizer(manifest.tokenizer)
    if fingerprint(words) != manifest.tokenizer_fingerprint:
        raise IndexDamaged("tokenizer_changed", value=manifest.tokenizer)
    embedder = embedder or stored(manifest, folder, words, credentials or {})
    vectors = None
    if embedder is not None and manifest.vectors is not None:
        check_embedder(embedder, manifest)
        own = manifest.vectors
        vectors = VectorIndex.open(folder, own["shards"], own["kind"], own["ef_search"])
    parts = Parts(
        records=Records.open(folder),
        lexical=LexicalIndex.open(folder, manifest.lexical["segments"]),
        vectors=vectors,
        tokenizer=words,
        embedder=embedder,
        statistics=Statistics(manifest.n_passages, manifest.counts["tokens"]),
        vector_weight=float(manifest.parameters["vector_weight"]),
    )
    return Index(manifest, parts, Snapshot(folder))
