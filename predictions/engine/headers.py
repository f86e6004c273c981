"""Match the header of a user's file with the columns of the family.

Names count without surrounding spaces, without case, and with spaces or hyphens for underscores:
the family's own public file writes ``"Biscuit_Thickness "`` and ``" Pressure_Rise_Time"``.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from predictions.engine.features import DEFECT_FLAGS, FEATURE_NAMES, LABEL, METADATA
from predictions.engine.problems import Problem

_JOINTS = re.compile(r"[\s\-_]+")


def folded(name: str) -> str:
    """Return the form of a column name in which names are compared."""
    return _JOINTS.sub("_", name.strip().casefold()).strip("_")


_CANONICAL: dict[str, str] = {
    folded(name): name for name in (*METADATA, *FEATURE_NAMES, *DEFECT_FLAGS, LABEL)
}
_CANONICAL.update(dict.fromkeys(("label", "target", "is_defect", "불량", "불량여부"), LABEL))
_CANONICAL.update({"mould": "Mold", "금형": "Mold", "timestamp": "Made_At"})


def canonical_name(name: str) -> str | None:
    """Return the family's name for a column as a user wrote it, or None when it has none."""
    return _CANONICAL.get(folded(name))


def is_known(name: str) -> bool:
    """Whether a header cell names a column of the family."""
    return folded(name) in _CANONICAL


@dataclass(frozen=True)
class HeaderMatch:
    """Which columns of a file are which.

    Attributes
    ----------
    columns : dict
        Canonical name to position in the file, in canonical order.
    ignored : tuple of str
        Names in the file that the family does not know.
    problems : tuple of Problem
        Missing and repeated columns.
    """

    columns: dict[str, int]
    ignored: tuple[str, ...]
    problems: tuple[Problem, ...]


def match(names: Sequence[str], *, require_label: bool) -> HeaderMatch:
    """Match column names.

    Parameters
    ----------
    names : sequence of str
        As written; nameless columns are passed over.
    require_label : bool
        Whether a file without any label column is a problem.
    """
    found = [canonical_name(name) for name in names]
    positions = {name: index for index, name in enumerate(found) if name}
    ignored = tuple(
        name.strip()
        for name, known in zip(names, found, strict=True)
        if known is None and name.strip()
    )
    problems = [
        *_repeated(found),
        *(_missing(name, ignored) for name in FEATURE_NAMES if name not in positions),
    ]
    if require_label and not {LABEL, *DEFECT_FLAGS} & positions.keys():
        flag = DEFECT_FLAGS[0]
        problems.append(Problem(LABEL, "label_column_missing", None, {"suggestion": flag}))
    order = [*METADATA, *FEATURE_NAMES, *DEFECT_FLAGS, LABEL]
    columns = {name: positions[name] for name in order if name in positions}
    return HeaderMatch(columns, ignored, tuple(problems))


def _repeated(found: Sequence[str | None]) -> list[Problem]:
    counts = Counter(name for name in found if name)
    return [
        Problem(name, "column_repeated", None, {"value": count})
        for name, count in counts.items()
        if count > 1
    ]


def _missing(name: str, ignored: Sequence[str]) -> Problem:
    by_folded = {folded(candidate): candidate for candidate in ignored}
    near = get_close_matches(folded(name), list(by_folded), n=1, cutoff=0.75)
    if near:
        return Problem(name, "column_missing_near", None, {"suggestion": by_folded[near[0]]})
    return Problem(name, "column_missing")
