"""The quality console: what it shows, keeps and refuses, for those who may see it."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from portal.lib import clock
from portal.registry.models import ModelVersion
from predictions.engine.features import FEATURE_NAMES
from predictions.models import Prediction
from predictions.services import lookup, serving
from tests.predictions.conftest import (  # noqa: F401 - fixtures
    champion,
    make_version,
    shots,
    small_model,
)

pytestmark = pytest.mark.django_db
PREDICT = "console:predict"
Shot = dict[str, float | None]


def typed(shot: Shot, **changes: str) -> dict[str, str]:
    values = {name: "" if value is None else str(value) for name, value in shot.items()} | changes
    return {f"value-{name}": value for name, value in values.items()}


@pytest.fixture(autouse=True)
def _follow_nothing() -> Iterator[None]:
    """Stop following the champion, which pages begin."""
    yield
    serving.quality.stop()


@pytest.fixture
def operator(signed_in: Callable[..., Client]) -> Client:
    return signed_in("operator")


@pytest.fixture
def predicted(operator: Client, champion: ModelVersion, shots: list[Shot]) -> str:  # noqa: F811
    """Give the identifier of a shot that was asked for on the page."""
    answer = operator.post(reverse(PREDICT), typed(shots[0]))
    assert answer.status_code == 302, answer.text
    found = re.search(r"shot=([0-9a-f-]{36})", answer["Location"])
    assert found is not None
    return found[1]


@pytest.fixture
def recorded(predicted: str) -> list[Prediction]:
    """Give forty recorded predictions of the last ten days, a quarter of them defects."""
    model = lookup.find(UUID(predicted))
    rows = []
    for place in range(40):
        label = "defect" if place % 4 == 0 else "ok"
        rows.append(
            Prediction(
                id=f"0198{place:04d}-0000-7000-8000-000000000000",
                version=model.version,
                at=clock.now() - timedelta(hours=6 * place + 1),
                features=model.features | {"Product_Type": 1.0 if place % 2 else 2.0},
                probability=0.9 if label == "defect" else 0.1,
                predicted_class=label,
                confidence="high",
                latency_ms=1.0,
            )
        )
    return Prediction.objects.bulk_create(rows)


def test_without_a_champion_the_form_says_how_to_get_one(operator: Client) -> None:
    serving.quality.take(None)
    answer = operator.get(reverse(PREDICT))
    assert answer.status_code == 200
    assert "No model answers yet" in answer.text
    assert "has no champion" in answer.text


def test_before_the_first_prediction_every_tab_says_what_to_do(operator: Client) -> None:
    for name in ("console:analysis", "console:history"):
        assert "No predictions yet" in operator.get(reverse(name)).text


def test_a_shot_is_predicted_and_shown_beside_good_ones(operator: Client, predicted: str) -> None:
    page = operator.get(reverse(PREDICT), {"shot": predicted}).text
    shown = lookup.find(UUID(predicted))
    assert "mw-gauge" in page
    assert "Beside good shots" in page
    assert "Latent profile" in page
    velocity = shown.features["Velocity_1"]
    assert f'name="value-Velocity_1" value="{velocity:.7g}"' in page


def test_bad_input_is_named_at_its_field_and_kept(
    operator: Client,
    champion: ModelVersion,  # noqa: F811
    shots: list[Shot],  # noqa: F811
) -> None:
    wrong = typed(shots[0], Velocity_1="fast", Cycle_Time="99999", Shot="")
    answer = operator.post(reverse(PREDICT), wrong)
    assert answer.status_code == 422
    assert 'value="fast"' in answer.text
    assert 'value="99999"' in answer.text
    assert answer.text.count('aria-invalid="true"') == 3
    assert "Cycle_Time is 99999" in answer.text
    assert not Prediction.objects.exists()


@pytest.mark.parametrize("as_file", [False, True])
def test_a_pasted_row_and_a_row_of_a_file_fill_the_form(
    operator: Client,
    champion: ModelVersion,  # noqa: F811
    shots: list[Shot],  # noqa: F811
    as_file: bool,
) -> None:
    names = ",".join(["id", *FEATURE_NAMES])
    rows = [",".join(["1", *(str(shot[name] or "") for name in FEATURE_NAMES)]) for shot in shots]
    text = "\n".join([names, *rows[:3]])
    sent: dict[str, Any] = {"fill": "1", "row": "2"}
    file = io.BytesIO(text.encode())
    file.name = "shots.csv"
    sent |= {"file": file} if as_file else {"pasted": text}
    answer = operator.post(reverse(PREDICT), sent)
    assert answer.status_code == 200
    assert "Row 2 of 3 is filled in" in answer.text
    assert "no such feature: id" in answer.text
    assert f'name="value-Cycle_Time" value="{shots[1]["Cycle_Time"]}"' in answer.text


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"pasted": "hello"}, "neither JSON nor a table"),
        ({"pasted": "Velocity_1,Shot\n1,2", "row": "9"}, "give a number from 1 to 1"),
        ({}, "nothing to read"),
    ],
)
def test_what_cannot_fill_the_form_says_why_and_stays(
    operator: Client,
    champion: ModelVersion,  # noqa: F811
    sent: dict[str, str],
    said: str,
) -> None:
    answer = operator.post(reverse(PREDICT), {"fill": "1", **sent})
    assert answer.status_code == 422
    assert said in answer.text
    assert sent.get("pasted", "") in answer.text


def test_the_analysis_draws_the_waterfall_and_likens_the_shot(
    operator: Client, predicted: str
) -> None:
    page = operator.get(reverse("console:analysis"), {"shot": predicted}).text
    assert "<svg" in page
    assert "Similar shots" in page
    assert "What to set differently" in page


@pytest.mark.parametrize("given", ["nonsense", "01980000-0000-7000-8000-000000000000"])
def test_a_shot_that_does_not_exist_is_said_so(operator: Client, given: str) -> None:
    answer = operator.get(reverse("console:analysis"), {"shot": given})
    assert answer.status_code == 404
    assert given in answer.text


def test_the_assistant_says_what_is_missing_without_documents(
    operator: Client, predicted: str
) -> None:
    answer = operator.get(reverse("console:assistant"), {"shot": predicted, "q": "Why a defect?"})
    assert answer.status_code in {404, 503}
    assert "Why a defect?" in answer.text
    assert 'role="alert"' in answer.text


def test_the_history_sums_up_by_day_and_product_and_filters(
    operator: Client, recorded: list[Prediction]
) -> None:
    page = operator.get(reverse("console:history"))
    assert page.context["found"].n >= 40
    assert {part.key for part in page.context["found"].products} >= {1.0, 2.0}
    only = operator.get(reverse("console:history"), {"label": "defect", "product": "2"})
    assert only.context["found"].n == 10
    assert only.context["found"].share == 1.0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"since": "yesterday"}, "is no date"),
        ({"since": "2026-05-02", "until": "2026-05-01"}, "swap them"),
        ({"since": "2020-01-01", "until": "2026-01-01"}, "a year or less"),
        ({"product": "wheel"}, "is no product type"),
        ({"version": "-1"}, "is no version"),
    ],
)
def test_a_filter_that_makes_no_sense_is_named(
    operator: Client, recorded: list[Prediction], given: dict[str, str], said: str
) -> None:
    answer = operator.get(reverse("console:history"), given)
    assert answer.status_code == 422
    assert said in answer.text
    assert operator.get(reverse("console:export"), given).status_code == 422


def test_the_export_holds_every_row_that_the_filters_choose(
    operator: Client, recorded: list[Prediction]
) -> None:
    answer = operator.get(reverse("console:export"), {"label": "defect"})
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["class"] for row in rows} == {"defect"}
    assert {str(one.pk) for one in recorded[::4]} <= {row["prediction_id"] for row in rows}
    assert float(rows[0]["Velocity_1"]) > 0


@pytest.mark.parametrize("name", ["predict", "analysis", "assistant", "history", "export"])
def test_outsiders_are_sent_to_the_sign_in(client: Client, name: str) -> None:
    answer = client.get(reverse(f"console:{name}"))
    assert answer.status_code == 302
    assert "/admin/login/" in answer["Location"]


def test_somebody_without_a_role_may_not_look(signed_in: Callable[..., Client]) -> None:
    assert signed_in("nobody").get(reverse(PREDICT)).status_code == 403
