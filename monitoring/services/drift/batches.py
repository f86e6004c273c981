"""Recorded predictions as arrays, sorted to the streams they belong to."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np

from monitoring.engine.looks import N_LEADING
from monitoring.engine.sliding import Rows32
from monitoring.services.drift.series import Batch, Series
from monitoring.services.drift.streams import Streams, Watched
from predictions.selectors import Answered

WHOLE = ""
_decode = msgspec.json.decode


@dataclass(frozen=True, eq=False)
class Stream:
    """What came for one series."""

    series: Series
    batch: Batch


def batches(answered: Sequence[Answered], streams: Streams) -> Iterator[Stream]:
    """Yield the predictions of each stream they belong to, in their order."""
    by_version: dict[int, list[Answered]] = defaultdict(list)
    for one in answered:
        by_version[one.version_id].append(one)
    for version_id, ones in by_version.items():
        watched = streams.watched(version_id)
        if watched is not None:
            yield from _of_version(watched, ones, streams)


def _of_version(watched: Watched, ones: list[Answered], streams: Streams) -> Iterator[Stream]:
    features = [_decode(one.features) for one in ones]
    batch = Batch(
        _rows(watched, ones, features),
        [one.id for one in ones],
        [datetime.fromtimestamp(one.at_s, UTC) for one in ones],
    )
    yield Stream(streams.series(watched, WHOLE), batch)
    places: dict[str, list[int]] = defaultdict(list)
    for place, (one, given) in enumerate(zip(ones, features, strict=True)):
        for name in watched.slicer.names(one.principal, given):
            places[name].append(place)
    for name, mine in places.items():
        if watched.admits(name):
            yield Stream(streams.series(watched, name), batch.part(mine))


def _rows(watched: Watched, ones: list[Answered], features: list[dict[str, Any]]) -> Rows32:
    """Return score, class and features, float32 [n, 2 + n_features]; NaN for missing.

    Float32, as models are trained on: a value and the edge it once was must stay equal.
    """
    rows = np.empty((len(ones), N_LEADING + len(watched.names)), dtype=np.float32)
    rows[:, 0] = [one.probability for one in ones]
    rows[:, 1] = [one.is_defect for one in ones]
    if watched.names:
        values = [watched.values(given) for given in features]
        try:
            rows[:, N_LEADING:] = np.array(values, dtype=np.float32)
        except (TypeError, ValueError):
            rows[:, N_LEADING:] = [[_number(value) for value in row] for row in values]
    return rows


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
