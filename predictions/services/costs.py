"""What a version's threshold costs, at the prices of whoever asks; and what else it could be."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from django.utils.translation import gettext as _

from portal.core.errors import Conflict, FieldProblem, InvalidInput
from portal.registry.models import ModelVersion
from predictions.engine import costs as engine
from predictions.engine.cost_draws import CostDraws, Span, draw_costs
from predictions.engine.costs import BadCosts, CostCurve, CostPoint, OperatingPoint

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
    cost_interval, saving_interval : Span
        95 %, of the same threshold on shots drawn again (see `cost_draws`).
    """

    name: str
    threshold: float
    n_missed: float
    n_false_alarms: float
    cost: float
    saving: float
    cost_interval: Span
    saving_interval: Span

    @property
    def is_sure(self) -> bool:
        """Whether it is cheaper, or dearer, than the present threshold beyond chance."""
        return self.saving_interval.low > 0 or self.saving_interval.high < 0


@dataclass(frozen=True)
class Variation:
    """What would be cheapest at another price of a missed defect.

    Attributes
    ----------
    factor, missed_defect : float
        The price, and what it is of the one given.
    cheapest_threshold, cost : float
    threshold_interval : Span
        95 %, of the cheapest threshold on shots drawn again.
    saving : float
        Against the present threshold at that price.
    saving_interval : Span
    """

    factor: float
    missed_defect: float
    cheapest_threshold: float
    threshold_interval: Span
    cost: float
    saving: float
    saving_interval: Span


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
    band : list of Span
        Interval of the cost of every point of the curve.
    cheapest_interval : Span
        Of the cheapest threshold.
    n_shots : int
        Shots out of fold that the shares were counted on.
    n_distinct : int
        How many of them differ; as many are drawn.
    """

    prices: Prices
    curve: CostCurve
    options: list[Option]
    variations: list[Variation]
    band: list[Span]
    cheapest_interval: Span
    n_shots: int
    n_distinct: int


def price(version: ModelVersion, prices: Prices) -> Costs:
    """Return what each threshold of a version costs.

    Raises
    ------
    Conflict
        When the version was evaluated before thresholds were kept, or is no quality model.
    InvalidInput
        When prices or volume make no sense, each named.
    """
    content = version.evaluation.get("operating_points")
    if not content:
        raise _nothing_to_price(version)
    _check(prices)
    try:
        return _priced(version.evaluation, prices)
    except BadCosts as exc:
        raise _nothing_to_price(version) from exc


@dataclass(frozen=True)
class Benefit:
    """What a version saves against doing without a model.

    Attributes
    ----------
    cost, cost_without : float
        With the version's own threshold, and without a model.
    saving : float
    saving_interval : Span
        95 %, on shots drawn again.
    """

    cost: float
    cost_without: float
    saving: float
    saving_interval: Span


def benefit(version: ModelVersion, prices: Prices, *, is_inspected: bool = False) -> Benefit:
    """Return what a version saves against letting every shot through, or stopping every shot.

    Parameters
    ----------
    version, prices
        As for :func:`price`.
    is_inspected
        Whether every shot would be stopped without a model.

    Raises
    ------
    Conflict, InvalidInput
        As :func:`price`.
    """
    content = version.evaluation.get("operating_points")
    if not content:
        raise _nothing_to_price(version)
    _check(prices)
    evaluation = version.evaluation
    points = [OperatingPoint(**point) for point in content]
    n_shots = int(evaluation["protocol"]["n_tested"])
    try:
        curve, draws = _Shots(points, _n_distinct(evaluation, n_shots)).priced(prices)
    except BadCosts as exc:
        raise _nothing_to_price(version) from exc
    place = _place(curve.points, float(evaluation["threshold"]))
    without = 0 if is_inspected else len(curve.points) - 1
    # Of drawing again: what the other costs less than the version, with its sign turned.
    span = draws.savings(place)[without]
    cost, cost_without = curve.points[place].cost, curve.points[without].cost
    return Benefit(cost, cost_without, cost_without - cost, Span(-span.high, -span.low))


def _nothing_to_price(version: ModelVersion) -> Conflict:
    return Conflict(
        _(
            "The report of %(version)s holds no thresholds to price: it is of another family, "
            "or was made before reports kept them. Train a new version."
        )
        % {"version": version},
        code="not_available_for_version",
    )


def _priced(evaluation: Mapping[str, Any], prices: Prices) -> Costs:
    points = [OperatingPoint(**point) for point in evaluation["operating_points"]]
    threshold = float(evaluation["threshold"])
    n_shots = int(evaluation["protocol"]["n_tested"])
    shots = _Shots(points, _n_distinct(evaluation, n_shots))
    curve, draws = shots.priced(prices)
    return Costs(
        prices=prices,
        curve=curve,
        options=_options(curve, draws, threshold),
        variations=[_variation(shots, prices, factor, threshold) for factor in FACTORS],
        band=draws.band(),
        cheapest_interval=draws.cheapest(),
        n_shots=n_shots,
        n_distinct=shots.n_distinct,
    )


@dataclass(frozen=True)
class _Shots:
    """What a report keeps of the shots that its thresholds were counted on."""

    points: Sequence[OperatingPoint]
    n_distinct: int

    def priced(self, prices: Prices) -> tuple[CostCurve, CostDraws]:
        """Return the cost of every threshold, and what it is on shots drawn again."""
        given = asdict(prices)
        curve = engine.cost_curve(self.points, **given)
        return curve, draw_costs(self.points, self.n_distinct, **given)


def _n_distinct(evaluation: Mapping[str, Any], n_shots: int) -> int:
    """Return how many of the shots tested differ: their part of the groups of equal values."""
    share = int(evaluation["n_groups"]) / int(evaluation["n_rows"])
    return max(round(share * n_shots), 1)


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


def _place(points: Sequence[CostPoint], threshold: float) -> int:
    """Return where the point is that calls what a threshold calls: the first not below it."""
    at_or_above = (place for place, point in enumerate(points) if point.threshold >= threshold)
    return next(at_or_above, len(points) - 1)


def _options(curve: CostCurve, draws: CostDraws, threshold: float) -> list[Option]:
    points = curve.points
    present = _place(points, threshold)
    places = {
        "present": (present, threshold),
        "cheapest": (points.index(curve.cheapest), curve.cheapest.threshold),
        "implied": (_place(points, curve.implied_threshold), curve.implied_threshold),
        "stop_all": (0, curve.call_all.threshold),
        "stop_none": (len(points) - 1, curve.call_none.threshold),
    }
    band, savings = draws.band(), draws.savings(present)
    return [
        Option(
            name=name,
            threshold=min(shown, 1.0),
            n_missed=points[place].n_missed,
            n_false_alarms=points[place].n_false_alarms,
            cost=points[place].cost,
            saving=points[present].cost - points[place].cost,
            cost_interval=band[place],
            saving_interval=savings[place],
        )
        for name, (place, shown) in places.items()
    ]


def _variation(shots: _Shots, prices: Prices, factor: float, threshold: float) -> Variation:
    varied = replace(prices, missed_defect=prices.missed_defect * factor)
    if not varied.missed_defect + varied.false_alarm:
        varied = prices
    curve, draws = shots.priced(varied)
    present = _place(curve.points, threshold)
    return Variation(
        factor=factor,
        missed_defect=varied.missed_defect,
        cheapest_threshold=min(curve.cheapest.threshold, 1.0),
        threshold_interval=draws.cheapest(),
        cost=curve.cheapest.cost,
        saving=curve.points[present].cost - curve.cheapest.cost,
        saving_interval=draws.savings(present)[curve.points.index(curve.cheapest)],
    )
