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
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from portal.lib import seeds
from predictions.engine.features import (
    BY_NAME,
    CAVITIES,
    DEFECT_FLAGS,
    FEATURE_NAMES,
    SYNTHETIC,
)
from predictions.engine.plant import Lots, find_causes, make_lots, run_machine
from predictions.engine.tables import ShotTable, read_table

Floats = NDArray[np.float64]

MAX_SHOTS = 1_000_000
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
    lots = make_lots(n_shots - n_copies, rng)
    process = run_machine(lots, rng)
    causes = find_causes(lots, process)
    spoilt = (n_copies, missing_share)
    return written(lots, process, causes, defect_share, spoilt, seed, rng)


def written(
    lots: Lots,
    process: Mapping[str, Floats],
    causes: Mapping[str, Floats],
    defect_share: float,
    spoilt: tuple[int, float],
    seed: int,
    rng: np.random.Generator,
) -> GeneratedShots:
    """Draw the defects and write the shots down as a logger does, copies and gaps included."""
    n_copies, missing_share = spoilt
    n_made = len(lots.product)
    n_shots = n_made + n_copies
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
        "Source": [SYNTHETIC] * n_shots,
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


def _flags(
    causes: Mapping[str, Floats], lots: Lots, defect_share: float, rng: np.random.Generator
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


def _features(lots: Lots, process: Mapping[str, Floats]) -> dict[str, Floats]:
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
