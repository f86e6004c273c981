"""The work of a tuning run: a corpus, graphs one after another, the best against the defaults.

What a trial gave is appended to a file in the run's folder, so that an attempt after a killed one
goes on where it died; the folder goes with the end of the run.
"""

import json
import os
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from django.conf import settings
from django.utils.translation import gettext as _

from portal.core.errors import Conflict, OutOfSpace
from portal.lib import timing
from portal.runs.context import RunContext
from search.lab.engine import graph_tuning, sealed
from search.lab.engine.corpora import Corpus
from search.lab.engine.graph_tuning import Search, Tried
from search.lab.engine.matrix import Cell, Matrix
from search.lab.engine.problems import EngineProblem, MatrixProblem
from search.lab.models import Campaign
from search.lab.services import machine, own, problems, processes, shelf, targets
from search.lab.services.making import Maker
from search.lab.services.problems import remade, said
from search.lab.services.processes import DiskFull, OutOfMemory
from search.lab.services.tuning_worker import REQUEST
from search.lab.services.worker import Job

_WORKER = "search.lab.services.tuning_worker"
_TRIALS, _BUILT = "trials.jsonl", "built.json"


@dataclass(frozen=True)
class Wish:
    """What is tuned, on what, for which recall.

    Attributes
    ----------
    recall : float
        Least recall@10, to be reached by the lower end of its interval.
    collection : str
        Whose passages are the corpus; empty for generated ones.
    """

    engine: str
    recall: float
    n_trials: int
    scale: int
    dimension: int
    collection: str = ""
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """Return the wish that `to_dict` wrote."""
        return cls(**content)


def check(wish: Wish) -> None:
    """Refuse a wish that is out of bounds, or a recall that the questions cannot show.

    Raises
    ------
    InvalidInput
    NotFound
        If there is no such collection.
    """
    try:
        graph_tuning.check_engine(wish.engine)
        graph_tuning.check_numbers(recall=wish.recall, n_trials=wish.n_trials, seed=wish.seed)
        Matrix(scales=(wish.scale,), dimensions=(wish.dimension,))
    except MatrixProblem as exc:
        raise problems.invalid_input(exc) from exc
    n_passages = own.expected_passages(wish.collection) if wish.collection else None
    targets.check(wish.recall, n_passages)


def work(ctx: RunContext) -> dict[str, Any]:
    """Tune a graph.

    Returns
    -------
    dict
        ``parameters``, ``options`` to build with, the ``duel`` against the defaults, whether the
        target is ``reached`` on questions that chose nothing, and every trial.

    Raises
    ------
    Conflict
        If no graph reaches the target, or what all of them need cannot be made.
    OutOfSpace
        If a process found the disk full.
    """
    home = Path(settings.HOME) / "lab"
    shelf.clear_tuning(home / "tuning", ctx.run_id)
    folder = home / "tuning" / str(ctx.run_id)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return _tuned(ctx, home, folder)
    except EngineProblem as exc:
        raise Conflict(said(exc), code=exc.code) from exc
    except OutOfMemory as exc:
        problem = EngineProblem("memory_gone", engine=ctx.parameters["engine"], phase="tune")
        raise Conflict(said(problem), code=problem.code) from exc
    except DiskFull as exc:
        raise OutOfSpace(
            _("A process found the disk full (%(reason)s): free some space, then tune again.")
            % {"reason": exc}
        ) from exc
    finally:
        # A killed attempt never comes here: the next one finds its trials.
        shutil.rmtree(folder, ignore_errors=True)


def _tuned(ctx: RunContext, home: Path, folder: Path) -> dict[str, Any]:
    tuning = _Tuning(ctx, home, folder)
    with sealed.held(*tuning.folders):
        return tuning.all()


class _Tuning:
    """One attempt."""

    def __init__(self, ctx: RunContext, home: Path, folder: Path) -> None:
        self._ctx = ctx
        self._home = home
        self._folder = folder
        self._wish = Wish.from_dict(ctx.parameters)
        self._corpus = self._make_corpus()

    @property
    def folders(self) -> tuple[Path, Path]:
        """What must not be swept meanwhile."""
        return self._corpus.path, self._corpus.texts.path

    def all(self) -> dict[str, Any]:
        wish = self._wish
        tried = _read(self._folder / _TRIALS)
        if tried:
            _keep(self._folder / _TRIALS, tried)
            said = _("Graphs of an earlier attempt that are kept: %(count)d.")
            self._ctx.log(said % {"count": len(tried)}, count=len(tried))
        search = Search(wish.engine, wish.seed, tried)
        while len(search.tried) < wish.n_trials:
            place = len(search.tried)
            self._say(
                place + 1, _("Graph %(n)d of %(all)d") % {"n": place + 1, "all": wish.n_trials}
            )
            self._try(search, place)
        best = search.best
        if best is None:
            raise Conflict(self._nothing(search), code="target_not_reached")
        self._say(wish.n_trials + 1, _("Proving the best graph against the defaults"))
        return self._proved(search, best)

    def _try(self, search: Search, place: int) -> None:
        parameters = search.ask()
        if search.knows(parameters):  # asked again: what is known would be measured once more
            parameters = search.ask()
        one = self._measured(parameters, place)
        kept = search.best
        search.tell(one)
        _append(self._folder / _TRIALS, one)
        for step, value in (("p50_ms", one.p50_ms), ("recall", one.facts.get("recall_low"))):
            if value is not None:
                self._ctx.metric(step, value, step=place)
        self._ctx.log(_told(one, place + 1), **dict(one.parameters), **_shown(one))
        loser = one if search.best is kept else kept
        if loser is not None and (search.best is None or not _are_same(loser, search.best)):
            shutil.rmtree(self._place(loser), ignore_errors=True)

    def _measured(self, parameters: dict[str, Any], place: int) -> Tried:
        job = self._job("choose", parameters)
        try:
            built = self._build(job)
            _write(job.folder / REQUEST, {"recall": self._wish.recall})
            with timing.alone(Path(settings.HOME), self._ctx.check):
                found = processes.do(job, self._ctx.check, module=_WORKER)
        except EngineProblem as exc:
            return Tried(parameters, None, {"error": said(exc)})
        except OutOfMemory:
            return Tried(parameters, None, {"error": processes.short_of_memory(job)})
        facts = {
            "ef_search": found["ef_search"],
            "recall": found["recall"],
            "recall_low": found["recall"]["low"],
            "build_s": built["build_s"],
            "size_bytes": built["size_bytes"],
        }
        return Tried(parameters, found["p50_ms"], facts)

    def _proved(self, search: Search, best: Tried) -> dict[str, Any]:
        default = self._job("build", None)
        built = self._build(default)
        ours = self._job("duel", dict(best.parameters), ef_search=int(best.facts["ef_search"]))
        self._build(ours)
        _write(ours.folder / REQUEST, {"default": str(default.folder)})
        with timing.alone(Path(settings.HOME), self._ctx.check):
            duel = processes.do(ours, self._ctx.check, module=_WORKER)
        parameters = dict(ours.cell.parameters)
        return {
            **self._wish.to_dict(),
            "n_passages": self._corpus.texts.n_passages,
            "parameters": parameters,
            "options": graph_tuning.options(self._wish.engine, parameters),
            "duel": duel,
            "reached": duel["recall"]["low"] >= self._wish.recall,
            "build_s": best.facts["build_s"],
            "size_bytes": best.facts["size_bytes"],
            "default_build_s": built["build_s"],
            "default_size_bytes": built["size_bytes"],
            "n_reached": sum(one.p50_ms is not None for one in search.tried),
            "trials": [one.to_dict() for one in search.tried],
            "environment": machine.facts(),
        }

    def _nothing(self, search: Search) -> str:
        reached = [one.facts["recall"]["value"] for one in search.tried if "recall" in one.facts]
        if not reached:
            return str(search.tried[-1].facts.get("error", ""))
        return _(
            "None of %(count)d graphs surely reaches a recall of %(wanted)s; the best has "
            "%(best).4f: ask for less, try more graphs, or search exactly."
        ) % {"count": len(search.tried), "wanted": self._wish.recall, "best": max(reached)}

    def _build(self, job: Job) -> dict[str, Any]:
        """Build the graph of a job, unless a whole one is there."""
        facts = job.folder / _BUILT
        if not facts.exists():
            processes.clear(job)
            _write(facts, processes.do(replace(job, action="build"), self._ctx.check))
        return dict(json.loads(facts.read_text()))

    def _job(self, action: str, sampled: dict[str, Any] | None, **more: int) -> Job:
        """Return a job on the graph of sampled parameters, or on the defaults for None."""
        wish, corpus = self._wish, self._corpus
        parameters: dict[str, Any] = {}
        if sampled is not None:
            parameters = {**graph_tuning.FIXED.get(wish.engine, {}), **sampled, **more}
        n_passages = corpus.texts.n_passages
        cell = Cell(wish.engine, n_passages, wish.dimension, parameters=parameters)
        folder = self._folder / (_name(sampled) if sampled is not None else "default")
        return Job(action, cell, corpus.texts.path, corpus.path, folder, self._home / "cache")

    def _place(self, one: Tried) -> Path:
        return self._folder / _name(one.parameters)

    def _make_corpus(self) -> Corpus:
        wish, check = self._wish, self._ctx.check
        maker = Maker(self._home, wish.seed, 0, check, self._damaged)
        self._say(0, _("Making the corpus"))
        if wish.collection:
            # Never saved: it only carries what the texts of a campaign's collection depend on.
            campaign = Campaign(collection=wish.collection, seed=wish.seed)
            texts = own.texts(self._home / "corpora", campaign, check, self._damaged)
        else:
            texts = maker.texts(wish.scale)
        cell = Cell(wish.engine, texts.n_passages, wish.dimension)
        (self._home / "cache").mkdir(parents=True, exist_ok=True)
        return maker.corpus(cell, texts, self._folder / "embed")

    def _damaged(self, name: str) -> None:
        self._ctx.log(remade(name), level="warning", corpus=name)

    def _say(self, n_done: int, message: str) -> None:
        self._ctx.progress(n_done / (self._wish.n_trials + 2), phase="tune", message=message)


def _are_same(one: Tried, other: Tried) -> bool:
    return _name(one.parameters) == _name(other.parameters)


def _name(parameters: Any) -> str:
    return "graph-" + "-".join(str(parameters[name]) for name in sorted(parameters))


def _told(one: Tried, number: int) -> str:
    words = {
        "n": number,
        "parameters": ", ".join(f"{name}={value}" for name, value in one.parameters.items()),
    }
    if "error" in one.facts:
        return _("Graph %(n)d (%(parameters)s) failed: %(reason)s") % (
            words | {"reason": one.facts["error"]}
        )
    words["recall"] = f"{one.facts['recall']['value']:.3f}"
    if one.p50_ms is None:
        return _("Graph %(n)d (%(parameters)s): recall %(recall)s, less than asked for.") % words
    return _("Graph %(n)d (%(parameters)s): p50 %(p50)s ms at recall %(recall)s.") % (
        words | {"p50": f"{one.p50_ms:.3f}"}
    )


def _shown(one: Tried) -> dict[str, Any]:
    if "error" in one.facts:
        return {"error": one.facts["error"]}
    return {"ef_search": one.facts["ef_search"], "recall": one.facts["recall"]["value"]} | (
        {"p50_ms": one.p50_ms} if one.p50_ms is not None else {"missed": True}
    )


def _read(path: Path) -> list[Tried]:
    """Return the trials of a file, without a last line that was cut off."""
    found: list[Tried] = []
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                found.append(Tried(**json.loads(line)))
            except (ValueError, TypeError):
                break
    return found


def _append(path: Path, one: Tried) -> None:
    with path.open("a") as stream:
        stream.write(json.dumps(one.to_dict()) + "\n")
        stream.flush()
        os.fsync(stream.fileno())


def _keep(path: Path, tried: list[Tried]) -> None:
    """Write the trials anew: a line that was cut off would spoil the next one."""
    beside = path.with_suffix(".partial")
    beside.write_text("".join(json.dumps(one.to_dict()) + "\n" for one in tried))
    beside.replace(path)


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".partial")
    beside.write_text(json.dumps(content))
    beside.replace(path)
