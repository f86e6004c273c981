"""Process planning: which operations a part needs, in which order.

One function a family yields operation codes in order. The rules are those of the shop floor:
tight diameters are ground after hardening, hard chrome is ground again, castings are blasted,
safety parts are crack-tested. Limits lie between the values that sizes and tolerances are rounded
to, so that a part exactly on a limit is no toss of a coin. Dates at which a rule changed are
constants of this module.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date

from predictions.engine.routing.synthetic.habits import Habits
from predictions.engine.routing.synthetic.parts import FIRST_DAY, Part

Rule = Callable[[Part, Habits], Iterator[str]]


def _day(year: int, month: int, day: int) -> int:
    return (date(year, month, day) - FIRST_DAY).days


#: Traceable parts are laser-marked from here on.
MARKING_SINCE = _day(2021, 7, 1)
#: Hydraulic parts are washed ultrasonically from here on.
ULTRASONIC_SINCE = _day(2022, 4, 1)
#: Hexavalent chrome is no longer planned for cars and electronics from here on.
CHROME_UNTIL = _day(2023, 7, 1)

PLATING: Mapping[str, str] = {
    "아연도금": "ZINC", "크롬도금": "CHROME", "무전해니켈": "NICKEL", "흑착색": "BLACKEN",
    "아노다이징": "ANODIZE", "도장": "PAINT", "인산염": "PHOSPHATE",
}  # fmt: skip
HEATING: Mapping[str, str] = {
    "조질": "QT", "침탄": "CARBURIZE", "고주파": "INDUCTION", "질화": "NITRIDE",
    "전경화": "HARDEN", "시효": "AGE",
}  # fmt: skip


def _stock(p: Part, h: Habits) -> Iterator[str]:
    """Yield how the blank is made."""
    if p.form == "판재":
        yield "LASER" if p.thickness <= 13 and p.family != "PLATE" else "SAW"
    elif p.form == "주조품":
        yield "DIECAST" if p.material_group == "diecast" else "SANDCAST"
        yield "TRIM" if p.material_group == "diecast" else "BLAST"
        if p.material_group == "iron" and (p.tolerance <= 30.5 or p.length > 302):
            yield "STRESS_RELIEF"
    elif p.form == "단조품":
        yield "FORGE"
        if h.turns_before_forge_anneal and p.outer > 60.5:
            yield "SKIM"
        if p.material_group in {"carbon", "alloy", "case"}:
            yield "NORMALIZE"
    elif p.outer > 65.5 or p.annual < 20_000:
        # Thin bar in quantity goes through a bar feeder uncut.
        yield "SAW"


def _turning(p: Part, h: Habits) -> Iterator[str]:
    """Yield turning up to the soft-finished state, with quench and temper between the cuts."""
    if p.slenderness > h.centers_from and p.outer <= 122:
        yield "CENTER"
    if p.outer > 402:
        if p.heat == "조질":
            yield from _heat(p, h)
        yield "VTL"
        return
    is_split = p.outer >= h.rough_from_mm or p.heat == "조질" or p.tolerance <= 12.5
    if is_split:
        yield "ROUGH_TURN"
        if p.heat == "조질":
            yield from _heat(p, h)
        yield "FINISH_TURN"
    else:
        yield "TURN"


def _holes(p: Part, h: Habits) -> Iterator[str]:
    """Yield drilling and tapping on a press, or both at once on a machining centre."""
    if p.holes + p.threads >= h.holes_on_center:
        yield "MCT"
        return
    if p.holes:
        yield "DRILL"
    if p.threads:
        yield "TAP"


def _deburr_now(p: Part, h: Habits) -> Iterator[str]:
    if h.deburrs_at_once:
        yield "DEBURR"


def _heat(p: Part, h: Habits) -> Iterator[str]:
    """Yield heat treatment with what belongs to it."""
    if p.heat == "없음":
        return
    yield HEATING[p.heat]
    if p.heat in {"침탄", "전경화"}:
        yield "BLAST"
    if p.heat != "시효" and p.is_rotational and p.slenderness > 9:
        yield "STRAIGHTEN"
    if h.checks_after_heat and p.hardness > 0:
        yield "HARDNESS_TEST"


def _cylindrical(p: Part, h: Habits) -> Iterator[str]:
    """Yield the fine finish of outer and inner diameters."""
    needs_grinding = p.tolerance <= 22.5 or p.roughness <= 0.4 or p.hardness >= 50
    if needs_grinding:
        is_centerless = p.family in {"PIN", "ROLLER"} and p.outer <= 40.5 and p.annual >= 3_000
        yield "CENTERLESS" if is_centerless else "CYL_GRIND"
    if p.inner >= 8 and (p.tolerance <= 18.5 or p.hardness >= 50):
        yield "ID_GRIND" if p.inner <= 250 else "BORE"


def _surface(p: Part, h: Habits) -> Iterator[str]:
    """Yield the coating, and the second grinding that hard chrome on a tight diameter asks for."""
    coat = PLATING.get(p.surface)
    if coat == "CHROME" and p.industry in {"자동차", "반도체"} and p.created_day >= CHROME_UNTIL:
        coat = "NICKEL"
    if coat is None:
        return
    if coat in {"PAINT", "ANODIZE"} and p.form == "주조품" and p.material_group != "diecast":
        yield "PUTTY"
    yield coat
    if coat == "CHROME" and p.is_rotational and p.tolerance <= 30.5:
        yield "CYL_GRIND"


def _closing(p: Part, h: Habits) -> Iterator[str]:
    """Yield what every part goes through at the end."""
    if not h.deburrs_at_once:
        yield "DEBURR"
    if p.industry == "항공" or (p.customer == "S" and p.industry in {"자동차", "조선"}):
        yield "MPI" if p.is_ferrous else "PT"
    if p.pressure_tight:
        yield "LEAK_TEST"
    if p.industry == "유압" and p.created_day >= ULTRASONIC_SINCE:
        yield "ULTRASONIC"
    elif h.washes_always or p.roughness <= 0.4:
        yield "WASH"
    yield "CMM" if p.tolerance <= 10.5 or p.customer == "S" else "INSPECT"
    if p.traceability and p.created_day >= MARKING_SINCE:
        yield "LASER_MARK"
    if p.is_ferrous and p.surface in {"없음", "인산염"}:
        yield "OIL"
    if p.plant != "P3":
        yield "PACK"


def _hard_and_fine(p: Part, h: Habits) -> Iterator[str]:
    """Yield hardening (unless done between the cuts) and the fine finish."""
    if p.heat != "조질":
        yield from _heat(p, h)
    yield from _cylindrical(p, h)


def shaft(p: Part, h: Habits) -> Iterator[str]:
    yield from _stock(p, h)
    if p.subgroup == "중공축":
        yield "GUN_DRILL"
    yield from _turning(p, h)
    if p.keyways:
        yield "KEYWAY"
    if p.subgroup == "스플라인축":
        yield "SPLINE"
    yield from _holes(p, h)
    yield from _deburr_now(p, h)
    yield from _hard_and_fine(p, h)
    if p.subgroup == "모터축" and p.tolerance <= 14.5:
        yield "BALANCE"
    yield from _surface(p, h)
    yield from _closing(p, h)


def gear(p: Part, h: Habits) -> Iterator[str]:
    yield from _stock(p, h)
    yield from _turning(p, h)
    if p.keyways:
        yield "BROACH" if p.annual >= 5_000 else "SLOT"
    yield "SHAPE" if p.subgroup == "내접" else "HOB"
    yield from _holes(p, h)
    if p.grade in {"IT6", "IT7"} and p.hardness < 50 and p.subgroup != "내접":
        yield "SHAVE"
    yield from _deburr_now(p, h)
    yield from _hard_and_fine(p, h)
    if p.hardness >= 50 and p.grade in {"IT5", "IT6"}:
        yield "GEAR_GRIND"
    yield from _surface(p, h)
    yield from _closing(p, h)


def pin(p: Part, h: Habits) -> Iterator[str]:
    yield from _stock(p, h)
    yield "TURN"
    if p.subgroup == "힌지핀" or p.holes:
        yield "DRILL"
    if p.threads:
        yield "TAP"
    yield from _deburr_now(p, h)
    yield from _heat(p, h)
    yield from _cylindrical(p, h)
    if p.roughness <= 0.2:
        yield "LAP"
    yield from _surface(p, h)
    yield from _closing(p, h)


def bush(p: Part, h: Habits) -> Iterator[str]:
    yield from _stock(p, h)
    yield from _turning(p, h)
    if p.subgroup == "오일리스":
        yield "OIL_GROOVE"
    yield from _holes(p, h)
    yield from _deburr_now(p, h)
    yield from _hard_and_fine(p, h)
    if p.tolerance <= 12.5 and p.inner >= 6:
        yield "HONE"
    if p.subgroup == "오일리스":
        yield "IMPREGNATE"
    yield from _surface(p, h)
    yield from _closing(p, h)


def ring(p: Part, h: Habits) -> Iterator[str]:
    yield from _stock(p, h)
    yield from _turning(p, h)
    if p.subgroup == "고정링":
        yield "SLIT"
    yield from _holes(p, h)
    yield from _deburr_now(p, h)
    yield from _hard_and_fine(p, h)
    if p.subgroup != "고정링" and (p.thickness <= 8.2 or p.tolerance <= 20.5):
        yield "SURFACE_GRIND"
    if p.subgroup == "베어링링" and p.roughness <= 0.4:
        yield "SUPERFINISH"
    yield from _surface(p, h)
    yield from _closing(p, h)


def flange(p: Part, h: Habits) -> Iterator[str]:
    yield from _stock(p, h)
    yield from _turning(p, h)
    if p.subgroup == "축이음" and p.keyways:
        yield "SLOT"
    yield from _holes(p, h)
    yield from _deburr_now(p, h)
    if p.heat != "조질":
        yield from _heat(p, h)
    if p.subgroup == "축이음" and p.tolerance <= 35.5:
        yield "BALANCE"
    yield from _surface(p, h)
    yield from _closing(p, h)


def pulley(p: Part, h: Habits) -> Iterator[str]:
    yield from _stock(p, h)
    yield from _turning(p, h)
    if p.subgroup == "타이밍풀리":
        yield "HOB"
    if p.keyways:
        yield "BROACH" if p.annual >= 5_000 else "SLOT"
    yield from _holes(p, h)
    yield from _deburr_now(p, h)
    if p.heat != "조질":
        yield from _heat(p, h)
    if p.outer >= 147:
        yield "BALANCE"
    yield from _surface(p, h)
    yield from _closing(p, h)


def roller(p: Part, h: Habits) -> Iterator[str]:
    yield from _stock(p, h)
    if p.form == "파이프":
        yield "WELD"
        yield "STRESS_RELIEF"
    yield from _turning(p, h)
    if p.keyways:
        yield "KEYWAY"
    yield from _holes(p, h)
    yield from _deburr_now(p, h)
    yield from _hard_and_fine(p, h)
    if p.outer >= 99.5 and p.length >= 297:
        yield "BALANCE"
    yield from _surface(p, h)
    if p.roughness <= 0.4:
        yield "POLISH"
    yield from _closing(p, h)


def housing(p: Part, h: Habits) -> Iterator[str]:
    yield from _stock(p, h)
    if p.form == "블록" or p.length > 252:
        yield "MILL"
    yield "MCT"
    if p.tolerance <= 40.5 and p.subgroup == "기어박스":
        yield "BORE"
    if p.subgroup == "모터":
        yield "TURN" if p.outer <= 302 else "VTL"
    yield from _deburr_now(p, h)
    yield from _heat(p, h)
    if p.pressure_tight and p.form == "주조품":
        yield "IMPREGNATE"
    yield from _surface(p, h)
    yield from _closing(p, h)


def cover(p: Part, h: Habits) -> Iterator[str]:
    yield from _stock(p, h)
    if p.form == "판재":
        yield "BEND"
    elif p.subgroup == "절삭" or p.form == "블록":
        yield "MILL"
    yield from _holes(p, h)
    yield from _deburr_now(p, h)
    yield from _heat(p, h)
    yield from _surface(p, h)
    yield from _closing(p, h)


def bracket(p: Part, h: Habits) -> Iterator[str]:
    yield from _stock(p, h)
    if p.subgroup in {"절곡", "용접"} and p.form == "판재" and p.thickness <= 10:
        yield "BEND"
    if p.subgroup == "용접":
        yield "WELD"
        if p.thickness >= 5.2:
            yield "STRESS_RELIEF"
        yield "GRIND_WELD"
    if p.subgroup == "절삭" or p.tolerance <= 80.5:
        yield "MILL"
    yield from _holes(p, h)
    yield from _deburr_now(p, h)
    yield from _surface(p, h)
    yield from _closing(p, h)


def plate(p: Part, h: Habits) -> Iterator[str]:
    yield from _stock(p, h)
    if p.thickness >= 24.5 and p.material_group == "carbon":
        yield "STRESS_RELIEF"
    yield "MILL"
    yield from _holes(p, h)
    yield from _deburr_now(p, h)
    yield from _heat(p, h)
    if p.tolerance <= 45.5 or p.roughness <= 0.8:
        yield "SURFACE_GRIND"
    if p.subgroup == "금형판":
        yield "WIRE_EDM"
        if p.roughness <= 0.8:
            yield "POLISH"
    yield from _surface(p, h)
    yield from _closing(p, h)


def valve(p: Part, h: Habits) -> Iterator[str]:
    yield from _stock(p, h)
    if p.form == "환봉":
        yield from _turning(p, h)
    else:
        yield "MILL"
    yield from _holes(p, h)
    yield from _deburr_now(p, h)
    if p.heat != "조질" or p.form != "환봉":
        yield from _heat(p, h)
    if p.subgroup == "스풀":
        yield "CYL_GRIND"
        yield "HONE" if p.tolerance > 8.5 else "LAP"
    elif p.subgroup == "볼밸브" and p.tolerance <= 16.5:
        yield "LAP"
    yield from _surface(p, h)
    yield from _closing(p, h)


RULES: Mapping[str, Rule] = {
    "SHAFT": shaft, "GEAR": gear, "PIN": pin, "BUSH": bush, "RING": ring, "FLANGE": flange,
    "PULLEY": pulley, "ROLLER": roller, "HOUSING": housing, "COVER": cover, "BRACKET": bracket,
    "PLATE": plate, "VALVE": valve,
}  # fmt: skip


def plan(part: Part, habits: Habits) -> list[str]:
    """Return the operations of a part in order.

    Parameters
    ----------
    part : Part
        Its attributes as the planner judges them.
    habits : Habits
        How the planner decides what the rules leave open.
    """
    return list(RULES[part.family](part, habits))
