"""What thresholds cost and what versions look at: services, addresses, the version page."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from portal.core.errors import InvalidInput
from portal.core.models import User
from portal.registry.models import ModelVersion
from predictions.engine.features import FEATURE_NAMES
from predictions.services import costs
from predictions.services.costs import Prices

pytestmark = pytest.mark.django_db

Key = Callable[..., dict[str, str]]
Make = Callable[..., ModelVersion]


@pytest.fixture
def version(make_version: Make) -> ModelVersion:
    return make_version()


@pytest.fixture
def ask(client: Client, make_key: Key, version: ModelVersion) -> Callable[..., Any]:
    def call(path: str, scope: str = "read") -> Any:
        base = f"/api/v1/models/{version.model.name}/versions/"
        address = base + (path[3:] if path.startswith("../") else f"{version.number}/{path}")
        return client.get(address, headers=make_key(scope))

    return call


@pytest.fixture
def page(version: ModelVersion) -> Callable[..., Any]:
    user = User.objects.create_superuser("root", password="x")
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    address = reverse("admin:registry_modelversion_change", args=[version.pk])
    return lambda query="": client.get(f"{address}{query}")


def test_costs_are_misses_and_false_alarms_at_their_prices(version: ModelVersion) -> None:
    found = costs.price(version, Prices(missed_defect=40, false_alarm=5, volume=2_000))

    options = {option.name: option for option in found.options}
    for option in found.options:
        cost = 40 * option.n_missed + 5 * option.n_false_alarms
        assert option.cost == pytest.approx(cost)
        assert option.saving == pytest.approx(options["present"].cost - option.cost)
    assert options["implied"].threshold == pytest.approx(5 / 45)
    assert options["present"].threshold == version.evaluation["threshold"]
    assert options["cheapest"].cost == min(option.cost for option in found.options)
    assert options["stop_all"].n_missed == 0
    assert options["stop_none"].n_false_alarms == 0


def test_the_present_threshold_is_counted_as_the_report_counts_it(version: ModelVersion) -> None:
    n = version.evaluation["protocol"]["n_tested"]
    points = version.evaluation["operating_points"]
    threshold = version.evaluation["threshold"]

    present = costs.price(version, Prices(1, 1, n)).options[0]

    at_or_above = min(p["threshold"] for p in points if p["threshold"] >= threshold)
    expected = next(p for p in points if p["threshold"] == at_or_above)
    assert present.n_missed == pytest.approx(expected["missed"] * n)


def test_every_figure_has_its_interval(version: ModelVersion) -> None:
    found = costs.price(version, Prices(missed_defect=40, false_alarm=5, volume=2_000))

    present = found.options[0]
    assert (present.saving_interval.low, present.saving_interval.high) == (0, 0)
    assert not present.is_sure
    for option in found.options:
        assert option.cost_interval.low <= option.cost <= option.cost_interval.high
        assert option.saving_interval.low <= option.saving <= option.saving_interval.high
    cheapest = found.cheapest_interval
    assert cheapest.low <= found.options[1].threshold <= cheapest.high
    assert len(found.band) == len(found.curve.points)
    assert 0 < found.n_distinct <= found.n_shots


def test_a_dearer_defect_lowers_the_cheapest_threshold(version: ModelVersion) -> None:
    found = costs.price(version, Prices(2, 1, 100))

    thresholds = [one.cheapest_threshold for one in found.variations]

    assert [one.missed_defect for one in found.variations] == [0.5, 1, 4, 8]
    assert thresholds == sorted(thresholds, reverse=True)
    assert all(one.saving >= 0 for one in found.variations)


def test_every_senseless_price_is_named(version: ModelVersion) -> None:
    with pytest.raises(InvalidInput) as caught:
        costs.price(version, Prices(-1, float("nan"), 1e13))

    assert {one.field for one in caught.value.problems} == {
        "missed_defect",
        "false_alarm",
        "volume",
    }


def test_the_address_answers_curve_options_and_variations(ask: Callable[..., Any]) -> None:
    body = ask("costs/?missed_defect=30&false_alarm=2&volume=500").json()

    assert (body["missed_defect"], body["false_alarm"], body["volume"]) == (30, 2, 500)
    assert body["implied_threshold"] == pytest.approx(2 / 32)
    assert [one["name"] for one in body["options"]][:2] == ["present", "cheapest"]
    assert len(body["variations"]) == 4
    assert len(body["curve"]) > 10
    assert all(point["low"] <= point["high"] for point in body["curve"])
    assert body["cheapest_interval"]["low"] <= body["options"][1]["threshold"]


@pytest.mark.parametrize(
    "query",
    [
        "missed_defect=1&false_alarm=1",
        "missed_defect=x&false_alarm=1&volume=1",
        "missed_defect=nan&false_alarm=1&volume=1",
        "missed_defect=inf&false_alarm=1&volume=1",
        "missed_defect=-1&false_alarm=1&volume=1",
        "missed_defect=0&false_alarm=0&volume=1",
        "missed_defect=1&false_alarm=1&volume=0",
        "missed_defect=1&false_alarm=1&volume=1&colour=red",
    ],
)
def test_a_senseless_question_is_refused_by_name(ask: Callable[..., Any], query: str) -> None:
    answer = ask(f"costs/?{query}")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] in {*costs.Prices.__annotations__, "colour"}


def test_an_unknown_version_is_not_found(client: Client, make_key: Key) -> None:
    for path in ("costs/?missed_defect=1&false_alarm=1&volume=1", "importance/"):
        address = f"/api/v1/models/none/versions/3/{path}"
        assert client.get(address, headers=make_key("read")).status_code == 404


def test_looking_needs_the_scope(ask: Callable[..., Any]) -> None:
    assert ask("importance/", "predict").status_code == 403


def test_a_version_of_old_says_what_it_lacks(
    ask: Callable[..., Any], version: ModelVersion, page: Callable[..., Any]
) -> None:
    content = {k: v for k, v in version.evaluation.items() if k != "operating_points"}
    old = _next(version, content)

    for path in ("costs/?missed_defect=1&false_alarm=1&volume=1", "importance/"):
        answer = ask(f"../{old.number}/{path}")
        assert answer.status_code == 409
        assert answer.json()["code"] == "not_available_for_version"
        assert "Train a new version" in answer.json()["detail"]
    assert "trained before reports kept the mean size" in page().text


def test_importance_is_answered_and_shown_with_intervals(
    ask: Callable[..., Any], version: ModelVersion
) -> None:
    features = [
        {"feature": name, "value": 1 / (n + 1), "low": 0.9 / (n + 1), "high": 1.2 / (n + 1)}
        for n, name in enumerate(FEATURE_NAMES)
    ]
    found = {"method": "m", "unit": "log-odds", "n_shots": 400, "features": features}
    new = _next(version, version.evaluation | {"global_importance": found})
    client = Client(headers={"accept-language": "en"})
    client.force_login(User.objects.create_superuser("other", password="x"))

    body = ask(f"../{new.number}/importance/").json()
    text = client.get(reverse("admin:registry_modelversion_change", args=[new.pk])).text

    assert body["features"] == features
    assert (body["version"], body["n_shots"]) == (new.number, 400)
    assert "over 400 training shots" in text
    assert text.count("mw-range-bar") == len(FEATURE_NAMES)


def _next(version: ModelVersion, evaluation: dict[str, Any]) -> ModelVersion:
    row = _row(version) | {"number": version.number + 1, "evaluation": evaluation}
    made = ModelVersion(**row | {"digest": f"{version.number + 1:064d}"})
    made.save(force_insert=True)
    return made


def _row(version: ModelVersion) -> dict[str, Any]:
    names = [field.attname for field in ModelVersion._meta.concrete_fields if field.name != "id"]
    return {name: getattr(version, name) for name in names}


def test_the_version_page_works_out_the_cost_at_given_prices(page: Callable[..., Any]) -> None:
    example, given = page(), page("?missed_defect=50&false_alarm=1&volume=300")

    assert "These are example prices" in example.text
    assert "These are example prices" not in given.text
    assert "from a probability of 0.020" in given.text
    assert "<polyline" in given.text


@pytest.mark.parametrize(
    "query", ["?missed_defect=-3", "?missed_defect=cheap", "?volume=0", "?missed_defect=1e400"]
)
def test_the_version_page_says_what_is_wrong_with_a_price(
    page: Callable[..., Any], query: str
) -> None:
    answer = page(query)

    assert answer.status_code == 200
    assert 'role="alert"' in answer.text
    assert "Calls against outcomes" in answer.text
