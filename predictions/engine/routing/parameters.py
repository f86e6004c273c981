"""Training parameters of the routing family: a table of bounds, a reader that names errors."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from portal.lib.coded import gettext_noop
from predictions.engine.problems import shown
from predictions.engine.routing.problems import ParameterProblem, RoutingProblem


@dataclass(frozen=True)
class NumberSpec:
    """Bounds of a number; ends included."""

    name: str
    label: str
    kind: type
    low: float
    high: float


#: Defaults and bounds are ours. The defaults were chosen on a draw (seed 7) that no figure of
#: docs/routing.md is taken from.
NUMBER_SPECS: tuple[NumberSpec, ...] = (
    NumberSpec("n_trees", gettext_noop("Trees for each operation"), int, 5, 500),
    NumberSpec("learning_rate", gettext_noop("Learning rate"), float, 0.01, 1.0),
    NumberSpec("max_leaf_nodes", gettext_noop("Leaves of a tree"), int, 4, 255),
    NumberSpec("min_samples_leaf", gettext_noop("Least items in a leaf"), int, 1, 1_000),
    NumberSpec("n_time_trees", gettext_noop("Trees for each time quantile"), int, 5, 500),
    NumberSpec("n_anchors", gettext_noop("Items that weights are learned from"), int, 50, 20_000),
    NumberSpec("max_tree_items", gettext_noop("Items that trees grow on"), int, 500, 1_000_000),
    NumberSpec("max_calibration_items", gettext_noop("Items to calibrate on"), int, 100, 20_000),
    NumberSpec("calibration_share", gettext_noop("Share kept for calibration"), float, 0.1, 0.5),
    NumberSpec("refused_share", gettext_noop("Known items refused at most"), float, 0.0, 0.2),
)


@dataclass(frozen=True)
class TrainingParams:
    """How a routing model is trained.

    Attributes
    ----------
    n_trees, learning_rate, max_leaf_nodes, min_samples_leaf
        Of the trees that say which operations an item has.
    n_time_trees : int
        Of the trees for each quantile of setup and run time.
    n_anchors : int
        Items whose neighbours the weights are learned from.
    max_tree_items : int
        Trees grow on at most so many items, drawn by groups of variants.
    max_calibration_items : int
        Calibration looks at most at so many items.
    calibration_share : float
        Share of the groups of variants that calibrates what was fitted on the others, before
        everything is fitted again on all.
    refused_share : float
        Part of the items of known kinds that may be refused as unfamiliar.
    """

    n_trees: int = 80
    learning_rate: float = 0.1
    max_leaf_nodes: int = 16
    min_samples_leaf: int = 8
    n_time_trees: int = 40
    n_anchors: int = 2_500
    max_tree_items: int = 30_000
    max_calibration_items: int = 2_500
    calibration_share: float = 0.25
    refused_share: float = 0.01

    def __post_init__(self) -> None:
        problems = _problems(asdict(self))
        if problems:
            raise ParameterProblem(problems)

    def to_dict(self) -> dict[str, Any]:
        """Return the parameters ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "TrainingParams":
        """Read parameters; absent ones keep their default.

        Raises
        ------
        ParameterProblem
            With one problem for each unknown, mistyped or unbounded parameter.
        """
        defaults = asdict(cls())
        known = {name: content[name] for name in content if name in defaults}
        problems = [
            RoutingProblem(name, "parameter_unknown") for name in content if name not in defaults
        ]
        problems += _problems({**defaults, **known})
        if problems:
            raise ParameterProblem(problems)
        return cls(**known)


def _problems(values: Mapping[str, Any]) -> list[RoutingProblem]:
    found = [_number_problem(spec, values[spec.name]) for spec in NUMBER_SPECS]
    return [problem for problem in found if problem]


def _number_problem(spec: NumberSpec, value: object) -> RoutingProblem | None:
    types = (int,) if spec.kind is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, types):
        expected = "a whole number" if spec.kind is int else "a number"
        params = {"value": shown(value), "expected": expected}
        return RoutingProblem(spec.name, "parameter_not_a_number", params=params)
    if not spec.low <= value <= spec.high:
        limits = {"value": shown(value), "low": f"{spec.low:g}", "high": f"{spec.high:,g}"}
        return RoutingProblem(spec.name, "parameter_out_of_range", params=limits)
    return None
