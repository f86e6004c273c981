"""The work of a campaign: corpora, indexes built side by side, cells measured one by one.

Each cell is a row, written once it is measured: whatever dies loses at most the cell in hand. The
indexes of one corpus are built, measured and removed before the next corpus, so that the disk holds
one corpus' indexes at a time.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_UN, flock
from itertools import groupby
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.lib.hashing import digest_json
from portal.runs.context import RunContext
from search.lab.engine import corpora, hybrid
from search.lab.engine.corpora import Corpus
from search.lab.engine.engines.pg import PgVector
from search.lab.engine.problems import EngineProblem
from search.lab.models import Campaign, CellResult
from search.lab.services import campaigns, machine
from search.lab.services.worker import ANSWER, OUT_OF_MEMORY, SAMPLES, Job

#: Cores that other work may keep busy while a cell is timed, before the cell is repeated.
MOST_FOREIGN_CORES = 0.3
MAX_TRIES = 3
_POLL_S = 0.5
_PARQUET = "application/vnd.apache.parquet"


def home() -> Path:
    """Return the folder of corpora and indexes."""
    return Path(settings.HOME) / "lab"


def work(ctx: RunContext) -> dict[str, Any]:
    """Measure the cells of a campaign that are left."""
    campaign = Campaign.objects.get(pk=ctx.parameters["campaign"])
    with ctx.fenced():
        Campaign.objects.filter(pk=campaign.pk).update(environment=machine.facts())
    with ctx.fenced():
        for label in campaigns.repeat_damaged(campaign=campaign):
            ctx.log("damaged checkpoint, measured again", level="warning", cell=label)
    left = list(campaign.cells.filter(state=CellResult.State.WAITING))
    n_cells = campaign.cells.count()
    for (scale, dimension), group in groupby(left, lambda row: _corpus_of(row)):
        if _is_paused(campaign):
            break
        _say(ctx, n_cells, campaign, _("Corpus of %(n)s passages") % {"n": f"{scale:,}"})
        corpus = _corpus(ctx, campaign, scale, dimension)
        _measure_corpus(ctx, campaign, corpus, list(group), n_cells)
    counts = {
        state: campaign.cells.filter(state=state).count() for state in CellResult.State.values
    }
    return {"campaign": str(campaign.pk), "is_paused": _is_paused(campaign), **counts}


def _corpus_of(row: CellResult) -> tuple[int, int]:
    cell = row.what
    return cell.scale, cell.dimension


def _corpus(ctx: RunContext, campaign: Campaign, scale: int, dimension: int) -> Corpus:
    folder = home() / "corpora"
    texts = corpora.generated(folder, scale, seed=campaign.seed, check=ctx.check)
    return corpora.with_vectors(folder, texts, dimension, seed=campaign.seed, check=ctx.check)


def _measure_corpus(
    ctx: RunContext, campaign: Campaign, corpus: Corpus, rows: Sequence[CellResult], n_cells: int
) -> None:
    (home() / "indexes").mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=home() / "indexes"))
    try:
        built = _build_all(ctx, campaign, corpus, rows, folder)
        for row in rows:
            if _is_paused(campaign):
                return
            facts = built[row.what.index_key]
            if isinstance(facts, str):
                _failed(ctx, row, facts)
            else:
                _measure(ctx, campaign, corpus, row, folder, facts)
            _say(ctx, n_cells, campaign, row.what.label)
    finally:
        _remove(folder)


def _build_all(
    ctx: RunContext,
    campaign: Campaign,
    corpus: Corpus,
    rows: Sequence[CellResult],
    folder: Path,
) -> dict[str, Any]:
    """Return the facts of each index by its key, or what went wrong."""
    _build_legs(ctx, corpus, rows)
    jobs = {row.what.index_key: _job("build", row, campaign, corpus, folder) for row in rows}
    n_workers = machine.n_workers(campaign.n_workers, campaign.memory_mb)
    found: dict[str, Any] = {}
    with ThreadPoolExecutor(n_workers) as pool:
        futures = {key: pool.submit(_do, ctx, job) for key, job in jobs.items()}
        for key, future in futures.items():
            found[key] = _outcome(future.result)
    for key, facts in found.items():
        if facts == OUT_OF_MEMORY and n_workers > 1:  # alone it may have room
            _clear(jobs[key])
            found[key] = _outcome(lambda job=jobs[key]: _do(ctx, job))
    limit = campaign.memory_mb
    return {
        key: _short_of_memory(jobs[key], limit) if facts == OUT_OF_MEMORY else facts
        for key, facts in found.items()
    }


def _short_of_memory(job: Job, limit: int) -> str:
    return str(EngineProblem("memory_cap", engine=job.cell.engine, limit=limit))


def _outcome(result: Any) -> Any:
    try:
        return result()
    except EngineProblem as exc:
        return str(exc)


def _build_legs(ctx: RunContext, corpus: Corpus, rows: Sequence[CellResult]) -> None:
    cache = home() / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for row in rows:
        name = row.what.lexical
        if name and not hybrid.leg_folder(cache, corpus, name).exists():
            with tempfile.TemporaryDirectory(dir=cache) as folder:
                job = Job("lexical", row.what, corpus.texts.path, corpus.path, Path(folder), cache)
                _do(ctx, job)


def _measure(
    ctx: RunContext,
    campaign: Campaign,
    corpus: Corpus,
    row: CellResult,
    folder: Path,
    built: dict[str, Any],
) -> None:
    job = _job("measure", row, campaign, corpus, folder)
    n_tries, is_disturbed = 0, True
    while is_disturbed and n_tries < MAX_TRIES:
        n_tries += 1
        with _timing(ctx):
            facts = _outcome(lambda: _do(ctx, job))
        if not isinstance(facts, dict):
            short = _short_of_memory(job, campaign.memory_mb)
            _failed(ctx, row, facts if isinstance(facts, str) else short)
            return
        is_disturbed = facts["foreign_cores"] > MOST_FOREIGN_CORES
        if is_disturbed:
            cores = facts["foreign_cores"]
            ctx.log("disturbed", level="warning", cell=row.what.label, cores=cores)
    facts |= built | {"is_disturbed": is_disturbed}
    samples = ctx.save_artifact(f"samples-{row.key}", job.folder / SAMPLES, _PARQUET)
    with ctx.fenced():
        CellResult.objects.filter(pk=row.pk).update(
            state=CellResult.State.MEASURED,
            facts=facts,
            digest=digest_json(facts),
            samples=samples,
            n_tries=n_tries,
            measured_at=timezone.now(),
            error="",
        )


def _failed(ctx: RunContext, row: CellResult, reason: str) -> None:
    ctx.log("cell failed", level="warning", cell=row.what.label, reason=reason)
    with ctx.fenced():
        CellResult.objects.filter(pk=row.pk).update(
            state=CellResult.State.FAILED, error=reason[:2_000], measured_at=timezone.now()
        )


def _job(action: str, row: CellResult, campaign: Campaign, corpus: Corpus, folder: Path) -> Job:
    cell = row.what
    return Job(
        action,
        cell,
        corpus.texts.path,
        corpus.path,
        folder / cell.index_key,
        home() / "cache",
        campaigns.postgres() if cell.engine == "pgvector" else "",
        campaign.memory_mb,
        tuple(campaign.clients),
    )


def _do(ctx: RunContext, job: Job) -> Any:
    """Do a job in a process of its own; it is ended when the run must stop.

    Raises
    ------
    EngineProblem
        If the process failed; with the last line it wrote.
    """
    job.folder.mkdir(parents=True, exist_ok=True)
    path, log = job.folder / f"{job.action}.json", job.folder / f"{job.action}.log"
    answer = job.folder / ANSWER
    answer.unlink(missing_ok=True)
    job.write(path)
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - this interpreter, a file of ours
            [sys.executable, "-m", "search.lab.services.worker", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=settings.BASE_DIR,
        )
        try:
            while process.poll() is None:
                ctx.check()
                time.sleep(_POLL_S)
        finally:
            process.kill()
            process.wait()
    if process.returncode == OUT_OF_MEMORY:
        return OUT_OF_MEMORY
    if process.returncode or not answer.exists():
        lines = log.read_text("utf-8", "replace").strip().splitlines() or [""]
        reason = lines[-1] or f"exit status {process.returncode}"
        raise EngineProblem(
            "engine_failed", engine=job.cell.engine, phase=job.action, reason=reason[:500]
        )
    return json.loads(answer.read_text())


def _clear(job: Job) -> None:
    shutil.rmtree(job.folder, ignore_errors=True)


def _remove(folder: Path) -> None:
    for place in folder.glob("*/vectors"):
        if (place / "table.json").exists():
            PgVector(_connect).drop(place)
    shutil.rmtree(folder, ignore_errors=True)


def _connect() -> Any:
    import psycopg  # noqa: PLC0415 - only where pgvector was measured

    return psycopg.connect(campaigns.postgres())


@contextmanager
def _timing(ctx: RunContext) -> Iterator[None]:
    """Hold the one lock of this machine under which cells are timed."""
    ctx.check()
    home().mkdir(parents=True, exist_ok=True)
    with (home() / "timing.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        try:
            yield
        finally:
            flock(lock, LOCK_UN)


def _is_paused(campaign: Campaign) -> bool:
    return Campaign.objects.filter(pk=campaign.pk, is_paused=True).exists()


def _say(ctx: RunContext, n_cells: int, campaign: Campaign, message: str) -> None:
    done = campaign.cells.exclude(state=CellResult.State.WAITING).count()
    ctx.progress(done / max(1, n_cells), phase="measure", message=message)
