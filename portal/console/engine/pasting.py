"""Read one shot, or a few, out of what people paste: JSON, a table, “name: value” lines, numbers.

Values stay text: whether they are numbers in range is for the model's signature to say, so that a
form can show what was pasted beside what is wrong with it.
"""

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from portal.lib.coded import gettext_noop

#: More rows than these are a file for a batch, not a shot for a form; ours.
MOST_ROWS = 5_000
MISSING = frozenset({"", "null", "none", "nan", "na", "n/a", "-"})
_NAMED = re.compile(r"""^\s*["']?([A-Za-z]\w*)["']?\s*[:=]\s*["']?([^"',;]*)["']?\s*[,;]?\s*$""")


class Unreadable(ValueError):
    """Nothing in the text is a shot; the template of a sentence says why."""


@dataclass(frozen=True)
class Pasted:
    """What was found.

    Attributes
    ----------
    rows : list of dict
        Text by feature name, empty where missing; at least one row.
    unknown : list of str
        Names that are no features, left out.
    """

    rows: list[dict[str, str]]
    unknown: list[str] = field(default_factory=list)


def read(text: str, names: Sequence[str]) -> Pasted:
    """Return the shots in a text.

    Parameters
    ----------
    text
        A JSON object or list of objects, a table with a line of names (commas, semicolons or tabs;
        lines of groups above the names are skipped), lines of ``name: value``, or bare numbers in
        the order of the names.
    names
        Of the features, in order.

    Raises
    ------
    Unreadable
        When nothing of the kind is there.
    """
    given = text.replace("\x00", "").strip("\ufeff \t\r\n")
    if not given:
        raise Unreadable(gettext_noop("There is nothing to read: paste a row, or choose a file."))
    if given[0] in "{[":
        return _json(given, names)
    lines = [line for line in given.splitlines() if line.strip()]
    return _named(lines, names) or _table(lines, names) or _bare(given, names)


def _json(text: str, names: Sequence[str]) -> Pasted:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise Unreadable(
            gettext_noop("This begins like JSON, but is none: check quotes and commas.")
        ) from exc
    rows = content if isinstance(content, list) else [content]
    objects = [_features(row) for row in rows[:MOST_ROWS] if isinstance(row, dict)]
    if not objects:
        raise Unreadable(
            gettext_noop("The JSON holds no shot: send an object of feature names and numbers.")
        )
    return _known([{name: _text(value) for name, value in one.items()} for one in objects], names)


def _features(row: Mapping[str, object]) -> Mapping[str, object]:
    """Return the features of a shot, also where it is wrapped as the API takes it."""
    inner = row.get("features")
    return inner if isinstance(inner, dict) else row


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _named(lines: Sequence[str], names: Sequence[str]) -> Pasted | None:
    pairs = [(match[1], match[2]) for line in lines if (match := _NAMED.match(line))]
    if len(pairs) < max(len(lines) // 2, 1):
        return None
    return _known([dict(pairs)], names)


def _table(lines: Sequence[str], names: Sequence[str]) -> Pasted | None:
    """Read a table under the line that names most features, if one names any two."""
    wanted = {name.lower() for name in names}
    rows = list(csv.reader(io.StringIO("\n".join(lines[: MOST_ROWS + 3])), delimiter=_cut(lines)))
    named = [sum(cell.strip().lower() in wanted for cell in row) for row in rows[:3]]
    if max(named, default=0) < 2:
        return None
    at = named.index(max(named))
    if len(rows) == at + 1:
        raise Unreadable(gettext_noop("There is a line of names and no row below it: paste both."))
    header = [cell.strip() for cell in rows[at]]
    body = [dict(zip(header, row, strict=False)) for row in rows[at + 1 :][:MOST_ROWS]]
    return _known(body, names)


def _cut(lines: Sequence[str]) -> str:
    head = "\n".join(lines[:3])
    return max("\t;,", key=head.count)


def _bare(text: str, names: Sequence[str]) -> Pasted:
    cells = [cell.strip() for cell in re.split(r"[\t;,\n]|\s+", text) if cell.strip()]
    if len(cells) != len(names):
        raise Unreadable(
            gettext_noop(
                "This is neither JSON nor a table with names, and not one number for each "
                "feature: paste a line of names above the numbers."
            )
        )
    return Pasted([dict(zip(names, map(_cell, cells), strict=True))])


def _known(rows: Sequence[Mapping[str, str]], names: Sequence[str]) -> Pasted:
    by_lower = {name.lower(): name for name in names}
    found = [
        {
            by_lower[key.lower()]: _cell(value)
            for key, value in row.items()
            if key.lower() in by_lower
        }
        for row in rows
    ]
    unknown = dict.fromkeys(key for row in rows for key in row if key.lower() not in by_lower)
    if not any(found):
        raise Unreadable(
            gettext_noop("No name in it is a feature of the model: paste a line of names as well.")
        )
    return Pasted(found, [key for key in unknown if key])


def _cell(value: str | None) -> str:
    text = (value or "").strip()
    return "" if text.lower() in MISSING else text
