"""Read reports of what became of shots, one by one or from a file, and name what is wrong."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO
from uuid import UUID

from django.utils.translation import gettext as _

from portal.core.errors import FieldProblem, InvalidInput
from portal.lib import clock
from predictions.models import Outcome, Prediction

#: The reporter's clock may be this far ahead of ours.
CLOCK_SKEW = timedelta(minutes=5)
#: New Year of the year 1 in Seoul lies before the year 1 in UTC: Postgres takes it, and nobody can
#: read it again.
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST_LINE = Outcome._meta.get_field("line").max_length or 0
LARGEST_SHOT = 2**62
#: Postgres keeps no such character.
NUL = "\x00"
PLACE = ("line", "shot", "time")
MEMBERS = ("prediction_id", *PLACE, "label", "observed_at", "inspected")
WORDS = {"true": True, "1": True, "false": False, "0": False, "": False}


@dataclass(frozen=True)
class Report:
    """One report that can be understood.

    Attributes
    ----------
    index : int
        Its place among those sent, from 0.
    prediction_id : UUID or None
        Of what; else `line`, `shot` and `shot_at` say it.
    line : str
        Name of the key or account that asked for the prediction.
    shot : int or None
        The shot counter as it was sent.
    shot_at : datetime or None
        When the prediction was asked for, nearly.
    label : str
        ``defect`` or ``ok``.
    observed_at : datetime or None
        When it was seen; None for now.
    is_inspected : bool
        Whether a person looked at the part on purpose, which outweighs what was said before.
    """

    index: int
    prediction_id: UUID | None
    line: str
    shot: int | None
    shot_at: datetime | None
    label: str
    observed_at: datetime | None
    is_inspected: bool


@dataclass(frozen=True)
class Refusal:
    """One problem of one report, which was not recorded."""

    index: int
    field: str
    code: str
    message: str


class _Wrong(Exception):
    """One member of a report breaks a rule."""

    def __init__(self, field: str, code: str, message: str) -> None:
        super().__init__(message)
        self.refusal = (field, code, message)


def read(items: Iterable[Any]) -> tuple[list[Report], list[Refusal]]:
    """Return the reports that can be understood, and the first problem of each other one."""
    reports, refusals = [], []
    latest = clock.now() + CLOCK_SKEW
    for index, item in enumerate(items):
        try:
            reports.append(_report(index, item, latest))
        except _Wrong as wrong:
            refusals.append(Refusal(index, *wrong.refusal))
    return reports, refusals


def from_csv(source: BinaryIO, *, most: int) -> Iterator[Mapping[str, str]]:
    """Yield the rows of a CSV file (UTF-8) whose header names members of a report.

    Raises
    ------
    InvalidInput
        When it is no such file, or has more than `most` rows.
    """
    source.seek(0)
    text = io.TextIOWrapper(source, encoding="utf-8-sig", newline="")
    try:
        rows = csv.DictReader(text, strict=True)
        _check_header([name.strip() for name in rows.fieldnames or ()])
        for number, row in enumerate(rows):
            if number >= most:
                message = _("The file has more than %(most)d rows: split it.") % {"most": most}
                raise bad_file("too_many_rows", message)
            yield {
                str(name).strip(): value.strip()
                for name, value in row.items()
                if isinstance(value, str) and value.strip()
            }
    except (UnicodeDecodeError, csv.Error) as exc:
        message = _("The file is no CSV in UTF-8: %(reason)s.") % {"reason": exc}
        raise bad_file("unreadable", message) from exc
    finally:
        text.detach()


def _check_header(names: list[str]) -> None:
    unknown = [name for name in names if name not in MEMBERS]
    if "label" in names and not unknown:
        return
    message = _("The header must name “label” and any of %(known)s; it is: %(seen)s.") % {
        "known": ", ".join(MEMBERS),
        "seen": ", ".join(names)[:200] or _("empty"),
    }
    raise bad_file("header", message)


def bad_file(code: str, message: str) -> InvalidInput:
    """Return the error for a file as a whole."""
    return InvalidInput(message, problems=[FieldProblem("file", code, message)])


def _report(index: int, item: Any, latest: datetime) -> Report:
    if not isinstance(item, Mapping):
        raise _Wrong("", "not_an_object", _("Each outcome must be an object."))
    for name in item:
        if name not in MEMBERS:
            message = _("“%(seen)s” is not known here; known are %(known)s.")
            words = {"seen": str(name)[:60], "known": ", ".join(MEMBERS)}
            raise _Wrong(str(name)[:60], "unknown", message % words)
    prediction_id = _identifier(item)
    line, shot, shot_at = ("", None, None) if prediction_id else _place(item)
    observed_at = _moment(item, "observed_at")
    if observed_at is not None and observed_at > latest:
        message = _("“observed_at” is %(seen)s, which is still to come: look at the clock.")
        raise _Wrong("observed_at", "future", message % {"seen": observed_at.isoformat()})
    return Report(index, prediction_id, line, shot, shot_at, _label(item), observed_at, _flag(item))


def _identifier(item: Mapping[str, Any]) -> UUID | None:
    given = item.get("prediction_id")
    if given is None:
        return None
    if any(item.get(name) is not None for name in PLACE):
        message = _("Say “prediction_id”, or “line”, “shot” and “time”, not both.")
        raise _Wrong("prediction_id", "ambiguous", message)
    try:
        return UUID(given)
    except (ValueError, TypeError, AttributeError) as exc:
        message = _("“prediction_id” is “%(seen)s”: give the id that was answered.")
        raise _Wrong("prediction_id", "invalid", message % {"seen": _shown(given)}) from exc


def _place(item: Mapping[str, Any]) -> tuple[str, int, datetime]:
    for name in PLACE:
        if item.get(name) is None:
            message = _("“%(name)s” is missing: say “prediction_id”, or “line”, “shot” and “time”.")
            raise _Wrong(name, "missing", message % {"name": name})
    line, shot_at = item["line"], _moment(item, "time")
    if not isinstance(line, str) or not 0 < len(line) <= LONGEST_LINE or NUL in line:
        message = _("“line” is “%(seen)s”: give the name of the line's key.")
        raise _Wrong("line", "invalid", message % {"seen": _shown(line)})
    assert shot_at is not None  # noqa: S101 - it is not missing
    return line, _shot(item["shot"]), shot_at


def _shot(given: Any) -> int:
    try:
        number = float(given)
        is_whole = not isinstance(given, bool) and number.is_integer()
    except (TypeError, ValueError, OverflowError):
        is_whole = False
    if is_whole and 0 <= number <= LARGEST_SHOT:
        return int(number)
    message = _("“shot” is “%(seen)s”: give the shot counter, a whole number.")
    raise _Wrong("shot", "invalid", message % {"seen": _shown(given)})


def _moment(item: Mapping[str, Any], name: str) -> datetime | None:
    given = item.get(name)
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except (TypeError, ValueError) as exc:
        message = _("“%(name)s” is “%(seen)s”: give a time as 2026-01-31T12:00:00Z.")
        words = {"name": name, "seen": _shown(given)}
        raise _Wrong(name, "invalid", message % words) from exc
    if moment.tzinfo is None or moment.utcoffset() is None:
        message = _("“%(name)s” is “%(seen)s” without an offset from UTC: add Z or +09:00.")
        raise _Wrong(name, "no_offset", message % {"name": name, "seen": _shown(given)})
    if moment < EARLIEST:
        message = _("“%(name)s” is “%(seen)s”, before 1970: give the time of the shot.")
        raise _Wrong(name, "too_old", message % {"name": name, "seen": _shown(given)})
    return moment


def _label(item: Mapping[str, Any]) -> str:
    given = item.get("label")
    if isinstance(given, str) and given in Prediction.Label.values:
        return given
    message = _("“label” is “%(seen)s”: say “defect” or “ok”.")
    raise _Wrong("label", "invalid", message % {"seen": _shown(given)})


def _flag(item: Mapping[str, Any]) -> bool:
    given = item.get("inspected", False)
    if isinstance(given, bool):
        return given
    if isinstance(given, str) and given.lower() in WORDS:
        return WORDS[given.lower()]
    message = _("“inspected” is “%(seen)s”: say true or false.")
    raise _Wrong("inspected", "invalid", message % {"seen": _shown(given)})


def _shown(value: Any) -> str:
    return str(value)[:60].replace(NUL, "�")
