"""The work of a campaign: corpora, indexes built side by side, cells measured one by one.

Each cell is a row, written once its passes are measured: whatever dies loses at most the pass in
hand. The indexes of one corpus are built, measured and removed before the next corpus, so that the
disk holds one corpus' indexes at a time; a campaign that stops before finds them again.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.core.errors import FULL_ERRNOS, OutOfSpace
from portal.lib import timing
from portal.runs.context import RunContext
from search.lab.engine import corpora, sealed
from search.lab.engine.corpora import Corpus, TextFolder
from search.lab.engine.matrix import Cell
from search.lab.engine.problems import EngineProblem
from search.lab.models import Campaign, CellResult
from search.lab.services import (
    build_times,
    building,
    campaigns,
    estimates,
    machine,
    making,
    own,
    phases,
    room,
    shelf,
    tables,
)
from search.lab.services.making import Maker
from search.lab.services.problems import remade, said
from search.lab.services.processes import DiskFull, Resting, Watch
from search.lab.services.shelf import Shelf
from search.lab.services.turns import Turns
from search.lab.services.worker import Job


def work(ctx: RunContext) -> dict[str, Any]:
    """Measure the cells of a campaign that are left."""
    return measure(ctx, Campaign.objects.get(pk=ctx.parameters["campaign"]))


def measure(ctx: RunContext, campaign: Campaign) -> dict[str, Any]:
    """Measure what is left of a campaign in a run.

    Raises
    ------
    OutOfSpace
        If the disk has no room for what is still to be written.
    """
    only_builds = bool(ctx.parameters.get("only_builds"))
    shelf.sweep(room.folder(), tables.drop)
    with ctx.fenced() as run:  # which may be a retry that the campaign does not know of
        Campaign.objects.filter(pk=campaign.pk).update(environment=machine.facts(), run=run)
    with ctx.fenced():
        for label in campaigns.repeat_damaged(campaign=campaign):
            said = _("%(cell)s: what was kept is damaged, so it is measured again.")
            ctx.log(said % {"cell": label}, level="warning", cell=label)
    room.check(campaign, only_builds=only_builds)
    reason: str | None = None
    try:
        _Work(ctx, campaign).all()
    except Resting as exc:
        reason = str(exc)
    except (DiskFull, OutOfSpace, OSError) as exc:
        if isinstance(exc, OSError) and exc.errno not in FULL_ERRNOS:
            raise
        reason = room.found_full(str(exc))
    if reason is not None:
        _rest(ctx, campaign, reason)
    counts = {
        state: campaign.cells.filter(state=state).count() for state in CellResult.State.values
    }
    campaign.refresh_from_db(fields=["is_paused"])
    why = {"reason": reason} if reason else {}
    return {"campaign": str(campaign.pk), "is_paused": campaign.is_paused, **why, **counts}


def _rest(ctx: RunContext, campaign: Campaign, reason: str) -> None:
    """Let a campaign rest, and say why when nobody asked for it."""
    if reason:
        ctx.log(reason, level="warning")
        with ctx.fenced():
            Campaign.objects.filter(pk=campaign.pk).update(is_paused=True)
        return
    ctx.log(_("The campaign is paused."))


def _rest_when_short() -> None:
    if room.is_short():
        raise Resting(room.short())


class _Work:
    """One attempt at the cells of a campaign that are left."""

    def __init__(self, ctx: RunContext, campaign: Campaign) -> None:
        self._ctx = ctx
        self._campaign = campaign
        self._watch = Watch(ctx, campaign, _rest_when_short)
        self._only_builds = bool(ctx.parameters.get("only_builds"))
        self._n_timed_builds = int(ctx.parameters.get("timed_builds", 0))
        number = str(campaign.pk)
        self._shelf = Shelf(room.folder() / "indexes" / number, machine.facts()["versions"])
        # Of this attempt alone: one that lost its lease may live on for a second.
        self._work_folder = room.folder() / "work" / number / f"{ctx.run_id}-{ctx.attempt}"
        self._turns = Turns(
            ctx,
            campaign,
            self._watch,
            self._shelf,
            room.folder() / "passes" / number,
            self._measuring,
            self._say,
            self._failed,
        )
        self._started = time.monotonic()
        self._maker = Maker(
            room.folder(),
            campaign.seed,
            campaign.memory_mb,
            self._watch.look,
            self._damaged,
        )
        self._texts: TextFolder | None = None

    def all(self) -> None:
        """Go through the corpora, the small ones first."""
        self._clear_left()
        if self._campaign.collection:
            self._cut_collection()
        left = list(self._campaign.cells.filter(state=CellResult.State.WAITING))
        for (scale, _dimension), group in groupby(left, lambda row: _corpus_of(row)):
            self._watch.look()
            rows = list(group)
            self._say("corpus", _("Corpus of %(n)s passages") % {"n": f"{scale:,}"})
            try:
                corpus = self._corpus(rows[0])
            except EngineProblem as exc:
                for row in rows:
                    self._failed(row, said(exc))
                continue
            self._measure_corpus(corpus, rows)
        if self._only_builds:
            with self._ctx.fenced():
                Campaign.objects.filter(pk=self._campaign.pk).update(is_paused=True)
            raise Resting

    def _clear_left(self) -> None:
        """Remove what an attempt left that was killed, and tables, which a crash has emptied."""
        self._drop_tables()
        for place in self._work_folder.parent.glob("*"):
            tables.remove(place)

    def _cut_collection(self) -> None:
        """Make the texts of somebody's own collection, which say how large it is."""
        name = self._campaign.collection
        self._say("corpus", _("Passages of “%(name)s”") % {"name": name})
        with self._made_once(f"collection-{name}"):
            self._texts = own.texts(
                room.folder() / "corpora", self._campaign, self._watch.look, self._damaged
            )
        with self._ctx.fenced():
            campaigns.set_scale(campaign=self._campaign, scale=self._texts.n_passages)

    def _corpus(self, row: CellResult) -> Corpus:
        """Return the corpus of a cell; its vectors are made in a process of their own.

        Raises
        ------
        EngineProblem
            If they cannot be made.
        """
        texts = corpora.generated_folder(Path(), row.what.scale, self._campaign.seed)
        with self._made_once(self._texts.path.name if self._texts else texts.name):
            return self._make_corpus(row)

    def _make_corpus(self, row: CellResult) -> Corpus:
        cell = row.what
        started = time.monotonic()
        texts = self._texts or self._maker.texts(cell.scale)
        with self._beside("corpora") as place:
            corpus = self._maker.corpus(cell, texts, place)
        self._note("corpus", cell, 1, time.monotonic() - started)
        return corpus

    def _damaged(self, name: str) -> None:
        self._ctx.log(remade(name), level="warning", corpus=name)

    def _measure_corpus(self, corpus: Corpus, rows: Sequence[CellResult]) -> None:
        keys = dict.fromkeys(row.what.index_key for row in rows)
        try:
            with sealed.held(corpus.path, corpus.texts.path):
                problems = self._build_all(corpus, rows)
                for row in rows:
                    if row.pk in problems:
                        self._failed(row, problems[row.pk])
                if not self._only_builds:
                    sound = [row for row in rows if row.pk not in problems]
                    with sealed.held(*self._maker.legs(corpus, [row.what for row in sound])):
                        sound = self._with_answers(corpus, sound)
                        self._turns.measure(corpus, sound)
                    self._drop_tables()  # before the folders go that know of them
                    self._shelf.drop(keys)
        finally:
            self._drop_tables()

    def _with_answers(self, corpus: Corpus, rows: Sequence[CellResult]) -> list[CellResult]:
        """Work out what cells are held against; returns those for which that went well."""
        found: list[CellResult] = []
        for row in rows:
            try:
                with self._beside("answers") as place:
                    self._maker.answers(row.what, corpus, place)
                found.append(row)
            except EngineProblem as exc:
                self._failed(row, said(exc))
        return found

    def _drop_tables(self) -> None:
        """Leave no table in the portal's database while the campaign rests."""
        places = self._shelf.tables()
        tables.drop(places)
        self._shelf.drop(place.parent.name for place in places)

    def _build_all(self, corpus: Corpus, rows: Sequence[CellResult]) -> dict[int, str]:
        """Build what is not there yet; returns what went wrong, by the row it keeps back."""
        problems = making.without_rows(corpus, rows)
        with self._made_once(corpus.texts.path.name):
            problems |= self._build_legs(corpus, [row for row in rows if row.pk not in problems])
        wanted = {row.what.index_key: row for row in rows if row.pk not in problems}
        with self._beside("indexes") as folder:
            jobs = {
                key: self._job("build", row, corpus, folder / key)
                for key, row in wanted.items()
                if not self._is_kept(key, corpus, row)
            }
            if not jobs:
                return problems
            longest_first = sorted(jobs, key=lambda key: -self._build_s(jobs[key].cell))
            built = self._build(
                {key: jobs[key] for key in longest_first},
                rows[0].what,
                lambda key, facts: self._shelf.put(key, folder / key, corpus, facts),
            )
        return problems | {
            row.pk: built.problems[row.what.index_key]
            for row in rows
            if row.what.index_key in built.problems
        }

    def _is_kept(self, key: str, corpus: Corpus, row: CellResult) -> bool:
        """Whether an index stands from before, whole; a damaged one is said and built again."""
        if self._shelf.found(key, corpus) is None:
            return False
        if not self._shelf.is_damaged(key):
            return True
        label = row.what.label
        said = _("%(cell)s: the index that was kept is damaged, so it is built again.")
        self._ctx.log(said % {"cell": label}, level="warning", cell=label)
        return False

    def _build_s(self, cell: Cell) -> float:
        """Return how long a build is expected to take; a long one that starts last delays all."""
        return estimates.clock(self._campaign).seconds("build", cell.engine, cell)

    def _build(
        self, jobs: Mapping[str, Job], cell: Cell, keep: Callable[[str, building.Facts], None]
    ) -> building.Built:
        cap = self._campaign.memory_mb or machine.needed_mb(cell.scale, cell.dimension)
        n_workers = machine.n_workers(self._campaign.n_workers, cap)
        self._say("build", _("Building %(n)s indexes") % {"n": len(jobs)})
        if self._n_timed_builds and n_workers < 2 and machine.n_workers(2, cap) < 2:
            said = _("%(cell)s: builds are not timed side by side, there is memory for one alone.")
            self._ctx.log(said % {"cell": f"{cell.scale:,} x {cell.dimension}"}, level="warning")
        elif self._n_timed_builds and len(jobs) > 1:
            for timed in build_times.both_ways(
                jobs, max(2, n_workers), self._watch, tables.remove, n_rounds=self._n_timed_builds
            ):
                self._note(
                    timed.phase, cell, timed.n_workers, timed.wall_s, timed.sum_s, timed.longest_s
                )
        built = building.build(jobs, n_workers, self._watch, keep, self._fewer)
        self._note("build", cell, built.n_workers, built.wall_s, built.sum_s)
        return built

    def _fewer(self, n_short: int, at_once: int) -> None:
        said = ngettext(
            "%(count)d build found no memory: it is tried again, %(n)d at once.",
            "%(count)d builds found no memory: they are tried again, %(n)d at once.",
            n_short,
        )
        words = {"count": n_short, "n": at_once}
        self._ctx.log(said % words, level="warning", **words)

    @contextmanager
    def _made_once(self, name: str) -> Iterator[None]:
        """Hold what another campaign must not make at the same time; it is there afterwards."""
        say = _("Another campaign makes the same corpus: this one waits for it")
        turn = self._watch.waits(lambda: self._say("wait", say))
        with timing.held(room.folder() / "locks" / f"{name}.lock", turn):
            yield

    def _build_legs(self, corpus: Corpus, rows: Sequence[CellResult]) -> dict[int, str]:
        """Build the lexical legs that are not there; returns what went wrong, by row."""
        (room.folder() / "cache").mkdir(parents=True, exist_ok=True)
        went_wrong: dict[str, str] = {}
        for name, cell in {row.what.lexical: row.what for row in rows}.items():
            if name and not self._maker.has_leg(name, corpus):
                try:
                    self._build_leg(cell, corpus)
                except EngineProblem as exc:
                    went_wrong[name] = said(exc)
        return {
            row.pk: went_wrong[row.what.lexical] for row in rows if row.what.lexical in went_wrong
        }

    def _build_leg(self, cell: Cell, corpus: Corpus) -> None:
        started = time.monotonic()
        self._say("build", _("Building the lexical leg %(name)s") % {"name": cell.lexical})
        with self._beside("cache") as place:
            self._maker.leg(cell, corpus, place)
        self._note("lexical", cell, 1, time.monotonic() - started)

    def _failed(self, row: CellResult, reason: str) -> None:
        label = row.what.label
        said = _("%(cell)s failed: %(reason)s") % {"cell": label, "reason": reason}
        self._ctx.log(said, level="warning", cell=label, reason=reason)
        with self._ctx.fenced():
            CellResult.objects.filter(pk=row.pk).update(
                state=CellResult.State.FAILED, error=reason[:2_000], measured_at=timezone.now()
            )
        row.refresh_from_db()

    def _measuring(self, row: CellResult, corpus: Corpus) -> Job:
        return self._job("measure", row, corpus, self._shelf.place(row.what.index_key))

    def _job(self, action: str, row: CellResult, corpus: Corpus, folder: Path) -> Job:
        cell = row.what
        return Job(
            action,
            cell,
            corpus.texts.path,
            corpus.path,
            folder,
            room.folder() / "cache",
            campaigns.postgres() if cell.engine == "pgvector" else "",
            self._campaign.memory_mb,
            tuple(self._campaign.clients),
            proving=self._campaign.recall is not None,
        )

    @contextmanager
    def _beside(self, name: str) -> Iterator[Path]:
        """Give a folder of this work's own that is removed at the end."""
        folder = self._work_folder / name
        tables.remove(folder)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            tables.remove(folder)
            with suppress(OSError):  # not empty yet
                folder.parent.rmdir()

    def _note(self, phase: str, cell: Cell, n_workers: int, wall_s: float, *parts: float) -> None:
        phases.note(self._ctx, self._campaign, phase, cell, n_workers, wall_s, *parts)

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
