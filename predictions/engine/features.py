"""The die-casting family: its 30 features, its 26 defect flags and its metadata columns.

Which columns are features. The public file of the family names 17 columns "Process", 14 "Sensor"
and 26 "Defects". Of the 17 process columns only ``id`` is a bare record number; ``Product_Type``
(which casting, so which die) and ``Shot`` (shots since the counter was last set, so how warm and
how worn the die is) describe the process. That leaves the 16 process and 14 sensor values the
family is known by. ``Shot`` restarts with every lot, so it is no clock; but two shots that differ
in it alone are the same shot to any honest test, so the split protocols compare rows without it
(see `splits`).

Plausibility ranges are ours. They are physical limits of cold-chamber aluminium die casting, wide
enough for machines from 100 to 4,500 t, and catch wrong units and broken sensors, not bad shots. A
trained version narrows them to what it saw (see `signature`). Values lie inside, ends included.
"""

from dataclasses import dataclass
from typing import Literal

FAMILY = "diecasting-quality"

Group = Literal["process", "sensor"]
Kind = Literal["measurement", "setpoint", "counter", "category"]


@dataclass(frozen=True)
class Feature:
    """One input of the family.

    Attributes
    ----------
    name : str
        Canonical name, as in requests and in the header of a file.
    group : {"process", "sensor"}
        What the machine reports of the shot, or what the plant measures around it.
    kind : {"measurement", "setpoint", "counter", "category"}
        Counters are not narrowed by training; categories accept only values seen in training.
    unit : str
        Symbol of the unit; empty for pure numbers.
    label_en, label_ko : str
        Names for people.
    low, high : float
        Plausible range in `unit`.
    basis : str
        Where the range comes from.
    """

    name: str
    group: Group
    kind: Kind
    unit: str
    label_en: str
    label_ko: str
    low: float
    high: float
    basis: str
    dtype: str = "float32"


_SLOW = "slow-shot plunger speed; keeps below the wave-breaking speed, machines allow 2 m/s at most"
_SPRAY = "die spray; longer than this the die is out of production"
_COOLANT = "liquid water at plant pressure"
_AIR = "plant compressed air; receivers are built for 16 bar at most"
_ROOM = "air temperature in a heated or open building anywhere"
_HUMIDITY = "relative humidity by definition"

FEATURES: tuple[Feature, ...] = (
    Feature(
        "Product_Type", "process", "category", "", "Product type", "제품 유형",
        1, 9_999, "number of the casting, from 1",
    ),
    Feature(
        "Shot", "process", "counter", "shots", "Shot counter", "샷 번호",
        0, 10_000_000, "above any die life; below 2**24, so exact in float32",
    ),
    Feature(
        "Velocity_1", "process", "measurement", "m/s", "Plunger speed 1", "저속 1단 속도",
        0, 2, _SLOW,
    ),
    Feature(
        "Velocity_2", "process", "measurement", "m/s", "Plunger speed 2", "저속 2단 속도",
        0, 2, _SLOW,
    ),
    Feature(
        "Velocity_3", "process", "measurement", "m/s", "Plunger speed 3", "저속 3단 속도",
        0, 2, _SLOW,
    ),
    Feature(
        "High_Velocity", "process", "measurement", "m/s", "Fast-shot speed", "고속 속도",
        0, 12, "dry-shot speed of the fastest machines is about 10 m/s",
    ),
    Feature(
        "Cylinder_Pressure", "process", "measurement", "kgf/cm²", "Cylinder pressure",
        "실린더 압력", 0, 500, "accumulators and intensifiers stay below 500 kgf/cm²",
    ),
    Feature(
        "Rapid_Rise_Time", "process", "measurement", "s", "Speed rise time", "고속 상승 시간",
        0, 1, "acceleration to fast shot; slower than 1 s the shot has frozen",
    ),
    Feature(
        "Biscuit_Thickness", "process", "measurement", "mm", "Biscuit thickness",
        "비스킷 두께", 0, 150, "a biscuit is at most about one plunger diameter thick",
    ),
    Feature(
        "Clamping_Force", "process", "measurement", "tf", "Clamping force", "형체력",
        0, 5_000, "largest machines lock with about 4,500 t",
    ),
    Feature(
        "Cycle_Time", "process", "measurement", "s", "Cycle time", "사이클 시간",
        0, 3_600, "after an hour between two shots it is a restart, not a cycle",
    ),
    Feature(
        "Pressure_Rise_Time", "process", "measurement", "s", "Pressure rise time",
        "승압 시간", 0, 2, "intensification after the gate has frozen has no effect",
    ),
    Feature(
        "Casting_Pressure", "process", "measurement", "kgf/cm²", "Casting pressure",
        "주조 압력", 0, 2_500, "metal pressure; dies are laid out for 1,200 at most, twice that",
    ),
    Feature(
        "Spray_Time", "process", "measurement", "s", "Spray time", "스프레이 시간",
        0, 300, _SPRAY,
    ),
    Feature(
        "Spray_1_Time", "process", "measurement", "s", "Spray time 1", "스프레이 1 시간",
        0, 300, _SPRAY,
    ),
    Feature(
        "Spray_2_Time", "process", "measurement", "s", "Spray time 2", "스프레이 2 시간",
        0, 300, _SPRAY,
    ),
    Feature(
        "Melting_Furnace_Temp", "sensor", "measurement", "°C", "Furnace temperature",
        "용해로 온도", 400, 900, "aluminium alloys melt at 480 to 660 °C and burn off above 850 °C",
    ),
    Feature(
        "Air_Pressure", "sensor", "measurement", "bar", "Air pressure", "에어 압력",
        0, 20, _AIR,
    ),
    Feature(
        "Air_Pressure_Min", "sensor", "setpoint", "bar", "Air pressure, lower limit",
        "에어 압력 하한", 0, 20, _AIR,
    ),
    Feature(
        "Air_Pressure_Max", "sensor", "setpoint", "bar", "Air pressure, upper limit",
        "에어 압력 상한", 0, 20, _AIR,
    ),
    Feature(
        "Coolant_Temp", "sensor", "measurement", "°C", "Coolant temperature",
        "냉각수 온도", 0, 100, _COOLANT,
    ),
    Feature(
        "Coolant_Temp_Min", "sensor", "setpoint", "°C", "Coolant temperature, lower limit",
        "냉각수 온도 하한", 0, 100, _COOLANT,
    ),
    Feature(
        "Coolant_Temp_Max", "sensor", "setpoint", "°C", "Coolant temperature, upper limit",
        "냉각수 온도 상한", 0, 100, _COOLANT,
    ),
    Feature(
        "Coolant_Pressure", "sensor", "measurement", "bar", "Coolant pressure",
        "냉각수 압력", 0, 20, "die cooling circuits run below 16 bar",
    ),
    Feature(
        "Factory_Temp", "sensor", "measurement", "°C", "Factory temperature",
        "공장 온도", -30, 60, _ROOM,
    ),
    Feature(
        "Factory_Temp_Min", "sensor", "setpoint", "°C", "Factory temperature, lower limit",
        "공장 온도 하한", -30, 60, _ROOM,
    ),
    Feature(
        "Factory_Temp_Max", "sensor", "setpoint", "°C", "Factory temperature, upper limit",
        "공장 온도 상한", -30, 60, _ROOM,
    ),
    Feature(
        "Factory_Humidity", "sensor", "measurement", "%", "Factory humidity",
        "공장 습도", 0, 100, _HUMIDITY,
    ),
    Feature(
        "Factory_Humidity_Min", "sensor", "setpoint", "%", "Factory humidity, lower limit",
        "공장 습도 하한", 0, 100, _HUMIDITY,
    ),
    Feature(
        "Factory_Humidity_Max", "sensor", "setpoint", "%", "Factory humidity, upper limit",
        "공장 습도 상한", 0, 100, _HUMIDITY,
    ),
)  # fmt: skip

FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
N_FEATURES = len(FEATURES)
BY_NAME: dict[str, Feature] = {feature.name: feature for feature in FEATURES}
COUNTER_INDICES: tuple[int, ...] = tuple(
    index for index, feature in enumerate(FEATURES) if feature.kind == "counter"
)
#: Positions of what a learner may be shown.
FEATURE_SETS: dict[str, tuple[int, ...]] = {
    "all": tuple(range(N_FEATURES)),
    **{
        group: tuple(index for index, feature in enumerate(FEATURES) if feature.group == group)
        for group in ("process", "sensor")
    },
}


@dataclass(frozen=True)
class DefectKind:
    """One way in which a casting can be bad."""

    name: str
    label_en: str
    label_ko: str


#: Spelling as in the family's files, "Buring_Mark" included.
DEFECT_KINDS: tuple[DefectKind, ...] = (
    DefectKind("Short_Shot", "Short shot", "미성형"),
    DefectKind("Bubble", "Bubble", "기포"),
    DefectKind("Exfoliation", "Exfoliation", "박리"),
    DefectKind("Blow_Hole", "Blow hole", "기공"),
    DefectKind("Stain", "Stain", "얼룩"),
    DefectKind("Dent", "Dent", "찍힘"),
    DefectKind("Deformation", "Deformation", "변형"),
    DefectKind("Contamination", "Contamination", "오염"),
    DefectKind("Impurity", "Impurity", "불순물"),
    DefectKind("Crack", "Crack", "크랙"),
    DefectKind("Scratch", "Scratch", "스크래치"),
    DefectKind("Buring_Mark", "Burn mark", "소착"),
    DefectKind("Inclusions", "Inclusions", "개재물"),
)
CAVITIES = (1, 2)
DEFECT_FLAGS: tuple[str, ...] = tuple(
    f"{kind.name}_{cavity}" for cavity in CAVITIES for kind in DEFECT_KINDS
)

#: Defects counted in one cavity of one shot; more is a typing error.
MAX_FLAG_COUNT = 99

LABEL = "defect"
#: Columns that say which shot it is; kept with the table, never fed to a model.
METADATA: tuple[str, ...] = ("id", "Made_At", "Line", "Mold", "Shift", "Source")
#: What stands under Source where a shot was generated.
SYNTHETIC = "synthetic"
