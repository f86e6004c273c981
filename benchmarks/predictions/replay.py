"""Replay months of shots: a static model against one that is retrained by schedule.

Shots in production order. The first part trains the first model, with the product's own training
and parameters. Then month after month: every policy's live model answers the month, and only
afterwards are its outcomes known. The static policy keeps the first model. The scheduled ones
train, at the end of each month, on all shots known by then (expanding) or on as many of the latest
as the first model learnt (sliding), the latest part kept apart as its window; the product's own
gate with its default policy compares the new model with the live one on that window, and only what
passes goes live. Nothing is tuned on the stream: thresholds and calibration come from the training
shots alone.

    .venv/bin/python -m benchmarks.predictions.replay
    .venv/bin/python -m benchmarks.predictions.replay --file PATH   # in production order
"""

import argparse
import json
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.predictions.gate import PARAMS, distinct, scored
from portal.registry.engine.gate import PASSED, judge
from portal.registry.engine.policy import Policy
from predictions.engine import gate_rows
from predictions.engine.metrics import f1
from predictions.engine.stream import generate_stream
from predictions.engine.tables import ShotTable, read_table
from predictions.engine.training import TrainedModel, train
from predictions.services import holdout

STATIC, EXPANDING, SLIDING = "static", "expanding", "sliding"
STREAM_SHOTS = 14_000
#: Share of the stream that the first model knows, and months of the rest.
FIRST_SHARE = 0.25
MONTHS = 6
TARGET = 0.08


@dataclass(frozen=True)
class Replayed:
    """What one policy did on one stream."""

    stream: int
    policy: str
    f1: float
    f1_by_month: tuple[float, ...]
    n_trained: int
    n_promoted: int


@dataclass(frozen=True, eq=False)
class Live:
    """A model that answers, and the keys of the shots it learnt."""

    model: TrainedModel
    learnt: NDArray[np.uint64]


def learn(table: ShotTable, rows: NDArray[np.intp], apart: ShotTable | None, seed: int) -> Live:
    """Train on some rows as the product does, without what is held out or like the rows apart."""
    part = holdout.divide(table.take(rows))[0]
    model = train(part, PARAMS, seed=seed, held_out=apart)
    return Live(model, gate_rows.read_keys(gate_rows.learnt_keys(part, apart)))


def passes(table: ShotTable, window: NDArray[np.intp], new: Live, old: Live, seed: int) -> bool:
    """Return whether the product's gate lets a new model take the place of the live one."""
    keys = gate_rows.frozen_rows(table.take(window)).keys
    one, other = (
        replace(scored(live.model, table, window), learnt=np.isin(keys, live.learnt))
        for live in (new, old)
    )
    return judge(one, other, policy=Policy(), seed=seed).outcome == PASSED


def replay(
    number: int, table: ShotTable, policy: str, first: Live, edges: NDArray[np.intp]
) -> Replayed:
    """Live through the months of a stream by one policy."""
    labels = table.labels()
    assert labels is not None  # noqa: S101 - checked when the table was read
    matrix, live = table.matrix(), first
    called = np.zeros(table.n_rows, dtype=bool)
    n_trained = n_promoted = 0
    for start, stop in pairwise(edges):
        called[start:stop] = live.model.predict(matrix[start:stop]) >= live.model.threshold
        if policy == STATIC or stop == edges[-1]:
            continue
        begin = 0 if policy == EXPANDING else max(0, int(stop) - int(edges[0]))
        before, window = (rows + begin for rows in gate_rows.window(int(stop) - begin))
        new = learn(table, before, table.take(window), seed=int(stop))
        n_trained += 1
        if passes(table, window, new, live, seed=int(stop)):
            live, n_promoted = new, n_promoted + 1
    months = [slice(a, b) for a, b in pairwise(edges)]
    return Replayed(
        number,
        policy,
        _f1(labels[edges[0] :], called[edges[0] :]),
        tuple(_f1(labels[month], called[month]) for month in months),
        n_trained,
        n_promoted,
    )


def _f1(labels: NDArray[np.bool_], called: NDArray[np.bool_]) -> float:
    return f1(labels, called.astype(np.float64), called, np.ones(len(labels)))


def _generated(seed: int, n_shots: int) -> list[Replayed]:
    return replayed(seed, generate_stream(n_shots, seed).table())


def replayed(number: int, table: ShotTable) -> list[Replayed]:
    """Replay one stream by every policy from the same first model."""
    start = int(table.n_rows * FIRST_SHARE)
    edges = np.linspace(start, table.n_rows, MONTHS + 1).astype(np.intp)
    first = learn(table, np.arange(start), None, seed=number)
    return [replay(number, table, name, first, edges) for name in (STATIC, EXPANDING, SLIDING)]


def report(found: list[Replayed], say: Callable[[str], None]) -> None:
    """Print the figures, and the gain of each policy with its interval over the streams."""
    by_policy = {
        name: [one for one in found if one.policy == name] for name in (STATIC, EXPANDING, SLIDING)
    }
    for name, rows in by_policy.items():
        values = [one.f1 for one in rows]
        counts = f"{sum(r.n_promoted for r in rows)} of {sum(r.n_trained for r in rows)}"
        say(
            f"{name:10} F1 {np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f}), "
            f"{counts} retrained models went live"
        )
        months = np.mean([one.f1_by_month for one in rows], axis=0)
        say(f"{'':10} by month {' '.join(f'{value:.2f}' for value in months)}")
    for name in (EXPANDING, SLIDING):
        gains = np.array(
            [a.f1 - b.f1 for a, b in zip(by_policy[name], by_policy[STATIC], strict=True)]
        )
        text = f"{name} gains {gains.mean():+.3f} F1 over static"
        if len(gains) > 1:
            half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
            text += f" (95 % interval {gains.mean() - half:+.3f} to {gains.mean() + half:+.3f})"
        verdict = "met" if gains.mean() >= TARGET else "MISSED"
        say(f"{text}, n {len(gains)} streams, target {TARGET:+.2f}: {verdict}")


def main() -> None:
    """Replay the streams and print what retraining gains."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--streams", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=2_000)
    parser.add_argument("--shots", type=int, default=STREAM_SHOTS)
    parser.add_argument("--file", type=Path, help="a real file in production order, instead")
    parser.add_argument("--json", type=Path, help="write every figure there")
    parser.add_argument("--jobs", type=int, default=2, help="streams replayed at the same time")
    options = parser.parse_args()

    def say(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    found: list[Replayed] = []
    if options.file:
        found = replayed(0, distinct(read_table(options.file, require_label=True)))
    else:
        seeds = range(options.first_seed, options.first_seed + options.streams)
        with ProcessPoolExecutor(options.jobs) as pool:
            for part in pool.map(_generated, seeds, [options.shots] * len(seeds)):
                found += part
                say(f"stream {part[0].stream} done")
    report(found, say)
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in found], indent=1))


if __name__ == "__main__":
    main()
