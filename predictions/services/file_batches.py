"""Predict whole files: part by part, so that a worker's death costs the part in hand.

Each part of the result is an artifact of the run, written under its fencing token and named for the
rows it holds. Whoever takes the run over goes on behind the last one, so no row is answered twice,
and on the same version, wherever the aliases point by then. A retry takes over the parts of the run
it repeats. The rows do not enter the table of predictions: they are not traffic, and drift and live
quality must not take them for it. The result under its digest, with the run, is their record.
"""

import errno
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq
from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from portal.core.errors import Conflict, FieldProblem, InvalidInput, OutOfSpace
from portal.lib.hashing import chunks
from portal.registry.models import ModelVersion
from portal.runs import artifacts
from portal.runs.context import RunContext
from portal.runs.models import Artifact, Run, RunArtifact
from predictions.engine import file_rows
from predictions.engine.file_rows import FileRows, RowReader
from predictions.engine.problems import EngineError, Problem
from predictions.engine.readers import EmptyTable, too_many
from predictions.services import file_scores, serving
from predictions.services.engine_errors import invalid_input
from predictions.services.file_runs import CSV, INPUT, PARQUET, RESULTS, Part, kept_parts
from predictions.services.serving import Held

#: Rows between two checkpoints; about 10 MB in memory and a second of work.
PART_ROWS = 20_000
#: Ours: a small Parquet file can stand for a great many rows.
MOST_ROWS = 10_000_000
_PART = "part-{start:09d}-{end:09d}-{n_invalid}.parquet"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
#: Share of the work that reading and scoring are; the rest is writing the result.
_SCORING = 0.9
#: So that spreadsheets take the text for what it is.
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def keep_input(source: Path | BinaryIO) -> Artifact:
    """Look at a file's size and header and keep it for the run that will read it.

    Raises
    ------
    InvalidInput
        When it is no table of shots; the errors name each column that is missing.
    OutOfSpace
        When the artifact storage is full.
    """
    if isinstance(source, Path):
        try:
            with source.open("rb") as stream:
                return keep_input(stream)
        except OSError as exc:
            if exc.errno in _FULL:
                raise
            message = _("The file %(path)s cannot be read: %(reason)s.") % {
                "path": source,
                "reason": exc.strerror or exc,
            }
            raise _wrong_file(message) from exc
    _check_size(source)
    try:
        file_rows.check_header(source, max_rows=MOST_ROWS)
    except EngineError as exc:
        raise invalid_input(exc, _("Nothing was predicted.")) from exc
    return artifacts.save(source, _media_type(source))


def predict(ctx: RunContext) -> dict[str, Any]:
    """Predict the file of a run and leave the result as Parquet and CSV.

    Parameters
    ----------
    ctx
        The run; its parameters are those of `dispatch.predict_file`.

    Returns
    -------
    dict
        Numbers of rows, the version with its digest, the digests of input and results.

    Raises
    ------
    InvalidInput
        When the file turns out to be no table of shots.
    Conflict
        When the version changed or is gone.
    OutOfSpace
        When a disk is full; the parts so far are kept, and a retry goes on behind them.
    """
    with translation.override(ctx.parameters["language"]), _room(), _engine_errors():
        held = _held(ctx)
        _adopt(ctx)
        with artifacts.open_verified(ctx.parameters["input"]) as path:
            reader = _score(ctx, held, path)
        parts = kept_parts(ctx.run_id)
        digests = _write_results(ctx, parts, reader.texts)
        _drop(ctx, parts)
    n_rows = parts[-1].end
    n_invalid = sum(part.n_invalid for part in parts)
    return {
        "model": ctx.parameters["model"],
        "version": held.number,
        "version_digest": held.digest,
        "input": ctx.parameters["input"],
        "input_name": ctx.parameters["input_name"],
        "dataset": ctx.parameters["dataset"],
        "rows": n_rows,
        "ok": n_rows - n_invalid,
        "invalid": n_invalid,
        "blank_lines": reader.source.n_blank_rows if reader.source else 0,
        "results": digests,
    }


# --- Steps of the run -----------------------------------------------------------------------------
def _held(ctx: RunContext) -> Held:
    """Load the version that the run began with."""
    wanted = ctx.parameters
    version = (
        ModelVersion.objects.select_related("model")
        .filter(model__name=wanted["model"], number=wanted["version"])
        .first()
    )
    if version is None or version.digest != wanted["version_digest"]:
        raise Conflict(
            _("Version %(number)d of %(model)s is not the one that this run began with.")
            % {"number": wanted["version"], "model": wanted["model"]},
            code="version_changed",
        )
    if version.state == ModelVersion.State.REMOVED:
        raise Conflict(
            _("%(version)s was removed by retention: start again with another version.")
            % {"version": version},
            code="version_removed",
        )
    return serving.load(version)


def _adopt(ctx: RunContext) -> None:
    """Keep the input with this run, and take over the parts of the run that it repeats."""
    with ctx.fenced() as run:
        RunArtifact.objects.get_or_create(
            run=run, name=INPUT, defaults={"artifact_id": ctx.parameters["input"]}
        )
        repeated = Run.objects.filter(retries=run, parameters=run.parameters).first()
        if repeated is None or kept_parts(run.pk):
            return
        parts = kept_parts(repeated.pk)
        for part in parts:
            RunArtifact.objects.create(run=run, name=part.name, artifact_id=part.sha256)
    if parts:
        ctx.log(
            _("%(rows)d rows are taken over from the run before.") % {"rows": parts[-1].end},
            rows=parts[-1].end,
        )


def _score(ctx: RunContext, held: Held, path: Path) -> RowReader:
    """Answer the rows that no part holds yet; return the reader, at the end of the file."""
    parts = kept_parts(ctx.run_id)
    reached = parts[-1].end if parts else 0
    n_invalid = sum(part.n_invalid for part in parts)
    with path.open("rb") as stream:
        n_rows = _n_rows(stream)
        reader = RowReader(stream, part_rows=PART_ROWS, skip_rows=reached, max_rows=MOST_ROWS)
        started, first = time.perf_counter(), reached
        for rows in reader:
            n_invalid += _keep(ctx, held, rows, reached)
            reached += rows.n_rows
            if reached > MOST_ROWS:
                raise too_many(MOST_ROWS)
            rate = (reached - first) / (time.perf_counter() - started)
            share = _SCORING * min(reached / n_rows, 1.0)
            said = file_scores.counted(reached, n_invalid)
            ctx.progress(share, phase="score", message=said, rate=rate)
    if not reached:
        raise EmptyTable([Problem("", "no_rows")])
    return reader


def _keep(ctx: RunContext, held: Held, rows: FileRows, start: int) -> int:
    """Answer one part and keep it; return how many of its rows are invalid."""
    scored = file_scores.score(held, rows)
    sink = BytesIO()
    pq.write_table(scored.table, sink, compression="zstd")
    name = _PART.format(start=start, end=start + rows.n_rows, n_invalid=scored.n_invalid)
    ctx.save_artifact(name, sink.getvalue(), PARQUET)
    return scored.n_invalid


def _n_rows(stream: BinaryIO) -> int:
    """Return about how many rows a file has, for the progress alone; leaves it at its start."""
    said = file_rows.n_rows_said(stream)
    if said is None:
        said = sum(block.count(b"\n") for block in chunks(stream))
        stream.seek(0)
    return max(said, 1)


def _write_results(ctx: RunContext, parts: list[Part], texts: Collection[str]) -> dict[str, str]:
    """Join the parts in both forms, with the texts of the file; return the digests by name."""
    with tempfile.TemporaryDirectory(prefix="millwright-") as folder:
        paths = {name: Path(folder) / name for name in RESULTS}
        parquet_path, csv_path = paths.values()
        metadata = {
            "model": ctx.parameters["model"],
            "model_version": str(ctx.parameters["version"]),
            "version_digest": ctx.parameters["version_digest"],
            "input_sha256": ctx.parameters["input"],
            "run": str(ctx.run_id),
        }
        schema = file_scores.result_schema(texts).with_metadata(metadata)
        with csv_path.open("wb") as sink:
            sink.write(_BYTE_ORDER_MARK)
            with (
                pq.ParquetWriter(parquet_path, schema, compression="zstd") as columns,
                pv.CSVWriter(sink, schema) as lines,
            ):
                for number, whole in enumerate(_tables(parts)):
                    table = whole.select(schema.names)
                    columns.write_table(table.replace_schema_metadata(metadata))
                    lines.write_table(file_scores.safe_for_spreadsheets(table))
                    share = _SCORING + (1 - _SCORING) * (number + 1) / (len(parts) + 1)
                    ctx.progress(share, phase="write", message=_("Writing the result."))
        return {
            name: ctx.save_artifact(name, path, RESULTS[name]).sha256
            for name, path in paths.items()
        }


def _tables(parts: list[Part]) -> Iterator[pa.Table]:
    for part in parts:
        yield pq.read_table(pa.BufferReader(artifacts.read(part.sha256)))


def _drop(ctx: RunContext, parts: list[Part]) -> None:
    """Let the parts go, the last first: what a death in the middle leaves can be gone on from."""
    for part in reversed(parts):
        with ctx.fenced():
            RunArtifact.objects.filter(run_id=ctx.run_id, name=part.name).delete()
        artifacts.remove_unreferenced(part.sha256)


# --- Errors ---------------------------------------------------------------------------------------
@contextmanager
def _engine_errors() -> Iterator[None]:
    try:
        yield
    except EngineError as exc:
        raise invalid_input(exc, _("The file was not finished.")) from exc


@contextmanager
def _room() -> Iterator[None]:
    """Say of a full temporary disk what it is."""
    try:
        yield
    except OSError as exc:
        if exc.errno not in _FULL:
            raise
        raise OutOfSpace(
            _(
                "The disk of temporary files is full (%(reason)s): free some space, then retry the "
                "run; it goes on where it stopped."
            )
            % {"reason": exc.strerror or exc}
        ) from exc


def _check_size(source: BinaryIO) -> None:
    size_bytes = source.seek(0, 2)
    source.seek(0)
    limit = settings.MAX_DATASET_BYTES
    if size_bytes > limit:
        message = _(
            "The file has %(size)d MiB, more than the %(limit)d MiB that are taken at once: "
            "split it, write it as Parquet, or raise MILLWRIGHT_MAX_DATASET_BYTES."
        ) % {"size": size_bytes >> 20, "limit": limit >> 20}
        raise _wrong_file(message, "file_too_large")


def _wrong_file(message: str, code: str = "unreadable") -> InvalidInput:
    return InvalidInput(message, code=code, problems=[FieldProblem("file", code, message)])


def _media_type(source: BinaryIO) -> str:
    is_parquet = source.read(4) == b"PAR1"
    source.seek(0)
    return PARQUET if is_parquet else CSV
