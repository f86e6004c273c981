"""The lexical legs of hybrid cells: tantivy, bm25s and DuckDB's fts, over the same tokens."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from search.engine.lexical import LexicalIndex, LexicalWriter
from search.engine.selection import Selection
from search.lab.engine.contract import Check, Rows, Scores
from search.lab.engine.engines.duck import connect
from search.lab.engine.matrix import LEXICAL_LEGS
from search.lab.engine.problems import MatrixProblem

_BATCH = 5_000
_DUCK, _BM25S, _BUCKETS = "lexical.duckdb", "bm25s", "lexical-buckets.npy"
_MEMORY_MB = 256

Texts = Iterable[Sequence[str]]


class OpenLeg(Protocol):
    """A lexical index opened for searching."""

    def search(self, tokens: Sequence[str], k: int, below: int | None) -> tuple[Rows, Scores]:
        """Return rows and BM25 scores, best first."""

    def close(self) -> None:
        """Let go of files."""


class Leg(Protocol):
    """A lexical engine."""

    name: str

    def version(self) -> str:
        """Return the version of the library."""

    def build(self, texts: Texts, buckets: NDArray[np.int16], folder: Path, check: Check) -> None:
        """Write an index of the tokens of all passages."""

    def open(self, folder: Path) -> OpenLeg:
        """Open the index of a folder."""


class Tantivy:
    """tantivy, as the portal's own search uses it."""

    name = "tantivy"

    def version(self) -> str:
        """Return the version of the wheel."""
        return version("tantivy")

    def build(self, texts: Texts, buckets: NDArray[np.int16], folder: Path, check: Check) -> None:
        """Add the passages in the order of their rows."""
        writer = LexicalWriter(folder, _MEMORY_MB)
        for row, tokens in enumerate(texts):
            if row % _BATCH == 0:
                check()
            writer.add(row, tokens, ())
        segments = writer.close()["segments"]
        np.save(folder / "segments.npy", np.array(segments))
        np.save(folder / _BUCKETS, buckets)

    def open(self, folder: Path) -> "OpenTantivy":
        """Map the index."""
        segments = np.load(folder / "segments.npy").tolist()
        return OpenTantivy(LexicalIndex.open(folder, segments), np.load(folder / _BUCKETS))


@dataclass
class OpenTantivy:
    """A tantivy index opened for searching."""

    index: LexicalIndex
    buckets: NDArray[np.int16]

    def __post_init__(self) -> None:
        self._selections: dict[int, Selection] = {}

    def search(self, tokens: Sequence[str], k: int, below: int | None) -> tuple[Rows, Scores]:
        """Search for the tokens that the index knows."""
        selection = None if below is None else self._selection(below)
        return self.index.search(self.index.known(tokens), k, selection)

    def _selection(self, below: int) -> Selection:
        if below not in self._selections:
            rows = np.flatnonzero(self.buckets < below)
            self._selections[below] = Selection.of_rows(rows, len(self.buckets), (), exact=False)
        return self._selections[below]

    def close(self) -> None:
        """Drop the selections."""
        self._selections.clear()


class Bm25s:
    """bm25s: sparse columns of scores in memory."""

    name = "bm25s"

    def version(self) -> str:
        """Return the version of the wheel."""
        return version("bm25s")

    def build(self, texts: Texts, buckets: NDArray[np.int16], folder: Path, check: Check) -> None:
        """Give every token a number and let bm25s weigh them."""
        import bm25s  # noqa: PLC0415 - only where it is measured

        numbers: dict[str, int] = {}
        rows = [
            [numbers.setdefault(one, len(numbers)) for one in own] for own in _told(texts, check)
        ]
        model = bm25s.BM25(k1=1.2, b=0.75)
        model.index(bm25s.tokenization.Tokenized(ids=rows, vocab=numbers), show_progress=False)
        model.save(str(folder / _BM25S), show_progress=False)
        np.save(folder / _BUCKETS, buckets)

    def open(self, folder: Path) -> "OpenBm25s":
        """Read the index."""
        import bm25s  # noqa: PLC0415 - as above

        model = bm25s.BM25.load(str(folder / _BM25S), mmap=True)
        return OpenBm25s(model, np.load(folder / _BUCKETS))


@dataclass
class OpenBm25s:
    """A bm25s index opened for searching."""

    model: Any
    buckets: NDArray[np.int16]

    def search(self, tokens: Sequence[str], k: int, below: int | None) -> tuple[Rows, Scores]:
        """Score all passages, keep those that match and pass."""
        known = [one for one in dict.fromkeys(tokens) if one in self.model.vocab_dict]
        if not known:
            return np.empty(0, np.int64), np.empty(0, np.float64)
        scores = np.asarray(self.model.get_scores(known), dtype=np.float64)
        if below is not None:
            scores = np.where(self.buckets < below, scores, 0.0)
        best = np.argpartition(-scores, min(k, len(scores)) - 1)[:k]
        best = best[np.argsort(-scores[best], kind="stable")]
        best = best[scores[best] > 0]
        return best.astype(np.int64), scores[best]

    def close(self) -> None:
        """Drop the index."""
        self.model = None


class DuckFts:
    """DuckDB's extension fts."""

    name = "duckdb-fts"

    def version(self) -> str:
        """Return the version of DuckDB."""
        return version("duckdb")

    def build(self, texts: Texts, buckets: NDArray[np.int16], folder: Path, check: Check) -> None:
        """Load the tokens, joined by spaces, and index them as they are."""
        connection = connect(folder / _DUCK, "fts", threads=1, read_only=False)
        connection.execute("CREATE TABLE passages (row INTEGER, bucket SMALLINT, body VARCHAR)")
        start, waiting = 0, []
        for tokens in _told(texts, check):
            waiting.append(" ".join(tokens))
            if len(waiting) == _BATCH:
                start = _insert(connection, start, waiting, buckets)
                waiting = []
        _insert(connection, start, waiting, buckets)
        connection.execute(
            "PRAGMA create_fts_index('passages', 'row', 'body', stemmer = 'none', "
            "stopwords = 'none', ignore = '( )+', strip_accents = 0, lower = 0)"
        )
        connection.execute("CHECKPOINT")
        connection.close()

    def open(self, folder: Path) -> "OpenDuckFts":
        """Open the database for reading."""
        return OpenDuckFts(connect(folder / _DUCK, "fts", threads=1, read_only=True))


@dataclass
class OpenDuckFts:
    """A full-text index of DuckDB opened for searching."""

    connection: Any

    def search(self, tokens: Sequence[str], k: int, below: int | None) -> tuple[Rows, Scores]:
        """Ask for the best matches."""
        where = "" if below is None else f" AND bucket < {int(below)}"
        found = self.connection.execute(
            "SELECT row, score FROM (SELECT row, bucket, fts_main_passages.match_bm25(row, ?) "  # noqa: S608 - numbers of ours
            f"AS score FROM passages) WHERE score IS NOT NULL{where} ORDER BY score DESC, row "
            f"LIMIT {int(k)}",
            [" ".join(dict.fromkeys(tokens))],
        ).fetchnumpy()
        return found["row"].astype(np.int64), found["score"].astype(np.float64)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def _insert(connection: Any, start: int, bodies: list[str], buckets: NDArray[np.int16]) -> int:
    stop = start + len(bodies)
    content = pa.table(
        {
            "row": pa.array(np.arange(start, stop, dtype=np.int32)),
            "bucket": pa.array(buckets[start:stop]),
            "body": pa.array(bodies, pa.string()),
        }
    )
    connection.register("content", content)
    connection.execute("INSERT INTO passages SELECT * FROM content")
    connection.unregister("content")
    return stop


def _told(texts: Texts, check: Check) -> Iterator[Sequence[str]]:
    for row, tokens in enumerate(texts):
        if row % _BATCH == 0:
            check()
        yield tokens


LEGS: dict[str, Leg] = {leg.name: leg for leg in (Tantivy(), Bm25s(), DuckFts())}


def leg(name: str) -> Leg:
    """Return a lexical leg.

    Raises
    ------
    MatrixProblem
        If the lab has none of that name.
    """
    if name not in LEGS:
        raise MatrixProblem(
            "unknown_choice", field="lexical", value=repr(name), allowed=", ".join(LEXICAL_LEGS)
        )
    return LEGS[name]
