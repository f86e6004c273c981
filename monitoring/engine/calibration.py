"""What is quiet: thresholds from streams without drift.

Two kinds of quiet streams are looked at with the very window and schedule of the watch. Streams
drawn from the reference tell what chance alone does. Streams glued from blocks of past windows tell
what this production does anyway, for its values depend on those before (moving-block bootstrap,
Künsch 1989). The larger threshold holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitoring.engine import extremes
from monitoring.engine.detectors.contract import Additive, Fitted, moving
from monitoring.engine.detectors.ordered import Ordered
from monitoring.engine.extremes import Extremes
from monitoring.engine.reference import Floats, NotEnough
from monitoring.engine.schedule import Schedule

#: Windows in each stream; ours. The law of the maximum carries from there to a month.
STREAM_WINDOWS = 10
N_STREAMS = 400
#: Ordered detectors read value by value, some milliseconds a look.
N_ORDERED_STREAMS = 60
#: Glued streams are looked at in so many parts, which bounds the memory it takes.
N_PARTS = 8
#: Past windows before anything is an alarm.
MIN_WINDOWS = 20


@dataclass(frozen=True)
class Calibration:
    """What quiet streams reach.

    Attributes
    ----------
    drawn : Extremes
        Streams drawn from the reference.
    past : Extremes or None
        Streams glued from past windows; None until there are enough.
    """

    drawn: Extremes
    past: Extremes | None = None

    @property
    def is_complete(self) -> bool:
        """Whether an alarm may be given."""
        return self.past is not None

    def threshold(self, rate: float) -> float:
        """Return the threshold for so many false alarms per value."""
        drawn = self.drawn.threshold(rate)
        return drawn if self.past is None else max(drawn, self.past.threshold(rate))

    def to_dict(self) -> dict[str, Any]:
        """Return the calibration ready for JSON."""
        return {"drawn": self.drawn.to_dict(), "past": self.past and self.past.to_dict()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Calibration":
        """Rebuild a calibration from `to_dict`."""
        past = content["past"]
        drawn = Extremes.from_dict(content["drawn"])
        return cls(drawn, Extremes.from_dict(past) if past else None)


def drawn(
    fitted: Fitted,
    schedule: Schedule,
    rng: np.random.Generator,
    *,
    n_streams: int | None = None,
    length: int | None = None,
) -> Extremes:
    """Return what streams drawn from the reference reach.

    Parameters
    ----------
    fitted
        The detector and its reference.
    schedule
        Window and step of the watch.
    rng
        Draws the streams.
    n_streams
        By default 400, and 60 for detectors that read value by value.
    length
        Values in each; by default ten windows.
    """
    if n_streams is None:
        n_streams = N_ORDERED_STREAMS if isinstance(fitted, Ordered) else N_STREAMS
    length = length or STREAM_WINDOWS * schedule.window
    maxima = fitted.quiet_maxima(schedule, length=length, n_streams=n_streams, rng=rng)
    return extremes.fit(maxima, length)


def glued(
    fitted: Additive, steps: Floats, schedule: Schedule, rng: np.random.Generator
) -> Extremes:
    """Return what streams glued from the past reach.

    Parameters
    ----------
    fitted
        The detector and its reference.
    steps
        Summaries of past steps in order of time, float [n_steps, size]; at least 20 windows.
    schedule
        Window and step of the watch.
    rng
        Draws the blocks, each a window long.

    Raises
    ------
    NotEnough
        With fewer than 20 windows.
    """
    n_windows = len(steps) // schedule.n_steps
    if n_windows < MIN_WINDOWS:
        raise NotEnough(f"There are {n_windows} past windows of the {MIN_WINDOWS} it takes.")
    n_starts = len(steps) - schedule.n_steps + 1
    starts = rng.integers(0, n_starts, (N_STREAMS, STREAM_WINDOWS, 1))
    places = (starts + np.arange(schedule.n_steps)).reshape(N_STREAMS, -1)
    maxima = [
        fitted.distance(fitted.reference, moving(steps[part], schedule.n_steps)).max(axis=1)
        for part in np.array_split(places, N_PARTS)
    ]
    return extremes.fit(np.concatenate(maxima), STREAM_WINDOWS * schedule.window)


def replayed(
    fitted: Fitted, values: Floats, schedule: Schedule, rng: np.random.Generator
) -> Extremes:
    """Return what streams glued from past values reach, for detectors that read in order.

    Raises
    ------
    NotEnough
        With fewer than 20 windows.
    """
    n_windows = len(values) // schedule.window
    if n_windows < MIN_WINDOWS:
        raise NotEnough(f"There are {n_windows} past windows of the {MIN_WINDOWS} it takes.")
    looks = fitted.path(values, Schedule(schedule.window, schedule.window // 4))
    drawn_looks = rng.choice(looks, (N_ORDERED_STREAMS, STREAM_WINDOWS * 4))
    return extremes.fit(drawn_looks.max(axis=1), STREAM_WINDOWS * schedule.window)
