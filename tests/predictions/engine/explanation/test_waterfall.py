"""The waterfall picture as a reader and an XML parser see it."""

import xml.etree.ElementTree as ET

import pytest

from predictions.engine.explanation.waterfall import (
    NARROW,
    PLAIN,
    WIDE,
    Captions,
    Layout,
    Step,
    draw,
    probability,
)

SVG = "{http://www.w3.org/2000/svg}"
CAPTIONS = Captions(title="왜 불량인가", base="평균", result="이 샷")


def test_one_bar_a_step_and_both_ends_are_named() -> None:
    picture = ET.fromstring(draw([Step("속도", 0.8), Step("온도", -0.3)], -1.0, CAPTIONS))  # noqa: S314 - our own text
    texts = [element.text for element in picture.iter(f"{SVG}text")]
    assert len(list(picture.iter(f"{SVG}rect"))) == 2
    assert {"평균 26.9%", "이 샷 37.8%", "+0.80", "-0.30"} <= set(texts)


def test_bars_meet_where_the_one_before_ended() -> None:
    picture = ET.fromstring(draw([Step("a", 1.0), Step("b", 1.0)], 0.0, CAPTIONS))  # noqa: S314 - our own text
    first, second = picture.iter(f"{SVG}rect")
    end = float(first.attrib["x"]) + float(first.attrib["width"])
    assert end == pytest.approx(float(second.attrib["x"]), abs=0.2)


def test_labels_cannot_break_out_of_the_picture() -> None:
    text = draw([Step("<script>alert(1)</script>", 0.1)], 0.0, CAPTIONS)
    assert "<script>" not in text


def test_a_prediction_that_nothing_moved_is_drawn() -> None:
    assert "50.0%" in draw([], 0.0, CAPTIONS)


def test_probability_does_not_overflow() -> None:
    assert probability(-1000.0) == 0.0
    assert probability(1000.0) == 1.0


STEPS = [Step("속도 = 3.1 m/s", 0.8), Step("온도 < 70 °C", -0.3)]


@pytest.mark.parametrize("layout", [WIDE, NARROW])
def test_everything_lies_inside_either_layout(layout: Layout) -> None:
    text = draw(STEPS, -1.0, CAPTIONS, layout=layout, is_interactive=True)
    picture = ET.fromstring(text)  # noqa: S314 - our own text
    width, height = (float(picture.attrib[name]) for name in ("width", "height"))
    for element in [*picture.iter(f"{SVG}rect"), *picture.iter(f"{SVG}text")]:
        assert 0 <= float(element.attrib["x"]) <= width
        assert 0 <= float(element.attrib["y"]) <= height
    for bar in picture.iter(f"{SVG}rect"):
        assert float(bar.attrib["x"]) + float(bar.attrib["width"]) <= width


def test_an_interactive_picture_reads_every_bar_out_to_the_keyboard() -> None:
    picture = ET.fromstring(draw(STEPS, -1.0, CAPTIONS, is_interactive=True))  # noqa: S314 - our own text
    rows = [group for group in picture.iter(f"{SVG}g") if group.attrib.get("tabindex") == "0"]
    spoken = [row.attrib["aria-label"] for row in rows]
    assert spoken == [
        "속도 = 3.1 m/s: +0.8000, 26.89% → 45.02%",
        "온도 < 70 °C: -0.3000, 45.02% → 37.75%",
    ]
    assert len(list(picture.iter(f"{SVG}text"))) == 2 + 3 * len(STEPS)


def test_a_picture_for_paper_has_fixed_colours() -> None:
    assert "var(" in draw(STEPS, -1.0, CAPTIONS)
    assert "var(" not in draw(STEPS, -1.0, CAPTIONS, palette=PLAIN)
