"""Formulae of die casting, by hand."""

import math

import numpy as np
import pytest

from predictions.engine import physics


def test_gate_speed_follows_from_continuity() -> None:
    area_mm2 = math.pi / 4 * 60**2

    speed = physics.gate_speed_m_s(np.array([2.0]), 60, area_mm2 / 20)

    assert speed == pytest.approx([40.0])


def test_fill_time_is_volume_over_flow() -> None:
    area_m2 = math.pi / 4 * 0.06**2

    assert physics.fill_time_s(np.array([2.0]), 60, area_m2 * 2.0 * 0.05 * 1e6) == pytest.approx(
        [0.05]
    )


def test_longest_fill_time_by_hand() -> None:
    # K T (Ti - Tf + S Z) / (Tf - Td) = 0.0346 * 2.5 * (630 - 570 + 25 * 4.8) / (570 - 200)
    found = physics.longest_fill_time_s(2.5, np.array([630.0]), np.array([200.0]), 25)

    assert found == pytest.approx([0.0346 * 2.5 * 180 / 370])


def test_critical_slow_speed_by_hand() -> None:
    # An inch of plunger in an empty sleeve: 22.8 inches a second.
    assert physics.critical_slow_speed_m_s(25.4, 0) == pytest.approx(22.8 * 0.0254)
    assert physics.critical_slow_speed_m_s(64, 50) == pytest.approx(3.634 * 0.5 * 0.253, rel=1e-3)


def test_casting_pressure_grows_with_the_square_of_the_ratio() -> None:
    found = physics.casting_pressure_kgf_cm2(
        np.array([160.0]), 140, np.array([70.0]), np.array([0.9])
    )

    assert found == pytest.approx([160 * 4 * 0.9])


def test_opening_force_in_tonnes() -> None:
    assert physics.opening_force_tf(np.array([800.0]), 300) == pytest.approx([240.0])


@pytest.mark.parametrize(("biscuit", "rise"), [(5.0, 0.03), (25.0, 0.09)])
def test_thin_biscuit_and_late_rise_lose_pressure(biscuit: float, rise: float) -> None:
    good, poor = physics.transmitted_pressure_kgf_cm2(
        np.array([800.0, 800.0]), np.array([25.0, biscuit]), np.array([0.03, rise])
    )

    assert poor < good < 800


def test_die_settles_near_two_hundred_degrees_and_cools_in_a_stop() -> None:
    die_c = 160.0
    for _ in range(300):
        die_c = physics.die_temp_after_shot_c(die_c, 640, 24, 3, 32, 7.5)
    after_stop = physics.die_temp_after_shot_c(die_c, 640, 24, 3, 600, 7.5)

    assert 180 < die_c < 220
    assert after_stop < 100
