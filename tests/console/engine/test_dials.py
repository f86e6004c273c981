"""Pictures of a gauge, of values beside normal ones, and of days."""

import math

from portal.console.engine import trends
from portal.console.engine.dials import Band, gauge, place
from portal.lib import seeds


def test_half_a_gauge_ends_at_the_top() -> None:
    drawn = gauge(0.5, 0.25)
    assert drawn.filled.endswith("100 14")
    assert math.isclose(drawn.tick[0], 100 - 74 * math.sqrt(0.5), abs_tol=0.01)


def test_the_ends_of_the_band_are_one_away_from_the_middle() -> None:
    band = Band(10.0, 14.0, 20.0)
    assert (place(10.0, band).at, place(10.0, band).distance) == (25.0, 1.0)
    assert (place(20.0, band).at, place(20.0, band).distance) == (75.0, 1.0)
    assert not place(20.0, band).is_outside
    assert place(20.5, band).is_outside


def test_a_value_beside_one_that_never_varied_is_outside_unless_it_is_the_same() -> None:
    band = Band(4.0, 4.0, 4.0)
    assert not place(4.0, band).is_outside
    assert place(4.1, band).is_outside


def test_every_value_is_drawn_within_the_bar() -> None:
    drawn = seeds.generator(3).normal(scale=1e3, size=(500, 4)).tolist()
    for value, *ends in drawn:
        placed = place(value, Band(*sorted(ends)))
        assert 0 <= placed.at <= 100
        assert placed.distance >= 0


def test_days_stand_side_by_side_on_round_scales() -> None:
    drawn = trends.trend([("5/1", 10, 0.1, ""), ("5/2", 20, 0.04, "")])
    first, second = drawn.columns
    assert second.height == 2 * first.height
    assert first.x < second.x
    assert [tick.share for tick in drawn.ticks] == [0.0, 0.05, 0.1]
    assert trends.trend([]).columns == ()
