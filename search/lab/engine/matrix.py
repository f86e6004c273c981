"""What a campaign measures: the cells of a matrix.

A cell is one engine on one corpus (scale and dimension), searched in one way (vector or hybrid),
with a filter or none. The full matrix has 3 by 4 by 2 by 2, 48 cells an engine.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from typing import Any, Self

from search.lab.engine.problems import MatrixProblem

SCALES = (10_000, 100_000, 250_000)
DIMENSIONS = (128, 256, 512, 1024)
SEARCH_TYPES = ("vector", "hybrid")
#: Share of the passages that a filter lets through; None is no filter.
FILTERS: tuple[float | None, ...] = (None, 0.1)
MIN_SCALE, MAX_SCALE = 1_000, 1_000_000
MIN_DIMENSION, MAX_DIMENSION = 16, 2048
MAX_CELLS = 2_000
MIN_RECALL, MAX_RECALL = 0.5, 0.999

ENGINES = (
    "duckdb-hnsw",
    "duckdb-exact",
    "faiss-flat",
    "faiss-sq8",
    "faiss-hnsw-sq8",
    "hnswlib",
    "usearch",
    "pgvector",
    "millwright",
)
#: Engines whose searches have a breadth, ``ef_search``.
GRAPHS = ("duckdb-hnsw", "faiss-hnsw-sq8", "hnswlib", "usearch", "pgvector", "millwright")
LEXICAL_LEGS = ("tantivy", "bm25s", "duckdb-fts")


@dataclass(frozen=True)
class Cell:
    """One configuration to be measured.

    Attributes
    ----------
    engine : str
        One of `ENGINES`.
    scale, dimension : int
        Passages and length of their vectors.
    search_type : str
        ``vector`` or ``hybrid``.
    filter_share : float or None
        Share of the passages that a filter lets through.
    lexical : str
        Lexical leg of a hybrid search; empty for a vector search.
    parameters : mapping
        Of the engine; what is left out has the engine's default.
    recall : float or None
        Which its search breadth is calibrated to reach; None for the breadth of its parameters.
    """

    engine: str
    scale: int
    dimension: int
    search_type: str = "vector"
    filter_share: float | None = None
    lexical: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    recall: float | None = None

    @property
    def key(self) -> str:
        """Digest of the configuration: equal cells of two campaigns have equal keys."""
        known = asdict(self)
        if self.recall is None:  # cells of before there were targets keep their keys
            del known["recall"]
        content = json.dumps(known, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @property
    def index_key(self) -> str:
        """Digest of what the index depends on: cells that differ in the search alone share it."""
        content = [self.engine, self.scale, self.dimension, dict(self.parameters)]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        """The cell in one line, as tables and logs show it."""
        kind = f"{self.search_type}+{self.lexical}" if self.lexical else self.search_type
        share = "" if self.filter_share is None else f", {100 * self.filter_share:g}% filter"
        target = "" if self.recall is None else f", at recall {self.recall:g}"
        return f"{self.engine} {self.scale:,} x {self.dimension}, {kind}{share}{target}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self) | {"parameters": dict(self.parameters)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Return the cell that `to_dict` wrote."""
        return cls(**content)


@dataclass(frozen=True)
class Matrix:
    """A choice of every axis; its cells are all combinations.

    With a recall, every graph is searched as broadly as it needs to reach it, so that latencies of
    engines stand at one exactness.

    Raises
    ------
    MatrixProblem
        If an axis is empty or holds a value that the lab does not have, or the whole has more
        than `MAX_CELLS` cells.
    """

    scales: Sequence[int] = SCALES
    dimensions: Sequence[int] = DIMENSIONS
    search_types: Sequence[str] = SEARCH_TYPES
    filters: Sequence[float | None] = FILTERS
    engines: Sequence[str] = ("duckdb-hnsw", "faiss-hnsw-sq8", "millwright")
    lexical: str = "tantivy"
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    recall: float | None = None

    def __post_init__(self) -> None:
        if self.recall is not None and not _is_number(self.recall, MIN_RECALL, MAX_RECALL):
            raise MatrixProblem(
                "wrong_number",
                field="recall",
                value=repr(self.recall)[:80],
                low=MIN_RECALL,
                high=MAX_RECALL,
            )
        _check_numbers("scales", self.scales, MIN_SCALE, MAX_SCALE)
        _check_numbers("dimensions", self.dimensions, MIN_DIMENSION, MAX_DIMENSION)
        _check_choices("search_types", self.search_types, SEARCH_TYPES)
        _check_choices("engines", self.engines, ENGINES)
        _check_choices("lexical", [self.lexical], LEXICAL_LEGS)
        _check_choices("parameters", self.parameters, ENGINES, may_be_empty=True)
        if not self.filters:
            raise MatrixProblem("nothing_chosen", field="filters", allowed="none, 0.001 to 0.999")
        for share in self.filters:
            if share is not None and not _is_number(share, 0.001, 0.999):
                raise MatrixProblem(
                    "wrong_number", field="filters", value=repr(share), low=0.001, high=0.999
                )
        if (count := self.n_cells) > MAX_CELLS:
            raise MatrixProblem("wrong_number", field="cells", value=count, low=1, high=MAX_CELLS)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        axes = (self.scales, self.dimensions, self.search_types, self.filters, self.engines)
        count = 1
        for axis in axes:
            count *= len(set(axis))
        return count

    def cells(self) -> list[Cell]:
        """Return the cells, those of one corpus and one index beside each other."""
        return list(self._cells())

    def _cells(self) -> Iterator[Cell]:
        corpora = product(sorted(set(self.scales)), sorted(set(self.dimensions)))
        ways = list(product(dict.fromkeys(self.search_types), dict.fromkeys(self.filters)))
        for (scale, dimension), engine in product(corpora, dict.fromkeys(self.engines)):
            for search_type, share in ways:
                yield Cell(
                    engine=engine,
                    scale=scale,
                    dimension=dimension,
                    search_type=search_type,
                    filter_share=share,
                    lexical=self.lexical if search_type == "hybrid" else "",
                    parameters=dict(self.parameters.get(engine, {})),
                    recall=self.recall if engine in GRAPHS else None,
                )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Return the matrix that `to_dict` wrote."""
        return cls(**content)


def _is_number(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _check_numbers(name: str, values: Sequence[object], low: int, high: int) -> None:
    if not values:
        raise MatrixProblem("nothing_chosen", field=name, allowed=f"{low} to {high}")
    for value in values:
        if not isinstance(value, int) or not _is_number(value, low, high):
            raise MatrixProblem(
                "wrong_number", field=name, value=repr(value)[:80], low=low, high=high
            )


def _check_choices(
    name: str, values: Iterable[object], allowed: Sequence[str], *, may_be_empty: bool = False
) -> None:
    values, shown = list(values), ", ".join(allowed)
    if not values and not may_be_empty:
        raise MatrixProblem("nothing_chosen", field=name, allowed=shown)
    for value in values:
        if value not in allowed:
            raise MatrixProblem("unknown_choice", field=name, value=repr(value)[:80], allowed=shown)


#: Minutes on two cores: the smallest corpora of two lengths, the engines that matter most.
QUICK = Matrix(scales=(10_000,), dimensions=(128, 256))
FULL = Matrix()
PROFILES: Mapping[str, Matrix] = {"quick": QUICK, "full": FULL}
