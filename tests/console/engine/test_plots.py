import math

from hypothesis import given
from hypothesis import strategies as st

from portal.console.engine import plots

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)


def test_a_spark_runs_from_left_to_right_and_bottom_to_top() -> None:
    assert plots.spark([0.0, 1.0]) == "0.00,23.00 100.00,1.00"


def test_a_spark_needs_two_finite_points() -> None:
    assert plots.spark([]) == ""
    assert plots.spark([1.0, math.nan, math.inf]) == ""


@given(st.lists(NUMBERS, min_size=2, max_size=50))
def test_a_spark_stays_inside_its_picture(values: list[float]) -> None:
    for point in plots.spark(values).split():
        x, y = map(float, point.split(","))
        assert 0 <= x <= plots.SPARK_WIDTH
        assert 0 <= y <= plots.SPARK_HEIGHT


def test_a_calibrated_bin_lies_on_the_diagonal() -> None:
    picture = plots.calibration([{"predicted": 0.5, "observed": 0.5, "n": 10}])
    (dot,) = picture.dots
    assert (dot.x - picture.left) / (picture.right - picture.left) == 0.5
    assert (picture.bottom - dot.y) / (picture.bottom - picture.top) == 0.5


def test_bins_without_rows_are_left_out() -> None:
    assert plots.calibration([{"predicted": None, "observed": None, "n": 0}]).dots == ()


def test_larger_bins_have_larger_dots() -> None:
    curve = [{"predicted": 0.1, "observed": 0.1, "n": n} for n in (1, 100)]
    small, large = plots.calibration(curve).dots
    assert small.radius < large.radius == plots.LARGEST_DOT


@given(NUMBERS, NUMBERS, NUMBERS)
def test_an_interval_and_zero_lie_on_the_line(a: float, b: float, c: float) -> None:
    low, value, high = sorted((a, b, c))
    picture = plots.interval(value, low, high)
    for place in (picture.low, picture.value, picture.zero, picture.low + picture.width):
        assert -0.1 <= place <= 100.1


def test_an_interval_above_zero_lies_right_of_it() -> None:
    picture = plots.interval(2.0, 1.0, 3.0)
    assert picture.zero < picture.low < picture.value < picture.low + picture.width
