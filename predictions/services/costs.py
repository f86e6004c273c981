"""What a version's threshold costs, at the prices of whoever asks; and what else it could be."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.utils.translation import gettext as _

from portal.core.errors import Conflict, FieldProblem, InvalidInput
from portal.registry.models import ModelVersion
from predictions.engine import costs as engine
from predictions.engine.costs import CostCurve, CostPoint, OperatingPoint

#: How prices of a missed defect are varied to see what the choice hangs on; ours.
FACTORS = (0.25, 0.5, 2.0, 4.0)
#: Greatest price and volume; what is greater is a slip of the keyboard.
LARGEST = 1e12


@dataclass(frozen=True)
class Prices:
    """What the one who asks pays.

    Attributes
    ----------
    missed_defect : float
        For one defect that is let through.
    false_alarm : float
        For one good shot that is stopped.
    volume : float
        Shots, such as those of a month.
    """

    missed_defect: float
    false_alarm: float
    volume: float


@dataclass(frozen=True)
class Option:
    """One threshold of the what-if table.

    Attributes
    ----------
    name : str
        ``present``, ``cheapest``, ``implied``, ``stop_all`` or ``stop_none``.
    threshold, n_missed, n_false_alarms, cost : float
        As in `CostPoint`.
    saving : float
        What it costs less than the present threshold; negative when it costs more.
    """

    name: str
    threshold: float
    n_missed: float
    n_false_alarms: float
    cost: float
    saving: float


@dataclass(frozen=True)
class Variation:
    """What would be cheapest at another price of a missed defect.

    Attributes
    ----------
    factor, missed_defect : float
        The price, and what it is of the one given.
    cheapest_threshold, cost : float
    saving : float
        Against the present threshold at that price.
    """

    factor: float
    missed_defect: float
    cheapest_threshold: float
    cost: float
    saving: float


@dataclass(frozen=True)
class Costs:
    """A version's thresholds at somebody's prices.

    Attributes
    ----------
    prices : Prices
    curve : CostCurve
    options : list of Option
        The present threshold first.
    variations : list of Variation
    n_shots : int
        Shots out of fold that the shares were counted on.
    """

    prices: Prices
    curve: CostCurve
    options: list[Option]
    variations: list[Variation]
    n_shots: int


def price(version: ModelVersion, prices: Prices) -> Costs:
    """Return what each threshold of a version costs.

    Raises
    ------
    Conflict
        When the version was evaluated before thresholds were kept, or is no quality model.
    InvalidInput
        When prices or volume make no sense, each named.
    """
    evaluation = version.evaluation
    content = evaluation.get("operating_points")
    if not content:
        raise Conflict(
            _(
                "The report of %(version)s holds no thresholds to price: it is of another family, "
                "or was made before reports kept them. Train a new version."
            )
            % {"version": version},
            code="not_available_for_version",
        )
    _check(prices)
    points = [OperatingPoint(**point) for point in content]
    curve = _curve(points, prices)
    present = _at(curve.points, float(evaluation["threshold"]))
    return Costs(
        prices=prices,
        curve=curve,
        options=_options(curve, present, float(evaluation["threshold"])),
        variations=[_variation(points, prices, factor, present) for factor in FACTORS],
        n_shots=int(evaluation["protocol"]["n_tested"]),
    )


def _check(prices: Prices) -> None:
    problems = []
    for name in ("missed_defect", "false_alarm", "volume"):
        value = getattr(prices, name)
        if not 0 <= value <= LARGEST:
            message = _("“%(name)s” is %(seen)g: give a number from 0 to %(most)g.")
            words = {"name": name, "seen": value, "most": LARGEST}
            problems.append(FieldProblem(name, "range", message % words))
    if not problems and not prices.volume:
        message = _("“volume” is 0: give the number of shots, more than 0.")
        problems.append(FieldProblem("volume", "range", message))
    if not problems and not prices.missed_defect + prices.false_alarm:
        message = _("Both prices are 0: give at least one of them a price.")
        problems.append(FieldProblem("missed_defect", "range", message))
    if problems:
        raise InvalidInput(" ".join(one.message for one in problems), problems=problems)


def _curve(points: Sequence[OperatingPoint], prices: Prices) -> CostCurve:
    return engine.cost_curve(
        points,
        missed_defect=prices.missed_defect,
        false_alarm=prices.false_alarm,
        volume=prices.volume,
    )


def _at(points: Sequence[CostPoint], threshold: float) -> CostPoint:
    """Return the point that calls what a threshold calls: the first not below it."""
    return next((point for point in points if point.threshold >= threshold), points[-1])


def _options(curve: CostCurve, present: CostPoint, threshold: float) -> list[Option]:
    implied = replace(_at(curve.points, curve.implied_threshold), threshold=curve.implied_threshold)
    named = {
        "present": replace(present, threshold=threshold),
        "cheapest": curve.cheapest,
        "implied": implied,
        "stop_all": curve.call_all,
        "stop_none": curve.call_none,
    }
    return [
        Option(
            name=name,
            threshold=min(point.threshold, 1.0),
            n_missed=point.n_missed,
            n_false_alarms=point.n_false_alarms,
            cost=point.cost,
            saving=present.cost - point.cost,
        )
        for name, point in named.items()
    ]


def _variation(
    points: Sequence[OperatingPoint], prices: Prices, factor: float, present: CostPoint
) -> Variation:
    varied = replace(prices, missed_defect=prices.missed_defect * factor)
    if not varied.missed_defect + varied.false_alarm:
        varied = prices
    curve = _curve(points, varied)
    now = _at(curve.points, present.threshold).cost
    return Variation(
        factor=factor,
        missed_defect=varied.missed_defect,
        cheapest_threshold=min(curve.cheapest.threshold, 1.0),
        cost=curve.cheapest.cost,
        saving=now - curve.cheapest.cost,
    )
