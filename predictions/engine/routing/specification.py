"""Sizes that people wrote into the specification line instead of their own columns.

Reads the usual spellings of drawings: ``Φ25/12x80L`` (outer, inner, length), ``120x80x6t`` (length,
width, thickness), ``M2 Z30`` (module, teeth), ``HRC58``. Only empty cells are filled; what a column
says is never overruled.
"""

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

_SIZE = r"(\d+(?:\.\d+)?)"
#: x, X, * or the multiplication sign.
_BY = r"\s*[x\u00d7X*]\s*"
_ROUND = re.compile(rf"(?:[ΦφØø⌀]|\bD){_SIZE}(?:/{_SIZE})?(?:{_BY}{_SIZE})?")
_FLAT = re.compile(rf"(?<![\d.]){_SIZE}{_BY}{_SIZE}{_BY}{_SIZE}")
_GEAR = re.compile(rf"\bM{_SIZE}\s*Z(\d+)")
_HARDNESS = re.compile(rf"\bHRC\s*{_SIZE}")

Column = NDArray[np.object_] | NDArray[np.float64]


def sizes(specification: str) -> dict[str, float]:
    """Return the numbers a specification line states, by column name.

    The third size of a round part fills its length, the third of a flat one its thickness.
    """
    found: dict[str, str | None] = {}
    if match := _ROUND.search(specification):
        names = ("outer_diameter_mm", "inner_diameter_mm", "length_mm")
        found |= dict(zip(names, match.groups(), strict=True))
    elif match := _FLAT.search(specification):
        names = ("length_mm", "width_mm", "thickness_mm")
        found |= dict(zip(names, match.groups(), strict=True))
    if match := _GEAR.search(specification):
        found |= dict(zip(("gear_module_mm", "tooth_count"), match.groups(), strict=True))
    if match := _HARDNESS.search(specification):
        found["hardness_hrc"] = match.group(1)
    return {name: float(size) for name, size in found.items() if size is not None}


def filled(columns: Mapping[str, Column]) -> dict[str, Column]:
    """Return columns in which empty numbers are filled from the specification."""
    complete = dict(columns)
    stated = [sizes(text) if text else {} for text in columns["specification"]]
    for name in sorted({name for found in stated for name in found}):
        values = columns[name].astype(np.float64)
        written = np.array([found.get(name, np.nan) for found in stated])
        complete[name] = np.where(np.isnan(values), written, values)
    return complete
