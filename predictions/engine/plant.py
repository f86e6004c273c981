"""A die-casting plant in numbers: what is cast, how the machine runs, what makes castings bad.

A machine of 350 t casts two products, each in two molds, in lots. Settings wander with shift, mold
and wear; a lumped die warms up and cools through stops; the formulae of `physics` turn both into
causes of defects. All figures are of textbook size, none is taken from a real plant.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from predictions.engine import physics

Floats = NDArray[np.float64]


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
CYLINDER_MM = 140.0
#: Mean of the slow phases, in critical speeds, that encloses least air, and its scatter. Ours: a
#: plunger that speeds up evenly from rest to the critical speed is at about half of it on the way.
SLOW_SHARE, SLOW_SCATTER = 0.573627, 0.0557693


@dataclass(frozen=True)
class Plant:
    """What can be cast: products by number, and the molds of each with their effects."""

    products: Mapping[int, Product]
    molds: Mapping[int, tuple[tuple[str, float, float], ...]]


DEMO = Plant(PRODUCTS, MOLDS)


@dataclass(frozen=True, eq=False)
class Lots:
    """What is cast when: arrays over shots."""

    product: NDArray[np.int64]
    shot: NDArray[np.int64]
    mold: list[str]
    vents: Floats
    wear: Floats
    plant: Plant = DEMO

    def sheet(self, name: str) -> Floats:
        """Return one figure of the setting sheet for every shot."""
        products = self.plant.products
        by_product = {number: float(getattr(item, name)) for number, item in products.items()}
        return np.array([by_product[number] for number in self.product.tolist()])


def make_lots(n_shots: int, rng: np.random.Generator) -> Lots:
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
    return Lots(np.array(product), np.array(shot), mold, np.array(vents), np.array(wear))


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


def run_machine(lots: Lots, rng: np.random.Generator) -> dict[str, Floats]:
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
            cylinder, CYLINDER_MM, plunger, efficiency
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


def _sprayed(lots: Lots, nozzle: int, rng: np.random.Generator) -> Floats:
    """Return a spray time that operators turn up and down in tenths of a second for a while."""
    base = {number: item.spray_s[nozzle] for number, item in lots.plant.products.items()}
    turned = _wander(len(lots.product), 0.3, 0.998, rng)
    return np.clip(np.array([base[number] for number in lots.product.tolist()]) + turned, 0.3, 6)


def _die_temp(lots: Lots, process: Mapping[str, Floats]) -> Floats:
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


def find_causes(lots: Lots, process: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return what makes castings bad, each scaled to about one unit of ordinary scatter."""
    die_c = _die_temp(lots, process)
    found = {name: np.zeros(len(die_c)) for name in ("freeze", "air", "pressure", "open")}
    for number, item in lots.plant.products.items():
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
        "air": np.abs(slow_m_s / wave_m_s - SLOW_SHARE) / SLOW_SCATTER + (gate_m_s - 42) / 8 - 0.8,
        "pressure": (450 - reaching) / 75,
        "open": (opening / part["Clamping_Force"] - 0.79) / 0.05,
    }
