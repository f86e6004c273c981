"""One version's answers on the rows of a frozen set."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypeVar

from portal.registry.engine.metrics import METRICS, Drawn, Metric, Sample, Sampled
from portal.registry.engine.rowwise import ROW_METRICS, DrawnRows, Parts, RowSample

Bools = NDArray[np.bool_]
D = TypeVar("D")


class Answers(Protocol[D]):
    """What a gate compares: the answers of one version, of whatever kind, on frozen rows."""

    #: What the candidate is held against when nothing is live.
    against: ClassVar[str]
    #: What its metrics are.
    metrics: ClassVar[Mapping[str, Metric[D]]]

    @property
    def group_ids(self) -> NDArray[np.int_]:
        """Rows that are resampled together share a number."""
        ...

    @property
    def learnt(self) -> Bools | None:
        """Rows the version was trained on."""
        ...

    @property
    def slices(self) -> Mapping[str, NDArray[np.str_]]:
        """Name of a slicing → the part each row belongs to."""
        ...

    def at(self, rows: Bools | NDArray[np.intp]) -> Self:
        """Return the answers on some of the rows."""
        ...

    def sample(self) -> Sampled[D]:
        """Return the rows ready to be drawn."""
        ...

    def classes(self) -> Mapping[str, Bools]:
        """Return the rows of each class by its name in a policy; none where there are no labels."""
        ...

    def problem(self, other: Self | None) -> str:
        """Return what keeps the rows from being compared with another version's, or nothing."""
        ...

    def is_as(self, other: Self) -> bool:
        """Whether both say the same on every row."""
        ...

    def without_learning(self) -> Self | None:
        """Return what the candidate must beat when nothing is live."""
        ...


@dataclass(frozen=True)
class Scored:
    """What one version says about the rows of an evaluation set.

    Attributes
    ----------
    y_true
        Labels, 0 or 1, shape (n,).
    probability
        Predicted probability of class 1, shape (n,), in [0, 1], no NaN.
    group_ids
        Rows that are copies of one another share a number; they are resampled together. Shape (n,).
    threshold
        The version's own decision threshold: a row is called 1 when its probability reaches it.
    learnt
        Rows the version was trained on, shape (n,); None when there are none. They prove nothing
        and are left out of the comparison, whichever of the two versions learnt them.
    slices
        Name of a slicing (product, mold, …) → the part each row belongs to, shape (n,); a row of an
        empty name belongs to none.

    Rows stand in production order: neighbours are alike, and are resampled together.
    """

    against: ClassVar[str] = "base_rate"
    metrics: ClassVar[Mapping[str, Metric[Drawn]]] = METRICS

    y_true: NDArray[np.int_]
    probability: NDArray[np.float64]
    group_ids: NDArray[np.int_]
    threshold: float
    learnt: NDArray[np.bool_] | None = None
    slices: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)

    def at(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> "Scored":
        """Return the answers on some of the rows."""
        return replace(
            self,
            y_true=self.y_true[rows],
            probability=self.probability[rows],
            group_ids=self.group_ids[rows],
            learnt=None if self.learnt is None else self.learnt[rows],
            slices={name: parts[rows] for name, parts in self.slices.items()},
        )

    def sample(self) -> Sample:
        """Return the rows ready to be drawn.

        Raises
        ------
        SampleError
            If a probability is missing or outside 0 to 1.
        """
        probability = np.asarray(self.probability, dtype=np.float64)
        return Sample(np.asarray(self.y_true) == 1, probability, float(self.threshold))

    def classes(self) -> Mapping[str, Bools]:
        """Return the rows of each class."""
        return {"positives": self.y_true == 1, "negatives": self.y_true == 0}

    def problem(self, other: "Scored | None") -> str:
        """Return what keeps the rows from being compared with another version's, or nothing."""
        if not np.isin(self.y_true, (0, 1)).all():
            return "every label must be 0 or 1"
        if other is None or np.array_equal(self.y_true, other.y_true):
            return ""
        return "candidate and champion differ in y_true"

    def is_as(self, other: "Scored") -> bool:
        """Whether both say the same on every row."""
        return np.array_equal(self.probability, other.probability)

    def without_learning(self) -> "Scored":
        """Return the best answer that ignores its input: the share of positives, all called so."""
        share = float(np.mean(self.y_true))
        return Scored(
            self.y_true, np.full(len(self.y_true), share), self.group_ids, threshold=share
        )


@dataclass(frozen=True, eq=False)
class RowScores:
    """What one version achieved on the rows of an evaluation set, held against the truth by itself.

    Attributes
    ----------
    parts
        Metric of `rowwise.ROW_METRICS` → what counts on each row, and out of how much.
    group_ids
        Rows that are resampled together share a number, shape (n,).
    learnt, slices
        As of :class:`Scored`.
    lookup
        What looking up a known row achieves on the same rows, for when nothing is live.
    """

    against: ClassVar[str] = "lookup"
    metrics: ClassVar[Mapping[str, Metric[DrawnRows]]] = ROW_METRICS

    parts: Mapping[str, Parts]
    group_ids: NDArray[np.int_]
    learnt: Bools | None = None
    slices: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)
    lookup: Mapping[str, Parts] | None = None

    def at(self, rows: Bools | NDArray[np.intp]) -> "RowScores":
        """Return what was achieved on some of the rows."""
        return RowScores(
            parts=_taken(self.parts, rows),
            group_ids=self.group_ids[rows],
            learnt=None if self.learnt is None else self.learnt[rows],
            slices={name: values[rows] for name, values in self.slices.items()},
            lookup=None if self.lookup is None else _taken(self.lookup, rows),
        )

    def sample(self) -> RowSample:
        """Return the rows ready to be drawn.

        Raises
        ------
        SampleError
            If a part is missing, infinite or of another length.
        """
        return RowSample(self.parts)

    def classes(self) -> Mapping[str, Bools]:
        """Return nothing: a row that was answered well or badly has no class."""
        return {}

    def problem(self, other: "RowScores | None") -> str:
        """Return what keeps the rows from being compared with another version's, or nothing."""
        del other
        return ""

    def is_as(self, other: "RowScores") -> bool:
        """Whether both achieve the same on every row."""
        return self.parts.keys() == other.parts.keys() and all(
            np.array_equal(np.stack(pair), np.stack(other.parts[name]))
            for name, pair in self.parts.items()
        )

    def without_learning(self) -> "RowScores | None":
        """Return what looking up achieves, if the family measured it."""
        return None if self.lookup is None else replace(self, parts=self.lookup)


def _taken(parts: Mapping[str, Parts], rows: Bools | NDArray[np.intp]) -> dict[str, Parts]:
    return {name: (above[rows], below[rows]) for name, (above, below) in parts.items()}
