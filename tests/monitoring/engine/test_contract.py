"""What holds for every drift detector."""

import numpy as np
import pytest

from monitoring.engine import calibration
from monitoring.engine.reference import NotEnough
from monitoring.engine.schedule import Schedule
from tests.monitoring.engine.members import MEMBERS, Member

SCHEDULE = Schedule(400, 100)
every = pytest.mark.parametrize("member", MEMBERS, ids=str)


@every
def test_values_like_the_reference_are_nearer_than_moved_ones(member: Member) -> None:
    rng = np.random.default_rng(1)
    fitted = member.fit(member.draw(rng, 2_000, 0.0))

    quiet = fitted.statistic(member.draw(rng, 800, 0.0))
    moved = fitted.statistic(member.draw(rng, 800, member.shift))

    assert 0 <= quiet < moved < np.inf


@every
def test_what_a_path_says_is_the_statistic_of_each_window(member: Member) -> None:
    rng = np.random.default_rng(2)
    fitted = member.fit(member.draw(rng, 1_000, 0.0))
    stream = member.draw(rng, 1_050, 0.3)

    path = fitted.path(stream, SCHEDULE)

    windows = [stream[start : start + 400] for start in range(0, 700, 100)]
    assert path == pytest.approx([fitted.statistic(window) for window in windows])
    assert len(path) == SCHEDULE.n_looks(len(stream)) == 7


@every
def test_a_stream_shorter_than_the_window_has_no_path(member: Member) -> None:
    rng = np.random.default_rng(3)
    fitted = member.fit(member.draw(rng, 500, 0.0))

    assert fitted.path(member.draw(rng, 399, 0.0), SCHEDULE).shape == (0,)


@every
def test_an_empty_window_is_not_enough(member: Member) -> None:
    rng = np.random.default_rng(4)
    fitted = member.fit(member.draw(rng, 500, 0.0))

    with pytest.raises(NotEnough):
        fitted.statistic(member.draw(rng, 10, 0.0)[:0])


@every
def test_only_ordered_detectors_mind_the_order(member: Member) -> None:
    rng = np.random.default_rng(5)
    fitted = member.fit(member.draw(rng, 1_000, 0.0))
    window = np.sort(member.draw(rng, 500, member.shift), axis=0)
    turned = window[::-1]

    is_same = fitted.statistic(window) == pytest.approx(fitted.statistic(turned))

    assert is_same or member.is_ordered


@every
def test_one_value_over_and_over_is_compared_without_a_fuss(member: Member) -> None:
    rng = np.random.default_rng(6)
    values = member.draw(rng, 500, 0.0)
    fitted = member.fit(np.repeat(values[:1], 500, axis=0))

    assert np.isfinite(fitted.statistic(np.repeat(values[:1], 100, axis=0)))
    assert np.isfinite(fitted.statistic(values))


@every
def test_the_same_seed_draws_the_same_quiet_streams(member: Member) -> None:
    fitted = member.fit(member.draw(np.random.default_rng(7), 500, 0.0))

    first, second = (
        fitted.quiet_maxima(SCHEDULE, length=800, n_streams=3, rng=np.random.default_rng(8))
        for _ in range(2)
    )

    assert first.tolist() == second.tolist()
    assert first.shape == (3,)


@every
def test_a_calibrated_threshold_lets_quiet_streams_be_and_finds_moved_ones(
    member: Member,
) -> None:
    rng = np.random.default_rng(9)
    fitted = member.fit(member.draw(rng, 1_000, 0.0))
    n_streams = 30 if member.is_ordered else 200
    law = calibration.drawn(fitted, SCHEDULE, rng, n_streams=n_streams, length=1_600)
    threshold = law.threshold(0.02 / 1_600)

    n_quiet = 12
    quiet = [fitted.path(member.draw(rng, 1_600, 0.0), SCHEDULE).max() for _ in range(n_quiet)]

    # At 2 % a stream, more than 3 of 12 happen once in 30,000 times.
    assert sum(value > threshold for value in quiet) <= 3
    assert fitted.statistic(member.draw(rng, 400, member.shift)) > threshold
