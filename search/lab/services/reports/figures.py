"""The pictures of a report."""

from collections.abc import Callable, Iterator
from itertools import groupby

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.lib import charts
from portal.lib.documents import Figure
from search.lab import selectors
from search.lab.engine.matrix import Cell
from search.lab.selectors import Line
from search.lab.services.reports.findings import Findings

#: Bars that can be told apart in one picture; ours.
MAX_BARS = 60


def axis_name(axis: str) -> str:
    """Return the name of an axis of the matrix, or of two with a colon between."""
    if ":" in axis:
        return " x ".join(axis_name(one) for one in axis.split(":"))
    return {
        "engine": _("engine"),
        "scale": _("passages"),
        "dimension": _("length of the vectors"),
        "search_type": _("way of searching"),
        "filter_share": _("filter"),
    }.get(axis, axis)


def rate_name(n_clients: int) -> str:
    """Return the name of a throughput."""
    text = ngettext("per second, %(count)d client", "per second, %(count)d clients", n_clients)
    return text % {"count": n_clients}


def latency(found: Findings) -> Iterator[Figure]:
    """Draw the medians with their intervals, one picture a way of searching."""
    ways = {line.cell.search_type for line in found.measured}
    for search_type in sorted(ways, reverse=True):
        own = [line for line in found.measured if line.cell.search_type == search_type]
        shown = own[:MAX_BARS]
        medians = [line.p50 for line in shown if line.p50 is not None]
        caption = _("Median latency with its 95 %% interval, %(way)s search.") % {
            "way": selectors.way(search_type)
        }
        if len(own) > len(shown):
            caption += " " + _("The first %(count)d cells.") % {"count": len(shown)}
        yield Figure.of(
            charts.Bars(
                charts.Axes(_("p50 latency (ms)"), log_x=_is_spread([m.value for m in medians])),
                [line.label for line in shown],
                [one.value for one in medians],
                [one.low for one in medians],
                [one.high for one in medians],
            ),
            caption=caption,
            alt=_("Bars of the median latency of %(count)d cells.") % {"count": len(shown)},
        )


def effects(found: Findings) -> Iterator[Figure]:
    """Draw how much each axis explains of what the others leave."""
    if not found.axes:
        return
    yield Figure.of(
        charts.Bars(
            charts.Axes(_("partial ω² of log latency")),
            [axis_name(one.factor) for one in found.axes],
            [one.omega_squared for one in found.axes],
        ),
        caption=_(
            "What each axis explains of what the others leave (partial ω²); shares do not add "
            "up to 1."
        ),
        alt=_("Bars of what %(count)d axes explain.") % {"count": len(found.axes)},
    )


def growth(found: Findings) -> Iterator[Figure]:
    """Draw latency over scale at the middle dimension, and over dimension at the middle scale."""
    plain = [
        line
        for line in found.measured
        if line.cell.search_type == "vector" and line.cell.filter_share is None and not line.flags
    ]
    dimensions = sorted({line.cell.dimension for line in plain})
    scales = sorted({line.cell.scale for line in plain})
    if len(scales) > 1:
        middle = dimensions[len(dimensions) // 2]
        own = [line for line in plain if line.cell.dimension == middle]
        yield _growing(
            own,
            lambda cell: cell.scale,
            _("passages"),
            _("Latency over the number of passages, vectors of %(count)d numbers.")
            % {"count": middle},
        )
    if len(dimensions) > 1:
        middle = scales[len(scales) // 2]
        own = [line for line in plain if line.cell.scale == middle]
        yield _growing(
            own,
            lambda cell: cell.dimension,
            _("length of the vectors"),
            _("Latency over the length of the vectors, %(count)s passages.")
            % {"count": f"{middle:,}"},
        )


def _growing(own: list[Line], axis: Callable[[Cell], int], name: str, caption: str) -> Figure:
    series = []
    ordered = sorted(own, key=lambda line: (line.cell.engine, axis(line.cell)))
    for engine, group in groupby(ordered, key=lambda line: line.cell.engine):
        members = [(axis(line.cell), line.p50) for line in group if line.p50 is not None]
        series.append(
            charts.Series(
                engine,
                [at for at, _figure in members],
                [one.value for _at, one in members],
                low=[one.low for _at, one in members],
                high=[one.high for _at, one in members],
            )
        )
    return Figure.of(
        charts.Lines(charts.Axes(name, _("p50 latency (ms)"), log_x=True, log_y=True), series),
        caption=caption,
        alt=_("Lines of %(count)d engines.") % {"count": len(series)},
    )


def _is_spread(values: list[float]) -> bool:
    """Whether values differ so much that a straight axis would hide the small ones."""
    return bool(values) and max(values) > 20 * max(min(values), 1e-9)
