"""The item master (38 columns) and the routing table: names, kinds, units, labels and ranges.

Ranges are ours: physical limits of what a machine shop handles (up to 10 m and 50 t), wide enough
for every plant and narrow enough to catch wrong units. Values lie inside, ends included.

Item codes, drawing numbers and revisions are identifiers: they are kept and shown, but similarity
never reads them, because two drawings with neighbouring numbers need not resemble each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

FAMILY = "routing"

Kind = Literal["identifier", "text", "category", "number", "date"]


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name : str
        Canonical name, as in requests and in the header of a file.
    kind : {"identifier", "text", "category", "number", "date"}
        Identifiers are not compared; texts are compared by character n-grams, categories by
        equality, numbers and dates by distance.
    unit : str
        Symbol of the unit; empty for pure numbers and for what is no number.
    label_en, label_ko : str
        Names for people; a file's header may use them as well.
    low, high : float or None
        Range of numbers in `unit`.
    is_required : bool
        Whether every row of a file needs a value.
    is_whole : bool
        Whether the number is a count or a sequence.
    max_length : int
        Characters a text may have.
    """

    name: str
    kind: Kind
    label_en: str
    label_ko: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    is_required: bool = False
    is_whole: bool = False
    max_length: int = 200

    def to_dict(self) -> dict[str, object]:
        """Return the column ready for JSON, for data-set schemas and signatures."""
        return {
            "name": self.name,
            "kind": self.kind,
            "dtype": {"number": "float64", "date": "date"}.get(self.kind, "string"),
            "unit": self.unit,
            "label_en": self.label_en,
            "label_ko": self.label_ko,
            "low": self.low,
            "high": self.high,
            "required": self.is_required,
        }


def _identifier(name: str, label_en: str, label_ko: str, *, is_required: bool = False) -> Column:
    return Column(name, "identifier", label_en, label_ko, is_required=is_required, max_length=60)


def _category(name: str, label_en: str, label_ko: str, *, is_required: bool = False) -> Column:
    return Column(name, "category", label_en, label_ko, is_required=is_required, max_length=60)


def _number(name: str, label_en: str, label_ko: str, unit: str, low: float, high: float) -> Column:
    return Column(name, "number", label_en, label_ko, unit, low, high)


def _count(name: str, label_en: str, label_ko: str, high: float) -> Column:
    return Column(name, "number", label_en, label_ko, "", 0, high, is_whole=True)


ITEM_COLUMNS: tuple[Column, ...] = (
    _identifier("item_code", "Item code", "품목코드", is_required=True),
    _identifier("drawing_number", "Drawing number", "도면번호"),
    _identifier("revision", "Revision", "리비전"),
    Column("item_name", "text", "Item name", "품목명", is_required=True),
    Column("specification", "text", "Specification", "규격"),
    _category("item_type", "Item type", "품목유형"),
    _category("item_group", "Item group", "품목그룹"),
    _category("item_subgroup", "Item subgroup", "품목소그룹"),
    _category("shape", "Shape", "형상"),
    _category("material", "Material", "재질"),
    _category("material_form", "Material form", "소재형태"),
    _category("heat_treatment", "Heat treatment", "열처리"),
    _category("surface_treatment", "Surface treatment", "표면처리"),
    _category("tolerance_class", "Tolerance class", "공차등급"),
    _category("customer_class", "Customer class", "고객등급"),
    _category("industry", "Industry", "산업분류"),
    _category("plant", "Plant", "공장"),
    _category("planner_group", "Planner group", "공정설계그룹"),
    _category("procurement", "Procurement", "조달구분"),
    _category("pressure_tight", "Pressure tight", "기밀요구"),
    _category("traceability", "Traceability", "이력관리"),
    _number("outer_diameter_mm", "Outer diameter", "외경", "mm", 0, 10_000),
    _number("inner_diameter_mm", "Inner diameter", "내경", "mm", 0, 10_000),
    _number("thickness_mm", "Thickness", "두께", "mm", 0, 2_000),
    _number("length_mm", "Length", "길이", "mm", 0, 10_000),
    _number("width_mm", "Width", "폭", "mm", 0, 10_000),
    _number("weight_kg", "Weight", "중량", "kg", 0, 50_000),
    _number("tolerance_um", "Tightest tolerance", "최소공차", "µm", 0, 5_000),
    _number("roughness_um", "Surface roughness Ra", "표면거칠기", "µm", 0, 100),
    _number("hardness_hrc", "Hardness", "경도", "HRC", 0, 75),
    _number("gear_module_mm", "Gear module", "모듈", "mm", 0, 100),
    _count("tooth_count", "Teeth", "잇수", 2_000),
    _count("hole_count", "Holes", "구멍수", 5_000),
    _count("thread_count", "Threads", "탭수", 5_000),
    _count("keyway_count", "Keyways", "키홈수", 100),
    _number("lot_size", "Standard lot", "표준로트", "pcs", 1, 10_000_000),
    _number("annual_quantity", "Annual quantity", "연간수량", "pcs", 0, 1_000_000_000),
    Column("created_on", "date", "Created on", "등록일"),
)

ROUTING_COLUMNS: tuple[Column, ...] = (
    _identifier("item_code", "Item code", "품목코드", is_required=True),
    Column("alternate", "number", "Alternate", "대체공정", "", 1, 99, True, True),
    Column("sequence", "number", "Sequence", "공정순서", "", 1, 99_999, True, True),
    _category("operation", "Operation", "공정", is_required=True),
    _category("work_center", "Work centre", "작업장", is_required=True),
    Column("setup_minutes", "number", "Setup time", "준비시간", "min", 0, 100_000, True),
    Column("run_minutes", "number", "Run time per piece", "가공시간", "min", 0, 100_000, True),
    Column("valid_from", "date", "Valid from", "유효시작일", is_required=True),
)

#: A generated item master says here what it is; a file without the column is taken for a plant's.
DATA_SOURCE = Column("data_source", "text", "Data source", "자료출처", max_length=60)
SYNTHETIC = "synthetic"

ITEM_BY_NAME: Mapping[str, Column] = {column.name: column for column in ITEM_COLUMNS}
ROUTING_BY_NAME: Mapping[str, Column] = {column.name: column for column in ROUTING_COLUMNS}
TEXTS: tuple[str, ...] = tuple(c.name for c in ITEM_COLUMNS if c.kind == "text")
CATEGORIES: tuple[str, ...] = tuple(c.name for c in ITEM_COLUMNS if c.kind == "category")
NUMBERS: tuple[str, ...] = tuple(c.name for c in ITEM_COLUMNS if c.kind == "number")
DATES: tuple[str, ...] = tuple(c.name for c in ITEM_COLUMNS if c.kind == "date")
