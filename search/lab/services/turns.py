"""The cells of one corpus measured in turns, so that the passes of each lie apart in time."""

import io
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from django.conf import settings
from django.utils.translation import gettext as _

from portal.core.errors import Corrupt
from portal.lib import clock, timing
from portal.lib.finite import sound
from portal.lib.hashing import digest_json
from portal.runs.context import RunContext
from search.lab import selectors
from search.lab.engine import statistics
from search.lab.engine.corpora import Corpus
from search.lab.engine.measuring import Samples
from search.lab.engine.problems import EngineProblem
from search.lab.engine.usage import MOST_FOREIGN_CORES
from search.lab.models import Campaign, CellResult
from search.lab.services import processes
from search.lab.services.passes import Pass, Passes, summed
from search.lab.services.problems import said
from search.lab.services.processes import OutOfMemory, Resting, Watch
from search.lab.services.shelf import Shelf
from search.lab.services.worker import SAMPLES, Job

_PARQUET = "application/vnd.apache.parquet"


@dataclass
class Turns:
    """Measures cells pass by pass.

    Attributes
    ----------
    folder : Path
        Where passes are kept until their cell is whole.
    job : callable
        Returns the job that measures a row of a corpus.
    say : callable
        Reports the phase and what is done.
    fail : callable
        Writes a cell as failed, with the reason.
    """

    ctx: RunContext
    campaign: Campaign
    watch: Watch
    shelf: Shelf
    folder: Path
    job: Callable[[CellResult, Corpus], Job]
    say: Callable[[str, str], None]
    fail: Callable[[CellResult, str], None]

    def measure(self, corpus: Corpus, rows: Sequence[CellResult]) -> None:
        """Measure all cells of a corpus in turns, so that the passes of each lie apart in time."""
        for number in range(self.campaign.n_passes):
            for row in rows:
                self.watch.look()
                self._go_through(corpus, row, number)

    def _go_through(self, corpus: Corpus, row: CellResult, number: int) -> None:
        """Measure one pass of a cell unless it is there, and the whole cell after the last one."""
        if row.state == CellResult.State.FAILED:
            return
        try:
            rests_on = self._rests_on(row, corpus)
            calibration = self._calibration(row, corpus, rests_on)
        except EngineProblem as exc:
            self.fail(row, said(exc))
            return
        breadth = {"ef_search": calibration["ef_search"]} if calibration else {}
        kept = Passes(self.folder / row.key, rests_on | breadth)
        is_last = number == self.campaign.n_passes - 1
        wanted = range(number + 1) if is_last else (number,)
        for one in wanted:
            was_kept = kept.has(one)
            if others := kept.differences(one):
                self._made_otherwise(row, others)
                kept.forget(one)
            elif was_kept and kept.read(one) is not None:
                continue
            elif was_kept or one < number:
                self._damaged(row)
            if not self._pass(corpus, row, kept, one, calibration):
                return
        if is_last:
            self._measured(row, corpus, kept, [_whole(kept.read(one)) for one in wanted])

    def _rests_on(self, row: CellResult, corpus: Corpus) -> dict[str, Any]:
        """Return what the figures of a cell rest on.

        Raises
        ------
        EngineProblem
            If its index is gone.
        """
        found = self.shelf.rests_on(row.what.index_key, corpus)
        if found is None:
            raise EngineProblem("index_gone", engine=row.what.engine)
        return found | ({"questions": "proving"} if self.campaign.recall else {})

    def _calibration(
        self, row: CellResult, corpus: Corpus, rests_on: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return how broadly a graph is searched for the cell's recall; empty without a target.

        Raises
        ------
        EngineProblem
            If the searches fail.
        """
        if row.what.recall is None:
            return {}
        kept = Passes(self.folder / row.key, rests_on)
        found = kept.calibration()
        if found is None:
            self.say("calibrate", _("%(cell)s: search breadth") % {"cell": row.what.label})
            job = replace(self.job(row, corpus), action="calibrate")
            try:
                found = processes.do(job, self.watch.look)
            except OutOfMemory as exc:
                raise processes.memory_problem(job) from exc
            kept.keep_calibration(found)
            self._calibrated(row, found)
        return found

    def _calibrated(self, row: CellResult, found: Mapping[str, Any]) -> None:
        if found["is_reached"]:
            text = _("%(cell)s: ef_search %(breadth)s reaches a recall of %(recall)s.")
        else:
            text = _("%(cell)s: not even ef_search %(breadth)s surely reaches it: %(recall)s.")
        words = {
            "cell": row.what.label,
            "breadth": found["ef_search"],
            "recall": f"{found['recall']['value']:.4f}",
        }
        self.ctx.log(text % words, level="info" if found["is_reached"] else "warning", **words)

    def _pass(
        self,
        corpus: Corpus,
        row: CellResult,
        kept: Passes,
        number: int,
        calibration: Mapping[str, Any],
    ) -> bool:
        """Measure a pass of a cell, again while other work disturbs it; returns whether it went."""
        job = self.job(row, corpus)
        job = replace(job, breadth=calibration.get("ef_search", 0))
        started, n_tries, is_disturbed = time.monotonic(), 0, True
        while is_disturbed and n_tries < self.campaign.max_tries:
            n_tries += 1
            n_outages = self.watch.n_outages
            try:
                with self._alone(row):
                    self._say_which(row, number)
                    facts = processes.do(job, self.watch.look)
            except OutOfMemory:
                self.fail(row, processes.short_of_memory(job))
                return False
            except EngineProblem as exc:
                self.fail(row, said(exc))
                return False
            with suppress(Resting):  # a pass that is whole is kept before the campaign rests
                self.watch.look_now()
            is_disturbed = facts["foreign_cores"] > MOST_FOREIGN_CORES
            if self.watch.n_outages > n_outages:
                is_disturbed = True
                self._outage(row, n_tries)
            elif is_disturbed:
                self._disturbed(row, facts["foreign_cores"], n_tries)
        own: dict[str, Any] = {
            "is_disturbed": is_disturbed,
            "elapsed_s": time.monotonic() - started,
            "n_tries": n_tries,
            "measured_at": clock.now().isoformat(),
        }
        if calibration:
            own["calibration"] = dict(calibration)
        kept.keep(number, facts | own, job.folder / SAMPLES)
        return True

    def _alone(self, row: CellResult) -> AbstractContextManager[None]:
        """Hold the lock for timing; who waits for it says so."""
        said = _("%(cell)s: waits while something else is timed on this machine")
        say = said % {"cell": row.what.label}
        turn = self.watch.waits(lambda: self.say("wait", say))
        return timing.alone(Path(settings.HOME), turn)

    def _say_which(self, row: CellResult, number: int) -> None:
        count = self.campaign.n_passes
        words = {"cell": row.what.label, "number": number + 1, "count": count}
        self.say("measure", _("%(cell)s, pass %(number)s of %(count)s") % words)

    def _measured(
        self, row: CellResult, corpus: Corpus, kept: Passes, passes: Sequence[Pass]
    ) -> None:
        """Write a cell from its passes, which nobody needs any more then."""
        built = self.shelf.found(row.what.index_key, corpus)
        if built is None:
            self.fail(row, said(EngineProblem("index_gone", engine=row.what.engine)))
            return
        facts = summed(passes) | built | self.shelf.made_with(corpus)
        joined = Samples.joined([one.samples for one in passes])
        answers = statistics.rates(facts["per_second"])
        facts["throughput"] = {count: vars(one) for count, one in answers.items()}
        figures = statistics.figures(joined, answers[min(answers, key=int)])
        facts["figures"] = {name: vars(one) for name, one in figures.items()}
        facts = sound(facts)
        content = io.BytesIO()
        pq.write_table(joined.to_table(), content)
        samples = self.ctx.save_artifact(f"samples-{row.key}", content.getvalue(), _PARQUET)
        with self.ctx.fenced():
            CellResult.objects.filter(pk=row.pk).update(
                state=CellResult.State.MEASURED,
                facts=facts,
                digest=digest_json(facts),
                samples=samples,
                n_tries=max(one.facts["n_tries"] for one in passes),
                measured_at=clock.now(),
                error="",
            )
        row.refresh_from_db()
        self.ctx.log(selectors.told(selectors.line(row)), cell=row.what.label)
        kept.clear()

    def _damaged(self, row: CellResult) -> None:
        said = _("%(cell)s: what was kept is damaged, so it is measured again.")
        label = row.what.label
        self.ctx.log(said % {"cell": label}, level="warning", cell=label)

    def _made_otherwise(self, row: CellResult, others: Sequence[str]) -> None:
        said = _(
            "%(cell)s: a pass was measured with something else (%(others)s), so it is measured "
            "again."
        )
        words = {"cell": row.what.label, "others": ", ".join(others)}
        self.ctx.log(said % words, level="warning", **words)

    def _outage(self, row: CellResult, n_tries: int) -> None:
        """Say that the database died meanwhile: its recovery takes processor and disk."""
        if n_tries < self.campaign.max_tries:
            said = _("%(cell)s: the database was away meanwhile, so it is measured again.")
        else:
            said = _("%(cell)s: the database was away meanwhile; it is kept as disturbed.")
        label = row.what.label
        self.ctx.log(said % {"cell": label}, level="warning", cell=label)

    def _disturbed(self, row: CellResult, cores: float, n_tries: int) -> None:
        if n_tries < self.campaign.max_tries:
            said = _(
                "%(cell)s: other work kept %(cores)s processors busy, so it is measured again."
            )
        else:
            said = _(
                "%(cell)s: other work kept %(cores)s processors busy; it is kept as disturbed."
            )
        label = row.what.label
        words = {"cell": label, "cores": f"{cores:.2g}"}
        self.ctx.log(said % words, level="warning", cell=label, cores=round(cores, 2))


def _whole(found: Pass | None) -> Pass:
    """Return a pass that was read a moment ago."""
    if found is None:
        raise Corrupt(_("A pass that was just measured cannot be read: look at the disk."))
    return found
