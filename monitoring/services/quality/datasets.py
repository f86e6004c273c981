"""Data sets as they come, each against those of its kind before it."""

from collections.abc import Callable
from operator import gt, lt

from monitoring.engine.expecting import VALUE, Failure
from monitoring.models import QualityWindow, Rule
from monitoring.models.quality import DATASET
from monitoring.services.quality import learning
from monitoring.services.quality.checking import (
    Expected,
    expectations,
    of_columns,
    of_copies,
    of_volume,
    settle,
)
from predictions import selectors as predictions

MOST = 50

Outside = Callable[[float, float], bool]


def check() -> int:
    """Check the data sets that came since the last look; return how many there were."""
    seen = QualityWindow.objects.filter(scope__startswith=DATASET).exclude(reference="")
    last = max(
        (int(pk) for pk in seen.values_list("reference", flat=True) if pk.isdigit()), default=0
    )
    n_checked = 0
    for held in predictions.datasets_after(last, MOST):
        _check_dataset(held)
        n_checked += 1
    return n_checked


def _check_dataset(held: predictions.Held) -> None:
    """Check a data set against those before it; the first of its kind is the measure."""
    scope = f"{DATASET}{held.kind}"
    # Generated data are no measure, and nobody need be told what they are like.
    expected = {} if held.is_synthetic else expectations(scope)
    window = QualityWindow(
        scope=scope,
        source=held.name[:160],
        at=held.created_at,
        n_rows=held.n_rows,
        n_looked=held.n_rows,
        n_duplicates=held.n_copies,
        last_row_at=held.created_at,
        reference=str(held.pk),
        nulls={one["name"]: one["n_missing"] for one in held.columns if one["n_missing"]},
    )
    failures = of_columns(window, expected) + _of_ranges(held, expected)
    failures += of_copies(window, expected) + of_volume(window, expected)
    settle(window, failures)
    if not held.is_synthetic and not failures:
        learning.learn_dataset(scope, held)


def _of_ranges(held: predictions.Held, expected: Expected) -> list[Failure]:
    """Return the columns whose least or greatest value lies outside."""
    failures = []
    for column in held.columns:
        limits = expected.get((column["name"], Rule.RANGE))
        if not limits:
            continue
        ends: tuple[tuple[float | None, float | None, Outside], ...] = (
            (column["min"], limits.get("low"), lt),
            (column["max"], limits.get("high"), gt),
        )
        for value, limit, is_outside in ends:
            if value is not None and limit is not None and is_outside(value, limit):
                failures.append(
                    Failure(Rule.RANGE, column["name"], value, limit, 1, held.n_rows, VALUE)
                )
    return failures
