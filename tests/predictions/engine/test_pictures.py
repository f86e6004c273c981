"""Coordinates of pictures."""

import pytest

from predictions.engine.costs import OperatingPoint, cost_curve
from predictions.engine.pictures import HEIGHT, LEFT, RIGHT, WIDTH, bars, cost_picture

POINTS = [OperatingPoint(0.0, 0.0, 0.8), OperatingPoint(0.4, 0.1, 0.2), OperatingPoint(1.1, 0.2, 0)]


def test_a_cost_curve_is_drawn_in_steps_inside_the_picture() -> None:
    curve = cost_curve(POINTS, missed_defect=10, false_alarm=1, volume=100)

    picture = cost_picture(curve, {"present": (0.4, 120.0)})

    corners = [tuple(map(float, one.split(","))) for one in picture.line.split()]
    assert corners[0][0] == LEFT
    assert corners[-1][0] == WIDTH - RIGHT
    assert [x for x, _y in corners] == sorted(x for x, _y in corners)
    assert corners[0][1] != corners[1][1]
    assert all(0 <= y <= HEIGHT for _x, y in corners)
    assert picture.y_ticks[-1].value == 200
    assert picture.marks[0].x == pytest.approx(LEFT + 0.4 * (WIDTH - LEFT - RIGHT), abs=0.01)


def test_costs_of_nothing_can_be_drawn() -> None:
    curve = cost_curve([OperatingPoint(0.0, 0.0, 0.0)], missed_defect=1, false_alarm=1, volume=1)

    assert cost_picture(curve, {}).line


def test_intervals_share_one_axis() -> None:
    first, second, third = bars([(1.0, 0.5, 2.0), (-1.0, -1.5, -0.5), (0.0, None, None)])

    assert first.zero == second.zero == third.zero == third.value
    assert second.low < second.value < second.high < first.low < first.value < first.high
    assert third.width == 0
    assert bars([]) == []


def test_an_axis_can_begin_at_nothing() -> None:
    (bar,) = bars([(2.0, 1.0, 3.0)], start=0.0)

    assert bar.zero == 0
    assert bar.low == pytest.approx(100 * 1 / 3.08, abs=0.01)
