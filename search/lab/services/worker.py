"""What a cell does in a process of its own: build an index or measure it.

Run as ``python -m search.lab.services.worker JOB.json``; it loads no Django. The answer is
written beside the job, whole or not at all: a process that was killed leaves nothing to believe.
"""

import ctypes
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow.parquet as pq

from search.engine.tokenizers import tokenizer
from search.lab.engine import (
    breadths,
    corpora,
    hybrid,
    measuring,
    sealed,
    statistics,
    truth,
    usage,
)
from search.lab.engine.contract import Engine, chosen
from search.lab.engine.corpora import TOKENIZER, Corpus, TextFolder
from search.lab.engine.engines.registry import engine
from search.lab.engine.lexical import leg
from search.lab.engine.matrix import Cell
from search.lab.engine.problems import EngineProblem
from search.lab.engine.statistics import Figure
from search.lab.services import throughput
from search.lab.services.throughput import Client, Clients, Counted

ANSWER, SAMPLES = "answer.json", "samples.parquet"
OUT_OF_MEMORY, DATABASE_AWAY = 78, 79
#: Begin the SQLSTATEs of a server that shuts down, crashed, starts, or is not reached.
_AWAY = ("57P", "08")
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Job:
    """What a worker is asked, as it stands in the job's file.

    Attributes
    ----------
    action : str
        ``embed``, ``build``, ``lexical``, ``answer``, ``calibrate`` or ``measure``.
    vectors : Path
        Of the corpus; to embed, the folder of all corpora.
    folder : Path
        Of the index: ``vectors`` within.
    cache : Path
        Exact answers and lexical legs, shared by all cells.
    postgres : str
        Connection string for pgvector; empty for none.
    memory_mb : int
        Most private memory; 0 for no cap.
    clients : tuple of int
        Numbers of clients whose throughput is measured; empty for none.
    seed : int
        Of the vectors that are made.
    breadth : int
        Of a search, where it was calibrated; 0 for that of the cell's parameters.
    proving : bool
        Which questions are measured, see `measuring.asked`.
    parent : int
        Process without which nobody waits for the answer; 0 for none.
    """

    action: str
    cell: Cell
    texts: Path
    vectors: Path
    folder: Path
    cache: Path
    postgres: str = ""
    memory_mb: int = 0
    clients: tuple[int, ...] = (1,)
    seed: int = 0
    breadth: int = 0
    proving: bool = False
    parent: int = 0

    def write(self, path: Path) -> None:
        """Write the job into its file."""
        content = {name: str(value) for name, value in vars(self).items()}
        numbers = {
            "memory_mb": self.memory_mb,
            "clients": list(self.clients),
            "seed": self.seed,
            "breadth": self.breadth,
            "proving": self.proving,
            "parent": self.parent,
        }
        path.write_text(json.dumps(content | numbers | {"cell": self.cell.to_dict()}))

    @classmethod
    def read(cls, path: Path) -> "Job":
        """Return the job of a file."""
        content: dict[str, Any] = json.loads(path.read_text())
        for name in ("texts", "vectors", "folder", "cache"):
            content[name] = Path(content[name])
        content |= {"cell": Cell.from_dict(content["cell"]), "clients": tuple(content["clients"])}
        return cls(**content)

    def engine(self) -> Engine:
        """Return the engine of the cell."""
        connect = (lambda: psycopg.connect(self.postgres)) if self.postgres else None
        return engine(self.cell.engine, connect)

    def searched(self) -> Cell:
        """Return the cell as it is searched, with the breadth that was calibrated."""
        if not self.breadth:
            return self.cell
        parameters = {**self.cell.parameters, "ef_search": self.breadth}
        return replace(self.cell, parameters=parameters)

    def corpus(self) -> Corpus:
        """Return the corpus of the cell."""
        return Corpus.open(self.texts, self.vectors)


def embed(job: Job) -> dict[str, Any]:
    """Make the vectors of a corpus, unless they are there."""
    texts = TextFolder.open(job.texts)
    made = corpora.with_vectors(job.vectors, texts, job.cell.dimension, seed=job.seed)
    return {"vectors": str(made.path)}


def build(job: Job) -> dict[str, Any]:
    """Build the vector index of a cell."""
    made, corpus = job.engine(), job.corpus()
    folder = job.folder / "vectors"
    folder.mkdir(parents=True)
    memory, started, cpu = usage.Memory(), time.perf_counter(), time.process_time()
    made.build(corpus.vectors, corpus.buckets, folder, chosen(made, job.cell.parameters), _go_on)
    facts = {
        "build_s": time.perf_counter() - started,
        "build_cpu_s": time.process_time() - cpu,
        "build_peak_mb": memory.held().peak_mb,
        "size_bytes": sum(one.stat().st_size for one in folder.rglob("*") if one.is_file()),
        "version": made.version(),
    }
    own = folder / "table.json"
    if own.exists():
        of_server = json.loads(own.read_text())
        facts["size_bytes"] = of_server["size_bytes"]
        facts["build_cpu_s"] += of_server.get("cpu_s", 0.0)
        facts["build_peak_mb"] += of_server.get("peak_mb", 0.0)
    return facts


def lexical(job: Job) -> dict[str, Any]:
    """Build the lexical leg of a corpus, unless another campaign was faster."""
    corpus, name = job.corpus(), job.cell.lexical
    started = time.perf_counter()
    cut = tokenizer(TOKENIZER)
    texts = (cut.tokens(text) for batch in corpus.texts.texts() for text in batch)
    with sealed.fresh(hybrid.leg_folder(job.cache, corpus, name)) as fresh:
        leg(name).build(texts, corpus.buckets, fresh, _go_on)
        sealed.seal(fresh, hybrid.leg_facts(corpus, name))
    return {"lexical_build_s": time.perf_counter() - started}


def answer(job: Job) -> dict[str, Any]:
    """Work out what a cell is held against, so that no measurement pays for it in memory."""
    corpus = job.corpus()
    measuring.expected(job.cell, corpus, job.cache)
    truth.twins(corpus, job.cache)
    return {}


def calibrate(job: Job) -> dict[str, Any]:
    """Find the least breadth that reaches the cell's recall, on questions that are not measured."""
    corpus, target = job.corpus(), job.cell.recall or 0.0
    _link_leg(job, corpus)
    exact = measuring.expected(job.cell, corpus, job.cache)
    places = measuring.choosing(corpus)
    twins, made = truth.twins(corpus, job.cache), job.engine()
    most = next(one.high for one in made.parameters if one.name == "ef_search")
    known = [one for one in breadths.BREADTHS if most is None or one <= most]

    def recall(of: int) -> Figure:
        cell = replace(job, breadth=of).searched()
        searcher = measuring.opened(cell, made, corpus, job.folder)
        try:
            found = [searcher.search(place) for place in places.tolist()]
        finally:
            searcher.close()
        none = np.zeros(len(places))
        samples = measuring.scored(found, exact[places], none, none, twins)
        return statistics.recall(samples.recall_at_10)

    found = breadths.least_breadth(recall, target, known)
    chosen, reached = found or (known[-1], recall(known[-1]))
    return {
        "target": target,
        "ef_search": chosen,
        "recall": vars(reached),
        "is_reached": found is not None,
        "n_questions": len(places),
    }


def _link_leg(job: Job, corpus: Corpus) -> None:
    if job.cell.lexical:
        link = job.folder / job.cell.lexical
        link.unlink(missing_ok=True)  # it may point to a leg of other versions
        link.symlink_to(hybrid.leg_folder(job.cache, corpus, job.cell.lexical).resolve())


def measure(job: Job) -> dict[str, Any]:
    """Measure a pass: one client with every sample kept, then some for the throughput."""
    own = replace(job, parent=os.getpid())
    with Clients(max(job.clients, default=1), partial(_client, own)) as clients:
        return _measured(job, clients)


def _measured(job: Job, clients: Clients) -> dict[str, Any]:
    corpus = job.corpus()
    _link_leg(job, corpus)
    answer(job)
    found = measuring.measure(
        job.searched(), job.engine(), corpus, job.folder, job.cache, proving=job.proving
    )
    pq.write_table(found.samples.to_table(), job.folder / SAMPLES)
    p50_ms = float(np.median(found.samples.wall_ms))
    counted = _counted(job, clients, p50_ms)
    return {
        "p50_ms": p50_ms,
        "uses_index": found.uses_index,
        "way": found.way,
        "evidence": found.evidence[:10_000],
        "load_s": found.load_s,
        "wanted": found.wanted,
        "falls_short": found.falls_short,
        "vector_rows": found.vector_rows,
        "wanted_vector": found.wanted_vector,
        "peak_mb": found.held.peak_mb,
        "baseline_mb": found.held.baseline_mb,
        "engine_mb": found.held.engine_mb,
        "foreign_cores": max(
            found.foreign_cores, *(one.foreign_cores for one in counted.values()), 0.0
        ),
        "load_average": os.getloadavg()[0],
        "per_second": {str(count): one.per_second for count, one in counted.items()},
        "counted_s": sum(one.seconds for one in counted.values()),
    }


def _counted(job: Job, clients: Clients, p50_ms: float) -> dict[int, Counted]:
    """Count the answers of each number of clients."""
    if not job.clients:
        return {}
    first = clients.open(partial(_asking, job, 0))
    try:
        return {count: clients.counted(first, count, p50_ms) for count in job.clients}
    finally:
        first.close()


def _client(job: Job, number: int, pipe: Connection) -> None:
    die_with(job.parent)
    throughput.serve(pipe, partial(_asking, job, number))


def _asking(job: Job, number: int) -> Client:
    """Return a client, whose order of questions is its own."""
    corpus = job.corpus()
    searcher = measuring.opened(job.searched(), job.engine(), corpus, job.folder)
    return Client(searcher, client_questions(corpus, number, proving=job.proving))


def client_questions(corpus: Corpus, number: int, *, proving: bool) -> list[int]:
    """Return the places of the questions that a client asks, in an order of its own."""
    places = measuring.asked(corpus, proving=proving)
    found: list[int] = np.random.default_rng(number).permutation(places).tolist()
    return found


def die_with(parent: int) -> None:
    """Have the kernel end this process when the one that started it dies; end now if it has."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if parent and os.getppid() != parent:
        os._exit(1)


def _is_away(error: psycopg.OperationalError | EngineProblem) -> bool:
    """Whether Postgres is down, or was: what is not logged is empty after a crash."""
    if isinstance(error, EngineProblem):
        return error.code == "table_emptied"
    return error.sqlstate is None or error.sqlstate.startswith(_AWAY)


def _go_on() -> None:
    return None


ACTIONS: dict[str, Callable[[Job], dict[str, Any]]] = {
    "embed": embed,
    "build": build,
    "lexical": lexical,
    "answer": answer,
    "calibrate": calibrate,
    "measure": measure,
}


def main(path: Path) -> int:
    """Do the job of a file; returns the exit status."""
    job = Job.read(path)
    die_with(job.parent)
    if job.memory_mb:
        resource.setrlimit(resource.RLIMIT_DATA, (job.memory_mb << 20, job.memory_mb << 20))
    try:
        answer = ACTIONS[job.action](job)
    except MemoryError:
        return OUT_OF_MEMORY
    except (psycopg.OperationalError, EngineProblem) as exc:
        if not _is_away(exc):
            raise
        sys.stderr.write(" ".join(str(exc).split()) + "\n")
        return DATABASE_AWAY
    beside = path.with_suffix(".partial")
    beside.write_text(json.dumps(answer))
    beside.replace(path.with_name(ANSWER))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
