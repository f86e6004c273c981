"""Charts as plain data with two drawings: a static SVG, and a Plotly figure for a browser.

from portal.lib import charts

chart = charts.Lines(
    charts.Axes("passages", "p50 ms", log_x=True, log_y=True),
    (charts.Series("hnswlib", (1e4, 1e5), (0.2, 0.4), low=(0.1, 0.3), high=(0.3, 0.5)),),
)
charts.svg(chart)      # text of one element, light background, any language
charts.plotly(chart)   # plain JSON: {"data": …, "layout": …}
"""

from portal.lib.charts.interactive import plotly
from portal.lib.charts.model import (
    Axes,
    Bars,
    Box,
    Boxes,
    Chart,
    Histogram,
    Lines,
    Scatter,
    Series,
)
from portal.lib.charts.static import svg

__all__ = [
    "Axes",
    "Bars",
    "Box",
    "Boxes",
    "Chart",
    "Histogram",
    "Lines",
    "Scatter",
    "Series",
    "plotly",
    "svg",
]
