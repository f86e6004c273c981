"""How a cell is measured: in passes, each a process of its own, warm-up apart, every sample kept.

Latency is the wall time of one question at a time, CPU that of the process beside it, and of the
database session where one answers. Throughput is
what clients in a closed loop finished, each a process of its own, for 1, 2, 4 … of them: it is
counted, never derived from a latency.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from search.engine.tokenizers import tokenizer
from search.lab.engine import hybrid, truth, usage
from search.lab.engine.contract import Check, Engine, Opened, Rows, chosen
from search.lab.engine.corpora import TOKENIZER, Corpus, bucket_limit
from search.lab.engine.lexical import OpenLeg, leg
from search.lab.engine.matrix import Cell
from search.lab.engine.usage import Held

K = 10
N_WARM_UP = 50
#: A pass of a slow cell ends after so long, if it has this many samples by then.
TIME_LIMIT_S = 15.0
MIN_SAMPLES = 100


@dataclass(frozen=True)
class Samples:
    """Every measured question of a cell.

    Attributes
    ----------
    wall_ms, cpu_ms : float64 [n]
    n_rows : int64 [n]
        Rows returned, at most `K`.
    recall_at_1, recall_at_5, recall_at_10 : float64 [n]
        Share of the exact best k among the first k returned.
    reciprocal_rank : float64 [n]
        Of the exact best row; 0 where it was not returned.
    question : int64 [n]
        Its place among the questions of the corpus; every pass asks in one order.
    pass_number : int64 [n]
        Which pass asked, 0 first.
    n_vector : int64 [n]
        Rows that the vector leg gave; -1 where it was not counted.
    """

    wall_ms: NDArray[np.float64]
    cpu_ms: NDArray[np.float64]
    n_rows: NDArray[np.int64]
    recall_at_1: NDArray[np.float64]
    recall_at_5: NDArray[np.float64]
    recall_at_10: NDArray[np.float64]
    reciprocal_rank: NDArray[np.float64]
    question: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    pass_number: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    n_vector: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        count = len(self.wall_ms)
        if len(self.question) != count:
            object.__setattr__(self, "question", np.arange(count))
        if len(self.pass_number) != count:
            object.__setattr__(self, "pass_number", np.zeros(count, np.int64))
        if len(self.n_vector) != count:
            object.__setattr__(self, "n_vector", np.full(count, -1, np.int64))

    def grid(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return values as [n_passes, n_questions], of the questions that every pass asked."""
        rows = [values[self.pass_number == one] for one in np.unique(self.pass_number)]
        count = min(len(row) for row in rows)
        return np.stack([row[:count] for row in rows])

    def of(self, questions: NDArray[np.int64]) -> "Samples":
        """Return the samples of some questions alone."""
        kept = np.isin(self.question, questions)
        return Samples(**{name: values[kept] for name, values in vars(self).items()})

    @classmethod
    def joined(cls, passes: Sequence["Samples"]) -> "Samples":
        """Return the samples of several passes, numbered in their order."""
        numbers = [np.full(len(one), place) for place, one in enumerate(passes)]
        names = [name for name in vars(passes[0]) if name != "pass_number"]
        columns = {name: np.concatenate([vars(one)[name] for one in passes]) for name in names}
        return cls(**columns, pass_number=np.concatenate(numbers))

    def to_table(self) -> pa.Table:
        """Return the samples as an Arrow table, one row a question."""
        return pa.table({name: pa.array(value) for name, value in vars(self).items()})

    @classmethod
    def from_table(cls, table: pa.Table) -> "Samples":
        """Return the samples of such a table."""
        return cls(**{name: table[name].to_numpy() for name in table.column_names})

    def __len__(self) -> int:
        return len(self.wall_ms)


@dataclass(frozen=True)
class Measured:
    """What one cell gave.

    Attributes
    ----------
    load_s : float
        From the call that opens the index to its first answer.
    held : Held
        Memory, from just before the index is opened until the last question is answered.
    foreign_cores : float
        Processor cores that other work kept busy meanwhile, on average.
    wanted : int
        Rows that a perfect search returns: `K`, or fewer where the filter leaves fewer.
    wanted_vector : int
        Rows that a perfect vector leg returns, which in a hybrid cell are more.
    """

    samples: Samples
    uses_index: bool
    evidence: str
    load_s: float
    held: Held
    foreign_cores: float
    wanted: int = K
    wanted_vector: int = K
    way: str = ""

    @property
    def falls_short(self) -> bool:
        """Whether any question got fewer rows than there are, of the vector leg or of both.

        The lexical leg of a hybrid search fills up what the vector leg leaves empty.
        """
        counted = self.samples.n_vector[self.samples.n_vector >= 0]
        is_short = (self.samples.n_rows < self.wanted).any()
        return bool(is_short or (counted < self.wanted_vector).any())

    @property
    def vector_rows(self) -> float:
        """Rows that the vector leg gave a question, on average."""
        return float(self.samples.n_vector.mean())


@dataclass
class Searcher:
    """A cell opened for searching: the engine alone or with its lexical leg.

    Attributes
    ----------
    n_vector : int
        Rows that the vector leg gave the last question.
    """

    cell: Cell
    index: Opened
    corpus: Corpus
    leg: OpenLeg | None = None
    n_vector: int = 0

    def __post_init__(self) -> None:
        share = self.cell.filter_share
        self.below = None if share is None else bucket_limit(share)
        self._cut = tokenizer(TOKENIZER)

    @property
    def depth(self) -> int:
        """Rows that the vector leg is asked for."""
        return K if self.leg is None else hybrid.N_CANDIDATES

    @property
    def available(self) -> int:
        """Rows that a perfect vector leg gives: its depth, or what the filter leaves."""
        if self.below is None:
            return min(self.depth, self.corpus.texts.n_passages)
        return min(self.depth, int((self.corpus.buckets < self.below).sum()))

    def search(self, place: int) -> Rows:
        """Answer the question of a place; cutting it into words is part of a hybrid search."""
        query = self.corpus.queries[place]
        if self.leg is None:
            rows = self.index.search(query, K, self.below)[0]
            self.n_vector = len(rows)
            return rows
        tokens = self._cut.tokens(self.corpus.texts.questions[place])
        vector = self.index.search(query, hybrid.N_CANDIDATES, self.below)
        self.n_vector = len(vector[0])
        lexical = self.leg.search(tokens, hybrid.N_CANDIDATES, self.below)
        return hybrid.fused(lexical, vector, K)

    def close(self) -> None:
        """Let go of both legs."""
        self.index.close()
        if self.leg is not None:
            self.leg.close()


def opened(cell: Cell, engine: Engine, corpus: Corpus, folder: Path) -> Searcher:
    """Open the index of a cell.

    Parameters
    ----------
    folder : Path
        Holds ``vectors`` and, for a hybrid cell, the folder of its lexical leg.
    """
    index = engine.open(folder / "vectors", chosen(engine, cell.parameters))
    lexical = leg(cell.lexical).open(folder / cell.lexical) if cell.lexical else None
    return Searcher(cell, index, corpus, lexical)


def measure(
    cell: Cell,
    engine: Engine,
    corpus: Corpus,
    folder: Path,
    cache: Path,
    *,
    time_limit_s: float = TIME_LIMIT_S,
    check: Check = lambda: None,
    proving: bool = False,
) -> Measured:
    """Measure one cell with one client.

    Parameters
    ----------
    folder : Path
        Of the index.
    cache : Path
        Where exact answers are kept.
    proving : bool
        As for `asked`.
    """
    exact = expected(cell, corpus, cache, check)
    twins = truth.twins(corpus, cache, check=check)
    places = asked(corpus, proving=proving)
    exact = exact[places]
    memory, busy, started = usage.Memory(), usage.Busy(), time.perf_counter()
    searcher = opened(cell, engine, corpus, folder)
    servers = searcher.index.servers
    try:
        searcher.search(int(places[0]))
        load_s = time.perf_counter() - started
        for place in places[:N_WARM_UP].tolist():
            searcher.search(place)
        ask = places.tolist().__getitem__
        served_s = usage.cpu_s(servers)
        n_vector: list[int] = []

        def answer(at: int) -> Rows:
            rows = searcher.search(ask(at))
            n_vector.append(searcher.n_vector)
            return rows

        found, wall, cpu = _timed(answer, len(places), time_limit_s, check)
        served_s = usage.cpu_s(servers) - served_s
        held, foreign = memory.held(servers), busy.foreign_cores(usage.cpu_s(servers))
        plan = searcher.index.plan(corpus.queries[ask(0)], searcher.depth, searcher.below)
    finally:
        searcher.close()
    # A server tells its time to a hundredth of a second, so each question bears an equal part.
    samples = scored(found, exact, wall, cpu + 1_000 * served_s / len(found), twins)
    samples = replace(samples, question=places[: len(found)], n_vector=np.array(n_vector, np.int64))
    return Measured(
        samples,
        plan.uses_index,
        plan.evidence,
        load_s,
        held,
        foreign,
        wanted=int((exact[0, :K] >= 0).sum()),
        wanted_vector=searcher.available,
        way=plan.way,
    )


def expected(cell: Cell, corpus: Corpus, cache: Path, check: Check = lambda: None) -> Rows:
    """Return the rows a perfect search gives, best first, int64 [n_questions, ≥ K].

    A hybrid cell is held against the same fusion with an exact vector leg, so that its recall says
    what the index loses and not what words find.
    """
    nearest = truth.exact(corpus, cache, cell.filter_share, check=check)
    if not cell.lexical:
        return nearest
    return hybrid.expected(cell, corpus, cache, nearest, check)


def answers(cell: Cell, corpus: Corpus, cache: Path) -> list[Path]:
    """Return where what the answers of a cell are held against is kept, once it was worked out."""
    files = [truth.place(corpus, cache, cell.filter_share), truth.twins_place(corpus, cache)]
    return [*files, hybrid.place(cell, corpus, cache)] if cell.lexical else files


def asked(corpus: Corpus, *, proving: bool) -> NDArray[np.int64]:
    """Return the places of the questions that are measured, of all engines the same.

    Parameters
    ----------
    proving : bool
        Whether graphs are measured at a recall: the questions that their breadths were chosen on
        would say too much good of them, and are asked of no engine.
    """
    known = corpus.answerable
    return known[questions(len(known), proving=True)] if proving else known


def choosing(corpus: Corpus) -> NDArray[np.int64]:
    """Return the places of the questions that a breadth is chosen on."""
    return corpus.answerable[questions(len(corpus.answerable), proving=False)]


def questions(count: int, *, proving: bool) -> NDArray[np.int64]:
    """Return the places of so many questions that choose, or of those that prove."""
    return np.arange(int(proving), count, 2, dtype=np.int64)


def _timed(
    search: Callable[[int], Rows], count: int, time_limit_s: float, check: Check
) -> tuple[list[Rows], NDArray[np.float64], NDArray[np.float64]]:
    """Ask one question after another; returns the rows of each, wall and CPU time in ms."""
    wall, cpu = np.zeros(count), np.zeros(count)
    found: list[Rows] = []
    ends = time.perf_counter() + time_limit_s
    for place in range(count):
        check()
        before_cpu, before = time.process_time_ns(), time.perf_counter_ns()
        rows = search(place)
        wall[place] = (time.perf_counter_ns() - before) / 1e6
        cpu[place] = (time.process_time_ns() - before_cpu) / 1e6
        found.append(rows)
        if len(found) >= MIN_SAMPLES and time.perf_counter() > ends:
            break
    return found, wall[: len(found)], cpu[: len(found)]


def scored(
    found: Sequence[Rows],
    exact: Rows,
    wall_ms: NDArray[Any],
    cpu_ms: NDArray[Any],
    twins: Rows | None = None,
) -> Samples:
    """Hold the rows that were found against the exact ones.

    Parameters
    ----------
    twins : int64 [n_passages] or None
        See `truth.twins`: rows with one vector count as one, as often as they are there. None
        where no two passages are alike.
    """
    if twins is not None:
        found = [twins[one] for one in found]
        exact = np.where(exact >= 0, twins[exact], -1)
    recalls = {
        k: np.array([_recall(one, exact[i], k) for i, one in enumerate(found)]) for k in (1, 5, 10)
    }
    ranks = [np.flatnonzero(one[:K] == exact[i, 0]) for i, one in enumerate(found)]
    return Samples(
        wall_ms=np.asarray(wall_ms, dtype=np.float64),
        cpu_ms=np.asarray(cpu_ms, dtype=np.float64),
        n_rows=np.array([min(len(one), K) for one in found], dtype=np.int64),
        recall_at_1=recalls[1],
        recall_at_5=recalls[5],
        recall_at_10=recalls[10],
        reciprocal_rank=np.array([1.0 / (1 + own[0]) if len(own) else 0.0 for own in ranks]),
    )


def _recall(found: Rows, exact: Rows, k: int) -> float:
    best = exact[:k]
    best = best[best >= 0]
    shared = Counter(best.tolist()) & Counter(found[:k].tolist())
    return shared.total() / len(best) if len(best) else 1.0
