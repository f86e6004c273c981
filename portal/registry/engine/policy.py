"""What a model's gate looks at and how sure it has to be."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from portal.lib.coded import gettext_noop
from portal.registry.engine.metrics import METRICS
from portal.registry.engine.rowwise import ROW_METRICS

_COUNTS = (
    "min_groups",
    "min_positives",
    "min_negatives",
    "min_slice_groups",
    "min_slice_positives",
)


_RANGES: Mapping[str, tuple[float, float]] = {
    "level": (0.5, 0.999),
    "gain_certainty": (0.5, 0.999),
    "n_resamples": (200, 20_000),
    "min_gain": (0, 1),
    "max_loss": (0, 0.2),
    "block_rows": (0, 100_000),
}
_WANTED = {
    tuple: gettext_noop("%(name)s is %(value)s; it must be a list of names."),
    float: gettext_noop("%(name)s is %(value)s; it must be a number."),
    int: gettext_noop("%(name)s is %(value)s; it must be a whole number."),
    str: gettext_noop("%(name)s is %(value)s; it must be a name."),
    bool: gettext_noop("%(name)s is %(value)s; it must be true or false."),
}


class PolicyError(ValueError):
    """A gate policy breaks a rule; the message names it.

    Parameters
    ----------
    template
        The English sentence with named placeholders, which pages translate.
    **params
        The values of the placeholders.
    """

    def __init__(self, template: str, **params: object) -> None:
        super().__init__(template % params if params else template)
        self.template = template
        self.params = params


@dataclass(frozen=True)
class Policy:
    """The rule of one gate. The defaults are ours; tests/registry/test_gate.py sets and holds them.

    Attributes
    ----------
    primary
        The metric that must be better.
    guards
        The metrics that must not be worse.
    level
        Confidence of the primary metric's two-sided interval; the guards share the error 1 - level,
        and so do the slices.
    min_gain
        The primary metric must be better by at least this, in its own unit.
    gain_certainty
        How sure it must be that the primary metric is better by at least `min_gain`, one-sided.
    max_loss
        Above 0 a candidate need not be better: it passes when the whole interval of the primary
        metric lies above minus this, and a guard or a slice is worse only beyond it. For what is
        made anew as a routine, where equal is good enough.
    block_rows
        So many distinct rows that follow one another are drawn together; 0 makes about thirty
        blocks of the rows.
    n_resamples
        Bootstrap resamples, 200 to 20,000.
    min_groups
        Fewer distinct rows than this prove nothing.
    min_positives, min_negatives
        Fewer distinct rows of a class than this prove nothing.
    min_slice_groups, min_slice_positives
        Slices with fewer distinct rows, or fewer of either class, are not looked at.
    auto_apply
        Whether a version that the portal itself asks for goes live without a person's approval;
        only ever on “passed”.
    """

    primary: str = "average_precision"
    guards: tuple[str, ...] = ("roc_auc", "f1", "brier")
    level: float = 0.85
    min_gain: float = 0.01
    gain_certainty: float = 0.80
    max_loss: float = 0.0
    block_rows: int = 0
    n_resamples: int = 1000
    min_groups: int = 100
    min_positives: int = 20
    min_negatives: int = 20
    min_slice_groups: int = 100
    min_slice_positives: int = 20
    auto_apply: bool = False

    def __post_init__(self) -> None:
        self._check_metrics()
        if self.primary in self.guards or len(set(self.guards)) < len(self.guards):
            raise PolicyError(
                gettext_noop("Each metric appears once: as the primary one or as one guard.")
            )
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise PolicyError(
                    gettext_noop("%(name)s is %(value)s; it must lie from %(low)s to %(high)s."),
                    name=name,
                    value=value,
                    low=low,
                    high=high,
                )
        for name in _COUNTS:
            if getattr(self, name) < 2:
                raise PolicyError(
                    gettext_noop("%(name)s is %(value)s; it must be at least 2."),
                    name=name,
                    value=getattr(self, name),
                )

    def _check_metrics(self) -> None:
        table = ROW_METRICS if self.primary in ROW_METRICS else METRICS
        for name in (self.primary, *self.guards):
            if name not in {**METRICS, **ROW_METRICS}:
                known = ", ".join((*METRICS, *ROW_METRICS))
                raise PolicyError(
                    gettext_noop("There is no metric “%(name)s”; the gate knows %(known)s."),
                    name=name,
                    known=known,
                )
            if name not in table:
                raise PolicyError(
                    gettext_noop(
                        "“%(name)s” cannot stand beside “%(primary)s”: one is of labelled rows, "
                        "the other of rows judged one by one. Use some of %(known)s."
                    ),
                    name=name,
                    primary=self.primary,
                    known=", ".join(table),
                )

    @property
    def guard_level(self) -> float:
        """Confidence of each guard's interval: the error divided among them (Bonferroni)."""
        return self.shared_level(len(self.guards))

    def shared_level(self, n: int) -> float:
        """Confidence of each of n intervals that share the error 1 - level."""
        return 1 - (1 - self.level) / max(n, 1)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Policy":
        """Return a policy with the values given and defaults for the rest.

        Raises
        ------
        PolicyError
            For an unknown name, a wrong type or a value out of range.
        """
        known = {field.name: type(field.default) for field in fields(cls)}
        given: dict[str, Any] = {}
        for name, value in values.items():
            if name not in known:
                raise PolicyError(
                    gettext_noop("There is no setting “%(name)s”; use %(known)s."),
                    name=name,
                    known=", ".join(known),
                )
            given[name] = _as(known[name], name, value)
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """Return the whole policy as JSON."""
        return asdict(self) | {"guards": list(self.guards)}


def _as(kind: type, name: str, value: Any) -> Any:
    """Return the value as the type of the field, refusing what would have to be guessed."""
    if kind is tuple and isinstance(value, list | tuple) and all(isinstance(v, str) for v in value):
        return tuple(value)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, kind) and isinstance(value, bool) == (kind is bool):
        return value
    raise PolicyError(_WANTED[kind], name=name, value=repr(value))
