"""Item names and specifications as people type them: Korean, English, mixed, abbreviated."""

from predictions.engine.routing.synthetic.dice import Dice
from predictions.engine.routing.synthetic.parts import FAMILY_BY_CODE, Part

_SUBGROUP_EN = {
    "단차축": "STEPPED", "스플라인축": "SPLINE", "중공축": "HOLLOW", "모터축": "MOTOR",
    "스퍼": "SPUR", "헬리컬": "HELICAL", "내접": "INTERNAL", "평행핀": "PARALLEL",
    "테이퍼핀": "TAPER", "힌지핀": "HINGE", "오일리스": "OILLESS", "경화부시": "HARDENED",
    "플랜지부시": "FLANGED", "스페이서": "SPACER", "베어링링": "BEARING", "고정링": "RETAINING",
    "블라인드": "BLIND", "넥": "NECK", "축이음": "COUPLING", "V풀리": "V-BELT",
    "타이밍풀리": "TIMING", "평풀리": "FLAT", "이송롤": "CONVEYOR", "가이드롤": "GUIDE",
    "크롬롤": "CHROME", "기어박스": "GEARBOX", "펌프": "PUMP", "모터": "MOTOR",
    "다이캐스트": "DIE-CAST", "판금": "SHEET", "절삭": "MACHINED", "용접": "WELDED",
    "절곡": "BENT", "베이스": "BASE", "고정판": "CLAMP", "금형판": "DIE", "볼밸브": "BALL",
    "체크밸브": "CHECK", "스풀": "SPOOL",
}  # fmt: skip
_MODELS = ("", "", "", "K1", "K2", "NX", "HD", "T4", "MX3", "R220", "S-LINE")
_SIDES = ("", "", "", "", "LH", "RH", "상", "하", "좌", "우")


def name_part(part: Part, dice: Dice) -> str:
    """Return an item name; one in three is Korean, one in three English, the rest both."""
    family = FAMILY_BY_CODE[part.family]
    korean, english = dice.one_of(family.names_ko), dice.one_of(family.names_en)
    says_kind = dice.chance(0.75)
    style = dice.whole(0, 2)
    if style == 0:
        words = [part.subgroup if says_kind and part.subgroup not in korean else "", korean]
    elif style == 1:
        words = [_SUBGROUP_EN[part.subgroup] if says_kind else "", english]
    else:
        words = [part.subgroup if says_kind else "", english, f"({korean})"]
    words = [dice.one_of(_MODELS), *words, dice.one_of(_SIDES)]
    name = " ".join(word for word in words if word)
    if dice.chance(0.08):
        name = name.replace(" ", "")
    return _with_typo(name, dice) if dice.chance(0.03) else name


def specify(part: Part, dice: Dice) -> str:
    """Return a specification line: sizes, and sometimes grade, treatment or module."""
    if part.is_rotational:
        height = part.thickness or part.length
        mark = dice.one_of(("Φ", "Ø", "D"))
        size = f"{mark}{part.outer:g}"
        size += f"/{part.inner:g}" if part.inner and dice.chance(0.7) else ""
        size += f"x{height:g}L" if dice.chance(0.5) else f"\u00d7{height:g}"
    else:
        depth = part.thickness or part.outer
        size = f"{part.length:g}x{part.width:g}x{depth:g}t"
    extras = [size]
    if part.module and dice.chance(0.8):
        extras.append(f"M{part.module:g} Z{part.teeth}")
    if dice.chance(0.3):
        extras.append(part.grade)
    if part.hardness and dice.chance(0.3):
        extras.append(f"HRC{part.hardness:g}")
    if part.surface != "없음" and dice.chance(0.35):
        extras.append(part.surface)
    return " ".join(extras)


def _with_typo(name: str, dice: Dice) -> str:
    """Drop or swap one character."""
    at = dice.whole(0, max(len(name) - 2, 0))
    if dice.chance(0.5):
        return name[:at] + name[at + 1 :]
    return name[:at] + name[at + 1 : at + 2] + name[at : at + 1] + name[at + 2 :]
