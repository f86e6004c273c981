"""How good the quality model is on the public die-casting file, with intervals and baselines.

Every figure is of shots that the model, its imputation, its calibration and its threshold had not
seen, except under the split marked as leaking, which is shown for the inflation it causes.

    .venv/bin/python -m benchmarks.predictions.quality
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.predictions.targets import ROOT
from predictions.engine import evaluation
from predictions.engine.bootstrap import Interval, Scored, paired_difference
from predictions.engine.crossfit import FoldFit, FoldPlan, Shots, cross_fit, plan
from predictions.engine.parameters import PUBLISHED, TrainingParams
from predictions.engine.progress import Meter
from predictions.engine.report import ProtocolResult
from predictions.engine.rows import first_of_copies, group_numbers
from predictions.engine.splits import PROTOCOLS, Fold, Protocol
from predictions.engine.tables import read_table

FILE = Path("diecasting/DieCasting_Quality_Raw_Data.csv")
SEED = 42
TEST_SHARE = 0.2
MODEL, ARCHITECTURE = "model", "published architecture"
MODELS: Mapping[str, TrainingParams] = {MODEL: TrainingParams(), ARCHITECTURE: PUBLISHED}
SHOWN = ("f1", "roc_auc", "pr_auc", "brier")
CROSS_VALIDATED = ("grouped", "product", "forward")
#: Set before the model was made; an F1 above the last one is a leak until disproved.
TARGETS: Mapping[str, Mapping[str, float]] = {
    "unique": {"f1": 0.50, "roc_auc": 0.75, "pr_auc": 0.46},
    "published rows": {"f1": 0.47, "pr_auc": 0.40},
}
GAIN_TARGET = 0.03
SUSPICIOUS_F1 = 0.55

Rows = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Trial:
    """One way of judging: shots, folds and what to call it."""

    name: str
    description: str
    protocol: Protocol
    shots: Shots
    plans: tuple[FoldPlan, ...]

    @property
    def n_train(self) -> int:
        """Shots a model is fitted on, the mean of all folds."""
        return round(float(np.mean([len(one.fold.train) for one in self.plans])))


@dataclass(frozen=True, eq=False)
class Judged:
    """What one model did in a trial."""

    result: ProtocolResult
    scored: Scored
    seconds: float


def read(path: Path) -> tuple[Shots, Shots]:
    """Return all rows of the file, and its distinct shots."""
    table = read_table(path, require_label=True)
    matrix, labels = table.matrix(), table.labels()
    if labels is None:
        raise SystemExit(f"{path} has no complete label")
    every = Shots(matrix, labels, group_numbers(matrix))
    distinct = np.flatnonzero(first_of_copies(matrix, labels))
    return every, Shots(matrix[distinct], labels[distinct], group_numbers(matrix[distinct]))


def stratified(labels: NDArray[np.bool_]) -> Fold:
    """Return the split of 80 to 20 with the seed of the published work."""
    from sklearn.model_selection import train_test_split  # noqa: PLC0415 - heavy

    train, test = train_test_split(
        np.arange(len(labels)), test_size=TEST_SHARE, random_state=SEED, stratify=labels
    )
    return Fold(np.sort(train), np.sort(test))


def without_copies(shots: Shots, fold: Fold) -> Fold:
    """Leave out of the training rows whatever is a copy, or repeats a test row."""
    apart = fold.train[~np.isin(shots.groups[fold.train], shots.groups[fold.test])]
    part = shots.at(apart)
    return Fold(apart[first_of_copies(part.matrix, part.labels)], fold.test)


def trials(every: Shots, distinct: Shots, params: TrainingParams) -> list[Trial]:
    """Return all trials; leaking ones last."""
    grouped, leaking = PROTOCOLS["grouped"], PROTOCOLS["random"]
    published = stratified(every.labels)

    def single(name: str, description: str, protocol: Protocol, shots: Shots, fold: Fold) -> Trial:
        part = shots.at(fold.train)
        inner = protocol.split(part.labels, part.groups, params.n_inner_folds, SEED)
        return Trial(name, description, protocol, shots, (FoldPlan(fold, tuple(inner)),))

    return [
        single(
            "unique",
            "Distinct shots, stratified 80/20, seed 42; training shots that repeat a test shot "
            "under another counter left out",
            grouped,
            distinct,
            without_copies(distinct, stratified(distinct.labels)),
        ),
        single(
            "published rows",
            "The published test rows (all rows, stratified 80/20, seed 42); their copies left out "
            "of training",
            grouped,
            every,
            without_copies(every, published),
        ),
        *(
            Trial(
                name, PROTOCOLS[name].description, PROTOCOLS[name], distinct,
                plan(distinct, PROTOCOLS[name], params, SEED),
            )
            for name in CROSS_VALIDATED
        ),
        single(
            "as published",
            "The same test rows with their copies in training: leaks, for comparison only",
            leaking,
            every,
            published,
        ),
    ]  # fmt: skip


def judged(trial: Trial, params: TrainingParams, n_draws: int) -> Judged:
    """Fit and judge one model in one trial."""
    started = perf_counter()
    fits: Sequence[FoldFit] = cross_fit(trial.shots, trial.plans, params, SEED, Meter(None, 1.0))
    seconds = perf_counter() - started
    result = evaluation.judge(trial.shots, fits, trial.protocol, seed=SEED, n_draws=n_draws)
    return Judged(result, evaluation.out_of_fold(trial.shots, fits)[1], seconds)


def over_seeds(trial: Trial, n_seeds: int) -> dict[str, list[float]]:
    """Return the model's figures when it is fitted with other seeds, the split unchanged."""
    figures: dict[str, list[float]] = {name: [] for name in SHOWN}
    for seed in range(n_seeds):
        fits = cross_fit(trial.shots, trial.plans, MODELS[MODEL], seed, Meter(None, 1.0))
        result = evaluation.judge(trial.shots, fits, trial.protocol, seed=seed, n_draws=0)
        for name in SHOWN:
            figures[name].append(result.metrics[name].value or 0.0)
    return figures


def arguments() -> argparse.Namespace:
    """Read the command line."""
    beside = ROOT.parent / "shared" / "data"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("MILLWRIGHT_DATA", beside))
    )
    parser.add_argument("--draws", type=int, default=1_000, help="Bootstrap draws.")
    parser.add_argument("--seeds", type=int, default=10, help="Fits with other seeds.")
    parser.add_argument(
        "--everywhere",
        action="store_true",
        help="Fit the published architecture in every fold of every protocol too; takes long.",
    )
    parser.add_argument("--out", type=Path, help="Where the figures go as JSON.")
    return parser.parse_args()


def main() -> None:
    """Measure and print a table."""
    given = arguments()
    path = given.data / FILE
    if not path.exists():
        raise SystemExit(f"{path} is not here: set MILLWRIGHT_DATA or pass --data")
    every, distinct = read(path)
    found: dict[str, dict[str, Judged]] = {}
    planned = trials(every, distinct, TrainingParams())
    for trial in planned:
        found[trial.name] = {
            name: judged(trial, params, given.draws)
            for name, params in MODELS.items()
            if given.everywhere or name == MODEL or trial.name not in CROSS_VALIDATED
        }
    seeded = {
        trial.name: over_seeds(trial, given.seeds) for trial in planned if trial.name in TARGETS
    }
    if given.out:
        figures = {"trials": content(planned, found), "seeds": seeded}
        given.out.write_text(json.dumps(figures, indent=2) + "\n")
    sys.stdout.write(markdown(planned, found, given.draws) + seed_lines(seeded))


def content(planned: Iterable[Trial], found: Mapping[str, Mapping[str, Judged]]) -> dict[str, Any]:
    """Return all figures ready for JSON."""
    return {
        trial.name: {
            "description": trial.description,
            "leaks": trial.protocol.leaks,
            "n_train": trial.n_train,
            "models": {
                name: one.result.to_dict() | {"seconds": one.seconds}
                for name, one in found[trial.name].items()
            },
        }
        for trial in planned
    }


def markdown(
    planned: Sequence[Trial], found: Mapping[str, Mapping[str, Judged]], n_draws: int
) -> str:
    """Return the figures as the tables of docs/quality-models.md."""
    lines = [
        "| split | model | F1 | ROC AUC | PR AUC | Brier | train | tested |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for trial in planned:
        lines += _rows(trial, found[trial.name])
    lines += ["", *(f"- {trial.name}: {trial.description.rstrip('.')}." for trial in planned)]
    lines += ["", f"Intervals: 95 %, {n_draws:,} bootstrap draws of groups of equal shots.", ""]
    lines += _verdicts(found)
    return "\n".join(lines) + "\n"


def seed_lines(seeded: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Return how much of the figures is the luck of one seed."""
    lines = []
    for name, figures in seeded.items():
        for metric, least in TARGETS[name].items():
            values = figures[metric]
            n_met = sum(value >= least for value in values)
            lines.append(
                f"- {name}, {metric} over {len(values)} seeds of the fit: mean "
                f"{np.mean(values):.3f}, {min(values):.3f} to {max(values):.3f}; target "
                f"{least:.2f} met by {n_met}\n"
            )
    return "".join(lines)


def _rows(trial: Trial, by_model: Mapping[str, Judged]) -> list[str]:
    name = f"{trial.name} **(leaks)**" if trial.protocol.leaks else trial.name
    rows = [(model, one.result.metrics) for model, one in by_model.items()]
    first = next(iter(by_model.values())).result
    rows += [(f"baseline: {item.label.lower()}", item.metrics) for item in first.baselines]
    return [
        f"| {name} | {model} | "
        + " | ".join(_figure(metrics[metric]) for metric in SHOWN)
        + f" | {trial.n_train:,} | {first.n_tested:,} |"
        for model, metrics in rows
    ]


def _figure(figure: Interval) -> str:
    if figure.value is None:
        return "not defined"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def _verdicts(found: Mapping[str, Mapping[str, Judged]]) -> list[str]:
    """Return which targets are met, by the point estimate, and what the leak adds."""
    lines = []
    for name, wanted in TARGETS.items():
        metrics = found[name][MODEL].result.metrics
        for metric, least in wanted.items():
            value = metrics[metric].value or 0.0
            verdict = "met" if value >= least else "missed"
            lines.append(f"- {name}, {metric}: {value:.3f}, target {least:.2f}: {verdict}")
    unique = found["unique"][MODEL].result.metrics["f1"].value or 0.0
    if unique > SUSPICIOUS_F1:
        lines.append(f"- unique, F1 {unique:.3f} is above {SUSPICIOUS_F1}: look for a leak")
    return [*lines, *_gain(found), *_inflation(found)]


def _gain(found: Mapping[str, Mapping[str, Judged]]) -> list[str]:
    """Return what the model gains over the published architecture on the same rows."""
    lines = []
    for name, by_model in found.items():
        if ARCHITECTURE not in by_model or by_model[MODEL].result.leaks:
            continue
        ours, theirs = by_model[MODEL].scored, by_model[ARCHITECTURE].scored
        gain = paired_difference(ours, theirs, "pr_auc", seed=SEED, n_draws=1_000)
        line = f"- {name}, PR AUC above the published architecture: {_figure(gain)}"
        if name == "published rows":
            verdict = "met" if (gain.value or 0.0) >= GAIN_TARGET else "missed"
            line += f", target {GAIN_TARGET:.2f}: {verdict}"
        lines.append(line)
    return lines


def _inflation(found: Mapping[str, Mapping[str, Judged]]) -> list[str]:
    lines = []
    for model, leaking in found["as published"].items():
        honest = found["published rows"][model].result.metrics["f1"].value or 0.0
        shown = leaking.result.metrics["f1"].value or 0.0
        lines.append(
            f"- inflation of F1 by copies on the same test rows, {model}: {honest:.3f} → "
            f"{shown:.3f} (+{shown - honest:.3f})"
        )
    return lines


if __name__ == "__main__":
    main()
