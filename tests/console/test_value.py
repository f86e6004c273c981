"""The value page: what the champion saves, when it pays back, and what is refused."""

import math
from collections.abc import Callable, Iterator

import pytest
from django.test import Client
from django.urls import reverse

from portal.console.services import value
from portal.console.services.value import Wanted
from portal.registry.models import ModelVersion
from predictions.services import costs, serving
from predictions.services.costs import Prices
from tests.predictions.conftest import (  # noqa: F401 - fixtures
    champion,
    make_version,
    small_model,
)

pytestmark = pytest.mark.django_db
PRICES = Prices(missed_defect=50.0, false_alarm=2.0, volume=1_000.0)


@pytest.fixture(autouse=True)
def _follow_nothing() -> Iterator[None]:
    yield
    serving.quality.stop()


def test_the_benefit_is_what_no_model_costs_more(champion: ModelVersion) -> None:  # noqa: F811
    found = costs.benefit(champion, PRICES)
    options = {one.name: one for one in costs.price(champion, PRICES).options}
    assert found.cost == pytest.approx(options["present"].cost)
    assert found.cost_without == pytest.approx(options["stop_none"].cost)
    assert found.saving == pytest.approx(-options["stop_none"].saving)
    assert found.saving_interval.low <= found.saving <= found.saving_interval.high
    inspected = costs.benefit(champion, PRICES, is_inspected=True)
    assert inspected.cost_without == pytest.approx(options["stop_all"].cost)


def test_twice_the_volume_saves_twice_and_pays_back_in_half_the_time(
    champion: ModelVersion,  # noqa: F811
) -> None:
    found = value.of(champion, Wanted(PRICES, investment=10_000.0))
    twice = next(one for one in found.scenarios if (one.name, one.factor) == ("volume", 2.0))
    assert twice.monthly.value == pytest.approx(2 * found.monthly.value)
    assert found.payback is not None
    assert twice.payback is not None
    assert twice.payback.value == pytest.approx(found.payback.value / 2)
    assert found.payback.low <= found.payback.value <= found.payback.high


def test_what_costs_more_than_it_saves_never_pays_back(champion: ModelVersion) -> None:  # noqa: F811
    found = value.of(champion, Wanted(PRICES, investment=1.0, running=1e9))
    assert not found.monthly.is_sure
    assert found.payback is not None
    assert math.isinf(found.payback.value)


def test_the_page_shows_savings_at_the_prices_given(
    champion: ModelVersion,  # noqa: F811
    signed_in: Callable[..., Client],
) -> None:
    client = signed_in("viewer")
    given = {"missed_defect": "50", "false_alarm": "2", "volume": "1000", "investment": "5000"}
    page = client.get(reverse("console:value"), given)
    assert page.status_code == 200
    assert "Saved a month" in page.text
    assert "Payback, months" in page.text
    assert "example prices" not in page.text
    assert "example prices" in client.get(reverse("console:value")).text


def test_a_price_that_makes_no_sense_is_named_and_kept(
    champion: ModelVersion,  # noqa: F811
    signed_in: Callable[..., Client],
) -> None:
    client = signed_in("viewer")
    page = client.get(reverse("console:value"), {"missed_defect": "-3", "volume": "many"})
    assert page.status_code == 422
    assert 'value="-3"' in page.text
    assert 'value="many"' in page.text
    assert "Saved a month" not in page.text
    nothing = client.get(reverse("console:value"), {"missed_defect": "0", "false_alarm": "0"})
    assert nothing.status_code == 422
    assert "give at least one of them a price" in nothing.text


def test_without_a_champion_the_page_says_so(signed_in: Callable[..., Client]) -> None:
    page = signed_in("viewer").get(reverse("console:value"))
    assert page.status_code == 200
    assert "No model answers yet" in page.text
