"""All metrics of the portal in one answer: what processes counted, and what is looked up now."""

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import structlog
from django.db import connection
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from portal.lib import clock, metric_files, metrics

log = structlog.get_logger(__name__)

#: A part that does not answer within this is left out, and says so in portal_scrape_ok.
PATIENCE_S = 2.0
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class _Lookup:
    """One pass over everything that is looked up; at most one at a time in a process."""

    def __init__(self) -> None:
        self.families: list[Metric] = []
        self.answered: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="metrics-lookup", daemon=True)
        self._thread.start()

    def wait(self) -> bool:
        """Whether the pass ended within the patience."""
        self._thread.join(PATIENCE_S)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            for name, read in metrics.reads().items():
                self._ask(name, read)
        finally:
            connection.close()

    def _ask(self, name: str, read: metrics.Read) -> None:
        try:
            found = list(read())
        except Exception as exc:  # noqa: BLE001 - whatever ails a part, the others are told
            log.warning("metrics_not_looked_up", part=name, error=f"{type(exc).__name__}: {exc}")
            connection.close()
            return
        self.families.extend(found)
        self.answered.add(name)


_lookup: _Lookup | None = None
_lock = threading.Lock()


def families() -> list[Metric]:
    """Return every metric with its samples, by name."""
    counted = metric_files.collect()
    found = [*counted, *_looked_up()]
    seen = {one.name for one in found}
    silent = [one for one in map(_empty, metrics.declared()) if one.name not in seen]
    return sorted((*found, *silent), key=lambda one: one.name)


def _empty(instrument: metrics.AnyInstrument) -> Metric:
    """Return a metric that nobody has counted with yet: its name and meaning alone."""
    name = instrument.name.removesuffix("_total")
    return Metric(name, instrument.documentation, instrument.type)


def _looked_up() -> Sequence[Metric]:
    global _lookup
    with _lock:
        lookup = _lookup = _lookup or _Lookup()
    is_over = lookup.wait()
    with _lock:
        if is_over and _lookup is lookup:
            _lookup = None
    told = list(lookup.families)
    parts = [((name,), float(name in lookup.answered)) for name in sorted(metrics.reads())]
    ok = metrics.family("portal_scrape_ok", "Whether a part answered in time.", ("part",), parts)
    return [*told, ok]


class _Ready(Collector):
    def __init__(self, found: Sequence[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        yield from self._found


def text() -> bytes:
    """Return everything in Prometheus' text format, version 0.0.4."""
    return generate_latest(_Ready(families()))


def document() -> dict[str, Any]:
    """Return everything ready for JSON."""
    return {
        "timestamp": clock.now().isoformat().replace("+00:00", "Z"),
        "metrics": [_plain(one) for one in families()],
    }


def _plain(metric: Metric) -> dict[str, Any]:
    suffix = "_total" if metric.type == "counter" else ""
    return {
        "name": metric.name + suffix,
        "type": metric.type,
        "help": metric.documentation,
        "samples": [
            {"name": one.name, "labels": one.labels, "value": one.value} for one in metric.samples
        ],
    }
