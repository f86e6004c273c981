"""What an operator could have set differently so that the shot would have been predicted good."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext as _

from portal.core.errors import FieldProblem, InvalidInput
from predictions.engine.explanation import counterfactual
from predictions.engine.explanation.counterfactual import Change, Counterfactual
from predictions.engine.explanation.settings import SETTINGS, adjustables
from predictions.services import explainers, lookup
from predictions.services.explainers import Matrix, Ready

MOST_CHANGES = 3
_DIGITS = (4, 6)


@dataclass(frozen=True)
class SettingChange:
    """One setting's move within its limits, in its own unit."""

    feature: str
    unit: str
    before: float
    after: float
    low: float
    high: float


@dataclass(frozen=True)
class Alternative:
    """The nearest change that the model would call good.

    Attributes
    ----------
    found : bool
        Whether there is one; a shot that is called good already needs no change.
    changes : list of SettingChange
        The largest first, measured in robust standard deviations.
    probability_before, probability_after, threshold : float
        Defect probabilities, and what is called a defect.
    cost : float
        Sum of the moves in robust standard deviations.
    settings : list of str
        What was allowed to move.
    """

    found: bool
    changes: list[SettingChange]
    probability_before: float
    probability_after: float | None
    threshold: float
    cost: float | None
    settings: list[str]


def nearest(
    identifier: UUID, *, settings: Sequence[str] = SETTINGS, max_changes: int = MOST_CHANGES
) -> Alternative:
    """Return the nearest feasible change for a recorded prediction.

    Parameters
    ----------
    identifier
        Of the prediction.
    settings
        What may be changed: some of ``SETTINGS``.
    max_changes
        Most settings changed together, from 1 to 3.

    Raises
    ------
    InvalidInput
        For a setting that cannot be changed, or another number of changes.
    NotFound
        When there is no such prediction.
    Conflict
        When its version cannot explain.
    """
    _check(settings, max_changes)
    prediction = lookup.find(identifier)
    ready = explainers.ready(prediction.version)
    row = explainers.row_of(prediction, ready.model)
    allowed = adjustables(ready.model.signature, ready.form.spread, settings)
    threshold = ready.model.threshold
    found = counterfactual.find(row, ready.served, threshold, allowed, max_changes=max_changes)
    names = ready.model.signature.names
    movable = [names[one.column] for one in allowed]
    if found is None:
        before = float(ready.served(row[None])[0])
        return Alternative(False, [], before, None, threshold, None, movable)
    changes, after = _settled(ready, row, found)
    return Alternative(
        True,
        [_named(ready, change) for change in changes],
        found.probability_before,
        after,
        threshold,
        round(found.cost, 4),
        movable,
    )


def _check(settings: Sequence[str], max_changes: int) -> None:
    problems = []
    for name in settings:
        if name not in SETTINGS:
            message = _("“%(seen)s” cannot be set; what can be is: %(known)s.") % {
                "seen": name[:60],
                "known": ", ".join(SETTINGS),
            }
            problems.append(FieldProblem("settings", "not_a_setting", message))
    if not 1 <= max_changes <= MOST_CHANGES:
        message = _("“max_changes” is %(seen)d: give a number from 1 to %(most)d.") % {
            "seen": max_changes,
            "most": MOST_CHANGES,
        }
        problems.append(FieldProblem("max_changes", "range", message))
    if problems:
        raise InvalidInput(" ".join(one.message for one in problems), problems=problems)


def _settled(ready: Ready, row: Matrix, found: Counterfactual) -> tuple[Sequence[Change], float]:
    """Return the changes with as few digits as still hold, and the probability after them."""
    for digits in _DIGITS:
        rounded = [
            Change(one.column, one.before, float(f"{one.after:.{digits}g}"))
            for one in found.changes
        ]
        features = ready.model.signature.features
        is_inside = all(
            features[one.column].low <= one.after <= features[one.column].high for one in rounded
        )
        changed = row.copy()
        for one in rounded:
            changed[one.column] = one.after
        after = float(ready.served(changed[None])[0])
        if is_inside and after < ready.model.threshold:
            return rounded, after
    return found.changes, found.probability_after


def _named(ready: Ready, change: Change) -> SettingChange:
    feature = ready.model.signature.features[change.column]
    return SettingChange(
        feature=feature.name,
        unit=feature.unit,
        before=float(f"{change.before:.7g}"),
        after=change.after,
        low=feature.low,
        high=feature.high,
    )
