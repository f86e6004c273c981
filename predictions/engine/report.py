"""What an evaluation report holds, and its JSON form."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from predictions.engine.bootstrap import Interval
from predictions.engine.calibration import CurvePoint
from predictions.engine.checks import DataChecks
from predictions.engine.costs import OperatingPoint
from predictions.engine.features import FAMILY
from predictions.engine.metrics import METRICS
from predictions.engine.problems import Problem

SCHEMA_VERSION = 1

Figures = dict[str, Interval]


@dataclass(frozen=True)
class BaselineResult:
    """How a humble baseline did on the same folds."""

    name: str
    label: str
    description: str
    metrics: Figures


@dataclass(frozen=True)
class ProtocolResult:
    """How model and baselines did under one protocol.

    Attributes
    ----------
    name, label, description : str
        Of the protocol.
    leaks : bool
        Whether the figures are for comparison only.
    n_folds : int
        Folds scored.
    n_tested : int
        Test rows over all folds.
    metrics : dict of str to Interval
        Keys as in `metrics.METRICS`.
    baselines : tuple of BaselineResult
    """

    name: str
    label: str
    description: str
    leaks: bool
    n_folds: int
    n_tested: int
    metrics: Figures
    baselines: tuple[BaselineResult, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the result ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class FoldResult:
    """One fold: sizes, threshold chosen on validation rows, figures on test rows."""

    number: int
    n_train: int
    n_test: int
    threshold: float
    metrics: dict[str, float | None]


@dataclass(frozen=True)
class SliceResult:
    """One product, mold or shift.

    Attributes
    ----------
    column, value : str
        Which shots.
    n_rows : int
    defect_share : float
    metrics : dict of str to float
    intervals : dict of str to Interval
        The same figures with their intervals.
    """

    column: str
    value: str
    n_rows: int
    defect_share: float
    metrics: dict[str, float | None]
    intervals: Figures


@dataclass(frozen=True)
class Confusion:
    """Out-of-fold calls against outcomes, each fold at its own threshold."""

    true_defect: int
    false_defect: int
    true_ok: int
    missed_defect: int


@dataclass(frozen=True)
class EvaluationReport:
    """Everything known of how good a version is.

    Attributes
    ----------
    seed : int
    params : dict
        Training parameters.
    n_rows, n_distinct, n_groups : int
        Rows given, rows without copies, sets of rows that agree in all but the counter.
    defect_share : float
        Among distinct rows.
    threshold : float
        Of the version, for calibrated probabilities.
    result : ProtocolResult
        The figures that count.
    comparisons : tuple of ProtocolResult
        Other protocols, for comparison.
    confusion : Confusion
    calibration_curve : tuple of CurvePoint
    operating_points : tuple of OperatingPoint
        What each threshold misses and wrongly stops; `costs.cost_curve` prices them.
    folds : tuple of FoldResult
    slices : tuple of SliceResult
    worst_slice : SliceResult or None
        Lowest ROC AUC; None when there is only one.
    importance : dict of str to float
        Share of impurity removed by each feature in training, descending.
    checks : DataChecks
    findings : tuple of Problem
        All that a reader should know, from checks and figures.
    """

    seed: int
    params: Mapping[str, Any]
    n_rows: int
    n_distinct: int
    n_groups: int
    defect_share: float
    threshold: float
    result: ProtocolResult
    comparisons: tuple[ProtocolResult, ...]
    confusion: Confusion
    calibration_curve: tuple[CurvePoint, ...]
    operating_points: tuple[OperatingPoint, ...]
    folds: tuple[FoldResult, ...]
    slices: tuple[SliceResult, ...]
    worst_slice: SliceResult | None
    importance: dict[str, float]
    checks: DataChecks
    findings: tuple[Problem, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report ready for JSON, without NaN."""
        result = self.result.to_dict()
        return {
            "schema_version": SCHEMA_VERSION,
            "family": FAMILY,
            "seed": self.seed,
            "params": dict(self.params),
            "n_rows": self.n_rows,
            "n_distinct": self.n_distinct,
            "n_groups": self.n_groups,
            "defect_share": self.defect_share,
            "threshold": self.threshold,
            "metric_table": [metric.to_dict() for metric in METRICS.values()],
            "metrics": result["metrics"],
            "baselines": result["baselines"],
            "protocol": {
                name: result[name]
                for name in ("name", "label", "description", "leaks", "n_folds", "n_tested")
            },
            "comparisons": [comparison.to_dict() for comparison in self.comparisons],
            "confusion": asdict(self.confusion),
            "calibration_curve": [asdict(point) for point in self.calibration_curve],
            "operating_points": [asdict(point) for point in self.operating_points],
            "folds": [asdict(fold) for fold in self.folds],
            "slices": [asdict(part) for part in self.slices],
            "worst_slice": None if self.worst_slice is None else asdict(self.worst_slice),
            "importance": self.importance,
            "checks": self.checks.to_dict(),
            "findings": [finding.to_dict() for finding in self.findings],
        }
