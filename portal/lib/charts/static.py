"""Charts as SVG text: fixed colours on a light ground, for paper, mail and pixels."""

from collections.abc import Iterator, Sequence
from functools import singledispatch

from portal.lib.charts import frame
from portal.lib.charts.frame import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Scale
from portal.lib.charts.model import (
    FAINT,
    INK,
    Bars,
    Boxes,
    Chart,
    Histogram,
    Lines,
    Scatter,
    Series,
    colour,
)

ROW_HEIGHT = 26
LABEL_SHARE = 0.42


def svg(chart: Chart) -> str:
    """Return a chart as one element with its own width and height."""
    return _drawn(chart)


@singledispatch
def _drawn(chart: Chart) -> str:
    raise TypeError(f"{type(chart).__name__} is no chart.")


@_drawn.register
def _lines(chart: Lines) -> str:
    parts, across, up = _field(chart)
    for place, series in enumerate(chart.series):
        fill = colour(place)
        points = list(_points(series, across, up))
        parts += _band(series, across, up, fill)
        gap = across.at(across.low + series.gap) - across.start if series.gap else 0.0
        parts += [_joined(piece, fill) for piece in _pieces(points, gap) if len(piece) > 1]
        if len(points) <= 60:
            parts += [_dot(x, y, fill, 3) for x, y in points]
    return frame.picture(parts)


@_drawn.register
def _scatter(chart: Scatter) -> str:
    parts, across, up = _field(chart)
    for place, series in enumerate(chart.series):
        parts += [_dot(x, y, colour(place), 4.5) for x, y in _points(series, across, up)]
    front = Series("", [x for x, _ in chart.front], [y for _, y in chart.front])
    corners = sorted(_points(front, across, up))
    if corners:
        path = f"M{corners[0][0]:.1f},{corners[0][1]:.1f}" + "".join(
            f"H{x:.1f}V{y:.1f}" for x, y in corners[1:]
        )
        parts.append(
            f'<path d="{path}" fill="none" stroke="{INK}" stroke-width="1.5" '
            'stroke-dasharray="5 4"/>'
        )
    return frame.picture(parts)


@_drawn.register
def _bars(chart: Bars) -> str:
    height, left = _rows(chart.labels)
    values = [*chart.values, *chart.low, *chart.high]
    across = frame.scale(
        values, left, WIDTH - RIGHT, is_log=chart.axes.log_x, has_zero=not chart.axes.log_x
    )
    parts = frame.grid(across, None, chart.axes, height)
    start = across.start if chart.axes.log_x else across.at(0.0)
    for place, (name, value) in enumerate(zip(chart.labels, chart.values, strict=True)):
        y = TOP + place * ROW_HEIGHT
        parts.append(frame.label(left - 8, y + 17, frame.fitted(name, left - 26), anchor="end"))
        if not frame.usable(value, is_log=across.is_log):
            parts.append(frame.label(left + 4, y + 17, "–"))  # noqa: RUF001 - a dash is meant
            continue
        end = across.at(value)
        parts.append(
            f'<rect x="{min(start, end):.1f}" y="{y + 5}" width="{abs(end - start):.1f}" '
            f'height="{ROW_HEIGHT - 10}" fill="{colour(0)}"/>'
        )
        if chart.low and chart.high:
            parts += _whisker(across, chart.low[place], chart.high[place], y + ROW_HEIGHT / 2)
    return frame.picture(parts, height)


@_drawn.register
def _histogram(chart: Histogram) -> str:
    across = frame.scale(chart.edges, LEFT, WIDTH - RIGHT, is_log=chart.axes.log_x)
    up = frame.scale(chart.counts, HEIGHT - BOTTOM, TOP, has_zero=True)
    parts = frame.grid(across, up, chart.axes)
    edges = zip(chart.edges[:-1], chart.edges[1:], chart.counts, strict=True)
    for low, high, count in edges:
        if not all(frame.usable(one, is_log=across.is_log) for one in (low, high)):
            continue
        if not frame.usable(count):
            continue
        x, end, y = across.at(low), across.at(high), up.at(count)
        parts.append(
            f'<rect x="{x + 0.5:.1f}" y="{y:.1f}" width="{max(end - x - 1, 0.5):.1f}" '
            f'height="{HEIGHT - BOTTOM - y:.1f}" fill="{colour(0)}"/>'
        )
    return frame.picture(parts)


@_drawn.register
def _boxes(chart: Boxes) -> str:
    height, left = _rows([one.label for one in chart.boxes])
    ends = [end for one in chart.boxes for end in (one.low, one.high)]
    across = frame.scale(ends, left, WIDTH - RIGHT, is_log=chart.axes.log_x)
    parts = frame.grid(across, None, chart.axes, height)
    for place, one in enumerate(chart.boxes):
        y = TOP + place * ROW_HEIGHT
        parts.append(
            frame.label(left - 8, y + 17, frame.fitted(one.label, left - 26), anchor="end")
        )
        five = (one.low, one.first, one.middle, one.third, one.high)
        if not all(frame.usable(value, is_log=across.is_log) for value in five):
            continue
        parts += _whisker(across, one.low, one.high, y + ROW_HEIGHT / 2)
        first, middle, third = (across.at(value) for value in five[1:4])
        parts.append(
            f'<rect x="{first:.1f}" y="{y + 5}" width="{max(third - first, 1):.1f}" '
            f'height="{ROW_HEIGHT - 10}" fill="{colour(5)}" stroke="{colour(0)}"/>'
        )
        parts.append(
            f'<line x1="{middle:.1f}" y1="{y + 5}" x2="{middle:.1f}" y2="{y + ROW_HEIGHT - 5}" '
            f'stroke="{INK}" stroke-width="2"/>'
        )
    return frame.picture(parts, height)


def _field(chart: Lines | Scatter) -> tuple[list[str], Scale, Scale]:
    """Return the legend and the grid of a chart with numbers on both axes, and its scales."""
    entries = [(one.name, colour(place)) for place, one in enumerate(chart.series) if one.name]
    if isinstance(chart, Scatter) and chart.front and chart.front_name:
        entries.append((chart.front_name, INK))
    named, used = frame.legend(entries)
    axes = chart.axes
    xs = [x for one in chart.series for x in one.x]
    ys = [y for one in chart.series for y in (*one.y, *one.low, *one.high)]
    if isinstance(chart, Scatter):
        xs += [x for x, _ in chart.front]
        ys += [y for _, y in chart.front]
    across = frame.scale(xs, LEFT, WIDTH - RIGHT, is_log=axes.log_x)
    up = frame.scale(ys, HEIGHT - BOTTOM, TOP + used, is_log=axes.log_y, has_zero=axes.from_zero)
    return named + frame.grid(across, up, axes), across, up


def _points(series: Series, across: Scale, up: Scale) -> Iterator[tuple[float, float]]:
    for x, y in zip(series.x, series.y, strict=True):
        if frame.usable(x, is_log=across.is_log) and frame.usable(y, is_log=up.is_log):
            yield across.at(x), up.at(y)


def _pieces(points: Sequence[tuple[float, float]], gap: float) -> list[list[tuple[float, float]]]:
    """Return points in runs without a gap between neighbours that is wider than so many pixels."""
    pieces: list[list[tuple[float, float]]] = []
    for point in points:
        if pieces and (not gap or point[0] - pieces[-1][-1][0] <= gap):
            pieces[-1].append(point)
        else:
            pieces.append([point])
    return pieces


def _joined(points: Sequence[tuple[float, float]], fill: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{fill}" stroke-width="2"/>'


def _band(series: Series, across: Scale, up: Scale, fill: str) -> list[str]:
    if not series.low or not series.high:
        return []
    upper = list(_points(Series("", series.x, series.high), across, up))
    lower = list(_points(Series("", series.x, series.low), across, up))
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (*upper, *reversed(lower)))
    return [f'<polygon points="{path}" fill="{fill}" fill-opacity="0.18"/>']


def _whisker(across: Scale, low: float, high: float, y: float) -> list[str]:
    if not all(frame.usable(one, is_log=across.is_log) for one in (low, high)):
        return []
    start, end = across.at(low), across.at(high)
    path = f"M{start:.1f},{y - 4}v8m0,-4H{end:.1f}m0,-4v8"
    return [f'<path d="{path}" fill="none" stroke="{FAINT}" stroke-width="1.5"/>']


def _dot(x: float, y: float, fill: str, radius: float) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{fill}"/>'


def _rows(labels: Sequence[str]) -> tuple[float, float]:
    """Return the height of a chart of rows, and where its field starts."""
    widest = max((frame.width(one) for one in labels), default=0.0) + 30
    return TOP + max(len(labels), 1) * ROW_HEIGHT + BOTTOM, min(widest, LABEL_SHARE * WIDTH)
