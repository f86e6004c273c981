"""Planners: what a planner group does its own way, and where one person departs from the group.

An item master names the planner group, not the person, so a group's habits can be learned and a
person's cannot: that is the part of the noise nobody can predict.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from predictions.engine.routing.synthetic.dice import Dice


@dataclass(frozen=True)
class Habits:
    """Choices on which process planning leaves room.

    Attributes
    ----------
    rough_from_mm : float
        Outer diameter from which turning is split into roughing and finishing.
    centers_from : float
        Slenderness from which a part is centred for turning between centres.
    holes_on_center : int
        Holes from which a machining centre drills instead of a drill press.
    checks_after_heat : bool
        Whether an inspection follows heat treatment.
    deburrs_at_once : bool
        Whether deburring follows machining at once or waits until before washing.
    washes_always : bool
        Whether every part is washed before final inspection.
    turns_before_forge_anneal : bool
        Whether forged blanks are skimmed before normalising.
    setup_factor, run_factor : float
        How generous the planner is with time.
    """

    rough_from_mm: float
    centers_from: float
    holes_on_center: int
    checks_after_heat: bool
    deburrs_at_once: bool
    washes_always: bool
    turns_before_forge_anneal: bool
    setup_factor: float
    run_factor: float


GROUP_HABITS: Mapping[str, Habits] = {
    "G11": Habits(29.5, 4, 6, True, False, True, False, 1.00, 1.00),
    "G12": Habits(49.5, 6, 4, False, True, True, False, 1.10, 0.95),
    "G21": Habits(29.5, 5, 8, False, False, False, True, 0.90, 1.05),
    "G22": Habits(79.5, 5, 4, True, False, False, False, 1.05, 1.10),
    "G31": Habits(49.5, 4, 6, True, True, False, False, 0.95, 0.92),
    "G32": Habits(49.5, 6, 8, False, False, True, True, 1.15, 1.00),
}

#: The three planners of a group, by how much of its work they do.
PLANNER_SHARES: Mapping[int, float] = {0: 60, 1: 25, 2: 15}
#: How often a planner follows the personal habit instead of the group's; the first never does.
PERSONAL_SHARE = {0: 0.0, 1: 0.12, 2: 0.12}
#: Spread of the personal time factor (natural logarithm).
PERSONAL_TIME_SIGMA = 0.04


def planner_habits(group: str, planner: int, dice: Dice) -> Habits:
    """Return the habits with which one planner plans one part.

    Planner 1 never checks after heat treatment when the group does, and the other way round;
    planner 2 deburrs and splits turning in another way. Each follows it in `PERSONAL_SHARE` of the
    parts.
    """
    habits = GROUP_HABITS[group]
    if not dice.chance(PERSONAL_SHARE[planner]):
        return habits
    if planner == 1:
        return dataclasses.replace(habits, checks_after_heat=not habits.checks_after_heat)
    return dataclasses.replace(
        habits,
        deburrs_at_once=not habits.deburrs_at_once,
        rough_from_mm=habits.rough_from_mm + 15,
    )
