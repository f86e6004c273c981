"""What the generator makes: part families, materials, and how the attributes of a part are drawn.

The catalogue is ours, put together after the item masters of Korean machine shops: JIS/KS material
names, ISO 286 tolerance grades, standard roughness steps, sizes rounded as designers round them.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from math import pi

from predictions.engine.routing.synthetic.dice import Dice

FIRST_DAY = date(2019, 1, 1)
LAST_DAY = date(2025, 12, 31)


@dataclass(frozen=True)
class Material:
    """A material: class that the rules read, density in g/cm³ and cutting speed in m/min."""

    code: str
    group: str
    density: float
    cutting_speed: float


MATERIALS: Mapping[str, Material] = {
    material.code: material
    for material in (
        Material("SM45C", "carbon", 7.85, 180),
        Material("S20C", "carbon", 7.85, 200),
        Material("SS400", "carbon", 7.85, 190),
        Material("SCM440", "alloy", 7.85, 150),
        Material("SNCM439", "alloy", 7.85, 135),
        Material("SCM415", "case", 7.85, 170),
        Material("SCR420", "case", 7.85, 170),
        Material("SUJ2", "bearing", 7.83, 120),
        Material("SUS304", "stainless", 7.93, 100),
        Material("SUS316", "stainless", 7.98, 95),
        Material("SUS420J2", "martensitic", 7.75, 105),
        Material("STKM13A", "tube", 7.85, 190),
        Material("GC250", "iron", 7.25, 140),
        Material("GCD450", "iron", 7.15, 130),
        Material("AL6061", "aluminium", 2.70, 400),
        Material("AL7075", "aluminium", 2.81, 350),
        Material("ADC12", "diecast", 2.74, 380),
        Material("C3604", "copper", 8.50, 300),
        Material("BC6", "copper", 8.70, 220),
        Material("SPCC", "sheet", 7.85, 190),
        Material("SECC", "sheet", 7.85, 190),
    )
}

FERROUS = frozenset({"carbon", "alloy", "case", "bearing", "martensitic", "tube", "iron", "sheet"})


@dataclass(frozen=True)
class Family:
    """One part family: how its parts are named, shaped, made of and ordered."""

    code: str
    group: str
    shape: str
    share: float
    names_ko: tuple[str, ...]
    names_en: tuple[str, ...]
    subgroups: Mapping[str, float]
    materials: Mapping[str, float]
    forms: Mapping[str, float]
    outer: tuple[float, float]
    length: tuple[float, float]
    grades: Mapping[str, float]
    holes: tuple[float, int] = (0.2, 4)
    threads: tuple[float, int] = (0.2, 3)
    keyway_share: float = 0.0


FAMILIES: tuple[Family, ...] = (
    Family(
        "SHAFT", "회전체", "원통", 14, ("축", "샤프트", "구동축"), ("SHAFT", "SPINDLE", "AXLE"),
        {"단차축": 5, "스플라인축": 2, "중공축": 2, "모터축": 3},
        {"SM45C": 5, "SCM440": 4, "SNCM439": 1, "SUS304": 1, "SCM415": 1},
        {"환봉": 8, "단조품": 2}, (42, 0.5), (260, 0.6),
        {"IT5": 1, "IT6": 4, "IT7": 4, "IT8": 2, "IT9": 1}, (0.25, 4), (0.35, 3), 0.45,
    ),
    Family(
        "GEAR", "회전체", "원판", 10, ("기어", "치차"), ("GEAR", "PINION"),
        {"스퍼": 5, "헬리컬": 4, "내접": 2},
        {"SCM415": 4, "SCR420": 3, "SM45C": 3, "SCM440": 2},
        {"환봉": 5, "단조품": 5}, (110, 0.5), (38, 0.4),
        {"IT5": 1, "IT6": 3, "IT7": 4, "IT8": 2}, (0.2, 6), (0.1, 4), 0.5,
    ),
    Family(
        "PIN", "회전체", "원통", 9, ("핀", "고정핀"), ("PIN", "DOWEL PIN"),
        {"평행핀": 5, "테이퍼핀": 2, "힌지핀": 3},
        {"SM45C": 4, "SUJ2": 3, "SCM440": 2, "SUS420J2": 1},
        {"환봉": 1}, (12, 0.4), (52, 0.5),
        {"IT6": 4, "IT7": 4, "IT8": 2, "IT9": 2}, (0.2, 2), (0.12, 1),
    ),
    Family(
        "BUSH", "회전체", "원통", 9, ("부시", "부싱"), ("BUSH", "BUSHING"),
        {"오일리스": 4, "경화부시": 4, "플랜지부시": 3},
        {"BC6": 4, "SM45C": 3, "SUJ2": 2, "SCM415": 2, "C3604": 1},
        {"환봉": 6, "파이프": 4}, (38, 0.5), (34, 0.5),
        {"IT6": 2, "IT7": 5, "IT8": 3, "IT9": 1}, (0.25, 2), (0.05, 2),
    ),
    Family(
        "RING", "회전체", "원판", 7, ("링", "스페이서"), ("RING", "SPACER", "COLLAR"),
        {"스페이서": 5, "베어링링": 3, "고정링": 3},
        {"SM45C": 4, "SUJ2": 3, "STKM13A": 3, "SUS304": 2},
        {"환봉": 4, "파이프": 6}, (60, 0.5), (16, 0.5),
        {"IT6": 2, "IT7": 3, "IT8": 4, "IT9": 3}, (0.15, 4), (0.2, 3),
    ),
    Family(
        "FLANGE", "회전체", "원판", 8, ("플랜지", "후렌지"), ("FLANGE", "HUB"),
        {"블라인드": 3, "넥": 3, "축이음": 4},
        {"SS400": 3, "SM45C": 3, "SUS304": 2, "SUS316": 1, "GCD450": 2},
        {"단조품": 4, "주조품": 2, "환봉": 4}, (160, 0.5), (40, 0.4),
        {"IT7": 2, "IT8": 4, "IT9": 4, "IT11": 2}, (0.9, 12), (0.25, 8), 0.15,
    ),
    Family(
        "PULLEY", "회전체", "원판", 6, ("풀리", "활차"), ("PULLEY", "SHEAVE"),
        {"V풀리": 5, "타이밍풀리": 4, "평풀리": 2},
        {"GC250": 4, "SM45C": 4, "AL6061": 3},
        {"주조품": 4, "환봉": 6}, (130, 0.5), (44, 0.4),
        {"IT7": 4, "IT8": 4, "IT9": 3}, (0.35, 6), (0.35, 3), 0.6,
    ),
    Family(
        "ROLLER", "회전체", "원통", 6, ("롤러", "롤"), ("ROLLER", "ROLL"),
        {"이송롤": 4, "가이드롤": 4, "크롬롤": 3},
        {"STKM13A": 4, "SM45C": 4, "SUJ2": 1, "SUS304": 1},
        {"파이프": 5, "환봉": 5}, (80, 0.5), (380, 0.6),
        {"IT6": 3, "IT7": 4, "IT8": 3, "IT9": 1}, (0.1, 2), (0.3, 2), 0.15,
    ),
    Family(
        "HOUSING", "박스체", "각형", 8, ("하우징", "케이스"), ("HOUSING", "CASE", "BODY"),
        {"기어박스": 4, "펌프": 3, "모터": 4},
        {"GC250": 4, "GCD450": 3, "ADC12": 3, "AL6061": 1},
        {"주조품": 8, "블록": 2}, (180, 0.4), (220, 0.5),
        {"IT6": 1, "IT7": 5, "IT8": 4, "IT9": 1}, (1.0, 24), (0.95, 16),
    ),
    Family(
        "COVER", "박스체", "판형", 6, ("커버", "덮개"), ("COVER", "CAP"),
        {"다이캐스트": 4, "판금": 4, "절삭": 3},
        {"ADC12": 4, "SPCC": 4, "AL6061": 3, "GC250": 1},
        {"주조품": 4, "판재": 5, "블록": 2}, (120, 0.4), (140, 0.4),
        {"IT8": 2, "IT9": 4, "IT11": 5}, (0.9, 10), (0.4, 6),
    ),
    Family(
        "BRACKET", "판재류", "판형", 8, ("브라켓", "브래킷"), ("BRACKET", "BRKT"),
        {"용접": 4, "절곡": 5, "절삭": 3},
        {"SS400": 5, "SPCC": 3, "SECC": 1, "SUS304": 2, "AL6061": 1},
        {"판재": 8, "블록": 2}, (110, 0.4), (150, 0.5),
        {"IT8": 1, "IT9": 3, "IT11": 6}, (0.95, 8), (0.35, 4),
    ),
    Family(
        "PLATE", "판재류", "판형", 6, ("플레이트", "판", "베이스"), ("PLATE", "BASE"),
        {"베이스": 4, "고정판": 4, "금형판": 3},
        {"SS400": 4, "SM45C": 3, "AL6061": 2, "AL7075": 1, "SUS304": 1},
        {"판재": 6, "블록": 4}, (220, 0.4), (320, 0.5),
        {"IT6": 1, "IT7": 3, "IT8": 4, "IT9": 3, "IT11": 2}, (0.95, 16), (0.6, 10),
    ),
    Family(
        "VALVE", "박스체", "각형", 5, ("밸브", "스풀", "밸브바디"), ("VALVE", "SPOOL"),
        {"볼밸브": 3, "체크밸브": 3, "스풀": 4},
        {"SUS304": 3, "SUS316": 2, "SCM415": 3, "C3604": 2, "GCD450": 1},
        {"블록": 4, "환봉": 4, "주조품": 2}, (48, 0.5), (90, 0.5),
        {"IT5": 2, "IT6": 3, "IT7": 4, "IT8": 1}, (0.8, 8), (0.7, 6),
    ),
)  # fmt: skip

#: ISO 286-1: tolerance units i of a grade; i = 0.45 ∛D + 0.001 D in µm, D in mm.
GRADE_UNITS = {"IT5": 7, "IT6": 10, "IT7": 16, "IT8": 25, "IT9": 40, "IT11": 100}
#: Roughness Ra in µm that usually goes with a grade.
USUAL_ROUGHNESS = {"IT5": 0.4, "IT6": 0.8, "IT7": 1.6, "IT8": 1.6, "IT9": 3.2, "IT11": 6.3}
ROUGHNESS_STEPS = (0.2, 0.4, 0.8, 1.6, 3.2, 6.3, 12.5)
INDUSTRIES: Mapping[str, float] = {
    "자동차": 6, "산업기계": 6, "유압": 3, "반도체": 2, "항공": 1, "조선": 2,
}  # fmt: skip
CUSTOMER_CLASSES: Mapping[str, float] = {"S": 1, "A": 4, "B": 6, "C": 4}
PROCUREMENT: Mapping[str, float] = {"자작": 8, "외주": 1, "사급": 1}
PLANTS: Mapping[str, float] = {"P1": 5, "P2": 3, "P3": 2}
PLANNER_GROUPS: Mapping[str, tuple[str, str]] = {
    "P1": ("G11", "G12"), "P2": ("G21", "G22"), "P3": ("G31", "G32"),
}  # fmt: skip
#: Hardness in HRC that a heat treatment aims at; none for the soft states.
HARDNESS = {"조질": 30.0, "침탄": 60.0, "고주파": 55.0, "질화": 64.0, "전경화": 60.0}


@dataclass
class Part:
    """Every attribute of one part as the designer knows it, before anything goes missing."""

    family: str
    subgroup: str
    material: str
    form: str
    outer: float
    inner: float
    thickness: float
    length: float
    width: float
    grade: str
    tolerance: float
    roughness: float
    heat: str
    hardness: float
    surface: str
    module: float
    teeth: int
    holes: int
    threads: int
    keyways: int
    customer: str
    industry: str
    plant: str
    planner_group: str
    procurement: str
    pressure_tight: bool
    traceability: bool
    lot: int
    annual: int
    created_day: int
    name: str = ""
    specification: str = ""
    drawing: str = ""
    revision: str = "A"
    base: int = 0
    line: int = -1
    planner: int = 0
    weight: float = field(default=0.0)

    @property
    def material_group(self) -> str:
        """Class of the material that the rules read."""
        return MATERIALS[self.material].group

    @property
    def is_ferrous(self) -> bool:
        """Whether it rusts and can be magnetised."""
        return self.material_group in FERROUS

    @property
    def is_rotational(self) -> bool:
        """Whether it is turned."""
        return FAMILY_BY_CODE[self.family].group == "회전체" or (
            self.family == "VALVE" and self.form == "환봉"
        )

    @property
    def slenderness(self) -> float:
        """Length over outer diameter."""
        return self.length / max(self.outer, 1.0)


FAMILY_BY_CODE = {family.code: family for family in FAMILIES}


#: Attributes that the parts of one product line share, each but for this share of redrawn ones.
LINE_ATTRIBUTES = (
    "surface", "grade", "customer", "industry", "procurement", "pressure_tight", "traceability",
)  # fmt: skip
REDRAWN_SHARE = 0.04
#: Spread of the sizes within a line (natural logarithm); of whole families it is 0.4 to 0.6.
LINE_SIGMA = 0.25


def draw_part_of(line: Part, dice: Dice) -> Part:
    """Draw a new design of a product line: its own sizes and details, the line's make-up."""
    part = dataclasses.replace(line)
    factor = dice.lognormal(1.0, LINE_SIGMA)
    part.outer = rounded_size(line.outer * factor)
    part.length = rounded_size(line.length * dice.lognormal(1.0, LINE_SIGMA))
    part.inner = rounded_size(line.inner * factor) if line.inner else 0.0
    part.width = rounded_size(line.width * factor) if line.width else 0.0
    family = FAMILY_BY_CODE[line.family]
    if dice.chance(0.3):
        part.holes, part.threads = _count(dice, family.holes), _count(dice, family.threads)
    part.annual = round(10 ** dice.uniform(1.5, 5.2)) if dice.chance(0.5) else line.annual
    part.lot = _lot(dice, part.annual)
    part.created_day = dice.whole(0, (LAST_DAY - FIRST_DAY).days)
    _redraw(part, dice)
    if part.module:
        part.teeth = max(6, round(part.outer / part.module) - 2)
    if part.hardness:
        part.hardness = float(round(HARDNESS[part.heat] + dice.normal(0, 1.5)))
    settle(dice, part)
    return part


def _redraw(part: Part, dice: Dice) -> None:
    """Let a design depart from its line: another customer, coating or grade."""
    other: Mapping[str, Callable[[], object]] = {
        "surface": lambda: dice.weighted(_surface_options(part)),
        "grade": lambda: dice.weighted(FAMILY_BY_CODE[part.family].grades),
        "customer": lambda: dice.weighted(CUSTOMER_CLASSES),
        "industry": lambda: dice.weighted(INDUSTRIES),
        "procurement": lambda: dice.weighted(PROCUREMENT),
        "pressure_tight": lambda: False,
        "traceability": lambda: not part.traceability,
    }
    for name in LINE_ATTRIBUTES:
        if dice.chance(REDRAWN_SHARE):
            setattr(part, name, other[name]())


def draw_part(dice: Dice) -> Part:
    """Draw a new part, unrelated to any other."""
    family = FAMILY_BY_CODE[dice.weighted({f.code: f.share for f in FAMILIES})]
    subgroup = dice.weighted(family.subgroups)
    material = dice.weighted(family.materials)
    form = _form(dice, family, subgroup, material)
    outer = rounded_size(dice.lognormal(*family.outer))
    length = rounded_size(dice.lognormal(*family.length))
    industry = dice.weighted(INDUSTRIES)
    plant = dice.weighted(PLANTS)
    # A plant's second group leans to sheet and box parts.
    second = dice.chance(0.35 if family.group == "회전체" else 0.75)
    grade = dice.weighted(family.grades)
    annual = round(10 ** dice.uniform(1.5, 5.2))
    part = Part(
        family=family.code, subgroup=subgroup, material=material, form=form,
        outer=outer, inner=_inner(dice, family, subgroup, form, outer),
        thickness=_thickness(dice, family, form), length=length,
        width=rounded_size(length * dice.uniform(0.3, 1.0)) if family.shape != "원통" else 0.0,
        grade=grade, tolerance=0.0, roughness=0.0, heat="없음", hardness=0.0, surface="없음",
        module=0.0, teeth=0, holes=_count(dice, family.holes), threads=_count(dice, family.threads),
        keyways=dice.whole(1, 2) if dice.chance(family.keyway_share) else 0,
        customer=dice.weighted(CUSTOMER_CLASSES), industry=industry, plant=plant,
        planner_group=PLANNER_GROUPS[plant][int(second)],
        procurement=dice.weighted(PROCUREMENT),
        pressure_tight=_is_pressure_tight(dice, family, industry),
        traceability=dice.chance({"자동차": 0.7, "항공": 0.95}.get(industry, 0.2)),
        lot=_lot(dice, annual), annual=annual,
        created_day=dice.whole(0, (LAST_DAY - FIRST_DAY).days),
    )  # fmt: skip
    _set_teeth(dice, part)
    _set_treatments(dice, part)
    settle(dice, part)
    return part


def settle(dice: Dice, part: Part) -> None:
    """Set what follows from the size: tolerance, roughness and weight."""
    diameter = max(part.outer, 3.0)
    unit = 0.45 * diameter ** (1 / 3) + 0.001 * diameter
    part.tolerance = float(max(round(GRADE_UNITS[part.grade] * unit), 2))
    usual = ROUGHNESS_STEPS.index(USUAL_ROUGHNESS[part.grade])
    step = usual + dice.weighted({0: 7, -1: 2, 1: 2})
    part.roughness = ROUGHNESS_STEPS[min(max(step, 0), len(ROUGHNESS_STEPS) - 1)]
    part.weight = round(_volume_cm3(part) * MATERIALS[part.material].density / 1000, 3)


def rounded_size(value: float) -> float:
    """Round as designers do: half a millimetre below 20, whole below 100, five above."""
    step = 0.5 if value < 20 else 1.0 if value < 100 else 5.0
    return max(round(value / step) * step, step)


def _form(dice: Dice, family: Family, subgroup: str, material: str) -> str:
    group = MATERIALS[material].group
    if group in {"iron", "diecast"}:
        return "주조품"
    if group == "tube":
        return "파이프"
    if group == "sheet" or subgroup in {"판금", "절곡", "용접"}:
        return "판재"
    fits = {form: weight for form, weight in family.forms.items() if form != "주조품"}
    return dice.weighted(fits)


def _inner(dice: Dice, family: Family, subgroup: str, form: str, outer: float) -> float:
    is_hollow = (
        family.code in {"GEAR", "BUSH", "RING", "PULLEY", "ROLLER"}
        or form == "파이프"
        or subgroup in {"중공축", "축이음", "넥", "스풀"}
    )
    return rounded_size(outer * dice.uniform(0.3, 0.75)) if is_hollow else 0.0


def _thickness(dice: Dice, family: Family, form: str) -> float:
    if form == "판재":
        return dice.weighted({1.2: 2, 1.6: 3, 2.3: 4, 3.2: 4, 4.5: 3, 6.0: 3, 9.0: 2, 12.0: 1})
    if family.shape in {"판형", "원판"}:
        return rounded_size(dice.lognormal(18, 0.4))
    if form == "주조품":
        return rounded_size(dice.lognormal(6, 0.3))
    return 0.0


def _count(dice: Dice, spec: tuple[float, int]) -> int:
    share, most = spec
    return dice.whole(1, most) if dice.chance(share) else 0


def _is_pressure_tight(dice: Dice, family: Family, industry: str) -> bool:
    share = {"VALVE": 0.7, "HOUSING": 0.35, "COVER": 0.15, "FLANGE": 0.15}.get(family.code, 0.0)
    return dice.chance(min(share * (1.6 if industry == "유압" else 1.0), 1.0))


def _lot(dice: Dice, annual: int) -> int:
    lot = annual / dice.weighted({12: 4, 24: 3, 50: 2, 4: 2})
    return max(5, round(lot / 5) * 5)


def _set_teeth(dice: Dice, part: Part) -> None:
    if part.family == "GEAR" or part.subgroup in {"타이밍풀리", "스플라인축"}:
        part.module = dice.weighted({1.0: 2, 1.5: 3, 2.0: 4, 2.5: 3, 3.0: 3, 4.0: 2, 6.0: 1})
        part.teeth = max(6, round(part.outer / part.module) - 2)


def _set_treatments(dice: Dice, part: Part) -> None:
    part.heat = dice.weighted(_heat_options(part))
    if part.heat in HARDNESS:
        part.hardness = float(round(HARDNESS[part.heat] + dice.normal(0, 1.5)))
    part.surface = dice.weighted(_surface_options(part))


def _heat_options(part: Part) -> Mapping[str, float]:
    group = part.material_group
    if group in {"case"}:
        return {"침탄": 9, "없음": 1}
    if group in {"bearing", "martensitic"}:
        return {"전경화": 8, "없음": 2}
    if group == "alloy":
        return {"조질": 5, "고주파": 2, "질화": 2, "없음": 1}
    if group == "carbon" and part.is_rotational and part.material == "SM45C":
        return {"없음": 5, "고주파": 3, "조질": 3}
    if group == "aluminium":
        return {"없음": 7, "시효": 3}
    return {"없음": 1}


def _surface_options(part: Part) -> Mapping[str, float]:
    group = part.material_group
    if part.subgroup == "크롬롤":
        return {"크롬도금": 1}
    if group in {"stainless", "copper"}:
        return {"없음": 9, "무전해니켈": 1}
    if group in {"aluminium", "diecast"}:
        return {"아노다이징": 5, "없음": 4, "도장": 2}
    if part.family in {"HOUSING", "COVER", "BRACKET", "PLATE"}:
        return {"도장": 5, "아연도금": 3, "흑착색": 2, "없음": 3}
    if part.hardness >= 50:
        return {"없음": 8, "크롬도금": 1, "인산염": 2}
    return {"없음": 6, "흑착색": 2, "아연도금": 1, "크롬도금": 1, "무전해니켈": 1}


def _volume_cm3(part: Part) -> float:
    if part.form == "판재":
        return part.length * part.width * part.thickness / 1000
    if part.is_rotational:
        height = part.thickness if part.family in {"RING", "FLANGE"} else part.length
        return pi / 4 * (part.outer**2 - part.inner**2) * height / 1000
    wall = part.thickness or 20.0
    if part.form == "주조품":
        skin = 2 * (part.length * part.width + part.length * part.outer + part.width * part.outer)
        return skin * wall / 1000
    return part.length * part.width * (part.thickness or part.outer) / 1000
