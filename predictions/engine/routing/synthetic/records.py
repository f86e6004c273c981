"""From a part to the record an item master holds of it: columns, gaps and the odd wrong entry."""

from collections.abc import Mapping
from datetime import timedelta

from predictions.engine.routing.synthetic.dice import Dice
from predictions.engine.routing.synthetic.parts import FAMILY_BY_CODE, FIRST_DAY, Part

#: Share of records in which a column is empty although the part has the value. Flags and counts are
#: mandatory or come from the drawing system, so they are rarely empty; measured and copied sizes
#: more often.
MISSING: Mapping[str, float] = {
    "drawing_number": 0.01, "revision": 0.02, "specification": 0.08, "item_type": 0.01,
    "item_group": 0.02, "item_subgroup": 0.03, "shape": 0.05, "material": 0.01,
    "material_form": 0.02, "heat_treatment": 0.01, "surface_treatment": 0.01,
    "tolerance_class": 0.05, "customer_class": 0.005, "industry": 0.005, "planner_group": 0.005,
    "procurement": 0.05, "pressure_tight": 0.005, "traceability": 0.005,
    "outer_diameter_mm": 0.02, "inner_diameter_mm": 0.04, "thickness_mm": 0.04,
    "length_mm": 0.02, "width_mm": 0.05, "weight_kg": 0.06, "tolerance_um": 0.03,
    "roughness_um": 0.02, "hardness_hrc": 0.08, "gear_module_mm": 0.03, "tooth_count": 0.04,
    "hole_count": 0.005, "thread_count": 0.005, "keyway_count": 0.005, "lot_size": 0.04,
    "annual_quantity": 0.02,
}  # fmt: skip
#: Records kept by somebody in a hurry: this share of them, each column with this chance.
HURRIED_SHARE = 0.02
HURRIED_MISSING = 0.33
#: Weights entered in grams.
GRAMS_SHARE = 0.004


def item_record(part: Part, index: int, dice: Dice) -> dict[str, object]:
    """Return one row of the item master; None where the cell is empty.

    Zero sizes do not exist on a part (no bore, no teeth), so they are empty as well: an empty cell
    means "none" or "not written down", and only the other columns tell which.
    """
    record = _complete(part, index)
    chance = HURRIED_MISSING if dice.chance(HURRIED_SHARE) else 0.0
    for column, rate in MISSING.items():
        if dice.chance(max(rate, chance)):
            record[column] = None
    if record["weight_kg"] is not None and dice.chance(GRAMS_SHARE):
        record["weight_kg"] = min(part.weight * 1000, 50_000.0)
    for column in ("heat_treatment", "surface_treatment"):
        if record[column] == "없음" and dice.chance(0.1):
            record[column] = None
    return record


def _complete(part: Part, index: int) -> dict[str, object]:
    family = FAMILY_BY_CODE[part.family]
    return {
        "item_code": f"{part.family[:2]}{index:07d}",
        "drawing_number": part.drawing,
        "revision": part.revision,
        "item_name": part.name,
        "specification": part.specification,
        "item_type": part.family,
        "item_group": family.group,
        "item_subgroup": part.subgroup,
        "shape": family.shape,
        "material": part.material,
        "material_form": part.form,
        "heat_treatment": part.heat,
        "surface_treatment": part.surface,
        "tolerance_class": part.grade,
        "customer_class": part.customer,
        "industry": part.industry,
        "plant": part.plant,
        "planner_group": part.planner_group,
        "procurement": part.procurement,
        "pressure_tight": "Y" if part.pressure_tight else "N",
        "traceability": "Y" if part.traceability else "N",
        "outer_diameter_mm": part.outer,
        "inner_diameter_mm": part.inner or None,
        "thickness_mm": part.thickness or None,
        "length_mm": part.length,
        "width_mm": part.width or None,
        "weight_kg": part.weight,
        "tolerance_um": part.tolerance,
        "roughness_um": part.roughness,
        "hardness_hrc": part.hardness or None,
        "gear_module_mm": part.module or None,
        "tooth_count": float(part.teeth) if part.teeth else None,
        "hole_count": float(part.holes),
        "thread_count": float(part.threads),
        "keyway_count": float(part.keyways),
        "lot_size": float(part.lot),
        "annual_quantity": float(part.annual),
        "created_on": FIRST_DAY + timedelta(days=part.created_day),
    }
