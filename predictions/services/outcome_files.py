"""Read a file of outcomes as a run: progress, a line for every row, and nothing counted twice."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, BinaryIO

from django.utils.translation import gettext as _

from portal.core.errors import InvalidInput
from portal.runs import artifacts
from portal.runs.context import RunContext
from portal.runs.models import Artifact, Run
from predictions.services import feedback, reports
from predictions.services.feedback import Recorded

#: Rows of one file, and its bytes; ours: a month of a fast line.
MOST_ROWS = 1_000_000
MOST_BYTES = 256 * 2**20
CSV = "text/csv"
REPORT = "report.csv"
SOURCE = "outcomes.csv"
#: Problems told on the run's page; the report has all of them.
N_SHOWN = 20
_CHUNK = 1_000
#: The header is row 1 of a file.
_FIRST_ROW = 2


@dataclass
class _Tally:
    """What became of the rows read so far."""

    n_recorded: int = 0
    n_unchanged: int = 0
    n_waiting: int = 0
    n_refused: int = 0
    problems: list[str] = field(default_factory=list)


def keep(file: BinaryIO) -> Artifact:
    """Keep a file of outcomes once its header is found to be one.

    Raises
    ------
    InvalidInput
        When it is too large or its header names no members of a report.
    OutOfSpace
        When the storage is full.
    """
    size = file.seek(0, io.SEEK_END)
    if size > MOST_BYTES:
        message = _("The file has %(seen)d MiB; at most %(most)d are read: split it.")
        words = {"seen": size // 2**20, "most": MOST_BYTES // 2**20}
        raise reports.bad_file("too_large", message % words)
    if next(reports.from_csv(file, most=MOST_ROWS), None) is None:
        raise reports.bad_file("empty", _("The file holds no row below its header."))
    file.seek(0)
    return artifacts.save(file, CSV)


def load(ctx: RunContext, *, sha256: str) -> dict[str, Any]:
    """Keep the outcomes of a file and say of every row what became of it.

    A run that is started again reads the file again: what was kept is found and counted as kept by
    this run, so nothing is said twice.

    Parameters
    ----------
    ctx
        The run.
    sha256
        Of the file.

    Returns
    -------
    dict
        How many rows were recorded, unchanged, waiting and refused, and the first problems.

    Raises
    ------
    InvalidInput
        When the file is no CSV or has too many rows; rows before the break are kept.
    """
    run = Run.objects.only("created_at").get(pk=ctx.run_id)
    reporter = f"user:{ctx.started_by}" if ctx.started_by else "system:outcomes"
    tally, report = _Tally(), io.StringIO()
    lines = csv.writer(report)
    lines.writerow(["row", "result", "field", "code", "message", "prediction_id"])
    with artifacts.open_verified(sha256) as path, path.open("rb") as file:
        n_bytes = max(path.stat().st_size, 1)
        try:
            rows = reports.from_csv(file, most=MOST_ROWS)
            for start, part in _chunks(rows):
                found = feedback.record(part, reported_by=reporter)
                lines.writerows(_told(found, start, len(part), run.created_at, tally))
                ctx.progress(
                    file.tell() / n_bytes,
                    _("read"),
                    _("%(count)d rows are read.") % {"count": start + len(part)},
                )
        except InvalidInput as exc:
            lines.writerow(["", "broken", "file", exc.specific_code, str(exc), ""])
            _save(ctx, report)
            raise
    _save(ctx, report)
    ctx.progress(1.0, _("done"))
    return {
        "recorded": tally.n_recorded,
        "unchanged": tally.n_unchanged,
        "waiting": tally.n_waiting,
        "refused": tally.n_refused,
        "problems": tally.problems,
    }


def _chunks(rows: Iterator[Any]) -> Iterator[tuple[int, Sequence[Any]]]:
    """Yield rows part by part with the first one's index."""
    start = 0
    while part := list(islice(rows, _CHUNK)):
        yield start, part
        start += len(part)


def _told(
    found: Recorded, start: int, n_rows: int, since: datetime, tally: _Tally
) -> Iterator[list[object]]:
    """Yield a line of the report for each row and count it."""
    refused = {refusal.index: refusal for refusal in found.refusals}
    for index in range(n_rows):
        number = start + index + _FIRST_ROW
        if (refusal := refused.get(index)) is not None:
            tally.n_refused += 1
            if len(tally.problems) < N_SHOWN:
                text = _("Row %(row)d, %(field)s: %(message)s")
                words = {"row": number, "field": refusal.field, "message": refusal.message}
                tally.problems.append(text % words)
            yield [number, "refused", refusal.field, refusal.code, refusal.message, ""]
            continue
        outcome = found.outcomes[index]
        if outcome.recorded_at < since:
            result = "unchanged"
            tally.n_unchanged += 1
        elif outcome.prediction_id is None:
            result = "waiting"
            tally.n_waiting += 1
        else:
            result = "recorded"
            tally.n_recorded += 1
        yield [number, result, "", "", "", outcome.prediction_id or ""]


def _save(ctx: RunContext, report: io.StringIO) -> None:
    ctx.save_artifact(REPORT, report.getvalue().encode("utf-8-sig"), CSV)
