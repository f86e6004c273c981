"""Runs that predict a file: which version they use, what they leave, and when that goes."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from portal.core.errors import Conflict, FieldProblem, InvalidInput, Unavailable
from portal.lib import clock
from portal.registry import selectors
from portal.registry.models import ModelVersion
from portal.runs import artifacts
from portal.runs.context import RunContext
from portal.runs.models import TERMINAL_STATES, Run, RunArtifact
from predictions.models import Dataset
from predictions.services.models import quality_model

KIND = "predictions.predict_file"
PARQUET, CSV = "application/vnd.apache.parquet", "text/csv"
#: What the run reads and what it leaves.
INPUT = "input"
RESULTS = {"predictions.parquet": PARQUET, "predictions.csv": CSV}
PARTS = "part-"
_PART_NAME = re.compile(r"part-(\d+)-(\d+)-(\d+)\.parquet")
#: A run that ended badly may be repeated this long without starting anew; ours.
PARTS_KEPT = timedelta(days=1)


@dataclass(frozen=True)
class Part:
    """A part of the result that is kept: the rows from `start` up to, not including, `end`."""

    start: int
    end: int
    n_invalid: int
    name: str
    sha256: str


def choose_version(model_name: str, number: int | None) -> ModelVersion:
    """Return the version that a file is to be predicted by: the champion, or another by number.

    Raises
    ------
    NotFound
        When there is no such model.
    InvalidInput
        When it has no version of that number.
    Conflict
        When the version may not be used any more.
    Unavailable
        When no number is given and there is no champion.
    """
    model = quality_model(model_name)
    if number is None:
        champion = selectors.champion(model.name)
        if champion is None:
            raise Unavailable(
                _(
                    "The model %(model)s has no champion: train a version, ask for its promotion "
                    "and have it approved and applied."
                )
                % {"model": model.name},
                code="no_champion",
            )
        return champion
    version = model.versions.select_related("model").filter(number=number).first()
    if version is None:
        message = _("“%(model)s” has no version %(number)d.") % {
            "model": model.name,
            "number": number,
        }
        raise InvalidInput(message, problems=[FieldProblem("version", "unknown", message)])
    if version.state != ModelVersion.State.READY:
        raise Conflict(
            _("%(version)s is %(state)s: choose another version.")
            % {"version": version, "state": version.get_state_display()},
            code="version_not_usable",
        )
    return version


def check_kind(dataset: Dataset) -> None:
    """Raise :class:`InvalidInput` for a data set that holds no shots."""
    if dataset.kind == Dataset.Kind.QUALITY:
        return
    message = _("The data set “%(name)s” holds %(kind)s, no shots: choose another.") % {
        "name": dataset.name,
        "kind": dataset.get_kind_display(),
    }
    raise InvalidInput(message, problems=[FieldProblem("dataset", "wrong_kind", message)])


def kept_parts(run_id: Any) -> list[Part]:
    """Return the parts of a run's result that follow one another from the first row."""
    rows = RunArtifact.objects.filter(run_id=run_id, name__startswith="part-").order_by("name")
    parts: list[Part] = []
    for row in rows:
        match = _PART_NAME.fullmatch(row.name)
        reached = parts[-1].end if parts else 0
        if match is None or int(match[1]) != reached:
            break
        start, end, n_invalid = map(int, match.groups())
        parts.append(Part(start, end, n_invalid, row.name, row.artifact_id))
    return parts


def of_files() -> QuerySet[Run]:
    """Return the runs that predict files, with what they left."""
    rows = Run.objects.filter(kind=KIND).select_related("started_by")
    return rows.prefetch_related("run_artifacts__artifact")


def tidy(ctx: RunContext) -> dict[str, Any]:
    """Remove results past retention, and the parts of runs that ended without a result.

    Returns
    -------
    dict
        How many artifacts are gone from how many runs.
    """
    now = clock.now()
    over = RunArtifact.objects.filter(run__kind=KIND, run__state__in=TERMINAL_STATES)
    parts = over.filter(name__startswith=PARTS, run__finished_at__lt=now - PARTS_KEPT)
    old = over.filter(run__finished_at__lt=now - settings.RETENTION)
    rows = [*parts, *old.exclude(name__startswith=PARTS)]
    return {"artifacts": _remove(ctx, rows), "runs": len({row.run_id for row in rows})}


def _remove(ctx: RunContext, rows: Iterable[RunArtifact]) -> int:
    n_removed = 0
    for row in rows:
        ctx.check()
        row.delete()
        n_removed += artifacts.remove_unreferenced(row.artifact_id)
    return n_removed
