"""Synthetic items and routings, frozen by version and seed.

What makes them hard in the way real tables are:

- most items belong to a product line and share its material, treatments and customer but not its
  sizes; one new design in eight belongs to none;
- rules read attributes that are missing from 1 to 8 % of the records (a few records miss a third);
- planners judge a limit with 2 % error, so parts close to one go either way;
- planner groups have habits that the item master lets one learn; persons depart from them, which
  nothing in the item tells (`habits.PERSONAL_SHARE`);
- one routing in a hundred has a slip: an operation forgotten or repeated;
- a third of the items are variants of an earlier one (revision, mirrored, resized) and copy its
  routing, slips included, so that variants on both sides of a split flatter any method;
- rules change on three dates, machines are replaced on ten, times carry a planner's generosity,
  12 to 14 % noise and rounding.

The rates are ours. They leave a planner who knows the complete part, the group's habits and every
rule in agreement with about 95 % of the routings (`Generated.ceiling`). They were set before any
model was fitted, with one exception: empty flags and counts, mandatory in most plants, were made
rarer after a first fit, whose figures did not rise by it.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import exp
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from predictions.engine.routing.schema import DATA_SOURCE, SYNTHETIC
from predictions.engine.routing.synthetic import parts
from predictions.engine.routing.synthetic.dice import Dice
from predictions.engine.routing.synthetic.habits import (
    GROUP_HABITS,
    PERSONAL_TIME_SIGMA,
    PLANNER_SHARES,
    Habits,
    planner_habits,
)
from predictions.engine.routing.synthetic.naming import name_part, specify
from predictions.engine.routing.synthetic.parts import FIRST_DAY, LAST_DAY, Part
from predictions.engine.routing.synthetic.records import item_record
from predictions.engine.routing.synthetic.rules import plan
from predictions.engine.routing.synthetic.shopfloor import REPLACEMENTS, minutes, station
from predictions.engine.routing.tables import ItemTable, RoutingTable

#: Raised with every change that moves a drawn value; part of the name of a frozen set.
VERSION = 1
VARIANT_SHARE = 0.33
#: Items to a product line on average; the few large lines have many times as many.
ITEMS_PER_LINE = 50
ONE_OFF_SHARE = 0.12
#: Relative error with which a planner judges a size, tolerance or count against a limit.
JUDGEMENT_SIGMA = 0.02
SLIP_SHARE = 0.01
ALTERNATE_SHARE = 0.12
REISSUE_SHARE = 0.25
_LAST = (LAST_DAY - FIRST_DAY).days


@dataclass(frozen=True)
class Generated:
    """A synthetic item master with its routings.

    Attributes
    ----------
    items : ItemTable
        One row an item, in order of creation within the draw.
    routings : RoutingTable
        Every alternate and every dated version.
    seed, version : int
        What the set is frozen by.
    bases : intp array, shape [n]
        For every item the index of the unrelated item it descends from; equal for variants. Known
        to the generator only, so that tests can judge how the product finds variants.
    lines : intp array, shape [n]
        For every item its product line, -1 for one-off designs; known to the generator only.
    planned : tuple of tuple of str
        What rules and group habits alone would give every item, before any noise.
    """

    items: ItemTable
    routings: RoutingTable
    seed: int
    version: int
    bases: NDArray[np.intp]
    lines: NDArray[np.intp]
    planned: tuple[tuple[str, ...], ...]

    @property
    def ceiling(self) -> float:
        """Share of items whose primary routing is what rules and group habits give.

        No method can be expected above it; missing values put what is reachable below it.
        """
        actual = self.routings.primary()
        codes = self.items.codes()
        hits = [
            actual[code].operations == planned
            for code, planned in zip(codes, self.planned, strict=True)
        ]
        return float(np.mean(hits))

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write both tables as CSV, in names and items labelled synthetic; return the paths."""
        origin = pa.array([self.items.source.origin] * self.items.n_rows)
        stem = f"synthetic_routing_v{self.version}_{self.items.n_rows}_seed{self.seed}"
        paths = folder / f"{stem}_items.csv", folder / f"{stem}_routings.csv"
        pa_csv.write_csv(self.items.data.append_column(DATA_SOURCE.name, origin), paths[0])
        pa_csv.write_csv(self.routings.data, paths[1])
        return paths


@dataclass(frozen=True)
class _Planned:
    """One part with the routing its planner wrote."""

    part: Part
    operations: tuple[str, ...]
    ideal: tuple[str, ...]
    generosity: float


def generate(n_items: int, seed: int) -> Generated:
    """Draw items and routings.

    Parameters
    ----------
    n_items : int
        Items to draw, at least one.
    seed : int
        Equal seeds give equal tables for one `VERSION`.

    Returns
    -------
    Generated
        Tables labelled synthetic, with what only the generator knows.
    """
    dice = Dice(np.random.default_rng(seed))
    lines = [parts.draw_part(dice) for _ in range(max(n_items // ITEMS_PER_LINE, 5))]
    drawn: list[_Planned] = []
    for index in range(n_items):
        if drawn and dice.chance(VARIANT_SHARE):
            drawn.append(_variant(dice.one_of(drawn), dice))
        else:
            drawn.append(_new(index, lines, dice))
    records = [item_record(planned.part, index, dice) for index, planned in enumerate(drawn)]
    rows: list[tuple[object, ...]] = []
    for planned, record in zip(drawn, records, strict=True):
        rows.extend(_routing_rows(str(record["item_code"]), planned, dice))
    origin = f"{SYNTHETIC} v{VERSION} seed {seed}"
    return Generated(
        items=ItemTable.from_records(records, origin=origin),
        routings=RoutingTable.from_rows(rows, origin=origin),
        seed=seed,
        version=VERSION,
        bases=np.array([planned.part.base for planned in drawn], dtype=np.intp),
        lines=np.array([planned.part.line for planned in drawn], dtype=np.intp),
        planned=tuple(planned.ideal for planned in drawn),
    )


def _new(index: int, lines: Sequence[Part], dice: Dice) -> _Planned:
    """Draw a design that descends from no other."""
    part, line = parts.draw_part(dice), -1
    if not dice.chance(ONE_OFF_SHARE):
        # The square makes the first lines the large ones.
        line = int(len(lines) * dice.uniform() ** 2)
        part = parts.draw_part_of(lines[line], dice)
    part.base, part.line = index, line
    part.planner = dice.weighted(PLANNER_SHARES)
    part.drawing = f"{part.family[:2]}-{dice.whole(10_000, 99_999)}-{index:06d}"
    part.name, part.specification = name_part(part, dice), specify(part, dice)
    generosity = exp(dice.normal(0.0, PERSONAL_TIME_SIGMA))
    return _planned(part, generosity, dice)


def _planned(part: Part, generosity: float, dice: Dice) -> _Planned:
    habits = planner_habits(part.planner_group, part.planner, dice)
    operations = plan(_judged(part, dice), habits)
    if dice.chance(SLIP_SHARE):
        operations = _slip(operations, dice)
    ideal = plan(part, GROUP_HABITS[part.planner_group])
    return _Planned(part, tuple(operations), tuple(ideal), generosity)


def _judged(part: Part, dice: Dice) -> Part:
    """Return the part as a planner judges it: continuous sizes a little off."""

    def off(value: float) -> float:
        return value * (1 + dice.normal(0.0, JUDGEMENT_SIGMA))

    return dataclasses.replace(
        part,
        outer=off(part.outer),
        length=off(part.length),
        thickness=off(part.thickness),
        tolerance=off(part.tolerance),
    )


def _slip(operations: list[str], dice: Dice) -> list[str]:
    """Forget one operation, or write one twice."""
    at = dice.whole(0, len(operations) - 1)
    if len(operations) > 1 and dice.chance(0.6):
        return operations[:at] + operations[at + 1 :]
    return operations[: at + 1] + operations[at:]


def _variant(source: _Planned, dice: Dice) -> _Planned:
    """Derive a part: a revision, a mirrored twin, another size or another customer.

    The planner copies the routing, and plans anew only when the rules ask for something else.
    """
    old = source.part
    part = dataclasses.replace(old)
    part.created_day = min(old.created_day + dice.whole(1, 700), _LAST)
    kind = dice.weighted({"revision": 4, "mirrored": 2, "resized": 3, "customer": 1})
    if kind == "revision":
        part.revision = chr(min(ord(old.revision) + 1, ord("Z")))
        part.tolerance = float(max(round(old.tolerance * dice.uniform(0.9, 1.1)), 2))
    elif kind == "resized":
        factor = dice.uniform(0.85, 1.2)
        part.length = parts.rounded_size(old.length * factor)
        part.specification = specify(part, dice)
    elif kind == "customer":
        part.customer = dice.weighted(parts.CUSTOMER_CLASSES)
    if kind != "revision":
        part.drawing = f"{old.drawing}-{dice.whole(1, 99):02d}"
        part.name = name_part(part, dice) if dice.chance(0.3) else old.name
    part.weight = round(old.weight * part.length / old.length, 3)
    habits = GROUP_HABITS[part.planner_group]
    ideal = tuple(plan(part, habits))
    if ideal == source.ideal:
        return _Planned(part, source.operations, ideal, source.generosity)
    return _planned(part, source.generosity, dice)


def _routing_rows(code: str, planned: _Planned, dice: Dice) -> list[tuple[object, ...]]:
    """Return every dated version of every alternate of one item."""
    part = planned.part
    step = dice.weighted({10: 8, 5: 1, 100: 1})
    day = min(part.created_day + dice.whole(0, 30), _LAST)
    rows = _version(code, planned, 1, step, day, dice)
    if dice.chance(ALTERNATE_SHARE):
        rows += _version(code, planned, 2, step, day, dice)
    later = [item.day for item in REPLACEMENTS if item.plant == part.plant and item.day > day]
    if later and dice.chance(REISSUE_SHARE):
        rows += _version(code, planned, 1, step, dice.one_of(later), dice)
    return rows


def _version(
    code: str, planned: _Planned, alternate: int, step: int, day: int, dice: Dice
) -> list[tuple[object, ...]]:
    """Return the rows of one alternate from one day on."""
    part = planned.part
    habits: Habits = GROUP_HABITS[part.planner_group]
    changed = dice.whole(0, len(planned.operations) - 1) if alternate > 1 else -1
    valid_from = FIRST_DAY + timedelta(days=day)
    rows: list[tuple[object, ...]] = []
    for position, operation in enumerate(planned.operations):
        place = station(operation, part, day, dice, second=position == changed)
        setup, run = minutes(operation, part, place, habits, planned.generosity, dice)
        sequence = (position + 1) * step
        rows.append((code, alternate, sequence, operation, place.code, setup, run, valid_from))
    return rows
