"""The waterfall picture as a reader and an XML parser see it."""

import xml.etree.ElementTree as ET

import pytest

from predictions.engine.explanation.waterfall import Captions, Step, draw, probability

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
