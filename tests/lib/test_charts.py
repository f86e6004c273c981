"""Charts as SVG and as Plotly figures."""

import json
import re
import struct
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from django.contrib.staticfiles import finders

from portal.lib import charts, raster
from portal.lib.charts import frame
from portal.lib.charts.model import PAPER
from tests.lib.documents.samples import CHARTS


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_is_sound_xml_and_becomes_pixels(name: str) -> None:
    drawn = charts.svg(CHARTS[name])

    root = ET.fromstring(drawn)  # noqa: S314 - what was just drawn
    picture = raster.png(raster.shown(drawn))
    width, height = struct.unpack(">II", picture[16:24])
    assert (width, height) == (
        int(float(root.attrib["width"]) * raster.SCALE),
        int(float(root.attrib["height"]) * raster.SCALE),
    )
    assert "nan" not in drawn
    assert not root.findall(".//{*}img")


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_is_a_plotly_figure_without_tags(name: str) -> None:
    figure = charts.plotly(CHARTS[name])

    text = json.dumps(figure, allow_nan=False)
    assert set(figure) == {"data", "layout"}
    assert "<" not in text


def test_points_stand_where_their_values_are() -> None:
    line = charts.Lines(charts.Axes(log_x=True), (charts.Series("가", (10, 100, 1000), (1, 2, 3)),))

    root = ET.fromstring(charts.svg(line))  # noqa: S314 - what was just drawn
    dots = [
        (float(one.attrib["cx"]), float(one.attrib["cy"]))
        for one in root.iter()
        if "cx" in one.attrib
    ]
    (x1, y1), (x2, y2), (x3, y3) = dots
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.2)  # decades are equally wide
    assert y1 > y2 > y3


@pytest.mark.parametrize(
    ("values", "is_log"),
    [
        ((), False),
        ((5.0,), False),
        ((0.0, 0.0), False),
        ((-3.0, 0.0), True),
        ((1e-300, 1e300), True),
    ],
)
def test_scales_take_any_values(values: tuple[float, ...], is_log: bool) -> None:
    scale = frame.scale(values, 0, 100, is_log=is_log)

    assert scale.low < scale.high
    assert 0 < len(scale.ticks()) <= 20
    assert all(-1e-6 <= scale.at(tick) <= 100 + 1e-6 for tick in scale.ticks())


def test_ticks_are_round() -> None:
    assert frame.scale((0.0, 97.0), 0, 1).ticks() == [0, 20, 40, 60, 80, 100]
    assert [frame.number(one) for one in (0, 0.25, 1234, 2.5e-7, 1e9)] == [
        "0",
        "0.25",
        "1,234",
        "2.5e-07",
        "1e+09",
    ]


def test_long_texts_are_cut_where_there_is_no_room() -> None:
    assert frame.fitted("짧다", 200) == "짧다"
    assert frame.fitted("아주 긴 이름" * 10, 60).endswith("…")
    assert frame.width(frame.fitted("아주 긴 이름" * 10, 60)) <= 60


@pytest.mark.parametrize("name", CHARTS)
def test_every_colour_of_a_chart_has_another_in_the_dark_console(name: str) -> None:
    css = Path(str(finders.find("console/console.css"))).read_text("utf-8")
    used = set(re.findall(r'(?:fill|stroke)="#[0-9a-f]{6}"', charts.svg(CHARTS[name])))
    paper = f'fill="{PAPER}"'
    assert f".mw-chart [{paper}] {{ fill: transparent; }}" in css
    missing = [one for one in used - {paper} if f".dark .mw-chart [{one}]" not in css]
    assert not missing
