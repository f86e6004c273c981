"""Formulae of cold-chamber aluminium die casting that the demo generator rests on.

All functions take arrays (or numbers) in the units named and are pure. Sources: NADCA, *Die Casting
Process Engineering and Control* (E. A. Herman, 1996); L. W. Garber, *Filling of Cold Chamber during
Slow-Shot Travel*, Die Casting Engineer 26 (1982) 36; J. F. Wallace's fill-time relation as given by
NADCA. Constants are textbook values, not fitted to any plant.
"""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Die-material constant of hot-work steel in the fill-time relation, s/mm.
STEEL_K_S_PER_MM = 0.0346
#: Temperature equivalent of one percent solid for aluminium-silicon alloys, °C per percent.
SOLID_C_PER_PERCENT = 4.8
#: Lowest temperature at which the alloy still flows, °C.
FLOW_TEMP_C = 570.0
#: Garber's wave constant, m^0.5/s: critical speed of a plunger of 1 m at an empty sleeve. He gives
#: 22.8 inches a second for a plunger of one inch (NADCA); that is 0.579 m/s for 0.0254 m.
GARBER = 22.8 * math.sqrt(0.0254)
#: Kilogram-force per square centimetre times square centimetres, in tonne-force.
KGF_TO_TF = 1e-3


def gate_speed_m_s(plunger_m_s: Floats, plunger_mm: float, gate_mm2: float) -> Floats:
    """Return the speed of the metal in the gate by continuity."""
    return plunger_m_s * (np.pi / 4 * plunger_mm**2 / gate_mm2)


def fill_time_s(plunger_m_s: Floats, plunger_mm: float, cavity_cm3: float) -> Floats:
    """Return how long the fast shot takes to fill the cavities."""
    return cavity_cm3 * 1e-6 / (plunger_m_s * (np.pi / 4 * (plunger_mm * 1e-3) ** 2))


def longest_fill_time_s(
    wall_mm: float, gate_temp_c: Floats, die_temp_c: Floats, solid_percent: float
) -> Floats:
    """Return the fill time after which the metal freezes before the cavity is full (Wallace).

    ``t = K T (Ti - Tf + S Z) / (Tf - Td)`` with wall T, metal temperature Ti at the gate, flow
    temperature Tf, die temperature Td, solid share S allowed at the end of filling.
    """
    heat = gate_temp_c - FLOW_TEMP_C + solid_percent * SOLID_C_PER_PERCENT
    return STEEL_K_S_PER_MM * wall_mm * heat / (FLOW_TEMP_C - die_temp_c)


def critical_slow_speed_m_s(plunger_mm: float, sleeve_fill_percent: float) -> float:
    """Return the slow-shot speed at which the wave in the sleeve closes over no air (Garber).

    ``v = 3.63 (100 - f) / 100 sqrt(D)`` with the share f of the sleeve that is filled, in percent,
    and the plunger's diameter D in metres.
    """
    return GARBER * (100.0 - sleeve_fill_percent) / 100.0 * math.sqrt(plunger_mm * 1e-3)


def casting_pressure_kgf_cm2(
    cylinder_kgf_cm2: Floats, cylinder_mm: float, plunger_mm: Floats, efficiency: Floats
) -> Floats:
    """Return the pressure on the metal: cylinder pressure times ratio of areas, less friction."""
    return cylinder_kgf_cm2 * ((cylinder_mm / plunger_mm) ** 2) * efficiency


def opening_force_tf(casting_kgf_cm2: Floats, projected_cm2: float) -> Floats:
    """Return the force that pushes the die apart."""
    return casting_kgf_cm2 * projected_cm2 * KGF_TO_TF


def transmitted_pressure_kgf_cm2(
    casting_kgf_cm2: Floats, biscuit_mm: Floats, rise_time_s: Floats
) -> Floats:
    """Return the pressure that reaches the cavity before the gate freezes.

    A thin biscuit freezes and carries no pressure (about 1 - exp(-b / 8 mm)); a late rise meets a
    gate that freezes with a time constant of about 60 ms. Both constants are ours, of the order
    that NADCA gives for gates of 2 mm.
    """
    carried = 1.0 - np.exp(-biscuit_mm / 8.0)
    in_time = np.exp(-rise_time_s / 0.060)
    return casting_kgf_cm2 * carried * in_time


def die_temp_after_shot_c(
    die_c: float,
    metal_c: float,
    coolant_c: float,
    coolant_bar: float,
    cycle_s: float,
    spray_s: float,
) -> float:
    """Return the die's surface temperature one cycle later, as one lump of steel.

    A shot brings the die six percent nearer to the metal; the coolant draws it to its own
    temperature at 0.3 % a second at 3 bar, with the square root of its pressure; spray takes 1 °C
    a second at 200 °C, in proportion to what the die is above 100 °C. Balance lies near 200 °C.
    """
    heated = die_c + 0.06 * (metal_c - die_c)
    rate = 0.003 * math.sqrt(max(coolant_bar, 0.0) / 3.0)
    cooled = coolant_c + (heated - coolant_c) * math.exp(-rate * cycle_s)
    return cooled - spray_s * max(cooled - 100.0, 0.0) / 100.0
