"""Replay a real file of shots through the watch, in production order, beside fixed rules.

The first shots train a version, as the product trains one; the others are asked of it in their
order and their labels come an hour later. Windows hold a hundred shots; thresholds are learnt from
the first twenty of them, so only those after are watched. Fixed rules look at the same windows: PSI
above 0.2 and KS with p below .05, each on any column and on half of them. The file comes by path.

    .venv/bin/python -m benchmarks.monitoring.drift_replay PATH
    .venv/bin/python -m benchmarks.monitoring.drift_replay PATH --product 1
"""

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from benchmarks.monitoring import drift_stand as stand
from monitoring.engine.detectors.psi import psi
from monitoring.engine.reference import column_of
from predictions.engine.features import FEATURE_NAMES
from predictions.engine.parameters import TrainingParams
from predictions.engine.tables import ShotTable, read_table
from predictions.engine.training import TrainedModel, train

WINDOW, LABELLED, N_QUIET = 100, 200, 20
SHOT_S = 30.0
LABELS_AFTER = timedelta(hours=1)
PARAMS = {"compare": False, "n_bootstraps": 0}
PSI_LIMIT, KS_LIMIT = 0.2, 0.05


@dataclass(frozen=True)
class Seen:
    """One window: what was true, what fixed rules say, and what the watch says after it."""

    f1: float
    defects: int
    psi_share: float
    ks_share: float
    state: str
    open_signals: tuple[str, ...]
    expected_f1: float | None
    brier: float | None
    is_loss: bool


def f1_of(called: NDArray[np.bool_], labels: NDArray[np.bool_]) -> float:
    """Return F1, 1 for a window without a defect that nothing was called in."""
    wrong, hits = int((called ^ labels).sum()), int((called & labels).sum())
    return 2 * hits / (2 * hits + wrong) if hits + wrong else 1.0


def fixed(before: stand.Matrix, now: stand.Matrix) -> tuple[float, float]:
    """Return the shares of columns that PSI and KS call drifted."""
    n = before.shape[1]
    columns = [column_of(before[:, place]) for place in range(n)]
    indices = [
        float(psi(column.counts.astype(float), column.count(now[:, place]).astype(float)))
        for place, column in enumerate(columns)
    ]
    chances = [
        ks_2samp(one[~np.isnan(one)], two[~np.isnan(two)]).pvalue
        for one, two in zip(before.T, now.T, strict=True)
    ]
    beyond = float(np.mean(np.array(indices) > PSI_LIMIT))
    return beyond, float(np.mean(np.array(chances) < KS_LIMIT))


class Replay:
    """One version, and the shots that are asked of it."""

    def __init__(self, table: ShotTable, n_trained: int, seed: int) -> None:
        labels = table.labels()
        if labels is None:
            raise SystemExit("The file has no complete label.")
        known = np.arange(n_trained)
        model: TrainedModel = train(table.take(known), TrainingParams.from_dict(PARAMS), seed=seed)
        self.matrix = table.matrix()
        self.labels = labels
        self.n_trained = n_trained
        self.scores = model.predict(self.matrix).round(6)
        self.called = self.scores >= model.threshold
        self.threshold = float(model.threshold)
        brier = model.report.to_dict()["metrics"]["brier"]["value"]
        self.version = stand.registered(
            "replay", model.baseline, FEATURE_NAMES, threshold=self.threshold, brier=float(brier)
        )
        self._start = time.time() - SHOT_S * len(labels) - 86_400

    def moment(self, place: int) -> float:
        """Return when a shot is made."""
        return round(self._start + SHOT_S * place, 6)

    def windows(self) -> list[NDArray[np.intp]]:
        """Return the places of each whole window after training."""
        places = np.arange(self.n_trained, len(self.labels))
        return np.split(places[: len(places) // WINDOW * WINDOW], len(places) // WINDOW)

    def ask(self, places: NDArray[np.intp]) -> None:
        """Record predictions, and the labels that come an hour later."""
        from predictions.models import Outcome  # noqa: PLC0415 - after setup
        from predictions.services import feedback  # noqa: PLC0415 - as above

        rows = np.column_stack([self.scores[places], self.matrix[places].astype(np.float64)])
        moments = [self.moment(place) for place in places.tolist()]
        ids = stand.record_at(self.version, FEATURE_NAMES, rows, moments, self.threshold)
        said = [
            {"prediction_id": str(one), "label": "defect" if is_defect else "ok"}
            for one, is_defect in zip(ids, self.labels[places].tolist(), strict=True)
        ]
        feedback.record(said, reported_by="key:1")
        for one, moment in zip(ids, moments, strict=True):
            told = datetime.fromtimestamp(moment, UTC) + LABELS_AFTER
            Outcome.objects.filter(prediction=one).update(recorded_at=told)

    def seen(self, places: NDArray[np.intp], judgement: Any) -> Seen:
        """Return what is known after a window."""
        from monitoring.models import DriftEvent, DriftWindow  # noqa: PLC0415 - after setup

        row = DriftWindow.objects.get(version=self.version, slice="")
        signals = DriftEvent.objects.open().filter(window=row).values_list("signal", flat=True)
        before = self.matrix[: self.n_trained].astype(np.float64)
        psi_share, ks_share = fixed(before, self.matrix[places].astype(np.float64))
        return Seen(
            round(f1_of(self.called[places], self.labels[places]), 3),
            int(self.labels[places].sum()),
            round(psi_share, 3),
            round(ks_share, 3),
            str(row.state.value),
            tuple(sorted(signals)),
            (row.latest or {}).get("expected", {}).get("f1"),
            judgement.brier,
            judgement.is_loss,
        )


def run(replay: Replay) -> list[Seen]:
    """Return what was seen window by window."""
    from monitoring.models import DriftPolicy, DriftWindow  # noqa: PLC0415 - after setup
    from monitoring.services.drift import judging  # noqa: PLC0415 - as above
    from monitoring.services.drift.following import Follower  # noqa: PLC0415 - as above

    DriftPolicy.objects.create(
        model=replay.version.model,
        window=WINDOW,
        labelled_window=LABELLED,
        slicings=["product"],
        retrains_on_loss=False,
    )
    follower, found = Follower(), []
    for places in replay.windows():
        replay.ask(places)
        while follower.turn().n_counted:
            continue
        stand.learn()
        row = DriftWindow.objects.select_related("version__model").get(slice="")
        until = datetime.fromtimestamp(replay.moment(int(places[-1])), UTC) + 2 * LABELS_AFTER
        found.append(replay.seen(places, judging.judge(row, until)))
    return found


def told(replay: Replay, found: list[Seen]) -> dict[str, Any]:
    """Return the figures: what each rule flags, and how good the flagged windows were."""
    from monitoring.models import DriftEvent, DriftWindow  # noqa: PLC0415 - after setup

    watched = found[N_QUIET:]

    def flagged(is_so: list[bool], of: list[Seen]) -> dict[str, Any]:
        ill = [one.f1 for one, so in zip(of, is_so, strict=True) if so]
        well = [one.f1 for one, so in zip(of, is_so, strict=True) if not so]
        means = [round(float(np.mean(part)), 3) if part else None for part in (ill, well)]
        return {"n": len(ill), "of": len(of), "mean_f1_flagged": means[0], "others": means[1]}

    return {
        "n_trained": replay.n_trained,
        "n_windows": len(found),
        "f1": [min(one.f1 for one in found), max(one.f1 for one in found)],
        "rules": {
            "PSI > .2, any column": flagged([one.psi_share > 0 for one in found], found),
            "PSI > .2, half of the columns": flagged(
                [one.psi_share >= 0.5 for one in found], found
            ),
            "KS p < .05, any column": flagged([one.ks_share > 0 for one in found], found),
            "KS p < .05, half of the columns": flagged(
                [one.ks_share >= 0.5 for one in found], found
            ),
            "watched: an event is open": flagged([bool(w.open_signals) for w in watched], watched),
            "watched: of the scores": flagged(
                ["score" in w.open_signals for w in watched], watched
            ),
            "watched: a loss is suspected": flagged(
                ["estimate" in w.open_signals for w in watched], watched
            ),
            "labels confirm a loss": flagged([one.is_loss for one in found], found),
        },
        "events": [
            [event.window.slice, event.signal, event.level, round(event.ratio, 2), event.ending]
            for event in DriftEvent.objects.order_by("pk").select_related("window")
        ],
        "slices": {
            row.slice: [row.state.value, row.n_seen]
            for row in DriftWindow.objects.order_by("slice")
        },
        "windows": [asdict(one) for one in found],
    }


def main() -> None:
    """Replay and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="shots in production order, with labels")
    parser.add_argument("--product", type=int, help="only the shots of this product")
    parser.add_argument("--trained-share", type=float, default=0.25)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    load = psutil.getloadavg()[0]
    table = read_table(given.file, require_label=True, check_ranges=False)
    if given.product is not None:
        products = table.matrix()[:, FEATURE_NAMES.index("Product_Type")]
        table = table.take(np.flatnonzero(products == given.product))
    with stand.product():
        replay = Replay(table, int(table.n_rows * given.trained_share), given.seed)
        result = told(replay, run(replay))
    result["load"] = [round(load, 1), round(psutil.getloadavg()[0], 1)]
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
