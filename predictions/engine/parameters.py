"""Training parameters: one table of bounds, and a reader that names every wrong one."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from portal.lib.coded import gettext_noop
from predictions.engine.autoencoder import LATENT_SIZES, AutoencoderParams
from predictions.engine.calibrators import Isotonic, Platt
from predictions.engine.learners.contract import LearnerParams
from predictions.engine.learners.families import DEFAULT_LEARNER, FAMILIES
from predictions.engine.problems import EngineError, Problem, shown
from predictions.engine.splits import DEFAULT_PROTOCOL, PROTOCOLS


class ParameterProblem(EngineError):
    """Training parameters are unknown, of the wrong type or out of bounds."""

    code: ClassVar[str] = "bad_parameters"


#: What a model may be judged by; a leaking protocol is shown beside, never instead.
HONEST_PROTOCOLS = tuple(name for name, protocol in PROTOCOLS.items() if not protocol.leaks)


@dataclass(frozen=True)
class Choice:
    """One allowed value of a parameter and what to call it; labels are marked for translation."""

    value: str | int
    label: str
    description: str = ""


@dataclass(frozen=True)
class ChoiceSpec:
    """The allowed values of a parameter."""

    name: str
    label: str
    choices: tuple[Choice, ...]

    @property
    def values(self) -> tuple[str | int, ...]:
        """What may be given."""
        return tuple(choice.value for choice in self.choices)


@dataclass(frozen=True)
class NumberSpec:
    """Bounds of a number; ends included."""

    name: str
    label: str
    kind: type
    low: float
    high: float


#: Defaults and bounds are ours. The defaults were the best of eight small models by PR AUC and ROC
#: AUC in grouped 5-fold cross-validation on distinct shots, all within 0.02 of one another; the
#: bounds keep one training under a few minutes for 100,000 shots.
NUMBER_SPECS: tuple[NumberSpec, ...] = (
    NumberSpec("n_estimators", gettext_noop("Trees"), int, 10, 1_000),
    NumberSpec("max_depth", gettext_noop("Depth of a tree"), int, 1, 10),
    NumberSpec("learning_rate", gettext_noop("Learning rate"), float, 0.001, 1.0),
    NumberSpec("subsample", gettext_noop("Share of shots per tree"), float, 0.1, 1.0),
    NumberSpec("max_features", gettext_noop("Share of features per split"), float, 0.05, 1.0),
    NumberSpec("min_samples_leaf", gettext_noop("Least shots in a leaf"), int, 1, 1_000),
    NumberSpec("l2_penalty", gettext_noop("Penalty of the regression"), float, 0.001, 10_000.0),
    NumberSpec("n_epochs", gettext_noop("Epochs of the autoencoder"), int, 1, 1_000),
    NumberSpec("n_folds", gettext_noop("Folds"), int, 2, 10),
    NumberSpec("n_inner_folds", gettext_noop("Inner folds"), int, 2, 10),
    NumberSpec("n_bootstraps", gettext_noop("Bootstrap draws"), int, 0, 5_000),
    NumberSpec("max_rows", gettext_noop("Latest rows used"), int, 100, 1_000_000),
)

CHOICE_SPECS: tuple[ChoiceSpec, ...] = (
    ChoiceSpec(
        "protocol",
        gettext_noop("Protocol"),
        tuple(
            Choice(name, PROTOCOLS[name].label, PROTOCOLS[name].description)
            for name in HONEST_PROTOCOLS
        ),
    ),
    ChoiceSpec(
        "learner",
        gettext_noop("Learner"),
        tuple(Choice(one.name, one.label, one.description) for one in FAMILIES.values()),
    ),
    ChoiceSpec(
        "features",
        gettext_noop("Features"),
        (
            Choice("all", gettext_noop("Process and sensor values")),
            Choice("process", gettext_noop("Process values only")),
            Choice("sensor", gettext_noop("Sensor values only")),
        ),
    ),
    ChoiceSpec(
        "n_latent",
        gettext_noop("Latent features of an autoencoder"),
        (
            Choice(0, gettext_noop("None")),
            *(Choice(size, str(size)) for size in LATENT_SIZES),
        ),
    ),
    ChoiceSpec(
        "calibration",
        gettext_noop("Calibration"),
        (
            Choice(
                Platt.method,
                gettext_noop("Platt"),
                gettext_noop("A straight line in log-odds, steady with few shots."),
            ),
            Choice(
                Isotonic.method,
                gettext_noop("Isotonic"),
                gettext_noop("A rising curve of any form, for some thousand shots and more."),
            ),
        ),
    ),
)


@dataclass(frozen=True)
class TrainingParams:
    """How a quality model is trained and judged.

    Attributes
    ----------
    protocol : str
        One of `HONEST_PROTOCOLS`.
    n_estimators, max_depth, learning_rate, subsample, max_features, min_samples_leaf
        Settings of the trees.
    n_folds, n_inner_folds : int
        Folds that judge, and folds inside each that choose calibration and threshold.
    n_bootstraps : int
        Draws for intervals; 0 for none.
    max_rows : int
        Only the latest rows are used.
    compare : bool
        Whether the other protocols are shown beside.
    learner : str
        One of `learners.families.FAMILIES`.
    features : str
        One of `features.FEATURE_SETS`: what the learner sees of the 30.
    n_latent : int
        Latent features that an autoencoder adds to them; 0 for none.
    l2_penalty : float
        Of the logistic regression.
    n_epochs : int
        Of the autoencoder.
    calibration : str
        ``platt`` or ``isotonic``: how raw scores become probabilities.
    """

    protocol: str = DEFAULT_PROTOCOL
    n_estimators: int = 200
    max_depth: int = 5
    learning_rate: float = 0.03
    subsample: float = 0.5
    max_features: float = 0.3
    min_samples_leaf: int = 15
    n_folds: int = 5
    n_inner_folds: int = 3
    n_bootstraps: int = 500
    max_rows: int = 100_000
    compare: bool = True
    learner: str = DEFAULT_LEARNER
    features: str = "all"
    n_latent: int = 0
    l2_penalty: float = 10.0
    n_epochs: int = 100
    calibration: str = Platt.method

    def __post_init__(self) -> None:
        problems = _problems(asdict(self))
        if problems:
            raise ParameterProblem(problems)

    @property
    def learner_params(self) -> LearnerParams:
        """The settings of the learner alone."""
        return LearnerParams(
            self.n_estimators,
            self.max_depth,
            self.learning_rate,
            self.subsample,
            self.max_features,
            self.min_samples_leaf,
            self.l2_penalty,
        )

    @property
    def autoencoder_params(self) -> AutoencoderParams | None:
        """The settings of the autoencoder; None without latent features."""
        if not self.n_latent:
            return None
        return AutoencoderParams(n_latent=self.n_latent, n_epochs=self.n_epochs)

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
        unknown = [Problem(name, "parameter_unknown") for name in content if name not in defaults]
        known = {name: content[name] for name in content if name in defaults}
        problems = [*unknown, *_problems({**defaults, **known})]
        if problems:
            raise ParameterProblem(problems)
        return cls(**known)


def _problems(values: Mapping[str, Any]) -> list[Problem]:
    found = [_number_problem(spec, values[spec.name]) for spec in NUMBER_SPECS]
    found += [_choice_problem(spec, values[spec.name]) for spec in CHOICE_SPECS]
    if not isinstance(values["compare"], bool):
        found.append(_not_a_choice("compare", values["compare"], ("true", "false")))
    return [problem for problem in found if problem]


def _number_problem(spec: NumberSpec, value: object) -> Problem | None:
    types = (int,) if spec.kind is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, types):
        expected = "a whole number" if spec.kind is int else "a number"
        params = {"value": shown(value), "expected": expected}
        return Problem(spec.name, "parameter_not_a_number", None, params)
    if not spec.low <= value <= spec.high:
        params = {"value": shown(value), "low": f"{spec.low:g}", "high": f"{spec.high:,g}"}
        return Problem(spec.name, "parameter_out_of_range", None, params)
    return None


def _choice_problem(spec: ChoiceSpec, value: object) -> Problem | None:
    types = {type(choice) for choice in spec.values}
    if type(value) in types and value in spec.values:
        return None
    return _not_a_choice(spec.name, value, spec.values)


def _not_a_choice(name: str, value: object, allowed: Iterable[object]) -> Problem:
    params = {"value": shown(value), "allowed": ", ".join(map(str, allowed))}
    return Problem(name, "parameter_not_a_choice", None, params)


#: The architecture that was published for this family: gradient boosting, 200 trees of depth 6 and
#: otherwise scikit-learn's defaults, on the features and twelve latent ones of the autoencoder.
PUBLISHED = TrainingParams(
    max_depth=6,
    learning_rate=0.1,
    subsample=1.0,
    max_features=1.0,
    min_samples_leaf=1,
    n_latent=12,
)
