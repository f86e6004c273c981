"""Instruments: what any part of the portal counts, for all its processes together.

A part declares its instruments at import and counts with them; nothing is opened before the first
count. Names follow the manner of Prometheus: unit last, ``_total`` for counters. Values of labels
must be few: a route and never a path, a reason and never a message.

    REFUSED = metrics.counter("portal_refused_total", "Requests refused, by reason.", ["reason"])
    REFUSED.labels("range").inc()

What nobody counts but can be looked up, such as the length of a queue, is read when it is asked
for: :func:`at_scrape`.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.mmap_dict import mmap_key
from prometheus_client.utils import floatToGoString

from portal.lib.metric_files import Series

#: From half a millisecond to ten seconds; twice as fine where answers of a model lie.
LATENCY_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
#: For work of minutes and hours.
LONG_S = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 24 * 3600.0)

Labels = tuple[str, ...]
Child = TypeVar("Child")


class Instrument(Generic[Child]):
    """A metric and its children, one for each combination of label values.

    Attributes
    ----------
    name, documentation, label_names
        As Prometheus shows them.
    type
        ``counter``, ``gauge`` or ``histogram``.
    """

    def __init__(
        self,
        type: str,
        name: str,
        documentation: str,
        label_names: Sequence[str],
        make: Callable[[Labels], Child],
    ) -> None:
        self.type = type
        self.name = name
        self.documentation = documentation
        self.label_names = tuple(label_names)
        self._make = make
        self._children: dict[Labels, Child] = {}

    def labels(self, *values: str) -> Child:
        """Return the child of some label values, in the order of the names.

        Raises
        ------
        ValueError
            When their number is wrong.
        """
        child = self._children.get(values)
        if child is None:
            if len(values) != len(self.label_names):
                raise ValueError(f"{self.name} has the labels {self.label_names}, not {values}.")
            # Two threads may make one: both count into the same place of the file.
            child = self._children[values] = self._make(values)
        return child


class Count:
    """What only grows."""

    __slots__ = ("_add", "_series")

    def __init__(self, series: Series) -> None:
        self._series = series
        self._add = series.add

    def inc(self, amount: float = 1.0) -> None:
        """Count something that happened."""
        self._add(amount)

    @property
    def value(self) -> float:
        """What this process has counted."""
        return self._series.get()


class Level:
    """What rises and falls; of several processes the last to set it is right."""

    __slots__ = ("_series",)

    def __init__(self, series: Series) -> None:
        self._series = series

    def set(self, value: float) -> None:
        """Note how it stands now."""
        self._series.set(float(value), time.time())


class Spread:
    """How values are spread over buckets."""

    __slots__ = ("_add", "_bounds", "_series")

    def __init__(self, series: Series, bounds: Sequence[float]) -> None:
        self._series = series
        self._add = series.add_both
        self._bounds = bounds

    def observe(self, value: float) -> None:
        """Note one value."""
        self._add(value, bisect_left(self._bounds, value) + 1)


AnyInstrument = Instrument[Count] | Instrument[Level] | Instrument[Spread]
_instruments: dict[str, AnyInstrument] = {}


def counter(name: str, documentation: str, label_names: Sequence[str] = ()) -> Instrument[Count]:
    """Declare a counter; its name ends in ``_total``.

    Raises
    ------
    ValueError
        When another instrument has the name.
    """
    bare = name.removesuffix("_total")

    def make(values: Labels) -> Count:
        key = mmap_key(bare, name, list(label_names), list(values), documentation)
        return Count(Series("counter", [key]))

    made = Instrument("counter", name, documentation, label_names, make)
    _register(made)
    return made


def gauge(name: str, documentation: str, label_names: Sequence[str] = ()) -> Instrument[Level]:
    """Declare a gauge that one process at a time sets.

    Raises
    ------
    ValueError
        When another instrument has the name.
    """

    def make(values: Labels) -> Level:
        key = mmap_key(name, name, list(label_names), list(values), documentation)
        return Level(Series("gauge_mostrecent", [key]))

    made = Instrument("gauge", name, documentation, label_names, make)
    _register(made)
    return made


def histogram(
    name: str,
    documentation: str,
    label_names: Sequence[str] = (),
    buckets: Sequence[float] = LATENCY_S,
) -> Instrument[Spread]:
    """Declare a histogram.

    Parameters
    ----------
    buckets
        Upper bounds in ascending order, without infinity.

    Raises
    ------
    ValueError
        When another instrument has the name.
    """
    bounds = tuple(buckets)

    def make(values: Labels) -> Spread:
        names = list(label_names)
        keys = [mmap_key(name, f"{name}_sum", names, list(values), documentation)]
        for bound in (*bounds, float("inf")):
            labelled = [*values, floatToGoString(bound)]  # type: ignore[no-untyped-call]  # as above
            keys.append(mmap_key(name, f"{name}_bucket", [*names, "le"], labelled, documentation))
        return Spread(Series("histogram", keys), bounds)

    made = Instrument("histogram", name, documentation, label_names, make)
    _register(made)
    return made


def _register(made: AnyInstrument) -> None:
    if made.name in _instruments:
        raise ValueError(f"There is an instrument {made.name} already.")
    _instruments[made.name] = made


def declared() -> Iterable[AnyInstrument]:
    """Return every instrument declared so far, by name."""
    return [_instruments[name] for name in sorted(_instruments)]


Read = Callable[[], Iterable[Metric]]
_reads: dict[str, Read] = {}


def at_scrape(name: str, read: Read) -> None:
    """Register what is looked up whenever the metrics are asked for.

    Parameters
    ----------
    name
        Of the part that is asked, as it is named when it does not answer.
    read
        Returns families; may query Postgres or Redis and may fail.
    """
    _reads[name] = read


def reads() -> dict[str, Read]:
    """Return what is looked up at each scrape, by name."""
    return dict(_reads)


def family(
    name: str,
    documentation: str,
    label_names: Sequence[str] = (),
    samples: Iterable[tuple[Sequence[str], float]] = (),
) -> Metric:
    """Return a gauge with its samples, for :func:`at_scrape`."""
    made = GaugeMetricFamily(name, documentation, labels=list(label_names))
    for values, value in samples:
        made.add_metric(list(values), value)
    return made
