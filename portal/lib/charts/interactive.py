"""Charts as Plotly figures: plain JSON, without Plotly's Python."""

import math
from collections.abc import Sequence
from functools import singledispatch
from html import escape
from typing import Any

from portal.lib.charts.model import Axes, Bars, Boxes, Chart, Histogram, Lines, Scatter, colour

Spec = dict[str, Any]


def plotly(chart: Chart) -> Spec:
    """Return the figure of a chart: ``data`` and ``layout``."""
    return _figure(chart)


@singledispatch
def _figure(chart: Chart) -> Spec:
    raise TypeError(f"{type(chart).__name__} is no chart.")


@_figure.register
def _lines(chart: Lines) -> Spec:
    data: list[Spec] = []
    for place, one in enumerate(chart.series):
        if one.low and one.high:
            edge: Spec = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
            edge |= {"showlegend": False, "legendgroup": str(place), "x": _plain(one.x)}
            data.append(edge | {"y": _plain(one.low)})
            shade = {"fill": "tonexty", "fillcolor": _see_through(colour(place))}
            data.append(edge | shade | {"y": _plain(one.high)})
        data.append(
            {
                "mode": "lines+markers",
                "name": _said(one.name),
                "legendgroup": str(place),
                "x": _plain(one.x),
                "y": _plain(one.y),
                "text": [_said(name) for name in one.labels],
                "line": {"color": colour(place)},
            }
        )
    return {"data": data, "layout": _layout(chart.axes)}


@_figure.register
def _scatter(chart: Scatter) -> Spec:
    data: list[Spec] = [
        {
            "mode": "markers",
            "name": _said(one.name),
            "x": _plain(one.x),
            "y": _plain(one.y),
            "text": [_said(name) for name in one.labels],
            "marker": {"color": colour(place), "size": 9},
        }
        for place, one in enumerate(chart.series)
    ]
    if chart.front:
        front = sorted(chart.front)
        data.append(
            {
                "mode": "lines",
                "name": _said(chart.front_name),
                "x": _plain([x for x, _ in front]),
                "y": _plain([y for _, y in front]),
                "line": {"shape": "hv", "dash": "dash", "color": "#6b7280"},
            }
        )
    return {"data": data, "layout": _layout(chart.axes)}


@_figure.register
def _bars(chart: Bars) -> Spec:
    bar: Spec = {
        "type": "bar",
        "orientation": "h",
        "x": _plain(chart.values),
        "y": list(range(len(chart.labels))),
        "text": [_said(name) for name in chart.labels],
        "textposition": "none",
        "marker": {"color": colour(0)},
    }
    if chart.low and chart.high:
        pairs = list(zip(chart.values, chart.low, chart.high, strict=True))
        bar["error_x"] = {
            "type": "data",
            "symmetric": False,
            "array": _plain([high - value for value, _, high in pairs]),
            "arrayminus": _plain([value - low for value, low, _ in pairs]),
        }
    return {"data": [bar], "layout": _layout(chart.axes) | _named_rows(chart.axes, chart.labels)}


@_figure.register
def _histogram(chart: Histogram) -> Spec:
    pairs = list(zip(chart.edges[:-1], chart.edges[1:], strict=True))
    bar = {
        "type": "bar",
        "x": _plain([(low + high) / 2 for low, high in pairs]),
        "width": _plain([high - low for low, high in pairs]),
        "y": _plain(chart.counts),
        "marker": {"color": colour(0)},
    }
    return {"data": [bar], "layout": _layout(chart.axes) | {"bargap": 0.02}}


@_figure.register
def _boxes(chart: Boxes) -> Spec:
    box = {
        "type": "box",
        "orientation": "h",
        "y": list(range(len(chart.boxes))),
        "lowerfence": _plain([one.low for one in chart.boxes]),
        "q1": _plain([one.first for one in chart.boxes]),
        "median": _plain([one.middle for one in chart.boxes]),
        "q3": _plain([one.third for one in chart.boxes]),
        "upperfence": _plain([one.high for one in chart.boxes]),
        "marker": {"color": colour(0)},
    }
    labels = [one.label for one in chart.boxes]
    return {"data": [box], "layout": _layout(chart.axes) | _named_rows(chart.axes, labels)}


def _layout(axes: Axes) -> Spec:
    return {
        "xaxis": _axis(axes.x, is_log=axes.log_x),
        "yaxis": _axis(axes.y, is_log=axes.log_y),
        "margin": {"t": 20, "r": 20},
        "hovermode": "closest",
        "legend": {"orientation": "h", "y": 1.12},
    }


def _axis(name: str, *, is_log: bool) -> Spec:
    return {
        "title": {"text": _said(name)},
        "type": "log" if is_log else "linear",
        "automargin": True,
    }


def _named_rows(axes: Axes, labels: Sequence[str]) -> Spec:
    """Name rows by place: two rows of one label stay two."""
    rows: Spec = {
        "tickvals": list(range(len(labels))),
        "ticktext": [_said(name) for name in labels],
    }
    rows |= {"autorange": "reversed"}
    return {"yaxis": _axis(axes.y, is_log=False) | rows, "height": 120 + 28 * len(labels)}


def _plain(values: Sequence[float]) -> list[float | None]:
    return [float(one) if math.isfinite(one) else None for one in values]


def _see_through(fill: str) -> str:
    red, green, blue = (int(fill[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"


def _said(text: str) -> str:
    """Return a text that Plotly shows as it is: it reads tags, links among them."""
    return escape(text, quote=False)
