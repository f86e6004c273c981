"""Hold what a campaign measures against a script that knows nothing of the portal.

    .venv/bin/python -m benchmarks.lab.agreement --scale 10000 --dimension 128 --passes 10

Each engine's index is built twice from the same vectors: by the job of a campaign's worker and by
`benchmarks.lab.alone`. Then both are asked the same questions, pass by pass in turn: the lab by the
very process that measures a pass of a campaign, the script in a process of its own. Compared are
the medians over passes, with the interval and the verdict of the lab, and the recall of both.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from search.lab.engine import corpora, measuring, statistics, truth
from search.lab.engine.analysis import comparing
from search.lab.engine.contract import chosen
from search.lab.engine.corpora import Corpus
from search.lab.engine.engines.registry import engine
from search.lab.engine.matrix import Cell
from search.lab.engine.measuring import K, Samples
from search.lab.services.worker import SAMPLES, Job

ENGINES = ("hnswlib", "faiss-hnsw-sq8")


def by_the_lab(action: str, cell: Cell, corpus: Corpus, folder: Path) -> None:
    """Do a job of a campaign in a process of its own, as its worker does."""
    job = Job(
        action=action,
        cell=cell,
        texts=corpus.texts.path,
        vectors=corpus.path,
        folder=folder,
        cache=folder.parent / "cache",
        clients=(),
    )
    path = folder / f"{action}.json"
    job.write(path)
    _run("search.lab.services.worker", os.fspath(path))


def alone(action: str, cell: Cell, folder: Path) -> None:
    """Do the same by the library and nothing else."""
    parameters = json.dumps(chosen(engine(cell.engine), cell.parameters))
    _run("benchmarks.lab.alone", action, cell.engine, os.fspath(folder), parameters)


def _run(module: str, *words: str) -> None:
    subprocess.run([sys.executable, "-m", module, *words], check=True)  # noqa: S603 - this project


def compared(cell: Cell, corpus: Corpus, place: Path, n_passes: int) -> str:
    """Measure an engine both ways in turns and say how they agree."""
    lab, own = place / f"{cell.engine}-lab", place / f"{cell.engine}-alone"
    for folder in (lab, own):
        folder.mkdir()
    np.save(own / "vectors.npy", corpus.vectors)
    np.save(own / "queries.npy", corpus.queries)
    by_the_lab("build", cell, corpus, lab)
    alone("build", cell, own)
    exact = truth.exact(corpus, place / "cache", None)[:, :K]
    walls: dict[str, list[statistics.Floats]] = {"lab": [], "alone": []}
    recalls: dict[str, list[float]] = {"lab": [], "alone": []}
    for number in range(n_passes):
        for way in sorted(walls, reverse=bool(number % 2)):
            if way == "lab":
                by_the_lab("measure", cell, corpus, lab)
                samples = Samples.from_table(pq.read_table(lab / SAMPLES))
            else:
                alone("ask", cell, own)
                wall = np.load(own / "wall.npy")
                samples = measuring.scored(list(np.load(own / "rows.npy")), exact, wall, wall)
            walls[way].append(samples.wall_ms)
            recalls[way].append(float(samples.recall_at_10.mean()))
    grids = {way: np.stack(own) for way, own in walls.items()}
    ratio = statistics.ratio_over_passes(grids["lab"], grids["alone"])
    lines = [f"{cell.label}: {n_passes} passes of {len(exact)} questions each way"]
    for way, grid in grids.items():
        middle = statistics.over_passes(grid, lambda one: np.asarray(np.median(one, axis=-1)))
        lines.append(f"  {way:5} p50 {middle} ms, recall@10 {np.mean(recalls[way]):.4f}")
    lines.append(f"  lab over alone {ratio}: {comparing.verdict(ratio)}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    parser.add_argument("--scale", type=int, default=10_000)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--passes", type=int, default=10)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        texts = corpora.generated(place, options.scale)
        corpus = corpora.with_vectors(place, texts, options.dimension)
        for name in options.engines:
            cell = Cell(name, options.scale, options.dimension)
            sys.stdout.write(compared(cell, corpus, place, options.passes) + "\n")
    sys.stdout.write(f"load average {load:.1f} to {os.getloadavg()[0]:.1f}\n")


if __name__ == "__main__":
    main()
