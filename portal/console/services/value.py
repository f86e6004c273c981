"""What the champion is worth at somebody's prices: savings, payback, what if."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from monitoring.models import Objective
from monitoring.services.objectives import definitions
from portal.registry import selectors
from portal.registry.models import ModelVersion
from predictions.engine.cost_draws import Span
from predictions.services import costs
from predictions.services.costs import Benefit, Costs, Prices
from predictions.services.models import MODEL_NAME

#: What is shown before anybody says what things cost: a ratio to begin with, and said to be one.
EXAMPLE: Mapping[str, float] = {
    "missed_defect": 10.0,
    "false_alarm": 1.0,
    "volume": 10_000.0,
    "investment": 0.0,
    "running": 0.0,
}
#: How prices and volume are varied; ours.
FACTORS = (0.5, 2.0)
MONTHS_A_YEAR = 12


@dataclass(frozen=True)
class Wanted:
    """What somebody entered.

    Attributes
    ----------
    prices : Prices
        The volume is that of a month.
    investment : float
        Spent once.
    running : float
        Spent every month.
    is_inspected : bool
        Whether every shot would be stopped and looked at without a model; else all go through.
    """

    prices: Prices
    investment: float = 0.0
    running: float = 0.0
    is_inspected: bool = False


@dataclass(frozen=True)
class Figure:
    """A number and its 95 % interval; infinite where it is never reached."""

    value: float
    low: float
    high: float

    @property
    def is_sure(self) -> bool:
        """Whether the interval is above 0."""
        return self.low > 0


@dataclass(frozen=True)
class Scenario:
    """Savings under other circumstances.

    Attributes
    ----------
    name : str
        What is varied: ``missed_defect``, ``false_alarm`` or ``volume``.
    factor : float
    given : float
        The price or volume that it makes.
    monthly : Figure
        Saved a month, after what running costs.
    payback : Figure or None
        Months until the investment is back; None without one.
    """

    name: str
    factor: float
    given: float
    monthly: Figure
    payback: Figure | None


@dataclass(frozen=True)
class Value:
    """What a version is worth.

    Attributes
    ----------
    version : ModelVersion
    wanted : Wanted
    benefit : Benefit
        Before what running costs.
    monthly, yearly : Figure
        Saved after what running costs; the year before the investment.
    payback : Figure or None
        Months.
    found : Costs
        Every threshold at these prices.
    scenarios : list of Scenario
    """

    version: ModelVersion
    wanted: Wanted
    benefit: Benefit
    monthly: Figure
    yearly: Figure
    payback: Figure | None
    found: Costs
    scenarios: list[Scenario]


def champion() -> ModelVersion | None:
    """Return the version whose worth is asked."""
    return selectors.champion(MODEL_NAME)


def known_prices() -> dict[str, float]:
    """Return the prices that somebody entered for the objective of savings; empty without."""
    row = Objective.objects.filter(kind=definitions.SAVINGS).first()
    entered = row.parameters if row is not None else {}
    names = {
        "missed_defect": definitions.MISSED_DEFECT,
        "false_alarm": definitions.FALSE_ALARM,
    }
    return {name: float(entered[key]) for name, key in names.items() if entered.get(key)}


def of(version: ModelVersion, wanted: Wanted) -> Value:
    """Return what a version is worth.

    Raises
    ------
    Conflict, InvalidInput
        As :func:`costs.price`.
    """
    found = costs.price(version, wanted.prices)
    benefit = costs.benefit(version, wanted.prices, is_inspected=wanted.is_inspected)
    monthly = _monthly(benefit, wanted)
    yearly = Figure(*(MONTHS_A_YEAR * end for end in (monthly.value, monthly.low, monthly.high)))
    scenarios = [
        _scenario(version, wanted, name, factor)
        for name in ("missed_defect", "false_alarm", "volume")
        for factor in FACTORS
    ]
    payback = _payback(monthly, wanted.investment)
    return Value(version, wanted, benefit, monthly, yearly, payback, found, scenarios)


def _scenario(version: ModelVersion, wanted: Wanted, name: str, factor: float) -> Scenario:
    given = getattr(wanted.prices, name) * factor
    varied = replace(wanted, prices=replace(wanted.prices, **{name: given}))
    benefit = costs.benefit(version, varied.prices, is_inspected=varied.is_inspected)
    monthly = _monthly(benefit, varied)
    return Scenario(name, factor, given, monthly, _payback(monthly, wanted.investment))


def _monthly(benefit: Benefit, wanted: Wanted) -> Figure:
    span: Span = benefit.saving_interval
    ends = (benefit.saving, span.low, span.high)
    return Figure(*(end - wanted.running for end in ends))


def _payback(monthly: Figure, investment: float) -> Figure | None:
    """Return the months until an investment is back; the more is saved, the fewer."""
    if not investment:
        return None
    months = (
        investment / saved if saved > 0 else math.inf
        for saved in (monthly.value, monthly.high, monthly.low)
    )
    return Figure(*months)
