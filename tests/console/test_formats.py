from datetime import timedelta

import pytest
from django.utils import translation

from portal.console.templatetags import facts
from portal.core import formats
from portal.lib import clock


@pytest.fixture(autouse=True)
def _english() -> object:
    with translation.override("en"):
        yield


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567, "1,234,567"),
        (0.51797, "0.518"),
        (0.00004, "4e-05"),
        (1234.56, "1,234.6"),
        (None, formats.DASH),
    ],
)
def test_numbers_are_rounded_and_grouped(value: object, text: str) -> None:
    assert formats.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.19, "0.19"),
        (817.0, "817"),
        (390.81, "390.8"),
        (-2.5, "-2.5"),
        (0.0, "0"),
        (24_969.6, "24,970"),
        (-47_569.8, "-47,570"),
        (119_999.7, "120,000"),
    ],
)
def test_measured_values_have_four_digits_and_no_idle_zeros(value: float, text: str) -> None:
    assert formats.figure(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.25, "250 ms"),
        (3.21, "3.2 s"),
        (75, "1 min 15 s"),
        (90_061, "1 day 1 h"),
        (None, formats.DASH),
    ],
)
def test_durations_use_the_two_largest_units(seconds: float | None, text: str) -> None:
    assert formats.duration(seconds) == text


def test_sizes_use_binary_units() -> None:
    assert formats.size(1536) == "1.5 KiB"
    assert formats.size(12) == "12 B"


def test_ago_keeps_the_exact_time_as_a_tooltip() -> None:
    at = clock.now() - timedelta(hours=2)
    assert "2 hours ago" in str(formats.ago(at)).replace("\xa0", " ")
    assert f'title="{formats.moment(at)}"' in str(formats.ago(at))


def test_a_badge_escapes_its_text() -> None:
    assert "<script>" not in formats.badge("<script>", "bad")


def test_json_becomes_named_facts() -> None:
    value = {
        "metrics": {"f1": {"value": 0.5179, "low": 0.4, "high": 0.6}},
        "compare": True,
        "names": ["a", "b"],
        "other": [{"x": 1}],
    }
    metrics, compare, names, other = facts.listed(value)
    assert metrics.items[0].text == "0.518 (0.400 … 0.600)"
    assert (compare.label, compare.text) == ("Show the other protocols beside", "yes")
    assert names.text == "a, b"
    assert other.items[0].items[0].text == "1"
