"""Make months of die-casting shots in production order: molds come, go and come back.

The machine, its physics and its sensors are those of `generator`; the plant is larger. Every mold
casts a product of its own by its own setting sheet, and is prone to defects in its own way: how
strongly each cause acts, and how near to trouble the mold runs at rest, are drawn once for each. A
few molds are in production at a time, in lots; now and then one is taken out and another put in,
and a mold that returns has been overhauled, so that it is nearly but not quite the one it was. So
what was learnt from the first weeks says little about molds not yet seen, and something about those
that return.

All figures are ours, set before anything was measured on them and not changed since; the shots are
synthetic and marked as such.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from portal.lib import seeds
from predictions.engine.generator import MAX_SHOTS, GeneratedShots, written
from predictions.engine.plant import (
    PRODUCTS,
    Floats,
    Lots,
    Plant,
    Product,
    find_causes,
    run_machine,
)

#: Shots of a lot, and lots until one mold in production is replaced by another. A plant's lots are
#: several times longer and so are its months; what counts is that some thousand shots hold some
#: dozens of lots.
LOT_SHOTS = (40, 120)
LOTS_PER_CHANGE = 25
#: Standard deviations: of the logarithm of how strongly a cause acts on a mold, of how near to
#: trouble a mold runs, and of how much an overhaul changes that.
GAIN_SD = 0.6
NEARNESS_SD = 0.7
OVERHAUL_SD = 0.25
CAUSES = ("freeze", "air", "pressure", "open", "hot", "wet", "melt")


@dataclass(frozen=True, eq=False)
class _Mold:
    """How a mold turns causes into defects: factor and offset of each cause."""

    gains: Mapping[str, float]
    nearness: Mapping[str, float]


@dataclass(frozen=True)
class _Stay:
    """One lot: which mold, how many shots, and the how manieth overhaul it is in."""

    mold: int
    n_shots: int
    visit: int


def generate_stream(
    n_shots: int,
    seed: int,
    *,
    n_molds: int = 12,
    n_active: int = 4,
    defect_share: float = 0.2,
) -> GeneratedShots:
    """Make shots of a plant whose molds recur.

    Parameters
    ----------
    n_shots : int
        1 to 1,000,000.
    seed : int
        Same arguments, same shots.
    n_molds, n_active : int
        Molds in all, 2 to 200, and in production at a time, fewer.
    defect_share : float
        Expected share of shots with any defect over the whole stream, in [0.01, 0.9].

    Raises
    ------
    ValueError
        If an argument lies outside.
    """
    if not 1 <= n_shots <= MAX_SHOTS or not 0.01 <= defect_share <= 0.9:
        raise ValueError(f"{n_shots} shots with a defect share of {defect_share} cannot be made.")
    if not 1 <= n_active < n_molds <= 200:
        raise ValueError(f"{n_active} of {n_molds} molds in production: take 1 to {n_molds - 1}.")
    rng = seeds.generator(seed)
    plant = _plant(n_molds, rng)
    stays = _calendar(n_shots, n_molds, n_active, rng)
    lots = _lots(stays, plant)
    process = run_machine(lots, rng)
    causes = _by_mold(find_causes(lots, process), stays, n_molds, rng)
    return written(lots, process, causes, defect_share, (0, 0.0), seed, rng)


def _plant(n_molds: int, rng: np.random.Generator) -> Plant:
    """Return products near the two of the demonstration, one mold each."""
    bases = list(PRODUCTS.values())
    products = {
        number: _varied(bases[int(rng.integers(len(bases)))], rng)
        for number in range(1, n_molds + 1)
    }
    molds = {number: ((f"M{number:02d}", 0.0, 0.0),) for number in products}
    return Plant(products, molds)


def _varied(base: Product, rng: np.random.Generator) -> Product:
    """Return a product whose setting sheet differs from another by some percent."""

    def about(value: float, share: float) -> float:
        return float(value * np.exp(rng.normal(0.0, share)))

    return replace(
        base,
        fast_m_s=about(base.fast_m_s, 0.05),
        cylinder_kgf_cm2=about(base.cylinder_kgf_cm2, 0.04),
        clamping_tf=about(base.clamping_tf, 0.03),
        biscuit_mm=about(base.biscuit_mm, 0.08),
        cycle_s=about(base.cycle_s, 0.06),
        spray_s=(about(base.spray_s[0], 0.2), about(base.spray_s[1], 0.2)),
    )


def _calendar(n_shots: int, n_molds: int, n_active: int, rng: np.random.Generator) -> list[_Stay]:
    """Return the lots in order; each mold in production in turn, one of them replaced at times."""
    active = [int(mold) + 1 for mold in rng.permutation(n_molds)[:n_active]]
    visits = dict.fromkeys(range(1, n_molds + 1), 0)
    stays: list[_Stay] = []
    n_left = n_shots
    while n_left:
        if stays and len(stays) % LOTS_PER_CHANGE == 0:
            idle = [mold for mold in visits if mold not in active]
            entering = idle[int(rng.integers(len(idle)))]
            active[int(rng.integers(n_active))] = entering
            visits[entering] += 1
        mold = active[len(stays) % n_active]
        size = min(int(rng.integers(LOT_SHOTS[0], LOT_SHOTS[1] + 1)), n_left)
        stays.append(_Stay(mold, size, visits[mold]))
        n_left -= size
    return stays


def _lots(stays: list[_Stay], plant: Plant) -> Lots:
    sizes = [stay.n_shots for stay in stays]
    product = np.repeat([stay.mold for stay in stays], sizes)
    shot = np.concatenate([np.arange(1, size + 1) for size in sizes])
    # Vents clog and parting lines wear until the next cleaning between lots.
    worn = (shot - 1) / 600
    mold = [plant.molds[number][0][0] for number in product.tolist()]
    return Lots(product, shot, mold, 0.8 * worn, 0.4 * worn, plant)


def _by_mold(
    causes: Mapping[str, Floats], stays: list[_Stay], n_molds: int, rng: np.random.Generator
) -> dict[str, Floats]:
    """Let each mold react in its own way to what happens, by visit after each overhaul."""
    molds = {number: _draw_mold(rng) for number in range(1, n_molds + 1)}
    overhauls: dict[tuple[int, int], Mapping[str, float]] = {}
    product = np.repeat([stay.mold for stay in stays], [stay.n_shots for stay in stays])
    visit = np.repeat([stay.visit for stay in stays], [stay.n_shots for stay in stays])
    for key in sorted({(stay.mold, stay.visit) for stay in stays}):
        overhauls[key] = {name: float(rng.normal(0.0, OVERHAUL_SD)) for name in CAUSES}
    changed = {name: np.array(values) for name, values in causes.items()}
    for number, mold in molds.items():
        rows = product == number
        if rows.any():
            _react(changed, mold, rows)
    for (number, count), offsets in overhauls.items():
        rows = (product == number) & (visit == count)
        for name in CAUSES:
            changed[name][rows] += offsets[name]
    return changed


def _react(causes: dict[str, Floats], mold: _Mold, rows: NDArray[np.bool_]) -> None:
    for name in CAUSES:
        part = causes[name][rows]
        causes[name][rows] = mold.gains[name] * (part - np.median(part)) + mold.nearness[name]


def _draw_mold(rng: np.random.Generator) -> _Mold:
    return _Mold(
        {name: float(np.exp(rng.normal(0.0, GAIN_SD))) for name in CAUSES},
        {name: float(rng.normal(0.0, NEARNESS_SD)) for name in CAUSES},
    )
