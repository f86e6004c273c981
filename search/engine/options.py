"""Choices at building and at searching, with their bounds."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from search.engine.problems import BuildProblem, EngineError, QueryProblem, shown
from search.engine.tokenizers import BIGRAM

MODES = ("hybrid", "lexical", "vector")
FUSIONS = ("minmax", "rrf")
MAX_TOP_K = 1000
#: Of the vector leg in min-max fusion; set by the fusion test on four collections.
VECTOR_WEIGHT = 0.2
#: The kind of embedder that lies on another machine.
ENDPOINT = "openai"


@dataclass(frozen=True)
class EmbedderSpec:
    """Which embedder makes the vectors; written to the manifest, so it holds no secret.

    Attributes
    ----------
    kind : str
        ``lsa``, ``sentence-transformers`` or ``openai``.
    parameters : mapping
        As the embedder's module says.
    """

    kind: str = "lsa"
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BuildOptions:
    """How an index is built.

    Attributes
    ----------
    tokenizer : str
        One of `search.engine.tokenizers.NAMES`.
    embedder : EmbedderSpec or None
        None builds a lexical index only.
    seed : int
        Of every random choice.
    exact_below : int
        Fewer vectors are searched exactly (SQ8 and float rerank), more through HNSW.
    code_bits : int
        Of a dimension in the graph, 4 or 8.
    hnsw_m, ef_construction : int
        Links of a node and the breadth of its search at building.
    ef_search : int or None
        Breadth at searching; None lets the validation choose the least that reaches
        `aimed_recall` on held queries.
    shard_rows : int
        Vectors of one graph; bounds the memory of the build. A multiple of 8.
    sample : int
        Passages that the default embedder and the quantiser learn from.
    aimed_recall, min_recall : float
        Recall@10 against exact search: what `ef_search` is chosen for, and what fails a build.
    n_validation : int
        Held queries and smoke queries.
    vector_weight : float
        Of the vector leg in min-max fusion, from 0 to 1.
    batch : int
        Passages handled at once.
    memory_mb : int
        Of the lexical writer and of DuckDB, each.
    """

    tokenizer: str = BIGRAM
    embedder: EmbedderSpec | None = field(default_factory=EmbedderSpec)
    seed: int = 0
    exact_below: int = 30_000
    code_bits: int = 4
    hnsw_m: int = 16
    ef_construction: int = 200
    ef_search: int | None = None
    shard_rows: int = 1_000_000
    sample: int = 20_000
    aimed_recall: float = 0.96
    min_recall: float = 0.9
    n_validation: int = 100
    vector_weight: float = VECTOR_WEIGHT
    batch: int = 2_000
    memory_mb: int = 256

    def __post_init__(self) -> None:
        for name, (low, high) in _BUILD_BOUNDS.items():
            value = getattr(self, name)
            if value is not None and not _lies_in(value, low, high):
                raise BuildProblem(
                    "wrong_number", field=name, value=shown(value), low=low, high=high
                )
        if self.code_bits not in (4, 8):
            raise BuildProblem(
                "unknown_choice", field="code_bits", value=shown(self.code_bits), allowed="4, 8"
            )
        if self.shard_rows % 8:
            raise BuildProblem(
                "unknown_choice",
                field="shard_rows",
                value=self.shard_rows,
                allowed="multiples of 8",
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the options ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Self:
        """Return options from JSON; what is not named keeps its default.

        Raises
        ------
        BuildProblem
            If a name is unknown or a value out of bounds.
        """
        values = dict(given)
        _refuse_unknown(values, cls, BuildProblem)
        embedder = values.get("embedder")
        if isinstance(embedder, Mapping):
            values["embedder"] = EmbedderSpec(
                embedder["kind"], dict(embedder.get("parameters", {}))
            )
        return cls(**values)


@dataclass(frozen=True)
class SearchOptions:
    """How one query is answered.

    Attributes
    ----------
    fusion : str
        ``minmax`` (weighted, the default) or ``rrf`` (reciprocal ranks).
    vector_weight : float or None
        Of the vector leg, from 0 to 1; None takes the index's own.
    taxonomy_boost : float
        Added to the fused score (0 to 1) of a hit in the asked taxonomy, in part for a shared
        beginning of the path.
    n_candidates : int
        Taken from each leg before fusion; at least `top_k` are.
    snippet_chars : int
        Length of a snippet.
    per_document : int or None
        Greatest number of hits of one document.
    """

    fusion: str = "minmax"
    vector_weight: float | None = None
    taxonomy_boost: float = 0.1
    n_candidates: int = 100
    snippet_chars: int = 240
    per_document: int | None = None

    def __post_init__(self) -> None:
        if self.fusion not in FUSIONS:
            raise QueryProblem(
                "unknown_choice",
                field="fusion",
                value=shown(self.fusion),
                allowed=", ".join(FUSIONS),
            )
        for name, (low, high) in _SEARCH_BOUNDS.items():
            value = getattr(self, name)
            if value is not None and not _lies_in(value, low, high):
                raise QueryProblem(
                    "wrong_number", field=name, value=shown(value), low=low, high=high
                )

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Self:
        """Return options from JSON; what is not named keeps its default.

        Raises
        ------
        QueryProblem
            If a name is unknown or a value out of bounds.
        """
        _refuse_unknown(given, cls, QueryProblem)
        return cls(**given)


_BUILD_BOUNDS: Mapping[str, tuple[float, float]] = {
    "seed": (0, 2**63 - 1),
    "exact_below": (0, 1_000_000),
    "hnsw_m": (4, 128),
    "ef_construction": (8, 2_000),
    "ef_search": (8, 4_096),
    "shard_rows": (8, 100_000_000),
    "sample": (100, 1_000_000),
    "aimed_recall": (0, 1),
    "min_recall": (0, 1),
    "n_validation": (0, 10_000),
    "vector_weight": (0, 1),
    "batch": (1, 100_000),
    "memory_mb": (64, 65_536),
}
_SEARCH_BOUNDS: Mapping[str, tuple[float, float]] = {
    "vector_weight": (0, 1),
    "taxonomy_boost": (0, 1),
    "n_candidates": (10, 10_000),
    "snippet_chars": (40, 2_000),
    "per_document": (1, MAX_TOP_K),
}


def _lies_in(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _refuse_unknown(given: Mapping[str, Any], kind: type, error: type[EngineError]) -> None:
    names = [one.name for one in fields(kind)]
    for name in given:
        if name not in names:
            raise error("unknown_option", field=shown(name), allowed=", ".join(names))
