"""Work centres and times: where an operation is done on a day, and how long it takes there.

Run times are cutting formulas (path over feed and speed), batch formulas (weight in a furnace,
area in a bath) or counts (holes, teeth, dimensions to measure); setup times are a base per
operation that grows with size and tightness. What stays unpredictable is stated as constants.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from math import pi

from predictions.engine.routing.synthetic.dice import Dice
from predictions.engine.routing.synthetic.habits import Habits
from predictions.engine.routing.synthetic.parts import FIRST_DAY, MATERIALS, Part

#: Spread of one time around its formula (natural logarithm): what an estimate by a person shows.
SETUP_SIGMA = 0.12
RUN_SIGMA = 0.14


def _day(year: int, month: int) -> int:
    return (date(year, month, 1) - FIRST_DAY).days


@dataclass(frozen=True)
class Operation:
    """An operation: minutes of setup, how its run time is made up, machines in a plant."""

    setup: float
    run: Callable[[Part], float]
    prefix: str
    machines: int = 2
    is_outsourced_in: str = ""


def _lateral(p: Part) -> float:
    """Cylinder surface in mm², or both faces of a flat part."""
    if p.is_rotational:
        return pi * p.outer * max(p.length if p.thickness == 0 else p.thickness, 1.0)
    return 2 * p.length * max(p.width, p.outer * 0.5)


def _feed(passes: float, feed: float) -> Callable[[Part], float]:
    """Return cutting time: surface over speed and feed, for a number of passes."""

    def minutes(p: Part) -> float:
        speed = MATERIALS[p.material].cutting_speed
        return 0.4 + passes * _lateral(p) / (1000 * speed * feed)

    return minutes


def _grinding(base: float) -> Callable[[Part], float]:
    """Return grinding time: surface, slower for tight tolerance and hard steel."""

    def minutes(p: Part) -> float:
        tight = (20 / p.tolerance) ** 0.4
        hard = 1.25 if p.hardness >= 50 else 1.0
        return float(0.8 + base * (_lateral(p) / 10_000) ** 0.8 * tight * hard)

    return minutes


def _by_weight(per_piece: float, per_kg: float) -> Callable[[Part], float]:
    return lambda p: per_piece + per_kg * p.weight


def _by_area(per_piece: float, per_dm2: float) -> Callable[[Part], float]:
    return lambda p: per_piece + per_dm2 * _lateral(p) / 10_000


def _drilling(per_hole: float) -> Callable[[Part], float]:
    def minutes(p: Part) -> float:
        depth = p.thickness or p.outer / 2
        slow = 180 / MATERIALS[p.material].cutting_speed
        return 0.3 + max(p.holes, 1) * (per_hole + 0.006 * depth * slow)

    return minutes


def _tapping(p: Part) -> float:
    return float(
        0.2 + max(p.threads, 1) * 0.22 * (180 / MATERIALS[p.material].cutting_speed) ** 0.5
    )


def _machining_center(p: Part) -> float:
    slow = 180 / MATERIALS[p.material].cutting_speed
    faces = _lateral(p) / 30_000 if not p.is_rotational else 0.5
    return float(1.0 + (faces + 0.25 * p.holes + 0.35 * p.threads) * slow**0.5)


def _toothing(per_tooth: float) -> Callable[[Part], float]:
    def minutes(p: Part) -> float:
        width = (p.thickness or p.length) / 30
        return float(0.8 + per_tooth * max(p.teeth, 6) * max(p.module, 1.0) ** 0.7 * width**0.6)

    return minutes


def _keyways(p: Part) -> float:
    return float(0.6 + 0.9 * max(p.keyways, 1) * (p.length / 100) ** 0.4)


def _measuring(base: float, per_feature: float) -> Callable[[Part], float]:
    def minutes(p: Part) -> float:
        features = 2 + p.holes + p.threads + p.keyways
        return float(base + per_feature * features * (30 / p.tolerance) ** 0.3)

    return minutes


OPERATIONS: Mapping[str, Operation] = {
    "SAW": Operation(12, _by_area(0.5, 0.35), "SW"),
    "LASER": Operation(15, _by_area(0.3, 0.25), "LS", 1),
    "SANDCAST": Operation(60, _by_weight(2.5, 0.6), "SC", 1, "P1P2P3"),
    "DIECAST": Operation(90, _by_weight(0.8, 0.25), "DC", 2, "P3"),
    "TRIM": Operation(20, _by_area(0.25, 0.03), "TR", 1, "P3"),
    "FORGE": Operation(75, _by_weight(0.6, 0.2), "FG", 1, "P1P2P3"),
    "NORMALIZE": Operation(20, _by_weight(0.3, 0.12), "HT", 1, "P2P3"),
    "STRESS_RELIEF": Operation(20, _by_weight(0.4, 0.1), "HT", 1, "P2P3"),
    "BLAST": Operation(8, _by_area(0.3, 0.06), "BL", 1),
    "SKIM": Operation(25, _feed(1, 0.35), "LT", 3),
    "GUN_DRILL": Operation(35, _by_area(2.0, 0.8), "GD", 1),
    "CENTER": Operation(10, _by_weight(0.5, 0.02), "CT", 1),
    "TURN": Operation(30, _feed(3, 0.18), "LT", 3),
    "ROUGH_TURN": Operation(28, _feed(3, 0.30), "LT", 3),
    "FINISH_TURN": Operation(32, _feed(2, 0.14), "CN", 3),
    "VTL": Operation(55, _feed(4, 0.25), "VL", 1),
    "KEYWAY": Operation(22, _keyways, "ML", 2),
    "SPLINE": Operation(40, _toothing(0.16), "HB", 2),
    "SLOT": Operation(20, _keyways, "SL", 1),
    "BROACH": Operation(30, _by_weight(0.5, 0.03), "BR", 1),
    "MILL": Operation(35, _feed(2, 0.4), "ML", 2),
    "MCT": Operation(50, _machining_center, "MC", 4),
    "BORE": Operation(45, _feed(1, 0.1), "BO", 1),
    "DRILL": Operation(14, _drilling(0.18), "DR", 2),
    "TAP": Operation(12, _tapping, "TP", 2),
    "HOB": Operation(45, _toothing(0.11), "HB", 2),
    "SHAPE": Operation(50, _toothing(0.2), "SH", 1),
    "SHAVE": Operation(35, _toothing(0.03), "SV", 1),
    "GEAR_GRIND": Operation(60, _toothing(0.25), "GG", 1),
    "OIL_GROOVE": Operation(15, _by_area(0.6, 0.1), "LT", 3),
    "SLIT": Operation(12, _by_weight(0.4, 0.05), "ML", 2),
    "BEND": Operation(25, _by_area(0.4, 0.06), "BD", 2),
    "WELD": Operation(30, _by_area(2.0, 0.5), "WD", 2),
    "GRIND_WELD": Operation(6, _by_area(1.0, 0.2), "FN", 1),
    "WIRE_EDM": Operation(40, _by_area(12.0, 1.5), "WE", 1),
    "DEBURR": Operation(5, _by_area(0.4, 0.04), "FN", 1),
    "QT": Operation(30, _by_weight(0.6, 0.22), "HT", 1, "P2P3"),
    "CARBURIZE": Operation(40, _by_weight(0.8, 0.45), "HT", 1, "P2P3"),
    "INDUCTION": Operation(35, _by_area(0.6, 0.15), "IH", 1, "P3"),
    "NITRIDE": Operation(40, _by_weight(1.0, 0.5), "NT", 1, "P1P2P3"),
    "HARDEN": Operation(30, _by_weight(0.5, 0.3), "HT", 1, "P2P3"),
    "AGE": Operation(25, _by_weight(0.4, 0.2), "HT", 1, "P2P3"),
    "STRAIGHTEN": Operation(10, _by_weight(1.2, 0.05), "ST", 1),
    "HARDNESS_TEST": Operation(6, _measuring(0.4, 0.03), "QC", 1),
    "CYL_GRIND": Operation(40, _grinding(1.1), "CG", 3),
    "CENTERLESS": Operation(45, _grinding(0.25), "CL", 1),
    "ID_GRIND": Operation(42, _grinding(1.3), "IG", 2),
    "SURFACE_GRIND": Operation(25, _grinding(0.6), "SG", 2),
    "HONE": Operation(30, _grinding(0.7), "HN", 1),
    "LAP": Operation(20, _grinding(1.5), "LP", 1),
    "SUPERFINISH": Operation(30, _grinding(0.5), "SF", 1),
    "POLISH": Operation(12, _by_area(1.5, 0.3), "PO", 1),
    "BALANCE": Operation(18, _by_weight(2.0, 0.1), "BA", 1),
    "IMPREGNATE": Operation(20, _by_weight(0.5, 0.1), "IM", 1, "P2P3"),
    "PUTTY": Operation(5, _by_area(1.5, 0.15), "PT", 1),
    "ZINC": Operation(20, _by_area(0.3, 0.12), "ZN", 1, "P1P2P3"),
    "CHROME": Operation(35, _by_area(1.2, 0.6), "CR", 1, "P1P2P3"),
    "NICKEL": Operation(30, _by_area(0.9, 0.4), "NI", 1, "P1P2P3"),
    "BLACKEN": Operation(15, _by_area(0.3, 0.08), "BK", 1, "P3"),
    "ANODIZE": Operation(25, _by_area(0.5, 0.2), "AN", 1, "P1P2P3"),
    "PAINT": Operation(20, _by_area(1.0, 0.12), "PA", 1),
    "PHOSPHATE": Operation(15, _by_area(0.3, 0.08), "PH", 1, "P3"),
    "MPI": Operation(10, _by_area(1.0, 0.15), "ND", 1),
    "PT": Operation(12, _by_area(1.5, 0.2), "ND", 1),
    "LEAK_TEST": Operation(15, _by_weight(1.2, 0.05), "LK", 1),
    "ULTRASONIC": Operation(5, _by_area(0.5, 0.03), "UW", 1),
    "WASH": Operation(5, _by_area(0.2, 0.02), "WS", 1),
    "CMM": Operation(25, _measuring(3.0, 0.45), "QC", 1),
    "INSPECT": Operation(8, _measuring(0.6, 0.18), "QC", 2),
    "LASER_MARK": Operation(6, _by_weight(0.25, 0.001), "LM", 1),
    "OIL": Operation(2, _by_area(0.1, 0.01), "PK", 1),
    "PACK": Operation(3, _by_weight(0.3, 0.02), "PK", 1),
}


@dataclass(frozen=True)
class Replacement:
    """A machine that gives way to a new one on a day: faster to run, other number."""

    plant: str
    prefix: str
    day: int
    run_factor: float
    setup_factor: float = 1.0


REPLACEMENTS: tuple[Replacement, ...] = (
    Replacement("P1", "LT", _day(2022, 10), 0.82),
    Replacement("P1", "CG", _day(2024, 3), 0.75, 0.9),
    Replacement("P1", "MC", _day(2023, 6), 0.70, 0.8),
    Replacement("P1", "QC", _day(2021, 2), 0.85),
    Replacement("P2", "CN", _day(2021, 9), 0.80),
    Replacement("P2", "HB", _day(2023, 1), 0.78, 0.85),
    Replacement("P2", "MC", _day(2024, 9), 0.72, 0.8),
    Replacement("P3", "LT", _day(2023, 11), 0.80),
    Replacement("P3", "ML", _day(2022, 5), 0.85),
    Replacement("P3", "LS", _day(2020, 8), 0.60, 0.7),
)
_REPLACED = {(item.plant, item.prefix): item for item in REPLACEMENTS}
#: Speed of the machines of one group, the first (and oldest) one being the yardstick.
MACHINE_FACTORS = (1.0, 0.94, 0.90, 0.97)
OUTSOURCED_FACTOR = 1.3


@dataclass(frozen=True)
class Station:
    """A work centre on a day, with what it does to the times."""

    code: str
    setup_factor: float
    run_factor: float


def station(operation: str, part: Part, day: int, dice: Dice, *, second: bool = False) -> Station:
    """Return the work centre where a part's operation is planned on a day.

    Size decides for large parts; among machines that fit, planners choose by load, which nobody can
    know from the item.

    Parameters
    ----------
    operation : str
        Key of `OPERATIONS`.
    part : Part
        What is made.
    day : int
        Days since `FIRST_DAY`.
    dice : Dice
        Source of the load.
    second : bool
        Whether an alternative to the first choice is wanted.
    """
    spec = OPERATIONS[operation]
    if part.plant in spec.is_outsourced_in:
        return Station(f"OUT-{spec.prefix}{2 if second else 1}", 1.0, OUTSOURCED_FACTOR)
    machine = _machine(spec, part, dice)
    if second:
        machine = (machine + 1) % spec.machines
    change = _REPLACED.get((part.plant, spec.prefix))
    factor = MACHINE_FACTORS[machine]
    if change is not None and machine == 0 and day >= change.day:
        code = f"{part.plant}-{spec.prefix}{spec.machines + 1:02d}"
        return Station(code, change.setup_factor, factor * change.run_factor)
    return Station(f"{part.plant}-{spec.prefix}{machine + 1:02d}", 1.0, factor)


def _machine(spec: Operation, part: Part, dice: Dice) -> int:
    if spec.machines == 1:
        return 0
    if max(part.outer, part.width) > 200:
        return spec.machines - 1
    return 0 if dice.chance(0.65) else dice.whole(0, spec.machines - 1)


def minutes(
    operation: str, part: Part, place: Station, habits: Habits, generosity: float, dice: Dice
) -> tuple[float, float]:
    """Return setup minutes a lot and run minutes a piece, rounded as planners round.

    Parameters
    ----------
    operation : str
        Key of `OPERATIONS`.
    part : Part
        What is made.
    place : Station
        Where.
    habits : Habits
        How generous the planner group is.
    generosity : float
        How generous this planner is, a factor near 1.
    dice : Dice
        Source of the noise.
    """
    spec = OPERATIONS[operation]
    size = (max(part.outer, part.length, 10.0) / 100) ** 0.15
    tight = (30 / part.tolerance) ** 0.12
    setup = spec.setup * size * tight * place.setup_factor * habits.setup_factor * generosity
    run = spec.run(part) * place.run_factor * habits.run_factor * generosity
    return (
        _rounded_setup(setup * dice.lognormal(1.0, SETUP_SIGMA)),
        _rounded_run(run * dice.lognormal(1.0, RUN_SIGMA)),
    )


def _rounded_setup(value: float) -> float:
    """Whole minutes, fives above an hour."""
    return float(max(round(value), 1)) if value < 60 else float(round(value / 5) * 5)


def _rounded_run(value: float) -> float:
    """Hundredths below a minute, tenths below ten, halves above."""
    step = 0.01 if value < 1 else 0.1 if value < 10 else 0.5
    return round(max(round(value / step) * step, 0.01), 2)
