"""Explanations over HTTP: contributions that add up, pictures, similar shots, what to change."""

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import log
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from django.test import Client
from pytest_django import Settings

from portal.core.errors import Corrupt
from portal.lib.raster import can_show
from portal.registry.models import ModelVersion
from predictions.engine.calibrators import Platt
from predictions.engine.explanation.explainer import from_bytes
from predictions.engine.explanation.settings import SETTINGS
from predictions.engine.features import FEATURE_NAMES
from predictions.models import Explanation, Prediction
from predictions.services import explainers, feedback, records
from tests.predictions.conftest import SmallModel
from tests.predictions.records import make_record

PREDICT = "/api/v1/predictions/quality/"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

Shots = list[dict[str, float | None]]
Key = Callable[..., dict[str, str]]
Ask = Callable[..., Any]


@pytest.fixture(autouse=True)
def cold(settings: Settings) -> Iterator[None]:
    """Keep no explainer between tests, and record without waiting for anybody."""
    settings.STRICT_RECORDING = True
    yield
    explainers._explainers.forget()
    explainers._histories.forget()


@pytest.fixture
def predicted(client: Client, champion: ModelVersion, make_key: Key) -> Callable[..., Any]:
    """Give ``predicted(features)``: the answer for a shot, which is on record afterwards."""

    def ask(features: dict[str, float | None]) -> Any:
        return client.post(
            PREDICT,
            json.dumps({"features": features}),
            content_type="application/json",
            headers=make_key("predict"),
        ).json()

    return ask


@pytest.fixture
def ask(client: Client, make_key: Key) -> Ask:
    """Give ``ask(id, "similar/", scope="predict")``: the answer of an address of a prediction."""

    def call(identifier: str, path: str, scope: str = "predict", **headers: str) -> Any:
        address = f"/api/v1/predictions/{identifier}/{path}"
        method = client.post if path == "explanation/" else client.get
        return method(address, headers=make_key(scope) | headers)

    return call


def log_odds(probability: float) -> float:
    return log(probability / (1 - probability))


def test_an_explanation_has_the_contract_s_shape_and_adds_up(
    predicted: Ask, ask: Ask, shots: Shots
) -> None:
    said = predicted(shots[0])

    answer = ask(said["prediction_id"], "explanation/")

    body = answer.json()
    assert answer.status_code == 200
    assert {"importance", "top_features", "base_value", "visualization_url"} <= set(body)
    assert set(body["importance"]) == set(FEATURE_NAMES)
    total = body["base_value"] + sum(body["importance"].values())
    assert total == pytest.approx(body["margin"], abs=1e-9)
    assert total == pytest.approx(log_odds(said["prediction"]["probability"]), abs=1e-4)
    assert body["method"] == "tree-path-dependent-shapley"
    sizes = [abs(body["importance"][name]) for name in body["top_features"]]
    assert len(sizes) == 10
    assert sizes == sorted(sizes, reverse=True)
    assert list(body["importance"])[:10] == body["top_features"]


def test_it_is_stored_once_and_said_again(predicted: Ask, ask: Ask, shots: Shots) -> None:
    identifier = predicted(shots[1])["prediction_id"]

    first, second = (ask(identifier, "explanation/").json() for _ in range(2))

    assert first == second
    assert Explanation.objects.get().created_at.isoformat()[:19] == first["created_at"][:19]


def test_a_prediction_still_in_the_stream_is_explained(
    predicted: Ask, ask: Ask, shots: Shots, settings: Settings
) -> None:
    settings.STRICT_RECORDING = False
    identifier = predicted(shots[2])["prediction_id"]
    assert not Prediction.objects.exists()

    assert ask(identifier, "explanation/").status_code == 200


def test_a_version_without_an_explainer_says_so(
    make_version: Callable[..., ModelVersion], ask: Ask, shots: Shots
) -> None:
    old = make_version(explainer=b"")
    record = make_record(version_id=old.pk, features=json.dumps(shots[0]))
    records.insert([record])

    for path in ("explanation/", "explanation/waterfall.svg", "similar/", "counterfactual/"):
        answer = ask(str(UUID(bytes=record.id)), path)
        assert answer.status_code == 409
        assert answer.json()["code"] == "not_available_for_version"
        assert "Train a new version" in answer.json()["detail"]


def test_what_was_explained_outlives_the_version(
    make_version: Callable[..., ModelVersion], ask: Ask, shots: Shots
) -> None:
    version = make_version()
    row = np.array([list(shots[0].values())], dtype=np.float32)
    probability = float(explainers.ready(version).served(row)[0])
    record = make_record(
        version_id=version.pk, features=json.dumps(shots[0]), probability=round(probability, 6)
    )
    records.insert([record])
    identifier = str(UUID(bytes=record.id))
    before = ask(identifier, "explanation/").json()
    ModelVersion.objects.filter(pk=version.pk).update(state=ModelVersion.State.REMOVED)

    assert ask(identifier, "explanation/").json() == before
    assert ask(identifier, "similar/").json()["code"] == "version_removed"


def test_an_explainer_of_another_model_is_not_used(
    make_version: Callable[..., ModelVersion], small_model: SmallModel
) -> None:
    form = from_bytes(small_model.explainer)
    version = make_version()
    assert explainers.ready(version).model.signature.names == FEATURE_NAMES
    assert isinstance(form.calibrator, Platt)
    bent = replace(form.calibrator, slope=form.calibrator.slope * 1.1)
    other = make_version(explainer=replace(form, calibrator=bent).to_bytes())

    with pytest.raises(Corrupt, match="cannot be explained"):
        explainers.ready(other)


def test_an_answer_that_does_not_fit_the_model_is_not_explained_away(
    champion: ModelVersion, ask: Ask, shots: Shots
) -> None:
    record = make_record(
        version_id=champion.pk, features=json.dumps(shots[0]), probability=0.987654
    )
    records.insert([record])

    answer = ask(str(UUID(bytes=record.id)), "explanation/")

    assert answer.status_code == 500
    assert answer.json()["code"] == "explanation_disagrees"
    assert not Explanation.objects.exists()


# --- Picture ------------------------------------------------------------------------------------
def test_the_picture_is_well_formed_svg_in_the_reader_s_language(
    predicted: Ask, ask: Ask, shots: Shots
) -> None:
    identifier = predicted(shots[0])["prediction_id"]
    address = "explanation/waterfall.svg"

    english = ask(identifier, address)
    korean = ask(identifier, f"{address}?lang=ko")
    asked = ask(identifier, address, **{"Accept-Language": "ko"})

    assert english.headers["Content-Type"] == "image/svg+xml"
    assert ElementTree.fromstring(english.content).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - our own
    assert "20 other features" in english.content.decode()
    assert asked.content == korean.content != english.content


def test_the_picture_may_be_kept_by_the_one_who_asked(
    predicted: Ask, ask: Ask, shots: Shots
) -> None:
    identifier = predicted(shots[0])["prediction_id"]
    first = ask(identifier, "explanation/waterfall.svg", "read")

    again = ask(
        identifier,
        "explanation/waterfall.svg",
        "read",
        **{"If-None-Match": first.headers["ETag"]},
    )

    assert first.headers["Cache-Control"] == "private, max-age=86400, immutable"
    assert "Accept-Language" in first.headers["Vary"]
    assert again.status_code == 304
    assert again.content == b""


def test_the_picture_comes_as_png_too(predicted: Ask, ask: Ask, shots: Shots) -> None:
    identifier = predicted(shots[0])["prediction_id"]
    address = "explanation/waterfall.png"

    english, korean = ask(identifier, address, "read"), ask(identifier, f"{address}?lang=ko")
    again = ask(identifier, address, "read", **{"If-None-Match": english.headers["ETag"]})

    assert english.headers["Content-Type"] == "image/png"
    assert english.content[:4] == korean.content[:4] == b"\x89PNG"
    assert english.content != korean.content
    assert again.status_code == 304
    assert ask(identifier, f"{address}?lang=xx").status_code == 422


def test_the_font_has_every_character_of_the_picture(
    predicted: Ask, ask: Ask, shots: Shots
) -> None:
    identifier = predicted(shots[0])["prediction_id"]
    for language in ("en", "ko"):
        content = ask(identifier, f"explanation/waterfall.svg?lang={language}").content
        picture = ElementTree.fromstring(content)  # noqa: S314 - our own
        assert can_show("".join(picture.itertext()))


def test_a_language_nobody_speaks_is_refused(predicted: Ask, ask: Ask, shots: Shots) -> None:
    identifier = predicted(shots[0])["prediction_id"]

    assert ask(identifier, "explanation/waterfall.svg?lang=xx").status_code == 422


# --- Similar shots ------------------------------------------------------------------------------
def test_similar_shots_come_nearest_first_with_their_outcome(
    predicted: Ask, ask: Ask, shots: Shots
) -> None:
    identifier = predicted(shots[0])["prediction_id"]

    body = ask(identifier, "similar/?count=5", "read").json()

    distances = [one["distance"] for one in body["similar"]]
    assert len(distances) == 5
    assert distances == sorted(distances)
    assert {one["outcome"] for one in body["similar"]} <= {"defect", "ok"}
    assert set(body["similar"][0]["features"]) == set(FEATURE_NAMES)
    assert 0 <= body["defect_share"] <= 1
    assert body["n_compared"] > 800


def test_a_shot_of_the_data_set_finds_itself_whatever_its_counter(
    champion: ModelVersion, predicted: Ask, ask: Ask
) -> None:
    past = explainers.past_shots(champion).shots
    known = dict(zip(FEATURE_NAMES, past.rows[40].tolist(), strict=True))
    identifier = predicted(known | {"Shot": 12_345.0})["prediction_id"]

    nearest = ask(identifier, "similar/").json()["similar"][0]

    assert nearest["distance"] == pytest.approx(0, abs=1e-3)
    assert nearest["row"] == past.positions[40]


def test_shots_whose_outcome_was_reported_are_among_them(
    predicted: Ask, ask: Ask, shots: Shots
) -> None:
    identifier, other = (predicted(shots[n])["prediction_id"] for n in (0, 0))
    feedback.record([{"prediction_id": other, "label": "defect"}], reported_by="key:1")

    nearest = ask(identifier, "similar/").json()["similar"][0]

    assert (nearest["origin"], nearest["prediction_id"]) == ("reported", other)
    assert (nearest["distance"], nearest["outcome"]) == (0, "defect")


@pytest.mark.parametrize("query", ["count=0", "count=51", "count=x", "count=-1", "k=3"])
def test_a_count_that_makes_no_sense_is_refused(
    predicted: Ask, ask: Ask, shots: Shots, query: str
) -> None:
    identifier = predicted(shots[0])["prediction_id"]

    assert ask(identifier, f"similar/?{query}").status_code == 422


# --- Counterfactual -----------------------------------------------------------------------------
def defective(predicted: Ask, shots: Shots) -> Any:
    for shot in shots:
        said = predicted(shot)
        if said["prediction"]["class"] == "defect":
            return said
    raise AssertionError("no shot is called a defect")


def test_a_change_of_settings_makes_the_shot_good(
    predicted: Ask, ask: Ask, shots: Shots, champion: ModelVersion
) -> None:
    said = defective(predicted, shots)

    body = ask(said["prediction_id"], "counterfactual/").json()

    assert body["found"] is True
    assert body["probability_after"] < body["threshold"] <= body["probability_before"]
    features = Prediction.objects.get(pk=said["prediction_id"]).features
    for change in body["changes"]:
        assert change["feature"] in SETTINGS
        assert change["low"] <= change["after"] <= change["high"]
        features[change["feature"]] = change["after"]
    again = predicted(features)["prediction"]
    assert again["class"] == "ok"
    assert again["probability"] == pytest.approx(body["probability_after"], abs=1e-5)


def test_only_the_settings_named_are_moved(predicted: Ask, ask: Ask, shots: Shots) -> None:
    identifier = defective(predicted, shots)["prediction_id"]

    body = ask(identifier, "counterfactual/?settings=Clamping_Force&max_changes=1").json()

    assert body["settings"] == ["Clamping_Force"]
    assert {change["feature"] for change in body["changes"]} <= {"Clamping_Force"}
    assert body["found"] or body["probability_after"] is None


@pytest.mark.parametrize(
    "query", ["settings=Factory_Temp", "settings=", "max_changes=0", "max_changes=4", "x=1"]
)
def test_what_cannot_be_set_is_refused(predicted: Ask, ask: Ask, shots: Shots, query: str) -> None:
    identifier = predicted(shots[0])["prediction_id"]

    assert ask(identifier, f"counterfactual/?{query}").status_code == 422


# --- Who may ------------------------------------------------------------------------------------
def test_explaining_needs_the_scope_and_looking_either(
    predicted: Ask, ask: Ask, shots: Shots, client: Client
) -> None:
    identifier = predicted(shots[0])["prediction_id"]

    assert ask(identifier, "explanation/", "read").status_code == 403
    assert ask(identifier, "similar/", "train").status_code == 403
    assert client.get(f"/api/v1/predictions/{identifier}/similar/").status_code == 401


def test_an_unknown_prediction_is_not_found(ask: Ask, champion: ModelVersion) -> None:
    unknown = "0190a5a4-7000-7000-8000-000000000000"

    pictures = ("explanation/waterfall.svg", "explanation/waterfall.png")
    for path in ("explanation/", *pictures, "similar/", "counterfactual/"):
        assert ask(unknown, path).status_code == 404
