"""Measure one configuration many times: do repetitions lie in the intervals, is a tenth seen.

    .venv/bin/python -m benchmarks.lab.repeats --engines hnswlib faiss-hnsw-sq8 --repetitions 10

Each repetition builds its indexes anew and measures every engine as a campaign does: in passes,
each a process of its own that opens the index, asks the questions of the corpus and ends, the
passes of the engines taking turns. In the same process each engine is measured once more, made to
take 10 % longer. Then every repetition is held against every other: by the intervals of the lab,
by intervals over questions alone, as if all samples came from one process, and by the verdict.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.lab.direct import Ask, Slowed
from search.lab.engine import corpora, measuring, statistics, truth
from search.lab.engine.analysis import comparing
from search.lab.engine.contract import Rows, chosen
from search.lab.engine.corpora import Corpus
from search.lab.engine.engines.registry import engine
from search.lab.engine.matrix import Cell
from search.lab.engine.measuring import K, Samples

WAYS = ("lab", "slowed")
Repetition = dict[tuple[str, str], Samples]


def one_pass(name: str, number: int, corpus: Corpus, folder: Path) -> None:
    """Measure one pass of an engine in this process, as `measuring.measure` does, then slowed."""
    cell = Cell(name, len(corpus.vectors), corpus.dimension)
    exact = truth.exact(corpus, folder.parent, None)[:, :K]
    for way in WAYS if number % 2 == 0 else reversed(WAYS):
        searcher = measuring.opened(cell, engine(name), corpus, folder / name)
        ask = Slowed(searcher.search) if way == "slowed" else searcher.search
        for place in range(measuring.N_WARM_UP):
            ask(place)
        samples = _asked(ask, exact)
        searcher.close()
        pq.write_table(samples.to_table(), folder / f"{way}.parquet")


def _asked(ask: Ask, exact: Rows) -> Samples:
    found, wall = [], np.zeros(len(exact))
    for place in range(len(exact)):
        started = time.perf_counter_ns()
        rows = ask(place)
        wall[place] = (time.perf_counter_ns() - started) / 1e6
        found.append(rows)
    return measuring.scored(found, exact, wall, wall)


def repetition(names: Sequence[str], corpus: Corpus, place: Path, n_passes: int) -> Repetition:
    """Build the indexes, measure all engines in turns, and throw the indexes away."""
    parts: dict[tuple[str, str], list[Samples]] = {}
    with tempfile.TemporaryDirectory(dir=place) as folder:
        for name in names:
            made = engine(name)
            own = Path(folder) / name / "vectors"
            own.mkdir(parents=True)
            made.build(corpus.vectors, corpus.buckets, own, chosen(made, {}), lambda: None)
        for number in range(n_passes):
            for name in names:
                words = ["--pass", name, str(number), folder]
                words += ["--corpus", os.fspath(corpus.texts.path), os.fspath(corpus.path)]
                module = [sys.executable, "-m", "benchmarks.lab.repeats"]
                subprocess.run([*module, *words], check=True)  # noqa: S603 - this file
                for way in WAYS:
                    table = pq.read_table(Path(folder) / f"{way}.parquet")
                    parts.setdefault((name, way), []).append(Samples.from_table(table))
    return {key: Samples.joined(own) for key, own in parts.items()}


def report(name: str, found: Sequence[Repetition]) -> str:
    """Say how repetitions of an engine agree."""
    grids = [one[name, "lab"].grid(one[name, "lab"].wall_ms) for one in found]
    slowed = [one[name, "slowed"].grid(one[name, "slowed"].wall_ms) for one in found]
    ours = [statistics.over_passes(one, _median) for one in grids]
    alone = [statistics.quantile(one.ravel(), 0.5) for one in grids]
    pairs = list(permutations(range(len(found)), 2))
    lines = [
        f"{name}, {len(found)} repetitions of {len(grids[0])} passes, {grids[0].shape[1]} questions"
    ]
    medians = np.array([one.value for one in ours])
    lines.append(
        f"  p50 {medians.min():.4f} to {medians.max():.4f} ms, repetitions differ by "
        f"{medians.std(ddof=1) / medians.mean():.2%} (standard deviation), passes by "
        f"{_pass_spread(grids):.2%}"
    )
    for title, own in (("passes", ours), ("questions alone", alone)):
        inside = np.mean([own[a].low <= own[b].value <= own[a].high for a, b in pairs])
        touching = np.mean([own[a].overlaps(own[b]) for a, b in pairs])
        width = np.median([(one.high - one.low) / 2 / one.value for one in own])
        lines.append(
            f"  intervals by {title}: ±{width:.2%}; hold {inside:.1%} of repetitions, overlap "
            f"{touching:.1%} of pairs"
        )
    same = [statistics.ratio_over_passes(grids[a], grids[b]) for a, b in pairs]
    slow = [statistics.ratio_over_passes(slowed[a], grids[b]) for a, b in pairs]
    holds_one = np.mean([one.low <= 1 <= one.high for one in same])
    lines.append(f"  ratio of two repetitions holds 1 in {holds_one:.1%}; {_verdicts(same)}")
    lines.append(f"  slowed against another repetition: {_verdicts(slow)}")
    return "\n".join(lines)


def _median(own: statistics.Floats) -> statistics.Floats:
    return np.asarray(np.median(own, axis=-1))


def _pass_spread(grids: Sequence[statistics.Floats]) -> float:
    """Return by how much passes of one repetition differ, pooled over repetitions."""
    return float(np.sqrt(np.mean([np.log(_median(one)).var(ddof=1) for one in grids])))


def _verdicts(ratios: Sequence[statistics.Figure]) -> str:
    counts = Counter(comparing.verdict(one) for one in ratios)
    shown = ", ".join(f"{name} {count}" for name, count in counts.most_common())
    return f"{np.median([one.value for one in ratios]):.3f} in the median; {shown}"


def _is_late(started: float, budget_s: float, found: Sequence[Repetition]) -> bool:
    """Whether another repetition, as long as those before, would end behind the budget."""
    took = time.monotonic() - started
    return len(found) > 1 and took * (len(found) + 1) / len(found) > budget_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", nargs="+", default=["hnswlib", "faiss-hnsw-sq8"])
    parser.add_argument("--scale", type=int, default=10_000)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3_600.0, help="Begin nothing after.")
    parser.add_argument("--pass", dest="own", nargs=3, metavar="WORD", help=argparse.SUPPRESS)
    parser.add_argument("--corpus", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.own:
        name, number, folder = options.own
        corpus = Corpus.open(*map(Path, options.corpus))
        one_pass(name, int(number), corpus, Path(folder))
        return
    load, started = os.getloadavg()[0], time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        texts = corpora.generated(home, options.scale)
        corpus = corpora.with_vectors(home, texts, options.dimension)
        truth.exact(corpus, home, None)
        found: list[Repetition] = []
        while len(found) < options.repetitions and not _is_late(started, options.seconds, found):
            found.append(repetition(options.engines, corpus, home, options.passes))
    for name in options.engines:
        sys.stdout.write(report(name, found) + "\n")
    took = time.monotonic() - started
    sys.stdout.write(f"load average {load:.1f} to {os.getloadavg()[0]:.1f}, {took:.0f} s\n")


if __name__ == "__main__":
    main()
