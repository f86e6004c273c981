"""What is traded for what: recall against latency, throughput and the time of a build."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

from django.utils.translation import gettext as _

from portal.lib import charts
from portal.lib.documents import Block, Figure, Heading
from search.lab import selectors
from search.lab.engine import pictures
from search.lab.engine.analysis import choosing
from search.lab.engine.analysis.choosing import Need
from search.lab.engine.analysis.points import Point
from search.lab.services.reports.findings import Findings, throughput

#: Sound cells below which a picture shows nothing that a table does not.
_LEAST = 2


def frontiers(found: Findings) -> Iterator[Block]:
    """Draw recall against latency for each need; against throughput and build for the largest."""
    needs = {
        need: [one for one in own if one.is_sound]
        for need, own in choosing.by_need(found.points).items()
    }
    needs = {need: own for need, own in needs.items() if len(own) >= _LEAST}
    if not needs:
        return
    yield Heading(_("Recall against latency"), 2)
    for need, own in needs.items():
        yield _latency(need, own)
    need = _plain(needs)
    rates = {line.cell.key: throughput(line).get(1) for line in found.measured}
    drawn = (_throughput(need, needs[need], rates), _build(need, needs[need]))
    if any(drawn):
        yield Heading(_("Recall against throughput and time of the build"), 2)
        yield from filter(None, drawn)


def _plain(needs: Iterable[Need]) -> Need:
    """Return the largest need without words and filter, or the largest of all."""
    plain = [need for need in needs if need.search_type == "vector" and need.filter_share >= 1]
    return max(plain or needs, key=lambda need: need.scale)


def _latency(need: Need, own: Sequence[Point]) -> Figure:
    words = {"need": selectors.called(need), "count": len(own)}
    return Figure.of(
        charts.Scatter(
            charts.Axes("recall@10", _("p50 latency (ms)"), log_y=True),
            _series(own, lambda one: one.recall_at_10, lambda one: one.p50_ms),
            front=pictures.edge(own),
            front_name=_("Pareto front"),
        ),
        caption=_("%(need)s: recall against latency; low and to the right is good.") % words,
        alt=_("%(need)s: %(count)d sound cells by recall and median latency.") % words,
    )


def _throughput(need: Need, own: Sequence[Point], rates: dict[str, float | None]) -> Figure | None:
    known = [one for one in own if rates.get(one.cell.key)]
    if len(known) < _LEAST:
        return None
    words = {"need": selectors.called(need), "count": len(known)}
    return Figure.of(
        charts.Scatter(
            charts.Axes("recall@10", _("answers per second, 1 client"), log_y=True),
            _series(known, lambda one: one.recall_at_10, lambda one: rates[one.cell.key] or 0.0),
        ),
        caption=_("%(need)s: recall against throughput; high and to the right is good.") % words,
        alt=_("%(need)s: %(count)d sound cells by recall and answers per second.") % words,
    )


def _build(need: Need, own: Sequence[Point]) -> Figure | None:
    known = [one for one in own if one.build_s > 0]
    if len(known) < _LEAST:
        return None
    words = {"need": selectors.called(need), "count": len(known)}
    return Figure.of(
        charts.Scatter(
            charts.Axes("recall@10", _("time of the build (s)"), log_y=True),
            _series(known, lambda one: one.recall_at_10, lambda one: one.build_s),
        ),
        caption=_("%(need)s: recall against the time of the build; low and to the right is good.")
        % words,
        alt=_("%(need)s: %(count)d sound cells by recall and time of the build.") % words,
    )


def _series(
    own: Sequence[Point], across: Callable[[Point], float], up: Callable[[Point], float]
) -> list[charts.Series]:
    ordered = sorted(own, key=lambda one: one.cell.engine)
    found = []
    for engine, group in groupby(ordered, key=lambda one: one.cell.engine):
        members = list(group)
        found.append(
            charts.Series(
                engine,
                [across(one) for one in members],
                [up(one) for one in members],
                labels=[_named(one) for one in members],
            )
        )
    return found


def _named(one: Point) -> str:
    label = selectors.label(one.cell)
    return label if math.isnan(one.memory_mb) else f"{label}, {one.memory_mb:.0f} MB"
