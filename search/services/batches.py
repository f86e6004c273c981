"""Many searches as one run: parts of the result can be read while the rest is still to come.

Each part is an artifact of the run, written under its fencing token and named for the queries it
answers. Whoever takes the run over after a worker died goes on behind the last one, so no query is
answered twice.
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
from django.utils.translation import gettext as _

from portal.core.errors import NotFound, PortalError
from portal.lib import clock
from portal.runs import artifacts
from portal.runs.context import RunContext
from portal.runs.models import TERMINAL_STATES, Artifact, Run, RunArtifact
from search.engine.options import SearchOptions
from search.services import following, searching
from search.services.serving import Query

KIND = "search.batch"
INPUT, PARTS = "queries", "part-"
JSON, NDJSON = "application/json", "application/x-ndjson"
MOST_QUERIES = 10_000
#: A part is closed after so many seconds, so that something can be read soon; ours.
PART_S = 1.0
#: Results of batches are kept so long; ours.
KEPT = timedelta(days=7)
#: A worker waits so long for an index that it has to open; nobody sits in front of it.
OPEN_S = 60.0
_PART_NAME = re.compile(r"part-(\d+)-(\d+)-(\d+)\.ndjson")


class Priority(StrEnum):
    """Which of several waiting batches a free worker takes first."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    @property
    def message(self) -> int:
        """Return the priority of the message to the workers: 0 goes first."""
        return {"high": 0, "normal": 3, "low": 9}[self.value]


@dataclass(frozen=True)
class Part:
    """A part of the result: the queries from `start` up to, not including, `end`."""

    start: int
    end: int
    n_failed: int
    sha256: str


def keep(queries: Sequence[tuple[str | None, Query]]) -> Artifact:
    """Keep queries, each with the name its caller gave it, for the run that will ask them."""
    rows = [{"id": name, **asdict(query)} for name, query in queries]
    return artifacts.save(msgspec.json.encode(rows), JSON)


def of_jobs() -> Any:
    """Return the runs that ask batches."""
    return Run.objects.filter(kind=KIND).select_related("started_by")


def job(job_id: UUID) -> Run:
    """Return the run of a batch.

    Raises
    ------
    NotFound
        When there is none.
    """
    run: Run | None = of_jobs().filter(pk=job_id).first()
    if run is None:
        raise NotFound(_("There is no batch of searches %(id)s.") % {"id": job_id})
    return run


def parts(run_id: UUID) -> list[Part]:
    """Return the parts of a result that follow one another from the first query."""
    kept = RunArtifact.objects.filter(run_id=run_id, name__startswith=PARTS).order_by("name")
    found: list[Part] = []
    for row in kept:
        match = _PART_NAME.fullmatch(row.name)
        reached = found[-1].end if found else 0
        if match is None or int(match[1]) != reached:
            break
        start, end, n_failed = map(int, match.groups())
        found.append(Part(start, end, n_failed, row.artifact_id))
    return found


def lines(run_id: UUID, start: int = 0) -> Iterator[bytes]:
    """Yield what is there of a result, a line of JSON for each query from `start` on."""
    for part in parts(run_id):
        if part.end <= start:
            continue
        content = artifacts.read(part.sha256)
        skipped = max(0, start - part.start)
        yield b"".join(content.splitlines(keepends=True)[skipped:])


def ask(ctx: RunContext) -> dict[str, Any]:
    """Ask the queries of a run.

    Returns
    -------
    dict
        How many were answered and how many could not be.
    """
    rows = msgspec.json.decode(artifacts.read(ctx.parameters["artifact"]))
    for name in sorted({row["collection"] for row in rows}):
        _open(name)
    done = parts(ctx.run_id)
    position = done[-1].end if done else 0
    n_failed = sum(part.n_failed for part in done)
    while position < len(rows):
        start, said, n_bad, began = position, [], 0, time.monotonic()
        is_open = True
        while is_open and position < len(rows):
            line, is_good = _line(position, rows[position])
            said.append(line)
            n_bad += not is_good
            position += 1
            is_open = time.monotonic() - began < PART_S
            ctx.check()
        n_failed += n_bad
        name = f"{PARTS}{start:06d}-{position:06d}-{n_bad}.ndjson"
        ctx.save_artifact(name, b"".join(said), NDJSON)
        ctx.progress(
            position / len(rows),
            _("search"),
            _("%(done)d of %(all)d queries") % {"done": position, "all": len(rows)},
            rate=(position - start) / max(time.monotonic() - began, 1e-6),
        )
    return {"n_queries": len(rows), "n_failed": n_failed}


def _open(name: str) -> None:
    """Wait for an index that is live; why there is none, each of its queries is told."""
    with suppress(PortalError):
        following.held(name, OPEN_S)


def _line(number: int, row: Mapping[str, Any]) -> tuple[bytes, bool]:
    """Return the line of one query and whether it was answered."""
    own = {"index": number, "id": row["id"]}
    try:
        found = searching.search(
            row["collection"],
            row["query"],
            mode=row["mode"],
            top_k=row["top_k"],
            filters=row["filters"],
            taxonomy=row["taxonomy"],
            options=SearchOptions(**row["options"]) if row["options"] else None,
        )
    except PortalError as exc:
        error = {"code": exc.specific_code, "detail": str(exc)}
        return msgspec.json.encode({**own, "status": "failed", "error": error}) + b"\n", False
    said = {**own, "status": "ok", **found.result.to_dict(), "version": found.version}
    return msgspec.json.encode(said) + b"\n", True


def tidy(ctx: RunContext) -> int:
    """Remove queries and results past their term; return how many artifacts are gone."""
    before = clock.now() - KEPT
    old = RunArtifact.objects.filter(
        run__kind=KIND, run__state__in=TERMINAL_STATES, run__finished_at__lt=before
    )
    n_removed = 0
    for row in list(old):
        ctx.check()
        row.delete()
        n_removed += artifacts.remove_unreferenced(row.artifact_id)
    return n_removed
