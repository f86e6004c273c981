"""The work of a campaign: corpora, indexes built side by side, cells measured one by one.

Each cell is a row, written once it is measured: whatever dies loses at most the cell in hand. The
indexes of one corpus are built, measured and removed before the next corpus, so that the disk holds
one corpus' indexes at a time.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.lib import timing
from portal.lib.hashing import digest_json
from portal.runs.context import RunContext
from search.lab import selectors
from search.lab.engine import corpora, hybrid
from search.lab.engine.corpora import Corpus, TextFolder
from search.lab.engine.engines.pg import PgVector
from search.lab.engine.matrix import Cell
from search.lab.engine.problems import EngineProblem
from search.lab.models import Campaign, CellResult
from search.lab.services import building, campaigns, estimates, machine, own, processes
from search.lab.services.problems import said
from search.lab.services.processes import OutOfMemory, Resting, Watch
from search.lab.services.worker import SAMPLES, Job

#: Cores that other work may keep busy while a cell is timed, before the cell is repeated.
MOST_FOREIGN_CORES = 0.3
_PARQUET = "application/vnd.apache.parquet"


def home() -> Path:
    """Return the folder of corpora and indexes."""
    return Path(settings.HOME) / "lab"


def work(ctx: RunContext) -> dict[str, Any]:
    """Measure the cells of a campaign that are left."""
    return measure(ctx, Campaign.objects.get(pk=ctx.parameters["campaign"]))


def measure(ctx: RunContext, campaign: Campaign) -> dict[str, Any]:
    """Measure what is left of a campaign in a run."""
    with ctx.fenced():
        Campaign.objects.filter(pk=campaign.pk).update(environment=machine.facts())
    with ctx.fenced():
        for label in campaigns.repeat_damaged(campaign=campaign):
            said = _("%(cell)s: what was kept is damaged, so it is measured again.")
            ctx.log(said % {"cell": label}, level="warning", cell=label)
    try:
        _Work(ctx, campaign).all()
    except Resting:
        ctx.log(_("The campaign is paused."))
    counts = {
        state: campaign.cells.filter(state=state).count() for state in CellResult.State.values
    }
    campaign.refresh_from_db(fields=["is_paused"])
    return {"campaign": str(campaign.pk), "is_paused": campaign.is_paused, **counts}


class _Work:
    """One attempt at the cells of a campaign that are left."""

    def __init__(self, ctx: RunContext, campaign: Campaign) -> None:
        self._ctx = ctx
        self._campaign = campaign
        self._watch = Watch(ctx, campaign)
        self._n_cells = campaign.cells.count()
        self._started = time.monotonic()
        self._texts: TextFolder | None = None

    def all(self) -> None:
        """Go through the corpora, the small ones first."""
        if self._campaign.collection:
            self._cut_collection()
        left = list(self._campaign.cells.filter(state=CellResult.State.WAITING))
        for (scale, _dimension), group in groupby(left, lambda row: _corpus_of(row)):
            self._watch.look()
            rows = list(group)
            self._say("corpus", _("Corpus of %(n)s passages") % {"n": f"{scale:,}"})
            self._measure_corpus(self._corpus(rows[0].what), rows)

    def _cut_collection(self) -> None:
        """Make the texts of somebody's own collection, which say how large it is."""
        self._say("corpus", _("Passages of “%(name)s”") % {"name": self._campaign.collection})
        self._texts = own.texts(home() / "corpora", self._campaign, self._watch.look)
        with self._ctx.fenced():
            campaigns.set_scale(campaign=self._campaign, scale=self._texts.n_passages)

    def _corpus(self, cell: Cell) -> Corpus:
        """Return the corpus of a cell; its vectors are made in a process of their own."""
        folder, seed = home() / "corpora", self._campaign.seed
        started = time.monotonic()
        texts = self._texts or corpora.generated(
            folder, cell.scale, seed=seed, check=self._watch.look
        )
        with self._beside("corpora") as place:
            job = Job(
                "embed", cell, texts.path, folder, place, home() / "cache", seed=seed,
                memory_mb=self._campaign.memory_mb,
            )  # fmt: skip
            made = processes.do(job, self._watch.look)
        self._note("corpus", cell, 1, time.monotonic() - started)
        return Corpus.open(texts.path, Path(made["vectors"]))

    def _measure_corpus(self, corpus: Corpus, rows: Sequence[CellResult]) -> None:
        with self._beside("indexes") as folder:
            try:
                built = self._build_all(corpus, rows, folder)
                for row in rows:
                    self._watch.look()
                    self._say("measure", row.what.label)
                    key = row.what.index_key
                    if key in built.problems:
                        self._failed(row, built.problems[key])
                    else:
                        self._measure(self._job("measure", row, corpus, folder), row, built, key)
            finally:
                _drop_tables(folder)

    def _build_all(
        self, corpus: Corpus, rows: Sequence[CellResult], folder: Path
    ) -> building.Built:
        self._build_legs(corpus, rows)
        jobs = {row.what.index_key: self._job("build", row, corpus, folder) for row in rows}
        cell = rows[0].what
        cap = self._campaign.memory_mb or machine.needed_mb(cell.scale, cell.dimension)
        n_workers = machine.n_workers(self._campaign.n_workers, cap)
        self._say("build", _("Building %(n)s indexes") % {"n": len(jobs)})
        built = building.build(jobs, n_workers, self._watch)
        self._note("build", cell, built.n_workers, built.wall_s, built.sum_s)
        return built

    def _build_legs(self, corpus: Corpus, rows: Sequence[CellResult]) -> None:
        cache = home() / "cache"
        cache.mkdir(parents=True, exist_ok=True)
        for row in rows:
            name = row.what.lexical
            if name and not hybrid.leg_folder(cache, corpus, name).exists():
                started = time.monotonic()
                self._say("build", _("Building the lexical leg %(name)s") % {"name": name})
                with self._beside("cache") as place:
                    texts, vectors = corpus.texts.path, corpus.path
                    job = Job("lexical", row.what, texts, vectors, place, cache)
                    processes.do(job, self._watch.look)
                self._note("lexical", row.what, 1, time.monotonic() - started)

    def _measure(self, job: Job, row: CellResult, built: building.Built, key: str) -> None:
        started, n_tries, is_disturbed = time.monotonic(), 0, True
        while is_disturbed and n_tries < self._campaign.max_tries:
            n_tries += 1
            try:
                with timing.alone(Path(settings.HOME), self._watch.look):
                    facts = processes.do(job, self._watch.look)
            except OutOfMemory:
                return self._failed(row, processes.short_of_memory(job))
            except EngineProblem as exc:
                return self._failed(row, said(exc))
            is_disturbed = facts["foreign_cores"] > MOST_FOREIGN_CORES
            if is_disturbed:
                self._disturbed(row, facts["foreign_cores"], n_tries)
        elapsed = {"is_disturbed": is_disturbed, "elapsed_s": time.monotonic() - started}
        self._measured(job, row, facts | dict(built.facts[key]) | elapsed, n_tries)
        return None

    def _measured(self, job: Job, row: CellResult, facts: dict[str, Any], n_tries: int) -> None:
        samples = self._ctx.save_artifact(f"samples-{row.key}", job.folder / SAMPLES, _PARQUET)
        with self._ctx.fenced():
            CellResult.objects.filter(pk=row.pk).update(
                state=CellResult.State.MEASURED,
                facts=facts,
                digest=digest_json(facts),
                samples=samples,
                n_tries=n_tries,
                measured_at=timezone.now(),
                error="",
            )

        row.refresh_from_db()
        self._ctx.log(selectors.told(selectors.line(row)), cell=row.what.label)

    def _disturbed(self, row: CellResult, cores: float, n_tries: int) -> None:
        if n_tries < self._campaign.max_tries:
            said = _(
                "%(cell)s: other work kept %(cores)s processors busy, so it is measured again."
            )
        else:
            said = _(
                "%(cell)s: other work kept %(cores)s processors busy; it is kept as disturbed."
            )
        label = row.what.label
        words = {"cell": label, "cores": f"{cores:.2g}"}
        self._ctx.log(said % words, level="warning", cell=label, cores=round(cores, 2))

    def _failed(self, row: CellResult, reason: str) -> None:
        label = row.what.label
        said = _("%(cell)s failed: %(reason)s") % {"cell": label, "reason": reason}
        self._ctx.log(said, level="warning", cell=label, reason=reason)
        with self._ctx.fenced():
            CellResult.objects.filter(pk=row.pk).update(
                state=CellResult.State.FAILED, error=reason[:2_000], measured_at=timezone.now()
            )

    def _job(self, action: str, row: CellResult, corpus: Corpus, folder: Path) -> Job:
        cell = row.what
        return Job(
            action,
            cell,
            corpus.texts.path,
            corpus.path,
            folder / cell.index_key,
            home() / "cache",
            campaigns.postgres() if cell.engine == "pgvector" else "",
            self._campaign.memory_mb,
            tuple(self._campaign.clients),
        )

    @contextmanager
    def _beside(self, name: str) -> Iterator[Path]:
        """Give a folder of this work's own that is removed at the end."""
        (home() / name).mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".work-", dir=home() / name))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _note(
        self, phase: str, cell: Cell, n_workers: int, wall_s: float, sum_s: float | None = None
    ) -> None:
        """Keep how long a phase took, for the report and for estimates."""
        facts = {
            "phase": phase,
            "scale": cell.scale,
            "dimension": cell.dimension,
            "n_workers": n_workers,
            "wall_s": round(wall_s, 3),
            "sum_s": round(wall_s if sum_s is None else sum_s, 3),
        }
        with self._ctx.fenced():
            campaign = Campaign.objects.get(pk=self._campaign.pk)
            Campaign.objects.filter(pk=campaign.pk).update(phases=[*campaign.phases, facts])

    def _say(self, phase: str, message: str) -> None:
        """Report how far the campaign is, by what its cells cost rather than by their number."""
        left_s = estimates.remaining(self._campaign).seconds
        share = self._spent_s() / max(1e-9, self._spent_s() + left_s)
        self._ctx.progress(share, phase=phase, message=message)

    def _spent_s(self) -> float:
        return time.monotonic() - self._started


def _corpus_of(row: CellResult) -> tuple[int, int]:
    cell = row.what
    return cell.scale, cell.dimension


def _drop_tables(folder: Path) -> None:
    for place in folder.glob("*/vectors"):
        if (place / "table.json").exists():
            PgVector(_connect).drop(place)


def _connect() -> Any:
    import psycopg  # noqa: PLC0415 - only where pgvector was measured

    return psycopg.connect(campaigns.postgres())
