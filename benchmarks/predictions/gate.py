"""Measure whether the gate keeps worse versions out and lets better ones in.

Shots in production order. At a moment, a champion is live and a challenger asks to take its place.
Both answer the window of shots made after all that the challenger learnt; each rule says whether
the challenger goes live; the shots after the window, which no rule has seen, tell who was right.

Rules: the product's own gate with its default policy; the bare difference of PR-AUC; the larger
file. Challengers: trained on newer data, with another seed, on fewer or older data, with weaker,
overgrown or linear settings; against a champion that is months old, and against a fresh one.

    .venv/bin/python -m benchmarks.predictions.gate
    .venv/bin/python -m benchmarks.predictions.gate --file PATH   # in production order
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from math import sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from portal.registry.engine.gate import GateReport, judge
from portal.registry.engine.policy import Policy
from portal.registry.engine.scored import Scored
from predictions.engine.gate_rows import WINDOW_SHARE, frozen_rows
from predictions.engine.metrics import average_precision
from predictions.engine.parameters import TrainingParams
from predictions.engine.rows import first_of_copies
from predictions.engine.stream import generate_stream
from predictions.engine.tables import ShotTable, read_table
from predictions.engine.training import TrainedModel, train

#: The product's model; only what does not change it is cut: folds and intervals of its report.
LIGHT = {"n_folds": 2, "n_inner_folds": 2, "n_bootstraps": 0, "compare": False}
PARAMS = TrainingParams.from_dict(LIGHT)
WEAK = replace(PARAMS, n_estimators=20, max_depth=1)
OVERGROWN = replace(
    PARAMS,
    n_estimators=30,
    max_depth=10,
    learning_rate=0.3,
    subsample=1.0,
    max_features=1.0,
    min_samples_leaf=1,
)
LINEAR = replace(PARAMS, learner="logistic_regression")
NEWER, SEED, OTHER = "newer data", "new seed", "other"
RULES = ("gate", "point estimate", "file size")
STREAM_SHOTS = 14_000
N_STREAMS = 2
TARGETS = {"worse later": 0.10, "newer data passes": 0.90, "new seed promoted": 0.10}


@dataclass(frozen=True)
class Moment:
    """Positions in the stream: what the old champion and the newest challenger learnt until."""

    champion_until: int
    challenger_until: int
    window_until: int
    later_until: int


@dataclass(frozen=True)
class Recipe:
    """How a version is trained: on which rows, with which settings and seed."""

    name: str
    kind: str
    start: int
    stop: int
    params: TrainingParams = PARAMS
    seed: int = 1
    share: float = 1.0


@dataclass(frozen=True)
class Trial:
    """One challenger against one champion, and what every rule said."""

    stream: int
    champion: str
    challenger: str
    kind: str
    gate: str
    reasons: tuple[str, ...]
    promoted: Mapping[str, bool]
    gain_in_window: float
    gain_later: float


def recipes(moment: Moment) -> tuple[list[Recipe], list[Recipe]]:
    """Return the versions that meet the old champion, and those that meet the fresh one.

    The first of each list is the champion.
    """
    old, new = moment.champion_until, moment.challenger_until
    stale = [
        Recipe("old champion", OTHER, 0, old),
        Recipe("all data until now", NEWER, 0, new),
        Recipe("all data until now, another seed", NEWER, 0, new, seed=2),
        Recipe("all data until a while ago", NEWER, 0, (old + new) // 2),
        Recipe("only the latest data", OTHER, new - old, new),
        Recipe("another seed", SEED, 0, old, seed=2),
        Recipe("a third seed", SEED, 0, old, seed=3),
        *_poor("", 0, old),
        Recipe("older data", OTHER, 0, old // 2),
    ]
    fresh = [
        stale[1],
        replace(stale[2], kind=SEED),
        Recipe("a third seed, all data", SEED, 0, new, seed=3),
        *_poor(", all data", 0, new),
        stale[0],
    ]
    return stale, fresh


def _poor(suffix: str, start: int, stop: int) -> list[Recipe]:
    return [
        Recipe(f"half of the data{suffix}", OTHER, start, stop, share=0.5),
        Recipe(f"weak{suffix}", OTHER, start, stop, WEAK),
        Recipe(f"overgrown{suffix}", OTHER, start, stop, OVERGROWN),
        Recipe(f"linear{suffix}", OTHER, start, stop, LINEAR),
    ]


def trained(table: ShotTable, recipe: Recipe) -> TrainedModel:
    """Train a version as the product does."""
    rows = np.arange(recipe.start, recipe.stop)
    if recipe.share < 1:
        rng = np.random.default_rng(recipe.seed)
        rows = np.sort(rng.choice(rows, int(len(rows) * recipe.share), replace=False))
    return train(table.take(rows), recipe.params, seed=recipe.seed)


def scored(model: TrainedModel, table: ShotTable, rows: NDArray[np.intp]) -> Scored:
    """Return a version's answers as the product hands them to the gate."""
    frozen = frozen_rows(table.take(rows))
    return Scored(
        y_true=frozen.labels.astype(np.int_),
        probability=model.predict(frozen.matrix),
        group_ids=frozen.groups.astype(np.int_),
        threshold=model.threshold,
        slices=frozen.slices,
    )


def pr_auc(answers: Scored) -> float:
    """Return the area under the precision-recall curve."""
    labels, probability = answers.y_true == 1, answers.probability
    return average_precision(labels, probability, labels, np.ones(len(labels)))


def trials(
    number: int,
    table: ShotTable,
    moment: Moment,
    policy: Policy,
) -> Iterator[Trial]:
    """Yield what became of every challenger at one moment."""
    window = np.arange(moment.challenger_until, moment.window_until)
    later = np.arange(moment.window_until, moment.later_until)
    known: dict[Recipe, tuple[Scored, Scored, int]] = {}

    def answers(recipe: Recipe) -> tuple[Scored, Scored, int]:
        same = replace(recipe, name="", kind="")
        if same not in known:
            model = trained(table, recipe)
            size_bytes = len(model.to_bytes())
            known[same] = (scored(model, table, window), scored(model, table, later), size_bytes)
        return known[same]

    for group in recipes(moment):
        champion = answers(group[0])
        for recipe in group[1:]:
            yield _trial(number, group[0], recipe, champion, answers(recipe), policy)


def _trial(
    number: int,
    champion: Recipe,
    recipe: Recipe,
    live: tuple[Scored, Scored, int],
    asking: tuple[Scored, Scored, int],
    policy: Policy,
) -> Trial:
    report: GateReport = judge(asking[0], live[0], policy=policy, seed=number)
    gain = pr_auc(asking[0]) - pr_auc(live[0])
    return Trial(
        stream=number,
        champion=champion.name,
        challenger=recipe.name,
        kind=recipe.kind,
        gate=report.outcome,
        reasons=tuple(reason.code for reason in report.reasons),
        promoted={
            "gate": report.outcome == "passed",
            "point estimate": gain > 0,
            "file size": asking[2] > live[2],
        },
        gain_in_window=gain,
        gain_later=pr_auc(asking[1]) - pr_auc(live[1]),
    )


def moments(n_rows: int) -> list[Moment]:
    """Return the moments of a stream: its window is the product's share of what is known then."""
    found = []
    for share in (0.6, 0.7, 0.8):
        now = int(share * n_rows)
        window = int(now * WINDOW_SHARE)
        cut = now - window
        found.append(Moment(cut // 2, cut, now, min(now + window, n_rows)))
    return found


def share(hits: int, n: int) -> str:
    """Return a share with its 95 % interval (Wilson)."""
    if not n:
        return "none of 0"
    z = 1.96
    p = hits / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return f"{p:6.1%} ({middle - half:.1%} to {middle + half:.1%}; {hits} of {n})"


def report(found: list[Trial], say: Callable[[str], None]) -> dict[str, float]:
    """Print what every rule did and return the figures that have a target."""
    figures: dict[str, float] = {}
    say(f"{len(found)} challengers of {len({trial.stream for trial in found})} streams")
    say(f"{sum(trial.gain_later < 0 for trial in found)} of them are worse on later data")
    for rule in RULES:
        chosen = [trial for trial in found if trial.promoted[rule]]
        newer = [trial for trial in found if trial.kind == NEWER]
        seeds = [trial for trial in found if trial.kind == SEED]
        worse = sum(trial.gain_later < 0 for trial in chosen)
        better = [trial for trial in newer if trial.gain_later > 0]
        say(f"{rule}:")
        say(f"  promoted                                  {share(len(chosen), len(found))}")
        say(f"  promoted but worse on later data          {share(worse, len(chosen))}")
        newer_in = sum(trial.promoted[rule] for trial in newer)
        say(f"  trained on newer data, promoted           {share(newer_in, len(newer))}")
        better_in = sum(trial.promoted[rule] for trial in better)
        say(f"  … of those that are better on later data  {share(better_in, len(better))}")
        seeds_in = sum(trial.promoted[rule] for trial in seeds)
        say(f"  another seed only (A/A), promoted         {share(seeds_in, len(seeds))}")
        if rule == "gate":
            figures = {
                "worse later": worse / max(len(chosen), 1),
                "newer data passes": newer_in / max(len(newer), 1),
                "new seed promoted": seeds_in / max(len(seeds), 1),
            }
    return figures


def distinct(table: ShotTable) -> ShotTable:
    labels = table.labels()
    if labels is None:
        raise SystemExit("the file has no complete label")
    return table.take(np.flatnonzero(first_of_copies(table.matrix(), labels)))


def simulated(number: int, table: ShotTable, policy: Policy) -> list[Trial]:
    """Return what became of every challenger of a stream."""
    return [
        trial for moment in moments(table.n_rows) for trial in trials(number, table, moment, policy)
    ]


def _generated(seed: int, n_shots: int, policy: Policy) -> list[Trial]:
    return simulated(seed, generate_stream(n_shots, seed).table(), policy)


def main() -> None:
    """Run the simulation and print its figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--streams", type=int, default=N_STREAMS)
    parser.add_argument("--first-seed", type=int, default=1_000)
    parser.add_argument("--shots", type=int, default=STREAM_SHOTS)
    parser.add_argument("--file", type=Path, help="a real file in production order, instead")
    parser.add_argument("--policy", default="{}", help="other settings of the gate, as JSON")
    parser.add_argument("--json", type=Path, help="write every trial there")
    parser.add_argument("--jobs", type=int, default=2, help="streams simulated at the same time")
    options = parser.parse_args()
    policy = Policy.from_dict(json.loads(options.policy))

    def say(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    found: list[Trial] = []
    if options.file:
        found = simulated(0, distinct(read_table(options.file, require_label=True)), policy)
    else:
        n = options.streams
        seeds = range(options.first_seed, options.first_seed + n)
        with ProcessPoolExecutor(options.jobs) as pool:
            for part in pool.map(_generated, seeds, [options.shots] * n, [policy] * n):
                found += part
                say(f"stream {part[0].stream} done, {len(found)} challengers")
    figures = report(found, say)
    for name, target in TARGETS.items():
        is_met = figures[name] >= target if name.startswith("newer") else figures[name] <= target
        say(f"{name}: {figures[name]:.1%}, target {target:.0%}, {'met' if is_met else 'MISSED'}")
    if options.json:
        options.json.write_text(json.dumps([asdict(trial) for trial in found], indent=1))


if __name__ == "__main__":
    main()
