"""Make die-casting shots for demonstrations and tests: synthetic, and marked as such.

A machine of 350 t casts two products, each in two molds, in lots. Settings wander with shift, mold
and wear; a lumped die warms up and cools through stops; the formulae of `physics` turn both into
what makes castings bad: metal that freezes before the cavity is full, air from the sleeve, pressure
that comes late, a die too hot or too wet, a die pushed open. A defect is then drawn with the
probability its causes give it. Most of the causes cannot be read off a single column, some not at
all, so a model can learn this but not solve it.

Files look like those of the family: two header rows, stray spaces in two names, production order,
rows the logger wrote twice, hours in which the climate sensors were down. Every row says
``synthetic`` in the column ``Source``.
"""

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from portal.lib import seeds
from predictions.engine import physics
from predictions.engine.features import BY_NAME, CAVITIES, DEFECT_FLAGS, FEATURE_NAMES
from predictions.engine.tables import ShotTable, read_table

Floats = NDArray[np.float64]

MAX_SHOTS = 1_000_000
SOURCE = "synthetic"
_START = datetime(2026, 1, 5, 7, 0, tzinfo=UTC)
_SHIFT_HOURS = 8
_SHIFTS = ("early", "late", "night")

#: Names spelled with the stray spaces that the family's files have.
_STRAY = {"Biscuit_Thickness": "Biscuit_Thickness ", "Pressure_Rise_Time": " Pressure_Rise_Time"}
_CLIMATE = tuple(name for name in FEATURE_NAMES if name.startswith("Factory_"))

#: Decimals written, as sensors resolve them.
_DECIMALS = {
    "Product_Type": 0,
    "Shot": 0,
    "Velocity_1": 3,
    "Velocity_2": 3,
    "Velocity_3": 3,
    "High_Velocity": 3,
    "Cylinder_Pressure": 0,
    "Rapid_Rise_Time": 3,
    "Biscuit_Thickness": 0,
    "Clamping_Force": 0,
    "Pressure_Rise_Time": 3,
    "Casting_Pressure": 0,
    "Coolant_Pressure": 2,
}


@dataclass(frozen=True)
class Product:
    """A casting and the setting sheet of its die; lengths in mm, areas and volumes as named."""

    plunger_mm: float
    gate_mm2: float
    cavity_cm3: float
    projected_cm2: float
    wall_mm: float
    solid_percent: float
    sleeve_fill_percent: float
    fast_m_s: float
    cylinder_kgf_cm2: float
    clamping_tf: float
    biscuit_mm: float
    cycle_s: float
    spray_s: tuple[float, float]


PRODUCTS: Mapping[int, Product] = {
    1: Product(60, 180, 260, 290, 2.5, 30, 45, 2.60, 165, 320, 24, 32, (1.0, 1.2)),
    2: Product(70, 260, 420, 410, 3.0, 32, 50, 2.45, 175, 335, 28, 38, (1.4, 1.8)),
}
#: Effect of a mold: extra log-odds of air defects from its vents, of opening from its wear.
MOLDS: Mapping[int, tuple[tuple[str, float, float], ...]] = {
    1: (("P1-A", -0.2, 0.0), ("P1-B", 0.5, 0.3)),
    2: (("P2-A", 0.0, -0.1), ("P2-B", 0.3, 0.6)),
}
_CYLINDER_MM = 140.0
_LIMITS = {
    "Air_Pressure_Min": 4.0,
    "Air_Pressure_Max": 8.0,
    "Coolant_Temp_Min": 15.0,
    "Coolant_Temp_Max": 45.0,
    "Factory_Temp_Min": 10.0,
    "Factory_Temp_Max": 35.0,
    "Factory_Humidity_Min": 30.0,
    "Factory_Humidity_Max": 70.0,
}

#: Kinds of defect: how common beside one another, and what each depends on (log-odds per unit of a
#: cause; causes are scaled to about one unit of ordinary scatter).
_KINDS: Mapping[str, tuple[float, Mapping[str, float]]] = {
    "Short_Shot": (0.22, {"freeze": 1.7}),
    "Bubble": (0.08, {"air": 1.3, "hot": 0.6}),
    "Exfoliation": (0.12, {"hot": 1.3, "freeze": 0.5}),
    "Blow_Hole": (0.24, {"air": 1.2, "pressure": 1.3}),
    "Stain": (0.14, {"wet": 1.5}),
    "Dent": (0.01, {}),
    "Deformation": (0.10, {"open": 1.5}),
    "Contamination": (0.01, {"wet": 0.5}),
    "Impurity": (0.01, {"melt": 1.0}),
    "Crack": (0.01, {"freeze": 0.6}),
    "Scratch": (0.01, {"hot": 0.6}),
    "Buring_Mark": (0.02, {"hot": 1.6}),
    "Inclusions": (0.01, {"melt": 1.2}),
}
#: Cavity 2 lies farther from the gate: it fills later and gets less pressure.
_CAVITY_OFFSET = {1: 0.0, 2: -0.5}
#: Standard deviation, in log-odds, of what no sensor sees (die lubricant, ladle skin, ejection).
_UNSEEN = 0.5
#: How strongly causes act; sets the ROC AUC a model reaches on 6,000 shots, .80 to .90.
_GAIN = 2.3


@dataclass(frozen=True, eq=False)
class GeneratedShots:
    """Synthetic shots.

    Attributes
    ----------
    columns : dict of str to array or list, each of length n_shots
        Canonical columns, NaN for missing.
    n_shots : int
    seed : int
    """

    columns: dict[str, Any]
    n_shots: int
    seed: int

    @property
    def file_name(self) -> str:
        """A name that says what the file is."""
        return f"synthetic_diecasting_{self.n_shots}_seed{self.seed}.csv"

    def to_csv(self) -> bytes:
        """Return the shots as the family's files are written: UTF-8, two header rows."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([_group(name) for name in self.columns])
        writer.writerow([_STRAY.get(name, name) for name in self.columns])
        cells = [_cells(name, values) for name, values in self.columns.items()]
        writer.writerows(zip(*cells, strict=True))
        return text.getvalue().encode()

    def write_csv(self, path: str | Path) -> None:
        """Write `to_csv` to a file."""
        Path(path).write_bytes(self.to_csv())

    def table(self) -> ShotTable:
        """Return the shots as the importer reads them."""
        return read_table(io.BytesIO(self.to_csv()), require_label=True)


def generate(
    n_shots: int,
    seed: int,
    *,
    defect_share: float = 0.2,
    copied_share: float = 0.02,
    missing_share: float = 0.01,
) -> GeneratedShots:
    """Make shots.

    Parameters
    ----------
    n_shots : int
        Rows, copies included; 1 to 1,000,000.
    seed : int
        Same arguments, same shots.
    defect_share : float
        Expected share of shots with any defect, in [0.01, 0.9]; the drawn share scatters around it.
    copied_share : float
        Share of rows that repeat the row before, in [0, 0.5].
    missing_share : float
        Share of rows without climate values, in [0, 0.5]; they come in blocks.

    Raises
    ------
    ValueError
        If an argument lies outside.
    """
    _check_arguments(n_shots, defect_share, copied_share, missing_share)
    rng = seeds.generator(seed)
    n_copies = int(n_shots * copied_share)
    n_made = n_shots - n_copies
    lots = _lots(n_made, rng)
    process = _process(lots, rng)
    causes = _causes(lots, process)
    flags = _flags(causes, lots, defect_share, rng)
    columns: dict[str, Any] = {**_features(lots, process), **flags}
    made_at = _made_at(columns["Cycle_Time"])
    order = _with_copies(n_made, n_copies, rng)
    columns = {name: values[order] for name, values in columns.items()}
    _drop_climate(columns, missing_share, rng)
    ids = np.arange(1, n_shots + 1)
    metadata = {
        "Made_At": [made_at[row].isoformat(timespec="seconds") for row in order],
        "Mold": [lots.mold[row] for row in order],
        "Shift": [_shift(made_at[row]) for row in order],
        "Source": [SOURCE] * n_shots,
    }
    return GeneratedShots({"id": ids, **columns, **metadata}, n_shots, seed)


def _check_arguments(
    n_shots: int, defect_share: float, copied_share: float, missing_share: float
) -> None:
    bounds = {
        "n_shots": (n_shots, 1, MAX_SHOTS),
        "defect_share": (defect_share, 0.01, 0.9),
        "copied_share": (copied_share, 0.0, 0.5),
        "missing_share": (missing_share, 0.0, 0.5),
    }
    for name, (value, low, high) in bounds.items():
        if not low <= value <= high:
            raise ValueError(f"{name} is {value}: it must lie between {low} and {high}.")


@dataclass(frozen=True, eq=False)
class _Lots:
    """What is cast when: arrays over shots."""

    product: NDArray[np.int64]
    shot: NDArray[np.int64]
    mold: list[str]
    vents: Floats
    wear: Floats

    def sheet(self, name: str) -> Floats:
        """Return one figure of the setting sheet for every shot."""
        by_product = {number: float(getattr(item, name)) for number, item in PRODUCTS.items()}
        return np.array([by_product[number] for number in self.product.tolist()])


def _lots(n_shots: int, rng: np.random.Generator) -> _Lots:
    """Return lots of 300 to 900 shots, products in turn, a mold at random."""
    product: list[int] = []
    shot: list[int] = []
    mold: list[str] = []
    vents: list[float] = []
    wear: list[float] = []
    number = 1
    while len(product) < n_shots:
        size = min(int(rng.integers(300, 901)), n_shots - len(product))
        name, vent, worn = MOLDS[number][int(rng.integers(2))]
        product += [number] * size
        shot += range(1, size + 1)
        mold += [name] * size
        # Vents clog and parting lines wear until the next cleaning between lots.
        vents += (vent + 0.8 * np.arange(size) / 600).tolist()
        wear += (worn + 0.4 * np.arange(size) / 600).tolist()
        number = 2 if number == 1 else 1
    return _Lots(np.array(product), np.array(shot), mold, np.array(vents), np.array(wear))


def _wander(n: int, sd: float, memory: float, rng: np.random.Generator) -> Floats:
    """Return a wandering series of mean 0: first-order autoregressive, standard deviation `sd`.

    Half of the variance is memory, which lasts about ``1 / (1 - memory)`` shots; the other half is
    new with every shot.
    """
    steady = sd * math.sqrt(0.5)
    noise = rng.normal(0.0, steady * math.sqrt(1 - memory**2), n)
    noise[0] = rng.normal(0.0, steady)
    series = accumulate(noise.tolist(), lambda before, new: memory * before + new)
    return np.fromiter(series, dtype=np.float64, count=n) + rng.normal(0.0, steady, n)


def _process(lots: _Lots, rng: np.random.Generator) -> dict[str, Floats]:
    """Return what the machine did and the plant measured, before rounding."""
    n = len(lots.product)
    refill = np.arange(n) % 40
    clock_h = np.arange(n) * 36.0 / 3600
    day = np.sin(2 * np.pi * (clock_h - 9) / 24)
    room = 22 + 4 * day + _wander(n, 2.5, 0.999, rng)
    cylinder = lots.sheet("cylinder_kgf_cm2") + _wander(n, 5, 0.99, rng) + rng.normal(0, 2, n)
    efficiency = np.clip(0.93 + _wander(n, 0.015, 0.995, rng), 0.8, 0.99)
    plunger = lots.sheet("plunger_mm")
    spray_1 = _sprayed(lots, 0, rng)
    spray_2 = _sprayed(lots, 1, rng)
    spray = 5.0 + spray_1 + spray_2 + rng.normal(0, 0.1, n)
    stopped = rng.random(n) < 0.006
    cycle = lots.sheet("cycle_s") + (spray - 7.5) + rng.normal(0, 0.5, n)
    cycle += np.where(stopped, rng.exponential(180, n), 0.0)
    dosing = _wander(n, 2.0, 0.98, rng) - 0.06 * refill + 1.2
    return {
        "Velocity_1": np.clip(0.19 + _wander(n, 0.025, 0.995, rng), 0.05, 0.5),
        "Velocity_2": np.clip(0.26 + _wander(n, 0.03, 0.995, rng), 0.08, 0.6),
        "Velocity_3": np.clip(0.34 + _wander(n, 0.03, 0.99, rng), 0.1, 0.8),
        "High_Velocity": np.clip(
            lots.sheet("fast_m_s") + _wander(n, 0.16, 0.99, rng) + rng.normal(0, 0.05, n), 0.8, 6
        ),
        "Cylinder_Pressure": cylinder,
        "Rapid_Rise_Time": np.clip(0.018 + _wander(n, 0.003, 0.98, rng), 0.004, 0.1),
        "Biscuit_Thickness": np.clip(
            lots.sheet("biscuit_mm") + dosing + rng.normal(0, 2, n), 2, 80
        ),
        "Clamping_Force": lots.sheet("clamping_tf") + _wander(n, 7, 0.995, rng),
        "Cycle_Time": cycle,
        "Pressure_Rise_Time": np.clip(0.030 + _wander(n, 0.005, 0.99, rng), 0.008, 0.2),
        "Casting_Pressure": physics.casting_pressure_kgf_cm2(
            cylinder, _CYLINDER_MM, plunger, efficiency
        ),
        "Spray_Time": spray,
        "Spray_1_Time": spray_1,
        "Spray_2_Time": spray_2,
        "Melting_Furnace_Temp": 668 - 0.25 * refill + _wander(n, 7, 0.995, rng),
        "Air_Pressure": np.clip(5.8 - 0.2 * day + _wander(n, 0.3, 0.99, rng), 3, 9),
        "Coolant_Temp": 24 + 0.3 * (room - 22) + _wander(n, 0.8, 0.995, rng),
        "Coolant_Pressure": np.clip(3 + _wander(n, 0.25, 0.995, rng), 0.8, 6),
        "Factory_Temp": room,
        "Factory_Humidity": np.clip(52 - 5 * day + _wander(n, 8, 0.999, rng), 10, 98),
    }


def _sprayed(lots: _Lots, nozzle: int, rng: np.random.Generator) -> Floats:
    """Return a spray time that operators turn up and down in tenths of a second for a while."""
    base = {number: item.spray_s[nozzle] for number, item in PRODUCTS.items()}
    turned = _wander(len(lots.product), 0.3, 0.998, rng)
    return np.clip(np.array([base[number] for number in lots.product.tolist()]) + turned, 0.3, 6)


def _die_temp(lots: _Lots, process: Mapping[str, Floats]) -> Floats:
    """Return the die's temperature at each shot; a lot starts with a die preheated to 160 °C."""
    temperatures = np.empty(len(lots.product))
    shots = lots.shot.tolist()
    inputs = zip(
        (process["Melting_Furnace_Temp"] - 30).tolist(),
        process["Coolant_Temp"].tolist(),
        process["Coolant_Pressure"].tolist(),
        process["Cycle_Time"].tolist(),
        process["Spray_Time"].tolist(),
        strict=True,
    )
    die_c = 160.0
    for index, (metal_c, coolant_c, coolant_bar, cycle_s, spray_s) in enumerate(inputs):
        if shots[index] == 1:
            die_c = 160.0
        # The cycle time of a shot runs up to it: the die has cooled through a stop before it.
        die_c = physics.die_temp_after_shot_c(
            die_c, metal_c, coolant_c, coolant_bar, cycle_s, spray_s
        )
        temperatures[index] = die_c
    return temperatures


def _causes(lots: _Lots, process: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return what makes castings bad, each scaled to about one unit of ordinary scatter."""
    die_c = _die_temp(lots, process)
    found = {name: np.zeros(len(die_c)) for name in ("freeze", "air", "pressure", "open")}
    for number, item in PRODUCTS.items():
        chosen = lots.product == number
        part = {name: values[chosen] for name, values in process.items()}
        for name, values in _product_causes(item, part, die_c[chosen]).items():
            found[name][chosen] = values
    wetness = (
        process["Spray_1_Time"] + process["Spray_2_Time"] - 0.25 * (process["Air_Pressure"] - 5.8)
    )
    return {
        "freeze": found["freeze"],
        "air": found["air"] + lots.vents,
        "pressure": found["pressure"],
        "open": found["open"] + lots.wear,
        "hot": (die_c - 190) / 14 - (process["Air_Pressure"] - 5.8) / 0.6,
        "wet": (wetness - 2.7) / 1.2 + (process["Factory_Humidity"] - 55) / 25 - (die_c - 190) / 45,
        "melt": (process["Melting_Furnace_Temp"] - 665) / 8,
    }


def _product_causes(item: Product, part: Mapping[str, Floats], die_c: Floats) -> dict[str, Floats]:
    # Metal loses heat in the sleeve while the slow shot runs over 0.35 m, about 12 °C a second.
    slow_s = 0.35 / part["Velocity_1"]
    gate_c = part["Melting_Furnace_Temp"] - 20 - 12 * slow_s
    fill_s = physics.fill_time_s(part["High_Velocity"], item.plunger_mm, item.cavity_cm3)
    fill_s = fill_s + part["Rapid_Rise_Time"] / 2
    longest_s = physics.longest_fill_time_s(item.wall_mm, gate_c, die_c, item.solid_percent)
    wave_m_s = physics.critical_slow_speed_m_s(item.plunger_mm, item.sleeve_fill_percent)
    slow_m_s = (part["Velocity_1"] + part["Velocity_2"] + part["Velocity_3"]) / 3
    gate_m_s = physics.gate_speed_m_s(part["High_Velocity"], item.plunger_mm, item.gate_mm2)
    reaching = physics.transmitted_pressure_kgf_cm2(
        part["Casting_Pressure"], part["Biscuit_Thickness"], part["Pressure_Rise_Time"]
    )
    opening = physics.opening_force_tf(part["Casting_Pressure"], item.projected_cm2)
    return {
        "freeze": (fill_s / longest_s - 0.99) / 0.08,
        "air": np.abs(slow_m_s / wave_m_s - 3.6) / 0.35 + (gate_m_s - 42) / 8 - 0.8,
        "pressure": (450 - reaching) / 75,
        "open": (opening / part["Clamping_Force"] - 0.79) / 0.05,
    }


def _flags(
    causes: Mapping[str, Floats], lots: _Lots, defect_share: float, rng: np.random.Generator
) -> dict[str, NDArray[np.int64]]:
    """Draw the flags so that the expected share of bad shots is as asked."""
    n = len(lots.product)
    log_odds = {}
    for cavity in CAVITIES:
        for kind, (share, weights) in _KINDS.items():
            seen = sum((gain * causes[name] for name, gain in weights.items()), np.zeros(n))
            unseen = rng.normal(0.0, _UNSEEN, n)
            offset = np.log(share) + _CAVITY_OFFSET[cavity]
            log_odds[f"{kind}_{cavity}"] = _GAIN * seen + unseen + offset
    level = _level(np.array(list(log_odds.values())), defect_share)
    drawn = {name: rng.random(n) < expit(odds + level) for name, odds in log_odds.items()}
    return {name: drawn[name].astype(np.int64) for name in DEFECT_FLAGS}


def _level(log_odds: Floats, defect_share: float) -> float:
    """Return what to add to all log-odds [n_flags, n] for the expected share, by bisection."""
    low, high = -40.0, 40.0
    for _ in range(60):
        middle = (low + high) / 2
        clean = np.exp(np.log1p(-expit(np.minimum(log_odds + middle, 30.0))).sum(axis=0))
        low, high = (low, middle) if 1 - clean.mean() > defect_share else (middle, high)
    return (low + high) / 2


def _features(lots: _Lots, process: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return the 30 features in order, rounded as sensors resolve them."""
    n = len(lots.product)
    given: dict[str, Floats] = {
        "Product_Type": lots.product.astype(np.float64),
        "Shot": lots.shot.astype(np.float64),
        **process,
        **{name: np.full(n, value) for name, value in _LIMITS.items()},
    }
    return {name: np.round(given[name], _DECIMALS.get(name, 1)) for name in FEATURE_NAMES}


def _made_at(cycle_s: Floats) -> list[datetime]:
    elapsed = np.cumsum(cycle_s)
    return [_START + timedelta(seconds=float(seconds)) for seconds in elapsed]


def _shift(moment: datetime) -> str:
    hours = (moment - _START) // timedelta(hours=_SHIFT_HOURS)
    return _SHIFTS[hours % len(_SHIFTS)]


def _with_copies(n_made: int, n_copies: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the order in which shots are written, copies right behind their shot."""
    return np.sort(np.r_[np.arange(n_made), rng.integers(n_made, size=n_copies)])


def _drop_climate(columns: dict[str, Any], missing_share: float, rng: np.random.Generator) -> None:
    """Blank the climate columns in blocks of about thirty rows."""
    n = len(columns[FEATURE_NAMES[0]])
    n_missing = int(n * missing_share)
    missing = np.zeros(n, dtype=bool)
    while missing.sum() < n_missing:
        start = int(rng.integers(n))
        missing[start : start + min(30, n_missing - int(missing.sum()))] = True
    for name in _CLIMATE:
        columns[name] = np.where(missing, np.nan, columns[name])


def _group(name: str) -> str:
    if name in BY_NAME:
        return BY_NAME[name].group.capitalize()
    if name in DEFECT_FLAGS:
        return "Defects"
    return "Process" if name == "id" else "Metadata"


def _cells(name: str, values: Any) -> list[str]:
    if name in BY_NAME:
        decimals = _DECIMALS.get(name, 1)
        return ["" if value != value else f"{value:.{decimals}f}" for value in values.tolist()]
    return [str(value) for value in values]
