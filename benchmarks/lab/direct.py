"""Check that the lab adds nothing to what it measures, agrees with itself and sees ten percent.

    .venv/bin/python -m benchmarks.lab.direct --scale 10000 --dimension 128 --passes 3

hnswlib and faiss are asked the same questions four ways, search by search in turn, so that whatever
else the machine does meets all four alike, and each way at another place of the list, so that none
finds in the processor's cache what another has just read: by their own libraries without a line of
the lab, by the lab, by the lab again on the same index, and by the lab with an engine that is made
to take 10 % longer. The medians are compared with the intervals and verdicts of the lab itself.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import hnswlib
import numpy as np

from search.lab.engine import corpora, statistics, truth
from search.lab.engine.analysis import comparing
from search.lab.engine.contract import Rows, chosen
from search.lab.engine.corpora import Corpus
from search.lab.engine.engines.registry import engine
from search.lab.engine.matrix import Cell
from search.lab.engine.measuring import K, Samples, Searcher, opened, scored

Ask = Callable[[int], Rows]
SLOWED = 1.10
WARM_UP = 100


@dataclass
class Slowed:
    """A search that is made to take longer."""

    ask: Ask

    def __call__(self, place: int) -> Rows:
        started = time.perf_counter_ns()
        found = self.ask(place)
        ends = started + SLOWED * (time.perf_counter_ns() - started)
        while time.perf_counter_ns() < ends:
            pass
        return found


def direct_hnswlib(corpus: Corpus, parameters: Mapping[str, Any]) -> Ask:
    """Return a search by hnswlib alone."""
    index = hnswlib.Index(space="ip", dim=corpus.dimension)
    index.init_index(
        len(corpus.vectors),
        ef_construction=parameters["ef_construction"],
        M=parameters["m"],
        random_seed=1,
    )
    index.set_num_threads(1)
    index.add_items(np.array(corpus.vectors), np.arange(len(corpus.vectors)))
    index.set_ef(parameters["ef_search"])
    return lambda place: np.asarray(index.knn_query(corpus.queries[place], k=K)[0][0], np.int64)


def direct_faiss(corpus: Corpus, parameters: Mapping[str, Any]) -> Ask:
    """Return a search by faiss alone: a graph over bytes, its candidates ranked by floats."""
    faiss.omp_set_num_threads(1)
    floats = np.array(corpus.vectors)
    kind, metric = faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    index = faiss.IndexHNSWSQ(corpus.dimension, kind, parameters["m"], metric)
    index.hnsw.efConstruction = parameters["ef_construction"]
    index.train(floats)
    index.add(floats)
    index.hnsw.efSearch = max(parameters["ef_search"], parameters["rerank"])

    def ask(place: int) -> Rows:
        query = corpus.queries[place]
        rows = index.search(query[np.newaxis, :], parameters["rerank"])[1][0]
        scores = floats[rows] @ query
        return np.asarray(rows[np.argsort(-scores)[:K]], np.int64)

    return ask


DIRECT = {"hnswlib": direct_hnswlib, "faiss-hnsw-sq8": direct_faiss}


def by_the_lab(cell: Cell, corpus: Corpus, folder: Path) -> Searcher:
    """Return a search as the lab builds and opens it."""
    made = engine(cell.engine)
    place = folder / "vectors"
    if not place.exists():
        place.mkdir(parents=True)
        made.build(corpus.vectors, corpus.buckets, place, chosen(made, {}), lambda: None)
    return opened(cell, made, corpus, folder)


def timed(
    ways: Mapping[str, Ask], corpus: Corpus, exact: Rows, n_passes: int
) -> dict[str, Samples]:
    """Ask every question in every way, the ways in turn, and keep every sample."""
    names, count = list(ways), len(corpus.queries)
    wall = {name: np.zeros(n_passes * count) for name in names}
    found: dict[str, list[Rows]] = {name: [exact[0]] * (n_passes * count) for name in names}
    for name in names:
        for place in range(WARM_UP):
            ways[name](place)
    for step in range(n_passes * count):
        first = step % len(names)
        for number in [*range(first, len(names)), *range(first)]:
            name = names[number]
            question = (step + number * count // len(names)) % count
            sample = step // count * count + question
            started = time.perf_counter_ns()
            rows = ways[name](question)
            wall[name][sample] = (time.perf_counter_ns() - started) / 1e6
            found[name][sample] = rows
    asked = np.tile(exact, (n_passes, 1))
    return {name: scored(found[name], asked, wall[name], wall[name]) for name in names}


def report(name: str, samples: Mapping[str, Samples], write: Callable[[str], object]) -> None:
    """Write the medians, and each way against the lab's first."""
    lab = samples["lab"]
    for way, own in samples.items():
        middle = statistics.quantile(own.wall_ms, 0.5)
        ratio = statistics.ratio_of_medians(own.wall_ms, lab.wall_ms)
        write(
            f"{name:15} {way:10} p50 {middle.value:.4f} ms ({middle.low:.4f} to {middle.high:.4f}) "
            f"recall@10 {own.recall_at_10.mean():.4f}  x lab {ratio.value:.3f} "
            f"({ratio.low:.3f} to {ratio.high:.3f}) {comparing.verdict(ratio)}\n"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=int, default=10_000)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--passes", type=int, default=3)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        corpus = corpora.with_vectors(
            folder, corpora.generated(folder, options.scale), options.dimension
        )
        exact = truth.exact(corpus, folder, None)[:, :K]
        for name, direct in DIRECT.items():
            cell = Cell(name, options.scale, options.dimension)
            parameters = chosen(engine(name), {})
            lab, again = (by_the_lab(cell, corpus, folder / name) for _ in range(2))
            slowed = by_the_lab(cell, corpus, folder / name)
            ways: dict[str, Ask] = {
                "direct": direct(corpus, parameters),
                "lab": lab.search,
                "again": again.search,
                "slowed": Slowed(slowed.search),
            }
            report(name, timed(ways, corpus, exact, options.passes), sys.stdout.write)
    sys.stdout.write(f"load average {load:.1f} to {os.getloadavg()[0]:.1f}\n")


if __name__ == "__main__":
    main()
